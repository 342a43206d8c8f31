/* A data set as the trainer sees it: frames on disk, memory-mapped, read in any order.
 *
 * voltage[t*n + i] is v_i at frame t; stimulus[t*n_columns + c] the luminance of column c (the
 * same for the 8 photoreceptors of a column: 217 values a frame, not 1,736). The target y_t =
 * dv/dt is recomputed by one SpMV (cn_fly_data_target), not stored.
 */
#ifndef CN_FLY_DATA_H
#define CN_FLY_DATA_H

#include <stdint.h>

#include "base/file.h"
#include "trainer/fly/graph.h"

struct cn_fly_split {
    int64_t frames;
    const float *voltage;  /* (frames, n) borrowed from the map */
    const float *stimulus; /* (frames, n_columns) borrowed from the map */
    const float *noise;    /* (frames, n) measurement noise, NULL when the level is 0 */
};

struct cn_fly_data {
    struct cn_fly_graph graph; /* true graph; owned */
    struct cn_fly_split train, test;
    double delta_t;
    double xnorm;      /* 1.5 * unbiased std over all train voltages */
    float *mu, *sigma; /* (n) mean and unbiased std of the stored train voltage; owned */
    /* simulator variant, for the target */
    int variant;     /* cn_fly_variant */
    float *gain, *s; /* (n_types) or NULL; owned */
    int smoothing_window;
    struct cn_map map[5]; /* voltage, stimulus, noise of train; voltage, stimulus of test */
    char key[65];         /* hash of the settings, the folder's name in the cache */
    char *use_path; /* marks the set as in use, so that nobody evicts it; owned, NULL without */
    int use_fd;     /* the lock on it; means nothing while use_path is NULL */
};

#endif
