/* OpenAI chat completions, also as llama.cpp, vLLM and Ollama speak it (specs llm_api D2, D3). */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/llm/dialect_int.h"

/* ------------------------------------------------------------------ request */

static void put_image(struct cn_json_writer *w, const struct cn_llm_block *b)
{
    struct cn_buf url;

    cn_buf_init(&url, b->image_size * 2 + 256);
    cn_buf_printf(&url, "data:%s;base64,", b->media_type);
    cn_llm_base64(b->image, b->image_size, &url);
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "type", "image_url");
    cn_json_open(w, "image_url", '{');
    cn_json_add_string(w, "url", cn_buf_str(&url));
    cn_json_close(w);
    cn_json_close(w);
    cn_buf_clear(&url);
}

/* Results of tools are messages of their own, before whatever else the user says. */
static void put_results(struct cn_json_writer *w, const struct cn_llm_message *m)
{
    for (int k = 0; k < m->n_blocks; k++) {
        if (m->blocks[k].kind != CN_LLM_TOOL_RESULT)
            continue;
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "role", "tool");
        cn_json_add_string(w, "tool_call_id", m->blocks[k].id);
        cn_json_add_string(w, "content", m->blocks[k].text);
        cn_json_close(w);
    }
}

static bool says_something(const struct cn_llm_message *m, bool *out_images)
{
    bool any = false;

    *out_images = false;
    for (int k = 0; k < m->n_blocks; k++) {
        any = any || m->blocks[k].kind == CN_LLM_TEXT || m->blocks[k].kind == CN_LLM_IMAGE;
        *out_images = *out_images || m->blocks[k].kind == CN_LLM_IMAGE;
    }
    return any;
}

static void put_parts(struct cn_json_writer *w, const struct cn_llm_message *m,
                      const struct cn_llm_caps *caps)
{
    cn_json_open(w, "content", '[');
    for (int k = 0; k < m->n_blocks; k++) {
        const struct cn_llm_block *b = &m->blocks[k];

        if (b->kind == CN_LLM_IMAGE && caps->images) {
            put_image(w, b);
        } else if (b->kind == CN_LLM_TEXT || b->kind == CN_LLM_IMAGE) {
            cn_json_open(w, NULL, '{');
            cn_json_add_string(w, "type", "text");
            cn_json_add_string(w, "text", b->kind == CN_LLM_TEXT ? b->text : cn_llm_no_image);
            cn_json_close(w);
        }
    }
    cn_json_close(w);
}

static void put_user(struct cn_json_writer *w, const struct cn_llm_message *m,
                     const struct cn_llm_caps *caps)
{
    struct cn_buf text;
    bool images;

    put_results(w, m);
    if (!says_something(m, &images))
        return;
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "role", "user");
    if (images) {
        put_parts(w, m, caps);
    } else { /* plain text: small servers know nothing else */
        cn_buf_init(&text, CN_CAP_TEXT);
        cn_llm_join(m->blocks, m->n_blocks, &text);
        cn_json_add_string(w, "content", cn_buf_str(&text));
        cn_buf_clear(&text);
    }
    cn_json_close(w);
}

static void put_calls(struct cn_json_writer *w, const struct cn_llm_message *m)
{
    bool any = false;

    for (int k = 0; k < m->n_blocks; k++) {
        const struct cn_llm_block *b = &m->blocks[k];

        if (b->kind != CN_LLM_TOOL_USE)
            continue;
        if (!any)
            cn_json_open(w, "tool_calls", '[');
        any = true;
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "id", b->id);
        cn_json_add_string(w, "type", "function");
        cn_json_open(w, "function", '{');
        cn_json_add_string(w, "name", b->name);
        cn_json_add_string(w, "arguments", cn_llm_arguments(b));
        cn_json_close(w);
        cn_json_close(w);
    }
    if (any)
        cn_json_close(w);
}

static bool calls_tools(const struct cn_llm_message *m)
{
    for (int k = 0; k < m->n_blocks; k++)
        if (m->blocks[k].kind == CN_LLM_TOOL_USE)
            return true;
    return false;
}

static void put_assistant(struct cn_json_writer *w, const struct cn_llm_message *m)
{
    struct cn_buf text;

    cn_buf_init(&text, CN_CAP_TEXT);
    cn_llm_join(m->blocks, m->n_blocks, &text);
    if (text.len > 0 || calls_tools(m)) { /* a message without either is refused */
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "role", "assistant");
        cn_json_add_string(w, "content", text.len ? cn_buf_str(&text) : NULL);
        put_calls(w, m);
        cn_json_close(w);
    }
    cn_buf_clear(&text);
}

static void put_tools(const struct cn_llm_request *q, struct cn_json_writer *w)
{
    static const char *const choices[] = {"auto", "required", "none"};

    cn_json_open(w, "tools", '[');
    for (int i = 0; i < q->n_tools; i++) {
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "type", "function");
        cn_json_open(w, "function", '{');
        cn_json_add_string(w, "name", q->tools[i].name);
        cn_json_add_string(w, "description", q->tools[i].description);
        cn_json_add_text(w, "parameters", q->tools[i].schema, "{\"type\":\"object\"}");
        cn_json_close(w);
        cn_json_close(w);
    }
    cn_json_close(w);
    cn_json_add_string(w, "tool_choice", choices[q->tool_choice]);
}

static void put_system(const struct cn_llm_request *q, struct cn_json_writer *w)
{
    struct cn_buf text;

    if (q->n_system == 0)
        return;
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_llm_join(q->system, q->n_system, &text);
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "role", "system");
    cn_json_add_string(w, "content", cn_buf_str(&text));
    cn_json_close(w);
    cn_buf_clear(&text);
}

static void body(const struct cn_llm_request *q, const struct cn_llm_caps *caps,
                 struct cn_json_writer *w)
{
    cn_json_add_string(w, "model", q->model);
    if (caps->tools && q->n_tools > 0)
        put_tools(q, w);
    cn_json_open(w, "messages", '[');
    put_system(q, w);
    for (int i = 0; i < q->n_messages; i++) {
        if (q->messages[i].role == CN_LLM_USER)
            put_user(w, &q->messages[i], caps);
        else
            put_assistant(w, &q->messages[i]);
    }
    cn_json_close(w);
    cn_json_add_int(w, caps->max_completion_tokens ? "max_completion_tokens" : "max_tokens",
                    q->max_tokens);
    if (caps->temperature && !isnan(q->temperature))
        cn_json_add_double(w, "temperature", q->temperature);
    if (caps->effort && q->effort[0])
        cn_json_add_string(w, "reasoning_effort", q->effort);
    if (caps->stream && q->stream) {
        cn_json_add_bool(w, "stream", true);
        cn_json_open(w, "stream_options", '{');
        cn_json_add_bool(w, "include_usage", true);
        cn_json_close(w);
    }
}

/* ------------------------------------------------------------------ answer */

static void take_stop(struct cn_stream *s, const struct cn_json *choice)
{
    static const struct {
        const char *word;
        cn_llm_stop stop;
    } known[] = {{"stop", CN_LLM_STOP_END},
                 {"tool_calls", CN_LLM_STOP_TOOLS},
                 {"function_call", CN_LLM_STOP_TOOLS},
                 {"length", CN_LLM_STOP_LENGTH},
                 {"content_filter", CN_LLM_STOP_REFUSAL}};

    if (!cn_json_string(cn_json_get(choice, "finish_reason")))
        return;
    cn_part_word(choice, "finish_reason", s->stop_text, sizeof s->stop_text);
    s->stop = CN_LLM_STOP_OTHER;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(s->stop_text, known[i].word) == 0)
            s->stop = known[i].stop;
}

static void take_usage(struct cn_stream *s, const struct cn_json *u)
{
    struct cn_llm_usage *t = &s->usage;

    if (cn_json_kind(u) != CN_JSON_OBJECT)
        return;
    t->known = true;
    cn_llm_count(cn_json_get(u, "prompt_tokens"), &t->input);
    cn_llm_count(cn_json_get(u, "completion_tokens"), &t->output);
    cn_llm_count(cn_json_path(u, "prompt_tokens_details.cached_tokens"), &t->cache_read);
    cn_llm_count(cn_json_path(u, "completion_tokens_details.reasoning_tokens"), &t->reasoning);
    if (t->cache_read > t->input)
        t->cache_read = t->input;
}

/* Words of a message or of a piece of one. */
static cn_status take_words(struct cn_stream *s, const struct cn_json *m, const char *key,
                            struct cn_err *err)
{
    const char *words = cn_json_string(cn_json_get(m, key));
    struct cn_part *p = cn_part_find(s, CN_LLM_TEXT, 0);
    cn_status st = CN_OK;

    if (!words || !words[0])
        return CN_OK;
    if (!p)
        p = cn_part_new(s, CN_LLM_TEXT, 0, &st, err);
    if (p)
        cn_buf_adds(&p->text, words);
    return st;
}

/* Fragments are joined by their index; a server that sends none means its only call. */
static cn_status take_call(struct cn_stream *s, const struct cn_json *call, int64_t fallback,
                           struct cn_err *err)
{
    const struct cn_json *f = cn_json_get(call, "function");
    const struct cn_json *args = cn_json_get(f, "arguments");
    char id[CN_LLM_NAME_TEXT] = "";
    int64_t index;
    struct cn_part *p;
    cn_status st = CN_OK;

    if (!cn_json_int64(cn_json_get(call, "index"), &index))
        index = fallback;
    p = cn_part_find(s, CN_LLM_TOOL_USE, index);
    cn_part_word(call, "id", id, sizeof id);
    if (p && id[0] && p->id[0] && strcmp(id, p->id) != 0) /* some servers call every index 0 */
        p = NULL;
    if (!p)
        p = cn_part_new(s, CN_LLM_TOOL_USE, index, &st, err);
    if (!p)
        return st;
    cn_part_word(call, "id", p->id, sizeof p->id);
    cn_part_word(f, "name", p->name, sizeof p->name);
    if (cn_json_kind(args) == CN_JSON_OBJECT) /* some local servers */
        cn_json_put_value(&p->text, args);
    else
        cn_part_add(&p->text, cn_json_string(args));
    return st;
}

static cn_status take_message(struct cn_stream *s, const struct cn_json *m, bool streamed,
                              struct cn_err *err)
{
    int64_t i = 0;
    cn_status st = take_words(s, m, "content", err);

    if (st == CN_OK && cn_json_string(cn_json_get(m, "refusal"))) {
        st = take_words(s, m, "refusal", err);
        s->stop = CN_LLM_STOP_REFUSAL;
        cn_text_copy(s->stop_text, sizeof s->stop_text, "refusal");
    }
    for (const struct cn_json *c = cn_json_first(cn_json_get(m, "tool_calls"));
         st == CN_OK && c; c = cn_json_next(c))
        st = take_call(s, c, streamed ? 0 : i++, err);
    return st;
}

static cn_status take_choice(struct cn_stream *s, const struct cn_json *root, const char *key,
                             bool streamed, struct cn_err *err)
{
    const struct cn_json *choice = cn_json_first(cn_json_get(root, "choices"));
    cn_status st = take_message(s, cn_json_get(choice, key), streamed, err);
    bool refused = s->stop == CN_LLM_STOP_REFUSAL;

    if (!refused)
        take_stop(s, choice);
    s->may_end = s->may_end || cn_json_string(cn_json_get(choice, "finish_reason"));
    /* Some local servers say "stop" after a call. */
    if (s->may_end && s->stop == CN_LLM_STOP_END && cn_part_any(s, CN_LLM_TOOL_USE))
        s->stop = CN_LLM_STOP_TOOLS;
    return st;
}

static void take_names(struct cn_stream *s, const struct cn_json *root)
{
    cn_part_word(root, "id", s->id, sizeof s->id);
    cn_part_word(root, "model", s->model, sizeof s->model);
    take_usage(s, cn_json_get(root, "usage"));
}

static cn_status answer(struct cn_stream *s, const struct cn_json *root, struct cn_err *err)
{
    if (cn_json_kind(cn_json_get(root, "error")) != CN_JSON_NULL) { /* gateways do that */
        cn_llm_error_object(cn_json_get(root, "error"), 200, &s->trouble);
        return CN_OK;
    }
    if (cn_json_count(cn_json_get(root, "choices")) < 1)
        return cn_llm_broken(err, "no list \"choices\"");
    take_names(s, root);
    return take_choice(s, root, "message", false, err);
}

static cn_status event(struct cn_stream *s, const struct cn_sse_event *e,
                       const struct cn_json *root, struct cn_err *err)
{
    (void)e;
    if (cn_json_kind(cn_json_get(root, "error")) != CN_JSON_NULL) {
        cn_llm_error_object(cn_json_get(root, "error"), 200, &s->trouble);
        return CN_OK;
    }
    take_names(s, root);
    return take_choice(s, root, "delta", true, err);
}

const struct cn_dialect cn_dialect_chat = {
    "openai", "/v1/chat/completions", body, answer, event, true};
