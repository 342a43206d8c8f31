/* Exchanges with a language model: tables exchange, exchange_attempt, exchange_body. See exchange.h.
 *
 * Contents: 1 request texts  2 mutations  3 reading  4 sums
 */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "logs/delta.h"
#include "logs/exchange.h"
#include "logs/store_int.h"

/* ---- 1 request texts: each as the pieces in which it differs from the one before ---- */

enum { DEEPEST = 32 };

struct piece {
    int64_t base; /* 0: whole */
    int64_t depth;
};

/* One row; its words are appended to `out`. */
static cn_status read_piece(struct cn_store *s, int64_t id, struct piece *p, struct cn_buf *out,
                            struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(
        s, "SELECT coalesce(base, 0), depth, words FROM exchange_body WHERE id = ?",
        SQL_ARGS(SQL_I(id)), &q, err);

    memset(p, 0, sizeof *p);
    if (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        *p = (struct piece){sqlite3_column_int64(q, 0), sqlite3_column_int64(q, 1)};
        cn_buf_add(out, sqlite3_column_blob(q, 2), (size_t)sqlite3_column_bytes(q, 2));
        st = cn_buf_status(out);
    } else if (st == CN_OK) {
        st = cn_err_set(err, CN_ENOTFOUND, "%s: there is no request text %lld", s->dir,
                        (long long)id);
    }
    sqlite3_finalize(q);
    return st;
}

/* The text out of what it leans on. */
static cn_status patch(struct cn_store *s, int64_t id, const struct cn_buf *delta,
                       struct cn_buf *text, struct cn_err *err)
{
    struct cn_buf next;
    cn_status st = CN_OK;

    cn_buf_init(&next, text->cap);
    if (!cn_delta_apply(cn_buf_str(text), text->len, cn_buf_str(delta), delta->len, &next))
        st = cn_err_set(err, CN_ECORRUPT, "%s/%s: request text %lld does not fit its base",
                        s->dir, CN_STORE_FILE, (long long)id);
    cn_buf_reset(text);
    cn_buf_add(text, cn_buf_str(&next), next.len);
    if (st == CN_OK && cn_buf_status(text) != CN_OK)
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory for a request", s->dir);
    cn_buf_clear(&next);
    return st;
}

/* From the whole text at the chain's end to the asked one. */
static cn_status read_body(struct cn_store *s, int64_t id, struct cn_buf *out,
                           int64_t *opt_depth, struct cn_err *err)
{
    int64_t chain[DEEPEST + 1], at = id;
    struct piece p = {0, 0};
    struct cn_buf words;
    int n = 0;
    cn_status st = CN_OK;

    cn_buf_init(&words, CN_CAP_TEXT);
    cn_buf_reset(out);
    if (opt_depth)
        *opt_depth = 0;
    for (; st == CN_OK && at > 0; at = p.base) {
        if (n > DEEPEST) {
            st = cn_err_set(err, CN_ECORRUPT, "%s/%s: request text %lld leans on too many",
                            s->dir, CN_STORE_FILE, (long long)id);
            break;
        }
        chain[n++] = at;
        cn_buf_reset(&words);
        st = read_piece(s, at, &p, &words, err);
        if (at == id && opt_depth)
            *opt_depth = p.depth;
    }
    if (st == CN_OK && n > 0)
        cn_buf_add(out, cn_buf_str(&words), words.len);
    for (int i = n - 2; st == CN_OK && i >= 0; i--) {
        cn_buf_reset(&words);
        st = read_piece(s, chain[i], &p, &words, err);
        if (st == CN_OK)
            st = patch(s, chain[i], &words, out, err);
    }
    cn_buf_clear(&words);
    return st;
}

cn_status cn_exchange_body(struct cn_store *s, int64_t body, struct cn_buf *out,
                           struct cn_err *err)
{
    return read_body(s, body, out, NULL, err);
}

/* What is kept of a request: images aside, the middle of a huge one left out. */
static void keep_text(const char *body, size_t n, struct cn_buf *out)
{
    struct cn_buf slim;

    cn_buf_init(&slim, CN_CAP_TEXT);
    cn_exchange_slim(body, n, &slim);
    if (slim.len > CN_EXCHANGE_REQUEST) {
        const size_t half = CN_EXCHANGE_REQUEST / 2;
        cn_buf_add(out, cn_buf_str(&slim), half);
        cn_buf_printf(out, "[%zu bytes are not kept]", slim.len - 2 * half);
        cn_buf_add(out, cn_buf_str(&slim) + slim.len - half, half);
    } else {
        cn_buf_add(out, cn_buf_str(&slim), slim.len);
    }
    if (out->status == CN_OK)
        out->status = cn_buf_status(&slim);
    cn_buf_clear(&slim);
}

static cn_status insert_body(struct cn_store *s, const struct cn_exchange_sent *a,
                             const struct cn_buf *words, const struct piece *p, int64_t *out_id,
                             struct cn_err *err)
{
    const cn_status st =
        cn_sql_run(s,
                   "INSERT INTO exchange_body (hash, bytes, base, depth, words)"
                   " VALUES (?, ?, ?, ?, ?)",
                   SQL_ARGS(SQL_T(a->hash), SQL_I((int64_t)a->body_size), SQL_ID(p->base),
                            SQL_I(p->depth), SQL_B(cn_buf_str(words), (int64_t)words->len)),
                   err);

    *out_id = sqlite3_last_insert_rowid(s->db);
    return st;
}

/* The row of this request, which may be there already (tried again). */
static cn_status put_body(struct cn_store *s, const struct cn_exchange_sent *a, int64_t *out_id,
                          struct cn_err *err)
{
    struct cn_buf text, last, delta;
    struct piece p = {0, 0};
    int64_t before = 0, depth = 0;
    cn_status st = cn_sql_int(s, "SELECT id FROM exchange_body WHERE hash = ?",
                              SQL_ARGS(SQL_T(a->hash)), 0, out_id, err);

    if (st != CN_OK || *out_id > 0)
        return st;
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_init(&last, CN_CAP_TEXT);
    cn_buf_init(&delta, CN_CAP_TEXT);
    keep_text(a->body, a->body_size, &text);
    if (cn_buf_status(&text) != CN_OK)
        st = cn_err_set(err, cn_buf_status(&text), "%s: no memory for a request", s->dir);
    if (st == CN_OK)
        st = cn_sql_int(s, "SELECT max(id) FROM exchange_body", NULL, 0, &before, err);
    if (st == CN_OK && before > 0)
        st = read_body(s, before, &last, &depth, err);
    if (st == CN_OK && before > 0 && depth + 1 < DEEPEST) {
        cn_delta_make(cn_buf_str(&last), last.len, cn_buf_str(&text), text.len, &delta);
        if (cn_buf_status(&delta) == CN_OK && 2 * delta.len < text.len)
            p = (struct piece){before, depth + 1};
    }
    if (st == CN_OK)
        st = insert_body(s, a, p.base ? &delta : &text, &p, out_id, err);
    cn_buf_clear(&delta);
    cn_buf_clear(&text);
    cn_buf_clear(&last);
    return st;
}

/* ---- 2 mutations ---- */

cn_status cn_exchange_begin(struct cn_store *s, const struct cn_exchange_start *e,
                            int64_t *out_id, struct cn_err *err)
{
    cn_status st = cn_store_begin(s, true, err);

    *out_id = 0;
    if (st == CN_OK)
        st = cn_sql_run(
            s,
            "INSERT INTO exchange (iteration, block, phase, purpose, model, dialect, sections,"
            " replayed, started_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            SQL_ARGS(SQL_I(e->iteration), SQL_I(e->block), SQL_T(e->phase), SQL_T(e->purpose),
                     SQL_T(e->model), SQL_T(e->dialect), SQL_T(e->sections), SQL_I(e->replayed),
                     SQL_I(cn_clock_now_ms())),
            err);
    if (st == CN_OK)
        *out_id = sqlite3_last_insert_rowid(s->db);
    return cn_store_end(s, st, err);
}

static cn_status must_be_open(struct cn_store *s, int64_t id, struct cn_err *err)
{
    int64_t open = 0;
    cn_status st = cn_sql_int(s, "SELECT 1 FROM exchange WHERE id = ? AND ended_ms = 0",
                              SQL_ARGS(SQL_I(id)), 0, &open, err);

    if (st == CN_OK && !open)
        st = cn_err_set(err, CN_EINPUT, "%s: there is no open exchange %lld", s->dir,
                        (long long)id);
    return st;
}

cn_status cn_exchange_attempt_begin(struct cn_store *s, const struct cn_exchange_sent *a,
                                    int32_t *out_number, struct cn_err *err)
{
    int64_t body = 0, number = 0;
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = must_be_open(s, a->exchange, err);
    if (st == CN_OK)
        st = put_body(s, a, &body, err);
    if (st == CN_OK)
        st = cn_sql_int(s,
                        "SELECT coalesce(max(number), 0) + 1 FROM exchange_attempt WHERE"
                        " exchange = ?",
                        SQL_ARGS(SQL_I(a->exchange)), 1, &number, err);
    if (st == CN_OK)
        st = cn_sql_run(
            s,
            "INSERT INTO exchange_attempt (exchange, number, turn, try, body, worst_usd,"
            " worst_tokens, begun_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            SQL_ARGS(SQL_I(a->exchange), SQL_I(number), SQL_I(a->turn), SQL_I(a->try_number),
                     SQL_I(body), SQL_D(a->worst_usd), SQL_I(a->worst_tokens),
                     SQL_I(cn_clock_now_ms())),
            err);
    *out_number = (int32_t)number;
    return cn_store_end(s, st, err);
}

/* The exchange's sums after an attempt of it has ended. */
static cn_status add_up(struct cn_store *s, int64_t exchange, struct cn_err *err)
{
    return cn_sql_run(
        s,
        "UPDATE exchange SET (requests, lost, unpriced, input, cache_read, cache_write, output,"
        " usd, seconds) = (SELECT count(*), coalesce(sum(NOT known AND input > 0), 0),"
        " coalesce(sum(usd IS NULL), 0), coalesce(sum(input), 0), coalesce(sum(cache_read), 0),"
        " coalesce(sum(cache_write), 0), coalesce(sum(output), 0), coalesce(sum(usd), 0.0),"
        " coalesce(sum(seconds), 0.0) FROM exchange_attempt WHERE exchange = ?1 AND"
        " ended_ms <> 0) WHERE id = ?1",
        SQL_ARGS(SQL_I(exchange)), err);
}

static cn_status do_attempt_end(struct cn_store *s, int64_t exchange, int32_t number,
                                const struct cn_exchange_got *g, struct cn_err *err)
{
    const size_t keep =
        g->reply_size < CN_EXCHANGE_REPLY ? g->reply_size : (size_t)CN_EXCHANGE_REPLY;
    cn_status st = cn_sql_run(
        s,
        "UPDATE exchange_attempt SET ended_ms = ?, status = ?, trouble = ?, message = ?,"
        " request_id = ?, reply = ?, reply_bytes = ?, known = ?, input = ?, cache_read = ?,"
        " cache_write = ?, output = ?, usd = ?, seconds = ?"
        " WHERE exchange = ? AND number = ? AND ended_ms = 0",
        SQL_ARGS(SQL_I(cn_clock_now_ms()), SQL_I(g->status), SQL_T(g->trouble),
                 SQL_T(g->message), SQL_T(g->request_id), SQL_B(g->reply, (int64_t)keep),
                 SQL_I((int64_t)g->reply_size), SQL_I(g->known), SQL_I(g->input),
                 SQL_I(g->cache_read), SQL_I(g->cache_write), SQL_I(g->output), SQL_D(g->usd),
                 SQL_D(g->seconds), SQL_I(exchange), SQL_I(number)),
        err);

    if (st == CN_OK && sqlite3_changes(s->db) == 0)
        return cn_err_set(err, CN_EINPUT, "%s: exchange %lld has no open request %d", s->dir,
                          (long long)exchange, (int)number);
    return st == CN_OK ? add_up(s, exchange, err) : st;
}

cn_status cn_exchange_attempt_end(struct cn_store *s, int64_t exchange, int32_t number,
                                  const struct cn_exchange_got *g, struct cn_err *err)
{
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = do_attempt_end(s, exchange, number, g, err);
    return cn_store_end(s, st, err);
}

/* Requests without an end: they may have been served and billed. */
static cn_status end_open_attempts(struct cn_store *s, int64_t exchange, struct cn_err *err)
{
    cn_status st =
        cn_sql_run(s,
                   "UPDATE exchange_attempt SET ended_ms = ?2, trouble = 'unknown', message ="
                   " 'unknown: the harness was killed', input = worst_tokens, usd = worst_usd"
                   " WHERE exchange = ?1 AND ended_ms = 0",
                   SQL_ARGS(SQL_I(exchange), SQL_I(cn_clock_now_ms())), err);

    return st == CN_OK ? add_up(s, exchange, err) : st;
}

static cn_status do_end(struct cn_store *s, int64_t id, const char *outcome, const char *why,
                        struct cn_err *err)
{
    cn_status st = must_be_open(s, id, err);

    if (st == CN_OK)
        st = end_open_attempts(s, id, err);
    if (st == CN_OK)
        st = cn_sql_run(
            s, "UPDATE exchange SET ended_ms = ?, outcome = ?, why = ? WHERE id = ?",
            SQL_ARGS(SQL_I(cn_clock_now_ms()), SQL_T(outcome), SQL_T(why), SQL_I(id)), err);
    return st;
}

cn_status cn_exchange_end(struct cn_store *s, int64_t id, const char *outcome, const char *why,
                          struct cn_err *err)
{
    if (!outcome || !outcome[0])
        return cn_err_set(err, CN_EINPUT, "exchange %lld: an end wants an outcome",
                          (long long)id);
    cn_status st = cn_store_begin(s, true, err);
    if (st == CN_OK)
        st = do_end(s, id, outcome, why, err);
    return cn_store_end(s, st, err);
}

cn_status cn_exchange_settle(struct cn_store *s, int64_t *out_n, struct cn_err *err)
{
    int64_t open = 0;
    cn_status st = cn_store_begin(s, true, err);

    *out_n = 0;
    while (st == CN_OK) {
        st = cn_sql_int(s, "SELECT min(id) FROM exchange WHERE ended_ms = 0", NULL, 0, &open,
                        err);
        if (st != CN_OK || open == 0)
            break;
        st = do_end(s, open, "unknown", "the harness was killed", err);
        ++*out_n;
    }
    return cn_store_end(s, st, err);
}

/* ---- 3 reading ---- */

/* Exchanges as they stand, requests without an end at their worst case. */
#define OPEN_SUM(what)                                                                         \
    "coalesce((SELECT " what " FROM exchange_attempt a WHERE a.exchange = e.id AND a.ended_ms" \
    " = 0), 0)"
static const char exchange_columns[] =
    "SELECT id, iteration, block, phase, purpose, model, dialect, sections, outcome, why,"
    " replayed, started_ms, ended_ms, requests + " OPEN_SUM("count(*)") ", lost + " OPEN_SUM(
        "c"
        "o"
        "u"
        "n"
        "t"
        "("
        "*"
        ")") ", unpriced + " OPEN_SUM("sum(worst_usd IS NULL)") ", input + " OPEN_SUM("sum("
                                                                                      "worst_"
                                                                                      "tokens)") ","
                                                                                                 " cache_read, "
                                                                                                 "cache_write, "
                                                                                                 "output, usd "
                                                                                                 "+ " OPEN_SUM(
                                                                                                     "sum(worst_"
                                                                                                     "usd)") ", "
                                                                                                             "secon"
                                                                                                             "ds "
                                                                                                             "FROM "
                                                                                                             "excha"
                                                                                                             "nge "
                                                                                                             "e";

static void read_sums(sqlite3_stmt *q, int at, struct cn_exchange_sums *t)
{
    t->requests = sqlite3_column_int64(q, at);
    t->lost = sqlite3_column_int64(q, at + 1);
    t->unpriced = sqlite3_column_int64(q, at + 2);
    t->input = sqlite3_column_int64(q, at + 3);
    t->cache_read = sqlite3_column_int64(q, at + 4);
    t->cache_write = sqlite3_column_int64(q, at + 5);
    t->output = sqlite3_column_int64(q, at + 6);
    t->usd = sqlite3_column_double(q, at + 7);
    t->seconds = sqlite3_column_double(q, at + 8);
}

static void read_exchange(sqlite3_stmt *q, struct cn_exchange *e)
{
    *e = (struct cn_exchange){.id = sqlite3_column_int64(q, 0),
                              .iteration = sqlite3_column_int64(q, 1),
                              .block = sqlite3_column_int64(q, 2),
                              .phase = cn_sql_text(q, 3),
                              .purpose = cn_sql_text(q, 4),
                              .model = cn_sql_text(q, 5),
                              .dialect = cn_sql_text(q, 6),
                              .sections = cn_sql_text(q, 7),
                              .outcome = cn_sql_text(q, 8),
                              .why = cn_sql_text(q, 9),
                              .replayed = sqlite3_column_int(q, 10) != 0,
                              .started_ms = sqlite3_column_int64(q, 11),
                              .ended_ms = sqlite3_column_int64(q, 12)};
    read_sums(q, 13, &e->sums);
    e->sums.exchanges = 1;
    e->sums.replayed = e->replayed;
}

cn_status cn_exchange_each(struct cn_store *s, int64_t id, int64_t last, cn_exchange_fn *fn,
                           void *ctx, struct cn_err *err)
{
    struct cn_exchange e;
    struct cn_buf sql;
    sqlite3_stmt *q = NULL;
    cn_status st;

    cn_buf_init(&sql, 1 << 14);
    cn_buf_printf(&sql,
                  "%s WHERE (?1 = 0 OR id = ?1) AND id >= coalesce((SELECT min(id) FROM (SELECT"
                  " id FROM exchange ORDER BY id DESC LIMIT ?2)), 0) ORDER BY id",
                  exchange_columns);
    st = cn_buf_status(&sql);
    if (st == CN_OK)
        st = cn_sql_prepare(s, cn_buf_str(&sql),
                            SQL_ARGS(SQL_I(id), SQL_I(last > 0 ? last : INT64_MAX)), &q, err);
    while (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        read_exchange(q, &e);
        st = fn(ctx, &e, err);
    }
    sqlite3_finalize(q);
    cn_buf_clear(&sql);
    return st;
}

#define ATTEMPT_COLUMNS                                                                       \
    "SELECT a.exchange, a.number, a.turn, a.try, a.body, b.bytes, b.hash, a.worst_usd,"       \
    " a.worst_tokens, a.begun_ms, a.ended_ms, a.reply_bytes, a.status, a.trouble, a.message," \
    " a.request_id, a.reply, a.known, a.input, a.cache_read, a.cache_write, a.output, a.usd," \
    " a.seconds FROM exchange_attempt a JOIN exchange_body b ON b.id = a.body"

static void read_attempt(sqlite3_stmt *q, struct cn_exchange_attempt *a)
{
    const char *reply = sqlite3_column_blob(q, 16);

    *a = (struct cn_exchange_attempt){.exchange = sqlite3_column_int64(q, 0),
                                      .number = sqlite3_column_int(q, 1),
                                      .turn = sqlite3_column_int(q, 2),
                                      .try_number = sqlite3_column_int(q, 3),
                                      .body = sqlite3_column_int64(q, 4),
                                      .body_bytes = sqlite3_column_int64(q, 5),
                                      .hash = cn_sql_text(q, 6),
                                      .worst_usd = cn_sql_double(q, 7),
                                      .worst_tokens = sqlite3_column_int64(q, 8),
                                      .begun_ms = sqlite3_column_int64(q, 9),
                                      .ended_ms = sqlite3_column_int64(q, 10),
                                      .reply_bytes = sqlite3_column_int64(q, 11),
                                      .got = {.status = sqlite3_column_int(q, 12),
                                              .trouble = cn_sql_text(q, 13),
                                              .message = cn_sql_text(q, 14),
                                              .request_id = cn_sql_text(q, 15),
                                              .reply = reply ? reply : "",
                                              .reply_size = (size_t)sqlite3_column_bytes(q, 16),
                                              .known = sqlite3_column_int(q, 17) != 0,
                                              .input = sqlite3_column_int64(q, 18),
                                              .cache_read = sqlite3_column_int64(q, 19),
                                              .cache_write = sqlite3_column_int64(q, 20),
                                              .output = sqlite3_column_int64(q, 21),
                                              .usd = cn_sql_double(q, 22),
                                              .seconds = cn_sql_double(q, 23)}};
}

static cn_status tell_attempts(struct cn_store *s, const char *sql,
                               const struct cn_sql_arg *args, cn_exchange_attempt_fn *fn,
                               void *ctx, int64_t *out_n, struct cn_err *err)
{
    struct cn_exchange_attempt a;
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(s, sql, args, &q, err);

    *out_n = 0;
    while (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        read_attempt(q, &a);
        ++*out_n;
        st = fn(ctx, &a, err);
    }
    sqlite3_finalize(q);
    return st;
}

cn_status cn_exchange_attempts(struct cn_store *s, int64_t exchange, cn_exchange_attempt_fn *fn,
                               void *ctx, struct cn_err *err)
{
    int64_t n;

    return tell_attempts(s, ATTEMPT_COLUMNS " WHERE a.exchange = ? ORDER BY a.number",
                         SQL_ARGS(SQL_I(exchange)), fn, ctx, &n, err);
}

cn_status cn_exchange_find(struct cn_store *s, const char *purpose, const char *hash,
                           int32_t turn, int32_t try_number, cn_exchange_attempt_fn *fn,
                           void *ctx, struct cn_err *err)
{
    int64_t n;
    cn_status st = tell_attempts(
        s,
        ATTEMPT_COLUMNS " JOIN exchange e ON e.id = a.exchange WHERE e.purpose = ?1 AND"
                        " (b.hash = ?2 OR (?2 = '' AND a.turn = ?3)) AND a.try = ?4 AND"
                        " a.ended_ms <> 0 AND a.trouble <> 'unknown'"
                        " ORDER BY a.exchange DESC, a.number LIMIT 1",
        SQL_ARGS(SQL_T(purpose), SQL_T(hash), SQL_I(turn), SQL_I(try_number)), fn, ctx, &n,
        err);

    if (st == CN_OK && n == 0)
        st = cn_err_set(err, CN_ENOTFOUND,
                        "%s: no answer to \"%s\" (turn %d, try %d) is recorded", s->dir,
                        purpose, (int)turn, (int)try_number);
    return st;
}

/* ---- 4 sums ---- */

/* `where` chooses rows of exchange e; ?1 is `arg`. */
static cn_status sum(struct cn_store *s, const char *where, int64_t arg,
                     struct cn_exchange_sums *out, struct cn_err *err)
{
    struct cn_buf sql;
    sqlite3_stmt *q = NULL;
    cn_status st;

    memset(out, 0, sizeof *out);
    cn_buf_init(&sql, 1 << 14);
    cn_buf_printf(
        &sql,
        "SELECT count(*), coalesce(sum(replayed), 0), coalesce(sum(requests), 0),"
        " coalesce(sum(lost), 0), coalesce(sum(unpriced), 0), coalesce(sum(input), 0),"
        " coalesce(sum(cache_read), 0), coalesce(sum(cache_write), 0),"
        " coalesce(sum(output), 0), coalesce(sum(usd), 0.0),"
        " coalesce(sum(seconds), 0.0) FROM exchange e WHERE %s",
        where);
    st = cn_buf_status(&sql);
    if (st == CN_OK)
        st = cn_sql_prepare(s, cn_buf_str(&sql), SQL_ARGS(SQL_I(arg)), &q, err);
    if (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        out->exchanges = sqlite3_column_int64(q, 0);
        out->replayed = sqlite3_column_int64(q, 1);
        read_sums(q, 2, out);
    }
    sqlite3_finalize(q);
    cn_buf_clear(&sql);
    return st;
}

/* What is under way, or was when its harness was killed. */
static cn_status add_open(struct cn_store *s, const char *where, int64_t arg,
                          struct cn_exchange_sums *t, struct cn_err *err)
{
    struct cn_buf sql;
    sqlite3_stmt *q = NULL;
    cn_status st;

    cn_buf_init(&sql, 1 << 14);
    cn_buf_printf(&sql,
                  "SELECT count(*), coalesce(sum(worst_tokens), 0), coalesce(sum(worst_usd),"
                  " 0.0), coalesce(sum(worst_usd IS NULL), 0) FROM exchange_attempt a JOIN"
                  " exchange e ON e.id = a.exchange WHERE a.ended_ms = 0 AND %s",
                  where);
    st = cn_buf_status(&sql);
    if (st == CN_OK)
        st = cn_sql_prepare(s, cn_buf_str(&sql), SQL_ARGS(SQL_I(arg)), &q, err);
    if (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        t->requests += sqlite3_column_int64(q, 0);
        t->lost += sqlite3_column_int64(q, 0);
        t->input += sqlite3_column_int64(q, 1);
        t->usd += sqlite3_column_double(q, 2);
        t->unpriced += sqlite3_column_int64(q, 3);
    }
    sqlite3_finalize(q);
    cn_buf_clear(&sql);
    return st;
}

cn_status cn_exchange_sum(struct cn_store *s, int64_t block, bool only_spent,
                          struct cn_exchange_sums *out, struct cn_err *err)
{
    const char *where =
        only_spent ? "(?1 = 0 OR e.block = ?1) AND NOT e.replayed" : "(?1 = 0 OR e.block = ?1)";
    cn_status st = sum(s, where, block, out, err);

    return st == CN_OK ? add_open(s, where, block, out, err) : st;
}

/* The words of a fact in the history's arena. */
static cn_status load_prices(struct cn_store *s, struct cn_history *h, struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st =
        cn_sql_prepare(s, "SELECT text FROM fact WHERE key = 'llm.prices'", NULL, &q, err);

    h->llm.prices = "";
    if (st == CN_OK && cn_sql_row(s, q, &st, err))
        h->llm.prices = cn_arena_strdup(&h->arena, cn_sql_text(q, 0));
    sqlite3_finalize(q);
    if (st == CN_OK && !h->llm.prices)
        st = cn_err_set(err, CN_ENOMEM, "%s/%s: no memory for its content", s->dir,
                        CN_STORE_FILE);
    return st;
}

cn_status cn_store_load_llm(struct cn_store *s, struct cn_history *h, struct cn_err *err)
{
    int64_t now[3] = {0, 0, 0};
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(
        s, "SELECT id, requests, ended_ms FROM exchange ORDER BY id DESC LIMIT 1", NULL, &q,
        err);

    if (st == CN_OK && cn_sql_row(s, q, &st, err))
        for (int i = 0; i < 3; i++)
            now[i] = sqlite3_column_int64(q, i);
    sqlite3_finalize(q);
    if (st != CN_OK || (h->llm.prices && memcmp(now, h->llm.seen, sizeof now) == 0))
        return st;
    memcpy(h->llm.seen, now, sizeof now);
    st = sum(s, "?1 = 0", 0, &h->llm.all, err);
    if (st == CN_OK)
        st = sum(s,
                 "?1 = 0 AND outcome NOT IN ('', 'unknown') AND NOT EXISTS (SELECT 1 FROM"
                 " exchange later WHERE later.purpose = e.purpose AND later.id > e.id AND"
                 " later.outcome NOT IN ('', 'unknown'))",
                 0, &h->llm.standing, err);
    return st == CN_OK ? load_prices(s, h, err) : st;
}
