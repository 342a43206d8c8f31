/* What an ask may cost: prices, worst cases, and a purse that is asked before anything is sent. */
#ifndef CN_LLM_BUDGET_H
#define CN_LLM_BUDGET_H

#include "base/status.h"
#include "harness/llm/client.h"

/* Built-in table, then `file` (NULL: none; an example is configs/prices.yaml) on top; longest prefix
 * of the model wins. An unknown model has NaN prices. A file that is wrong anywhere is CN_EINPUT with
 * file, line and key. */
CN_MUST_CHECK cn_status cn_price_find(const char *model, const char *file,
                                      struct cn_llm_price *out, struct cn_err *err);
double cn_price_usd(const struct cn_llm_price *p, const struct cn_llm_usage *u);

/* More tokens than the request can have: half of its bytes (English text has about four bytes a
 * token, tables of numbers about two and a half), images at their ceiling, and the whole of
 * max_tokens. */
struct cn_llm_usage cn_worst_usage(const struct cn_llm_request *q, size_t body_size);

/* CN_ECAP with words when the worst case does not fit; else it is reserved. */
CN_MUST_CHECK cn_status cn_budget_reserve(struct cn_llm_budget *b, double usd, int64_t tokens,
                                          struct cn_err *err);
/* What it really was; gives back the reservation. */
void cn_budget_settle(struct cn_llm_budget *b, double reserved_usd, int64_t reserved_tokens,
                      double usd, int64_t tokens);
/* 50 or 80 when this spending has just crossed that share of a limit; else 0. `before` is the
 * largest share seen so far, in per cent, and is moved on. */
int cn_budget_warning(const struct cn_llm_budget *b, int *before);

#endif
