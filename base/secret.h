/* Keys and tokens: which variables hold them, and how they are kept out of texts. */
#ifndef CN_BASE_SECRET_H
#define CN_BASE_SECRET_H

#include <stddef.h>

/* Names of variables in our environment that look like keys (*_API_KEY, *_TOKEN, *_SECRET,
 * *_PASSWORD, *_ACCESS_KEY, ANTHROPIC_*, OPENAI_*): they must not reach a child. NULL-terminated,
 * for cn_proc_opts.env_remove; cn_secret_names_free. NULL when out of memory. */
char **cn_secret_names(void);
void cn_secret_names_free(char **names); /* NULL is fine */

/* Every occurrence of `key` in text[0..n) becomes stars: the length stays. NULL and "" are no key. */
void cn_secret_hide(char *text, size_t n, const char *key);

#endif
