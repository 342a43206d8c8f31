/* The tree of one block: what counts as a visit, what a failure is worth. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "ucb/tree.h"

static const double nine[] = {.95};
static const double minus[] = {-3.0, -1.0};
static const double one_nan[] = {NAN};

static struct cn_tree build(const struct cn_tree_input *in, int64_t n, cn_tree_nan_rule rule,
                            double hint)
{
    struct cn_tree t;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_tree_init(&t, in, n, rule, hint, &err), CN_OK, "%s", err.text);
    return t;
}

Test(ucb_tree, chain_and_branch_have_published_visits)
{
    const struct cn_tree_input in[] = {{.id = 1, .rewards = nine, .n_rewards = 1},
                                       {.id = 2, .parent = 1, .rewards = nine, .n_rewards = 1},
                                       {.id = 3, .parent = 2, .rewards = nine, .n_rewards = 1},
                                       {.id = 4, .parent = 1, .rewards = nine, .n_rewards = 1}};
    struct cn_tree t = build(in, 4, CN_TREE_NAN_ZERO, NAN);
    const int64_t want[] = {4, 2, 1, 1};

    cr_assert_eq(t.total, 4);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(t.nodes[i].visits, want[i], "node %d", i + 1);
    cn_tree_clear(&t);
}

Test(ucb_tree, failed_node_is_a_visit_and_scores_as_the_worst_never_zero)
{
    const struct cn_tree_input in[] = {
        {.id = 1, .rewards = minus, .n_rewards = 2},
        {.id = 2, .parent = 1, .failed = 1},
        {.id = 3, .parent = 2, .rewards = minus, .n_rewards = 1}};
    struct cn_tree t = build(in, 3, CN_TREE_NAN_ZERO, NAN);

    cr_assert_eq(t.total, 3);
    cr_assert_eq(t.nodes[0].visits, 3);
    cr_assert_eq(t.nodes[1].visits, 2);
    cr_assert(t.nodes[1].scored && t.nodes[1].failed);
    cr_assert_eq(t.nodes[1].reward, -3.0);
    cn_tree_clear(&t);
}

Test(ucb_tree, failed_replicate_enters_the_mean_as_the_worst)
{
    const struct cn_tree_input in[] = {
        {.id = 1, .rewards = minus, .n_rewards = 2},
        {.id = 2, .parent = 1, .rewards = nine, .n_rewards = 1, .failed = 1}};
    struct cn_tree t = build(in, 2, CN_TREE_NAN_ZERO, NAN);

    cr_assert_float_eq(t.nodes[1].reward, (.95 - 3.0) / 2, 1e-15);
    cr_assert_eq(t.nodes[1].finished, 2);
    cr_assert_not(t.nodes[1].failed);
    cn_tree_clear(&t);
}

Test(ucb_tree, only_failures_take_the_hint_or_are_not_scored)
{
    const struct cn_tree_input in[] = {{.id = 7, .failed = 2}};
    struct cn_tree t = build(in, 1, CN_TREE_NAN_ZERO, NAN);

    cr_assert_not(t.nodes[0].scored);
    cr_assert_eq(t.total, 1);
    cn_tree_clear(&t);
    t = build(in, 1, CN_TREE_NAN_ZERO, -5.0);
    cr_assert(t.nodes[0].scored);
    cr_assert_eq(t.nodes[0].reward, -5.0);
    cn_tree_clear(&t);
}

Test(ucb_tree, undefined_metric_is_zero_as_published_or_the_worst_where_asked)
{
    const struct cn_tree_input in[] = {{.id = 1, .rewards = minus, .n_rewards = 2},
                                       {.id = 2, .rewards = one_nan, .n_rewards = 1}};
    struct cn_tree t = build(in, 2, CN_TREE_NAN_ZERO, NAN);

    cr_assert_eq(t.nodes[1].reward, 0.0);
    cn_tree_clear(&t);
    t = build(in, 2, CN_TREE_NAN_WORST, NAN);
    cr_assert_eq(t.nodes[1].reward, -3.0);
    cn_tree_clear(&t);
}

Test(ucb_tree, replicate_in_flight_is_a_visit_until_it_ends)
{
    struct cn_tree_input in[] = {
        {.id = 1, .rewards = nine, .n_rewards = 1},
        {.id = 2, .parent = 1, .rewards = nine, .n_rewards = 1, .in_flight = 1}};
    struct cn_tree t = build(in, 2, CN_TREE_NAN_ZERO, NAN);

    cr_assert_eq(t.total, 3);
    cr_assert_eq(t.nodes[0].visits, 3);
    cr_assert_eq(t.nodes[1].visits, 2);
    cn_tree_clear(&t);
    in[1].in_flight = 0;
    in[1].n_rewards = 1;
    t = build(in, 2, CN_TREE_NAN_ZERO, NAN);
    cr_assert_eq(t.total, 2);
    cr_assert_eq(t.nodes[1].visits, 1);
    cn_tree_clear(&t);
}

Test(ucb_tree, parents_outside_the_block_become_root_and_order_does_not_matter)
{
    const struct cn_tree_input in[] = {
        {.id = 15, .parent = 14, .rewards = nine, .n_rewards = 1},
        {.id = 13, .parent = 4, .rewards = nine, .n_rewards = 1},
        {.id = 14, .parent = 13, .in_flight = 1}};
    struct cn_tree t = build(in, 3, CN_TREE_NAN_ZERO, NAN);

    cr_assert_eq(t.nodes[0].id, 13);
    cr_assert_eq(t.nodes[0].parent, 0);
    cr_assert_eq(t.nodes[0].visits, 3);
    cr_assert_eq(t.nodes[2].parent, 14);
    cr_assert_not(cn_tree_get(&t, 14)->scored);
    cr_assert_null(cn_tree_get(&t, 4));
    cn_tree_clear(&t);
}

static void refused(const struct cn_tree_input *in, int64_t n, const char *words)
{
    struct cn_tree t;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_tree_init(&t, in, n, CN_TREE_NAN_ZERO, NAN, &err), CN_EINPUT);
    cr_assert(strstr(err.text, words), "%s", err.text);
    cr_assert_null(t.nodes);
    cn_tree_clear(&t);
}

Test(ucb_tree, bad_input_is_refused_by_name)
{
    refused((struct cn_tree_input[]){{.id = 0}}, 1, "node id 0");
    refused((struct cn_tree_input[]){{.id = 3, .parent = 3}}, 1, "parent 3");
    refused((struct cn_tree_input[]){{.id = 3, .failed = -1}}, 1, "negative count");
    refused((struct cn_tree_input[]){{.id = 3, .failed = 1}, {.id = 3, .failed = 1}}, 2,
            "node id 3 stands twice");
}
