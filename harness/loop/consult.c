/* One exchange with a model: its turns, its repairs, and what is missing in the end. See consult.h.
 *
 * 1. what is missing  2. the conversation  3. one answer  4. the turns */
#include "harness/loop/consult.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/consult_int.h"
#include "harness/loop/evidence.h"
#include "harness/loop/forecast.h"
#include "harness/loop/llm_books.h"

enum { MAX_TURNS = 100, SHRINKS = 2, DEFAULT_MAX_TOKENS = 4096, TOKEN_BYTES = 3 };

const char *cn_consult_phase_name(cn_consult_phase p)
{
    static const char *const names[] = {"start", "analysis", "block-end", "message"};

    CN_ASSERT((int)p >= 0 && (size_t)p < sizeof names / sizeof *names);
    return names[p];
}

void cn_said_clear(struct cn_said *s)
{
    cn_arena_clear(&s->arena);
    memset(s, 0, sizeof *s);
    s->summary = s->answer_to_person = s->why = s->author = "";
}

/* ------------------------------------------------------------------ 1. what is missing */

/* The open block as planning sees it. */
static cn_status open_view(struct cn_talk *t, struct cn_err *err)
{
    const struct cn_block *b = cn_plan_open_block(t->h);
    bool planned;
    cn_status st = cn_forecast_new(&t->r->planner, t->h, &t->plan.forecast, err);

    if (st != CN_OK || !b || !cn_plan_block_root(t->h, b->number))
        return st;
    st = cn_view_init(&t->view, t->h, b->number, err);
    t->plan.iteration.block = b->number;
    return st == CN_OK ? cn_plan_partition(&t->work, &t->view, &t->work.opt_focus, &planned)
                       : st;
}

cn_status cn_talk_init(struct cn_talk *t, struct cn_run *r, const struct cn_history *h,
                       const struct cn_need *need, struct cn_said *said, struct cn_err *err)
{
    memset(t, 0, sizeof *t);
    t->r = r;
    t->h = h;
    t->need = need;
    t->said = said;
    said->analyses = t->analyses;
    said->proposals = t->proposals;
    said->edits = t->edits;
    said->memory = t->memory;
    cn_buf_init(&t->memory_text, CN_CAP_TEXT);
    for (int64_t i = 0; i < h->n_messages; i++)
        t->n_pending += h->messages[i].acked_ms == 0;
    cn_work_begin(&t->work, &r->planner, h, &t->plan, err);
    return open_view(t, err);
}

void cn_talk_clear(struct cn_talk *t)
{
    cn_view_clear(&t->view);
    cn_plan_clear(&t->plan);
    cn_protocol_free(t->rules);
    cn_buf_clear(&t->memory_text);
}

/* "- record_analysis for iterations 3, 4\n" */
static bool missing_ids(struct cn_buf *out, const char *what, const int64_t *ids, int n,
                        bool (*is_there)(const struct cn_said *, int64_t),
                        const struct cn_said *s)
{
    int missing = 0;

    for (int i = 0; i < n; i++)
        if (!is_there(s, ids[i]))
            cn_buf_printf(out, "%s%lld", missing++ ? ", " : what, (long long)ids[i]);
    if (missing > 0)
        cn_buf_addc(out, '\n');
    return missing == 0;
}

static bool is_analysed(const struct cn_said *s, int64_t id)
{
    for (int i = 0; i < s->n_analyses; i++)
        if (s->analyses[i].iteration == id)
            return true;
    return false;
}

static bool is_proposed(const struct cn_said *s, int64_t id)
{
    for (int i = 0; i < s->n_proposals; i++)
        if (s->proposals[i].iteration == id)
            return true;
    return false;
}

/* The checklist of the end of a block, verified. */
static bool missing_at_end(const struct cn_talk *t, struct cn_buf *out)
{
    const struct cn_said *s = t->said;
    bool edited = s->n_edits > 0 || strcmp(t->r->settings.edit_rules, "true") != 0;

    if (!s->summary[0])
        cn_buf_adds(out, "- summarise_block: what the block taught\n");
    if (!edited && t->promised_edit)
        cn_buf_adds(out,
                    "- edit_protocol: you said that you would edit the rules; the edit was "
                    "not made. Make it, or give no_change_reason\n");
    else if (!edited)
        cn_buf_adds(out,
                    "- edit_protocol: one edit of the rules that the block's statistics ask "
                    "for, or no_change_reason\n");
    if (s->n_memory == 0)
        cn_buf_adds(out, "- edit_memory: what is now known, and the hypothesis of the next "
                         "block\n");
    return s->summary[0] && edited && s->n_memory > 0;
}

bool cn_talk_missing(const struct cn_talk *t, struct cn_buf *out)
{
    const struct cn_need *n = t->need;
    bool all = missing_ids(out, "- record_analysis for iterations ", n->finished, n->n_finished,
                           is_analysed, t->said);

    all = missing_ids(out, "- propose for slots ", n->propose, n->n_propose, is_proposed,
                      t->said) &&
          all;
    if (n->phase == CN_CONSULT_BLOCK_END)
        all = missing_at_end(t, out) && all;
    if (t->n_pending > 0 && !t->said->answer_to_person[0]) {
        cn_buf_adds(out, "- acknowledge: a person waits for an answer\n");
        all = false;
    }
    return all;
}

void cn_talk_hear(struct cn_talk *t, const char *text)
{
    static const char *const will[] = {"I will ", "I'll ", "I am going to ", "I'm going to ",
                                       "Let me "};
    static const char *const what[] = {"edit", "rule", "protocol", "add a row", "modify"};

    for (size_t i = 0; i < sizeof will / sizeof *will; i++)
        for (const char *s = text; (s = strstr(s, will[i])) != NULL; s++)
            for (size_t k = 0; k < sizeof what / sizeof *what; k++) {
                const char *hit = strstr(s, what[k]);

                t->promised_edit = t->promised_edit || (hit && hit - s < 80);
            }
}

/* ------------------------------------------------------------------ 2. the conversation */

struct exchange {
    struct cn_talk talk;
    struct cn_consult *c;
    struct cn_shown evidence;
    bool shown; /* `evidence` is there */
    struct cn_arena arena;
    struct cn_llm_message messages[2 * MAX_TURNS + 2];
    struct cn_llm_answer answers[MAX_TURNS];
    int n_messages, n_answers;
    int repairs, shrinks;
    size_t budget; /* bytes of evidence; 0: the model's own */
    bool over, refused, limited;
    char why[CN_ERR_TEXT];
    struct cn_llm_trouble trouble;
};

static cn_status no_memory(struct cn_err *err)
{
    return cn_err_set(err, CN_ENOMEM, "no memory for the exchange with the model");
}

static void give_up(struct exchange *x, const char *fmt, const char *words)
{
    x->over = true;
    (void)snprintf(x->why, sizeof x->why, "%.*s%.*s", 200, fmt, 400, words);
}

static cn_status say(struct exchange *x, const struct cn_llm_block *blocks, int n,
                     struct cn_err *err)
{
    struct cn_llm_block *copy = cn_arena_alloc(&x->arena, (size_t)n + 1, sizeof *copy);

    if (!copy)
        return no_memory(err);
    memcpy(copy, blocks, (size_t)n * sizeof *copy);
    x->messages[x->n_messages++] = (struct cn_llm_message){CN_LLM_USER, copy, n};
    return CN_OK;
}

static struct cn_llm_block text_block(const char *text)
{
    return (struct cn_llm_block){.kind = CN_LLM_TEXT,
                                 .text = text,
                                 .id = "",
                                 .name = "",
                                 .arguments = "",
                                 .media_type = ""};
}

static cn_status say_text(struct exchange *x, const char *text, struct cn_err *err)
{
    const char *copy = cn_arena_strdup(&x->arena, text);
    struct cn_llm_block b = text_block(copy);

    return copy ? say(x, &b, 1, err) : no_memory(err);
}

/* The first message: the evidence, then what is wanted. */
static cn_status open_talk(struct exchange *x, struct cn_err *err)
{
    const struct cn_llm_message *m = &x->evidence.message;
    struct cn_llm_block *blocks;
    const char *wanted;
    struct cn_buf text;

    cn_buf_init(&text, CN_CAP_TEXT);
    cn_talk_wanted(&x->talk, &text);
    wanted = cn_arena_strdup(&x->arena, cn_buf_str(&text));
    cn_buf_clear(&text);
    blocks = cn_arena_alloc(&x->arena, (size_t)m->n_blocks + 1, sizeof *blocks);
    if (!wanted || !blocks)
        return no_memory(err);
    memcpy(blocks, m->blocks, (size_t)m->n_blocks * sizeof *blocks);
    blocks[m->n_blocks] = text_block(wanted);
    x->n_messages = 0;
    return say(x, blocks, m->n_blocks + 1, err);
}

static cn_status show_evidence(struct exchange *x, struct cn_err *err)
{
    const struct cn_talk *t = &x->talk;
    struct cn_err why = CN_ERR_INIT;
    cn_status st;

    if (x->shown)
        cn_shown_clear(&x->evidence);
    st = cn_evidence_make(t->r, t->h, t->need, &x->c->caps, x->budget, &x->evidence, &why);
    x->shown = st == CN_OK;
    if (st == CN_ECAP) {
        give_up(x, "its context is too small: ", why.text);
        return CN_OK;
    }
    return st == CN_OK ? open_talk(x, err) : cn_err_set(err, st, "%s", why.text);
}

/* ------------------------------------------------------------------ 3. one answer */

/* Something was wrong or is missing: may it try again? */
static cn_status repair(struct exchange *x, const char *what, struct cn_err *err)
{
    const struct cn_settings *s = &x->talk.r->settings;

    if (x->repairs >= s->llm_repairs) {
        give_up(x, "it did not get it right after all repairs: ", what);
        return CN_OK;
    }
    x->repairs++;
    return say_text(x, what, err);
}

/* Every call is answered, results first, figures behind them. */
static cn_status answer_calls(struct exchange *x, const struct cn_llm_answer *a, int n_calls,
                              bool *out_wrong, struct cn_err *err)
{
    struct cn_llm_block *out = cn_arena_alloc(&x->arena, 2 * (size_t)n_calls + 1, sizeof *out);
    struct cn_buf reply;
    int n = 0, n_figures = 0;
    cn_status st = out ? CN_OK : no_memory(err);

    cn_buf_init(&reply, CN_CAP_TEXT);
    for (int i = 0; st == CN_OK && i < a->n_blocks; i++) {
        const struct cn_llm_block *call = &a->blocks[i];
        struct cn_llm_block figure = {.kind = CN_LLM_TEXT};
        bool wrong = false;

        if (call->kind != CN_LLM_TOOL_USE)
            continue;
        st = cn_talk_call(&x->talk, call->name, call->arguments, &reply, &wrong, &figure, err);
        *out_wrong = *out_wrong || wrong;
        out[n] = text_block(cn_arena_strdup(&x->arena, cn_buf_str(&reply)));
        out[n].kind = CN_LLM_TOOL_RESULT;
        out[n].id = call->id;
        out[n].is_error = wrong;
        if (st == CN_OK && !out[n].text)
            st = no_memory(err);
        n++;
        if (figure.kind == CN_LLM_IMAGE)
            out[n_calls + n_figures++] = figure;
    }
    cn_buf_clear(&reply);
    return st == CN_OK ? say(x, out, n_calls + n_figures, err) : st;
}

static void hear(struct exchange *x, const struct cn_llm_answer *a)
{
    for (int i = 0; i < a->n_blocks; i++)
        if (a->blocks[i].kind == CN_LLM_TEXT)
            cn_talk_hear(&x->talk, a->blocks[i].text);
}

/* Nothing is missing: over. Else it is named once more. */
static cn_status ask_for_missing(struct exchange *x, const char *before, struct cn_err *err)
{
    struct cn_buf list;
    cn_status st = CN_OK;

    cn_buf_init(&list, CN_CAP_TEXT);
    cn_buf_adds(&list, before);
    if (cn_talk_missing(&x->talk, &list) && !before[0])
        x->over = true;
    else {
        struct cn_buf text;

        cn_buf_init(&text, CN_CAP_TEXT);
        cn_buf_printf(&text, "Not there yet:\n%s", cn_buf_str(&list));
        st = repair(x, cn_buf_str(&text), err);
        cn_buf_clear(&text);
    }
    cn_buf_clear(&list);
    return st;
}

/* The texts of an answer, joined: models without tools. */
static cn_status take_object(struct exchange *x, const struct cn_llm_answer *a,
                             struct cn_err *err)
{
    struct cn_buf text, reply;
    int wrong = 0;
    cn_status st;

    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_init(&reply, CN_CAP_TEXT);
    for (int i = 0; i < a->n_blocks; i++)
        if (a->blocks[i].kind == CN_LLM_TEXT)
            cn_buf_printf(&text, "%s\n", a->blocks[i].text);
    st = cn_talk_object(&x->talk, cn_buf_str(&text), &reply, &wrong, err);
    if (st == CN_OK)
        st = ask_for_missing(x, wrong ? cn_buf_str(&reply) : "", err);
    cn_buf_clear(&text);
    cn_buf_clear(&reply);
    return st;
}

static int count_calls(const struct cn_llm_answer *a)
{
    int n = 0;

    for (int i = 0; i < a->n_blocks; i++)
        n += a->blocks[i].kind == CN_LLM_TOOL_USE;
    return n;
}

/* Calls were made and are answered; wrong ones count as one repair together. */
static cn_status after_calls(struct exchange *x, const struct cn_llm_answer *a, int n_calls,
                             struct cn_err *err)
{
    struct cn_buf none;
    bool wrong = false, all;
    cn_status st = answer_calls(x, a, n_calls, &wrong, err);

    if (st != CN_OK)
        return st;
    cn_buf_init(&none, CN_CAP_TEXT);
    all = cn_talk_missing(&x->talk, &none);
    cn_buf_clear(&none);
    x->over = x->talk.finished && all;
    if (x->over || !wrong)
        return CN_OK;
    if (x->repairs >= x->talk.r->settings.llm_repairs)
        give_up(x, "it did not get it right after all repairs", "");
    x->repairs++;
    return CN_OK;
}

static cn_status take_answer(struct exchange *x, const struct cn_llm_answer *a,
                             struct cn_err *err)
{
    int n_calls = count_calls(a);

    if (a->n_blocks > 0)
        x->messages[x->n_messages++] =
            (struct cn_llm_message){CN_LLM_ASSISTANT, a->blocks, a->n_blocks};
    hear(x, a);
    if (n_calls > 0 && x->c->caps.tools)
        return after_calls(x, a, n_calls, err);
    switch (a->stop) {
    case CN_LLM_STOP_PAUSE:
        return CN_OK;
    case CN_LLM_STOP_REFUSAL:
        x->refused = true;
        give_up(x, "it refused to answer", "");
        return CN_OK;
    case CN_LLM_STOP_LENGTH:
        return repair(
            x,
            "Your answer was cut off at its length limit. Say the same in fewer words: "
            "one short sentence a field.",
            err);
    default:
        return x->c->caps.tools ? ask_for_missing(x, "", err) : take_object(x, a, err);
    }
}

/* ------------------------------------------------------------------ 4. the turns */

static void fill_request(const struct exchange *x, struct cn_llm_request *q)
{
    const struct cn_settings *s = &x->talk.r->settings;

    *q = (struct cn_llm_request){.model = cn_llm_model(x->c->llm),
                                 .system = x->evidence.system,
                                 .n_system = x->evidence.n_system,
                                 .messages = x->messages,
                                 .n_messages = x->n_messages,
                                 .max_tokens = s->llm_max_tokens,
                                 .temperature = s->llm_temperature,
                                 .effort = s->llm_effort,
                                 .stream = x->c->caps.stream};
    if (q->max_tokens == 0)
        q->max_tokens = x->c->caps.max_output_tokens > 0 ? x->c->caps.max_output_tokens
                                                         : DEFAULT_MAX_TOKENS;
    if (x->c->caps.tools)
        q->tools = cn_talk_tools(&q->n_tools);
}

/* What a third of the context holds, which is what evidence takes when it is not told. */
static size_t first_budget(const struct exchange *x)
{
    int64_t tokens = x->c->caps.context_tokens > 0 ? x->c->caps.context_tokens : 32768;

    return (size_t)(tokens / 3 * TOKEN_BYTES);
}

/* The request could not be answered. CN_OK: the exchange goes on or is over without an answer. */
static cn_status take_trouble(struct exchange *x, cn_status st, const struct cn_err *why,
                              struct cn_err *err)
{
    char text[CN_ERR_TEXT];

    if (st == CN_ECAP && x->trouble.kind == CN_LLM_TROUBLE_NONE) {
        x->limited = true; /* the books forbid it: the limit of one exchange */
        give_up(x, "", why->text);
        return CN_OK;
    }
    if (st == CN_ESTOPPED || x->trouble.kind == CN_LLM_TROUBLE_NONE)
        return cn_err_set(err, st, "%s", why->text); /* the books, or a person */
    if (x->trouble.kind == CN_LLM_TROUBLE_TOO_LARGE && x->shrinks < SHRINKS) {
        x->shrinks++;
        x->budget = (x->budget ? x->budget : first_budget(x)) / 2;
        return show_evidence(x, err);
    }
    (void)snprintf(text, sizeof text, "%s%s%.300s", cn_llm_trouble_name(x->trouble.kind),
                   x->trouble.message[0] ? ": " : "", x->trouble.message);
    give_up(x, "", text);
    return CN_OK;
}

static cn_status one_turn(struct exchange *x, const char *purpose, struct cn_err *err)
{
    struct cn_llm_request q;
    struct cn_err why = CN_ERR_INIT;
    struct cn_llm_answer *a = &x->answers[x->n_answers];
    cn_status st;

    fill_request(x, &q);
    memset(&x->trouble, 0, sizeof x->trouble);
    st = cn_llm_ask(x->c->llm, &q, purpose, a, &x->trouble, &why);
    if (st != CN_OK)
        return take_trouble(x, st, &why, err);
    memset(&x->trouble, 0, sizeof x->trouble);
    x->n_answers++;
    return take_answer(x, a, err);
}

static const char *purpose_of(const struct cn_need *n, char out[64])
{
    int64_t id = n->phase == CN_CONSULT_BLOCK_END ? n->block
                 : n->n_finished > 0              ? n->finished[0]
                 : n->n_propose > 0               ? n->propose[0]
                                                  : n->block;

    cn_text_format(out, 64, "%s %lld", cn_consult_phase_name(n->phase), (long long)id);
    return out;
}

/* The exchange in the books, before its first request. */
static cn_status open_books(struct exchange *x, const char *purpose, struct cn_err *err)
{
    const struct cn_need *n = x->talk.need;
    struct cn_exchange_start e = {.iteration = n->n_finished > 0  ? n->finished[0]
                                               : n->n_propose > 0 ? n->propose[0]
                                                                  : 0,
                                  .block = n->block,
                                  .phase = cn_consult_phase_name(n->phase),
                                  .purpose = purpose};
    struct cn_buf sections;
    cn_status st;

    cn_buf_init(&sections, CN_CAP_TEXT);
    cn_books_sections(&x->evidence, &sections);
    e.sections = cn_buf_str(&sections);
    st = cn_books_begin(x->c->books, &e, &x->talk.said->exchange, err);
    cn_buf_clear(&sections);
    return st;
}

/* One word for the books. */
static const char *outcome_of(const struct exchange *x, cn_status st)
{
    if (st == CN_ESTOPPED)
        return "stopped";
    if (x->limited || x->trouble.kind == CN_LLM_TROUBLE_QUOTA)
        return "budget";
    if (x->trouble.kind != CN_LLM_TROUBLE_NONE)
        return "trouble";
    return x->refused ? "refused" : x->talk.said->why[0] ? "gaps" : "ok";
}

static cn_status talk(struct exchange *x, struct cn_err *err)
{
    int64_t turns = x->talk.r->settings.llm_turns;
    char purpose[64];
    cn_status st = show_evidence(x, err);

    (void)purpose_of(x->talk.need, purpose);
    if (st == CN_OK && !x->over)
        st = open_books(x, purpose, err);
    while (st == CN_OK && !x->over && x->n_answers < turns && x->n_answers < MAX_TURNS)
        st = one_turn(x, purpose, err);
    if (st == CN_OK && !x->over)
        give_up(x, "it used up all its turns", "");
    return st;
}

/* What is missing, and why, in one line for the log. */
static cn_status conclude(struct exchange *x, struct cn_err *err)
{
    struct cn_said *s = x->talk.said;
    struct cn_buf missing;
    bool all, usable;

    cn_buf_init(&missing, CN_CAP_TEXT);
    all = cn_talk_missing(&x->talk, &missing);
    cn_buf_clear(&missing);
    for (char *p = x->why; *p; p++)
        if (*p == '\n')
            *p = ' ';
    s->why = "";
    if (!all)
        s->why = cn_arena_printf(&s->arena, "the model did not answer (%s)",
                                 x->why[0] ? x->why : "it left it out");
    s->author = cn_arena_strdup(&s->arena, x->c->author);
    if (!s->why || !s->author)
        return no_memory(err);
    usable = s->n_analyses + s->n_proposals + s->n_edits + s->n_memory + s->n_regime > 0 ||
             s->summary[0] || s->answer_to_person[0];
    cn_consult_note(x->talk.r, &x->trouble, usable, s->why);
    return CN_OK;
}

/* The lists move from the talk, which ends, to what was said. */
static cn_status keep_lists(struct cn_talk *t, struct cn_err *err)
{
    struct cn_said *s = t->said;
    struct cn_said_analysis *a = cn_arena_alloc(&s->arena, CN_CONSULT_MANY, sizeof *a);
    struct cn_said_proposal *p = cn_arena_alloc(&s->arena, CN_CONSULT_MANY, sizeof *p);
    struct cn_said_edit *e = cn_arena_alloc(&s->arena, CN_CONSULT_MANY, sizeof *e);
    struct cn_said_memory *m = cn_arena_alloc(&s->arena, CN_CONSULT_MANY, sizeof *m);

    s->analyses = a;
    s->proposals = p;
    s->edits = e;
    s->memory = m;
    if (!a || !p || !e || !m)
        return no_memory(err);
    memcpy(a, t->analyses, sizeof t->analyses);
    memcpy(p, t->proposals, sizeof t->proposals);
    memcpy(e, t->edits, sizeof t->edits);
    memcpy(m, t->memory, sizeof t->memory);
    return CN_OK;
}

cn_status cn_consult(struct cn_run *r, const struct cn_history *h, const struct cn_need *need,
                     struct cn_said *out, struct cn_err *err)
{
    struct exchange *x = cn_alloc(1, sizeof *x);
    cn_status st;

    memset(out, 0, sizeof *out);
    cn_said_clear(out);
    cn_arena_init(&out->arena, CN_CAP_TEXT);
    if (!x)
        return no_memory(err);
    cn_arena_init(&x->arena, CN_CAP_TEXT);
    x->c = r->consult;
    x->c->caps = *cn_llm_caps(x->c->llm);
    st = cn_talk_init(&x->talk, r, h, need, out, err);
    if (st == CN_OK)
        st = talk(x, err);
    if (st == CN_OK)
        st = conclude(x, err);
    if (st == CN_OK)
        st = keep_lists(&x->talk, err);
    if (st == CN_OK || st == CN_ESTOPPED) {
        cn_status kept = cn_books_end(x->c->books, outcome_of(x, st), out->why, err);

        st = st == CN_OK ? kept : st;
    }
    for (int i = 0; i < x->n_answers; i++)
        cn_llm_answer_clear(&x->answers[i]);
    if (x->shown)
        cn_shown_clear(&x->evidence);
    cn_talk_clear(&x->talk);
    cn_arena_clear(&x->arena);
    cn_free(x);
    if (st != CN_OK)
        cn_said_clear(out);
    return st;
}
