/* See budget.h. */
#include "harness/llm/budget.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "base/yaml.h"

enum { IMAGE_TOKENS = 1600, BYTES_PER_TOKEN = 2 };

/* USD per million tokens, as remembered in January 2026 and not checked against the providers' pages
 * since: configs/prices.yaml says how to bring newer ones. Cached reads at a tenth, cache writes at
 * one and a quarter of the input price (Anthropic's rule; specs llm_api D1). */
static const struct {
    const char *prefix;
    double input, output, cache_read;
} table[] = {
    {"claude-opus-4", 15, 75, 1.5},     {"claude-opus-4-5", 5, 25, 0.5},
    {"claude-sonnet-4", 3, 15, 0.3},    {"claude-haiku-4-5", 1, 5, 0.1},
    {"claude-3-5-haiku", 0.8, 4, 0.08}, {"claude-3-5-sonnet", 3, 15, 0.3},
    {"claude-3-7-sonnet", 3, 15, 0.3},  {"gpt-4o", 2.5, 10, 1.25},
    {"gpt-4o-mini", 0.15, 0.6, 0.075},  {"gpt-4.1", 2, 8, 0.5},
    {"gpt-4.1-mini", 0.4, 1.6, 0.1},    {"gpt-5", 1.25, 10, 0.125},
    {"gpt-5-mini", 0.25, 2, 0.025},
};
static const char table_date[] = "2026-01";

/* ------------------------------------------------------------------ prices */

/* One of the four numbers, with its place in the message. */
static cn_status put_number(const struct cn_yaml_node *v, const char *file, const char *prefix,
                            struct cn_llm_price *out, struct cn_err *err)
{
    static const char *const names[] = {"input", "output", "cache_read", "cache_write"};
    double *const fields[] = {&out->input, &out->output, &out->cache_read, &out->cache_write};
    const char *key = cn_yaml_key(v), *text = cn_yaml_string(v);
    double x;
    int near;

    for (int i = 0; i < 4; i++)
        if (strcmp(names[i], key) == 0) {
            if (!cn_yaml_number(v, &x) || !(x >= 0 && x < 1e6))
                return cn_err_set(
                    err, CN_EINPUT,
                    "%s:%d: prices: %s: %s: expected USD per million tokens, found %.60s", file,
                    cn_yaml_line(v), prefix, key,
                    text ? text : cn_yaml_kind_name(cn_yaml_kind(v)));
            *fields[i] = x;
            return CN_OK;
        }
    near = cn_text_nearest(key, names, 4);
    return cn_err_set(err, CN_EINPUT, "%s:%d: prices: %s: %s: no such price%s%s%s", file,
                      cn_yaml_line(v), prefix, key, near >= 0 ? "; did you mean \"" : "",
                      near >= 0 ? names[near] : "", near >= 0 ? "\"?" : "");
}

static cn_status read_price(const struct cn_yaml_node *m, const char *file,
                            struct cn_llm_price *out, struct cn_err *err)
{
    const char *prefix = cn_yaml_key(m);
    cn_status st = CN_OK;

    *out = (struct cn_llm_price){(double)NAN, (double)NAN, (double)NAN, (double)NAN, ""};
    if (cn_yaml_kind(m) == CN_YAML_MAP)
        for (const struct cn_yaml_node *v = cn_yaml_first(m); st == CN_OK && v;
             v = cn_yaml_next(v))
            st = put_number(v, file, prefix, out, err);
    if (st == CN_OK && (isnan(out->input) || isnan(out->output)))
        st = cn_err_set(
            err, CN_EINPUT,
            "%s:%d: prices: %s: expected input and output, in USD per million tokens", file,
            cn_yaml_line(m), prefix);
    return st;
}

/* dated: 2026-01
 * prices: {MODEL-PREFIX: {input: 3, output: 15, cache_read: 0.3, cache_write: 3.75}}
 * All of them are checked, whatever the model. */
static cn_status read_prices(const struct cn_yaml_node *root, const char *model,
                             const char *file, struct cn_llm_price *out, size_t longest,
                             struct cn_err *err)
{
    const struct cn_yaml_node *prices = cn_yaml_get(root, "prices");
    const char *dated = cn_yaml_string(cn_yaml_get(root, "dated"));
    cn_status st = CN_OK;

    if (cn_yaml_kind(prices) != CN_YAML_MAP)
        return cn_err_set(err, CN_EINPUT, "%s: expected a map \"prices\" of models", file);
    if (!dated || !dated[0])
        return cn_err_set(err, CN_EINPUT, "%s: expected \"dated\": when the prices were read",
                          file);
    for (const struct cn_yaml_node *m = cn_yaml_first(prices); st == CN_OK && m;
         m = cn_yaml_next(m)) {
        struct cn_llm_price p;

        st = read_price(m, file, &p, err);
        if (st != CN_OK || !cn_text_starts(model, cn_yaml_key(m)) ||
            strlen(cn_yaml_key(m)) < longest)
            continue;
        longest = strlen(cn_yaml_key(m));
        *out = p;
        cn_text_format(out->dated, sizeof out->dated, "%.*s",
                       (int)cn_text_utf8_cut(dated, strlen(dated), sizeof out->dated - 1),
                       dated);
    }
    return st;
}

static cn_status from_file(const char *model, const char *file, struct cn_llm_price *out,
                           size_t longest, struct cn_err *err)
{
    struct cn_yaml *y = NULL;
    cn_status st = cn_yaml_read(file, &y, err);

    if (st == CN_OK)
        st = read_prices(cn_yaml_root(y), model, file, out, longest, err);
    cn_yaml_free(y);
    return st;
}

cn_status cn_price_find(const char *model, const char *file, struct cn_llm_price *out,
                        struct cn_err *err)
{
    size_t longest = 0;
    cn_status st = CN_OK;

    *out = (struct cn_llm_price){(double)NAN, (double)NAN, (double)NAN, (double)NAN, ""};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (cn_text_starts(model, table[i].prefix) && strlen(table[i].prefix) > longest) {
            longest = strlen(table[i].prefix);
            *out = (struct cn_llm_price){table[i].input, table[i].cache_read,
                                         1.25 * table[i].input, table[i].output, ""};
            cn_text_copy(out->dated, sizeof out->dated, table_date);
        }
    if (file)
        st = from_file(model, file, out, longest, err);
    /* A file that names no cache prices: as if nothing were cached, which is never too low. */
    if (isnan(out->cache_read))
        out->cache_read = out->input;
    if (isnan(out->cache_write))
        out->cache_write = 1.25 * out->input;
    return st;
}

double cn_price_usd(const struct cn_llm_price *p, const struct cn_llm_usage *u)
{
    double fresh = fmax(0, (double)(u->input - u->cache_read - u->cache_write));

    return 1e-6 * (fresh * p->input + (double)u->cache_read * p->cache_read +
                   (double)u->cache_write * p->cache_write + (double)u->output * p->output);
}

struct cn_llm_usage cn_worst_usage(const struct cn_llm_request *q, size_t body_size)
{
    struct cn_llm_usage u = {.known = false, .output = q->max_tokens};
    size_t image_bytes = 0;
    int64_t images = 0;

    for (int i = 0; i < q->n_messages; i++)
        for (int k = 0; k < q->messages[i].n_blocks; k++)
            if (q->messages[i].blocks[k].kind == CN_LLM_IMAGE) {
                images++;
                image_bytes += (q->messages[i].blocks[k].image_size + 2) / 3 * 4;
            }
    if (image_bytes > body_size) /* the dialect left them out */
        image_bytes = 0;
    u.input =
        (int64_t)((body_size - image_bytes) / BYTES_PER_TOKEN) + images * IMAGE_TOKENS + 64;
    u.cache_write = u.input; /* the dearest kind */
    return u;
}

/* ------------------------------------------------------------------ purse */

cn_status cn_budget_reserve(struct cn_llm_budget *b, double usd, int64_t tokens,
                            struct cn_err *err)
{
    if (!b)
        return CN_OK;
    if (b->requests > 0 && b->spent_requests + 1 > b->requests)
        return cn_err_set(err, CN_ECAP, "the budget of %lld requests is used up",
                          (long long)b->requests);
    if (b->tokens > 0 && b->spent_tokens + b->reserved_tokens + tokens > b->tokens)
        return cn_err_set(
            err, CN_ECAP,
            "the budget of %lld tokens (%lld used) does not cover a request of up "
            "to %lld",
            (long long)b->tokens, (long long)b->spent_tokens, (long long)tokens);
    if (b->usd > 0 && isnan(usd))
        return cn_err_set(
            err, CN_ECAP,
            "a budget of %.2f USD is set, but this model's price is not known; add "
            "it to a prices file (llm.prices)",
            b->usd);
    if (b->usd > 0 && b->spent_usd + b->reserved_usd + usd > b->usd)
        return cn_err_set(
            err, CN_ECAP,
            "the budget of %.2f USD (%.2f spent) does not cover a request of up to "
            "%.2f",
            b->usd, b->spent_usd, usd);
    b->reserved_usd += isnan(usd) ? 0 : usd;
    b->reserved_tokens += tokens;
    b->spent_requests++;
    return CN_OK;
}

void cn_budget_settle(struct cn_llm_budget *b, double reserved_usd, int64_t reserved_tokens,
                      double usd, int64_t tokens)
{
    if (!b)
        return;
    b->reserved_usd -= isnan(reserved_usd) ? 0 : reserved_usd;
    b->reserved_tokens -= reserved_tokens;
    b->spent_usd += isnan(usd) ? 0 : usd;
    b->spent_tokens += tokens;
}

int cn_budget_warning(const struct cn_llm_budget *b, int *before)
{
    double share = 0;
    int now;

    if (b->usd > 0)
        share = b->spent_usd / b->usd;
    if (b->tokens > 0)
        share = fmax(share, (double)b->spent_tokens / (double)b->tokens);
    if (b->requests > 0)
        share = fmax(share, (double)b->spent_requests / (double)b->requests);
    now = share >= 0.8 ? 80 : share >= 0.5 ? 50 : 0;
    if (now <= *before)
        return 0;
    *before = now;
    return now;
}
