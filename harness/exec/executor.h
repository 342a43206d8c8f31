/* What the loop asks of a place where trainings run. `local` is the first; clusters come behind
 * the same table.
 *
 *     struct cn_executor *x;
 *     st = cn_local_new(&lo, &x, &err);
 *     st = cn_executor_submit(x, &spec, name, &err);       // after the intent is in the store
 *     st = cn_executor_poll(x, &ref, &state, &err);        // until CN_JOB_OVER or CN_JOB_LOST
 *     st = cn_collect(dir, token, attempt, &result, &err); // harness/exec/collect.h
 *     cn_executor_free(x);                                 // jobs live on under cairn-job
 *
 * Submitting is idempotent for (token, attempt): a job that runs or has ended already is left
 * alone. A harness that came back calls cn_executor_adopt for every attempt that its store
 * calls submitted or running.
 */
#ifndef CN_EXEC_EXECUTOR_H
#define CN_EXEC_EXECUTOR_H

#include <stdint.h>

#include "base/status.h"

struct cn_job_spec {
    const char *dir; /* absolute; exists; the trainer's working directory */
    const char *token;
    int64_t attempt;
    const char *const *argv;    /* the trainer with its arguments, NULL-terminated */
    const char *const *env;     /* "A=b" for the trainer, NULL-terminated; NULL: none */
    double deadline_s, grace_s; /* deadline 0: none */
    int64_t memory_mib;         /* 0: no limit */
    int32_t slot;               /* 0-based */
};

/* One attempt, to ask about. */
struct cn_job_ref {
    const char *dir, *token;
    int64_t attempt;
    const char *job; /* what submit called it; "" when that was never recorded */
};

typedef enum {
    CN_JOB_WAITING, /* submitted, not started yet */
    CN_JOB_RUNNING,
    CN_JOB_OVER,   /* exit.json is there: cn_collect */
    CN_JOB_LOST,   /* it ran, or should have, and left no exit.json: try again */
    CN_JOB_ABSENT, /* no trace of it: the submission never happened; submit again */
} cn_job_state;
const char *cn_job_state_name(cn_job_state s);

enum { CN_JOB_NAME_TEXT = 64 };

struct cn_executor;
struct cn_executor_ops {
    const char *name;
    cn_status (*submit)(struct cn_executor *x, const struct cn_job_spec *spec,
                        char out_job[CN_JOB_NAME_TEXT], struct cn_err *err);
    cn_status (*poll)(struct cn_executor *x, const struct cn_job_ref *ref, cn_job_state *out,
                      struct cn_err *err);
    cn_status (*cancel)(struct cn_executor *x, const struct cn_job_ref *ref,
                        struct cn_err *err);
    cn_status (*adopt)(struct cn_executor *x, const struct cn_job_ref *ref, cn_job_state *out,
                       struct cn_err *err);
    void (*free)(struct cn_executor *x);
};
struct cn_executor { /* an executor's own struct begins with this */
    const struct cn_executor_ops *ops;
};

CN_MUST_CHECK cn_status cn_executor_submit(struct cn_executor *x,
                                           const struct cn_job_spec *spec,
                                           char out_job[CN_JOB_NAME_TEXT], struct cn_err *err);
/* Cheap enough to call every 100 ms; also takes care of what has ended (zombies, orphans). */
CN_MUST_CHECK cn_status cn_executor_poll(struct cn_executor *x, const struct cn_job_ref *ref,
                                         cn_job_state *out, struct cn_err *err);
/* Ask it to end; it will be seen OVER (ended "cancelled") or LOST later. Gone already is
 * CN_OK. */
CN_MUST_CHECK cn_status cn_executor_cancel(struct cn_executor *x, const struct cn_job_ref *ref,
                                           struct cn_err *err);
CN_MUST_CHECK cn_status cn_executor_adopt(struct cn_executor *x, const struct cn_job_ref *ref,
                                          cn_job_state *out, struct cn_err *err);
void cn_executor_free(struct cn_executor *x); /* NULL is fine */

/* -- local -- */

struct cn_local_opts {
    int32_t slots;
    /* 0: the processors we may use, shared out evenly, at least 1 each. */
    int32_t cores_per_slot;
    /* The supervisor program; NULL: beside our own executable, then on PATH. */
    const char *cairn_job;
};
#define CN_LOCAL_OPTS_INIT \
    {                      \
        1, 0, NULL         \
    }

/* CN_ENOTFOUND without cairn-job; CN_EINPUT when the slots want more processors than there
 * are. */
CN_MUST_CHECK cn_status cn_local_new(const struct cn_local_opts *o, struct cn_executor **out,
                                     struct cn_err *err);

#endif
