/* A program as the model (docs/LLM.md, "command"): the whole prompt on its stdin, its answer on its
 * stdout. So an agent's command line, a script or a person can take the model's seat.
 *
 * stdin: the text of cn_command_prompt: "# System", the system texts; then for every message a line
 * "# User" or "# Assistant" and its blocks; figures as "[figure: /path/x.png]" lines (their paths are
 * the text of the blocks before them). stdout: the answer, as text; standard error is kept for the
 * log. Exit code 0: answered; 75: not now, ask again later; anything else is an error. Variables that
 * look like keys are taken out of its environment (base/secret.h).
 */
#ifndef CN_LLM_COMMAND_H
#define CN_LLM_COMMAND_H

#include <signal.h>

#include "base/buf.h"
#include "base/status.h"
#include "harness/llm/message.h"

void cn_command_prompt(const struct cn_llm_request *q, struct cn_buf *out);

struct cn_command_call {
    const char *command; /* for /bin/sh -c */
    const char *prompt;
    size_t n;
    double deadline_s;
    const volatile sig_atomic_t *stop; /* may be NULL */
    void (*tick)(void *ctx);           /* about ten times a second; may be NULL */
    void *tick_ctx;
};
/* CN_ETIMEOUT past deadline_s, CN_ESTOPPED when stopped (its group is killed); CN_EIO for a bad exit,
 * with the last words, and for output that is no UTF-8; CN_ECAP for output beyond the ceiling of
 * `out`; *out_later: exit code 75. */
CN_MUST_CHECK cn_status cn_command_run(const struct cn_command_call *c, struct cn_buf *out,
                                       bool *out_later, struct cn_err *err);

#endif
