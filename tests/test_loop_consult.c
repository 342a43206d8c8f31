/* Whole runs whose proposer is a model: the toy model behind `command:` (tests/e2e/toy_model.c). */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "base/file.h"
#include "base/text.h"
#include "logs/predictions.h"
#include "logs/store.h"
#include "tests/support/toy.h"

static struct toy_run t;
static char model[600]; /* its folder */

static void setup(void)
{
    toy_init(&t);
    cn_text_format(model, sizeof model, "%s/model", t.s.dir);
    cr_assert_eq(mkdir(model, 0755), 0);
}

static void teardown(void)
{
    toy_clear(&t);
}

TestSuite(loop_consult, .init = setup, .fini = teardown, .timeout = 100);

static void script(const char *lines)
{
    (void)scratch_file(&t.s, "model/script", lines);
}

static void configure(const char *explore)
{
    char lines[2000];

    cn_text_format(lines, sizeof lines, "%s  noise_defaults: 1\n  llm: \"command:%s %s\"\n",
                   explore, scratch_program("toy_model"), model);
    toy_config(&t, lines, "");
    cr_assert_eq(toy_create(&t, toy_protocol(), NULL, 0), CN_OK, "%s", t.err.text);
}

static void go(void)
{
    cr_assert_eq(toy_explore(&t, NULL, 0), CN_OK, "%s", t.err.text);
}

static int calls(void)
{
    char path[700];
    struct cn_buf b;
    int64_t n = 0;

    cn_text_format(path, sizeof path, "%s/calls", model);
    cn_buf_init(&b, 100);
    if (cn_file_exists(path) && cn_file_read(path, 100, &b, NULL) == CN_OK)
        (void)cn_text_parse_int64(cn_buf_str(&b), &n);
    cn_buf_clear(&b);
    return (int)n;
}

static const char *prompt(int call)
{
    static struct cn_buf b;
    char path[700];

    cn_text_format(path, sizeof path, "%s/prompt_%03d", model, call);
    cn_buf_clear(&b);
    cn_buf_init(&b, 64 << 20);
    cr_assert_eq(cn_file_read(path, 64 << 20, &b, NULL), CN_OK, "%s", path);
    return cn_buf_str(&b);
}

#define TWO_BLOCKS "  iterations: 12\n  n_iter_block: 6\n  confirm: 0\n"

Test(loop_consult, a_model_plays_two_blocks)
{
    struct cn_history h;

    configure(TWO_BLOCKS);
    go();
    h = toy_history(&t);
    cr_assert_eq(t.end, CN_RUN_END_DONE);
    cr_assert_eq(h.n_iterations, 12);
    cr_assert_str_eq(h.nodes[0].proposer, "user", "the first iteration is the user's config");
    for (int i = 1; i < 6; i++) {
        const struct cn_node *n = cn_history_node(&h, h.iterations[i].node);

        cr_assert(cn_text_starts(n->proposer, "llm:"), "iteration %d: %s, %s", i + 1,
                  n->proposer, h.iterations[i].parent_rule);
        cr_assert_eq(n->parent, 1);
        cr_assert_not_null(h.iterations[i].prediction);
        cr_assert_eq(h.iterations[i].prediction->probability, 0.75);
        cr_assert(strstr(h.iterations[i].hypothesis, "; expects score = "), "%s",
                  h.iterations[i].hypothesis);
        cr_assert(strstr(h.iterations[i].observation, "The toy model saw this hill."), "%s",
                  h.iterations[i].observation);
    }
    cr_assert_eq(h.iterations[0].prediction, NULL);
    cr_assert(strstr(h.blocks[0].edit_note, "the toy model wants more exploration"), "%s",
              h.blocks[0].edit_note);
    cr_assert(strstr(h.blocks[0].edit_note, "The toy model climbed"), "%s",
              h.blocks[0].edit_note);
    cr_assert(strstr(toy_read(&t, "protocol.md"), "| Default | **explore** |"));
    cr_assert(strstr(h.blocks[1].edit_note, "none: the rules served well"), "%s",
              h.blocks[1].edit_note);
    cr_assert_str_eq(h.blocks[1].regime[0].new_text, "4000");
    cr_assert(strstr(toy_read(&t, "run_memory.md"), "the toy model expects more"));
    cr_assert(strstr(toy_read(&t, "run_memory.md"), "### Predictions"));
    cr_assert(strstr(toy_read(&t, "report.md"), "## What was predicted"));
    cn_history_clear(&h);
}

Test(loop_consult, what_is_refused_is_said_again_and_corrected)
{
    struct cn_history h;

    configure("  iterations: 3\n  n_iter_block: 3\n  confirm: 0\n");
    script("1 refused\n");
    go();
    h = toy_history(&t);
    cr_assert(strstr(prompt(2), "slot: 502: is not asked for; expected one of 2"), "%s",
              prompt(2));
    cr_assert(strstr(prompt(2), "did you mean \"training.gain\"?"));
    cr_assert(strstr(prompt(2), "training.gain: 77"));
    cr_assert(strstr(prompt(2), "expected 0 to 2"));
    cr_assert(cn_text_starts(h.nodes[1].proposer, "llm:"), "%s", h.nodes[1].proposer);
    cn_history_clear(&h);
}

Test(loop_consult, a_bad_edit_is_corrected_and_a_promised_one_asked_for)
{
    struct cn_history h;
    int last;

    configure("  iterations: 4\n  n_iter_block: 2\n  confirm: 0\n");
    /* 1: iteration 1, 2: iteration 2 and nothing, 3: the end of block 1 */
    script("3 badedit\n");
    go();
    h = toy_history(&t);
    last = calls();
    cr_assert(strstr(prompt(4), "- edits[0]: refused"), "%s", prompt(4));
    cr_assert(strstr(prompt(4), "Not there yet"));
    cr_assert(strstr(toy_read(&t, "protocol.md"), "| Default | **explore** |"));
    cr_assert(strstr(h.blocks[0].edit_note, "version 2"), "%s", h.blocks[0].edit_note);
    cr_assert_gt(last, 4);
    cn_history_clear(&h);
}

Test(loop_consult, a_promise_is_asked_for_by_name)
{
    configure("  iterations: 2\n  n_iter_block: 2\n  confirm: 0\n");
    script("3 promise\n");
    go();
    cr_assert(strstr(prompt(4), "you said that you would edit the rules"), "%s", prompt(4));
}

Test(loop_consult, an_outage_is_bridged_by_the_embedded_proposer)
{
    struct cn_history h;
    int said = 0, embedded = 0;

    configure("  iterations: 6\n  n_iter_block: 6\n  confirm: 0\n  llm.repairs: 0\n");
    script("2 prose\n3 broken\n");
    go();
    h = toy_history(&t);
    cr_assert_eq(h.n_iterations, 6);
    for (int i = 1; i < 6; i++) {
        said += cn_text_starts(cn_history_node(&h, h.iterations[i].node)->proposer, "llm:");
        if (strstr(h.iterations[i].parent_rule,
                   "; proposed by embedded: the model did not answer (")) {
            embedded++;
            cr_assert(strstr(h.iterations[i - 1].observation, "no analysis"), "%s",
                      h.iterations[i - 1].observation);
        }
    }
    cr_assert_eq(said + embedded, 5);
    cr_assert_eq(embedded, 2);
    cn_history_clear(&h);
}

Test(loop_consult, a_silent_model_is_left_alone)
{
    struct cn_history h;
    bool rested = false;

    configure("  iterations: 12\n  n_iter_block: 12\n  confirm: 0\n  llm.repairs: 0\n");
    script("all prose\n");
    go();
    h = toy_history(&t);
    cr_assert_eq(calls(), 3, "%d calls", calls());
    for (int64_t i = 0; i < h.n_events; i++)
        rested = rested || strcmp(h.events[i].kind, "llm-rest") == 0;
    cr_assert(rested);
    cr_assert(strstr(h.iterations[8].parent_rule, "no usable answer 3 times in a row"), "%s",
              h.iterations[8].parent_rule);
    cn_history_clear(&h);
}

static void write_to_the_run(struct toy_run *r, const char *line)
{
    static bool done;

    if (!done && strstr(line, "iteration 2 ")) {
        done = true;
        cr_assert_eq(cn_run_say(r->dir, "Please look at batch_size", NULL), CN_OK);
    }
}

Test(loop_consult, a_persons_words_are_answered)
{
    struct cn_history h;

    configure("  iterations: 5\n  n_iter_block: 5\n  confirm: 0\n");
    t.listen = write_to_the_run;
    go();
    h = toy_history(&t);
    cr_assert_eq(h.n_messages, 1);
    cr_assert_neq(h.messages[0].acked_ms, 0);
    cr_assert_str_eq(h.messages[0].answer, "The toy model will\nlook at it.");
    cr_assert(strstr(toy_read(&t, "user_input.md"),
                     ": Please look at batch_size (The toy model will look at it.; 2"),
              "%s", toy_read(&t, "user_input.md"));
    cn_history_clear(&h);
}

Test(loop_consult, slots_are_asked_for_together)
{
    struct cn_history h;

    configure("  iterations: 6\n  n_iter_block: 6\n  n_parallel: 3\n  confirm: 0\n");
    go();
    h = toy_history(&t);
    cr_assert(strstr(prompt(1), "\"phase\": \"start\"") &&
                  strstr(prompt(1), "\"propose\": [2, 3]"),
              "%s", strstr(prompt(1), "WANTED"));
    for (int i = 1; i < 3; i++)
        cr_assert(cn_text_starts(h.nodes[i].proposer, "llm:"));
    cn_history_clear(&h);
}

Test(loop_consult, a_hybrid_shares_the_turns)
{
    struct cn_history h;
    int said = 0, embedded = 0;

    configure("  proposer: hybrid\n  llm.hybrid_share: 0.5\n  iterations: 12\n  n_iter_block: "
              "12\n  confirm: 0\n");
    go();
    h = toy_history(&t);
    for (int i = 1; i < 12; i++) {
        said += cn_text_starts(cn_history_node(&h, h.iterations[i].node)->proposer, "llm:");
        embedded +=
            strstr(h.iterations[i].parent_rule, "its turn; the model's share is") != NULL;
    }
    cr_assert_gt(said, 1);
    cr_assert_gt(embedded, 1);
    cr_assert(strstr(toy_read(&t, "report.md"), "after block 1: the model's share is"));
    cr_assert(strstr(prompt(calls() - 1), "the model's share is"), "%s", prompt(calls() - 1));
    cn_history_clear(&h);
}

/* Text of trainings and of an imported memory is shown inside fences only, and whatever a model
 * makes of it, its answer is vetted like any other. */
Test(loop_consult, a_model_is_named_by_the_settings)
{
    toy_config(&t, "  proposer: llm\n", "");
    cr_assert_eq(toy_create(&t, toy_protocol(), NULL, 0), CN_EINPUT);
    cr_assert(strstr(t.err.text, "which model?"), "%s", t.err.text);
}
