/* The half of base/file.h about folders and paths. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/file.h"
#include "base/file_int.h"

/* ---- folders ---- */

/* One level. Made or there already is fine; a file in its place is not. */
static cn_status make_dir(const char *path, struct cn_err *err)
{
    if (mkdir(path, 0777) == 0)
        return cn_file_sync_parent_(path, err);
    if (errno == EEXIST && cn_file_is_dir(path))
        return CN_OK;
    return cn_err_errno(err, "%s: cannot make the folder", path);
}

cn_status cn_file_mkdirs(const char *path, struct cn_err *err)
{
    char *work = cn_strdup(path), *p;
    cn_status st = CN_OK;

    if (!work)
        return cn_file_no_memory_(path, err);
    if (!*work)
        st = cn_err_set(err, CN_EINPUT, "an empty path is not a folder name");
    for (p = work; st == CN_OK && *p; p++) {
        if (*p != '/' || p == work || p[-1] == '/')
            continue;
        *p = '\0';
        /* Asked first: an existing parent need not be writable for us. */
        if (!cn_file_is_dir(work))
            st = make_dir(work, err);
        *p = '/';
    }
    while (p > work + 1 && p[-1] == '/') /* "a/b/" was made as "a/b" already */
        *--p = '\0';
    if (st == CN_OK && !cn_file_is_dir(work))
        st = make_dir(work, err);
    cn_free(work);
    return st;
}

static bool is_dot_or_dotdot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* "", "/", and whatever ends in "." or ".." once trailing slashes are gone */
static bool refuse_to_remove(const char *path)
{
    size_t n = strlen(path), start;
    char last[3] = "";

    while (n > 0 && path[n - 1] == '/')
        n--;
    for (start = n; start > 0 && path[start - 1] != '/'; start--)
        ;
    if (n == 0)
        return true;
    if (n - start > 2)
        return false;
    memcpy(last, path + start, n - start);
    return is_dot_or_dotdot(last);
}

static cn_status remove_at(int dir_fd, const char *name, struct cn_err *err);

/* Empties an open folder; owns `fd`. Entries may be skipped while we delete around them, so the
 * folder is read again until a pass finds nothing. */
static cn_status empty_dir(int fd, const char *name, struct cn_err *err)
{
    DIR *dir = fdopendir(fd);
    cn_status st = CN_OK;
    bool found = true;

    if (!dir) {
        st = cn_err_errno(err, "%s: cannot read the folder", name);
        (void)close(fd);
        return st;
    }
    while (st == CN_OK && found) {
        struct dirent *e;

        found = false;
        rewinddir(dir);
        while (st == CN_OK && (errno = 0, e = readdir(dir)) != NULL) {
            if (is_dot_or_dotdot(e->d_name))
                continue;
            found = true;
            st = remove_at(dirfd(dir), e->d_name, err);
        }
        if (st == CN_OK && errno != 0)
            st = cn_err_errno(err, "%s: cannot read the folder", name);
    }
    (void)closedir(dir);
    return st;
}

/* Removes one name below dir_fd. A link is removed itself, never followed: O_NOFOLLOW makes
 * opening it as a folder fail, also when it is swapped in between our calls. */
static cn_status remove_at(int dir_fd, const char *name, struct cn_err *err)
{
    cn_status st;
    int fd, why;

    if (unlinkat(dir_fd, name, 0) == 0 || errno == ENOENT)
        return CN_OK;
    if (errno != EISDIR && errno != EPERM) /* Linux says EISDIR for a folder, POSIX EPERM */
        return cn_err_errno(err, "%s: cannot remove", name);
    why = errno;
    fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        if (errno == ENOTDIR)
            errno = why; /* no folder after all: the first refusal is the reason */
        return cn_err_errno(err, "%s: cannot remove", name);
    }
    st = empty_dir(fd, name, err);
    if (st == CN_OK && unlinkat(dir_fd, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
        st = cn_err_errno(err, "%s: cannot remove the folder", name);
    return st;
}

cn_status cn_file_remove_tree(const char *path, struct cn_err *err)
{
    cn_status st;
    char *work;
    size_t n = strlen(path);

    if (refuse_to_remove(path))
        return cn_err_set(err, CN_EINPUT, "refusing to remove \"%s\"", path);
    while (path[n - 1] == '/') /* "link/" would be followed */
        n--;
    work = cn_strndup(path, n);
    if (!work)
        return cn_file_no_memory_(path, err);
    st = remove_at(AT_FDCWD, work, err);
    if (st != CN_OK && err)
        (void)cn_err_prefix(err, "%s", path);
    cn_free(work);
    return st;
}

static int64_t tree_size_at(int dir_fd, const char *name)
{
    int fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    int64_t sum = 0;
    struct dirent *e;

    if (!dir) {
        if (fd >= 0)
            (void)close(fd);
        return 0;
    }
    while ((e = readdir(dir)) != NULL) {
        struct stat info;

        if (is_dot_or_dotdot(e->d_name) ||
            fstatat(dirfd(dir), e->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0)
            continue; /* gone meanwhile: it has no size */
        if (S_ISDIR(info.st_mode))
            sum += tree_size_at(dirfd(dir), e->d_name);
        else if (S_ISREG(info.st_mode))
            sum += (int64_t)info.st_size;
    }
    (void)closedir(dir);
    return sum;
}

int64_t cn_file_tree_size(const char *path)
{
    struct stat info;

    if (lstat(path, &info) == 0 && S_ISREG(info.st_mode))
        return (int64_t)info.st_size;
    return tree_size_at(AT_FDCWD, path);
}

struct name_list {
    char **names;
    int n, room;
};

static bool list_push(struct name_list *l, const char *name)
{
    char *copy;

    if (l->n == l->room) {
        int room = l->room ? l->room * 2 : 16;
        char **names = cn_realloc(l->names, (size_t)room, sizeof *names);

        if (!names)
            return false;
        l->names = names;
        l->room = room;
    }
    copy = cn_strdup(name);
    if (!copy)
        return false;
    l->names[l->n++] = copy;
    return true;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

cn_status cn_file_list(const char *dir, char ***out_names, int *out_n, struct cn_err *err)
{
    struct name_list l = {NULL, 0, 0};
    cn_status st = CN_OK;
    DIR *d = opendir(dir); /* close-on-exec by itself */
    struct dirent *e;

    *out_names = NULL;
    *out_n = 0;
    if (!d)
        return cn_err_errno(err, "%s: cannot read the folder", dir);
    while (st == CN_OK && (errno = 0, e = readdir(d)) != NULL) {
        if (!is_dot_or_dotdot(e->d_name) && !list_push(&l, e->d_name))
            st = cn_file_no_memory_(dir, err);
    }
    if (st == CN_OK && errno != 0)
        st = cn_err_errno(err, "%s: cannot read the folder", dir);
    (void)closedir(d);
    if (st != CN_OK) {
        cn_file_list_free(l.names, l.n);
        return st;
    }
    if (l.n > 0)
        qsort(l.names, (size_t)l.n, sizeof *l.names, compare_names);
    *out_names = l.names;
    *out_n = l.n;
    return CN_OK;
}

void cn_file_list_free(char **names, int n)
{
    int i;

    for (i = 0; i < n; i++)
        cn_free(names[i]);
    cn_free(names);
}

/* ---- paths ---- */

char *cn_file_join(const char *dir, const char *name)
{
    size_t n = strlen(dir), m = strlen(name);
    char *path = cn_alloc(n + m + 2, 1);

    if (!path)
        return NULL;
    memcpy(path, dir, n);
    if (n > 0 && path[n - 1] != '/')
        path[n++] = '/';
    memcpy(path + n, name, m);
    return path;
}

/* Drops empty and "." parts in place. ".." stays: through a link it is not the part before
 * it. */
static void tidy(char *path)
{
    char *to = path;
    const char *from = path;

    while (*from) {
        size_t n;

        from += strspn(from, "/");
        n = strcspn(from, "/");
        if (n == 0 || (n == 1 && *from == '.')) {
            from += n;
            continue;
        }
        *to++ = '/';
        memmove(to, from, n);
        to += n;
        from += n;
    }
    if (to == path)
        *to++ = '/';
    *to = '\0';
}

char *cn_file_absolute(const char *path)
{
    char *here, *all;

    if (path[0] == '/') {
        all = cn_strdup(path);
    } else {
        here = getcwd(NULL, 0); /* malloc'ed by libc, so free() and not cn_free() */
        all = here ? cn_file_join(here, path) : NULL;
        free(here);
    }
    if (all)
        tidy(all);
    return all;
}
