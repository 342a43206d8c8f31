/* Adam (Kingma & Ba 2015, algorithm 1) on slabs of float: b1 .9, b2 .999, eps 1e-8, no weight
 * decay.
 *
 *     m <- b1 m + (1-b1) g
 *     v <- b2 v + (1-b2) g^2
 *     p <- p - lr/(1-b1^t) * m / (sqrt(v)/sqrt(1-b2^t) + eps)
 *
 *     struct cn_adam_rate r = cn_adam_rate(lr, t);   // t = 1 for the first step
 *     cn_adam_update(&r, n, g, p, m, v);             // any split of [0, n) gives the same bits
 */
#ifndef CN_ENGINE_ADAM_H
#define CN_ENGINE_ADAM_H

#include <stdint.h>

#define CN_ADAM_B1  0.9
#define CN_ADAM_B2  0.999
#define CN_ADAM_EPS 1e-8

struct cn_adam_rate {
    float step;      /* lr / (1 - b1^t) */
    float inv_sqrt2; /* 1 / sqrt(1 - b2^t) */
};

struct cn_adam_rate cn_adam_rate(double lr, int64_t t);
void cn_adam_update(const struct cn_adam_rate *r, int64_t n, const float *g, float *p, float *m,
                    float *v);

#endif
