/* MT19937 (Matsumoto & Nishimura 1998), 32-bit seeding init_genrand, and numpy's legacy randint
 * by masked rejection: the frame sampler of the FlyVis reference (specs flyvis_gnn 4.2) is
 * reproduced exactly. */
#ifndef CN_BASE_MT19937_H
#define CN_BASE_MT19937_H

#include <stdint.h>

struct cn_mt19937 {
    uint32_t state[624];
    int32_t index;
};

void cn_mt19937_init(struct cn_mt19937 *m, uint32_t seed);
uint32_t cn_mt19937_u32(struct cn_mt19937 *m);
/* [0, n): mask = smallest 2^k-1 >= n-1, one word per try, keep if <= n-1; n = 1 draws
 * nothing. */
uint32_t cn_mt19937_below(struct cn_mt19937 *m, uint32_t n);

#endif
