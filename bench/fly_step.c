/* How long one training step of the FlyVis model takes.
 *
 *     cn_bench_fly_step [--frames 2|4] [--reps 41] [--threads 0] [--neurons 13741]
 *                       [--edges 434112] [--hidden 80] [--no-reg] [--json]
 *
 * A random graph of the full network's size, random frames, g_phi_diff + g_phi_norm + W_L1 +
 * Adam (--no-reg: W_L1 only), median over the repetitions after three unmeasured steps. FLOPs
 * and bytes are counted from the sizes, not measured.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/rng.h"
#include "trainer/engine/kernels.h"
#include "trainer/fly/step.h"

struct options {
    int64_t frames, reps, threads, neurons, edges, hidden, embedding;
    bool json, no_reg;
};

struct rig {
    struct cn_fly_graph graph;
    struct cn_fly_model *mod;
    struct cn_pool *pool;
    struct cn_fly_step *step;
    float *data;      /* frames of v, I, y */
    const float **at; /* 3 * frames pointers into data */
    struct cn_fly_batch batch;
};

static cn_status read_options(int argc, char **argv, struct options *o, struct cn_err *err)
{
    struct {
        const char *name;
        int64_t *to;
    } table[] = {{"--frames", &o->frames},      {"--reps", &o->reps},
                 {"--threads", &o->threads},    {"--neurons", &o->neurons},
                 {"--edges", &o->edges},        {"--hidden", &o->hidden},
                 {"--embedding", &o->embedding}};

    *o = (struct options){2, 41, 0, 13741, 434112, 80, 2, false, false};
    for (int i = 1; i < argc; i++) {
        size_t k = 0, n = sizeof table / sizeof table[0];
        if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
            continue;
        }
        if (strcmp(argv[i], "--no-reg") == 0) {
            o->no_reg = true;
            continue;
        }
        while (k < n && strcmp(argv[i], table[k].name) != 0)
            k++;
        if (k == n || i + 1 == argc)
            return cn_err_set(err, CN_EINPUT,
                              "%s: expected --frames, --reps, --threads, --neurons, --edges, "
                              "--hidden or --embedding with a number, --no-reg or --json",
                              argv[i]);
        *table[k].to = strtoll(argv[++i], NULL, 10);
        if (*table[k].to < (k == 2 ? 0 : 1))
            return cn_err_set(err, CN_EINPUT, "%s %s: expected a whole number from %d",
                              table[k].name, argv[i], k == 2 ? 0 : 1);
    }
    return CN_OK;
}

static cn_status make_graph(struct cn_fly_graph *g, const struct options *o, struct cn_err *err)
{
    struct cn_rng r;

    cn_rng_init(&r, 1, 1);
    g->n = o->neurons;
    g->e = o->edges;
    g->src = cn_alloc((size_t)g->e, sizeof *g->src);
    g->dst = cn_alloc((size_t)g->e, sizeof *g->dst);
    if (!g->src || !g->dst)
        return cn_err_set(err, CN_ENOMEM, "bench: no memory for %lld edges", (long long)g->e);
    for (int64_t k = 0; k < g->e; k++) {
        g->src[k] = (int32_t)cn_rng_below(&r, (uint64_t)g->n);
        g->dst[k] = (int32_t)cn_rng_below(&r, (uint64_t)g->n);
    }
    return cn_fly_graph_index(g, err);
}

static cn_status make_frames(struct rig *rig, const struct options *o, struct cn_err *err)
{
    int64_t total = o->neurons * o->frames;

    rig->data = cn_alloc_aligned((size_t)(3 * total), sizeof(float));
    rig->at = cn_alloc((size_t)(3 * o->frames), sizeof *rig->at);
    if (!rig->data || !rig->at)
        return cn_err_set(err, CN_ENOMEM, "bench: no memory for %lld frames",
                          (long long)o->frames);
    cn_rng_fill_normal(1, 2, 0, rig->data, 3 * total);
    for (int64_t k = 0; k < 3 * o->frames; k++)
        rig->at[k] = rig->data + k * o->neurons;
    rig->batch = (struct cn_fly_batch){(int32_t)o->frames,
                                       rig->at,
                                       rig->at + o->frames,
                                       rig->at + 2 * o->frames,
                                       o->neurons < 1736 ? o->neurons : 1736,
                                       o->neurons < 217 ? o->neurons : 217};
    return CN_OK;
}

static cn_status make_rig(struct rig *rig, const struct options *o, struct cn_err *err)
{
    struct cn_fly_config cfg = {
        .model = {.kind = CN_FLY_A,
                  .embedding_dim = (int32_t)o->embedding,
                  .hidden_dim = (int32_t)o->hidden,
                  .n_layers = 3,
                  .hidden_dim_update = (int32_t)o->hidden,
                  .n_layers_update = 3,
                  .g_phi_positive = true,
                  .activation = CN_ACT_RELU},
        .train = {.w_init_mode = CN_WINIT_RANDN_SCALED, .w_init_scale = 1}};
    cn_status st = make_graph(&rig->graph, o, err);

    if (st == CN_OK)
        st = make_frames(rig, o, err);
    if (st == CN_OK)
        st = cn_fly_model_new(&cfg, &rig->graph, &rig->mod, err);
    if (st != CN_OK)
        return st;
    cn_fly_model_init(rig->mod, 42);
    rig->pool = cn_pool_new((int)o->threads);
    if (!rig->pool)
        return cn_err_set(err, CN_ENOMEM, "bench: no threads");
    st = cn_fly_step_new(rig->mod, (int32_t)o->frames, rig->pool, &rig->step, err);
    if (st == CN_OK)
        cn_fly_step_set_stats(rig->step, 1.4276, NULL, NULL);
    return st;
}

static void clear_rig(struct rig *rig)
{
    cn_fly_step_free(rig->step);
    cn_pool_free(rig->pool);
    cn_fly_model_free(rig->mod);
    cn_fly_graph_clear(&rig->graph);
    cn_free(rig->data);
    cn_free(rig->at);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, int64_t n)
{
    qsort(x, (size_t)n, sizeof *x, by_value);
    return x[n / 2];
}

struct result {
    double ms, min_ms, phase_ms[CN_FLY_N_PHASES], loss;
};

static cn_status measure(struct rig *rig, const struct options *o, struct result *out,
                         struct cn_err *err)
{
    struct cn_fly_coef c = {
        .W_L1 = 7.5e-5, .g_phi_diff = o->no_reg ? 0 : 750, .g_phi_norm = o->no_reg ? 0 : 0.9};
    struct cn_fly_lrs lr = {{6e-4, 1.55e-3, 1.2e-3, 1.2e-3, 1.2e-3}};
    double *t = cn_alloc((size_t)(o->reps * (1 + CN_FLY_N_PHASES)), sizeof *t),
           phases[CN_FLY_N_PHASES];
    struct cn_fly_terms terms = {0};
    cn_status st = CN_OK;

    if (!t)
        return cn_err_set(err, CN_ENOMEM, "bench: no memory");
    for (int64_t k = -3; st == CN_OK && k < o->reps; k++) {
        int64_t start = cn_clock_mono_us();
        st = cn_fly_step_train(rig->step, &rig->batch, &c, &lr, &terms, err);
        cn_fly_step_phase_seconds(rig->step, phases);
        for (int p = 0; k >= 0 && p < CN_FLY_N_PHASES; p++)
            t[(p + 1) * o->reps + k] = 1e3 * phases[p];
        if (k >= 0)
            t[k] = 1e-3 * (double)(cn_clock_mono_us() - start);
    }
    for (int p = 0; st == CN_OK && p < CN_FLY_N_PHASES; p++)
        out->phase_ms[p] = median(t + (p + 1) * o->reps, o->reps);
    if (st == CN_OK)
        out->ms = median(t, o->reps); /* sorts */
    if (st == CN_OK)
        out->min_ms = t[0];
    out->loss = terms.logged;
    cn_free(t);
    return st;
}

static void report(const struct rig *rig, const struct options *o, const struct result *r)
{
    const char *const *names = cn_fly_step_phase_names();
    double flop, bytes;

    cn_fly_step_cost(rig->step, (int32_t)o->frames, &flop, &bytes);
    if (o->json) {
        printf("{\"bench\": \"fly_step\", \"frames\": %lld, \"neurons\": %lld, \"edges\": "
               "%lld, \"hidden\": %lld, \"threads\": %d, "
               "\"kernels\": \"%s\", \"reps\": %lld, \"median_ms\": %.4f, \"min_ms\": %.4f, "
               "\"gflop\": %.4f, "
               "\"gflop_per_s\": %.1f, \"mbytes\": %.2f, \"phases_ms\": {",
               (long long)o->frames, (long long)o->neurons, (long long)o->edges,
               (long long)o->hidden, cn_pool_threads(rig->pool), cn_kernels_get(NULL)->name,
               (long long)o->reps, r->ms, r->min_ms, flop / 1e9, flop / 1e6 / r->ms,
               bytes / 1e6);
        for (int p = 0; names[p]; p++)
            printf("%s\"%s\": %.4f", p ? ", " : "", names[p], r->phase_ms[p]);
        printf("}}\n");
        return;
    }
    printf("%lld neurons, %lld edges, %lld hidden, %lld frames, %d threads, %s: %.3f ms a step "
           "(median of %lld; best %.3f), %.2f GFLOP, %.0f GFLOP/s, "
           "%.1f MB, loss %.6g\n",
           (long long)o->neurons, (long long)o->edges, (long long)o->hidden,
           (long long)o->frames, cn_pool_threads(rig->pool), cn_kernels_get(NULL)->name, r->ms,
           (long long)o->reps, r->min_ms, flop / 1e9, flop / 1e6 / r->ms, bytes / 1e6, r->loss);
    for (int p = 0; names[p]; p++)
        printf("  %-16s %8.3f ms\n", names[p], r->phase_ms[p]);
}

int main(int argc, char **argv)
{
    struct cn_err err = CN_ERR_INIT;
    struct options o;
    struct rig rig = {0};
    struct result r = {0};
    cn_status st = read_options(argc, argv, &o, &err);

    if (st == CN_OK)
        st = make_rig(&rig, &o, &err);
    if (st == CN_OK)
        st = measure(&rig, &o, &r, &err);
    if (st == CN_OK)
        report(&rig, &o, &r);
    clear_rig(&rig);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cn_bench_fly_step", &err);
}
