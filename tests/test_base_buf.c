#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/buf.h"

Test(base_buf, text_is_built_and_terminated)
{
    struct cn_buf b;
    int i;

    cn_buf_init(&b, 1 << 20);
    cr_assert_str_eq(cn_buf_str(&b), "");
    for (i = 0; i < 1000; i++)
        cn_buf_printf(&b, "%d,", i % 10);
    cn_buf_adds(&b, "end");
    cn_buf_addc(&b, '.');
    cn_buf_add(&b, "\0x", 2);
    cr_assert_eq(cn_buf_status(&b), CN_OK);
    cr_assert_eq(b.len, 2006);
    cr_assert_eq(memcmp(b.data + 2000, "end.\0x\0", 7), 0);
    cn_buf_clear(&b);
    cr_assert_null(b.data);
    cr_assert_eq(b.cap, 1 << 20);
}

Test(base_buf, ceiling_is_exact_and_sticks)
{
    struct cn_buf b;

    cn_buf_init(&b, 5);
    cn_buf_adds(&b, "12345");
    cr_assert_eq(cn_buf_status(&b), CN_OK);
    cn_buf_adds(&b, "");
    cr_assert_eq(cn_buf_status(&b), CN_OK);
    cn_buf_addc(&b, '6');
    cr_assert_eq(cn_buf_status(&b), CN_ECAP);
    cn_buf_reset(&b);
    cr_assert_eq(cn_buf_status(&b), CN_OK);
    cn_buf_printf(&b, "%s", "123456");
    cr_assert_eq(cn_buf_status(&b), CN_ECAP);
    cn_buf_adds(&b, "1");
    cr_assert_eq(b.len, 0, "an append after the error is a no-op");
    cr_assert_null(cn_buf_take(&b));
    cn_buf_clear(&b);
    cr_assert_eq(cn_buf_status(&b), CN_OK);
}

Test(base_buf, no_memory_sticks)
{
    struct cn_buf b;

    cn_buf_init(&b, 1000);
    cn_buf_adds(&b, "kept");
    cn_alloc_fail_nth(1);
    cn_buf_printf(&b, "%500d", 1);
    cr_assert_eq(cn_buf_status(&b), CN_ENOMEM);
    cr_assert_str_eq(cn_buf_str(&b), "kept");
    cn_buf_adds(&b, "more");
    cr_assert_str_eq(cn_buf_str(&b), "kept");
    cn_buf_clear(&b);
}

Test(base_buf, take_hands_over)
{
    int64_t live = cn_alloc_live();
    struct cn_buf b;
    char *s;

    cn_buf_init(&b, 100);
    cn_buf_adds(&b, "mine");
    s = cn_buf_take(&b);
    cr_assert_str_eq(s, "mine");
    cr_assert_eq(b.len, 0);
    cn_free(s);
    s = cn_buf_take(&b);
    cr_assert_str_eq(s, "");
    cn_free(s);
    cr_assert_eq(cn_alloc_live(), live);
}
