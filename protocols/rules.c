/* Which row fires; the semantics stand in rules.h. */
#include "protocols/rules.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "protocols/words.h"

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

bool cn_strategy_parse(const char *name, cn_strategy *out)
{
    static const struct {
        const char *old;
        cn_strategy now;
    } aliases[] = {{"forced-branch", CN_STRATEGY_FORCE_BRANCH},
                   {"success-exploit", CN_STRATEGY_EXPLOIT},
                   {"robustness test", CN_STRATEGY_ROBUSTNESS_TEST},
                   {"failure probe", CN_STRATEGY_FAILURE_PROBE}};

    for (int s = 0; s < CN_STRATEGY_OTHER; s++)
        if (cn_words_same(name, strategy_names[s])) {
            *out = (cn_strategy)s;
            return true;
        }
    for (size_t i = 0; i < sizeof(aliases) / sizeof(aliases[0]); i++)
        if (cn_words_same(name, aliases[i].old)) {
            *out = aliases[i].now;
            return true;
        }
    *out = CN_STRATEGY_OTHER;
    return false;
}

const char *cn_parent_rule_name(cn_parent_rule r)
{
    static const char *const names[] = {"highest UCB", "highest UCB not among the last k",
                                        "random among the top k", "best node, unchanged"};
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

/* ---- conditions ---- */

static int64_t resolve(int64_t k, int64_t div, int64_t n_iter_block)
{
    if (div > 0)
        k = n_iter_block / div;
    return k < 1 ? 1 : k;
}

static bool success(const struct cn_rule *r, const struct cn_rule_context *c, double reward)
{
    bool below = r->has_threshold ? r->threshold_below : c->lower_is_better;
    double limit = r->has_threshold ? r->threshold : c->converged;
    double metric = c->lower_is_better ? -reward : reward;

    if (isnan(reward))
        return false;
    if (r->has_threshold && r->threshold_strict)
        return below ? metric < limit : metric > limit;
    return below ? metric <= limit : metric >= limit;
}

/* The newest iteration whose strategy came from this row; 0 = it never fired in this block. */
static int64_t last_fired(const struct cn_rule_context *c, int32_t row)
{
    for (int64_t i = c->n_facts - 1; i >= 0; i--)
        if (c->facts[i].row == row)
            return c->facts[i].iteration;
    return 0;
}

static int64_t finished_after(const struct cn_rule_context *c, int64_t iteration)
{
    int64_t n = 0;

    for (int64_t i = 0; i < c->n_facts; i++)
        n += c->facts[i].finished && c->facts[i].iteration > iteration;
    return n;
}

/* A row that is no streak rests after it fired. */
static bool resting(const struct cn_rule_context *c, int32_t row)
{
    int64_t fired = last_fired(c, row);

    return fired > 0 && finished_after(c, fired) < resolve(0, 4, c->n_iter_block);
}

enum { SHOWN_IDS = 6 };

/* The newest finished iterations since the row last fired, walked backwards. */
struct streak {
    int64_t n, first, last; /* length; lowest and highest id */
    int64_t ids[SHOWN_IDS]; /* descending */
    double lo, hi;          /* rewards */
};

static void streak_add(struct streak *s, const struct cn_rule_fact *f)
{
    if (s->n == 0)
        s->last = f->iteration;
    if (s->n < SHOWN_IDS)
        s->ids[s->n] = f->iteration;
    s->first = f->iteration;
    s->n++;
}

/* "iterations 4, 5, 6", or "iterations 4 to 12 (9)". */
static void put_streak(struct cn_buf *b, const struct streak *s)
{
    if (s->n > SHOWN_IDS) {
        cn_buf_printf(b, "iterations %" PRId64 " to %" PRId64 " (%" PRId64 ")", s->first,
                      s->last, s->n);
        return;
    }
    cn_buf_adds(b, s->n == 1 ? "iteration " : "iterations ");
    for (int64_t i = s->n - 1; i >= 0; i--)
        cn_buf_printf(b, "%" PRId64 "%s", s->ids[i], i > 0 ? ", " : "");
}

static bool consecutive(const struct cn_rule *r, int32_t row, const struct cn_rule_context *c,
                        struct cn_buf *why)
{
    int64_t k = resolve(r->count, r->count_div, c->n_iter_block), floor_id = last_fired(c, row);
    struct streak s = {0};

    for (int64_t i = c->n_facts - 1; i >= 0 && s.n < k; i--) {
        const struct cn_rule_fact *f = &c->facts[i];

        if (f->iteration <= floor_id)
            break;
        if (!f->finished)
            continue;
        if (f->failed || !success(r, c, f->reward))
            break;
        streak_add(&s, f);
    }
    put_streak(why, &s);
    return s.n >= k;
}

static bool plateau(const struct cn_rule *r, int32_t row, const struct cn_rule_context *c,
                    struct cn_buf *why)
{
    int64_t k = resolve(r->count, r->count_div, c->n_iter_block), floor_id = last_fired(c, row);
    double sign = c->lower_is_better ? -1 : 1;
    struct streak s = {.lo = (double)INFINITY, .hi = -(double)INFINITY};

    for (int64_t i = c->n_facts - 1; i >= 0 && s.n < k; i--) {
        const struct cn_rule_fact *f = &c->facts[i];

        if (f->iteration <= floor_id)
            break;
        if (!f->finished)
            continue;
        if (f->failed || isnan(f->reward))
            break;
        s.lo = fmin(s.lo, sign * f->reward);
        s.hi = fmax(s.hi, sign * f->reward);
        if ((s.hi - s.lo) / 2 > r->tolerance)
            break;
        streak_add(&s, f);
    }
    put_streak(why, &s);
    cn_buf_printf(why, " within %.4g to %.4g", s.lo, s.hi);
    return s.n >= k;
}

/* Mean of the node's ok rewards; *trainings counts every iteration of it, in flight and failed
 * included. */
static double node_mean(const struct cn_rule_context *c, int64_t node, int64_t *trainings)
{
    double sum = 0;
    int64_t ok = 0;

    *trainings = 0;
    for (int64_t i = 0; i < c->n_facts; i++) {
        const struct cn_rule_fact *f = &c->facts[i];

        if (f->node != node)
            continue;
        ++*trainings;
        if (f->finished && !f->failed && !isnan(f->reward)) {
            sum += f->reward;
            ok++;
        }
    }
    return ok > 0 ? sum / (double)ok : (double)NAN;
}

static int64_t best_node(const struct cn_rule_context *c, double *mean, int64_t *trainings)
{
    int64_t best = 0;

    *mean = (double)NAN;
    *trainings = 0;
    for (int64_t i = 0; i < c->n_facts; i++) {
        int64_t n;
        double m = node_mean(c, c->facts[i].node, &n);

        if (isnan(m))
            continue;
        if (best == 0 || m > *mean || (m == *mean && c->facts[i].node < best)) {
            best = c->facts[i].node;
            *mean = m;
            *trainings = n;
        }
    }
    return best;
}

static bool good_config(const struct cn_rule *r, int32_t row, const struct cn_rule_context *c,
                        struct cn_buf *why)
{
    double mean;
    int64_t trainings, node = best_node(c, &mean, &trainings);

    if (node == 0 || trainings != 1 || resting(c, row))
        return false;
    cn_buf_printf(why, "node %" PRId64 " reached %.4g in its only training", node,
                  c->lower_is_better ? -mean : mean);
    return success(r, c, mean);
}

static bool rate_holds(const struct cn_rule *r, double rate, struct cn_buf *why)
{
    if (isnan(rate))
        return false;
    cn_buf_printf(why, "%.0f%% now", 100 * rate);
    return r->cond == CN_COND_IMPROVEMENT_ABOVE ? rate > r->rate : rate < r->rate;
}

static bool holds(const struct cn_rule *r, int32_t row, const struct cn_rule_context *c,
                  struct cn_buf *why)
{
    switch (r->cond) {
    case CN_COND_CONSECUTIVE:
        return consecutive(r, row, c, why);
    case CN_COND_PLATEAU:
        return plateau(r, row, c, why);
    case CN_COND_GOOD_CONFIG:
        return good_config(r, row, c, why);
    case CN_COND_BRANCHING_BELOW:
        return rate_holds(r, c->branching_rate, why);
    case CN_COND_IMPROVEMENT_BELOW:
    case CN_COND_IMPROVEMENT_ABOVE:
        return !resting(c, row) && rate_holds(r, c->improvement_rate, why);
    case CN_COND_DEFAULT: /* kept for the end */
    case CN_COND_PROSE:
        break;
    }
    return false;
}

/* ---- the choice ---- */

static void fill(struct cn_rule_choice *out, const struct cn_rule *r, int32_t row,
                 const struct cn_rule_context *c, const char *why)
{
    double mean;
    int64_t trainings;
    /* A condition is a table cell and may be long; the numbers matter more. */
    size_t shown = cn_text_utf8_cut(r->condition, strlen(r->condition), 160);

    out->row = row;
    out->strategy = r->strategy;
    out->parent_rule = r->parent_rule;
    out->k = resolve(r->parent_k, r->parent_div, c->n_iter_block);
    out->rerun_node =
        r->parent_rule == CN_PARENT_BEST_RERUN ? best_node(c, &mean, &trainings) : 0;
    out->strategy_name = cn_strategy_name(r->strategy);
    cn_text_format(out->text, sizeof(out->text), "row %d: %.*s%s%.200s", (int)row + 1,
                   (int)shown, r->condition, why[0] ? ": " : "", why);
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

    *out = (struct cn_rule_choice){0};
    check_facts(c);
    cn_buf_init(&why, CN_RULE_TEXT);
    for (int32_t i = 0; i < n_rules && chosen < 0; i++) {
        cn_buf_reset(&why);
        if (holds(&rules[i], i, c, &why))
            chosen = i;
    }
    if (chosen < 0)
        cn_buf_reset(&why);
    for (int32_t i = 0; i < n_rules && chosen < 0; i++)
        if (rules[i].cond == CN_COND_DEFAULT)
            chosen = i;
    if (chosen >= 0) {
        fill(out, &rules[chosen], chosen, c, cn_buf_str(&why));
    } else {
        fill(out, &implied, n_rules, c, "");
        cn_text_copy(out->text, sizeof(out->text),
                     "no row holds and the table has no Default: exploit");
    }
    cn_buf_clear(&why);
}
