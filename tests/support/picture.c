#include "tests/support/picture.h"

#include <png.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"

void picture_make(uint32_t width, uint32_t height, uint32_t (*colour)(uint32_t x, uint32_t y),
                  struct cn_buf *out)
{
    png_image image;
    png_alloc_size_t size = 0;
    unsigned char *pixels = cn_alloc((size_t)width * height, 4);
    void *bytes = cn_alloc((size_t)width * height * 5 + 4096, 1);

    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    image.format = PNG_FORMAT_RGBA;
    image.width = width;
    image.height = height;
    if (!pixels || !bytes)
        CN_BUG("no memory for a picture");
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++) {
            uint32_t c = colour(x, y);
            unsigned char *p = pixels + ((size_t)y * width + x) * 4;

            p[0] = (unsigned char)(c >> 16);
            p[1] = (unsigned char)(c >> 8);
            p[2] = (unsigned char)c;
            p[3] = (unsigned char)~(c >> 24); /* the top byte: how transparent it is */
        }
    size = (size_t)width * height * 5 + 4096;
    if (!png_image_write_to_memory(&image, bytes, &size, 0, pixels, 0, NULL))
        CN_BUG("cannot make a picture: %s", image.message);
    cn_buf_reset(out);
    cn_buf_add(out, bytes, size);
    cn_free(pixels);
    cn_free(bytes);
}

uint32_t *picture_pixels(const struct cn_buf *png, uint32_t *out_width, uint32_t *out_height)
{
    png_image image;
    unsigned char *pixels;
    uint32_t *out;

    memset(&image, 0, sizeof image);
    image.version = PNG_IMAGE_VERSION;
    if (!png_image_begin_read_from_memory(&image, png->data, png->len))
        CN_BUG("cannot read a picture: %s", image.message);
    image.format = PNG_FORMAT_RGB;
    pixels = cn_alloc(PNG_IMAGE_SIZE(image), 1);
    out = cn_alloc((size_t)image.width * image.height, sizeof *out);
    if (!pixels || !out || !png_image_finish_read(&image, NULL, pixels, 0, NULL))
        CN_BUG("cannot read a picture: %s", image.message);
    for (size_t i = 0; i < (size_t)image.width * image.height; i++)
        out[i] = (uint32_t)pixels[3 * i] << 16 | (uint32_t)pixels[3 * i + 1] << 8 |
                 pixels[3 * i + 2];
    *out_width = image.width;
    *out_height = image.height;
    cn_free(pixels);
    return out;
}
