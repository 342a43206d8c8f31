/* What of a long run is kept in memory: the blocks of the last iterations whole, and of the older
 * ones only what a text or a decision still names (pinned). docs/decisions/windows.md tells why.
 *
 * The choice depends on the record alone, and inside a block only on what is new in it: a harness
 * that was killed and came back sees what the one before saw. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "logs/store.h"
#include "logs/store_int.h"

/* ---- lists of ids ---- */

/* The first column of a query as "[1,5,9]". */
static cn_status list_ids(struct cn_store *s, const char *sql, const struct cn_sql_arg *args,
                          struct cn_buf *out, struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(s, sql, args, &q, err);
    bool any = false;

    cn_buf_reset(out);
    cn_buf_addc(out, '[');
    for (; st == CN_OK && cn_sql_row(s, q, &st, err); any = true)
        cn_buf_printf(out, "%s%lld", any ? "," : "", (long long)sqlite3_column_int64(q, 0));
    cn_buf_addc(out, ']');
    sqlite3_finalize(q);
    if (st == CN_OK && cn_buf_status(out) != CN_OK)
        st = cn_err_set(err, cn_buf_status(out), "%s/%s: no memory for its content", s->dir,
                        CN_STORE_FILE);
    return st;
}

/* Older nodes: the first; those that the part's iterations train or descend from, and the newest
 * that have the config of one of its nodes; of a window also the confirmed ones and the best of
 * the blocks that had the best results. And the parents of all of these. ?1 first, ?2 last
 * id, ?3 whether a window. */
#define TEXT(x)   #x
#define NUMBER(x) TEXT(x)
static const char pins_sql[] =
    "WITH pin (id) AS (SELECT 1"
    " UNION SELECT node FROM iteration WHERE id BETWEEN ?1 AND ?2"
    " UNION SELECT parent FROM node WHERE id BETWEEN ?1 AND ?2"
    " UNION SELECT id FROM (SELECT id FROM node WHERE id < ?1 AND config_hash IN (SELECT"
    "  config_hash FROM node WHERE id BETWEEN ?1 AND ?2 AND config_hash <> '')"
    "  ORDER BY id DESC LIMIT " NUMBER(
        CN_STORE_TWINS) ")"
                        " UNION SELECT node FROM iteration WHERE ?3 AND confirmation AND id < "
                        "?1"
                        " UNION SELECT best FROM (SELECT best FROM block_roll JOIN block ON "
                        "number = block WHERE ?3"
                        "  AND best IS NOT NULL AND first < ?1 ORDER BY best_mean DESC, block"
                        "  LIMIT " NUMBER(
                            CN_STORE_BEST) "))"
                                           " SELECT id FROM pin WHERE id < ?1 UNION SELECT "
                                           "parent FROM node WHERE id IN (SELECT id FROM"
                                           " pin) AND parent < ?1 ORDER BY 1";

/* Their trainings: of each node the first one and the newest. ?1 first id, ?2 the nodes. */
static const char pinned_iterations_sql[] =
    "WITH pin (node) AS (SELECT value FROM json_each(?2))"
    " SELECT i.id FROM pin, iteration i WHERE i.node = pin.node AND i.id < ?1"
    " AND (i.id = i.node OR i.confirmation OR i.id >= coalesce((SELECT k.id FROM iteration k"
    "  WHERE k.node = pin.node AND k.id < ?1 ORDER BY k.id DESC LIMIT 1 OFFSET"
    "  " NUMBER(CN_STORE_RUNS) "), 0)) ORDER BY i.id";

/* ---- where the window begins ---- */

/* The first id of the oldest block that lies within the last `iterations` ids before the newest
 * block; at least the newest two blocks. 0: everything. */
static cn_status window_first(struct cn_store *s, int64_t iterations, int64_t *out,
                              struct cn_err *err)
{
    int64_t newest = 0, second = 0, oldest = 0;
    cn_status st = cn_sql_int(s, "SELECT first FROM block ORDER BY number DESC LIMIT 1", NULL,
                              0, &newest, err);

    *out = 0;
    if (st == CN_OK)
        st = cn_sql_int(s, "SELECT first FROM block ORDER BY number DESC LIMIT 1 OFFSET 1",
                        NULL, 0, &second, err);
    if (st == CN_OK)
        st = cn_sql_int(s, "SELECT min(first) FROM block WHERE first > ?",
                        SQL_ARGS(SQL_I(newest - iterations)), 0, &oldest, err);
    if (st != CN_OK || second == 0)
        return st;
    if (oldest == 0 || oldest > second)
        oldest = second;
    int64_t before = 0;
    st = cn_sql_int(s, "SELECT 1 FROM iteration WHERE id < ?", SQL_ARGS(SQL_I(oldest)), 0,
                    &before, err);
    *out = before ? oldest : 0;
    return st;
}

/* ---- what is before the window ---- */

static void count_older(struct cn_history *h, int64_t first)
{
    struct cn_older *o = &h->older;

    o->worst = (double)NAN;
    for (int64_t i = 0; i < h->n_blocks && h->blocks[i].first < first; i++) {
        const struct cn_rollup *r = &h->blocks[i].roll;
        o->searched += r->all;
        o->ok += r->ok;
        o->converged += r->converged;
        o->failed += r->failed;
        o->minutes += r->minutes;
        if (!isnan(r->worst) && !(o->worst <= r->worst))
            o->worst = r->worst;
    }
}

/* The trainings of a pinned node that are too many to keep, as one number. */
static cn_status sum_up(struct cn_store *s, struct cn_history *h, struct cn_node *n,
                        struct cn_err *err)
{
    struct cn_before *b = NULL;
    sqlite3_stmt *q;
    double mean = 0;
    cn_status st = cn_sql_prepare(
        s,
        "SELECT id, confirmation, reward FROM iteration WHERE node = ?1 AND id < (SELECT k.id"
        " FROM iteration k WHERE k.node = ?1 AND k.id < ?2 ORDER BY k.id DESC LIMIT 1"
        " OFFSET " NUMBER(CN_STORE_RUNS) ") ORDER BY id",
        SQL_ARGS(SQL_I(n->id), SQL_I(h->older.first)), &q, err);

    while (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        if (!b && !(b = cn_arena_alloc(&h->arena, 1, sizeof *b))) {
            st = cn_err_set(err, CN_ENOMEM, "node %lld: no memory", (long long)n->id);
            break;
        }
        b->last = sqlite3_column_int64(q, 0);
        if (sqlite3_column_int(q, 1)) /* confirmations are all there */
            continue;
        b->trainings++;
        if (sqlite3_column_type(q, 2) == SQLITE_NULL)
            continue;
        double x = sqlite3_column_double(q, 2), d = x - mean;
        b->search.n++;
        mean += d / (double)b->search.n;
        b->m2 += d * (x - mean);
        b->search.min = b->search.n == 1 ? x : fmin(b->search.min, x);
        b->search.max = b->search.n == 1 ? x : fmax(b->search.max, x);
    }
    sqlite3_finalize(q);
    if (b)
        b->search.mean = b->search.n ? mean : (double)NAN;
    if (b)
        b->search.std = b->search.n > 1 ? sqrt(b->m2 / (double)(b->search.n - 1)) : (double)NAN;
    n->before = b;
    return st;
}

/* Keys that the Config lines of a run without a list of them show. */
static cn_status older_paths(struct cn_store *s, struct cn_history *h, struct cn_err *err)
{
    sqlite3_stmt *q = NULL;
    int64_t n = 0;
    cn_status st = CN_OK;

    if (h->info.log_keys[0])
        return CN_OK;
    st = cn_sql_int(s, "SELECT count(DISTINCT path) FROM mutation WHERE node < ?",
                    SQL_ARGS(SQL_I(h->older.first)), 0, &n, err);
    if (st == CN_OK && n > 0 &&
        (!(h->older.paths = cn_arena_alloc(&h->arena, (size_t)n, sizeof(const char *))) ||
         !(h->older.path_nodes = cn_arena_alloc(&h->arena, (size_t)n, sizeof(int64_t)))))
        st = cn_err_set(err, CN_ENOMEM, "no memory for %lld keys", (long long)n);
    if (st == CN_OK && n > 0)
        st = cn_sql_prepare(s,
                            "SELECT path, min(node) FROM mutation WHERE node < ? GROUP BY path"
                            " ORDER BY min(node * 10000 + seq)",
                            SQL_ARGS(SQL_I(h->older.first)), &q, err);
    while (st == CN_OK && h->older.n_paths < n && cn_sql_row(s, q, &st, err)) {
        const char *path = cn_arena_strdup(&h->arena, cn_sql_text(q, 0));
        h->older.path_nodes[h->older.n_paths] = sqlite3_column_int64(q, 1);
        h->older.paths[h->older.n_paths++] = path ? path : "";
    }
    sqlite3_finalize(q);
    return st;
}

/* ---- loading ---- */

static cn_status load_part(struct cn_store *s, int64_t first, int64_t last, bool window,
                           struct cn_history *h, struct cn_err *err)
{
    struct cn_buf nodes, iterations;
    cn_status st = CN_OK;

    cn_buf_init(&nodes, CN_CAP_TEXT);
    cn_buf_init(&iterations, CN_CAP_TEXT);
    cn_buf_adds(&nodes, "[]");
    cn_buf_adds(&iterations, "[]");
    h->older.first = first;
    h->older.worst = (double)NAN;
    if (cn_buf_status(&nodes) != CN_OK || cn_buf_status(&iterations) != CN_OK)
        st = cn_err_set(err, CN_ENOMEM, "%s/%s: no memory for its content", s->dir,
                        CN_STORE_FILE);
    if (st == CN_OK && first > 0)
        st = list_ids(s, pins_sql, SQL_ARGS(SQL_I(first), SQL_I(last), SQL_I(window)), &nodes,
                      err);
    if (st == CN_OK && first > 0)
        st = list_ids(s, pinned_iterations_sql,
                      SQL_ARGS(SQL_I(first), SQL_T(cn_buf_str(&nodes))), &iterations, err);
    const struct cn_part part = {first, last, cn_buf_str(&nodes), cn_buf_str(&iterations),
                                 true};
    if (st == CN_OK)
        st = cn_store_load(s, &part, h, err);
    for (int64_t i = 0; st == CN_OK && i < h->n_nodes && h->nodes[i].id < first; i++)
        st = sum_up(s, h, &h->nodes[i], err);
    if (st == CN_OK && first > 0) {
        count_older(h, first);
        st = older_paths(s, h, err);
    }
    cn_buf_clear(&nodes);
    cn_buf_clear(&iterations);
    return st;
}

cn_status cn_store_load_window(struct cn_store *s, int64_t iterations, struct cn_history *h,
                               struct cn_err *err)
{
    int64_t first = 0;
    cn_status st = window_first(s, iterations, &first, err);

    return st == CN_OK ? load_part(s, first, INT64_MAX, true, h, err) : st;
}

cn_status cn_store_load_range(struct cn_store *s, int64_t first, int64_t last,
                              struct cn_history *h, struct cn_err *err)
{
    return load_part(s, first > 1 ? first : 0, last, false, h, err);
}

/* A reading transaction: no writer comes between the queries. */
static cn_status end_reading(struct cn_store *s, cn_status st, struct cn_err *err)
{
    cn_status end = cn_sql_run(s, "COMMIT", NULL, st == CN_OK ? err : NULL);

    if (!sqlite3_get_autocommit(s->db))
        (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
    return st == CN_OK ? end : st;
}

static void begin_history(struct cn_history *h)
{
    memset(h, 0, sizeof(*h));
    cn_arena_init(&h->arena, CN_CAP_ARENA);
}

cn_status cn_store_window(struct cn_store *s, int64_t iterations, struct cn_history *h,
                          struct cn_err *err)
{
    begin_history(h);
    cn_status st = cn_sql_run(s, "BEGIN", NULL, err);
    if (st != CN_OK)
        return st;
    st = cn_store_load_window(s, iterations, h, err);
    return end_reading(s, st, err);
}

cn_status cn_store_range(struct cn_store *s, int64_t first, int64_t last, struct cn_history *h,
                         struct cn_err *err)
{
    begin_history(h);
    cn_status st = cn_sql_run(s, "BEGIN", NULL, err);
    if (st != CN_OK)
        return st;
    st = cn_store_load_range(s, first, last, h, err);
    return end_reading(s, st, err);
}

cn_status cn_store_history(struct cn_store *s, struct cn_history *h, struct cn_err *err)
{
    return cn_store_window(s, INT64_MAX / 2, h, err);
}

cn_status cn_store_refresh(struct cn_store *s, int64_t iterations, struct cn_history *h,
                           struct cn_err *err)
{
    bool whole = false;
    cn_status st = cn_sql_run(s, "BEGIN", NULL, err);

    if (st != CN_OK)
        return st;
    st = cn_store_load_news(s, h, &whole, err);
    if (st == CN_OK && whole) {
        cn_history_clear(h);
        begin_history(h);
        st = cn_store_load_window(s, iterations, h, err);
    }
    return end_reading(s, st, err);
}

/* ---- nodes alone ---- */

/* `nodes`: a JSON array. */
static cn_status load_nodes(struct cn_store *s, const char *nodes, struct cn_history *h,
                            struct cn_err *err)
{
    struct cn_buf iterations;

    cn_buf_init(&iterations, CN_CAP_TEXT);
    cn_status st = list_ids(s,
                            "SELECT id FROM iteration WHERE node IN (SELECT value FROM"
                            " json_each(?1)) ORDER BY id",
                            SQL_ARGS(SQL_T(nodes)), &iterations, err);
    const struct cn_part part = {INT64_MAX, 0, nodes, cn_buf_str(&iterations), false};
    if (st == CN_OK)
        st = cn_store_load(s, &part, h, err);
    cn_buf_clear(&iterations);
    return st;
}

cn_status cn_store_subtree(struct cn_store *s, int64_t root, int64_t depth, int64_t most,
                           struct cn_history *h, bool *out_left, struct cn_err *err)
{
    static const char below[] =
        "WITH RECURSIVE t (id, depth) AS (SELECT id, 0 FROM node WHERE id = ?1 UNION ALL"
        " SELECT n.id, t.depth + 1 FROM t JOIN node n ON n.parent = t.id WHERE t.depth < ?2"
        " ORDER BY 2, 1 LIMIT ?3) SELECT id FROM t ORDER BY id";
    struct cn_buf ids;

    begin_history(h);
    *out_left = false;
    cn_buf_init(&ids, CN_CAP_TEXT);
    cn_status st = cn_sql_run(s, "BEGIN", NULL, err);
    if (st != CN_OK)
        return st;
    st = list_ids(s, below, SQL_ARGS(SQL_I(root), SQL_I(depth), SQL_I(most)), &ids, err);
    if (st == CN_OK && strcmp(cn_buf_str(&ids), "[]") == 0)
        st =
            cn_err_set(err, CN_ENOTFOUND, "%s: there is no node %lld", s->dir, (long long)root);
    if (st == CN_OK)
        st = load_nodes(s, cn_buf_str(&ids), h, err);
    *out_left = st == CN_OK && h->n_nodes >= most;
    cn_buf_clear(&ids);
    return end_reading(s, st, err);
}

cn_status cn_store_block_nodes(struct cn_store *s, int64_t block, struct cn_history *h,
                               struct cn_err *err)
{
    struct cn_buf ids;

    begin_history(h);
    cn_buf_init(&ids, CN_CAP_TEXT);
    cn_status st = cn_sql_run(s, "BEGIN", NULL, err);
    if (st != CN_OK)
        return st;
    st = list_ids(s, "SELECT id FROM node WHERE block = ? ORDER BY id", SQL_ARGS(SQL_I(block)),
                  &ids, err);
    if (st == CN_OK)
        st = load_nodes(s, cn_buf_str(&ids), h, err);
    cn_buf_clear(&ids);
    return end_reading(s, st, err);
}

/* ---- questions that need no history ---- */

cn_status cn_store_node_with(struct cn_store *s, const char *config_hash, int64_t *out_node,
                             struct cn_err *err)
{
    return cn_sql_int(s, "SELECT min(id) FROM node WHERE config_hash = ?",
                      SQL_ARGS(SQL_T(config_hash)), 0, out_node, err);
}
