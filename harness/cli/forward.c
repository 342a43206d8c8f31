#include "harness/cli/forward.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"
#include "harness/cli/paths.h"

enum { MAX_WORDS = 16 + 2 * CN_CLI_OVERRIDES };

static volatile sig_atomic_t child; /* the trainer, for the signal handler */

static void pass_on(int sig)
{
    const int keep = errno;

    (void)sig;
    if (child > 0)
        (void)kill((pid_t)child, SIGTERM);
    errno = keep;
}

static cn_status run_to_end(const char *const *argv, struct cn_proc_exit *end,
                            struct cn_err *err)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct sigaction act = {.sa_handler = pass_on}, old_int, old_term;
    pid_t pid = 0;

    o.argv = argv;
    o.new_session = true; /* the terminal's Ctrl-C reaches it through us, as SIGTERM */
    sigemptyset(&act.sa_mask);
    act.sa_flags = SA_RESTART;
    sigaction(SIGINT, &act, &old_int);
    sigaction(SIGTERM, &act, &old_term);
    cn_status st = cn_proc_spawn(&o, &pid, err);
    if (st == CN_OK) {
        child = (sig_atomic_t)pid;
        st = cn_proc_wait(pid, -1, end, err);
        child = 0;
    }
    sigaction(SIGINT, &old_int, NULL);
    sigaction(SIGTERM, &old_term, NULL);
    return st;
}

int cn_cli_forward(const char *const *argv)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_proc_exit end = {0};
    const char *words[MAX_WORDS];
    char *program = NULL;
    int n = 1;

    if (cn_cli_program("cairn-train", &program, &err) != CN_OK)
        return cn_err_print(stderr, "cairn", &err);
    words[0] = program;
    for (; argv[n - 1]; n++) {
        CN_ASSERT(n < MAX_WORDS - 1);
        words[n] = argv[n - 1];
    }
    words[n] = NULL;
    const cn_status st = run_to_end(words, &end, &err);
    cn_free(program);
    if (st != CN_OK)
        return cn_err_print(stderr, "cairn", &err);
    if (!end.exited) {
        fprintf(stderr, "cairn: cairn-train was ended by signal %d\n", end.signal);
        return 1;
    }
    return end.code;
}

/* The config and the folder a word names: a config file with --out or a fresh folder below
 * runs/, or a folder that holds config.yaml. Both allocated. */
static cn_status config_and_out(const struct cn_cli_args *args, char **config, char **out,
                                struct cn_err *err)
{
    const char *word = args->positional[0];
    const char *given = cn_cli_value(args, "out");

    *config = *out = NULL;
    if (cn_file_is_dir(word)) {
        *config = cn_file_join(word, "config.yaml");
        *out = cn_strdup(given ? given : word);
        if (*config && !cn_file_exists(*config))
            return cn_err_set(err, CN_ENOTFOUND, "%s: the folder holds no config.yaml", word);
    } else {
        char *stem = cn_cli_stem(word);
        if (!cn_file_exists(word)) {
            cn_free(stem);
            return cn_err_set(err, CN_ENOTFOUND, "%s: no such config file or run folder", word);
        }
        *config = cn_strdup(word);
        *out = given ? cn_strdup(given) : stem ? cn_cli_fresh_dir("runs", stem) : NULL;
        cn_free(stem);
    }
    return *config && *out ? CN_OK : cn_err_set(err, CN_ENOMEM, "no memory for a path");
}

int cn_cli_forward_config(const struct cn_cli_args *args, const char *trainer_verb)
{
    struct cn_err err = CN_ERR_INIT;
    const char *argv[MAX_WORDS];
    char dotted[CN_CLI_OVERRIDES][128];
    char *config, *out;
    int n = 0, rc;

    if (config_and_out(args, &config, &out, &err) != CN_OK) {
        rc = cn_err_print(stderr, "cairn", &err);
        goto done;
    }
    argv[n++] = trainer_verb;
    argv[n++] = "--config";
    argv[n++] = config;
    argv[n++] = "--out";
    argv[n++] = out;
    if (strcmp(trainer_verb, "run") == 0 && cn_cli_flag(args, "resume"))
        argv[n++] = "--resume";
    for (int k = 0; k < args->n_overrides; k++) {
        snprintf(dotted[k], sizeof dotted[k], "--%s", args->override[k].path);
        argv[n++] = dotted[k];
        argv[n++] = args->override[k].value;
    }
    argv[n] = NULL;
    fprintf(stderr, "cairn: %s -> %s\n", config, out);
    rc = cn_cli_forward(argv);
done:
    cn_free(config);
    cn_free(out);
    return rc;
}
