/* A training on disk: everything that makes what follows bit-identical to an unbroken run.
 *
 * checkpoint.safetensors: the parameters (one tensor each), Adam's moments, the sampler's
 * Mersenne twister, both tables of the history, the sums since the last report; and as metadata
 * the position, the number of Adam steps, the hash of the settings and the key of the data set.
 * model.safetensors: the parameters and the history, without the optimiser and without times:
 * the same training gives the same bytes.
 *
 *     st = cn_fly_checkpoint_save(trainer, CN_FLY_FILE_CHECKPOINT, path, config_hash, &err);
 *     st = cn_fly_checkpoint_load(trainer, CN_FLY_FILE_CHECKPOINT, path, config_hash, &err);
 *
 * Saving does not disturb the training. Loading refuses a file of another config, data set or
 * format (CN_EINPUT, in words) and a damaged one (CN_ECORRUPT); the trainer is then unchanged.
 */
#ifndef CN_FLY_CHECKPOINT_H
#define CN_FLY_CHECKPOINT_H

#include "base/status.h"
#include "trainer/fly/train.h"

typedef enum {
    CN_FLY_FILE_CHECKPOINT, /* training goes on from it */
    CN_FLY_FILE_MODEL       /* training is over */
} cn_fly_file;

enum { CN_FLY_CHECKPOINT_FORMAT = 1 };

CN_MUST_CHECK cn_status cn_fly_checkpoint_save(struct cn_fly_trainer *t, cn_fly_file kind,
                                               const char *path, const char *config_hash,
                                               struct cn_err *err);
CN_MUST_CHECK cn_status cn_fly_checkpoint_load(struct cn_fly_trainer *t, cn_fly_file kind,
                                               const char *path, const char *config_hash,
                                               struct cn_err *err);

#endif
