/* The smallest harness, for tests: make the run when it is not there, then explore it to its end.
 *
 *     explore_driver DIR PROTOCOL CONFIG [path=value ...]
 *
 * Exit codes as cn_status_exit_code; 137 when the crash seam of base/file.h fired.
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "harness/loop/run.h"

enum { MAX_OVERRIDES = 32 };

static struct cn_run *running;

static void on_interrupt(int sig)
{
    static volatile sig_atomic_t level;

    (void)sig;
    if (level < 2)
        level++;
    if (running)
        cn_run_request_stop(running, level);
}

static void say(void *ctx, const char *line)
{
    (void)ctx;
    printf("%s\n", line);
    (void)fflush(stdout);
}

static int take_overrides(int argc, char **argv, struct cn_run_override *o)
{
    int n = 0;

    for (int i = 4; i < argc && n < MAX_OVERRIDES; i++) {
        char *eq = strchr(argv[i], '=');

        if (!eq)
            continue;
        *eq = '\0';
        o[n++] = (struct cn_run_override){argv[i], eq + 1};
    }
    return n;
}

int main(int argc, char **argv)
{
    struct cn_run_override overrides[MAX_OVERRIDES];
    struct cn_run_create_opts co = CN_RUN_CREATE_OPTS_INIT;
    struct cn_run_explore_opts eo = CN_RUN_EXPLORE_OPTS_INIT;
    struct cn_err err = CN_ERR_INIT;
    cn_run_end end = CN_RUN_END_FAILED;
    cn_status st;

    if (argc < 4) {
        fprintf(stderr, "usage: explore_driver DIR PROTOCOL CONFIG [path=value ...]\n");
        return 2;
    }
    (void)signal(SIGINT, on_interrupt);
    co.dir = argv[1];
    co.protocol = argv[2];
    co.config = argv[3];
    co.overrides = overrides;
    co.n_overrides = take_overrides(argc, argv, overrides);
    eo.say = say;
    eo.poll_ms = 20;
    st = cn_run_create(&co, &err);
    if (st == CN_OK || st == CN_EEXIST)
        st = cn_run_open(argv[1], NULL, 0, &running, &err);
    if (st == CN_OK)
        st = cn_run_explore(running, &eo, &end, &err);
    if (st == CN_OK)
        printf("end: %s\n", cn_run_end_text(end));
    cn_run_close(running);
    return st == CN_OK ? 0 : cn_err_print(stderr, "explore_driver", &err);
}
