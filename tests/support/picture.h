/* Made-up PNG files. */
#ifndef CN_TESTS_PICTURE_H
#define CN_TESTS_PICTURE_H

#include <stdint.h>

#include "base/buf.h"

/* width x height pixels of four channels, pixel (x, y) by `colour`; aborts the test when it cannot
 * be made. `out` is reset. */
void picture_make(uint32_t width, uint32_t height, uint32_t (*colour)(uint32_t x, uint32_t y),
                  struct cn_buf *out);
/* Its pixels as 0xRRGGBB, row by row; cn_free. */
uint32_t *picture_pixels(const struct cn_buf *png, uint32_t *out_width, uint32_t *out_height);

#endif
