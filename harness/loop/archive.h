/* Files moved out of the way, into tar archives, and back. Nothing is ever removed that is not
 * safe in an archive: the archive is written, synced, compared with the files byte by byte, and
 * only then are the files unlinked, one by one. A crash anywhere leaves the files, the archive, or
 * both.
 *
 *     st = cn_archive_make("runs/fly_1", items, n, "runs/archive/fly_1/iter_000007.tar", &err);
 *     st = cn_archive_unlink("runs/fly_1", items, n, &err);
 *     st = cn_archive_restore("runs/fly_1", "runs/archive/fly_1/iter_000007.tar",
 *                             "iter_000007/", &err);
 *
 * The work is tar's (the program, on PATH); members are plain files with relative names.
 */
#ifndef CN_LOOP_ARCHIVE_H
#define CN_LOOP_ARCHIVE_H

#include <stdint.h>

#include "base/status.h"

struct cn_archive_item {
    const char *path; /* relative to the root; no "..", no leading '/' */
    int64_t bytes;
};

/* `tar_path` holds exactly these files as they are now: made, or there already and equal. Its
 * folder is made. CN_EEXIST: there is an archive of that name with other content. CN_ENOTFOUND:
 * there is no tar. */
CN_MUST_CHECK cn_status cn_archive_make(const char *root, const struct cn_archive_item *items,
                                        int64_t n, const char *tar_path, struct cn_err *err);
/* Remove the files (only plain files of the recorded size) and the folders that are empty then,
 * but never a folder directly below the root. */
CN_MUST_CHECK cn_status cn_archive_unlink(const char *root, const struct cn_archive_item *items,
                                          int64_t n, struct cn_err *err);
/* All members back to where they were; every name must begin with `prefix`. A file that is there
 * is never overwritten: CN_EEXIST when it differs. The archive stays. */
CN_MUST_CHECK cn_status cn_archive_restore(const char *root, const char *tar_path,
                                           const char *prefix, struct cn_err *err);

#endif
