#include "tests/support/scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"

static char *ring(void)
{
    static char texts[16][1024];
    static int at;

    at = (at + 1) % 16;
    return texts[at];
}

void scratch_init(struct scratch *s)
{
    const char *tmp = getenv("TMPDIR");

    cn_text_format(s->dir, sizeof s->dir, "%s/cairn-test-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (!mkdtemp(s->dir))
        CN_BUG("%s: cannot make a folder for the test", s->dir);
}

void scratch_clear(struct scratch *s)
{
    struct cn_err err = CN_ERR_INIT;

    if (cn_file_remove_tree(s->dir, &err) != CN_OK)
        CN_BUG("%s", err.text);
}

const char *scratch_path(const struct scratch *s, const char *name)
{
    char *p = ring();

    cn_text_format(p, 1024, "%s/%s", s->dir, name);
    return p;
}

const char *scratch_file(const struct scratch *s, const char *name, const char *text)
{
    const char *p = scratch_path(s, name);
    struct cn_err err = CN_ERR_INIT;

    if (cn_file_replace(p, text, strlen(text), &err) != CN_OK)
        CN_BUG("%s", err.text);
    return p;
}

const char *scratch_program(const char *name)
{
    const char *bin = getenv("CAIRN_BIN");
    char *p = ring();

    cn_text_format(p, 1024, "%s/%s", bin ? bin : "build/bin", name);
    return p;
}
