/* cairn llm log|show|probe: what was said to a run's model, and what a model can do. */
#include "harness/cli/llm.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "harness/cli/paths.h"
#include "harness/cli/verbs.h"
#include "harness/llm/dialect.h"
#include "logs/exchange.h"

static cn_status open_run(const struct cn_cli_args *args, struct cn_store **out,
                          struct cn_err *err)
{
    char *dir = NULL;
    cn_status st =
        cn_cli_run_dir(args->positional[1], cn_cli_value(args, "runs"), 1, &dir, err);

    *out = NULL;
    if (st == CN_OK)
        st = cn_store_open(dir, CN_STORE_READ, out, err);
    cn_free(dir);
    return st;
}

static const char *outcome_of(const struct cn_exchange *e)
{
    return e->outcome[0] ? e->outcome : "under way";
}

/* -- log -- */

static cn_status log_line(void *ctx, const struct cn_exchange *e, struct cn_err *err)
{
    const struct cn_exchange_sums *t = &e->sums;
    char when[CN_TIME_TEXT];

    (void)ctx;
    (void)err;
    printf(
        "%5lld  %s  %-9s  %5lld  %-16s  %2lld  %-9s  %8lld  %8lld  %7lld  %8.4f  %6.1f  %s\n",
        (long long)e->id, cn_clock_iso(e->started_ms, when), e->phase, (long long)e->iteration,
        e->purpose, (long long)t->requests, outcome_of(e), (long long)t->input,
        (long long)t->cache_read, (long long)t->output, t->usd, t->seconds, e->why);
    return CN_OK;
}

static cn_status log_json(void *ctx, const struct cn_exchange *e, struct cn_err *err)
{
    struct cn_json_writer *w = ctx;
    const struct cn_exchange_sums *t = &e->sums;
    char when[CN_TIME_TEXT];

    (void)err;
    cn_json_open(w, NULL, '{');
    cn_json_add_int(w, "id", e->id);
    cn_json_add_string(w, "started", cn_clock_iso(e->started_ms, when));
    cn_json_add_string(w, "phase", e->phase);
    cn_json_add_string(w, "purpose", e->purpose);
    cn_json_add_int(w, "iteration", e->iteration);
    cn_json_add_int(w, "block", e->block);
    cn_json_add_string(w, "model", e->model);
    cn_json_add_string(w, "dialect", e->dialect);
    cn_json_add_string(w, "outcome", outcome_of(e));
    cn_json_add_string(w, "why", e->why);
    cn_json_add_bool(w, "replayed", e->replayed);
    cn_json_add_int(w, "requests", t->requests);
    cn_json_add_int(w, "requests_at_the_worst_case", t->lost);
    cn_json_add_int(w, "input_tokens", t->input);
    cn_json_add_int(w, "cache_read_tokens", t->cache_read);
    cn_json_add_int(w, "cache_write_tokens", t->cache_write);
    cn_json_add_int(w, "output_tokens", t->output);
    if (t->unpriced > 0)
        cn_json_add_null(w, "usd");
    else
        cn_json_add_double(w, "usd", t->usd);
    cn_json_add_double(w, "seconds", t->seconds);
    cn_json_close(w);
    return CN_OK;
}

static cn_status print_json(struct cn_store *store, int64_t last, struct cn_err *err)
{
    struct cn_json_writer w;
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_json_begin(&w, &b, 2);
    cn_json_open(&w, NULL, '[');
    st = cn_exchange_each(store, 0, last, log_json, &w, err);
    cn_json_close(&w);
    if (st == CN_OK && cn_buf_status(&b) != CN_OK)
        st = cn_err_set(err, cn_buf_status(&b), "the log is too large; --last N shows a part");
    if (st == CN_OK)
        puts(cn_buf_str(&b));
    cn_buf_clear(&b);
    return st;
}

static cn_status print_sum(struct cn_store *store, struct cn_err *err)
{
    struct cn_exchange_sums t;
    struct cn_buf words, prices;
    cn_status st = cn_exchange_sum(store, 0, false, &t, err);

    cn_buf_init(&words, CN_CAP_RECORD);
    cn_buf_init(&prices, CN_CAP_RECORD);
    if (cn_store_fact(store, "llm.prices", &prices, NULL) != CN_OK)
        cn_buf_reset(&prices);
    cn_exchange_words(&t, cn_buf_str(&prices), &words);
    if (st == CN_OK)
        printf("%s\n", t.exchanges > 0 ? cn_buf_str(&words) : "no model was asked in this run");
    cn_buf_clear(&words);
    cn_buf_clear(&prices);
    return st;
}

static int run_log(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_store *store = NULL;
    int64_t last = 0;
    const bool json = cn_cli_flag(args, "json");
    cn_status st = cn_cli_int(args, "last", 1, 1000000000, 0, &last, &err);

    if (st == CN_OK && args->n_positional > 2)
        st = cn_err_set(&err, CN_EINPUT, "llm log: '%s': one run was expected",
                        args->positional[2]);
    if (st == CN_OK)
        st = open_run(args, &store, &err);
    if (st == CN_OK && json)
        st = print_json(store, last, &err);
    if (st == CN_OK && !json) {
        printf("%5s  %-24s  %-9s  %5s  %-16s  %2s  %-9s  %8s  %8s  %7s  %8s  %6s  why\n", "id",
               "started", "phase", "iter", "purpose", "rq", "outcome", "in", "cached", "out",
               "USD", "s");
        st = cn_exchange_each(store, 0, last, log_line, NULL, &err);
    }
    if (st == CN_OK && !json)
        st = print_sum(store, &err);
    cn_store_close(store);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

/* -- show -- */

struct show {
    struct cn_store *store;
    bool request, reply, sections; /* what is wanted */
    int64_t attempt;               /* 0: all */
    int shown;
};

static cn_status show_head(void *ctx, const struct cn_exchange *e, struct cn_err *err)
{
    struct show *s = ctx;
    char when[CN_TIME_TEXT];

    (void)err;
    s->shown++;
    printf("exchange %lld: %s, for \"%s\" (iteration %lld, block %lld)\n", (long long)e->id,
           e->phase, e->purpose, (long long)e->iteration, (long long)e->block);
    printf("  model     %s (%s)%s\n", e->model, e->dialect, e->replayed ? ", replayed" : "");
    printf("  started   %s\n", cn_clock_iso(e->started_ms, when));
    printf("  outcome   %s%s%s\n", outcome_of(e), e->why[0] ? ": " : "", e->why);
    printf("  cost      %lld request%s, %lld tokens in, %lld out, %.4f USD, %.1f s\n",
           (long long)e->sums.requests, e->sums.requests == 1 ? "" : "s",
           (long long)e->sums.input, (long long)e->sums.output, e->sums.usd, e->sums.seconds);
    if (s->sections && e->sections[0])
        printf("\nsections of the prompt, bytes:\n%s", e->sections);
    return CN_OK;
}

/* JSON with one value a line where it is one; the text of strings as people read it. */
static void print_value(const struct cn_json *v, const char *name, int depth)
{
    const char *text = cn_json_string(v);
    const cn_json_type kind = cn_json_kind(v);
    struct cn_buf b;

    if (name)
        printf("%*s%s:%s", 2 * depth, "", name,
               kind == CN_JSON_OBJECT || kind == CN_JSON_ARRAY ? "\n" : " ");
    else if (kind != CN_JSON_OBJECT && kind != CN_JSON_ARRAY)
        printf("%*s", 2 * depth, "");
    else if (depth > 0)
        printf("%*s-\n", 2 * depth, "");
    if (text) {
        printf("%s\n", text);
    } else if (kind == CN_JSON_OBJECT || kind == CN_JSON_ARRAY) {
        for (const struct cn_json *m = cn_json_first(v); m; m = cn_json_next(m))
            print_value(m, kind == CN_JSON_OBJECT ? cn_json_name(m) : NULL, depth + 1);
    } else {
        cn_buf_init(&b, CN_CAP_RECORD);
        cn_json_put_value(&b, v);
        printf("%s\n", cn_buf_str(&b));
        cn_buf_clear(&b);
    }
}

/* Whole JSON is laid out; anything else (a stream, a command's words) stands as it came. */
static void print_body(const char *what, const char *text, size_t n)
{
    struct cn_json_doc *doc = NULL;

    printf("\n---- %s, %zu bytes ----\n", what, n);
    if (n > 0 && cn_json_parse(what, text, n, &doc, NULL) == CN_OK)
        print_value(cn_json_root(doc), NULL, 0);
    else
        printf("%.*s\n", (int)n, text);
    cn_json_free(doc);
}

static cn_status feed(void *ctx, const struct cn_sse_event *e, struct cn_err *err)
{
    return cn_stream_event(ctx, e, err);
}

static void print_answer(const struct cn_llm_answer *a)
{
    for (int i = 0; i < a->n_blocks; i++) {
        const struct cn_llm_block *b = &a->blocks[i];

        if (b->kind == CN_LLM_TEXT)
            printf("%s\n", b->text);
        else if (b->kind == CN_LLM_TOOL_USE)
            printf("tool %s %s\n", b->name, b->arguments);
        else if (b->kind == CN_LLM_OPAQUE)
            printf("(%zu bytes of the provider's own)\n", strlen(b->text));
    }
    printf("stopped: %s\n", cn_llm_stop_name(a->stop));
}

/* What the answer says, by the dialect that it came in; false when that cannot be told. */
static bool print_reply(const char *dialect, const char *reply, size_t n)
{
    const struct cn_dialect *d = cn_dialect_find(dialect);
    struct cn_llm_answer a;
    struct cn_stream *stream = NULL;
    struct cn_sse sse;
    cn_status st = CN_EINPUT;

    if (d && n > 0 && reply[0] == '{') {
        st = cn_dialect_answer(d, reply, n, &a, NULL, NULL);
    } else if (d && n > 0 && cn_stream_new(d, &stream, NULL) == CN_OK) {
        cn_sse_init(&sse, feed, stream, CN_EXCHANGE_REPLY);
        st = cn_sse_feed(&sse, reply, n, NULL);
        if (st == CN_OK)
            st = cn_sse_end(&sse, NULL);
        if (st == CN_OK)
            st = cn_stream_end(stream, &a, NULL);
        cn_sse_clear(&sse);
    }
    cn_stream_free(stream);
    if (st != CN_OK)
        return false;
    printf("\n---- answer ----\n");
    print_answer(&a);
    cn_llm_answer_clear(&a);
    return true;
}

static cn_status dialect_of(void *ctx, const struct cn_exchange *e, struct cn_err *err)
{
    (void)err;
    cn_text_format(ctx, 32, "%.31s", e->dialect);
    return CN_OK;
}

static void print_fate(const struct cn_exchange_attempt *a)
{
    if (a->ended_ms == 0)
        printf("  no end: under way, or its harness was killed; at most %lld tokens\n",
               (long long)a->worst_tokens);
    else
        printf("  status %d, %lld bytes of reply, %lld tokens in (%lld cached), %lld out%s, "
               "%.4f USD, %.1f s%s%s\n",
               a->got.status, (long long)a->reply_bytes, (long long)a->got.input,
               (long long)a->got.cache_read, (long long)a->got.output,
               a->got.known ? "" : " (at the worst case)", a->got.usd, a->got.seconds,
               a->got.request_id[0] ? ", request id " : "", a->got.request_id);
    if (a->got.trouble[0])
        printf("  trouble: %s: %s\n", a->got.trouble, a->got.message);
}

static cn_status show_attempt(void *ctx, const struct cn_exchange_attempt *a,
                              struct cn_err *err)
{
    struct show *s = ctx;
    char dialect[32] = "";
    struct cn_buf body;
    cn_status st;

    if (s->attempt > 0 && a->number != s->attempt)
        return CN_OK;
    s->shown++;
    printf("\nrequest %d: turn %d, try %d, %lld bytes, sha256 %.12s\n", (int)a->number,
           (int)a->turn, (int)a->try_number, (long long)a->body_bytes, a->hash);
    print_fate(a);
    cn_buf_init(&body, CN_CAP_TEXT);
    st = s->request ? cn_exchange_body(s->store, a->body, &body, err) : CN_OK;
    if (st == CN_OK && s->request)
        print_body("request", cn_buf_str(&body), body.len);
    cn_buf_clear(&body);
    if (st == CN_OK && s->reply)
        st = cn_exchange_each(s->store, a->exchange, 0, dialect_of, dialect, err);
    if (st == CN_OK && s->reply && !print_reply(dialect, a->got.reply, a->got.reply_size))
        print_body("reply", a->got.reply, a->got.reply_size);
    return st;
}

static cn_status show_it(struct show *s, int64_t id, struct cn_err *err)
{
    cn_status st = cn_exchange_each(s->store, id, 0, show_head, s, err);

    if (st == CN_OK && s->shown == 0)
        return cn_err_set(err, CN_EINPUT,
                          "there is no exchange %lld; `cairn llm log` lists them",
                          (long long)id);
    s->shown = 0;
    if (st == CN_OK)
        st = cn_exchange_attempts(s->store, id, show_attempt, s, err);
    if (st == CN_OK && s->attempt > 0 && s->shown == 0)
        st = cn_err_set(err, CN_EINPUT, "exchange %lld has no request %lld", (long long)id,
                        (long long)s->attempt);
    return st;
}

static int run_show(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct show s = {.request = cn_cli_flag(args, "request"),
                     .reply = cn_cli_flag(args, "reply"),
                     .sections = cn_cli_flag(args, "sections")};
    int64_t id = 0;
    cn_status st = cn_cli_int(args, "attempt", 1, 1000000, 0, &s.attempt, &err);

    if (!s.request && !s.reply && !s.sections)
        s.request = s.reply = s.sections = true;
    if (st == CN_OK && args->n_positional != 3)
        st = cn_err_set(&err, CN_EINPUT,
                        "llm show: a run and the id of an exchange: "
                        "cairn llm show demo 3");
    if (st == CN_OK && (!cn_text_parse_int64(args->positional[2], &id) || id < 1))
        st = cn_err_set(&err, CN_EINPUT, "llm show: '%s': the id of an exchange was expected",
                        args->positional[2]);
    if (st == CN_OK)
        st = open_run(args, &s.store, &err);
    if (st == CN_OK)
        st = show_it(&s, id, &err);
    cn_store_close(s.store);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

/* -- probe -- */

static int run_probe(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    const struct cn_cli_probe p = {.spec = args->positional[1],
                                   .key_file = cn_cli_value(args, "key-file"),
                                   .prices = cn_cli_value(args, "prices"),
                                   .yes = cn_cli_flag(args, "yes")};

    if (args->n_positional > 2)
        return cn_err_print(stderr, "cairn",
                            (cn_err_set(&err, CN_EINPUT,
                                        "llm probe: '%s': one model was "
                                        "expected",
                                        args->positional[2]),
                             &err));
    const cn_status st = cn_cli_probe(&p, &err);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

/* -- the verb -- */

static const struct {
    const char *name;
    int (*run)(const struct cn_cli_args *args);
} words[] = {{"log", run_log}, {"show", run_show}, {"probe", run_probe}};
enum { N_WORDS = sizeof words / sizeof words[0] };

static int run_llm(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    const char *names[N_WORDS];

    for (int i = 0; i < N_WORDS; i++) {
        names[i] = words[i].name;
        if (strcmp(args->positional[0], words[i].name) == 0)
            return words[i].run(args);
    }
    const int near = cn_text_nearest(args->positional[0], names, N_WORDS);
    (void)cn_err_set(&err, CN_EINPUT, "llm: unknown word '%s'; %s%s%s", args->positional[0],
                     near >= 0 ? "did you mean '" : "",
                     near >= 0 ? names[near] : "it is one of log, show, probe",
                     near >= 0 ? "'?" : "");
    return cn_err_print(stderr, "cairn", &err);
}

static const struct cn_cli_option llm_options[] = {
    {"last", "N", "log: only the last N exchanges"},
    {"json", NULL, "log: for scripts"},
    {"attempt", "K", "show: only this request of the exchange"},
    {"request", NULL, "show: what was sent"},
    {"reply", NULL, "show: what came"},
    {"sections", NULL, "show: the prompt's sections and their bytes"},
    {"key-file", "FILE", "probe: the key (else the environment)"},
    {"prices", "FILE", "probe: prices of models"},
    {"yes", NULL, "probe: it may cost money"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
};

const struct cn_cli_verb cn_verb_llm = {
    "llm",
    "log RUN [--last N] [--json] | show RUN ID [--attempt K] [--request] [--reply] "
    "[--sections] "
    "|\n           probe MODEL [--yes]",
    "what was said to a run's language model, and what a model can do",
    "log prints one line an exchange: when, why, how many requests it took, how it ended, its "
    "tokens\n"
    "(all that went in, of these from the cache, out), its price, its seconds. Requests whose "
    "end\n"
    "nobody knows (the harness was killed) count at their worst case.\n\n"
    "show prints one exchange whole: the prompt's sections, every request, every answer with "
    "its\n"
    "tool calls. Images stand as [image N bytes sha256:...]; keys are in no request.\n\n"
    "probe asks a model a few tiny questions (tools, images, caching) and prints what it can "
    "as "
    "a\n"
    "line for explore.llm.capabilities. It says before what that may cost and after what it "
    "did; "
    "for\n"
    "a model with a price it wants --yes.\n\n"
    "  cairn llm log demo --last 5\n"
    "  cairn llm probe anthropic:claude-sonnet-4-5 --yes\n"
    "  cairn llm probe http://localhost:8080#qwen3",
    "cairn llm show demo 3 --reply",
    llm_options,
    10,
    2,
    3,
    false,
    run_llm};
