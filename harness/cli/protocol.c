/* cairn protocol check|log|diff|revert: what a protocol says, and how the rules of a run
 * changed. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "harness/cli/verbs.h"

/* -- log, diff, revert -- */

static int run_later(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;

    (void)cn_err_set(&err, CN_EUNSUPPORTED, "protocol %s: this build cannot do it yet",
                     args->positional[0]);
    return cn_err_print(stderr, "cairn", &err);
}

/* -- the verb -- */

static const struct {
    const char *name;
    int (*run)(const struct cn_cli_args *args);
} words[] = {{"check", cn_cli_protocol_check},
             {"log", run_later},
             {"diff", run_later},
             {"revert", run_later}};
enum { N_WORDS = sizeof words / sizeof words[0] };

static int run_protocol(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    const char *names[N_WORDS];

    for (int i = 0; i < N_WORDS; i++) {
        names[i] = words[i].name;
        if (strcmp(args->positional[0], words[i].name) == 0)
            return words[i].run(args);
    }
    const int near = cn_text_nearest(args->positional[0], names, N_WORDS);
    (void)cn_err_set(&err, CN_EINPUT, "protocol: unknown word '%s'; %s%s%s",
                     args->positional[0], near >= 0 ? "did you mean '" : "",
                     near >= 0 ? names[near] : "it is one of check, log, diff, revert",
                     near >= 0 ? "'?" : "");
    return cn_err_print(stderr, "cairn", &err);
}

static const struct cn_cli_option protocol_options[] = {
    {"config", "CONFIG", "check: also what the config's trainer says to it"},
    {"json", NULL, "check: for scripts"},
};

const struct cn_cli_verb cn_verb_protocol = {
    "protocol",
    "check FILE [--config CONFIG] [--json] | log|diff|revert RUN ...",
    "what a protocol says, and how its rules changed",
    "check prints everything that the host understood, line by line: aim, parameters with "
    "their\n"
    "ranges, thresholds, which rules it carries out, what the blocks are for, guardrails, the\n"
    "fields of the log; then what is prose, and what it wondered about. With --config names "
    "are\n"
    "resolved with the trainer's table, as `cairn explore` would. Exit code 2: not a protocol.",
    "cairn protocol check protocols/fly_demo.md --config configs/fly/demo.yaml",
    protocol_options,
    2,
    2,
    4,
    false,
    run_protocol};
