/* A whole run on the toy trainer in which every strategy gets its slot: what the log says is what
 * was trained. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"
#include "base/yaml.h"
#include "tests/support/toy.h"

static struct toy_run t;

static void setup(void)
{
    toy_init(&t);
}

static void teardown(void)
{
    toy_clear(&t);
}

TestSuite(loop_rules, .init = setup, .fini = teardown, .timeout = 100);

/* toy.md with other rows between its markers. */
static const char *protocol(const char *rows)
{
    const char *old = NULL, *begin, *end;
    char text[8192];
    struct cn_buf b;

    cn_buf_init(&b, sizeof text);
    cr_assert_eq(cn_file_read(toy_protocol(), sizeof text, &b, &t.err), CN_OK);
    old = cn_buf_str(&b);
    begin = strstr(old, "| Default");
    end = strstr(old, "\n## END Parent");
    cn_text_format(text, sizeof text, "%.*s%s%s", (int)(begin - old), old, rows, end);
    cn_buf_clear(&b);
    return scratch_file(&t.s, "rules.md", text);
}

static double value_at(const struct cn_node *node, const char *path)
{
    struct cn_yaml *y;
    double x = (double)NAN;

    cr_assert_eq(cn_yaml_parse("c", node->config, strlen(node->config), &y, &t.err), CN_OK);
    (void)cn_yaml_number(cn_yaml_path(cn_yaml_root(y), path), &x);
    cn_yaml_free(y);
    return x;
}

static double number(const char *s)
{
    double x = (double)NAN;

    (void)cn_text_parse_double(s, &x);
    return x;
}

/* The number behind the words; 0: they are not there. */
static int64_t id_behind(const char *text, const char *words)
{
    const char *at = strstr(text, words);

    return at ? strtol(at + strlen(words), NULL, 10) : 0;
}

/* "...; node 5 takes training.gain from node 3", unless the reversion check found an older
 * parent. */
static void check_recombine(const struct cn_history *h, const struct cn_iteration *it,
                            const struct cn_node *n)
{
    const struct cn_node *from =
        cn_history_node(h, id_behind(strstr(it->parent_rule, " takes "), "from node "));

    cr_assert_not_null(from, "%s", it->parent_rule);
    cr_assert_eq(n->n_mutations, 1);
    if (strstr(it->parent_rule, "reversion check"))
        return;
    cr_assert_eq(n->parent, id_behind(it->parent_rule, "; node "), "%s", it->parent_rule);
    cr_assert_eq(value_at(n, n->mutations[0].path), value_at(from, n->mutations[0].path), "%s",
                 it->parent_rule);
}

static void check_scale_up(const struct cn_history *h, const struct cn_iteration *it,
                           const struct cn_node *n)
{
    const struct cn_node *move =
        cn_history_node(h, id_behind(it->parent_rule, "once more the move of node "));
    double step, again;

    cr_assert_not_null(move, "%s", it->parent_rule);
    cr_assert_eq(n->parent, move->id);
    cr_assert_str_eq(n->mutations[0].path, move->mutations[0].path);
    step = number(move->mutations[0].new_text) - number(move->mutations[0].old_text);
    again = number(n->mutations[0].new_text) - number(n->mutations[0].old_text);
    cr_assert_gt(step * again, 0, "the same direction");
}

static void check_left_alone(const struct cn_iteration *it, const struct cn_node *n)
{
    const char *end = strstr(it->parent_rule, " is left alone"), *path = end;

    if (!end || strstr(it->parent_rule, "changed after all") ||
        strstr(it->parent_rule, "reversion check"))
        return;
    while (path > it->parent_rule && path[-1] != ' ')
        path--;
    cr_assert(strncmp(n->mutations[0].path, path, (size_t)(end - path)) != 0, "%s changed %s",
              it->parent_rule, n->mutations[0].path);
}

static void check_iteration(const struct cn_history *h, const struct cn_iteration *it)
{
    const struct cn_node *n = cn_history_node(h, it->node);

    if (strcmp(it->strategy, "recombine") == 0)
        check_recombine(h, it, n);
    else if (strcmp(it->strategy, "scale-up") == 0)
        check_scale_up(h, it, n);
    else if (strcmp(it->strategy, "seed-vary") == 0)
        cr_assert(it->replicate);
    else if (strcmp(it->strategy, "random-restart") == 0)
        cr_assert(n->parent == 0 && n->n_mutations >= 1 && n->block == it->block);
    else if (strcmp(it->strategy, "principle-test") == 0)
        cr_assert(strstr(it->parent_rule, ": gained in ") && n->n_mutations == 1);
    else if (strcmp(it->strategy, "switch-dimension") == 0 ||
             strcmp(it->strategy, "boundary-skip") == 0)
        check_left_alone(it, n);
}

Test(loop_rules, every_strategy_gets_its_slot_and_does_what_it_says)
{
    static const char *const strategies[] = {
        "random-restart", "recombine",     "switch-dimension", "scale-up",
        "seed-vary",      "boundary-skip", "degeneracy-break", "principle-test"};
    static const char rows[] =
        "| First 6 iterations | exploit | |\n| Slot 0 | random-restart | |\n"
        "| Slot 1 and 2+ distant nodes > 0 | recombine | |\n| Slot 2 | switch-dimension | |\n"
        "| Slot 3 | scale-up | |\n| Slot 4 | seed-vary | |\n"
        "| Slot 5 and loss > 0 | boundary-skip | |\n"
        "| Slot 6 and score - loss < 1 | degeneracy-break | |\n| Slot 7 | principle-test | |\n"
        "| Default | exploit | |\n";
    int fired[8] = {0};
    struct cn_history h;

    toy_config(&t,
               "  iterations: 46\n  n_iter_block: 46\n  n_parallel: 8\n  confirm: 0\n"
               "  noise_defaults: 1\n  rerun_incumbent: false\n",
               "");
    cr_assert_eq(toy_create(&t, protocol(rows), NULL, 0), CN_OK, "%s", t.err.text);
    cr_assert_eq(toy_explore(&t, NULL, 0), CN_OK, "%s", t.err.text);
    h = toy_history(&t);
    for (int64_t i = 1; i < h.n_iterations; i++) {
        const struct cn_iteration *it = &h.iterations[i];

        cr_assert(cn_text_starts(it->parent_rule, "row ") ||
                      strstr(it->parent_rule, "no new one-key mutation"),
                  "%s", it->parent_rule);
        for (int s = 0; s < 8; s++)
            if (strcmp(it->strategy, strategies[s]) == 0) {
                fired[s]++;
                cr_assert(it->slot == s, "%s in slot %d", it->strategy, it->slot);
            }
        check_iteration(&h, it);
    }
    for (int s = 0; s < 8; s++)
        cr_assert_gt(fired[s], 0, "%s never fired", strategies[s]);
    cr_assert(strstr(toy_read(&t, "run_analysis.md"),
                     "Parent rule: row 5: Slot 3; once more the "
                     "move of node"));
    cn_history_clear(&h);
}

Test(loop_rules, the_blocks_note_stands_in_the_log)
{
    struct cn_history h;

    toy_go(&t, "  iterations: 6\n  n_iter_block: 6\n  confirm: 0\n", "");
    h = toy_history(&t);
    cr_assert(strstr(h.blocks[0].edit_note, "branching rate") &&
                  strstr(h.blocks[0].edit_note, " converged (") &&
                  strstr(h.blocks[0].edit_note, " of 6 failed (") &&
                  strstr(h.blocks[0].edit_note, "was changed most") &&
                  strstr(h.blocks[0].edit_note, "best: node"),
              "%s", h.blocks[0].edit_note);
    cn_history_clear(&h);
}

Test(loop_rules, a_row_about_a_metric_that_nobody_reports_is_told_when_the_run_is_made)
{
    struct cn_history h;
    int notes = 0;

    toy_config(&t, "  iterations: 1\n  n_iter_block: 2\n  confirm: 0\n", "");
    cr_assert_eq(toy_create(&t,
                            protocol("| Default | exploit | |\n| stuck and los > 2 | explore | "
                                     "|\n| loss > 2 | explore | |\n"),
                            NULL, 0),
                 CN_OK, "%s", t.err.text);
    h = toy_history(&t);
    for (int64_t i = 0; i < h.n_events; i++)
        if (strcmp(h.events[i].kind, "note") == 0) {
            notes++;
            cr_assert_str_eq(
                h.events[i].text,
                "row 2 of the rule table: study toy reports no metric \"los\" (did "
                "you mean \"loss\"?), so that part never holds");
        }
    cr_assert_eq(notes, 1);
    cn_history_clear(&h);
}
