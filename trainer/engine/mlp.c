/* Plans, packing and the slab layout of small perceptrons; the arithmetic is in kernels_impl.h.
 * See mlp.h. */
#include "trainer/engine/mlp.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "trainer/engine/kernels.h"
#include "trainer/engine/mlp_int.h"

static int64_t layer_in(const struct cn_mlp_shape *s, int32_t l)
{
    return l == 0 ? s->in : s->hidden;
}

static int64_t layer_out(const struct cn_mlp_shape *s, int32_t l)
{
    return l == s->n_layers - 1 ? 1 : s->hidden;
}

int64_t cn_mlp_tensor(const struct cn_mlp_shape *s, int32_t k, int64_t *out_rows,
                      int64_t *out_cols)
{
    int64_t off = 0;

    for (int32_t l = 0; l < k / 2; l++)
        off += layer_out(s, l) * (layer_in(s, l) + 1);
    *out_rows = layer_out(s, k / 2);
    *out_cols = k % 2 ? 1 : layer_in(s, k / 2);
    return off + (k % 2 ? layer_out(s, k / 2) * layer_in(s, k / 2) : 0);
}

int64_t cn_mlp_n_params(const struct cn_mlp_shape *s)
{
    int64_t rows, cols;
    return cn_mlp_tensor(s, 2 * s->n_layers, &rows, &cols);
}

double cn_mlp_flops_forward(const struct cn_mlp_shape *s)
{
    double sum = 0;

    for (int32_t l = 0; l < s->n_layers; l++)
        sum += 2.0 * (double)(layer_in(s, l) * layer_out(s, l));
    return sum;
}

double cn_mlp_flops_both(const struct cn_mlp_shape *s)
{
    return 3 * cn_mlp_flops_forward(s);
}

static cn_status check(const struct cn_mlp_shape *s, struct cn_err *err)
{
    if (s->in < 1 || s->in >= CN_MLP_MAX_IN)
        return cn_err_set(err, CN_EINPUT, "perceptron: %d inputs, expected 1..%d", s->in,
                          CN_MLP_MAX_IN - 1);
    if (s->hidden < 1 || s->hidden > 4096)
        return cn_err_set(err, CN_EINPUT, "perceptron: %d hidden units, expected 1..4096",
                          s->hidden);
    if (s->n_layers < 2 || s->n_layers > CN_MLP_MAX_LAYERS)
        return cn_err_set(err, CN_EINPUT, "perceptron: %d layers, expected 2..%d", s->n_layers,
                          CN_MLP_MAX_LAYERS);
    if ((unsigned)s->act > CN_MLP_NONE)
        return cn_err_set(err, CN_EINPUT, "perceptron: unknown activation %d", (int)s->act);
    return CN_OK;
}

/* Hand out pieces of a slab; with base NULL only the total is counted. */
static float *piece(float *base, int64_t *used, int64_t floats)
{
    float *p = base ? base + *used : NULL;
    *used += floats;
    return p;
}

static bool has_tables(const struct cn_mlp *net)
{
    return net->kernels->tables_pack && net->shape.act == CN_MLP_RELU && net->n_inner == 1 &&
           net->hp <= CN_MLP_TABLES_MAX_HIDDEN && net->shape.in <= CN_MLP_TABLES_MAX_IN;
}

static int64_t lay_out_net(struct cn_mlp *net, float *base)
{
    int64_t used = 0, hp = net->hp, in = net->shape.in;

    net->w0 = piece(base, &used, (in + 1) * hp);
    for (int32_t l = 0; l < net->n_inner; l++) {
        net->wt[l] = piece(base, &used, hp * hp);
        net->w[l] = piece(base, &used, hp * hp);
        net->b[l] = piece(base, &used, hp);
    }
    net->w_out = piece(base, &used, hp);
    if (has_tables(net))
        net->tables = piece(base, &used, hp / 16 * (hp / 4) * 256);
    return used;
}

static int64_t lay_out_grad(const struct cn_mlp *net, struct cn_mlp_grad *g, float *base)
{
    int64_t used = 0, hp = net->hp, in = net->shape.in;

    g->w0 = piece(base, &used, (in + 1) * hp);
    for (int32_t l = 0; l < net->n_inner; l++) {
        g->w[l] = piece(base, &used, hp * hp);
        g->b[l] = piece(base, &used, hp);
    }
    g->w_out = piece(base, &used, hp);
    g->b_out = piece(base, &used, 16);
    return used;
}

struct cn_mlp *cn_mlp_new(const struct cn_mlp_shape *s, struct cn_err *err)
{
    const struct cn_kernels *k;
    struct cn_mlp *net;

    if (check(s, err) != CN_OK || !(k = cn_kernels_get(err)))
        return NULL;
    net = cn_alloc(1, sizeof *net);
    if (net) {
        net->shape = *s;
        net->kernels = k;
        net->hp = (s->hidden + 15) / 16 * 16;
        net->ldx = (s->in + 1 + 3) / 4 * 4;
        net->n_inner = s->n_layers - 2;
        net->slab = cn_alloc_aligned((size_t)lay_out_net(net, NULL), sizeof(float));
    }
    if (!net || !net->slab) {
        (void)cn_err_set(err, CN_ENOMEM, "perceptron: no memory for %d hidden units",
                         s->hidden);
        cn_mlp_free(net);
        return NULL;
    }
    (void)lay_out_net(net, net->slab);
    return net;
}

void cn_mlp_free(struct cn_mlp *net)
{
    if (net)
        cn_free(net->slab);
    cn_free(net);
}

struct cn_mlp_tile *cn_mlp_tile_new(const struct cn_mlp *net)
{
    struct cn_mlp_tile *t = cn_alloc(1, sizeof *t);
    /* Two shorts a float. */
    int64_t x = (int64_t)CN_MLP_ROWS * net->ldx, mask = CN_MLP_ROWS * net->hp / 32;

    if (!t)
        return NULL;
    t->scratch = cn_alloc_aligned(
        (size_t)(cn_mlp_scratch_floats(net) + 2 * x + 2 * (int64_t)CN_MLP_ROWS + mask),
        sizeof(float));
    if (!t->scratch) {
        cn_free(t);
        return NULL;
    }
    t->ldx = net->ldx;
    t->x = t->scratch + cn_mlp_scratch_floats(net);
    t->dx = t->x + x;
    t->y = t->dx + x;
    t->seed = t->y + CN_MLP_ROWS;
    t->mask = (uint16_t *)(void *)(t->seed + CN_MLP_ROWS);
    for (int32_t r = 0; r < CN_MLP_ROWS; r++)
        t->x[(int64_t)r * t->ldx + net->shape.in] = 1;
    return t;
}

void cn_mlp_tile_free(struct cn_mlp_tile *t)
{
    if (t)
        cn_free(t->scratch);
    cn_free(t);
}

struct cn_mlp_tiles {
    int count;
    struct cn_mlp_tile **tile; /* (count) owned */
    atomic_flag *busy;         /* (count) owned */
};

void cn_mlp_tiles_free(struct cn_mlp_tiles *ts)
{
    for (int i = 0; ts && ts->tile && i < ts->count; i++)
        cn_mlp_tile_free(ts->tile[i]);
    if (ts) {
        cn_free(ts->tile);
        cn_free(ts->busy);
    }
    cn_free(ts);
}

struct cn_mlp_tiles *cn_mlp_tiles_new(const struct cn_mlp *net, int count)
{
    struct cn_mlp_tiles *ts = cn_alloc(1, sizeof *ts);
    int made = 0;

    if (!ts)
        return NULL;
    ts->count = count;
    ts->tile = cn_alloc((size_t)count, sizeof *ts->tile);
    ts->busy = cn_alloc((size_t)count, sizeof *ts->busy);
    while (ts->tile && ts->busy && made < count && (ts->tile[made] = cn_mlp_tile_new(net)))
        atomic_flag_clear(&ts->busy[made++]);
    if (made == count)
        return ts;
    cn_mlp_tiles_free(ts);
    return NULL;
}

struct cn_mlp_tile *cn_mlp_tiles_take(struct cn_mlp_tiles *ts)
{
    for (int i = 0;; i = (i + 1) % ts->count)
        if (!atomic_flag_test_and_set_explicit(&ts->busy[i], memory_order_acquire))
            return ts->tile[i];
}

void cn_mlp_tiles_give(struct cn_mlp_tiles *ts, const struct cn_mlp_tile *t)
{
    for (int i = 0; i < ts->count; i++)
        if (ts->tile[i] == t)
            atomic_flag_clear_explicit(&ts->busy[i], memory_order_release);
}

struct cn_mlp_grad *cn_mlp_grad_new(const struct cn_mlp *net)
{
    struct cn_mlp_grad *g = cn_alloc(1, sizeof *g);

    if (!g)
        return NULL;
    g->count = lay_out_grad(net, g, NULL);
    g->slab = cn_alloc_aligned((size_t)g->count, sizeof(float));
    if (!g->slab) {
        cn_free(g);
        return NULL;
    }
    (void)lay_out_grad(net, g, g->slab);
    return g;
}

void cn_mlp_grad_free(struct cn_mlp_grad *g)
{
    if (g)
        cn_free(g->slab);
    cn_free(g);
}

void cn_mlp_pack(struct cn_mlp *net, const float *params)
{
    const struct cn_mlp_shape *s = &net->shape;
    int64_t h = s->hidden, hp = net->hp, in = s->in;
    const float *p = params;

    for (int64_t k = 0; k < h; k++) {
        for (int64_t j = 0; j < in; j++)
            net->w0[j * hp + k] = p[k * in + j];
        net->w0[in * hp + k] = p[h * in + k];
    }
    p += h * (in + 1);
    for (int32_t l = 0; l < net->n_inner; l++, p += h * (h + 1))
        for (int64_t k = 0; k < h; k++) {
            memcpy(net->w[l] + k * hp, p + k * h, (size_t)h * sizeof(float));
            for (int64_t j = 0; j < h; j++)
                net->wt[l][j * hp + k] = p[k * h + j];
            net->b[l][k] = p[h * h + k];
        }
    memcpy(net->w_out, p, (size_t)h * sizeof(float));
    net->b_out = p[h];
    if (net->tables)
        net->kernels->tables_pack(net);
}

void cn_mlp_forward(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n_rows)
{
    (net->tables ? net->kernels->tables_forward : net->kernels->forward)(net, t, n_rows);
}

int64_t cn_mlp_mask_size(const struct cn_mlp *net)
{
    return net->tables ? net->hp / 16 : 0;
}

void cn_mlp_resume(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n_rows,
                   const uint16_t *mask)
{
    if (net->tables)
        memcpy(t->mask, mask, (size_t)(n_rows * cn_mlp_mask_size(net)) * sizeof *mask);
    else
        cn_mlp_forward(net, t, n_rows);
}

void cn_mlp_backward(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n_rows,
                     struct cn_mlp_grad *g, uint32_t inputs)
{
    (net->tables ? net->kernels->tables_backward : net->kernels->backward)(net, t, n_rows, g,
                                                                           inputs);
}

void cn_mlp_input_grad(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n_rows,
                       uint32_t inputs)
{
    cn_mlp_backward(net, t, n_rows, NULL, inputs);
}

void cn_mlp_grad_zero(const struct cn_mlp *net, struct cn_mlp_grad *g)
{
    (void)net;
    memset(g->slab, 0, (size_t)g->count * sizeof(float));
}

void cn_mlp_grad_sum(const struct cn_mlp *net, struct cn_mlp_grad *const g[], int32_t count)
{
    enum { BLOCK = 1024 }; /* floats that stay in L1 while all chunks pass by */
    int64_t n = g[0]->count;

    (void)net;
    for (int64_t lo = 0; lo < n; lo += BLOCK) {
        int64_t hi = lo + BLOCK < n ? lo + BLOCK : n;
        for (int32_t c = 1; c < count; c++)
            for (int64_t k = lo; k < hi; k++)
                g[0]->slab[k] += g[c]->slab[k];
    }
}

/* Inner map l of unit k. Subset sums leave M_k and c_k (kernels_tables.h), the dense kernels
 * the gradients themselves. */
static void add_unit(const struct cn_mlp *net, const struct cn_mlp_grad *g, int32_t l,
                     int64_t k, float scale, float *dw, float *db)
{
    const float *m = g->w[l] + k * net->hp;
    float by = scale * (net->tables ? net->w_out[k] : 1);

    for (int64_t j = 0; j < net->shape.hidden; j++)
        dw[j] += by * m[j];
    *db += by * g->b[l][k];
}

static float out_weight_grad(const struct cn_mlp *net, const struct cn_mlp_grad *g, int64_t k)
{
    const float *m = net->tables ? g->w[0] + k * net->hp : NULL;
    float sum = net->tables ? net->b[0][k] * g->b[0][k] : g->w_out[k];

    for (int64_t j = 0; m && j < net->hp; j++)
        sum += net->w[0][k * net->hp + j] * m[j];
    return sum;
}

void cn_mlp_grad_add(const struct cn_mlp *net, const struct cn_mlp_grad *g, float scale,
                     float *dparams)
{
    int64_t h = net->shape.hidden, hp = net->hp, in = net->shape.in;
    float *p = dparams;

    for (int64_t k = 0; k < h; k++) {
        for (int64_t j = 0; j < in; j++)
            p[k * in + j] += scale * g->w0[j * hp + k];
        p[h * in + k] += scale * g->w0[in * hp + k];
    }
    p += h * (in + 1);
    for (int32_t l = 0; l < net->n_inner; l++, p += h * (h + 1))
        for (int64_t k = 0; k < h; k++)
            add_unit(net, g, l, k, scale, p + k * h, p + h * h + k);
    for (int64_t k = 0; k < h; k++)
        p[k] += scale * out_weight_grad(net, g, k);
    p[h] += scale * g->b_out[0];
}
