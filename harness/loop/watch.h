/* Trainings under way, looked at while they run: one whose progress stands still is ended
 * (settings.stall_min), and one that lags behind its peers (settings.median_stop).
 *
 *     st = cn_watch_look(run, history, it, dir, &ended, &err);   // while the executor says RUNNING
 *     if (cn_watch_verdict(history, it, &outcome, &why)) ...     // a cancelled attempt: ours?
 *
 * The intent is an event of the record before the job is asked to end, so a harness that was killed
 * in between, or that finds the job gone when it comes back, still knows why it ended.
 *
 * Median rule (Golovin et al., "Google Vizier", KDD 2017, section 3.2.2): at the share f of its
 * steps a training is ended when its best value so far is worse than the median of the running
 * averages that the finished trainings of the same block had at f. Only with CN_WATCH_PEERS of
 * them, not before CN_WATCH_SHARE of the steps nor CN_WATCH_REPORTS reports, and never: a block's
 * first node, a replicate or a confirmation (their job is to measure noise), and the first
 * mutation of a parameter in the run (nobody knows yet how its curve looks).
 */
#ifndef CN_LOOP_WATCH_H
#define CN_LOOP_WATCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "logs/record.h"

enum { CN_WATCH_PEERS = 3, CN_WATCH_REPORTS = 3 };
#define CN_WATCH_SHARE 0.25

/* The reward metric over a training: value at a share of the steps, in order. */
struct cn_curve {
    double *share, *value; /* owned; value higher is better (the sign flip is done) */
    int64_t n;
};
/* metrics.jsonl in `dir`; `steps` 0: its last step is the end. Lines that cannot be read are being
 * written. An absent file is an empty curve. */
CN_MUST_CHECK cn_status cn_curve_read(const char *dir, const char *metric, bool lower_is_better,
                                      double steps, struct cn_curve *out, struct cn_err *err);
void cn_curve_clear(struct cn_curve *c);
/* Mean (best) of the values up to the share `f`; NaN when there are none. */
double cn_curve_mean(const struct cn_curve *c, double f);
double cn_curve_best(const struct cn_curve *c, double f);

/* Is `c` to be ended now? `peers`: finished ones. The words go into `why`. Pure. */
bool cn_curve_lags(const struct cn_curve *c, const struct cn_curve *peers, int64_t n_peers,
                   bool lower_is_better, char *why, size_t room);
/* May the median rule end this iteration at all? Pure. */
bool cn_watch_may_prune(const struct cn_history *h, const struct cn_iteration *it);

struct cn_run;
/* *ended is set when the record moved (the job was asked to end). */
CN_MUST_CHECK cn_status cn_watch_look(struct cn_run *r, const struct cn_history *h,
                                      const struct cn_iteration *it, const char *dir,
                                      bool *ended, struct cn_err *err);
/* Did we end this attempt, as what, and why? `why` is borrowed from the history. */
bool cn_watch_verdict(const struct cn_history *h, const struct cn_iteration *it,
                      cn_outcome *out, const char **why);

#endif
