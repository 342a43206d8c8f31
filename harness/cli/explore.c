/* cairn demo, explore, resume: make or open a run and drive it to its end. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/text.h"
#include "harness/cli/paths.h"
#include "harness/cli/verbs.h"
#include "harness/loop/run.h"

enum { MAX_SETTINGS = CN_CLI_OVERRIDES + 16 };

/* Options that are spelt shortly on the command line, and the setting each one is. */
static const struct {
    const char *option, *setting;
} short_settings[] = {
    {"iterations", "explore.iterations"}, {"slots", "explore.n_parallel"},
    {"proposer", "explore.proposer"},     {"hours", "explore.max_hours"},
    {"target", "explore.target"},         {"llm", "explore.llm"},
};

static const struct cn_cli_option explore_options[] = {
    {"config", "FILE", "the base config (default: the protocol's name with .yaml)"},
    {"iterations", "N", "how many trainings"},
    {"slots", "K", "how many at the same time"},
    {"proposer", "NAME", "embedded, tpe, sobol, random, llm or hybrid"},
    {"llm", "MODEL",
     "who proposes: anthropic:NAME, openai:NAME, http://host:port#NAME, command:'prog' "
     "(docs/LLM.md)"},
    {"hours", "H", "stop submitting after H hours of wall-clock"},
    {"target", "R", "stop when the best pooled reward reaches R"},
    {"name", "RUN", "name of the run (default: the protocol's name, numbered)"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
    {"dry-run", NULL, "check protocol, config and trainer; make nothing"},
};
static const struct cn_cli_option resume_options[] = {
    {"iterations", "N", "raise or lower the number of trainings"},
    {"slots", "K", "how many at the same time"},
    {"proposer", "NAME", "embedded, tpe, sobol, random, llm or hybrid"},
    {"llm", "MODEL",
     "who proposes: anthropic:NAME, openai:NAME, http://host:port#NAME, command:'prog' "
     "(docs/LLM.md)"},
    {"hours", "H", "stop submitting after H hours of wall-clock"},
    {"target", "R", "stop when the best pooled reward reaches R"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
};
static const struct cn_cli_option demo_options[] = {
    {"iterations", "N", "how many trainings (default: 12, two blocks of six)"},
    {"slots", "K", "how many at the same time (default: 2)"},
    {"proposer", "NAME", "embedded, tpe, sobol, random, llm or hybrid"},
    {"llm", "MODEL",
     "who proposes: anthropic:NAME, openai:NAME, http://host:port#NAME, command:'prog' "
     "(docs/LLM.md)"},
    {"hours", "H", "stop submitting after H hours of wall-clock"},
    {"target", "R", "stop when the best pooled reward reaches R"},
    {"name", "RUN", "name of the run (default: demo, numbered)"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
};

static struct cn_run *running; /* for the signal handler */
static volatile sig_atomic_t interrupts;

static void on_interrupt(int sig)
{
    (void)sig;
    if (interrupts < 2)
        interrupts++;
    if (running)
        cn_run_request_stop(running, interrupts);
}

/* The bar is made when the loop first says how much there is to do. */
struct view {
    struct cn_progress *bar; /* owned; NULL before that */
};

static void say_line(void *ctx, const char *line)
{
    struct view *v = ctx;

    if (v->bar)
        cn_progress_say(v->bar, line);
    else
        (void)fprintf(stderr, "%s\n", line);
}

static void show_progress(void *ctx, int64_t done, int64_t total, const char *note)
{
    struct view *v = ctx;

    if (!v->bar)
        v->bar = cn_progress_new("exploring", total);
    cn_progress_step(v->bar, done, note);
}

/* The lines people go on with: where everything is. */
static void print_places(const char *dir)
{
    static const struct {
        const char *what, *name;
    } fixed[] = {{"tree", "tree.png"}, {"report", "report.md"}};
    char *stem = cn_cli_stem(dir);

    printf("  log     %s/%s_analysis.md\n  memory  %s/%s_memory.md\n", dir, stem ? stem : "",
           dir, stem ? stem : "");
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        char *path = cn_file_join(dir, fixed[i].name);
        if (path && cn_file_exists(path))
            printf("  %-7s %s\n", fixed[i].what, path);
        cn_free(path);
    }
    cn_free(stem);
}

static void print_end(const char *dir, cn_run_end end)
{
    struct cn_run_status s;

    if (cn_run_status(dir, &s, NULL) == CN_OK) {
        printf("\n%s: %s; %lld of %lld iterations.\n", s.name, cn_run_end_text(end),
               (long long)s.committed, (long long)s.total);
        if (s.best_node > 0)
            cn_cli_print_best("best: ", &s);
    } else {
        printf("\n%s: %s\n", dir, cn_run_end_text(end));
    }
    print_places(dir);
    if (end == CN_RUN_END_STOPPED || end == CN_RUN_END_TIME || end == CN_RUN_END_FAILED)
        printf("go on with: cairn resume %s\n", dir);
}

/* Open the run folder and explore until a stop rule fires. */
static int drive(const char *dir, const struct cn_run_override *settings, int n_settings)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_run_explore_opts o = CN_RUN_EXPLORE_OPTS_INIT;
    struct view view = {NULL};
    struct sigaction act = {.sa_handler = on_interrupt};
    cn_run_end end = CN_RUN_END_FAILED;
    struct cn_run *run = NULL;

    if (cn_run_open(dir, settings, n_settings, &run, &err) != CN_OK)
        return cn_err_print(stderr, "cairn", &err);
    running = run;
    sigemptyset(&act.sa_mask);
    sigaction(SIGINT, &act, NULL);
    sigaction(SIGTERM, &act, NULL);
    o.say = say_line;
    o.progress = show_progress;
    o.ctx = &view;
    const cn_status st = cn_run_explore(run, &o, &end, &err);
    cn_progress_free(view.bar);
    running = NULL;
    cn_run_close(run);
    fflush(stderr);
    if (st != CN_OK) {
        const int rc = cn_err_print(stderr, "cairn", &err);
        printf("nothing is lost; go on with: cairn resume %s\n", dir);
        return rc;
    }
    print_end(dir, end);
    return end == CN_RUN_END_STOPPED ? cn_status_exit_code(CN_ESTOPPED) : 0;
}

static int collect_settings(const struct cn_cli_args *args, struct cn_run_override *out)
{
    int n = 0;

    for (int k = 0; k < args->n_overrides; k++)
        out[n++] = (struct cn_run_override){args->override[k].path, args->override[k].value};
    for (size_t k = 0; k < sizeof short_settings / sizeof *short_settings; k++) {
        const char *value = cn_cli_value(args, short_settings[k].option);
        if (value)
            out[n++] = (struct cn_run_override){short_settings[k].setting, value};
    }
    CN_ASSERT(n <= MAX_SETTINGS);
    return n;
}

/* Where the run will live: <runs>/<--name>, or a fresh folder named after `stem`. Allocated. */
static cn_status choose_dir(const struct cn_cli_args *args, const char *stem, char **out,
                            struct cn_err *err)
{
    const char *name = cn_cli_value(args, "name");
    const char *runs = cn_cli_value(args, "runs");

    *out = NULL;
    if (name && strchr(name, '/'))
        return cn_err_set(
            err, CN_EINPUT,
            "--name wants a name without '/', found '%s'; --runs names the folder", name);
    *out = name ? cn_file_join(runs ? runs : "runs", name) : cn_cli_fresh_dir(runs, stem);
    return *out ? CN_OK : cn_err_set(err, CN_ENOMEM, "no memory for a path");
}

/* Make the run and drive it. */
static int create_and_drive(const struct cn_cli_args *args, const char *protocol,
                            const char *config, bool dry, const char *stem)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_run_create_opts co = CN_RUN_CREATE_OPTS_INIT;
    struct cn_run_override settings[MAX_SETTINGS];
    char *dir = NULL;
    int rc = 0;

    cn_status st = choose_dir(args, stem, &dir, &err);
    co.protocol = protocol;
    co.config = config;
    co.dry = dry;
    co.dir = dir;
    co.overrides = settings;
    co.n_overrides = collect_settings(args, settings);
    if (st == CN_OK)
        st = cn_run_create(&co, &err);
    if (st != CN_OK) {
        rc = cn_err_print(stderr, "cairn", &err);
    } else if (dry) {
        printf("protocol, config and trainer are in order; would run in %s\n", dir);
    } else {
        printf("run folder: %s\n", dir);
        (void)fflush(stdout);
        rc = drive(dir, NULL, 0);
    }
    cn_free(dir);
    return rc;
}

/* The YAML file beside a protocol: same name, other ending. Allocated; NULL: no memory. */
static char *sibling_config(const char *protocol)
{
    const char *dot = strrchr(protocol, '.');
    const char *slash = strrchr(protocol, '/');
    const size_t n =
        dot && (!slash || dot > slash) ? (size_t)(dot - protocol) : strlen(protocol);
    char *out = cn_alloc(n + sizeof ".yaml", 1);

    if (out)
        cn_text_format(out, n + sizeof ".yaml", "%.*s.yaml", (int)n, protocol);
    return out;
}

static int run_explore(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    const char *protocol = args->positional[0], *config = cn_cli_value(args, "config");
    char *stem = cn_cli_stem(protocol);
    char *sibling = config ? NULL : sibling_config(protocol);
    int rc;

    if (!config && sibling && cn_file_exists(sibling))
        config = sibling;
    if (!stem || (!config && !sibling))
        rc = ((void)cn_err_set(&err, CN_ENOMEM, "no memory for a path"),
              cn_err_print(stderr, "cairn", &err));
    else if (!config)
        rc = ((void)cn_err_set(
                  &err, CN_EINPUT,
                  "explore: --config is missing, and there is no %s beside the protocol",
                  sibling),
              cn_err_print(stderr, "cairn", &err));
    else
        rc = create_and_drive(args, protocol, config, cn_cli_flag(args, "dry-run"), stem);
    cn_free(sibling);
    cn_free(stem);
    return rc;
}

static int run_demo(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    char *protocol = NULL, *config = NULL;
    int rc;

    if (cn_cli_asset("protocols/fly_demo.md", &protocol, &err) != CN_OK ||
        cn_cli_asset("configs/fly/demo.yaml", &config, &err) != CN_OK) {
        rc = cn_err_print(stderr, "cairn", &err);
    } else {
        printf("cairn explores how to train a graph neural network that recovers the wiring of "
               "a small fly visual system from\n"
               "simulated voltages: two blocks of six trainings, two at a time, chosen by the "
               "embedded proposer. No network,\n"
               "no key, no GPU; a few minutes on two cores. Ctrl-C once finishes the books; "
               "`cairn resume` goes on.\n\n");
        (void)fflush(stdout);
        rc = create_and_drive(args, protocol, config, false, "demo");
    }
    cn_free(protocol);
    cn_free(config);
    return rc;
}

static int run_resume(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_run_override settings[MAX_SETTINGS];
    char *dir;

    if (cn_cli_run_dir(args->positional[0], cn_cli_value(args, "runs"), 1, &dir, &err) != CN_OK)
        return cn_err_print(stderr, "cairn", &err);
    const int rc = drive(dir, settings, collect_settings(args, settings));
    cn_free(dir);
    return rc;
}

const struct cn_cli_verb cn_verb_demo = {
    "demo",
    "[options]",
    "a whole exploration on embedded data, a few minutes",
    "Two blocks of six trainings of the FlyVis GNN on an embedded synthetic connectome.\n"
    "The run lands in runs/demo; read report.md first.",
    "cairn demo",
    demo_options,
    sizeof demo_options / sizeof *demo_options,
    0,
    0,
    true,
    run_demo};
const struct cn_cli_verb cn_verb_explore = {
    "explore",
    "PROTOCOL [--config FILE] [options]",
    "explore a training landscape by a protocol and a base config",
    "The protocol (Markdown) states the goal, the parameters with their ranges, the thresholds "
    "and the rules; the config (YAML)\n"
    "is the first node of the tree. Settings of the search stand in the config's section "
    "explore:; the command line wins.\n"
    "Ctrl-C once: finish what runs and the books, then leave. Twice: now. Nothing is lost "
    "either way.",
    "cairn explore protocols/fly_demo.md --config configs/fly/demo.yaml --iterations 24 "
    "--slots 2",
    explore_options,
    sizeof explore_options / sizeof *explore_options,
    1,
    1,
    true,
    run_explore};
const struct cn_cli_verb cn_verb_resume = {
    "resume",
    "RUN [options]",
    "go on with a run: after Ctrl-C, a crash, a power cut, or with more iterations",
    "RUN is a name below runs/ or a path. Jobs that still run are adopted; finished ones are "
    "collected.",
    "cairn resume demo --iterations 18",
    resume_options,
    sizeof resume_options / sizeof *resume_options,
    1,
    1,
    true,
    run_resume};
