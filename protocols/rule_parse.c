/* Rows of a rule table from their words. The conditions stand in rules.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/pattern.h"
#include "base/text.h"
#include "protocols/rules.h"
#include "protocols/words.h"

#define NUM    "([+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?)"
#define COUNT  "(?:(\\d+)|n_iter_block\\s*/\\s*(\\d+))"
#define METRIC "([A-Za-z_][\\w^]*)"
/* "(R2 >= 0.9)", "with R2 >= 0.9", or nothing: three groups */
#define LIMIT "(?:\\s*\\(?(?:with |where )?" METRIC "\\s*(>=|<=|>|<)\\s*" NUM "\\)?)?"

/* What the groups of a pattern are, in order. */
typedef enum {
    G_END,
    G_COUNT,
    G_DIV,
    G_METRIC,
    G_CMP,
    G_LIMIT,
    G_RATE_CMP,
    G_RATE,
    G_PERCENT,
    G_TOLERANCE
} group;
enum { MAX_GROUPS = 8 };

struct form {
    const char *regex;
    cn_cond_kind cond;
    group groups[MAX_GROUPS];
};

static const struct form forms[] = {
    {"^default\\.?$", CN_COND_DEFAULT, {G_END}},
    {"^(?:>=\\s*)?" COUNT "\\s*\\+?\\s*(?:or more )?consecutive\\s+"
     "(?:success(?:es)?|successful iterations|converged(?: iterations)?)" LIMIT "$",
     CN_COND_CONSECUTIVE,
     {G_COUNT, G_DIV, G_METRIC, G_CMP, G_LIMIT}},
    {"^(?:>=\\s*)?" COUNT "\\s*\\+?\\s*(?:or more )?consecutive\\s+(?:iterations\\s+)?" METRIC
     "\\s*(>=|<=|>|<)\\s*" NUM "$",
     CN_COND_CONSECUTIVE,
     {G_COUNT, G_DIV, G_METRIC, G_CMP, G_LIMIT}},
    {"^(?:found\\s+(?:a\\s+)?)?good\\s+config(?:uration)?(?:\\s+found)?" LIMIT "$",
     CN_COND_GOOD_CONFIG,
     {G_METRIC, G_CMP, G_LIMIT}},
    {"^branching\\s+rate\\s*(<=|<|below)\\s*" NUM
     "\\s*(%)?(?:\\s+in\\s+(?:the\\s+)?last\\s+(?:quarter\\s+)?block)?$",
     CN_COND_BRANCHING_BELOW,
     {G_RATE_CMP, G_RATE, G_PERCENT}},
    {"^improvement\\s+rate\\s*(<=|<|below|>=|>|above)\\s*" NUM "\\s*(%)?(?:\\s+.*)?$",
     CN_COND_IMPROVEMENT_BELOW,
     {G_RATE_CMP, G_RATE, G_PERCENT}},
    {"^(?:if\\s+)?(<=|<|>=|>)\\s*" NUM "\\s*(%)?\\s*improving$",
     CN_COND_IMPROVEMENT_BELOW,
     {G_RATE_CMP, G_RATE, G_PERCENT}},
    {"^(?:same\\s+)?(?:" METRIC "\\s+)?plateau\\s*\\(?\\+/?-\\s*" NUM "\\)?(?:\\s*for\\s+" COUNT
     "\\s*\\+?\\s*iter(?:s|ations)?)?\\s*\\??$",
     CN_COND_PLATEAU,
     {G_METRIC, G_TOLERANCE, G_COUNT, G_DIV}},
    {"^stuck$", CN_COND_PLATEAU, {G_END}},
};

struct where {
    const char *file;
    int line;
    const char *condition;
    const char *metric; /* the protocol's reward */
};

static cn_status refuse(const struct where *w, const char *value, const char *expected,
                        struct cn_err *err)
{
    return cn_err_set(err, CN_EINPUT, "%s:%d: condition \"%s\": \"%s\": expected %s", w->file,
                      w->line, w->condition, value, expected);
}

/* A metric that the host can compare; the others are unknown when a rule is tried. */
static bool is_reward(const char *name, const char *reward)
{
    return cn_words_same(name, "R2") || cn_words_same(name, "R^2") ||
           cn_words_same(name, "reward") || (reward[0] && strcmp(name, reward) == 0);
}

static cn_status read_count(const struct where *w, const char *s, int64_t *out,
                            struct cn_err *err)
{
    if (!cn_text_parse_int64(s, out) || *out < 1 || *out > 1000000)
        return refuse(w, s, "a count of iterations from 1", err);
    return CN_OK;
}

static cn_status read_number(const struct where *w, const char *s, double *out,
                             struct cn_err *err)
{
    if (s[0] == '+')
        s++;
    if (!cn_text_parse_double(s, out) || !isfinite(*out))
        return refuse(w, s, "a finite number", err);
    return CN_OK;
}

static cn_status take_group(struct cn_arena *a, const struct where *w, group g, const char *s,
                            struct cn_rule *r, struct cn_err *err)
{
    switch (g) {
    case G_COUNT:
        return read_count(w, s, &r->count, err);
    case G_DIV:
        return read_count(w, s, &r->count_div, err);
    case G_METRIC:
        if (!is_reward(s, w->metric)) {
            r->cond = CN_COND_PROSE;
            r->note = cn_arena_printf(a, "compares \"%s\", which is not the reward metric", s);
        }
        return CN_OK;
    case G_CMP:
        r->has_threshold = true;
        r->threshold_below = s[0] == '<';
        r->threshold_strict = s[1] == '\0';
        return CN_OK;
    case G_LIMIT:
        return read_number(w, s, &r->threshold, err);
    case G_RATE_CMP:
        if (r->cond == CN_COND_IMPROVEMENT_BELOW && (s[0] == '>' || s[0] == 'a' || s[0] == 'A'))
            r->cond = CN_COND_IMPROVEMENT_ABOVE;
        return CN_OK;
    case G_RATE:
        return read_number(w, s, &r->rate, err);
    case G_PERCENT:
        r->rate /= 100;
        return CN_OK;
    case G_TOLERANCE:
        return read_number(w, s, &r->tolerance, err);
    case G_END:
        break;
    }
    return CN_OK;
}

/* Limits that no single group knows. */
static cn_status check_row(const struct where *w, const struct cn_rule *r, struct cn_err *err)
{
    char text[CN_NUM_TEXT];

    switch (r->cond) {
    case CN_COND_BRANCHING_BELOW:
    case CN_COND_IMPROVEMENT_BELOW:
    case CN_COND_IMPROVEMENT_ABOVE:
        if (r->rate < 0 || r->rate > 1)
            return refuse(w, cn_text_double(100 * r->rate, text), "a rate of 0 to 100 per cent",
                          err);
        break;
    case CN_COND_PLATEAU:
        if (r->tolerance < 0)
            return refuse(w, cn_text_double(r->tolerance, text), "a tolerance from 0", err);
        break;
    default:
        break;
    }
    return CN_OK;
}

static cn_status try_form(struct cn_arena *a, const struct form *f, const struct where *w,
                          struct cn_rule *r, bool *matched, struct cn_err *err)
{
    struct cn_pattern *p = NULL;
    struct cn_span m[MAX_GROUPS + 1];
    cn_status st = cn_pattern_new(f->regex, CN_PATTERN_CASELESS, &p, err);
    int n;

    *matched = false;
    if (st != CN_OK)
        return st;
    n = cn_pattern_match(p, w->condition, strlen(w->condition), 0, m, MAX_GROUPS + 1);
    *matched = n > 0;
    if (n > 0)
        r->cond = f->cond;
    for (int i = 1; i < n && st == CN_OK && f->groups[i - 1] != G_END; i++) {
        const char *s;

        if (m[i].start == (size_t)-1)
            continue;
        s = cn_arena_strndup(a, w->condition + m[i].start, m[i].end - m[i].start);
        st = s ? take_group(a, w, f->groups[i - 1], s, r, err)
               : cn_err_set(err, CN_ENOMEM, "%s: no memory for a rule", w->file);
    }
    cn_pattern_free(p);
    return st;
}

static cn_status parse_condition(struct cn_arena *a, const struct where *w, struct cn_rule *r,
                                 struct cn_err *err)
{
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        bool matched;
        cn_status st = try_form(a, &forms[i], w, r, &matched, err);

        if (st != CN_OK)
            return st;
        if (matched && r->cond == CN_COND_PLATEAU && r->count == 0 && r->count_div == 0)
            r->count = 3; /* seed 002: "same plateau (+/-0.05) for 3+ iterations" */
        if (matched && r->cond == CN_COND_PLATEAU && cn_words_same(w->condition, "stuck"))
            r->tolerance = .05;
        if (matched)
            return check_row(w, r, err);
    }
    r->cond = CN_COND_PROSE;
    r->note = "the host does not know this condition; it is for the reader";
    return CN_OK;
}

/* ---- parent rules ---- */

static const struct {
    cn_strategy strategy;
    cn_parent_rule rule;
    int64_t k, div;
} usual[] = {
    {CN_STRATEGY_EXPLOIT, CN_PARENT_TOP, 1, 0},
    {CN_STRATEGY_FAILURE_PROBE, CN_PARENT_TOP, 1, 0},
    {CN_STRATEGY_EXPLORE, CN_PARENT_TOP_NOT_RECENT, 0, 4},
    {CN_STRATEGY_ROBUSTNESS_TEST, CN_PARENT_BEST_RERUN, 1, 0},
    {CN_STRATEGY_FORCE_BRANCH, CN_PARENT_RANDOM_TOP, 3, 0},
    {CN_STRATEGY_OTHER, CN_PARENT_TOP, 1, 0},
};

static void usual_parent(struct cn_rule *r)
{
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        if (usual[i].strategy == r->strategy) {
            r->parent_rule = usual[i].rule;
            r->parent_k = usual[i].k;
            r->parent_div = usual[i].div;
        }
}

/* Runs one regex with two number groups (count, divisor) over the action. */
static cn_status find_counts(const char *regex, const char *action, bool *found, int64_t k[2],
                             struct cn_err *err)
{
    struct cn_pattern *p = NULL;
    struct cn_span m[3];
    cn_status st = cn_pattern_new(regex, CN_PATTERN_CASELESS, &p, err);
    int n;

    *found = false;
    k[0] = k[1] = 0;
    if (st != CN_OK)
        return st;
    n = cn_pattern_match(p, action, strlen(action), 0, m, 3);
    for (int i = 1; i < n; i++) {
        char digits[16] = "";
        size_t len = m[i].start == (size_t)-1 ? 0 : m[i].end - m[i].start;

        if (len == 0 || len >= sizeof(digits))
            continue;
        memcpy(digits, action + m[i].start, len);
        *found = cn_text_parse_int64(digits, &k[i - 1]) && k[i - 1] > 0;
    }
    cn_pattern_free(p);
    return CN_OK;
}

/* The action's words over the strategy's usual parent rule. */
static cn_status parse_action(struct cn_rule *r, struct cn_err *err)
{
    bool found;
    int64_t k[2];
    cn_status st;

    usual_parent(r);
    if (r->strategy == CN_STRATEGY_ROBUSTNESS_TEST)
        return CN_OK;
    st = find_counts("random(?:ly)?\\b.*\\btop[ -]?(\\d+)", r->action, &found, k, err);
    if (st == CN_OK && found) {
        r->parent_rule = CN_PARENT_RANDOM_TOP;
        r->parent_k = k[0];
        r->parent_div = 0;
        return CN_OK;
    }
    if (st == CN_OK)
        st = find_counts("\\bnot (?:in|among)(?: the)? last " COUNT, r->action, &found, k, err);
    if (st == CN_OK && found) {
        r->parent_rule = CN_PARENT_TOP_NOT_RECENT;
        r->parent_k = k[0];
        r->parent_div = k[1];
    }
    return st;
}

cn_status cn_rule_parse(struct cn_arena *a, const char *condition, const char *strategy,
                        const char *action, const char *reward_metric, const char *file,
                        int line, struct cn_rule *out, struct cn_err *err)
{
    struct where w = {.file = file, .line = line, .metric = reward_metric};
    cn_status st;

    *out = (struct cn_rule){.note = "", .line = line};
    out->condition = w.condition = cn_words_plain(a, condition, strlen(condition));
    out->strategy_text = cn_words_plain(a, strategy, strlen(strategy));
    out->action = cn_words_plain(a, action, strlen(action));
    if (!out->condition || !out->strategy_text || !out->action)
        return cn_err_set(err, CN_ENOMEM, "%s:%d: no memory for a rule", file, line);
    st = parse_condition(a, &w, out, err);
    if (st != CN_OK)
        return st;
    if (!cn_strategy_parse(out->strategy_text, &out->strategy) && out->cond != CN_COND_PROSE) {
        out->cond = CN_COND_PROSE;
        out->note = "the host cannot carry out this strategy; the row is for the reader";
    }
    if (!out->note) /* from cn_arena_printf */
        return cn_err_set(err, CN_ENOMEM, "%s:%d: no memory for a rule", file, line);
    return parse_action(out, err);
}
