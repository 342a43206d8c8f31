/* Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC'11):
 * counter-based, so a draw is a pure function of (seed, stream, counter) and never of timing or
 * thread count.
 *
 *     struct cn_rng r;
 *     cn_rng_init(&r, seed, stream);      // a stream number of your own
 *     double u = cn_rng_uniform(&r);     // [0, 1)
 *
 * State (seed, stream, counter) is plain data and goes into checkpoints as it is.
 */
#ifndef CN_BASE_RNG_H
#define CN_BASE_RNG_H

#include <stdint.h>

struct cn_rng {
    uint64_t seed;
    uint64_t stream;
    uint64_t counter; /* 32-bit words drawn so far */
    uint32_t out[4];  /* the current block */
};

/* One block: ctr and key as in the paper's reference vectors. */
void cn_rng_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4]);

void cn_rng_init(struct cn_rng *r, uint64_t seed, uint64_t stream);
void cn_rng_seek(struct cn_rng *r, uint64_t counter); /* as if `counter` words had been drawn */
uint32_t cn_rng_u32(struct cn_rng *r);
uint64_t cn_rng_u64(struct cn_rng *r);
double cn_rng_uniform(struct cn_rng *r); /* [0, 1), 53 bits; two words */
double cn_rng_normal(struct cn_rng *r);  /* Box-Muller on two uniforms; four words, no cache */
uint64_t cn_rng_below(struct cn_rng *r, uint64_t n); /* [0, n) without bias; n > 0 */

/* n standard normals (float) that depend only on (seed, stream, index of the block in
 * `counter`); fast path for noise: out[i] uses words 2i, 2i+1 after `counter`. */
void cn_rng_fill_normal(uint64_t seed, uint64_t stream, uint64_t counter, float *out,
                        int64_t n);

#endif
