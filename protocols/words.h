/* Words out of Markdown: cells and lines with their marks removed, in one spelling.
 *
 * People write "**R² ≥ 0.9**" and "R2 >= 0.9"; both become "R2 >= 0.9". Shared by the readers
 * of this folder.
 */
#ifndef CN_PROTOCOLS_WORDS_H
#define CN_PROTOCOLS_WORDS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* s[0..n) trimmed, inner white space to one space, emphasis (`*`, `` ` ``, and `__` at word
 * ends) removed, the signs for squared, >=, <=, +/-, arrows, dashes and no-break space spelled
 * in ASCII. NULL when out of memory. */
const char *cn_words_plain(struct cn_arena *a, const char *s, size_t n);
/* s[0..n) trimmed only. */
const char *cn_words_trim(struct cn_arena *a, const char *s, size_t n);
/* Trimmed, one pair of quotes or backticks around it removed: the text of a value. */
const char *cn_words_value(struct cn_arena *a, const char *s, size_t n);

bool cn_words_same(const char *a, const char *b);          /* ASCII case does not matter */
bool cn_words_start(const char *s, const char *prefix);    /* the same */
const char *cn_words_find(const char *s, const char *sub); /* the same; NULL when absent */
bool cn_words_is_space(char c);
bool cn_words_is_name(char c); /* letter, digit, '_' or '-' */

#endif
