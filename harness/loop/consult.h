/* Asking a language model: what the loop needs from it, and what it gets.
 *
 *     struct cn_need need = {...};                         // what is wanted now
 *     st = cn_consult(run, history, &need, &said, &err);   // one exchange of several turns
 *     ... said.analyses, said.proposals, said.edits ... all vetted; what is missing is NULL or absent
 *     cn_said_clear(&said);
 *
 * The model acts through tools only (consult_tools.c); without tool support it writes the same as
 * one JSON object in a fenced block. Every answer is checked against its schema and against what the
 * host knows; precise errors go back in words, at most CN_CONSULT_REPAIRS times. An exchange changes
 * nothing by itself: the caller applies what was said as ordinary steps of the record, so a harness
 * that is killed in the middle asks again.
 *
 * Whatever happens, CN_OK with what could be had: a model that is silent, refuses, is out of budget or
 * talks nonsense leaves gaps, `said.why` says so in words for the log, and the embedded proposer
 * fills exactly the gaps. Only the record's own trouble and CN_ESTOPPED are errors.
 */
#ifndef CN_LOOP_CONSULT_H
#define CN_LOOP_CONSULT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "harness/llm/client.h"
#include "harness/loop/mutation.h"
#include "logs/record.h"

enum { CN_CONSULT_MANY = 64, CN_CONSULT_TURNS = 12, CN_CONSULT_REPAIRS = 3 };

typedef enum {
    CN_CONSULT_START,     /* batch zero: diverse first configs for the slots */
    CN_CONSULT_ANALYSIS,  /* trainings are over: analysis and the next proposals */
    CN_CONSULT_BLOCK_END, /* the block is over: summary, rules, memory, next regime */
    CN_CONSULT_MESSAGE    /* a person said something and nothing else is due */
} cn_consult_phase;
const char *cn_consult_phase_name(cn_consult_phase p); /* "start", "analysis", ... */

/* What is wanted now. */
struct cn_need {
    cn_consult_phase phase;
    int64_t finished[CN_CONSULT_MANY]; /* measured iterations without an analysis */
    int n_finished;
    int64_t propose[CN_CONSULT_MANY]; /* ids of the iterations to be planned next, in order */
    int n_propose;
    int64_t block;    /* the open one, or the one that is over */
    bool next_regime; /* BLOCK_END: the simulation regime of the next block may be proposed */
    /* Words of others for the prompt, shown as they are; NULL or "": none. */
    const char *classical;   /* what the classical proposer would do now (hybrid) */
    const char *budget;      /* what is left: hours, dollars, tokens */
    const char *predictions; /* those still open, and how earlier ones came out */
};

struct cn_said_analysis {
    int64_t iteration;
    const char *observation, *activity, *embedding, *verdict; /* "" when not said */
};

struct cn_said_proposal {
    int64_t iteration; /* of need.propose */
    int64_t parent;    /* a node of the open block; 0: its root config */
    bool replicate;    /* train `parent` again, unchanged */
    const char *strategy;
    const struct cn_change
        *changes; /* vetted: known, typed, in range, of a class allowed, new */
    int n_changes;
    const char *hypothesis, *prediction; /* prediction: what will be seen, in words */
    double expected;                     /* of the reward metric; NaN: not said */
    double probability; /* that `prediction` (or expected, within the noise) holds; NaN */
};

struct cn_said_edit {
    const char *old_text, *new_text,
        *reason; /* checked by cn_edit_apply; "": no change, with reason */
};

struct cn_said_memory {
    const char *section,
        *words; /* the whole section as it shall be; checked by cn_memory_replace */
};

struct cn_said {
    struct cn_arena arena;
    const struct cn_said_analysis *analyses;
    int n_analyses;
    const struct cn_said_proposal *proposals;
    int n_proposals;
    const struct cn_said_edit *edits;
    int n_edits;
    const struct cn_said_memory *memory;
    int n_memory;
    const char *summary;            /* BLOCK_END: prose for the block's summary; "" */
    const struct cn_change *regime; /* BLOCK_END: of the next block; vetted */
    int n_regime;
    const char *answer_to_person; /* acknowledgement of pending messages, in words; "" */
    const char *why;    /* what is missing and why, for the log; "" when all is there */
    const char *author; /* "llm:MODEL" */
    int64_t exchange;   /* id in the store; 0: none was begun */
};

struct cn_run;
CN_MUST_CHECK cn_status cn_consult(struct cn_run *r, const struct cn_history *h,
                                   const struct cn_need *need, struct cn_said *out,
                                   struct cn_err *err);
void cn_said_clear(struct cn_said *s);

/* -- consult_loop.c: where the loop meets it (called from explore.c and plan.c) -- */

/* True when the run's proposer is llm or hybrid and a model is open. */
bool cn_consult_is_on(const struct cn_run *r);
/* Open the model that the settings name; CN_OK and off for other proposers. */
CN_MUST_CHECK cn_status cn_consult_open(struct cn_run *r, struct cn_err *err);
void cn_consult_close(struct cn_run *r);
/* Why the model is not asked any more in this process (no credit, no key, budget spent); "". */
const char *cn_consult_off(const struct cn_run *r);

/* What was said before a kill and not used: answers to people, sections of the memory. */
CN_MUST_CHECK cn_status cn_consult_apply(struct cn_run *r, const struct cn_history *h,
                                         struct cn_err *err);
/* Before measured iterations are committed: their analysis, and proposals for the next `room`
 * iterations. */
CN_MUST_CHECK cn_status cn_consult_finished(struct cn_run *r, const struct cn_history *h,
                                            int64_t room, struct cn_err *err);
/* Before an iteration is planned, of which `room` may be: what was not proposed yet, and a
 * person's pending words. */
CN_MUST_CHECK cn_status cn_consult_before_plan(struct cn_run *r, const struct cn_history *h,
                                               int64_t room, struct cn_err *err);
/* Before a block is closed: summary, rules, memory, next regime. */
CN_MUST_CHECK cn_status cn_consult_block_end(struct cn_run *r, const struct cn_history *h,
                                             int64_t block, bool goes_on, struct cn_err *err);
/* The model's words behind the host's own line; a's other fields point into the run. */
struct cn_analysis;
void cn_consult_observe(const struct cn_run *r, int64_t iteration, struct cn_buf *observation,
                        struct cn_analysis *a);
void cn_consult_summary(const struct cn_run *r, int64_t block, struct cn_buf *note);
bool cn_consult_wrote_memory(const struct cn_run *r, int64_t block);
/* The model's edit of the rules at the end of the block: the whole new text (empty: no change) and
 * the reason. CN_ENOTFOUND: it said nothing about the rules. */
CN_MUST_CHECK cn_status cn_consult_edit(const struct cn_run *r, int64_t block,
                                        struct cn_buf *text, struct cn_buf *reason,
                                        const char **out_author, struct cn_err *err);

#endif
