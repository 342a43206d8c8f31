/* Files that last: replace and append that survive a crash, locks, folders.
 *
 * All writing of cairn that must survive goes through cn_file_replace and cn_file_append; both
 * count their fsyncs and pass every write through one fault seam, so durability is a tested
 * property.
 */
#ifndef CN_BASE_FILE_H
#define CN_BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

/* Replace the file at `path`: temp in the same directory, write all, fsync, rename, fsync the
 * directory. After a crash a reader sees the old bytes or the new, never a mix. ENOSPC comes
 * back as CN_ENOSPC. An existing file's permission bits are kept; a link is replaced, not
 * followed. A leftover of a crash is called <path>.tmp-<pid>-<n>. */
CN_MUST_CHECK cn_status cn_file_replace(const char *path, const void *bytes, size_t n,
                                        struct cn_err *err);

/* Append one whole block of text in a single write(2), then fsync; a short write is cut back to
 * the old length (CN_ENOSPC). Creates the file (mode 0666 & ~umask) and then syncs its folder
 * too. */
CN_MUST_CHECK cn_status cn_file_append(const char *path, const void *bytes, size_t n,
                                       struct cn_err *err);

/* The whole file into `out` (reset first). CN_ECAP when longer than `cap`; CN_ENOTFOUND when
 * absent. */
CN_MUST_CHECK cn_status cn_file_read(const char *path, size_t cap, struct cn_buf *out,
                                     struct cn_err *err);
/* At most the last `n` bytes. */
CN_MUST_CHECK cn_status cn_file_read_tail(const char *path, size_t n, struct cn_buf *out,
                                          struct cn_err *err);

bool cn_file_exists(const char *path);
bool cn_file_is_dir(const char *path);
int64_t cn_file_size(const char *path); /* -1 when absent */
/* Like mkdir -p; new levels are synced. */
CN_MUST_CHECK cn_status cn_file_mkdirs(const char *path, struct cn_err *err);
CN_MUST_CHECK cn_status cn_file_sync_dir(const char *path, struct cn_err *err);
/* Copy a file's bytes durably (read + replace). */
CN_MUST_CHECK cn_status cn_file_copy(const char *from, const char *to, struct cn_err *err);
/* Remove a folder and all below it; refuses "", "/", "." and "..". Absent is fine. Does not
 * follow links. */
CN_MUST_CHECK cn_status cn_file_remove_tree(const char *path, struct cn_err *err);
/* Sum of file sizes below `path`, in bytes (0 when absent); links are not followed. */
int64_t cn_file_tree_size(const char *path);

/* Names in a folder, sorted bytewise, without "." and ".."; free each and the array with
 * cn_file_list_free. */
CN_MUST_CHECK cn_status cn_file_list(const char *dir, char ***out_names, int *out_n,
                                     struct cn_err *err);
void cn_file_list_free(char **names, int n);

/* dir + "/" + name, allocated (cn_free). NULL when out of memory. */
char *cn_file_join(const char *dir, const char *name);
/* Absolute path of an existing or future file, without resolving links or ".."; allocated
 * (cn_free). */
char *cn_file_absolute(const char *path);

/* An advisory exclusive lock on `path` (created when absent), held until the fd is closed, also
 * by the kernel when we die. fcntl OFD lock (works across NFS). *out_fd >= 0 on success.
 * CN_ELOCKED when taken. The fd is close-on-exec. `wait_ms` 0 = do not wait, -1 = for ever. */
CN_MUST_CHECK cn_status cn_file_lock(const char *path, int wait_ms, int *out_fd,
                                     struct cn_err *err);
void cn_file_unlock(int fd); /* -1 is fine */
/* True when somebody holds the lock now (a probe; never takes it). */
bool cn_file_is_locked(const char *path);

/* A read-only map of a whole file; n may be 0. */
struct cn_map {
    const void *data;
    size_t size;
};
CN_MUST_CHECK cn_status cn_file_map(const char *path, struct cn_map *out, struct cn_err *err);
void cn_file_unmap(struct cn_map *m);

/* Seams. */
int64_t cn_file_fsync_count(void);
/* The nth write(2) from now fails once (errno 0: it writes only half); 0 = never. */
void cn_file_fail_nth_write(int64_t nth, int errno_value);
/* For durable operations made elsewhere (a commit of logs/store.c): counted by the crash seam
 * like a replace. */
void cn_file_durable_point(void);
/* Crash seam: after the nth durable operation (replace, append, durable point) from now,
 * _exit(137) at once; 0 = never. Read from the environment variable CAIRN_CRASH_AFTER as well,
 * so whole programs can be killed exactly. */
void cn_file_crash_after(int64_t nth);

#endif
