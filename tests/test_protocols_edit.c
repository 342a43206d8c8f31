/* Edits of the rules: what is taken, what is refused and in which words; unified differences. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/caps.h"
#include "base/file.h"
#include "protocols/edit.h"
#include "support/scratch.h"

#define HEAD                                                                    \
    "# Tuning\n\n## Goal\n\nFind it. Default is fine.\n\n## Classification\n\n" \
    "- **Converged**: score > 0.9\n- **Failed**: score < 0.1\n\n## Training "   \
    "Parameters\n\n```yaml\ntraining:\n  lr: 1.0e-3 # rate range: 1.0e-5 to "   \
    "1.0e-1\n```\n\n"
#define BEGIN   "## Parent Selection Rule (CRITICAL)\n"
#define HEADER  "| Condition | Strategy | Action |\n|---|---|---|\n"
#define DEFAULT "| Default | **exploit** | Use highest UCB node, try new mutation |\n"
#define PROBE   "| 3+ consecutive successes (score >= 0.9) | **failure-probe** | Push |\n"
#define GOOD    "| Found good config | **robustness-test** | Train again |\n"
#define PROSE   "| The plots look flat | **exploit** | Think |\n"
#define END     "## END Parent Selection Rule (CRITICAL)\n"
#define TAIL    "\n## Context\n\nWords.\n"
#define RULES   HEADER DEFAULT PROBE GOOD PROSE
#define BRANCH                                                                      \
    "| Branching rate < 20% in last block | **force-branch** | Select random node " \
    "from top 3 UCB, not the sequential parent |\n"

static const char base[] = HEAD BEGIN "\n" RULES "\n" END TAIL;

static struct cn_protocol *parse(const char *text)
{
    struct cn_protocol *p = NULL;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_protocol_parse("p.md", text, strlen(text), &p, &err), CN_OK, "%s",
                 err.text);
    return p;
}

struct edit_case {
    const char *name, *text; /* text NULL: base */
    const char *old, *new;
    const char *gives; /* the whole new text, or ... */
    const char *words; /* ... a part of the refusal */
};

static const struct edit_case cases[] = {
    {"a row is added", NULL, DEFAULT, DEFAULT BRANCH,
     HEAD BEGIN "\n" HEADER DEFAULT BRANCH PROBE GOOD PROSE "\n" END TAIL, NULL},
    {"a threshold moves", NULL, "(score >= 0.9)", "(score >= 0.95)",
     HEAD BEGIN
     "\n" HEADER DEFAULT
     "| 3+ consecutive successes (score >= 0.95) | **failure-probe** | Push |\n" GOOD PROSE
     "\n" END TAIL,
     NULL},
    {"a row is removed with its line break", NULL,
     "| Found good config | **robustness-test** | Train again |", "",
     HEAD BEGIN "\n" HEADER DEFAULT PROBE PROSE "\n" END TAIL, NULL},
    {"a row is removed, its break quoted", NULL, GOOD, "",
     HEAD BEGIN "\n" HEADER DEFAULT PROBE PROSE "\n" END TAIL, NULL},
    {"a prose row is added", NULL, PROSE, PROSE "| Two far nodes | **recombine** | Mix |\n",
     HEAD BEGIN "\n" RULES "| Two far nodes | **recombine** | Mix |\n\n" END TAIL, NULL},
    {"a prose row becomes one that the host carries out", NULL, "The plots look flat", "Stuck",
     HEAD BEGIN "\n" HEADER DEFAULT PROBE GOOD "| Stuck | **exploit** | Think |\n\n" END TAIL,
     NULL},
    {"letters beyond ASCII", NULL, "| Train again |",
     "| Train again \xe2\x80\x93 na\xc3\xafve |",
     HEAD BEGIN "\n" HEADER DEFAULT PROBE
                "| Found good config | **robustness-test** | Train again \xe2\x80\x93 "
                "na\xc3\xafve |\n" PROSE "\n" END TAIL,
     NULL},
    {"markers in other letters, no level",
     HEAD "PARENT SELECTION RULE\n" HEADER DEFAULT "END parent selection RULE\n" TAIL, DEFAULT,
     DEFAULT BRANCH,
     HEAD "PARENT SELECTION RULE\n" HEADER DEFAULT BRANCH "END parent selection RULE\n" TAIL,
     NULL},
    {"the end of the file without a line break",
     HEAD BEGIN HEADER DEFAULT "## END Parent Selection Rule", DEFAULT, DEFAULT BRANCH,
     HEAD BEGIN HEADER DEFAULT BRANCH "## END Parent Selection Rule", NULL},
    {"line breaks of the other kind",
     "# T\r\n## Goal\r\nx\r\n## Parent Selection Rule\r\n| Condition | Strategy |\r\n| Default "
     "| "
     "exploit |\r\n| Stuck | explore |\r\n## END Parent Selection Rule\r\n",
     "| Default | exploit |\n| Stuck | explore |",
     "| Default | exploit |\n| Stuck | force-branch |",
     "# T\r\n## Goal\r\nx\r\n## Parent Selection Rule\r\n| Condition | Strategy |\r\n| Default "
     "| "
     "exploit |\r\n| Stuck | force-branch |\r\n## END Parent Selection Rule\r\n",
     NULL},
    {"a row removed among those breaks",
     "# T\r\n## Goal\r\nx\r\n## Parent Selection Rule\r\n| Condition | Strategy |\r\n| Default "
     "| "
     "exploit |\r\n| Stuck | explore |\r\n## END Parent Selection Rule\r\n",
     "| Stuck | explore |", "",
     "# T\r\n## Goal\r\nx\r\n## Parent Selection Rule\r\n| Condition | Strategy |\r\n| Default "
     "| "
     "exploit |\r\n## END Parent Selection Rule\r\n",
     NULL},

    {"nothing to look for", NULL, "", PROBE, NULL, "old text is empty"},
    {"not there", NULL, "| Never |", "x", NULL,
     "not found between the markers (lines 20 to 27)"},
    {"not quite there", NULL, "| default | exploit | use highest UCB node, try new mutation |",
     "x", NULL, "line 23 differs in white space, letter case or marks"},
    {"outside", NULL, "Find it.", "Lose it.", NULL,
     "stands in line 5, outside of the markers: only lines 20 to 27"},
    {"reaching over the marker", NULL, PROSE "\n## END", PROSE "\n## END", NULL, "a heading"},
    {"twice", NULL, "**exploit**", "**explore**", NULL, "found 2 times between the markers"},
    {"the same", NULL, DEFAULT, DEFAULT, NULL, "changes nothing"},
    {"a heading", NULL, PROSE, PROSE "### More\n", NULL, "the new text holds a heading"},
    {"a fence", NULL, PROSE, PROSE "```yaml\nexplore:\n```\n", NULL, "holds a code fence"},
    {"a marker", NULL, PROSE, PROSE "END parent selection rule\n", NULL, "holds a marker"},
    {"a control character", NULL, PROSE, PROSE "\x1b[2J\n", NULL,
     "control character (code 27)"},
    {"no UTF-8", NULL, PROSE, PROSE "\xff\n", NULL, "not UTF-8"},
    {"the END marker touched", NULL, "| Think |\n\n", "| Think |", NULL,
     "run into the END marker"},
    {"an empty line in the table", NULL, PROBE, PROBE "\n", NULL,
     "row 3 \"Found good config\", which the edit does not name"},
    {"words in the table", NULL, PROBE, PROBE "And now:\n", NULL, "without an empty line"},
    {"the header's columns renamed", NULL, "| Condition | Strategy |", "| If | Then |", NULL,
     "no rule table would be left"},
    {"the columns swapped", NULL, "| Condition | Strategy |", "| Strategy | Condition |", NULL,
     "row 1 \"Default\", which the edit does not name"},
    {"all rows removed", NULL, DEFAULT PROBE GOOD PROSE, "", NULL,
     "no rule table would be left"},
    {"a condition that nobody knows", NULL, "3+ consecutive successes (score >= 0.9)",
     "3+ really nice results", NULL, "as \"3+ really nice results\" it would be prose"},
    {"a strategy that nobody can carry out", NULL, "**robustness-test**", "**meditate**", NULL,
     "\"Found good config\" is carried out by the host"},
    {"prose in exchange for a rule", NULL, GOOD, "| Nice weather | **exploit** | Go |\n", NULL,
     "it would be prose"},
    {"a number out of its range", NULL, DEFAULT,
     DEFAULT "| Branching rate < 200% in last block | force-branch | |\n", NULL,
     "could not be read any more: p.md:24"},
    {"no markers", HEAD TAIL, DEFAULT, "", NULL, "no Parent Selection Rule markers"},
};

static void try_case(const struct edit_case *c)
{
    struct cn_protocol *p = parse(c->text ? c->text : base);
    struct cn_err err = CN_ERR_INIT;
    struct cn_buf out;
    cn_status st;

    cn_buf_init(&out, CN_CAP_PROTOCOL);
    st = cn_edit_apply(p, c->old, c->new, &out, &err);
    if (c->gives) {
        cr_expect_eq(st, CN_OK, "%s: %s", c->name, err.text);
        cr_expect_str_eq(cn_buf_str(&out), c->gives, "%s:\n%s", c->name, cn_buf_str(&out));
        cr_expect_eq(cn_edit_check(p, c->gives, &err), CN_OK, "%s: %s", c->name, err.text);
    } else if (c->words) {
        cr_expect_eq(st, CN_EINPUT, "%s", c->name);
        cr_expect(strstr(err.text, c->words), "%s: \"%s\"", c->name, err.text);
        cr_expect_eq(out.len, 0, "%s", c->name);
    }
    cn_buf_clear(&out);
    cn_protocol_free(p);
}

Test(protocols_edit, every_case_is_taken_or_refused_as_it_should)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        try_case(&cases[i]);
}

/* Whether a table or a block between the markers counts is the reader's business; that an edit
 * cannot bring one in is ours. */
Test(protocols_edit, an_edit_never_changes_parameters_or_settings)
{
    const char *const smuggled[] = {
        "\n| Parameter | Explore Range |\n|---|---|\n| lr | 0.1-9 |\n| gain | 0.1-9 |\n\n",
        "\n    explore:\n      iterations: 100000\n\n", "\n    lr: 1 # rate range: 0 to 9\n\n"};
    struct cn_protocol *p = parse(base);
    struct cn_buf out, new;

    cn_buf_init(&out, CN_CAP_PROTOCOL);
    cn_buf_init(&new, CN_CAP_PROTOCOL);
    for (int i = 0; i < 3; i++) {
        struct cn_protocol *q = NULL;

        cn_buf_reset(&new);
        cn_buf_adds(&new, PROSE);
        cn_buf_adds(&new, smuggled[i]);
        if (cn_edit_apply(p, PROSE "\n", cn_buf_str(&new), &out, NULL) != CN_OK)
            continue;
        q = parse(cn_buf_str(&out));
        cr_expect_eq(q->n_settings, p->n_settings, "%d", i);
        cr_expect_eq(q->n_params, p->n_params, "%d", i);
        cr_expect_eq(q->params[0].hi, p->params[0].hi, "%d", i);
        cn_protocol_free(q);
    }
    cn_buf_clear(&out);
    cn_buf_clear(&new);
    cn_protocol_free(p);
}

Test(protocols_edit, a_table_may_not_grow_without_end)
{
    struct cn_buf rows, out;
    struct cn_protocol *p;
    struct cn_err err = CN_ERR_INIT;

    cn_buf_init(&rows, CN_CAP_TEXT);
    cn_buf_init(&out, CN_CAP_TEXT);
    cn_buf_adds(&rows, HEAD BEGIN HEADER DEFAULT);
    for (int i = 1; i < CN_CAP_RULE_ROWS; i++)
        cn_buf_printf(&rows, "| %d+ consecutive successes | explore | |\n", i);
    cn_buf_adds(&rows, END);
    p = parse(cn_buf_str(&rows));
    cr_assert_eq(p->n_rules, CN_CAP_RULE_ROWS);
    cr_assert_eq(cn_edit_apply(p, DEFAULT, DEFAULT BRANCH, &out, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "would have 49 rows; at most 48"), "%s", err.text);
    cr_assert_eq(cn_edit_apply(p, DEFAULT, BRANCH, &out, &err), CN_OK, "%s", err.text);
    cn_protocol_free(p);

    p = parse(base);
    cn_buf_reset(&rows);
    cn_buf_adds(&rows, PROSE "\n");
    for (int i = 0; i < 400; i++)
        cn_buf_adds(&rows, "What we learned in the last block, at length and at leisure.\n");
    cr_assert_eq(cn_edit_apply(p, PROSE "\n", cn_buf_str(&rows), &out, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "belongs in the memory"), "%s", err.text);
    cn_protocol_free(p);
    cn_buf_clear(&rows);
    cn_buf_clear(&out);
}

Test(protocols_edit, a_whole_text_is_checked_alike)
{
    struct cn_protocol *p = parse(base);
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_edit_check(p, HEAD BEGIN "\n" HEADER BRANCH DEFAULT "\n" END TAIL, &err),
                 CN_OK, "%s", err.text);
    cr_assert_eq(cn_edit_check(p, HEAD BEGIN "\n" RULES "\n" END "\nOther words.\n", &err),
                 CN_EINPUT);
    cr_assert(strstr(err.text, "only lines 20 to 27, between the markers"), "%s", err.text);
    cr_assert_eq(cn_edit_check(p, base, &err), CN_EINPUT);
    cn_protocol_free(p);
}

/* ------------------------------------------------------------------ differences */

static void differs(const char *a, const char *b, const char *want)
{
    struct cn_buf out;

    cn_buf_init(&out, CN_CAP_TEXT);
    cn_edit_diff("a", a, "b", b, &out);
    cr_expect_str_eq(cn_buf_str(&out), want, "%s", cn_buf_str(&out));
    cn_buf_clear(&out);
}

Test(protocols_edit, differences_read_as_diff_u_writes_them)
{
    differs("x\n", "x\n", "");
    differs("", "x\n", "--- a\n+++ b\n@@ -0,0 +1 @@\n+x\n");
    differs("x\n", "", "--- a\n+++ b\n@@ -1 +0,0 @@\n-x\n");
    differs("x", "x\n", "--- a\n+++ b\n@@ -1 +1 @@\n-x\n\\ No newline at end of file\n+x\n");
    differs("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\n5\nsix\n7\n8\n9\n",
            "--- a\n+++ b\n@@ -3,7 +3,7 @@\n 3\n 4\n 5\n-6\n+six\n 7\n 8\n 9\n");
    differs("a\nb\nc\na\nb\nb\na\n", "c\nb\na\nb\na\nc\n",
            "--- a\n+++ b\n@@ -1,7 +1,6 @@\n-a\n-b\n c\n+b\n a\n b\n-b\n a\n+c\n");
    differs("1\n2\n3\n4\n5\n6\n7\n8\n9\n10\n", "1\nx\n2\n3\n4\n5\n6\n7\n8\n10\n",
            "--- a\n+++ b\n@@ -1,4 +1,5 @@\n 1\n+x\n 2\n 3\n 4\n@@ -6,5 +7,4 @@\n 6\n 7\n 8\n"
            "-9\n 10\n");
}

/* The lines of b, put together again from a and the difference. */
static void patch(const char *a, const char *diff, struct cn_buf *out)
{
    const char *s = strstr(diff, "@@ ");
    int line = 1;

    while (s && *s) {
        const char *end = strchr(s, '\n') + 1;
        int from, n = 1;

        if (sscanf(s, "@@ -%d,%d", &from, &n) == 2 || sscanf(s, "@@ -%d", &from) == 1) {
            if (n == 0)
                from++;
            for (; line < from; line++) {
                const char *stop = strchr(a, '\n') + 1;

                cn_buf_add(out, a, (size_t)(stop - a));
                a = stop;
            }
        } else {
            if (*s != '-')
                cn_buf_add(out, s + 1, (size_t)(end - s - 1));
            if (*s != '+') {
                a = strchr(a, '\n') + 1;
                line++;
            }
        }
        s = end;
    }
    cn_buf_adds(out, a);
}

Test(protocols_edit, a_difference_puts_the_other_text_together_again)
{
    uint32_t x = 12345;

    for (int round = 0; round < 300; round++) {
        struct cn_buf a, b, diff, got;

        cn_buf_init(&a, CN_CAP_TEXT);
        cn_buf_init(&b, CN_CAP_TEXT);
        cn_buf_init(&diff, CN_CAP_TEXT);
        cn_buf_init(&got, CN_CAP_TEXT);
        for (int i = 0; i < 40; i++) {
            x = x * 1664525u + 1013904223u;
            if (x >> 30 != 0)
                cn_buf_printf(&a, "%u\n", (x >> 20) % 4);
            if (x >> 29 % 4 != 1)
                cn_buf_printf(&b, "%u\n", (x >> 18) % 4);
        }
        cn_edit_diff("a", cn_buf_str(&a), "b", cn_buf_str(&b), &diff);
        patch(cn_buf_str(&a), cn_buf_str(&diff), &got);
        cr_assert_str_eq(cn_buf_str(&got), cn_buf_str(&b), "round %d:\n%s", round,
                         cn_buf_str(&diff));
        cn_buf_clear(&a);
        cn_buf_clear(&b);
        cn_buf_clear(&diff);
        cn_buf_clear(&got);
    }
}

Test(protocols_edit, very_different_texts_are_shown_as_replaced)
{
    struct cn_buf a, b, diff, got;

    cn_buf_init(&a, CN_CAP_TEXT);
    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_init(&diff, CN_CAP_TEXT);
    cn_buf_init(&got, CN_CAP_TEXT);
    for (int i = 0; i < 2000; i++) {
        cn_buf_printf(&a, "a %d\n", i);
        cn_buf_printf(&b, "b %d\n", i);
    }
    cn_edit_diff("a", cn_buf_str(&a), "b", cn_buf_str(&b), &diff);
    patch(cn_buf_str(&a), cn_buf_str(&diff), &got);
    cr_assert_str_eq(cn_buf_str(&got), cn_buf_str(&b));
    cn_buf_clear(&a);
    cn_buf_clear(&b);
    cn_buf_clear(&diff);
    cn_buf_clear(&got);
}
