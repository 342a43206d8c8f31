/* A program as the model (docs/LLM.md, "command"): the whole prompt on its stdin, its answer on its
 * stdout. So an agent's command line, a script or a person can take the model's seat.
 *
 * stdin: the text of cn_command_prompt: "# System", the system texts; then for every message a line
 * "# User" or "# Assistant" and its blocks; figures as "[figure: /path/x.png]" lines (their paths are
 * the text of the blocks before them). stdout: the answer, as text; standard error is kept for the
 * log. Exit code 0: answered; 75: not now, ask again later; anything else is an error. Keys of ours
 * are taken out of its environment.
 */
#ifndef CN_LLM_COMMAND_H
#define CN_LLM_COMMAND_H

#include "base/buf.h"
#include "base/status.h"
#include "harness/llm/message.h"

void cn_command_prompt(const struct cn_llm_request *q, struct cn_buf *out);
/* CN_ETIMEOUT past deadline_s (the group is killed); CN_EIO for a bad exit, with the last words;
 * *out_later: exit code 75. `command` is split like a shell's words by /bin/sh. */
CN_MUST_CHECK cn_status cn_command_run(const char *command, const char *prompt, size_t n,
                                       double deadline_s, struct cn_buf *out, bool *out_later,
                                       struct cn_err *err);

#endif
