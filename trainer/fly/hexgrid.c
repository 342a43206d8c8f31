/* The hexagonal lattice (specs flyvis_gnn 1.2, 2.3).
 *
 * 1 columns and symmetries   2 hull fill   3 images
 */
#include "trainer/fly/hexgrid.h"

#include <math.h>
#include <stdlib.h>

#include "base/banned.h"

/* ---- 1 columns and symmetries ---- */

static int32_t max32(int32_t a, int32_t b)
{
    return a > b ? a : b;
}

static int32_t min32(int32_t a, int32_t b)
{
    return a < b ? a : b;
}

int64_t cn_fly_hexgrid_count(int32_t extent)
{
    return 1 + 3 * (int64_t)extent * (extent + 1);
}

void cn_fly_hexgrid_columns(int32_t extent, int32_t *out_u, int32_t *out_v)
{
    int64_t k = 0;
    for (int32_t u = -extent; u <= extent; u++) {
        for (int32_t v = max32(-extent, -extent - u); v <= min32(extent, extent - u);
             v++, k++) {
            out_u[k] = u;
            out_v[k] = v;
        }
    }
}

int64_t cn_fly_hexgrid_index(int32_t extent, int32_t u, int32_t v)
{
    if (abs(u) > extent || abs(v) > extent || abs(u + v) > extent)
        return -1;
    /* Rows u = -R..-1 hold R+1+(u+R) columns each; rows from 0 on 2R+1-u. */
    int64_t before = 0, R = extent;
    if (u <= 0) {
        int64_t rows = u + R;
        before = rows * (R + 1) + rows * (rows - 1) / 2;
    } else {
        before = R * (R + 1) + R * (R - 1) / 2 + u * (2 * R + 1) - (int64_t)u * (u - 1) / 2;
    }
    return before + v - max32(-extent, -extent - u);
}

/* The symmetry maps column k to the place of (u',v'); reading out[place] = in[k] gives
 * idx[place] = k. */
void cn_fly_hexgrid_permutation(int32_t extent, bool flip, int32_t n_rot, int32_t *out_idx)
{
    int32_t k = 0;
    for (int32_t u = -extent; u <= extent; u++) {
        for (int32_t v = max32(-extent, -extent - u); v <= min32(extent, extent - u);
             v++, k++) {
            int32_t a = flip ? u + v : u, b = flip ? -v : v;
            for (int32_t r = 0; r < n_rot; r++) {
                int32_t turned = -b;
                b = a + b;
                a = turned;
            }
            out_idx[cn_fly_hexgrid_index(extent, a, b)] = k;
        }
    }
}

void cn_fly_hexgrid_xy(int32_t u, int32_t v, double *out_x, double *out_y)
{
    *out_x = u + 0.5 * v;
    *out_y = v * (sqrt(3.0) / 2);
}

struct cn_fly_augmentation cn_fly_hexgrid_augmentation(int32_t k)
{
    static const int32_t turns[4] = {0, 1, 3, 4};
    struct cn_fly_augmentation a = {k >= 4, turns[k & 3], 90 * (k & 3)};
    return a;
}

/* ---- 2 hull fill ---- */

struct point {
    int32_t x, y;
};

static int by_x_then_y(const void *pa, const void *pb)
{
    const struct point *a = pa, *b = pb;
    if (a->x != b->x)
        return a->x < b->x ? -1 : 1;
    return (a->y > b->y) - (a->y < b->y);
}

static int64_t cross(struct point o, struct point a, struct point b)
{
    return (int64_t)(a.x - o.x) * (b.y - o.y) - (int64_t)(a.y - o.y) * (b.x - o.x);
}

/* One chain of the monotone-chain hull; `from` guards the part already built. */
static int32_t chain(struct point *hull, int32_t m, int32_t from, struct point p)
{
    while (m - from >= 2 && cross(hull[m - 2], hull[m - 1], p) <= 0)
        m--;
    hull[m] = p;
    return m + 1;
}

/* Counter-clockwise hull without collinear points; hull has room for 2n. Sorts p. */
static int32_t convex_hull(struct point *p, int32_t n, struct point *hull)
{
    int32_t m = 0;
    qsort(p, (size_t)n, sizeof *p, by_x_then_y);
    for (int32_t i = 0; i < n; i++)
        m = chain(hull, m, 0, p[i]);
    int32_t upper = m - 1;
    for (int32_t i = n - 2; i >= 0; i--)
        m = chain(hull, m, upper, p[i]);
    return m - 1; /* the first point is there twice */
}

static bool inside(const struct point *hull, int32_t m, int32_t tx, int32_t ty)
{
    bool in = false;
    for (int32_t i = 0; i < m; i++) {
        struct point a = hull[i], b = hull[(i + 1) % m];
        bool fa = a.y >= ty, fb = b.y >= ty;
        if (fa == fb)
            continue;
        bool right = (int64_t)(b.y - ty) * (a.x - b.x) >= (int64_t)(b.x - tx) * (a.y - b.y);
        if (right == fb)
            in = !in;
    }
    return in;
}

static bool listed(const int32_t *du, const int32_t *dv, int32_t n, int32_t x, int32_t y)
{
    for (int32_t i = 0; i < n; i++) {
        if (du[i] == x && dv[i] == y)
            return true;
    }
    return false;
}

cn_status cn_fly_hexgrid_hull_fill(const int32_t *du, const int32_t *dv, int32_t n,
                                   int32_t room, int32_t *out_du, int32_t *out_dv,
                                   int32_t *out_n, struct cn_err *err)
{
    struct point p[CN_FLY_HULL_MAX], hull[2 * CN_FLY_HULL_MAX];
    struct point lo, hi;

    *out_n = 0;
    if (n < 3)
        return CN_OK;
    if (n > CN_FLY_HULL_MAX)
        return cn_err_set(err, CN_ECAP, "%d offsets in one projection: wants at most %d", n,
                          CN_FLY_HULL_MAX);
    lo = hi = (struct point){du[0], dv[0]};
    for (int32_t i = 0; i < n; i++) {
        p[i] = (struct point){du[i], dv[i]};
        lo = (struct point){min32(lo.x, du[i]), min32(lo.y, dv[i])};
        hi = (struct point){max32(hi.x, du[i]), max32(hi.y, dv[i])};
    }
    int32_t m = convex_hull(p, n, hull);
    if (m < 3)
        return CN_OK;
    for (int32_t x = lo.x; x <= hi.x; x++) {
        for (int32_t y = lo.y; y <= hi.y; y++) {
            if (!inside(hull, m, x, y) || listed(du, dv, n, x, y))
                continue;
            if (*out_n == room)
                return cn_err_set(err, CN_ECAP,
                                  "more than %d offsets inside the hull of one projection",
                                  room);
            out_du[*out_n] = x;
            out_dv[*out_n] = y;
            ++*out_n;
        }
    }
    return CN_OK;
}

/* ---- 3 images ---- */

int64_t cn_fly_hexgrid_min_side(int32_t extent, int32_t kernel)
{
    return 2 * (int64_t)extent * kernel + 1;
}

static float box_mean(const float *image, int64_t h, int64_t w, int64_t row, int64_t col,
                      int32_t kernel)
{
    double sum = 0;
    int64_t half = kernel / 2;
    for (int64_t r = row - half; r <= row + half; r++) {
        for (int64_t c = col - half; c <= col + half; c++) {
            if (r >= 0 && r < h && c >= 0 && c < w)
                sum += (double)image[r * w + c];
        }
    }
    return (float)(sum / ((double)kernel * kernel));
}

cn_status cn_fly_hexgrid_box_eye(int32_t extent, int32_t kernel, const float *image, int64_t h,
                                 int64_t w, float *out, struct cn_err *err)
{
    int64_t side = cn_fly_hexgrid_min_side(extent, kernel), k = 0;
    if (kernel < 1 || kernel % 2 == 0)
        return cn_err_set(err, CN_EINPUT, "box of %d pixels: wants an odd number", kernel);
    if (h < side || w < side)
        return cn_err_set(
            err, CN_EINPUT,
            "image of %lld x %lld pixels: an eye of extent %d wants at least %lld x %lld",
            (long long)h, (long long)w, extent, (long long)side, (long long)side);
    for (int32_t u = -extent; u <= extent; u++) {
        for (int32_t v = max32(-extent, -extent - u); v <= min32(extent, extent - u); v++) {
            int64_t row = h / 2 + (int64_t)trunc(kernel * (u + 0.5 * v));
            out[k++] = box_mean(image, h, w, row, w / 2 + (int64_t)kernel * v, kernel);
        }
    }
    return CN_OK;
}

/* Turned clockwise, out[i][j] = luma[h-1-j][i]; then columns start .. start+kept-1 of j. */
void cn_fly_hexgrid_grayscale(const unsigned char *rgb, int64_t h, int64_t w, double keep,
                              float *out)
{
    int64_t kept = (int64_t)(keep * (double)h), start = (h - kept) / 2;
    for (int64_t i = 0; i < w; i++) {
        for (int64_t j = 0; j < kept; j++) {
            const unsigned char *px = rgb + 3 * ((h - 1 - (start + j)) * w + i);
            double luma =
                .299 * (px[0] / 255.0) + .587 * (px[1] / 255.0) + .114 * (px[2] / 255.0);
            out[i * kept + j] = (float)luma;
        }
    }
}
