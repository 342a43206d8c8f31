/* What the files of the rule table share: rules.c (the choice), rule_holds.c (does a condition
 * hold), rule_evidence.c (the nodes and parameters that conditions and strategies speak of),
 * rule_parse.c and rule_words.c (rows from words). */
#ifndef CN_PROTOCOLS_RULES_INT_H
#define CN_PROTOCOLS_RULES_INT_H

#include "base/arena.h"
#include "base/buf.h"
#include "protocols/rules.h"

/* Why a condition holds, and what it found. */
struct rules_evidence {
    struct cn_buf *why;
    int64_t nodes[2]; /* 0: none */
    int32_t param;    /* -1: none */
};

/* k, or n_iter_block / div when div > 0; at least 1. */
int64_t rules_resolve(int64_t k, int64_t div, int64_t n_iter_block);
/* The metric that the condition speaks of, as the trainer wrote it (a reward with its sign turned
 * back); NaN when the iteration is not ok or does not have it. */
double rules_value(const struct cn_rule *r, const struct cn_rule_context *c,
                   const struct cn_rule_fact *f);
/* Does a value reach the condition's threshold (the converged one when it names none)? */
bool rules_reaches(const struct cn_rule *r, const struct cn_rule_context *c, double value);
/* Mean over the node's ok iterations of rules_value; *trainings counts every iteration of it, in
 * flight and failed included. `r` NULL: the reward, higher is better. */
double rules_node_mean(const struct cn_rule_context *c, const struct cn_rule *r, int64_t node,
                       int64_t *trainings);
/* The node with the highest mean reward, ties to the lower id; 0: none measured. */
int64_t rules_best_node(const struct cn_rule_context *c, double *mean, int64_t *trainings);
/* The newest iteration whose strategy came from this row; 0 = it never fired in this block. */
int64_t rules_last_fired(const struct cn_rule_context *c, int32_t row);
/* The parameter changed; -1: none, or not by one parameter. */
int32_t rules_param(const struct cn_rule_context *c, const struct cn_rule_fact *f);

/* Does the condition hold? It writes its reasons into e->why. */
bool rules_holds(const struct cn_rule *r, int32_t row, const struct cn_rule_context *c,
                 struct rules_evidence *e);

/* k good nodes, any two of them distant (rules.h), best first; their ids to out[0..k). `r` NULL:
 * every measured node is good. false: there are not so many. */
enum { RULES_DISTANT_MAX = 8 };
bool rules_distant(const struct cn_rule_context *c, const struct cn_rule *r, int64_t k,
                   int64_t *out);
/* The node whose trainings differ most by the condition's metric; 0: none was trained twice. */
int64_t rules_widest(const struct cn_rule_context *c, const struct cn_rule *r, double *spread,
                     int64_t *trainings);
/* The parameter that this block's mutations after iteration `floor_id` changed most often (ties:
 * the one changed last); in_a_row: the one of the newest mutations, as far as they agree. -1: none.
 * *out_n: how often. */
int32_t rules_most_changed(const struct cn_rule_context *c, int64_t floor_id, bool in_a_row,
                           int64_t *out_n);
/* The parameter that sits at its end in most of the newest n finished iterations (ties: the lower
 * index); -1: none does. */
int32_t rules_at_end(const struct cn_rule_context *c, int64_t n);
/* What the strategy needs and the condition did not find. */
void rules_evidence_for(cn_strategy s, const struct cn_rule_context *c,
                        struct rules_evidence *e);

/* -- rows from words -- */

/* "R2", "conn R2", "V_rest_R^2" to the metric's usual spelling in the arena. NULL: no memory. */
const char *rules_metric_name(struct cn_arena *a, const char *words);
/* Is it the reward, under one of its names? `reward` may be "". */
bool rules_is_reward(const char *metric, const char *reward);
/* A number, or one to twelve in words. */
bool rules_count(const char *words, int64_t *out);
/* >= and its like: *below, *strict. */
void rules_comparison(const char *words, bool *below, bool *strict);
/* The known form that shares most words with the condition; NULL: none does. */
const char *rules_nearest_form(const char *condition);
/* The strategy's parent rule, then the words of the action. */
CN_MUST_CHECK cn_status rules_action(struct cn_rule *r, struct cn_err *err);
/* Does the strategy choose its node itself? */
bool rules_own_node(cn_strategy s);

#endif
