/* The store's ground: statements, transactions, opening, the lease. In this file:
 *   1. errors
 *   2. statements
 *   3. transactions
 *   4. opening and making
 *   5. lease
 *   6. check
 * Steps: store_steps.c; texts, events and messages: store_texts.c; loading: store_load.c. */
#include "logs/store.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "logs/schema.h"
#include "logs/store_int.h"

enum { BUSY_MS = 10000, APPLICATION_ID = 0x43414952 /* "CAIR" */ };

/* ---- 1 errors ---- */

static cn_status status_of(sqlite3 *db, int rc)
{
    int os = db ? sqlite3_system_errno(db) : 0;

    switch (rc & 0xff) {
    case SQLITE_FULL:
        return CN_ENOSPC;
    case SQLITE_IOERR:
        return os == ENOSPC || os == EDQUOT ? CN_ENOSPC : CN_EIO;
    case SQLITE_NOMEM:
        return CN_ENOMEM;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT:
        return CN_ECORRUPT;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return CN_ETIMEOUT;
    case SQLITE_TOOBIG:
        return CN_ECAP;
    default:
        return CN_EIO;
    }
}

cn_status cn_sql_error(struct cn_store *s, int rc, const char *doing, struct cn_err *err)
{
    cn_status st = status_of(s->db, rc);
    const char *words = s->db ? sqlite3_errmsg(s->db) : sqlite3_errstr(rc);

    if (st == CN_ETIMEOUT)
        return cn_err_set(err, st, "%s/%s: %s: another process has kept it busy for %d s",
                          s->dir, CN_STORE_FILE, doing, BUSY_MS / 1000);
    return cn_err_set(err, st, "%s/%s: %s: %s", s->dir, CN_STORE_FILE, doing, words);
}

/* ---- 2 statements ---- */

static int bind(sqlite3_stmt *q, int at, const struct cn_sql_arg *a)
{
    switch (a->kind) {
    case 'i':
        return sqlite3_bind_int64(q, at, a->i);
    case 'd':
        return sqlite3_bind_double(q, at, a->d); /* SQLite binds NaN as NULL */
    case 't':
        return sqlite3_bind_text(q, at, a->t ? a->t : "", -1, SQLITE_STATIC);
    case 'b':
        return sqlite3_bind_blob64(q, at, a->t ? a->t : "", (sqlite3_uint64)a->i,
                                   SQLITE_STATIC);
    default:
        return sqlite3_bind_null(q, at);
    }
}

cn_status cn_sql_prepare(struct cn_store *s, const char *sql, const struct cn_sql_arg *opt_args,
                         sqlite3_stmt **out, struct cn_err *err)
{
    *out = NULL;
    int rc = sqlite3_prepare_v2(s->db, sql, -1, out, NULL);

    for (int i = 0; rc == SQLITE_OK && opt_args && opt_args[i].kind; i++)
        rc = bind(*out, i + 1, &opt_args[i]);
    if (rc == SQLITE_OK)
        return CN_OK;
    cn_status st = cn_sql_error(s, rc, "preparing a statement", err);
    sqlite3_finalize(*out);
    *out = NULL;
    return st;
}

bool cn_sql_row(struct cn_store *s, sqlite3_stmt *q, cn_status *st, struct cn_err *err)
{
    int rc = sqlite3_step(q);

    if (rc == SQLITE_ROW)
        return true;
    if (rc != SQLITE_DONE)
        *st = cn_sql_error(s, rc, sqlite3_stmt_readonly(q) ? "reading" : "writing", err);
    return false;
}

cn_status cn_sql_run(struct cn_store *s, const char *sql, const struct cn_sql_arg *opt_args,
                     struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(s, sql, opt_args, &q, err);

    while (st == CN_OK && cn_sql_row(s, q, &st, err))
        continue;
    sqlite3_finalize(q);
    return st;
}

cn_status cn_sql_int(struct cn_store *s, const char *sql, const struct cn_sql_arg *opt_args,
                     int64_t absent, int64_t *out, struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(s, sql, opt_args, &q, err);

    *out = absent;
    if (st == CN_OK && cn_sql_row(s, q, &st, err))
        *out = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    return st;
}

const char *cn_sql_text(sqlite3_stmt *q, int column)
{
    const void *t = sqlite3_column_text(q, column);

    return t ? t : "";
}

double cn_sql_double(sqlite3_stmt *q, int column)
{
    return sqlite3_column_type(q, column) == SQLITE_NULL ? (double)NAN
                                                         : sqlite3_column_double(q, column);
}

/* ---- 3 transactions ---- */

static cn_status lost_lease(struct cn_store *s, const struct cn_lease *l, struct cn_err *err)
{
    if (s->fence == 0)
        return cn_err_set(err, CN_ELOCKED, "%s/%s: writing needs the run's lease first", s->dir,
                          CN_STORE_FILE);
    int64_t age = cn_clock_now_ms() - l->heartbeat_ms;
    return cn_err_set(err, CN_ELOCKED,
                      "%s/%s: the lease was taken over by %s (heartbeat %.1f s ago); this "
                      "process must not write any more",
                      s->dir, CN_STORE_FILE, l->holder[0] ? l->holder : "nobody",
                      (double)age / 1000);
}

static cn_status read_lease(struct cn_store *s, struct cn_lease *out, struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st =
        cn_sql_prepare(s, "SELECT holder, fence, heartbeat_ms, ttl_ms FROM lease WHERE one = 1",
                       NULL, &q, err);

    memset(out, 0, sizeof(*out));
    if (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        (void)snprintf(out->holder, sizeof(out->holder), "%s", cn_sql_text(q, 0));
        out->fence = sqlite3_column_int64(q, 1);
        out->heartbeat_ms = sqlite3_column_int64(q, 2);
        out->ttl_ms = sqlite3_column_int64(q, 3);
    }
    sqlite3_finalize(q);
    return st;
}

static cn_status check_fence(struct cn_store *s, struct cn_err *err)
{
    struct cn_lease l;
    cn_status st = read_lease(s, &l, err);

    if (st == CN_OK && (s->fence == 0 || l.fence != s->fence || l.holder[0] == '\0'))
        st = lost_lease(s, &l, err);
    return st;
}

cn_status cn_store_begin(struct cn_store *s, bool fenced, struct cn_err *err)
{
    if (sqlite3_db_readonly(s->db, "main") == 1)
        return cn_err_set(err, CN_EIO, "%s/%s: may be read only", s->dir, CN_STORE_FILE);
    cn_status st = cn_sql_run(s, "BEGIN IMMEDIATE", NULL, err);
    s->changes_before = sqlite3_total_changes(s->db);
    if (st == CN_OK && fenced)
        st = check_fence(s, err);
    return st;
}

static cn_status finish(struct cn_store *s, cn_status st, struct cn_err *err)
{
    if (st == CN_OK)
        st = cn_sql_run(s, "COMMIT", NULL, err);
    /* SQLite rolls back by itself after some errors (a full disk); after the others we do. A
     * rollback that fails leaves a hot journal, which the next open plays back. */
    if (st != CN_OK && !sqlite3_get_autocommit(s->db))
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return st;
}

cn_status cn_store_end(struct cn_store *s, cn_status st, struct cn_err *err)
{
    bool changed = sqlite3_total_changes(s->db) != s->changes_before;

    st = finish(s, st, err);
    if (st != CN_OK)
        cn_store_forget_base(s); /* it may be a row that is not there any more */
    if (st == CN_OK && changed)
        cn_file_durable_point();
    return st;
}

/* ---- 4 opening and making ---- */

static cn_status set_up(struct cn_store *s, cn_store_mode mode, struct cn_err *err)
{
    sqlite3_extended_result_codes(s->db, 1);
    sqlite3_busy_timeout(s->db, BUSY_MS);
    cn_status st = cn_sql_run(s, "PRAGMA foreign_keys = ON", NULL, err);
    if (st == CN_OK && mode == CN_STORE_READ)
        return cn_sql_run(s, "PRAGMA query_only = ON", NULL, err);
    if (st == CN_OK)
        st = cn_sql_run(s, "PRAGMA journal_mode = TRUNCATE", NULL, err);
    if (st == CN_OK)
        st = cn_sql_run(s, "PRAGMA synchronous = FULL", NULL, err);
    return st;
}

static int flags_of(cn_store_mode mode, bool create, bool read_only)
{
    (void)mode;
    if (read_only)
        return SQLITE_OPEN_READONLY;
    return SQLITE_OPEN_READWRITE | (create ? SQLITE_OPEN_CREATE : 0);
}

/* Readers open for writing too where they may, and then forbid themselves to: only so can
 * SQLite roll back the journal of a writer that was killed. */
static cn_status open_file(const char *run_dir, cn_store_mode mode, bool create,
                           struct cn_store **out, struct cn_err *err)
{
    cn_status st = CN_OK;
    struct cn_store *s = cn_alloc(1, sizeof(*s));
    char *path = cn_file_join(run_dir, CN_STORE_FILE);

    *out = NULL;
    if (s)
        s->dir = cn_strdup(run_dir);
    if (!s || !path || !s->dir) {
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory to open the store", run_dir);
        goto out;
    }
    int rc = sqlite3_open_v2(path, &s->db, flags_of(mode, create, false), NULL);
    if (rc != SQLITE_OK && mode == CN_STORE_READ) {
        sqlite3_close(s->db);
        rc = sqlite3_open_v2(path, &s->db, flags_of(mode, create, true), NULL);
    }
    st = rc == SQLITE_OK ? set_up(s, mode, err) : cn_sql_error(s, rc, "opening", err);
out:
    cn_free(path);
    if (st == CN_OK)
        *out = s;
    else
        cn_store_close(s);
    return st;
}

static cn_status migrate(struct cn_store *s, int from, struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int v = from + 1; st == CN_OK && v <= cn_schema_version(); v++)
        for (const char *const *sql = cn_schema_migration(v); st == CN_OK && *sql; sql++)
            if (sqlite3_exec(s->db, *sql, NULL, NULL, NULL) != SQLITE_OK)
                st = cn_sql_error(s, sqlite3_errcode(s->db), "a migration", err);
    if (st == CN_OK && from > 0 && from < 3)
        st = cn_store_roll_all(s, err);
    char pragma[64];
    cn_text_format(pragma, sizeof(pragma), "PRAGMA user_version = %d", cn_schema_version());
    if (st == CN_OK)
        st = cn_sql_run(s, pragma, NULL, err);
    return st;
}

static cn_status check_version(struct cn_store *s, int64_t *out_version, struct cn_err *err)
{
    int64_t id = 0;
    cn_status st = cn_sql_int(s, "PRAGMA user_version", NULL, 0, out_version, err);

    if (st == CN_OK)
        st = cn_sql_int(s, "PRAGMA application_id", NULL, 0, &id, err);
    if (st != CN_OK)
        return st;
    if (*out_version == 0 && id == 0)
        return cn_err_set(err, CN_ENOTFOUND,
                          "%s/%s: its making was interrupted, there is nothing in it", s->dir,
                          CN_STORE_FILE);
    if (id != APPLICATION_ID)
        return cn_err_set(err, CN_ECORRUPT, "%s/%s: an SQLite file, but not a store of cairn",
                          s->dir, CN_STORE_FILE);
    if (*out_version > cn_schema_version())
        return cn_err_set(err, CN_EUNSUPPORTED,
                          "%s/%s: written by a newer cairn (store version %lld, this one knows "
                          "up to %d)",
                          s->dir, CN_STORE_FILE, (long long)*out_version, cn_schema_version());
    return CN_OK;
}

static cn_status quick_check(struct cn_store *s, const char *pragma, struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(s, pragma, NULL, &q, err);

    if (st == CN_OK && cn_sql_row(s, q, &st, err) && strcmp(cn_sql_text(q, 0), "ok") != 0)
        st = cn_err_set(err, CN_ECORRUPT, "%s/%s: damaged: %s", s->dir, CN_STORE_FILE,
                        cn_sql_text(q, 0));
    sqlite3_finalize(q);
    return st;
}

static cn_status upgrade(struct cn_store *s, int64_t version, struct cn_err *err)
{
    cn_status st = cn_store_begin(s, false, err);

    if (st == CN_OK)
        st = migrate(s, (int)version, err);
    return cn_store_end(s, st, err);
}

/* The quick check reads every page: 0.1 s for these many, seconds for a long run, which is not worth
 * a wait at every start. What it finds are disks that lied, not harnesses that were killed; pages
 * of a larger store are checked as they are read, and all of them by `cairn verify`. */
enum { CHECK_BYTES = 32 << 20 };

static bool is_small(struct cn_store *s)
{
    char *path = cn_file_join(s->dir, CN_STORE_FILE);
    bool small = path && cn_file_size(path) <= CHECK_BYTES;

    cn_free(path);
    return small;
}

cn_status cn_store_open(const char *run_dir, cn_store_mode mode, struct cn_store **out,
                        struct cn_err *err)
{
    struct cn_store *s = NULL;
    int64_t version = 0;
    char *path = cn_file_join(run_dir, CN_STORE_FILE);
    bool exists = path && cn_file_exists(path);

    cn_free(path);
    *out = NULL;
    if (!exists)
        return cn_err_set(err, CN_ENOTFOUND, "%s: no run here (no %s)", run_dir, CN_STORE_FILE);
    cn_status st = open_file(run_dir, mode, false, &s, err);
    if (st == CN_OK)
        st = check_version(s, &version, err);
    if (st == CN_OK && mode == CN_STORE_WRITE && is_small(s))
        st = quick_check(s, "PRAGMA quick_check(1)", err);
    if (st == CN_OK && version < cn_schema_version())
        st = mode == CN_STORE_WRITE
                 ? upgrade(s, version, err)
                 : cn_err_set(err, CN_EUNSUPPORTED,
                              "%s/%s: written by an older cairn (store version %lld); "
                              "`cairn resume` brings it up to date",
                              run_dir, CN_STORE_FILE, (long long)version);
    if (st == CN_OK)
        *out = s;
    else
        cn_store_close(s);
    return st;
}

static cn_status make_content(struct cn_store *s,
                              cn_status (*fill)(struct cn_store *, const void *,
                                                struct cn_err *),
                              const void *ctx, struct cn_err *err)
{
    int64_t n_tables = 0;
    char pragma[64];
    cn_text_format(pragma, sizeof(pragma), "PRAGMA application_id = %d", (int)APPLICATION_ID);
    cn_status st = cn_store_begin(s, false, err);

    if (st == CN_OK)
        st = cn_sql_int(s, "SELECT count(*) FROM sqlite_schema", NULL, 0, &n_tables, err);
    if (st == CN_OK && n_tables > 0)
        st = cn_err_set(err, CN_EEXIST, "%s/%s: there is a run already", s->dir, CN_STORE_FILE);
    if (st == CN_OK)
        st = migrate(s, 0, err);
    if (st == CN_OK)
        st = cn_sql_run(s, pragma, NULL, err);
    if (st == CN_OK)
        st = fill(s, ctx, err);
    return cn_store_end(s, st, err);
}

cn_status cn_store_make(const char *run_dir,
                        cn_status (*fill)(struct cn_store *s, const void *ctx,
                                          struct cn_err *err),
                        const void *ctx, struct cn_store **out, struct cn_err *err)
{
    struct cn_store *s = NULL;

    *out = NULL;
    if (!cn_file_is_dir(run_dir))
        return cn_err_set(err, CN_ENOTFOUND, "%s: no such folder to make a run in", run_dir);
    cn_status st = open_file(run_dir, CN_STORE_WRITE, true, &s, err);
    if (st == CN_OK)
        st = make_content(s, fill, ctx, err);
    if (st == CN_OK)
        st = cn_file_sync_dir(run_dir, err);
    if (st == CN_OK)
        *out = s;
    else
        cn_store_close(s);
    return st;
}

void cn_store_close(struct cn_store *s)
{
    if (!s)
        return;
    sqlite3_close(s->db);
    cn_store_forget_base(s);
    cn_free(s->dir);
    cn_free(s);
}

const char *cn_store_dir(const struct cn_store *s)
{
    return s->dir;
}

/* ---- 5 lease: not counted as durable points, because heartbeats come by the clock ---- */

static cn_status take_lease(struct cn_store *s, const char *holder, int64_t now_ms,
                            int64_t ttl_ms, bool steal, struct cn_err *err)
{
    struct cn_lease l;
    cn_status st;

    if (!holder || !holder[0] || strlen(holder) >= sizeof(l.holder))
        return cn_err_set(err, CN_EINPUT, "a lease's holder wants 1 to %d bytes, found %zu",
                          (int)sizeof(l.holder) - 1, holder ? strlen(holder) : 0);
    st = cn_store_begin(s, false, err);
    if (st == CN_OK)
        st = read_lease(s, &l, err);
    if (st == CN_OK && !steal && l.holder[0] && strcmp(l.holder, holder) != 0 &&
        now_ms < l.heartbeat_ms + l.ttl_ms)
        st = cn_err_set(err, CN_ELOCKED, "%s: run by %s (heartbeat %.1f s ago)", s->dir,
                        l.holder, (double)(now_ms - l.heartbeat_ms) / 1000);
    if (st == CN_OK)
        st = cn_sql_run(
            s, "UPDATE lease SET holder = ?, fence = ?, heartbeat_ms = ?, ttl_ms = ?",
            SQL_ARGS(SQL_T(holder), SQL_I(l.fence + 1), SQL_I(now_ms), SQL_I(ttl_ms)), err);
    st = finish(s, st, err);
    if (st == CN_OK)
        s->fence = l.fence + 1;
    return st;
}

cn_status cn_store_lease_take(struct cn_store *s, const char *holder, int64_t now_ms,
                              int64_t ttl_ms, struct cn_err *err)
{
    return take_lease(s, holder, now_ms, ttl_ms, false, err);
}

cn_status cn_store_lease_steal(struct cn_store *s, const char *holder, int64_t now_ms,
                               int64_t ttl_ms, struct cn_err *err)
{
    return take_lease(s, holder, now_ms, ttl_ms, true, err);
}

cn_status cn_store_lease_renew(struct cn_store *s, int64_t now_ms, struct cn_err *err)
{
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = cn_sql_run(s, "UPDATE lease SET heartbeat_ms = ?", SQL_ARGS(SQL_I(now_ms)), err);
    return finish(s, st, err);
}

cn_status cn_store_lease_release(struct cn_store *s, struct cn_err *err)
{
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = cn_sql_run(s, "UPDATE lease SET holder = ''", NULL, err);
    st = finish(s, st, err);
    if (st == CN_OK)
        s->fence = 0;
    return st;
}

cn_status cn_store_lease_get(struct cn_store *s, struct cn_lease *out, struct cn_err *err)
{
    return read_lease(s, out, err);
}

/* ---- 6 check ---- */

static cn_status check_rule(struct cn_store *s, const struct cn_schema_rule *rule,
                            struct cn_err *err)
{
    int64_t id = 0;
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(s, rule->sql, NULL, &q, err);
    bool broken = st == CN_OK && cn_sql_row(s, q, &st, err);
    char words[256];

    if (broken) {
        id = sqlite3_column_int64(q, 0);
        cn_text_format(words, sizeof(words), "%s", rule->words);
        char *mark = strstr(words, "%lld");
        if (mark)
            *mark = '\0';
        st = cn_err_set(err, CN_ECORRUPT, "%s/%s: %s%lld%s", s->dir, CN_STORE_FILE, words,
                        (long long)id, mark ? mark + 4 : "");
    }
    sqlite3_finalize(q);
    return st;
}

cn_status cn_store_check(struct cn_store *s, struct cn_err *err)
{
    static const struct cn_schema_rule keys = {
        "SELECT coalesce(rowid, 0) FROM pragma_foreign_key_check",
        "row %lld refers to something that is not there"};
    cn_status st = quick_check(s, "PRAGMA integrity_check(1)", err);

    if (st == CN_OK)
        st = check_rule(s, &keys, err);
    for (const struct cn_schema_rule *r = cn_schema_rules(); st == CN_OK && r->sql; r++)
        st = check_rule(s, r, err);
    return st;
}
