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
    /* The node whose whole config was read or written last, and its words (store_config.c). */
    int64_t base;
    char *base_config; /* owned */
};

/* What SQLite just said about `doing`, as one of our statuses. */
cn_status cn_sql_error(struct cn_store *s, int rc, const char *doing, struct cn_err *err);

/* Limits of a window (macros: they stand in SQL text). Room for rows to come, in rows, and what
 * a refreshed history may grow by, in bytes, before it is loaded again. */
#define CN_STORE_BEST  64
#define CN_STORE_TWINS 256
#define CN_STORE_RUNS  255
enum { CN_STORE_SPARE = 512, CN_STORE_GROWTH = 4 << 20 };

/* Arguments of a statement: SQL_ARGS(SQL_I(id), SQL_T(name)), or NULL for none. */
struct cn_sql_arg {
    char kind; /* 'i', 't', 'd', 'n' (null), 'b' (bytes), 0 = end */
    int64_t i; /* of 'b': how many */
    double d;
    const char *t; /* NULL binds "" */
};
/* clang-format off */
#define SQL_I(x)  {.kind = 'i', .i = (x)}
#define SQL_ID(x) {.kind = (x) ? 'i' : 'n', .i = (x)} /* 0 becomes NULL: no parent, no block */
#define SQL_T(x)  {.kind = 't', .t = (x)}
#define SQL_D(x)  {.kind = 'd', .d = (x)} /* NaN becomes NULL */
#define SQL_B(x, n) {.kind = 'b', .t = (x), .i = (n)} /* bytes; NULL are none */
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

/* -- store_make.c; inside a transaction -- */

CN_MUST_CHECK cn_status cn_store_import_iteration(struct cn_store *s,
                                                  const struct cn_iteration *it,
                                                  struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_import_message(struct cn_store *s, const struct cn_message *m,
                                                struct cn_err *err);

/* -- store_config.c: configs as differences -- */

/* The lines of `config` that differ from `base`; false when the two cannot be compared so. */
bool cn_config_difference(const char *base, const char *config, struct cn_buf *out);
/* The way back; false when the difference does not fit. */
bool cn_config_patched(const char *base, const char *difference, struct cn_buf *out);
/* What the row of node `id` is to hold, and the base it leans on (0: whole). */
CN_MUST_CHECK cn_status cn_store_pack_config(struct cn_store *s, int64_t id, const char *config,
                                             struct cn_buf *out, int64_t *out_base,
                                             struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_unpack_config(struct cn_store *s, int64_t id, int64_t base,
                                               const char *kept, struct cn_buf *out,
                                               struct cn_err *err);
void cn_store_forget_base(struct cn_store *s);

/* -- store_load.c: rows as plain data -- */

/* Which iterations (and the nodes, metrics, mutations that belong to them) a load takes. */
struct cn_part {
    int64_t first, last; /* ids of nodes and iterations, both included */
    /* Smaller ones, as the text of a JSON array; "[]" for none. */
    const char *nodes, *iterations;
    bool around; /* also blocks, texts, events, messages, volumes */
};
/* Inside a transaction. `h` is empty, its arena initialised. */
CN_MUST_CHECK cn_status cn_store_load(struct cn_store *s, const struct cn_part *part,
                                      struct cn_history *h, struct cn_err *err);
/* The rows that may have changed since, and the new ones. *out_whole: the load must be made
 * anew. */
CN_MUST_CHECK cn_status cn_store_load_news(struct cn_store *s, struct cn_history *h,
                                           bool *out_whole, struct cn_err *err);
/* -- store_window.c -- */

/* Inside a transaction; as cn_store_window and cn_store_range. */
CN_MUST_CHECK cn_status cn_store_load_window(struct cn_store *s, int64_t iterations,
                                             struct cn_history *h, struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_load_range(struct cn_store *s, int64_t first, int64_t last,
                                            struct cn_history *h, struct cn_err *err);

/* -- store_rollup.c; inside a transaction -- */

CN_MUST_CHECK cn_status cn_store_roll_block(struct cn_store *s, int64_t block,
                                            struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_roll_all(struct cn_store *s, struct cn_err *err);

/* -- store_exchange.c -- */

/* Inside a transaction: h->llm, when it changed since. */
CN_MUST_CHECK cn_status cn_store_load_llm(struct cn_store *s, struct cn_history *h,
                                          struct cn_err *err);

/* Make the file with its schema and call `fill` inside the same transaction. */
CN_MUST_CHECK cn_status cn_store_make(const char *run_dir,
                                      cn_status (*fill)(struct cn_store *s, const void *ctx,
                                                        struct cn_err *err),
                                      const void *ctx, struct cn_store **out,
                                      struct cn_err *err);

#endif
