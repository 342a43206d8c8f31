/* cairn-train: config in, run folder out (docs/TRAINER_CONTRACT.md). This file reads the
 * command line. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/text.h"
#include "trainer/run/import.h"
#include "trainer/run/verbs.h"

enum { MAX_OVERRIDES = 256 };

static const char usage[] =
    "cairn-train trains one configuration and leaves everything in one folder.\n"
    "\n"
    "  cairn-train run      --config C --out DIR [--resume] [--a.b value ...]   generate, "
    "train, evaluate, plot\n"
    "  cairn-train generate --config C [--out DIR] [--a.b value ...]            only make the "
    "data set\n"
    "  cairn-train evaluate --out DIR [--config C]                              measure a "
    "trained model again\n"
    "  cairn-train plot     --out DIR [--config C]                              draw its "
    "figures again\n"
    "  cairn-train check    --config C [--a.b value ...]                        say what is "
    "wrong with it, make nothing\n"
    "  cairn-train describe STUDY                                               parameters, "
    "metrics, figures as JSON\n"
    "  cairn-train import flyvis FILE --params FILE --out DIR                   the published "
    "connectome, for configs\n"
    "\n"
    "Examples:\n"
    "  cairn-train run --config configs/fly/demo.yaml --out runs/demo\n"
    "  cairn-train run --config configs/fly/demo.yaml --out runs/demo --resume\n"
    "  cairn-train run --config configs/fly/demo.yaml --out runs/fast_W --training.lr_W "
    "2.0e-3\n"
    "  cairn-train generate --config configs/fly/demo.yaml --simulation.n_frames 8000\n"
    "  cairn-train evaluate --out runs/demo\n"
    "  cairn-train plot --out runs/demo\n"
    "  cairn-train describe fly\n"
    "  cairn-train import flyvis fib25-fib19_v2.2.json --params flow_0000_000.json --out "
    "runs/connectomes/flyvis\n"
    "\n"
    "Environment: CAIRN_THREADS (processors granted), CAIRN_CACHE (folder for data sets, "
    "default runs/data),\n"
    "CAIRN_CACHE_GIB (its size limit, default 32, 0 = none).\n"
    "Exit codes: 0 done, 2 bad config or command line, 3 diverged, 4 out of memory or disk, 5 "
    "stopped by SIGTERM\n"
    "with a checkpoint, 1 anything else.\n";

static void on_stop(int sig)
{
    (void)sig;
    cn_trainer_stop = 1;
}

static void catch_stop(void)
{
    struct sigaction a;

    memset(&a, 0, sizeof a);
    a.sa_handler = on_stop;
    (void)sigaction(SIGTERM, &a, NULL);
    a.sa_flags = SA_RESETHAND; /* a second Ctrl-C ends it at once */
    (void)sigaction(SIGINT, &a, NULL);
}

static int wrong(const char *words, const char *what)
{
    (void)fprintf(stderr, "cairn-train: %s \"%s\"; see cairn-train --help\n", words, what);
    return 2;
}

static int describe(int argc, char **argv)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_buf b;
    cn_status st;

    if (argc != 3)
        return wrong("expected one study, for example fly, after", "describe");
    cn_buf_init(&b, CN_CAP_TEXT);
    st = cn_trainer_describe(argv[2], &b, &err);
    if (st == CN_OK)
        (void)fputs(cn_buf_str(&b), stdout);
    cn_buf_clear(&b);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn-train", &err);
}

/* "--name value" into the call; returns an exit code, 0 = fine. */
static int read_options(int argc, char **argv, struct cn_trainer_call *c,
                        struct cn_trainer_override *overrides)
{
    for (int k = 2; k < argc; k++) {
        const char *name = argv[k], *value = k + 1 < argc ? argv[k + 1] : NULL;

        if (!cn_text_starts(name, "--"))
            return wrong("unexpected word", name);
        if (strcmp(name, "--resume") == 0) {
            c->resume = true;
            continue;
        }
        if (!value)
            return wrong("expected a value after", name);
        k++;
        if (strcmp(name, "--config") == 0)
            c->config = value;
        else if (strcmp(name, "--out") == 0)
            c->out = value;
        else if (!strchr(name, '.'))
            return wrong("unknown option", name);
        else if (c->n_overrides == MAX_OVERRIDES)
            return wrong("more than 256 settings, at", name);
        else
            overrides[c->n_overrides++] = (struct cn_trainer_override){name + 2, value};
    }
    return 0;
}

static int check_options(const struct cn_trainer_call *c, const char *verb)
{
    bool needs_config = c->verb == CN_TRAINER_RUN || c->verb == CN_TRAINER_GENERATE ||
                        c->verb == CN_TRAINER_CHECK;
    bool needs_out = c->verb != CN_TRAINER_GENERATE && c->verb != CN_TRAINER_CHECK;

    if (c->resume && c->verb != CN_TRAINER_RUN)
        return wrong("--resume goes with run, not with", verb);
    if (needs_config && !c->config)
        return wrong("expected --config C after", verb);
    if (needs_out && !c->out)
        return wrong("expected --out DIR after", verb);
    return 0;
}

static int run_verb(cn_trainer_verb verb, int argc, char **argv)
{
    struct cn_trainer_override overrides[MAX_OVERRIDES];
    struct cn_trainer_call c = {.verb = verb, .overrides = overrides};
    struct cn_err err = CN_ERR_INIT;
    int code = read_options(argc, argv, &c, overrides);

    if (code == 0)
        code = check_options(&c, argv[1]);
    if (code != 0)
        return code;
    catch_stop();
    if (cn_trainer_call_run(&c, &err) != CN_OK)
        return cn_err_print(stderr, "cairn-train", &err);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const verbs[] = {"generate", "run",      "evaluate", "plot",
                                        "check",    "describe", "import"};
    int near;

    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0) {
        (void)fputs(usage, argc < 2 ? stderr : stdout);
        return argc < 2 ? 2 : 0;
    }
    for (int k = 2; k < argc; k++)
        if (strcmp(argv[k], "--help") == 0) {
            (void)fputs(usage, stdout);
            return 0;
        }
    for (int k = 0; k < 5; k++)
        if (strcmp(argv[1], verbs[k]) == 0)
            return run_verb((cn_trainer_verb)k, argc, argv);
    if (strcmp(argv[1], "describe") == 0)
        return describe(argc, argv);
    if (strcmp(argv[1], "import") == 0)
        return cn_trainer_import(argc, argv);
    near = cn_text_nearest(argv[1], verbs, 7);
    (void)fprintf(stderr, "cairn-train: unknown verb \"%s\"%s%s; see cairn-train --help\n",
                  argv[1], near >= 0 ? ", did you mean " : "", near >= 0 ? verbs[near] : "");
    return 2;
}
