/* How well the search finds: the proposers against random search on made-up landscapes.
 *
 *     cn_bench_search [--seeds 20] [--budget 96] [--figure STEM] [--json]
 *
 * Every proposer begins with the same default config and gets as many trainings. What counts is
 * the config that a person would be told (best mean reward): its true loss above the optimum, as
 * a share of what the default loses. The table gives median and quartiles over all seeds and
 * landscapes of a group, the landscapes on which a proposer is better or worse than random
 * (Wilcoxon's signed-rank test over the seeds, both sides, 5 per cent), and single wins.
 */
#include "bench/search.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/text.h"

struct options {
    int64_t seeds, budget;
    const char *figure;
    bool json;
};

const char *const group_names[N_GROUPS] = {
    "one valley, 2 to 5 parameters", "one valley, 10 parameters",
    "many valleys, 2 to 10 parameters", "like trainings, 6 to 12 parameters"};

static cn_status read_options(int argc, char **argv, struct options *o, struct cn_err *err)
{
    *o = (struct options){20, 96, NULL, false};
    for (int i = 1; i < argc; i++) {
        int64_t *to = strcmp(argv[i], "--seeds") == 0    ? &o->seeds
                      : strcmp(argv[i], "--budget") == 0 ? &o->budget
                                                         : NULL;
        double v;

        if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
        } else if (strcmp(argv[i], "--figure") == 0 && i + 1 < argc) {
            o->figure = argv[++i];
        } else if (to && i + 1 < argc) {
            if (!cn_text_parse_double(argv[++i], &v) || v < 1 || v != floor(v) ||
                v > (to == &o->budget ? SEARCH_BUDGET : 1000))
                return cn_err_set(err, CN_EINPUT, "%s %s: expected a whole number from 1 to %d",
                                  argv[i - 1], argv[i],
                                  to == &o->budget ? SEARCH_BUDGET : 1000);
            *to = (int64_t)v;
        } else {
            return cn_err_set(err, CN_EINPUT,
                              "%s: expected --seeds or --budget with a number, --figure with a "
                              "name, or --json",
                              argv[i]);
        }
    }
    return CN_OK;
}

static double *curve(const struct results *r, int problem, int by, int64_t seed)
{
    return &r->regret[(((int64_t)problem * N_METHODS + by) * r->seeds + seed) * r->budget];
}

static cn_status run_all(struct results *r, struct cn_err *err)
{
    r->n_problems = problem_count();
    CN_ASSERT(r->n_problems <= MAX_PROBLEMS);
    r->regret =
        cn_alloc((size_t)(r->n_problems * N_METHODS * r->seeds * r->budget), sizeof *r->regret);
    if (!r->regret)
        return cn_err_set(err, CN_ENOMEM, "bench: no memory for the curves");
    for (int p = 0; p < r->n_problems; p++)
        for (int64_t s = 0; s < r->seeds; s++) {
            static struct problem problem;

            problem_init(&problem, p, (uint64_t)s + 1);
            r->in[p] = problem.in;
            cn_text_copy(r->names[p], sizeof r->names[p], problem.name);
            for (int m = 0; m < N_METHODS; m++)
                campaign_run(&problem, (method)m, (uint64_t)s + 1, (int)r->budget,
                             curve(r, p, m, s));
        }
    return CN_OK;
}

/* ---- statistics ---- */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

struct quartiles quartiles_of(double *v, int64_t n)
{
    qsort(v, (size_t)n, sizeof *v, by_value);
    return (struct quartiles){v[n / 4], n % 2 ? v[n / 2] : (v[n / 2 - 1] + v[n / 2]) / 2,
                              v[(3 * n) / 4]};
}

int64_t gather(const struct results *r, int g, int by, int64_t at, double *out)
{
    int64_t n = 0;

    for (int p = 0; p < r->n_problems; p++)
        for (int64_t s = 0; (g < 0 || (int)r->in[p] == g) && s < r->seeds; s++)
            out[n++] = curve(r, p, by, s)[at - 1];
    return n;
}

/* z of Wilcoxon's signed-rank test on the logarithms; positive: `by` loses less than random. */
static double wilcoxon(const struct results *r, int p, int by, int64_t at)
{
    double d[1000], size[1000], up = 0, total = 0, squares = 0;
    int64_t n = 0;

    for (int64_t s = 0; s < r->seeds; s++) {
        double a = log(curve(r, p, BY_RANDOM, s)[at - 1] + 1e-12);
        double b = log(curve(r, p, by, s)[at - 1] + 1e-12);

        if (a != b)
            d[n++] = a - b;
    }
    for (int64_t i = 0; i < n; i++) {
        size[i] = .5;
        for (int64_t k = 0; k < n; k++)
            size[i] += fabs(d[k]) < fabs(d[i]) ? 1 : fabs(d[k]) == fabs(d[i]) ? .5 : 0;
        up += d[i] > 0 ? size[i] : 0;
        total += size[i];
        squares += size[i] * size[i];
    }
    return squares > 0 ? (2 * up - total) / sqrt(squares) : 0;
}

struct duel {
    int better, worse, problems; /* landscapes */
    int64_t wins, ties, pairs;   /* single seeds */
};

static struct duel against_random(const struct results *r, int g, int by, int64_t at)
{
    struct duel d = {0};

    for (int p = 0; p < r->n_problems; p++) {
        double z;

        if (g >= 0 && (int)r->in[p] != g)
            continue;
        z = wilcoxon(r, p, by, at);
        d.problems++;
        d.better += z > 1.96;
        d.worse += z < -1.96;
        for (int64_t s = 0; s < r->seeds; s++) {
            double a = curve(r, p, BY_RANDOM, s)[at - 1], b = curve(r, p, by, s)[at - 1];

            d.pairs++;
            d.wins += b < a;
            d.ties += b == a;
        }
    }
    return d;
}

/* ---- tables ---- */

static void print_row(const struct results *r, bool json, int g, int by, int64_t at,
                      double *room)
{
    int64_t n = gather(r, g, by, at, room);
    struct quartiles q = quartiles_of(room, n);
    struct duel d = against_random(r, g, by, at);

    if (json) {
        (void)printf("{\"group\": \"%s\", \"trainings\": %d, \"proposer\": \"%s\", \"median\": "
                     "%.6g, \"low\": %.6g, \"high\": %.6g, \"better\": %d, \"worse\": %d, "
                     "\"landscapes\": %d, \"wins\": %d, \"ties\": %d, \"pairs\": %d}\n",
                     g < 0 ? "all" : group_names[g], (int)at, method_name((method)by), q.median,
                     q.low, q.high, d.better, d.worse, d.problems, (int)d.wins, (int)d.ties,
                     (int)d.pairs);
        return;
    }
    (void)printf("  %-18s %7.4f  (%.4f to %.4f)", method_name((method)by), q.median, q.low,
                 q.high);
    if (by != BY_RANDOM)
        (void)printf("   %2d better, %2d worse of %2d; %3.0f %% of runs", d.better, d.worse,
                     d.problems,
                     100 * ((double)d.wins + .5 * (double)d.ties) / (double)d.pairs);
    (void)printf("\n");
}

static void print_tables(const struct results *r, bool json, double *room)
{
    for (int g = N_GROUPS; g-- > -1;)
        for (int64_t at = 24; at <= r->budget || at == 24; at *= 2) {
            int64_t last = at < r->budget ? at : r->budget;

            if (!json)
                (void)printf("%s, %d trainings, %d seeds: regret, median (quartiles)\n",
                             g < 0 ? "all" : group_names[g], (int)last, (int)r->seeds);
            for (int m = 0; m < N_METHODS; m++)
                print_row(r, json, g, m, last, room);
        }
}

int main(int argc, char **argv)
{
    struct cn_err err = CN_ERR_INIT;
    struct results r = {.n_problems = 0};
    struct options o;
    double *room = NULL;
    cn_status st = read_options(argc, argv, &o, &err);

    r.seeds = o.seeds;
    r.budget = o.budget;
    if (st == CN_OK)
        st = run_all(&r, &err);
    if (st == CN_OK) {
        room = cn_alloc((size_t)(r.n_problems * r.seeds), sizeof *room);
        if (!room)
            st = cn_err_set(&err, CN_ENOMEM, "bench: no memory for a table");
    }
    if (st == CN_OK)
        print_tables(&r, o.json, room);
    if (st == CN_OK && o.figure)
        st = draw_figure(&r, o.figure, room, &err);
    if (st != CN_OK)
        (void)fprintf(stderr, "cn_bench_search: %s\n", err.text);
    cn_free(room);
    cn_free(r.regret);
    return st == CN_OK ? 0 : st == CN_EINPUT ? 2 : 1;
}
