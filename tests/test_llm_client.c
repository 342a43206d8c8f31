/* The whole transport against scripted providers: every case of tests/cases/llm/client. Each ask is recorded
 * and then replayed from its record, which must give the same answer; and after each case nothing that was
 * recorded or said may hold the key.
 *
 * Lines of "=== expect": ok | fails STATUS, stop NAME WORD, blocks N, text K WORDS, call K NAME ARGUMENTS, call-id K ID,
 * opaque K JSON, usage IN READ WRITE OUT REASONING | usage unknown, trouble KIND REMEDY, wait S | wait none, field NAME,
 * message WORDS, error WORDS, request-id ID, requests N (all the server's so far), other N, attempts N (of this ask),
 * spent USD, spent-tokens N, said WORDS, took MIN MAX (s), model NAME, answer-id ID, connections N.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "harness/llm/client.h"
#include "harness/llm/models.h"
#include "tests/support/case_files.h"
#include "tests/support/llm_case.h"

enum { RECORDS = 64 };

/* What the recorder of the client was told. */
struct record {
    char hash[72], dialect[32];
    int ask, number, status;
    char *reply; /* owned */
    size_t n;
    cn_llm_trouble_kind trouble;
};
struct bench {
    const char *name;
    int line;
    struct mock_llm *m, *other;
    struct cn_llm *llm;
    struct cn_llm_opts o;
    struct cn_llm_caps caps_before;
    struct cn_llm_budget budget;
    struct record records[RECORDS];
    int n_records, begun, asks, seen;
    struct cn_buf told; /* all that was said or recorded */
    size_t said_from;   /* of this ask, in `said` */
    struct cn_buf said;
    int64_t ticks;
    /* of the last ask */
    cn_status st;
    struct cn_llm_answer answer;
    struct cn_llm_trouble trouble;
    struct cn_err err;
    double seconds;
    struct cn_arena past; /* what an "again" sends back */
};
static int n_cases, n_checks;

#define CHECK(b, ok, ...)                                           \
    do {                                                            \
        char words_[4096];                                          \
                                                                    \
        n_checks++;                                                 \
        (void)snprintf(words_, sizeof words_, __VA_ARGS__);         \
        cr_expect((ok), "%s:%d: %s", (b)->name, (b)->line, words_); \
    } while (0)

/* ------------------------------------------------------------------ the recorder */

static void tell(struct bench *b, const char *s, size_t n)
{
    cn_buf_add(&b->told, s, n);
    cn_buf_addc(&b->told, '\n');
}

static cn_status on_begin(void *ctx, struct cn_llm_attempt *a, struct cn_err *err)
{
    struct bench *b = ctx;

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
    struct bench *b = ctx;
    struct record *r = &b->records[b->n_records++];

    (void)err;
    CN_ASSERT(b->n_records < RECORDS);
    *r = (struct record){.ask = b->asks,
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
    struct bench *b = ctx;

    cn_buf_printf(&b->said, "%s\n", line);
    tell(b, line, strlen(line));
}

static void on_tick(void *ctx)
{
    struct bench *b = ctx;

    b->ticks++;
}

/* The record of this ask, in its order. */
static cn_status on_find(void *ctx, const struct cn_llm_attempt *a, int *out_status,
                         struct cn_buf *out_reply, char out_dialect[32], struct cn_err *err)
{
    struct bench *b = ctx;

    for (int i = 0; i < b->n_records; i++) {
        const struct record *r = &b->records[i];

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

static void put_past(struct bench *b, struct cn_llm_message *m);

struct asked {
    struct cn_llm_block blocks[3];
    struct cn_llm_message messages[4];
    struct cn_llm_request q;
};

/* "plain", "tools", "figure"; "again" goes on after the last answer with results of its calls. */
static void make_request(struct bench *b, const char *args, struct asked *a)
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
static void put_past(struct bench *b, struct cn_llm_message *m)
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

static void check_same(struct bench *b, cn_status st, const struct cn_llm_answer *a,
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

static void replay(struct bench *b, const struct cn_llm_request *q)
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

static void do_ask(struct bench *b, const struct llm_section *s)
{
    struct cn_llm_answer answer;
    struct asked a;
    int before = b->n_records;
    int64_t begun = cn_clock_mono_us();

    make_request(b, s->args, &a);
    b->asks++;
    b->said_from = b->said.len;
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

/* ------------------------------------------------------------------ expectations */

static const struct cn_json *find(const struct cn_json *v, const char *path)
{
    while (v && *path) {
        char word[128];
        size_t n = strcspn(path, ".");
        int64_t i;

        cn_text_format(word, sizeof word, "%.*s", (int)n, path);
        path += n + (path[n] == '.');
        if (cn_json_kind(v) != CN_JSON_ARRAY)
            v = cn_json_get(v, word);
        else if (cn_text_parse_int64(word, &i) && i < 0)
            v = cn_json_at(v, cn_json_count(v) + i);
        else
            v = cn_text_parse_int64(word, &i) ? cn_json_at(v, i) : NULL;
    }
    return v;
}

static void print(const struct cn_json *v, struct cn_buf *out)
{
    cn_buf_init(out, CN_CAP_TEXT);
    if (v)
        cn_json_put_value(out, v);
    else
        cn_buf_adds(out, "nothing");
}

static bool same_json(const char *x, const char *y)
{
    struct cn_json_doc *a = NULL, *c = NULL;
    struct cn_buf p, q;
    bool same = false;

    if (cn_json_parse("x", x, strlen(x), &a, NULL) == CN_OK &&
        cn_json_parse("y", y, strlen(y), &c, NULL) == CN_OK) {
        print(cn_json_root(a), &p);
        print(cn_json_root(c), &q);
        same = strcmp(cn_buf_str(&p), cn_buf_str(&q)) == 0;
        cn_buf_clear(&p);
        cn_buf_clear(&q);
    }
    cn_json_free(a);
    cn_json_free(c);
    return same;
}

static void check_body(struct bench *b, const struct mock_request *r, const char *path,
                       const char *value)
{
    struct cn_json_doc *doc = NULL;
    struct cn_err err = CN_ERR_INIT;
    struct cn_buf got;

    if (cn_json_parse("request", cn_buf_str(&r->body), r->body.len, &doc, &err) != CN_OK) {
        CHECK(b, false, "the request's body: %s", err.text);
        return;
    }
    print(find(cn_json_root(doc), path), &got);
    CHECK(b,
          value ? same_json(cn_buf_str(&got), value) : strcmp(cn_buf_str(&got), "nothing") == 0,
          "json %s is %.3000s", path, cn_buf_str(&got));
    cn_buf_clear(&got);
    cn_json_free(doc);
}

/* One line of "=== request". */
static void check_request(struct bench *b, const struct mock_request *r, char *line)
{
    char *rest = strchr(line, ' ');

    CN_ASSERT(rest != NULL);
    *rest++ = '\0';
    if (strcmp(line, "json") == 0) {
        char *value = strchr(rest, ' ');

        CN_ASSERT(value != NULL);
        *value++ = '\0';
        check_body(b, r, rest, value);
    } else if (strcmp(line, "lacks") == 0) {
        check_body(b, r, rest, NULL);
    } else if (strcmp(line, "absent") == 0) {
        CHECK(b, !mock_llm_header(r, rest)[0], "header %s came", rest);
        CHECK(b, !strstr(cn_buf_str(&r->headers), LLM_CASE_KEY) || strcmp(rest, "key") != 0,
              "the key came");
    } else if (strcmp(line, "header") == 0) {
        char *value = strstr(rest, ": ");

        CN_ASSERT(value != NULL);
        *value = '\0';
        value += 2;
        if (cn_text_ends(value, "$KEY"))
            CHECK(b, cn_text_ends(mock_llm_header(r, rest), LLM_CASE_KEY),
                  "header %s lacks the key", rest);
        else
            CHECK(b, strcmp(mock_llm_header(r, rest), value) == 0, "header %s: %s", rest,
                  mock_llm_header(r, rest));
    } else {
        CHECK(b, strcmp(r->method, line) == 0 && strcmp(r->path, rest) == 0, "it was %s %s",
              r->method, r->path);
    }
}

static bool says(struct bench *b, const char *whole, const char *part)
{
    (void)b;
    return strstr(whole, part) != NULL;
}

static void check_block(struct bench *b, const char *what, const char *rest)
{
    char *end;
    long k = strtol(rest, &end, 10);
    const struct cn_llm_block *x = k < b->answer.n_blocks ? &b->answer.blocks[k] : NULL;

    rest = end + (*end == ' ');
    CHECK(b, x != NULL, "there is no block %ld", k);
    if (!x)
        return;
    if (strcmp(what, "text") == 0) {
        CHECK(b, x->kind == CN_LLM_TEXT && strcmp(x->text, rest) == 0, "block %ld: \"%s\"", k,
              x->text);
    } else if (strcmp(what, "opaque") == 0) {
        CHECK(b, x->kind == CN_LLM_OPAQUE && same_json(x->text, rest), "block %ld: %s", k,
              x->text);
    } else if (strcmp(what, "call-id") == 0) {
        CHECK(b, strcmp(x->id, rest) == 0, "block %ld has id %s", k, x->id);
    } else {
        size_t n = strcspn(rest, " ");

        CHECK(b,
              x->kind == CN_LLM_TOOL_USE && strlen(x->name) == n &&
                  memcmp(x->name, rest, n) == 0,
              "block %ld calls %s", k, x->name);
        rest += n + 1;
        CHECK(b, strcmp(x->arguments, rest) == 0 || same_json(x->arguments, rest),
              "block %ld: %s", k, x->arguments);
    }
}

static void check_usage(struct bench *b, const char *rest)
{
    const struct cn_llm_usage *u = &b->answer.usage;
    char got[256];

    (void)snprintf(got, sizeof got, "%lld %lld %lld %lld %lld", (long long)u->input,
                   (long long)u->cache_read, (long long)u->cache_write, (long long)u->output,
                   (long long)u->reasoning);
    CHECK(b, u->known ? strcmp(got, rest) == 0 : strcmp(rest, "unknown") == 0, "usage%s: %s",
          u->known ? "" : " unknown", got);
}

static const char *kind_name(cn_llm_trouble_kind k)
{
    static const char *const names[] = {
#define X(name, text) #name,
        CN_LLM_TROUBLE_MAP(X)
#undef X
    };

    return names[k];
}

static void check_trouble(struct bench *b, const char *rest)
{
    static const char *const remedies[] = {"WAIT", "RETRY", "FIX", "STOP"};
    char got[64];

    (void)snprintf(got, sizeof got, "%s %s", kind_name(b->trouble.kind),
                   remedies[b->trouble.remedy]);
    CHECK(b, strcmp(got, rest) == 0, "trouble %s (%s)", got, b->trouble.message);
}

static void check_number(struct bench *b, const char *what, const char *rest, double got)
{
    double want;

    CN_ASSERT(cn_text_parse_double(rest, &want));
    CHECK(b, fabs(got - want) <= 1e-9 + 1e-6 * fabs(want), "%s: %.12g", what, got);
}

static int attempts(const struct bench *b)
{
    int n = 0;

    for (int i = 0; i < b->n_records; i++)
        n += b->records[i].ask == b->asks;
    return n;
}

static void check_stop(struct bench *b, const char *rest)
{
    char got[256];

    (void)snprintf(got, sizeof got, "%s %s", cn_llm_stop_name(b->answer.stop),
                   b->answer.stop_text);
    CHECK(b, strcmp(got, rest) == 0, "stop %s", got);
}

static int connections(struct bench *b)
{
    int n = mock_llm_count(b->m);

    return n ? mock_llm_request(b->m, n - 1)->connection : 0;
}

/* One line of "=== expect". */
static void check_expected(struct bench *b, char *line)
{
    char *rest = line + strcspn(line, " ");

    if (*rest)
        *rest++ = '\0';
    if (strcmp(line, "ok") == 0)
        CHECK(b, b->st == CN_OK, "%s: %s", cn_status_name(b->st), b->err.text);
    else if (strcmp(line, "fails") == 0)
        CHECK(b, strcmp(cn_status_name(b->st), rest) == 0, "%s: %s", cn_status_name(b->st),
              b->err.text);
    else if (strcmp(line, "stop") == 0)
        check_stop(b, rest);
    else if (strcmp(line, "blocks") == 0)
        check_number(b, line, rest, b->answer.n_blocks);
    else if (strcmp(line, "text") == 0 || strcmp(line, "call") == 0 ||
             strcmp(line, "call-id") == 0 || strcmp(line, "opaque") == 0)
        check_block(b, line, rest);
    else if (strcmp(line, "usage") == 0)
        check_usage(b, rest);
    else if (strcmp(line, "trouble") == 0)
        check_trouble(b, rest);
    else if (strcmp(line, "wait") == 0 && strcmp(rest, "none") == 0)
        CHECK(b, isnan(b->trouble.wait_s), "wait %g", b->trouble.wait_s);
    else if (strcmp(line, "wait") == 0)
        check_number(b, line, rest, b->trouble.wait_s);
    else if (strcmp(line, "field") == 0)
        CHECK(b, strcmp(b->trouble.field, rest) == 0, "field %s", b->trouble.field);
    else if (strcmp(line, "message") == 0)
        CHECK(b, says(b, b->trouble.message, rest), "message: %s", b->trouble.message);
    else if (strcmp(line, "error") == 0)
        CHECK(b, says(b, b->err.text, rest), "error: %s", b->err.text);
    else if (strcmp(line, "request-id") == 0)
        CHECK(b, strcmp(b->trouble.request_id, rest) == 0, "request-id %s",
              b->trouble.request_id);
    else if (strcmp(line, "requests") == 0)
        check_number(b, line, rest, mock_llm_count(b->m));
    else if (strcmp(line, "other") == 0)
        check_number(b, line, rest, mock_llm_count(b->other));
    else if (strcmp(line, "attempts") == 0)
        check_number(b, line, rest, attempts(b));
    else if (strcmp(line, "connections") == 0)
        check_number(b, line, rest, connections(b));
    else if (strcmp(line, "spent") == 0)
        check_number(b, line, rest, b->budget.spent_usd);
    else if (strcmp(line, "spent-tokens") == 0)
        check_number(b, line, rest, (double)b->budget.spent_tokens);
    else if (strcmp(line, "said") == 0)
        CHECK(b, says(b, cn_buf_str(&b->said) + b->said_from, rest), "said: %s",
              cn_buf_str(&b->said) + b->said_from);
    else if (strcmp(line, "silent") == 0)
        CHECK(b, b->said.len == b->said_from, "said: %s", cn_buf_str(&b->said) + b->said_from);
    else if (strcmp(line, "took") == 0)
        CHECK(b, b->seconds >= strtod(rest, &rest) && b->seconds <= strtod(rest, NULL),
              "it took %.3f s", b->seconds);
    else if (strcmp(line, "model") == 0)
        CHECK(b, strcmp(b->answer.model, rest) == 0, "model %s", b->answer.model);
    else if (strcmp(line, "answer-id") == 0)
        CHECK(b, strcmp(b->answer.id, rest) == 0, "id %s", b->answer.id);
    else
        CN_BUG("%s:%d: %s: what is expected there?", b->name, b->line, line);
}

/* ------------------------------------------------------------------ a case */

static void each_line(struct bench *b, const struct llm_section *s,
                      const struct mock_request *r)
{
    const char *p = s->text;

    for (int i = 1; *p; i++) {
        char line[2048];
        size_t n = strcspn(p, "\n");

        cn_text_format(line, sizeof line, "%.*s", (int)n, p);
        p += n + (p[n] == '\n');
        b->line = s->line + i;
        if (!line[0])
            continue;
        if (r)
            check_request(b, r, line);
        else
            check_expected(b, line);
    }
}

/* The ask at sections[i] with all that belongs to it; returns the index after its expectations. */
static int run_ask(struct bench *b, const struct llm_case *c, int i)
{
    int end = i + 1, wanted = b->seen;

    while (end < c->n && strcmp(c->sections[end].kind, "expect") != 0) {
        if (strcmp(c->sections[end].kind, "reply") == 0)
            llm_case_reply(&c->sections[end], mock_llm_port(b->other), b->m);
        end++;
    }
    if (end == c->n)
        CN_BUG("%s: an ask without expectations", b->name);
    b->line = c->sections[i].line;
    do_ask(b, &c->sections[i]);
    for (int k = i + 1; k < end; k++) {
        if (strcmp(c->sections[k].kind, "request") != 0)
            continue;
        b->line = c->sections[k].line;
        if (llm_case_option(c->sections[k].args, "skip")) /* those are of no interest */
            wanted += (int)llm_case_number(c->sections[k].args, "skip", 0);
        CHECK(b, wanted < mock_llm_count(b->m), "this request never came");
        if (wanted < mock_llm_count(b->m))
            each_line(b, &c->sections[k], mock_llm_request(b->m, wanted++));
    }
    b->seen = mock_llm_count(b->m);
    each_line(b, &c->sections[end], NULL);
    return end + 1;
}

static void set_environment(const struct bench *b)
{
    char url[64];

    cn_text_format(url, sizeof url, "http://127.0.0.1:%d", mock_llm_port(b->m));
    (void)setenv("CAIRN_ANTHROPIC_URL", url, 1);
    (void)setenv("CAIRN_OPENAI_URL", url, 1);
    (void)setenv("ANTHROPIC_API_KEY", LLM_CASE_KEY, 1);
    (void)setenv("OPENAI_API_KEY", LLM_CASE_KEY, 1);
}

static void set_up(struct bench *b, const struct llm_case *c)
{
    static struct cn_llm_recorder recorder;
    char spec[256];
    const char *clock = llm_case_option(c->opts, "clock");
    int64_t at;

    b->m = mock_llm_start();
    b->other = mock_llm_start();
    set_environment(b);
    cn_buf_init(&b->told, CN_CAP_TEXT);
    cn_buf_init(&b->said, CN_CAP_TEXT);
    cn_arena_init(&b->past, CN_CAP_TEXT);
    cn_text_copy(spec, sizeof spec, c->spec);
    if (cn_text_starts(c->spec, "local:"))
        cn_text_format(spec, sizeof spec, "http://127.0.0.1:%d#%s", mock_llm_port(b->m),
                       c->spec + 6);
    b->budget =
        (struct cn_llm_budget){.usd = llm_case_number(c->opts, "usd", 0),
                               .tokens = (int64_t)llm_case_number(c->opts, "tokens", 0),
                               .requests = (int64_t)llm_case_number(c->opts, "requests", 0)};
    recorder = (struct cn_llm_recorder){b, on_begin, on_end};
    b->o = (struct cn_llm_opts)CN_LLM_OPTS_INIT;
    b->o.spec = spec;
    b->o.record = &recorder;
    b->o.budget = &b->budget;
    b->o.say = on_say;
    b->o.say_ctx = b;
    b->o.tick = on_tick;
    b->o.tick_ctx = b;
    b->o.attempts = (int32_t)llm_case_number(c->opts, "attempts", 3);
    b->o.cap_s = llm_case_number(c->opts, "cap_s", 0.01);
    b->o.park_s = llm_case_number(c->opts, "park_s", 60);
    b->o.stall_s = llm_case_number(c->opts, "stall_s", 5);
    b->o.total_s = llm_case_number(c->opts, "total_s", 20);
    if (clock) {
        CN_ASSERT(cn_clock_parse_iso(clock, &at));
        cn_clock_freeze(at);
    }
    if (llm_case_option(c->opts, "caps")) {
        static struct cn_llm_caps caps;
        struct cn_err err = CN_ERR_INIT;
        char words[256];

        cn_text_copy(words, sizeof words, llm_case_option(c->opts, "caps"));
        for (char *p = words; *p; p++)
            *p = *p == ':' ? '=' : *p;
        caps = cn_llm_caps_of(cn_dialect_find(cn_text_starts(c->spec, "anthropic") ? "anthropic"
                                              : cn_text_starts(c->spec, "openai-responses")
                                                  ? "openai-responses"
                                                  : "openai"),
                              "", false);
        if (cn_llm_caps_set(&caps, words, b->name, &err) != CN_OK)
            CN_BUG("%s", err.text);
        b->o.caps = &caps;
    }
    if (cn_llm_open(&b->o, &b->llm, &b->err) != CN_OK)
        CN_BUG("%s: %s", b->name, b->err.text);
}

static void tear_down(struct bench *b)
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

static void run_case(const char *name, const struct cn_buf *bytes)
{
    struct bench b;
    struct llm_case c;
    char path[4096];

    (void)bytes;
    memset(&b, 0, sizeof b);
    b.name = name;
    llm_case_read(case_file("llm/client", name, ".case", path), &c);
    set_up(&b, &c);
    for (int i = 0; i < c.n;) {
        CN_ASSERT(strcmp(c.sections[i].kind, "ask") == 0);
        i = run_ask(&b, &c, i);
    }
    tear_down(&b);
    llm_case_clear(&c);
    n_cases++;
}

static void run_all(const char *begins, int least)
{
    case_each("llm/client", begins, ".case", least, run_case);
    (void)printf("llm client: %d cases %s*, %d checks\n", n_cases, begins, n_checks);
}

Test(llm_client, anthropic_messages)
{
    run_all("messages_", 20);
}

Test(llm_client, openai_chat)
{
    run_all("chat_", 20);
}

Test(llm_client, openai_responses)
{
    run_all("responses_", 15);
}

Test(llm_client, every_row_of_the_error_tables)
{
    run_all("error_", 40);
}

Test(llm_client, retries)
{
    run_all("retry_", 20);
}

Test(llm_client, the_wire)
{
    run_all("wire_", 10);
}

Test(llm_client, redirects)
{
    run_all("redirect_", 5);
}

Test(llm_client, refused_fields)
{
    run_all("field_", 8);
}

Test(llm_client, local_servers)
{
    run_all("local_", 4);
}

Test(llm_client, budgets)
{
    run_all("budget_", 7);
}
