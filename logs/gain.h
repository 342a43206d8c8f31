/* The gain over the default config, as the confirmations show it: fresh seeds that the search
 * never saw, the default and each candidate trained under the same ones.
 *
 *     struct cn_best_query q = CN_BEST_QUERY_INIT;
 *     struct cn_gain g;
 *     st = cn_history_gain(&history, &q, &g, &err);
 *     if (g.best) cn_gain_words(&history.info, &g, &buf); // "+0.248 (0.201 to 0.295 at 90 %, ...)"
 *
 * Both sides were trained under one simulation regime: that of the newest confirmed default. With
 * two candidates each interval is as much wider as keeps both true at the stated confidence
 * (Bonferroni), since the better one is announced.
 */
#ifndef CN_LOGS_GAIN_H
#define CN_LOGS_GAIN_H

#include "logs/best.h"

struct cn_gain {
    const struct cn_node *base;            /* the default; NULL: nothing was confirmed */
    const struct cn_node *best;            /* of the confirmed others; NULL: there is none */
    struct cn_sample base_runs, best_runs; /* ok confirmations, rewards */
    struct cn_difference d; /* best - base, in the reward; not `known`: no spread to judge by */
    bool paired;            /* over `pairs` common seeds; else of two means */
    int64_t pairs, candidates;
    int64_t block;     /* whose regime both were trained under */
    double confidence; /* asked for; `d` is at the corrected one */
};
/* `q`: last, state and confidence count. */
CN_MUST_CHECK cn_status cn_history_gain(const struct cn_history *h,
                                        const struct cn_best_query *q, struct cn_gain *out,
                                        struct cn_err *err);

/* In the metric: "+0.248 (0.201 to 0.295 at 90 %, 3 pairs)"; when 0 lies within: "...): not
 * distinguishable from the default"; when below: "...): worse than the default". */
void cn_gain_words(const struct cn_run_info *info, const struct cn_gain *g, struct cn_buf *out);

#endif
