/* The files of one job, shared by cairn-job (which writes them) and the executors (which read
 * them).
 *
 * A job is one attempt at one training in one folder. Its supervisor, cairn-job, leaves
 *
 *     DIR/job.lock    held (fcntl OFD lock) by the supervisor and inherited by the trainer
 *     DIR/job.json    at the start: who runs this attempt, and where
 *     DIR/exit.json   as its last act: how the attempt ended
 *
 * (docs/TRAINER_CONTRACT.md, section 6). Whoever finds the folder later, a harness that was
 * killed and came back included, learns from these three alone what became of the job; see
 * cn_job_look.
 */
#ifndef CN_EXEC_JOB_H
#define CN_EXEC_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/clock.h"
#include "base/status.h"

enum {
    CN_JOB_TOKEN_TEXT = 96,
    CN_JOB_HOST_TEXT = 128,
    CN_JOB_EXIT_LOCKED = 75, /* cairn-job's exit code when the folder has a job already */
};

/* Every process of a job carries this environment variable with the job's token and attempt, so
 * leftovers of a killed supervisor can be told from strangers (a pid alone may have been given
 * to somebody else). */
#define CN_JOB_ENV "CAIRN_JOB"

/* DIR/job.json */
struct cn_job_start {
    char token[CN_JOB_TOKEN_TEXT], host[CN_JOB_HOST_TEXT], started[CN_TIME_TEXT];
    int64_t attempt;
    pid_t pid;                   /* the supervisor */
    int64_t pid_birth;           /* its start in clock ticks since boot: with the pid, unique */
    char boot[CN_JOB_HOST_TEXT]; /* the kernel's boot id, "" when unknown */
};

#define CN_JOB_ENDED_MAP(X)   \
    X(EXITED, "exited")       \
    X(SIGNALED, "signaled")   \
    X(DEADLINE, "deadline")   \
    X(CANCELLED, "cancelled") \
    X(START_FAILED, "start_failed")
typedef enum {
#define X(name, text) CN_JOB_##name,
    CN_JOB_ENDED_MAP(X)
#undef X
} cn_job_ended;

/* DIR/exit.json */
struct cn_job_exit {
    char token[CN_JOB_TOKEN_TEXT], host[CN_JOB_HOST_TEXT];
    char started[CN_TIME_TEXT], finished[CN_TIME_TEXT];
    char message[CN_ERR_TEXT]; /* why it could not start; "" otherwise */
    int64_t attempt, max_rss_kib, oom_kills;
    cn_job_ended ended;
    int code, signal, wait_status;
    double seconds, user_s, system_s;
};

const char *cn_job_ended_name(cn_job_ended e);

CN_MUST_CHECK cn_status cn_job_start_write(const char *dir, const struct cn_job_start *s,
                                           struct cn_err *err);
CN_MUST_CHECK cn_status cn_job_exit_write(const char *dir, const struct cn_job_exit *x,
                                          struct cn_err *err);
/* CN_ENOTFOUND when absent, CN_EINPUT naming the file when it is not what cairn-job writes. */
CN_MUST_CHECK cn_status cn_job_start_read(const char *dir, struct cn_job_start *out,
                                          struct cn_err *err);
CN_MUST_CHECK cn_status cn_job_exit_read(const char *dir, struct cn_job_exit *out,
                                         struct cn_err *err);

/* Fill host, pid, pid_birth and boot for the calling process. */
void cn_job_whoami(struct cn_job_start *s);

/* What has become of this attempt, judged by its files alone. */
typedef enum {
    CN_JOB_SEEN_NOTHING,  /* no trace of this attempt: never started, or not yet */
    CN_JOB_SEEN_TAKEN,    /* no trace of this attempt yet, but somebody holds the lock */
    CN_JOB_SEEN_RUNNING,  /* the lock is held; the supervisor lives here or on another host */
    CN_JOB_SEEN_ORPHANED, /* the lock is held, but the supervisor on this host is dead:
                             cn_job_kill_leftovers */
    CN_JOB_SEEN_ENDED,    /* exit.json of this attempt is there */
    CN_JOB_SEEN_LOST,     /* it started, the lock is free, and there is no exit.json:
                             supervisor and job died */
} cn_job_seen;
CN_MUST_CHECK cn_status cn_job_look(const char *dir, const char *token, int64_t attempt,
                                    cn_job_seen *out, struct cn_err *err);

/* True when somebody holds the lock for an attempt whose supervisor, by job.json, died on this
 * host: then its processes are killed. For a folder that is taken by an older attempt. */
bool cn_job_clear_orphans(const char *dir);

/* What every process of a job carries in its environment: "CAIRN_JOB=<token>.<attempt>@<folder's
 * device:inode>". The folder is part of it, because a copied run has the tokens of its original.
 * "" when the folder cannot be looked at. */
enum { CN_JOB_MARK_TEXT = CN_JOB_TOKEN_TEXT + 96 };
const char *cn_job_mark(const char *dir, const char *token, int64_t attempt,
                        char out[CN_JOB_MARK_TEXT]);

/* SIGKILL every process of ours on this host that carries the mark of this job. Returns how
 * many. */
int cn_job_kill_leftovers(const char *dir, const char *token, int64_t attempt);

/* Names of variables in our environment that look like keys (*_API_KEY, *_TOKEN, *_SECRET,
 * *_PASSWORD, ANTHROPIC_*, OPENAI_*): they must not reach a training. NULL-terminated, for
 * cn_proc_opts.env_remove; cn_job_names_free. NULL when out of memory. */
char **cn_job_secret_names(void);
void cn_job_names_free(char **names);

#endif
