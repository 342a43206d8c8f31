/* SQLite's files behind a seam: the nth write, sync or truncate from now fails, or kills the
 * process as kill -9 would. Becomes the default VFS of the process. */
#ifndef CN_TESTS_FAULTY_VFS_H
#define CN_TESTS_FAULTY_VFS_H

#include <stdbool.h>

void faulty_vfs_install(void);
/* 0 = never. rc: the SQLite code to fail with (SQLITE_FULL, SQLITE_IOERR_WRITE), or 0:
 * _exit(137). */
void faulty_vfs_arm(int nth, int rc);
bool faulty_vfs_fired(void);

#endif
