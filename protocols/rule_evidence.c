/* Nodes and parameters that conditions and strategies speak of. See rules_int.h. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "protocols/rules_int.h"
#include "protocols/words.h"

/* ---- values ---- */

static double named(const struct cn_rule_fact *f, const char *name)
{
    for (int32_t i = 0; i < f->n_metrics; i++)
        if (strcmp(f->metrics[i].name, name) == 0)
            return f->metrics[i].value;
    for (int32_t i = 0; i < f->n_metrics; i++)
        if (cn_words_same(f->metrics[i].name, name))
            return f->metrics[i].value;
    return (double)NAN;
}

double rules_value(const struct cn_rule *r, const struct cn_rule_context *c,
                   const struct cn_rule_fact *f)
{
    double reward = c->lower_is_better ? -f->reward : f->reward, x;

    if (!f->finished || f->failed)
        return (double)NAN;
    x = r->metric ? named(f, r->metric) : reward;
    if (r->minus)
        x -= r->minus[0] ? named(f, r->minus) : reward;
    return x;
}

bool rules_reaches(const struct cn_rule *r, const struct cn_rule_context *c, double value)
{
    bool below = r->has_threshold ? r->threshold_below : c->lower_is_better;
    double limit = r->has_threshold ? r->threshold : c->converged;

    if (isnan(value))
        return false;
    if (r->has_threshold && r->threshold_strict)
        return below ? value < limit : value > limit;
    return below ? value <= limit : value >= limit;
}

double rules_node_mean(const struct cn_rule_context *c, const struct cn_rule *r, int64_t node,
                       int64_t *trainings)
{
    double sum = 0;
    int64_t ok = 0;

    *trainings = 0;
    for (int64_t i = 0; i < c->n_facts; i++) {
        const struct cn_rule_fact *f = &c->facts[i];
        double x = r                           ? rules_value(r, c, f)
                   : f->finished && !f->failed ? f->reward
                                               : (double)NAN;

        if (f->node != node)
            continue;
        ++*trainings;
        if (!isnan(x)) {
            sum += x;
            ok++;
        }
    }
    return ok > 0 ? sum / (double)ok : (double)NAN;
}

int64_t rules_best_node(const struct cn_rule_context *c, double *mean, int64_t *trainings)
{
    int64_t best = 0;

    *mean = (double)NAN;
    *trainings = 0;
    for (int64_t i = 0; i < c->n_facts; i++) {
        int64_t n;
        double m = rules_node_mean(c, NULL, c->facts[i].node, &n);

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

int64_t rules_last_fired(const struct cn_rule_context *c, int32_t row)
{
    for (int64_t i = c->n_facts - 1; i >= 0; i--)
        if (c->facts[i].row == row)
            return c->facts[i].iteration;
    return 0;
}

/* ---- distant nodes ---- */

static const struct cn_rule_fact *fact_of(const struct cn_rule_context *c, int64_t node)
{
    for (int64_t i = 0; i < c->n_facts; i++)
        if (c->facts[i].node == node)
            return &c->facts[i];
    return NULL;
}

static bool is_ancestor(const struct cn_rule_context *c, int64_t above, int64_t node)
{
    const struct cn_rule_fact *f = fact_of(c, node);

    /* A parent is older than its child, so this ends. */
    while (f && f->parent > 0 && f->parent < f->node) {
        if (f->parent == above)
            return true;
        f = fact_of(c, f->parent);
    }
    return false;
}

/* Two explored parameters or more differ. Where the points are not known: neither descends from
 * the other. */
static bool are_distant(const struct cn_rule_context *c, int64_t a, int64_t b)
{
    const struct cn_rule_fact *f = fact_of(c, a), *g = fact_of(c, b);
    int32_t differ = 0;

    if (!f || !g || a == b)
        return false;
    if (!f->point || !g->point)
        return !is_ancestor(c, a, b) && !is_ancestor(c, b, a);
    for (int32_t i = 0; i < c->n_params; i++) {
        bool missing = isnan(f->point[i]) || isnan(g->point[i]);

        differ +=
            missing ? isnan(f->point[i]) != isnan(g->point[i]) : f->point[i] != g->point[i];
    }
    return differ >= 2;
}

/* The next good node after (mean, id) in order of mean, then id; 0: none. */
static int64_t next_good(const struct cn_rule_context *c, const struct cn_rule *r, double *mean,
                         int64_t after)
{
    int64_t next = 0;
    double next_mean = (double)NAN;

    for (int64_t i = 0; i < c->n_facts; i++) {
        int64_t n, node = c->facts[i].node;
        double m = rules_node_mean(c, NULL, node, &n);
        bool later = after == 0 || m < *mean || (m == *mean && node > after);

        if (isnan(m) || !later || (r && !rules_reaches(r, c, rules_node_mean(c, r, node, &n))))
            continue;
        if (next == 0 || m > next_mean || (m == next_mean && node < next)) {
            next = node;
            next_mean = m;
        }
    }
    *mean = next_mean;
    return next;
}

/* `first`, then every later one that is distant from all taken. */
static bool distant_from(const struct cn_rule_context *c, const struct cn_rule *r, int64_t k,
                         int64_t first, double mean, int64_t *out)
{
    int64_t n = 1;

    out[0] = first;
    for (int64_t node = first; n < k && (node = next_good(c, r, &mean, node)) != 0;) {
        bool far = true;

        for (int64_t i = 0; i < n && far; i++)
            far = are_distant(c, out[i], node);
        if (far)
            out[n++] = node;
    }
    return n >= k;
}

bool rules_distant(const struct cn_rule_context *c, const struct cn_rule *r, int64_t k,
                   int64_t *out)
{
    double mean = (double)NAN;

    if (k > RULES_DISTANT_MAX)
        return false;
    for (int64_t node = 0; (node = next_good(c, r, &mean, node)) != 0;)
        if (distant_from(c, r, k, node, mean, out))
            return true;
    return false;
}

/* ---- one node's trainings ---- */

int64_t rules_widest(const struct cn_rule_context *c, const struct cn_rule *r, double *spread,
                     int64_t *trainings)
{
    int64_t widest = 0;

    *spread = (double)NAN;
    *trainings = 0;
    for (int64_t i = 0; i < c->n_facts; i++) {
        double lo = (double)INFINITY, hi = -(double)INFINITY;
        int64_t n = 0;

        for (int64_t k = 0; k < c->n_facts; k++) {
            double x = rules_value(r, c, &c->facts[k]);

            if (c->facts[k].node != c->facts[i].node || isnan(x))
                continue;
            lo = fmin(lo, x);
            hi = fmax(hi, x);
            n++;
        }
        if (n >= 2 && (widest == 0 || hi - lo > *spread)) {
            widest = c->facts[i].node;
            *spread = hi - lo;
            *trainings = n;
        }
    }
    return widest;
}

/* ---- parameters ---- */

int32_t rules_param(const struct cn_rule_context *c, const struct cn_rule_fact *f)
{
    return f->one_key && !f->replicate && f->param >= 0 && f->param < c->n_params ? f->param
                                                                                  : -1;
}

static int64_t changes_of(const struct cn_rule_context *c, int64_t floor_id, int32_t param)
{
    int64_t n = 0;

    for (int64_t i = 0; i < c->n_facts; i++)
        n += c->facts[i].iteration > floor_id && rules_param(c, &c->facts[i]) == param;
    return n;
}

/* The newest mutations, as far back as they change one and the same parameter. */
static int32_t row_of_changes(const struct cn_rule_context *c, int64_t floor_id, int64_t *out_n)
{
    int32_t param = -1;

    for (int64_t i = c->n_facts - 1; i >= 0 && c->facts[i].iteration > floor_id; i--) {
        int32_t p = rules_param(c, &c->facts[i]);

        if (c->facts[i].replicate)
            continue;
        if (p < 0 || (param >= 0 && p != param))
            break;
        param = p;
        ++*out_n;
    }
    return param;
}

int32_t rules_most_changed(const struct cn_rule_context *c, int64_t floor_id, bool in_a_row,
                           int64_t *out_n)
{
    int32_t most = -1;

    *out_n = 0;
    if (in_a_row)
        return row_of_changes(c, floor_id, out_n);
    for (int64_t i = c->n_facts - 1; i >= 0 && c->facts[i].iteration > floor_id; i--) {
        int32_t p = rules_param(c, &c->facts[i]);
        int64_t n = p >= 0 ? changes_of(c, floor_id, p) : 0;

        if (n > *out_n) {
            most = p;
            *out_n = n;
        }
    }
    return most;
}

int32_t rules_at_end(const struct cn_rule_context *c, int64_t n)
{
    int32_t most = -1;
    int64_t most_n = 0;

    for (int32_t p = 0; p < c->n_params; p++) {
        int64_t seen = 0, at = 0;

        for (int64_t i = c->n_facts - 1; i >= 0 && seen < n; i--) {
            if (!c->facts[i].finished)
                continue;
            seen++;
            at += c->facts[i].at_end && c->facts[i].at_end[p] != 0;
        }
        if (at > most_n) {
            most = p;
            most_n = at;
        }
    }
    return most;
}

/* ---- for a strategy ---- */

void rules_evidence_for(cn_strategy s, const struct cn_rule_context *c,
                        struct rules_evidence *e)
{
    static const struct cn_rule reward = {.cond = CN_COND_SPREAD};
    int64_t n, ids[RULES_DISTANT_MAX];
    double x;

    if (s == CN_STRATEGY_RECOMBINE && e->nodes[1] == 0 && rules_distant(c, NULL, 2, ids)) {
        e->nodes[0] = ids[0];
        e->nodes[1] = ids[1];
    }
    if (s == CN_STRATEGY_SEED_VARY && e->nodes[0] == 0)
        e->nodes[0] = rules_widest(c, &reward, &x, &n);
    if (s == CN_STRATEGY_SEED_VARY && e->nodes[0] == 0)
        e->nodes[0] = rules_best_node(c, &x, &n);
    if (s == CN_STRATEGY_BOUNDARY_SKIP && e->param < 0)
        e->param = rules_at_end(c, 1);
    if ((s == CN_STRATEGY_SWITCH_DIMENSION || s == CN_STRATEGY_BOUNDARY_SKIP) && e->param < 0)
        e->param = rules_most_changed(c, 0, false, &n);
}
