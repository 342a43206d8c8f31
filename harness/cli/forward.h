/* Verbs that hand over to cairn-train: run it in the foreground, pass Ctrl-C on as SIGTERM (it
 * writes a checkpoint), and give back its exit code. */
#ifndef CN_CLI_FORWARD_H
#define CN_CLI_FORWARD_H

#include "harness/cli/cli.h"

/* cairn-train <argv...>; argv NULL-terminated, without the program. */
int cn_cli_forward(const char *const *argv);
/* `cairn-train <verb> --config C --out DIR ...` for the verbs train, generate, evaluate,
 * plot. */
int cn_cli_forward_config(const struct cn_cli_args *args, const char *trainer_verb);

#endif
