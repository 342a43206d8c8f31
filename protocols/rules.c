/* Which row fires; the semantics stand in rules.h. */
#include "protocols/rules.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "protocols/rules_int.h"
#include "protocols/words.h"

enum { SHOWN_CONDITION = 160, SHOWN_WHY = 240 };

/* ---- names ---- */

const char *cn_cond_name(cn_cond_kind k)
{
    static const char *const names[] = {
#define X(name, text) text,
        CN_COND_MAP(X)
#undef X
    };
    return names[k];
}

static const char *const strategy_names[] = {
#define X(name, text) text,
    CN_STRATEGY_MAP(X)
#undef X
};

const char *cn_strategy_name(cn_strategy s)
{
    return strategy_names[s];
}

/* "Robustness test" for robustness-test: case, blanks and underlines do not matter. */
static bool same_name(const char *words, const char *name)
{
    size_t n = strlen(name);

    for (size_t i = 0; i < n; i++) {
        char c = words[i];

        if (c == ' ' || c == '_')
            c = '-';
        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (c != name[i])
            return false;
    }
    return words[n] == '\0';
}

bool cn_strategy_parse(const char *name, cn_strategy *out)
{
    static const struct {
        const char *old;
        cn_strategy now;
    } aliases[] = {{"forced-branch", CN_STRATEGY_FORCE_BRANCH},
                   {"success-exploit", CN_STRATEGY_EXPLOIT},
                   {"switch-dim", CN_STRATEGY_SWITCH_DIMENSION},
                   {"recombination", CN_STRATEGY_RECOMBINE},
                   {"seed-variation", CN_STRATEGY_SEED_VARY}};

    for (int s = 0; s < CN_STRATEGY_OTHER; s++)
        if (same_name(name, strategy_names[s])) {
            *out = (cn_strategy)s;
            return true;
        }
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (same_name(name, aliases[i].old)) {
            *out = aliases[i].now;
            return true;
        }
    *out = CN_STRATEGY_OTHER;
    return false;
}

const char *cn_parent_rule_name(cn_parent_rule r)
{
    static const char *const names[] = {"highest UCB",
                                        "highest UCB not among the last k",
                                        "random among the top k",
                                        "best node, unchanged",
                                        "second highest UCB",
                                        "best node",
                                        "random node",
                                        "fewest visits",
                                        "most differing node, unchanged",
                                        "by the strategy"};
    return names[r];
}

/* ---- the built-in table ---- */

static const struct cn_rule builtin[] = {
    {.cond = CN_COND_DEFAULT,
     .condition = "Default",
     .strategy_text = "exploit",
     .action = "Use highest UCB node, try new mutation",
     .note = "",
     .strategy = CN_STRATEGY_EXPLOIT,
     .parent_rule = CN_PARENT_TOP,
     .parent_k = 1},
    {.cond = CN_COND_CONSECUTIVE,
     .condition = "3+ consecutive successes",
     .strategy_text = "failure-probe",
     .action = "Push one parameter to an extreme to find where training breaks",
     .note = "",
     .strategy = CN_STRATEGY_FAILURE_PROBE,
     .parent_rule = CN_PARENT_TOP,
     .parent_k = 1,
     .count = 3},
    {.cond = CN_COND_CONSECUTIVE,
     .condition = "n_iter_block/4 consecutive successes",
     .strategy_text = "explore",
     .action = "Use highest UCB node not in last n_iter_block/4 nodes, try new mutation",
     .note = "",
     .strategy = CN_STRATEGY_EXPLORE,
     .parent_rule = CN_PARENT_TOP_NOT_RECENT,
     .parent_div = 4,
     .count_div = 4},
    {.cond = CN_COND_GOOD_CONFIG,
     .condition = "Found good config",
     .strategy_text = "robustness-test",
     .action = "Train the best node again unchanged",
     .note = "",
     .strategy = CN_STRATEGY_ROBUSTNESS_TEST,
     .parent_rule = CN_PARENT_BEST_RERUN,
     .parent_k = 1},
    {.cond = CN_COND_BRANCHING_BELOW,
     .condition = "Branching rate < 20% in last block",
     .strategy_text = "force-branch",
     .action = "Select random node from top 3 UCB, not the sequential parent",
     .note = "",
     .strategy = CN_STRATEGY_FORCE_BRANCH,
     .parent_rule = CN_PARENT_RANDOM_TOP,
     .parent_k = 3,
     .rate = .2},
};

const struct cn_rule *cn_rules_default(int32_t *out_n)
{
    *out_n = (int32_t)(sizeof(builtin) / sizeof(builtin[0]));
    return builtin;
}

/* ---- an iteration's row ---- */

/* A condition is a table cell and may be long; the numbers behind it matter more. */
static size_t shown_length(const char *condition)
{
    return cn_text_utf8_cut(condition, strlen(condition), SHOWN_CONDITION);
}

/* Length of the shown condition when the words begin with it, else 0. */
static size_t begins_with(const char *words, const char *condition)
{
    size_t n = shown_length(condition);

    return n > 0 && strncmp(words, condition, n) == 0 &&
                   (words[n] == '\0' || words[n] == ':' || words[n] == ';')
               ? n
               : 0;
}

int32_t cn_rules_row_of(const struct cn_rule *rules, int32_t n_rules, const char *parent_rule,
                        const char *strategy)
{
    int64_t number = 0, best = 0;
    int32_t row = -1;
    const char *words = parent_rule + 4;
    cn_strategy s;

    if (!cn_text_starts(parent_rule, "row "))
        return -1;
    while (*words >= '0' && *words <= '9' && number < 1000000)
        number = 10 * number + (*words++ - '0');
    if (words[0] != ':' || words[1] != ' ')
        return -1;
    words += 2;
    (void)cn_strategy_parse(strategy, &s);
    for (int32_t i = 0; i < n_rules; i++) {
        /* A longer condition, then the strategy, then the number: in this order. */
        int64_t fit = 4 * (int64_t)begins_with(words, rules[i].condition);

        if (fit > 0)
            fit += 2 * (rules[i].strategy == s) + (number == i + 1);
        if (fit > best) {
            best = fit;
            row = i;
        }
    }
    return row;
}

/* ---- the choice ---- */

static int64_t rerun_of(const struct cn_rule *r, const struct cn_rule_context *c,
                        const struct rules_evidence *e)
{
    double mean;
    int64_t trainings;

    if (r->parent_rule == CN_PARENT_BEST_RERUN)
        return rules_best_node(c, &mean, &trainings);
    return r->parent_rule == CN_PARENT_SPREAD_RERUN ? e->nodes[0] : 0;
}

static void fill(struct cn_rule_choice *out, const struct cn_rule *r, int32_t row,
                 const struct cn_rule_context *c, struct rules_evidence *e)
{
    const char *why = cn_buf_str(e->why);

    rules_evidence_for(r->strategy, c, e);
    out->row = row;
    out->strategy = r->strategy;
    out->parent_rule = r->parent_rule;
    out->k = rules_resolve(r->parent_k, r->parent_div, c->n_iter_block);
    out->rerun_node = rerun_of(r, c, e);
    out->nodes[0] = e->nodes[0];
    out->nodes[1] = e->nodes[1];
    out->param = e->param;
    out->strategy_name = cn_strategy_name(r->strategy);
    cn_text_format(out->text, sizeof(out->text), "row %d: %.*s%s%.*s", (int)row + 1,
                   (int)shown_length(r->condition), r->condition, why[0] ? ": " : "",
                   (int)cn_text_utf8_cut(why, strlen(why), SHOWN_WHY), why);
}

static void check_facts(const struct cn_rule_context *c)
{
    for (int64_t i = 1; i < c->n_facts; i++)
        if (c->facts[i].iteration <= c->facts[i - 1].iteration)
            CN_BUG("rule facts: iteration %" PRId64 " after %" PRId64, c->facts[i].iteration,
                   c->facts[i - 1].iteration);
}

void cn_rules_choose(const struct cn_rule *rules, int32_t n_rules,
                     const struct cn_rule_context *c, struct cn_rule_choice *out)
{
    static const struct cn_rule implied = {.condition = "Default",
                                           .strategy = CN_STRATEGY_EXPLOIT,
                                           .parent_rule = CN_PARENT_TOP,
                                           .parent_k = 1};
    int32_t chosen = -1;
    struct cn_buf why;
    struct rules_evidence e = {.why = &why, .param = -1};

    *out = (struct cn_rule_choice){0};
    check_facts(c);
    cn_buf_init(&why, CN_CAP_TEXT);
    for (int32_t i = 0; i < n_rules && chosen < 0; i++) {
        cn_buf_reset(&why);
        e = (struct rules_evidence){.why = &why, .param = -1};
        if (rules_holds(&rules[i], i, c, &e))
            chosen = i;
    }
    if (chosen < 0) {
        cn_buf_reset(&why);
        e = (struct rules_evidence){.why = &why, .param = -1};
    }
    for (int32_t i = 0; i < n_rules && chosen < 0; i++)
        if (rules[i].cond == CN_COND_DEFAULT)
            chosen = i;
    if (chosen >= 0) {
        fill(out, &rules[chosen], chosen, c, &e);
    } else {
        fill(out, &implied, n_rules, c, &e);
        cn_text_copy(out->text, sizeof(out->text),
                     "no row holds and the table has no Default: exploit");
    }
    cn_buf_clear(&why);
}
