/* What all dialects share. See dialect.h. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/llm/dialect_int.h"

static const struct cn_dialect *const dialects[] = {&cn_dialect_messages, &cn_dialect_chat,
                                                    &cn_dialect_responses};
enum { N_DIALECTS = sizeof dialects / sizeof *dialects };

static const int64_t COUNT_MAX = 1000000000000;

const char cn_llm_no_image[] = "[a figure was left out: this model takes no images]";

const struct cn_dialect *cn_dialect_find(const char *name)
{
    for (int i = 0; i < N_DIALECTS; i++)
        if (strcmp(dialects[i]->name, name) == 0)
            return dialects[i];
    return NULL;
}

const char *cn_dialect_name(const struct cn_dialect *d)
{
    return d->name;
}

const char *cn_dialect_path(const struct cn_dialect *d)
{
    return d->path;
}

/* ------------------------------------------------------------------ building */

void cn_json_add_text(struct cn_json_writer *w, const char *key, const char *json,
                      const char *fallback)
{
    struct cn_json_doc *doc = NULL;

    cn_status st = cn_json_parse("json", json, strlen(json), &doc, NULL);

    if (st != CN_OK)
        st = cn_json_parse("json", fallback, strlen(fallback), &doc, NULL);
    if (st != CN_OK) {
        cn_json_add_null(w, key);
        return;
    }
    cn_json_add_value(w, key, cn_json_root(doc));
    cn_json_free(doc);
}

void cn_llm_join(const struct cn_llm_block *b, int n, struct cn_buf *out)
{
    for (int i = 0; i < n; i++)
        if (b[i].kind == CN_LLM_TEXT) {
            cn_buf_adds(out, out->len ? "\n\n" : "");
            cn_buf_adds(out, b[i].text);
        }
}

void cn_llm_base64(const unsigned char *p, size_t n, struct cn_buf *out)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < n; i += 3) {
        unsigned v = (unsigned)p[i] << 16 | (i + 1 < n ? (unsigned)p[i + 1] << 8 : 0) |
                     (i + 2 < n ? (unsigned)p[i + 2] : 0);

        cn_buf_addc(out, digits[v >> 18]);
        cn_buf_addc(out, digits[v >> 12 & 63]);
        cn_buf_addc(out, i + 1 < n ? digits[v >> 6 & 63] : '=');
        cn_buf_addc(out, i + 2 < n ? digits[v & 63] : '=');
    }
}

cn_status cn_dialect_body(const struct cn_dialect *d, const struct cn_llm_request *q,
                          const struct cn_llm_caps *caps, struct cn_buf *out,
                          struct cn_err *err)
{
    struct cn_json_writer w;

    cn_buf_reset(out);
    cn_json_begin(&w, out, 0);
    cn_json_open(&w, NULL, '{');
    d->body(q, caps, &w);
    cn_json_close(&w);
    return cn_buf_status(out) == CN_OK ? CN_OK
                                       : cn_err_set(err, cn_buf_status(out),
                                                    "the request to %s is too large", q->model);
}

/* ------------------------------------------------------------------ taking apart */

struct cn_part *cn_part_new(struct cn_stream *s, cn_llm_kind kind, int64_t index, cn_status *st,
                            struct cn_err *err)
{
    struct cn_part *p;

    if (s->n_parts >= CN_LLM_PARTS) {
        *st = cn_err_set(err, CN_ECAP, "the answer has more than %d blocks", CN_LLM_PARTS);
        return NULL;
    }
    p = &s->parts[s->n_parts++];
    memset(p, 0, sizeof *p);
    p->kind = kind;
    p->index = index;
    cn_buf_init(&p->text, CN_LLM_PART_BYTES);
    cn_buf_init(&p->extra, CN_LLM_PART_BYTES);
    return p;
}

struct cn_part *cn_part_find(struct cn_stream *s, cn_llm_kind kind, int64_t index)
{
    for (int i = s->n_parts - 1; i >= 0; i--)
        if (s->parts[i].kind == kind && s->parts[i].index == index)
            return &s->parts[i];
    return NULL;
}

bool cn_part_any(const struct cn_stream *s, cn_llm_kind kind)
{
    for (int i = 0; i < s->n_parts; i++)
        if (s->parts[i].kind == kind)
            return true;
    return false;
}

void cn_part_word(const struct cn_json *object, const char *key, char *out, size_t room)
{
    const char *s = cn_json_string(cn_json_get(object, key));
    size_t n;

    if (!s)
        return;
    n = cn_text_utf8_cut(s, strlen(s), room - 1);
    memcpy(out, s, n);
    out[n] = '\0';
}

void cn_part_add(struct cn_buf *b, const char *s)
{
    if (s)
        cn_buf_adds(b, s);
}

cn_status cn_llm_broken(struct cn_err *err, const char *what)
{
    return cn_err_set(err, CN_EIO, "broken answer: %s", what);
}

void cn_llm_count(const struct cn_json *v, int64_t *out)
{
    int64_t n;

    if (cn_json_int64(v, &n) && n >= 0 && n <= COUNT_MAX)
        *out = n;
}

/* Some servers answer every later request with an error when the history holds such text. */
const char *cn_llm_arguments(const struct cn_llm_block *b)
{
    struct cn_json_doc *doc = NULL;
    bool object =
        cn_json_parse("arguments", b->arguments, strlen(b->arguments), &doc, NULL) == CN_OK &&
        cn_json_kind(cn_json_root(doc)) == CN_JSON_OBJECT;

    cn_json_free(doc);
    return object ? b->arguments : "{}";
}

/* ------------------------------------------------------------------ streams */

cn_status cn_stream_new(const struct cn_dialect *d, struct cn_stream **out, struct cn_err *err)
{
    struct cn_stream *s = cn_alloc(1, sizeof *s);

    *out = NULL;
    if (s)
        s->parts = cn_alloc(CN_LLM_PARTS, sizeof *s->parts);
    if (!s || !s->parts) {
        cn_free(s);
        return cn_err_set(err, CN_ENOMEM, "no memory for an answer");
    }
    s->d = d;
    s->stop = CN_LLM_STOP_OTHER;
    s->trouble.wait_s = (double)NAN;
    *out = s;
    return CN_OK;
}

void cn_stream_free(struct cn_stream *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n_parts; i++) {
        cn_buf_clear(&s->parts[i].text);
        cn_buf_clear(&s->parts[i].extra);
    }
    cn_free(s->parts);
    cn_free(s);
}

cn_status cn_stream_event(struct cn_stream *s, const struct cn_sse_event *e, struct cn_err *err)
{
    struct cn_json_doc *doc = NULL;
    cn_status st;

    if (cn_stream_ended(s))
        return CN_OK;
    if (s->d->done_word && strcmp(e->data, "[DONE]") == 0) {
        s->ended = true;
        return CN_OK;
    }
    if (cn_json_parse("event", e->data, e->n, &doc, NULL) != CN_OK)
        return cn_llm_broken(err, "an event that is no JSON");
    st = s->d->event(s, e, cn_json_root(doc), err);
    cn_json_free(doc);
    for (int i = 0; st == CN_OK && i < s->n_parts; i++)
        if (cn_buf_status(&s->parts[i].text) != CN_OK ||
            cn_buf_status(&s->parts[i].extra) != CN_OK)
            st = cn_err_set(err, CN_ECAP, "a block of the answer is longer than %d bytes",
                            CN_LLM_PART_BYTES);
    return st;
}

/* The JSON of a thinking block, as it must be sent back. */
static const char *thinking(const struct cn_part *p, struct cn_arena *a)
{
    struct cn_json_writer w;
    struct cn_buf b;
    const char *copy;

    if (p->whole)
        return cn_arena_strdup(a, cn_buf_str(&p->text));
    cn_buf_init(&b, (size_t)4 * CN_LLM_PART_BYTES);
    cn_json_begin(&w, &b, 0);
    cn_json_open(&w, NULL, '{');
    cn_json_add_string(&w, "type", "thinking");
    cn_json_add_string(&w, "thinking", cn_buf_str(&p->text));
    cn_json_add_string(&w, "signature", cn_buf_str(&p->extra));
    cn_json_close(&w);
    copy = cn_buf_status(&b) == CN_OK ? cn_arena_strdup(a, cn_buf_str(&b)) : NULL;
    cn_buf_clear(&b);
    return copy;
}

/* Some local servers give their calls no id; results are told apart by it. */
static const char *call_id(const struct cn_part *p, int number, struct cn_arena *a)
{
    return p->kind == CN_LLM_TOOL_USE && !p->id[0] ? cn_arena_printf(a, "call_%d", number)
                                                   : cn_arena_strdup(a, p->id);
}

static bool put_block(const struct cn_part *p, struct cn_llm_block *b, int number,
                      struct cn_arena *a)
{
    *b = (struct cn_llm_block){.kind = p->kind,
                               .text = "",
                               .id = call_id(p, number, a),
                               .name = cn_arena_strdup(a, p->name),
                               .arguments = "{}",
                               .media_type = ""};
    if (p->kind == CN_LLM_TOOL_USE) /* no arguments at all mean none */
        b->arguments = p->text.len ? cn_arena_strdup(a, cn_buf_str(&p->text)) : "{}";
    else
        b->text = p->kind == CN_LLM_OPAQUE ? thinking(p, a)
                                           : cn_arena_strdup(a, cn_buf_str(&p->text));
    return b->id && b->name && b->arguments && b->text;
}

static cn_status take_answer(struct cn_stream *s, struct cn_llm_answer *out, struct cn_err *err)
{
    struct cn_llm_block *b;
    bool fits = true;

    cn_arena_init(&out->arena, CN_CAP_TEXT);
    b = cn_arena_alloc(&out->arena, (size_t)s->n_parts + 1, sizeof *b);
    for (int i = 0; b && i < s->n_parts; i++) {
        if (s->parts[i].kind == CN_LLM_TEXT && s->parts[i].text.len == 0)
            continue;
        fits =
            put_block(&s->parts[i], &b[out->n_blocks], out->n_blocks + 1, &out->arena) && fits;
        out->n_blocks++;
    }
    out->blocks = b;
    out->stop = s->stop;
    out->usage = s->usage;
    out->stop_text = cn_arena_strdup(&out->arena, s->stop_text);
    out->id = cn_arena_strdup(&out->arena, s->id);
    out->model = cn_arena_strdup(&out->arena, s->model);
    if (b && fits && out->stop_text && out->id && out->model)
        return CN_OK;
    cn_llm_answer_clear(out);
    return cn_err_set(err, CN_ENOMEM, "no memory for the answer");
}

cn_status cn_stream_end(struct cn_stream *s, struct cn_llm_answer *out, struct cn_err *err)
{
    memset(out, 0, sizeof *out);
    if (s->trouble.kind != CN_LLM_TROUBLE_NONE)
        return cn_err_set(err, CN_EIO, "%s", s->trouble.message);
    if (!s->ended && !s->may_end)
        return cn_llm_broken(err, "the stream ended before its end");
    return take_answer(s, out, err);
}

const struct cn_llm_trouble *cn_stream_trouble(const struct cn_stream *s)
{
    return &s->trouble;
}

bool cn_stream_ended(const struct cn_stream *s)
{
    return s->ended || s->trouble.kind != CN_LLM_TROUBLE_NONE;
}

struct cn_llm_usage cn_stream_usage(const struct cn_stream *s)
{
    return s->usage;
}

cn_status cn_dialect_answer(const struct cn_dialect *d, const char *text, size_t n,
                            struct cn_llm_answer *out, struct cn_llm_trouble *opt_trouble,
                            struct cn_err *err)
{
    struct cn_json_doc *doc = NULL;
    struct cn_stream *s = NULL;
    cn_status st;

    memset(out, 0, sizeof *out);
    if (opt_trouble)
        *opt_trouble = (struct cn_llm_trouble){.wait_s = (double)NAN};
    if (cn_json_parse("answer", text, n, &doc, NULL) != CN_OK)
        return cn_llm_broken(err, "it is no JSON");
    st = cn_stream_new(d, &s, err);
    if (st == CN_OK)
        st = d->answer(s, cn_json_root(doc), err);
    cn_json_free(doc);
    if (st == CN_OK) {
        s->ended = true;
        st = cn_stream_end(s, out, err);
    }
    if (s && opt_trouble)
        *opt_trouble = s->trouble;
    cn_stream_free(s);
    return st;
}
