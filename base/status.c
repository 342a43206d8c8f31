#include "base/status.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"

/* Copies a message of n bytes; one that does not fit is cut at a character and ends in
 * "...". */
static void store_cut(char *dst, const char *src, size_t n)
{
    if (n >= CN_ERR_TEXT) {
        n = cn_text_utf8_cut(src, n, CN_ERR_TEXT - 4);
        memcpy(dst, src, n);
        memcpy(dst + n, "...", 4);
    } else {
        memcpy(dst, src, n);
        dst[n] = '\0';
    }
}

/* Formats through a scratch twice the room, so that the arguments may point into the message
 * that is being replaced, and so that a cut is seen. */
static void format_into(char *dst, const char *fmt, va_list args, const char *tail)
{
    char scratch[2 * CN_ERR_TEXT];
    int n = vsnprintf(scratch, sizeof scratch, fmt, args);
    size_t len = n < 0 ? 0 : (size_t)n;

    if (n < 0)
        len = (size_t)snprintf(scratch, sizeof scratch, "(message could not be formatted)");
    if (len >= sizeof scratch)
        len = sizeof scratch - 1;
    if (tail && len < sizeof scratch - 1) {
        int more = snprintf(scratch + len, sizeof scratch - len, ": %s", tail);
        if (more > 0)
            len +=
                (size_t)more < sizeof scratch - len ? (size_t)more : sizeof scratch - len - 1;
    }
    store_cut(dst, scratch, len);
}

cn_status cn_err_set(struct cn_err *err, cn_status status, const char *fmt, ...)
{
    va_list args;

    if (!err)
        return status;
    va_start(args, fmt);
    format_into(err->text, fmt, args, NULL);
    va_end(args);
    err->status = status;
    return status;
}

static cn_status status_of_errno(int e)
{
    switch (e) {
    case ENOMEM:
        return CN_ENOMEM;
    case ENOSPC:
    case EDQUOT:
        return CN_ENOSPC;
    case ENOENT:
        return CN_ENOTFOUND;
    case EEXIST:
        return CN_EEXIST;
    default:
        return CN_EIO;
    }
}

cn_status cn_err_errno(struct cn_err *err, const char *fmt, ...)
{
    int e = errno;
    cn_status st = status_of_errno(e);
    char words[128];
    va_list args;

    if (!err)
        return st;
    va_start(args, fmt);
    /* the GNU strerror_r: returns the text, which need not be in `words` */
    format_into(err->text, fmt, args, strerror_r(e, words, sizeof words));
    va_end(args);
    err->status = st;
    errno = e;
    return st;
}

cn_status cn_err_prefix(struct cn_err *err, const char *fmt, ...)
{
    char old[CN_ERR_TEXT];
    va_list args;

    if (!err)
        return CN_EIO;
    memcpy(old, err->text, sizeof old);
    va_start(args, fmt);
    format_into(err->text, fmt, args, old);
    va_end(args);
    return err->status;
}

const char *cn_status_name(cn_status st)
{
    switch (st) {
#define X(name, value, text) \
    case CN_##name:          \
        return #name;
        CN_STATUS_MAP(X)
#undef X
    }
    return "UNKNOWN";
}

const char *cn_status_text(cn_status st)
{
    switch (st) {
#define X(name, value, text) \
    case CN_##name:          \
        return text;
        CN_STATUS_MAP(X)
#undef X
    }
    return "unknown status";
}

int cn_status_exit_code(cn_status st)
{
    switch (st) {
    case CN_OK:
        return 0;
    case CN_EINPUT:
    case CN_ENOTFOUND:
    case CN_EEXIST:
        return 2;
    case CN_EDIVERGED:
        return 3;
    case CN_ENOMEM:
    case CN_ENOSPC:
        return 4;
    case CN_ESTOPPED:
        return 5;
    case CN_ELOCKED:
        return 75; /* EX_TEMPFAIL: somebody else is at work, try later */
    default:
        return 1;
    }
}

int cn_err_print(FILE *to, const char *who, const struct cn_err *err)
{
    const char *text = err->text[0] ? err->text : cn_status_text(err->status);

    (void)fprintf(to, "%s: %s\n", who, text); /* nothing left to tell it to if this fails */
    return cn_status_exit_code(err->status);
}

void cn_bug(const char *file, int line, const char *fmt, ...)
{
    va_list args;

    (void)fprintf(stderr, "%s:%d: bug: ", file, line);
    va_start(args, fmt);
    (void)vfprintf(stderr, fmt, args);
    va_end(args);
    (void)fputc('\n', stderr);
    (void)fflush(stderr);
    abort();
}
