/* The training loop: cadence, determinism, resuming bit for bit, and an evaluator that knows
 * the truth. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "tests/support/fly_small.h"
#include "trainer/fly/checkpoint.h"

static struct fly_small s;
static struct cn_err err;
static char path[128], other[128];

static void open_with(int threads)
{
    err = (struct cn_err)CN_ERR_INIT;
    fly_small_open(&s, threads);
    cn_text_format(path, sizeof path, "%s/a.safetensors", s.dir);
    cn_text_format(other, sizeof other, "%s/b.safetensors", s.dir);
}

static struct cn_fly_trainer *trainer(void)
{
    struct cn_fly_trainer *t = NULL;

    cr_assert_eq(cn_fly_trainer_new(&s.cfg, &s.data, s.pool, &t, &err), CN_OK, "%s", err.text);
    return t;
}

static void save_model(struct cn_fly_trainer *t, const char *to)
{
    cr_assert_eq(cn_fly_checkpoint_save(t, CN_FLY_FILE_MODEL, to, "h", &err), CN_OK, "%s",
                 err.text);
}

static void assert_same_file(const char *a, const char *b)
{
    struct cn_buf x, y;

    cn_buf_init(&x, CN_CAP_FILE);
    cn_buf_init(&y, CN_CAP_FILE);
    cr_assert_eq(cn_file_read(a, CN_CAP_FILE, &x, &err), CN_OK);
    cr_assert_eq(cn_file_read(b, CN_CAP_FILE, &y, &err), CN_OK);
    cr_assert(x.len == y.len && memcmp(x.data, y.data, x.len) == 0, "%s and %s differ", a, b);
    cn_buf_clear(&x);
    cn_buf_clear(&y);
}

Test(fly_train, thirteen_r2_rows_stand_where_the_reference_puts_them)
{
    static const int64_t at[] = {2560,  5120,  7680,  10240, 12800,  25600, 38400,
                                 51200, 64000, 76800, 89600, 102400, 115200};
    int n = 0;

    for (int64_t it = 0; it < 128000; it++)
        if (cn_fly_r2_due(it, 128000)) {
            cr_assert_lt(n, 13);
            cr_assert_eq(it, at[n], "row %d at %lld", n, (long long)it);
            n++;
        }
    cr_assert_eq(n, 13);
    for (int64_t niter = 1; niter < 60; niter++) { /* the reference divides by zero below 50 */
        n = 0;
        for (int64_t it = 0; it < niter; it++)
            n += cn_fly_r2_due(it, niter);
        cr_assert_leq(n, 31, "%lld iterations give %d rows", (long long)niter, n);
    }
}

Test(fly_train, a_resumed_training_is_bit_identical)
{
    fly_small_config(&s.cfg);
    s.cfg.train.loss_noise_level = 0.1; /* random numbers of every kind are in use */
    s.cfg.train.alternate_training = true;
    s.cfg.train.alternate_joint_ratio = 0.4;
    s.cfg.train.alternate_lr_ratio = 0.1;
    open_with(1);
    struct cn_fly_trainer *a = trainer();

    fly_small_train(a, 1000);
    cr_assert(cn_fly_trainer_done(a));
    save_model(a, path);
    cn_fly_trainer_free(a);
    /* breaks inside both epochs, at an epoch's end, and right after the start */
    static const int64_t breaks[] = {1, 37, 60, 61, 100, 119};
    for (size_t k = 0; k < sizeof breaks / sizeof breaks[0]; k++) {
        struct cn_fly_trainer *b = trainer(), *c = trainer();

        fly_small_train(b, breaks[k]);
        cr_assert_eq(cn_fly_checkpoint_save(b, CN_FLY_FILE_CHECKPOINT, other, "h", &err),
                     CN_OK);
        cn_fly_trainer_free(b);
        cr_assert_eq(cn_fly_checkpoint_load(c, CN_FLY_FILE_CHECKPOINT, other, "h", &err), CN_OK,
                     "%s", err.text);
        fly_small_train(c, 1000);
        save_model(c, other);
        assert_same_file(path, other);
        cn_fly_trainer_free(c);
    }
    fly_small_close(&s);
}

Test(fly_train, the_number_of_threads_changes_nothing)
{
    char first[128];
    struct fly_small one;

    fly_small_config(&s.cfg);
    open_with(1);
    one = s;
    struct cn_fly_trainer *t = trainer();
    fly_small_train(t, 1000);
    save_model(t, path);
    cn_text_copy(first, sizeof first, path);
    cn_fly_trainer_free(t);

    memset(&s, 0, sizeof s);
    fly_small_config(&s.cfg);
    open_with(3);
    t = trainer();
    fly_small_train(t, 1000);
    save_model(t, path);
    assert_same_file(first, path);
    cn_fly_trainer_free(t);
    fly_small_close(&s);
    fly_small_close(&one);
}

Test(fly_train, another_seed_gives_another_model)
{
    fly_small_config(&s.cfg);
    open_with(1);
    struct cn_fly_trainer *a = trainer();
    s.cfg.train.seed++;
    struct cn_fly_trainer *b = trainer();
    fly_small_train(a, 20);
    fly_small_train(b, 20);
    cr_assert_neq(cn_fly_trainer_final_loss(a), cn_fly_trainer_final_loss(b));
    cn_fly_trainer_free(a);
    cn_fly_trainer_free(b);
    fly_small_close(&s);
}

Test(fly_train, an_iteration_allocates_nothing)
{
    fly_small_config(&s.cfg);
    open_with(1);
    struct cn_fly_trainer *t = trainer();
    fly_small_train(t, 1);
    int64_t before = cn_alloc_count();
    fly_small_train(t, 1000); /* reports and R2 rows included */
    cr_assert_eq(cn_alloc_count(), before);
    cn_fly_trainer_free(t);
    fly_small_close(&s);
}

Test(fly_train, a_cap_ends_the_training_with_a_report)
{
    fly_small_config(&s.cfg);
    s.cfg.train.max_iterations = 17;
    open_with(1);
    struct cn_fly_trainer *t = trainer();
    const struct cn_fly_table *h = &cn_fly_trainer_history(t)->report;
    fly_small_train(t, 1000);
    cr_assert_eq(cn_fly_table_row(h, h->rows - 1)[CN_FLY_H_STEP], 17);
    cn_fly_trainer_free(t);
    fly_small_close(&s);
}

Test(fly_train, a_loss_that_is_not_finite_is_told_apart)
{
    unsigned events;
    cn_status st = CN_OK;

    fly_small_config(&s.cfg);
    s.cfg.train.lr = 1;
    s.cfg.train.lr_W = 1;
    s.cfg.train.lr_embedding = 1;
    s.cfg.train.coeff_g_phi_diff = 1e6;
    open_with(1);
    struct cn_fly_trainer *t = trainer();
    float *bad;
    int64_t n;

    bad = cn_alloc((size_t)s.data.graph.e, sizeof *bad);
    for (n = 0; n < s.data.graph.e; n++)
        bad[n] = INFINITY;
    cr_assert_eq(cn_fly_model_set(cn_fly_trainer_model(t), "W", bad, &err), CN_OK);
    for (int k = 0; k < 5 && st == CN_OK; k++)
        st = cn_fly_trainer_advance(t, &events, &err);
    cr_assert_eq(st, CN_EDIVERGED);
    cr_assert_not_null(strstr(err.text, "iteration"), "%s", err.text);
    cn_free(bad);
    cn_fly_trainer_free(t);
    fly_small_close(&s);
}

Test(fly_train, too_few_frames_are_refused)
{
    fly_small_config(&s.cfg);
    open_with(1);
    struct cn_fly_trainer *t = NULL;
    s.cfg.train.time_window = 299;
    cr_assert_eq(cn_fly_trainer_new(&s.cfg, &s.data, s.pool, &t, &err), CN_EINPUT);
    cr_assert_null(t);
    fly_small_close(&s);
}

/* ---- the evaluator against a model that is the truth ---- */

static struct cn_fly_trainer *true_linear(double w_scale)
{
    const struct cn_fly_graph *g = &s.data.graph;
    struct cn_fly_trainer *t = trainer();
    struct cn_fly_model *m = cn_fly_trainer_model(t);
    float *x = cn_alloc((size_t)(g->e > g->n ? g->e : g->n), sizeof *x);

    for (int64_t k = 0; k < g->e; k++)
        x[k] = (float)w_scale * g->W[k];
    cr_assert_eq(cn_fly_model_set(m, "W", x, &err), CN_OK, "%s", err.text);
    for (int64_t i = 0; i < g->n; i++)
        x[i] = (float)log(expm1((double)g->tau[i]));
    cr_assert_eq(cn_fly_model_set(m, "raw_tau", x, &err), CN_OK, "%s", err.text);
    cr_assert_eq(cn_fly_model_set(m, "V_rest", g->V_rest, &err), CN_OK, "%s", err.text);
    cn_free(x);
    return t;
}

static void measure(struct cn_fly_trainer *t, double out[CN_FLY_N_METRICS])
{
    struct cn_fly_test test;

    cn_fly_evaluator_recover(cn_fly_trainer_evaluator(t));
    cr_assert_eq(cn_fly_evaluator_test(cn_fly_trainer_evaluator(t), cn_fly_trainer_target(t),
                                       &test, &err),
                 CN_OK, "%s", err.text);
    cn_fly_metrics_fill(cn_fly_evaluator_recovered(cn_fly_trainer_evaluator(t)), &test, out);
    cn_fly_test_clear(&test);
}

Test(fly_train, the_true_equation_scores_one_everywhere)
{
    double m[CN_FLY_N_METRICS];

    fly_small_config(&s.cfg);
    s.cfg.model.kind = CN_FLY_LINEAR;
    s.cfg.train.coeff_g_phi_diff = s.cfg.train.coeff_g_phi_norm = 0;
    open_with(1);
    struct cn_fly_trainer *t = true_linear(1);
    measure(t, m);
    cr_assert_float_eq(m[CN_FLY_METRIC_connectivity_R2], 1, 1e-9);
    cr_assert_float_eq(m[CN_FLY_METRIC_connectivity_R2_identity], 1, 1e-9);
    cr_assert_float_eq(m[CN_FLY_METRIC_tau_R2], 1, 1e-6);
    cr_assert_float_eq(m[CN_FLY_METRIC_V_rest_R2], 1, 1e-9);
    cr_assert_float_eq(m[CN_FLY_METRIC_onestep_pearson], 1, 1e-5);
    cr_assert_float_eq(m[CN_FLY_METRIC_test_pearson], 1, 1e-4);
    cr_assert_gt(m[CN_FLY_METRIC_test_R2], 0.999);
    cr_assert_eq(m[CN_FLY_METRIC_rollout_clamped], 0);
    cn_fly_trainer_free(t);
    fly_small_close(&s);
}

Test(fly_train,
     flipped_weights_score_one_on_the_squared_correlation_and_are_caught_by_the_other)
{
    double m[CN_FLY_N_METRICS];

    fly_small_config(&s.cfg);
    s.cfg.model.kind = CN_FLY_LINEAR;
    s.cfg.train.coeff_g_phi_diff = s.cfg.train.coeff_g_phi_norm = 0;
    open_with(1);
    struct cn_fly_trainer *t = true_linear(-1);
    measure(t, m);
    cr_assert_float_eq(m[CN_FLY_METRIC_connectivity_R2], 1, 1e-9);
    cr_assert_float_eq(m[CN_FLY_METRIC_connectivity_slope], -1, 1e-6);
    cr_assert_lt(m[CN_FLY_METRIC_connectivity_R2_identity], -1);
    cr_assert_lt(m[CN_FLY_METRIC_onestep_R2], 0.999);
    cn_fly_trainer_free(t);
    fly_small_close(&s);
}

Test(fly_train, training_recovers_more_than_chance)
{
    double m[CN_FLY_N_METRICS];

    fly_small_config(&s.cfg);
    s.cfg.sim.noise_model_level = 0.5;
    s.cfg.model.hidden_dim = s.cfg.model.hidden_dim_update = 16;
    s.cfg.train.data_augmentation_loop = 70; /* 2 x 2100 iterations */
    open_with(2);
    struct cn_fly_trainer *t = trainer();
    fly_small_train(t, 100000);
    measure(t, m);
    cr_assert_gt(m[CN_FLY_METRIC_connectivity_R2], 0.5, "connectivity R2 %g",
                 m[CN_FLY_METRIC_connectivity_R2]);
    cr_assert_gt(m[CN_FLY_METRIC_tau_R2], 0.5, "tau R2 %g", m[CN_FLY_METRIC_tau_R2]);
    cn_fly_trainer_free(t);
    fly_small_close(&s);
}

/* Whatever allocation fails, the caller hears CN_ENOMEM and nothing is left behind. */
Test(fly_train, every_failed_allocation_is_reported_and_leaks_nothing)
{
    struct cn_fly_trainer *t = NULL;
    cn_status st = CN_ENOMEM;
    int64_t before, nth;

    fly_small_config(&s.cfg);
    open_with(1);
    before = cn_alloc_live();
    for (nth = 1; nth < 1000 && st != CN_OK; nth++) {
        err = (struct cn_err)CN_ERR_INIT;
        cn_alloc_fail_nth(nth);
        st = cn_fly_trainer_new(&s.cfg, &s.data, s.pool, &t, &err);
        cn_alloc_fail_nth(0);
        if (st == CN_OK)
            break;
        cr_assert_eq(st, CN_ENOMEM, "allocation %lld: %s", (long long)nth, err.text);
        cr_assert_null(t);
        cr_assert_eq(cn_alloc_live(), before, "allocation %lld leaks", (long long)nth);
    }
    cr_assert_eq(st, CN_OK);
    cr_assert_gt(nth, 20);
    cn_fly_trainer_free(t);
    fly_small_close(&s);
}
