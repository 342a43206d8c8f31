/* Exchanges with a language model, as the store keeps them: what was asked, what came, what it cost.
 * Tables exchange, exchange_attempt, exchange_body (logs/FORMAT.md, section 1).
 *
 *     st = cn_exchange_begin(store, &start, &id, &err);          // one need of the loop
 *     st = cn_exchange_attempt_begin(store, &sent, &number, &err); // durable BEFORE it is sent
 *     ... the network ...
 *     st = cn_exchange_attempt_end(store, id, number, &got, &err);
 *     st = cn_exchange_end(store, id, "ok", "", &err);
 *
 * An exchange has turns, a turn has attempts (the same request again after trouble); attempts are
 * numbered through. An attempt that was begun and never ended (the harness was killed) may have been
 * served and billed: it counts at its worst case. Mutations as in store.h (durable, fenced).
 *
 * Requests are kept once by hash, images taken out (cn_exchange_slim), each as the bytes in which it
 * differs from the one before: prompts of a block share nearly all of their text. No key can be in
 * them: the callers hand over bodies, and keys travel in headers.
 */
#ifndef CN_LOGS_EXCHANGE_H
#define CN_LOGS_EXCHANGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "logs/store.h"

enum {
    CN_EXCHANGE_REQUEST = 4 << 20, /* bytes of a request that are kept, images aside */
    CN_EXCHANGE_REPLY = 8 << 20,   /* of a reply */
    CN_EXCHANGE_IMAGE = 512        /* base64 runs from here on are images */
};

struct cn_exchange_start {
    int64_t iteration, block;
    const char *phase;   /* "start", "analysis", "block-end", ... */
    const char *purpose; /* "analysis 12": names the need, the same after a kill */
    const char *model, *dialect;
    const char *sections; /* "name bytes" lines of the prompt; "" */
    bool replayed;        /* answered from another run's record: nothing was spent */
};
CN_MUST_CHECK cn_status cn_exchange_begin(struct cn_store *s, const struct cn_exchange_start *e,
                                          int64_t *out_id, struct cn_err *err);
/* outcome: one word, "ok", "gaps", "refused", "trouble", "budget", "stopped". Attempts that have no
 * end get one, at their worst case. CN_EINPUT for an exchange that is not open. */
CN_MUST_CHECK cn_status cn_exchange_end(struct cn_store *s, int64_t id, const char *outcome,
                                        const char *why, struct cn_err *err);

struct cn_exchange_sent {
    int64_t exchange;
    int32_t turn, try_number; /* both from 1 */
    const char *body;
    size_t body_size;
    const char *hash; /* of the body as sent */
    double worst_usd; /* NaN: the price is unknown */
    int64_t worst_tokens;
};
CN_MUST_CHECK cn_status cn_exchange_attempt_begin(struct cn_store *s,
                                                  const struct cn_exchange_sent *a,
                                                  int32_t *out_number, struct cn_err *err);

struct cn_exchange_got {
    int status;          /* HTTP; 0: none came */
    const char *trouble; /* "": none */
    const char *message, *request_id;
    const char *reply;
    size_t reply_size;
    bool known; /* the provider told the tokens; else they are our worst case */
    int64_t input, cache_read, cache_write, output; /* input: all of it */
    double usd;                                     /* NaN: the price is unknown */
    double seconds;
};
/* CN_EINPUT for an attempt that was not begun or has an end. */
CN_MUST_CHECK cn_status cn_exchange_attempt_end(struct cn_store *s, int64_t exchange,
                                                int32_t number, const struct cn_exchange_got *g,
                                                struct cn_err *err);

/* At the opening of a run: what a killed harness left open gets the outcome "unknown", its attempts
 * their worst case. *out_n: how many exchanges. */
CN_MUST_CHECK cn_status cn_exchange_settle(struct cn_store *s, int64_t *out_n,
                                           struct cn_err *err);

/* -- reading; rows and their texts live during the call of fn; what fn returns other than CN_OK ends
 * it and comes back -- */

struct cn_exchange {
    int64_t id, iteration, block;
    const char *phase, *purpose, *model, *dialect, *sections;
    const char *outcome; /* "": it is under way, or its harness was killed */
    const char *why;
    bool replayed;
    int64_t started_ms, ended_ms; /* 0: no end */
    struct cn_exchange_sums
        sums; /* attempts without an end at their worst case; exchanges = 1 */
};
typedef cn_status cn_exchange_fn(void *ctx, const struct cn_exchange *e, struct cn_err *err);
/* The last `last` of them in order of their ids (0: all); id > 0: that one alone. */
CN_MUST_CHECK cn_status cn_exchange_each(struct cn_store *s, int64_t id, int64_t last,
                                         cn_exchange_fn *fn, void *ctx, struct cn_err *err);

struct cn_exchange_attempt {
    int64_t exchange;
    int32_t number, turn, try_number;
    int64_t body; /* cn_exchange_body */
    int64_t body_bytes;
    const char *hash;
    double worst_usd;
    int64_t worst_tokens, begun_ms, ended_ms;
    int64_t reply_bytes; /* as received; reply_size may be less (the cap) */
    struct cn_exchange_got got;
};
typedef cn_status cn_exchange_attempt_fn(void *ctx, const struct cn_exchange_attempt *a,
                                         struct cn_err *err);
CN_MUST_CHECK cn_status cn_exchange_attempts(struct cn_store *s, int64_t exchange,
                                             cn_exchange_attempt_fn *fn, void *ctx,
                                             struct cn_err *err);
/* A request as it is kept; `out` is reset first. */
CN_MUST_CHECK cn_status cn_exchange_body(struct cn_store *s, int64_t body, struct cn_buf *out,
                                         struct cn_err *err);

/* The attempt that answers this request in a replay: same purpose, hash and try, ended; of the newest
 * exchange. hash "": the one of that turn. CN_ENOTFOUND. fn is called once. */
CN_MUST_CHECK cn_status cn_exchange_find(struct cn_store *s, const char *purpose,
                                         const char *hash, int32_t turn, int32_t try_number,
                                         cn_exchange_attempt_fn *fn, void *ctx,
                                         struct cn_err *err);

/* Sums of the run, or of one block (0: all). `only_spent`: without replayed exchanges. */
CN_MUST_CHECK cn_status cn_exchange_sum(struct cn_store *s, int64_t block, bool only_spent,
                                        struct cn_exchange_sums *out, struct cn_err *err);

/* -- pure -- */

/* "14 exchanges, 312,400 tokens in (61 % from the cache), 18,220 out, 1.93 USD (prices of ...)". */
void cn_exchange_words(const struct cn_exchange_sums *t, const char *prices,
                       struct cn_buf *out);
/* The body with long base64 runs (images) replaced by "[image BYTES bytes sha256:HASH]". */
void cn_exchange_slim(const char *body, size_t n, struct cn_buf *out);

#endif
