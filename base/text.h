/* Small text helpers that several folders need: number formats, UTF-8, nearest names. */
#ifndef CN_BASE_TEXT_H
#define CN_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { CN_NUM_TEXT = 40 };

/* Shortest decimal text that reads back to the same double ("0.1", "1e-07", "nan", "inf"). */
const char *cn_text_double(double x, char out[CN_NUM_TEXT]);
/* The same for YAML: floats always carry a dot before an exponent ("1.0e-3"), because PyYAML
 * reads 1e-3 as a string. ".nan", ".inf" for the non-finite. */
const char *cn_text_yaml_double(double x, char out[CN_NUM_TEXT]);
/* For people: three decimals, more where fewer would show a whole number that it is not
 * (0.9996, never 1.000); three significant digits outside 0.001 .. 10000. */
const char *cn_text_brief(double x, char out[CN_NUM_TEXT]);
/* Whole-string parses: decimal digits only, no leading or trailing bytes, no locale, no hex, no
 * "nan" or "inf", range-checked. *out is untouched when false. */
bool cn_text_parse_double(const char *s, double *out);
bool cn_text_parse_int64(const char *s, int64_t *out);
bool cn_text_parse_uint64(const char *s, uint64_t *out);

bool cn_text_utf8_valid(const char *s, size_t n);
/* Bytes of `s` cut at a character boundary so that at most `max` bytes remain. */
size_t cn_text_utf8_cut(const char *s, size_t n, size_t max);
bool cn_text_starts(const char *s, const char *prefix);
bool cn_text_ends(const char *s, const char *suffix);

/* Index of the name nearest to `word` by edit distance (Damerau-Levenshtein), or -1 when
 * nothing is near (distance > max(2, len/3), or not one byte in common). Used in every "unknown
 * key, did you mean" message. */
int cn_text_nearest(const char *word, const char *const *names, int n);

/* Copy into a fixed buffer, always terminated; CN_BUG when it does not fit (for names we
 * made). */
void cn_text_copy(char *dst, size_t room, const char *src);
/* snprintf that is CN_BUG on truncation, for paths and names of bounded length. */
void cn_text_format(char *dst, size_t room, const char *fmt, ...) CN_PRINTF(3, 4);

#endif
