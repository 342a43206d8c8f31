/* The tree figure's source: every searched node once, labels that cannot break out, the path to
 * the best marked. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "harness/loop/figure.h"

static struct cn_settings settings;
static struct cn_trainer trainer = {.study = "t"};
static const struct cn_planner planner = {.settings = &settings, .trainer = &trainer};

static struct cn_mutation steeper[] = {{"training.lr", "1.0e-3", "<b>2</b>"}};
static struct cn_node nodes[] = {
    {.id = 1, .block = 1, .strategy = "root", .proposer = "user", .config = "a: 1"},
    {.id = 2,
     .parent = 1,
     .block = 1,
     .strategy = "exploit & more",
     .proposer = "embedded",
     .config = "a: 2",
     .mutations = steeper,
     .n_mutations = 1},
    {.id = 3,
     .parent = 1,
     .block = 1,
     .strategy = "exploit",
     .proposer = "embedded",
     .config = "a: 3"},
};
static struct cn_iteration iterations[] = {
    {.id = 1,
     .node = 1,
     .block = 1,
     .state = CN_ITER_COMMITTED,
     .outcome = CN_OUTCOME_OK,
     .reward = .5,
     .seed_mode = "",
     .strategy = "",
     .parent_rule = ""},
    {.id = 2,
     .node = 2,
     .block = 1,
     .state = CN_ITER_COMMITTED,
     .outcome = CN_OUTCOME_OK,
     .reward = .95,
     .seed_mode = "",
     .strategy = "",
     .parent_rule = ""},
    {.id = 3,
     .node = 3,
     .block = 1,
     .state = CN_ITER_COMMITTED,
     .outcome = CN_OUTCOME_OOM,
     .seed_mode = "",
     .strategy = "",
     .parent_rule = ""},
};
static struct cn_block blocks[] = {{.number = 1, .first = 1, .last = 3, .edit_note = ""}};
static struct cn_history history = {.info = {.name = "a <run>",
                                             .reward = "r2",
                                             .converged = .9,
                                             .failed = .1,
                                             .score_kind = "ucb1",
                                             .c_scale = "none"},
                                    .nodes = nodes,
                                    .n_nodes = 3,
                                    .iterations = iterations,
                                    .n_iterations = 3,
                                    .blocks = blocks,
                                    .n_blocks = 1};

static int count(const char *s, const char *what)
{
    int n = 0;

    for (; (s = strstr(s, what)) != NULL; s += strlen(what))
        n++;
    return n;
}

Test(loop_figure, nodes_edges_and_labels)
{
    struct cn_buf b;
    const char *s;

    cn_settings_init(&settings);
    cn_buf_init(&b, CN_CAP_TEXT);
    cn_figure_tree(&planner, &history, &b);
    s = cn_buf_str(&b);
    cr_assert_eq(cn_buf_status(&b), CN_OK);
    for (int id = 1; id <= 3; id++) {
        char node[16];

        (void)snprintf(node, sizeof node, "    n%d [", id);
        cr_assert_eq(count(s, node), 1, "%s", s);
    }
    cr_assert_eq(count(s, "n1 -> n2 "), 1);
    cr_assert_eq(count(s, "n1 -> n3 "), 1);
    cr_assert_eq(count(s, "a &lt;run&gt;"), 1);
    cr_assert_eq(count(s, "exploit &amp; more"), 1);
    cr_assert_eq(count(s, "&lt;b&gt;2&lt;/b&gt;"), 1, "a value cannot become markup");
    cr_assert_eq(count(s, "&#9733;"), 1, "one best node");
    cr_assert_eq(count(s, "penwidth=2.2"), 1, "the path to it is one edge");
    cr_assert_eq(count(s, "<b>oom</b>"), 1);
    cn_buf_clear(&b);
}
