/* See archive.h. */
#include "harness/loop/archive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"

/* ---- names ---- */

/* Relative, without "..", "." or empty parts: joined to the root it stays below it. */
static bool is_below(const char *path)
{
    for (const char *p = path;; p++) {
        const size_t n = strcspn(p, "/");

        if (n == 0 || (n == 1 && p[0] == '.') || (n == 2 && p[0] == '.' && p[1] == '.'))
            return false;
        p += n;
        if (!*p)
            return true;
    }
}

static cn_status check_items(const struct cn_archive_item *items, int64_t n, struct cn_err *err)
{
    for (int64_t i = 0; i < n; i++)
        if (!is_below(items[i].path))
            return cn_err_set(err, CN_EINPUT, "%s: not a path below the run", items[i].path);
    return n > 0 ? CN_OK : cn_err_set(err, CN_EINPUT, "no files to archive");
}

static cn_status sync_file(const char *path, struct cn_err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    cn_status st = CN_OK;

    if (fd < 0 || fsync(fd) != 0)
        st = cn_err_errno(err, "%s: cannot be synced", path);
    if (fd >= 0)
        (void)close(fd);
    return st;
}

static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash && slash != path ? cn_strndup(path, (size_t)(slash - path)) : cn_strdup(".");
}

/* ---- tar ---- */

/* One run of tar; its words on failure are those of tar. */
static cn_status tar(const char *const *argv, const struct cn_buf *opt_input,
                     struct cn_buf *opt_out, const char *what, int *out_code,
                     struct cn_err *err)
{
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    const char *const env[] = {"LC_ALL=C", NULL};
    static const char *const without[] = {"TAR_OPTIONS", NULL};
    struct cn_proc_exit e;
    struct cn_buf said;
    cn_status st;

    cn_buf_init(&said, CN_CAP_CAPTURE);
    o.argv = argv;
    o.env = env;
    o.env_remove = without;
    st = cn_proc_run(&o, opt_input ? cn_buf_str(opt_input) : NULL,
                     opt_input ? opt_input->len : 0, -1, opt_out, &said, &e, err);
    *out_code = st == CN_OK && e.exited ? e.code : -1;
    if (st == CN_OK && *out_code != 0)
        (void)cn_err_set(err, CN_EIO, "%s: tar ended with %d: %.600s", what, *out_code,
                         cn_buf_str(&said));
    cn_buf_clear(&said);
    return st == CN_OK && *out_code != 0 ? CN_EIO : st;
}

/* Names with a NUL behind each, as tar takes them without looking for options in them. */
static void put_names(const struct cn_archive_item *items, int64_t n, struct cn_buf *out)
{
    for (int64_t i = 0; i < n; i++)
        cn_buf_add(out, items[i].path, strlen(items[i].path) + 1);
}

/* The members of an archive, a line each (tar escapes what is no plain character). */
static cn_status list_members(const char *tar_path, struct cn_buf *out, struct cn_err *err)
{
    const char *const argv[] = {"tar",    "--list", "--quoting-style=escape",
                                "--file", tar_path, NULL};
    int code;

    return tar(argv, NULL, out, tar_path, &code, err);
}

/* Does the archive hold exactly these names, with the bytes that the files have? */
static cn_status compare(const char *root, const struct cn_archive_item *items, int64_t n,
                         const char *tar_path, struct cn_err *err)
{
    const char *const argv[] = {"tar",         "--compare", "--file", tar_path,
                                "--directory", root,        NULL};
    struct cn_buf members;
    int64_t lines = 0;
    int code;
    cn_status st = tar(argv, NULL, NULL, tar_path, &code, err);

    cn_buf_init(&members, CN_CAP_CAPTURE);
    if (st == CN_OK)
        st = list_members(tar_path, &members, err);
    for (const char *p = cn_buf_str(&members); *p; p++)
        lines += *p == '\n';
    if (st == CN_OK && lines != n)
        st = cn_err_set(err, CN_EIO, "%s: it holds %lld files, not %lld", tar_path,
                        (long long)lines, (long long)n);
    (void)items;
    cn_buf_clear(&members);
    return st;
}

static cn_status write_new(const char *root, const struct cn_archive_item *items, int64_t n,
                           const char *part, struct cn_err *err)
{
    const char *const argv[] = {"tar",
                                "--create",
                                "--format=posix",
                                "--file",
                                part,
                                "--directory",
                                root,
                                "--no-recursion",
                                "--null",
                                "--verbatim-files-from",
                                "--files-from=-",
                                NULL};
    struct cn_buf names;
    int code;
    cn_status st;

    cn_buf_init(&names, CN_CAP_TEXT);
    put_names(items, n, &names);
    st = cn_buf_status(&names) == CN_OK
             ? tar(argv, &names, NULL, part, &code, err)
             : cn_err_set(err, cn_buf_status(&names), "%s: too many names", part);
    cn_buf_clear(&names);
    if (st == CN_OK)
        st = sync_file(part, err);
    return st == CN_OK ? compare(root, items, n, part, err) : st;
}

static cn_status place(const char *part, const char *tar_path, const char *folder,
                       struct cn_err *err)
{
    if (rename(part, tar_path) != 0)
        return cn_err_errno(err, "%s: cannot be renamed to %s", part, tar_path);
    cn_file_durable_point();
    return cn_file_sync_dir(folder, err);
}

/* There is an archive of that name: is it of these files? */
static cn_status check_old(const char *root, const struct cn_archive_item *items, int64_t n,
                           const char *tar_path, struct cn_err *err)
{
    const cn_status st = compare(root, items, n, tar_path, err);

    return st == CN_EIO
               ? cn_err_set(err, CN_EEXIST, "%s: is there, and holds other files", tar_path)
               : st;
}

static cn_status make_new(const char *root, const struct cn_archive_item *items, int64_t n,
                          const char *tar_path, const char *folder, struct cn_err *err)
{
    const size_t room = strlen(tar_path) + sizeof ".part";
    char *part = cn_alloc(room, 1);
    cn_status st;

    if (!part)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory", tar_path);
    cn_text_format(part, room, "%s.part", tar_path);
    st = write_new(root, items, n, part, err);
    if (st == CN_OK)
        st = place(part, tar_path, folder, err);
    if (st != CN_OK)
        (void)unlink(part);
    cn_free(part);
    return st;
}

cn_status cn_archive_make(const char *root, const struct cn_archive_item *items, int64_t n,
                          const char *tar_path, struct cn_err *err)
{
    char *folder = folder_of(tar_path), *program = cn_proc_which("tar");
    cn_status st = check_items(items, n, err);

    if (!folder)
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory", tar_path);
    else if (st == CN_OK && !program)
        st = cn_err_set(err, CN_ENOTFOUND, "the program tar is not on PATH");
    else if (st == CN_OK)
        st = cn_file_mkdirs(folder, err);
    if (st == CN_OK)
        st = cn_file_exists(tar_path) ? check_old(root, items, n, tar_path, err)
                                      : make_new(root, items, n, tar_path, folder, err);
    cn_free(program);
    cn_free(folder);
    return st;
}

/* ---- out of the way ---- */

static cn_status unlink_one(const char *root, const struct cn_archive_item *item,
                            struct cn_err *err)
{
    char *path = cn_file_join(root, item->path);
    struct stat s;
    cn_status st = CN_OK;

    if (!path)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory", root);
    const bool there = lstat(path, &s) == 0;
    if (!there && errno != ENOENT)
        st = cn_err_errno(err, "%s", path);
    else if (there && (!S_ISREG(s.st_mode) || s.st_size != item->bytes))
        st = cn_err_set(err, CN_EIO, "%s: is not the file that was archived; left", path);
    else if (there && unlink(path) != 0)
        st = cn_err_errno(err, "%s: cannot be removed", path);
    if (st == CN_OK && there)
        cn_file_durable_point();
    cn_free(path);
    return st;
}

/* Folders that the files leave empty; rmdir takes no others. */
static void remove_empty(const char *root, const char *path)
{
    char *copy = cn_strdup(path);

    for (char *slash = copy ? strrchr(copy, '/') : NULL; slash; slash = strrchr(copy, '/')) {
        *slash = '\0';
        if (!strchr(copy, '/'))
            break; /* iter_000007 itself stays */
        char *dir = cn_file_join(root, copy);
        const bool gone = dir && rmdir(dir) == 0;
        cn_free(dir);
        if (!gone)
            break;
    }
    cn_free(copy);
}

cn_status cn_archive_unlink(const char *root, const struct cn_archive_item *items, int64_t n,
                            struct cn_err *err)
{
    cn_status st = check_items(items, n, err);

    for (int64_t i = 0; st == CN_OK && i < n; i++)
        st = unlink_one(root, &items[i], err);
    for (int64_t i = 0; st == CN_OK && i < n; i++)
        remove_empty(root, items[i].path);
    return st;
}

/* ---- and back ---- */

static cn_status check_members(const char *tar_path, const char *prefix, struct cn_err *err)
{
    struct cn_buf members;
    cn_status st;

    cn_buf_init(&members, CN_CAP_CAPTURE);
    st = list_members(tar_path, &members, err);
    for (char *p = members.data; st == CN_OK && p && *p;) {
        char *end = strchr(p, '\n');

        if (end)
            *end = '\0';
        if (!cn_text_starts(p, prefix) || !is_below(p))
            st = cn_err_set(err, CN_EINPUT, "%s: holds %.200s, which is not below %s", tar_path,
                            p, prefix);
        p = end ? end + 1 : p + strlen(p);
    }
    cn_buf_clear(&members);
    return st;
}

cn_status cn_archive_restore(const char *root, const char *tar_path, const char *prefix,
                             struct cn_err *err)
{
    const char *const extract[] = {
        "tar", "--extract",        "--file",          tar_path, "--directory",
        root,  "--skip-old-files", "--no-same-owner", NULL};
    const char *const equal[] = {"tar",         "--compare", "--file", tar_path,
                                 "--directory", root,        NULL};
    int code;
    cn_status st;

    if (!cn_file_exists(tar_path))
        return cn_err_set(err, CN_ENOTFOUND, "%s: there is no such archive", tar_path);
    st = check_members(tar_path, prefix, err);
    if (st == CN_OK)
        st = tar(extract, NULL, NULL, tar_path, &code, err);
    if (st == CN_OK && tar(equal, NULL, NULL, tar_path, &code, err) != CN_OK)
        st = cn_err_set(
            err, CN_EEXIST,
            "%s: a file that is there differs from the archive; it was left as it is",
            tar_path);
    return st == CN_OK ? cn_file_sync_dir(root, err) : st;
}
