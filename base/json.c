/* JSON reading and writing. cJSON 1.7.15 builds the tree; around it stand
 *   1. the strict scan   RFC 8259 and a little more; finds the place of every value
 *   2. the tree          cJSON's items in document order, each with its raw number text
 *   3. getters
 * Writing is in json_write.c.
 * cJSON itself takes duplicate keys, bad UTF-8, numbers like 01 and cuts numbers at 63
 * characters, and its printer loses one double in six; so it only ever sees text that the scan
 * has passed, and it never prints.
 */
#include "base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "base/alloc.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"

enum { NUMBER_CHARS = 63 }; /* cJSON copies a number into 64 bytes */

struct cn_json {
    const cJSON *item;           /* borrowed from the document */
    const char *raw;             /* number as written; points into the document's text */
    const struct cn_json *first; /* child */
    const struct cn_json *next;  /* sibling */
    int64_t count;               /* children */
    size_t at;                   /* byte offset of the value ... */
    size_t end;                  /* ... and behind it; set for numbers only */
    size_t key_at;               /* byte offset of its key */
};

struct cn_json_doc {
    char *text; /* owned copy; a NUL is put behind every number after parsing */
    cJSON *tree;
    struct cn_json *nodes; /* owned; document order, [0] is the root */
    size_t n_nodes;
};

/* ---- 1. the strict scan ---- */

struct scan {
    const char *name;
    const char *text;
    size_t n, at;
    struct cn_json *nodes;
    size_t n_nodes, room;
    struct cn_err *err;
};

/* "<name>:<line>:<column>: " with the column in characters, then the words. */
static cn_status fail(const struct scan *s, size_t at, const char *fmt, ...) CN_PRINTF(3, 4);
static cn_status fail(const struct scan *s, size_t at, const char *fmt, ...)
{
    char words[CN_ERR_TEXT / 2];
    va_list args;
    long line = 1, column = 1;

    for (size_t i = 0; i < at && i < s->n; i++) {
        if (s->text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)s->text[i] & 0xC0) != 0x80) {
            column++;
        }
    }
    va_start(args, fmt);
    (void)vsnprintf(words, sizeof words, fmt, args);
    va_end(args);
    return cn_err_set(s->err, CN_EINPUT, "%s:%ld:%ld: %s", s->name, line, column, words);
}

/* What stands at the scan's place, in words. */
static const char *found(const struct scan *s, char out[32])
{
    unsigned char c;

    if (s->at >= s->n)
        return "the end of the text";
    c = (unsigned char)s->text[s->at];
    if (c > 0x20 && c < 0x7F)
        (void)snprintf(out, 32, "'%c'", c);
    else
        (void)snprintf(out, 32, "byte 0x%02X", c);
    return out;
}

static cn_status unexpected(const struct scan *s, const char *wanted)
{
    char what[32];

    return fail(s, s->at, "expected %s, found %s", wanted, found(s, what));
}

static int peek(const struct scan *s)
{
    return s->at < s->n ? (unsigned char)s->text[s->at] : -1;
}

static void skip_space(struct scan *s)
{
    while (s->at < s->n && (s->text[s->at] == ' ' || s->text[s->at] == '\t' ||
                            s->text[s->at] == '\n' || s->text[s->at] == '\r'))
        s->at++;
}

static cn_status new_node(struct scan *s, size_t key_at)
{
    if (s->n_nodes == s->room) {
        size_t room = s->room ? 2 * s->room : 64;
        struct cn_json *grown = s->nodes ? cn_realloc(s->nodes, room, sizeof *grown)
                                         : cn_alloc(room, sizeof *grown);

        if (!grown)
            return cn_err_set(s->err, CN_ENOMEM, "%s: no memory for %zu values", s->name, room);
        s->nodes = grown;
        s->room = room;
    }
    s->nodes[s->n_nodes++] = (struct cn_json){.at = s->at, .key_at = key_at};
    return CN_OK;
}

static int hex4(const struct scan *s, size_t at)
{
    int value = 0;

    for (size_t i = at; i < at + 4; i++) {
        int c = i < s->n ? (unsigned char)s->text[i] : 0;

        if (c >= '0' && c <= '9')
            c -= '0';
        else if (c >= 'a' && c <= 'f')
            c -= 'a' - 10;
        else if (c >= 'A' && c <= 'F')
            c -= 'A' - 10;
        else
            return -1;
        value = value * 16 + c;
    }
    return value;
}

/* At "\u": one escape, or two that form a surrogate pair. */
static cn_status scan_unicode_escape(struct scan *s)
{
    int high = hex4(s, s->at + 2);

    if (high < 0)
        return fail(s, s->at, "\\u wants four hexadecimal digits");
    if (high == 0)
        return fail(s, s->at, "\\u0000 in a string is not supported");
    if (high >= 0xDC00 && high <= 0xDFFF)
        return fail(s, s->at, "lone low surrogate \\u%04X", (unsigned)high);
    if (high >= 0xD800 && high <= 0xDBFF) {
        int low = s->at + 12 <= s->n && s->text[s->at + 6] == '\\' && s->text[s->at + 7] == 'u'
                      ? hex4(s, s->at + 8)
                      : -1;

        if (low < 0xDC00 || low > 0xDFFF)
            return fail(s, s->at, "lone high surrogate \\u%04X", (unsigned)high);
        s->at += 6;
    }
    s->at += 6;
    return CN_OK;
}

static cn_status scan_escape(struct scan *s)
{
    int c = s->at + 1 < s->n ? (unsigned char)s->text[s->at + 1] : -1;

    if (c == 'u')
        return scan_unicode_escape(s);
    if (c <= 0 || !strchr("\"\\/bfnrt", c))
        return fail(s, s->at,
                    "unknown escape, expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u");
    s->at += 2;
    return CN_OK;
}

static size_t utf8_length(unsigned char lead)
{
    return lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

static cn_status scan_string(struct scan *s)
{
    size_t start = s->at++;

    for (;;) {
        int c = peek(s);

        if (c < 0)
            return fail(s, start, "string without end");
        if (c == '"')
            break;
        if (c == '\\') {
            cn_status st = scan_escape(s);

            if (st != CN_OK)
                return st;
        } else if (c < 0x20) {
            return fail(s, s->at, "control character U+%04X in a string, write it as an escape",
                        (unsigned)c);
        } else if (c >= 0x80) {
            size_t len = utf8_length((unsigned char)c);

            if (s->at + len > s->n || !cn_text_utf8_valid(s->text + s->at, len))
                return fail(s, s->at, "byte 0x%02X is not UTF-8", (unsigned)c);
            s->at += len;
        } else {
            s->at++;
        }
    }
    s->at++;
    return CN_OK;
}

static size_t skip_digits(struct scan *s)
{
    size_t from = s->at;

    while (peek(s) >= '0' && peek(s) <= '9')
        s->at++;
    return s->at - from;
}

/* The number is the newest node. */
static cn_status scan_number(struct scan *s)
{
    size_t start = s->at;

    if (peek(s) == '-')
        s->at++;
    if (peek(s) == '0') {
        s->at++;
        if (peek(s) >= '0' && peek(s) <= '9')
            return fail(s, start, "number with a leading zero");
    } else if (skip_digits(s) == 0) {
        return unexpected(s, "a digit");
    }
    if (peek(s) == '.') {
        s->at++;
        if (skip_digits(s) == 0)
            return unexpected(s, "a digit behind the decimal point");
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-')
            s->at++;
        if (skip_digits(s) == 0)
            return unexpected(s, "a digit in the exponent");
    }
    if (s->at - start > NUMBER_CHARS)
        return fail(s, start, "number of more than %d characters", NUMBER_CHARS);
    CN_ASSERT(s->nodes);
    s->nodes[s->n_nodes - 1].end = s->at;
    return CN_OK;
}

static cn_status scan_word(struct scan *s)
{
    static const char *const words[] = {"true", "false", "null"};

    for (size_t i = 0; i < 3; i++) {
        size_t len = strlen(words[i]);

        if (s->n - s->at >= len && memcmp(s->text + s->at, words[i], len) == 0) {
            s->at += len;
            return CN_OK;
        }
    }
    return unexpected(s, "a value");
}

static cn_status scan_value(struct scan *s, size_t key_at, int depth);

/* Behind '[' or '{' up to and with the closing bracket. */
static cn_status scan_members(struct scan *s, char closer, int depth)
{
    cn_status st;

    skip_space(s);
    if (peek(s) == closer) {
        s->at++;
        return CN_OK;
    }
    for (;;) {
        size_t key_at = s->at;

        if (closer == '}') {
            if (peek(s) != '"')
                return unexpected(s, "a key in double quotes");
            if ((st = scan_string(s)) != CN_OK)
                return st;
            skip_space(s);
            if (peek(s) != ':')
                return unexpected(s, "':' behind the key");
            s->at++;
        }
        if ((st = scan_value(s, key_at, depth)) != CN_OK)
            return st;
        skip_space(s);
        if (peek(s) == closer)
            break;
        if (peek(s) != ',')
            return unexpected(s, closer == '}' ? "',' or '}'" : "',' or ']'");
        s->at++;
        skip_space(s);
    }
    s->at++;
    return CN_OK;
}

static cn_status scan_value(struct scan *s, size_t key_at, int depth)
{
    cn_status st;

    skip_space(s);
    st = new_node(s, key_at);
    if (st != CN_OK)
        return st;
    switch (peek(s)) {
    case '{':
    case '[':
        if (depth >= CN_CAP_JSON_DEPTH)
            return fail(s, s->at, "nested deeper than %d levels", CN_CAP_JSON_DEPTH);
        return scan_members(s, s->text[s->at++] == '{' ? '}' : ']', depth + 1);
    case '"':
        return scan_string(s);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return scan_number(s);
    default:
        return scan_word(s);
    }
}

static cn_status scan_text(struct scan *s)
{
    cn_status st;

    if (s->n >= 3 && memcmp(s->text, "\xEF\xBB\xBF", 3) == 0)
        return fail(s, 0, "byte order mark; save the file as UTF-8 without one");
    st = scan_value(s, 0, 0);
    if (st != CN_OK)
        return st;
    skip_space(s);
    return s->at == s->n ? CN_OK : unexpected(s, "nothing more behind the value");
}

/* ---- 2. the tree ---- */

static int by_key_then_place(const void *a, const void *b)
{
    const struct cn_json *x = *(const struct cn_json *const *)a;
    const struct cn_json *y = *(const struct cn_json *const *)b;
    int c = strcmp(x->item->string, y->item->string);

    return c ? c : x->key_at < y->key_at ? -1 : 1;
}

static cn_status duplicate(const struct scan *s, const struct cn_json *first,
                           const struct cn_json *second)
{
    long line = 1;

    for (size_t i = 0; i < first->key_at; i++)
        line += s->text[i] == '\n';
    return fail(s, second->key_at, "duplicate key \"%.100s\", first on line %ld",
                second->item->string, line);
}

/* Sorting keeps an object of 100 000 members at n log n. */
static cn_status check_duplicates(const struct scan *s, const struct cn_json *object)
{
    const struct cn_json **sorted, *found_first = NULL, *found_second = NULL;
    int64_t i = 0;

    if (object->count < 2)
        return CN_OK;
    sorted = cn_alloc((size_t)object->count, sizeof *sorted);
    if (!sorted)
        return cn_err_set(s->err, CN_ENOMEM, "%s: no memory to sort %lld keys", s->name,
                          (long long)object->count);
    for (const struct cn_json *m = object->first; m; m = m->next)
        sorted[i++] = m;
    qsort(sorted, (size_t)object->count, sizeof *sorted, by_key_then_place);
    for (i = 1; i < object->count; i++) {
        if (strcmp(sorted[i - 1]->item->string, sorted[i]->item->string) == 0 &&
            (!found_second || sorted[i]->key_at < found_second->key_at)) {
            found_first = sorted[i - 1];
            found_second = sorted[i];
        }
    }
    cn_free(sorted);
    return found_second ? duplicate(s, found_first, found_second) : CN_OK;
}

/* Give nodes[*at] its item, its children theirs, in document order. At most CN_CAP_JSON_DEPTH
 * deep. */
static void attach(struct cn_json_doc *d, const cJSON *item, size_t *at)
{
    struct cn_json *v = &d->nodes[*at], *last = NULL;

    (*at)++;
    v->item = item;
    for (const cJSON *child = item->child; child && *at < d->n_nodes; child = child->next) {
        struct cn_json *c = &d->nodes[*at];

        if (last)
            last->next = c;
        else
            v->first = c;
        last = c;
        v->count++;
        attach(d, child, at);
    }
    if (v->end > 0) {
        v->raw = d->text + v->at;
        d->text[v->end] = '\0';
    }
}

static cn_status check_tree(const struct scan *s, const struct cn_json_doc *d)
{
    cn_status st = CN_OK;

    for (size_t i = 0; st == CN_OK && i < d->n_nodes; i++) {
        const struct cn_json *v = &d->nodes[i];

        if (cJSON_IsObject(v->item))
            st = check_duplicates(s, v);
        else if (cJSON_IsNumber(v->item) && !isfinite(v->item->valuedouble))
            st = fail(s, v->at, "number %s does not fit a double", v->raw);
    }
    return st;
}

cn_status cn_json_parse(const char *name, const char *text, size_t n, struct cn_json_doc **out,
                        struct cn_err *err)
{
    struct scan s = {.name = name, .text = text, .n = n, .err = err};
    struct cn_json_doc *d = NULL;
    size_t attached = 0;
    cn_status st;

    *out = NULL;
    st = scan_text(&s);
    if (st != CN_OK)
        goto out;
    st = CN_ENOMEM;
    d = cn_alloc(1, sizeof *d);
    if (d)
        d->text = cn_strndup(text, n);
    if (d && d->text)
        d->tree = cJSON_ParseWithLength(text, n);
    if (!d || !d->tree) {
        (void)cn_err_set(err, st, "%s: no memory for the JSON text of %zu bytes", name, n);
        goto out;
    }
    CN_ASSERT(s.nodes); /* a text that passed has a value */
    d->nodes = s.nodes;
    d->n_nodes = s.n_nodes;
    s.nodes = NULL;
    attach(d, d->tree, &attached);
    if (attached != d->n_nodes)
        CN_BUG("%s: the scan saw %zu values, cJSON %zu", name, d->n_nodes, attached);
    st = check_tree(&s, d);
    if (st == CN_OK) {
        *out = d;
        d = NULL;
    }
out:
    cn_free(s.nodes);
    cn_json_free(d);
    return st;
}

cn_status cn_json_read(const char *path, struct cn_json_doc **out, struct cn_err *err)
{
    struct cn_buf b;
    cn_status st;

    *out = NULL;
    cn_buf_init(&b, CN_CAP_FILE);
    st = cn_file_read(path, CN_CAP_FILE, &b, err);
    if (st == CN_OK)
        st = cn_json_parse(path, cn_buf_str(&b), b.len, out, err);
    cn_buf_clear(&b);
    return st;
}

void cn_json_free(struct cn_json_doc *doc)
{
    if (!doc)
        return;
    cJSON_Delete(doc->tree);
    cn_free(doc->nodes);
    cn_free(doc->text);
    cn_free(doc);
}

/* ---- 3. getters ---- */

const struct cn_json *cn_json_root(const struct cn_json_doc *doc)
{
    return doc ? doc->nodes : NULL;
}

cn_json_type cn_json_kind(const struct cn_json *v)
{
    if (!v || cJSON_IsNull(v->item))
        return CN_JSON_NULL;
    if (cJSON_IsBool(v->item))
        return CN_JSON_BOOL;
    if (cJSON_IsNumber(v->item))
        return CN_JSON_NUMBER;
    if (cJSON_IsString(v->item))
        return CN_JSON_STRING;
    return cJSON_IsArray(v->item) ? CN_JSON_ARRAY : CN_JSON_OBJECT;
}

static const struct cn_json *get_span(const struct cn_json *object, const char *key, size_t n)
{
    if (cn_json_kind(object) != CN_JSON_OBJECT)
        return NULL;
    for (const struct cn_json *m = object->first; m; m = m->next)
        if (strncmp(m->item->string, key, n) == 0 && m->item->string[n] == '\0')
            return m;
    return NULL;
}

const struct cn_json *cn_json_get(const struct cn_json *object, const char *key)
{
    return key ? get_span(object, key, strlen(key)) : NULL;
}

const struct cn_json *cn_json_path(const struct cn_json *object, const char *dotted)
{
    while (object && dotted) {
        size_t n = strcspn(dotted, ".");

        object = get_span(object, dotted, n);
        dotted = dotted[n] ? dotted + n + 1 : NULL;
    }
    return object;
}

int64_t cn_json_count(const struct cn_json *v)
{
    return v ? v->count : 0;
}

const struct cn_json *cn_json_at(const struct cn_json *array, int64_t i)
{
    const struct cn_json *v;

    if (cn_json_kind(array) != CN_JSON_ARRAY || i < 0 || i >= array->count)
        return NULL;
    for (v = array->first; i > 0; i--)
        v = v->next;
    return v;
}

const struct cn_json *cn_json_first(const struct cn_json *v)
{
    return v ? v->first : NULL;
}

const struct cn_json *cn_json_next(const struct cn_json *v)
{
    return v ? v->next : NULL;
}

const char *cn_json_name(const struct cn_json *member)
{
    return member ? member->item->string : NULL;
}

bool cn_json_number(const struct cn_json *v, double *out)
{
    *out = 0;
    if (cn_json_kind(v) != CN_JSON_NUMBER)
        return false;
    *out = v->item->valuedouble;
    return true;
}

bool cn_json_int64(const struct cn_json *v, int64_t *out)
{
    /* 2^53: beyond it 1.5e18 need not be what was meant. */
    const double exact = 9007199254740992.0;
    double x;

    *out = 0;
    if (!cn_json_number(v, &x))
        return false;
    if (!strpbrk(v->raw, ".eE"))
        return cn_text_parse_int64(v->raw, out);
    if (x != floor(x) || fabs(x) > exact)
        return false;
    *out = (int64_t)x;
    return true;
}

bool cn_json_bool(const struct cn_json *v, bool *out)
{
    *out = false;
    if (cn_json_kind(v) != CN_JSON_BOOL)
        return false;
    *out = cJSON_IsTrue(v->item) != 0;
    return true;
}

const char *cn_json_string(const struct cn_json *v)
{
    return cn_json_kind(v) == CN_JSON_STRING ? v->item->valuestring : NULL;
}

const char *cn_json_raw_number(const struct cn_json *v)
{
    return cn_json_kind(v) == CN_JSON_NUMBER ? v->raw : NULL;
}

static bool flatten(const struct cn_json *v, double *out, int64_t n, int64_t *at)
{
    bool good = true;

    switch (cn_json_kind(v)) {
    case CN_JSON_ARRAY:
        for (const struct cn_json *c = v->first; good && c; c = c->next)
            good = flatten(c, out, n, at);
        return good;
    case CN_JSON_NUMBER:
    case CN_JSON_NULL:
        if (*at >= n)
            return false;
        out[(*at)++] = v->raw ? v->item->valuedouble : (double)NAN;
        return true;
    default:
        return false;
    }
}

bool cn_json_doubles(const struct cn_json *array, double *out, int64_t n)
{
    int64_t at = 0;

    return cn_json_kind(array) == CN_JSON_ARRAY && flatten(array, out, n, &at) && at == n;
}

#include "base/banned.h"
