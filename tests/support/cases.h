/* Case files of the tests: where they are, golden arrays, comparison by array.
 *
 * Anything that is missing or malformed prints why and aborts: a test never passes for want of
 * its data.
 *
 *     struct cn_json_doc *doc = cn_case_json("golden/fly_gnn.json");
 *     int64_t n;
 *     double *W = cn_case_array(cn_json_path(cn_json_root(doc), "params.W"), &n);
 *     cr_assert(cn_case_close_float("W", got, W, n, 1e-4, 0));
 *     cn_free(W);
 *     cn_json_free(doc);
 */
#ifndef CN_TESTS_CASES_H
#define CN_TESTS_CASES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"

/* "<CAIRN_TEST_CASES, or tests/cases when unset>/<name>" into out; returns out. */
const char *cn_case_path(const char *name, char *out, size_t room);

/* The parsed file; free with cn_json_free. */
struct cn_json_doc *cn_case_json(const char *name);

/* A golden array {"shape": [...], "data": [...]}, or a plain (also nested) array of numbers, as
 * doubles in row-major order; null reads as NaN. Checks that the shape and the number of data
 * agree. *out_n (may be NULL) gets the length, at least 1. Free with cn_free. */
double *cn_case_array(const struct cn_json *v, int64_t *out_n);

/* True when max|got - golden| <= tol * scale; scale 0 = max|golden| of this array. A NaN
 * matches only a NaN. Otherwise prints `what`, the worst place and both values to stderr. */
bool cn_case_close(const char *what, const double *got, const double *golden, int64_t n,
                   double tol, double scale);
bool cn_case_close_float(const char *what, const float *got, const double *golden, int64_t n,
                         double tol, double scale);

#endif
