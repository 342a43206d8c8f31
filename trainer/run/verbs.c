/* The verbs of cairn-train. In this file:
 *   1. the session
 *   2. where things are
 *   3. data
 *   4. training
 *   5. measuring and drawing
 *   6. the ends
 */
#include "trainer/run/verbs.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/progress.h"
#include "base/text.h"
#include "trainer/fly/checkpoint.h"
#include "trainer/fly/figures.h"
#include "trainer/fly/train.h"
#include "trainer/run/folder.h"

volatile sig_atomic_t cn_trainer_stop;

enum { CHECKPOINT_SECONDS = 60 };

/* ---- 1. the session: everything one call owns ---- */

struct session {
    const struct cn_trainer_call *call;
    struct cn_trainer_config cfg;
    bool cfg_read;
    char config_hash[CN_HASH_TEXT];
    struct cn_trainer_folder folder; /* dir NULL without --out */
    struct cn_pool *pool;
    struct cn_fly_data data;
    bool data_open;
    struct cn_fly_trainer *trainer;
    struct cn_fly_test test;
    double metrics[CN_FLY_N_METRICS];
    bool measured;
    struct cn_progress *bar;
    int64_t checkpoint_us; /* monotonic, of the last checkpoint */
    struct cn_err *err;
};

static void say(struct session *s, const char *line)
{
    if (s->bar)
        cn_progress_say(s->bar, line);
    else
        (void)fprintf(stderr, "%s\n", line);
}

static void session_clear(struct session *s)
{
    cn_progress_free(s->bar);
    cn_fly_test_clear(&s->test);
    cn_fly_trainer_free(s->trainer);
    if (s->data_open)
        cn_fly_data_clear(&s->data);
    cn_pool_free(s->pool);
    cn_trainer_config_clear(&s->cfg);
    cn_trainer_folder_close(&s->folder);
}

static cn_status stopped(struct session *s, const char *where)
{
    return cn_err_set(s->err, CN_ESTOPPED, "stopped on request %s", where);
}

static void progress(struct session *s, const char *phase, int64_t step, int64_t steps,
                     bool now)
{
    if (s->folder.dir)
        cn_trainer_folder_progress(&s->folder, phase, step, steps, now);
}

/* ---- 2. where things are ---- */

static const char *cache_dir(void)
{
    const char *dir = getenv("CAIRN_CACHE"); /* NOLINT(concurrency-mt-unsafe): nobody sets it */

    return dir && dir[0] ? dir : "runs/data";
}

/* A whole number from the environment, `otherwise` when unset. */
static cn_status env_int(const char *name, int64_t lo, int64_t hi, int64_t otherwise,
                         int64_t *out, struct cn_err *err)
{
    const char *s = getenv(name); /* NOLINT(concurrency-mt-unsafe) */

    *out = otherwise;
    if (!s || !s[0])
        return CN_OK;
    if (!cn_text_parse_int64(s, out) || *out < lo || *out > hi)
        return cn_err_set(
            err, CN_EINPUT,
            "environment variable %s: \"%s\", expected a whole number in %lld..%lld", name, s,
            (long long)lo, (long long)hi);
    return CN_OK;
}

/* Threads: training.threads, never more than CAIRN_THREADS grants. */
static cn_status make_pool(struct session *s)
{
    int64_t granted, n;
    cn_status st = env_int("CAIRN_THREADS", 1, CN_CAP_THREADS, cn_pool_available_processors(),
                           &granted, s->err);

    if (st != CN_OK)
        return st;
    n = s->cfg.fly.train.threads;
    if (n == 0 || n > granted)
        n = granted;
    s->pool = cn_pool_new((int)n);
    return s->pool ? CN_OK : cn_err_set(s->err, CN_ENOMEM, "no memory for %d threads", (int)n);
}

/* dir/.., as text. */
static char *parent_of(const char *path)
{
    char *absolute = cn_file_absolute(path), *slash;

    if (!absolute)
        return NULL;
    slash = strrchr(absolute, '/');
    if (slash && slash != absolute)
        *slash = '\0';
    return absolute;
}

/* The workspace: two folders above the cache (runs/data). */
static char *workspace(void)
{
    char *runs = parent_of(cache_dir());
    char *up = runs ? parent_of(runs) : NULL;

    cn_free(runs);
    return up;
}

/* A relative connectome folder is looked for from the working directory, then from the config's
 * folder (for a job of the harness: from the folder of the config that was given to it), then
 * from the workspace: a job runs in its own folder and still finds runs/connectomes/flyvis. */
static cn_status find_connectome(struct session *s)
{
    char *name = s->cfg.fly.sim.connectome;
    const char *given = getenv("CAIRN_CONFIG_DIR"); /* NOLINT(concurrency-mt-unsafe) */
    char *base[2] = {NULL, NULL}, *found = NULL;
    cn_status st = CN_OK;

    if (strcmp(name, "synthetic") == 0 || name[0] == '/' || cn_file_is_dir(name))
        return CN_OK;
    base[0] = given && given[0] ? cn_strdup(given) : parent_of(cn_yaml_name(s->cfg.yaml));
    base[1] = workspace();
    for (int k = 0; k < 2 && !found; k++) {
        char *path = base[k] ? cn_file_join(base[k], name) : NULL;

        if (path && cn_file_is_dir(path))
            found = path;
        else
            cn_free(path);
    }
    if (!found)
        st = cn_err_set(
            s->err, CN_EINPUT,
            "%s: simulation.connectome: \"%s\", expected \"synthetic\" or a folder "
            "(looked from here, from %s and from %s); `cairn import flyvis` makes one",
            cn_yaml_name(s->cfg.yaml), name, base[0] ? base[0] : "?", base[1] ? base[1] : "?");
    else if (strlen(found) >= CN_FLY_NAME)
        st = cn_err_set(s->err, CN_EINPUT, "%s: path too long", found);
    else
        cn_text_copy(name, CN_FLY_NAME, found);
    cn_free(found);
    cn_free(base[0]);
    cn_free(base[1]);
    return st;
}

static cn_status read_config(struct session *s)
{
    const struct cn_trainer_call *c = s->call;
    const char *path = c->config ? c->config : s->folder.config;
    struct cn_buf ignored;
    cn_status st = cn_trainer_config_read(path, c->overrides, c->n_overrides, &s->cfg, s->err);

    if (st == CN_OK)
        st = cn_trainer_config_hash(&s->cfg, s->config_hash, s->err);
    if (st != CN_OK)
        return st;
    s->cfg_read = true;
    cn_buf_init(&ignored, CN_CAP_TEXT);
    cn_trainer_config_ignored(&s->cfg, &ignored);
    if (ignored.len)
        (void)fprintf(stderr, "%s: without effect here: %s\n", path, cn_buf_str(&ignored));
    cn_buf_clear(&ignored);
    return find_connectome(s);
}

static cn_status write_config(struct session *s)
{
    size_t n;
    const char *text = cn_yaml_text(s->cfg.yaml, &n);

    return cn_file_replace(s->folder.config, text, n, s->err);
}

/* What an earlier call left must not pass for what this one does: no result before the end, and
 * without --resume no model and no checkpoint either. */
static void forget_earlier(struct session *s)
{
    (void)unlink(s->folder.result);
    if (s->call->resume)
        return;
    (void)unlink(s->folder.model);
    (void)unlink(s->folder.checkpoint);
}

/* ---- 3. data ---- */

static bool generate_tick(void *ctx, const char *what, int64_t done, int64_t total)
{
    struct session *s = ctx;

    (void)what;
    cn_progress_step(s->bar, total ? done * 1000 / total : 0, what);
    progress(s, "generate", done, total, false);
    return !cn_trainer_stop;
}

static void generate_say(void *ctx, const char *line)
{
    say(ctx, line);
}

static cn_status open_data(struct session *s)
{
    struct cn_fly_dataset_opts o = CN_FLY_DATASET_OPTS_INIT;
    int64_t gib;
    cn_status st = env_int("CAIRN_CACHE_GIB", 0, 1 << 20, 32, &gib, s->err);

    if (st != CN_OK)
        return st;
    if (strcmp(cache_dir(), "runs/data") == 0)
        (void)fprintf(stderr,
                      "data sets are kept in runs/data (set CAIRN_CACHE for elsewhere)\n");
    o.cache_dir = cache_dir();
    o.budget_bytes = gib << 30;
    o.pool = s->pool;
    o.progress = generate_tick;
    o.say = generate_say;
    o.ctx = s;
    progress(s, "generate", 0, 1, true);
    s->bar = cn_progress_new("data", 1000);
    st = cn_fly_dataset_open(&s->cfg.fly.sim, &o, &s->data, s->err);
    cn_progress_free(s->bar);
    s->bar = NULL;
    s->data_open = st == CN_OK;
    if (st == CN_OK)
        st = cn_trainer_config_check_graph(&s->cfg, &s->data.graph, s->err);
    if (st == CN_OK && cn_trainer_stop)
        st = stopped(s, "after making the data");
    return st;
}

/* ---- 4. training ---- */

static cn_status save(struct session *s)
{
    s->checkpoint_us = cn_clock_mono_us();
    return cn_fly_checkpoint_save(s->trainer, CN_FLY_FILE_CHECKPOINT, s->folder.checkpoint,
                                  s->config_hash, s->err);
}

static void show_step(struct session *s, const struct cn_fly_position *at)
{
    const struct cn_fly_history *h = cn_fly_trainer_history(s->trainer);
    char note[128] = "";

    if (h->r2.rows)
        cn_text_format(note, sizeof note, "loss %.4g  connectivity R2 %.3f", at->last_loss,
                       cn_fly_table_row(&h->r2, h->r2.rows - 1)[CN_FLY_R2_CONNECTIVITY]);
    else if (h->report.rows)
        cn_text_format(note, sizeof note, "loss %.4g", at->last_loss);
    cn_progress_step(s->bar, at->step, note);
}

/* After an iteration: rows to the files, a checkpoint at every tenth of an epoch and every
 * minute. The clock decides only when things are written, never what. */
static cn_status keep_up(struct session *s, unsigned events, int64_t step)
{
    const struct cn_fly_training *t = &s->cfg.fly.train;
    int64_t total = cn_fly_trainer_total(s->trainer);
    bool due = cn_clock_mono_us() - s->checkpoint_us > (int64_t)CHECKPOINT_SECONDS * 1000000;
    cn_status st = CN_OK;

    if (events & (CN_FLY_EVENT_REPORT | CN_FLY_EVENT_R2))
        st = cn_trainer_folder_rows(&s->folder, cn_fly_trainer_history(s->trainer), t,
                                    cn_fly_trainer_niter(s->trainer), s->err);
    if (st == CN_OK && (due || (events & CN_FLY_EVENT_TENTH)))
        st = save(s);
    progress(s, "train", step, total, false);
    return st;
}

static cn_status train_loop(struct session *s)
{
    cn_status st = CN_OK;

    while (st == CN_OK && !cn_fly_trainer_done(s->trainer)) {
        struct cn_fly_position at;
        unsigned events;

        if (cn_trainer_stop) {
            st = save(s);
            return st == CN_OK ? stopped(s, "while training; a checkpoint was written") : st;
        }
        st = cn_fly_trainer_advance(s->trainer, &events, s->err);
        if (st != CN_OK)
            break;
        if (events || (cn_clock_mono_us() - s->folder.last_progress_us > 500000)) {
            cn_fly_trainer_position(s->trainer, &at);
            show_step(s, &at);
            st = keep_up(s, events, at.step);
        }
    }
    return st;
}

static cn_status resume(struct session *s)
{
    struct cn_fly_position at;
    char line[128];
    cn_status st;

    if (!s->call->resume)
        return CN_OK;
    if (!cn_file_exists(s->folder.checkpoint)) {
        say(s, "no checkpoint to resume from: starting anew");
        return CN_OK;
    }
    st = cn_fly_checkpoint_load(s->trainer, CN_FLY_FILE_CHECKPOINT, s->folder.checkpoint,
                                s->config_hash, s->err);
    if (st != CN_OK)
        return st;
    cn_fly_trainer_position(s->trainer, &at);
    cn_text_format(line, sizeof line, "resuming at iteration %lld of %lld", (long long)at.step,
                   (long long)cn_fly_trainer_total(s->trainer));
    say(s, line);
    return CN_OK;
}

static cn_status train(struct session *s)
{
    cn_status st = cn_fly_trainer_new(&s->cfg.fly, &s->data, s->pool, &s->trainer, s->err);

    if (st == CN_OK)
        st = resume(s);
    if (st != CN_OK)
        return st;
    st = cn_trainer_folder_restart_rows(&s->folder, cn_fly_trainer_history(s->trainer),
                                        &s->cfg.fly.train, cn_fly_trainer_niter(s->trainer),
                                        s->err);
    if (st != CN_OK)
        return st;
    s->checkpoint_us = cn_clock_mono_us();
    s->bar = cn_progress_new("training", cn_fly_trainer_total(s->trainer));
    st = train_loop(s);
    cn_progress_free(s->bar);
    s->bar = NULL;
    /* Kept until result.json stands: a crash while measuring costs no training. */
    if (st == CN_OK)
        st = save(s);
    if (st == CN_OK)
        st = cn_fly_checkpoint_save(s->trainer, CN_FLY_FILE_MODEL, s->folder.model,
                                    s->config_hash, s->err);
    return st;
}

/* A trained model instead of a training. */
static cn_status load_model(struct session *s)
{
    cn_status st = cn_fly_trainer_new(&s->cfg.fly, &s->data, s->pool, &s->trainer, s->err);

    if (st == CN_OK && !cn_file_exists(s->folder.model))
        st = cn_err_set(s->err, CN_ENOTFOUND, "%s: no trained model here; `run` makes one",
                        s->folder.model);
    if (st == CN_OK)
        st = cn_fly_checkpoint_load(s->trainer, CN_FLY_FILE_MODEL, s->folder.model,
                                    s->config_hash, s->err);
    return st;
}

/* ---- 5. measuring and drawing ---- */

static cn_status measure(struct session *s)
{
    struct cn_fly_evaluator *ev = cn_fly_trainer_evaluator(s->trainer);
    struct cn_fly_position at;
    double minutes;
    cn_status st;

    progress(s, "evaluate", 0, 1, true);
    cn_fly_evaluator_recover(ev);
    st = cn_fly_evaluator_test(ev, cn_fly_trainer_target(s->trainer), &s->test, s->err);
    if (st != CN_OK)
        return st;
    cn_fly_metrics_fill(cn_fly_evaluator_recovered(ev), &s->test, s->metrics);
    cn_fly_trainer_position(s->trainer, &at);
    minutes = s->call->verb == CN_TRAINER_RUN
                  ? cn_fly_trainer_seconds(s->trainer) / 60
                  : cn_trainer_folder_earlier(&s->folder, "training_time_min");
    s->metrics[CN_FLY_METRIC_final_loss] = at.last_loss;
    s->metrics[CN_FLY_METRIC_iterations] = (double)at.step;
    s->metrics[CN_FLY_METRIC_training_time_min] = round(minutes * 1e4) / 1e4;
    s->measured = true;
    return CN_OK;
}

/* A figure that cannot be drawn is a line on standard error, not a lost training. */
static cn_status draw(struct session *s)
{
    struct cn_fly_figures f = {.dir = s->folder.dir,
                               .cfg = &s->cfg.fly,
                               .data = &s->data,
                               .history = cn_fly_trainer_history(s->trainer),
                               .model = cn_fly_trainer_model(s->trainer),
                               .ev = cn_fly_trainer_evaluator(s->trainer),
                               .test = &s->test};
    struct cn_err why = CN_ERR_INIT;
    int drawn = 0;
    cn_status st;

    progress(s, "plot", 0, 1, true);
    st = cn_fly_figures_draw(&f, &drawn, &why);
    if (st == CN_OK)
        return CN_OK;
    if (s->call->verb == CN_TRAINER_PLOT)
        return cn_err_set(s->err, st, "%s", why.text);
    (void)fprintf(stderr, "warning: %d of %d figures drawn: %s\n", drawn, CN_FLY_N_FIGURES,
                  why.text);
    return CN_OK;
}

static void tell(const struct session *s)
{
    const double *m = s->metrics;

    (void)printf(
        "connectivity_R2=%.4f connectivity_R2_identity=%.4f tau_R2=%.4f V_rest_R2=%.4f "
        "test_pearson=%.4f final_loss=%.5g training_time_min=%.2f\n",
        m[CN_FLY_METRIC_connectivity_R2], m[CN_FLY_METRIC_connectivity_R2_identity],
        m[CN_FLY_METRIC_tau_R2], m[CN_FLY_METRIC_V_rest_R2], m[CN_FLY_METRIC_test_pearson],
        m[CN_FLY_METRIC_final_loss], m[CN_FLY_METRIC_training_time_min]);
}

/* ---- 6. the ends ---- */

static cn_status work(struct session *s)
{
    cn_trainer_verb verb = s->call->verb;
    cn_status st = read_config(s);

    if (verb == CN_TRAINER_CHECK)
        return st;
    if (st == CN_OK && s->folder.dir && verb != CN_TRAINER_EVALUATE && verb != CN_TRAINER_PLOT)
        st = write_config(s);
    if (st == CN_OK && verb == CN_TRAINER_RUN)
        forget_earlier(s);
    if (st == CN_OK)
        st = make_pool(s);
    if (st == CN_OK)
        st = open_data(s);
    if (st != CN_OK || verb == CN_TRAINER_GENERATE)
        return st;
    st = verb == CN_TRAINER_RUN ? train(s) : load_model(s);
    if (st == CN_OK)
        st = measure(s);
    if (st == CN_OK && verb != CN_TRAINER_EVALUATE)
        st = draw(s);
    return st;
}

/* Nothing happened unless result.json says so: when it cannot be written, that is how the call ended. */
static cn_status write_result(struct session *s, cn_status st)
{
    struct cn_trainer_result r = {.status = st,
                                  .message = st == CN_OK ? "" : s->err->text,
                                  .opt_metrics = s->measured ? s->metrics : NULL,
                                  .selftest_passed = s->trainer != NULL,
                                  .opt_cfg = s->cfg_read ? &s->cfg : NULL,
                                  .opt_config_hash = s->config_hash,
                                  .opt_data_key = s->data_open ? s->data.key : NULL};
    struct cn_err why = CN_ERR_INIT;
    cn_status written = cn_trainer_folder_result(&s->folder, &r, &why);

    if (written == CN_OK || st != CN_OK) {
        if (written != CN_OK)
            (void)fprintf(stderr, "cairn-train: %s\n", why.text);
        return st;
    }
    return cn_err_set(s->err, written, "%s", why.text);
}

cn_status cn_trainer_call_run(const struct cn_trainer_call *c, struct cn_err *err)
{
    struct cn_err own = CN_ERR_INIT;
    struct session s = {.call = c, .err = err ? err : &own};
    cn_status st = CN_OK;

    if (c->out)
        st = cn_trainer_folder_open(&s.folder, c->out, s.err);
    if (st == CN_OK)
        st = work(&s);
    if (s.folder.dir && (c->verb == CN_TRAINER_RUN || c->verb == CN_TRAINER_EVALUATE))
        st = write_result(&s, st);
    if (st == CN_OK && c->verb == CN_TRAINER_GENERATE)
        (void)printf("%s/%s\n", cache_dir(), s.data.key);
    if (st == CN_OK && s.measured)
        tell(&s);
    if (st == CN_OK && c->verb == CN_TRAINER_RUN) {
        progress(&s, "done", cn_fly_trainer_total(s.trainer), cn_fly_trainer_total(s.trainer),
                 true);
        /* The model and the result stand; nothing to resume. */
        (void)unlink(s.folder.checkpoint);
    }
    session_clear(&s);
    return st;
}
