/* Block partition rows that the host carries out: what a block is for comes before the rules.
 * See plan_int.h; the grammar stands in docs/PROTOCOLS.md.
 *
 * The story of a VARY block: its root is one config, every combination of the row's values is
 * that config with these values. The combination with the fewest trainings in this block is
 * next, the first of them in the order of the row; iterations in flight count. So all have been
 * trained once before any is trained twice, and what is next follows from the record alone.
 *
 * 1. names
 * 2. what has been trained
 * 3. the kinds
 * 4. the block's start
 * 5. the check against the trainer */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/plan_int.h"

enum { MAX_AXES = 8 };

/* ------------------------------------------------------------------ 1 names */

/* Index of a parameter of the protocol in the space; -1: it is not explored. */
static int32_t dim_of(const struct cn_dims *d, const struct cn_trainer *t, const char *name)
{
    const struct cn_trainer_param *p = cn_trainer_param(t, name, NULL);

    for (int32_t i = 0; p && i < d->space.n; i++)
        if (d->of[i] == p)
            return i;
    return -1;
}

static const struct cn_protocol_block *row_of(const struct cn_work *w, int64_t block)
{
    const struct cn_protocol_block *row = cn_protocol_block(w->pl->protocol, block);

    return row && row->kind != CN_PARTITION_PROSE ? row : NULL;
}

/* The value as the config will have it: a number as YAML wants it, a choice as it is spelled in
 * the list. */
static void value_text(const struct cn_dims *d, int32_t i, const char *written,
                       char out[CN_VALUE_TEXT])
{
    char number[CN_NUM_TEXT];
    double x;

    if (d->space.params[i].type == CN_PARAM_FLOAT && cn_text_parse_double(written, &x))
        cn_text_copy(out, CN_VALUE_TEXT, cn_text_yaml_double(x, number));
    else
        cn_search_text(d, i, cn_search_value(d, i, written), out);
}

/* ------------------------------------------------------------------ 2 what has been trained */

/* Trainings of a node in a block; those that the surroundings ended say nothing and are owed
 * again. */
static int64_t trainings(const struct cn_work *w, int64_t block, int64_t node)
{
    int64_t n = 0;

    for (int64_t i = 0; i < w->h->n_iterations; i++) {
        const struct cn_iteration *it = &w->h->iterations[i];

        n += it->block == block && it->node == node && !it->confirmation &&
             it->outcome != CN_OUTCOME_INFRA;
    }
    return n;
}

/* The node of a block that has this config; NULL: none. */
static const struct cn_node *node_with(const struct cn_work *w, int64_t block, const char *hash)
{
    for (int64_t i = 0; i < w->h->n_nodes; i++)
        if (w->h->nodes[i].block == block && strcmp(w->h->nodes[i].config_hash, hash) == 0)
            return &w->h->nodes[i];
    return NULL;
}

static int64_t length(const struct cn_block *b)
{
    return b->last - b->first + 1;
}

/* How many trainings the row wants of one config; `room`: that the block has. */
static int64_t wanted(const struct cn_protocol_block *row, int64_t room)
{
    return row->count == 0 || row->at_least || row->count > room ? room : row->count;
}

/* ------------------------------------------------------------------ 3 the kinds */

/* The config as given, under the block's regime. Block 1 begins with it. */
static cn_status plan_default(const struct cn_work *w, const struct cn_view *v,
                              const struct cn_protocol_block *row, bool *out_planned)
{
    const struct cn_block *b = v->block;
    struct cn_change *c = cn_arena_alloc(&w->out->arena, (size_t)b->n_regime + 1, sizeof *c);
    struct cn_vet vet = cn_work_vet(w);
    const struct cn_node *node;
    struct cn_mutated m;
    char why[160];
    int64_t done, room;
    int n = 0;
    cn_status st;

    if (!c)
        return cn_work_no_memory(w);
    for (int i = 0; i < b->n_regime; i++)
        if (b->regime[i].new_text[0])
            c[n++] = (struct cn_change){b->regime[i].path, b->regime[i].new_text};
    vet.simulation = vet.same_is_fine = vet.probe = true;
    vet.forecast = NULL; /* asked for by a person, and as a measure for all the others */
    st = cn_mutation_vet(&vet, w->pl->base_config, c, n, &m, w->err);
    if (st != CN_OK)
        return st;
    node = node_with(w, b->number, m.hash);
    done = node ? trainings(w, b->number, node->id) : 0;
    room = length(b) - (node == v->root ? 0 : 1);
    *out_planned = done < wanted(row, room);
    if (*out_planned) {
        cn_text_format(why, sizeof why,
                       "partition: block %lld, the config as given (%lld of %lld)",
                       (long long)b->number, (long long)done + 1, (long long)wanted(row, room));
        if (node)
            cn_plan_rerun(w, node->id, "baseline", why);
        else
            st = cn_work_take_node(w, &m, 0, "baseline", "user");
        w->out->iteration.parent_rule = cn_work_words(w, why);
    }
    cn_mutated_clear(&m);
    return st;
}

/* The block's root is the best of the run (cn_plan_root): again and again. */
static void plan_replicate(const struct cn_work *w, const struct cn_view *v,
                           const struct cn_protocol_block *row, bool *out_planned)
{
    int64_t done = trainings(w, v->block->number, v->root->id),
            all = wanted(row, length(v->block));
    char why[160];

    *out_planned = done < all;
    if (!*out_planned)
        return;
    cn_text_format(why, sizeof why,
                   "partition: block %lld, the best config again (%lld of %lld)",
                   (long long)v->block->number, (long long)done + 1, (long long)all);
    cn_plan_rerun(w, v->root->id, "replicate", why);
}

/* The training parameters that a row varies. */
struct grid {
    const struct cn_partition_axis *axis[MAX_AXES];
    int32_t dim[MAX_AXES];
    int32_t n;
    int64_t combinations;
};

static void make_grid(const struct cn_work *w, const struct cn_protocol_block *row,
                      struct grid *g)
{
    const struct cn_dims *d = &w->pl->search->training;

    *g = (struct grid){.combinations = 1};
    for (int32_t i = 0; i < row->n_axes && g->n < MAX_AXES; i++) {
        int32_t k =
            row->axes[i].simulation ? -1 : dim_of(d, w->pl->trainer, row->axes[i].param);

        if (k < 0 || row->axes[i].n_values == 0)
            continue;
        g->axis[g->n] = &row->axes[i];
        g->dim[g->n++] = k;
        g->combinations *= row->axes[i].n_values;
    }
}

/* The config of combination k: the last parameter of the row turns fastest. */
static cn_status vet_combination(const struct cn_work *w, const struct cn_view *v,
                                 const struct grid *g, int64_t k, struct cn_mutated *m)
{
    const struct cn_dims *d = &w->pl->search->training;
    char text[MAX_AXES][CN_VALUE_TEXT];
    struct cn_change c[MAX_AXES];
    struct cn_vet vet = cn_work_vet(w);

    for (int32_t i = g->n - 1; i >= 0; i--) {
        value_text(d, g->dim[i], g->axis[i]->values[k % g->axis[i]->n_values], text[i]);
        c[i] = (struct cn_change){d->of[g->dim[i]]->path, text[i]};
        k /= g->axis[i]->n_values;
    }
    vet.same_is_fine = true;
    return cn_mutation_vet(&vet, v->root->config, c, g->n, m, w->err);
}

/* "partition: block 2, vary lr_W: 1e-3 (2 of 8), training 2" */
static void tell_vary(const struct cn_work *w, const struct cn_view *v, const struct grid *g,
                      int64_t k, int64_t done)
{
    struct cn_buf b;
    int64_t left = k;
    const char *values[MAX_AXES];

    for (int32_t i = g->n - 1; i >= 0; i--) {
        values[i] = g->axis[i]->values[left % g->axis[i]->n_values];
        left /= g->axis[i]->n_values;
    }
    cn_buf_init(&b, CN_CAP_RECORD);
    cn_buf_printf(&b, "partition: block %lld, vary", (long long)v->block->number);
    for (int32_t i = 0; i < g->n; i++)
        cn_buf_printf(&b, "%s %s: %s", i ? "," : "", g->axis[i]->param, values[i]);
    cn_buf_printf(&b, " (%lld of %lld)", (long long)k + 1, (long long)g->combinations);
    if (done > 0)
        cn_buf_printf(&b, ", training %lld", (long long)done + 1);
    w->out->iteration.parent_rule = cn_work_words(w, cn_buf_str(&b));
    cn_buf_clear(&b);
}

/* The combination with the fewest trainings, -1 when the vetting refuses all of them; what it
 * came to in *out_node (NULL: not trained yet) and *out_done. */
static cn_status least_trained(const struct cn_work *w, const struct cn_view *v,
                               const struct grid *g, int64_t *out_k,
                               const struct cn_node **out_node, int64_t *out_done)
{
    *out_k = -1;
    *out_node = NULL;
    *out_done = INT64_MAX;
    for (int64_t k = 0; k<g->combinations && * out_done> 0; k++) {
        const struct cn_node *node;
        struct cn_mutated m;
        int64_t done;
        cn_status st = vet_combination(w, v, g, k, &m);

        if (st == CN_EINPUT || st == CN_EEXIST)
            continue;
        if (st != CN_OK)
            return st;
        node = node_with(w, v->block->number, m.hash);
        done = node ? trainings(w, v->block->number, node->id) : 0;
        if (done < *out_done) {
            *out_k = k;
            *out_node = node;
            *out_done = done;
        }
        cn_mutated_clear(&m);
    }
    return CN_OK;
}

static cn_status plan_vary(const struct cn_work *w, const struct cn_view *v,
                           const struct cn_protocol_block *row, bool *out_planned)
{
    const struct cn_node *node;
    struct cn_mutated m;
    struct grid g;
    int64_t k, done;
    cn_status st;

    make_grid(w, row, &g);
    if (g.n == 0) /* only the simulation: the rules search under it */
        return CN_OK;
    st = least_trained(w, v, &g, &k, &node, &done);
    if (st != CN_OK || k < 0)
        return st;
    *out_planned = true;
    if (node) {
        cn_plan_rerun(w, node->id, "vary", "");
    } else {
        st = vet_combination(w, v, &g, k, &m);
        if (st == CN_OK)
            st = cn_work_take_node(w, &m, v->root->id, "vary", "protocol");
        cn_mutated_clear(&m);
    }
    tell_vary(w, v, &g, k, done);
    return st;
}

/* bool[n] of the training parameters that the row names; NULL when it names none. */
static cn_status focus_mask(const struct cn_work *w, const struct cn_protocol_block *row,
                            const bool **out)
{
    const struct cn_dims *d = &w->pl->search->training;
    bool *mask = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *mask);
    bool any = false;

    if (!mask)
        return cn_work_no_memory(w);
    for (int32_t i = 0; i < row->n_axes; i++) {
        int32_t k =
            row->axes[i].simulation ? -1 : dim_of(d, w->pl->trainer, row->axes[i].param);

        if (k >= 0)
            mask[k] = any = true;
    }
    *out = any ? mask : NULL;
    return CN_OK;
}

cn_status cn_plan_partition(const struct cn_work *w, const struct cn_view *v,
                            const bool **out_focus, bool *out_planned)
{
    const struct cn_protocol_block *row = row_of(w, v->block->number);

    *out_focus = NULL;
    *out_planned = false;
    if (!row)
        return CN_OK;
    switch (row->kind) {
    case CN_PARTITION_PROSE:
        break;
    case CN_PARTITION_DEFAULT:
        return plan_default(w, v, row, out_planned);
    case CN_PARTITION_VARY:
        return plan_vary(w, v, row, out_planned);
    case CN_PARTITION_REPLICATE:
        plan_replicate(w, v, row, out_planned);
        break;
    case CN_PARTITION_FOCUS:
        return focus_mask(w, row, out_focus);
    }
    return CN_OK;
}

/* ------------------------------------------------------------------ 4 the block's start */

bool cn_partition_replicates(const struct cn_work *w, int64_t block)
{
    const struct cn_protocol_block *row = row_of(w, block);

    return row && row->kind == CN_PARTITION_REPLICATE;
}

bool cn_partition_regime(const struct cn_work *w, int64_t block, double *to, bool *out_free,
                         bool *out_draw)
{
    const struct cn_dims *d = &w->pl->search->simulation;
    const struct cn_protocol_block *row = row_of(w, block);

    *out_draw = false;
    if (!row)
        return false;
    for (int32_t i = 0; i < d->space.n; i++)
        out_free[i] = false;
    for (int32_t i = 0; i < row->n_axes; i++) {
        const struct cn_partition_axis *a = &row->axes[i];
        int32_t k = a->simulation ? dim_of(d, w->pl->trainer, a->param) : -1;

        if (k < 0)
            continue;
        if (a->n_values > 0)
            to[k] = cn_search_value(d, k, a->values[0]);
        else
            out_free[k] = *out_draw = true;
    }
    return true;
}

/* ------------------------------------------------------------------ 5 the check against the trainer */

static cn_status check_value(const struct cn_dims *d, int32_t i, const char *name,
                             const char *value, struct cn_err *err)
{
    const struct cn_param *p = &d->space.params[i];
    double x = cn_search_value(d, i, value);

    if (isnan(x))
        return cn_err_set(err, CN_EINPUT, "%s: \"%s\": the trainer does not allow this value",
                          name, value);
    if (p->type == CN_PARAM_INT && x != floor(x))
        return cn_err_set(err, CN_EINPUT, "%s: %s: expected a whole number", name, value);
    if ((p->type == CN_PARAM_INT || p->type == CN_PARAM_FLOAT) && !(x >= p->lo && x <= p->hi))
        return cn_err_set(err, CN_EINPUT, "%s: %s: expected %g to %g", name, value, p->lo,
                          p->hi);
    return CN_OK;
}

static cn_status check_axis(const struct cn_search *s, const struct cn_trainer *t,
                            const struct cn_partition_axis *a, struct cn_err *err)
{
    const struct cn_dims *d = a->simulation ? &s->simulation : &s->training;
    int32_t i = dim_of(d, t, a->param);
    cn_status st = CN_OK;

    if (i < 0)
        return cn_err_set(err, CN_EINPUT, "%s: expected a parameter with a range or values",
                          a->param);
    for (int32_t k = 0; st == CN_OK && k < a->n_values; k++)
        st = check_value(d, i, a->param, a->values[k], err);
    return st;
}

cn_status cn_partition_check(const struct cn_search *s, const struct cn_protocol *p,
                             const struct cn_trainer *t, struct cn_err *err)
{
    for (int32_t i = 0; i < p->n_blocks; i++)
        for (int32_t k = 0; k < p->blocks[i].n_axes; k++)
            if (check_axis(s, t, &p->blocks[i].axes[k], err) != CN_OK)
                return cn_err_prefix(err, "%s:%d: block partition", p->blocks[i].file,
                                     p->blocks[i].line);
    return CN_OK;
}
