/* Targets: golden measurement noise and smoothing, batches against the double reference,
 * threads, allocation. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/rng.h"
#include "tests/support/cases.h"
#include "trainer/fly/config.h"
#include "trainer/fly/simulate.h"
#include "trainer/fly/synthetic.h"
#include "trainer/fly/target.h"

enum { N = 40, E = 200, INPUTS = 8, T = 30, NOISY = 10 };

static struct cn_json_doc *doc;
static struct cn_fly_data data; /* made by hand from the golden run with process noise */
static float *stored[3];        /* voltage, stimulus, noise */

static float *floats(const char *path, int64_t *out_n)
{
    double *x = cn_case_array(cn_json_path(cn_json_root(doc), path), out_n);
    float *f = cn_alloc((size_t)*out_n, sizeof *f);

    for (int64_t k = 0; k < *out_n; k++)
        f[k] = (float)x[k];
    cn_free(x);
    return f;
}

static int32_t *ints(const char *path)
{
    int64_t n;
    double *x = cn_case_array(cn_json_path(cn_json_root(doc), path), &n);
    int32_t *k = cn_alloc((size_t)n, sizeof *k);

    for (int64_t i = 0; i < n; i++)
        k[i] = (int32_t)x[i];
    cn_free(x);
    return k;
}

static void load(void)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_fly_graph *g = &data.graph;
    int64_t n;

    doc = cn_case_json("golden/fly_graph.json");
    memset(&data, 0, sizeof data);
    g->n = N;
    g->e = E;
    g->n_input = g->n_columns = INPUTS;
    g->n_types = 4;
    g->src = ints("graph.src");
    g->dst = ints("graph.dst");
    g->type = ints("graph.type");
    g->W = floats("graph.W", &n);
    g->tau = floats("graph.tau", &n);
    g->V_rest = floats("graph.V_rest", &n);
    cr_assert_eq(cn_fly_graph_index(g, &err), CN_OK, "%s", err.text);
    stored[0] = floats("noisy.v", &n);
    stored[1] = floats("stimulus", &n);
    stored[2] = cn_alloc((size_t)T * N, sizeof(float));
    data.train.frames = T;
    data.train.voltage = stored[0];
    data.train.stimulus = stored[1];
    data.delta_t = .02;
    data.smoothing_window = 1;
    data.test = data.train;
}

static void drop(void)
{
    for (int k = 0; k < 3; k++)
        cn_free(stored[k]);
    cn_free(data.gain);
    cn_free(data.s);
    cn_fly_graph_clear(&data.graph);
    cn_json_free(doc);
}

TestSuite(fly_target, .init = load, .fini = drop);

/* The golden draws are of the first ten neurons; the others get no noise. */
static void add_noise(void)
{
    int64_t n;
    double level = 0;
    float *draws = floats("measurement.draws", &n);

    cr_assert(cn_json_number(cn_json_path(cn_json_root(doc), "measurement.level"), &level));
    for (int t = 0; t < T; t++) {
        for (int i = 0; i < NOISY; i++)
            stored[2][t * N + i] = (float)level * draws[t * NOISY + i];
    }
    data.train.noise = stored[2];
    cn_free(draws);
}

static struct cn_fly_target *start(int32_t batch, struct cn_pool *pool)
{
    struct cn_fly_target *t;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_target_new(&data, batch, pool, &t, &err), CN_OK, "%s", err.text);
    return t;
}

/* All frames, `batch` at a time, against a golden array of `width` neurons a frame. */
static void expect_targets(const char *path, int width, int32_t batch)
{
    struct cn_fly_target *t = start(batch, NULL);
    int64_t n, frames[T];
    double *want = cn_case_array(cn_json_path(cn_json_root(doc), path), &n);
    float y[T * N], got[N];

    cr_assert_eq(n, T * width);
    for (int k = 0; k < T; k++)
        frames[k] = k;
    for (int k = 0; k < T; k += batch)
        cn_fly_target_batch(t, CN_FLY_TRAIN, frames + k, k + batch > T ? T - k : batch,
                            y + k * N);
    double scale = 0;
    for (int64_t k = 0; k < n; k++)
        scale = fmax(scale, fabs(want[k]));
    for (int k = 0; k < T; k++) {
        memcpy(got, y + k * N, (size_t)width * sizeof *got);
        cr_assert(cn_case_close_float(path, got, want + k * width, width, 1e-5, scale),
                  "frame %d, batch %d", k, batch);
    }
    cn_free(want);
    cn_fly_target_free(t);
}

Test(fly_target, noise_free_targets_are_golden_for_any_batch)
{
    for (int32_t batch = 1; batch <= 13; batch++)
        expect_targets("noisy.y", N, batch);
}

Test(fly_target, measurement_noise_enters_as_its_difference)
{
    add_noise();
    expect_targets("measurement.noisy_y", NOISY, 4);
}

Test(fly_target, smoothing_repeats_the_edge_frames)
{
    add_noise();
    data.smoothing_window = 3;
    expect_targets("measurement.smoothed_3", NOISY, 4);
    data.smoothing_window = 5;
    expect_targets("measurement.smoothed_5", NOISY, 7);
}

Test(fly_target, the_test_split_is_never_smoothed)
{
    struct cn_fly_target *t;
    float y[N], plain[N];

    t = start(1, NULL);
    cn_fly_data_target(t, CN_FLY_TEST, 5, plain);
    cn_fly_target_free(t);
    data.smoothing_window = 5;
    t = start(1, NULL);
    cn_fly_data_target(t, CN_FLY_TEST, 5, y);
    cr_assert_arr_eq(y, plain, sizeof y);
    cn_fly_target_free(t);
}

Test(fly_target, voltages_carry_the_noise_of_their_frame)
{
    float v[2 * N];
    const int64_t frames[2] = {7, 29};

    add_noise();
    cn_fly_data_voltage(&data, CN_FLY_TRAIN, frames, 2, v);
    for (int b = 0; b < 2; b++) {
        for (int i = 0; i < N; i++)
            cr_assert_float_eq(v[b * N + i],
                               stored[0][frames[b] * N + i] + stored[2][frames[b] * N + i], 0);
    }
}

Test(fly_target, every_variant_follows_the_double_reference)
{
    data.gain = cn_alloc(4, sizeof *data.gain);
    data.s = cn_alloc(4, sizeof *data.s);
    cn_fly_dynamics_draw_gain(1, 4, data.gain);
    cn_fly_dynamics_draw_s(1, 4, data.s);
    for (int variant = CN_SIM_PLAIN; variant <= CN_SIM_NULL; variant++) {
        struct cn_fly_dynamics d = {.graph = &data.graph,
                                    .variant = (cn_fly_variant)variant,
                                    .gain = data.gain,
                                    .s = data.s,
                                    .delta_t = .02};
        double v[N], light[INPUTS], want[N];
        float y[N];
        data.variant = variant;
        struct cn_fly_target *t = start(2, NULL);
        for (int i = 0; i < N; i++)
            v[i] = (double)stored[0][3 * N + i];
        for (int k = 0; k < INPUTS; k++)
            light[k] = (double)stored[1][3 * INPUTS + k];
        cn_fly_dynamics_dvdt(&d, v, light, want);
        cn_fly_data_target(t, CN_FLY_TRAIN, 3, y);
        cr_assert(cn_case_close_float("y", y, want, N, 1e-6, 0), "variant %d", variant);
        cn_fly_target_free(t);
    }
}

/* On a network of several row chunks. */
Test(fly_target, threads_do_not_change_a_bit_and_a_call_allocates_nothing)
{
    struct cn_fly_data big = {.delta_t = .02, .smoothing_window = 3};
    struct cn_err err = CN_ERR_INIT;
    const int64_t frames[5] = {0, 7, 3, 9, 9};

    cr_assert_eq(cn_fly_synthetic_open(16, 2, 8, &big.graph, &err), CN_OK, "%s", err.text);
    size_t n = (size_t)big.graph.n;
    float *v = cn_alloc(10 * n, sizeof *v),
          *light = cn_alloc(10 * (size_t)big.graph.n_columns, sizeof *light);
    float *y = cn_alloc(5 * n, sizeof *y), *first = cn_alloc(5 * n, sizeof *first);
    cn_rng_fill_normal(1, 1, 0, v, 10 * (int64_t)n);
    big.train = (struct cn_fly_split){10, v, light, v};
    for (int threads = 1; threads <= 4; threads++) {
        struct cn_pool *pool = cn_pool_new(threads);
        struct cn_fly_target *t;
        cr_assert_eq(cn_fly_target_new(&big, 5, pool, &t, &err), CN_OK);
        int64_t count = cn_alloc_count();
        cn_fly_target_batch(t, CN_FLY_TRAIN, frames, 5, threads == 1 ? first : y);
        cr_assert_eq(cn_alloc_count(), count);
        if (threads > 1)
            cr_assert_arr_eq(y, first, 5 * n * sizeof *y);
        cn_fly_target_free(t);
        cn_pool_free(pool);
    }
    cn_free(v);
    cn_free(light);
    cn_free(y);
    cn_free(first);
    cn_fly_graph_clear(&big.graph);
}

Test(fly_target, every_failed_allocation_comes_back_as_no_memory)
{
    struct cn_fly_target *t;
    cn_status st = CN_ENOMEM;
    int64_t live = cn_alloc_live();

    for (int64_t nth = 1; st != CN_OK; nth++) {
        cn_alloc_fail_nth(nth);
        st = cn_fly_target_new(&data, 2, NULL, &t, NULL);
        cn_alloc_fail_nth(0);
        cr_assert(st == CN_OK || (st == CN_ENOMEM && !t));
        cr_assert_lt(nth, 100);
    }
    cn_fly_target_free(t);
    cr_assert_eq(cn_alloc_live(), live);
}
