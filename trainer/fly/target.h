/* What a trainer reads from a data set at every step: targets and voltages of a few frames.
 *
 * Targets y_t = dv/dt are recomputed from the stored voltage: exact and noise-free, plus
 * (n_{t+1} - n_t)/dt with measurement noise (last frame + 0), then, in the train split, the
 * centred mean over smoothing_window frames (edge frames repeated). See dataset.h for the
 * calling sequence.
 */
#ifndef CN_FLY_TARGET_H
#define CN_FLY_TARGET_H

#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"
#include "trainer/fly/data.h"

typedef enum { CN_FLY_TRAIN, CN_FLY_TEST } cn_fly_split_kind;

struct cn_fly_target; /* workspace for up to max_batch frames; borrows data and pool */
CN_MUST_CHECK cn_status cn_fly_target_new(const struct cn_fly_data *data, int32_t max_batch,
                                          struct cn_pool *pool, struct cn_fly_target **out,
                                          struct cn_err *err);
void cn_fly_target_free(struct cn_fly_target *t);
/* out_y is (batch, n). One pass over the edges; no allocation; the same bits for any number of
 * threads. */
void cn_fly_target_batch(struct cn_fly_target *t, cn_fly_split_kind split,
                         const int64_t *frames, int32_t batch, float *out_y);
/* One frame, (n). */
void cn_fly_data_target(struct cn_fly_target *t, cn_fly_split_kind split, int64_t frame,
                        float *out_y);
/* The voltages a trainer sees, (batch, n): v_t, plus n_t with measurement noise. */
void cn_fly_data_voltage(const struct cn_fly_data *d, cn_fly_split_kind split,
                         const int64_t *frames, int32_t batch, float *out_v);

#endif
