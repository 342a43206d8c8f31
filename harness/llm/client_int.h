/* What client.c and attempt.c share: the client, and one request of an ask. */
#ifndef CN_LLM_CLIENT_INT_H
#define CN_LLM_CLIENT_INT_H

#include "base/rng.h"
#include "harness/llm/client.h"
#include "harness/llm/http.h"
#include "harness/llm/provider.h"

struct cn_llm {
    struct cn_llm_opts o;
    struct cn_provider at; /* owned */
    char *key;             /* owned; NULL: none */
    char *prices;          /* owned */
    struct cn_llm_caps caps;
    struct cn_llm_price price;
    struct cn_http *http; /* owned; NULL unless HTTP */
    struct cn_rng rng;
    int warned;
    const struct cn_dialect *replayed; /* NULL: a command's */
};

/* What one request brought. */
struct cn_attempt {
    struct cn_llm *l;
    const struct cn_llm_request *q;
    struct cn_llm_attempt a;
    struct cn_buf body, reply;
    struct cn_http_reply http;
    struct cn_stream *stream; /* owned; NULL until events come */
    struct cn_sse sse;
    bool sse_open, sent;
    bool enough;   /* the stream's end has come */
    double left_s; /* of the ask's time */
    int status;
    struct cn_llm_answer *answer;
    struct cn_llm_trouble trouble;
    struct cn_err why;
};

void cn_attempt_init(struct cn_attempt *t, struct cn_llm *l, const struct cn_llm_request *q,
                     const char *purpose, int32_t number, int64_t exchange,
                     struct cn_llm_answer *answer);
void cn_attempt_clear(struct cn_attempt *t);
/* Reserve, record, send, record, settle. CN_OK: *answer is there. CN_EIO and the like: t->trouble
 * tells. *fatal: the books cannot be kept (or the budget is over), the ask ends. */
CN_MUST_CHECK cn_status cn_attempt_run(struct cn_attempt *t, bool *fatal, struct cn_err *err);

#endif
