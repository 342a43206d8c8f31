/* Blocks that a partition row drives: through the planner on records made step by step, and in
 * whole runs on the toy trainer. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/basis.h"
#include "harness/loop/plan_int.h"
#include "tests/support/toy.h"

static struct cn_err err = CN_ERR_INIT;

static const char table[] =
    "{\"contract\": 1, \"study\": \"t\", \"parameters\": ["
    "{\"path\": \"training.lr\", \"type\": \"float\", \"default\": 1e-3, \"min\": 1e-7, "
    "\"max\": 1, \"scale\": \"log\"},"
    "{\"path\": \"training.gain\", \"type\": \"float\", \"default\": 0.5, \"min\": 0, \"max\": "
    "4},"
    "{\"path\": \"training.steps\", \"type\": \"int\", \"default\": 20, \"min\": 1, \"max\": "
    "99},"
    "{\"path\": \"training.batch\", \"type\": \"int\", \"default\": 1, \"choices\": [1, 2, 4]},"
    "{\"path\": \"simulation.noise\", \"type\": \"float\", \"default\": 0.1, \"min\": 0, "
    "\"max\": "
    "9, \"class\": \"simulation\"},"
    "{\"path\": \"simulation.frames\", \"type\": \"int\", \"default\": 100, \"min\": 1, "
    "\"max\": "
    "999, \"class\": \"simulation\"}],"
    "\"metrics\": [{\"name\": \"score\", \"role\": \"primary\"}, {\"name\": \"loss\"}]}";

static const char head[] =
    "# t\n\n## Goal\n\nx\n\n## Training Parameters\n\n```yaml\ntraining:\n"
    "  lr: 1.0e-3 # range: 1.0e-5 to 1.0e-1\n  gain: 0.5 # range: 0 to 2\n"
    "  steps: 20 # range: 10 to 50\n  batch: 1 # values: 1, 2, 4\n```\n\n"
    "## Simulation Parameters\n\n```yaml\nsimulation:\n  noise: 0.1 # range: 0 to 1\n"
    "  frames: 100 # range: 50 to 500\n```\n\n"
    "## Block Partition\n\n| Block | Focus | Strategy |\n|---|---|---|\n";

static const char config[] =
    "simulation:\n  noise: 0.1\n  frames: 100\ntraining:\n"
    "  lr: 1.0e-3   # as given\n  gain: 0.5\n  steps: 20\n  batch: 1\n";

enum { MAX = 96, ITER = 6 };

/* A run in memory: what the planner plans becomes its record. */
static struct lab {
    struct cn_arena arena;
    struct cn_trainer *trainer;
    struct cn_protocol *protocol;
    struct cn_search search;
    struct cn_settings settings;
    struct cn_planner planner;
    struct cn_history h;
    struct cn_node nodes[MAX];
    struct cn_iteration its[MAX];
    struct cn_block blocks[MAX];
} lab;

static void setup(void)
{
    memset(&lab, 0, sizeof lab);
    cn_arena_init(&lab.arena, CN_CAP_FILE);
    cr_assert_eq(cn_trainer_parse("d.json", table, sizeof table - 1, &lab.trainer, &err), CN_OK,
                 "%s", err.text);
    cn_settings_init(&lab.settings);
    lab.settings.noise_defaults = 1; /* what is not the partition's is a proposal */
    cn_text_copy(lab.settings.rerun_incumbent, sizeof lab.settings.rerun_incumbent, "false");
    lab.settings.iterations = MAX;
    lab.settings.n_iter_block = ITER;
    lab.settings.near_duplicate = 0;
    lab.h =
        (struct cn_history){.nodes = lab.nodes, .iterations = lab.its, .blocks = lab.blocks};
    lab.h.info = (struct cn_run_info){.reward = "score",
                                      .converged = 0.9,
                                      .failed = 0.1,
                                      .n_iter_block = ITER,
                                      .score_kind = "ucb1",
                                      .ucb_c = 1.414,
                                      .c_scale = "none",
                                      .guardrails = "",
                                      .log_fields = "",
                                      .log_keys = ""};
}

static void teardown(void)
{
    cn_search_clear(&lab.search);
    cn_protocol_free(lab.protocol);
    cn_trainer_free(lab.trainer);
    cn_arena_clear(&lab.arena);
}

TestSuite(loop_partition, .init = setup, .fini = teardown, .timeout = 100);

static void rows(const char *words)
{
    char text[4096];

    cn_text_format(text, sizeof text, "%s%s\n", head, words);
    cr_assert_eq(cn_protocol_parse("p.md", text, strlen(text), &lab.protocol, &err), CN_OK,
                 "%s", err.text);
    cr_assert_eq(cn_search_init(&lab.search, lab.protocol, lab.trainer, &err), CN_OK, "%s",
                 err.text);
    cr_assert_eq(cn_partition_check(&lab.search, lab.protocol, lab.trainer, &err), CN_OK, "%s",
                 err.text);
    lab.planner = (struct cn_planner){.settings = &lab.settings,
                                      .protocol = lab.protocol,
                                      .trainer = lab.trainer,
                                      .search = &lab.search,
                                      .base_config = config};
}

static const char *keep(const char *s)
{
    const char *copy = cn_arena_strdup(&lab.arena, s);

    cr_assert_not_null(copy);
    return copy;
}

static const struct cn_mutation *keep_mutations(const struct cn_mutation *m, int n)
{
    struct cn_mutation *copies = cn_arena_alloc(&lab.arena, (size_t)n + 1, sizeof *copies);

    for (int i = 0; i < n; i++)
        copies[i] =
            (struct cn_mutation){keep(m[i].path), keep(m[i].old_text), keep(m[i].new_text)};
    return copies;
}

static void record(const struct cn_plan *p)
{
    struct cn_iteration *it = &lab.its[lab.h.n_iterations++];

    if (p->open_block) {
        struct cn_block *b = &lab.blocks[lab.h.n_blocks++];

        *b = p->block;
        b->regime = keep_mutations(p->block.regime, p->block.n_regime);
    }
    if (p->new_node) {
        struct cn_node *n = &lab.nodes[lab.h.n_nodes++];

        *n = p->node;
        n->config = keep(p->node.config);
        n->strategy = keep(p->node.strategy);
        n->proposer = keep(p->node.proposer);
        n->mutations = keep_mutations(p->node.mutations, p->node.n_mutations);
    }
    *it = p->iteration;
    it->strategy = keep(p->iteration.strategy);
    it->parent_rule = keep(p->iteration.parent_rule);
    it->hypothesis = keep(p->iteration.hypothesis);
    it->seed_mode = keep(p->iteration.seed_mode);
    it->state = CN_ITER_PLANNED;
}

/* Plan the next one twice, to see that only the record decides, and record it as under way. */
static struct cn_iteration *plan(void)
{
    struct cn_plan a, b;

    if (lab.h.n_blocks > 0 && lab.h.n_iterations >= lab.blocks[lab.h.n_blocks - 1].last)
        lab.blocks[lab.h.n_blocks - 1].closed = true;
    cr_assert_eq(cn_plan_next(&lab.planner, &lab.h, &a, &err), CN_OK, "%s", err.text);
    cr_assert_eq(cn_plan_next(&lab.planner, &lab.h, &b, &err), CN_OK, "%s", err.text);
    cr_assert(a.new_node == b.new_node && a.iteration.node == b.iteration.node);
    cr_assert_str_eq(a.iteration.parent_rule, b.iteration.parent_rule);
    if (a.new_node)
        cr_assert_str_eq(a.node.config, b.node.config);
    record(&a);
    cn_plan_clear(&a);
    cn_plan_clear(&b);
    return &lab.its[lab.h.n_iterations - 1];
}

static void end(struct cn_iteration *it, double reward)
{
    it->state = CN_ITER_COMMITTED;
    it->outcome = CN_OUTCOME_OK;
    it->reward = reward;
}

static struct cn_iteration *go(double reward)
{
    struct cn_iteration *it = plan();

    end(it, reward);
    return it;
}

static void block(double reward)
{
    for (int i = 0; i < ITER; i++)
        (void)go(reward);
}

static double value(const struct cn_iteration *it, const char *path)
{
    struct cn_yaml *y;
    double x = (double)NAN;
    const char *text = cn_history_node(&lab.h, it->node)->config;

    cr_assert_eq(cn_yaml_parse("c", text, strlen(text), &y, &err), CN_OK);
    cr_assert(cn_yaml_number(cn_yaml_path(cn_yaml_root(y), path), &x), "%s", path);
    cn_yaml_free(y);
    return x;
}

static void is_near(double x, double y)
{
    cr_assert(fabs(x - y) <= 1e-12 * fabs(y), "%g, expected %g", x, y);
}

/* ------------------------------------------------------------------ defaults */

Test(loop_partition, a_default_block_trains_the_config_as_given)
{
    rows("| 1 | base | Run defaults |");
    for (int i = 0; i < ITER; i++) {
        struct cn_iteration *it = go(0.5);

        cr_assert_eq(it->node, 1);
        cr_assert_eq(it->replicate, i > 0);
        if (i > 0)
            cr_assert_str_eq(it->strategy, "baseline");
    }
    cr_assert_str_eq(lab.its[2].parent_rule,
                     "partition: block 1, the config as given (3 of 6)");
    cr_assert_neq(lab.its[2].train_seed, lab.its[1].train_seed, "fresh seeds");
}

Test(loop_partition, a_count_of_defaults_ends_and_the_rules_go_on)
{
    rows("| 1 | base | Run defaults 3 times |");
    for (int i = 0; i < 3; i++)
        cr_assert_eq(go(0.5)->node, 1);
    cr_assert_str_eq(lab.its[2].parent_rule,
                     "partition: block 1, the config as given (3 of 3)");
    cr_assert(cn_text_starts(go(0.5)->parent_rule, "row "), "%s", lab.its[3].parent_rule);
    cr_assert_eq(lab.its[3].node, 4);
}

Test(loop_partition, defaults_of_a_later_block_are_a_node_of_their_own_under_its_regime)
{
    const struct cn_node *n;

    rows("| 1 | a | Vary lr (1.0e-4, 1.0e-2) |\n| 2 | a | Vary noise (0.5) |\n"
         "| 3 | b | Run defaults |");
    for (int b = 0; b < 2; b++)
        for (int i = 0; i < ITER; i++) {
            struct cn_iteration *it = plan();

            end(it, value(it, "training.lr") > 5e-3 ? 0.9 : 0.2);
        }
    (void)go(0.9); /* the best of block 2, once more */
    (void)go(0.2);
    n = cn_history_node(&lab.h, lab.its[13].node);
    cr_assert_eq(n->id, 14);
    cr_assert_eq(n->parent, 0);
    cr_assert_str_eq(n->strategy, "baseline");
    cr_assert_str_eq(n->proposer, "user");
    is_near(value(&lab.its[13], "training.lr"), 1e-3);
    is_near(value(&lab.its[13], "simulation.noise"), 0.5);
    cr_assert_eq(go(0.2)->node, 14);
    cr_assert_str_eq(lab.its[14].parent_rule,
                     "partition: block 3, the config as given (2 of 5)");
}

/* ------------------------------------------------------------------ values in turn */

Test(loop_partition, values_are_trained_in_turn_and_then_again)
{
    static const double expect[] = {1e-3, 1e-4, 1e-2, 1e-4, 1e-3, 1e-2};

    rows("| 1 | rate | Vary lr (1e-4, 1.0E-3, 1e-2) |");
    for (int i = 0; i < ITER; i++)
        is_near(value(go(0.5), "training.lr"), expect[i]);
    cr_assert_str_eq(lab.its[1].strategy, "vary");
    cr_assert_str_eq(lab.its[1].parent_rule,
                     "partition: block 1, vary training.lr: 1e-4 (1 of 3)");
    cr_assert_str_eq(lab.its[3].parent_rule,
                     "partition: block 1, vary training.lr: 1e-4 (1 of 3), training 2");
    cr_assert(lab.its[3].replicate && lab.its[3].node == lab.its[1].node);
    cr_assert_eq(lab.its[4].node, 1, "the config as given holds one of the values");
    cr_assert_str_eq(lab.nodes[1].config,
                     "simulation:\n  noise: 0.1\n  frames: 100\ntraining:\n"
                     "  lr: 0.0001   # as given\n  gain: 0.5\n  steps: "
                     "20\n  batch: 1\n");
    cr_assert_eq(lab.nodes[1].parent, 1);
    cr_assert_str_eq(lab.nodes[1].proposer, "protocol");
}

Test(loop_partition, two_parameters_are_crossed_the_last_one_fastest)
{
    rows("| 1 | both | Vary gain (1, 2) and batch (2, 4) |");
    (void)go(0.5);
    for (int i = 0; i < 4; i++) {
        struct cn_iteration *it = go(0.5);

        is_near(value(it, "training.gain"), i < 2 ? 1 : 2);
        is_near(value(it, "training.batch"), i % 2 ? 4 : 2);
    }
    cr_assert_str_eq(lab.its[3].parent_rule,
                     "partition: block 1, vary training.gain: 2, training.batch: 2 (3 of 4)");
    cr_assert_eq(go(0.5)->node, lab.its[1].node);
}

Test(loop_partition, an_iteration_in_flight_counts_as_taken)
{
    rows("| 1 | steps | Vary steps (10, 30, 40) |");
    (void)go(0.5);
    for (int i = 0; i < 3; i++)
        (void)plan();
    is_near(value(&lab.its[1], "training.steps"), 10);
    is_near(value(&lab.its[2], "training.steps"), 30);
    is_near(value(&lab.its[3], "training.steps"), 40);
    end(&lab.its[3], 0.9); /* the order of the ends does not matter */
    cr_assert_eq(plan()->node, lab.its[1].node);
}

Test(loop_partition, a_failed_training_counts_one_lost_to_its_surroundings_does_not)
{
    struct cn_iteration *it;

    rows("| 1 | steps | Vary steps (10, 30) |");
    (void)go(0.5);
    it = plan();
    it->state = CN_ITER_COMMITTED;
    it->outcome = CN_OUTCOME_DIVERGED;
    it = plan();
    is_near(value(it, "training.steps"), 30);
    it->state = CN_ITER_COMMITTED;
    it->outcome = CN_OUTCOME_INFRA;
    it = plan();
    is_near(value(it, "training.steps"), 30);
    cr_assert(it->replicate);
}

/* ------------------------------------------------------------------ the best again */

Test(loop_partition, the_best_of_the_run_is_replicated_wherever_it_was_found)
{
    rows("| 1 | rate | Vary lr (1e-4, 1e-2) |\n| 2 | gain | Vary gain (1, 2) |\n"
         "| 3 | again | Replicate best 4+ times |");
    for (int i = 0; i < ITER; i++) {
        struct cn_iteration *it = plan();

        end(it, value(it, "training.lr") > 5e-3 ? 0.9 : 0.4);
    }
    for (int i = 0; i < ITER; i++)
        (void)go(0.3);
    for (int i = 0; i < ITER; i++) {
        struct cn_iteration *it = go(0.8);

        cr_assert_eq(it->node, 13);
        is_near(value(it, "training.lr"), 1e-2);
        is_near(value(it, "training.gain"), 0.5);
    }
    cr_assert(cn_text_starts(lab.its[12].parent_rule,
                             "block start: node 3, the best of blocks 1 to 2"),
              "%s", lab.its[12].parent_rule);
    cr_assert_str_eq(lab.its[13].strategy, "replicate");
    cr_assert_str_eq(lab.its[13].parent_rule,
                     "partition: block 3, the best config again (2 of 6)");
}

/* ------------------------------------------------------------------ the simulation */

Test(loop_partition, a_row_sets_keeps_or_leaves_the_simulation)
{
    rows("| 2 | noise | Vary noise (0.5) and lr (1e-4, 1e-2) |\n| 3 | rate | Vary lr (1e-3) |\n"
         "| 4 | frames | Vary frames |");
    block(0.5);
    block(0.5);
    is_near(value(&lab.its[6], "simulation.noise"), 0.5);
    is_near(value(&lab.its[7], "training.lr"), 1e-4);
    is_near(value(&lab.its[7], "simulation.noise"), 0.5);
    block(0.5);
    is_near(value(&lab.its[12], "simulation.noise"), 0.5);
    is_near(value(&lab.its[12], "simulation.frames"), 100);
    block(0.5);
    is_near(value(&lab.its[18], "simulation.noise"), 0.5);
    cr_assert_neq(value(&lab.its[18], "simulation.frames"), 100);
    cr_assert_str_eq(lab.blocks[1].regime[0].new_text, "0.5");
    block(0.5); /* no row: one of the two is drawn */
    cr_assert(value(&lab.its[24], "simulation.noise") != 0.5 ||
              value(&lab.its[24], "simulation.frames") !=
                  value(&lab.its[18], "simulation.frames"));
}

/* ------------------------------------------------------------------ focus */

static void only_lr_and_gain_change(const char *proposer)
{
    cn_text_copy(lab.settings.proposer, sizeof lab.settings.proposer, proposer);
    rows("| 1-2 | rates | Vary lr and gain |");
    for (int i = 0; i < 2 * ITER; i++)
        (void)go(0.1 + 0.05 * (i % 7));
    for (int i = 0; i < 2 * ITER; i++) {
        is_near(value(&lab.its[i], "training.steps"), 20);
        is_near(value(&lab.its[i], "training.batch"), 1);
        is_near(value(&lab.its[i], "simulation.noise"), 0.1);
    }
    cr_assert_gt(lab.h.n_nodes, ITER);
}

Test(loop_partition, a_focus_binds_the_embedded_proposer)
{
    only_lr_and_gain_change("embedded");
}

Test(loop_partition, a_focus_binds_points_of_the_space)
{
    only_lr_and_gain_change("sobol");
}

Test(loop_partition, prose_and_blocks_without_a_row_are_searched_as_ever)
{
    rows("| 1 | what | Look around |");
    (void)go(0.5);
    cr_assert(cn_text_starts(go(0.5)->parent_rule, "row "));
}

/* ------------------------------------------------------------------ refused before the run */

static void refused(const char *words, const char *message)
{
    char text[4096];

    cn_text_format(text, sizeof text, "%s%s\n", head, words);
    cr_assert_eq(cn_protocol_parse("p.md", text, strlen(text), &lab.protocol, &err), CN_OK,
                 "%s", err.text);
    cr_assert_eq(cn_search_init(&lab.search, lab.protocol, lab.trainer, &err), CN_OK);
    cr_assert_eq(cn_partition_check(&lab.search, lab.protocol, lab.trainer, &err), CN_EINPUT);
    cr_assert_str_eq(err.text, message);
}

Test(loop_partition, half_a_step_is_refused_with_its_line)
{
    refused("| 2 | a | Vary steps (20, 30.5) |",
            "p.md:29: block partition: training.steps: 30.5: expected a whole number");
}

/* ------------------------------------------------------------------ whole runs */

static const char toy_head[] =
    "# Toy in blocks\n\n## Goal\n\nx\n\n## Classification\n\n- Converged: score > 0.9\n"
    "- Failed: score < 0.1\n\n## Training Parameters\n\n```yaml\ntraining:\n"
    "  lr: 1.0e-3 # range: 1.0e-5 to 1.0e-1\n  gain: 0.5 # range: 0 to 2\n```\n\n";

Test(loop_partition, two_blocks_of_a_run_are_driven_and_the_log_says_so)
{
    struct toy_run t;
    struct cn_history h;
    const char *base, *child, *log;
    char text[2048];

    toy_init(&t);
    cn_text_format(
        text, sizeof text,
        "%s## Guardrails\n\n- loss <= 0.95\n\n## Log Format\n\n```\n## Iter N: x\n"
        "Node: id=N, parent=P\nMode/Strategy: s\nParent rule: r\nNext: parent=P\n```\n",
        toy_head);
    base = scratch_file(&t.s, "base.md", text);
    cr_assert_not_null(base);
    child = scratch_file(&t.s, "child.md",
                         "extends: base.md\n\n## Block Partition\n\n| Block | Focus | Strategy "
                         "|\n|---|---|---|\n| 1 | base | Run defaults 4 times |\n| 2 | gain | "
                         "Vary gain (0.5, 1.0) |\n");
    toy_config(&t, "  iterations: 8\n  n_iter_block: 4\n  n_parallel: 2\n  confirm: 0\n", "");
    cr_assert_eq(toy_create(&t, child, NULL, 0), CN_OK, "%s", t.err.text);
    cr_assert_eq(toy_explore(&t, NULL, 0), CN_OK, "%s", t.err.text);
    h = toy_history(&t);
    cr_assert_eq(h.n_iterations, 8);
    for (int i = 0; i < 4; i++)
        cr_assert_eq(h.iterations[i].node, 1);
    for (int i = 4; i < 8; i++)
        cr_assert_eq(h.iterations[i].node, i % 2 ? 6 : 5);
    cr_assert_str_eq(h.nodes[2].mutations[0].new_text, "1.0");
    cr_assert_str_eq(h.info.guardrails, "loss <= 0.95");
    cr_assert_str_eq(h.info.log_fields, "Mode/Strategy, Parent rule");
    log = toy_read(&t, "run_analysis.md");
    cr_assert(strstr(log, "Parent rule: partition: block 1, the config as given (2 of 4)"));
    cr_assert(strstr(log, "Parent rule: partition: block 2, vary training.gain: 1.0 (2 of 2)"));
    cr_assert_null(strstr(log, "Hypothesis tested:"), "the protocol does not show it");
    log = toy_read(&t, "protocol.md");
    cr_assert(cn_text_starts(log, "<!-- joined by cairn from child.md and base.md -->\n"));
    cr_assert(strstr(log, "# Toy in blocks") && !strstr(log, "extends:"));
    cn_history_clear(&h);
    toy_clear(&t);
}

static void run_is_refused(const char *more, const char *words)
{
    struct toy_run t;
    char text[2048];

    toy_init(&t);
    cn_text_format(text, sizeof text, "%s%s", toy_head, more);
    toy_config(&t, "  iterations: 8\n", "");
    cr_assert_eq(toy_create(&t, scratch_file(&t.s, "p.md", text), NULL, 0), CN_EINPUT);
    cr_assert(strstr(t.err.text, words), "%s", t.err.text);
    toy_clear(&t);
}

Test(loop_partition, a_guardrail_on_an_unknown_metric_makes_no_run)
{
    run_is_refused("## Guardrails\n\n- losss <= 0.5\n",
                   "p.md:22: guardrail: losss: study toy has no such metric; did you mean "
                   "\"loss\"?");
}
