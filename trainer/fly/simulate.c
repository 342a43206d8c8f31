/* The generator's dynamics: reference in double, simulator in float32.
 *
 * 1 rows by destination   2 double reference   3 float32 simulator
 */
#include "trainer/fly/simulate.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/rng.h"

/* ---- 1 rows by destination ---- */

cn_status cn_fly_csr_build(const struct cn_fly_graph *g, const float *opt_gain,
                           struct cn_fly_csr *out, struct cn_err *err)
{
    memset(out, 0, sizeof *out);
    out->n = g->n;
    out->e = g->e;
    out->ptr = cn_alloc_aligned((size_t)g->n + 1, sizeof *out->ptr);
    out->col = cn_alloc_aligned((size_t)g->e, sizeof *out->col);
    out->w = cn_alloc_aligned((size_t)g->e, sizeof *out->w);
    if (!out->ptr || !out->col || !out->w) {
        cn_fly_csr_clear(out);
        return cn_err_set(err, CN_ENOMEM, "no memory for %lld weights by row", (long long)g->e);
    }
    memcpy(out->ptr, g->in_ptr, ((size_t)g->n + 1) * sizeof *out->ptr);
    for (int64_t k = 0; k < g->e; k++) {
        int32_t e = g->in_edge[k];
        out->col[k] = g->src[e];
        out->w[k] = g->W[e] * (opt_gain ? opt_gain[g->type[g->src[e]]] : 1.0F);
    }
    return CN_OK;
}

void cn_fly_csr_clear(struct cn_fly_csr *m)
{
    cn_free(m->ptr);
    cn_free(m->col);
    cn_free(m->w);
    memset(m, 0, sizeof *m);
}

/* ---- 2 double reference ---- */

static double message(const struct cn_fly_dynamics *d, const double *v, int64_t i)
{
    const struct cn_fly_graph *g = d->graph;
    double m = 0;
    if (d->variant == CN_SIM_NULL)
        return 0;
    for (int64_t k = g->in_ptr[i]; k < g->in_ptr[i + 1]; k++) {
        int32_t e = g->in_edge[k], j = g->src[e];
        double gain = d->variant == CN_SIM_MULTIPLE_RELU ? (double)d->gain[g->type[j]] : 1;
        m += v[j] > 0 ? (double)g->W[e] * gain * v[j] : 0;
    }
    return m;
}

static double bracket(const struct cn_fly_dynamics *d, const double *v, int64_t i)
{
    const struct cn_fly_graph *g = d->graph;
    double b = -v[i] + (double)g->V_rest[i] + message(d, v, i);
    if (d->variant == CN_SIM_TANH)
        b += (double)d->s[g->type[i]] * tanh(v[i]);
    return b;
}

void cn_fly_dynamics_dvdt(const struct cn_fly_dynamics *d, const double *v,
                          const double *stimulus, double *out_y)
{
    const struct cn_fly_graph *g = d->graph;
    for (int64_t i = 0; i < g->n; i++) {
        double input = i < g->n_input ? stimulus[i % g->n_columns] : 0;
        out_y[i] = (bracket(d, v, i) + input) / (double)g->tau[i];
    }
}

void cn_fly_dynamics_steady(const struct cn_fly_dynamics *d, double *out_v, double *scratch)
{
    const struct cn_fly_graph *g = d->graph;
    struct cn_fly_dynamics plain = *d;

    plain.variant = CN_SIM_PLAIN;
    for (int64_t i = 0; i < g->n; i++)
        out_v[i] = (double)g->V_rest[i];
    for (int step = 0; step < 100; step++) {
        for (int64_t i = 0; i < g->n; i++) {
            double tau = fmax((double)g->tau[i], d->delta_t);
            scratch[i] =
                (bracket(&plain, out_v, i) + (i < g->n_input ? .5 : 0)) * (d->delta_t / tau);
        }
        for (int64_t i = 0; i < g->n; i++)
            out_v[i] += scratch[i];
    }
}

void cn_fly_dynamics_draw_gain(uint64_t seed, int32_t n_types, float *out_gain)
{
    struct cn_rng r;
    cn_rng_init(&r, seed, UINT64_C(0x6761) << 48);
    for (int32_t k = 0; k < n_types; k++)
        out_gain[k] = (float)fabs(1 + .5 * cn_rng_normal(&r));
}

void cn_fly_dynamics_draw_s(uint64_t seed, int32_t n_types, float *out_s)
{
    struct cn_rng r;
    cn_rng_init(&r, seed, UINT64_C(0x7461) << 48);
    for (int32_t k = 0; k < n_types; k++)
        out_s[k] = (float)(cn_rng_uniform(&r) - .5);
}

/* ---- 3 float32 simulator ---- */

enum { EDGES_PER_CHUNK = 16384, CHUNKS_MAX = 64, NOISE_BLOCK = 128 };

struct cn_fly_simulator {
    struct cn_fly_dynamics d; /* graph borrowed */
    struct cn_fly_csr rows;
    struct cn_pool *pool; /* borrowed, may be NULL */
    int64_t n_chunks, chunk_row[CHUNKS_MAX + 1];
    float *rate;             /* (n) dt / tau */
    float *s;                /* (n) tanh coefficient, NULL without */
    float *steady;           /* (n) */
    float *v[2], *r[2], *xi; /* (n) state and relu(state), now and next; noise */
    int now;
    int64_t t;             /* of the step in progress */
    const float *stimulus; /* of the step in progress */
};

/* Rows of about equal work, cut where a block of noise ends, so that no draw is made twice. */
static void cut_rows(struct cn_fly_simulator *sim)
{
    const struct cn_fly_csr *m = &sim->rows;
    int64_t chunks = m->e / EDGES_PER_CHUNK;
    chunks = chunks < 1 ? 1 : chunks > CHUNKS_MAX ? CHUNKS_MAX : chunks;
    int64_t total = m->e + 16 * m->n, row = 0;
    sim->n_chunks = chunks;
    sim->chunk_row[0] = 0;
    for (int64_t c = 1; c < chunks; c++) {
        while (row < m->n && m->ptr[row] + 16 * row < total * c / chunks)
            row++;
        sim->chunk_row[c] = row / NOISE_BLOCK * NOISE_BLOCK;
    }
    sim->chunk_row[chunks] = m->n;
}

/* Four running sums hide the latency of the adds; their order is fixed. */
static float row_sum(const struct cn_fly_csr *m, int64_t row, const float *r)
{
    const float *w = m->w;
    const int32_t *col = m->col;
    float a = 0, b = 0, c = 0, d = 0;
    int64_t k = m->ptr[row], end = m->ptr[row + 1];
    for (; k + 4 <= end; k += 4) {
        a += w[k] * r[col[k]];
        b += w[k + 1] * r[col[k + 1]];
        c += w[k + 2] * r[col[k + 2]];
        d += w[k + 3] * r[col[k + 3]];
    }
    for (; k < end; k++)
        a += w[k] * r[col[k]];
    return (a + c) + (b + d);
}

static void step_chunk(void *ctx, int64_t chunk)
{
    struct cn_fly_simulator *sim = ctx;
    const struct cn_fly_graph *g = sim->d.graph;
    const float *v = sim->v[sim->now], *r = sim->r[sim->now];
    float *v_next = sim->v[!sim->now], *r_next = sim->r[!sim->now];
    int64_t lo = sim->chunk_row[chunk], hi = sim->chunk_row[chunk + 1];
    float sigma = (float)sim->d.noise;

    if (sigma > 0) {
        int64_t stride = (g->n + NOISE_BLOCK - 1) / NOISE_BLOCK * NOISE_BLOCK;
        cn_rng_fill_normal(sim->d.seed, sim->d.stream, 2 * (uint64_t)(sim->t * stride + lo),
                           sim->xi + lo, hi - lo);
    }
    for (int64_t i = lo; i < hi; i++) {
        float b = g->V_rest[i] - v[i];
        if (sim->d.variant != CN_SIM_NULL)
            b += row_sum(&sim->rows, i, r);
        if (sim->s)
            b += sim->s[i] * tanhf(v[i]);
        if (i < g->n_input)
            b += sim->stimulus[i % g->n_columns];
        float next = v[i] + sim->rate[i] * b;
        if (sigma > 0)
            next += sigma * sim->xi[i];
        v_next[i] = next;
        r_next[i] = next > 0 ? next : 0;
    }
}

void cn_fly_simulator_step(struct cn_fly_simulator *sim, int64_t t, const float *stimulus)
{
    sim->t = t;
    sim->stimulus = stimulus;
    if (sim->pool && sim->n_chunks > 1) {
        cn_pool_run(sim->pool, step_chunk, sim, sim->n_chunks);
    } else {
        for (int64_t c = 0; c < sim->n_chunks; c++)
            step_chunk(sim, c);
    }
    sim->now = !sim->now;
}

const float *cn_fly_simulator_state(const struct cn_fly_simulator *sim)
{
    return sim->v[sim->now];
}

void cn_fly_simulator_set_state(struct cn_fly_simulator *sim, const float *v)
{
    float *to = sim->v[sim->now], *relu = sim->r[sim->now];
    for (int64_t i = 0; i < sim->d.graph->n; i++) {
        to[i] = v[i];
        relu[i] = v[i] > 0 ? v[i] : 0;
    }
}

void cn_fly_simulator_reset(struct cn_fly_simulator *sim)
{
    cn_fly_simulator_set_state(sim, sim->steady);
}

static cn_status compute_steady(struct cn_fly_simulator *sim, struct cn_err *err)
{
    size_t n = (size_t)sim->d.graph->n;
    double *v = cn_alloc(2 * n, sizeof *v);
    if (!v)
        return cn_err_set(err, CN_ENOMEM, "no memory for a steady state of %zu neurons", n);
    cn_fly_dynamics_steady(&sim->d, v, v + n);
    cn_status st = CN_OK;
    for (size_t i = 0; i < n && st == CN_OK; i++) {
        sim->steady[i] = (float)v[i];
        if (!isfinite(sim->steady[i]))
            st = cn_err_set(err, CN_EDIVERGED,
                            "the network's steady state is not finite at neuron %zu (%s)", i,
                            sim->d.graph->type_name[sim->d.graph->type[i]]);
    }
    cn_free(v);
    return st;
}

static cn_status allocate(struct cn_fly_simulator *sim, struct cn_err *err)
{
    const struct cn_fly_graph *g = sim->d.graph;
    size_t n = (size_t)g->n;
    float **wanted[] = {&sim->rate, &sim->steady, &sim->v[0], &sim->v[1],
                        &sim->r[0], &sim->r[1],   &sim->xi};
    for (size_t k = 0; k < sizeof wanted / sizeof wanted[0]; k++) {
        *wanted[k] = cn_alloc_aligned(n, sizeof **wanted[k]);
        if (!*wanted[k])
            return cn_err_set(err, CN_ENOMEM, "no memory to simulate %zu neurons", n);
    }
    for (size_t i = 0; i < n; i++)
        sim->rate[i] = (float)(sim->d.delta_t / (double)g->tau[i]);
    if (sim->d.variant != CN_SIM_TANH)
        return CN_OK;
    sim->s = cn_alloc_aligned(n, sizeof *sim->s);
    if (!sim->s)
        return cn_err_set(err, CN_ENOMEM, "no memory to simulate %zu neurons", n);
    for (size_t i = 0; i < n; i++)
        sim->s[i] = sim->d.s[g->type[i]];
    return CN_OK;
}

cn_status cn_fly_simulator_new(const struct cn_fly_dynamics *d, struct cn_pool *pool,
                               struct cn_fly_simulator **out, struct cn_err *err)
{
    *out = NULL;
    struct cn_fly_simulator *sim = cn_alloc(1, sizeof *sim);
    if (!sim)
        return cn_err_set(err, CN_ENOMEM, "no memory for a simulator");
    sim->d = *d;
    sim->pool = pool;
    const float *gain = d->variant == CN_SIM_MULTIPLE_RELU ? d->gain : NULL;
    cn_status st = cn_fly_csr_build(d->graph, gain, &sim->rows, err);
    if (st == CN_OK)
        st = allocate(sim, err);
    if (st == CN_OK)
        st = compute_steady(sim, err);
    if (st != CN_OK) {
        cn_fly_simulator_free(sim);
        return st;
    }
    cut_rows(sim);
    cn_fly_simulator_reset(sim);
    *out = sim;
    return CN_OK;
}

void cn_fly_simulator_free(struct cn_fly_simulator *sim)
{
    if (!sim)
        return;
    void *owned[] = {sim->rate, sim->s,    sim->steady, sim->v[0],
                     sim->v[1], sim->r[0], sim->r[1],   sim->xi};
    for (size_t k = 0; k < sizeof owned / sizeof owned[0]; k++)
        cn_free(owned[k]);
    cn_fly_csr_clear(&sim->rows);
    cn_free(sim);
}
