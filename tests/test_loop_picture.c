/* harness/loop/picture: figures made small enough for a model. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/caps.h"
#include "harness/loop/picture.h"
#include "tests/support/picture.h"

static struct cn_buf png, out;
static struct cn_err err;

static void set_up(void)
{
    cn_buf_init(&png, CN_CAP_TEXT);
    cn_buf_init(&out, CN_CAP_TEXT);
}

static void tear_down(void)
{
    cn_buf_clear(&png);
    cn_buf_clear(&out);
}

TestSuite(loop_picture, .init = set_up, .fini = tear_down, .timeout = 60);

static uint32_t stripes(uint32_t x, uint32_t y)
{
    return (x / 2 + y / 2) % 2 ? 0xffffff : 0;
}

static uint32_t ramp(uint32_t x, uint32_t y)
{
    return (x % 256) << 16 | (y % 256) << 8 | 0x40;
}

static uint32_t clear(uint32_t x, uint32_t y)
{
    (void)x;
    (void)y;
    return 0xff000000; /* black that nobody sees */
}

static double mean(const struct cn_buf *b)
{
    uint32_t w, h, *p = picture_pixels(b, &w, &h);
    double sum = 0;

    for (uint32_t i = 0; i < w * h; i++)
        sum += (p[i] >> 16 & 255) + (p[i] >> 8 & 255) + (p[i] & 255);
    cn_free(p);
    return sum / (3.0 * w * h);
}

Test(loop_picture, what_keeps_the_limits_stays_as_it_is)
{
    picture_make(1200, 900, ramp, &png);
    cr_assert_eq(cn_picture_fit(png.data, png.len, &out, &err), CN_OK, "%s", err.text);
    cr_assert_eq(out.len, png.len);
    cr_assert_eq(memcmp(out.data, png.data, png.len), 0);
}

Test(loop_picture, a_long_side_and_many_pixels_are_scaled_in_proportion)
{
    static const uint32_t sizes[][2] = {
        {2400, 1800}, {3136, 100}, {90, 4000}, {1569, 1}, {1600, 1600}};

    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        uint32_t w, h;

        picture_make(sizes[i][0], sizes[i][1], ramp, &png);
        cr_assert_eq(cn_picture_fit(png.data, png.len, &out, &err), CN_OK, "%s", err.text);
        cr_assert_eq(cn_picture_size(out.data, out.len, &w, &h, &err), CN_OK);
        cr_assert(w <= CN_PICTURE_SIDE && h <= CN_PICTURE_SIDE, "%u x %u", w, h);
        cr_assert_leq((uint64_t)w * h, CN_PICTURE_PIXELS);
        cr_assert_float_eq((double)w / h, (double)sizes[i][0] / sizes[i][1],
                           0.03 * sizes[i][0] / sizes[i][1] + 0.03, "%u x %u", w, h);
    }
}

Test(loop_picture, averaging_keeps_the_mean_and_takes_whole_boxes)
{
    uint32_t w, h, *p;

    picture_make(3136, 32, stripes,
                 &png); /* half as large: boxes of 2 x 2, of one colour each */
    cr_assert_eq(cn_picture_fit(png.data, png.len, &out, &err), CN_OK, "%s", err.text);
    p = picture_pixels(&out, &w, &h);
    cr_assert(w == 1568 && h == 16);
    for (uint32_t i = 0; i < w * h; i++)
        cr_assert_eq(p[i], (i % w + i / w) % 2 ? 0xffffffu : 0u, "pixel %u", i);
    cn_free(p);
    picture_make(2111, 1777, ramp, &png); /* no whole ratio */
    cr_assert_eq(cn_picture_fit(png.data, png.len, &out, &err), CN_OK, "%s", err.text);
    cr_assert_float_eq(mean(&out), mean(&png), 0.5);
}

Test(loop_picture, what_is_transparent_becomes_white)
{
    picture_make(2000, 1000, clear, &png);
    cr_assert_eq(cn_picture_fit(png.data, png.len, &out, &err), CN_OK, "%s", err.text);
    cr_assert_float_eq(mean(&out), 255, 1e-9);
}

Test(loop_picture, what_is_broken_is_refused)
{
    picture_make(64, 48, ramp, &png);
    cr_assert_eq(cn_picture_fit("hello", 5, &out, &err), CN_EINPUT);
    for (size_t n = 0; n + 20 < png.len; n += 7) /* without its end it is still being written */
        cr_assert_eq(cn_picture_fit(png.data, n, &out, &err), CN_EINPUT, "%zu bytes of %zu", n,
                     png.len);
    memset(png.data + 16, 0x7f, 8);
    cr_assert_eq(cn_picture_fit(png.data, png.len, &out, &err), CN_ECAP, "%s", err.text);
    cr_assert_eq(out.len, 0);
}
