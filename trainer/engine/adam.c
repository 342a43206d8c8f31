#include "trainer/engine/adam.h"

#include <math.h>

#include "trainer/engine/kernels.h"

struct cn_adam_rate cn_adam_rate(double lr, int64_t t)
{
    return (struct cn_adam_rate){(float)(lr / (1 - pow(CN_ADAM_B1, (double)t))),
                                 (float)(1 / sqrt(1 - pow(CN_ADAM_B2, (double)t)))};
}

void cn_adam_update(const struct cn_adam_rate *r, int64_t n, const float *g, float *p, float *m,
                    float *v)
{
    const struct cn_kernels *k = cn_kernels_get(NULL);

    (k ? k : &cn_kernels_portable)->adam(r, n, g, p, m, v);
}
