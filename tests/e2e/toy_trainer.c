/* A trainer for tests: obeys docs/TRAINER_CONTRACT.md in about ten milliseconds, or breaks it
 * on request.
 *
 *     toy_trainer run --config C --out DIR [--resume]
 *
 * The "training" is a smooth landscape over the config's keys, the same for the same config and
 * seeds:
 *
 *     score = exp(-d^2) - noise
 *
 * with d the distance of (lr, l1, gain, batch) from an optimum that moves with the simulation's
 * n_frames; lr above 0.05 diverges. tests/e2e/toy_describe.json describes it. With `toy.names: fly`
 * the same hill stands over the parameters of study fly and is called connectivity_R2; V_rest_R2
 * is a second one over the two stages: for runs of the shipped protocols.
 *
 * `toy.mode` picks another ending: crash, abort, hang, stubborn (hang and ignore SIGTERM),
 * garbage, no_result, flood, hog, grandchild, refuse, diverge, selfkill, nan. Mode curve reports
 * the score eight times on its way up and ends ok. `toy.sleep_ms` is how long it takes; `toy.ledger` names a file that gets one line per start and per success, so
 * a test can count trainings.
 */
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/text.h"
#include "base/yaml.h"

struct toy {
    const char *config, *out;
    double lr, l1, gain, batch, frames, sleep_ms;
    double joint, slow; /* of two stages; names fly only */
    bool fly;
    char mode[32], ledger[1024];
    int64_t sim_seed, train_seed;
};

static volatile sig_atomic_t asked_to_stop;

static void on_term(int sig)
{
    (void)sig;
    asked_to_stop = 1;
}

static double number(const struct cn_yaml *y, const char *path, double fallback)
{
    double v;

    return cn_yaml_number(cn_yaml_path(cn_yaml_root(y), path), &v) ? v : fallback;
}

static void text(const struct cn_yaml *y, const char *path, const char *fallback, char *out,
                 size_t room)
{
    const char *s = cn_yaml_string(cn_yaml_path(cn_yaml_root(y), path));

    cn_text_copy(out, room, s ? s : fallback);
}

/* The hill over the parameters of study fly. */
static void read_fly(struct toy *t, const struct cn_yaml *y)
{
    t->lr = 10 * number(y, "training.lr_W", 1e-4);
    t->l1 = number(y, "training.coeff_W_L1", 0);
    t->gain = number(y, "training.coeff_g_phi_norm", 0);
    t->frames = number(y, "simulation.n_frames", 1000) / 64;
    t->joint = number(y, "training.alternate_joint_ratio", 0.4);
    t->slow = number(y, "training.alternate_lr_ratio", 0.1);
}

static cn_status read_config(struct toy *t, struct cn_err *err)
{
    struct cn_yaml *y;
    char names[32];
    cn_status st = cn_yaml_read(t->config, &y, err);

    if (st != CN_OK)
        return st;
    t->lr = number(y, "training.lr", 1e-3);
    t->l1 = number(y, "training.coeff_l1", 1e-4);
    t->gain = number(y, "training.gain", 0.5);
    t->batch = number(y, "training.batch_size", 1);
    t->frames = number(y, "simulation.n_frames", 1000);
    text(y, "toy.names", "", names, sizeof names);
    t->fly = strcmp(names, "fly") == 0;
    if (t->fly)
        read_fly(t, y);
    t->sleep_ms = number(y, "toy.sleep_ms", 0);
    text(y, "toy.mode", "ok", t->mode, sizeof t->mode);
    text(y, "toy.ledger", "", t->ledger, sizeof t->ledger);
    t->sim_seed = (int64_t)number(y, "simulation.seed", 0);
    t->train_seed = (int64_t)number(y, "training.seed", 0);
    cn_yaml_free(y);
    return CN_OK;
}

/* One line per start and per success: O_APPEND writes of one line do not mix. */
static void note(const struct toy *t, const char *what)
{
    char line[1200];
    int n, fd;

    if (!t->ledger[0])
        return;
    n = snprintf(line, sizeof line, "%s %s %ld\n", what, t->out, (long)getpid());
    fd = open(t->ledger, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0 || write(fd, line, (size_t)n) != n)
        perror("toy_trainer: ledger");
    if (fd >= 0)
        (void)close(fd);
}

/* Sleep in small steps; true when SIGTERM came. */
static bool work(double ms)
{
    while (ms > 0 && !asked_to_stop) {
        double step = ms < 5 ? ms : 5;

        cn_clock_sleep_ms((int64_t)step > 0 ? (int64_t)step : 1);
        ms -= step;
    }
    return asked_to_stop;
}

static double score(const struct toy *t)
{
    double best_lr = -2.2 + 0.3 * log10(t->frames / 1000.0);
    double a = (log10(t->lr) - best_lr) / 1.5, b = (log10(t->l1 + 1e-8) + 5) / 3,
           c = (t->gain - 0.8) / 0.6;
    double d = log2(t->batch) / 4;
    struct cn_rng r;

    cn_rng_init(&r, (uint64_t)t->train_seed * 1000003u + (uint64_t)t->sim_seed, 7);
    return exp(-(a * a + b * b + c * c + d * d)) - 0.02 * cn_rng_uniform(&r);
}

static int write_file(const struct toy *t, const char *name, const char *bytes, size_t n)
{
    struct cn_err err = CN_ERR_INIT;
    char path[2048];

    cn_text_format(path, sizeof path, "%s/%s", t->out, name);
    if (cn_file_replace(path, bytes, n, &err) == CN_OK)
        return 0;
    return cn_err_print(stderr, "toy_trainer", &err);
}

static void fly_metrics(const struct toy *t, double value, struct cn_json_writer *w)
{
    double a = (t->joint - 0.3) / 0.3, b = log10(t->slow) + 1.3, v = exp(-a * a - b * b);

    cn_json_add_double(w, "connectivity_R2", value);
    cn_json_add_double(w, "tau_R2", 0.5 + value / 2);
    cn_json_add_double(w, "V_rest_R2", value * v);
    cn_json_add_double(w, "test_R2", value);
    cn_json_add_double(w, "test_pearson", 0.5 + value / 2);
}

static int write_result(const struct toy *t, const char *status, double value, int code)
{
    struct cn_json_writer w;
    struct cn_buf b;
    int rc;

    cn_buf_init(&b, 65536);
    cn_json_begin(&w, &b, 2);
    cn_json_open(&w, NULL, '{');
    cn_json_add_int(&w, "contract", 1);
    cn_json_add_string(&w, "status", status);
    cn_json_open(&w, "metrics", '{');
    if (t->fly) {
        fly_metrics(t, value, &w);
    } else {
        cn_json_add_double(&w, "score", value);
        cn_json_add_double(&w, "loss", 1 - value);
    }
    cn_json_add_double(&w, "training_time_min", 0.25);
    cn_json_close(&w);
    cn_json_add_double(&w, "seconds", 0.01);
    cn_json_add_string(&w, "device", "cpu");
    cn_json_open(&w, "seeds", '{');
    cn_json_add_int(&w, "simulation", t->sim_seed);
    cn_json_add_int(&w, "training", t->train_seed);
    cn_json_close(&w);
    cn_json_add_string(&w, "message",
                       strcmp(status, "diverged") == 0 ? "the loss is not finite" : "");
    cn_json_close(&w);
    rc = write_file(t, "result.json", cn_buf_str(&b), b.len);
    cn_buf_clear(&b);
    return rc ? rc : code;
}

static void flood(void)
{
    char line[1024];

    memset(line, 'x', sizeof line);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 80 * 1024; i++) /* 80 MiB, more than the log keeps */
        if (fwrite(line, 1, sizeof line, stdout) != sizeof line)
            break;
    printf("the last words\n");
    (void)fflush(stdout);
}

static int hog(void)
{
    for (int i = 0; i < 4096;
         i++) { /* 64 MiB at a time, up to 256 GiB of address space, touched lightly */
        char *p = malloc((size_t)64 << 20);

        if (!p) {
            fprintf(stderr, "toy_trainer: out of memory after %d MiB\n", i * 64);
            return 4;
        }
        p[0] = 1;
    }
    return 1;
}

/* Eight reports of a score that rises to its end; false when SIGTERM came. */
static bool curve(const struct toy *t)
{
    char path[2048], line[256];

    cn_text_format(path, sizeof path, "%s/metrics.jsonl", t->out);
    for (int k = 1; k <= 8; k++) {
        int n = snprintf(line, sizeof line,
                         "{\"step\": %d, \"steps\": 8, \"phase\": \"train\"}\n", k);

        if (work(t->sleep_ms / 8))
            return false;
        (void)write_file(t, "progress.json", line, (size_t)n);
        n = snprintf(line, sizeof line, "{\"step\": %d, \"values\": {\"score\": %.9g}}\n", k,
                     score(t) * k / 8);
        if (cn_file_append(path, line, (size_t)n, NULL) != CN_OK)
            return false;
    }
    return true;
}

/* Leave somebody behind: a child in a session of its own that ignores SIGTERM. */
static void grandchild(void)
{
    if (fork() == 0) {
        (void)setsid();
        (void)signal(SIGTERM, SIG_IGN);
        cn_clock_sleep_ms(600 * 1000);
        _exit(0);
    }
}

/* The endings that do not come back as a result; -1: go on to an ordinary one. */
static int misbehave(struct toy *t)
{
    const char *m = t->mode;

    if (strcmp(m, "crash") == 0) {
        fprintf(stderr, "Traceback: ValueError: shapes do not match\n");
        return 1;
    }
    if (strcmp(m, "abort") == 0)
        abort();
    if (strcmp(m, "selfkill") == 0)
        (void)kill(getpid(), SIGKILL);
    if (strcmp(m, "stubborn") == 0)
        (void)signal(SIGTERM, SIG_IGN);
    if (strcmp(m, "hang") == 0 || strcmp(m, "stubborn") == 0)
        (void)work(3600 * 1000.0);
    if (strcmp(m, "garbage") == 0)
        return write_file(t, "result.json", "{\"contract\": 1, \"status\": ", 26);
    if (strcmp(m, "no_result") == 0)
        return 0;
    if (strcmp(m, "flood") == 0)
        flood();
    if (strcmp(m, "hog") == 0)
        return hog();
    if (strcmp(m, "grandchild") == 0)
        grandchild();
    if (strcmp(m, "refuse") == 0) {
        fprintf(stderr, "toy_trainer: %s: toy.mode: refuse: expected something else\n",
                t->config);
        return 2;
    }
    return -1;
}

/* Two trainings in one folder at the same time would be the harness's fault: say so in the
 * ledger. */
static void check_alone(const struct toy *t)
{
    char path[2048];
    int fd; /* held until we end, however we end */

    cn_text_format(path, sizeof path, "%s/toy.lock", t->out);
    if (cn_file_lock(path, 0, &fd, NULL) != CN_OK)
        note(t, "double");
}

static int run(struct toy *t)
{
    double value;
    int rc;

    note(t, "start");
    check_alone(t);
    if (write_file(t, "metrics.jsonl",
                   "{\"step\": 1, \"seconds\": 0.01, \"values\": {\"loss\": 0.3}}\n", 54) != 0)
        return 1;
    rc = misbehave(t);
    if (strcmp(t->mode, "curve") == 0 && !curve(t))
        return write_result(t, "stopped", (double)NAN, 5);
    if (rc < 0 && strcmp(t->mode, "curve") != 0 && (work(t->sleep_ms) || asked_to_stop))
        return write_result(t, "stopped", NAN, 5);
    if (rc >= 0)
        return rc;
    value = score(t);
    if (t->lr > 0.05 || strcmp(t->mode, "diverge") == 0)
        return write_result(t, "diverged", NAN, 3);
    printf("score %.6f\n", value);
    rc = write_result(t, "ok", strcmp(t->mode, "nan") == 0 ? (double)NAN : value, 0);
    if (rc == 0)
        note(t, "success");
    return rc;
}

int main(int argc, char **argv)
{
    struct cn_err err = CN_ERR_INIT;
    struct toy t;

    memset(&t, 0, sizeof t);
    (void)signal(SIGTERM, on_term);
    for (int i = 2; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--config") == 0)
            t.config = argv[i + 1];
        if (strcmp(argv[i], "--out") == 0)
            t.out = argv[i + 1];
    }
    if (argc < 2 || strcmp(argv[1], "run") != 0 || !t.config || !t.out) {
        fprintf(stderr, "usage: toy_trainer run --config C --out DIR\n");
        return 2;
    }
    if (read_config(&t, &err) != CN_OK)
        return cn_err_print(stderr, "toy_trainer", &err);
    return run(&t);
}
