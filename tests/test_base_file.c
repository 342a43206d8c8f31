/* Contents: 1 replace, 2 append, 3 crash seam, 4 reading, 5 folders, 6 paths, 7 locks,
 * 8 maps */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/file.h"
#include "base/text.h"

static char dir[64];
static struct cn_err err = CN_ERR_INIT;

static void make_dir(void)
{
    cn_text_copy(dir, sizeof dir, "/tmp/cairn_file_XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void remove_dir(void)
{
    cn_file_fail_nth_write(0, 0);
    cr_assert_eq(cn_file_remove_tree(dir, &err), CN_OK, "%s", err.text);
}

TestSuite(base_file, .init = make_dir, .fini = remove_dir);

/* "<dir>/<name>", good until the fourth call after */
static const char *at(const char *name)
{
    static char path[4][256];
    static int i;

    i = (i + 1) % 4;
    cn_text_format(path[i], sizeof path[i], "%s/%s", dir, name);
    return path[i];
}

static void put(const char *name, const char *text)
{
    cr_assert_eq(cn_file_replace(at(name), text, strlen(text), &err), CN_OK, "%s", err.text);
}

static void assert_content(const char *name, const char *want)
{
    struct cn_buf b;

    cn_buf_init(&b, 1 << 20);
    cr_assert_eq(cn_file_read(at(name), 1 << 20, &b, &err), CN_OK, "%s", err.text);
    cr_assert_str_eq(cn_buf_str(&b), want);
    cn_buf_clear(&b);
}

static int entries(const char *path)
{
    char **names;
    int n;

    cr_assert_eq(cn_file_list(path, &names, &n, &err), CN_OK, "%s", err.text);
    cn_file_list_free(names, n);
    return n;
}

/* ---- 1. replace ---- */

Test(base_file, replace_makes_and_replaces_with_two_syncs_each)
{
    int64_t before = cn_file_fsync_count();

    put("a", "first");
    assert_content("a", "first");
    put("a", "second, longer");
    assert_content("a", "second, longer");
    put("a", "");
    assert_content("a", "");
    cr_assert_eq(cn_file_fsync_count() - before, 6, "file and folder, three times");
    cr_assert_eq(entries(dir), 1, "no temporary file is left");
}

Test(base_file, replace_keeps_the_permission_bits)
{
    struct stat info;

    put("key", "x");
    cr_assert_eq(chmod(at("key"), 0640), 0);
    put("key", "y");
    cr_assert_eq(stat(at("key"), &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0640);
    cr_assert_eq(chmod(at("key"), 0444), 0);
    put("key", "z");
    assert_content("key", "z");
    cr_assert_eq(stat(at("key"), &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0444);
}

Test(base_file, new_file_follows_the_umask)
{
    struct stat info;

    (void)umask(027);
    put("a", "x");
    cr_assert_eq(stat(at("a"), &info), 0);
    cr_assert_eq(info.st_mode & 07777, 0640);
}

Test(base_file, failed_replace_leaves_the_old_bytes_and_no_litter)
{
    put("a", "old");
    cn_file_fail_nth_write(1, ENOSPC);
    cr_assert_eq(cn_file_replace(at("a"), "new", 3, &err), CN_ENOSPC);
    cr_assert(strstr(err.text, "/a: cannot write: No space") != NULL, "%s", err.text);
    assert_content("a", "old");
    cr_assert_eq(entries(dir), 1);
    cn_file_fail_nth_write(1, EIO);
    cr_assert_eq(cn_file_replace(at("a"), "new", 3, &err), CN_EIO);
    assert_content("a", "old");
    cn_file_fail_nth_write(1, EINTR);
    put("a", "after EINTR");
    assert_content("a", "after EINTR");
    cn_file_fail_nth_write(1, 0);
    put("a", "short write is continued");
    assert_content("a", "short write is continued");
}

Test(base_file, replace_in_a_missing_folder_is_not_found)
{
    cr_assert_eq(cn_file_replace(at("no/a"), "x", 1, &err), CN_ENOTFOUND);
    cr_assert_eq(cn_file_replace(dir, "x", 1, &err), CN_EIO, "a folder is not replaced");
    cr_assert_eq(entries(dir), 0);
}

Test(base_file, every_failed_allocation_leaves_the_old_file)
{
    int nth;

    put("a", "old");
    for (nth = 1; nth < 20; nth++) {
        cn_status st;

        cn_alloc_fail_nth(nth);
        st = cn_file_replace(at("a"), "new", 3, &err);
        cn_alloc_fail_nth(0);
        if (st == CN_OK)
            break;
        cr_assert_eq(st, CN_ENOMEM);
    }
    cr_assert_gt(nth, 1);
    cr_assert_lt(nth, 20);
    cr_assert_eq(entries(dir), 1);
}

/* ---- 2. append ---- */

Test(base_file, append_adds_and_syncs_once)
{
    int64_t before = cn_file_fsync_count();

    cr_assert_eq(cn_file_append(at("log"), "one\n", 4, &err), CN_OK);
    cr_assert_eq(cn_file_fsync_count() - before, 2, "a new file syncs its folder too");
    cr_assert_eq(cn_file_append(at("log"), "two\n", 4, &err), CN_OK);
    cr_assert_eq(cn_file_fsync_count() - before, 3);
    assert_content("log", "one\ntwo\n");
}

Test(base_file, short_append_is_cut_back)
{
    cr_assert_eq(cn_file_append(at("log"), "one\n", 4, &err), CN_OK);
    cn_file_fail_nth_write(1, 0);
    cr_assert_eq(cn_file_append(at("log"), "two2\n", 5, &err), CN_ENOSPC);
    cr_assert(strstr(err.text, "only 2 of 5 bytes") != NULL, "%s", err.text);
    assert_content("log", "one\n");
    cn_file_fail_nth_write(1, ENOSPC);
    cr_assert_eq(cn_file_append(at("log"), "two\n", 4, &err), CN_ENOSPC);
    assert_content("log", "one\n");
    cr_assert_eq(cn_file_append(at("log"), "two\n", 4, &err), CN_OK);
    assert_content("log", "one\ntwo\n");
}

/* ---- 3. crash seam ---- */

/* A child that does three durable operations; how far it came shows in the files. */
static int child_with_three_operations(int64_t crash_after)
{
    pid_t pid = fork();
    int status;

    if (pid == 0) {
        if (crash_after >= 0)
            cn_file_crash_after(crash_after);
        if (cn_file_append(at("log"), "1", 1, NULL) != CN_OK ||
            cn_file_replace(at("state"), "2", 1, NULL) != CN_OK ||
            cn_file_append(at("log"), "3", 1, NULL) != CN_OK)
            _exit(1);
        _exit(0);
    }
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert(WIFEXITED(status));
    return WEXITSTATUS(status);
}

Test(base_file, crash_comes_right_after_the_nth_durable_operation)
{
    cr_assert_eq(child_with_three_operations(2), 137);
    assert_content("log", "1");
    assert_content("state", "2");
    cr_assert_eq(child_with_three_operations(4), 0);
    assert_content("log", "113");
}

Test(base_file, crash_count_is_read_from_the_environment)
{
    cr_assert_eq(setenv("CAIRN_CRASH_AFTER", "1", 1), 0);
    cr_assert_eq(child_with_three_operations(-1), 137);
    assert_content("log", "1");
    cr_assert_not(cn_file_exists(at("state")));
    cr_assert_eq(child_with_three_operations(0), 0, "the call outranks the environment");
}

/* ---- 4. reading ---- */

Test(base_file, read_keeps_to_the_ceiling)
{
    struct cn_buf b;

    put("a", "0123456789");
    cn_buf_init(&b, 100);
    cr_assert_eq(cn_file_read(at("a"), 10, &b, &err), CN_OK);
    cr_assert_eq(b.len, 10);
    cr_assert_eq(cn_file_read(at("a"), 9, &b, &err), CN_ECAP);
    cr_assert_eq(b.len, 0);
    cr_assert(strstr(err.text, "ceiling of 9 bytes") != NULL, "%s", err.text);
    cn_buf_clear(&b);
    cn_buf_init(&b, 5);
    cr_assert_eq(cn_file_read(at("a"), 10, &b, &err), CN_ECAP,
                 "the buffer's own ceiling counts too");
    cn_buf_clear(&b);
}

Test(base_file, reading_what_is_not_there_says_so)
{
    struct cn_buf b;

    cn_buf_init(&b, 100);
    cn_buf_adds(&b, "old");
    cr_assert_eq(cn_file_read(at("none"), 10, &b, &err), CN_ENOTFOUND);
    cr_assert_eq(b.len, 0);
    cr_assert_eq(cn_file_read(dir, 10, &b, &err), CN_EINPUT);
    cr_assert_eq(cn_file_read_tail(at("none"), 10, &b, &err), CN_ENOTFOUND);
    cn_buf_clear(&b);
}

Test(base_file, files_without_a_size_are_read_too)
{
    struct cn_buf b;

    cn_buf_init(&b, 1 << 20);
    cr_assert_eq(cn_file_read("/proc/self/status", 1 << 20, &b, &err), CN_OK);
    cr_assert_gt(b.len, 100);
    cn_buf_clear(&b);
}

Test(base_file, tail_gives_the_last_bytes)
{
    struct cn_buf b;

    put("a", "0123456789");
    cn_buf_init(&b, 100);
    cr_assert_eq(cn_file_read_tail(at("a"), 3, &b, &err), CN_OK);
    cr_assert_str_eq(cn_buf_str(&b), "789");
    cr_assert_eq(cn_file_read_tail(at("a"), 30, &b, &err), CN_OK);
    cr_assert_str_eq(cn_buf_str(&b), "0123456789");
    cr_assert_eq(cn_file_read_tail(at("a"), 0, &b, &err), CN_OK);
    cr_assert_eq(b.len, 0);
    cn_buf_clear(&b);
}

Test(base_file, big_file_comes_back_whole_and_copies)
{
    size_t n = 300001, i;
    char *bytes = cn_alloc(n, 1);
    struct cn_buf b;

    for (i = 0; i < n; i++)
        bytes[i] = (char)(i * 31 % 251);
    cr_assert_eq(cn_file_replace(at("big"), bytes, n, &err), CN_OK);
    cr_assert_eq(cn_file_copy(at("big"), at("copy"), &err), CN_OK);
    cn_buf_init(&b, n);
    cr_assert_eq(cn_file_read(at("copy"), n, &b, &err), CN_OK);
    cr_assert_eq(b.len, n);
    cr_assert_eq(memcmp(b.data, bytes, n), 0);
    cn_buf_clear(&b);
    cn_free(bytes);
    put("empty", "");
    cr_assert_eq(cn_file_copy(at("empty"), at("copy"), &err), CN_OK);
    cr_assert_eq(cn_file_size(at("copy")), 0);
    cr_assert_eq(cn_file_copy(at("none"), at("copy"), &err), CN_ENOTFOUND);
}

/* ---- 5. folders ---- */

Test(base_file, mkdirs_makes_all_levels_and_accepts_what_is_there)
{
    cr_assert_eq(cn_file_mkdirs(at("a/b//c/"), &err), CN_OK, "%s", err.text);
    cr_assert(cn_file_is_dir(at("a/b/c")));
    cr_assert_eq(cn_file_mkdirs(at("a/b/c"), &err), CN_OK);
    cr_assert_eq(cn_file_mkdirs("/", &err), CN_OK);
    cr_assert_eq(cn_file_mkdirs("", &err), CN_EINPUT);
    put("file", "x");
    cr_assert_neq(cn_file_mkdirs(at("file"), &err), CN_OK);
    cr_assert_neq(cn_file_mkdirs(at("file/below"), &err), CN_OK);
    cr_assert_eq(chdir(dir), 0);
    cr_assert_eq(cn_file_mkdirs("rel/ative", &err), CN_OK);
    cr_assert(cn_file_is_dir(at("rel/ative")));
    cr_assert_eq(cn_file_mkdirs("single", &err), CN_OK);
    cr_assert(cn_file_is_dir(at("single")));
}

Test(base_file, list_is_sorted_and_complete)
{
    char **names;
    int n;

    put("b", "");
    put("a", "");
    put("B", "");
    put(".hidden", "");
    cr_assert_eq(cn_file_mkdirs(at("c"), &err), CN_OK);
    cr_assert_eq(cn_file_list(dir, &names, &n, &err), CN_OK);
    cr_assert_eq(n, 5);
    cr_assert_str_eq(names[0], ".hidden");
    cr_assert_str_eq(names[1], "B");
    cr_assert_str_eq(names[2], "a");
    cr_assert_str_eq(names[4], "c");
    cn_file_list_free(names, n);
    cr_assert_eq(cn_file_list(at("c"), &names, &n, &err), CN_OK);
    cr_assert_eq(n, 0);
    cn_file_list_free(names, n);
    cr_assert_eq(cn_file_list(at("none"), &names, &n, &err), CN_ENOTFOUND);
    cr_assert_null(names);
}

Test(base_file, remove_tree_removes_all_but_what_links_point_to)
{
    int i;

    cr_assert_eq(cn_file_mkdirs(at("keep"), &err), CN_OK);
    put("keep/file", "kept");
    cr_assert_eq(cn_file_mkdirs(at("t/deep/deeper"), &err), CN_OK);
    for (i = 0; i < 300; i++) {
        char name[32];

        cn_text_format(name, sizeof name, "t/deep/f%d", i);
        cr_assert_eq(close(open(at(name), O_CREAT | O_WRONLY, 0600)), 0);
    }
    cr_assert_eq(symlink("../keep", at("t/link")), 0);
    cr_assert_eq(symlink("/nowhere", at("t/dangling")), 0);
    cr_assert_eq(cn_file_remove_tree(at("t"), &err), CN_OK, "%s", err.text);
    cr_assert_not(cn_file_exists(at("t")));
    assert_content("keep/file", "kept");
    cr_assert_eq(symlink("keep", at("l")), 0);
    cr_assert_eq(cn_file_remove_tree(at("l/"), &err), CN_OK);
    assert_content("keep/file", "kept");
    cr_assert_not(cn_file_exists(at("l")));
    cr_assert_eq(cn_file_remove_tree(at("absent"), &err), CN_OK);
    cr_assert_eq(cn_file_remove_tree(at("keep/file"), &err), CN_OK,
                 "a single file is a tree too");
}

Test(base_file, remove_tree_refuses_what_nobody_means)
{
    static const char *const bad[] = {"",   "/",    "//",    ".",   "..",
                                      "./", "a/..", "a/../", "a/.", "/.."};
    size_t i;

    for (i = 0; i < sizeof bad / sizeof *bad; i++)
        cr_assert_eq(cn_file_remove_tree(bad[i], &err), CN_EINPUT, "\"%s\"", bad[i]);
}

Test(base_file, tree_size_adds_files_and_skips_links)
{
    cr_assert_eq(cn_file_mkdirs(at("t/u"), &err), CN_OK);
    put("t/a", "12345");
    put("t/u/b", "123");
    put("far", "1234567");
    cr_assert_eq(symlink("../far", at("t/link")), 0);
    cr_assert_eq(cn_file_tree_size(at("t")), 8);
    cr_assert_eq(cn_file_tree_size(at("far")), 7);
    cr_assert_eq(cn_file_tree_size(at("none")), 0);
    cr_assert_eq(cn_file_size(at("far")), 7);
    cr_assert_eq(cn_file_size(at("none")), -1);
    cr_assert(cn_file_exists(at("t")) && cn_file_is_dir(at("t")) && !cn_file_is_dir(at("far")));
}

/* ---- 6. paths ---- */

static void assert_taken(char *got, const char *want)
{
    cr_assert_not_null(got);
    cr_assert_str_eq(got, want);
    cn_free(got);
}

Test(base_file, join_puts_one_slash)
{
    assert_taken(cn_file_join("a", "b"), "a/b");
    assert_taken(cn_file_join("a/", "b"), "a/b");
    assert_taken(cn_file_join("/", "b"), "/b");
    assert_taken(cn_file_join("", "b"), "b");
}

Test(base_file, absolute_is_textual)
{
    char want[128];

    cr_assert_eq(chdir(dir), 0);
    assert_taken(cn_file_absolute("/a//b/./c/"), "/a/b/c");
    assert_taken(cn_file_absolute("/"), "/");
    assert_taken(cn_file_absolute("/a/../b"), "/a/../b");
    cn_text_format(want, sizeof want, "%s/x/y", dir);
    assert_taken(cn_file_absolute("./x/y"), want);
    assert_taken(cn_file_absolute("."), dir);
}

/* ---- 7. locks ---- */

Test(base_file, lock_is_exclusive_until_closed)
{
    int a, b;

    cr_assert_not(cn_file_is_locked(at("lock")));
    cr_assert_eq(cn_file_lock(at("lock"), 0, &a, &err), CN_OK);
    cr_assert_geq(a, 0);
    cr_assert(fcntl(a, F_GETFD) & FD_CLOEXEC);
    cr_assert(cn_file_is_locked(at("lock")));
    cr_assert_eq(cn_file_lock(at("lock"), 0, &b, &err), CN_ELOCKED);
    cr_assert_eq(b, -1);
    cr_assert_eq(cn_file_lock(at("lock"), 20, &b, &err), CN_ELOCKED);
    cn_file_unlock(a);
    cn_file_unlock(-1);
    cr_assert_not(cn_file_is_locked(at("lock")));
    cr_assert_eq(cn_file_lock(at("lock"), -1, &b, &err), CN_OK);
    cn_file_unlock(b);
    cr_assert_eq(cn_file_lock(at("no/lock"), 0, &b, &err), CN_ENOTFOUND);
}

Test(base_file, lock_of_a_dead_process_is_free)
{
    int ready[2], fd, status;
    char c;
    pid_t pid;

    cr_assert_eq(pipe(ready), 0);
    pid = fork();
    if (pid == 0) {
        if (cn_file_lock(at("lock"), 0, &fd, NULL) != CN_OK)
            _exit(1);
        (void)!write(ready[1], "x", 1);
        (void)pause();
        _exit(0);
    }
    cr_assert_eq(read(ready[0], &c, 1), 1);
    cr_assert_eq(cn_file_lock(at("lock"), 0, &fd, &err), CN_ELOCKED);
    cr_assert_eq(kill(pid, SIGKILL), 0);
    cr_assert_eq(waitpid(pid, &status, 0), pid);
    cr_assert_eq(cn_file_lock(at("lock"), 0, &fd, &err), CN_OK);
    cn_file_unlock(fd);
    (void)close(ready[0]);
    (void)close(ready[1]);
}

/* ---- 8. maps ---- */

Test(base_file, map_shows_the_bytes)
{
    struct cn_map m;

    put("a", "mapped");
    cr_assert_eq(cn_file_map(at("a"), &m, &err), CN_OK);
    cr_assert_eq(m.size, 6);
    cr_assert_eq(memcmp(m.data, "mapped", 6), 0);
    cn_file_unmap(&m);
    cr_assert_null(m.data);
    put("empty", "");
    cr_assert_eq(cn_file_map(at("empty"), &m, &err), CN_OK);
    cr_assert_eq(m.size, 0);
    cn_file_unmap(&m);
    cr_assert_eq(cn_file_map(at("none"), &m, &err), CN_ENOTFOUND);
    cr_assert_eq(m.size, 0);
}
