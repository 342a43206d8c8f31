/* The hexagonal lattice of columns: order, symmetries, positions, hull fill, and the sampling
 * of images.
 *
 * A lattice of extent R holds 1 + 3R(R+1) columns in "hexal order": u = -R..R, and inside it
 * v = max(-R,-R-u)..min(R,R-u) (specs flyvis_gnn 1.2). Permutations read out[i] = in[idx[i]].
 */
#ifndef CN_FLY_HEXGRID_H
#define CN_FLY_HEXGRID_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { CN_FLY_EXTENT_MAX = 64, CN_FLY_HULL_MAX = 1024 };

int64_t cn_fly_hexgrid_count(int32_t extent);
/* Coordinates of every column, (count) each. */
void cn_fly_hexgrid_columns(int32_t extent, int32_t *out_u, int32_t *out_v);
/* Index of (u,v) in hexal order, -1 outside. */
int64_t cn_fly_hexgrid_index(int32_t extent, int32_t u, int32_t v);
/* Flip (u,v)->(u+v,-v) first when asked, then n_rot turns (u,v)->(-v,u+v); n_rot 0..5. */
void cn_fly_hexgrid_permutation(int32_t extent, bool flip, int32_t n_rot, int32_t *out_idx);
/* x = u + v/2, y = v*sqrt(3)/2. */
void cn_fly_hexgrid_xy(int32_t u, int32_t v, double *out_x, double *out_y);

/* The eight augmentations of a video in the published order (flip outer; 0, 1, 3, 4 turns
 * inner). */
struct cn_fly_augmentation {
    bool flip;
    int32_t n_rot, label; /* label in degrees as the publications print it */
};
struct cn_fly_augmentation cn_fly_hexgrid_augmentation(int32_t k); /* k 0..7 */

/* Grid points inside the convex hull of the n given offsets that are not among them, by the
 * published rule (boundary points are in, except those on the lowest horizontal side), du
 * outer, dv inner. Fewer than three offsets or a degenerate hull give none. CN_ECAP when more
 * than `room`. */
CN_MUST_CHECK cn_status cn_fly_hexgrid_hull_fill(const int32_t *du, const int32_t *dv,
                                                 int32_t n, int32_t room, int32_t *out_du,
                                                 int32_t *out_dv, int32_t *out_n,
                                                 struct cn_err *err);

/* BoxEye: mean over kernel x kernel pixels (zero padding, always divided by kernel^2) around
 * one pixel a column: row h/2 + trunc(kernel (u + v/2)), column w/2 + kernel v. `image` is
 * (h,w) luminance; kernel odd. CN_EINPUT when the image is smaller than cn_fly_hexgrid_min_side
 * on either side. */
CN_MUST_CHECK cn_status cn_fly_hexgrid_box_eye(int32_t extent, int32_t kernel,
                                               const float *image, int64_t h, int64_t w,
                                               float *out, struct cn_err *err);
int64_t cn_fly_hexgrid_min_side(int32_t extent, int32_t kernel); /* (2R)k + 1 */
/* RGB 0..255 (h,w,3) -> luma .299R + .587G + .114B of RGB/255, a clockwise quarter turn to
 * (w,h), and the centre trunc(keep*h) columns: out is (w, trunc(keep*h)). */
void cn_fly_hexgrid_grayscale(const unsigned char *rgb, int64_t h, int64_t w, double keep,
                              float *out);

#endif
