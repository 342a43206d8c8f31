/* Protocols joined from files, the seeds, and what a reader of struct cn_protocol finds.
 *
 * tests/cases/protocols/extends: every case_*.md is read from its file; case_*.expect holds
 * what the dump and the joined text are, or the error. CAIRN_WRITE_CASES=1 rewrites them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "logs/project.h"
#include "protocols/protocol.h"
#include "support/cases.h"
#include "support/scratch.h"

/* ------------------------------------------------------------------ joined files */

static void enter(const char *folder)
{
    char path[1024];

    cr_assert_eq(chdir(cn_case_path(folder, path, sizeof(path))), 0);
}

static void describe(const char *name, struct cn_buf *out)
{
    struct cn_protocol *p;
    struct cn_err err = CN_ERR_INIT;

    cn_buf_init(out, CN_CAP_TEXT);
    if (cn_protocol_read(name, &p, &err) == CN_OK) {
        cn_protocol_dump(p, out);
        cn_buf_printf(out, "\n=== text\n%s", p->text);
    } else {
        cn_buf_printf(out, "error: %s\n", err.text);
    }
    cn_protocol_free(p);
}

Test(protocols_grammar, every_joined_case_gives_what_it_expects)
{
    char **names, file[256];
    int n, cases = 0, wrong = 0;

    enter("protocols/extends");
    cr_assert_eq(cn_file_list(".", &names, &n, NULL), CN_OK);
    for (int i = 0; i < n; i++) {
        struct cn_buf got, expect;

        if (!cn_text_starts(names[i], "case_") || !cn_text_ends(names[i], ".md"))
            continue;
        describe(names[i], &got);
        cn_text_format(file, sizeof file, "%.*s.expect", (int)strlen(names[i]) - 3, names[i]);
        cn_buf_init(&expect, CN_CAP_TEXT);
        if (getenv("CAIRN_WRITE_CASES"))
            cr_assert_eq(cn_file_replace(file, got.data, got.len, NULL), CN_OK);
        cr_assert_eq(cn_file_read(file, CN_CAP_TEXT, &expect, NULL), CN_OK, "%s", file);
        if (strcmp(cn_buf_str(&got), cn_buf_str(&expect)) != 0) {
            (void)fprintf(stderr, "%s: got\n%s\n", names[i], cn_buf_str(&got));
            wrong++;
        }
        cases++;
        cn_buf_clear(&got);
        cn_buf_clear(&expect);
    }
    cn_file_list_free(names, n);
    cr_assert_geq(cases, 18);
    cr_assert_eq(wrong, 0, "%d of %d cases", wrong, cases);
}

static struct cn_protocol *read_file(const char *name)
{
    struct cn_protocol *p;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_protocol_read(name, &p, &err), CN_OK, "%s", err.text);
    return p;
}

static const struct cn_protocol_param *param(const struct cn_protocol *p, const char *path)
{
    for (int32_t i = 0; i < p->n_params; i++)
        if (strcmp(p->params[i].path, path) == 0)
            return &p->params[i];
    cr_assert(false, "%s: no parameter %s", p->name, path);
    return NULL;
}

Test(protocols_grammar, joined_text_alone_is_the_same_protocol)
{
    static const char *const names[] = {
        "case_child.md", "case_grandchild.md", "case_no_title.md", "case_front.md",
        "case_lost.md",  "case_empty_map.md",  "case_rules.md",    "case_setting.md"};

    enter("protocols/extends");
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct cn_protocol *p = read_file(names[i]), *q;
        struct cn_err err = CN_ERR_INIT;

        cr_assert_eq(cn_protocol_parse("run/protocol.md", p->text, p->n, &q, &err), CN_OK,
                     "%s: %s", names[i], err.text);
        cr_assert_str_eq(p->hash, q->hash);
        cr_assert_str_eq(p->goal, q->goal);
        cr_assert_str_eq(p->title, q->title);
        cr_assert_eq(p->n_params, q->n_params);
        for (int32_t k = 0; k < p->n_params; k++)
            cr_assert(strcmp(p->params[k].path, q->params[k].path) == 0 &&
                      p->params[k].lo == q->params[k].lo && p->params[k].hi == q->params[k].hi);
        cr_assert_eq(p->n_rules, q->n_rules);
        cr_assert_eq(p->n_blocks, q->n_blocks);
        cr_assert_eq(p->n_guardrails, q->n_guardrails);
        cr_assert_eq(p->n_settings, q->n_settings);
        cr_assert_eq(p->n_log_fields, q->n_log_fields);
        cr_assert(p->n_extends > 0 && q->n_extends == 0);
        cn_protocol_free(p);
        cn_protocol_free(q);
    }
}

Test(protocols_grammar, child_wins_parameter_by_parameter_and_key_by_key)
{
    struct cn_protocol *p;

    enter("protocols/extends");
    p = read_file("case_child.md");
    cr_assert_eq(p->n_params, 4);
    cr_assert_eq(param(p, "lr")->lo, 1e-3);
    cr_assert_str_eq(param(p, "lr")->file, "case_child.md");
    cr_assert_eq(param(p, "training.ratio")->n_choices, 2);
    cr_assert_str_eq(param(p, "gain")->file, "base.md");
    cr_assert_eq(param(p, "gain")->line, 25);
    cr_assert_str_eq(cn_protocol_setting(p, "n_iter_block"), "6");
    cr_assert_str_eq(cn_protocol_setting(p, "ucb.c"), "1.414");
    cr_assert_str_eq(p->extends[0], "base.md");
    cr_assert_not_null(strstr(p->text, "Look forward."));
    cr_assert_null(strstr(p->text, "Look back."));
    cr_assert_null(strstr(p->text, "What the base wants."));
    cr_assert_null(strstr(p->text, "extends:"));
    cn_protocol_free(p);
}

Test(protocols_grammar, a_chain_is_listed_nearest_first)
{
    struct cn_protocol *p;

    enter("protocols/extends");
    p = read_file("case_grandchild.md");
    cr_assert_eq(p->n_extends, 2);
    cr_assert_str_eq(p->extends[0], "case_child.md");
    cr_assert_str_eq(p->extends[1], "base.md");
    cr_assert_eq(p->n_guardrails, 1);
    cr_assert_eq(p->guardrails[0].bound, 0.1);
    cr_assert_str_eq(p->title, "Third");
    cn_protocol_free(p);
}

Test(protocols_grammar, every_failed_allocation_while_joining_is_reported_and_leaks_nothing)
{
    int64_t live, nth;

    enter("protocols/extends");
    live = cn_alloc_live();
    for (nth = 1;; nth++) {
        struct cn_protocol *p;
        struct cn_err err = CN_ERR_INIT;
        cn_status st;

        cn_alloc_fail_nth(nth);
        st = cn_protocol_read("case_grandchild.md", &p, &err);
        cn_alloc_fail_nth(0);
        cn_protocol_free(p);
        cr_assert_eq(cn_alloc_live(), live, "allocation %d", (int)nth);
        if (st == CN_OK)
            break;
        cr_assert_eq(st, CN_ENOMEM, "allocation %d: %s", (int)nth, err.text);
        cr_assert_lt(nth, 100000);
    }
    cr_assert_gt(nth, 10);
}

Test(protocols_grammar, every_prefix_of_a_child_is_joined_or_refused)
{
    struct scratch s;
    struct cn_buf text;
    char base[1024];
    const char *child;

    scratch_init(&s);
    cn_buf_init(&text, CN_CAP_TEXT);
    cr_assert_eq(cn_file_read(cn_case_path("protocols/extends/base.md", base, sizeof base),
                              CN_CAP_TEXT, &text, NULL),
                 CN_OK);
    (void)scratch_file(&s, "base.md", cn_buf_str(&text));
    cn_buf_reset(&text);
    cr_assert_eq(
        cn_file_read(cn_case_path("protocols/extends/case_child.md", base, sizeof base),
                     CN_CAP_TEXT, &text, NULL),
        CN_OK);
    child = scratch_path(&s, "child.md");
    for (size_t n = 0; n <= text.len; n += 3) {
        struct cn_protocol *p;
        struct cn_err err = CN_ERR_INIT;
        cn_status st;

        cr_assert_eq(cn_file_replace(child, text.data, n, NULL), CN_OK);
        st = cn_protocol_read(child, &p, &err);
        cr_assert((st == CN_OK) == (p != NULL));
        cr_assert(st == CN_OK || st == CN_EINPUT, "%zu: %s", n, err.text);
        cn_protocol_free(p);
    }
    cn_buf_clear(&text);
    scratch_clear(&s);
}

/* ------------------------------------------------------------------ the seeds */

static struct cn_protocol *read_case(const char *file)
{
    char path[1024];
    struct cn_buf b;
    struct cn_protocol *p;
    struct cn_err err = CN_ERR_INIT;

    cn_buf_init(&b, CN_CAP_PROTOCOL);
    cr_assert_eq(cn_file_read(cn_case_path(file, path, sizeof path), CN_CAP_PROTOCOL, &b, &err),
                 CN_OK, "%s", err.text);
    cr_assert_eq(cn_protocol_parse(
                     file, cn_buf_str(&b),
                     (size_t)(strstr(cn_buf_str(&b), "=== expect") - cn_buf_str(&b)), &p, &err),
                 CN_OK, "%s", err.text);
    cn_buf_clear(&b);
    return p;
}

static void has_values(const struct cn_protocol_param *q, int32_t n, const char *first,
                       const char *last)
{
    cr_assert_eq(q->n_choices, n, "%s", q->path);
    cr_assert_str_eq(q->choices[0], first);
    cr_assert_str_eq(q->choices[n - 1], last);
}

static void has_range(const struct cn_protocol_param *q, const char *value, double lo,
                      double hi)
{
    cr_assert(q->has_range, "%s", q->path);
    cr_assert_str_eq(q->default_text, value, "%s", q->path);
    cr_assert_eq(q->lo, lo, "%s", q->path);
    cr_assert_eq(q->hi, hi, "%s", q->path);
}

static bool has_note(const struct cn_protocol *p, const char *words)
{
    for (int32_t i = 0; i < p->n_notes; i++)
        if (strstr(p->notes[i].text, words))
            return true;
    return false;
}

Test(protocols_grammar, seed_of_the_two_stage_study_is_read_in_full)
{
    static const char *const fields[] = {"Mode/Strategy", "Seeds",       "Config",
                                         "R2 trajectory", "Embedding",   "Mutation",
                                         "Parent rule",   "Observation", "Variance update"};
    struct cn_protocol *p = read_case("protocols/seed_001.md");

    cr_assert(cn_text_starts(p->title, "FlyVis GNN Training Exploration"));
    cr_assert(cn_text_starts(p->goal, "Improve **V_rest R"));
    cr_assert_not(p->has_thresholds);
    cr_assert(p->rules_builtin);
    cr_assert_eq(p->n_params, 4);
    has_values(param(p, "alternate_joint_ratio"), 5, "0.2", "0.6");
    has_values(param(p, "alternate_lr_ratio"), 5, "0.01", "0.3");
    has_values(param(p, "n_epochs"), 2, "2", "3");
    has_values(param(p, "data_augmentation_loop"), 3, "20", "30");
    cr_assert_eq(param(p, "n_epochs")->type, CN_PROTOCOL_INT);
    cr_assert_eq(param(p, "alternate_lr_ratio")->type, CN_PROTOCOL_FLOAT);
    cr_assert_eq(p->n_log_fields, 9);
    for (int i = 0; i < 9; i++)
        cr_assert_str_eq(p->log_fields[i], fields[i]);
    cr_assert(has_note(p, "instruction_flyvis_62_1_gs.md: 6 lines"));
    cr_assert(has_note(p, "no Parent Selection Rule markers"));
    cn_protocol_free(p);
}

Test(protocols_grammar, partition_of_the_two_stage_seed_drives_its_five_blocks)
{
    struct cn_protocol *p = read_case("protocols/seed_001.md");
    const struct cn_protocol_block *b = p->blocks;

    cr_assert_eq(p->n_blocks, 5);
    cr_assert(b[0].kind == CN_PARTITION_DEFAULT && b[0].count == 12 && !b[0].at_least);
    cr_assert_str_eq(b[0].focus, "Baseline measurement");
    cr_assert(b[1].kind == CN_PARTITION_VARY && b[1].n_axes == 1);
    cr_assert_str_eq(b[1].axes[0].param, "alternate_joint_ratio");
    cr_assert_eq(b[1].axes[0].n_values, 4);
    cr_assert_str_eq(b[1].axes[0].values[3], "0.5");
    cr_assert_str_eq(b[2].axes[0].param, "alternate_lr_ratio");
    cr_assert_str_eq(b[2].axes[0].values[0], "0.01");
    cr_assert(b[3].kind == CN_PARTITION_VARY && b[3].n_axes == 2);
    cr_assert_str_eq(b[3].axes[1].param, "data_augmentation_loop");
    cr_assert_eq(b[3].axes[0].n_values * b[3].axes[1].n_values, 6);
    cr_assert(b[4].kind == CN_PARTITION_REPLICATE && b[4].count == 4 && b[4].at_least);
    cr_assert_eq(cn_protocol_block(p, 3), &b[2]);
    cr_assert_null(cn_protocol_block(p, 6));
    cn_protocol_free(p);
}

Test(protocols_grammar, seed_of_the_landscape_study_is_read_without_its_marks)
{
    struct cn_protocol *p = read_case("protocols/seed_002.md");

    cr_assert_str_eq(p->title, "Flyvis GNN Training Landscape Study");
    cr_assert(cn_text_starts(p->goal, "Map the flyvis GNN training landscape"));
    cr_assert_str_eq(p->reward, "connectivity_R2");
    cr_assert(p->has_thresholds && p->converged == .9 && p->failed == .1 &&
              !p->lower_is_better);
    cr_assert_eq(p->n_params, 12);
    has_range(param(p, "training.learning_rate_W_start"), "1.0E-3", 1e-4, 1e-2);
    has_range(param(p, "training.learning_rate_start"), "5.0E-4", 1e-5, 1e-3);
    has_range(param(p, "training.learning_rate_embedding_start"), "1.0E-3", 1e-5, 1e-3);
    has_range(param(p, "training.coeff_W_L1"), "5.0E-5", 1e-6, 1e-3);
    has_range(param(p, "training.coeff_edge_diff"), "500", 0, 1000);
    has_range(param(p, "training.coeff_edge_norm"), "1", 0, 10);
    has_range(param(p, "training.noise_model_level"), "0.05", 0, 0.2);
    has_range(param(p, "training.data_augmentation_loop"), "25", 10, 100);
    has_values(param(p, "training.batch_size"), 3, "1", "4");
    has_values(param(p, "simulation.visual_input_type"), 2, "DAVIS", "optical_flow");
    has_range(param(p, "simulation.n_frames"), "64000", 32000, 128000);
    has_range(param(p, "simulation.delta_t"), "0.02", .01, .05);
    cr_assert_eq(param(p, "simulation.delta_t")->cls, CN_PROTOCOL_SIMULATION);
    cr_assert_eq(p->n_log_fields, 6);
    cr_assert_str_eq(p->log_fields[2], "Activity");
    cr_assert(has_note(p, "lines of the web page"));
    cr_assert(has_note(p, "rule table without its marks"));
    cn_protocol_free(p);
}

Test(protocols_grammar, rules_of_the_landscape_seed_are_carried_out)
{
    struct cn_protocol *p = read_case("protocols/seed_002.md");

    cr_assert_eq(p->n_rules, 4);
    cr_assert_eq(p->rules[0].cond, CN_COND_DEFAULT);
    cr_assert_eq(p->rules[1].cond, CN_COND_CONSECUTIVE);
    cr_assert(p->rules[1].count == 3 && p->rules[1].has_threshold &&
              p->rules[1].threshold == .9);
    cr_assert(p->rules[2].cond == CN_COND_CONSECUTIVE && p->rules[2].count_div == 4);
    cr_assert_eq(p->rules[2].strategy, CN_STRATEGY_EXPLORE);
    cr_assert_eq(p->rules[3].cond, CN_COND_GOOD_CONFIG);
    cr_assert_not(p->rules_builtin);
    cr_assert(strstr(p->rules_text, "Step 1") && !strstr(p->rules_text, "Log Format"));
    cn_protocol_free(p);
}

/* ------------------------------------------------------------------ small questions */

Test(protocols_grammar, guardrails_of_a_setting_follow_the_same_grammar)
{
    struct cn_protocol_guardrail *g;
    struct cn_err err = CN_ERR_INIT;
    struct cn_arena a;
    int32_t n;

    cn_arena_init(&a, CN_CAP_TEXT);
    cr_assert_eq(cn_protocol_guardrails_parse(&a, "V_rest_R2 >= 0.2; time must not exceed 30",
                                              "command line", &g, &n, &err),
                 CN_OK, "%s", err.text);
    cr_assert_eq(n, 2);
    cr_assert(!g[0].at_most && g[0].bound == .2 && g[1].at_most && g[1].bound == 30);
    cr_assert_eq(cn_protocol_guardrails_parse(&a, "  ", "command line", &g, &n, &err), CN_OK);
    cr_assert_eq(n, 0);
    cr_assert_eq(cn_protocol_guardrails_parse(&a, "0.2 <= V", "command line", &g, &n, &err),
                 CN_EINPUT);
    cr_assert_not_null(strstr(err.text, "command line: guardrail: \"0.2 <= V\""));
    cn_arena_clear(&a);
}

Test(protocols_grammar, log_fields_are_those_that_the_log_writes)
{
    const char *const *ours = cn_protocol_log_fields(), *const *theirs =
                                                            cn_project_log_fields();
    int n = 0;

    for (; ours[n] && theirs[n]; n++)
        cr_assert_str_eq(ours[n], theirs[n]);
    cr_assert(n > 10 && !ours[n] && !theirs[n]);
}

Test(protocols_grammar, json_of_a_protocol_can_be_read)
{
    struct cn_protocol *p = read_case("protocols/seed_001.md");
    struct cn_json_doc *doc;
    struct cn_json_writer w;
    struct cn_err err = CN_ERR_INIT;
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_json_begin(&w, &b, 2);
    cn_json_open(&w, NULL, '{');
    cn_protocol_json(p, &w);
    cn_json_close(&w);
    cr_assert_eq(cn_json_parse("dump", cn_buf_str(&b), b.len, &doc, &err), CN_OK, "%s",
                 err.text);
    cr_assert_not_null(strstr(cn_buf_str(&b), "\"kind\": \"replicate\""));
    cn_json_free(doc);
    cn_buf_clear(&b);
    cn_protocol_free(p);
}
