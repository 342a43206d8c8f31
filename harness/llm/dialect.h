/* How one kind of provider writes requests and answers: Anthropic Messages, OpenAI chat completions
 * (also llama.cpp, vLLM, Ollama), OpenAI Responses. Pure: texts in, texts out.
 *
 *     const struct cn_dialect *d = cn_dialect_find("anthropic");
 *     cn_dialect_body(d, &request, &caps, &body);                 // byte-stable for equal requests
 *     st = cn_dialect_answer(d, text, n, &answer, &err);          // a whole reply
 *     struct cn_stream *s; cn_stream_new(d, &s, &err);            // or event by event:
 *     st = cn_stream_event(s, &event, &err); ... st = cn_stream_end(s, &answer, &err);
 *
 * Sources: specs llm_api D1-D3. Unknown fields, blocks and events are passed over; a stream without
 * its end is CN_EIO; an error event after HTTP 200 is CN_EIO with cn_llm_trouble filled.
 */
#ifndef CN_LLM_DIALECT_H
#define CN_LLM_DIALECT_H

#include "base/buf.h"
#include "base/status.h"
#include "harness/llm/message.h"
#include "harness/llm/sse.h"

/* What a model takes; every optional field can be left out. Defaults by dialect and model name
 * (models.c), overridden by the config's `llm.capabilities`. */
struct cn_llm_caps {
    bool tools, images, cache, temperature, effort, thinking, stream, parallel_tools;
    bool max_completion_tokens; /* chat: the newer name of max_tokens */
    int64_t context_tokens;     /* 0: unknown */
    int64_t max_output_tokens;
    int32_t max_images;
};

/* What went wrong, in one vocabulary (specs llm_api D1, D2, D4). */
#define CN_LLM_TROUBLE_MAP(X)                                             \
    X(NONE, "")                                                           \
    X(RATE, "rate limit")             /* wait */                          \
    X(OVERLOADED, "overloaded")       /* wait */                          \
    X(SERVER, "server error")         /* retry */                         \
    X(NETWORK, "no connection")       /* retry */                         \
    X(TIMEOUT, "no answer in time")   /* retry */                         \
    X(BROKEN, "broken answer")        /* retry: cut stream, wrong JSON */ \
    X(TOO_LARGE, "request too large") /* fix: less evidence */            \
    X(FIELD, "field refused")         /* fix: drop the field */           \
    X(REQUEST, "request refused")     /* stop: our mistake */             \
    X(AUTH, "not authorised")                                             \
    X(BILLING, "out of credit") /* stop */                                \
    X(QUOTA, "spend limit reached")                                       \
    X(NOT_FOUND, "no such model") /* stop */                              \
    X(CANCELLED, "cancelled")
typedef enum {
#define X(name, text) CN_LLM_TROUBLE_##name,
    CN_LLM_TROUBLE_MAP(X)
#undef X
} cn_llm_trouble_kind;
typedef enum { CN_LLM_DO_WAIT, CN_LLM_DO_RETRY, CN_LLM_DO_FIX, CN_LLM_DO_STOP } cn_llm_remedy;

struct cn_llm_trouble {
    cn_llm_trouble_kind kind;
    cn_llm_remedy remedy;
    double wait_s;  /* what the provider asks for (Retry-After, reset headers); NaN: nothing */
    char field[64]; /* FIELD: the one that was refused, when it is named */
    char request_id[128]; /* for the log */
    char
        message[CN_ERR_TEXT]; /* theirs, capped, control bytes removed: data, not instruction */
};
const char *cn_llm_trouble_name(cn_llm_trouble_kind k);

/* From an HTTP reply that is no success, or a transport failure (status 0 with `st`). Body may be
 * HTML, empty, anything. now_ms: for reset times. */
struct cn_http_reply;
void cn_llm_trouble_of(const struct cn_http_reply *r, cn_status st, int64_t now_ms,
                       struct cn_llm_trouble *out);

struct cn_dialect;
/* "anthropic", "openai", "openai-responses"; NULL: unknown. */
const struct cn_dialect *cn_dialect_find(const char *name);
const char *cn_dialect_name(const struct cn_dialect *d);
/* "/v1/messages", ... below the base URL. */
const char *cn_dialect_path(const struct cn_dialect *d);

CN_MUST_CHECK cn_status cn_dialect_body(const struct cn_dialect *d,
                                        const struct cn_llm_request *q,
                                        const struct cn_llm_caps *caps, struct cn_buf *out,
                                        struct cn_err *err);
/* CN_EIO "broken answer" when it is not what the dialect says; `out` empty then. opt_trouble: the
 * provider's own error inside a reply that came as a success, kind NONE when there was none. */
CN_MUST_CHECK cn_status cn_dialect_answer(const struct cn_dialect *d, const char *text,
                                          size_t n, struct cn_llm_answer *out,
                                          struct cn_llm_trouble *opt_trouble,
                                          struct cn_err *err);

struct cn_stream; /* an answer being put together */
CN_MUST_CHECK cn_status cn_stream_new(const struct cn_dialect *d, struct cn_stream **out,
                                      struct cn_err *err);
CN_MUST_CHECK cn_status cn_stream_event(struct cn_stream *s, const struct cn_sse_event *e,
                                        struct cn_err *err);
/* The stream is over. CN_EIO when it lacks its end. */
CN_MUST_CHECK cn_status cn_stream_end(struct cn_stream *s, struct cn_llm_answer *out,
                                      struct cn_err *err);
/* An error event's content; kind NONE when there was none. */
const struct cn_llm_trouble *cn_stream_trouble(const struct cn_stream *s);
/* Nothing more is to be expected: its end or an error came. */
bool cn_stream_ended(const struct cn_stream *s);
/* Usage seen so far, also of a stream that broke. */
struct cn_llm_usage cn_stream_usage(const struct cn_stream *s);
void cn_stream_free(struct cn_stream *s); /* NULL is fine */

#endif
