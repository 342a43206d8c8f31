/* Data sets: simulated once, kept in a cache folder, memory-mapped by every training that asks
 * for the same.
 *
 * Key: SHA-256 of the canonical text of all that shapes the numbers (format version, connectome
 * identity, extent, frames, dt, noise levels, variant, stimulus, seeds). In the cache:
 *
 *     <key>.lock                  held while the set is made, opened or removed
 *     <key>.use.<pid>.<n>         locked by a process that has the set open
 *     <key>/voltage_train.f32     (frames, n) little-endian float32
 *           stimulus_train.f32    (frames, n_columns)
 *           noise_train.f32       (frames, n), only with measurement noise
 *           voltage_test.f32      stimulus_test.f32
 *           moments.f32           mu (n), then sigma (n), of the train voltage
 *           connectome/           the network (connectome.h)
 *           header.json           sizes and scalars, last: without it the folder does not count
 *
 * The test split has its own stimulus, starts at the steady state, and carries no noise of
 * either kind. Opening makes the set when it is absent; a second process waits for the lock and
 * then opens the finished set. A damaged set is reported through `say` and made again. Over the
 * byte budget the least recently opened sets go, never one that is open.
 *
 *     struct cn_fly_dataset_opts o = CN_FLY_DATASET_OPTS_INIT;
 *     o.cache_dir = "runs/data";
 *     o.pool = pool;
 *     struct cn_fly_data data;
 *     st = cn_fly_dataset_open(&cfg.sim, &o, &data, &err);
 *     struct cn_fly_target *tgt;
 *     st = cn_fly_target_new(&data, 4, pool, &tgt, &err);      // once
 *
 *     cn_fly_target_batch(tgt, CN_FLY_TRAIN, frames, 4, y);    // every step: y (4, n)
 *
 *     cn_fly_target_free(tgt);
 *     cn_fly_data_clear(&data);
 */
#ifndef CN_FLY_DATASET_H
#define CN_FLY_DATASET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/pool.h"
#include "base/status.h"
#include "trainer/fly/config.h"
#include "trainer/fly/data.h"
#include "trainer/fly/target.h"

/* Called now and then while a set is made, from the calling thread; false stops it
 * (CN_ESTOPPED). */
typedef bool cn_fly_dataset_progress_fn(void *ctx, const char *what, int64_t done,
                                        int64_t total);
/* One line worth telling: a set was damaged, a set was evicted, waiting for another process. */
typedef void cn_fly_dataset_say_fn(void *ctx, const char *line);

struct cn_fly_dataset_opts {
    const char *cache_dir; /* borrowed; created when absent */
    int64_t budget_bytes;  /* of the whole cache; 0 = no limit */
    int wait_ms;           /* for the lock of a set another process makes; -1 = for ever */
    struct cn_pool *pool;  /* NULL = the calling thread */
    cn_fly_dataset_progress_fn *progress; /* NULL = none */
    cn_fly_dataset_say_fn *say;           /* NULL = none */
    void *ctx;                            /* for both */
};
#define CN_FLY_DATASET_OPTS_INIT \
    {                            \
        .wait_ms = -1            \
    }

/* The canonical text's hash. CN_EINPUT for a setting out of range, CN_ENOTFOUND / CN_ECORRUPT
 * for a connectome. */
CN_MUST_CHECK cn_status cn_fly_dataset_key(const struct cn_fly_simulation *sim,
                                           char out[CN_HASH_TEXT], struct cn_err *err);
/* The true graph alone ("synthetic" or an imported folder). */
CN_MUST_CHECK cn_status cn_fly_dataset_graph(const struct cn_fly_simulation *sim,
                                             struct cn_fly_graph *out, struct cn_err *err);
CN_MUST_CHECK cn_status cn_fly_dataset_open(const struct cn_fly_simulation *sim,
                                            const struct cn_fly_dataset_opts *o,
                                            struct cn_fly_data *out, struct cn_err *err);
void cn_fly_data_clear(struct cn_fly_data *d);

#endif
