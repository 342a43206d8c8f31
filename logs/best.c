/* See best.h.
 *
 * 1. guardrails as text   2. regimes   3. tallies: one per config   4. noise   5. the ranking
 * 6. words
 */
#include "logs/best.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"

/* ------------------------------------------------------------------ guardrails */

/* One "metric >= bound" of n bytes. */
static bool parse_guardrail(const char *s, size_t n, struct cn_guardrail *out)
{
    char number[64];
    size_t name, at;

    while (n > 0 && (s[0] == ' ' || s[0] == '\t')) {
        s++;
        n--;
    }
    name = strcspn(s, " \t<>=,");
    at = name + strspn(s + name, " \t");
    if (name == 0 || name >= sizeof out->metric || at + 2 >= n || s[at + 1] != '=' ||
        (s[at] != '<' && s[at] != '>'))
        return false;
    memcpy(out->metric, s, name);
    out->metric[name] = '\0';
    out->at_most = s[at] == '<';
    at += 2;
    while (at < n && (s[at] == ' ' || s[at] == '\t'))
        at++;
    while (n > at && (s[n - 1] == ' ' || s[n - 1] == '\t'))
        n--;
    if (n - at >= sizeof number)
        return false;
    memcpy(number, s + at, n - at);
    number[n - at] = '\0';
    return cn_text_parse_double(number, &out->bound) && isfinite(out->bound);
}

cn_status cn_best_guardrails(const char *text, struct cn_guardrails *out, struct cn_err *err)
{
    const char *s = text ? text : "";

    memset(out, 0, sizeof *out);
    while (s[strspn(s, " \t")]) {
        size_t n = strcspn(s, ",");

        if (out->n == CN_GUARDRAILS_MOST)
            return cn_err_set(err, CN_EINPUT, "guardrails: \"%s\": more than %d of them", text,
                              CN_GUARDRAILS_MOST);
        if (!parse_guardrail(s, n, &out->rows[out->n]))
            return cn_err_set(err, CN_EINPUT,
                              "guardrails: \"%.*s\": expected \"metric >= bound\" or "
                              "\"metric <= bound\"",
                              (int)(n < 200 ? n : 200), s);
        out->n++;
        s += n + (s[n] == ',');
    }
    return CN_OK;
}

/* ------------------------------------------------------------------ regimes */

static bool same_keys(const struct cn_block *x, const struct cn_block *y)
{
    if (x->n_regime != y->n_regime)
        return false;
    for (int i = 0; i < x->n_regime; i++)
        if (strcmp(x->regime[i].new_text, y->regime[i].new_text) != 0 ||
            strcmp(x->regime[i].path, y->regime[i].path) != 0)
            return false;
    return true;
}

bool cn_history_same_regime(const struct cn_history *h, int64_t a, int64_t b)
{
    const struct cn_block *x = cn_history_block(h, a), *y = cn_history_block(h, b);

    if (x && y && x->regime_of && y->regime_of)
        return x->regime_of == y->regime_of;
    return x == y || (x && y && same_keys(x, y));
}

/* ------------------------------------------------------------------ tallies */

/* All trainings of one config: its search, its confirmations. */
struct tally {
    const struct cn_node *node; /* the first with this config */
    const struct cn_node *lead; /* the first that may lead */
    bool inside;                /* of the regime that is ranked */
    int64_t n, failed, open, n_conf;
    int64_t listed; /* of the n, those that are there one by one */
    double mean, m2, min, max, conf_mean, conf_m2;
    double *rewards; /* listed + failed of them, NaN for a failed one; order of ids */
    double *metrics; /* sums over the listed, one per guardrail */
};

struct tallies {
    const struct cn_history *h;
    const struct cn_best_query *q;
    struct cn_guardrails guardrails;
    struct tally *all;
    int64_t *of; /* of node index: index in `all` */
    int64_t n;
    int64_t block; /* of the regime; 0: none */
    bool same_data;
};

static bool is_over(const struct tallies *t, const struct cn_iteration *it)
{
    return it->state >= t->q->state;
}

/* Died of its surroundings or refused before launch: says nothing about the config. */
static bool is_void(const struct cn_iteration *it)
{
    return it->outcome == CN_OUTCOME_INFRA || it->outcome == CN_OUTCOME_INVALID;
}

static bool has_reward(const struct tallies *t, const struct cn_iteration *it)
{
    return is_over(t, it) && it->outcome == CN_OUTCOME_OK && !isnan(it->reward);
}

/* Welford, "Note on a method for calculating corrected sums" (1962). */
static void welford(double x, int64_t n, double *mean, double *m2)
{
    double d = x - *mean;

    *mean += d / (double)n;
    *m2 += d * (x - *mean);
}

static double deviation(int64_t n, double m2)
{
    return n > 1 ? sqrt(m2 / (double)(n - 1)) : (double)NAN;
}

static int by_config(const void *a, const void *b)
{
    const struct cn_node *x = *(const struct cn_node *const *)a,
                         *y = *(const struct cn_node *const *)b;
    int order = strcmp(x->config_hash, y->config_hash);

    return order != 0 ? order : x->id < y->id ? -1 : x->id > y->id;
}

/* Nodes with the same config get the same tally; a node without a hash (read back from a log
 * without configs) is one of its own. */
static void group_nodes(struct tallies *t, const struct cn_node **sorted)
{
    const struct cn_history *h = t->h;

    for (int64_t i = 0; i < h->n_nodes; i++)
        sorted[i] = &h->nodes[i];
    qsort(sorted, (size_t)h->n_nodes, sizeof(const struct cn_node *), by_config);
    for (int64_t i = 0; i < h->n_nodes; i++) {
        bool twin = i > 0 && sorted[i]->config_hash[0] &&
                    strcmp(sorted[i]->config_hash, sorted[i - 1]->config_hash) == 0;

        if (!twin)
            t->all[t->n++].node = sorted[i];
        t->of[sorted[i] - h->nodes] = t->n - 1;
    }
}

static struct tally *tally_of(struct tallies *t, int64_t node)
{
    const struct cn_node *n = cn_history_node(t->h, node);

    return n ? &t->all[t->of[n - t->h->nodes]] : NULL;
}

/* Its reward is part of the node's sum of old trainings (add_before). */
static bool is_summed(const struct tallies *t, const struct cn_iteration *it)
{
    const struct cn_node *n = cn_history_node(t->h, it->node);

    return n && n->before && n->before->last <= t->q->last && it->id <= n->before->last;
}

static void add_reward(struct tallies *t, struct tally *y, const struct cn_iteration *it)
{
    if (it->confirmation) {
        welford(it->reward, ++y->n_conf, &y->conf_mean, &y->conf_m2);
        return;
    }
    y->listed++;
    if (!is_summed(t, it)) {
        welford(it->reward, ++y->n, &y->mean, &y->m2);
        y->min = y->n == 1 ? it->reward : fmin(y->min, it->reward);
        y->max = y->n == 1 ? it->reward : fmax(y->max, it->reward);
    }
    for (int g = 0; g < t->guardrails.n; g++) /* absent: NaN, and the sum with it */
        y->metrics[g] += cn_iteration_metric(it, t->guardrails.rows[g].metric);
    t->same_data =
        t->same_data || (it->seed_mode && strcmp(it->seed_mode, "same-data-robustness") == 0);
}

static void add_iteration(struct tallies *t, const struct cn_iteration *it)
{
    struct tally *y = tally_of(t, it->node);

    if (!y || it->id > t->q->last)
        return;
    if (!is_over(t, it)) {
        y->open += !it->confirmation;
        return;
    }
    if (it->confirmation && !has_reward(t, it))
        return;
    if (has_reward(t, it))
        add_reward(t, y, it);
    else if (!is_void(it))
        y->failed++;
}

/* The rewards of every tally lie in one slab. */
static void list_rewards(struct tallies *t, double *slab)
{
    for (int64_t k = 0; k < t->n; k++) {
        t->all[k].rewards = slab;
        slab += t->all[k].listed + t->all[k].failed;
    }
    for (int64_t i = 0; i < t->h->n_iterations; i++) {
        const struct cn_iteration *it = &t->h->iterations[i];
        struct tally *y = tally_of(t, it->node);

        if (!y || it->id > t->q->last || it->confirmation || !is_over(t, it))
            continue;
        if (has_reward(t, it))
            *y->rewards++ = it->reward;
        else if (!is_void(it))
            *y->rewards++ = (double)NAN;
    }
    for (int64_t k = 0; k < t->n; k++)
        t->all[k].rewards -= t->all[k].listed + t->all[k].failed;
}

/* A window holds the oldest trainings of a node that was trained very often as one sum
 * (cn_node.before); its rewards and metrics are known from the first and the newest ones alone. */
static void add_before(struct tallies *t, const struct cn_node *n)
{
    struct tally *y = &t->all[t->of[n - t->h->nodes]];
    const struct cn_spread *s = n->before ? &n->before->search : NULL;

    if (!s || s->n <= 0 || n->before->last > t->q->last)
        return;
    if (y->n == 0) {
        y->min = s->min;
        y->max = s->max;
    }
    y->min = fmin(y->min, s->min);
    y->max = fmax(y->max, s->max);
    /* Chan, Golub, LeVeque 1979: the sums of two samples. */
    y->m2 += n->before->m2 + (s->mean - y->mean) * (s->mean - y->mean) * (double)y->n *
                                 (double)s->n / (double)(y->n + s->n);
    y->mean += (s->mean - y->mean) * (double)s->n / (double)(y->n + s->n);
    y->n += s->n;
}

static cn_status tally(struct tallies *t, struct cn_arena *a, struct cn_err *err)
{
    const struct cn_history *h = t->h;
    size_t nodes = (size_t)h->n_nodes + 1, its = (size_t)h->n_iterations + 1;
    const struct cn_node **sorted = cn_arena_alloc(a, nodes, sizeof(const struct cn_node *));
    double *slab = cn_arena_alloc(a, its, sizeof *slab), *metrics;

    t->all = cn_arena_alloc(a, nodes, sizeof *t->all);
    t->of = cn_arena_alloc(a, nodes, sizeof *t->of);
    metrics = cn_arena_alloc(a, nodes, sizeof(double) * (size_t)(t->guardrails.n + 1));
    if (!sorted || !slab || !t->all || !t->of || !metrics)
        return cn_err_set(err, CN_ENOMEM, "no memory to rank %lld nodes",
                          (long long)h->n_nodes);
    group_nodes(t, sorted);
    for (int64_t k = 0; k < t->n; k++)
        t->all[k].metrics = metrics + k * t->guardrails.n;
    for (int64_t i = 0; i < h->n_iterations; i++)
        add_iteration(t, &h->iterations[i]);
    for (int64_t i = 0; i < h->n_nodes; i++)
        add_before(t, &h->nodes[i]);
    list_rewards(t, slab);
    return CN_OK;
}

/* The regime of the latest block in which two nodes have a result, else one: a root alone is not
 * a finding. Nodes without a block (0) come last. */
static int64_t block_to_rank(struct tallies *t)
{
    const struct cn_history *h = t->h;
    int64_t with_one = -1, block = -1, seen = 0;

    for (int64_t i = h->n_iterations - 1; i >= 0; i--) {
        const struct cn_iteration *it = &h->iterations[i];

        if (it->id > t->q->last || it->confirmation || !has_reward(t, it))
            continue;
        if (it->block != block) {
            block = it->block;
            seen = it->node;
            with_one = with_one < 0 ? block : with_one;
        } else if (it->node != seen) {
            return block;
        }
    }
    return with_one < 0 ? 0 : with_one;
}

/* Which tallies are of the regime, and under which id they may lead. */
static void choose_regime(struct tallies *t)
{
    t->block = t->q->block ? t->q->block : block_to_rank(t);
    for (int64_t i = 0; i < t->h->n_nodes; i++) {
        const struct cn_node *n = &t->h->nodes[i];
        struct tally *y = &t->all[t->of[i]];

        if (!cn_history_same_regime(t->h, n->block, t->block))
            continue;
        y->inside = true;
        if (!y->lead && (!t->q->block || n->block == t->q->block))
            y->lead = n;
    }
}

static cn_status tallies_init(struct tallies *t, const struct cn_history *h,
                              const struct cn_best_query *q, struct cn_arena *a,
                              struct cn_err *err)
{
    cn_status st;

    *t = (struct tallies){.h = h, .q = q};
    st = cn_best_guardrails(h->info.guardrails, &t->guardrails, err);
    if (st == CN_OK)
        st = tally(t, a, err);
    if (st == CN_OK)
        choose_regime(t);
    return st;
}

/* ------------------------------------------------------------------ noise */

static void pool(const struct tallies *t, bool everywhere, struct cn_history_noises *out)
{
    const struct cn_noise none = CN_NOISE_INIT;

    *out = (struct cn_history_noises){none, none, none, t->same_data};
    for (int64_t k = 0; k < t->n; k++) {
        const struct tally *y = &t->all[k];

        if (!everywhere && !y->inside)
            continue;
        cn_noise_add(&out->search, y->n, deviation(y->n, y->m2));
        cn_noise_add(&out->confirmation, y->n_conf, deviation(y->n_conf, y->conf_m2));
    }
    out->all = out->search;
    if (out->confirmation.df > 0)
        cn_noise_add(&out->all, (int64_t)out->confirmation.df + 1, out->confirmation.std);
}

static struct cn_noise leaned_on(const struct cn_history_noises *p)
{
    return p->same_data && p->search.df > 0 ? p->search : p->all;
}

/* Of one repeat, one in twelve has less than a tenth of the true spread: below CN_STATS_POOL_DF the
 * rest is borrowed from the other regimes. */
static struct cn_noise noise_of_regime(const struct tallies *t, bool *out_borrowed)
{
    struct cn_history_noises here, everywhere;
    struct cn_noise own, others;
    double missing;

    pool(t, false, &here);
    pool(t, true, &everywhere);
    own = leaned_on(&here);
    others = leaned_on(&everywhere);
    others = cn_noise_without(&others, (int64_t)own.df + 1, own.std);
    missing = fmin(CN_STATS_POOL_DF - own.df, others.df);
    *out_borrowed = missing > 0;
    if (*out_borrowed)
        cn_noise_add(&own, (int64_t)missing + 1, others.std);
    return own;
}

cn_status cn_history_noise(const struct cn_history *h, const struct cn_best_query *q,
                           int64_t block, struct cn_history_noises *out, struct cn_err *err)
{
    struct cn_best_query with = *q;
    struct cn_arena a;
    struct tallies t;
    cn_status st;

    cn_arena_init(&a, CN_CAP_ARENA);
    with.block = block;
    memset(out, 0, sizeof *out);
    st = tallies_init(&t, h, &with, &a, err);
    if (st == CN_OK)
        pool(&t, block == 0, out);
    cn_arena_clear(&a);
    return st;
}

/* ------------------------------------------------------------------ the ranking */

/* The first guardrail that the means break; an absent metric is not kept. */
static int broken_by(const struct tallies *t, const struct tally *y, double *out_value)
{
    *out_value = (double)NAN;
    for (int g = 0; g < t->guardrails.n; g++) {
        const struct cn_guardrail *r = &t->guardrails.rows[g];
        double mean = y->metrics[g] / (double)y->listed;

        if (r->at_most ? mean <= r->bound : mean >= r->bound)
            continue;
        *out_value = mean;
        return g;
    }
    return -1;
}

static struct cn_standing stand(const struct tallies *t, const struct tally *y,
                                const struct cn_ranking *r)
{
    const struct cn_run_info *info = &t->h->info;
    struct cn_sample sample = {y->n, y->mean, deviation(y->n, y->m2)};
    struct cn_noise others = cn_noise_without(&r->noise, sample.n, sample.std);
    struct cn_interval i = cn_stats_mean(&sample, &others, r->confidence);
    struct cn_standing s = {
        .node = y->lead,
        .n = y->n,
        .failed = y->failed,
        .open = y->open,
        .mean = y->mean,
        .std = sample.std,
        .min = y->min,
        .max = y->max,
        .cv = y->n > 1 && fabs(y->mean) > 0 ? 100 * sample.std / fabs(y->mean) : (double)NAN,
        .lo = i.lo,
        .hi = i.hi};

    s.stability = cn_stats_stability(
        y->rewards, y->listed + y->failed,
        info->reward_lower_is_better ? -info->converged : info->converged, (double)NAN, &s.few);
    s.broken = broken_by(t, y, &s.broken_value);
    return s;
}

static int by_rank(const void *a, const void *b)
{
    const struct cn_standing *x = a, *y = b;
    double at = isnan(x->lo) ? x->mean : x->lo, bt = isnan(y->lo) ? y->mean : y->lo;

    if ((x->broken < 0) != (y->broken < 0))
        return x->broken < 0 ? -1 : 1;
    if (at != bt)
        return at > bt ? -1 : 1;
    if (x->mean != y->mean)
        return x->mean > y->mean ? -1 : 1;
    return x->node->id < y->node->id ? -1 : x->node->id > y->node->id;
}

cn_status cn_history_rank(const struct cn_history *h, const struct cn_best_query *q,
                          struct cn_arena *arena, struct cn_ranking *out, struct cn_err *err)
{
    struct tallies t;
    cn_status st;

    memset(out, 0, sizeof *out);
    out->confidence = q->confidence;
    st = tallies_init(&t, h, q, arena, err);
    if (st != CN_OK)
        return st;
    out->noise = noise_of_regime(&t, &out->borrowed);
    out->by_mean = !(out->noise.df > 0);
    out->block = t.block;
    out->guardrails = t.guardrails;
    out->rows = cn_arena_alloc(arena, (size_t)t.n + 1, sizeof *out->rows);
    if (!out->rows)
        return cn_err_set(err, CN_ENOMEM, "no memory to rank %lld configs", (long long)t.n);
    for (int64_t k = 0; k < t.n; k++)
        if (t.all[k].lead && t.all[k].n > 0)
            out->rows[out->n++] = stand(&t, &t.all[k], out);
    qsort(out->rows, (size_t)out->n, sizeof *out->rows, by_rank);
    while (out->n_kept < out->n && out->rows[out->n_kept].broken < 0)
        out->n_kept++;
    return CN_OK;
}

cn_status cn_history_best(const struct cn_history *h, const struct cn_best_query *q,
                          struct cn_best *out, struct cn_err *err)
{
    struct cn_ranking r;
    struct cn_arena a;
    cn_status st;

    cn_arena_init(&a, CN_CAP_ARENA);
    memset(out, 0, sizeof *out);
    st = cn_history_rank(h, q, &a, &r, err);
    if (st == CN_OK) {
        *out = (struct cn_best){.noise = r.noise,
                                .borrowed = r.borrowed,
                                .by_mean = r.by_mean,
                                .block = r.block,
                                .confidence = r.confidence};
        if (r.n_kept > 0)
            out->first = r.rows[0];
        if (r.n_kept > 1)
            out->second = r.rows[1];
    }
    cn_arena_clear(&a);
    return st;
}

cn_status cn_history_standing(const struct cn_history *h, const struct cn_best_query *q,
                              int64_t node, struct cn_standing *out, struct cn_err *err)
{
    const struct cn_node *n = cn_history_node(h, node);
    struct cn_best_query with = *q;
    struct cn_ranking r;
    struct cn_arena a;
    cn_status st = CN_OK;

    cn_arena_init(&a, CN_CAP_ARENA);
    memset(out, 0, sizeof *out);
    if (n) {
        with.block = n->block;
        st = cn_history_rank(h, &with, &a, &r, err);
    }
    for (int64_t i = 0; st == CN_OK && n && i < r.n; i++)
        if (r.rows[i].node == n ||
            (n->config_hash[0] && strcmp(r.rows[i].node->config_hash, n->config_hash) == 0))
            *out = r.rows[i];
    cn_arena_clear(&a);
    return st;
}

/* ------------------------------------------------------------------ words */

struct cn_standing cn_standing_metric(const struct cn_run_info *info,
                                      const struct cn_standing *s)
{
    struct cn_standing m = *s;

    if (info->reward_lower_is_better) {
        m.mean = -s->mean;
        m.min = -s->max;
        m.max = -s->min;
        m.lo = -s->hi;
        m.hi = -s->lo;
    }
    return m;
}

void cn_standing_words(const struct cn_run_info *info, const struct cn_standing *s,
                       double confidence, struct cn_buf *out)
{
    const struct cn_standing m = cn_standing_metric(info, s);
    char number[CN_NUM_TEXT];

    cn_buf_adds(out, cn_text_brief(m.mean, number));
    if (s->n > 1)
        cn_buf_printf(out, " +- %s", cn_text_brief(m.std, number));
    cn_buf_printf(out, " of %lld", (long long)s->n);
    if (isnan(s->lo))
        cn_buf_adds(out, " (noise unknown)");
    else
        cn_buf_printf(out, " (%s %s at %.4g %%)",
                      info->reward_lower_is_better ? "at most" : "at least",
                      cn_text_brief(info->reward_lower_is_better ? m.hi : m.lo, number),
                      100 * confidence);
    if (s->failed > 0)
        cn_buf_printf(out, ", %lld failed", (long long)s->failed);
    if (s->stability != CN_STABILITY_UNKNOWN && !s->few)
        cn_buf_printf(out, ", %s", cn_stability_name(s->stability));
}

void cn_standing_breach(const struct cn_guardrails *g, const struct cn_standing *s,
                        struct cn_buf *out)
{
    const struct cn_guardrail *r;
    char number[CN_NUM_TEXT];

    if (s->broken < 0 || s->broken >= g->n)
        return;
    r = &g->rows[s->broken];
    if (isnan(s->broken_value))
        cn_buf_printf(out, "%s is absent and breaks ", r->metric);
    else
        cn_buf_printf(out, "%s %s breaks ", r->metric, cn_text_brief(s->broken_value, number));
    cn_buf_printf(out, "%s %s %g", r->metric, r->at_most ? "<=" : ">=", r->bound);
}
