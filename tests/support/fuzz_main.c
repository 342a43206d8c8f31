/* A plain main for the fuzz targets: feeds each file of the corpus folders (or single files)
 * named on the command line to LLVMFuzzerTestOneInput, whole and, up to 4 KiB, every
 * byte-prefix. The count is printed; an empty corpus is a failure, so that a target cannot pass
 * without input. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "tests/support/fuzz.h"

enum { PREFIX_MAX = 4096 };

struct tally {
    int64_t files, inputs;
};

/* In a block of exactly that size, so that a sanitizer sees the first byte read beyond it. */
static int feed(const char *bytes, size_t n)
{
    uint8_t *exact = cn_alloc(n ? n : 1, 1);

    if (!exact)
        return -1;
    if (n > 0)
        memcpy(exact, bytes, n);
    (void)LLVMFuzzerTestOneInput(exact, n); /* its result is reserved and means nothing */
    cn_free(exact);
    return 0;
}

static cn_status feed_file(const char *path, struct tally *t, struct cn_err *err)
{
    struct cn_buf b;
    cn_status st;
    size_t n;

    cn_buf_init(&b, CN_CAP_FILE);
    st = cn_file_read(path, CN_CAP_FILE, &b, err);
    for (n = 0; st == CN_OK && n <= b.len; n++) {
        if (n < b.len && b.len > PREFIX_MAX)
            n = b.len;
        if (feed(cn_buf_str(&b), n) != 0)
            st = cn_err_set(err, CN_ENOMEM, "%s: out of memory", path);
        t->inputs++;
    }
    t->files++;
    cn_buf_clear(&b);
    return st;
}

static cn_status feed_path(const char *path, struct tally *t, struct cn_err *err)
{
    cn_status st;
    char **names;
    int n, i;

    if (!cn_file_is_dir(path))
        return feed_file(path, t, err);
    st = cn_file_list(path, &names, &n, err);
    if (st != CN_OK)
        return st;
    for (i = 0; st == CN_OK && i < n; i++) {
        char *child = cn_file_join(path, names[i]);

        st = child ? feed_path(child, t, err)
                   : cn_err_set(err, CN_ENOMEM, "%s: out of memory", path);
        cn_free(child);
    }
    cn_file_list_free(names, n);
    return st;
}

int main(int argc, char **argv)
{
    struct cn_err err = CN_ERR_INIT;
    struct tally t = {0, 0};
    int i;

    for (i = 1; i < argc; i++)
        if (feed_path(argv[i], &t, &err) != CN_OK)
            return cn_err_print(stderr, argv[0], &err);
    (void)printf("%lld inputs from %lld files\n", (long long)t.inputs, (long long)t.files);
    if (t.files == 0) {
        (void)fprintf(stderr, "%s: no corpus file found\n", argv[0]);
        return 2;
    }
    return 0;
}
