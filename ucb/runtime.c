/* Ridge regression of log seconds on log parameters. See runtime.h. */
#include "ucb/runtime.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/stats.h"

/* The noise of a run time that is believed before anything was seen: 15 per cent, worth four
 * trainings. */
static const double noise_prior = 0.15, noise_prior_rows = 4;
/* Fit, move the censored rows to where the line puts them, fit again. */
enum { ROUNDS = 4, D = CN_RUNTIME_DIMS };

struct cn_runtime {
    int64_t n;
    int32_t d;
    double level; /* mean of log seconds */
    double mean[D], slope[D];
    double chol[D][D]; /* lower factor of X'X / s^2 + 1 / SLOPE^2, X centred */
    double noise;      /* s, of log seconds */
};

/* One fit's work: the usable rows, newest last. */
struct fit {
    struct cn_runtime *m;
    const struct cn_runtime_row *rows[CN_RUNTIME_ROWS];
    double y[CN_RUNTIME_ROWS];
};

static double centred(const struct cn_runtime *m, const double *x, int32_t k)
{
    return isfinite(x[k]) ? x[k] - m->mean[k] : 0;
}

static void take_rows(struct fit *f, const struct cn_runtime_row *rows, int64_t n)
{
    struct cn_runtime *m = f->m;

    for (int64_t i = n - 1; i >= 0 && m->n < CN_RUNTIME_ROWS; i--)
        if (isfinite(rows[i].seconds) && rows[i].seconds > 0)
            f->rows[m->n++] = &rows[i];
    for (int32_t k = 0; k < m->d; k++) {
        double sum = 0;
        int64_t seen = 0;

        for (int64_t i = 0; i < m->n; i++)
            if (isfinite(f->rows[i]->x[k])) {
                sum += f->rows[i]->x[k];
                seen++;
            }
        m->mean[k] = seen ? sum / (double)seen : 0;
    }
}

/* In place, lower triangle; the matrix is positive definite by its ridge. */
static void factor(struct cn_runtime *m)
{
    for (int32_t j = 0; j < m->d; j++)
        for (int32_t i = j; i < m->d; i++) {
            double s = m->chol[i][j];

            for (int32_t k = 0; k < j; k++)
                s -= m->chol[i][k] * m->chol[j][k];
            m->chol[i][j] = i == j ? sqrt(s) : s / m->chol[j][j];
        }
}

static void forward(const struct cn_runtime *m, double *b)
{
    for (int32_t i = 0; i < m->d; i++) {
        for (int32_t k = 0; k < i; k++)
            b[i] -= m->chol[i][k] * b[k];
        b[i] /= m->chol[i][i];
    }
}

static void backward(const struct cn_runtime *m, double *b)
{
    for (int32_t i = m->d - 1; i >= 0; i--) {
        for (int32_t k = i + 1; k < m->d; k++)
            b[i] -= m->chol[k][i] * b[k];
        b[i] /= m->chol[i][i];
    }
}

static double line(const struct cn_runtime *m, const double *x)
{
    double y = m->level;

    for (int32_t k = 0; k < m->d; k++)
        y += m->slope[k] * centred(m, x, k);
    return y;
}

static void solve(struct fit *f)
{
    struct cn_runtime *m = f->m;
    double s2 = m->noise * m->noise;

    m->level = 0;
    for (int64_t i = 0; i < m->n; i++)
        m->level += f->y[i] / (double)m->n;
    for (int32_t a = 0; a < m->d; a++) {
        m->slope[a] = 0;
        for (int32_t b = 0; b <= a; b++) {
            double s = a == b ? 1 / (CN_RUNTIME_SLOPE * CN_RUNTIME_SLOPE) : 0;

            for (int64_t i = 0; i < m->n; i++)
                s += centred(m, f->rows[i]->x, a) * centred(m, f->rows[i]->x, b) / s2;
            m->chol[a][b] = s;
        }
        for (int64_t i = 0; i < m->n; i++)
            m->slope[a] += centred(m, f->rows[i]->x, a) * (f->y[i] - m->level) / s2;
    }
    factor(m);
    forward(m, m->slope);
    backward(m, m->slope);
}

static void fit(struct fit *f)
{
    struct cn_runtime *m = f->m;

    m->noise = noise_prior;
    for (int64_t i = 0; i < m->n; i++)
        f->y[i] = log(f->rows[i]->seconds * (f->rows[i]->censored ? CN_RUNTIME_CENSORED : 1));
    for (int round = 0; round < ROUNDS; round++) {
        double sum = noise_prior_rows * noise_prior * noise_prior;

        solve(f);
        for (int64_t i = 0; i < m->n; i++) {
            double y = line(m, f->rows[i]->x);

            if (f->rows[i]->censored && y > f->y[i])
                f->y[i] = y;
            sum += (f->y[i] - y) * (f->y[i] - y);
        }
        m->noise = sqrt(sum / (noise_prior_rows + (double)m->n));
    }
    solve(f);
}

cn_status cn_runtime_new(const struct cn_runtime_row *rows, int64_t n, int32_t d,
                         struct cn_runtime **out, struct cn_err *err)
{
    struct cn_runtime *m = NULL;
    struct fit *f = NULL;

    *out = NULL;
    if (d < 0 || d > D)
        return cn_err_set(err, CN_ECAP, "run time: %d parameters, at most %d can enter", (int)d,
                          D);
    m = cn_alloc(1, sizeof *m);
    f = cn_alloc(1, sizeof *f);
    if (!m || !f) {
        cn_free(m);
        cn_free(f);
        return cn_err_set(err, CN_ENOMEM, "no memory for the model of run times");
    }
    memset(m, 0, sizeof *m);
    m->d = d;
    f->m = m;
    take_rows(f, rows, n);
    if (m->n > 0)
        fit(f);
    cn_free(f);
    *out = m;
    return CN_OK;
}

void cn_runtime_free(struct cn_runtime *m)
{
    cn_free(m);
}

struct cn_runtime_guess cn_runtime_predict(const struct cn_runtime *m, const double *x,
                                           double confidence)
{
    struct cn_runtime_guess g = {false, (double)NAN, (double)NAN, (double)NAN};
    double v[D], y, width, spread;

    if (m->n < CN_RUNTIME_MIN_ROWS)
        return g;
    for (int32_t k = 0; k < m->d; k++)
        v[k] = centred(m, x, k);
    forward(m, v);
    /* The new training's own noise, the level's, and the slopes'. */
    spread = m->noise * m->noise * (1 + 1 / (double)m->n);
    for (int32_t k = 0; k < m->d; k++)
        spread += v[k] * v[k];
    y = line(m, x);
    width = sqrt(spread) * cn_stats_student(confidence, (double)m->n + noise_prior_rows - 1);
    return (struct cn_runtime_guess){true, exp(y), exp(y - width), exp(y + width)};
}
