/* The verbs of the cairn command, one row each (harness/cli/cli.h). */
#ifndef CN_CLI_VERBS_H
#define CN_CLI_VERBS_H

#include "harness/cli/cli.h"

extern const struct cn_cli_verb cn_verb_demo, cn_verb_explore, cn_verb_resume; /* explore.c */
extern const struct cn_cli_verb cn_verb_status, cn_verb_tree, cn_verb_log, cn_verb_stop,
    cn_verb_say;
extern const struct cn_cli_verb cn_verb_verify, cn_verb_rebuild;
extern const struct cn_cli_verb cn_verb_train, cn_verb_generate, cn_verb_evaluate, cn_verb_plot,
    cn_verb_describe; /* train.c */
extern const struct cn_cli_verb cn_verb_import, cn_verb_export, cn_verb_gc, cn_verb_doctor;
extern const struct cn_cli_verb cn_verb_llm;               /* llm.c */
extern const struct cn_cli_verb cn_verb_protocol;          /* protocol.c */
int cn_cli_protocol_check(const struct cn_cli_args *args); /* check.c */
int cn_cli_protocol_log(const struct cn_cli_args *args);   /* rules_log.c, and these */
int cn_cli_protocol_diff(const struct cn_cli_args *args);
int cn_cli_protocol_revert(const struct cn_cli_args *args);

struct cn_run_status;
/* "node 8, score 0.941 +- 0.012 of 4 (at least 0.923 at 90 %), robust; ..." (inspect.c) */
void cn_cli_print_best(const char *before, const struct cn_run_status *s);

#endif
