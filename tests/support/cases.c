#include "tests/support/cases.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/text.h"

const char *cn_case_path(const char *name, char *out, size_t room)
{
    const char *dir = getenv("CAIRN_TEST_CASES");

    cn_text_format(out, room, "%s/%s", dir && *dir ? dir : "tests/cases", name);
    return out;
}

struct cn_json_doc *cn_case_json(const char *name)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_json_doc *doc;
    char path[4096];

    if (cn_json_read(cn_case_path(name, path, sizeof path), &doc, &err) != CN_OK)
        CN_BUG("case file: %s", err.text);
    return doc;
}

/* Numbers and nulls of nested arrays */
static int64_t count_numbers(const struct cn_json *v)
{
    int64_t n = 0;

    if (cn_json_kind(v) != CN_JSON_ARRAY)
        return 1;
    for (v = cn_json_first(v); v; v = cn_json_next(v))
        n += count_numbers(v);
    return n;
}

static int64_t shape_product(const struct cn_json *shape)
{
    int64_t product = 1, dim;
    const struct cn_json *v;

    for (v = cn_json_first(shape); v; v = cn_json_next(v)) {
        if (!cn_json_int64(v, &dim) || dim < 0)
            CN_BUG("a golden shape holds something other than whole numbers");
        product *= dim;
    }
    return product;
}

double *cn_case_array(const struct cn_json *v, int64_t *out_n)
{
    const struct cn_json *data = cn_json_get(v, "data");
    const struct cn_json *shape = cn_json_get(v, "shape");
    double *out;
    int64_t n;

    if (!data)
        data = v;
    if (cn_json_kind(data) != CN_JSON_ARRAY)
        CN_BUG("expected a golden array, found none under that name");
    n = count_numbers(data);
    if (n < 1 || (shape && shape_product(shape) != n))
        CN_BUG("golden array of %lld numbers does not have its shape", (long long)n);
    out = cn_alloc((size_t)n, sizeof *out);
    if (!out || !cn_json_doubles(data, out, n))
        CN_BUG("golden array of %lld entries: out of memory, or not only numbers",
               (long long)n);
    if (out_n)
        *out_n = n;
    return out;
}

/* 0 when equal in the sense of the header, infinite when only one is a number */
static double distance(double got, double golden)
{
    if (isnan(got) || isnan(golden))
        return isnan(got) && isnan(golden) ? 0 : INFINITY;
    if (isinf(got) || isinf(golden))
        return got == golden ? 0 : INFINITY;
    return fabs(got - golden);
}

struct worst {
    double distance, got, scale;
    int64_t at;
};

static void look_at(struct worst *w, int64_t i, double got, double golden)
{
    double d = distance(got, golden);

    if (isfinite(golden) && fabs(golden) > w->scale)
        w->scale = fabs(golden);
    if (w->at < 0 || d > w->distance) {
        w->distance = d;
        w->got = got;
        w->at = i;
    }
}

static bool judge(const char *what, const struct worst *w, const double *golden, int64_t n,
                  double tol, double scale)
{
    double s = scale > 0 ? scale : w->scale;

    if (w->distance <= tol * s)
        return true;
    (void)fprintf(stderr,
                  "%s: entry %lld of %lld is %.17g, golden %.17g; off by %.3g, allowed %.3g = "
                  "%.3g * %.3g\n",
                  what, (long long)w->at, (long long)n, w->got, golden[w->at], w->distance,
                  tol * s, tol, s);
    return false;
}

bool cn_case_close(const char *what, const double *got, const double *golden, int64_t n,
                   double tol, double scale)
{
    struct worst w = {0, 0, 0, -1};
    int64_t i;

    for (i = 0; i < n; i++)
        look_at(&w, i, got[i], golden[i]);
    return judge(what, &w, golden, n, tol, scale);
}

bool cn_case_close_float(const char *what, const float *got, const double *golden, int64_t n,
                         double tol, double scale)
{
    struct worst w = {0, 0, 0, -1};
    int64_t i;

    for (i = 0; i < n; i++)
        look_at(&w, i, (double)got[i], golden[i]);
    return judge(what, &w, golden, n, tol, scale);
}
