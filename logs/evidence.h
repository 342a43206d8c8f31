/* What the record shows about single changes: every node that differs from its parent by one key,
 * with the change of the reward and its doubt; and the same gathered by key and direction. The
 * memory, the principles, the dead ends and the report are made of it.
 *
 *     struct cn_evidence e;
 *     st = cn_evidence_init(&e, &history); // CN_ENOMEM
 *     for (i < e.n_groups) ... e.groups[i].better of e.groups[i].n tries
 *     cn_evidence_clear(&e);
 *
 * Pure. Only committed iterations count; trainings that died of their surroundings and configs
 * that were refused (infra, invalid) say nothing. Rewards are as the record has them: higher is
 * better. "Better" and "worse" mean beyond the noise: the interval of the difference
 * (CN_BEST_CONFIDENCE) leaves zero out. While no config was trained twice the noise is not known
 * and nothing is better or worse.
 */
#ifndef CN_LOGS_EVIDENCE_H
#define CN_LOGS_EVIDENCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/stats.h"
#include "base/status.h"
#include "logs/best.h"
#include "logs/record.h"

/* The committed ok runs of one node in one pool. */
struct cn_runs {
    struct cn_sample sample;
    double min, max; /* NaN when n = 0 */
};

struct cn_node_runs {
    struct cn_runs search, confirmation;
    int64_t failures; /* committed search iterations without a result, the config's own doing */
    cn_outcome how;   /* of the first of them; CN_OUTCOME_NONE: none */
};

/* One node against its base: its parent, or for a child of the root the config that its block
 * began with. */
struct cn_try {
    int64_t node, base, block;              /* ids; node is also the iteration's id */
    const char *path, *old_text, *new_text; /* borrowed from the history */
    double from, to;                        /* NaN when not numbers */
    int direction;                          /* +1 raised, -1 lowered, 0 another value */
    bool failed;                            /* no result: `how` */
    cn_outcome how;
    struct cn_difference gain; /* of the reward against the base; not `known` when failed */
    bool compared;             /* both have a result: gain.mean is a number */
    uint64_t seed;             /* training seed of the node's first run */
};

/* All tries of one key in one direction (for values without an order: to one value). */
struct cn_group {
    const char *path, *value; /* value: NULL unless direction is 0 */
    int direction;
    int64_t *tries; /* indexes into the evidence's tries, in id order */
    int64_t n, compared, better, worse, failed;
    /* Mean change over the compared tries: of one try its own interval, of more the interval
     * over the tries (Student). */
    struct cn_difference effect;
};

struct cn_evidence {
    struct cn_arena arena;
    struct cn_noise noise;     /* within a config, over all regimes (logs/best.h) */
    struct cn_node_runs *runs; /* one per node of the history, same order */
    int64_t *base;             /* index of the node's base; -1: none; one per node */
    struct cn_try *tries;      /* in id order */
    int64_t n_tries;
    struct cn_group *groups; /* by path, then down, value, up */
    int64_t n_groups;
};

/* Borrows texts of the history, which must outlive `e`. Clear also after an error. */
CN_MUST_CHECK cn_status cn_evidence_init(struct cn_evidence *e, const struct cn_history *h);
void cn_evidence_clear(struct cn_evidence *e);

/* NULL when the history has no such node. */
const struct cn_node_runs *cn_evidence_runs(const struct cn_evidence *e,
                                            const struct cn_history *h, int64_t node);
/* NULL when the key was never tried so. `value` only for direction 0. */
const struct cn_group *cn_evidence_group(const struct cn_evidence *e, const char *path,
                                         int direction, const char *value);
/* "raising KEY", "lowering KEY", "KEY: any -> VALUE". */
void cn_evidence_name(const struct cn_group *g, struct cn_buf *out);
/* A change of the metric: "+0.21 (+0.15 to +0.27)", without the interval when the noise is
 * unknown; "-" when nothing could be compared. */
void cn_evidence_words(const struct cn_history *h, const struct cn_difference *d,
                       struct cn_buf *out);

/* Stability class (base/stats.h) over a node's committed runs with ids up to `last`; UNKNOWN below
 * two. *out_few: below four, a first impression. CN_ENOMEM. */
CN_MUST_CHECK cn_status cn_evidence_stability(const struct cn_history *h, int64_t node,
                                              cn_pool pool, int64_t last, cn_stability *out,
                                              bool *out_few);

#endif
