/* Patterns: groups, flags, limits, hostile subjects. */
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/pattern.h"

static struct cn_err err;

static struct cn_pattern *pattern(const char *regex, int flags)
{
    struct cn_pattern *p;

    cr_assert_eq(cn_pattern_new(regex, flags, &p, &err), CN_OK, "%s", err.text);
    return p;
}

Test(base_pattern, groups_are_found_line_by_line)
{
    static const char text[] = "## Iter\nNode: id=12, parent=root\nNode: id=13, parent=12\n";
    struct cn_pattern *p =
        pattern("^Node: id=(\\d+), parent=(\\d+)?(root)?", CN_PATTERN_MULTILINE);
    struct cn_span m[4];

    cr_assert_eq(cn_pattern_match(p, text, strlen(text), 0, m, 4), 4);
    cr_assert_eq(m[0].start, 8);
    cr_assert_eq(memcmp(text + m[1].start, "12", m[1].end - m[1].start), 0);
    cr_assert_eq(m[2].start, (size_t)-1);
    cr_assert_eq(m[3].end - m[3].start, 4);
    cr_assert_eq(cn_pattern_match(p, text, strlen(text), m[0].end, m, 4), 3);
    cr_assert_eq(memcmp(text + m[2].start, "12", 2), 0);
    cr_assert_eq(m[3].start, (size_t)-1);
    cr_assert_eq(cn_pattern_match(p, text, strlen(text), m[0].end, m, 4), 0);
    cr_assert_eq(cn_pattern_match(p, text, strlen(text), strlen(text) + 1, m, 4), 0);
    cn_pattern_free(p);
    cn_pattern_free(NULL);
}

Test(base_pattern, fewer_spans_than_groups_is_fine)
{
    struct cn_pattern *p = pattern("(a)(b)(c)", CN_PATTERN_PLAIN);
    struct cn_span m[2];

    cr_assert_eq(cn_pattern_match(p, "xabc", 4, 0, m, 2), 4);
    cr_assert_eq(m[1].start, 1);
    cr_assert_eq(cn_pattern_match(p, "xabc", 4, 0, NULL, 0), 4);
    cr_assert_eq(cn_pattern_match(p, "xabc", 3, 0, m, 2), 0, "the subject ends where we say");
    cn_pattern_free(p);
}

Test(base_pattern, case_and_characters_are_those_of_unicode)
{
    struct cn_pattern *p = pattern("^größe.$", CN_PATTERN_CASELESS),
                      *q = pattern("a", CN_PATTERN_PLAIN);

    cr_assert_eq(cn_pattern_match(p, "GRÖSSE", 7, 0, NULL, 0), 0);
    cr_assert_eq(cn_pattern_match(p, "GRößEé", strlen("GRößEé"), 0, NULL, 0), 1);
    cr_assert_eq(cn_pattern_match(q, "A", 1, 0, NULL, 0), 0);
    cn_pattern_free(p);
    cn_pattern_free(q);
}

Test(base_pattern, bytes_that_are_not_utf8_match_nothing_but_hide_nothing)
{
    struct cn_pattern *p = pattern("R2=(.)", CN_PATTERN_PLAIN);
    struct cn_span m[2];

    cr_assert_eq(cn_pattern_match(p, "\xff\xfe R2=1", 8, 0, m, 2), 2);
    cr_assert_eq(m[1].start, 6);
    cr_assert_eq(cn_pattern_match(p, "R2=\xff", 4, 0, m, 2), 0);
    cn_pattern_free(p);
}

Test(base_pattern, an_expensive_match_gives_up_and_says_so, .timeout = 60)
{
    struct cn_pattern *p = pattern("^(a+)+$", CN_PATTERN_PLAIN);
    char text[64];

    memset(text, 'a', sizeof text);
    text[sizeof text - 1] = 'b';
    cr_assert_eq(cn_pattern_match(p, text, sizeof text, 0, NULL, 0), 0);
    cr_assert(cn_pattern_limited(p));
    cr_assert_eq(cn_pattern_match(p, "aaa", 3, 0, NULL, 0), 2);
    cr_assert_not(cn_pattern_limited(p));
    cn_pattern_free(p);
}

Test(base_pattern, a_bad_pattern_is_refused_with_its_place)
{
    struct cn_pattern *p;

    cr_assert_eq(cn_pattern_new("ab(c", CN_PATTERN_PLAIN, &p, &err), CN_EINPUT);
    cr_assert_str_eq(err.text, "pattern \"ab(c\", character 5: missing closing parenthesis");
    cr_assert_null(p);
}

Test(base_pattern, no_memory_is_reported)
{
    struct cn_pattern *p;

    cn_alloc_fail_nth(1);
    cr_assert_eq(cn_pattern_new("a", CN_PATTERN_PLAIN, &p, &err), CN_ENOMEM);
    cr_assert_null(p);
    cr_assert_eq(cn_alloc_live(), 0);
}
