/* Server-sent events (WHATWG HTML, section 9.2), byte by byte: any split, CR, LF or CRLF, comments,
 * a byte-order mark, several data lines.
 *
 *     struct cn_sse s;
 *     cn_sse_init(&s, on_event, ctx, cap);
 *     st = cn_sse_feed(&s, bytes, n, &err);       // as they come
 *     st = cn_sse_end(&s, &err);                   // the stream is over; an unfinished event is dropped
 *     cn_sse_clear(&s);
 */
#ifndef CN_LLM_SSE_H
#define CN_LLM_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/status.h"

struct cn_sse_event {
    const char *name; /* "message" when the stream named none */
    const char *data; /* lines joined by '\n'; may hold any byte but NUL is refused */
    size_t n;
    const char *id;
};
/* Another status than CN_OK ends the feeding with it. */
typedef cn_status cn_sse_fn(void *ctx, const struct cn_sse_event *e, struct cn_err *err);

struct cn_sse {
    struct cn_buf line, data, name, id; /* bounded by `cap` each */
    cn_sse_fn *fn;
    void *ctx;
    bool had_cr, any_data, begun;
};

void cn_sse_init(struct cn_sse *s, cn_sse_fn *fn, void *ctx, size_t cap);
/* CN_ECAP for a line or an event beyond the cap. */
CN_MUST_CHECK cn_status cn_sse_feed(struct cn_sse *s, const char *bytes, size_t n,
                                    struct cn_err *err);
CN_MUST_CHECK cn_status cn_sse_end(struct cn_sse *s, struct cn_err *err);
void cn_sse_clear(struct cn_sse *s);

#endif
