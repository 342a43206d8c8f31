/* Any bytes are a failed reply: a status in the first line, headers, an empty line, a body. The trouble has a
 * kind and a remedy, its texts are bounded UTF-8 without control bytes when the body was, its wait is a number
 * that can be waited for, and an empty purse is never asked again. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "harness/llm/dialect.h"
#include "harness/llm/http.h"
#include "tests/support/fuzz.h"

static void check(bool ok)
{
    if (!ok)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *p = (const char *)data, *end = p + size, *gap;
    struct cn_http_reply r = {.status = 300};
    struct cn_llm_trouble t;

    for (int i = 0; i < 3 && p < end && *p != '\n'; i++, p++)
        r.status = i ? r.status + (*p & 15) * (i == 1 ? 10 : 1) : (3 + (*p & 3)) * 100;
    while (p < end && *p++ != '\n')
        ;
    gap = p < end ? memmem(p, (size_t)(end - p), "\n\n", 2) : NULL;
    cn_buf_init(&r.headers, 1 << 16);
    cn_buf_init(&r.body, 1 << 20);
    if (p < end)
        cn_buf_add(&r.headers, p, (size_t)((gap ? gap + 1 : end) - p));
    if (gap)
        cn_buf_add(&r.body, gap + 2, (size_t)(end - gap - 2));
    cn_llm_trouble_of(&r, CN_OK, 1763668608000, &t);
    check(t.kind != CN_LLM_TROUBLE_NONE && cn_llm_trouble_name(t.kind)[0]);
    check(memchr(t.message, 0, sizeof t.message) && memchr(t.field, 0, sizeof t.field) &&
          memchr(t.request_id, 0, sizeof t.request_id));
    check(cn_text_utf8_valid(t.message, strlen(t.message)));
    for (const char *c = t.message; *c; c++)
        check((unsigned char)*c >= ' ');
    check(isnan(t.wait_s) || (t.wait_s >= 0 && isfinite(t.wait_s)));
    if (t.kind == CN_LLM_TROUBLE_QUOTA || t.kind == CN_LLM_TROUBLE_BILLING ||
        t.kind == CN_LLM_TROUBLE_AUTH)
        check(t.remedy == CN_LLM_DO_STOP);
    check((t.kind == CN_LLM_TROUBLE_FIELD) <= (t.field[0] != '\0'));
    cn_http_reply_clear(&r);
    return 0;
}
