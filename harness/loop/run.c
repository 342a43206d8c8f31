/* Opening a run: lock, lease, and what it stands on. See run.h. */
#include "harness/loop/run.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "harness/exec/job.h"
#include "harness/loop/basis.h"
#include "harness/loop/edits.h"
#include "harness/loop/run_int.h"

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

char *cn_run_clean_dir(const char *dir)
{
    char *path = cn_file_absolute(dir);
    size_t n = path ? strlen(path) : 0;

    while (n > 1 && path[n - 1] == '/')
        path[--n] = '\0';
    return path;
}

/* The part after the last slash. */
const char *cn_run_base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

cn_status cn_run_put(const char *dir, const char *name, const char *text, size_t n,
                     struct cn_err *err)
{
    char *path = cn_file_join(dir, name);
    cn_status st = path
                       ? cn_file_replace(path, text, n, err)
                       : cn_err_set(err, CN_ENOMEM, "%s/%s: no memory for its path", dir, name);

    cn_free(path);
    return st;
}

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

/* The settings of the command line, all that were ever given: the old ones first, then the
 * new. */
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
        if (!cn_setting_key(o[i].path))
            return cn_err_set(err, CN_EINPUT,
                              "--%s: the config of a run cannot be changed any more; only "
                              "--explore. settings can",
                              o[i].path);
    if (n > 0) {
        cn_basis_join_overrides(o, n, lines);
        st = cn_store_fact_set(r->store, "overrides", cn_buf_str(lines), err);
    }
    if (st == CN_OK && lines->len > 0)
        *out_n = split_overrides(lines->data, all, MAX_OVERRIDES);
    return st;
}

/* What the record was made with cannot change under it. */
static cn_status check_fixed(const struct cn_run *r, const struct cn_basis *b,
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

/* The words in force: the file's when a person changed it since (a new version by "user"), else
 * the store's. */
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

static cn_status read_basis(struct cn_run *r, struct cn_basis *b, struct cn_buf *protocol,
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

static cn_status node_with(void *ctx, const char *config_hash, int64_t *out_node,
                           struct cn_err *err)
{
    const struct cn_run *r = ctx;

    return cn_store_node_with(r->store, config_hash, out_node, err);
}

static void take_basis(struct cn_run *r, struct cn_basis *b)
{
    r->settings = b->settings;
    r->protocol = b->protocol;
    r->trainer = b->trainer;
    r->search = b->search;
    r->elsewhere = (struct cn_elsewhere){node_with, r};
    r->planner = (struct cn_planner){&r->settings,   r->protocol,   r->trainer, &r->search,
                                     r->base_config, &r->elsewhere, NULL};
    b->protocol = NULL;
    b->trainer = NULL;
    memset(&b->search, 0, sizeof b->search);
}

/* Words that were read and checked are kept as versions; the same words again are no new
 * version. */
static cn_status keep_versions(struct cn_run *r, const struct cn_history *h,
                               const struct cn_buf *protocol, const struct cn_buf *config,
                               struct cn_err *err)
{
    char hash[CN_HASH_TEXT], reason[96];
    cn_status st;

    (void)cn_hash_hex(cn_buf_str(protocol), protocol->len, hash);
    st = cn_store_text_put(r->store, "protocol", "user", cn_edits_user_reason(h, hash, reason),
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
    struct cn_basis b;
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
        st = cn_store_window(r->store, 0, &h, err);
    if (st == CN_OK)
        st = read_basis(r, &b, &protocol, &config, err);
    if (st == CN_OK)
        st = cn_basis_complete(&b, r->config_dir, all, n_all, err);
    if (st == CN_OK)
        st = check_fixed(r, &b, &h.info, err);
    if (st == CN_OK)
        st = keep_versions(r, &h, &protocol, &config, err);
    if (st == CN_OK && !(r->base_config = cn_strdup(cn_buf_str(&config))))
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory for its config", r->dir);
    if (st == CN_OK)
        take_basis(r, &b);
    cn_basis_clear(&b);
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

/* `cairn log RUN --events` tells when which harness was at work; the texts do not, so that a run that
 * was killed reads like an unbroken one. */
static cn_status note_opening(struct cn_run *r, struct cn_err *err)
{
    char text[sizeof r->holder + 64];
    int64_t next = 1;
    cn_status st = cn_store_next_iteration(r->store, &next, err);

    if (st != CN_OK)
        return st;
    cn_text_format(text, sizeof text, "by %s, after %lld planned iterations", r->holder,
                   (long long)next - 1);
    return cn_store_event(r->store, 0, "opened", text, err);
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
    r->dir = cn_run_clean_dir(dir);
    r->name = r->dir ? cn_strdup(cn_run_base_name(r->dir)) : NULL;
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
    if (st == CN_OK) /* before anybody takes the file for a person's */
        st = cn_edits_settle(r, err);
    if (st == CN_OK)
        st = load_basis(r, overrides, n_overrides, err);
    if (st == CN_OK)
        st = note_opening(r, err);
    if (st == CN_OK)
        *out = r;
    else
        cn_run_close(r);
    return st;
}

cn_status cn_run_beat(struct cn_run *r, struct cn_err *err)
{
    if (cn_clock_mono_us() - r->beat_us < (int64_t)CN_RUN_HEARTBEAT_MS * 1000)
        return CN_OK;
    r->beat_us = cn_clock_mono_us();
    return cn_store_lease_renew(r->store, cn_clock_now_ms(), err);
}

void cn_run_close(struct cn_run *r)
{
    if (!r)
        return;
    cn_executor_free(r->executor);
    /* An error here changes nothing: a lease that is not released runs out, or is taken with
     * the lock. */
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

/* The words as a version by "user", unless they are the latest one already. */
static cn_status keep_words(struct cn_run *r, const struct cn_buf *words, bool *out_new,
                            struct cn_err *err)
{
    char hash[CN_HASH_TEXT], reason[96];
    struct cn_buf stored;
    struct cn_history h;
    cn_status st;

    cn_buf_init(&stored, CN_CAP_PROTOCOL);
    memset(&h, 0, sizeof h);
    (void)cn_hash_hex(cn_buf_str(words), words->len, hash);
    st = cn_store_text(r->store, "protocol", 0, &stored, err);
    *out_new = st == CN_OK && strcmp(cn_buf_str(&stored), cn_buf_str(words)) != 0;
    if (*out_new)
        st = cn_store_window(r->store, 0, &h, err);
    if (st == CN_OK && *out_new)
        st = cn_store_text_put(r->store, "protocol", "user",
                               cn_edits_user_reason(&h, hash, reason), cn_buf_str(words), NULL,
                               err);
    cn_history_clear(&h);
    cn_buf_clear(&stored);
    return st;
}

/* A protocol with which the run could have been opened takes the old one's place. */
static cn_status swap_protocol(struct cn_run *r, struct cn_protocol *p,
                               const struct cn_buf *words, bool *out_new, struct cn_err *err)
{
    struct cn_search search;
    struct cn_run_info info;
    cn_status st = cn_search_init(&search, p, r->trainer, err);

    *out_new = false;
    if (st != CN_OK)
        return st;
    st = cn_basis_reward(&r->settings, p, r->trainer, &info, err);
    if (st == CN_OK)
        st = keep_words(r, words, out_new, err);
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
    bool is_new = false;
    cn_status st = cn_edits_settle(r, err);

    cn_buf_init(&words, CN_CAP_PROTOCOL);
    if (st == CN_OK)
        st = current_text(r, "protocol.md", "protocol", &words, err);
    if (st == CN_OK && (words.len != r->protocol->n ||
                        memcmp(cn_buf_str(&words), r->protocol->text, words.len) != 0)) {
        st = cn_protocol_parse(r->protocol->name, cn_buf_str(&words), words.len, &p, &why);
        if (st == CN_OK)
            st = swap_protocol(r, p, &words, &is_new, &why);
        if (st == CN_OK && is_new) {
            cn_run_tell(r, "protocol.md was edited: the new version holds from here");
        } else if (st != CN_OK) {
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
