/* The exploration tree as a picture: one row of nodes per depth, a cluster per block, coloured
 * by class. */
#ifndef CN_LOOP_FIGURE_H
#define CN_LOOP_FIGURE_H

#include "base/buf.h"
#include "base/status.h"
#include "harness/loop/plan.h"

/* Graphviz source, made from the record alone. */
void cn_figure_tree(const struct cn_planner *pl, const struct cn_history *h,
                    struct cn_buf *out);
/* DIR/tree.dot, tree.svg and tree.png. CN_EUNSUPPORTED without Graphviz. */
CN_MUST_CHECK cn_status cn_figure_tree_write(const struct cn_planner *pl,
                                             const struct cn_history *h, const char *dir,
                                             struct cn_err *err);

#endif
