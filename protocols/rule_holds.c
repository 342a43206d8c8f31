/* Does a condition hold? The semantics stand in rules.h.
 *
 * 1. streaks  2. states  3. rates  4. joined conditions */
#include <inttypes.h>
#include <math.h>

#include "base/banned.h"
#include "protocols/rules_int.h"

int64_t rules_resolve(int64_t k, int64_t div, int64_t n_iter_block)
{
    if (div > 0)
        k = n_iter_block / div;
    return k < 1 ? 1 : k;
}

static int64_t count_of(const struct cn_rule *r, const struct cn_rule_context *c)
{
    return rules_resolve(r->count, r->count_div, c->n_iter_block) + r->count_plus;
}

/* On the metric; the reward again where that is meant. */
static double metric_of(const struct cn_rule_context *c, double reward)
{
    return c->lower_is_better ? -reward : reward;
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
    int64_t fired = rules_last_fired(c, row);

    return fired > 0 && finished_after(c, fired) < rules_resolve(0, 4, c->n_iter_block);
}

/* ---- 1. streaks ---- */

enum { SHOWN_IDS = 6 };

/* The newest finished iterations since the row last fired, walked backwards. */
struct streak {
    int64_t n, first, last; /* length; lowest and highest id */
    int64_t ids[SHOWN_IDS]; /* descending */
    double lo, hi;          /* values */
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

static bool any_at_end(const struct cn_rule_context *c, const struct cn_rule_fact *f)
{
    for (int32_t p = 0; f->at_end && p < c->n_params; p++)
        if (f->at_end[p] != 0)
            return true;
    return false;
}

/* Does a finished iteration carry the streak on? */
static bool carries_on(const struct cn_rule *r, const struct cn_rule_context *c,
                       const struct cn_rule_fact *f, struct streak *s)
{
    double x = rules_value(r, c, f);

    switch (r->cond) {
    case CN_COND_CLASS:
        return r->cls == CN_RULE_CLASS_FAILED ? f->failed || f->cls == r->cls
                                              : !f->failed && f->cls == r->cls;
    case CN_COND_PARTIAL_IMPROVING:
        return !f->failed && f->cls == CN_RULE_CLASS_PARTIAL;
    case CN_COND_PARTIAL_AT_END:
        return !f->failed && f->cls == CN_RULE_CLASS_PARTIAL && any_at_end(c, f);
    case CN_COND_PLATEAU:
        if (isnan(x))
            return false;
        s->lo = fmin(s->lo, x);
        s->hi = fmax(s->hi, x);
        return (s->hi - s->lo) / 2 <= r->tolerance;
    default:
        return rules_reaches(r, c, x);
    }
}

static struct streak streak_of(const struct cn_rule *r, int32_t row,
                               const struct cn_rule_context *c)
{
    int64_t k = count_of(r, c), floor_id = rules_last_fired(c, row);
    struct streak s = {.lo = (double)INFINITY, .hi = -(double)INFINITY};

    for (int64_t i = c->n_facts - 1; i >= 0 && s.n < k; i--) {
        const struct cn_rule_fact *f = &c->facts[i];

        if (f->iteration <= floor_id)
            break;
        if (!f->finished)
            continue;
        if (!carries_on(r, c, f, &s))
            break;
        streak_add(&s, f);
    }
    return s;
}

/* Best reward of ids below `before`; NaN without one. */
static double best_before(const struct cn_rule_context *c, int64_t before)
{
    double best = (double)NAN;

    for (int64_t i = 0; i < c->n_facts && c->facts[i].iteration < before; i++) {
        const struct cn_rule_fact *f = &c->facts[i];

        if (f->finished && !f->failed && !isnan(f->reward) && !(best >= f->reward))
            best = f->reward;
    }
    return best;
}

/* The block's best rose during the streak; when nothing stands before it, above its first. */
static bool rises(const struct cn_rule_context *c, const struct streak *s, struct cn_buf *why)
{
    double before = best_before(c, s->first), after = best_before(c, s->last + 1);

    if (isnan(before))
        before = best_before(c, s->first + 1);
    cn_buf_printf(why, ", best %.4g to %.4g", metric_of(c, before), metric_of(c, after));
    return after > before;
}

static bool streak_holds(const struct cn_rule *r, int32_t row, const struct cn_rule_context *c,
                         struct rules_evidence *e)
{
    struct streak s = streak_of(r, row, c);

    if (s.n < count_of(r, c))
        return false;
    put_streak(e->why, &s);
    if (r->cond == CN_COND_PLATEAU)
        cn_buf_printf(e->why, " within %.4g to %.4g", s.lo, s.hi);
    if (r->cond == CN_COND_METRIC && s.n == 1) {
        const struct cn_rule_fact *f = c->facts;

        while (f->iteration != s.last)
            f++;
        cn_buf_printf(e->why, " has %.4g", rules_value(r, c, f));
    }
    if (r->cond == CN_COND_PARTIAL_AT_END) {
        e->param = rules_at_end(c, s.n);
        cn_buf_printf(e->why, ", %s at the end of its range", c->params[e->param]);
    }
    return r->cond != CN_COND_PARTIAL_IMPROVING || rises(c, &s, e->why);
}

/* Replicates are no attempts: passed over. */
static bool no_improvement(const struct cn_rule *r, int32_t row,
                           const struct cn_rule_context *c, struct rules_evidence *e)
{
    int64_t floor_id = rules_last_fired(c, row), best_id = 0;
    double best = (double)NAN;
    struct streak s = {0};

    for (int64_t i = 0; i < c->n_facts; i++) {
        const struct cn_rule_fact *f = &c->facts[i];

        if (f->finished && !f->failed && !f->replicate && !isnan(f->reward) &&
            !(best >= f->reward)) {
            best = f->reward;
            best_id = f->iteration;
        }
    }
    if (best_id == 0)
        return false;
    for (int64_t i = c->n_facts - 1; i >= 0; i--) {
        const struct cn_rule_fact *f = &c->facts[i];

        if (f->iteration <= floor_id || f->iteration <= best_id)
            break;
        if (f->finished && !f->replicate)
            streak_add(&s, f);
    }
    put_streak(e->why, &s);
    cn_buf_printf(e->why, " below the %.4g of iteration %" PRId64, metric_of(c, best), best_id);
    return s.n >= count_of(r, c);
}

static bool same_param(const struct cn_rule *r, int32_t row, const struct cn_rule_context *c,
                       struct rules_evidence *e)
{
    int64_t n, floor_id = rules_last_fired(c, row);
    int32_t p = rules_most_changed(c, floor_id, r->in_a_row, &n);
    struct streak s = {0};

    if (p < 0 || n < count_of(r, c))
        return false;
    for (int64_t i = c->n_facts - 1; i >= 0 && s.n < n; i--)
        if (rules_param(c, &c->facts[i]) == p)
            streak_add(&s, &c->facts[i]);
    e->param = p;
    cn_buf_printf(e->why, "%s in ", c->params[p]);
    put_streak(e->why, &s);
    return true;
}

/* ---- 2. states ---- */

static bool good_config(const struct cn_rule *r, const struct cn_rule_context *c,
                        struct rules_evidence *e)
{
    double mean;
    int64_t n, node = rules_best_node(c, &mean, &n);

    if (node == 0 || n != 1)
        return false;
    mean = rules_node_mean(c, r, node, &n);
    cn_buf_printf(e->why, "node %" PRId64 " reached %.4g in its only training", node, mean);
    return rules_reaches(r, c, mean);
}

static bool best_reaches(const struct cn_rule *r, const struct cn_rule_context *c,
                         struct rules_evidence *e)
{
    double mean;
    int64_t n, node = rules_best_node(c, &mean, &n);

    if (node == 0)
        return false;
    mean = rules_node_mean(c, r, node, &n);
    cn_buf_printf(e->why, "node %" PRId64 " has %.4g", node, mean);
    return rules_reaches(r, c, mean);
}

static bool distant(const struct cn_rule *r, const struct cn_rule_context *c,
                    struct rules_evidence *e)
{
    int64_t ids[RULES_DISTANT_MAX], k = count_of(r, c), n;

    if (!rules_distant(c, r, k, ids))
        return false;
    e->nodes[0] = ids[0];
    e->nodes[1] = ids[1];
    cn_buf_adds(e->why, "nodes ");
    for (int64_t i = 0; i < k; i++)
        cn_buf_printf(e->why, "%s%" PRId64 " (%.4g)", i ? ", " : "", ids[i],
                      rules_node_mean(c, r, ids[i], &n));
    return true;
}

static bool spread(const struct cn_rule *r, const struct cn_rule_context *c,
                   struct rules_evidence *e)
{
    double wide;
    int64_t n, node = rules_widest(c, r, &wide, &n);

    if (node == 0)
        return false;
    e->nodes[0] = node;
    cn_buf_printf(e->why, "node %" PRId64 " differs by %.4g over %" PRId64 " trainings", node,
                  wide, n);
    return rules_reaches(r, c, wide);
}

/* ---- 3. rates ---- */

struct share {
    int64_t k, n;
};

/* Of the last n iterations, planned ones included, those that did not go on from the node of the
 * one before. */
static struct share branching(const struct cn_rule_context *c, int64_t window)
{
    struct share s = {0, 0};

    if (window > c->n_facts - 1)
        return s;
    for (int64_t i = c->n_facts - window; i < c->n_facts; i++) {
        const struct cn_rule_fact *f = &c->facts[i];

        s.n++;
        s.k += (f->replicate ? f->node : f->parent) != c->facts[i - 1].node;
    }
    return s;
}

/* Mean of the parent's rewards among lower ids. */
static double parent_mean(const struct cn_rule_context *c, int64_t i)
{
    struct cn_rule_context before = *c;
    int64_t n;

    before.n_facts = i;
    return rules_node_mean(&before, NULL, c->facts[i].parent, &n);
}

static struct share improvement(const struct cn_rule_context *c, int64_t window)
{
    struct share s = {0, 0};

    for (int64_t i = c->n_facts - 1; i >= 0 && s.n < window; i--) {
        const struct cn_rule_fact *f = &c->facts[i];
        double parent =
            f->parent && f->finished && !f->replicate ? parent_mean(c, i) : (double)NAN;

        if (isnan(parent))
            continue;
        s.n++;
        s.k += !f->failed && f->reward > parent;
    }
    return s;
}

static struct share outcomes(const struct cn_rule_context *c, bool failures, int64_t window)
{
    struct share s = {0, 0};

    for (int64_t i = c->n_facts - 1; i >= 0 && s.n < window; i--) {
        const struct cn_rule_fact *f = &c->facts[i];

        if (!f->finished)
            continue;
        s.n++;
        s.k += failures ? f->failed : !f->failed && f->cls == CN_RULE_CLASS_CONVERGED;
    }
    return s;
}

static bool is_outcome_rate(cn_cond_kind k)
{
    return k == CN_COND_FAILURE_BELOW || k == CN_COND_FAILURE_ABOVE ||
           k == CN_COND_CONVERGED_BELOW || k == CN_COND_CONVERGED_ABOVE;
}

static bool is_branching_rate(cn_cond_kind k)
{
    return k == CN_COND_BRANCHING_BELOW || k == CN_COND_BRANCHING_ABOVE;
}

/* Over a window that the row names; NaN: not enough iterations yet. */
static double rate_in_window(const struct cn_rule *r, const struct cn_rule_context *c)
{
    bool named = r->window > 0 || r->window_div > 0;
    int64_t window =
                named ? rules_resolve(r->window, r->window_div, c->n_iter_block) : c->n_facts,
            least = rules_resolve(0, 4, c->n_iter_block);
    struct share s;

    if (is_outcome_rate(r->cond)) {
        s = outcomes(c, r->cond == CN_COND_FAILURE_BELOW || r->cond == CN_COND_FAILURE_ABOVE,
                     window);
        if (s.n < (named ? window : least < 2 ? 2 : least))
            s.n = 0;
    } else if (is_branching_rate(r->cond)) {
        s = branching(c, named ? window : c->n_facts - 1);
    } else {
        s = improvement(c, window);
        if (named && s.n < window)
            s.n = 0;
    }
    return s.n > 0 ? (double)s.k / (double)s.n : (double)NAN;
}

static bool rate_holds(const struct cn_rule *r, const struct cn_rule_context *c,
                       struct rules_evidence *e)
{
    bool above = r->cond == CN_COND_BRANCHING_ABOVE || r->cond == CN_COND_IMPROVEMENT_ABOVE ||
                 r->cond == CN_COND_FAILURE_ABOVE || r->cond == CN_COND_CONVERGED_ABOVE;
    bool windowed =
        r->window > 0 || r->window_div > 0 || r->window_block || is_outcome_rate(r->cond);
    double rate = windowed                     ? rate_in_window(r, c)
                  : is_branching_rate(r->cond) ? c->branching_rate
                                               : c->improvement_rate;

    if (isnan(rate))
        return false;
    cn_buf_printf(e->why, "%.0f%% now", 100 * rate);
    if (r->rate_or_equal && rate == r->rate)
        return true;
    return above ? rate > r->rate : rate < r->rate;
}

/* ---- 4. joined conditions ---- */

static bool place_holds(const struct cn_rule *r, const struct cn_rule_context *c)
{
    if (r->cond == CN_COND_SLOT)
        return c->slot >= r->count && c->slot <= r->count_last;
    if (c->position < 1)
        return false;
    return r->cond == CN_COND_FIRST ? c->position <= count_of(r, c)
                                    : c->position > c->n_iter_block - count_of(r, c);
}

/* Take back what a part that does not hold has written. */
static void cut(struct cn_buf *b, size_t len)
{
    if (b->len > len) {
        b->len = len;
        b->data[len] = '\0';
    }
}

static bool terms_hold(const struct cn_rule *r, int32_t row, const struct cn_rule_context *c,
                       struct rules_evidence *e)
{
    bool all = r->cond == CN_COND_ALL;

    for (int32_t i = 0; i < r->n_terms; i++) {
        size_t before = e->why->len, start;
        bool holds;

        if (before > 0)
            cn_buf_adds(e->why, "; ");
        start = e->why->len;
        holds = rules_holds(&r->terms[i], row, c, e);
        if (!holds || e->why->len == start)
            cut(e->why, before);
        if (holds != all)
            return holds;
    }
    return all;
}

static bool is_state(const struct cn_rule *r)
{
    bool windowed = r->window > 0 || r->window_div > 0 || r->window_block;

    switch (r->cond) {
    case CN_COND_GOOD_CONFIG:
    case CN_COND_BEST:
    case CN_COND_DISTANT:
    case CN_COND_SPREAD:
    case CN_COND_IMPROVEMENT_BELOW:
    case CN_COND_IMPROVEMENT_ABOVE:
    case CN_COND_BRANCHING_ABOVE:
    case CN_COND_FAILURE_BELOW:
    case CN_COND_FAILURE_ABOVE:
    case CN_COND_CONVERGED_BELOW:
    case CN_COND_CONVERGED_ABOVE:
        return true;
    case CN_COND_BRANCHING_BELOW:
        return windowed;
    default:
        return false;
    }
}

bool rules_holds(const struct cn_rule *r, int32_t row, const struct cn_rule_context *c,
                 struct rules_evidence *e)
{
    if (is_state(r) && resting(c, row))
        return false;
    switch (r->cond) {
    case CN_COND_CONSECUTIVE:
    case CN_COND_CLASS:
    case CN_COND_METRIC:
    case CN_COND_PLATEAU:
    case CN_COND_PARTIAL_IMPROVING:
    case CN_COND_PARTIAL_AT_END:
        return streak_holds(r, row, c, e);
    case CN_COND_NO_IMPROVEMENT:
        return no_improvement(r, row, c, e);
    case CN_COND_SAME_PARAM:
        return same_param(r, row, c, e);
    case CN_COND_GOOD_CONFIG:
        return good_config(r, c, e);
    case CN_COND_BEST:
        return best_reaches(r, c, e);
    case CN_COND_DISTANT:
        return distant(r, c, e);
    case CN_COND_SPREAD:
        return spread(r, c, e);
    case CN_COND_BRANCHING_BELOW:
    case CN_COND_BRANCHING_ABOVE:
    case CN_COND_IMPROVEMENT_BELOW:
    case CN_COND_IMPROVEMENT_ABOVE:
    case CN_COND_FAILURE_BELOW:
    case CN_COND_FAILURE_ABOVE:
    case CN_COND_CONVERGED_BELOW:
    case CN_COND_CONVERGED_ABOVE:
        return rate_holds(r, c, e);
    case CN_COND_FIRST:
    case CN_COND_LAST:
    case CN_COND_SLOT:
        return place_holds(r, c);
    case CN_COND_ALL:
    case CN_COND_ANY:
        return terms_hold(r, row, c, e);
    case CN_COND_DEFAULT: /* kept for the end */
    case CN_COND_PROSE:
        break;
    }
    return false;
}
