/* Names of the sections of <run>_memory.md that the host writes, and the mark behind them. */
#ifndef CN_LOGS_MEMORY_INT_H
#define CN_LOGS_MEMORY_INT_H

#include "base/buf.h"

#define CN_MEMORY_MARK       "(computed)"
#define CN_MEMORY_KNOWLEDGE  "Knowledge Base"
#define CN_MEMORY_REGIME     "Regime Comparison Table"
#define CN_MEMORY_ROBUST     "Robustness Comparison Table"
#define CN_MEMORY_EFFECTS    "Parameter Effects Table"
#define CN_MEMORY_FAILURES   "Failures"
#define CN_MEMORY_PREVIOUS   "Previous Block Summary"
#define CN_MEMORY_CURRENT    "Current Block"
#define CN_MEMORY_BLOCK      "Block Info"
#define CN_MEMORY_ITERATIONS "Iterations This Block"

/* The sections of a text "memory" that have none of our names (a person added them), each with
 * a blank line behind. */
void cn_memory_put_others(const char *free_text, struct cn_buf *out);

#endif
