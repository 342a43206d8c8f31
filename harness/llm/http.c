/* See http.h. One easy handle, driven by a multi handle so that a stop request is heard within a
 * tenth of a second. */
#include "harness/llm/http.h"

#include <ctype.h>
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"

enum {
    WAIT_MS = 100,
    GRACE_US = 1000000,
    HEADERS_CAP = 64 << 10,
    BODY_CAP = 32 << 20,
    ERROR_BODY_CAP = 1 << 20
};

struct cn_http {
    CURLM *multi;
};

/* One call under way. */
struct call {
    const struct cn_http_call *c;
    struct cn_http_reply *r;
    CURL *easy;
    struct curl_slist *headers;
    int64_t begun_us, heard_us; /* monotonic */
    int64_t tick_us;            /* of the last tick; 0: none yet */
    int64_t enough_us;          /* since when the answer is whole; 0: it is not */
    curl_off_t up;              /* bytes that left us */
    bool in_body;               /* headers that come now are trailers */
    bool cut;                   /* an error's body was longer than we keep */
    cn_status st;               /* what a callback said */
    struct cn_err err;
    char why[CURL_ERROR_SIZE];
};

cn_status cn_http_new(struct cn_http **out, struct cn_err *err)
{
    struct cn_http *h;

    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return cn_err_set(err, CN_EIO, "libcurl could not be set up");
    h = cn_alloc(1, sizeof *h);
    if (h)
        h->multi = curl_multi_init();
    if (!h || !h->multi) {
        cn_free(h);
        return cn_err_set(err, CN_ENOMEM, "no memory for an HTTP client");
    }
    *out = h;
    return CN_OK;
}

void cn_http_free(struct cn_http *h)
{
    if (h)
        (void)curl_multi_cleanup(h->multi);
    cn_free(h);
}

void cn_http_reply_clear(struct cn_http_reply *r)
{
    cn_buf_clear(&r->body);
    cn_buf_clear(&r->headers);
}

const char *cn_http_header(const struct cn_http_reply *r, const char *name, char *out,
                           size_t room)
{
    const char *p = cn_buf_str(&r->headers);
    size_t n = strlen(name);

    for (; *p; p += strcspn(p, "\n") + (p[strcspn(p, "\n")] == '\n')) {
        if (strncmp(p, name, n) != 0 || p[n] != ':')
            continue;
        p += n + 1;
        p += strspn(p, " \t");
        (void)snprintf(out, room, "%.*s", (int)strcspn(p, "\n"), p);
        return out;
    }
    return NULL;
}

/* ------------------------------------------------------------------ what comes back */

static size_t on_header(char *bytes, size_t size, size_t n, void *ctx)
{
    struct call *k = ctx;
    size_t len = size * n, colon;

    k->heard_us = cn_clock_mono_us();
    while (len > 0 && (bytes[len - 1] == '\r' || bytes[len - 1] == '\n'))
        len--;
    if (len >= 5 && memcmp(bytes, "HTTP/", 5) == 0) { /* 100 Continue came before: begin anew */
        cn_buf_reset(&k->r->headers);
        return size * n;
    }
    if (k->in_body)
        return size * n;
    for (colon = 0; colon < len && bytes[colon] != ':'; colon++)
        bytes[colon] = (char)tolower((unsigned char)bytes[colon]);
    if (colon < len) {
        cn_buf_add(&k->r->headers, bytes, len);
        cn_buf_addc(&k->r->headers, '\n');
    }
    return size * n;
}

static int status_of(const struct call *k)
{
    long code = 0;

    (void)curl_easy_getinfo(k->easy, CURLINFO_RESPONSE_CODE, &code);
    return (int)code;
}

static bool is_stream(const struct call *k)
{
    char type[128];
    int status = status_of(k);

    return k->c->on_bytes && status >= 200 && status < 300 &&
           cn_http_header(k->r, "content-type", type, sizeof type) &&
           strncasecmp(type, "text/event-stream", 17) == 0;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct call *k = ctx;
    size_t len = size * n;

    k->heard_us = cn_clock_mono_us();
    k->in_body = true;
    if (k->r->first_byte_s == 0)
        k->r->first_byte_s = 1e-6 * (double)(k->heard_us - k->begun_us);
    if (is_stream(k)) {
        k->r->streamed = true;
        k->st = k->c->on_bytes(k->c->ctx, bytes, len, &k->err);
        return k->st == CN_OK ? len : 0;
    }
    if (status_of(k) >= 400 && k->r->body.len + len > ERROR_BODY_CAP) {
        k->cut = true; /* what it says at first is enough */
        return 0;
    }
    cn_buf_add(&k->r->body, bytes, len);
    if (cn_buf_status(&k->r->body) != CN_OK)
        k->st =
            cn_err_set(&k->err, CN_ECAP, "the reply is longer than %zu bytes", k->r->body.cap);
    return k->st == CN_OK ? len : 0;
}

/* The stop flag and the clocks. */
static bool is_over(struct call *k)
{
    const struct cn_http_call *c = k->c;
    int64_t now = cn_clock_mono_us();
    double stall = c->stall_s > 0 ? c->stall_s : 120;
    double total = c->total_s > 0 ? c->total_s : 3600;

    if (c->enough && *c->enough) {
        k->enough_us = k->enough_us ? k->enough_us : now;
        if (now - k->enough_us > GRACE_US)
            return true;
    }
    if (c->stop && *c->stop)
        k->st = cn_err_set(&k->err, CN_ESTOPPED, "stopped on request");
    else if (1e-6 * (double)(now - k->heard_us) > stall)
        k->st = cn_err_set(&k->err, CN_ETIMEOUT, "nothing was heard for %.3g s", stall);
    else if (1e-6 * (double)(now - k->begun_us) > total)
        k->st = cn_err_set(&k->err, CN_ETIMEOUT, "not over after %.3g s", total);
    return k->st != CN_OK;
}

static int on_progress(void *ctx, curl_off_t down_all, curl_off_t down, curl_off_t up_all,
                       curl_off_t up)
{
    struct call *k = ctx;

    (void)down_all;
    (void)down;
    (void)up_all;
    if (up > k->up) { /* a long request on a slow line is no stall */
        k->up = up;
        k->r->sent = true;
        k->heard_us = cn_clock_mono_us();
    }
    return is_over(k);
}

/* ------------------------------------------------------------------ sending */

static cn_status add_headers(struct call *k, struct cn_err *err)
{
    char line[4096];

    for (int i = 0; i < k->c->n_headers; i++) {
        const struct cn_http_header *h = &k->c->headers[i];
        struct curl_slist *next;

        if (strpbrk(h->value, "\r\n") || strlen(h->name) + strlen(h->value) + 3 > sizeof line)
            return cn_err_set(err, CN_EINPUT, "header %s: a line break, or too long", h->name);
        cn_text_format(line, sizeof line, "%s: %s", h->name, h->value);
        next = curl_slist_append(k->headers, line);
        memset(line, 0, sizeof line);
        if (!next)
            return cn_err_set(err, CN_ENOMEM, "no memory for the headers");
        k->headers = next;
    }
    /* No "Expect: 100-continue": some proxies never answer it. */
    struct curl_slist *next = curl_slist_append(k->headers, "Expect:");

    if (!next)
        return cn_err_set(err, CN_ENOMEM, "no memory for the headers");
    k->headers = next;
    return CN_OK;
}

#define OPT(option, value) \
    (curl_easy_setopt(k->easy, option, value) != CURLE_OK ? #option : NULL)

/* This machine itself: a proxy would look for the server on its own machine. */
static bool is_loopback(const char *url)
{
    static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]"};
    const char *host = strstr(url, "://");

    for (size_t i = 0; host && i < sizeof hosts / sizeof *hosts; i++) {
        size_t n = strlen(hosts[i]);

        if (strncasecmp(host + 3, hosts[i], n) == 0 && strchr(":/", host[3 + n]))
            return true;
    }
    return false;
}

/* libcurl's own default ignores these variables; the curl program reads them, and people set
 * them. */
static const char *set_authorities(struct call *k)
{
    static const char *const names[] = {"CURL_CA_BUNDLE", "SSL_CERT_FILE"};
    const char *dir = getenv("SSL_CERT_DIR");

    if (dir && dir[0] && curl_easy_setopt(k->easy, CURLOPT_CAPATH, dir) != CURLE_OK)
        return "SSL_CERT_DIR";
    for (size_t i = 0; i < 2; i++) {
        const char *file = getenv(names[i]);

        if (file && file[0])
            return curl_easy_setopt(k->easy, CURLOPT_CAINFO, file) == CURLE_OK ? NULL
                                                                               : names[i];
    }
    return NULL;
}

static cn_status set_options(struct call *k, struct cn_err *err)
{
    const struct cn_http_call *c = k->c;
    const char *bad[] = {
        OPT(CURLOPT_URL, c->url),
        OPT(CURLOPT_PROTOCOLS_STR, "http,https"),
        OPT(CURLOPT_FOLLOWLOCATION, 0L),
        OPT(CURLOPT_NOSIGNAL, 1L),
        OPT(CURLOPT_USERAGENT, "cairn"),
        OPT(CURLOPT_HTTPHEADER, k->headers),
        OPT(CURLOPT_ERRORBUFFER, k->why),
        OPT(CURLOPT_CONNECTTIMEOUT_MS, (long)(1e3 * (c->connect_s > 0 ? c->connect_s : 30))),
        OPT(CURLOPT_HEADERFUNCTION, on_header),
        OPT(CURLOPT_HEADERDATA, k),
        OPT(CURLOPT_WRITEFUNCTION, on_body),
        OPT(CURLOPT_WRITEDATA, k),
        OPT(CURLOPT_XFERINFOFUNCTION, on_progress),
        OPT(CURLOPT_XFERINFODATA, k),
        OPT(CURLOPT_NOPROGRESS, 0L),
        OPT(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L), /* a proxy's are not the server's */
        OPT(CURLOPT_TCP_KEEPALIVE, 1L),
        OPT(CURLOPT_QUICK_EXIT, 1L), /* do not wait for a name server when we leave */
        is_loopback(c->url) ? OPT(CURLOPT_PROXY, "") : NULL,
        set_authorities(k),
        c->body ? OPT(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)c->body_size) : NULL,
        c->body ? OPT(CURLOPT_POSTFIELDS, c->body) : NULL,
    };

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (bad[i])
            return cn_err_set(err, CN_EINPUT, "%s: libcurl refuses %s", c->url, bad[i]);
    return CN_OK;
}

/* The caller's turn: pieces of a stream may come a thousand times a second, it need not. */
static void tick(struct call *k)
{
    int64_t now = cn_clock_mono_us();

    if (!k->c->tick || (k->tick_us && now - k->tick_us < (int64_t)WAIT_MS * 1000))
        return;
    k->tick_us = now;
    k->c->tick(k->c->tick_ctx);
}

/* Until the transfer is over; its result. */
static CURLcode drive(struct cn_http *h, struct call *k)
{
    int running = 1, left;
    CURLMsg *m;

    while (running > 0 && curl_multi_perform(h->multi, &running) == CURLM_OK) {
        tick(k);
        /* Progress is not called while nothing moves on some builds: look ourselves. */
        if (running > 0 && is_over(k))
            return CURLE_ABORTED_BY_CALLBACK;
        if (running > 0)
            (void)curl_multi_poll(h->multi, NULL, 0, WAIT_MS, NULL);
    }
    m = curl_multi_info_read(h->multi, &left);
    return m ? m->data.result : CURLE_GOT_NOTHING;
}

static cn_status judge(struct call *k, CURLcode code, struct cn_err *err)
{
    bool whole = k->c->enough && *k->c->enough;

    k->r->status = status_of(k);
    if (k->st != CN_OK && !whole)
        return cn_err_set(err, k->st, "%s: %s", k->c->url, k->err.text);
    if (whole || k->cut)
        return CN_OK;
    switch (code) {
    case CURLE_OK:
        return k->r->status > 0
                   ? CN_OK
                   : cn_err_set(err, CN_EIO, "%s: an answer without a status", k->c->url);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return cn_err_set(err, CN_EINPUT, "%s: expected http:// or https:// and a host",
                          k->c->url);
    case CURLE_SSL_CACERT_BADFILE:
        return cn_err_set(err, CN_EINPUT,
                          "%s: the file of trusted authorities (CURL_CA_BUNDLE, SSL_CERT_FILE) "
                          "cannot be read",
                          k->c->url);
    case CURLE_OUT_OF_MEMORY:
        return cn_err_set(err, CN_ENOMEM, "no memory for the transfer");
    case CURLE_OPERATION_TIMEDOUT:
        return cn_err_set(err, CN_ETIMEOUT, "%s: %s", k->c->url, k->why);
    default:
        return cn_err_set(err, CN_EIO, "%s: %s", k->c->url,
                          k->why[0] ? k->why : curl_easy_strerror(code));
    }
}

cn_status cn_http_do(struct cn_http *h, const struct cn_http_call *c, struct cn_http_reply *r,
                     struct cn_err *err)
{
    struct call k = {.c = c, .r = r, .begun_us = cn_clock_mono_us()};
    curl_off_t up = 0;
    cn_status st;

    memset(r, 0, sizeof *r);
    cn_buf_init(&r->headers, HEADERS_CAP);
    cn_buf_init(&r->body, c->cap ? c->cap : BODY_CAP);
    k.heard_us = k.begun_us;
    k.easy = curl_easy_init();
    st = k.easy ? add_headers(&k, err) : cn_err_set(err, CN_ENOMEM, "no memory for a transfer");
    if (st == CN_OK)
        st = set_options(&k, err);
    if (st == CN_OK && curl_multi_add_handle(h->multi, k.easy) != CURLM_OK)
        st = cn_err_set(err, CN_ENOMEM, "no memory for a transfer");
    if (st == CN_OK) {
        CURLcode code = drive(h, &k);

        st = judge(&k, code, err);
        (void)curl_easy_getinfo(k.easy, CURLINFO_SIZE_UPLOAD_T, &up);
        r->sent = r->sent || up > 0 || r->status > 0;
        r->seconds = 1e-6 * (double)(cn_clock_mono_us() - k.begun_us);
        (void)curl_multi_remove_handle(h->multi, k.easy);
    }
    curl_slist_free_all(k.headers);
    curl_easy_cleanup(k.easy);
    return st;
}
