/* One-key mutations of a parent's values: what the embedded proposer tries next.
 * Deterministic: candidate k is a pure function of (space, parent, history, kind, seed,
 * iteration, k). A model-based ranking (TPE) will order the same candidates; it belongs in a
 * file of its own that calls cn_mutate_draw.
 *
 *     struct cn_mutate_query q = {.space = &space, .parent = values,
 *                                 .effects = effects, .n_effects = n,
 *                                 .kind = CN_MUTATE_EXPLOIT, .seed = seed, .iteration = id};
 *     struct cn_mutate_change ch;
 *     st = cn_mutate_propose(&q, already_tried, ctx, &ch, &err);  // CN_ENOTFOUND: nothing new
 *
 * EXPLOIT. The history is a list of effects: one-key mutations tried earlier, older blocks
 * first, each with the change of reward against its parent. A (parameter, direction) is an
 * arm; a bool or an unordered choice has one arm. The arms are tried in this order:
 *   A  the newest effect helped: its arm, further in the same direction (but never the same
 *      arm a third time in a row)
 *   B  parameters without any effect yet, in keyed order and keyed direction
 *   C  arms that helped when last tried, largest gain first (an arm tried twice in a row goes
 *      to the end)
 *   D  the untried opposite of an arm that hurt
 *   E  the rest: untried directions first, then the smallest loss first, failed ones last
 * On odd iterations C stands before B, so that gains are followed up and parameters still
 * alternate.
 *
 * Steps: log scale, a factor drawn in [2, 3]; linear, 15 to 25 per cent of the
 * range; ints, the same but at least 1; ordered choices, the neighbour; others, another value.
 * An arm that hurt or failed steps half as far each time (on its scale) until it helps again,
 * down to 1/8. From 0 on a log scale: up goes to the middle half of the range; below the
 * smallest positive value a step down goes to 0. Values stay in the protocol's range. After
 * all arms the list starts again with half steps, then double steps, then keyed draws over the
 * whole range; choices move one place farther each round, so choices and bools are walked
 * whole.
 *
 * EXPLORE: the least-tried parameter first (keyed ties), a value drawn over its range on its
 * scale.
 *
 * PROBE (failure-probe): the least-probed parameter first, keyed direction: a factor of
 * 10 on a log scale; one whole range width on a linear one; the farthest choice. Up to the
 * hard range. Then the other direction and the next parameter, then farther.
 */
#ifndef CN_UCB_MUTATE_H
#define CN_UCB_MUTATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ucb/space.h"

enum { CN_MUTATE_DRAWS = 4096 };

typedef enum { CN_MUTATE_EXPLOIT, CN_MUTATE_EXPLORE, CN_MUTATE_PROBE } cn_mutate_kind;

struct cn_effect {
    int32_t param;   /* index into the space */
    double from, to; /* parent's value, child's value */
    double
        gain; /* child's reward - parent's; NaN = unknown; not read when failed or in flight */
    bool failed;    /* diverged, oom, timeout, crashed */
    bool in_flight; /* planned, no result yet: the arm counts as tried */
    bool probe;     /* came from a failure-probe: counts for PROBE's turns only */
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

#endif
