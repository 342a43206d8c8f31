/* The command line parser: strict, and helpful when it refuses. */
#include <string.h>

#include <criterion/criterion.h>

#include "harness/cli/cli.h"

/* The table of verbs belongs to main.c; the parser needs one to link. */
const struct cn_cli_verb *const cn_cli_verbs[] = {NULL};
const int cn_cli_n_verbs = 0;

static const struct cn_cli_option options[] = {{"iterations", "N", ""}, {"dry-run", NULL, ""}};
static const struct cn_cli_verb verb = {"explore", "PROTOCOL", "", "",   "",  options,
                                        2,         1,          1,  true, NULL};
static const struct cn_cli_verb plain = {"status", "RUN", "", "",    "",  options,
                                         2,        1,     1,  false, NULL};

static struct cn_cli_args args;
static struct cn_err err;

static cn_status parse(const struct cn_cli_verb *v, int n, const char *const *words)
{
    static char copy[8][64];
    char *argv[8];

    for (int i = 0; i < n; i++) {
        snprintf(copy[i], sizeof copy[i], "%s", words[i]);
        argv[i] = copy[i];
    }
    return cn_cli_parse(v, n, argv, &args, &err);
}
#define PARSE(v, ...)                                                       \
    parse(v, (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), \
          (const char *[]){__VA_ARGS__})

Test(cli_args, words_options_flags_and_overrides_are_told_apart)
{
    cr_assert_eq(
        PARSE(&verb, "p.md", "--iterations", "12", "--dry-run", "--training.lr_W", "1e-3"),
        CN_OK, "%s", err.text);
    cr_assert_str_eq(args.positional[0], "p.md");
    cr_assert_str_eq(cn_cli_value(&args, "iterations"), "12");
    cr_assert(cn_cli_flag(&args, "dry-run"));
    cr_assert_eq(args.n_overrides, 1);
    cr_assert_str_eq(args.override[0].path, "training.lr_W");
    cr_assert_str_eq(args.override[0].value, "1e-3");
}

Test(cli_args, equals_signs_and_negative_values_are_values)
{
    cr_assert_eq(PARSE(&verb, "p.md", "--iterations=3", "--a.b", "-1.5"), CN_OK, "%s",
                 err.text);
    cr_assert_str_eq(cn_cli_value(&args, "iterations"), "3");
    cr_assert_str_eq(args.override[0].value, "-1.5");
}

Test(cli_args, unknown_option_names_the_nearest)
{
    cr_assert_eq(PARSE(&verb, "p.md", "--iteration", "264"), CN_EINPUT);
    cr_assert(strstr(err.text, "did you mean --iterations"), "%s", err.text);
}

Test(cli_args, what_is_given_twice_or_without_value_is_refused)
{
    cr_assert_eq(PARSE(&verb, "p.md", "--dry-run", "--dry-run"), CN_EINPUT);
    cr_assert_eq(PARSE(&verb, "p.md", "--iterations"), CN_EINPUT);
    cr_assert_eq(PARSE(&verb, "p.md", "--dry-run=yes"), CN_EINPUT);
    cr_assert_eq(PARSE(&verb, "p.md", "--training.lr_W"), CN_EINPUT);
    cr_assert_eq(PARSE(&verb, "p.md", "q.md"), CN_EINPUT);
    cr_assert_eq(PARSE(&verb, "--dry-run"), CN_EINPUT);
    cr_assert_eq(PARSE(&verb, "p.md", "-n", "3"), CN_EINPUT);
}

Test(cli_args, overrides_are_refused_where_they_mean_nothing)
{
    cr_assert_eq(PARSE(&plain, "demo", "--training.lr_W", "1"), CN_EINPUT);
    cr_assert(strstr(err.text, "takes no config overrides"), "%s", err.text);
}

Test(cli_args, numbers_are_whole_and_in_range)
{
    int64_t n;

    cr_assert_eq(PARSE(&verb, "p.md", "--iterations", "12x"), CN_OK);
    cr_assert_eq(cn_cli_int(&args, "iterations", 1, 100, 7, &n, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "'12x'"), "%s", err.text);
    cr_assert_eq(PARSE(&verb, "p.md"), CN_OK);
    cr_assert_eq(cn_cli_int(&args, "iterations", 1, 100, 7, &n, &err), CN_OK);
    cr_assert_eq(n, 7);
}
