#include "base/hash.h"

#include <openssl/evp.h>

#include "base/banned.h"
#include "base/status.h"

const char *cn_hash_hex(const void *bytes, size_t n, char out[CN_HASH_TEXT])
{
    static const char hex[] = "0123456789abcdef";
    unsigned char digest[32];
    unsigned int len = 0, i;

    if (!EVP_Digest(n > 0 ? bytes : "", n, digest, &len, EVP_sha256(), NULL) ||
        len != sizeof digest)
        CN_BUG("libcrypto gives no SHA-256");
    for (i = 0; i < len; i++) {
        out[2 * i] = hex[digest[i] >> 4];
        out[2 * i + 1] = hex[digest[i] & 15];
    }
    out[CN_HASH_TEXT - 1] = '\0';
    return out;
}
