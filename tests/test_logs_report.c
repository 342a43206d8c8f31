/* logs/report: a page for a night, readable for a thousand iterations, and no word too sure. Golden
 * files: tests/cases/logs; CAIRN_WRITE_GOLDEN=1 writes them anew, to be read by eye. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "logs/principles.h"
#include "logs/project.h"
#include "tests/support/made_many.h"

static struct made m;
static struct cn_buf out, again;
static struct cn_err err;

static void set_up(void)
{
    cn_buf_init(&out, CN_CAP_TEXT);
    cn_buf_init(&again, CN_CAP_TEXT);
}

static void tear_down(void)
{
    cn_buf_clear(&out);
    cn_buf_clear(&again);
    made_clear(&m);
}

TestSuite(logs_report, .init = set_up, .fini = tear_down, .timeout = 60);

static const char *report(const char *words)
{
    cn_buf_reset(&out);
    cn_project_report(&m.h, "Recover W.", words, &out);
    cr_assert_eq(cn_buf_status(&out), CN_OK);
    return cn_buf_str(&out);
}

static int64_t count(const char *text, const char *what)
{
    int64_t n = 0;

    for (; (text = strstr(text, what)) != NULL; text++)
        n++;
    return n;
}

static void check_golden(const char *name, const char *text)
{
    const char *cases = getenv("CAIRN_TEST_CASES");
    char path[512];
    struct cn_buf want;

    (void)snprintf(path, sizeof(path), "%s/logs/%s", cases ? cases : "tests/cases", name);
    if (getenv("CAIRN_WRITE_GOLDEN"))
        cr_assert_eq(cn_file_replace(path, text, strlen(text), &err), CN_OK, "%s", err.text);
    cn_buf_init(&want, CN_CAP_FILE);
    cr_assert_eq(cn_file_read(path, CN_CAP_FILE, &want, &err), CN_OK, "%s", err.text);
    cr_assert_str_eq(text, cn_buf_str(&want), "%s", name);
    cn_buf_clear(&want);
}

/* A night: two blocks of 12, what the embedded proposer wrote at their ends, confirmations under
 * common seeds, a guardrail. */
static void night(void)
{
    static const char *const params[] = {"training.lr", "training.lr_W"};
    struct cn_hypothesis_opts o = {1, true, params, 2, NULL};

    made_many(&m, 24);
    m.h.info.guardrails = "V_rest_R2 >= 0.2";
    for (int64_t i = 1; i <= 24; i++)
        if (m.h.iterations[i - 1].n_metrics)
            made_metric(&m, i, "V_rest_R2", i == 6 || i == 22 ? 0.1 : 0.4);
    m.h.blocks[0].edit_note = "No protocol edit; branching rate 25 % of 4";
    m.h.blocks[1].edit_note = "added row \"stuck\"";
    m.h.blocks[1].closed = true;
    for (uint64_t i = 0; i < 3; i++) {
        made_confirm(&m, 13, 0.49 + 0.01 * (double)i, 100 + i);
        made_confirm(&m, 17, 0.69 + 0.01 * (double)(i * i % 3), 100 + i);
    }
    cr_assert_eq(
        cn_principles_update(&m.h, "### Open Questions\n- does lr matter?\n", &again, &err),
        CN_OK);
    for (o.closed = 1; o.closed <= 2; o.closed++) {
        cn_buf_reset(&out);
        o.goes_on = o.closed == 1;
        cr_assert_eq(cn_hypothesis_update(&m.h, cn_buf_str(&again), &o, &out, &err), CN_OK);
        cn_buf_reset(&again);
        cn_buf_adds(&again, cn_buf_str(&out));
    }
}

Test(logs_report, a_night_is_a_page)
{
    night();
    check_golden("night_report.txt", report(cn_buf_str(&again)));
    cr_assert_leq(count(cn_buf_str(&out), "\n"), 120);
    cn_buf_reset(&out);
    cn_project_memory(&m.h, cn_buf_str(&again), &out);
    check_golden("night_memory.txt", cn_buf_str(&out));
}

Test(logs_report, a_thousand_iterations_are_no_thousand_lines)
{
    made_many(&m, 1000);
    report("");
    cr_assert_leq(out.len, (size_t)24 << 10, "%zu bytes", out.len);
    cr_assert_leq(count(cn_buf_str(&out), "\n"), 150);
    cr_assert(strstr(cn_buf_str(&out), "\n## The best configs\n"));
    cr_assert(strstr(cn_buf_str(&out), "\n## The last iterations\n"));
    cr_assert(strstr(cn_buf_str(&out), "\nAll of them: `cairn log made`.\n"));
    cr_assert(strstr(cn_buf_str(&out), "| 1000 | 84 |"));
}

/* Confirmations of the default and of a node that the search thinks better, in pairs. */
static void confirmed(double best_1, double best_2, double best_3)
{
    const double best[] = {best_1, best_2, best_3}, base[] = {0.50, 0.53, 0.49};
    int64_t a;

    made_init(&m, 40);
    made_block(&m, "simulation.n_frames", "64000");
    made_root(&m, 0.5);
    a = made_try(&m, 1, "training.lr_W", "2.0e-3", 0.6);
    m.h.blocks[0].closed = true;
    for (uint64_t i = 0; i < 3; i++) {
        made_confirm(&m, 1, base[i], 100 + i);
        made_confirm(&m, a, best[i], 100 + i);
    }
}

Test(logs_report, a_gain_within_the_noise_is_called_so)
{
    confirmed(0.51, 0.53, 0.50);
    cr_assert(strstr(report(""), "3 pairs): not distinguishable from the default**"), "%s",
              cn_buf_str(&out));
    made_clear(&m);
    confirmed(0.61, 0.64, 0.59);
    cr_assert(strstr(report(""), "3 pairs)**"), "%s", cn_buf_str(&out));
    cr_assert_null(strstr(cn_buf_str(&out), "not distinguishable"));
    made_clear(&m);
    confirmed(0.41, 0.44, 0.39);
    cr_assert(strstr(report(""), "3 pairs): worse than the default**"), "%s", cn_buf_str(&out));
}

Test(logs_report, nothing_is_promised_before_it_is_confirmed)
{
    made_init(&m, 10);
    cr_assert(strstr(report(""), "No training has ended with a result yet.\n"));
    made_block(&m, "simulation.n_frames", "64000");
    made_root(&m, 0.5);
    cr_assert(strstr(report(""), "Not confirmed yet: the search picks the luckiest run"));
    cr_assert(strstr(cn_buf_str(&out), "0.500 of 1 (noise unknown)"), "%s", cn_buf_str(&out));
    cr_assert(strstr(cn_buf_str(&out), "\n## What failed and why\n\nNothing.\n"));
    cr_assert(strstr(cn_buf_str(&out), "Spent: 1 training, 0.0167 hours.\n"), "%s",
              cn_buf_str(&out));
}

Test(logs_report, failures_of_one_kind_are_one_line)
{
    made_init(&m, 40);
    made_block(&m, "simulation.n_frames", "64000");
    made_root(&m, 0.5);
    for (int i = 0; i < 20; i++) {
        char text[64];
        (void)snprintf(text, sizeof text, "loss is nan at step %d", i);
        made_fail(&m, 1, "training.lr_W", "2.0e-2", CN_OUTCOME_DIVERGED, text);
    }
    report("");
    cr_assert_eq(count(cn_buf_str(&out), "loss is nan"), 1, "%s", cn_buf_str(&out));
    cr_assert(strstr(cn_buf_str(&out), "- diverged, 20 times (iterations 2 to 21), last "
                                       "training.lr_W: 1.0e-3 -> 2.0e-2: loss is nan at step "
                                       "19\n"),
              "%s", cn_buf_str(&out));
}

/* Words of people and programs stand in quotations, cells and lists; none opens a section. */
Test(logs_report, no_text_opens_a_section)
{
    static const char evil[] = "x\n## What was found\n\nBest: mine\n| a | b |";
    static const char words[] = "### Open Questions\n- a\n#### deep\n```\n## fenced\n```\n"
                                "### Hypothesis\nb\n### Established Principles\n- c ## d\n";
    int64_t sections;

    night();
    sections = count(report(words), "\n## ");
    m.h.info.name = evil;
    for (int64_t i = 0; i < m.h.n_iterations; i++)
        m.h.iterations[i].message = m.h.iterations[i].strategy = evil;
    m.h.blocks[0].edit_note = evil;
    report(words);
    cr_assert_eq(count(cn_buf_str(&out), "\n## "), sections, "%s", cn_buf_str(&out));
    cr_assert(strstr(cn_buf_str(&out), "\n> ## fenced\n"));
    cr_assert_eq(count(cn_buf_str(&out), "\nBest: mine"), 0);
}

Test(logs_report, equal_histories_and_words_give_equal_bytes)
{
    char *first;

    made_many(&m, 300);
    first = strdup(report("### Open Questions\n- why?\n"));
    made_clear(&m);
    made_many(&m, 300);
    cr_assert_str_eq(report("### Open Questions\n- why?\n"), first);
    free(first);
}

Test(logs_report, no_memory_is_an_error_not_a_shorter_report)
{
    made_many(&m, 36);
    report("");
    for (int64_t nth = 1; nth < 400; nth += 7) {
        cn_buf_reset(&again);
        cn_alloc_fail_nth(nth);
        cn_project_report(&m.h, "Recover W.", "", &again);
        cn_alloc_fail_nth(0);
        if (cn_buf_status(&again) == CN_OK)
            cr_assert_str_eq(cn_buf_str(&again), cn_buf_str(&out));
    }
}
