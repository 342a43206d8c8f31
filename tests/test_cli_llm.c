/* cairn llm log, show, probe and cairn status as programs, on a run whose books were kept by the real
 * client with a provider on loopback. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include <criterion/criterion.h>

#include "base/file.h"
#include "base/json.h"
#include "harness/loop/llm_books.h"
#include "tests/support/logs_sample.h"
#include "tests/support/mock_llm.h"
#include "tests/support/scratch.h"

static struct scratch s;
static struct mock_llm *mock;
static struct cn_err err;
static char out[1 << 16];

#define OK(call) cr_assert_eq((call), CN_OK, "%s", err.text)

/* What `cairn WORDS` prints, both streams; its exit code. */
static int cairn(const char *words)
{
    char line[2048];
    size_t n;
    FILE *f;

    (void)snprintf(line, sizeof line, "%s %s 2>&1", scratch_program("cairn"), words);
    f = popen(line, "r");
    cr_assert(f);
    n = fread(out, 1, sizeof out - 1, f);
    out[n] = '\0';
    return WEXITSTATUS(pclose(f));
}

static void set_up(void)
{
    char url[64];

    scratch_init(&s);
    mock = mock_llm_start();
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", mock_llm_port(mock));
    cr_assert_eq(setenv("CAIRN_ANTHROPIC_URL", url, 1), 0);
    cr_assert_eq(setenv("ANTHROPIC_API_KEY", "sk-cli-llm", 1), 0);
}

static void tear_down(void)
{
    mock_llm_stop(mock);
    scratch_clear(&s);
}

TestSuite(cli_llm, .init = set_up, .fini = tear_down, .timeout = 60);

static void answer(const char *content, int cache_read)
{
    struct mock_step m = MOCK_STEP_INIT;
    char body[2048];

    m.headers = "content-type: application/json\nrequest-id: req_9\n";
    m.n = (size_t)snprintf(
        body, sizeof body,
        "{\"id\":\"m1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"claude-sonnet-"
        "4\","
        "\"content\":[%s],\"stop_reason\":\"end_turn\",\"usage\":{\"input_tokens\":1000,"
        "\"cache_read_input_tokens\":%d,\"cache_creation_input_tokens\":0,\"output_tokens\":40}"
        "}",
        content, cache_read);
    m.body = body;
    mock_llm_add(mock, &m);
}

#define SAYS(words) "{\"type\":\"text\",\"text\":\"" words "\"}"
#define NOTES(colour)                                                                      \
    "{\"type\":\"tool_use\",\"id\":\"t1\",\"name\":\"note_colour\",\"input\":{\"colour\":" \
    "\"" colour "\"}}"

static void keep_books(const char *dir)
{
    const struct cn_books_opts none = {.usd = 0};
    const struct cn_exchange_start e = {.iteration = 12,
                                        .block = 1,
                                        .phase = "analysis",
                                        .purpose = "analysis 12",
                                        .sections = "role 120\ntree 900\n"};
    const struct cn_llm_block block = {.kind = CN_LLM_TEXT, .text = "What does node 12 show?"};
    const struct cn_llm_message message = {CN_LLM_USER, &block, 1};
    const struct cn_llm_request q = {.messages = &message,
                                     .n_messages = 1,
                                     .max_tokens = 100,
                                     .temperature = (double)NAN,
                                     .effort = ""};
    struct cn_llm_opts lo = CN_LLM_OPTS_INIT;
    struct cn_llm_trouble trouble;
    struct cn_llm_answer a;
    struct cn_store *store;
    struct cn_books *b;
    struct cn_llm *l;
    int64_t id;

    OK(cn_file_mkdirs(dir, &err));
    OK(logs_sample_open(dir, &store, &err));
    OK(cn_store_fact_set(store, "complete", "1", &err));
    OK(cn_books_new(store, &none, &b, &err));
    lo.spec = "anthropic:claude-sonnet-4";
    lo.record = cn_books_recorder(b);
    OK(cn_llm_open(&lo, &l, &err));
    OK(cn_books_model(b, cn_llm_model(l), cn_llm_dialect(l), cn_llm_caps(l), cn_llm_price(l),
                      &err));
    OK(cn_books_begin(b, &e, &id, &err));
    OK(cn_llm_ask(l, &q, "analysis 12", &a, &trouble, &err));
    cn_llm_answer_clear(&a);
    OK(cn_books_end(b, "ok", "", &err));
    OK(cn_books_begin(b, &e, &id, &err)); /* open when the harness is gone */
    cn_llm_close(l);
    cn_books_close(b);
    cn_store_close(store);
}

Test(cli_llm, log_and_show_tell_what_was_said)
{
    char words[700];
    const char *dir = scratch_path(&s, "demo");
    struct cn_json_doc *doc;
    int64_t tokens = 0;

    answer(SAYS("A ridge.") "," NOTES("blue"), 500);
    keep_books(dir);
    (void)snprintf(words, sizeof words, "llm log %s", dir);
    cr_assert_eq(cairn(words), 0, "%s", out);
    cr_assert(strstr(out, "analysis 12"), "%s", out);
    cr_assert(strstr(out, "under way"), "%s", out);
    cr_assert(strstr(out, "2 exchanges, 1,500 tokens in (33 % from the cache), 40 out"), "%s",
              out);
    cr_assert(strstr(out, "(prices of 2026-01, unverified)"), "%s", out);
    (void)snprintf(words, sizeof words, "llm log %s --json --last 2", dir);
    cr_assert_eq(cairn(words), 0, "%s", out);
    OK(cn_json_parse("log", out, strlen(out), &doc, &err));
    cr_assert_eq(cn_json_count(cn_json_root(doc)), 2);
    cr_assert(
        cn_json_int64(cn_json_get(cn_json_at(cn_json_root(doc), 0), "input_tokens"), &tokens));
    cr_assert_eq(tokens, 1500);
    cn_json_free(doc);
    (void)snprintf(words, sizeof words, "llm show %s 1", dir);
    cr_assert_eq(cairn(words), 0, "%s", out);
    cr_assert(strstr(out, "tree 900"), "%s", out);
    cr_assert(strstr(out, "What does node 12 show?"), "%s", out);
    cr_assert(strstr(out, "A ridge.\ntool note_colour {\"colour\": \"blue\"}"), "%s", out);
    cr_assert(strstr(out, "request id req_9"), "%s", out);
    (void)snprintf(words, sizeof words, "llm show %s 1 --reply --attempt 1", dir);
    cr_assert_eq(cairn(words), 0, "%s", out);
    cr_assert(!strstr(out, "What does node 12 show?"), "%s", out);
    (void)snprintf(words, sizeof words, "llm show %s 1 --attempt 2", dir);
    cr_assert_eq(cairn(words), 2, "%s", out);
    cr_assert(strstr(out, "exchange 1 has no request 2"), "%s", out);
    (void)snprintf(words, sizeof words, "llm show %s 7", dir);
    cr_assert_eq(cairn(words), 2, "%s", out);
    cr_assert(strstr(out, "there is no exchange 7"), "%s", out);
}

Test(cli_llm, probe_finds_tools_schema_images_and_cache)
{
    answer(SAYS("ready"), 0);
    answer(NOTES("blue"), 0);
    answer(SAYS("Red."), 0);
    answer(SAYS("ready"), 0);
    answer(SAYS("ready"), 900);
    cr_assert_eq(cairn("llm probe anthropic:claude-sonnet-4"), 2, "%s", out);
    cr_assert_eq(mock_llm_count(mock), 0);
    cr_assert_eq(cairn("llm probe anthropic:claude-sonnet-4 --yes"), 0, "%s", out);
    cr_assert_eq(mock_llm_count(mock), 5);
    cr_assert(strstr(out, "tools   yes, and it kept to the schema"), "%s", out);
    cr_assert(strstr(out, "images  yes"), "%s", out);
    cr_assert(strstr(out, "cache   yes"), "%s", out);
    cr_assert(strstr(out, "capabilities: \"tools=yes, images=yes"), "%s", out);
    cr_assert(strstr(out, "it took 5 requests, 5900 tokens in, 200 out, 0.01"), "%s", out);
}

Test(cli_llm, probe_finds_what_is_missing)
{
    answer(SAYS("ready"), 0);
    answer(SAYS("I note the colour blue."), 0);
    answer(SAYS("I see nothing."), 0);
    answer(SAYS("ready"), 0);
    answer(SAYS("ready"), 0);
    cr_assert_eq(cairn("doctor --llm anthropic:claude-sonnet-4 --yes | tail -12"), 0, "%s",
                 out);
    cr_assert(strstr(out, "no: it did not use the tool"), "%s", out);
    cr_assert(strstr(out, "no: it did not see a red square"), "%s", out);
    cr_assert(strstr(out, "cache   no sign of it"), "%s", out);
    cr_assert(strstr(out, "capabilities: \"tools=no, images=no"), "%s", out);
}
