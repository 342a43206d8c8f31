/* Folders of case files: an input, and beside it what must come out of it. A missing file or an
 * empty folder aborts the test. */
#ifndef CN_TESTS_CASE_FILES_H
#define CN_TESTS_CASE_FILES_H

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "tests/support/cases.h"

/* "<cases>/<folder>/<name without its ending><ending>" */
static inline const char *case_file(const char *folder, const char *name, const char *ending,
                                    char out[4096])
{
    char dir[2048];
    const char *dot = strrchr(name, '.');

    (void)snprintf(out, 4096, "%s/%.*s%s", cn_case_path(folder, dir, sizeof dir),
                   dot ? (int)(dot - name) : (int)strlen(name), name, ending);
    return out;
}

/* The whole file; clear with cn_buf_clear. */
static inline struct cn_buf case_bytes(const char *path)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_FILE);
    if (cn_file_read(path, CN_CAP_FILE, &b, &err) != CN_OK)
        CN_BUG("case file: %s", err.text);
    return b;
}

/* Calls check(name, bytes) for the files with that beginning and ending; at least `least` of
 * them. */
static inline void case_each(const char *folder, const char *begins, const char *ends,
                             int least,
                             void (*check)(const char *name, const struct cn_buf *bytes))
{
    struct cn_err err = CN_ERR_INIT;
    char dir[2048], path[4096], **names;
    int n, seen = 0;

    if (cn_file_list(cn_case_path(folder, dir, sizeof dir), &names, &n, &err) != CN_OK)
        CN_BUG("case files: %s", err.text);
    for (int i = 0; i < n; i++) {
        struct cn_buf b;

        if (strncmp(names[i], begins, strlen(begins)) != 0 || !strrchr(names[i], '.') ||
            strcmp(strrchr(names[i], '.'), ends) != 0)
            continue;
        b = case_bytes(case_file(folder, names[i], ends, path));
        check(names[i], &b);
        cn_buf_clear(&b);
        seen++;
    }
    cn_file_list_free(names, n);
    if (seen < least)
        CN_BUG("%d case files %s*%s in %s, expected at least %d", seen, begins, ends, dir,
               least);
}

#endif
