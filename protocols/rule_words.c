/* Words of a rule row: numbers, comparisons, metric names, the action's parent, the nearest known
 * form of a condition that is not understood. */
#include <string.h>

#include "base/banned.h"
#include "base/pattern.h"
#include "base/text.h"
#include "protocols/rules_int.h"
#include "protocols/words.h"

/* ---- numbers and comparisons ---- */

bool rules_count(const char *words, int64_t *out)
{
    static const char *const names[] = {"one",   "two",   "three", "four", "five",   "six",
                                        "seven", "eight", "nine",  "ten",  "eleven", "twelve"};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (cn_words_same(words, names[i])) {
            *out = (int64_t)i + 1;
            return true;
        }
    return cn_text_parse_int64(words, out);
}

void rules_comparison(const char *words, bool *below, bool *strict)
{
    static const struct {
        const char *words;
        bool below, strict;
    } known[] = {
        {">=", false, false},      {"=>", false, false},       {"<=", true, false},
        {"=<", true, false},       {">", false, true},         {"<", true, true},
        {"above", false, true},    {"over", false, true},      {"exceeds", false, true},
        {"reaches", false, false}, {"at least", false, false}, {"below", true, true},
        {"under", true, true},     {"at most", true, false}};

    *below = *strict = false;
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        if (cn_words_same(words, known[i].words)) {
            *below = known[i].below;
            *strict = known[i].strict;
        }
}

/* ---- metrics ---- */

const char *rules_metric_name(struct cn_arena *a, const char *words)
{
    size_t n = strlen(words), w = 0;
    char *out = cn_arena_alloc(a, n + 16, 1);

    if (!out)
        return NULL;
    if (cn_words_start(words, "conn_R") || cn_words_start(words, "conn R")) {
        memcpy(out, "connectivity", 12);
        w = 12;
        words += 4;
    } else if (cn_words_start(words, "Vrest_R") || cn_words_start(words, "Vrest R")) {
        memcpy(out, "V_rest", 6);
        w = 6;
        words += 5;
    }
    for (; *words; words++)
        if (*words != '^')
            out[w++] = *words == ' ' ? '_' : *words;
    out[w] = '\0';
    return out;
}

bool rules_is_reward(const char *metric, const char *reward)
{
    return cn_words_same(metric, "R2") || cn_words_same(metric, "reward") ||
           (reward[0] && cn_words_same(metric, reward));
}

const char *cn_rule_unknown_metric(const struct cn_rule *r, const char *const *metrics, int n)
{
    const char *names[2] = {r->metric, r->minus};

    for (int32_t i = 0; i < r->n_terms; i++) {
        const char *unknown = cn_rule_unknown_metric(&r->terms[i], metrics, n);

        if (unknown)
            return unknown;
    }
    for (int k = 0; k < 2; k++) {
        bool known = !names[k] || !names[k][0];

        for (int i = 0; i < n && !known; i++)
            known = cn_words_same(names[k], metrics[i]);
        if (!known)
            return names[k];
    }
    return NULL;
}

/* ---- the nearest known form ---- */

static const char *const known_forms[] = {"K+ consecutive successes (METRIC >= X)",
                                          "K+ consecutive failures",
                                          "Found good config (METRIC >= X)",
                                          "Best METRIC >= X",
                                          "METRIC < X for K+ iters",
                                          "Degeneracy gap > X",
                                          "Same METRIC plateau (+/-D) for K+ iters",
                                          "Stuck",
                                          "No improvement for K iters",
                                          "K+ partial and improving",
                                          "K+ partial at a boundary",
                                          "> K mutations of same parameter",
                                          "K+ distant nodes > X",
                                          "Same config differs by > X",
                                          "Branching rate < P% in last block",
                                          "Improvement rate < P%",
                                          "Failure rate > P%",
                                          "Converged rate < P%",
                                          "First K iterations of a block",
                                          "Slot K"};

/* Words of four letters or more that both have; a longer common beginning counts as the same
 * ("diverged", "divergence" share six letters). */
static int shared_words(const char *a, const char *b)
{
    int n = 0;

    while (*a) {
        size_t len = 0;

        while (*a && !cn_words_is_name(*a))
            a++;
        while (cn_words_is_name(a[len]))
            len++;
        for (const char *s = b; len >= 4 && *s; s++) {
            size_t m = 0, same = 0;

            if ((s > b && cn_words_is_name(s[-1])) || !cn_words_is_name(*s))
                continue;
            while (cn_words_is_name(s[m]))
                m++;
            while (same < len && same < m && (s[same] | 32) == (a[same] | 32))
                same++;
            if (m >= 4 && same >= 4 && same + 2 >= (len < m ? len : m)) {
                n++;
                break;
            }
        }
        a += len;
    }
    return n;
}

const char *rules_nearest_form(const char *condition)
{
    const char *nearest = NULL;
    int most = 0;

    for (size_t i = 0; i < sizeof(known_forms) / sizeof(known_forms[0]); i++) {
        int n = shared_words(condition, known_forms[i]);

        if (n > most) {
            most = n;
            nearest = known_forms[i];
        }
    }
    return nearest;
}

/* ---- the parent ---- */

static const struct {
    cn_strategy strategy;
    cn_parent_rule rule;
    int64_t k, div;
    bool own; /* chooses its node itself */
} usual[] = {
    {CN_STRATEGY_EXPLOIT, CN_PARENT_TOP, 1, 0, false},
    {CN_STRATEGY_FAILURE_PROBE, CN_PARENT_TOP, 1, 0, false},
    {CN_STRATEGY_EXPLORE, CN_PARENT_TOP_NOT_RECENT, 0, 4, false},
    {CN_STRATEGY_ROBUSTNESS_TEST, CN_PARENT_BEST_RERUN, 1, 0, true},
    {CN_STRATEGY_FORCE_BRANCH, CN_PARENT_RANDOM_TOP, 3, 0, false},
    {CN_STRATEGY_RECOMBINE, CN_PARENT_STRATEGY, 1, 0, true},
    {CN_STRATEGY_SWITCH_DIMENSION, CN_PARENT_TOP, 1, 0, false},
    {CN_STRATEGY_SCALE_UP, CN_PARENT_STRATEGY, 1, 0, true},
    {CN_STRATEGY_DEGENERACY_BREAK, CN_PARENT_BEST, 1, 0, false},
    {CN_STRATEGY_BOUNDARY_SKIP, CN_PARENT_TOP, 1, 0, false},
    {CN_STRATEGY_SEED_VARY, CN_PARENT_SPREAD_RERUN, 1, 0, true},
    {CN_STRATEGY_PRINCIPLE_TEST, CN_PARENT_STRATEGY, 1, 0, true},
    {CN_STRATEGY_RANDOM_RESTART, CN_PARENT_STRATEGY, 1, 0, true},
    {CN_STRATEGY_OTHER, CN_PARENT_TOP, 1, 0, false},
};

static bool usual_parent(struct cn_rule *r)
{
    for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++)
        if (usual[i].strategy == r->strategy) {
            r->parent_rule = usual[i].rule;
            r->parent_k = usual[i].k;
            r->parent_div = usual[i].div;
            return usual[i].own;
        }
    return false;
}

bool rules_own_node(cn_strategy s)
{
    struct cn_rule r = {.strategy = s};

    return usual_parent(&r);
}

/* In this order: the first phrase that the action holds. Two groups: count, divisor. */
static const struct {
    const char *regex;
    cn_parent_rule rule;
    bool wants_count;
} phrases[] = {
    {"\\brandom(?:ly)?\\b.*\\btop[ -]?(\\d+)", CN_PARENT_RANDOM_TOP, true},
    {"\\bnot (?:in|among)(?: the)? last (?:(\\d+)|n_iter_block\\s*/\\s*(\\d+))",
     CN_PARENT_TOP_NOT_RECENT, true},
    {"\\bsecond[ -](?:highest|best|top)\\b|\\b2nd[ -]highest\\b", CN_PARENT_SECOND, false},
    {"\\bunder[ -]?visited\\b|\\b(?:fewest|least)[ -]visit(?:s|ed)\\b", CN_PARENT_FEWEST_VISITS,
     false},
    {"\\brandom (?:node|parent|config)\\b", CN_PARENT_RANDOM, false},
    {"\\bbest (?:node|config|so far)\\b", CN_PARENT_BEST, false},
    {"\\b(?:highest|top) UCB\\b", CN_PARENT_TOP, false},
};

/* Runs one phrase over the action; k: its numbers, 0 when absent. */
static cn_status find_phrase(const char *regex, const char *action, bool *found, int64_t k[2],
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
    *found = n > 0;
    for (int i = 1; i < n; i++) {
        char digits[16] = "";
        size_t len = m[i].start == (size_t)-1 ? 0 : m[i].end - m[i].start;

        if (len == 0 || len >= sizeof(digits))
            continue;
        memcpy(digits, action + m[i].start, len);
        if (!cn_text_parse_int64(digits, &k[i - 1]))
            k[i - 1] = 0;
    }
    cn_pattern_free(p);
    return CN_OK;
}

cn_status rules_action(struct cn_rule *r, struct cn_err *err)
{
    if (usual_parent(r))
        return CN_OK;
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        bool found;
        int64_t k[2];
        cn_status st = find_phrase(phrases[i].regex, r->action, &found, k, err);

        if (st != CN_OK)
            return st;
        if (!found || (phrases[i].wants_count && k[0] < 1 && k[1] < 1))
            continue;
        r->parent_rule = phrases[i].rule;
        r->parent_k = phrases[i].wants_count ? k[0] : 1;
        r->parent_div = k[1];
        return CN_OK;
    }
    return CN_OK;
}
