/* Anthropic Messages (specs llm_api D1). */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "harness/llm/dialect_int.h"

/* ------------------------------------------------------------------ request */

static void cache_mark(struct cn_json_writer *w, const struct cn_llm_caps *caps, bool marked)
{
    if (!marked || !caps->cache)
        return;
    cn_json_open(w, "cache_control", '{');
    cn_json_add_string(w, "type", "ephemeral");
    cn_json_close(w);
}

static void put_text(struct cn_json_writer *w, const struct cn_llm_caps *caps, const char *text,
                     bool marked)
{
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "type", "text");
    cn_json_add_string(w, "text", text);
    cache_mark(w, caps, marked);
    cn_json_close(w);
}

static void put_image(struct cn_json_writer *w, const struct cn_llm_caps *caps,
                      const struct cn_llm_block *b)
{
    struct cn_buf data;

    cn_buf_init(&data, b->image_size * 2 + 16);
    cn_llm_base64(b->image, b->image_size, &data);
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "type", "image");
    cn_json_open(w, "source", '{');
    cn_json_add_string(w, "type", "base64");
    cn_json_add_string(w, "media_type", b->media_type);
    cn_json_add_string(w, "data", cn_buf_str(&data));
    cn_json_close(w);
    cache_mark(w, caps, b->cache_mark);
    cn_json_close(w);
    cn_buf_clear(&data);
}

static void put_tool_block(struct cn_json_writer *w, const struct cn_llm_caps *caps,
                           const struct cn_llm_block *b)
{
    bool use = b->kind == CN_LLM_TOOL_USE;

    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "type", use ? "tool_use" : "tool_result");
    cn_json_add_string(w, use ? "id" : "tool_use_id", b->id);
    if (use) {
        cn_json_add_string(w, "name", b->name);
        cn_json_add_text(w, "input", cn_llm_arguments(b), "{}");
    } else {
        cn_json_add_string(w, "content", b->text);
        if (b->is_error)
            cn_json_add_bool(w, "is_error", true);
    }
    cache_mark(w, caps, b->cache_mark);
    cn_json_close(w);
}

static void put_block(struct cn_json_writer *w, const struct cn_llm_caps *caps,
                      const struct cn_llm_block *b)
{
    switch (b->kind) {
    case CN_LLM_TEXT:
        if (b->text[0]) /* an empty text block is refused */
            put_text(w, caps, b->text, b->cache_mark);
        break;
    case CN_LLM_IMAGE:
        if (caps->images)
            put_image(w, caps, b);
        else
            put_text(w, caps, cn_llm_no_image, b->cache_mark);
        break;
    case CN_LLM_TOOL_USE:
    case CN_LLM_TOOL_RESULT:
        put_tool_block(w, caps, b);
        break;
    case CN_LLM_OPAQUE:
        cn_json_add_text(w, NULL, b->text, "{}");
        break;
    }
}

static void put_tools(const struct cn_llm_request *q, struct cn_json_writer *w)
{
    static const char *const choices[] = {"auto", "any", "none"};

    cn_json_open(w, "tools", '[');
    for (int i = 0; i < q->n_tools; i++) {
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "name", q->tools[i].name);
        cn_json_add_string(w, "description", q->tools[i].description);
        cn_json_add_text(w, "input_schema", q->tools[i].schema, "{\"type\":\"object\"}");
        cn_json_close(w);
    }
    cn_json_close(w);
    cn_json_open(w, "tool_choice", '{');
    cn_json_add_string(w, "type", choices[q->tool_choice]);
    cn_json_close(w);
}

static void put_options(const struct cn_llm_request *q, const struct cn_llm_caps *caps,
                        struct cn_json_writer *w)
{
    if (caps->temperature && !isnan(q->temperature))
        cn_json_add_double(w, "temperature", q->temperature);
    if (caps->thinking && q->thinking_tokens > 0) {
        cn_json_open(w, "thinking", '{');
        cn_json_add_string(w, "type", "enabled");
        cn_json_add_int(w, "budget_tokens", q->thinking_tokens);
        cn_json_close(w);
    }
    if (caps->effort && q->effort[0]) {
        cn_json_open(w, "output_config", '{');
        cn_json_add_string(w, "effort", q->effort);
        cn_json_close(w);
    }
    if (caps->stream && q->stream)
        cn_json_add_bool(w, "stream", true);
}

/* A message without content is refused; neighbours of one role are taken as one. */
static bool says_nothing(const struct cn_llm_message *m)
{
    for (int k = 0; k < m->n_blocks; k++)
        if (m->blocks[k].kind != CN_LLM_TEXT || m->blocks[k].text[0])
            return false;
    return true;
}

/* Tools, system, messages: the order in which the provider's cache reads its prefix. */
static void body(const struct cn_llm_request *q, const struct cn_llm_caps *caps,
                 struct cn_json_writer *w)
{
    cn_json_add_string(w, "model", q->model);
    cn_json_add_int(w, "max_tokens", q->max_tokens);
    if (caps->tools && q->n_tools > 0)
        put_tools(q, w);
    if (q->n_system > 0) {
        cn_json_open(w, "system", '[');
        for (int i = 0; i < q->n_system; i++)
            put_block(w, caps, &q->system[i]);
        cn_json_close(w);
    }
    cn_json_open(w, "messages", '[');
    for (int i = 0; i < q->n_messages; i++) {
        const struct cn_llm_message *m = &q->messages[i];

        if (says_nothing(m))
            continue;
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "role", m->role == CN_LLM_USER ? "user" : "assistant");
        cn_json_open(w, "content", '[');
        /* Results of tools must stand first. */
        for (int k = 0; k < m->n_blocks; k++)
            if (m->blocks[k].kind == CN_LLM_TOOL_RESULT)
                put_block(w, caps, &m->blocks[k]);
        for (int k = 0; k < m->n_blocks; k++)
            if (m->blocks[k].kind != CN_LLM_TOOL_RESULT)
                put_block(w, caps, &m->blocks[k]);
        cn_json_close(w);
        cn_json_close(w);
    }
    cn_json_close(w);
    put_options(q, caps, w);
}

/* ------------------------------------------------------------------ answer */

static void take_stop(struct cn_stream *s, const struct cn_json *object)
{
    static const struct {
        const char *word;
        cn_llm_stop stop;
    } known[] = {{"end_turn", CN_LLM_STOP_END},
                 {"stop_sequence", CN_LLM_STOP_END},
                 {"tool_use", CN_LLM_STOP_TOOLS},
                 {"max_tokens", CN_LLM_STOP_LENGTH},
                 {"model_context_window_exceeded", CN_LLM_STOP_LENGTH},
                 {"pause_turn", CN_LLM_STOP_PAUSE},
                 {"refusal", CN_LLM_STOP_REFUSAL}};

    if (!cn_json_string(cn_json_get(object, "stop_reason")))
        return;
    cn_part_word(object, "stop_reason", s->stop_text, sizeof s->stop_text);
    s->stop = CN_LLM_STOP_OTHER;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strcmp(s->stop_text, known[i].word) == 0)
            s->stop = known[i].stop;
}

/* Counts are cumulative: later ones replace earlier ones. */
static void take_usage(struct cn_stream *s, const struct cn_json *u)
{
    struct cn_llm_usage *t = &s->usage;
    int64_t fresh = t->input - t->cache_read - t->cache_write;

    if (cn_json_kind(u) != CN_JSON_OBJECT)
        return;
    t->known = true;
    cn_llm_count(cn_json_get(u, "input_tokens"), &fresh);
    cn_llm_count(cn_json_get(u, "cache_read_input_tokens"), &t->cache_read);
    cn_llm_count(cn_json_get(u, "cache_creation_input_tokens"), &t->cache_write);
    cn_llm_count(cn_json_get(u, "output_tokens"), &t->output);
    cn_llm_count(cn_json_path(u, "output_tokens_details.thinking_tokens"), &t->reasoning);
    t->input = fresh + t->cache_read + t->cache_write;
}

static cn_status begin_block(struct cn_stream *s, const struct cn_json *b, int64_t index,
                             bool streamed, struct cn_err *err)
{
    const char *type = cn_json_string(cn_json_get(b, "type"));
    struct cn_part *p;
    cn_status st = CN_OK;

    if (!type)
        return cn_llm_broken(err, "a block without a type");
    if (strcmp(type, "text") == 0) {
        p = cn_part_new(s, CN_LLM_TEXT, index, &st, err);
        if (p)
            cn_part_add(&p->text, cn_json_string(cn_json_get(b, "text")));
    } else if (strcmp(type, "tool_use") == 0) {
        p = cn_part_new(s, CN_LLM_TOOL_USE, index, &st, err);
        if (p) {
            cn_part_word(b, "id", p->id, sizeof p->id);
            cn_part_word(b, "name", p->name, sizeof p->name);
            /* A stream begins with {} and sends the rest in pieces; some gateways send all here. */
            p->whole = streamed;
            if (!streamed || cn_json_count(cn_json_get(b, "input")) > 0)
                cn_json_put_value(&p->text, cn_json_get(b, "input"));
        }
    } else if (strcmp(type, "thinking") == 0 && streamed) {
        p = cn_part_new(s, CN_LLM_OPAQUE, index, &st, err);
        if (p)
            cn_part_add(&p->text, cn_json_string(cn_json_get(b, "thinking")));
    } else if (strcmp(type, "thinking") == 0 || strcmp(type, "redacted_thinking") == 0) {
        p = cn_part_new(s, CN_LLM_OPAQUE, index, &st, err);
        if (p) {
            p->whole = true;
            cn_json_put_value(&p->text, b);
        }
    } /* blocks of later versions of the interface are passed over */
    return st;
}

static cn_status answer(struct cn_stream *s, const struct cn_json *root, struct cn_err *err)
{
    const struct cn_json *content = cn_json_get(root, "content");
    cn_status st = CN_OK;
    int64_t i = 0;

    if (cn_json_kind(cn_json_get(root, "error")) == CN_JSON_OBJECT) {
        cn_llm_error_object(cn_json_get(root, "error"), 200, &s->trouble);
        return CN_OK;
    }
    if (cn_json_kind(content) != CN_JSON_ARRAY)
        return cn_llm_broken(err, "no list \"content\"");
    cn_part_word(root, "id", s->id, sizeof s->id);
    cn_part_word(root, "model", s->model, sizeof s->model);
    take_stop(s, root);
    take_usage(s, cn_json_get(root, "usage"));
    for (const struct cn_json *b = cn_json_first(content); st == CN_OK && b;
         b = cn_json_next(b))
        st = begin_block(s, b, i++, false, err);
    return st;
}

static void take_delta(struct cn_stream *s, const struct cn_json *d, int64_t index)
{
    static const struct {
        const char *type, *key;
        cn_llm_kind kind;
        bool extra;
    } known[] = {{"text_delta", "text", CN_LLM_TEXT, false},
                 {"input_json_delta", "partial_json", CN_LLM_TOOL_USE, false},
                 {"thinking_delta", "thinking", CN_LLM_OPAQUE, false},
                 {"signature_delta", "signature", CN_LLM_OPAQUE, true}};
    const char *type = cn_json_string(cn_json_get(d, "type"));

    for (size_t i = 0; type && i < sizeof known / sizeof *known; i++) {
        struct cn_part *p;

        if (strcmp(type, known[i].type) != 0)
            continue;
        p = cn_part_find(s, known[i].kind, index);
        if (p && p->kind == CN_LLM_TOOL_USE && p->whole) {
            cn_buf_reset(&p->text);
            p->whole = false;
        }
        if (p && !(p->kind == CN_LLM_OPAQUE && p->whole))
            cn_part_add(known[i].extra ? &p->extra : &p->text,
                        cn_json_string(cn_json_get(d, known[i].key)));
    }
}

static cn_status event(struct cn_stream *s, const struct cn_sse_event *e,
                       const struct cn_json *root, struct cn_err *err)
{
    const char *type = cn_json_string(cn_json_get(root, "type"));
    int64_t index = 0;

    if (!type)
        type = e->name;
    (void)cn_json_int64(cn_json_get(root, "index"), &index);
    if (strcmp(type, "message_start") == 0) {
        const struct cn_json *m = cn_json_get(root, "message");

        cn_part_word(m, "id", s->id, sizeof s->id);
        cn_part_word(m, "model", s->model, sizeof s->model);
        take_usage(s, cn_json_get(m, "usage"));
    } else if (strcmp(type, "content_block_start") == 0) {
        return begin_block(s, cn_json_get(root, "content_block"), index, true, err);
    } else if (strcmp(type, "content_block_delta") == 0) {
        take_delta(s, cn_json_get(root, "delta"), index);
    } else if (strcmp(type, "message_delta") == 0) {
        take_stop(s, cn_json_get(root, "delta"));
        take_usage(s, cn_json_get(root, "usage"));
    } else if (strcmp(type, "message_stop") == 0) {
        s->ended = true;
    } else if (strcmp(type, "error") == 0) {
        cn_llm_error_object(cn_json_get(root, "error"), 200, &s->trouble);
    } /* ping, content_block_stop and unknown events mean nothing here */
    return CN_OK;
}

const struct cn_dialect cn_dialect_messages = {"anthropic", "/v1/messages", body,
                                               answer,      event,          false};
