/* The supervisor around one training: what the program cairn-job does.
 *
 * Its promises (docs/TRAINER_CONTRACT.md, section 6):
 *   - one job per folder: the lock is held by the supervisor and inherited by the trainer, so
 *     it stays taken while either lives;
 *   - no orphans: the trainer has a session and process group of its own, dies with the
 *     supervisor (PR_SET_PDEATHSIG), and whatever it started is adopted
 *     (PR_SET_CHILD_SUBREAPER), killed and reaped before the end is written;
 *   - the deadline holds on the monotonic clock, whether or not a harness lives: SIGTERM,
 *     grace, SIGKILL;
 *   - output is kept in DIR/stdout.log, its head and its tail when it is huge;
 *   - exit.json is the last act.
 */
#ifndef CN_EXEC_SUPERVISE_H
#define CN_EXEC_SUPERVISE_H

#include <stdint.h>
#include <sys/types.h>

#include "base/status.h"

struct cn_supervise_opts {
    const char *dir, *token;
    int64_t attempt;
    double deadline_s;       /* 0: none */
    double grace_s;          /* from SIGTERM to SIGKILL */
    int64_t memory_mib;      /* address space of each process; 0: unlimited */
    const char *cpus;        /* "0,1" or ""; the trainer's affinity */
    const char *const *argv; /* the command, NULL-terminated */
};
#define CN_SUPERVISE_OPTS_INIT            \
    {                                     \
        NULL, NULL, 0, 0, 10, 0, "", NULL \
    }

/* Run the job to its end. CN_OK: exit.json says how it ended. CN_ELOCKED: the folder has a job,
 * or has seen this attempt or a later one already; nothing was touched. */
CN_MUST_CHECK cn_status cn_supervise(const struct cn_supervise_opts *o, struct cn_err *err);

/* Second stage, in the process that becomes the trainer: limits, affinity, death signal, then
 * exec of argv[0] (an absolute path). Comes back only on failure, with the reason in
 * DIR/start_error.txt as well. */
cn_status cn_supervise_become(const char *dir, pid_t supervisor, int64_t memory_mib,
                              const char *cpus, char *const *argv, struct cn_err *err);

#endif
