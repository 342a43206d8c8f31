/* A program as the model, and the tick and the stop flag of every wait. */
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/proc.h"
#include "harness/llm/client.h"
#include "harness/llm/command.h"
#include "tests/support/case_files.h"
#include "tests/support/mock_llm.h"
#include "tests/support/scratch.h"

static const struct cn_llm_block system_text = {.kind = CN_LLM_TEXT, .text = "You explore."};
static const struct cn_llm_block blocks[] = {{.kind = CN_LLM_IMAGE, .text = "/tmp/a.png"},
                                             {.kind = CN_LLM_IMAGE, .text = ""},
                                             {.kind = CN_LLM_TEXT, .text = "Give \"slots\"."}};
static const struct cn_llm_block said[] = {
    {.kind = CN_LLM_OPAQUE, .text = "{\"type\":\"thinking\"}"},
    {.kind = CN_LLM_TOOL_USE, .id = "1", .name = "propose", .arguments = "{\"lr\":1}"}};
static const struct cn_llm_message messages[] = {{CN_LLM_USER, blocks, 3},
                                                 {CN_LLM_ASSISTANT, said, 2}};
static const struct cn_llm_request request = {.system = &system_text,
                                              .n_system = 1,
                                              .messages = messages,
                                              .n_messages = 2,
                                              .max_tokens = 100,
                                              .effort = ""};

static volatile sig_atomic_t stop;
static int ticks, stop_at_tick;
static int64_t last_tick_us, longest_us;

static void on_tick(void *ctx)
{
    int64_t now = cn_clock_mono_us();

    (void)ctx;
    if (ticks > 0 && now - last_tick_us > longest_us)
        longest_us = now - last_tick_us;
    last_tick_us = now;
    if (++ticks == stop_at_tick)
        stop = 1;
}

/* What one ask of `spec` brought. */
struct got {
    cn_status st;
    struct cn_llm_answer answer;
    struct cn_llm_trouble trouble;
    struct cn_err err;
    double seconds;
};

static struct got ask(const char *spec, int attempts, double total_s)
{
    struct cn_llm_opts o = CN_LLM_OPTS_INIT;
    struct got g = {.err = CN_ERR_INIT};
    struct cn_llm *l;
    int64_t begun = cn_clock_mono_us();

    o.spec = spec;
    o.attempts = attempts;
    o.cap_s = 0.01;
    o.total_s = total_s;
    o.stop = &stop;
    o.tick = on_tick;
    ticks = 0;
    longest_us = 0;
    cr_assert_eq(cn_llm_open(&o, &l, &g.err), CN_OK, "%s", g.err.text);
    g.st = cn_llm_ask(l, &request, "test", &g.answer, &g.trouble, &g.err);
    cn_llm_close(l);
    g.seconds = 1e-6 * (double)(cn_clock_mono_us() - begun);
    return g;
}

Test(llm_command, the_prompt_is_the_whole_conversation)
{
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_command_prompt(&request, &b);
    cr_expect_str_eq(
        cn_buf_str(&b),
        "# System\n\nYou explore.\n\n# User\n\n[figure: /tmp/a.png]\n\n[a figure]\n\n"
        "Give \"slots\".\n\n# Assistant\n\n[call propose {\"lr\":1}]\n\n");
    cn_buf_clear(&b);
}

Test(llm_command, the_example_answers)
{
    char path[4096], spec[4200];
    struct got g;

    (void)snprintf(spec, sizeof spec, "command:sh '%s'",
                   case_file("llm/command", "answer.sh", ".sh", path));
    g = ask(spec, 1, 20);
    cr_assert_eq(g.st, CN_OK, "%s", g.err.text);
    cr_expect_eq(g.answer.n_blocks, 1);
    cr_expect_eq(g.answer.stop, CN_LLM_STOP_END);
    cr_expect_str_eq(g.answer.blocks[0].text,
                     "{\"slots\": [], \"note\": \"asked by 1 user messages\"}\n");
    cr_expect_not(g.answer.usage.known);
    cn_llm_answer_clear(&g.answer);
}

static void expect_failure(const char *spec, cn_llm_trouble_kind kind, cn_status st,
                           const char *words)
{
    struct got g = ask(spec, 1, 0.4);

    cr_expect_eq(g.st, st, "%s: %s %s", spec, cn_status_name(g.st), g.err.text);
    cr_expect_eq(g.trouble.kind, kind, "%s: %s", spec, cn_llm_trouble_name(g.trouble.kind));
    cr_expect(strstr(g.err.text, words), "%s: %s", spec, g.err.text);
    cr_expect_lt(g.seconds, 5);
}

Test(llm_command, what_goes_wrong_is_told)
{
    expect_failure("command:echo first >&2; echo last words >&2; exit 1", CN_LLM_TROUBLE_SERVER,
                   CN_EIO, "exit code 1: last words");
    expect_failure("command:no-such-program-at-all", CN_LLM_TROUBLE_SERVER, CN_EIO,
                   "exit code 127");
    expect_failure("command:kill -9 $$", CN_LLM_TROUBLE_SERVER, CN_EIO, "signal 9");
    expect_failure("command:printf 'a\\377b'", CN_LLM_TROUBLE_SERVER, CN_EIO, "no UTF-8");
    expect_failure("command:printf 'a\\000b'", CN_LLM_TROUBLE_SERVER, CN_EIO, "NUL");
    expect_failure("command:sleep 20", CN_LLM_TROUBLE_TIMEOUT, CN_EIO, "still running after");
    expect_failure("command:cat /dev/zero", CN_LLM_TROUBLE_SERVER, CN_EIO, "output");
    expect_failure("command:cat /dev/zero >&2", CN_LLM_TROUBLE_SERVER, CN_EIO, "error output");
}

Test(llm_command, exit_75_is_asked_later)
{
    struct scratch s;
    char spec[2048];
    struct got g;

    scratch_init(&s);
    (void)snprintf(spec, sizeof spec,
                   "command:test -e %s/seen && echo yes || { : > %s/seen; exit 75; }", s.dir,
                   s.dir);
    cn_clock_freeze(1000000); /* half a minute of waiting takes none */
    g = ask(spec, 2, 3600);
    cn_clock_thaw();
    cr_assert_eq(g.st, CN_OK, "%s", g.err.text);
    cr_expect_str_eq(g.answer.blocks[0].text, "yes\n");
    cr_expect_geq(ticks, 300);
    cn_llm_answer_clear(&g.answer);
    g = ask("command:exit 75", 1, 3600);
    cr_expect_eq(g.st, CN_ETIMEOUT);
    cr_expect_eq(g.trouble.kind, CN_LLM_TROUBLE_OVERLOADED);
    cr_expect_eq(g.trouble.wait_s, 30);
    scratch_clear(&s);
}

Test(llm_command, no_key_reaches_its_environment)
{
    static const char *const names[] = {
        "ANTHROPIC_API_KEY",     "OPENAI_API_KEY", "OPENAI_ORG",
        "GROQ_API_KEY",          "HF_TOKEN",       "MY_PASSWORD",
        "AWS_SECRET_ACCESS_KEY", "CLIENT_SECRET"};
    struct got g;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)setenv(names[i], "sk-hidden", 1);
    (void)setenv("HARMLESS", "shown", 1);
    g = ask("command:env", 1, 20);
    cr_assert_eq(g.st, CN_OK, "%s", g.err.text);
    cr_expect_not(strstr(g.answer.blocks[0].text, "sk-hidden"), "%s", g.answer.blocks[0].text);
    cr_expect(strstr(g.answer.blocks[0].text, "HARMLESS=shown"));
    cn_llm_answer_clear(&g.answer);
}

/* A prompt beyond any pipe, to a program that does not read it. */
Test(llm_command, who_does_not_read_may_answer)
{
    struct cn_buf out, prompt;
    struct cn_err err = CN_ERR_INIT;
    bool later;

    cn_buf_init(&out, 1000);
    cn_buf_init(&prompt, CN_CAP_TEXT);
    for (int i = 0; i < 100000; i++)
        cn_buf_adds(&prompt, "a long line of evidence\n");
    struct cn_command_call c = {.command = "echo fine",
                                .prompt = cn_buf_str(&prompt),
                                .n = prompt.len,
                                .deadline_s = 20};
    cr_expect_eq(cn_command_run(&c, &out, &later, &err), CN_OK, "%s", err.text);
    cr_expect_str_eq(cn_buf_str(&out), "fine\n");
    cn_buf_reset(&out);
    c.command = "wc -c";
    cr_expect_eq(cn_command_run(&c, &out, &later, &err), CN_OK, "%s", err.text);
    cr_expect_str_eq(cn_buf_str(&out), "2400000\n");
    cn_buf_clear(&out);
    cn_buf_clear(&prompt);
}

/* ------------------------------------------------------------------ the record of a command, replayed */

struct kept {
    int status[4], n;
    char hash[4][72], reply[4][64];
};

static cn_status keep_begin(void *ctx, struct cn_llm_attempt *a, struct cn_err *e)
{
    (void)ctx;
    (void)e;
    a->exchange = 7;
    return CN_OK;
}

static cn_status keep_end(void *ctx, const struct cn_llm_attempt *a,
                          const struct cn_llm_outcome *o, struct cn_err *e)
{
    struct kept *k = ctx;

    (void)e;
    cr_assert(k->n < 4 && o->reply_size < 64);
    (void)snprintf(k->hash[k->n], 72, "%s", a->body_hash);
    (void)snprintf(k->reply[k->n], 64, "%s", o->reply);
    k->status[k->n++] = o->status;
    cr_expect_eq(a->exchange, 7);
    cr_expect_str_eq(a->dialect, "command");
    return CN_OK;
}

static cn_status find_kept(void *ctx, const struct cn_llm_attempt *a, int *out_status,
                           struct cn_buf *out_reply, char out_dialect[32], struct cn_err *e)
{
    const struct kept *k = ctx;

    if (a->number > k->n)
        return cn_err_set(e, CN_ENOTFOUND, "no record");
    cr_expect_str_eq(a->body_hash, k->hash[a->number - 1]);
    *out_status = k->status[a->number - 1];
    cn_buf_adds(out_reply, k->reply[a->number - 1]);
    (void)snprintf(out_dialect, 32, "command");
    return CN_OK;
}

/* Runs `spec`, then its record; both must end alike. */
static void expect_replay(const char *spec, cn_status st, cn_llm_trouble_kind kind,
                          const char *text, int attempts)
{
    struct kept k = {.n = 0};
    const struct cn_llm_recorder recorder = {&k, keep_begin, keep_end};
    const struct cn_llm_replay replay = {&k, "command", spec + 8, find_kept};

    for (int again = 0; again < 2; again++) {
        struct cn_llm_opts o = CN_LLM_OPTS_INIT;
        struct got g = {.err = CN_ERR_INIT};
        struct cn_llm *l;

        o.spec = again ? "replay:it" : spec;
        o.record = again ? NULL : &recorder;
        o.replay = &replay;
        o.attempts = 3;
        o.cap_s = 0.01;
        o.park_s = 5;
        o.total_s = 0.4;
        cr_assert_eq(cn_llm_open(&o, &l, &g.err), CN_OK, "%s", g.err.text);
        g.st = cn_llm_ask(l, &request, "test", &g.answer, &g.trouble, &g.err);
        cr_expect_eq(g.st, st, "%s, %d: %s %s", spec, again, cn_status_name(g.st), g.err.text);
        cr_expect_eq(g.trouble.kind, kind, "%s, %d: %s", spec, again,
                     cn_llm_trouble_name(g.trouble.kind));
        cr_expect_eq(k.n, attempts, "%d attempts", k.n);
        if (g.st == CN_OK)
            cr_expect_str_eq(g.answer.blocks[0].text, text);
        cn_llm_answer_clear(&g.answer);
        cn_llm_close(l);
    }
}

Test(llm_command, its_record_is_replayed_failures_too)
{
    expect_replay("command:echo fine", CN_OK, CN_LLM_TROUBLE_NONE, "fine\n", 1);
    expect_replay("command:echo half; exit 1", CN_EIO, CN_LLM_TROUBLE_SERVER, "", 3);
    expect_replay("command:sleep 9", CN_EIO, CN_LLM_TROUBLE_TIMEOUT, "", 1);
    expect_replay("command:exit 75", CN_ETIMEOUT, CN_LLM_TROUBLE_OVERLOADED, "", 1);
}

/* ------------------------------------------------------------------ a record that cannot be kept */

static cn_status no_room_begin(void *ctx, struct cn_llm_attempt *a, struct cn_err *e)
{
    (void)a;
    return *(int *)ctx == 0 ? cn_err_set(e, CN_ENOSPC, "no room") : CN_OK;
}

static cn_status no_room_end(void *ctx, const struct cn_llm_attempt *a,
                             const struct cn_llm_outcome *o, struct cn_err *e)
{
    (void)ctx;
    (void)a;
    (void)o;
    return cn_err_set(e, CN_ENOSPC, "no room");
}

Test(llm_command, what_cannot_be_recorded_is_not_asked_and_not_answered)
{
    struct scratch s;
    char spec[2048];

    scratch_init(&s);
    (void)snprintf(spec, sizeof spec, "command:echo x >> %s/ran", s.dir);
    for (int at = 0; at < 2; at++) { /* before, after */
        const struct cn_llm_recorder r = {&at, no_room_begin, no_room_end};
        struct cn_llm_budget purse = {.tokens = 100000};
        struct cn_llm_opts o = CN_LLM_OPTS_INIT;
        struct got g = {.err = CN_ERR_INIT};
        struct cn_llm *l;

        o.spec = spec;
        o.record = &r;
        o.budget = &purse;
        cr_assert_eq(cn_llm_open(&o, &l, &g.err), CN_OK);
        g.st = cn_llm_ask(l, &request, "test", &g.answer, &g.trouble, &g.err);
        cr_expect_eq(g.st, CN_ENOSPC);
        cr_expect_str_eq(g.err.text, "no room");
        cr_expect_eq(cn_file_exists(scratch_path(&s, "ran")), at == 1);
        cr_expect_null(g.answer.blocks);
        cr_expect_eq(purse.reserved_tokens, 0);
        cn_llm_close(l);
    }
    scratch_clear(&s);
}

Test(llm_command, a_replay_without_its_record_is_no_answer)
{
    struct kept k = {.n = 0};
    const struct cn_llm_replay replay = {&k, "anthropic", "m", find_kept};
    struct cn_llm_opts o = CN_LLM_OPTS_INIT;
    struct got g = {.err = CN_ERR_INIT};
    struct cn_llm *l;

    o.spec = "replay:it";
    cr_expect_eq(cn_llm_open(&o, &l, &g.err), CN_EINPUT);
    cr_expect(strstr(g.err.text, "no record to replay"), "%s", g.err.text);
    o.replay = &replay;
    cr_assert_eq(cn_llm_open(&o, &l, &g.err), CN_OK);
    cr_expect_neq(cn_llm_ask(l, &request, "test", &g.answer, &g.trouble, &g.err), CN_OK);
    cr_expect_eq(g.trouble.remedy, CN_LLM_DO_STOP);
    cn_llm_close(l);
}

/* ------------------------------------------------------------------ ticks and the stop flag */

static void expect_ticks(const struct got *g)
{
    cr_expect_geq(ticks, (int)(g->seconds / 0.25), "%d ticks in %.2f s", ticks, g->seconds);
    cr_expect_lt(longest_us, 400000, "%.3f s without a tick", 1e-6 * (double)longest_us);
}

Test(llm_command, ticks_while_a_command_runs)
{
    struct got g = ask("command:sleep 1; echo ok", 1, 20);

    cr_expect_eq(g.st, CN_OK, "%s", g.err.text);
    expect_ticks(&g);
    cr_expect_geq(ticks, 6);
    cn_llm_answer_clear(&g.answer);
}

Test(llm_command, its_group_is_killed_at_once_when_we_stop)
{
    struct scratch s;
    char spec[2048];
    struct got g;

    scratch_init(&s);
    (void)snprintf(spec, sizeof spec, "command:sh -c 'sleep 2; : > %s/alive' & sleep 30",
                   s.dir);
    stop_at_tick = 4;
    g = ask(spec, 5, 100);
    cr_expect_eq(g.st, CN_ESTOPPED, "%s", cn_status_name(g.st));
    cr_expect_eq(g.trouble.kind, CN_LLM_TROUBLE_CANCELLED);
    cr_expect_lt(g.seconds, 1.5);
    (void)usleep(2200000);
    cr_expect_not(cn_file_exists(scratch_path(&s, "alive")), "its child lived on");
    scratch_clear(&s);
}

static struct mock_llm *mock(int status, const char *headers, long stall_at)
{
    struct mock_llm *m = mock_llm_start();
    struct mock_step s = MOCK_STEP_INIT;

    s.status = status;
    s.headers = headers;
    s.body = "{}";
    s.n = 2;
    s.times = 100;
    s.stall_at = stall_at;
    mock_llm_add(m, &s);
    return m;
}

static void stop_in(int status, const char *headers, long stall_at)
{
    struct mock_llm *m = mock(status, headers, stall_at);
    char spec[64];
    struct got g;

    (void)snprintf(spec, sizeof spec, "http://127.0.0.1:%d#m", mock_llm_port(m));
    stop = 0;
    stop_at_tick = 8;
    g = ask(spec, 5, 100);
    cr_expect_eq(g.st, CN_ESTOPPED, "%s: %s", cn_status_name(g.st), g.err.text);
    cr_expect_gt(g.seconds, 0.3);
    cr_expect_lt(g.seconds, 2);
    expect_ticks(&g);
    mock_llm_stop(m);
}

Test(llm_command, ticks_and_a_stop_while_the_wire_is_silent)
{
    stop_in(200, "content-type: application/json\n", 0);
}

Test(llm_command, ticks_and_a_stop_in_a_body)
{
    stop_in(200, "content-type: text/event-stream\n", 1);
}

Test(llm_command, ticks_and_a_stop_between_attempts)
{
    stop_in(429, "retry-after: 50\n", -1);
}
