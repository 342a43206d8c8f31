/* Sobol points with nested uniform scrambling; see sobol.h.
 *
 * Bit b (from the top) of a scrambled coordinate is the plain bit, flipped or not by a coin
 * that depends on the seed, the coordinate and all higher plain bits: Owen's scrambling, with
 * Philox as the coin. */
#include "ucb/sobol.h"

#include <inttypes.h>

#include "base/banned.h"
#include "base/rng.h"

enum { BITS = 32, MAX_DEGREE = 7 };

/* Joe & Kuo's initial direction numbers: degree of the primitive polynomial, its inner
 * coefficients a, m_1..m_s. Coordinate 0 is van der Corput's and has no row. */
static const struct {
    uint8_t s, a;
    uint8_t m[MAX_DEGREE];
} rows[CN_SOBOL_DIMS - 1] = {
    {1, 0, {1}},
    {2, 1, {1, 3}},
    {3, 1, {1, 3, 1}},
    {3, 2, {1, 1, 1}},
    {4, 1, {1, 1, 3, 3}},
    {4, 4, {1, 3, 5, 13}},
    {5, 2, {1, 1, 5, 5, 17}},
    {5, 4, {1, 1, 5, 5, 5}},
    {5, 7, {1, 1, 7, 11, 19}},
    {5, 11, {1, 1, 5, 1, 1}},
    {5, 13, {1, 1, 1, 3, 11}},
    {5, 14, {1, 3, 5, 5, 31}},
    {6, 1, {1, 3, 3, 9, 7, 49}},
    {6, 13, {1, 1, 1, 15, 21, 21}},
    {6, 16, {1, 3, 1, 13, 27, 49}},
    {6, 19, {1, 1, 1, 15, 7, 5}},
    {6, 22, {1, 3, 1, 15, 13, 25}},
    {6, 25, {1, 1, 5, 5, 19, 61}},
    {7, 1, {1, 3, 7, 11, 23, 15, 103}},
    {7, 4, {1, 3, 7, 13, 13, 15, 69}},
    {7, 7, {1, 1, 3, 13, 7, 35, 63}},
    {7, 8, {1, 3, 5, 9, 1, 25, 53}},
    {7, 14, {1, 3, 1, 13, 9, 35, 107}},
    {7, 19, {1, 3, 1, 5, 27, 61, 31}},
    {7, 21, {1, 1, 5, 11, 19, 41, 61}},
    {7, 28, {1, 3, 5, 3, 3, 13, 69}},
    {7, 31, {1, 1, 7, 13, 1, 19, 1}},
    {7, 32, {1, 3, 7, 5, 13, 19, 59}},
    {7, 37, {1, 1, 3, 9, 25, 29, 41}},
    {7, 41, {1, 3, 5, 13, 23, 1, 55}},
    {7, 42, {1, 3, 7, 3, 13, 59, 17}},
    {7, 50, {1, 3, 1, 3, 5, 53, 69}},
    {7, 55, {1, 1, 5, 5, 23, 33, 13}},
    {7, 56, {1, 1, 7, 7, 1, 61, 123}},
    {7, 59, {1, 1, 7, 9, 13, 61, 49}},
    {7, 62, {1, 3, 3, 5, 3, 55, 33}},
};

/* v[k]: direction number k as a fraction of 2^32. */
static void directions(int32_t dim, uint32_t v[BITS])
{
    int s;

    if (dim == 0) {
        for (int k = 0; k < BITS; k++)
            v[k] = 1u << (BITS - 1 - k);
        return;
    }
    s = rows[dim - 1].s;
    for (int k = 0; k < s; k++)
        v[k] = (uint32_t)rows[dim - 1].m[k] << (BITS - 1 - k);
    for (int k = s; k < BITS; k++) {
        v[k] = v[k - s] ^ (v[k - s] >> s);
        for (int j = 1; j < s; j++)
            if ((rows[dim - 1].a >> (s - 1 - j)) & 1)
                v[k] ^= v[k - j];
    }
}

/* Point `index` of coordinate `dim` in natural order, so that any index costs the same. */
static uint32_t plain_bits(uint64_t index, int32_t dim)
{
    uint32_t v[BITS], x = 0;

    directions(dim, v);
    for (int k = 0; k < BITS; k++)
        if ((index >> k) & 1)
            x ^= v[k];
    return x;
}

static uint32_t scramble(uint32_t x, uint64_t seed, int32_t dim)
{
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    uint32_t out = 0;

    for (int b = 0; b < BITS; b++) {
        uint32_t prefix = b == 0 ? 0 : x >> (BITS - b);
        const uint32_t ctr[4] = {prefix, (uint32_t)b, (uint32_t)dim, 0x50b01u};
        uint32_t coin[4];

        cn_rng_philox(ctr, key, coin);
        out |= (((x >> (BITS - 1 - b)) ^ coin[0]) & 1u) << (BITS - 1 - b);
    }
    return out;
}

static cn_status check(uint64_t index, int32_t dims, struct cn_err *err)
{
    if (dims < 1 || dims > CN_SOBOL_DIMS)
        return cn_err_set(err, CN_EINPUT, "sobol: %d dimensions, 1 to %d are supported",
                          (int)dims, (int)CN_SOBOL_DIMS);
    if (index >> BITS)
        return cn_err_set(err, CN_EINPUT, "sobol: index %" PRIu64 " is not below 2^32", index);
    return CN_OK;
}

static cn_status point(const uint64_t *seed, uint64_t index, int32_t dims, double *out,
                       struct cn_err *err)
{
    cn_status st = check(index, dims, err);

    if (st != CN_OK)
        return st;
    for (int32_t d = 0; d < dims; d++) {
        uint32_t x = plain_bits(index, d);

        if (seed)
            x = scramble(x, *seed, d);
        out[d] = (double)x / 4294967296.0;
    }
    return CN_OK;
}

cn_status cn_sobol_point(uint64_t seed, uint64_t index, int32_t dims, double *out,
                         struct cn_err *err)
{
    return point(&seed, index, dims, out, err);
}

cn_status cn_sobol_plain(uint64_t index, int32_t dims, double *out, struct cn_err *err)
{
    return point(NULL, index, dims, out, err);
}
