/* What the store's files share. Only they know SQLite. */
#ifndef CN_LOGS_STORE_INT_H
#define CN_LOGS_STORE_INT_H

#include <sqlite3.h>

#include "logs/store.h"

struct cn_store {
    sqlite3 *db;        /* owned */
    char *dir;          /* owned */
    int64_t fence;      /* of the lease this handle holds; 0 = none */
    int changes_before; /* sqlite3_total_changes at the last begin */
};

/* What SQLite just said about `doing`, as one of our statuses. */
cn_status cn_sql_error(struct cn_store *s, int rc, const char *doing, struct cn_err *err);

/* Arguments of a statement: SQL_ARGS(SQL_I(id), SQL_T(name)), or NULL for none. */
struct cn_sql_arg {
    char kind; /* 'i', 't', 'd', 'n' (null), 0 = end */
    int64_t i;
    double d;
    const char *t; /* NULL binds "" */
};
/* clang-format off */
#define SQL_I(x)  {.kind = 'i', .i = (x)}
#define SQL_ID(x) {.kind = (x) ? 'i' : 'n', .i = (x)} /* 0 becomes NULL: no parent, no block */
#define SQL_T(x)  {.kind = 't', .t = (x)}
#define SQL_D(x)  {.kind = 'd', .d = (x)} /* NaN becomes NULL */
#define SQL_ARGS(...) (const struct cn_sql_arg[]) {__VA_ARGS__, {.kind = 0}}
/* clang-format on */

/* A statement ready to step; the caller finalizes it (NULL is fine). */
CN_MUST_CHECK cn_status cn_sql_prepare(struct cn_store *s, const char *sql,
                                       const struct cn_sql_arg *opt_args, sqlite3_stmt **out,
                                       struct cn_err *err);
/* One row ahead: true with a row; false at the end or on trouble, which is then in *st. */
bool cn_sql_row(struct cn_store *s, sqlite3_stmt *q, cn_status *st, struct cn_err *err);
/* Prepare, run to the end, finalize. */
CN_MUST_CHECK cn_status cn_sql_run(struct cn_store *s, const char *sql,
                                   const struct cn_sql_arg *opt_args, struct cn_err *err);
/* The first column of the first row as an integer; `absent` when there is no row. */
CN_MUST_CHECK cn_status cn_sql_int(struct cn_store *s, const char *sql,
                                   const struct cn_sql_arg *opt_args, int64_t absent,
                                   int64_t *out, struct cn_err *err);
const char *cn_sql_text(sqlite3_stmt *q, int column); /* never NULL; until the next step */
double cn_sql_double(sqlite3_stmt *q, int column);    /* NULL reads as NaN */

/* A mutation: BEGIN IMMEDIATE and, when `fenced`, the fence; then either commit (a durable
 * point when something changed) or, with st != CN_OK, roll back.
 *     st = cn_store_begin(s, true, err);
 *     if (st == CN_OK)
 *         st = ...;
 *     return cn_store_end(s, st, err);
 */
CN_MUST_CHECK cn_status cn_store_begin(struct cn_store *s, bool fenced, struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_end(struct cn_store *s, cn_status st, struct cn_err *err);

/* Inside a transaction. */
CN_MUST_CHECK cn_status cn_store_add_run(struct cn_store *s, const struct cn_run_info *info,
                                         struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_add_text(struct cn_store *s, const char *kind,
                                          const char *author, const char *reason,
                                          const char *text, int64_t *opt_out_version,
                                          struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_add_block(struct cn_store *s, const struct cn_block *b,
                                           struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_add_node(struct cn_store *s, const struct cn_node *n,
                                          struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_add_iteration(struct cn_store *s,
                                               const struct cn_iteration *it,
                                               struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_add_metrics(struct cn_store *s, int64_t iteration,
                                             const struct cn_metric *m, int n,
                                             struct cn_err *err);

/* Make the file with its schema and call `fill` inside the same transaction. */
CN_MUST_CHECK cn_status cn_store_make(const char *run_dir,
                                      cn_status (*fill)(struct cn_store *s, const void *ctx,
                                                        struct cn_err *err),
                                      const void *ctx, struct cn_store **out,
                                      struct cn_err *err);

#endif
