/* What the projections share: numbers and prose as text, and small questions to a history. */
#ifndef CN_LOGS_PROJECT_INT_H
#define CN_LOGS_PROJECT_INT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "logs/best.h"
#include "logs/project.h"
#include "logs/record.h"

/* ---- prose.c ---- */

/* Words of a model, a person or a program as part of one line: white space and control
 * characters folded to single spaces, broken UTF-8 replaced, every '=' with spaces around
 * it. */
void cn_prose(struct cn_buf *out, const char *s);
/* The same for a cell of a table ('|' escaped, at most `max` bytes and then "..."). */
void cn_prose_cell(struct cn_buf *out, const char *s, size_t max);
/* A name of a key or metric: bytes outside [A-Za-z0-9_./+-] become '_'. */
void cn_prose_name(struct cn_buf *out, const char *s);
/* A value of a "k=v, k=v" list: quoted when it holds a comma, a quote or white space. */
void cn_prose_value(struct cn_buf *out, const char *s);
void cn_prose_number(struct cn_buf *out, double x); /* shortest round trip */
void cn_prose_short(struct cn_buf *out, double x);  /* 4 significant digits, "-" for NaN */
void cn_prose_spread(struct cn_buf *out, const struct cn_spread *s); /* "0.93 +- 0.004 (n=2)" */
/* "key: old -> new; ...". */
void cn_prose_mutations(struct cn_buf *out, const struct cn_node *n);
/* "k=v, k=v" of a regime. */
void cn_prose_pairs(struct cn_buf *out, const struct cn_mutation *m, int n);
void cn_prose_parent(struct cn_buf *out, int64_t parent); /* "3" or "root" */
/* "Field: words\n"; nothing for words of nothing but white space. */
void cn_prose_line(struct cn_buf *out, const char *field, const char *words);
/* "1 of 4 (25 %, 5 to 70 % at 90 %)": a share with Wilson's interval. */
void cn_prose_share(struct cn_buf *out, int64_t k, int64_t n);
/* "0.0057 within a config (3 degrees of freedom)", "unknown: no config was trained twice". */
void cn_prose_noise(struct cn_buf *out, const struct cn_noise *noise);

/* ---- facts.c ---- */

bool cn_fact_committed(const struct cn_iteration *it);
bool cn_fact_ok(const struct cn_iteration *it); /* committed, and the outcome is ok */
/* Rewards as the metric the person knows: the sign flip undone. */
double cn_fact_metric(const struct cn_history *h, double reward);
struct cn_spread cn_fact_metric_spread(const struct cn_history *h, struct cn_spread s);
/* Over committed iterations with id <= last. */
struct cn_spread cn_fact_spread(const struct cn_history *h, int64_t node, cn_pool pool,
                                int64_t last);
/* Coefficient of variation in per cent; NaN without a spread. */
double cn_fact_cv(const struct cn_spread *s);
/* Who leads among the nodes of a block, as of its end (0: of the run; logs/best.h), over committed
 * iterations. */
CN_MUST_CHECK cn_status cn_fact_leader(const struct cn_history *h, int64_t block,
                                       struct cn_best *out);
/* Its node alone; NULL: none, or no memory to tell (then cn_fact_leader says so). */
const struct cn_node *cn_fact_best(const struct cn_history *h, int64_t block);
struct cn_fact_counts {
    /* Committed search iterations; failed = outcome not ok. */
    int64_t all, ok, converged, failed;
};
struct cn_fact_counts cn_fact_count(const struct cn_history *h, int64_t block);
/* The nodes that the confirmations compare: the default (trained with strategy
 * "confirm-default", else the first root among the confirmed) and the best of the others. NULL
 * when absent, or when there is no memory to tell (then cn_history_gain says so). */
void cn_fact_confirmed(const struct cn_history *h, const struct cn_node **out_default,
                       const struct cn_node **out_best);
/* "k=v, ..." of the node's config for the keys that the log shows. */
void cn_fact_config(const struct cn_history *h, const struct cn_node *n, struct cn_buf *out);

/* ---- project.c ---- */

/* Keep a file that is about to be replaced as <name>.user-<n>.md, unless it is absent or `text`
 * already (a run read back beside its own volumes, edited since). */
CN_MUST_CHECK cn_status cn_project_set_aside(const char *path, const struct cn_buf *text,
                                             struct cn_err *err);

/* ---- entry.c ---- */

/* The log's first lines; `last`: the last iteration of its n sealed volumes. */
void cn_log_head(const struct cn_history *h, int64_t n_volumes, int64_t last,
                 struct cn_buf *out);
/* What the log says at the iteration at this position: its entry, and after the last of a closed
 * block the block's summary. */
void cn_log_entry(const struct cn_history *h, int64_t at, struct cn_buf *out);
/* False while later steps may still change or extend that. *out_block_end: a volume may end
 * here. */
bool cn_log_is_settled(const struct cn_history *h, int64_t at, bool *out_block_end);

/* ---- block.c ---- */
/* "V_rest_R2 >= 0.2 broken by 1 of 4 results (iter 3)", one guardrail after the other, over the
 * committed results of a block's search (0: of the run's); nothing without guardrails. */
void cn_fact_guardrails(const struct cn_history *h, int64_t block, struct cn_buf *out);
void cn_project_block_summary(const struct cn_history *h, const struct cn_block *b,
                              struct cn_buf *out);

#endif
