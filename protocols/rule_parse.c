/* Rows of a rule table from their words. The conditions stand in rules.h.
 *
 * 1. the forms  2. numbers into a rule  3. one condition  4. joined conditions  5. a row */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/pattern.h"
#include "base/text.h"
#include "protocols/rules_int.h"
#include "protocols/words.h"

/* ---- 1. the forms ---- */

#define NUM "([+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?)"
/* K: three groups (more than, number, divisor) */
#define WORD  "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve"
#define COUNT "(?:(\\d+|" WORD ")|n_iter_block\\s*/\\s*(\\d+))"
#define K \
    "(>=|>|at least|more than|over)?\\s*" COUNT "\\s*(?:\\+|x\\b|times\\b|or more\\b)?\\s*"
/* "R2", "V_rest_R2", "conn R^2": one group */
#define METRIC "([A-Za-z_][\\w^.]*(?: R\\^?2)?)"
#define CMP    "(>=|=>|<=|=<|>|<|above|over|exceeds|reaches|below|under|at least|at most)"
#define BOUND  CMP "\\s*" NUM "\\s*(%)?" /* three groups */
/* "(R2 >= 0.9)", "with R2 >= 0.9", or nothing: four groups */
#define LIMIT "(?:\\s*,?\\s*\\(?\\s*(?:with |where |on )?(?:" METRIC "\\s*)?" BOUND "\\s*\\)?)?"
#define ITERS "(?:iter(?:ation)?s?|trainings?|runs?)"
/* "for 3+ iters": three groups */
#define FOR                                                                                    \
    "(?:\\s*,?\\s*(?:for|in|over)\\s+(?:the\\s+)?(?:last\\s+)?" K "(?:consecutive\\s+)?" ITERS \
    ")?"
#define RATE_CMP "\\s*(<=|<|below|under|>=|>|above|over)\\s*" NUM "\\s*(%)?"
/* four groups: the whole block, more than, number, divisor */
#define WINDOW                                                                               \
    "(?:\\s*\\(?(?:in|over|for)\\s+(?:the\\s+)?(?:(?:last|this|current)\\s+(?:quarter\\s+)?" \
    "block|"                                                                                 \
    "((?:whole|entire)\\s+block)|last\\s+" K ITERS ")\\)?)?"
#define EDGE  "(?:(?:range|parameter)\\s+)?(?:boundary|bound|edge|limit|end)"
#define BLOCK "(?:\\s+(?:of|in)\\s+(?:a|the|each|every|this|last|the last)\\s+block)?"

/* What the groups of a pattern are, in order. */
typedef enum {
    G_END,
    G_MORE,
    G_COUNT,
    G_DIV,
    G_METRIC,
    G_MINUS,
    G_CMP,
    G_LIMIT,
    G_LIMIT_PERCENT,
    G_RATE_CMP,
    G_RATE,
    G_PERCENT,
    G_WHOLE,
    G_WINDOW_MORE,
    G_WINDOW,
    G_WINDOW_DIV,
    G_TOLERANCE,
    G_CLASS,
    G_IN_A_ROW,
    G_LESS,
    G_LAST
} group;
enum { MAX_GROUPS = 12 };

#define COUNT_GROUPS  G_MORE, G_COUNT, G_DIV
#define BOUND_GROUPS  G_CMP, G_LIMIT, G_LIMIT_PERCENT
#define RATE_GROUPS   G_RATE_CMP, G_RATE, G_PERCENT
#define WINDOW_GROUPS G_WHOLE, G_WINDOW_MORE, G_WINDOW, G_WINDOW_DIV

struct form {
    const char *regex;
    cn_cond_kind cond;
    group groups[MAX_GROUPS];
};

static const struct form forms[] = {
    {"^(?:default|otherwise)\\.?$", CN_COND_DEFAULT, {G_END}},
    {"^" K "consecutive\\s+(?:success(?:es)?|successful " ITERS "|converged(?: " ITERS
     ")?)" LIMIT "$",
     CN_COND_CONSECUTIVE,
     {COUNT_GROUPS, G_METRIC, BOUND_GROUPS}},
    {"^" K "consecutive\\s+(?:" ITERS "\\s+)?(?:with\\s+)?" METRIC "\\s*" BOUND "$",
     CN_COND_CONSECUTIVE,
     {COUNT_GROUPS, G_METRIC, BOUND_GROUPS}},
    {"^" K "consecutive\\s+(fail(?:ures?|ed)|partials?)(?:\\s+" ITERS ")?$",
     CN_COND_CLASS,
     {COUNT_GROUPS, G_CLASS}},
    {"^(?:found\\s+(?:a\\s+)?)?good\\s+config(?:uration)?(?:\\s+found)?" LIMIT "$",
     CN_COND_GOOD_CONFIG,
     {G_METRIC, BOUND_GROUPS}},
    {"^best\\s+(?:(?:node|config|mean)(?:'s)?\\s+)?" METRIC "\\s*" BOUND "$",
     CN_COND_BEST,
     {G_METRIC, BOUND_GROUPS}},
    {"^branching\\s+rate" RATE_CMP WINDOW "$",
     CN_COND_BRANCHING_BELOW,
     {RATE_GROUPS, WINDOW_GROUPS}},
    {"^improvement\\s+rate" RATE_CMP WINDOW "$",
     CN_COND_IMPROVEMENT_BELOW,
     {RATE_GROUPS, WINDOW_GROUPS}},
    {"^(?:if\\s+)?(<=|<|fewer than|less than|>=|>|more than)\\s*" NUM
     "\\s*(%)?\\s*(?:of (?:the )?" ITERS " )?improving$",
     CN_COND_IMPROVEMENT_BELOW,
     {RATE_GROUPS}},
    {"^fail(?:ure|ed)\\s+(?:rate|share)" RATE_CMP WINDOW "$",
     CN_COND_FAILURE_BELOW,
     {RATE_GROUPS, WINDOW_GROUPS}},
    {"^(?:converged|convergence|success)\\s+(?:rate|share)" RATE_CMP WINDOW "$",
     CN_COND_CONVERGED_BELOW,
     {RATE_GROUPS, WINDOW_GROUPS}},
    {"^(?:same\\s+)?(?:" METRIC "\\s+)?plateau\\s*\\(?\\s*\\+/?-\\s*" NUM "\\s*\\)?" FOR
     "\\s*\\??$",
     CN_COND_PLATEAU,
     {G_METRIC, G_TOLERANCE, COUNT_GROUPS}},
    {"^stuck$", CN_COND_PLATEAU, {G_END}},
    {"^(?:no\\s+(?:improvement|progress|gain)|not\\s+improv(?:ed|ing))\\s+(?:for|in|over)\\s+"
     "(?:the\\s+)?(?:last\\s+)?" K "(?:consecutive\\s+)?" ITERS "$",
     CN_COND_NO_IMPROVEMENT,
     {COUNT_GROUPS}},
    {"^" K "(?:consecutive\\s+)?partial(?:\\s+" ITERS ")?\\s*(?:and|&|but|,)\\s*improving$",
     CN_COND_PARTIAL_IMPROVING,
     {COUNT_GROUPS}},
    {"^" K "(?:consecutive\\s+)?partial(?:\\s+" ITERS
     ")?\\s+at\\s+(?:a|an|the|its|one)\\s+" EDGE "(?:\\s+of (?:a|its|the) range)?$",
     CN_COND_PARTIAL_AT_END,
     {COUNT_GROUPS}},
    {"^(?:a\\s+)?parameter\\s+(?:sits\\s+|is\\s+)?at\\s+(?:a|an|the|its)\\s+" EDGE FOR "$",
     CN_COND_PARTIAL_AT_END,
     {COUNT_GROUPS}},
    {"^" K
     "(consecutive\\s+)?(?:mutations|changes)\\s+(?:of|to|in)\\s+(?:the\\s+|one\\s+|a\\s+)?"
     "(?:same\\s+|single\\s+)?(?:parameter|dimension)(\\s+in a row)?" BLOCK "$",
     CN_COND_SAME_PARAM,
     {COUNT_GROUPS, G_IN_A_ROW, G_IN_A_ROW}},
    {"^(?:the\\s+)?same\\s+(?:parameter|dimension)\\s+(?:mutated|changed)\\s+" K
     "(?:times)?\\s*(in a row)?" BLOCK "$",
     CN_COND_SAME_PARAM,
     {COUNT_GROUPS, G_IN_A_ROW}},
    {"^" K "distant\\s+(?:nodes|configs?|configurations)\\s*\\(?(?:with\\s+|at\\s+)?(?:" METRIC
     "\\s*)?" BOUND "\\s*\\)?$",
     CN_COND_DISTANT,
     {COUNT_GROUPS, G_METRIC, BOUND_GROUPS}},
    {"^(?:the\\s+)?same\\s+config(?:uration)?\\s+differs\\s+by\\s*" BOUND "(?:\\s+in\\s+" METRIC
     ")?$",
     CN_COND_SPREAD,
     {BOUND_GROUPS, G_METRIC}},
    {"^replicates\\s+differ\\s+by\\s*" BOUND "(?:\\s+in\\s+" METRIC ")?$",
     CN_COND_SPREAD,
     {BOUND_GROUPS, G_METRIC}},
    {"^degeneracy(?:\\s+gap)?\\s*" BOUND FOR "$", CN_COND_METRIC, {BOUND_GROUPS, COUNT_GROUPS}},
    {"^(?:degeneracy\\s+gap\\s*)?\\(?\\s*" METRIC "\\s+-\\s+" METRIC "\\s*\\)?\\s*" BOUND FOR
     "$",
     CN_COND_METRIC,
     {G_METRIC, G_MINUS, BOUND_GROUPS, COUNT_GROUPS}},
    {"^(?:in\\s+|during\\s+)?(?:the\\s+)?first\\s+" K ITERS BLOCK "$",
     CN_COND_FIRST,
     {COUNT_GROUPS}},
    {"^(?:in\\s+|during\\s+)?(?:the\\s+)?last\\s+" K ITERS BLOCK "$",
     CN_COND_LAST,
     {COUNT_GROUPS}},
    {"^iter_in_block\\s*(<=|<)\\s*" COUNT "$", CN_COND_FIRST, {G_LESS, G_COUNT, G_DIV}},
    {"^slots?\\s*(?:==?|:)?\\s*(\\d+)(?:\\s*(?:-|to|\\.\\.)\\s*(\\d+))?$",
     CN_COND_SLOT,
     {G_COUNT, G_LAST}},
    {"^" METRIC "\\s*" BOUND FOR "$", CN_COND_METRIC, {G_METRIC, BOUND_GROUPS, COUNT_GROUPS}},
    {"^" K "(?:" ITERS "\\s+(?:with\\s+|of\\s+)?)?" METRIC "\\s*" BOUND "$",
     CN_COND_METRIC,
     {COUNT_GROUPS, G_METRIC, BOUND_GROUPS}},
};
enum { N_FORMS = sizeof(forms) / sizeof(forms[0]) };

/* ---- 2. numbers into a rule ---- */

struct row {
    struct cn_arena *a;
    const char *file;
    int line;
    const char *condition; /* the whole cell */
    const char *metric;    /* the protocol's reward */
    struct cn_pattern *patterns[N_FORMS];
    struct cn_err *err;
};

static cn_status refuse(const struct row *w, const char *value, const char *expected)
{
    return cn_err_set(w->err, CN_EINPUT, "%s:%d: condition \"%s\": \"%s\": expected %s",
                      w->file, w->line, w->condition, value, expected);
}

static cn_status no_memory(const struct row *w)
{
    return cn_err_set(w->err, CN_ENOMEM, "%s:%d: no memory for a rule", w->file, w->line);
}

static cn_status read_count(const struct row *w, const char *s, int64_t *out)
{
    if (!rules_count(s, out) || *out < 1 || *out > 1000000)
        return refuse(w, s, "a count of iterations from 1");
    return CN_OK;
}

static cn_status read_slot(const struct row *w, const char *s, int64_t *out)
{
    if (!cn_text_parse_int64(s, out) || *out > 1000000)
        return refuse(w, s, "a slot number from 0");
    return CN_OK;
}

static cn_status read_number(const struct row *w, const char *s, double *out)
{
    const char *digits = s[0] == '+' ? s + 1 : s;

    if (!cn_text_parse_double(digits, out) || !isfinite(*out))
        return refuse(w, s, "a finite number");
    return CN_OK;
}

/* NULL stands for the reward in `metric`, "" in `minus`. */
static cn_status read_metric(const struct row *w, const char *s, const char *reward,
                             const char **out)
{
    const char *name = rules_metric_name(w->a, s);

    if (!name)
        return no_memory(w);
    *out = rules_is_reward(name, w->metric) ? reward : name;
    return CN_OK;
}

static void take_comparison(const char *s, struct cn_rule *r)
{
    r->has_threshold = true;
    rules_comparison(s, &r->threshold_below, &r->threshold_strict);
}

static void take_rate_comparison(const char *s, struct cn_rule *r)
{
    bool above = s[0] == '>' || s[0] == 'a' || s[0] == 'A' || s[0] == 'o' || s[0] == 'O' ||
                 s[0] == 'm' || s[0] == 'M'; /* above, over, more than */

    r->rate_or_equal = s[0] && s[1] == '=';
    if (above && r->cond == CN_COND_IMPROVEMENT_BELOW)
        r->cond = CN_COND_IMPROVEMENT_ABOVE;
    else if (above && r->cond == CN_COND_BRANCHING_BELOW)
        r->cond = CN_COND_BRANCHING_ABOVE;
    else if (above && r->cond == CN_COND_FAILURE_BELOW)
        r->cond = CN_COND_FAILURE_ABOVE;
    else if (above && r->cond == CN_COND_CONVERGED_BELOW)
        r->cond = CN_COND_CONVERGED_ABOVE;
}

/* "> 4" is 5, "more than 4" too, "over 4" too. */
static bool is_more(const char *s)
{
    return cn_words_same(s, ">") || cn_words_same(s, "more than") || cn_words_same(s, "over");
}

static cn_status take_group(const struct row *w, group g, const char *s, struct cn_rule *r)
{
    switch (g) {
    case G_MORE:
        r->count_plus = is_more(s);
        return CN_OK;
    case G_LESS:
        r->count_plus = strcmp(s, "<") == 0 ? -1 : 0;
        return CN_OK;
    case G_COUNT:
        return r->cond == CN_COND_SLOT ? read_slot(w, s, &r->count)
                                       : read_count(w, s, &r->count);
    case G_DIV:
        return read_count(w, s, &r->count_div);
    case G_LAST:
        return read_slot(w, s, &r->count_last);
    case G_METRIC:
        return read_metric(w, s, NULL, &r->metric);
    case G_MINUS:
        return read_metric(w, s, "", &r->minus);
    case G_CMP:
        take_comparison(s, r);
        return CN_OK;
    case G_LIMIT:
        return read_number(w, s, &r->threshold);
    case G_LIMIT_PERCENT:
        r->threshold /= 100;
        return CN_OK;
    case G_RATE_CMP:
        take_rate_comparison(s, r);
        return CN_OK;
    case G_RATE:
        return read_number(w, s, &r->rate);
    case G_PERCENT:
        r->rate /= 100;
        return CN_OK;
    case G_WHOLE:
        r->window_block = true;
        return CN_OK;
    case G_WINDOW:
        return read_count(w, s, &r->window);
    case G_WINDOW_DIV:
        return read_count(w, s, &r->window_div);
    case G_TOLERANCE:
        return read_number(w, s, &r->tolerance);
    case G_CLASS:
        r->cls = s[0] == 'p' || s[0] == 'P' ? CN_RULE_CLASS_PARTIAL : CN_RULE_CLASS_FAILED;
        return CN_OK;
    case G_IN_A_ROW:
        r->in_a_row = true;
        return CN_OK;
    case G_WINDOW_MORE: /* "over the last >= 4 iters" */
    case G_END:
        break;
    }
    return CN_OK;
}

static cn_status check_rate(const struct row *w, const struct cn_rule *r)
{
    char text[CN_NUM_TEXT];

    return r->rate >= 0 && r->rate <= 1
               ? CN_OK
               : refuse(w, cn_text_double(100 * r->rate, text), "a rate of 0 to 100 per cent");
}

/* Limits that no single group knows. */
static cn_status check_condition(const struct row *w, const struct cn_rule *r)
{
    char text[CN_NUM_TEXT];

    switch (r->cond) {
    case CN_COND_BRANCHING_BELOW:
    case CN_COND_BRANCHING_ABOVE:
    case CN_COND_IMPROVEMENT_BELOW:
    case CN_COND_IMPROVEMENT_ABOVE:
    case CN_COND_FAILURE_BELOW:
    case CN_COND_FAILURE_ABOVE:
    case CN_COND_CONVERGED_BELOW:
    case CN_COND_CONVERGED_ABOVE:
        return check_rate(w, r);
    case CN_COND_PLATEAU:
        return r->tolerance >= 0
                   ? CN_OK
                   : refuse(w, cn_text_double(r->tolerance, text), "a tolerance from 0");
    case CN_COND_DISTANT:
        return r->count_div > 0 || (r->count >= 2 && r->count <= RULES_DISTANT_MAX)
                   ? CN_OK
                   : refuse(w, cn_text_double((double)r->count, text), "2 to 8 nodes");
    case CN_COND_SPREAD:
        return !r->threshold_below
                   ? CN_OK
                   : refuse(w, cn_text_double(r->threshold, text), "\"differs by > X\"");
    case CN_COND_FIRST:
        return r->count_div > 0 || r->count >= 1 ? CN_OK
                                                 : refuse(w, "0", "at least one iteration");
    case CN_COND_SLOT:
        return r->count <= r->count_last
                   ? CN_OK
                   : refuse(w, cn_text_double((double)r->count_last, text),
                            "a last slot that is not below the first");
    default:
        return CN_OK;
    }
}

/* ---- 3. one condition ---- */

/* What the words leave out. */
static void complete(struct cn_rule *r, const struct form *f, const char *words,
                     const char *reward)
{
    bool counts = r->count > 0 || r->count_div > 0;

    if (r->count_div == 0) {
        r->count += r->count_plus;
        r->count_plus = 0;
    }
    if (r->cond == CN_COND_PLATEAU && !counts)
        r->count = 3; /* seed 002: "same plateau (+/-0.05) for 3+ iterations" */
    if (r->cond == CN_COND_PLATEAU && cn_words_same(words, "stuck"))
        r->tolerance = .05;
    if (r->cond == CN_COND_PARTIAL_AT_END && !counts)
        r->count = 3; /* the protocols' "3+ partial at a boundary" */
    if (r->cond == CN_COND_METRIC && !counts)
        r->count = 1;
    if (r->cond == CN_COND_SLOT && r->count_last == 0)
        r->count_last = r->count;
    if (f->cond == CN_COND_METRIC && f->groups[0] == G_CMP) { /* the degeneracy gap */
        r->metric = "test_pearson";
        r->minus = rules_is_reward("connectivity_R2", reward) ? "" : "connectivity_R2";
    }
}

static cn_status try_form(struct row *w, size_t which, const char *words, struct cn_rule *r,
                          bool *matched)
{
    const struct form *f = &forms[which];
    struct cn_span m[MAX_GROUPS + 1];
    cn_status st = CN_OK;
    int n;

    *matched = false;
    if (!w->patterns[which])
        st = cn_pattern_new(f->regex, CN_PATTERN_CASELESS, &w->patterns[which], w->err);
    if (st != CN_OK)
        return st;
    n = cn_pattern_match(w->patterns[which], words, strlen(words), 0, m, MAX_GROUPS + 1);
    *matched = n > 0;
    if (n <= 0)
        return CN_OK;
    r->cond = f->cond;
    for (int i = 1; i < n && st == CN_OK && f->groups[i - 1] != G_END; i++) {
        const char *s;

        if (m[i].start == (size_t)-1)
            continue;
        s = cn_arena_strndup(w->a, words + m[i].start, m[i].end - m[i].start);
        st = s ? take_group(w, f->groups[i - 1], s, r) : no_memory(w);
    }
    complete(r, f, words, w->metric);
    return st == CN_OK ? check_condition(w, r) : st;
}

/* The condition's fields of `r`; *known false: no form fits. */
static cn_status parse_single(struct row *w, const char *words, struct cn_rule *r, bool *known)
{
    *known = false;
    for (size_t i = 0; i < N_FORMS && !*known; i++) {
        struct cn_rule one = {.note = ""};
        cn_status st = try_form(w, i, words, &one, known);

        if (st != CN_OK)
            return st;
        if (*known)
            *r = one;
    }
    return CN_OK;
}

/* ---- 4. joined conditions ---- */

enum { MAX_TERMS = 8, MAX_JOINTS = MAX_TERMS - 1 };

static const char *const joints[2][3] = {{" or ", NULL, NULL}, {" and ", " && ", " & "}};

/* The next joint of the level at or after `from`; its length in *len. NULL: none. */
static const char *next_joint(const char *from, int level, size_t *len)
{
    for (const char *s = from; *s; s++)
        for (int i = 0; i < 3 && joints[level][i]; i++)
            if (cn_words_start(s, joints[level][i])) {
                *len = strlen(joints[level][i]);
                return s;
            }
    return NULL;
}

/* words[0..n) without the commas at its ends and without "when", "if" before it. */
static const char *part(struct row *w, const char *words, size_t n)
{
    while (n > 0 && (words[n - 1] == ' ' || words[n - 1] == ','))
        n--;
    while (n > 0 && (*words == ' ' || *words == ',')) {
        words++;
        n--;
    }
    return cn_arena_strndup(w->a, words, n);
}

static cn_status parse_level(struct row *w, const char *words, int level, struct cn_rule *r,
                             bool *known);

/* words = first (joint rest): both known? */
static cn_status parse_joined(struct row *w, const char *words, const char *joint, size_t len,
                              int level, struct cn_rule *r, bool *known)
{
    cn_cond_kind kind = level == 0 ? CN_COND_ANY : CN_COND_ALL;
    struct cn_rule first, rest, *terms;
    const char *left = part(w, words, (size_t)(joint - words)),
               *right = part(w, joint + len, strlen(joint + len));
    int32_t n = 1;
    cn_status st;

    if (!left || !right)
        return no_memory(w);
    st = parse_level(w, left, level + 1, &first, known);
    if (st == CN_OK && *known)
        st = parse_level(w, right, level, &rest, known);
    if (st != CN_OK || !*known)
        return st;
    terms = cn_arena_alloc(w->a, MAX_TERMS + 1, sizeof(*terms));
    if (!terms)
        return no_memory(w);
    terms[0] = first;
    if (rest.cond == kind)
        for (int32_t i = 0; i < rest.n_terms && n < MAX_TERMS; i++)
            terms[n++] = rest.terms[i];
    else
        terms[n++] = rest;
    *r = (struct cn_rule){.cond = kind, .note = "", .terms = terms, .n_terms = n};
    return CN_OK;
}

/* Level 0: joined by or; 1: by and; 2: a single condition. A condition may hold these words itself
 * ("4+ partial and improving"), so the whole is tried before it is parted. */
static cn_status parse_level(struct row *w, const char *words, int level, struct cn_rule *r,
                             bool *known)
{
    cn_status st;
    size_t len = 0;

    if (level == 2) {
        st = parse_single(w, words, r, known);
        if (st == CN_OK && *known && r->cond == CN_COND_DEFAULT)
            *known = false; /* "Default and ..." says nothing */
        return st;
    }
    st = parse_level(w, words, level + 1, r, known);
    for (const char *s = words; st == CN_OK && !*known && (s = next_joint(s, level, &len)); s++)
        st = parse_joined(w, words, s, len, level, r, known);
    return st;
}

static int count_joints(const char *words)
{
    int n = 0;
    size_t len = 0;

    for (int level = 0; level < 2; level++)
        for (const char *s = words; (s = next_joint(s, level, &len)); s += len - 1)
            n++;
    return n;
}

/* ---- 5. a row ---- */

/* The longest beginning of the condition that is understood alone; 0: none. */
static cn_status known_beginning(struct row *w, const char *words, size_t *out)
{
    *out = 0;
    for (size_t n = strlen(words); n > 0; n--) {
        struct cn_rule r;
        bool known;
        const char *head;
        cn_status st;

        if (words[n] != ' ' && words[n] != ',')
            continue;
        head = part(w, words, n);
        if (!head)
            return no_memory(w);
        st = parse_level(w, head, 0, &r, &known);
        if (st != CN_OK)
            return CN_OK; /* a number out of range: no use as a hint */
        if (known) {
            *out = strlen(head);
            return CN_OK;
        }
    }
    return CN_OK;
}

enum { HINT_LENGTH = 300, HINT_SHOWN = 120 };

static cn_status tell_unknown(struct row *w, struct cn_rule *r)
{
    const char *words = r->condition, *form = rules_nearest_form(words);
    size_t n = 0, rest;
    cn_status st = strlen(words) <= HINT_LENGTH && count_joints(words) <= 3
                       ? known_beginning(w, words, &n)
                       : CN_OK;

    if (st != CN_OK)
        return st;
    rest = n;
    while (rest > 0 && (words[rest] == ' ' || words[rest] == ','))
        rest++;
    if (n > 0)
        r->note = cn_arena_printf(
            w->a, "the host does not know \"%.*s\" behind \"%.*s\"",
            (int)cn_text_utf8_cut(words + rest, strlen(words + rest), HINT_SHOWN), words + rest,
            (int)cn_text_utf8_cut(words, n, HINT_SHOWN), words);
    else if (form)
        r->note = cn_arena_printf(w->a,
                                  "the host does not know this condition; the nearest that it "
                                  "knows is \"%s\"",
                                  form);
    else
        r->note = "the host does not know this condition; it is for the reader";
    return r->note ? CN_OK : no_memory(w);
}

static cn_status parse_condition(struct row *w, struct cn_rule *r)
{
    struct cn_rule found = {.note = ""};
    bool known = false;
    cn_status st = CN_OK;

    if (count_joints(w->condition) <= MAX_JOINTS)
        st = parse_level(w, w->condition, 0, &found, &known);
    if (st == CN_OK && !known)
        st = parse_single(w, w->condition, &found, &known);
    if (st != CN_OK)
        return st;
    if (!known)
        found = (struct cn_rule){.cond = CN_COND_PROSE, .note = ""};
    found.line = w->line;
    found.condition = w->condition;
    found.strategy_text = r->strategy_text;
    found.action = r->action;
    *r = found;
    return known ? CN_OK : tell_unknown(w, r);
}

static cn_status tell_strategy(struct row *w, struct cn_rule *r)
{
    const char *names[CN_STRATEGY_OTHER];
    int nearest;

    for (int s = 0; s < CN_STRATEGY_OTHER; s++)
        names[s] = cn_strategy_name((cn_strategy)s);
    nearest = cn_text_nearest(r->strategy_text, names, CN_STRATEGY_OTHER);
    r->cond = CN_COND_PROSE;
    r->note = nearest >= 0
                  ? cn_arena_printf(w->a,
                                    "the host cannot carry out this strategy; did you mean "
                                    "\"%s\"?",
                                    names[nearest])
                  : "the host cannot carry out this strategy; the row is for the reader";
    return r->note ? CN_OK : no_memory(w);
}

cn_status cn_rule_parse(struct cn_arena *a, const char *condition, const char *strategy,
                        const char *action, const char *reward_metric, const char *file,
                        int line, struct cn_rule *out, struct cn_err *err)
{
    struct row w = {.a = a, .file = file, .line = line, .metric = reward_metric, .err = err};
    cn_status st;

    *out = (struct cn_rule){.note = "", .line = line};
    out->condition = w.condition = cn_words_plain(a, condition, strlen(condition));
    out->strategy_text = cn_words_plain(a, strategy, strlen(strategy));
    out->action = cn_words_plain(a, action, strlen(action));
    if (!out->condition || !out->strategy_text || !out->action)
        return no_memory(&w);
    st = parse_condition(&w, out);
    if (st == CN_OK && !cn_strategy_parse(out->strategy_text, &out->strategy) &&
        out->cond != CN_COND_PROSE)
        st = tell_strategy(&w, out);
    for (size_t i = 0; i < N_FORMS; i++)
        cn_pattern_free(w.patterns[i]);
    return st == CN_OK ? rules_action(out, err) : st;
}
