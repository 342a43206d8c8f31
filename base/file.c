/* Contents: 1 seams, 2 small helpers, 3 replace and append, 4 reading, 5 folders, 6 paths, 7
 * locks, 8 maps */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/file_int.h"
#include "base/text.h"

/* ---- 1. seams ---- */

static _Atomic int64_t n_fsyncs;
static _Atomic int64_t fail_write_in;
static _Atomic int fail_write_errno;
enum { CRASH_UNREAD = -1 }; /* the environment was not asked yet */
static _Atomic int64_t crash_in = CRASH_UNREAD;

int64_t cn_file_fsync_count(void)
{
    return atomic_load(&n_fsyncs);
}

void cn_file_fail_nth_write(int64_t nth, int errno_value)
{
    atomic_store(&fail_write_errno, errno_value);
    atomic_store(&fail_write_in, nth);
}

void cn_file_crash_after(int64_t nth)
{
    atomic_store(&crash_in, nth);
}

static int64_t crash_from_environment(void)
{
    const char *text = getenv("CAIRN_CRASH_AFTER");
    int64_t n = 0;

    if (text && (!cn_text_parse_int64(text, &n) || n < 0))
        CN_BUG("CAIRN_CRASH_AFTER wants a count of durable operations, found \"%s\"", text);
    return n;
}

/* Called after each durable operation; dies here when a test asked for it. */
static void durable_done(void)
{
    int64_t unread = CRASH_UNREAD;

    if (atomic_load(&crash_in) == CRASH_UNREAD)
        (void)atomic_compare_exchange_strong(&crash_in, &unread, crash_from_environment());
    if (atomic_load(&crash_in) > 0 && atomic_fetch_sub(&crash_in, 1) == 1)
        _exit(137);
}

void cn_file_durable_point(void)
{
    durable_done();
}

/* write(2) behind the fault seam. An injected errno of 0 makes a short write. */
static ssize_t write_seam(int fd, const void *bytes, size_t n)
{
    if (atomic_load(&fail_write_in) > 0 && atomic_fetch_sub(&fail_write_in, 1) == 1) {
        int e = atomic_load(&fail_write_errno);

        if (e == 0)
            return write(fd, bytes, n / 2);
        errno = e;
        return -1;
    }
    return write(fd, bytes, n);
}

static ssize_t write_once(int fd, const void *bytes, size_t n)
{
    ssize_t done;

    do {
        done = write_seam(fd, bytes, n);
    } while (done < 0 && errno == EINTR);
    return done;
}

static int sync_fd(int fd)
{
    int rc;

    do {
        rc = fsync(fd);
    } while (rc < 0 && errno == EINTR);
    atomic_fetch_add(&n_fsyncs, 1);
    return rc;
}

/* ---- 2. small helpers ---- */

static int open_retry(const char *path, int flags, mode_t mode)
{
    int fd;

    do {
        fd = open(path, flags | O_CLOEXEC, mode);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

/* Only where nothing hangs on it: a descriptor that was read from, or that is closed after an
 * error. */
static void close_quietly(int fd)
{
    if (fd >= 0)
        (void)close(fd);
}

cn_status cn_file_no_memory_(const char *path, struct cn_err *err)
{
    return cn_err_set(err, CN_ENOMEM, "%s: out of memory", path);
}

/* The folder that holds `path`, allocated. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');

    if (!slash)
        return cn_strdup(".");
    if (slash == path)
        return cn_strdup("/");
    return cn_strndup(path, (size_t)(slash - path));
}

cn_status cn_file_sync_dir(const char *path, struct cn_err *err)
{
    cn_status st = CN_OK;
    int fd = open_retry(path, O_RDONLY | O_DIRECTORY, 0);

    if (fd < 0)
        return cn_err_errno(err, "%s: cannot open the folder", path);
    /* EINVAL: this file system has no way to sync a folder (some network ones); nothing more
     * can be done */
    if (sync_fd(fd) < 0 && errno != EINVAL)
        st = cn_err_errno(err, "%s: cannot sync the folder", path);
    close_quietly(fd);
    return st;
}

cn_status cn_file_sync_parent_(const char *path, struct cn_err *err)
{
    char *dir = parent_of(path);
    cn_status st = dir ? cn_file_sync_dir(dir, err) : cn_file_no_memory_(path, err);

    cn_free(dir);
    return st;
}

/* ---- 3. replace and append ---- */

static cn_status write_all(int fd, const char *path, const char *bytes, size_t n,
                           struct cn_err *err)
{
    size_t done = 0;

    while (done < n) {
        ssize_t k = write_once(fd, bytes + done, n - done);

        if (k < 0)
            return cn_err_errno(err, "%s: cannot write", path);
        done += (size_t)k;
    }
    return CN_OK;
}

/* A new file beside `path`: same folder, so that the rename is atomic. The name carries pid and
 * a running number; a leftover of a crashed process with our pid is stepped over. -1 with errno
 * on failure. */
static int open_sibling(const char *path, mode_t mode, char *tmp, size_t room)
{
    static _Atomic unsigned next;
    int fd;

    do {
        cn_text_format(tmp, room, "%s.tmp-%ld-%u", path, (long)getpid(),
                       atomic_fetch_add(&next, 1));
        fd = open_retry(tmp, O_WRONLY | O_CREAT | O_EXCL, mode);
    } while (fd < 0 && errno == EEXIST);
    return fd;
}

/* Writes, syncs and closes a new file; `keep_mode` >= 0 are permission bits to give it. */
static cn_status fill_new(int fd, const char *path, int keep_mode, const void *bytes, size_t n,
                          struct cn_err *err)
{
    cn_status st = write_all(fd, path, bytes, n, err);

    if (st == CN_OK && keep_mode >= 0 && fchmod(fd, (mode_t)keep_mode) < 0)
        st = cn_err_errno(err, "%s: cannot keep the permission bits", path);
    if (st == CN_OK && sync_fd(fd) < 0)
        st = cn_err_errno(err, "%s: cannot sync", path);
    if (close(fd) < 0 && st == CN_OK) /* network file systems report a full disk here */
        st = cn_err_errno(err, "%s: cannot close", path);
    return st;
}

cn_status cn_file_replace(const char *path, const void *bytes, size_t n, struct cn_err *err)
{
    size_t room = strlen(path) + 48;
    char *tmp = cn_alloc(room, 1);
    bool made = false;
    int keep_mode = -1, fd;
    struct stat old;
    cn_status st;

    if (!tmp)
        return cn_file_no_memory_(path, err);
    if (stat(path, &old) == 0)
        keep_mode = (int)(old.st_mode & 07777);
    fd = open_sibling(path, keep_mode >= 0 ? (mode_t)(keep_mode & 0600) : 0666, tmp, room);
    if (fd < 0) {
        st = cn_err_errno(err, "%s: cannot create a temporary file beside it", path);
        goto out;
    }
    made = true;
    st = fill_new(fd, path, keep_mode, bytes, n, err);
    if (st == CN_OK && rename(tmp, path) < 0)
        st = cn_err_errno(err, "%s: cannot put the new file in its place", path);
    else if (st == CN_OK)
        made = false;
    if (st == CN_OK)
        st = cn_file_sync_parent_(path, err);
    if (st == CN_OK)
        durable_done();
out:
    if (made)
        (void)unlink(tmp); /* the first error is the one worth telling */
    cn_free(tmp);
    return st;
}

/* A short write left `k` of our bytes after `old_len`. Take them off again, unless somebody
 * else wrote behind them meanwhile (then the tail is theirs and stays). */
static cn_status cut_back(int fd, const char *path, off_t old_len, ssize_t k, size_t n,
                          struct cn_err *err)
{
    struct stat now;

    if (fstat(fd, &now) < 0 || now.st_size != old_len + k || ftruncate(fd, old_len) < 0)
        return cn_err_set(err, CN_EIO,
                          "%s: only %zd of %zu bytes were written, and the torn tail could not "
                          "be cut back",
                          path, k, n);
    return cn_err_set(err, CN_ENOSPC,
                      "%s: only %zd of %zu bytes were written (disk full, quota or file size "
                      "limit); cut back to the old length",
                      path, k, n);
}

static cn_status append_block(int fd, const char *path, const void *bytes, size_t n,
                              struct cn_err *err)
{
    struct stat before;
    ssize_t k;

    if (fstat(fd, &before) < 0)
        return cn_err_errno(err, "%s: cannot read its length", path);
    k = write_once(fd, bytes, n);
    if (k < 0)
        return cn_err_errno(err, "%s: cannot append", path);
    if ((size_t)k < n)
        return cut_back(fd, path, before.st_size, k, n, err);
    if (sync_fd(fd) < 0)
        return cn_err_errno(err, "%s: cannot sync", path);
    return CN_OK;
}

cn_status cn_file_append(const char *path, const void *bytes, size_t n, struct cn_err *err)
{
    bool created = false;
    cn_status st;
    int fd = open_retry(path, O_WRONLY | O_APPEND, 0);

    if (fd < 0 && errno == ENOENT) {
        fd = open_retry(path, O_WRONLY | O_APPEND | O_CREAT, 0666);
        created = true;
    }
    if (fd < 0)
        return cn_err_errno(err, "%s: cannot open for appending", path);
    st = append_block(fd, path, bytes, n, err);
    if (close(fd) < 0 && st == CN_OK)
        st = cn_err_errno(err, "%s: cannot close", path);
    if (st == CN_OK && created)
        st = cn_file_sync_parent_(path, err);
    if (st == CN_OK)
        durable_done();
    return st;
}

cn_status cn_file_copy(const char *from, const char *to, struct cn_err *err)
{
    struct cn_map m;
    cn_status st = cn_file_map(from, &m, err);

    if (st == CN_OK)
        st = cn_file_replace(to, m.data, m.size, err);
    cn_file_unmap(&m);
    return st;
}

/* ---- 4. reading ---- */

static cn_status open_for_reading(const char *path, int *out_fd, struct stat *out_stat,
                                  struct cn_err *err)
{
    int fd = open_retry(path, O_RDONLY | O_NOCTTY, 0);

    *out_fd = -1;
    if (fd < 0)
        return cn_err_errno(err, "%s: cannot open", path);
    if (fstat(fd, out_stat) < 0) {
        cn_status st = cn_err_errno(err, "%s: cannot read its size", path);

        close_quietly(fd);
        return st;
    }
    if (S_ISDIR(out_stat->st_mode)) {
        close_quietly(fd);
        return cn_err_set(err, CN_EINPUT, "%s: is a folder, expected a file", path);
    }
    *out_fd = fd;
    return CN_OK;
}

static cn_status too_long(const char *path, size_t cap, struct cn_err *err)
{
    return cn_err_set(err, CN_ECAP, "%s: longer than the ceiling of %zu bytes", path, cap);
}

/* To the end of the file, whatever fstat said: /proc files have size 0, logs grow while we
 * read. */
static cn_status read_rest(int fd, const char *path, size_t cap, struct cn_buf *out,
                           struct cn_err *err)
{
    char chunk[32768];

    for (;;) {
        ssize_t k = read(fd, chunk, sizeof chunk);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            return cn_err_errno(err, "%s: cannot read", path);
        if (k == 0)
            return CN_OK;
        if ((size_t)k > cap - out->len)
            return too_long(path, cap, err);
        cn_buf_add(out, chunk, (size_t)k);
        if (cn_buf_status(out) == CN_ECAP)
            return too_long(path, out->cap, err);
        if (cn_buf_status(out) != CN_OK)
            return cn_file_no_memory_(path, err);
    }
}

cn_status cn_file_read(const char *path, size_t cap, struct cn_buf *out, struct cn_err *err)
{
    struct stat info;
    int fd;
    cn_status st;

    cn_buf_reset(out);
    st = open_for_reading(path, &fd, &info, err);
    if (st == CN_OK && info.st_size > 0 && (size_t)info.st_size > cap)
        st = too_long(path, cap, err);
    if (st == CN_OK)
        st = read_rest(fd, path, cap, out, err);
    if (st != CN_OK)
        cn_buf_reset(out);
    close_quietly(fd);
    return st;
}

cn_status cn_file_read_tail(const char *path, size_t n, struct cn_buf *out, struct cn_err *err)
{
    struct stat info;
    int fd;
    cn_status st;
    off_t start = 0;

    cn_buf_reset(out);
    st = open_for_reading(path, &fd, &info, err);
    if (st == CN_OK && info.st_size > 0 && (size_t)info.st_size > n)
        start = info.st_size - (off_t)n;
    if (st == CN_OK && start > 0 && lseek(fd, start, SEEK_SET) < 0)
        st = cn_err_errno(err, "%s: cannot seek", path);
    while (st == CN_OK && out->len < n) {
        char chunk[8192];
        size_t want = n - out->len < sizeof chunk ? n - out->len : sizeof chunk;
        ssize_t k = read(fd, chunk, want);

        if (k < 0 && errno == EINTR)
            continue;
        if (k < 0)
            st = cn_err_errno(err, "%s: cannot read", path);
        if (k <= 0)
            break;
        cn_buf_add(out, chunk, (size_t)k);
        if (cn_buf_status(out) != CN_OK)
            st = cn_buf_status(out) == CN_ECAP ? too_long(path, out->cap, err)
                                               : cn_file_no_memory_(path, err);
    }
    if (st != CN_OK)
        cn_buf_reset(out);
    close_quietly(fd);
    return st;
}

bool cn_file_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}

bool cn_file_is_dir(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

int64_t cn_file_size(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0 ? (int64_t)info.st_size : -1;
}

/* ---- 5. locks ---- */

/* Time for waiting only; not base/clock.h, whose clock a test may have frozen. */
static int64_t real_ms(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail on Linux */
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static struct flock whole_file(void)
{
    struct flock l;

    memset(&l, 0, sizeof l); /* start 0, length 0 = to the end; l_pid must be 0 for OFD locks */
    l.l_type = F_WRLCK;
    l.l_whence = SEEK_SET;
    return l;
}

/* 1 taken, 0 somebody has it, -1 errno */
static int try_lock(int fd, bool wait)
{
    struct flock l = whole_file();

    for (;;) {
        if (fcntl(fd, wait ? F_OFD_SETLKW : F_OFD_SETLK, &l) == 0)
            return 1;
        if (errno == EAGAIN || errno == EACCES)
            return 0;
        if (errno != EINTR)
            return -1;
    }
}

cn_status cn_file_lock(const char *path, int wait_ms, int *out_fd, struct cn_err *err)
{
    const struct timespec pause = {0, 5000000};
    int64_t deadline = real_ms() + (wait_ms > 0 ? wait_ms : 0);
    cn_status st;
    int fd, got;

    *out_fd = -1;
    fd = open_retry(path, O_RDWR | O_CREAT, 0666);
    if (fd < 0)
        return cn_err_errno(err, "%s: cannot open the lock file", path);
    got = try_lock(fd, wait_ms < 0);
    while (got == 0 && real_ms() < deadline) {
        (void)nanosleep(&pause, NULL); /* cut short by a signal: we only ask earlier */
        got = try_lock(fd, false);
    }
    if (got == 1) {
        *out_fd = fd;
        return CN_OK;
    }
    st = got < 0 ? cn_err_errno(err, "%s: cannot lock", path)
                 : cn_err_set(err, CN_ELOCKED, "%s: locked by another process", path);
    close_quietly(fd);
    return st;
}

void cn_file_unlock(int fd)
{
    close_quietly(fd);
}

bool cn_file_is_locked(const char *path)
{
    struct flock l = whole_file();
    int fd = open_retry(path, O_RDONLY, 0);
    bool locked;

    if (fd < 0)
        return false;
    locked = fcntl(fd, F_OFD_GETLK, &l) == 0 && l.l_type != F_UNLCK;
    close_quietly(fd);
    return locked;
}

/* ---- 6. maps ---- */

cn_status cn_file_map(const char *path, struct cn_map *out, struct cn_err *err)
{
    struct stat info;
    cn_status st;
    void *p;
    int fd;

    out->data = NULL;
    out->size = 0;
    st = open_for_reading(path, &fd, &info, err);
    if (st != CN_OK || info.st_size == 0) {
        close_quietly(fd);
        return st;
    }
    p = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) {
        st = cn_err_errno(err, "%s: cannot map", path);
    } else {
        out->data = p;
        out->size = (size_t)info.st_size;
    }
    close_quietly(fd);
    return st;
}

void cn_file_unmap(struct cn_map *m)
{
    union {
        const void *in;
        void *out;
    } data = {m->data}; /* munmap takes the pointer without const */

    if (m->size > 0)
        (void)munmap(data.out, m->size);
    m->data = NULL;
    m->size = 0;
}
