/* The describe table of the FlyVis study. Defaults are those of the public v2 code wherever
 * they can run; names and meanings follow specs flyvis_gnn 8.3 and 4.4. This file is one table
 * and says nothing else. */
#include <stdint.h>

#include "trainer/run/config.h"

#define AT(field) offsetof(struct cn_trainer_config, field)
#define A(...)      \
    {               \
        __VA_ARGS__ \
    }
#define TRAINING   false
#define SIMULATION true

#define F64(p, al, f, def, lo, hi, lg, sim, un, mean)                                   \
    {                                                                                   \
        .path = p, .aliases = al, .type = CN_TRAINER_F64, .at = AT(f), .preset = def,   \
        .min = lo, .max = hi, .log = lg, .simulation = sim, .unit = un, .meaning = mean \
    }
#define INT(ty, p, al, f, def, lo, hi, sim, un, mean)                                  \
    {                                                                                  \
        .path = p, .aliases = al, .type = CN_TRAINER_##ty, .at = AT(f), .preset = def, \
        .min = lo, .max = hi, .simulation = sim, .unit = un, .meaning = mean           \
    }
#define SILENT_INT(ty, p, f, lo, hi, sim, mean)                                \
    {                                                                          \
        .path = p, .type = CN_TRAINER_##ty, .at = AT(f), .min = lo, .max = hi, \
        .simulation = sim, .silent = true, .unit = "", .meaning = mean         \
    }
#define BOOL(p, al, f, def, sim, mean)                                                 \
    {                                                                                  \
        .path = p, .aliases = al, .type = CN_TRAINER_BOOL, .at = AT(f), .preset = def, \
        .max = 1, .simulation = sim, .unit = "", .meaning = mean                       \
    }
#define CHOICE(p, al, f, def, list, sim, mean)                                           \
    {                                                                                    \
        .path = p, .aliases = al, .type = CN_TRAINER_CHOICE, .at = AT(f), .preset = def, \
        .choices = list, .simulation = sim, .unit = "", .meaning = mean                  \
    }
#define COEF(name, al, mean) \
    F64("training." #name, al, fly.train.name, 0, 0, 1e6, true, TRAINING, "", mean)

static const char *const stimuli[] = {"scenes", "flash", "blank", NULL};
static const char *const activations[] = {"relu",      "tanh", "sigmoid", "leaky_relu",
                                          "soft_relu", "none", NULL};
static const char *const w_inits[] = {"randn", "randn_scaled", "zeros", NULL};
static const char *const generations[] = {"v2", "v1", NULL};
/* The order is known to settle_model() in config.c. C and D behave as A in the reference. */
static const char *const models[] = {"flyvis_A",
                                     "flyvis_C",
                                     "flyvis_D",
                                     "flyvis_A_tanh",
                                     "flyvis_A_multiple_ReLU",
                                     "flyvis_A_NULL",
                                     "flyvis_linear",
                                     "flyvis_linear_tanh",
                                     NULL};
static const char *const model_aliases[] = {"PDE_N9_A=flyvis_A", NULL};

const struct cn_trainer_param cn_trainer_fly_params[] = {
    /* ---- simulation: what the data are ---- */
    {.path = "simulation.connectome",
     .type = CN_TRAINER_TEXT,
     .at = AT(fly.sim.connectome),
     .preset_text = "synthetic",
     .simulation = true,
     .unit = "",
     .meaning =
         "\"synthetic\" (made up, no download), or the folder of an imported connectome"},
    INT(I32, "simulation.extent", A(NULL), fly.sim.extent, 3, 1, 15, SIMULATION, "columns",
        "radius of the hexagonal eye; 8 in the publications"),
    INT(I32, "simulation.n_neuron_types", A("simulation.n_types"), fly.sim.n_types, 14, 1, 4096,
        SIMULATION, "",
        "cell types: 12 to 16 of a synthetic connectome; of an imported one it is checked"),
    INT(U64, "simulation.connectome_seed", A(NULL), fly.sim.connectome_seed, 1, 0,
        9007199254740992.0, SIMULATION, "", "which synthetic network"),
    INT(I64, "simulation.n_frames", A(NULL), fly.sim.n_frames, 1000, 120, 10000000, SIMULATION,
        "frames", "length of the training data; 64000 in the publications"),
    INT(I64, "simulation.n_test_frames", A(NULL), fly.sim.n_test_frames, 600, 20, 10000000,
        SIMULATION, "frames", "length of the test data, simulated without noise"),
    F64("simulation.delta_t", A(NULL), fly.sim.delta_t, 0.02, 1e-4, 1, true, SIMULATION, "s",
        "time step of simulation and frames"),
    F64("simulation.noise_model_level", A("training.noise_model_level"),
        fly.sim.noise_model_level, 0, 0, 10, false, SIMULATION, "a.u.",
        "process noise added to every voltage at every frame; more noise visits more states"),
    F64("simulation.measurement_noise_level", A(NULL), fly.sim.measurement_noise_level, 0, 0,
        10, false, SIMULATION, "a.u.",
        "noise on the voltages the trainer sees, and on its targets"),
    INT(I32, "simulation.derivative_smoothing_window", A(NULL),
        fly.sim.derivative_smoothing_window, 1, 1, 999, SIMULATION, "frames",
        "centred moving average over noisy targets; odd, 1 = none"),
    BOOL("simulation.simulation_initial_state", A(NULL), fly.sim.simulation_initial_state, 0,
         SIMULATION, "return to the steady state before every stimulus sequence"),
    CHOICE("simulation.visual_input_type", A("simulation.stimulus"), fly.sim.stimulus,
           CN_STIM_SCENES, stimuli, SIMULATION,
           "what the eye sees: drifting plane-wave scenes, full-field flashes, or darkness"),
    INT(U64, "simulation.seed", A(NULL), fly.sim.seed, 42, 0, 9007199254740992.0, SIMULATION,
        "", "seed of stimulus and noise"),
    SILENT_INT(I64, "simulation.n_neurons", n_neurons, 0, 1e9, true,
               "stated size of the network; checked"),
    SILENT_INT(I64, "simulation.n_input_neurons", n_input_neurons, 0, 1e9, true,
               "stated number of photoreceptors; checked"),
    SILENT_INT(I64, "simulation.n_edges", n_edges, 0, 1e10, true,
               "stated number of synapses; checked"),

    /* ---- graph_model: what is learned ---- */
    {.path = "graph_model.signal_model_name",
     .type = CN_TRAINER_CHOICE,
     .at = AT(model_choice),
     .choices = models,
     .choice_aliases = model_aliases,
     .unit = "",
     .meaning = "flyvis_A: two learned functions; flyvis_linear: the known equation, only its "
                "parameters learned; a suffix changes the simulator"},
    {.path = "graph_model.embedding_dim",
     .type = CN_TRAINER_I32,
     .at = AT(fly.model.embedding_dim),
     .preset = 2,
     .min = 1,
     .max = 16,
     .unit = "",
     .meaning = "length of a neuron's learned embedding a",
     .derives = {{"graph_model.input_size", 1, 1}, {"graph_model.input_size_update", 1, 3}}},
    SILENT_INT(I32, "graph_model.input_size", input_size, 0, 64, false,
               "inputs of g_phi: 1 + embedding_dim"),
    SILENT_INT(I32, "graph_model.input_size_update", input_size_update, 0, 64, false,
               "inputs of f_theta: 3 + embedding_dim"),
    INT(I32, "graph_model.hidden_dim", A(NULL), fly.model.hidden_dim, 64, 1, 512, TRAINING, "",
        "width of g_phi"),
    INT(I32, "graph_model.n_layers", A(NULL), fly.model.n_layers, 3, 2, 8, TRAINING, "",
        "linear layers of g_phi"),
    INT(I32, "graph_model.hidden_dim_update", A(NULL), fly.model.hidden_dim_update, 64, 1, 512,
        TRAINING, "", "width of f_theta"),
    INT(I32, "graph_model.n_layers_update", A(NULL), fly.model.n_layers_update, 3, 2, 8,
        TRAINING, "", "linear layers of f_theta"),
    BOOL("graph_model.g_phi_positive", A("graph_model.lin_edge_positive"),
         fly.model.g_phi_positive, 0, TRAINING, "square the output of g_phi"),
    CHOICE("graph_model.MLP_activation", A(NULL), fly.model.activation, CN_ACT_RELU,
           activations, TRAINING, "activation of both functions"),

    /* ---- training: budget ---- */
    INT(U64, "training.seed", A(NULL), fly.train.seed, 42, 0, 9007199254740992.0, TRAINING, "",
        "seed of the random start and of the frame sampler"),
    INT(I32, "training.n_epochs", A(NULL), fly.train.n_epochs, 20, 1, 1000, TRAINING, "",
        "epochs; an epoch is 0.2 * n_frames * data_augmentation_loop / batch_size iterations"),
    INT(I32, "training.batch_size", A(NULL), fly.train.batch_size, 1, 1, 64, TRAINING, "frames",
        "frames per iteration"),
    INT(I32, "training.data_augmentation_loop", A(NULL), fly.train.data_augmentation_loop, 40,
        1, 10000, TRAINING, "", "multiplies the iterations of an epoch"),
    INT(I64, "training.max_iterations", A(NULL), fly.train.max_iterations, 0, 0, 1e12, TRAINING,
        "", "end after this many iterations in all; 0 = the full schedule"),
    INT(I32, "training.threads", A(NULL), fly.train.threads, 0, 0, 256, TRAINING, "",
        "threads; 0 = CAIRN_THREADS or all; the numbers do not depend on it"),

    /* ---- training: learning rates ---- */
    F64("training.lr_W", A("training.learning_rate_W_start"), fly.train.lr_W, 1e-4, 0, 1, true,
        TRAINING, "", "learning rate of the edge weights W"),
    F64("training.lr", A("training.learning_rate_start"), fly.train.lr, 1e-3, 0, 1, true,
        TRAINING, "", "learning rate of g_phi and f_theta"),
    F64("training.lr_embedding", A("training.learning_rate_embedding_start"),
        fly.train.lr_embedding, 1e-3, 0, 1, true, TRAINING, "",
        "learning rate of the embeddings"),
    F64("training.lr_update", A("training.learning_rate_update_start"), fly.train.lr_update, 0,
        0, 1, true, TRAINING, "", "learning rate of f_theta where it differs; 0 = lr"),
    BOOL("training.alternate_training", A(NULL), fly.train.alternate_training, 0, TRAINING,
         "two stages within every epoch: joint, then g_phi and W at a reduced rate"),
    F64("training.alternate_joint_ratio", A(NULL), fly.train.alternate_joint_ratio, 0.4, 0, 1,
        false, TRAINING, "", "share of an epoch's iterations in the joint stage"),
    F64("training.alternate_lr_ratio", A(NULL), fly.train.alternate_lr_ratio, 0.1, 0, 1, true,
        TRAINING, "", "learning rates of g_phi and W in the second stage, relative"),
    F64("training.grad_clip_W", A(NULL), fly.train.grad_clip_W, 0, 0, 1e9, true, TRAINING, "",
        "largest 2-norm of the gradient of W; 0 = no limit"),

    /* ---- training: random start ---- */
    CHOICE("training.w_init_mode", A(NULL), fly.train.w_init_mode, CN_WINIT_RANDN, w_inits,
           TRAINING, "start of W: N(0,1), N(0,1)*w_init_scale/sqrt(edges), or 0"),
    F64("training.w_init_scale", A(NULL), fly.train.w_init_scale, 1, 0, 1e3, true, TRAINING, "",
        "scale of randn_scaled"),

    /* ---- training: regularisers (4.4) ---- */
    COEF(coeff_g_phi_diff, A("training.coeff_edge_diff"),
         "g_phi must not fall with the voltage"),
    COEF(coeff_g_phi_norm, A("training.coeff_edge_norm"),
         "g_phi(2 xnorm) should be 2 xnorm: fixes the scale between g_phi and W"),
    COEF(coeff_g_phi_weight_L1, A("training.coeff_edge_weight_L1"),
         "L1 of the weights of g_phi"),
    COEF(coeff_g_phi_weight_L2, A("training.coeff_edge_weight_L2"),
         "L2 of the weights of g_phi"),
    COEF(coeff_f_theta_weight_L1, A("training.coeff_phi_weight_L1"),
         "L1 of the weights of f_theta"),
    COEF(coeff_f_theta_weight_L2, A("training.coeff_phi_weight_L2"),
         "L2 of the weights of f_theta"),
    COEF(coeff_W_L1, A(NULL), "L1 of W: sparse connectivity"),
    COEF(coeff_W_L2, A(NULL), "L2 norm of W; see W_L2_shadowed"),
    COEF(coeff_W_sign, A(NULL), "Dale's law: all outgoing weights of a neuron of one sign"),
    F64("training.W_sign_temperature", A(NULL), fly.train.W_sign_temperature, 10, 1e-3, 1e4,
        true, TRAINING, "", "steepness of the sign used by coeff_W_sign"),
    COEF(coeff_f_theta_zero, A(NULL), "f_theta(0, a, 1, 1) should be 0"),
    COEF(coeff_f_theta_diff, A("training.coeff_update_diff"),
         "f_theta must not fall with the message"),
    COEF(coeff_f_theta_msg_diff, A("training.coeff_update_msg_diff"),
         "f_theta must not fall with the message, on the frames of the batch"),
    COEF(coeff_f_theta_msg_sign, A(NULL), "f_theta at v = 0 has the sign of the message"),
    COEF(coeff_f_theta_linearity, A(NULL), "f_theta(v, a, 0, 0) should be a line in v"),
    COEF(coeff_f_theta_centering, A(NULL), "f_theta(mu, a, 0, 0) should be 0"),
    F64("training.linearity_warmup_fraction",
        A("training.coeff_f_theta_linearity_warmup_fraction",
          "training.coeff_f_theta_centering_warmup_fraction"),
        fly.train.linearity_warmup_fraction, 0.3, 0, 1, false, TRAINING, "",
        "share of an epoch before linearity and centering start"),
    INT(I64, "training.linearity_rampup_iters",
        A("training.coeff_f_theta_linearity_rampup_iters",
          "training.coeff_f_theta_centering_rampup_iters"),
        fly.train.linearity_rampup_iters, 200, 1, 1000000000, TRAINING, "",
        "iterations over which linearity and centering grow"),
    F64("training.regul_annealing_rate", A(NULL), fly.train.regul_annealing_rate, 0.5, 0, 100,
        false, TRAINING, "",
        "L1 and L2 grow over epochs as 1-exp(-rate*epoch): absent in epoch 0; 0 = full at "
        "once"),
    CHOICE("training.generation", A(NULL), fly.train.generation, CN_FLY_V2, generations,
           TRAINING, "numerics of the published code's February (v1) or April (v2) state"),
    F64("training.coeff_W_L1_rate", A(NULL), fly.train.rate_W_L1, 0.5, 0, 100, false, TRAINING,
        "", "v1 only: annealing rate of coeff_W_L1"),
    F64("training.coeff_g_phi_weight_L1_rate", A("training.coeff_edge_weight_L1_rate"),
        fly.train.rate_g_phi_weight_L1, 0.5, 0, 100, false, TRAINING, "",
        "v1 only: annealing rate of coeff_g_phi_weight_L1, as 1-exp(-(rate^epoch))"),
    F64("training.coeff_f_theta_weight_L1_rate", A("training.coeff_phi_weight_L1_rate"),
        fly.train.rate_f_theta_weight_L1, 0.5, 0, 100, false, TRAINING, "",
        "v1 only: annealing rate of coeff_f_theta_weight_L1"),
    BOOL("training.W_L2_shadowed", A(NULL), fly.train.W_L2_shadowed, 1, TRAINING,
         "as in the reference, coeff_W_L2 has no effect while coeff_W_L1 is active"),

    /* ---- training: data ---- */
    INT(I32, "training.time_window", A(NULL), fly.train.time_window, 0, 0, 10000, TRAINING,
        "frames", "frames kept free at the start of the data by the sampler"),
    INT(I32, "training.time_step", A(NULL), fly.train.time_step, 1, 1, 10000, TRAINING,
        "frames", "enters the sampler's range; unrolling over it is not built"),
    F64("training.loss_noise_level", A(NULL), fly.train.loss_noise_level, 0, 0, 1e6, false,
        TRAINING, "a.u./s", "noise added to the targets, times 0.95^epoch"),
};
const int cn_trainer_fly_n_params =
    (int)(sizeof cn_trainer_fly_params / sizeof cn_trainer_fly_params[0]);

_Static_assert(sizeof cn_trainer_fly_params / sizeof cn_trainer_fly_params[0] <=
                   CN_TRAINER_MAX_PARAMS,
               "raise CN_TRAINER_MAX_PARAMS");

const struct cn_trainer_inert cn_trainer_fly_inert[] = {
    /* top level: where the reference keeps its files */
    {"study", "*"},
    {"description", "*"},
    {"dataset", "*"},
    {"data_folder_name", "*"},
    {"connectome_folder_name", "*"},
    {"data_folder_mesh_name", "*"},
    {"config_file", "*"},
    /* axis limits and colours: our figures choose their own */
    {"plotting.*", "*"},
    {"zarr.*", "*"},
    /* simulation: built in the reference, not here */
    {"simulation.start_frame", "0"},
    {"simulation.ensemble_id", "0000|0"},
    {"simulation.model_id", "000|0"},
    {"simulation.n_extra_null_edges", "0"},
    {"simulation.edge_removal_ratio", "0"},
    {"simulation.ablation_ratio", "0"},
    {"simulation.shuffle_neuron_types", "false"},
    {"simulation.datavis_roots", ""},
    {"simulation.max_train_sequences", "0"},
    {"simulation.noise_visual_input", "0"},
    {"simulation.only_noise_visual_input", "0"},
    {"simulation.calcium_type", "none"},
    {"simulation.save_calcium", "false"},
    {"simulation.Dale_law", "false"},
    /* simulation: read only together with the above, or ignored for FlyVis */
    {"simulation.null_edges_mode", "*"},
    {"simulation.edge_removal_mode", "*"},
    {"simulation.edge_removal_seed", "*"},
    {"simulation.ablation_seed", "*"},
    {"simulation.baseline_value", "*"},
    {"simulation.skip_short_videos", "*"},
    {"simulation.blank_freq", "*"},
    {"simulation.tile_*", "*"},
    {"simulation.calcium_*", "*"},
    {"simulation.adex_*", "*"},
    {"simulation.hh_*", "*"},
    {"simulation.params", "*"},
    {"simulation.connectivity_*", "*"},
    {"simulation.adjacency_matrix", "*"},
    {"simulation.Dale_law_factor", "*"},
    {"simulation.external_input_*", "*"},
    {"simulation.oscillation_*", "*"},
    {"simulation.triggered_*", "*"},
    {"simulation.short_term_plasticity_mode", "*"},
    {"simulation.phi", "*"},
    {"simulation.tau", "*"},
    {"simulation.sigma", "*"},
    {"simulation.boundary", "*"},
    {"simulation.min_radius", "*"},
    {"simulation.max_radius", "*"},
    {"simulation.dimension", "*"},
    {"simulation.pos_init", "*"},
    /* graph_model */
    {"graph_model.prediction", "first_derivative"},
    {"graph_model.integration", "Euler"},
    {"graph_model.aggr_type", "add"},
    {"graph_model.update_type", "generic|none"},
    {"graph_model.output_size", "1"},
    {"graph_model.output_size_update", "1"},
    {"graph_model.field_type", "|none"},
    {"graph_model.*_nnr_f", "*"},
    {"graph_model.omega_f", "*"},
    {"graph_model.omega_f_learning", "*"},
    {"graph_model.nnr_f_*", "*"},
    {"graph_model.inr_type", "*"},
    {"graph_model.lowrank_*", "*"},
    {"graph_model.ngp_*", "*"},
    {"graph_model.latent_*", "*"},
    {"graph_model.*_encoder", "*"},
    {"graph_model.*_decoder", "*"},
    {"graph_model.*_modulation", "*"},
    {"graph_model.*_excitation", "*"},
    {"graph_model.kernel_type", "*"},
    {"graph_model.g_phi_mode", "*"},
    /* training: built in the reference, not here */
    {"training.device", "auto|cpu"},
    {"training.sparsity", "none"},
    {"training.fix_cluster_embedding", "false"},
    {"training.recurrent_training", "false"},
    {"training.multi_start_recurrent", "false"},
    {"training.consecutive_batch", "false"},
    {"training.noise_recurrent_level", "0"},
    {"training.neural_ODE_training", "false"},
    {"training.n_training_frames", "0"},
    {"training.training_selected_neurons", "false"},
    {"training.pretrained_model", "|none"},
    {"training.pre_trained_W", "|none"},
    {"training.save_all_checkpoints", "false"},
    {"training.test_dataset", "|none"},
    {"training.umap_cluster_method", "none"},
    {"training.w_optimizer_type", "adam"},
    {"training.lr_scheduler", "none"},
    {"training.coeff_omega_f_L2", "0"},
    {"training.coeff_W_L1_proximal", "0"},
    {"training.coeff_update_u_diff", "0"},
    {"training.coeff_entropy_loss", "0"},
    {"training.coeff_TV_norm", "0"},
    {"training.low_rank_factorization", "false"},
    {"training.denoiser", "false"},
    {"training.n_ghosts", "0"},
    /* training: read only together with the above, or ignored for FlyVis */
    {"training.n_runs", "*"},
    {"training.batch_ratio", "*"},
    {"training.small_init_batch_size", "*"},
    {"training.sparsity_freq", "*"},
    {"training.cluster_*", "*"},
    {"training.umap_cluster_*", "*"},
    {"training.recurrent_training_start_epoch", "*"},
    {"training.ode_*", "*"},
    {"training.inr_batch_size", "*"},
    {"training.warm_up_length", "*"},
    {"training.sequence_length", "*"},
    {"training.selected_neuron_ids", "*"},
    {"training.lr_scheduler_*", "*"},
    {"training.learning_rate_NNR", "*"},
    {"training.learning_rate_NNR_f", "*"},
    {"training.learning_rate_omega_f", "*"},
    {"training.training_NNR_start_epoch", "*"},
    {"training.low_rank", "*"},
    {"training.denoiser_*", "*"},
    {"training.ghost_*", "*"},
    {"training.clamp", "*"},
    {"training.pred_limit", "*"},
    {"training.Ising_filter", "*"},
    {"training.epoch_reset*", "*"},
    {"training.coeff_permutation", "*"},
    {"training.coeff_L1", "*"},
    {"training.coeff_diff", "*"},
    {"training.MPM_trainer", "*"},
};
const int cn_trainer_fly_n_inert =
    (int)(sizeof cn_trainer_fly_inert / sizeof cn_trainer_fly_inert[0]);
