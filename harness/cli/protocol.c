/* cairn protocol check|log|diff|revert: what a protocol says, and how the rules of a run
 * changed. */
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "harness/cli/verbs.h"

static const struct {
    const char *name;
    int (*run)(const struct cn_cli_args *args);
} words[] = {{"check", cn_cli_protocol_check},
             {"log", cn_cli_protocol_log},
             {"diff", cn_cli_protocol_diff},
             {"revert", cn_cli_protocol_revert}};
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
    {"json", NULL, "check, log: for scripts"},
    {"runs", "DIR", "folder of the runs (default: runs)"},
};

const struct cn_cli_verb cn_verb_protocol = {
    "protocol",
    "check FILE [--config CONFIG] | log RUN | diff RUN [A [B]] | revert RUN VERSION",
    "what a protocol says, and how its rules changed",
    "check prints everything that the host understood, line by line: aim, parameters with "
    "their\n"
    "ranges, thresholds, which rules it carries out, what the blocks are for, guardrails, the\n"
    "fields of the log; then what is prose, and what it wondered about. With --config names "
    "are\n"
    "resolved with the trainer's table, as `cairn explore` would. Exit code 2: not a "
    "protocol.\n\n"
    "log lists the versions of a run's protocol: when, by whom, how many lines, why, and what "
    "the\n"
    "edit did: the block after it against the block before. diff shows two versions as diff "
    "-u\n"
    "does (the last two; A and the last). revert brings the words of a version back, as a new\n"
    "version by \"user\"; a harness at work takes them over before it plans the next "
    "iteration.",
    "cairn protocol check protocols/fly_demo.md --config configs/fly/demo.yaml",
    protocol_options,
    3,
    2,
    4,
    false,
    run_protocol};
