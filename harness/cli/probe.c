/* See llm.h. Four questions: words, a tool with a schema, a picture, the same long prompt twice. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/json.h"
#include "harness/cli/llm.h"
#include "harness/llm/budget.h"
#include "harness/llm/client.h"
#include "harness/llm/models.h"
#include "harness/llm/provider.h"

enum {
    PROMPT_LINES = 400,   /* longer than any provider's smallest cached prefix */
    PROMPT_TOKENS = 9000, /* of the above, at most */
    IMAGE_TOKENS = 1600,
    ANSWER_TOKENS = 256,
    REQUESTS = 5
};

/* A red square, 64 by 64. */
static const unsigned char red_png[] = {
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48,
    0x44, 0x52, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00, 0x40, 0x08, 0x02, 0x00, 0x00,
    0x00, 0x25, 0x0b, 0xe6, 0x89, 0x00, 0x00, 0x00, 0x4f, 0x49, 0x44, 0x41, 0x54, 0x78,
    0xda, 0xed, 0xcf, 0x41, 0x09, 0x00, 0x00, 0x08, 0x04, 0xb0, 0x0b, 0x71, 0xfd, 0x93,
    0x19, 0xc6, 0x08, 0xbe, 0x85, 0xc1, 0x0a, 0x2c, 0xd3, 0xbe, 0x16, 0x01, 0x01, 0x01,
    0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
    0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
    0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01, 0x01,
    0x01, 0x81, 0xcb, 0x02, 0xaa, 0xc5, 0x40, 0xf1, 0xaa, 0x1e, 0xd3, 0x51, 0x00, 0x00,
    0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
};

struct probe {
    struct cn_llm *llm;
    struct cn_llm_recorder recorder;
    struct cn_llm_caps caps; /* as found */
    bool schema;             /* the tool's schema was kept to */
    int requests;
    int64_t input, output;
    double usd;
};

/* ---- what it costs ---- */

static cn_status on_begin(void *ctx, struct cn_llm_attempt *a, struct cn_err *err)
{
    struct probe *p = ctx;

    (void)err;
    p->requests++;
    a->exchange = p->requests;
    return CN_OK;
}

static cn_status on_end(void *ctx, const struct cn_llm_attempt *a,
                        const struct cn_llm_outcome *o, struct cn_err *err)
{
    struct probe *p = ctx;

    (void)a;
    (void)err;
    p->input += o->usage.input;
    p->output += o->usage.output;
    p->usd += o->usd; /* NaN stays */
    return CN_OK;
}

static cn_status agree(const struct cn_cli_probe *o, bool local, struct cn_err *err)
{
    struct cn_provider at;
    struct cn_llm_price price;
    const struct cn_llm_usage worst = {.input = 2 * PROMPT_TOKENS + IMAGE_TOKENS + 2000,
                                       .cache_write = 2 * PROMPT_TOKENS,
                                       .output = REQUESTS * ANSWER_TOKENS};
    cn_status st;

    if (local) {
        printf("%s: up to %d small requests; local, they cost nothing\n", o->spec, REQUESTS);
        return CN_OK;
    }
    st = cn_provider_parse(o->spec, &at, err);
    if (st != CN_OK)
        return st;
    st = cn_price_find(at.model, o->prices, &price, err);
    cn_provider_clear(&at);
    if (st != CN_OK)
        return st;
    printf("%s: up to %d requests, %lld tokens in, %lld out; ", o->spec, REQUESTS,
           (long long)worst.input, (long long)worst.output);
    if (isnan(cn_price_usd(&price, &worst)))
        printf("its price is not known\n");
    else
        printf("at most %.4f USD (prices of %s, unverified)\n", cn_price_usd(&price, &worst),
               price.dated);
    return o->yes
               ? CN_OK
               : cn_err_set(err, CN_EINPUT,
                            "%s may cost money: nothing was asked; --yes goes ahead", o->spec);
}

/* ---- questions ---- */

static cn_status ask(struct probe *p, const struct cn_llm_block *system,
                     const struct cn_llm_block *blocks, int n_blocks,
                     const struct cn_llm_tool *opt_tool, struct cn_llm_answer *answer,
                     struct cn_err *err)
{
    const struct cn_llm_message message = {CN_LLM_USER, blocks, n_blocks};
    const struct cn_llm_request q = {.system = system,
                                     .n_system = system ? 1 : 0,
                                     .tools = opt_tool,
                                     .n_tools = opt_tool ? 1 : 0,
                                     .tool_choice =
                                         opt_tool ? CN_LLM_TOOLS_ANY : CN_LLM_TOOLS_NONE,
                                     .messages = &message,
                                     .n_messages = 1,
                                     .max_tokens = ANSWER_TOKENS,
                                     .temperature = (double)NAN,
                                     .effort = "",
                                     .stream = true};
    struct cn_llm_trouble trouble;

    return cn_llm_ask(p->llm, &q, "probe", answer, &trouble, err);
}

static void say(const char *what, const char *words)
{
    printf("  %-7s %s\n", what, words);
}

static bool has_words(const struct cn_llm_answer *a, const char *one, const char *other)
{
    for (int i = 0; i < a->n_blocks; i++)
        if (a->blocks[i].kind == CN_LLM_TEXT &&
            (strstr(a->blocks[i].text, one) || strstr(a->blocks[i].text, other)))
            return true;
    return false;
}

static cn_status probe_words(struct probe *p, struct cn_err *err)
{
    const struct cn_llm_block q = {.kind = CN_LLM_TEXT, .text = "Answer with the word: ready"};
    struct cn_llm_answer a;
    cn_status st = ask(p, NULL, &q, 1, NULL, &a, err);

    if (st != CN_OK)
        return st;
    say("words",
        has_words(&a, "ready", "Ready") ? "yes" : "it answers, but not what was asked");
    cn_llm_answer_clear(&a);
    return CN_OK;
}

static bool kept_schema(const char *arguments)
{
    struct cn_json_doc *doc = NULL;
    const char *word;
    bool kept;

    if (cn_json_parse("arguments", arguments, strlen(arguments), &doc, NULL) != CN_OK)
        return false;
    word = cn_json_string(cn_json_get(cn_json_root(doc), "colour"));
    kept = word && strcmp(word, "blue") == 0;
    cn_json_free(doc);
    return kept;
}

static void probe_tool(struct probe *p)
{
    static const struct cn_llm_tool tool = {
        "note_colour", "Note a colour.",
        "{\"type\":\"object\",\"properties\":{\"colour\":{\"type\":\"string\",\"enum\":["
        "\"red\","
        "\"blue\"]}},\"required\":[\"colour\"],\"additionalProperties\":false}"};
    const struct cn_llm_block q = {.kind = CN_LLM_TEXT,
                                   .text = "Use the tool to note the colour blue."};
    struct cn_err why = CN_ERR_INIT;
    struct cn_llm_answer a;
    cn_status st = ask(p, NULL, &q, 1, &tool, &a, &why);

    p->caps.tools = p->schema = false;
    for (int i = 0; st == CN_OK && i < a.n_blocks; i++)
        if (a.blocks[i].kind == CN_LLM_TOOL_USE &&
            strcmp(a.blocks[i].name, "note_colour") == 0) {
            p->caps.tools = true;
            p->schema = kept_schema(a.blocks[i].arguments);
        }
    if (st == CN_OK)
        cn_llm_answer_clear(&a);
    say("tools", st != CN_OK      ? why.text
                 : !p->caps.tools ? "no: it did not use the tool"
                 : p->schema      ? "yes, and it kept to the schema"
                                  : "yes, but its arguments are not what the schema says");
}

static void probe_image(struct probe *p)
{
    const struct cn_llm_block q[] = {
        {.kind = CN_LLM_IMAGE,
         .image = red_png,
         .image_size = sizeof red_png,
         .media_type = "image/png"},
        {.kind = CN_LLM_TEXT, .text = "Which colour is this picture? One word."}};
    struct cn_err why = CN_ERR_INIT;
    struct cn_llm_answer a;
    cn_status st;

    if (!p->caps.images) {
        say("images", "not tried: this model is listed without (images=yes turns them on)");
        return;
    }
    st = ask(p, NULL, q, 2, NULL, &a, &why);
    p->caps.images = st == CN_OK && has_words(&a, "red", "Red");
    if (st == CN_OK)
        cn_llm_answer_clear(&a);
    say("images", st != CN_OK      ? why.text
                  : p->caps.images ? "yes"
                                   : "no: it did not see a red square");
}

static void probe_cache(struct probe *p)
{
    struct cn_buf prompt;
    struct cn_err why = CN_ERR_INIT;
    int64_t read = 0;
    cn_status st = CN_OK;

    cn_buf_init(&prompt, CN_CAP_RECORD);
    for (int i = 0; i < PROMPT_LINES; i++)
        cn_buf_printf(&prompt, "Line %d of a text that stands before every question.\n", i);
    const struct cn_llm_block system = {
        .kind = CN_LLM_TEXT, .text = cn_buf_str(&prompt), .cache_mark = true};
    const struct cn_llm_block q = {.kind = CN_LLM_TEXT, .text = "Answer with the word: ready"};
    for (int i = 0; st == CN_OK && i < 2; i++) {
        struct cn_llm_answer a;
        st = ask(p, &system, &q, 1, NULL, &a, &why);
        if (st == CN_OK) {
            read = a.usage.cache_read;
            cn_llm_answer_clear(&a);
        }
    }
    say("cache", st != CN_OK ? why.text
                 : read > 0  ? "yes: the second request read its prompt from the cache"
                             : "no sign of it");
    cn_buf_clear(&prompt);
}

/* ---- the whole ---- */

static void conclude(const struct probe *p, const char *spec)
{
    struct cn_llm_caps caps = *cn_llm_caps(p->llm); /* less what was refused */
    struct cn_buf words;

    caps.tools = caps.tools && p->caps.tools;
    caps.images = caps.images && p->caps.images;
    cn_buf_init(&words, CN_CAP_RECORD);
    cn_llm_caps_words(&caps, &words);
    printf("for the config:\n  explore:\n    llm:\n      model: \"%s\"\n      capabilities: "
           "\"%s\"\n",
           spec, cn_buf_str(&words));
    printf("it took %d requests, %lld tokens in, %lld out", p->requests, (long long)p->input,
           (long long)p->output);
    if (isnan(p->usd))
        printf("; its price is not known\n");
    else
        printf(", %.4f USD\n", p->usd);
    cn_buf_clear(&words);
}

/* Commands and servers of one's own: nobody sends a bill. */
static cn_status is_local(const char *spec, bool *out, struct cn_err *err)
{
    struct cn_provider at;
    cn_status st = cn_provider_parse(spec, &at, err);

    *out = st == CN_OK && (at.local || at.kind == CN_PROVIDER_COMMAND);
    if (st == CN_OK && at.kind == CN_PROVIDER_REPLAY)
        st = cn_err_set(err, CN_EINPUT, "%s: a record is not probed", spec);
    cn_provider_clear(&at);
    return st;
}

cn_status cn_cli_probe(const struct cn_cli_probe *o, struct cn_err *err)
{
    struct probe p = {.llm = NULL};
    struct cn_llm_opts lo = CN_LLM_OPTS_INIT;
    bool local = false;
    cn_status st = is_local(o->spec, &local, err);

    if (st == CN_OK)
        st = agree(o, local, err);
    if (st != CN_OK)
        return st;
    p.recorder = (struct cn_llm_recorder){&p, on_begin, on_end};
    lo.spec = o->spec;
    lo.key_file = o->key_file;
    lo.prices = o->prices;
    lo.record = &p.recorder;
    lo.attempts = 3;
    lo.park_s = 20;
    lo.total_s = 300;
    st = cn_llm_open(&lo, &p.llm, err);
    if (st != CN_OK)
        return st;
    p.caps = *cn_llm_caps(p.llm);
    st = probe_words(&p, err);
    if (st == CN_OK) {
        probe_tool(&p);
        probe_image(&p);
        if (!local)
            probe_cache(&p);
        conclude(&p, o->spec);
    }
    cn_llm_close(p.llm);
    return st;
}
