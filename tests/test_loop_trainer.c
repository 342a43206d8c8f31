/* Describe tables: what is read, what is refused, how names are found. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "harness/loop/trainer.h"

#define METRICS                                                                       \
    "\"metrics\": [{\"name\": \"r2\", \"max\": 1, \"better\": \"higher\", \"role\": " \
    "\"primary\"}]"

static struct cn_err err = CN_ERR_INIT;
static const char good[] =
    "{\"contract\": 1, \"study\": \"t\", \"parameters\": ["
    "{\"path\": \"training.lr\", \"aliases\": [\"training.learning_rate_start\"], \"type\": "
    "\"float\", \"default\": 1e-3, "
    "\"min\": 0, \"max\": 1, \"scale\": \"log\", \"class\": \"training\"},"
    "{\"path\": \"model.dim\", \"type\": \"int\", \"default\": 2, \"derives\": [{\"path\": "
    "\"model.input\", \"scale\": 2, "
    "\"offset\": 1}]},"
    "{\"path\": \"simulation.dim\", \"type\": \"int\", \"class\": \"simulation\", \"choices\": "
    "[1, 2, 4]},"
    "{\"path\": \"simulation.on\", \"type\": \"bool\", \"default\": true, \"class\": "
    "\"simulation\"}], " METRICS "}";

static struct cn_trainer *parse(const char *text)
{
    struct cn_trainer *t = NULL;

    cr_assert_eq(cn_trainer_parse("d.json", text, strlen(text), &t, &err), CN_OK, "%s",
                 err.text);
    return t;
}

Test(loop_trainer, a_table_is_read)
{
    struct cn_trainer *t = parse(good);

    cr_assert_eq(t->n_params, 4);
    cr_assert_str_eq(t->params[0].default_text, "0.001");
    cr_assert(t->params[0].log && !t->params[0].simulation);
    cr_assert(isinf(t->params[1].max));
    cr_assert_eq(t->params[1].n_derives, 1);
    cr_assert_float_eq(t->params[1].derives[0].offset, 1, 0);
    cr_assert_str_eq(t->params[2].choices[2], "4");
    cr_assert(t->params[2].simulation);
    cr_assert_str_eq(t->params[3].default_text, "true");
    cr_assert_str_eq(cn_trainer_primary(t)->name, "r2");
    cn_trainer_free(t);
}

Test(loop_trainer, names_are_found_by_path_alias_and_unique_last_part)
{
    struct cn_trainer *t = parse(good);

    cr_assert_eq(cn_trainer_param(t, "training.lr", &err), &t->params[0]);
    cr_assert_eq(cn_trainer_param(t, "training.learning_rate_start", &err), &t->params[0]);
    cr_assert_eq(cn_trainer_param(t, "learning_rate_start", &err), &t->params[0]);
    cr_assert_eq(cn_trainer_param(t, "lr", &err), &t->params[0]);
    cr_assert_null(cn_trainer_param(t, "dim", &err));
    cr_assert(strstr(err.text, "more than one"), "%s", err.text);
    cr_assert_null(cn_trainer_param(t, "training.rl", &err));
    cr_assert(strstr(err.text, "did you mean \"training.lr\""), "%s", err.text);
    cr_assert_null(cn_trainer_param_exact(t, "lr"));
    cn_trainer_free(t);
}

Test(loop_trainer, the_configs_own_spelling_is_kept)
{
    struct cn_trainer *t = parse(good);
    struct cn_yaml *y;
    const char *text = "training:\n  learning_rate_start: 1.0e-3\n";

    cr_assert_eq(cn_yaml_parse("c", text, strlen(text), &y, &err), CN_OK);
    cr_assert_str_eq(cn_trainer_spelling(&t->params[0], y), "training.learning_rate_start");
    cr_assert_str_eq(cn_trainer_spelling(&t->params[1], y), "model.dim");
    cn_yaml_free(y);
    cn_trainer_free(t);
}

static void refuses(const char *text, const char *words)
{
    struct cn_trainer *t = NULL;

    cr_assert_neq(cn_trainer_parse("d.json", text, strlen(text), &t, &err), CN_OK, "%s", text);
    cr_assert_null(t);
    cr_assert(strstr(err.text, words), "\"%s\" lacks \"%s\"", err.text, words);
}

Test(loop_trainer, mistakes_name_the_entry_and_the_key)
{
    refuses("{}", "contract: expected the number 1");
    refuses("{\"contract\": 1, " METRICS "}", "parameters: expected a list");
    refuses("{\"contract\": 1, \"parameters\": [{\"type\": \"int\"}], " METRICS "}",
            "parameters[0]: path: expected a text");
    refuses("{\"contract\": 1, \"parameters\": [{\"path\": \"a.b\"}], " METRICS "}",
            "parameters[0] a.b: type: expected one of float, int, bool, string");
    refuses("{\"contract\": 1, \"parameters\": [{\"path\": \"a.b\", \"type\": \"float\", "
            "\"scale\": \"ln\"}], " METRICS "}",
            "a.b: scale: expected one of linear, log");
    refuses("{\"contract\": 1, \"parameters\": [{\"path\": \"a\", \"type\": \"float\", "
            "\"min\": 2, \"max\": 1}], " METRICS "}",
            "a: min: expected a number not above max");
    refuses("{\"contract\": 1, \"parameters\": [{\"path\": \"a\", \"type\": \"int\", "
            "\"default\": 9, \"max\": 1}], " METRICS "}",
            "a: default: expected a value between min and max");
    refuses("{\"contract\": 1, \"parameters\": [{\"path\": \"a\", \"type\": \"int\"}, "
            "{\"path\": \"b\", \"type\": \"int\", "
            "\"aliases\": [\"a\"]}], " METRICS "}",
            "parameters[1] b: aliases: expected names that no other parameter has");
    refuses("{\"contract\": 1, \"parameters\": [{\"path\": \"a\", \"type\": \"int\"}]}",
            "metrics: expected a list");
}

Test(loop_trainer, every_prefix_of_a_table_is_refused)
{
    for (size_t n = 0; n + 1 < sizeof good - 1; n++) {
        struct cn_trainer *t = NULL;

        cr_assert_neq(cn_trainer_parse("d.json", good, n, &t, &err), CN_OK, "%zu bytes", n);
        cr_assert_null(t);
    }
}

static void cannot_find(const char *config, const char *words)
{
    struct cn_trainer *t = NULL;
    struct cn_yaml *y;

    cr_assert_eq(cn_yaml_parse("c.yaml", config, strlen(config), &y, &err), CN_OK, "%s",
                 err.text);
    cr_assert_neq(cn_trainer_find(y, "/nowhere", &t, &err), CN_OK);
    cr_assert_null(t);
    cr_assert(strstr(err.text, words), "\"%s\" lacks \"%s\"", err.text, words);
    cn_yaml_free(y);
}

Test(loop_trainer, a_config_must_name_one_trainer)
{
    cannot_find("a: 1\n", "found neither");
    cannot_find("study: fly\ntrainer: {command: [x], describe: d}\n",
                "c.yaml:2: trainer: the config names a study too");
    cannot_find("trainer:\n  command: python3 train.py\n  describe: d.json\n",
                "trainer.command: expected a list");
    cannot_find("trainer:\n  command: [python3]\n",
                "trainer.describe: expected the name of a JSON file");
    cannot_find("trainer:\n  command: [python3]\n  describe: d.json\n", "/nowhere/d.json");
}
