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
 * Conditions. Case does not matter. METRIC is any metric that the trainer reports; R2, R^2,
 * reward and the protocol's reward metric are the reward (conn_R2 is connectivity_R2). OP is
 * >=, >, <=, < or above, over, exceeds, reaches, below, under, at least, at most. X may be 0.9,
 * .9 or 90%. K is a number, one to twelve in words, or n_iter_block/D; "K+", ">= K", "at least
 * K", "K or more" are the same, "> K" and "more than K" are K + 1. What stands in [] may be
 * missing. "and" (&) and "or" join conditions, "and" binds closer.
 *
 *     Default
 *     K+ consecutive successes [(METRIC OP X)]       OP X missing: the converged threshold
 *     K+ consecutive failures | partial              by outcome and class; a failure is a failed
 *                                                    training or one of class failed
 *     Found good config [(METRIC OP X)]              the best node, by mean, reaches X and
 *                                                    has been trained only once
 *     Best METRIC OP X                               mean of the best node
 *     METRIC OP X [for K+ iters]                     the last K finished; K missing: 1
 *     METRIC - METRIC OP X [for K+ iters]            the same for a difference
 *     Degeneracy gap OP X [for K+ iters]             test_pearson - connectivity_R2
 *     [Same METRIC] plateau +/-D [for K+ iters]      K missing: 3
 *     Stuck                                          plateau +/-0.05 for 3+ iters
 *     No improvement for K+ iters                    the best single reward of the block is
 *                                                    K finished mutations old
 *     K+ partial and improving                       the last K are partial, and the best reward
 *                                                    rose among them
 *     K+ partial at a boundary                       the last K are partial, and in each one a
 *     Parameter at its range boundary [for K+ ...]   parameter sits at an end of its range to
 *                                                    which this block moved it; K missing: 3
 *     K+ mutations of [the] same parameter           of this block's one-parameter mutations,
 *                                                    in flight included; "consecutive" or "in a
 *                                                    row": without another one between them
 *     K+ distant nodes OP X                          K >= 2 nodes whose means reach X; any two
 *                                                    differ in two explored parameters or more
 *     Same config differs by > X [in METRIC]         max - min of one node's trainings
 *     Branching rate OP P% [W]                       W: "in last block" (also when missing): the
 *     Improvement rate OP P% [W]                     measure of ucb/block.h as it stands; "over
 *     Failure rate OP P% [W]                         the last K iters" and "over the whole
 *     Converged rate OP P% [W]                       block": this block's facts
 *     First K iterations [of a block], Last K ...    by the place of the planned iteration
 *     Slot K, Slots A-B                              by its slot, from 0
 *
 * Failure and converged rate need max(2, n_iter_block/4) finished iterations before they can
 * hold, and look at the whole block when W is missing.
 *
 * Counting afresh. Read literally, "3+ consecutive successes" stays true after it fired and
 * would starve every row below it. So there are three kinds:
 *
 *     streaks    consecutive, METRIC, difference, plateau, no improvement, partial ..., same
 *                parameter: after the row fired, only iterations with an id above the newest one
 *                whose strategy came from this row (in flight included) enter.
 *     states     good config, best, rates, distant nodes, same config differs: the row rests until
 *                max(1, n_iter_block/4) later iterations have finished. "Branching rate < P%" of
 *                the last quarter needs no rest: firing changes the rate.
 *     places     Default, first, last, slot: no rule; they say where, not how often.
 *
 * In a joined condition each part follows its own kind. See
 * docs/decisions/rule-rows-count-afresh.md. An iteration's row is known by the row's words
 * (cn_rules_row_of), so rows may be moved or edited at any time: an edited condition is a new
 * row, which has not fired yet.
 *
 * "Last" means the last finished iterations of the block by id; iterations in flight are passed
 * over, a failed one (diverged, oom, timeout, crashed, pruned) breaks every streak but that of
 * failures. Nothing here depends on the order in which trainings ended.
 *
 * Strategies, what they propose, and the parent when the action does not name another:
 *
 *     exploit            one parameter, following what helped            highest UCB
 *     explore            the least-tried parameter, a fresh value        highest UCB not among the
 *                                                                        last n_iter_block/4
 *     failure-probe      one parameter about tenfold                     highest UCB
 *     robustness-test *  nothing: the best node again                    the best node
 *     force-branch       as exploit                                      one of the three highest,
 *                                                                        not the last node
 *     recombine *        a node takes over one parameter's value from    the better one of two
 *                        another good one, the parameter that helped     distant nodes
 *                        there most
 *     switch-dimension   as exploit, without the parameter that was      highest UCB
 *                        changed most
 *     scale-up *         the last one-parameter move that gained, once   the child of that move
 *                        more in its direction, twice as far
 *     degeneracy-break   as explore                                      the best node
 *     boundary-skip      as exploit, without the parameter at its end    highest UCB
 *     seed-vary *        nothing: the node whose trainings differ most   that node
 *     principle-test *   the best-supported one-parameter move, from a   highest UCB that was not
 *                        node where it was not tried                     part of that evidence
 *     random-restart *   a random point of the space                     root
 *
 * Those with * choose their node themselves; words about the parent in their action are ignored.
 * Words of an action that name a parent: "random ... top K", "not in|among the last K", "second
 * highest UCB", "best node", "random node", "under-visited | least visited | fewest visits",
 * "highest UCB".
 */
#ifndef CN_PROTOCOLS_RULES_H
#define CN_PROTOCOLS_RULES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"

/* name, text: the conditions that the host evaluates */
#define CN_COND_MAP(X)                                 \
    X(DEFAULT, "default")                              \
    X(CONSECUTIVE, "consecutive successes")            \
    X(GOOD_CONFIG, "good config not yet replicated")   \
    X(BRANCHING_BELOW, "branching rate below")         \
    X(IMPROVEMENT_BELOW, "improvement rate below")     \
    X(IMPROVEMENT_ABOVE, "improvement rate above")     \
    X(PLATEAU, "plateau")                              \
    X(PROSE, "prose")                                  \
    X(BRANCHING_ABOVE, "branching rate above")         \
    X(FAILURE_BELOW, "failure rate below")             \
    X(FAILURE_ABOVE, "failure rate above")             \
    X(CONVERGED_BELOW, "converged rate below")         \
    X(CONVERGED_ABOVE, "converged rate above")         \
    X(CLASS, "consecutive iterations of a class")      \
    X(METRIC, "metric")                                \
    X(BEST, "best node")                               \
    X(NO_IMPROVEMENT, "no improvement")                \
    X(PARTIAL_IMPROVING, "partial and improving")      \
    X(PARTIAL_AT_END, "partial at the end of a range") \
    X(SAME_PARAM, "mutations of the same parameter")   \
    X(DISTANT, "distant good nodes")                   \
    X(SPREAD, "trainings of the same config differ")   \
    X(FIRST, "first iterations of the block")          \
    X(LAST, "last iterations of the block")            \
    X(SLOT, "slot")                                    \
    X(ALL, "all of")                                   \
    X(ANY, "any of")
typedef enum {
#define X(name, text) CN_COND_##name,
    CN_COND_MAP(X)
#undef X
} cn_cond_kind;

/* The strategies that the embedded proposer can carry out. A row that names another one is
 * prose. */
#define CN_STRATEGY_MAP(X)                  \
    X(EXPLOIT, "exploit")                   \
    X(FAILURE_PROBE, "failure-probe")       \
    X(EXPLORE, "explore")                   \
    X(ROBUSTNESS_TEST, "robustness-test")   \
    X(FORCE_BRANCH, "force-branch")         \
    X(RECOMBINE, "recombine")               \
    X(SWITCH_DIMENSION, "switch-dimension") \
    X(SCALE_UP, "scale-up")                 \
    X(DEGENERACY_BREAK, "degeneracy-break") \
    X(BOUNDARY_SKIP, "boundary-skip")       \
    X(SEED_VARY, "seed-vary")               \
    X(PRINCIPLE_TEST, "principle-test")     \
    X(RANDOM_RESTART, "random-restart")     \
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
    CN_PARENT_BEST_RERUN,     /* the best node, trained again unchanged (a replicate) */
    CN_PARENT_SECOND,         /* second highest UCB */
    CN_PARENT_BEST,           /* the node with the best mean, changed */
    CN_PARENT_RANDOM,         /* any scored node but the last one; keyed */
    CN_PARENT_FEWEST_VISITS,
    CN_PARENT_SPREAD_RERUN, /* the node whose trainings differ most, trained again */
    CN_PARENT_STRATEGY      /* the strategy's own choice (those with * above) */
} cn_parent_rule;

typedef enum {
    CN_RULE_CLASS_NONE, /* in flight, failed training, undefined metric */
    CN_RULE_CLASS_CONVERGED,
    CN_RULE_CLASS_PARTIAL,
    CN_RULE_CLASS_FAILED
} cn_rule_class;

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
    int64_t count;      /* K of the condition, or 0 with count_div set; SLOT: the first slot */
    int64_t count_div;
    int64_t count_plus; /* with count_div: "> n_iter_block/4" is one more */
    int64_t count_last; /* SLOT: the last slot */
    bool in_a_row;      /* SAME_PARAM: consecutive */
    cn_rule_class cls;  /* CLASS */
    const char *metric; /* what is compared; NULL: the reward */
    const char *minus;  /* subtracted from it; NULL: nothing, "": the reward */
    bool has_threshold;
    bool threshold_below;  /* METRIC <= or < X */
    bool threshold_strict; /* < or > */
    double threshold;      /* X on the metric, as written */
    double rate;           /* P as a fraction */
    bool rate_or_equal;    /* <= or >= */
    int64_t window;        /* of a rate: the last so many; 0 with window_div 0: as measured */
    int64_t window_div;
    bool window_block; /* of a rate: the whole block */
    double tolerance;  /* D */
    int line;          /* in the protocol; 0 = built in */
    /* ALL, ANY: the joined conditions; of each only the condition's fields count. */
    const struct cn_rule *terms;
    int32_t n_terms;
};

struct cn_rule_metric {
    const char *name;
    double value; /* NaN: not known */
};

struct cn_rule_fact {
    int64_t iteration, node, parent; /* parent 0 = root */
    bool replicate;
    bool finished; /* measured or later, with an outcome that counts */
    bool failed;   /* diverged, oom, timeout, crashed, pruned */
    double reward; /* finished and ok; higher is better; NaN = undefined: never a success */
    int32_t row;   /* row index its strategy came from (cn_rules_row_of); -1 = none */
    cn_rule_class cls;
    bool one_key;  /* its node differs from its parent in one explored parameter: `param` */
    int32_t param; /* index into the context's params */
    const struct cn_rule_metric *metrics; /* as the trainer reported them; borrowed */
    int32_t n_metrics;
    /* double[n_params]: where the config stands; NULL: not known; NaN: no such value. */
    const double *point;
    /* signed char[n_params]: -1 lower, +1 upper end of its range when a mutation of this block
     * moved the parameter there; else 0. NULL: not known. */
    const signed char *at_end;
};

struct cn_rule_context {
    /* This block's iterations, ascending id; infra and invalid left out. */
    const struct cn_rule_fact *facts;
    int64_t n_facts;
    int64_t n_iter_block;
    double converged;          /* on the metric: what a success is when a row does not say */
    bool lower_is_better;      /* metric = -reward; then a success is <= converged */
    double branching_rate;     /* of ucb/block.h, a fraction; NaN = not known: cannot fire */
    double improvement_rate;   /* the same */
    const char *const *params; /* dotted paths of the explored parameters */
    int32_t n_params;
    int64_t position; /* of the iteration to plan in its block, from 1; 0: not known */
    int32_t slot;     /* of the iteration to plan, from 0; -1: not known */
};

enum { CN_RULE_TEXT = 512 };

struct cn_rule_choice {
    int32_t row; /* index into the table; n_rules when the implied Default fired */
    cn_strategy strategy;
    const char *strategy_name; /* "exploit", ... static */
    cn_parent_rule parent_rule;
    int64_t k;          /* of the parent rule, resolved */
    int64_t rerun_node; /* ..._RERUN: the node to train again (0: none measured); else 0 */
    /* What the strategy works with: two distant nodes, the better one first (0: none); the
     * parameter to leave alone (-1: none). */
    int64_t nodes[2];
    int32_t param;
    /* For the log: "row 2: 3+ consecutive successes (R2 >= 0.9): iterations 4, 5, 6". */
    char text[CN_RULE_TEXT];
};

/* Rows are numbered from 1 in texts. Never fails for a table that cn_rule_parse or
 * cn_rules_default made. */
void cn_rules_choose(const struct cn_rule *rules, int32_t n_rules,
                     const struct cn_rule_context *c, struct cn_rule_choice *out);

/* The row that `parent_rule` (an iteration's words, beginning with a choice's text) came from:
 * the one with the same condition; of several the one with the same strategy, then with the same
 * number, then the first. -1: no row of this table. `strategy`: the iteration's; "" when not
 * known. */
int32_t cn_rules_row_of(const struct cn_rule *rules, int32_t n_rules, const char *parent_rule,
                        const char *strategy);

/* One row from its three cells. `reward_metric` may be "" . Strings are copied into the arena.
 * An unknown condition or strategy gives a PROSE row, not an error; its note says what is not
 * understood and the nearest known form. CN_EINPUT only for numbers out of their range (K < 1, P
 * outside 0..100, D < 0, fewer than two distant nodes, slots the wrong way round). */
CN_MUST_CHECK cn_status cn_rule_parse(struct cn_arena *a, const char *condition,
                                      const char *strategy, const char *action,
                                      const char *reward_metric, const char *file, int line,
                                      struct cn_rule *out, struct cn_err *err);

/* The first metric that the row's condition names and the trainer does not report; NULL: none.
 * Such a part never holds. */
const char *cn_rule_unknown_metric(const struct cn_rule *r, const char *const *metrics, int n);

/* The built-in table: failure-probe after 3 successes, explore after n_iter_block/4,
 * robustness-test of a good config, force-branch below 20 % branching, exploit. Static. */
const struct cn_rule *cn_rules_default(int32_t *out_n);

const char *cn_cond_name(cn_cond_kind k);
const char *cn_strategy_name(cn_strategy s);
/* Also other spellings: forced-branch, success-exploit, blanks for hyphens. */
bool cn_strategy_parse(const char *name, cn_strategy *out);
const char *cn_parent_rule_name(cn_parent_rule r); /* "highest UCB", ... */

#endif
