/* YAML: case files for reading and for edits, types, every prefix, every failed allocation,
 * quoting. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/yaml.h"
#include "tests/support/case_files.h"

static struct cn_err err;

static struct cn_yaml *parsed(const char *text)
{
    struct cn_yaml *y;

    cr_assert_eq(cn_yaml_parse("t", text, strlen(text), &y, &err), CN_OK, "%s", err.text);
    return y;
}

/* ---- case files ---- */

static void good_case(const char *name, const struct cn_buf *bytes)
{
    char path[4096];
    struct cn_buf expected = case_bytes(case_file("yaml", name, ".out", path)), canonical;
    struct cn_yaml *y;
    size_t n;

    cr_assert_eq(cn_yaml_parse("case", cn_buf_str(bytes), bytes->len, &y, &err), CN_OK,
                 "%s: %s", name, err.text);
    expected.data[strcspn(expected.data, "\n")] = '\0';
    cn_buf_init(&canonical, CN_CAP_TEXT);
    cr_assert_eq(cn_yaml_canonical(y, NULL, &canonical, &err), CN_OK);
    cr_expect_str_eq(cn_buf_str(&canonical), cn_buf_str(&expected), "%s", name);
    cr_expect(memcmp(cn_yaml_text(y, &n), cn_buf_str(bytes), bytes->len + 1) == 0 &&
                  n == bytes->len,
              "%s", name);
    cn_buf_clear(&canonical);
    cn_buf_clear(&expected);
    cn_yaml_free(y);
}

static void bad_case(const char *name, const struct cn_buf *bytes)
{
    char path[4096];
    struct cn_buf expected = case_bytes(case_file("yaml", name, ".err", path));
    struct cn_yaml *y;

    expected.data[strcspn(expected.data, "\n")] = '\0';
    cr_expect_eq(cn_yaml_parse("case", cn_buf_str(bytes), bytes->len, &y, &err), CN_EINPUT,
                 "%s passes", name);
    cr_expect_str_eq(err.text, cn_buf_str(&expected), "%s", name);
    cr_expect_null(y);
    cn_buf_clear(&expected);
}

/* <name>.set: path, value; then <name>.after is the text, or <name>.err the refusal. */
static void edit_case(const char *name, const struct cn_buf *bytes)
{
    char path[4096], *value;
    struct cn_buf set = case_bytes(case_file("yaml", name, ".set", path)), expected;
    struct cn_yaml *y;
    cn_status st;
    size_t n;

    value = strchr(set.data, '\n');
    cr_assert_not_null(value, "%s: a .set file has two lines", name);
    *value++ = '\0';
    value[strcspn(value, "\n")] = '\0';
    cr_assert_eq(cn_yaml_parse("case", cn_buf_str(bytes), bytes->len, &y, &err), CN_OK,
                 "%s: %s", name, err.text);
    st = cn_yaml_set(y, set.data, value, &err);
    if (cn_file_exists(case_file("yaml", name, ".err", path))) {
        expected = case_bytes(path);
        expected.data[strcspn(expected.data, "\n")] = '\0';
        cr_expect_eq(st, CN_EINPUT, "%s", name);
        cr_expect_str_eq(err.text, cn_buf_str(&expected), "%s", name);
        cr_expect_str_eq(cn_yaml_text(y, NULL), cn_buf_str(bytes), "%s", name);
    } else {
        expected = case_bytes(case_file("yaml", name, ".after", path));
        cr_expect_eq(st, CN_OK, "%s: %s", name, err.text);
        cr_expect_str_eq(cn_yaml_text(y, &n), cn_buf_str(&expected), "%s", name);
        cr_expect_eq(n, expected.len, "%s", name);
    }
    cn_buf_clear(&expected);
    cn_buf_clear(&set);
    cn_yaml_free(y);
}

Test(base_yaml, good_files_read_to_their_canonical_text)
{
    case_each("yaml", "good_", ".yaml", 16, good_case);
}

Test(base_yaml, bad_files_are_refused_with_line_and_reason)
{
    case_each("yaml", "bad_", ".yaml", 34, bad_case);
}

Test(base_yaml, edits_change_their_bytes_and_no_others)
{
    case_each("yaml", "edit_", ".yaml", 33, edit_case);
}

/* ---- hostile input ---- */

static void prefixes(const char *name, const struct cn_buf *bytes)
{
    for (size_t n = 0; n < bytes->len; n++) {
        char *exact = cn_alloc(n + 1, 1);
        struct cn_yaml *y;
        cn_status st;

        memcpy(exact, bytes->data, n);
        exact = cn_realloc(exact, n ? n : 1, 1);
        st = cn_yaml_parse("t", exact, n, &y, &err);
        cr_assert(st == CN_OK || st == CN_EINPUT, "%s, %zu bytes: %s", name, n, err.text);
        if (st == CN_OK && cn_yaml_set(y, "a", "7", &err) == CN_OK)
            cr_assert_str_eq(cn_yaml_string(cn_yaml_get(cn_yaml_root(y), "a")), "7",
                             "%s, %zu bytes", name, n);
        cn_yaml_free(y);
        cn_free(exact);
    }
}

Test(base_yaml, every_prefix_of_a_good_file_ends_well)
{
    case_each("yaml", "good_", ".yaml", 16, prefixes);
}

static void failed_allocations(const char *name, const struct cn_buf *bytes)
{
    cn_status st = CN_ENOMEM;
    int64_t live = cn_alloc_live();

    for (int64_t nth = 1; st == CN_ENOMEM; nth++) {
        struct cn_yaml *y;

        cn_alloc_fail_nth(nth);
        st = cn_yaml_parse("t", cn_buf_str(bytes), bytes->len, &y, &err);
        cn_yaml_free(y);
        cr_assert_eq(cn_alloc_live(), live, "%s leaks when allocation %lld fails", name,
                     (long long)nth);
    }
    cn_alloc_fail_nth(0);
    cr_assert_eq(st, CN_OK, "%s: %s", name, err.text);
}

Test(base_yaml, every_failed_allocation_of_reading_is_reported)
{
    case_each("yaml", "good_", ".yaml", 16, failed_allocations);
}

Test(base_yaml, every_failed_allocation_of_an_edit_leaves_the_text_alone)
{
    static const char text[] = "a:\n  b: 1 # one\nc: {d: 2}\n";
    cn_status st = CN_ENOMEM;
    int64_t nth;

    for (nth = 1; st == CN_ENOMEM; nth++) {
        int64_t live = cn_alloc_live();
        struct cn_yaml *y = parsed(text);

        cn_alloc_fail_nth(nth);
        st = cn_yaml_set(y, "a.x.y", "[1, 2]", &err);
        cn_alloc_fail_nth(0);
        cr_assert(st == CN_OK || st == CN_ENOMEM, "%s", err.text);
        cr_assert_str_eq(cn_yaml_text(y, NULL),
                         st == CN_OK ? "a:\n  b: 1 # one\n  x:\n    y: [1, 2]\nc: {d: 2}\n"
                                     : text);
        cn_yaml_free(y);
        cr_assert_eq(cn_alloc_live(), live);
    }
    cr_assert_geq(nth, 10);
}

Test(base_yaml, long_hostile_lines_end_soon, .timeout = 60)
{
    static const char *const units[] = {"[",    "{",     "- ",   "? ",   "a: ",  "\"",  "'",
                                        "&a ",  "*a ",   "!t ",  "[a: ", "- - ", "\n%", "#",
                                        "|\n ", "a:\n ", "[]: ", ",",    "x "};

    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        struct cn_yaml *y;
        struct cn_buf b;
        cn_status st;

        cn_buf_init(&b, CN_CAP_CONFIG);
        while (b.len < 100000)
            cn_buf_adds(&b, units[i]);
        st = cn_yaml_parse("t", cn_buf_str(&b), b.len, &y, &err);
        cr_assert(st == CN_OK || st == CN_EINPUT || st == CN_ECAP, "%s", err.text);
        cn_yaml_free(y);
        cn_buf_clear(&b);
    }
}

Test(base_yaml, refusals_print_nothing)
{
    int ends[2];
    struct cn_yaml *y;
    char byte;

    cr_assert_eq(pipe(ends), 0);
    cr_assert_eq(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
    cr_assert_eq(dup2(ends[1], STDOUT_FILENO), STDOUT_FILENO);
    (void)!cn_yaml_parse("t", "a: [1\nb: }", 10, &y, &err);
    (void)close(ends[1]);
    (void)close(STDERR_FILENO);
    (void)close(STDOUT_FILENO);
    cr_assert_eq(read(ends[0], &byte, 1), 0);
}

Test(base_yaml, ceilings_are_named)
{
    struct cn_yaml *y;
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    while (b.len <= CN_CAP_CONFIG)
        cn_buf_adds(&b, "# a comment that fills the file\n");
    cr_assert_eq(cn_yaml_parse("big.yaml", cn_buf_str(&b), b.len, &y, &err), CN_ECAP);
    cr_assert(strstr(err.text, "big.yaml"));
    cn_buf_reset(&b);
    cn_buf_addc(&b, '[');
    for (int i = 0; i <= CN_CAP_YAML_NODES; i++)
        cn_buf_adds(&b, "1,\n");
    cn_buf_addc(&b, ']');
    cr_assert_eq(cn_yaml_parse("many.yaml", cn_buf_str(&b), b.len, &y, &err), CN_ECAP);
    cr_assert_str_eq(err.text, "many.yaml: more than 100000 values");
    cn_buf_clear(&b);
}

/* ---- values ---- */

Test(base_yaml, scalars_have_the_types_of_yaml_1_2_and_1e_3_is_a_number)
{
    static const struct {
        const char *text;
        cn_yaml_type kind;
    } rows[] = {
        {"1", CN_YAML_INT},           {"-17", CN_YAML_INT},         {"+3", CN_YAML_INT},
        {"0x1F", CN_YAML_INT},        {"0o17", CN_YAML_INT},        {"1e-3", CN_YAML_FLOAT},
        {"1.", CN_YAML_FLOAT},        {".5", CN_YAML_FLOAT},        {"-1.5E+3", CN_YAML_FLOAT},
        {".inf", CN_YAML_FLOAT},      {"-.INF", CN_YAML_FLOAT},     {".NaN", CN_YAML_FLOAT},
        {"true", CN_YAML_BOOL},       {"FALSE", CN_YAML_BOOL},      {"tRue", CN_YAML_STRING},
        {"yes", CN_YAML_STRING},      {"null", CN_YAML_NULL},       {"~", CN_YAML_NULL},
        {"Null", CN_YAML_NULL},       {"nULL", CN_YAML_STRING},     {"1.2.3", CN_YAML_STRING},
        {"1e", CN_YAML_STRING},       {".", CN_YAML_STRING},        {"+", CN_YAML_STRING},
        {"0x", CN_YAML_STRING},       {"12a", CN_YAML_STRING},      {"'1'", CN_YAML_STRING},
        {"\"true\"", CN_YAML_STRING}, {"infinity", CN_YAML_STRING}, {"nan", CN_YAML_STRING},
        {"1_000", CN_YAML_STRING},    {"{}", CN_YAML_MAP},          {"[]", CN_YAML_SEQ}};

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[64];
        struct cn_yaml *y;

        (void)snprintf(text, sizeof text, "a: %s\n", rows[i].text);
        y = parsed(text);
        cr_expect_eq(cn_yaml_kind(cn_yaml_get(cn_yaml_root(y), "a")), rows[i].kind, "%s",
                     rows[i].text);
        cn_yaml_free(y);
    }
}

Test(base_yaml, getters_walk_know_lines_and_accept_anything)
{
    struct cn_yaml *y = parsed("# head\na:\n  b: 1e-3\n\n  c: [1, x]\nd: "
                               "9223372036854775807\ne: 2.0\nf: 2.5\ng: yes\nh: True\n");
    const struct cn_yaml_node *root = cn_yaml_root(y), *v = cn_yaml_path(root, "a.b");
    double x;
    int64_t i;
    bool b;

    cr_assert(cn_yaml_number(v, &x) && x == 1e-3);
    cr_assert_eq(cn_yaml_line(v), 3);
    cr_assert_str_eq(cn_yaml_key(v), "b");
    cr_assert_str_eq(cn_yaml_string(v), "1e-3");
    v = cn_yaml_next(v);
    cr_assert_eq(cn_yaml_line(v), 5);
    cr_assert_eq(cn_yaml_count(v), 2);
    cr_assert_null(cn_yaml_string(v));
    cr_assert_null(cn_yaml_key(cn_yaml_first(v)));
    cr_assert_null(cn_yaml_next(v));
    cr_assert(cn_yaml_int64(cn_yaml_get(root, "d"), &i) && i == INT64_MAX);
    cr_assert(cn_yaml_int64(cn_yaml_get(root, "e"), &i) && i == 2);
    cr_assert_not(cn_yaml_int64(cn_yaml_get(root, "f"), &i));
    cr_assert_not(cn_yaml_bool(cn_yaml_get(root, "g"), &b));
    cr_assert(cn_yaml_bool(cn_yaml_get(root, "h"), &b) && b);
    cr_assert_null(cn_yaml_path(root, "a.b.c"));
    cr_assert_null(cn_yaml_path(root, "a.c.0"));
    cr_assert_null(cn_yaml_get(NULL, "a"));
    cr_assert_eq(cn_yaml_line(NULL), 0);
    cr_assert_str_eq(cn_yaml_name(y), "t");
    cn_yaml_free(y);
    cn_yaml_free(NULL);
}

static cn_status collect(void *ctx, const char *dotted, const struct cn_yaml_node *v)
{
    cn_buf_printf(ctx, "%s@%d ", dotted, cn_yaml_line(v));
    return strcmp(dotted, "stop.here") == 0 ? CN_ESTOPPED : CN_OK;
}

Test(base_yaml, leaves_come_in_file_order_and_stop_on_request)
{
    struct cn_yaml *y =
        parsed("b: {x: 1, y: {z: 2}}\na:\n  l: [1, 2]\n  n:\nstop:\n  here: 1\n  not: 2\n");
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    cr_assert_eq(cn_yaml_leaves(cn_yaml_root(y), collect, &b), CN_ESTOPPED);
    cr_assert_str_eq(cn_buf_str(&b), "b.x@1 b.y.z@1 a.l@3 a.n@4 stop.here@6 ");
    cn_buf_clear(&b);
    cn_yaml_free(y);
}

Test(base_yaml, canonical_text_ignores_order_comments_spelling_and_what_is_skipped)
{
    static const char *const skip[] = {"explore", "t.out", "gone.all", NULL};
    struct cn_yaml *a = parsed(
        "t:\n  lr: 1e-3 # x\n  n: 2\n  out: here\ngone: {all: 1}\ns: 'x'\nexplore: {c: 1}\n");
    struct cn_yaml *z = parsed("s: x\nt: {n: 2.0, lr: 0.001}\n");
    struct cn_buf x, w;

    cn_buf_init(&x, CN_CAP_TEXT);
    cn_buf_init(&w, CN_CAP_TEXT);
    cr_assert_eq(cn_yaml_canonical(a, skip, &x, &err), CN_OK);
    cr_assert_eq(cn_yaml_canonical(z, NULL, &w, &err), CN_OK);
    cr_assert_str_eq(cn_buf_str(&x), "{\"s\":\"x\",\"t\":{\"lr\":0.001,\"n\":2}}");
    cr_assert_str_eq(cn_buf_str(&w), cn_buf_str(&x));
    cn_buf_clear(&x);
    cn_buf_clear(&w);
    cn_yaml_free(a);
    cn_yaml_free(z);
}

Test(base_yaml, a_quoted_string_reads_back_as_itself_in_block_and_flow)
{
    static const char *const strings[] = {"",
                                          "plain",
                                          "two words",
                                          "a: b",
                                          "a #b",
                                          "#c",
                                          "- x",
                                          "-",
                                          "?",
                                          "[x",
                                          "x]",
                                          "{}",
                                          "a,b",
                                          "&a",
                                          "*a",
                                          "!t",
                                          "|",
                                          ">",
                                          "%x",
                                          "@x",
                                          "`x`",
                                          "'",
                                          "''",
                                          "\"",
                                          "it's",
                                          "a\\b",
                                          "1",
                                          "1e-3",
                                          "0x1F",
                                          "true",
                                          "True",
                                          "yes",
                                          "NO",
                                          "null",
                                          "~",
                                          ".inf",
                                          "2001-12-14",
                                          "12:30:45",
                                          "1_000",
                                          "=",
                                          "<<",
                                          "line\nbreak",
                                          "tab\there",
                                          "\r",
                                          "\x01",
                                          "\x7f",
                                          " lead",
                                          "trail ",
                                          "naïve 😀",
                                          "\xc2\x85",
                                          "\xe2\x80\xa8",
                                          "\xef\xbb\xbf",
                                          "---",
                                          "...",
                                          "--- a",
                                          "key:",
                                          ":",
                                          "a:b",
                                          "C:\\dir",
                                          "/path/to.png",
                                          "x  y"};

    for (size_t i = 0; i < sizeof strings / sizeof strings[0]; i++) {
        struct cn_yaml *y;
        struct cn_buf q;

        for (int flow = 0; flow < 2; flow++) {
            cn_buf_init(&q, CN_CAP_TEXT);
            cn_buf_adds(&q, flow ? "a: {b: " : "b: ");
            cn_yaml_quote(&q, strings[i]);
            cn_buf_adds(&q, flow ? ", c: 1}\n" : "\n");
            y = parsed(cn_buf_str(&q));
            cr_expect_str_eq(cn_yaml_string(cn_yaml_path(cn_yaml_root(y), flow ? "a.b" : "b")),
                             strings[i], "%s", cn_buf_str(&q));
            cr_expect_eq(cn_yaml_kind(cn_yaml_path(cn_yaml_root(y), flow ? "a.b" : "b")),
                         CN_YAML_STRING, "%s", cn_buf_str(&q));
            cn_yaml_free(y);
            cn_buf_clear(&q);
        }
    }
}

Test(base_yaml, many_edits_in_a_row_leave_the_rest_alone)
{
    struct cn_yaml *y = parsed("# head\nt:\n  lr: 1 # rate\n\n# foot\n");
    char value[32];

    for (int i = 0; i < 50; i++) {
        (void)snprintf(value, sizeof value, "%d", i * 37);
        cr_assert_eq(cn_yaml_set(y, "t.lr", value, &err), CN_OK, "%s", err.text);
        cr_assert_eq(cn_yaml_set(y, "t.other", value, &err), CN_OK, "%s", err.text);
    }
    cr_assert_str_eq(cn_yaml_text(y, NULL),
                     "# head\nt:\n  lr: 1813 # rate\n  other: 1813\n\n# foot\n");
    cn_yaml_free(y);
}

Test(base_yaml, a_missing_file_is_named)
{
    struct cn_yaml *y;

    cr_assert_eq(cn_yaml_read("/nowhere/x.yaml", &y, &err), CN_ENOTFOUND);
    cr_assert(strstr(err.text, "/nowhere/x.yaml"), "%s", err.text);
}
