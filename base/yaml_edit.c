/* Edits of a YAML text that leave every other byte alone, canonical text, leaves.
 *
 * An edit becomes one splice: bytes [from, to) of the text are replaced. The new text is read
 * again, and it counts only when the path now holds exactly the value and everything else reads
 * as before.
 */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/caps.h"
#include "base/json.h"
#include "base/text.h"
#include "base/yaml.h"
#include "base/yaml_int.h"

struct splice {
    size_t from, to;
    struct cn_buf bytes;
};

/* ---- quoting ---- */

/* Plain text that YAML 1.1 readers (PyYAML) take for something else than a string. */
static bool is_old_word(const char *s)
{
    static const char *const words[] = {"yes", "no", "on", "off", "null", "true", "false"};

    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcasecmp(s, words[i]) == 0)
            return true;
    return false;
}

/* Letters first, then letters, digits and _./+-, with single spaces inside: no reader sees
 * anything but a string, in block and in flow context. */
static bool is_safe_plain(const char *s)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/";
    static const char rest[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_/.+-0123456789";

    if (*s == '\0' || !strchr(letters, *s) || is_old_word(s))
        return false;
    for (; *s; s++)
        if (!strchr(rest, *s) && !(*s == ' ' && s[1] != '\0' && strchr(rest, s[1])))
            return false;
    return true;
}

/* Characters that single quotes cannot hold: controls, and the invisible ones the reader
 * refuses. */
static size_t needs_escape(const unsigned char *s, unsigned *out_code)
{
    *out_code = s[0];
    if (s[0] < 0x20 || s[0] == 0x7F)
        return 1;
    if (s[0] == 0xC2 && s[1] >= 0x80 && s[1] < 0xA0) {
        *out_code = s[1];
        return 2;
    }
    if (s[0] == 0xE2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9)) {
        *out_code = 0x2000u + (s[2] & 0x3Fu);
        return 3;
    }
    *out_code = 0xFEFF;
    return s[0] == 0xEF && s[1] == 0xBB && s[2] == 0xBF ? 3 : 0;
}

static void quote_double(struct cn_buf *b, const char *s)
{
    unsigned code;

    cn_buf_addc(b, '"');
    while (*s) {
        size_t n = needs_escape((const unsigned char *)s, &code);

        if (n) {
            cn_buf_printf(b, "\\u%04X", code);
            s += n;
            continue;
        }
        if (*s == '"' || *s == '\\')
            cn_buf_addc(b, '\\');
        cn_buf_addc(b, *s++);
    }
    cn_buf_addc(b, '"');
}

void cn_yaml_quote(struct cn_buf *b, const char *s)
{
    unsigned code;

    if (is_safe_plain(s)) {
        cn_buf_adds(b, s);
        return;
    }
    for (const char *c = s; *c; c++) {
        if (needs_escape((const unsigned char *)c, &code)) {
            quote_double(b, s);
            return;
        }
    }
    cn_buf_addc(b, '\'');
    for (; *s; s++) {
        if (*s == '\'')
            cn_buf_addc(b, '\'');
        cn_buf_addc(b, *s);
    }
    cn_buf_addc(b, '\'');
}

/* ---- canonical text ---- */

static void put_number(struct cn_buf *b, const struct cn_yaml_node *v)
{
    char text[CN_NUM_TEXT];
    int64_t integer;

    if (isnan(v->number))
        cn_buf_adds(b, ".nan");
    else if (isinf(v->number))
        cn_buf_adds(b, v->number < 0 ? "-.inf" : ".inf");
    else if (cn_yaml_whole(v, &integer))
        cn_buf_printf(b, "%lld", (long long)integer);
    else
        cn_buf_adds(b, cn_text_double(v->number, text));
}

static bool is_skipped(const char *const *skip, const char *path)
{
    for (; skip && *skip; skip++)
        if (strcmp(*skip, path) == 0)
            return true;
    return false;
}

static cn_status canonical(const struct cn_yaml_node *v, const char *const *skip,
                           struct cn_buf *path, struct cn_buf *out);

/* Members in key order. A map that the skips emptied stays away itself: a file without it is
 * the same. */
static cn_status canonical_map(const struct cn_yaml_node *map, const char *const *skip,
                               struct cn_buf *path, struct cn_buf *out)
{
    const struct cn_yaml_node **sorted = map->count ? cn_yaml_sorted(map) : NULL;
    size_t at = path->len;
    bool first = true;
    cn_status st = map->count && !sorted ? CN_ENOMEM : CN_OK;

    cn_buf_addc(out, '{');
    for (int64_t i = 0; st == CN_OK && i < map->count; i++) {
        size_t before = out->len, value_at;

        cn_buf_printf(path, "%s%s", at ? "." : "", sorted[i]->key);
        st = cn_buf_status(path);
        if (st == CN_OK && !is_skipped(skip, cn_buf_str(path))) {
            if (!first)
                cn_buf_addc(out, ',');
            cn_json_put_string(out, sorted[i]->key);
            cn_buf_addc(out, ':');
            value_at = out->len;
            st = canonical(sorted[i], skip, path, out);
            if (st == CN_OK && sorted[i]->kind == CN_YAML_MAP && sorted[i]->count &&
                out->len == value_at + 2) {
                out->len = before;
                out->data[before] = '\0';
            } else {
                first = false;
            }
        }
        if (path->len > at) {
            path->len = at;
            path->data[at] = '\0';
        }
    }
    cn_buf_addc(out, '}');
    cn_free(sorted);
    return st;
}

static cn_status canonical(const struct cn_yaml_node *v, const char *const *skip,
                           struct cn_buf *path, struct cn_buf *out)
{
    cn_status st = CN_OK;

    switch (v->kind) {
    case CN_YAML_MAP:
        st = canonical_map(v, skip, path, out);
        break;
    case CN_YAML_SEQ:
        cn_buf_addc(out, '[');
        for (const struct cn_yaml_node *c = v->first; st == CN_OK && c; c = c->next) {
            st = canonical(c, NULL, path, out); /* paths do not lead through lists */
            if (c->next)
                cn_buf_addc(out, ',');
        }
        cn_buf_addc(out, ']');
        break;
    case CN_YAML_INT:
    case CN_YAML_FLOAT:
        put_number(out, v);
        break;
    case CN_YAML_BOOL:
        cn_buf_adds(out, strcasecmp(v->text, "true") == 0 ? "true" : "false");
        break;
    case CN_YAML_NULL:
        cn_buf_adds(out, "null");
        break;
    case CN_YAML_STRING:
        cn_json_put_string(out, v->text);
        break;
    }
    return st == CN_OK ? cn_buf_status(out) : st;
}

static cn_status canonical_node(const char *name, const struct cn_yaml_node *v,
                                const char *const *skip, struct cn_buf *out, struct cn_err *err)
{
    struct cn_buf path;
    cn_status st = CN_OK;

    cn_buf_init(&path, CN_CAP_TEXT);
    if (v)
        st = canonical(v, skip, &path, out);
    else
        cn_buf_adds(out, "{}"); /* an empty file sets nothing, as an empty map does */
    if (st == CN_OK)
        st = cn_buf_status(out);
    cn_buf_clear(&path);
    return st == CN_OK ? st
                       : cn_err_set(err, st, "%s: cannot write the canonical text: %s", name,
                                    cn_status_text(st));
}

cn_status cn_yaml_canonical(const struct cn_yaml *y, const char *const *skip,
                            struct cn_buf *out, struct cn_err *err)
{
    return canonical_node(y->name, y->root, skip, out, err);
}

/* ---- leaves ---- */

static cn_status leaves(const struct cn_yaml_node *map, cn_yaml_leaf_fn *fn, void *ctx,
                        struct cn_buf *path)
{
    size_t at = path->len;
    cn_status st = CN_OK;

    for (const struct cn_yaml_node *m = map->first; st == CN_OK && m; m = m->next) {
        cn_buf_printf(path, "%s%s", at ? "." : "", m->key);
        st = cn_buf_status(path);
        if (st == CN_OK)
            st = m->kind == CN_YAML_MAP ? leaves(m, fn, ctx, path)
                                        : fn(ctx, cn_buf_str(path), m);
        if (path->len > at) {
            path->len = at;
            path->data[at] = '\0';
        }
    }
    return st;
}

cn_status cn_yaml_leaves(const struct cn_yaml_node *root, cn_yaml_leaf_fn *fn, void *ctx)
{
    struct cn_buf path;
    cn_status st = CN_OK;

    cn_buf_init(&path, CN_CAP_TEXT);
    if (cn_yaml_kind(root) == CN_YAML_MAP)
        st = leaves(root, fn, ctx, &path);
    cn_buf_clear(&path);
    return st;
}

/* ---- edits ---- */

static const char *eol(const struct cn_yaml *y)
{
    size_t end = cn_yaml_line_end(y, 0);

    return end > 0 && end < y->n && y->text[end - 1] == '\r' ? "\r\n" : "\n";
}

static int column(const struct cn_yaml *y, size_t at)
{
    size_t from = at;

    while (from > 0 && y->text[from - 1] != '\n')
        from--;
    return (int)(at - from);
}

/* Spaces that one level of block maps is indented by in this file; 2 when nothing tells. */
static int indent_step(const struct cn_yaml *y, const struct cn_yaml_node *v)
{
    for (const struct cn_yaml_node *m = v ? v->first : NULL; m; m = m->next) {
        int step = 0;

        if (m->key && m->kind == CN_YAML_MAP && !m->flow && m->first)
            step = column(y, m->first->key_start) - column(y, m->key_start);
        if (step <= 0 && m->kind == CN_YAML_MAP)
            step = indent_step(y, m);
        if (step > 0 && step <= 8)
            return step;
    }
    return v == y->root ? 2 : 0;
}

/* Where a line that follows `v` begins. */
static size_t line_after(const struct cn_yaml *y, const struct cn_yaml_node *v)
{
    size_t end;

    while (!v->flow && v->last)
        v = v->last;
    if (v->tail > v->end)
        return v->tail;
    end = cn_yaml_line_end(y, v->end);
    return end < y->n ? end + 1 : end;
}

/* "b.c" and a value: lines "b:", "  c: value" with `indent` spaces before them. */
static void put_lines(const struct cn_yaml *y, struct splice *s, const char *rest,
                      const char *value, int indent, int step)
{
    if (s->from > 0 && y->text[s->from - 1] != '\n')
        cn_buf_adds(&s->bytes, eol(y));
    for (;;) {
        size_t n = strcspn(rest, ".");
        char *key = cn_strndup(rest, n);

        if (!key) {
            s->bytes.status = CN_ENOMEM;
            return;
        }
        for (int i = 0; i < indent; i++)
            cn_buf_addc(&s->bytes, ' ');
        cn_yaml_quote(&s->bytes, key);
        cn_free(key);
        cn_buf_addc(&s->bytes, ':');
        if (!rest[n])
            break;
        cn_buf_adds(&s->bytes, eol(y));
        rest += n + 1;
        indent += step;
    }
    cn_buf_printf(&s->bytes, " %s%s", value, eol(y));
}

/* The same inside braces: "b: {c: value}". */
static void put_flow(struct splice *s, const char *rest, const char *value)
{
    int open = 0;

    for (;; open++) {
        size_t n = strcspn(rest, ".");
        char *key = cn_strndup(rest, n);

        if (!key) {
            s->bytes.status = CN_ENOMEM;
            return;
        }
        cn_yaml_quote(&s->bytes, key);
        cn_free(key);
        cn_buf_adds(&s->bytes, rest[n] ? ": {" : ": ");
        if (!rest[n])
            break;
        rest += n + 1;
    }
    cn_buf_adds(&s->bytes, value);
    for (; open > 0; open--)
        cn_buf_addc(&s->bytes, '}');
}

/* What must stand before a value at the place of a null without bytes: "key:" wants " ", "key"
 * wants ": ". */
static const char *gap(const struct cn_yaml *y, const struct cn_yaml_node *v)
{
    return v->start > 0 && y->text[v->start - 1] == ':' && v->start > v->key_end ? " " : ": ";
}

/* A new member "rest" below `map`, which is a map or a null. */
static void add_member(const struct cn_yaml *y, const struct cn_yaml_node *map,
                       const char *rest, const char *value, struct splice *s)
{
    int step = indent_step(y, y->root);

    if (!map) { /* an empty document */
        s->from = s->to = y->n;
        put_lines(y, s, rest, value, 0, step ? step : 2);
    } else if (map->kind == CN_YAML_MAP && map->last && !map->flow) {
        s->from = s->to = line_after(y, map);
        put_lines(y, s, rest, value, column(y, map->first->key_start), step);
    } else if (map->kind == CN_YAML_MAP && map->last) {
        s->from = s->to = map->last->end;
        cn_buf_adds(&s->bytes, ", ");
        put_flow(s, rest, value);
    } else if (map->kind == CN_YAML_MAP) { /* {} */
        s->from = s->to = map->start + 1;
        put_flow(s, rest, value);
    } else if (map->empty && map->key && !map->in_flow) {
        s->from = s->to = line_after(y, map);
        put_lines(y, s, rest, value, column(y, map->key_start) + step, step);
    } else {
        s->from = map->start;
        s->to = map->end;
        cn_buf_printf(&s->bytes, "%s{", map->empty ? gap(y, map) : "");
        put_flow(s, rest, value);
        cn_buf_addc(&s->bytes, '}');
    }
}

/* The value of an existing key. */
static cn_status replace_value(const struct cn_yaml *y, const struct cn_yaml_node *v,
                               const char *dotted, const char *value, struct splice *s,
                               struct cn_err *err)
{
    size_t colon, head_end;

    if (v->kind == CN_YAML_MAP && v->count > 0)
        return cn_err_set(
            err, CN_EINPUT,
            "%s:%d: \"%s\" is a map with %lld keys, expected a single value to set", y->name,
            v->line, dotted, (long long)v->count);
    s->from = v->start;
    s->to = v->end;
    if (v->empty)
        cn_buf_adds(&s->bytes, gap(y, v));
    cn_buf_adds(&s->bytes, value);
    if (v->kind != CN_YAML_SEQ || v->flow)
        return CN_OK;
    /* A list in block form: the value goes behind the key's colon, a comment there stays, the
     * items go. */
    colon = v->key_end;
    while (colon < y->n && y->text[colon] != ':')
        colon++;
    head_end = cn_yaml_line_end(y, colon);
    if (head_end > 0 && y->text[head_end - 1] == '\r')
        head_end--;
    if (head_end > v->start)
        return cn_err_set(err, CN_EINPUT, "%s:%d: cannot replace the list of \"%s\" in place",
                          y->name, v->line, dotted);
    cn_buf_reset(&s->bytes);
    cn_buf_printf(&s->bytes, " %s", value);
    cn_buf_add(&s->bytes, y->text + colon + 1, head_end - colon - 1);
    s->from = colon + 1;
    return CN_OK;
}

/* Find the deepest existing node on the path. *out_rest is what is missing below it, NULL when
 * nothing. */
static cn_status locate(const struct cn_yaml *y, const char *dotted,
                        const struct cn_yaml_node **out, const char **out_rest,
                        struct cn_err *err)
{
    const struct cn_yaml_node *v = y->root, *below;

    *out_rest = dotted;
    for (const char *p = dotted;; p = strchr(p, '.') + 1) {
        if (*p == '\0' || *p == '.')
            return cn_err_set(err, CN_EINPUT,
                              "\"%s\" is no path, expected names with dots between them",
                              dotted);
        if (!strchr(p, '.'))
            break;
    }
    while (*out_rest) {
        size_t n = strcspn(*out_rest, ".");

        if (v && v->kind != CN_YAML_MAP && v->kind != CN_YAML_NULL)
            return cn_err_set(err, CN_EINPUT,
                              "%s:%d: cannot set \"%s\": \"%s\" is %s, expected a map", y->name,
                              v->line, dotted, v->key ? v->key : "the whole file",
                              cn_yaml_kind_name(v->kind));
        below = cn_yaml_member(v, *out_rest, n);
        if (!below)
            break;
        v = below;
        *out_rest = (*out_rest)[n] ? *out_rest + n + 1 : NULL;
    }
    *out = v;
    return CN_OK;
}

/* The text with the splice done, read again. */
static cn_status apply(const struct cn_yaml *y, const struct splice *s, struct cn_yaml **out,
                       struct cn_err *err)
{
    struct cn_buf text;
    cn_status st;

    cn_buf_init(&text, CN_CAP_CONFIG);
    cn_buf_add(&text, y->text, s->from);
    cn_buf_add(&text, cn_buf_str(&s->bytes), s->bytes.len);
    cn_buf_add(&text, y->text + s->to, y->n - s->to);
    st = cn_buf_status(&s->bytes) != CN_OK ? cn_buf_status(&s->bytes) : cn_buf_status(&text);
    if (st != CN_OK)
        (void)cn_err_set(err, st, "%s: cannot build the edited text: %s", y->name,
                         cn_status_text(st));
    else
        st = cn_yaml_parse(y->name, cn_buf_str(&text), text.len, out, err);
    cn_buf_clear(&text);
    return st;
}

static cn_status same_canonical(const char *name, const struct cn_yaml_node *a,
                                const struct cn_yaml_node *b, const char *const *skip,
                                bool *out_same, struct cn_err *err)
{
    struct cn_buf x, z;
    cn_status st;

    cn_buf_init(&x, CN_CAP_TEXT);
    cn_buf_init(&z, CN_CAP_TEXT);
    st = canonical_node(name, a, skip, &x, err);
    if (st == CN_OK)
        st = canonical_node(name, b, skip, &z, err);
    *out_same = st == CN_OK && strcmp(cn_buf_str(&x), cn_buf_str(&z)) == 0;
    cn_buf_clear(&x);
    cn_buf_clear(&z);
    return st;
}

/* The path holds the value, and nothing else has changed. A null or {} that became the parent
 * map is left out of the comparison: it held nothing. */
static cn_status check_edit(const struct cn_yaml *before, const struct cn_yaml *after,
                            const char *dotted, const struct cn_yaml *value, const char *parent,
                            struct cn_err *err)
{
    const char *const skip[] = {dotted, parent, NULL};
    const struct cn_yaml_node *set = cn_yaml_path(after->root, dotted);
    bool same = false;
    cn_status st = CN_OK;

    if (set)
        st = same_canonical(before->name, set, value->root, NULL, &same, err);
    if (st == CN_OK && same)
        st = same_canonical(before->name, before->root, after->root, skip, &same, err);
    if (st == CN_OK && !same)
        st = cn_err_set(err, CN_EINPUT,
                        "%s: cannot set \"%s\" to %.200s without changing more than that",
                        before->name, dotted, value->text);
    return st;
}

/* A value must be one line that reads as one scalar or list by itself. */
static cn_status read_value(const char *dotted, const char *value_text, struct cn_yaml **out,
                            struct cn_err *err)
{
    cn_status st;

    *out = NULL;
    if (strpbrk(value_text, "\r\n"))
        return cn_err_set(err, CN_EINPUT, "value for \"%s\": expected one line", dotted);
    st = cn_yaml_parse("value", value_text, strlen(value_text), out, err);
    if (st != CN_OK)
        return cn_err_prefix(err, "value for \"%s\"", dotted);
    if (!(*out)->root || (*out)->root->count > 0) {
        if (!(*out)->root || (*out)->root->kind != CN_YAML_SEQ || !(*out)->root->flow)
            st = cn_err_set(
                err, CN_EINPUT,
                "value for \"%s\": expected a scalar or a list [..], found \"%.200s\"", dotted,
                value_text);
    }
    return st;
}

/* Name of the null or {} that becomes a map by this edit: the part of `dotted` before `rest`.
 * NULL: none. */
static cn_status hollow_parent(const char *dotted, const char *rest,
                               const struct cn_yaml_node *at, char **out, struct cn_err *err)
{
    *out = NULL;
    if (!rest || rest == dotted || !at || at->count > 0)
        return CN_OK;
    *out = cn_strndup(dotted, (size_t)(rest - dotted - 1));
    return *out ? CN_OK : cn_err_set(err, CN_ENOMEM, "no memory to set \"%s\"", dotted);
}

cn_status cn_yaml_set(struct cn_yaml *y, const char *dotted, const char *value_text,
                      struct cn_err *err)
{
    struct splice s = {0};
    struct cn_yaml *value = NULL, *after = NULL, swap;
    const struct cn_yaml_node *at = NULL;
    const char *rest = NULL;
    char *parent = NULL;
    cn_status st;

    cn_buf_init(&s.bytes, CN_CAP_CONFIG);
    st = read_value(dotted, value_text, &value, err);
    if (st == CN_OK)
        st = locate(y, dotted, &at, &rest, err);
    if (st == CN_OK)
        st = hollow_parent(dotted, rest, at, &parent, err);
    if (st != CN_OK)
        goto out;
    if (rest)
        add_member(y, at, rest, value_text, &s);
    else
        st = replace_value(y, at, dotted, value_text, &s, err);
    if (st == CN_OK)
        st = apply(y, &s, &after, err);
    if (st == CN_OK)
        st = check_edit(y, after, dotted, value, parent, err);
    if (st == CN_OK) {
        swap = *y;
        *y = *after;
        *after = swap;
    }
out:
    cn_yaml_free(after);
    cn_yaml_free(value);
    cn_free(parent);
    cn_buf_clear(&s.bytes);
    return st;
}

#include "base/banned.h"
