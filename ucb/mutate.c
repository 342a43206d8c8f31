/* One-key mutations; the policy stands in mutate.h.
 *
 * 1. the model: EXPLOIT by one draw from what is known of every parameter
 * 2. the list: parameters (and directions) by turns, for EXPLORE and PROBE
 * 3. far values: what a probe tries
 * 4. the public functions */
#include "ucb/mutate.h"

#include <math.h>
#include <stdlib.h>

#include "base/banned.h"
#include "base/rng.h"
#include "ucb/slope.h"

enum {
    STREAM_ORDER = 0x0a35,
    STREAM_STEP = 0x57e9,
    STREAM_MODEL = 0x30de1,
    WORDS_PER_DRAW = 8
};

static bool directed(const struct cn_param *p)
{
    return p->type == CN_PARAM_FLOAT || p->type == CN_PARAM_INT ||
           (p->type == CN_PARAM_CHOICE && p->ordered);
}

static bool numeric(const struct cn_param *p)
{
    return p->type == CN_PARAM_FLOAT || p->type == CN_PARAM_INT;
}

static void rng_for(const struct cn_mutate_query *q, uint64_t stream, uint64_t word,
                    struct cn_rng *r)
{
    cn_rng_init(r, q->seed, (stream << 32) ^ (uint64_t)q->iteration);
    cn_rng_seek(r, word);
}

static struct cn_mutate_change change_to(const struct cn_mutate_query *q, int32_t param,
                                         double to, const char *why)
{
    double from = q->parent[param];
    struct cn_mutate_change c = {.param = param, .from = from, .to = to, .why = why};

    if (directed(&q->space->params[param]))
        c.direction = (to > from) - (to < from);
    return c;
}

/* ---- 1. the model ---- */

enum { FAILURE_GAINS = 2 }; /* a failure counts as a loss of so many scales */

static bool has_result(const struct cn_effect *e)
{
    return !e->in_flight && (e->failed || isfinite(e->gain));
}

/* A typical gain: root mean square of the measured ones, probes left out (they look for
 * disasters). */
static double gain_scale(const struct cn_mutate_query *q)
{
    double sum = 0;
    int64_t n = 0;

    for (int64_t i = 0; i < q->n_effects; i++) {
        const struct cn_effect *e = &q->effects[i];

        if (!has_result(e) || e->failed || e->probe)
            continue;
        sum += e->gain * e->gain;
        n++;
    }
    return n > 0 && sum > 0 ? sqrt(sum / (double)n) : 1.0;
}

static double gain_of(const struct cn_effect *e, double scale)
{
    return e->failed ? -FAILURE_GAINS * scale : e->gain;
}

/* A factor of 2.5 on a log scale, a fifth of a linear range, a neighbour. */
double cn_mutate_step(const struct cn_param *p)
{
    if (p->type == CN_PARAM_CHOICE)
        return 1.0 / p->n_choices;
    if (!p->log)
        return .2;
    return fmin(.3,
                fmax(.08, log(2.5) / log(p->lo > 0 ? p->hi / p->lo : 1 / CN_SPACE_LOG_FLOOR)));
}

/* Where x lies on [0,1] for the model. Off counts as one step below the value it was compared
 * with: switching on or off is one move, however far the logarithm would put it. */
static double place(const struct cn_param *p, double x, double compared)
{
    if (!cn_space_is_off(p, x))
        return cn_space_to_unit(p, x);
    return (cn_space_is_off(p, compared) ? .6 : cn_space_to_unit(p, compared)) -
           cn_mutate_step(p);
}

double cn_mutate_moved(const struct cn_param *p, double from, double z0, double d)
{
    double z = fmin(fmax(z0 + d, 0.0), 1 - 1e-9), to = cn_space_from_unit(p, z);
    double lo = p->type == CN_PARAM_INT ? ceil(p->lo) : 0;
    double hi = p->type == CN_PARAM_INT ? floor(p->hi) : p->n_choices - 1;

    if (p->type == CN_PARAM_FLOAT)
        return to;
    if (to == from)
        to += d > 0 ? 1 : -1;
    return fmin(fmax(to, lo), hi);
}

struct best {
    struct cn_mutate_change change;
    double gain;
    bool found;
};

static void offer(struct best *b, const struct cn_mutate_query *q, int32_t param, double to,
                  double gain, const char *why)
{
    if (to == q->parent[param] || (b->found && gain <= b->gain))
        return;
    b->change = change_to(q, param, to, why);
    b->gain = gain;
    b->found = true;
}

static struct cn_slope learn(const struct cn_mutate_query *q, int32_t i, double z0,
                             double scale)
{
    const struct cn_param *p = &q->space->params[i];
    struct cn_slope s;

    cn_slope_init(&s, scale);
    for (int64_t k = 0; k < q->n_effects; k++) {
        const struct cn_effect *e = &q->effects[k];

        if (e->param == i && has_result(e))
            cn_slope_add(&s, place(p, e->from, e->to) - z0, place(p, e->to, e->from) - z0,
                         gain_of(e, scale));
    }
    return s;
}

/* The words for a move by d. */
static const char *reason(const struct cn_slope *s, double d)
{
    double mean[2];

    if (s->n == 0)
        return "effect not known yet";
    cn_slope_mean(s, mean);
    return mean[0] * d + mean[1] * d * d > 0
               ? "the gains so far point this way"
               : "another look at a direction without gain so far";
}

static void model_directed(const struct cn_mutate_query *q, int32_t i, double scale,
                           struct cn_rng *r, struct best *b)
{
    static const double steps[] = {-1.5, -1, -.5, -.2, .2, .5, 1, 1.5};
    const struct cn_param *p = &q->space->params[i];
    double from = q->parent[i], z0 = place(p, from, from), ab[2], step, u, d;
    struct cn_slope s = learn(q, i, z0, scale);

    cn_slope_draw(&s, r, ab);
    step = cn_mutate_step(p) * (.8 + .4 * cn_rng_uniform(r));
    u = cn_rng_uniform(r);
    if (cn_space_is_off(p, from)) { /* on: somewhere in the middle of the scale */
        offer(b, q, i, cn_space_from_unit(p, .35 + .45 * u), ab[0] * step + ab[1] * step * step,
              reason(&s, step));
        return;
    }
    for (size_t t = 0; t < sizeof(steps) / sizeof(steps[0]); t++) {
        double to = cn_mutate_moved(p, from, z0, steps[t] * step);

        d = cn_space_to_unit(p, to) - z0;
        offer(b, q, i, to, ab[0] * d + ab[1] * d * d, reason(&s, d));
    }
    d = -step * (1 + .8 * u); /* keyed, so that off and a long step down take turns */
    if (p->type == CN_PARAM_FLOAT && p->log && p->lo <= 0)
        offer(b, q, i, 0, ab[0] * d + ab[1] * d * d, reason(&s, d));
}

/* A bool or an unordered choice: the mean gain of going from the parent's value to each other
 * one. */
static void model_choice(const struct cn_mutate_query *q, int32_t i, double scale,
                         struct cn_rng *r, struct best *b)
{
    const struct cn_param *p = &q->space->params[i];
    int32_t n = p->type == CN_PARAM_BOOL ? 2 : p->n_choices;

    for (int32_t v = 0; v < n; v++) {
        double weight = 1, sum = 0; /* prior: mean 0, standard deviation `scale` */

        for (int64_t k = 0; k < q->n_effects; k++) {
            const struct cn_effect *e = &q->effects[k];

            if (e->param != i || !has_result(e))
                continue;
            if (e->from == q->parent[i] && e->to == v)
                sum += 10 * gain_of(e, scale); /* noise: a third of a scale */
            else if (e->to == q->parent[i] && e->from == v)
                sum -= 10 * gain_of(e, scale);
            else
                continue;
            weight += 10;
        }
        offer(b, q, i, v, sum / weight + scale * cn_rng_normal(r) / sqrt(weight),
              weight > 1 ? "the gains so far point this way" : "effect not known yet");
    }
}

static bool draw_model(const struct cn_mutate_query *q, uint64_t k,
                       struct cn_mutate_change *out)
{
    double scale = gain_scale(q);
    struct best b = {.change = {.param = -1, .why = ""}};

    for (int32_t i = 0; i < q->space->n; i++) {
        struct cn_rng r;

        if (isnan(q->parent[i]))
            continue;
        /* A parameter's draws are its own: another parameter more does not change them. */
        rng_for(q, STREAM_MODEL, (k * CN_SPACE_PARAMS + (uint64_t)i) << 12, &r);
        if (directed(&q->space->params[i]))
            model_directed(q, i, scale, &r, &b);
        else
            model_choice(q, i, scale, &r, &b);
    }
    *out = b.change;
    return b.found;
}

/* ---- 2. the list ---- */

struct turn {
    int32_t param;
    int direction; /* +1, -1; 0: no direction, and all turns of EXPLORE */
    int64_t tries; /* of this direction; weighs less than the parameter's */
    /* Effects of the parameter: probes for PROBE, the others for EXPLORE. */
    int64_t param_tries;
    double tie; /* keyed */
};

struct list {
    struct turn turns[2 * CN_SPACE_PARAMS];
    int n;
};

static void add_turn(struct list *l, const struct cn_mutate_query *q, int32_t param,
                     int direction, double tie)
{
    struct turn *t = &l->turns[l->n++];

    *t = (struct turn){.param = param, .direction = direction, .tie = tie};
    for (int64_t i = 0; i < q->n_effects; i++) {
        const struct cn_effect *e = &q->effects[i];

        if (e->param != param || e->probe != (q->kind == CN_MUTATE_PROBE))
            continue;
        t->param_tries++;
        t->tries += (e->to > e->from) - (e->to < e->from) == direction;
    }
}

static int by_turn(const void *x, const void *y)
{
    const struct turn *a = x, *b = y;

    if (a->param_tries != b->param_tries)
        return a->param_tries < b->param_tries ? -1 : 1;
    if (a->tries != b->tries)
        return a->tries < b->tries ? -1 : 1;
    if (a->tie != b->tie)
        return a->tie < b->tie ? -1 : 1;
    return a->param - b->param;
}

static void make_list(const struct cn_mutate_query *q, struct list *l)
{
    l->n = 0;
    for (int32_t i = 0; i < q->space->n; i++) {
        struct cn_rng r;

        if (isnan(q->parent[i]))
            continue;
        rng_for(q, STREAM_ORDER, (uint64_t)i * WORDS_PER_DRAW, &r);
        if (q->kind != CN_MUTATE_PROBE || !directed(&q->space->params[i])) {
            add_turn(l, q, i, 0, cn_rng_uniform(&r));
        } else {
            add_turn(l, q, i, +1, cn_rng_uniform(&r));
            add_turn(l, q, i, -1, cn_rng_uniform(&r));
        }
    }
    qsort(l->turns, (size_t)l->n, sizeof(l->turns[0]), by_turn);
}

/* ---- 3. far values ---- */

/* Another value, one place farther each round from a keyed start: n - 1 rounds visit all. */
static double other_choice(const struct cn_param *p, double from, uint64_t round, double u)
{
    int64_t n = p->type == CN_PARAM_BOOL ? 2 : p->n_choices, others = n - 1, away;

    if (others < 1)
        return from;
    away = ((int64_t)(u * (double)others) + (int64_t)(round % (uint64_t)others)) % others + 1;
    return (double)(((int64_t)from + away) % n);
}

static double clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

/* Round 0: a factor of 10 or one range width; every further round half as much again on top. */
static double far_number(const struct cn_param *p, double from, int dir, uint64_t round)
{
    double far = 1.0 + .5 * (double)(round > 8 ? 8 : round), to;

    if (p->log && from > 0)
        to = from * exp(dir * far * log(10.0));
    else if (p->log)
        to = dir > 0 ? p->hi : from;
    else
        to = from + dir * far * (p->hi - p->lo);
    if (p->type == CN_PARAM_INT)
        return clamp(rint(to), ceil(p->hard_lo), floor(p->hard_hi));
    return clamp(to, p->hard_lo, p->hard_hi);
}

/* The end of the list, then one place less each round. */
static double far_choice(const struct cn_param *p, double from, int dir, uint64_t round)
{
    double to = (dir > 0 ? p->n_choices - 1 : 0) - dir * (double)round;

    return dir > 0 ? fmax(to, from) : fmin(to, from);
}

static bool draw_list(const struct cn_mutate_query *q, const struct list *l, uint64_t k,
                      struct cn_mutate_change *out)
{
    uint64_t place = k % (uint64_t)l->n, round = k / (uint64_t)l->n;
    const struct turn *t = &l->turns[place];
    const struct cn_param *p = &q->space->params[t->param];
    double from = q->parent[t->param], u, to;
    bool probe = q->kind == CN_MUTATE_PROBE;
    struct cn_rng r;

    /* A choice keeps its keyed start over the rounds, so that it visits every value. */
    rng_for(q, STREAM_STEP, (numeric(p) ? k : place) * WORDS_PER_DRAW, &r);
    u = cn_rng_uniform(&r);
    if (probe && numeric(p))
        to = far_number(p, from, t->direction, round);
    else if (probe && t->direction != 0)
        to = far_choice(p, from, t->direction, round);
    else if (numeric(p))
        to = cn_space_from_unit(p, u);
    else
        to = other_choice(p, from, round, u);
    *out = change_to(q, t->param, to,
                     probe ? "probe: looking for the edge" : "least tried: a fresh value");
    return to != from;
}

/* ---- 4. public ---- */

static bool draw(const struct cn_mutate_query *q, const struct list *l, uint64_t k,
                 struct cn_mutate_change *out)
{
    *out = (struct cn_mutate_change){.param = -1, .why = ""};
    if (l->n == 0)
        return false;
    if (q->kind != CN_MUTATE_EXPLOIT)
        return draw_list(q, l, k, out);
    return k < CN_MUTATE_MODEL ? draw_model(q, k, out)
                               : draw_list(q, l, k - CN_MUTATE_MODEL, out);
}

bool cn_mutate_draw(const struct cn_mutate_query *q, uint64_t k, struct cn_mutate_change *out)
{
    struct list l;

    make_list(q, &l);
    return draw(q, &l, k, out);
}

cn_status cn_mutate_propose(const struct cn_mutate_query *q, cn_mutate_tried_fn *tried,
                            void *ctx, struct cn_mutate_change *out, struct cn_err *err)
{
    struct list l;
    cn_status st = cn_space_check(q->space, err);

    *out = (struct cn_mutate_change){.param = -1, .why = ""};
    if (st != CN_OK)
        return st;
    make_list(q, &l);
    for (uint64_t k = 0; k < CN_MUTATE_DRAWS; k++) {
        struct cn_mutate_change c;

        if (draw(q, &l, k, &c) && !(tried && tried(ctx, &c))) {
            *out = c;
            return CN_OK;
        }
    }
    return cn_err_set(err, CN_ENOTFOUND,
                      "no new one-key mutation of %d parameters in %d candidates",
                      (int)q->space->n, (int)CN_MUTATE_DRAWS);
}
