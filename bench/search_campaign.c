/* Who searches in the bench: whole points, and the embedded proposer's rules, tree and mutations
 * put together from the same functions that the loop uses. See search.h.
 *
 * 1. what is known  2. the embedded proposer  3. whole points  4. campaigns */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/rng.h"
#include "base/status.h"
#include "bench/search.h"
#include "protocols/rules.h"
#include "ucb/block.h"
#include "ucb/mutate.h"
#include "ucb/score.h"
#include "ucb/select.h"
#include "ucb/sobol.h"
#include "ucb/tpe.h"
#include "ucb/tpe_mutate.h"

enum { BLOCK = 12, N_CANDIDATES = 24 };

struct training {
    int64_t node, parent; /* node: id of the first training of this config in its block */
    int32_t row;
    bool replicate;
    double x[SEARCH_DIMS], reward;
};

struct campaign {
    const struct problem *p;
    struct cn_space space;
    method by;
    uint64_t seed;
    struct training it[SEARCH_BUDGET + 1]; /* by id, from 1 */
    struct cn_effect effects[SEARCH_BUDGET];
    int64_t n, n_effects;
};

static void must(cn_status st, const struct cn_err *err)
{
    if (st != CN_OK)
        CN_BUG("search bench: %s", err->text);
}

/* ---- 1. what is known ---- */

static bool same_point(const struct campaign *c, const double *a, const double *b)
{
    return memcmp(a, b, (size_t)c->p->n * sizeof *a) == 0;
}

/* Mean over all trainings of a config, and their number. */
static double mean_of(const struct campaign *c, const double *x, int64_t *out_n)
{
    double sum = 0;

    *out_n = 0;
    for (int64_t i = 1; i <= c->n; i++)
        if (!isnan(c->it[i].reward) && same_point(c, c->it[i].x, x)) {
            sum += c->it[i].reward;
            ++*out_n;
        }
    return *out_n > 0 ? sum / (double)*out_n : (double)NAN;
}

/* The training whose config has the best mean; 0: none. */
static int64_t best_of(const struct campaign *c)
{
    double best = 0;
    int64_t at = 0, n;

    for (int64_t i = 1; i <= c->n; i++) {
        double mean = mean_of(c, c->it[i].x, &n);

        if (n > 0 && (at == 0 || mean > best)) {
            best = mean;
            at = i;
        }
    }
    return at;
}

static struct cn_tpe *make_tpe(const struct campaign *c)
{
    struct cn_tpe_obs obs[SEARCH_BUDGET];
    struct cn_tpe_opts o = CN_TPE_OPTS_INIT;
    struct cn_err err = CN_ERR_INIT;
    struct cn_tpe *t;
    int64_t n = 0;

    for (int64_t i = 1; i <= c->n; i++) {
        struct cn_tpe_obs *x = &obs[n];
        bool seen = false;

        for (int64_t k = 0; k < n; k++)
            seen = seen || same_point(c, obs[k].point, c->it[i].x);
        if (seen)
            continue;
        *x = (struct cn_tpe_obs){.point = c->it[i].x};
        x->reward = mean_of(c, c->it[i].x, &x->n);
        x->failed = x->n == 0;
        n++;
    }
    o.seed = c->seed;
    o.iteration = c->n + 1;
    must(cn_tpe_new(&c->space, obs, n, &o, &t, &err), &err);
    return t;
}

static void train(struct campaign *c, struct training t)
{
    t.reward = problem_reward(c->p, t.x, c->seed, c->n + 1);
    c->it[++c->n] = t;
}

/* ---- 2. the embedded proposer ---- */

static struct cn_rule_choice choose(const struct campaign *c, int64_t first)
{
    struct cn_rule_fact rf[BLOCK];
    struct cn_block_fact bf[BLOCK];
    struct cn_rule_context rc = {
        .facts = rf, .n_iter_block = BLOCK, .converged = .9, .n_facts = c->n - first + 1};
    struct cn_rule_choice choice;
    struct cn_block_stats s;
    int32_t n_rules;
    const struct cn_rule *rules = cn_rules_default(&n_rules);

    for (int64_t i = first; i <= c->n; i++) {
        const struct training *t = &c->it[i];
        bool died = isnan(t->reward);

        rf[i - first] = (struct cn_rule_fact){.iteration = i,
                                              .node = t->node,
                                              .parent = t->parent,
                                              .replicate = t->replicate,
                                              .finished = true,
                                              .failed = died,
                                              .reward = t->reward,
                                              .row = t->row};
        bf[i - first] = (struct cn_block_fact){.iteration = i,
                                               .node = t->node,
                                               .parent = t->parent,
                                               .replicate = t->replicate,
                                               .finished = true,
                                               .failed = died,
                                               .reward = t->reward};
    }
    cn_block_measure(bf, rc.n_facts, BLOCK, .05, 3, &s);
    rc.branching_rate = s.branching_rate;
    rc.improvement_rate = s.improvement_rate;
    cn_rules_choose(rules, n_rules, &rc, &choice);
    return choice;
}

/* The block's nodes; rewards of node k in rewards[k]. */
static int64_t nodes_of(const struct campaign *c, int64_t first, struct cn_tree_input *in,
                        double rewards[BLOCK][BLOCK])
{
    int64_t n = 0;

    for (int64_t i = first; i <= c->n; i++) {
        const struct training *t = &c->it[i];
        int64_t k = 0;

        while (k < n && in[k].id != t->node)
            k++;
        if (k == n)
            in[n++] = (struct cn_tree_input){
                .id = t->node, .parent = t->parent, .rewards = rewards[k]};
        if (isnan(t->reward))
            in[k].failed++;
        else
            rewards[k][in[k].n_rewards++] = t->reward;
    }
    return n;
}

static int64_t parent_of(const struct campaign *c, int64_t first,
                         const struct cn_rule_choice *choice)
{
    struct cn_score_opts o = CN_SCORE_OPTS_INIT;
    struct cn_select_query q = CN_SELECT_QUERY_INIT;
    struct cn_err err = CN_ERR_INIT;
    struct cn_tree_input in[BLOCK];
    double rewards[BLOCK][BLOCK];
    int64_t recent[BLOCK], parent, n = nodes_of(c, first, in, rewards), here = c->n - first + 1;
    struct cn_score_table table;
    struct cn_tree tree;

    o.c_scale = CN_C_SCALE_SPREAD;
    must(cn_tree_init(&tree, in, n, CN_TREE_NAN_ZERO, (double)NAN, &err), &err);
    must(cn_score_init(&table, &tree, &o, &err), &err);
    q.rule = choice->parent_rule == CN_PARENT_TOP_NOT_RECENT ? CN_SELECT_TOP_NOT_RECENT
             : choice->parent_rule == CN_PARENT_RANDOM_TOP   ? CN_SELECT_RANDOM_TOP
                                                             : CN_SELECT_TOP;
    q.k = choice->k < BLOCK ? choice->k : BLOCK;
    q.n_recent = q.k < here ? q.k : here;
    for (int64_t i = 0; i < q.n_recent; i++)
        recent[i] = c->it[c->n - i].node;
    q.recent = recent;
    q.avoid = here > 0 ? c->it[c->n].node : 0;
    q.seed = c->seed;
    q.iteration = c->n + 1;
    parent = cn_select_parent(&table, &q);
    cn_score_clear(&table);
    cn_tree_clear(&tree);
    return parent;
}

struct seen {
    const struct campaign *c;
    const double *from;
    const struct cn_tpe *avoid; /* NULL: nothing */
};

static bool tried(void *ctx, const struct cn_mutate_change *ch)
{
    const struct seen *s = ctx;
    double x[SEARCH_DIMS];

    memcpy(x, s->from, sizeof x);
    x[ch->param] = ch->to;
    for (int64_t i = 1; i <= s->c->n; i++)
        if (same_point(s->c, s->c->it[i].x, x))
            return true;
    return s->avoid && cn_tpe_failed_share(s->avoid, x) > .5;
}

/* As harness/loop/hunt.c does it. */
static void mutate(const struct campaign *c, const struct cn_mutate_query *base,
                   struct cn_mutate_change *out)
{
    struct cn_tpe_mutate_query q = {.base = *base,
                                    .tpe = c->by == BY_SLOPE ? NULL : make_tpe(c)};
    struct seen s = {c, base->parent, NULL};
    struct cn_err err = CN_ERR_INIT;
    cn_status st = CN_ENOTFOUND;

    if (q.tpe && base->kind == CN_MUTATE_EXPLOIT && cn_tpe_is_ready(q.tpe)) {
        q.n_thompson = CN_TPE_THOMPSON;
        q.all = c->by == BY_TPE_ALL;
        st = cn_tpe_mutate(&q, tried, &s, out, &err);
        q.all = true;
        if (st == CN_ENOTFOUND)
            st = cn_tpe_mutate(&q, tried, &s, out, &err);
    }
    if (q.tpe && base->kind == CN_MUTATE_EXPLORE)
        s.avoid = q.tpe;
    if (st == CN_ENOTFOUND)
        st = cn_mutate_propose(base, tried, &s, out, &err);
    s.avoid = NULL;
    if (st == CN_ENOTFOUND)
        st = cn_mutate_propose(base, tried, &s, out, &err);
    must(st, &err);
    cn_tpe_free((struct cn_tpe *)(uintptr_t)q.tpe);
}

static cn_mutate_kind kind_of(cn_strategy s)
{
    return s == CN_STRATEGY_FAILURE_PROBE ? CN_MUTATE_PROBE
           : s == CN_STRATEGY_EXPLORE     ? CN_MUTATE_EXPLORE
                                          : CN_MUTATE_EXPLOIT;
}

static void step_mutation(struct campaign *c, int64_t parent,
                          const struct cn_rule_choice *choice)
{
    struct training t = {.node = c->n + 1, .row = choice->row, .parent = parent};
    struct cn_mutate_change ch;
    struct cn_mutate_query q = {.space = &c->space,
                                .parent = c->it[parent].x,
                                .effects = c->effects,
                                .n_effects = c->n_effects,
                                .kind = kind_of(choice->strategy),
                                .seed = c->seed,
                                .iteration = c->n + 1};
    double before;
    int64_t n;

    mutate(c, &q, &ch);
    memcpy(t.x, c->it[parent].x, sizeof t.x);
    t.x[ch.param] = ch.to;
    before = mean_of(c, c->it[parent].x, &n);
    train(c, t);
    c->effects[c->n_effects++] = (struct cn_effect){.param = ch.param,
                                                    .from = ch.from,
                                                    .to = ch.to,
                                                    .gain = c->it[c->n].reward - before,
                                                    .failed = isnan(c->it[c->n].reward),
                                                    .probe = q.kind == CN_MUTATE_PROBE};
}

static void step_embedded(struct campaign *c)
{
    int64_t first = cn_block_span(c->n + 1, BLOCK).first, parent;
    struct cn_rule_choice choice;
    struct training t = {.node = c->n + 1, .row = -1};

    if (first == c->n + 1) { /* a block begins from the best so far, unchanged */
        parent = best_of(c);
        memcpy(t.x, parent ? c->it[parent].x : c->p->start, sizeof t.x);
        train(c, t);
        return;
    }
    choice = choose(c, first);
    if (choice.rerun_node > 0) {
        t = c->it[choice.rerun_node];
        t.row = choice.row;
        t.replicate = true;
        train(c, t);
        return;
    }
    parent = parent_of(c, first, &choice);
    step_mutation(c, parent ? parent : first, &choice);
}

/* ---- 3. whole points ---- */

static void step_point(struct campaign *c)
{
    struct training t = {.node = c->n + 1};
    struct cn_err err = CN_ERR_INIT;
    struct cn_tpe *tpe = NULL;
    double u[SEARCH_DIMS];

    if (c->by == BY_TPE_POINTS)
        tpe = make_tpe(c);
    if (c->n == 0) {
        memcpy(t.x, c->p->start, sizeof t.x);
    } else if (c->by == BY_RANDOM) {
        cn_space_random(&c->space, c->seed, c->n + 1, 0, t.x);
    } else if (tpe && cn_tpe_is_ready(tpe)) {
        cn_tpe_best(tpe, 0, N_CANDIDATES, t.x);
    } else {
        must(cn_sobol_point(c->seed, (uint64_t)c->n, c->p->n, u, &err), &err);
        for (int i = 0; i < c->p->n; i++)
            t.x[i] = cn_space_from_unit(&c->p->params[i], u[i]);
    }
    cn_tpe_free(tpe);
    train(c, t);
}

/* ---- 4. campaigns ---- */

const char *method_name(method m)
{
    static const char *const names[] = {"random",         "Sobol",        "TPE, whole points",
                                        "one key, slope", "one key, TPE", "one key, TPE all"};

    return names[m];
}

void campaign_run(const struct problem *p, method m, uint64_t seed, int budget, double *out)
{
    static struct campaign c;

    CN_ASSERT(budget <= SEARCH_BUDGET);
    memset(&c, 0, sizeof c);
    c.p = p;
    c.space = (struct cn_space){p->params, p->n};
    c.by = m;
    c.seed = seed;
    while (c.n < budget) {
        if (m >= BY_SLOPE)
            step_embedded(&c);
        else
            step_point(&c);
        out[c.n - 1] = problem_loss(p, c.it[best_of(&c)].x) / p->scale;
    }
}
