/* A long history: blocks of 12 under alternating regimes, single changes that help, hurt and fail,
 * repeats, all keyed by the iteration. See made.h. */
#ifndef CN_TESTS_SUPPORT_MADE_MANY_H
#define CN_TESTS_SUPPORT_MADE_MANY_H

#include "tests/support/made.h"

/* `m` becomes a history of n iterations, with room for a few more; clear it with made_clear. */
void made_many(struct made *m, int64_t n);

#endif
