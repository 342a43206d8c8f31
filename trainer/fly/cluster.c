#include "trainer/fly/cluster.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"

/* Count, mean and sum of squares of one side of every neuron's edges, by Welford. */
static void moments(int64_t n, int64_t e, const int32_t *of, const double *w, double *count,
                    double *mean, double *m2)
{
    memset(count, 0, (size_t)n * sizeof *count);
    memset(mean, 0, (size_t)n * sizeof *mean);
    memset(m2, 0, (size_t)n * sizeof *m2);
    for (int64_t k = 0; k < e; k++) {
        const int32_t i = of[k];
        const double d = w[k] - mean[i];

        count[i]++;
        mean[i] += d / count[i];
        m2[i] += d * (w[k] - mean[i]);
    }
}

cn_status cn_fly_cluster_features(int64_t n, int64_t d, const double *a, const double *tau,
                                  const double *V_rest, int64_t e, const int32_t *src,
                                  const int32_t *dst, const double *W_star, double *out,
                                  struct cn_err *err)
{
    const int32_t *const side[2] = {dst, src};
    const int64_t width = d + 6;
    double *count = cn_alloc(3 * (size_t)n, sizeof *count);

    if (!count)
        return cn_err_set(err, CN_ENOMEM, "no memory for the features of %lld neurons",
                          (long long)n);
    double *mean = count + n, *m2 = count + 2 * n;
    for (int64_t i = 0; i < n; i++) {
        memcpy(out + i * width, a + i * d, (size_t)d * sizeof *out);
        out[i * width + d] = tau[i];
        out[i * width + d + 1] = V_rest[i];
    }
    for (int s = 0; s < 2; s++) {
        moments(n, e, side[s], W_star, count, mean, m2);
        for (int64_t i = 0; i < n; i++) {
            out[i * width + d + 2 + 2 * s] = mean[i];
            out[i * width + d + 3 + 2 * s] = count[i] > 0 ? sqrt(m2[i] / count[i]) : 0;
        }
    }
    cn_free(count);
    return CN_OK;
}

/* Contingency table of two labellings, square, padded with zeros. */
struct table {
    int64_t k;             /* rows and columns */
    int64_t *cell;         /* (k, k) cell[t*k + f]: neurons of type t in cluster f; owned */
    int64_t *row, *column; /* (k) sums; owned with cell */
    double *work;          /* (2, k+1) potentials of the matching; owned */
    int64_t *link;         /* (3, k+1) its bookkeeping; owned with cell */
};

static cn_status make_table(const int32_t *type, const int32_t *found, int64_t n,
                            struct table *t, struct cn_err *err)
{
    memset(t, 0, sizeof *t);
    for (int64_t i = 0; i < n; i++) {
        if (type[i] < 0 || type[i] >= n || found[i] < 0 || found[i] >= n)
            return cn_err_set(err, CN_EINPUT, "labels %d, %d of item %lld: expected 0 to %lld",
                              type[i], found[i], (long long)i, (long long)n - 1);
        t->k = type[i] >= t->k ? type[i] + 1 : t->k;
        t->k = found[i] >= t->k ? found[i] + 1 : t->k;
    }
    const size_t k = (size_t)t->k;
    t->cell = cn_alloc(k * k + 2 * k + 3 * (k + 1), sizeof *t->cell);
    t->work = cn_alloc(3 * (k + 1), sizeof *t->work);
    if (!t->cell || !t->work)
        return cn_err_set(err, CN_ENOMEM, "no memory to compare %lld labels", (long long)t->k);
    t->row = t->cell + k * k;
    t->column = t->row + k;
    t->link = t->column + k;
    for (int64_t i = 0; i < n; i++) {
        t->cell[type[i] * t->k + found[i]]++;
        t->row[type[i]]++;
        t->column[found[i]]++;
    }
    return CN_OK;
}

/* One more row enters the matching: the shortest augmenting path over reduced costs (Jonker & Volgenant 1987's form
 * of the Hungarian method). Rows and columns count from 1; owner[0] is the row that enters, before[] the path. */
static void augment(struct table *t, int64_t entering)
{
    const int64_t k = t->k;
    int64_t *owner = t->link, *before = owner + k + 1, *used = before + k + 1, at = 0;
    double *u = t->work, *v = u + k + 1, *shortest = v + k + 1;

    owner[0] = entering;
    for (int64_t j = 0; j <= k; j++) {
        shortest[j] = (double)INFINITY;
        used[j] = 0;
    }
    do {
        const int64_t i = owner[at];
        int64_t next = 0;
        double delta = (double)INFINITY;

        used[at] = 1;
        for (int64_t j = 1; j <= k; j++) {
            const double cost = -(double)t->cell[(i - 1) * k + j - 1] - u[i] - v[j];

            if (used[j])
                continue;
            if (cost < shortest[j]) {
                shortest[j] = cost;
                before[j] = at;
            }
            if (shortest[j] < delta) {
                delta = shortest[j];
                next = j;
            }
        }
        for (int64_t j = 0; j <= k; j++) {
            if (used[j]) {
                u[owner[j]] += delta;
                v[j] -= delta;
            } else {
                shortest[j] -= delta;
            }
        }
        at = next;
    } while (owner[at] != 0);
    for (; at != 0; at = before[at])
        owner[at] = owner[before[at]];
}

static int64_t best_matching(struct table *t)
{
    int64_t sum = 0;

    for (int64_t i = 1; i <= t->k; i++)
        augment(t, i);
    for (int64_t j = 1; j <= t->k; j++)
        sum += t->cell[(t->link[j] - 1) * t->k + j - 1];
    return sum;
}

static double pairs(double x)
{
    return x * (x - 1) / 2;
}

static double adjusted_rand(const struct table *t, int64_t n)
{
    double both = 0, rows = 0, columns = 0;

    for (int64_t i = 0; i < t->k; i++) {
        rows += pairs((double)t->row[i]);
        columns += pairs((double)t->column[i]);
        for (int64_t j = 0; j < t->k; j++)
            both += pairs((double)t->cell[i * t->k + j]);
    }
    const double expected = n > 1 ? rows * columns / pairs((double)n) : 0;
    const double most = (rows + columns) / 2;
    return most == expected ? 1 : (both - expected) / (most - expected);
}

static double entropy_of(const int64_t *count, int64_t k, int64_t n)
{
    double h = 0;

    for (int64_t i = 0; i < k; i++)
        if (count[i] > 0)
            h -= (double)count[i] / (double)n * log((double)count[i] / (double)n);
    return h;
}

static double mutual_information(const struct table *t, int64_t n)
{
    const double rows = entropy_of(t->row, t->k, n), columns = entropy_of(t->column, t->k, n);
    const double joint = entropy_of(t->cell, t->k * t->k, n), mean = (rows + columns) / 2;
    const double shared = rows + columns - joint;

    return mean <= 0 ? 1 : shared > 1e-14 * mean ? shared / mean : 0;
}

cn_status cn_fly_cluster_match(const int32_t *type, const int32_t *found, int64_t n,
                               struct cn_fly_match *out, struct cn_err *err)
{
    struct table t;

    memset(out, 0, sizeof *out);
    if (n < 1)
        return cn_err_set(err, CN_EINPUT, "%lld labels: expected at least one", (long long)n);
    const cn_status st = make_table(type, found, n, &t, err);
    if (st == CN_OK) {
        out->matched = best_matching(&t);
        out->accuracy = (double)out->matched / (double)n;
        out->ari = adjusted_rand(&t, n);
        out->nmi = mutual_information(&t, n);
    }
    cn_free(t.cell);
    cn_free(t.work);
    return st;
}
