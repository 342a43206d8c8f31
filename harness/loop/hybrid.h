/* The hybrid proposer: a share of the proposals comes from the model, the rest from the embedded
 * proposer; the share moves with what each has earned.
 *
 * Credit of a proposer: over its committed iterations that changed something, the mean of what each
 * brought over its parent's mean beyond the noise (max(0, gain - noise); a training without a result
 * brings 0), as if it had four more runs of the mean of all. The share is
 *
 *     s0 m / (s0 m + (1 - s0) e),  within 0.1 .. 0.9
 *
 * with s0 = explore.llm.hybrid_share, m and e the credits of model and embedded; s0 while neither
 * has earned anything. Whose turn an iteration is: a draw keyed by seed and iteration. Pure
 * functions of the record.
 */
#ifndef CN_LOOP_HYBRID_H
#define CN_LOOP_HYBRID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "harness/loop/plan.h"
#include "logs/record.h"

struct cn_hybrid {
    double share; /* of the model */
    int64_t model_runs, embedded_runs;
    double model_gain, embedded_gain; /* mean beyond the noise, as earned; NaN: no runs */
};

void cn_hybrid_share(const struct cn_planner *pl, const struct cn_history *h,
                     struct cn_hybrid *out);
/* Is this iteration the model's? Always for proposer llm, never for one without a model. */
bool cn_hybrid_turn(const struct cn_planner *pl, const struct cn_history *h, int64_t iteration);
/* "share 0.41: the model gained 0.012 a run over 9, embedded 0.004 over 15" */
void cn_hybrid_text(const struct cn_hybrid *x, struct cn_buf *out);

/* The classical state for the evidence: the best configs, where good observations of each
 * parameter lie, where trainings failed, the share. Nothing before there is a result. */
struct cn_run;
void cn_hybrid_view(struct cn_run *r, const struct cn_history *h, struct cn_buf *out);

#endif
