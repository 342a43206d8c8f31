/* Scenes, flashes and darkness (specs flyvis_gnn 2.3). A wave is
 *     a cos(2 pi f (x cos th + y sin th - speed t) + phase)
 * kept as two amplitude maps per scene (cosine and sine part), so a frame costs two
 * multiply-adds per wave and column. */
#include "trainer/fly/stimulus.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/rng.h"
#include "trainer/fly/hexgrid.h"

enum { N_WAVES = 40, SCENE_MIN = 50, SCENE_MAX = 80, FLASH_BLOCK = 60 };
static const double TWO_PI = 6.283185307179586;
static const double F_LOW = .02, F_HIGH = .24; /* cycles per column */
static const double SPEED_STD = .6;            /* columns per frame */
static const double CONTRAST = .2;

/* One random stream per sequence, apart from every other use of the seed. */
static void sequence_rng(const struct cn_fly_stimulus *s, int64_t k, struct cn_rng *r)
{
    cn_rng_init(r, s->seed, (UINT64_C(0x5715) << 48) | (uint64_t)k);
}

static int32_t sequence_length(const struct cn_fly_stimulus *s, struct cn_rng *r)
{
    switch (s->kind) {
    case CN_STIM_SCENES:
        return SCENE_MIN + (int32_t)cn_rng_below(r, SCENE_MAX - SCENE_MIN + 1);
    case CN_STIM_FLASH:
        return FLASH_BLOCK;
    case CN_STIM_BLANK:
        break;
    }
    return INT32_MAX;
}

/* wave[0..N) becomes the angular speed per frame; the maps hold amplitude and phase at each
 * column. Amplitudes go as 1/f and are scaled so that the texture's mean square, sum a^2 / 2,
 * is 1. */
static void draw_scene(struct cn_fly_stimulus *s, struct cn_rng *r)
{
    double f[N_WAVES], power = 0;
    for (int k = 0; k < N_WAVES; k++) {
        f[k] = F_LOW * pow(F_HIGH / F_LOW, cn_rng_uniform(r));
        power += .5 / (f[k] * f[k]);
    }
    for (int k = 0; k < N_WAVES; k++) {
        double angle = TWO_PI * cn_rng_uniform(r), phase = TWO_PI * cn_rng_uniform(r);
        double kx = TWO_PI * f[k] * cos(angle), ky = TWO_PI * f[k] * sin(angle);
        double a = 1 / (f[k] * sqrt(power));
        float *re = s->phase_re + k * s->n_columns, *im = s->phase_im + k * s->n_columns;
        s->wave[k] = (float)(TWO_PI * f[k] * SPEED_STD * cn_rng_normal(r));
        for (int64_t c = 0; c < s->n_columns; c++) {
            double p = kx * (double)s->x[c] + ky * (double)s->y[c] + phase;
            re[c] = (float)(a * cos(p));
            im[c] = (float)(a * sin(p));
        }
    }
}

/* Half period 1, 2 or 5 frames, intensity .5 .. 1. */
static void draw_flash(struct cn_fly_stimulus *s, struct cn_rng *r)
{
    static const float half_period[3] = {1, 2, 5};
    s->wave[0] = half_period[cn_rng_below(r, 3)];
    s->wave[1] = (float)(.5 + .5 * cn_rng_uniform(r));
}

/* Walk to the sequence that holds t, drawing only lengths on the way. */
static void seek(struct cn_fly_stimulus *s, int64_t t)
{
    struct cn_rng r;
    if (s->sequence >= 0 && t >= s->first && t < s->first + s->length)
        return;
    if (s->sequence < 0 || t < s->first) {
        s->sequence = -1;
        s->first = 0;
        s->length = 0;
    }
    do {
        s->first += s->length;
        sequence_rng(s, ++s->sequence, &r);
        s->length = sequence_length(s, &r);
    } while (t >= s->first + s->length);
    if (s->kind == CN_STIM_SCENES)
        draw_scene(s, &r);
    else if (s->kind == CN_STIM_FLASH)
        draw_flash(s, &r);
}

static void scene_frame(const struct cn_fly_stimulus *s, int64_t tau, float *out)
{
    memset(out, 0, (size_t)s->n_columns * sizeof *out);
    for (int k = 0; k < N_WAVES; k++) {
        double turn = (double)s->wave[k] * (double)tau;
        float c = (float)cos(turn), d = (float)sin(turn);
        const float *re = s->phase_re + k * s->n_columns, *im = s->phase_im + k * s->n_columns;
        for (int64_t i = 0; i < s->n_columns; i++)
            out[i] += c * re[i] + d * im[i];
    }
    for (int64_t i = 0; i < s->n_columns; i++) {
        float l = .5F + (float)CONTRAST * out[i];
        out[i] = l < 0 ? 0 : l > 1 ? 1 : l;
    }
}

cn_status cn_fly_stimulus_init(struct cn_fly_stimulus *s, cn_fly_stimulus_kind kind,
                               int32_t extent, uint64_t seed, struct cn_err *err)
{
    memset(s, 0, sizeof *s);
    if (extent < 1 || extent > CN_FLY_EXTENT_MAX)
        return cn_err_set(err, CN_EINPUT, "extent %d: wants 1..%d", extent, CN_FLY_EXTENT_MAX);
    s->kind = kind;
    s->seed = seed;
    s->extent = extent;
    s->sequence = -1;
    s->n_columns = cn_fly_hexgrid_count(extent);
    size_t m = (size_t)s->n_columns;
    int32_t *uv = cn_alloc(2 * m, sizeof *uv);
    s->x = cn_alloc(m, sizeof *s->x);
    s->y = cn_alloc(m, sizeof *s->y);
    s->wave = cn_alloc(N_WAVES, sizeof *s->wave);
    s->phase_re = cn_alloc(N_WAVES * m, sizeof *s->phase_re);
    s->phase_im = cn_alloc(N_WAVES * m, sizeof *s->phase_im);
    if (!uv || !s->x || !s->y || !s->wave || !s->phase_re || !s->phase_im) {
        cn_free(uv);
        cn_fly_stimulus_clear(s);
        return cn_err_set(err, CN_ENOMEM, "no memory for a stimulus of extent %d", extent);
    }
    cn_fly_hexgrid_columns(extent, uv, uv + m);
    for (size_t k = 0; k < m; k++) {
        double x, y;
        cn_fly_hexgrid_xy(uv[k], uv[m + k], &x, &y);
        s->x[k] = (float)x;
        s->y[k] = (float)y;
    }
    cn_free(uv);
    return CN_OK;
}

void cn_fly_stimulus_clear(struct cn_fly_stimulus *s)
{
    cn_free(s->x);
    cn_free(s->y);
    cn_free(s->wave);
    cn_free(s->phase_re);
    cn_free(s->phase_im);
    memset(s, 0, sizeof *s);
}

bool cn_fly_stimulus_frame(struct cn_fly_stimulus *s, int64_t t, float *out)
{
    seek(s, t);
    int64_t tau = t - s->first;
    if (s->kind == CN_STIM_SCENES) {
        scene_frame(s, tau, out);
    } else {
        bool on = s->kind == CN_STIM_FLASH && (tau / (int64_t)s->wave[0]) % 2 == 0;
        for (int64_t i = 0; i < s->n_columns; i++)
            out[i] = on ? s->wave[1] : 0;
    }
    return tau == 0;
}
