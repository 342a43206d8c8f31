/* Making a run folder: everything is checked first, the store's fact "complete" is the last
 * word. See run.h. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "harness/loop/basis.h"
#include "harness/loop/plan.h"
#include "harness/loop/run_int.h"

/* Absolute folder of a file, owned by the caller. */
static char *folder_of(const char *path)
{
    char *absolute = cn_file_absolute(path), *slash = absolute ? strrchr(absolute, '/') : NULL;

    if (slash)
        slash[slash == absolute ? 1 : 0] = '\0';
    return absolute;
}

/* Names jobs of this run apart from those of every other; only uniqueness matters. */
void cn_run_make_nonce(const char *dir, char out[CN_RUN_NONCE])
{
    char hash[CN_HASH_TEXT], seed[600];

    cn_text_format(seed, sizeof seed, "%.400s|%lld|%lld|%ld", dir, (long long)cn_clock_now_ms(),
                   (long long)cn_clock_mono_us(), (long)getpid());
    cn_hash_hex(seed, strlen(seed), hash);
    hash[12] = '\0';
    cn_text_copy(out, CN_RUN_NONCE, hash);
}

static cn_status store_facts(struct cn_store *s, const struct cn_basis *b,
                             const struct cn_run_create_opts *o, const char *config_dir,
                             struct cn_err *err)
{
    struct cn_buf lines;
    char nonce[CN_RUN_NONCE], holder[64];
    cn_status st;

    cn_buf_init(&lines, CN_CAP_TEXT);
    cn_basis_join_overrides(o->overrides, o->n_overrides, &lines);
    cn_run_make_nonce(o->dir, nonce);
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
    cn_buf_reset(&lines);
    if (st == CN_OK && cn_plan_tell_metrics(b->protocol, b->trainer, &lines))
        st = cn_store_event(s, 0, "note", cn_buf_str(&lines), err);
    if (st == CN_OK)
        st = cn_store_fact_set(s, "complete", "1", err);
    if (st == CN_OK)
        st = cn_store_lease_release(s, err);
    cn_buf_clear(&lines);
    return st;
}

static cn_status make_store(const struct cn_basis *b, const struct cn_run_create_opts *o,
                            const char *config_dir, struct cn_err *err)
{
    char created[CN_TIME_TEXT];
    struct cn_run_info info;
    struct cn_store *s = NULL;
    struct cn_buf keys;
    cn_status st;

    cn_buf_init(&keys, CN_CAP_TEXT);
    cn_basis_info(b, &keys, &info);
    info.name = cn_run_base_name(o->dir);
    info.created = cn_clock_iso(cn_clock_now_ms(), created);
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

static cn_status make_folder(const struct cn_basis *b, const struct cn_run_create_opts *o,
                             const char *config_dir, struct cn_err *err)
{
    size_t n;
    const char *config = cn_yaml_text(b->config, &n);
    cn_status st = cn_file_mkdirs(o->dir, err);

    if (st == CN_OK)
        st = forget_half_made(o->dir, err);
    if (st == CN_OK)
        st = cn_run_put(o->dir, "protocol.md", b->protocol->text, b->protocol->n, err);
    if (st == CN_OK)
        st = cn_run_put(o->dir, "base.yaml", config, n, err);
    if (st == CN_OK)
        st = cn_run_put(o->dir, "user_input.md", cn_run_inbox_template,
                        strlen(cn_run_inbox_template), err);
    return st == CN_OK ? make_store(b, o, config_dir, err) : st;
}

cn_status cn_run_check_config(const struct cn_basis *b, const struct cn_run_create_opts *o,
                              struct cn_err *err)
{
    struct cn_arena a;
    const char **changes;
    cn_status st = CN_OK;
    int n = 0;

    cn_arena_init(&a, CN_CAP_TEXT);
    changes = cn_arena_alloc(&a, 2 * (size_t)o->n_overrides + 1, sizeof *changes);
    for (int i = 0; changes && i < o->n_overrides; i++)
        if (!cn_setting_key(o->overrides[i].path)) {
            changes[n] = cn_arena_printf(&a, "--%s", o->overrides[i].path);
            changes = changes[n] ? changes : NULL;
            if (changes)
                changes[n + 1] = o->overrides[i].value;
            n += 2;
        }
    st = changes ? cn_trainer_check(b->trainer, o->config, b->config, changes, err)
                 : cn_err_set(err, CN_ENOMEM, "%s: no memory to check it", o->config);
    cn_arena_clear(&a);
    return st;
}

cn_status cn_run_create(const struct cn_run_create_opts *given, struct cn_err *err)
{
    struct cn_run_create_opts o = *given;
    struct cn_basis b;
    bool existed = cn_file_is_dir(given->dir);
    char *config_dir = folder_of(given->config), *dir = cn_run_clean_dir(given->dir);
    cn_status st = config_dir && dir
                       ? CN_OK
                       : cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", given->dir);

    memset(&b, 0, sizeof b);
    o.dir = dir;
    if (st == CN_OK && existed && holds_a_run(dir))
        st = cn_err_set(err, CN_EEXIST,
                        "%s: holds a run already; `cairn resume` goes on with it", given->dir);
    if (st == CN_OK)
        st = cn_yaml_read(o.config, &b.config, err);
    if (st == CN_OK)
        st = cn_basis_override(b.config, o.overrides, o.n_overrides, err);
    if (st == CN_OK)
        st = cn_protocol_read(o.protocol, &b.protocol, err);
    if (st == CN_OK)
        st = cn_basis_complete(&b, config_dir, o.overrides, o.n_overrides, err);
    if (st == CN_OK)
        st = cn_run_check_config(&b, &o, err);
    if (st == CN_OK && !o.dry) {
        st = make_folder(&b, &o, config_dir, err);
        if (st != CN_OK && !existed && cn_file_remove_tree(dir, NULL) != CN_OK)
            (void)cn_err_prefix(err, "%s could not be removed", given->dir);
    }
    cn_basis_clear(&b);
    cn_free(config_dir);
    cn_free(dir);
    return st;
}

static cn_status read_basis(const char *dir, const char *config_dir,
                            const struct cn_run_create_opts *o, struct cn_basis *b,
                            struct cn_err *err)
{
    char *config = cn_file_join(dir, "base.yaml"), *protocol = cn_file_join(dir, "protocol.md");
    cn_status st = config && protocol
                       ? CN_OK
                       : cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", dir);

    if (st == CN_OK)
        st = cn_yaml_read(config, &b->config, err);
    if (st == CN_OK)
        st = cn_protocol_read(protocol, &b->protocol, err);
    if (st == CN_OK)
        st = cn_basis_complete(b, config_dir, o->overrides, o->n_overrides, err);
    cn_free(protocol);
    cn_free(config);
    return st;
}

cn_status cn_run_restore(const char *dir, const char *config_dir,
                         const struct cn_run_override *settings, int n, struct cn_err *err)
{
    const struct cn_run_create_opts o = {.dir = dir, .overrides = settings, .n_overrides = n};
    char *absolute = cn_file_absolute(config_dir);
    struct cn_store *s = NULL;
    struct cn_basis b;
    cn_status st = absolute ? CN_OK : cn_err_set(err, CN_ENOMEM, "%s: no memory", config_dir);

    memset(&b, 0, sizeof b);
    if (st == CN_OK)
        st = read_basis(dir, absolute, &o, &b, err);
    if (st == CN_OK)
        st = cn_store_open(dir, CN_STORE_WRITE, &s, err);
    if (st == CN_OK)
        st = store_facts(s, &b, &o, absolute, err);
    cn_store_close(s);
    cn_basis_clear(&b);
    cn_free(absolute);
    return st;
}
