/* The search space and the vetting of mutations. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "harness/loop/mutation.h"

static struct cn_err err = CN_ERR_INIT;
static struct cn_trainer *trainer;
static struct cn_protocol *protocol;
static struct cn_search search;

static const char table[] =
    "{\"contract\": 1, \"study\": \"t\", \"parameters\": ["
    "{\"path\": \"training.lr\", \"aliases\": [\"training.learning_rate_start\"], \"type\": "
    "\"float\", \"default\": 1e-3, "
    "\"min\": 1e-6, \"max\": 1, \"scale\": \"log\"},"
    "{\"path\": \"training.steps\", \"type\": \"int\", \"default\": 20, \"min\": 1, \"max\": "
    "1000},"
    "{\"path\": \"training.batch\", \"type\": \"int\", \"default\": 1, \"choices\": [4, 1, 2]},"
    "{\"path\": \"training.fast\", \"type\": \"bool\", \"default\": false},"
    "{\"path\": \"training.mode\", \"type\": \"string\", \"default\": \"a\", \"choices\": "
    "[\"a\", \"b c\", \"on\"]},"
    "{\"path\": \"model.embedding_dim\", \"type\": \"int\", \"default\": 2, \"min\": 1, "
    "\"max\": 8, "
    "\"derives\": [{\"path\": \"model.input_size\", \"scale\": 1, \"offset\": 1}]},"
    "{\"path\": \"simulation.n\", \"type\": \"int\", \"default\": 100, \"min\": 1, \"max\": "
    "9999, \"class\": \"simulation\"}],"
    "\"metrics\": [{\"name\": \"r2\", \"role\": \"primary\"}]}";

static const char words[] =
    "# t\n\n## Goal\n\nx\n\n## Training Parameters to explore\n\n```yaml\ntraining:\n"
    "  lr: 1.0e-3 # range: 1.0e-5 to 1.0e-2\n  steps: 20 # range: 10 to 100\n  batch: 1 # "
    "values: 1, 2, 4\n"
    "  fast: false # values: true, false\n  mode: a # values: a, \"b c\", on\nmodel:\n  "
    "embedding_dim: 2 # range: 1 to 4\n```\n\n"
    "## Simulation Parameters to explore\n\n```yaml\nsimulation:\n  n: 100 # range: 50 to "
    "200\n```\n";

static const char config[] =
    "training:\n  learning_rate_start: 1.0e-3   # as it was called\n  batch: 2\nmodel:\n"
    "  embedding_dim: 2\n  input_size: 3\nsimulation:\n  n: 100\n  seed: 7\n";

static void setup(void)
{
    cr_assert_eq(cn_trainer_parse("d.json", table, sizeof table - 1, &trainer, &err), CN_OK,
                 "%s", err.text);
    cr_assert_eq(cn_protocol_parse("p.md", words, sizeof words - 1, &protocol, &err), CN_OK,
                 "%s", err.text);
    cr_assert_eq(cn_search_init(&search, protocol, trainer, &err), CN_OK, "%s", err.text);
}

static void teardown(void)
{
    cn_search_clear(&search);
    cn_protocol_free(protocol);
    cn_trainer_free(trainer);
}

TestSuite(loop_mutation, .init = setup, .fini = teardown);

static struct cn_vet plain(void)
{
    return (struct cn_vet){.trainer = trainer, .search = &search};
}

static cn_status vet_with(struct cn_vet v, const char *path, const char *value,
                          struct cn_mutated *m)
{
    const struct cn_change c = {path, value};

    return cn_mutation_vet(&v, config, &c, 1, m, &err);
}

static void refuses(struct cn_vet v, const char *path, const char *value, const char *expected)
{
    struct cn_mutated m;

    cr_assert_neq(vet_with(v, path, value, &m), CN_OK, "%s = %s", path, value);
    cr_assert(strstr(err.text, expected), "\"%s\" lacks \"%s\"", err.text, expected);
    cr_assert_null(m.config);
}

Test(loop_mutation, the_space_has_the_protocols_ranges_and_the_trainers_limits)
{
    const struct cn_space *s = &search.training.space;

    cr_assert_eq(s->n, 6);
    cr_assert_eq(search.simulation.space.n, 1);
    cr_assert_float_eq(s->params[0].lo, 1e-5, 0);
    cr_assert_float_eq(s->params[0].hard_hi, 1, 0);
    cr_assert(s->params[0].log);
    cr_assert_eq(s->params[2].type, CN_PARAM_CHOICE);
    cr_assert(s->params[2].ordered, "numbers in a list have neighbours");
    cr_assert_eq(s->params[3].type, CN_PARAM_BOOL);
    cr_assert_not(s->params[4].ordered);
}

Test(loop_mutation, a_configs_place_in_the_space_is_read_with_old_names_and_defaults)
{
    double x[6];
    struct cn_yaml *y;

    cr_assert_eq(cn_yaml_parse("c", config, sizeof config - 1, &y, &err), CN_OK);
    cn_search_values(&search.training, y, x);
    cr_assert_float_eq(x[0], 1e-3, 0);
    cr_assert_float_eq(x[1], 20, 0, "not in the config: the default");
    cr_assert_float_eq(x[2], 1, 0, "2 is the second of 1, 2, 4");
    cr_assert_float_eq(x[3], 0, 0);
    cn_yaml_free(y);
}

Test(loop_mutation, an_edit_keeps_every_other_byte_and_the_old_name)
{
    struct cn_mutated m;

    cr_assert_eq(vet_with(plain(), "training.lr", "2.5e-3", &m), CN_OK, "%s", err.text);
    cr_assert_str_eq(
        m.config,
        "training:\n  learning_rate_start: 2.5e-3   # as it was called\n  batch: 2\nmodel:\n"
        "  embedding_dim: 2\n  input_size: 3\nsimulation:\n  n: 100\n  seed: 7\n");
    cr_assert_eq(m.n, 1);
    cr_assert_str_eq(m.mutations[0].path, "training.learning_rate_start");
    cr_assert_str_eq(m.mutations[0].old_text, "1.0e-3");
    cr_assert_str_eq(m.mutations[0].new_text, "2.5e-3");
    cn_mutated_clear(&m);
}

Test(loop_mutation, derived_keys_follow)
{
    struct cn_mutated m;

    cr_assert_eq(vet_with(plain(), "embedding_dim", "4", &m), CN_OK, "%s", err.text);
    cr_assert(strstr(m.config, "embedding_dim: 4\n  input_size: 5\n"), "%s", m.config);
    cr_assert_eq(m.n, 1, "the derived key is no mutation of its own");
    cn_mutated_clear(&m);
}

Test(loop_mutation, text_values_are_quoted_where_yaml_needs_it)
{
    struct cn_mutated m;
    struct cn_yaml *y;

    cr_assert_eq(vet_with(plain(), "training.mode", "on", &m), CN_OK, "%s", err.text);
    cr_assert_eq(cn_yaml_parse("c", m.config, strlen(m.config), &y, &err), CN_OK);
    cr_assert_str_eq(cn_yaml_string(cn_yaml_path(cn_yaml_root(y), "training.mode")), "on");
    cr_assert_eq(cn_yaml_kind(cn_yaml_path(cn_yaml_root(y), "training.mode")), CN_YAML_STRING);
    cn_yaml_free(y);
    cn_mutated_clear(&m);
}

Test(loop_mutation, wrong_changes_are_refused_with_the_reason)
{
    refuses(plain(), "training.lrr", "1", "did you mean \"training.lr\"");
    refuses(plain(), "training.lr", "0.5",
            "training.lr: 0.5: expected 1e-05 to 0.01 (the protocol's range)");
    refuses(plain(), "training.lr", "fast", "expected a number");
    refuses(plain(), "training.lr", "nan", "expected a number");
    refuses(plain(), "training.steps", "20.5", "expected a whole number");
    refuses(plain(), "training.batch", "3", "none of the values");
    refuses(plain(), "training.fast", "1", "expected true or false");
    refuses(plain(), "simulation.n", "150", "for the start of a block");
    refuses(plain(), "training.lr", "0.001", "no change");
    refuses(plain(), "training.steps", "20", "no change");
}

Test(loop_mutation, a_probe_may_go_to_the_hard_range_and_no_further)
{
    struct cn_vet v = plain();
    struct cn_mutated m;

    v.probe = true;
    cr_assert_eq(vet_with(v, "training.lr", "0.5", &m), CN_OK, "%s", err.text);
    cn_mutated_clear(&m);
    refuses(v, "training.lr", "1.5", "expected 1e-06 to 1 (the trainer's limits)");
}

Test(loop_mutation, simulation_keys_change_at_block_boundaries)
{
    struct cn_vet v = plain();
    struct cn_mutated m;

    v.simulation = true;
    cr_assert_eq(vet_with(v, "simulation.n", "150", &m), CN_OK, "%s", err.text);
    cn_mutated_clear(&m);
}

Test(loop_mutation, a_config_that_was_tried_is_refused_and_its_node_named)
{
    struct cn_node node = {.id = 4};
    struct cn_history h = {.nodes = &node, .n_nodes = 1};
    struct cn_vet v = plain();
    struct cn_mutated m;

    cr_assert_eq(vet_with(v, "training.lr", "2.5e-3", &m), CN_OK);
    memcpy(node.config_hash, m.hash, sizeof m.hash);
    cn_mutated_clear(&m);
    v.history = &h;
    cr_assert_eq(vet_with(v, "training.lr", "0.0025", &m), CN_EEXIST,
                 "the same number in another spelling");
    cr_assert(strstr(err.text, "node 4"), "%s", err.text);
    v.same_is_fine = true;
    cr_assert_eq(vet_with(v, "training.lr", "0.0025", &m), CN_OK);
    cn_mutated_clear(&m);
}

/* lr from 1e-5 to 1e-2, so .005 of its scale is a factor of 1.035; steps from 10 to 100. */
Test(loop_mutation, a_config_that_is_nearly_an_old_one_is_refused_with_node_and_distance)
{
    struct cn_node node = {.id = 7};
    struct cn_history h = {.nodes = &node, .n_nodes = 1};
    struct cn_vet v = plain();
    struct cn_mutated m, kept;

    cr_assert_eq(vet_with(v, "training.lr", "2.0e-3", &kept), CN_OK);
    node.config = kept.config;
    memcpy(node.config_hash, kept.hash, sizeof kept.hash);
    v.history = &h;
    cr_assert_eq(vet_with(v, "training.lr", "2.03e-3", &m), CN_OK, "off: %s", err.text);
    cn_mutated_clear(&m);
    v.near_duplicate = .005;
    cr_assert_eq(vet_with(v, "training.lr", "2.03e-3", &m), CN_EEXIST);
    cr_assert(strstr(err.text, "nearly node 7") && strstr(err.text, "0.0022"), "%s", err.text);
    cr_assert_eq(vet_with(v, "training.lr", "2.2e-3", &m), CN_OK, "%s", err.text);
    cn_mutated_clear(&m);
    v.same_is_fine = true;
    cr_assert_eq(vet_with(v, "training.lr", "2.03e-3", &m), CN_OK, "%s", err.text);
    cn_mutated_clear(&m);
    cn_mutated_clear(&kept);
}

Test(loop_mutation, other_choices_and_keys_outside_the_space_are_never_near)
{
    static const char *const changes[][2] = {{"training.fast", "true"},
                                             {"training.mode", "on"},
                                             {"training.batch", "4"},
                                             {"training.steps", "21"}};
    static const char other[] =
        "training:\n  learning_rate_start: 1.001e-3\n  batch: 2\nmodel:\n"
        "  embedding_dim: 2\n  input_size: 3\n  kind: new\n"
        "simulation:\n  n: 100\n  seed: 7\n";
    struct cn_node node = {.id = 7, .config = config, .config_hash = "x"};
    struct cn_history h = {.nodes = &node, .n_nodes = 1};
    struct cn_vet v = plain();
    struct cn_mutated m;

    v.history = &h;
    v.near_duplicate = .005;
    for (size_t i = 0; i < sizeof changes / sizeof changes[0]; i++) {
        cr_assert_eq(vet_with(v, changes[i][0], changes[i][1], &m), CN_OK, "%s: %s",
                     changes[i][0], err.text);
        cn_mutated_clear(&m);
    }
    cr_assert_eq(vet_with(v, "training.lr", "1.01e-3", &m), CN_EEXIST);
    node.config = other; /* the same place, another key */
    cr_assert_eq(vet_with(v, "training.lr", "1.01e-3", &m), CN_OK, "%s", err.text);
    cn_mutated_clear(&m);
}

/* Two probes beyond the range are not at the same place because both are outside. */
Test(loop_mutation, values_beyond_the_range_keep_their_distance)
{
    struct cn_node node = {.id = 7};
    struct cn_history h = {.nodes = &node, .n_nodes = 1};
    struct cn_vet v = plain();
    struct cn_mutated m, kept;

    v.probe = true;
    cr_assert_eq(vet_with(v, "training.lr", "0.05", &kept), CN_OK, "%s", err.text);
    node.config = kept.config;
    memcpy(node.config_hash, kept.hash, sizeof kept.hash);
    v.history = &h;
    v.near_duplicate = .005;
    cr_assert_eq(vet_with(v, "training.lr", "0.5", &m), CN_OK, "%s", err.text);
    cn_mutated_clear(&m);
    cr_assert_eq(vet_with(v, "training.lr", "0.0501", &m), CN_EEXIST);
    cn_mutated_clear(&kept);
}

Test(loop_mutation, seeds_and_search_settings_do_not_change_a_configs_identity)
{
    const char *other =
        "explore: {iterations: 3}\ndescription: words\ntraining:\n  batch: 2\n  seed: 9\n"
        "  learning_rate_start: 0.001\nmodel: {input_size: 3, embedding_dim: 2}\nsimulation: "
        "{n: 100}\n";
    char a[CN_HASH_TEXT], b[CN_HASH_TEXT];
    struct cn_yaml *x, *y;

    cr_assert_eq(cn_yaml_parse("a", config, sizeof config - 1, &x, &err), CN_OK);
    cr_assert_eq(cn_yaml_parse("b", other, strlen(other), &y, &err), CN_OK);
    cr_assert_eq(cn_config_hash(x, a, &err), CN_OK);
    cr_assert_eq(cn_config_hash(y, b, &err), CN_OK);
    cr_assert_str_eq(a, b);
    cn_yaml_free(x);
    cn_yaml_free(y);
}

Test(loop_mutation, written_floats_have_three_digits_and_stay_in_the_range)
{
    char text[CN_VALUE_TEXT];

    cn_search_text(&search.training, 0, 0.00123456, text);
    cr_assert_str_eq(text, "0.00123");
    cn_search_text(&search.training, 0, 1e-2, text);
    cr_assert_str_eq(text, "0.01");
    cn_search_text(&search.training, 2, 2, text);
    cr_assert_str_eq(text, "4");
    cn_search_text(&search.training, 3, 1, text);
    cr_assert_str_eq(text, "true");
}
