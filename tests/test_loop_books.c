/* harness/loop/llm_books and llm_replay with the real client and a provider on loopback: limits over
 * two processes, warnings that come once, what a kill leaves, no key in any file, and a record that
 * answers in the provider's place. */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "harness/loop/llm_books.h"
#include "harness/loop/llm_replay.h"
#include "tests/support/logs_sample.h"
#include "tests/support/mock_llm.h"
#include "tests/support/scratch.h"

#define KEY "sk-loop-books-4711-NOBODY-SEES-THIS"
#define REPLY                                                                                \
    "{\"id\":\"c1\",\"object\":\"chat.completion\",\"model\":\"gpt-4o\",\"choices\":[{"      \
    "\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"%s\"},\"finish_reason\":" \
    "\"stop\"}],\"usage\":{\"prompt_tokens\":1000,\"completion_tokens\":50,"                 \
    "\"total_tokens\":1050,\"prompt_tokens_details\":{\"cached_tokens\":600}}}"
/* 400 fresh at 2.5, 600 cached at 1.25, 50 out at 10 USD per million */
#define USD 0.00225

static struct scratch s;
static struct mock_llm *mock;
static struct cn_store *store;
static struct cn_books *books;
static struct cn_replay *replay;
static struct cn_llm *llm;
static struct cn_err err;
static char told[4096];

#define OK(call) cr_assert_eq((call), CN_OK, "%s", err.text)
#define IS(call, status)                                                      \
    do {                                                                      \
        cn_status got_ = (call);                                              \
        cr_assert_eq(got_, status, "%s: %s", cn_status_name(got_), err.text); \
    } while (0)

static void set_up(void)
{
    char url[64];

    scratch_init(&s);
    mock = mock_llm_start();
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", mock_llm_port(mock));
    cr_assert_eq(setenv("CAIRN_OPENAI_URL", url, 1), 0);
    cr_assert_eq(setenv("OPENAI_API_KEY", KEY, 1), 0);
    OK(cn_file_mkdirs(scratch_path(&s, "a"), &err));
    OK(cn_file_mkdirs(scratch_path(&s, "b"), &err));
}

static void say(void *ctx, const char *line)
{
    size_t used = strlen(told);

    (void)ctx;
    (void)snprintf(told + used, sizeof told - used, "%s\n", line);
}

/* A process opens the run `name`; from_record: answered by that run. */
static void open_run(const char *name, struct cn_books_opts o, const char *from_record,
                     bool loose)
{
    struct cn_llm_opts lo = CN_LLM_OPTS_INIT;

    told[0] = '\0';
    o.say = say;
    OK(logs_sample_open(scratch_path(&s, name), &store, &err));
    OK(cn_books_new(store, &o, &books, &err));
    lo.spec = from_record ? "replay:a" : "openai:gpt-4o";
    if (from_record) {
        char spec[80];

        (void)snprintf(spec, sizeof spec, "replay:%s", from_record); /* beside this one */
        OK(cn_replay_open_spec(spec, scratch_path(&s, name), loose, &replay, &err));
        cr_assert(replay);
        cn_books_replay(books, replay);
        lo.replay = cn_replay_llm(replay);
        lo.caps = cn_replay_caps(replay);
        cr_assert(lo.caps);
    }
    lo.record = cn_books_recorder(books);
    lo.budget = cn_books_budget(books);
    lo.seed = 1;
    OK(cn_llm_open(&lo, &llm, &err));
    OK(cn_books_model(books, cn_llm_model(llm), cn_llm_dialect(llm), cn_llm_caps(llm),
                      cn_llm_price(llm), &err));
}

static void close_run(void)
{
    cn_llm_close(llm);
    cn_books_close(books);
    cn_replay_close(replay);
    cn_store_close(store);
    llm = NULL;
    books = NULL;
    replay = NULL;
    store = NULL;
}

static void tear_down(void)
{
    close_run();
    mock_llm_stop(mock);
    scratch_clear(&s);
}

TestSuite(loop_books, .init = set_up, .fini = tear_down, .timeout = 60);

static void answer(const char *words, int times)
{
    struct mock_step m = MOCK_STEP_INIT;
    char body[1024];

    m.headers = "content-type: application/json\nx-request-id: req_77\n";
    m.n = (size_t)snprintf(body, sizeof body, REPLY, words);
    m.body = body;
    m.times = times;
    mock_llm_add(mock, &m);
}

static void refuse(int status, const char *body)
{
    struct mock_step m = MOCK_STEP_INIT;

    m.status = status;
    m.headers = "content-type: application/json\nretry-after: 0\n";
    m.body = body;
    m.n = strlen(body);
    mock_llm_add(mock, &m);
}

static char heard[256];

static cn_status ask(const char *purpose, const char *words)
{
    const struct cn_llm_block system = {.kind = CN_LLM_TEXT, .text = "# Role\n\nYou propose."};
    const struct cn_llm_block block = {.kind = CN_LLM_TEXT, .text = words};
    const struct cn_llm_message message = {CN_LLM_USER, &block, 1};
    const struct cn_llm_request q = {.system = &system,
                                     .n_system = 1,
                                     .messages = &message,
                                     .n_messages = 1,
                                     .max_tokens = 100,
                                     .temperature = (double)NAN,
                                     .effort = ""};
    struct cn_llm_answer a;
    struct cn_llm_trouble t;
    cn_status st = cn_llm_ask(llm, &q, purpose, &a, &t, &err);

    heard[0] = '\0';
    if (st == CN_OK) {
        (void)snprintf(heard, sizeof heard, "%s", a.n_blocks ? a.blocks[0].text : "");
        cn_llm_answer_clear(&a);
    }
    return st;
}

static int64_t begin(const char *purpose)
{
    const struct cn_exchange_start e = {
        .iteration = 12, .block = 1, .phase = "analysis", .purpose = purpose, .sections = ""};
    int64_t id;

    OK(cn_books_begin(books, &e, &id, &err));
    return id;
}

static int count_events(const char *kind)
{
    struct cn_history h;
    int n = 0;

    OK(cn_store_history(store, &h, &err));
    for (int64_t i = 0; i < h.n_events; i++)
        n += strcmp(h.events[i].kind, kind) == 0;
    cn_history_clear(&h);
    return n;
}

static struct cn_exchange_sums sums(void)
{
    struct cn_exchange_sums t;

    OK(cn_exchange_sum(store, 0, false, &t, &err));
    return t;
}

static const struct cn_books_opts no_limits = {.usd = 0};

/* ---- the books ---- */

Test(loop_books, every_request_is_in_the_store_with_what_it_cost)
{
    answer("yes", 3);
    open_run("a", no_limits, NULL, false);
    (void)begin("analysis 12");
    OK(ask("analysis 12", "what now?"));
    OK(ask("analysis 12", "and now?"));
    OK(cn_books_end(books, "ok", "", &err));
    OK(ask("by itself", "outside"));
    cr_assert_eq(sums().exchanges, 2);
    cr_assert_eq(sums().requests, 3);
    cr_assert_eq(sums().cache_read, 1800);
    cr_assert_float_eq(sums().usd, 3 * USD, 1e-12);
    cr_assert_float_eq(cn_books_budget(books)->spent_usd, 3 * USD, 1e-12);
    OK(cn_store_check(store, &err));
}

Test(loop_books, limits_hold_over_processes_and_warn_once)
{
    const struct cn_books_opts three = {.requests = 3};

    answer("yes", 3);
    open_run("a", three, NULL, false);
    (void)begin("analysis 1");
    OK(ask("analysis 1", "1"));
    cr_assert_eq(count_events("llm-budget"), 0);
    OK(ask("analysis 1", "2"));
    cr_assert_eq(count_events("llm-budget"), 1);
    cr_assert(strstr(told, "50 per cent of the model's budget are spent (2 of 3 requests)"),
              "%s", told);
    OK(cn_books_end(books, "ok", "", &err));
    close_run();

    open_run("a", three, NULL, false);
    cr_assert_eq(cn_books_budget(books)->spent_requests, 2);
    (void)begin("analysis 2");
    OK(ask("analysis 2", "3"));
    cr_assert_eq(count_events("llm-budget"), 2); /* 80; not 50 again */
    IS(ask("analysis 2", "4"), CN_ECAP);
    cr_assert(strstr(err.text, "3 requests is used up"), "%s", err.text);
    OK(cn_books_end(books, "budget", err.text, &err));
    cr_assert(strstr(told, "used up: it is not asked any more (3 of 3 requests)"), "%s", told);
    cr_assert_eq(count_events("llm-budget"), 3);
    close_run();

    open_run("a", three, NULL, false);
    (void)begin("analysis 3");
    IS(ask("analysis 3", "5"), CN_ECAP);
    OK(cn_books_end(books, "budget", "", &err));
    cr_assert_eq(count_events("llm-budget"), 3); /* told once in a run */
    cr_assert_eq(mock_llm_count(mock), 3);
    OK(cn_store_check(store, &err));
    close_run();

    open_run("a", (struct cn_books_opts){.requests = 20}, NULL, false); /* raised: it goes on */
    answer("yes", 1);
    (void)begin("analysis 3");
    OK(ask("analysis 3", "5"));
    cr_assert_eq(count_events("llm-budget"), 3);
}

Test(loop_books, a_request_without_an_end_counts_at_its_worst_case)
{
    struct cn_llm_attempt a = {.number = 1,
                               .purpose = "analysis 1",
                               .model = "gpt-4o",
                               .dialect = "openai",
                               .body = "{}",
                               .body_size = 2,
                               .body_hash = "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310"
                                            "c060f61caaff8a",
                               .worst_usd = 0.75,
                               .worst_tokens = 5000};

    open_run("a", (struct cn_books_opts){.usd = 1}, NULL, false);
    (void)begin("analysis 1");
    OK(cn_books_recorder(books)->begin(cn_books_recorder(books)->ctx, &a, &err));
    close_run(); /* nobody ended it */

    open_run("a", (struct cn_books_opts){.usd = 1}, NULL, false);
    cr_assert_float_eq(cn_books_budget(books)->spent_usd, 0.75, 1e-12);
    cr_assert_eq(cn_books_budget(books)->spent_tokens, 5000);
    cr_assert_eq(cn_books_budget(books)->spent_requests, 1);
    cr_assert_eq(count_events("llm-lost"), 1);
    cr_assert(strstr(told, "1 exchange with the model had no end"), "%s", told);
    cr_assert_eq(sums().lost, 1);
    close_run();
    open_run("a", no_limits, NULL, false);
    cr_assert_eq(count_events("llm-lost"), 1);
}

Test(loop_books, the_limit_of_one_exchange_stops_before_anything_is_sent)
{
    answer("yes", 5);
    /* A request's worst case is about 0.0015, what it costs 0.00225. */
    open_run("a", (struct cn_books_opts){.exchange_usd = 0.003}, NULL, false);
    (void)begin("analysis 1");
    OK(ask("analysis 1", "1"));
    IS(ask("analysis 1", "2"), CN_ECAP);
    cr_assert(strstr(err.text, "0.00 USD for one exchange"), "%s", err.text);
    cr_assert_eq(mock_llm_count(mock), 1);
    OK(cn_books_end(books, "budget", err.text, &err));
    (void)begin("analysis 2"); /* the next one has its own */
    OK(ask("analysis 2", "1"));
    cr_assert_eq(sums().requests, 2);
}

/* ---- keys ---- */

static bool holds(const struct cn_buf *b, const char *text)
{
    for (size_t i = 0; i + strlen(text) <= b->len; i++)
        if (memcmp(cn_buf_str(b) + i, text, strlen(text)) == 0)
            return true;
    return false;
}

/* How many files below `dir` hold these bytes. */
static int files_with(const char *dir, const char *text)
{
    struct dirent *e;
    DIR *d = opendir(dir);
    struct cn_buf b;
    int n = 0;

    cr_assert(d, "%s", dir);
    while ((e = readdir(d)) != NULL) {
        char path[1200];

        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        (void)snprintf(path, sizeof path, "%s/%s", dir, e->d_name);
        if (cn_file_is_dir(path)) {
            n += files_with(path, text);
            continue;
        }
        cn_buf_init(&b, CN_CAP_FILE);
        OK(cn_file_read(path, CN_CAP_FILE, &b, &err));
        n += holds(&b, text);
        cn_buf_clear(&b);
    }
    (void)closedir(d);
    return n;
}

Test(loop_books, no_file_of_a_run_holds_the_key)
{
    answer("yes", 1);
    refuse(401, "{\"error\":{\"message\":\"Incorrect API key provided: " KEY
                "\",\"type\":\"invalid_request_error\",\"code\":\"invalid_api_key\"}}");
    open_run("a", no_limits, NULL, false);
    (void)begin("analysis 1");
    OK(ask("analysis 1", "1"));
    cr_assert_str_eq(mock_llm_header(mock_llm_request(mock, 0), "authorization"),
                     "Bearer " KEY); /* it was used */
    cr_assert_neq(ask("analysis 1", "2"), CN_OK);
    OK(cn_books_end(books, "trouble", err.text, &err));
    cr_assert_eq(sums().requests, 2);
    close_run();
    cr_assert_eq(files_with(scratch_path(&s, "a"), "Incorrect API key provided"), 1);
    cr_assert_eq(files_with(scratch_path(&s, "a"), "NOBODY-SEES-THIS"), 0);
}

/* ---- replay ---- */

/* Two exchanges; in the first one a server error comes between. */
static void scenario(char *out, size_t room)
{
    out[0] = '\0';
    (void)begin("analysis 12");
    for (int turn = 1; turn <= 2; turn++) {
        OK(ask("analysis 12", turn == 1 ? "## Tree\n\nnode 3" : "## Tree\n\nnode 4"));
        (void)snprintf(out + strlen(out), room - strlen(out), "%s\n", heard);
    }
    OK(cn_books_end(books, "ok", "", &err));
    (void)begin("block-end 1");
    OK(ask("block-end 1", "## Block\n\nis over"));
    (void)snprintf(out + strlen(out), room - strlen(out), "%s\n", heard);
    OK(cn_books_end(books, "ok", "", &err));
}

static void record(char *out, size_t room)
{
    answer("first", 1);
    refuse(500, "{\"error\":{\"message\":\"oops\",\"type\":\"server_error\"}}");
    answer("second", 1);
    answer("third", 1);
    open_run("a", no_limits, NULL, false);
    scenario(out, room);
}

static void cost_line(struct cn_buf *out)
{
    struct cn_history h;

    cn_buf_init(out, 4096);
    OK(cn_store_history(store, &h, &err));
    cn_exchange_words(&h.llm.standing, h.llm.prices, out);
    cn_history_clear(&h);
}

Test(loop_books, a_record_answers_in_the_providers_place)
{
    char was[256], is[256];
    struct cn_buf cost_was, cost_is;

    record(was, sizeof was);
    cr_assert_str_eq(was, "first\nsecond\nthird\n");
    cost_line(&cost_was);
    close_run();
    cr_assert_eq(mock_llm_count(mock), 4);

    open_run("b", (struct cn_books_opts){.requests = 1}, "a", false);
    cr_assert_str_eq(cn_books_model_name(books), "gpt-4o");
    scenario(is, sizeof is);
    cr_assert_str_eq(is, was);
    cr_assert_eq(mock_llm_count(mock), 4); /* nobody was asked */
    cr_assert_eq(sums().requests, 4);      /* the error included */
    cr_assert_eq(sums().replayed, 2);
    cost_line(&cost_is);
    cr_assert(strstr(cn_buf_str(&cost_is), "; replayed: nothing was spent"));
    cr_assert_eq(strncmp(cn_buf_str(&cost_is), cn_buf_str(&cost_was), cost_was.len), 0, "%s",
                 cn_buf_str(&cost_is));
    close_run();
    open_run("b", no_limits, NULL, false); /* a replay has spent nothing */
    cr_assert_eq(cn_books_budget(books)->spent_requests, 0);
    OK(cn_store_check(store, &err));
    cn_buf_clear(&cost_was);
    cn_buf_clear(&cost_is);
}

Test(loop_books, a_request_that_differs_is_named_unless_loose)
{
    char was[256];

    record(was, sizeof was);
    close_run();
    open_run("b", no_limits, "a", false);
    (void)begin("analysis 12");
    cr_assert_neq(ask("analysis 12", "## Tree\n\nnode 3 and more"), CN_OK);
    cr_assert(strstr(err.text, "in ## Tree: recorded"), "%s", err.text);
    OK(cn_books_end(books, "trouble", err.text, &err));
    (void)begin("message 9");
    cr_assert_neq(ask("message 9", "x"), CN_OK);
    cr_assert(strstr(err.text, "no answer to \"message 9\""), "%s", err.text);
    close_run();
    open_run("b", no_limits, "a", true);
    (void)begin("analysis 12");
    OK(ask("analysis 12", "## Tree\n\nnode 3 and more"));
    cr_assert_str_eq(heard, "first");
    OK(ask("analysis 12", "## Tree\n\nquite another"));
    cr_assert_str_eq(heard, "second");
}

Test(loop_books, a_record_without_a_model_cannot_be_replayed)
{
    open_run("b", no_limits, NULL, false);
    IS(cn_replay_open(scratch_path(&s, "b"), false, &replay, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "no model was asked"), "%s", err.text);
    IS(cn_replay_open_spec("replay:c", scratch_path(&s, "b"), false, &replay, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "there is no run 'c'"), "%s", err.text);
    OK(cn_replay_open_spec("openai:gpt-4o", scratch_path(&s, "b"), false, &replay, &err));
    cr_assert(!replay);
}
