/* Making a data set: simulate, stream to disk, moments, and the header last (specs flyvis_gnn
 * 2.1, order inside a frame).
 *
 * The arrays are gigabytes at full size, so they are streamed and synced here; they may be lost
 * without harm, because only header.json, written after all of them, makes a folder count. */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/rng.h"
#include "trainer/fly/connectome.h"
#include "trainer/fly/dataset_int.h"
#include "trainer/fly/simulate.h"
#include "trainer/fly/stimulus.h"
#include "trainer/fly/synthetic.h"

/* ---- 1 a stream to disk ---- */

enum { STREAM_ROOM = 1 << 20 };

struct stream {
    char *path; /* owned */
    char *room; /* (STREAM_ROOM) owned */
    size_t used;
    int fd; /* owned, -1 when closed */
};

static cn_status stream_open(struct stream *s, const char *dir, const char *name,
                             struct cn_err *err)
{
    s->fd = -1;
    s->path = cn_file_join(dir, name);
    s->room = cn_alloc(STREAM_ROOM, 1);
    if (!s->path || !s->room)
        return cn_err_set(err, CN_ENOMEM, "%s/%s: no memory", dir, name);
    s->fd = open(s->path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    return s->fd < 0 ? cn_err_errno(err, "%s", s->path) : CN_OK;
}

static cn_status write_all(struct stream *s, const char *bytes, size_t n, struct cn_err *err)
{
    while (n > 0) {
        ssize_t wrote = write(s->fd, bytes, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0)
            return cn_err_errno(err, "writing %s", s->path);
        bytes += wrote;
        n -= (size_t)wrote;
    }
    return CN_OK;
}

static cn_status stream_flush(struct stream *s, struct cn_err *err)
{
    size_t n = s->used;
    s->used = 0;
    return write_all(s, s->room, n, err);
}

static cn_status stream_add(struct stream *s, const float *x, int64_t n, struct cn_err *err)
{
    size_t bytes = (size_t)n * sizeof *x;
    cn_status st = CN_OK;
    if (s->used + bytes > STREAM_ROOM)
        st = stream_flush(s, err);
    if (st == CN_OK && bytes > STREAM_ROOM)
        return write_all(s, (const char *)x, bytes, err);
    if (st == CN_OK) {
        memcpy(s->room + s->used, x, bytes);
        s->used += bytes;
    }
    return st;
}

/* Flush, sync, close: each checked. */
static cn_status stream_finish(struct stream *s, struct cn_err *err)
{
    cn_status st = stream_flush(s, err);
    if (st == CN_OK && fsync(s->fd) != 0)
        st = cn_err_errno(err, "syncing %s", s->path);
    int fd = s->fd;
    s->fd = -1;
    if (close(fd) != 0 && st == CN_OK)
        st = cn_err_errno(err, "closing %s", s->path);
    return st;
}

static void stream_clear(struct stream *s)
{
    if (s->path && s->fd >= 0)
        (void)close(s->fd);
    cn_free(s->path);
    cn_free(s->room);
    memset(s, 0, sizeof *s);
}

/* ---- 2 moments ---- */

/* Sums of v - first, per neuron: the first frame as origin keeps the squares small. */
struct moments {
    int64_t n, frames;
    float *first;         /* (n) owned */
    double *sum, *square; /* (n) owned */
};

static cn_status moments_init(struct moments *m, int64_t n, struct cn_err *err)
{
    m->n = n;
    m->frames = 0;
    m->first = cn_alloc((size_t)n, sizeof *m->first);
    m->sum = cn_alloc((size_t)n, sizeof *m->sum);
    m->square = cn_alloc((size_t)n, sizeof *m->square);
    return m->first && m->sum && m->square
               ? CN_OK
               : cn_err_set(err, CN_ENOMEM, "no memory for moments");
}

static void moments_clear(struct moments *m)
{
    cn_free(m->first);
    cn_free(m->sum);
    cn_free(m->square);
    memset(m, 0, sizeof *m);
}

static void moments_add(struct moments *m, const float *v)
{
    if (m->frames++ == 0)
        memcpy(m->first, v, (size_t)m->n * sizeof *v);
    for (int64_t i = 0; i < m->n; i++) {
        double x = (double)v[i] - (double)m->first[i];
        m->sum[i] += x;
        m->square[i] += x * x;
    }
}

/* mu, sigma (unbiased) and 1.5 times the unbiased std over all entries. */
static double moments_finish(const struct moments *m, float *mu, float *sigma)
{
    double T = (double)m->frames, all = T * (double)m->n, grand = 0, square = 0;
    for (int64_t i = 0; i < m->n; i++)
        grand += (m->sum[i] / T + (double)m->first[i]) / (double)m->n;
    for (int64_t i = 0; i < m->n; i++) {
        double shift = m->sum[i] / T, mean = shift + (double)m->first[i];
        double within = fmax(m->square[i] - T * shift * shift, 0);
        mu[i] = (float)mean;
        sigma[i] = (float)sqrt(within / (T - 1));
        square += within + T * (mean - grand) * (mean - grand);
    }
    return 1.5 * sqrt(square / (all - 1));
}

/* ---- 3 one split ---- */

struct split_job {
    const struct cn_fly_set *set;
    const struct cn_fly_graph *graph;
    const char *what; /* for the progress line */
    int64_t frames;
    uint64_t stimulus_seed;
    struct cn_fly_dynamics dynamics;
    cn_fly_set_array voltage, stimulus;
    bool with_noise; /* measurement noise */
    uint64_t noise_seed;
    struct moments *moments; /* NULL for the test split */
};

/* The streams and rows of a running job. */
struct split_run {
    struct stream voltage, stimulus, noise;
    struct cn_fly_stimulus light;
    struct cn_fly_simulator *sim;
    float *row, *noise_row;
    int64_t told_us;
};

static void run_clear(struct split_run *r)
{
    stream_clear(&r->voltage);
    stream_clear(&r->stimulus);
    stream_clear(&r->noise);
    cn_fly_stimulus_clear(&r->light);
    cn_fly_simulator_free(r->sim);
    cn_free(r->row);
    cn_free(r->noise_row);
}

static cn_status run_init(struct split_run *r, const struct split_job *j, struct cn_err *err)
{
    const struct cn_fly_set *set = j->set;
    cn_status st = stream_open(&r->voltage, set->dir, cn_fly_set_array_name(j->voltage), err);
    if (st == CN_OK)
        st = stream_open(&r->stimulus, set->dir, cn_fly_set_array_name(j->stimulus), err);
    if (st == CN_OK && j->with_noise)
        st = stream_open(&r->noise, set->dir, cn_fly_set_array_name(CN_FLY_NOISE_TRAIN), err);
    if (st == CN_OK)
        st = cn_fly_stimulus_init(&r->light, set->sim->stimulus, j->graph->extent,
                                  j->stimulus_seed, err);
    if (st == CN_OK)
        st = cn_fly_simulator_new(&j->dynamics, set->opts->pool, &r->sim, err);
    r->row = cn_alloc((size_t)j->graph->n_columns, sizeof *r->row);
    r->noise_row = cn_alloc((size_t)j->graph->n, sizeof *r->noise_row);
    if (st == CN_OK && (!r->row || !r->noise_row))
        st = cn_err_set(err, CN_ENOMEM, "no memory to simulate");
    return st;
}

static cn_status check_finite(const struct split_job *j, int64_t t, const float *v,
                              struct cn_err *err)
{
    const struct cn_fly_graph *g = j->graph;
    float sum = 0;
    for (int64_t i = 0; i < g->n; i++)
        sum += v[i] * 0; /* 0 unless something is NaN or infinite */
    for (int64_t i = 0; sum != 0 && i < g->n; i++) {
        if (!isfinite(v[i]))
            return cn_err_set(err, CN_EDIVERGED,
                              "the simulation diverged: %s frame %lld, neuron %lld (%s) is %g",
                              j->what, (long long)t, (long long)i, g->type_name[g->type[i]],
                              (double)v[i]);
    }
    return CN_OK;
}

static cn_status store_noise(const struct split_job *j, struct split_run *r, int64_t t,
                             struct cn_err *err)
{
    int64_t n = j->graph->n;
    float level = (float)j->set->sim->measurement_noise_level;
    cn_rng_fill_normal(j->noise_seed, 0, 2 * (uint64_t)(t * n), r->noise_row, n);
    for (int64_t i = 0; i < n; i++)
        r->noise_row[i] *= level;
    return stream_add(&r->noise, r->noise_row, n, err);
}

/* Five times a second at most; the clock is read every 64 frames. */
static cn_status tell(const struct split_job *j, struct split_run *r, int64_t t,
                      struct cn_err *err)
{
    const struct cn_fly_dataset_opts *o = j->set->opts;
    if (!o->progress || (t % 64 != 0 && t != j->frames))
        return CN_OK;
    int64_t now = cn_clock_mono_us();
    if (t != j->frames && t != 0 && now - r->told_us < 200000)
        return CN_OK;
    r->told_us = now;
    if (o->progress(o->ctx, j->what, t, j->frames))
        return CN_OK;
    return cn_err_set(err, CN_ESTOPPED, "stopped while simulating %s frame %lld of %lld",
                      j->what, (long long)t, (long long)j->frames);
}

static cn_status run_frame(const struct split_job *j, struct split_run *r, int64_t t,
                           struct cn_err *err)
{
    if (cn_fly_stimulus_frame(&r->light, t, r->row) && t > 0 &&
        j->set->sim->simulation_initial_state)
        cn_fly_simulator_reset(r->sim);
    const float *v = cn_fly_simulator_state(r->sim);
    cn_status st = check_finite(j, t, v, err);
    if (st == CN_OK)
        st = stream_add(&r->voltage, v, j->graph->n, err);
    if (st == CN_OK)
        st = stream_add(&r->stimulus, r->row, j->graph->n_columns, err);
    if (st == CN_OK && j->with_noise)
        st = store_noise(j, r, t, err);
    if (j->moments)
        moments_add(j->moments, v);
    cn_fly_simulator_step(r->sim, t, r->row);
    return st;
}

static cn_status run_split(const struct split_job *j, struct cn_err *err)
{
    struct split_run r = {.voltage.fd = -1, .stimulus.fd = -1, .noise.fd = -1};
    cn_status st = run_init(&r, j, err);
    for (int64_t t = 0; t < j->frames && st == CN_OK; t++) {
        st = tell(j, &r, t, err);
        if (st == CN_OK)
            st = run_frame(j, &r, t, err);
    }
    if (st == CN_OK)
        st = tell(j, &r, j->frames, err);
    if (st == CN_OK)
        st = stream_finish(&r.voltage, err);
    if (st == CN_OK)
        st = stream_finish(&r.stimulus, err);
    if (st == CN_OK && j->with_noise)
        st = stream_finish(&r.noise, err);
    run_clear(&r);
    return st;
}

/* ---- 4 the whole set ---- */

/* The folder may have been imported anew since the key was taken. */
static cn_status same_as_keyed(const struct cn_fly_set *set, const char *copy,
                               struct cn_err *err)
{
    char identity[CN_HASH_TEXT];
    cn_status st = cn_fly_connectome_identity(copy, identity, err);
    if (st == CN_OK && !strstr(cn_buf_str(&set->settings), identity))
        st = cn_err_set(err, CN_ECORRUPT,
                        "connectome folder %s changed while its data set was being made",
                        set->sim->connectome);
    return st;
}

/* A copy of the connectome goes into the set: the numbers and the network they came from cannot
 * part. */
static cn_status keep_connectome(const struct cn_fly_set *set, struct cn_fly_graph *out,
                                 struct cn_err *err)
{
    const struct cn_fly_simulation *sim = set->sim;
    char *to = cn_file_join(set->dir, CN_FLY_SET_CONNECTOME), *json = NULL, *params = NULL;
    cn_status st = to ? CN_OK : cn_err_set(err, CN_ENOMEM, "%s: no memory", set->dir);
    if (st == CN_OK && set->synthetic)
        st = cn_fly_synthetic_export(sim->n_types, sim->connectome_seed, to, err);
    if (st == CN_OK && !set->synthetic) {
        json = cn_file_join(sim->connectome, "connectome.json");
        params = cn_file_join(sim->connectome, "params.json");
        st = json && params ? cn_fly_connectome_import(json, params, to, err)
                            : cn_err_set(err, CN_ENOMEM, "%s: no memory", set->dir);
    }
    if (st == CN_OK && !set->synthetic)
        st = same_as_keyed(set, to, err);
    if (st == CN_OK)
        st = cn_fly_connectome_open(to, sim->extent, out, err);
    cn_free(to);
    cn_free(json);
    cn_free(params);
    return st;
}

static cn_status run_both(const struct cn_fly_set *set, const struct cn_fly_graph *g,
                          struct moments *m, struct cn_err *err)
{
    const struct cn_fly_simulation *sim = set->sim;
    struct cn_fly_set_seeds seeds = cn_fly_set_seeds(sim->seed);
    float *gain = NULL, *s = NULL;
    cn_status st = cn_fly_set_variant(sim, g->n_types, &gain, &s, err);
    struct split_job job = {.set = set,
                            .graph = g,
                            .what = "train",
                            .frames = sim->n_frames,
                            .stimulus_seed = seeds.stimulus_train,
                            .dynamics = {g, sim->variant, gain, s, sim->delta_t,
                                         sim->noise_model_level, seeds.process, 0},
                            .voltage = CN_FLY_VOLTAGE_TRAIN,
                            .stimulus = CN_FLY_STIMULUS_TRAIN,
                            .with_noise = sim->measurement_noise_level > 0,
                            .noise_seed = seeds.measurement,
                            .moments = m};
    if (st == CN_OK)
        st = run_split(&job, err);
    job.what = "test";
    job.frames = sim->n_test_frames;
    job.stimulus_seed = seeds.stimulus_test;
    job.dynamics.noise = 0;
    job.voltage = CN_FLY_VOLTAGE_TEST;
    job.stimulus = CN_FLY_STIMULUS_TEST;
    job.with_noise = false;
    job.moments = NULL;
    if (st == CN_OK)
        st = run_split(&job, err);
    cn_free(gain);
    cn_free(s);
    return st;
}

static cn_status put(const struct cn_fly_set *set, const char *name, const void *bytes,
                     size_t n, struct cn_err *err)
{
    char *path = cn_file_join(set->dir, name);
    cn_status st = path ? cn_file_replace(path, bytes, n, err)
                        : cn_err_set(err, CN_ENOMEM, "%s/%s: no memory", set->dir, name);
    cn_free(path);
    return st;
}

static cn_status write_ends(const struct cn_fly_set *set, const struct cn_fly_graph *g,
                            const struct moments *m, struct cn_err *err)
{
    struct cn_buf text;
    char hash[CN_HASH_TEXT];
    size_t n = (size_t)g->n;
    float *mu_sigma = cn_alloc(2 * n, sizeof *mu_sigma);
    cn_buf_init(&text, CN_CAP_RECORD);
    cn_status st =
        mu_sigma ? CN_OK : cn_err_set(err, CN_ENOMEM, "%s: no memory for moments", set->dir);
    if (st == CN_OK) {
        double xnorm = moments_finish(m, mu_sigma, mu_sigma + n);
        cn_hash_hex(mu_sigma, 2 * n * sizeof *mu_sigma, hash);
        st = cn_fly_set_header(set, g, xnorm, hash, &text, err);
    }
    if (st == CN_OK)
        st = put(set, CN_FLY_SET_MOMENTS, mu_sigma, 2 * n * sizeof *mu_sigma, err);
    if (st == CN_OK)
        st = put(set, CN_FLY_SET_HEADER, text.data, text.len, err);
    cn_buf_clear(&text);
    cn_free(mu_sigma);
    return st;
}

static int64_t total_bytes(const struct cn_fly_set *set, const struct cn_fly_graph *g)
{
    int64_t bytes = 2 * g->n * (int64_t)sizeof(float) + CN_ERR_TEXT * 4;
    for (int a = 0; a < CN_FLY_SET_ARRAYS; a++)
        bytes += cn_fly_set_array_bytes(set->sim, g, (cn_fly_set_array)a);
    return bytes;
}

cn_status cn_fly_set_make(const struct cn_fly_set *set, struct cn_err *err)
{
    struct cn_fly_graph g = {0};
    struct moments m = {0};
    /* Whatever lies here has no valid header. */
    cn_status st = cn_file_remove_tree(set->dir, err);
    if (st == CN_OK)
        st = cn_file_mkdirs(set->dir, err);
    if (st == CN_OK)
        st = keep_connectome(set, &g, err);
    if (st == CN_OK)
        st = cn_fly_set_make_room(set, total_bytes(set, &g), err);
    if (st == CN_OK)
        st = moments_init(&m, g.n, err);
    if (st == CN_OK)
        st = run_both(set, &g, &m, err);
    if (st == CN_OK)
        st = write_ends(set, &g, &m, err);
    /* Give the space back; if that fails too, the leftover does not count and is removed next
     * time. */
    if (st != CN_OK && cn_file_remove_tree(set->dir, NULL) != CN_OK)
        cn_fly_set_say(set, "%s: unfinished and not removed", set->dir);
    moments_clear(&m);
    cn_fly_graph_clear(&g);
    return st;
}
