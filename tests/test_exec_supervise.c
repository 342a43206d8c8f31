/* cairn-job around a trainer that ends in every way a trainer can. The deadlines below are
 * short because something must pass them; no test passes or fails by how long anything took. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"
#include "harness/exec/collect.h"
#include "harness/exec/job.h"
#include "tests/support/scratch.h"

static struct scratch s;
static struct cn_err err = CN_ERR_INIT;

static void setup(void)
{
    scratch_init(&s);
}

static void teardown(void)
{
    scratch_clear(&s);
}

TestSuite(exec_supervise, .init = setup, .fini = teardown, .timeout = 60);

static const char *config(const char *mode, int sleep_ms)
{
    char text[2048];

    cn_text_format(text, sizeof text, "toy:\n  mode: %s\n  sleep_ms: %d\n  ledger: %s/ledger\n",
                   mode, sleep_ms, s.dir);
    return scratch_file(&s, "config.yaml", text);
}

/* cairn-job with the toy trainer in mode `mode`; `extra` are options of cairn-job,
 * NULL-terminated. Started only. */
static pid_t start_job(const char *mode, int sleep_ms, const char *attempt,
                       const char *const *extra)
{
    const char *argv[32] = {
        scratch_program("cairn-job"), "--dir", s.dir, "--token", "t", "--attempt", attempt};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    int n = 7;
    pid_t pid;

    for (; extra && *extra; extra++)
        argv[n++] = *extra;
    const char *tail[] = {"--",       scratch_program("toy_trainer"), "run",
                          "--config", config(mode, sleep_ms),         "--out",
                          s.dir};
    memcpy(argv + n, tail, sizeof tail);
    o.argv = argv;
    o.new_session = true;
    cr_assert_eq(cn_proc_spawn(&o, &pid, &err), CN_OK, "%s", err.text);
    return pid;
}

static struct cn_proc_exit wait_for(pid_t pid)
{
    struct cn_proc_exit x;

    cr_assert_eq(cn_proc_wait(pid, -1, &x, &err), CN_OK, "%s", err.text);
    return x;
}

static struct cn_job_result run_job(const char *mode, const char *const *extra)
{
    struct cn_job_result r;
    struct cn_proc_exit x = wait_for(start_job(mode, 0, "1", extra));

    cr_assert(x.exited && x.code == 0, "cairn-job: code %d signal %d", x.code, x.signal);
    cr_assert_eq(cn_collect(s.dir, "t", 1, &r, &err), CN_OK, "%s", err.text);
    return r;
}

static void expect(const char *mode, const char *const *extra, cn_verdict verdict,
                   const char *words)
{
    struct cn_job_result r = run_job(mode, extra);

    cr_assert_eq(r.verdict, verdict, "%s: %s: %s", mode, cn_verdict_name(r.verdict), r.message);
    cr_assert(strstr(r.message, words), "%s: \"%s\" lacks \"%s\"", mode, r.message, words);
    cr_assert(!cn_file_is_locked(scratch_path(&s, "job.lock")));
    cn_job_result_clear(&r);
}

/* Wait until the file is there; the suite's timeout is the only clock. */
static void await(const char *name)
{
    while (!cn_file_exists(scratch_path(&s, name)))
        cn_clock_sleep_ms(2);
}

Test(exec_supervise, an_ok_training_is_ok_and_its_metrics_are_read)
{
    struct cn_job_result r = run_job("ok", NULL);
    double score;

    cr_assert_eq(r.verdict, CN_VERDICT_OK, "%s", r.message);
    cr_assert(cn_json_number(cn_json_path(cn_json_root(r.result), "metrics.score"), &score));
    cr_assert(score > 0 && score < 1);
    cr_assert_eq(r.exit.code, 0);
    cr_assert(r.exit.max_rss_kib > 0);
    cn_job_result_clear(&r);
}

Test(exec_supervise, divergence_is_diverged)
{
    expect("diverge", NULL, CN_VERDICT_DIVERGED, "the loss is not finite");
}

Test(exec_supervise, a_crash_quotes_the_last_output)
{
    expect("crash", NULL, CN_VERDICT_CRASHED, "shapes do not match");
}

Test(exec_supervise, an_abort_is_a_crash_with_the_signal)
{
    expect("abort", NULL, CN_VERDICT_CRASHED, "signal 6");
}

Test(exec_supervise, exit_zero_without_result_is_a_crash)
{
    expect("no_result", NULL, CN_VERDICT_CRASHED, "no result.json");
}

Test(exec_supervise, a_garbage_result_is_a_crash)
{
    expect("garbage", NULL, CN_VERDICT_CRASHED, "result.json");
}

Test(exec_supervise, a_refused_config_is_bad_config_with_the_trainers_words)
{
    expect("refuse", NULL, CN_VERDICT_BAD_CONFIG, "expected something else");
}

Test(exec_supervise, killed_from_outside_is_infra)
{
    expect("selfkill", NULL, CN_VERDICT_INFRA, "signal 9");
}

Test(exec_supervise, a_program_that_is_not_there_could_not_start)
{
    const char *argv[] = {
        scratch_program("cairn-job"), "--dir", s.dir, "--token", "t", "--attempt", "1", "--",
        "/nowhere/trainer",           NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct cn_job_result r;
    pid_t pid;

    o.argv = argv;
    cr_assert_eq(cn_proc_spawn(&o, &pid, &err), CN_OK);
    cr_assert_eq(wait_for(pid).code, 0);
    cr_assert_eq(cn_collect(s.dir, "t", 1, &r, &err), CN_OK);
    cr_assert_eq(r.exit.ended, CN_JOB_START_FAILED);
    cr_assert_eq(r.verdict, CN_VERDICT_INFRA);
    cr_assert(strstr(r.message, "/nowhere/trainer"), "%s", r.message);
    cn_job_result_clear(&r);
}

Test(exec_supervise, the_deadline_ends_a_hanging_training)
{
    const char *extra[] = {"--deadline", "0.2", "--grace", "5", NULL};

    expect("hang", extra, CN_VERDICT_TIMEOUT, "deadline");
}

Test(exec_supervise, the_deadline_kills_what_ignores_sigterm)
{
    const char *extra[] = {"--deadline", "1.5", "--grace", "0.1", NULL};
    struct cn_job_result r = run_job("stubborn", extra);

    cr_assert_eq(r.verdict, CN_VERDICT_TIMEOUT, "%s: %s", cn_verdict_name(r.verdict),
                 r.message);
    cr_assert_eq(r.exit.signal, SIGKILL, "signal %d: %s", r.exit.signal, r.message);
    cn_job_result_clear(&r);
}

Test(exec_supervise, the_memory_limit_ends_as_out_of_memory,
     .disabled = SCRATCH_NO_MEMORY_LIMITS)
{
    const char *extra[] = {"--memory-mib", "512", NULL};

    expect("hog", extra, CN_VERDICT_OOM, "exit code 4");
}

Test(exec_supervise, a_flood_of_output_keeps_head_and_tail)
{
    struct cn_job_result r = run_job("flood", NULL);
    struct cn_buf b;

    cr_assert_eq(r.verdict, CN_VERDICT_OK, "%s", r.message);
    cr_assert_leq(cn_file_size(scratch_path(&s, "stdout.log")), (int64_t)CN_CAP_STDOUT_LOG);
    cn_buf_init(&b, CN_CAP_FILE);
    cr_assert_eq(cn_file_read(scratch_path(&s, "stdout.log"), CN_CAP_FILE, &b, &err), CN_OK);
    cr_assert(memmem(b.data, b.len, "bytes of output left out here", 29));
    cr_assert(strstr(b.data + b.len - 100, "the last words"));
    cr_assert_eq(b.data[0], 'x');
    cn_buf_clear(&b);
    cn_job_result_clear(&r);
}

Test(exec_supervise, a_grandchild_in_its_own_session_does_not_survive)
{
    struct cn_job_result r = run_job("grandchild", NULL);

    cr_assert_eq(r.verdict, CN_VERDICT_OK, "%s", r.message);
    cr_assert_eq(cn_job_kill_leftovers(s.dir, "t", 1), 0, "somebody of the job still lived");
    cn_job_result_clear(&r);
}

Test(exec_supervise, sigterm_cancels)
{
    struct cn_job_result r;
    pid_t pid = start_job("hang", 0, "1", NULL);

    await("metrics.jsonl");
    cr_assert_eq(kill(pid, SIGTERM), 0);
    cr_assert_eq(wait_for(pid).code, 0);
    cr_assert_eq(cn_collect(s.dir, "t", 1, &r, &err), CN_OK, "%s", err.text);
    cr_assert_eq(r.verdict, CN_VERDICT_CANCELLED);
    cn_job_result_clear(&r);
}

Test(exec_supervise, a_second_start_meets_the_lock)
{
    pid_t first = start_job("hang", 0, "1", NULL), second;

    await("metrics.jsonl");
    second = start_job("ok", 0, "2", NULL);
    cr_assert_eq(wait_for(second).code, CN_JOB_EXIT_LOCKED);
    cr_assert_eq(kill(first, SIGTERM), 0);
    cr_assert_eq(wait_for(first).code, 0);
}

Test(exec_supervise, an_attempt_that_was_seen_is_refused)
{
    cn_job_seen seen;
    struct cn_job_result r = run_job("ok", NULL);

    cn_job_result_clear(&r);
    cr_assert_eq(wait_for(start_job("ok", 0, "1", NULL)).code, CN_JOB_EXIT_LOCKED);
    cr_assert_eq(cn_job_look(s.dir, "t", 1, &seen, &err), CN_OK);
    cr_assert_eq(seen, CN_JOB_SEEN_ENDED);
    cr_assert_eq(wait_for(start_job("ok", 0, "2", NULL)).code, 0);
    cr_assert_eq(cn_job_look(s.dir, "t", 2, &seen, &err), CN_OK);
    cr_assert_eq(seen, CN_JOB_SEEN_ENDED);
}

Test(exec_supervise, a_killed_supervisor_takes_the_training_with_it)
{
    cn_job_seen seen = CN_JOB_SEEN_RUNNING;
    pid_t pid = start_job("stubborn", 0, "1", NULL);

    await("metrics.jsonl");
    cr_assert_eq(kill(pid, SIGKILL), 0);
    (void)wait_for(pid);
    /* The trainer inherits it and dies a little later. */
    while (cn_file_is_locked(scratch_path(&s, "job.lock")))
        cn_clock_sleep_ms(2);
    cr_assert_eq(cn_job_look(s.dir, "t", 1, &seen, &err), CN_OK);
    cr_assert_eq(seen, CN_JOB_SEEN_LOST);
    cr_assert_eq(cn_job_kill_leftovers(s.dir, "t", 1), 0);
}

Test(exec_supervise, keys_do_not_reach_the_training)
{
    const char *argv[] = {scratch_program("cairn-job"),
                          "--dir",
                          s.dir,
                          "--token",
                          "t",
                          "--attempt",
                          "1",
                          "--",
                          "env",
                          NULL};
    const char *env[] = {"ANTHROPIC_API_KEY=a", "OPENAI_ORG=b", "HUB_TOKEN=c", "HARMLESS=d",
                         NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct cn_buf b;
    pid_t pid;

    o.argv = argv;
    o.env = env;
    cr_assert_eq(cn_proc_spawn(&o, &pid, &err), CN_OK);
    cr_assert_eq(wait_for(pid).code, 0);
    cn_buf_init(&b, CN_CAP_FILE);
    cr_assert_eq(cn_file_read(scratch_path(&s, "stdout.log"), CN_CAP_FILE, &b, &err), CN_OK);
    cr_assert(strstr(cn_buf_str(&b), "HARMLESS=d"));
    cr_assert(strstr(cn_buf_str(&b), CN_JOB_ENV "=t.1"));
    cr_assert(!strstr(cn_buf_str(&b), "ANTHROPIC") && !strstr(cn_buf_str(&b), "OPENAI_ORG") &&
              !strstr(cn_buf_str(&b), "HUB_TOKEN"));
    cn_buf_clear(&b);
}

Test(exec_supervise, processors_are_granted_as_asked)
{
    const char *argv[] = {scratch_program("cairn-job"),
                          "--dir",
                          s.dir,
                          "--token",
                          "t",
                          "--attempt",
                          "1",
                          "--cpus",
                          "0",
                          "--",
                          "grep",
                          "Cpus_allowed_list",
                          "/proc/self/status",
                          NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct cn_buf b;
    pid_t pid;

    o.argv = argv;
    cr_assert_eq(cn_proc_spawn(&o, &pid, &err), CN_OK);
    cr_assert_eq(wait_for(pid).code, 0);
    cn_buf_init(&b, CN_CAP_FILE);
    cr_assert_eq(cn_file_read(scratch_path(&s, "stdout.log"), CN_CAP_FILE, &b, &err), CN_OK);
    cr_assert_str_eq(cn_buf_str(&b), "Cpus_allowed_list:\t0\n");
    cn_buf_clear(&b);
}

static void wrong(const char *const *argv, const char *words)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct cn_proc_exit x;
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_CAPTURE);
    o.argv = argv;
    cr_assert_eq(cn_proc_run(&o, NULL, 0, -1, NULL, &b, &x, &err), CN_OK, "%s", err.text);
    cr_assert(x.exited && x.code == 2, "%s: exit code %d", words, x.code);
    cr_assert(strstr(cn_buf_str(&b), words), "\"%s\" lacks \"%s\"", cn_buf_str(&b), words);
    cn_buf_clear(&b);
}

Test(exec_supervise, wrong_options_exit_2_and_say_what_was_expected)
{
    const char *job = scratch_program("cairn-job");
    const char *none[] = {job, NULL}, *unknown[] = {job, "--dirr", "x", NULL};
    const char *attempt[] = {job,         "--dir", s.dir, "--token", "t",
                             "--attempt", "0",     "--",  "true",    NULL};
    const char *dir[] = {job,         "--dir", "/nowhere", "--token", "t",
                         "--attempt", "1",     "--",       "true",    NULL};
    const char *command[] = {job, "--dir", s.dir, "--token", "t", "--attempt", "1", NULL};
    const char *grace[] = {job, "--grace", "soon", NULL};

    wrong(none, "--dir, --token and --attempt are needed");
    wrong(unknown, "--dirr");
    wrong(attempt, "--attempt 0: expected a whole number of at least 1");
    wrong(dir, "/nowhere: no such folder");
    wrong(command, "a command is needed after --");
    wrong(grace, "--grace soon: expected seconds");
}
