/* A growable byte buffer with a ceiling. Always NUL-terminated after the content (not counted
 * in len).
 *
 * Errors stick: after a failed append every further append is a no-op and cn_buf_status() tells
 * what happened, so a long text can be built without checking each line and checked once at the
 * end.
 *
 *     struct cn_buf b;
 *     cn_buf_init(&b, CN_CAP_TEXT);
 *     cn_buf_printf(&b, "Node %d\n", 3);
 *     if (cn_buf_status(&b) != CN_OK) ...
 *     cn_buf_clear(&b);
 */
#ifndef CN_BASE_BUF_H
#define CN_BASE_BUF_H

#include <stddef.h>

#include "base/status.h"

struct cn_buf {
    char *data; /* owned; NULL while empty and never grown */
    size_t len;
    size_t room;
    size_t cap; /* ceiling for len */
    cn_status status;
};

void cn_buf_init(struct cn_buf *b, size_t cap);
void cn_buf_clear(struct cn_buf *b); /* frees; keeps the ceiling */
void cn_buf_reset(struct cn_buf *b); /* len = 0 and status = OK; keeps the memory */
cn_status cn_buf_status(const struct cn_buf *b);
const char *cn_buf_str(const struct cn_buf *b); /* never NULL */
void cn_buf_add(struct cn_buf *b, const void *bytes, size_t n);
void cn_buf_addc(struct cn_buf *b, char c);
void cn_buf_adds(struct cn_buf *b, const char *s);
void cn_buf_printf(struct cn_buf *b, const char *fmt, ...) CN_PRINTF(2, 3);
char *cn_buf_take(struct cn_buf *b); /* now yours (cn_free); NULL when the buffer is in error */

#endif
