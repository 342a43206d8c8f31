/* The embedded proposer's edit at the end of a block: the criteria that the protocols state
 * ("Evaluation Metrics for Rule Modification"), carried out. See edits.h.
 *
 * 1. rows of the table, as text
 * 2. what earlier versions forbid
 * 3. the criteria
 * 4. the choice
 *
 * Never in a circle: a row that any version ever had is not added again (somebody took it out), and
 * thresholds may change their direction once. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "harness/loop/edits.h"
#include "harness/loop/view.h"
#include "protocols/edit.h"
#include "protocols/words.h"
#include "ucb/block.h"

enum {
    MAX_ROWS = 24, /* of a table that rows are added to; a person or a model may have more */
    PLATEAU_K = 3, /* "same plateau for 3+ iterations" */
    MAX_SAME_PARAM = 4 /* "more than 4 mutations of the same parameter" */
};
static const double low_branching = 0.2, low_improvement = 0.3, high_improvement = 0.8;

struct choice {
    const struct cn_planner *pl;
    const struct cn_history *h;
    const struct cn_protocol *p; /* in force */
    const struct cn_protocol *const *versions;
    int64_t n_versions;
    struct cn_arena *a;
    struct cn_view v;
    struct cn_block_stats s;
    struct cn_edit_choice *out;
    struct cn_buf none; /* why a criterion that held led to nothing */
    bool held;          /* some criterion held */
};

/* ------------------------------------------------------------------ 1. rows as text */

/* Line `line` (from 1) of the protocol, without its break; NULL: there is none. */
static const char *raw_line(const struct choice *c, int line)
{
    const char *s = c->p->text, *end;

    for (int i = 1; i < line; i++) {
        s = strchr(s, '\n');
        if (!s++)
            return NULL;
    }
    end = s + strcspn(s, "\r\n");
    return cn_arena_strndup(c->a, s, (size_t)(end - s));
}

/* The proposal holds when it can be made and the table then has `want` as its row `at`. */
static bool gives_row(const struct choice *c, const char *old, const char *new,
                      const struct cn_rule *want, int32_t at)
{
    struct cn_protocol *q = NULL;
    struct cn_buf text;
    bool ok = false;

    cn_buf_init(&text, c->p->n + CN_CAP_RULES);
    if (cn_edit_apply(c->p, old, new, &text, NULL) == CN_OK &&
        cn_protocol_parse(c->p->name, cn_buf_str(&text), text.len, &q, NULL) == CN_OK &&
        at < q->n_rules) {
        const struct cn_rule *r = &q->rules[at];

        ok = r->cond == want->cond && r->strategy == want->strategy &&
             r->count == want->count && r->count_div == want->count_div &&
             r->has_threshold == want->has_threshold &&
             (!r->has_threshold || r->threshold == want->threshold);
    }
    cn_protocol_free(q);
    cn_buf_clear(&text);
    return ok;
}

static bool propose(struct choice *c, const char *old, const char *new,
                    const struct cn_rule *want, int32_t at)
{
    if (!old || !new || !gives_row(c, old, new, want, at))
        return false;
    c->out->old_text = old;
    c->out->new_text = new;
    return true;
}

/* ------------------------------------------------------------------ 2. earlier versions */

/* Is this the row's condition, or a part of it? */
static bool asks_for(const struct cn_rule *r, cn_cond_kind cond)
{
    for (int32_t i = 0; i < r->n_terms; i++)
        if (r->terms[i].cond == cond)
            return true;
    return r->cond == cond;
}

/* The last version with such a row; 0: none ever had one. */
static int64_t version_with(const struct choice *c, cn_cond_kind cond)
{
    for (int64_t i = c->n_versions - 1; i >= 0; i--)
        for (int32_t k = 0; c->versions[i] && k < c->versions[i]->n_rules; k++)
            if (asks_for(&c->versions[i]->rules[k], cond))
                return i + 1;
    return 0;
}

static bool in_force(const struct choice *c, cn_cond_kind cond)
{
    for (int32_t k = 0; k < c->p->n_rules; k++)
        if (asks_for(&c->p->rules[k], cond))
            return true;
    return false;
}

/* The nth row about successes; NULL: there are fewer. */
static const struct cn_rule *success_row(const struct cn_protocol *p, int32_t nth)
{
    for (int32_t k = 0; k < p->n_rules; k++)
        if (p->rules[k].cond == CN_COND_CONSECUTIVE && nth-- == 0)
            return &p->rules[k];
    return NULL;
}

static int sign(double x)
{
    return (x > 0) - (x < 0);
}

/* +1: success became harder to reach from a to b (more exploitation), -1: easier, 0: neither. */
static int direction(const struct choice *c, const struct cn_protocol *a,
                     const struct cn_protocol *b)
{
    int sum = 0;

    for (int32_t i = 0;; i++) {
        const struct cn_rule *x = success_row(a, i), *y = success_row(b, i);

        if (!x || !y)
            return sign(sum);
        if (x->strategy != y->strategy)
            continue;
        sum += sign((double)(y->count - x->count));
        if (x->has_threshold && y->has_threshold)
            sum += sign(y->threshold - x->threshold) *
                   (c->h->info.reward_lower_is_better ? -1 : 1);
    }
}

/* May thresholds move this way? They may turn back once. */
static bool may_move(const struct choice *c, int wanted)
{
    int last = 0, turns = 0;

    for (int64_t i = 1; i < c->n_versions; i++) {
        int now = c->versions[i - 1] && c->versions[i]
                      ? direction(c, c->versions[i - 1], c->versions[i])
                      : 0;

        if (now == 0)
            continue;
        turns += last != 0 && now != last;
        last = now;
    }
    return turns + (last != 0 && wanted != last) <= 1;
}

/* ------------------------------------------------------------------ 3. the criteria */

/* A criterion held, and this is why nothing came of it. */
static void put_none(struct choice *c, const char *what, const char *why)
{
    cn_buf_printf(&c->none, "%s%s: %s", c->none.len ? "; " : "", what, why);
}

/* Below the Default row where it comes first, as the protocols' own example shows; else first. */
static bool add_row(struct choice *c, const struct cn_rule *want, const char *row)
{
    bool below = c->p->rules[0].cond == CN_COND_DEFAULT;
    const char *anchor = raw_line(c, c->p->rules[0].line);
    const char *new =
        !anchor ? NULL
                : cn_arena_printf(c->a, "%s\n%s", below ? anchor : row, below ? row : anchor);

    return propose(c, anchor, new, want, below ? 1 : 0);
}

/* A row that the protocols' criteria ask for, unless there is or was one. */
static cn_status want_row(struct choice *c, const char *condition, const char *strategy,
                          const char *action, const char *what, struct cn_err *err)
{
    struct cn_rule want;
    int64_t version;
    char words[120];
    const char *row =
        cn_arena_printf(c->a, "| %s | **%s** | %s |", condition, strategy, action);
    cn_status st = row ? cn_rule_parse(c->a, condition, strategy, action, c->p->reward, "edit",
                                       0, &want, err)
                       : cn_err_set(err, CN_ENOMEM, "no memory to choose an edit");

    c->held = true;
    if (st != CN_OK)
        return st;
    version = version_with(c, want.cond);
    if (in_force(c, want.cond)) {
        put_none(c, what, "a row for it stands already");
    } else if (version > 0) {
        cn_text_format(words, sizeof words,
                       "a row for it was taken out after version %lld, it is not added again",
                       (long long)version);
        put_none(c, what, words);
    } else if (c->p->n_rules >= MAX_ROWS) {
        put_none(c, what, "the table is long enough");
    } else if (want.cond == CN_COND_PROSE || !add_row(c, &want, row)) {
        put_none(c, what, "the table's form takes no such row");
    } else {
        c->out->reason =
            cn_arena_printf(c->a, "added row \"%s\" (%s): %s", condition, strategy, what);
    }
    return CN_OK;
}

/* The row of the table in force that an iteration of the block came from; -1: none. */
static int32_t row_of(const struct choice *c, const struct cn_iteration *it)
{
    return it->block == c->v.block->number && !it->confirmation
               ? cn_rules_row_of(c->p->rules, c->p->n_rules, it->parent_rule, it->strategy)
               : -1;
}

/* The row about successes that fired most often in the block; -1: none did. */
static int32_t busiest_success_row(const struct choice *c)
{
    int64_t most = 0;
    int32_t best = -1;

    for (int32_t k = 0; k < c->p->n_rules; k++) {
        int64_t n = 0;

        if (c->p->rules[k].cond != CN_COND_CONSECUTIVE)
            continue;
        for (int64_t i = 0; i < c->h->n_iterations; i++)
            n += row_of(c, &c->h->iterations[i]) == k;
        if (n > most) {
            most = n;
            best = k;
        }
    }
    return best;
}

/* Two values to three digits, so that the table stays readable. */
static double middle(double a, double b)
{
    char text[CN_NUM_TEXT];
    double x = (a + b) / 2;

    (void)snprintf(text, sizeof text, "%.3g", x);
    return cn_text_parse_double(text, &x) ? x : (a + b) / 2;
}

/* The row's words with another number between its parentheses; NULL: not found. */
static const char *with_threshold(const struct choice *c, const struct cn_rule *r, double x)
{
    const char *raw = raw_line(c, r->line), *s, *end;
    char text[CN_NUM_TEXT];

    for (s = raw ? strchr(raw, '(') : NULL; s && *s; s = end) {
        char number[CN_NUM_TEXT] = "";
        double value;
        size_t n;

        s += strcspn(s, "+-.0123456789");
        n = strspn(s, "+-.0123456789eE");
        end = s + n;
        if (n == 0)
            return NULL;
        if (n >= sizeof number)
            continue;
        memcpy(number, s, n);
        if (cn_text_parse_double(number, &value) && value == r->threshold)
            return cn_arena_printf(c->a, "%.*s%s%s", (int)(s - raw), raw,
                                   cn_text_double(x, text), end);
    }
    return NULL;
}

static double best_on_metric(const struct choice *c)
{
    return c->h->info.reward_lower_is_better ? -c->s.best : c->s.best;
}

static bool reaches(const struct choice *c, double x, double threshold)
{
    return c->h->info.reward_lower_is_better ? x < threshold : x > threshold;
}

static void move_threshold(struct choice *c, int32_t row, const char *what)
{
    const struct cn_rule *r = &c->p->rules[row];
    struct cn_rule want = *r;
    char from[CN_NUM_TEXT], to[CN_NUM_TEXT];

    want.threshold = middle(r->threshold, best_on_metric(c));
    if (want.threshold == r->threshold ||
        !propose(c, raw_line(c, r->line), with_threshold(c, r, want.threshold), &want, row)) {
        put_none(c, what, "the thresholds cannot be moved any closer to what was reached");
        return;
    }
    c->out->reason = cn_arena_printf(
        c->a,
        "moved the threshold of row %d (%s) from %s to %s, half way to the block's best: %s",
        (int)row + 1, cn_strategy_name(r->strategy), cn_text_double(r->threshold, from),
        cn_text_double(want.threshold, to), what);
}

/* Few improvements: leave the good ones less often. */
static void exploit_more(struct choice *c, const char *what)
{
    int32_t row = busiest_success_row(c);

    c->held = true;
    if (row < 0)
        put_none(c, what,
                 "no row about successes fired, so none keeps the search from "
                 "exploiting");
    else if (!may_move(c, 1))
        put_none(c, what, "the thresholds were moved up and down before");
    else if (!c->p->rules[row].has_threshold)
        put_none(c, what, "the busiest row about successes names no threshold");
    else
        move_threshold(c, row, what);
}

/* Nearly everything improves: the boundaries are far. A row first; then success made easier. */
static cn_status explore_more(struct choice *c, const char *what, struct cn_err *err)
{
    if (version_with(c, CN_COND_IMPROVEMENT_ABOVE) == 0)
        return want_row(
            c, "Improvement rate > 80%", "explore",
            "Use highest UCB node not in last n_iter_block/4 nodes, try new mutation", what,
            err);
    c->held = true;
    for (int32_t k = 0; k < c->p->n_rules; k++) {
        const struct cn_rule *r = &c->p->rules[k];

        if (r->cond != CN_COND_CONSECUTIVE || !r->has_threshold ||
            reaches(c, best_on_metric(c), r->threshold))
            continue;
        if (may_move(c, -1))
            move_threshold(c, k, what);
        else
            put_none(c, what, "the thresholds were moved up and down before");
        return CN_OK;
    }
    put_none(c, what, "there is or was a row for it, and the rows about successes can fire");
    return CN_OK;
}

/* How often the block changed the parameter that it changed most. */
static int64_t most_of_one(const struct choice *c, const char **out_path)
{
    int64_t most = 0;

    *out_path = "";
    for (int64_t i = 0; i < c->h->n_nodes; i++) {
        const struct cn_node *x = &c->h->nodes[i];
        int64_t n = 0;

        if (x->block != c->v.block->number || x->n_mutations != 1 || x == c->v.root)
            continue;
        for (int64_t k = 0; k < c->h->n_nodes; k++) {
            const struct cn_node *y = &c->h->nodes[k];

            n += y->block == x->block && y->n_mutations == 1 && y != c->v.root &&
                 strcmp(y->mutations[0].path, x->mutations[0].path) == 0;
        }
        if (n > most) {
            most = n;
            *out_path = x->mutations[0].path;
        }
    }
    return most;
}

/* ------------------------------------------------------------------ 4. the choice */

/* "branching rate 0 % of 3" */
static const char *share(struct choice *c, const char *name, double x, int64_t n)
{
    const char *s =
        isnan(x) ? cn_arena_printf(c->a, "%s unknown", name)
                 : cn_arena_printf(c->a, "%s %.0f %% of %lld", name, 100 * x, (long long)n);

    return s ? s : name;
}

static cn_status try_branching(struct choice *c, struct cn_err *err)
{
    if (isnan(c->s.branching_rate) || c->s.branching_rate >= low_branching)
        return CN_OK;
    return want_row(c, "Branching rate < 20% in last block", "force-branch",
                    "Select random node from top 3 UCB, not the sequential parent",
                    share(c, "branching rate", c->s.branching_rate, c->s.branching_n), err);
}

static cn_status try_stuck(struct choice *c, struct cn_err *err)
{
    const char *metric = c->p->reward[0] ? c->p->reward : "reward", *condition, *what;

    if (!c->s.stuck)
        return CN_OK;
    condition = cn_arena_printf(c->a, "Same %s plateau (+/-0.05) for 3+ iters", metric);
    what = cn_arena_printf(c->a, "stuck within 0.05 for %lld iterations",
                           (long long)c->s.plateau_length);
    if (!condition || !what)
        return cn_err_set(err, CN_ENOMEM, "no memory to choose an edit");
    return want_row(c, condition, "force-branch",
                    "Select random node from top 3 UCB, not the sequential parent", what, err);
}

static cn_status try_dimension(struct choice *c, struct cn_err *err)
{
    static const char condition[] = "> 4 mutations of the same parameter",
                      action[] = "Use highest UCB node, change a parameter tried less often";
    const char *path, *what;
    int64_t n = most_of_one(c, &path);
    struct cn_rule r;
    cn_status st;

    if (n <= MAX_SAME_PARAM)
        return CN_OK;
    st = cn_rule_parse(c->a, condition, "switch-dimension", action, c->p->reward, "edit", 0, &r,
                       err);
    if (st != CN_OK || r.cond == CN_COND_PROSE) /* nothing that the host could carry out */
        return st;
    what = cn_arena_printf(c->a, "%s was changed %lld times", path, (long long)n);
    return what ? want_row(c, condition, "switch-dimension", action, what, err)
                : cn_err_set(err, CN_ENOMEM, "no memory to choose an edit");
}

static cn_status try_improvement(struct choice *c, struct cn_err *err)
{
    const char *what = share(c, "improvement rate", c->s.improvement_rate, c->s.improvement_n);

    if (c->s.improvement_rate < low_improvement)
        exploit_more(c, what);
    else if (c->s.improvement_rate > high_improvement)
        return explore_more(c, what, err);
    return CN_OK;
}

/* "none: ..." with what every criterion found. */
static void conclude_none(struct choice *c)
{
    c->out->reason =
        c->held ? cn_arena_printf(c->a, "none: %s", cn_buf_str(&c->none))
                : cn_arena_printf(
                      c->a, "none: %s, %s, not stuck",
                      share(c, "branching rate", c->s.branching_rate, c->s.branching_n),
                      share(c, "improvement rate", c->s.improvement_rate, c->s.improvement_n));
}

static cn_status choose(struct choice *c, struct cn_err *err)
{
    cn_status (*const criteria[])(struct choice *, struct cn_err *) = {
        try_branching, try_stuck, try_dimension, try_improvement};
    cn_status st = CN_OK;

    for (size_t i = 0;
         st == CN_OK && !c->out->old_text && i < sizeof criteria / sizeof criteria[0]; i++)
        st = criteria[i](c, err);
    if (st == CN_OK && !c->out->old_text)
        conclude_none(c);
    if (st == CN_OK && !c->out->reason)
        st = cn_err_set(err, CN_ENOMEM, "no memory to choose an edit");
    return st;
}

cn_status cn_edit_choose(const struct cn_planner *pl, const struct cn_history *h, int64_t block,
                         const struct cn_protocol *const *versions, int64_t n_versions,
                         struct cn_arena *a, struct cn_edit_choice *out, struct cn_err *err)
{
    struct choice c = {.pl = pl,
                       .h = h,
                       .p = pl->protocol,
                       .versions = versions,
                       .n_versions = n_versions,
                       .a = a,
                       .out = out};
    cn_status st;

    *out = (struct cn_edit_choice){NULL, NULL, NULL};
    if (c.p->rules_end == 0 || c.p->rules_builtin) {
        out->reason = c.p->rules_end == 0
                          ? "none: the protocol has no rule markers, and its built-in table is "
                            "nobody's text"
                          : "none: the built-in table holds, there is none between the markers";
        return CN_OK;
    }
    st = cn_view_init(&c.v, h, block, err);
    if (st != CN_OK)
        return st;
    cn_buf_init(&c.none, 1 << 14);
    cn_block_measure(c.v.facts, c.v.n_facts, pl->settings->n_iter_block, CN_PLATEAU_TOLERANCE,
                     CN_PLATEAU_K, &c.s);
    st = choose(&c, err);
    cn_buf_clear(&c.none);
    cn_view_clear(&c.v);
    return st;
}
