/* Where a model is, with which key, what it takes and what it costs. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "base/banned.h"
#include "base/secret.h"
#include "base/text.h"
#include "harness/llm/budget.h"
#include "harness/llm/models.h"
#include "harness/llm/provider.h"
#include "tests/support/cases.h"
#include "tests/support/scratch.h"

static void clean(void)
{
    (void)unsetenv("CAIRN_ANTHROPIC_URL");
    (void)unsetenv("CAIRN_OPENAI_URL");
    (void)unsetenv("ANTHROPIC_API_KEY");
    (void)unsetenv("OPENAI_API_KEY");
}

/* ------------------------------------------------------------------ specs */

Test(llm_provider, a_spec_is_an_address_and_a_model, .init = clean)
{
    static const struct {
        const char *spec, *url, *model;
        bool local;
    } rows[] = {
        {"anthropic:claude-x", "https://api.anthropic.com/v1/messages", "claude-x", false},
        {"openai:gpt-x", "https://api.openai.com/v1/chat/completions", "gpt-x", false},
        {"openai-responses:gpt-x", "https://api.openai.com/v1/responses", "gpt-x", false},
        {"openai:ft:gpt:me", "https://api.openai.com/v1/chat/completions", "ft:gpt:me", false},
        {"http://127.0.0.1:8080#qwen", "http://127.0.0.1:8080/v1/chat/completions", "qwen",
         true},
        {"http://h:1/#q", "http://h:1/v1/chat/completions", "q", true},
        {"http://h:1/v1#q", "http://h:1/v1/chat/completions", "q", true},
        {"http://h:1/v1/#q", "http://h:1/v1/chat/completions", "q", true},
        {"https://h/api#a/b#c", "https://h/api/v1/chat/completions", "a/b#c", true},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cn_err err = CN_ERR_INIT;
        struct cn_provider p;

        cr_assert_eq(cn_provider_parse(rows[i].spec, &p, &err), CN_OK, "%s", err.text);
        cr_expect_str_eq(p.url, rows[i].url);
        cr_expect_str_eq(p.model, rows[i].model);
        cr_expect_eq(p.local, rows[i].local);
        cn_provider_clear(&p);
    }
    (void)setenv("CAIRN_ANTHROPIC_URL", "http://gate:1/x/", 1);
    struct cn_provider p;

    cr_assert_eq(cn_provider_parse("anthropic:m", &p, NULL), CN_OK);
    cr_expect_str_eq(p.url, "http://gate:1/x/v1/messages");
    cr_expect_not(p.local, "a gateway gets the key");
    cn_provider_clear(&p);
}

Test(llm_provider, what_is_no_spec_is_told_with_the_nearest, .init = clean)
{
    static const char *const rows[][2] = {
        {"antropic:m", "did you mean \"anthropic\"?"},
        {"openai-response:m", "did you mean \"openai-responses\"?"},
        {"gpt-4o", "expected anthropic:MODEL"},
        {"anthropic:", "expected anthropic:MODEL"},
        {"anthropic", "expected anthropic:MODEL"},
        {"", "expected anthropic:MODEL"},
        {"http://h:1", "the model's name is missing"},
        {"http://h:1#", "the model's name is missing"},
        {"http://#m", "a host is needed"},
        {"https://me:hunter2@h#m", "llm.key_file"},
        {"ftp://h#m", "expected anthropic:MODEL"},
    };

    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct cn_err err = CN_ERR_INIT;
        struct cn_provider p;

        cr_expect_eq(cn_provider_parse(rows[i][0], &p, &err), CN_EINPUT, "%s", rows[i][0]);
        cr_expect(strstr(err.text, rows[i][1]), "%s: %s", rows[i][0], err.text);
        cr_expect_not(strstr(err.text, "hunter2"), "%s", err.text);
        cn_provider_clear(&p);
    }
}

/* ------------------------------------------------------------------ keys */

static cn_status find_key(const char *spec, const char *file, const char *command, char **out,
                          struct cn_err *err)
{
    struct cn_provider p;
    cn_status st;

    cr_assert_eq(cn_provider_parse(spec, &p, err), CN_OK);
    st = cn_key_find(&p, file, command, out, err);
    cn_provider_clear(&p);
    return st;
}

static void expect_key(const char *spec, const char *file, const char *command, const char *key)
{
    struct cn_err err = CN_ERR_INIT;
    char *got;

    cr_expect_eq(find_key(spec, file, command, &got, &err), CN_OK, "%s", err.text);
    if (key)
        cr_expect_str_eq(got ? got : "none", key);
    else
        cr_expect_null(got);
    cn_key_free(got);
}

static void expect_no_key(const char *spec, const char *file, const char *command,
                          const char *words)
{
    struct cn_err err = CN_ERR_INIT;
    char *got;

    cr_expect_eq(find_key(spec, file, command, &got, &err), CN_EINPUT, "%s", err.text);
    cr_expect_null(got);
    cr_expect(strstr(err.text, words), "%s", err.text);
    cr_expect_not(strstr(err.text, "sk-"), "%s", err.text);
}

Test(llm_provider, a_key_comes_from_a_command_a_file_or_the_environment, .init = clean)
{
    struct scratch s;
    const char *file;

    scratch_init(&s);
    file = scratch_file(&s, "key", "sk-file \nsecond line\n");
    cr_assert_eq(chmod(file, 0600), 0);
    expect_no_key("anthropic:m", NULL, NULL, "set ANTHROPIC_API_KEY");
    expect_no_key("openai:m", "", "", "set OPENAI_API_KEY");
    (void)setenv("ANTHROPIC_API_KEY", "sk-env", 1);
    expect_key("anthropic:m", NULL, NULL, "sk-env");
    expect_key("anthropic:m", file, NULL, "sk-file");
    expect_key("anthropic:m", file, "echo sk-command; echo more", "sk-command");
    expect_key("command:x", file, "echo sk-command", NULL);
    expect_key("replay:x", file, NULL, NULL);
    (void)setenv("OPENAI_API_KEY", "sk-env", 1);
    expect_key("http://h:1#m", NULL, NULL, NULL);
    expect_key("http://h:1#m", file, NULL, "sk-file");
    scratch_clear(&s);
}

Test(llm_provider, a_key_that_others_may_read_is_refused, .init = clean)
{
    struct scratch s;
    const char *file;
    static const mode_t modes[] = {0644, 0640, 0604, 0660, 0601};

    scratch_init(&s);
    file = scratch_file(&s, "key", "sk-file\n");
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
        cr_assert_eq(chmod(file, modes[i]), 0);
        expect_no_key("anthropic:m", file, NULL, "chmod 600");
    }
    expect_no_key("anthropic:m", scratch_path(&s, "absent"), NULL, "not there");
    file = scratch_file(&s, "empty", "\n \n");
    cr_assert_eq(chmod(file, 0600), 0);
    expect_no_key("anthropic:m", file, NULL, "expected a key in its first line");
    file = scratch_file(&s, "odd", "sk-\x01odd\n");
    cr_assert_eq(chmod(file, 0600), 0);
    expect_no_key("anthropic:m", file, NULL, "expected a key in its first line");
    expect_no_key("anthropic:m", NULL, "echo sk-half; exit 3", "exit code 3");
    expect_no_key("anthropic:m", NULL, "true", "printed no key");
    scratch_clear(&s);
}

Test(llm_provider, a_key_becomes_stars)
{
    char text[] = "a sk-1 b sk-1sk-1 sk-";

    cn_secret_hide(text, strlen(text), "sk-1");
    cr_expect_str_eq(text, "a **** b ******** sk-");
    cn_secret_hide(text, strlen(text), "");
    cn_secret_hide(text, strlen(text), NULL);
    cn_secret_hide(text, 2, "a very long key");
    cr_expect_str_eq(text, "a **** b ******** sk-");
}

/* ------------------------------------------------------------------ capabilities */

Test(llm_provider, capabilities_by_name_and_by_word)
{
    const struct cn_dialect *d = cn_dialect_find("anthropic");
    struct cn_llm_caps c = cn_llm_caps_of(d, "claude-9", false);
    struct cn_err err = CN_ERR_INIT;

    cr_expect(c.tools && c.cache && !c.temperature);
    cr_expect(cn_llm_caps_of(d, "claude-3-5-haiku", false).temperature);
    cr_expect_not(cn_llm_caps_of(cn_dialect_find("openai"), "qwen", true).images);
    cr_expect_eq(cn_llm_caps_set(&c,
                                 " tools=no,temperature=yes\n context_tokens=5, max_images=3",
                                 "llm.capabilities", &err),
                 CN_OK, "%s", err.text);
    cr_expect(!c.tools && c.temperature && c.context_tokens == 5 && c.max_images == 3);
    cr_expect_eq(cn_llm_caps_set(&c, "tols=no", "llm.capabilities", &err), CN_EINPUT);
    cr_expect_str_eq(err.text,
                     "llm.capabilities: tols: no such capability; did you mean \"tools\"?");
    cr_expect_eq(cn_llm_caps_set(&c, "tools=maybe", "x", &err), CN_EINPUT);
    cr_expect_str_eq(err.text, "x: tools: maybe: expected yes or no");
    cr_expect_eq(cn_llm_caps_set(&c, "context_tokens=-1", "x", &err), CN_EINPUT);
    cr_expect_eq(cn_llm_caps_set(&c, "max_images=3000000000", "x", &err), CN_EINPUT);
    cr_expect_eq(cn_llm_caps_set(&c, "tools", "x", &err), CN_EINPUT);
    cr_expect_eq(cn_llm_caps_set(&c, "=", "x", &err), CN_EINPUT, "a sign alone says nothing");
}

/* ------------------------------------------------------------------ prices */

Test(llm_provider, the_example_of_prices_is_the_built_in_table)
{
    static const char *const models[] = {
        "claude-opus-4-1",    "claude-opus-4-5-x", "claude-sonnet-4-5", "claude-haiku-4-5",
        "claude-3-5-haiku-1", "claude-3-5-sonnet", "claude-3-7-sonnet", "gpt-4o",
        "gpt-4o-mini",        "gpt-4.1",           "gpt-4.1-mini-x",    "gpt-5",
        "gpt-5-mini"};
    char path[4096];

    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        struct cn_llm_price a, b;
        struct cn_err err = CN_ERR_INIT;

        cr_assert_eq(cn_price_find(models[i], NULL, &a, &err), CN_OK);
        cr_assert_eq(cn_price_find(models[i],
                                   cn_case_path("../../configs/prices.yaml", path, sizeof path),
                                   &b, &err),
                     CN_OK, "%s", err.text);
        cr_expect(a.input > 0 && fabs(a.input - b.input) + fabs(a.output - b.output) +
                                         fabs(a.cache_read - b.cache_read) +
                                         fabs(a.cache_write - b.cache_write) <
                                     1e-9,
                  "%s", models[i]);
        cr_expect_str_eq(a.dated, b.dated);
    }
}

Test(llm_provider, a_file_of_prices_wins_and_its_mistakes_are_told)
{
    static const char *const rows[][2] = {
        {"dated: x\n", "expected a map \"prices\""},
        {"dated: x\nprices: 3\n", "expected a map \"prices\""},
        {"prices:\n  m: {input: 1, output: 2}\n", "expected \"dated\""},
        {"dated: x\nprices:\n  m: {input: 1}\n",
         "prices.yaml:3: prices: m: expected input and output"},
        {"dated: x\nprices:\n  m: 5\n", "prices.yaml:3: prices: m: expected input and output"},
        {"dated: x\nprices:\n  m: {input: -1, output: 2}\n",
         "prices.yaml:3: prices: m: input: expected USD per million tokens, found -1"},
        {"dated: x\nprices:\n  m: {input: cheap, output: 2}\n",
         "input: expected USD per million tokens, found cheap"},
        {"dated: x\nprices:\n  m: {input: .nan, output: 2}\n", "input: expected USD"},
        {"dated: x\nprices:\n  m: {input: 1, output: [2]}\n",
         "output: expected USD per million tokens, found a list"},
        {"dated: x\nprices:\n  m: {input: 1, outpt: 2}\n",
         "outpt: no such price; did you mean \"output\"?"},
        {"dated: x\nprices:\n  m: {input: 1, output: 2\n", "prices.yaml:"},
    };
    struct scratch s;
    struct cn_llm_price p;
    struct cn_err err = CN_ERR_INIT;

    scratch_init(&s);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        cr_expect_eq(
            cn_price_find("other", scratch_file(&s, "prices.yaml", rows[i][0]), &p, &err),
            CN_EINPUT, "row %zu", i);
        cr_expect(strstr(err.text, rows[i][1]) && strstr(err.text, "prices.yaml"),
                  "row %zu: %s", i, err.text);
    }
    const char *good = scratch_file(
        &s, "good.yaml",
        "dated: 2027-05-06, the page of that day\nprices:\n  gpt-4o: {input: 1, output: 2}\n  "
        "gpt: {input: 9, output: 9}\n  mine: {input: 0, output: 0}\n");

    cr_expect_eq(cn_price_find("gpt-4o-2030", good, &p, &err), CN_OK, "%s", err.text);
    cr_expect(p.input == 1 && p.output == 2 && p.cache_read == 1 && p.cache_write == 1.25);
    cr_expect_str_eq(p.dated, "2027-05-06, the");
    cr_expect_eq(cn_price_find("gpt-6", good, &p, &err), CN_OK);
    cr_expect_eq(p.input, 9);
    cr_expect_eq(cn_price_find("mine-1", good, &p, &err), CN_OK);
    cr_expect_eq(p.output, 0);
    cr_expect_eq(cn_price_find("unheard", good, &p, &err), CN_OK);
    cr_expect(isnan(p.input) && isnan(p.output));
    cr_expect_eq(cn_price_find("m", scratch_path(&s, "absent.yaml"), &p, &err), CN_ENOTFOUND);
    cr_expect(strstr(err.text, "absent.yaml"), "%s", err.text);
    scratch_clear(&s);
}

Test(llm_provider, the_worst_case_counts_images_apart)
{
    unsigned char bytes[3000] = {0};
    struct cn_llm_block b[] = {
        {.kind = CN_LLM_IMAGE, .image = bytes, .image_size = sizeof bytes},
        {.kind = CN_LLM_TEXT, .text = "x"}};
    struct cn_llm_message m = {CN_LLM_USER, b, 2};
    struct cn_llm_request q = {.messages = &m, .n_messages = 1, .max_tokens = 77};
    struct cn_llm_usage u = cn_worst_usage(&q, 4000 + 200);

    cr_expect_eq(u.input, 100 + 1600 + 64);
    cr_expect_eq(u.output, 77);
    cr_expect_eq(u.cache_write, u.input);
    u = cn_worst_usage(&q, 200); /* the dialect left it out */
    cr_expect_eq(u.input, 100 + 1600 + 64);
}
