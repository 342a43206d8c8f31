/* What a language model can do, found out with tiny requests (`cairn llm probe`, `cairn doctor
 * --llm`). */
#ifndef CN_CLI_LLM_H
#define CN_CLI_LLM_H

#include <stdbool.h>

#include "base/status.h"

struct cn_cli_probe {
    const char *spec;     /* "anthropic:MODEL", "http://host:port#MODEL", ... */
    const char *key_file; /* NULL: the environment */
    const char *prices;   /* file; NULL: the built-in table */
    bool yes;             /* it may cost money */
};

/* Prints what is asked and what it may cost, what the model can, and what it did cost. CN_EINPUT
 * without `yes` for a model that is not local: nothing was sent then. CN_EIO: it does not answer. */
CN_MUST_CHECK cn_status cn_cli_probe(const struct cn_cli_probe *p, struct cn_err *err);

#endif
