/* cairn import: bring data of others into the workspace. */
#include <string.h>

#include "base/text.h"
#include "harness/cli/forward.h"
#include "harness/cli/verbs.h"

static int run_import(const struct cn_cli_args *args)
{
    static const char *const kinds[] = {"flyvis"};
    struct cn_err err = CN_ERR_INIT;
    const char *out = cn_cli_value(args, "out"), *params = cn_cli_value(args, "params");

    if (strcmp(args->positional[0], kinds[0]) != 0)
        return (void)cn_err_set(&err, CN_EINPUT, "import: unknown kind '%s'; known: flyvis",
                                args->positional[0]),
               cn_err_print(stderr, "cairn", &err);
    if (!params)
        return (void)cn_err_set(
                   &err, CN_EINPUT,
                   "import: --params FILE is missing (the five parameter arrays as JSON)"),
               cn_err_print(stderr, "cairn", &err);
    const char *argv[] = {"import",
                          "flyvis",
                          args->positional[1],
                          "--params",
                          params,
                          "--out",
                          out ? out : "runs/connectomes/flyvis",
                          NULL};
    return cn_cli_forward(argv);
}

static const struct cn_cli_option import_options[] = {
    {"params", "FILE", "the parameters of the pretrained model, as JSON"},
    {"out", "DIR", "where to put it (default: runs/connectomes/flyvis)"},
};

const struct cn_cli_verb cn_verb_import = {
    "import",
    "flyvis FILE --params FILE [--out DIR]",
    "import the published fly connectome",
    "Afterwards a config names it: simulation.connectome: runs/connectomes/flyvis",
    "cairn import flyvis fib25-fib19_v2.2.json --params flow_0000_000.json",
    import_options,
    2,
    2,
    2,
    false,
    run_import};
