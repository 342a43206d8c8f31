/* An arena per natural life: one exchange, one iteration, one document. Freed whole.
 *
 *     struct cn_arena a;
 *     cn_arena_init(&a, CN_CAP_ARENA);
 *     char *s = cn_arena_strdup(&a, text);     // NULL when out of memory or over the ceiling
 *     cn_arena_clear(&a);                      // frees everything; the arena can be used again
 */
#ifndef CN_BASE_ARENA_H
#define CN_BASE_ARENA_H

#include <stddef.h>

#include "base/status.h"

struct cn_arena_block;

struct cn_arena {
    struct cn_arena_block *head; /* owned chain, newest first */
    size_t used;                 /* bytes handed out */
    size_t cap;                  /* ceiling for `used` */
};

void cn_arena_init(struct cn_arena *a, size_t cap);
void cn_arena_clear(struct cn_arena *a);
void *cn_arena_alloc(struct cn_arena *a, size_t n, size_t size); /* zeroed, 16-byte aligned */
char *cn_arena_strdup(struct cn_arena *a, const char *s);
char *cn_arena_strndup(struct cn_arena *a, const char *s, size_t n);
char *cn_arena_printf(struct cn_arena *a, const char *fmt, ...) CN_PRINTF(2, 3);

#endif
