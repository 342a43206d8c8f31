/* The run folder as docs/TRAINER_CONTRACT.md section 2 and 3 describe it: who writes which
 * file, when, how.
 *
 *     struct cn_trainer_folder f;
 *     st = cn_trainer_folder_open(&f, "runs/demo", &err);          // made when absent
 *     cn_trainer_folder_progress(&f, "train", step, steps, false); // every half second or so
 *     st = cn_trainer_folder_rows(&f, history, ..., &err);         // metrics.jsonl and .log
 *     st = cn_trainer_folder_result(&f, &result, &err);            // last
 *     cn_trainer_folder_close(&f);
 */
#ifndef CN_TRAINER_FOLDER_H
#define CN_TRAINER_FOLDER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "trainer/fly/evaluate.h"
#include "trainer/fly/history.h"
#include "trainer/run/config.h"

struct cn_trainer_folder {
    char *dir; /* owned, as everything below */
    char *config, *metrics, *metrics_log, *progress, *result, *model, *checkpoint;
    int64_t started_us, last_progress_us; /* monotonic */
    int64_t report_rows, r2_rows;         /* of the history, already in metrics.jsonl */
};

CN_MUST_CHECK cn_status cn_trainer_folder_open(struct cn_trainer_folder *f, const char *dir,
                                               struct cn_err *err);
void cn_trainer_folder_close(struct cn_trainer_folder *f);
double cn_trainer_folder_seconds(const struct cn_trainer_folder *f); /* since open */

/* progress.json, replaced at most every half second unless `now`. Failing to write it is not
 * worth a training: it is tried again next time. */
void cn_trainer_folder_progress(struct cn_trainer_folder *f, const char *phase, int64_t step,
                                int64_t steps, bool now);

/* metrics.jsonl and metrics.log from nothing: what the history says, no more (start and
 * resume). */
CN_MUST_CHECK cn_status cn_trainer_folder_restart_rows(struct cn_trainer_folder *f,
                                                       const struct cn_fly_history *h,
                                                       const struct cn_fly_training *t,
                                                       int64_t niter, struct cn_err *err);
/* Append the rows that are new since the last call. */
CN_MUST_CHECK cn_status cn_trainer_folder_rows(struct cn_trainer_folder *f,
                                               const struct cn_fly_history *h,
                                               const struct cn_fly_training *t, int64_t niter,
                                               struct cn_err *err);

struct cn_trainer_result {
    cn_status status;          /* decides the word of result.json */
    const char *message;       /* "" when there is nothing to say */
    const double *opt_metrics; /* CN_FLY_N_METRICS, NULL = none were measured */
    bool selftest_passed;
    const struct cn_trainer_config *opt_cfg; /* NULL: the config was not readable */
    const char *opt_config_hash, *opt_data_key;
};
/* result.json, durable. */
CN_MUST_CHECK cn_status cn_trainer_folder_result(const struct cn_trainer_folder *f,
                                                 const struct cn_trainer_result *r,
                                                 struct cn_err *err);
/* "ok", "diverged", "oom", "stopped", "bad_config" or "error". */
const char *cn_trainer_status_word(cn_status st);
/* A number that an earlier result.json holds under metrics; NaN when there is none. */
double cn_trainer_folder_earlier(const struct cn_trainer_folder *f, const char *metric);

#endif
