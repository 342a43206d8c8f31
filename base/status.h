/* Status codes and messages.
 *
 * Three kinds of trouble, never mixed: input errors (EINPUT: returned, with file, line, key,
 * value and what was expected), environment errors (EIO, ENOMEM, ...: returned, with errno's
 * words), and our bugs (CN_BUG: prints where and aborts). Only `main` exits.
 *
 * The message travels with the call in a caller's `struct cn_err`; passing NULL means "not
 * wanted".
 *
 *     struct cn_err err = CN_ERR_INIT;
 *     if (cn_file_read(path, CN_CAP_FILE, &buf, &err) != CN_OK)
 *         return cn_err_print(stderr, "cairn", &err); // "cairn: <message>"; the exit code
 *
 * Keys and tokens never enter a message.
 */
#ifndef CN_BASE_STATUS_H
#define CN_BASE_STATUS_H

#include <stdarg.h>
#include <stdio.h>

/* name, value, text */
#define CN_STATUS_MAP(X)                                \
    X(OK, 0, "ok")                                      \
    X(EINPUT, -1, "input breaks its format")            \
    X(EIO, -2, "operating system call failed")          \
    X(ENOMEM, -3, "out of memory")                      \
    X(ECAP, -4, "a ceiling of base/caps.h was reached") \
    X(ENOTFOUND, -5, "not found")                       \
    X(EEXIST, -6, "exists already")                     \
    X(ELOCKED, -7, "locked by another process")         \
    X(EDIVERGED, -8, "a number stopped being finite")   \
    X(ESTOPPED, -9, "stopped on request")               \
    X(ETIMEOUT, -10, "deadline passed")                 \
    X(ENOSPC, -11, "no space left on device")           \
    X(ECORRUPT, -12, "stored data fail their check")    \
    X(EUNSUPPORTED, -13, "not supported here")

typedef enum {
#define X(name, value, text) CN_##name = (value),
    CN_STATUS_MAP(X)
#undef X
} cn_status;

#define CN_MUST_CHECK        __attribute__((warn_unused_result))
#define CN_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

enum { CN_ERR_TEXT = 1024 };

struct cn_err {
    cn_status status;
    char text[CN_ERR_TEXT]; /* one message, no trailing newline; cut with "..." when longer */
};

#define CN_ERR_INIT \
    {               \
        CN_OK, ""   \
    }

/* Fill `err` (may be NULL) and return `status`, so that `return cn_err_set(...)` reads well. */
cn_status cn_err_set(struct cn_err *err, cn_status status, const char *fmt, ...)
    CN_PRINTF(3, 4);

/* The same, with ": <strerror(errno)>" appended. Maps ENOMEM, ENOSPC/EDQUOT, ENOENT, EEXIST to
 * their status; everything else is EIO. Returns the status chosen. */
cn_status cn_err_errno(struct cn_err *err, const char *fmt, ...) CN_PRINTF(2, 3);

/* Put "<words>: " before the message that is there (context on the way up). Returns
 * err->status; with NULL, where no status was kept, CN_EIO: who passes NULL through returns the
 * status that they hold. */
cn_status cn_err_prefix(struct cn_err *err, const char *fmt, ...) CN_PRINTF(2, 3);

const char *cn_status_name(cn_status st); /* "EINPUT" */
const char *cn_status_text(cn_status st); /* "input breaks its format" */

/* The process exit code for a status, as DESIGN section 4 lists them: 0 done, 2 bad input (also
 * not-found and exists), 3 diverged, 4 memory or disk, 5 stopped, 75 locked, 1 anything else. */
int cn_status_exit_code(cn_status st);

/* Print "<who>: <message>\n" and return the exit code. */
int cn_err_print(FILE *to, const char *who, const struct cn_err *err);

/* Our own bugs: print file, line and words, then abort. */
_Noreturn void cn_bug(const char *file, int line, const char *fmt, ...) CN_PRINTF(3, 4);
#define CN_BUG(...) cn_bug(__FILE__, __LINE__, __VA_ARGS__)
#define CN_ASSERT(cond)                            \
    do {                                           \
        if (!(cond))                               \
            CN_BUG("assertion failed: %s", #cond); \
    } while (0)

#endif
