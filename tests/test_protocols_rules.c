/* Rows from words, and which row fires on which history. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "base/file.h"
#include "protocols/rules.h"
#include "protocols/words.h"
#include "support/cases.h"

/* ---- rows from words ---- */

static void put_count(struct cn_buf *b, int64_t k, int64_t div, int64_t plus)
{
    if (div > 0)
        cn_buf_printf(b, "B/%" PRId64, div);
    else
        cn_buf_printf(b, "%" PRId64, k);
    if (plus != 0)
        cn_buf_printf(b, "%+" PRId64, plus);
}

/* "consecutive successes K=3 tau_R2>=0.9"; joined ones in brackets. */
static void put_condition(struct cn_buf *b, const struct cn_rule *r)
{
    static const char *const classes[] = {"", " converged", " partial", " failed"};

    cn_buf_adds(b, cn_cond_name(r->cond));
    for (int32_t i = 0; i < r->n_terms; i++) {
        cn_buf_adds(b, " [");
        put_condition(b, &r->terms[i]);
        cn_buf_adds(b, "]");
    }
    cn_buf_adds(b, classes[r->cls]);
    if (r->count_div > 0 || r->count > 0 || r->cond == CN_COND_SLOT) {
        cn_buf_adds(b, " K=");
        put_count(b, r->count, r->count_div, r->count_plus);
    }
    if (r->cond == CN_COND_SLOT)
        cn_buf_printf(b, "..%" PRId64, r->count_last);
    if (r->in_a_row)
        cn_buf_adds(b, " in a row");
    if (r->has_threshold || r->metric)
        cn_buf_addc(b, ' ');
    if (r->metric)
        cn_buf_adds(b, r->metric);
    if (r->minus)
        cn_buf_printf(b, "-%s", r->minus[0] ? r->minus : "reward");
    if (r->has_threshold)
        cn_buf_printf(b, "%s%s%g", r->threshold_below ? "<" : ">",
                      r->threshold_strict ? "" : "=", r->threshold);
    if (r->rate > 0)
        cn_buf_printf(b, " %s%g", r->rate_or_equal ? "=" : "", r->rate);
    if (r->window_block)
        cn_buf_adds(b, " whole block");
    if (r->window > 0 || r->window_div > 0) {
        cn_buf_adds(b, " last ");
        put_count(b, r->window, r->window_div, 0);
    }
    if (r->tolerance > 0)
        cn_buf_printf(b, " +/-%g", r->tolerance);
}

static void put_rule(struct cn_buf *b, const struct cn_rule *r)
{
    static const char *const parents[] = {"highest UCB", "highest UCB not among the last",
                                          "random top",  "best node",
                                          "second",      "best, changed",
                                          "random",      "fewest visits",
                                          "widest node", "its own"};

    if (r->cond == CN_COND_PROSE) {
        cn_buf_printf(b, "prose: %s", r->note);
        return;
    }
    put_condition(b, r);
    cn_buf_printf(b, "; %s; %s ", cn_strategy_name(r->strategy), parents[r->parent_rule]);
    put_count(b, r->parent_k, r->parent_div, 0);
}

static int check_condition(struct cn_arena *a, char *line)
{
    char *cells[4] = {line};
    struct cn_rule r;
    struct cn_err err = CN_ERR_INIT;
    struct cn_buf got;
    const char *want;
    int n = 1, wrong;

    for (char *s = line; *s && n < 4; s++)
        if (*s == '|') {
            *s = '\0';
            cells[n++] = s + 1;
        }
    cr_assert_eq(n, 4, "%s", line);
    want = cn_words_trim(a, cells[3], strlen(cells[3]));
    cn_buf_init(&got, CN_CAP_TEXT);
    if (cn_rule_parse(a, cells[0], cells[1], cells[2], "connectivity_R2", "t.md", 7, &r,
                      &err) == CN_OK)
        put_rule(&got, &r);
    else
        cn_buf_printf(&got, "error: %s", err.text);
    wrong = strcmp(cn_buf_str(&got), want) != 0;
    if (wrong)
        (void)fprintf(stderr, "%s:\n  got  %s\n  want %s\n", cells[0], cn_buf_str(&got), want);
    cn_buf_clear(&got);
    return wrong;
}

Test(protocols_rules, conditions_of_the_case_file_are_understood)
{
    char path[1024];
    struct cn_buf b;
    struct cn_arena a;
    int cases = 0, wrong = 0;

    cn_buf_init(&b, CN_CAP_FILE);
    cn_arena_init(&a, CN_CAP_ARENA);
    cr_assert_eq(cn_file_read(cn_case_path("rules/conditions.txt", path, sizeof(path)),
                              CN_CAP_FILE, &b, NULL),
                 CN_OK);
    for (char *s = b.data, *line; (line = strsep(&s, "\n")) != NULL;) {
        if (!line[0] || line[0] == '#')
            continue;
        wrong += check_condition(&a, line);
        cases++;
    }
    cr_assert_eq(wrong, 0);
    cr_assert_gt(cases, 150);
    cn_arena_clear(&a);
    cn_buf_clear(&b);
}

/* ---- which row fires ---- */

enum { MAX_FACTS = 64 };

struct history {
    struct cn_rule_fact f[MAX_FACTS];
    int64_t n;
    struct cn_rule_context c;
};

static struct history start(int64_t n_iter_block)
{
    struct history h = {.c = {.n_iter_block = n_iter_block,
                              .converged = .9,
                              .branching_rate = NAN,
                              .improvement_rate = NAN}};
    return h;
}

/* A finished mutation of the last node; row -1 = from no row. */
static struct cn_rule_fact *add(struct history *h, double reward, int32_t row)
{
    struct cn_rule_fact *f = &h->f[h->n];
    int64_t id = h->n + 1;

    *f = (struct cn_rule_fact){.iteration = id,
                               .node = id,
                               .parent = id - 1,
                               .finished = true,
                               .reward = reward,
                               .row = row};
    h->n++;
    return f;
}

static struct cn_rule_choice choose(struct history *h, const struct cn_rule *rules, int32_t n)
{
    struct cn_rule_choice out;

    h->c.facts = h->f;
    h->c.n_facts = h->n;
    cn_rules_choose(rules, n, &h->c, &out);
    return out;
}

static struct cn_rule_choice choose_default(struct history *h)
{
    int32_t n;
    const struct cn_rule *rules = cn_rules_default(&n);

    return choose(h, rules, n);
}

Test(protocols_rules, empty_history_is_the_default_though_it_stands_first)
{
    struct history h = start(12);
    struct cn_rule_choice c = choose_default(&h);

    cr_assert_eq(c.row, 0);
    cr_assert_eq(c.strategy, CN_STRATEGY_EXPLOIT);
    cr_assert_str_eq(c.text, "row 1: Default");
}

Test(protocols_rules, three_successes_fire_the_probe_and_the_text_names_them)
{
    struct history h = start(12);
    struct cn_rule_choice c;

    add(&h, .2, -1);
    add(&h, .91, -1);
    add(&h, .92, -1);
    cr_assert_neq(choose_default(&h).strategy, CN_STRATEGY_FAILURE_PROBE);
    add(&h, .90, -1);
    c = choose_default(&h);
    cr_assert_eq(c.row, 1);
    cr_assert_str_eq(c.text, "row 2: 3+ consecutive successes: iterations 2, 3, 4");
    cr_assert_str_eq(c.strategy_name, "failure-probe");
}

Test(protocols_rules, a_failure_or_an_undefined_metric_breaks_the_streak_one_in_flight_does_not)
{
    struct history h = start(16);

    for (int i = 0; i < 3; i++)
        add(&h, .95, -1);
    add(&h, .95, -1)->finished = false;
    cr_assert_eq(choose_default(&h).row, 1);
    h.f[3].finished = true;
    h.f[3].failed = true;
    cr_assert_neq(choose_default(&h).row, 1);
    h.f[3].failed = false;
    h.f[3].reward = NAN;
    cr_assert_neq(choose_default(&h).row, 1);
}

Test(protocols_rules,
     a_streak_counts_afresh_after_it_fired_also_while_its_iteration_is_in_flight)
{
    struct history h = start(20); /* n_iter_block/4 = 5 */

    for (int i = 0; i < 3; i++)
        add(&h, .95, -1);
    cr_assert_eq(choose_default(&h).row, 1);
    add(&h, .95, 1)->finished = false;
    cr_assert_neq(choose_default(&h).row, 1, "4 is the probe, in flight: 1 to 3 are used up");
    h.f[3].finished = true;
    add(&h, .95, 0);
    add(&h, .95, 0);
    cr_assert_eq(choose_default(&h).row, 2, "five in a row for the other row: 4 counts for it");
    add(&h, .95, 2);
    cr_assert_eq(choose_default(&h).row, 1, "three after the probe: 5, 6, 7");
    cr_assert(strstr(choose_default(&h).text, "iterations 5, 6, 7"));
}

Test(protocols_rules, long_streaks_are_told_by_their_ends)
{
    struct history h = start(40);
    const struct cn_rule r = {.cond = CN_COND_CONSECUTIVE,
                              .condition = "n_iter_block/4 consecutive successes",
                              .count_div = 4};

    for (int i = 0; i < 12; i++)
        add(&h, .95, -1);
    cr_assert_str_eq(choose(&h, &r, 1).text, "row 1: n_iter_block/4 consecutive successes: "
                                             "iterations 3 to 12 (10)");
}

Test(protocols_rules, no_row_starves_another_when_everything_succeeds)
{
    struct history h = start(24);
    int count[CN_STRATEGY_OTHER] = {0};

    h.c.branching_rate = .5;
    for (int i = 0; i < 24; i++) {
        struct cn_rule_choice c = choose_default(&h);
        struct cn_rule_fact *f;

        count[c.strategy]++;
        f = add(&h, .95 + 1e-3 * i, c.row);
        if (c.strategy == CN_STRATEGY_ROBUSTNESS_TEST) {
            f->replicate = true;
            f->node = c.rerun_node;
        }
    }
    cr_assert_geq(count[CN_STRATEGY_EXPLOIT], 6);
    cr_assert_geq(count[CN_STRATEGY_FAILURE_PROBE], 4);
    cr_assert_leq(count[CN_STRATEGY_FAILURE_PROBE], 8);
    cr_assert_geq(count[CN_STRATEGY_EXPLORE], 2);
    cr_assert_geq(count[CN_STRATEGY_ROBUSTNESS_TEST], 2);
    cr_assert_leq(count[CN_STRATEGY_ROBUSTNESS_TEST], 6, "new bests every time: it must rest");
}

Test(protocols_rules, good_config_is_trained_again_once_and_only_the_best)
{
    struct history h = start(12);
    struct cn_rule_choice c;

    add(&h, .5, -1);
    add(&h, .93, -1);
    add(&h, .91, -1);
    add(&h, .3, -1);
    c = choose_default(&h);
    cr_assert_eq(c.row, 3);
    cr_assert_eq(c.rerun_node, 2);
    cr_assert_str_eq(c.text,
                     "row 4: Found good config: node 2 reached 0.93 in its only training");
    add(&h, NAN, 3);
    h.f[4].node = 2;
    h.f[4].replicate = true;
    h.f[4].finished = false;
    cr_assert_eq(choose_default(&h).row, 0, "its replicate is in flight");
}

Test(protocols_rules, good_config_rests_after_it_fired)
{
    struct history h = start(16); /* rests for 4 finished iterations */

    add(&h, .93, -1);
    cr_assert_eq(choose_default(&h).row, 3);
    add(&h, .92, 3);
    h.f[1].node = 1;
    add(&h, .94, 0);
    h.f[2].node = 3;
    cr_assert_neq(choose_default(&h).row, 3);
    for (int i = 0; i < 3; i++)
        add(&h, .1, 0);
    cr_assert_eq(choose_default(&h).row, 3);
    cr_assert_eq(choose_default(&h).rerun_node, 3);
}

Test(protocols_rules, branching_rate_fires_below_and_waits_while_unknown)
{
    struct history h = start(12);
    struct cn_rule_choice c;

    add(&h, .2, -1);
    h.c.branching_rate = .1;
    c = choose_default(&h);
    cr_assert_eq(c.strategy, CN_STRATEGY_FORCE_BRANCH);
    cr_assert_eq(c.parent_rule, CN_PARENT_RANDOM_TOP);
    cr_assert_eq(c.k, 3);
    cr_assert_str_eq(c.text, "row 5: Branching rate < 20% in last block: 10% now");
    h.c.branching_rate = .2;
    cr_assert_eq(choose_default(&h).row, 0);
    h.c.branching_rate = NAN;
    cr_assert_eq(choose_default(&h).row, 0);
}

Test(protocols_rules, plateau_looks_at_the_last_iterations_and_counts_afresh)
{
    const struct cn_rule r = {.cond = CN_COND_PLATEAU,
                              .condition = "plateau",
                              .count = 3,
                              .tolerance = .05,
                              .strategy = CN_STRATEGY_FORCE_BRANCH};
    struct history h = start(12);

    add(&h, .9, -1);
    add(&h, .50, -1);
    add(&h, .59, -1);
    cr_assert_eq(choose(&h, &r, 1).row, 1, "three values, but .9 is far off");
    add(&h, .55, -1);
    cr_assert_str_eq(choose(&h, &r, 1).text,
                     "row 1: plateau: iterations 2, 3, 4 within 0.5 to 0.59");
    add(&h, .55, 0);
    cr_assert_eq(choose(&h, &r, 1).row, 1);
    cr_assert_str_eq(choose(&h, &r, 1).text,
                     "no row holds and the table has no Default: exploit");
}

Test(protocols_rules, lower_is_better_compares_the_metric_as_written)
{
    const struct cn_rule written = {.cond = CN_COND_CONSECUTIVE,
                                    .condition = "2 consecutive successes (loss <= 0.1)",
                                    .count = 2,
                                    .has_threshold = true,
                                    .threshold_below = true,
                                    .threshold = .1};
    const struct cn_rule plain = {.cond = CN_COND_CONSECUTIVE, .condition = "x", .count = 2};
    struct history h = start(12);

    h.c.lower_is_better = true;
    h.c.converged = .2;
    add(&h, -.15, -1);
    add(&h, -.15, -1);
    cr_assert_eq(choose(&h, &written, 1).row, 1);
    cr_assert_eq(choose(&h, &plain, 1).row, 0);
    h.f[0].reward = h.f[1].reward = -.1;
    cr_assert_eq(choose(&h, &written, 1).row, 0);
}

Test(protocols_rules, improvement_rates_and_their_rest)
{
    const struct cn_rule r = {.cond = CN_COND_IMPROVEMENT_ABOVE, .condition = "x", .rate = .8};
    struct history h = start(8);

    add(&h, .5, -1);
    h.c.improvement_rate = .9;
    cr_assert_eq(choose(&h, &r, 1).row, 0);
    add(&h, .6, 0);
    cr_assert_eq(choose(&h, &r, 1).row, 1, "rests for n_iter_block/4 = 2");
    add(&h, .6, -1);
    add(&h, .6, -1);
    cr_assert_eq(choose(&h, &r, 1).row, 0);
}

Test(protocols_rules, first_row_that_holds_wins_and_prose_never_fires)
{
    const struct cn_rule rules[] = {
        {.cond = CN_COND_PROSE, .condition = "p", .strategy = CN_STRATEGY_EXPLORE},
        {.cond = CN_COND_DEFAULT, .condition = "Default", .strategy = CN_STRATEGY_EXPLOIT},
        {.cond = CN_COND_CONSECUTIVE,
         .condition = "a",
         .count = 1,
         .strategy = CN_STRATEGY_EXPLORE},
        {.cond = CN_COND_CONSECUTIVE,
         .condition = "b",
         .count = 1,
         .strategy = CN_STRATEGY_FAILURE_PROBE}};
    struct history h = start(12);

    cr_assert_eq(choose(&h, rules, 4).row, 1);
    add(&h, .95, -1);
    cr_assert_eq(choose(&h, rules, 4).row, 2);
}

Test(protocols_rules, k_of_the_parent_rule_is_resolved_by_the_block)
{
    const struct cn_rule r = {.cond = CN_COND_DEFAULT,
                              .condition = "Default",
                              .parent_rule = CN_PARENT_TOP_NOT_RECENT,
                              .parent_div = 4};
    struct history h = start(12);

    cr_assert_eq(choose(&h, &r, 1).k, 3);
    h.c.n_iter_block = 2;
    cr_assert_eq(choose(&h, &r, 1).k, 1);
}
