/* SHA-256 of bytes (through libcrypto), as 64 hex digits. Used for config, protocol and
 * data-set identity. */
#ifndef CN_BASE_HASH_H
#define CN_BASE_HASH_H

#include <stddef.h>

enum { CN_HASH_TEXT = 65 };

const char *cn_hash_hex(const void *bytes, size_t n, char out[CN_HASH_TEXT]);

#endif
