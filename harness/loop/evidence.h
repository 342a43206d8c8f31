/* What a model is shown: the prompt of one exchange, from the record alone and within a budget.
 *
 *     st = cn_evidence_make(run, history, &need, caps, 0, &shown, &err);
 *     request.system = shown.system; ... request.messages = &shown.message;
 *     cn_shown_clear(&shown);
 *
 * The prefix is byte-stable within a block (role, contract, protocol; a cache mark at its end), then
 * what changes seldom (memory; a second mark), then what changes every time: block info, tree with
 * scores and the row that fires, last results with host-computed tables (replicates, CV, noise,
 * trend), failures with the fenced tail of their output, seeds, budgets left, a person's pending
 * words, figures (PNG, before the text, scaled down). Never the whole log. What did not fit is said
 * in its place and in `left_out`. No clock: equal records give equal bytes.
 */
#ifndef CN_LOOP_EVIDENCE_H
#define CN_LOOP_EVIDENCE_H

#include "base/arena.h"
#include "base/status.h"
#include "harness/llm/message.h"
#include "harness/loop/consult.h"

enum { CN_EVIDENCE_SECTIONS = 32 };

/* (struct cn_evidence is another thing: what the record says of single changes, logs/evidence.h.) */
struct cn_shown {
    struct cn_arena arena; /* owns everything below */
    struct cn_llm_block *system;
    int n_system;
    struct cn_llm_message message; /* one user message: figures, then text */
    const char *left_out;          /* "figures 2, log 1200"; "" */
    struct {
        const char *name;
        size_t bytes;
    } sections[CN_EVIDENCE_SECTIONS]; /* for `cairn llm show` and the closing of books */
    int n_sections;
};

struct cn_run;
/* `budget`: bytes of text in all (0: from the model's context, a third of it at three bytes a token).
 * CN_ECAP when even the indispensable parts do not fit. */
CN_MUST_CHECK cn_status cn_evidence_make(struct cn_run *r, const struct cn_history *h,
                                         const struct cn_need *need,
                                         const struct cn_llm_caps *caps, size_t budget,
                                         struct cn_shown *out, struct cn_err *err);
void cn_shown_clear(struct cn_shown *e);

/* Words that answer the model's questions (tools read_node, read_config, read_log, read_figure). */
CN_MUST_CHECK cn_status cn_evidence_node(const struct cn_history *h, int64_t node,
                                         struct cn_buf *out, struct cn_err *err);
CN_MUST_CHECK cn_status cn_evidence_config(const struct cn_history *h, int64_t node,
                                           struct cn_buf *out, struct cn_err *err);
CN_MUST_CHECK cn_status cn_evidence_log(const struct cn_history *h, int64_t first, int64_t last,
                                        struct cn_buf *out, struct cn_err *err);
/* A figure of an iteration's folder by name, scaled down to the limits of the model; borrowed from
 * `a`. CN_ENOTFOUND names the ones there are. */
CN_MUST_CHECK cn_status cn_evidence_figure(struct cn_run *r, const struct cn_history *h,
                                           int64_t iteration, const char *name,
                                           struct cn_arena *a, struct cn_llm_block *out,
                                           struct cn_err *err);

#endif
