/* Which row fires on which history: the cases of tests/cases/rules/histories.txt, whose head
 * explains their lines. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"
#include "protocols/rules.h"
#include "protocols/words.h"
#include "support/cases.h"

enum { MAX_FACTS = 40, MAX_RULES = 6, MAX_PARAMS = 4, MAX_METRICS = 4 };

struct history {
    struct cn_arena a;
    char name[128];
    struct cn_rule rules[MAX_RULES];
    int32_t n_rules;
    struct cn_rule_fact f[MAX_FACTS];
    struct cn_rule_metric metrics[MAX_FACTS][MAX_METRICS];
    double points[MAX_FACTS][MAX_PARAMS];
    signed char ends[MAX_FACTS][MAX_PARAMS];
    const char *params[MAX_PARAMS];
    struct cn_rule_context c;
    int checks, wrong;
};

static struct history h;

static double number(const char *s)
{
    double x = (double)NAN;

    if (strcmp(s, "nan") != 0 && !cn_text_parse_double(s, &x))
        CN_BUG("%s: \"%s\" is no number", h.name, s);
    return x;
}

static int64_t count(const char *s)
{
    int64_t n = 0;

    if (!cn_text_parse_int64(s, &n))
        CN_BUG("%s: \"%s\" is no count", h.name, s);
    return n;
}

static int32_t param(const char *name, size_t n)
{
    for (int32_t p = 0; p < h.c.n_params; p++)
        if (strlen(h.params[p]) == n && strncmp(h.params[p], name, n) == 0)
            return p;
    CN_BUG("%s: \"%s\" is none of the parameters", h.name, name);
}

/* Where the fact of an iteration stands, or would stand. */
static int64_t place(int64_t iteration)
{
    int64_t i = h.c.n_facts;

    while (i > 0 && h.f[i - 1].iteration >= iteration)
        i--;
    return i;
}

static void read_value(struct cn_rule_fact *f, const char *s)
{
    double metric;

    f->reward = (double)NAN;
    f->finished = strcmp(s, "run") != 0;
    f->failed = strcmp(s, "fail") == 0;
    if (!f->finished || f->failed)
        return;
    metric = number(s);
    f->reward = h.c.lower_is_better ? -metric : metric;
    if (!isnan(metric))
        f->cls = metric > .9   ? CN_RULE_CLASS_CONVERGED
                 : metric < .1 ? CN_RULE_CLASS_FAILED
                               : CN_RULE_CLASS_PARTIAL;
}

static void read_option(struct cn_rule_fact *f, int64_t at, const char *s)
{
    const char *value = strchr(s, '=');

    if (!value)
        CN_BUG("%s: \"%s\": expected NAME=VALUE", h.name, s);
    value++;
    if (cn_text_starts(s, "n=")) {
        f->node = count(value);
        f->replicate = f->node != f->iteration;
    } else if (cn_text_starts(s, "p=")) {
        f->parent = count(value);
    } else if (cn_text_starts(s, "row=")) {
        f->row = (int32_t)count(value) - 1;
    } else if (cn_text_starts(s, "key=")) {
        f->one_key = true;
        f->param = param(value, strlen(value));
    } else if (cn_text_starts(s, "end=")) {
        size_t n = strlen(value) - 1;

        h.ends[at][param(value, n)] = value[n] == '+' ? 1 : -1;
    } else if (cn_text_starts(s, "x=")) {
        char copy[128], *rest = copy, *one;
        int32_t p = 0;

        cn_text_copy(copy, sizeof copy, value);
        while ((one = strsep(&rest, ",")) != NULL && p < h.c.n_params)
            h.points[at][p++] = number(one);
        f->point = h.points[at];
    } else { /* a metric */
        h.metrics[at][f->n_metrics++] = (struct cn_rule_metric){
            cn_arena_strndup(&h.a, s, (size_t)(value - s) - 1), number(value)};
    }
}

static void read_fact(char *line)
{
    char *word = strsep(&line, " ");
    int64_t id = count(word), at = place(id);
    struct cn_rule_fact *f = &h.f[at];

    if (at == h.c.n_facts)
        h.c.n_facts++;
    else if (f->iteration != id)
        CN_BUG("%s: iteration %" PRId64 " comes too late", h.name, id);
    memset(h.ends[at], 0, sizeof h.ends[at]);
    *f = (struct cn_rule_fact){.iteration = id,
                               .node = id,
                               .parent = id - 1,
                               .row = -1,
                               .metrics = h.metrics[at],
                               .at_end = h.ends[at]};
    word = strsep(&line, " ");
    if (!word)
        CN_BUG("%s: iteration %" PRId64 " has no value", h.name, id);
    read_value(f, word);
    while ((word = strsep(&line, " ")) != NULL)
        if (word[0])
            read_option(f, at, word);
}

static void read_rule(char *line)
{
    char *condition = strsep(&line, "|");
    struct cn_rule *r = &h.rules[h.n_rules++];
    struct cn_err err = CN_ERR_INIT;

    if (cn_rule_parse(&h.a, condition, line ? line : "explore", "", "connectivity_R2", "h", 1,
                      r, &err) != CN_OK)
        CN_BUG("%s: %s", h.name, err.text);
    cr_expect(r->cond != CN_COND_PROSE || cn_words_find(condition, "moon"), "%s: %s", h.name,
              r->note);
}

static void check(const char *row, const char *words)
{
    struct cn_rule_choice choice;
    const char *text;
    bool quiet, right;

    h.c.facts = h.f;
    h.c.params = h.params;
    cn_rules_choose(h.rules, h.n_rules, &h.c, &choice);
    quiet = choice.row >= h.n_rules || h.rules[choice.row].cond == CN_COND_DEFAULT;
    text = strchr(choice.text, ':');
    right = row ? !quiet && choice.row == count(row) - 1 &&
                      (!words || (text && strstr(choice.text, words)))
                : quiet;
    h.checks++;
    if (!right) {
        h.wrong++;
        (void)fprintf(stderr, "%s, check %d: got \"%s\", expected %s %s\n", h.name, h.checks,
                      choice.text, row ? row : "quiet", words ? words : "");
    }
}

static void begin(const char *name)
{
    cn_arena_clear(&h.a);
    cn_arena_init(&h.a, CN_CAP_ARENA);
    h.n_rules = 0;
    h.c = (struct cn_rule_context){.n_iter_block = 12,
                                   .converged = .9,
                                   .branching_rate = (double)NAN,
                                   .improvement_rate = (double)NAN,
                                   .slot = -1};
    cn_text_copy(h.name, sizeof h.name, name);
}

static void read_setting(const char *key, char *line)
{
    if (strcmp(key, "block") == 0)
        h.c.n_iter_block = count(line);
    else if (strcmp(key, "lower") == 0)
        h.c.lower_is_better = true;
    else if (strcmp(key, "converged") == 0)
        h.c.converged = number(line);
    else if (strcmp(key, "branching") == 0)
        h.c.branching_rate = number(line);
    else if (strcmp(key, "improvement") == 0)
        h.c.improvement_rate = number(line);
    else if (strcmp(key, "slot") == 0)
        h.c.slot = (int32_t)count(line);
    else if (strcmp(key, "at") == 0)
        h.c.position = count(line);
    else if (strcmp(key, "params") == 0)
        for (char *name; (name = strsep(&line, " ")) != NULL;)
            h.params[h.c.n_params++] = cn_arena_strdup(&h.a, name);
    else
        CN_BUG("%s: unknown line \"%s\"", h.name, key);
}

static void read_line(char *line)
{
    char *first, copy[512];

    if (cn_text_starts(line, "== ")) {
        begin(line + 3);
        return;
    }
    cn_text_copy(copy, sizeof copy, line);
    if (line[0] >= '0' && line[0] <= '9') {
        read_fact(copy);
        return;
    }
    line = copy;
    first = strsep(&line, " ");
    if (strcmp(first, "rule") == 0) {
        read_rule(line);
    } else if (strcmp(first, "fires") == 0) {
        char *row = strsep(&line, " ");

        check(row, line);
    } else if (strcmp(first, "quiet") == 0) {
        check(NULL, NULL);
    } else {
        read_setting(first, line);
    }
}

Test(protocols_history, rows_fire_as_the_case_file_says)
{
    char path[1024];
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_FILE);
    cn_arena_init(&h.a, CN_CAP_ARENA);
    cr_assert_eq(cn_file_read(cn_case_path("rules/histories.txt", path, sizeof(path)),
                              CN_CAP_FILE, &b, NULL),
                 CN_OK);
    for (char *s = b.data, *line; (line = strsep(&s, "\n")) != NULL;)
        if (line[0] && line[0] != '#')
            read_line(line);
    cr_assert_eq(h.wrong, 0);
    cr_assert_gt(h.checks, 100);
    cn_arena_clear(&h.a);
    cn_buf_clear(&b);
}

/* ---- rows are known by their words ---- */

static const struct cn_rule old_table[] = {
    {.condition = "Stuck", .strategy = CN_STRATEGY_EXPLORE},
    {.condition = "Stuck and Slot 3", .strategy = CN_STRATEGY_EXPLORE},
    {.condition = "Default", .strategy = CN_STRATEGY_EXPLOIT},
    {.condition = "Default", .strategy = CN_STRATEGY_EXPLORE},
    {.condition = "Default", .strategy = CN_STRATEGY_EXPLORE}};

static int32_t row_of(const char *words, const char *strategy)
{
    return cn_rules_row_of(old_table, 5, words, strategy);
}

Test(protocols_history, a_row_is_found_by_its_condition_then_strategy_then_number)
{
    cr_assert_eq(row_of("row 1: Stuck: iterations 1, 2, 3; highest UCB: node 2", "explore"), 0);
    cr_assert_eq(row_of("row 7: Stuck", "explore"), 0, "it stood elsewhere");
    cr_assert_eq(row_of("row 1: Stuck and Slot 3: x", "explore"), 1);
    cr_assert_eq(row_of("row 1: Stuck and Slot 4: x", "explore"), -1, "no such row any more");
    cr_assert_eq(row_of("row 9: Default; highest UCB: node 2", "exploit"), 2);
    cr_assert_eq(row_of("row 4: Default", "explore"), 3);
    cr_assert_eq(row_of("row 5: Default", "explore"), 4);
    cr_assert_eq(row_of("row 9: Default", "explore"), 3);
    cr_assert_eq(row_of("row 9: Default", "recombine"), 2, "the strategy fell back");
    cr_assert_eq(row_of("block start: node 1", "root"), -1);
    cr_assert_eq(row_of("row x: Default", "exploit"), -1);
    cr_assert_eq(row_of("row 1", "exploit"), -1);
    cr_assert_eq(row_of("row 99999999999999999999: Default", "exploit"), -1);
    cr_assert_eq(row_of("", ""), -1);
}

Test(protocols_history, a_metric_that_nobody_reports_is_named)
{
    static const char *const reported[] = {"connectivity_R2", "tau_R2"};
    struct cn_arena a;
    struct cn_rule r;

    cn_arena_init(&a, CN_CAP_ARENA);
    cr_assert_eq(cn_rule_parse(&a, "stuck or tau_R2 < .2 and V_rest_R2 < .1", "explore", "",
                               "connectivity_R2", "t", 1, &r, NULL),
                 CN_OK);
    cr_assert_str_eq(cn_rule_unknown_metric(&r, reported, 2), "V_rest_R2");
    cr_assert_eq(cn_rule_parse(&a, "TAU_R2 < .2 or R2 > .9 and stuck", "explore", "",
                               "connectivity_R2", "t", 1, &r, NULL),
                 CN_OK);
    cr_assert_null(cn_rule_unknown_metric(&r, reported, 2));
    cr_assert_eq(cn_rule_parse(&a, "Degeneracy gap > .3", "explore", "", "connectivity_R2", "t",
                               1, &r, NULL),
                 CN_OK);
    cr_assert_str_eq(cn_rule_unknown_metric(&r, reported, 2), "test_pearson");
    cn_arena_clear(&a);
}
