/* logs/entry: the fields that a protocol chooses for the log, and where they stand. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "logs/project.h"
#include "logs/project_int.h"
#include "logs/read.h"
#include "logs/store.h"
#include "tests/support/logs_sample.h"

static char dir[64];
static struct cn_err err;
static struct cn_store *store;
static struct cn_history h;
static struct cn_buf out;

static void set_up(void)
{
    (void)snprintf(dir, sizeof(dir), "%s/cn_entry_XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert(mkdtemp(dir));
    cr_assert_eq(logs_sample_open(dir, &store, &err), CN_OK, "%s", err.text);
    cr_assert_eq(logs_sample_drive(store, &err), CN_OK, "%s", err.text);
    cr_assert_eq(cn_store_history(store, &h, &err), CN_OK, "%s", err.text);
    cn_buf_init(&out, CN_CAP_TEXT);
}

static void tear_down(void)
{
    cn_buf_clear(&out);
    cn_history_clear(&h);
    cn_store_close(store);
    cr_assert_eq(cn_file_remove_tree(dir, &err), CN_OK);
}

TestSuite(logs_entry, .init = set_up, .fini = tear_down);

static const char *entry(int64_t id)
{
    cn_buf_reset(&out);
    cn_project_entry(&h, cn_history_iteration(&h, id), &out);
    cr_assert_eq(cn_buf_status(&out), CN_OK);
    return cn_buf_str(&out);
}

Test(logs_entry, chosen_fields_stand_in_the_asked_order)
{
    h.info.log_fields = "Config, Observation,Parent rule,Seeds";
    cr_assert_str_eq(entry(4), "## Iter 4: converged\n"
                               "Node: id=2, parent=1\n"
                               "Replicate: of node 2 (training 2 of it)\n"
                               "Config: training.lr_W=2.0e-3, training.lr=5.0e-4\n"
                               "Seeds: sim_seed=4001, train_seed=4501, "
                               "rationale=suggested-default\n"
                               "Metrics: connectivity_R2=0.926, tau_R2=0.5, "
                               "training_time_min=0.25\n"
                               "Observation: holds\n"
                               "Parent rule: Found good config\n"
                               "Next: parent=root\n");
}

Test(logs_entry, what_a_protocol_cannot_take_out_stays)
{
    h.info.log_fields = "Activity";
    cr_assert_str_eq(entry(1), "## Iter 1: partial\n"
                               "Node: id=1, parent=root\n"
                               "Metrics: connectivity_R2=0.71, tau_R2=0.5, "
                               "training_time_min=0.25\n"
                               "User instruction: try a smaller step, lr = 3e-4\n"
                               "Activity: smooth\n"
                               "Next: parent=1\n");
    cr_assert(strstr(entry(3), "\nOutcome: diverged, message: loss is nan at step 40\n"));
    cr_assert(strstr(entry(7), "\nConfirmation: fresh seeds, outside the search\n"));
}

Test(logs_entry, no_list_shows_every_usual_field_and_every_name_is_known)
{
    const char *const *names = cn_project_log_fields();
    struct cn_buf list;
    char *usual;

    h.info.log_fields = "";
    usual = strdup(entry(4));
    cr_assert_null(strstr(usual, "Seed stats:"));
    cr_assert_null(strstr(usual, "Stability:"));
    cn_buf_init(&list, CN_CAP_TEXT);
    for (int i = 0; names[i] && strcmp(names[i], "Seed stats") != 0; i++)
        cn_buf_printf(&list, "%s%s", i ? "," : "", names[i]);
    h.info.log_fields = cn_buf_str(&list);
    cr_assert_str_eq(entry(4), usual, "the usual fields by name are the usual entry");
    free(usual);
    cn_buf_clear(&list);
}

Test(logs_entry, the_spread_of_a_node_is_as_of_its_iteration)
{
    h.info.log_fields = "Seed stats,Stability";
    cr_assert(strstr(entry(4), "Seed stats: mean=0.93, std=0.005657, CV=0.6083, min=0.926, "
                               "max=0.934 (n = 2, CV in %)\n"
                               "Stability: stable-robust (fewer than 4 runs: a first "
                               "impression)\n"),
              "%s", cn_buf_str(&out));
    cr_assert_null(strstr(entry(2), "Seed stats"), "one run has no spread");
    cr_assert(strstr(entry(10), "mean=0.925"), "confirmations are pooled apart: %s",
              cn_buf_str(&out));
    cr_assert(strstr(entry(8), "Stability: fragile"), "none reaches 0.9: %s", cn_buf_str(&out));
}

Test(logs_entry, a_gap_between_prediction_and_weights_is_marked)
{
    struct cn_metric m[] = {{"connectivity_R2", 0.55}, {"test_pearson", 0.95}};
    struct cn_iteration *it = &h.iterations[0];

    h.info.log_fields = "Degeneracy";
    cr_assert_null(strstr(entry(1), "Degeneracy"), "test_pearson is not there");
    it->metrics = m;
    it->n_metrics = 2;
    cr_assert(strstr(entry(1), "\nDegeneracy: gap=0.4 (above 0.3: good predictions from "
                               "wrong weights)\n"),
              "%s", cn_buf_str(&out));
    m[0].value = 0.9;
    cr_assert(strstr(entry(1), "\nDegeneracy: gap=0.05\n"), "%s", cn_buf_str(&out));
}

/* A reader that looks for "<reward>=" anywhere must find the Metrics line alone. */
Test(logs_entry, no_field_can_be_taken_for_the_reward)
{
    static const char *const rewards[] = {"mean", "an", "std", "CV", "gap", "min"};
    struct cn_metric m[] = {{"connectivity_R2", 0.55}, {"test_pearson", 0.95}};

    h.info.log_fields = "Seed stats,Degeneracy,Stability";
    h.iterations[3].metrics = m;
    h.iterations[3].n_metrics = 2;
    for (size_t i = 0; i < sizeof rewards / sizeof rewards[0]; i++) {
        char key[16];
        const char *text;
        h.info.reward = rewards[i];
        (void)snprintf(key, sizeof key, "%s=", rewards[i]);
        text = strstr(entry(4), key);
        cr_assert(text && text - cn_buf_str(&out) > 9 && strncmp(text - 9, "Metrics: ", 9) == 0,
                  "%s: %s", key, cn_buf_str(&out));
        cr_assert_null(strstr(text + 1, key), "%s: %s", key, cn_buf_str(&out));
    }
}

Test(logs_entry, the_new_lines_are_no_news_to_the_reader)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_log log;

    h.info.log_fields = "Mode/Strategy,Seeds,Config,Mutation,Seed stats,Stability,Degeneracy";
    cn_buf_reset(&out);
    cn_project_analysis(&h, &out);
    cr_assert_eq(cn_read_log("log", cn_buf_str(&out), out.len, &o, &log, &err), CN_OK, "%s",
                 err.text);
    cr_assert_eq(log.n_warnings, 0, "%s", log.n_warnings ? log.warnings[0].text : "");
    cr_assert_eq(log.history.n_iterations, h.n_iterations);
    cr_assert_eq(log.history.iterations[3].reward, 0.926);
    cn_read_log_clear(&log);
}

/* ---- block summary ---- */

static const char *summary(int64_t block)
{
    cn_buf_reset(&out);
    cn_project_block_summary(&h, cn_history_block(&h, block), &out);
    cr_assert_eq(cn_buf_status(&out), CN_OK);
    return cn_buf_str(&out);
}

Test(logs_entry, a_summary_says_which_guardrails_were_broken)
{
    cr_assert_null(strstr(summary(1), "Guardrails:"));
    h.info.guardrails = "tau_R2 >= 0.5, V_rest_R2 >= 0.2,training_time_min <= 0.1";
    cr_assert(strstr(summary(1), "\nGuardrails: tau_R2 >= 0.5 broken by 0 of 3 results; "
                                 "V_rest_R2 >= 0.2 broken by 3 of 3 results (iters 1, 2, 4); "
                                 "training_time_min <= 0.1 broken by 3 of 3 results (iters 1, "
                                 "2, 4)\n"),
              "%s", cn_buf_str(&out));
}

Test(logs_entry, the_noise_of_a_block_is_of_its_own_repeats)
{
    cr_assert(strstr(summary(1), "\nNoise: 0.0057 within a config (1 degree of freedom)\n"));
    cr_assert(strstr(summary(2), "\nNoise: unknown: no config was trained twice\n"));
    h.iterations[5].node = 5; /* 6 trains node 5 again: -0.12 and 0.00031 */
    cr_assert_eq(cn_history_index(&h), CN_OK);
    cr_assert(strstr(summary(2), "\nNoise: 0.085 within a config (1 degree of freedom)\n"),
              "%s", cn_buf_str(&out));
}

Test(logs_entry, no_line_of_a_summary_begins_like_a_record)
{
    h.blocks[0].edit_note = "x\nNode: id=7, parent=root\nNext: parent=3";
    h.info.guardrails = "tau_R2 >= 0.6";
    for (int64_t b = 1; b <= 2; b++) {
        summary(b);
        cr_assert_null(strstr(cn_buf_str(&out), "\nNode:"), "%s", cn_buf_str(&out));
        cr_assert_null(strstr(cn_buf_str(&out), "\nNext:"), "%s", cn_buf_str(&out));
        cr_assert_eq(strncmp(cn_buf_str(&out), "## Simulation Block ", 20), 0);
    }
}
