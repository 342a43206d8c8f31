#include "base/text.h"

#include <errno.h>
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

/* Every number text here is written and read in the C locale: cairn never calls setlocale. */

static bool reads_back(const char *text, double x)
{
    return strtod(text, NULL) == x;
}

/* The fewest digits that read back. 15 always survive a normal double, so fewer can only be
 * trailing zeros, which %g drops; 17 always suffice. Subnormals carry fewer digits and start at
 * one. */
static void shortest(double x, char out[CN_NUM_TEXT])
{
    int digits = fabs(x) < DBL_MIN ? 1 : 15;

    do {
        cn_text_format(out, CN_NUM_TEXT, "%.*g", digits, x);
    } while (!reads_back(out, x) && ++digits <= 17);
}

const char *cn_text_double(double x, char out[CN_NUM_TEXT])
{
    if (isnan(x))
        cn_text_copy(out, CN_NUM_TEXT, "nan");
    else if (isinf(x))
        cn_text_copy(out, CN_NUM_TEXT, x > 0 ? "inf" : "-inf");
    else
        shortest(x, out);
    return out;
}

const char *cn_text_yaml_double(double x, char out[CN_NUM_TEXT])
{
    char plain[CN_NUM_TEXT];
    size_t mantissa;

    if (isnan(x)) {
        cn_text_copy(out, CN_NUM_TEXT, ".nan");
        return out;
    }
    if (isinf(x)) {
        cn_text_copy(out, CN_NUM_TEXT, x > 0 ? ".inf" : "-.inf");
        return out;
    }
    shortest(x, plain);
    mantissa = strcspn(plain, "e");
    if (memchr(plain, '.', mantissa))
        cn_text_copy(out, CN_NUM_TEXT, plain);
    else
        cn_text_format(out, CN_NUM_TEXT, "%.*s.0%s", (int)mantissa, plain, plain + mantissa);
    return out;
}

static const char *skip_digits(const char *s)
{
    while (*s >= '0' && *s <= '9')
        s++;
    return s;
}

static const char *skip_sign(const char *s)
{
    return *s == '+' || *s == '-' ? s + 1 : s;
}

/* [sign] digits [. digits] [e [sign] digits], with a digit on at least one side of the dot */
static bool is_decimal(const char *s)
{
    const char *whole = skip_sign(s);
    const char *p = skip_digits(whole);
    bool any = p > whole;

    if (*p == '.') {
        const char *fraction = p + 1;

        p = skip_digits(fraction);
        any = any || p > fraction;
    }
    if (any && (*p == 'e' || *p == 'E')) {
        const char *power = skip_sign(p + 1);

        p = skip_digits(power);
        any = p > power;
    }
    return any && *p == '\0';
}

static bool is_integer(const char *s)
{
    const char *digits = skip_sign(s);
    const char *p = skip_digits(digits);

    return p > digits && *p == '\0';
}

const char *cn_text_brief(double x, char out[CN_NUM_TEXT])
{
    const double size = fabs(x);

    if (x == 0 || !isfinite(x) || size < 1e-3 || size >= 1e4) {
        (void)snprintf(out, CN_NUM_TEXT, "%.3g", x);
        return out;
    }
    for (int decimals = 3; decimals <= 9; decimals++) {
        double shown = 0;
        (void)snprintf(out, CN_NUM_TEXT, "%.*f", decimals, x);
        (void)cn_text_parse_double(out, &shown);
        if (shown != rint(shown) || x == rint(x))
            break;
    }
    return out;
}

bool cn_text_parse_double(const char *s, double *out)
{
    double x;

    if (!is_decimal(s))
        return false;
    x = strtod(s, NULL);
    if (isinf(x))
        return false;
    *out = x; /* too small a number reads as the nearest one there is, which may be 0 */
    return true;
}

bool cn_text_parse_int64(const char *s, int64_t *out)
{
    long long x;

    if (!is_integer(s))
        return false;
    errno = 0;
    x = strtoll(s, NULL, 10);
    if (errno == ERANGE)
        return false;
    *out = x;
    return true;
}

bool cn_text_parse_uint64(const char *s, uint64_t *out)
{
    unsigned long long x;

    if (!is_integer(s) || *s == '-') /* strtoull would wrap a negative number round */
        return false;
    errno = 0;
    x = strtoull(s, NULL, 10);
    if (errno == ERANGE)
        return false;
    *out = x;
    return true;
}

/* Length of the valid character at s (n bytes there), 0 when there is none. RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF; all of these show in the first two
 * bytes. */
static size_t utf8_char(const unsigned char *s, size_t n)
{
    unsigned char low = 0x80, high = 0xBF;
    size_t len, i;

    if (s[0] < 0x80)
        return 1;
    if (s[0] < 0xC2 || s[0] > 0xF4)
        return 0;
    len = s[0] < 0xE0 ? 2 : s[0] < 0xF0 ? 3 : 4;
    if (len > n)
        return 0;
    if (s[0] == 0xE0)
        low = 0xA0;
    else if (s[0] == 0xED)
        high = 0x9F;
    else if (s[0] == 0xF0)
        low = 0x90;
    else if (s[0] == 0xF4)
        high = 0x8F;
    if (s[1] < low || s[1] > high)
        return 0;
    for (i = 2; i < len; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return len;
}

bool cn_text_utf8_valid(const char *s, size_t n)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t i = 0;

    while (i < n) {
        size_t len = utf8_char(p + i, n - i);

        if (len == 0)
            return false;
        i += len;
    }
    return true;
}

size_t cn_text_utf8_cut(const char *s, size_t n, size_t max)
{
    size_t cut = max;

    if (n <= max)
        return n;
    /* at most three bytes back; more continuation bytes than that are no UTF-8 and are cut
     * anywhere */
    while (cut > 0 && max - cut < 4 && ((unsigned char)s[cut] & 0xC0) == 0x80)
        cut--;
    return ((unsigned char)s[cut] & 0xC0) == 0x80 ? max : cut;
}

bool cn_text_starts(const char *s, const char *prefix)
{
    return strncmp(s, prefix, strlen(prefix)) == 0;
}

bool cn_text_ends(const char *s, const char *suffix)
{
    size_t n = strlen(s), m = strlen(suffix);

    return n >= m && memcmp(s + n - m, suffix, m) == 0;
}

enum { WORD_MAX = 127 }; /* longer words have no near name */

static int min2(int a, int b)
{
    return a < b ? a : b;
}

/* Insertions, deletions, substitutions and swaps of neighbours that turn a into b (no part
 * edited twice). Three rows of the usual table: d[i] needs rows i-1 and, for a swap, i-2. */
static int edit_distance(const char *a, int na, const char *b, int nb)
{
    int rows[3][WORD_MAX + 1];
    int i, j;

    for (j = 0; j <= nb; j++)
        rows[0][j] = j;
    for (i = 1; i <= na; i++) {
        int *row = rows[i % 3];
        const int *up = rows[(i + 2) % 3], *up2 = rows[(i + 1) % 3];

        row[0] = i;
        for (j = 1; j <= nb; j++) {
            row[j] = min2(min2(up[j], row[j - 1]) + 1, up[j - 1] + (a[i - 1] != b[j - 1]));
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                row[j] = min2(row[j], up2[j - 2] + 1);
        }
    }
    return rows[na % 3][nb];
}

int cn_text_nearest(const char *word, const char *const *names, int n)
{
    size_t len = strlen(word);
    int best = -1, best_d, i;

    if (len == 0 || len > WORD_MAX)
        return -1;
    best_d = len / 3 > 2 ? (int)len / 3 : 2;
    if (best_d > (int)len - 1)
        best_d = (int)len - 1; /* a name that shares nothing with the word is not near */
    best_d++;
    for (i = 0; i < n; i++) {
        size_t m = strlen(names[i]);
        int d;

        if (m > WORD_MAX)
            continue;
        d = edit_distance(word, (int)len, names[i], (int)m);
        if (d < best_d) {
            best = i;
            best_d = d;
        }
    }
    return best;
}

void cn_text_copy(char *dst, size_t room, const char *src)
{
    size_t n = strlen(src);

    if (n >= room)
        CN_BUG("text of %zu bytes for a buffer of %zu: \"%.80s\"", n, room, src);
    memcpy(dst, src, n + 1);
}

void cn_text_format(char *dst, size_t room, const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(dst, room, fmt, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room)
        CN_BUG("text of %d bytes for a buffer of %zu: \"%.80s\"", n, room, dst);
}
