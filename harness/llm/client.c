/* See client.h.
 *
 * Contents: 1 opening  2 waiting  3 an ask (its attempts: attempt.c)
 */
#include "harness/llm/client.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "harness/llm/budget.h"
#include "harness/llm/client_int.h"
#include "harness/llm/models.h"

enum { SLICE_MS = 100 };

/* ------------------------------------------------------------------ 1 opening */

/* A server of the user's own costs nothing, unless their prices file names its model. */
static cn_status find_price(struct cn_llm *l, struct cn_err *err)
{
    cn_status st = CN_OK;

    memset(&l->price, 0, sizeof l->price);
    if (!l->at.local || l->prices)
        st = cn_price_find(l->at.model, l->prices, &l->price, err);
    if (l->at.local && isnan(l->price.input))
        memset(&l->price, 0, sizeof l->price);
    return st;
}

static cn_status set_up(struct cn_llm *l, struct cn_err *err)
{
    cn_status st = cn_provider_parse(l->o.spec, &l->at, err);

    if (st == CN_OK)
        st = cn_key_find(&l->at, l->o.key_file, l->o.key_command, &l->key, err);
    if (st == CN_OK)
        st = find_price(l, err);
    if (st != CN_OK)
        return st;
    if (l->at.kind == CN_PROVIDER_HTTP) {
        l->caps =
            l->o.caps ? *l->o.caps : cn_llm_caps_of(l->at.dialect, l->at.model, l->at.local);
        return cn_http_new(&l->http, err);
    }
    /* A command answers in words; a replay does what its record did. */
    l->caps = (struct cn_llm_caps){.tools = l->at.kind == CN_PROVIDER_REPLAY,
                                   .images = l->at.kind == CN_PROVIDER_REPLAY,
                                   .max_output_tokens = 8192,
                                   .max_images = 20};
    if (l->o.caps)
        l->caps = *l->o.caps;
    if (l->at.kind == CN_PROVIDER_REPLAY && !l->o.replay)
        return cn_err_set(err, CN_EINPUT, "llm: %s: there is no record to replay", l->o.spec);
    if (l->at.kind == CN_PROVIDER_REPLAY)
        l->replayed = cn_dialect_find(l->o.replay->dialect);
    return CN_OK;
}

static void say_unknown_price(const struct cn_llm *l)
{
    char line[256];

    if (!l->o.say || l->at.kind != CN_PROVIDER_HTTP || !isnan(l->price.input))
        return;
    cn_text_format(line, sizeof line,
                   "no price is known for %.80s: its tokens are counted, its cost is not "
                   "(llm.prices)",
                   l->at.model);
    l->o.say(l->o.say_ctx, line);
}

cn_status cn_llm_open(const struct cn_llm_opts *o, struct cn_llm **out, struct cn_err *err)
{
    struct cn_llm *l = cn_alloc(1, sizeof *l);
    cn_status st;

    *out = NULL;
    if (!l)
        return cn_err_set(err, CN_ENOMEM, "no memory for a model");
    l->o = *o;
    l->prices = o->prices ? cn_strdup(o->prices) : NULL;
    cn_rng_init(&l->rng, o->seed, 0x6c6c6d);
    st = set_up(l, err);
    l->o.spec = l->o.key_file = l->o.key_command = NULL; /* borrowed for this call only */
    l->o.caps = NULL;
    if (st != CN_OK) {
        cn_llm_close(l);
        return st;
    }
    say_unknown_price(l);
    *out = l;
    return CN_OK;
}

void cn_llm_close(struct cn_llm *l)
{
    if (!l)
        return;
    cn_http_free(l->http);
    cn_key_free(l->key);
    cn_free(l->prices);
    cn_provider_clear(&l->at);
    cn_free(l);
}

const struct cn_llm_caps *cn_llm_caps(const struct cn_llm *l)
{
    return &l->caps;
}

const char *cn_llm_model(const struct cn_llm *l)
{
    return l->at.model;
}

const struct cn_llm_price *cn_llm_price(const struct cn_llm *l)
{
    return &l->price;
}

const char *cn_llm_dialect(const struct cn_llm *l)
{
    return l->at.kind == CN_PROVIDER_COMMAND  ? "command"
           : l->at.kind == CN_PROVIDER_REPLAY ? "replay"
                                              : cn_dialect_name(l->at.dialect);
}

/* ------------------------------------------------------------------ 2 waiting */

static bool stopped(const struct cn_llm *l)
{
    return l->o.stop && *l->o.stop;
}

static void wait(struct cn_llm *l, const struct cn_llm_trouble *t, double seconds)
{
    char line[256];

    if (l->o.say && seconds >= 1) {
        cn_text_format(
            line, sizeof line, "the model does not answer (%s: %.*s); next try in %.0f s",
            cn_llm_trouble_name(t->kind),
            (int)cn_text_utf8_cut(t->message, strlen(t->message), 120), t->message, seconds);
        l->o.say(l->o.say_ctx, line);
    }
    for (double left = 1e3 * seconds; left > 0 && !stopped(l); left -= SLICE_MS) {
        if (l->o.tick)
            l->o.tick(l->o.tick_ctx);
        cn_clock_sleep_ms(left < SLICE_MS ? (int64_t)left + 1 : SLICE_MS);
    }
}

/* What the provider asks for; else full jitter: anything from nothing to 1, 2, 4, ... seconds. */
static double pause_of(struct cn_llm *l, const struct cn_llm_trouble *t, int32_t number)
{
    double ceiling = ldexp(1, number < 20 ? number - 1 : 19);

    if (l->at.kind == CN_PROVIDER_REPLAY)
        return 0;
    if (t->wait_s > 0) /* "0" says nothing: do not storm it */
        return t->wait_s;
    return cn_rng_uniform(&l->rng) * fmin(ceiling, l->o.cap_s);
}

/* ------------------------------------------------------------------ 3 an ask */

/* Over this trouble, is there another attempt? Waits for it when there is. */
static bool goes_on(struct cn_llm *l, struct cn_llm_trouble *t, int32_t number,
                    int64_t begun_us)
{
    double pause, spent = 1e-6 * (double)(cn_clock_mono_us() - begun_us);

    if (stopped(l) || number >= l->o.attempts || t->remedy == CN_LLM_DO_STOP)
        return false;
    if (t->remedy == CN_LLM_DO_FIX)
        return t->kind == CN_LLM_TROUBLE_FIELD && cn_llm_caps_drop(&l->caps, t->field);
    pause = pause_of(l, t, number);
    if (pause > l->o.park_s || spent + pause > l->o.total_s) {
        t->wait_s = pause;
        return false;
    }
    wait(l, t, pause);
    return !stopped(l);
}

static cn_status give_up(const struct cn_llm *l, const struct cn_llm_trouble *t,
                         struct cn_err *err)
{
    bool parks = t->remedy == CN_LLM_DO_WAIT ||
                 (t->remedy == CN_LLM_DO_RETRY && t->wait_s > l->o.park_s);
    cn_status st = stopped(l) || t->kind == CN_LLM_TROUBLE_CANCELLED ? CN_ESTOPPED
                   : t->kind == CN_LLM_TROUBLE_TOO_LARGE             ? CN_ECAP
                   : parks                                           ? CN_ETIMEOUT
                                                                     : CN_EIO;

    return cn_err_set(err, st, "%s: %s: %s", l->at.model, cn_llm_trouble_name(t->kind),
                      t->message);
}

cn_status cn_llm_ask(struct cn_llm *l, const struct cn_llm_request *q, const char *purpose,
                     struct cn_llm_answer *answer, struct cn_llm_trouble *trouble,
                     struct cn_err *err)
{
    struct cn_llm_request request = *q;
    int64_t begun = cn_clock_mono_us(), exchange = 0;
    struct cn_attempt t;
    bool fatal;

    request.model = l->at.kind == CN_PROVIDER_REPLAY ? l->o.replay->model : l->at.model;
    for (int32_t number = 1;; number++) {
        cn_status st;

        cn_attempt_init(&t, l, &request, purpose, number, exchange, answer);
        t.left_s = fmax(0.01, l->o.total_s - 1e-6 * (double)(cn_clock_mono_us() - begun));
        st = cn_attempt_run(&t, &fatal, err);
        exchange = t.a.exchange;
        if (st == CN_ENOTFOUND && number > 1 && l->at.kind == CN_PROVIDER_REPLAY) {
            cn_attempt_clear(&t); /* the record ends here: so did the ask */
            return give_up(l, trouble, err);
        }
        *trouble = t.trouble;
        cn_attempt_clear(&t);
        if (st == CN_OK || fatal)
            return st;
        if (!goes_on(l, trouble, number, begun))
            return give_up(l, trouble, err);
    }
}
