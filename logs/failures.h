/* Failures by their signature: the outcome and the message with its numbers and paths taken out,
 * so that "loss is nan at step 40" and "loss is nan at step 45" are one kind. Pure. */
#ifndef CN_LOGS_FAILURES_H
#define CN_LOGS_FAILURES_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "logs/record.h"

struct cn_failure {
    const char *signature; /* in the arena */
    cn_outcome outcome;
    int64_t n, first, last;             /* how many; ids of the first and the last iteration */
    const struct cn_iteration *example; /* the last one */
};

struct cn_failures {
    struct cn_arena arena;
    struct cn_failure *all; /* most frequent first, then the one seen last */
    int64_t n;
};

/* Committed iterations without a result, confirmations as well. CN_ENOMEM. Clear also after an
 * error. Borrows the history. */
CN_MUST_CHECK cn_status cn_failures_init(struct cn_failures *f, const struct cn_history *h);
void cn_failures_clear(struct cn_failures *f);
/* "loss is nan at step #" */
void cn_failure_signature(const char *message, struct cn_buf *out);

#endif
