/* Any bytes: refused, or read; then edits either refuse and leave the text alone, or do what
 * they say. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct first {
    char path[512];
};

static cn_status keep_first(void *ctx, const char *dotted, const struct cn_yaml_node *v)
{
    struct first *f = ctx;

    (void)v;
    if (!*f->path && strlen(dotted) < sizeof f->path)
        memcpy(f->path, dotted, strlen(dotted) + 1);
    return CN_OK;
}

/* The text may only change when the set succeeds, and then the value is there. */
static void try_set(struct cn_yaml *y, const char *path, const char *value)
{
    size_t n, after_n;
    const char *text = cn_yaml_text(y, &n);
    char *before = malloc(n + 1);
    struct cn_err err = CN_ERR_INIT;
    cn_status st;

    if (!before)
        abort();
    memcpy(before, text, n + 1);
    st = cn_yaml_set(y, path, value, &err);
    text = cn_yaml_text(y, &after_n);
    if (st == CN_OK) {
        const char *got = cn_yaml_string(cn_yaml_path(cn_yaml_root(y), path));

        if (!got || strcmp(got, value) != 0)
            abort();
    } else if ((st != CN_EINPUT && st != CN_ECAP) || n != after_n ||
               memcmp(before, text, n) != 0) {
        abort();
    }
    free(before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cn_err err = CN_ERR_INIT;
    struct first f = {""};
    struct cn_yaml *y;
    struct cn_buf b;
    cn_status st = cn_yaml_parse("fuzz", (const char *)data, size, &y, &err);

    if (st != CN_OK) {
        if ((st != CN_EINPUT && st != CN_ECAP) || y || !*err.text)
            abort();
        return 0;
    }
    cn_buf_init(&b, CN_CAP_TEXT);
    if (cn_yaml_canonical(y, NULL, &b, &err) != CN_OK)
        abort();
    cn_buf_clear(&b);
    if (cn_yaml_leaves(cn_yaml_root(y), keep_first, &f) != CN_OK)
        abort();
    if (*f.path)
        try_set(y, f.path, "1.0e-3");
    try_set(y, "training.lr_W", "7");
    cn_yaml_free(y);
    return 0;
}
