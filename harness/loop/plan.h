/* What to train next: a pure function of the record, the settings, the protocol and the
 * trainer's table. No clock, no files; random draws are keyed by iteration, never by timing.
 *
 *     struct cn_plan p;
 *     st = cn_plan_next(&planner, &history, &p, &err); // or cn_plan_confirmation at the end
 *     if (p.open_block)
 *         cn_store_open_block(store, &p.block, ...);
 *     cn_store_plan(store, p.new_node ? &p.node : NULL, &p.iteration, ...);
 *     cn_plan_clear(&p);
 */
#ifndef CN_LOOP_PLAN_H
#define CN_LOOP_PLAN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "harness/loop/mutation.h"
#include "harness/loop/settings.h"
#include "harness/loop/trainer.h"
#include "logs/best.h"
#include "logs/record.h"
#include "protocols/protocol.h"
#include "ucb/score.h"

struct cn_sayings;
struct cn_planner {
    const struct cn_settings *settings;
    const struct cn_protocol *protocol;
    const struct cn_trainer *trainer;
    const struct cn_search *search;
    const char *base_config;                  /* the user's, as YAML text */
    const struct cn_elsewhere *opt_elsewhere; /* for histories that are windows; else NULL */
    const struct cn_sayings
        *opt_sayings; /* of a model (consult_int.h); NULL: nobody was asked */
};

struct cn_forecast;
struct cn_plan {
    struct cn_arena arena;
    struct cn_forecast *forecast; /* owned; of run times; NULL: no limit is set */
    bool open_block, new_node;
    struct cn_block block;
    struct cn_node node;
    struct cn_iteration iteration;
};

/* The next iteration of the search. The caller has seen to it that one may be planned: the open
 * block has room, or none is open. */
CN_MUST_CHECK cn_status cn_plan_next(const struct cn_planner *pl, const struct cn_history *h,
                                     struct cn_plan *out, struct cn_err *err);

/* The next fresh-seed replicate after the search, in rounds: the default, the best, and while its
 * interval overlaps the best's, the second best (explore.confirm_top), all of a round under the
 * same seeds, which the search never used. When the best was found under another simulation
 * regime, the default config is trained under that one. CN_ENOTFOUND: all done, or there is
 * nothing to confirm. */
CN_MUST_CHECK cn_status cn_plan_confirmation(const struct cn_planner *pl,
                                             const struct cn_history *h, struct cn_plan *out,
                                             struct cn_err *err);
void cn_plan_clear(struct cn_plan *p);

/* -- views of the record that the loop and the figures share -- */

int64_t cn_plan_searched(const struct cn_history *h); /* iterations planned in the search */
int64_t cn_plan_block_count(const struct cn_history *h, int64_t block);
const struct cn_block *cn_plan_open_block(const struct cn_history *h); /* NULL: none is open */
/* What the loop asks of logs/best.h: who leads in this block (0: in the run), now. By the same
 * interval as in the texts, so that there is one best; the setting `confidence` is for what is
 * decided about repeats and the target. */
struct cn_best_query cn_plan_query(int64_t block);
/* The node that the block began with; NULL before it is planned. */
const struct cn_node *cn_plan_block_root(const struct cn_history *h, int64_t block);

/* Scores of a block's nodes as of now; clear with cn_score_clear. */
CN_MUST_CHECK cn_status cn_plan_scores(const struct cn_planner *pl, const struct cn_history *h,
                                       int64_t block, struct cn_score_table *out,
                                       struct cn_err *err);

/* Rows whose condition names a metric that the trainer does not report, in words; false: none. */
bool cn_plan_tell_metrics(const struct cn_protocol *p, const struct cn_trainer *t,
                          struct cn_buf *out);

/* What the block's history says about the search, in words for the log: branching, improvement,
 * converged and failed shares with their intervals, dimension diversity, plateau, best. Nothing for
 * a block without iterations. */
void cn_plan_block_note(const struct cn_planner *pl, const struct cn_history *h, int64_t block,
                        struct cn_buf *out);

#endif
