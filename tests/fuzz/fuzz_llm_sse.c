/* Any bytes are an event stream: however they are split, the same events come out, and the same
 * verdict. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "harness/llm/sse.h"
#include "tests/support/fuzz.h"

enum { CAP = 4096 };

static cn_status keep(void *ctx, const struct cn_sse_event *e, struct cn_err *err)
{
    struct cn_buf *b = ctx;

    (void)err;
    if (strlen(e->data) != e->n || !e->name[0])
        abort();
    cn_buf_printf(b, "[%s|%s|", e->name, e->id);
    cn_buf_add(b, e->data, e->n);
    cn_buf_addc(b, ']');
    return CN_OK;
}

/* All events as one text; pieces of sizes that `seed` draws, 0: whole. */
static cn_status events(const char *bytes, size_t n, unsigned seed, struct cn_buf *out)
{
    struct cn_sse s;
    cn_status st = CN_OK;

    cn_buf_init(out, (size_t)64 << 20);
    cn_sse_init(&s, keep, out, CAP);
    for (size_t at = 0, len; st == CN_OK && at < n; at += len) {
        seed = seed * 1664525u + 1013904223u;
        len = seed == 1013904223u ? n : 1 + (seed >> 24) % 7;
        if (len > n - at)
            len = n - at;
        st = cn_sse_feed(&s, bytes + at, len, NULL);
    }
    if (st == CN_OK)
        st = cn_sse_end(&s, NULL);
    cn_sse_clear(&s);
    return st;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cn_buf whole, pieces;
    cn_status a = events((const char *)data, size, 0, &whole);

    for (unsigned seed = 1; seed < 4; seed++) {
        if (events((const char *)data, size, seed, &pieces) != a || pieces.len != whole.len ||
            memcmp(cn_buf_str(&pieces), cn_buf_str(&whole), whole.len) != 0)
            abort();
        cn_buf_clear(&pieces);
    }
    cn_buf_clear(&whole);
    return 0;
}
