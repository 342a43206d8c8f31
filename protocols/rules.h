/* Executable rule tables: the rows between a protocol's markers, and which of them fires
 * (DESIGN section 5).
 *
 *     struct cn_rule_context c = {.facts = facts, .n_facts = n, .n_iter_block = 12,
 *                                 .converged = .9, .branching_rate = b,
 *                                 .improvement_rate = i};
 *     struct cn_rule_choice choice;
 *     cn_rules_choose(p->rules, p->n_rules, &c, &choice);
 *     ... choice.strategy, choice.parent_rule, choice.k, choice.text ...
 *
 * Rows are tried in table order, the first whose condition holds wins; a Default row is kept
 * for the end wherever it stands; a table without one ends in "exploit". Rows in free prose
 * never fire: they are for a reader or an LLM.
 *
 * Conditions. Case does not matter; METRIC is R2, R^2, reward or the protocol's reward metric;
 * K is a number or n_iter_block/D; what follows in [] may be missing.
 *
 *     Default
 *     K+ consecutive successes [(METRIC >= X)]       X missing: the converged threshold
 *     Found good config [(METRIC >= X)]              the best node, by mean, reaches X and
 *                                                    has been trained only once
 *     Branching rate < P% [in last block]
 *     Improvement rate < P%, Improvement rate > P%   also: < P% improving
 *     [Same METRIC] plateau +/-D [for K+ iters]      K missing: 3
 *     Stuck                                          plateau +/-0.05 for 3+ iters
 *
 * Counting afresh. Read literally, "3+ consecutive successes" stays true after it fired and
 * would starve every row below it. So a streak (consecutive, plateau) starts counting again
 * after its row fired: only iterations with an id above the newest one whose strategy came
 * from this row (in flight included) enter. Good config and improvement are no streaks; they
 * rest until max(1, n_iter_block/4) later iterations have finished. Branching rate needs no
 * such rule: firing changes the rate. See docs/decisions/rule-rows-count-afresh.md. Facts
 * speak of row numbers, so a table may change only between blocks.
 *
 * "Consecutive" and "plateau" look at the last finished iterations of the block by id;
 * iterations in flight are passed over, a failed one (diverged, oom, timeout, crashed) breaks
 * the streak.
 */
#ifndef CN_PROTOCOLS_RULES_H
#define CN_PROTOCOLS_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"

/* name, text: the conditions that the host evaluates */
#define CN_COND_MAP(X)                               \
    X(DEFAULT, "default")                            \
    X(CONSECUTIVE, "consecutive successes")          \
    X(GOOD_CONFIG, "good config not yet replicated") \
    X(BRANCHING_BELOW, "branching rate below")       \
    X(IMPROVEMENT_BELOW, "improvement rate below")   \
    X(IMPROVEMENT_ABOVE, "improvement rate above")   \
    X(PLATEAU, "plateau")                            \
    X(PROSE, "prose")
typedef enum {
#define X(name, text) CN_COND_##name,
    CN_COND_MAP(X)
#undef X
} cn_cond_kind;

/* The strategies that the embedded proposer can carry out. A row that names another one is
 * prose. */
#define CN_STRATEGY_MAP(X)                \
    X(EXPLOIT, "exploit")                 \
    X(FAILURE_PROBE, "failure-probe")     \
    X(EXPLORE, "explore")                 \
    X(ROBUSTNESS_TEST, "robustness-test") \
    X(FORCE_BRANCH, "force-branch")       \
    X(OTHER, "other")
typedef enum {
#define X(name, text) CN_STRATEGY_##name,
    CN_STRATEGY_MAP(X)
#undef X
} cn_strategy;

typedef enum {
    CN_PARENT_TOP,            /* highest UCB */
    CN_PARENT_TOP_NOT_RECENT, /* highest UCB not among the nodes of the last k iterations */
    CN_PARENT_RANDOM_TOP,     /* one of the k highest, not the sequential parent; keyed */
    CN_PARENT_BEST_RERUN      /* the best node, trained again unchanged (a replicate) */
} cn_parent_rule;

struct cn_rule {
    cn_cond_kind cond;
    const char *condition;     /* as written, marks removed */
    const char *strategy_text; /* as written, marks removed */
    const char *action;
    const char *note; /* why a row is prose; "" otherwise */
    cn_strategy strategy;
    cn_parent_rule parent_rule;
    int64_t parent_k;   /* k of the parent rule: a number, or 0 with parent_div set */
    int64_t parent_div; /* k = max(1, n_iter_block / parent_div) when > 0 */
    int64_t count;      /* K of the condition, or 0 with count_div set */
    int64_t count_div;
    bool has_threshold;
    bool threshold_below;  /* METRIC <= or < X */
    bool threshold_strict; /* < or > */
    double threshold;      /* X on the metric, as written */
    double rate;           /* P as a fraction */
    double tolerance;      /* D */
    int line;              /* in the protocol; 0 = built in */
};

struct cn_rule_fact {
    int64_t iteration, node, parent; /* parent 0 = root */
    bool replicate;
    bool finished; /* measured or later, with an outcome that counts */
    bool failed;   /* diverged, oom, timeout, crashed */
    double reward; /* finished and ok; higher is better; NaN = undefined: never a success */
    int32_t row;   /* row index its strategy came from (cn_rule_choice.row); -1 = none */
};

struct cn_rule_context {
    /* This block's iterations, ascending id; infra and invalid left out. */
    const struct cn_rule_fact *facts;
    int64_t n_facts;
    int64_t n_iter_block;
    double converged;        /* on the metric: what a success is when a row does not say */
    bool lower_is_better;    /* metric = -reward; then a success is <= converged */
    double branching_rate;   /* of ucb/block.h, a fraction; NaN = not known: cannot fire */
    double improvement_rate; /* the same */
};

enum { CN_RULE_TEXT = 512 };

struct cn_rule_choice {
    int32_t row; /* index into the table; n_rules when the implied Default fired */
    cn_strategy strategy;
    const char *strategy_name; /* "exploit", ... static */
    cn_parent_rule parent_rule;
    int64_t k;          /* of the parent rule, resolved */
    int64_t rerun_node; /* BEST_RERUN: the node to train again (0: none measured); else 0 */
    /* For the log: "row 2: 3+ consecutive successes (R2 >= 0.9): iterations 4, 5, 6". */
    char text[CN_RULE_TEXT];
};

/* Rows are numbered from 1 in texts. Never fails for a table that cn_rule_parse or
 * cn_rules_default made. */
void cn_rules_choose(const struct cn_rule *rules, int32_t n_rules,
                     const struct cn_rule_context *c, struct cn_rule_choice *out);

/* One row from its three cells. `reward_metric` may be "" . Strings are copied into the arena.
 * An unknown condition or strategy gives a PROSE row with a note, not an error; CN_EINPUT only
 * for numbers out of their range (K < 1, P outside 0..100, D < 0). */
CN_MUST_CHECK cn_status cn_rule_parse(struct cn_arena *a, const char *condition,
                                      const char *strategy, const char *action,
                                      const char *reward_metric, const char *file, int line,
                                      struct cn_rule *out, struct cn_err *err);

/* The built-in table: failure-probe after 3 successes, explore after n_iter_block/4,
 * robustness-test of a good config, force-branch below 20 % branching, exploit. Static. */
const struct cn_rule *cn_rules_default(int32_t *out_n);

const char *cn_cond_name(cn_cond_kind k);
const char *cn_strategy_name(cn_strategy s);
/* Also old spellings: forced-branch, success-exploit. */
bool cn_strategy_parse(const char *name, cn_strategy *out);
const char *cn_parent_rule_name(cn_parent_rule r); /* "highest UCB", ... */

#endif
