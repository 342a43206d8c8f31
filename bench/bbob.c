/* Functions of the report; see bbob.h. Symbols are its own: z, Lambda^alpha, T_osz, T_asy, Q, R,
 * f_pen.
 *
 * 1. transformations
 * 2. functions
 * 3. instances */
#include "bench/bbob.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/rng.h"
#include "base/status.h"

enum { D = CN_BBOB_DIMS };
#define PI 3.14159265358979323846

/* ---- 1. transformations ---- */

double cn_bbob_osz(double x)
{
    double h, c1 = x > 0 ? 10 : 5.5, c2 = x > 0 ? 7.9 : 3.1;

    if (x == 0)
        return 0;
    h = log(fabs(x));
    return copysign(exp(h + .049 * (sin(c1 * h) + sin(c2 * h))), x);
}

/* (i-1)/(D-1) of the report, i from 0 here. */
static double along(const struct cn_bbob *b, int i)
{
    return (double)i / (b->dim - 1);
}

static void oscillate(const struct cn_bbob *b, double *z)
{
    for (int i = 0; i < b->dim; i++)
        z[i] = cn_bbob_osz(z[i]);
}

static void asymmetric(const struct cn_bbob *b, double beta, double *z)
{
    for (int i = 0; i < b->dim; i++)
        if (z[i] > 0)
            z[i] = pow(z[i], 1 + beta * along(b, i) * sqrt(z[i]));
}

/* Lambda^alpha z. */
static void stretch(const struct cn_bbob *b, double alpha, double *z)
{
    for (int i = 0; i < b->dim; i++)
        z[i] *= pow(alpha, .5 * along(b, i));
}

static void rotate(const struct cn_bbob *b, const double m[D][D], double *z)
{
    double out[D] = {0};

    for (int i = 0; i < b->dim; i++)
        for (int k = 0; k < b->dim; k++)
            out[i] += m[i][k] * z[k];
    memcpy(z, out, sizeof out);
}

static double penalty(const struct cn_bbob *b, const double *x)
{
    double sum = 0;

    for (int i = 0; i < b->dim; i++) {
        double over = fmax(0, fabs(x[i]) - 5);

        sum += over * over;
    }
    return sum;
}

/* ---- 2. functions: z = x - x_opt on entry ---- */

static double ellipse(const struct cn_bbob *b, double power, const double *z)
{
    double sum = 0;

    for (int i = 0; i < b->dim; i++)
        sum += pow(10, power * along(b, i)) * z[i] * z[i];
    return sum;
}

static double rastrigin(const struct cn_bbob *b, double *z)
{
    double sum = 0;

    oscillate(b, z);
    asymmetric(b, .2, z);
    stretch(b, 10, z);
    for (int i = 0; i < b->dim; i++)
        sum += 10 * (1 - cos(2 * PI * z[i])) + z[i] * z[i];
    return sum;
}

static double sector(const struct cn_bbob *b, double *z)
{
    double sum = 0;

    rotate(b, b->r, z);
    stretch(b, 10, z);
    rotate(b, b->q, z);
    for (int i = 0; i < b->dim; i++) {
        double s = z[i] * b->x_opt[i] > 0 ? 100 : 1;

        sum += s * z[i] * s * z[i];
    }
    return pow(cn_bbob_osz(sum), .9);
}

static double steps(const struct cn_bbob *b, const double *x, double *z)
{
    double first;

    rotate(b, b->r, z);
    stretch(b, 10, z);
    first = fabs(z[0]);
    for (int i = 0; i < b->dim; i++)
        z[i] = fabs(z[i]) > .5 ? floor(.5 + z[i]) : floor(.5 + 10 * z[i]) / 10;
    rotate(b, b->q, z);
    return .1 * fmax(first / 1e4, ellipse(b, 2, z)) + penalty(b, x);
}

static double rosenbrock(const struct cn_bbob *b, double *z)
{
    double scale = fmax(1, sqrt(b->dim) / 8), sum = 0;

    for (int i = 0; i < b->dim; i++)
        z[i] = scale * z[i] + 1;
    for (int i = 0; i + 1 < b->dim; i++) {
        double bow = z[i] * z[i] - z[i + 1];

        sum += 100 * bow * bow + (z[i] - 1) * (z[i] - 1);
    }
    return sum;
}

static double powers(const struct cn_bbob *b, double *z)
{
    double sum = 0;

    rotate(b, b->r, z);
    for (int i = 0; i < b->dim; i++)
        sum += pow(fabs(z[i]), 2 + 4 * along(b, i));
    return sqrt(sum);
}

static double weierstrass(const struct cn_bbob *b, const double *x, double *z)
{
    double sum = 0, f0 = 0;

    rotate(b, b->r, z);
    oscillate(b, z);
    rotate(b, b->q, z);
    stretch(b, .01, z);
    rotate(b, b->r, z);
    for (int k = 0; k < 12; k++) {
        f0 += pow(.5, k) * cos(PI * pow(3, k));
        for (int i = 0; i < b->dim; i++)
            sum += pow(.5, k) * cos(2 * PI * pow(3, k) * (z[i] + .5));
    }
    return 10 * pow(sum / b->dim - f0, 3) + 10.0 / b->dim * penalty(b, x);
}

static double schaffers(const struct cn_bbob *b, const double *x, double *z)
{
    double sum = 0;

    rotate(b, b->r, z);
    asymmetric(b, .5, z);
    rotate(b, b->q, z);
    stretch(b, 10, z);
    for (int i = 0; i + 1 < b->dim; i++) {
        double s = sqrt(z[i] * z[i] + z[i + 1] * z[i + 1]), w = sin(50 * pow(s, .2));

        sum += sqrt(s) * (1 + w * w);
    }
    sum /= b->dim - 1;
    return sum * sum + 10 * penalty(b, x);
}

/* The optimum is +-2.1048 in every coordinate; of x itself, not of x - x_opt. */
#define SCHWEFEL_OPT (4.2096874633 / 2)

static double schwefel(const struct cn_bbob *b, const double *x)
{
    double z[D], was[D], sum = 0;

    for (int i = 0; i < b->dim; i++)
        was[i] = 2 * copysign(1, b->x_opt[i]) * x[i];
    for (int i = 0; i < b->dim; i++)
        z[i] = was[i] + (i > 0 ? .25 * (was[i - 1] - 2 * SCHWEFEL_OPT) : 0) - 2 * SCHWEFEL_OPT;
    stretch(b, 10, z);
    for (int i = 0; i < b->dim; i++)
        z[i] = 100 * (z[i] + 2 * SCHWEFEL_OPT);
    for (int i = 0; i < b->dim; i++)
        sum += z[i] * sin(sqrt(fabs(z[i])));
    for (int i = 0; i < b->dim; i++)
        z[i] /= 100;
    return -sum / (100 * b->dim) + 4.189828872724339 + 100 * penalty(b, z);
}

static double gallagher(const struct cn_bbob *b, const double *x)
{
    double best = 0, t;

    for (int k = 0; k < CN_BBOB_PEAKS; k++) {
        double z[D] = {0}, sum = 0;

        for (int i = 0; i < b->dim; i++)
            z[i] = x[i] - b->peak[k][i];
        rotate(b, b->r, z);
        for (int i = 0; i < b->dim; i++)
            sum += b->bend[k][i] * z[i] * z[i];
        best = fmax(best, b->height[k] * exp(-sum / (2 * b->dim)));
    }
    t = cn_bbob_osz(10 - best);
    return t * t + penalty(b, x);
}

double cn_bbob_value(const struct cn_bbob *b, const double *x)
{
    double z[D] = {0};

    for (int i = 0; i < b->dim; i++)
        z[i] = x[i] - b->x_opt[i];
    switch (b->kind) {
    case CN_BBOB_SPHERE:
        return ellipse(b, 0, z);
    case CN_BBOB_ROTATED:
        rotate(b, b->r, z); /* fall through */
    case CN_BBOB_ELLIPSOID:
        oscillate(b, z);
        return ellipse(b, 6, z);
    case CN_BBOB_RASTRIGIN:
        return rastrigin(b, z);
    case CN_BBOB_SECTOR:
        return sector(b, z);
    case CN_BBOB_STEPS:
        return steps(b, x, z);
    case CN_BBOB_ROSENBROCK:
        return rosenbrock(b, z);
    case CN_BBOB_POWERS:
        return powers(b, z);
    case CN_BBOB_WEIERSTRASS:
        return weierstrass(b, x, z);
    case CN_BBOB_SCHAFFERS:
        return schaffers(b, x, z);
    case CN_BBOB_SCHWEFEL:
        return schwefel(b, x);
    case CN_BBOB_GALLAGHER:
        return gallagher(b, x);
    case CN_BBOB_COUNT:
        break;
    }
    CN_BUG("bbob function %d", (int)b->kind);
}

/* ---- 3. instances ---- */

/* A random orthogonal matrix: normal columns, orthonormalised (Gram-Schmidt). */
static void draw_rotation(int dim, struct cn_rng *r, double m[D][D])
{
    for (int i = 0; i < dim; i++) {
        double norm = 0;

        for (int k = 0; k < dim; k++)
            m[i][k] = cn_rng_normal(r);
        for (int p = 0; p < i; p++) {
            double dot = 0;

            for (int k = 0; k < dim; k++)
                dot += m[i][k] * m[p][k];
            for (int k = 0; k < dim; k++)
                m[i][k] -= dot * m[p][k];
        }
        for (int k = 0; k < dim; k++)
            norm += m[i][k] * m[i][k];
        for (int k = 0; k < dim; k++)
            m[i][k] /= sqrt(norm);
    }
}

/* 0 .. n-1 in random order. */
static void shuffle(struct cn_rng *r, int n, int *out)
{
    for (int i = 0; i < n; i++) {
        int k = (int)cn_rng_below(r, (uint64_t)i + 1);

        out[i] = out[k];
        out[k] = i;
    }
}

/* alpha_1 = 1000; the others 1000^(2 j / 99), each j once. */
static void draw_peaks(struct cn_bbob *b, struct cn_rng *r)
{
    int order[CN_BBOB_PEAKS - 1], axis[D];

    shuffle(r, CN_BBOB_PEAKS - 1, order);
    for (int k = 0; k < CN_BBOB_PEAKS; k++) {
        double alpha = k == 0 ? 1000 : pow(1000, 2.0 * order[k - 1] / 99);

        shuffle(r, b->dim, axis);
        for (int i = 0; i < b->dim; i++) {
            b->peak[k][i] = k == 0 ? b->x_opt[i] : -5 + 10 * cn_rng_uniform(r);
            b->bend[k][i] = pow(alpha, .5 * along(b, axis[i])) / pow(alpha, .25);
        }
        b->height[k] = k == 0 ? 10 : 1.1 + 8.0 * (k - 1) / 99;
    }
}

void cn_bbob_init(struct cn_bbob *b, cn_bbob_kind kind, int dim, uint64_t instance)
{
    double reach = kind == CN_BBOB_ROSENBROCK ? 3 : 4;
    struct cn_rng r;

    CN_ASSERT(dim >= 2 && dim <= D);
    memset(b, 0, sizeof *b);
    b->kind = kind;
    b->dim = dim;
    cn_rng_init(&r, instance, 0xbb0b00u + (uint64_t)kind * 64u + (uint64_t)dim);
    for (int i = 0; i < dim; i++) {
        double u = -1 + 2 * cn_rng_uniform(&r);

        b->x_opt[i] = kind == CN_BBOB_SCHWEFEL ? copysign(SCHWEFEL_OPT, u) : reach * u;
    }
    draw_rotation(dim, &r, b->r);
    draw_rotation(dim, &r, b->q);
    if (kind == CN_BBOB_GALLAGHER)
        draw_peaks(b, &r);
}

bool cn_bbob_move(struct cn_bbob *b, const double *x)
{
    if (b->kind == CN_BBOB_SCHWEFEL)
        return false;
    memcpy(b->x_opt, x, (size_t)b->dim * sizeof *x);
    if (b->kind == CN_BBOB_GALLAGHER)
        memcpy(b->peak[0], x, (size_t)b->dim * sizeof *x);
    return true;
}

const char *cn_bbob_name(cn_bbob_kind k)
{
    static const char *const names[] = {
#define X(name, text, number, one_valley) text,
        CN_BBOB_MAP(X)
#undef X
    };

    return names[k];
}

bool cn_bbob_has_one_valley(cn_bbob_kind k)
{
    static const bool one[] = {
#define X(name, text, number, one_valley) one_valley,
        CN_BBOB_MAP(X)
#undef X
    };

    return one[k];
}
