/* Parents by rule from a hand-made table. */
#include <criterion/criterion.h>

#include "ucb/select.h"

static struct cn_score_row rows[] = {
    {8, 7, 1, .80, 2.5}, {7, 1, 2, .95, 2.1}, {5, 1, 1, .40, 2.0}, {1, 0, 5, .95, 1.2}};
static const struct cn_score_table table = {rows, 4, 4, 1.414};

static int64_t ask(struct cn_select_query q)
{
    return cn_select_parent(&table, &q);
}

Test(ucb_select, empty_table_means_root)
{
    const struct cn_score_table none = {0};
    struct cn_select_query q = CN_SELECT_QUERY_INIT;

    for (int rule = CN_SELECT_TOP; rule <= CN_SELECT_BEST_REWARD; rule++) {
        q.rule = (cn_select_rule)rule;
        cr_assert_eq(cn_select_parent(&none, &q), 0);
    }
}

Test(ucb_select, top_and_best_reward)
{
    cr_assert_eq(ask((struct cn_select_query){.rule = CN_SELECT_TOP}), 8);
    cr_assert_eq(ask((struct cn_select_query){.rule = CN_SELECT_BEST_REWARD}), 1,
                 "ties of reward go to the lower id");
}

Test(ucb_select, not_recent_skips_and_falls_back_to_the_top)
{
    const int64_t recent[] = {7, 8}, all[] = {1, 5, 7, 8};

    cr_assert_eq(ask((struct cn_select_query){
                     .rule = CN_SELECT_TOP_NOT_RECENT, .recent = recent, .n_recent = 2}),
                 5);
    cr_assert_eq(ask((struct cn_select_query){
                     .rule = CN_SELECT_TOP_NOT_RECENT, .recent = all, .n_recent = 4}),
                 8);
}

Test(ucb_select, random_top_is_keyed_avoids_the_sequential_parent_and_reaches_the_others)
{
    int count[9] = {0};

    for (int64_t i = 1; i <= 200; i++) {
        struct cn_select_query q = {
            .rule = CN_SELECT_RANDOM_TOP, .k = 3, .avoid = 8, .seed = 42, .iteration = i};
        int64_t a = ask(q);

        cr_assert_eq(a, ask(q));
        count[a]++;
    }
    cr_assert_eq(count[8], 0);
    cr_assert_eq(count[1], 0);
    cr_assert_gt(count[7], 60);
    cr_assert_gt(count[5], 60);
}

Test(ucb_select, random_top_of_one_takes_the_avoided)
{
    cr_assert_eq(
        ask((struct cn_select_query){.rule = CN_SELECT_RANDOM_TOP, .k = 1, .avoid = 8}), 8);
}

Test(ucb_select, second_fewest_visits_and_any_node)
{
    int count[9] = {0};

    cr_assert_eq(ask((struct cn_select_query){.rule = CN_SELECT_SECOND}), 7);
    cr_assert_eq(ask((struct cn_select_query){.rule = CN_SELECT_FEWEST_VISITS}), 8,
                 "8 and 5 have one visit: the higher score");
    for (int64_t i = 1; i <= 200; i++) {
        struct cn_select_query q = {
            .rule = CN_SELECT_RANDOM, .avoid = 8, .seed = 42, .iteration = i};
        int64_t a = ask(q);

        cr_assert_eq(a, ask(q));
        count[a]++;
    }
    cr_assert_eq(count[8], 0);
    cr_assert(count[1] > 40 && count[5] > 40 && count[7] > 40, "all others take turns");
}
