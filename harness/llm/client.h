/* A model to talk to: where it is, with which key, what it may cost, and what is done about trouble.
 *
 *     struct cn_llm_opts o = CN_LLM_OPTS_INIT;
 *     o.spec = "anthropic:claude-..."; o.record = &recorder;
 *     st = cn_llm_open(&o, &llm, &err);
 *     st = cn_llm_ask(llm, &request, "analysis 12", &answer, &trouble, &err);
 *     cn_llm_close(llm);
 *
 * spec: anthropic:MODEL, openai:MODEL, openai-responses:MODEL, http://host:port#MODEL (chat
 * completions at that base; https too; the keys of the environment are not sent there),
 * command:'prog args' (command.h), replay:RUN. CAIRN_ANTHROPIC_URL and CAIRN_OPENAI_URL replace the
 * providers' addresses (a gateway, a test's server).
 *
 * An answer that is cut by max_tokens, a refusal and a pause are answers: the caller looks at
 * `stop`. An ask is at most `attempts` HTTP requests. Each is recorded before it is sent (recorder.begin)
 * and after (recorder.end); money is reserved at its worst case before and settled after. Waits:
 * what the provider asks for, else full jitter up to cap_s; longer than park_s: the ask ends with
 * CN_ETIMEOUT and the trouble's `wait_s`: the caller parks. A request too large is CN_ECAP: the
 * caller drops evidence. A refused field is left out for good (this model, this process) and tried
 * again at once. remedy STOP never repeats.
 */
#ifndef CN_LLM_CLIENT_H
#define CN_LLM_CLIENT_H

#include <signal.h>
#include <stdint.h>

#include "base/status.h"
#include "harness/llm/dialect.h"
#include "harness/llm/message.h"

/* Money, tokens, requests; 0 = no limit. `spent_*` are what earlier processes of the run spent. */
struct cn_llm_budget {
    double usd, spent_usd, reserved_usd;
    int64_t tokens, spent_tokens, reserved_tokens;
    int64_t requests, spent_requests;
};

/* USD per million tokens; NaN: unknown, then only tokens are counted, and that is said. */
struct cn_llm_price {
    double input, cache_read, cache_write, output;
    char dated[16]; /* of the table */
};

struct cn_llm_attempt {
    int64_t exchange; /* id that begin gave */
    int32_t number;   /* 1-based */
    const char *purpose, *model, *dialect;
    const char *body; /* the request as sent, without headers (no key can be in it) */
    size_t body_size;
    char body_hash[72]; /* SHA-256 */
    double worst_usd;   /* NaN: price unknown */
    int64_t worst_tokens;
};
struct cn_llm_outcome {
    int status; /* HTTP; 0: none came. A command: 200, 503 later, 504 too slow, 500 else */
    cn_llm_trouble_kind trouble;
    const char *message, *request_id;
    const char
        *reply; /* the body's bytes as received (of a stream: its bytes), capped; our key,
                        * should somebody echo it, is stars */
    size_t reply_size;
    struct cn_llm_usage usage;
    double usd; /* NaN: price unknown */
    double seconds;
};
/* Both must be durable when they return; a status other than CN_OK ends the ask. */
struct cn_llm_recorder {
    void *ctx;
    cn_status (*begin)(void *ctx, struct cn_llm_attempt *a, struct cn_err *err);
    cn_status (*end)(void *ctx, const struct cn_llm_attempt *a, const struct cn_llm_outcome *o,
                     struct cn_err *err);
};

/* replay: the reply that was recorded for this attempt, as it came (whole JSON, or the bytes of the
 * event stream), and its HTTP status. CN_ENOTFOUND: the record has none; after a recorded failure
 * this means that the ask ended with that failure, and so it does again (with CN_EIO or
 * CN_ETIMEOUT: what the headers asked for is not recorded). Nothing is waited for. */
struct cn_llm_replay {
    void *ctx;
    /* Of the record: requests are built as they were then, so that their hashes agree. */
    const char *dialect, *model;
    cn_status (*find)(void *ctx, const struct cn_llm_attempt *a, int *out_status,
                      struct cn_buf *out_reply, char out_dialect[32], struct cn_err *err);
};

struct cn_llm_opts {
    const char *spec;
    const char *key_file; /* 0600; NULL: the environment's ANTHROPIC_API_KEY / OPENAI_API_KEY */
    const char *key_command;                /* its first line of output is the key */
    const char *prices;                     /* file; NULL: the built-in table */
    const struct cn_llm_caps *caps;         /* NULL: by name */
    struct cn_llm_budget *budget;           /* borrowed, updated; NULL: none */
    const struct cn_llm_recorder *record;   /* borrowed; NULL: nobody listens */
    const struct cn_llm_replay *replay;     /* borrowed; for replay: only */
    int32_t attempts;                       /* per ask; 6 */
    double cap_s, park_s, stall_s, total_s; /* 300, 60, 300, 3600 */
    const volatile sig_atomic_t *stop;
    uint64_t seed;                            /* of the jitter */
    void (*say)(void *ctx, const char *line); /* "rate limited; waiting 12 s" */
    void *say_ctx;
    /* Called about ten times a second whenever an ask waits: for the wire, for a command, between
     * attempts (the caller renews its lease there). */
    void (*tick)(void *ctx);
    void *tick_ctx;
};
/* clang-format off */
#define CN_LLM_OPTS_INIT {.spec = NULL, .attempts = 6, .cap_s = 300, .park_s = 60, .stall_s = 300, .total_s = 3600}
/* clang-format on */

struct cn_llm;
/* CN_EINPUT for a spec that cannot be read (the nearest known one is named);
 * CN_EINPUT "no key: set ANTHROPIC_API_KEY ..." without a key. Nothing is sent. */
CN_MUST_CHECK cn_status cn_llm_open(const struct cn_llm_opts *o, struct cn_llm **out,
                                    struct cn_err *err);
void cn_llm_close(struct cn_llm *l);

/* CN_OK: `answer` is to be cleared. Else *trouble says what and what can be done. With
 * trouble QUOTA and CN_ECAP when the budget cannot cover the worst case. */
CN_MUST_CHECK cn_status cn_llm_ask(struct cn_llm *l, const struct cn_llm_request *q,
                                   const char *purpose, struct cn_llm_answer *answer,
                                   struct cn_llm_trouble *trouble, struct cn_err *err);
const struct cn_llm_caps *cn_llm_caps(const struct cn_llm *l);
const char *cn_llm_model(const struct cn_llm *l);
const char *cn_llm_dialect(const struct cn_llm *l); /* "anthropic", ..., "command", "replay" */
const struct cn_llm_price *cn_llm_price(const struct cn_llm *l);

#endif
