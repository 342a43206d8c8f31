/* Any bytes: refused, or read to a value that prints to a text that reads and prints the
 * same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(const struct cn_json *v)
{
    double x;
    int64_t i;

    (void)cn_json_number(v, &x);
    (void)cn_json_int64(v, &i);
    for (const struct cn_json *c = cn_json_first(v); c; c = cn_json_next(c))
        walk(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cn_json_doc *doc, *again;
    struct cn_err err = CN_ERR_INIT;
    struct cn_buf once, twice;
    cn_status st = cn_json_parse("fuzz", (const char *)data, size, &doc, &err);

    if (st != CN_OK) {
        if (st != CN_EINPUT || doc || !*err.text)
            abort();
        return 0;
    }
    walk(cn_json_root(doc));
    cn_buf_init(&once, CN_CAP_TEXT);
    cn_buf_init(&twice, CN_CAP_TEXT);
    cn_json_put_value(&once, cn_json_root(doc));
    if (cn_json_parse("again", cn_buf_str(&once), once.len, &again, &err) != CN_OK)
        abort();
    cn_json_put_value(&twice, cn_json_root(again));
    if (once.len != twice.len || memcmp(cn_buf_str(&once), cn_buf_str(&twice), once.len) != 0)
        abort();
    cn_buf_clear(&once);
    cn_buf_clear(&twice);
    cn_json_free(again);
    cn_json_free(doc);
    return 0;
}
