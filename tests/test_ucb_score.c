/* Scores against the independent numbers of tests/cases/golden/scores.json, and the options
 * around them. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/json.h"
#include "ucb/block.h"
#include "ucb/score.h"

enum { MAX_NODES = 128, MAX_REWARDS = 8 };

static struct cn_json_doc *golden(void)
{
    const char *dir = getenv("CAIRN_TEST_CASES");
    char path[1024];
    struct cn_json_doc *doc;
    struct cn_err err = CN_ERR_INIT;

    (void)snprintf(path, sizeof(path), "%s/golden/scores.json", dir ? dir : "tests/cases");
    cr_assert_eq(cn_json_read(path, &doc, &err), CN_OK, "%s", err.text);
    return doc;
}

static double number(const struct cn_json *object, const char *key)
{
    double x = NAN;

    cr_assert(cn_json_number(cn_json_get(object, key), &x), "%s", key);
    return x;
}

static int64_t integer(const struct cn_json *object, const char *key)
{
    int64_t x = 0; /* null: root */

    (void)cn_json_int64(cn_json_get(object, key), &x);
    return x;
}

static void check_vectors(const struct cn_json *list, cn_score_kind kind)
{
    cr_assert_gt(cn_json_count(list), 3);
    for (const struct cn_json *v = cn_json_first(list); v; v = cn_json_next(v)) {
        double got = cn_score_value(kind, number(v, "reward"), integer(v, "N"),
                                    integer(v, "visits"), number(v, "c"));

        cr_assert_float_eq(got, number(v, "score"), 1e-12);
        cr_assert_float_eq(got, atof(cn_json_string(cn_json_get(v, "published"))), 5.1e-4);
    }
}

Test(ucb_score, published_vectors)
{
    struct cn_json_doc *doc = golden();

    check_vectors(cn_json_path(cn_json_root(doc), "vectors.ucb1"), CN_SCORE_UCB1);
    check_vectors(cn_json_path(cn_json_root(doc), "vectors.puct"), CN_SCORE_PUCT);
    cn_json_free(doc);
}

/* The block's nodes of one golden tree. "failed" there means "counts for nothing": our infra
 * and invalid. */
static int64_t inputs(const struct cn_json *tree, struct cn_tree_input *in,
                      double rewards[][MAX_REWARDS])
{
    int64_t first = integer(tree, "block_first"), last = integer(tree, "block_last"), n = 0;

    for (const struct cn_json *v = cn_json_first(cn_json_get(tree, "nodes")); v;
         v = cn_json_next(v)) {
        const struct cn_json *r = cn_json_get(v, "rewards");
        const char *status = cn_json_string(cn_json_get(v, "status"));
        int64_t id = integer(v, "id");

        if (last > 0 && (id < first || id > last))
            continue;
        in[n] = (struct cn_tree_input){
            .id = id, .parent = integer(v, "parent"), .rewards = rewards[n]};
        if (strcmp(status, "done") == 0)
            in[n].n_rewards = cn_json_count(r);
        cr_assert(cn_json_doubles(r, rewards[n], cn_json_count(r)));
        in[n].in_flight = strcmp(status, "in_flight") == 0;
        n++;
    }
    return n;
}

static void check_order(const struct cn_json *tree, const struct cn_tree *t, cn_score_kind kind,
                        const char *key, const char *order_key)
{
    struct cn_score_opts o = CN_SCORE_OPTS_INIT;
    const struct cn_json *scored = cn_json_get(tree, "scored");
    const struct cn_json *id = cn_json_first(cn_json_get(tree, order_key));
    struct cn_score_table s;
    struct cn_err err = CN_ERR_INIT;

    o.kind = kind;
    o.c = number(tree, "c");
    cr_assert_eq(cn_score_init(&s, t, &o, &err), CN_OK, "%s", err.text);
    cr_assert_eq(s.n, cn_json_count(scored));
    cr_assert_eq(s.total, integer(tree, "N"));
    for (const struct cn_json *v = cn_json_first(scored); v; v = cn_json_next(v)) {
        const struct cn_score_row *row = cn_score_get(&s, integer(v, "id"));

        cr_assert_not_null(row);
        cr_assert_eq(row->parent, integer(v, "parent"));
        cr_assert_eq(row->visits, integer(v, "visits"));
        cr_assert_float_eq(row->reward, number(v, "reward"), 1e-14);
        cr_assert_float_eq(row->score, number(v, key), 1e-12);
    }
    for (int64_t i = 0; i < s.n; i++, id = cn_json_next(id)) {
        int64_t want = 0;

        cr_assert(cn_json_int64(id, &want));
        cr_assert_eq(s.rows[i].id, want, "%s place %" PRId64, order_key, i);
    }
    cn_score_clear(&s);
}

Test(ucb_score, golden_trees)
{
    struct cn_json_doc *doc = golden();
    int seen = 0;

    for (const struct cn_json *v = cn_json_first(cn_json_get(cn_json_root(doc), "trees")); v;
         v = cn_json_next(v), seen++) {
        static double rewards[MAX_NODES][MAX_REWARDS];
        struct cn_tree_input in[MAX_NODES];
        struct cn_tree t;
        struct cn_err err = CN_ERR_INIT;

        cr_assert_eq(cn_tree_init(&t, in, inputs(v, in, rewards), CN_TREE_NAN_ZERO, NAN, &err),
                     CN_OK, "%s", err.text);
        check_order(v, &t, CN_SCORE_UCB1, "ucb1", "order_ucb1");
        check_order(v, &t, CN_SCORE_PUCT, "puct", "order_puct");
        for (const struct cn_json *m = cn_json_first(cn_json_get(v, "visits_all")); m;
             m = cn_json_next(m)) {
            int64_t want = 0;
            const struct cn_tree_node *node = cn_tree_get(&t, atoll(cn_json_name(m)));

            cr_assert(cn_json_int64(m, &want) && node && node->visits == want);
        }
        cn_tree_clear(&t);
    }
    cr_assert_eq(seen, 14);
    cn_json_free(doc);
}

Test(ucb_score, golden_blocks)
{
    struct cn_json_doc *doc = golden();
    int seen = 0;

    for (const struct cn_json *v = cn_json_first(cn_json_get(cn_json_root(doc), "blocks")); v;
         v = cn_json_next(v), seen++) {
        struct cn_block_span b =
            cn_block_span(integer(v, "iteration"), integer(v, "n_iter_block"));
        bool end = false;

        cr_assert(cn_json_bool(cn_json_get(v, "is_block_end"), &end));
        cr_assert_eq(b.number, integer(v, "block"));
        cr_assert_eq(b.first, integer(v, "first"));
        cr_assert_eq(b.last, integer(v, "last"));
        cr_assert_eq(b.is_end, end);
        cr_assert_eq(b.first + b.position - 1, integer(v, "iteration"));
    }
    cr_assert_gt(seen, 20);
    cn_json_free(doc);
}

/* 1 (.90) - 2 (.93) - 3 (.92): close rewards in a chain. */
static struct cn_tree chain(void)
{
    static const double r[] = {.90, .93, .92};
    const struct cn_tree_input in[] = {
        {.id = 1, .rewards = &r[0], .n_rewards = 1},
        {.id = 2, .parent = 1, .rewards = &r[1], .n_rewards = 1},
        {.id = 3, .parent = 2, .rewards = &r[2], .n_rewards = 1}};
    struct cn_tree t;

    cr_assert_eq(cn_tree_init(&t, in, 3, CN_TREE_NAN_ZERO, NAN, NULL), CN_OK);
    return t;
}

static struct cn_score_table score(const struct cn_tree *t, cn_c_scale c, cn_reward_scale r)
{
    struct cn_score_opts o = {CN_SCORE_UCB1, 1.414, c, r};
    struct cn_score_table s;

    cr_assert_eq(cn_score_init(&s, t, &o, NULL), CN_OK);
    return s;
}

Test(ucb_score, newest_leaf_wins_with_plain_c_and_spread_lets_the_better_node_win)
{
    struct cn_tree t = chain();
    struct cn_score_table plain = score(&t, CN_C_SCALE_NONE, CN_REWARD_SCALE_NONE);
    struct cn_score_table spread = score(&t, CN_C_SCALE_SPREAD, CN_REWARD_SCALE_NONE);

    cr_assert_eq(plain.rows[0].id, 3);
    cr_assert_float_eq(spread.c, 1.414 * .03, 1e-12);
    cr_assert_eq(spread.rows[0].id, 3);
    cr_assert_float_eq(spread.rows[0].score - spread.rows[1].score,
                       -.01 + spread.c * (sqrt(log(3)) - sqrt(log(3) / 2)), 1e-12);
    cn_score_clear(&plain);
    cn_score_clear(&spread);
    cn_tree_clear(&t);
}

Test(ucb_score, spread_of_one_node_leaves_its_reward)
{
    static const double r[] = {.4};
    const struct cn_tree_input in[] = {{.id = 1, .rewards = r, .n_rewards = 1}};
    struct cn_tree t;
    struct cn_score_table s;

    cr_assert_eq(cn_tree_init(&t, in, 1, CN_TREE_NAN_ZERO, NAN, NULL), CN_OK);
    s = score(&t, CN_C_SCALE_SPREAD, CN_REWARD_SCALE_NONE);
    cr_assert_eq(s.c, 0.0);
    cr_assert_eq(s.rows[0].score, .4);
    cn_score_clear(&s);
    cn_tree_clear(&t);
}

Test(ucb_score, reward_scales_change_the_score_and_keep_the_reward)
{
    struct cn_tree t = chain();
    struct cn_score_table mm = score(&t, CN_C_SCALE_NONE, CN_REWARD_SCALE_MINMAX);
    struct cn_score_table rank = score(&t, CN_C_SCALE_NONE, CN_REWARD_SCALE_RANK);

    cr_assert_float_eq(cn_score_get(&mm, 3)->score, 2.0 / 3 + 1.414 * sqrt(log(3)), 1e-9);
    cr_assert_float_eq(cn_score_get(&rank, 3)->score, .5 + 1.414 * sqrt(log(3)), 1e-9);
    cr_assert_eq(cn_score_get(&mm, 3)->reward, .92);
    cn_score_clear(&mm);
    cn_score_clear(&rank);
    cn_tree_clear(&t);
}

Test(ucb_score, names_read_back_and_unknown_ones_are_told)
{
    cn_score_kind k;
    cn_c_scale c;
    cn_reward_scale r;

    cr_assert(cn_score_kind_parse("puct", &k) && k == CN_SCORE_PUCT);
    cr_assert_not(cn_score_kind_parse("uct", &k));
    cr_assert(cn_score_c_scale_parse("spread", &c) && c == CN_C_SCALE_SPREAD);
    cr_assert(cn_score_reward_scale_parse("rank", &r) && r == CN_REWARD_SCALE_RANK);
    cr_assert_str_eq(cn_score_reward_scale_name(CN_REWARD_SCALE_MINMAX), "minmax");
    cr_assert_str_eq(cn_score_kind_name(CN_SCORE_UCB1), "ucb1");
    cr_assert_str_eq(cn_score_c_scale_name(CN_C_SCALE_NONE), "none");
}

Test(ucb_score, negative_c_is_refused)
{
    struct cn_tree t = chain();
    struct cn_score_opts o = {CN_SCORE_UCB1, -1, CN_C_SCALE_NONE, CN_REWARD_SCALE_NONE};
    struct cn_score_table s;

    cr_assert_eq(cn_score_init(&s, &t, &o, NULL), CN_EINPUT);
    cn_score_clear(&s);
    cn_tree_clear(&t);
}
