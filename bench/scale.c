/* What a long run costs the harness: real processes on a synthetic run.
 *
 *     cn_bench_scale [--iterations 1000,10000,100000] [--more 60] [--dir D] [--json]
 *
 * For each length: make the run (scale_run.h), write its log (`cairn rebuild`, once), then time
 *
 *     status   `cairn status`, median of 5
 *     tree     `cairn tree --node N`, a node in the middle, median of 3
 *     log      `cairn log --last 3`, median of 3
 *     resume   `cairn resume` until the first training runs (a line in the toy trainer's ledger),
 *              after a clean end, and again after a kill -9 of the harness; of the latter also
 *              the processor time until then (a busy machine stretches the wall)
 *     turn     wall time of an iteration of that harness: --more of them on two slots, trainings of
 *              the toy trainer included, from the first training to the end
 *     rss      VmHWM of the harness at its end
 *     bytes    growth of run.db per iteration of those
 *
 * Files are in the page cache: "cold" is the process, not the disk. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"
#include "bench/scale_run.h"

enum { LENGTHS = 8, REPS = 5, STARTS_MS = 120000, RUN_MS = 600000 };

struct options {
    int64_t lengths[LENGTHS], more;
    int n;
    const char *dir; /* NULL: a temporary one, removed at the end */
    bool json;
};

struct result {
    int64_t n;
    double make_s, rebuild_s, status_ms, tree_ms, log_ms, resume_ms, killed_ms, cpu_ms, turn_ms;
    int64_t rss_kib, rebuild_rss_kib, status_rss_kib, db_bytes, log_bytes, bytes_per_iteration;
};

struct rig {
    char *dir, *run, *bin, *cairn, *ledger, *told; /* owned; told: what the harness said */
    struct cn_err err;
};

static double seconds_since(int64_t us)
{
    return (double)(cn_clock_mono_us() - us) / 1e6;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* ---- commands that end by themselves ---- */

static cn_status run_once(struct rig *r, const char *const *argv, double *out_ms,
                          int64_t *opt_rss)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct cn_proc_exit end;
    struct cn_buf words;
    int64_t began = cn_clock_mono_us();

    o.argv = argv;
    cn_buf_init(&words, CN_CAP_CAPTURE);
    cn_status st = cn_proc_run(&o, NULL, 0, RUN_MS, NULL, &words, &end, &r->err);
    *out_ms = 1e3 * seconds_since(began);
    if (opt_rss)
        *opt_rss = end.max_rss_kib;
    if (st == CN_OK && (!end.exited || end.code != 0))
        st = cn_err_set(&r->err, CN_EIO, "%s %s failed: %.300s", argv[0], argv[1],
                        cn_buf_str(&words));
    cn_buf_clear(&words);
    return st;
}

static cn_status median(struct rig *r, const char *const *argv, int reps, double *out_ms,
                        int64_t *opt_rss)
{
    double ms[REPS];
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < reps; i++)
        st = run_once(r, argv, &ms[i], opt_rss);
    if (st == CN_OK)
        qsort(ms, (size_t)reps, sizeof *ms, by_size);
    *out_ms = st == CN_OK ? ms[reps / 2] : 0;
    return st;
}

/* ---- the harness itself ---- */

static int64_t high_water_kib(pid_t pid)
{
    char path[64];
    struct cn_buf b;
    int64_t kib = 0;

    cn_text_format(path, sizeof path, "/proc/%ld/status", (long)pid);
    cn_buf_init(&b, CN_CAP_RECORD);
    if (cn_file_read(path, CN_CAP_RECORD, &b, NULL) == CN_OK) {
        const char *at = strstr(cn_buf_str(&b), "VmHWM:");
        kib = at ? strtoll(at + 6, NULL, 10) : 0;
    }
    cn_buf_clear(&b);
    return kib;
}

static cn_status start(struct rig *r, int64_t iterations, pid_t *out)
{
    char total[32];
    const char *argv[] = {r->cairn, "resume", r->run, "--iterations", total, NULL};
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;

    cn_text_format(total, sizeof total, "%lld", (long long)iterations);
    o.argv = argv;
    o.stdout_fd = -2;
    o.new_session = true;
    o.stderr_fd = open(r->told, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (o.stderr_fd < 0)
        return cn_err_errno(&r->err, "%s", r->told);
    cn_status st = cn_proc_spawn(&o, out, &r->err);
    (void)close(o.stderr_fd);
    return st;
}

/* Processor time of a living process so far; 0 when it cannot be told. */
static double cpu_ms_of(pid_t pid)
{
    char path[64];
    struct cn_buf b;
    double ms = 0;

    cn_text_format(path, sizeof path, "/proc/%ld/stat", (long)pid);
    cn_buf_init(&b, CN_CAP_RECORD);
    if (cn_file_read(path, CN_CAP_RECORD, &b, NULL) == CN_OK) {
        const char *at = strrchr(cn_buf_str(&b), ')'); /* fields 14 and 15 of proc(5) */
        for (int field = 2; at && field < 14; field++)
            at = strchr(at + 1, ' ');
        if (at) {
            char *end;
            double user = strtod(at, &end), system = strtod(end, NULL);
            ms = 1e3 * (user + system) / (double)sysconf(_SC_CLK_TCK);
        }
    }
    cn_buf_clear(&b);
    return ms;
}

/* Milliseconds from the start of a harness to its first training. */
static cn_status first_action(struct rig *r, int64_t iterations, pid_t *out_pid, double *out_ms,
                              double *out_cpu_ms)
{
    int64_t began, before = cn_file_size(r->ledger);
    cn_status st;

    before = before < 0 ? 0 : before;
    began = cn_clock_mono_us();
    st = start(r, iterations, out_pid);
    while (st == CN_OK && cn_file_size(r->ledger) <= before) {
        cn_clock_sleep_ms(1);
        if (seconds_since(began) * 1e3 > STARTS_MS)
            st = cn_err_set(&r->err, CN_ETIMEOUT, "%s: no training was started", r->run);
    }
    *out_ms = 1e3 * seconds_since(began);
    *out_cpu_ms = st == CN_OK ? cpu_ms_of(*out_pid) : 0;
    return st;
}

static cn_status measure_harness(struct rig *r, int64_t more, struct result *x)
{
    struct cn_proc_exit end;
    pid_t pid = 0;
    int64_t total = x->n + more, kib, before;
    cn_status st = first_action(r, total, &pid, &x->killed_ms, &x->cpu_ms);

    /* The first start ends in a kill; the second is the resume after it. */
    if (st != CN_OK)
        return st;
    x->resume_ms = x->killed_ms;
    (void)kill(pid, SIGKILL);
    st = cn_proc_wait(pid, RUN_MS, &end, &r->err);
    cn_clock_sleep_ms(300); /* the trainings of the dead harness end */
    before = x->db_bytes;
    if (st == CN_OK)
        st = first_action(r, total, &pid, &x->killed_ms, &x->cpu_ms);
    int64_t began = cn_clock_mono_us();
    cn_status waiting = CN_ETIMEOUT;
    while (st == CN_OK && waiting == CN_ETIMEOUT) {
        kib = high_water_kib(pid);
        x->rss_kib = kib > x->rss_kib ? kib : x->rss_kib;
        waiting = cn_proc_wait(pid, 20, &end, NULL);
    }
    if (st == CN_OK && (waiting != CN_OK || !end.exited || end.code != 0))
        st = cn_err_set(&r->err, CN_EIO, "cairn resume ended with %d", end.code);
    x->turn_ms = 1e3 * seconds_since(began) / (double)more;
    char *db = cn_file_join(r->run, "run.db");
    x->bytes_per_iteration = db ? (cn_file_size(db) - before) / more : 0;
    cn_free(db);
    return st;
}

/* ---- one length ---- */

static int64_t log_size(const struct rig *r)
{
    char **names;
    int n;
    int64_t sum = 0;

    if (cn_file_list(r->run, &names, &n, NULL) != CN_OK)
        return 0;
    for (int i = 0; i < n; i++)
        if (strstr(names[i], "_analysis")) {
            char *path = cn_file_join(r->run, names[i]);
            sum += path ? cn_file_size(path) : 0;
            cn_free(path);
        }
    cn_file_list_free(names, n);
    return sum;
}

static cn_status measure(struct rig *r, int64_t more, struct result *x)
{
    char node[32];
    const char *rebuild[] = {r->cairn, "rebuild", r->run, NULL};
    const char *status[] = {r->cairn, "status", r->run, NULL};
    const char *tree[] = {r->cairn, "tree", r->run, "--node", node, NULL};
    const char *log[] = {r->cairn, "log", r->run, "--last", "3", NULL};
    int64_t began = cn_clock_mono_us();
    double ms = 0;
    cn_status st = scale_make(r->dir, r->bin, x->n, &r->err);

    x->make_s = seconds_since(began);
    cn_text_format(node, sizeof node, "%lld",
                   (long long)(x->n / 2 / SCALE_BLOCK * SCALE_BLOCK + 1));
    if (st == CN_OK)
        st = run_once(r, rebuild, &ms, &x->rebuild_rss_kib);
    x->rebuild_s = ms / 1e3;
    char *db = cn_file_join(r->run, "run.db");
    x->db_bytes = db ? cn_file_size(db) : 0;
    cn_free(db);
    x->log_bytes = log_size(r);
    if (st == CN_OK)
        st = median(r, status, REPS, &x->status_ms, &x->status_rss_kib);
    if (st == CN_OK)
        st = median(r, tree, 3, &x->tree_ms, NULL);
    if (st == CN_OK)
        st = median(r, log, 3, &x->log_ms, NULL);
    return st == CN_OK ? measure_harness(r, more, x) : st;
}

static cn_status set_up(struct rig *r, const char *dir)
{
    memset(r, 0, sizeof *r);
    r->dir = cn_file_absolute(dir);
    r->run = r->dir ? cn_file_join(r->dir, "run") : NULL;
    r->ledger = r->dir ? cn_file_join(r->dir, "ledger") : NULL;
    r->told = r->dir ? cn_file_join(r->dir, "told") : NULL;
    r->bin = cn_proc_self_dir();
    r->cairn = r->bin ? cn_file_join(r->bin, "cairn") : NULL;
    return r->run && r->ledger && r->told && r->cairn
               ? CN_OK
               : cn_err_set(&r->err, CN_ENOMEM, "no memory");
}

static void tear_down(struct rig *r)
{
    cn_free(r->dir);
    cn_free(r->run);
    cn_free(r->ledger);
    cn_free(r->told);
    cn_free(r->bin);
    cn_free(r->cairn);
}

static void print(const struct options *o, const struct result *x, int i)
{
    if (o->json) {
        printf("%s  {\"iterations\": %lld, \"make_s\": %.2f, \"rebuild_s\": %.2f, "
               "\"rebuild_rss_mib\": %.1f, \"status_ms\": %.1f, \"status_rss_mib\": %.1f, "
               "\"tree_ms\": %.1f, \"log_ms\": %.1f, \"resume_ms\": %.0f, "
               "\"resume_after_kill_ms\": %.0f, \"resume_cpu_ms\": %.0f, \"iteration_ms\": "
               "%.1f, \"rss_mib\": %.1f, "
               "\"db_bytes\": %lld, \"log_bytes\": %lld, \"db_bytes_per_iteration\": %lld}",
               i ? ",\n" : "[\n", (long long)x->n, x->make_s, x->rebuild_s,
               (double)x->rebuild_rss_kib / 1024, x->status_ms,
               (double)x->status_rss_kib / 1024, x->tree_ms, x->log_ms, x->resume_ms,
               x->killed_ms, x->cpu_ms, x->turn_ms, (double)x->rss_kib / 1024,
               (long long)x->db_bytes, (long long)x->log_bytes,
               (long long)x->bytes_per_iteration);
        if (i == o->n - 1)
            puts("\n]");
        return;
    }
    if (i == 0)
        puts("iterations   status     tree  log -3   resume  (killed)     (cpu)  iteration     "
             " rss"
             "   rebuild      run.db     log  run.db/iteration");
    printf("%10lld %6.1f ms %5.1f ms %4.0f ms %5.0f ms %6.0f ms %6.0f ms %7.1f ms %5.1f MB "
           "%7.1f s "
           "%8.1f MB %5.1f MB %9lld B\n",
           (long long)x->n, x->status_ms, x->tree_ms, x->log_ms, x->resume_ms, x->killed_ms,
           x->cpu_ms, x->turn_ms, (double)x->rss_kib / 1024, x->rebuild_s,
           (double)x->db_bytes / 1e6, (double)x->log_bytes / 1e6,
           (long long)x->bytes_per_iteration);
    (void)fflush(stdout);
}

/* ---- the command line ---- */

static cn_status read_lengths(const char *text, struct options *o, struct cn_err *err)
{
    o->n = 0;
    while (*text) {
        char *end;
        long long v = strtoll(text, &end, 10);
        if (end == text || v < SCALE_BLOCK || o->n == LENGTHS || (*end && *end != ','))
            return cn_err_set(err, CN_EINPUT,
                              "--iterations %s: expected at most %d numbers from %d on, with "
                              "commas between",
                              text, LENGTHS, SCALE_BLOCK);
        o->lengths[o->n++] = v / SCALE_BLOCK * SCALE_BLOCK;
        text = end + (*end == ',');
    }
    return CN_OK;
}

static cn_status read_options(int argc, char **argv, struct options *o, struct cn_err *err)
{
    cn_status st = CN_OK;

    *o = (struct options){{1000 / SCALE_BLOCK * SCALE_BLOCK, 10000 / SCALE_BLOCK * SCALE_BLOCK,
                           100000 / SCALE_BLOCK * SCALE_BLOCK},
                          60,
                          3,
                          NULL,
                          false};
    for (int i = 1; st == CN_OK && i < argc; i++) {
        if (strcmp(argv[i], "--json") == 0) {
            o->json = true;
        } else if (strcmp(argv[i], "--iterations") == 0 && i + 1 < argc) {
            st = read_lengths(argv[++i], o, err);
        } else if (strcmp(argv[i], "--dir") == 0 && i + 1 < argc) {
            o->dir = argv[++i];
        } else if (strcmp(argv[i], "--more") != 0 || i + 1 == argc ||
                   !cn_text_parse_int64(argv[++i], &o->more) || o->more < 1) {
            st = cn_err_set(err, CN_EINPUT,
                            "%s: usage: cn_bench_scale [--iterations N,N] [--more N] [--dir D] "
                            "[--json]",
                            argv[i]);
        }
    }
    return st;
}

int main(int argc, char **argv)
{
    char temporary[] = "/tmp/cairn_scale_XXXXXX", one[4200];
    struct cn_err err = CN_ERR_INIT;
    struct options o;
    cn_status st = read_options(argc, argv, &o, &err);
    const char *base = o.dir;

    if (st == CN_OK && !base && !(base = mkdtemp(temporary)))
        st = cn_err_errno(&err, "%s", temporary);
    for (int i = 0; st == CN_OK && i < o.n; i++) {
        struct result x = {.n = o.lengths[i]};
        struct rig r;
        cn_text_format(one, sizeof one, "%s/n%lld", base, (long long)x.n);
        st = set_up(&r, one);
        if (st == CN_OK)
            st = measure(&r, o.more, &x);
        if (st == CN_OK)
            print(&o, &x, i);
        else
            err = r.err;
        tear_down(&r);
    }
    if (!o.dir && base == temporary && cn_file_remove_tree(temporary, NULL) != CN_OK)
        fprintf(stderr, "%s could not be removed\n", temporary);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cn_bench_scale", &err);
}
