/* The parts together on made-up landscapes: the rule table, the scores and the mutations as the
 * embedded proposer uses them, against random search with the same number of trainings. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/rng.h"
#include "protocols/rules.h"
#include "ucb/block.h"
#include "ucb/mutate.h"
#include "ucb/score.h"
#include "ucb/select.h"

enum { DIMS = 6, MAX_ITERATIONS = 96, BLOCK = 12 };

/* Ranges like those of a protocol. The hill's top lies at `top` of each range's scale; it is
 * narrow in some directions and nearly flat in others, and the far corner of the first one
 * fails, as learning rates do. */
static const struct cn_param params[DIMS] = {
    {.path = "lr_W", .lo = 1e-4, .hi = 1e-2, .hard_lo = 0, .hard_hi = 1, .log = true},
    {.path = "lr", .lo = 1e-5, .hi = 1e-2, .hard_lo = 0, .hard_hi = 1, .log = true},
    {.path = "l1", .lo = 0, .hi = 1e-3, .hard_lo = 0, .hard_hi = 1, .log = true},
    {.path = "diff", .lo = 0, .hi = 1000, .hard_lo = 0, .hard_hi = 1e6},
    {.path = "loop", .type = CN_PARAM_INT, .lo = 10, .hi = 100, .hard_lo = 1, .hard_hi = 1e4},
    {.path = "batch", .type = CN_PARAM_CHOICE, .n_choices = 4, .ordered = true},
};
static const struct cn_space space = {params, DIMS};
static const double poor[DIMS] = {1e-3, 5e-5, 5e-5, 500, 25, 0};
static const double working[DIMS] = {1.2e-3, 4e-4, 5e-5, 500, 40, 1};
static const double top[DIMS] = {.75, .70, .3, .6, .5, .6};
static const double width[DIMS] = {.25, .25, .5, .7, .8, .8};

/* In [0, 1]; NaN = diverged. */
static double landscape(const double *x, uint64_t seed, int64_t iteration, double noise)
{
    double d2 = 0;
    struct cn_rng r;

    if (x[0] > 2e-2)
        return NAN;
    for (int i = 0; i < DIMS; i++) {
        double z = (cn_space_to_unit(&params[i], x[i]) - top[i]) / width[i];

        d2 += z * z;
    }
    cn_rng_init(&r, seed ^ 0xabcdef, (uint64_t)iteration);
    return exp(-d2 / 2) + noise * cn_rng_normal(&r);
}

struct iteration {
    int64_t node, parent;
    int32_t row;
    bool replicate, probe;
    double x[DIMS], reward;
};

struct campaign {
    uint64_t seed;
    double noise;
    const double *start;
    struct cn_score_opts score;
    double factor, offset; /* the metric's units: offset + factor * landscape; factor 0: 1 */
    struct iteration it[MAX_ITERATIONS + 1]; /* by id, from 1 */
    struct cn_effect effects[MAX_ITERATIONS];
    int64_t n, n_effects;
};

static double in_units(const struct campaign *c, double reward)
{
    return c->factor > 0 ? c->offset + c->factor * reward : reward;
}

static double node_mean(const struct campaign *c, int64_t node)
{
    double sum = 0;
    int n = 0;

    for (int64_t i = 1; i <= c->n; i++)
        if (c->it[i].node == node && !isnan(c->it[i].reward)) {
            sum += c->it[i].reward;
            n++;
        }
    return n > 0 ? sum / n : (double)NAN;
}

static struct cn_rule_choice choose(const struct campaign *c, int64_t first)
{
    static struct cn_rule_fact rf[BLOCK];
    static struct cn_block_fact bf[BLOCK];
    struct cn_rule_context rc = {.facts = rf,
                                 .n_iter_block = BLOCK,
                                 .converged = in_units(c, .9),
                                 .n_facts = c->n - first + 1};
    struct cn_rule_choice choice;
    struct cn_block_stats s;
    int32_t n_rules;
    const struct cn_rule *rules = cn_rules_default(&n_rules);

    for (int64_t i = first; i <= c->n; i++) {
        const struct iteration *t = &c->it[i];

        rf[i - first] = (struct cn_rule_fact){.iteration = i,
                                              .node = t->node,
                                              .parent = t->parent,
                                              .replicate = t->replicate,
                                              .finished = true,
                                              .failed = isnan(t->reward),
                                              .reward = t->reward,
                                              .row = t->row};
        bf[i - first] = (struct cn_block_fact){.iteration = i,
                                               .node = t->node,
                                               .parent = t->parent,
                                               .replicate = t->replicate,
                                               .finished = true,
                                               .failed = isnan(t->reward),
                                               .reward = t->reward};
    }
    cn_block_measure(bf, rc.n_facts, BLOCK, .05, 3, &s);
    rc.branching_rate = s.branching_rate;
    rc.improvement_rate = s.improvement_rate;
    cn_rules_choose(rules, n_rules, &rc, &choice);
    return choice;
}

static int64_t parent_of(const struct campaign *c, int64_t first,
                         const struct cn_rule_choice *choice)
{
    struct cn_tree_input in[BLOCK];
    double rewards[BLOCK][BLOCK];
    int64_t n = 0, recent[BLOCK], parent;
    struct cn_tree tree;
    struct cn_score_table table;
    struct cn_select_query q = CN_SELECT_QUERY_INIT;

    for (int64_t i = first; i <= c->n; i++) {
        const struct iteration *t = &c->it[i];
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
    cr_assert_eq(cn_tree_init(&tree, in, n, CN_TREE_NAN_ZERO, NAN, NULL), CN_OK);
    cr_assert_eq(cn_score_init(&table, &tree, &c->score, NULL), CN_OK);
    q.rule = (cn_select_rule)choice->parent_rule; /* the same order */
    q.k = q.n_recent = choice->k < BLOCK ? choice->k : BLOCK;
    if (q.n_recent > c->n - first + 1)
        q.n_recent = c->n - first + 1;
    for (int64_t i = 0; i < q.n_recent; i++)
        recent[i] = c->it[c->n - i].node;
    q.recent = recent;
    q.avoid = c->n >= first ? c->it[c->n].node : 0;
    q.seed = c->seed;
    q.iteration = c->n + 1;
    parent = cn_select_parent(&table, &q);
    cn_score_clear(&table);
    cn_tree_clear(&tree);
    return parent;
}

static bool tried(void *ctx, const struct cn_mutate_change *ch)
{
    const struct campaign *c = ((void **)ctx)[0];
    const double *from = ((void **)ctx)[1];

    for (int64_t i = 1; i <= c->n; i++) {
        int same = 0;

        for (int d = 0; d < DIMS; d++)
            same += c->it[i].x[d] == (d == ch->param ? ch->to : from[d]);
        if (same == DIMS)
            return true;
    }
    return false;
}

static void train(struct campaign *c, struct iteration t)
{
    t.reward = in_units(c, landscape(t.x, c->seed, c->n + 1, c->noise));
    c->it[++c->n] = t;
}

static void step_embedded(struct campaign *c)
{
    static const cn_mutate_kind kinds[] = {CN_MUTATE_EXPLOIT, CN_MUTATE_PROBE,
                                           CN_MUTATE_EXPLORE, CN_MUTATE_EXPLOIT,
                                           CN_MUTATE_EXPLOIT};
    int64_t first = cn_block_span(c->n + 1, BLOCK).first, parent;
    struct cn_rule_choice choice = choose(c, first);
    struct iteration t = {.node = c->n + 1, .row = choice.row};
    struct cn_mutate_change ch;
    struct cn_mutate_query q = {.space = &space,
                                .effects = c->effects,
                                .n_effects = c->n_effects,
                                .kind = kinds[choice.strategy],
                                .seed = c->seed,
                                .iteration = c->n + 1};
    void *ctx[2] = {c, NULL};
    double before;

    if (choice.rerun_node > 0) {
        t = c->it[choice.rerun_node];
        t.row = choice.row;
        t.replicate = true;
        train(c, t);
        return;
    }
    parent = parent_of(c, first, &choice);
    if (parent == 0) { /* a new block begins from the best so far, unchanged */
        double best = -INFINITY;

        for (int64_t i = 1; i <= c->n; i++)
            if (node_mean(c, c->it[i].node) > best) {
                best = node_mean(c, c->it[i].node);
                parent = c->it[i].node;
            }
        memcpy(t.x, parent ? c->it[parent].x : c->start, sizeof(t.x));
        t.row = -1;
        train(c, t);
        return;
    }
    t.parent = parent;
    memcpy(t.x, c->it[parent].x, sizeof(t.x));
    q.parent = ctx[1] = c->it[parent].x;
    cr_assert_eq(cn_mutate_propose(&q, tried, ctx, &ch, NULL), CN_OK);
    t.x[ch.param] = ch.to;
    before = node_mean(c, parent);
    train(c, t);
    c->effects[c->n_effects++] = (struct cn_effect){.param = ch.param,
                                                    .from = ch.from,
                                                    .to = ch.to,
                                                    .gain = c->it[c->n].reward - before,
                                                    .failed = isnan(c->it[c->n].reward),
                                                    .probe = q.kind == CN_MUTATE_PROBE};
}

/* The true height of the best node that the campaign would name (by measured mean). */
static double named_best(const struct campaign *c)
{
    double best = -INFINITY;
    int64_t node = 1;

    for (int64_t i = 1; i <= c->n; i++)
        if (node_mean(c, c->it[i].node) > best) {
            best = node_mean(c, c->it[i].node);
            node = c->it[i].node;
        }
    return landscape(c->it[node].x, 0, 0, 0);
}

static double run_embedded(const double *start, uint64_t seed, int64_t n, double noise,
                           cn_c_scale scale)
{
    static struct campaign c;

    c = (struct campaign){.seed = seed,
                          .noise = noise,
                          .start = start,
                          .score = {CN_SCORE_UCB1, 1.414, scale, CN_REWARD_SCALE_NONE}};
    while (c.n < n)
        step_embedded(&c);
    return named_best(&c);
}

static double run_random(const double *start, uint64_t seed, int64_t n, double noise)
{
    static struct campaign c;

    c = (struct campaign){.seed = seed, .noise = noise, .start = start};
    while (c.n < n) {
        struct iteration t = {.node = c.n + 1};

        memcpy(t.x, c.start, sizeof(t.x));
        if (c.n > 0)
            cn_space_random(&space, seed, c.n + 1, 0, t.x);
        train(&c, t);
    }
    return named_best(&c);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

enum { SEEDS = 41 };

static void summary(const char *name, double *v, double *median)
{
    qsort(v, SEEDS, sizeof(*v), by_value);
    *median = v[SEEDS / 2];
    (void)fprintf(stderr, "%-28s median %.3f, quartiles %.3f to %.3f, worst %.3f\n", name,
                  v[SEEDS / 2], v[SEEDS / 4], v[3 * SEEDS / 4], v[0]);
}

struct medians {
    double published, spread, random, start;
};

static struct medians compare(const double *start, int64_t n, double noise)
{
    double a[SEEDS], b[SEEDS], r[SEEDS];
    struct medians m = {.start = landscape(start, 0, 0, 0)};

    for (uint64_t s = 0; s < SEEDS; s++) {
        a[s] = run_embedded(start, s + 1, n, noise, CN_C_SCALE_NONE);
        b[s] = run_embedded(start, s + 1, n, noise, CN_C_SCALE_SPREAD);
        r[s] = run_random(start, s + 1, n, noise);
    }
    (void)fprintf(stderr, "%d trainings, noise %.3f, start %.3f\n", (int)n, noise, m.start);
    summary("embedded, c as published", a, &m.published);
    summary("embedded, c by spread", b, &m.spread);
    summary("random", r, &m.random);
    return m;
}

Test(ucb_search, from_a_poor_start_embedded_search_beats_random_with_as_many_trainings)
{
    struct medians few = compare(poor, 36, .01), many = compare(poor, 72, .01);

    cr_assert_gt(few.published, few.random + .05);
    cr_assert_gt(few.spread, few.random + .05);
    cr_assert_gt(many.published, many.random + .1);
    cr_assert_gt(many.spread, many.random + .1);
}

Test(ucb_search, from_a_working_start_a_block_or_two_find_a_better_config)
{
    struct medians one = compare(working, 12, .01), two = compare(working, 24, .01);

    cr_assert_gt(one.published, one.start + .1);
    cr_assert_gt(one.spread, one.start + .1);
    cr_assert_gt(two.published, two.random);
    cr_assert_gt(two.spread, two.random);
}

/* ---- the units of a metric ---- */

/* Every decision of a campaign whose metric has other units: 1e-4 as a small error's, 1e6 as a
 * large one's. */
static void decide(struct campaign *c, uint64_t seed, struct cn_score_opts score, double factor,
                   double offset)
{
    *c = (struct campaign){.seed = seed,
                           .noise = .01,
                           .start = working,
                           .score = score,
                           .factor = factor,
                           .offset = offset};
    while (c->n < 36)
        step_embedded(c);
}

static bool same_decisions(const struct campaign *a, const struct campaign *b)
{
    for (int64_t i = 1; i <= a->n; i++) {
        if (a->it[i].node != b->it[i].node || a->it[i].parent != b->it[i].parent ||
            a->it[i].row != b->it[i].row)
            return false;
        for (int d = 0; d < DIMS; d++)
            if (fabs(a->it[i].x[d] - b->it[i].x[d]) > 1e-6 * fabs(a->it[i].x[d]))
                return false;
    }
    return true;
}

/* Seeds whose decisions are the same in all three units. */
static int unmoved(struct cn_score_opts score)
{
    static struct campaign plain, small, large;
    int n = 0;

    for (uint64_t seed = 1; seed <= 8; seed++) {
        decide(&plain, seed, score, 1, 0);
        decide(&small, seed, score, 1e-4, -2e-4);
        decide(&large, seed, score, 1e6, -5e6);
        n += same_decisions(&plain, &small) && same_decisions(&plain, &large);
    }
    return n;
}

Test(ucb_search, scaled_scores_decide_the_same_in_any_units)
{
    const struct cn_score_opts spread = {CN_SCORE_UCB1, 1.414, CN_C_SCALE_SPREAD,
                                         CN_REWARD_SCALE_NONE},
                               minmax = {CN_SCORE_UCB1, 1.414, CN_C_SCALE_NONE,
                                         CN_REWARD_SCALE_MINMAX},
                               rank = {CN_SCORE_PUCT, 1.414, CN_C_SCALE_NONE,
                                       CN_REWARD_SCALE_RANK},
                               published = CN_SCORE_OPTS_INIT;

    cr_assert_eq(unmoved(spread), 8);
    cr_assert_eq(unmoved(minmax), 8);
    cr_assert_eq(unmoved(rank), 8);
    /* As published the constant is in the units of R2: other units, other decisions. */
    cr_assert_eq(unmoved(published), 0);
}
