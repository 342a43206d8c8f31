/* PNG figures made small enough for a model. The only home of libpng.
 *
 * Models scale what is longer than 1568 pixels or larger than about 1.15 million down themselves,
 * after it was paid for; so we do it before, by averaging boxes of pixels.
 */
#ifndef CN_LOOP_PICTURE_H
#define CN_LOOP_PICTURE_H

#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

enum {
    CN_PICTURE_SIDE = 1568,      /* pixels of the longer side that are sent */
    CN_PICTURE_PIXELS = 1150000, /* in all */
    CN_PICTURE_MOST = 64 << 20   /* pixels of a picture that is read at all */
};

/* Width and height from the head of a PNG; CN_EINPUT: it is none. */
CN_MUST_CHECK cn_status cn_picture_size(const void *png, size_t n, uint32_t *out_width,
                                        uint32_t *out_height, struct cn_err *err);
/* The picture within the limits above: as it is when it keeps them, else averaged down (on white,
 * without transparency). `out` is reset. CN_EINPUT: no PNG, or broken; CN_ECAP: too large to read. */
CN_MUST_CHECK cn_status cn_picture_fit(const void *png, size_t n, struct cn_buf *out,
                                       struct cn_err *err);

#endif
