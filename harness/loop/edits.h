/* Edits of a run's rules: versions, what they did, and the embedded proposer's own edit at the end
 * of a block (docs/PROTOCOLS.md, Edits).
 *
 *     st = cn_edits_block_end(run, block, full, &note, &err); // before the block is closed
 *     st = cn_edits_put(run, text, "llm:...", reason, &err);  // somebody else's edit
 *
 * The store's versions of "protocol" are the truth, protocol.md in the run folder is the copy that
 * people read and may edit. An edit by cairn is recorded in this order, so that a harness that was
 * killed between any two of them finds out what was meant:
 *   1. the pair (old hash, new hash) of protocol.md (cn_store_projection_set),
 *   2. the new version,
 *   3. the file,
 *   4. the pair (new hash, new hash).
 * A file with the old hash while the pair differs and the new version stands was not reached: it is
 * written again (cn_edits_settle). Once the pair is equal, a file with the words of an older version
 * is a person's wish, and becomes a version by "user". A file with neither hash is a person's too.
 */
#ifndef CN_LOOP_EDITS_H
#define CN_LOOP_EDITS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/stats.h"
#include "base/status.h"
#include "harness/loop/plan.h"
#include "harness/loop/run.h"
#include "logs/record.h"

#define CN_EDITS_FILE "protocol.md"
#define CN_EDITS_KIND "protocol" /* of the store's texts */

/* Kinds of the events, recorded with the block's last iteration; their texts begin
 * "version N: ". */
#define CN_EDITS_EVENT        "protocol-edit"
#define CN_EDITS_EVENT_EFFECT "edit-effect"

/* -- versions (edits.c) -- */

/* Bring protocol.md in line with an edit that was not finished. */
CN_MUST_CHECK cn_status cn_edits_settle(struct cn_run *r, struct cn_err *err);

/* A new version by `author`; holds from the next plan on. Only between blocks: facts speak of row
 * numbers. CN_EINPUT in words for a model: the text fails cn_edit_check, or protocol.md holds words
 * of a person that are not in force. */
CN_MUST_CHECK cn_status cn_edits_put(struct cn_run *r, const char *text, const char *author,
                                     const char *reason, struct cn_err *err);

/* What is done about the rules at the end of a block: the effect of the edit before it is
 * measured, at most one edit is made (or the reason for none is found), and both are told in words
 * for the block's note. Idempotent: a version that this block's end has made already is not made
 * again. `full`: false when the search ended before the block did; then nothing is edited. */
CN_MUST_CHECK cn_status cn_edits_block_end(struct cn_run *r, int64_t block, bool full,
                                           struct cn_buf *note, struct cn_err *err);

/* The words of an older version once more, as a new version by "user" (`cairn protocol revert`).
 * Without a harness at work it is made at once; else protocol.md gets the words (*out_left) and the
 * harness takes them over before its next plan. CN_ENOTFOUND: no such version; CN_EEXIST: its words
 * are in force; CN_EINPUT: protocol.md holds words that are no version yet. */
CN_MUST_CHECK cn_status cn_edits_revert(const char *dir, int64_t version, bool *out_left,
                                        struct cn_err *err);

/* The version that was in force while the block ran (at its end, should a person have edited
 * within it); 0: there is none. */
int64_t cn_edits_of_block(const struct cn_history *h, int64_t block);
/* The version that the end of the block made; NULL: none. */
const struct cn_text_version *cn_edits_at_end(const struct cn_history *h, int64_t block);
/* Why a person's version was made: "edited in place", and which older one has its words. */
const char *cn_edits_user_reason(const struct cn_history *h, const char *hash, char out[96]);

/* -- what an edit did (edit_effect.c) -- */

/* name, text */
#define CN_EDIT_VERDICT_MAP(X)           \
    X(INSUFFICIENT, "insufficient data") \
    X(SAME, "no measurable difference")  \
    X(BETTER, "better")                  \
    X(WORSE, "worse")
typedef enum {
#define X(name, text) CN_EDIT_##name,
    CN_EDIT_VERDICT_MAP(X)
#undef X
} cn_edit_verdict;
const char *cn_edit_verdict_text(cn_edit_verdict v);
/* The verdict that a text begins with ("worse: ..."); NULL: none. */
const char *cn_edit_verdict_find(const char *text);

struct cn_edit_side { /* one block */
    int64_t block;
    struct cn_sample gain; /* reward minus the root's mean; iterations that changed something */
    struct cn_sample root; /* rewards of the block's root */
    struct cn_sample reward;
    double best_gain, improvement_rate, branching_rate, failure_share; /* NaN when absent */
};

struct cn_edit_effect {
    cn_edit_verdict verdict;
    struct cn_edit_side before, after;
    struct cn_difference gain; /* after minus before, the doubt of both roots included */
    const char *why;           /* for INSUFFICIENT and for a verdict that was held back; "" */
};

/* Block `after` against block `before`: gains over each block's own root, because a regime's rewards
 * do not compare with another's (docs/decisions/what-an-edit-did.md). In terms of the reward: higher
 * is better. */
CN_MUST_CHECK cn_status cn_edit_effect_measure(const struct cn_history *h, int64_t before,
                                               int64_t after, double confidence,
                                               struct cn_edit_effect *out, struct cn_err *err);
/* "better: mean gain ... against ..."; no line break. */
void cn_edit_effect_text(const struct cn_edit_effect *e, struct cn_buf *out);

/* -- the embedded proposer's edit (edit_choice.c) -- */

struct cn_edit_choice {
    const char *old_text, *new_text; /* for cn_edit_apply; NULL: no edit */
    const char *reason; /* "added row "...": branching rate 0 % of 3", or why there is none */
};

/* By the protocol's own criteria, from the statistics of a finished block. `versions`: all that were
 * ever in force, the last one first in force now (NULL: cannot be read any more). Pure. Texts live
 * in `a`. */
CN_MUST_CHECK cn_status cn_edit_choose(const struct cn_planner *pl, const struct cn_history *h,
                                       int64_t block, const struct cn_protocol *const *versions,
                                       int64_t n_versions, struct cn_arena *a,
                                       struct cn_edit_choice *out, struct cn_err *err);

#endif
