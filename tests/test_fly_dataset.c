/* Data sets: content, keys, sharing between processes, damage, death of the maker, eviction. */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/text.h"
#include "tests/support/scratch.h"
#include "trainer/fly/dataset.h"
#include "trainer/fly/simulate.h"
#include "trainer/fly/synthetic.h"

/* What the callbacks saw. */
struct seen {
    int made;        /* progress calls */
    int lines;       /* said lines */
    char last[2048]; /* the last of them */
    int64_t stop_at, kill_at;
};

static struct scratch scratch;
static struct seen seen;

static bool progress(void *ctx, const char *what, int64_t done, int64_t total)
{
    struct seen *s = ctx;

    (void)what;
    (void)total;
    s->made++;
    if (s->kill_at && done >= s->kill_at)
        (void)raise(SIGKILL);
    return !s->stop_at || done < s->stop_at;
}

static void say(void *ctx, const char *line)
{
    struct seen *s = ctx;

    s->lines++;
    cn_text_format(s->last, sizeof s->last, "%.2000s", line);
}

static void load(void)
{
    scratch_init(&scratch);
    memset(&seen, 0, sizeof seen);
}

static void drop(void)
{
    scratch_clear(&scratch);
}

TestSuite(fly_dataset, .init = load, .fini = drop, .timeout = 60);

static struct cn_fly_simulation small(void)
{
    struct cn_fly_simulation s = {.connectome = "synthetic",
                                  .extent = 1,
                                  .n_types = 12,
                                  .connectome_seed = 3,
                                  .n_frames = 300,
                                  .n_test_frames = 120,
                                  .delta_t = .02,
                                  .noise_model_level = .05,
                                  .derivative_smoothing_window = 1,
                                  .seed = 1000};

    return s;
}

static struct cn_fly_dataset_opts opts(void)
{
    struct cn_fly_dataset_opts o = CN_FLY_DATASET_OPTS_INIT;

    o.cache_dir = scratch_path(&scratch, "data");
    o.progress = progress;
    o.say = say;
    o.ctx = &seen;
    return o;
}

static void open_set(const struct cn_fly_simulation *sim, struct cn_fly_data *d)
{
    struct cn_fly_dataset_opts o = opts();
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_dataset_open(sim, &o, d, &err), CN_OK, "%s", err.text);
}

static size_t voltage_bytes(const struct cn_fly_data *d)
{
    return (size_t)(d->train.frames * d->graph.n) * sizeof(float);
}

/* <data>/<key>/<name> */
static const char *inside(const char *key, const char *name)
{
    char path[256];

    cn_text_format(path, sizeof path, "data/%s/%s", key, name);
    return scratch_path(&scratch, path);
}

/* ---- content ---- */

Test(fly_dataset, a_set_is_made_once_and_opened_after_that)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_data a, b;
    char key[CN_HASH_TEXT];

    open_set(&sim, &a);
    cr_assert_gt(seen.made, 0);
    seen.made = 0;
    open_set(&sim, &b);
    cr_assert_eq(seen.made, 0);
    cr_assert_eq(seen.lines, 0, "%s", seen.last);
    cr_assert_arr_eq(a.train.voltage, b.train.voltage, voltage_bytes(&a));
    cr_assert_eq(a.xnorm, b.xnorm);
    cr_assert_eq(cn_fly_dataset_key(&sim, key, NULL), CN_OK);
    cr_assert_str_eq(a.key, key);
    cr_assert(a.graph.n == 84 && a.train.frames == 300 && a.test.frames == 120);
    cn_fly_data_clear(&a);
    cn_fly_data_clear(&b);
}

Test(fly_dataset, clearing_gives_everything_back)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_data d;
    char **names;
    int n;
    int64_t live = cn_alloc_live();

    open_set(&sim, &d);
    cn_fly_data_clear(&d);
    cr_assert_eq(cn_alloc_live(), live);
    cr_assert_eq(cn_file_list(scratch_path(&scratch, "data"), &names, &n, NULL), CN_OK);
    cr_assert_eq(n, 2, "the set and its lock");
    cn_file_list_free(names, n);
    cn_fly_data_clear(&d); /* of a cleared one: nothing */
}

/* Without noise the stored voltage itself must advance by dt times the target. */
Test(fly_dataset, noise_free_voltages_advance_by_their_targets)
{
    for (int variant = CN_SIM_PLAIN; variant <= CN_SIM_NULL; variant++) {
        struct cn_fly_simulation sim = small();
        struct cn_fly_data d;
        struct cn_fly_target *t;
        float y[84];
        sim.noise_model_level = 0;
        sim.variant = (cn_fly_variant)variant;
        open_set(&sim, &d);
        cr_assert_eq(cn_fly_target_new(&d, 1, NULL, &t, NULL), CN_OK);
        for (int64_t f = 0; f + 1 < d.train.frames; f += 13) {
            const float *v = d.train.voltage + f * 84;
            cn_fly_data_target(t, CN_FLY_TRAIN, f, y);
            for (int i = 0; i < 84; i++)
                cr_assert_float_eq(v[84 + i], v[i] + .02F * y[i], 1e-5,
                                   "variant %d frame %d neuron %d", variant, (int)f, i);
        }
        cn_fly_target_free(t);
        cn_fly_data_clear(&d);
    }
}

Test(fly_dataset, process_noise_has_the_asked_level)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_data d;
    struct cn_fly_target *t;
    float y[84];
    double square = 0;
    int64_t n = 0;

    sim.noise_model_level = .3;
    open_set(&sim, &d);
    cr_assert_eq(cn_fly_target_new(&d, 1, NULL, &t, NULL), CN_OK);
    for (int64_t f = 0; f + 1 < d.train.frames; f++) {
        cn_fly_data_target(t, CN_FLY_TRAIN, f, y);
        for (int i = 0; i < 84; i++, n++) {
            double xi = (double)(d.train.voltage[(f + 1) * 84 + i] -
                                 d.train.voltage[f * 84 + i] - .02F * y[i]);
            square += xi * xi;
        }
    }
    cr_assert_float_eq(sqrt(square / (double)n), .3, .01);
    cn_fly_target_free(t);
    cn_fly_data_clear(&d);
}

Test(fly_dataset, the_test_split_is_clean_starts_at_rest_and_sees_other_scenes)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_data d;
    struct cn_fly_target *t;
    float y[84];

    sim.noise_model_level = .5;
    sim.measurement_noise_level = .1;
    open_set(&sim, &d);
    cr_assert_not_null(d.train.noise);
    cr_assert_null(d.test.noise);
    cr_assert_arr_eq(d.test.voltage, d.train.voltage, 84 * sizeof(float),
                     "both start at the steady state");
    cr_assert_arr_neq(d.test.stimulus, d.train.stimulus, 7 * sizeof(float));
    cr_assert_eq(cn_fly_target_new(&d, 1, NULL, &t, NULL), CN_OK);
    cn_fly_data_target(t, CN_FLY_TEST, 50, y);
    for (int i = 0; i < 84; i++)
        cr_assert_float_eq(d.test.voltage[51 * 84 + i],
                           d.test.voltage[50 * 84 + i] + .02F * y[i], 1e-5);
    cn_fly_target_free(t);
    cn_fly_data_clear(&d);
}

Test(fly_dataset, measurement_noise_has_its_level_and_leaves_the_voltage_alone)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_data clean, noisy;
    double square = 0;
    int64_t n = 300 * 84;

    open_set(&sim, &clean);
    sim.measurement_noise_level = .04;
    open_set(&sim, &noisy);
    cr_assert_arr_eq(clean.train.voltage, noisy.train.voltage, voltage_bytes(&clean));
    for (int64_t k = 0; k < n; k++)
        square += (double)noisy.train.noise[k] * (double)noisy.train.noise[k];
    cr_assert_float_eq(sqrt(square / (double)n), .04, .001);
    cn_fly_data_clear(&clean);
    cn_fly_data_clear(&noisy);
}

Test(fly_dataset, moments_are_those_of_the_stored_voltage)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_data d;
    double all = 0, all_square = 0;
    const int64_t T = 300, N = 84;

    open_set(&sim, &d);
    for (int64_t k = 0; k < T * N; k++)
        all += (double)d.train.voltage[k] / (double)(T * N);
    for (int64_t i = 0; i < N; i++) {
        double mean = 0, square = 0;
        for (int64_t t = 0; t < T; t++)
            mean += (double)d.train.voltage[t * N + i] / (double)T;
        for (int64_t t = 0; t < T; t++) {
            double x = (double)d.train.voltage[t * N + i];
            square += (x - mean) * (x - mean);
            all_square += (x - all) * (x - all);
        }
        cr_assert_float_eq(d.mu[i], mean, 1e-6);
        cr_assert_float_eq(d.sigma[i], sqrt(square / (double)(T - 1)), 1e-6);
    }
    cr_assert_float_eq(d.xnorm, 1.5 * sqrt(all_square / (double)(T * N - 1)), 1e-9);
    cn_fly_data_clear(&d);
}

Test(fly_dataset, initial_state_starts_every_scene_at_rest)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_data d;
    int at_rest = 0;

    sim.simulation_initial_state = true;
    open_set(&sim, &d);
    for (int64_t t = 1; t < 300; t++)
        at_rest += memcmp(d.train.voltage + t * 84, d.train.voltage, 84 * sizeof(float)) == 0;
    cr_assert(at_rest >= 3 && at_rest <= 5, "%d scenes begin in 300 frames", at_rest);
    cn_fly_data_clear(&d);
}

/* Enough edges for several row chunks. */
Test(fly_dataset, threads_do_not_change_a_bit)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_data a, b;
    struct cn_fly_dataset_opts o = opts();
    struct cn_pool *pool = cn_pool_new(3);

    sim.extent = 8;
    sim.n_types = 16;
    sim.n_frames = 60;
    open_set(&sim, &a);
    o.cache_dir = scratch_path(&scratch, "other");
    o.pool = pool;
    cr_assert_eq(cn_fly_dataset_open(&sim, &o, &b, NULL), CN_OK);
    cr_assert_gt(a.graph.e, 40000);
    cr_assert_arr_eq(a.train.voltage, b.train.voltage, voltage_bytes(&a));
    cr_assert_arr_eq(a.mu, b.mu, (size_t)a.graph.n * sizeof(float));
    cn_fly_data_clear(&a);
    cn_fly_data_clear(&b);
    cn_pool_free(pool);
}

/* ---- keys and settings ---- */

Test(fly_dataset, every_setting_that_shapes_the_numbers_changes_the_key)
{
    struct cn_fly_simulation base = small(), s[13];
    char key[14][CN_HASH_TEXT];

    for (int k = 0; k < 13; k++)
        s[k] = base;
    s[0].extent = 2;
    s[1].n_types = 13;
    s[2].connectome_seed = 4;
    s[3].n_frames = 301;
    s[4].n_test_frames = 121;
    s[5].delta_t = .01;
    s[6].noise_model_level = .5;
    s[7].measurement_noise_level = .1;
    s[8].simulation_initial_state = true;
    s[9].stimulus = CN_STIM_FLASH;
    s[10].variant = CN_SIM_TANH;
    s[11].seed = 1001;
    s[12].derivative_smoothing_window = 3; /* shapes the targets, which are not stored */
    for (int k = 0; k < 13; k++)
        cr_assert_eq(cn_fly_dataset_key(&s[k], key[k], NULL), CN_OK);
    cr_assert_eq(cn_fly_dataset_key(&base, key[13], NULL), CN_OK);
    cr_assert_str_eq(key[12], key[13]);
    for (int k = 0; k < 12; k++) {
        for (int j = k + 1; j < 13; j++)
            cr_assert_str_neq(key[k], key[j], "settings %d and %d", k, j);
    }
}

Test(fly_dataset, an_imported_connectome_is_known_by_its_content)
{
    struct cn_fly_simulation sim = small();
    char a[CN_HASH_TEXT], b[CN_HASH_TEXT];
    struct cn_fly_data d;

    cr_assert_eq(cn_fly_synthetic_export(12, 3, scratch_path(&scratch, "net1"), NULL), CN_OK);
    cr_assert_eq(cn_fly_synthetic_export(12, 3, scratch_path(&scratch, "net2"), NULL), CN_OK);
    cn_text_copy(sim.connectome, sizeof sim.connectome, scratch_path(&scratch, "net1"));
    cr_assert_eq(cn_fly_dataset_key(&sim, a, NULL), CN_OK);
    sim.n_types = 99; /* of no meaning here */
    cr_assert_eq(cn_fly_dataset_key(&sim, b, NULL), CN_OK);
    cr_assert_str_eq(a, b);
    cn_text_copy(sim.connectome, sizeof sim.connectome, scratch_path(&scratch, "net2"));
    cr_assert_eq(cn_fly_dataset_key(&sim, b, NULL), CN_OK);
    cr_assert_str_eq(a, b);
    open_set(&sim, &d);
    cr_assert_eq(d.graph.n, 84);
    cn_fly_data_clear(&d);
}

Test(fly_dataset, bad_settings_are_named)
{
    struct cn_fly_simulation base = small(), s;
    char key[CN_HASH_TEXT];
    struct cn_err err = CN_ERR_INIT;

#define EXPECT_BAD(field, value, status, words)                    \
    do {                                                           \
        s = base;                                                  \
        s.field = (value);                                         \
        cr_assert_eq(cn_fly_dataset_key(&s, key, &err), (status)); \
        cr_assert(strstr(err.text, words), "%s", err.text);        \
    } while (0)
    EXPECT_BAD(extent, 0, CN_EINPUT, "simulation.extent = 0");
    EXPECT_BAD(n_frames, 1, CN_EINPUT, "simulation.n_frames = 1");
    EXPECT_BAD(n_test_frames, 0, CN_EINPUT, "simulation.n_test_frames = 0");
    EXPECT_BAD(delta_t, 0, CN_EINPUT, "simulation.delta_t = 0");
    EXPECT_BAD(noise_model_level, -1, CN_EINPUT, "simulation.noise_model_level = -1");
    EXPECT_BAD(noise_model_level, (double)NAN, CN_EINPUT, "simulation.noise_model_level = nan");
    EXPECT_BAD(derivative_smoothing_window, 4, CN_EINPUT, "odd");
    s = base;
    cn_text_copy(s.connectome, sizeof s.connectome, "/no/such/folder");
    cr_assert_eq(cn_fly_dataset_key(&s, key, &err), CN_ENOTFOUND);
    cr_assert(strstr(err.text, "/no/such/folder"), "%s", err.text);
    struct cn_fly_dataset_opts o = opts();
    struct cn_fly_data d;
    s = base;
    s.n_types = 40;
    cr_assert_eq(cn_fly_dataset_open(&s, &o, &d, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "simulation.n_types = 40"), "%s", err.text);
}

/* ---- processes ---- */

/* In a child: open the set; exit code 1 + 2 * (made it) when it opened. */
static pid_t open_in_child(const struct cn_fly_simulation *sim, int crash_after)
{
    pid_t pid = fork();

    cr_assert_geq(pid, 0);
    if (pid == 0) {
        struct cn_fly_dataset_opts o = opts();
        struct cn_fly_data d;
        if (crash_after)
            cn_file_crash_after(crash_after);
        cn_status st = cn_fly_dataset_open(sim, &o, &d, NULL);
        cn_fly_data_clear(&d);
        _exit(st == CN_OK ? 1 + 2 * (seen.made > 0) : 100);
    }
    return pid;
}

Test(fly_dataset, of_many_processes_one_makes_the_set_and_all_open_it)
{
    enum { CHILDREN = 5 };
    struct cn_fly_simulation sim = small();
    pid_t pid[CHILDREN];
    int made = 0;

    for (int k = 0; k < CHILDREN; k++)
        pid[k] = open_in_child(&sim, 0);
    for (int k = 0; k < CHILDREN; k++) {
        int status = 0;
        cr_assert_eq(waitpid(pid[k], &status, 0), pid[k]);
        cr_assert(WIFEXITED(status) && (WEXITSTATUS(status) & 1), "child %d: %x", k, status);
        made += WEXITSTATUS(status) == 3;
    }
    cr_assert_eq(made, 1, "made %d times", made);
}

Test(fly_dataset, a_lock_that_is_not_waited_for_comes_back_as_locked)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_dataset_opts o = opts();
    struct cn_fly_data d;
    char key[CN_HASH_TEXT], name[CN_HASH_TEXT + 16];
    int fd;

    cr_assert_eq(cn_fly_dataset_key(&sim, key, NULL), CN_OK);
    cr_assert_eq(cn_file_mkdirs(o.cache_dir, NULL), CN_OK);
    cn_text_format(name, sizeof name, "data/%s.lock", key);
    cr_assert_eq(cn_file_lock(scratch_path(&scratch, name), 0, &fd, NULL), CN_OK);
    o.wait_ms = 0;
    cr_assert_eq(cn_fly_dataset_open(&sim, &o, &d, NULL), CN_ELOCKED);
    o.wait_ms = 50;
    cr_assert_eq(cn_fly_dataset_open(&sim, &o, &d, NULL), CN_ELOCKED);
    cr_assert(strstr(seen.last, "waiting"), "%s", seen.last);
    cn_file_unlock(fd);
}

static void expect_as_fresh(const struct cn_fly_simulation *sim)
{
    struct cn_fly_data d, fresh;
    struct cn_fly_dataset_opts o = opts();

    open_set(sim, &d);
    o.cache_dir = scratch_path(&scratch, "fresh");
    cr_assert_eq(cn_fly_dataset_open(sim, &o, &fresh, NULL), CN_OK);
    cr_assert_arr_eq(d.train.voltage, fresh.train.voltage, voltage_bytes(&d));
    cr_assert_eq(d.xnorm, fresh.xnorm);
    cn_fly_data_clear(&d);
    cn_fly_data_clear(&fresh);
}

Test(fly_dataset, a_maker_killed_between_frames_leaves_nothing_that_is_believed)
{
    struct cn_fly_simulation sim = small();
    char key[CN_HASH_TEXT];
    int status = 0;

    seen.kill_at = 300;
    pid_t pid = open_in_child(&sim, 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    seen.kill_at = 0;
    cr_assert_eq(cn_fly_dataset_key(&sim, key, NULL), CN_OK);
    cr_assert(cn_file_is_dir(inside(key, "")), "the half set is there");
    cr_assert_not(cn_file_exists(inside(key, "header.json")));
    expect_as_fresh(&sim);
}

Test(fly_dataset, a_maker_killed_at_any_durable_step_leaves_nothing_that_is_believed)
{
    struct cn_fly_simulation sim = small();
    bool finished = false;

    for (int k = 1; k < 20 && !finished; k++) {
        int status = 0;
        pid_t pid = open_in_child(&sim, k);
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        finished = WIFEXITED(status) && WEXITSTATUS(status) == 3;
        expect_as_fresh(&sim);
        cr_assert_eq(cn_file_remove_tree(scratch_path(&scratch, "data"), NULL), CN_OK);
    }
    cr_assert(finished);
}

/* ---- damage ---- */

static void cut_file(const char *path, int64_t bytes)
{
    cr_assert_eq(truncate(path, bytes), 0, "%s", path);
}

static void flip_byte(const char *path, long at)
{
    unsigned char c = 0;
    int fd = open(path, O_RDWR | O_CLOEXEC);

    cr_assert(fd >= 0 && pread(fd, &c, 1, at) == 1);
    c ^= 1;
    cr_assert_eq(pwrite(fd, &c, 1, at), 1);
    cr_assert_eq(close(fd), 0);
}

static void expect_remade(const struct cn_fly_simulation *sim, const char *words)
{
    seen.made = seen.lines = 0;
    expect_as_fresh(sim);
    cr_assert_gt(seen.made, 0, "damaged %s was believed", words);
    cr_assert(strstr(seen.last, words) && strstr(seen.last, "made again"), "%s", seen.last);
}

Test(fly_dataset, damage_is_said_and_made_good)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_data d;
    char key[CN_HASH_TEXT];

    open_set(&sim, &d);
    cn_text_copy(key, sizeof key, d.key);
    cn_fly_data_clear(&d);
    expect_as_fresh(&sim);
    cut_file(inside(key, "header.json"), 100);
    expect_remade(&sim, "header.json");
    cut_file(inside(key, "header.json"), 0);
    expect_remade(&sim, "header.json");
    cut_file(inside(key, "voltage_train.f32"), 1000);
    expect_remade(&sim, "voltage_train.f32");
    cut_file(inside(key, "stimulus_test.f32"), 4);
    expect_remade(&sim, "stimulus_test.f32");
    flip_byte(inside(key, "moments.f32"), 17);
    expect_remade(&sim, "moments.f32");
    flip_byte(inside(key, "connectome/params.json"), 20);
    expect_remade(&sim, "connectome");
    cr_assert_eq(unlink(inside(key, "voltage_test.f32")), 0);
    expect_remade(&sim, "voltage_test.f32");
}

/* No single changed byte of the header that changes what it says goes unnoticed. */
Test(fly_dataset, no_flipped_byte_of_a_header_changes_what_is_read)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_data d;
    struct cn_buf good;
    char key[CN_HASH_TEXT];
    double xnorm;

    open_set(&sim, &d);
    cn_text_copy(key, sizeof key, d.key);
    xnorm = d.xnorm;
    cn_fly_data_clear(&d);
    cn_buf_init(&good, CN_CAP_RECORD);
    cr_assert_eq(cn_file_read(inside(key, "header.json"), CN_CAP_RECORD, &good, NULL), CN_OK);
    sim.n_frames = 300;
    for (size_t at = 0; at < good.len; at += 23) {
        cr_assert_eq(cn_file_replace(inside(key, "header.json"), good.data, good.len, NULL),
                     CN_OK);
        flip_byte(inside(key, "header.json"), (long)at);
        open_set(&sim, &d);
        cr_assert_eq(d.xnorm, xnorm, "byte %zu", at);
        cn_fly_data_clear(&d);
    }
    cn_buf_clear(&good);
}

Test(fly_dataset, a_stop_removes_what_was_begun)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_dataset_opts o = opts();
    struct cn_fly_data d;
    struct cn_err err = CN_ERR_INIT;
    char key[CN_HASH_TEXT];

    seen.stop_at = 300;
    cr_assert_eq(cn_fly_dataset_open(&sim, &o, &d, &err), CN_ESTOPPED);
    cr_assert(strstr(err.text, "frame"), "%s", err.text);
    cr_assert_eq(cn_fly_dataset_key(&sim, key, NULL), CN_OK);
    cr_assert_not(cn_file_exists(inside(key, "")));
    seen.stop_at = 0;
    expect_as_fresh(&sim);
}

Test(fly_dataset, a_disk_that_takes_no_more_is_an_error_and_leaves_nothing)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_dataset_opts o = opts();
    struct cn_fly_data d;
    struct cn_err err = CN_ERR_INIT;
    struct rlimit small_files = {50000, RLIM_INFINITY}, all = {RLIM_INFINITY, RLIM_INFINITY};
    char key[CN_HASH_TEXT];

    (void)signal(SIGXFSZ, SIG_IGN);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &small_files), 0);
    cn_status st = cn_fly_dataset_open(&sim, &o, &d, &err);
    cr_assert_eq(setrlimit(RLIMIT_FSIZE, &all), 0);
    cr_assert(st == CN_EIO && strstr(err.text, "voltage_train.f32"), "%s", err.text);
    cr_assert_eq(cn_fly_dataset_key(&sim, key, NULL), CN_OK);
    cr_assert_not(cn_file_exists(inside(key, "")));
}

Test(fly_dataset, every_failed_allocation_of_an_open_comes_back_as_no_memory)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_dataset_opts o = opts();
    struct cn_fly_data d;
    cn_status st = CN_ENOMEM;

    open_set(&sim, &d);
    cn_fly_data_clear(&d);
    int64_t live = cn_alloc_live();
    seen.made = 0;
    for (int64_t nth = 1; st != CN_OK; nth++) {
        cn_alloc_fail_nth(nth);
        st = cn_fly_dataset_open(&sim, &o, &d, NULL);
        cn_alloc_fail_nth(0);
        cr_assert(st == CN_OK || st == CN_ENOMEM, "allocation %d: %s", (int)nth,
                  cn_status_name(st));
        cr_assert_eq(seen.made, 0, "want of memory is not damage (allocation %d)", (int)nth);
        cn_fly_data_clear(&d);
        cr_assert_eq(cn_alloc_live(), live, "allocation %d", (int)nth);
        cr_assert_lt(nth, 100000);
    }
}

/* ---- eviction ---- */

/* Make a set of this seed and pretend it was last opened `age` seconds ago. */
static void make_aged(uint64_t seed, int age, char key[CN_HASH_TEXT])
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_data d;
    struct timespec when[2];

    sim.seed = seed;
    open_set(&sim, &d);
    cn_text_copy(key, CN_HASH_TEXT, d.key);
    cn_fly_data_clear(&d);
    cr_assert_eq(clock_gettime(CLOCK_REALTIME, &when[0]), 0);
    when[0].tv_sec -= age;
    when[1] = when[0];
    cr_assert_eq(utimensat(AT_FDCWD, inside(key, "header.json"), when, 0), 0);
}

static void open_within(uint64_t seed, int64_t budget, struct cn_fly_data *d)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_dataset_opts o = opts();
    struct cn_err err = CN_ERR_INIT;

    sim.seed = seed;
    o.budget_bytes = budget;
    cr_assert_eq(cn_fly_dataset_open(&sim, &o, d, &err), CN_OK, "%s", err.text);
}

Test(fly_dataset, the_least_recently_opened_set_goes_first)
{
    char key[3][CN_HASH_TEXT];
    struct cn_fly_data d;

    make_aged(1, 300, key[0]);
    make_aged(2, 500, key[1]);
    make_aged(3, 400, key[2]);
    int64_t one = cn_file_tree_size(inside(key[0], ""));
    open_within(2, 0, &d); /* opening makes the oldest the newest */
    cn_fly_data_clear(&d);
    open_within(4, 3 * one + one / 2, &d);
    cn_fly_data_clear(&d);
    cr_assert(cn_file_is_dir(inside(key[0], "")) && cn_file_is_dir(inside(key[1], "")));
    cr_assert_not(cn_file_exists(inside(key[2], "")), "400 s ago is now the oldest");
    cr_assert(strstr(seen.last, "evicted") && strstr(seen.last, key[2]), "%s", seen.last);
    cr_assert_leq(cn_file_tree_size(scratch_path(&scratch, "data")), 3 * one + one / 2);
}

Test(fly_dataset, a_set_that_is_open_is_never_evicted)
{
    char key[2][CN_HASH_TEXT];
    struct cn_fly_data held, d;

    make_aged(1, 100, key[0]);
    make_aged(2, 50, key[1]);
    int64_t one = cn_file_tree_size(inside(key[0], ""));
    open_within(1, 0, &held);
    make_aged(1, 1000, key[0]); /* the oldest again, but open */
    open_within(3, 2 * one + one / 2, &d);
    cr_assert(cn_file_is_dir(inside(key[0], "")));
    cr_assert_not(cn_file_exists(inside(key[1], "")));
    cn_fly_data_clear(&d);
    cn_fly_data_clear(&held);
    open_within(4, one + one / 2, &d);
    cr_assert_not(cn_file_exists(inside(key[0], "")), "closed now");
    cn_fly_data_clear(&d);
}

Test(fly_dataset, the_mark_of_a_dead_process_holds_nothing)
{
    char key[CN_HASH_TEXT], mark[CN_HASH_TEXT + 32];
    struct cn_fly_data d;

    make_aged(1, 100, key);
    int64_t one = cn_file_tree_size(inside(key, ""));
    cn_text_format(mark, sizeof mark, "data/%s.use.99999.1", key);
    scratch_file(&scratch, mark, "");
    open_within(2, one + one / 2, &d);
    cr_assert_not(cn_file_exists(inside(key, "")));
    cr_assert_not(cn_file_exists(scratch_path(&scratch, mark)));
    cn_fly_data_clear(&d);
}

Test(fly_dataset, a_set_larger_than_the_budget_is_refused_with_both_numbers)
{
    struct cn_fly_simulation sim = small();
    struct cn_fly_dataset_opts o = opts();
    struct cn_fly_data d;
    struct cn_err err = CN_ERR_INIT;

    o.budget_bytes = 1000;
    cr_assert_eq(cn_fly_dataset_open(&sim, &o, &d, &err), CN_ENOSPC);
    cr_assert(strstr(err.text, "1000") && strstr(err.text, "budget"), "%s", err.text);
}
