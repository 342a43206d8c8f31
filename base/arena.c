#include "base/arena.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"

enum { GRAIN = 16, FIRST_BLOCK = 4096, LARGEST_BLOCK = 1 << 20 };

struct cn_arena_block {
    struct cn_arena_block *next; /* older */
    size_t room;                 /* bytes after this header */
    size_t used;
    size_t unused_; /* keeps the bytes after the header 16-byte aligned */
};
_Static_assert(sizeof(struct cn_arena_block) % GRAIN == 0, "the payload must stay aligned");

void cn_arena_init(struct cn_arena *a, size_t cap)
{
    a->head = NULL;
    a->used = 0;
    a->cap = cap;
}

void cn_arena_clear(struct cn_arena *a)
{
    struct cn_arena_block *b = a->head;

    while (b) {
        struct cn_arena_block *older = b->next;

        cn_free(b);
        b = older;
    }
    cn_arena_init(a, a->cap);
}

/* A block for at least `bytes`; each new block doubles, so a long document costs few
 * allocations. */
static struct cn_arena_block *grow(struct cn_arena *a, size_t bytes)
{
    size_t room = a->head ? a->head->room * 2 : FIRST_BLOCK;
    struct cn_arena_block *b;

    if (room > LARGEST_BLOCK)
        room = LARGEST_BLOCK;
    if (room < bytes)
        room = bytes;
    b = cn_alloc(1, sizeof *b + room);
    if (!b)
        return NULL;
    b->room = room;
    b->next = a->head;
    a->head = b;
    return b;
}

void *cn_arena_alloc(struct cn_arena *a, size_t n, size_t size)
{
    struct cn_arena_block *b = a->head;
    size_t bytes;
    char *p;

    if (n == 0 || size == 0)
        CN_BUG("arena allocation of %zu elements of %zu bytes: ask for at least one byte", n,
               size);
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > SIZE_MAX / 4)
        return NULL;
    bytes = (bytes + GRAIN - 1) / GRAIN * GRAIN;
    if (bytes > a->cap - a->used)
        return NULL;
    if (!b || b->room - b->used < bytes)
        b = grow(a, bytes);
    if (!b)
        return NULL;
    p = (char *)(b + 1) + b->used; /* never handed out before, so still zero from cn_alloc */
    b->used += bytes;
    a->used += bytes;
    return p;
}

char *cn_arena_strdup(struct cn_arena *a, const char *s)
{
    return cn_arena_strndup(a, s, strlen(s));
}

char *cn_arena_strndup(struct cn_arena *a, const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = cn_arena_alloc(a, len + 1, 1);

    if (copy)
        memcpy(copy, s, len);
    return copy;
}

char *cn_arena_printf(struct cn_arena *a, const char *fmt, ...)
{
    va_list args, again;
    char *text = NULL;
    int n;

    va_start(args, fmt);
    va_copy(again, args);
    n = vsnprintf(NULL, 0, fmt, args);
    if (n >= 0)
        text = cn_arena_alloc(a, (size_t)n + 1, 1);
    if (text)
        (void)vsnprintf(text, (size_t)n + 1, fmt, again); /* measured above */
    va_end(again);
    va_end(args);
    return text;
}
