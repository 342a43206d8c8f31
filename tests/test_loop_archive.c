/* harness/loop/archive, keep: what may go, what stays and why; archives that are safe before
 * anything is removed, and the way back. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/loop/archive.h"
#include "harness/loop/keep.h"
#include "tests/support/toy.h"

static struct toy_run t;
static char root[700], tar_path[760];

static void set_up(void)
{
    toy_init(&t);
    cn_text_format(root, sizeof root, "%s/root", t.s.dir);
    cn_text_format(tar_path, sizeof tar_path, "%s/archive/x.tar", t.s.dir);
    cr_assert_eq(cn_file_mkdirs(root, &t.err), CN_OK);
}

static void tear_down(void)
{
    toy_clear(&t);
}

TestSuite(loop_archive, .init = set_up, .fini = tear_down, .timeout = 60);

static void put(const char *dir, const char *name, const char *text)
{
    char path[1400];

    cn_text_format(path, sizeof path, "%s/%s", dir, name);
    *strrchr(path, '/') = '\0';
    cr_assert_eq(cn_file_mkdirs(path, &t.err), CN_OK);
    cn_text_format(path, sizeof path, "%s/%s", dir, name);
    cr_assert_eq(cn_file_replace(path, text, strlen(text), &t.err), CN_OK);
}

static bool there(const char *dir, const char *name)
{
    char path[1400];

    cn_text_format(path, sizeof path, "%s/%s", dir, name);
    return cn_file_exists(path);
}

static bool holds(const char *name, const char *text)
{
    char path[1400];
    struct cn_buf b;
    bool same;

    cn_text_format(path, sizeof path, "%s/%s", root, name);
    cn_buf_init(&b, CN_CAP_TEXT);
    same =
        cn_file_read(path, CN_CAP_TEXT, &b, NULL) == CN_OK && strcmp(cn_buf_str(&b), text) == 0;
    cn_buf_clear(&b);
    return same;
}

/* ---- archive ---- */

static const struct cn_archive_item two[] = {{"iter_000001/--checkpoint=1 x\n.pt", 5},
                                             {"iter_000001/deep/er/model.pt", 3}};

static void put_two(void)
{
    put(root, two[0].path, "first");
    put(root, two[1].path, "two");
    put(root, "iter_000001/config.yaml", "a: 1\n");
}

Test(loop_archive, files_go_and_come_back_as_they_were)
{
    put_two();
    cr_assert_eq(cn_archive_make(root, two, 2, tar_path, &t.err), CN_OK, "%s", t.err.text);
    cr_assert(there(root, two[0].path), "made is not yet moved");
    cr_assert_eq(cn_archive_unlink(root, two, 2, &t.err), CN_OK, "%s", t.err.text);
    cr_assert_not(there(root, two[0].path));
    cr_assert_not(there(root, "iter_000001/deep"), "what is empty goes");
    cr_assert(there(root, "iter_000001/config.yaml"));
    cr_assert_eq(cn_archive_restore(root, tar_path, "iter_000001/", &t.err), CN_OK, "%s",
                 t.err.text);
    cr_assert(holds(two[0].path, "first"));
    cr_assert(holds(two[1].path, "two"));
    cr_assert(cn_file_exists(tar_path), "the archive stays");
}

Test(loop_archive, an_archive_that_is_there_must_be_equal)
{
    put_two();
    cr_assert_eq(cn_archive_make(root, two, 2, tar_path, &t.err), CN_OK);
    cr_assert_eq(cn_archive_make(root, two, 2, tar_path, &t.err), CN_OK, "again: nothing new");
    put(root, two[1].path, "TWO");
    cr_assert_eq(cn_archive_make(root, two, 2, tar_path, &t.err), CN_EEXIST);
    cr_assert_eq(cn_archive_make(root, two, 1, tar_path, &t.err), CN_EEXIST, "fewer files");
}

Test(loop_archive, a_broken_archive_removes_nothing)
{
    put_two();
    put(t.s.dir, "archive/x.tar", "this is no tar");
    cr_assert_eq(cn_archive_make(root, two, 2, tar_path, &t.err), CN_EEXIST);
    cr_assert(there(root, two[0].path));
}

Test(loop_archive, a_file_that_changed_since_is_not_removed)
{
    put_two();
    cr_assert_eq(cn_archive_make(root, two, 2, tar_path, &t.err), CN_OK);
    put(root, two[1].path, "longer");
    cr_assert_eq(cn_archive_unlink(root, two, 2, &t.err), CN_EIO);
    cr_assert(holds(two[1].path, "longer"));
}

Test(loop_archive, what_is_there_is_not_overwritten_on_the_way_back)
{
    put_two();
    cr_assert_eq(cn_archive_make(root, two, 2, tar_path, &t.err), CN_OK);
    put(root, two[1].path, "mine");
    cr_assert_eq(cn_archive_restore(root, tar_path, "iter_000001/", &t.err), CN_EEXIST);
    cr_assert(holds(two[1].path, "mine"));
}

Test(loop_archive, paths_that_lead_elsewhere_are_refused)
{
    static const struct cn_archive_item bad[] = {
        {"../x", 1}, {"/etc/passwd", 1}, {"a/../../b", 1}, {"a//b", 1}, {"", 1}, {"./a", 1}};

    put_two();
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        cr_assert_eq(cn_archive_make(root, &bad[i], 1, tar_path, &t.err), CN_EINPUT, "%s",
                     bad[i].path);
        cr_assert_eq(cn_archive_unlink(root, &bad[i], 1, &t.err), CN_EINPUT);
    }
    cr_assert_eq(cn_archive_make(root, two, 2, tar_path, &t.err), CN_OK);
    cr_assert_eq(cn_archive_restore(root, tar_path, "iter_000002/", &t.err), CN_EINPUT,
                 "members of another training");
}

/* ---- keep ---- */

static const struct cn_kept *of(const struct cn_keep_plan *p, int64_t iteration)
{
    for (int64_t i = 0; i < p->n; i++)
        if (p->kept[i].iteration == iteration)
            return &p->kept[i];
    return NULL;
}

static void put_models(int64_t n)
{
    char name[80];

    for (int64_t i = 1; i <= n; i++) {
        cn_text_format(name, sizeof name, "iter_%06lld/model.safetensors", (long long)i);
        put(t.dir, name, "weights");
    }
}

Test(loop_archive, the_best_the_first_and_the_confirmed_stay)
{
    struct cn_keep_opts o = CN_KEEP_OPTS_INIT;
    struct cn_keep_plan p;
    struct cn_history h;
    int64_t best = 1, confirmed = 0;

    toy_go(&t, "  iterations: 6\n  n_iter_block: 3\n  confirm: 1\n", "");
    h = toy_history(&t);
    put_models(h.n_iterations);
    for (int64_t i = 0; i < h.n_iterations; i++) {
        confirmed += h.iterations[i].confirmation;
        if (!h.iterations[i].confirmation &&
            h.iterations[i].reward > h.iterations[best - 1].reward)
            best = h.iterations[i].id;
    }
    o.best = 1;
    cr_assert_eq(cn_keep_plan(t.dir, &o, cn_clock_now_ms(), &p, &t.err), CN_OK, "%s",
                 t.err.text);
    cr_assert_eq(p.n, h.n_iterations, "every folder has a model");
    cr_assert(of(&p, 1)->reason[0]);
    cr_assert(of(&p, best)->reason[0]);
    for (int64_t i = 0; i < h.n_iterations; i++)
        if (h.iterations[i].confirmation)
            cr_assert_str_eq(of(&p, h.iterations[i].id)->reason, "it was confirmed");
    int64_t may_go = 0;
    for (int64_t i = 0; i < p.n; i++) {
        may_go += !p.kept[i].reason[0];
        cr_assert_eq(p.kept[i].n_items, 1, "the model alone");
    }
    cr_assert_gt(may_go, 0);
    cr_assert_eq(p.bytes, 7 * may_go);
    cn_keep_clear(&p);

    o.days = 1;
    cr_assert_eq(cn_keep_plan(t.dir, &o, cn_clock_now_ms(), &p, &t.err), CN_OK);
    cr_assert_eq(p.bytes, 0, "all are too young");
    cn_keep_clear(&p);
    cr_assert_eq(cn_keep_plan(t.dir, &o, cn_clock_now_ms() + 2 * 86400000LL, &p, &t.err),
                 CN_OK);
    cr_assert_eq(p.bytes, 7 * may_go);
    cn_keep_clear(&p);

    o.days = 0;
    o.budget = 1e12;
    cr_assert_eq(cn_keep_plan(t.dir, &o, cn_clock_now_ms(), &p, &t.err), CN_OK);
    cr_assert_eq(p.bytes, 0, "the budget is kept already");
    o.budget = (double)p.run_bytes - 1;
    cn_keep_clear(&p);
    cr_assert_eq(cn_keep_plan(t.dir, &o, cn_clock_now_ms(), &p, &t.err), CN_OK);
    cr_assert_eq(p.bytes, 7, "one is enough");
    cn_keep_clear(&p);
    cn_history_clear(&h);
}

Test(loop_archive, small_files_records_and_links_never_go)
{
    struct cn_keep_opts o = CN_KEEP_OPTS_INIT;
    struct cn_keep_plan p;
    struct cn_buf big;
    char path[1400];
    int64_t id = 0;

    toy_go(&t, "  iterations: 4\n  n_iter_block: 4\n  confirm: 0\n", "");
    cn_buf_init(&big, CN_CAP_TEXT);
    for (int i = 0; i < CN_KEEP_LARGE / 16 + 1; i++)
        cn_buf_adds(&big, "sixteen bytes...");
    for (int i = 1; i <= 4; i++) {
        static const char *const names[] = {"metrics.jsonl", "stdout.log", "weights.bin",
                                            "movie.gif", "checkpoint/optimizer.state"};
        for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
            cn_text_format(path, sizeof path, "iter_%06d/%s", i, names[k]);
            put(t.dir, path, k == 4 ? "tiny" : cn_buf_str(&big));
        }
        cn_text_format(path, sizeof path, "%s/iter_%06d/link.pt", t.dir, i);
        cr_assert_eq(symlink("/etc/passwd", path), 0);
    }
    cn_buf_clear(&big);
    o.best = 0;
    cr_assert_eq(cn_keep_plan(t.dir, &o, cn_clock_now_ms(), &p, &t.err), CN_OK);
    for (int64_t i = 0; i < p.n; i++) {
        if (p.kept[i].reason[0])
            continue;
        id = p.kept[i].iteration;
        cr_assert_eq(p.kept[i].n_items, 3, "weights, movie, checkpoint");
    }
    cr_assert_gt(id, 1);
    cn_keep_clear(&p);
}

Test(loop_archive, a_data_set_goes_when_nobody_has_used_it)
{
    static const char key[] =
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    struct cn_arena a;
    struct cn_keep_set *sets;
    char name[200];
    int64_t n;
    int fd;

    cn_arena_init(&a, CN_CAP_ARENA);
    cn_text_format(name, sizeof name, "%s/aaa.f32", key);
    put(root, name, "1234");
    cn_text_format(name, sizeof name, "%s/header.json", key);
    put(root, name, "{}");
    put(root, "notes/header.json", "{}");
    cr_assert_eq(cn_keep_sets(root, 1, cn_clock_now_ms(), &a, &sets, &n, &t.err), CN_OK);
    cr_assert_eq(n, 0, "used today");
    const int64_t later = cn_clock_now_ms() + 3 * 86400000LL;
    cr_assert_eq(cn_keep_sets(root, 1, later, &a, &sets, &n, &t.err), CN_OK);
    cr_assert_eq(n, 1);
    cr_assert_eq(sets[0].n_items, 2);
    cr_assert(cn_text_ends(sets[0].items[0].path, "/header.json"), "first of all");
    cn_text_format(name, sizeof name, "%s/%s.use.1.1", root, key);
    cr_assert_eq(cn_file_lock(name, 0, &fd, &t.err), CN_OK);
    cr_assert_eq(cn_keep_sets(root, 1, later, &a, &sets, &n, &t.err), CN_OK);
    cr_assert_eq(n, 0, "somebody has it open");
    cn_file_unlock(fd);
    cn_arena_clear(&a);
}
