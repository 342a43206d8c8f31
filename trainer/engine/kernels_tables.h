/* ReLU networks of three maps: forward over active inputs only, backward by subset sums.
 * Included by kernels_impl.h for AVX-512 and AVX2 once its blocks are defined.
 *
 * Forward. About half of h1 is zero. For four rows the union of their active units becomes an
 * index list, and the block product runs over that list. Of the second hidden layer only its
 * mask and the output survive.
 *
 * Backward ("four Russians"). The output is one number, so the adjoint of layer 2 is
 * mask * w_out: binary. With W the inner map (k, :) and s the seeds,
 *
 *   u_r = sum over active k of w_out_k W[k]      = one look-up per four units in sums made once
 *                                                  per pack,
 *   M_k = sum over rows active at k of s_r h1_r  = one look-up per four rows in sums made once
 *                                                  per tile,
 *
 * and dW[k] = w_out_k M_k, db_k = w_out_k c_k, dw_out_k = W[k].M_k + b_k c_k with c_k = sum of
 * s_r over active rows: cn_mlp_grad_add makes these three from M and c. Exact up to the order
 * of additions, and the cost does not depend on how many units are active. Columns go in blocks
 * of one vector, outermost, so that both tables of a block (20 KB and 16 KB at 80 units with
 * AVX-512) stay in L1; rows by 64 for the second, all rows of the tile for the first.
 */

/* ---- bits ---- */

/* A row's mask is hp bits, unit 0 first; a vector's part of it is VF bits = VF/8 bytes. TABLE:
 * floats of a table; SHIFT: log2 of a vector's bytes. */
enum { MASK_BYTES = VF / 8, TABLE = 16 * VF, SHIFT = VF == 16 ? 6 : 5 };

INLINE void put_bits(uint8_t *to, uint32_t bits)
{
    /* Little-endian, like every CPU that has these instructions. */
    memcpy(to, &bits, MASK_BYTES);
}

INLINE uint32_t get_bits(const uint8_t *from)
{
    uint32_t bits = 0;
    memcpy(&bits, from, MASK_BYTES);
    return bits;
}

#if VB == 64
/* z != 0, with NaN; z > 0; not z <= 0: z > 0 or NaN. */
INLINE uint32_t bits_nonzero(vf z)
{
    return _mm512_cmp_ps_mask((__m512)z, _mm512_setzero_ps(), _CMP_NEQ_UQ);
}
INLINE uint32_t bits_positive(vf z)
{
    return _mm512_cmp_ps_mask((__m512)z, _mm512_setzero_ps(), _CMP_GT_OQ);
}
INLINE uint32_t bits_not_below(vf z)
{
    return _mm512_cmp_ps_mask((__m512)z, _mm512_setzero_ps(), _CMP_NLE_UQ);
}
/* x where the bit is set, else 0. */
INLINE vf keep(vf x, uint32_t bits)
{
    return (vf)_mm512_maskz_mov_ps((__mmask16)bits, (__m512)x);
}
/* Append j + (numbers of the set bits); may write VF entries. Returns how many count. */
INLINE int32_t append(int32_t *list, uint32_t bits, int32_t j)
{
    const __m512i iota =
        _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);

    _mm512_storeu_si512(
        list, _mm512_maskz_compress_epi32((__mmask16)bits,
                                          _mm512_add_epi32(iota, _mm512_set1_epi32(j))));
    return __builtin_popcount(bits);
}
/* Bit r = bit b of byte r, 64 bytes. */
INLINE uint64_t bit_column(const uint8_t *bytes, int32_t b)
{
    return _mm512_test_epi8_mask(_mm512_loadu_si512(bytes), _mm512_set1_epi8((char)(1 << b)));
}
#else
INLINE uint32_t bits_nonzero(vf z)
{
    return (uint32_t)_mm256_movemask_ps(
        _mm256_cmp_ps((__m256)z, _mm256_setzero_ps(), _CMP_NEQ_UQ));
}
INLINE uint32_t bits_positive(vf z)
{
    return (uint32_t)_mm256_movemask_ps(
        _mm256_cmp_ps((__m256)z, _mm256_setzero_ps(), _CMP_GT_OQ));
}
INLINE uint32_t bits_not_below(vf z)
{
    return (uint32_t)_mm256_movemask_ps(
        _mm256_cmp_ps((__m256)z, _mm256_setzero_ps(), _CMP_NLE_UQ));
}
INLINE vf keep(vf x, uint32_t bits)
{
    const vi one = {1, 2, 4, 8, 16, 32, 64, 128};
    return (vf)((vi)x & (((one - one + (int32_t)bits) & one) == one));
}
INLINE int32_t append(int32_t *list, uint32_t bits, int32_t j)
{
    int32_t count = 0;

    for (int32_t b = 0; b < VF; b++) { /* no branch on the data */
        list[count] = j + b;
        count += bits >> b & 1;
    }
    return count;
}
INLINE uint64_t bit_column(const uint8_t *bytes, int32_t b)
{
    __m256i lo = _mm256_loadu_si256((const __m256i_u *)(const void *)bytes);
    __m256i hi = _mm256_loadu_si256((const __m256i_u *)(const void *)(bytes + 32));

    return (uint32_t)_mm256_movemask_epi8(_mm256_slli_epi16(lo, 7 - b)) |
           (uint64_t)(uint32_t)_mm256_movemask_epi8(_mm256_slli_epi16(hi, 7 - b)) << 32;
}
#endif

/* ---- forward ---- */

/* h1 of four rows and the list of units that any of them has active. */
INLINE int32_t first_layer4(const struct cn_mlp *net, int32_t in, const float *x, int64_t ldx,
                            float *h, int32_t *list)
{
    int32_t count = 0;

    for (int32_t j = 0; j < net->hp; j += VF) {
        vf z0 = {0}, z1 = z0, z2 = z0, z3 = z0;
        for (int32_t i = 0; i <= in; i++) {
            vf w = v_load(net->w0 + (int64_t)i * net->hp + j);
            z0 += v_set(x[i]) * w;
            z1 += v_set(x[ldx + i]) * w;
            z2 += v_set(x[2 * ldx + i]) * w;
            z3 += v_set(x[3 * ldx + i]) * w;
        }
        z0 = v_relu(z0);
        z1 = v_relu(z1);
        z2 = v_relu(z2);
        z3 = v_relu(z3);
        v_store(h + j, z0);
        v_store(h + net->hp + j, z1);
        v_store(h + 2 * net->hp + j, z2);
        v_store(h + 3 * net->hp + j, z3);
        /* a NaN counts as active and reaches the output */
        count += append(
            list + count,
            bits_nonzero(z0) | bits_nonzero(z1) | bits_nonzero(z2) | bits_nonzero(z3), j);
    }
    return count;
}

/* One column block: z of four rows from the listed units; y vectors += relu(z) w_out, masks of
 * z > 0. */
#define T_START(r, col) vf c##r##col = v_load(bias + col * VF);
#define T_LOAD_A(r)     vf a##r = v_set(h[r * hp + k]);
#define T_FINISH(r, col)                                \
    y[r] += v_relu(c##r##col) * v_load(out + col * VF); \
    put_bits(mask + r * (hp / 8) + (j + col) * MASK_BYTES, bits_not_below(c##r##col));

#define DEFINE_LISTED(C)                                                                  \
    INLINE void listed_##C(const struct cn_mlp *net, const float *h, const int32_t *list, \
                           int32_t count, int64_t j, vf *y, uint8_t *mask)                \
    {                                                                                     \
        int64_t hp = net->hp;                                                             \
        const float *bias = net->b[0] + j * VF, *out = net->w_out + j * VF,               \
                    *w = net->wt[0] + j * VF;                                             \
        ROWS4(COLS##C, T_START)                                                           \
        for (int32_t q = 0; q < count; q++) {                                             \
            int64_t k = list[q];                                                          \
            const float *b = w + k * hp;                                                  \
            COLS##C(P_LOAD_B, 0) LIST4(T_LOAD_A) ROWS4(COLS##C, P_FMA)                    \
        }                                                                                 \
        ROWS4(COLS##C, T_FINISH)                                                          \
    }

DEFINE_LISTED(1)
DEFINE_LISTED(2)
DEFINE_LISTED(3)
#if CMAX >= 5
DEFINE_LISTED(4)
DEFINE_LISTED(5)
#endif

INLINE void forward_with(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n, int32_t in)
{
    float h[4 * CN_MLP_TABLES_MAX_HIDDEN];
    int32_t list[CN_MLP_TABLES_MAX_HIDDEN + 16];
    int64_t vectors = net->hp / VF;

    for (int32_t r = 0; r < n; r += 4) { /* rows past n are stale and ignored */
        int32_t count = first_layer4(net, in, t->x + (int64_t)r * t->ldx, t->ldx, h, list);
        uint8_t *mask = (uint8_t *)t->mask + r * (net->hp / 8);
        vf y[4] = {{0}};
        int64_t j = 0;
#if CMAX >= 5
        for (; vectors - j == 5 || vectors - j > 8; j += 5)
            listed_5(net, h, list, count, j, y, mask);
        for (; vectors - j >= 4; j += 4)
            listed_4(net, h, list, count, j, y, mask);
#endif
        for (; vectors - j >= 3 && vectors - j != 4; j += 3)
            listed_3(net, h, list, count, j, y, mask);
        for (; vectors - j >= 2; j += 2)
            listed_2(net, h, list, count, j, y, mask);
        if (vectors - j == 1)
            listed_1(net, h, list, count, j, y, mask);
        for (int32_t k = 0; k < 4; k++)
            t->y[r + k] = net->b_out + v_hsum(y[k]);
    }
}

/* The number of inputs known at compile time for embeddings of two (g: 3, f: 5), so that the
 * small loops unroll. */
static void tables_forward(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n)
{
    if (net->shape.in == 3)
        forward_with(net, t, n, 3);
    else if (net->shape.in == 5)
        forward_with(net, t, n, 5);
    else
        forward_with(net, t, n, net->shape.in);
}

/* ---- sums of subsets ---- */

/* 16 vectors: sum of a0..a3 over the bits of the index. */
INLINE void subset_sums(float *to, vf a0, vf a1, vf a2, vf a3)
{
    vf s01 = a0 + a1, s23 = a2 + a3;

    v_store(to, (vf){0});
    v_store(to + VF, a0);
    v_store(to + 2 * VF, a1);
    v_store(to + 3 * VF, s01);
    v_store(to + 4 * VF, a2);
    v_store(to + 5 * VF, a0 + a2);
    v_store(to + 6 * VF, a1 + a2);
    v_store(to + 7 * VF, s01 + a2);
    v_store(to + 8 * VF, a3);
    v_store(to + 9 * VF, a0 + a3);
    v_store(to + 10 * VF, a1 + a3);
    v_store(to + 11 * VF, s01 + a3);
    v_store(to + 12 * VF, s23);
    v_store(to + 13 * VF, a0 + s23);
    v_store(to + 14 * VF, a1 + s23);
    v_store(to + 15 * VF, s01 + s23);
}

/* Table for u: (column block, group of four units, 16 subsets, VF columns). */
static void tables_pack(struct cn_mlp *net)
{
    float *to = net->tables;

    for (int64_t j = 0; j < net->hp; j += VF)
        for (int64_t k = 0; k < net->hp; k += 4, to += TABLE) {
            const float *w = net->w[0] + k * net->hp + j, *out = net->w_out + k;
            subset_sums(to, out[0] * v_load(w), out[1] * v_load(w + net->hp),
                        out[2] * v_load(w + 2 * net->hp), out[3] * v_load(w + 3 * net->hp));
        }
}

/* ---- backward ---- */

enum { SUB = 64, GROUPS = SUB / 4 }; /* rows whose sums one 64-bit word selects */

/* Bit r of word[k] = unit k of row r active, for a sub-tile's rows. */
static void transpose_masks(const struct cn_mlp *net, const uint8_t *mask, int32_t n,
                            uint64_t *word)
{
    int64_t bytes = net->hp / 8;
    uint8_t column[SUB] __attribute__((aligned(64)));

    for (int64_t j = 0; j < bytes; j++) {
        for (int32_t r = 0; r < SUB; r++)
            column[r] = r < n ? mask[r * bytes + j] : 0;
        for (int32_t b = 0; b < 8; b++)
            word[8 * j + b] = bit_column(column, b);
    }
}

/* Sums of s h1 over the rows of each group of four, for one column block; and which h1 are
 * active. */
INLINE void row_sums(const struct cn_mlp *net, int32_t in, const float *rows, int64_t ldx,
                     const float *seed, int32_t groups, int64_t j, float *sums,
                     uint16_t *active)
{
    for (int32_t g = 0; g < groups; g++) {
        const float *x = rows + 4 * (int64_t)g * ldx, *s = seed + 4 * g;
        vf z0 = {0}, z1 = z0, z2 = z0, z3 = z0;
        for (int32_t i = 0; i <= in; i++) {
            vf w = v_load(net->w0 + (int64_t)i * net->hp + j);
            z0 += v_set(x[i]) * w;
            z1 += v_set(x[ldx + i]) * w;
            z2 += v_set(x[2 * ldx + i]) * w;
            z3 += v_set(x[3 * ldx + i]) * w;
        }
        active[4 * g] = (uint16_t)bits_positive(z0);
        active[4 * g + 1] = (uint16_t)bits_positive(z1);
        active[4 * g + 2] = (uint16_t)bits_positive(z2);
        active[4 * g + 3] = (uint16_t)bits_positive(z3);
        subset_sums(sums + TABLE * g, s[0] * v_relu(z0), s[1] * v_relu(z1), s[2] * v_relu(z2),
                    s[3] * v_relu(z3));
    }
}

/* Subset g of a word of nibbles: vector number (word >> 4g) & 15 of the g-th table of 16
 * vectors. The rotation leaves the nibble as a byte offset, so a look-up is rotate, mask, add
 * from memory. */
INLINE vf pick(const float *table, uint64_t word, int32_t g)
{
    uint64_t turned = word >> ((4 * g + 64 - SHIFT) & 63) | word << ((SHIFT - 4 * g) & 63);
    return v_load((const float *)(const void *)((const char *)(table + TABLE * g) +
                                                (turned & 15 << SHIFT)));
}

/* M[k] of one column block += the sums that unit k's rows select. Four units at a time hide the
 * latency. */
INLINE void unit_sums(int64_t hp, const uint64_t *word, int32_t groups, const float *sums,
                      float *m)
{
    for (int64_t k = 0; k < hp; k += 4, m += 4 * hp) {
        vf m0 = v_load(m), m1 = v_load(m + hp), m2 = v_load(m + 2 * hp),
           m3 = v_load(m + 3 * hp);
#pragma GCC unroll 16
        for (int32_t g = 0; g < GROUPS; g++) {
            if (g >= groups)
                break;
            m0 += pick(sums, word[k], g);
            m1 += pick(sums, word[k + 1], g);
            m2 += pick(sums, word[k + 2], g);
            m3 += pick(sums, word[k + 3], g);
        }
        v_store(m, m0);
        v_store(m + hp, m1);
        v_store(m + 2 * hp, m2);
        v_store(m + 3 * hp, m3);
    }
}

/* d[r] (stride hp) = u of row r in one column block, where h1 is active. */
INLINE void row_adjoints(const float *table, const uint16_t *mask, int64_t hp, int32_t n,
                         const uint16_t *active, float *d)
{
    int64_t words = hp / 16;

    for (int32_t r = 0; r < n; r++, mask += words, d += hp) {
        const float *from = table;
        vf u0 = {0}, u1 = u0;
        int64_t q = 0;
        for (; q + 4 <= words; q += 4, from += 16 * TABLE) {
            uint64_t word;
            memcpy(&word, mask + q, sizeof word);
#pragma GCC unroll 8
            for (int32_t g = 0; g < 16; g += 2) {
                u0 += pick(from, word, g);
                u1 += pick(from, word, g + 1);
            }
        }
        for (; q < words; q++, from += 4 * TABLE) {
            u0 += pick(from, mask[q], 0);
            u1 += pick(from, mask[q], 1);
            u0 += pick(from, mask[q], 2);
            u1 += pick(from, mask[q], 3);
        }
        v_store(d, keep(u0 + u1, active[r]));
    }
}

/* Gradient of the first layer's column block from its adjoints d, g0[i] += sum_r xs[r][i]
 * d[r]. */
INLINE void first_layer_sums(int32_t in, int64_t hp, int64_t ldx, int32_t n, const float *xs,
                             const float *d, float *g0)
{
    vf acc[8] = {{0}};

    for (int32_t r = 0; r < n; r++, d += hp, xs += ldx)
#pragma GCC unroll 8
        for (int32_t i = 0; i < 8; i++)
            if (i <= in)
                acc[i] += v_set(xs[i]) * v_load(d);
#pragma GCC unroll 8
    for (int32_t i = 0; i < 8; i++)
        if (i <= in)
            v_store(g0 + i * hp, v_load(g0 + i * hp) + acc[i]);
}

/* c_k += sum of seeds over the rows active at k, and the output bias. Four sums a block hide
 * the latency. */
static void seed_sums(const struct cn_mlp *net, const struct cn_mlp_tile *t, int32_t n,
                      struct cn_mlp_grad *g)
{
    int64_t bytes = net->hp / 8;

    for (int64_t j = 0; j < net->hp; j += VF) {
        const uint8_t *mask = (const uint8_t *)t->mask + j / 8;
        vf c0 = v_load(g->b[0] + j), c1 = {0}, c2 = c1, c3 = c1;
        for (int32_t r = 0; r < n; r += 4, mask += 4 * bytes) { /* seeds past n are 0 */
            c0 += keep(v_set(t->seed[r]), get_bits(mask));
            c1 += keep(v_set(t->seed[r + 1]), get_bits(mask + bytes));
            c2 += keep(v_set(t->seed[r + 2]), get_bits(mask + 2 * bytes));
            c3 += keep(v_set(t->seed[r + 3]), get_bits(mask + 3 * bytes));
        }
        v_store(g->b[0] + j, (c0 + c1) + (c2 + c3));
    }
    for (int32_t r = 0; r < n; r++)
        g->b_out[0] += t->seed[r];
}

/* Both sums over the rows of the tile for one column block: M, and which h1 are active. */
INLINE void block_sums(const struct cn_mlp *net, int32_t in, const struct cn_mlp_tile *t,
                       int32_t n, int64_t j, uint64_t word[][CN_MLP_TABLES_MAX_HIDDEN],
                       struct cn_mlp_grad *g, uint16_t *active)
{
    float sums[TABLE * GROUPS] __attribute__((aligned(64)));

    for (int32_t r = 0; r < n; r += SUB) {
        int32_t groups = n - r < SUB ? (n - r + 3) / 4 : GROUPS;
        row_sums(net, in, t->x + (int64_t)r * t->ldx, t->ldx, t->seed + r, groups, j, sums,
                 active + r);
        if (g)
            unit_sums(net->hp, word[r / SUB], groups, sums, g->w[0] + j);
    }
}

INLINE void backward_with(const struct cn_mlp *net, int32_t in, struct cn_mlp_tile *t,
                          int32_t n, struct cn_mlp_grad *g, uint32_t inputs)
{
    uint64_t word[CN_MLP_ROWS / SUB][CN_MLP_TABLES_MAX_HIDDEN];
    uint16_t active[CN_MLP_ROWS];
    float *d = cn_mlp_d(net, t, 0);

    for (int32_t r = n; r < (n + 3) / 4 * 4; r++)
        t->seed[r] = 0;
    if (g) {
        for (int32_t r = 0; r < n; r += SUB)
            transpose_masks(net, (const uint8_t *)t->mask + r * (net->hp / 8),
                            n - r < SUB ? n - r : SUB, word[r / SUB]);
        seed_sums(net, t, n, g);
        scale_inputs(net, t, n);
    }
    for (int64_t j = 0; j < net->hp; j += VF) {
        block_sums(net, in, t, n, j, word, g, active);
        row_adjoints(net->tables + j * net->hp * 4, t->mask, net->hp, n, active, d + j);
        if (g)
            first_layer_sums(in, net->hp, t->ldx, n, cn_mlp_xs(net, t), d + j, g->w0 + j);
    }
    if (inputs)
        input_adjoint(net, t, 0, n, d, inputs);
}

static void tables_backward(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n,
                            struct cn_mlp_grad *g, uint32_t inputs)
{
    if (net->shape.in == 3)
        backward_with(net, 3, t, n, g, inputs);
    else if (net->shape.in == 5)
        backward_with(net, 5, t, n, g, inputs);
    else
        backward_with(net, net->shape.in, t, n, g, inputs);
}
