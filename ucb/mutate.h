/* One-key mutations of a parent's values: what the embedded proposer tries next. Deterministic:
 * candidate k is a pure function of (space, parent, history, seed, iteration, k). Full TPE will
 * rank the same candidates (a later file, ucb/tpe.h, fed by cn_mutate_draw).
 *
 *     struct cn_mutate_query q = {.space = &space, .parent = values, .effects = effects,
 * .n_effects = n, .kind = CN_MUTATE_EXPLOIT, .seed = run_seed, .iteration = id}; struct
 * cn_mutate_change ch; st = cn_mutate_propose(&q, already_tried, ctx, &ch, &err);  //
 * CN_ENOTFOUND: nothing new is left
 *
 * Policy of EXPLOIT. The history is a list of effects: one-key mutations tried earlier (this
 * block first of all, older blocks as well), each with the change of reward against its parent.
 * Each (parameter, direction) is an arm. Arms are ordered so:
 *   1. the arm of the newest effect, when that effect helped: move further;
 *   2. parameters of unknown effect, least tried first (ties in keyed order), in a keyed random
 * direction;
 *   3. arms that helped the last time they were tried, largest gain first;
 *   4. the untried opposite of an arm that hurt;
 *   5. the rest, the smallest loss first.
 * To keep parameters alternating, an arm of group 3 that was the last two effects in a row goes
 * behind the rest of its group, and group 2 and 3 take turns by the parity of the iteration
 * once anything is known. Step on a log scale: a factor drawn in [2, 3]; on a linear scale: 15
 * to 25 per cent of the range; ints: the same, at least 1; ordered choices: the neighbour;
 * unordered choices and bools: another value, keyed. The step halves (on the scale) for every
 * time this arm hurt or failed since it last helped, down to 1/8. Values are clamped to the
 * protocol's range; a candidate equal to the parent is skipped. After all arms the list begins
 * again with half, then double steps, then with keyed uniform draws, so a finite space is
 * walked whole and a continuous one never ends before CN_MUTATE_DRAWS.
 *
 * EXPLORE: least-tried parameters first, the new value drawn uniformly over the range (on its
 * scale). PROBE (failure-probe): least-probed parameters first, keyed direction, a factor of 10
 * (log), a whole range width (linear, int: the larger of that and a factor of 10), the farthest
 * choice; up to the hard range.
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
    double gain;     /* child's reward - parent's; NaN: failed or not known yet (in flight) */
    bool failed;     /* diverged, oom, timeout, crashed */
    bool in_flight;  /* planned, no result yet: the arm counts as tried */
    bool
        probe; /* came from a failure-probe: counts for PROBE's turn, not as an arm that hurt */
};

struct cn_mutate_query {
    const struct cn_space *space;
    const double *parent; /* double[space->n]; NaN: the parent has no such value, the parameter
                             is skipped */
    const struct cn_effect *effects; /* oldest first */
    int64_t n_effects;
    cn_mutate_kind kind;
    uint64_t seed;
    int64_t iteration;
};

struct cn_mutate_change {
    int32_t param;
    double from, to;
    int direction; /* +1 up, -1 down, 0 = another choice */
    const char
        *why; /* static words for the log: "helped before: further", "effect unknown", ... */
};

/* Candidate k (k < CN_MUTATE_DRAWS); false: this place of the list is a no-op (clamped to the
 * parent's value). */
bool cn_mutate_draw(const struct cn_mutate_query *q, uint64_t k, struct cn_mutate_change *out);

/* true when this point was tried before (the caller hashes the config it would give). */
typedef bool cn_mutate_tried_fn(void *ctx, const struct cn_mutate_change *change);

/* The first candidate that is not a no-op and not tried (tried may be NULL). CN_ENOTFOUND when
 * CN_MUTATE_DRAWS candidates gave nothing new, with the number of parameters in the message.
 * CN_EINPUT from cn_space_check. */
CN_MUST_CHECK cn_status cn_mutate_propose(const struct cn_mutate_query *q,
                                          cn_mutate_tried_fn *tried, void *ctx,
                                          struct cn_mutate_change *out, struct cn_err *err);

#endif
