/* Child processes: spawn, capture, wait, kill. The only home of fork/exec (posix_spawn or
 * fork+exec with nothing but async-signal-safe calls between).
 *
 * argv is passed as it is, never through a shell. Children get close-on-exec for all our
 * descriptors, default signal dispositions and an empty signal mask.
 */
#ifndef CN_BASE_PROC_H
#define CN_BASE_PROC_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/status.h"

struct cn_proc_opts {
    /* NULL-terminated; argv[0] searched on PATH when it has no slash. */
    const char *const *argv;
    const char *cwd; /* NULL: ours */
    /* NULL-terminated "A=b" added to (or replacing in) our environment. */
    const char *const *env;
    /* NULL-terminated names taken out of the child's environment. */
    const char *const *env_remove;
    bool new_session; /* setsid: own session and process group */
    int stdin_fd;     /* -1: /dev/null */
    int stdout_fd;    /* -1: inherited; -2: /dev/null */
    int stderr_fd;    /* -1: inherited; -2: /dev/null */
    int keep_fd;      /* one more descriptor to leave open in the child, -1: none */
    /* cn_proc_run only. Called about ten times a second while it waits (a lease is renewed there);
     * may be NULL. */
    void (*tick)(void *ctx);
    void *tick_ctx;
    const volatile sig_atomic_t
        *stop; /* non-zero: the group is killed, CN_ESTOPPED; may be NULL */
};
#define CN_PROC_OPTS_INIT                                               \
    {                                                                   \
        NULL, NULL, NULL, NULL, false, -1, -1, -1, -1, NULL, NULL, NULL \
    }

/* Start; *out_pid > 0. A missing program or folder is an error here (CN_ENOTFOUND), not in the
 * child. */
CN_MUST_CHECK cn_status cn_proc_spawn(const struct cn_proc_opts *o, pid_t *out_pid,
                                      struct cn_err *err);

struct cn_proc_exit {
    bool exited;     /* false: killed by `signal` */
    int code;        /* exit code when exited */
    int signal;      /* signal when not */
    int wait_status; /* as from waitpid */
    double user_s, system_s;
    int64_t max_rss_kib;
};

/* Wait for one child. timeout_ms -1: for ever; CN_ETIMEOUT leaves the child running. */
CN_MUST_CHECK cn_status cn_proc_wait(pid_t pid, int64_t timeout_ms, struct cn_proc_exit *out,
                                     struct cn_err *err);

/* SIGTERM to the group, then SIGKILL after grace_ms, and reap `pid`. */
void cn_proc_kill_group(pid_t pid, int64_t grace_ms);

/* Run to the end with `input` (may be NULL) on stdin; stdout and stderr captured up to
 * CN_CAP_CAPTURE each (either may be NULL: dropped). Kills the group at the timeout and returns
 * CN_ETIMEOUT. A non-zero exit is not an error here: look at *out. */
CN_MUST_CHECK cn_status cn_proc_run(const struct cn_proc_opts *o, const char *input,
                                    size_t input_n, int64_t timeout_ms,
                                    struct cn_buf *opt_stdout, struct cn_buf *opt_stderr,
                                    struct cn_proc_exit *out, struct cn_err *err);

/* Absolute path of a program on PATH (or with a slash), allocated (cn_free); NULL when there is
 * none. */
char *cn_proc_which(const char *program);
/* Absolute folder of the running executable, allocated (cn_free). */
char *cn_proc_self_dir(void);

#endif
