/* cairn verify, rebuild: a run folder against its record; texts and store made again. */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "harness/cli/paths.h"
#include "harness/cli/verbs.h"
#include "harness/loop/audit.h"
#include "harness/loop/rescore.h"
#include "harness/loop/run.h"
#include "logs/project.h"
#include "logs/read.h"
#include "logs/read_folder.h"
#include "logs/store.h"

/* -- verify -- */

static void say_findings(const char *dir, const struct cn_audit *a, bool quick)
{
    const int64_t warnings = a->n - a->n_differences;

    for (int64_t i = 0; i < a->n; i++)
        printf("%s: %s%s\n", cn_audit_kind_name(a->findings[i].kind),
               a->findings[i].warning ? "(warning) " : "", a->findings[i].text);
    if (a->n_differences == 0)
        printf("%s: the store is sound, and every text is what the store says (%lld iterations",
               dir, (long long)a->iterations);
    else
        printf("%s: %lld difference%s (%lld iterations", dir, (long long)a->n_differences,
               a->n_differences == 1 ? "" : "s", (long long)a->iterations);
    if (!quick)
        printf(", %lld folders, %lld versions of texts", (long long)a->folders,
               (long long)a->texts);
    printf(")\n");
    if (warnings > 0)
        printf("  %lld warning%s: what is not there contradicts nothing\n", (long long)warnings,
               warnings == 1 ? "" : "s");
    for (int64_t i = 0; i < a->n; i++)
        if (a->findings[i].kind == CN_AUDIT_TEXT) {
            printf("  `cairn rebuild` writes the texts again (a person's edits are kept)\n");
            break;
        }
}

static cn_status say_findings_json(const char *dir, const struct cn_audit *a,
                                   struct cn_err *err)
{
    struct cn_buf b;
    struct cn_json_writer w;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_json_begin(&w, &b, 2);
    cn_json_open(&w, NULL, '{');
    cn_json_add_string(&w, "run", dir);
    cn_json_add_int(&w, "iterations", a->iterations);
    cn_json_add_int(&w, "folders", a->folders);
    cn_json_add_int(&w, "texts", a->texts);
    cn_json_add_int(&w, "differences", a->n_differences);
    cn_json_open(&w, "findings", '[');
    for (int64_t i = 0; i < a->n; i++) {
        cn_json_open(&w, NULL, '{');
        cn_json_add_string(&w, "kind", cn_audit_kind_name(a->findings[i].kind));
        cn_json_add_bool(&w, "warning", a->findings[i].warning);
        cn_json_add_int(&w, "iteration", a->findings[i].iteration);
        cn_json_add_string(&w, "text", a->findings[i].text);
        cn_json_close(&w);
    }
    cn_json_close(&w);
    cn_json_close(&w);
    const cn_status st = cn_buf_status(&b);
    if (st == CN_OK)
        puts(cn_buf_str(&b));
    cn_buf_clear(&b);
    return st == CN_OK ? st : cn_err_set(err, st, "the answer is too large for JSON");
}

static int run_verify(const struct cn_cli_args *args)
{
    const bool quick = cn_cli_flag(args, "quick");
    struct cn_err err = CN_ERR_INIT;
    struct cn_audit a;
    char *dir = NULL;

    memset(&a, 0, sizeof a);
    cn_status st =
        cn_cli_run_dir(args->positional[0], cn_cli_value(args, "runs"), 1, &dir, &err);
    if (st == CN_OK)
        st = cn_audit(dir, quick, &a, &err);
    if (st == CN_OK && cn_cli_flag(args, "json"))
        st = say_findings_json(dir, &a, &err);
    else if (st == CN_OK)
        say_findings(dir, &a, quick);
    const int64_t n = a.n_differences;
    cn_audit_clear(&a);
    cn_free(dir);
    if (st != CN_OK)
        return cn_err_print(stderr, "cairn", &err);
    return n == 0 ? 0 : 1;
}

/* -- rebuild -- */

/* The scores of the last block, where the record can tell them (it keeps no describe table when it
 * was never completely made). */
static cn_status scores_again(struct cn_store *store, const struct cn_history *h,
                              struct cn_rescore *r, struct cn_project_opts *o,
                              struct cn_err *err)
{
    const cn_status st = h->n_blocks > 0 ? cn_rescore_init(r, store, err) : CN_ENOTFOUND;

    if (st == CN_ENOTFOUND || st == CN_EINPUT)
        return CN_OK;
    return st == CN_OK ? cn_rescore_block(r, h, h->blocks[h->n_blocks - 1].number, o, err) : st;
}

/* Write every text of a sound store again. */
static cn_status project_again(const char *dir, struct cn_store *store, struct cn_err *err)
{
    struct cn_project_opts o = CN_PROJECT_OPTS_INIT;
    struct cn_rescore r;
    struct cn_history h;
    char holder[64];
    int lock = -1;
    char *lock_path = cn_file_join(dir, "run.lock");

    memset(&h, 0, sizeof h);
    memset(&r, 0, sizeof r);
    cn_text_format(holder, sizeof holder, "rebuild:%ld", (long)getpid());
    cn_status st = lock_path ? cn_file_lock(lock_path, 0, &lock, err)
                             : cn_err_set(err, CN_ENOMEM, "no memory");
    if (st == CN_OK) /* we hold the lock: whoever held the lease is gone */
        st = cn_store_lease_steal(store, holder, cn_clock_now_ms(), 60000, err);
    if (st == CN_OK)
        st = cn_store_window(store, CN_STORE_WINDOW, &h, err);
    if (st == CN_OK)
        st = cn_project_volumes(store, &h, err);
    if (st == CN_OK)
        st = scores_again(store, &h, &r, &o, err);
    if (st == CN_OK)
        st = cn_project_write(store, &h, &o, err);
    if (st == CN_OK)
        st = cn_store_lease_release(store, err);
    cn_rescore_clear(&r);
    cn_history_clear(&h);
    cn_file_unlock(lock);
    cn_free(lock_path);
    return st;
}

/* A small file of the run folder, whole. */
static cn_status read_beside(const char *dir, const char *name, struct cn_buf *out,
                             struct cn_err *err)
{
    char *path = cn_file_join(dir, name);
    const cn_status st = path ? cn_file_read(path, CN_CAP_FILE, out, err)
                              : cn_err_set(err, CN_ENOMEM, "no memory");

    cn_free(path);
    return st;
}

/* The log: its sealed volumes, then the open one. */
static cn_status read_volumes(const char *dir, const struct cn_read_opts *o,
                              struct cn_read_log *log, struct cn_err *err)
{
    struct cn_read_folder f;
    struct cn_read_part *parts = NULL;
    struct cn_buf *texts = NULL;
    cn_status st = cn_read_folder_init(&f, &dir, 1, err);

    if (st == CN_OK && f.n_logs == 0)
        st = cn_err_set(err, CN_ENOTFOUND,
                        "%s: there is neither %s nor a log to read it back from", dir,
                        CN_STORE_FILE);
    if (st == CN_OK) {
        parts = cn_alloc((size_t)f.n_logs, sizeof *parts);
        texts = cn_alloc((size_t)f.n_logs, sizeof *texts);
        if (!parts || !texts)
            st = cn_err_set(err, CN_ENOMEM, "no memory for the log");
    }
    for (int i = 0; st == CN_OK && parts && texts && i < f.n_logs; i++) {
        cn_buf_init(&texts[i], CN_CAP_FILE);
        st = cn_file_read(f.logs[i], CN_CAP_FILE, &texts[i], err);
        parts[i] = (struct cn_read_part){f.logs[i], cn_buf_str(&texts[i]), texts[i].len};
    }
    if (st == CN_OK)
        st = cn_read_logs(parts, f.n_logs, o, log, err);
    for (int i = 0; texts && i < f.n_logs; i++)
        cn_buf_clear(&texts[i]);
    cn_free(texts);
    cn_free(parts);
    cn_read_folder_clear(&f);
    return st;
}

/* The store is lost: read the Markdown log back. */
static cn_status store_from_log(const char *dir, const char *reward, struct cn_read_log *log,
                                struct cn_err *err)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_store *store = NULL;
    struct cn_buf protocol, config;
    const char *slash = strrchr(dir, '/');

    cn_buf_init(&protocol, CN_CAP_FILE);
    cn_buf_init(&config, CN_CAP_FILE);
    if (reward)
        o.reward = reward;
    cn_status st = read_volumes(dir, &o, log, err);
    if (st == CN_OK)
        st = read_beside(dir, "protocol.md", &protocol, err);
    if (st == CN_OK)
        st = read_beside(dir, "base.yaml", &config, err);
    if (st == CN_OK)
        st = cn_read_configs(dir, cn_buf_str(&config), log, err);
    for (int64_t i = 0; st == CN_OK && i < log->n_warnings; i++)
        fprintf(stderr, "%s:%lld: %s: %s\n", log->warnings[i].file,
                (long long)log->warnings[i].line, cn_read_warning_name(log->warnings[i].kind),
                log->warnings[i].text);
    if (st == CN_OK) { /* files are named after the folder, whatever the log's title says */
        log->history.info.name = slash ? slash + 1 : dir;
        st = cn_store_import(dir, &log->history, cn_buf_str(&protocol), cn_buf_str(&config),
                             &store, err);
    }
    cn_store_close(store);
    cn_buf_clear(&protocol);
    cn_buf_clear(&config);
    if (st == CN_OK)
        fprintf(stderr, "cairn: read %lld iterations back from the log with %lld warnings\n",
                (long long)log->history.n_iterations, (long long)log->n_warnings);
    return st;
}

/* What the record was made with, as settings of the command line: a run that was made with
 * others than its config has can be resumed only so. */
enum { N_SETTINGS = 6 };
static int settings_of(const struct cn_run_info *info, char text[2][CN_NUM_TEXT],
                       struct cn_run_override out[N_SETTINGS])
{
    int n = 0;

    out[n++] = (struct cn_run_override){"explore.reward", info->reward};
    if (info->n_iter_block > 0) {
        cn_text_format(text[0], CN_NUM_TEXT, "%lld", (long long)info->n_iter_block);
        out[n++] = (struct cn_run_override){"explore.n_iter_block", text[0]};
    }
    if (*info->score_kind)
        out[n++] = (struct cn_run_override){"explore.ucb.kind", info->score_kind};
    if (*info->c_scale)
        out[n++] = (struct cn_run_override){"explore.ucb.c_scale", info->c_scale};
    if (isfinite(info->ucb_c))
        out[n++] =
            (struct cn_run_override){"explore.ucb.c", cn_text_double(info->ucb_c, text[1])};
    return n;
}

/* The store from the log, and what the harness keeps beside it; open again for writing. */
static cn_status bring_back(const char *dir, const struct cn_cli_args *args,
                            struct cn_store **out, struct cn_err *err)
{
    const char *config_dir = cn_cli_value(args, "config-dir");
    struct cn_run_override settings[N_SETTINGS];
    char text[2][CN_NUM_TEXT];
    struct cn_read_log log;

    memset(&log, 0, sizeof log);
    cn_status st = store_from_log(dir, cn_cli_value(args, "reward"), &log, err);
    if (st == CN_OK)
        st = cn_run_restore(dir, config_dir ? config_dir : ".", settings,
                            settings_of(&log.history.info, text, settings), err);
    if (st == CN_OK)
        st = cn_store_open(dir, CN_STORE_WRITE, out, err);
    cn_read_log_clear(&log);
    return st;
}

static int run_rebuild(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_store *store = NULL;
    char *dir = NULL;

    cn_status st =
        cn_cli_run_dir(args->positional[0], cn_cli_value(args, "runs"), 0, &dir, &err);
    if (st == CN_OK && !cn_file_is_dir(dir))
        st = cn_err_set(&err, CN_ENOTFOUND, "there is no run folder %s", dir);
    if (st == CN_OK)
        st = cn_store_open(dir, CN_STORE_WRITE, &store, &err);
    if (st == CN_ENOTFOUND && cn_file_is_dir(dir))
        st = bring_back(dir, args, &store, &err);
    if (st == CN_OK)
        st = project_again(dir, store, &err);
    cn_store_close(store);
    if (st == CN_OK)
        printf("%s: the texts are written again from the store\n", dir);
    cn_free(dir);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

static const struct cn_cli_option verify_options[] = {
    {"quick", NULL, "the store and the texts alone: no folders, no old versions"},
    {"json", NULL, "for scripts"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
};
static const struct cn_cli_option rebuild_options[] = {
    {"reward", "METRIC",
     "the reward metric of a log whose store is lost (default: connectivity_R2)"},
    {"config-dir", "DIR",
     "the folder of the config as it was given, when the store is lost (default: here)"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
};

const struct cn_cli_verb cn_verb_verify = {
    "verify",
    "RUN [--quick] [--json]",
    "check the store, and every text and folder against it",
    "Checked: the store's rules, the texts made from it, the versions of protocol, config and "
    "memory, and of every\n"
    "training that its result.json and config.yaml say what the record says. A folder that is "
    "not there is a warning.\n"
    "Exit code 0: all agree; 1: something differs (each named); 2: there is nothing to check.",
    "cairn verify demo",
    verify_options,
    sizeof verify_options / sizeof *verify_options,
    1,
    1,
    false,
    run_verify};
const struct cn_cli_verb cn_verb_rebuild = {
    "rebuild",
    "RUN",
    "write every text of a run again from its store; or the store from its log",
    "When run.db is lost, it is read back from <run>_analysis.md and its sealed volumes, with "
    "a "
    "warning for every ambiguous line.",
    "cairn rebuild demo",
    rebuild_options,
    sizeof rebuild_options / sizeof *rebuild_options,
    1,
    1,
    false,
    run_rebuild};
