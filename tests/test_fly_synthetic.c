/* The synthetic network: a function of its seed, of the promised shape, and alive. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "tests/support/scratch.h"
#include "trainer/fly/connectome.h"
#include "trainer/fly/simulate.h"
#include "trainer/fly/stimulus.h"
#include "trainer/fly/synthetic.h"

static void open_net(int32_t n_types, uint64_t seed, int32_t extent, struct cn_fly_graph *g)
{
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_synthetic_open(n_types, seed, extent, g, &err), CN_OK, "%s", err.text);
}

Test(fly_synthetic, same_seed_same_text_other_seed_other_text)
{
    struct cn_buf a, b, pa, pb;
    struct cn_err err = CN_ERR_INIT;

    cn_buf_init(&a, CN_CAP_TEXT);
    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_init(&pa, CN_CAP_TEXT);
    cn_buf_init(&pb, CN_CAP_TEXT);
    cr_assert_eq(cn_fly_synthetic_write(12, 5, &a, &pa, &err), CN_OK, "%s", err.text);
    cr_assert_eq(cn_fly_synthetic_write(12, 5, &b, &pb, &err), CN_OK);
    cr_assert_str_eq(cn_buf_str(&a), cn_buf_str(&b));
    cr_assert_str_eq(cn_buf_str(&pa), cn_buf_str(&pb));
    cr_assert_eq(cn_fly_synthetic_write(12, 6, &b, &pb, &err), CN_OK);
    cr_assert_str_neq(cn_buf_str(&pa), cn_buf_str(&pb));
    cn_buf_clear(&a);
    cn_buf_clear(&b);
    cn_buf_clear(&pa);
    cn_buf_clear(&pb);
}

Test(fly_synthetic, an_impossible_number_of_types_is_refused)
{
    struct cn_fly_graph g;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_synthetic_open(11, 1, 2, &g, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "11") && strstr(err.text, "12..16"), "%s", err.text);
    cr_assert_eq(cn_fly_synthetic_open(17, 1, 2, &g, &err), CN_EINPUT);
}

Test(fly_synthetic, types_start_with_the_photoreceptors_and_obey_dale)
{
    struct cn_fly_graph g;

    open_net(16, 3, 2, &g);
    cr_assert(g.n_types == 16 && g.n_input == 8 * 19 && g.n == 16 * 19);
    for (int32_t t = 0; t < 8; t++)
        cr_assert(g.type_name[t][0] == 'R' && g.type_name[t][1] == '1' + t);
    for (int64_t j = 0; j < g.n; j++) {
        int sign = 0;
        for (int64_t k = g.out_ptr[j]; k < g.out_ptr[j + 1]; k++) {
            float w = g.W[g.out_edge[k]];
            int s = (w > 0) - (w < 0);
            cr_assert(s == 0 || sign == 0 || s == sign, "neuron %lld mixes signs",
                      (long long)j);
            sign = s ? s : sign;
        }
    }
    cn_fly_graph_clear(&g);
}

Test(fly_synthetic, parameters_spread_as_published)
{
    double bias = 0, square = 0;
    int types = 0;

    for (uint64_t seed = 0; seed < 12; seed++) {
        struct cn_fly_graph g;
        int slow = 0;
        open_net(12, seed, 1, &g);
        for (int64_t i = 0; i < g.n; i += g.n_columns) { /* one neuron per type */
            slow += g.tau[i] > .03F;
            cr_assert(g.tau[i] > .019F && g.tau[i] < .2F, "tau %g", (double)g.tau[i]);
            bias += (double)g.V_rest[i];
            square += (double)g.V_rest[i] * (double)g.V_rest[i];
            types++;
        }
        cr_assert(slow >= 2 && slow <= 3, "%d slow types", slow);
        cn_fly_graph_clear(&g);
    }
    double mean = bias / types, std = sqrt(square / types - mean * mean);
    cr_assert_float_eq(mean, .5, .05, "mean V_rest %g", mean);
    cr_assert_float_eq(std, .15, .04, "std V_rest %g", std);
}

/* Growth of |W^k x|: the spectral radius, also for a complex leading pair. */
static double radius(const struct cn_fly_graph *g)
{
    double *x = cn_alloc(2 * (size_t)g->n, sizeof *x), *y = x + g->n, growth = 0;

    for (int64_t i = 0; i < g->n; i++)
        x[i] = 1 + (double)(i % 3);
    for (int step = 0; step < 1000; step++) {
        double s = 0;
        for (int64_t i = 0; i < g->n; i++) {
            y[i] = 0;
            for (int64_t k = g->in_ptr[i]; k < g->in_ptr[i + 1]; k++)
                y[i] += (double)g->W[g->in_edge[k]] * x[g->src[g->in_edge[k]]];
            s += y[i] * y[i];
        }
        for (int64_t i = 0; i < g->n; i++)
            x[i] = y[i] / sqrt(s);
        growth += step >= 500 ? log(sqrt(s)) / 500 : 0;
    }
    cn_free(x);
    return exp(growth);
}

Test(fly_synthetic, the_spectral_radius_is_held)
{
    for (uint64_t seed = 1; seed <= 4; seed++) {
        struct cn_fly_graph g;
        open_net(12 + (int32_t)seed, seed, CN_FLY_SYNTHETIC_EXTENT, &g);
        cr_assert_float_eq(radius(&g), CN_FLY_SYNTHETIC_RADIUS, .03, "seed %d: %g", (int)seed,
                           radius(&g));
        cn_fly_graph_clear(&g);
    }
}

/* Extents other than those the generator tried, another stimulus, more frames. */
static void expect_alive(const struct cn_fly_graph *g, double noise)
{
    enum { FRAMES = 1000 };
    struct cn_fly_dynamics d = {.graph = g, .delta_t = .02, .noise = noise, .seed = 99};
    struct cn_fly_simulator *sim;
    struct cn_fly_stimulus light;
    struct cn_err err = CN_ERR_INIT;
    float row[256];
    double sum = 0, square = 0;

    cr_assert_eq(cn_fly_simulator_new(&d, NULL, &sim, &err), CN_OK, "%s", err.text);
    cr_assert_eq(cn_fly_stimulus_init(&light, CN_STIM_SCENES, g->extent, 77, &err), CN_OK);
    for (int t = 0; t < FRAMES; t++) {
        const float *v = cn_fly_simulator_state(sim);
        for (int64_t i = 0; i < g->n; i++) {
            cr_assert(fabs((double)v[i]) < 30, "frame %d neuron %lld: %g", t, (long long)i,
                      (double)v[i]);
            sum += (double)v[i];
            square += (double)v[i] * (double)v[i];
        }
        (void)cn_fly_stimulus_frame(&light, t, row);
        cn_fly_simulator_step(sim, t, row);
    }
    double m = sum / FRAMES / (double)g->n, std = sqrt(square / FRAMES / (double)g->n - m * m);
    cr_assert(std > .3 && std < 4, "std %g", std);
    cn_fly_stimulus_clear(&light);
    cn_fly_simulator_free(sim);
}

Test(fly_synthetic, activity_is_neither_silent_nor_runs_away)
{
    for (uint64_t seed = 40; seed < 44; seed++) {
        for (int32_t extent = 2; extent <= 5; extent += 1) {
            struct cn_fly_graph g;
            open_net(12 + (int32_t)(seed % 5), seed, extent, &g);
            expect_alive(&g, 0);
            expect_alive(&g, .05);
            expect_alive(&g, .5);
            cn_fly_graph_clear(&g);
        }
    }
}

Test(fly_synthetic, an_export_opens_as_the_same_network)
{
    struct scratch s;
    struct cn_fly_graph a, b;
    struct cn_err err = CN_ERR_INIT;

    scratch_init(&s);
    cr_assert_eq(cn_fly_synthetic_export(13, 8, scratch_path(&s, "net"), &err), CN_OK, "%s",
                 err.text);
    cr_assert_eq(cn_fly_connectome_open(scratch_path(&s, "net"), 3, &a, &err), CN_OK, "%s",
                 err.text);
    open_net(13, 8, 3, &b);
    cr_assert(a.n == b.n && a.e == b.e);
    cr_assert_arr_eq(a.W, b.W, (size_t)a.e * sizeof *a.W);
    cr_assert_arr_eq(a.tau, b.tau, (size_t)a.n * sizeof *a.tau);
    cn_fly_graph_clear(&a);
    cn_fly_graph_clear(&b);
    scratch_clear(&s);
}
