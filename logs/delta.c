/* See delta.h. Blocks of the old text are found again wherever they stand, then grown both ways. */
#include "logs/delta.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"

enum { BLOCK = 48, SLOTS = 1 << 16 };

static uint32_t slot_of(const char *s)
{
    uint32_t x = 2166136261u;

    for (int i = 0; i < BLOCK; i++)
        x = (x ^ (unsigned char)s[i]) * 16777619u;
    return x % SLOTS;
}

static void put_words(const char *s, size_t n, struct cn_buf *out)
{
    if (n == 0)
        return;
    cn_buf_printf(out, "i %zu\n", n);
    cn_buf_add(out, s, n);
}

void cn_delta_make(const char *old, size_t n, const char *text, size_t m, struct cn_buf *out)
{
    uint32_t *at = cn_alloc(SLOTS, sizeof *at); /* offset + 1 of a block; 0: none */
    size_t from = 0, i = 0;                     /* text up to `from` is said */

    for (size_t k = 0; at && k + BLOCK <= n && k < UINT32_MAX; k += BLOCK)
        at[slot_of(old + k)] = (uint32_t)k + 1;
    while (at && i + BLOCK <= m) {
        size_t o = at[slot_of(text + i)], len = BLOCK;

        if (o == 0 || memcmp(old + o - 1, text + i, BLOCK) != 0) {
            i++;
            continue;
        }
        o--;
        while (o + len < n && i + len < m && old[o + len] == text[i + len])
            len++;
        while (o > 0 && i > from && old[o - 1] == text[i - 1]) {
            o--;
            i--;
            len++;
        }
        put_words(text + from, i - from, out);
        cn_buf_printf(out, "c %zu %zu\n", o, len);
        i += len;
        from = i;
    }
    put_words(text + from, m - from, out);
    cn_free(at);
}

/* Digits and the byte after them; false when there are none, or too many. */
static bool take_number(const char **s, const char *end, char after, size_t *out)
{
    const char *from = *s;

    *out = 0;
    for (; *s < end && **s >= '0' && **s <= '9' && *s - from < 12; ++*s)
        *out = *out * 10 + (size_t)(**s - '0');
    return *s > from && *s < end && *(*s)++ == after;
}

bool cn_delta_apply(const char *old, size_t n, const char *delta, size_t k, struct cn_buf *out)
{
    const char *s = delta, *end = delta + k;

    while (s < end) {
        char kind = *s++;
        size_t offset, len;

        if (s >= end || *s++ != ' ')
            return false;
        if (kind == 'c') {
            if (!take_number(&s, end, ' ', &offset) || !take_number(&s, end, '\n', &len) ||
                offset > n || len > n - offset)
                return false;
            cn_buf_add(out, old + offset, len);
        } else {
            if (kind != 'i' || !take_number(&s, end, '\n', &len) || len > (size_t)(end - s))
                return false;
            cn_buf_add(out, s, len);
            s += len;
        }
    }
    return cn_buf_status(out) == CN_OK;
}
