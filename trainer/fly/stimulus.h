/* The light: one luminance in [0,1] per column and frame, shared by the 8 photoreceptors of a
 * column.
 *
 * A stimulus is a list of sequences (scenes of 50..80 frames, flash blocks of 60, one endless
 * blank). Each sequence is a pure function of (kind, seed, number), so frames are made in any
 * order, by any thread.
 *
 * CN_STIM_SCENES is the offline substitute of specs flyvis_gnn 2.3: each scene a sum of 40
 * drifting plane waves, spatial frequency log-uniform .02-.24 cycles/column, amplitude 1/f
 * scaled to rms 1, luminance clip(.5 + .2 texture, 0, 1). CN_STIM_FLASH: full-field on/off,
 * half period of 1, 2 or 5 frames, intensity .5..1 (off = 0) per block. CN_STIM_BLANK:
 * darkness.
 */
#ifndef CN_FLY_STIMULUS_H
#define CN_FLY_STIMULUS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "trainer/fly/config.h"

struct cn_fly_stimulus {
    cn_fly_stimulus_kind kind;
    uint64_t seed;
    int32_t extent;
    int64_t n_columns;
    float *x, *y;            /* (n_columns) positions, owned */
    int64_t sequence, first; /* the sequence that `frame` was last in, and its first frame */
    int32_t length;
    float *wave;                /* parameters of that sequence, owned */
    float *phase_re, *phase_im; /* (n_waves, n_columns) scratch, owned */
};

CN_MUST_CHECK cn_status cn_fly_stimulus_init(struct cn_fly_stimulus *s,
                                             cn_fly_stimulus_kind kind, int32_t extent,
                                             uint64_t seed, struct cn_err *err);
void cn_fly_stimulus_clear(struct cn_fly_stimulus *s);
/* Luminances of frame t into out (n_columns). Returns true when t is the first frame of its
 * sequence. Fast when called with t rising; any order gives the same values. */
bool cn_fly_stimulus_frame(struct cn_fly_stimulus *s, int64_t t, float *out);

#endif
