/* What can be said of an exchange without the store. See exchange.h. */
#include "logs/exchange.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/hash.h"

/* 312400 as "312,400". */
static void put_count(int64_t n, struct cn_buf *out)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%lld", (long long)n);

    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0 && digits[i - 1] != '-')
            cn_buf_addc(out, ',');
        cn_buf_addc(out, digits[i]);
    }
}

static void put_money(const struct cn_exchange_sums *t, const char *prices, struct cn_buf *out)
{
    if (t->unpriced >= t->requests && t->requests > 0) {
        cn_buf_adds(out, ", price unknown");
        return;
    }
    cn_buf_printf(out, ", %.*f USD", t->usd > 0 && t->usd < 0.1 ? 4 : 2, t->usd);
    if (prices && prices[0] && t->usd > 0)
        cn_buf_printf(out, " (prices of %s)", prices);
    if (t->unpriced > 0)
        cn_buf_printf(out, "; the price of %lld request%s is unknown", (long long)t->unpriced,
                      t->unpriced == 1 ? "" : "s");
}

static void put_tokens(const struct cn_exchange_sums *t, struct cn_buf *out)
{
    if (t->input + t->output == 0 && t->requests > 0) { /* a program as the model */
        cn_buf_adds(out, "tokens not told");
        return;
    }
    put_count(t->input, out);
    cn_buf_adds(out, " tokens in");
    if (t->cache_read > 0 && t->input > 0)
        cn_buf_printf(out, " (%.0f %% from the cache)",
                      100 * (double)t->cache_read / (double)t->input);
    cn_buf_adds(out, ", ");
    put_count(t->output, out);
    cn_buf_adds(out, " out");
}

void cn_exchange_words(const struct cn_exchange_sums *t, const char *prices, struct cn_buf *out)
{
    put_count(t->exchanges, out);
    cn_buf_printf(out, " exchange%s, ", t->exchanges == 1 ? "" : "s");
    put_tokens(t, out);
    put_money(t, prices, out);
    if (t->lost > 0)
        cn_buf_printf(out, "; %lld request%s without a known end at the worst case",
                      (long long)t->lost, t->lost == 1 ? "" : "s");
    if (t->replayed > 0 && t->replayed == t->exchanges)
        cn_buf_adds(out, "; replayed: nothing was spent");
    else if (t->replayed > 0)
        cn_buf_printf(out, "; %lld of them replayed, at no cost", (long long)t->replayed);
}

/* ---- images ---- */

/* -1: no base64 character. */
static int value_of(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

static size_t run_length(const char *s, size_t n)
{
    size_t i = 0;

    while (i < n && value_of(s[i]) >= 0)
        i++;
    while (i > 0 && i < n && s[i] == '=')
        i++;
    return i;
}

/* The bytes that a run stands for; false without memory. */
static bool decode(const char *s, size_t n, struct cn_buf *out)
{
    unsigned bits = 0;
    int have = 0;

    cn_buf_reset(out);
    for (size_t i = 0; i < n && value_of(s[i]) >= 0; i++) {
        bits = bits << 6 | (unsigned)value_of(s[i]);
        have += 6;
        if (have >= 8) {
            have -= 8;
            cn_buf_addc(out, (char)(bits >> have & 0xff));
        }
    }
    return cn_buf_status(out) == CN_OK;
}

/* A long run of one letter or of a word is text; an image has nearly all of the alphabet. */
static bool looks_coded(const char *s, size_t n)
{
    bool seen[64] = {false};
    int kinds = 0;

    for (size_t i = 0; i < n && i < 4096; i++) {
        int v = value_of(s[i]);
        kinds += v >= 0 && !seen[v];
        if (v >= 0)
            seen[v] = true;
    }
    return kinds >= 32;
}

void cn_exchange_slim(const char *body, size_t n, struct cn_buf *out)
{
    char hash[CN_HASH_TEXT];
    struct cn_buf image;
    size_t from = 0; /* copied up to here */

    cn_buf_init(&image, CN_CAP_TEXT);
    for (size_t i = 0; i < n;) {
        size_t run = run_length(body + i, n - i);
        if (run < CN_EXCHANGE_IMAGE || !looks_coded(body + i, run) ||
            !decode(body + i, run, &image)) {
            i += run > 0 ? run : 1;
            continue;
        }
        cn_buf_add(out, body + from, i - from);
        cn_buf_printf(out, "[image %zu bytes sha256:%s]", image.len,
                      cn_hash_hex(cn_buf_str(&image), image.len, hash));
        i += run;
        from = i;
    }
    cn_buf_add(out, body + from, n - from);
    cn_buf_clear(&image);
}
