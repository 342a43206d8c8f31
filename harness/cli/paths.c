/* The look-ups of harness/cli/paths.h. */
#include "harness/cli/paths.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/text.h"

static int holds_run(const char *dir)
{
    char *db = cn_file_join(dir, "run.db");
    const int yes = db && cn_file_exists(db);

    cn_free(db);
    return yes;
}

static cn_status no_such_run(const char *name, const char *runs, struct cn_err *err)
{
    char **names = NULL;
    int n = 0;
    cn_status st;

    if (cn_file_list(runs, &names, &n, NULL) != CN_OK || n == 0)
        return cn_err_set(err, CN_ENOTFOUND,
                          "there is no run '%s': the folder %s holds no runs", name, runs);
    const int near = cn_text_nearest(name, (const char *const *)names, n);
    if (near >= 0)
        st = cn_err_set(err, CN_ENOTFOUND, "there is no run '%s' in %s; did you mean '%s'?",
                        name, runs, names[near]);
    else
        st = cn_err_set(err, CN_ENOTFOUND, "there is no run '%s' in %s", name, runs);
    cn_file_list_free(names, n);
    return st;
}

cn_status cn_cli_run_dir(const char *name, const char *runs, int must_exist, char **out,
                         struct cn_err *err)
{
    const char *root = runs ? runs : "runs";

    *out = NULL;
    char *dir =
        strchr(name, '/') || holds_run(name) ? cn_strdup(name) : cn_file_join(root, name);
    if (!dir)
        return cn_err_set(err, CN_ENOMEM, "no memory for a path");
    for (size_t n = strlen(dir); n > 1 && dir[n - 1] == '/'; n--)
        dir[n - 1] = '\0';
    if (must_exist && !holds_run(dir)) {
        cn_free(dir);
        return no_such_run(name, root, err);
    }
    *out = dir;
    return CN_OK;
}

char *cn_cli_fresh_dir(const char *runs, const char *stem)
{
    struct cn_arena a;
    char *out = NULL;

    cn_arena_init(&a, CN_CAP_TEXT);
    for (int k = 1; !out; k++) {
        const char *name = k == 1 ? stem : cn_arena_printf(&a, "%s_%d", stem, k);
        char *dir = name ? cn_file_join(runs ? runs : "runs", name) : NULL;
        if (!dir)
            break;
        if (cn_file_exists(dir))
            cn_free(dir);
        else
            out = dir;
    }
    cn_arena_clear(&a);
    return out;
}

char *cn_cli_stem(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const char *dot = strrchr(name, '.');

    return cn_strndup(name, dot && dot > name ? (size_t)(dot - name) : strlen(name));
}

cn_status cn_cli_asset(const char *name, char **out, struct cn_err *err)
{
    static const char *const below_bin[] = {"../share/cairn", "../../.."};
    const char *share = getenv("CAIRN_SHARE");
    char *bin = cn_proc_self_dir();
    char *found = share ? cn_file_join(share, name) : NULL;

    for (size_t k = 0; bin && !(found && cn_file_exists(found)) && k < 2; k++) {
        char *dir = cn_file_join(bin, below_bin[k]);
        cn_free(found);
        found = dir ? cn_file_join(dir, name) : NULL;
        cn_free(dir);
    }
    cn_free(bin);
    *out = NULL;
    if (!found || !cn_file_exists(found)) {
        cn_free(found);
        return cn_err_set(
            err, CN_ENOTFOUND,
            "the shipped file %s is neither in $CAIRN_SHARE, nor in ../share/cairn, nor in "
            "the checkout of this binary",
            name);
    }
    *out = found;
    return CN_OK;
}

cn_status cn_cli_program(const char *name, char **out, struct cn_err *err)
{
    char *bin = cn_proc_self_dir();
    char *beside = bin ? cn_file_join(bin, name) : NULL;

    cn_free(bin);
    if (!beside || !cn_file_exists(beside)) {
        cn_free(beside);
        beside = cn_proc_which(name);
    }
    *out = beside;
    return beside ? CN_OK
                  : cn_err_set(err, CN_ENOTFOUND,
                               "the program %s is neither beside cairn nor on PATH", name);
}
