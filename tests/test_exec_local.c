/* The local executor: what it says about jobs that it started, that others started, and that
 * died. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/exec/collect.h"
#include "harness/exec/executor.h"
#include "harness/exec/job.h"
#include "tests/support/scratch.h"

static struct scratch s;
static struct cn_err err = CN_ERR_INIT;
static struct cn_executor *x;

static struct cn_executor *fresh(void)
{
    struct cn_local_opts o = CN_LOCAL_OPTS_INIT;
    struct cn_executor *e;

    o.slots = 2;
    o.cairn_job = scratch_program("cairn-job");
    cr_assert_eq(cn_local_new(&o, &e, &err), CN_OK, "%s", err.text);
    return e;
}

static void setup(void)
{
    scratch_init(&s);
    x = fresh();
}

static void teardown(void)
{
    cn_executor_free(x);
    scratch_clear(&s);
}

TestSuite(exec_local, .init = setup, .fini = teardown, .timeout = 60);

static struct cn_job_ref ref(int64_t attempt)
{
    return (struct cn_job_ref){s.dir, "t", attempt, ""};
}

static void submit(struct cn_executor *e, int64_t attempt, const char *mode)
{
    char text[256], job[CN_JOB_NAME_TEXT];

    cn_text_format(text, sizeof text, "toy:\n  mode: %s\n", mode);
    const char *argv[] = {scratch_program("toy_trainer"),
                          "run",
                          "--config",
                          scratch_file(&s, "config.yaml", text),
                          "--out",
                          s.dir,
                          NULL};
    const struct cn_job_spec spec = {
        .dir = s.dir, .token = "t", .attempt = attempt, .argv = argv, .grace_s = 5};

    cr_assert_eq(cn_executor_submit(e, &spec, job, &err), CN_OK, "%s", err.text);
    cr_assert(cn_text_starts(job, "local:"));
}

static cn_job_state poll_once(struct cn_executor *e, int64_t attempt)
{
    const struct cn_job_ref r = ref(attempt);
    cn_job_state state;

    cr_assert_eq(cn_executor_poll(e, &r, &state, &err), CN_OK, "%s", err.text);
    return state;
}

static void wait_for(struct cn_executor *e, int64_t attempt, cn_job_state wanted)
{
    while (poll_once(e, attempt) != wanted)
        cn_clock_sleep_ms(2);
}

static void expect_verdict(int64_t attempt, cn_verdict v)
{
    struct cn_job_result r;

    cr_assert_eq(cn_collect(s.dir, "t", attempt, &r, &err), CN_OK, "%s", err.text);
    cr_assert_eq(r.verdict, v, "%s: %s", cn_verdict_name(r.verdict), r.message);
    cn_job_result_clear(&r);
}

Test(exec_local, a_job_runs_to_its_end)
{
    submit(x, 1, "ok");
    wait_for(x, 1, CN_JOB_OVER);
    expect_verdict(1, CN_VERDICT_OK);
}

Test(exec_local, a_job_that_was_never_submitted_is_absent)
{
    cr_assert_eq(poll_once(x, 1), CN_JOB_ABSENT);
}

Test(exec_local, submitting_the_same_attempt_twice_trains_once)
{
    submit(x, 1, "ok");
    wait_for(x, 1, CN_JOB_OVER);
    cr_assert_eq(unlink(scratch_path(&s, "metrics.jsonl")), 0);
    submit(x, 1, "ok");
    wait_for(x, 1, CN_JOB_OVER);
    cn_clock_sleep_ms(50); /* room for a training that must not happen */
    cr_assert(!cn_file_exists(scratch_path(&s, "metrics.jsonl")));
}

Test(exec_local, cancel_ends_a_job)
{
    const struct cn_job_ref r = ref(1);

    submit(x, 1, "hang");
    wait_for(x, 1, CN_JOB_RUNNING);
    while (!cn_file_exists(scratch_path(&s, "metrics.jsonl")))
        cn_clock_sleep_ms(2);
    cr_assert_eq(cn_executor_cancel(x, &r, &err), CN_OK, "%s", err.text);
    wait_for(x, 1, CN_JOB_OVER);
    expect_verdict(1, CN_VERDICT_CANCELLED);
    cr_assert_eq(cn_executor_cancel(x, &r, &err), CN_OK, "gone already is fine");
}

Test(exec_local, another_executor_adopts_and_cancels_a_running_job)
{
    struct cn_executor *other = fresh();
    const struct cn_job_ref r = ref(1);
    cn_job_state state;

    submit(x, 1, "hang");
    wait_for(x, 1, CN_JOB_RUNNING);
    cr_assert_eq(cn_executor_adopt(other, &r, &state, &err), CN_OK);
    cr_assert_eq(state, CN_JOB_RUNNING);
    cr_assert_eq(cn_executor_cancel(other, &r, &err), CN_OK);
    wait_for(other, 1, CN_JOB_OVER);
    cn_executor_free(other);
}

Test(exec_local, a_killed_supervisor_is_a_lost_job_and_the_next_attempt_runs)
{
    struct cn_job_start start;

    submit(x, 1, "stubborn");
    wait_for(x, 1, CN_JOB_RUNNING);
    cr_assert_eq(cn_job_start_read(s.dir, &start, &err), CN_OK);
    cr_assert_eq(kill(start.pid, SIGKILL), 0);
    wait_for(x, 1, CN_JOB_LOST);
    submit(x, 2, "ok");
    wait_for(x, 2, CN_JOB_OVER);
    expect_verdict(2, CN_VERDICT_OK);
}

Test(exec_local, a_damaged_exit_file_is_not_believed)
{
    submit(x, 1, "ok");
    wait_for(x, 1, CN_JOB_OVER);
    (void)scratch_file(&s, "exit.json", "{\"token\": \"t\", \"att");
    cr_assert_eq(poll_once(x, 1), CN_JOB_LOST);
}

Test(exec_local, an_exit_file_of_another_attempt_is_not_this_ones)
{
    struct cn_job_result r;

    submit(x, 1, "ok");
    wait_for(x, 1, CN_JOB_OVER);
    cr_assert_eq(cn_collect(s.dir, "t", 2, &r, &err), CN_ENOTFOUND);
    cr_assert_eq(cn_collect(s.dir, "u", 1, &r, &err), CN_ENOTFOUND);
}

Test(exec_local, wrong_slots_are_refused)
{
    struct cn_local_opts o = CN_LOCAL_OPTS_INIT;
    struct cn_executor *e;

    o.slots = 0;
    cr_assert_eq(cn_local_new(&o, &e, &err), CN_EINPUT);
    o.slots = 2;
    o.cores_per_slot = 100000;
    o.cairn_job = scratch_program("cairn-job");
    cr_assert_eq(cn_local_new(&o, &e, &err), CN_EINPUT);
    o.cairn_job = "/nowhere/cairn-job";
    cr_assert_eq(cn_local_new(&o, &e, &err), CN_ENOTFOUND);
}

Test(exec_local, a_copied_folder_with_the_same_token_is_left_alone)
{
    char other[] = "/tmp/cairn-copy-XXXXXX";

    cr_assert_not_null(mkdtemp(other));
    submit(x, 1, "hang");
    wait_for(x, 1, CN_JOB_RUNNING);
    do { /* job.json stands before the trainer does; the suite's timeout is the clock */
        cr_assert_eq(cn_job_kill_leftovers(other, "t", 1), 0);
        cn_clock_sleep_ms(2);
    } while (cn_job_kill_leftovers(s.dir, "t", 1) == 0);
    (void)rmdir(other);
}
