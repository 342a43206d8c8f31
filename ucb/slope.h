/* What one parameter does to the reward, learned from one-key mutations: a line plus a
 * parabola on the parameter's own scale, by Bayesian least squares. mutate.c draws from it.
 *
 *     struct cn_slope s;
 *     cn_slope_init(&s, scale);
 *     for each effect of the parameter: cn_slope_add(&s, d_from, d_to, gain);
 *     double ab[2];
 *     cn_slope_draw(&s, &rng, ab);        // predicted gain of a move by d: ab[0] d + ab[1] d^2
 *
 * With z the value on [0,1] (cn_space_to_unit) and d = z - z0 counted from the parent's value,
 * the height over the parent is a d + b d^2; an effect is one noisy look at the difference of
 * two heights. Effects of one parameter say nothing about another, so a parameter has two
 * unknowns and its posterior is a 2 x 2 solve. Priors and noise are in units of `scale`, a
 * typical gain.
 */
#ifndef CN_UCB_SLOPE_H
#define CN_UCB_SLOPE_H

#include <stdint.h>

#include "base/rng.h"

struct cn_slope {
    double scale;
    double precision[3]; /* of (a, b): aa, ab, bb */
    double rhs[2];       /* precision times mean */
    int64_t n;           /* effects seen */
};

/* `scale` > 0. */
void cn_slope_init(struct cn_slope *s, double scale);
void cn_slope_add(struct cn_slope *s, double d_from, double d_to, double gain);
/* One draw of (a, b) from the posterior: eight words of the generator. */
void cn_slope_draw(const struct cn_slope *s, struct cn_rng *r, double out[2]);
/* The posterior mean of (a, b). */
void cn_slope_mean(const struct cn_slope *s, double out[2]);

#endif
