/* A tiny data set and config for tests of the fly trainer: 12 cell types, 7 columns, 84
 * neurons. */
#ifndef CN_TESTS_FLY_SMALL_H
#define CN_TESTS_FLY_SMALL_H

#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/file.h"
#include "base/text.h"
#include "trainer/fly/dataset.h"
#include "trainer/fly/train.h"

struct fly_small {
    char dir[64]; /* a fresh folder below /tmp */
    struct cn_fly_config cfg;
    struct cn_fly_data data;
    struct cn_pool *pool;
};

static inline void fly_small_config(struct cn_fly_config *c)
{
    memset(c, 0, sizeof *c);
    cn_text_copy(c->sim.connectome, sizeof c->sim.connectome, "synthetic");
    c->sim.extent = 1;
    c->sim.n_types = 12;
    c->sim.connectome_seed = 3;
    c->sim.n_frames = 300;
    c->sim.n_test_frames = 60;
    c->sim.delta_t = 0.02;
    c->sim.noise_model_level = 0.3;
    c->sim.derivative_smoothing_window = 1;
    c->sim.seed = 5;
    c->model.embedding_dim = 2;
    c->model.hidden_dim = c->model.hidden_dim_update = 8;
    c->model.n_layers = c->model.n_layers_update = 3;
    c->model.g_phi_positive = true;
    c->train.seed = 11;
    c->train.n_epochs = 2;
    c->train.batch_size = 2;
    c->train.data_augmentation_loop = 2; /* 60 iterations an epoch */
    c->train.lr_W = 1e-3;
    c->train.lr = 2e-3;
    c->train.lr_embedding = 2e-3;
    c->train.coeff_g_phi_diff = 10;
    c->train.coeff_g_phi_norm = 0.5;
    c->train.coeff_W_L1 = 1e-4;
    c->train.W_sign_temperature = 10;
    c->train.linearity_warmup_fraction = 0.3;
    c->train.linearity_rampup_iters = 200;
    c->train.W_L2_shadowed = true;
    c->train.w_init_mode = CN_WINIT_RANDN_SCALED;
    c->train.w_init_scale = 1;
    c->train.time_step = 1;
}

static inline void fly_small_open(struct fly_small *s, int threads)
{
    struct cn_fly_dataset_opts o = CN_FLY_DATASET_OPTS_INIT;
    struct cn_err err = CN_ERR_INIT;

    cn_text_copy(s->dir, sizeof s->dir, "/tmp/cairn_fly_XXXXXX");
    cr_assert_not_null(mkdtemp(s->dir));
    s->pool = cn_pool_new(threads);
    o.cache_dir = s->dir;
    o.pool = s->pool;
    cr_assert_eq(cn_fly_dataset_open(&s->cfg.sim, &o, &s->data, &err), CN_OK, "%s", err.text);
}

static inline void fly_small_close(struct fly_small *s)
{
    cn_fly_data_clear(&s->data);
    cn_pool_free(s->pool);
    (void)!cn_file_remove_tree(s->dir, NULL);
}

/* Train until `step` iterations are done, or to the end. */
static inline void fly_small_train(struct cn_fly_trainer *t, int64_t step)
{
    struct cn_fly_position at;
    struct cn_err err = CN_ERR_INIT;
    unsigned events;

    for (cn_fly_trainer_position(t, &at); at.step < step && !cn_fly_trainer_done(t);
         cn_fly_trainer_position(t, &at))
        cr_assert_eq(cn_fly_trainer_advance(t, &events, &err), CN_OK, "%s", err.text);
}

#endif
