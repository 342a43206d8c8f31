#include <signal.h>
#include <stdint.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/arena.h"

Test(base_alloc, memory_is_zeroed_and_counted)
{
    int64_t live = cn_alloc_live(), count = cn_alloc_count();
    unsigned char *p = cn_alloc(1000, 3);
    int i, sum = 0;

    cr_assert_not_null(p);
    for (i = 0; i < 3000; i++)
        sum |= p[i];
    cr_assert_eq(sum, 0);
    cr_assert_eq(cn_alloc_live(), live + 1);
    cr_assert_eq(cn_alloc_count(), count + 1);
    cn_free(p);
    cn_free(NULL);
    cr_assert_eq(cn_alloc_live(), live);
}

Test(base_alloc, overflowing_products_are_refused)
{
    int64_t live = cn_alloc_live();

    cr_assert_null(cn_alloc(SIZE_MAX / 2, 3));
    cr_assert_null(cn_alloc((size_t)1 << 32, (size_t)1 << 32));
    cr_assert_null(cn_alloc_aligned(SIZE_MAX, 1));
    cr_assert_null(cn_realloc(NULL, SIZE_MAX / 8 + 1, 8));
    cr_assert_eq(cn_alloc_live(), live);
}

Test(base_alloc, zero_bytes_are_a_bug, .signal = SIGABRT)
{
    cn_free(cn_alloc(0, 8));
}

Test(base_alloc, realloc_keeps_content_and_live_count)
{
    int64_t live = cn_alloc_live();
    int *p = cn_realloc(NULL, 4, sizeof *p), *q;

    cr_assert_not_null(p);
    memcpy(p, (int[]){1, 2, 3, 4}, 4 * sizeof *p);
    q = cn_realloc(p, 1000, sizeof *q);
    cr_assert_not_null(q);
    cr_assert_eq(q[0] + q[1] + q[2] + q[3], 10);
    cr_assert_eq(cn_alloc_live(), live + 1);
    cn_free(q);
    cr_assert_eq(cn_alloc_live(), live);
}

Test(base_alloc, aligned_blocks_are_aligned_zeroed_and_freed_by_the_same_call)
{
    int64_t live = cn_alloc_live();
    size_t n;

    for (n = 1; n < 300; n += 7) {
        unsigned char *p = cn_alloc_aligned(n, 1);
        size_t i;

        cr_assert_not_null(p);
        cr_assert_eq((uintptr_t)p % 64, 0);
        for (i = 0; i < n; i++)
            cr_assert_eq(p[i], 0);
        memset(p, 255, n);
        cn_free(p);
    }
    cr_assert_eq(cn_alloc_live(), live);
}

Test(base_alloc, reused_memory_is_zeroed_again)
{
    size_t n;

    for (n = 64; n <= 1 << 16; n *= 2) {
        unsigned char *p[8];
        size_t i;
        int round, k;

        for (round = 0; round < 3; round++) {
            for (k = 0; k < 8; k++) {
                p[k] = cn_alloc_aligned(n, 1);
                cr_assert_not_null(p[k]);
                for (i = 0; i < n; i++)
                    cr_assert(p[k][i] == 0);
                memset(p[k], 255, n);
            }
            for (k = 0; k < 8; k++)
                cn_free(p[k]);
        }
    }
}

Test(base_alloc, the_nth_call_fails_once)
{
    void *a, *b;

    cn_alloc_fail_nth(2);
    a = cn_alloc(1, 1);
    cr_assert_not_null(a);
    cr_assert_null(cn_alloc(1, 1));
    b = cn_alloc(1, 1);
    cr_assert_not_null(b);
    cn_alloc_fail_nth(1);
    cr_assert_null(cn_realloc(b, 10, 1)); /* b stays valid */
    cn_alloc_fail_nth(1);
    cr_assert_null(cn_strdup("x"));
    cn_alloc_fail_nth(1);
    cn_alloc_fail_nth(0);
    cn_free(cn_strdup("y"));
    cn_free(a);
    cn_free(b);
}

Test(base_alloc, strings_are_copied)
{
    char *a = cn_strdup("abc"), *b = cn_strndup("abcdef", 2), *c = cn_strndup("ab", 9);

    cr_assert_str_eq(a, "abc");
    cr_assert_str_eq(b, "ab");
    cr_assert_str_eq(c, "ab");
    cn_free(a);
    cn_free(b);
    cn_free(c);
}

Test(base_arena, pieces_are_zeroed_aligned_apart_and_freed_whole)
{
    int64_t live = cn_alloc_live();
    struct cn_arena a;
    unsigned char *pieces[500];
    int i, k;

    cn_arena_init(&a, 1 << 20);
    for (i = 0; i < 500; i++) {
        size_t n = (size_t)(i * 37 % 911 + 1);

        pieces[i] = cn_arena_alloc(&a, n, 1);
        cr_assert_not_null(pieces[i]);
        cr_assert_eq((uintptr_t)pieces[i] % 16, 0);
        for (k = 0; k < (int)n; k++)
            cr_assert_eq(pieces[i][k], 0);
        memset(pieces[i], i & 255, n);
    }
    for (i = 0; i < 500; i++)
        for (k = 0; k < i * 37 % 911 + 1; k++)
            cr_assert_eq(pieces[i][k], i & 255);
    cr_assert_lt(cn_alloc_live(), live + 20); /* 500 pieces, few blocks */
    cn_arena_clear(&a);
    cr_assert_eq(cn_alloc_live(), live);
    cr_assert_eq(a.used, 0);
}

Test(base_arena, ceiling_overflow_and_no_memory_give_null)
{
    struct cn_arena a;

    cn_arena_init(&a, 100);
    cr_assert_not_null(cn_arena_alloc(&a, 60, 1)); /* rounded to 64 */
    cr_assert_null(cn_arena_alloc(&a, 60, 1));
    cr_assert_null(cn_arena_alloc(&a, SIZE_MAX / 2, 4));
    cr_assert_not_null(cn_arena_alloc(&a, 32, 1));
    cn_arena_clear(&a);
    cn_alloc_fail_nth(1);
    cr_assert_null(cn_arena_alloc(&a, 1, 1));
    cr_assert_not_null(cn_arena_alloc(&a, 1, 1));
    cn_arena_clear(&a);
}

Test(base_arena, strings_are_made)
{
    struct cn_arena a;

    cn_arena_init(&a, 1 << 20);
    cr_assert_str_eq(cn_arena_strdup(&a, "tau"), "tau");
    cr_assert_str_eq(cn_arena_strndup(&a, "tau_R2", 3), "tau");
    cr_assert_str_eq(cn_arena_printf(&a, "%s=%d", "n", 5), "n=5");
    cr_assert_str_eq(cn_arena_printf(&a, "%s", ""), "");
    cn_arena_clear(&a);
}
