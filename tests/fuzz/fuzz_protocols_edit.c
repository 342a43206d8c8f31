/* Edits from any bytes: the old text, a zero byte, the new text, a zero byte, the protocol. What is
 * taken leaves every byte outside the markers alone, can be read again and passes the check. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "protocols/edit.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_taken(const struct cn_protocol *p, const struct cn_buf *out)
{
    size_t after = p->n - p->rules_end;
    struct cn_protocol *q = NULL;
    struct cn_buf diff;

    if (out->len < p->rules_start + after || memcmp(out->data, p->text, p->rules_start) != 0 ||
        memcmp(out->data + out->len - after, p->text + p->rules_end, after) != 0)
        CN_BUG("an edit outside of the markers");
    if (cn_protocol_parse("fuzz.md", out->data, out->len, &q, NULL) != CN_OK ||
        cn_edit_check(p, out->data, NULL) != CN_OK)
        CN_BUG("an edit that cannot be read");
    if (q->n_params != p->n_params || q->n_settings != p->n_settings)
        CN_BUG("an edit changed more than rules");
    cn_buf_init(&diff, CN_CAP_TEXT);
    cn_edit_diff("a", p->text, "b", out->data, &diff);
    if (diff.len == 0)
        CN_BUG("an edit without a difference");
    cn_buf_clear(&diff);
    cn_protocol_free(q);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *old = (const char *)data, *new, *text;
    struct cn_protocol *p = NULL;
    struct cn_buf out;
    size_t n;

    new = size ? memchr(old, 0, size) : NULL;
    if (!new ++)
        return 0;
    text = memchr(new, 0, size - (size_t)(new - old));
    if (!text++)
        return 0;
    n = size - (size_t)(text - old);
    if (cn_protocol_parse("fuzz.md", text, n, &p, NULL) != CN_OK)
        return 0;
    cn_buf_init(&out, CN_CAP_PROTOCOL);
    if (cn_edit_apply(p, old, new, &out, NULL) == CN_OK)
        check_taken(p, &out);
    cn_buf_clear(&out);
    cn_protocol_free(p);
    return 0;
}
