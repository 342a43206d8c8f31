/* A person's config is refused before a run is made of it (cn_trainer_check in trainer.h). */
#include <string.h>

#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/proc.h"
#include "base/text.h"
#include "harness/loop/trainer.h"

enum { CHECK_TIMEOUT_MS = 60000, MAX_WORDS = 256 };

struct leaves {
    const struct cn_trainer *trainer;
    const char *file;
    struct cn_err *err;
};

static cn_status wrong(const struct leaves *l, const char *path, const struct cn_yaml_node *v,
                       const char *expected)
{
    const char *text = cn_yaml_string(v);

    return cn_err_set(l->err, CN_EINPUT, "%s:%d: %s: \"%s\", expected %s", l->file,
                      cn_yaml_line(v), path, text ? text : cn_yaml_kind_name(cn_yaml_kind(v)),
                      expected);
}

static bool is_choice(const struct cn_trainer_param *p, const char *text)
{
    for (int32_t i = 0; text && i < p->n_choices; i++)
        if (strcmp(p->choices[i], text) == 0)
            return true;
    return false;
}

static cn_status check_number(const struct leaves *l, const struct cn_trainer_param *p,
                              const char *path, const struct cn_yaml_node *v)
{
    const bool whole = p->type == CN_TRAINER_INT;
    char expected[160];
    double x = 0;
    int64_t n;

    cn_text_format(expected, sizeof expected, "a %s from %g to %g",
                   whole ? "whole number" : "number", p->min, p->max);
    if (!cn_yaml_number(v, &x) || (whole && !cn_yaml_int64(v, &n)))
        return wrong(l, path, v, expected);
    return x >= p->min && x <= p->max ? CN_OK : wrong(l, path, v, expected);
}

static cn_status check_choice(const struct leaves *l, const struct cn_trainer_param *p,
                              const char *path, const struct cn_yaml_node *v)
{
    struct cn_buf b;

    if (is_choice(p, cn_yaml_string(v)))
        return CN_OK;
    cn_buf_init(&b, CN_CAP_RECORD);
    cn_buf_adds(&b, "one of");
    for (int32_t i = 0; i < p->n_choices; i++)
        cn_buf_printf(&b, "%s %s", i ? "," : "", p->choices[i]);
    const cn_status st = wrong(l, path, v, cn_buf_str(&b));
    cn_buf_clear(&b);
    return st;
}

/* Keys that the table does not know are the program's own business. */
static cn_status check_leaf(void *ctx, const char *path, const struct cn_yaml_node *v)
{
    const struct leaves *l = ctx;
    const struct cn_trainer_param *p = cn_trainer_param_exact(l->trainer, path);
    bool b;

    if (!p)
        return CN_OK;
    if (p->type == CN_TRAINER_FLOAT || p->type == CN_TRAINER_INT)
        return check_number(l, p, path, v);
    if (p->type == CN_TRAINER_BOOL)
        return cn_yaml_bool(v, &b) ? CN_OK : wrong(l, path, v, "true or false");
    return p->n_choices > 0 ? check_choice(l, p, path, v) : CN_OK;
}

static bool add_words(const char **argv, int *n, const char *const *words)
{
    for (; *words; words++) {
        if (*n >= MAX_WORDS - 1)
            return false;
        argv[(*n)++] = *words;
    }
    argv[*n] = NULL;
    return true;
}

/* `command... check --config path changes...`; its first line on standard error is the
 * message. */
static cn_status ask_program(const struct cn_trainer *t, const char *path,
                             const char *const *changes, struct cn_err *err)
{
    const char *const verb[] = {"check", "--config", path, NULL};
    const char *argv[MAX_WORDS];
    struct cn_proc_opts o = CN_PROC_OPTS_INIT;
    struct cn_proc_exit x;
    struct cn_buf words;
    int n = 0;

    if (!add_words(argv, &n, t->command) || !add_words(argv, &n, verb) ||
        !add_words(argv, &n, changes))
        return cn_err_set(err, CN_ECAP, "%s: more than %d words to check it with", path,
                          MAX_WORDS);
    cn_buf_init(&words, CN_CAP_CAPTURE);
    o.argv = argv;
    cn_status st = cn_proc_run(&o, NULL, 0, CHECK_TIMEOUT_MS, NULL, &words, &x, err);
    if (st == CN_OK && !(x.exited && x.code == 0)) {
        const char *last = cn_buf_str(&words), *next;
        while ((next = strchr(last, '\n')) && next[1]) /* notes may come before the error */
            last = next + 1;
        if (cn_text_starts(last, "cairn-train: "))
            last += strlen("cairn-train: ");
        st = cn_err_set(err, CN_EINPUT, "%.*s", (int)strcspn(last, "\n"),
                        *last ? last : "the trainer refuses the config without a word");
    }
    cn_buf_clear(&words);
    return st;
}

cn_status cn_trainer_check(const struct cn_trainer *t, const char *path,
                           const struct cn_yaml *config, const char *const *changes,
                           struct cn_err *err)
{
    struct leaves l = {t, path, err};
    cn_status st = cn_yaml_leaves(cn_yaml_root(config), check_leaf, &l);

    if (st == CN_OK && t->checks)
        st = ask_program(t, path, changes, err);
    return st;
}
