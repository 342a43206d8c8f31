/* Trainings spent on the noise, and confirmations: what is planned from histories whose answer is
 * known by hand. */
#include <stdio.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "harness/loop/plan.h"
#include "tests/support/made_history.h"

static struct cn_err err = CN_ERR_INIT;
static struct cn_settings settings;
static struct cn_trainer *trainer;
static struct cn_protocol *protocol;
static struct cn_search search;
static struct cn_planner planner;
static struct made_history m;
static struct cn_plan p;

static const char table[] =
    "{\"contract\": 1, \"study\": \"t\", \"parameters\": ["
    "{\"path\": \"training.lr\", \"type\": \"float\", \"default\": 1e-3, \"min\": 1e-6, "
    "\"max\": 1, \"scale\": \"log\"},"
    "{\"path\": \"simulation.noise\", \"type\": \"float\", \"default\": 0.1, \"min\": 0, "
    "\"max\": 9, \"class\": \"simulation\"}],"
    "\"metrics\": [{\"name\": \"score\", \"role\": \"primary\"}]}";
static const char words[] =
    "# t\n\n## Goal\n\nx\n\n## Training Parameters to explore\n\n```yaml\ntraining:\n"
    "  lr: 1.0e-3 # range: 1.0e-5 to 1.0e-2\n```\n\n"
    "## Simulation Parameters to explore\n\n```yaml\nsimulation:\n  noise: 0.1 # range: 0 to "
    "1\n```\n";
static const char config[] = "training:\n  lr: 1.0e-3\nsimulation:\n  noise: 0.1\n";

static void setup(void)
{
    cr_assert_eq(cn_trainer_parse("d.json", table, sizeof table - 1, &trainer, &err), CN_OK,
                 "%s", err.text);
    cr_assert_eq(cn_protocol_parse("p.md", words, sizeof words - 1, &protocol, &err), CN_OK,
                 "%s", err.text);
    cr_assert_eq(cn_search_init(&search, protocol, trainer, &err), CN_OK, "%s", err.text);
    cn_settings_init(&settings);
    settings.noise_defaults = 1;
    planner = (struct cn_planner){.settings = &settings,
                                  .protocol = protocol,
                                  .trainer = trainer,
                                  .search = &search,
                                  .base_config = config};
    made_init(&m);
    made_block(&m, "0.1");
}

static void teardown(void)
{
    cn_plan_clear(&p);
    cn_search_clear(&search);
    cn_protocol_free(protocol);
    cn_trainer_free(trainer);
}

TestSuite(loop_noise, .init = setup, .fini = teardown);

/* A node with a config that can be read; `name` tells it from the others. */
static struct cn_iteration *node(int64_t parent, const char *name, double reward)
{
    struct cn_iteration *it = made_node(&m, parent, name, reward);

    m.nodes[m.h.n_nodes - 1].config = config;
    return it;
}

static const struct cn_iteration *next(void)
{
    cn_plan_clear(&p);
    cr_assert_eq(cn_plan_next(&planner, &m.h, &p, &err), CN_OK, "%s", err.text);
    return &p.iteration;
}

/* The plan becomes part of the history, with this outcome. */
static void train(double reward)
{
    struct cn_iteration *it = made_again(&m, p.iteration.node, reward);

    it->strategy = "noise-check";
    it->sim_seed = p.iteration.sim_seed;
    it->train_seed = p.iteration.train_seed;
    it->confirmation = p.iteration.confirmation;
    if (it->confirmation) /* points into the plan no longer */
        it->strategy = strcmp(p.iteration.strategy, "confirm-default") == 0 ? "confirm-default"
                                                                            : "confirm-best";
}

static bool is_check(const struct cn_iteration *it, int64_t of)
{
    return strcmp(it->strategy, "noise-check") == 0 && it->node == of && it->replicate;
}

/* ------------------------------------------------------------------ the floor */

Test(loop_noise, the_config_as_given_is_repeated_in_the_first_half_of_block_1)
{
    settings.noise_defaults = 3; /* of 12: two repeats, as the third and the fifth */
    node(0, "a", 0.5);
    cr_assert_str_neq(next()->strategy, "noise-floor", "not at once");
    node(1, "b", 0.6);
    cr_assert_str_eq(next()->strategy, "noise-floor");
    cr_assert(next()->node == 1 && next()->replicate);
    cr_assert_str_eq(next()->parent_rule,
                     "noise floor: the config as given (node 1) once more, 2 of 3");
    cr_assert_eq(next()->sim_seed, 3000, "fresh seeds: nobody is compared with it");
    cr_assert_eq(next()->train_seed, 3500);
    train(0.5);
    m.its[2].strategy = "noise-floor";
    cr_assert_str_neq(next()->strategy, "noise-floor", "not both at once");
    node(1, "c", 0.4);
    cr_assert_str_eq(next()->strategy, "noise-floor");
    train(0.5);
    m.its[4].strategy = "noise-floor";
    cr_assert_str_neq(next()->strategy, "noise-floor", "that was all");
}

Test(loop_noise, a_repeat_that_runs_is_spent)
{
    settings.noise_defaults = 2;
    for (int i = 0; i < 4; i++)
        node(i > 0, (const char *const[]){"a", "b", "c", "d"}[i], 0.5);
    cr_assert_str_eq(next()->strategy, "noise-floor");
    made_again(&m, 1, NAN)->strategy = "noise-floor";
    m.its[4].state = CN_ITER_RUNNING;
    cr_assert_str_neq(next()->strategy, "noise-floor");
}

Test(loop_noise, the_floor_is_of_block_1_alone)
{
    settings.noise_defaults = 3;
    node(0, "a", 0.5);
    made_block(&m, "0.1");
    for (int i = 0; i < 5; i++)
        node(i > 0 ? 2 : 0, (const char *const[]){"b", "c", "d", "e", "f"}[i], 0.5 + 0.01 * i);
    cr_assert_str_neq(next()->strategy, "noise-floor");
}

Test(loop_noise, a_default_that_cannot_be_trained_is_not_repeated)
{
    settings.noise_defaults = 3;
    node(0, "a", NAN);
    for (int i = 0; i < 5; i++)
        node(1, (const char *const[]){"b", "c", "d", "e", "f"}[i], 0.5);
    cr_assert_str_neq(next()->strategy, "noise-floor");
}

/* ------------------------------------------------------------------ the incumbent */

/* Node 2 is good three times, node 5 better once: which one leads is not known. */
static void lucky(void)
{
    node(0, "a", 0.5);
    node(1, "good", 0.95);
    made_again(&m, 2, 0.93);
    made_again(&m, 2, 0.97);
    node(1, "lucky", 0.98);
}

Test(loop_noise, a_single_run_that_overlaps_is_trained_again)
{
    lucky();
    cr_assert(is_check(next(), 5), "%s of node %lld", p.iteration.strategy,
              (long long)p.iteration.node);
    cr_assert_str_eq(
        p.iteration.parent_rule,
        "node 5 0.980 of 1 overlaps node 2 0.950 of 3 (noise 0.020): re-run node 5; "
        "seeds of iteration 2 (node 2), to compare");
    cr_assert_eq(p.iteration.sim_seed, m.its[1].sim_seed, "common random numbers");
    cr_assert_eq(p.iteration.train_seed, m.its[1].train_seed);
}

Test(loop_noise, once_is_enough_whatever_it_says)
{
    lucky();
    (void)next();
    train(0.99);
    cr_assert(!is_check(next(), 5));
    m.its[m.h.n_iterations - 1].outcome = CN_OUTCOME_DIVERGED;
    m.its[m.h.n_iterations - 1].reward = NAN;
    cr_assert(!is_check(next(), 5), "it failed, and that was an answer");
    m.its[m.h.n_iterations - 1].state = CN_ITER_RUNNING;
    cr_assert(!is_check(next(), 5), "it is under way");
}

Test(loop_noise, nothing_is_repeated_without_need)
{
    lucky();
    m.its[4].reward = 0.94;
    cr_assert(!is_check(next(), 5) && !is_check(next(), 2), "the incumbent has the best mean");
    m.its[4].reward = 1.5;
    cr_assert(!is_check(next(), 5), "a clear lead");
    m.its[4].reward = 0.98;
    snprintf(settings.rerun_incumbent, sizeof settings.rerun_incumbent, "false");
    cr_assert(!is_check(next(), 5), "not wanted");
}

Test(loop_noise, without_a_noise_there_is_nothing_to_judge_by)
{
    node(0, "a", 0.5);
    node(1, "b", 0.9);
    cr_assert(!is_check(next(), 2));
}

/* The newcomer's single run leans on a pool that is quiet on the whole; the incumbent's own two
 * runs lie far apart. */
Test(loop_noise, the_less_known_of_the_two_is_trained)
{
    m.blocks[0].last = 60;
    node(0, "a", 0.5);
    for (int i = 0; i < 20; i++)
        made_again(&m, 1, i % 2 ? 0.501 : 0.499);
    node(1, "wild", 1.0);
    made_again(&m, 22, 0.8);
    node(1, "new", 0.93);
    cr_assert(is_check(next(), 22), "%s of node %lld: %s", p.iteration.strategy,
              (long long)p.iteration.node, p.iteration.parent_rule);
    cr_assert(strstr(p.iteration.parent_rule, "node 24 0.930 of 1 overlaps node 22 0.900 of 2"),
              "%s", p.iteration.parent_rule);
}

Test(loop_noise, at_most_a_third_of_a_block)
{
    lucky();
    m.its[0].strategy = m.its[2].strategy = m.its[3].strategy = "noise-check";
    cr_assert(is_check(next(), 5), "three of twelve are spent");
    m.its[1].strategy = "noise-check";
    cr_assert(!is_check(next(), 5), "four of twelve are");
}

Test(loop_noise, two_single_runs_that_overlap)
{
    node(0, "a", 0.50);
    made_again(&m, 1, 0.52);
    node(1, "b", 0.80);
    node(1, "c", 0.79);
    cr_assert(is_check(next(), 3), "the leader first: %s", p.iteration.parent_rule);
    cr_assert_eq(p.iteration.train_seed, m.its[3].train_seed, "under its rival's seeds");
    train(0.60);
    cr_assert(is_check(next(), 4), "then the other leads: %s", p.iteration.parent_rule);
    cr_assert_eq(p.iteration.train_seed, m.its[2].train_seed);
}

Test(loop_noise, same_data_keeps_the_data_and_pairs_the_training_seed)
{
    snprintf(settings.seed_mode, sizeof settings.seed_mode, "same-data-robustness");
    lucky();
    for (int i = 0; i < 5; i++) {
        m.its[i].sim_seed = 1000;
        m.its[i].seed_mode = "same-data-robustness";
    }
    cr_assert(is_check(next(), 5));
    cr_assert_eq(p.iteration.sim_seed, 1000);
    cr_assert_eq(p.iteration.train_seed, m.its[1].train_seed);
    cr_assert_str_eq(p.iteration.seed_mode, "same-data-robustness");
}

Test(loop_noise, generalization_varies_both)
{
    snprintf(settings.seed_mode, sizeof settings.seed_mode, "different-data-generalization");
    lucky();
    cr_assert(is_check(next(), 5));
    cr_assert_str_eq(p.iteration.seed_mode, "different-data-generalization");
    cr_assert(p.iteration.sim_seed != m.its[4].sim_seed &&
                  p.iteration.train_seed != m.its[4].train_seed,
              "other data and another training than the node has had");
    cr_assert(p.iteration.sim_seed == m.its[1].sim_seed, "those of the other");
}

Test(loop_noise, a_config_is_never_trained_twice_under_the_same_seeds)
{
    lucky();
    for (int k = 0; k < 3; k++) { /* node 5 as well has had what node 2 had */
        m.its[5 + k] = m.its[4];
        m.its[5 + k].id = 6 + k;
        m.its[5 + k].sim_seed = m.its[1 + k].sim_seed;
        m.its[5 + k].train_seed = m.its[1 + k].train_seed;
        m.its[5 + k].outcome = CN_OUTCOME_INFRA; /* which does not count as a training */
        m.its[5 + k].replicate = true;
    }
    m.h.n_iterations = 8;
    cr_assert(is_check(next(), 5));
    cr_assert_eq(p.iteration.train_seed, m.its[0].train_seed, "those of the block's root");
    m.its[5].train_seed = m.its[0].train_seed;
    m.its[5].sim_seed = m.its[0].sim_seed;
    cr_assert(is_check(next(), 5));
    cr_assert_eq(p.iteration.train_seed, m.its[1].train_seed, "free again");
    m.its[8] = m.its[5];
    m.its[8].id = ++m.h.n_iterations;
    m.its[8].sim_seed = m.its[1].sim_seed;
    m.its[8].train_seed = m.its[1].train_seed;
    cr_assert(is_check(next(), 5));
    cr_assert_eq(p.iteration.train_seed, 10500, "fresh ones when nothing is left");
}

/* ------------------------------------------------------------------ the target */

Test(loop_noise, a_mean_that_reaches_the_target_is_repeated_before_it_counts)
{
    settings.target = 0.9;
    node(0, "a", 0.5);
    node(1, "b", 0.92);
    cr_assert(is_check(next(), 2));
    cr_assert(
        strstr(p.iteration.parent_rule,
               "node 2 0.920 of 1 reaches the target 0.9: re-run node 2 before it counts"),
        "%s", p.iteration.parent_rule);
    train(0.95);
    cr_assert(!is_check(next(), 2), "two are enough");
    settings.target_count = 3;
    cr_assert(is_check(next(), 2));
}

/* ------------------------------------------------------------------ guardrails */

Test(loop_noise, who_breaks_a_guardrail_is_no_parent_and_no_root)
{
    m.h.info.guardrails = "tau >= 0.5";
    made_metric(&m, node(0, "a", 0.5), "tau", 0.9);
    made_metric(&m, node(1, "b", 0.85), "tau", 0.1);
    (void)next();
    cr_assert(p.new_node && p.node.parent == 1, "parent %lld: %s", (long long)p.node.parent,
              p.iteration.parent_rule);
    m.its[1].metrics = &(struct cn_metric){"tau", 0.9};
    (void)next();
    cr_assert_eq(p.node.parent, 2, "it would have been, with the guardrail kept");
    m.its[1].metrics = &(struct cn_metric){"tau", 0.1};
    m.blocks[0].closed = true;
    (void)next();
    cr_assert(strstr(p.iteration.parent_rule, "block start: node 1, the best of block 1"), "%s",
              p.iteration.parent_rule);
}

Test(loop_noise, when_all_break_it_the_search_goes_on)
{
    m.h.info.guardrails = "tau >= 0.5";
    made_metric(&m, node(0, "a", 0.5), "tau", 0.1);
    made_metric(&m, node(1, "b", 0.85), "tau", 0.1);
    (void)next();
    cr_assert_eq(p.node.parent, 2);
}

/* ------------------------------------------------------------------ confirmations */

static bool confirm(void)
{
    cn_status st;

    cn_plan_clear(&p);
    st = cn_plan_confirmation(&planner, &m.h, &p, &err);
    cr_assert(st == CN_OK || st == CN_ENOTFOUND, "%s", err.text);
    return st == CN_OK;
}

static void searched(void)
{
    lucky();
    m.blocks[0].closed = true;
}

Test(loop_noise, a_round_is_the_default_the_best_and_who_overlaps_it)
{
    const int64_t n = 5;

    settings.confirm = 2;
    searched();
    m.its[4].reward = 0.99; /* node 5 leads by its lower bound, node 2 overlaps it */
    for (int k = 0; k < 6; k++) {
        cr_assert(confirm(), "%d", k);
        cr_assert(p.iteration.confirmation && p.iteration.replicate);
        train(0.5 + 0.01 * k);
    }
    cr_assert(!confirm(), "two rounds");
    for (int k = 0; k < 6; k++) {
        const struct cn_iteration *it = &m.its[n + k], *first = &m.its[n + k / 3 * 3];

        cr_assert_eq(it->node == 1, k % 3 == 0, "the default begins each round");
        cr_assert_eq(it->train_seed, first->train_seed, "a round shares its seeds");
        cr_assert_eq(it->sim_seed, first->sim_seed);
        for (int64_t i = 0; i < n; i++)
            cr_assert(it->train_seed != m.its[i].train_seed &&
                          it->sim_seed != m.its[i].sim_seed,
                      "the search had seen the seeds of confirmation %d", k);
    }
    cr_assert_neq(m.its[n].train_seed, m.its[n + 3].train_seed, "each round has its own");
    cr_assert_eq(m.its[n + 1].node, 5, "the best");
    cr_assert_eq(m.its[n + 2].node, 2, "and the other");
}

Test(loop_noise, only_the_best_when_the_others_lie_below_it)
{
    settings.confirm = 1;
    searched();
    m.its[4].reward = 0.7;
    cr_assert(confirm() && p.iteration.node == 1);
    train(0.5);
    cr_assert(confirm() && p.iteration.node == 2);
    train(0.9);
    cr_assert(!confirm());
    settings.confirm_top = 1;
    settings.confirm = 2;
    m.its[4].reward = 0.96;
    cr_assert(confirm() && p.iteration.node == 1, "another round when more is asked for");
}

/* What the confirmations say must not change what is confirmed. */
Test(loop_noise, the_choice_stands_while_the_confirmations_come_in)
{
    settings.confirm = 3;
    settings.confirm_top = 1;
    searched();
    m.its[4].reward = 0.955;
    for (int k = 0; k < 6; k++) {
        cr_assert(confirm());
        cr_assert_eq(p.iteration.node, k % 2 ? 2 : 1, "%d: node %lld", k,
                     (long long)p.iteration.node);
        train(k % 2 ? 0.1 + 0.2 * k : 0.5);
    }
    cr_assert(!confirm());
}

Test(loop_noise, when_the_default_leads_who_overlaps_it_is_confirmed)
{
    settings.confirm = 1;
    node(0, "a", 0.9);
    made_again(&m, 1, 0.92);
    made_again(&m, 1, 0.91);
    node(1, "b", 0.915);
    m.blocks[0].closed = true;
    cr_assert(confirm() && p.iteration.node == 1);
    train(0.9);
    cr_assert(confirm() && p.iteration.node == 4);
}

Test(loop_noise, the_default_alone_when_nothing_comes_near_it)
{
    settings.confirm = 2;
    node(0, "a", 0.9);
    made_again(&m, 1, 0.92);
    made_again(&m, 1, 0.91);
    node(1, "b", 0.3);
    m.blocks[0].closed = true;
    for (int k = 0; k < 2; k++) {
        cr_assert(confirm() && p.iteration.node == 1);
        train(0.9);
    }
    cr_assert(!confirm());
}

Test(loop_noise, the_default_is_trained_under_the_regime_of_the_best)
{
    settings.confirm = 1;
    node(0, "a", 0.9);
    node(1, "b", 0.8);
    made_block(&m, "0.5");
    node(0, "c", 0.3);
    node(3, "d", 0.5);
    m.blocks[1].closed = true;
    cr_assert(confirm() && p.new_node);
    cr_assert_eq(p.node.block, 2);
    cr_assert(strstr(p.node.config, "noise: 0.5"), "%s", p.node.config);
    /* The root of block 2 is the default under that regime: no second one is made. */
    cn_text_copy(m.nodes[2].config_hash, sizeof m.nodes[2].config_hash, p.node.config_hash);
    cr_assert(confirm() && !p.new_node && p.iteration.node == 3);
}
