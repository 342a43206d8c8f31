/* Principles with computed standing. A list line under "Established Principles", "Falsified
 * Hypotheses" or "Open Questions" of the memory is a claim; it may cite iterations:
 *
 *     - raising training.lr_W helps (evidence: 4, 9, 15)
 *     - the two rates compensate each other (for: 4, 9; against: 12)
 *
 * A claim that names one key of the record's single changes, a direction (raising, lowering,
 * "KEY: a -> b") and an effect (helps, hurts, no effect) is computed: its iterations are those of
 * the record that speak for and against it beyond the noise, whatever it cites. Any other claim
 * stands on the iterations it cites, so far as they exist.
 *
 *   established   three or more for it, on two or more nodes or seeds, none against
 *   contradicted  at least one in five against
 *   tentative     something for it, but not so much
 *   no evidence   nothing
 *
 * Confidence: min(100, 30 + 5 log2(for + 1) + 10 log2(rejected + 1) + 15 blocks) per cent, at most
 * 85 where results vary over seeds (the noise is unknown, or a node for it has a CV of 5 per cent
 * or more), 15 less when all of it is of one regime. rejected: tries of the same key the other way
 * that were worse or failed. (The formula is that of the reference systems' epistemic analysis; it
 * is a scale to compare by, no probability.) A contradicted claim has none.
 *
 * Pure: equal histories and words give equal answers.
 */
#ifndef CN_LOGS_PRINCIPLES_H
#define CN_LOGS_PRINCIPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"
#include "logs/evidence.h"
#include "logs/record.h"

typedef enum {
    CN_CLAIM_NONE,
    CN_CLAIM_TENTATIVE,
    CN_CLAIM_ESTABLISHED,
    CN_CLAIM_CONTRADICTED
} cn_claim_standing;
const char *cn_claim_standing_name(cn_claim_standing s); /* "no evidence", "tentative", ... */

/* What a computed claim says. */
struct cn_saying {
    const struct cn_group *group; /* NULL: not of that kind */
    int effect;                   /* +1 helps, -1 hurts, 0 no effect */
};

/* For and against, as the record has it. */
struct cn_verdict_of {
    int64_t *pro, *contra; /* iteration ids, ascending */
    int64_t n_pro, n_contra;
    cn_claim_standing standing;
    int confidence; /* per cent; 0: nothing is for it, or it is contradicted */
};

struct cn_claim {
    const char *section; /* "Established Principles", ... */
    const char *words;   /* without bullet and citation */
    struct cn_saying says;
    struct cn_verdict_of verdict;
    int64_t *unknown; /* cited ids that are no committed iterations */
    int64_t n_unknown;
};

struct cn_claims {
    struct cn_arena arena;
    struct cn_claim *all; /* in the order of the memory */
    int64_t n;
};

/* `free_text`: the text "memory". CN_ENOMEM. Clear also after an error. */
CN_MUST_CHECK cn_status cn_claims_init(struct cn_claims *c, const struct cn_history *h,
                                       const struct cn_evidence *e, const char *free_text);
void cn_claims_clear(struct cn_claims *c);

/* What the record says of one saying; arrays in `a`. */
CN_MUST_CHECK cn_status cn_saying_judge(const struct cn_saying *s, const struct cn_history *h,
                                        const struct cn_evidence *e, struct cn_arena *a,
                                        struct cn_verdict_of *out);

/* -- what the embedded proposer writes at a block's end (logs/principles_write.c) -- */

/* `free_text` with the embedded proposer's own lines brought up to date: a direction that the
 * record establishes (helps or hurts) has a line under Established Principles, marked "(embedded;
 * evidence: ...)"; a line of its own that no longer stands goes to Falsified Hypotheses when
 * contradicted, else to Open Questions. Lines of others are neither touched nor moved; nor is
 * anything when their words leave no room or break the form. Applied again it changes nothing. */
CN_MUST_CHECK cn_status cn_principles_update(const struct cn_history *h, const char *free_text,
                                             struct cn_buf *out, struct cn_err *err);

struct cn_hypothesis_opts {
    int64_t closed;            /* the block that ends now */
    bool goes_on;              /* a block will follow */
    const char *const *params; /* keys that the next block may change; borrowed */
    int n_params;
    const char *focus; /* of the next block in the protocol's words; NULL or "": none */
};
/* The section "Hypothesis" brought up to date: the embedded proposer's hypothesis for the block
 * that ends gets its status, and one for the next block is written before it runs: the most
 * promising direction among `params`, else the key that was tried least. Words of others stay. */
CN_MUST_CHECK cn_status cn_hypothesis_update(const struct cn_history *h, const char *free_text,
                                             const struct cn_hypothesis_opts *o,
                                             struct cn_buf *out, struct cn_err *err);

#endif
