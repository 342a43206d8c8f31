/* One block of the record as the facts that the rule table speaks of. See view.h and
 * protocols/rules.h. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "harness/loop/view.h"

/* Where a node's config stands, and which parameters this block has moved to an end. */
struct stand {
    int64_t node;
    double *point;       /* double[n] */
    signed char *at_end; /* signed char[n] */
};

struct stands {
    struct stand *of;
    int64_t n;
};

static cn_status no_memory(const struct cn_view *v, struct cn_err *err)
{
    return cn_err_set(err, CN_ENOMEM, "no memory for the facts of block %lld",
                      (long long)v->block->number);
}

/* -1 lower, +1 upper end of the range; 0 inside, or a parameter without ends. */
static signed char end_of(const struct cn_param *p, double x)
{
    double lo = p->lo, hi = p->hi;

    if (p->type == CN_PARAM_BOOL || (p->type == CN_PARAM_CHOICE && !p->ordered) || isnan(x))
        return 0;
    if (p->type == CN_PARAM_CHOICE) {
        lo = 0;
        hi = p->n_choices - 1;
    }
    if (p->type == CN_PARAM_INT) {
        lo = ceil(lo);
        hi = floor(hi);
    }
    return x >= hi ? 1 : x <= lo ? -1 : 0;
}

static cn_status put_stand(struct cn_view *v, const struct cn_dims *d,
                           const struct cn_node *node, struct stands *s, struct cn_err *err)
{
    struct stand *t = &s->of[s->n];
    struct cn_yaml *y = NULL;
    cn_status st;

    t->node = node->id;
    t->point = cn_arena_alloc(&v->arena, (size_t)d->space.n + 1, sizeof *t->point);
    t->at_end = cn_arena_alloc(&v->arena, (size_t)d->space.n + 1, sizeof *t->at_end);
    if (!t->point || !t->at_end)
        return no_memory(v, err);
    st = cn_yaml_parse("config", node->config, strlen(node->config), &y, err);
    if (st != CN_OK)
        return st;
    cn_search_values(d, y, t->point);
    cn_yaml_free(y);
    s->n++;
    return CN_OK;
}

static const struct stand *stand_of(const struct stands *s, int64_t node)
{
    for (int64_t i = 0; i < s->n; i++)
        if (s->of[i].node == node)
            return &s->of[i];
    return NULL;
}

static cn_status find_stands(struct cn_view *v, const struct cn_history *h,
                             const struct cn_dims *d, struct stands *s, struct cn_err *err)
{
    const struct stand *root;

    s->of = cn_arena_alloc(&v->arena, (size_t)h->n_nodes + 1, sizeof *s->of);
    s->n = 0;
    if (!s->of)
        return no_memory(v, err);
    for (int64_t i = 0; i < h->n_nodes; i++)
        if (h->nodes[i].block == v->block->number) {
            cn_status st = put_stand(v, d, &h->nodes[i], s, err);

            if (st != CN_OK)
                return st;
        }
    root = v->root ? stand_of(s, v->root->id) : NULL;
    for (int64_t i = 0; root && i < s->n; i++)
        for (int32_t p = 0; p < d->space.n; p++)
            if (s->of[i].point[p] != root->point[p]) /* the block moved it */
                s->of[i].at_end[p] = end_of(&d->space.params[p], s->of[i].point[p]);
    return CN_OK;
}

static cn_rule_class class_of(const struct cn_iteration *it)
{
    if (it->state < CN_ITER_MEASURED || it->outcome != CN_OUTCOME_OK)
        return CN_RULE_CLASS_NONE;
    return it->cls == CN_CLASS_CONVERGED ? CN_RULE_CLASS_CONVERGED
           : it->cls == CN_CLASS_PARTIAL ? CN_RULE_CLASS_PARTIAL
           : it->cls == CN_CLASS_FAILED  ? CN_RULE_CLASS_FAILED
                                         : CN_RULE_CLASS_NONE;
}

static cn_status put_metrics(struct cn_view *v, const struct cn_iteration *it,
                             struct cn_rule_fact *r, struct cn_err *err)
{
    struct cn_rule_metric *m = cn_arena_alloc(&v->arena, (size_t)it->n_metrics + 1, sizeof *m);

    if (!m)
        return no_memory(v, err);
    for (int i = 0; i < it->n_metrics; i++)
        m[i] = (struct cn_rule_metric){it->metrics[i].name, it->metrics[i].value};
    r->metrics = m;
    r->n_metrics = it->n_metrics;
    return CN_OK;
}

cn_status cn_view_rules(struct cn_view *v, const struct cn_history *h,
                        const struct cn_planner *pl, struct cn_err *err)
{
    const struct cn_dims *d = &pl->search->training;
    struct stands s;
    cn_status st = find_stands(v, h, d, &s, err);
    const char **names = cn_arena_alloc(&v->arena, (size_t)d->space.n + 1, sizeof *names);

    v->rule_facts = cn_arena_alloc(&v->arena, (size_t)v->n_facts + 1, sizeof *v->rule_facts);
    if (st == CN_OK && (!v->rule_facts || !names))
        st = no_memory(v, err);
    for (int32_t p = 0; st == CN_OK && p < d->space.n; p++)
        names[p] = d->of[p]->path;
    v->params = names;
    for (int64_t i = 0; st == CN_OK && i < v->n_facts; i++) {
        struct cn_block_fact *f = &v->facts[i];
        const struct cn_iteration *it = cn_history_iteration(h, f->iteration);
        const struct cn_node *node = cn_history_node(h, f->node);
        const struct stand *t = stand_of(&s, f->node);
        int32_t param = node ? cn_view_param(pl, node) : -1;

        f->one_key = param >= 0;
        f->param = param;
        v->rule_facts[i] = (struct cn_rule_fact){
            .iteration = f->iteration,
            .node = f->node,
            .parent = f->parent,
            .replicate = f->replicate,
            .finished = f->finished,
            .failed = f->failed,
            .reward = f->reward,
            .row = cn_rules_row_of(pl->protocol->rules, pl->protocol->n_rules, it->parent_rule,
                                   it->strategy),
            .cls = class_of(it),
            .one_key = f->one_key,
            .param = param,
            .point = t ? t->point : NULL,
            .at_end = t ? t->at_end : NULL};
        st = put_metrics(v, it, &v->rule_facts[i], err);
    }
    return st;
}
