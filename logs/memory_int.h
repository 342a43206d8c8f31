/* Names of the sections of <run>_memory.md that the host writes, the mark behind them, and the
 * making of its tables. */
#ifndef CN_LOGS_MEMORY_INT_H
#define CN_LOGS_MEMORY_INT_H

#include "base/buf.h"
#include "logs/deadends.h"
#include "logs/evidence.h"
#include "logs/inert.h"
#include "logs/principles.h"
#include "logs/record.h"
#include "logs/table.h"

#define CN_MEMORY_MARK        "(computed)"
#define CN_MEMORY_KNOWLEDGE   "Knowledge Base"
#define CN_MEMORY_REGIME      "Regime Comparison Table"
#define CN_MEMORY_ROBUST      "Robustness Comparison Table"
#define CN_MEMORY_EFFECTS     "Parameter Effects Table"
#define CN_MEMORY_DEAD_ENDS   "Dead Ends"
#define CN_MEMORY_FAILURES    "Failures"
#define CN_MEMORY_PRINCIPLES  "Principles"
#define CN_MEMORY_PREDICTIONS "Predictions"
#define CN_MEMORY_PREVIOUS    "Previous Block Summary"
#define CN_MEMORY_CURRENT     "Current Block"
#define CN_MEMORY_BLOCK       "Block Info"
#define CN_MEMORY_ITERATIONS  "Iterations This Block"

/* ---- memory_tables.c ---- */

/* What the tables are made of. */
struct cn_memory_facts {
    const struct cn_history *h;
    struct cn_evidence e;
    struct cn_dead_ends dead;
    struct cn_claims claims;
    struct cn_inert_list inert;
};
typedef enum {
    CN_TABLE_REGIMES,
    CN_TABLE_ROBUST,
    CN_TABLE_EFFECTS,
    CN_TABLE_DEAD_ENDS,
    CN_TABLE_FAILURES,
    CN_TABLE_PRINCIPLES,
    CN_TABLE_ITERATIONS,
    CN_TABLE_N
} cn_memory_table;
/* Fills `t` (which the caller clears) with all rows that may fit its own cap. */
CN_MUST_CHECK cn_status cn_memory_make_table(const struct cn_memory_facts *f,
                                             cn_memory_table which, struct cn_table *t);
/* The block's leader as of its end, or as of now: cn_standing_words, with its node and config. */
void cn_memory_put_leader(const struct cn_history *h, int64_t block, struct cn_buf *out);

/* ---- memory_text.c ---- */

/* The sections of a text "memory" that have none of our names (a person added them), each with
 * a blank line behind. */
void cn_memory_put_others(const char *free_text, struct cn_buf *out);

#endif
