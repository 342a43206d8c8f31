/* What a training reported on its way: two small tables that grow by rows, kept in memory, in
 * every checkpoint and in the model file, so that a resumed run and a later `plot` know the
 * whole story.
 *
 *     report  one row per twentieth of an epoch: step, epoch, iteration, seconds, loss, data,
 *             every regulariser
 *     r2      one row per checkpoint of specs 4.9: step, epoch, iteration, seconds,
 *             connectivity, V_rest, tau, identity
 */
#ifndef CN_FLY_HISTORY_H
#define CN_FLY_HISTORY_H

#include <stdint.h>

#include "base/status.h"
#include "trainer/fly/step.h"

enum {
    CN_FLY_H_STEP,      /* iterations done, over all epochs */
    CN_FLY_H_EPOCH,     /* from 0 */
    CN_FLY_H_ITERATION, /* inside the epoch, from 0 */
    CN_FLY_H_SECONDS,   /* of training; never enters a number */
    CN_FLY_H_VALUES     /* first value column */
};
enum {
    CN_FLY_REPORT_LOSS = CN_FLY_H_VALUES, /* mean of ||r||/N since the last report */
    CN_FLY_REPORT_TOTAL,                  /* mean of the whole loss, divided by N */
    CN_FLY_REPORT_TERMS,                  /* CN_FLY_N_TERMS means, divided by N */
    CN_FLY_REPORT_COLUMNS = CN_FLY_REPORT_TERMS + CN_FLY_N_TERMS
};
enum {
    CN_FLY_R2_CONNECTIVITY = CN_FLY_H_VALUES,
    CN_FLY_R2_V_REST,
    CN_FLY_R2_TAU,
    CN_FLY_R2_IDENTITY,
    CN_FLY_R2_COLUMNS
};

struct cn_fly_table {
    int32_t columns;
    int64_t rows, room;
    double *cell; /* owned, (room, columns) */
};

struct cn_fly_history {
    struct cn_fly_table report, r2;
};

/* Room for a whole schedule, so that adding a row never allocates. */
CN_MUST_CHECK cn_status cn_fly_history_init(struct cn_fly_history *h, int64_t report_rows,
                                            int64_t r2_rows, struct cn_err *err);
void cn_fly_history_clear(struct cn_fly_history *h);
/* The next row, zeroed; CN_BUG beyond the room. */
double *cn_fly_table_add(struct cn_fly_table *t);
const double *cn_fly_table_row(const struct cn_fly_table *t, int64_t row);

#endif
