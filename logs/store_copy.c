/* A store from an export, and what an export takes besides iterations. See export.h. */
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "logs/export.h"
#include "logs/store_int.h"

cn_status cn_store_each_event(struct cn_store *s, cn_store_event_fn *fn, void *ctx,
                              struct cn_err *err)
{
    sqlite3_stmt *q = NULL;
    cn_status st = cn_sql_prepare(
        s, "SELECT id, at_ms, iteration, kind, text FROM event ORDER BY id", NULL, &q, err);

    while (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        const struct cn_event e = {.id = sqlite3_column_int64(q, 0),
                                   .at_ms = sqlite3_column_int64(q, 1),
                                   .iteration = sqlite3_column_int64(q, 2),
                                   .kind = cn_sql_text(q, 3),
                                   .text = cn_sql_text(q, 4)};
        st = fn(ctx, &e);
    }
    sqlite3_finalize(q);
    return st;
}

static cn_status put_text(struct cn_store *s, const struct cn_text_version *t,
                          const char *words, struct cn_err *err)
{
    char hash[CN_HASH_TEXT];

    return cn_sql_run(
        s,
        "INSERT INTO text (kind, version, author, reason, hash, words, at_ms, block)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        SQL_ARGS(SQL_T(t->kind), SQL_I(t->version), SQL_T(t->author), SQL_T(t->reason),
                 SQL_T(cn_hash_hex(words, strlen(words), hash)), SQL_T(words), SQL_I(t->at_ms),
                 SQL_I(t->block)),
        err);
}

static cn_status put_iteration(struct cn_store *s, const struct cn_iteration *it,
                               struct cn_err *err)
{
    cn_status st = cn_store_import_iteration(s, it, err);

    /* How often it was tried is counted from the steps. */
    for (int32_t k = 1; st == CN_OK && k <= it->infra_retries; k++)
        st = cn_sql_run(s, "INSERT INTO step VALUES ('retry', ?, ?, '', ?)",
                        SQL_ARGS(SQL_I(it->id), SQL_I(k), SQL_I(it->planned_ms)), err);
    return st;
}

static cn_status put_around(struct cn_store *s, const struct cn_exported *e, struct cn_err *err)
{
    const struct cn_history *h = &e->history;
    cn_status st = CN_OK;

    for (int64_t i = 0; st == CN_OK && i < h->n_texts; i++)
        st = put_text(s, &h->texts[i], e->words[i], err);
    for (int64_t i = 0; st == CN_OK && i < h->n_messages; i++)
        st = cn_store_import_message(s, &h->messages[i], err);
    for (int64_t i = 0; st == CN_OK && i < h->n_events; i++)
        st = cn_sql_run(s,
                        "INSERT INTO event (at_ms, iteration, kind, text) VALUES (?, ?, ?, ?)",
                        SQL_ARGS(SQL_I(h->events[i].at_ms), SQL_I(h->events[i].iteration),
                                 SQL_T(h->events[i].kind), SQL_T(h->events[i].text)),
                        err);
    for (int i = 0; st == CN_OK && i < CN_EXPORT_FACTS; i++)
        if (e->facts[i])
            st = cn_sql_run(s, "INSERT INTO fact VALUES (?, ?)",
                            SQL_ARGS(SQL_T(cn_export_facts[i]), SQL_T(e->facts[i])), err);
    return st;
}

static cn_status fill(struct cn_store *s, const void *ctx, struct cn_err *err)
{
    const struct cn_exported *e = ctx;
    const struct cn_history *h = &e->history;
    cn_status st = cn_store_add_run(s, &h->info, err);

    for (int64_t i = 0; st == CN_OK && i < h->n_blocks; i++)
        st = cn_store_add_block(s, &h->blocks[i], err);
    for (int64_t i = 0; st == CN_OK && i < h->n_nodes; i++)
        st = cn_store_add_node(s, &h->nodes[i], err);
    for (int64_t i = 0; st == CN_OK && i < h->n_iterations; i++)
        st = put_iteration(s, &h->iterations[i], err);
    if (st == CN_OK)
        st = put_around(s, e, err);
    if (st == CN_OK)
        st = cn_store_roll_all(s, err);
    return st == CN_OK ? cn_store_check(s, err) : st;
}

cn_status cn_store_restore(const char *run_dir, const struct cn_exported *e,
                           struct cn_store **out, struct cn_err *err)
{
    return cn_store_make(run_dir, fill, e, out, err);
}
