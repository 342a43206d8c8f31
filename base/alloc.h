/* Allocation with checked products, a live count, and a fault seam.
 *
 * A product that overflows returns NULL, like exhausted memory. A request for zero bytes is a
 * bug of the caller (CN_BUG): ask for at least one. All of cairn allocates through here
 * (outside libraries do not).
 */
#ifndef CN_BASE_ALLOC_H
#define CN_BASE_ALLOC_H

#include <stddef.h>
#include <stdint.h>

/* n*size zeroed bytes, or NULL (overflow, no memory, or an injected fault). n and size must
 * be > 0. */
void *cn_alloc(size_t n, size_t size);
/* Grow or shrink; the new tail is NOT zeroed. On failure NULL and `p` stays valid. */
void *cn_realloc(void *p, size_t n, size_t size);
/* Zeroed, aligned to 64 bytes (a cache line, an AVX-512 register). Free with cn_free. */
void *cn_alloc_aligned(size_t n, size_t size);
void cn_free(void *p); /* NULL is fine */
char *cn_strdup(const char *s);
char *cn_strndup(const char *s, size_t n);

/* Seams for tests and for "a step allocates nothing". */
/* The nth call from now (1 = next) fails, once; 0 = never. */
void cn_alloc_fail_nth(int64_t nth);
int64_t cn_alloc_count(void); /* allocations so far, all threads */
int64_t cn_alloc_live(void);  /* blocks not freed yet */

#endif
