/* cairn-job: the supervisor around one training. See docs/TRAINER_CONTRACT.md, section 6. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/exec/job.h"
#include "harness/exec/supervise.h"

static const char usage[] =
    "usage: cairn-job --dir DIR --token TOKEN --attempt N [options] -- COMMAND [ARGUMENT...]\n"
    "\n"
    "Run one training in DIR: own session, a lock on the folder, limits, output kept in "
    "DIR/stdout.log, and at\n"
    "the end DIR/exit.json, which says how it ended.\n"
    "\n"
    "  --dir DIR         the run folder; exists\n"
    "  --token TOKEN     names the job; repeated in job.json and exit.json\n"
    "  --attempt N       1, 2, ...; an attempt the folder has seen already is refused\n"
    "  --deadline S      seconds until SIGTERM, then grace, then SIGKILL (default: none)\n"
    "  --grace S         seconds between SIGTERM and SIGKILL (default: 10)\n"
    "  --memory-mib M    address space of each process of the job (default: no limit)\n"
    "  --cpus 0,1        processors the job may use (default: all of ours)\n"
    "  --help            this text\n"
    "\n"
    "SIGTERM, SIGINT or SIGHUP cancels the job (a second one skips the grace).\n"
    "Exit codes: 0 the job ended, exit.json says how; 2 wrong options; 75 the folder has a job "
    "or has seen this\n"
    "attempt; 4 memory or disk; 1 anything else.\n";

enum {
    OPT_DIR = 1,
    OPT_TOKEN,
    OPT_ATTEMPT,
    OPT_DEADLINE,
    OPT_GRACE,
    OPT_MEMORY,
    OPT_CPUS,
    OPT_HELP
};

static const struct option options[] = {
    {"dir", required_argument, NULL, OPT_DIR},
    {"token", required_argument, NULL, OPT_TOKEN},
    {"attempt", required_argument, NULL, OPT_ATTEMPT},
    {"deadline", required_argument, NULL, OPT_DEADLINE},
    {"grace", required_argument, NULL, OPT_GRACE},
    {"memory-mib", required_argument, NULL, OPT_MEMORY},
    {"cpus", required_argument, NULL, OPT_CPUS},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0},
};

static cn_status want_int(const char *name, const char *text, int64_t min, int64_t *out,
                          struct cn_err *err)
{
    if (!cn_text_parse_int64(text, out) || *out < min)
        return cn_err_set(err, CN_EINPUT, "%s %s: expected a whole number of at least %lld",
                          name, text, (long long)min);
    return CN_OK;
}

static cn_status want_seconds(const char *name, const char *text, double *out,
                              struct cn_err *err)
{
    if (!cn_text_parse_double(text, out) || !(*out >= 0 && *out <= 1e9))
        return cn_err_set(err, CN_EINPUT, "%s %s: expected seconds between 0 and 1e9", name,
                          text);
    return CN_OK;
}

static cn_status take_option(int c, const char *arg, struct cn_supervise_opts *o,
                             struct cn_err *err)
{
    switch (c) {
    case OPT_DIR:
        o->dir = arg;
        return CN_OK;
    case OPT_TOKEN:
        o->token = arg;
        return CN_OK;
    case OPT_CPUS:
        o->cpus = arg;
        return CN_OK;
    case OPT_ATTEMPT:
        return want_int("--attempt", arg, 1, &o->attempt, err);
    case OPT_MEMORY:
        return want_int("--memory-mib", arg, 0, &o->memory_mib, err);
    case OPT_DEADLINE:
        return want_seconds("--deadline", arg, &o->deadline_s, err);
    case OPT_GRACE:
        return want_seconds("--grace", arg, &o->grace_s, err);
    default:
        /* getopt has named the option. */
        return cn_err_set(err, CN_EINPUT, "see cairn-job --help");
    }
}

static cn_status check_opts(const struct cn_supervise_opts *o, struct cn_err *err)
{
    if (!o->dir || !o->token || o->attempt < 1)
        return cn_err_set(err, CN_EINPUT,
                          "--dir, --token and --attempt are needed; see cairn-job --help");
    if (!o->token[0] || strlen(o->token) >= CN_JOB_TOKEN_TEXT)
        return cn_err_set(err, CN_EINPUT, "--token %s: expected 1 to %d characters", o->token,
                          CN_JOB_TOKEN_TEXT - 1);
    if (!cn_file_is_dir(o->dir))
        return cn_err_set(err, CN_ENOTFOUND, "--dir %s: no such folder", o->dir);
    if (!o->argv[0])
        return cn_err_set(err, CN_EINPUT, "a command is needed after --; see cairn-job --help");
    return CN_OK;
}

/* cairn-job --become DIR SUPERVISOR MEMORY CPUS PROGRAM ARGUMENT... : ourselves, second
 * stage. */
static int become(char **argv, struct cn_err *err)
{
    int64_t supervisor, memory;

    if (!cn_text_parse_int64(argv[3], &supervisor) || !cn_text_parse_int64(argv[4], &memory))
        (void)cn_err_set(err, CN_EINPUT, "--become is cairn-job's own; see --help");
    else
        (void)cn_supervise_become(argv[2], (pid_t)supervisor, memory, argv[5], argv + 6, err);
    (void)cn_err_print(stderr, "cairn-job", err);
    return 126;
}

int main(int argc, char **argv)
{
    struct cn_supervise_opts o = CN_SUPERVISE_OPTS_INIT;
    struct cn_err err = CN_ERR_INIT;
    cn_status st = CN_OK;
    char *dir = NULL; /* owned */
    int c;

    if (argc >= 7 && strcmp(argv[1], "--become") == 0)
        return become(argv, &err);
    while (st == CN_OK && (c = getopt_long(argc, argv, "+", options, NULL)) != -1) {
        if (c == OPT_HELP)
            return fputs(usage, stdout) < 0;
        st = take_option(c, optarg, &o, &err);
    }
    o.argv = (const char *const *)(argv + optind);
    if (st == CN_OK)
        st = check_opts(&o, &err);
    if (st == CN_OK && !(dir = cn_file_absolute(o.dir)))
        st = cn_err_set(&err, CN_ENOMEM, "no memory");
    if (st == CN_OK) {
        o.dir = dir;
        st = cn_supervise(&o, &err);
    }
    cn_free(dir);
    if (st == CN_OK)
        return 0;
    (void)cn_err_print(stderr, "cairn-job", &err);
    return st == CN_ELOCKED ? CN_JOB_EXIT_LOCKED : cn_status_exit_code(st);
}
