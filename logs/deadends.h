/* Dead ends: regions that the record says not to enter again.
 *
 *     training.lr_W >= 8.0e-3: diverged 3 of 3 (9, 14, 20)
 *     training.lr >= 2.0e-3: worse than before 2 times, never better (7, 11)
 *
 * A region is one key on one side of a bound, or at one value, under one simulation regime.
 *
 *   failed  the outermost configs of the side all failed, two or more of them alike and by a
 *           single change of this key towards it;
 *   worse   two or more single changes towards it were worse than their base beyond the noise, and
 *           none that reached it was better.
 *
 * The bound is the mildest value that counts. A dead end is no law: it is re-opened under another
 * regime, or when the context changes, the values that all its evidence shares.
 *
 * Pure: equal histories give equal lists.
 */
#ifndef CN_LOGS_DEADENDS_H
#define CN_LOGS_DEADENDS_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "logs/evidence.h"
#include "logs/record.h"

struct cn_dead_end {
    const char *path, *bound; /* borrowed from the history */
    int side;                 /* +1: at the bound and above, -1: and below, 0: this value */
    cn_outcome how;           /* of the failures; CN_OUTCOME_OK: worse than before */
    int64_t *nodes;           /* evidence, ids ascending; in the arena */
    int64_t n;                /* of them */
    int64_t all;              /* configs (failed) or tries (worse) in the region */
    int64_t block;            /* a block of the regime */
    const char *context;      /* "k=v, k=v" that all evidence shares; "" */
};

struct cn_dead_ends {
    struct cn_arena arena;
    struct cn_dead_end *all; /* most evidence first, then by key */
    int64_t n;
};

/* CN_ENOMEM. Clear also after an error. */
CN_MUST_CHECK cn_status cn_dead_ends_init(struct cn_dead_ends *d, const struct cn_history *h,
                                          const struct cn_evidence *e);
void cn_dead_ends_clear(struct cn_dead_ends *d);

/* "training.lr_W >= 8.0e-3" and "diverged 3 of 3". */
void cn_dead_end_region(const struct cn_dead_end *d, struct cn_buf *out);
void cn_dead_end_reason(const struct cn_dead_end *d, struct cn_buf *out);

#endif
