/* Numbers, times, UTF-8 and nearest names from arbitrary bytes: what is accepted must print and
 * read back. */
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/status.h"
#include "base/text.h"
#include "tests/support/fuzz.h"

static void check_numbers(const char *s)
{
    char out[CN_NUM_TEXT], time[CN_TIME_TEXT];
    double x, y;
    int64_t i, ms, back;
    uint64_t u;

    if (cn_text_parse_double(s, &x)) {
        CN_ASSERT(cn_text_parse_double(cn_text_double(x, out), &y) && x == y);
        CN_ASSERT(cn_text_parse_double(cn_text_yaml_double(x, out), &y) && x == y);
        CN_ASSERT(strchr(out, '.') != NULL);
    }
    if (cn_text_parse_int64(s, &i))
        CN_ASSERT(cn_text_parse_double(s, &x));
    if (cn_text_parse_uint64(s, &u) && u <= INT64_MAX)
        CN_ASSERT(cn_text_parse_int64(s, &i) && (uint64_t)i == u);
    if (cn_clock_parse_iso(s, &ms))
        CN_ASSERT(cn_clock_parse_iso(cn_clock_iso(ms, time), &back) && back == ms);
}

static void check_utf8(const char *s, size_t n)
{
    bool valid = cn_text_utf8_valid(s, n);
    size_t max;

    for (max = 0; max <= n && max < 64; max++) {
        size_t cut = cn_text_utf8_cut(s, n, max);

        CN_ASSERT(cut <= max && max - cut < 4);
        CN_ASSERT(!valid ||
                  (cn_text_utf8_valid(s, cut) && cn_text_utf8_valid(s + cut, n - cut)));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const names[] = {"learning_rate", "batch_size", "seed"};
    char *s = cn_alloc(size + 1, 1);
    int near;

    CN_ASSERT(s != NULL);
    if (size > 0)
        memcpy(s, data, size);
    check_numbers(s);
    check_utf8(s, size);
    near = cn_text_nearest(s, names, 3);
    CN_ASSERT(near >= -1 && near < 3);
    cn_free(s);
    return 0;
}
