/* The lattice, its symmetries and the sampling of images, against golden/fly_stimulus.json. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "tests/support/cases.h"
#include "trainer/fly/hexgrid.h"

enum { COLUMNS_MAX = 256 };

static struct cn_json_doc *doc;

static void load(void)
{
    doc = cn_case_json("golden/fly_stimulus.json");
}

static void drop(void)
{
    cn_json_free(doc);
}

static const struct cn_json *at(const char *path)
{
    const struct cn_json *v = cn_json_path(cn_json_root(doc), path);

    cr_assert_not_null(v, "no %s", path);
    return v;
}

static int32_t int_of(const struct cn_json *v, const char *key)
{
    int64_t x = -1;

    cr_assert(cn_json_int64(cn_json_get(v, key), &x), "no %s", key);
    return (int32_t)x;
}

static void expect_ints(const char *what, const int32_t *got, const struct cn_json *want,
                        int64_t n)
{
    int64_t m;
    double *x = cn_case_array(want, &m);

    cr_assert_eq(m, n, "%s: %lld values, wants %lld", what, (long long)n, (long long)m);
    for (int64_t k = 0; k < n; k++)
        cr_assert_eq(got[k], (int32_t)x[k], "%s[%lld] = %d, wants %g", what, (long long)k,
                     got[k], x[k]);
    cn_free(x);
}

static float *floats(const struct cn_json *v, int64_t *out_n)
{
    double *x = cn_case_array(v, out_n);
    float *f = cn_alloc((size_t)*out_n, sizeof *f);

    for (int64_t k = 0; k < *out_n; k++)
        f[k] = (float)x[k];
    cn_free(x);
    return f;
}

Test(fly_hexgrid, columns_come_in_hexal_order, .init = load, .fini = drop)
{
    int32_t u[COLUMNS_MAX], v[COLUMNS_MAX];

    for (const struct cn_json *c = cn_json_first(at("columns")); c; c = cn_json_next(c)) {
        int32_t extent = int_of(c, "extent");
        int64_t n = cn_fly_hexgrid_count(extent);
        cr_assert_eq(n, int_of(c, "n"));
        cn_fly_hexgrid_columns(extent, u, v);
        expect_ints("u", u, cn_json_get(c, "u"), n);
        expect_ints("v", v, cn_json_get(c, "v"), n);
        cr_assert_eq(cn_fly_hexgrid_index(extent, 0, 0), int_of(c, "centre_index"));
    }
    cr_assert_eq(cn_fly_hexgrid_count(8), 217);
}

Test(fly_hexgrid, index_inverts_columns_and_refuses_the_outside)
{
    int32_t u[COLUMNS_MAX], v[COLUMNS_MAX];

    for (int32_t extent = 1; extent <= 8; extent++) {
        cn_fly_hexgrid_columns(extent, u, v);
        for (int32_t k = 0; k < cn_fly_hexgrid_count(extent); k++)
            cr_assert_eq(cn_fly_hexgrid_index(extent, u[k], v[k]), k, "extent %d column %d",
                         extent, k);
        cr_assert_eq(cn_fly_hexgrid_index(extent, extent + 1, 0), -1);
        cr_assert_eq(cn_fly_hexgrid_index(extent, extent, 1), -1);
        cr_assert_eq(cn_fly_hexgrid_index(extent, 0, -extent - 1), -1);
    }
}

static void expect_permutation(const struct cn_json *p, int32_t extent, bool flip)
{
    int32_t idx[COLUMNS_MAX];
    const struct cn_json *turns = cn_json_get(p, flip ? "flip_then_rotate" : "rotations");

    for (const struct cn_json *r = cn_json_first(turns); r; r = cn_json_next(r)) {
        int32_t n_rot = cn_json_name(r)[0] - '0';
        cn_fly_hexgrid_permutation(extent, flip, n_rot, idx);
        if (flip) { /* the golden one is applied to data that are flipped already */
            int32_t once[COLUMNS_MAX], turn[COLUMNS_MAX];
            cn_fly_hexgrid_permutation(extent, true, 0, once);
            cn_fly_hexgrid_permutation(extent, false, n_rot, turn);
            for (int32_t k = 0; k < cn_fly_hexgrid_count(extent); k++)
                cr_assert_eq(idx[k], once[turn[k]], "flip first, then rotate");
        }
        expect_ints(flip ? "flip_then_rotate" : "rotations", idx, r,
                    cn_fly_hexgrid_count(extent));
    }
}

Test(fly_hexgrid, flips_and_turns_are_the_golden_permutations, .init = load, .fini = drop)
{
    int32_t idx[COLUMNS_MAX];

    for (const struct cn_json *p = cn_json_first(at("permutations")); p; p = cn_json_next(p)) {
        int32_t extent = int_of(p, "extent");
        cn_fly_hexgrid_permutation(extent, true, 0, idx);
        expect_ints("flip", idx, cn_json_get(p, "flip_axis_1"), cn_fly_hexgrid_count(extent));
        expect_permutation(p, extent, false);
        expect_permutation(p, extent, true);
    }
}

Test(fly_hexgrid, the_eight_augmentations_stand_in_published_order, .init = load, .fini = drop)
{
    int32_t k = 0;

    for (const struct cn_json *a = cn_json_first(at("augmentations.list")); a;
         a = cn_json_next(a), k++) {
        struct cn_fly_augmentation got = cn_fly_hexgrid_augmentation(k);
        cr_assert_eq(got.flip, int_of(a, "flip") == 1, "augmentation %d", k);
        cr_assert_eq(got.n_rot, int_of(a, "n_rot"), "augmentation %d", k);
        cr_assert_eq(got.label, int_of(a, "label"), "augmentation %d", k);
    }
    cr_assert_eq(k, 8);
}

Test(fly_hexgrid, photoreceptor_positions_are_golden, .init = load, .fini = drop)
{
    int64_t n;
    int32_t u[COLUMNS_MAX], v[COLUMNS_MAX], extent = int_of(at("photoreceptor_xy"), "extent");
    double x[COLUMNS_MAX], y[COLUMNS_MAX];
    double *gx = cn_case_array(at("photoreceptor_xy.x"), &n),
           *gy = cn_case_array(at("photoreceptor_xy.y"), &n);

    cn_fly_hexgrid_columns(extent, u, v);
    for (int64_t k = 0; k < n; k++)
        cn_fly_hexgrid_xy(u[k], v[k], &x[k], &y[k]);
    cr_assert(cn_case_close("x", x, gx, n, 1e-12, 0));
    cr_assert(cn_case_close("y", y, gy, n, 1e-12, 0));
    cn_free(gx);
    cn_free(gy);
}

Test(fly_hexgrid, hull_fill_keeps_the_lowest_side_open)
{
    const int32_t du[] = {0, 2, 0, -2}, dv[] = {0, 0, 2, 1};
    int32_t fu[8], fv[8], n = 0;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_hexgrid_hull_fill(du, dv, 4, 8, fu, fv, &n, &err), CN_OK);
    /* (1,0) lies on the lowest horizontal side. */
    const int32_t wu[] = {-1, 0, 1}, wv[] = {1, 1, 1};
    cr_assert_eq(n, 3);
    cr_assert_arr_eq(fu, wu, sizeof wu);
    cr_assert_arr_eq(fv, wv, sizeof wv);
    cr_assert_eq(cn_fly_hexgrid_hull_fill(du, dv, 4, 2, fu, fv, &n, &err), CN_ECAP);
}

Test(fly_hexgrid, lines_and_pairs_have_nothing_to_fill)
{
    const int32_t du[] = {-1, 0, 3}, dv[] = {-1, 0, 3};
    int32_t fu[8], fv[8], n = -1;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_hexgrid_hull_fill(du, dv, 3, 8, fu, fv, &n, &err), CN_OK);
    cr_assert_eq(n, 0);
    cr_assert_eq(cn_fly_hexgrid_hull_fill(du, dv, 2, 8, fu, fv, &n, &err), CN_OK);
    cr_assert_eq(n, 0);
}

Test(fly_hexgrid, box_eye_samples_the_golden_pixels, .init = load, .fini = drop)
{
    struct cn_err err = CN_ERR_INIT;

    for (const struct cn_json *b = cn_json_first(at("box_eye")); b; b = cn_json_next(b)) {
        int64_t n, m;
        int32_t extent = int_of(b, "extent"), kernel = int_of(b, "kernel");
        const struct cn_json *shape = cn_json_path(b, "image.shape");
        int64_t h = 0, w = 0;
        cr_assert(cn_json_int64(cn_json_at(shape, 0), &h) &&
                  cn_json_int64(cn_json_at(shape, 1), &w));
        float *image = floats(cn_json_get(b, "image"), &n), out[COLUMNS_MAX];
        double *want = cn_case_array(cn_json_get(b, "luminance"), &m);
        cr_assert_eq(cn_fly_hexgrid_box_eye(extent, kernel, image, h, w, out, &err), CN_OK,
                     "%s", err.text);
        cr_assert(cn_case_close_float("luminance", out, want, m, 1e-6, 0));
        cn_free(image);
        cn_free(want);
    }
}

Test(fly_hexgrid, box_eye_refuses_a_small_image_and_an_even_box, .init = load, .fini = drop)
{
    float image[6 * 7] = {0}, out[7];
    struct cn_err err = CN_ERR_INIT;

    for (const struct cn_json *m = cn_json_first(at("min_frame")); m; m = cn_json_next(m))
        cr_assert_eq(cn_fly_hexgrid_min_side(int_of(m, "extent"), int_of(m, "kernel")),
                     int_of(m, "side"));
    cr_assert_eq(cn_fly_hexgrid_box_eye(1, 3, image, 6, 7, out, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "6 x 7") && strstr(err.text, "7 x 7"), "%s", err.text);
    cr_assert_eq(cn_fly_hexgrid_box_eye(1, 2, image, 6, 7, out, &err), CN_EINPUT);
}

Test(fly_hexgrid, grayscale_turns_and_crops_as_golden, .init = load, .fini = drop)
{
    int64_t n, m, h = 0, w = 0;
    double *rgb = cn_case_array(at("grayscale.rgb_0_255"), &n),
           *want = cn_case_array(at("grayscale.cropped"), &m);
    unsigned char px[1024];
    float out[256];

    cr_assert(cn_json_int64(cn_json_at(at("grayscale.rgb_0_255.shape"), 0), &h));
    cr_assert(cn_json_int64(cn_json_at(at("grayscale.rgb_0_255.shape"), 1), &w));
    for (int64_t k = 0; k < n; k++)
        px[k] = (unsigned char)rgb[k];
    cn_fly_hexgrid_grayscale(px, h, w, .6, out);
    cr_assert_eq(m, w * (int64_t)(.6 * (double)h));
    cr_assert(cn_case_close_float("cropped", out, want, m, 1e-6, 0));
    cn_free(rgb);
    cn_free(want);
}
