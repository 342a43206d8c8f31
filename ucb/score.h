/* Scores over a tree, exactly as protocols state them (DESIGN section 5):
 *
 *     UCB1   reward + c sqrt(ln N / V)          (default)
 *     PUCT   reward + c sqrt(N) / (1 + V)
 *
 *     struct cn_score_opts o = CN_SCORE_OPTS_INIT;
 *     o.c_scale = CN_C_SCALE_SPREAD;
 *     struct cn_score_table s;
 *     st = cn_score_init(&s, &tree, &o, &err);
 *     if (s.n == 0) parent = root; else parent = s.rows[0].id;
 *     cn_score_clear(&s);
 *
 * With rewards close together and c = 1.414 the newest leaf nearly always wins; `c_scale
 * spread` multiplies c by max - min of the block's scored rewards (0 with a single node: then
 * the score is the reward). `reward_scale` replaces the reward inside the score by
 * (r - min) / (max - min) or by its rank in [0, 1] (ties share their mean rank; a single node
 * or all equal = 0.5); rows keep the true reward. Spread is taken after it.
 */
#ifndef CN_UCB_SCORE_H
#define CN_UCB_SCORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "ucb/tree.h"

typedef enum { CN_SCORE_UCB1, CN_SCORE_PUCT } cn_score_kind;
typedef enum { CN_C_SCALE_NONE, CN_C_SCALE_SPREAD } cn_c_scale;
typedef enum {
    CN_REWARD_SCALE_NONE,
    CN_REWARD_SCALE_MINMAX,
    CN_REWARD_SCALE_RANK
} cn_reward_scale;

struct cn_score_opts {
    cn_score_kind kind;
    double c;
    cn_c_scale c_scale;
    cn_reward_scale reward_scale;
};
/* clang-format off */
#define CN_SCORE_OPTS_INIT {CN_SCORE_UCB1, 1.414, CN_C_SCALE_NONE, CN_REWARD_SCALE_NONE}
/* clang-format on */

struct cn_score_row {
    int64_t id, parent; /* parent 0 = root */
    int64_t visits;
    double reward, score;
};

struct cn_score_table {
    struct cn_score_row *rows; /* owned; best first, ties by lower id; none in flight */
    int64_t n;
    int64_t total; /* N: nodes in flight included */
    double c;      /* after c_scale */
};

double cn_score_value(cn_score_kind kind, double reward, int64_t total, int64_t visits,
                      double c);
/* CN_EINPUT when c is negative or not finite. */
CN_MUST_CHECK cn_status cn_score_init(struct cn_score_table *s, const struct cn_tree *t,
                                      const struct cn_score_opts *o, struct cn_err *err);
void cn_score_clear(struct cn_score_table *s);
/* NULL when absent. */
const struct cn_score_row *cn_score_get(const struct cn_score_table *s, int64_t id);

/* "ucb1", "puct"; "none", "spread"; "none", "minmax", "rank". false: unknown (the caller names
 * the key). */
bool cn_score_kind_parse(const char *s, cn_score_kind *out);
bool cn_score_c_scale_parse(const char *s, cn_c_scale *out);
bool cn_score_reward_scale_parse(const char *s, cn_reward_scale *out);
const char *cn_score_kind_name(cn_score_kind k);
const char *cn_score_c_scale_name(cn_c_scale k);
const char *cn_score_reward_scale_name(cn_reward_scale k);

#endif
