/* See sse.h. Lines first, then fields, then events: three small steps. */
#include "harness/llm/sse.h"

#include <string.h>

#include "base/banned.h"

void cn_sse_init(struct cn_sse *s, cn_sse_fn *fn, void *ctx, size_t cap)
{
    memset(s, 0, sizeof *s);
    cn_buf_init(&s->line, cap);
    cn_buf_init(&s->data, cap);
    cn_buf_init(&s->name, cap);
    cn_buf_init(&s->id, cap);
    s->fn = fn;
    s->ctx = ctx;
}

void cn_sse_clear(struct cn_sse *s)
{
    cn_buf_clear(&s->line);
    cn_buf_clear(&s->data);
    cn_buf_clear(&s->name);
    cn_buf_clear(&s->id);
}

/* An empty line: what was gathered is an event, unless it has no data. */
static cn_status dispatch(struct cn_sse *s, struct cn_err *err)
{
    cn_status st = CN_OK;

    if (s->any_data) {
        /* Every data line added a line feed; the last one goes. */
        struct cn_sse_event e = {.name = s->name.len ? cn_buf_str(&s->name) : "message",
                                 .data = cn_buf_str(&s->data),
                                 .n = s->data.len - 1,
                                 .id = cn_buf_str(&s->id)};

        s->data.data[e.n] = '\0';
        st = s->fn(s->ctx, &e, err);
    }
    cn_buf_reset(&s->data);
    cn_buf_reset(&s->name);
    s->any_data = false;
    return st;
}

static bool is(const char *field, size_t n, const char *name)
{
    return n == strlen(name) && memcmp(field, name, n) == 0;
}

static void set(struct cn_buf *b, const char *value, size_t n)
{
    cn_buf_reset(b);
    cn_buf_add(b, value, n);
}

static cn_status too_long(struct cn_err *err)
{
    return cn_err_set(err, CN_ECAP, "event stream: an event is longer than its ceiling");
}

/* "field: value", one space after the colon dropped; a colon first is a comment. */
static cn_status take_line(struct cn_sse *s, struct cn_err *err)
{
    const char *p = cn_buf_str(&s->line), *colon = memchr(p, ':', s->line.len), *value;
    size_t n = colon ? (size_t)(colon - p) : s->line.len, n_value = 0;

    if (s->line.len == 0)
        return dispatch(s, err);
    if (colon == p)
        return CN_OK;
    value = "";
    if (colon) {
        value = colon + 1;
        n_value = s->line.len - n - 1;
        if (n_value > 0 && *value == ' ') {
            value++;
            n_value--;
        }
    }
    if (is(p, n, "data")) {
        cn_buf_add(&s->data, value, n_value);
        cn_buf_addc(&s->data, '\n');
        s->any_data = true;
    } else if (is(p, n, "event")) {
        set(&s->name, value, n_value);
    } else if (is(p, n, "id")) {
        set(&s->id, value, n_value);
    } /* "retry" and unknown fields mean nothing here */
    return cn_buf_status(&s->data) == CN_OK && cn_buf_status(&s->name) == CN_OK &&
                   cn_buf_status(&s->id) == CN_OK
               ? CN_OK
               : too_long(err);
}

static cn_status end_line(struct cn_sse *s, struct cn_err *err)
{
    static const char mark[] = "\xEF\xBB\xBF";
    cn_status st;

    if (!s->begun && s->line.len >= 3 && memcmp(s->line.data, mark, 3) == 0) {
        s->line.len -= 3;
        memmove(s->line.data, s->line.data + 3, s->line.len);
        s->line.data[s->line.len] = '\0';
    }
    s->begun = true;
    st = take_line(s, err);
    cn_buf_reset(&s->line);
    return st;
}

cn_status cn_sse_feed(struct cn_sse *s, const char *bytes, size_t n, struct cn_err *err)
{
    cn_status st = CN_OK;

    for (size_t i = 0; st == CN_OK && i < n; i++) {
        const char c = bytes[i];
        const bool second = s->had_cr && c == '\n'; /* of CRLF, maybe in another piece */

        s->had_cr = c == '\r';
        if (second)
            continue;
        if (c == '\0')
            return cn_err_set(err, CN_EINPUT, "event stream: a NUL byte");
        if (c == '\r' || c == '\n') {
            st = end_line(s, err);
            continue;
        }
        cn_buf_addc(&s->line, c);
        if (cn_buf_status(&s->line) != CN_OK)
            st = too_long(err);
    }
    return st;
}

cn_status cn_sse_end(struct cn_sse *s, struct cn_err *err)
{
    (void)err;
    /* An event without its empty line was cut: it never happened. */
    cn_buf_reset(&s->line);
    cn_buf_reset(&s->data);
    cn_buf_reset(&s->name);
    s->any_data = s->had_cr = false;
    return CN_OK;
}
