/* The strategies that choose their node themselves, and the reversion check. What each proposes
 * stands in protocols/rules.h.
 *
 * 1. pieces  2. recombine  3. scale-up  4. principle-test  5. random-restart
 * 6. the reversion check */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "harness/loop/plan_int.h"

/* ------------------------------------------------------------------ 1. pieces */

static const struct cn_dims *dims(const struct cn_work *w)
{
    return &w->pl->search->training;
}

static bool may_change(const struct cn_work *w, int32_t param)
{
    return !w->opt_focus || w->opt_focus[param];
}

/* Where the node's config stands; NULL: the block has no iteration of it. */
static const double *point_of(const struct cn_view *v, int64_t node)
{
    for (int64_t i = 0; i < v->n_facts; i++)
        if (v->rule_facts[i].node == node)
            return v->rule_facts[i].point;
    return NULL;
}

static double mean_of(const struct cn_work *w, int64_t node)
{
    return cn_history_spread(w->h, node, CN_POOL_SEARCH).mean;
}

/* The node that this one was made from; NULL: it began its block. */
static const struct cn_node *node_above(const struct cn_work *w, const struct cn_node *node)
{
    const struct cn_node *root = cn_plan_block_root(w->h, node->block);

    if (node->parent)
        return cn_history_node(w->h, node->parent);
    return root && root->id != node->id && node->n_mutations > 0 ? root : NULL;
}

static double gain_of(const struct cn_work *w, const struct cn_node *node)
{
    const struct cn_node *above = node_above(w, node);

    return above ? mean_of(w, node->id) - mean_of(w, above->id) : (double)NAN;
}

/* A value as another node has it: every digit of it. */
static void exact_text(const struct cn_dims *d, int32_t param, double x,
                       char out[CN_VALUE_TEXT])
{
    char number[CN_NUM_TEXT];

    if (d->space.params[param].type == CN_PARAM_FLOAT)
        cn_text_copy(out, CN_VALUE_TEXT, cn_text_yaml_double(x, number));
    else
        cn_search_text(d, param, x, out);
}

/* Vet one change of the parent's config; CN_OK leaves it in o->found. Refusals (tried before, out
 * of range, no change) are CN_ENOTFOUND. */
static cn_status try_value(const struct cn_work *w, const struct cn_node *parent, int32_t param,
                           const char *value, struct cn_offer *o)
{
    struct cn_change change = {dims(w)->of[param]->path, value};
    struct cn_vet vet = cn_work_vet(w);
    cn_status st = cn_mutation_vet(&vet, parent->config, &change, 1, &o->found, NULL);

    if (st == CN_ENOMEM)
        return cn_work_no_memory(w);
    if (st != CN_OK)
        return CN_ENOTFOUND;
    o->parent = parent->id;
    o->param = param;
    return CN_OK;
}

static cn_status nothing(struct cn_offer *o, const char *why)
{
    cn_text_copy(o->how, sizeof o->how, why);
    return CN_ENOTFOUND;
}

/* ------------------------------------------------------------------ 2. recombine */

struct loan {
    int32_t param;
    double gain; /* what the value is expected to bring */
};

/* What changing `param` brought on the way from the block's root to the node; NaN: not changed. */
static double gain_on_the_way(const struct cn_work *w, int64_t id, int32_t param)
{
    double sum = (double)NAN;

    for (const struct cn_node *n = cn_history_node(w->h, id); n; n = node_above(w, n)) {
        double gain = cn_view_param(w->pl, n) == param ? gain_of(w, n) : (double)NAN;

        if (!isnan(gain))
            sum = (isnan(sum) ? 0 : sum) + gain;
    }
    return sum;
}

/* The parameters in which b differs from a, the one whose value helped b most first. One that
 * only a has changed comes by what giving it up would cost. */
static int32_t list_loans(const struct cn_work *w, const double *a, const double *b,
                          int64_t ida, int64_t idb, struct loan *out)
{
    int32_t n = 0;

    for (int32_t p = 0; p < dims(w)->space.n; p++) {
        double gain;
        int32_t k = n;

        if (!may_change(w, p) || isnan(a[p]) || isnan(b[p]) || a[p] == b[p])
            continue;
        gain = gain_on_the_way(w, idb, p);
        if (isnan(gain))
            gain = -gain_on_the_way(w, ida, p);
        if (isnan(gain))
            gain = 0;
        for (; k > 0 && out[k - 1].gain < gain; k--)
            out[k] = out[k - 1];
        out[k] = (struct loan){p, gain};
        n++;
    }
    return n;
}

static cn_status recombine(const struct cn_work *w, const struct cn_view *v,
                           const struct cn_rule_choice *choice, struct cn_offer *o)
{
    int64_t ida = choice->nodes[0], idb = choice->nodes[1];
    const double *a = point_of(v, ida), *b = point_of(v, idb);
    const struct cn_node *parent = cn_history_node(w->h, ida);
    struct loan *loans =
        cn_arena_alloc(&w->out->arena, (size_t)dims(w)->space.n + 1, sizeof *loans);
    int32_t n;

    if (!loans)
        return cn_work_no_memory(w);
    if (!a || !b || !parent)
        return nothing(o, "no two distant nodes to recombine");
    n = list_loans(w, a, b, ida, idb, loans);
    for (int32_t i = 0; i < n; i++) {
        int32_t p = loans[i].param;
        char value[CN_VALUE_TEXT];
        cn_status st;

        exact_text(dims(w), p, b[p], value);
        st = try_value(w, parent, p, value, o);
        if (st == CN_ENOTFOUND)
            continue;
        cn_text_format(o->how, sizeof o->how,
                       "node %" PRId64 " takes %.200s from node %" PRId64, ida,
                       dims(w)->of[p]->path, idb);
        cn_text_format(o->why, sizeof o->why,
                       "%.200s: the value of node %" PRId64
                       ", where such changes brought %+.3g",
                       dims(w)->of[p]->path, idb, loans[i].gain);
        return st;
    }
    return nothing(o, "every value of the other node was tried");
}

/* ------------------------------------------------------------------ 3. scale-up */

static bool has_steps(const struct cn_param *p)
{
    return p->type == CN_PARAM_FLOAT || p->type == CN_PARAM_INT ||
           (p->type == CN_PARAM_CHOICE && p->ordered);
}

/* `times` the step from -> to, onwards from `to`; at most the end of the range, at least one whole
 * number or choice. */
static double onwards(const struct cn_param *p, double from, double to, double times)
{
    double z0 = cn_space_to_unit(p, from), z1 = cn_space_to_unit(p, to),
           z = z1 + times * (z1 - z0), x;
    bool up = to > from;
    double lo = p->type == CN_PARAM_CHOICE ? 0 : p->lo,
           hi = p->type == CN_PARAM_CHOICE ? p->n_choices - 1 : p->hi;

    if (z >= 1 || z <= 0)
        return up ? (p->type == CN_PARAM_INT ? floor(hi) : hi)
                  : (p->type == CN_PARAM_INT ? ceil(lo) : lo);
    x = cn_space_from_unit(p, z);
    if (p->type != CN_PARAM_FLOAT && (up ? x <= to : x >= to))
        x = to + (up ? 1 : -1);
    return fmin(fmax(x, lo), hi);
}

/* The node's own move once more: twice as far, then farther, then less. */
static cn_status scale_node(const struct cn_work *w, const struct cn_node *n, int32_t param,
                            struct cn_offer *o)
{
    static const double times[] = {2, 3, 1.5, 1};
    const struct cn_dims *d = dims(w);
    const struct cn_param *p = &d->space.params[param];
    double from = cn_search_value(d, param, n->mutations[0].old_text),
           to = cn_search_value(d, param, n->mutations[0].new_text);

    bool inside = p->type == CN_PARAM_CHOICE || (to >= p->lo && to <= p->hi);

    if (isnan(from) || isnan(to) || !has_steps(p) || !inside)
        return CN_ENOTFOUND;
    for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        double x = onwards(p, from, to, times[i]);
        char value[CN_VALUE_TEXT];
        cn_status st;

        cn_search_text(d, param, x, value);
        st = x == to ? CN_ENOTFOUND : try_value(w, n, param, value, o);
        if (st == CN_ENOTFOUND)
            continue;
        cn_text_format(o->how, sizeof o->how, "once more the move of node %" PRId64, n->id);
        cn_text_format(o->why, sizeof o->why,
                       "%.200s: %.60s to %.60s brought %+.3g at node %" PRId64
                       "; the same way, %g times as far",
                       d->of[param]->path, n->mutations[0].old_text, n->mutations[0].new_text,
                       gain_of(w, n), n->id, times[i]);
        return st;
    }
    return CN_ENOTFOUND;
}

static cn_status scale_up(const struct cn_work *w, const struct cn_view *v, struct cn_offer *o)
{
    for (int64_t i = w->h->n_nodes - 1; i >= 0; i--) {
        const struct cn_node *n = &w->h->nodes[i];
        int32_t param = n->block == v->block->number ? cn_view_param(w->pl, n) : -1;
        cn_status st;

        if (param < 0 || !may_change(w, param) || !(gain_of(w, n) > 0) ||
            strcmp(n->strategy, "failure-probe") == 0)
            continue;
        st = scale_node(w, n, param, o);
        if (st != CN_ENOTFOUND)
            return st;
    }
    return nothing(o, "no move that gained can be taken farther");
}

/* ------------------------------------------------------------------ 4. principle-test */

/* "param, that way, helps": all one-parameter mutations of the run that say so or deny it. */
struct principle {
    int32_t param;
    int direction; /* 0: to the value `to` of a choice or bool */
    double to;     /* of the trial that gained most */
    double best;
    int64_t n_for, n_against;
};

struct trial {
    int32_t param;
    int direction;
    double to, gain; /* gain NaN: failed */
};

static bool read_trial(const struct cn_work *w, const struct cn_node *n, struct trial *t)
{
    const struct cn_dims *d = dims(w);
    double from;
    struct cn_spread s;

    t->param = cn_view_param(w->pl, n);
    if (t->param < 0 || !may_change(w, t->param) || !node_above(w, n))
        return false;
    from = cn_search_value(d, t->param, n->mutations[0].old_text);
    t->to = cn_search_value(d, t->param, n->mutations[0].new_text);
    t->direction = has_steps(&d->space.params[t->param]) ? (t->to > from) - (t->to < from) : 0;
    t->gain = gain_of(w, n);
    s = cn_history_spread(w->h, n->id, CN_POOL_SEARCH);
    if (isnan(from) || isnan(t->to) || (isnan(t->gain) && s.n > 0))
        return false;
    if (s.n == 0) { /* no result: a failure counts against, one in flight does not count */
        const struct cn_iteration *it = cn_history_iteration(w->h, n->id);

        return it && it->state >= CN_ITER_MEASURED && it->outcome != CN_OUTCOME_INFRA &&
               it->outcome != CN_OUTCOME_INVALID;
    }
    return true;
}

static bool speaks_of(const struct principle *p, const struct trial *t)
{
    return p->param == t->param && p->direction == t->direction &&
           (t->direction != 0 || p->to == t->to);
}

static void weigh(struct principle *list, int64_t *n, const struct trial *t)
{
    struct principle *p = list;

    while (p < list + *n && !speaks_of(p, t))
        p++;
    if (p == list + *n)
        list[(*n)++] = (struct principle){.param = t->param,
                                          .direction = t->direction,
                                          .to = t->to,
                                          .best = -(double)INFINITY};
    if (t->gain > 0)
        p->n_for++;
    else
        p->n_against++;
    if (t->gain > p->best) {
        p->best = t->gain;
        p->to = t->to;
    }
}

/* Better supported: more trials for it than against, then the larger gain, then the older. */
static bool stronger(const struct principle *a, const struct principle *b)
{
    int64_t x = a->n_for - a->n_against, y = b->n_for - b->n_against;

    return x > y || (x == y && a->best > b->best);
}

static cn_status list_principles(const struct cn_work *w, struct principle **out, int64_t *n)
{
    struct principle *list =
        cn_arena_alloc(&w->out->arena, (size_t)w->h->n_nodes + 1, sizeof *list);

    *out = list;
    *n = 0;
    if (!list)
        return cn_work_no_memory(w);
    for (int64_t i = 0; i < w->h->n_nodes; i++) {
        struct trial t;

        if (read_trial(w, &w->h->nodes[i], &t))
            weigh(list, n, &t);
    }
    for (int64_t i = 1; i < *n; i++)
        for (int64_t k = i; k > 0 && stronger(&list[k], &list[k - 1]); k--) {
            struct principle swap = list[k];

            list[k] = list[k - 1];
            list[k - 1] = swap;
        }
    return CN_OK;
}

/* Was the node the parent of one of the principle's trials? */
static bool was_used(const struct cn_work *w, const struct principle *p, int64_t node)
{
    for (int64_t i = 0; i < w->h->n_nodes; i++) {
        const struct cn_node *n = &w->h->nodes[i], *above = node_above(w, n);
        struct trial t;

        if (above && above->id == node && read_trial(w, n, &t) && speaks_of(p, &t))
            return true;
    }
    return false;
}

/* From the highest scored node where it was not tried and where it means the same direction. */
static cn_status test_principle(const struct cn_work *w, const struct cn_view *v,
                                const struct cn_score_table *scores, const struct principle *p,
                                struct cn_offer *o)
{
    const char *path = dims(w)->of[p->param]->path;
    char value[CN_VALUE_TEXT];

    exact_text(dims(w), p->param, p->to, value);
    for (int64_t i = 0; i < scores->n; i++) {
        int64_t id = scores->rows[i].id;
        const double *at = point_of(v, id);
        const struct cn_node *node = cn_history_node(w->h, id);
        cn_status st;

        if (!at || !node || isnan(at[p->param]) || at[p->param] == p->to ||
            (p->direction != 0 && p->direction * (p->to - at[p->param]) <= 0) ||
            was_used(w, p, id))
            continue;
        st = try_value(w, node, p->param, value, o);
        if (st == CN_ENOTFOUND)
            continue;
        cn_text_format(o->how, sizeof o->how,
                       "%.200s %s: gained in %" PRId64 " of %" PRId64
                       " trials; now at node %" PRId64,
                       path,
                       p->direction > 0   ? "up"
                       : p->direction < 0 ? "down"
                                          : "so set",
                       p->n_for, p->n_for + p->n_against, id);
        cn_text_format(o->why, sizeof o->why,
                       "%.200s: does what helped elsewhere (%+.3g at best) help here?", path,
                       p->best);
        return st;
    }
    return CN_ENOTFOUND;
}

static cn_status principle_test(const struct cn_work *w, const struct cn_view *v,
                                struct cn_offer *o)
{
    struct cn_score_table scores;
    struct principle *list;
    int64_t n;
    cn_status st = list_principles(w, &list, &n);

    if (st == CN_OK)
        st = cn_plan_scores(w->pl, w->h, v->block->number, &scores, w->err);
    if (st != CN_OK)
        return st;
    st = CN_ENOTFOUND;
    for (int64_t i = 0; i < n && st == CN_ENOTFOUND; i++)
        if (list[i].n_for > list[i].n_against)
            st = test_principle(w, v, &scores, &list[i], o);
    cn_score_clear(&scores);
    return st == CN_ENOTFOUND ? nothing(o, "no supported effect is left to test elsewhere")
                              : st;
}

/* ------------------------------------------------------------------ 5. random-restart */

enum { RESTART_TRIES = 100, RESTART_KEY = 0x4e57 };

static cn_status random_restart(const struct cn_work *w, const struct cn_view *v,
                                struct cn_offer *o)
{
    const struct cn_space *s = &dims(w)->space;
    double *point = cn_arena_alloc(&w->out->arena, (size_t)s->n + 1, sizeof *point);
    cn_status st = CN_EEXIST;

    if (!point)
        return cn_work_no_memory(w);
    for (uint64_t k = 0; (st == CN_EEXIST || st == CN_EINPUT) && k < RESTART_TRIES; k++) {
        cn_space_random(s, (uint64_t)w->pl->settings->seed, w->id, RESTART_KEY + k, point);
        st = cn_plan_vet_point(w, v, point, &o->found);
    }
    if (st == CN_EEXIST || st == CN_EINPUT)
        return nothing(o, "no random point is left");
    o->parent = 0;
    cn_text_copy(o->how, sizeof o->how, "a random point of the space; parent = root");
    return st;
}

cn_status cn_plan_strategy(const struct cn_work *w, const struct cn_view *v,
                           const struct cn_rule_choice *choice, struct cn_offer *out)
{
    *out = (struct cn_offer){.param = -1};
    switch (choice->strategy) {
    case CN_STRATEGY_RECOMBINE:
        return recombine(w, v, choice, out);
    case CN_STRATEGY_SCALE_UP:
        return scale_up(w, v, out);
    case CN_STRATEGY_PRINCIPLE_TEST:
        return principle_test(w, v, out);
    case CN_STRATEGY_RANDOM_RESTART:
        return random_restart(w, v, out);
    default:
        return nothing(out, "nothing to train again yet");
    }
}

/* ------------------------------------------------------------------ 6. the reversion check */

/* The one parameter in which the points differ; -1: none, or several. */
static int32_t only_difference(const double *a, const double *b, int32_t n)
{
    int32_t which = -1;

    for (int32_t p = 0; p < n; p++) {
        if (a[p] == b[p] || (isnan(a[p]) && isnan(b[p])))
            continue;
        if (which >= 0)
            return -1;
        which = p;
    }
    return which;
}

/* The found config as one change of `node`'s: the same config, by its hash? Then it replaces the
 * mutation. */
static cn_status express_from(const struct cn_work *w, const struct cn_node *node,
                              int32_t param, double to, struct cn_offer *o, bool *out_same)
{
    char value[CN_VALUE_TEXT];
    struct cn_change change = {dims(w)->of[param]->path, value};
    struct cn_vet vet = cn_work_vet(w);
    struct cn_mutated m;
    cn_status st;

    *out_same = false;
    vet.probe = vet.same_is_fine = true; /* it was vetted as a change of its parent */
    exact_text(dims(w), param, to, value);
    st = cn_mutation_vet(&vet, node->config, &change, 1, &m, NULL);
    if (st == CN_ENOMEM)
        return cn_work_no_memory(w);
    if (st != CN_OK)
        return CN_OK;
    *out_same = strcmp(m.hash, o->found.hash) == 0;
    if (!*out_same) {
        cn_mutated_clear(&m);
        return CN_OK;
    }
    cn_mutated_clear(&o->found);
    o->found = m;
    return CN_OK;
}

cn_status cn_plan_reversion(const struct cn_work *w, const struct cn_view *v, int32_t param,
                            struct cn_offer *o, bool *out_reverted)
{
    int32_t n = dims(w)->space.n;
    const struct cn_node *node = cn_history_node(w->h, o->parent);
    double *now = cn_arena_alloc(&w->out->arena, (size_t)n + 1, sizeof *now);
    struct cn_yaml *y = NULL;
    cn_status st;

    *out_reverted = false;
    if (!now)
        return cn_work_no_memory(w);
    st = cn_yaml_parse("config", o->found.config, strlen(o->found.config), &y, w->err);
    if (st != CN_OK)
        return st;
    cn_search_values(dims(w), y, now);
    cn_yaml_free(y);
    node = node ? node_above(w, node) : NULL;
    for (; st == CN_OK && node && !*out_reverted; node = node_above(w, node)) {
        const double *then = point_of(v, node->id);
        int32_t other = then ? only_difference(then, now, n) : -1;

        if (other < 0 || other == param || then[param] != now[param])
            continue;
        st = express_from(w, node, other, now[other], o, out_reverted);
        if (*out_reverted) {
            o->parent = node->id;
            cn_text_format(o->how, sizeof o->how,
                           "reversion check: %.200s is back at the value of node %" PRId64
                           ", so parent=%" PRId64,
                           dims(w)->of[param]->path, node->id, node->id);
        }
    }
    return st;
}
