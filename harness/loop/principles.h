/* What the embedded proposer writes into the working memory at the end of a block: its own lines
 * of the principles, the status of its hypothesis, and a hypothesis for the block that comes
 * (logs/principles.h). Called before the block is closed, from a record in which all of the block
 * is committed: a harness that was killed in between finds the block open, does it again and
 * writes the same words, which are no new version. */
#ifndef CN_LOOP_PRINCIPLES_H
#define CN_LOOP_PRINCIPLES_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "logs/record.h"

struct cn_run;

/* `goes_on`: another block follows. A run whose proposer is a model leaves its memory to the
 * model. */
CN_MUST_CHECK cn_status cn_run_write_principles(struct cn_run *r, const struct cn_history *h,
                                                int64_t block, bool goes_on,
                                                struct cn_err *err);

#endif
