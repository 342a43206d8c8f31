/* Inside of the exchange with a model, for the files of this folder that share it:
 *
 *     consult.c        one exchange: its turns, its repairs
 *     consult_tools.c  the tools: what a model may say, and what is answered
 *     consult_args.c   the arguments of a call, read strictly
 *     consult_text.c   the same as one JSON object, for models without tools
 *     consult_vet.c    a proposal against the host's knowledge
 *     consult_keep.c   what was said and is not used yet: the fact "llm.said"
 *     consult_plan.c   a kept proposal becomes a plan
 *     consult_loop.c   when the loop asks, and when it leaves the model alone
 */
#ifndef CN_LOOP_CONSULT_INT_H
#define CN_LOOP_CONSULT_INT_H

#include "base/json.h"
#include "harness/loop/consult.h"
#include "harness/loop/plan_int.h"
#include "harness/loop/run_int.h"

/* Bytes of what a model may say, by field. */
enum {
    CN_CONSULT_WORDS = 2000,     /* an observation, a summary, an answer to a person */
    CN_CONSULT_PHRASE = 600,     /* a hypothesis, a prediction, a reason */
    CN_CONSULT_CHANGES = 4,      /* of one proposal */
    CN_CONSULT_READS = 64 << 10, /* what the reading tools give in one exchange */
    CN_CONSULT_ENTRIES = 20      /* of the log, in one read */
};

/* -- what was said and is not used yet (consult_keep.c) -- */

struct cn_wish {
    struct cn_said_proposal said;
    const char *author;
};
/* An iteration that is not the model's: it said nothing about it (why), or it was not asked
 * (hybrid: whose turn it is). */
struct cn_gap {
    int64_t iteration;
    const char *why;
};
struct cn_words {
    struct cn_said_analysis said;
    const char *author, *why; /* why: there are no words; else "" */
};

struct cn_sayings {
    struct cn_arena arena;
    struct cn_wish *wishes;
    int n_wishes;
    struct cn_gap *gaps;
    int n_gaps;
    struct cn_words *words;
    int n_words;
    /* Of the newest exchange about the end of a block; 0: there was none. */
    int64_t block;
    const char *block_author, *block_why, *summary;
    struct cn_said_edit *edits;
    int n_edits;
    struct cn_change *regime;
    int n_regime;
    /* Sections of the memory, and the mark that its version will bear as its reason. */
    struct cn_said_memory *memory;
    int n_memory;
    const char *memory_author, *memory_mark;
    /* To the messages up to this one. */
    int64_t answered_upto, answered_at; /* message, iteration */
    const char *answer;
};

const struct cn_wish *cn_sayings_wish(const struct cn_sayings *s, int64_t iteration);
const struct cn_gap *cn_sayings_gap(const struct cn_sayings *s, int64_t iteration);
const struct cn_words *cn_sayings_words(const struct cn_sayings *s, int64_t iteration);

/* What is kept after an exchange: the old ones that are still to be used, then the new ones. Pure.
 * `next`: the id that is planned next. `answered`: the last message that the model saw pending. */
void cn_sayings_join(const struct cn_sayings *old, const struct cn_history *h,
                     const struct cn_need *need, const struct cn_said *said, int64_t next,
                     int64_t answered, struct cn_buf *out);
/* CN_EINPUT for a text that is none of ours. `out` is overwritten. */
CN_MUST_CHECK cn_status cn_sayings_parse(const char *text, size_t n, struct cn_sayings *out,
                                         struct cn_err *err);
void cn_sayings_clear(struct cn_sayings *s);

/* -- the vetting of a proposal (consult_vet.c) -- */

/* What a proposal is held against: a work whose plan names the open block. `m` is filled for a new
 * node (clear it), else *out_rerun is the node that is trained again. CN_EINPUT, CN_EEXIST in words
 * for a model; CN_ENOMEM. */
CN_MUST_CHECK cn_status cn_consult_vet(const struct cn_work *w, const struct cn_view *v,
                                       const struct cn_said_proposal *p, struct cn_mutated *m,
                                       int64_t *out_rerun, struct cn_err *err);
/* Is this a strategy of ours or of the protocol's table? CN_EINPUT names the nearest. */
CN_MUST_CHECK cn_status cn_consult_strategy(const struct cn_protocol *p, const char *name,
                                            struct cn_err *err);
/* The simulation regime of the next block, against the root that it will have. */
CN_MUST_CHECK cn_status cn_consult_vet_regime(const struct cn_work *w,
                                              const struct cn_change *c, int n,
                                              struct cn_err *err);

/* -- one exchange -- */

struct cn_talk {
    struct cn_run *r;
    const struct cn_history *h;
    const struct cn_need *need;
    struct cn_said *said; /* grows; its arena owns what was said */
    struct cn_said_analysis analyses[CN_CONSULT_MANY];
    struct cn_said_proposal proposals[CN_CONSULT_MANY];
    char hashes[CN_CONSULT_MANY][CN_HASH_TEXT]; /* of the proposals' configs; "": a rerun */
    struct cn_said_edit edits[CN_CONSULT_MANY];
    struct cn_said_memory memory[CN_CONSULT_MANY];
    struct cn_protocol *rules; /* owned; as edited so far; NULL: not yet */
    struct cn_buf memory_text; /* as edited so far */
    bool memory_known;
    bool no_change;     /* of the protocol, said with a reason */
    bool promised_edit; /* "I will edit ..." */
    bool finished;
    size_t read;   /* bytes given by the reading tools */
    int n_pending; /* messages of a person */
    int n_memory_edits;
    /* The block that is open, for the vetting; view.block NULL: there is none with a root. */
    struct cn_plan plan;
    struct cn_work work;
    struct cn_view view;
};

CN_MUST_CHECK cn_status cn_talk_init(struct cn_talk *t, struct cn_run *r,
                                     const struct cn_history *h, const struct cn_need *need,
                                     struct cn_said *said, struct cn_err *err);
void cn_talk_clear(struct cn_talk *t);

/* The tools, in the order in which they are shown. */
const struct cn_llm_tool *cn_talk_tools(int *out_n);
/* One call. `reply`: the answer in words (reset first); *out_figure: a block beside it, kind IMAGE,
 * when a figure was asked for. CN_OK and *out_error for what the model did wrong; other states end
 * the exchange. */
CN_MUST_CHECK cn_status cn_talk_call(struct cn_talk *t, const char *name, const char *arguments,
                                     struct cn_buf *reply, bool *out_error,
                                     struct cn_llm_block *out_figure, struct cn_err *err);
/* The one JSON object of a model without tools, somewhere in `text`: each part of it as the tool
 * call that it stands for. `reply` collects what was wrong, *out_wrong how many were; none when
 * there was no object: then `reply` says so and *out_wrong is 1. */
CN_MUST_CHECK cn_status cn_talk_object(struct cn_talk *t, const char *text,
                                       struct cn_buf *reply, int *out_wrong,
                                       struct cn_err *err);
/* Start and length of the first fenced json block, else of the outermost {...}; false: none. */
bool cn_talk_find_object(const char *text, size_t *out_start, size_t *out_n);
/* What is wanted and was not said yet, as a list; true: nothing is missing. */
bool cn_talk_missing(const struct cn_talk *t, struct cn_buf *out);
/* The line "WANTED {...}" that ends a request, for programs. */
void cn_talk_wanted(const struct cn_talk *t, struct cn_buf *out);
/* Words that a model says beside its calls: a promised edit is remembered. */
void cn_talk_hear(struct cn_talk *t, const char *text);

/* -- of a run (consult_loop.c) -- */

struct cn_consult {
    struct cn_llm *llm;       /* owned */
    struct cn_books *books;   /* owned */
    struct cn_replay *replay; /* owned; NULL: a model answers */
    struct cn_llm_caps caps;
    struct cn_sayings sayings;
    char author[256];          /* "llm:MODEL" */
    char off[CN_ERR_TEXT];     /* why the model is not asked any more in this process; "" */
    char resting[CN_ERR_TEXT]; /* why it is left alone until rest_until_us; "" */
    int64_t rest_until_us;     /* monotonic */
    int64_t heard_upto;        /* the last message that it was shown, in this process */
    int silent;                /* exchanges in a row without any usable answer */
    int64_t rest_us;           /* how long it is left alone; tests make it short */
};

/* What the answer of the last exchange leads to. */
void cn_consult_note(struct cn_run *r, const struct cn_llm_trouble *trouble, bool usable,
                     const char *why);

#endif
