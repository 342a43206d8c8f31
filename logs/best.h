/* Who leads, and how sure that is. The one place that says "best": the planner, the status, the
 * progress line, the figure and the texts all ask here.
 *
 *     struct cn_best_query q = CN_BEST_QUERY_INIT; // of the run, as of now
 *     struct cn_best b;
 *     st = cn_history_best(&history, &q, &b, &err);
 *     if (b.first.node) ... b.first.lo, b.first.n, b.second ...
 *
 * Best = the highest lower bound of the mean's interval (base/stats.h), not the highest mean: a
 * lucky single run does not lead over a config that was good three times. While no config was
 * trained twice the noise is unknown: then the mean decides and `by_mean` says so.
 *
 * What counts as one sample: all search trainings of a config, also when it stands in the tree
 * more than once (a block's root is the last block's best once more): nodes with the same
 * config_hash are one row, under the id of the first of them that may lead. Confirmations never
 * count in a row; they tell about the noise, and about the gain (logs/gain.h).
 *
 * Rewards under different simulation regimes are not comparable, so one ranking knows one regime:
 * that of `block`, or for the whole run that of the latest block in which two configs have a
 * result (before there is one: one). Blocks with the same regime are ranked together.
 *
 * A config whose mean metrics break a guardrail (cn_run_info.guardrails) stands at the end of the
 * ranking and leads nothing; so does one without the metric.
 *
 * Everything here is in terms of the reward: higher is better. Pure; O(n log n).
 */
#ifndef CN_LOGS_BEST_H
#define CN_LOGS_BEST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/stats.h"
#include "base/status.h"
#include "logs/record.h"

/* Two-sided, of every interval in the texts. */
#define CN_BEST_CONFIDENCE 0.9

/* ---- guardrails ---- */

enum { CN_GUARDRAILS_MOST = 32 };
struct cn_guardrail {
    char metric[64];
    bool at_most; /* metric <= bound; else metric >= bound */
    double bound;
};
struct cn_guardrails {
    struct cn_guardrail rows[CN_GUARDRAILS_MOST];
    int n;
};
/* "V_rest_R2 >= 0.2, loss <= 3"; NULL and "" are none. CN_EINPUT names what was expected. */
CN_MUST_CHECK cn_status cn_best_guardrails(const char *text, struct cn_guardrails *out,
                                           struct cn_err *err);

/* ---- the ranking ---- */

struct cn_best_query {
    int64_t block;       /* only nodes of this block lead; 0: all of the regime (above) */
    int64_t last;        /* only iterations with ids up to this one are known */
    cn_iter_state state; /* ... that have at least reached this state */
    double confidence;
};
/* clang-format off */
#define CN_BEST_QUERY_INIT {0, INT64_MAX, CN_ITER_MEASURED, CN_BEST_CONFIDENCE}
/* clang-format on */

struct cn_standing {
    const struct cn_node *node; /* NULL: nobody */
    int64_t n;                  /* ok trainings of the search, of all nodes with this config */
    int64_t failed;             /* its trainings without a result, the config's own doing */
    int64_t open;               /* its trainings that are planned or run */
    double mean, std, min, max; /* std NaN for n = 1 */
    double cv;                  /* std over mean, in per cent; NaN for n = 1 */
    double lo, hi;              /* NaN: the noise is unknown */
    cn_stability stability;     /* failed ones count as not having reached the threshold */
    bool few;                   /* of fewer than 4 trainings: a first impression */
    int broken;                 /* the guardrail that it breaks, as index; -1: it keeps all */
    double broken_value;        /* its mean of that metric; NaN: the metric is absent */
};

struct cn_ranking {
    struct cn_standing *rows; /* in the arena: best first, breakers of guardrails last */
    int64_t n, n_kept;        /* n_kept: rows that keep the guardrails */
    struct cn_noise noise;    /* what the intervals lean on */
    bool borrowed; /* little was repeated under this regime: it is filled up with the others' */
    bool by_mean;  /* the noise is not known at all */
    int64_t block; /* a block of the regime that was ranked (the latest); 0: no block */
    struct cn_guardrails guardrails;
    double confidence;
};
CN_MUST_CHECK cn_status cn_history_rank(const struct cn_history *h,
                                        const struct cn_best_query *q, struct cn_arena *arena,
                                        struct cn_ranking *out, struct cn_err *err);

struct cn_best {
    struct cn_standing first, second; /* node NULL: there is none */
    struct cn_noise noise;            /* these as in cn_ranking */
    bool borrowed, by_mean;
    int64_t block;
    double confidence;
};
CN_MUST_CHECK cn_status cn_history_best(const struct cn_history *h,
                                        const struct cn_best_query *q, struct cn_best *out,
                                        struct cn_err *err);

/* The row of a node's config, whether it leads or not; node NULL in `out` when it has no result. */
CN_MUST_CHECK cn_status cn_history_standing(const struct cn_history *h,
                                            const struct cn_best_query *q, int64_t node,
                                            struct cn_standing *out, struct cn_err *err);

/* ---- noise ---- */

/* Spread of repeated trainings of one config, pooled over the configs of a regime: over the
 * search's, over the confirmations, and over both (each within its own pool, then together). */
struct cn_history_noises {
    struct cn_noise search, confirmation, all;
    /* The search kept the data and the confirmations did not, so they say nothing about each
     * other's noise: `search` is then what rankings lean on, else `all`. */
    bool same_data;
};
/* Under the regime of `block` (0: of every regime). */
CN_MUST_CHECK cn_status cn_history_noise(const struct cn_history *h,
                                         const struct cn_best_query *q, int64_t block,
                                         struct cn_history_noises *out, struct cn_err *err);

/* ---- regimes and words ---- */

/* True for two block numbers with the same values of the same simulation keys; also for two
 * numbers that are no blocks (logs that were read back may have none). */
bool cn_history_same_regime(const struct cn_history *h, int64_t a, int64_t b);

/* In terms of the metric that the person knows: turned round when lower is better (then lo and hi
 * change places, and so do min and max). */
struct cn_standing cn_standing_metric(const struct cn_run_info *info,
                                      const struct cn_standing *s);
/* "0.941 +- 0.012 of 4 (at least 0.923 at 90 %), robust"; lower is better: "at most"; the class
 * from 4 trainings on. One training: "0.941 of 1 (at least 0.88 at 90 %)"; noise unknown: "0.941 of 1 (noise unknown)". */
void cn_standing_words(const struct cn_run_info *info, const struct cn_standing *s,
                       double confidence, struct cn_buf *out);
/* "V_rest_R2 0.11 breaks V_rest_R2 >= 0.2"; nothing when it keeps all. */
void cn_standing_breach(const struct cn_guardrails *g, const struct cn_standing *s,
                        struct cn_buf *out);

#endif
