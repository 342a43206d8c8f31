/* Around the steps: texts with versions, events, messages, facts, hashes of projections. */
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/hash.h"
#include "logs/store.h"
#include "logs/store_int.h"

/* ---- texts ---- */

static cn_status latest_version(struct cn_store *s, const char *kind, int64_t *out_version,
                                char out_hash[CN_HASH_TEXT], struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(
        s, "SELECT version, hash FROM text WHERE kind = ? ORDER BY version DESC LIMIT 1",
        SQL_ARGS(SQL_T(kind)), &q, err);

    *out_version = 0;
    memset(out_hash, 0, CN_HASH_TEXT);
    if (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        *out_version = sqlite3_column_int64(q, 0);
        size_t n = strlen(cn_sql_text(q, 1));
        memcpy(out_hash, cn_sql_text(q, 1), n < CN_HASH_TEXT ? n : CN_HASH_TEXT - 1);
    }
    sqlite3_finalize(q);
    return st;
}

cn_status cn_store_add_text(struct cn_store *s, const char *kind, const char *author,
                            const char *reason, const char *text, int64_t *opt_out_version,
                            struct cn_err *err)
{
    char hash[CN_HASH_TEXT], old[CN_HASH_TEXT];
    int64_t version = 0;
    cn_status st = latest_version(s, kind, &version, old, err);

    cn_hash_hex(text, strlen(text), hash);
    if (st == CN_OK && (version == 0 || strcmp(hash, old) != 0)) {
        version++;
        st = cn_sql_run(s,
                        "INSERT INTO text (kind, version, author, reason, hash, words, at_ms,"
                        " block) SELECT ?, ?, ?, ?, ?, ?, ?, coalesce(max(number), 0)"
                        " FROM block",
                        SQL_ARGS(SQL_T(kind), SQL_I(version), SQL_T(author), SQL_T(reason),
                                 SQL_T(hash), SQL_T(text), SQL_I(cn_clock_now_ms())),
                        err);
    }
    if (opt_out_version)
        *opt_out_version = st == CN_OK ? version : 0;
    return st;
}

cn_status cn_store_text_put(struct cn_store *s, const char *kind, const char *author,
                            const char *reason, const char *text, int64_t *opt_out_version,
                            struct cn_err *err)
{
    if (opt_out_version)
        *opt_out_version = 0;
    if (!kind || !kind[0] || !text)
        return cn_err_set(err, CN_EINPUT, "a text version wants a kind and words");
    cn_status st = cn_store_begin(s, true, err);
    if (st == CN_OK)
        st = cn_store_add_text(s, kind, author, reason, text, opt_out_version, err);
    return cn_store_end(s, st, err);
}

/* The first column of the first row into `out`; CN_ENOTFOUND with `what` when there is no
 * row. */
static cn_status fetch(struct cn_store *s, const char *sql, const struct cn_sql_arg *args,
                       const char *what, struct cn_buf *out, struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(s, sql, args, &q, err);

    cn_buf_reset(out);
    if (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        cn_buf_adds(out, cn_sql_text(q, 0));
        st = cn_buf_status(out);
        if (st != CN_OK)
            st = cn_err_set(err, st, "%s: does not fit in %zu bytes", what, out->cap);
    } else if (st == CN_OK) {
        st = cn_err_set(err, CN_ENOTFOUND, "%s/%s: no %s", s->dir, CN_STORE_FILE, what);
    }
    sqlite3_finalize(q);
    return st;
}

cn_status cn_store_text(struct cn_store *s, const char *kind, int64_t version,
                        struct cn_buf *out, struct cn_err *err)
{
    return fetch(s,
                 "SELECT words FROM text WHERE kind = ?1 AND (?2 = 0 OR version = ?2)"
                 " ORDER BY version DESC LIMIT 1",
                 SQL_ARGS(SQL_T(kind), SQL_I(version)), kind, out, err);
}

/* ---- events and messages ---- */

cn_status cn_store_event(struct cn_store *s, int64_t iteration, const char *kind,
                         const char *text, struct cn_err *err)
{
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = cn_sql_run(
            s,
            "INSERT INTO event (at_ms, iteration, kind, text) SELECT ?1, ?2, ?3, ?4"
            " WHERE ?2 = 0 OR NOT EXISTS (SELECT 1 FROM event WHERE iteration = ?2"
            " AND kind = ?3 AND text = ?4)",
            SQL_ARGS(SQL_I(cn_clock_now_ms()), SQL_I(iteration), SQL_T(kind), SQL_T(text)),
            err);
    return cn_store_end(s, st, err);
}

cn_status cn_store_message_add(struct cn_store *s, const char *opt_key, const char *text,
                               int64_t *out_id, struct cn_err *err)
{
    bool keyed = opt_key && opt_key[0];
    const struct cn_sql_arg key = {.kind = keyed ? 't' : 'n', .t = opt_key};

    *out_id = 0;
    if (!text || !text[0])
        return cn_err_set(err, CN_EINPUT, "an empty message says nothing");
    cn_status st = cn_store_begin(s, false, err);
    if (st == CN_OK && keyed)
        st = cn_sql_int(s, "SELECT id FROM message WHERE key = ?", SQL_ARGS(key), 0, out_id,
                        err);
    if (st == CN_OK && *out_id == 0) {
        st = cn_sql_run(s, "INSERT INTO message (key, text, sent_ms) VALUES (?, ?, ?)",
                        SQL_ARGS(key, SQL_T(text), SQL_I(cn_clock_now_ms())), err);
        *out_id = sqlite3_last_insert_rowid(s->db);
    }
    st = cn_store_end(s, st, err);
    if (st != CN_OK)
        *out_id = 0;
    return st;
}

cn_status cn_store_message_ack(struct cn_store *s, int64_t id, int64_t iteration,
                               struct cn_err *err)
{
    return cn_store_message_answer(s, id, iteration, "", err);
}

cn_status cn_store_message_answer(struct cn_store *s, int64_t id, int64_t iteration,
                                  const char *answer, struct cn_err *err)
{
    int64_t known = 0;
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = cn_sql_int(s, "SELECT 1 FROM message WHERE id = ?", SQL_ARGS(SQL_I(id)), 0, &known,
                        err);
    if (st == CN_OK && !known)
        st = cn_err_set(err, CN_EINPUT, "there is no message %lld", (long long)id);
    if (st == CN_OK)
        st = cn_sql_run(
            s,
            "UPDATE message SET acked_ms = ?, acked_iteration = ?, answer = ?"
            " WHERE id = ? AND acked_ms = 0",
            SQL_ARGS(SQL_I(cn_clock_now_ms()), SQL_I(iteration), SQL_T(answer), SQL_I(id)),
            err);
    return cn_store_end(s, st, err);
}

/* ---- facts and projections ---- */

cn_status cn_store_fact_set(struct cn_store *s, const char *key, const char *text,
                            struct cn_err *err)
{
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = cn_sql_run(s,
                        "INSERT INTO fact VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE"
                        " SET text = ?2 WHERE text <> ?2",
                        SQL_ARGS(SQL_T(key), SQL_T(text)), err);
    return cn_store_end(s, st, err);
}

cn_status cn_store_fact(struct cn_store *s, const char *key, struct cn_buf *out,
                        struct cn_err *err)
{
    return fetch(s, "SELECT text FROM fact WHERE key = ?", SQL_ARGS(SQL_T(key)), key, out, err);
}

cn_status cn_store_projection_set(struct cn_store *s, const char *name, const char *old,
                                  const char *next, struct cn_err *err)
{
    static const struct cn_projection_mark none = {0, 0, 0};

    return cn_store_projection_mark(s, name, old, next, &none, err);
}

cn_status cn_store_projection_mark(struct cn_store *s, const char *name, const char *old,
                                   const char *next, const struct cn_projection_mark *mark,
                                   struct cn_err *err)
{
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = cn_sql_run(s,
                        "INSERT INTO projection VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
                        " ON CONFLICT (name) DO UPDATE SET old = ?2, next = ?3, form = ?4,"
                        " stable = ?5, upto = ?6",
                        SQL_ARGS(SQL_T(name), SQL_T(old), SQL_T(next), SQL_I(mark->form),
                                 SQL_I(mark->settled), SQL_I(mark->next)),
                        err);
    return cn_store_end(s, st, err);
}

static void copy_hash(char out[CN_HASH_TEXT], const char *from)
{
    size_t n = strlen(from);

    memcpy(out, from, n < CN_HASH_TEXT ? n : CN_HASH_TEXT - 1);
}

cn_status cn_store_projection(struct cn_store *s, const char *name, char out_old[CN_HASH_TEXT],
                              char out_next[CN_HASH_TEXT], struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(s, "SELECT old, next FROM projection WHERE name = ?",
                                  SQL_ARGS(SQL_T(name)), &q, err);

    memset(out_old, 0, CN_HASH_TEXT);
    memset(out_next, 0, CN_HASH_TEXT);
    if (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        copy_hash(out_old, cn_sql_text(q, 0));
        copy_hash(out_next, cn_sql_text(q, 1));
    } else if (st == CN_OK) {
        st = cn_err_set(err, CN_ENOTFOUND, "%s/%s was never written", s->dir, name);
    }
    sqlite3_finalize(q);
    return st;
}

cn_status cn_store_projection_marked(struct cn_store *s, const char *name,
                                     struct cn_projection_mark *out, struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(s, "SELECT form, stable, upto FROM projection WHERE name = ?",
                                  SQL_ARGS(SQL_T(name)), &q, err);

    memset(out, 0, sizeof *out);
    if (st == CN_OK && cn_sql_row(s, q, &st, err))
        *out = (struct cn_projection_mark){
            sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1), sqlite3_column_int64(q, 2)};
    sqlite3_finalize(q);
    return st;
}

/* ---- volumes of the log ---- */

cn_status cn_store_volume_add(struct cn_store *s, const struct cn_volume *v, struct cn_err *err)
{
    int64_t last = 0, there = 0;
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = cn_sql_int(s, "SELECT 1 FROM volume WHERE number = ? AND last = ? AND hash = ?",
                        SQL_ARGS(SQL_I(v->number), SQL_I(v->last), SQL_T(v->hash)), 0, &there,
                        err);
    if (st == CN_OK && !there)
        st = cn_sql_int(s, "SELECT coalesce(max(number), 0) FROM volume", NULL, 0, &last, err);
    if (st == CN_OK && !there && v->number != last + 1)
        st = cn_err_set(err, CN_ECORRUPT, "volume %lld of the log: the next one is %lld",
                        (long long)v->number, (long long)last + 1);
    if (st == CN_OK && !there)
        st = cn_sql_run(s, "INSERT INTO volume VALUES (?, ?, ?, ?, ?)",
                        SQL_ARGS(SQL_I(v->number), SQL_I(v->first), SQL_I(v->last),
                                 SQL_I(v->bytes), SQL_T(v->hash)),
                        err);
    return cn_store_end(s, st, err);
}

cn_status cn_store_volume_renew(struct cn_store *s, const struct cn_volume *v,
                                struct cn_err *err)
{
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = cn_sql_run(s, "UPDATE volume SET bytes = ?, hash = ? WHERE number = ?",
                        SQL_ARGS(SQL_I(v->bytes), SQL_T(v->hash), SQL_I(v->number)), err);
    return cn_store_end(s, st, err);
}

static cn_status edit_event(struct cn_store *s, const char *name, struct cn_err *err)
{
    return cn_sql_run(s,
                      "INSERT INTO event (at_ms, iteration, kind, text)"
                      " VALUES (?, 0, 'user-edit', ? || ' was edited by a person')",
                      SQL_ARGS(SQL_I(cn_clock_now_ms()), SQL_T(name)), err);
}

cn_status cn_store_user_edit(struct cn_store *s, const char *name, const char *words,
                             const char *opt_memory, struct cn_err *err)
{
    char hash[CN_HASH_TEXT];
    int64_t before = 0, after = 0;
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = latest_version(s, name, &before, hash, err);
    if (st == CN_OK)
        st = cn_store_add_text(s, name, "user", "edited in place", words, &after, err);
    if (st == CN_OK && after != before && opt_memory)
        st = cn_store_add_text(s, "memory", "user", "edited in place", opt_memory, NULL, err);
    if (st == CN_OK && after != before)
        st = edit_event(s, name, err);
    return cn_store_end(s, st, err);
}
