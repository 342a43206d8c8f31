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
    int64_t n_facts;
    /* After cn_view_rules: the same iterations, and the explored parameters' paths. */
    struct cn_rule_fact *rule_facts;
    const char *const *params;
    struct cn_tree_input *nodes;
    int64_t n_nodes;
};

/* As the protocols state it: the same reward within +/-0.05 for three iterations is a plateau. */
#define CN_PLATEAU_TOLERANCE 0.05
enum { CN_PLATEAU_K = 3 };

/* Infra and invalid iterations are left out. */
CN_MUST_CHECK cn_status cn_view_init(struct cn_view *v, const struct cn_history *h,
                                     int64_t block, struct cn_err *err);
/* What the rule table speaks of: classes, metrics, places in the space, the row that each iteration
 * came from; and which parameter each one-key mutation changed, in `facts` too. */
CN_MUST_CHECK cn_status cn_view_rules(struct cn_view *v, const struct cn_history *h,
                                      const struct cn_planner *pl, struct cn_err *err);
void cn_view_clear(struct cn_view *v);

/* Index of the training parameter that the node's single mutation touches; -1: none. */
int32_t cn_view_param(const struct cn_planner *pl, const struct cn_node *node);

/* Everything that one-key mutations of the training parameters have shown so far, oldest first.
 * Arrays in `arena`. */
CN_MUST_CHECK cn_status cn_view_effects(const struct cn_history *h, const struct cn_planner *pl,
                                        struct cn_arena *arena, struct cn_effect **out,
                                        int64_t *out_n, struct cn_err *err);

#endif
