/* The space that is searched: parameters with types, ranges and scales. Pure plain data,
 * borrowed from the caller.
 *
 * A point is double[n_params]: floats as they are, ints as whole numbers, bools 0 or 1, a
 * choice as its index into `choices` (0 .. n_choices-1). `lo..hi` is the protocol's range and
 * bounds every proposal; `hard_lo..hard_hi` is the describe table's and only failure-probes may
 * go there. A list of allowed numbers is a choice with ordered = true: its neighbours are the
 * next numbers.
 */
#ifndef CN_UCB_SPACE_H
#define CN_UCB_SPACE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

typedef enum { CN_PARAM_FLOAT, CN_PARAM_INT, CN_PARAM_BOOL, CN_PARAM_CHOICE } cn_param_type;

struct cn_param {
    const char *path; /* dotted, for messages */
    cn_param_type type;
    double lo, hi;           /* float, int */
    double hard_lo, hard_hi; /* contain lo..hi; may be infinite */
    bool log;                /* log scale; lo may be 0: off, below hi * CN_SPACE_LOG_FLOOR */
    int32_t n_choices;       /* choice */
    bool ordered;            /* choice: neighbours mean something */
};

enum { CN_SPACE_PARAMS = 256 };

/* A log range from 0: the scale covers the three decades below hi; 0 itself is "off" and is
 * reached by mutation only. */
#define CN_SPACE_LOG_FLOOR 1e-3

struct cn_space {
    const struct cn_param *params;
    int32_t n;
};

/* CN_EINPUT naming the parameter (CN_ECAP beyond CN_SPACE_PARAMS): lo > hi, not finite, log
 * with a negative bound, an int range without an integer, an empty choice, a hard range that
 * does not contain the range. */
CN_MUST_CHECK cn_status cn_space_check(const struct cn_space *s, struct cn_err *err);

/* u in [0, 1) to a value of the parameter's range (uniform on its scale; ints and choices in
 * equal shares), and back (the middle of the share for the discrete). Used by the proposers
 * sobol and random, and by mutate.c. */
double cn_space_from_unit(const struct cn_param *p, double u);
double cn_space_to_unit(const struct cn_param *p, double x);

/* Where x lies on the scale that 0..1 stretches over the range: cn_space_to_unit inside it; a
 * number beyond the range (a probe) lies beyond 0 or 1. */
double cn_space_place(const struct cn_param *p, double x);
/* 0 of a log range that begins at 0: a weight that is switched off has no place on its scale. */
bool cn_space_is_off(const struct cn_param *p, double x);
/* The share of [0,1] that cn_space_from_unit turns into the value x of an int or a choice. */
void cn_space_cell(const struct cn_param *p, double x, double *out_lo, double *out_hi);

/* A whole point by Philox, keyed by (seed, iteration, retry): never by timing. out:
 * double[s->n]. */
void cn_space_random(const struct cn_space *s, uint64_t seed, int64_t iteration, uint64_t retry,
                     double *out);

#endif
