/* Making, opening and asking about a run. See run.h.
 *
 * Contents: 1 reading and checking  2 making  3 opening  4 for other processes
 */
#include "harness/loop/run.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "harness/exec/job.h"
#include "harness/loop/run_int.h"
#include "ucb/sobol.h"

const char *cn_run_end_text(cn_run_end e)
{
    static const char *const texts[] = {
#define X(name, text) text,
        CN_RUN_END_MAP(X)
#undef X
    };

    CN_ASSERT((int)e >= 0 && (size_t)e < sizeof texts / sizeof texts[0]);
    return texts[e];
}

void cn_run_tell(struct cn_run *r, const char *fmt, ...)
{
    char line[CN_ERR_TEXT * 2];
    va_list args;

    if (!r->opts || !r->opts->say)
        return;
    va_start(args, fmt);
    (void)vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    r->opts->say(r->opts->ctx, line);
}

/* ------------------------------------------------------------------ 1 reading and checking */

static const char *setting_key(const char *path)
{
    return cn_text_starts(path, "explore.")  ? path + 8
           : cn_text_starts(path, "claude.") ? path + 7
                                             : NULL;
}

/* Settings from their three sources, the weakest first. */
static cn_status read_settings(struct cn_settings *s, const struct cn_yaml *config,
                               const struct cn_protocol *p, struct cn_err *err)
{
    cn_status st;

    cn_settings_init(s);
    st = cn_settings_read_yaml(s, config, err);
    for (int32_t i = 0; st == CN_OK && i < p->n_settings; i++) {
        char where[600];

        cn_text_format(where, sizeof where, "%.500s:%d", p->name, p->settings[i].line);
        st = cn_settings_set(s, p->settings[i].key, p->settings[i].value, where, err);
    }
    return st;
}

static cn_status override_settings(struct cn_settings *s, const struct cn_run_override *o,
                                   int n, struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < n; i++)
        if (setting_key(o[i].path))
            st = cn_settings_set(s, setting_key(o[i].path), o[i].value, "command line", err);
    return st;
}

/* Keys of the config itself, spliced in before anything looks at it. */
static cn_status override_config(struct cn_yaml *y, const struct cn_run_override *o, int n,
                                 struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < n; i++)
        if (!setting_key(o[i].path)) {
            st = cn_yaml_set(y, o[i].path, o[i].value, err);
            if (st != CN_OK)
                (void)cn_err_prefix(err, "--%s %s", o[i].path, o[i].value);
        }
    return st;
}

static cn_status nearest_metric(const struct cn_trainer *t, const char *name,
                                struct cn_err *err)
{
    const char *names[256];
    int n = 0, near;

    for (int32_t i = 0; i < t->n_metrics && n < 256; i++)
        names[n++] = t->metrics[i].name;
    near = cn_text_nearest(name, names, n);
    return cn_err_set(err, CN_EINPUT, "reward: %s: study %s has no such metric%s%s%s", name,
                      t->study, near >= 0 ? "; did you mean \"" : "",
                      near >= 0 ? names[near] : "", near >= 0 ? "\"?" : "");
}

/* The reward: the setting, else the protocol's, else the trainer's primary metric. Texts are borrowed. */
static cn_status choose_reward(const struct cn_settings *s, const struct cn_protocol *p,
                               const struct cn_trainer *t, struct cn_run_info *out,
                               struct cn_err *err)
{
    const struct cn_trainer_metric *m = cn_trainer_primary(t);
    const char *name = s->reward[0] ? s->reward : p->reward;

    if (name[0]) {
        m = cn_trainer_metric(t, name);
        if (!m)
            return nearest_metric(t, name, err);
    }
    if (!m)
        return cn_err_set(err, CN_EINPUT,
                          "reward: neither settings nor protocol name a metric, and study %s "
                          "has no primary one",
                          t->study);
    if (p->has_thresholds && strcmp(p->reward, m->name) == 0 &&
        p->lower_is_better != m->lower_is_better)
        return cn_err_set(
            err, CN_EINPUT,
            "%s: %s: the protocol's thresholds say %s is better, the trainer says %s", p->name,
            m->name, p->lower_is_better ? "lower" : "higher",
            m->lower_is_better ? "lower" : "higher");
    out->reward = m->name;
    out->reward_lower_is_better = m->lower_is_better;
    out->converged = p->has_thresholds ? p->converged : m->lower_is_better ? 0.1 : 0.9;
    out->failed = p->has_thresholds ? p->failed : m->lower_is_better ? 0.9 : 0.1;
    return CN_OK;
}

static cn_status check_proposer(const struct cn_settings *s, const struct cn_search *search,
                                struct cn_err *err)
{
    if (strcmp(s->proposer, "sobol") == 0 && search->training.space.n > CN_SOBOL_DIMS)
        return cn_err_set(err, CN_EINPUT,
                          "explore.proposer: sobol: %d parameters; it can do at most %d",
                          (int)search->training.space.n, CN_SOBOL_DIMS);
    return CN_OK;
}

/* Everything a run stands on, read and checked; used by making and opening alike. */
struct basis {
    struct cn_yaml *config;       /* owned */
    struct cn_protocol *protocol; /* owned */
    struct cn_trainer *trainer;   /* owned */
    struct cn_search search;
    struct cn_settings settings;
    struct cn_run_info info; /* reward and thresholds */
};

static void basis_clear(struct basis *b)
{
    cn_yaml_free(b->config);
    cn_protocol_free(b->protocol);
    cn_trainer_free(b->trainer);
    cn_search_clear(&b->search);
}

/* b->config and b->protocol are there; the rest follows. */
static cn_status basis_complete(struct basis *b, const char *config_dir,
                                const struct cn_run_override *o, int n, struct cn_err *err)
{
    cn_status st = read_settings(&b->settings, b->config, b->protocol, err);

    if (st == CN_OK)
        st = override_settings(&b->settings, o, n, err);
    if (st == CN_OK)
        st = cn_settings_check(&b->settings, err);
    if (st == CN_OK)
        st = cn_trainer_find(b->config, config_dir, &b->trainer, err);
    if (st == CN_OK)
        st = cn_search_init(&b->search, b->protocol, b->trainer, err);
    if (st == CN_OK)
        st = choose_reward(&b->settings, b->protocol, b->trainer, &b->info, err);
    return st == CN_OK ? check_proposer(&b->settings, &b->search, err) : st;
}

/* ------------------------------------------------------------------ 2 making */

/* The part after the last slash. */
static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* Absolute folder of a file, owned by the caller. */
static char *folder_of(const char *path)
{
    char *absolute = cn_file_absolute(path), *slash = absolute ? strrchr(absolute, '/') : NULL;

    if (slash)
        slash[slash == absolute ? 1 : 0] = '\0';
    return absolute;
}

static cn_status put(const char *dir, const char *name, const char *text, size_t n,
                     struct cn_err *err)
{
    char *path = cn_file_join(dir, name);
    cn_status st = path
                       ? cn_file_replace(path, text, n, err)
                       : cn_err_set(err, CN_ENOMEM, "%s/%s: no memory for its path", dir, name);

    cn_free(path);
    return st;
}

/* "explore.a=1\nexplore.b=2\n": how command-line settings are kept. */
static void join_overrides(const struct cn_run_override *o, int n, struct cn_buf *out)
{
    for (int i = 0; i < n; i++)
        if (setting_key(o[i].path))
            cn_buf_printf(out, "%s=%s\n", o[i].path, o[i].value);
}

/* Names jobs of this run apart from those of every other; only uniqueness matters. */
static void make_nonce(const char *dir, char out[32])
{
    char hash[CN_HASH_TEXT], seed[600];

    cn_text_format(seed, sizeof seed, "%.400s|%lld|%lld|%ld", dir, (long long)cn_clock_now_ms(),
                   (long long)cn_clock_mono_us(), (long)getpid());
    cn_hash_hex(seed, strlen(seed), hash);
    hash[12] = '\0';
    cn_text_copy(out, 32, hash);
}

/* Comma-separated paths that every Config line of the log shows. */
static void join_log_keys(const struct basis *b, struct cn_buf *out)
{
    for (int32_t i = 0; i < b->search.training.space.n; i++)
        cn_buf_printf(out, "%s%s", i ? "," : "",
                      cn_trainer_spelling(b->search.training.of[i], b->config));
}

static cn_status store_facts(struct cn_store *s, const struct basis *b,
                             const struct cn_run_create_opts *o, const char *config_dir,
                             struct cn_err *err)
{
    struct cn_buf lines;
    char nonce[32], holder[64];
    cn_status st;

    cn_buf_init(&lines, CN_CAP_TEXT);
    join_overrides(o->overrides, o->n_overrides, &lines);
    make_nonce(o->dir, nonce);
    cn_text_format(holder, sizeof holder, "making:%ld", (long)getpid());
    st = cn_store_lease_steal(s, holder, cn_clock_now_ms(), CN_RUN_LEASE_MS, err);
    if (st == CN_OK)
        st = cn_store_fact_set(s, "overrides", cn_buf_str(&lines), err);
    if (st == CN_OK)
        st = cn_store_fact_set(s, "config_dir", config_dir, err);
    if (st == CN_OK)
        st = cn_store_fact_set(s, "nonce", nonce, err);
    if (st == CN_OK)
        st = cn_store_text_put(s, "describe", "host", "as the trainer said",
                               b->trainer->describe, NULL, err);
    if (st == CN_OK && b->settings.notes[0]) {
        cn_buf_reset(&lines);
        cn_buf_printf(&lines, "settings without meaning here: %s", b->settings.notes);
        st = cn_store_event(s, 0, "note", cn_buf_str(&lines), err);
    }
    if (st == CN_OK)
        st = cn_store_fact_set(s, "complete", "1", err);
    if (st == CN_OK)
        st = cn_store_lease_release(s, err);
    cn_buf_clear(&lines);
    return st;
}

static cn_status make_store(const struct basis *b, const struct cn_run_create_opts *o,
                            const char *config_dir, struct cn_err *err)
{
    char created[CN_TIME_TEXT];
    struct cn_run_info info = b->info;
    struct cn_store *s = NULL;
    struct cn_buf keys;
    cn_status st;

    cn_buf_init(&keys, CN_CAP_TEXT);
    join_log_keys(b, &keys);
    info.name = base_name(o->dir);
    info.study = b->trainer->study;
    info.created = cn_clock_iso(cn_clock_now_ms(), created);
    info.n_iter_block = b->settings.n_iter_block;
    info.n_parallel = (int32_t)b->settings.n_parallel;
    info.proposer = b->settings.proposer;
    info.score_kind = b->settings.ucb_kind;
    info.ucb_c = b->settings.ucb_c;
    info.c_scale = b->settings.c_scale;
    info.log_keys = cn_buf_str(&keys);
    st = cn_store_create(o->dir, &info, b->protocol->text, cn_yaml_text(b->config, NULL), &s,
                         err);
    if (st == CN_OK)
        st = store_facts(s, b, o, config_dir, err);
    cn_store_close(s);
    cn_buf_clear(&keys);
    return st;
}

/* A store whose making was interrupted has no "complete": it may be made again. */
static bool holds_a_run(const char *dir)
{
    struct cn_store *s = NULL;
    struct cn_buf b;
    bool yes;
    cn_status st = cn_store_open(dir, CN_STORE_READ, &s, NULL);

    cn_buf_init(&b, CN_CAP_TEXT);
    yes = st != CN_OK ? st != CN_ENOTFOUND && st != CN_ECORRUPT
                      : cn_store_fact(s, "complete", &b, NULL) == CN_OK;
    cn_buf_clear(&b);
    cn_store_close(s);
    return yes;
}

static cn_status forget_half_made(const char *dir, struct cn_err *err)
{
    static const char *const names[] = {"run.db", "run.db-journal"};

    for (int i = 0; i < 2; i++) {
        char *path = cn_file_join(dir, names[i]);

        if (path && unlink(path) != 0 && errno != ENOENT) {
            (void)cn_err_errno(
                err, "%s: left from a run that was never completely made; cannot remove it",
                path);
            cn_free(path);
            return CN_EIO;
        }
        cn_free(path);
    }
    return CN_OK;
}

static cn_status make_folder(const struct basis *b, const struct cn_run_create_opts *o,
                             const char *config_dir, struct cn_err *err)
{
    size_t n;
    const char *config = cn_yaml_text(b->config, &n);
    cn_status st = cn_file_mkdirs(o->dir, err);

    if (st == CN_OK)
        st = forget_half_made(o->dir, err);
    if (st == CN_OK)
        st = put(o->dir, "protocol.md", b->protocol->text, b->protocol->n, err);
    if (st == CN_OK)
        st = put(o->dir, "base.yaml", config, n, err);
    if (st == CN_OK)
        st = put(o->dir, "user_input.md", cn_run_inbox_template, strlen(cn_run_inbox_template),
                 err);
    return st == CN_OK ? make_store(b, o, config_dir, err) : st;
}

cn_status cn_run_create(const struct cn_run_create_opts *o, struct cn_err *err)
{
    struct basis b;
    bool existed = cn_file_is_dir(o->dir);
    char *config_dir = folder_of(o->config);
    cn_status st = config_dir
                       ? CN_OK
                       : cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", o->config);

    memset(&b, 0, sizeof b);
    if (st == CN_OK && existed && holds_a_run(o->dir))
        st = cn_err_set(err, CN_EEXIST,
                        "%s: holds a run already; `cairn resume` goes on with it", o->dir);
    if (st == CN_OK)
        st = cn_yaml_read(o->config, &b.config, err);
    if (st == CN_OK)
        st = override_config(b.config, o->overrides, o->n_overrides, err);
    if (st == CN_OK)
        st = cn_protocol_read(o->protocol, &b.protocol, err);
    if (st == CN_OK)
        st = basis_complete(&b, config_dir, o->overrides, o->n_overrides, err);
    if (st == CN_OK && !o->dry) {
        st = make_folder(&b, o, config_dir, err);
        if (st != CN_OK && !existed && cn_file_remove_tree(o->dir, NULL) != CN_OK)
            (void)cn_err_prefix(err, "%s could not be removed", o->dir);
    }
    basis_clear(&b);
    cn_free(config_dir);
    return st;
}

/* ------------------------------------------------------------------ 3 opening */

/* "explore.a=1\n" lines into overrides that borrow from `lines` (which is cut up). */
static int split_overrides(char *lines, struct cn_run_override *out, int room)
{
    int n = 0;

    for (char *p = lines; *p && n < room;) {
        char *end = strchr(p, '\n'), *eq = strchr(p, '=');

        if (!end || !eq || eq > end)
            break;
        *end = *eq = '\0';
        out[n++] = (struct cn_run_override){p, eq + 1};
        p = end + 1;
    }
    return n;
}

enum { MAX_OVERRIDES = 1024 };

/* The settings of the command line, all that were ever given: the old ones first, then the new. */
static cn_status merge_overrides(struct cn_run *r, const struct cn_run_override *o, int n,
                                 struct cn_buf *lines, struct cn_run_override *all, int *out_n,
                                 struct cn_err *err)
{
    cn_status st = cn_store_fact(r->store, "overrides", lines, err);

    *out_n = 0;
    if (st != CN_OK)
        return cn_err_set(err, CN_EINPUT,
                          "%s: this run was never completely made; make it again", r->dir);
    for (int i = 0; i < n; i++)
        if (!setting_key(o[i].path))
            return cn_err_set(err, CN_EINPUT,
                              "--%s: the config of a run cannot be changed any more; only "
                              "--explore. settings can",
                              o[i].path);
    if (n > 0) {
        join_overrides(o, n, lines);
        st = cn_store_fact_set(r->store, "overrides", cn_buf_str(lines), err);
    }
    if (st == CN_OK && lines->len > 0)
        *out_n = split_overrides(lines->data, all, MAX_OVERRIDES);
    return st;
}

/* What the record was made with cannot change under it. */
static cn_status check_fixed(const struct cn_run *r, const struct basis *b,
                             const struct cn_run_info *was, struct cn_err *err)
{
    const char *key = b->settings.n_iter_block != was->n_iter_block        ? "n_iter_block"
                      : strcmp(b->info.reward, was->reward) != 0           ? "reward"
                      : strcmp(b->settings.ucb_kind, was->score_kind) != 0 ? "ucb.kind"
                      : strcmp(b->settings.c_scale, was->c_scale) != 0     ? "ucb.c_scale"
                      : b->settings.ucb_c != was->ucb_c                    ? "ucb.c"
                                                                           : NULL;

    if (key)
        return cn_err_set(
            err, CN_EINPUT,
            "%s: explore.%s: fixed when the run was made; start a new run to change it", r->dir,
            key);
    return CN_OK;
}

/* The words in force: the file's when a person changed it since (a new version by "user"), else the store's. */
static cn_status current_text(struct cn_run *r, const char *file, const char *kind,
                              struct cn_buf *out, struct cn_err *err)
{
    char *path = cn_file_join(r->dir, file);
    struct cn_buf stored;
    cn_status st =
        path ? CN_OK : cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", file);

    cn_buf_init(&stored, CN_CAP_PROTOCOL);
    if (st == CN_OK)
        st = cn_store_text(r->store, kind, 0, &stored, err);
    cn_buf_reset(out);
    if (st == CN_OK && cn_file_exists(path))
        st = cn_file_read(path, CN_CAP_PROTOCOL, out, err);
    else if (st == CN_OK)
        cn_buf_adds(out, cn_buf_str(&stored));
    cn_buf_clear(&stored);
    cn_free(path);
    return st;
}

static cn_status read_basis(struct cn_run *r, struct basis *b, struct cn_buf *protocol,
                            struct cn_buf *config, struct cn_err *err)
{
    char *name = cn_file_join(r->dir, "protocol.md"), *yaml = cn_file_join(r->dir, "base.yaml");
    cn_status st = name && yaml ? CN_OK : cn_err_set(err, CN_ENOMEM, "%s: no memory", r->dir);

    if (st == CN_OK)
        st = current_text(r, "protocol.md", "protocol", protocol, err);
    if (st == CN_OK)
        st = current_text(r, "base.yaml", "config", config, err);
    if (st == CN_OK)
        st = cn_protocol_parse(name, cn_buf_str(protocol), protocol->len, &b->protocol, err);
    if (st == CN_OK)
        st = cn_yaml_parse(yaml, cn_buf_str(config), config->len, &b->config, err);
    cn_free(name);
    cn_free(yaml);
    return st;
}

static void take_basis(struct cn_run *r, struct basis *b)
{
    r->settings = b->settings;
    r->protocol = b->protocol;
    r->trainer = b->trainer;
    r->search = b->search;
    r->planner =
        (struct cn_planner){&r->settings, r->protocol, r->trainer, &r->search, r->base_config};
    b->protocol = NULL;
    b->trainer = NULL;
    memset(&b->search, 0, sizeof b->search);
}

/* Words that were read and checked are kept as versions; the same words again are no new version. */
static cn_status keep_versions(struct cn_run *r, const struct cn_buf *protocol,
                               const struct cn_buf *config, struct cn_err *err)
{
    cn_status st = cn_store_text_put(r->store, "protocol", "user", "edited in place",
                                     cn_buf_str(protocol), NULL, err);

    return st == CN_OK ? cn_store_text_put(r->store, "config", "user", "edited in place",
                                           cn_buf_str(config), NULL, err)
                       : st;
}

static cn_status load_basis(struct cn_run *r, const struct cn_run_override *o, int n,
                            struct cn_err *err)
{
    struct cn_run_override *all = cn_alloc(MAX_OVERRIDES, sizeof *all);
    struct cn_buf lines, protocol, config;
    struct cn_history h;
    struct basis b;
    int n_all = 0;
    cn_status st;

    memset(&b, 0, sizeof b);
    memset(&h, 0, sizeof h);
    cn_buf_init(&lines, CN_CAP_TEXT);
    cn_buf_init(&protocol, CN_CAP_PROTOCOL);
    cn_buf_init(&config, CN_CAP_CONFIG);
    st = all ? merge_overrides(r, o, n, &lines, all, &n_all, err)
             : cn_err_set(err, CN_ENOMEM, "%s: no memory", r->dir);
    if (st == CN_OK)
        st = cn_store_history(r->store, &h, err);
    if (st == CN_OK)
        st = read_basis(r, &b, &protocol, &config, err);
    if (st == CN_OK)
        st = basis_complete(&b, r->config_dir, all, n_all, err);
    if (st == CN_OK)
        st = check_fixed(r, &b, &h.info, err);
    if (st == CN_OK)
        st = keep_versions(r, &protocol, &config, err);
    if (st == CN_OK && !(r->base_config = cn_strdup(cn_buf_str(&config))))
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory for its config", r->dir);
    if (st == CN_OK)
        take_basis(r, &b);
    basis_clear(&b);
    cn_history_clear(&h);
    cn_buf_clear(&lines);
    cn_buf_clear(&protocol);
    cn_buf_clear(&config);
    cn_free(all);
    return st;
}

static cn_status lock_run(struct cn_run *r, struct cn_err *err)
{
    char *path = cn_file_join(r->dir, "run.lock");
    struct cn_store *s = NULL;
    struct cn_lease lease;
    cn_status st = path ? cn_file_lock(path, 0, &r->lock_fd, err)
                        : cn_err_set(err, CN_ENOMEM, "no memory");

    cn_free(path);
    if (st != CN_ELOCKED)
        return st;
    if (cn_store_open(r->dir, CN_STORE_READ, &s, NULL) == CN_OK &&
        cn_store_lease_get(s, &lease, NULL) == CN_OK)
        st = cn_err_set(err, CN_ELOCKED, "%s: another harness explores this run: %s", r->dir,
                        lease.holder);
    cn_store_close(s);
    return st;
}

/* The lock is ours, so whoever held the lease before is gone. */
static cn_status take_lease(struct cn_run *r, struct cn_err *err)
{
    struct cn_job_start me;

    cn_job_whoami(&me);
    cn_text_format(r->holder, sizeof r->holder, "%s:%ld:%lld", me.host, (long)me.pid,
                   (long long)me.pid_birth);
    r->beat_us = cn_clock_mono_us();
    return cn_store_lease_steal(r->store, r->holder, cn_clock_now_ms(), CN_RUN_LEASE_MS, err);
}

static cn_status load_facts(struct cn_run *r, struct cn_err *err)
{
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_TEXT);
    st = cn_store_fact(r->store, "complete", &b, NULL);
    if (st == CN_ENOTFOUND)
        st = cn_err_set(err, CN_EINPUT, "%s: this run was never completely made; make it again",
                        r->dir);
    if (st == CN_OK)
        st = cn_store_fact(r->store, "nonce", &b, err);
    if (st == CN_OK)
        cn_text_copy(r->nonce, sizeof r->nonce, cn_buf_str(&b));
    if (st == CN_OK)
        st = cn_store_fact(r->store, "config_dir", &b, err);
    if (st == CN_OK && !(r->config_dir = cn_strdup(cn_buf_str(&b))))
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory", r->dir);
    cn_buf_clear(&b);
    return st;
}

cn_status cn_run_open(const char *dir, const struct cn_run_override *overrides, int n_overrides,
                      struct cn_run **out, struct cn_err *err)
{
    struct cn_run *r = cn_alloc(1, sizeof *r);
    cn_status st = CN_OK;

    *out = NULL;
    if (!r)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory", dir);
    r->lock_fd = -1;
    r->dir = cn_file_absolute(dir);
    r->name = r->dir ? cn_strdup(base_name(r->dir)) : NULL;
    if (!r->name)
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory", dir);
    if (st == CN_OK && !cn_file_is_dir(dir))
        st = cn_err_set(err, CN_ENOTFOUND, "%s: no such run", dir);
    if (st == CN_OK)
        st = lock_run(r, err);
    if (st == CN_OK)
        st = cn_store_open(r->dir, CN_STORE_WRITE, &r->store, err);
    if (st == CN_OK)
        st = take_lease(r, err);
    if (st == CN_OK)
        st = load_facts(r, err);
    if (st == CN_OK)
        st = load_basis(r, overrides, n_overrides, err);
    if (st == CN_OK)
        *out = r;
    else
        cn_run_close(r);
    return st;
}

void cn_run_close(struct cn_run *r)
{
    if (!r)
        return;
    cn_executor_free(r->executor);
    /* An error here changes nothing: a lease that is not released runs out, or is taken with the lock. */
    if (r->store && r->holder[0] && cn_store_lease_release(r->store, NULL) != CN_OK)
        cn_run_tell(r, "the lease could not be released");
    cn_store_close(r->store);
    cn_search_clear(&r->search);
    cn_trainer_free(r->trainer);
    cn_protocol_free(r->protocol);
    cn_file_unlock(r->lock_fd);
    cn_free(r->base_config);
    cn_free(r->config_dir);
    cn_free(r->name);
    cn_free(r->dir);
    cn_free(r);
}

/* A protocol with which the run could have been opened takes the old one's place. */
static cn_status swap_protocol(struct cn_run *r, struct cn_protocol *p,
                               const struct cn_buf *words, struct cn_err *err)
{
    struct cn_search search;
    struct cn_run_info info;
    cn_status st = cn_search_init(&search, p, r->trainer, err);

    if (st != CN_OK)
        return st;
    st = choose_reward(&r->settings, p, r->trainer, &info, err);
    if (st == CN_OK)
        st = cn_store_text_put(r->store, "protocol", "user", "edited in place",
                               cn_buf_str(words), NULL, err);
    if (st != CN_OK) {
        cn_search_clear(&search);
        return st;
    }
    cn_search_clear(&r->search);
    cn_protocol_free(r->protocol);
    r->search = search;
    r->protocol = p;
    r->planner.protocol = p;
    return CN_OK;
}

cn_status cn_run_adopt_protocol(struct cn_run *r, struct cn_err *err)
{
    struct cn_protocol *p = NULL;
    struct cn_err why = CN_ERR_INIT;
    struct cn_buf words;
    cn_status st;

    cn_buf_init(&words, CN_CAP_PROTOCOL);
    st = current_text(r, "protocol.md", "protocol", &words, err);
    if (st == CN_OK && (words.len != r->protocol->n ||
                        memcmp(cn_buf_str(&words), r->protocol->text, words.len) != 0)) {
        st = cn_protocol_parse(r->protocol->name, cn_buf_str(&words), words.len, &p, &why);
        if (st == CN_OK)
            st = swap_protocol(r, p, &words, &why);
        if (st == CN_OK) {
            cn_run_tell(r, "protocol.md was edited: the new version holds from here");
        } else {
            cn_protocol_free(p);
            if (strcmp(r->last_pause, why.text) != 0)
                cn_run_tell(r, "protocol.md was edited, but the old version stays in force: %s",
                            why.text);
            cn_text_copy(r->last_pause, sizeof r->last_pause, why.text);
            st = st == CN_EINPUT ? CN_OK : cn_err_set(err, st, "%s", why.text);
        }
    }
    cn_buf_clear(&words);
    return st;
}

/* ------------------------------------------------------------------ 4 for other processes */

void cn_run_request_stop(struct cn_run *run, int level)
{
    if (level > run->stop)
        run->stop = level;
}

cn_status cn_run_post_stop(const char *dir, int level, struct cn_err *err)
{
    char text[8];

    if (level < 1 || level > 2)
        return cn_err_set(err, CN_EINPUT, "stop level %d: expected 1 or 2", level);
    if (!cn_file_is_dir(dir))
        return cn_err_set(err, CN_ENOTFOUND, "%s: no such run", dir);
    cn_text_format(text, sizeof text, "%d\n", level);
    return put(dir, "stop.request", text, strlen(text), err);
}

int cn_run_take_posted_stop(struct cn_run *r)
{
    char *path = cn_file_join(r->dir, "stop.request");
    struct cn_buf b;
    int level = 0;

    cn_buf_init(&b, CN_CAP_RECORD);
    if (path && cn_file_exists(path) && cn_file_read(path, CN_CAP_RECORD, &b, NULL) == CN_OK) {
        level = cn_buf_str(&b)[0] == '2' ? 2 : 1;
        (void)unlink(path);
    }
    cn_buf_clear(&b);
    cn_free(path);
    return level;
}

cn_status cn_run_say(const char *dir, const char *text, struct cn_err *err)
{
    struct cn_store *s = NULL;
    int64_t id;
    cn_status st = cn_store_open(dir, CN_STORE_WRITE, &s, err);

    if (st == CN_OK)
        st = cn_store_message_add(s, NULL, text, &id, err);
    cn_store_close(s);
    return st;
}

static int64_t wanted_iterations(struct cn_store *s)
{
    static const char key[] = "explore.iterations=";
    struct cn_buf b;
    struct cn_settings d;
    int64_t n = 0, v;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_settings_init(&d);
    if (cn_store_fact(s, "iterations", &b, NULL) == CN_OK &&
        cn_text_parse_int64(cn_buf_str(&b), &v))
        n = v; /* what the last harness settled on */
    else if (cn_store_fact(s, "overrides", &b, NULL) == CN_OK)
        for (const char *p = cn_buf_str(&b); (p = strstr(p, key)) != NULL; p += strlen(key))
            n = strtoll(p + strlen(key), NULL, 10);
    cn_buf_clear(&b);
    return n > 0 ? n : d.iterations;
}

static void fill_status(const struct cn_history *h, struct cn_run_status *out)
{
    int64_t count = 0;
    const struct cn_node *best = cn_plan_best(h, 0, INT64_MAX, &out->best_reward, &count);
    struct cn_spread first = cn_history_spread(h, 1, CN_POOL_SEARCH);

    out->best_node = best ? best->id : 0;
    out->best_count = (int32_t)count;
    out->default_reward = first.mean;
    out->n_blocks = h->n_blocks;
    out->block = h->n_blocks;
    for (int64_t i = 0; i < h->n_iterations; i++) {
        out->committed +=
            !h->iterations[i].confirmation && h->iterations[i].state == CN_ITER_COMMITTED;
        out->in_flight += h->iterations[i].state == CN_ITER_SUBMITTED ||
                          h->iterations[i].state == CN_ITER_RUNNING;
    }
    for (int64_t i = 0; i < h->n_messages; i++)
        out->pending_messages += h->messages[i].acked_ms == 0;
    (void)snprintf(out->name, sizeof out->name, "%s", h->info.name);
}

cn_status cn_run_status(const char *dir, struct cn_run_status *out, struct cn_err *err)
{
    struct cn_store *s = NULL;
    struct cn_history h;
    struct cn_lease lease;
    struct cn_buf b;
    char *lock = cn_file_join(dir, "run.lock");
    cn_status st = lock ? cn_store_open(dir, CN_STORE_READ, &s, err)
                        : cn_err_set(err, CN_ENOMEM, "no memory");

    memset(out, 0, sizeof *out);
    memset(&h, 0, sizeof h);
    cn_buf_init(&b, CN_CAP_TEXT);
    if (st == CN_OK)
        st = cn_store_history(s, &h, err);
    if (st == CN_OK)
        st = cn_store_lease_get(s, &lease, err);
    if (st == CN_OK) {
        fill_status(&h, out);
        out->total = wanted_iterations(s);
        out->harness_alive = cn_file_is_locked(lock);
        out->heartbeat_ms = lease.heartbeat_ms;
        (void)snprintf(out->holder, sizeof out->holder, "%s", lease.holder);
        cn_text_copy(out->state, sizeof out->state,
                     out->harness_alive                                        ? "running"
                     : cn_store_fact(s, "end", &b, NULL) == CN_OK && b.len > 0 ? cn_buf_str(&b)
                                                                               : "waiting");
    }
    cn_buf_clear(&b);
    cn_history_clear(&h);
    cn_store_close(s);
    cn_free(lock);
    return st;
}
