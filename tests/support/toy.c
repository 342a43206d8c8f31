#include "tests/support/toy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"
#include "logs/store.h"

static const char *checkout(void)
{
    static char root[1024];
    const char *cases = getenv("CAIRN_TEST_CASES");

    cn_text_format(root, sizeof root, "%s/../..", cases ? cases : "tests/cases");
    return root;
}

const char *toy_protocol(void)
{
    static char path[1200];

    cn_text_format(path, sizeof path, "%s/protocols/toy.md", checkout());
    return path;
}

void toy_init(struct toy_run *t)
{
    char path[3072];
    const char *bin = getenv("CAIRN_BIN"), *old = getenv("PATH"), *dot;

    memset(t, 0, sizeof *t);
    scratch_init(&t->s);
    cn_text_format(t->dir, sizeof t->dir, "%s/run", t->s.dir);
    cn_text_format(path, sizeof path, "%s:%s:%s", t->s.dir, bin ? bin : "build/bin",
                   old ? old : "/usr/bin:/bin");
    if (setenv("PATH", path, 1) != 0)
        CN_BUG("cannot set PATH");
    /* Figures need Graphviz and seconds; a program of that name that fails leaves them out. */
    dot = scratch_file(&t->s, "dot", "#!/bin/sh\nexit 1\n");
    if (chmod(dot, 0755) != 0)
        CN_BUG("%s: cannot make it a program", dot);
}

void toy_clear(struct toy_run *t)
{
    scratch_clear(&t->s);
}

void toy_config(struct toy_run *t, const char *explore, const char *toy)
{
    char text[8192];

    cn_text_format(text, sizeof text,
                   "# the toy\n"
                   "trainer: {command: [%s], describe: %s/tests/e2e/toy_describe.json}\n"
                   "simulation:\n  n_frames: 1000   # frames\n"
                   "training:\n  lr: 1.0e-3       # learning rate\n  coeff_l1: 1.0e-4\n  gain: "
                   "0.5\n  batch_size: 1\n"
                   "explore:\n  retry_wait_s: 0\n%stoy:\n  ledger: %s/ledger\n%s",
                   scratch_program("toy_trainer"), checkout(), explore, t->s.dir, toy);
    (void)scratch_file(&t->s, "toy.yaml", text);
}

cn_status toy_create(struct toy_run *t, const char *protocol, const struct cn_run_override *o,
                     int n)
{
    struct cn_run_create_opts co = CN_RUN_CREATE_OPTS_INIT;

    co.protocol = protocol;
    co.config = scratch_path(&t->s, "toy.yaml");
    co.dir = t->dir;
    co.overrides = o;
    co.n_overrides = n;
    return cn_run_create(&co, &t->err);
}

static void say(void *ctx, const char *line)
{
    struct toy_run *t = ctx;
    size_t used = strlen(t->told);

    if (t->listen)
        t->listen(t, line);
    (void)snprintf(t->told + used, sizeof t->told - used, "%s\n", line);
}

cn_status toy_explore(struct toy_run *t, const struct cn_run_override *o, int n)
{
    struct cn_run_explore_opts eo = CN_RUN_EXPLORE_OPTS_INIT;
    cn_status st = cn_run_open(t->dir, o, n, &t->run, &t->err);

    eo.say = say;
    eo.ctx = t;
    eo.poll_ms = 20;
    t->told[0] = '\0';
    if (st == CN_OK)
        st = cn_run_explore(t->run, &eo, &t->end, &t->err);
    cn_run_close(t->run);
    t->run = NULL;
    return st;
}

void toy_go(struct toy_run *t, const char *explore, const char *toy)
{
    toy_config(t, explore, toy);
    if (toy_create(t, toy_protocol(), NULL, 0) != CN_OK || toy_explore(t, NULL, 0) != CN_OK)
        CN_BUG("%s", t->err.text);
}

struct cn_history toy_history(struct toy_run *t)
{
    struct cn_store *s = NULL;
    struct cn_history h;

    if (cn_store_open(t->dir, CN_STORE_READ, &s, &t->err) != CN_OK ||
        cn_store_check(s, &t->err) != CN_OK || cn_store_history(s, &h, &t->err) != CN_OK)
        CN_BUG("%s", t->err.text);
    cn_store_close(s);
    return h;
}

const char *toy_read(struct toy_run *t, const char *name)
{
    static struct cn_buf b;
    char path[1200];

    cn_text_format(path, sizeof path, "%s/%s", t->dir, name);
    cn_buf_clear(&b);
    cn_buf_init(&b, CN_CAP_FILE);
    if (cn_file_read(path, CN_CAP_FILE, &b, &t->err) != CN_OK)
        CN_BUG("%s", t->err.text);
    return cn_buf_str(&b);
}
