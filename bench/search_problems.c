/* What the search bench searches: BBOB functions over mixed spaces, and landscapes like those of
 * trainings. See search.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/rng.h"
#include "base/text.h"
#include "bench/search.h"
#include "ucb/sobol.h"

enum { TRAINING_CLIFF = CN_BBOB_COUNT, TRAINING_CONFLICT, TRAINING_FEW_MATTER, N_KINDS };
enum { STREAM_TOP = 0x70b, STREAM_NOISE = 0x4015e };

static const struct {
    int kind, n;
} list[] = {
    {CN_BBOB_SPHERE, 2},       {CN_BBOB_ELLIPSOID, 2},   {CN_BBOB_ROSENBROCK, 2},
    {CN_BBOB_SPHERE, 5},       {CN_BBOB_ELLIPSOID, 5},   {CN_BBOB_SECTOR, 5},
    {CN_BBOB_STEPS, 5},        {CN_BBOB_ROSENBROCK, 5},  {CN_BBOB_POWERS, 5},
    {CN_BBOB_SPHERE, 10},      {CN_BBOB_ELLIPSOID, 10},  {CN_BBOB_SECTOR, 10},
    {CN_BBOB_STEPS, 10},       {CN_BBOB_ROSENBROCK, 10}, {CN_BBOB_POWERS, 10},
    {CN_BBOB_RASTRIGIN, 2},    {CN_BBOB_GALLAGHER, 2},   {CN_BBOB_RASTRIGIN, 5},
    {CN_BBOB_WEIERSTRASS, 5},  {CN_BBOB_SCHAFFERS, 5},   {CN_BBOB_SCHWEFEL, 5},
    {CN_BBOB_GALLAGHER, 5},    {CN_BBOB_RASTRIGIN, 10},  {CN_BBOB_SCHAFFERS, 10},
    {CN_BBOB_SCHWEFEL, 10},    {TRAINING_CLIFF, 6},      {TRAINING_CONFLICT, 6},
    {TRAINING_FEW_MATTER, 12},
};

int problem_count(void)
{
    return sizeof list / sizeof list[0];
}

/* Parameters by turns, so that every type takes part. */
static const struct cn_param kinds[] = {
    {.path = "rate", .lo = 1e-4, .hi = 1e-1, .hard_lo = 0, .hard_hi = 10, .log = true},
    {.path = "weight", .lo = 0, .hi = 1000, .hard_lo = 0, .hard_hi = 1e6},
    {.path = "loop", .type = CN_PARAM_INT, .lo = 10, .hi = 100, .hard_lo = 1, .hard_hi = 1e4},
    {.path = "batch", .type = CN_PARAM_CHOICE, .n_choices = 8, .ordered = true},
    {.path = "mode", .type = CN_PARAM_CHOICE, .n_choices = 5},
};
enum { N_PARAMS = sizeof kinds / sizeof kinds[0] };

/* Up to four parameters: floats and an int. Five and more: every type. */
static const struct cn_param *kind_of(int n, int i)
{
    return &kinds[n < 5 ? i % 3 : i % N_PARAMS];
}

/* An unordered choice means nothing by its number: the values are shuffled. */
static const int shuffled[] = {3, 0, 4, 1, 2};

/* On [0,1]. */
static double height_of(const struct cn_param *p, double x)
{
    if (p->type == CN_PARAM_CHOICE && !p->ordered)
        x = shuffled[(int)x];
    return cn_space_to_unit(p, x);
}

/* -5 .. 5 of the functions. */
static void to_box(const struct problem *p, const double *x, double *out)
{
    for (int i = 0; i < p->n; i++)
        out[i] = -5 + 10 * height_of(&p->params[i], x[i]);
}

/* ---- landscapes like those of trainings ---- */

static double distance2(const struct problem *p, const double *x, double shift)
{
    double sum = 0;

    for (int i = 0; i < p->n; i++) {
        double d = (height_of(&p->params[i], x[i]) - p->top[i] - shift) / p->width[i];

        sum += d * d;
    }
    return sum;
}

/* A high rate diverges; a large loop at a large batch is out of memory. The best rate lies near
 * the cliff. */
static bool dies(const struct problem *p, const double *x)
{
    double rate = height_of(&p->params[0], x[0]),
           load = height_of(&p->params[2], x[2]) * height_of(&p->params[3], x[3]);

    return x[0] > p->params[0].hi || rate > p->top[0] + .15 || load > .6;
}

/* The best that both hills allow is half-way: loss from there. */
static double between(const struct problem *p, double d2)
{
    double best = 0;

    for (int i = 0; i < p->n; i++)
        best += .1 / p->width[i] * .1 / p->width[i];
    return exp(-best / 2) - exp(-d2 / 2);
}

static double training_loss(const struct problem *p, const double *x)
{
    if (p->kind == TRAINING_CLIFF && dies(p, x))
        return (double)NAN;
    /* Two metrics with hills a little apart: the worse of both counts. The best lies between. */
    if (p->kind == TRAINING_CONFLICT)
        return between(p, fmax(distance2(p, x, -.1), distance2(p, x, .1)));
    return 1 - exp(-distance2(p, x, 0) / 2);
}

/* Narrow in the first parameters, wide in the later ones; of `few matter` flat beyond three. */
static void draw_hill(struct problem *p, uint64_t instance)
{
    struct cn_rng r;

    cn_rng_init(&r, instance, STREAM_TOP);
    for (int i = 0; i < p->n; i++) {
        double lo, hi, u = .25 + .5 * cn_rng_uniform(&r);

        p->width[i] = .25 + .1 * (i % 6);
        if (p->kind == TRAINING_FEW_MATTER)
            p->width[i] = i % 4 == 0 ? .2 : 3;
        if (p->params[i].type != CN_PARAM_FLOAT) { /* reachable: the middle of a share */
            cn_space_cell(&p->params[i], cn_space_from_unit(&p->params[i], u), &lo, &hi);
            u = (lo + hi) / 2;
        }
        p->top[i] = u;
    }
}

/* ---- the problem ---- */

double problem_loss(const struct problem *p, const double *x)
{
    double box[SEARCH_DIMS];

    if (p->kind >= CN_BBOB_COUNT)
        return training_loss(p, x);
    to_box(p, x, box);
    return cn_bbob_value(&p->f, box);
}

double problem_reward(const struct problem *p, const double *x, uint64_t seed,
                      int64_t iteration)
{
    double loss = problem_loss(p, x);
    struct cn_rng r;

    cn_rng_init(&r, seed ^ 0x5eed, ((uint64_t)STREAM_NOISE << 32) ^ (uint64_t)iteration);
    return isnan(loss) ? loss : 1 / (1 + loss / p->scale) + p->noise * cn_rng_normal(&r);
}

struct entry {
    double loss;
    uint64_t index;
};

static int by_loss(const void *x, const void *y)
{
    const struct entry *a = x, *b = y;

    return (a->loss > b->loss) - (a->loss < b->loss);
}

/* A default as people have them: it runs, and a third of all configs are better. */
static void choose_start(struct problem *p, uint64_t instance)
{
    enum { LOOK = 99 };
    const struct cn_space space = {p->params, p->n};
    struct entry e[LOOK];
    int n = 0;

    for (uint64_t i = 0; i < LOOK; i++) {
        cn_space_random(&space, instance ^ 0x57a27, (int64_t)i + 1, 0, p->start);
        e[n] = (struct entry){problem_loss(p, p->start), i};
        n += !isnan(e[n].loss);
    }
    qsort(e, (size_t)n, sizeof *e, by_loss);
    cn_space_random(&space, instance ^ 0x57a27, (int64_t)e[n / 3].index + 1, 0, p->start);
    p->scale = e[n / 3].loss;
}

/* The optimum onto the grid of the discrete parameters. */
static void snap_optimum(struct problem *p)
{
    double x[SEARCH_DIMS], lo, hi;

    memcpy(x, p->f.x_opt, sizeof p->f.x_opt);
    for (int i = 0; i < p->n; i++) {
        const struct cn_param *q = &p->params[i];

        if (q->type == CN_PARAM_FLOAT)
            continue;
        cn_space_cell(q, cn_space_from_unit(q, (x[i] + 5) / 10), &lo, &hi);
        x[i] = -5 + 5 * (lo + hi);
    }
    (void)cn_bbob_move(&p->f, x); /* Schwefel stays: its best grid point loses a little */
}

void problem_init(struct problem *p, int number, uint64_t instance)
{
    static const char *const names[] = {"cliff", "conflict", "few of twelve matter"};
    int kind = list[number].kind;

    memset(p, 0, sizeof *p);
    p->kind = kind;
    p->n = list[number].n;
    for (int i = 0; i < p->n; i++)
        p->params[i] = *kind_of(p->n, i);
    if (kind < CN_BBOB_COUNT) {
        cn_bbob_init(&p->f, (cn_bbob_kind)kind, p->n, instance);
        snap_optimum(p);
        p->in = !cn_bbob_has_one_valley((cn_bbob_kind)kind) ? GROUP_RUGGED
                : p->n == 10                                ? GROUP_VALLEY_10
                                                            : GROUP_VALLEY;
        cn_text_format(p->name, sizeof p->name, "%s, %d-d", cn_bbob_name((cn_bbob_kind)kind),
                       p->n);
    } else {
        p->in = GROUP_TRAINING;
        p->noise = .02;
        draw_hill(p, instance);
        cn_text_copy(p->name, sizeof p->name, names[kind - CN_BBOB_COUNT]);
    }
    choose_start(p, instance);
}
