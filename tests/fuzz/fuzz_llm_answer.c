/* Any bytes are a provider's reply. The first byte chooses the dialect, and whether it is a stream: an answer
 * is well formed, its blocks can be sent back, and what is sent back is one JSON value. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/json.h"
#include "harness/llm/dialect.h"
#include "tests/support/fuzz.h"

static void check(bool ok)
{
    if (!ok)
        abort();
}

static cn_status on_event(void *ctx, const struct cn_sse_event *e, struct cn_err *err)
{
    return cn_stream_event(ctx, e, err);
}

static cn_status stream(const struct cn_dialect *d, const char *bytes, size_t n,
                        struct cn_llm_answer *out)
{
    struct cn_stream *s;
    struct cn_sse sse;
    cn_status st = cn_stream_new(d, &s, NULL);

    check(st == CN_OK);
    cn_sse_init(&sse, on_event, s, (size_t)1 << 20);
    st = cn_sse_feed(&sse, bytes, n, NULL);
    if (st == CN_OK)
        st = cn_stream_end(s, out, NULL);
    check(cn_stream_usage(s).input >= 0);
    cn_sse_clear(&sse);
    cn_stream_free(s);
    return st;
}

static void check_answer(const struct cn_llm_answer *a)
{
    const struct cn_llm_usage *u = &a->usage;

    check(u->input >= 0 && u->output >= 0 && u->cache_read >= 0 && u->cache_write >= 0);
    check(u->cache_read + u->cache_write <= u->input);
    check(cn_llm_stop_name(a->stop) && a->stop_text && a->id && a->model);
    for (int i = 0; i < a->n_blocks; i++) {
        const struct cn_llm_block *b = &a->blocks[i];

        check(b->text && b->id && b->name && b->arguments);
        check(b->kind != CN_LLM_TOOL_USE || b->id[0]);
        check(b->kind != CN_LLM_TEXT || b->text[0]);
    }
}

/* The answer as the history of the next request. */
static void send_back(const struct cn_dialect *d, const struct cn_llm_answer *a)
{
    struct cn_llm_block text = {.kind = CN_LLM_TEXT, .text = "go on"};
    struct cn_llm_message m[3] = {{CN_LLM_USER, &text, 1},
                                  {CN_LLM_ASSISTANT, a->blocks, a->n_blocks},
                                  {CN_LLM_USER, &text, 1}};
    struct cn_llm_request q = {.model = "m",
                               .messages = m,
                               .n_messages = 3,
                               .max_tokens = 9,
                               .temperature = (double)NAN,
                               .effort = ""};
    struct cn_llm_caps caps = {.tools = true, .thinking = true};
    struct cn_json_doc *doc = NULL;
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    check(cn_dialect_body(d, &q, &caps, &b, NULL) == CN_OK);
    check(cn_json_parse("body", cn_buf_str(&b), b.len, &doc, NULL) == CN_OK);
    cn_json_free(doc);
    cn_buf_clear(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"anthropic", "openai", "openai-responses"};
    const struct cn_dialect *d;
    struct cn_llm_answer a;
    cn_status st;

    if (size == 0)
        return 0;
    memset(&a, 0, sizeof a);
    d = cn_dialect_find(names[data[0] % 3]);
    if (data[0] / 3 % 2)
        st = stream(d, (const char *)data + 1, size - 1, &a);
    else
        st = cn_dialect_answer(d, (const char *)data + 1, size - 1, &a, NULL, NULL);
    if (st == CN_OK) {
        check_answer(&a);
        send_back(d, &a);
    }
    cn_llm_answer_clear(&a);
    return 0;
}
