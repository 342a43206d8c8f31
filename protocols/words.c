/* Marks removed, signs spelled; see words.h. */
#include "protocols/words.h"

#include <string.h>

#include "base/banned.h"

static const struct {
    const char *sign, *ascii;
} signs[] = {
    {"\xc2\xb2", "2"},                             /* superscript two */
    {"\xe2\x89\xa5", ">="},                        /* greater or equal */
    {"\xe2\x89\xa4", "<="},                        /* less or equal */
    {"\xc2\xb1", "+/-"},                           /* plus minus */
    {"\xe2\x80\x93", "-"},                         /* en dash */
    {"\xe2\x80\x94", "-"},                         /* em dash */
    {"\xe2\x88\x92", "-"},                         /* minus */
    {"\xe2\x86\x92", "->"},                        /* arrow */
    {"\xc2\xa0", " "},                             /* no-break space */
    {"\xe2\x80\x9c", "\""},                        /* curly quotes */
    {"\xe2\x80\x9d", "\""}, {"\xe2\x80\xa2", "-"}, /* bullet */
};

bool cn_words_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool cn_words_is_name(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '_' || c == '-';
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool cn_words_start(const char *s, const char *prefix)
{
    for (; *prefix; s++, prefix++)
        if (lower(*s) != lower(*prefix))
            return false;
    return true;
}

bool cn_words_same(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && cn_words_start(a, b);
}

const char *cn_words_find(const char *s, const char *sub)
{
    for (; *s; s++)
        if (cn_words_start(s, sub))
            return s;
    return NULL;
}

const char *cn_words_trim(struct cn_arena *a, const char *s, size_t n)
{
    while (n > 0 && cn_words_is_space(s[n - 1]))
        n--;
    while (n > 0 && cn_words_is_space(*s)) {
        s++;
        n--;
    }
    return cn_arena_strndup(a, s, n);
}

const char *cn_words_value(struct cn_arena *a, const char *s, size_t n)
{
    const char *t = cn_words_trim(a, s, n);
    size_t len = t ? strlen(t) : 0;

    if (len >= 2 && t[0] == t[len - 1] && strchr("\"'`", t[0]))
        return cn_arena_strndup(a, t + 1, len - 2);
    return t;
}

/* Length of the sign at s, its spelling in *ascii; 0 when there is none. */
static size_t sign_at(const char *s, size_t n, const char **ascii)
{
    if ((unsigned char)*s < 0x80) /* no sign begins with ASCII */
        return 0;
    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        size_t len = strlen(signs[i].sign);

        if (len <= n && memcmp(s, signs[i].sign, len) == 0) {
            *ascii = signs[i].ascii;
            return len;
        }
    }
    return 0;
}

/* "__bold__": the marks stand where a word begins or ends; "coeff__x" keeps its own. */
static bool is_bold_mark(const char *s, size_t n, size_t i)
{
    bool before = i == 0 || !cn_words_is_name(s[i - 1]);
    bool after = i + 2 >= n || !cn_words_is_name(s[i + 2]);

    return i + 1 < n && s[i] == '_' && s[i + 1] == '_' && (before || after);
}

const char *cn_words_plain(struct cn_arena *a, const char *s, size_t n)
{
    char *out = cn_arena_alloc(a, n * 2 + 1, 1); /* a sign of 2 or 3 bytes becomes at most 3 */
    size_t w = 0;
    bool gap = false;

    if (!out)
        return NULL;
    for (size_t i = 0; i < n;) {
        const char *ascii = NULL;
        char one[2] = {s[i], '\0'};
        size_t len = sign_at(s + i, n - i, &ascii);

        if (is_bold_mark(s, n, i)) {
            i += 2;
            continue;
        }
        if (s[i] == '*' || s[i] == '`') {
            i++;
            continue;
        }
        i += len > 0 ? len : 1;
        if (cn_words_is_space(one[0]) || (ascii && ascii[0] == ' ')) {
            gap = w > 0;
            continue;
        }
        if (gap)
            out[w++] = ' ';
        gap = false;
        for (const char *p = ascii ? ascii : one; *p; p++)
            out[w++] = *p;
    }
    out[w] = '\0';
    return out;
}
