/* The arguments of a tool call, read strictly: every refusal names the field, the value and what was
 * expected, because it goes back to a model. After a refusal the others are passed over. */
#ifndef CN_LOOP_CONSULT_ARGS_H
#define CN_LOOP_CONSULT_ARGS_H

#include "harness/loop/consult_int.h"

struct cn_args {
    struct cn_talk *t;
    const struct cn_json *root;
    struct cn_buf *reply;
    struct cn_llm_block *figure;
    bool bad, no_memory; /* what is wrong stands in `reply` */
};

void cn_args_refuse(struct cn_args *a, const char *field, const char *fmt, ...) CN_PRINTF(3, 4);
/* A copy that lives as long as what was said; "" when out of memory. */
const char *cn_args_kept(struct cn_args *a, const char *s);
bool cn_args_absent(const struct cn_json *v); /* also null */
/* The name that the object of models without tools has for a field, when it is there. */
const char *cn_args_either(const struct cn_args *a, const char *key, const char *other);
/* One text of at most `cap` bytes, control bytes blanked; "" when it is absent and may be. */
const char *cn_args_words(struct cn_args *a, const char *key, size_t cap, bool needed);
int64_t cn_args_whole(struct cn_args *a, const char *key, bool needed, int64_t otherwise);
double cn_args_number(struct cn_args *a, const char *key, double lo,
                      double hi); /* NaN: absent */
bool cn_args_yes(struct cn_args *a, const char *key);
/* No other fields than " a b c ". */
void cn_args_only(struct cn_args *a, const char *names);
/* [{"path": ..., "value": ...}, ...], at most `most`. */
const struct cn_change *cn_args_changes(struct cn_args *a, const char *key, int most,
                                        int *out_n);
/* Is it one of those that were asked for? */
bool cn_args_asked_for(struct cn_args *a, const char *key, int64_t x, const int64_t *ids,
                       int n);

#endif
