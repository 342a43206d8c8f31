/* logs/read: what the Python systems' own reader gets wrong (and their logs get wrong), one test
 * each, named after it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/text.h"
#include "logs/read.h"
#include "logs/read_scores.h"

static struct cn_err err;
static struct cn_read_log log_;

static void tear_down(void)
{
    cn_read_log_clear(&log_);
}

TestSuite(logs_read_traps, .fini = tear_down);

static void read_with(const struct cn_read_opts *o, const char *text)
{
    cn_read_log_clear(&log_);
    cr_assert_eq(cn_read_log("t", text, strlen(text), o, &log_, &err), CN_OK, "%s", err.text);
}

static void read_text(const char *text)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;

    read_with(&o, text);
}

static int64_t warnings(cn_read_warning_kind kind)
{
    int64_t n = 0;

    for (int64_t i = 0; i < log_.n_warnings; i++)
        n += log_.warnings[i].kind == kind;
    return n;
}

static double reward(int64_t id)
{
    const struct cn_iteration *it = cn_history_iteration(&log_.history, id);

    cr_assert(it, "iteration %lld", (long long)id);
    return it->reward;
}

static int64_t parent(int64_t id)
{
    const struct cn_node *n = cn_history_node(&log_.history, id);

    cr_assert(n, "node %lld", (long long)id);
    return n->parent;
}

/* ---- P1 .. P9 ---- */

Test(logs_read_traps, p1_a_negative_reward_keeps_its_node_and_its_children)
{
    read_text("## Iter 1: failed\nNode: id=1, parent=root\nMetrics: connectivity_R2=-0.12\n"
              "## Iter 2: failed\nNode: id=2, parent=1\nMetrics: connectivity_R2=-1.5e+01\n");
    cr_assert_eq(reward(1), -.12);
    cr_assert_eq(reward(2), -15.);
    cr_assert_eq(parent(2), 1);
    cr_assert_eq(log_.n_warnings, 0);
}

Test(logs_read_traps, p2_a_scientific_reward_is_not_its_mantissa)
{
    read_text("## Iter 1: failed\nNode: id=1, parent=root\nMetrics: connectivity_R2=3.1e-04\n");
    cr_assert_eq(reward(1), 3.1e-4);
    cr_assert_eq(log_.n_warnings, 0);
}

Test(logs_read_traps, p3_a_reward_quoted_in_prose_is_no_reward)
{
    read_text("## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.5\n"
              "Observation: Node 1 had connectivity_R2=0.95\n"
              "as before: connectivity_R2=0.97\n");
    cr_assert_eq(reward(1), .5);
    cr_assert_eq(warnings(CN_READ_PROSE_METRIC), 2);
}

Test(logs_read_traps, p4_several_slots_go_by_the_rule_that_was_asked_for)
{
    static const double want[] = {.68, .45, .91, .91, .45};
    static const char text[] = "## Iter 1: partial\nNode: id=1, parent=root\n"
                               "Slot 0: connectivity_R2=0.91\nSlot 1: connectivity_R2=0.45\n";
    struct cn_read_opts o = CN_READ_OPTS_INIT;

    for (int i = 0; i < 5; i++) {
        o.multi = (cn_read_multi)i;
        read_with(&o, text);
        cr_assert_float_eq(reward(1), want[i], 1e-15);
        cr_assert_eq(warnings(CN_READ_MULTI_VALUE), 1);
    }
    /* a Metrics line beats the slots */
    read_text("## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.7\n"
              "Slot 0: connectivity_R2=0.91\nSlot 1: connectivity_R2=0.45\n");
    cr_assert_eq(reward(1), .7);
}

/* A batch of four: every slot's entry says what its own successor starts from. */
Test(logs_read_traps, p5_a_siblings_next_does_not_change_a_parent)
{
    read_text("## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.5\n"
              "Next: parent=1\n"
              "## Iter 2: partial\nNode: id=2, parent=root\nMetrics: connectivity_R2=0.6\n"
              "Next: parent=2\n"
              "## Iter 3: partial\nNode: id=3, parent=root\nMetrics: connectivity_R2=0.7\n"
              "Next: parent=1\n"
              "## Iter 4: partial\nNode: id=4, parent=root\nMetrics: connectivity_R2=0.8\n");
    for (int i = 1; i <= 4; i++)
        cr_assert_eq(parent(i), 0, "%d", i);
    cr_assert_eq(warnings(CN_READ_PARENT_CONFLICT), 3);
}

Test(logs_read_traps, p6_bullets_bold_and_colons_are_read_with_a_warning)
{
    read_text("## Iter 1: partial\n- Node: id=1, parent=root\nconnectivity_R2: 0.8\n"
              "**Mutation:** lr_W: 1E-3 -> 2E-3\n");
    cr_assert_eq(reward(1), .8);
    cr_assert_eq(log_.history.nodes[0].n_mutations, 1);
    cr_assert_str_eq(log_.history.nodes[0].mutations[0].new_text, "2E-3");
    cr_assert_geq(warnings(CN_READ_LOOSE_FORM), 3);
}

Test(logs_read_traps, p7_an_id_given_twice_keeps_the_first_and_tells)
{
    read_text("## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.5\n"
              "## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.9\n");
    cr_assert_eq(log_.history.n_iterations, 1);
    cr_assert_eq(reward(1), .5);
    cr_assert_eq(warnings(CN_READ_DUPLICATE_ID), 1);
    cr_assert_eq(log_.warnings[0].line, 4);
}

Test(logs_read_traps, p8_every_node_of_another_reward_survives)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;

    o.reward = "final_r2";
    read_with(&o, "## Iter 1: partial\nNode: id=1, parent=root\nMetrics: final_r2=0.1\n"
                  "## Iter 2: partial\nNode: id=2, parent=1\nMetrics: final_r2=0.2\n"
                  "## Iter 3: partial\nNode: id=3, parent=2\nMetrics: final_r2=0.3\n");
    cr_assert_eq(log_.history.n_nodes, 3);
    cr_assert_eq(reward(3), .3);
    cr_assert_eq(log_.n_warnings, 0);
}

Test(logs_read_traps, p9_score_lines_of_every_writer_are_read)
{
    static const char text[] =
        "=== UCB Scores (Simulation block 0, iters 1-12, N=2, c=1.414) ===\n\n"
        "Node 2: UCB=2.384, parent=1, visits=1, conn_R2=0.970, R2=0.970, stimuli_R2=0.5, "
        "Pearson=0.9, Time=12.5, Mutation=lr: 1E-4 -> 2E-4, R2=0.1\n"
        "Node 1: UCB=1.516, parent=root, visits=4, R2=0.950 [CURRENT]\n"
        "=== UCB Scores (N_total=1, c=1) ===\n"
        "Node 7: R2=-0.12, visits=1, parent=None, UCB=-0.5\n";
    struct cn_read_scores s;

    cr_assert_eq(cn_read_scores("s", text, strlen(text), &s, &err), CN_OK);
    cr_assert_eq(s.n_tables, 2);
    cr_assert_eq(s.tables[0].n_rows, 2);
    cr_assert_eq(s.tables[0].first, 1);
    cr_assert_eq(s.tables[0].last, 12);
    cr_assert_eq(s.tables[0].total, 2);
    cr_assert_eq(s.tables[0].c, 1.414);
    cr_assert_eq(s.tables[0].rows[0].reward, .97, "not the one in the mutation");
    cr_assert_eq(s.tables[0].rows[0].line, 3);
    cr_assert_eq(s.tables[0].rows[1].parent, 0);
    cr_assert_eq(s.tables[1].total, 1);
    cr_assert_eq(s.tables[1].rows[0].reward, -.12);
    cn_read_scores_clear(&s);
}

/* ---- blocks ---- */

Test(logs_read_traps, a_block_summary_renames_nobody)
{
    read_text("## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.5\n"
              "## Iter 2: partial\nNode: id=2, parent=1\nMetrics: connectivity_R2=0.6\n"
              "## Simulation Block 1 Summary (iters 1-2)\nBest R2: 0.6 at iter 2\n"
              "--- NEW SIMULATION BLOCK ---\nNext simulation: n_frames=32000\n"
              "Node: id=3, parent=root\n");
    cr_assert_eq(log_.history.n_nodes, 2);
    cr_assert_eq(parent(2), 1);
    cr_assert_eq(log_.n_warnings, 0);
    cr_assert_eq(log_.n_summaries, 1);
    cr_assert(strstr(log_.summaries[0].text, "Best R2: 0.6 at iter 2"));
}

/* Block 9 of one iteration: nothing is renumbered. */
Test(logs_read_traps, r1_an_orphan_block_stays_as_it_is)
{
    struct cn_buf b;
    char line[200];

    cn_buf_init(&b, CN_CAP_TEXT);
    for (int i = 1; i <= 6; i++) {
        (void)snprintf(line, sizeof(line),
                       "## Iter %d: partial\nNode: id=%d, parent=root\n"
                       "Metrics: connectivity_R2=0.5\n",
                       i, i);
        cn_buf_adds(&b, line);
        if (i == 4)
            cn_buf_adds(&b, "## Simulation Block 1 Summary (iters 1-4)\n");
        if (i == 5)
            cn_buf_adds(&b, "## Simulation Block 2 Summary (iters 5-5)\n");
    }
    read_text(cn_buf_str(&b));
    cn_buf_clear(&b);
    cr_assert_eq(log_.history.n_blocks, 3);
    cr_assert_eq(log_.history.blocks[1].first, 5);
    cr_assert_eq(log_.history.blocks[1].last, 5);
    cr_assert(log_.history.blocks[1].closed);
    cr_assert_eq(log_.history.blocks[2].first, 6);
    cr_assert_eq(log_.history.blocks[2].last, 9, "as long as the first");
    cr_assert_eq(log_.history.iterations[5].id, 6);
    cr_assert_eq(log_.n_warnings, 0);
}

Test(logs_read_traps, r2_entries_out_of_order_and_missing_next_lines_are_put_right)
{
    read_text("## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.5\n"
              "## Iter 3: partial\nNode: id=3, parent=2\nMetrics: connectivity_R2=0.7\n"
              "## Iter 2: partial\nNode: id=2, parent=1\nMetrics: connectivity_R2=0.6\n");
    cr_assert_eq(log_.history.n_nodes, 3);
    for (int i = 1; i <= 3; i++) {
        cr_assert_eq(log_.history.iterations[i - 1].id, i);
        cr_assert_eq(parent(i), i - 1);
    }
    cr_assert_eq(warnings(CN_READ_OUT_OF_ORDER), 1);
    cr_assert_eq(log_.n_warnings, 1);
}

Test(logs_read_traps, a_summary_that_contradicts_the_block_size_is_told)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    static const char text[] =
        "## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.5\n"
        "## Iter 2: partial\nNode: id=2, parent=1\nMetrics: connectivity_R2=0.5\n"
        "## Iter 3: partial\nNode: id=3, parent=2\nMetrics: connectivity_R2=0.5\n"
        "## Simulation Block 2 Summary (iters 1-3)\n";

    read_text(text);
    cr_assert_eq(log_.history.n_blocks, 1);
    cr_assert_geq(warnings(CN_READ_BLOCKS), 1);
    o.n_iter_block = 2;
    read_with(&o, text);
    cr_assert_eq(log_.history.n_blocks, 2);
    cr_assert_eq(log_.history.iterations[2].block, 2);
    cr_assert_eq(warnings(CN_READ_BLOCKS), 1);
}

/* B=12, P=8: the batch 9-16 crosses the end of block 1; an iteration's block is by its id. */
Test(logs_read_traps, a_batch_that_crosses_a_block_end_is_split)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    for (int i = 1; i <= 16; i++)
        cn_buf_printf(&b,
                      "## Iter %d: partial\nNode: id=%d, parent=root\n"
                      "Metrics: connectivity_R2=0.5\n",
                      i, i);
    o.n_iter_block = 12;
    read_with(&o, cn_buf_str(&b));
    cn_buf_clear(&b);
    for (int i = 0; i < 16; i++)
        cr_assert_eq(log_.history.iterations[i].block, i < 12 ? 1 : 2);
    cr_assert(log_.history.blocks[0].closed);
    cr_assert_not(log_.history.blocks[1].closed);
}

/* A run of ours that went on after its confirmations: 3 and 4 belong to no block. */
Test(logs_read_traps, confirmations_may_lie_between_blocks)
{
    read_text("# Exploration log: x\n<!-- cairn log, format 1, reward connectivity_R2. -->\n"
              "<!-- settings: better=higher, n_iter_block=2 -->\n"
              "## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.5\n"
              "## Iter 2: partial\nNode: id=2, parent=1\nMetrics: connectivity_R2=0.6\n"
              "## Simulation Block 1 Summary (iters 1-2)\n"
              "## Iter 3: partial\nNode: id=1, parent=root\nReplicate: of node 1\n"
              "Confirmation: fresh seeds\nMetrics: connectivity_R2=0.5\n"
              "## Iter 4: partial\nNode: id=2, parent=1\nReplicate: of node 2\n"
              "Confirmation: fresh seeds\nMetrics: connectivity_R2=0.5\n"
              "## Iter 5: partial\nNode: id=5, parent=root\nMetrics: connectivity_R2=0.5\n");
    cr_assert_eq(log_.n_warnings, 0, "%s", log_.n_warnings ? log_.warnings[0].text : "");
    cr_assert_eq(log_.history.n_blocks, 2);
    cr_assert_eq(log_.history.blocks[1].first, 5);
    cr_assert_eq(log_.history.blocks[1].last, 6);
    cr_assert_eq(log_.history.iterations[2].block, 0);
    cr_assert_eq(log_.history.iterations[4].block, 2);
}

/* ---- prose, fields, volumes ---- */

Test(logs_read_traps, prose_is_kept_and_unknown_fields_are_told)
{
    read_text("## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.5\n"
              "Observation: it works\nVerdict: supported\nMood of the day: sunny\n"
              "and this goes on\n### A heading\n");
    cr_assert_str_eq(
        log_.history.iterations[0].observation,
        "it works | Verdict: supported | Mood of the day: sunny | and this goes on "
        "| A heading");
    cr_assert_eq(warnings(CN_READ_UNKNOWN_FIELD), 1);
    cr_assert_eq(log_.n_warnings, 1);
    cr_assert_eq(log_.warnings[0].line, 6);
}

Test(logs_read_traps, an_entry_keeps_a_bounded_amount_of_prose)
{
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_adds(&b, "## Iter 1: partial\nNode: id=1, parent=root\n"
                    "Metrics: connectivity_R2=0.5\n");
    for (int i = 0; i < 4000; i++)
        cn_buf_adds(&b, "words that go on and on and on and on\n");
    for (int i = 0; i < 1 << 18; i++)
        cn_buf_adds(&b, "huge");
    read_text(cn_buf_str(&b));
    cn_buf_clear(&b);
    cr_assert_leq(strlen(log_.history.iterations[0].observation), 64u << 10);
    cr_assert_gt(strlen(log_.history.iterations[0].observation), 60000u);
    cr_assert_eq(warnings(CN_READ_CUT), 1);
}

Test(logs_read_traps, bytes_that_are_no_text_become_question_marks)
{
    read_text("# a\xff"
              "b\n## Iter 1: partial\nNode: id=1, parent=root\n"
              "Metrics: connectivity_R2=0.5, t\xc3=1\nObservation: x\x80y\n");
    cr_assert_str_eq(log_.history.info.name, "a?b");
    cr_assert_str_eq(log_.history.iterations[0].observation, "x?y");
    for (int i = 0; i < log_.history.iterations[0].n_metrics; i++) {
        const char *name = log_.history.iterations[0].metrics[i].name;
        cr_assert(cn_text_utf8_valid(name, strlen(name)));
    }
}

Test(logs_read_traps, a_field_outside_every_entry_is_told)
{
    read_text("# A log\nSome words.\nNode: id=4, parent=root\n"
              "## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.5\n");
    cr_assert_eq(log_.history.n_nodes, 1);
    cr_assert_eq(warnings(CN_READ_DROPPED), 1);
    cr_assert_eq(log_.warnings[0].line, 3);
}

Test(logs_read_traps, volumes_are_one_log_and_warnings_name_the_file)
{
    static const char first[] =
        "# Exploration log: x\n"
        "## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=0.5\n"
        "## Iter 2: partial\nNode: id=2, parent=1\nMetrics: connectivity_R2=0.6\n";
    static const char second[] =
        "## Iter 3: partial\nNode: id=3, parent=2\nMetrics: connectivity_R2=0.7\n"
        "## Iter 2: partial\nNode: id=2, parent=root\nMetrics: connectivity_R2=0.9\n";
    const struct cn_read_part parts[] = {{"x_analysis.001.md", first, sizeof(first) - 1},
                                         {"x_analysis.md", second, sizeof(second) - 1}};
    struct cn_read_opts o = CN_READ_OPTS_INIT;

    cr_assert_eq(cn_read_logs(parts, 2, &o, &log_, &err), CN_OK);
    cr_assert_eq(log_.history.n_nodes, 3);
    cr_assert_eq(reward(2), .6);
    cr_assert_eq(parent(3), 2);
    cr_assert_eq(warnings(CN_READ_DUPLICATE_ID), 1);
    for (int64_t i = 0; i < log_.n_warnings; i++) {
        cr_assert_str_eq(log_.warnings[i].file, "x_analysis.md");
        cr_assert_eq(log_.warnings[i].line, 4);
    }
    cr_assert_eq(log_.n_entries, 3);
    cr_assert_str_eq(log_.entries[0].file, "x_analysis.001.md");
}

Test(logs_read_traps, a_config_line_is_kept_beside_the_history)
{
    read_text("## Iter 1: partial\nNode: id=1, parent=root\n"
              "Config: lr_W=1E-3, lr=5E-4, noise=0.05\nMetrics: connectivity_R2=0.5\n");
    cr_assert_eq(log_.entries[0].n_config, 3);
    cr_assert_str_eq(log_.entries[0].config[2].path, "noise");
    cr_assert_str_eq(log_.entries[0].config[2].new_text, "0.05");
}

/* ---- scores alone ---- */

Test(logs_read_traps, a_score_file_alone_is_a_history)
{
    static const char text[] =
        "=== UCB Scores (Simulation block 0, iters 1-4, N=3, c=1.414) ===\n\n"
        "Node 3: UCB=2.384, parent=1, visits=1, R2=0.970, tau_R2=0.500, Mutation=lr: 1E-4 -> "
        "2E-4\n"
        "Node 1: UCB=1.516, parent=root, visits=3, R2=0.950\n"
        "Node 2: UCB=1.100, parent=1, visits=1, R2=-0.100, Pearson=0.8\n";
    struct cn_read_opts o = CN_READ_OPTS_INIT;

    cr_assert_eq(cn_read_scores_log("s", text, sizeof(text) - 1, &o, &log_, &err), CN_OK);
    cr_assert_eq(log_.history.n_nodes, 3);
    cr_assert_eq(reward(2), -.1);
    cr_assert_eq(parent(3), 1);
    cr_assert_eq(cn_iteration_metric(&log_.history.iterations[2], "tau_R2"), .5);
    cr_assert_eq(cn_iteration_metric(&log_.history.iterations[1], "test_pearson"), .8);
    cr_assert_str_eq(log_.history.nodes[2].mutations[0].new_text, "2E-4");
    cr_assert_eq(log_.history.n_blocks, 1);
    cr_assert_eq(log_.history.blocks[0].first, 1);
    cr_assert_eq(warnings(CN_READ_OUT_OF_ORDER), 0);
    cr_assert_eq(warnings(CN_READ_SCORE), 1, "what a score file cannot say");
}

/* ---- cost ---- */

/* Ten thousand summaries, entries and metrics: seconds would show something quadratic. */
Test(logs_read_traps, large_logs_are_read_in_linear_time, .timeout = 20)
{
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    for (int i = 1; i <= 20000; i++)
        cn_buf_printf(&b,
                      "## Iter %d: partial\nNode: id=%d, parent=%d\n"
                      "Metrics: connectivity_R2=0.5\nOdd name: x\n"
                      "## Simulation Block %d Summary (iters %d-%d)\n",
                      i, i, i - 1, i, i, i);
    cn_buf_adds(&b, "## Iter 20001: partial\nNode: id=20001, parent=1\nMetrics: ");
    for (int i = 0; i < 20000; i++)
        cn_buf_printf(&b, "m%d=1, ", i);
    cn_buf_adds(&b, "connectivity_R2=0.5\n");
    read_text(cn_buf_str(&b));
    cn_buf_clear(&b);
    cr_assert_eq(log_.history.n_blocks, 20001);
    cr_assert_leq(log_.history.iterations[20000].n_metrics, 512);
    cr_assert_eq(reward(20001), .5, "the reward is found even where metrics are cut");
    cr_assert_eq(warnings(CN_READ_UNKNOWN_FIELD), 20000);
}
