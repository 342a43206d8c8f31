/* See llm_books.h.
 *
 * Contents: 1 opening  2 warnings  3 exchanges  4 the recorder  5 what is told
 */
#include "harness/loop/llm_books.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/llm/budget.h"
#include "harness/llm/models.h"
#include "harness/loop/evidence.h"
#include "harness/loop/llm_replay.h"
#include "harness/loop/run_int.h"

struct cn_books {
    struct cn_store *store; /* borrowed */
    struct cn_books_opts o;
    struct cn_llm_recorder recorder;
    struct cn_llm_budget budget;
    struct cn_replay *replay; /* borrowed; NULL nearly always */
    char *model, *dialect;    /* owned; of cn_books_model */
    int warned;               /* the share that was warned about last */
    int64_t exchange;         /* 0: none is open */
    bool implied;             /* ... and it was opened by an ask */
    int32_t turn, number;     /* of the last attempt */
    double spent;             /* by the open exchange */
};

/* ------------------------------------------------------------------ 1 opening */

static void say(const struct cn_books *b, const char *line)
{
    if (b->o.say)
        b->o.say(b->o.ctx, line);
}

static void tell_run(void *ctx, const char *line)
{
    cn_run_tell(ctx, "%s", line);
}

static cn_status on_begin(void *ctx, struct cn_llm_attempt *a, struct cn_err *err);
static cn_status on_end(void *ctx, const struct cn_llm_attempt *a,
                        const struct cn_llm_outcome *o, struct cn_err *err);

static cn_status settle_lost(struct cn_books *b, struct cn_err *err)
{
    char line[160];
    int64_t n = 0;
    cn_status st = cn_exchange_settle(b->store, &n, err);

    if (st != CN_OK || n == 0)
        return st;
    cn_text_format(
        line, sizeof line,
        "%lld exchange%s with the model had no end: the harness was killed; counted at "
        "the worst case",
        (long long)n, n == 1 ? "" : "s");
    say(b, line);
    return cn_store_event(b->store, 0, "llm-lost", line, err);
}

static cn_status load_spent(struct cn_books *b, struct cn_err *err)
{
    struct cn_exchange_sums t;
    cn_status st = cn_exchange_sum(b->store, 0, true, &t, err);

    b->budget = (struct cn_llm_budget){.usd = b->o.usd,
                                       .spent_usd = t.usd,
                                       .tokens = b->o.tokens,
                                       .spent_tokens = t.input + t.output,
                                       .requests = b->o.requests,
                                       .spent_requests = t.requests};
    return st;
}

/* Limits as text: a warning belongs to its limits, and raised ones may warn again. */
static void limits_text(const struct cn_books *b, char out[160])
{
    cn_text_format(out, 160, "usd=%.17g tokens=%lld requests=%lld", b->o.usd,
                   (long long)b->o.tokens, (long long)b->o.requests);
}

/* The share in the fact "llm.warned" ("80 usd=..."), when its limits are ours. */
static cn_status load_warned(struct cn_books *b, struct cn_err *err)
{
    char limits[160];
    struct cn_buf fact;
    cn_status st;

    cn_buf_init(&fact, 256);
    limits_text(b, limits);
    st = cn_store_fact(b->store, "llm.warned", &fact, NULL);
    if (st == CN_OK && strchr(cn_buf_str(&fact), ' ') &&
        strcmp(strchr(cn_buf_str(&fact), ' ') + 1, limits) == 0)
        b->warned = cn_text_starts(cn_buf_str(&fact), "100")  ? 100
                    : cn_text_starts(cn_buf_str(&fact), "80") ? 80
                                                              : 50;
    cn_buf_clear(&fact);
    return st == CN_OK || st == CN_ENOTFOUND
               ? CN_OK
               : cn_err_set(err, st, "the fact llm.warned cannot be read");
}

cn_status cn_books_new(struct cn_store *store, const struct cn_books_opts *o,
                       struct cn_books **out, struct cn_err *err)
{
    struct cn_books *b = cn_alloc(1, sizeof *b);
    cn_status st;

    *out = NULL;
    if (!b)
        return cn_err_set(err, CN_ENOMEM, "no memory for the books of the model");
    b->store = store;
    b->o = *o;
    b->recorder = (struct cn_llm_recorder){b, on_begin, on_end};
    st = settle_lost(b, err);
    if (st == CN_OK)
        st = load_spent(b, err);
    if (st == CN_OK)
        st = load_warned(b, err);
    if (st == CN_OK)
        *out = b;
    else
        cn_books_close(b);
    return st;
}

cn_status cn_books_open(struct cn_run *r, struct cn_books **out, struct cn_err *err)
{
    const struct cn_books_opts o = {.usd = r->settings.llm_usd,
                                    .tokens = r->settings.llm_tokens,
                                    .requests = r->settings.llm_requests,
                                    .exchange_usd = r->settings.llm_exchange_usd,
                                    .say = tell_run,
                                    .ctx = r};

    return cn_books_new(r->store, &o, out, err);
}

void cn_books_close(struct cn_books *b)
{
    if (!b)
        return;
    cn_free(b->model);
    cn_free(b->dialect);
    cn_free(b);
}

const struct cn_llm_recorder *cn_books_recorder(struct cn_books *b)
{
    return &b->recorder;
}

struct cn_llm_budget *cn_books_budget(struct cn_books *b)
{
    return &b->budget;
}

void cn_books_replay(struct cn_books *b, struct cn_replay *replay)
{
    b->replay = replay;
    if (replay) /* nothing is spent, so nothing is forbidden */
        b->budget = (struct cn_llm_budget){.usd = 0};
}

static cn_status put_facts(struct cn_books *b, const struct cn_llm_caps *caps,
                           const char *prices, struct cn_err *err)
{
    struct cn_buf words;
    cn_status st = cn_store_fact_set(b->store, "llm.model", b->model, err);

    cn_buf_init(&words, 4096);
    cn_llm_caps_words(caps, &words);
    if (st == CN_OK)
        st = cn_store_fact_set(b->store, "llm.dialect", b->dialect, err);
    if (st == CN_OK)
        st = cn_store_fact_set(b->store, "llm.caps", cn_buf_str(&words), err);
    if (st == CN_OK)
        st = cn_store_fact_set(b->store, "llm.prices", prices, err);
    cn_buf_clear(&words);
    return st;
}

cn_status cn_books_model(struct cn_books *b, const char *model, const char *dialect,
                         const struct cn_llm_caps *caps, const struct cn_llm_price *price,
                         struct cn_err *err)
{
    char prices[64] = "";

    if (b->replay) {
        model = cn_replay_llm(b->replay)->model;
        dialect = cn_replay_llm(b->replay)->dialect;
        cn_text_format(prices, sizeof prices, "%.60s", cn_replay_prices(b->replay));
    } else if (price && price->dated[0]) {
        cn_text_format(prices, sizeof prices, "%s, unverified", price->dated);
    }
    cn_free(b->model);
    cn_free(b->dialect);
    b->model = cn_strdup(model);
    b->dialect = cn_strdup(dialect);
    if (!b->model || !b->dialect)
        return cn_err_set(err, CN_ENOMEM, "no memory for the name of a model");
    return put_facts(b, caps, prices, err);
}

const char *cn_books_model_name(const struct cn_books *b)
{
    return b->model ? b->model : "";
}

/* ------------------------------------------------------------------ 2 warnings */

static cn_status remember(struct cn_books *b, int share, struct cn_err *err)
{
    char limits[160], fact[200];

    b->warned = share;
    limits_text(b, limits);
    cn_text_format(fact, sizeof fact, "%d %s", share, limits);
    return cn_store_fact_set(b->store, "llm.warned", fact, err);
}

/* "4.20 of 5.00 USD, 12 of 40 requests": the limits that there are. */
static void put_standing(const struct cn_llm_budget *g, struct cn_buf *out)
{
    const char *comma = "";

    if (g->usd > 0) {
        cn_buf_printf(out, "%.2f of %.2f USD", g->spent_usd, g->usd);
        comma = ", ";
    }
    if (g->tokens > 0) {
        cn_buf_printf(out, "%s%lld of %lld tokens", comma, (long long)g->spent_tokens,
                      (long long)g->tokens);
        comma = ", ";
    }
    if (g->requests > 0)
        cn_buf_printf(out, "%s%lld of %lld requests", comma, (long long)g->spent_requests,
                      (long long)g->requests);
}

static cn_status announce(struct cn_books *b, int share, const char *words, struct cn_err *err)
{
    struct cn_buf line;
    cn_status st;

    cn_buf_init(&line, 1024);
    cn_buf_printf(&line, "%s (", words);
    put_standing(&b->budget, &line);
    cn_buf_adds(&line, ")");
    say(b, cn_buf_str(&line));
    st = cn_store_event(b->store, 0, "llm-budget", cn_buf_str(&line), err);
    cn_buf_clear(&line);
    return st == CN_OK ? remember(b, share, err) : st;
}

static cn_status warn(struct cn_books *b, struct cn_err *err)
{
    int before = b->warned;
    int share = cn_budget_warning(&b->budget, &before);
    char words[64];

    if (share == 0)
        return CN_OK;
    cn_text_format(words, sizeof words, "%d per cent of the model's budget are spent", share);
    return announce(b, share, words, err);
}

/* ------------------------------------------------------------------ 3 exchanges */

cn_status cn_books_begin(struct cn_books *b, const struct cn_exchange_start *e, int64_t *out_id,
                         struct cn_err *err)
{
    struct cn_exchange_start start = *e;
    cn_status st;

    *out_id = 0;
    if (b->exchange && !b->implied)
        return cn_err_set(err, CN_EINPUT, "exchange %lld is still open",
                          (long long)b->exchange);
    st = b->exchange ? cn_books_end(b, "ok", "", err) : CN_OK;
    if (st != CN_OK)
        return st;
    start.model = b->replay || !e->model ? b->model : e->model;
    start.dialect = b->replay || !e->dialect ? b->dialect : e->dialect;
    start.replayed = b->replay != NULL;
    st = cn_exchange_begin(b->store, &start, &b->exchange, err);
    b->implied = false;
    b->turn = b->number = 0;
    b->spent = 0;
    *out_id = b->exchange;
    return st;
}

cn_status cn_books_end(struct cn_books *b, const char *outcome, const char *why,
                       struct cn_err *err)
{
    int64_t id = b->exchange;
    cn_status st;

    if (id == 0)
        return CN_OK;
    b->exchange = 0;
    st = cn_exchange_end(b->store, id, outcome, why, err);
    if (st == CN_OK && strcmp(outcome, "budget") == 0 && b->warned < 100)
        st = announce(b, 100, "the model's budget is used up: it is not asked any more", err);
    return st;
}

void cn_books_sections(const struct cn_shown *e, struct cn_buf *out)
{
    for (int i = 0; i < e->n_sections; i++)
        cn_buf_printf(out, "%s %zu\n", e->sections[i].name, e->sections[i].bytes);
}

/* ------------------------------------------------------------------ 4 the recorder */

static cn_status check_exchange_limit(const struct cn_books *b, const struct cn_llm_attempt *a,
                                      struct cn_err *err)
{
    if (b->o.exchange_usd <= 0 || b->replay)
        return CN_OK;
    if (isnan(a->worst_usd))
        return cn_err_set(err, CN_ECAP,
                          "llm.exchange_usd is set, but the price of %s is not known",
                          a->model);
    if (b->spent + a->worst_usd > b->o.exchange_usd)
        return cn_err_set(
            err, CN_ECAP,
            "the limit of %.2f USD for one exchange (%.2f spent) does not cover a "
            "request of up to %.2f",
            b->o.exchange_usd, b->spent, a->worst_usd);
    return CN_OK;
}

/* An ask outside every exchange. */
static cn_status imply(struct cn_books *b, const struct cn_llm_attempt *a, struct cn_err *err)
{
    const struct cn_exchange_start e = {.phase = "other",
                                        .purpose = a->purpose,
                                        .model = a->model,
                                        .dialect = a->dialect,
                                        .sections = ""};
    int64_t id;
    cn_status st = CN_OK;

    if (b->exchange && b->implied && a->exchange == 0)
        st = cn_books_end(b, "trouble", "", err); /* the ask before gave up */
    if (st == CN_OK && b->exchange == 0) {
        st = cn_books_begin(b, &e, &id, err);
        b->implied = true;
    }
    return st;
}

static cn_status on_begin(void *ctx, struct cn_llm_attempt *a, struct cn_err *err)
{
    struct cn_books *b = ctx;
    struct cn_exchange_sent sent = {.try_number = a->number,
                                    .body = a->body,
                                    .body_size = a->body_size,
                                    .hash = a->body_hash,
                                    .worst_usd = a->worst_usd,
                                    .worst_tokens = a->worst_tokens};
    cn_status st = imply(b, a, err);

    if (st == CN_OK)
        st = check_exchange_limit(b, a, err);
    if (st != CN_OK)
        return st;
    b->turn += a->exchange == 0;
    a->exchange = sent.exchange = b->exchange;
    sent.turn = b->turn;
    return cn_exchange_attempt_begin(b->store, &sent, &b->number, err);
}

static cn_status on_end(void *ctx, const struct cn_llm_attempt *a,
                        const struct cn_llm_outcome *o, struct cn_err *err)
{
    struct cn_books *b = ctx;
    struct cn_llm_usage u = o->usage;
    double usd = o->usd, seconds = o->seconds;
    cn_status st;

    if (b->replay)
        cn_replay_last(b->replay, &u, &usd, &seconds);
    const struct cn_exchange_got got = {.status = o->status,
                                        .trouble = cn_llm_trouble_name(o->trouble),
                                        .message = o->message,
                                        .request_id = o->request_id,
                                        .reply = o->reply,
                                        .reply_size = o->reply_size,
                                        .known = u.known,
                                        .input = u.input,
                                        .cache_read = u.cache_read,
                                        .cache_write = u.cache_write,
                                        .output = u.output,
                                        .usd = usd,
                                        .seconds = seconds};
    b->spent += isnan(usd) ? 0 : usd;
    st = cn_exchange_attempt_end(b->store, a->exchange, b->number, &got, err);
    if (st == CN_OK && b->implied && o->trouble == CN_LLM_TROUBLE_NONE)
        st = cn_books_end(b, "ok", "", err);
    return st == CN_OK && !b->replay ? warn(b, err) : st;
}

/* ------------------------------------------------------------------ 5 what is told */

void cn_books_cost_line(const struct cn_history *h, struct cn_buf *out)
{
    if (h->llm.all.exchanges == 0)
        return;
    cn_buf_adds(out, "model: ");
    cn_exchange_words(&h->llm.all, h->llm.prices, out);
}

/* Whether this block was told already; it is from now on. */
static cn_status mark_told(struct cn_run *r, int64_t block, bool *out_told, struct cn_err *err)
{
    char number[32];
    struct cn_buf fact;

    cn_buf_init(&fact, sizeof number);
    cn_text_format(number, sizeof number, "%lld", (long long)block);
    *out_told = cn_store_fact(r->store, "llm.told_block", &fact, NULL) == CN_OK &&
                strcmp(cn_buf_str(&fact), number) == 0;
    cn_buf_clear(&fact);
    return *out_told ? CN_OK : cn_store_fact_set(r->store, "llm.told_block", number, err);
}

cn_status cn_books_block(struct cn_run *r, int64_t block, struct cn_err *err)
{
    bool told = false;
    struct cn_exchange_sums of_block, all;
    struct cn_buf line, prices;
    cn_status st = cn_exchange_sum(r->store, block, false, &of_block, err);

    if (st == CN_OK)
        st = cn_exchange_sum(r->store, 0, false, &all, err);
    if (st == CN_OK && all.exchanges > 0)
        st = mark_told(r, block, &told, err);
    if (st != CN_OK || all.exchanges == 0 || told)
        return st;
    cn_buf_init(&line, 4096);
    cn_buf_init(&prices, 256);
    if (cn_store_fact(r->store, "llm.prices", &prices, NULL) != CN_OK)
        cn_buf_reset(&prices);
    cn_buf_printf(&line, "block %lld, model: ", (long long)block);
    cn_exchange_words(&of_block, "", &line);
    cn_buf_adds(&line, "; all blocks: ");
    cn_exchange_words(&all, cn_buf_str(&prices), &line);
    cn_run_tell(r, "%s", cn_buf_str(&line));
    st = cn_store_event(r->store, 0, "llm-cost", cn_buf_str(&line), err);
    cn_buf_clear(&line);
    cn_buf_clear(&prices);
    return st;
}
