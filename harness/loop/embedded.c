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
    return s == CN_STRATEGY_FAILURE_PROBE                                  ? CN_MUTATE_PROBE
           : s == CN_STRATEGY_EXPLORE || s == CN_STRATEGY_DEGENERACY_BREAK ? CN_MUTATE_EXPLORE
                                                                           : CN_MUTATE_EXPLOIT;
}

/* How many iterations would be planned before this one: of several that are asked for at once. */
static int64_t ahead(const struct cn_work *w)
{
    int64_t n = w->h->n_iterations;

    return w->id - (n > 0 ? w->h->iterations[n - 1].id + 1 : 1);
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
        .position = cn_plan_block_count(w->h, v->block->number) + 1 + ahead(w),
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

/* The words of the row, and what was made of it. */
enum { STORY = CN_RULE_TEXT + 1400 };

static void add_story(char story[STORY], const char *more)
{
    size_t n = strlen(story);

    if (more[0])
        cn_text_format(story + n, STORY - n, "; %s", more);
}

static cn_select_rule select_rule(cn_parent_rule r)
{
    switch (r) {
    case CN_PARENT_TOP_NOT_RECENT:
        return CN_SELECT_TOP_NOT_RECENT;
    case CN_PARENT_RANDOM_TOP:
        return CN_SELECT_RANDOM_TOP;
    case CN_PARENT_SECOND:
        return CN_SELECT_SECOND;
    case CN_PARENT_RANDOM:
        return CN_SELECT_RANDOM;
    case CN_PARENT_FEWEST_VISITS:
        return CN_SELECT_FEWEST_VISITS;
    default:
        return CN_SELECT_TOP;
    }
}

static cn_status select_node(const struct cn_work *w, const struct cn_view *v,
                             const struct cn_rule_choice *choice,
                             const struct cn_score_table *scores, int64_t *recent,
                             int64_t *out_node)
{
    struct cn_select_query q = CN_SELECT_QUERY_INIT;
    const struct cn_best_query ask = cn_plan_query(v->block->number);
    struct cn_best best = {0};
    cn_status st = CN_OK;

    *out_node = 0;
    if (choice->parent_rule == CN_PARENT_BEST)
        st = cn_history_best(w->h, &ask, &best, w->err);
    if (st != CN_OK)
        return st;
    q.rule = select_rule(choice->parent_rule);
    q.k = choice->k > 0 ? choice->k : 3;
    q.recent = recent;
    q.n_recent = recent_nodes(v, choice->k > 0 ? choice->k : 1, recent);
    q.avoid = v->n_facts > 0 ? v->facts[v->n_facts - 1].node : 0;
    q.seed = (uint64_t)w->pl->settings->seed;
    q.iteration = w->id;
    *out_node = best.first.node ? best.first.node->id : cn_select_parent(scores, &q);
    return CN_OK;
}

static cn_status choose_parent(const struct cn_work *w, const struct cn_view *v,
                               const struct cn_rule_choice *choice, char story[STORY],
                               int64_t *out_parent)
{
    struct cn_score_table scores, allowed;
    int64_t *recent = cn_arena_alloc(&w->out->arena, (size_t)v->n_facts + 1, sizeof *recent);
    const struct cn_score_row *row;
    char text[160] = "nothing is scored yet: parent = root";
    cn_status st;

    *out_parent = 0;
    if (!recent)
        return cn_work_no_memory(w);
    st = cn_plan_scores(w->pl, w->h, v->block->number, &scores, w->err);
    if (st != CN_OK)
        return st;
    st = cn_plan_allowed(w, v->block->number, &scores, &allowed);
    if (st == CN_OK)
        st = select_node(w, v, choice, &allowed, recent, out_parent);
    if (st != CN_OK) {
        cn_score_clear(&scores);
        return st;
    }
    row = cn_score_get(&scores, *out_parent);
    if (row)
        cn_text_format(text, sizeof text, "%s: node %lld (score %.3f, visits %lld)",
                       cn_parent_rule_name(choice->parent_rule), (long long)*out_parent,
                       row->score, (long long)row->visits);
    add_story(story, text);
    cn_score_clear(&scores);
    return CN_OK;
}

cn_status cn_plan_row_parent(const struct cn_work *w, const struct cn_view *v,
                             const struct cn_rule_choice *choice, struct cn_buf *words)
{
    char story[STORY] = "";
    int64_t parent;
    cn_status st = choose_parent(w, v, choice, story, &parent);

    if (st == CN_OK) /* behind the "; " that joins it to a row's words */
        cn_buf_adds(words, strlen(story) > 2 ? story + 2 : "");
    return st;
}

/* The score that the parent has now; NaN: root, or not scored. */
static cn_status score_of(const struct cn_work *w, const struct cn_view *v, int64_t parent,
                          double *out)
{
    struct cn_score_table scores;
    cn_status st = cn_plan_scores(w->pl, w->h, v->block->number, &scores, w->err);
    const struct cn_score_row *row = st == CN_OK ? cn_score_get(&scores, parent) : NULL;

    *out = row ? row->score : (double)NAN;
    cn_score_clear(&scores);
    return st;
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
cn_status cn_plan_nothing_new(const struct cn_work *w, const struct cn_view *v)
{
    const struct cn_best_query q = cn_plan_query(v->block->number);
    struct cn_best best;
    cn_status st = cn_history_best(w->h, &q, &best, w->err);

    if (st == CN_OK)
        cn_plan_rerun(w, best.first.node ? best.first.node->id : v->root->id, "robustness-test",
                      "no new one-key mutation is left: the best config once more");
    return st;
}

/* The offer becomes the plan; `param` is what it changes, -1: several. */
static cn_status take_offer(const struct cn_work *w, const struct cn_view *v,
                            const struct cn_rule_choice *choice, int32_t param,
                            struct cn_offer *o, char story[STORY])
{
    bool reverted = false;
    cn_status st = CN_OK;

    if (param >= 0 && o->parent > 0)
        st = cn_plan_reversion(w, v, param, o, &reverted);
    if (reverted)
        add_story(story, o->how);
    if (st == CN_OK)
        st = score_of(w, v, o->parent, &w->out->iteration.scored_value);
    if (st == CN_OK)
        st = cn_work_take_node(w, &o->found, o->parent, choice->strategy_name, "embedded");
    if (st == CN_OK) {
        w->out->iteration.hypothesis = cn_work_words(w, o->why);
        w->out->iteration.parent_rule = cn_work_words(w, story);
    }
    return st;
}

/* The parameters that may be changed without `param`; NULL: it is the only one. */
static const bool *all_but(const struct cn_work *w, int32_t param)
{
    int32_t n = w->pl->search->training.space.n, left = 0;
    bool *focus = cn_arena_alloc(&w->out->arena, (size_t)n + 1, sizeof *focus);

    for (int32_t p = 0; focus && p < n; p++) {
        focus[p] = p != param && (!w->opt_focus || w->opt_focus[p]);
        left += focus[p];
    }
    return left > 0 ? focus : NULL;
}

/* By kind; where nothing new is left, a fresh value; where a parameter was left alone, that one
 * after all. */
static cn_status hunt(struct cn_hunt *t, const struct cn_work *w,
                      const struct cn_rule_choice *choice, struct cn_mutate_change *c,
                      char story[STORY])
{
    cn_mutate_kind kind = kind_of(choice->strategy);
    bool leaves = (choice->strategy == CN_STRATEGY_SWITCH_DIMENSION ||
                   choice->strategy == CN_STRATEGY_BOUNDARY_SKIP) &&
                  choice->param >= 0;
    const bool *others = leaves ? all_but(w, choice->param) : NULL;
    struct cn_work narrow = *w;
    cn_status st;

    t->w = &narrow;
    if (others) {
        char text[256];

        narrow.opt_focus = others;
        cn_text_format(text, sizeof text, "%.200s is left alone",
                       w->pl->search->training.of[choice->param]->path);
        add_story(story, text);
    }
    st = cn_hunt_for(t, kind, c);
    if (st == CN_ENOTFOUND && kind != CN_MUTATE_EXPLORE)
        st = cn_hunt_for(t, CN_MUTATE_EXPLORE, c);
    if (st == CN_ENOTFOUND && others) {
        add_story(story, "nothing else is new, so it is changed after all");
        narrow.opt_focus = w->opt_focus;
        st = cn_hunt_for(t, CN_MUTATE_EXPLORE, c);
    }
    t->w = w;
    return st;
}

static cn_status plan_mutation(const struct cn_work *w, const struct cn_view *v,
                               const struct cn_rule_choice *choice, char story[STORY])
{
    struct cn_hunt t = {.w = w};
    struct cn_offer o = {0};
    struct cn_mutate_change c;
    int64_t parent;
    cn_status st = choose_parent(w, v, choice, story, &parent);

    if (st != CN_OK)
        return st;
    t.parent = parent ? cn_history_node(w->h, parent) : v->root;
    st = hunt(&t, w, choice, &c, story);
    if (st == CN_ENOTFOUND)
        return cn_plan_nothing_new(w, v);
    if (st == CN_OK) {
        o.parent = parent;
        o.found = t.found;
        cn_text_format(o.why, sizeof o.why, "%.300s: %.200s",
                       w->pl->search->training.of[c.param]->path, c.why);
        st = take_offer(w, v, choice, c.param, &o, story);
    }
    cn_mutated_clear(&o.found);
    return st;
}

/* The strategies that choose their node themselves; CN_ENOTFOUND: this one has nothing to offer
 * now. */
static cn_status plan_own(const struct cn_work *w, const struct cn_view *v,
                          const struct cn_rule_choice *choice, char story[STORY])
{
    struct cn_offer o;
    cn_status st;

    if (choice->rerun_node > 0) {
        cn_plan_rerun(w, choice->rerun_node, choice->strategy_name, story);
        return CN_OK;
    }
    st = cn_plan_strategy(w, v, choice, &o);
    add_story(story, o.how);
    if (st == CN_OK)
        st = take_offer(w, v, choice, o.param, &o, story);
    cn_mutated_clear(&o.found);
    return st;
}

static bool chooses_itself(cn_parent_rule r)
{
    return r == CN_PARENT_BEST_RERUN || r == CN_PARENT_SPREAD_RERUN || r == CN_PARENT_STRATEGY;
}

cn_status cn_plan_embedded(const struct cn_work *w, struct cn_view *v)
{
    struct cn_rule_choice choice;
    char story[STORY];
    cn_status st = cn_plan_choose_row(w, v, &choice);

    if (st != CN_OK)
        return st;
    cn_text_copy(story, sizeof story, choice.text);
    if (chooses_itself(choice.parent_rule)) {
        st = plan_own(w, v, &choice, story);
        if (st != CN_ENOTFOUND)
            return st;
        add_story(story, "so exploit");
        choice.strategy = CN_STRATEGY_EXPLOIT;
        choice.strategy_name = cn_strategy_name(CN_STRATEGY_EXPLOIT);
        choice.parent_rule = CN_PARENT_TOP;
        choice.k = 1;
    }
    return plan_mutation(w, v, &choice, story);
}
