/* What a model takes and what it costs, by its name. Both tables are data that age: capabilities can
 * be overridden in the config (`llm.capabilities`), prices come from configs/prices.yaml, dated, and
 * from a file of the user's.
 */
#ifndef CN_LLM_MODELS_H
#define CN_LLM_MODELS_H

#include "base/buf.h"
#include "harness/llm/client.h"
#include "harness/llm/dialect.h"

/* By dialect and model; a name that is not known gets the dialect's careful default. */
struct cn_llm_caps cn_llm_caps_of(const struct cn_dialect *d, const char *model, bool local);
/* "tools=no, images=yes, context_tokens=32768": changes `caps`. CN_EINPUT names the nearest key. */
CN_MUST_CHECK cn_status cn_llm_caps_set(struct cn_llm_caps *caps, const char *text,
                                        const char *where, struct cn_err *err);
/* As cn_llm_caps_set reads it, all of them. */
void cn_llm_caps_words(const struct cn_llm_caps *caps, struct cn_buf *out);
/* Leave a refused field out from now on; false: nothing of ours has that name. */
bool cn_llm_caps_drop(struct cn_llm_caps *caps, const char *field);

#endif
