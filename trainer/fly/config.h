/* The FlyVis study's settings as plain data. trainer/run reads them from YAML (old and new
 * spellings); the rest of trainer/fly only sees this struct. Field names follow the v2 YAML
 * keys (specs flyvis_gnn 8.3).
 */
#ifndef CN_FLY_CONFIG_H
#define CN_FLY_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

enum { CN_FLY_NAME = 256 };

typedef enum { CN_FLY_A, CN_FLY_LINEAR } cn_fly_model_kind;
typedef enum {
    CN_ACT_RELU,
    CN_ACT_TANH,
    CN_ACT_SIGMOID,
    CN_ACT_LEAKY_RELU,
    CN_ACT_SOFT_RELU,
    CN_ACT_NONE
} cn_activation;
typedef enum { CN_WINIT_RANDN, CN_WINIT_RANDN_SCALED, CN_WINIT_ZEROS } cn_fly_winit;
/* Which reference's numerics: delta rules, annealing. */
typedef enum { CN_FLY_V2, CN_FLY_V1 } cn_fly_generation;
/* 2.3; scenes = offline plane waves. */
typedef enum { CN_STIM_SCENES, CN_STIM_FLASH, CN_STIM_BLANK } cn_fly_stimulus_kind;
typedef enum { CN_SIM_PLAIN, CN_SIM_TANH, CN_SIM_MULTIPLE_RELU, CN_SIM_NULL } cn_fly_variant;

struct cn_fly_simulation {
    /* "synthetic", or the name/path of an imported connectome folder. */
    char connectome[CN_FLY_NAME];
    int32_t extent;           /* hexagonal radius R; 8 in the publications */
    int32_t n_types;          /* synthetic only: 12..16 */
    uint64_t connectome_seed; /* synthetic only: which network */
    int64_t n_frames;         /* training frames T */
    int64_t n_test_frames;    /* test frames (noise-free unless said) */
    double delta_t;           /* s */
    double noise_model_level; /* process noise sigma per frame, not scaled by sqrt(dt) */
    double measurement_noise_level;
    int32_t derivative_smoothing_window; /* odd; 1 = none */
    bool simulation_initial_state;       /* reset to the steady state before every sequence */
    cn_fly_stimulus_kind stimulus;
    cn_fly_variant variant;
    uint64_t seed;
};

struct cn_fly_graph_model {
    cn_fly_model_kind kind;
    bool linear_tanh; /* flyvis_linear_tanh */
    int32_t embedding_dim;
    int32_t hidden_dim, n_layers;               /* g_phi */
    int32_t hidden_dim_update, n_layers_update; /* f_theta */
    bool g_phi_positive;
    cn_activation activation;
};

struct cn_fly_training {
    uint64_t seed;
    int32_t n_epochs, batch_size, data_augmentation_loop;
    /* 0 = the full schedule; a cap on the total number of iterations (demos, tests). */
    int64_t max_iterations;
    double lr_W, lr, lr_embedding, lr_update; /* lr_update 0 = lr */
    double coeff_W_L1, coeff_W_L2;
    double coeff_g_phi_diff, coeff_g_phi_norm, coeff_g_phi_weight_L1, coeff_g_phi_weight_L2;
    double coeff_f_theta_zero, coeff_f_theta_diff, coeff_f_theta_msg_diff,
        coeff_f_theta_msg_sign;
    double coeff_f_theta_weight_L1, coeff_f_theta_weight_L2;
    double coeff_f_theta_linearity, coeff_f_theta_centering, coeff_W_sign, W_sign_temperature;
    double linearity_warmup_fraction; /* .3 */
    int64_t linearity_rampup_iters;   /* 200 */
    /* v2: one rate; v1 presets read the coeff_*_rate fields below. */
    double regul_annealing_rate;
    double rate_W_L1, rate_g_phi_weight_L1, rate_f_theta_weight_L1; /* v1 */
    /* Reference quirk (defect 1): W_L2 only reached when W_L1 was not applied; default true. */
    bool W_L2_shadowed;
    cn_fly_generation generation;
    cn_fly_winit w_init_mode;
    double w_init_scale, grad_clip_W;
    bool alternate_training; /* two-stage of seed 001 (4.6) */
    double alternate_joint_ratio, alternate_lr_ratio;
    /* Enter the sampler's range R = T-4-time_step-time_window. */
    int32_t time_window, time_step;
    double loss_noise_level;
    int32_t threads; /* 0 = all available */
};

struct cn_fly_config {
    struct cn_fly_simulation sim;
    struct cn_fly_graph_model model;
    struct cn_fly_training train;
};

#endif
