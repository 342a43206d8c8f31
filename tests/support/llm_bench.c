/* See llm_bench.h. */
#include "tests/support/llm_bench.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/text.h"
#include "harness/llm/models.h"

int llm_bench_checks;

/* ------------------------------------------------------------------ the recorder */

static void tell(struct llm_bench *b, const char *s, size_t n)
{
    cn_buf_add(&b->told, s, n);
    cn_buf_addc(&b->told, '\n');
}

static cn_status on_begin(void *ctx, struct cn_llm_attempt *a, struct cn_err *err)
{
    struct llm_bench *b = ctx;

    (void)err;
    CHECK(b, b->begun == b->n_records, "an attempt begins before the last one was recorded");
    CHECK(b, a->number == 1 || a->exchange == b->asks, "attempts of one ask share its number");
    a->exchange = b->asks;
    b->begun++;
    tell(b, a->body, a->body_size);
    tell(b, a->purpose, strlen(a->purpose));
    return CN_OK;
}

static cn_status on_end(void *ctx, const struct cn_llm_attempt *a,
                        const struct cn_llm_outcome *o, struct cn_err *err)
{
    struct llm_bench *b = ctx;
    struct llm_record *r = &b->records[b->n_records++];

    (void)err;
    CN_ASSERT(b->n_records < LLM_RECORDS);
    *r = (struct llm_record){.ask = b->asks,
                             .number = a->number,
                             .status = o->status,
                             .n = o->reply_size,
                             .trouble = o->trouble};
    cn_text_copy(r->hash, sizeof r->hash, a->body_hash);
    cn_text_copy(r->dialect, sizeof r->dialect, a->dialect);
    r->reply = cn_alloc(o->reply_size + 1, 1);
    CN_ASSERT(r->reply != NULL);
    memcpy(r->reply, o->reply, o->reply_size);
    tell(b, o->reply, o->reply_size);
    tell(b, o->message, strlen(o->message));
    tell(b, o->request_id, strlen(o->request_id));
    return CN_OK;
}

static void on_say(void *ctx, const char *line)
{
    struct llm_bench *b = ctx;

    cn_buf_printf(&b->said, "%s\n", line);
    tell(b, line, strlen(line));
}

/* The record of this ask, in its order. */
static cn_status on_find(void *ctx, const struct cn_llm_attempt *a, int *out_status,
                         struct cn_buf *out_reply, char out_dialect[32], struct cn_err *err)
{
    struct llm_bench *b = ctx;

    for (int i = 0; i < b->n_records; i++) {
        const struct llm_record *r = &b->records[i];

        if (r->ask != b->asks || r->number != a->number)
            continue;
        CHECK(b, strcmp(r->hash, a->body_hash) == 0, "replay: attempt %d sends other bytes",
              a->number);
        *out_status = r->status;
        cn_buf_add(out_reply, r->reply, r->n);
        cn_text_copy(out_dialect, 32, r->dialect);
        return CN_OK;
    }
    return cn_err_set(err, CN_ENOTFOUND, "no record");
}

/* ------------------------------------------------------------------ requests */

static const struct cn_llm_block system_text[] = {
    {.kind = CN_LLM_TEXT, .text = "You explore.", .cache_mark = true}};
static const unsigned char pixels[] = {0x89, 'P', 'N', 'G', 0};
static const struct cn_llm_tool tools[] = {
    {"propose", "Next slots.",
     "{\"type\":\"object\",\"properties\":{\"lr\":{\"type\":\"number\"}}}"},
    {"read_node", "One node.", "{\"type\":\"object\"}"}};

static void put_past(struct llm_bench *b, struct cn_llm_message *m);

struct asked {
    struct cn_llm_block blocks[3];
    struct cn_llm_message messages[4];
    struct cn_llm_request q;
};

/* "plain", "tools", "figure"; "again" goes on after the last answer with results of its calls. */
static void make_request(struct llm_bench *b, const char *args, struct asked *a)
{
    const char *choice = llm_case_option(args, "choice"),
               *effort = llm_case_option(args, "effort");
    bool figure = llm_case_option(args, "figure") != NULL;
    bool again = llm_case_option(args, "again") != NULL;

    memset(a, 0, sizeof *a);
    if (figure)
        a->blocks[0] = (struct cn_llm_block){.kind = CN_LLM_IMAGE,
                                             .text = "plots/a.png",
                                             .image = pixels,
                                             .image_size = sizeof pixels,
                                             .media_type = "image/png"};
    a->blocks[figure] =
        (struct cn_llm_block){.kind = CN_LLM_TEXT,
                              .text = "What next?",
                              .cache_mark = llm_case_option(args, "marked") != NULL};
    a->messages[0] = (struct cn_llm_message){CN_LLM_USER, a->blocks, 1 + figure};
    a->q = (struct cn_llm_request){
        .system = system_text,
        .n_system = 1,
        .messages = a->messages,
        .n_messages = 1,
        .max_tokens = (int64_t)llm_case_number(args, "max", 100),
        .temperature = llm_case_number(args, "temperature", (double)NAN),
        .effort = effort ? effort : "",
        .thinking_tokens = (int64_t)llm_case_number(args, "thinking", 0),
        .stream = llm_case_option(args, "stream") != NULL};
    if (llm_case_option(args, "tools") || again) {
        a->q.tools = tools;
        a->q.n_tools = 2;
    }
    if (choice)
        a->q.tool_choice = strcmp(choice, "any") == 0 ? CN_LLM_TOOLS_ANY : CN_LLM_TOOLS_NONE;
    if (again) {
        put_past(b, &a->messages[1]);
        a->q.n_messages = 3;
    }
}

/* The last answer as the assistant's message, and a result for each of its calls as the user's. */
static void put_past(struct llm_bench *b, struct cn_llm_message *m)
{
    int n = b->answer.n_blocks, calls = 0;
    struct cn_llm_block *said = cn_arena_alloc(&b->past, (size_t)n + 1, sizeof *said);
    struct cn_llm_block *results = cn_arena_alloc(&b->past, (size_t)n + 1, sizeof *results);

    CN_ASSERT(said && results);
    results[calls++] = (struct cn_llm_block){.kind = CN_LLM_TEXT, .text = "Go on."};
    for (int i = 0; i < n; i++) {
        const struct cn_llm_block *x = &b->answer.blocks[i];

        said[i] = (struct cn_llm_block){.kind = x->kind,
                                        .text = cn_arena_strdup(&b->past, x->text),
                                        .id = cn_arena_strdup(&b->past, x->id),
                                        .name = cn_arena_strdup(&b->past, x->name),
                                        .arguments = cn_arena_strdup(&b->past, x->arguments)};
        if (x->kind == CN_LLM_TOOL_USE) {
            results[calls] = (struct cn_llm_block){.kind = CN_LLM_TOOL_RESULT,
                                                   .text = "done",
                                                   .id = said[i].id,
                                                   .is_error = calls == 2};
            calls++;
        }
    }
    m[0] = (struct cn_llm_message){CN_LLM_ASSISTANT, said, n};
    m[1] = (struct cn_llm_message){CN_LLM_USER, results, calls};
}

/* ------------------------------------------------------------------ the ask, and its replay */

static bool same_block(const struct cn_llm_block *x, const struct cn_llm_block *y)
{
    return x->kind == y->kind && strcmp(x->text, y->text) == 0 && strcmp(x->id, y->id) == 0 &&
           strcmp(x->name, y->name) == 0 && strcmp(x->arguments, y->arguments) == 0;
}

static void check_same(struct llm_bench *b, cn_status st, const struct cn_llm_answer *a,
                       const struct cn_llm_trouble *t)
{
    bool late =
        (st == CN_EIO || st == CN_ETIMEOUT) && (b->st == CN_EIO || b->st == CN_ETIMEOUT);

    CHECK(b, st == b->st || late, "replay: %s, was %s", cn_status_name(st),
          cn_status_name(b->st));
    if (st != CN_OK) {
        bool told = b->records[b->n_records - 1].status >= 300;

        CHECK(b, !told || t->kind == b->trouble.kind, "replay: %s, was %s",
              cn_llm_trouble_name(t->kind), cn_llm_trouble_name(b->trouble.kind));
        return;
    }
    CHECK(b, a->n_blocks == b->answer.n_blocks && a->stop == b->answer.stop,
          "replay: another answer");
    for (int i = 0; i < a->n_blocks && a->n_blocks == b->answer.n_blocks; i++)
        CHECK(b, same_block(&a->blocks[i], &b->answer.blocks[i]), "replay: block %d is another",
              i);
    CHECK(b, memcmp(&a->usage, &b->answer.usage, sizeof a->usage) == 0,
          "replay: another usage");
}

static void replay(struct llm_bench *b, const struct cn_llm_request *q)
{
    struct cn_llm_replay r = {.ctx = b,
                              .dialect = cn_llm_dialect(b->llm),
                              .model = cn_llm_model(b->llm),
                              .find = on_find};
    struct cn_llm_opts o = CN_LLM_OPTS_INIT;
    struct cn_llm_answer answer;
    struct cn_llm_trouble t;
    struct cn_err err = CN_ERR_INIT;
    struct cn_llm *l;
    cn_status st;

    o.spec = "replay:run";
    o.replay = &r;
    o.caps = &b->caps_before;
    o.attempts = b->o.attempts;
    st = cn_llm_open(&o, &l, &err);
    CHECK(b, st == CN_OK, "replay: %s", err.text);
    if (st != CN_OK)
        return;
    st = cn_llm_ask(l, q, "case", &answer, &t, &err);
    check_same(b, st, &answer, &t);
    if (st == CN_OK)
        cn_llm_answer_clear(&answer);
    cn_llm_close(l);
}

void llm_bench_ask(struct llm_bench *b, const struct llm_section *s)
{
    struct cn_llm_answer answer;
    struct asked a;
    int before = b->n_records;
    int64_t begun = cn_clock_mono_us();

    make_request(b, s->args, &a);
    b->asks++;
    b->said_from = b->asks == 1 ? 0 : b->said.len; /* the opening may say something too */
    b->caps_before = *cn_llm_caps(b->llm);
    b->err = (struct cn_err)CN_ERR_INIT;
    b->trouble = (struct cn_llm_trouble){.kind = CN_LLM_TROUBLE_NONE};
    b->st = cn_llm_ask(b->llm, &a.q, "case", &answer, &b->trouble, &b->err);
    b->seconds = 1e-6 * (double)(cn_clock_mono_us() - begun);
    cn_llm_answer_clear(&b->answer);
    if (b->st == CN_OK)
        b->answer = answer;
    tell(b, b->err.text, strlen(b->err.text));
    tell(b, b->trouble.message, strlen(b->trouble.message));
    for (int i = 0; i < b->answer.n_blocks; i++)
        tell(b, b->answer.blocks[i].text, strlen(b->answer.blocks[i].text));
    CHECK(b, b->begun == b->n_records, "an attempt has no record of its end");
    CHECK(b, fabs(b->budget.reserved_usd) < 1e-9 && b->budget.reserved_tokens == 0,
          "something stays reserved");
    if (b->n_records > before && b->st != CN_ESTOPPED &&
        b->trouble.kind != CN_LLM_TROUBLE_QUOTA)
        replay(b, &a.q);
}

/* ------------------------------------------------------------------ life */

static void set_environment(const struct llm_bench *b)
{
    char url[64];

    cn_text_format(url, sizeof url, "http://127.0.0.1:%d", mock_llm_port(b->m));
    (void)setenv("CAIRN_ANTHROPIC_URL", url, 1);
    (void)setenv("CAIRN_OPENAI_URL", url, 1);
    (void)setenv("ANTHROPIC_API_KEY", LLM_CASE_KEY, 1);
    (void)setenv("OPENAI_API_KEY", LLM_CASE_KEY, 1);
}

static void set_options(struct llm_bench *b, const char *opts)
{
    const char *clock = llm_case_option(opts, "clock");
    int64_t at;

    b->budget =
        (struct cn_llm_budget){.usd = llm_case_number(opts, "usd", 0),
                               .tokens = (int64_t)llm_case_number(opts, "tokens", 0),
                               .requests = (int64_t)llm_case_number(opts, "requests", 0)};
    b->recorder = (struct cn_llm_recorder){b, on_begin, on_end};
    b->o = (struct cn_llm_opts)CN_LLM_OPTS_INIT;
    b->o.record = &b->recorder;
    b->o.budget = &b->budget;
    b->o.say = on_say;
    b->o.say_ctx = b;
    b->o.attempts = (int32_t)llm_case_number(opts, "attempts", 3);
    b->o.cap_s = llm_case_number(opts, "cap_s", 0.01);
    b->o.park_s = llm_case_number(opts, "park_s", 60);
    b->o.stall_s = llm_case_number(opts, "stall_s", 5);
    b->o.total_s = llm_case_number(opts, "total_s", 20);
    if (clock) {
        CN_ASSERT(cn_clock_parse_iso(clock, &at));
        cn_clock_freeze(at);
    }
}

/* caps=thinking:yes,images:no on top of what the dialect takes. */
static void set_caps(struct llm_bench *b, const struct llm_case *c, struct cn_llm_caps *caps)
{
    const char *words = llm_case_option(c->opts, "caps");
    struct cn_err err = CN_ERR_INIT;
    char text[256], dialect[32];

    if (!words)
        return;
    cn_text_copy(text, sizeof text, words);
    for (char *p = text; *p; p++)
        *p = *p == ':' ? '=' : *p;
    cn_text_format(dialect, sizeof dialect, "%.*s", (int)strcspn(c->spec, ":"), c->spec);
    *caps = cn_llm_caps_of(cn_dialect_find(dialect), "", false);
    if (cn_llm_caps_set(caps, text, b->name, &err) != CN_OK)
        CN_BUG("%s", err.text);
    b->o.caps = caps;
}

void llm_bench_init(struct llm_bench *b, const char *name, const struct llm_case *c)
{
    struct cn_llm_caps caps;
    char spec[256];

    memset(b, 0, sizeof *b);
    b->name = name;
    b->m = mock_llm_start();
    b->other = mock_llm_start();
    set_environment(b);
    cn_buf_init(&b->told, CN_CAP_TEXT);
    cn_buf_init(&b->said, CN_CAP_TEXT);
    cn_arena_init(&b->past, CN_CAP_TEXT);
    set_options(b, c->opts);
    set_caps(b, c, &caps);
    cn_text_copy(spec, sizeof spec, c->spec);
    if (cn_text_starts(c->spec, "local:"))
        cn_text_format(spec, sizeof spec, "http://127.0.0.1:%d#%s", mock_llm_port(b->m),
                       c->spec + 6);
    b->o.spec = spec;
    if (cn_llm_open(&b->o, &b->llm, &b->err) != CN_OK)
        CN_BUG("%s: %s", b->name, b->err.text);
    b->o.spec = NULL;
    b->o.caps = NULL; /* both were for the opening */
}

void llm_bench_clear(struct llm_bench *b)
{
    b->line = 0;
    CHECK(b,
          cn_buf_status(&b->told) == CN_OK &&
              !memmem(cn_buf_str(&b->told), b->told.len, LLM_CASE_KEY, strlen(LLM_CASE_KEY)),
          "the key was recorded or said");
    cn_clock_thaw();
    cn_llm_close(b->llm);
    mock_llm_stop(b->m);
    mock_llm_stop(b->other);
    for (int i = 0; i < b->n_records; i++)
        cn_free(b->records[i].reply);
    cn_llm_answer_clear(&b->answer);
    cn_arena_clear(&b->past);
    cn_buf_clear(&b->told);
    cn_buf_clear(&b->said);
}
