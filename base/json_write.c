/* JSON writing: strings, numbers by shortest round trip, and the writer that sets commas and
 * indentation. */
#include <math.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"

/* Bytes of the character at s, 0 when it is not UTF-8. */
static size_t character(const char *s, size_t n)
{
    for (size_t len = 1; len <= 4 && len <= n; len++)
        if (cn_text_utf8_valid(s, len))
            return len;
    return 0;
}

/* Bytes that are not UTF-8 become U+FFFD: what we write can always be read. */
void cn_json_put_string(struct cn_buf *b, const char *s)
{
    static const char named[] = "\"\\\b\f\n\r\t", letters[] = "\"\\bfnrt";
    size_t n = s ? strlen(s) : 0;

    cn_buf_addc(b, '"');
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        const char *escape = strchr(named, c);

        if (escape) {
            cn_buf_addc(b, '\\');
            cn_buf_addc(b, letters[escape - named]);
        } else if (c < 0x20 || c == 0x7F) {
            cn_buf_printf(b, "\\u%04x", c);
        } else if (c < 0x80) {
            cn_buf_addc(b, (char)c);
        } else {
            size_t len = character(s + i, n - i);

            cn_buf_add(b, len ? s + i : "\xEF\xBF\xBD", len ? len : 3);
            i += len ? len - 1 : 0;
        }
    }
    cn_buf_addc(b, '"');
}

void cn_json_put_double(struct cn_buf *b, double x)
{
    char text[CN_NUM_TEXT];

    cn_buf_adds(b, isfinite(x) ? cn_text_double(x, text) : "null");
}

void cn_json_put_value(struct cn_buf *b, const struct cn_json *v)
{
    struct cn_json_writer w;

    cn_json_begin(&w, b, 0);
    cn_json_add_value(&w, NULL, v);
}

void cn_json_begin(struct cn_json_writer *w, struct cn_buf *out, int indent)
{
    *w = (struct cn_json_writer){.out = out, .indent = indent, .first = true};
}

static void new_line(struct cn_json_writer *w)
{
    cn_buf_addc(w->out, '\n');
    for (int i = 0; i < w->indent * w->depth; i++)
        cn_buf_addc(w->out, ' ');
}

/* Comma, line break and key: all that stands before a value. */
static void before_value(struct cn_json_writer *w, const char *key)
{
    bool in_object =
        w->depth > 0 && w->depth <= (int)sizeof w->closer && w->closer[w->depth - 1] == '}';

    if (w->depth <= (int)sizeof w->closer && in_object != (key != NULL))
        CN_BUG("JSON writer: a key is for members of an object and only for them (%s)",
               key ? key : "none");
    if (!w->first)
        cn_buf_addc(w->out, ',');
    if (w->indent > 0 && w->depth > 0)
        new_line(w);
    else if (!w->first)
        cn_buf_addc(w->out, ' ');
    if (key) {
        cn_json_put_string(w->out, key);
        cn_buf_adds(w->out, ": ");
    }
    w->first = false;
}

void cn_json_open(struct cn_json_writer *w, const char *key, char bracket)
{
    before_value(w, key);
    cn_buf_addc(w->out, bracket);
    if (w->depth < (int)sizeof w->closer)
        w->closer[w->depth] = bracket == '{' ? '}' : ']';
    else if (w->out->status == CN_OK)
        w->out->status = CN_ECAP; /* the buffer refuses everything from here on */
    w->depth++;
    w->first = true;
}

void cn_json_close(struct cn_json_writer *w)
{
    CN_ASSERT(w->depth > 0);
    w->depth--;
    if (!w->first && w->indent > 0)
        new_line(w);
    if (w->depth < (int)sizeof w->closer)
        cn_buf_addc(w->out, w->closer[w->depth]);
    w->first = false;
}

void cn_json_add_string(struct cn_json_writer *w, const char *key, const char *s)
{
    before_value(w, key);
    if (s)
        cn_json_put_string(w->out, s);
    else
        cn_buf_adds(w->out, "null");
}

void cn_json_add_double(struct cn_json_writer *w, const char *key, double x)
{
    before_value(w, key);
    cn_json_put_double(w->out, x);
}

void cn_json_add_int(struct cn_json_writer *w, const char *key, int64_t x)
{
    before_value(w, key);
    cn_buf_printf(w->out, "%lld", (long long)x);
}

void cn_json_add_bool(struct cn_json_writer *w, const char *key, bool x)
{
    before_value(w, key);
    cn_buf_adds(w->out, x ? "true" : "false");
}

void cn_json_add_null(struct cn_json_writer *w, const char *key)
{
    before_value(w, key);
    cn_buf_adds(w->out, "null");
}

void cn_json_add_value(struct cn_json_writer *w, const char *key, const struct cn_json *v)
{
    bool flag;

    switch (cn_json_kind(v)) {
    case CN_JSON_ARRAY:
    case CN_JSON_OBJECT:
        cn_json_open(w, key, cn_json_kind(v) == CN_JSON_OBJECT ? '{' : '[');
        for (const struct cn_json *c = cn_json_first(v); c; c = cn_json_next(c))
            cn_json_add_value(w, cn_json_name(c), c);
        cn_json_close(w);
        break;
    case CN_JSON_NUMBER:
        before_value(w, key);
        cn_buf_adds(w->out, cn_json_raw_number(v));
        break;
    case CN_JSON_STRING:
        cn_json_add_string(w, key, cn_json_string(v));
        break;
    case CN_JSON_BOOL:
        (void)cn_json_bool(v, &flag);
        cn_json_add_bool(w, key, flag);
        break;
    case CN_JSON_NULL:
        cn_json_add_null(w, key);
        break;
    }
}

#include "base/banned.h"
