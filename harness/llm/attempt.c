/* One request of an ask: built, reserved, recorded, sent (over the wire, to a command, or looked up
 * in a record), recorded, settled.
 *
 * Contents: 1 what comes back  2 over the wire  3 a command, a record  4 the books
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/secret.h"
#include "base/text.h"
#include "harness/llm/budget.h"
#include "harness/llm/client_int.h"
#include "harness/llm/command.h"

enum { REPLY_CAP = 8 << 20, LATER_S = 30 };

/* ------------------------------------------------------------------ 1 what comes back */

static cn_status on_event(void *ctx, const struct cn_sse_event *e, struct cn_err *err)
{
    struct cn_attempt *t = ctx;
    cn_status st = cn_stream_event(t->stream, e, err);

    t->enough = st == CN_OK && cn_stream_ended(t->stream);
    return st;
}

/* Bytes of the stream: kept for the record, then parsed. */
static cn_status on_bytes(void *ctx, const char *bytes, size_t n, struct cn_err *err)
{
    struct cn_attempt *t = ctx;

    cn_buf_add(&t->reply, bytes, n);
    if (cn_buf_status(&t->reply) != CN_OK)
        return cn_err_set(err, CN_ECAP, "the answer is longer than %d bytes", REPLY_CAP);
    return cn_sse_feed(&t->sse, bytes, n, err);
}

static cn_status open_stream(struct cn_attempt *t, const struct cn_dialect *d,
                             struct cn_err *err)
{
    cn_status st = cn_stream_new(d, &t->stream, err);

    if (st == CN_OK) {
        cn_sse_init(&t->sse, on_event, t, REPLY_CAP);
        t->sse_open = true;
    }
    return st;
}

/* The provider's own words about it; the request's number stays. */
static void take_trouble(struct cn_attempt *t, const struct cn_llm_trouble *theirs)
{
    char id[sizeof theirs->request_id];

    if (theirs->kind == CN_LLM_TROUBLE_NONE)
        return;
    cn_text_copy(id, sizeof id, t->trouble.request_id);
    t->trouble = *theirs;
    if (!t->trouble.request_id[0])
        cn_text_copy(t->trouble.request_id, sizeof t->trouble.request_id, id);
}

/* The answer out of what came; a stream that broke may still say what it cost. */
static cn_status take_stream(struct cn_attempt *t, struct cn_err *err)
{
    cn_status st = cn_sse_end(&t->sse, err);

    if (st == CN_OK)
        st = cn_stream_end(t->stream, t->answer, err);
    if (st != CN_OK)
        take_trouble(t, cn_stream_trouble(t->stream));
    return st;
}

/* A whole reply: one JSON value, or the events of a stream that was not called one. */
static cn_status take_reply(struct cn_attempt *t, const struct cn_dialect *d)
{
    static const char *const begins[] = {"event:", "data:",  ":",
                                         "id:",    "retry:", "\xEF\xBB\xBF"};
    const char *text = cn_buf_str(&t->reply);
    struct cn_llm_trouble trouble;
    cn_status st;

    for (size_t i = 0; i < sizeof begins / sizeof *begins; i++)
        if (cn_text_starts(text, begins[i])) {
            st = t->sse_open ? CN_OK : open_stream(t, d, &t->why);
            if (st == CN_OK)
                st = cn_sse_feed(&t->sse, text, t->reply.len, &t->why);
            return st == CN_OK || t->enough ? take_stream(t, &t->why) : st;
        }
    st = cn_dialect_answer(d, text, t->reply.len, t->answer, &trouble, &t->why);
    if (st != CN_OK)
        take_trouble(t, &trouble);
    return st;
}

static void call_it(struct cn_attempt *t, cn_llm_trouble_kind kind, cn_llm_remedy remedy)
{
    if (t->trouble.kind != CN_LLM_TROUBLE_NONE)
        return;
    t->trouble.kind = kind;
    t->trouble.remedy = remedy;
    cn_text_copy(t->trouble.message, sizeof t->trouble.message, t->why.text);
}

/* ------------------------------------------------------------------ 2 over the wire */

static int headers_of(const struct cn_llm *l, struct cn_http_header *h, char *auth, size_t room)
{
    bool messages = strcmp(cn_dialect_name(l->at.dialect), "anthropic") == 0;
    int n = 0;

    h[n++] = (struct cn_http_header){"content-type", "application/json", false};
    if (messages)
        h[n++] = (struct cn_http_header){"anthropic-version", "2023-06-01", false};
    if (l->key && messages)
        h[n++] = (struct cn_http_header){"x-api-key", l->key, true};
    if (l->key && !messages) {
        (void)snprintf(auth, room, "Bearer %s", l->key);
        h[n++] = (struct cn_http_header){"authorization", auth, true};
    }
    return n;
}

/* No answer: a status that is no success, or none at all. */
static cn_status failed(struct cn_attempt *t, cn_status st)
{
    bool spoke = t->status >= 200 && t->status < 300;

    if (st == CN_OK) {
        cn_llm_trouble_of(&t->http, st, cn_clock_now_ms(), &t->trouble);
        return CN_EIO;
    }
    if (spoke && (st == CN_EIO || st == CN_EINPUT || st == CN_ECAP)) {
        call_it(t, CN_LLM_TROUBLE_BROKEN, CN_LLM_DO_RETRY); /* it broke off while it spoke */
    } else {
        cn_llm_trouble_of(&t->http, st, cn_clock_now_ms(), &t->trouble);
        cn_text_copy(t->trouble.message, sizeof t->trouble.message, t->why.text);
    }
    return st;
}

static cn_status over_http(struct cn_attempt *t)
{
    const struct cn_llm *l = t->l;
    struct cn_http_call c = CN_HTTP_CALL_INIT;
    struct cn_http_header h[4];
    char auth[4200];
    cn_status st = open_stream(t, l->at.dialect, &t->why);

    c.url = l->at.url;
    c.headers = h;
    c.n_headers = headers_of(l, h, auth, sizeof auth);
    c.body = cn_buf_str(&t->body);
    c.body_size = t->body.len;
    c.stall_s = l->o.stall_s;
    c.total_s = t->left_s;
    c.cap = REPLY_CAP;
    c.on_bytes = on_bytes;
    c.ctx = t;
    c.enough = &t->enough;
    c.stop = l->o.stop;
    c.tick = l->o.tick;
    c.tick_ctx = l->o.tick_ctx;
    if (st == CN_OK)
        st = cn_http_do(l->http, &c, &t->http, &t->why);
    explicit_bzero(auth, sizeof auth);
    t->sent = t->http.sent;
    t->status = t->http.status;
    if (!t->http.streamed)
        cn_buf_add(&t->reply, cn_buf_str(&t->http.body), t->http.body.len);
    if (st != CN_OK || t->status < 200 || t->status >= 300)
        return failed(t, st);
    if (!cn_http_header(&t->http, "request-id", t->trouble.request_id,
                        sizeof t->trouble.request_id))
        (void)cn_http_header(&t->http, "x-request-id", t->trouble.request_id,
                             sizeof t->trouble.request_id);
    return t->http.streamed ? take_stream(t, &t->why) : take_reply(t, l->at.dialect);
}

/* ------------------------------------------------------------------ 3 a command, a record */

/* One TEXT block. */
static cn_status text_answer(struct cn_attempt *t)
{
    struct cn_llm_answer *a = t->answer;
    struct cn_llm_block *b;

    cn_arena_init(&a->arena, CN_CAP_TEXT);
    b = cn_arena_alloc(&a->arena, 1, sizeof *b);
    if (b)
        *b = (struct cn_llm_block){.kind = CN_LLM_TEXT,
                                   .text = cn_arena_strdup(&a->arena, cn_buf_str(&t->reply)),
                                   .id = "",
                                   .name = "",
                                   .arguments = "{}",
                                   .media_type = ""};
    if (!b || !b->text)
        return cn_err_set(&t->why, CN_ENOMEM, "no memory for the answer");
    a->blocks = b;
    a->n_blocks = 1;
    a->stop = CN_LLM_STOP_END;
    a->stop_text = a->id = "";
    a->model = "command";
    return CN_OK;
}

static cn_status over_command(struct cn_attempt *t)
{
    const struct cn_llm_opts *o = &t->l->o;
    struct cn_command_call c = {.command = t->l->at.model,
                                .prompt = cn_buf_str(&t->body),
                                .n = t->body.len,
                                .deadline_s = t->left_s,
                                .stop = o->stop,
                                .tick = o->tick,
                                .tick_ctx = o->tick_ctx};
    bool later;
    cn_status st = cn_command_run(&c, &t->reply, &later, &t->why);

    /* For the record: as a server would have said it. */
    t->status = st == CN_OK ? 200 : later ? 503 : st == CN_ETIMEOUT ? 504 : 500;
    if (later) {
        call_it(t, CN_LLM_TROUBLE_OVERLOADED, CN_LLM_DO_WAIT);
        t->trouble.wait_s = LATER_S;
    } else if (st == CN_ESTOPPED) {
        call_it(t, CN_LLM_TROUBLE_CANCELLED, CN_LLM_DO_STOP);
    } else if (st == CN_ETIMEOUT) {
        call_it(t, CN_LLM_TROUBLE_TIMEOUT, CN_LLM_DO_RETRY);
    } else if (st != CN_OK) {
        call_it(t, CN_LLM_TROUBLE_SERVER, CN_LLM_DO_RETRY);
    }
    return st == CN_OK ? text_answer(t) : st;
}

static cn_status over_record(struct cn_attempt *t)
{
    char dialect[32] = "";
    const struct cn_dialect *d;
    cn_status st = t->l->o.replay->find(t->l->o.replay->ctx, &t->a, &t->status, &t->reply,
                                        dialect, &t->why);

    d = cn_dialect_find(dialect);
    if (st == CN_OK && !d && strcmp(dialect, "command") != 0)
        st = cn_err_set(&t->why, CN_ECORRUPT, "a record of an unknown dialect");
    if (st != CN_OK) {
        call_it(t, CN_LLM_TROUBLE_REQUEST, CN_LLM_DO_STOP);
        return st;
    }
    if (t->status < 200 || t->status >= 300) {
        t->http.status = t->status;
        cn_buf_init(&t->http.body, REPLY_CAP);
        cn_buf_add(&t->http.body, cn_buf_str(&t->reply), t->reply.len);
        cn_llm_trouble_of(&t->http, t->status ? CN_OK : CN_EIO, 0, &t->trouble);
        return CN_EIO;
    }
    return d ? take_reply(t, d) : text_answer(t);
}

/* ------------------------------------------------------------------ 4 the books */

/* Tokens and money that this attempt has cost, at its worst where nobody knows. */
static void cost_of(const struct cn_attempt *t, cn_status st, struct cn_llm_outcome *o)
{
    const struct cn_llm *l = t->l;

    o->usage = st == CN_OK ? t->answer->usage
               : t->stream ? cn_stream_usage(t->stream)
                           : (struct cn_llm_usage){0};
    /* A stream that broke before its end has counted what went in, not what it wrote. */
    if (st != CN_OK && t->stream && !cn_stream_ended(t->stream) && o->usage.known &&
        o->usage.output < t->q->max_tokens)
        o->usage.output = t->q->max_tokens;
    o->usd = cn_price_usd(&l->price, &o->usage);
    if (l->at.kind != CN_PROVIDER_HTTP) {
        o->usd = 0;
    } else if (!o->usage.known && t->sent && (t->status == 0 || t->status < 300)) {
        /* It was sent, perhaps served, perhaps billed. */
        o->usage.input = t->a.worst_tokens;
        o->usd = t->a.worst_usd;
    }
}

/* A server or a proxy may echo what it was sent. */
static void hide_key(struct cn_attempt *t)
{
    const char *key = t->l->key;

    if (t->reply.data)
        cn_secret_hide(t->reply.data, t->reply.len, key);
    cn_secret_hide(t->trouble.message, strlen(t->trouble.message), key);
    cn_secret_hide(t->trouble.request_id, strlen(t->trouble.request_id), key);
    cn_secret_hide(t->why.text, strlen(t->why.text), key);
}

static cn_status settle(struct cn_attempt *t, cn_status st, double seconds, struct cn_err *err)
{
    struct cn_llm *l = t->l;
    struct cn_llm_outcome o = {.status = t->status,
                               .trouble = st == CN_OK ? CN_LLM_TROUBLE_NONE : t->trouble.kind,
                               .message = st == CN_OK ? "" : t->trouble.message,
                               .request_id = t->trouble.request_id,
                               .reply = cn_buf_str(&t->reply),
                               .reply_size = t->reply.len,
                               .seconds = seconds};
    int share;

    cost_of(t, st, &o);
    cn_budget_settle(l->o.budget, t->a.worst_usd, t->a.worst_tokens, o.usd,
                     o.usage.input + o.usage.output);
    share = l->o.budget ? cn_budget_warning(l->o.budget, &l->warned) : 0;
    if (share > 0 && l->o.say) {
        char line[96];

        cn_text_format(line, sizeof line, "%d per cent of the model's budget are spent", share);
        l->o.say(l->o.say_ctx, line);
    }
    return l->o.record ? l->o.record->end(l->o.record->ctx, &t->a, &o, err) : CN_OK;
}

static cn_status build(struct cn_attempt *t, struct cn_err *err)
{
    struct cn_llm *l = t->l;
    struct cn_llm_usage worst;
    cn_status st = CN_OK;

    const struct cn_dialect *d = l->at.kind == CN_PROVIDER_HTTP     ? l->at.dialect
                                 : l->at.kind == CN_PROVIDER_REPLAY ? l->replayed
                                                                    : NULL;

    if (d)
        st = cn_dialect_body(d, t->q, &l->caps, &t->body, err);
    else
        cn_command_prompt(t->q, &t->body);
    if (st == CN_OK && cn_buf_status(&t->body) != CN_OK)
        st = cn_err_set(err, cn_buf_status(&t->body), "the prompt is too large");
    if (st == CN_ECAP) {
        t->why = (struct cn_err){st, "the prompt is larger than any request may be"};
        call_it(t, CN_LLM_TROUBLE_TOO_LARGE, CN_LLM_DO_FIX);
    }
    if (st != CN_OK)
        return st;
    worst = cn_worst_usage(t->q, t->body.len);
    t->a.body = cn_buf_str(&t->body);
    t->a.body_size = t->body.len;
    (void)cn_hash_hex(t->a.body, t->a.body_size, t->a.body_hash);
    t->a.worst_tokens = worst.input + worst.output;
    t->a.worst_usd = l->at.kind == CN_PROVIDER_HTTP ? cn_price_usd(&l->price, &worst) : 0;
    return CN_OK;
}

cn_status cn_attempt_run(struct cn_attempt *t, bool *fatal, struct cn_err *err)
{
    struct cn_llm *l = t->l;
    int64_t begun;
    cn_status st = build(t, err), booked;

    *fatal = true;
    if (st != CN_OK)
        return st;
    st = cn_budget_reserve(l->o.budget, t->a.worst_usd, t->a.worst_tokens, &t->why);
    if (st != CN_OK) {
        call_it(t, CN_LLM_TROUBLE_QUOTA, CN_LLM_DO_STOP);
        return cn_err_set(err, st, "%s", t->why.text);
    }
    if (l->o.record)
        st = l->o.record->begin(l->o.record->ctx, &t->a, err);
    if (st != CN_OK) {
        cn_budget_settle(l->o.budget, t->a.worst_usd, t->a.worst_tokens, 0, 0);
        return st;
    }
    begun = cn_clock_mono_us();
    st = l->at.kind == CN_PROVIDER_HTTP      ? over_http(t)
         : l->at.kind == CN_PROVIDER_COMMAND ? over_command(t)
                                             : over_record(t);
    if (st != CN_OK)
        call_it(t, CN_LLM_TROUBLE_BROKEN, CN_LLM_DO_RETRY);
    hide_key(t);
    booked = settle(t, st, 1e-6 * (double)(cn_clock_mono_us() - begun), err);
    if (booked != CN_OK) {
        if (st == CN_OK)
            cn_llm_answer_clear(t->answer);
        return booked;
    }
    *fatal = false;
    return st;
}

void cn_attempt_init(struct cn_attempt *t, struct cn_llm *l, const struct cn_llm_request *q,
                     const char *purpose, int32_t number, int64_t exchange,
                     struct cn_llm_answer *answer)
{
    memset(t, 0, sizeof *t);
    memset(answer, 0, sizeof *answer);
    t->l = l;
    t->q = q;
    t->answer = answer;
    t->trouble.wait_s = (double)NAN;
    t->a = (struct cn_llm_attempt){.exchange = exchange,
                                   .number = number,
                                   .purpose = purpose,
                                   .model = l->at.model,
                                   .dialect = cn_llm_dialect(l)};
    cn_buf_init(&t->body, CN_CAP_TEXT);
    cn_buf_init(&t->reply, REPLY_CAP);
    cn_buf_init(&t->http.headers, 1);
    cn_buf_init(&t->http.body, 1);
}

void cn_attempt_clear(struct cn_attempt *t)
{
    cn_buf_clear(&t->body);
    cn_buf_clear(&t->reply);
    cn_http_reply_clear(&t->http);
    cn_stream_free(t->stream);
    if (t->sse_open)
        cn_sse_clear(&t->sse);
}
