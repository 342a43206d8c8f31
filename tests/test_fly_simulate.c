/* The dynamics against golden/fly_graph.json, in double and in float32; threads and noise. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "tests/support/cases.h"
#include "trainer/fly/simulate.h"
#include "trainer/fly/synthetic.h"

enum { N = 40, E = 200, INPUTS = 8, T = 30 };

static struct cn_json_doc *doc;
static struct cn_fly_graph g;

static double *golden(const char *path, int64_t n)
{
    int64_t m;
    double *x = cn_case_array(cn_json_path(cn_json_root(doc), path), &m);

    cr_assert_eq(m, n, "%s has %lld numbers", path, (long long)m);
    return x;
}

static void ints(const char *path, int64_t n, int32_t **out)
{
    double *x = golden(path, n);

    *out = cn_alloc((size_t)n, sizeof **out);
    for (int64_t k = 0; k < n; k++)
        (*out)[k] = (int32_t)x[k];
    cn_free(x);
}

static float *floats(const char *path, int64_t n)
{
    double *x = golden(path, n);
    float *f = cn_alloc((size_t)n, sizeof *f);

    for (int64_t k = 0; k < n; k++)
        f[k] = (float)x[k];
    cn_free(x);
    return f;
}

/* The golden numbers come from double W, tau, V; the graph holds floats: good to 1e-6, as its
 * README asks. */
static void load(void)
{
    struct cn_err err = CN_ERR_INIT;

    doc = cn_case_json("golden/fly_graph.json");
    memset(&g, 0, sizeof g);
    g.n = N;
    g.e = E;
    g.n_input = g.n_columns = INPUTS;
    g.n_types = 4;
    ints("graph.src", E, &g.src);
    ints("graph.dst", E, &g.dst);
    ints("graph.type", N, &g.type);
    g.W = floats("graph.W", E);
    g.tau = floats("graph.tau", N);
    g.V_rest = floats("graph.V_rest", N);
    g.type_name = cn_alloc(4, sizeof *g.type_name);
    cr_assert_eq(cn_fly_graph_index(&g, &err), CN_OK, "%s", err.text);
}

static void drop(void)
{
    cn_fly_graph_clear(&g);
    cn_json_free(doc);
}

TestSuite(fly_simulate, .init = load, .fini = drop);

static struct cn_fly_dynamics plain(void)
{
    struct cn_fly_dynamics d = {.graph = &g, .delta_t = .02};

    return d;
}

/* ---- double reference ---- */

Test(fly_simulate, steady_state_is_golden)
{
    struct cn_fly_dynamics d = plain();
    double v[N], scratch[N], y[N], half[INPUTS], square = 0, rms = 0;
    double *want = golden("steady_state.v", N);

    cn_fly_dynamics_steady(&d, v, scratch);
    cr_assert(cn_case_close("steady state", v, want, N, 1e-6, 0));
    for (int k = 0; k < INPUTS; k++)
        half[k] = .5;
    cn_fly_dynamics_dvdt(&d, v, half, y);
    for (int i = 0; i < N; i++)
        square += y[i] * y[i];
    cr_assert(
        cn_json_number(cn_json_path(cn_json_root(doc), "steady_state.rms_dvdt_raw_tau"), &rms));
    cr_assert_float_eq(sqrt(square / N), rms, 1e-6, "%g", sqrt(square / N));
    cn_free(want);
}

/* dt/tau = 4 would blow up under Euler; max(tau, dt) rests at the fixed point of the row. */
Test(fly_simulate, a_tau_below_dt_does_not_upset_the_steady_state)
{
    struct cn_fly_dynamics d = plain();
    double v[N], slow[N], scratch[N];

    cn_fly_dynamics_steady(&d, slow, scratch);
    for (int i = 0; i < N; i++)
        g.tau[i] = g.tau[i] < .02F ? .005F : g.tau[i];
    cn_fly_dynamics_steady(&d, v, scratch);
    cr_assert(cn_case_close("steady state", v, slow, N, 1e-9, 0));
}

/* With or without noise; the draws are golden. */
static void run_double(const char *v_path, const char *y_path, double sigma, const double *xi)
{
    struct cn_fly_dynamics d = plain();
    double *stimulus = golden("stimulus", T * INPUTS), *v = golden(v_path, (T + 1) * N),
           *y = golden(y_path, T * N);
    double now[N], dv[N];

    memcpy(now, v, sizeof now);
    for (int t = 0; t < T; t++) {
        cn_fly_dynamics_dvdt(&d, now, stimulus + t * INPUTS, dv);
        cr_assert(cn_case_close("y", dv, y + t * N, N, 1e-6, 0), "frame %d", t);
        for (int i = 0; i < N; i++)
            now[i] += d.delta_t * dv[i] + (xi ? sigma * xi[t * N + i] : 0);
        cr_assert(cn_case_close("v", now, v + (t + 1) * N, N, 1e-6, 0), "frame %d", t + 1);
    }
    cn_free(stimulus);
    cn_free(v);
    cn_free(y);
}

Test(fly_simulate, noise_free_run_is_golden)
{
    run_double("noise_free.v", "noise_free.y", 0, NULL);
}

Test(fly_simulate, process_noise_moves_the_state_and_never_the_target)
{
    double *xi = golden("noisy.xi", T * N);

    run_double("noisy.v", "noisy.y", .05, xi);
    cn_free(xi);
}

Test(fly_simulate, variants_are_golden)
{
    struct cn_fly_dynamics d = plain();
    double *v = golden("steady_state.v", N), *stimulus = golden("stimulus", T * INPUTS), y[N];
    float *gain = floats("variants.gain_by_type", 4), *s = floats("variants.tanh_s_by_type", 4);
    static const struct {
        cn_fly_variant variant;
        const char *path;
    } rows[] = {{CN_SIM_MULTIPLE_RELU, "variants.y_multiple_relu"},
                {CN_SIM_TANH, "variants.y_tanh"},
                {CN_SIM_NULL, "variants.y_null"}};

    d.gain = gain;
    d.s = s;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        double *want = golden(rows[k].path, N);
        d.variant = rows[k].variant;
        cn_fly_dynamics_dvdt(&d, v, stimulus, y);
        cr_assert(cn_case_close(rows[k].path, y, want, N, 1e-6, 0));
        cn_free(want);
    }
    cn_free(v);
    cn_free(stimulus);
    cn_free(gain);
    cn_free(s);
}

/* ---- float32 simulator ---- */

static struct cn_fly_simulator *start(const struct cn_fly_dynamics *d, struct cn_pool *pool)
{
    struct cn_fly_simulator *sim;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_simulator_new(d, pool, &sim, &err), CN_OK, "%s", err.text);
    return sim;
}

Test(fly_simulate, the_float_simulator_follows_the_golden_run)
{
    struct cn_fly_dynamics d = plain();
    struct cn_fly_simulator *sim = start(&d, NULL);
    double *v = golden("noise_free.v", (T + 1) * N);
    float *stimulus = floats("stimulus", T * INPUTS);

    for (int t = 0; t <= T; t++) {
        cr_assert(cn_case_close_float("v", cn_fly_simulator_state(sim), v + t * N, N, 1e-5, 0),
                  "frame %d", t);
        if (t < T)
            cn_fly_simulator_step(sim, t, stimulus + t * INPUTS);
    }
    cn_fly_simulator_reset(sim);
    cr_assert(cn_case_close_float("reset", cn_fly_simulator_state(sim), v, N, 1e-6, 0));
    cn_free(v);
    cn_free(stimulus);
    cn_fly_simulator_free(sim);
}

/* Every variant in float32 against the double reference, one Euler step from the same state. */
Test(fly_simulate, float_and_double_agree_for_every_variant)
{
    float gain[4], s[4], *stimulus = floats("stimulus", T * INPUTS);
    double wide[INPUTS];

    cn_fly_dynamics_draw_gain(3, 4, gain);
    cn_fly_dynamics_draw_s(3, 4, s);
    for (int k = 0; k < INPUTS; k++)
        wide[k] = (double)stimulus[k];
    for (int variant = CN_SIM_PLAIN; variant <= CN_SIM_NULL; variant++) {
        struct cn_fly_dynamics d = plain();
        double v[N], y[N];
        d.variant = (cn_fly_variant)variant;
        d.gain = gain;
        d.s = s;
        struct cn_fly_simulator *sim = start(&d, NULL);
        for (int i = 0; i < N; i++)
            v[i] = (double)cn_fly_simulator_state(sim)[i];
        cn_fly_dynamics_dvdt(&d, v, wide, y);
        for (int i = 0; i < N; i++)
            v[i] += d.delta_t * y[i];
        cn_fly_simulator_step(sim, 0, stimulus);
        cr_assert(cn_case_close_float("v", cn_fly_simulator_state(sim), v, N, 1e-6, 0),
                  "variant %d", variant);
        cn_fly_simulator_free(sim);
    }
    cn_free(stimulus);
}

Test(fly_simulate, noise_is_a_function_of_seed_stream_frame_and_neuron)
{
    struct cn_fly_dynamics d = plain();
    float *stimulus = floats("stimulus", T * INPUTS), xi[N];

    d.noise = .3;
    d.seed = 11;
    d.stream = 2;
    struct cn_fly_simulator *noisy = start(&d, NULL);
    d.noise = 0;
    struct cn_fly_simulator *quiet = start(&d, NULL);
    for (int64_t t = 0; t < 3; t++) {
        cn_fly_simulator_set_state(quiet, cn_fly_simulator_state(noisy));
        cn_fly_simulator_step(noisy, t, stimulus);
        cn_fly_simulator_step(quiet, t, stimulus);
        cn_rng_fill_normal(11, 2, 2 * (uint64_t)(t * 128), xi, N);
        for (int i = 0; i < N; i++)
            cr_assert_float_eq(cn_fly_simulator_state(noisy)[i] -
                                   cn_fly_simulator_state(quiet)[i],
                               .3F * xi[i], 1e-6);
    }
    cn_free(stimulus);
    cn_fly_simulator_free(noisy);
    cn_fly_simulator_free(quiet);
}

/* Large enough for several chunks of rows. */
Test(fly_simulate, threads_do_not_change_a_bit)
{
    struct cn_fly_graph net;
    struct cn_err err = CN_ERR_INIT;
    enum { FRAMES = 50 };

    cr_assert_eq(cn_fly_synthetic_open(16, 2, 8, &net, &err), CN_OK, "%s", err.text);
    struct cn_fly_dynamics d = {.graph = &net, .delta_t = .02, .noise = .5, .seed = 4};
    float *light = cn_alloc((size_t)net.n_columns, sizeof *light);
    float *first = cn_alloc((size_t)net.n, sizeof *first);
    for (int64_t k = 0; k < net.n_columns; k++)
        light[k] = .01F * (float)(k % 100);
    for (int threads = 1; threads <= 4; threads++) {
        struct cn_pool *pool = cn_pool_new(threads);
        struct cn_fly_simulator *sim = start(&d, pool);
        for (int t = 0; t < FRAMES; t++)
            cn_fly_simulator_step(sim, t, light);
        if (threads == 1)
            memcpy(first, cn_fly_simulator_state(sim), (size_t)net.n * sizeof *first);
        cr_assert_arr_eq(cn_fly_simulator_state(sim), first, (size_t)net.n * sizeof *first);
        cn_fly_simulator_free(sim);
        cn_pool_free(pool);
    }
    cn_free(light);
    cn_free(first);
    cn_fly_graph_clear(&net);
}

Test(fly_simulate, steps_allocate_nothing_and_nothing_leaks)
{
    struct cn_fly_dynamics d = plain();
    float light[INPUTS] = {0};
    int64_t live = cn_alloc_live();

    d.noise = .1;
    struct cn_fly_simulator *sim = start(&d, NULL);
    int64_t count = cn_alloc_count();
    for (int t = 0; t < 100; t++)
        cn_fly_simulator_step(sim, t, light);
    cr_assert_eq(cn_alloc_count(), count);
    cn_fly_simulator_free(sim);
    cr_assert_eq(cn_alloc_live(), live);
}

Test(fly_simulate, every_failed_allocation_comes_back_as_no_memory)
{
    struct cn_fly_dynamics d = plain();
    struct cn_fly_simulator *sim;
    struct cn_err err = CN_ERR_INIT;
    cn_status st = CN_ENOMEM;
    int64_t live = cn_alloc_live();

    for (int64_t nth = 1; st != CN_OK; nth++) {
        cn_alloc_fail_nth(nth);
        st = cn_fly_simulator_new(&d, NULL, &sim, &err);
        cn_alloc_fail_nth(0);
        cr_assert(st == CN_OK || (st == CN_ENOMEM && sim == NULL));
        cr_assert_lt(nth, 1000);
    }
    cn_fly_simulator_free(sim);
    cr_assert_eq(cn_alloc_live(), live);
}
