/* One-key mutations of a parent's values: what the embedded proposer tries next.
 * Deterministic: candidate k is a pure function of (space, parent, history, kind, seed,
 * iteration, k). A richer model (TPE over whole configs) would rank the same candidates; it
 * belongs in a file of its own that calls cn_mutate_draw.
 *
 *     struct cn_mutate_query q = {.space = &space, .parent = values,
 *                                 .effects = effects, .n_effects = n,
 *                                 .kind = CN_MUTATE_EXPLOIT, .seed = seed, .iteration = id};
 *     struct cn_mutate_change ch;
 *     st = cn_mutate_propose(&q, already_tried, ctx, &ch, &err);  // CN_ENOTFOUND: nothing new
 *
 * EXPLOIT. The history is a list of effects: one-key mutations tried earlier, in this block
 * and in older ones, each with the change of reward against its parent. Per parameter it gives
 * a posterior over a line plus a parabola (slope.h; bools and unordered choices: a mean gain
 * per value). A candidate is drawn by Thompson's rule: one keyed draw from every posterior,
 * then the best move among a fifth, a half, one and one and a half steps up or down, over all
 * parameters. So a parameter whose effect is unknown has the widest posterior and gets tried,
 * a direction that helped is followed, one that hurt or failed is turned, moves shrink where
 * the parabola says that the top is near, and a parent that carries a harmful value is mended.
 * A step: on a log scale a factor of 2 to 3; on a linear one and for ints 16 to 24 per cent of
 * the range, ints at least 1; ordered choices: the neighbour. A log-scale weight that may be 0
 * is also switched off, and on again at the middle of its scale. Values stay in the protocol's
 * range. When CN_MUTATE_MODEL draws were all tried before, the candidates of EXPLORE follow.
 *
 * EXPLORE: the least-tried parameter first (keyed ties), a value drawn over its range on its
 * scale; choices and bools are walked whole.
 *
 * PROBE (failure-probe): the least-probed parameter first, keyed direction: a factor of 10 on
 * a log scale; one whole range width on a linear one; the farthest choice. Up to the hard
 * range. Then the other direction and the next parameter, then farther.
 */
#ifndef CN_UCB_MUTATE_H
#define CN_UCB_MUTATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ucb/space.h"

enum { CN_MUTATE_DRAWS = 4096, CN_MUTATE_MODEL = 64 };

typedef enum { CN_MUTATE_EXPLOIT, CN_MUTATE_EXPLORE, CN_MUTATE_PROBE } cn_mutate_kind;

struct cn_effect {
    int32_t param;   /* index into the space */
    double from, to; /* parent's value, child's value */
    /* child's reward - parent's; NaN = unknown; not read when failed or in flight. */
    double gain;
    bool failed;    /* diverged, oom, timeout, crashed */
    bool in_flight; /* planned, no result yet: the parameter counts as tried */
    bool probe;     /* came from a failure-probe: counts for PROBE's turns, not for EXPLORE's */
};

struct cn_mutate_query {
    const struct cn_space *space;
    const double *parent; /* double[space->n]; NaN: the parent has no such value, skipped */
    const struct cn_effect *effects; /* oldest first; borrowed */
    int64_t n_effects;
    cn_mutate_kind kind;
    uint64_t seed;
    int64_t iteration;
};

struct cn_mutate_change {
    int32_t param;
    double from, to;
    int direction;   /* +1 up, -1 down, 0 another choice */
    const char *why; /* static words for the log */
};

/* Candidate k; false: this place of the list is a no-op (clamped to the parent's value, no
 * such direction). The space must have passed cn_space_check. */
bool cn_mutate_draw(const struct cn_mutate_query *q, uint64_t k, struct cn_mutate_change *out);

/* true when this point was tried before (the caller hashes the config it would give). */
typedef bool cn_mutate_tried_fn(void *ctx, const struct cn_mutate_change *change);

/* The first of CN_MUTATE_DRAWS candidates that is not a no-op and not tried (`tried` may be
 * NULL). CN_ENOTFOUND when none is; CN_EINPUT from cn_space_check. */
CN_MUST_CHECK cn_status cn_mutate_propose(const struct cn_mutate_query *q,
                                          cn_mutate_tried_fn *tried, void *ctx,
                                          struct cn_mutate_change *out, struct cn_err *err);

/* -- what other proposers of one-key mutations share -- */

/* One step of a directed parameter on [0,1]. */
double cn_mutate_step(const struct cn_param *p);
/* The value `d` away from `from`, which lies at z0 on [0,1]: inside the range, for ints and
 * ordered choices at least one value away (at the end of the range: `from`). */
double cn_mutate_moved(const struct cn_param *p, double from, double z0, double d);

#endif
