/* The exploration tree of one block, from plain arrays (DESIGN section 5; specs loop 2.2, 10).
 * Pure.
 *
 *     struct cn_tree t;      // nodes: those of this block only
 *     st = cn_tree_init(&t, nodes, n, CN_TREE_NAN_ZERO, NAN, &err);
 *     ... t.nodes[i].visits, t.nodes[i].reward ...      // ascending id
 *     cn_tree_clear(&t);
 *
 * What counts:
 *
 *     N        nodes kept, plus one for every further iteration in flight of a node that
 *              already counts.
 *     V        1 + descendants inside the block, in flight included. An iteration in flight on
 *              a node that already counts is a visit of it and of its ancestors until it ends;
 *              a finished replicate is no visit, it only sharpens the mean.
 *     reward   the mean over the node's finished iterations: ok rewards as they are (NaN by
 *              `nan_rule`), failed ones (diverged, oom, timeout, crashed) as the block's worst
 *              ok reward so far; as `worst_hint` (say, the run's worst) when the block has no
 *              ok reward. When that is NaN too, the node is not scored.
 *     parent   0, outside the array, or dropped = root (0).
 *
 * Infra and invalid: the caller leaves them out of every count. A node with nothing (no
 * reward, no failure, nothing in flight) is dropped and its children become roots.
 */
#ifndef CN_UCB_TREE_H
#define CN_UCB_TREE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* What an ok iteration with an undefined metric is worth. ZERO is the published rule; it suits
 * rewards in [0,1]. WORST is the right choice when rewards may be negative (a flipped loss:
 * zero would be the best). */
typedef enum { CN_TREE_NAN_ZERO, CN_TREE_NAN_WORST } cn_tree_nan_rule;

struct cn_tree_input {
    int64_t id;            /* > 0, unique */
    int64_t parent;        /* 0 = root */
    const double *rewards; /* borrowed during cn_tree_init only; NULL when n_rewards is 0 */
    int64_t n_rewards;     /* finished ok iterations, replicates included */
    int64_t in_flight;     /* iterations planned, submitted or running */
    int64_t failed;        /* diverged, oom, timeout, crashed */
};

struct cn_tree_node {
    int64_t id, parent; /* parent 0 = root; always a node of this tree otherwise */
    int64_t visits;     /* V */
    int64_t finished;   /* iterations behind `reward` */
    double reward;      /* NaN when not scored */
    bool scored; /* false: in flight only, or failed with no worst known; never selectable */
    bool failed; /* no ok reward, at least one failure */
};

struct cn_tree {
    struct cn_tree_node *nodes; /* owned; ascending id */
    int64_t n;
    int64_t total; /* N */
    double worst;  /* the block's worst ok reward; worst_hint when there is none */
};

/* CN_EINPUT: id <= 0, an id twice, a parent >= its child's id (so cycles cannot be), negative
 * counts. CN_ECAP, CN_ENOMEM. On failure `t` is empty and may be cleared. O(n * depth). */
CN_MUST_CHECK cn_status cn_tree_init(struct cn_tree *t, const struct cn_tree_input *nodes,
                                     int64_t n, cn_tree_nan_rule nan_rule, double worst_hint,
                                     struct cn_err *err);
void cn_tree_clear(struct cn_tree *t);
/* NULL when absent. */
const struct cn_tree_node *cn_tree_get(const struct cn_tree *t, int64_t id);

#endif
