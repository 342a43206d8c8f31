/* A protocol from its text. The grammar stands in docs/PROTOCOLS.md.
 The steps of reading are listed in
 * protocol_int.h; here are messages and memory, the order of things, and the public functions. */
#include "protocols/protocol.h"

#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"
#include "protocols/protocol_int.h"

/* ---- 1. messages and memory ---- */

cn_status protocol_refuse(struct parser *ps, int line, const char *fmt, ...)
{
    char words[CN_ERR_TEXT];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(words, sizeof(words), fmt, ap);
    va_end(ap);
    if (line < 0)
        return cn_err_set(ps->err, CN_EINPUT, "%s: %s", ps->p->name, words);
    return cn_err_set(ps->err, CN_EINPUT, "%s:%d: %s", ps->lines[line].from.file,
                      ps->lines[line].from.number, words);
}

cn_status protocol_no_memory(struct parser *ps)
{
    return cn_err_set(ps->err, CN_ENOMEM, "%s: no memory to read the protocol", ps->p->name);
}

cn_status protocol_grow(struct parser *ps, void **array, int32_t n, int *room, size_t size)
{
    void *more;

    if (n < *room)
        return CN_OK;
    *room = *room ? 2 * *room : 16;
    more = cn_arena_alloc(&ps->p->arena, (size_t)*room, size);
    if (!more)
        return protocol_no_memory(ps);
    if (n > 0)
        memcpy(more, *array, (size_t)n * size);
    *array = more;
    return CN_OK;
}

cn_status protocol_note(struct parser *ps, int line, const char *fmt, ...)
{
    struct cn_protocol *p = ps->p;
    void *array = p->notes;
    char words[CN_ERR_TEXT];
    va_list ap;
    cn_status st = protocol_grow(ps, &array, p->n_notes, &ps->notes_room, sizeof(*p->notes));

    if (st != CN_OK)
        return st;
    p->notes = array;
    va_start(ap, fmt);
    (void)vsnprintf(words, sizeof(words), fmt, ap);
    va_end(ap);
    p->notes[p->n_notes].file = line < 0 ? p->name : ps->lines[line].from.file;
    p->notes[p->n_notes].line = line < 0 ? 0 : ps->lines[line].from.number;
    p->notes[p->n_notes].text = cn_arena_strdup(&p->arena, words);
    if (!p->notes[p->n_notes].text)
        return protocol_no_memory(ps);
    p->n_notes++;
    return CN_OK;
}

const char *protocol_nearest(struct parser *ps, const char *word, const char *const *names,
                             int n)
{
    int near = cn_text_nearest(word, names, n);
    const char *s =
        near >= 0 ? cn_arena_printf(&ps->p->arena, "; did you mean \"%s\"?", names[near]) : "";

    return s ? s : "";
}

/* ---- 2. the order of things ---- */

cn_status protocol_check_text(struct parser *ps, const char *text, size_t n)
{
    if (n > CN_CAP_PROTOCOL)
        return cn_err_set(ps->err, CN_ECAP, "%s: %zu bytes, a protocol may have %zu",
                          ps->p->name, n, (size_t)CN_CAP_PROTOCOL);
    if (memchr(text, '\0', n))
        return protocol_refuse(ps, -1, "a zero byte; text was expected");
    if (!cn_text_utf8_valid(text, n))
        return protocol_refuse(ps, -1, "bytes that are not UTF-8; text was expected");
    return CN_OK;
}

/* One protocol joined with another needs files: from a text alone the wrong protocol would be
 * run. */
static cn_status refuse_extends(struct parser *ps)
{
    const char *value;
    int line;
    cn_status st = protocol_extends_line(ps, &value, &line);

    if (st != CN_OK || !value)
        return st;
    return cn_err_set(ps->err, CN_EUNSUPPORTED,
                      "%s:%d: extends: \"%s\": expected a protocol in a file of its own",
                      ps->lines[line].from.file, ps->lines[line].from.number, value);
}

static cn_status (*const steps[])(struct parser *) = {
    protocol_lines,  protocol_fences,    protocol_sections,   refuse_extends,
    protocol_title,  protocol_goal,      protocol_thresholds, protocol_params,
    protocol_rules,  protocol_partition, protocol_guardrails, protocol_log_format,
    protocol_remarks};

static cn_status fill(struct parser *ps, const char *text, size_t n)
{
    struct cn_protocol *p = ps->p;
    cn_status st = protocol_check_text(ps, text, n);

    if (st != CN_OK)
        return st;
    p->text = cn_arena_strndup(&p->arena, text, n);
    p->n = n;
    if (!p->text)
        return protocol_no_memory(ps);
    (void)cn_hash_hex(text, n, p->hash);
    for (size_t i = 0; st == CN_OK && i < sizeof(steps) / sizeof(steps[0]); i++)
        st = steps[i](ps);
    return st;
}

static cn_status start(const char *name, struct parser *ps, struct cn_err *err)
{
    ps->err = err;
    ps->p = cn_alloc(1, sizeof(*ps->p));
    if (!ps->p)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory to read the protocol", name);
    cn_arena_init(&ps->p->arena, CN_CAP_ARENA);
    ps->p->reward = ps->p->rules_text = "";
    ps->p->name = cn_arena_strdup(&ps->p->arena, name);
    if (ps->p->name)
        return CN_OK;
    cn_protocol_free(ps->p);
    return cn_err_set(err, CN_ENOMEM, "%s: no memory to read the protocol", name);
}

/* ---- 3. public ---- */

cn_status cn_protocol_parse(const char *name, const char *text, size_t n,
                            struct cn_protocol **out, struct cn_err *err)
{
    struct parser ps = {0};
    cn_status st = start(name, &ps, err);

    *out = NULL;
    if (st != CN_OK)
        return st;
    st = fill(&ps, text, n);
    if (st == CN_OK)
        *out = ps.p;
    else
        cn_protocol_free(ps.p);
    return st;
}

/* A protocol's file, joined with those that it extends. */
static cn_status read_joined(struct parser *ps, const char *path, const struct cn_buf *text)
{
    struct cn_buf joined;
    cn_status st;

    cn_buf_init(&joined, CN_CAP_PROTOCOL);
    st =
        protocol_join(ps->p, path, cn_buf_str(text), text->len, &joined, &ps->origins, ps->err);
    if (st == CN_OK && joined.len > 0)
        st = fill(ps, cn_buf_str(&joined), joined.len);
    else if (st == CN_OK)
        st = fill(ps, cn_buf_str(text), text->len);
    cn_buf_clear(&joined);
    return st;
}

cn_status cn_protocol_read(const char *path, struct cn_protocol **out, struct cn_err *err)
{
    struct parser ps = {0};
    struct cn_buf b;
    cn_status st;

    *out = NULL;
    cn_buf_init(&b, CN_CAP_PROTOCOL);
    st = cn_file_read(path, CN_CAP_PROTOCOL, &b, err);
    if (st == CN_OK)
        st = start(path, &ps, err);
    if (st == CN_OK) {
        st = read_joined(&ps, path, &b);
        if (st == CN_OK)
            *out = ps.p;
        else
            cn_protocol_free(ps.p);
    }
    cn_buf_clear(&b);
    return st;
}

void cn_protocol_free(struct cn_protocol *p)
{
    if (!p)
        return;
    cn_arena_clear(&p->arena); /* everything but the struct itself */
    cn_free(p);
}

const char *cn_protocol_setting(const struct cn_protocol *p, const char *key)
{
    for (int32_t i = 0; i < p->n_settings; i++)
        if (strcmp(p->settings[i].key, key) == 0)
            return p->settings[i].value;
    return NULL;
}

const struct cn_protocol_block *cn_protocol_block(const struct cn_protocol *p, int64_t number)
{
    for (int32_t i = 0; i < p->n_blocks; i++)
        if (number >= p->blocks[i].first && number <= p->blocks[i].last)
            return &p->blocks[i];
    return NULL;
}
