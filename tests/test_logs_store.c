/* logs/store: the state machine, repeated steps, fences, damage, a full disk, and death between
 * any two writes. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <sqlite3.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "logs/store.h"
#include "tests/support/faulty_vfs.h"
#include "tests/support/logs_sample.h"

static char dir[64];
static struct cn_err err;

static void set_up(void)
{
    /* Thousands of fsyncs: in memory where there is such a file system. */
    (void)snprintf(dir, sizeof(dir), "%s/cn_store_XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert(mkdtemp(dir));
}

static void tear_down(void)
{
    cr_assert_eq(cn_file_remove_tree(dir, &err), CN_OK);
}

TestSuite(logs_store, .init = set_up, .fini = tear_down);

#define OK(call) cr_assert_eq((call), CN_OK, "%s", err.text)
#define IS(call, status)                                                      \
    do {                                                                      \
        cn_status got_ = (call);                                              \
        cr_assert_eq(got_, status, "%s: %s", cn_status_name(got_), err.text); \
    } while (0)

static char *dump_of(const char *run_dir)
{
    struct cn_store *s;
    struct cn_history h;

    OK(cn_store_open(run_dir, CN_STORE_READ, &s, &err));
    OK(cn_store_check(s, &err));
    OK(cn_store_history(s, &h, &err));
    char *text = logs_sample_dump(&h);
    cn_history_clear(&h);
    cn_store_close(s);
    cr_assert(text);
    return text;
}

static struct cn_store *sample(void)
{
    struct cn_store *s;

    OK(logs_sample_open(dir, &s, &err));
    OK(logs_sample_drive(s, &err));
    return s;
}

/* ---- what is written is read ---- */

Test(logs_store, history_gives_back_what_the_steps_said)
{
    struct cn_history h;
    struct cn_store *s = sample();

    OK(cn_store_check(s, &err));
    OK(cn_store_history(s, &h, &err));
    cr_assert_eq(h.n_nodes, 5);
    cr_assert_eq(h.n_iterations, 10);
    cr_assert_eq(h.n_blocks, 2);
    cr_assert_eq(h.n_messages, 1);
    cr_assert_eq(h.n_texts, 3);
    cr_assert_str_eq(h.info.log_keys, "training.lr_W,training.lr");

    const struct cn_iteration *it = cn_history_iteration(&h, 3);
    cr_assert_eq(it->outcome, CN_OUTCOME_DIVERGED);
    cr_assert(isnan(it->reward));
    cr_assert_eq(it->attempt, 2);
    cr_assert_eq(it->infra_retries, 1);
    cr_assert_str_eq(it->token, "sample-3-2");
    cr_assert_str_eq(it->message, "loss is nan at step 40");
    cr_assert_str_eq(cn_history_iteration(&h, 1)->job, "local:7");
    cr_assert_eq(cn_iteration_metric(cn_history_iteration(&h, 6), "connectivity_R2"), 3.1e-4);
    cr_assert_null(cn_history_node(&h, 4), "iteration 4 trained node 2 again");
    cr_assert_eq(cn_history_node(&h, 3)->parent, 2);
    cr_assert_str_eq(cn_history_node(&h, 3)->mutations[0].new_text, "2.0e-2");
    cr_assert_str_eq(cn_history_block(&h, 2)->regime[0].new_text, "32000");

    struct cn_spread sp = cn_history_spread(&h, 2, CN_POOL_SEARCH);
    cr_assert_eq(sp.n, 2);
    cr_assert_float_eq(sp.mean, 0.93, 1e-12);
    cr_assert_float_eq(sp.std, 0.004 * sqrt(2), 1e-12);
    cr_assert_eq(cn_history_spread(&h, 2, CN_POOL_CONFIRMATION).n, 2);
    cr_assert_eq(cn_history_spread(&h, 3, CN_POOL_SEARCH).n, 0);

    int64_t next;
    OK(cn_store_next_iteration(s, &next, &err));
    cr_assert_eq(next, 11);
    cn_history_clear(&h);
    cn_store_close(s);
}

Test(logs_store, seeds_above_two_to_the_63_survive)
{
    struct cn_store *s;
    struct cn_history h;
    struct cn_block b = {.number = 1, .first = 1, .last = 1};
    struct cn_node n = {.id = 1, .block = 1, .config = "a: 1\n"};
    struct cn_iteration it = {.id = 1, .node = 1, .block = 1, .sim_seed = UINT64_MAX};

    OK(logs_sample_open(dir, &s, &err));
    OK(cn_store_open_block(s, &b, &err));
    OK(cn_store_plan(s, &n, &it, &err));
    OK(cn_store_history(s, &h, &err));
    cr_assert_eq(h.iterations[0].sim_seed, UINT64_MAX);
    cr_assert_str_eq(h.iterations[0].token, "");
    cn_history_clear(&h);
    cn_store_close(s);
}

/* ---- steps ---- */

Test(logs_store, every_step_may_be_repeated)
{
    struct cn_store *s = sample();
    char *once = dump_of(dir);
    int64_t durable_before = cn_file_size(dir);

    OK(logs_sample_drive(s, &err));
    OK(logs_sample_drive(s, &err));
    char *twice = dump_of(dir);
    cr_assert_str_eq(once, twice);
    cr_assert_eq(durable_before, cn_file_size(dir));
    cn_free(once);
    cn_free(twice);
    cn_store_close(s);
}

Test(logs_store, a_repeated_step_with_other_content_is_refused)
{
    struct cn_store *s = sample();
    struct cn_measurement m = CN_MEASUREMENT_INIT;
    struct cn_analysis a = {.observation = "another"};

    m.outcome = CN_OUTCOME_OK;
    m.reward = 0.5;
    IS(cn_store_measure(s, 1, 1, &m, &err), CN_ECORRUPT);
    cr_assert(strstr(err.text, "measure 1"), "%s", err.text);
    IS(cn_store_analyse(s, 1, &a, &err), CN_ECORRUPT);
    IS(cn_store_submit(s, 1, 1, "another-token", "iter_000001", &err), CN_ECORRUPT);
    IS(cn_store_close_block(s, 1, "other words", &err), CN_ECORRUPT);
    cn_store_close(s);
}

Test(logs_store, steps_out_of_order_are_refused_and_change_nothing)
{
    struct cn_store *s;
    struct cn_measurement m = CN_MEASUREMENT_INIT;
    struct cn_analysis a = {0};

    OK(logs_sample_open(dir, &s, &err));
    OK(logs_sample_drive_to(s, 2, &err)); /* block open, 1 planned */
    char *before = dump_of(dir);
    m.outcome = CN_OUTCOME_OK;
    m.reward = 1;
    IS(cn_store_measure(s, 1, 1, &m, &err), CN_ECORRUPT);
    IS(cn_store_running(s, 1, 1, &err), CN_ECORRUPT);
    IS(cn_store_analyse(s, 1, &a, &err), CN_ECORRUPT);
    IS(cn_store_commit(s, 1, &err), CN_ECORRUPT);
    IS(cn_store_retry(s, 1, 1, "x", &err), CN_ECORRUPT);
    IS(cn_store_submit(s, 1, 2, "t", "d", &err), CN_ECORRUPT);
    IS(cn_store_commit(s, 9, &err), CN_EINPUT);
    IS(cn_store_close_block(s, 1, "", &err), CN_EINPUT);
    char *after = dump_of(dir);
    cr_assert_str_eq(before, after);
    cn_free(before);
    cn_free(after);
    cn_store_close(s);
}

Test(logs_store, an_attempt_given_back_cannot_be_submitted_again)
{
    struct cn_store *s;

    OK(logs_sample_open(dir, &s, &err));
    OK(logs_sample_drive_to(s, 4, &err)); /* 1 submitted */
    OK(cn_store_retry(s, 1, 1, "drained", &err));
    IS(cn_store_submit(s, 1, 1, "sample-1-1", "iter_000001", &err), CN_ECORRUPT);
    OK(cn_store_submit(s, 1, 2, "sample-1-2", "iter_000001", &err));
    /* Token taken. */
    IS(cn_store_submit(s, 2, 1, "sample-1-2", "iter_000002", &err), CN_ECORRUPT);
    cn_store_close(s);
}

Test(logs_store, what_can_never_be_right_is_an_input_error)
{
    struct cn_store *s = sample();
    struct cn_node n = {.id = 11, .parent = 99, .block = 0, .config = "a: 1\n"};
    struct cn_iteration it = {.id = 11, .node = 11, .confirmation = true};
    struct cn_measurement m = CN_MEASUREMENT_INIT;
    int64_t id;

    IS(cn_store_plan(s, &n, &it, &err), CN_EINPUT); /* parent later than itself */
    n.parent = 4;
    IS(cn_store_plan(s, &n, &it, &err), CN_EINPUT); /* 4 is no node */
    n.parent = 2;
    n.config = "";
    IS(cn_store_plan(s, &n, &it, &err), CN_EINPUT);
    n.config = "a: 1\n";
    it.id = 12;
    IS(cn_store_plan(s, &n, &it, &err), CN_EINPUT);
    it.id = 11;
    it.confirmation = false;
    IS(cn_store_plan(s, &n, &it, &err), CN_EINPUT); /* no block */
    it.node = 2;
    IS(cn_store_plan(s, NULL, &it, &err), CN_EINPUT); /* neither new nor a replicate */
    it.confirmation = true;
    it.node = 77;
    IS(cn_store_plan(s, NULL, &it, &err), CN_EINPUT);
    m.outcome = CN_OUTCOME_OK;
    IS(cn_store_measure(s, 1, 1, &m, &err), CN_EINPUT); /* ok without a reward */
    m.outcome = CN_OUTCOME_OOM;
    m.reward = 0;
    IS(cn_store_measure(s, 1, 1, &m, &err), CN_EINPUT); /* a reward of zero for a failure */
    IS(cn_store_message_add(s, NULL, "", &id, &err), CN_EINPUT);
    IS(cn_store_message_ack(s, 99, 1, &err), CN_EINPUT);
    cn_store_close(s);
}

Test(logs_store, invalid_is_measured_without_an_attempt)
{
    struct cn_store *s;
    struct cn_measurement m = CN_MEASUREMENT_INIT;

    OK(logs_sample_open(dir, &s, &err));
    OK(logs_sample_drive_to(s, 2, &err));
    m.outcome = CN_OUTCOME_INVALID;
    m.message = "batch_size wants 1 to 8";
    OK(cn_store_measure(s, 1, 0, &m, &err));
    OK(cn_store_measure(s, 1, 0, &m, &err));
    cn_store_close(s);
}

/* ---- around the steps ---- */

Test(logs_store, texts_have_versions_and_messages_have_keys)
{
    struct cn_store *s;
    struct cn_buf b;
    int64_t v = 0, first = 0, again = 0, other = 0;

    cn_buf_init(&b, CN_CAP_TEXT);
    OK(logs_sample_open(dir, &s, &err));
    OK(cn_store_text(s, "protocol", 0, &b, &err));
    cr_assert_str_eq(cn_buf_str(&b), LOGS_SAMPLE_PROTOCOL);
    OK(cn_store_text_put(s, "protocol", "llm:x", "why", "two", &v, &err));
    cr_assert_eq(v, 2);
    OK(cn_store_text_put(s, "protocol", "llm:x", "why", "two", &v, &err));
    cr_assert_eq(v, 2);
    OK(cn_store_text(s, "protocol", 1, &b, &err));
    cr_assert_str_eq(cn_buf_str(&b), LOGS_SAMPLE_PROTOCOL);
    IS(cn_store_text(s, "memory", 0, &b, &err), CN_ENOTFOUND);
    IS(cn_store_text(s, "protocol", 3, &b, &err), CN_ENOTFOUND);

    OK(cn_store_message_add(s, "k", "hello", &first, &err));
    OK(cn_store_message_add(s, "k", "hello", &again, &err));
    OK(cn_store_message_add(s, NULL, "hello", &other, &err));
    cr_assert_eq(first, again);
    cr_assert_neq(first, other);

    IS(cn_store_fact(s, "usd", &b, &err), CN_ENOTFOUND);
    OK(cn_store_fact_set(s, "usd", "0.1", &err));
    OK(cn_store_fact_set(s, "usd", "0.2", &err));
    OK(cn_store_fact(s, "usd", &b, &err));
    cr_assert_str_eq(cn_buf_str(&b), "0.2");
    cn_buf_clear(&b);
    cn_store_close(s);
}

/* ---- lease and fence ---- */

Test(logs_store, nobody_writes_without_the_lease_but_anybody_may_speak)
{
    struct cn_store *s = sample(), *other;
    int64_t id;

    OK(cn_store_open(dir, CN_STORE_WRITE, &other, &err));
    IS(cn_store_event(other, 0, "x", "y", &err), CN_ELOCKED);
    IS(cn_store_commit(other, 1, &err), CN_ELOCKED);
    OK(cn_store_message_add(other, NULL, "stop soon", &id, &err));
    cn_store_close(other);
    cn_store_close(s);
}

Test(logs_store, a_lease_that_lasts_names_its_holder)
{
    struct cn_store *a, *b;

    OK(cn_store_create(dir, &logs_sample_info, "p", "c", &a, &err));
    OK(cn_store_lease_take(a, "login1:77", 1000, 5000, &err));
    OK(cn_store_open(dir, CN_STORE_WRITE, &b, &err));
    IS(cn_store_lease_take(b, "login2:88", 5900, 5000, &err), CN_ELOCKED);
    cr_assert(strstr(err.text, "login1:77"), "%s", err.text);
    cr_assert(strstr(err.text, "4.9 s"), "%s", err.text);
    OK(cn_store_lease_renew(a, 5900, &err));
    IS(cn_store_lease_take(b, "login2:88", 6100, 5000, &err), CN_ELOCKED);
    OK(cn_store_lease_take(b, "login2:88", 10901, 5000, &err)); /* it ran out */

    /* The first holder was only asleep: its next write must fail, and so must its heartbeat. */
    IS(cn_store_event(a, 0, "x", "y", &err), CN_ELOCKED);
    cr_assert(strstr(err.text, "login2:88"), "%s", err.text);
    IS(cn_store_lease_renew(a, 11000, &err), CN_ELOCKED);
    OK(cn_store_event(b, 0, "x", "y", &err));
    OK(cn_store_lease_release(b, &err));
    IS(cn_store_event(b, 0, "x", "y", &err), CN_ELOCKED);
    OK(cn_store_lease_take(a, "login1:77", 11001, 5000, &err));
    OK(cn_store_event(a, 0, "x", "y", &err));
    OK(cn_store_lease_steal(b, "login2:88", 11002, 5000, &err));
    IS(cn_store_event(a, 0, "x", "z", &err), CN_ELOCKED);

    struct cn_lease l;
    OK(cn_store_lease_get(a, &l, &err));
    cr_assert_str_eq(l.holder, "login2:88");
    cr_assert_eq(l.heartbeat_ms, 11002);
    cn_store_close(a);
    cn_store_close(b);
}

Test(logs_store, a_reader_reads_while_a_writer_writes_and_cannot_write)
{
    struct cn_store *w = sample(), *r;
    struct cn_history h;
    int64_t id;

    OK(cn_store_open(dir, CN_STORE_READ, &r, &err));
    OK(cn_store_history(r, &h, &err));
    cr_assert_eq(h.n_iterations, 10);
    cn_history_clear(&h);
    cr_assert_neq(cn_store_message_add(r, NULL, "x", &id, &err), CN_OK);
    OK(cn_store_event(w, 0, "x", "y", &err));
    OK(cn_store_history(r, &h, &err));
    cr_assert_eq(h.n_events, 3); /* the sample's note, its retry, and this one */
    cn_history_clear(&h);
    cn_store_close(r);
    cn_store_close(w);
}

/* ---- making, versions, damage ---- */

Test(logs_store, a_run_is_made_once)
{
    struct cn_store *s, *t;

    IS(cn_store_open(dir, CN_STORE_READ, &s, &err), CN_ENOTFOUND);
    OK(cn_store_create(dir, &logs_sample_info, "p", "c", &s, &err));
    IS(cn_store_create(dir, &logs_sample_info, "p", "c", &t, &err), CN_EEXIST);
    IS(cn_store_create("/tmp/cn_store_is_not_there", &logs_sample_info, "p", "c", &t, &err),
       CN_ENOTFOUND);
    cn_store_close(s);
}

Test(logs_store, a_newer_store_is_refused_with_its_version)
{
    struct cn_store *s = sample();
    sqlite3 *db;
    char *path = cn_file_join(dir, "run.db");

    cn_store_close(s);
    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    IS(cn_store_open(dir, CN_STORE_WRITE, &s, &err), CN_EUNSUPPORTED);
    cr_assert(strstr(err.text, "99"), "%s", err.text);
    IS(cn_store_open(dir, CN_STORE_READ, &s, &err), CN_EUNSUPPORTED);
    cn_free(path);
}

Test(logs_store, somebody_elses_database_is_refused)
{
    struct cn_store *s;
    sqlite3 *db;
    char *path = cn_file_join(dir, "run.db");

    cr_assert_eq(sqlite3_open(path, &db), SQLITE_OK);
    cr_assert_eq(
        sqlite3_exec(db, "CREATE TABLE x (y); PRAGMA user_version = 1", NULL, NULL, NULL),
        SQLITE_OK);
    sqlite3_close(db);
    IS(cn_store_open(dir, CN_STORE_WRITE, &s, &err), CN_ECORRUPT);
    IS(cn_store_create(dir, &logs_sample_info, "p", "c", &s, &err), CN_EEXIST);
    OK(cn_file_replace(path, "not a database, not at all, no, it is not", 41, &err));
    IS(cn_store_open(dir, CN_STORE_READ, &s, &err), CN_ECORRUPT);
    cn_free(path);
}

Test(logs_store, flipped_bytes_are_found_or_harmless)
{
    struct cn_store *s = sample();
    struct cn_buf good;
    char *path = cn_file_join(dir, "run.db");
    char *want = dump_of(dir);
    int found = 0;

    cn_store_close(s);
    cn_buf_init(&good, CN_CAP_FILE);
    OK(cn_file_read(path, CN_CAP_FILE, &good, &err));
    for (size_t at = 100; at < good.len; at += 1511) {
        good.data[at] = (char)(good.data[at] ^ 0x55);
        OK(cn_file_replace(path, good.data, good.len, &err));
        good.data[at] = (char)(good.data[at] ^ 0x55);
        struct cn_history h = {0};
        cn_status st = cn_store_open(dir, CN_STORE_WRITE, &s, &err);
        if (st == CN_OK)
            st = cn_store_check(s, &err);
        if (st == CN_OK)
            st = cn_store_history(s, &h, &err);
        found += st != CN_OK;
        cr_assert(st == CN_OK || st == CN_ECORRUPT || st == CN_EIO || st == CN_EUNSUPPORTED ||
                      st == CN_ENOTFOUND,
                  "%s", err.text);
        cn_history_clear(&h);
        cn_store_close(s);
        s = NULL;
    }
    cr_assert_gt(found, 0);
    OK(cn_file_replace(path, good.data, good.len, &err));
    char *again = dump_of(dir);
    cr_assert_str_eq(want, again);
    cn_free(want);
    cn_free(again);
    cn_free(path);
    cn_buf_clear(&good);
}

/* ---- faults and death ---- */

/* Drive the sample with one failing write; then go on with the same handle, as a paused harness
 * does when there is room again. False when the sample has fewer writes. */
static bool drive_with_failure(int nth, int rc, cn_status expected)
{
    struct cn_store *s;

    OK(logs_sample_open(dir, &s, &err));
    faulty_vfs_arm(nth, rc);
    cn_status st = logs_sample_drive(s, &err);
    bool fired = faulty_vfs_fired();
    faulty_vfs_arm(0, 0);
    /* A failure that SQLite could absorb is none; but what it reports must be what happened. */
    cr_assert(st == CN_OK || (fired && st == expected), "%s: %s", cn_status_name(st), err.text);
    OK(logs_sample_drive(s, &err));
    cn_store_close(s);
    return fired;
}

static void fail_writes(int rc, cn_status expected, const char *want)
{
    int nth = 1, failed = 0;

    faulty_vfs_install();
    for (; drive_with_failure(nth, rc, expected); nth += nth < 40 ? 1 : 29) {
        char *got = dump_of(dir);
        cr_assert_str_eq(got, want, "write %d failed", nth);
        cn_free(got);
        failed++;
        tear_down();
        set_up();
    }
    cr_assert_gt(failed, 45);
}

static char *unbroken(void)
{
    char keep[sizeof(dir)];

    memcpy(keep, dir, sizeof(dir));
    set_up();
    struct cn_store *s = sample();
    cn_store_close(s);
    char *text = dump_of(dir);
    tear_down();
    memcpy(dir, keep, sizeof(dir));
    return text;
}

Test(logs_store, a_full_disk_is_survived_at_every_write, .timeout = 60)
{
    char *want = unbroken();

    fail_writes(SQLITE_FULL, CN_ENOSPC, want);
    cn_free(want);
}

Test(logs_store, a_write_error_is_survived_at_every_write, .timeout = 60)
{
    char *want = unbroken();

    fail_writes(SQLITE_IOERR_WRITE, CN_EIO, want);
    cn_free(want);
}

/* In a child: open (or make) the store and drive it, dying where it was told to. */
static int child(int durable, int write_nth)
{
    fflush(NULL);
    pid_t pid = fork();
    int status = 0;

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct cn_store *s;
        cn_file_crash_after(durable);
        faulty_vfs_arm(write_nth, 0);
        cn_status st = logs_sample_open(dir, &s, &err);
        if (st == CN_OK)
            st = logs_sample_drive(s, &err);
        if (st != CN_OK)
            (void)fprintf(stderr, "child: %s\n", err.text);
        _exit(st == CN_OK ? 0 : 1);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(logs_store, killed_after_any_step_it_goes_on_to_the_same_history, .timeout = 60)
{
    char *want = unbroken();
    int killed = 0, code;

    /* First: one kill, at every place. */
    for (int nth = 1;; nth++) {
        code = child(nth, 0);
        if (code == 0)
            break;
        cr_assert_eq(code, 137);
        cr_assert_eq(child(0, 0), 0);
        char *got = dump_of(dir);
        cr_assert_str_eq(got, want, "killed after durable operation %d", nth);
        cn_free(got);
        killed++;
        tear_down();
        set_up();
    }
    cr_assert_geq(killed, logs_sample_steps(), "%d", killed);
    /* Then: killed again after each step, all the way. */
    tear_down();
    set_up();
    for (int i = 0; (code = child(1, 0)) != 0; i++) {
        cr_assert_eq(code, 137);
        cr_assert_lt(i, 1000);
    }
    char *got = dump_of(dir);
    cr_assert_str_eq(got, want);
    cn_free(got);
    cn_free(want);
}

Test(logs_store, killed_before_any_write_of_the_disk_it_goes_on_to_the_same_history,
     .timeout = 120)
{
    char *want = unbroken();
    int code, killed = 0;

    faulty_vfs_install();
    for (int nth = 1;; nth += nth < 40 ? 1 : 29) {
        code = child(0, nth);
        if (code == 0)
            break;
        cr_assert_eq(code, 137);
        killed++;
        cr_assert_eq(child(0, 0), 0, "after a kill at write %d", nth);
        char *got = dump_of(dir);
        cr_assert_str_eq(got, want, "killed at write %d", nth);
        cn_free(got);
        tear_down();
        set_up();
    }
    cr_assert_gt(killed, 50);
    cn_free(want);
}

Test(logs_store, a_reader_can_look_at_a_run_whose_writer_was_killed_mid_write)
{
    faulty_vfs_install();
    for (int nth = 20; nth < 60; nth++) {
        cr_assert_eq(child(0, nth), 137);
        struct cn_store *r;
        struct cn_history h;
        cn_status st = cn_store_open(dir, CN_STORE_READ, &r, &err);
        cr_assert(st == CN_OK || st == CN_ENOTFOUND, "%s", err.text);
        if (st == CN_OK) {
            OK(cn_store_history(r, &h, &err));
            cn_history_clear(&h);
        }
        cn_store_close(r);
        tear_down();
        set_up();
    }
}

Test(logs_store, no_memory_is_an_error_and_leaks_nothing)
{
    struct cn_store *s = sample();
    struct cn_history h;
    int64_t live = cn_alloc_live();

    for (int nth = 1; nth < 12; nth++) {
        cn_alloc_fail_nth(nth);
        cn_status st = cn_store_history(s, &h, &err);
        cr_assert(st == CN_OK || st == CN_ENOMEM, "%s", err.text);
        cn_alloc_fail_nth(0);
        cn_history_clear(&h);
        cr_assert_eq(cn_alloc_live(), live);
    }
    cn_store_close(s);
}

Test(logs_store, an_imported_history_is_the_history)
{
    struct cn_store *s = sample(), *t;
    struct cn_history h, g;
    char other[80];

    OK(cn_store_history(s, &h, &err));
    (void)snprintf(other, sizeof(other), "%s/copy", dir);
    OK(cn_file_mkdirs(other, &err));
    OK(cn_store_import(other, &h, LOGS_SAMPLE_PROTOCOL, LOGS_SAMPLE_CONFIG, &t, &err));
    OK(cn_store_history(t, &g, &err));
    cr_assert_eq(g.n_iterations, 10);
    cr_assert_eq(g.n_nodes, 5);
    cr_assert_eq(g.iterations[2].outcome, CN_OUTCOME_DIVERGED);
    cr_assert_str_eq(g.iterations[2].token, "sample-3-2");
    cr_assert_eq(g.iterations[5].reward, 3.1e-4);
    cr_assert_str_eq(g.nodes[2].mutations[0].path, "training.lr_W");
    cn_history_clear(&h);
    cn_history_clear(&g);
    cn_store_close(s);
    cn_store_close(t);
}

Test(logs_store, a_history_that_breaks_the_rules_is_not_imported)
{
    struct cn_store *s = sample(), *t;
    struct cn_history h;
    char other[80];

    OK(cn_store_history(s, &h, &err));
    (void)snprintf(other, sizeof(other), "%s/copy", dir);
    OK(cn_file_mkdirs(other, &err));
    h.nodes[3].parent = 4; /* node 5; iteration 4 trained node 2, so there is no node 4 */
    IS(cn_store_import(other, &h, "p", "c", &t, &err), CN_ECORRUPT);
    IS(cn_store_open(other, CN_STORE_READ, &t, &err), CN_ENOTFOUND);
    h.nodes[3].parent = 0;
    h.iterations[5].block = 1; /* 6 is not within 1..4 */
    IS(cn_store_import(other, &h, "p", "c", &t, &err), CN_ECORRUPT);
    cr_assert(strstr(err.text, "iteration 6 lies outside its block"), "%s", err.text);
    h.iterations[5].block = 2;
    OK(cn_store_import(other, &h, "p", "c", &t, &err));
    cn_store_close(t);
    cn_history_clear(&h);
    cn_store_close(s);
}
