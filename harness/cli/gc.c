/* cairn gc: large files of trainings that nobody needs, and data sets that nobody uses, into
 * archives; and back. Looks by default, moves with --yes.
 *
 * The order for one training: archive written, synced, compared (archive.h); the event in the
 * store; a line in the manifest; only then the files are unlinked. A crash in between leaves files
 * and archive, and the next --yes goes on from there.
 *
 * 1 words   2 what would be done   3 a run   4 data sets   5 back   6 the verb
 */
#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "harness/cli/paths.h"
#include "harness/cli/verbs.h"
#include "harness/loop/keep.h"
#include "logs/store.h"

struct gc {
    const struct cn_cli_args *args;
    struct cn_keep_opts keep;
    char *archive; /* owned: <runs>/archive, or --archive */
    const char *runs;
    bool yes, json;
    struct cn_json_writer w; /* of the answer, with --json */
    struct cn_buf answer;
    int64_t files, bytes, n_locked;
    struct cn_err *err;
};

/* ------------------------------------------------------------------ 1 words */

static const char *size_text(int64_t bytes, char out[32])
{
    const double x = (double)bytes;

    if (bytes >= 1 << 30)
        cn_text_format(out, 32, "%.2f GiB", x / (1 << 30));
    else if (bytes >= 1 << 20)
        cn_text_format(out, 32, "%.1f MiB", x / (1 << 20));
    else
        cn_text_format(out, 32, "%.1f KiB", x / 1024);
    return out;
}

static const char *base_name(const char *path)
{
    const char *slash = path ? strrchr(path, '/') : NULL;

    return slash ? slash + 1 : path;
}

static cn_status no_memory(struct gc *g)
{
    return cn_err_set(g->err, CN_ENOMEM, "no memory for a path");
}

/* ------------------------------------------------------------------ 2 what would be done */

static void say_stays(struct gc *g, const struct cn_kept *k)
{
    char size[32];

    if (g->json) {
        cn_json_open(&g->w, NULL, '{');
        cn_json_add_int(&g->w, "iteration", k->iteration);
        cn_json_add_int(&g->w, "bytes", k->bytes);
        cn_json_add_string(&g->w, "reason", k->reason);
        cn_json_close(&g->w);
    } else {
        printf("  stays  iteration %lld, %s: %s\n", (long long)k->iteration,
               size_text(k->bytes, size), k->reason);
    }
}

static void say_goes(struct gc *g, int64_t iteration, const char *key, int64_t n, int64_t bytes,
                     const char *to)
{
    char size[32];

    if (g->json) {
        cn_json_open(&g->w, NULL, '{');
        if (key)
            cn_json_add_string(&g->w, "data_set", key);
        else
            cn_json_add_int(&g->w, "iteration", iteration);
        cn_json_add_int(&g->w, "files", n);
        cn_json_add_int(&g->w, "bytes", bytes);
        cn_json_add_string(&g->w, "to", to);
        cn_json_close(&g->w);
    } else if (key) {
        printf("  %s  data set %.12s..., %lld files, %s, to %s\n", g->yes ? "moved" : "goes ",
               key, (long long)n, size_text(bytes, size), to);
    } else {
        printf("  %s  iteration %lld, %lld file%s, %s, to %s\n", g->yes ? "moved" : "goes ",
               (long long)iteration, (long long)n, n == 1 ? "" : "s", size_text(bytes, size),
               to);
    }
    g->files += n;
    g->bytes += bytes;
}

/* ------------------------------------------------------------------ 3 a run */

/* One line of <archive>/<run>/manifest.jsonl; a line that is there (of a gc that was broken off)
 * is not written twice. */
static cn_status put_manifest(struct gc *g, const char *folder, const char *file,
                              const struct cn_archive_item *items, int64_t n)
{
    char *path = cn_file_join(folder, "manifest.jsonl");
    char now[CN_TIME_TEXT], mark[200];
    struct cn_buf b, old;
    struct cn_json_writer w;
    cn_status st = path ? CN_OK : no_memory(g);

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_init(&old, CN_CAP_FILE);
    cn_text_format(mark, sizeof mark, "{\"archive\": \"%.150s\",", file);
    cn_json_begin(&w, &b, 0);
    cn_json_open(&w, NULL, '{');
    cn_json_add_string(&w, "archive", file);
    cn_json_add_string(&w, "at", cn_clock_iso(cn_clock_now_ms(), now));
    cn_json_open(&w, "files", '[');
    for (int64_t i = 0; i < n; i++) {
        cn_json_open(&w, NULL, '{');
        cn_json_add_string(&w, "path", items[i].path);
        cn_json_add_int(&w, "bytes", items[i].bytes);
        cn_json_close(&w);
    }
    cn_json_close(&w);
    cn_json_close(&w);
    cn_buf_addc(&b, '\n');
    if (st == CN_OK && cn_buf_status(&b) != CN_OK)
        st = cn_err_set(g->err, cn_buf_status(&b), "%s: too many files", path);
    if (st == CN_OK && cn_file_exists(path))
        st = cn_file_read(path, CN_CAP_FILE, &old, g->err);
    if (st == CN_OK && !strstr(cn_buf_str(&old), mark))
        st = cn_file_append(path, cn_buf_str(&b), b.len, g->err);
    cn_buf_clear(&b);
    cn_buf_clear(&old);
    cn_free(path);
    return st;
}

/* The first name that is free or holds just these files: iter_000007.tar, iter_000007.2.tar. */
static cn_status make_archive(struct gc *g, const char *root, const char *folder,
                              const char *stem, const struct cn_archive_item *items, int64_t n,
                              char **out)
{
    cn_status st = CN_EEXIST;

    *out = NULL;
    for (int k = 1; k < 1000 && st == CN_EEXIST; k++) {
        char name[128];

        cn_free(*out);
        if (k == 1)
            cn_text_format(name, sizeof name, "%.80s.tar", stem);
        else
            cn_text_format(name, sizeof name, "%.80s.%d.tar", stem, k);
        *out = cn_file_join(folder, name);
        st = *out ? cn_archive_make(root, items, n, *out, g->err) : no_memory(g);
    }
    return st;
}

static cn_status move_one(struct gc *g, const char *dir, const char *folder, struct cn_store *s,
                          const struct cn_kept *k)
{
    char stem[32], text[400], size[32];
    char *to = NULL;
    cn_status st;

    cn_text_format(stem, sizeof stem, "iter_%06lld", (long long)k->iteration);
    st = make_archive(g, dir, folder, stem, k->items, k->n_items, &to);
    if (st == CN_OK) {
        cn_text_format(text, sizeof text, "%lld files, %s, moved to %.300s",
                       (long long)k->n_items, size_text(k->bytes, size), to);
        st = cn_store_event(s, k->iteration, "gc", text, g->err);
    }
    if (st == CN_OK)
        st = put_manifest(g, folder, base_name(to), k->items, k->n_items);
    if (st == CN_OK)
        st = cn_archive_unlink(dir, k->items, k->n_items, g->err);
    if (st == CN_OK)
        say_goes(g, k->iteration, NULL, k->n_items, k->bytes, to);
    cn_free(to);
    return st;
}

static cn_status lease(struct gc *g, const char *dir, struct cn_store **out)
{
    char holder[64];
    cn_status st = cn_store_open(dir, CN_STORE_WRITE, out, g->err);

    cn_text_format(holder, sizeof holder, "gc:%ld", (long)getpid());
    return st == CN_OK ? cn_store_lease_steal(*out, holder, cn_clock_now_ms(), 600000, g->err)
                       : st;
}

static cn_status move_all(struct gc *g, const char *dir, const char *folder,
                          const struct cn_keep_plan *p)
{
    struct cn_store *s = NULL;
    cn_status st = lease(g, dir, &s);

    for (int64_t i = 0; st == CN_OK && i < p->n; i++) {
        if (p->kept[i].reason[0])
            continue;
        st = move_one(g, dir, folder, s, &p->kept[i]);
        if (st == CN_OK)
            st = cn_store_lease_renew(s, cn_clock_now_ms(), g->err);
    }
    if (st == CN_OK)
        st = cn_store_lease_release(s, g->err);
    cn_store_close(s);
    return st;
}

static cn_status tell_plan(struct gc *g, const char *dir, const char *folder,
                           const struct cn_keep_plan *p)
{
    char name[64];

    if (g->json)
        cn_json_open(&g->w, "stays", '[');
    for (int64_t i = 0; i < p->n; i++)
        if (p->kept[i].reason[0])
            say_stays(g, &p->kept[i]);
    if (g->json) {
        cn_json_close(&g->w);
        cn_json_open(&g->w, "goes", '[');
    }
    for (int64_t i = 0; !g->yes && i < p->n; i++) {
        if (p->kept[i].reason[0])
            continue;
        cn_text_format(name, sizeof name, "iter_%06lld.tar", (long long)p->kept[i].iteration);
        char *to = cn_file_join(folder, name);
        if (!to)
            return no_memory(g);
        say_goes(g, p->kept[i].iteration, NULL, p->kept[i].n_items, p->kept[i].bytes, to);
        cn_free(to);
    }
    const cn_status st = g->yes && p->bytes > 0 ? move_all(g, dir, folder, p) : CN_OK;
    if (g->json)
        cn_json_close(&g->w);
    return st;
}

static cn_status gc_run(struct gc *g, const char *dir)
{
    char *lock_path = cn_file_join(dir, "run.lock"),
         *folder = cn_file_join(g->archive, base_name(dir));
    struct cn_keep_plan p;
    int lock = -1;
    cn_status st = lock_path && folder ? CN_OK : no_memory(g);

    memset(&p, 0, sizeof p);
    if (st == CN_OK)
        st = cn_file_lock(lock_path, 0, &lock, g->err);
    if (st == CN_ELOCKED)
        st = cn_err_set(g->err, st, "%s: a harness is at work on this run", dir);
    if (st == CN_OK)
        st = cn_keep_plan(dir, &g->keep, cn_clock_now_ms(), &p, g->err);
    if (st == CN_OK && g->json) {
        cn_json_open(&g->w, NULL, '{');
        cn_json_add_string(&g->w, "run", dir);
        cn_json_add_int(&g->w, "bytes", p.run_bytes);
    } else if (st == CN_OK) {
        char size[32];
        printf("%s (%s)\n", dir, size_text(p.run_bytes, size));
    }
    if (st == CN_OK)
        st = tell_plan(g, dir, folder, &p);
    if (st == CN_OK && g->json)
        cn_json_close(&g->w);
    cn_keep_clear(&p);
    cn_file_unlock(lock);
    cn_free(folder);
    cn_free(lock_path);
    return st;
}

/* Runs at which a harness works are told and passed over. */
static cn_status gc_all(struct gc *g)
{
    char **names = NULL;
    int n = 0;
    cn_status st = cn_file_list(g->runs, &names, &n, g->err);

    for (int i = 0; st == CN_OK && i < n; i++) {
        char *dir = cn_file_join(g->runs, names[i]);
        char *db = dir ? cn_file_join(dir, CN_STORE_FILE) : NULL;

        st = db ? CN_OK : no_memory(g);
        if (st == CN_OK && cn_file_exists(db))
            st = gc_run(g, dir);
        if (st == CN_ELOCKED) {
            fprintf(stderr, "cairn: %s; passed over\n", g->err->text);
            g->n_locked++;
            st = CN_OK;
        }
        cn_free(db);
        cn_free(dir);
    }
    cn_file_list_free(names, n);
    return st;
}

/* ------------------------------------------------------------------ 4 data sets */

static cn_status move_set(struct gc *g, const char *cache, const char *folder,
                          const struct cn_keep_set *k)
{
    char name[80];
    char *to = NULL, *lock_path, *dir;
    int lock = -1;
    cn_status st = CN_OK;

    cn_text_format(name, sizeof name, "%.64s.lock", k->key);
    lock_path = cn_file_join(cache, name);
    dir = cn_file_join(cache, k->key);
    if (!lock_path || !dir)
        st = no_memory(g);
    if (st == CN_OK)
        st = cn_file_lock(lock_path, 0, &lock, g->err); /* nobody opens it now */
    if (st == CN_OK)
        st = make_archive(g, cache, folder, k->key, k->items, k->n_items, &to);
    if (st == CN_OK)
        st = put_manifest(g, folder, base_name(to), k->items, k->n_items);
    if (st == CN_OK)
        st = cn_archive_unlink(cache, k->items, k->n_items, g->err);
    if (st == CN_OK && dir) {
        (void)rmdir(dir); /* the set's own folder, empty now */
        say_goes(g, 0, k->key, k->n_items, k->bytes, to);
    } else if (st == CN_ELOCKED) {
        st = CN_OK; /* somebody makes or opens it: it is in use after all */
    }
    cn_file_unlock(lock);
    cn_free(to);
    cn_free(dir);
    cn_free(lock_path);
    return st;
}

/* Only with --older-than: a data set that is gone costs the time to make it again. */
static cn_status gc_sets(struct gc *g)
{
    char *cache = cn_file_join(g->runs, "data"), *folder = cn_file_join(g->archive, "data");
    struct cn_keep_set *sets = NULL;
    struct cn_arena arena;
    int64_t n = 0;
    cn_status st = cache && folder ? CN_OK : no_memory(g);

    cn_arena_init(&arena, CN_CAP_ARENA);
    if (st == CN_OK && g->keep.days > 0)
        st = cn_keep_sets(cache, g->keep.days, cn_clock_now_ms(), &arena, &sets, &n, g->err);
    if (st == CN_OK && n > 0 && !g->json)
        printf("%s\n", cache);
    for (int64_t i = 0; st == CN_OK && i < n; i++)
        if (g->yes)
            st = move_set(g, cache, folder, &sets[i]);
        else
            say_goes(g, 0, sets[i].key, sets[i].n_items, sets[i].bytes, folder);
    cn_arena_clear(&arena);
    cn_free(cache);
    cn_free(folder);
    return st;
}

/* ------------------------------------------------------------------ 5 back */

/* The newest archive of an iteration: iter_000007.<largest number>.tar. */
static cn_status newest(struct gc *g, const char *folder, int64_t id, char **out)
{
    char name[64];

    *out = NULL;
    for (int k = 1; k < 1000; k++) {
        if (k == 1)
            cn_text_format(name, sizeof name, "iter_%06lld.tar", (long long)id);
        else
            cn_text_format(name, sizeof name, "iter_%06lld.%d.tar", (long long)id, k);
        char *path = cn_file_join(folder, name);
        if (!path)
            return no_memory(g);
        if (!cn_file_exists(path)) {
            cn_free(path);
            break;
        }
        cn_free(*out);
        *out = path;
    }
    return *out ? CN_OK
                : cn_err_set(g->err, CN_ENOTFOUND, "%s: nothing of iteration %lld was archived",
                             folder, (long long)id);
}

static cn_status restore_into(struct gc *g, const char *dir, const char *from, int64_t id)
{
    struct cn_store *s = NULL;
    char prefix[32], text[400];
    cn_status st;

    cn_text_format(prefix, sizeof prefix, "iter_%06lld/", (long long)id);
    cn_text_format(text, sizeof text, "restored from %.300s", from);
    st = cn_archive_restore(dir, from, prefix, g->err);
    if (st == CN_OK)
        st = lease(g, dir, &s);
    if (st == CN_OK)
        st = cn_store_event(s, id, "gc", text, g->err);
    if (st == CN_OK)
        st = cn_store_lease_release(s, g->err);
    cn_store_close(s);
    return st;
}

static cn_status gc_restore(struct gc *g, const char *dir, const char *word)
{
    char *lock_path = cn_file_join(dir, "run.lock"),
         *folder = cn_file_join(g->archive, base_name(dir)), *from = NULL;
    int64_t id = 0;
    int lock = -1;
    cn_status st = lock_path && folder ? CN_OK : no_memory(g);

    if (st == CN_OK && (!cn_text_parse_int64(word, &id) || id < 1))
        st = cn_err_set(g->err, CN_EINPUT, "gc --restore: ITER wants a number, found '%s'",
                        word);
    if (st == CN_OK)
        st = cn_file_lock(lock_path, 0, &lock, g->err);
    if (st == CN_ELOCKED)
        st = cn_err_set(g->err, st, "%s: a harness is at work on this run", dir);
    if (st == CN_OK)
        st = newest(g, folder, id, &from);
    if (st == CN_OK)
        st = restore_into(g, dir, from, id);
    if (st == CN_OK && g->json) {
        cn_json_add_string(&g->w, "restored", from);
        cn_json_add_int(&g->w, "iteration", id);
    } else if (st == CN_OK) {
        printf("%s: iteration %lld has its files back from %s (which stays)\n", dir,
               (long long)id, from);
    }
    cn_file_unlock(lock);
    cn_free(from);
    cn_free(folder);
    cn_free(lock_path);
    return st;
}

/* ------------------------------------------------------------------ 6 the verb */

static cn_status read_options(struct gc *g)
{
    const struct cn_cli_args *a = g->args;
    const char *archive = cn_cli_value(a, "archive");
    double gib = (double)NAN;
    cn_status st = cn_cli_int(a, "keep-best", 0, 1000000, 3, &g->keep.best, g->err);

    if (st == CN_OK)
        st = cn_cli_number(a, "older-than", 0, 36500, 0, &g->keep.days, g->err);
    if (st == CN_OK)
        st = cn_cli_number(a, "budget", 0, 1e9, (double)NAN, &gib, g->err);
    g->keep.budget = gib * 1073741824.0;
    g->yes = cn_cli_flag(a, "yes");
    g->json = cn_cli_flag(a, "json");
    g->runs = cn_cli_value(a, "runs") ? cn_cli_value(a, "runs") : "runs";
    g->archive = archive ? cn_strdup(archive) : cn_file_join(g->runs, "archive");
    return st == CN_OK && !g->archive ? no_memory(g) : st;
}

static cn_status check_words(const struct gc *g)
{
    const int n = g->args->n_positional;
    const bool all = cn_cli_flag(g->args, "all"), restore = cn_cli_flag(g->args, "restore");

    if (restore && (all || g->yes || n != 2))
        return cn_err_set(g->err, CN_EINPUT, "usage: cairn gc --restore RUN ITER");
    if (!restore && (all ? n != 0 : n != 1))
        return cn_err_set(g->err, CN_EINPUT, "gc: one RUN, or --all");
    return CN_OK;
}

static cn_status work(struct gc *g)
{
    char *dir = NULL;
    cn_status st = CN_OK;

    if (!cn_cli_flag(g->args, "all"))
        st = cn_cli_run_dir(g->args->positional[0], g->runs, 1, &dir, g->err);
    if (st == CN_OK && cn_cli_flag(g->args, "restore")) {
        st = gc_restore(g, dir, g->args->positional[1]);
        cn_free(dir);
        return st;
    }
    if (g->json)
        cn_json_open(&g->w, "runs", '[');
    if (st == CN_OK)
        st = dir ? gc_run(g, dir) : gc_all(g);
    if (g->json) {
        cn_json_close(&g->w);
        cn_json_open(&g->w, "data", '[');
    }
    if (st == CN_OK && !dir)
        st = gc_sets(g);
    if (g->json)
        cn_json_close(&g->w);
    cn_free(dir);
    return st;
}

static void say_total(struct gc *g)
{
    char size[32];

    if (g->json) {
        cn_json_add_bool(&g->w, "dry_run", !g->yes);
        cn_json_add_int(&g->w, "files", g->files);
        cn_json_add_int(&g->w, "bytes", g->bytes);
        cn_json_add_int(&g->w, "locked_runs", g->n_locked);
        cn_json_close(&g->w);
        puts(cn_buf_str(&g->answer));
    } else if (!cn_cli_flag(g->args, "restore")) {
        printf("%s: %lld files, %s%s\n", g->yes ? "moved" : "would move", (long long)g->files,
               size_text(g->bytes, size),
               g->yes || g->files == 0 ? "" : "; nothing was touched: --yes moves them");
    }
}

static int run_gc(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct gc g = {.args = args, .keep = CN_KEEP_OPTS_INIT, .err = &err};
    cn_status st = read_options(&g);

    cn_buf_init(&g.answer, CN_CAP_TEXT);
    cn_json_begin(&g.w, &g.answer, 2);
    if (g.json)
        cn_json_open(&g.w, NULL, '{');
    if (st == CN_OK)
        st = check_words(&g);
    if (st == CN_OK)
        st = work(&g);
    if (st == CN_OK)
        say_total(&g);
    cn_buf_clear(&g.answer);
    cn_free(g.archive);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

static const struct cn_cli_option gc_options[] = {
    {"all", NULL, "every run of the folder, and the data sets (with --older-than)"},
    {"keep-best", "K", "configs whose models stay, the best ones (default: 3)"},
    {"older-than", "DAYS", "only what ended, or was last used, so long ago"},
    {"budget", "GIB", "no more than needed for a run folder of this size, the oldest first"},
    {"yes", NULL, "move the files; without it they are only listed"},
    {"restore", NULL, "bring the files of one training back: cairn gc --restore RUN ITER"},
    {"archive", "DIR", "where the archives are (default: RUNS/archive)"},
    {"json", NULL, "for scripts"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
};

const struct cn_cli_verb cn_verb_gc = {
    "gc",
    "RUN|--all [--keep-best K] [--older-than DAYS] [--budget GIB] [--yes] | --restore RUN ITER",
    "move models and other large files of old trainings into archives",
    "Without --yes it only lists what would go, and why the rest stays. Records, logs, "
    "configs, "
    "results and all small\n"
    "files never go. What goes is a tar file in RUNS/archive/RUN, compared with the files "
    "before "
    "they are removed, an event\n"
    "of the run and a line of manifest.jsonl; nothing is ever deleted without that. Put "
    "RUNS/archive on other storage\n"
    "(or name it with --archive) to free space. Exit code 75: a harness is at work on the run.",
    "cairn gc fly_1 --keep-best 5 --older-than 7 --yes",
    gc_options,
    sizeof gc_options / sizeof *gc_options,
    0,
    2,
    false,
    run_gc};
