/* Reading a fly config: both spellings, every kind of refusal, overrides that keep comments. */
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/file.h"
#include "base/text.h"
#include "trainer/run/config.h"

static struct cn_trainer_config cfg;
static struct cn_err err;

static cn_status read_with(const char *text, const struct cn_trainer_override *o, int n)
{
    err = (struct cn_err)CN_ERR_INIT;
    return cn_trainer_config_parse("test.yaml", text, strlen(text), o, n, &cfg, &err);
}

static void accept(const char *text)
{
    cr_assert_eq(read_with(text, NULL, 0), CN_OK, "%s", err.text);
}

/* The message must hold each of the '|'-separated words. */
static void refuse(const char *text, const char *words)
{
    char one[128];

    cr_assert_eq(read_with(text, NULL, 0), CN_EINPUT, "accepted:\n%s", text);
    for (; words; words = strchr(words, '|') ? strchr(words, '|') + 1 : NULL) {
        cn_text_format(one, sizeof one, "%.*s", (int)strcspn(words, "|"), words);
        cr_assert_not_null(strstr(err.text, one), "\"%s\" is not in: %s", one, err.text);
    }
}

Test(run_config, the_shipped_configs_are_read)
{
    static const char *const names[] = {"demo", "gold_standard", "v2_noise_005", "v2_noise_05",
                                        "two_stage"};
    const char *cases = getenv("CAIRN_TEST_CASES");
    char path[1024];

    for (int k = 0; k < 5; k++) {
        cn_text_format(path, sizeof path, "%s/../../configs/fly/%s.yaml",
                       cases ? cases : "tests/cases", names[k]);
        err = (struct cn_err)CN_ERR_INIT;
        cr_assert_eq(cn_trainer_config_read(path, NULL, 0, &cfg, &err), CN_OK, "%s", err.text);
        cn_trainer_config_clear(&cfg);
    }
}

/* The February YAML of the reference, as it is written there. */
static const char gs_old[] = "dataset: flyvis_62_1_gs\n"
                             "description: best robust config\n"
                             "simulation:\n"
                             "  connectivity_file: \"to be specified\"\n"
                             "  adjacency_matrix: \"\"\n"
                             "  params: [[1.0, 1.0, 1.0, 1.0]]\n"
                             "  n_neurons: 13741\n"
                             "  n_input_neurons: 1736\n"
                             "  n_neuron_types: 65\n"
                             "  connectome: somewhere\n"
                             "  n_edges: 434112\n"
                             "  n_frames: 64000\n"
                             "  delta_t: 0.02\n"
                             "  baseline_value: 0.0\n"
                             "  noise_model_level: 0.05\n"
                             "  seed: 42\n"
                             "graph_model:\n"
                             "  signal_model_name: PDE_N9_A\n"
                             "  prediction: first_derivative\n"
                             "  aggr_type: add\n"
                             "  embedding_dim: 2\n"
                             "  update_type: generic\n"
                             "  lin_edge_positive: true\n"
                             "  input_size: 3\n"
                             "  n_layers: 3\n"
                             "  hidden_dim: 80\n"
                             "  output_size: 1\n"
                             "  input_size_update: 5\n"
                             "  n_layers_update: 3\n"
                             "  hidden_dim_update: 80\n"
                             "plotting:\n"
                             "  colormap: tab20\n"
                             "  arrow_length: 1\n"
                             "  xlim: [-2.5, 2.5]\n"
                             "training:\n"
                             "  n_epochs: 1\n"
                             "  n_runs: 1\n"
                             "  device: auto\n"
                             "  recurrent_training: False\n"
                             "  batch_size: 2\n"
                             "  batch_ratio: 1\n"
                             "  small_init_batch_size: False\n"
                             "  sparsity: none\n"
                             "  data_augmentation_loop: 20\n"
                             "  learning_rate_W_start: 6.0E-4\n"
                             "  learning_rate_start: 1.2E-3\n"
                             "  learning_rate_embedding_start: 1.55E-3\n"
                             "  coeff_edge_diff: 750\n"
                             "  coeff_update_u_diff: 0\n"
                             "  coeff_update_msg_diff: 0\n"
                             "  coeff_edge_norm: 0.9\n"
                             "  coeff_edge_weight_L1: 0.28\n"
                             "  coeff_phi_weight_L1: 0.5\n"
                             "  coeff_phi_weight_L1_rate: 0.4\n"
                             "  coeff_edge_weight_L2: 0\n"
                             "  coeff_phi_weight_L2: 0.001\n"
                             "  coeff_W_L1: 7.5E-5\n"
                             "  coeff_W_L1_rate: 0.5\n"
                             "  coeff_W_L2: 1.5E-6\n"
                             "  w_init_mode: randn_scaled\n"
                             "  seed: 42\n"
                             "claude:\n"
                             "  n_epochs: 1\n"
                             "  data_augmentation_loop: 25\n"
                             "  node_name: h100\n";

Test(run_config, old_spelling_is_read_and_selects_generation_v1)
{
    accept(gs_old);
    cr_assert_eq(cfg.fly.train.lr_W, 6.0e-4);
    cr_assert_eq(cfg.fly.train.lr, 1.2e-3);
    cr_assert_eq(cfg.fly.train.lr_embedding, 1.55e-3);
    cr_assert_eq(cfg.fly.train.coeff_g_phi_diff, 750);
    cr_assert_eq(cfg.fly.train.coeff_g_phi_norm, 0.9);
    cr_assert_eq(cfg.fly.train.coeff_g_phi_weight_L1, 0.28);
    cr_assert_eq(cfg.fly.train.coeff_f_theta_weight_L1, 0.5);
    cr_assert_eq(cfg.fly.train.coeff_f_theta_weight_L2, 0.001);
    cr_assert_eq(cfg.fly.train.generation, CN_FLY_V1);
    cr_assert_eq(cfg.fly.train.rate_f_theta_weight_L1, 0.4);
    cr_assert_eq(cfg.fly.train.rate_g_phi_weight_L1, 0.5); /* its default */
    cr_assert_eq(cfg.fly.model.kind, CN_FLY_A);
    cr_assert(cfg.fly.model.g_phi_positive);
    cr_assert_eq(cfg.fly.sim.n_types, 65);
    cr_assert_eq(cfg.n_edges, 434112);
    cr_assert_str_eq(cfg.dataset, "flyvis_62_1_gs");
    cn_trainer_config_clear(&cfg);
}

Test(run_config, spelling_and_comments_do_not_change_the_hash)
{
    char a[CN_HASH_TEXT], b[CN_HASH_TEXT];

    accept("study: fly\ntraining:\n  learning_rate_W_start: 1e-3\n  threads: 2\n");
    cr_assert_eq(cn_trainer_config_hash(&cfg, a, &err), CN_OK);
    cn_trainer_config_clear(&cfg);
    accept("study: fly\n# words\ntraining: {lr_W: 0.001}\n");
    cr_assert_eq(cn_trainer_config_hash(&cfg, b, &err), CN_OK);
    cr_assert_str_eq(a, b);
    cn_trainer_config_clear(&cfg);
    accept("study: fly\ntraining: {lr_W: 0.002}\n");
    cr_assert_eq(cn_trainer_config_hash(&cfg, b, &err), CN_OK);
    cr_assert_str_neq(a, b);
    cn_trainer_config_clear(&cfg);
}

Test(run_config, an_unknown_key_names_the_nearest_known_one)
{
    refuse("study: fly\ntraining:\n  lr_w: 1e-3\n",
           "test.yaml:3: |training.lr_w|did you mean training.lr_W?");
    refuse("study: fly\ntraining:\n  learning_rate_W: 1e-3\n",
           "unknown key|training.learning_rate_W");
    refuse("study: fly\ntrainning:\n  lr_W: 1e-3\n", "test.yaml:3|did you mean training.lr_W?");
    refuse("study: fly\nsimulation: {zzzzqqqq: 1}\n", "unknown key|cairn-train describe fly");
}

Test(run_config, both_spellings_at_once_are_refused)
{
    refuse("study: fly\ntraining:\n  lr: 1e-3\n  learning_rate_start: 1e-3\n",
           "test.yaml:4|learning_rate_start|training.lr|line 3");
    refuse("study: fly\nexplore: {a: 1}\nclaude: {a: 1}\n", "claude|explore|line 2");
}

Test(run_config, values_are_checked_for_type_and_range)
{
    refuse("study: fly\ntraining:\n  lr_W: fast\n", "test.yaml:3|training.lr_W|\"fast\"|0..1");
    refuse("study: fly\ntraining:\n  lr_W: -1\n", "training.lr_W|\"-1\"|0..1");
    refuse("study: fly\ntraining:\n  lr_W: .nan\n", "training.lr_W");
    refuse("study: fly\ntraining:\n  batch_size: 2.5\n", "batch_size|a whole number in 1..64");
    refuse("study: fly\ntraining:\n  batch_size: [2]\n", "batch_size|a whole number");
    refuse("study: fly\ntraining:\n  alternate_training: 1\n",
           "alternate_training|true or false");
    refuse("study: fly\ntraining:\n  w_init_mode: ones\n",
           "\"ones\"|randn, randn_scaled, zeros");
    refuse("study: fly\nsimulation:\n  visual_input_type: DAVIS\n",
           "\"DAVIS\"|scenes, flash, blank");
    refuse("study: fly\nsimulation:\n  derivative_smoothing_window: 4\n", "odd");
    refuse("study: fly\nsimulation:\n  n_neuron_types: 65\n", "12..16");
}

Test(run_config, sizes_that_follow_the_embedding_are_checked)
{
    accept(
        "study: fly\ngraph_model: {embedding_dim: 4, input_size: 5, input_size_update: 7}\n");
    cn_trainer_config_clear(&cfg);
    refuse("study: fly\ngraph_model: {embedding_dim: 4, input_size: 3}\n",
           "graph_model.input_size|3, expected 5");
    refuse("study: fly\ngraph_model: {input_size_update: 7}\n",
           "input_size_update|7, expected 5");
}

Test(run_config, options_of_the_reference_that_are_not_built_are_refused_unless_off)
{
    accept(
        "study: fly\ntraining: {recurrent_training: false, lr_scheduler: none, device: cpu}\n"
        "simulation: {datavis_roots: [], calcium_type: none, start_frame: 0}\n");
    cn_trainer_config_clear(&cfg);
    refuse("study: fly\ntraining:\n  recurrent_training: true\n",
           "test.yaml:3|recurrent_training|\"true\"|not supported");
    refuse("study: fly\ntraining: {lr_scheduler: cosine_warm_restarts}\n", "not supported");
    refuse("study: fly\ntraining: {device: \"cuda:0\"}\n", "device|not supported");
    refuse("study: fly\nsimulation: {n_extra_null_edges: 10}\n", "not supported");
    refuse("study: fly\ngraph_model: {field_type: visual}\n", "field_type|not supported");
}

Test(run_config, generations_do_not_mix)
{
    refuse("study: fly\ntraining: {coeff_W_L1_rate: 0.5, regul_annealing_rate: 0.5}\n",
           "regul_annealing_rate|v1");
    refuse("study: fly\ntraining: {generation: v2, coeff_W_L1_rate: 0.5}\n",
           "coeff_W_L1_rate|v2");
    accept("study: fly\ntraining: {generation: v1}\n");
    cr_assert_eq(cfg.fly.train.generation, CN_FLY_V1);
    cn_trainer_config_clear(&cfg);
}

Test(run_config, the_study_is_needed_and_must_be_fly)
{
    refuse("", "empty");
    refuse("training: {lr_W: 1e-3}\n", "study: fly");
    refuse("study: latent\n", "study|latent|fly");
}

Test(run_config, model_names_choose_the_simulator)
{
    accept("study: fly\ngraph_model: {signal_model_name: flyvis_linear_tanh}\n");
    cr_assert_eq(cfg.fly.model.kind, CN_FLY_LINEAR);
    cr_assert_eq(cfg.fly.sim.variant, CN_SIM_TANH);
    cr_assert(cfg.fly.model.linear_tanh);
    cn_trainer_config_clear(&cfg);
    refuse("study: fly\ngraph_model: {signal_model_name: flyvis_B}\n", "flyvis_B|flyvis_A");
}

Test(run_config, overrides_change_the_value_and_nothing_else)
{
    const char *text =
        "study: fly # the study\ntraining:\n  lr_W: 6.0e-4   # of W\n  seed: 1\n";
    struct cn_trainer_override o[] = {{"training.learning_rate_W_start", "1e-3"},
                                      {"training.w_init_mode", "zeros"},
                                      {"simulation.seed", "7"}};

    cr_assert_eq(read_with(text, o, 3), CN_OK, "%s", err.text);
    cr_assert_eq(cfg.fly.train.lr_W, 1e-3);
    cr_assert_eq(cfg.fly.sim.seed, 7);
    cr_assert_eq(cfg.fly.train.w_init_mode, CN_WINIT_ZEROS);
    const char *now = cn_yaml_text(cfg.yaml, NULL);
    cr_assert_not_null(strstr(now, "  lr_W: 0.001   # of W\n"), "%s", now);
    cr_assert_not_null(strstr(now, "study: fly # the study\n"), "%s", now);
    cr_assert_null(strstr(now, "learning_rate_W_start"), "the file's own spelling stays: %s",
                   now);
    cn_trainer_config_clear(&cfg);
}

Test(run_config, bad_overrides_are_refused_by_name)
{
    struct cn_trainer_override unknown = {"training.lrW", "1"};
    struct cn_trainer_override harness = {"explore.ucb_c", "1"};
    struct cn_trainer_override range = {"training.lr_W", "2"};

    cr_assert_eq(read_with("study: fly\n", &unknown, 1), CN_EINPUT);
    cr_assert_not_null(strstr(err.text, "--training.lrW"), "%s", err.text);
    cr_assert_not_null(strstr(err.text, "training.lr_W?"), "%s", err.text);
    cr_assert_eq(read_with("study: fly\n", &harness, 1), CN_EINPUT);
    cr_assert_not_null(strstr(err.text, "search"), "%s", err.text);
    cr_assert_eq(read_with("study: fly\n", &range, 1), CN_EINPUT);
    cr_assert_not_null(strstr(err.text, "training.lr_W"), "%s", err.text);
}

Test(run_config, the_network_must_be_the_one_the_config_states)
{
    struct cn_fly_graph g = {.n = 100, .e = 500, .n_input = 80, .n_types = 14};

    accept("study: fly\nsimulation: {n_neurons: 100, n_edges: 500, n_neuron_types: 14}\n");
    cr_assert_eq(cn_trainer_config_check_graph(&cfg, &g, &err), CN_OK);
    g.e = 501;
    cr_assert_eq(cn_trainer_config_check_graph(&cfg, &g, &err), CN_EINPUT);
    cr_assert_not_null(strstr(err.text, "simulation.n_edges: 500, but the network has 501"),
                       "%s", err.text);
    cn_trainer_config_clear(&cfg);
}
