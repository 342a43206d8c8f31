#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "base/mt19937.h"
#include "base/rng.h"

/* The reference vectors published with the paper. */
Test(base_rng, philox_meets_the_reference_vectors)
{
    static const struct {
        uint32_t ctr[4], key[2], out[4];
    } rows[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    size_t i;

    for (i = 0; i < 3; i++) {
        uint32_t out[4];

        cn_rng_philox(rows[i].ctr, rows[i].key, out);
        cr_assert_eq(memcmp(out, rows[i].out, sizeof out), 0, "row %zu", i);
    }
}

Test(base_rng, stream_is_the_blocks_in_order)
{
    const uint32_t key[2] = {7, 9}, ctr[4] = {1, 0, 3, 4};
    uint32_t block[4];
    struct cn_rng r;
    int i;

    cn_rng_init(&r, (uint64_t)9 << 32 | 7, (uint64_t)4 << 32 | 3);
    cn_rng_seek(&r, 4);
    cn_rng_philox(ctr, key, block);
    for (i = 0; i < 4; i++)
        cr_assert_eq(cn_rng_u32(&r), block[i]);
    cr_assert_eq(r.counter, 8);
}

Test(base_rng, seek_is_the_same_as_drawing)
{
    struct cn_rng a, b;
    uint64_t k;

    cn_rng_init(&a, 1, 2);
    for (k = 0; k < 50; k++) {
        cn_rng_init(&b, 1, 2);
        cn_rng_seek(&b, k);
        cr_assert_eq(cn_rng_u32(&a), cn_rng_u32(&b), "word %llu", (unsigned long long)k);
    }
}

Test(base_rng, state_is_plain_data)
{
    struct cn_rng a, b;
    int i;

    cn_rng_init(&a, 5, 6);
    for (i = 0; i < 7; i++)
        (void)cn_rng_u32(&a);
    memcpy(&b, &a, sizeof a);
    for (i = 0; i < 100; i++)
        cr_assert_eq(cn_rng_u32(&a), cn_rng_u32(&b));
}

Test(base_rng, seeds_and_streams_differ)
{
    struct cn_rng a, b, c;
    int same = 0, i;

    cn_rng_init(&a, 1, 1);
    cn_rng_init(&b, 2, 1);
    cn_rng_init(&c, 1, 2);
    for (i = 0; i < 1000; i++) {
        uint32_t x = cn_rng_u32(&a), y = cn_rng_u32(&b), z = cn_rng_u32(&c);

        same += (x == y) + (y == z) + (x == z);
    }
    cr_assert_leq(same, 1);
}

Test(base_rng, uniform_and_normal_have_their_moments)
{
    enum { N = 400000 };
    double u1 = 0, u2 = 0, z1 = 0, z2 = 0, z4 = 0;
    struct cn_rng r;
    int i;

    cn_rng_init(&r, 11, 0);
    for (i = 0; i < N; i++) {
        double u = cn_rng_uniform(&r), z = cn_rng_normal(&r);

        cr_assert(u >= 0 && u < 1);
        u1 += u;
        u2 += u * u;
        z1 += z;
        z2 += z * z;
        z4 += z * z * z * z;
    }
    cr_assert_eq(r.counter, (uint64_t)N * 6, "two words a uniform, four a normal");
    /* five standard errors each */
    cr_assert_lt(fabs(u1 / N - 0.5), 5 * 0.2887 / sqrt(N));
    cr_assert_lt(fabs(u2 / N - 1.0 / 3), 5 * 0.2981 / sqrt(N));
    cr_assert_lt(fabs(z1 / N), 5 / sqrt(N));
    cr_assert_lt(fabs(z2 / N - 1), 5 * sqrt(2) / sqrt(N));
    cr_assert_lt(fabs(z4 / N - 3), 5 * sqrt(96) / sqrt(N));
}

Test(base_rng, below_is_even_and_in_range)
{
    int count[7] = {0}, low, i;
    struct cn_rng r;

    cn_rng_init(&r, 3, 0);
    for (i = 0; i < 70000; i++)
        count[cn_rng_below(&r, 7)]++;
    for (i = 0; i < 7; i++)
        cr_assert_lt(abs(count[i] - 10000), 500, "%d of value %d", count[i], i);
    for (i = 0, low = 0; i < 30000;
         i++) /* without rejection a half would fall there, not a third */
        low += cn_rng_below(&r, (uint64_t)3 << 62) < (uint64_t)1 << 62;
    cr_assert_lt(abs(low - 10000), 500, "%d", low);
    cr_assert_eq(cn_rng_below(&r, 1), 0);
    for (i = 0; i < 100; i++)
        cr_assert_lt(cn_rng_below(&r, ((uint64_t)1 << 63) + 1), ((uint64_t)1 << 63) + 1);
}

/* sqrt(-2 ln u) cos(2 pi v) in double, from the words that the contract names */
static double slow_normal(struct cn_rng *r)
{
    double u = (cn_rng_u32(r) + 0.5) * 0x1p-32;
    double v = cn_rng_u32(r) * 0x1p-32;

    return sqrt(-2 * log(u)) * cos(2 * M_PI * v);
}

Test(base_rng, fast_normals_agree_with_libm)
{
    enum { N = 500000 };
    float *z = cn_alloc(N, sizeof *z);
    struct cn_rng r;
    int i;

    cr_assert_not_null(z);
    cn_rng_fill_normal(42, 7, 0, z, N);
    cn_rng_init(&r, 42, 7);
    for (i = 0; i < N; i++) {
        double want = slow_normal(&r);

        /* float: a few units of the last place; 1e-9 for the zeros of the cosine */
        cr_assert_lt(fabs((double)z[i] - want), 1e-6 * fabs(want) + 1e-9, "%d: %.9g, %.9g", i,
                     (double)z[i], want);
    }
    cn_free(z);
}

Test(base_rng, fast_normals_have_moments_and_tails)
{
    enum { N = 2000000 };
    float *z = cn_alloc(N, sizeof *z);
    double s1 = 0, s2 = 0, s3 = 0, s4 = 0, lag = 0, top = 0;
    int64_t beyond2 = 0, beyond4 = 0, positive = 0;
    int i;

    cr_assert_not_null(z);
    cn_rng_fill_normal(1, 1, 0, z, N);
    for (i = 0; i < N; i++) {
        double x = (double)z[i];

        s1 += x;
        s2 += x * x;
        s3 += x * x * x;
        s4 += x * x * x * x;
        lag += i ? x * (double)z[i - 1] : 0;
        beyond2 += fabs(x) > 2;
        beyond4 += fabs(x) > 4;
        positive += x > 0;
        top = fmax(top, fabs(x));
    }
    /* five standard errors each; P(|z|>2) = 0.0455003, P(|z|>4) = 6.3342e-5 */
    cr_assert_lt(fabs(s1 / N), 5 / sqrt(N));
    cr_assert_lt(fabs(s2 / N - 1), 5 * sqrt(2.0 / N));
    cr_assert_lt(fabs(s3 / N), 5 * sqrt(15.0 / N));
    cr_assert_lt(fabs(s4 / N - 3), 5 * sqrt(96.0 / N));
    cr_assert_lt(fabs(lag / N), 5 / sqrt(N));
    cr_assert_lt(fabs((double)positive - N / 2.0), 5 * 0.5 * sqrt(N));
    cr_assert_lt(fabs((double)beyond2 - N * 0.0455003), 5 * sqrt(N * 0.0455003));
    cr_assert_lt(fabs((double)beyond4 - N * 6.3342e-5), 5 * sqrt(N * 6.3342e-5));
    cr_assert(top > 4.5 && top < 6.77, "largest %g", top);
    cn_free(z);
}

Test(base_rng, fast_normals_do_not_depend_on_how_they_are_cut)
{
    enum { N = 1500 };
    float whole[N], part[N];
    int64_t from, n;

    cn_rng_fill_normal(8, 9, 0, whole, N);
    for (from = 0; from < 300; from += 7)
        for (n = 0; n < 1000; n += 61) {
            memset(part, 0, sizeof part);
            cn_rng_fill_normal(8, 9, 2 * (uint64_t)from, part, n);
            cr_assert_eq(memcmp(part, whole + from, (size_t)n * sizeof *part), 0,
                         "%lld from %lld", (long long)n, (long long)from);
            cr_assert_eq(part[n], 0.0f, "one too many was written");
        }
}

/* One frame of noise, as digits of its bytes: seen alike from GCC 12 and clang 14, at -O0 and
 * -O3, with and without AVX2. A checkpoint's noise depends on it. */
Test(base_rng, fast_normals_are_the_same_bits_on_every_machine)
{
    float *z = cn_alloc(13741, sizeof *z);
    char digest[CN_HASH_TEXT];

    cr_assert_not_null(z);
    cn_rng_fill_normal(42, 7, 1000, z, 13741);
    cr_assert_str_eq(cn_hash_hex(z, 13741 * sizeof *z, digest),
                     "855c56813ea81536a0b2e885923416726540db4b616d08f2f9bf86bada02e23c");
    cn_free(z);
}

/* Odd counters take the slow road; the block index crosses 32 bits in the second case. */
Test(base_rng, fast_normals_start_at_any_word)
{
    static const uint64_t starts[] = {3, ((uint64_t)1 << 34) - 40, ((uint64_t)1 << 34) - 39};
    size_t k;

    for (k = 0; k < 3; k++) {
        float z[200];
        struct cn_rng r;
        int i;

        cn_rng_fill_normal(42, 7, starts[k], z, 200);
        cn_rng_init(&r, 42, 7);
        cn_rng_seek(&r, starts[k]);
        for (i = 0; i < 200; i++) {
            double want = slow_normal(&r);

            cr_assert_lt(fabs((double)z[i] - want), 1e-6 * fabs(want) + 1e-9);
        }
    }
}

/* Reference output of the published generator for init_genrand(5489). */
Test(base_mt19937, known_words)
{
    struct cn_mt19937 m;
    uint32_t x = 0;
    int i;

    cn_mt19937_init(&m, 5489);
    cr_assert_eq(cn_mt19937_u32(&m), 3499211612u);
    cr_assert_eq(cn_mt19937_u32(&m), 581869302u);
    for (i = 2; i < 10000; i++)
        x = cn_mt19937_u32(&m);
    cr_assert_eq(x, 4123659995u, "the 10000th");
}

Test(base_mt19937, bounded_draws_are_those_of_the_reference_sampler)
{
    static const uint32_t want42[] = {56422, 15795, 860, 38158, 62570, 54343, 44732, 11284};
    static const uint32_t want43[] = {14148, 19776, 51455, 40753, 59669, 63546, 18448, 57651};
    struct cn_mt19937 a, b;
    int i;

    cn_mt19937_init(&a, 42);
    cn_mt19937_init(&b, 43);
    for (i = 0; i < 8; i++) {
        cr_assert_eq(cn_mt19937_below(&a, 63995), want42[i]);
        cr_assert_eq(cn_mt19937_below(&b, 63995), want43[i]);
    }
}

Test(base_mt19937, a_range_of_one_draws_nothing)
{
    struct cn_mt19937 a, b;
    int i;

    cn_mt19937_init(&a, 1);
    cn_mt19937_init(&b, 1);
    cr_assert_eq(cn_mt19937_below(&a, 1), 0);
    for (i = 0; i < 2000; i++)
        cr_assert_eq(cn_mt19937_u32(&a), cn_mt19937_u32(&b));
    cr_assert_leq(cn_mt19937_below(&a, UINT32_MAX), UINT32_MAX - 1);
    for (i = 0; i < 10000; i++)
        cr_assert_lt(cn_mt19937_below(&a, 5), 5);
}
