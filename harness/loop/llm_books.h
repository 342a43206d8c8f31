/* The books of the language model: every request in the store before it is sent, budgets over all
 * processes of a run, and what is told about money.
 *
 *     st = cn_books_open(run, &books, &err);              // settles what a killed harness left
 *     o.record = cn_books_recorder(books); o.budget = cn_books_budget(books);
 *     st = cn_llm_open(&o, &llm, &err);
 *     st = cn_books_model(books, model, dialect, cn_llm_caps(llm), cn_llm_price(llm), &err);
 *     st = cn_books_begin(books, &start, &id, &err);      // one exchange
 *     st = cn_llm_ask(llm, ...);                          // its turns, any number
 *     st = cn_books_end(books, "ok", "", &err);
 *     cn_books_close(books);
 *
 * Asks outside an exchange get one of their own. Limits: settings llm.usd, llm.tokens, llm.requests
 * (what earlier processes spent counts; a request whose end nobody knows counts at its worst case),
 * llm.exchange_usd. An ask that a limit forbids ends with CN_ECAP before anything is sent; the
 * exchange is then ended with the outcome "budget", which leaves an event "llm-budget" and is told
 * once. At 50 and 80 per cent of a limit: once in a run, told and an event "llm-budget".
 */
#ifndef CN_LOOP_LLM_BOOKS_H
#define CN_LOOP_LLM_BOOKS_H

#include "base/buf.h"
#include "base/status.h"
#include "harness/llm/client.h"
#include "logs/exchange.h"
#include "logs/record.h"
#include "logs/store.h"

struct cn_books;
struct cn_run;
struct cn_replay;
struct cn_shown;

struct cn_books_opts {
    double usd; /* limits; 0: none */
    int64_t tokens, requests;
    double exchange_usd;
    void (*say)(void *ctx, const char *line); /* may be NULL */
    void *ctx;
};

/* With the run's settings and its store (whose lease this process holds); borrows `r`. */
CN_MUST_CHECK cn_status cn_books_open(struct cn_run *r, struct cn_books **out,
                                      struct cn_err *err);
/* The same for any store. */
CN_MUST_CHECK cn_status cn_books_new(struct cn_store *store, const struct cn_books_opts *o,
                                     struct cn_books **out, struct cn_err *err);
/* NULL is fine. An exchange that is still open stays so and is settled by the next opening. */
void cn_books_close(struct cn_books *b);

/* Both are the books' own and live as long. */
const struct cn_llm_recorder *cn_books_recorder(struct cn_books *b);
struct cn_llm_budget *cn_books_budget(struct cn_books *b);

/* From now on answers come from this record: usage and price are the recorded ones, nothing counts
 * against the budget. Borrowed. Before cn_llm_open. */
void cn_books_replay(struct cn_books *b, struct cn_replay *replay);

/* What was opened, as facts llm.model, llm.dialect, llm.caps, llm.prices: a replay asks for them.
 * `price` may be NULL. */
CN_MUST_CHECK cn_status cn_books_model(struct cn_books *b, const char *model,
                                       const char *dialect, const struct cn_llm_caps *caps,
                                       const struct cn_llm_price *price, struct cn_err *err);

/* The model that answers, or answered when the record was made: the author is "llm:" and this. */
const char *cn_books_model_name(const struct cn_books *b);

/* Model and dialect of `e` may be NULL: those of cn_books_model. CN_EINPUT while one is open. */
CN_MUST_CHECK cn_status cn_books_begin(struct cn_books *b, const struct cn_exchange_start *e,
                                       int64_t *out_id, struct cn_err *err);
/* outcome: see cn_exchange_end. CN_OK when none is open. */
CN_MUST_CHECK cn_status cn_books_end(struct cn_books *b, const char *outcome, const char *why,
                                     struct cn_err *err);
/* "name bytes" a line, for cn_exchange_start. */
void cn_books_sections(const struct cn_shown *e, struct cn_buf *out);

/* "model: 14 exchanges, ..." of the whole record; nothing when there were none. */
void cn_books_cost_line(const struct cn_history *h, struct cn_buf *out);
/* At the end of a block: what it cost and what all did, told and as an event "llm-cost", once a
 * block. Nothing when no model was asked. */
CN_MUST_CHECK cn_status cn_books_block(struct cn_run *r, int64_t block, struct cn_err *err);

#endif
