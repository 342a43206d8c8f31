/* Philox4x32-10, and normals from it.
 *
 * This file is compiled without contraction into FMA and the normals use only +, *, sqrt and
 * integer steps, in one fixed order: every CPU and every vector width gives the same bits.
 */
#include "base/rng.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/status.h"

/* ---- Philox ---- */

#define PHILOX_M0 0xD2511F53u /* multipliers and Weyl key steps of the paper's table 2 */
#define PHILOX_M1 0xCD9E8D57u
#define PHILOX_W0 0x9E3779B9u
#define PHILOX_W1 0xBB67AE85u
enum { PHILOX_ROUNDS = 10 };

#define CN_INLINE static inline __attribute__((always_inline))

/* In place: x is the counter before and the output after. */
CN_INLINE void philox(uint32_t *x0, uint32_t *x1, uint32_t *x2, uint32_t *x3, uint32_t k0,
                      uint32_t k1)
{
    uint32_t a = *x0, b = *x1, c = *x2, d = *x3;
    int round;

#pragma GCC unroll 10
    for (round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = (uint64_t)a * PHILOX_M0, p1 = (uint64_t)c * PHILOX_M1;

        a = (uint32_t)(p1 >> 32) ^ b ^ k0;
        c = (uint32_t)(p0 >> 32) ^ d ^ k1;
        b = (uint32_t)p1;
        d = (uint32_t)p0;
        k0 += PHILOX_W0;
        k1 += PHILOX_W1;
    }
    *x0 = a;
    *x1 = b;
    *x2 = c;
    *x3 = d;
}

void cn_rng_philox(const uint32_t ctr[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t x[4];

    memcpy(x, ctr, sizeof x);
    philox(&x[0], &x[1], &x[2], &x[3], key[0], key[1]);
    memcpy(out, x, sizeof x);
}

/* ---- the stream ---- */

/* Block `index` of (seed, stream): the seed is the key, index and stream are the counter. */
static void make_block(uint64_t seed, uint64_t stream, uint64_t index, uint32_t out[4])
{
    const uint32_t ctr[4] = {(uint32_t)index, (uint32_t)(index >> 32), (uint32_t)stream,
                             (uint32_t)(stream >> 32)};
    const uint32_t key[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};

    cn_rng_philox(ctr, key, out);
}

void cn_rng_seek(struct cn_rng *r, uint64_t counter)
{
    r->counter = counter;
    if (counter % 4 != 0) /* in the middle of a block; at its start cn_rng_u32 makes it */
        make_block(r->seed, r->stream, counter / 4, r->out);
}

void cn_rng_init(struct cn_rng *r, uint64_t seed, uint64_t stream)
{
    /* Padding and out too: the state goes into checkpoints byte for byte. */
    memset(r, 0, sizeof *r);
    r->seed = seed;
    r->stream = stream;
}

uint32_t cn_rng_u32(struct cn_rng *r)
{
    if (r->counter % 4 == 0)
        make_block(r->seed, r->stream, r->counter / 4, r->out);
    return r->out[r->counter++ % 4];
}

uint64_t cn_rng_u64(struct cn_rng *r)
{
    uint64_t low = cn_rng_u32(r);

    return (uint64_t)cn_rng_u32(r) << 32 | low;
}

double cn_rng_uniform(struct cn_rng *r)
{
    return (double)(cn_rng_u64(r) >> 11) * 0x1p-53;
}

double cn_rng_normal(struct cn_rng *r)
{
    const double two_pi = 6.283185307179586476925;
    double u = cn_rng_uniform(r), v = cn_rng_uniform(r);

    return sqrt(-2 * log(1 - u)) * cos(two_pi * v); /* 1-u lies in (0,1]: the log is finite */
}

uint64_t cn_rng_below(struct cn_rng *r, uint64_t n)
{
    uint64_t x, excess;

    if (n == 0)
        CN_BUG("cn_rng_below wants n > 0");
    excess = (0 - n) % n; /* 2^64 mod n: the draws below it would favour small results */
    do {
        x = cn_rng_u64(r);
    } while (x < excess);
    return x % n;
}

/* ---- fast normals ----
 *
 * Box-Muller with one cosine per output: z = sqrt(-2 ln u) cos(2 pi v), u = (w0 + 1/2) / 2^32
 * in (0,1), v = w1 / 2^32 turns. So |z| <= 6.76. Both functions below are relative-accurate to
 * a few 1e-7.
 */

CN_INLINE float float_of_bits(uint32_t bits)
{
    float x;

    memcpy(&x, &bits, sizeof x);
    return x;
}

CN_INLINE uint32_t bits_of_float(float x)
{
    uint32_t bits;

    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/* pick ? a : b without a branch; pick is all ones or all zeros */
CN_INLINE float select(uint32_t pick, float a, float b)
{
    return float_of_bits((bits_of_float(a) & pick) | (bits_of_float(b) & ~pick));
}

/* -ln((w + 1/2) / 2^32).
 *
 * Write w + 1/2 = 2^k (1 + f) with 1+f in [sqrt(1/2), sqrt(2)); then ln = (k - 32) ln
 * 2 + ln(1+f). Near u = 1 (k = 32) f is taken from the distance to 2^32 in integers, so that
 * nothing cancels. ln(1+f) is 2 atanh(s) with s = f / (2+f): 2s (1 + s^2/3 + s^4/5 + ...),
 * |s| <= 0.1716; the sixth term is below 1e-9.
 */
CN_INLINE float minus_log(uint32_t w)
{
    uint32_t bits = bits_of_float((float)w + 0.5f);
    /* The bits of sqrt(1/2): the exponent now rounds to it. */
    uint32_t shifted = bits - 0x3f3504f3u;
    int32_t k = (int32_t)shifted >> 23;
    float m = float_of_bits((shifted & 0x007fffffu) + 0x3f3504f3u);
    uint32_t near_one = (uint32_t) - (int32_t)(k == 32);
    float f = select(near_one, -((float)~w + 0.5f) * 0x1p-32f, m - 1.0f);
    float s = f / (2.0f + f), q = s * s;
    float p = 1.0f + q * (0.333333333f + q * (0.2f + q * (0.142857143f + q * 0.111111111f)));
    /* ln2_high has 14 bits: k * ln2_high is exact. */
    const float ln2_high = 0.693145752f, ln2_low = 1.42860677e-6f;
    float n = (float)(32 - k);

    return n * ln2_high + (n * ln2_low - 2.0f * s * p);
}

/* cos(2 pi w / 2^32). The turn is split in integers into quarter turns q and a rest of at most
 * an eighth turn either way; Taylor series of sine and cosine on [-pi/4, pi/4], both made, one
 * picked. */
CN_INLINE float cos_turn(uint32_t w)
{
    uint32_t q = (w + 0x20000000u) >> 30;
    int32_t rest = (int32_t)(w - (q << 30));
    float t = (float)rest * 1.46291807927e-9f; /* 2 pi / 2^32 */
    float x = t * t;
    float c =
        1.0f + x * (-0.5f + x * (4.16666667e-2f + x * (-1.38888889e-3f + x * 2.48015873e-5f)));
    float s = t + t * x *
                      (-1.66666667e-1f +
                       x * (8.33333333e-3f + x * (-1.98412698e-4f + x * 2.75573192e-6f)));
    uint32_t odd = (uint32_t) - (int32_t)(q & 1u); /* quarters 1 and 3: the sine */
    uint32_t sign = ((q + 1) & 2u) << 30;          /* quarters 1 and 2: negative */

    return float_of_bits(bits_of_float(select(odd, s, c)) ^ sign);
}

CN_INLINE float normal_of_words(uint32_t w0, uint32_t w1)
{
    return sqrtf(2.0f * minus_log(w0)) * cos_turn(w1);
}

enum { LANES = 64, PER_BATCH = 2 * LANES }; /* blocks, and normals, made at a time */

/* The 2*LANES normals of the blocks index, index+1, ... Plain loops over lanes: the compiler
 * turns them into vector code for each of the targets below. */
CN_INLINE void batch_body(uint64_t seed, uint64_t stream, uint64_t index, float out[PER_BATCH])
{
    uint32_t x0[LANES], x1[LANES], x2[LANES], x3[LANES];
    uint32_t low = (uint32_t)index, high = (uint32_t)(index >> 32);
    uint32_t k0 = (uint32_t)seed, k1 = (uint32_t)(seed >> 32);
    uint32_t s0 = (uint32_t)stream, s1 = (uint32_t)(stream >> 32);
    uint32_t i;

    for (i = 0; i < LANES; i++) {
        uint32_t a = low + i, b = high + (a < low), c = s0, d = s1;

        philox(&a, &b, &c, &d, k0, k1);
        x0[i] = a;
        x1[i] = b;
        x2[i] = c;
        x3[i] = d;
    }
    for (i = 0; i < LANES; i++) {
        out[2 * i] = normal_of_words(x0[i], x1[i]);
        out[2 * i + 1] = normal_of_words(x2[i], x3[i]);
    }
}

typedef void batch_fn(uint64_t seed, uint64_t stream, uint64_t index, float out[PER_BATCH]);

static void batch_plain(uint64_t seed, uint64_t stream, uint64_t index, float out[PER_BATCH])
{
    batch_body(seed, stream, index, out);
}

#if defined(__x86_64__)
__attribute__((target("avx2"))) static void batch_avx2(uint64_t seed, uint64_t stream,
                                                       uint64_t index, float out[PER_BATCH])
{
    batch_body(seed, stream, index, out);
}

__attribute__((target("avx512f,avx512dq,avx512vl,avx512bw"))) static void
batch_avx512(uint64_t seed, uint64_t stream, uint64_t index, float out[PER_BATCH])
{
    batch_body(seed, stream, index, out);
}

static batch_fn *choose_batch(void)
{
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw"))
        return batch_avx512;
    return __builtin_cpu_supports("avx2") ? batch_avx2 : batch_plain;
}
#else
static batch_fn *choose_batch(void)
{
    return batch_plain;
}
#endif

/* Pairs of words that straddle blocks: one at a time, same formula, same bits. */
static void fill_unaligned(uint64_t seed, uint64_t stream, uint64_t counter, float *out,
                           int64_t n)
{
    struct cn_rng r;
    int64_t i;

    cn_rng_init(&r, seed, stream);
    cn_rng_seek(&r, counter);
    for (i = 0; i < n; i++) {
        uint32_t w0 = cn_rng_u32(&r), w1 = cn_rng_u32(&r);

        out[i] = normal_of_words(w0, w1);
    }
}

void cn_rng_fill_normal(uint64_t seed, uint64_t stream, uint64_t counter, float *out, int64_t n)
{
    batch_fn *batch = choose_batch();
    uint64_t index = counter / 4;
    float part[PER_BATCH];
    int64_t done = 0, from, count;

    if (counter % 2 != 0) {
        fill_unaligned(seed, stream, counter, out, n);
        return;
    }
    from = counter % 4 == 2; /* then the first normal of the first block is before us */
    while (from == 0 && n - done >= PER_BATCH) {
        batch(seed, stream, index, out + done);
        index += LANES;
        done += PER_BATCH;
    }
    while (done < n) {
        batch(seed, stream, index, part);
        index += LANES;
        count = n - done < PER_BATCH - from ? n - done : PER_BATCH - from;
        memcpy(out + done, part + from, (size_t)count * sizeof *out);
        done += count;
        from = 0;
    }
}
