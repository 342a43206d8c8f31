/* One POST (or GET) over libcurl: streaming, bounded, stoppable. The only home of libcurl.
 *
 *     struct cn_http *h;
 *     st = cn_http_new(&h, &err);
 *     struct cn_http_call c = CN_HTTP_CALL_INIT;
 *     c.url = ...; c.headers = ...; c.body = ...; c.on_bytes = ...; c.stop = &flag;
 *     struct cn_http_reply r;
 *     st = cn_http_do(h, &c, &r, &err);      // CN_OK: an HTTP status came, whatever it is
 *     cn_http_reply_clear(&r);
 *     cn_http_free(h);
 *
 * No redirects (a key must not travel on), TLS checked. The environment's proxy is used (http_proxy,
 * https_proxy, all_proxy, no_proxy), but never for this machine itself; CURL_CA_BUNDLE, else
 * SSL_CERT_FILE, names the file of trusted authorities, SSL_CERT_DIR their folder. A stall guard:
 * nothing for `stall_s` seconds, in either direction, ends it with CN_ETIMEOUT. A keep-alive comment
 * counts as life, bytes alone do not make progress for ever: `total_s` bounds the whole call. Headers
 * never reach an error text.
 *
 * CN_EIO: no connection, broken off; CN_ETIMEOUT: stalled or too long; CN_ECAP: the body is beyond
 * its ceiling; CN_ESTOPPED when `stop` was set; CN_EINPUT: a bad URL, or no such file of authorities.
 */
#ifndef CN_LLM_HTTP_H
#define CN_LLM_HTTP_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

struct cn_http;

struct cn_http_header {
    const char *name, *value; /* value of a secret: redacted wherever it could show */
    bool secret;
};

struct cn_http_call {
    const char *url;
    const struct cn_http_header *headers;
    int n_headers;
    const char *body; /* NULL: GET */
    size_t body_size;
    double connect_s, stall_s, total_s; /* 0: 30, 120, 3600 */
    size_t cap;                         /* of the reply's body; 0: 32 MiB */
    /* Bytes of a 2xx event stream as they come; NULL: the body is collected. Another status than
     * CN_OK ends the call with it. */
    cn_status (*on_bytes)(void *ctx, const char *bytes, size_t n, struct cn_err *err);
    void *ctx;
    /* Set by on_bytes: the answer is whole. The call ends with CN_OK, at the latest a second later,
     * also when the server keeps the connection open or breaks it. May be NULL. */
    const bool *enough;
    const volatile sig_atomic_t *stop; /* non-zero: leave at once; may be NULL */
    /* Called about ten times a second during the call (a lease is renewed there); may be NULL. */
    void (*tick)(void *ctx);
    void *tick_ctx;
};
/* clang-format off */
#define CN_HTTP_CALL_INIT {.url = NULL}
/* clang-format on */

struct cn_http_reply {
    int status;            /* 200, 429, ...; also of a reply that broke off; 0: none came */
    bool streamed;         /* the body went to on_bytes */
    struct cn_buf body;    /* collected (an error's body also when streaming; its first MiB) */
    struct cn_buf headers; /* "name: value\n", names in lower case; trailers left out */
    double seconds, first_byte_s;
    bool sent; /* the request's bytes left us: it may have been billed */
};

CN_MUST_CHECK cn_status cn_http_new(struct cn_http **out, struct cn_err *err);
void cn_http_free(struct cn_http *h); /* NULL is fine */
/* `r` is set and must be cleared in every case. */
CN_MUST_CHECK cn_status cn_http_do(struct cn_http *h, const struct cn_http_call *c,
                                   struct cn_http_reply *r, struct cn_err *err);
void cn_http_reply_clear(struct cn_http_reply *r);
/* Value of a header by its lower-case name, cut to `room`, in `out`; NULL when absent. */
const char *cn_http_header(const struct cn_http_reply *r, const char *name, char *out,
                           size_t room);

#endif
