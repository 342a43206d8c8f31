/* Numbers, ranges and lists of values as people write them. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "protocols/protocol_int.h"
#include "protocols/words.h"

/* A number at s, the first byte behind it in *end. */
bool protocol_number_at(const char *s, double *out, const char **end)
{
    char digits[CN_NUM_TEXT];
    size_t n = 0;

    if (s[n] == '+' || s[n] == '-')
        n++;
    n += strspn(s + n, "0123456789");
    if (s[n] == '.' && s[n + 1] != '.')
        n += 1 + strspn(s + n + 1, "0123456789");
    if (s[n] == 'e' || s[n] == 'E') {
        size_t k = n + 1 + (s[n + 1] == '+' || s[n + 1] == '-');
        size_t digits_n = strspn(s + k, "0123456789");

        if (digits_n > 0)
            n = k + digits_n;
    }
    if (n == 0 || n >= sizeof(digits))
        return false;
    memcpy(digits, s, n);
    digits[n] = '\0';
    *end = s + n;
    return cn_text_parse_double(digits[0] == '+' ? digits + 1 : digits, out) && isfinite(*out);
}

bool protocol_whole_number(const char *s, double *out)
{
    const char *end;

    return protocol_number_at(s, out, &end) && *end == '\0';
}

/* "LO to HI", "LO - HI", "LO..HI", "[LO, HI]"; what follows must be nothing or a remark. */
bool protocol_range(const char *s, double *lo, double *hi)
{
    bool bracket;

    s = protocol_skip_space(s);
    bracket = *s == '[';
    s = protocol_skip_space(s + bracket);
    if (!protocol_number_at(s, lo, &s))
        return false;
    s = protocol_skip_space(s);
    if ((cn_words_start(s, "to") && cn_words_is_space(s[2])) || (s[0] == '.' && s[1] == '.'))
        s += 2;
    else if (*s == '-' || (bracket && *s == ','))
        s += 1;
    else
        return false;
    if (!protocol_number_at(protocol_skip_space(s), hi, &s))
        return false;
    s = protocol_skip_space(s);
    if (bracket)
        return *s == ']';
    return *s == '\0' || strchr("(,;.", *s) != NULL;
}

bool protocol_same_value(const char *a, const char *b)
{
    double x, y;

    return strcmp(a, b) == 0 || (protocol_whole_number(a, &x) && protocol_whole_number(b, &y) &&
                                 !(x < y) && !(x > y));
}

cn_status protocol_values(struct parser *ps, const char *s, size_t n, const char ***out,
                          int32_t *out_n)
{
    if (!*out)
        *out = cn_arena_alloc(&ps->p->arena, PROTOCOL_VALUES, sizeof(**out));
    if (!*out)
        return protocol_no_memory(ps);
    while (n > 0 && *out_n < PROTOCOL_VALUES) {
        size_t len = 0;
        const char *word;

        while (len < n && s[len] != ',')
            len++;
        word = cn_words_value(&ps->p->arena, s, len);
        if (!word)
            return protocol_no_memory(ps);
        if (word[0])
            (*out)[(*out_n)++] = word;
        if (len < n)
            len++;
        s += len;
        n -= len;
    }
    return CN_OK;
}
