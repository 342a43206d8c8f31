/* Tables of Markdown that keep to a number of bytes: rows come in order of relevance, those that
 * do not fit are counted and left to run.db.
 *
 *     struct cn_table t;
 *     cn_table_init(&t, 4096, "| Node | n |\n|---|---|\n");
 *     for (each row, most relevant first)
 *         if (cn_table_wants(&t)) {
 *             cn_buf_printf(&t.rows, "| %d | %d |", ...);
 *             cn_table_end_row(&t);
 *         }
 *     cn_table_put(&t, t.cap, &out);
 *     cn_table_clear(&t);
 */
#ifndef CN_LOGS_TABLE_H
#define CN_LOGS_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

/* Bytes that the line with the number of left-out rows may take. */
enum { CN_TABLE_MORE = 64 };

struct cn_table {
    struct cn_buf head; /* the two header lines */
    struct cn_buf rows; /* those that were made, each with its newline */
    struct cn_buf ends; /* size_t per row: where it ends */
    size_t cap;         /* bytes that the rows may take */
    int64_t all;        /* rows that there are */
    bool newest_last;   /* the most relevant row stands last */
};

void cn_table_init(struct cn_table *t, size_t cap, const char *head);
void cn_table_clear(struct cn_table *t);
/* Count one more row; true: make it, it may still fit. */
bool cn_table_wants(struct cn_table *t);
void cn_table_end_row(struct cn_table *t);
/* Bytes of the rows that fit into `cap`. */
size_t cn_table_size(const struct cn_table *t, size_t cap);
/* Header, as many rows as fit into `cap`, and how many are left out. */
void cn_table_put(const struct cn_table *t, size_t cap, struct cn_buf *out);
cn_status cn_table_status(const struct cn_table *t);

#endif
