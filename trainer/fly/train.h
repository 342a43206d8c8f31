/* The training loop, one iteration at a time (specs flyvis_gnn 4.1, 4.2, 4.5, 4.6, 4.9).
 *
 *     struct cn_fly_trainer *t;
 *     st = cn_fly_trainer_new(&cfg, &data, pool, &t, &err);
 *     while (st == CN_OK && !cn_fly_trainer_done(t)) {
 *         unsigned events;
 *         st = cn_fly_trainer_advance(t, &events, &err); // CN_EDIVERGED: a loss was not finite
 *         if (events & CN_FLY_EVENT_R2) ...              // history->r2 has a new row
 *     }
 *
 * Writes no files and reads no clock except for the seconds column of the history: every number
 * is a function of config and data. Between two calls the trainer can be saved and restored
 * (checkpoint.h); what follows is bit-identical to an unbroken run, for any number of threads.
 */
#ifndef CN_FLY_TRAIN_H
#define CN_FLY_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"
#include "trainer/fly/config.h"
#include "trainer/fly/dataset.h"
#include "trainer/fly/evaluate.h"
#include "trainer/fly/history.h"
#include "trainer/fly/model.h"
#include "trainer/fly/schedule.h"
#include "trainer/fly/step.h"

/* What the iteration just done brought. */
enum {
    CN_FLY_EVENT_REPORT = 1, /* a new row in history.report */
    CN_FLY_EVENT_R2 = 2,     /* a new row in history.r2 */
    CN_FLY_EVENT_TENTH = 4,  /* a tenth of an epoch is done: a good moment for a checkpoint */
    CN_FLY_EVENT_EPOCH = 8   /* an epoch ended */
};

/* Where a training stands; plain data, part of every checkpoint. */
struct cn_fly_position {
    int32_t epoch;     /* of the next iteration, from 0 */
    int64_t iteration; /* of the next iteration, inside its epoch, from 0 */
    int64_t step;      /* iterations done */
    double seconds;    /* spent so far */
    struct cn_fly_sampler sampler;
    /* sums since the last report */
    int64_t n_sums;
    double sum_loss, sum_total, sum_term[CN_FLY_N_TERMS];
    double last_loss; /* of the last report */
};

struct cn_fly_trainer;

/* Borrows data and pool. The model starts from training.seed. CN_EINPUT: too few frames, or a
 * failed evaluator self-test. */
CN_MUST_CHECK cn_status cn_fly_trainer_new(const struct cn_fly_config *cfg,
                                           const struct cn_fly_data *data, struct cn_pool *pool,
                                           struct cn_fly_trainer **out, struct cn_err *err);
void cn_fly_trainer_free(struct cn_fly_trainer *t); /* NULL is fine */

int64_t cn_fly_trainer_niter(const struct cn_fly_trainer *t); /* iterations of an epoch */
/* Of the whole schedule, capped by max_iterations. */
int64_t cn_fly_trainer_total(const struct cn_fly_trainer *t);
bool cn_fly_trainer_done(const struct cn_fly_trainer *t);
CN_MUST_CHECK cn_status cn_fly_trainer_advance(struct cn_fly_trainer *t, unsigned *out_events,
                                               struct cn_err *err);

/* Seconds spent training, over all sessions. */
double cn_fly_trainer_seconds(const struct cn_fly_trainer *t);
/* Mean ||r||/N of the last report. */
double cn_fly_trainer_final_loss(const struct cn_fly_trainer *t);

/* Borrowed parts. */
struct cn_fly_model *cn_fly_trainer_model(struct cn_fly_trainer *t);
struct cn_fly_evaluator *cn_fly_trainer_evaluator(struct cn_fly_trainer *t);
struct cn_fly_target *cn_fly_trainer_target(struct cn_fly_trainer *t);
struct cn_fly_history *cn_fly_trainer_history(struct cn_fly_trainer *t);
const struct cn_fly_data *cn_fly_trainer_data(const struct cn_fly_trainer *t);
void cn_fly_trainer_position(const struct cn_fly_trainer *t, struct cn_fly_position *out);
void cn_fly_trainer_set_position(struct cn_fly_trainer *t, const struct cn_fly_position *p);

/* 4.9: is an R2 row due after iteration `it` (from 0) of an epoch of niter? 13 rows for a long
 * epoch, dense at its start; never a division by zero for a short one. */
bool cn_fly_r2_due(int64_t it, int64_t niter);

#endif
