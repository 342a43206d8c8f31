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

#include "base/banned.h"
#include "base/caps.h"
#include "base/json.h"
#include "base/text.h"
#include "tests/support/case_files.h"
#include "tests/support/llm_bench.h"

static int n_cases;

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

static void check_body(struct llm_bench *b, const struct mock_request *r, const char *path,
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
static void check_request(struct llm_bench *b, const struct mock_request *r, char *line)
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

static bool says(struct llm_bench *b, const char *whole, const char *part)
{
    (void)b;
    return strstr(whole, part) != NULL;
}

static void check_block(struct llm_bench *b, const char *what, const char *rest)
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

static void check_usage(struct llm_bench *b, const char *rest)
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

static void check_trouble(struct llm_bench *b, const char *rest)
{
    static const char *const remedies[] = {"WAIT", "RETRY", "FIX", "STOP"};
    char got[64];

    (void)snprintf(got, sizeof got, "%s %s", kind_name(b->trouble.kind),
                   remedies[b->trouble.remedy]);
    CHECK(b, strcmp(got, rest) == 0, "trouble %s (%s)", got, b->trouble.message);
}

static void check_number(struct llm_bench *b, const char *what, const char *rest, double got)
{
    double want;

    CN_ASSERT(cn_text_parse_double(rest, &want));
    CHECK(b, fabs(got - want) <= 1e-9 + 1e-6 * fabs(want), "%s: %.12g", what, got);
}

static int attempts(const struct llm_bench *b)
{
    int n = 0;

    for (int i = 0; i < b->n_records; i++)
        n += b->records[i].ask == b->asks;
    return n;
}

static void check_stop(struct llm_bench *b, const char *rest)
{
    char got[256];

    (void)snprintf(got, sizeof got, "%s %s", cn_llm_stop_name(b->answer.stop),
                   b->answer.stop_text);
    CHECK(b, strcmp(got, rest) == 0, "stop %s", got);
}

static int connections(struct llm_bench *b)
{
    int n = mock_llm_count(b->m);

    return n ? mock_llm_request(b->m, n - 1)->connection : 0;
}

/* One line of "=== expect". */
static void check_expected(struct llm_bench *b, char *line)
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

static void each_line(struct llm_bench *b, const struct llm_section *s,
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
static int run_ask(struct llm_bench *b, const struct llm_case *c, int i)
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
    llm_bench_ask(b, &c->sections[i]);
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

static void run_case(const char *name, const struct cn_buf *bytes)
{
    struct llm_bench b;
    struct llm_case c;
    char path[4096];

    (void)bytes;
    llm_case_read(case_file("llm/client", name, ".case", path), &c);
    llm_bench_init(&b, name, &c);
    for (int i = 0; i < c.n;) {
        CN_ASSERT(strcmp(c.sections[i].kind, "ask") == 0);
        i = run_ask(&b, &c, i);
    }
    llm_bench_clear(&b);
    llm_case_clear(&c);
    n_cases++;
}

static void run_all(const char *begins, int least)
{
    case_each("llm/client", begins, ".case", least, run_case);
    (void)printf("llm client: %d cases %s*, %d checks\n", n_cases, begins, llm_bench_checks);
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
