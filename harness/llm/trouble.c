/* What went wrong, and what can be done about it (specs llm_api D1, D2, D4). One table per question,
 * so that a row can be checked against the providers' pages. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "harness/llm/dialect_int.h"
#include "harness/llm/http.h"

static const char *const kind_names[] = {
#define X(name, text) text,
    CN_LLM_TROUBLE_MAP(X)
#undef X
};

const char *cn_llm_trouble_name(cn_llm_trouble_kind k)
{
    return kind_names[k];
}

static cn_llm_remedy remedy_of(cn_llm_trouble_kind k)
{
    switch (k) {
    case CN_LLM_TROUBLE_RATE:
    case CN_LLM_TROUBLE_OVERLOADED:
        return CN_LLM_DO_WAIT;
    case CN_LLM_TROUBLE_SERVER:
    case CN_LLM_TROUBLE_NETWORK:
    case CN_LLM_TROUBLE_TIMEOUT:
    case CN_LLM_TROUBLE_BROKEN:
        return CN_LLM_DO_RETRY;
    case CN_LLM_TROUBLE_TOO_LARGE:
    case CN_LLM_TROUBLE_FIELD:
        return CN_LLM_DO_FIX;
    case CN_LLM_TROUBLE_NONE:
    case CN_LLM_TROUBLE_REQUEST:
    case CN_LLM_TROUBLE_AUTH:
    case CN_LLM_TROUBLE_BILLING:
    case CN_LLM_TROUBLE_QUOTA:
    case CN_LLM_TROUBLE_NOT_FOUND:
    case CN_LLM_TROUBLE_CANCELLED:
        break;
    }
    return CN_LLM_DO_STOP;
}

/* ------------------------------------------------------------------ by word */

/* The provider's own name of the trouble (type or code) beats the status: an empty purse comes as
 * 429 and a spend limit as 400, and neither gets better by asking again. */
static const struct {
    const char *word;
    cn_llm_trouble_kind kind;
} words[] = {
    {"insufficient_quota", CN_LLM_TROUBLE_QUOTA},
    {"credit_balance_exhausted", CN_LLM_TROUBLE_BILLING},
    {"organization_spend_limit_exceeded", CN_LLM_TROUBLE_QUOTA},
    {"project_spend_limit_exceeded", CN_LLM_TROUBLE_QUOTA},
    {"organization_usage_limit_exceeded", CN_LLM_TROUBLE_QUOTA},
    {"enforced_spend_limit_reached", CN_LLM_TROUBLE_QUOTA},
    {"billing_error", CN_LLM_TROUBLE_BILLING},
    {"billing_hard_limit_reached", CN_LLM_TROUBLE_QUOTA},
    {"authentication_error", CN_LLM_TROUBLE_AUTH},
    {"permission_error", CN_LLM_TROUBLE_AUTH},
    {"invalid_api_key", CN_LLM_TROUBLE_AUTH},
    {"rate_limit_error", CN_LLM_TROUBLE_RATE},
    {"rate_limit_exceeded", CN_LLM_TROUBLE_RATE},
    {"slow_down", CN_LLM_TROUBLE_RATE},
    {"overloaded_error", CN_LLM_TROUBLE_OVERLOADED},
    {"server_overloaded", CN_LLM_TROUBLE_OVERLOADED},
    {"timeout_error", CN_LLM_TROUBLE_TIMEOUT},
    {"api_error", CN_LLM_TROUBLE_SERVER},
    {"server_error", CN_LLM_TROUBLE_SERVER},
    {"internal_server_error", CN_LLM_TROUBLE_SERVER},
    {"not_found_error", CN_LLM_TROUBLE_NOT_FOUND},
    {"model_not_found", CN_LLM_TROUBLE_NOT_FOUND},
    {"request_too_large", CN_LLM_TROUBLE_TOO_LARGE},
    {"context_length_exceeded", CN_LLM_TROUBLE_TOO_LARGE},
    {"string_above_max_length", CN_LLM_TROUBLE_TOO_LARGE},
    {"exceed_context_size_error", CN_LLM_TROUBLE_TOO_LARGE},
    {"unsupported_parameter", CN_LLM_TROUBLE_FIELD},
    {"unsupported_value", CN_LLM_TROUBLE_FIELD},
    {"unknown_parameter", CN_LLM_TROUBLE_FIELD},
};

static bool by_word(const char *word, cn_llm_trouble_kind *out)
{
    for (size_t i = 0; word && i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i].word) == 0) {
            *out = words[i].kind;
            return true;
        }
    return false;
}

/* Where only prose tells: phrases of a 400's or 402's message, in lower case. */
static const struct {
    const char *phrase;
    cn_llm_trouble_kind kind;
} phrases[] = {
    {"spend limit", CN_LLM_TROUBLE_QUOTA},
    {"spend_limit", CN_LLM_TROUBLE_QUOTA},
    {"spending limit", CN_LLM_TROUBLE_QUOTA},
    {"usage limits", CN_LLM_TROUBLE_QUOTA},
    {"credit balance is too low", CN_LLM_TROUBLE_BILLING},
    {"prompt is too long", CN_LLM_TROUBLE_TOO_LARGE},
    {"maximum context length", CN_LLM_TROUBLE_TOO_LARGE},
    {"context window", CN_LLM_TROUBLE_TOO_LARGE},
    {"context size", CN_LLM_TROUBLE_TOO_LARGE},
    {"too many images", CN_LLM_TROUBLE_TOO_LARGE},
    {"extra inputs are not permitted", CN_LLM_TROUBLE_FIELD},
    {"unsupported parameter", CN_LLM_TROUBLE_FIELD},
    {"unrecognized request argument", CN_LLM_TROUBLE_FIELD},
    {"is not supported", CN_LLM_TROUBLE_FIELD},
    {"not supported by this model", CN_LLM_TROUBLE_FIELD},
    {"is deprecated for this model", CN_LLM_TROUBLE_FIELD},
};

static bool by_phrase(const char *message, cn_llm_trouble_kind *out)
{
    char low[CN_ERR_TEXT];
    size_t n = 0;

    for (; message[n] && n + 1 < sizeof low; n++)
        low[n] = (char)tolower((unsigned char)message[n]);
    low[n] = '\0';
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++)
        if (strstr(low, phrases[i].phrase)) {
            *out = phrases[i].kind;
            return true;
        }
    return false;
}

static cn_llm_trouble_kind by_status(int status)
{
    switch (status) {
    case 401:
    case 403:
        return CN_LLM_TROUBLE_AUTH;
    case 402:
        return CN_LLM_TROUBLE_BILLING;
    case 404:
        return CN_LLM_TROUBLE_NOT_FOUND;
    case 408:
    case 504:
        return CN_LLM_TROUBLE_TIMEOUT;
    case 409:
    case 425:
        return CN_LLM_TROUBLE_SERVER;
    case 413:
        return CN_LLM_TROUBLE_TOO_LARGE;
    case 429:
        return CN_LLM_TROUBLE_RATE;
    case 301:
    case 302:
    case 303:
    case 307:
    case 308: /* a key does not travel on, and a wrong address stays wrong */
        return CN_LLM_TROUBLE_REQUEST;
    case 503:
    case 529:
        return CN_LLM_TROUBLE_OVERLOADED;
    default:
        return status >= 500   ? CN_LLM_TROUBLE_SERVER
               : status >= 400 ? CN_LLM_TROUBLE_REQUEST
                               : CN_LLM_TROUBLE_BROKEN;
    }
}

/* ------------------------------------------------------------------ the body */

/* Theirs, as one line without control bytes. */
static void take_message(const char *s, struct cn_llm_trouble *out)
{
    size_t n = cn_text_utf8_cut(s, strlen(s), sizeof out->message - 1);

    for (size_t i = 0; i < n; i++)
        out->message[i] = (unsigned char)s[i] < ' ' || s[i] == 0x7f ? ' ' : s[i];
    out->message[n] = '\0';
}

/* Optional fields that we send and that a model may refuse. */
static const char *const optional[] = {
    "temperature",          "thinking",    "effort",
    "output_config",        "reasoning",   "reasoning_effort",
    "stream_options",       "tool_choice", "cache_control",
    "max_tokens",           "include",     "store",
    "max_completion_tokens"};

/* The refused field: the error's `param`, or the one of ours that its message names first (the
 * longest of those that begin there): the next may be what to use instead. */
static void take_field(const struct cn_json *error, struct cn_llm_trouble *out)
{
    const char *param = cn_json_string(cn_json_get(error, "param")), *best = NULL;

    if (param && strcmp(param, "stream") == 0) { /* in prose the word says nothing */
        cn_text_copy(out->field, sizeof out->field, param);
        return;
    }
    for (size_t i = 0; i < sizeof optional / sizeof *optional; i++) {
        const char *name = optional[i];
        const char *at = !param                        ? strstr(out->message, name)
                         : cn_text_starts(param, name) ? param
                                                       : NULL;

        if (!at || (best && at > best) || (at == best && strlen(name) < strlen(out->field)))
            continue;
        best = at;
        cn_text_copy(out->field, sizeof out->field, name);
    }
}

/* {"details": {"error_code": "enforced_spend_limit_reached"}}, whatever its members are called. */
static bool by_details(const struct cn_json *error, cn_llm_trouble_kind *out)
{
    for (const struct cn_json *d = cn_json_first(cn_json_get(error, "details")); d;
         d = cn_json_next(d))
        if (by_word(cn_json_string(d), out))
            return true;
    return false;
}

void cn_llm_error_object(const struct cn_json *error, int status, struct cn_llm_trouble *out)
{
    const char *type = cn_json_string(cn_json_get(error, "type"));
    const char *code = cn_json_string(cn_json_get(error, "code"));
    const char *message = cn_json_string(cn_json_get(error, "message"));

    if (!message)
        message = cn_json_string(error); /* {"error": "words"} */
    take_message(message && message[0] ? message : "an error without a message", out);
    /* An error inside a stream that began well has no status of its own. */
    out->kind = status == 200 ? CN_LLM_TROUBLE_SERVER : by_status(status);
    if (!by_word(code, &out->kind) && !by_details(error, &out->kind) &&
        !by_word(type, &out->kind))
        (void)((out->kind == CN_LLM_TROUBLE_REQUEST || out->kind == CN_LLM_TROUBLE_RATE ||
                out->kind == CN_LLM_TROUBLE_SERVER) &&
               by_phrase(out->message, &out->kind));
    take_field(error, out);
    /* Refused, but not for something that could be left out. */
    if (out->kind == CN_LLM_TROUBLE_FIELD && !out->field[0])
        out->kind = CN_LLM_TROUBLE_REQUEST;
    out->remedy = remedy_of(out->kind);
}

static void take_body(const struct cn_http_reply *r, struct cn_llm_trouble *out)
{
    struct cn_json_doc *doc = NULL;
    const struct cn_json *error;

    if (cn_json_parse("error", cn_buf_str(&r->body), r->body.len, &doc, NULL) == CN_OK) {
        error = cn_json_get(cn_json_root(doc), "error");
        cn_llm_error_object(error ? error : cn_json_root(doc), r->status, out);
        cn_part_word(cn_json_root(doc), "request_id", out->request_id, sizeof out->request_id);
        cn_json_free(doc);
        return;
    }
    /* A proxy's page. */
    out->kind = by_status(r->status);
    out->remedy = remedy_of(out->kind);
    cn_text_format(out->message, sizeof out->message, "HTTP status %d%s", r->status,
                   r->status / 100 == 3 ? ": it sends us elsewhere, and a key does not travel "
                                          "on; check the address"
                                        : "");
}

/* ------------------------------------------------------------------ how long */

/* "6m0s", "20ms", "1h2m3.5s": seconds; NaN when it is none. */
static double go_duration(const char *s)
{
    double sum = 0;

    if (!*s)
        return (double)NAN;
    while (*s) {
        char *end;
        double x = *s >= '0' && *s <= '9' ? strtod(s, &end) : (double)NAN;

        if (!(x >= 0 && x < 1e9))
            return (double)NAN;
        if (strncmp(end, "ms", 2) == 0) {
            sum += x / 1000;
            s = end + 2;
        } else if (*end == 'h' || *end == 'm' || *end == 's') {
            sum += x * (*end == 'h' ? 3600 : *end == 'm' ? 60 : 1);
            s = end + 1;
        } else {
            return (double)NAN;
        }
    }
    return sum;
}

/* An RFC 3339 moment or a duration, from now on. */
static double until(const char *text, int64_t now_ms)
{
    int64_t at;

    if (cn_clock_parse_iso(text, &at))
        return at > now_ms ? 1e-3 * (double)(at - now_ms) : 0;
    return go_duration(text);
}

/* "Fri, 20 Nov 2026 19:56:48 GMT" as seconds from now; NaN when it is no such date. */
static double http_date(const char *text, int64_t now_ms)
{
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char month[4], iso[CN_TIME_TEXT];
    int day, year, h, m, s;

    if (sscanf(text, "%*3s, %2d %3s %4d %2d:%2d:%2d GMT", &day, month, &year, &h, &m, &s) != 6)
        return (double)NAN;
    for (int i = 0; i < 12; i++)
        if (strcmp(month, months[i]) == 0) {
            (void)snprintf(iso, sizeof iso, "%04d-%02d-%02dT%02d:%02d:%02dZ", year, i + 1, day,
                           h, m, s);
            return until(iso, now_ms);
        }
    return (double)NAN;
}

static double retry_after(const struct cn_http_reply *r, int64_t now_ms)
{
    char text[128];
    double x;

    if (cn_http_header(r, "retry-after-ms", text, sizeof text) &&
        cn_text_parse_double(text, &x) && x >= 0)
        return x / 1000;
    if (!cn_http_header(r, "retry-after", text, sizeof text))
        return (double)NAN;
    if (cn_text_parse_double(text, &x) && x >= 0)
        return x;
    return http_date(text, now_ms);
}

/* Of the limits that are used up, the one that comes back last. */
static double reset_headers(const struct cn_http_reply *r, int64_t now_ms)
{
    static const char *const limits[][2] = {
        {"anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"},
        {"anthropic-ratelimit-tokens-remaining", "anthropic-ratelimit-tokens-reset"},
        {"anthropic-ratelimit-input-tokens-remaining",
         "anthropic-ratelimit-input-tokens-reset"},
        {"anthropic-ratelimit-output-tokens-remaining",
         "anthropic-ratelimit-output-tokens-reset"},
        {"x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"},
        {"x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"}};
    double wait = (double)NAN;

    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char left[64], when[64];
        double n, s;

        if (!cn_http_header(r, limits[i][0], left, sizeof left) ||
            !cn_text_parse_double(left, &n) || n > 0 ||
            !cn_http_header(r, limits[i][1], when, sizeof when))
            continue;
        s = until(when, now_ms);
        if (!(wait >= s) && !isnan(s))
            wait = s;
    }
    return wait;
}

/* ------------------------------------------------------------------ all together */

static void of_transport(cn_status st, struct cn_llm_trouble *out)
{
    out->kind = st == CN_ESTOPPED   ? CN_LLM_TROUBLE_CANCELLED
                : st == CN_ETIMEOUT ? CN_LLM_TROUBLE_TIMEOUT
                : st == CN_EIO      ? CN_LLM_TROUBLE_NETWORK
                : st == CN_ECAP     ? CN_LLM_TROUBLE_BROKEN
                                    : CN_LLM_TROUBLE_REQUEST;
    out->remedy = remedy_of(out->kind);
    cn_text_copy(out->message, sizeof out->message, cn_llm_trouble_name(out->kind));
}

void cn_llm_trouble_of(const struct cn_http_reply *r, cn_status st, int64_t now_ms,
                       struct cn_llm_trouble *out)
{
    char should[8];

    *out = (struct cn_llm_trouble){.wait_s = (double)NAN};
    if (st != CN_OK) {
        of_transport(st, out);
        return;
    }
    take_body(r, out);
    out->wait_s = retry_after(r, now_ms);
    if (isnan(out->wait_s) && out->kind == CN_LLM_TROUBLE_RATE)
        out->wait_s = reset_headers(r, now_ms);
    if (!out->request_id[0] &&
        !cn_http_header(r, "request-id", out->request_id, sizeof out->request_id))
        (void)cn_http_header(r, "x-request-id", out->request_id, sizeof out->request_id);
    /* The server's own word on retrying, where it gives one; never against an empty purse. */
    if (!cn_http_header(r, "x-should-retry", should, sizeof should))
        return;
    if (strcmp(should, "false") == 0 &&
        (out->remedy == CN_LLM_DO_RETRY || out->remedy == CN_LLM_DO_WAIT))
        out->remedy = CN_LLM_DO_STOP;
    else if (strcmp(should, "true") == 0 && out->kind == CN_LLM_TROUBLE_REQUEST)
        out->remedy = CN_LLM_DO_RETRY;
}
