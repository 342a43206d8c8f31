/* cairn verify, rebuild: the projections against the store, and both made again. */
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/cli/paths.h"
#include "harness/cli/verbs.h"
#include "harness/loop/run.h"
#include "logs/project.h"
#include "logs/read.h"
#include "logs/store.h"

static int run_verify(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_project_opts o = CN_PROJECT_OPTS_INIT;
    struct cn_store *store = NULL;
    struct cn_history h;
    struct cn_buf report;
    char *dir = NULL;
    int n = 0;

    memset(&h, 0, sizeof h);
    cn_buf_init(&report, CN_CAP_TEXT);
    cn_status st =
        cn_cli_run_dir(args->positional[0], cn_cli_value(args, "runs"), 1, &dir, &err);
    if (st == CN_OK)
        st = cn_store_open(dir, CN_STORE_READ, &store, &err);
    if (st == CN_OK)
        st = cn_store_check(store, &err);
    if (st == CN_OK)
        st = cn_store_history(store, &h, &err);
    if (st == CN_OK)
        st = cn_project_verify(store, &h, &o, &report, &n, &err);
    if (st == CN_OK && n == 0)
        printf(
            "%s: the store is sound, and every text is what the store says (%lld iterations)\n",
            dir, (long long)h.n_iterations);
    else if (st == CN_OK)
        printf("%s%s: %d text%s differ%s from the store; `cairn rebuild` writes them again (a "
               "person's edits are kept)\n",
               cn_buf_str(&report), dir, n, n == 1 ? "" : "s", n == 1 ? "s" : "");
    cn_history_clear(&h);
    cn_store_close(store);
    cn_buf_clear(&report);
    cn_free(dir);
    if (st != CN_OK)
        return cn_err_print(stderr, "cairn", &err);
    return n == 0 ? 0 : 1;
}

/* Write every text of a sound store again. */
static cn_status project_again(const char *dir, struct cn_store *store, struct cn_err *err)
{
    struct cn_project_opts o = CN_PROJECT_OPTS_INIT;
    struct cn_history h;
    char holder[64];
    int lock = -1;
    char *lock_path = cn_file_join(dir, "run.lock");

    memset(&h, 0, sizeof h);
    cn_text_format(holder, sizeof holder, "rebuild:%ld", (long)getpid());
    cn_status st = lock_path ? cn_file_lock(lock_path, 0, &lock, err)
                             : cn_err_set(err, CN_ENOMEM, "no memory");
    if (st == CN_OK) /* we hold the lock: whoever held the lease is gone */
        st = cn_store_lease_steal(store, holder, cn_clock_now_ms(), 60000, err);
    if (st == CN_OK)
        st = cn_store_history(store, &h, err);
    if (st == CN_OK)
        st = cn_project_write(store, &h, &o, err);
    if (st == CN_OK)
        st = cn_store_lease_release(store, err);
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

/* The store is lost: read the Markdown log back. */
static cn_status store_from_log(const char *dir, const char *reward, struct cn_store **out,
                                struct cn_err *err)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_log log;
    struct cn_buf text, protocol, config;
    char *stem = cn_cli_stem(dir), name[CN_PROJECT_NAME];

    memset(&log, 0, sizeof log);
    cn_buf_init(&text, CN_CAP_FILE);
    cn_buf_init(&protocol, CN_CAP_FILE);
    cn_buf_init(&config, CN_CAP_FILE);
    if (reward)
        o.reward = reward;
    snprintf(name, sizeof name, "%s_analysis.md", stem ? stem : "");
    cn_status st = read_beside(dir, name, &text, err);
    if (st == CN_OK)
        st = read_beside(dir, "protocol.md", &protocol, err);
    if (st == CN_OK)
        st = read_beside(dir, "base.yaml", &config, err);
    if (st == CN_OK)
        st = cn_read_log(name, cn_buf_str(&text), text.len, &o, &log, err);
    if (st == CN_OK)
        st = cn_read_configs(dir, cn_buf_str(&config), &log, err);
    for (int64_t i = 0; st == CN_OK && i < log.n_warnings; i++)
        fprintf(stderr, "%s:%lld: %s: %s\n", name, (long long)log.warnings[i].line,
                cn_read_warning_name(log.warnings[i].kind), log.warnings[i].text);
    if (st == CN_OK) {
        if (!*log.history.info.name)
            log.history.info.name = stem;
        st = cn_store_import(dir, &log.history, cn_buf_str(&protocol), cn_buf_str(&config), out,
                             err);
    }
    if (st == CN_OK)
        fprintf(stderr, "cairn: read %lld iterations back from %s with %lld warnings\n",
                (long long)log.history.n_iterations, name, (long long)log.n_warnings);
    cn_read_log_clear(&log);
    cn_buf_clear(&text);
    cn_buf_clear(&protocol);
    cn_buf_clear(&config);
    cn_free(stem);
    return st;
}

/* The store from the log, and what the harness keeps beside it; open again for writing. */
static cn_status bring_back(const char *dir, const struct cn_cli_args *args,
                            struct cn_store **out, struct cn_err *err)
{
    const char *config_dir = cn_cli_value(args, "config-dir");
    cn_status st = store_from_log(dir, cn_cli_value(args, "reward"), out, err);

    cn_store_close(*out);
    *out = NULL;
    if (st == CN_OK)
        st = cn_run_restore(dir, config_dir ? config_dir : ".", NULL, 0, err);
    if (st == CN_OK)
        st = cn_store_open(dir, CN_STORE_WRITE, out, err);
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
    "RUN",
    "check the store, and every text against it",
    "Exit code 0: all agree; 1: a text differs (each named with its first differing line).",
    "cairn verify demo",
    verify_options,
    1,
    1,
    1,
    false,
    run_verify};
const struct cn_cli_verb cn_verb_rebuild = {
    "rebuild",
    "RUN",
    "write every text of a run again from its store; or the store from its log",
    "When run.db is lost, it is read back from <run>_analysis.md, with a warning for every "
    "ambiguous line.",
    "cairn rebuild demo",
    rebuild_options,
    3,
    1,
    1,
    false,
    run_rebuild};
