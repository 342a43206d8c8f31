/* The kernels, written once on GCC vectors and compiled per instruction set: VB bytes a vector,
 * CMAX vectors of output a block. The including file defines CN_TABLE (name of the table),
 * CN_TABLE_NAME (its words), VB, CMAX, and v_relu, v_sqrt, v_hsum for its registers.
 *
 * Contents:
 *   1 vectors
 *   2 the block product
 *   3 activations
 *   4 perceptron forward
 *   5 backward
 *   6 Adam
 *   7 edges
 *
 * Everything is one product, C[i][:] (+)= sum_k A[i][k] B[k][:], with A read by single floats
 * at any strides and B, C in rows of whole vectors. Forward: A = rows of the tile. Input
 * adjoint: A = adjoint rows, B = the weights not transposed. Weight gradient: A = adjoint
 * columns, k runs over the rows of the tile. Backward goes by 32 rows, so that they and one
 * weight matrix stay in L1. Accumulators are named one by one by the macros: gcc 12 spills
 * arrays of vectors.
 */
#include <math.h>
#include <string.h>

#include "trainer/engine/kernels.h"
#include "trainer/engine/mlp_int.h"

/* ---- 1 vectors ---- */

enum { VF = VB / 4 }; /* floats a vector */
typedef float vf __attribute__((vector_size(VB)));
typedef float vfu __attribute__((vector_size(VB), aligned(4), may_alias)); /* unaligned view */
typedef int32_t vi __attribute__((vector_size(VB)));

#define INLINE static inline __attribute__((always_inline))

INLINE vf v_load(const float *p)
{
    return (vf) * (const vfu *)p;
}

INLINE void v_store(float *p, vf x)
{
    *(vfu *)p = (vfu)x;
}

INLINE vf v_set(float x)
{
    return x - (vf){0};
}

/* h > 0 ? x : 0 by lane. */
INLINE vf v_where_positive(vf h, vf x)
{
    return (vf)((vi)x & (h > (vf){0}));
}

/* relu that lets a NaN through, so that a broken weight is seen in the loss. */
INLINE vf v_relu(vf z);
INLINE vf v_sqrt(vf x);
INLINE float v_hsum(vf x);

#if VB == 64
#include <immintrin.h>
INLINE vf v_relu(vf z)
{
    return (vf)_mm512_max_ps(_mm512_setzero_ps(), (__m512)z);
}
INLINE vf v_sqrt(vf x)
{
    return (vf)_mm512_sqrt_ps((__m512)x);
}
INLINE float v_hsum(vf x)
{
    return _mm512_reduce_add_ps((__m512)x);
}
#elif VB == 32
#include <immintrin.h>
INLINE vf v_relu(vf z)
{
    return (vf)_mm256_max_ps(_mm256_setzero_ps(), (__m256)z);
}
INLINE vf v_sqrt(vf x)
{
    return (vf)_mm256_sqrt_ps((__m256)x);
}
INLINE float v_hsum(vf x)
{
    __m128 s =
        _mm_add_ps(_mm256_castps256_ps128((__m256)x), _mm256_extractf128_ps((__m256)x, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_shuffle_ps(s, s, 1)));
}
#else
INLINE vf v_relu(vf z)
{
    return (vf)((vi)z & ~(z <= (vf){0}));
}
INLINE vf v_sqrt(vf x)
{
    for (int k = 0; k < VF; k++)
        x[k] = sqrtf(x[k]);
    return x;
}
INLINE float v_hsum(vf x)
{
    float s = 0;
    for (int k = 0; k < VF; k++)
        s += x[k];
    return s;
}
#endif

/* ---- 2 the block product ---- */

enum { FROM_ZERO, FROM_C, FROM_BIAS };

struct product {
    const float *a; /* (M, K) at a[i*a_row + k*a_col] */
    int64_t a_row, a_col;
    const float *b; /* (K, ldb) rows of vectors */
    int64_t ldb;
    float *c; /* (M, ldc) */
    int64_t ldc;
    const float *bias; /* (N) for FROM_BIAS */
    int64_t m, k;
    int64_t vectors; /* N / VF */
};

/* Repeat X(r, c) over the columns, then over the rows, of a block. */
#define COLS1(X, r)    X(r, 0)
#define COLS2(X, r)    COLS1(X, r) X(r, 1)
#define COLS3(X, r)    COLS2(X, r) X(r, 2)
#define COLS4(X, r)    COLS3(X, r) X(r, 3)
#define COLS5(X, r)    COLS4(X, r) X(r, 4)
#define ROWS1(COLS, X) COLS(X, 0)
#define ROWS2(COLS, X) ROWS1(COLS, X) COLS(X, 1)
#define ROWS4(COLS, X) ROWS2(COLS, X) COLS(X, 2) COLS(X, 3)
#define LIST1(X)       X(0)
#define LIST2(X)       LIST1(X) X(1)
#define LIST4(X)       LIST2(X) X(2) X(3)

#define P_START(r, col)              \
    vf c##r##col = from == FROM_ZERO \
                       ? (vf){0}     \
                       : v_load(from == FROM_C ? c + r * p->ldc + col * VF : bias + col * VF);
#define P_LOAD_B(r, col) vf b##col = v_load(b + col * VF);
#define P_LOAD_A(r)      vf a##r = v_set(a[r * p->a_row]);
#define P_FMA(r, col)    c##r##col += a##r * b##col;
#define P_STORE(r, col) \
    v_store(c + r * p->ldc + col * VF, relu ? v_relu(c##r##col) : c##r##col);

#define DEFINE_BLOCK(R, C)                                                             \
    INLINE void block_##R##C(const struct product *p, int from, int relu, int64_t i,   \
                             int64_t j)                                                \
    {                                                                                  \
        const float *a = p->a + i * p->a_row, *b = p->b + j * VF;                      \
        const float *bias = from == FROM_BIAS ? p->bias + j * VF : NULL;               \
        float *c = p->c + i * p->ldc + j * VF;                                         \
        ROWS##R(COLS##C, P_START) for (int64_t k = p->k; k > 0;                        \
                                       k--, a += p->a_col, b += p->ldb){               \
            COLS##C(P_LOAD_B, 0) LIST##R(P_LOAD_A) ROWS##R(COLS##C, P_FMA)}(void)bias; \
        ROWS##R(COLS##C, P_STORE)                                                      \
    }

#define DEFINE_BLOCKS(C) DEFINE_BLOCK(1, C) DEFINE_BLOCK(2, C) DEFINE_BLOCK(4, C)

/* All rows of one column block. */
#define DEFINE_COLUMN(C)                                                           \
    DEFINE_BLOCKS(C)                                                               \
    INLINE void column_##C(const struct product *p, int from, int relu, int64_t j) \
    {                                                                              \
        int64_t i = 0;                                                             \
        for (; i + 4 <= p->m; i += 4)                                              \
            block_4##C(p, from, relu, i, j);                                       \
        if (p->m - i >= 2) {                                                       \
            block_2##C(p, from, relu, i, j);                                       \
            i += 2;                                                                \
        }                                                                          \
        if (i < p->m)                                                              \
            block_1##C(p, from, relu, i, j);                                       \
    }

DEFINE_COLUMN(1)
DEFINE_COLUMN(2)
#if CMAX >= 3
DEFINE_COLUMN(3)
#endif
#if CMAX >= 5
DEFINE_COLUMN(4)
DEFINE_COLUMN(5)
#endif

INLINE void product(const struct product *p, int from, int relu)
{
    int64_t j = 0, left;

#if CMAX >= 5
    for (; p->vectors - j == 5 || p->vectors - j > 8; j += 5)
        column_5(p, from, relu, j);
    for (; p->vectors - j >= 4; j += 4)
        column_4(p, from, relu, j);
#endif
#if CMAX >= 3
    for (; p->vectors - j >= 3 && p->vectors - j != 4; j += 3)
        column_3(p, from, relu, j);
#endif
    for (; (left = p->vectors - j) >= 2; j += 2)
        column_2(p, from, relu, j);
    if (left == 1)
        column_1(p, from, relu, j);
}

static __attribute__((noinline)) void product_zero(const struct product *p)
{
    product(p, FROM_ZERO, 0);
}
static __attribute__((noinline)) void product_zero_relu(const struct product *p)
{
    product(p, FROM_ZERO, 1);
}
static __attribute__((noinline)) void product_bias(const struct product *p)
{
    product(p, FROM_BIAS, 0);
}
static __attribute__((noinline)) void product_bias_relu(const struct product *p)
{
    product(p, FROM_BIAS, 1);
}
static __attribute__((noinline)) void product_add(const struct product *p)
{
    product(p, FROM_C, 0);
}

/* ---- 3 activations: in place on count floats; derivative expressed by the output h ---- */

INLINE vf v_pick(vi mask, vf yes, vf no)
{
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

INLINE vf v_abs(vf x)
{
    return (vf)((vi)x & 0x7fffffff);
}

/* e^x to about 1 unit in the last place on -87..88, clamped outside, NaN kept. x = n ln 2 + r
 * by the magic-number rounding, |r| <= ln 2 / 2, then a polynomial in r (minimax coefficients
 * as in Cephes, S. Moshier) and n into the exponent. */
INLINE vf v_exp(vf x)
{
    const float magic = 12582912.0f; /* 1.5 * 2^23: adding it rounds to whole numbers */
    vf y = v_pick(x > 88.0f, v_set(88.0f), v_pick(x < -87.0f, v_set(-87.0f), x));
    vf t = y * 1.44269504f + magic, n = t - magic,
       r = y - n * 0.693359375f + n * 2.12194440e-4f;
    vf p = (((1.9875691500e-4f * r + 1.3981999507e-3f) * r + 8.3334519073e-3f) * r +
            4.1665795894e-2f) *
               r +
           1.6666665459e-1f;

    p = (p * r + 5.0000001201e-1f) * (r * r) + r + 1.0f;
    return p * (vf)(((vi)t - (vi)v_set(magic) + 127) << 23);
}

/* tanh: an odd polynomial near 0 (Cephes), elsewhere 1 - 2/(e^2|x| + 1) with the sign of x. */
INLINE vf v_tanh(vf x)
{
    vf z = x * x, a = v_abs(x), far = 1.0f - 2.0f / (v_exp(2.0f * a) + 1.0f);
    vf near = (((-5.70498872745e-3f * z + 2.06390887954e-2f) * z - 5.37397155531e-2f) * z +
               1.33314422036e-1f) *
                  z -
              3.33332819422e-1f;

    far = (vf)((vi)far | ((vi)x & (vi)v_set(-0.0f)));
    return v_pick(a < 0.625f, near * z * x + x, far);
}

static void act_forward(cn_mlp_act act, int64_t count, float *z)
{
    switch (act) {
    case CN_MLP_TANH:
        for (int64_t k = 0; k < count; k += VF)
            v_store(z + k, v_tanh(v_load(z + k)));
        break;
    case CN_MLP_SIGMOID:
        for (int64_t k = 0; k < count; k += VF)
            v_store(z + k, 1.0f / (1.0f + v_exp(-v_load(z + k))));
        break;
    case CN_MLP_LEAKY_RELU:
        for (int64_t k = 0; k < count; k++)
            z[k] = z[k] > 0 ? z[k] : 0.01f * z[k];
        break;
    case CN_MLP_SOFT_RELU: /* through libm: rarely used, and log1p wants care */
        for (int64_t k = 0; k < count; k++)
            z[k] = z[k] > 30 ? z[k] : log1pf(expf(z[k]));
        break;
    case CN_MLP_RELU:
    case CN_MLP_NONE:
        break;
    }
}

/* slope of act at the point where it returned h, times d. */
INLINE vf act_slope(cn_mlp_act act, vf h, vf d)
{
    switch (act) {
    case CN_MLP_RELU:
        return v_where_positive(h, d);
    case CN_MLP_TANH:
        return d * (1 - h * h);
    case CN_MLP_SIGMOID:
        return d * h * (1 - h);
    case CN_MLP_LEAKY_RELU:
        return 0.01f * d + v_where_positive(h, 0.99f * d);
    case CN_MLP_SOFT_RELU:
        return d * (1.0f - v_exp(-h));
    case CN_MLP_NONE:
        break;
    }
    return d;
}

/* ---- 4 perceptron forward ---- */

static void layer(const struct cn_mlp *net, int64_t n, const float *a, int64_t a_row, int64_t k,
                  const float *w, const float *bias, float *h)
{
    struct product p = {a, a_row, 1, w, net->hp, h, net->hp, bias, n, k, net->hp / VF};

    if (net->shape.act == CN_MLP_RELU) {
        bias ? product_bias_relu(&p) : product_zero_relu(&p);
        return;
    }
    bias ? product_bias(&p) : product_zero(&p);
    act_forward(net->shape.act, n * net->hp, h);
}

static void output(const struct cn_mlp *net, int64_t n, const float *h, float *y)
{
    for (int64_t r = 0; r < n; r++, h += net->hp) {
        vf sum = {0};
        for (int64_t j = 0; j < net->hp; j += VF)
            sum += v_load(h + j) * v_load(net->w_out + j);
        y[r] = net->b_out + v_hsum(sum);
    }
}

static void forward(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n)
{
    layer(net, n, t->x, t->ldx, net->shape.in + 1, net->w0, NULL, cn_mlp_h(net, t, 0));
    for (int32_t l = 0; l < net->n_inner; l++)
        layer(net, n, cn_mlp_h(net, t, l), net->hp, net->hp, net->wt[l], net->b[l],
              cn_mlp_h(net, t, l + 1));
    output(net, n, cn_mlp_h(net, t, net->n_inner), t->y);
}

/* ---- 5 backward ---- */

/* Unit-seed adjoint of the last hidden layer d = w_out act'(h), and with g the gradients of
 * w_out, b_out and that layer's bias. */
INLINE void last_hidden(const struct cn_mlp *net, cn_mlp_act act, int64_t n, const float *h,
                        const float *seed, float *d, float *g_out, float *g_bias)
{
    for (int64_t j = 0; j < net->hp; j += VF) {
        vf w = v_load(net->w_out + j), sum_h = {0}, sum_d = {0};
        for (int64_t r = 0; r < n; r++) {
            vf hr = v_load(h + r * net->hp + j), dr = act_slope(act, hr, w), s = v_set(seed[r]);
            sum_h += s * hr;
            sum_d += s * dr;
            v_store(d + r * net->hp + j, dr);
        }
        if (g_out)
            v_store(g_out + j, v_load(g_out + j) + sum_h);
        if (g_bias)
            v_store(g_bias + j, v_load(g_bias + j) + sum_d);
    }
}

/* d *= act'(h); with g_bias += seed d. h is scaled by the seed: the weight gradient below wants
 * it so. */
INLINE void inner_hidden(const struct cn_mlp *net, cn_mlp_act act, int64_t n, float *h,
                         const float *seed, float *d, float *g_bias)
{
    for (int64_t j = 0; j < net->hp; j += VF) {
        vf sum = {0};
        for (int64_t r = 0; r < n; r++) {
            vf hr = v_load(h + r * net->hp + j), s = v_set(seed[r]);
            vf dr = act_slope(act, hr, v_load(d + r * net->hp + j));
            sum += s * dr;
            v_store(d + r * net->hp + j, dr);
            v_store(h + r * net->hp + j, s * hr);
        }
        if (g_bias)
            v_store(g_bias + j, v_load(g_bias + j) + sum);
    }
}

/* act known at compile time in the common case, so that the loops above carry no switch. */
static void last_any(const struct cn_mlp *net, int64_t n, const float *h, const float *seed,
                     float *d, float *g_out, float *g_bias)
{
    if (net->shape.act == CN_MLP_RELU)
        last_hidden(net, CN_MLP_RELU, n, h, seed, d, g_out, g_bias);
    else
        last_hidden(net, net->shape.act, n, h, seed, d, g_out, g_bias);
}

static void inner_any(const struct cn_mlp *net, int64_t n, float *h, const float *seed,
                      float *d, float *g_bias)
{
    if (net->shape.act == CN_MLP_RELU)
        inner_hidden(net, CN_MLP_RELU, n, h, seed, d, g_bias);
    else
        inner_hidden(net, net->shape.act, n, h, seed, d, g_bias);
}

/* dx[r][j] = d[r] . w0[j] for the wanted inputs; d and n count from row r0. */
static void input_adjoint(const struct cn_mlp *net, const struct cn_mlp_tile *t, int64_t r0,
                          int64_t n, const float *d, uint32_t inputs)
{
    for (int32_t j = 0; j < net->shape.in; j++) {
        const float *w = net->w0 + (int64_t)j * net->hp;
        for (int64_t r = 0; (inputs >> j & 1) && r < n; r++) {
            vf sum = {0};
            for (int64_t k = 0; k < net->hp; k += VF)
                sum += v_load(d + r * net->hp + k) * v_load(w + k);
            t->dx[(r0 + r) * t->ldx + j] = v_hsum(sum);
        }
    }
}

/* xs = seed * [x, 1] of every row. */
static void scale_inputs(const struct cn_mlp *net, const struct cn_mlp_tile *t, int64_t n)
{
    float *xs = cn_mlp_xs(net, t);

    for (int64_t r = 0; r < n; r++)
        for (int64_t j = 0; j < t->ldx; j++)
            xs[r * t->ldx + j] = t->seed[r] * t->x[r * t->ldx + j];
}

/* Rows r0 .. r0+n: few enough for their hidden outputs and adjoints to stay in L1. */
static void backward_rows(const struct cn_mlp *net, struct cn_mlp_tile *t, int64_t r0,
                          int64_t n, struct cn_mlp_grad *g, uint32_t inputs)
{
    int64_t hp = net->hp;
    int32_t last = net->n_inner, flip = 0;
    const float *seed = t->seed + r0;
    float *d = cn_mlp_d(net, t, 0);

    last_any(net, n, cn_mlp_h(net, t, last) + r0 * hp, seed, d, g ? g->w_out : NULL,
             g && last ? g->b[last - 1] : NULL);
    for (int32_t l = last - 1; l >= 0; l--) {
        float *h = cn_mlp_h(net, t, l) + r0 * hp, *below = cn_mlp_d(net, t, flip = 1 - flip);
        struct product down = {d, hp, 1, net->w[l], hp, below, hp, NULL, n, hp, hp / VF};
        struct product grad = {d, 1, hp, h, hp, g ? g->w[l] : NULL, hp, NULL, hp, n, hp / VF};

        product_zero(&down);
        inner_any(net, n, h, seed, below, g && l ? g->b[l - 1] : NULL);
        if (g)
            product_add(&grad);
        d = below;
    }
    if (inputs)
        input_adjoint(net, t, r0, n, d, inputs);
    if (g) {
        struct product first = {cn_mlp_xs(net, t) + r0 * t->ldx,
                                1,
                                t->ldx,
                                d,
                                hp,
                                g->w0,
                                hp,
                                NULL,
                                net->shape.in + 1,
                                n,
                                hp / VF};
        product_add(&first);
    }
}

static void backward(const struct cn_mlp *net, struct cn_mlp_tile *t, int32_t n,
                     struct cn_mlp_grad *g, uint32_t inputs)
{
    enum { SUB_ROWS = 32 };

    for (int32_t r = 0; g && r < n; r++)
        g->b_out[0] += t->seed[r];
    if (g)
        scale_inputs(net, t, n);
    for (int32_t r = 0; r < n; r += SUB_ROWS)
        backward_rows(net, t, r, n - r < SUB_ROWS ? n - r : SUB_ROWS, g, inputs);
}

/* ---- 6 Adam ---- */

INLINE void adam_vector(const struct cn_adam_rate *r, const float *g, float *p, float *m,
                        float *v)
{
    vf gk = v_load(g);
    vf mk = (float)CN_ADAM_B1 * v_load(m) + (float)(1 - CN_ADAM_B1) * gk;
    vf vk = (float)CN_ADAM_B2 * v_load(v) + (float)(1 - CN_ADAM_B2) * (gk * gk);

    v_store(m, mk);
    v_store(v, vk);
    v_store(p, v_load(p) - r->step * mk / (v_sqrt(vk) * r->inv_sqrt2 + (float)CN_ADAM_EPS));
}

/* The tail goes through the same vector code: any split of a slab gives the same bits. */
static void adam(const struct cn_adam_rate *r, int64_t n, const float *g, float *p, float *m,
                 float *v)
{
    float tail[4][VF] = {{0}};
    size_t left = (size_t)(n % VF) * sizeof(float);
    int64_t k = 0;

    for (; k + VF <= n; k += VF)
        adam_vector(r, g + k, p + k, m + k, v + k);
    if (!left)
        return;
    memcpy(tail[0], g + k, left);
    memcpy(tail[1], p + k, left);
    memcpy(tail[2], m + k, left);
    memcpy(tail[3], v + k, left);
    adam_vector(r, tail[0], tail[1], tail[2], tail[3]);
    memcpy(p + k, tail[1], left);
    memcpy(m + k, tail[2], left);
    memcpy(v + k, tail[3], left);
}

/* ---- 7 edges ---- */

typedef float v4 __attribute__((vector_size(16)));
typedef float v4u __attribute__((vector_size(16), aligned(4), may_alias));

INLINE float edge_weight(const struct cn_edges *e, int with_pos, int64_t k)
{
    return e->w[with_pos ? e->pos[k] : k];
}

INLINE void gather4(const struct cn_edges *e, int with_pos, int64_t lo, int64_t hi,
                    int64_t stride, const float *x, float *out)
{
    for (int64_t i = lo; i < hi; i++)
        for (int64_t b = 0; b < stride; b += 4) {
            v4 s0 = {0}, s1 = {0};
            int64_t k = e->ptr[i];
            for (; k + 2 <= e->ptr[i + 1]; k += 2) {
                s0 += edge_weight(e, with_pos, k) * (v4) *
                      (const v4u *)(x + e->col[k] * stride + b);
                s1 += edge_weight(e, with_pos, k + 1) * (v4) *
                      (const v4u *)(x + e->col[k + 1] * stride + b);
            }
            if (k < e->ptr[i + 1])
                s0 += edge_weight(e, with_pos, k) * (v4) *
                      (const v4u *)(x + e->col[k] * stride + b);
            *(v4u *)(out + i * stride + b) = (v4u)(s0 + s1);
        }
}

INLINE void gather_few(const struct cn_edges *e, int with_pos, int64_t lo, int64_t hi,
                       int64_t stride, const float *x, float *out)
{
    for (int64_t i = lo; i < hi; i++) {
        float s[4] = {0};
        int64_t k = e->ptr[i];
        for (; k + 2 <= e->ptr[i + 1]; k += 2)
            for (int64_t b = 0; b < stride; b++) {
                s[b] += edge_weight(e, with_pos, k) * x[e->col[k] * stride + b];
                s[2 + b] += edge_weight(e, with_pos, k + 1) * x[e->col[k + 1] * stride + b];
            }
        for (int64_t b = 0; k < e->ptr[i + 1] && b < stride; b++)
            s[b] += edge_weight(e, with_pos, k) * x[e->col[k] * stride + b];
        for (int64_t b = 0; b < stride; b++)
            out[i * stride + b] = s[b] + s[2 + b];
    }
}

static void gather(const struct cn_edges *e, int64_t lo, int64_t hi, int32_t stride,
                   const float *x, float *out)
{
    if (stride == 4) /* strides known at compile time in the common cases */
        e->pos ? gather4(e, 1, lo, hi, 4, x, out) : gather4(e, 0, lo, hi, 4, x, out);
    else if (stride > 4)
        e->pos ? gather4(e, 1, lo, hi, stride, x, out) : gather4(e, 0, lo, hi, stride, x, out);
    else if (stride == 2)
        e->pos ? gather_few(e, 1, lo, hi, 2, x, out) : gather_few(e, 0, lo, hi, 2, x, out);
    else
        e->pos ? gather_few(e, 1, lo, hi, 1, x, out) : gather_few(e, 0, lo, hi, 1, x, out);
}

INLINE void outer4(const struct cn_edges *e, int64_t lo, int64_t hi, int64_t stride,
                   float scale, const float *row, const float *x, float *gw)
{
    for (int64_t i = lo; i < hi; i++)
        for (int64_t k = e->ptr[i]; k < e->ptr[i + 1]; k++) {
            v4 s = {0};
            for (int64_t b = 0; b < stride; b += 4)
                s += (v4) * (const v4u *)(row + i * stride + b) * (v4) *
                     (const v4u *)(x + e->col[k] * stride + b);
            gw[k] = scale * ((s[0] + s[2]) + (s[1] + s[3]));
        }
}

INLINE void outer_few(const struct cn_edges *e, int64_t lo, int64_t hi, int64_t stride,
                      float scale, const float *row, const float *x, float *gw)
{
    for (int64_t i = lo; i < hi; i++)
        for (int64_t k = e->ptr[i]; k < e->ptr[i + 1]; k++) {
            float s = 0;
            for (int64_t b = 0; b < stride; b++)
                s += row[i * stride + b] * x[e->col[k] * stride + b];
            gw[k] = scale * s;
        }
}

static void outer(const struct cn_edges *e, int64_t lo, int64_t hi, int32_t stride, float scale,
                  const float *row, const float *x, float *gw)
{
    if (stride == 1)
        outer_few(e, lo, hi, 1, scale, row, x, gw);
    else if (stride == 2)
        outer_few(e, lo, hi, 2, scale, row, x, gw);
    else if (stride == 4)
        outer4(e, lo, hi, 4, scale, row, x, gw);
    else
        outer4(e, lo, hi, stride, scale, row, x, gw);
}

#if VB >= 32
#include "trainer/engine/kernels_tables.h"
#define TABLES tables_pack, tables_forward, tables_backward
#else
#define TABLES NULL, NULL, NULL
#endif

const struct cn_kernels CN_TABLE = {CN_TABLE_NAME, forward, backward, adam,
                                    gather,        outer,   TABLES};
