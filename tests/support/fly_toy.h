/* Random networks and batches for tests of the step: any size, from a seed. */
#ifndef CN_TESTS_FLY_TOY_H
#define CN_TESTS_FLY_TOY_H

#include "base/pool.h"
#include "trainer/fly/reference.h"
#include "trainer/fly/step.h"

enum { FLY_TOY_FRAMES = 8 };

struct fly_toy {
    struct cn_fly_graph graph;
    struct cn_fly_model *mod;
    struct cn_fly_stats stats;
    double *params;    /* the model's, as doubles */
    double *v, *I, *y; /* (FLY_TOY_FRAMES, n) */
    double *mu, *sigma;
    float *vf, *If, *yf, *muf, *sigmaf; /* the same as floats; the doubles are exactly these */
    const float *v_at[FLY_TOY_FRAMES], *I_at[FLY_TOY_FRAMES], *y_at[FLY_TOY_FRAMES];
};

/* n neurons, e random edges; W of about 1/sqrt(degree), parameters large enough to matter. */
void fly_toy_make(struct fly_toy *t, const struct cn_fly_graph_model *cfg, int64_t n, int64_t e,
                  uint64_t seed);
void fly_toy_clear(struct fly_toy *t);
struct cn_fly_batch fly_toy_batch(const struct fly_toy *t, int32_t frames);
struct cn_fly_reference_batch fly_toy_reference_batch(const struct fly_toy *t, int32_t frames);

/* Loss and gradient by a fresh cn_fly_step on `threads` threads, in the shape of fly_golden's
 * callback (params set into mod). */
void fly_step_loss_grad(struct cn_fly_model *mod, const double *params,
                        const struct cn_fly_reference_batch *b, const struct cn_fly_coef *c,
                        const struct cn_fly_stats *stats, struct cn_fly_terms *out,
                        double *grad);
/* max|got - want| / max|want| over the whole gradient, and per tensor printed when above
 * tol. */
double fly_toy_worst(const struct cn_fly_model *mod, const double *got, const double *want,
                     double tol, const char *what);

#endif
