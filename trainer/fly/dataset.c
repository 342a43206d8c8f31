/* Keys, headers, opening and clearing of data sets.
 *
 * 1 settings and key   2 header   3 loading   4 entry points
 */
#include "trainer/fly/dataset.h"

#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/text.h"
#include "trainer/fly/connectome.h"
#include "trainer/fly/dataset_int.h"
#include "trainer/fly/hexgrid.h"
#include "trainer/fly/simulate.h"
#include "trainer/fly/synthetic.h"

enum { FORMAT_VERSION = 1 };

/* ---- 1 settings and key ---- */

static cn_status check_range(const char *key, double x, double lo, double hi,
                             struct cn_err *err)
{
    if (x >= lo && x <= hi)
        return CN_OK;
    return cn_err_set(err, CN_EINPUT, "simulation.%s = %g: wants %g .. %g", key, x, lo, hi);
}

static cn_status check_settings(const struct cn_fly_simulation *sim, struct cn_err *err)
{
    const struct {
        const char *key;
        double x, lo, hi;
    } rows[] = {
        {"extent", sim->extent, 1, 16},
        {"n_frames", (double)sim->n_frames, 2, 1e8},
        {"n_test_frames", (double)sim->n_test_frames, 2, 1e8},
        {"delta_t", sim->delta_t, 1e-6, 1},
        {"noise_model_level", sim->noise_model_level, 0, 100},
        {"measurement_noise_level", sim->measurement_noise_level, 0, 100},
        {"derivative_smoothing_window", sim->derivative_smoothing_window, 1, 101},
    };
    cn_status st = CN_OK;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0] && st == CN_OK; k++)
        st = check_range(rows[k].key, rows[k].x, rows[k].lo, rows[k].hi, err);
    if (st == CN_OK && sim->derivative_smoothing_window % 2 == 0)
        st = cn_err_set(err, CN_EINPUT,
                        "simulation.derivative_smoothing_window = %d: wants an odd number",
                        sim->derivative_smoothing_window);
    if (st == CN_OK && !sim->connectome[0])
        st = cn_err_set(
            err, CN_EINPUT,
            "simulation.connectome is empty: wants \"synthetic\" or a connectome folder");
    return st;
}

static bool is_synthetic(const struct cn_fly_simulation *sim)
{
    return strcmp(sim->connectome, "synthetic") == 0;
}

static void put_number(struct cn_buf *b, const char *key, double x)
{
    char text[CN_NUM_TEXT];
    cn_buf_printf(b, "%s %s\n", key, cn_text_double(x, text));
}

/* Every setting that shapes a stored number, one a line. The smoothing window does not: targets
 * are made on reading. */
static cn_status write_settings(const struct cn_fly_simulation *sim, struct cn_buf *b,
                                struct cn_err *err)
{
    static const char *const stimulus[] = {"scenes 1", "flash 1", "blank 1"};
    static const char *const variant[] = {"plain", "tanh", "multiple_relu", "null"};
    char identity[CN_HASH_TEXT];
    cn_status st = check_settings(sim, err);
    if (st == CN_OK && !is_synthetic(sim))
        st = cn_fly_connectome_identity(sim->connectome, identity, err);
    if (st != CN_OK)
        return st;
    cn_buf_printf(b, "cairn fly data %d\n", FORMAT_VERSION);
    if (is_synthetic(sim))
        cn_buf_printf(b, "connectome synthetic %d types %d seed %llu\n",
                      CN_FLY_SYNTHETIC_VERSION, sim->n_types,
                      (unsigned long long)sim->connectome_seed);
    else
        cn_buf_printf(b, "connectome imported %s\n", identity);
    cn_buf_printf(b, "extent %d\nframes %lld test %lld\n", sim->extent,
                  (long long)sim->n_frames, (long long)sim->n_test_frames);
    put_number(b, "delta_t", sim->delta_t);
    put_number(b, "noise_model_level", sim->noise_model_level);
    put_number(b, "measurement_noise_level", sim->measurement_noise_level);
    cn_buf_printf(b, "initial_state %d\nstimulus %s\nvariant %s", sim->simulation_initial_state,
                  stimulus[sim->stimulus], variant[sim->variant]);
    if (sim->variant == CN_SIM_TANH || sim->variant == CN_SIM_MULTIPLE_RELU)
        cn_buf_printf(b, " seed %llu", (unsigned long long)sim->connectome_seed);
    cn_buf_printf(b, "\nseed %llu\n", (unsigned long long)sim->seed);
    if (cn_buf_status(b) != CN_OK)
        st = cn_err_set(err, CN_ENOMEM, "no memory for the settings of a data set");
    return st;
}

static void set_clear(struct cn_fly_set *s)
{
    cn_buf_clear(&s->settings);
    cn_free(s->dir);
    cn_free(s->lock_path);
}

static cn_status set_init(struct cn_fly_set *s, const struct cn_fly_simulation *sim,
                          const struct cn_fly_dataset_opts *o, struct cn_err *err)
{
    char name[CN_HASH_TEXT + 8];
    memset(s, 0, sizeof *s);
    s->sim = sim;
    s->opts = o;
    s->synthetic = is_synthetic(sim);
    cn_buf_init(&s->settings, CN_CAP_RECORD);
    cn_status st = write_settings(sim, &s->settings, err);
    if (st != CN_OK || !o)
        return st;
    cn_hash_hex(s->settings.data, s->settings.len, s->key);
    cn_text_format(name, sizeof name, "%s.lock", s->key);
    s->dir = cn_file_join(o->cache_dir, s->key);
    s->lock_path = cn_file_join(o->cache_dir, name);
    return s->dir && s->lock_path
               ? CN_OK
               : cn_err_set(err, CN_ENOMEM, "no memory for the path of a data set");
}

void cn_fly_set_say(const struct cn_fly_set *s, const char *fmt, ...)
{
    char line[CN_ERR_TEXT + 256];
    va_list ap;
    if (!s->opts->say)
        return;
    va_start(ap, fmt);
    (void)vsnprintf(line, sizeof line, fmt, ap);
    va_end(ap);
    s->opts->say(s->opts->ctx, line);
}

struct cn_fly_set_seeds cn_fly_set_seeds(uint64_t seed)
{
    struct cn_rng r;
    struct cn_fly_set_seeds s;
    cn_rng_init(&r, seed, UINT64_C(0x7365) << 48);
    s.stimulus_train = cn_rng_u64(&r);
    s.stimulus_test = cn_rng_u64(&r);
    s.process = cn_rng_u64(&r);
    s.measurement = cn_rng_u64(&r);
    return s;
}

cn_status cn_fly_set_variant(const struct cn_fly_simulation *sim, int32_t n_types,
                             float **out_gain, float **out_s, struct cn_err *err)
{
    bool gain = sim->variant == CN_SIM_MULTIPLE_RELU, s = sim->variant == CN_SIM_TANH;
    *out_gain = gain ? cn_alloc((size_t)n_types, sizeof **out_gain) : NULL;
    *out_s = s ? cn_alloc((size_t)n_types, sizeof **out_s) : NULL;
    if ((gain && !*out_gain) || (s && !*out_s))
        return cn_err_set(err, CN_ENOMEM, "no memory for %d types", n_types);
    if (gain)
        cn_fly_dynamics_draw_gain(sim->connectome_seed, n_types, *out_gain);
    if (s)
        cn_fly_dynamics_draw_s(sim->connectome_seed, n_types, *out_s);
    return CN_OK;
}

/* ---- 2 header ---- */

const char *cn_fly_set_array_name(cn_fly_set_array a)
{
    static const char *const names[CN_FLY_SET_ARRAYS] = {
        "voltage_train.f32", "stimulus_train.f32", "noise_train.f32", "voltage_test.f32",
        "stimulus_test.f32"};
    return names[a];
}

int64_t cn_fly_set_array_bytes(const struct cn_fly_simulation *sim,
                               const struct cn_fly_graph *g, cn_fly_set_array a)
{
    int64_t frames = a >= CN_FLY_VOLTAGE_TEST ? sim->n_test_frames : sim->n_frames;
    bool columns = a == CN_FLY_STIMULUS_TRAIN || a == CN_FLY_STIMULUS_TEST;
    if (a == CN_FLY_NOISE_TRAIN && sim->measurement_noise_level == 0)
        return 0;
    return frames * (columns ? g->n_columns : g->n) * (int64_t)sizeof(float);
}

/* What a damaged header cannot fake: a hash over all that it says. */
static void header_digest(const struct cn_fly_set *set, double xnorm, const char *moments_hash,
                          char out[CN_HASH_TEXT])
{
    char number[CN_NUM_TEXT], text[CN_NUM_TEXT + 2 * CN_HASH_TEXT + 8];
    cn_text_format(text, sizeof text, "%s %s %s", set->key, cn_text_double(xnorm, number),
                   moments_hash);
    cn_hash_hex(text, strlen(text), out);
}

cn_status cn_fly_set_header(const struct cn_fly_set *set, const struct cn_fly_graph *g,
                            double xnorm, const char *moments_hash, struct cn_buf *out,
                            struct cn_err *err)
{
    struct cn_json_writer w;
    char digest[CN_HASH_TEXT];
    header_digest(set, xnorm, moments_hash, digest);
    cn_json_begin(&w, out, 2);
    cn_json_open(&w, NULL, '{');
    cn_json_add_string(&w, "format", "cairn fly data");
    cn_json_add_int(&w, "version", FORMAT_VERSION);
    cn_json_add_string(&w, "settings", cn_buf_str(&set->settings));
    cn_json_add_int(&w, "neurons", g->n);
    cn_json_add_int(&w, "edges", g->e);
    cn_json_add_int(&w, "columns", g->n_columns);
    cn_json_open(&w, "bytes", '{');
    for (int a = 0; a < CN_FLY_SET_ARRAYS; a++)
        cn_json_add_int(&w, cn_fly_set_array_name((cn_fly_set_array)a),
                        cn_fly_set_array_bytes(set->sim, g, (cn_fly_set_array)a));
    cn_json_close(&w);
    cn_json_add_double(&w, "xnorm", xnorm);
    cn_json_add_string(&w, "moments", moments_hash);
    cn_json_add_string(&w, "digest", digest);
    cn_json_close(&w);
    cn_buf_addc(out, '\n');
    return cn_buf_status(out) == CN_OK
               ? CN_OK
               : cn_err_set(err, CN_ENOMEM, "%s: no memory for a header", set->dir);
}

/* CN_ENOTFOUND: never finished. CN_ECORRUPT: says nothing that can be believed. */
static cn_status read_header(const struct cn_fly_set *set, const char *path, double *out_xnorm,
                             char out_moments[CN_HASH_TEXT], struct cn_err *err)
{
    struct cn_json_doc *doc = NULL;
    char digest[CN_HASH_TEXT];
    *out_xnorm = NAN;
    cn_status st = cn_json_read(path, &doc, err);
    if (st == CN_EINPUT) {
        char why[CN_ERR_TEXT];
        cn_text_format(why, sizeof why, "%s", err ? err->text : "not JSON");
        return cn_err_set(err, CN_ECORRUPT, "damaged header: %s", why);
    }
    if (st != CN_OK)
        return st;
    const struct cn_json *root = cn_json_root(doc);
    const char *settings = cn_json_string(cn_json_get(root, "settings"));
    const char *moments = cn_json_string(cn_json_get(root, "moments"));
    const char *said = cn_json_string(cn_json_get(root, "digest"));
    bool good = settings && moments && said && strlen(moments) == CN_HASH_TEXT - 1 &&
                cn_json_number(cn_json_get(root, "xnorm"), out_xnorm) && isfinite(*out_xnorm) &&
                strcmp(settings, cn_buf_str(&set->settings)) == 0;
    if (good) {
        cn_text_copy(out_moments, CN_HASH_TEXT, moments);
        header_digest(set, *out_xnorm, moments, digest);
        good = strcmp(digest, said) == 0;
    }
    cn_json_free(doc);
    return good ? CN_OK
                : cn_err_set(err, CN_ECORRUPT, "%s: damaged header: its digest does not match",
                             path);
}

/* ---- 3 loading ---- */

static cn_status load_moments(const struct cn_fly_set *set, const char *expected,
                              struct cn_fly_data *out, struct cn_err *err)
{
    struct cn_buf bytes;
    char hash[CN_HASH_TEXT];
    size_t n = (size_t)out->graph.n, size = n * sizeof(float);
    char *path = cn_file_join(set->dir, CN_FLY_SET_MOMENTS);
    cn_buf_init(&bytes, CN_CAP_FILE);
    cn_status st = path ? cn_file_read(path, CN_CAP_FILE, &bytes, err)
                        : cn_err_set(err, CN_ENOMEM, "%s: no memory", set->dir);
    if (st == CN_ENOTFOUND ||
        (st == CN_OK && (bytes.len != 2 * size ||
                         strcmp(cn_hash_hex(bytes.data, bytes.len, hash), expected) != 0)))
        st = cn_err_set(err, CN_ECORRUPT, "%s: missing, or not what the header promises", path);
    if (st == CN_OK) {
        out->mu = cn_alloc(n, sizeof *out->mu);
        out->sigma = cn_alloc(n, sizeof *out->sigma);
        if (!out->mu || !out->sigma)
            st = cn_err_set(err, CN_ENOMEM, "%s: no memory", path);
    }
    if (st == CN_OK) {
        memcpy(out->mu, bytes.data, size);
        memcpy(out->sigma, bytes.data + size, size);
    }
    cn_buf_clear(&bytes);
    cn_free(path);
    return st;
}

static cn_status map_array(const struct cn_fly_set *set, cn_fly_set_array a,
                           struct cn_fly_data *out, struct cn_err *err)
{
    int64_t bytes = cn_fly_set_array_bytes(set->sim, &out->graph, a);
    if (bytes == 0)
        return CN_OK;
    char *path = cn_file_join(set->dir, cn_fly_set_array_name(a));
    cn_status st = path ? CN_OK : cn_err_set(err, CN_ENOMEM, "%s: no memory", set->dir);
    if (st == CN_OK && cn_file_size(path) != bytes)
        st = cn_err_set(err, CN_ECORRUPT, "%s: %lld bytes, wants %lld", path,
                        (long long)cn_file_size(path), (long long)bytes);
    if (st == CN_OK)
        st = cn_file_map(path, &out->map[a], err);
    cn_free(path);
    return st;
}

static void point_splits(const struct cn_fly_simulation *sim, struct cn_fly_data *d)
{
    d->train.frames = sim->n_frames;
    d->train.voltage = d->map[CN_FLY_VOLTAGE_TRAIN].data;
    d->train.stimulus = d->map[CN_FLY_STIMULUS_TRAIN].data;
    d->train.noise = d->map[CN_FLY_NOISE_TRAIN].data;
    d->test.frames = sim->n_test_frames;
    d->test.voltage = d->map[CN_FLY_VOLTAGE_TEST].data;
    d->test.stimulus = d->map[CN_FLY_STIMULUS_TEST].data;
    d->test.noise = NULL;
    d->delta_t = sim->delta_t;
    d->variant = sim->variant;
    d->smoothing_window = sim->derivative_smoothing_window;
}

/* The copy of the connectome inside the set; a broken one is damage, whatever the reader called
 * it. */
static cn_status load_graph(const struct cn_fly_set *set, struct cn_fly_graph *out,
                            struct cn_err *err)
{
    char *dir = cn_file_join(set->dir, CN_FLY_SET_CONNECTOME);
    cn_status st = dir ? cn_fly_connectome_open(dir, set->sim->extent, out, err)
                       : cn_err_set(err, CN_ENOMEM, "%s: no memory", set->dir);
    if (st == CN_ENOTFOUND || st == CN_EINPUT)
        st = cn_err_set(err, CN_ECORRUPT, "%s: missing or damaged", dir);
    cn_free(dir);
    return st;
}

/* With the lock held. CN_ENOTFOUND and CN_ECORRUPT mean: make it. */
static cn_status load(const struct cn_fly_set *set, struct cn_fly_data *out, struct cn_err *err)
{
    char moments[CN_HASH_TEXT];
    char *path = cn_file_join(set->dir, CN_FLY_SET_HEADER);
    cn_status st = path ? read_header(set, path, &out->xnorm, moments, err)
                        : cn_err_set(err, CN_ENOMEM, "%s: no memory", set->dir);
    if (st == CN_OK)
        st = load_graph(set, &out->graph, err);
    if (st == CN_OK)
        st = load_moments(set, moments, out, err);
    for (int a = 0; a < CN_FLY_SET_ARRAYS && st == CN_OK; a++)
        st = map_array(set, (cn_fly_set_array)a, out, err);
    if (st == CN_OK)
        st = cn_fly_set_variant(set->sim, out->graph.n_types, &out->gain, &out->s, err);
    if (st == CN_OK)
        st = cn_fly_set_mark(set, out, err);
    if (st == CN_OK) {
        point_splits(set->sim, out);
        cn_text_copy(out->key, sizeof out->key, set->key);
        /* "used now", for eviction; failing only ages it. */
        (void)utimensat(AT_FDCWD, path, NULL, 0);
    }
    cn_free(path);
    if (st != CN_OK)
        cn_fly_data_clear(out);
    return st;
}

/* ---- 4 entry points ---- */

cn_status cn_fly_dataset_key(const struct cn_fly_simulation *sim, char out[CN_HASH_TEXT],
                             struct cn_err *err)
{
    struct cn_fly_set set;
    out[0] = 0;
    cn_status st = set_init(&set, sim, NULL, err);
    if (st == CN_OK)
        cn_hash_hex(set.settings.data, set.settings.len, out);
    set_clear(&set);
    return st;
}

cn_status cn_fly_dataset_graph(const struct cn_fly_simulation *sim, struct cn_fly_graph *out,
                               struct cn_err *err)
{
    memset(out, 0, sizeof *out);
    cn_status st = check_settings(sim, err);
    if (st != CN_OK)
        return st;
    if (is_synthetic(sim))
        return cn_fly_synthetic_open(sim->n_types, sim->connectome_seed, sim->extent, out, err);
    return cn_fly_connectome_open(sim->connectome, sim->extent, out, err);
}

static cn_status take_lock(const struct cn_fly_set *set, int *out_fd, struct cn_err *err)
{
    cn_status st = cn_file_lock(set->lock_path, 0, out_fd, err);
    if (st != CN_ELOCKED || set->opts->wait_ms == 0)
        return st;
    cn_fly_set_say(set, "waiting: another process works on data set %s", set->dir);
    return cn_file_lock(set->lock_path, set->opts->wait_ms, out_fd, err);
}

static cn_status load_or_make(const struct cn_fly_set *set, struct cn_fly_data *out,
                              struct cn_err *err)
{
    struct cn_err local = CN_ERR_INIT;
    cn_status st = load(set, out, &local);
    if (st == CN_ECORRUPT)
        cn_fly_set_say(set, "%s; the data set is made again", local.text);
    else if (st != CN_ENOTFOUND)
        return st == CN_OK ? CN_OK : cn_err_set(err, st, "%s", local.text);
    st = cn_fly_set_make(set, err);
    return st == CN_OK ? load(set, out, err) : st;
}

cn_status cn_fly_dataset_open(const struct cn_fly_simulation *sim,
                              const struct cn_fly_dataset_opts *o, struct cn_fly_data *out,
                              struct cn_err *err)
{
    struct cn_fly_set set;
    int fd = -1;
    memset(out, 0, sizeof *out);
    cn_status st = set_init(&set, sim, o, err);
    if (st == CN_OK)
        st = cn_file_mkdirs(o->cache_dir, err);
    if (st == CN_OK)
        st = take_lock(&set, &fd, err);
    if (st == CN_OK) {
        st = load_or_make(&set, out, err);
        cn_file_unlock(fd);
    }
    set_clear(&set);
    return st;
}

void cn_fly_data_clear(struct cn_fly_data *d)
{
    for (size_t a = 0; a < sizeof d->map / sizeof d->map[0]; a++)
        cn_file_unmap(&d->map[a]);
    cn_free(d->mu);
    cn_free(d->sigma);
    cn_free(d->gain);
    cn_free(d->s);
    cn_fly_graph_clear(&d->graph);
    if (d->use_path) {
        (void)unlink(d->use_path);
        cn_file_unlock(d->use_fd);
        cn_free(d->use_path);
    }
    memset(d, 0, sizeof *d);
}
