/* Targets and voltages of a few frames (specs flyvis_gnn 2.1).
 *
 * A lane is one frame whose dv/dt is needed: batch frames, times the smoothing window in the
 * train split. relu(v) of all lanes lies interleaved, relu[j * stride + lane], so that one
 * visit to an edge serves four lanes with one vector load. Rows are independent: threads share
 * nothing and the bits do not depend on their number. */
#include "trainer/fly/target.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "trainer/fly/config.h"
#include "trainer/fly/simulate.h"

enum { WIDTH = 4, EDGES_PER_CHUNK = 16384, CHUNKS_MAX = 64 };

typedef float vec __attribute__((vector_size(sizeof(float) * WIDTH)));

struct cn_fly_target {
    const struct cn_fly_data *data; /* borrowed */
    struct cn_pool *pool;           /* borrowed, may be NULL */
    struct cn_fly_csr rows;
    int32_t max_lanes; /* max_batch * window */
    int64_t n_chunks, chunk_row[CHUNKS_MAX + 1];
    int64_t *lane_frame; /* (max_lanes) owned */
    float *relu;         /* (n, stride) owned, aligned */
    float *rate;         /* (n) 1 / tau, owned */
    float *s;            /* (n) tanh coefficient or NULL, owned */
    /* the call in progress */
    const struct cn_fly_split *split;
    int32_t batch, window, lanes, stride;
    float *out_y;
};

static const struct cn_fly_split *split_of(const struct cn_fly_data *d, cn_fly_split_kind kind)
{
    return kind == CN_FLY_TRAIN ? &d->train : &d->test;
}

static void gather_chunk(void *ctx, int64_t chunk)
{
    struct cn_fly_target *t = ctx;
    int64_t n = t->data->graph.n, lo = t->chunk_row[chunk], hi = t->chunk_row[chunk + 1];
    for (int32_t l = 0; l < t->lanes; l++) {
        const float *v = t->split->voltage + t->lane_frame[l] * n;
        float *to = t->relu + l;
        for (int64_t i = lo; i < hi; i++)
            to[i * t->stride] = v[i] > 0 ? v[i] : 0;
    }
    for (int32_t l = t->lanes; l < t->stride; l++) {
        for (int64_t i = lo; i < hi; i++)
            t->relu[i * t->stride + l] = 0;
    }
}

/* Messages of one row for the lanes g .. g+WIDTH-1. Four named sums, because the compiler keeps
 * an array of them in memory at -O2. */
static vec row_messages(const struct cn_fly_target *t, int64_t row, int32_t g)
{
    const int64_t stride = t->stride, end = t->rows.ptr[row + 1];
    const float *relu = t->relu + g, *w = t->rows.w;
    const int32_t *col = t->rows.col;
    vec a = {0}, b = {0}, c = {0}, d = {0};
    int64_t k = t->rows.ptr[row];

#define LANES(edge) (*(const vec *)(const void *)(relu + col[edge] * stride))
    for (; k + 4 <= end; k += 4) {
        a += w[k] * LANES(k);
        b += w[k + 1] * LANES(k + 1);
        c += w[k + 2] * LANES(k + 2);
        d += w[k + 3] * LANES(k + 3);
    }
    for (; k < end; k++)
        a += w[k] * LANES(k);
#undef LANES
    return (a + c) + (b + d);
}

/* The target of one neuron in one lane, its share of the measurement noise included. */
static float lane_target(const struct cn_fly_target *t, int64_t i, int32_t lane, float message)
{
    const struct cn_fly_data *d = t->data;
    const struct cn_fly_graph *g = &d->graph;
    int64_t frame = t->lane_frame[lane], at = frame * g->n + i;
    float v = t->split->voltage[at], b = g->V_rest[i] - v + message;
    if (t->s)
        b += t->s[i] * tanhf(v);
    if (i < g->n_input)
        b += t->split->stimulus[frame * g->n_columns + i % g->n_columns];
    float y = b * t->rate[i];
    if (t->split->noise && frame + 1 < t->split->frames)
        y += (t->split->noise[at + g->n] - t->split->noise[at]) / (float)d->delta_t;
    return y;
}

static void row_chunk(void *ctx, int64_t chunk)
{
    struct cn_fly_target *t = ctx;
    int64_t n = t->data->graph.n;
    for (int64_t i = t->chunk_row[chunk]; i < t->chunk_row[chunk + 1]; i++) {
        for (int32_t b = 0; b < t->batch; b++)
            t->out_y[b * n + i] = 0;
        for (int32_t g = 0; g < t->stride; g += WIDTH) {
            vec m = {0};
            if (t->data->variant != CN_SIM_NULL)
                m = row_messages(t, i, g);
            for (int32_t l = g; l < g + WIDTH && l < t->lanes; l++)
                t->out_y[l / t->window * n + i] += lane_target(t, i, l, m[l - g]);
        }
        for (int32_t b = 0; t->window > 1 && b < t->batch; b++)
            t->out_y[b * n + i] /= (float)t->window;
    }
}

static void run(struct cn_fly_target *t, cn_pool_fn *fn)
{
    if (t->pool && t->n_chunks > 1) {
        cn_pool_run(t->pool, fn, t, t->n_chunks);
        return;
    }
    for (int64_t c = 0; c < t->n_chunks; c++)
        fn(t, c);
}

void cn_fly_target_batch(struct cn_fly_target *t, cn_fly_split_kind split,
                         const int64_t *frames, int32_t batch, float *out_y)
{
    t->split = split_of(t->data, split);
    t->batch = batch;
    t->window = split == CN_FLY_TRAIN ? t->data->smoothing_window : 1;
    t->lanes = batch * t->window;
    t->stride = (t->lanes + WIDTH - 1) / WIDTH * WIDTH;
    t->out_y = out_y;
    CN_ASSERT(batch > 0 && t->lanes <= t->max_lanes);
    for (int32_t l = 0; l < t->lanes; l++) {
        int64_t f = frames[l / t->window] + l % t->window - t->window / 2;
        CN_ASSERT(frames[l / t->window] >= 0 && frames[l / t->window] < t->split->frames);
        t->lane_frame[l] = f < 0 ? 0 : f >= t->split->frames ? t->split->frames - 1 : f;
    }
    run(t, gather_chunk);
    run(t, row_chunk);
}

void cn_fly_data_target(struct cn_fly_target *t, cn_fly_split_kind split, int64_t frame,
                        float *out_y)
{
    cn_fly_target_batch(t, split, &frame, 1, out_y);
}

void cn_fly_data_voltage(const struct cn_fly_data *d, cn_fly_split_kind split,
                         const int64_t *frames, int32_t batch, float *out_v)
{
    const struct cn_fly_split *s = split_of(d, split);
    int64_t n = d->graph.n;
    for (int32_t b = 0; b < batch; b++) {
        memcpy(out_v + b * n, s->voltage + frames[b] * n, (size_t)n * sizeof *out_v);
        for (int64_t i = 0; s->noise && i < n; i++)
            out_v[b * n + i] += s->noise[frames[b] * n + i];
    }
}

/* Rows of about equal work; at multiples of 16, so that two chunks never write one cache
 * line. */
static void cut_rows(struct cn_fly_target *t)
{
    const struct cn_fly_csr *m = &t->rows;
    int64_t chunks = m->e / EDGES_PER_CHUNK, total = m->e + 16 * m->n, row = 0;
    chunks = chunks < 1 ? 1 : chunks > CHUNKS_MAX ? CHUNKS_MAX : chunks;
    for (int64_t c = 1; c < chunks; c++) {
        while (row < m->n && m->ptr[row] + 16 * row < total * c / chunks)
            row++;
        t->chunk_row[c] = row / 16 * 16;
    }
    t->chunk_row[chunks] = m->n;
    t->n_chunks = chunks;
}

static void fill_constants(struct cn_fly_target *t)
{
    const struct cn_fly_graph *g = &t->data->graph;
    for (int64_t i = 0; i < g->n; i++) {
        t->rate[i] = 1 / g->tau[i];
        if (t->s)
            t->s[i] = t->data->s[g->type[i]];
    }
}

cn_status cn_fly_target_new(const struct cn_fly_data *data, int32_t max_batch,
                            struct cn_pool *pool, struct cn_fly_target **out,
                            struct cn_err *err)
{
    size_t n = (size_t)data->graph.n;
    *out = NULL;
    struct cn_fly_target *t = cn_alloc(1, sizeof *t);
    if (!t)
        return cn_err_set(err, CN_ENOMEM, "no memory for targets");
    CN_ASSERT(max_batch > 0 && data->smoothing_window > 0);
    t->data = data;
    t->pool = pool;
    t->max_lanes = max_batch * data->smoothing_window;
    size_t stride = ((size_t)t->max_lanes + WIDTH - 1) / WIDTH * WIDTH;
    bool multiple = data->variant == CN_SIM_MULTIPLE_RELU,
         with_tanh = data->variant == CN_SIM_TANH;
    cn_status st = cn_fly_csr_build(&data->graph, multiple ? data->gain : NULL, &t->rows, err);
    if (st == CN_OK) {
        t->lane_frame = cn_alloc((size_t)t->max_lanes, sizeof *t->lane_frame);
        t->relu = cn_alloc_aligned(n * stride, sizeof *t->relu);
        t->rate = cn_alloc(n, sizeof *t->rate);
        t->s = with_tanh ? cn_alloc(n, sizeof *t->s) : NULL;
        if (!t->lane_frame || !t->relu || !t->rate || (with_tanh && !t->s))
            st = cn_err_set(err, CN_ENOMEM, "no memory for targets of %d frames of %zu neurons",
                            max_batch, n);
    }
    if (st != CN_OK) {
        cn_fly_target_free(t);
        return st;
    }
    fill_constants(t);
    cut_rows(t);
    *out = t;
    return CN_OK;
}

void cn_fly_target_free(struct cn_fly_target *t)
{
    if (!t)
        return;
    cn_fly_csr_clear(&t->rows);
    cn_free(t->lane_frame);
    cn_free(t->relu);
    cn_free(t->rate);
    cn_free(t->s);
    cn_free(t);
}
