/* One HTTP call: proxies and authorities of the environment, connections, what an error may say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/banned.h"
#include "base/caps.h"
#include "harness/llm/http.h"
#include "tests/support/mock_llm.h"
#include "tests/support/scratch.h"

#define KEY "sk-never-shown"

static struct mock_llm *m;
static struct cn_http *http;
static struct cn_http_reply reply;
static struct cn_err err;
static int ticks;

static void clean(void)
{
    static const char *const names[] = {
        "http_proxy", "https_proxy", "all_proxy",      "no_proxy",      "HTTPS_PROXY",
        "ALL_PROXY",  "NO_PROXY",    "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        (void)unsetenv(names[i]);
    m = mock_llm_start();
    cr_assert_eq(cn_http_new(&http, &err), CN_OK);
}

static void done(void)
{
    cn_http_free(http);
    mock_llm_stop(m);
}

static void on_tick(void *ctx)
{
    (void)ctx;
    ticks++;
}

static cn_status post(const char *url)
{
    static const struct cn_http_header h[] = {{"content-type", "application/json", false},
                                              {"x-api-key", KEY, true}};
    struct cn_http_call c = CN_HTTP_CALL_INIT;

    c.url = url;
    c.headers = h;
    c.n_headers = 2;
    c.body = "{}";
    c.body_size = 2;
    c.connect_s = 3;
    c.stall_s = 3;
    c.total_s = 5;
    c.cap = 100000;
    c.tick = on_tick;
    err = (struct cn_err)CN_ERR_INIT;
    return cn_http_do(http, &c, &reply, &err);
}

static const char *here(const char *scheme, const char *path)
{
    static char url[128];

    (void)snprintf(url, sizeof url, "%s://127.0.0.1:%d%s", scheme, mock_llm_port(m), path);
    return url;
}

static void script(int n)
{
    struct mock_step s = MOCK_STEP_INIT;

    s.headers = "x-one: 1\nX-Two:   spaced out  \nx-one: again\nset-cookie: a=b\n";
    s.body = "hello";
    s.n = 5;
    s.times = n;
    mock_llm_add(m, &s);
}

Test(llm_http, a_reply_and_its_headers, .init = clean, .fini = done)
{
    char text[8];

    script(1);
    cr_assert_eq(post(here("http", "/a?b")), CN_OK, "%s", err.text);
    cr_expect_eq(reply.status, 200);
    cr_expect(reply.sent && !reply.streamed);
    cr_expect_str_eq(cn_buf_str(&reply.body), "hello");
    cr_expect_str_eq(cn_http_header(&reply, "x-one", text, sizeof text), "1");
    cr_expect_str_eq(cn_http_header(&reply, "x-two", text, sizeof text), "spaced ");
    cr_expect_null(cn_http_header(&reply, "x-three", text, sizeof text));
    cr_expect_null(cn_http_header(&reply, "one", text, sizeof text));
    cr_expect_str_eq(mock_llm_request(m, 0)->path, "/a?b");
    cr_expect_str_eq(mock_llm_header(mock_llm_request(m, 0), "x-api-key"), KEY);
    cr_expect_str_eq(mock_llm_header(mock_llm_request(m, 0), "user-agent"), "cairn");
    cr_expect_str_eq(cn_buf_str(&mock_llm_request(m, 0)->body), "{}");
    cr_expect_geq(ticks, 1);
    cn_http_reply_clear(&reply);
}

Test(llm_http, trailers_and_early_headers_are_not_the_replys, .init = clean, .fini = done)
{
    struct mock_step s = MOCK_STEP_INIT;
    char text[32];

    s.chunked = s.say_continue = true;
    s.body = "hello";
    s.n = 5;
    s.trailers = "x-late: yes\r\n";
    mock_llm_add(m, &s);
    cr_assert_eq(post(here("http", "/")), CN_OK, "%s", err.text);
    cr_expect_null(cn_http_header(&reply, "x-late", text, sizeof text));
    cr_expect_null(cn_http_header(&reply, "x-early", text, sizeof text));
    cn_http_reply_clear(&reply);
}

Test(llm_http, ticks_are_rare_however_fast_the_bytes, .init = clean, .fini = done)
{
    struct mock_step s = MOCK_STEP_INIT;

    s.body = "0123456789";
    s.n = 10;
    s.repeat = 3000;
    s.split = 10;
    s.chunked = true;
    mock_llm_add(m, &s);
    cr_assert_eq(post(here("http", "/")), CN_OK, "%s", err.text);
    cr_expect_eq(reply.body.len, 30000);
    cr_expect(ticks >= 1 && ticks <= 1 + (int)(10.5 * reply.seconds), "%d ticks in %.3f s",
              ticks, reply.seconds);
    cn_http_reply_clear(&reply);
}

Test(llm_http, a_connection_is_kept, .init = clean, .fini = done)
{
    script(3);
    for (int i = 0; i < 3; i++) {
        cr_assert_eq(post(here("http", "/")), CN_OK, "%s", err.text);
        cr_expect_eq(mock_llm_request(m, i)->connection, 1);
        cn_http_reply_clear(&reply);
    }
}

static void expect_failure(const char *url, cn_status st, bool sent)
{
    cr_expect_eq(post(url), st, "%s: %s", url, err.text);
    cr_expect_eq(reply.sent, sent, "%s", url);
    cr_expect_not(strstr(err.text, KEY), "%s", err.text);
    cr_expect_not(strstr(err.text, "x-api-key"), "%s", err.text);
    cr_expect(err.text[0]);
    cn_http_reply_clear(&reply);
}

Test(llm_http, failures_never_name_a_header, .init = clean, .fini = done)
{
    struct mock_step s = MOCK_STEP_INIT;

    expect_failure("http://127.0.0.1:1/", CN_EIO, false);
    expect_failure("ftp://127.0.0.1/", CN_EINPUT, false);
    expect_failure("file:///etc/passwd", CN_EINPUT, false);
    expect_failure("http://", CN_EINPUT, false);
    expect_failure("", CN_EINPUT, false);
    s.none = true;
    mock_llm_add(m, &s);
    expect_failure(here("http", "/"), CN_EIO, true);
    s = (struct mock_step)MOCK_STEP_INIT;
    s.body = "0123456789";
    s.n = 10;
    s.repeat = 100000;
    mock_llm_add(m, &s);
    expect_failure(here("http", "/"), CN_ECAP, true);
    s.repeat = 1;
    s.drop_at = 5;
    mock_llm_add(m, &s);
    expect_failure(here("http", "/"), CN_EIO, true);
    s.headers = "bad header line without its colon\n";
    mock_llm_add(m, &s);
    expect_failure(here("http", "/"), CN_EIO, true);
}

Test(llm_http, a_header_with_a_line_break_is_refused, .init = clean, .fini = done)
{
    static const struct cn_http_header h[] = {{"x-api-key", "sk-a\r\nx-evil: 1", true}};
    struct cn_http_call c = CN_HTTP_CALL_INIT;

    c.url = here("http", "/");
    c.headers = h;
    c.n_headers = 1;
    cr_expect_eq(cn_http_do(http, &c, &reply, &err), CN_EINPUT);
    cr_expect(strstr(err.text, "x-api-key") && !strstr(err.text, "sk-a"), "%s", err.text);
    cr_expect_eq(mock_llm_count(m), 0);
    cn_http_reply_clear(&reply);
}

/* ------------------------------------------------------------------ the environment */

Test(llm_http, the_proxy_of_the_environment_is_used, .init = clean, .fini = done)
{
    script(1);
    (void)setenv("http_proxy", here("http", ""), 1);
    cr_assert_eq(post("http://model.invalid/v1/messages"), CN_OK, "%s", err.text);
    cr_expect_str_eq(mock_llm_request(m, 0)->path, "http://model.invalid/v1/messages");
    cr_expect_str_eq(mock_llm_header(mock_llm_request(m, 0), "host"), "model.invalid");
    cn_http_reply_clear(&reply);
}

Test(llm_http, no_proxy_is_honoured, .init = clean, .fini = done)
{
    (void)setenv("http_proxy", here("http", ""), 1);
    (void)setenv("no_proxy", "model.invalid", 1);
    expect_failure("http://model.invalid/v1/messages", CN_EIO, false);
    cr_expect_eq(mock_llm_count(m), 0, "the proxy was asked");
}

/* A tunnel for https: only CONNECT, and without our headers, reaches the proxy. */
Test(llm_http, a_proxy_of_https_never_sees_the_key, .init = clean, .fini = done)
{
    struct mock_step s = MOCK_STEP_INIT;

    s.status = 403;
    s.headers = "x-proxy: no\n";
    mock_llm_add(m, &s);
    (void)setenv("https_proxy", here("http", ""), 1);
    expect_failure("https://model.invalid/v1/messages", CN_EIO, false);
    cr_assert_eq(mock_llm_count(m), 1);
    cr_expect_str_eq(mock_llm_request(m, 0)->method, "CONNECT");
    cr_expect_str_eq(mock_llm_request(m, 0)->path, "model.invalid:443");
    cr_expect_not(strstr(cn_buf_str(&mock_llm_request(m, 0)->headers), KEY));
}

Test(llm_http, this_machine_is_reached_without_a_proxy, .init = clean, .fini = done)
{
    char url[64];

    (void)setenv("http_proxy", "http://127.0.0.1:1", 1);
    (void)setenv("all_proxy", "http://127.0.0.1:1", 1);
    script(2);
    cr_assert_eq(post(here("http", "/")), CN_OK, "%s", err.text);
    cn_http_reply_clear(&reply);
    (void)snprintf(url, sizeof url, "http://LOCALHOST:%d/", mock_llm_port(m));
    cr_assert_eq(post(url), CN_OK, "%s", err.text);
    cn_http_reply_clear(&reply);
    expect_failure("http://127.0.0.1.model.invalid/", CN_EIO, false);
}

static void expect_authorities(const char *variable, const char *file)
{
    (void)setenv(variable, file, 1);
    expect_failure(here("https", "/"), CN_EINPUT, false);
    cr_expect(strstr(err.text, "trusted authorities"), "%s: %s", variable, err.text);
    (void)unsetenv(variable);
}

/* A file that is not there can only be missed by who looks for it. */
Test(llm_http, the_authorities_of_the_environment_are_used, .init = clean, .fini = done)
{
    struct scratch s;

    scratch_init(&s);
    expect_authorities("CURL_CA_BUNDLE", scratch_path(&s, "absent.pem"));
    expect_authorities("SSL_CERT_FILE", scratch_path(&s, "absent.pem"));
    scratch_clear(&s);
}

/* Plain bytes where TLS is expected are no answer, whatever they are. */
Test(llm_http, a_server_without_tls_gets_nothing, .init = clean, .fini = done)
{
    struct mock_step s = MOCK_STEP_INIT;

    s.refuse = true;
    mock_llm_add(m, &s);
    expect_failure(here("https", "/"), CN_EIO, false);
    cr_expect_eq(mock_llm_count(m), 0);
}
