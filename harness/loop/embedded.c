/* The embedded proposer: the rule table chooses strategy and parent, the history of effects the
 * mutation. See plan.h. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "harness/loop/plan_int.h"
#include "protocols/rules.h"
#include "ucb/block.h"
#include "ucb/mutate.h"
#include "ucb/select.h"

static cn_mutate_kind kind_of(cn_strategy s)
{
    return s == CN_STRATEGY_FAILURE_PROBE ? CN_MUTATE_PROBE
           : s == CN_STRATEGY_EXPLORE     ? CN_MUTATE_EXPLORE
                                          : CN_MUTATE_EXPLOIT;
}

cn_status cn_plan_choose_row(const struct cn_work *w, struct cn_view *v,
                             struct cn_rule_choice *choice)
{
    const struct cn_settings *o = w->pl->settings;
    struct cn_block_stats s;
    struct cn_rule_context c = {
        .n_facts = v->n_facts,
        .n_iter_block = o->n_iter_block,
        .converged = w->h->info.converged,
        .lower_is_better = w->h->info.reward_lower_is_better,
        .n_params = w->pl->search->training.space.n,
        .position = cn_plan_block_count(w->h, v->block->number) + 1,
        .slot = (int32_t)((w->id - 1) % o->n_parallel),
    };
    cn_status st = cn_view_rules(v, w->h, w->pl, w->err);

    if (st != CN_OK)
        return st;
    cn_block_measure(v->facts, v->n_facts, o->n_iter_block, CN_PLATEAU_TOLERANCE, CN_PLATEAU_K,
                     &s);
    c.facts = v->rule_facts;
    c.params = v->params;
    c.branching_rate = s.branching_rate;
    c.improvement_rate = s.improvement_rate;
    cn_rules_choose(w->pl->protocol->rules, w->pl->protocol->n_rules, &c, choice);
    return CN_OK;
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

void cn_plan_rerun(const struct cn_work *w, int64_t node, const char *strategy, const char *why)
{
    struct cn_iteration *it = &w->out->iteration;

    it->node = node;
    it->replicate = true;
    it->strategy = cn_work_words(w, strategy);
    it->parent_rule = cn_work_words(w, why);
}

/* Nothing new can be proposed any more: the best node once again sharpens its mean, and the log
 * says why. */
void cn_plan_nothing_new(const struct cn_work *w, const struct cn_view *v)
{
    double mean;
    int64_t count;
    const struct cn_node *best = cn_plan_best(w->h, v->block->number, INT64_MAX, &mean, &count);

    cn_plan_rerun(w, best ? best->id : v->root->id, "robustness-test",
                  "no new one-key mutation is left: the best config once more");
}

static cn_status plan_mutation(const struct cn_work *w, const struct cn_view *v,
                               const struct cn_rule_choice *choice)
{
    struct cn_hunt t = {.w = w};
    struct cn_mutate_change c;
    char text[512];
    int64_t parent;
    cn_status st = choose_parent(w, v, choice, &parent);

    if (st != CN_OK)
        return st;
    t.parent = parent ? cn_history_node(w->h, parent) : v->root;
    st = cn_hunt_for(&t, kind_of(choice->strategy), &c);
    if (st == CN_ENOTFOUND && choice->strategy != CN_STRATEGY_EXPLORE)
        st = cn_hunt_for(&t, CN_MUTATE_EXPLORE, &c);
    if (st == CN_ENOTFOUND) {
        cn_plan_nothing_new(w, v);
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

cn_status cn_plan_embedded(const struct cn_work *w, struct cn_view *v)
{
    struct cn_rule_choice choice;
    cn_status st = cn_plan_choose_row(w, v, &choice);

    if (st != CN_OK)
        return st;
    if (choice.parent_rule == CN_PARENT_BEST_RERUN && choice.rerun_node > 0) {
        cn_plan_rerun(w, choice.rerun_node, choice.strategy_name, choice.text);
        return CN_OK;
    }
    return plan_mutation(w, v, &choice);
}
