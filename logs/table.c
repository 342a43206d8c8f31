/* See table.h. */
#include "logs/table.h"

#include <string.h>

#include "base/banned.h"
#include "base/caps.h"

void cn_table_init(struct cn_table *t, size_t cap, const char *head)
{
    memset(t, 0, sizeof *t);
    cn_buf_init(&t->head, CN_CAP_RECORD);
    cn_buf_init(&t->rows, CN_CAP_TEXT);
    cn_buf_init(&t->ends, CN_CAP_TEXT);
    cn_buf_adds(&t->head, head);
    t->cap = cap;
}

void cn_table_clear(struct cn_table *t)
{
    cn_buf_clear(&t->head);
    cn_buf_clear(&t->rows);
    cn_buf_clear(&t->ends);
}

static size_t n_made(const struct cn_table *t)
{
    return t->ends.len / sizeof(size_t);
}

static size_t end_of(const struct cn_table *t, size_t row)
{
    size_t end;

    memcpy(&end, cn_buf_str(&t->ends) + row * sizeof end, sizeof end);
    return end;
}

bool cn_table_wants(struct cn_table *t)
{
    t->all++;
    return t->rows.len <= t->cap;
}

void cn_table_end_row(struct cn_table *t)
{
    cn_buf_addc(&t->rows, '\n');
    cn_buf_add(&t->ends, &t->rows.len, sizeof t->rows.len);
}

static size_t n_fitting(const struct cn_table *t, size_t cap)
{
    size_t n = n_made(t);

    while (n > 0 && end_of(t, n - 1) > cap)
        n--;
    return n;
}

size_t cn_table_size(const struct cn_table *t, size_t cap)
{
    size_t n = n_fitting(t, cap);

    return n ? end_of(t, n - 1) : 0;
}

void cn_table_put(const struct cn_table *t, size_t cap, struct cn_buf *out)
{
    size_t n = n_fitting(t, cap);

    cn_buf_add(out, cn_buf_str(&t->head), t->head.len);
    for (size_t i = 0; i < n; i++) {
        size_t row = t->newest_last ? n - 1 - i : i, from = row ? end_of(t, row - 1) : 0;
        cn_buf_add(out, cn_buf_str(&t->rows) + from, end_of(t, row) - from);
    }
    if (t->all > (int64_t)n)
        cn_buf_printf(out, "\n%lld more are in run.db.\n", (long long)t->all - (long long)n);
}

cn_status cn_table_status(const struct cn_table *t)
{
    return cn_buf_status(&t->head) != CN_OK   ? cn_buf_status(&t->head)
           : cn_buf_status(&t->rows) != CN_OK ? cn_buf_status(&t->rows)
                                              : cn_buf_status(&t->ends);
}
