/* A text as the pieces in which it differs from another one: copies of the old, words of its own.
 *
 *     cn_delta_make(old, n, text, m, &out);              // text, small when the two share much
 *     ok = cn_delta_apply(old, n, delta, k, &out);       // false: it does not belong to this old one
 *
 * Pieces: "c OFFSET LENGTH\n" copies from the old text, "i LENGTH\n" and so many bytes are new.
 */
#ifndef CN_LOGS_DELTA_H
#define CN_LOGS_DELTA_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

void cn_delta_make(const char *old, size_t n, const char *text, size_t m, struct cn_buf *out);
bool cn_delta_apply(const char *old, size_t n, const char *delta, size_t k, struct cn_buf *out);

#endif
