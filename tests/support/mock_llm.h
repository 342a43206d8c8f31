/* A provider of the tests: an HTTP/1.1 server on loopback, in a thread of the test program, that
 * answers one scripted step after another and keeps what it was asked.
 *
 *     struct mock_llm *m = mock_llm_start();
 *     struct mock_step s = MOCK_STEP_INIT;
 *     s.status = 429; s.headers = "retry-after: 1\n"; s.body = "{}"; s.n = 2;
 *     mock_llm_add(m, &s);
 *     ... talk to http://127.0.0.1:<mock_llm_port(m)> ...
 *     mock_llm_request(m, 0)->body
 *     mock_llm_stop(m);
 *
 * A request beyond the script gets status 500 with "no step"; that is one that the test did not expect:
 * count the requests. Trouble of its own (no socket, no thread) aborts the test.
 */
#ifndef CN_TESTS_MOCK_LLM_H
#define CN_TESTS_MOCK_LLM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"

enum { MOCK_STEPS = 64 };

/* One answer. Sizes and places are bytes of the body. */
struct mock_step {
    int status;
    const char *headers; /* "name: value\n" lines; copied */
    const char *body;    /* copied */
    size_t n;
    int times;            /* this answer for so many requests */
    int repeat;           /* the body so many times: a huge one */
    int split;            /* bytes a piece; 0: all at once */
    int pace_ms;          /* rest between the pieces */
    int delay_ms;         /* before the status line */
    long drop_at;         /* the connection breaks here; -1: never */
    long stall_at;        /* silence from here on, until the client leaves; -1: never */
    bool chunked;         /* transfer-encoding: chunked; else content-length */
    bool until_close;     /* neither: the body ends with the connection */
    bool hold;            /* the body's end is never told: no last chunk, connection open */
    bool say_continue;    /* "100 Continue" first */
    bool none;            /* read the request, close without a word */
    bool refuse;          /* close before the request is read */
    const char *trailers; /* chunked: after the body; copied; NULL: none */
};
/* clang-format off */
#define MOCK_STEP_INIT {.status = 200, .headers = "", .body = "", .times = 1, .repeat = 1, .drop_at = -1, .stall_at = -1}
/* clang-format on */

struct mock_request {
    char method[16], path[512];
    struct cn_buf headers; /* "name: value\n", names in lower case */
    struct cn_buf body;
    int connection; /* 1-based number of the connection it came on */
};

struct mock_llm;
struct mock_llm *mock_llm_start(void);
void mock_llm_stop(struct mock_llm *m);
int mock_llm_port(const struct mock_llm *m);
void mock_llm_add(struct mock_llm *m, const struct mock_step *s);
/* Requests that were read so far, and one of them (lives until mock_llm_stop). */
int mock_llm_count(struct mock_llm *m);
const struct mock_request *mock_llm_request(struct mock_llm *m, int i);
/* Value of a request's header, "" when it is absent; in a static buffer. */
const char *mock_llm_header(const struct mock_request *r, const char *name);

#endif
