/* Where a model is and with which key: from a spec like "anthropic:claude-opus-4". */
#ifndef CN_LLM_PROVIDER_H
#define CN_LLM_PROVIDER_H

#include <stdbool.h>

#include "base/status.h"
#include "harness/llm/dialect.h"

typedef enum { CN_PROVIDER_HTTP, CN_PROVIDER_COMMAND, CN_PROVIDER_REPLAY } cn_provider_kind;

struct cn_provider {
    cn_provider_kind kind;
    const struct cn_dialect *dialect; /* HTTP */
    char *url;                        /* HTTP: the whole address; owned */
    char *model;                      /* owned; COMMAND: the command line; REPLAY: the run */
    bool local;                       /* http://host#model: keys of the environment stay here */
};

/* CN_EINPUT naming what was expected and the nearest known provider. */
CN_MUST_CHECK cn_status cn_provider_parse(const char *spec, struct cn_provider *out,
                                          struct cn_err *err);
void cn_provider_clear(struct cn_provider *p);

/* The key: from `command`'s first line of output, else from `file` (which nobody else may read),
 * else from the provider's environment variable. *out NULL: none is needed (local, command,
 * replay). Owned; free with cn_key_free, which overwrites it. CN_EINPUT says where one may stand. */
CN_MUST_CHECK cn_status cn_key_find(const struct cn_provider *p, const char *file,
                                    const char *command, char **out, struct cn_err *err);
void cn_key_free(char *key); /* NULL is fine */

#endif
