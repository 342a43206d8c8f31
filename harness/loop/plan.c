/* What to train next. See plan.h.
 *
 * Contents: 1 pieces  2 seeds  3 blocks  4 embedded  5 sobol and random  6 the next iteration
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/plan_int.h"
#include "harness/loop/view.h"
#include "protocols/rules.h"
#include "ucb/block.h"
#include "ucb/mutate.h"
#include "ucb/select.h"
#include "ucb/sobol.h"

enum { POINT_TRIES = 200, PLATEAU_K = 3 };
static const double plateau_tolerance = 0.05; /* as the protocols state it */

/* ------------------------------------------------------------------ 1 pieces */

/* A text of the plan's own; "" (and a sticky complaint by the caller's check) when out of
 * memory. */
const char *cn_work_words(const struct cn_work *w, const char *s)
{
    const char *copy = cn_arena_strdup(&w->out->arena, s);

    return copy ? copy : "";
}

/* The vetted config becomes the plan's new node. */
cn_status cn_work_take_node(const struct cn_work *w, const struct cn_mutated *m, int64_t parent,
                            const char *strategy, const char *proposer)
{
    struct cn_node *n = &w->out->node;
    struct cn_mutation *copies =
        cn_arena_alloc(&w->out->arena, (size_t)m->n + 1, sizeof *copies);

    if (!copies)
        return cn_work_no_memory(w);
    for (int i = 0; i < m->n; i++)
        copies[i] = (struct cn_mutation){cn_work_words(w, m->mutations[i].path),
                                         cn_work_words(w, m->mutations[i].old_text),
                                         cn_work_words(w, m->mutations[i].new_text)};
    *n = (struct cn_node){.id = w->id,
                          .parent = parent,
                          .block = w->out->iteration.block,
                          .config = cn_work_words(w, m->config),
                          .mutations = copies,
                          .n_mutations = m->n,
                          .strategy = cn_work_words(w, strategy),
                          .proposer = cn_work_words(w, proposer)};
    cn_text_copy(n->config_hash, sizeof n->config_hash, m->hash);
    w->out->new_node = true;
    w->out->iteration.node = w->id;
    w->out->iteration.strategy = n->strategy;
    return n->config[0] ? CN_OK : cn_work_no_memory(w);
}

struct cn_vet cn_work_vet(const struct cn_work *w)
{
    return (struct cn_vet){.trainer = w->pl->trainer, .search = w->pl->search, .history = w->h};
}

/* ------------------------------------------------------------------ 2 seeds */

uint64_t cn_work_seed(const struct cn_work *w, int64_t iteration)
{
    int64_t slot = (iteration - 1) % w->pl->settings->n_parallel;

    return (uint64_t)(iteration * CN_SEEDS_PER_ITERATION + slot);
}

/* simulation.seed = iteration*1000 + slot, training.seed = that + 500. Same data: the block's
 * first simulation seed. */
static void set_seeds(const struct cn_work *w, int64_t block_first)
{
    struct cn_iteration *it = &w->out->iteration;
    const struct cn_iteration *first = cn_history_iteration(w->h, block_first);
    bool same_data = strcmp(w->pl->settings->seed_mode, "same-data-robustness") == 0;

    it->slot = (int32_t)((w->id - 1) % w->pl->settings->n_parallel);
    it->sim_seed = cn_work_seed(w, w->id);
    it->train_seed = it->sim_seed + CN_TRAIN_SEED_OFFSET;
    it->seed_mode = cn_work_words(w, w->pl->settings->seed_mode);
    if (same_data)
        it->sim_seed = first ? first->sim_seed : cn_work_seed(w, block_first);
}

/* ------------------------------------------------------------------ 3 blocks */

/* Has an earlier block had exactly this regime? `values` are coordinates of the simulation
 * space. */
static bool regime_was_tried(const struct cn_work *w, const double *values)
{
    const struct cn_dims *d = &w->pl->search->simulation;

    for (int64_t b = 0; b < w->n_blocks; b++) {
        const struct cn_block *block = &w->h->blocks[b];
        bool same = block->n_regime == d->space.n;

        for (int i = 0; same && i < block->n_regime; i++)
            same = cn_search_value(d, i, block->regime[i].new_text) == values[i];
        if (same)
            return true;
    }
    return false;
}

struct regime_query {
    const struct cn_work *w;
    const double *from;
    double *to; /* scratch */
};

static bool change_was_tried(void *ctx, const struct cn_mutate_change *c)
{
    struct regime_query *q = ctx;
    const struct cn_dims *d = &q->w->pl->search->simulation;
    char text[CN_VALUE_TEXT];

    for (int32_t i = 0; i < d->space.n; i++)
        q->to[i] = q->from[i];
    cn_search_text(d, c->param, c->to, text); /* as it will be written: rounded */
    q->to[c->param] = cn_search_value(d, c->param, text);
    return regime_was_tried(q->w, q->to);
}

/* Parameters that earlier block starts have changed, as effects without a gain. */
static int64_t regime_effects(const struct cn_work *w, struct cn_effect *e)
{
    const struct cn_dims *d = &w->pl->search->simulation;
    int64_t n = 0;

    for (int64_t b = 1; b < w->n_blocks; b++)
        for (int i = 0; i < w->h->blocks[b].n_regime && i < d->space.n; i++) {
            double from = cn_search_value(d, i, w->h->blocks[b - 1].regime[i].new_text);
            double to = cn_search_value(d, i, w->h->blocks[b].regime[i].new_text);

            if (from != to && n < w->n_blocks)
                e[n++] =
                    (struct cn_effect){.param = i, .from = from, .to = to, .gain = (double)NAN};
        }
    return n;
}

/* The regime of a new block: one simulation parameter of the last regime changed, keyed by the
 * block's number. Nothing to change, or nothing new left: the same regime again. `from` in,
 * `to` out: double[n]. */
static cn_status next_regime(const struct cn_work *w, const double *from, double *to)
{
    const struct cn_dims *d = &w->pl->search->simulation;
    struct cn_effect *effects =
        cn_arena_alloc(&w->out->arena, (size_t)w->n_blocks + 1, sizeof *effects);
    struct regime_query q = {w, from, to};
    struct cn_mutate_change c;
    struct cn_mutate_query m;
    char text[CN_VALUE_TEXT];
    cn_status st;

    if (!effects)
        return cn_work_no_memory(w);
    m = (struct cn_mutate_query){.space = &d->space,
                                 .parent = from,
                                 .effects = effects,
                                 .n_effects = regime_effects(w, effects),
                                 .kind = CN_MUTATE_EXPLORE,
                                 .seed = (uint64_t)w->pl->settings->seed,
                                 .iteration = w->out->block.number};
    for (int32_t i = 0; w->begun && i < d->space.n && i < w->begun->n_regime; i++)
        to[i] = cn_search_value(d, i, w->begun->regime[i].new_text);
    if (w->begun)
        return CN_OK;
    st = d->space.n > 0 ? cn_mutate_propose(&m, change_was_tried, &q, &c, NULL) : CN_ENOTFOUND;
    for (int32_t i = 0; i < d->space.n; i++)
        to[i] = from[i];
    if (st == CN_ENOTFOUND)
        return CN_OK;
    if (st != CN_OK)
        return cn_err_set(w->err, st, "block %lld: no new regime could be drawn",
                          (long long)w->out->block.number);
    cn_search_text(d, c.param, c.to, text);
    to[c.param] = cn_search_value(d, c.param, text);
    return CN_OK;
}

static void name_block(const struct cn_work *w)
{
    struct cn_block *b = &w->out->block;
    int64_t left = w->pl->settings->iterations - cn_plan_searched(w->h);
    int64_t n = left < w->pl->settings->n_iter_block ? left : w->pl->settings->n_iter_block;

    w->out->iteration.block = w->n_blocks + 1;
    if (w->begun) {
        *b = *w->begun;
        return;
    }
    w->out->open_block = true;
    *b = (struct cn_block){
        .number = w->n_blocks + 1, .first = w->id, .last = w->id + (n > 1 ? n : 1) - 1};
    b->edit_note = "";
}

/* The block's regime as its record shows it. */
static cn_status put_regime(const struct cn_work *w, const struct cn_yaml *config)
{
    const struct cn_dims *d = &w->pl->search->simulation;
    struct cn_mutation *m = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *m);
    double *values = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *values);

    if (!m || !values)
        return cn_work_no_memory(w);
    cn_search_values(d, config, values);
    for (int32_t i = 0; i < d->space.n; i++) {
        char text[CN_VALUE_TEXT] = "";

        if (!isnan(values[i]))
            cn_search_text(d, i, values[i], text);
        m[i] = (struct cn_mutation){cn_work_words(w, cn_trainer_spelling(d->of[i], config)), "",
                                    cn_work_words(w, text)};
    }
    w->out->block.regime = m;
    w->out->block.n_regime = d->space.n;
    return CN_OK;
}

/* The config of the block's first iteration: the user's own, or the last block's best under the
 * next regime. */
static cn_status root_config(const struct cn_work *w, const struct cn_node *from,
                             struct cn_mutated *m)
{
    const struct cn_dims *d = &w->pl->search->simulation;
    double *old = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *old);
    double *now = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *now);
    struct cn_change *c = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *c);
    const char *config = from ? from->config : w->pl->base_config;
    struct cn_vet vet = cn_work_vet(w);
    struct cn_yaml *y = NULL;
    int n = 0;
    cn_status st;

    if (!old || !now || !c)
        return cn_work_no_memory(w);
    st = cn_yaml_parse("config", config, strlen(config), &y, w->err);
    if (st == CN_OK) {
        cn_search_values(d, y, old);
        st = from ? next_regime(w, old, now) : CN_OK;
    }
    for (int32_t i = 0; st == CN_OK && from && i < d->space.n; i++) {
        char text[CN_VALUE_TEXT];

        if (isnan(now[i]) || now[i] == old[i])
            continue;
        cn_search_text(d, i, now[i], text);
        c[n++] = (struct cn_change){d->of[i]->path, cn_work_words(w, text)};
    }
    cn_yaml_free(y);
    vet.simulation = vet.same_is_fine = true;
    return st == CN_OK ? cn_mutation_vet(&vet, config, c, n, m, w->err) : st;
}

static void tell_root(const struct cn_work *w, const struct cn_node *from, double mean,
                      int64_t count)
{
    char text[256];

    if (!from)
        cn_text_copy(text, sizeof text, "first iteration: the config as given");
    else if (count > 0)
        cn_text_format(
            text, sizeof text,
            "block start: node %lld, the best of block %lld (mean %.4g of %lld), re-run %s",
            (long long)from->id, (long long)w->n_blocks, mean, (long long)count,
            w->out->node.n_mutations ? "under the new regime" : "unchanged");
    else
        cn_text_format(text, sizeof text,
                       "block start: node %lld, the root of block %lld, which has no result",
                       (long long)from->id, (long long)w->n_blocks);
    w->out->iteration.parent_rule = cn_work_words(w, text);
}

static cn_status plan_root(const struct cn_work *w)
{
    struct cn_mutated m = {0};
    const struct cn_node *from = NULL;
    struct cn_yaml *y = NULL;
    double mean = (double)NAN;
    int64_t count = 0;
    cn_status st;

    name_block(w);
    if (w->n_blocks > 0) {
        from = cn_plan_best(w->h, w->n_blocks, INT64_MAX, &mean, &count);
        if (!from)
            from = cn_plan_block_root(w->h, w->n_blocks);
    }
    st = root_config(w, from, &m);
    if (st == CN_OK)
        st = cn_yaml_parse("config", m.config, strlen(m.config), &y, w->err);
    if (st == CN_OK && !w->begun)
        st = put_regime(w, y);
    if (st == CN_OK)
        st = cn_work_take_node(w, &m, 0, "root", from ? w->pl->settings->proposer : "user");
    if (st == CN_OK)
        tell_root(w, from, mean, count);
    cn_yaml_free(y);
    cn_mutated_clear(&m);
    return st;
}

/* ------------------------------------------------------------------ 4 embedded */

/* One mutation of one parent, being looked for. */
struct hunt {
    const struct cn_work *w;
    const struct cn_node *parent; /* whose config is changed */
    struct cn_vet vet;
    struct cn_mutated found; /* of the candidate that passed */
};

/* A candidate that the vetting refuses counts as tried; the one that passes is kept. */
static bool was_tried(void *ctx, const struct cn_mutate_change *c)
{
    struct hunt *t = ctx;
    const struct cn_dims *d = &t->w->pl->search->training;
    char text[CN_VALUE_TEXT];
    struct cn_change change;

    cn_search_text(d, c->param, c->to, text);
    change = (struct cn_change){d->of[c->param]->path, text};
    return cn_mutation_vet(&t->vet, t->parent->config, &change, 1, &t->found, NULL) != CN_OK;
}

static cn_status hunt_for(struct hunt *t, cn_mutate_kind kind, struct cn_mutate_change *c)
{
    const struct cn_dims *d = &t->w->pl->search->training;
    struct cn_arena *a = &t->w->out->arena;
    struct cn_mutate_query q = {.space = &d->space,
                                .kind = kind,
                                .seed = (uint64_t)t->w->pl->settings->seed,
                                .iteration = t->w->id};
    double *values = cn_arena_alloc(a, (size_t)d->space.n, sizeof *values);
    struct cn_effect *effects;
    struct cn_yaml *y = NULL;
    cn_status st;

    if (!values)
        return cn_work_no_memory(t->w);
    st = cn_yaml_parse("config", t->parent->config, strlen(t->parent->config), &y, t->w->err);
    if (st != CN_OK)
        return st;
    cn_search_values(d, y, values);
    cn_yaml_free(y);
    st = cn_view_effects(t->w->h, t->w->pl, a, &effects, &q.n_effects, t->w->err);
    q.parent = values;
    q.effects = effects;
    t->vet = cn_work_vet(t->w);
    t->vet.probe = kind == CN_MUTATE_PROBE;
    return st == CN_OK ? cn_mutate_propose(&q, was_tried, t, c, t->w->err) : st;
}

static cn_mutate_kind kind_of(cn_strategy s)
{
    return s == CN_STRATEGY_FAILURE_PROBE ? CN_MUTATE_PROBE
           : s == CN_STRATEGY_EXPLORE     ? CN_MUTATE_EXPLORE
                                          : CN_MUTATE_EXPLOIT;
}

static void choose_row(const struct cn_work *w, const struct cn_view *v,
                       struct cn_rule_choice *choice)
{
    struct cn_block_stats s;
    struct cn_rule_context c = {.facts = v->rule_facts,
                                .n_facts = v->n_facts,
                                .n_iter_block = w->pl->settings->n_iter_block,
                                .converged = w->h->info.converged,
                                .lower_is_better = w->h->info.reward_lower_is_better};

    cn_block_measure(v->facts, v->n_facts, w->pl->settings->n_iter_block, plateau_tolerance,
                     PLATEAU_K, &s);
    c.branching_rate = s.branching_rate;
    c.improvement_rate = s.improvement_rate;
    cn_rules_choose(w->pl->protocol->rules, w->pl->protocol->n_rules, &c, choice);
}

/* Nodes of the last k iterations, newest first. */
static int64_t recent_nodes(const struct cn_view *v, int64_t k, int64_t *out)
{
    int64_t n = 0;

    for (int64_t i = v->n_facts - 1; i >= 0 && n < k; i--)
        out[n++] = v->facts[i].node;
    return n;
}

static cn_status choose_parent(const struct cn_work *w, const struct cn_view *v,
                               const struct cn_rule_choice *choice, int64_t *out_parent)
{
    struct cn_score_table scores;
    struct cn_select_query q = CN_SELECT_QUERY_INIT;
    int64_t *recent = cn_arena_alloc(&w->out->arena, (size_t)v->n_facts + 1, sizeof *recent);
    const struct cn_score_row *row;
    char text[CN_RULE_TEXT + 160];
    cn_status st;

    *out_parent = 0;
    if (!recent)
        return cn_work_no_memory(w);
    st = cn_plan_scores(w->pl, w->h, v->block->number, &scores, w->err);
    if (st != CN_OK)
        return st;
    q.rule = choice->parent_rule == CN_PARENT_TOP_NOT_RECENT ? CN_SELECT_TOP_NOT_RECENT
             : choice->parent_rule == CN_PARENT_RANDOM_TOP   ? CN_SELECT_RANDOM_TOP
                                                             : CN_SELECT_TOP;
    q.k = choice->k > 0 ? choice->k : 3;
    q.recent = recent;
    q.n_recent = recent_nodes(v, choice->k > 0 ? choice->k : 1, recent);
    q.avoid = v->n_facts > 0 ? v->facts[v->n_facts - 1].node : 0;
    q.seed = (uint64_t)w->pl->settings->seed;
    q.iteration = w->id;
    *out_parent = cn_select_parent(&scores, &q);
    row = cn_score_get(&scores, *out_parent);
    w->out->iteration.scored_value = row ? row->score : (double)NAN;
    if (row)
        cn_text_format(text, sizeof text, "%s; %s: node %lld (score %.3f, visits %lld)",
                       choice->text, cn_parent_rule_name(choice->parent_rule),
                       (long long)*out_parent, row->score, (long long)row->visits);
    else
        cn_text_format(text, sizeof text, "%s; nothing is scored yet: parent = root",
                       choice->text);
    w->out->iteration.parent_rule = cn_work_words(w, text);
    cn_score_clear(&scores);
    return CN_OK;
}

static void plan_rerun(const struct cn_work *w, int64_t node, const char *strategy,
                       const char *why)
{
    struct cn_iteration *it = &w->out->iteration;

    it->node = node;
    it->replicate = true;
    it->strategy = cn_work_words(w, strategy);
    it->parent_rule = cn_work_words(w, why);
}

/* Nothing new can be proposed any more: the best node once again sharpens its mean, and the log
 * says why. */
static void plan_nothing_new(const struct cn_work *w, const struct cn_view *v)
{
    double mean;
    int64_t count;
    const struct cn_node *best = cn_plan_best(w->h, v->block->number, INT64_MAX, &mean, &count);

    plan_rerun(w, best ? best->id : v->root->id, "robustness-test",
               "no new one-key mutation is left: the best config once more");
}

static cn_status plan_mutation(const struct cn_work *w, const struct cn_view *v,
                               const struct cn_rule_choice *choice)
{
    struct hunt t = {.w = w};
    struct cn_mutate_change c;
    char text[512];
    int64_t parent;
    cn_status st = choose_parent(w, v, choice, &parent);

    if (st != CN_OK)
        return st;
    t.parent = parent ? cn_history_node(w->h, parent) : v->root;
    st = hunt_for(&t, kind_of(choice->strategy), &c);
    if (st == CN_ENOTFOUND && choice->strategy != CN_STRATEGY_EXPLORE)
        st = hunt_for(&t, CN_MUTATE_EXPLORE, &c);
    if (st == CN_ENOTFOUND) {
        plan_nothing_new(w, v);
        return CN_OK;
    }
    if (st == CN_OK)
        st = cn_work_take_node(w, &t.found, parent, choice->strategy_name, "embedded");
    if (st == CN_OK) {
        cn_text_format(text, sizeof text, "%.400s: %s",
                       w->pl->search->training.of[c.param]->path, c.why);
        w->out->iteration.hypothesis = cn_work_words(w, text);
    }
    cn_mutated_clear(&t.found);
    return st;
}

static cn_status plan_embedded(const struct cn_work *w, const struct cn_view *v)
{
    struct cn_rule_choice choice;

    choose_row(w, v, &choice);
    if (choice.parent_rule == CN_PARENT_BEST_RERUN && choice.rerun_node > 0) {
        plan_rerun(w, choice.rerun_node, choice.strategy_name, choice.text);
        return CN_OK;
    }
    return plan_mutation(w, v, &choice);
}

/* ------------------------------------------------------------------ 5 sobol and random */

static cn_status draw_point(const struct cn_work *w, uint64_t try_number, double *point)
{
    const struct cn_space *s = &w->pl->search->training.space;
    bool sobol = strcmp(w->pl->settings->proposer, "sobol") == 0;
    cn_status st;

    /* A Sobol point that was tried before (few choices) gives way to a random one. */
    if (!sobol || try_number > 0) {
        cn_space_random(s, (uint64_t)w->pl->settings->seed, w->id, try_number, point);
        return CN_OK;
    }
    st = cn_sobol_point((uint64_t)w->pl->settings->seed, (uint64_t)(w->id - 1), s->n, point,
                        w->err);
    for (int32_t i = 0; st == CN_OK && i < s->n; i++)
        point[i] = cn_space_from_unit(&s->params[i], point[i]);
    return st;
}

static cn_status vet_point(const struct cn_work *w, const struct cn_view *v,
                           const double *point, struct cn_mutated *m)
{
    const struct cn_dims *d = &w->pl->search->training;
    struct cn_change *c = cn_arena_alloc(&w->out->arena, (size_t)d->space.n, sizeof *c);
    double *from = cn_arena_alloc(&w->out->arena, (size_t)d->space.n, sizeof *from);
    struct cn_vet vet = cn_work_vet(w);
    struct cn_yaml *y = NULL;
    int n = 0;
    cn_status st;

    if (!c || !from)
        return cn_work_no_memory(w);
    st = cn_yaml_parse("config", v->root->config, strlen(v->root->config), &y, w->err);
    if (st != CN_OK)
        return st;
    cn_search_values(d, y, from);
    cn_yaml_free(y);
    for (int32_t i = 0; i < d->space.n; i++) {
        char text[CN_VALUE_TEXT];

        cn_search_text(d, i, point[i], text);
        if (cn_search_value(d, i, text) != from[i])
            c[n++] = (struct cn_change){d->of[i]->path, cn_work_words(w, text)};
    }
    return cn_mutation_vet(&vet, v->root->config, c, n, m, w->err);
}

static cn_status plan_point(const struct cn_work *w, const struct cn_view *v)
{
    const char *proposer = w->pl->settings->proposer;
    double *point =
        cn_arena_alloc(&w->out->arena, (size_t)w->pl->search->training.space.n, sizeof *point);
    struct cn_mutated m = {0};
    cn_status st = point ? CN_EEXIST : cn_work_no_memory(w);

    for (uint64_t k = 0; (st == CN_EEXIST || st == CN_EINPUT) && k < POINT_TRIES; k++) {
        st = draw_point(w, k, point);
        if (st != CN_OK)
            return st;
        st = vet_point(w, v, point, &m);
    }
    if (st == CN_EEXIST) {
        plan_nothing_new(w, v);
        return CN_OK;
    }
    if (st == CN_OK)
        st = cn_work_take_node(w, &m, 0, "explore", proposer);
    if (st == CN_OK)
        w->out->iteration.parent_rule = cn_work_words(
            w, strcmp(proposer, "sobol") == 0 ? "a Sobol point of the whole space"
                                              : "a random point of the whole space");
    cn_mutated_clear(&m);
    return st;
}

/* ------------------------------------------------------------------ 6 the next iteration */

void cn_work_begin(struct cn_work *w, const struct cn_planner *pl, const struct cn_history *h,
                   struct cn_plan *out, struct cn_err *err)
{
    memset(out, 0, sizeof *out);
    cn_arena_init(&out->arena, CN_CAP_ARENA);
    *w = (struct cn_work){
        .pl = pl, .h = h, .out = out, .id = 1, .n_blocks = h->n_blocks, .err = err};
    if (h->n_iterations > 0)
        w->id = h->iterations[h->n_iterations - 1].id + 1;
    out->iteration = (struct cn_iteration){.id = w->id,
                                           .seed_mode = "",
                                           .strategy = "",
                                           .parent_rule = "",
                                           .scored_value = (double)NAN,
                                           .reward = (double)NAN,
                                           .observation = "",
                                           .message = "",
                                           .trajectory = "",
                                           .activity = "",
                                           .embedding = "",
                                           .hypothesis = "",
                                           .dir = "",
                                           .token = "",
                                           .job = ""};
}

static cn_status plan_inside(const struct cn_work *w, const struct cn_block *b)
{
    struct cn_view v;
    cn_status st = cn_view_init(&v, w->h, b->number, w->err);

    if (st != CN_OK)
        return st;
    w->out->iteration.block = b->number;
    if (strcmp(w->pl->settings->proposer, "embedded") == 0)
        st = plan_embedded(w, &v);
    else
        st = plan_point(w, &v);
    cn_view_clear(&v);
    return st;
}

cn_status cn_plan_next(const struct cn_planner *pl, const struct cn_history *h,
                       struct cn_plan *out, struct cn_err *err)
{
    const struct cn_block *b = cn_plan_open_block(h);
    struct cn_work w;
    cn_status st;

    cn_work_begin(&w, pl, h, out, err);
    if (b && !cn_plan_block_root(h, b->number)) {
        w.begun = b;
        w.n_blocks--;
    }
    st = b && !w.begun ? plan_inside(&w, b) : plan_root(&w);
    if (st == CN_OK)
        set_seeds(&w, b ? b->first : w.id);
    else
        cn_plan_clear(out);
    return st;
}

void cn_plan_clear(struct cn_plan *p)
{
    cn_arena_clear(&p->arena);
    memset(p, 0, sizeof *p);
}
