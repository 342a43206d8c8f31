/* A run of any length, driven through the store step by step: blocks of LONG_BLOCK, failures,
 * replicates (also of nodes of older blocks), block roots with an older config, confirmations
 * between blocks. What an iteration is depends on its id alone. */
#ifndef CN_TESTS_LONG_RUN_H
#define CN_TESTS_LONG_RUN_H

#include "logs/record.h"
#include "logs/store.h"

enum { LONG_BLOCK = 10 };

/* Open run.db in `dir`, or make it; take the lease. */
cn_status long_open(const char *dir, struct cn_store **out, struct cn_err *err);
/* The steps of iterations first..last, with the blocks that begin and end there. `between` (may be
 * NULL) is called after every step. */
typedef cn_status long_step_fn(void *ctx, struct cn_err *err);
cn_status long_drive(struct cn_store *s, int64_t first, int64_t last, long_step_fn *between,
                     void *ctx, struct cn_err *err);

#endif
