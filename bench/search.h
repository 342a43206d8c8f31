/* The search bench in three files: search_problems.c (what is searched), search_campaign.c (who
 * searches), search.c (tables and the figure). */
#ifndef CN_BENCH_SEARCH_H
#define CN_BENCH_SEARCH_H

#include <stdbool.h>
#include <stdint.h>

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
