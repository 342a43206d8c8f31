/* Regular expressions by PCRE2: UTF mode without JIT, with limits on steps, depth and heap. */
#include "base/pattern.h"

#include <string.h>

#include "base/alloc.h"
#include "base/text.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCH_STEPS = 1000000, MATCH_DEPTH = 10000, MATCH_HEAP_KIB = 65536, NO_GROUP = -1 };

struct cn_pattern {
    pcre2_code *code;
    pcre2_match_data *found;
    pcre2_match_context *limits;
    bool limited; /* about the last match, so a pattern belongs to one thread at a time */
};

cn_status cn_pattern_new(const char *regex, int flags, struct cn_pattern **out,
                         struct cn_err *err)
{
    struct cn_pattern *p = cn_alloc(1, sizeof *p);
    /* Bytes that are not UTF-8 match nothing; the text around them does. */
    uint32_t options = PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C;
    PCRE2_SIZE at = 0;
    int code = 0;

    *out = NULL;
    if (!p)
        return cn_err_set(err, CN_ENOMEM, "no memory for the pattern \"%.200s\"", regex);
    options |= flags & CN_PATTERN_CASELESS ? PCRE2_CASELESS : 0;
    options |= flags & CN_PATTERN_MULTILINE ? PCRE2_MULTILINE : 0;
    p->code =
        pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, options, &code, &at, NULL);
    if (!p->code && code != PCRE2_ERROR_HEAP_FAILED) {
        PCRE2_UCHAR words[160] = "";

        (void)pcre2_get_error_message(code, words, sizeof words);
        cn_pattern_free(p);
        return cn_err_set(err, CN_EINPUT, "pattern \"%.200s\", character %zu: %s", regex,
                          at + 1, (const char *)words);
    }
    if (p->code) {
        p->found = pcre2_match_data_create_from_pattern(p->code, NULL);
        p->limits = pcre2_match_context_create(NULL);
    }
    if (!p->found || !p->limits) {
        cn_pattern_free(p);
        return cn_err_set(err, CN_ENOMEM, "no memory for the pattern \"%.200s\"", regex);
    }
    (void)pcre2_set_match_limit(p->limits, MATCH_STEPS);
    (void)pcre2_set_depth_limit(p->limits, MATCH_DEPTH);
    (void)pcre2_set_heap_limit(p->limits, MATCH_HEAP_KIB);
    *out = p;
    return CN_OK;
}

void cn_pattern_free(struct cn_pattern *p)
{
    if (!p)
        return;
    pcre2_match_context_free(p->limits);
    pcre2_match_data_free(p->found);
    pcre2_code_free(p->code);
    cn_free(p);
}

/* The limits live in `found` and `limited`, which the pattern owns: const is the promise about
 * its meaning. */
static struct cn_pattern *scratch_of(const struct cn_pattern *p)
{
    union {
        const struct cn_pattern *in;
        struct cn_pattern *out;
    } u = {p};

    return u.out;
}

int cn_pattern_match(const struct cn_pattern *p, const char *s, size_t n, size_t from,
                     struct cn_span *m, int m_n)
{
    struct cn_pattern *scratch = scratch_of(p);
    const PCRE2_SIZE *ends;
    int groups;

    scratch->limited = false;
    for (int i = 0; i < m_n; i++)
        m[i].start = m[i].end = (size_t)NO_GROUP;
    if (from > n)
        return 0;
    groups = pcre2_match(p->code, (PCRE2_SPTR)s, n, from, 0, p->found, p->limits);
    scratch->limited = groups == PCRE2_ERROR_MATCHLIMIT || groups == PCRE2_ERROR_DEPTHLIMIT ||
                       groups == PCRE2_ERROR_HEAPLIMIT || groups == PCRE2_ERROR_NOMEMORY;
    if (groups <= 0)
        return 0;
    ends = pcre2_get_ovector_pointer(p->found);
    for (int i = 0; i < groups && i < m_n; i++) {
        m[i].start = ends[(size_t)i * 2];
        m[i].end = ends[(size_t)i * 2 + 1];
    }
    return groups;
}

bool cn_pattern_limited(const struct cn_pattern *p)
{
    return p->limited;
}

#include "base/banned.h"
