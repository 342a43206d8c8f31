#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"

enum { FIRST_ROOM = 64 };

void cn_buf_init(struct cn_buf *b, size_t cap)
{
    b->data = NULL;
    b->len = 0;
    b->room = 0;
    b->cap = cap;
    b->status = CN_OK;
}

void cn_buf_clear(struct cn_buf *b)
{
    cn_free(b->data);
    cn_buf_init(b, b->cap);
}

void cn_buf_reset(struct cn_buf *b)
{
    b->len = 0;
    b->status = CN_OK;
    if (b->data)
        b->data[0] = '\0';
}

cn_status cn_buf_status(const struct cn_buf *b)
{
    return b->status;
}

const char *cn_buf_str(const struct cn_buf *b)
{
    return b->data ? b->data : "";
}

/* Room for n more bytes and the NUL. False, with the sticky status set, when that cannot be. */
static bool reserve(struct cn_buf *b, size_t n)
{
    size_t want, room;
    char *data;

    if (b->status != CN_OK)
        return false;
    if (n > b->cap - b->len || b->cap > SIZE_MAX / 4) {
        b->status = CN_ECAP;
        return false;
    }
    want = b->len + n + 1;
    if (want <= b->room)
        return true;
    room = b->room ? b->room * 2 : FIRST_ROOM;
    if (room < want)
        room = want;
    if (room > b->cap + 1)
        room = b->cap + 1;
    data = cn_realloc(b->data, room, 1);
    if (!data) {
        b->status = CN_ENOMEM;
        return false;
    }
    b->data = data;
    b->room = room;
    return true;
}

void cn_buf_add(struct cn_buf *b, const void *bytes, size_t n)
{
    if (!reserve(b, n))
        return;
    if (n > 0)
        memcpy(b->data + b->len, bytes, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void cn_buf_addc(struct cn_buf *b, char c)
{
    cn_buf_add(b, &c, 1);
}

void cn_buf_adds(struct cn_buf *b, const char *s)
{
    cn_buf_add(b, s, strlen(s));
}

void cn_buf_printf(struct cn_buf *b, const char *fmt, ...)
{
    va_list args, again;
    int n;

    if (b->status != CN_OK)
        return;
    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    if (n < 0) {
        b->status = CN_EINPUT; /* only an undecodable wide character does this */
    } else if (reserve(b, (size_t)n)) {
        (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, again); /* measured above */
        b->len += (size_t)n;
    }
    va_end(again);
    va_end(args);
}

char *cn_buf_take(struct cn_buf *b)
{
    char *data;

    cn_buf_add(b, "", 0); /* an empty buffer gives an empty string, not NULL */
    if (b->status != CN_OK)
        return NULL;
    data = b->data;
    cn_buf_init(b, b->cap);
    return data;
}
