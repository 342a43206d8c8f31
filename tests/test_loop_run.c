/* Whole runs on the toy trainer: outcomes, stop rules, resuming, a person's words. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "logs/store.h"
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

TestSuite(loop_run, .init = setup, .fini = teardown, .timeout = 100);

static int count_outcome(const struct cn_history *h, cn_outcome o)
{
    int n = 0;

    for (int64_t i = 0; i < h->n_iterations; i++)
        n += h->iterations[i].outcome == o && h->iterations[i].state == CN_ITER_COMMITTED;
    return n;
}

/* Explore after a failure of the test's own making; the test fails when the run does. */
static void explore(const struct cn_run_override *o, int n)
{
    cr_assert_eq(toy_explore(&t, o, n), CN_OK, "%s", t.err.text);
}

static void create(const char *explore_lines, const char *toy_lines)
{
    toy_config(&t, explore_lines, toy_lines);
    cr_assert_eq(toy_create(&t, toy_protocol(), NULL, 0), CN_OK, "%s", t.err.text);
}

Test(loop_run, a_run_goes_from_config_to_report)
{
    struct cn_history h;

    toy_go(&t, "  iterations: 8\n  n_iter_block: 4\n  confirm: 1\n", "");
    h = toy_history(&t);
    cr_assert_eq(t.end, CN_RUN_END_DONE);
    cr_assert_eq(count_outcome(&h, CN_OUTCOME_OK), (int)h.n_iterations);
    cr_assert_eq(h.n_blocks, 2);
    cr_assert(h.blocks[0].closed && h.blocks[1].closed);
    cr_assert_eq(h.nodes[0].n_mutations, 0);
    cr_assert_str_eq(h.nodes[0].config, toy_read(&t, "base.yaml"),
                     "the first iteration is the user's config, byte for byte");
    cr_assert_str_eq(cn_history_node(&h, 5)->strategy, "root");
    cr_assert_str_eq(h.iterations[1].strategy, "noise-floor", "the noise is known early");
    cr_assert(strstr(toy_read(&t, "report.md"), "Gain over the default config"));
    cr_assert(strstr(toy_read(&t, "run_analysis.md"), "## Iter 8:"));
    cr_assert(strstr(toy_read(&t, "snapshots/block_001/memory.md"), "Working Memory"));
    cn_history_clear(&h);
}

Test(loop_run, seeds_follow_iteration_and_slot)
{
    struct cn_history h;

    toy_go(&t,
           "  iterations: 6\n  n_iter_block: 6\n  n_parallel: 3\n  confirm: 0\n"
           "  noise_defaults: 1\n  rerun_incumbent: false\n",
           "");
    h = toy_history(&t);
    for (int64_t i = 0; i < 6; i++) {
        const struct cn_iteration *it = &h.iterations[i];

        cr_assert_eq(it->slot, i % 3);
        cr_assert_eq(it->sim_seed, (uint64_t)(it->id * 1000 + i % 3));
        cr_assert_eq(it->train_seed, it->sim_seed + 500);
    }
    cr_assert(strstr(toy_read(&t, "iter_000005/config.yaml"), "seed: 5001"));
    cr_assert(strstr(toy_read(&t, "iter_000005/config.yaml"), "seed: 5501"));
    cr_assert(strstr(toy_read(&t, "iter_000005/config.yaml"), "# frames"), "comments survive");
    cn_history_clear(&h);
}

Test(loop_run, same_data_keeps_the_blocks_first_simulation_seed)
{
    struct cn_history h;

    toy_go(
        &t,
        "  iterations: 6\n  n_iter_block: 3\n  confirm: 0\n  seed_mode: same-data-robustness\n",
        "");
    h = toy_history(&t);
    for (int64_t i = 0; i < 6; i++) {
        cr_assert_eq(h.iterations[i].sim_seed, i < 3 ? 1000 : 4000);
        cr_assert_eq(h.iterations[i].train_seed, (uint64_t)(1500 + 1000 * i));
    }
    cn_history_clear(&h);
}

Test(loop_run, confirmation_pairs_share_their_seeds)
{
    struct cn_history h;
    int64_t n;

    toy_go(&t, "  iterations: 5\n  n_iter_block: 5\n  confirm: 2\n  confirm_top: 1\n", "");
    h = toy_history(&t);
    n = h.n_iterations;
    cr_assert_eq(n, 9);
    for (int64_t i = 5; i < n; i += 2) {
        cr_assert_eq(h.iterations[i].train_seed, h.iterations[i + 1].train_seed);
        cr_assert_eq(h.iterations[i].sim_seed, h.iterations[i + 1].sim_seed);
        cr_assert_eq(h.iterations[i].node, 1);
        cr_assert_neq(h.iterations[i + 1].node, 1);
    }
    cr_assert_neq(h.iterations[5].train_seed, h.iterations[7].train_seed);
    cn_history_clear(&h);
}

/* ------------------------------------------------------------------ outcomes */

static void ends_as(const char *mode, const char *more, cn_outcome outcome, const char *words)
{
    char explore_lines[256], toy_lines[64];
    struct cn_history h;

    cn_text_format(explore_lines, sizeof explore_lines,
                   "  iterations: 2\n  n_iter_block: 2\n  confirm: 0\n%s", more);
    cn_text_format(toy_lines, sizeof toy_lines, "  mode: %s\n", mode);
    toy_go(&t, explore_lines, toy_lines);
    h = toy_history(&t);
    cr_assert_eq(h.n_iterations, 2);
    cr_assert_eq(count_outcome(&h, outcome), 2, "%s: %s: %s", mode,
                 cn_outcome_name(h.iterations[0].outcome), h.iterations[0].message);
    cr_assert(strstr(h.iterations[0].message, words), "%s: \"%s\" lacks \"%s\"", mode,
              h.iterations[0].message, words);
    cr_assert(isnan(h.iterations[0].reward));
    cn_history_clear(&h);
}

Test(loop_run, divergence_is_recorded)
{
    ends_as("diverge", "", CN_OUTCOME_DIVERGED, "not finite");
}

Test(loop_run, a_crash_is_recorded_with_its_last_words)
{
    ends_as("crash", "", CN_OUTCOME_CRASHED, "shapes do not match");
}

Test(loop_run, a_timeout_is_recorded)
{
    ends_as("hang", "  deadline_min: 0.004\n", CN_OUTCOME_TIMEOUT, "deadline");
}

Test(loop_run, out_of_memory_is_recorded, .disabled = SCRATCH_NO_MEMORY_LIMITS)
{
    ends_as("hog", "  memory_mib: 512\n", CN_OUTCOME_OOM, "exit code 4");
}

Test(loop_run, a_garbage_result_is_a_crash)
{
    ends_as("garbage", "", CN_OUTCOME_CRASHED, "result.json");
}

Test(loop_run, an_undefined_reward_is_divergence)
{
    ends_as("nan", "", CN_OUTCOME_DIVERGED, "score is undefined");
}

Test(loop_run, a_refused_config_is_invalid)
{
    ends_as("refuse", "", CN_OUTCOME_INVALID, "expected something else");
}

Test(loop_run, infra_is_tried_again_and_then_recorded)
{
    struct cn_history h;

    ends_as("selfkill", "  infra_retries: 2\n", CN_OUTCOME_INFRA, "signal 9");
    h = toy_history(&t);
    cr_assert_eq(h.iterations[0].attempt, 3, "two retries, three attempts");
    cn_history_clear(&h);
}

Test(loop_run, a_trainer_that_never_runs_ends_the_loop_with_its_words)
{
    create("  iterations: 9\n  n_iter_block: 9\n  give_up_after: 3\n", "  mode: refuse\n");
    cr_assert_eq(toy_explore(&t, NULL, 0), CN_EIO);
    cr_assert(strstr(t.err.text, "3 iterations in a row") &&
                  strstr(t.err.text, "expected something else"),
              "%s", t.err.text);
}

/* ------------------------------------------------------------------ stop rules */

static void stop_after_two(struct toy_run *r, const char *line)
{
    if (cn_text_starts(line, "iteration 2 "))
        cn_run_request_stop(r->run, 1);
}

Test(loop_run, one_interrupt_finishes_what_runs_and_resume_goes_on)
{
    struct cn_history h;

    create("  iterations: 5\n  n_iter_block: 5\n  confirm: 0\n", "");
    t.listen = stop_after_two;
    explore(NULL, 0);
    cr_assert_eq(t.end, CN_RUN_END_STOPPED);
    h = toy_history(&t);
    cr_assert_eq(count_outcome(&h, CN_OUTCOME_OK), 2);
    cn_history_clear(&h);
    t.listen = NULL;
    explore(NULL, 0);
    cr_assert_eq(t.end, CN_RUN_END_DONE);
    h = toy_history(&t);
    cr_assert_eq(count_outcome(&h, CN_OUTCOME_OK), 5);
    cn_history_clear(&h);
}

static void cancel_second(struct toy_run *r, const char *line)
{
    if (cn_text_starts(line, "iteration 1 "))
        cn_run_request_stop(r->run, 2);
}

Test(loop_run, two_interrupts_cancel_and_the_training_is_not_counted)
{
    struct cn_history h;

    create("  iterations: 3\n  n_iter_block: 3\n  confirm: 0\n  n_parallel: 2\n",
           "  sleep_ms: 150\n");
    t.listen = cancel_second;
    explore(NULL, 0);
    cr_assert_eq(t.end, CN_RUN_END_STOPPED);
    h = toy_history(&t);
    cr_assert_eq(count_outcome(&h, CN_OUTCOME_INFRA), 0);
    cn_history_clear(&h);
    t.listen = NULL;
    explore(NULL, 0);
    h = toy_history(&t);
    cr_assert_eq(count_outcome(&h, CN_OUTCOME_OK), 3);
    cn_history_clear(&h);
}

Test(loop_run, a_reached_target_ends_the_search_and_is_confirmed)
{
    struct cn_history h;
    bool reached = false;

    toy_go(&t, "  iterations: 40\n  n_iter_block: 40\n  confirm: 1\n  target: 0.6\n", "");
    h = toy_history(&t);
    cr_assert_eq(t.end, CN_RUN_END_TARGET);
    cr_assert(h.n_iterations < 40);
    for (int64_t i = 0; i < h.n_nodes; i++)
        reached = reached || (cn_history_spread(&h, h.nodes[i].id, CN_POOL_SEARCH).n >= 2 &&
                              cn_history_spread(&h, h.nodes[i].id, CN_POOL_SEARCH).mean >= 0.6);
    cr_assert(reached, "one run is not enough");
    cr_assert(h.iterations[h.n_iterations - 1].confirmation);
    cr_assert(h.blocks[0].closed, "the unfinished block is in the books");
    cn_history_clear(&h);
}

Test(loop_run, more_iterations_on_resume_go_on_behind_the_confirmations)
{
    const struct cn_run_override more[] = {{"explore.iterations", "6"}};
    struct cn_history h;
    int searched = 0;

    toy_go(&t, "  iterations: 3\n  n_iter_block: 4\n  confirm: 1\n", "");
    explore(more, 1);
    h = toy_history(&t);
    for (int64_t i = 0; i < h.n_iterations; i++)
        searched += !h.iterations[i].confirmation;
    cr_assert_eq(searched, 6);
    cr_assert(h.iterations[h.n_iterations - 1].confirmation);
    cr_assert_eq(count_outcome(&h, CN_OUTCOME_OK), (int)h.n_iterations);
    cn_history_clear(&h);
    explore(NULL, 0); /* the raised number is remembered: nothing more to do */
    h = toy_history(&t);
    cr_assert_eq(count_outcome(&h, CN_OUTCOME_OK), (int)h.n_iterations);
    cn_history_clear(&h);
}

Test(loop_run, what_shapes_the_record_cannot_change)
{
    const struct cn_run_override block[] = {{"explore.n_iter_block", "5"}},
                                 key[] = {{"training.lr", "1"}};

    toy_go(&t, "  iterations: 2\n  n_iter_block: 2\n  confirm: 0\n", "");
    cr_assert_eq(toy_explore(&t, block, 1), CN_EINPUT);
    cr_assert(strstr(t.err.text, "n_iter_block"), "%s", t.err.text);
    cr_assert_eq(toy_explore(&t, key, 1), CN_EINPUT);
    cr_assert(strstr(t.err.text, "training.lr"), "%s", t.err.text);
}

Test(loop_run, a_second_harness_is_refused)
{
    struct cn_run *first = NULL;

    create("  iterations: 2\n  n_iter_block: 2\n", "");
    cr_assert_eq(cn_run_open(t.dir, NULL, 0, &first, &t.err), CN_OK, "%s", t.err.text);
    cr_assert_eq(toy_explore(&t, NULL, 0), CN_ELOCKED);
    cr_assert(strstr(t.err.text, "another harness"), "%s", t.err.text);
    cn_run_close(first);
    explore(NULL, 0);
}

Test(loop_run, a_full_disk_pauses_and_goes_on)
{
    struct cn_history h;

    create("  iterations: 3\n  n_iter_block: 3\n  confirm: 0\n", "");
    cn_clock_freeze(1790000000000); /* so that the pause takes no time */
    cn_file_fail_nth_write(7, ENOSPC);
    explore(NULL, 0);
    cn_clock_thaw();
    cr_assert(strstr(t.told, "paused, no space left"), "%s", t.told);
    h = toy_history(&t);
    cr_assert_eq(count_outcome(&h, CN_OUTCOME_OK), 3);
    cn_history_clear(&h);
}

/* --------------------------------------------------------------- a person's words and edits */

static void say_something(struct toy_run *r, const char *line)
{
    if (cn_text_starts(line, "iteration "))
        cr_assert_eq(cn_run_say(r->dir, "look at the gain", &r->err), CN_OK, "%s", r->err.text);
}

Test(loop_run, words_may_be_said_while_the_run_explores)
{
    struct cn_history h;

    create("  iterations: 4\n  n_iter_block: 4\n  confirm: 0\n", "");
    t.listen = say_something;
    explore(NULL, 0);
    h = toy_history(&t);
    cr_assert_eq(h.n_messages, 4);
    for (int i = 0; i < 3; i++)
        cr_assert_eq(h.messages[i].acked_iteration, i + 2,
                     "picked up before the next iteration is planned");
    cn_history_clear(&h);
}

Test(loop_run, the_message_stop_ends_the_run)
{
    create("  iterations: 4\n  n_iter_block: 4\n", "");
    cr_assert_eq(cn_run_say(t.dir, "stop", &t.err), CN_OK, "%s", t.err.text);
    explore(NULL, 0);
    cr_assert_eq(t.end, CN_RUN_END_STOPPED);
    explore(NULL, 0);
    cr_assert_eq(t.end, CN_RUN_END_DONE, "a stop counts once");
}

Test(loop_run, user_input_is_acknowledged_and_moved)
{
    struct cn_history h;
    const char *text;
    char path[700];

    create("  iterations: 2\n  n_iter_block: 2\n  confirm: 0\n", "");
    cn_text_format(path, sizeof path, "%s/user_input.md", t.dir);
    text = "My notes.\n\n## Pending Instructions\n\n- try a smaller gain\n\nand look at\nthe "
           "L1 term\n\n## Acknowledged\n";
    cr_assert_eq(cn_file_replace(path, text, strlen(text), &t.err), CN_OK);
    explore(NULL, 0);
    h = toy_history(&t);
    cr_assert_eq(h.n_messages, 2);
    cr_assert_eq(h.messages[0].acked_iteration, 1);
    cr_assert_str_eq(h.messages[1].text, "and look at\nthe L1 term");
    cn_history_clear(&h);
    text = toy_read(&t, "user_input.md");
    cr_assert(cn_text_starts(text, "My notes.\n\n## Pending Instructions\n\n"), "%s", text);
    cr_assert(strstr(text, "## Acknowledged\n- iteration 1: try a smaller gain (read;"), "%s",
              text);
    cr_assert(strstr(text, "cannot act on prose"), "%s", text);
    cr_assert(strstr(text, "## Pending") < strstr(text, "smaller gain"));
}

Test(loop_run, the_same_words_again_are_a_new_message)
{
    static const char again[] =
        "## Pending Instructions\n\nlook\n\n## Acknowledged\n- iteration 1: look (read)\n";
    struct cn_history h;
    char path[700];

    create("  iterations: 1\n  n_iter_block: 2\n  confirm: 0\n", "");
    cn_text_format(path, sizeof path, "%s/user_input.md", t.dir);
    cr_assert_eq(cn_file_replace(path, "## Pending Instructions\nlook\n", 29, &t.err), CN_OK);
    explore(NULL, 0);
    cr_assert_eq(cn_file_replace(path, again, strlen(again), &t.err), CN_OK);
    explore((const struct cn_run_override[]){{"explore.iterations", "2"}}, 1);
    h = toy_history(&t);
    cr_assert_eq(h.n_messages, 2);
    cr_assert_eq(h.messages[1].acked_iteration, 2);
    cn_history_clear(&h);
}

static void narrow_gain(struct toy_run *r, const char *line)
{
    char path[700], text[8192];
    const char *old, *at;

    if (!cn_text_starts(line, "iteration 2 "))
        return;
    old = toy_read(r, "protocol.md");
    at = strstr(old, "range: 0 to 2");
    cn_text_format(text, sizeof text, "%.*srange: 0.4 to 0.6%s", (int)(at - old), old, at + 13);
    cn_text_format(path, sizeof path, "%s/protocol.md", r->dir);
    cr_assert_eq(cn_file_replace(path, text, strlen(text), &r->err), CN_OK);
}

Test(loop_run, an_edited_protocol_holds_from_the_next_plan)
{
    struct cn_history h;
    int versions = 0;

    create("  iterations: 12\n  n_iter_block: 12\n  confirm: 0\n  edit_rules: false\n", "");
    t.listen = narrow_gain;
    explore(NULL, 0);
    cr_assert(strstr(t.told, "protocol.md was edited: the new version holds"), "%s", t.told);
    h = toy_history(&t);
    for (int64_t i = 0; i < h.n_texts; i++)
        versions += strcmp(h.texts[i].kind, "protocol") == 0;
    cr_assert_eq(versions, 2);
    cr_assert_str_eq(h.texts[h.n_texts - 1].author, "user");
    cn_history_clear(&h);
}

static void spoil_protocol(struct toy_run *r, const char *line)
{
    char path[700];
    const char *text = "# x\n\n## Goal\n\nx\n\n## Training Parameters to "
                       "explore\n\n```yaml\ntraining:\n  lr: 1.0e-3 "
                       "# range: 5 to 1\n```\n";

    if (!cn_text_starts(line, "iteration 1 "))
        return;
    cn_text_format(path, sizeof path, "%s/protocol.md", r->dir);
    cr_assert_eq(cn_file_replace(path, text, strlen(text), &r->err), CN_OK);
}

Test(loop_run, a_spoilt_protocol_is_told_and_the_old_one_stays)
{
    struct cn_history h;

    create("  iterations: 4\n  n_iter_block: 4\n  confirm: 0\n", "");
    t.listen = spoil_protocol;
    explore(NULL, 0);
    cr_assert(strstr(t.told, "the old version stays in force"), "%s", t.told);
    h = toy_history(&t);
    cr_assert_eq(count_outcome(&h, CN_OUTCOME_OK), 4);
    cn_history_clear(&h);
}

/* ------------------------------------------------------------------ guardrails, the best */

static int count_events(const struct cn_history *h, const char *kind, const char *words)
{
    int n = 0;

    for (int64_t i = 0; i < h->n_events; i++)
        n += strcmp(h->events[i].kind, kind) == 0 && strstr(h->events[i].text, words);
    return n;
}

/* A bound on the loss, which is 1 - score: what breaks it is what a search would like best. */
Test(loop_run, who_breaks_a_guardrail_is_never_announced)
{
    const struct cn_run_override o[] = {{"explore.guardrails", "loss >= 0.35"}};
    struct cn_run_status s;
    struct cn_history h;
    int broken = 0;

    toy_config(&t, "  iterations: 24\n  n_iter_block: 12\n  confirm: 1\n", "");
    cr_assert_eq(toy_create(&t, toy_protocol(), o, 1), CN_OK, "%s", t.err.text);
    explore(NULL, 0);
    h = toy_history(&t);
    cr_assert_str_eq(h.info.guardrails, "loss >= 0.35");
    for (int64_t i = 0; i < h.n_iterations; i++)
        broken += h.iterations[i].reward > 0.65;
    cr_assert(broken > 0, "the bound was met, or this proves nothing");
    cr_assert_eq(cn_run_status(t.dir, &s, &t.err), CN_OK, "%s", t.err.text);
    cr_assert(s.best_node > 0 && s.best_reward <= 0.65, "node %lld: %g", (long long)s.best_node,
              s.best_reward);
    for (int64_t i = 0; i < h.n_iterations; i++)
        if (h.iterations[i].confirmation)
            cr_assert(cn_history_spread(&h, h.iterations[i].node, CN_POOL_SEARCH).n == 0 ||
                      cn_history_spread(&h, h.iterations[i].node, CN_POOL_SEARCH).mean <= 0.65);
    cr_assert(strstr(t.told, " breaks loss >= 0.35"), "%s", t.told);
    cr_assert(strstr(toy_read(&t, "ucb_scores.txt"), "; loss 0.") || broken == 0);
    cr_assert_eq(count_events(&h, "guardrail", ""), 0, "the metric was there");
    cn_history_clear(&h);
}

/* The trainer says that it has a metric and never gives it. */
Test(loop_run, an_absent_metric_keeps_no_guardrail_and_is_told_once)
{
    static const char row[] = "{\"name\": \"loss\",";
    char path[700], table[8192];
    struct cn_run_override o[] = {{"explore.guardrails", "ghost >= 0"},
                                  {"trainer.describe", path}};
    struct cn_run_status s;
    struct cn_history h;
    struct cn_buf b;
    const char *at;

    toy_config(&t, "  iterations: 5\n  n_iter_block: 5\n  confirm: 1\n  n_parallel: 2\n", "");
    cn_buf_init(&b, 8000);
    cn_text_format(path, sizeof path, "%.*s/../tests/e2e/toy_describe.json",
                   (int)(strrchr(toy_protocol(), '/') - toy_protocol()), toy_protocol());
    cr_assert_eq(cn_file_read(path, 8000, &b, &t.err), CN_OK, "%s", t.err.text);
    at = strstr(cn_buf_str(&b), row);
    cn_text_format(table, sizeof table,
                   "%.*s{\"name\": \"ghost\", \"min\": null, \"max\": null, \"better\": "
                   "\"higher\", \"role\": \"info\", \"meaning\": \"x\"}, %s",
                   (int)(at - cn_buf_str(&b)), cn_buf_str(&b), at);
    cn_buf_clear(&b);
    cn_text_copy(path, sizeof path, scratch_file(&t.s, "ghost.json", table));
    cr_assert_eq(toy_create(&t, toy_protocol(), o, 2), CN_OK, "%s", t.err.text);
    explore(NULL, 0);
    h = toy_history(&t);
    cr_assert_eq(count_events(&h, "guardrail", "ghost is absent"), 1);
    cr_assert_eq(h.n_iterations, 5, "nothing is best, so nothing is confirmed");
    cn_history_clear(&h);
    cr_assert_eq(cn_run_status(t.dir, &s, &t.err), CN_OK, "%s", t.err.text);
    cr_assert_eq(s.best_node, 0);
}

Test(loop_run, status_says_how_sure_the_best_is)
{
    struct cn_run_status s;

    toy_go(&t, "  iterations: 9\n  n_iter_block: 9\n  confirm: 0\n", "");
    cr_assert_eq(cn_run_status(t.dir, &s, &t.err), CN_OK, "%s", t.err.text);
    cr_assert(s.best_node > 0 && s.best_bound < s.best_reward, "%g, %g", s.best_bound,
              s.best_reward);
    cr_assert(s.confidence == 0.9 && strstr(s.best_words, " at 90 %)"), "%s", s.best_words);
    cr_assert(s.default_count >= 2, "the noise floor");
    cr_assert_str_eq(s.best_regime, "", "one regime needs no name");
    cr_assert_str_eq(s.reward, "score");
}

/* ------------------------------------------------------------------ making */

static void refuses(const char *protocol, const struct cn_run_override *o, int n,
                    const char *words)
{
    cr_assert_neq(toy_create(&t, protocol, o, n), CN_OK, "expected \"%s\"", words);
    cr_assert(strstr(t.err.text, words), "\"%s\" lacks \"%s\"", t.err.text, words);
    cr_assert(!cn_file_exists(t.dir), "a refused run leaves no folder");
}

Test(loop_run, a_run_that_cannot_work_is_not_made)
{
    const struct cn_run_override setting[] = {{"explore.iteration", "5"}},
                                 value[] = {{"explore.ucb.c", "many"}};
    const struct cn_run_override reward[] = {{"explore.reward", "scores"}},
                                 study[] = {{"study", "fly"}};
    const char *p;

    toy_config(&t, "", "");
    refuses(toy_protocol(), setting, 1, "did you mean \"iterations\"");
    refuses(toy_protocol(), value, 1, "expected a number");
    refuses(toy_protocol(), reward, 1, "did you mean \"score\"");
    refuses(toy_protocol(), study, 1, "expected one of the two");
    p = scratch_file(&t.s, "p.md",
                     "# x\n\n## Goal\n\nx\n\n## Training Parameters to "
                     "explore\n\n```yaml\ntraining:\n  lrr: 1 "
                     "# range: 0 to 1\n```\n");
    refuses(p, NULL, 0, "did you mean \"training.lr\"");
    p = scratch_file(&t.s, "p.md",
                     "# x\n\n## Goal\n\nx\n\n## Training Parameters to "
                     "explore\n\n```yaml\ntraining:\n  lr: 1 "
                     "# range: 0 to 9\n```\n");
    refuses(p, NULL, 0, "the trainer allows 1e-07 to 1 only");
    p = scratch_file(
        &t.s, "p.md",
        "# x\n\n## Goal\n\nx\n\n## Training Parameters to explore\n\n```yaml\nsimulation:\n  "
        "n_frames: 50 # range: 20 to 90\n```\n");
    refuses(p, NULL, 0, "expected under the simulation parameters");
    refuses("/nowhere.md", NULL, 0, "/nowhere.md");
}

Test(loop_run, a_trainer_that_is_not_there_is_refused)
{
    const struct cn_run_override o[] = {{"trainer.command", "[/nowhere/trainer]"}};

    toy_config(&t, "", "");
    refuses(toy_protocol(), o, 1, "trainer.command: /nowhere/trainer: no such program");
}

Test(loop_run, a_run_is_not_made_twice)
{
    create("  iterations: 2\n  n_iter_block: 2\n", "");
    cr_assert_eq(toy_create(&t, toy_protocol(), NULL, 0), CN_EEXIST);
    cr_assert(strstr(t.err.text, "holds a run already"));
}

Test(loop_run, status_tells_where_the_run_stands)
{
    struct cn_run_status s;

    toy_go(&t, "  iterations: 3\n  n_iter_block: 3\n  confirm: 0\n", "");
    cr_assert_eq(cn_run_status(t.dir, &s, &t.err), CN_OK, "%s", t.err.text);
    cr_assert_str_eq(s.name, "run");
    cr_assert_str_eq(s.state, "done");
    cr_assert_eq(s.committed, 3);
    cr_assert_eq(s.total, 3);
    cr_assert(!s.harness_alive && s.best_node > 0 && s.best_reward >= s.default_reward);
}

Test(loop_run, sobol_and_random_points_stay_in_the_protocols_ranges)
{
    static const char *const proposers[] = {"sobol", "random"};

    for (int k = 0; k < 2; k++) {
        char lines[200];
        struct cn_history h;

        cn_text_format(lines, sizeof lines,
                       "  iterations: 6\n  n_iter_block: 6\n  confirm: 0\n  proposer: %s\n",
                       proposers[k]);
        cn_text_format(t.dir, sizeof t.dir, "%s/run_%s", t.s.dir, proposers[k]);
        toy_go(&t, lines, "");
        h = toy_history(&t);
        cr_assert_eq(count_outcome(&h, CN_OUTCOME_OK) + count_outcome(&h, CN_OUTCOME_DIVERGED),
                     6);
        cr_assert_str_eq(h.nodes[1].proposer, proposers[k]);
        for (int64_t i = 1; i < h.n_nodes; i++)
            for (int m = 0; m < h.nodes[i].n_mutations; m++) {
                double v = 0;

                cr_assert(cn_text_parse_double(h.nodes[i].mutations[m].new_text, &v));
                if (strcmp(h.nodes[i].mutations[m].path, "training.lr") == 0)
                    cr_assert(v >= 1e-5 && v <= 1e-1);
                if (strcmp(h.nodes[i].mutations[m].path, "training.gain") == 0)
                    cr_assert(v >= 0 && v <= 2);
            }
        cn_history_clear(&h);
    }
}
