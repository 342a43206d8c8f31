/* JSON: case files, exact numbers, every prefix, every failed allocation, the writer. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/json.h"
#include "base/text.h"
#include "tests/support/case_files.h"

static struct cn_err err;

static struct cn_json_doc *parsed(const char *text)
{
    struct cn_json_doc *doc;

    cr_assert_eq(cn_json_parse("t", text, strlen(text), &doc, &err), CN_OK, "%s", err.text);
    return doc;
}

static void good_case(const char *name, const struct cn_buf *bytes)
{
    struct cn_json_doc *doc, *again;
    struct cn_buf once, twice;

    cr_assert_eq(cn_json_parse("case", cn_buf_str(bytes), bytes->len, &doc, &err), CN_OK,
                 "%s: %s", name, err.text);
    cn_buf_init(&once, CN_CAP_TEXT);
    cn_buf_init(&twice, CN_CAP_TEXT);
    cn_json_put_value(&once, cn_json_root(doc));
    again = parsed(cn_buf_str(&once));
    cn_json_put_value(&twice, cn_json_root(again));
    cr_assert_str_eq(cn_buf_str(&once), cn_buf_str(&twice), "%s", name);
    cn_buf_clear(&once);
    cn_buf_clear(&twice);
    cn_json_free(again);
    cn_json_free(doc);
}

static void bad_case(const char *name, const struct cn_buf *bytes)
{
    char path[4096];
    struct cn_buf expected = case_bytes(case_file("json", name, ".err", path));
    struct cn_json_doc *doc;

    expected.data[strcspn(expected.data, "\n")] = '\0';
    cr_expect_eq(cn_json_parse("case", cn_buf_str(bytes), bytes->len, &doc, &err), CN_EINPUT,
                 "%s passes", name);
    cr_expect_str_eq(err.text, cn_buf_str(&expected), "%s", name);
    cr_expect_null(doc);
    cn_buf_clear(&expected);
}

Test(base_json, good_files_pass_and_print_to_themselves)
{
    case_each("json", "good_", ".json", 8, good_case);
}

Test(base_json, bad_files_are_refused_with_place_and_reason)
{
    case_each("json", "bad_", ".json", 38, bad_case);
}

static void prefixes(const char *name, const struct cn_buf *bytes)
{
    for (size_t n = 0; n < bytes->len; n++) {
        char *exact = cn_alloc(n + 1, 1); /* no byte more: a sanitizer sees reads behind it */
        struct cn_json_doc *doc;
        cn_status st;

        memcpy(exact, bytes->data, n);
        exact = cn_realloc(exact, n ? n : 1, 1);
        st = cn_json_parse("t", exact, n, &doc, &err);
        cr_assert(st == CN_OK || st == CN_EINPUT, "%s, %zu bytes: %s", name, n, err.text);
        cr_assert_eq(st == CN_OK, doc != NULL);
        cn_json_free(doc);
        cn_free(exact);
    }
}

Test(base_json, every_prefix_of_a_good_file_ends_well)
{
    case_each("json", "good_", ".json", 8, prefixes);
}

static void failed_allocations(const char *name, const struct cn_buf *bytes)
{
    cn_status st = CN_ENOMEM;
    int64_t live = cn_alloc_live(), nth;

    for (nth = 1; st == CN_ENOMEM; nth++) {
        struct cn_json_doc *doc;

        cn_alloc_fail_nth(nth);
        st = cn_json_parse("t", cn_buf_str(bytes), bytes->len, &doc, &err);
        cn_json_free(doc);
        cr_assert_eq(cn_alloc_live(), live, "%s leaks when allocation %lld fails", name,
                     (long long)nth);
    }
    cn_alloc_fail_nth(0);
    cr_assert_eq(st, CN_OK, "%s: %s", name, err.text);
    cr_assert_geq(nth, 4);
}

Test(base_json, every_failed_allocation_is_reported_and_nothing_leaks)
{
    case_each("json", "good_", ".json", 8, failed_allocations);
}

Test(base_json, integers_keep_every_digit)
{
    struct cn_json_doc *doc =
        parsed("[9223372036854775807, -9223372036854775808, 9007199254740993, 3.0, 1e3, 0.5, "
               "9223372036854775808, \"7\", 1e300, 12345678901234567890.0]");
    const struct cn_json *a = cn_json_root(doc);
    int64_t v;

    cr_assert(cn_json_int64(cn_json_at(a, 0), &v));
    cr_assert_eq(v, INT64_MAX);
    cr_assert(cn_json_int64(cn_json_at(a, 1), &v));
    cr_assert_eq(v, INT64_MIN);
    cr_assert(cn_json_int64(cn_json_at(a, 2), &v));
    cr_assert_eq(v, 9007199254740993);
    cr_assert(cn_json_int64(cn_json_at(a, 3), &v));
    cr_assert_eq(v, 3);
    cr_assert(cn_json_int64(cn_json_at(a, 4), &v));
    cr_assert_eq(v, 1000);
    for (int i = 5; i < 10; i++)
        cr_assert_not(cn_json_int64(cn_json_at(a, i), &v), "element %d", i);
    cr_assert_str_eq(cn_json_raw_number(cn_json_at(a, 6)), "9223372036854775808");
    cr_assert_str_eq(cn_json_raw_number(cn_json_at(a, 4)), "1e3");
    cr_assert_null(cn_json_raw_number(cn_json_at(a, 7)));
    cn_json_free(doc);
}

Test(base_json, getters_walk_and_accept_anything)
{
    struct cn_json_doc *doc = parsed(
        "{\"m\": {\"r2\": 0.5, \"ok\": true}, \"l\": [1, 2, 3], \"s\": \"x\", \"n\": null}");
    const struct cn_json *root = cn_json_root(doc), *v;
    double x;
    bool b;
    int64_t n = 0;

    cr_assert_eq(cn_json_count(root), 4);
    cr_assert(cn_json_number(cn_json_path(root, "m.r2"), &x) && x == 0.5);
    cr_assert(cn_json_bool(cn_json_path(root, "m.ok"), &b) && b);
    cr_assert_null(cn_json_path(root, "m.r2.x"));
    cr_assert_null(cn_json_path(root, "m.r"));
    cr_assert_null(cn_json_get(root, "r2"));
    cr_assert_str_eq(cn_json_string(cn_json_get(root, "s")), "x");
    cr_assert_eq(cn_json_kind(cn_json_get(root, "n")), CN_JSON_NULL);
    cr_assert_not_null(cn_json_get(root, "n"));
    for (v = cn_json_first(root); v; v = cn_json_next(v), n++)
        cr_assert_eq(cn_json_name(v)[0], "mlsn"[n]);
    cr_assert_eq(n, 4);
    cr_assert_null(cn_json_at(cn_json_get(root, "l"), 3));
    cr_assert_null(cn_json_at(cn_json_get(root, "l"), -1));
    cr_assert_null(cn_json_get(NULL, "a"));
    cr_assert_not(cn_json_number(NULL, &x));
    cr_assert_not(cn_json_number(cn_json_get(root, "s"), &x));
    cr_assert_null(cn_json_string(cn_json_get(root, "l")));
    cr_assert_eq(cn_json_count(NULL), 0);
    cn_json_free(doc);
}

Test(base_json, nested_numbers_flatten_row_major_and_null_is_nan)
{
    struct cn_json_doc *doc = parsed("{\"a\": [[1, 2], [null, 4]], \"b\": [1, \"2\"]}");
    const struct cn_json *a = cn_json_get(cn_json_root(doc), "a");
    double x[5];

    cr_assert(cn_json_doubles(a, x, 4));
    cr_assert(x[0] == 1 && x[1] == 2 && isnan(x[2]) && x[3] == 4);
    cr_assert_not(cn_json_doubles(a, x, 3));
    cr_assert_not(cn_json_doubles(a, x, 5));
    cr_assert_not(cn_json_doubles(cn_json_get(cn_json_root(doc), "b"), x, 2));
    cn_json_free(doc);
}

Test(base_json, doubles_survive_a_round_trip_bit_for_bit)
{
    uint64_t state = 1;
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    for (int i = 0; i < 20000; i++) {
        struct cn_json_doc *doc;
        double x, back;

        state = state * 6364136223846793005u + 1442695040888963407u;
        memcpy(&x, &state, sizeof x);
        if (!isfinite(x))
            continue;
        cn_buf_reset(&b);
        cn_json_put_double(&b, x);
        doc = parsed(cn_buf_str(&b));
        cr_assert(cn_json_number(cn_json_root(doc), &back));
        cr_assert_eq(memcmp(&x, &back, sizeof x), 0, "%a became %a by way of %s", x, back,
                     cn_buf_str(&b));
        cn_json_free(doc);
    }
    cn_buf_clear(&b);
}

Test(base_json, the_writer_sets_commas_quotes_and_indentation)
{
    struct cn_json_writer w;
    struct cn_buf b;

    for (int indent = 0; indent <= 2; indent += 2) {
        cn_buf_init(&b, CN_CAP_TEXT);
        cn_json_begin(&w, &b, indent);
        cn_json_open(&w, NULL, '{');
        cn_json_add_int(&w, "step", -3);
        cn_json_open(&w, "values", '[');
        cn_json_add_double(&w, NULL, .5);
        cn_json_add_double(&w, NULL, (double)NAN);
        cn_json_close(&w);
        cn_json_open(&w, "none", '{');
        cn_json_close(&w);
        cn_json_add_string(&w, "s\"", "a\n\x01 \xff é");
        cn_json_add_string(&w, "missing", NULL);
        cn_json_add_bool(&w, "yes", true);
        cn_json_close(&w);
        cr_assert_eq(cn_buf_status(&b), CN_OK);
        cr_assert_str_eq(cn_buf_str(&b),
                         indent ? "{\n  \"step\": -3,\n  \"values\": [\n    0.5,\n    null\n  "
                                  "],\n  \"none\": {},\n"
                                  "  \"s\\\"\": \"a\\n\\u0001 \xef\xbf\xbd é\",\n  "
                                  "\"missing\": null,\n  \"yes\": true\n}"
                                : "{\"step\": -3, \"values\": [0.5, null], \"none\": {}, "
                                  "\"s\\\"\": \"a\\n\\u0001 \xef\xbf\xbd é\", \"missing\": "
                                  "null, \"yes\": true}");
        cn_json_free(parsed(cn_buf_str(&b)));
        cn_buf_clear(&b);
    }
}

Test(base_json, a_copied_value_keeps_its_digits)
{
    struct cn_json_doc *doc =
        parsed("{\"a\": [1.50, 1e-9, 18446744073709551615, {\"b\": null}]}");
    struct cn_json_writer w;
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_json_begin(&w, &b, 0);
    cn_json_open(&w, NULL, '{');
    cn_json_add_value(&w, "copy", cn_json_get(cn_json_root(doc), "a"));
    cn_json_add_value(&w, "absent", NULL);
    cn_json_close(&w);
    cr_assert_str_eq(
        cn_buf_str(&b),
        "{\"copy\": [1.50, 1e-9, 18446744073709551615, {\"b\": null}], \"absent\": null}");
    cn_buf_clear(&b);
    cn_json_free(doc);
}

Test(base_json, an_object_of_a_hundred_thousand_keys_is_checked_for_duplicates)
{
    struct cn_json_doc *doc;
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_addc(&b, '{');
    for (int i = 0; i < 100000; i++)
        cn_buf_printf(&b, "\"k%d\": %d,\n", i, i);
    cn_buf_adds(&b, "\"k77\": 0}");
    cr_assert_eq(cn_json_parse("big", cn_buf_str(&b), b.len, &doc, &err), CN_EINPUT);
    cr_assert_str_eq(err.text, "big:100001:1: duplicate key \"k77\", first on line 78");
    cn_buf_clear(&b);
}

Test(base_json, a_missing_file_is_named)
{
    struct cn_json_doc *doc;

    cr_assert_eq(cn_json_read("/nowhere/x.json", &doc, &err), CN_ENOTFOUND);
    cr_assert(strstr(err.text, "/nowhere/x.json"), "%s", err.text);
    cr_assert_null(doc);
    cn_json_free(NULL);
}
