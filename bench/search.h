/* The search bench in three files: search_problems.c (what is searched), search_campaign.c (who
 * searches), search.c (tables), search_figure.c. */
#ifndef CN_BENCH_SEARCH_H
#define CN_BENCH_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "bench/bbob.h"
#include "ucb/space.h"

enum { SEARCH_DIMS = 12, SEARCH_BUDGET = 256 };

typedef enum { GROUP_VALLEY, GROUP_VALLEY_10, GROUP_RUGGED, GROUP_TRAINING, N_GROUPS } group;

/* One landscape over one space; instances differ in optima, rotations and noise. */
struct problem {
    char name[64];
    group in;
    int n;
    double noise; /* standard deviation of a training's reward */
    int kind;     /* cn_bbob_kind, or a TRAINING_... below */
    struct cn_param params[SEARCH_DIMS];
    struct cn_bbob f;
    double top[SEARCH_DIMS], width[SEARCH_DIMS]; /* hills of the training-like ones */
    double start[SEARCH_DIMS];                   /* the default config, the same for all */
    double scale; /* what the default config loses against the optimum */
};

/* regret[((problem * N_METHODS + method) * seeds + seed) * budget + iteration] */
enum { MAX_PROBLEMS = 64 };
struct results {
    int64_t seeds, budget;
    double *regret; /* owned */
    int n_problems;
    group in[MAX_PROBLEMS];
    char names[MAX_PROBLEMS][64];
};
extern const char *const group_names[N_GROUPS];
/* Regrets of a group after `at` trainings; g < 0: all groups. Returns their number. */
int64_t gather(const struct results *r, int g, int by, int64_t at, double *out);
struct quartiles {
    double low, median, high;
};
struct quartiles quartiles_of(double *v, int64_t n); /* sorts v */

/* <stem>.png: medians and quartiles over the trainings, a panel per group. `room`: as many
 * doubles as there are campaigns of a proposer. */
CN_MUST_CHECK cn_status draw_figure(const struct results *r, const char *stem, double *room,
                                    struct cn_err *err);

int problem_count(void);
void problem_init(struct problem *p, int number, uint64_t instance);
/* Loss of a config: 0 at the optimum; NaN: the training dies. */
double problem_loss(const struct problem *p, const double *x);
/* What a training reports: 1 / (1 + loss / scale) with noise: 1 at best, .5 for the default. */
double problem_reward(const struct problem *p, const double *x, uint64_t seed,
                      int64_t iteration);

typedef enum {
    BY_RANDOM,
    BY_SOBOL,
    BY_TPE_POINTS, /* whole configs */
    BY_SLOPE,      /* one-key mutations on the tree, ranked by ... */
    BY_TPE,        /* Thompson's draws by the estimator: model "tpe" */
    BY_TPE_ALL,    /* all candidates by the estimator */
    N_METHODS
} method;
const char *method_name(method m);

/* After each of `budget` trainings: loss / scale of the config with the best mean reward. */
void campaign_run(const struct problem *p, method m, uint64_t seed, int budget, double *out);

#endif
