/* The parent that a rule asks for, from a score table. Deterministic: the one random rule is
 * keyed by (seed, iteration), never by timing.
 *
 *     struct cn_select_query q = CN_SELECT_QUERY_INIT;
 *     q.rule = CN_SELECT_TOP_NOT_RECENT;
 *     q.recent = last_nodes;  q.n_recent = 3;          // nodes of the last k iterations
 *     int64_t parent = cn_select_parent(&table, &q);   // 0 = root: nothing is scored yet
 */
#ifndef CN_UCB_SELECT_H
#define CN_UCB_SELECT_H

#include <stdint.h>

#include "ucb/score.h"

typedef enum {
    CN_SELECT_TOP,            /* highest score */
    CN_SELECT_TOP_NOT_RECENT, /* highest score not among `recent`; all recent: highest score */
    CN_SELECT_RANDOM_TOP, /* one of the k highest, but not `avoid` when another exists; keyed */
    CN_SELECT_BEST_REWARD,  /* highest reward (robustness test); ties: lower id */
    CN_SELECT_SECOND,       /* second highest score; with one node: that one */
    CN_SELECT_RANDOM,       /* any scored node, but not `avoid` when another exists; keyed */
    CN_SELECT_FEWEST_VISITS /* fewest visits; ties: higher score */
} cn_select_rule;

struct cn_select_query {
    cn_select_rule rule;
    int64_t k;             /* RANDOM_TOP: size of the pool; 3 */
    const int64_t *recent; /* borrowed */
    int64_t n_recent;
    int64_t
        avoid; /* RANDOM_TOP, RANDOM: the sequential parent (the last iteration's node); 0 = none */
    uint64_t seed;
    int64_t iteration; /* the one that is being planned */
};
/* clang-format off */
#define CN_SELECT_QUERY_INIT {CN_SELECT_TOP, 3, NULL, 0, 0, 0, 0}
/* clang-format on */

int64_t cn_select_parent(const struct cn_score_table *s, const struct cn_select_query *q);

#endif
