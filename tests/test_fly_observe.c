/* Cluster features and scores, the field's fit, calcium, edge counts, video split: against the golden numbers. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/rng.h"
#include "tests/support/cases.h"
#include "trainer/fly/cluster.h"
#include "trainer/fly/metrics.h"
#include "trainer/fly/observe.h"

static struct cn_err err;

static double number(const struct cn_json *v, const char *path)
{
    double x = (double)NAN;

    cr_assert(cn_json_number(cn_json_path(v, path), &x), "%s is no number", path);
    return x;
}

static double *array(const struct cn_json *v, const char *path, int64_t *n)
{
    const struct cn_json *a = cn_json_path(v, path);

    cr_assert_not_null(a, "%s", path);
    return cn_case_array(a, n);
}

static int32_t *labels(const struct cn_json *list, int64_t *n)
{
    *n = cn_json_count(list);
    double *x = cn_alloc((size_t)*n, sizeof *x);
    int32_t *out = cn_alloc((size_t)*n, sizeof *out);

    cr_assert(x && out && cn_json_doubles(list, x, *n));
    for (int64_t i = 0; i < *n; i++)
        out[i] = (int32_t)x[i];
    cn_free(x);
    return out;
}

Test(fly_observe, clusterings_score_as_golden)
{
    struct cn_json_doc *doc = cn_case_json("golden/fly_metrics.json");
    const struct cn_json *c = cn_json_first(cn_json_get(cn_json_root(doc), "clustering"));
    int cases = 0;

    for (; c; c = cn_json_next(c), cases++) {
        const char *name = cn_json_string(cn_json_get(c, "name"));
        struct cn_fly_match m;
        int64_t n, n2;
        int32_t *type = labels(cn_json_get(c, "true"), &n);
        int32_t *found = labels(cn_json_get(c, "found"), &n2);

        cr_assert_eq(n, n2);
        cr_assert_eq(cn_fly_cluster_match(type, found, n, &m, &err), CN_OK, "%s", err.text);
        cr_expect_eq((double)m.matched, number(c, "matched"), "%s: %lld", name,
                     (long long)m.matched);
        cr_expect(fabs(m.accuracy - number(c, "accuracy")) < 1e-12, "%s: %g", name, m.accuracy);
        cr_expect(fabs(m.ari - number(c, "ARI")) < 1e-12, "%s: ARI %g", name, m.ari);
        cr_expect(fabs(m.nmi - number(c, "NMI")) < 1e-12, "%s: NMI %g", name, m.nmi);
        cn_free(type);
        cn_free(found);
    }
    cr_assert_gt(cases, 3);
    cn_json_free(doc);
}

/* The best one-to-one matching by trying them all; used[] marks the clusters that are taken. */
static int64_t try_all(const int32_t *type, const int32_t *found, int n, int k, int row,
                       int used)
{
    int64_t best = 0;

    for (int f = 0; row < k && f < k; f++) {
        int64_t here = 0;

        if (used & 1 << f)
            continue;
        for (int i = 0; i < n; i++)
            here += type[i] == row && found[i] == f;
        here += try_all(type, found, n, k, row + 1, used | 1 << f);
        best = here > best ? here : best;
    }
    return best;
}

Test(fly_observe, the_matching_is_the_best_of_all)
{
    enum { ITEMS = 24, LABELS = 5 };
    struct cn_rng r;
    int32_t type[ITEMS], found[ITEMS];
    struct cn_fly_match m;

    cn_rng_init(&r, 7, 1);
    for (int round = 0; round < 300; round++) {
        for (int i = 0; i < ITEMS; i++) {
            type[i] = (int32_t)cn_rng_below(&r, LABELS);
            found[i] = cn_rng_below(&r, 3) ? (type[i] + 2) % LABELS
                                           : (int32_t)cn_rng_below(&r, LABELS);
        }
        cr_assert_eq(cn_fly_cluster_match(type, found, ITEMS, &m, &err), CN_OK);
        cr_assert_eq(m.matched, try_all(type, found, ITEMS, LABELS, 0, 0), "round %d", round);
    }
}

Test(fly_observe, labels_out_of_range_are_refused)
{
    const int32_t good[] = {0, 1}, bad[] = {0, 2};
    struct cn_fly_match m;

    cr_assert_eq(cn_fly_cluster_match(good, bad, 2, &m, &err), CN_EINPUT);
    cr_assert_eq(cn_fly_cluster_match(good, good, 0, &m, &err), CN_EINPUT);
}

Test(fly_observe, cluster_features_are_golden)
{
    struct cn_json_doc *doc = cn_case_json("golden/fly_metrics.json");
    const struct cn_json *g = cn_json_root(doc);
    int64_t n, e, m;
    int32_t *src, *dst;
    double *a = array(g, "params.a", &m), *tau = array(g, "dynamics.tau_learned", &n);
    double *V = array(g, "dynamics.V_learned", &n), *W = array(g, "correction.W_star", &e);
    double *s = array(g, "graph.src", &e), *d = array(g, "graph.dst", &e);
    double *want = array(g, "cluster_features", &m), *got = cn_alloc((size_t)m, sizeof *got);

    src = cn_alloc((size_t)e, sizeof *src);
    dst = cn_alloc((size_t)e, sizeof *dst);
    for (int64_t k = 0; k < e; k++) {
        src[k] = (int32_t)s[k];
        dst[k] = (int32_t)d[k];
    }
    cr_assert_eq(cn_fly_cluster_features(n, 2, a, tau, V, e, src, dst, W, got, &err), CN_OK);
    cr_assert(cn_case_close("features", got, want, m, 1e-10, 0));
    void *all[] = {a, tau, V, W, s, d, want, got, src, dst};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        cn_free(all[i]);
    cn_json_free(doc);
}

Test(fly_observe, the_field_is_fitted_as_golden)
{
    struct cn_json_doc *doc = cn_case_json("golden/fly_metrics.json");
    const struct cn_json *g = cn_json_get(cn_json_root(doc), "field");
    int64_t n;
    double *truth = array(g, "true", &n), *pred = array(g, "pred", &n);
    struct cn_fly_fit f = cn_fly_fit(pred, truth, NULL, n); /* true = slope * pred + offset */

    cr_assert(fabs(f.slope - number(g, "slope")) < 1e-10);
    cr_assert(fabs(f.offset - number(g, "offset")) < 1e-10);
    cr_assert(fabs(f.r2 - number(g, "R2")) < 1e-10);
    cn_free(truth);
    cn_free(pred);
    cn_json_free(doc);
}

Test(fly_observe, calcium_follows_the_voltage_as_golden)
{
    static const char *const names[] = {"softplus", "relu", "tanh", "identity"};
    struct cn_json_doc *doc = cn_case_json("golden/fly_graph.json");
    const struct cn_json *g = cn_json_root(doc), *q = cn_json_get(g, "calcium");
    const double alpha = number(q, "alpha"), beta = number(q, "beta"), tau = number(q, "tau");
    const double dt = number(g, "meta.dt");
    int64_t n, all;
    double *v = array(g, "noise_free.v", &all), *c0 = array(q, "c0", &n);
    const int64_t neurons = (int64_t)number(g, "meta.n_neurons"), frames = all / neurons - 1;

    for (int k = 0; k < 4; k++) {
        const struct cn_json *w = cn_json_get(cn_json_get(q, "by_activation"), names[k]);
        double c[16], y[16], F[16], *want;

        cr_assert(n <= 16);
        memcpy(c, c0, (size_t)n * sizeof *c);
        for (int64_t t = 0; t < frames; t++) {
            cn_fly_calcium_step(n, (cn_calcium)k, dt, tau, v + (t + 1) * neurons, c, y);
            if (t == 0) {
                want = array(w, "y_first", &n);
                cr_expect(cn_case_close(names[k], y, want, n, 1e-10, 0), "%s: first y",
                          names[k]);
                cn_free(want);
            }
        }
        for (int64_t i = 0; i < n; i++)
            F[i] = alpha * c[i] + beta;
        want = array(w, "c_last", &n);
        cr_expect(cn_case_close(names[k], c, want, n, 1e-10, 0), "%s: c", names[k]);
        cn_free(want);
        want = array(w, "F_last", &n);
        cr_expect(cn_case_close(names[k], F, want, n, 1e-10, 0), "%s: F", names[k]);
        cn_free(want);
        want = array(w, "y_last", &n);
        cr_expect(cn_case_close(names[k], y, want, n, 1e-10, 0), "%s: last y", names[k]);
        cn_free(want);
    }
    cn_free(v);
    cn_free(c0);
    cn_json_free(doc);
}

Test(fly_observe, edges_and_videos_are_counted_as_golden)
{
    struct cn_json_doc *doc = cn_case_json("golden/fly_stimulus.json");
    const struct cn_json *g = cn_json_root(doc);
    const struct cn_json *c = cn_json_first(cn_json_path(g, "edge_counts.per_source"));
    int rows = 0;

    for (; c; c = cn_json_next(c), rows++) {
        const int64_t deg = (int64_t)number(c, "out_degree");
        const double ratio = number(c, "ratio");
        bool self = false;

        cr_assert(cn_json_bool(cn_json_get(c, "has_self_edge"), &self));
        cr_expect_eq(cn_fly_null_edges((int64_t)number(c, "n_neurons"), deg, self, ratio),
                     (int64_t)number(c, "null"), "degree %lld ratio %g", (long long)deg, ratio);
        cr_expect_eq(cn_fly_removed_edges(deg, ratio), (int64_t)number(c, "removed"),
                     "removed: degree %lld ratio %g", (long long)deg, ratio);
    }
    cr_assert_gt(rows, 50);
    for (c = cn_json_first(cn_json_path(g, "edge_counts.totals")); c; c = cn_json_next(c)) {
        const int64_t e = (int64_t)number(c, "E");
        cr_expect_eq(cn_fly_kept_edges(e, number(c, "ratio")),
                     (int64_t)number(c, "random_keep"));
        cr_expect_eq(cn_fly_ablated_edges(e, number(c, "ratio")),
                     (int64_t)number(c, "ablated"));
    }
    for (c = cn_json_first(cn_json_get(g, "video_split")); c; c = cn_json_next(c))
        cr_expect_eq(cn_fly_training_videos((int64_t)number(c, "n_videos")),
                     (int64_t)number(c, "train"));
    cn_json_free(doc);
}
