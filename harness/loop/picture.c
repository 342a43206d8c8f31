/* See picture.h. */
#include "harness/loop/picture.h"

#include <math.h>
#include <png.h>
#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"

enum { CHANNELS = 3, HEAD = 24 };

static uint32_t big_endian(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

cn_status cn_picture_size(const void *png, size_t n, uint32_t *out_width, uint32_t *out_height,
                          struct cn_err *err)
{
    static const unsigned char signature[] = {0x89, 'P', 'N', 'G', 0x0d, 0x0a, 0x1a, 0x0a};
    const unsigned char *p = png;

    *out_width = *out_height = 0;
    if (n < HEAD || memcmp(p, signature, sizeof signature) != 0 ||
        memcmp(p + 12, "IHDR", 4) != 0)
        return cn_err_set(err, CN_EINPUT, "no PNG");
    *out_width = big_endian(p + 16);
    *out_height = big_endian(p + 20);
    if (*out_width == 0 || *out_height == 0)
        return cn_err_set(err, CN_EINPUT, "a PNG without a size");
    return CN_OK;
}

/* The size within the limits, in proportion. */
static void fit(uint32_t width, uint32_t height, uint32_t *to_width, uint32_t *to_height)
{
    double longest = width > height ? width : height,
           scale = fmin(1, fmin(CN_PICTURE_SIDE / longest,
                                sqrt(CN_PICTURE_PIXELS / ((double)width * height))));

    *to_width = (uint32_t)fmax(1, floor(width * scale));
    *to_height = (uint32_t)fmax(1, floor(height * scale));
}

/* What the pixels u of `from` and x of `to` share along one side, in units of 1/(from to). */
static uint64_t overlap(uint64_t u, uint64_t from, uint64_t x, uint64_t to)
{
    uint64_t lo = u * to > x * from ? u * to : x * from,
             hi = (u + 1) * to < (x + 1) * from ? (u + 1) * to : (x + 1) * from;

    return hi - lo;
}

/* Each pixel of `to` is the mean of the area that it covers, in whole numbers: the same bytes
 * everywhere. */
static void average(const unsigned char *from, uint64_t width, uint64_t height,
                    unsigned char *to, uint64_t to_width, uint64_t to_height)
{
    uint64_t area = width * height;

    for (uint64_t y = 0; y < to_height; y++)
        for (uint64_t x = 0; x < to_width; x++) {
            uint64_t sum[CHANNELS] = {0};

            for (uint64_t v = y * height / to_height; v * to_height < (y + 1) * height; v++)
                for (uint64_t u = x * width / to_width; u * to_width < (x + 1) * width; u++) {
                    uint64_t w =
                        overlap(u, width, x, to_width) * overlap(v, height, y, to_height);

                    for (uint64_t c = 0; c < CHANNELS; c++)
                        sum[c] += w * from[(v * width + u) * CHANNELS + c];
                }
            for (uint64_t c = 0; c < CHANNELS; c++)
                to[(y * to_width + x) * CHANNELS + c] =
                    (unsigned char)((sum[c] + area / 2) / area);
        }
}

static cn_status read_pixels(const void *png, size_t n, unsigned char *pixels,
                             struct cn_err *err)
{
    png_image image;
    const png_color white = {255, 255, 255};
    bool ok;

    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    ok = png_image_begin_read_from_memory(&image, png, n) != 0;
    if (ok) {
        image.format = PNG_FORMAT_RGB;
        ok = png_image_finish_read(&image, &white, pixels, 0, NULL) != 0;
    }
    if (!ok)
        (void)cn_err_set(err, CN_EINPUT, "PNG: %.60s", image.message);
    png_image_free(&image);
    return ok ? CN_OK : CN_EINPUT;
}

static cn_status write_pixels(const unsigned char *pixels, uint32_t width, uint32_t height,
                              struct cn_buf *out, struct cn_err *err)
{
    png_image image;
    png_alloc_size_t size;
    void *bytes;
    cn_status st = CN_OK;

    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.format = PNG_FORMAT_RGB;
    image.width = width;
    image.height = height;
    size = PNG_IMAGE_PNG_SIZE_MAX(image);
    bytes = cn_alloc(size, 1);
    if (!bytes)
        return cn_err_set(err, CN_ENOMEM, "no memory for a picture");
    if (png_image_write_to_memory(&image, bytes, &size, 0, pixels, 0, NULL)) {
        cn_buf_add(out, bytes, size);
        if (cn_buf_status(out) != CN_OK)
            st = cn_err_set(err, cn_buf_status(out), "a picture of %zu bytes", (size_t)size);
    } else {
        st = cn_err_set(err, CN_EIO, "PNG: %.60s", image.message);
    }
    png_image_free(&image);
    cn_free(bytes);
    return st;
}

cn_status cn_picture_fit(const void *png, size_t n, struct cn_buf *out, struct cn_err *err)
{
    uint32_t width, height, to_width, to_height;
    unsigned char *from = NULL, *to = NULL;
    cn_status st = cn_picture_size(png, n, &width, &height, err);

    cn_buf_reset(out);
    if (st != CN_OK)
        return st;
    if ((uint64_t)width * height > CN_PICTURE_MOST)
        return cn_err_set(err, CN_ECAP, "a PNG of %u x %u pixels", width, height);
    fit(width, height, &to_width, &to_height);
    from = cn_alloc((size_t)width * height, CHANNELS);
    to = cn_alloc((size_t)to_width * to_height, CHANNELS);
    if (!from || !to)
        st = cn_err_set(err, CN_ENOMEM, "no memory for a picture of %u x %u", width, height);
    if (st == CN_OK) /* also of one that fits: a broken one would cost a whole request */
        st = read_pixels(png, n, from, err);
    if (st == CN_OK && to_width == width && to_height == height) {
        cn_buf_add(out, png, n);
        if (cn_buf_status(out) != CN_OK)
            st = cn_err_set(err, cn_buf_status(out), "a picture of %zu bytes", n);
    } else if (st == CN_OK) {
        average(from, width, height, to, to_width, to_height);
        st = write_pixels(to, to_width, to_height, out, err);
    }
    cn_free(from);
    cn_free(to);
    return st;
}
