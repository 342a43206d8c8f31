/* Small parsers over parts of a line. They never look outside their part and never fail: no
 * match is an answer. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/banned.h"
#include "base/text.h"
#include "logs/read_int.h"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

struct cn_words cn_read_words_after(struct cn_words w, size_t n)
{
    return n < w.n ? (struct cn_words){w.p + n, w.n - n} : (struct cn_words){w.p + w.n, 0};
}

struct cn_words cn_read_words_trim(struct cn_words w)
{
    while (w.n && is_blank(w.p[0]))
        w = cn_read_words_after(w, 1);
    while (w.n && is_blank(w.p[w.n - 1]))
        w.n--;
    return w;
}

bool cn_read_words_start(struct cn_words w, const char *prefix)
{
    size_t n = strlen(prefix);

    return w.n >= n && memcmp(w.p, prefix, n) == 0;
}

int cn_read_words_heading(struct cn_words w, struct cn_words *out_text)
{
    size_t k = 0;

    while (k < w.n && w.p[k] == '#')
        k++;
    *out_text = w;
    if (k < 1 || k > 6 || k >= w.n || !is_blank(w.p[k]))
        return 0;
    *out_text = cn_read_words_trim(cn_read_words_after(w, k));
    return (int)k;
}

int64_t cn_read_words_id(struct cn_words *w)
{
    int64_t id = 0;
    size_t n = 0;

    while (n < w->n && is_digit(w->p[n])) {
        id = n < 10 ? id * 10 + (w->p[n] - '0') : id;
        n++;
    }
    if (n == 0 || n > 9 || id == 0)
        return 0;
    *w = cn_read_words_after(*w, n);
    return id;
}

static size_t digits(struct cn_words w, size_t from)
{
    size_t n = from;

    while (n < w.n && is_digit(w.p[n]))
        n++;
    return n - from;
}

size_t cn_read_words_number(struct cn_words w, double *out)
{
    char text[64];
    size_t n = 0, whole, part = 0;

    *out = (double)NAN;
    if (w.n >= 3 && strncasecmp(w.p, "nan", 3) == 0 && (w.n == 3 || !is_word(w.p[3])))
        return 3;
    if (n < w.n && (w.p[n] == '-' || w.p[n] == '+'))
        n++;
    whole = digits(w, n);
    n += whole;
    if (n < w.n && w.p[n] == '.') {
        part = digits(w, n + 1);
        n += whole + part ? 1 + part : 0;
    }
    if (whole + part == 0)
        return 0;
    if (n < w.n && (w.p[n] == 'e' || w.p[n] == 'E')) {
        size_t sign = n + 1 < w.n && (w.p[n + 1] == '-' || w.p[n + 1] == '+');
        size_t exponent = digits(w, n + 1 + sign);
        n += exponent ? 1 + sign + exponent : 0;
    }
    if (n >= sizeof(text))
        return 0;
    memcpy(text, w.p, n);
    text[n] = '\0';
    /* "5." and "+5" are numbers for Python, not for a strict parser. */
    char *t = text[0] == '+' ? text + 1 : text;
    if (text[n - 1] == '.')
        text[n - 1] = '\0';
    return cn_text_parse_double(t, out) && isfinite(*out) ? n : 0;
}

static struct cn_words up_to_comma(struct cn_words w)
{
    size_t n = 0;
    bool quoted = false;
    int depth = 0;

    for (; n < w.n; n++) {
        char c = w.p[n];
        if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '[' || c == '('))
            depth++;
        else if (!quoted && (c == ']' || c == ')') && depth)
            depth--;
        else if (c == ',' && !quoted && !depth)
            break;
    }
    return (struct cn_words){w.p, n};
}

static struct cn_words unquote(struct cn_words w)
{
    if (w.n >= 2 && w.p[0] == '"' && w.p[w.n - 1] == '"')
        return (struct cn_words){w.p + 1, w.n - 2};
    return w;
}

bool cn_read_words_value(struct cn_words line, const char *key, struct cn_words *out,
                         bool *out_loose)
{
    size_t k = strlen(key);

    *out = (struct cn_words){line.p, 0};
    for (size_t i = 0; i + k < line.n; i++) {
        if (memcmp(line.p + i, key, k) != 0 || (i && is_word(line.p[i - 1])))
            continue;
        struct cn_words rest = cn_read_words_after(line, i + k);
        struct cn_words value = cn_read_words_trim(rest);
        if (value.n == 0 || (value.p[0] != '=' && value.p[0] != ':'))
            continue;
        *out_loose = rest.p[0] != '=';
        *out = unquote(cn_read_words_trim(up_to_comma(cn_read_words_after(value, 1))));
        return true;
    }
    return false;
}

bool cn_read_words_pair(struct cn_words *list, struct cn_words *out_key,
                        struct cn_words *out_value, bool *out_loose)
{
    while (list->n) {
        struct cn_words part = up_to_comma(*list);
        *list = cn_read_words_after(*list, part.n + 1);
        const char *sep = part.n ? memchr(part.p, '=', part.n) : NULL;
        bool loose = !sep;
        if (!sep && part.n)
            sep = memchr(part.p, ':', part.n);
        if (!sep)
            continue;
        size_t n = (size_t)(sep - part.p);
        *out_key = cn_read_words_trim((struct cn_words){part.p, n});
        *out_value = unquote(cn_read_words_trim(cn_read_words_after(part, n + 1)));
        *out_loose = loose || out_key->n != n || (out_key->p != part.p && part.p[0] != ' ');
        /* ", k=v": one space before the key is how the list is written. */
        if (!loose && out_key->n && out_key->p + out_key->n == sep)
            *out_loose = false;
        if (out_key->n)
            return true;
    }
    return false;
}

bool cn_read_words_quotes_metric(struct cn_words line, const char *name)
{
    size_t k = strlen(name);
    double x;

    for (size_t i = 0; k && i + k + 1 < line.n; i++)
        if (memcmp(line.p + i, name, k) == 0 && line.p[i + k] == '=' &&
            cn_read_words_number(cn_read_words_after(line, i + k + 1), &x))
            return true;
    return false;
}

/* "- **Mutation:** x", "> Node: ...", "* Next: ..." to what they mean. The bold marks are taken
 * out of the first part only, up to the first colon or two bytes beyond. */
bool cn_read_words_plain(struct cn_words *line, struct cn_buf *scratch)
{
    struct cn_words w = cn_read_words_trim(*line);
    bool changed = w.n != line->n && w.p != line->p;

    while (w.n > 1 && strchr("-*+>", w.p[0]) && is_blank(w.p[1])) {
        w = cn_read_words_trim(cn_read_words_after(w, 1));
        changed = true;
    }
    if (cn_read_words_start(w, "**") || cn_read_words_start(w, "__")) {
        char mark = w.p[0];
        const char *colon = memchr(w.p, ':', w.n);
        size_t head = colon ? (size_t)(colon - w.p) + 3 : w.n;
        cn_buf_reset(scratch);
        for (size_t i = 0; i < w.n; i++)
            if (!(w.p[i] == mark && i < head &&
                  ((i + 1 < w.n && w.p[i + 1] == mark) || (i && w.p[i - 1] == mark))))
                cn_buf_addc(scratch, w.p[i]);
        w = cn_read_words_trim((struct cn_words){cn_buf_str(scratch), scratch->len});
        changed = true;
    }
    *line = w;
    return changed;
}
