/* harness/loop/audit: what a run folder holds against its record; one planted mistake each. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <sqlite3.h>

#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/loop/audit.h"
#include "tests/support/toy.h"

static struct toy_run t;
static struct cn_audit a;

static void set_up(void)
{
    toy_init(&t);
    toy_go(&t, "  iterations: 4\n  n_iter_block: 2\n  confirm: 0\n", "");
}

static void tear_down(void)
{
    cn_audit_clear(&a);
    toy_clear(&t);
}

TestSuite(loop_audit, .init = set_up, .fini = tear_down, .timeout = 120);

static void audit(bool quick)
{
    cn_audit_clear(&a);
    cr_assert_eq(cn_audit(t.dir, quick, &a, &t.err), CN_OK, "%s", t.err.text);
}

static int64_t found(cn_audit_kind kind)
{
    int64_t n = 0;

    for (int64_t i = 0; i < a.n; i++)
        n += a.findings[i].kind == kind;
    return n;
}

/* The file with the first `from` replaced. */
static void plant(const char *name, const char *from, const char *to)
{
    struct cn_buf b;
    char path[1400];
    const char *text = toy_read(&t, name), *at = strstr(text, from);

    cr_assert(at, "%s in %s", from, name);
    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_add(&b, text, (size_t)(at - text));
    cn_buf_adds(&b, to);
    cn_buf_adds(&b, at + strlen(from));
    cn_text_format(path, sizeof path, "%s/%s", t.dir, name);
    cr_assert_eq(cn_file_replace(path, cn_buf_str(&b), b.len, &t.err), CN_OK);
    cn_buf_clear(&b);
}

Test(loop_audit, a_run_as_it_ended_has_nothing_to_find)
{
    audit(false);
    cr_assert_eq(a.n, 0, "%s", a.n ? a.findings[0].text : "");
    cr_assert_geq(a.iterations, 4);
    cr_assert_eq(a.folders, a.iterations);
    cr_assert_gt(a.texts, 2);
}

Test(loop_audit, a_result_that_says_otherwise_is_a_difference)
{
    plant("iter_000002/result.json", "\"score\":", "\"score\": 7, \"other\":");
    audit(false);
    cr_assert_eq(found(CN_AUDIT_RESULT), 2, "as the reward, and as a metric");
    cr_assert_eq(a.n_differences, 2);
    cr_assert_eq(a.findings[0].iteration, 2);
    plant("iter_000003/result.json", "{", "");
    audit(false);
    cr_assert_eq(found(CN_AUDIT_RESULT), 3);
    audit(true);
    cr_assert_eq(a.n, 0, "a quick look does not go there");
}

Test(loop_audit, other_seeds_are_a_difference)
{
    plant("iter_000002/result.json", "\"simulation\": 2000", "\"simulation\": 2001");
    audit(false);
    cr_assert_eq(found(CN_AUDIT_RESULT), 1);
    cr_assert(strstr(a.findings[0].text, "2001"), "%s", a.findings[0].text);
}

Test(loop_audit, another_config_is_a_difference)
{
    plant("iter_000001/config.yaml", "gain: 0.5", "gain: 0.6");
    audit(false);
    cr_assert_eq(found(CN_AUDIT_CONFIG), 1);
    cr_assert_eq(a.n_differences, 1);
    plant("iter_000001/config.yaml", "gain: 0.6", "gain: 0.50 # the same");
    audit(false);
    cr_assert_eq(a.n, 0, "a comment is no other config");
}

Test(loop_audit, a_folder_that_is_gone_and_one_too_many_are_warnings)
{
    char path[1400];

    cn_text_format(path, sizeof path, "%s/iter_000004", t.dir);
    cr_assert_eq(cn_file_remove_tree(path, &t.err), CN_OK);
    cn_text_format(path, sizeof path, "%s/iter_000044", t.dir);
    cr_assert_eq(cn_file_mkdirs(path, &t.err), CN_OK);
    audit(false);
    cr_assert_eq(found(CN_AUDIT_MISSING), 1);
    cr_assert_eq(found(CN_AUDIT_ORPHAN), 1);
    cr_assert_eq(a.n_differences, 0);
    cr_assert(a.findings[0].warning && a.findings[1].warning);
}

Test(loop_audit, a_missing_result_of_an_ok_training_is_a_difference)
{
    char path[1400];

    cn_text_format(path, sizeof path, "%s/iter_000001/result.json", t.dir);
    cr_assert_eq(unlink(path), 0);
    audit(false);
    cr_assert_eq(found(CN_AUDIT_MISSING), 1);
    cr_assert_eq(a.n_differences, 1);
}

Test(loop_audit, edited_texts_and_scores_are_differences)
{
    plant("run_analysis.md", "## Iter 2:", "## Iter 2 :");
    audit(true);
    cr_assert_eq(found(CN_AUDIT_TEXT), 1);
    plant("ucb_scores.txt", "UCB=", "UCB=9");
    audit(true);
    cr_assert_eq(found(CN_AUDIT_TEXT), 2);
}

static void sql(const char *words)
{
    sqlite3 *db;
    char path[1400];

    cn_text_format(path, sizeof path, "%s/run.db", t.dir);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, words, NULL, NULL, NULL), SQLITE_OK, "%s",
                 sqlite3_errmsg(db));
    sqlite3_close(db);
}

Test(loop_audit, words_that_are_not_those_stored_are_a_difference)
{
    sql("UPDATE text SET words = words || 'x' WHERE kind = 'config' AND version = 1");
    audit(false);
    cr_assert_eq(found(CN_AUDIT_VERSION), 1);
}

Test(loop_audit, a_broken_rule_of_the_store_is_a_difference)
{
    sql("PRAGMA foreign_keys = OFF; UPDATE iteration SET block = 2 WHERE id = 1");
    audit(true);
    cr_assert_eq(found(CN_AUDIT_STORE), 1);
    cr_assert_geq(a.n_differences, 1);
}

Test(loop_audit, without_a_store_there_is_nothing_to_check)
{
    cr_assert_eq(cn_audit(t.s.dir, false, &a, &t.err), CN_ENOTFOUND);
}
