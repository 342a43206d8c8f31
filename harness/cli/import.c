/* cairn import: bring what others made into the workspace: logs of a Python run, an exported
 * record, the published connectome. */
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "harness/cli/forward.h"
#include "harness/cli/paths.h"
#include "harness/cli/verbs.h"
#include "harness/loop/adopt.h"

/* -- flyvis -- */

static cn_status import_flyvis(const struct cn_cli_args *args, int *out_rc, struct cn_err *err)
{
    const char *out = cn_cli_value(args, "out"), *params = cn_cli_value(args, "params");

    if (!params)
        return cn_err_set(
            err, CN_EINPUT,
            "import: --params FILE is missing (the five parameter arrays as JSON)");
    if (args->n_positional != 2)
        return cn_err_set(err, CN_EINPUT, "import flyvis: one FILE, not %d",
                          args->n_positional - 1);
    const char *argv[] = {"import",
                          "flyvis",
                          args->positional[1],
                          "--params",
                          params,
                          "--out",
                          out ? out : "runs/connectomes/flyvis",
                          NULL};
    *out_rc = cn_cli_forward(argv);
    return CN_OK;
}

/* -- what was found, for people and for scripts -- */

static void count_kinds(const struct cn_read_log *log, int64_t counts[CN_READ_KINDS])
{
    memset(counts, 0, CN_READ_KINDS * sizeof counts[0]);
    for (int64_t i = 0; i < log->n_warnings; i++)
        counts[log->warnings[i].kind]++;
}

static void say(const struct cn_adopted *a, const char *dir, bool dry)
{
    const struct cn_history *h = &a->log.history;
    int64_t counts[CN_READ_KINDS];

    for (int64_t i = 0; i < a->log.n_warnings; i++) {
        const struct cn_read_warning *w = &a->log.warnings[i];
        fprintf(stderr, "%s", w->file);
        if (w->line)
            fprintf(stderr, ":%lld", (long long)w->line);
        fprintf(stderr, "%s%s: %s\n", *w->file ? ": " : "", cn_read_warning_name(w->kind),
                w->text);
    }
    count_kinds(&a->log, counts);
    printf("%s%s: %lld iterations, %lld nodes, %lld blocks of %lld; the next one is %lld\n",
           dry ? "would make " : "", dir, (long long)h->n_iterations, (long long)h->n_nodes,
           (long long)h->n_blocks, (long long)h->info.n_iter_block, (long long)a->next);
    printf("  reward %s; configs of %lld nodes from snapshots; protocol %s; memory %s\n",
           h->info.reward, (long long)a->n_snapshots, a->their_protocol ? "theirs" : "as given",
           a->memory ? "taken over" : "none");
    if (a->n_scores)
        printf("  scores: %lld of %lld rows agree%s%s\n",
               (long long)(a->n_scores - a->n_scores_differ), (long long)a->n_scores,
               *a->score_kind ? ", computed with " : "", a->score_kind);
    printf("  %lld warnings%s", (long long)a->log.n_warnings, a->log.n_warnings ? ":" : "");
    for (int k = 0; k < CN_READ_KINDS; k++)
        if (counts[k])
            printf(" %s %lld", cn_read_warning_name((cn_read_warning_kind)k),
                   (long long)counts[k]);
    putchar('\n');
    if (!dry)
        printf("  go on with  cairn resume %s --iterations N   (N counts the %lld that are "
               "there)\n",
               dir, (long long)h->n_iterations);
}

static void put_warnings_json(struct cn_json_writer *w, const struct cn_read_log *log)
{
    int64_t counts[CN_READ_KINDS];

    count_kinds(log, counts);
    cn_json_open(w, "warning_kinds", '{');
    for (int k = 0; k < CN_READ_KINDS; k++)
        if (counts[k])
            cn_json_add_int(w, cn_read_warning_name((cn_read_warning_kind)k), counts[k]);
    cn_json_close(w);
    cn_json_open(w, "warnings", '[');
    for (int64_t i = 0; i < log->n_warnings; i++) {
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "kind", cn_read_warning_name(log->warnings[i].kind));
        cn_json_add_string(w, "file", log->warnings[i].file);
        cn_json_add_int(w, "line", log->warnings[i].line);
        cn_json_add_int(w, "iteration", log->warnings[i].iteration);
        cn_json_add_string(w, "text", log->warnings[i].text);
        cn_json_close(w);
    }
    cn_json_close(w);
}

static cn_status say_json(const struct cn_adopted *a, const char *dir, bool dry,
                          struct cn_err *err)
{
    const struct cn_history *h = &a->log.history;
    struct cn_buf b;
    struct cn_json_writer w;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_json_begin(&w, &b, 2);
    cn_json_open(&w, NULL, '{');
    cn_json_add_string(&w, "run", dir);
    cn_json_add_bool(&w, "dry_run", dry);
    cn_json_add_int(&w, "iterations", h->n_iterations);
    cn_json_add_int(&w, "nodes", h->n_nodes);
    cn_json_add_int(&w, "blocks", h->n_blocks);
    cn_json_add_int(&w, "n_iter_block", h->info.n_iter_block);
    cn_json_add_int(&w, "next", a->next);
    cn_json_add_string(&w, "reward", h->info.reward);
    cn_json_add_int(&w, "snapshots", a->n_snapshots);
    cn_json_add_bool(&w, "their_protocol", a->their_protocol);
    cn_json_add_bool(&w, "memory", a->memory);
    cn_json_add_string(&w, "score_kind", a->score_kind);
    cn_json_add_int(&w, "scores", a->n_scores);
    cn_json_add_int(&w, "scores_differ", a->n_scores_differ);
    put_warnings_json(&w, &a->log);
    cn_json_close(&w);
    const cn_status st = cn_buf_status(&b);
    if (st == CN_OK)
        puts(cn_buf_str(&b));
    cn_buf_clear(&b);
    return st == CN_OK ? st : cn_err_set(err, st, "the answer is too large for JSON");
}

/* -- logs -- */

/* <runs>/NAME; without a name, what the log is called. */
static char *run_dir(const struct cn_cli_args *args)
{
    const char *name = cn_cli_value(args, "name"), *runs = cn_cli_value(args, "runs");
    const char *first = args->positional[1];
    size_t n = strlen(first);
    char *path, *stem, *out;

    if (name)
        return strchr(name, '/') ? cn_strdup(name) : cn_file_join(runs ? runs : "runs", name);
    while (n > 1 && first[n - 1] == '/')
        n--;
    path = cn_strndup(first, n);
    stem = path ? cn_cli_stem(path) : NULL;
    out = stem ? cn_cli_fresh_dir(runs, stem) : NULL;
    cn_free(stem);
    cn_free(path);
    return out;
}

static cn_status read_options(const struct cn_cli_args *args, struct cn_adopt_opts *o,
                              struct cn_err *err)
{
    const char *multi = cn_cli_value(args, "multi");

    o->paths = &args->positional[1];
    o->n_paths = args->n_positional - 1;
    o->config = cn_cli_value(args, "config");
    o->protocol = cn_cli_value(args, "protocol");
    o->reward = cn_cli_value(args, "reward");
    o->dry = cn_cli_flag(args, "dry-run");
    if (!o->config)
        return cn_err_set(
            err, CN_EINPUT,
            "import logs: --config FILE is missing (the base config; it names the "
            "trainer that goes on)");
    if (multi && !cn_read_multi_parse(multi, &o->multi))
        return cn_err_set(err, CN_EINPUT,
                          "import: --multi wants mean, min, max, first or last, found '%s'",
                          multi);
    return cn_cli_int(args, "block-size", 1, 100000, 0, &o->n_iter_block, err);
}

static cn_status import_logs(const struct cn_cli_args *args, int *out_rc, struct cn_err *err)
{
    struct cn_run_override overrides[CN_CLI_OVERRIDES];
    struct cn_adopt_opts o = CN_ADOPT_OPTS_INIT;
    struct cn_adopted a;
    char *dir = run_dir(args);
    cn_status st = dir ? read_options(args, &o, err) : cn_err_set(err, CN_ENOMEM, "no memory");

    for (int i = 0; i < args->n_overrides; i++)
        overrides[i] =
            (struct cn_run_override){args->override[i].path, args->override[i].value};
    o.overrides = overrides;
    o.n_overrides = args->n_overrides;
    o.dir = dir;
    memset(&a, 0, sizeof a);
    if (st == CN_OK)
        st = cn_adopt_logs(&o, &a, err);
    if (st == CN_OK && cn_cli_flag(args, "json"))
        st = say_json(&a, dir, o.dry, err);
    else if (st == CN_OK)
        say(&a, dir, o.dry);
    cn_adopted_clear(&a);
    cn_free(dir);
    *out_rc = 0;
    return st;
}

/* -- store -- */

static cn_status import_store(const struct cn_cli_args *args, int *out_rc, struct cn_err *err)
{
    const char *config_dir = cn_cli_value(args, "config-dir");
    struct cn_adopted_store a;
    char *dir = run_dir(args);
    cn_status st = dir ? CN_OK : cn_err_set(err, CN_ENOMEM, "no memory");

    if (st == CN_OK && args->n_positional != 2)
        st = cn_err_set(err, CN_EINPUT, "import store: one FILE, not %d",
                        args->n_positional - 1);
    if (st == CN_OK)
        st = cn_adopt_store(args->positional[1], dir, config_dir ? config_dir : ".", &a, err);
    if (st == CN_OK && cn_cli_flag(args, "json"))
        printf("{\"run\": \"%s\", \"iterations\": %lld, \"nodes\": %lld, \"blocks\": %lld}\n",
               dir, (long long)a.iterations, (long long)a.nodes, (long long)a.blocks);
    else if (st == CN_OK)
        printf("%s: %lld iterations, %lld nodes, %lld blocks\n", dir, (long long)a.iterations,
               (long long)a.nodes, (long long)a.blocks);
    cn_free(dir);
    *out_rc = 0;
    return st;
}

/* -- the verb -- */

/* Options that a kind knows; the others are refused. */
static const struct {
    const char *name;
    cn_status (*run)(const struct cn_cli_args *args, int *out_rc, struct cn_err *err);
    const char *options; /* between spaces */
} kinds[] = {
    {"logs", import_logs, " config protocol name reward block-size multi dry-run json runs "},
    {"store", import_store, " name json runs config-dir "},
    {"flyvis", import_flyvis, " params out "},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static cn_status refuse_options(const struct cn_cli_args *args, int kind, struct cn_err *err)
{
    char word[64];

    for (int i = 0; i < args->verb->n_options; i++) {
        cn_text_format(word, sizeof word, " %s ", args->verb->options[i].name);
        if (args->value[i] && !strstr(kinds[kind].options, word))
            return cn_err_set(err, CN_EINPUT, "import %s takes no --%s", kinds[kind].name,
                              args->verb->options[i].name);
    }
    if (kind != 0 && args->n_overrides)
        return cn_err_set(err, CN_EINPUT, "import %s takes no --%s", kinds[kind].name,
                          args->override[0].path);
    return CN_OK;
}

static int run_import(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    const char *names[N_KINDS];
    int rc = 0;
    cn_status st;

    for (int i = 0; i < N_KINDS; i++) {
        names[i] = kinds[i].name;
        if (strcmp(args->positional[0], kinds[i].name) != 0)
            continue;
        st = refuse_options(args, i, &err);
        if (st == CN_OK)
            st = kinds[i].run(args, &rc, &err);
        return st == CN_OK ? rc : cn_err_print(stderr, "cairn", &err);
    }
    const int near = cn_text_nearest(args->positional[0], names, N_KINDS);
    (void)cn_err_set(&err, CN_EINPUT, "import: unknown kind '%s'; %s%s%s", args->positional[0],
                     near >= 0 ? "did you mean '" : "known: logs, store, flyvis",
                     near >= 0 ? names[near] : "", near >= 0 ? "'?" : "");
    return cn_err_print(stderr, "cairn", &err);
}

static const struct cn_cli_option import_options[] = {
    {"config", "FILE", "logs: the base config (YAML), which names the trainer that goes on"},
    {"protocol", "FILE", "logs: the protocol in force; without it theirs, when it is one"},
    {"name", "RUN", "name of the new run (default: what the log is called)"},
    {"reward", "METRIC", "logs: the reward metric (default: the protocol's)"},
    {"block-size", "N", "logs: iterations of a block (default: as the log says)"},
    {"multi", "RULE", "logs: several values in one entry: mean, min, max, first, last"},
    {"dry-run", NULL, "logs: read and check everything, make nothing"},
    {"json", NULL, "for scripts"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
    {"config-dir", "DIR", "store: what relative paths in its config are relative to"},
    {"params", "FILE", "flyvis: the parameters of the pretrained model, as JSON"},
    {"out", "DIR", "flyvis: where to put it (default: runs/connectomes/flyvis)"},
};

const struct cn_cli_verb cn_verb_import = {
    "import",
    "logs PATH... --config FILE [--protocol FILE] | store FILE | flyvis FILE --params FILE",
    "make a run from the logs of a Python run, or from an export; import the connectome",
    "logs: PATH is a folder of a Python run (or single files of it): *_analysis.md, "
    "*_memory.md, "
    "*ucb_scores.txt,\n"
    "config/iter_NNN_slot_SS.yaml, protocol/, memory/. Makes a new run that `cairn resume` "
    "goes "
    "on with. Every ambiguous\n"
    "line is a warning with file and line, printed, counted, and kept in "
    "import_warnings.txt (docs/RECORDS.md).\n"
    "store: FILE is what `cairn export RUN --format jsonl` wrote: the same record as a new "
    "run.\n"
    "flyvis: afterwards a config names it: simulation.connectome: runs/connectomes/flyvis",
    "cairn import logs log/LLM_fly_N9 --config configs/fly/two_stage.yaml --protocol "
    "protocols/fly_demo.md --name fly_N9",
    import_options,
    sizeof import_options / sizeof *import_options,
    2,
    CN_CLI_POSITIONALS,
    true,
    run_import};
