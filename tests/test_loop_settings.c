/* Settings: defaults, three sources, strict keys and values. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "harness/loop/settings.h"

static struct cn_err err = CN_ERR_INIT;

static cn_status read_text(struct cn_settings *s, const char *yaml)
{
    struct cn_yaml *y;
    cn_status st = cn_yaml_parse("base.yaml", yaml, strlen(yaml), &y, &err);

    cr_assert_eq(st, CN_OK, "%s", err.text);
    cn_settings_init(s);
    st = cn_settings_read_yaml(s, y, &err);
    cn_yaml_free(y);
    return st;
}

Test(loop_settings, defaults_hold_without_a_section)
{
    struct cn_settings s;

    cr_assert_eq(read_text(&s, "study: fly\n"), CN_OK);
    cr_assert_eq(s.n_iter_block, 12);
    cr_assert_eq(s.n_parallel, 1);
    cr_assert_float_eq(s.ucb_c, 1.414, 0);
    cr_assert(isnan(s.target));
    cr_assert_str_eq(s.proposer, "embedded");
    cr_assert_eq(cn_settings_check(&s, &err), CN_OK);
}

Test(loop_settings, nested_and_old_spellings_are_read)
{
    struct cn_settings s;

    cr_assert_eq(
        read_text(&s, "explore:\n  ucb: {kind: puct, c: 0.5, c_scale: spread}\n  slots: 4\n"),
        CN_OK, "%s", err.text);
    cr_assert_str_eq(s.ucb_kind, "puct");
    cr_assert_float_eq(s.ucb_c, .5, 0);
    cr_assert_str_eq(s.c_scale, "spread");
    cr_assert_eq(s.n_parallel, 4);
    cr_assert_eq(cn_settings_score(&s).kind, CN_SCORE_PUCT);
}

Test(loop_settings, an_old_section_is_read_and_what_means_nothing_is_named)
{
    struct cn_settings s;

    cr_assert_eq(
        read_text(
            &s,
            "claude:\n  n_iter_block: 24\n  ucb_c: 1.0\n  n_epochs: 1\n  node_name: h100\n"),
        CN_OK, "%s", err.text);
    cr_assert_eq(s.n_iter_block, 24);
    cr_assert_float_eq(s.ucb_c, 1, 0);
    cr_assert_str_eq(s.notes, "n_epochs, node_name");
    cr_assert_eq(read_text(&s, "explore:\n  n_epochs: 1\n"), CN_EINPUT,
                 "not in the new section");
}

Test(loop_settings, the_new_section_wins_over_the_old)
{
    struct cn_settings s;

    cr_assert_eq(read_text(&s, "explore:\n  n_iter_block: 6\nclaude:\n  n_iter_block: 24\n"),
                 CN_OK);
    cr_assert_eq(s.n_iter_block, 6);
}

static void refuses(const char *yaml, const char *words)
{
    struct cn_settings s;

    cr_assert_eq(read_text(&s, yaml), CN_EINPUT, "%s", yaml);
    cr_assert(strstr(err.text, words), "\"%s\" lacks \"%s\"", err.text, words);
}

Test(loop_settings, mistakes_name_line_key_value_and_expectation)
{
    refuses("a: 1\nexplore:\n  iteration: 5\n",
            "base.yaml:3: explore.iteration: no such setting; did you mean \"iterations\"?");
    refuses("explore:\n  iterations: 0\n",
            "base.yaml:2: explore.iterations: 0: expected a whole number from 1 to");
    refuses("explore:\n  iterations: 2.5\n", "expected a whole number");
    refuses("explore:\n  proposer: gpt\n",
            "explore.proposer: gpt: expected one of embedded tpe sobol random");
    refuses("explore:\n  ucb: {kind: ucb2}\n",
            "explore.ucb.kind: ucb2: expected one of ucb1 puct");
    refuses("explore: 5\n", "base.yaml:1: explore: expected settings below it, found");
    refuses("explore:\n  iterations: [1, 2]\n", "expected a single value");
    refuses("explore:\n  max_hours: -1\n", "expected a number from 0");
}

Test(loop_settings, more_slots_than_a_block_has_iterations_are_refused)
{
    struct cn_settings s;

    cr_assert_eq(read_text(&s, "explore:\n  n_iter_block: 4\n  n_parallel: 5\n"), CN_OK);
    cr_assert_eq(cn_settings_check(&s, &err), CN_EINPUT);
}

Test(loop_settings, naming_a_model_makes_it_the_proposer_unless_one_is_named)
{
    struct cn_settings s;

    cn_settings_init(&s);
    cr_assert_eq(cn_settings_set(&s, "llm", "command:'a b' c", "x", &err), CN_OK, "%s",
                 err.text);
    cr_assert_str_eq(s.proposer, "llm");
    cr_assert_str_eq(s.llm, "command:'a b' c");
    cr_assert_eq(cn_settings_set(&s, "proposer", "hybrid", "x", &err), CN_OK);
    cr_assert_eq(cn_settings_set(&s, "llm.spec", "openai:gpt", "x", &err), CN_OK);
    cr_assert_str_eq(s.proposer, "hybrid", "it was named");
    cr_assert_str_eq(s.llm, "openai:gpt");
    cr_assert_eq(cn_settings_check(&s, &err), CN_OK);
    cr_assert_eq(cn_settings_set(&s, "llm", "two\nlines", "x", &err), CN_EINPUT);
    cr_assert_eq(cn_settings_set(&s, "llm.hybrid_share", "0.95", "x", &err), CN_EINPUT);
    cn_settings_init(&s);
    cr_assert_eq(cn_settings_set(&s, "proposer", "llm", "x", &err), CN_OK);
    cr_assert_eq(cn_settings_check(&s, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "which model?"), "%s", err.text);
}
