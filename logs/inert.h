/* Parameters that did nothing: a single change after which a training under the same seeds ended equal
 * to the last digit in every number but time. Then the trainer did not use the key (a
 * regulariser that is off in the first epoch, a key of another model), and a search over it is
 * a search over nothing (specs loop 7.2 O3, 7.4 T3, 8.2 item 12).
 *
 *     struct cn_inert_list l;
 *     st = cn_inert_init(&l, &history, &evidence);   // CN_ENOMEM
 *     for (i < l.n) ... l.all[i].path: l.all[i].twins pairs, e.g. nodes base and node
 *     cn_inert_clear(&l);
 *
 * A key is listed when every pair of trainings that can tell (one-key change, same seeds, both ok) was
 * equal; one unequal pair in the same regime takes it off. Pure.
 */
#ifndef CN_LOGS_INERT_H
#define CN_LOGS_INERT_H

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "logs/evidence.h"
#include "logs/record.h"

enum { CN_INERT_MOST = 12 }; /* shown */

struct cn_inert {
    const char *path;   /* borrowed from the history */
    int64_t base, node; /* of the first equal pair */
    int64_t twins;      /* pairs of trainings under the same seeds, all equal */
};

struct cn_inert_list {
    struct cn_arena arena;
    struct cn_inert *all; /* by first appearance */
    int64_t n;
};

/* Clear also after an error. */
CN_MUST_CHECK cn_status cn_inert_init(struct cn_inert_list *l, const struct cn_history *h,
                                      const struct cn_evidence *e);
/* A line for each, `before` in front of it ("- "). */
void cn_inert_words(const struct cn_inert_list *l, const char *before, struct cn_buf *out);
void cn_inert_clear(struct cn_inert_list *l);

#endif
