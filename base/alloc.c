#include "base/alloc.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/status.h"

enum { ALIGNMENT = 64 };

/* Plain statistics and a test seam: no other memory hangs on them, so relaxed order is
 * enough. */
static _Atomic int64_t n_calls;
static _Atomic int64_t n_live;
static _Atomic int64_t fail_in;

/* Counts one request. False when this is the one that a test asked to fail. */
static bool admit(void)
{
    atomic_fetch_add_explicit(&n_calls, 1, memory_order_relaxed);
    if (atomic_load_explicit(&fail_in, memory_order_relaxed) <= 0)
        return true;
    return atomic_fetch_sub_explicit(&fail_in, 1, memory_order_relaxed) != 1;
}

/* n*size into *out; false on overflow. */
static bool product(size_t n, size_t size, size_t *out)
{
    if (n == 0 || size == 0)
        CN_BUG("allocation of %zu elements of %zu bytes: ask for at least one byte", n, size);
    return !__builtin_mul_overflow(n, size, out) && *out <= PTRDIFF_MAX - ALIGNMENT;
}

static void *counted(void *p)
{
    if (p)
        atomic_fetch_add_explicit(&n_live, 1, memory_order_relaxed);
    return p;
}

void *cn_alloc(size_t n, size_t size)
{
    size_t bytes;

    if (!product(n, size, &bytes) || !admit())
        return NULL;
    return counted(calloc(1, bytes));
}

void *cn_realloc(void *p, size_t n, size_t size)
{
    size_t bytes;
    void *q;

    if (!product(n, size, &bytes) || !admit())
        return NULL;
    q = realloc(p, bytes);
    return p ? q : counted(q);
}

void *cn_alloc_aligned(size_t n, size_t size)
{
    size_t bytes;
    void *p;

    if (!product(n, size, &bytes) || !admit())
        return NULL;
    /* aligned_alloc wants a multiple. */
    bytes = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    p = aligned_alloc(ALIGNMENT, bytes);
    if (p)
        memset(p, 0, bytes);
    return counted(p);
}

void cn_free(void *p)
{
    if (!p)
        return;
    atomic_fetch_sub_explicit(&n_live, 1, memory_order_relaxed);
    free(p);
}

char *cn_strdup(const char *s)
{
    return cn_strndup(s, strlen(s));
}

char *cn_strndup(const char *s, size_t n)
{
    size_t len = strnlen(s, n);
    char *copy = cn_alloc(len + 1, 1);

    if (copy)
        memcpy(copy, s, len);
    return copy;
}

void cn_alloc_fail_nth(int64_t nth)
{
    atomic_store_explicit(&fail_in, nth, memory_order_relaxed);
}

int64_t cn_alloc_count(void)
{
    return atomic_load_explicit(&n_calls, memory_order_relaxed);
}

int64_t cn_alloc_live(void)
{
    return atomic_load_explicit(&n_live, memory_order_relaxed);
}
