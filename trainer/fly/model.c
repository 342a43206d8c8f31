/* Parameters, names, moments and the two orders of W. See model.h. */
#include "trainer/fly/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/rng.h"
#include "trainer/fly/model_int.h"

/* ---- the tensor table ---- */

static int64_t add_tensor(struct cn_fly_model *mod, const char *name, int32_t n_dims,
                          int64_t rows, int64_t cols, cn_fly_group group)
{
    struct cn_fly_tensor *t = &mod->tensor[mod->n_tensors++];

    (void)snprintf(t->name, sizeof t->name, "%s", name);
    t->offset = mod->n_params;
    t->count = rows * cols;
    t->n_dims = n_dims;
    t->shape[0] = rows;
    t->shape[1] = cols;
    t->group = group;
    mod->n_params += t->count;
    return t->offset;
}

static int64_t add_net(struct cn_fly_model *mod, char letter, const struct cn_mlp_shape *s,
                       cn_fly_group group)
{
    int64_t first = mod->n_params;

    for (int32_t k = 0; k < 2 * s->n_layers; k++) {
        char name[16];
        int64_t rows, cols;
        (void)cn_mlp_tensor(s, k, &rows, &cols);
        (void)snprintf(name, sizeof name, "%c.%c%d", letter, k % 2 ? 'b' : 'w', k / 2);
        (void)add_tensor(mod, name, k % 2 ? 1 : 2, rows, cols, group);
    }
    return first;
}

static void make_table(struct cn_fly_model *mod)
{
    int64_t n = mod->graph->n, e = mod->graph->e;

    mod->oa = mod->og = mod->of = mod->otau = mod->oV = mod->os = -1;
    mod->oW = add_tensor(mod, "W", 1, e, 1, CN_FLY_GROUP_W);
    if (mod->cfg.kind == CN_FLY_A) {
        mod->oa = add_tensor(mod, "a", 2, n, mod->cfg.embedding_dim, CN_FLY_GROUP_A);
        mod->og = add_net(mod, 'g', &mod->gs, CN_FLY_GROUP_G);
        mod->of = add_net(mod, 'f', &mod->fs, CN_FLY_GROUP_F);
        mod->n_g = cn_mlp_n_params(&mod->gs);
        mod->n_f = cn_mlp_n_params(&mod->fs);
        return;
    }
    mod->otau = add_tensor(mod, "raw_tau", 1, n, 1, CN_FLY_GROUP_DYN);
    mod->oV = add_tensor(mod, "V_rest", 1, n, 1, CN_FLY_GROUP_DYN);
    if (mod->cfg.linear_tanh)
        mod->os = add_tensor(mod, "s", 1, n, 1, CN_FLY_GROUP_DYN);
}

static cn_status check(const struct cn_fly_graph_model *c, const struct cn_fly_graph *g,
                       struct cn_err *err)
{
    if (g->n < 1 || g->e < 1)
        return cn_err_set(
            err, CN_EINPUT,
            "model: the graph has %lld neurons and %lld edges, expected at least 1 of each",
            (long long)g->n, (long long)g->e);
    if (!g->in_ptr || !g->out_ptr)
        return cn_err_set(err, CN_EINPUT, "model: the graph has no index (cn_fly_graph_index)");
    if (c->kind != CN_FLY_A)
        return CN_OK;
    if (c->embedding_dim < 1 || c->embedding_dim > CN_MLP_MAX_IN - 4)
        return cn_err_set(err, CN_EINPUT, "graph_model.embedding_dim: %d, expected 1..%d",
                          c->embedding_dim, CN_MLP_MAX_IN - 4);
    if (c->n_layers < 2 || c->n_layers > CN_MLP_MAX_LAYERS)
        return cn_err_set(err, CN_EINPUT, "graph_model.n_layers: %d, expected 2..%d",
                          c->n_layers, CN_MLP_MAX_LAYERS);
    if (c->n_layers_update < 2 || c->n_layers_update > CN_MLP_MAX_LAYERS)
        return cn_err_set(err, CN_EINPUT, "graph_model.n_layers_update: %d, expected 2..%d",
                          c->n_layers_update, CN_MLP_MAX_LAYERS);
    if (c->hidden_dim < 1 || c->hidden_dim > 4096)
        return cn_err_set(err, CN_EINPUT, "graph_model.hidden_dim: %d, expected 1..4096",
                          c->hidden_dim);
    if (c->hidden_dim_update < 1 || c->hidden_dim_update > 4096)
        return cn_err_set(err, CN_EINPUT, "graph_model.hidden_dim_update: %d, expected 1..4096",
                          c->hidden_dim_update);
    return CN_OK;
}

/* ---- life ---- */

/* Positions of the edges in CSR order, and what CSC needs to find them there. */
static cn_status make_index(struct cn_fly_model *mod, struct cn_err *err)
{
    const struct cn_fly_graph *g = mod->graph;
    int32_t *where = cn_alloc((size_t)g->e, sizeof *where);

    if (!where)
        return cn_err_set(err, CN_ENOMEM, "model: no memory to index %lld edges",
                          (long long)g->e);
    mod->csr_src = mod->index;
    mod->csc_dst = mod->index + g->e;
    mod->csc_pos = mod->index + 2 * g->e;
    for (int64_t k = 0; k < g->e; k++) {
        where[g->in_edge[k]] = (int32_t)k;
        mod->csr_src[k] = g->src[g->in_edge[k]];
    }
    for (int64_t k = 0; k < g->e; k++) {
        mod->csc_dst[k] = g->dst[g->out_edge[k]];
        mod->csc_pos[k] = where[g->out_edge[k]];
    }
    cn_free(where);
    return CN_OK;
}

cn_status cn_fly_model_new(const struct cn_fly_config *cfg, const struct cn_fly_graph *g,
                           struct cn_fly_model **out, struct cn_err *err)
{
    const struct cn_fly_graph_model *c = &cfg->model;
    struct cn_fly_model *mod = NULL;
    cn_status st;

    *out = NULL;
    st = check(c, g, err);
    if (st != CN_OK)
        return st;
    mod = cn_alloc(1, sizeof *mod);
    if (!mod)
        return cn_err_set(err, CN_ENOMEM, "model: no memory");
    mod->cfg = *c;
    mod->w_init = cfg->train.w_init_mode;
    mod->w_init_scale = cfg->train.w_init_scale;
    mod->graph = g;
    mod->gs = (struct cn_mlp_shape){1 + c->embedding_dim, c->hidden_dim, c->n_layers,
                                    (cn_mlp_act)c->activation};
    mod->fs = (struct cn_mlp_shape){3 + c->embedding_dim, c->hidden_dim_update,
                                    c->n_layers_update, (cn_mlp_act)c->activation};
    make_table(mod);
    mod->slab = cn_alloc_aligned((size_t)(3 * mod->n_params), sizeof(float));
    mod->csr = cn_alloc_aligned((size_t)(3 * g->e), sizeof(float));
    mod->index = cn_alloc_aligned((size_t)(3 * g->e), sizeof(int32_t));
    if (!mod->slab || !mod->csr || !mod->index) {
        st = cn_err_set(err, CN_ENOMEM, "model: no memory for %lld parameters",
                        (long long)mod->n_params);
        goto out;
    }
    mod->params = mod->slab;
    mod->m = mod->slab + mod->n_params;
    mod->v = mod->m + mod->n_params;
    mod->w = mod->csr;
    mod->wm = mod->csr + g->e;
    mod->wv = mod->wm + g->e;
    st = make_index(mod, err);
out:
    if (st != CN_OK)
        cn_fly_model_free(mod);
    else
        *out = mod;
    return st;
}

void cn_fly_model_free(struct cn_fly_model *mod)
{
    if (!mod)
        return;
    cn_free(mod->slab);
    cn_free(mod->csr);
    cn_free(mod->index);
    cn_free(mod);
}

/* ---- random start ---- */

/* Philox streams of one training seed, one per tensor family, so that the sizes of one never
 * shift another. */
enum { STREAM_W = 0x666c7901, STREAM_G = 0x666c7902, STREAM_F = 0x666c7903 };

static void init_net(const struct cn_mlp_shape *s, float *p, uint64_t seed, uint64_t stream)
{
    struct cn_rng r;
    double bound = 1 / sqrt(s->in);

    cn_rng_init(&r, seed, stream);
    for (int32_t k = 0; k < 2 * s->n_layers; k++) {
        int64_t rows, cols, off = cn_mlp_tensor(s, k, &rows, &cols);
        for (int64_t j = 0; j < rows * cols; j++)
            p[off + j] = k < 2        ? (float)(bound * (2 * cn_rng_uniform(&r) - 1))
                         : k % 2 == 0 ? (float)(0.1 * cn_rng_normal(&r))
                                      : 0.0f;
    }
}

static void init_W(struct cn_fly_model *mod, uint64_t seed)
{
    int64_t e = mod->graph->e;
    double scale =
        mod->w_init == CN_WINIT_RANDN_SCALED ? mod->w_init_scale / sqrt((double)e) : 1;
    struct cn_rng r;

    if (mod->w_init == CN_WINIT_ZEROS)
        return;
    cn_rng_init(&r, seed, STREAM_W);
    for (int64_t k = 0; k < e; k++)
        mod->params[mod->oW + k] = (float)(scale * cn_rng_normal(&r));
}

void cn_fly_model_init(struct cn_fly_model *mod, uint64_t seed)
{
    int64_t n = mod->graph->n;

    memset(mod->slab, 0, (size_t)(3 * mod->n_params) * sizeof(float));
    mod->adam_steps = 0;
    init_W(mod, seed);
    if (mod->cfg.kind == CN_FLY_A) {
        for (int64_t k = 0; k < n * mod->cfg.embedding_dim; k++)
            mod->params[mod->oa + k] = 1;
        init_net(&mod->gs, mod->params + mod->og, seed, STREAM_G);
        init_net(&mod->fs, mod->params + mod->of, seed, STREAM_F);
    }
    for (int64_t k = 0; mod->os >= 0 && k < n; k++)
        mod->params[mod->os + k] = 1;
    mod->slab_behind = false;
    mod->csr_behind = true;
}

/* ---- two orders of W ---- */

void cn_fly_model_refresh_csr(struct cn_fly_model *mod)
{
    const int32_t *edge = mod->graph->in_edge;

    if (!mod->csr_behind)
        return;
    for (int64_t k = 0; k < mod->graph->e; k++) {
        mod->w[k] = mod->params[mod->oW + edge[k]];
        mod->wm[k] = mod->m[mod->oW + edge[k]];
        mod->wv[k] = mod->v[mod->oW + edge[k]];
    }
    mod->csr_behind = false;
}

void cn_fly_model_refresh_slab(struct cn_fly_model *mod)
{
    const int32_t *edge = mod->graph->in_edge;

    if (!mod->slab_behind)
        return;
    for (int64_t k = 0; k < mod->graph->e; k++) {
        mod->params[mod->oW + edge[k]] = mod->w[k];
        mod->m[mod->oW + edge[k]] = mod->wm[k];
        mod->v[mod->oW + edge[k]] = mod->wv[k];
    }
    mod->slab_behind = false;
}

int32_t cn_fly_chunks(int64_t n)
{
    int64_t c = n / 64;
    return c < 1 ? 1 : c > CN_FLY_MAX_CHUNKS ? CN_FLY_MAX_CHUNKS : (int32_t)c;
}

struct cn_edges cn_fly_in_edges(const struct cn_fly_model *mod)
{
    return (struct cn_edges){mod->graph->in_ptr, mod->csr_src, NULL, mod->w};
}

struct cn_edges cn_fly_out_edges(const struct cn_fly_model *mod)
{
    return (struct cn_edges){mod->graph->out_ptr, mod->csc_dst, mod->csc_pos, mod->w};
}

/* ---- access ---- */

const struct cn_fly_graph_model *cn_fly_model_config(const struct cn_fly_model *mod)
{
    return &mod->cfg;
}

const struct cn_fly_graph *cn_fly_model_graph(const struct cn_fly_model *mod)
{
    return mod->graph;
}

int32_t cn_fly_model_n_tensors(const struct cn_fly_model *mod)
{
    return mod->n_tensors;
}

const struct cn_fly_tensor *cn_fly_model_tensor(const struct cn_fly_model *mod, int32_t k)
{
    CN_ASSERT(k >= 0 && k < mod->n_tensors);
    return &mod->tensor[k];
}

const struct cn_fly_tensor *cn_fly_model_find(const struct cn_fly_model *mod, const char *name)
{
    for (int32_t k = 0; k < mod->n_tensors; k++)
        if (strcmp(mod->tensor[k].name, name) == 0)
            return &mod->tensor[k];
    return NULL;
}

int64_t cn_fly_model_n_params(const struct cn_fly_model *mod)
{
    return mod->n_params;
}

const float *cn_fly_model_params(struct cn_fly_model *mod)
{
    cn_fly_model_refresh_slab(mod);
    return mod->params;
}

const float *cn_fly_model_get(struct cn_fly_model *mod, const char *name,
                              int64_t *opt_out_count)
{
    const struct cn_fly_tensor *t = cn_fly_model_find(mod, name);

    if (opt_out_count)
        *opt_out_count = t ? t->count : 0;
    if (!t)
        return NULL;
    cn_fly_model_refresh_slab(mod);
    return mod->params + t->offset;
}

cn_status cn_fly_model_set(struct cn_fly_model *mod, const char *name, const float *values,
                           struct cn_err *err)
{
    const struct cn_fly_tensor *t = cn_fly_model_find(mod, name);
    char names[CN_FLY_MAX_TENSORS * 18] = "";
    size_t used = 0;

    for (int32_t k = 0; !t && k < mod->n_tensors; k++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", k ? " " : "",
                                 mod->tensor[k].name);
    if (!t)
        return cn_err_set(err, CN_ENOTFOUND, "model: no tensor \"%s\"; there are: %s", name,
                          names);
    cn_fly_model_refresh_slab(mod);
    memcpy(mod->params + t->offset, values, (size_t)t->count * sizeof(float));
    mod->csr_behind = true;
    return CN_OK;
}

void cn_fly_model_state(struct cn_fly_model *mod, struct cn_fly_model_state *out)
{
    cn_fly_model_refresh_slab(mod);
    *out = (struct cn_fly_model_state){mod->params, mod->m, mod->v, mod->adam_steps};
}

void cn_fly_model_restore(struct cn_fly_model *mod, const struct cn_fly_model_state *from)
{
    size_t bytes = (size_t)mod->n_params * sizeof(float);

    memmove(mod->params, from->params, bytes);
    memmove(mod->m, from->m, bytes);
    memmove(mod->v, from->v, bytes);
    mod->adam_steps = from->adam_steps;
    mod->slab_behind = false;
    mod->csr_behind = true;
}
