/* One block of the record as the arrays that ucb and protocols work on. */
#ifndef CN_LOOP_VIEW_H
#define CN_LOOP_VIEW_H

#include "base/arena.h"
#include "harness/loop/plan.h"
#include "protocols/rules.h"
#include "ucb/block.h"
#include "ucb/mutate.h"
#include "ucb/tree.h"

struct cn_view {
    struct cn_arena arena;
    const struct cn_block *block;
    const struct cn_node *root; /* first node of the block */
    struct cn_block_fact *facts;
    struct cn_rule_fact *rule_facts; /* the same iterations */
    int64_t n_facts;
    struct cn_tree_input *nodes;
    int64_t n_nodes;
};

/* Infra and invalid iterations are left out. */
CN_MUST_CHECK cn_status cn_view_init(struct cn_view *v, const struct cn_history *h,
                                     int64_t block, struct cn_err *err);
void cn_view_clear(struct cn_view *v);

/* Everything that one-key mutations of the training parameters have shown so far, oldest first.
 * Arrays in `arena`. */
CN_MUST_CHECK cn_status cn_view_effects(const struct cn_history *h, const struct cn_planner *pl,
                                        struct cn_arena *arena, struct cn_effect **out,
                                        int64_t *out_n, struct cn_err *err);

#endif
