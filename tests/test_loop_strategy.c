/* What each strategy proposes on a made-up record, and that nothing but the record decides. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "base/rng.h"
#include "base/text.h"
#include "harness/loop/plan_int.h"

static struct cn_err err = CN_ERR_INIT;

static const char table[] =
    "{\"contract\": 1, \"study\": \"t\", \"parameters\": ["
    "{\"path\": \"training.lr\", \"type\": \"float\", \"default\": 1e-3, \"min\": 1e-7, "
    "\"max\": 1, \"scale\": \"log\"},"
    "{\"path\": \"training.gain\", \"type\": \"float\", \"default\": 0.5, \"min\": 0, \"max\": "
    "4},"
    "{\"path\": \"training.steps\", \"type\": \"int\", \"default\": 20, \"min\": 1, \"max\": "
    "1000},"
    "{\"path\": \"training.batch\", \"type\": \"int\", \"default\": 1, \"choices\": [1, 2, 4, "
    "8]},"
    "{\"path\": \"training.fast\", \"type\": \"bool\", \"default\": false}],"
    "\"metrics\": [{\"name\": \"score\", \"role\": \"primary\"}, {\"name\": \"test_pearson\"}, "
    "{\"name\": \"connectivity_R2\"}]}";

static const char head[] =
    "# t\n\n## Goal\n\nx\n\n## Classification\n\n- **Converged**: score > 0.9\n- **Failed**: "
    "score < 0.1\n\n## Training Parameters to explore\n\n```yaml\ntraining:\n"
    "  lr: 1.0e-3 # range: 1.0e-5 to 1.0e-1\n  gain: 0.5 # range: 0 to 2\n"
    "  steps: 20 # range: 10 to 100\n  batch: 1 # values: 1, 2, 4, 8\n"
    "  fast: false # values: true, false\n```\n\n## Parent Selection Rule (CRITICAL)\n\n"
    "| Condition | Strategy | Action |\n|---|---|---|\n";
static const char tail[] = "\n## END Parent Selection Rule (CRITICAL)\n";

static const char config[] = "training:\n  lr: 1.0e-3   # as given\n  gain: 0.5\n  steps: 20\n"
                             "  batch: 1\n  fast: false\n";

enum { MAX = 64 };

/* One block's record, made by hand. */
static struct lab {
    struct cn_trainer *trainer;
    struct cn_protocol *protocol;
    struct cn_search search;
    struct cn_settings settings;
    struct cn_planner planner;
    struct cn_history h;
    struct cn_node nodes[MAX];
    struct cn_iteration iterations[MAX];
    struct cn_block block;
    struct cn_mutated made[MAX];
    int n_made;
    struct cn_plan plan;
} lab;

static void rules(const char *rows)
{
    char text[8192];

    cn_text_format(text, sizeof text, "%s%s%s", head, rows, tail);
    cn_search_clear(&lab.search);
    cn_protocol_free(lab.protocol);
    cr_assert_eq(cn_protocol_parse("p.md", text, strlen(text), &lab.protocol, &err), CN_OK,
                 "%s", err.text);
    for (int32_t i = 0; i < lab.protocol->n_rules; i++)
        cr_assert_neq(lab.protocol->rules[i].cond, CN_COND_PROSE, "%s",
                      lab.protocol->rules[i].note);
    cr_assert_eq(cn_search_init(&lab.search, lab.protocol, lab.trainer, &err), CN_OK, "%s",
                 err.text);
    lab.planner = (struct cn_planner){.settings = &lab.settings,
                                      .protocol = lab.protocol,
                                      .trainer = lab.trainer,
                                      .search = &lab.search,
                                      .base_config = config};
}

static void setup(void)
{
    memset(&lab, 0, sizeof lab);
    cr_assert_eq(cn_trainer_parse("d.json", table, sizeof table - 1, &lab.trainer, &err), CN_OK,
                 "%s", err.text);
    cn_settings_init(&lab.settings);
    lab.settings.n_iter_block = 12;
    lab.settings.noise_defaults =
        1; /* every plan is a proposal: test_loop_noise.c has the rest */
    cn_text_copy(lab.settings.rerun_incumbent, sizeof lab.settings.rerun_incumbent, "false");
    lab.settings.n_parallel = 4;
    rules("| Default | exploit | |\n");
    cn_arena_init(&lab.h.arena, CN_CAP_ARENA);
    lab.h.info = (struct cn_run_info){.name = "t",
                                      .study = "t",
                                      .reward = "score",
                                      .converged = .9,
                                      .failed = .1,
                                      .n_iter_block = 12,
                                      .n_parallel = 4,
                                      .proposer = "embedded",
                                      .score_kind = "ucb1",
                                      .ucb_c = 1.414,
                                      .c_scale = "none",
                                      .log_keys = "",
                                      .guardrails = "",
                                      .log_fields = ""};
    lab.block = (struct cn_block){.number = 1, .first = 1, .last = 12, .edit_note = ""};
    lab.h.nodes = lab.nodes;
    lab.h.iterations = lab.iterations;
    lab.h.blocks = &lab.block;
    lab.h.n_blocks = 1;
}

static void teardown(void)
{
    cn_plan_clear(&lab.plan);
    for (int i = 0; i < lab.n_made; i++)
        cn_mutated_clear(&lab.made[i]);
    cn_search_clear(&lab.search);
    cn_protocol_free(lab.protocol);
    cn_trainer_free(lab.trainer);
    cn_arena_clear(&lab.h.arena);
}

TestSuite(loop_strategy, .init = setup, .fini = teardown);

static struct cn_iteration *train(int64_t node, double reward)
{
    struct cn_iteration *it = &lab.iterations[lab.h.n_iterations++];

    *it = (struct cn_iteration){.id = lab.h.n_iterations,
                                .node = node,
                                .block = 1,
                                .replicate = node != lab.h.n_iterations,
                                .state = CN_ITER_COMMITTED,
                                .outcome = CN_OUTCOME_OK,
                                .cls = reward > .9   ? CN_CLASS_CONVERGED
                                       : reward < .1 ? CN_CLASS_FAILED
                                                     : CN_CLASS_PARTIAL,
                                .reward = reward,
                                .strategy = "exploit",
                                .parent_rule = "",
                                .scored_value = (double)NAN,
                                .seconds = (double)NAN,
                                .seed_mode = "",
                                .observation = "",
                                .message = "",
                                .trajectory = "",
                                .activity = "",
                                .embedding = "",
                                .hypothesis = "",
                                .dir = "",
                                .token = "",
                                .job = ""};
    return it;
}

/* The block's first node. */
static void root(double reward)
{
    struct cn_yaml *y;

    lab.nodes[0] = (struct cn_node){
        .id = 1, .block = 1, .config = config, .strategy = "root", .proposer = "user"};
    cr_assert_eq(cn_yaml_parse("config", config, sizeof config - 1, &y, &err), CN_OK);
    cr_assert_eq(cn_config_hash(y, lab.nodes[0].config_hash, &err), CN_OK);
    cn_yaml_free(y);
    lab.h.n_nodes = 1;
    train(1, reward);
}

/* A child by one change, trained once. */
static struct cn_iteration *child(int64_t parent, const char *path, const char *value,
                                  double reward)
{
    struct cn_mutated *m = &lab.made[lab.n_made++];
    struct cn_vet vet = {
        .trainer = lab.trainer, .search = &lab.search, .same_is_fine = true, .probe = true};
    struct cn_change c = {path, value};
    struct cn_node *n = &lab.nodes[lab.h.n_nodes];
    int64_t id = lab.h.n_iterations + 1;

    cr_assert_eq(cn_mutation_vet(&vet, cn_history_node(&lab.h, parent)->config, &c, 1, m, &err),
                 CN_OK, "%s", err.text);
    *n = (struct cn_node){.id = id,
                          .parent = parent,
                          .block = 1,
                          .config = m->config,
                          .mutations = m->mutations,
                          .n_mutations = m->n,
                          .strategy = "exploit",
                          .proposer = "embedded"};
    cn_text_copy(n->config_hash, sizeof n->config_hash, m->hash);
    lab.h.n_nodes++;
    return train(id, reward);
}

static void running(struct cn_iteration *it)
{
    it->state = CN_ITER_RUNNING;
    it->outcome = CN_OUTCOME_NONE;
    it->cls = CN_CLASS_NONE;
    it->reward = (double)NAN;
}

/* The next iteration; its words. */
static const char *plan(void)
{
    cn_plan_clear(&lab.plan);
    cr_assert_eq(cn_plan_next(&lab.planner, &lab.h, &lab.plan, &err), CN_OK, "%s", err.text);
    return lab.plan.iteration.parent_rule;
}

static const char *changed_path(void)
{
    cr_assert(lab.plan.new_node);
    cr_assert_eq(lab.plan.node.n_mutations, 1);
    return lab.plan.node.mutations[0].path;
}

static double new_value(void)
{
    double x = (double)NAN;

    (void)changed_path();
    cr_assert(cn_text_parse_double(lab.plan.node.mutations[0].new_text, &x));
    return x;
}

#define SAYS(words)                                                                 \
    cr_assert(strstr(lab.plan.iteration.parent_rule, words), "\"%s\" lacks \"%s\"", \
              lab.plan.iteration.parent_rule, words)

static void is_strategy(const char *name)
{
    cr_assert_str_eq(lab.plan.iteration.strategy, name, "%s", lab.plan.iteration.parent_rule);
}

/* ------------------------------------------------------------------ the strategies */

Test(loop_strategy, recombine_gives_the_better_node_the_value_that_helped_the_other_most)
{
    rules("| 2+ distant nodes > 0.9 | recombine | |\n| Default | exploit | |\n");
    root(.3);
    child(1, "lr", "1.0e-2", .97);
    child(1, "gain", "1.0", .6);
    child(3, "gain", "1.2", .92);
    child(4, "batch", "2", .94);
    plan();
    is_strategy("recombine");
    SAYS("row 1: 2+ distant nodes > 0.9: nodes 2 (0.97), 5 (0.94); node 2 takes training.gain "
         "from node 5");
    cr_assert_eq(lab.plan.node.parent, 2);
    cr_assert_str_eq(changed_path(), "training.gain");
    cr_assert_str_eq(lab.plan.node.mutations[0].new_text, "1.2");
    cr_assert(strstr(lab.plan.iteration.hypothesis, "+0.62"), "%s",
              lab.plan.iteration.hypothesis);
    cr_assert(strstr(lab.plan.node.config, "# as given"), "the config keeps its comments");

    child(2, "gain", "1.2", .5); /* tried: the next best value of node 5 */
    plan();
    cr_assert_eq(lab.plan.node.parent, 2);
    cr_assert_str_eq(changed_path(), "training.batch");
}

Test(loop_strategy, recombine_without_a_pair_exploits_and_says_so)
{
    rules("| Default | recombine | |\n");
    root(.3);
    child(1, "lr", "1.0e-2", .97);
    plan();
    is_strategy("exploit");
    SAYS("no two distant nodes to recombine; so exploit; highest UCB: node");
}

Test(loop_strategy, switch_dimension_leaves_the_parameter_alone_that_was_changed_most)
{
    rules(
        "| > 3 mutations of same parameter | switch-dimension | |\n| Default | exploit | |\n");
    root(.3);
    child(1, "lr", "1.0e-2", .4);
    child(2, "lr", "1.1e-2", .5);
    child(3, "gain", "1", .5);
    child(4, "lr", "1.2e-2", .6);
    plan();
    is_strategy("exploit");
    child(5, "lr", "1.3e-2", .7);
    for (int64_t seed = 1; seed <= 12; seed++) {
        lab.settings.seed = seed;
        plan();
        is_strategy("switch-dimension");
        SAYS("row 1: > 3 mutations of same parameter: training.lr in iterations 2, 3, 5, 6; "
             "highest UCB: node ");
        SAYS("; training.lr is left alone");
        cr_assert_str_neq(changed_path(), "training.lr");
    }
}

Test(loop_strategy, scale_up_repeats_the_last_gain_twice_as_far)
{
    rules("| 3+ partial and improving | scale-up | |\n| Default | exploit | |\n");
    root(.2);
    child(1, "gain", "0.6", .3);
    child(2, "steps", "30", .4);
    child(3, "gain", "0.9", .35);
    plan();
    is_strategy("scale-up");
    SAYS("row 1: 3+ partial and improving: iterations 2, 3, 4, best 0.2 to 0.4; once more the "
         "move of node 3");
    cr_assert_eq(lab.plan.node.parent, 3);
    cr_assert_str_eq(changed_path(), "training.steps");
    cr_assert_str_eq(lab.plan.node.mutations[0].new_text, "50", "20 to 30, then 20 more");
    child(3, "steps", "50", .3)->parent_rule =
        cn_arena_strdup(&lab.h.arena, lab.plan.iteration.parent_rule);
    plan();
    is_strategy("exploit"); /* counts afresh */
}

Test(loop_strategy, scale_up_on_a_log_scale_multiplies_and_stops_at_the_end)
{
    rules("| Default | scale-up | |\n");
    root(.2);
    child(1, "lr", "2.0e-3", .3);
    plan();
    cr_assert_eq(new_value(), 8e-3, "a factor of 2, then of 4");
    child(2, "lr", "5.0e-2", .4);
    plan();
    cr_assert_eq(new_value(), .1, "the end of the range");
    cr_assert_eq(lab.plan.node.parent, 3);
    child(3, "lr", "0.1", .1);
    plan();
    cr_assert_eq(lab.plan.node.parent, 2, "that end was tried: the move before it");
}

Test(loop_strategy, degeneracy_break_explores_from_the_best_node)
{
    static const struct cn_metric good[] = {
        {"score", .5}, {"test_pearson", .6}, {"connectivity_R2", .5}};
    static const struct cn_metric bad[] = {
        {"score", .4}, {"test_pearson", .95}, {"connectivity_R2", .4}};
    struct cn_iteration *it;

    rules("| Degeneracy gap > 0.3 | degeneracy-break | |\n| Default | exploit | |\n");
    root(.3);
    it = child(1, "lr", "2.0e-3", .5);
    it->metrics = good;
    it->n_metrics = 3;
    plan();
    is_strategy("exploit");
    it = child(1, "lr", "3.0e-3", .4);
    it->metrics = bad;
    it->n_metrics = 3;
    plan();
    is_strategy("degeneracy-break");
    SAYS("row 1: Degeneracy gap > 0.3: iteration 3 has 0.55; best node: node 2");
    cr_assert_eq(lab.plan.node.parent, 2);
    cr_assert_str_neq(changed_path(), "training.lr", "lr was tried more than the others");
}

Test(loop_strategy, boundary_skip_leaves_the_parameter_at_its_end)
{
    rules("| 3+ partial at a boundary | boundary-skip | |\n| Default | exploit | |\n");
    root(.3);
    child(1, "gain", "2", .4);
    child(2, "steps", "30", .4);
    plan();
    is_strategy("exploit");
    child(2, "steps", "40", .45);
    for (int64_t seed = 1; seed <= 12; seed++) {
        lab.settings.seed = seed;
        plan();
        is_strategy("boundary-skip");
        SAYS("iterations 2, 3, 4, training.gain at the end of its range; highest UCB: node ");
        SAYS("; training.gain is left alone");
        cr_assert_str_neq(changed_path(), "training.gain");
    }
}

Test(loop_strategy, an_end_where_the_config_began_is_no_boundary)
{
    rules("| 1+ partial at a boundary | boundary-skip | |\n| Default | exploit | |\n");
    root(.3); /* batch 1 is the lowest value, but nobody moved it there */
    child(1, "steps", "30", .4);
    plan();
    is_strategy("exploit");
}

Test(loop_strategy, seed_vary_trains_the_node_again_whose_trainings_differ_most)
{
    rules("| Same config differs by > 0.3 | seed-vary | |\n| Default | exploit | |\n");
    root(.3);
    child(1, "gain", "1", .9);
    train(1, .35);
    plan();
    is_strategy("exploit");
    train(2, .5);
    plan();
    is_strategy("seed-vary");
    cr_assert(!lab.plan.new_node && lab.plan.iteration.replicate);
    cr_assert_eq(lab.plan.iteration.node, 2);
    SAYS("row 1: Same config differs by > 0.3: node 2 differs by 0.4 over 2 trainings");
    cr_assert_neq(lab.plan.iteration.train_seed, lab.iterations[1].train_seed);
}

Test(loop_strategy, principle_test_tries_the_best_supported_move_elsewhere)
{
    rules("| Slot 2 | principle-test | |\n| Default | exploit | |\n");
    root(.3);
    child(1, "lr", "2.0e-3", .5); /* lr up: + */
    child(2, "lr", "5.0e-3", .6); /* lr up: + */
    child(1, "gain", "1.5", .7);  /* gain up: +, the largest single gain */
    child(4, "gain", "1.9", .65); /* gain up: - */
    child(4, "steps", "40", .68); /* steps up: - */
    plan();                       /* iteration 7, slot 2 */
    is_strategy("principle-test");
    SAYS("row 1: Slot 2; training.lr up: gained in 2 of 2 trials; now at node");
    cr_assert_str_eq(changed_path(), "training.lr");
    cr_assert_eq(new_value(), 2e-3, "the value that gained most");
    cr_assert(lab.plan.node.parent == 4 || lab.plan.node.parent == 5 ||
                  lab.plan.node.parent == 6,
              "a node without lr: 1 was part of the evidence");
}

Test(loop_strategy, principle_test_without_evidence_exploits)
{
    rules("| Default | principle-test | |\n");
    root(.3);
    child(1, "lr", "2.0e-3", .2);
    plan();
    is_strategy("exploit");
    SAYS("no supported effect is left to test elsewhere; so exploit");
}

Test(loop_strategy, random_restart_is_a_point_of_the_space_below_the_root)
{
    rules("| 2 consecutive failures | random-restart | |\n| Default | exploit | |\n");
    root(.3);
    child(1, "lr", "2.0e-2", .05);
    child(1, "lr", "3.0e-2", .04)->outcome = CN_OUTCOME_DIVERGED;
    plan();
    is_strategy("random-restart");
    cr_assert_eq(lab.plan.node.parent, 0);
    cr_assert_gt(lab.plan.node.n_mutations, 2);
    SAYS("row 1: 2 consecutive failures: iterations 2, 3; a random point of the space");
}

/* ------------------------------------------------------------------ parents by an action's words */

static int64_t parent_for(const char *action)
{
    char rows[256];

    cn_text_format(rows, sizeof rows, "| Default | exploit | %s |\n", action);
    rules(rows);
    plan();
    return lab.plan.node.parent;
}

Test(loop_strategy, an_action_names_the_parent)
{
    int seen[8] = {0};

    root(.3);
    child(1, "lr", "2.0e-3", .5);
    child(2, "gain", "1", .9);
    child(3, "steps", "30", .4);
    child(3, "batch", "2", .6);
    /* Scores (N = 5): 5 (.6, V 1) 2.39, 4 (.4, V 1) 2.19, 3 (.9, V 3) 1.94, 2 (.5, V 4), 1 */
    cr_assert_eq(parent_for("Use highest UCB node"), 5);
    cr_assert_eq(parent_for("Use second highest UCB node"), 4);
    cr_assert_eq(parent_for("Use the best node"), 3);
    SAYS("best node: node 3");
    cr_assert_eq(parent_for("an under-visited node"), 5);
    cr_assert_eq(parent_for("highest UCB not in last 2 nodes"), 3);
    for (int64_t seed = 0; seed < 40; seed++) {
        lab.settings.seed = seed;
        seen[parent_for("a random node")]++;
    }
    cr_assert(seen[1] && seen[2] && seen[3] && seen[4] && !seen[5], "any but the last one");
}

Test(loop_strategy, the_focus_of_a_block_binds_every_strategy)
{
    static const char *const strategies[] = {"exploit",   "explore",        "failure-probe",
                                             "scale-up",  "principle-test", "switch-dimension",
                                             "recombine", "random-restart"};
    static const bool only_gain[] = {false, true, false, false, false};

    root(.3);
    child(1, "lr", "2.0e-3", .5);
    child(2, "gain", "1", .9);
    child(1, "gain", "0.7", .6);
    child(1, "batch", "2", .65);
    for (size_t i = 0; i < sizeof strategies / sizeof strategies[0]; i++) {
        char rows[256];
        struct cn_plan p;
        struct cn_work w;
        struct cn_view v;

        cn_text_format(rows, sizeof rows, "| Default | %s | |\n", strategies[i]);
        rules(rows);
        cn_work_begin(&w, &lab.planner, &lab.h, &p, &err);
        p.iteration.block = 1;
        w.opt_focus = only_gain;
        cr_assert_eq(cn_view_init(&v, &lab.h, 1, &err), CN_OK);
        cr_assert_eq(cn_plan_embedded(&w, &v), CN_OK, "%s: %s", strategies[i], err.text);
        cr_assert_eq(p.node.n_mutations, 1, "%s: %s", strategies[i], p.iteration.parent_rule);
        cr_assert_str_eq(p.node.mutations[0].path, "training.gain", "%s", strategies[i]);
        cn_view_clear(&v);
        cn_plan_clear(&p);
    }
}

/* ------------------------------------------------------------------ the reversion check */

static struct cn_offer offer_of(int64_t parent, int32_t param, const char *path,
                                const char *value)
{
    struct cn_offer o = {.parent = parent, .param = param};
    struct cn_vet vet = {.trainer = lab.trainer, .search = &lab.search, .history = &lab.h};
    struct cn_change c = {path, value};

    cr_assert_eq(
        cn_mutation_vet(&vet, cn_history_node(&lab.h, parent)->config, &c, 1, &o.found, &err),
        CN_OK, "%s", err.text);
    return o;
}

static bool reverts(struct cn_offer *o)
{
    struct cn_plan p;
    struct cn_work w;
    struct cn_view v;
    bool reverted;

    cn_work_begin(&w, &lab.planner, &lab.h, &p, &err);
    cr_assert_eq(cn_view_init(&v, &lab.h, 1, &err), CN_OK);
    cr_assert_eq(cn_view_rules(&v, &lab.h, &lab.planner, &err), CN_OK);
    cr_assert_eq(cn_plan_reversion(&w, &v, o->param, o, &reverted), CN_OK, "%s", err.text);
    cn_view_clear(&v);
    cn_plan_clear(&p);
    return reverted;
}

Test(loop_strategy, a_parameter_put_back_makes_the_earlier_node_the_parent)
{
    struct cn_offer o;

    root(.3);
    child(1, "lr", "1.0e-2", .4);
    child(2, "gain", "1", .5);
    o = offer_of(3, 0, "lr", "1.0e-3");
    cr_assert(reverts(&o));
    cr_assert_eq(o.parent, 1);
    cr_assert_eq(o.found.n, 1);
    cr_assert_str_eq(o.found.mutations[0].path, "training.gain");
    cr_assert_str_eq(o.found.mutations[0].old_text, "0.5");
    cr_assert_str_eq(o.found.mutations[0].new_text, "1.0");
    cr_assert_str_eq(o.how, "reversion check: training.lr is back at the value of node 1, so "
                            "parent=1");
    cn_mutated_clear(&o.found);
}

Test(loop_strategy, a_new_value_or_two_differences_are_no_reversion)
{
    struct cn_offer o;

    root(.3);
    child(1, "lr", "1.0e-2", .4);
    child(2, "gain", "1", .5);
    o = offer_of(3, 0, "lr", "2.0e-3");
    cr_assert_not(reverts(&o));
    cr_assert_eq(o.parent, 3);
    cn_mutated_clear(&o.found);
    child(3, "steps", "40", .5);
    o = offer_of(4, 0, "lr", "1.0e-3"); /* against node 1: gain and steps */
    cr_assert_not(reverts(&o));
    cn_mutated_clear(&o.found);
    o = offer_of(4, 1, "gain", "0.5"); /* node 2 has that gain, and differs in steps alone */
    cr_assert(reverts(&o));
    cr_assert_eq(o.parent, 2);
    cr_assert_str_eq(o.found.mutations[0].path, "training.steps");
    cn_mutated_clear(&o.found);
}

/* ------------------------------------------------------------------ a row's identity */

Test(loop_strategy, a_row_that_was_moved_has_still_fired)
{
    const char *fired;

    rules("| 2+ consecutive successes | failure-probe | |\n| Default | exploit | |\n");
    root(.95);
    child(1, "lr", "2.0e-3", .95);
    fired = plan();
    is_strategy("failure-probe");
    child(2, "lr", "5.0e-3", .95)->parent_rule = cn_arena_strdup(&lab.h.arena, fired);
    plan();
    is_strategy("exploit"); /* counts afresh */
    rules("| Slot 9 | explore | |\n| Stuck and slot 9 | explore | |\n"
          "| 2+ consecutive successes | failure-probe | |\n| Default | exploit | |\n");
    plan();
    is_strategy("exploit"); /* now row 3, and still used up */
    rules("| Slot 9 | explore | |\n| 1+ consecutive successes | failure-probe | |\n| Default | "
          "exploit | |\n");
    plan();
    is_strategy("failure-probe"); /* another condition: a new row */
}

/* ------------------------------------------------------------------ the record alone decides */

static const char everything[] = "| Slot 3 | principle-test | |\n"
                                 "| 2+ distant nodes > 0.6 and slot 1 | recombine | |\n"
                                 "| 3+ partial and improving | scale-up | |\n"
                                 "| > 3 mutations of same parameter | switch-dimension | |\n"
                                 "| Same config differs by > 0.2 | seed-vary | |\n"
                                 "| No improvement for 4 iters | random-restart | |\n"
                                 "| Branching rate < 20% | force-branch | |\n"
                                 "| Default | exploit | |\n";

static void random_history(uint64_t key)
{
    static const char *const paths[] = {"lr", "gain", "steps", "batch"};
    static const char *const values[][4] = {{"2.0e-3", "5.0e-3", "2.0e-2", "0.1"},
                                            {"0", "0.8", "1.4", "2"},
                                            {"10", "30", "60", "100"},
                                            {"2", "4", "8", "1"}};
    struct cn_rng r;
    int64_t n;

    cn_rng_init(&r, 77, key);
    lab.h.n_nodes = lab.h.n_iterations = 0;
    root(cn_rng_uniform(&r));
    n = 2 + (int64_t)cn_rng_below(&r, 10);
    for (int64_t i = 0; i < n; i++) {
        struct cn_iteration *it;
        int64_t node = lab.nodes[cn_rng_below(&r, (uint64_t)lab.h.n_nodes)].id;
        size_t p = cn_rng_below(&r, 4), x = cn_rng_below(&r, 4);
        double u = cn_rng_uniform(&r), kind = cn_rng_uniform(&r);

        it = kind < .2 ? train(node, u) : child(node, paths[p], values[p][x], u);
        if (kind > .85) {
            it->outcome = CN_OUTCOME_DIVERGED;
            it->cls = CN_CLASS_NONE;
            it->reward = (double)NAN;
        } else if (kind > .75) {
            running(it);
        }
    }
}

/* What depends on when a training ended, and on nothing else. */
static void other_times(uint64_t key)
{
    static const char *const jobs[] = {"local:1", "slurm:812", ""};
    struct cn_rng r;

    cn_rng_init(&r, 78, key);
    for (int64_t i = 0; i < lab.h.n_iterations; i++) {
        struct cn_iteration *it = &lab.iterations[i];

        it->finished_ms = (int64_t)cn_rng_below(&r, 100000);
        it->planned_ms = (int64_t)cn_rng_below(&r, 100000);
        it->seconds = cn_rng_uniform(&r);
        it->attempt = 1 + (int32_t)cn_rng_below(&r, 3);
        it->infra_retries = it->attempt - 1;
        it->job = jobs[cn_rng_below(&r, 3)];
        if (it->state >= CN_ITER_MEASURED)
            it->state = CN_ITER_MEASURED + (cn_iter_state)cn_rng_below(&r, 3);
        else
            it->state = (cn_iter_state)cn_rng_below(&r, 3);
    }
}

Test(loop_strategy, the_order_in_which_trainings_end_decides_nothing)
{
    int fired[CN_STRATEGY_OTHER + 1] = {0};

    rules(everything);
    for (uint64_t key = 0; key < 60; key++) {
        char story[2048], hash[CN_HASH_TEXT];
        int64_t node, parent;
        cn_strategy s;

        for (; lab.n_made > 0; lab.n_made--)
            cn_mutated_clear(&lab.made[lab.n_made - 1]);
        random_history(key);
        cn_text_copy(story, sizeof story, plan());
        cn_text_copy(hash, sizeof hash, lab.plan.node.config_hash);
        node = lab.plan.iteration.node;
        parent = lab.plan.node.parent;
        (void)cn_strategy_parse(lab.plan.iteration.strategy, &s);
        fired[s]++;
        for (uint64_t k = 0; k < 3; k++) {
            other_times(key * 10 + k);
            cr_assert_str_eq(plan(), story, "history %d", (int)key);
            cr_assert_eq(lab.plan.iteration.node, node);
            cr_assert_eq(lab.plan.node.parent, parent);
            cr_assert_str_eq(lab.plan.node.config_hash, hash);
        }
    }
    for (int s = 0; s < CN_STRATEGY_OTHER; s++)
        (void)fprintf(stderr, "%s %d, ", cn_strategy_name((cn_strategy)s), fired[s]);
    cr_assert(fired[CN_STRATEGY_PRINCIPLE_TEST] && fired[CN_STRATEGY_SEED_VARY] &&
                  fired[CN_STRATEGY_EXPLOIT] && fired[CN_STRATEGY_RANDOM_RESTART],
              "the histories are rich enough to mean something");
}

/* ------------------------------------------------------------------ the block's note */

Test(loop_strategy, the_blocks_note_is_its_statistics)
{
    struct cn_buf b;

    root(.5);
    child(1, "lr", "2.0e-3", .6);
    child(1, "lr", "5.0e-3", .95);
    child(3, "gain", "1", .2);
    train(3, .93);
    child(3, "lr", "1.0e-2", .1)->outcome = CN_OUTCOME_DIVERGED;
    running(child(4, "steps", "30", .5));
    cn_buf_init(&b, CN_CAP_TEXT);
    cn_plan_block_note(&lab.planner, &lab.h, 1, &b);
    /* 7 planned, 6 finished. Branching: 2 goes on from 1, 3 leaves 2, 4 goes on from 3, 5 leaves 4
     * (3 again), 6 goes on from 3, 7 leaves 6: 3 of 6; of the last 3: 5 and 7. Improved: 2 and 3 of
     * 2, 3, 4, 6. The parent was the best known: 2, 4, 6 of 2, 3, 4, 6, 7. */
    cr_assert_str_eq(
        cn_buf_str(&b),
        "branching rate 67 % of the last 3, 50 % of all 6; improvement rate 50 % of "
        "4; the parent was the best so far: 60 % of 5; 2 of 6 converged (12 to 65 "
        "%); 1 of 6 failed (4 to 50 %); training.lr was changed most, in 3 of 5 "
        "mutations; 3 of 5 parameters were touched; not stuck; best: node 3, "
        "0.940 +- 0.014 of 2 (at least 0.877 at 90 %)");
    cn_buf_clear(&b);
}
