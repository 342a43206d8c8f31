/* Scores of any block from the record alone: no trainer is run, no lock is taken. For `cairn
 * export --format scores` and `cairn verify`.
 *
 *     st = cn_rescore_init(&r, store, &err);
 *     st = cn_rescore_block(&r, &history, 3, &opts, &err); // opts.scores, n_scores, ...
 *     cn_project_scores(&history, &opts, &buf);
 *     cn_rescore_clear(&r);
 */
#ifndef CN_LOOP_RESCORE_H
#define CN_LOOP_RESCORE_H

#include "base/arena.h"
#include "harness/loop/plan.h"
#include "logs/project.h"
#include "logs/store.h"

struct cn_rescore {
    struct cn_arena arena; /* of the score lines */
    struct cn_settings settings;
    struct cn_trainer *trainer; /* owned; from the describe table that the record keeps */
};

CN_MUST_CHECK cn_status cn_rescore_init(struct cn_rescore *r, struct cn_store *s,
                                        struct cn_err *err);
void cn_rescore_clear(struct cn_rescore *r);
/* Fill what ucb_scores.txt shows of a block; the lines live as long as `r` and `h`. */
CN_MUST_CHECK cn_status cn_rescore_block(struct cn_rescore *r, const struct cn_history *h,
                                         int64_t block, struct cn_project_opts *out,
                                         struct cn_err *err);

#endif
