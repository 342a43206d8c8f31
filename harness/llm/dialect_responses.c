/* OpenAI Responses (specs llm_api D2). The conversation is kept by us: store is false, and
 * reasoning items travel back as they came. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/llm/dialect_int.h"

/* ------------------------------------------------------------------ request */

static void put_part(struct cn_json_writer *w, const char *type, const char *text)
{
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "type", type);
    cn_json_add_string(w, "text", text);
    cn_json_close(w);
}

static void put_image(struct cn_json_writer *w, const struct cn_llm_block *b)
{
    struct cn_buf url;

    cn_buf_init(&url, b->image_size * 2 + 256);
    cn_buf_printf(&url, "data:%s;base64,", b->media_type);
    cn_llm_base64(b->image, b->image_size, &url);
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "type", "input_image");
    cn_json_add_string(w, "image_url", cn_buf_str(&url));
    cn_json_close(w);
    cn_buf_clear(&url);
}

static bool is_said(const struct cn_llm_block *b)
{
    return b->kind == CN_LLM_TEXT || b->kind == CN_LLM_IMAGE;
}

/* Blocks k.. that are text or images, as one message; returns the first block after them. */
static int put_said(struct cn_json_writer *w, const struct cn_llm_message *m, int k,
                    const struct cn_llm_caps *caps)
{
    bool user = m->role == CN_LLM_USER;

    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "role", user ? "user" : "assistant");
    cn_json_open(w, "content", '[');
    for (; k < m->n_blocks && is_said(&m->blocks[k]); k++) {
        const struct cn_llm_block *b = &m->blocks[k];

        if (b->kind == CN_LLM_IMAGE && caps->images && user)
            put_image(w, b);
        else
            put_part(w, user ? "input_text" : "output_text",
                     b->kind == CN_LLM_TEXT ? b->text : cn_llm_no_image);
    }
    cn_json_close(w);
    cn_json_close(w);
    return k;
}

static void put_item(struct cn_json_writer *w, const struct cn_llm_block *b)
{
    if (b->kind == CN_LLM_OPAQUE) {
        cn_json_add_text(w, NULL, b->text, "{}");
        return;
    }
    cn_json_open(w, NULL, '{');
    if (b->kind == CN_LLM_TOOL_USE) {
        cn_json_add_string(w, "type", "function_call");
        cn_json_add_string(w, "call_id", b->id);
        cn_json_add_string(w, "name", b->name);
        cn_json_add_string(w, "arguments", cn_llm_arguments(b));
    } else {
        cn_json_add_string(w, "type", "function_call_output");
        cn_json_add_string(w, "call_id", b->id);
        cn_json_add_string(w, "output", b->text);
    }
    cn_json_close(w);
}

/* Results of calls come before whatever else the user says. */
static void put_message(struct cn_json_writer *w, const struct cn_llm_message *m,
                        const struct cn_llm_caps *caps)
{
    for (int k = 0; k < m->n_blocks; k++)
        if (m->blocks[k].kind == CN_LLM_TOOL_RESULT)
            put_item(w, &m->blocks[k]);
    for (int k = 0; k < m->n_blocks;) {
        if (is_said(&m->blocks[k]))
            k = put_said(w, m, k, caps);
        else if (m->blocks[k].kind == CN_LLM_TOOL_RESULT)
            k++;
        else
            put_item(w, &m->blocks[k++]);
    }
}

static void put_tools(const struct cn_llm_request *q, struct cn_json_writer *w)
{
    static const char *const choices[] = {"auto", "required", "none"};

    cn_json_open(w, "tools", '[');
    for (int i = 0; i < q->n_tools; i++) {
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "type", "function");
        cn_json_add_string(w, "name", q->tools[i].name);
        cn_json_add_string(w, "description", q->tools[i].description);
        cn_json_add_text(w, "parameters", q->tools[i].schema, "{\"type\":\"object\"}");
        /* Strict schemas must require every property; ours have optional ones. */
        cn_json_add_bool(w, "strict", false);
        cn_json_close(w);
    }
    cn_json_close(w);
    cn_json_add_string(w, "tool_choice", choices[q->tool_choice]);
}

static void put_options(const struct cn_llm_request *q, const struct cn_llm_caps *caps,
                        struct cn_json_writer *w)
{
    cn_json_add_int(w, "max_output_tokens", q->max_tokens);
    cn_json_add_bool(w, "store", false);
    if (caps->thinking) {
        cn_json_open(w, "include", '[');
        cn_json_add_string(w, NULL, "reasoning.encrypted_content");
        cn_json_close(w);
    }
    if (caps->temperature && !isnan(q->temperature))
        cn_json_add_double(w, "temperature", q->temperature);
    if (caps->effort && q->effort[0]) {
        cn_json_open(w, "reasoning", '{');
        cn_json_add_string(w, "effort", q->effort);
        cn_json_close(w);
    }
    if (caps->stream && q->stream)
        cn_json_add_bool(w, "stream", true);
}

static void body(const struct cn_llm_request *q, const struct cn_llm_caps *caps,
                 struct cn_json_writer *w)
{
    struct cn_buf text;

    cn_json_add_string(w, "model", q->model);
    if (caps->tools && q->n_tools > 0)
        put_tools(q, w);
    if (q->n_system > 0) {
        cn_buf_init(&text, CN_CAP_TEXT);
        cn_llm_join(q->system, q->n_system, &text);
        cn_json_add_string(w, "instructions", cn_buf_str(&text));
        cn_buf_clear(&text);
    }
    cn_json_open(w, "input", '[');
    for (int i = 0; i < q->n_messages; i++)
        put_message(w, &q->messages[i], caps);
    cn_json_close(w);
    put_options(q, caps, w);
}

/* ------------------------------------------------------------------ answer */

static void take_usage(struct cn_stream *s, const struct cn_json *u)
{
    struct cn_llm_usage *t = &s->usage;

    if (cn_json_kind(u) != CN_JSON_OBJECT)
        return;
    t->known = true;
    cn_llm_count(cn_json_get(u, "input_tokens"), &t->input);
    cn_llm_count(cn_json_get(u, "output_tokens"), &t->output);
    cn_llm_count(cn_json_path(u, "input_tokens_details.cached_tokens"), &t->cache_read);
    cn_llm_count(cn_json_path(u, "output_tokens_details.reasoning_tokens"), &t->reasoning);
    if (t->cache_read > t->input)
        t->cache_read = t->input;
}

static cn_status take_said(struct cn_stream *s, const struct cn_json *item, int64_t index,
                           struct cn_err *err)
{
    cn_status st = CN_OK;

    for (const struct cn_json *c = cn_json_first(cn_json_get(item, "content"));
         st == CN_OK && c; c = cn_json_next(c)) {
        const char *refusal = cn_json_string(cn_json_get(c, "refusal"));
        struct cn_part *p = cn_part_new(s, CN_LLM_TEXT, index, &st, err);

        if (p)
            cn_part_add(&p->text, refusal ? refusal : cn_json_string(cn_json_get(c, "text")));
        if (refusal)
            s->stop = CN_LLM_STOP_REFUSAL;
    }
    return st;
}

/* A finished item of the output. Streams send every item whole when it is done, so its pieces need
 * not be joined. */
static cn_status take_item(struct cn_stream *s, const struct cn_json *item, int64_t index,
                           struct cn_err *err)
{
    const char *type = cn_json_string(cn_json_get(item, "type"));
    struct cn_part *p;
    cn_status st = CN_OK;

    if (!type)
        return cn_llm_broken(err, "an output item without a type");
    if (strcmp(type, "message") == 0)
        return take_said(s, item, index, err);
    if (strcmp(type, "function_call") == 0) {
        p = cn_part_new(s, CN_LLM_TOOL_USE, index, &st, err);
        if (p) {
            cn_part_word(item, "call_id", p->id, sizeof p->id);
            cn_part_word(item, "name", p->name, sizeof p->name);
            if (cn_json_kind(cn_json_get(item, "arguments")) == CN_JSON_OBJECT)
                cn_json_put_value(&p->text, cn_json_get(item, "arguments"));
            else
                cn_part_add(&p->text, cn_json_string(cn_json_get(item, "arguments")));
        }
    } else if (strcmp(type, "reasoning") == 0) {
        p = cn_part_new(s, CN_LLM_OPAQUE, index, &st, err);
        if (p) {
            p->whole = true;
            cn_json_put_value(&p->text, item);
        }
    }
    return st;
}

/* status, error and usage of the whole response. */
static cn_status take_end(struct cn_stream *s, const struct cn_json *root, struct cn_err *err)
{
    const char *status = cn_json_string(cn_json_get(root, "status"));
    const char *why = cn_json_string(cn_json_path(root, "incomplete_details.reason"));

    cn_part_word(root, "id", s->id, sizeof s->id);
    cn_part_word(root, "model", s->model, sizeof s->model);
    take_usage(s, cn_json_get(root, "usage"));
    if (!status)
        return cn_llm_broken(err, "a response without a status");
    if (strcmp(status, "failed") == 0 || strcmp(status, "cancelled") == 0) {
        cn_llm_error_object(cn_json_get(root, "error"), 200, &s->trouble);
        return CN_OK;
    }
    cn_part_word(root, "status", s->stop_text, sizeof s->stop_text);
    if (s->stop == CN_LLM_STOP_REFUSAL)
        return CN_OK;
    if (strcmp(status, "completed") == 0)
        s->stop = cn_part_any(s, CN_LLM_TOOL_USE) ? CN_LLM_STOP_TOOLS : CN_LLM_STOP_END;
    else if (why && strcmp(why, "max_output_tokens") == 0)
        s->stop = CN_LLM_STOP_LENGTH;
    else if (why && strcmp(why, "content_filter") == 0)
        s->stop = CN_LLM_STOP_REFUSAL;
    return CN_OK;
}

static cn_status take_output(struct cn_stream *s, const struct cn_json *root,
                             struct cn_err *err)
{
    const struct cn_json *output = cn_json_get(root, "output");
    int64_t i = 0;
    cn_status st = CN_OK;

    for (const struct cn_json *x = cn_json_first(output); st == CN_OK && x; x = cn_json_next(x))
        st = take_item(s, x, i++, err);
    return st == CN_OK ? take_end(s, root, err) : st;
}

static cn_status answer(struct cn_stream *s, const struct cn_json *root, struct cn_err *err)
{
    const struct cn_json *error = cn_json_get(root, "error");

    if (cn_json_kind(error) == CN_JSON_OBJECT && !cn_json_get(root, "status")) {
        cn_llm_error_object(error, 200, &s->trouble);
        return CN_OK;
    }
    if (cn_json_kind(cn_json_get(root, "output")) != CN_JSON_ARRAY &&
        cn_json_kind(error) != CN_JSON_OBJECT)
        return cn_llm_broken(err, "no list \"output\"");
    return take_output(s, root, err);
}

static cn_status event(struct cn_stream *s, const struct cn_sse_event *e,
                       const struct cn_json *root, struct cn_err *err)
{
    const char *type = cn_json_string(cn_json_get(root, "type"));
    int64_t index = 0;

    if (!type)
        type = e->name;
    (void)cn_json_int64(cn_json_get(root, "output_index"), &index);
    if (strcmp(type, "response.output_item.done") == 0)
        return take_item(s, cn_json_get(root, "item"), index, err);
    if (strcmp(type, "response.completed") == 0 || strcmp(type, "response.incomplete") == 0 ||
        strcmp(type, "response.failed") == 0) {
        const struct cn_json *whole = cn_json_get(root, "response");

        s->ended = true;
        /* A server that sent no items one by one has them all here. */
        return s->n_parts > 0 ? take_end(s, whole, err) : take_output(s, whole, err);
    }
    if (strcmp(type, "error") == 0) {
        const struct cn_json *inner = cn_json_get(root, "error");

        cn_llm_error_object(inner ? inner : root, 200, &s->trouble);
    }
    return CN_OK;
}

const struct cn_dialect cn_dialect_responses = {
    "openai-responses", "/v1/responses", body, answer, event, false};
