/* logs/exchange: what is kept of requests and replies, what they cost, and what a kill leaves. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/hash.h"
#include "logs/delta.h"
#include "logs/exchange.h"
#include "tests/support/logs_sample.h"

static char dir[64];
static struct cn_err err;

static void set_up(void)
{
    (void)snprintf(dir, sizeof dir, "%s/cn_exchange_XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert(mkdtemp(dir));
}

static void tear_down(void)
{
    cr_assert_eq(cn_file_remove_tree(dir, &err), CN_OK);
}

TestSuite(logs_exchange, .init = set_up, .fini = tear_down);

#define OK(call) cr_assert_eq((call), CN_OK, "%s", err.text)
#define IS(call, status)                                                      \
    do {                                                                      \
        cn_status got_ = (call);                                              \
        cr_assert_eq(got_, status, "%s: %s", cn_status_name(got_), err.text); \
    } while (0)

static struct cn_store *store(void)
{
    struct cn_store *s;

    OK(logs_sample_open(dir, &s, &err));
    return s;
}

static int64_t begin(struct cn_store *s, const char *purpose, int64_t block)
{
    const struct cn_exchange_start e = {.iteration = 12,
                                        .block = block,
                                        .phase = "analysis",
                                        .purpose = purpose,
                                        .model = "m-1",
                                        .dialect = "anthropic",
                                        .sections = "role 120\ntree 900\n"};
    int64_t id;

    OK(cn_exchange_begin(s, &e, &id, &err));
    return id;
}

static int32_t send_it(struct cn_store *s, int64_t id, int32_t turn, int32_t try_number,
                       const char *body, size_t n)
{
    char hash[CN_HASH_TEXT];
    const struct cn_exchange_sent a = {.exchange = id,
                                       .turn = turn,
                                       .try_number = try_number,
                                       .body = body,
                                       .body_size = n,
                                       .hash = cn_hash_hex(body, n, hash),
                                       .worst_usd = 0.5,
                                       .worst_tokens = 9000};
    int32_t number;

    OK(cn_exchange_attempt_begin(s, &a, &number, &err));
    return number;
}

static const struct cn_exchange_got answer = {.status = 200,
                                              .trouble = "",
                                              .message = "",
                                              .request_id = "req_1",
                                              .reply = "{\"a\":\0 1}",
                                              .reply_size = 9,
                                              .known = true,
                                              .input = 1000,
                                              .cache_read = 600,
                                              .cache_write = 100,
                                              .output = 50,
                                              .usd = 0.01,
                                              .seconds = 2};

static void ask(struct cn_store *s, const char *purpose, int64_t block, const char *body)
{
    int64_t id = begin(s, purpose, block);

    OK(cn_exchange_attempt_end(s, id, send_it(s, id, 1, 1, body, strlen(body)), &answer, &err));
    OK(cn_exchange_end(s, id, "ok", "", &err));
}

/* ---- states ---- */

Test(logs_exchange, steps_out_of_order_are_refused)
{
    struct cn_store *s = store();
    int64_t id = begin(s, "analysis 12", 1);
    int32_t number = send_it(s, id, 1, 1, "hello", 5);

    cr_assert_eq(number, 1);
    IS(cn_exchange_attempt_end(s, id, 2, &answer, &err), CN_EINPUT);
    OK(cn_exchange_attempt_end(s, id, 1, &answer, &err));
    IS(cn_exchange_attempt_end(s, id, 1, &answer, &err), CN_EINPUT);
    IS(cn_exchange_end(s, id, "", "", &err), CN_EINPUT);
    OK(cn_exchange_end(s, id, "ok", "", &err));
    IS(cn_exchange_end(s, id, "ok", "", &err), CN_EINPUT);
    IS(cn_exchange_end(s, 77, "ok", "", &err), CN_EINPUT);
    cr_assert(strstr(err.text, "no open exchange 77"), "%s", err.text);
    OK(cn_store_check(s, &err));
    cn_store_close(s);
}

struct collect {
    int n;
    int64_t body[64];
    struct cn_exchange last;
    char outcome[32], reply[64];
    size_t reply_size;
    struct cn_exchange_attempt attempt;
};

static cn_status each_exchange(void *ctx, const struct cn_exchange *e, struct cn_err *why)
{
    struct collect *c = ctx;

    (void)why;
    c->n++;
    c->last = *e;
    (void)snprintf(c->outcome, sizeof c->outcome, "%s", e->outcome);
    return CN_OK;
}

static cn_status each_attempt(void *ctx, const struct cn_exchange_attempt *a,
                              struct cn_err *why)
{
    struct collect *c = ctx;

    (void)why;
    cr_assert_lt(c->n, 64);
    c->body[c->n++] = a->body;
    c->attempt = *a;
    c->reply_size = a->got.reply_size;
    memcpy(c->reply, a->got.reply, a->got.reply_size < 64 ? a->got.reply_size : 64);
    return CN_OK;
}

Test(logs_exchange, what_was_kept_is_read_byte_for_byte)
{
    struct cn_store *s = store();
    struct collect c = {0};

    ask(s, "analysis 12", 1, "hello");
    OK(cn_exchange_each(s, 0, 0, each_exchange, &c, &err));
    cr_assert_eq(c.n, 1);
    cr_assert_eq(c.last.sums.requests, 1);
    cr_assert_eq(c.last.sums.cache_read, 600);
    cr_assert_eq(c.last.block, 1);
    memset(&c, 0, sizeof c);
    OK(cn_exchange_attempts(s, 1, each_attempt, &c, &err));
    cr_assert_eq(c.n, 1);
    cr_assert_eq(c.reply_size, 9);
    cr_assert_eq(memcmp(c.reply, "{\"a\":\0 1}", 9), 0); /* also with a NUL in it */
    cr_assert_eq(c.attempt.got.status, 200);
    cn_store_close(s);
}

/* ---- request texts ---- */

Test(logs_exchange, requests_lean_on_the_ones_before_and_come_back_whole)
{
    struct cn_store *s = store();
    struct collect c = {0};
    struct cn_buf body, back;
    int64_t id = begin(s, "analysis 12", 1);
    char file[96];
    size_t all = 0;
    char want[60][72];

    cn_buf_init(&body, CN_CAP_TEXT);
    cn_buf_init(&back, CN_CAP_TEXT);
    for (int k = 0; k < 60; k++) { /* one long prompt, a little different every time */
        cn_buf_reset(&body);
        for (int i = 0; i < 2000; i++) /* a number here and there is another one */
            cn_buf_printf(&body, "line %d of the protocol, which nobody changes\n",
                          i % 97 == 5 ? i + k : i);
        cn_buf_printf(&body, "now: %d", k * 7919);
        for (int i = 0; i < 200; i++)
            cn_buf_printf(&body, "tools %d\n", i);
        (void)cn_hash_hex(cn_buf_str(&body), body.len, want[k]);
        OK(cn_exchange_attempt_end(s, id, send_it(s, id, k + 1, 1, cn_buf_str(&body), body.len),
                                   &answer, &err));
        all += body.len;
    }
    OK(cn_exchange_attempts(s, id, each_attempt, &c, &err));
    cr_assert_eq(c.n, 60);
    for (int k = 0; k < 60; k++) {
        char hash[CN_HASH_TEXT];
        OK(cn_exchange_body(s, c.body[k], &back, &err));
        cr_assert_str_eq(cn_hash_hex(cn_buf_str(&back), back.len, hash), want[k], "%d", k);
    }
    OK(cn_store_check(s, &err));
    cn_store_close(s);
    (void)snprintf(file, sizeof file, "%s/%s", dir, CN_STORE_FILE);
    cn_buf_reset(&back);
    OK(cn_file_read(file, CN_CAP_FILE, &back, &err));
    cr_assert_lt(back.len, all / 8, "%zu bytes of store for %zu of requests", back.len, all);
    cn_buf_clear(&body);
    cn_buf_clear(&back);
}

Test(logs_exchange, the_same_request_is_kept_once_and_a_huge_one_in_part)
{
    struct cn_store *s = store();
    struct collect c = {0};
    struct cn_buf body, back;
    int64_t id = begin(s, "analysis 12", 1);

    cn_buf_init(&body, CN_CAP_TEXT);
    cn_buf_init(&back, CN_CAP_TEXT);
    for (int i = 0; body.len < CN_EXCHANGE_REQUEST + 100000; i++)
        cn_buf_printf(&body, "row %d\n", i);
    OK(cn_exchange_attempt_end(s, id, send_it(s, id, 1, 1, "same", 4), &answer, &err));
    OK(cn_exchange_attempt_end(s, id, send_it(s, id, 1, 2, "same", 4), &answer, &err));
    OK(cn_exchange_attempt_end(s, id, send_it(s, id, 2, 1, cn_buf_str(&body), body.len),
                               &answer, &err));
    OK(cn_exchange_attempts(s, id, each_attempt, &c, &err));
    cr_assert_eq(c.n, 3);
    cr_assert_eq(c.body[0], c.body[1]);
    cr_assert_eq(c.attempt.body_bytes, (int64_t)body.len);
    OK(cn_exchange_body(s, c.body[2], &back, &err));
    cr_assert_lt(back.len, CN_EXCHANGE_REQUEST + 100);
    cr_assert(strstr(cn_buf_str(&back), "bytes are not kept]"));
    cn_buf_clear(&body);
    cn_buf_clear(&back);
    cn_store_close(s);
}

Test(logs_exchange, an_image_becomes_its_size_and_hash)
{
    unsigned char png[3000];
    char hash[CN_HASH_TEXT], want[160];
    static const char a[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    struct cn_buf body, out;

    cn_buf_init(&body, CN_CAP_TEXT);
    cn_buf_init(&out, CN_CAP_TEXT);
    for (size_t i = 0; i < sizeof png; i++)
        png[i] = (unsigned char)((i * i + 31 * i) >> 3);
    cn_buf_adds(&body, "{\"data\":\"");
    for (size_t i = 0; i < sizeof png; i += 3) {
        unsigned v = (unsigned)png[i] << 16 | (unsigned)png[i + 1] << 8 | png[i + 2];
        cn_buf_printf(&body, "%c%c%c%c", a[v >> 18], a[v >> 12 & 63], a[v >> 6 & 63],
                      a[v & 63]);
    }
    cn_buf_adds(&body, "\", \"text\":\"");
    for (int i = 0; i < 1000; i++) /* long, but no image */
        cn_buf_adds(&body, "ab");
    cn_buf_adds(&body, "\"}");
    cn_exchange_slim(cn_buf_str(&body), body.len, &out);
    (void)snprintf(want, sizeof want,
                   "{\"data\":\"[image 3000 bytes sha256:%s]\", \"text\":\"abab",
                   cn_hash_hex(png, sizeof png, hash));
    cr_assert_eq(strncmp(cn_buf_str(&out), want, strlen(want)), 0, "%.200s", cn_buf_str(&out));
    cr_assert_eq(out.len, strlen(want) + 2000 - 4 + 2);
    cn_buf_clear(&body);
    cn_buf_clear(&out);
}

Test(logs_exchange, pieces_give_the_text_back_and_foreign_ones_are_refused)
{
    static const char *const wrong[] = {
        "c 0 9\n", "c 4 1\n", "c 0\n",  "c 0 1", "i 3\nab",
        "i \n",    "x 1\n",   "c  1\n", "c",     "i 99999999999999\n"};
    struct cn_buf old, text, delta, back;
    uint64_t x = 7;

    cn_buf_init(&old, CN_CAP_TEXT);
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_init(&delta, CN_CAP_TEXT);
    cn_buf_init(&back, CN_CAP_TEXT);
    for (int k = 0; k < 200; k++) { /* parts of the old text in any order, words between */
        cn_buf_reset(&old);
        cn_buf_reset(&text);
        cn_buf_reset(&delta);
        cn_buf_reset(&back);
        for (int i = 0; i < k * 20; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            cn_buf_addc(&old, (char)(x >> 56));
        }
        for (int i = 0; i < 20; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            size_t at = old.len ? (size_t)(x >> 33) % old.len : 0;
            size_t n = old.len ? (size_t)(x >> 21 & 511) : 0;
            cn_buf_add(&text, cn_buf_str(&old) + at, n < old.len - at ? n : old.len - at);
            cn_buf_printf(&text, "%.*s", (int)(x >> 60), "words of its own");
        }
        cn_delta_make(cn_buf_str(&old), old.len, cn_buf_str(&text), text.len, &delta);
        cr_assert(
            cn_delta_apply(cn_buf_str(&old), old.len, cn_buf_str(&delta), delta.len, &back));
        cr_assert_eq(back.len, text.len);
        cr_assert_eq(memcmp(cn_buf_str(&back), cn_buf_str(&text), text.len), 0, "%d", k);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        cr_assert(!cn_delta_apply("abc", 3, wrong[i], strlen(wrong[i]), &back), "%s", wrong[i]);
    cn_buf_clear(&old);
    cn_buf_clear(&text);
    cn_buf_clear(&delta);
    cn_buf_clear(&back);
}

/* ---- sums ---- */

Test(logs_exchange, sums_are_of_the_run_of_a_block_and_of_what_the_record_stands_on)
{
    struct cn_store *s = store();
    struct cn_exchange_sums t;
    struct cn_exchange_got unpriced = answer;
    struct cn_history h;
    struct cn_buf words;
    int64_t id;

    ask(s, "analysis 12", 1, "a");
    ask(s, "analysis 12", 1, "b"); /* asked again: only this one counts for the record */
    ask(s, "analysis 13", 2, "c");
    unpriced.usd = (double)NAN;
    id = begin(s, "analysis 14", 2);
    OK(cn_exchange_attempt_end(s, id, send_it(s, id, 1, 1, "d", 1), &unpriced, &err));
    OK(cn_exchange_sum(s, 0, true, &t, &err));
    cr_assert_eq(t.exchanges, 4);
    cr_assert_eq(t.input, 4000);
    cr_assert_eq(t.unpriced, 1);
    cr_assert_float_eq(t.usd, 0.03, 1e-12);
    OK(cn_exchange_sum(s, 2, true, &t, &err));
    cr_assert_eq(t.exchanges, 2);
    OK(cn_store_fact_set(s, "llm.prices", "2026-01, unverified", &err));
    OK(cn_store_history(s, &h, &err));
    cr_assert_eq(h.llm.all.exchanges, 4);
    cr_assert_eq(h.llm.standing.exchanges, 2);
    OK(cn_exchange_end(s, id, "gaps", "said nothing", &err));
    OK(cn_store_refresh(s, 100, &h, &err));
    cr_assert_eq(h.llm.standing.exchanges, 3);
    cn_buf_init(&words, 4096);
    cn_exchange_words(&h.llm.standing, h.llm.prices, &words);
    cr_assert_str_eq(cn_buf_str(&words),
                     "3 exchanges, 3,000 tokens in (60 % from the cache), 150 out, 0.0200 USD "
                     "(prices of 2026-01, unverified); the price of 1 request is unknown");
    cn_buf_clear(&words);
    cn_history_clear(&h);
    OK(cn_store_check(s, &err));
    cn_store_close(s);
}

/* ---- kills ---- */

/* In a child: one exchange of two turns, dying after the nth durable operation. */
static int child(int nth)
{
    int status = 0;
    pid_t pid;

    fflush(NULL);
    pid = fork();
    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct cn_store *s = store();
        int64_t id;

        cn_file_crash_after(nth);
        id = begin(s, "analysis 12", 1);
        for (int32_t turn = 1; turn <= 2; turn++)
            OK(cn_exchange_attempt_end(
                s, id, send_it(s, id, turn, 1, turn == 1 ? "a" : "ab", (size_t)turn), &answer,
                &err));
        OK(cn_exchange_end(s, id, "ok", "", &err));
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(logs_exchange, a_kill_at_any_place_leaves_the_worst_case)
{
    /* After: begin, sent, got, sent, got, end. */
    static const int64_t tokens[] = {0, 9000, 1050, 10050, 2100, 2100};

    for (int nth = 1; nth <= 6; nth++) {
        struct cn_exchange_sums before, after;
        struct collect c = {0};
        struct cn_store *s = store(); /* made, so that the child's first operation is ours */
        int64_t n;

        cn_store_close(s);
        cr_assert_eq(child(nth), 137);
        s = store();
        OK(cn_exchange_sum(s, 0, true, &before, &err));
        cr_assert_eq(before.input + before.output, tokens[nth - 1], "killed after %d: %lld",
                     nth, (long long)(before.input + before.output));
        OK(cn_exchange_settle(s, &n, &err));
        cr_assert_eq(n, nth == 6 ? 0 : 1);
        OK(cn_exchange_sum(s, 0, true, &after, &err));
        cr_assert_eq(memcmp(&before, &after, sizeof after), 0, "killed after %d", nth);
        OK(cn_exchange_each(s, 0, 0, each_exchange, &c, &err));
        cr_assert_eq(c.n, 1);
        cr_assert_str_eq(c.outcome, nth == 6 ? "ok" : "unknown");
        OK(cn_store_check(s, &err));
        cn_store_close(s);
        tear_down();
        set_up();
    }
    cr_assert_eq(child(0), 0);
}

Test(logs_exchange, a_replay_finds_the_last_answer_and_none_that_was_lost)
{
    struct cn_store *s = store();
    struct cn_exchange_got second = answer;
    struct collect c = {0};
    char hash[CN_HASH_TEXT];
    int64_t id, n;

    ask(s, "analysis 12", 1, "a");
    second.reply = "second";
    second.reply_size = 6;
    id = begin(s, "analysis 12", 1);
    OK(cn_exchange_attempt_end(s, id, send_it(s, id, 1, 1, "a", 1), &second, &err));
    OK(cn_exchange_end(s, id, "ok", "", &err));
    id = begin(s, "analysis 12", 1);
    (void)send_it(s, id, 1, 1, "a", 1);
    OK(cn_exchange_settle(s, &n, &err));
    (void)cn_hash_hex("a", 1, hash);
    OK(cn_exchange_find(s, "analysis 12", hash, 1, 1, each_attempt, &c, &err));
    cr_assert_eq(c.n, 1);
    cr_assert_eq(memcmp(c.reply, "second", 6), 0);
    IS(cn_exchange_find(s, "analysis 12", hash, 1, 2, each_attempt, &c, &err), CN_ENOTFOUND);
    IS(cn_exchange_find(s, "analysis 13", hash, 1, 1, each_attempt, &c, &err), CN_ENOTFOUND);
    OK(cn_exchange_find(s, "analysis 12", "", 1, 1, each_attempt, &c, &err));
    cn_store_close(s);
}
