#include "base/mt19937.h"

#include "base/banned.h"
#include "base/status.h"

enum { N = 624, M = 397 };

void cn_mt19937_init(struct cn_mt19937 *m, uint32_t seed)
{
    uint32_t i;

    m->state[0] = seed;
    for (i = 1; i < N; i++) {
        uint32_t before = m->state[i - 1];

        m->state[i] = 1812433253u * (before ^ (before >> 30)) + i;
    }
    m->index = N;
}

/* x_{k+N} = x_{k+M} xor (top bit of x_k, low 31 bits of x_{k+1}) A */
static void refill(uint32_t x[N])
{
    int k;

    for (k = 0; k < N; k++) {
        uint32_t y = (x[k] & 0x80000000u) | (x[(k + 1) % N] & 0x7fffffffu);

        x[k] = x[(k + M) % N] ^ (y >> 1) ^ (y & 1 ? 0x9908b0dfu : 0u);
    }
}

uint32_t cn_mt19937_u32(struct cn_mt19937 *m)
{
    uint32_t y;

    if (m->index >= N) {
        refill(m->state);
        m->index = 0;
    }
    y = m->state[m->index++];
    y ^= y >> 11; /* tempering */
    y ^= (y << 7) & 0x9d2c5680u;
    y ^= (y << 15) & 0xefc60000u;
    return y ^ (y >> 18);
}

uint32_t cn_mt19937_below(struct cn_mt19937 *m, uint32_t n)
{
    uint32_t last = n - 1, mask = last, x;

    if (n == 0)
        CN_BUG("cn_mt19937_below wants n > 0");
    if (last == 0)
        return 0;
    mask |= mask >> 1;
    mask |= mask >> 2;
    mask |= mask >> 4;
    mask |= mask >> 8;
    mask |= mask >> 16;
    do {
        x = cn_mt19937_u32(m) & mask;
    } while (x > last);
    return x;
}
