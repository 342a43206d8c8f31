/* cairn export: a record for other programs. */
#include "logs/export.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/cli/paths.h"
#include "harness/cli/verbs.h"
#include "harness/loop/rescore.h"
#include "logs/project.h"
#include "logs/store.h"

/* -- where it goes: standard output, or a file that is whole or not there -- */

struct sink {
    FILE *to;
    char *path, *part; /* owned; NULL: standard output. part: path with ".part" */
};

static cn_status sink_open(struct sink *k, const char *path, struct cn_err *err)
{
    const size_t room = path ? strlen(path) + sizeof ".part" : 0;

    memset(k, 0, sizeof *k);
    k->to = stdout;
    if (!path || strcmp(path, "-") == 0)
        return CN_OK;
    k->path = cn_strdup(path);
    k->part = cn_alloc(room, 1);
    if (!k->path || !k->part)
        return cn_err_set(err, CN_ENOMEM, "no memory for a path");
    cn_text_format(k->part, room, "%s.part", path);
    k->to = fopen(k->part, "wx");
    return k->to ? CN_OK
                 : cn_err_errno(err,
                                "%s: cannot write (an export that was broken off leaves "
                                "it; remove it then)",
                                k->part);
}

static cn_status sink_write(void *ctx, const char *bytes, size_t n, struct cn_err *err)
{
    struct sink *k = ctx;

    if (fwrite(bytes, 1, n, k->to) == n)
        return CN_OK;
    return cn_err_errno(err, "%s: cannot write", k->path ? k->part : "standard output");
}

static cn_status sink_close(struct sink *k, cn_status st, struct cn_err *err)
{
    if (!k->to) {
        cn_free(k->path);
        cn_free(k->part);
        return st;
    }
    if (fflush(k->to) != 0 && st == CN_OK)
        st = cn_err_errno(err, "%s: cannot write", k->path ? k->part : "standard output");
    if (k->path) {
        if (st == CN_OK && fsync(fileno(k->to)) != 0)
            st = cn_err_errno(err, "%s: cannot write", k->part);
        if (fclose(k->to) != 0 && st == CN_OK)
            st = cn_err_errno(err, "%s: cannot write", k->part);
        if (st == CN_OK && rename(k->part, k->path) != 0)
            st = cn_err_errno(err, "%s: cannot be renamed to %s", k->part, k->path);
        if (st != CN_OK)
            (void)unlink(k->part);
    }
    cn_free(k->path);
    cn_free(k->part);
    return st;
}

/* -- scores of every block -- */

static const char scores_note[] =
    "# cairn scores, format 1. A line: Node i: UCB, parent, visits, R2 (the reward), then "
    "those "
    "of stimuli_R2, tau_R2,\n"
    "# V_rest_R2, Pearson, Cluster, Time, final_R2, best_R2, R2drop, Loss that are known, "
    "Mutation last; blocks count from 1.\n\n";

static cn_status export_scores(struct cn_store *s, struct sink *k, struct cn_err *err)
{
    struct cn_rescore r;
    struct cn_history h;
    struct cn_buf text;
    cn_status st = cn_rescore_init(&r, s, err);

    memset(&h, 0, sizeof h);
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_adds(&text, scores_note);
    if (st == CN_OK)
        st = cn_store_history(s, &h, err);
    for (int64_t i = 0; st == CN_OK && i < h.n_blocks; i++) {
        struct cn_project_opts o = CN_PROJECT_OPTS_INIT;

        st = cn_rescore_block(&r, &h, h.blocks[i].number, &o, err);
        if (st == CN_OK) {
            cn_project_scores(&h, &o, &text);
            cn_buf_addc(&text, '\n');
        }
    }
    if (st == CN_OK && cn_buf_status(&text) != CN_OK)
        st = cn_err_set(err, cn_buf_status(&text), "the scores are too large");
    if (st == CN_OK)
        st = sink_write(k, cn_buf_str(&text), text.len, err);
    cn_buf_clear(&text);
    cn_history_clear(&h);
    cn_rescore_clear(&r);
    return st;
}

/* -- the verb -- */

static const char *const formats[] = {"jsonl", "csv", "analysis", "scores"};
enum { N_FORMATS = sizeof formats / sizeof formats[0], SCORES = 3 };

static cn_status format_of(const char *name, int *out, struct cn_err *err)
{
    for (int i = 0; i < N_FORMATS; i++)
        if (strcmp(name, formats[i]) == 0) {
            *out = i;
            return CN_OK;
        }
    const int near = cn_text_nearest(name, formats, N_FORMATS);
    return cn_err_set(err, CN_EINPUT, "export: unknown format '%s'; %s%s%s", name,
                      near >= 0 ? "did you mean '"
                                : "it is one of jsonl, csv, scores, analysis",
                      near >= 0 ? formats[near] : "", near >= 0 ? "'?" : "");
}

static int run_export(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_store *store = NULL;
    const char *wanted = cn_cli_value(args, "format");
    struct sink k = {.to = NULL};
    char *dir = NULL;
    int format = 0;

    cn_status st = format_of(wanted ? wanted : "jsonl", &format, &err);
    if (st == CN_OK)
        st = cn_cli_run_dir(args->positional[0], cn_cli_value(args, "runs"), 1, &dir, &err);
    if (st == CN_OK)
        st = cn_store_open(dir, CN_STORE_READ, &store, &err);
    if (st == CN_OK)
        st = sink_open(&k, cn_cli_value(args, "out"), &err);
    if (st == CN_OK)
        st = format == SCORES
                 ? export_scores(store, &k, &err)
                 : cn_export(store, (cn_export_format)format, sink_write, &k, &err);
    st = sink_close(&k, st, &err);
    cn_store_close(store);
    cn_free(dir);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

static const struct cn_cli_option export_options[] = {
    {"format", "F",
     "jsonl (default): all of it, `cairn import store` reads it back; csv; "
     "scores; analysis"},
    {"out", "FILE", "where to (default, and -: standard output)"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
};

const struct cn_cli_verb cn_verb_export = {
    "export",
    "RUN [--format jsonl|csv|scores|analysis] [--out FILE|-]",
    "write a run's record for other programs",
    "jsonl: one object a line, the run first, then texts, blocks, messages, events, "
    "iterations.\n"
    "csv: one row an iteration; what varies of the config is config.KEY, metrics are "
    "metric.NAME.\n"
    "scores: ucb_scores.txt of every block. analysis: the whole log. docs/RECORDS.md has the "
    "fields.",
    "cairn export demo --format csv --out demo.csv",
    export_options,
    sizeof export_options / sizeof *export_options,
    1,
    1,
    false,
    run_export};
