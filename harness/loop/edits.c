/* Versions of a run's rules, and what the end of a block does about them. See edits.h.
 *
 * 1. the file and the versions
 * 2. one edit
 * 3. a person's way back
 * 4. the end of a block */
#include "harness/loop/edits.h"

#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "harness/loop/consult.h"
#include "harness/loop/run_int.h"
#include "protocols/edit.h"

/* ------------------------------------------------------------------ 1. versions */

static bool is_protocol(const struct cn_text_version *t)
{
    return strcmp(t->kind, CN_EDITS_KIND) == 0;
}

/* Versions that only the end of a block makes. */
static bool is_ours(const struct cn_text_version *t)
{
    return strcmp(t->author, "embedded") == 0 || strcmp(t->author, "host") == 0 ||
           cn_text_starts(t->author, "llm:");
}

/* Someone's who does not sit in front of the file: may be taken back by the host. */
static bool may_be_reverted(const struct cn_text_version *t)
{
    return strcmp(t->author, "embedded") == 0 || cn_text_starts(t->author, "llm:");
}

const struct cn_text_version *cn_edits_at_end(const struct cn_history *h, int64_t block)
{
    for (int64_t i = 0; i < h->n_texts; i++)
        if (is_protocol(&h->texts[i]) && h->texts[i].block == block &&
            h->texts[i].version > 1 && is_ours(&h->texts[i]))
            return &h->texts[i];
    return NULL;
}

static int64_t latest(const struct cn_history *h, int64_t upto_block)
{
    int64_t version = 0;

    for (int64_t i = 0; i < h->n_texts; i++)
        if (is_protocol(&h->texts[i]) && h->texts[i].version > version &&
            (h->texts[i].block <= upto_block || h->texts[i].version == 1))
            version = h->texts[i].version;
    return version;
}

int64_t cn_edits_of_block(const struct cn_history *h, int64_t block)
{
    const struct cn_text_version *end = cn_edits_at_end(h, block);

    return end ? end->version - 1 : latest(h, block);
}

const char *cn_edits_user_reason(const struct cn_history *h, const char *hash, char out[96])
{
    int64_t version = 0;

    for (int64_t i = 0; i < h->n_texts; i++)
        if (is_protocol(&h->texts[i]) && strcmp(h->texts[i].hash, hash) == 0)
            version = h->texts[i].version;
    if (version > 0)
        cn_text_format(out, 96, "edited in place: the words of version %lld",
                       (long long)version);
    else
        cn_text_copy(out, 96, "edited in place");
    return out;
}

/* The words and the hash of protocol.md; both empty when it is absent. */
static cn_status read_file(const struct cn_run *r, struct cn_buf *out, char hash[CN_HASH_TEXT],
                           struct cn_err *err)
{
    char *path = cn_file_join(r->dir, CN_EDITS_FILE);
    cn_status st = path ? cn_file_read(path, CN_CAP_PROTOCOL, out, err)
                        : cn_err_set(err, CN_ENOMEM, "%s: no memory", r->dir);

    hash[0] = '\0';
    if (st == CN_OK)
        (void)cn_hash_hex(cn_buf_str(out), out->len, hash);
    cn_free(path);
    return st == CN_ENOTFOUND ? CN_OK : st;
}

static cn_status put_file(struct cn_run *r, const char *text, const char *hash,
                          struct cn_err *err)
{
    cn_status st = cn_run_put(r->dir, CN_EDITS_FILE, text, strlen(text), err);

    return st == CN_OK ? cn_store_projection_set(r->store, CN_EDITS_FILE, hash, hash, err) : st;
}

cn_status cn_edits_settle(struct cn_run *r, struct cn_err *err)
{
    char old[CN_HASH_TEXT], next[CN_HASH_TEXT], stored[CN_HASH_TEXT], there[CN_HASH_TEXT];
    struct cn_buf words, file;
    cn_status st = cn_store_projection(r->store, CN_EDITS_FILE, old, next, NULL);

    if (st == CN_ENOTFOUND || (st == CN_OK && strcmp(old, next) == 0))
        return CN_OK;
    cn_buf_init(&words, CN_CAP_PROTOCOL);
    cn_buf_init(&file, CN_CAP_PROTOCOL);
    st = cn_store_text(r->store, CN_EDITS_KIND, 0, &words, err);
    if (st == CN_OK)
        st = read_file(r, &file, there, err);
    (void)cn_hash_hex(cn_buf_str(&words), words.len, stored);
    if (st != CN_OK || strcmp(stored, next) != 0) {
        /* The version was never made, or a newer one stands: nothing is owed to the file. */
    } else if (strcmp(there, old) == 0) {
        st = put_file(r, cn_buf_str(&words), next, err);
    } else {
        /* Written, or a person was faster: their words become a version. */
        st = cn_store_projection_set(r->store, CN_EDITS_FILE, next, next, err);
    }
    cn_buf_clear(&words);
    cn_buf_clear(&file);
    return st;
}

/* ------------------------------------------------------------------ 2. one edit */

/* A person's words that could not be taken over stand in the file: they would be lost. */
static cn_status check_file(const struct cn_run *r, struct cn_err *err)
{
    char hash[CN_HASH_TEXT];
    struct cn_buf file;
    cn_status st;

    cn_buf_init(&file, CN_CAP_PROTOCOL);
    st = read_file(r, &file, hash, err);
    if (st == CN_OK && hash[0] && strcmp(hash, r->protocol->hash) != 0)
        st = cn_err_set(err, CN_EINPUT,
                        "%s holds words of a person that are not in force; they are not "
                        "overwritten",
                        CN_EDITS_FILE);
    cn_buf_clear(&file);
    return st;
}

cn_status cn_edits_put(struct cn_run *r, const char *text, const char *author,
                       const char *reason, struct cn_err *err)
{
    char hash[CN_HASH_TEXT];
    cn_status st = cn_edit_check(r->protocol, text, err);

    (void)cn_hash_hex(text, strlen(text), hash);
    if (st == CN_OK)
        st = check_file(r, err);
    if (st == CN_OK)
        st = cn_store_projection_set(r->store, CN_EDITS_FILE, r->protocol->hash, hash, err);
    if (st == CN_OK)
        st = cn_store_text_put(r->store, CN_EDITS_KIND, author, reason, text, NULL, err);
    if (st == CN_OK)
        st = put_file(r, text, hash, err);
    return st == CN_OK ? cn_run_adopt_protocol(r, err) : st;
}

/* ------------------------------------------------------------------ 3. a person's way back */

/* Words of the version into `out`; its latest version's number and hash. */
static cn_status find_version(const struct cn_run *r, int64_t version, struct cn_buf *out,
                              char in_force[CN_HASH_TEXT], struct cn_err *err)
{
    struct cn_history h;
    int64_t last;
    cn_status st;

    in_force[0] = '\0';
    memset(&h, 0, sizeof h);
    st = cn_store_window(r->store, 0, &h, err);
    last = st == CN_OK ? latest(&h, INT64_MAX) : 0;
    if (st == CN_OK && (version < 1 || version > last))
        st = cn_err_set(err, CN_ENOTFOUND,
                        "%s: no version %lld of the protocol; there are 1 to %lld", r->dir,
                        (long long)version, (long long)last);
    for (int64_t i = 0; st == CN_OK && i < h.n_texts; i++)
        if (is_protocol(&h.texts[i]) && h.texts[i].version == last)
            cn_text_copy(in_force, CN_HASH_TEXT, h.texts[i].hash);
    cn_history_clear(&h);
    return st == CN_OK ? cn_store_text(r->store, CN_EDITS_KIND, version, out, err) : st;
}

/* The words of `version` become the file's, and with `whole` a version. */
static cn_status go_back(struct cn_run *r, int64_t version, bool whole, struct cn_err *err)
{
    char now[CN_HASH_TEXT], file[CN_HASH_TEXT], hash[CN_HASH_TEXT], reason[64];
    struct cn_buf words, there;
    cn_status st;

    cn_buf_init(&words, CN_CAP_PROTOCOL);
    cn_buf_init(&there, CN_CAP_PROTOCOL);
    st = find_version(r, version, &words, now, err);
    if (st == CN_OK)
        st = read_file(r, &there, file, err);
    (void)cn_hash_hex(cn_buf_str(&words), words.len, hash);
    cn_text_format(reason, sizeof reason, "reverted to version %lld", (long long)version);
    if (st == CN_OK && strcmp(hash, now) == 0)
        st = cn_err_set(err, CN_EEXIST, "%s: the words of version %lld are in force", r->dir,
                        (long long)version);
    if (st == CN_OK && file[0] && strcmp(file, now) != 0)
        st = cn_err_set(err, CN_EINPUT,
                        "%s/%s holds words that are no version yet; let the harness take them "
                        "over (cairn resume), or put them aside",
                        r->dir, CN_EDITS_FILE);
    if (st == CN_OK && whole)
        st = cn_store_projection_set(r->store, CN_EDITS_FILE, now, hash, err);
    if (st == CN_OK && whole)
        st = cn_store_text_put(r->store, CN_EDITS_KIND, "user", reason, cn_buf_str(&words),
                               NULL, err);
    if (st == CN_OK)
        st = whole ? put_file(r, cn_buf_str(&words), hash, err)
                   : cn_run_put(r->dir, CN_EDITS_FILE, cn_buf_str(&words), words.len, err);
    cn_buf_clear(&words);
    cn_buf_clear(&there);
    return st;
}

static cn_status go_back_alone(struct cn_run *r, int64_t version, struct cn_err *err)
{
    cn_status st = cn_store_open(r->dir, CN_STORE_WRITE, &r->store, err);

    if (st == CN_OK)
        st = cn_store_lease_steal(r->store, "cairn protocol revert", cn_clock_now_ms(),
                                  CN_RUN_LEASE_MS, err);
    if (st == CN_OK)
        st = cn_edits_settle(r, err);
    if (st == CN_OK)
        st = go_back(r, version, true, err);
    if (r->store && cn_store_lease_release(r->store, NULL) != CN_OK && st == CN_OK)
        st = cn_err_set(err, CN_EIO, "%s: the lease could not be released", r->dir);
    return st;
}

cn_status cn_edits_revert(const char *dir, int64_t version, bool *out_left, struct cn_err *err)
{
    struct cn_run *r = cn_alloc(1, sizeof *r);
    char *lock = cn_file_join(dir, "run.lock");
    cn_status st = CN_OK;
    int fd = -1;

    *out_left = false;
    if (!r || !lock || !(r->dir = cn_run_clean_dir(dir)))
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory", dir);
    if (st == CN_OK)
        st = cn_file_lock(lock, 0, &fd, err);
    if (st == CN_OK) {
        st = go_back_alone(r, version, err);
    } else if (st == CN_ELOCKED) {
        *out_left = true;
        st = cn_store_open(r->dir, CN_STORE_READ, &r->store, err);
        if (st == CN_OK)
            st = go_back(r, version, false, err);
    }
    if (r) {
        cn_store_close(r->store);
        cn_free(r->dir);
    }
    cn_file_unlock(fd);
    cn_free(lock);
    cn_free(r);
    return st;
}

/* ------------------------------------------------------------------ 4. the end of a block */

struct at_end {
    struct cn_run *r;
    struct cn_history h;
    struct cn_arena a;
    int64_t block, iteration; /* that ends; its last iteration, which the events are about */
    bool full;
    /* Versions that were made while the block before was the newest; 0: none. */
    int64_t first, last;
    bool revertible; /* all of them */
    struct cn_edit_effect effect;
    struct cn_buf effect_text; /* empty: there was no edit */
    struct cn_err *err;
};

static cn_status load(struct at_end *e, int64_t block)
{
    cn_status st = cn_store_window(e->r->store, CN_STORE_WINDOW, &e->h, e->err);

    if (st != CN_OK)
        return st;
    e->block = block;
    e->revertible = true;
    for (int64_t i = 0; i < e->h.n_iterations; i++)
        if (e->h.iterations[i].block == block && !e->h.iterations[i].confirmation)
            e->iteration = e->h.iterations[i].id;
    for (int64_t i = 0; block > 1 && i < e->h.n_texts; i++) {
        const struct cn_text_version *t = &e->h.texts[i];

        if (!is_protocol(t) || t->block != block - 1 || t->version == 1)
            continue;
        e->first = e->first ? e->first : t->version;
        e->last = t->version;
        e->revertible = e->revertible && may_be_reverted(t);
    }
    return CN_OK;
}

/* "versions 3 to 4: " */
static void put_versions(const struct at_end *e, struct cn_buf *out)
{
    if (e->first == e->last)
        cn_buf_printf(out, "version %lld: ", (long long)e->last);
    else
        cn_buf_printf(out, "versions %lld to %lld: ", (long long)e->first, (long long)e->last);
}

static cn_status measure_effect(struct at_end *e)
{
    struct cn_buf text;
    cn_status st;

    if (e->last == 0)
        return CN_OK;
    st = cn_edit_effect_measure(&e->h, e->block - 1, e->block, e->r->settings.confidence,
                                &e->effect, e->err);
    if (st != CN_OK)
        return st;
    cn_edit_effect_text(&e->effect, &e->effect_text);
    cn_buf_init(&text, CN_CAP_RECORD);
    put_versions(e, &text);
    cn_buf_adds(&text, cn_buf_str(&e->effect_text));
    st = cn_store_event(e->r->store, e->iteration, CN_EDITS_EVENT_EFFECT, cn_buf_str(&text),
                        e->err);
    cn_buf_clear(&text);
    return st;
}

static cn_status none(struct cn_buf *reason, const char *words)
{
    cn_buf_reset(reason);
    cn_buf_printf(reason, "none: %s", words);
    return cn_buf_status(reason);
}

/* A refusal is a reason for no edit; everything else is an error. */
static cn_status put_or_say(struct at_end *e, const char *text, const char *author,
                            struct cn_buf *reason)
{
    struct cn_err why = CN_ERR_INIT;
    cn_status st = cn_edits_put(e->r, text, author, cn_buf_str(reason), &why);

    if (st == CN_EINPUT)
        return none(reason, why.text);
    return st == CN_OK ? CN_OK : cn_err_set(e->err, st, "%s", why.text);
}

/* Take back what made the block worse. */
static cn_status revert(struct at_end *e, struct cn_buf *reason)
{
    struct cn_buf words;
    cn_status st;

    if (!e->revertible || latest(&e->h, INT64_MAX) != e->last)
        return none(reason, "the last block was worse, but a person changed the rules as well: "
                            "nothing is taken back");
    cn_buf_init(&words, CN_CAP_PROTOCOL);
    st = cn_store_text(e->r->store, CN_EDITS_KIND, e->first - 1, &words, e->err);
    cn_buf_reset(reason);
    cn_buf_printf(reason, "back to the rules of version %lld: %s", (long long)e->first - 1,
                  cn_buf_str(&e->effect_text));
    if (st == CN_OK)
        st = put_or_say(e, cn_buf_str(&words), "host", reason);
    cn_buf_clear(&words);
    return st;
}

/* All versions, read; those that cannot be read any more stay NULL. */
static cn_status read_versions(struct at_end *e, struct cn_protocol **out, int64_t n)
{
    struct cn_buf words;
    cn_status st = CN_OK;

    cn_buf_init(&words, CN_CAP_PROTOCOL);
    for (int64_t i = 0; st == CN_OK && i < n; i++) {
        st = cn_store_text(e->r->store, CN_EDITS_KIND, i + 1, &words, e->err);
        if (st == CN_OK && cn_protocol_parse(e->r->protocol->name, cn_buf_str(&words),
                                             words.len, &out[i], NULL) == CN_ENOMEM)
            st = cn_err_set(e->err, CN_ENOMEM, "no memory for version %lld", (long long)i + 1);
    }
    cn_buf_clear(&words);
    return st;
}

static cn_status choose_and_put(struct at_end *e, struct cn_buf *reason)
{
    int64_t n = latest(&e->h, INT64_MAX);
    struct cn_protocol **versions = cn_arena_alloc(&e->a, (size_t)n + 1, sizeof(void *));
    struct cn_edit_choice choice = {NULL, NULL, ""};
    struct cn_buf text;
    cn_status st = versions ? read_versions(e, versions, n)
                            : cn_err_set(e->err, CN_ENOMEM, "no memory for the versions");

    cn_buf_init(&text, CN_CAP_PROTOCOL);
    if (st == CN_OK)
        st = cn_edit_choose(&e->r->planner, &e->h, e->block,
                            (const struct cn_protocol *const *)versions, n, &e->a, &choice,
                            e->err);
    cn_buf_reset(reason);
    cn_buf_adds(reason, choice.reason);
    if (st == CN_OK && choice.old_text)
        st = cn_edit_apply(e->r->protocol, choice.old_text, choice.new_text, &text, e->err);
    if (st == CN_OK && choice.old_text)
        st = put_or_say(e, cn_buf_str(&text), "embedded", reason);
    for (int64_t i = 0; versions && i < n; i++)
        cn_protocol_free(versions[i]);
    cn_buf_clear(&text);
    return st;
}

/* What the model wants of the rules; CN_ENOTFOUND: it said nothing about them. */
static cn_status put_models(struct at_end *e, struct cn_buf *reason)
{
    const char *author = "";
    struct cn_buf text;
    cn_status st;

    cn_buf_init(&text, CN_CAP_PROTOCOL);
    st = cn_consult_edit(e->r, e->block, &text, reason, &author, e->err);
    if (st == CN_OK && text.len > 0) {
        st = put_or_say(e, cn_buf_str(&text), author, reason);
    } else if (st == CN_OK) {
        char *words = cn_strdup(cn_buf_str(reason));

        st = words ? none(reason, words) : cn_err_set(e->err, CN_ENOMEM, "no memory");
        cn_free(words);
    }
    cn_buf_clear(&text);
    return st;
}

/* The edit, or in `reason` why there is none ("none: ..."). */
static cn_status edit(struct at_end *e, struct cn_buf *reason)
{
    const struct cn_settings *s = &e->r->settings;
    cn_status st;

    if (!e->full)
        return none(reason, "the block ended before its time");
    if (e->effect_text.len > 0 && e->effect.verdict == CN_EDIT_WORSE &&
        strcmp(s->revert_worse_edits, "true") == 0)
        return revert(e, reason);
    if (strcmp(s->edit_rules, "true") != 0)
        return none(reason, "explore.edit_rules is off");
    st = put_models(e, reason);
    if (st != CN_ENOTFOUND)
        return st;
    if (strcmp(s->proposer, "embedded") != 0 && !cn_settings_want_model(s)) {
        cn_buf_printf(reason, "none: the %s proposer does not follow rules", s->proposer);
        return CN_OK;
    }
    return choose_and_put(e, reason);
}

/* The version that this block's end made, also one that was made before we were killed. */
static cn_status note_version(struct at_end *e, struct cn_buf *reason, struct cn_buf *note)
{
    const struct cn_text_version *made;
    struct cn_buf text;
    cn_status st = CN_OK;

    cn_history_clear(&e->h);
    st = cn_store_window(e->r->store, CN_STORE_WINDOW, &e->h, e->err);
    made = st == CN_OK ? cn_edits_at_end(&e->h, e->block) : NULL;
    cn_buf_init(&text, CN_CAP_RECORD);
    if (made) {
        cn_buf_printf(&text, "version %lld: %s", (long long)made->version, made->reason);
        cn_buf_adds(note, cn_buf_str(&text));
        st = cn_store_event(e->r->store, e->iteration, CN_EDITS_EVENT, cn_buf_str(&text),
                            e->err);
    } else if (st == CN_OK) {
        cn_buf_adds(note, cn_buf_str(reason));
    }
    cn_buf_clear(&text);
    return st;
}

cn_status cn_edits_block_end(struct cn_run *r, int64_t block, bool full, struct cn_buf *note,
                             struct cn_err *err)
{
    struct at_end e = {.r = r, .full = full, .err = err};
    struct cn_buf reason;
    cn_status st = cn_edits_settle(r, err);

    cn_arena_init(&e.a, CN_CAP_ARENA);
    cn_buf_init(&reason, CN_CAP_RECORD);
    cn_buf_init(&e.effect_text, CN_CAP_RECORD);
    if (st == CN_OK) /* a person's wish comes first */
        st = cn_run_adopt_protocol(r, err);
    if (st == CN_OK)
        st = load(&e, block);
    if (st == CN_OK)
        st = measure_effect(&e);
    if (st == CN_OK && !cn_edits_at_end(&e.h, block))
        st = edit(&e, &reason);
    if (st == CN_OK)
        st = note_version(&e, &reason, note);
    if (st == CN_OK && e.effect_text.len > 0) {
        cn_buf_adds(note, "; what the last edit did: ");
        put_versions(&e, note);
        cn_buf_adds(note, cn_buf_str(&e.effect_text));
    }
    cn_buf_clear(&e.effect_text);
    cn_buf_clear(&reason);
    cn_history_clear(&e.h);
    cn_arena_clear(&e.a);
    return st;
}
