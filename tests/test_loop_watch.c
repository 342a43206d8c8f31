/* Trainings that are ended early: the median rule, standing still; and trainings that are not begun
 * because they could not end in time. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/file.h"
#include "base/text.h"
#include "harness/loop/forecast.h"
#include "harness/loop/mutation.h"
#include "harness/loop/watch.h"
#include "tests/support/toy.h"

static struct toy_run t;

static void setup(void)
{
    toy_init(&t);
}

static void teardown(void)
{
    toy_clear(&t);
}

TestSuite(loop_watch, .init = setup, .fini = teardown, .timeout = 100);

/* ------------------------------------------------------------------ the rule alone */

enum { POINTS = 8 };

/* A straight climb to `end`, `n` of POINTS reports old. */
static struct cn_curve climb(double *share, double *value, double end, int64_t n)
{
    for (int k = 0; k < POINTS; k++) {
        share[k] = (double)(k + 1) / POINTS;
        value[k] = end * share[k];
    }
    return (struct cn_curve){share, value, n};
}

struct field {
    double share[5][POINTS], value[5][POINTS], own_share[POINTS], own_value[POINTS];
    struct cn_curve peers[5];
    char why[256];
};

static bool lags(struct field *f, double end, int64_t reports, int64_t n_peers)
{
    struct cn_curve own = climb(f->own_share, f->own_value, end, reports);

    for (int i = 0; i < 5; i++)
        f->peers[i] = climb(f->share[i], f->value[i], 0.8 + 0.05 * i, POINTS);
    return cn_curve_lags(&own, f->peers, n_peers, false, f->why, sizeof f->why);
}

Test(loop_watch, behind_the_median_of_three_peers_it_is_ended)
{
    struct field f;

    cr_assert(lags(&f, 0.2, 4, 3));
    /* after 4 of 8 reports: best 0.2 * 4/8; the median peer climbs to .85, mean of 1/8..4/8. */
    cr_assert_str_eq(f.why,
                     "best 0.1 after 50 % of its steps, the median of 3 peers was 0.2656");
    cr_assert_not(lags(&f, 0.8, 4, 3), "as good as the others");
    cr_assert_not(lags(&f, 0.2, 4, 2), "two peers are too few");
    cr_assert_not(lags(&f, 0.2, 2, 5), "two reports are too few");
    cr_assert_not(lags(&f, 0.2, 8, 5), "it is at its end anyway");
}

Test(loop_watch, a_curve_without_numbers_is_left_alone)
{
    struct field f;
    struct cn_curve own = climb(f.own_share, f.own_value, 0.1, 4);

    for (int k = 0; k < 4; k++)
        own.value[k] = (double)NAN;
    (void)lags(&f, 0.1, 1, 0);
    for (int k = 0; k < 4; k++)
        own.value[k] = (double)NAN;
    own.n = 4;
    cr_assert_not(cn_curve_lags(&own, f.peers, 5, false, f.why, sizeof f.why));
}

Test(loop_watch, a_half_written_report_is_not_read)
{
    struct cn_curve c;
    struct cn_err err = CN_ERR_INIT;
    const char *text = "{\"step\": 1, \"values\": {\"loss\": 0.5}}\n"
                       "not json\n"
                       "{\"step\": 2, \"values\": {\"other\": 1}}\n"
                       "{\"step\": 3, \"values\": {\"loss\": 0.25}}\n"
                       "{\"step\": 4, \"values\": {\"loss\": 0.";

    (void)scratch_file(&t.s, "metrics.jsonl", text);
    cr_assert_eq(cn_curve_read(t.s.dir, "loss", true, 6, &c, &err), CN_OK, "%s", err.text);
    cr_assert_eq(c.n, 2);
    cr_assert_float_eq(c.share[1], 0.5, 1e-12);
    cr_assert_float_eq(c.value[1], -0.25, 1e-12);
    cr_assert_float_eq(cn_curve_best(&c, 0.2), -0.5, 1e-12);
    cr_assert_float_eq(cn_curve_mean(&c, 1), -0.375, 1e-12);
    cn_curve_clear(&c);
    cr_assert_eq(cn_curve_read("/nonexistent", "loss", true, 6, &c, &err), CN_OK);
    cr_assert_eq(c.n, 0);
    cn_curve_clear(&c);
}

/* ------------------------------------------------------------------ whole runs */

Test(loop_watch, laggards_are_pruned_and_the_first_of_a_kind_is_not)
{
    struct cn_history h;
    int64_t n_pruned = 0, n_ok = 0, n_diverged = 0; /* a random lr may be too large */

    toy_go(&t,
           "  iterations: 12\n  n_iter_block: 12\n  n_parallel: 2\n  confirm: 0\n"
           "  proposer: random\n  median_stop: true\n",
           "  mode: curve\n  sleep_ms: 1200\n");
    h = toy_history(&t);
    for (int64_t i = 0; i < h.n_iterations; i++) {
        const struct cn_iteration *it = &h.iterations[i];

        if (it->outcome != CN_OUTCOME_PRUNED) {
            n_ok += it->outcome == CN_OUTCOME_OK;
            n_diverged += it->outcome == CN_OUTCOME_DIVERGED;
            continue;
        }
        n_pruned++;
        cr_assert_geq(n_ok, CN_WATCH_PEERS, "pruned before there were peers");
        cr_assert(cn_watch_may_prune(&h, it));
        cr_assert(strstr(it->message, "the median of"), "%s", it->message);
        cr_assert(isnan(it->reward));
        cr_assert_lt(it->seconds, 1.2);
    }
    cr_assert_eq(n_pruned + n_ok + n_diverged, 12);
    cr_assert_gt(n_pruned, 0, "nothing was pruned: %s", t.told);
    cr_assert_not(cn_watch_may_prune(&h, &h.iterations[0]));
    cn_history_clear(&h);
}

Test(loop_watch, a_training_that_stands_still_is_ended)
{
    struct cn_history h;

    toy_go(&t,
           "  iterations: 1\n  n_iter_block: 2\n  confirm: 0\n  stall_min: 0.01\n"
           "  grace_s: 1\n",
           "  mode: stubborn\n");
    h = toy_history(&t);
    cr_assert_eq(h.iterations[0].outcome, CN_OUTCOME_TIMEOUT);
    cr_assert_str_eq(h.iterations[0].message, "no progress for 0.01 min");
    cr_assert_eq(h.iterations[0].infra_retries, 0);
    cn_history_clear(&h);
}

/* ------------------------------------------------------------------ forecasts */

enum { SEEN = 5 };
static const char config[] = "training:\n  lr: 1.0e-3\n  coeff_l1: 1.0e-4\n  gain: 0.5\n"
                             "  batch_size: %d\nsimulation:\n  n_frames: %d\n";

struct past {
    struct cn_history h;
    struct cn_node nodes[SEEN];
    struct cn_iteration its[SEEN];
    char texts[SEEN][256];
    struct cn_trainer *trainer;
    struct cn_protocol *protocol;
    struct cn_search search;
    struct cn_settings settings;
    struct cn_planner pl;
};

/* Trainings whose time is 60 s / batch_size. */
static void make_past(struct past *p)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_buf b;
    const int batch[SEEN] = {1, 2, 4, 8, 1};
    char path[4200];

    memset(p, 0, sizeof *p);
    cn_buf_init(&b, 1 << 20);
    cn_text_format(path, sizeof path, "%s/../e2e/toy_describe.json",
                   getenv("CAIRN_TEST_CASES"));
    cr_assert_eq(cn_file_read(path, 1 << 20, &b, &err), CN_OK, "%s", err.text);
    cr_assert_eq(cn_trainer_parse("toy", cn_buf_str(&b), b.len, &p->trainer, &err), CN_OK, "%s",
                 err.text);
    cn_buf_clear(&b);
    cr_assert_eq(cn_protocol_read(toy_protocol(), &p->protocol, &err), CN_OK, "%s", err.text);
    cr_assert_eq(cn_search_init(&p->search, p->protocol, p->trainer, &err), CN_OK, "%s",
                 err.text);
    cn_settings_init(&p->settings);
    for (int i = 0; i < SEEN; i++) {
        (void)snprintf(p->texts[i], sizeof p->texts[i], config, batch[i], 1000);
        p->nodes[i] = (struct cn_node){.id = i + 1, .block = 1, .config = p->texts[i]};
        p->its[i] = (struct cn_iteration){.id = i + 1,
                                          .node = i + 1,
                                          .block = 1,
                                          .state = CN_ITER_COMMITTED,
                                          .outcome = CN_OUTCOME_OK,
                                          .seconds = 60.0 / batch[i] * (1 + 0.01 * i)};
    }
    p->h.nodes = p->nodes;
    p->h.iterations = p->its;
    p->h.n_nodes = p->h.n_iterations = SEEN;
    p->pl = (struct cn_planner){.settings = &p->settings,
                                .protocol = p->protocol,
                                .trainer = p->trainer,
                                .search = &p->search,
                                .base_config = p->texts[0]};
}

static void drop_past(struct past *p)
{
    cn_search_clear(&p->search);
    cn_protocol_free(p->protocol);
    cn_trainer_free(p->trainer);
}

static cn_status vet(struct past *p, const char *path, const char *value, struct cn_err *err)
{
    struct cn_forecast *f = NULL;
    struct cn_change c = {path, value};
    struct cn_mutated m;
    cn_status st;

    cr_assert_eq(cn_forecast_new(&p->pl, &p->h, &f, err), CN_OK, "%s", err->text);
    struct cn_vet v = {.trainer = p->trainer, .search = &p->search, .forecast = f};
    st = cn_mutation_vet(&v, p->texts[3], &c, 1, &m, err);
    if (st == CN_OK)
        cn_mutated_clear(&m);
    cn_forecast_free(f);
    return st;
}

Test(loop_watch, what_cannot_end_in_time_is_refused_before_launch)
{
    struct cn_err err = CN_ERR_INIT;
    struct past p;

    make_past(&p);
    p.settings.deadline_min = 0.4; /* 24 s */
    cr_assert_eq(vet(&p, "training.batch_size", "1", &err), CN_EINPUT);
    cr_assert(strstr(err.text, "would take about") && strstr(err.text, "the limit is 0.4 min"),
              "%s", err.text);
    cr_assert_eq(vet(&p, "training.batch_size", "4", &err), CN_OK, "%s", err.text);
    drop_past(&p);
}

Test(loop_watch, a_parameter_that_nobody_changed_is_never_refused_for_its_time)
{
    struct cn_err err = CN_ERR_INIT;
    struct past p;

    make_past(&p);
    p.settings.deadline_min = 0.4;
    cr_assert_eq(vet(&p, "training.gain", "2", &err), CN_OK, "%s", err.text);
    drop_past(&p);
}

Test(loop_watch, without_a_limit_there_is_no_forecast)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_forecast *f = NULL;
    struct past p;

    make_past(&p);
    cr_assert_eq(cn_forecast_new(&p.pl, &p.h, &f, &err), CN_OK);
    cr_assert_null(f);
    p.settings.training_time_target_min = 0.2; /* the limit is twice that */
    cr_assert_eq(vet(&p, "training.batch_size", "1", &err), CN_EINPUT);
    (void)snprintf(p.settings.refuse_hopeless, sizeof p.settings.refuse_hopeless, "false");
    cr_assert_eq(vet(&p, "training.batch_size", "1", &err), CN_OK);
    drop_past(&p);
}
