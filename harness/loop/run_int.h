/* Inside of a run, for the files of this folder that share it: create.c and run.c (making,
 * opening), jobs.c (from planned to measured), explore.c (the loop), inbox.c (a person's
 * words). */
#ifndef CN_LOOP_RUN_INT_H
#define CN_LOOP_RUN_INT_H

#include <signal.h>
#include <stdint.h>

#include "harness/exec/executor.h"
#include "harness/loop/plan.h"
#include "harness/loop/run.h"
#include "logs/store.h"

enum {
    CN_RUN_SLOTS = 256,
    CN_RUN_HOLDER_TEXT = 200,
    CN_RUN_LEASE_MS = 60000,
    CN_RUN_HEARTBEAT_MS = 5000
};

/* What this process knows about an iteration that is under way; all of it can be lost. */
struct cn_run_slot {
    int64_t id;            /* 0: free */
    bool asked_to_end;     /* cancelled by us */
    int64_t not_before_us; /* monotonic; a retry waits until then */
    int failures;          /* in this process, for the back-off */
    /* watch.c: when we looked last, what the training showed, when that changed. Monotonic. */
    int64_t looked_us, moved_us;
    uint64_t sign;
};

struct cn_consult; /* consult_int.h */
struct cn_run {
    char *dir, *name, *config_dir; /* owned */
    char nonce[32];                /* part of every job's token */
    char holder[CN_RUN_HOLDER_TEXT];
    int lock_fd;            /* owned, -1 when closed */
    struct cn_store *store; /* owned */
    struct cn_settings settings;
    struct cn_protocol *protocol; /* owned */
    struct cn_trainer *trainer;   /* owned */
    struct cn_search search;
    char *base_config;             /* owned */
    struct cn_planner planner;     /* borrows the above */
    struct cn_elsewhere elsewhere; /* of the planner: asks the store */
    struct cn_executor *executor;  /* owned; NULL until exploring */
    struct cn_run_slot slots[CN_RUN_SLOTS];
    volatile sig_atomic_t stop;             /* 0, 1 or 2 */
    const struct cn_run_explore_opts *opts; /* borrowed while exploring */
    int64_t started_us, beat_us;
    char last_pause[CN_ERR_TEXT]; /* so that a pause is told once */
    struct cn_consult *consult;   /* owned while exploring; NULL: no model proposes */
};

/* Renew the lease when it is time to. */
CN_MUST_CHECK cn_status cn_run_beat(struct cn_run *r, struct cn_err *err);
/* One line to the person at the terminal, when somebody listens. */
void cn_run_tell(struct cn_run *r, const char *fmt, ...) CN_PRINTF(2, 3);

/* -- jobs.c -- */

/* Look at every iteration that is submitted or running: adopt, poll, collect; whatever is over
 * becomes measured or is planned again. *changed is set when the record moved. */
CN_MUST_CHECK cn_status cn_run_poll_jobs(struct cn_run *r, const struct cn_history *h,
                                         bool *changed, struct cn_err *err);
/* Start every planned iteration whose time has come. */
CN_MUST_CHECK cn_status cn_run_submit_jobs(struct cn_run *r, const struct cn_history *h,
                                           bool *changed, struct cn_err *err);
/* Stop level 2: ask every running job to end. */
CN_MUST_CHECK cn_status cn_run_cancel_jobs(struct cn_run *r, const struct cn_history *h,
                                           struct cn_err *err);

/* -- measure.c -- */

struct cn_job_result;
/* What an attempt that is over says, as the record keeps it. Texts live in `a`. */
CN_MUST_CHECK cn_status cn_run_measurement(const struct cn_run *r, const struct cn_history *h,
                                           const struct cn_iteration *it, const char *dir,
                                           const struct cn_job_result *result,
                                           struct cn_arena *a, struct cn_measurement *out,
                                           struct cn_err *err);
/* One line about a measured iteration, from the record alone. */
void cn_run_observe(const struct cn_run *r, const struct cn_history *h,
                    const struct cn_iteration *it, struct cn_buf *out);

/* -- inbox.c -- */

/* New words of user_input.md become messages of the store. */
CN_MUST_CHECK cn_status cn_run_inbox_read(struct cn_run *r, struct cn_err *err);
/* Acknowledge what is pending with the iteration that is planned next; "stop" sets the stop
 * level. */
CN_MUST_CHECK cn_status cn_run_inbox_answer(struct cn_run *r, const struct cn_history *h,
                                            int64_t iteration, struct cn_err *err);
/* Move what is acknowledged to the file's lower section. */
CN_MUST_CHECK cn_status cn_run_inbox_write(struct cn_run *r, const struct cn_history *h,
                                           struct cn_err *err);
extern const char cn_run_inbox_template[];

/* -- create.c -- */

enum { CN_RUN_NONCE = 32 };
void cn_run_make_nonce(const char *dir, char out[CN_RUN_NONCE]);
struct cn_basis;
/* The trainer looks at the config before anything is made: the file as given, with the config's
 * overrides. */
CN_MUST_CHECK cn_status cn_run_check_config(const struct cn_basis *b,
                                            const struct cn_run_create_opts *o,
                                            struct cn_err *err);

/* -- run.c -- */

/* Absolute, without slashes at the end; allocated (cn_free). */
char *cn_run_clean_dir(const char *dir);
const char *cn_run_base_name(const char *path); /* the part after the last slash */
CN_MUST_CHECK cn_status cn_run_put(const char *dir, const char *name, const char *text,
                                   size_t n, struct cn_err *err);

/* A person's edit of protocol.md becomes a version by "user" and holds from now on; one that
 * cannot be read is told and leaves the old one in force. */
CN_MUST_CHECK cn_status cn_run_adopt_protocol(struct cn_run *r, struct cn_err *err);
/* The stop request that another process left, if any; taken away. 0, 1 or 2. */
int cn_run_take_posted_stop(struct cn_run *r);

#endif
