/* Rows of a rule table from any bytes, one row a line: no crash, every row is something, and what
 * is chosen from them is one of them. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "base/caps.h"
#include "protocols/rules.h"

enum { MAX_ROWS = 24, MAX_LINE = 400, N_FACTS = 9, N_PARAMS = 2 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const params[] = {"training.lr", "training.gain"};
static const struct cn_rule_metric metrics[] = {
    {"tau_R2", .4}, {"test_pearson", .95}, {"training_time_min", (double)NAN}};

static void fill(struct cn_rule_fact *f, double (*points)[N_PARAMS],
                 signed char (*ends)[N_PARAMS])
{
    for (int i = 0; i < N_FACTS; i++) {
        points[i][0] = i % 3;
        points[i][1] = i == 4 ? (double)NAN : i / 3;
        ends[i][0] = (signed char)(i % 3 - 1);
        f[i] = (struct cn_rule_fact){.iteration = i + 1,
                                     .node = i == 5 ? 2 : i + 1,
                                     .parent = i / 2,
                                     .replicate = i == 5,
                                     .finished = i != 7,
                                     .failed = i == 3,
                                     .reward = i == 3 ? (double)NAN : .1 * i,
                                     .row = i % 4 - 1,
                                     .cls = (cn_rule_class)(i % 4),
                                     .one_key = i > 1,
                                     .param = i % 2,
                                     .metrics = metrics,
                                     .n_metrics = 3,
                                     .point = i == 6 ? NULL : points[i],
                                     .at_end = i == 6 ? NULL : ends[i]};
    }
}

static void choose(const struct cn_rule *rules, int32_t n)
{
    struct cn_rule_fact f[N_FACTS];
    double points[N_FACTS][N_PARAMS];
    signed char ends[N_FACTS][N_PARAMS] = {{0}};
    struct cn_rule_context c = {.facts = f,
                                .n_iter_block = 8,
                                .converged = .5,
                                .branching_rate = .1,
                                .improvement_rate = (double)NAN,
                                .params = params,
                                .n_params = N_PARAMS};
    struct cn_rule_choice choice;

    fill(f, points, ends);
    for (c.n_facts = 0; c.n_facts <= N_FACTS; c.n_facts++) {
        c.lower_is_better = c.n_facts % 2;
        c.position = c.n_facts;
        c.slot = (int32_t)(c.n_facts % 4);
        cn_rules_choose(rules, n, &c, &choice);
        if (choice.row < 0 || choice.row > n ||
            (choice.row < n && rules[choice.row].cond == CN_COND_PROSE))
            __builtin_trap();
        if (choice.row < n && cn_rules_row_of(rules, n, choice.text, choice.strategy_name) < 0)
            __builtin_trap();
    }
}

/* condition | strategy | action */
static bool read_row(struct cn_arena *a, char *line, struct cn_rule *out)
{
    char *cells[3] = {line, line + strlen(line), line + strlen(line)};
    struct cn_err err = CN_ERR_INIT;
    int n = 1;

    for (char *s = line; *s && n < 3; s++)
        if (*s == '|') {
            *s = '\0';
            cells[n++] = s + 1;
        }
    return cn_rule_parse(a, cells[0], cells[1], cells[2], "connectivity_R2", "fuzz", 1, out,
                         &err) == CN_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cn_rule rules[MAX_ROWS];
    struct cn_arena a;
    int32_t n = 0;

    cn_arena_init(&a, CN_CAP_ARENA);
    for (size_t at = 0; at < size;) {
        char line[MAX_LINE];
        size_t len = 0;

        while (at < size && data[at] != '\n' && data[at] != '\0' && len + 1 < sizeof line)
            line[len++] = (char)data[at++];
        at += at < size && (data[at] == '\n' || data[at] == '\0');
        line[len] = '\0';
        if (n == MAX_ROWS) {
            choose(rules, n);
            n = 0;
        }
        n += read_row(&a, line, &rules[n]);
    }
    choose(rules, n);
    cn_arena_clear(&a);
    return 0;
}
