/* What proposers said would be seen, and what was: predictions are stored before the run
 * (struct cn_prediction) and scored after it, by the host.
 *
 * A number holds when the reward metric came out within the noise of it (the pooled std of one
 * training of a config, times the t quantile at CN_BEST_CONFIDENCE; while no config was trained
 * twice: within five per cent of it), or on the better side of it. Words without a number cannot be
 * scored and are shown only. A training without a result: the prediction failed.
 *
 * hit rate = share that held; Brier score = mean (p - held)^2 over those with a probability: 0 is a
 * prophet, 0.25 who always says a half. Pure.
 */
#ifndef CN_LOGS_PREDICTIONS_H
#define CN_LOGS_PREDICTIONS_H

#include "base/buf.h"
#include "logs/record.h"

struct cn_prediction_score {
    int64_t n, held;     /* committed iterations with a number */
    int64_t n_brier;     /* of these with a probability */
    double brier;        /* NaN: none has one */
    int64_t words, open; /* without a number; not committed yet */
};
/* By whoever proposed; `author` NULL: all. */
void cn_predictions_score(const struct cn_history *h, const char *author,
                          struct cn_prediction_score *out);

/* For a prompt: the score, and the last predictions with what became of them. Nothing without
 * predictions. */
void cn_predictions_text(const struct cn_history *h, struct cn_buf *out);
/* Kind of the events that tell how a hybrid shares its turns from the end of a block on. */
#define CN_PREDICTIONS_SHARE "hybrid-share"
/* For memory and report: a table by proposer, with its hit rate and Brier score, and the shares of
 * a hybrid. Nothing where nobody predicts. */
void cn_predictions_table(const struct cn_history *h, struct cn_buf *out);

#endif
