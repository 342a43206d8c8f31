/* Regular expressions with match limits. The only home of PCRE2.
 *
 * Patterns are ours (compiled in); subjects are anybody's. A match that needs more than the
 * limits returns "no match" after setting cn_pattern_limited(). UTF mode, no JIT. Bytes that
 * are not UTF-8 match nothing and do not hide the text around them. Every call checks the rest
 * of the subject for UTF-8: match entry by entry or line by line, not again and again in a
 * megabyte (10 000 matches there took 2.9 s). One thread per pattern.
 *
 *     static struct cn_pattern *p;     // compiled once
 *     st = cn_pattern_new("^Node: id=(\\d+)", CN_PATTERN_MULTILINE, &p, &err);
 *     struct cn_span m[2];
 *     if (cn_pattern_match(p, text, n, 0, m, 2) > 0) ... text[m[1].start .. m[1].end)
 */
#ifndef CN_BASE_PATTERN_H
#define CN_BASE_PATTERN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/status.h"

struct cn_pattern;
struct cn_span {
    size_t start, end; /* start == (size_t)-1 when the group did not take part */
};
enum { CN_PATTERN_PLAIN = 0, CN_PATTERN_CASELESS = 1, CN_PATTERN_MULTILINE = 2 };

CN_MUST_CHECK cn_status cn_pattern_new(const char *regex, int flags, struct cn_pattern **out,
                                       struct cn_err *err);
void cn_pattern_free(struct cn_pattern *p);
/* Number of groups set (whole match counts as 1), 0 when there is no match at or after
 * `from`. */
int cn_pattern_match(const struct cn_pattern *p, const char *s, size_t n, size_t from,
                     struct cn_span *m, int m_n);
bool cn_pattern_limited(const struct cn_pattern *p); /* the last match gave up on its limits */

#endif
