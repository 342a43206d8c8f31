/* Writing the files of a run folder. */
#include "trainer/run/folder.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

#ifndef CAIRN_VERSION
#define CAIRN_VERSION "unknown"
#endif

/* ---- 1. the folder ---- */

cn_status cn_trainer_folder_open(struct cn_trainer_folder *f, const char *dir,
                                 struct cn_err *err)
{
    struct {
        char **to;
        const char *name;
    } files[] = {{&f->config, "config.yaml"},
                 {&f->metrics, "metrics.jsonl"},
                 {&f->metrics_log, "tmp_training/metrics.log"},
                 {&f->progress, "progress.json"},
                 {&f->result, "result.json"},
                 {&f->model, "model.safetensors"},
                 {&f->checkpoint, "checkpoint.safetensors"}};
    char *sub;
    cn_status st;

    memset(f, 0, sizeof *f);
    f->started_us = cn_clock_mono_us();
    f->dir = cn_strdup(dir);
    sub = cn_file_join(dir, "tmp_training");
    for (size_t k = 0; k < sizeof files / sizeof files[0]; k++) {
        *files[k].to = cn_file_join(dir, files[k].name);
        if (!*files[k].to || !f->dir || !sub) {
            cn_free(sub);
            cn_trainer_folder_close(f);
            return cn_err_set(err, CN_ENOMEM, "no memory for the folder %s", dir);
        }
    }
    st = cn_file_mkdirs(sub, err);
    cn_free(sub);
    if (st != CN_OK)
        cn_trainer_folder_close(f);
    return st;
}

void cn_trainer_folder_close(struct cn_trainer_folder *f)
{
    cn_free(f->dir);
    cn_free(f->config);
    cn_free(f->metrics);
    cn_free(f->metrics_log);
    cn_free(f->progress);
    cn_free(f->result);
    cn_free(f->model);
    cn_free(f->checkpoint);
    memset(f, 0, sizeof *f);
}

double cn_trainer_folder_seconds(const struct cn_trainer_folder *f)
{
    return (double)(cn_clock_mono_us() - f->started_us) * 1e-6;
}

/* Rounded to milliseconds: nobody reads the rest. */
static double milliseconds(double seconds)
{
    return round(seconds * 1e3) / 1e3;
}

/* ---- 2. progress.json ---- */

void cn_trainer_folder_progress(struct cn_trainer_folder *f, const char *phase, int64_t step,
                                int64_t steps, bool now)
{
    int64_t us = cn_clock_mono_us();
    struct cn_json_writer w;
    struct cn_buf b;

    if (!now && us - f->last_progress_us < 500000)
        return;
    f->last_progress_us = us;
    cn_buf_init(&b, CN_CAP_RECORD);
    cn_json_begin(&w, &b, 0);
    cn_json_open(&w, NULL, '{');
    cn_json_add_int(&w, "step", step);
    cn_json_add_int(&w, "steps", steps);
    cn_json_add_string(&w, "phase", phase);
    cn_json_add_double(&w, "seconds", milliseconds(cn_trainer_folder_seconds(f)));
    cn_json_close(&w);
    cn_buf_addc(&b, '\n');
    if (cn_buf_status(&b) == CN_OK)
        (void)!cn_file_replace(f->progress, b.data, b.len, NULL);
    cn_buf_clear(&b);
}

/* ---- 3. metrics.jsonl and tmp_training/metrics.log ---- */

static void open_row(struct cn_json_writer *w, struct cn_buf *b, const double *row)
{
    cn_json_begin(w, b, 0);
    cn_json_open(w, NULL, '{');
    cn_json_add_int(w, "step", (int64_t)row[CN_FLY_H_STEP]);
    cn_json_add_double(w, "seconds", milliseconds(row[CN_FLY_H_SECONDS]));
    cn_json_open(w, "values", '{');
}

static void close_row(struct cn_json_writer *w, struct cn_buf *b)
{
    cn_json_close(w);
    cn_json_close(w);
    cn_buf_addc(b, '\n');
}

/* Regularisers that add nothing are left out. */
static void put_report(struct cn_buf *b, const double *row)
{
    struct cn_json_writer w;

    open_row(&w, b, row);
    cn_json_add_double(&w, "loss", row[CN_FLY_REPORT_LOSS]);
    cn_json_add_double(&w, "total", row[CN_FLY_REPORT_TOTAL]);
    for (int k = 0; k < CN_FLY_N_TERMS; k++)
        if (row[CN_FLY_REPORT_TERMS + k] != 0)
            cn_json_add_double(&w, cn_fly_term_name((cn_fly_term)k),
                               row[CN_FLY_REPORT_TERMS + k]);
    close_row(&w, b);
}

static void put_r2(struct cn_buf *b, const double *row)
{
    struct cn_json_writer w;

    open_row(&w, b, row);
    cn_json_add_double(&w, "connectivity_R2", row[CN_FLY_R2_CONNECTIVITY]);
    cn_json_add_double(&w, "V_rest_R2", row[CN_FLY_R2_V_REST]);
    cn_json_add_double(&w, "tau_R2", row[CN_FLY_R2_TAU]);
    cn_json_add_double(&w, "connectivity_R2_identity", row[CN_FLY_R2_IDENTITY]);
    close_row(&w, b);
}

/* The rows from the given ones on, in order of steps; a report before an R2 row of the same
 * step. */
static void put_rows(struct cn_buf *b, const struct cn_fly_history *h, int64_t report,
                     int64_t r2)
{
    while (report < h->report.rows || r2 < h->r2.rows) {
        const double *a = report < h->report.rows ? cn_fly_table_row(&h->report, report) : NULL;
        const double *c = r2 < h->r2.rows ? cn_fly_table_row(&h->r2, r2) : NULL;

        if (a && (!c || a[CN_FLY_H_STEP] <= c[CN_FLY_H_STEP])) {
            put_report(b, a);
            report++;
        } else {
            put_r2(b, c);
            r2++;
        }
    }
}

static void put_log_row(struct cn_buf *b, const double *row, const struct cn_fly_training *t,
                        int64_t niter)
{
    int64_t it = (int64_t)row[CN_FLY_H_ITERATION];
    const char *phase = cn_fly_phase_at(t, it, niter);

    cn_buf_printf(b, "%d,%lld,%.6f,%.6f,%.6f,%s\n", (int)row[CN_FLY_H_EPOCH], (long long)it,
                  row[CN_FLY_R2_CONNECTIVITY], row[CN_FLY_R2_V_REST], row[CN_FLY_R2_TAU],
                  phase[0] ? phase : "joint");
}

static cn_status built(const struct cn_buf *b, const char *path, struct cn_err *err)
{
    if (cn_buf_status(b) == CN_OK)
        return CN_OK;
    return cn_err_set(err, cn_buf_status(b), "%s: no memory to write it", path);
}

static cn_status replace_log(struct cn_trainer_folder *f, const struct cn_fly_history *h,
                             const struct cn_fly_training *t, int64_t niter, struct cn_err *err)
{
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_adds(&b, "epoch,iteration,connectivity_r2,vrest_r2,tau_r2,phase\n");
    for (int64_t k = 0; k < h->r2.rows; k++)
        put_log_row(&b, cn_fly_table_row(&h->r2, k), t, niter);
    st = built(&b, f->metrics_log, err);
    if (st == CN_OK)
        st = cn_file_replace(f->metrics_log, b.data, b.len, err);
    cn_buf_clear(&b);
    return st;
}

cn_status cn_trainer_folder_restart_rows(struct cn_trainer_folder *f,
                                         const struct cn_fly_history *h,
                                         const struct cn_fly_training *t, int64_t niter,
                                         struct cn_err *err)
{
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_TEXT);
    put_rows(&b, h, 0, 0);
    st = built(&b, f->metrics, err);
    if (st == CN_OK)
        st = cn_file_replace(f->metrics, cn_buf_str(&b), b.len, err);
    cn_buf_clear(&b);
    f->report_rows = h->report.rows;
    f->r2_rows = h->r2.rows;
    return st == CN_OK ? replace_log(f, h, t, niter, err) : st;
}

cn_status cn_trainer_folder_rows(struct cn_trainer_folder *f, const struct cn_fly_history *h,
                                 const struct cn_fly_training *t, int64_t niter,
                                 struct cn_err *err)
{
    bool r2_is_new = h->r2.rows > f->r2_rows;
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_TEXT);
    put_rows(&b, h, f->report_rows, f->r2_rows);
    st = built(&b, f->metrics, err);
    if (st == CN_OK && b.len)
        st = cn_file_append(f->metrics, b.data, b.len, err);
    cn_buf_clear(&b);
    if (st == CN_OK && r2_is_new)
        st = replace_log(f, h, t, niter, err);
    f->report_rows = h->report.rows;
    f->r2_rows = h->r2.rows;
    return st;
}

/* ---- 4. result.json ---- */

const char *cn_trainer_status_word(cn_status st)
{
    switch (st) {
    case CN_OK:
        return "ok";
    case CN_EDIVERGED:
        return "diverged";
    case CN_ESTOPPED:
        return "stopped";
    case CN_ENOMEM:
    case CN_ENOSPC:
        return "oom";
    default:
        return cn_status_exit_code(st) == 2 ? "bad_config" : "error";
    }
}

static void put_metrics(struct cn_json_writer *w, const double *opt_metrics)
{
    cn_json_open(w, "metrics", '{');
    for (int k = 0; opt_metrics && k < CN_FLY_N_METRICS; k++)
        cn_json_add_double(w, cn_fly_metric_table[k].name, opt_metrics[k]);
    cn_json_close(w);
}

static void put_seeds(struct cn_json_writer *w, const struct cn_trainer_config *opt_cfg)
{
    cn_json_open(w, "seeds", '{');
    if (opt_cfg) {
        cn_json_add_int(w, "simulation", (int64_t)opt_cfg->fly.sim.seed);
        cn_json_add_int(w, "training", (int64_t)opt_cfg->fly.train.seed);
    }
    cn_json_close(w);
}

cn_status cn_trainer_folder_result(const struct cn_trainer_folder *f,
                                   const struct cn_trainer_result *r, struct cn_err *err)
{
    struct cn_json_writer w;
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_json_begin(&w, &b, 2);
    cn_json_open(&w, NULL, '{');
    cn_json_add_int(&w, "contract", 1);
    cn_json_add_string(&w, "status", cn_trainer_status_word(r->status));
    put_metrics(&w, r->opt_metrics);
    cn_json_add_double(&w, "seconds", milliseconds(cn_trainer_folder_seconds(f)));
    cn_json_add_string(&w, "device", "cpu");
    cn_json_open(&w, "versions", '{');
    cn_json_add_string(&w, "cairn", CAIRN_VERSION);
    cn_json_close(&w);
    put_seeds(&w, r->opt_cfg);
    cn_json_add_string(&w, "config_hash", r->opt_config_hash ? r->opt_config_hash : "");
    cn_json_add_string(&w, "data_key", r->opt_data_key ? r->opt_data_key : "");
    cn_json_add_string(&w, "evaluator_selftest", r->selftest_passed ? "passed" : "not run");
    cn_json_add_string(&w, "message", r->message);
    cn_json_close(&w);
    cn_buf_addc(&b, '\n');
    st = built(&b, f->result, err);
    if (st == CN_OK)
        st = cn_file_replace(f->result, b.data, b.len, err);
    cn_buf_clear(&b);
    return st;
}

double cn_trainer_folder_earlier(const struct cn_trainer_folder *f, const char *metric)
{
    struct cn_json_doc *doc = NULL;
    double x = (double)NAN;

    if (cn_json_read(f->result, &doc, NULL) == CN_OK)
        (void)cn_json_number(cn_json_get(cn_json_get(cn_json_root(doc), "metrics"), metric),
                             &x);
    cn_json_free(doc);
    return x;
}
