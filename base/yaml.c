/* YAML reading by libfyaml's events.
 *   1. checks before libfyaml   UTF-8, control characters, directives, a second document
 *   2. the tree                 built from events; every node knows its bytes in the text
 * Types of scalars and the getters are in yaml_node.c; edits, canonical text and leaves in
 * yaml_edit.c. libfyaml 0.7.12 loops for ever on "%\x80" and its emitter loses comments:
 * nothing reaches it unchecked and it never prints. Line numbers are counted here, from byte
 * marks.
 */
#include "base/yaml.h"

#include <stdlib.h>
#include <string.h>

#include <libfyaml.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"
#include "base/yaml_int.h"

/* ---- 1. checks before libfyaml ---- */

int cn_yaml_line_at(const char *text, size_t at)
{
    int line = 1;

    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

static cn_status fail(const struct cn_yaml *y, size_t at, struct cn_err *err, const char *fmt,
                      ...) CN_PRINTF(4, 5);
static cn_status fail(const struct cn_yaml *y, size_t at, struct cn_err *err, const char *fmt,
                      ...)
{
    char words[CN_ERR_TEXT / 2];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    return cn_err_set(err, CN_EINPUT, "%s:%d: %s", y->name, cn_yaml_line_at(y->text, at),
                      words);
}

static cn_status no_memory(const struct cn_yaml *y, struct cn_err *err)
{
    return cn_err_set(err, CN_ENOMEM, "%s: no memory for the YAML text of %zu bytes", y->name,
                      y->n);
}

/* Bytes of the character at text[at], 0 when it is not UTF-8. */
static size_t character(const char *text, size_t n, size_t at)
{
    for (size_t len = 1; len <= 4 && at + len <= n; len++)
        if (cn_text_utf8_valid(text + at, len))
            return len;
    return 0;
}

/* NEL, LS, PS and the byte order mark: line breaks and nothings that nobody sees. */
static bool is_invisible(const char *s, size_t len)
{
    return (len == 2 && (unsigned char)s[0] == 0xC2 && (unsigned char)s[1] < 0xA0) ||
           (len == 3 &&
            (memcmp(s, "\xE2\x80\xA8", 3) == 0 || memcmp(s, "\xE2\x80\xA9", 3) == 0 ||
             memcmp(s, "\xEF\xBB\xBF", 3) == 0));
}

static cn_status check_characters(const struct cn_yaml *y, struct cn_err *err)
{
    size_t len;

    for (size_t at = 0; at < y->n; at += len) {
        unsigned char c = (unsigned char)y->text[at];

        len = character(y->text, y->n, at);
        if (len == 0)
            return fail(y, at, err, "byte 0x%02X is not UTF-8", c);
        if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7F)
            return fail(y, at, err, "control character 0x%02X", c);
        if (c == '\r' && (at + 1 >= y->n || y->text[at + 1] != '\n'))
            return fail(y, at, err, "carriage return without a line feed");
        if (is_invisible(y->text + at, len))
            return fail(y, at, err,
                        "invisible character (control, Unicode line break or byte order mark)");
    }
    return CN_OK;
}

static bool is_marker(const char *line, size_t n, const char *marker)
{
    return n >= 3 && memcmp(line, marker, 3) == 0 && (n == 3 || strchr(" \t\r\n", line[3]));
}

size_t cn_yaml_line_end(const struct cn_yaml *y, size_t at)
{
    const char *nl = at < y->n ? memchr(y->text + at, '\n', y->n - at) : NULL;

    return nl ? (size_t)(nl - y->text) : y->n;
}

/* "---" and "..." at column 0 are markers wherever they stand, also inside scalars; "%" is a
 * directive only before the first content. */
static cn_status check_documents(const struct cn_yaml *y, struct cn_err *err)
{
    bool content = false, ended = false;

    for (size_t at = 0, end; at < y->n; at = end + 1) {
        const char *line = y->text + at;
        size_t n, blank = 0;

        end = cn_yaml_line_end(y, at);
        n = end - at;
        while (blank < n && strchr(" \t\r", line[blank]))
            blank++;
        if (blank == n || line[blank] == '#')
            continue; /* inside a scalar this is content, but never the first */
        if (line[0] == '%' && (!content || ended))
            return fail(y, at, err, "directives (%%) are not supported");
        if (ended || (content && is_marker(line, n, "---")))
            return fail(y, at, err, "a second document begins here, expected one document");
        if (is_marker(line, n, "..."))
            ended = true;
        content = true;
    }
    return CN_OK;
}

/* ---- 2. the tree ---- */

struct build {
    struct cn_yaml *y;
    struct cn_err *err;
    struct cn_yaml_node *open; /* innermost collection not closed yet */
    int depth;
    size_t cursor; /* end of the last token: where the next one is looked for */
    size_t line_from;
    int line; /* of byte line_from */
    const char *key;
    size_t key_start, key_end;
    bool have_key;
};

/* Like line_at, from where it counted last. */
static int line_of(struct build *b, size_t at)
{
    if (at < b->line_from) {
        b->line_from = 0;
        b->line = 1;
    }
    for (; b->line_from < at; b->line_from++)
        b->line += b->y->text[b->line_from] == '\n';
    return b->line;
}

/* The first byte at or after `at` that is neither space, comment nor ','. */
static size_t skip_filler(const struct cn_yaml *y, size_t at)
{
    while (at < y->n && strchr(" \t\r\n,#", y->text[at]))
        at = y->text[at] == '#' ? cn_yaml_line_end(y, at) : at + 1;
    return at;
}

/* A value without bytes: behind its "key:", "key" or "-". */
static void place_empty(struct build *b, struct cn_yaml_node *v)
{
    const char *text = b->y->text;
    size_t at;

    v->empty = true;
    if (v->key) {
        at = v->key_end;
        while (at < b->y->n && (text[at] == ' ' || text[at] == '\t'))
            at++;
        v->start = at < b->y->n && text[at] == ':' ? at + 1 : v->key_end;
    } else {
        at = skip_filler(b->y, b->cursor);
        v->start = at < b->y->n && text[at] == '-' ? at + 1 : b->cursor;
    }
    v->end = v->start;
}

/* libfyaml marks the lines of a block scalar; the value begins at its '|' or '>'. Blank lines
 * at the end belong to it only with the "+" indicator. */
static cn_status place_block_scalar(struct build *b, struct cn_yaml_node *v)
{
    const char *text = b->y->text;
    size_t header = v->key ? v->key_end : skip_filler(b->y, b->cursor) + 1, header_end,
           raw_end = v->end;

    while (header < b->y->n && strchr(" \t\r\n:", text[header]))
        header++;
    if (header >= v->start || (text[header] != '|' && text[header] != '>'))
        return fail(b->y, v->start, b->err,
                    "cannot find the head ('|' or '>') of this block of text");
    for (header_end = header + 1; strchr("+-123456789", text[header_end]) && text[header_end];
         header_end++)
        if (text[header_end] == '+')
            v->tail = raw_end;
    while (raw_end > v->start && strchr(" \t\r\n", text[raw_end - 1]))
        raw_end--;
    v->end = raw_end > v->start ? raw_end : header_end;
    v->start = header;
    return CN_OK;
}

/* Bytes of a scalar from its token's marks, which leave the quotes out. */
static cn_status place_scalar(struct build *b, struct cn_yaml_node *v, struct fy_token *token,
                              size_t n)
{
    const struct fy_mark *from = fy_token_start_mark(token), *to = fy_token_end_mark(token);
    enum fy_scalar_style style = fy_token_scalar_style(token);
    const char *text = b->y->text;
    char quote = style == FYSS_SINGLE_QUOTED ? '\'' : '"';

    if (!from || !to || from->input_pos > to->input_pos || to->input_pos > b->y->n)
        return cn_err_set(b->err, CN_EINPUT, "%s: libfyaml lost the place of \"%.100s\"",
                          b->y->name, v->text);
    v->start = from->input_pos;
    v->end = to->input_pos;
    if (style == FYSS_LITERAL || style == FYSS_FOLDED)
        return place_block_scalar(b, v);
    if (style == FYSS_PLAIN) {
        if (!memchr(text + v->start, '\n', v->end - v->start) &&
            (v->end - v->start != n || memcmp(text + v->start, v->text, n) != 0))
            return fail(b->y, v->start, b->err, "cannot find the bytes of \"%.100s\"", v->text);
        return CN_OK;
    }
    if (v->start == 0 || text[v->start - 1] != quote || v->end >= b->y->n ||
        text[v->end] != quote)
        return fail(b->y, v->start, b->err, "cannot find the quotes of \"%.100s\"", v->text);
    v->start--;
    v->end++;
    return CN_OK;
}

/* Content of a single-quoted scalar: '' is one quote, and line breaks fold (one becomes a
 * space, n become n - 1). Ours, because libfyaml 0.7.12 leaks the text of such a scalar with
 * more than four quotes inside. */
static char *unquote_single(struct cn_yaml *y, size_t from, size_t to, size_t *out_n)
{
    char *out = cn_arena_alloc(&y->arena, to - from + 1, 1);
    size_t n = 0;

    for (size_t at = from; out && at < to; at++) {
        size_t breaks = 0;

        if (!strchr("\r\n", y->text[at])) {
            out[n++] = y->text[at];
            at += y->text[at] == '\'';
            continue;
        }
        while (n > 0 && (out[n - 1] == ' ' || out[n - 1] == '\t'))
            n--;
        for (; at < to && strchr(" \t\r\n", y->text[at]); at++)
            breaks += y->text[at] == '\n';
        if (breaks == 1)
            out[n++] = ' ';
        for (; breaks > 1; breaks--)
            out[n++] = '\n';
        at--;
    }
    *out_n = n;
    return out;
}

static cn_status copy_single(struct build *b, struct fy_token *token, const char **out,
                             size_t *out_n)
{
    const struct fy_mark *from = fy_token_start_mark(token), *to = fy_token_end_mark(token);

    if (!from || !to || from->input_pos > to->input_pos || to->input_pos > b->y->n)
        return cn_err_set(b->err, CN_EINPUT, "%s: libfyaml lost the place of a quoted string",
                          b->y->name);
    *out = unquote_single(b->y, from->input_pos, to->input_pos, out_n);
    return *out ? CN_OK : no_memory(b->y, b->err);
}

static cn_status copy_text(struct build *b, struct fy_token *token, const char **out,
                           size_t *out_n)
{
    const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
    size_t at = mark && mark->input_pos <= b->y->n ? mark->input_pos : b->cursor;
    const char *text = "";

    *out_n = 0;
    if (token && fy_token_scalar_style(token) == FYSS_SINGLE_QUOTED)
        return copy_single(b, token, out, out_n);
    if (token)
        text = fy_token_get_text(token, out_n);
    if (!text)
        return no_memory(b->y, b->err);
    if (memchr(text, '\0', *out_n))
        return fail(b->y, at, b->err, "a NUL character in a string is not supported");
    if (!cn_text_utf8_valid(text, *out_n))
        return fail(b->y, at, b->err, "an escape in this string is no character");
    *out = cn_arena_strndup(&b->y->arena, text, *out_n);
    return *out ? CN_OK : no_memory(b->y, b->err);
}

/* Lines of the block collections are indented by spaces alone. */
static cn_status check_indent(struct build *b, size_t at)
{
    size_t from = at;

    while (from > 0 && b->y->text[from - 1] != '\n')
        from--;
    for (; from < at && strchr(" \t-", b->y->text[from]); from++)
        if (b->y->text[from] == '\t')
            return fail(b->y, at, b->err, "a tab stands in the indentation, expected spaces");
    return CN_OK;
}

static cn_status take_key(struct build *b, struct fy_token *token)
{
    struct cn_yaml_node k = {0};
    size_t n, before = skip_filler(b->y, b->cursor);
    cn_status st;

    if (before < b->y->n && b->y->text[before] == '?' &&
        (!token || fy_token_start_mark(token)->input_pos != before))
        return fail(b->y, before, b->err, "'? key' is not supported, expected 'key: value'");
    if (!token)
        return fail(b->y, before, b->err, "a key without name");
    st = copy_text(b, token, &k.text, &n);
    if (st == CN_OK)
        st = place_scalar(b, &k, token, n);
    if (st == CN_OK)
        st = check_indent(b, k.start);
    if (st != CN_OK)
        return st;
    if (fy_token_scalar_style(token) == FYSS_PLAIN)
        cn_yaml_resolve(&k);
    if (fy_token_scalar_style(token) == FYSS_PLAIN && k.kind != CN_YAML_STRING)
        return fail(b->y, k.start, b->err, "key %.100s reads as %s, put it in quotes", k.text,
                    cn_yaml_kind_name(k.kind));
    b->key = k.text;
    b->key_start = k.start;
    b->key_end = k.end;
    b->have_key = true;
    b->cursor = k.end;
    return CN_OK;
}

/* A new node under the open collection, with the key that waits. */
static cn_status new_node(struct build *b, struct cn_yaml_node **out)
{
    struct cn_yaml_node *v, *up = b->open;

    if (++b->y->n_nodes > CN_CAP_YAML_NODES)
        return cn_err_set(b->err, CN_ECAP, "%s: more than %d values", b->y->name,
                          CN_CAP_YAML_NODES);
    v = cn_arena_alloc(&b->y->arena, 1, sizeof *v);
    if (!v)
        return no_memory(b->y, b->err);
    v->parent = up;
    v->in_flow = up && up->flow;
    if (b->have_key) {
        v->key = b->key;
        v->key_start = b->key_start;
        v->key_end = b->key_end;
        b->have_key = false;
    }
    if (!up)
        b->y->root = v;
    else if (up->last)
        up->last->next = v;
    else
        up->first = v;
    if (up) {
        up->last = v;
        up->count++;
    }
    *out = v;
    return CN_OK;
}

/* The scalar's token; NULL for a value that is not there: libfyaml 0.7 has no token for it, 0.8 a plain
 * one without bytes. */
static struct fy_token *token_of(struct fy_event *e)
{
    struct fy_token *token = e->scalar.value;
    const struct fy_mark *from = token ? fy_token_start_mark(token) : NULL;
    const struct fy_mark *to = token ? fy_token_end_mark(token) : NULL;
    const bool absent = from && to && from->input_pos == to->input_pos &&
                        fy_token_scalar_style(token) == FYSS_PLAIN;

    return absent ? NULL : token;
}

static cn_status take_scalar(struct build *b, struct fy_token *token)
{
    struct cn_yaml_node *v;
    size_t n;
    cn_status st = new_node(b, &v);

    if (st == CN_OK)
        st = copy_text(b, token, &v->text, &n);
    if (st != CN_OK)
        return st;
    v->kind = CN_YAML_STRING;
    if (!token) {
        place_empty(b, v);
        v->kind = CN_YAML_NULL;
    } else {
        st = place_scalar(b, v, token, n);
        if (st != CN_OK)
            return st;
        if (fy_token_scalar_style(token) == FYSS_PLAIN)
            cn_yaml_resolve(v);
        if (!v->key)
            st = check_indent(b, v->start);
    }
    v->line = line_of(b, v->key ? v->key_start : v->start);
    b->cursor = v->tail > v->end ? v->tail : v->end;
    return st;
}

static cn_status open_collection(struct build *b, struct fy_event *e)
{
    const struct fy_mark *mark = fy_event_start_mark(e);
    struct cn_yaml_node *v;
    cn_status st;

    if (!mark || mark->input_pos > b->y->n)
        return cn_err_set(b->err, CN_EINPUT, "%s: libfyaml lost the place of a collection",
                          b->y->name);
    if (b->depth >= CN_CAP_YAML_DEPTH)
        return fail(b->y, mark->input_pos, b->err, "nested deeper than %d levels",
                    CN_CAP_YAML_DEPTH);
    st = new_node(b, &v);
    if (st != CN_OK)
        return st;
    v->kind = e->type == FYET_MAPPING_START ? CN_YAML_MAP : CN_YAML_SEQ;
    v->flow = fy_event_get_node_style(e) == FYNS_FLOW;
    v->start = v->end = mark->input_pos;
    v->line = line_of(b, v->key ? v->key_start : v->start);
    b->cursor = v->flow && strchr("[{", b->y->text[v->start]) ? v->start + 1 : v->start;
    b->open = v;
    b->depth++;
    return v->key ? CN_OK : check_indent(b, v->start);
}

static int by_key_then_place(const void *a, const void *b)
{
    const struct cn_yaml_node *x = *(const struct cn_yaml_node *const *)a;
    const struct cn_yaml_node *y = *(const struct cn_yaml_node *const *)b;
    int c = strcmp(x->key, y->key);

    return c ? c : x->key_start < y->key_start ? -1 : 1;
}

const struct cn_yaml_node **cn_yaml_sorted(const struct cn_yaml_node *map)
{
    const struct cn_yaml_node **sorted = cn_alloc((size_t)map->count, sizeof *sorted);
    int64_t i = 0;

    if (!sorted)
        return NULL;
    for (const struct cn_yaml_node *m = map->first; m; m = m->next)
        sorted[i++] = m;
    qsort(sorted, (size_t)map->count, sizeof *sorted, by_key_then_place);
    return sorted;
}

static cn_status check_duplicates(struct build *b, const struct cn_yaml_node *map)
{
    const struct cn_yaml_node **sorted;
    cn_status st = CN_OK;

    if (map->kind != CN_YAML_MAP || map->count < 2)
        return CN_OK;
    sorted = cn_yaml_sorted(map);
    if (!sorted)
        return no_memory(b->y, b->err);
    for (int64_t i = 1; st == CN_OK && i < map->count; i++)
        if (strcmp(sorted[i - 1]->key, sorted[i]->key) == 0)
            st = fail(b->y, sorted[i]->key_start, b->err,
                      "duplicate key \"%.100s\", first on line %d", sorted[i]->key,
                      cn_yaml_line_at(b->y->text, sorted[i - 1]->key_start));
    cn_free(sorted);
    return st;
}

static cn_status close_collection(struct build *b, struct fy_event *e)
{
    struct cn_yaml_node *v = b->open;
    const struct fy_mark *mark = fy_event_end_mark(e);

    CN_ASSERT(v);
    if (v->flow && mark && mark->input_pos <= b->y->n)
        v->end = mark->input_pos;
    else if (v->last)
        v->end = v->last->end;
    if (v->flow || !v->last)
        b->cursor = v->end;
    b->open = v->parent;
    b->depth--;
    return check_duplicates(b, v);
}

static cn_status refuse_properties(struct build *b, struct fy_token *anchor,
                                   struct fy_token *tag)
{
    struct fy_token *token = anchor ? anchor : tag;
    const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;

    if (!token)
        return CN_OK;
    return fail(b->y, mark && mark->input_pos <= b->y->n ? mark->input_pos : b->cursor, b->err,
                anchor ? "anchors (&name) are not supported"
                       : "tags (!name) are not supported");
}

static cn_status take_event(struct build *b, struct fy_event *e)
{
    bool wants_key = b->open && b->open->kind == CN_YAML_MAP && !b->have_key;
    cn_status st = CN_OK;

    switch (e->type) {
    case FYET_SCALAR:
        st = refuse_properties(b, e->scalar.anchor, e->scalar.tag);
        if (st == CN_OK)
            st = wants_key ? take_key(b, token_of(e)) : take_scalar(b, token_of(e));
        break;
    case FYET_MAPPING_START:
    case FYET_SEQUENCE_START:
        st = e->type == FYET_MAPPING_START
                 ? refuse_properties(b, e->mapping_start.anchor, e->mapping_start.tag)
                 : refuse_properties(b, e->sequence_start.anchor, e->sequence_start.tag);
        if (st == CN_OK && wants_key)
            st = fail(b->y, b->cursor, b->err, "a key is a collection, expected a name");
        if (st == CN_OK)
            st = open_collection(b, e);
        break;
    case FYET_MAPPING_END:
    case FYET_SEQUENCE_END:
        st = close_collection(b, e);
        break;
    case FYET_ALIAS:
        st = fail(b->y, fy_event_start_mark(e) ? fy_event_start_mark(e)->input_pos : b->cursor,
                  b->err, "aliases (*name) are not supported");
        break;
    default:
        break;
    }
    return st;
}

/* The first complaint of libfyaml, as ours. */
static cn_status parser_error(struct build *b, struct fy_diag *diag)
{
    void *it = NULL;
    const struct fy_diag_error *e = fy_diag_errors_iterate(diag, &it);
    int lines = cn_yaml_line_at(b->y->text, b->y->n);

    if (!e)
        return cn_err_set(b->err, CN_EINPUT, "%s: not YAML (libfyaml gives no reason)",
                          b->y->name);
    return cn_err_set(b->err, CN_EINPUT, "%s:%d: %s", b->y->name,
                      e->line < lines ? e->line : lines, e->msg);
}

static cn_status build_tree(struct cn_yaml *y, struct cn_err *err)
{
    struct build b = {.y = y, .err = err, .line = 1};
    struct fy_diag_cfg diag_cfg;
    struct fy_parse_cfg cfg = {.flags = FYPCF_QUIET | FYPCF_COLLECT_DIAG |
                                        FYPCF_DISABLE_DEPTH_LIMIT |
                                        FYPCF_SLOPPY_FLOW_INDENTATION};
    struct fy_parser *parser = NULL;
    struct fy_event *e;
    cn_status st = CN_OK;

    fy_diag_cfg_default(&diag_cfg);
    diag_cfg.fp = NULL; /* nothing to stderr */
    cfg.diag = fy_diag_create(&diag_cfg);
    if (cfg.diag) {
        fy_diag_set_collect_errors(cfg.diag, true);
        parser = fy_parser_create(&cfg);
    }
    if (!parser || fy_parser_set_string(parser, y->text, y->n) != 0) {
        st = no_memory(y, err);
        goto out;
    }
    while (st == CN_OK && (e = fy_parser_parse(parser))) {
        st = take_event(&b, e);
        fy_parser_event_free(parser, e);
    }
    if (st == CN_OK && fy_parser_get_stream_error(parser))
        st = parser_error(&b, cfg.diag);
out:
    if (parser)
        fy_parser_destroy(parser);
    if (cfg.diag)
        fy_diag_destroy(cfg.diag);
    return st;
}

cn_status cn_yaml_parse(const char *name, const char *text, size_t n, struct cn_yaml **out,
                        struct cn_err *err)
{
    struct cn_yaml *y;
    cn_status st = CN_OK;

    *out = NULL;
    if (n > CN_CAP_CONFIG)
        return cn_err_set(err, CN_ECAP, "%s: %zu bytes, a YAML file has at most %zu", name, n,
                          CN_CAP_CONFIG);
    y = cn_alloc(1, sizeof *y);
    if (!y)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory", name);
    cn_arena_init(&y->arena, CN_CAP_ARENA);
    y->n = n;
    y->name = cn_strdup(name);
    y->text = cn_alloc(n + 1, 1);
    if (!y->name || !y->text) {
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory", name);
        goto out;
    }
    if (n > 0)
        memcpy(y->text, text, n);
    st = check_characters(y, err);
    if (st == CN_OK)
        st = check_documents(y, err);
    if (st == CN_OK)
        st = build_tree(y, err);
    /* "---" alone is an empty document too */
    if (st == CN_OK && y->root && y->root->empty)
        y->root = NULL;
out:
    if (st == CN_OK)
        *out = y;
    else
        cn_yaml_free(y);
    return st;
}

cn_status cn_yaml_read(const char *path, struct cn_yaml **out, struct cn_err *err)
{
    struct cn_buf b;
    cn_status st;

    *out = NULL;
    cn_buf_init(&b, CN_CAP_CONFIG);
    st = cn_file_read(path, CN_CAP_CONFIG, &b, err);
    if (st == CN_OK)
        st = cn_yaml_parse(path, cn_buf_str(&b), b.len, out, err);
    cn_buf_clear(&b);
    return st;
}

void cn_yaml_free(struct cn_yaml *y)
{
    if (!y)
        return;
    cn_arena_clear(&y->arena);
    cn_free(y->text);
    cn_free(y->name);
    cn_free(y);
}

#include "base/banned.h"
