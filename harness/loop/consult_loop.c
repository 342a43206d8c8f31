/* Where the loop meets the model: when it is asked and what for, what becomes of the answer, and when
 * it is left alone.
 *
 * 1. opening  2. the breaker  3. keeping and applying  4. what is needed  5. the hooks
 *
 * Order of an exchange, so that a kill between any two steps loses and repeats nothing:
 *   1. the model is asked; nothing is written;
 *   2. what it said is written as one fact (consult_keep.c), with the gaps that it left;
 *   3. each piece is used by the step that needs it: analyses when an iteration is committed,
 *      proposals when it is planned, edits and memory at the end of the block, answers at once.
 * A harness that comes back before 2 asks again, after 2 it goes on with 3. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/text.h"
#include "harness/llm/client.h"
#include "harness/llm/models.h"
#include "harness/loop/consult_int.h"
#include "harness/loop/hybrid.h"
#include "harness/loop/llm_books.h"
#include "harness/loop/llm_replay.h"
#include "logs/predictions.h"
#include "logs/project.h"
#include "protocols/edit.h"

#define FACT "llm.said"

enum { SILENT_MOST = 3, REST_S = 600 };

/* ------------------------------------------------------------------ 1. opening */

bool cn_consult_is_on(const struct cn_run *r)
{
    return r->consult != NULL;
}

static void say(void *ctx, const char *line)
{
    cn_run_tell(ctx, "%s", line);
}

/* While an ask waits: the lease, and a stop that another process posted. */
static void tick(void *ctx)
{
    struct cn_run *r = ctx;

    /* A lease that is lost is found by the next step of the record. */
    if (cn_run_beat(r, NULL) == CN_OK)
        cn_run_request_stop(r, cn_run_take_posted_stop(r));
}

static const char *or_null(const char *s)
{
    return s[0] ? s : NULL;
}

static cn_status open_model(struct cn_run *r, struct cn_consult *c, struct cn_err *err)
{
    const struct cn_settings *s = &r->settings;
    struct cn_llm_opts o = CN_LLM_OPTS_INIT;
    struct cn_llm_caps caps;
    cn_status st;

    st = cn_books_open(r, &c->books, err);
    if (st == CN_OK)
        st = cn_replay_open_spec(s->llm, r->dir, strcmp(s->llm_replay, "loose") == 0,
                                 &c->replay, err);
    if (st != CN_OK)
        return st;
    if (c->replay) {
        cn_books_replay(c->books, c->replay);
        o.replay = cn_replay_llm(c->replay);
        o.caps = cn_replay_caps(c->replay);
    }
    o.record = cn_books_recorder(c->books);
    o.spec = s->llm;
    o.key_file = or_null(s->llm_key_file);
    o.key_command = or_null(s->llm_key_command);
    o.prices = or_null(s->llm_prices);
    o.budget = cn_books_budget(c->books);
    o.stall_s = s->llm_stall_s;
    o.total_s = s->llm_total_s;
    o.stop = &r->stop;
    o.seed = (uint64_t)s->seed;
    o.say = say;
    o.say_ctx = r;
    o.tick = tick;
    o.tick_ctx = r;
    st = cn_llm_open(&o, &c->llm, err);
    if (st != CN_OK || c->replay || !s->llm_capabilities[0])
        return st;
    caps = *cn_llm_caps(c->llm);
    st = cn_llm_caps_set(&caps, s->llm_capabilities, "explore.llm.capabilities", err);
    if (st != CN_OK)
        return st;
    cn_llm_close(c->llm);
    c->llm = NULL;
    o.caps = &caps;
    return cn_llm_open(&o, &c->llm, err);
}

static cn_status load_sayings(struct cn_run *r, struct cn_err *err)
{
    struct cn_buf text;
    cn_status st;

    cn_buf_init(&text, CN_CAP_TEXT);
    st = cn_store_fact(r->store, FACT, &text, err);
    if (st == CN_ENOTFOUND) {
        cn_buf_reset(&text);
        st = CN_OK;
    }
    cn_sayings_clear(&r->consult->sayings);
    if (st == CN_OK)
        st = cn_sayings_parse(cn_buf_str(&text), text.len, &r->consult->sayings, err);
    cn_buf_clear(&text);
    return st;
}

cn_status cn_consult_open(struct cn_run *r, struct cn_err *err)
{
    struct cn_consult *c;
    cn_status st;

    if (r->consult || !cn_settings_want_model(&r->settings))
        return CN_OK;
    c = cn_alloc(1, sizeof *c);
    if (!c)
        return cn_err_set(err, CN_ENOMEM, "no memory for the model");
    c->rest_us = (int64_t)REST_S * 1000000;
    r->consult = c;
    st = open_model(r, c, err);
    if (st == CN_OK)
        st = cn_books_model(c->books, cn_llm_model(c->llm), cn_llm_dialect(c->llm),
                            cn_llm_caps(c->llm), cn_llm_price(c->llm), err);
    if (st == CN_OK)
        st = load_sayings(r, err);
    if (st != CN_OK) {
        cn_consult_close(r);
        return st;
    }
    c->caps = *cn_llm_caps(c->llm);
    cn_text_format(c->author, sizeof c->author, "llm:%.200s", cn_books_model_name(c->books));
    r->planner.opt_sayings = &c->sayings;
    return CN_OK;
}

void cn_consult_close(struct cn_run *r)
{
    if (!r->consult)
        return;
    r->planner.opt_sayings = NULL;
    cn_llm_close(r->consult->llm);
    cn_books_close(r->consult->books);
    cn_replay_close(r->consult->replay);
    cn_sayings_clear(&r->consult->sayings);
    cn_free(r->consult);
    r->consult = NULL;
}

/* ------------------------------------------------------------------ 2. the breaker */

static void tell_event(struct cn_run *r, const char *kind, const char *text)
{
    cn_run_tell(r, "%s", text);
    /* An event that cannot be kept is not worth a run; the next step tells of the store. */
    if (cn_store_event(r->store, 0, kind, text, NULL) != CN_OK)
        cn_run_tell(r, "the event could not be recorded");
}

static void rest(struct cn_run *r, double seconds, const char *why)
{
    struct cn_consult *c = r->consult;
    char text[CN_ERR_TEXT];

    c->rest_until_us = cn_clock_mono_us() + (int64_t)(seconds * 1e6);
    (void)snprintf(c->resting, sizeof c->resting, "%.400s", why);
    (void)snprintf(text, sizeof text,
                   "the model is left alone for %.0f s, embedded goes on: %.500s", seconds,
                   why);
    tell_event(r, "llm-rest", text);
}

void cn_consult_note(struct cn_run *r, const struct cn_llm_trouble *t, bool usable,
                     const char *why)
{
    struct cn_consult *c = r->consult;
    char text[CN_ERR_TEXT];

    c->silent = usable ? 0 : c->silent + 1;
    if (t->kind != CN_LLM_TROUBLE_NONE && t->remedy == CN_LLM_DO_STOP) {
        (void)snprintf(c->off, sizeof c->off, "the model is not asked any more (%s: %.300s)",
                       cn_llm_trouble_name(t->kind), t->message);
        (void)snprintf(text, sizeof text, "%.500s; embedded goes on; `cairn resume` asks again",
                       c->off);
        tell_event(r, "llm-off", text);
    } else if (t->kind != CN_LLM_TROUBLE_NONE && t->remedy == CN_LLM_DO_WAIT && t->wait_s > 0) {
        rest(r, t->wait_s, why);
    } else if (c->silent >= SILENT_MOST) {
        (void)snprintf(text, sizeof text,
                       "no usable answer %d times in a row; the last time: %.400s", c->silent,
                       why);
        rest(r, 1e-6 * (double)c->rest_us, text);
    }
}

/* May the model be asked now? Else `why` says why not, without a clock. */
static bool may_ask(struct cn_run *r, const char **why)
{
    struct cn_consult *c = r->consult;

    *why = c->off;
    if (c->off[0])
        return false;
    *why = c->resting;
    if (c->resting[0] && cn_clock_mono_us() < c->rest_until_us)
        return false;
    c->resting[0] = '\0';
    return true;
}

/* ------------------------------------------------------------------ 3. keeping and applying */

static int64_t next_id(const struct cn_history *h)
{
    return h->n_iterations > 0 ? h->iterations[h->n_iterations - 1].id + 1 : 1;
}

static int64_t last_pending(const struct cn_history *h)
{
    int64_t id = 0;

    for (int64_t i = 0; i < h->n_messages; i++)
        if (h->messages[i].acked_ms == 0)
            id = h->messages[i].id;
    return id;
}

static cn_status apply_answer(struct cn_run *r, const struct cn_history *h, struct cn_err *err)
{
    const struct cn_sayings *s = &r->consult->sayings;
    cn_status st = CN_OK;

    for (int64_t i = 0; st == CN_OK && i < h->n_messages && s->answer[0]; i++) {
        const struct cn_message *m = &h->messages[i];

        if (m->acked_ms != 0 || m->id > s->answered_upto)
            continue;
        cn_run_tell(r, "message %lld: %s", (long long)m->id, s->answer);
        st = cn_store_message_answer(r->store, m->id, s->answered_at, s->answer, err);
    }
    return st;
}

static bool memory_was_put(const struct cn_history *h, const struct cn_sayings *s)
{
    for (int64_t i = 0; i < h->n_texts; i++)
        if (strcmp(h->texts[i].kind, "memory") == 0 &&
            strcmp(h->texts[i].author, s->memory_author) == 0 &&
            strcmp(h->texts[i].reason, s->memory_mark) == 0)
            return true;
    return false;
}

/* The sections into `text`; one that cannot be put any more (a person was faster) is told. */
static cn_status put_sections(struct cn_run *r, struct cn_buf *text, struct cn_err *err)
{
    const struct cn_sayings *s = &r->consult->sayings;
    struct cn_buf next;
    cn_status st = CN_OK;

    cn_buf_init(&next, CN_CAP_TEXT);
    for (int i = 0; st == CN_OK && i < s->n_memory; i++) {
        struct cn_err why = CN_ERR_INIT;

        cn_buf_reset(&next);
        st = cn_memory_replace(cn_buf_str(text), s->memory[i].section, s->memory[i].words,
                               &next, &why);
        if (st == CN_OK) {
            cn_buf_reset(text);
            cn_buf_adds(text, cn_buf_str(&next));
        } else if (st == CN_EINPUT) {
            tell_event(r, "llm-memory", why.text);
            st = CN_OK;
        } else {
            st = cn_err_set(err, st, "%s", why.text);
        }
    }
    cn_buf_clear(&next);
    return st;
}

static cn_status apply_memory(struct cn_run *r, const struct cn_history *h, struct cn_err *err)
{
    const struct cn_sayings *s = &r->consult->sayings;
    struct cn_buf text;
    cn_status st;

    if (s->n_memory == 0 || memory_was_put(h, s))
        return CN_OK;
    cn_buf_init(&text, CN_CAP_TEXT);
    st = cn_project_adopt_edits(r->store, h, err);
    if (st == CN_OK) {
        st = cn_store_text(r->store, "memory", 0, &text, err);
        if (st == CN_ENOTFOUND) {
            cn_buf_reset(&text);
            st = CN_OK;
        }
    }
    if (st == CN_OK)
        st = put_sections(r, &text, err);
    if (st == CN_OK && text.len > 0)
        st = cn_store_text_put(r->store, "memory", s->memory_author, s->memory_mark,
                               cn_buf_str(&text), NULL, err);
    cn_buf_clear(&text);
    return st;
}

cn_status cn_consult_apply(struct cn_run *r, const struct cn_history *h, struct cn_err *err)
{
    cn_status st = cn_consult_is_on(r) ? apply_answer(r, h, err) : CN_OK;

    return st == CN_OK && cn_consult_is_on(r) ? apply_memory(r, h, err) : st;
}

static cn_status keep(struct cn_run *r, const struct cn_history *h, const struct cn_need *need,
                      const struct cn_said *said, struct cn_err *err)
{
    struct cn_buf text;
    cn_status st;

    cn_buf_init(&text, CN_CAP_TEXT);
    cn_sayings_join(&r->consult->sayings, h, need, said, next_id(h), last_pending(h), &text);
    st = cn_buf_status(&text) == CN_OK
             ? cn_store_fact_set(r->store, FACT, cn_buf_str(&text), err)
             : cn_err_set(err, cn_buf_status(&text), "what the model said is too long");
    cn_buf_clear(&text);
    return st == CN_OK ? load_sayings(r, err) : st;
}

/* With the words of others that the prompt shows. */
static cn_status ask_now(struct cn_run *r, const struct cn_history *h,
                         const struct cn_need *need, struct cn_said *said, struct cn_err *err)
{
    struct cn_need full = *need;
    struct cn_buf classical, predictions;
    cn_status st;

    cn_buf_init(&classical, CN_CAP_TEXT);
    cn_buf_init(&predictions, CN_CAP_TEXT);
    if (strcmp(r->settings.proposer, "hybrid") == 0)
        cn_hybrid_view(r, h, &classical);
    cn_predictions_text(h, &predictions);
    full.classical = cn_buf_str(&classical);
    full.predictions = cn_buf_str(&predictions);
    cn_run_tell(r, "asking %s (%s)", cn_llm_model(r->consult->llm),
                cn_consult_phase_name(need->phase));
    r->consult->heard_upto = last_pending(h);
    st = cn_consult(r, h, &full, said, err);
    cn_buf_clear(&classical);
    cn_buf_clear(&predictions);
    return st;
}

/* Ask, or find out why not; keep what was said and what was not. After a stop nothing is kept. */
static cn_status ask(struct cn_run *r, const struct cn_history *h, const struct cn_need *need,
                     struct cn_err *err)
{
    struct cn_said said = {0};
    const char *why;
    cn_status st = CN_OK;

    if (may_ask(r, &why)) {
        st = ask_now(r, h, need, &said, err);
    } else {
        cn_said_clear(&said);
        said.why = why;
        said.author = r->consult->author;
    }
    if (st == CN_ESTOPPED)
        return CN_OK;
    if (st == CN_OK && said.why[0] && may_ask(r, &why))
        cn_run_tell(r, "%s; embedded fills the gaps", said.why);
    if (st == CN_OK)
        st = keep(r, h, need, &said, err);
    if (st == CN_OK)
        st = cn_consult_apply(r, h, err);
    cn_said_clear(&said);
    return st;
}

/* ------------------------------------------------------------------ 4. what is needed */

/* Is the next iteration the partition's, or a repeat for the noise? */
static cn_status host_plans(struct cn_run *r, const struct cn_history *h,
                            const struct cn_block *b, bool *out, struct cn_err *err)
{
    struct cn_work w;
    struct cn_plan p;
    struct cn_view v;
    cn_status st;

    cn_work_begin(&w, &r->planner, h, &p, err);
    p.iteration.block = b->number;
    st = cn_view_init(&v, h, b->number, err);
    if (st == CN_OK) {
        st = cn_plan_partition(&w, &v, &w.opt_focus, out);
        if (st == CN_OK && !*out)
            st = cn_plan_noise(&w, &v, out);
        cn_view_clear(&v);
    }
    cn_plan_clear(&p);
    return st;
}

/* The ids among the next `room` that are the model's and that nothing is known of (anew: or is). */
static cn_status list_slots(struct cn_run *r, const struct cn_history *h, int64_t room,
                            bool anew, struct cn_need *need, struct cn_err *err)
{
    const struct cn_sayings *s = &r->consult->sayings;
    const struct cn_block *b = cn_plan_open_block(h);
    int64_t first = next_id(h);
    bool host = false;
    cn_status st;

    if (!b || room < 1 || !cn_plan_block_root(h, b->number))
        return CN_OK;
    st = host_plans(r, h, b, &host, err);
    for (int64_t id = first; st == CN_OK && !host && id < first + room && id <= b->last; id++)
        if (need->n_propose < CN_CONSULT_MANY && cn_hybrid_turn(&r->planner, h, id) &&
            (anew || (!cn_sayings_wish(s, id) && !cn_sayings_gap(s, id))))
            need->propose[need->n_propose++] = id;
    return st;
}

static void list_finished(struct cn_run *r, const struct cn_history *h, struct cn_need *need)
{
    for (int64_t i = 0; i < h->n_iterations && need->n_finished < CN_CONSULT_MANY; i++) {
        const struct cn_iteration *it = &h->iterations[i];

        if (it->state == CN_ITER_MEASURED && !it->confirmation &&
            it->outcome != CN_OUTCOME_INFRA && it->outcome != CN_OUTCOME_INVALID &&
            !cn_sayings_words(&r->consult->sayings, it->id))
            need->finished[need->n_finished++] = it->id;
    }
}

/* Nothing was measured in the open block yet: batch zero. */
static bool is_start(const struct cn_history *h, int64_t block)
{
    for (int64_t i = 0; i < h->n_iterations; i++)
        if (h->iterations[i].block == block && h->iterations[i].state >= CN_ITER_MEASURED)
            return false;
    return true;
}

static int64_t open_number(const struct cn_history *h)
{
    const struct cn_block *b = cn_plan_open_block(h);

    return b ? b->number : h->n_blocks;
}

/* ------------------------------------------------------------------ 5. the hooks */

cn_status cn_consult_finished(struct cn_run *r, const struct cn_history *h, int64_t room,
                              struct cn_err *err)
{
    struct cn_need need = {.phase = CN_CONSULT_ANALYSIS, .block = open_number(h)};
    cn_status st;

    if (!cn_consult_is_on(r) || r->stop > 0)
        return CN_OK;
    list_finished(r, h, &need);
    if (need.n_finished == 0)
        return CN_OK;
    st = list_slots(r, h, room, false, &need, err);
    return st == CN_OK ? ask(r, h, &need, err) : st;
}

cn_status cn_consult_before_plan(struct cn_run *r, const struct cn_history *h, int64_t room,
                                 struct cn_err *err)
{
    struct cn_need need = {.block = open_number(h)};
    bool message;
    cn_status st;

    if (!cn_consult_is_on(r) || r->stop > 0)
        return CN_OK;
    message = last_pending(h) > r->consult->heard_upto;
    st = list_slots(r, h, room, false, &need, err);
    if (st == CN_OK && need.n_propose == 0 && message) {
        /* What was proposed before the person spoke is thought over. */
        const char *why;

        if (!may_ask(r, &why))
            return CN_OK;
        st = list_slots(r, h, room, true, &need, err);
    }
    if (st != CN_OK || (need.n_propose == 0 && !message))
        return st;
    need.phase = need.n_propose == 0       ? CN_CONSULT_MESSAGE
                 : is_start(h, need.block) ? CN_CONSULT_START
                                           : CN_CONSULT_ANALYSIS;
    return ask(r, h, &need, err);
}

/* The share that holds from here, for the memory and the report. */
static cn_status record_share(struct cn_run *r, const struct cn_history *h, int64_t block,
                              struct cn_err *err)
{
    struct cn_hybrid x;
    struct cn_buf text;
    int64_t last = 0;
    cn_status st;

    if (strcmp(r->settings.proposer, "hybrid") != 0)
        return CN_OK;
    for (int64_t i = 0; i < h->n_iterations; i++)
        if (h->iterations[i].block == block && !h->iterations[i].confirmation)
            last = h->iterations[i].id;
    cn_hybrid_share(&r->planner, h, &x);
    cn_buf_init(&text, CN_CAP_RECORD);
    cn_buf_printf(&text, "after block %lld: ", (long long)block);
    cn_hybrid_text(&x, &text);
    st = cn_store_event(r->store, last, CN_PREDICTIONS_SHARE, cn_buf_str(&text), err);
    cn_buf_clear(&text);
    return st;
}

cn_status cn_consult_block_end(struct cn_run *r, const struct cn_history *h, int64_t block,
                               bool goes_on, struct cn_err *err)
{
    struct cn_need need = {.phase = CN_CONSULT_BLOCK_END, .block = block};
    cn_status st;

    if (!cn_consult_is_on(r))
        return CN_OK;
    st = record_share(r, h, block, err);
    if (st != CN_OK || r->stop > 0 || r->consult->sayings.block == block)
        return st;
    need.next_regime = goes_on && r->search.simulation.space.n > 0 &&
                       !cn_protocol_block(r->protocol, block + 1);
    st = ask(r, h, &need, err);
    return st == CN_OK ? cn_books_block(r, block, err) : st;
}

bool cn_consult_wrote_memory(const struct cn_run *r, int64_t block)
{
    char mark[80];

    cn_text_format(mark, sizeof mark, "end of block %lld", (long long)block);
    return cn_consult_is_on(r) && r->consult->sayings.n_memory > 0 &&
           strcmp(r->consult->sayings.memory_mark, mark) == 0;
}

void cn_consult_observe(const struct cn_run *r, int64_t iteration, struct cn_buf *observation,
                        struct cn_analysis *a)
{
    const struct cn_words *w =
        cn_consult_is_on(r) ? cn_sayings_words(&r->consult->sayings, iteration) : NULL;

    if (!w)
        return;
    if (w->why[0]) {
        cn_buf_printf(observation, "; no analysis: %s", w->why);
        return;
    }
    cn_buf_printf(observation, "; %s: %s", w->author, w->said.observation);
    if (w->said.verdict[0])
        cn_buf_printf(observation, "; its verdict: %s", w->said.verdict);
    a->activity = w->said.activity;
    a->embedding = w->said.embedding;
}

void cn_consult_summary(const struct cn_run *r, int64_t block, struct cn_buf *note)
{
    const struct cn_sayings *s = cn_consult_is_on(r) ? &r->consult->sayings : NULL;

    if (!s || s->block != block)
        return;
    if (s->summary[0])
        cn_buf_printf(note, "; summary by %s: %s", s->block_author, s->summary);
    if (s->block_why[0])
        cn_buf_printf(note, "; %s", s->block_why);
}

/* The edits one after the other; those that do not hold any more are told in `reason`. */
static cn_status apply_edits(const struct cn_run *r, struct cn_buf *text, struct cn_buf *reason,
                             int *out_n)
{
    const struct cn_sayings *s = &r->consult->sayings;
    struct cn_protocol *now = NULL;
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < s->n_edits; i++) {
        const struct cn_said_edit *e = &s->edits[i];
        struct cn_err why = CN_ERR_INIT;
        struct cn_protocol *next = NULL;

        if (reason->len > 0)
            cn_buf_adds(reason, "; ");
        if (!e->old_text[0]) {
            cn_buf_adds(reason, e->reason);
            continue;
        }
        cn_buf_reset(text);
        st = cn_edit_apply(now ? now : r->protocol, e->old_text, e->new_text, text, &why);
        if (st == CN_OK)
            st = cn_protocol_parse(r->protocol->name, cn_buf_str(text), text->len, &next, &why);
        cn_buf_printf(reason, "%s%s%s", e->reason,
                      st == CN_OK ? "" : ": refused: ", st == CN_OK ? "" : why.text);
        if (st == CN_OK) {
            cn_protocol_free(now);
            now = next;
            ++*out_n;
        }
        st = st == CN_EINPUT ? CN_OK : st;
    }
    cn_buf_reset(text);
    if (now)
        cn_buf_adds(text, now->text);
    cn_protocol_free(now);
    return st;
}

cn_status cn_consult_edit(const struct cn_run *r, int64_t block, struct cn_buf *text,
                          struct cn_buf *reason, const char **out_author, struct cn_err *err)
{
    int n = 0;
    cn_status st;

    if (!cn_consult_is_on(r) || r->consult->sayings.block != block ||
        r->consult->sayings.n_edits == 0)
        return CN_ENOTFOUND;
    *out_author = r->consult->sayings.block_author;
    cn_buf_reset(reason);
    st = apply_edits(r, text, reason, &n);
    return st == CN_OK ? CN_OK
                       : cn_err_set(err, st, "the model's edit of the rules: no memory");
}

const char *cn_consult_off(const struct cn_run *r)
{
    return r->consult ? r->consult->off : "";
}
