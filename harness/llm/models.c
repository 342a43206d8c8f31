/* See models.h. */
#include "harness/llm/models.h"

#include <stddef.h>
#include <string.h>

#include "base/banned.h"
#include "base/buf.h"
#include "base/text.h"

/* Longest prefix wins. Sources: specs llm_api D1 to D3; a name that is missing gets the dialect's
 * default, and what it refuses is left out after the first refusal. */
struct family {
    const char *dialect, *prefix;
    struct cn_llm_caps caps;
};

#define YES true
#define NO  false
static const struct family families[] = {
    /* tools images cache temperature effort thinking stream parallel max_completion context out images */
    {"anthropic", "", {YES, YES, YES, NO, NO, NO, YES, YES, NO, 200000, 8192, 20}},
    {"anthropic", "claude-3", {YES, YES, YES, YES, NO, NO, YES, YES, NO, 200000, 4096, 20}},
    {"openai", "", {YES, YES, NO, NO, NO, NO, YES, YES, YES, 128000, 16384, 20}},
    {"openai", "gpt-4", {YES, YES, NO, YES, NO, NO, YES, YES, YES, 128000, 16384, 20}},
    {"openai-responses", "", {YES, YES, NO, NO, NO, YES, YES, YES, NO, 128000, 16384, 20}},
};
/* llama.cpp, vLLM, Ollama: small contexts, no images unless told, the old name of max_tokens. */
static const struct cn_llm_caps local_caps = {YES, NO, NO, YES,   NO,   NO,
                                              YES, NO, NO, 32768, 4096, 4};

struct cn_llm_caps cn_llm_caps_of(const struct cn_dialect *d, const char *model, bool local)
{
    const struct family *best = NULL;

    if (local)
        return local_caps;
    for (size_t i = 0; i < sizeof families / sizeof *families; i++)
        if (strcmp(families[i].dialect, cn_dialect_name(d)) == 0 &&
            cn_text_starts(model, families[i].prefix) &&
            (!best || strlen(families[i].prefix) > strlen(best->prefix)))
            best = &families[i];
    return best ? best->caps : local_caps;
}

/* ------------------------------------------------------------------ by name */

struct key {
    const char *name, *fields; /* fields of a request that this capability carries */
    size_t at;
    enum { FLAG, COUNT64, COUNT32 } type;
};
#define AT(field) offsetof(struct cn_llm_caps, field)
static const struct key keys[] = {
    {"tools", " ", AT(tools), FLAG},
    {"images", " ", AT(images), FLAG},
    {"cache", " cache_control ", AT(cache), FLAG},
    {"temperature", " temperature ", AT(temperature), FLAG},
    {"effort", " effort output_config reasoning reasoning_effort ", AT(effort), FLAG},
    {"thinking", " thinking include ", AT(thinking), FLAG},
    {"stream", " stream_options stream ", AT(stream), FLAG},
    {"parallel_tools", " parallel_tool_calls ", AT(parallel_tools), FLAG},
    {"max_completion_tokens", " ", AT(max_completion_tokens), FLAG},
    {"context_tokens", " ", AT(context_tokens), COUNT64},
    {"max_output_tokens", " ", AT(max_output_tokens), COUNT64},
    {"max_images", " ", AT(max_images), COUNT32},
};
enum { N_KEYS = sizeof keys / sizeof *keys };

static bool *flag(struct cn_llm_caps *c, const struct key *k)
{
    return (bool *)(void *)((char *)c + k->at);
}

bool cn_llm_caps_drop(struct cn_llm_caps *caps, const char *field)
{
    char word[80];

    /* One name of the limit is refused: the other one is meant. */
    if (strcmp(field, "max_tokens") == 0 || strcmp(field, "max_completion_tokens") == 0) {
        bool newer = strcmp(field, "max_tokens") == 0;

        if (caps->max_completion_tokens == newer)
            return false;
        caps->max_completion_tokens = newer;
        return true;
    }
    cn_text_format(word, sizeof word, " %.64s ", field);
    for (int i = 0; i < N_KEYS; i++)
        if (keys[i].type == FLAG && strstr(keys[i].fields, word) && *flag(caps, &keys[i])) {
            *flag(caps, &keys[i]) = false;
            return true;
        }
    return false;
}

void cn_llm_caps_words(const struct cn_llm_caps *caps, struct cn_buf *out)
{
    struct cn_llm_caps c = *caps;

    for (int i = 0; i < N_KEYS; i++) {
        int64_t big;
        int32_t small;

        memcpy(&big, (char *)&c + keys[i].at, keys[i].type == COUNT64 ? sizeof big : 0);
        memcpy(&small, (char *)&c + keys[i].at, keys[i].type == COUNT32 ? sizeof small : 0);
        cn_buf_printf(out, "%s%s=", i ? ", " : "", keys[i].name);
        if (keys[i].type == FLAG)
            cn_buf_adds(out, *flag(&c, &keys[i]) ? "yes" : "no");
        else
            cn_buf_printf(out, "%lld",
                          keys[i].type == COUNT64 ? (long long)big : (long long)small);
    }
}

static cn_status set_one(struct cn_llm_caps *caps, const char *name, const char *value,
                         const char *where, struct cn_err *err)
{
    const char *names[N_KEYS];
    int64_t x;

    for (int i = 0; i < N_KEYS; i++) {
        names[i] = keys[i].name;
        if (strcmp(keys[i].name, name) != 0)
            continue;
        if (keys[i].type == FLAG) {
            bool yes = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;

            if (!yes && strcmp(value, "no") != 0 && strcmp(value, "false") != 0)
                return cn_err_set(err, CN_EINPUT, "%s: %s: %s: expected yes or no", where, name,
                                  value);
            *flag(caps, &keys[i]) = yes;
            return CN_OK;
        }
        if (!cn_text_parse_int64(value, &x) || x < 0 || x > 1000000000)
            return cn_err_set(err, CN_EINPUT, "%s: %s: %s: expected a whole number from 0",
                              where, name, value);
        if (keys[i].type == COUNT64)
            memcpy((char *)caps + keys[i].at, &x, sizeof x);
        else
            memcpy((char *)caps + keys[i].at, &(int32_t){(int32_t)x}, sizeof(int32_t));
        return CN_OK;
    }
    int near = cn_text_nearest(name, names, N_KEYS);

    return near >= 0
               ? cn_err_set(err, CN_EINPUT, "%s: %s: no such capability; did you mean \"%s\"?",
                            where, name, names[near])
               : cn_err_set(err, CN_EINPUT, "%s: %s: no such capability", where, name);
}

cn_status cn_llm_caps_set(struct cn_llm_caps *caps, const char *text, const char *where,
                          struct cn_err *err)
{
    cn_status st = CN_OK;

    while (st == CN_OK && *text) {
        char name[64], value[64];
        size_t n, v;

        text += strspn(text, " ,\t\n");
        n = strcspn(text, "=, \t\n");
        if (!*text)
            break;
        v = text[n] == '=' ? strcspn(text + n + 1, " ,\t\n") : 0;
        if (n == 0 || text[n] != '=' || n >= sizeof name || v == 0 || v >= sizeof value)
            return cn_err_set(err, CN_EINPUT, "%s: \"%.60s\": expected name=value", where,
                              text);
        cn_text_format(name, sizeof name, "%.*s", (int)n, text);
        cn_text_format(value, sizeof value, "%.*s", (int)v, text + n + 1);
        st = set_one(caps, name, value, where, err);
        text += n + 1 + v;
    }
    return st;
}
