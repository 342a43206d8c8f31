/* The exploration tree as a picture: one row of nodes per depth, a cluster per block, coloured
 * by class. */
#ifndef CN_LOOP_FIGURE_H
#define CN_LOOP_FIGURE_H

#include "base/buf.h"
#include "base/plot.h"
#include "base/status.h"
#include "harness/loop/plan.h"

/* Graphviz source, made from the record alone. */
void cn_figure_tree(const struct cn_planner *pl, const struct cn_history *h,
                    struct cn_buf *out);
/* Begin to draw DIR/tree.dot, tree.svg and tree.png: Graphviz takes seconds, which no training has
 * to wait for (base/plot.h). CN_EUNSUPPORTED without Graphviz. */
CN_MUST_CHECK cn_status cn_figure_tree_start(struct cn_dot *d, const struct cn_planner *pl,
                                             const struct cn_history *h, const char *dir,
                                             struct cn_err *err);

#endif
