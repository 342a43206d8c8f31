/* logs/store_window, store_config, store_rollup, log: a window of a long run says what the whole
 * says; the log in pieces is the log; older stores are brought up to date. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>
#include <sqlite3.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"
#include "logs/log.h"
#include "logs/project_int.h"
#include "logs/read.h"
#include "logs/store.h"
#include "logs/store_int.h"
#include "tests/support/logs_sample.h"
#include "tests/support/long_run.h"

static char dir[64];
static struct cn_err err;

static void set_up(void)
{
    (void)snprintf(dir, sizeof(dir), "%s/cn_window_XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert(mkdtemp(dir));
}

static void tear_down(void)
{
    cr_assert_eq(cn_file_remove_tree(dir, &err), CN_OK);
}

TestSuite(logs_window, .init = set_up, .fini = tear_down);

#define OK(call) cr_assert_eq((call), CN_OK, "%s", err.text)

static struct cn_store *long_store(int64_t n)
{
    struct cn_store *s;

    OK(long_open(dir, &s, &err));
    OK(long_drive(s, 1, n, NULL, NULL, &err));
    return s;
}

/* ---- a window against the whole ---- */

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void same_spread(struct cn_spread a, struct cn_spread b, int64_t node)
{
    cr_assert(a.n == b.n && same(a.mean, b.mean) && same(a.std, b.std) && same(a.min, b.min) &&
                  same(a.max, b.max),
              "node %lld: %lld runs with mean %.17g, the whole has %lld with %.17g",
              (long long)node, (long long)a.n, a.mean, (long long)b.n, b.mean);
}

static void same_counts(const struct cn_history *w, const struct cn_history *h)
{
    struct cn_fact_counts a = cn_fact_count(w, 0), b = cn_fact_count(h, 0);
    double worst = w->older.first ? w->older.worst : (double)NAN, minutes = w->older.minutes;
    double true_worst = (double)NAN, true_minutes = 0;

    cr_assert(a.all == b.all && a.ok == b.ok && a.converged == b.converged &&
                  a.failed == b.failed,
              "%lld %lld %lld %lld, the whole has %lld %lld %lld %lld", (long long)a.all,
              (long long)a.ok, (long long)a.converged, (long long)a.failed, (long long)b.all,
              (long long)b.ok, (long long)b.converged, (long long)b.failed);
    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        double m = cn_iteration_metric(it, "training_time_min");
        if (it->confirmation)
            continue;
        true_minutes += isnan(m) ? 0 : m;
        if (!isnan(it->reward) && !(true_worst <= it->reward))
            true_worst = it->reward;
    }
    for (int64_t i = 0; i < w->n_iterations; i++) {
        const struct cn_iteration *it = &w->iterations[i];
        double m = cn_iteration_metric(it, "training_time_min");
        if (it->confirmation || it->id < w->older.first)
            continue;
        minutes += isnan(m) ? 0 : m;
        if (!isnan(it->reward) && !(worst <= it->reward))
            worst = it->reward;
    }
    cr_assert_eq(worst, true_worst);
    cr_assert_float_eq(minutes, true_minutes, 1e-9);
}

/* All that a window holds is as in the whole, bit for bit; what it counts is true. */
static void compare(struct cn_store *s, int64_t size)
{
    struct cn_history w, h;

    OK(cn_store_window(s, size, &w, &err));
    OK(cn_store_history(s, &h, &err));
    cr_assert_eq(w.n_blocks, h.n_blocks);
    same_counts(&w, &h);
    for (int64_t i = 0; i < w.n_nodes; i++) {
        const struct cn_node *a = &w.nodes[i], *b = cn_history_node(&h, a->id);
        cr_assert(b && strcmp(a->config, b->config) == 0 && a->n_mutations == b->n_mutations);
        same_spread(cn_history_spread(&w, a->id, CN_POOL_SEARCH),
                    cn_history_spread(&h, a->id, CN_POOL_SEARCH), a->id);
        same_spread(cn_history_spread(&w, a->id, CN_POOL_CONFIRMATION),
                    cn_history_spread(&h, a->id, CN_POOL_CONFIRMATION), a->id);
    }
    for (int64_t i = 0; i < w.n_blocks; i++) {
        struct cn_best a, b;
        if (!w.blocks[i].closed) /* its leader leans on the noise that the window knows */
            continue;
        OK(cn_fact_leader(&w, i + 1, &a));
        OK(cn_fact_leader(&h, i + 1, &b));
        cr_assert(a.first.n == b.first.n && same(a.first.mean, b.first.mean) &&
                  same(a.first.lo, b.first.lo));
        cr_assert_eq(w.blocks[i].roll.best_node, h.blocks[i].roll.best_node);
    }
    /* Everything of the last `size`, and of the rest no more than is pinned. */
    for (int64_t i = 0; i < h.n_iterations; i++)
        if (h.iterations[i].id >= w.older.first)
            cr_assert(cn_history_iteration(&w, h.iterations[i].id));
    cr_assert_leq(w.n_iterations, size + 2 * LONG_BLOCK + 3 * (CN_STORE_BEST + CN_STORE_TWINS) +
                                      2 * CN_STORE_RUNS);
    cn_history_clear(&w);
    cn_history_clear(&h);
}

Test(logs_window, a_window_says_what_the_whole_says, .timeout = 110)
{
    struct cn_store *s = long_store(1200);

    OK(cn_store_check(s, &err));
    compare(s, 0);
    compare(s, 37);
    compare(s, 400);
    compare(s, 5000);
    cn_store_close(s);
}

Test(logs_window, a_node_with_very_many_trainings_keeps_its_mean, .timeout = 110)
{
    struct cn_history w, h;
    /* Node 1 is trained once a block, and confirmed. */
    struct cn_store *s = long_store(3000);

    OK(cn_store_window(s, 100, &w, &err));
    OK(cn_store_history(s, &h, &err));
    const struct cn_node *n = cn_history_node(&w, 1);
    cr_assert(n && n->before, "it is trained often enough that some are summed up");
    cr_assert_gt(n->before->search.n, 0);
    same_spread(cn_history_spread(&w, 1, CN_POOL_SEARCH),
                cn_history_spread(&h, 1, CN_POOL_SEARCH), 1);
    same_spread(cn_history_spread_upto(&w, 1, CN_POOL_SEARCH, CN_ITER_COMMITTED, 2990),
                cn_history_spread_upto(&h, 1, CN_POOL_SEARCH, CN_ITER_COMMITTED, 2990), 1);
    cr_assert_lt(w.n_iterations, 1300, "%lld rows of 3000", (long long)w.n_iterations);
    cn_history_clear(&w);
    cn_history_clear(&h);
    cn_store_close(s);
}

struct refreshing {
    struct cn_store *s;
    struct cn_history h;
    int64_t size, steps;
};

/* The dump of tests/support/logs_sample.h, of the refreshed history and of a fresh one. */
static cn_status refresh_and_compare(void *ctx, struct cn_err *e)
{
    struct refreshing *r = ctx;
    struct cn_history fresh;
    cn_status st = cn_store_refresh(r->s, r->size, &r->h, e);

    if (st == CN_OK)
        st = cn_store_window(r->s, r->size, &fresh, e);
    if (st != CN_OK)
        return st;
    char *a = logs_sample_dump(&r->h), *b = logs_sample_dump(&fresh);
    cr_assert_str_eq(a, b, "after step %lld", (long long)r->steps);
    cr_assert(r->h.older.first == fresh.older.first &&
              r->h.older.searched == fresh.older.searched);
    for (int64_t i = 0; i < fresh.n_nodes; i++)
        same_spread(cn_history_spread(&r->h, fresh.nodes[i].id, CN_POOL_SEARCH),
                    cn_history_spread(&fresh, fresh.nodes[i].id, CN_POOL_SEARCH),
                    fresh.nodes[i].id);
    cn_free(a);
    cn_free(b);
    cn_history_clear(&fresh);
    r->steps++;
    return CN_OK;
}

Test(logs_window, a_refreshed_window_is_a_loaded_one)
{
    struct refreshing r = {.size = 24};

    OK(long_open(dir, &r.s, &err));
    OK(cn_store_window(r.s, r.size, &r.h, &err));
    OK(long_drive(r.s, 1, 130, refresh_and_compare, &r, &err));
    cr_assert_eq(r.steps, 130 * 8);
    cn_history_clear(&r.h);
    cn_store_close(r.s);
}

/* What a waiting harness does a thousand times costs no memory. */
Test(logs_window, a_refresh_without_news_does_not_grow)
{
    struct cn_store *s = long_store(40);
    struct cn_history h;

    OK(cn_store_window(s, 1000, &h, &err));
    size_t used = h.arena.used;
    for (int i = 0; i < 100; i++)
        OK(cn_store_refresh(s, 1000, &h, &err));
    cr_assert_eq(h.arena.used, used);
    cn_history_clear(&h);
    cn_store_close(s);
}

Test(logs_window, a_config_is_found_wherever_it_stands)
{
    struct cn_store *s = long_store(120);
    struct cn_history h;
    int64_t node;

    OK(cn_store_history(s, &h, &err));
    for (int64_t i = 0; i < h.n_nodes; i++) {
        OK(cn_store_node_with(s, h.nodes[i].config_hash, &node, &err));
        cr_assert(node > 0 && node <= h.nodes[i].id);
        cr_assert_str_eq(cn_history_node(&h, node)->config_hash, h.nodes[i].config_hash);
    }
    OK(cn_store_node_with(s, "no such hash", &node, &err));
    cr_assert_eq(node, 0);
    cn_history_clear(&h);
    cn_store_close(s);
}

Test(logs_window, a_subtree_is_what_hangs_below_a_node)
{
    struct cn_store *s = long_store(60);
    struct cn_history h, all;
    bool left;

    OK(cn_store_history(s, &all, &err));
    OK(cn_store_subtree(s, 11, INT64_MAX - 1, INT64_MAX, &h, &left, &err));
    cr_assert(!left && h.n_nodes > 3 && cn_history_node(&h, 11));
    for (int64_t i = 0; i < all.n_nodes; i++) {
        const struct cn_node *n = &all.nodes[i];
        bool below = n->id == 11 || cn_history_node(&h, n->parent);
        cr_assert_eq(cn_history_node(&h, n->id) != NULL, below, "node %lld", (long long)n->id);
    }
    cn_history_clear(&h);
    OK(cn_store_subtree(s, 11, 1, 2, &h, &left, &err));
    cr_assert(left && h.n_nodes == 2);
    cn_history_clear(&h);
    cr_assert_eq(cn_store_subtree(s, 999, 1, 2, &h, &left, &err), CN_ENOTFOUND);
    cn_history_clear(&h);
    cn_history_clear(&all);
    cn_store_close(s);
}

/* ---- configs as differences ---- */

Test(logs_window, a_config_comes_back_from_its_difference)
{
    static const char *const configs[] = {
        "a: 1\nb: 2\n",   "a: 1\nb: 3\n", "a: 1\nb: 2", "",
        "a: 1\n\nb: 2\n", "\n\n",         "x",          "a: 1\nb: \xc3\xa4\n",
        "a: 1\r\nb: 2\n", "1\tb\n2\tc\n",
    };
    enum { N = sizeof configs / sizeof configs[0] };
    struct cn_buf d, back;
    int compared = 0;

    cn_buf_init(&d, CN_CAP_CONFIG);
    cn_buf_init(&back, CN_CAP_CONFIG);
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            if (!cn_config_difference(configs[i], configs[k], &d))
                continue;
            compared++;
            cr_assert(cn_config_patched(configs[i], cn_buf_str(&d), &back));
            cr_assert_str_eq(cn_buf_str(&back), configs[k]);
        }
    cr_assert_geq(compared, N + 4);
    cr_assert_not(cn_config_patched("a\nb\n", "3\tc\n", &back), "there is no third line");
    cr_assert_not(cn_config_patched("a\nb\n", "2\tx\n1\ty\n", &back), "out of order");
    cr_assert_not(cn_config_patched("a\nb\n", "2 x\n", &back));
    cn_buf_clear(&d);
    cn_buf_clear(&back);
}

static int64_t number(struct cn_store *s, const char *sql)
{
    int64_t n = 0;

    OK(cn_sql_int(s, sql, NULL, -1, &n, &err));
    return n;
}

Test(logs_window, most_configs_are_kept_as_a_few_lines)
{
    struct cn_store *s = long_store(200);
    int64_t nodes = number(s, "SELECT count(*) FROM node");
    int64_t whole = number(s, "SELECT count(*) FROM node WHERE base IS NULL");

    cr_assert_gt(nodes, 100);
    cr_assert_leq(whole, 3, "%lld of %lld", (long long)whole, (long long)nodes);
    OK(cn_store_check(s, &err));
    cn_store_close(s);
}

/* ---- the log as volumes ---- */

static char *file_text(const char *name)
{
    char *path = cn_file_join(dir, name);
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_FILE);
    OK(cn_file_read(path, CN_CAP_FILE, &b, &err));
    cn_free(path);
    cn_buf_adds(&b, "");
    char *text = cn_buf_take(&b);
    return text ? text : cn_strdup("");
}

/* A text without its head: from the first entry on. */
static const char *entries(const char *text)
{
    const char *at = strstr(text, "\n## ");

    return at ? at : "";
}

struct logging {
    struct cn_store *s;
    struct cn_history h;
    struct cn_log log;
};

static cn_status make_log(void *ctx, struct cn_err *e)
{
    struct logging *l = ctx;
    cn_status st = cn_store_refresh(l->s, 24, &l->h, e);

    return st == CN_OK ? cn_log_make(&l->log, l->s, &l->h, false, e) : st;
}

/* All volumes and the open one, without their heads. */
static void join(struct cn_store *s, const struct cn_log *log, struct cn_buf *out)
{
    struct cn_history h;
    char name[CN_PROJECT_NAME];

    OK(cn_store_window(s, 0, &h, &err));
    cr_assert_eq(h.n_volumes, log->n_volumes);
    for (int64_t i = 0; i < h.n_volumes; i++) {
        char *text = file_text(cn_project_volume_name(&h, i + 1, name));
        struct cn_buf again;
        cr_assert_eq((int64_t)strlen(text), h.volumes[i].bytes);
        cn_buf_init(&again, CN_CAP_FILE);
        OK(cn_log_volume(s, &h, &h.volumes[i], &again, &err));
        cr_assert_str_eq(cn_buf_str(&again), text, "volume %lld made again", (long long)i + 1);
        cn_buf_adds(out, entries(text));
        cn_buf_clear(&again);
        cn_free(text);
    }
    cn_buf_adds(out, entries(cn_buf_str(&log->text)));
    cn_history_clear(&h);
}

Test(logs_window, the_log_in_pieces_is_the_log, .timeout = 110)
{
    struct logging l = {.log = CN_LOG_INIT};
    struct cn_log late = CN_LOG_INIT;
    struct cn_history whole;
    struct cn_buf all, made;

    cn_buf_init(&all, CN_CAP_FILE);
    cn_buf_init(&made, CN_CAP_FILE);
    l.log.volume = 6000;
    OK(long_open(dir, &l.s, &err));
    OK(cn_store_window(l.s, 24, &l.h, &err));
    OK(long_drive(l.s, 1, 233, make_log, &l, &err));
    cr_assert_geq(l.log.n_volumes, 5);
    join(l.s, &l.log, &all);
    OK(cn_store_history(l.s, &whole, &err));
    /* From nothing, with what is sealed: the same open volume. */
    late.volume = 6000;
    OK(cn_log_make(&late, l.s, &whole, true, &err));
    cr_assert_str_eq(cn_buf_str(&late.text), cn_buf_str(&l.log.text));
    whole.n_volumes = 0;
    cn_project_analysis(&whole, &made);
    cr_assert_str_eq(cn_buf_str(&all), entries(cn_buf_str(&made)));
    cn_log_clear(&late);
    cn_log_clear(&l.log);
    cn_history_clear(&whole);
    cn_history_clear(&l.h);
    cn_buf_clear(&all);
    cn_buf_clear(&made);
    cn_store_close(l.s);
}

Test(logs_window, where_a_volume_ends_depends_on_the_record_alone, .timeout = 110)
{
    struct logging l = {.log = CN_LOG_INIT};
    struct cn_log late = CN_LOG_INIT;
    struct cn_history h;
    int64_t ends[64], n;

    l.log.volume = late.volume = 6000;
    OK(long_open(dir, &l.s, &err));
    OK(cn_store_window(l.s, 24, &l.h, &err));
    OK(long_drive(l.s, 1, 233, make_log, &l, &err));
    OK(cn_store_window(l.s, 24, &h, &err));
    n = h.n_volumes;
    for (int64_t i = 0; i < n; i++)
        ends[i] = h.volumes[i].last;
    cn_history_clear(&h);
    /* As if no log had ever been written: all at once, from the end. */
    OK(cn_store_begin(l.s, true, &err));
    OK(cn_store_end(l.s, cn_sql_run(l.s, "DELETE FROM volume", NULL, &err), &err));
    OK(cn_store_window(l.s, 24, &h, &err));
    OK(cn_log_make(&late, l.s, &h, false, &err));
    cn_history_clear(&h);
    OK(cn_store_window(l.s, 24, &h, &err));
    cr_assert_eq(h.n_volumes, n);
    for (int64_t i = 0; i < n; i++)
        cr_assert_eq(h.volumes[i].last, ends[i]);
    cr_assert_str_eq(cn_buf_str(&late.text), cn_buf_str(&l.log.text));
    cn_log_clear(&late);
    cn_log_clear(&l.log);
    cn_history_clear(&h);
    cn_history_clear(&l.h);
    cn_store_close(l.s);
}

Test(logs_window, a_log_in_volumes_is_read_back)
{
    struct logging l = {.log = CN_LOG_INIT};
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_part parts[64];
    struct cn_read_log log;
    char names[64][CN_PROJECT_NAME];
    int n = 0;

    l.log.volume = 6000;
    OK(long_open(dir, &l.s, &err));
    OK(cn_store_window(l.s, 24, &l.h, &err));
    OK(long_drive(l.s, 1, 100, make_log, &l, &err));
    OK(cn_store_refresh(l.s, 24, &l.h, &err));
    for (; n < (int)l.log.n_volumes; n++) {
        cn_project_volume_name(&l.h, n + 1, names[n]);
        parts[n].name = names[n];
        parts[n].text = file_text(names[n]);
        parts[n].n = strlen(parts[n].text);
    }
    parts[n].name = "long_analysis.md";
    parts[n].text = cn_strdup(cn_buf_str(&l.log.text));
    parts[n].n = l.log.text.len;
    cr_assert_geq(n, 2);
    OK(cn_read_logs(parts, n + 1, &o, &log, &err));
    cr_assert_eq(log.history.n_iterations, 100);
    for (int64_t i = 0; i < log.n_warnings; i++)
        cr_assert_fail("line %lld: %s", (long long)log.warnings[i].line, log.warnings[i].text);
    for (int i = 0; i <= n; i++) {
        char *text = (char *)(uintptr_t)parts[i].text;
        cn_free(text);
    }
    cn_read_log_clear(&log);
    cn_log_clear(&l.log);
    cn_history_clear(&l.h);
    cn_store_close(l.s);
}

static void write_files(struct cn_store *s, struct cn_log *log)
{
    struct cn_project_opts o = CN_PROJECT_OPTS_INIT;
    struct cn_history h;

    o.opt_log = log;
    OK(cn_store_window(s, 24, &h, &err));
    OK(cn_project_write(s, &h, &o, &err));
    cn_history_clear(&h);
}

static int differences(struct cn_store *s, struct cn_buf *report)
{
    struct cn_project_opts o = CN_PROJECT_OPTS_INIT;
    struct cn_history h;
    int n;

    cn_buf_reset(report);
    OK(cn_store_window(s, 24, &h, &err));
    OK(cn_project_verify(s, &h, &o, report, &n, &err));
    cn_history_clear(&h);
    return n;
}

/* As a harness that is killed and comes back: a log kept in memory, then one taken from the file,
 * then one made anew; an edit in between is kept aside. */
Test(logs_window, a_log_file_grows_and_stays_what_the_record_says, .timeout = 110)
{
    struct cn_log log = CN_LOG_INIT;
    struct cn_store *s;
    struct cn_buf report;
    char *path = cn_file_join(dir, "long_analysis.md"), *aside;

    cn_buf_init(&report, CN_CAP_TEXT);
    OK(long_open(dir, &s, &err));
    for (int64_t id = 1; id <= 90; id += 9) {
        OK(long_drive(s, id, id + 8, NULL, NULL, &err));
        if (id % 2 == 0)
            cn_log_clear(&log);
        write_files(s, id % 3 == 0 ? NULL : &log);
        cr_assert_eq(differences(s, &report), 0, "%s", cn_buf_str(&report));
    }
    OK(cn_file_append(path, "a person's words\n", 17, &err));
    write_files(s, &log);
    cr_assert_eq(differences(s, &report), 0, "%s", cn_buf_str(&report));
    aside = file_text("long_analysis.user-1.md");
    cr_assert(strstr(aside, "a person's words\n"));
    cn_free(aside);
    cn_free(path);
    cn_buf_clear(&report);
    cn_log_clear(&log);
    cn_store_close(s);
}

/* An append that a power cut tore is not a person's edit. */
Test(logs_window, a_torn_append_is_mended)
{
    struct cn_store *s;
    struct cn_buf report;
    char *path = cn_file_join(dir, "long_analysis.md"), *aside, *text;

    cn_buf_init(&report, CN_CAP_TEXT);
    OK(long_open(dir, &s, &err));
    OK(long_drive(s, 1, 14, NULL, NULL, &err));
    write_files(s, NULL);
    text = file_text("long_analysis.md");
    OK(cn_file_replace(path, text, strlen(text) - 40, &err));
    write_files(s, NULL);
    cr_assert_eq(differences(s, &report), 0, "%s", cn_buf_str(&report));
    aside = cn_file_join(dir, "long_analysis.user-1.md");
    cr_assert_not(cn_file_exists(aside));
    cn_free(aside);
    cn_free(text);
    cn_free(path);
    cn_buf_clear(&report);
    cn_store_close(s);
}

Test(logs_window, a_damaged_volume_is_told_and_made_again)
{
    struct logging l = {.log = CN_LOG_INIT};
    struct cn_buf report;
    char *path = cn_file_join(dir, "long_analysis.002.md"), *before, *after, *aside;

    cn_buf_init(&report, CN_CAP_TEXT);
    l.log.volume = 6000;
    OK(long_open(dir, &l.s, &err));
    OK(cn_store_window(l.s, 24, &l.h, &err));
    OK(long_drive(l.s, 1, 100, make_log, &l, &err));
    write_files(l.s, &l.log);
    OK(cn_store_refresh(l.s, 24, &l.h, &err));
    cr_assert_eq(differences(l.s, &report), 0, "%s", cn_buf_str(&report));
    before = file_text("long_analysis.002.md");
    OK(cn_file_append(path, "a person's words\n", 17, &err));
    cr_assert_eq(differences(l.s, &report), 1);
    cr_assert(strstr(cn_buf_str(&report), "long_analysis.002.md: not what was sealed"));
    OK(cn_project_volumes(l.s, &l.h, &err));
    after = file_text("long_analysis.002.md");
    aside = file_text("long_analysis.002.user-1.md");
    cr_assert_str_eq(after, before);
    cr_assert(strstr(aside, "a person's words"));
    cr_assert_eq(unlink(path), 0);
    cr_assert_eq(differences(l.s, &report), 1);
    OK(cn_project_volumes(l.s, &l.h, &err));
    cr_assert_eq(differences(l.s, &report), 0, "%s", cn_buf_str(&report));
    cn_free(before);
    cn_free(after);
    cn_free(aside);
    cn_free(path);
    cn_buf_clear(&report);
    cn_log_clear(&l.log);
    cn_history_clear(&l.h);
    cn_store_close(l.s);
}

/* ---- older stores ---- */

/* The fixture as run.db in `dir`. */
static void load_old_store(const char *name)
{
    const char *cases = getenv("CAIRN_TEST_CASES");
    char path[600], *problem = NULL, *db = cn_file_join(dir, CN_STORE_FILE);
    struct cn_buf sql;
    sqlite3 *out;

    cn_text_format(path, sizeof path, "%.400s/store/%s", cases ? cases : "tests/cases", name);
    cn_buf_init(&sql, CN_CAP_TEXT);
    OK(cn_file_read(path, CN_CAP_TEXT, &sql, &err));
    cr_assert_eq(sqlite3_open(db, &out), SQLITE_OK);
    cr_assert_eq(sqlite3_exec(out, cn_buf_str(&sql), NULL, NULL, &problem), SQLITE_OK, "%s",
                 problem);
    /* The sample's nodes had no hashes of their own then. */
    cr_assert_eq(sqlite3_exec(out, "UPDATE node SET config_hash = 'h' || id", NULL, NULL, NULL),
                 SQLITE_OK);
    sqlite3_close(out);
    cn_buf_clear(&sql);
    cn_free(db);
}

static char *fresh_dump(void)
{
    struct cn_store *s;
    struct cn_history h;
    char *sub = cn_file_join(dir, "fresh"), *text;

    OK(cn_file_mkdirs(sub, &err));
    OK(logs_sample_open(sub, &s, &err));
    OK(logs_sample_drive(s, &err));
    OK(cn_store_history(s, &h, &err));
    text = logs_sample_dump(&h);
    cn_history_clear(&h);
    cn_store_close(s);
    cn_free(sub);
    return text;
}

static void brought_up_to_date(const char *name)
{
    struct cn_store *s;
    struct cn_history h;
    char *mine, *fresh = fresh_dump();

    load_old_store(name);
    cr_assert_eq(cn_store_open(dir, CN_STORE_READ, &s, &err), CN_EUNSUPPORTED);
    OK(cn_store_open(dir, CN_STORE_WRITE, &s, &err));
    OK(cn_store_check(s, &err));
    OK(cn_store_history(s, &h, &err));
    mine = logs_sample_dump(&h);
    cr_assert_str_eq(mine, fresh);
    cr_assert(h.blocks[0].roll.known && h.blocks[1].roll.known);
    cr_assert_eq(h.blocks[0].roll.best_node, 2);
    cr_assert_eq(h.blocks[0].roll.all, 4);
    cr_assert_eq(h.blocks[0].roll.failed, 1);
    cr_assert_float_eq(h.blocks[0].roll.best.mean, 0.93, 1e-12);
    cr_assert_eq(h.blocks[1].roll.worst, -0.12);
    cn_history_clear(&h);
    cn_store_close(s);
    /* And again: nothing is left to do. */
    OK(cn_store_open(dir, CN_STORE_READ, &s, &err));
    OK(cn_store_check(s, &err));
    cn_store_close(s);
    cn_free(mine);
    cn_free(fresh);
}

Test(logs_window, a_store_of_version_1_is_brought_up_to_date)
{
    brought_up_to_date("v1.sql");
}

Test(logs_window, a_store_of_version_2_is_brought_up_to_date)
{
    brought_up_to_date("v2.sql");
}
