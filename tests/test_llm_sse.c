/* Event streams: a table of what the standard says, and that no split changes anything. */
#include <string.h>

#include <criterion/criterion.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/rng.h"
#include "harness/llm/sse.h"
#include "tests/support/case_files.h"

static cn_status keep(void *ctx, const struct cn_sse_event *e, struct cn_err *err)
{
    struct cn_buf *b = ctx;

    if (strcmp(e->data, "stop here") == 0)
        return cn_err_set(err, CN_ESTOPPED, "as asked");
    cn_buf_printf(b, "[%s|%s|", e->name, e->id);
    cn_buf_add(b, e->data, e->n);
    cn_buf_addc(b, ']');
    return CN_OK;
}

/* Events as text; `piece` bytes at a time, 0: all; negative: by chance, seeded with it. */
static cn_status events(const char *bytes, size_t n, int piece, size_t cap, struct cn_buf *out,
                        struct cn_err *err)
{
    struct cn_sse s;
    struct cn_rng rng;
    cn_status st = CN_OK;

    cn_rng_init(&rng, (uint64_t)(piece < 0 ? -piece : 0), 1);
    cn_buf_init(out, CN_CAP_TEXT);
    cn_sse_init(&s, keep, out, cap);
    for (size_t at = 0, len; st == CN_OK && at < n; at += len) {
        len = piece > 0 ? (size_t)piece : piece < 0 ? (size_t)(13 * cn_rng_uniform(&rng)) : n;
        if (len > n - at)
            len = n - at;
        st = cn_sse_feed(&s, bytes + at, len, err);
    }
    if (st == CN_OK)
        st = cn_sse_end(&s, err);
    cn_sse_clear(&s);
    return st;
}

Test(llm_sse, lines_fields_and_events_as_the_standard_has_them)
{
    static const struct {
        const char *stream, *events;
    } rows[] = {
        {"", ""},
        {"data: a\n\n", "[message||a]"},
        {"data:a\r\n\r\n", "[message||a]"},
        {"data:  a\r\r", "[message|| a]"},
        {"data: a\ndata: b\n\n", "[message||a\nb]"},
        {"data\n\n", "[message||]"},
        {"data\ndata\n\n", "[message||\n]"},
        {"data: a\n", ""},
        {"data: a", ""},
        {"data: a\n\ndata: b", "[message||a]"},
        {": comment\n\ndata: a\n: more\n\n", "[message||a]"},
        {"event: e\n\ndata: a\n\n", "[message||a]"},
        {"event: e\ndata: a\n\ndata: b\n\n", "[e||a][message||b]"},
        {"id: 7\ndata: a\n\ndata: b\n\nid\ndata: c\n\n",
         "[message|7|a][message|7|b][message||c]"},
        {"\xEF\xBB\xBF"
         "data: a\n\n",
         "[message||a]"},
        {"\xEF\xBB\xBF\n\xEF\xBB\xBF"
         "data: a\n\n",
         ""},
        {"retry: 10\nfoo: bar\nfoo\ndata: a\n\n", "[message||a]"},
        {"data:: a\n\n", "[message||: a]"},
        {" data: a\n\n", ""},
        {"Data: a\n\n", ""},
        {"\n\n\ndata: a\n\n\n\n", "[message||a]"},
        {"data: a\r\n\ndata: b\n\r\n", "[message||a][message||b]"},
        {"data: \xC3\xA9\xE2\x82\xAC\n\n", "[message||\xC3\xA9\xE2\x82\xAC]"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (int piece = 0; piece < 4; piece++) {
            struct cn_err err = CN_ERR_INIT;
            struct cn_buf b;
            cn_status st = events(rows[i].stream, strlen(rows[i].stream), piece, 100, &b, &err);

            cr_expect_eq(st, CN_OK, "row %zu: %s", i, err.text);
            cr_expect_str_eq(cn_buf_str(&b), rows[i].events, "row %zu, pieces of %d", i, piece);
            cn_buf_clear(&b);
        }
}

static int64_t splits;

static void every_split(const char *name, const struct cn_buf *bytes)
{
    struct cn_buf whole, b;

    cr_assert_eq(events(cn_buf_str(bytes), bytes->len, 0, CN_CAP_TEXT, &whole, NULL), CN_OK);
    cr_expect(whole.len > 0, "%s has no events", name);
    for (int piece = -40; piece <= 40; piece++) {
        cr_assert_eq(events(cn_buf_str(bytes), bytes->len, piece, CN_CAP_TEXT, &b, NULL),
                     CN_OK);
        cr_expect_str_eq(cn_buf_str(&b), cn_buf_str(&whole), "%s in pieces of %d", name, piece);
        cn_buf_clear(&b);
        splits++;
    }
    cn_buf_clear(&whole);
}

Test(llm_sse, no_split_changes_the_events)
{
    case_each("llm/sse", "", ".txt", 20, every_split);
    (void)printf("llm sse: %lld splits\n", (long long)splits);
}

/* Also in two pieces, at every place. */
Test(llm_sse, two_pieces_at_every_place)
{
    static const char stream[] =
        "\xEF\xBB\xBF"
        "id: 1\r\nevent: e\r\ndata: a\r\ndata: b\r\n\r\n: c\r\rdata: x\n\n";
    struct cn_buf b;

    for (size_t cut = 0; cut < sizeof stream; cut++) {
        struct cn_sse s;

        cn_buf_init(&b, 1000);
        cn_sse_init(&s, keep, &b, 100);
        cr_assert_eq(cn_sse_feed(&s, stream, cut, NULL), CN_OK);
        cr_assert_eq(cn_sse_feed(&s, stream + cut, sizeof stream - 1 - cut, NULL), CN_OK);
        cr_expect_str_eq(cn_buf_str(&b), "[e|1|a\nb][message|1|x]", "cut at %zu", cut);
        cn_sse_clear(&s);
        cn_buf_clear(&b);
        if (cut + 1 == sizeof stream - 1)
            break;
    }
}

Test(llm_sse, what_is_too_long_is_refused)
{
    static const char line[] = "data: 0123456789012345678901234567890\n\n";
    static const char lines[] = "data: 01234567\ndata: 01234567\ndata: 01234567\n\n";
    static const char comment[] = ": 0123456789012345678901234567890\n\n";
    const char *all[] = {line, lines, comment};

    for (int i = 0; i < 3; i++) {
        struct cn_err err = CN_ERR_INIT;
        struct cn_buf b;

        cr_expect_eq(events(all[i], strlen(all[i]), i, 20, &b, &err), CN_ECAP);
        cr_expect(strstr(err.text, "longer than its ceiling"), "%s", err.text);
        cr_expect_str_eq(cn_buf_str(&b), "");
        cn_buf_clear(&b);
    }
}

Test(llm_sse, a_nul_is_refused_and_a_listener_ends_it)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_buf b;

    cr_expect_eq(events("data: a\0b\n\n", 11, 0, 100, &b, &err), CN_EINPUT);
    cn_buf_clear(&b);
    cr_expect_eq(events("data: a\n\ndata: stop here\n\ndata: b\n\n", 36, 0, 100, &b, &err),
                 CN_ESTOPPED);
    cr_expect_str_eq(cn_buf_str(&b), "[message||a]");
    cn_buf_clear(&b);
}
