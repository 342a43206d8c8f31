/* cairn stop, say: words to a run, whether its harness is at work or not. */
#include "base/alloc.h"
#include "harness/cli/paths.h"
#include "harness/cli/verbs.h"
#include "harness/loop/run.h"

static int run_stop(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    char *dir;

    cn_status st =
        cn_cli_run_dir(args->positional[0], cn_cli_value(args, "runs"), 1, &dir, &err);
    const int level = cn_cli_flag(args, "now") ? 2 : 1;
    if (st == CN_OK)
        st = cn_run_post_stop(dir, level, &err);
    if (st == CN_OK)
        printf("asked %s to stop%s; go on later with: cairn resume %s\n", dir,
               level == 2 ? " now" : " after what is running", dir);
    cn_free(dir);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

static int run_say(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    char *dir;

    cn_status st =
        cn_cli_run_dir(args->positional[0], cn_cli_value(args, "runs"), 1, &dir, &err);
    if (st == CN_OK)
        st = cn_run_say(dir, args->positional[1], &err);
    if (st == CN_OK)
        printf("noted; it is read before the next iteration is planned and acknowledged in the "
               "log\n");
    cn_free(dir);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", &err);
}

static const struct cn_cli_option stop_options[] = {
    {"now", NULL, "cancel what is running (it is trained again on resume)"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
};
static const struct cn_cli_option say_options[] = {
    {"runs", "DIR", "folder of the runs (default: runs)"},
};

const struct cn_cli_verb cn_verb_stop = {
    "stop", "RUN [--now]", "ask a run to stop", "", "cairn stop demo", stop_options, 2, 1, 1,
    false,  run_stop};
const struct cn_cli_verb cn_verb_say = {
    "say",
    "RUN WORDS",
    "give a run instructions",
    "The words go to whoever proposes next. The embedded proposer follows the protocol alone "
    "and says so when it acknowledges;\n"
    "a model reads them.",
    "cairn say demo 'look at smaller learning rates'",
    say_options,
    1,
    2,
    2,
    false,
    run_say};
