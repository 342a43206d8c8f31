#include "tests/support/faulty_vfs.h"

#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/banned.h"

static sqlite3_vfs *real_vfs;
static sqlite3_vfs our_vfs;
static sqlite3_io_methods our_methods;
static int armed, failure;
static bool fired;

struct file {
    sqlite3_file base;
    sqlite3_file *real; /* lies behind this struct */
};

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((struct file *)(void *)f)->real;
}

static int seam(void)
{
    if (armed > 0 && --armed == 0) {
        if (failure == 0)
            _exit(137);
        fired = true;
        return failure;
    }
    return SQLITE_OK;
}

static int f_close(sqlite3_file *f)
{
    sqlite3_file *r = real_of(f);
    return r->pMethods ? r->pMethods->xClose(r) : SQLITE_OK;
}
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    int rc = seam();
    return rc ? rc : real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 n)
{
    int rc = seam();
    return rc ? rc : real_of(f)->pMethods->xTruncate(real_of(f), n);
}
static int f_sync(sqlite3_file *f, int flags)
{
    int rc = seam();
    return rc ? rc : real_of(f)->pMethods->xSync(real_of(f), flags);
}
static int f_size(sqlite3_file *f, sqlite3_int64 *n)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), n);
}
static int f_lock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xLock(real_of(f), level);
}
static int f_unlock(sqlite3_file *f, int level)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}
static int f_reserved(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}
static int f_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}
static int f_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}
static int f_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int v_open(sqlite3_vfs *v, sqlite3_filename name, sqlite3_file *f, int flags, int *out)
{
    struct file *ours = (struct file *)(void *)f;

    (void)v;
    ours->real = (sqlite3_file *)(void *)(ours + 1);
    int rc = real_vfs->xOpen(real_vfs, name, ours->real, flags, out);
    ours->base.pMethods = rc == SQLITE_OK ? &our_methods : NULL;
    return rc;
}

void faulty_vfs_install(void)
{
    real_vfs = sqlite3_vfs_find(NULL);
    our_vfs = *real_vfs;
    our_vfs.zName = "faulty";
    our_vfs.szOsFile = (int)sizeof(struct file) + real_vfs->szOsFile;
    our_vfs.xOpen = v_open;
    our_methods = (sqlite3_io_methods){.iVersion = 1,
                                       .xClose = f_close,
                                       .xRead = f_read,
                                       .xWrite = f_write,
                                       .xTruncate = f_truncate,
                                       .xSync = f_sync,
                                       .xFileSize = f_size,
                                       .xLock = f_lock,
                                       .xUnlock = f_unlock,
                                       .xCheckReservedLock = f_reserved,
                                       .xFileControl = f_control,
                                       .xSectorSize = f_sector,
                                       .xDeviceCharacteristics = f_traits};
    sqlite3_vfs_register(&our_vfs, 1);
}

void faulty_vfs_arm(int nth, int rc)
{
    armed = nth;
    failure = rc;
    fired = false;
}

bool faulty_vfs_fired(void)
{
    return fired;
}
