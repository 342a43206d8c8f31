/* Two growing tables with room for a whole schedule. */
#include "trainer/fly/history.h"

#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"

static cn_status table_init(struct cn_fly_table *t, int32_t columns, int64_t room,
                            struct cn_err *err)
{
    t->columns = columns;
    t->rows = 0;
    t->room = room;
    t->cell = cn_alloc((size_t)room * (size_t)columns, sizeof(double));
    if (!t->cell)
        return cn_err_set(err, CN_ENOMEM, "no memory for %lld rows of training history",
                          (long long)room);
    return CN_OK;
}

cn_status cn_fly_history_init(struct cn_fly_history *h, int64_t report_rows, int64_t r2_rows,
                              struct cn_err *err)
{
    cn_status st;

    memset(h, 0, sizeof *h);
    st = table_init(&h->report, CN_FLY_REPORT_COLUMNS, report_rows, err);
    if (st == CN_OK)
        st = table_init(&h->r2, CN_FLY_R2_COLUMNS, r2_rows, err);
    if (st != CN_OK)
        cn_fly_history_clear(h);
    return st;
}

void cn_fly_history_clear(struct cn_fly_history *h)
{
    cn_free(h->report.cell);
    cn_free(h->r2.cell);
    memset(h, 0, sizeof *h);
}

double *cn_fly_table_add(struct cn_fly_table *t)
{
    double *row;

    CN_ASSERT(t->rows < t->room);
    row = t->cell + t->rows++ * t->columns;
    memset(row, 0, (size_t)t->columns * sizeof *row);
    return row;
}

const double *cn_fly_table_row(const struct cn_fly_table *t, int64_t row)
{
    CN_ASSERT(row >= 0 && row < t->rows);
    return t->cell + row * t->columns;
}
