/* See mock_llm.h. One thread, one connection at a time: a newer connection ends an idle older one. */
#include "tests/support/mock_llm.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/text.h"

enum { REQUESTS = 256, HEAD_CAP = 1 << 16, BODY_CAP = 64 << 20, PIECE = 65536 };

struct mock_llm {
    int listener, wake[2], port;
    pthread_t thread;
    pthread_mutex_t lock;
    struct mock_step steps[MOCK_STEPS]; /* texts owned */
    int n_steps, next;
    struct mock_request requests[REQUESTS];
    int n_requests, connections;
    struct cn_buf in; /* bytes of the connection that are not used yet */
};

/* Real time: the clock of the program under test may be frozen. */
static void rest(int ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};

    (void)nanosleep(&t, NULL);
}

/* ------------------------------------------------------------------ reading */

/* Wait for bytes on `fd`; false when the test is over, or when somebody else knocks. */
static bool await(const struct mock_llm *m, int fd, bool others)
{
    struct pollfd p[3] = {{.fd = m->wake[0], .events = POLLIN},
                          {.fd = fd, .events = POLLIN},
                          {.fd = others ? m->listener : -1, .events = POLLIN}};

    if (poll(p, 3, -1) < 0)
        return errno == EINTR;
    return !p[0].revents && (p[1].revents || !p[2].revents);
}

static bool more(struct mock_llm *m, int fd, bool idle)
{
    char bytes[PIECE];
    ssize_t n;

    if (!await(m, fd, idle))
        return false;
    n = recv(fd, bytes, sizeof bytes, 0);
    if (n > 0)
        cn_buf_add(&m->in, bytes, (size_t)n);
    return n > 0;
}

static void use_up(struct cn_buf *b, size_t n)
{
    b->len -= n;
    memmove(b->data, b->data + n, b->len);
    b->data[b->len] = '\0';
}

/* "Name: value\r\n" lines as "name: value\n". */
static void take_headers(struct mock_request *r, const char *p)
{
    for (; *p && *p != '\r'; p += strcspn(p, "\n"), p += *p == '\n') {
        size_t n = strcspn(p, "\r\n");
        bool name = true;

        for (size_t i = 0; i < n; i++) {
            name = name && p[i] != ':';
            cn_buf_addc(&r->headers, name ? (char)tolower((unsigned char)p[i]) : p[i]);
        }
        cn_buf_addc(&r->headers, '\n');
    }
}

const char *mock_llm_header(const struct mock_request *r, const char *name)
{
    static char value[4096];
    size_t n = strlen(name);

    for (const char *p = cn_buf_str(&r->headers); *p; p += strcspn(p, "\n") + 1)
        if (strncmp(p, name, n) == 0 && p[n] == ':') {
            p += n + 1;
            p += *p == ' ';
            (void)snprintf(value, sizeof value, "%.*s", (int)strcspn(p, "\n"), p);
            return value;
        }
    return "";
}

/* One request; NULL when the connection (or the test) is over. */
static struct mock_request *read_request(struct mock_llm *m, int fd)
{
    struct mock_request *r = &m->requests[m->n_requests];
    const char *end;
    long long size = 0;

    if (m->n_requests == REQUESTS)
        CN_BUG("mock_llm: more than %d requests", REQUESTS);
    while (!(end = strstr(cn_buf_str(&m->in), "\r\n\r\n")))
        if (!more(m, fd, m->in.len == 0))
            return NULL;
    cn_buf_init(&r->headers, HEAD_CAP);
    cn_buf_init(&r->body, BODY_CAP);
    if (sscanf(m->in.data, "%15s %511s", r->method, r->path) != 2)
        CN_BUG("mock_llm: no request line");
    take_headers(r, strchr(m->in.data, '\n') + 1);
    use_up(&m->in, (size_t)(end + 4 - m->in.data));
    if (mock_llm_header(r, "content-length")[0])
        size = atoll(mock_llm_header(r, "content-length"));
    while ((long long)m->in.len < size)
        if (!more(m, fd, false))
            break;
    cn_buf_add(&r->body, cn_buf_str(&m->in),
               (long long)m->in.len < size ? m->in.len : (size_t)size);
    if (r->body.len > 0)
        use_up(&m->in, r->body.len);
    r->connection = m->connections;
    return r;
}

/* ------------------------------------------------------------------ answering */

static bool put(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = send(fd, bytes, n, MSG_NOSIGNAL);

        if (done <= 0)
            return false;
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

static bool put_piece(int fd, const struct mock_step *s, const char *bytes, size_t n)
{
    char head[32];

    if (!s->chunked)
        return put(fd, bytes, n);
    (void)snprintf(head, sizeof head, "%zx\r\n", n);
    return n == 0 || (put(fd, head, strlen(head)) && put(fd, bytes, n) && put(fd, "\r\n", 2));
}

/* Until the client leaves. */
static void keep_silent(const struct mock_llm *m, int fd)
{
    char byte;

    while (await(m, fd, false) && recv(fd, &byte, 1, 0) > 0)
        ;
}

static bool put_head(int fd, const struct mock_step *s)
{
    struct cn_buf b;
    bool ok;

    cn_buf_init(&b, HEAD_CAP);
    if (s->say_continue)
        cn_buf_adds(&b, "HTTP/1.1 100 Continue\r\nx-early: yes\r\n\r\n");
    cn_buf_printf(&b, "HTTP/1.1 %d Scripted\r\n", s->status);
    for (const char *p = s->headers; *p; p += strcspn(p, "\n"), p += *p == '\n')
        cn_buf_printf(&b, "%.*s\r\n", (int)strcspn(p, "\n"), p);
    if (s->chunked)
        cn_buf_adds(&b, "transfer-encoding: chunked\r\n");
    else if (!s->until_close)
        cn_buf_printf(&b, "content-length: %zu\r\n", s->n * (size_t)s->repeat);
    cn_buf_adds(&b, "\r\n");
    ok = put(fd, cn_buf_str(&b), b.len);
    cn_buf_clear(&b);
    return ok;
}

/* True when the connection may go on. */
static bool put_body(const struct mock_llm *m, int fd, const struct mock_step *s)
{
    size_t all = s->n * (size_t)s->repeat;

    for (size_t at = 0; at < all;) {
        size_t n = s->n - at % s->n;

        if (s->split > 0 && n > (size_t)s->split)
            n = (size_t)s->split;
        if (s->drop_at >= 0 && at + n > (size_t)s->drop_at)
            n = (size_t)s->drop_at - at;
        if (s->stall_at >= 0 && at + n > (size_t)s->stall_at)
            n = (size_t)s->stall_at - at;
        if (!put_piece(fd, s, s->body + at % s->n, n))
            return false;
        at += n;
        if (s->drop_at >= 0 && at >= (size_t)s->drop_at)
            return false;
        if (s->stall_at >= 0 && at >= (size_t)s->stall_at) {
            keep_silent(m, fd);
            return false;
        }
        if (s->pace_ms > 0)
            rest(s->pace_ms);
    }
    return true;
}

static bool answer(const struct mock_llm *m, int fd, const struct mock_step *s)
{
    if (s->none)
        return false;
    if (s->delay_ms > 0)
        rest(s->delay_ms);
    if (!put_head(fd, s))
        return false;
    if (s->drop_at == 0)
        return false;
    if (s->stall_at == 0) {
        keep_silent(m, fd);
        return false;
    }
    if (!put_body(m, fd, s))
        return false;
    if (s->hold) {
        keep_silent(m, fd);
        return false;
    }
    if (s->chunked) {
        if (!put(fd, "0\r\n", 3) ||
            (s->trailers && !put(fd, s->trailers, strlen(s->trailers))) || !put(fd, "\r\n", 2))
            return false;
    }
    return !s->until_close;
}

/* The step of this request; a copy, so that steps may be added meanwhile. */
static struct mock_step next_step(struct mock_llm *m)
{
    struct mock_step s = MOCK_STEP_INIT;

    s.status = 500;
    s.body = "no step";
    s.n = 7;
    (void)pthread_mutex_lock(&m->lock);
    if (m->next < m->n_steps) {
        s = m->steps[m->next];
        if (--m->steps[m->next].times <= 0)
            m->next++;
    }
    m->n_requests++;
    (void)pthread_mutex_unlock(&m->lock);
    return s;
}

static void serve(struct mock_llm *m, int fd)
{
    int one = 1;
    bool on = true;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    cn_buf_reset(&m->in);
    m->connections++;
    while (on) {
        struct mock_step s;

        (void)pthread_mutex_lock(&m->lock);
        on = !(m->next < m->n_steps && m->steps[m->next].refuse);
        if (!on && --m->steps[m->next].times <= 0)
            m->next++;
        (void)pthread_mutex_unlock(&m->lock);
        if (!on || !read_request(m, fd))
            break;
        s = next_step(m);
        on = answer(m, fd, &s);
    }
    (void)close(fd);
}

static void *run(void *ctx)
{
    struct mock_llm *m = ctx;

    while (await(m, m->listener, false)) {
        int fd = accept4(m->listener, NULL, NULL, SOCK_CLOEXEC);

        if (fd >= 0)
            serve(m, fd);
    }
    return NULL;
}

/* ------------------------------------------------------------------ life */

struct mock_llm *mock_llm_start(void)
{
    struct mock_llm *m = cn_alloc(1, sizeof *m);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;

    CN_ASSERT(m != NULL);
    cn_buf_init(&m->in, BODY_CAP);
    m->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (m->listener < 0 || bind(m->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(m->listener, 8) != 0 ||
        getsockname(m->listener, (struct sockaddr *)&at, &n) != 0 || pipe(m->wake) != 0 ||
        pthread_mutex_init(&m->lock, NULL) != 0 ||
        pthread_create(&m->thread, NULL, run, m) != 0)
        CN_BUG("mock_llm: cannot start: %s", strerror(errno));
    m->port = ntohs(at.sin_port);
    return m;
}

void mock_llm_stop(struct mock_llm *m)
{
    (void)close(m->wake[1]); /* the other end reads as ready */
    (void)pthread_join(m->thread, NULL);
    (void)pthread_mutex_destroy(&m->lock);
    (void)close(m->wake[0]);
    (void)close(m->listener);
    for (int i = 0; i < m->n_requests; i++) {
        cn_buf_clear(&m->requests[i].headers);
        cn_buf_clear(&m->requests[i].body);
    }
    for (int i = 0; i < m->n_steps; i++) {
        cn_free((void *)(size_t)m->steps[i].headers);
        cn_free((void *)(size_t)m->steps[i].body);
        cn_free((void *)(size_t)m->steps[i].trailers);
    }
    cn_buf_clear(&m->in);
    cn_free(m);
}

int mock_llm_port(const struct mock_llm *m)
{
    return m->port;
}

void mock_llm_add(struct mock_llm *m, const struct mock_step *s)
{
    struct mock_step copy = *s;
    char *body = cn_alloc(s->n + 1, 1);

    CN_ASSERT(body != NULL && s->n <= BODY_CAP);
    memcpy(body, s->body, s->n);
    copy.body = body;
    copy.headers = cn_strdup(s->headers);
    copy.trailers = s->trailers ? cn_strdup(s->trailers) : NULL;
    (void)pthread_mutex_lock(&m->lock);
    if (m->n_steps == MOCK_STEPS)
        CN_BUG("mock_llm: more than %d steps", MOCK_STEPS);
    m->steps[m->n_steps++] = copy;
    (void)pthread_mutex_unlock(&m->lock);
}

int mock_llm_count(struct mock_llm *m)
{
    int n;

    (void)pthread_mutex_lock(&m->lock);
    n = m->n_requests;
    (void)pthread_mutex_unlock(&m->lock);
    return n;
}

const struct mock_request *mock_llm_request(struct mock_llm *m, int i)
{
    if (i < 0 || i >= mock_llm_count(m))
        CN_BUG("mock_llm: there is no request %d of %d", i, mock_llm_count(m));
    return &m->requests[i];
}
