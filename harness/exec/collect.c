/* Outcomes from files. See collect.h; exit codes: docs/TRAINER_CONTRACT.md, section 4. */
#include "harness/exec/collect.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/text.h"

enum { EVIDENCE_BYTES = 8192, LINE_BYTES = 200, DISK_FULL_BYTES = 1 << 20 };

const char *cn_verdict_name(cn_verdict v)
{
    static const char *const names[] = {"ok",      "diverged", "oom",        "timeout",
                                        "crashed", "infra",    "bad_config", "cancelled"};

    CN_ASSERT((int)v >= 0 && (size_t)v < sizeof names / sizeof names[0]);
    return names[v];
}

/* ------------------------------------------------------------------ evidence */

static void read_tail(const char *dir, struct cn_buf *out)
{
    char *path = cn_file_join(dir, "stdout.log");

    cn_buf_reset(out);
    if (path && cn_file_exists(path) &&
        cn_file_read_tail(path, EVIDENCE_BYTES, out, NULL) != CN_OK)
        cn_buf_reset(out); /* evidence is welcome, not needed */
    cn_free(path);
}

/* The last line with something in it, printable ASCII only, cut to LINE_BYTES. */
static void last_line(const struct cn_buf *tail, char out[LINE_BYTES])
{
    size_t end = tail->len, start, n = 0;

    while (end > 0 && (unsigned char)tail->data[end - 1] <= ' ')
        end--;
    start = end;
    while (start > 0 && tail->data[start - 1] != '\n')
        start--;
    for (size_t i = start; i < end && n + 1 < LINE_BYTES; i++)
        out[n++] = tail->data[i] >= ' ' && tail->data[i] < 127 ? tail->data[i] : ' ';
    out[n] = '\0';
}

static bool speaks_of_memory(const struct cn_buf *tail)
{
    static const char *const words[] = {
        "MemoryError", "out of memory",          "Out of memory",
        "bad_alloc",   "Cannot allocate memory", "OutOfMemoryError"};

    for (size_t i = 0; tail->len > 0 && i < sizeof words / sizeof words[0]; i++)
        if (memmem(tail->data, tail->len, words[i], strlen(words[i])))
            return true;
    return false;
}

static bool disk_is_full(const char *dir)
{
    struct statvfs v;

    return statvfs(dir, &v) == 0 && (uint64_t)v.f_bavail * v.f_frsize < DISK_FULL_BYTES;
}

/* ------------------------------------------------------------------ result.json */

/* NULL when every member is a number or null, else the first that is not. */
static const char *bad_metric(const struct cn_json *metrics)
{
    double v;

    for (const struct cn_json *m = cn_json_first(metrics); m; m = cn_json_next(m))
        if (cn_json_kind(m) != CN_JSON_NULL && !cn_json_number(m, &v))
            return cn_json_name(m);
    return NULL;
}

static cn_status check_result(const struct cn_json *r, struct cn_err *err)
{
    static const char *const known[] = {"ok", "diverged", "oom", "stopped", "bad_config"};
    const struct cn_json *metrics = cn_json_get(r, "metrics");
    const char *status = cn_json_string(cn_json_get(r, "status")), *bad;
    int64_t contract;

    if (!cn_json_int64(cn_json_get(r, "contract"), &contract) || contract != 1)
        return cn_err_set(err, CN_EINPUT, "result.json: contract: expected the number 1");
    for (size_t i = 0; status && i < sizeof known / sizeof known[0]; i++)
        if (strcmp(status, known[i]) == 0)
            goto known_status;
    return cn_err_set(err, CN_EINPUT,
                      "result.json: status: expected ok, diverged, oom, stopped or bad_config");
known_status:
    if (cn_json_kind(metrics) != CN_JSON_OBJECT)
        return cn_err_set(err, CN_EINPUT, "result.json: metrics: expected an object");
    bad = bad_metric(metrics);
    if (bad)
        return cn_err_set(err, CN_EINPUT, "result.json: metrics.%s: expected a number or null",
                          bad);
    return CN_OK;
}

/* result.json into r->result when it is there and valid; why not, otherwise, in `err`. */
static void read_result(const char *dir, struct cn_job_result *r, struct cn_err *err)
{
    char *path = cn_file_join(dir, "result.json");

    if (!path)
        (void)cn_err_set(err, CN_ENOMEM, "result.json: no memory to read it");
    else if (!cn_file_exists(path))
        (void)cn_err_set(err, CN_ENOTFOUND, "no result.json");
    else if (cn_json_read(path, &r->result, err) == CN_OK &&
             check_result(cn_json_root(r->result), err) != CN_OK) {
        cn_json_free(r->result);
        r->result = NULL;
    }
    cn_free(path);
}

/* ------------------------------------------------------------------ verdicts */

static bool status_is(const struct cn_job_result *r, const char *status)
{
    const char *s =
        r->result ? cn_json_string(cn_json_get(cn_json_root(r->result), "status")) : NULL;

    return s && strcmp(s, status) == 0;
}

static cn_verdict judge_exit(const char *dir, const struct cn_job_result *r,
                             const struct cn_buf *tail)
{
    switch (r->exit.code) {
    case 0:
        return status_is(r, "ok")         ? CN_VERDICT_OK
               : status_is(r, "diverged") ? CN_VERDICT_DIVERGED
                                          : CN_VERDICT_CRASHED;
    case 2:
        return CN_VERDICT_BAD_CONFIG;
    case 3:
        return CN_VERDICT_DIVERGED;
    case 4:
        return disk_is_full(dir) ? CN_VERDICT_INFRA : CN_VERDICT_OOM;
    case 5: /* nobody of ours asked it to stop */
        return CN_VERDICT_INFRA;
    default:
        if (disk_is_full(dir))
            return CN_VERDICT_INFRA;
        return r->exit.oom_kills > 0 || speaks_of_memory(tail) ? CN_VERDICT_OOM
                                                               : CN_VERDICT_CRASHED;
    }
}

static cn_verdict judge_signal(const struct cn_job_result *r, const struct cn_buf *tail)
{
    switch (r->exit.signal) {
    case SIGKILL:
        return r->exit.oom_kills > 0 ? CN_VERDICT_OOM : CN_VERDICT_INFRA;
    case SIGTERM:
    case SIGINT:
    case SIGHUP:
        return CN_VERDICT_INFRA;
    default:
        return speaks_of_memory(tail) ? CN_VERDICT_OOM : CN_VERDICT_CRASHED;
    }
}

static cn_verdict judge(const char *dir, const struct cn_job_result *r,
                        const struct cn_buf *tail)
{
    switch (r->exit.ended) {
    case CN_JOB_EXITED:
        return judge_exit(dir, r, tail);
    case CN_JOB_SIGNALED:
        return judge_signal(r, tail);
    case CN_JOB_DEADLINE:
        return CN_VERDICT_TIMEOUT;
    case CN_JOB_CANCELLED:
        return CN_VERDICT_CANCELLED;
    case CN_JOB_START_FAILED:
        break;
    }
    return CN_VERDICT_INFRA;
}

/* "killed by signal 9 (Killed)", "exit code 1", "stopped at its deadline of 60 s". */
static void how_it_ended(const struct cn_job_exit *x, struct cn_buf *out)
{
    if (x->ended == CN_JOB_START_FAILED)
        cn_buf_printf(out, "could not start: %s", x->message);
    else if (x->ended == CN_JOB_DEADLINE)
        cn_buf_adds(out, "stopped at its deadline");
    else if (x->ended == CN_JOB_CANCELLED)
        cn_buf_adds(out, "cancelled");
    else if (x->ended == CN_JOB_SIGNALED)
        cn_buf_printf(out, "killed by signal %d (%s)", x->signal, strsignal(x->signal));
    else
        cn_buf_printf(out, "exit code %d", x->code);
}

/* One line for people: how it ended, the trainer's own message, what is wrong with result.json,
 * the last words. */
static void put_message(struct cn_job_result *r, const struct cn_err *why_no_result,
                        const struct cn_buf *tail)
{
    char words[LINE_BYTES];
    const char *said =
        r->result ? cn_json_string(cn_json_get(cn_json_root(r->result), "message")) : NULL;
    struct cn_buf b;

    if (r->verdict == CN_VERDICT_OK)
        return;
    cn_buf_init(&b, (size_t)4 * CN_ERR_TEXT);
    how_it_ended(&r->exit, &b);
    if (said && said[0])
        cn_buf_printf(&b, "; %s", said);
    else if (!r->result && r->exit.ended == CN_JOB_EXITED && r->exit.code == 0)
        cn_buf_printf(&b, ", but %s", why_no_result->text);
    last_line(tail, words);
    if (words[0] && !(said && said[0]))
        cn_buf_printf(&b, "; last output: %s", words);
    cn_text_format(r->message, sizeof r->message, "%.*s",
                   (int)cn_text_utf8_cut(cn_buf_str(&b), b.len, sizeof r->message - 1),
                   cn_buf_str(&b));
    cn_buf_clear(&b);
}

cn_status cn_collect(const char *dir, const char *token, int64_t attempt,
                     struct cn_job_result *out, struct cn_err *err)
{
    struct cn_err why = CN_ERR_INIT;
    struct cn_buf tail;
    cn_status st;

    memset(out, 0, sizeof *out);
    st = cn_job_exit_read(dir, &out->exit, err);
    if (st == CN_OK && (out->exit.attempt != attempt || strcmp(out->exit.token, token) != 0))
        st = cn_err_set(err, CN_ENOTFOUND,
                        "%s/exit.json: is of attempt %lld of %s, expected attempt %lld of %s",
                        dir, (long long)out->exit.attempt, out->exit.token, (long long)attempt,
                        token);
    if (st != CN_OK)
        return st;
    cn_buf_init(&tail, EVIDENCE_BYTES);
    read_tail(dir, &tail);
    read_result(dir, out, &why);
    out->verdict = judge(dir, out, &tail);
    put_message(out, &why, &tail);
    cn_buf_clear(&tail);
    return CN_OK;
}

void cn_job_result_clear(struct cn_job_result *r)
{
    cn_json_free(r->result);
    r->result = NULL;
}
