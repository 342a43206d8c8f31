/* The shipped studies of the fly's visual system, run for two blocks each: their protocols,
 * their configs and the parameters of `cairn-train describe fly`, with the toy trainer in the
 * trainer's place. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"
#include "support/cases.h"
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

TestSuite(loop_shipped, .init = setup, .fini = teardown, .timeout = 200);

/* The table as the trainer itself prints it; the toy has no verb `check`. */
static const char *describe_table(void)
{
    const char *argv[] = {scratch_program("cairn-train"), "describe", "fly", NULL};
    static const char checks[] = "\"checks\": true";
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct cn_proc_exit x;
    struct cn_buf out;
    const char *path;
    char *at;

    cn_buf_init(&out, CN_CAP_CAPTURE);
    o.argv = argv;
    cr_assert_eq(cn_proc_run(&o, NULL, 0, 20000, &out, NULL, &x, &t.err), CN_OK, "%s",
                 t.err.text);
    cr_assert(x.exited && x.code == 0);
    at = strstr(out.data, checks);
    cr_assert_not_null(at);
    memcpy(at, "\"checks\":false", strlen(checks));
    path = scratch_file(&t.s, "fly.json", cn_buf_str(&out));
    cn_buf_clear(&out);
    return path;
}

/* The shipped config, its study replaced by the toy. */
static void make_config(const char *name)
{
    char file[256], path[1024], text[512];
    struct cn_buf in, out;
    const char *table = describe_table();

    cn_buf_init(&in, CN_CAP_CONFIG);
    cn_buf_init(&out, CN_CAP_CONFIG);
    cn_text_format(file, sizeof file, "../../configs/fly/%s", name);
    cr_assert_eq(
        cn_file_read(cn_case_path(file, path, sizeof path), CN_CAP_CONFIG, &in, &t.err), CN_OK,
        "%s", t.err.text);
    for (char *s = in.data, *line; (line = strsep(&s, "\n")) != NULL;)
        if (!cn_text_starts(line, "study:") && !cn_text_starts(line, "  n_iter_block:"))
            cn_buf_printf(&out, "%s\n", line);
    cn_text_format(text, sizeof text,
                   "trainer: {command: [%s], describe: %s}\ntoy:\n  names: fly\n",
                   scratch_program("toy_trainer"), table);
    cn_buf_adds(&out, text);
    (void)scratch_file(&t.s, "toy.yaml", cn_buf_str(&out));
    cn_buf_clear(&in);
    cn_buf_clear(&out);
}

static const char *shipped(const char *name)
{
    static char path[1024];
    char file[256];

    cn_text_format(file, sizeof file, "../../protocols/%s", name);
    return cn_case_path(file, path, sizeof path);
}

static struct cn_history two_blocks(const char *protocol, const char *config)
{
    static const struct cn_run_override o[] = {
        {"explore.iterations", "12"}, {"explore.n_iter_block", "6"}, {"explore.confirm", "1"}};

    make_config(config);
    cr_assert_eq(toy_create(&t, shipped(protocol), o, 3), CN_OK, "%s", t.err.text);
    cr_assert_eq(toy_explore(&t, NULL, 0), CN_OK, "%s", t.err.text);
    cr_assert_eq(t.end, CN_RUN_END_DONE);
    return toy_history(&t);
}

static bool starts_with(const struct cn_history *h, int64_t i, const char *words)
{
    return cn_text_starts(h->iterations[i].parent_rule, words);
}

Test(loop_shipped, two_stages_begin_with_a_baseline_and_vary_the_joint_stage)
{
    static const char *const ratio[] = {"0.2", "0.3", "0.4", "0.5"};
    struct cn_history h = two_blocks("flyvis_two_stage.md", "two_stage.yaml");
    const char *log, *text;
    int seen[4] = {0};

    cr_assert_eq(h.n_blocks, 2);
    cr_assert_str_eq(h.info.reward, "V_rest_R2");
    cr_assert_str_eq(h.info.guardrails, "connectivity_R2 >= 0.9");
    for (int64_t i = 1; i < 6; i++) {
        cr_assert_eq(h.iterations[i].node, 1);
        cr_assert(starts_with(&h, i, "partition: block 1, the config as given"));
    }
    for (int64_t i = 6; i < 12; i++)
        for (int k = 0; k < 4; k++) {
            char words[64];

            cn_text_format(words, sizeof words, "alternate_joint_ratio: %s ", ratio[k]);
            seen[k] += strstr(cn_history_node(&h, h.iterations[i].node)->config, words) != NULL;
        }
    for (int k = 0; k < 4; k++)
        cr_assert(seen[k] == 1 || seen[k] == 2, "%s: %d times", ratio[k], seen[k]);
    log = toy_read(&t, "run_analysis.md");
    cr_assert(
        strstr(log, "partition: block 2, vary training.alternate_joint_ratio: 0.2 (1 of 4)"));
    text = toy_read(&t, "protocol.md");
    cr_assert(strstr(text, "## Block End (CRITICAL)") && strstr(text, "## Two-Stage Training"));
    cr_assert(strstr(text, "V_rest_R2 > 0.7") && !strstr(text, "connectivity_R2 > 0.9"));
    cn_history_clear(&h);
}

Test(loop_shipped, the_landscape_searches_what_each_block_is_for)
{
    struct cn_history h = two_blocks("flyvis_landscape.md", "gold_standard.yaml");

    cr_assert_eq(h.n_blocks, 2);
    cr_assert_str_eq(h.info.reward, "connectivity_R2");
    cr_assert_str_eq(h.info.guardrails, "tau_R2 >= 0.5, test_pearson >= 0.5");
    for (int64_t i = 0; i < h.n_nodes; i++) {
        const struct cn_node *n = &h.nodes[i];

        for (int k = 0; n->parent && k < n->n_mutations; k++)
            cr_assert(cn_text_starts(n->mutations[k].path,
                                     n->block == 1 ? "training.lr" : "training.coeff_"),
                      "block %lld: %s", (long long)n->block, n->mutations[k].path);
    }
    for (int i = 0; i < h.blocks[1].n_regime; i++)
        cr_assert_str_eq(h.blocks[1].regime[i].new_text, h.blocks[0].regime[i].new_text);
    cr_assert(strstr(toy_read(&t, "run_analysis.md"), "Hypothesis tested:"));
    cn_history_clear(&h);
}
