/* One-key mutations; the policy stands in mutate.h.
 *
 * 1. arms: what the history says about each (parameter, direction)
 * 2. ranks: the order in which arms are tried
 * 3. steps: the value an arm gives in round r
 * 4. the public functions */
#include "ucb/mutate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/rng.h"

enum { STREAM_ORDER = 0x0a35, STREAM_STEP = 0x57e9, WORDS_PER_DRAW = 8, MAX_SHRINK = 3 };

struct arm {
    int32_t param;
    int direction;       /* +1, -1; 0: the only arm of its parameter */
    int64_t tries;       /* effects of this arm (in flight included) */
    int64_t param_tries; /* of the parameter in any direction */
    int64_t hurt;        /* times it hurt or failed since it last helped */
    bool known;          /* a result exists */
    bool failed;         /* the last result was a failure */
    double gain;         /* of the last result that was a number */
    int rank;            /* 1..5 */
    double key;          /* ascending inside a rank */
    double tie;          /* keyed random */
    const char *why;
};

struct plan {
    struct arm arms[2 * CN_SPACE_PARAMS];
    int n;
};

/* ---- 1. arms ---- */

static bool directed(const struct cn_param *p)
{
    return p->type == CN_PARAM_FLOAT || p->type == CN_PARAM_INT ||
           (p->type == CN_PARAM_CHOICE && p->ordered);
}

static int direction_of(const struct cn_param *p, const struct cn_effect *e)
{
    return !directed(p) ? 0 : (e->to > e->from) - (e->to < e->from);
}

static bool same_arm(const struct cn_mutate_query *q, const struct arm *a,
                     const struct cn_effect *e)
{
    return e->param == a->param &&
           (a->direction == 0 || direction_of(&q->space->params[a->param], e) == a->direction);
}

static bool has_result(const struct cn_effect *e)
{
    return !e->in_flight && (e->failed || !isnan(e->gain));
}

static void learn(struct arm *a, const struct cn_effect *e)
{
    if (!has_result(e))
        return;
    a->known = true;
    a->failed = e->failed;
    if (!e->failed)
        a->gain = e->gain;
    if (!e->failed && e->gain > 0)
        a->hurt = 0;
    else
        a->hurt++;
}

static void study(const struct cn_mutate_query *q, struct arm *a)
{
    bool probing = q->kind == CN_MUTATE_PROBE;

    for (int64_t i = 0; i < q->n_effects; i++) {
        const struct cn_effect *e = &q->effects[i];

        if (e->param != a->param || e->probe != probing)
            continue;
        a->param_tries++;
        if (same_arm(q, a, e)) {
            a->tries++;
            learn(a, e);
        }
    }
}

static void add_arm(struct plan *p, const struct cn_mutate_query *q, int32_t param,
                    int direction, double tie)
{
    struct arm *a = &p->arms[p->n++];

    *a = (struct arm){.param = param, .direction = direction, .gain = (double)NAN, .tie = tie};
    study(q, a);
}

/* ---- 2. ranks ---- */

/* The newest effects that are no probes, newest first. */
static const struct cn_effect *newest(const struct cn_mutate_query *q, int back)
{
    for (int64_t i = q->n_effects - 1; i >= 0; i--)
        if (!q->effects[i].probe && back-- == 0)
            return &q->effects[i];
    return NULL;
}

static const struct arm *opposite(const struct plan *p, const struct arm *a)
{
    for (int i = 0; i < p->n; i++)
        if (p->arms[i].param == a->param && p->arms[i].direction == -a->direction &&
            a->direction != 0)
            return &p->arms[i];
    return NULL;
}

static void set_rank(struct arm *a, int rank, double key, const char *why)
{
    a->rank = rank;
    a->key = key;
    a->why = why;
}

static void rank_exploit(const struct cn_mutate_query *q, struct plan *p, struct arm *a)
{
    const struct cn_effect *e0 = newest(q, 0), *e1 = newest(q, 1);
    bool last = e0 && same_arm(q, a, e0), twice = last && e1 && same_arm(q, a, e1);
    bool helped = a->known && !a->failed && a->gain > 0;
    const struct arm *other = opposite(p, a);
    int unknown_rank = (q->iteration & 1) ? 3 : 2, helped_rank = (q->iteration & 1) ? 2 : 3;

    if (helped && last && !twice)
        set_rank(a, 1, 0, "it helped just now: further the same way");
    else if (helped)
        set_rank(a, helped_rank, twice ? (double)INFINITY : -a->gain,
                 "it helped before: further");
    else if (a->param_tries == 0 && (!other || a->tie < other->tie))
        set_rank(a, unknown_rank, a->tie, "effect not known yet");
    else if (a->tries == 0 && other && other->known && (other->failed || !(other->gain > 0)))
        set_rank(a, 4, (double)a->param_tries, "the other direction hurt");
    else if (a->tries == 0)
        set_rank(a, 5, -(double)INFINITY, "direction not tried yet");
    else if (!a->known)
        set_rank(a, 5, (double)INFINITY, "the same way as one in flight");
    else
        set_rank(a, 5, a->failed ? (double)INFINITY : -a->gain,
                 "it hurt before: a smaller step");
}

static int by_rank(const void *x, const void *y)
{
    const struct arm *a = x, *b = y;

    if (a->rank != b->rank)
        return a->rank - b->rank;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (a->tie != b->tie)
        return a->tie < b->tie ? -1 : 1;
    return a->param - b->param;
}

static void make_plan(const struct cn_mutate_query *q, struct plan *p)
{
    p->n = 0;
    for (int32_t i = 0; i < q->space->n; i++) {
        struct cn_rng r;

        if (isnan(q->parent[i]))
            continue;
        cn_rng_init(&r, q->seed, ((uint64_t)STREAM_ORDER << 32) ^ (uint64_t)q->iteration);
        cn_rng_seek(&r, (uint64_t)i * WORDS_PER_DRAW);
        if (q->kind == CN_MUTATE_EXPLORE || !directed(&q->space->params[i])) {
            add_arm(p, q, i, 0, cn_rng_uniform(&r));
        } else {
            add_arm(p, q, i, +1, cn_rng_uniform(&r));
            add_arm(p, q, i, -1, cn_rng_uniform(&r));
        }
    }
    for (int i = 0; i < p->n; i++) {
        struct arm *a = &p->arms[i];

        if (q->kind == CN_MUTATE_EXPLOIT)
            rank_exploit(q, p, a);
        else if (q->kind == CN_MUTATE_EXPLORE)
            set_rank(a, 1, (double)a->param_tries, "least tried: a fresh value");
        else
            set_rank(a, 1, (double)a->param_tries + .25 * (double)a->tries,
                     "probe: looking for the edge");
    }
    qsort(p->arms, (size_t)p->n, sizeof(p->arms[0]), by_rank);
}

/* ---- 3. steps ---- */

static double clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x;
}

static bool numeric(const struct cn_param *p)
{
    return p->type == CN_PARAM_FLOAT || p->type == CN_PARAM_INT;
}

/* One step of `size` (1 = the normal one) on the parameter's scale; u in [0,1) draws the
 * factor. */
static double step(const struct cn_param *p, double from, int dir, double size, double u)
{
    double least = p->lo > 0 ? p->lo : p->hi * 1e-6, to;

    if (!p->log) {
        double width = (p->hi - p->lo) * (.15 + .1 * u) * size;

        to = from + dir * (p->type == CN_PARAM_INT ? fmax(1.0, rint(width)) : width);
    } else if (from < least) {
        to = dir > 0 ? exp(log(least) + (.25 + .5 * u) * log(p->hi / least)) : from;
    } else {
        to = from * exp(dir * size * log(2 + u));
        if (p->type == CN_PARAM_INT && fabs(to - from) < 1)
            to = from + dir;
        if (to < least)
            to = p->lo;
    }
    return p->type == CN_PARAM_INT ? clamp(rint(to), ceil(p->lo), floor(p->hi))
                                   : clamp(to, p->lo, p->hi);
}

/* A choice `round` + 1 places away; unordered ones start at a keyed place. */
static double other_choice(const struct cn_param *p, double from, int dir, uint64_t round,
                           double u)
{
    int64_t n = p->type == CN_PARAM_BOOL ? 2 : p->n_choices, i = (int64_t)from;
    int64_t others = n - 1, away = (int64_t)(round % (uint64_t)n) + 1;

    if (others < 1)
        return from;
    if (dir != 0)
        return (double)(int64_t)clamp((double)(i + dir * away), 0, (double)others);
    away = ((int64_t)(u * (double)others) + (int64_t)(round % (uint64_t)others)) % others + 1;
    return (double)((i + away) % n);
}

/* Round 0: a factor of 10 or one range width; every further round half as much again on top. */
static double probe_step(const struct cn_param *p, double from, int dir, uint64_t round)
{
    double far = 1.0 + .5 * (double)(round > 8 ? 8 : round), to;

    if (p->log && from > 0)
        to = from * exp(dir * far * log(10.0));
    else if (p->log)
        to = dir > 0 ? p->hi : from;
    else
        to = from + dir * far * (p->hi - p->lo);
    return p->type == CN_PARAM_INT ? clamp(rint(to), ceil(p->hard_lo), floor(p->hard_hi))
                                   : clamp(to, p->hard_lo, p->hard_hi);
}

static double farthest_choice(const struct cn_param *p, double from, int dir, uint64_t round)
{
    double end = dir > 0 ? (double)(p->n_choices - 1) : 0.0;
    double to = end - dir * (double)round;

    return dir > 0 ? fmax(to, from) : fmin(to, from);
}

static double probe_value(const struct cn_param *p, const struct arm *a, double from,
                          uint64_t round, double u)
{
    if (numeric(p))
        return probe_step(p, from, a->direction, round);
    if (a->direction != 0)
        return farthest_choice(p, from, a->direction, round);
    return other_choice(p, from, 0, round, u);
}

static double exploit_value(const struct cn_param *p, const struct arm *a, double from,
                            uint64_t round, double u)
{
    static const double by_round[] = {1.0, .5, 2.0};
    int64_t shrink = a->hurt > MAX_SHRINK ? MAX_SHRINK : a->hurt;

    if (!numeric(p))
        return other_choice(p, from, a->direction, round, u);
    if (round >= 3)
        return cn_space_from_unit(p, u);
    return step(p, from, a->direction, by_round[round] / (double)(1 << shrink), u);
}

/* ---- 4. public ---- */

static bool draw(const struct cn_mutate_query *q, const struct plan *p, uint64_t k,
                 struct cn_mutate_change *out)
{
    const struct arm *a;
    const struct cn_param *param;
    struct cn_rng r;
    double u, from, to;
    uint64_t round;

    *out = (struct cn_mutate_change){.param = -1, .why = ""};
    if (p->n == 0)
        return false;
    a = &p->arms[k % (uint64_t)p->n];
    round = k / (uint64_t)p->n;
    param = &q->space->params[a->param];
    from = q->parent[a->param];
    cn_rng_init(&r, q->seed, ((uint64_t)STREAM_STEP << 32) ^ (uint64_t)q->iteration);
    /* An unordered choice keeps its starting place over the rounds, so that it visits every
     * value. */
    cn_rng_seek(&r, (numeric(param) || q->kind == CN_MUTATE_EXPLORE ? k : k % (uint64_t)p->n) *
                        WORDS_PER_DRAW);
    u = cn_rng_uniform(&r);
    if (q->kind == CN_MUTATE_EXPLORE)
        to = cn_space_from_unit(param, u);
    else if (q->kind == CN_MUTATE_PROBE)
        to = probe_value(param, a, from, round, u);
    else
        to = exploit_value(param, a, from, round, u);
    *out = (struct cn_mutate_change){.param = a->param, .from = from, .to = to, .why = a->why};
    if (directed(param))
        out->direction = (to > from) - (to < from);
    if (q->kind == CN_MUTATE_EXPLOIT && numeric(param) && round >= 3)
        out->why = "every step was tried: a fresh value";
    return to != from;
}

bool cn_mutate_draw(const struct cn_mutate_query *q, uint64_t k, struct cn_mutate_change *out)
{
    struct plan p;

    make_plan(q, &p);
    return draw(q, &p, k, out);
}

cn_status cn_mutate_propose(const struct cn_mutate_query *q, cn_mutate_tried_fn *tried,
                            void *ctx, struct cn_mutate_change *out, struct cn_err *err)
{
    struct plan p;
    cn_status st = cn_space_check(q->space, err);

    *out = (struct cn_mutate_change){.param = -1, .why = ""};
    if (st != CN_OK)
        return st;
    make_plan(q, &p);
    for (uint64_t k = 0; k < CN_MUTATE_DRAWS; k++) {
        struct cn_mutate_change ch;

        if (draw(q, &p, k, &ch) && !(tried && tried(ctx, &ch))) {
            *out = ch;
            return CN_OK;
        }
    }
    return cn_err_set(err, CN_ENOTFOUND,
                      "no new one-key mutation of %d parameters in %d candidates",
                      (int)q->space->n, (int)CN_MUTATE_DRAWS);
}
