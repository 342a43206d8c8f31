/* How long a training will take, learned from those that ran: a straight line in the logarithms,
 *
 *     log seconds = a + sum_k w_k (x_k - mean x_k),     x_k = log of a numeric parameter
 *
 * fitted by ridge regression (each slope has the prior N(0, CN_RUNTIME_SLOPE^2): with few trainings
 * a parameter is believed to cost nothing), so doubling n_epochs is learnt to double the time and a
 * learning rate to change nothing.
 *
 *     st = cn_runtime_new(rows, n, d, &m, &err);
 *     struct cn_runtime_guess g = cn_runtime_predict(m, x, 0.9);
 *     if (g.known && g.lo > limit_s) ... hopeless
 *     cn_runtime_free(m);
 *
 * A row that was ended by its deadline is censored: it took at least that long. It enters as
 * CN_RUNTIME_CENSORED times its seconds unless the line says more. Pure, deterministic.
 */
#ifndef CN_UCB_RUNTIME_H
#define CN_UCB_RUNTIME_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { CN_RUNTIME_ROWS = 512, CN_RUNTIME_DIMS = 64, CN_RUNTIME_MIN_ROWS = 3 };
#define CN_RUNTIME_SLOPE    1.0
#define CN_RUNTIME_CENSORED 1.2

struct cn_runtime_row {
    const double *x; /* double[d]; NaN: not a number or not positive: the mean of its column */
    double seconds;  /* > 0; other rows are passed over */
    bool censored;
};

struct cn_runtime; /* opaque; owned by the caller of cn_runtime_new */

struct cn_runtime_guess {
    bool known;          /* false: fewer than CN_RUNTIME_MIN_ROWS usable rows */
    double mean, lo, hi; /* seconds; two-sided predictive interval */
};

/* The newest CN_RUNTIME_ROWS rows are used (rows: oldest first). CN_ECAP for d beyond
 * CN_RUNTIME_DIMS. */
CN_MUST_CHECK cn_status cn_runtime_new(const struct cn_runtime_row *rows, int64_t n, int32_t d,
                                       struct cn_runtime **out, struct cn_err *err);
void cn_runtime_free(struct cn_runtime *m); /* NULL is fine */
struct cn_runtime_guess cn_runtime_predict(const struct cn_runtime *m, const double *x,
                                           double confidence);

#endif
