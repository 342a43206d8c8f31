/* What dataset.c, dataset_make.c and dataset_cache.c share. */
#ifndef CN_FLY_DATASET_INT_H
#define CN_FLY_DATASET_INT_H

#include "base/buf.h"
#include "trainer/fly/dataset.h"

/* File names inside a set's folder. */
#define CN_FLY_SET_HEADER     "header.json"
#define CN_FLY_SET_MOMENTS    "moments.f32"
#define CN_FLY_SET_CONNECTOME "connectome"

/* The stored arrays, in the order of cn_fly_data.map. */
enum { CN_FLY_SET_ARRAYS = 5 };
typedef enum {
    CN_FLY_VOLTAGE_TRAIN,
    CN_FLY_STIMULUS_TRAIN,
    CN_FLY_NOISE_TRAIN,
    CN_FLY_VOLTAGE_TEST,
    CN_FLY_STIMULUS_TEST
} cn_fly_set_array;

/* One set: where it lives and what it is. */
struct cn_fly_set {
    const struct cn_fly_simulation *sim;    /* borrowed */
    const struct cn_fly_dataset_opts *opts; /* borrowed */
    char key[CN_HASH_TEXT];
    struct cn_buf settings; /* the canonical text */
    char *dir, *lock_path;  /* owned */
    bool synthetic;
};

const char *cn_fly_set_array_name(cn_fly_set_array a);
/* Bytes of an array on disk; 0 for noise without measurement noise. */
int64_t cn_fly_set_array_bytes(const struct cn_fly_simulation *sim,
                               const struct cn_fly_graph *g, cn_fly_set_array a);
void cn_fly_set_say(const struct cn_fly_set *s, const char *fmt, ...) CN_PRINTF(2, 3);
/* Draws of a set, each with a seed of its own. */
struct cn_fly_set_seeds {
    uint64_t stimulus_train, stimulus_test, process, measurement;
};
struct cn_fly_set_seeds cn_fly_set_seeds(uint64_t seed);
/* Fill gain / s of the variant, (n_types); unused ones stay NULL. */
CN_MUST_CHECK cn_status cn_fly_set_variant(const struct cn_fly_simulation *sim, int32_t n_types,
                                           float **out_gain, float **out_s, struct cn_err *err);

/* dataset_make.c: everything into set->dir, header last. Call with the lock held. */
CN_MUST_CHECK cn_status cn_fly_set_make(const struct cn_fly_set *set, struct cn_err *err);
/* dataset.c: the header's text for these scalars. */
CN_MUST_CHECK cn_status cn_fly_set_header(const struct cn_fly_set *set,
                                          const struct cn_fly_graph *g, double xnorm,
                                          const char *moments_hash, struct cn_buf *out,
                                          struct cn_err *err);

/* dataset_cache.c: evict until `need` more bytes fit the budget. Call with the set's lock
 * held. */
CN_MUST_CHECK cn_status cn_fly_set_make_room(const struct cn_fly_set *set, int64_t need,
                                             struct cn_err *err);
/* Mark the set as in use by this process (before its lock is given back). */
CN_MUST_CHECK cn_status cn_fly_set_mark(const struct cn_fly_set *set, struct cn_fly_data *data,
                                        struct cn_err *err);

#endif
