/* The metrics against an independent implementation (tests/cases/golden/fly_metrics.json) and
 * against wrong models. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/text.h"
#include "trainer/fly/metrics.h"

enum { N = 12, E = 48, E_TRUE = 40, D = 2, H = 6 };

static struct cn_json_doc *doc;
static void *kept[256]; /* everything a test took from the file, freed at its end */
static int n_kept;

static void load(void)
{
    const char *dir = getenv("CAIRN_TEST_CASES");
    char path[1024];
    struct cn_err err = CN_ERR_INIT;

    cn_text_format(path, sizeof path, "%s/golden/fly_metrics.json", dir ? dir : "tests/cases");
    cr_assert_eq(cn_json_read(path, &doc, &err), CN_OK, "%s", err.text);
}

static void *keep_it(void *p)
{
    cr_assert(p && n_kept < 256);
    return kept[n_kept++] = p;
}

static void drop(void)
{
    while (n_kept > 0)
        cn_free(kept[--n_kept]);
    cn_json_free(doc);
}

static const struct cn_json *at(const char *path)
{
    const struct cn_json *v = cn_json_path(cn_json_root(doc), path);

    cr_assert_not_null(v, "no %s in the golden file", path);
    return v;
}

static double number(const char *path)
{
    double x = 0;

    cr_assert(cn_json_number(at(path), &x), "%s is not a number", path);
    return x;
}

static double *array_of(const struct cn_json *v, int64_t n)
{
    double *x = keep_it(cn_alloc((size_t)n, sizeof *x));

    cr_assert(cn_json_doubles(cn_json_get(v, "data"), x, n), "array is not of %lld numbers",
              (long long)n);
    return x;
}

static double *array(const char *path, int64_t n)
{
    return array_of(at(path), n);
}

static int32_t *ids(const char *path, int64_t n)
{
    double *x = array(path, n);
    int32_t *out = keep_it(cn_alloc((size_t)n, sizeof *out));

    for (int64_t i = 0; i < n; i++)
        out[i] = (int32_t)x[i];
    return out;
}

/* max |got - golden| <= tol * max |golden|; NaN must meet NaN. */
static void near(const char *what, const double *got, const double *golden, int64_t n,
                 double tol)
{
    double scale = 0, worst = 0;

    for (int64_t i = 0; i < n; i++) {
        cr_assert_eq(isnan(got[i]), isnan(golden[i]), "%s[%lld]: %g, golden %g", what,
                     (long long)i, got[i], golden[i]);
        if (isnan(golden[i]))
            continue;
        scale = fmax(scale, fabs(golden[i]));
        worst = fmax(worst, fabs(got[i] - golden[i]));
    }
    cr_assert_leq(worst, tol * scale, "%s: off by %g, scale %g", what, worst, scale);
}

static void near_one(const char *what, double got, double golden)
{
    near(what, &got, &golden, 1, 1e-9);
}

static void near_fit(const char *path, struct cn_fly_fit fit)
{
    char key[128];

    cn_text_format(key, sizeof key, "%s.R2", path);
    near_one(key, fit.r2, number(key));
    cn_text_format(key, sizeof key, "%s.slope", path);
    near_one(key, fit.slope, number(key));
    cn_text_format(key, sizeof key, "%s.offset", path);
    near_one(key, fit.offset, number(key));
}

/* Three linear layers with ReLU between, straight from the definition. */
struct mlp {
    int in;
    double *w0, *b0, *w1, *b1, *w2, *b2;
};

static struct mlp mlp_load(const char *group, const char *net, int in)
{
    const struct cn_json *g = at(group);
    struct mlp m = {.in = in};
    double **to[] = {&m.w0, &m.b0, &m.w1, &m.b1, &m.w2, &m.b2};
    const char *name[] = {"w0", "b0", "w1", "b1", "w2", "b2"};
    const int64_t size[] = {(int64_t)H * in, H, (int64_t)H * H, H, H, 1};
    char key[32];

    for (int k = 0; k < 6; k++) {
        cn_text_format(key, sizeof key, "%s.%s", net, name[k]);
        *to[k] = array_of(cn_json_get(g, key), size[k]);
    }
    return m;
}

static double mlp_eval(const struct mlp *m, const double *x)
{
    double h0[H], h1[H], y = m->b2[0];

    for (int i = 0; i < H; i++) {
        h0[i] = m->b0[i];
        for (int k = 0; k < m->in; k++)
            h0[i] += m->w0[i * m->in + k] * x[k];
        h0[i] = fmax(h0[i], 0);
    }
    for (int i = 0; i < H; i++) {
        h1[i] = m->b1[i];
        for (int k = 0; k < H; k++)
            h1[i] += m->w1[i * H + k] * h0[k];
        y += m->w2[i] * fmax(h1[i], 0);
    }
    return y;
}

Test(fly_metrics, slopes_match_the_independent_implementation, .init = load, .fini = drop)
{
    struct mlp g = mlp_load("params", "g", 1 + D), f = mlp_load("params", "f", 3 + D);
    double *mu = array("stats.mu", N), *sigma = array("stats.sigma", N),
           *a = array("params.a", N * D);
    double s_g[N], s_f[N], o_f[N], y[CN_FLY_SLOPE_POINTS], lo, hi, unused;

    for (int i = 0; i < N; i++) {
        cn_fly_slope_range(mu[i], sigma[i], 1, &lo, &hi);
        for (int k = 0; k < CN_FLY_SLOPE_POINTS; k++) {
            double x[3] = {lo + (hi - lo) * k / (CN_FLY_SLOPE_POINTS - 1), a[2 * i],
                           a[2 * i + 1]};
            double out = mlp_eval(&g, x);
            y[k] = out * out;
        }
        cn_fly_line(lo, hi, y, CN_FLY_SLOPE_POINTS, &s_g[i], &unused);
        if (mu[i] + sigma[i] <= 0)
            s_g[i] = 1;
        cn_fly_slope_range(mu[i], sigma[i], 0, &lo, &hi);
        for (int k = 0; k < CN_FLY_SLOPE_POINTS; k++) {
            double x[5] = {lo + (hi - lo) * k / (CN_FLY_SLOPE_POINTS - 1), a[2 * i],
                           a[2 * i + 1], 0, 0};
            y[k] = mlp_eval(&f, x);
        }
        cn_fly_line(lo, hi, y, CN_FLY_SLOPE_POINTS, &s_f[i], &o_f[i]);
    }
    near("s_g", s_g, array("slopes.s_g", N), N, 1e-8);
    near("s_f", s_f, array("slopes.s_f", N), N, 1e-8);
    near("o_f", o_f, array("slopes.o_f", N), N, 1e-8);
    cr_assert_eq(s_f[7], 0, "a neuron that never moves has no slope");
}

Test(fly_metrics, gm_is_the_fourth_smallest_of_eight_frames, .init = load, .fini = drop)
{
    double *per_frame = array("gm.per_frame", CN_FLY_GM_FRAMES * N), gm[N];

    for (int i = 0; i < N; i++) {
        double v[CN_FLY_GM_FRAMES];
        for (int k = 0; k < CN_FLY_GM_FRAMES; k++)
            v[k] = per_frame[k * N + i];
        gm[i] = cn_fly_lower_median8(v);
    }
    near("gm", gm, array("gm.gm", N), N, 1e-12);
}

Test(fly_metrics, gm_frames_follow_the_reference_rule, .init = load, .fini = drop)
{
    const struct cn_json *rule = cn_json_first(at("gm.frame_rule"));
    int64_t got[CN_FLY_GM_FRAMES], T;

    for (; rule; rule = cn_json_next(rule)) {
        double want[CN_FLY_GM_FRAMES];
        cr_assert(cn_json_int64(cn_json_get(rule, "T"), &T));
        cr_assert(cn_json_doubles(cn_json_get(rule, "k"), want, CN_FLY_GM_FRAMES));
        cn_fly_gm_frames(T, got);
        for (int k = 0; k < CN_FLY_GM_FRAMES; k++)
            cr_assert_eq(got[k], (int64_t)want[k], "T %lld, frame %d", (long long)T, k);
    }
    cn_fly_gm_frames(50, got); /* shorter than the rule was made for: still inside the data */
    for (int k = 0; k < CN_FLY_GM_FRAMES; k++)
        cr_assert(got[k] >= 0 && got[k] < 50);
}

Test(fly_metrics, correction_and_r2_match_the_independent_implementation, .init = load,
     .fini = drop)
{
    int32_t *src = ids("graph.src", E), *dst = ids("graph.dst", E);
    double *W = array("params.W", E), *truth = array("graph.W_true", E), star[E];
    double *s_g = array("slopes.s_g", N), *s_f = array("slopes.s_f", N),
           *gm = array("gm.gm", N);
    uint8_t keep[E];
    int64_t bad = cn_fly_correct(E, src, dst, W, s_g, gm, s_f, star);

    near("W_star", star, array("correction.W_star", E), E, 1e-9);
    cr_assert_eq(bad, cn_json_count(at("correction.not_finite.data")));
    cr_assert_eq(cn_fly_outliers(truth, star, E, keep),
                 cn_json_count(at("correction.outliers.data")));
    near_fit("correction.connectivity", cn_fly_fit(truth, star, keep, E));
    near_fit("correction.connectivity_without_outlier_rule", cn_fly_fit(truth, star, NULL, E));
    near_fit("correction.connectivity_R2_real", cn_fly_fit(truth, star, NULL, E_TRUE));
    near_fit("correction.raw_W", cn_fly_fit(truth, W, NULL, E));
}

Test(fly_metrics, tau_and_v_rest_match_the_independent_implementation, .init = load,
     .fini = drop)
{
    double tau[N], V[N];

    cn_fly_dynamics(N, array("slopes.s_f", N), array("slopes.o_f", N), tau, V);
    near("tau", tau, array("dynamics.tau_learned", N), N, 1e-9);
    near("V", V, array("dynamics.V_learned", N), N, 1e-9);
    near_fit("dynamics.tau", cn_fly_fit(array("dynamics.tau_true", N), tau, NULL, N));
    near_fit("dynamics.V_rest", cn_fly_fit(array("dynamics.V_true", N), V, NULL, N));
}

Test(fly_metrics, r2_cases_match_the_independent_implementation, .init = load, .fini = drop)
{
    const struct cn_json *c = cn_json_first(at("r2_cases"));
    int seen = 0;

    for (; c; c = cn_json_next(c), seen++) {
        int64_t n = cn_json_count(cn_json_path(c, "true.data"));
        struct cn_fly_fit fit = cn_fly_fit(array_of(cn_json_get(c, "true"), n),
                                           array_of(cn_json_get(c, "learned"), n), NULL, n);
        double want = 0;
        cr_assert(cn_json_number(cn_json_get(c, "R2"), &want));
        cr_assert_float_eq(fit.r2, want, 1e-9, "%s", cn_json_string(cn_json_get(c, "name")));
        cr_assert(cn_json_number(cn_json_get(c, "slope"), &want));
        cr_assert_float_eq(fit.slope, want, 1e-9, "%s", cn_json_string(cn_json_get(c, "name")));
    }
    cr_assert_geq(seen, 5);
}

Test(fly_metrics, rollout_traces_match_the_independent_implementation, .init = load,
     .fini = drop)
{
    enum { T = 17 };
    double *truth = array("rollout.true", T * N), *pred = array("rollout.pred", T * N);
    double rmse[N], pearson[N], feve[N], r2[N];
    struct cn_fly_traces t;
    struct cn_fly_trace_stats s;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_traces_init(&t, N, &err), CN_OK);
    for (int k = 0; k < T; k++)
        cn_fly_traces_add(&t, truth + k * N, pred + k * N);
    cn_fly_traces_get(&t, rmse, pearson, feve, r2);
    near("rmse", rmse, array("rollout.rmse", N), N, 1e-9);
    near("pearson", pearson, array("rollout.pearson", N), N, 1e-9);
    near("feve", feve, array("rollout.feve", N), N, 1e-9);
    near("r2", r2, array("rollout.r2_against_identity", N), N, 1e-9);
    cr_assert_eq(cn_fly_traces_stats(&t, &s, &err), CN_OK);
    near_one("rmse mean", s.rmse, number("rollout.rmse_mean"));
    near_one("pearson mean", s.pearson, number("rollout.pearson_mean"));
    near_one("feve mean", s.feve, number("rollout.feve_mean"));
    cn_fly_traces_clear(&t);
}

Test(fly_metrics, a_broken_prediction_shows_in_the_mean_error)
{
    double truth[2] = {1, 2}, pred[2] = {1, NAN};
    struct cn_fly_traces t;
    struct cn_fly_trace_stats s;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_traces_init(&t, 2, &err), CN_OK);
    cn_fly_traces_add(&t, truth, pred);
    cr_assert_eq(cn_fly_traces_stats(&t, &s, &err), CN_OK);
    cr_assert(isnan(s.rmse));
    cn_fly_traces_clear(&t);
}

Test(fly_metrics, identity_r2_goes_negative_where_the_squared_correlation_cannot)
{
    double truth[4] = {1, -2, 3, 0.5}, flipped[4], scaled[4];

    for (int i = 0; i < 4; i++) {
        flipped[i] = -truth[i];
        scaled[i] = 3 * truth[i];
    }
    cr_assert_float_eq(cn_fly_fit(truth, flipped, NULL, 4).r2, 1, 1e-12);
    cr_assert_float_eq(cn_fly_fit(truth, flipped, NULL, 4).slope, -1, 1e-12);
    cr_assert_lt(cn_fly_r2_identity(truth, flipped, NULL, 4), -1);
    cr_assert_lt(cn_fly_r2_identity(truth, scaled, NULL, 4), 0);
    cr_assert_eq(cn_fly_r2_identity(truth, truth, NULL, 4), 1);
}

Test(fly_metrics, self_test_passes_on_honest_weights_and_refuses_constant_ones)
{
    double W[500];
    struct cn_rng r;
    struct cn_err err = CN_ERR_INIT;

    cn_rng_init(&r, 7, 7);
    for (int i = 0; i < 500; i++)
        W[i] = cn_rng_normal(&r);
    cr_assert_eq(cn_fly_metrics_selftest(W, 500, &err), CN_OK, "%s", err.text);
    for (int i = 0; i < 500; i++)
        W[i] = 0.25;
    cr_assert_eq(cn_fly_metrics_selftest(W, 500, &err), CN_EINPUT);
    cr_assert_not_null(strstr(err.text, "true weights"), "%s", err.text);
}
