/* The hunt for a mutation and whole points, on records made by hand. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/text.h"
#include "harness/loop/observations.h"
#include "harness/loop/plan_int.h"

static struct cn_err err = CN_ERR_INIT;
static struct cn_trainer *trainer;
static struct cn_protocol *protocol;
static struct cn_search search;
static struct cn_settings settings;
static struct cn_planner planner;

enum { MAX = 24 };
static struct cn_node nodes[MAX];
static struct cn_iteration its[MAX];
static struct cn_mutation muts[MAX];
static char configs[MAX][400], texts[MAX][2][32];
static struct cn_block blocks[2];
static struct cn_history h;

static const char table[] = "{\"contract\": 1, \"study\": \"t\", \"parameters\": ["
                            "{\"path\": \"training.lr\", \"type\": \"float\", \"default\": "
                            "1e-3, \"min\": 1e-6, \"max\": 1, "
                            "\"scale\": \"log\"},"
                            "{\"path\": \"training.steps\", \"type\": \"int\", \"default\": "
                            "20, \"min\": 1, \"max\": 1000},"
                            "{\"path\": \"training.mode\", \"type\": \"string\", \"default\": "
                            "\"a\", \"choices\": [\"a\", "
                            "\"b\", \"c\"]},"
                            "{\"path\": \"simulation.n\", \"type\": \"int\", \"default\": 100, "
                            "\"min\": 1, \"max\": 9999, "
                            "\"class\": \"simulation\"}],"
                            "\"metrics\": [{\"name\": \"r2\", \"role\": \"primary\"}]}";

static const char words[] =
    "# t\n\n## Goal\n\nx\n\n## Training Parameters to explore\n\n```yaml\ntraining:\n"
    "  lr: 1.0e-3 # range: 1.0e-5 to 1.0e-1\n  steps: 20 # range: 10 to 100\n"
    "  mode: a # values: a, b, c\n```\n";

static void setup(void)
{
    cr_assert_eq(cn_trainer_parse("d.json", table, sizeof table - 1, &trainer, &err), CN_OK,
                 "%s", err.text);
    cr_assert_eq(cn_protocol_parse("p.md", words, sizeof words - 1, &protocol, &err), CN_OK,
                 "%s", err.text);
    cr_assert_eq(cn_search_init(&search, protocol, trainer, &err), CN_OK, "%s", err.text);
    cn_settings_init(&settings);
    settings.noise_defaults = 1; /* every plan is a proposal */
    cn_text_copy(settings.rerun_incumbent, sizeof settings.rerun_incumbent, "false");
    planner = (struct cn_planner){.settings = &settings,
                                  .protocol = protocol,
                                  .trainer = trainer,
                                  .search = &search,
                                  .base_config = ""};
    memset(&h, 0, sizeof h);
    blocks[0] = (struct cn_block){.number = 1, .first = 1, .last = MAX, .edit_note = ""};
    h.nodes = nodes;
    h.iterations = its;
    h.blocks = blocks;
    h.n_blocks = 1;
}

static void teardown(void)
{
    cn_search_clear(&search);
    cn_protocol_free(protocol);
    cn_trainer_free(trainer);
}

TestSuite(loop_hunt, .init = setup, .fini = teardown);

/* One training of lr, steps, mode; reward NaN: died. */
static void add(int64_t parent, const char *key, const char *from, const char *to, double lr,
                int steps, const char *mode, double reward)
{
    int64_t i = h.n_nodes++, id = i + 1;
    struct cn_yaml *y;

    (void)snprintf(configs[i], sizeof configs[i],
                   "training:\n  lr: %.6f\n  steps: %d\n  mode: %s\nsimulation:\n  n: 100\n  "
                   "seed: %d\n",
                   lr, steps, mode, (int)id);
    cn_text_copy(texts[i][0], sizeof texts[i][0], from);
    cn_text_copy(texts[i][1], sizeof texts[i][1], to);
    muts[i] = (struct cn_mutation){key, texts[i][0], texts[i][1]};
    nodes[i] = (struct cn_node){.id = id,
                                .parent = parent,
                                .block = 1,
                                .config = configs[i],
                                .mutations = &muts[i],
                                .n_mutations = key[0] ? 1 : 0,
                                .strategy = "exploit",
                                .proposer = "embedded"};
    cr_assert_eq(cn_yaml_parse("c", configs[i], strlen(configs[i]), &y, &err), CN_OK);
    cr_assert_eq(cn_config_hash(y, nodes[i].config_hash, &err), CN_OK);
    cn_yaml_free(y);
    its[h.n_iterations++] =
        (struct cn_iteration){.id = id,
                              .node = id,
                              .block = 1,
                              .state = CN_ITER_COMMITTED,
                              .outcome = isnan(reward) ? CN_OUTCOME_DIVERGED : CN_OUTCOME_OK,
                              .reward = reward,
                              .strategy = "exploit",
                              .parent_rule = ""};
}

static void lr(int64_t parent, double from, double to, double reward)
{
    char a[32], b[32];

    (void)snprintf(a, sizeof a, "%.6f", from);
    (void)snprintf(b, sizeof b, "%.6f", to);
    add(parent, "training.lr", a, b, to, 20, "a", reward);
}

/* The higher the rate the better, until it dies. */
static void a_record(void)
{
    add(0, "", "", "", 1e-3, 20, "a", .3);
    lr(1, 1e-3, 3e-4, .1);
    lr(1, 1e-3, 3e-3, .5);
    lr(3, 3e-3, 8e-3, .7);
    lr(4, 8e-3, 8e-2, (double)NAN);
    lr(4, 8e-3, 1.2e-2, .75);
}

static cn_status hunt(int64_t parent, cn_mutate_kind kind, const bool *focus,
                      struct cn_mutate_change *c, struct cn_plan *plan)
{
    struct cn_work w;
    struct cn_hunt t = {.w = &w};
    cn_status st;

    cn_work_begin(&w, &planner, &h, plan, &err);
    plan->iteration.block = 1;
    w.opt_focus = focus;
    t.parent = cn_history_node(&h, parent);
    st = cn_hunt_for(&t, kind, c);
    cn_mutated_clear(&t.found);
    return st;
}

Test(loop_hunt, observations_are_configs_with_their_trainings_pooled)
{
    struct cn_observations o;
    struct cn_arena a;

    a_record();
    its[6] = its[0];
    its[6].id = 7;
    its[6].replicate = true;
    its[6].reward = .4;
    its[7] = its[1];
    its[7].id = 8;
    its[7].confirmation = true;
    its[7].reward = 9;
    its[8] = its[2];
    its[8].id = 9;
    its[8].outcome = CN_OUTCOME_INFRA;
    h.n_iterations = 9;
    cn_arena_init(&a, 1 << 20);
    cr_assert_eq(cn_observations_of(&planner, &h, 1, &a, &o, &err), CN_OK, "%s", err.text);
    cr_assert_eq(o.n, 6);
    cr_assert_float_eq(o.obs[0].reward, .35, 1e-12);
    cr_assert_eq(o.obs[0].n, 2);
    cr_assert_float_eq(o.obs[1].reward, .1, 1e-12, "a confirmation is not of the search");
    cr_assert_eq(o.obs[2].n, 1);
    cr_assert(o.obs[4].failed);
    cr_assert_eq(o.node[5], 6);
    cr_assert_eq(o.obs[3].point[1], 20);
    its[5].state = CN_ITER_RUNNING;
    its[4].outcome = CN_OUTCOME_PRUNED;
    cr_assert_eq(cn_observations_of(&planner, &h, 1, &a, &o, &err), CN_OK, "%s", err.text);
    cr_assert(o.obs[5].in_flight);
    cr_assert(isnan(o.obs[4].reward) && !o.obs[4].failed, "pruned: poor, not dead");
    cn_arena_clear(&a);
}

Test(loop_hunt, blocks_of_one_regime_share_a_number_and_a_config_is_there_once)
{
    struct cn_mutation hundred = {"simulation.n", "", "100"},
                       other = {"simulation.n", "", "150"};
    struct cn_observations o;
    struct cn_arena a;

    a_record();
    nodes[5] = nodes[3]; /* block 2 begins with the best of block 1 */
    nodes[5].id = 6;
    nodes[5].block = 2;
    blocks[0].regime = &hundred;
    blocks[1] = blocks[0];
    blocks[1].number = 2;
    blocks[0].n_regime = blocks[1].n_regime = 1;
    h.n_blocks = 2;
    cn_arena_init(&a, 1 << 20);
    cr_assert_eq(cn_observations_of(&planner, &h, 2, &a, &o, &err), CN_OK, "%s", err.text);
    cr_assert_eq(o.regime, 1);
    cr_assert_eq(o.n, 5);
    cr_assert_eq(o.obs[3].n, 2);
    cr_assert_float_eq(o.obs[3].reward, (.7 + .75) / 2, 1e-12);
    blocks[1].regime = &other;
    cn_text_copy(nodes[5].config_hash, sizeof nodes[5].config_hash, "another");
    cr_assert_eq(cn_observations_of(&planner, &h, 2, &a, &o, &err), CN_OK, "%s", err.text);
    cr_assert_eq(o.regime, 2);
    cr_assert_eq(o.n, 6);
    cr_assert_eq(o.obs[5].regime, 2);
    cn_arena_clear(&a);
}

Test(loop_hunt, the_model_follows_good_nodes_away_from_dead_ones_and_says_so)
{
    struct cn_mutate_change c, again;
    struct cn_plan plan, other;
    const bool only_lr[] = {true, false, false};

    a_record();
    cr_assert_eq(hunt(2, CN_MUTATE_EXPLOIT, only_lr, &c, &plan), CN_OK, "%s", err.text);
    cr_assert_eq(c.param, 0);
    cr_assert_gt(c.to, 3e-4, "up from the poor end: %g", c.to);
    cr_assert(strstr(c.why, "; towards node 6 (good side), away from node 2 (poor)"), "%s",
              c.why);
    cr_assert_eq(hunt(2, CN_MUTATE_EXPLOIT, only_lr, &again, &other), CN_OK, "%s", err.text);
    cr_assert_eq(c.to, again.to);
    cr_assert_str_eq(c.why, again.why);
    cn_plan_clear(&plan);
    cn_plan_clear(&other);
}

Test(loop_hunt, only_parameters_of_the_focus_change)
{
    const bool focus[] = {false, true, false};
    static const cn_mutate_kind kinds[] = {CN_MUTATE_EXPLOIT, CN_MUTATE_EXPLORE,
                                           CN_MUTATE_PROBE};
    static const char *const models[] = {"tpe", "slope"};

    a_record();
    for (int m = 0; m < 2; m++)
        for (int k = 0; k < 3; k++) {
            struct cn_mutate_change c;
            struct cn_plan plan;

            cn_text_copy(settings.model, sizeof settings.model, models[m]);
            cr_assert_eq(hunt(4, kinds[k], focus, &c, &plan), CN_OK, "%s", err.text);
            cr_assert_eq(c.param, 1, "%s, kind %d", models[m], k);
            cn_plan_clear(&plan);
        }
}

/* Of the values that EXPLORE would draw for lr, half lie where everything died. */
Test(loop_hunt, exploring_keeps_away_from_where_trainings_died)
{
    const bool only_lr[] = {true, false, false};
    int died = 0;

    add(0, "", "", "", 1e-3, 20, "a", .3);
    for (int i = 0; i < 5; i++)
        lr(1, 1e-3, 1.5e-3 * pow(2.2, i), i < 1 ? .4 : (double)NAN);
    for (int i = 0; i < 4; i++)
        lr(1, 1e-3, 1.2e-5 * pow(2.5, i), .2);
    for (int k = 0; k < 12; k++) {
        struct cn_mutate_change c;
        struct cn_plan plan;

        settings.seed = k + 1;
        cr_assert_eq(hunt(1, CN_MUTATE_EXPLORE, only_lr, &c, &plan), CN_OK, "%s", err.text);
        died += c.to > 3e-3 && c.to < 5e-2;
        cn_plan_clear(&plan);
    }
    cr_assert_eq(died, 0, "%d of 12", died);
}

/* Rewards in other units: an error of 1e6, an accuracy of 1e-4. */
Test(loop_hunt, the_units_of_the_reward_change_no_decision)
{
    struct cn_mutate_change c, scaled;
    struct cn_plan plan, other;

    a_record();
    cn_text_copy(settings.c_scale, sizeof settings.c_scale, "spread");
    cr_assert_eq(hunt(4, CN_MUTATE_EXPLOIT, NULL, &c, &plan), CN_OK, "%s", err.text);
    for (int64_t i = 0; i < h.n_iterations; i++)
        its[i].reward = -8e6 + 4e6 * its[i].reward;
    cr_assert_eq(hunt(4, CN_MUTATE_EXPLOIT, NULL, &scaled, &other), CN_OK, "%s", err.text);
    cr_assert_eq(c.param, scaled.param);
    cr_assert_float_eq(c.to, scaled.to, 1e-9);
    cn_plan_clear(&plan);
    cn_plan_clear(&other);
}

Test(loop_hunt, the_tpe_proposer_begins_with_sobol_points_and_goes_on_with_the_model)
{
    struct cn_plan plan;

    cn_text_copy(settings.proposer, sizeof settings.proposer, "tpe");
    add(0, "", "", "", 1e-3, 20, "a", .3);
    cr_assert_eq(cn_plan_next(&planner, &h, &plan, &err), CN_OK, "%s", err.text);
    cr_assert(strstr(plan.iteration.parent_rule, "Sobol"), "%s", plan.iteration.parent_rule);
    cn_plan_clear(&plan);
    h.n_nodes = h.n_iterations = 0;
    a_record();
    cr_assert_eq(cn_plan_next(&planner, &h, &plan, &err), CN_OK, "%s", err.text);
    cr_assert(strstr(plan.iteration.parent_rule, "density"), "%s", plan.iteration.parent_rule);
    cr_assert(plan.new_node);
    cr_assert_str_eq(plan.node.proposer, "tpe");
    cn_plan_clear(&plan);
}
