/* Protocols from case files: a protocol, a line "=== expect", then what cn_protocol_dump
 * prints or "error: " and the message. A new case needs no C. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/yaml.h"
#include "protocols/protocol.h"
#include "support/cases.h"

static const char mark[] = "\n=== expect\n";

static void read_case(const char *name, struct cn_buf *b)
{
    char path[1024], file[256];
    struct cn_err err = CN_ERR_INIT;

    (void)snprintf(file, sizeof(file), "protocols/%s", name);
    cn_buf_init(b, CN_CAP_PROTOCOL);
    cr_assert_eq(cn_file_read(cn_case_path(file, path, sizeof(path)), CN_CAP_PROTOCOL, b, &err),
                 CN_OK, "%s", err.text);
}

/* What the case printed, into `out`. */
static void run_case(const char *name, const char *text, size_t n, struct cn_buf *out)
{
    struct cn_protocol *p;
    struct cn_err err = CN_ERR_INIT;

    cn_buf_init(out, CN_CAP_TEXT);
    if (cn_protocol_parse(name, text, n, &p, &err) == CN_OK)
        cn_protocol_dump(p, out);
    else
        cn_buf_printf(out, "error: %s\n", err.text);
    cn_protocol_free(p);
}

/* CAIRN_WRITE_CASES=1 rewrites the expectations; read the difference before keeping it. */
static void write_case(const char *name, const char *text, size_t n, const struct cn_buf *got)
{
    char path[1024], file[256];
    struct cn_buf b;

    (void)snprintf(file, sizeof(file), "protocols/%s", name);
    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_add(&b, text, n);
    cn_buf_adds(&b, mark + 1);
    cn_buf_adds(&b, cn_buf_str(got));
    cr_assert_eq(cn_file_replace(cn_case_path(file, path, sizeof(path)), b.data, b.len, NULL),
                 CN_OK);
    cn_buf_clear(&b);
}

Test(protocols_protocol, every_case_file_gives_what_it_expects)
{
    char path[1024], **names;
    int n, cases = 0, wrong = 0;

    cr_assert_eq(cn_file_list(cn_case_path("protocols", path, sizeof(path)), &names, &n, NULL),
                 CN_OK);
    for (int i = 0; i < n; i++) {
        struct cn_buf text, got;
        const char *expect;
        size_t len;

        if (!strstr(names[i], ".md"))
            continue;
        read_case(names[i], &text);
        expect = strstr(cn_buf_str(&text), mark);
        cr_assert_not_null(expect, "%s: no expectation", names[i]);
        len = (size_t)(expect - cn_buf_str(&text)) + 1;
        run_case(names[i], cn_buf_str(&text), len, &got);
        if (getenv("CAIRN_WRITE_CASES"))
            write_case(names[i], cn_buf_str(&text), len, &got);
        else if (strcmp(cn_buf_str(&got), expect + strlen(mark)) != 0) {
            (void)fprintf(stderr, "%s: got\n%s\n", names[i], cn_buf_str(&got));
            wrong++;
        }
        cases++;
        cn_buf_clear(&text);
        cn_buf_clear(&got);
    }
    cn_file_list_free(names, n);
    cr_assert_gt(cases, 30);
    cr_assert_eq(wrong, 0, "%d of %d cases", wrong, cases);
}

static struct cn_protocol *parse(const char *name)
{
    struct cn_buf text;
    struct cn_protocol *p;
    struct cn_err err = CN_ERR_INIT;

    read_case(name, &text);
    cr_assert_eq(cn_protocol_parse(
                     name, cn_buf_str(&text),
                     (size_t)(strstr(cn_buf_str(&text), mark) - cn_buf_str(&text)), &p, &err),
                 CN_OK, "%s", err.text);
    cn_buf_clear(&text);
    return p;
}

Test(protocols_protocol, fields_hold_what_the_dump_says)
{
    struct cn_protocol *p = parse("full.md");
    const struct cn_protocol_param *lr = &p->params[0];

    cr_assert_str_eq(lr->path, "training.lr_W");
    cr_assert_eq(lr->lo, 1e-4);
    cr_assert_eq(lr->hi, 1e-2);
    cr_assert_str_eq(lr->meaning, "LR of the weights");
    cr_assert(p->has_thresholds && !p->lower_is_better);
    cr_assert_eq(p->converged, .9);
    cr_assert_eq(p->failed, .1);
    cr_assert_str_eq(cn_protocol_setting(p, "ucb.c"), "1.414");
    cr_assert_null(cn_protocol_setting(p, "ucb"));
    cr_assert(strncmp(p->goal, "Find settings", 13) == 0);
    cr_assert(strstr(p->goal, "Explain what matters.") != NULL);
    cn_protocol_free(p);
}

Test(protocols_protocol, rule_region_is_the_bytes_between_the_markers)
{
    struct cn_protocol *p = parse("full.md");
    size_t n = p->rules_end - p->rules_start;
    char *region = strndup(p->text + p->rules_start, n);

    cr_assert_not_null(region);
    cr_assert(strncmp(region, "\nHighest UCB.", 13) == 0, "%s", region);
    cr_assert_not(strstr(region, "## "));
    cr_assert(strncmp(p->text + p->rules_end, "## END Parent selection", 23) == 0);
    free(region);
    cn_protocol_free(p);
}

Test(protocols_protocol, zero_bytes_and_bad_utf8_are_refused)
{
    struct cn_protocol *p;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_protocol_parse("z.md", "## Goal\nx\0y", 11, &p, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "z.md") && strstr(err.text, "zero byte"));
    cr_assert_eq(cn_protocol_parse("z.md", "## Goal\n\xff\xfe", 10, &p, &err), CN_EINPUT);
    cr_assert_null(p);
}

Test(protocols_protocol, every_prefix_of_a_good_protocol_is_read_or_refused)
{
    struct cn_buf text;

    read_case("full.md", &text);
    for (size_t n = 0; n <= text.len; n++) {
        struct cn_protocol *p;
        struct cn_err err = CN_ERR_INIT;
        cn_status st = cn_protocol_parse("p.md", cn_buf_str(&text), n, &p, &err);

        cr_assert((st == CN_OK) == (p != NULL));
        cr_assert(st == CN_OK || (st == CN_EINPUT && strstr(err.text, "p.md")), "%zu: %s", n,
                  err.text);
        cn_protocol_free(p);
    }
    cn_buf_clear(&text);
}

Test(protocols_protocol, every_failed_allocation_is_reported_and_leaks_nothing)
{
    struct cn_buf text;
    int64_t live, nth;

    read_case("full.md", &text);
    live = cn_alloc_live();
    for (nth = 1;; nth++) {
        struct cn_protocol *p;
        struct cn_err err = CN_ERR_INIT;
        cn_status st;

        cn_alloc_fail_nth(nth);
        st = cn_protocol_parse("p.md", cn_buf_str(&text), text.len, &p, &err);
        cn_alloc_fail_nth(0);
        cn_protocol_free(p);
        cr_assert_eq(cn_alloc_live(), live);
        if (st == CN_OK)
            break;
        cr_assert_eq(st, CN_ENOMEM, "allocation %d: %s", (int)nth, err.text);
        cr_assert_lt(nth, 100000);
    }
    cr_assert_gt(nth, 3);
    cn_buf_clear(&text);
}

Test(protocols_protocol, shipped_protocols_are_understood)
{
    static const char *const shipped[] = {"fly_demo.md", "flyvis_landscape.md",
                                          "flyvis_two_stage.md", "toy.md"};
    char path[1024];

    for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
        struct cn_protocol *p;
        struct cn_err err = CN_ERR_INIT;
        char file[256];

        (void)snprintf(file, sizeof(file), "../../protocols/%s", shipped[i]);
        cr_assert_eq(cn_protocol_read(cn_case_path(file, path, sizeof(path)), &p, &err), CN_OK,
                     "%s", err.text);
        cr_assert_eq(p->n_notes, 0, "%s: %s", shipped[i], p->n_notes ? p->notes[0].text : "");
        cr_assert_geq(p->n_rules, 5);
        cr_assert_not(p->rules_builtin);
        cr_assert(p->has_thresholds);
        cr_assert_gt(p->n_params, 2);
        cn_protocol_free(p);
    }
}

/* Where the search begins must be a place that it may propose. */
static void check_start(const struct cn_protocol *p, const struct cn_yaml *y)
{
    for (int32_t i = 0; i < p->n_params; i++) {
        const struct cn_protocol_param *q = &p->params[i];
        const struct cn_yaml_node *v = cn_yaml_path(cn_yaml_root(y), q->path);
        bool listed = q->n_choices == 0;
        double x = 0, c;

        cr_assert_not_null(v, "%s: the config has no %s", p->name, q->path);
        if (q->has_range) {
            cr_assert(cn_yaml_number(v, &x));
            cr_assert(x >= q->lo && x <= q->hi, "%s: %s is %g in the config", p->name, q->path,
                      x);
        }
        for (int32_t k = 0; k < q->n_choices; k++)
            listed |= strcmp(cn_yaml_string(v), q->choices[k]) == 0 ||
                      (cn_yaml_number(v, &x) && (c = strtod(q->choices[k], NULL)) == x);
        cr_assert(listed, "%s: %s is %s in the config", p->name, q->path, cn_yaml_string(v));
    }
}

Test(protocols_protocol, shipped_configs_start_inside_their_protocols_ranges)
{
    static const struct {
        const char *protocol, *config;
    } pairs[] = {{"fly_demo.md", "demo.yaml"},
                 {"flyvis_landscape.md", "gold_standard.yaml"},
                 {"flyvis_two_stage.md", "two_stage.yaml"}};
    char path[1024], file[256];

    for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
        struct cn_protocol *p;
        struct cn_yaml *y;
        struct cn_err err = CN_ERR_INIT;

        (void)snprintf(file, sizeof(file), "../../protocols/%s", pairs[i].protocol);
        cr_assert_eq(cn_protocol_read(cn_case_path(file, path, sizeof(path)), &p, &err), CN_OK,
                     "%s", err.text);
        (void)snprintf(file, sizeof(file), "../../configs/fly/%s", pairs[i].config);
        cr_assert_eq(cn_yaml_read(cn_case_path(file, path, sizeof(path)), &y, &err), CN_OK,
                     "%s", err.text);
        check_start(p, y);
        cn_yaml_free(y);
        cn_protocol_free(p);
    }
}

/* The indented block of docs/PROTOCOLS.md whose first line contains `first`, without the
 * indentation. */
static void doc_sample(const char *first, struct cn_buf *out)
{
    char path[1024];
    struct cn_buf doc;
    bool inside = false;

    cn_buf_init(&doc, CN_CAP_FILE);
    cn_buf_init(out, CN_CAP_TEXT);
    cr_assert_eq(cn_file_read(cn_case_path("../../docs/PROTOCOLS.md", path, sizeof(path)),
                              CN_CAP_FILE, &doc, NULL),
                 CN_OK);
    for (char *s = doc.data, *line; (line = strsep(&s, "\n")) != NULL;) {
        bool indented = strncmp(line, "    ", 4) == 0;

        inside = inside ? indented || !line[0] : indented && strstr(line, first);
        if (inside)
            cn_buf_printf(out, "%s\n", indented ? line + 4 : "");
        else if (out->len > 0)
            break;
    }
    cr_assert_gt(out->len, 0);
    cn_buf_clear(&doc);
}

Test(protocols_protocol, sample_of_the_manual_is_read_without_surprise)
{
    struct cn_buf b;
    struct cn_protocol *p;
    struct cn_err err = CN_ERR_INIT;

    doc_sample("# Learning rates", &b);
    cr_assert_eq(cn_protocol_parse("manual", cn_buf_str(&b), b.len, &p, &err), CN_OK, "%s",
                 err.text);
    cr_assert_eq(p->n_params, 3);
    cr_assert(p->has_thresholds);
    cr_assert_eq(p->n_notes, 1, "only the missing rule table");
    cn_protocol_free(p);
    cn_buf_clear(&b);
}

Test(protocols_protocol, rule_table_of_the_manual_is_the_built_in_one)
{
    struct cn_buf b;
    struct cn_protocol *p;
    struct cn_err err = CN_ERR_INIT;
    int32_t n;
    const struct cn_rule *built_in = cn_rules_default(&n);

    doc_sample("## Parent Selection Rule", &b);
    cn_buf_adds(&b, "\n## Goal\n\nx\n");
    cr_assert_eq(cn_protocol_parse("manual", cn_buf_str(&b), b.len, &p, &err), CN_OK, "%s",
                 err.text);
    cr_assert_eq(p->n_rules, n);
    for (int32_t i = 0; i < n; i++) {
        const struct cn_rule *r = &p->rules[i], *q = &built_in[i];

        cr_assert(r->cond == q->cond && r->strategy == q->strategy && r->count == q->count &&
                      r->count_div == q->count_div && r->parent_rule == q->parent_rule &&
                      r->parent_k == q->parent_k && r->parent_div == q->parent_div &&
                      r->rate == q->rate,
                  "row %d", (int)i + 1);
    }
    cn_protocol_free(p);
    cn_buf_clear(&b);
}
