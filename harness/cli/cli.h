/* The command line: verbs, their options, and one strict parser for all of them.
 *
 * A verb is a row: its words for --help, its options, and the function that runs it. Unknown
 * verbs and options are errors that name the nearest known one; exit code 2. Every verb has
 * --help with an example.
 *
 *     cairn VERB [positional ...] [--option value] [--flag] [--a.b value]
 *
 * (--a.b: config overrides, where allowed)
 */
#ifndef CN_CLI_CLI_H
#define CN_CLI_CLI_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

enum { CN_CLI_POSITIONALS = 16, CN_CLI_OPTIONS = 24, CN_CLI_OVERRIDES = 64 };

struct cn_cli_option {
    const char *name;    /* without the dashes */
    const char *value;   /* name of its value in the help; NULL: a flag */
    const char *meaning; /* one line */
};

struct cn_cli_override {
    const char *path, *value; /* borrowed from argv */
};

struct cn_cli_args {
    const struct cn_cli_verb *verb;
    const char *positional[CN_CLI_POSITIONALS];
    int n_positional;
    const char *value[CN_CLI_OPTIONS]; /* by index into verb->options; "" for a flag that is
                                          set; NULL: absent */
    struct cn_cli_override override[CN_CLI_OVERRIDES];
    int n_overrides;
};

struct cn_cli_verb {
    const char *name;
    const char *usage;   /* what follows the name: "PROTOCOL [options]" */
    const char *summary; /* one line */
    const char *details; /* paragraphs for --help; may be "" */
    const char *example; /* one command line */
    const struct cn_cli_option *options;
    int n_options;
    int min_positional, max_positional;
    bool overrides; /* takes --a.b value */
    int (*run)(const struct cn_cli_args *args);
};

/* Parse argv[0..argc) (what follows the verb). CN_EINPUT with a message that names the nearest
 * known option. */
CN_MUST_CHECK cn_status cn_cli_parse(const struct cn_cli_verb *verb, int argc, char **argv,
                                     struct cn_cli_args *out, struct cn_err *err);
/* The value of an option by name; NULL when absent. CN_BUG when the verb has no such option. */
const char *cn_cli_value(const struct cn_cli_args *args, const char *name);
bool cn_cli_flag(const struct cn_cli_args *args, const char *name);
/* A whole number in [lo, hi]; absent gives `fallback`. */
CN_MUST_CHECK cn_status cn_cli_int(const struct cn_cli_args *args, const char *name, int64_t lo,
                                   int64_t hi, int64_t fallback, int64_t *out,
                                   struct cn_err *err);
CN_MUST_CHECK cn_status cn_cli_number(const struct cn_cli_args *args, const char *name,
                                      double lo, double hi, double fallback, double *out,
                                      struct cn_err *err);

void cn_cli_verb_help(const struct cn_cli_verb *verb);
void cn_cli_help(void);

/* All verbs, in the order of the help. */
extern const struct cn_cli_verb *const cn_cli_verbs[];
extern const int cn_cli_n_verbs;

#endif
