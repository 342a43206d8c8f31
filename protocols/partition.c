/* The block partition table: what every block is for, and the part of it that the host carries
 * out. The words are described in docs/PROTOCOLS.md, "Block partition".
 *
 * 1. the cell of block numbers
 * 2. parameters and their values
 * 3. the cell of the strategy
 * 4. rows and tables */
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/pattern.h"
#include "base/text.h"
#include "protocols/protocol_int.h"

enum { MAX_ROWS = 200, MAX_AXES = 8, MAX_COMBINATIONS = 1000, MAX_BLOCK = 1000000 };

#define NUMBER_WORDS "one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|\\d+"
#define DEFAULT_NAME \
    "(?:the\\s+)?(?:defaults?|baselines?|config(?:uration)?\\s+as\\s+given)(?![\\w_])"
#define BEST_NAME "(?:the\\s+)?best(?![\\w_])"

/* What a row's words can be, tried in this order. Groups named by nothing: the kind is all. */
static const struct {
    cn_partition_kind kind;
    const char *regex;
} phrases[] = {
    {CN_PARTITION_DEFAULT, "^(?:run|train|measure|repeat)\\s+" DEFAULT_NAME},
    {CN_PARTITION_DEFAULT, "^(?:" NUMBER_WORDS ")\\s+(?:runs|trainings|repeats|replicates)\\s+"
                           "of\\s+" DEFAULT_NAME},
    {CN_PARTITION_DEFAULT, "^" DEFAULT_NAME},
    {CN_PARTITION_REPLICATE, "^(?:replicate|repeat|re-?run|confirm|retrain)\\s+" BEST_NAME},
    {CN_PARTITION_REPLICATE, "^(?:" NUMBER_WORDS ")\\+?\\s+(?:runs|trainings|repeats|"
                             "replicates)\\s+of\\s+" BEST_NAME},
    {CN_PARTITION_REPLICATE, "^" BEST_NAME},
    {CN_PARTITION_VARY, "^(?:vary|sweep|scan)\\s+"},
    {CN_PARTITION_FOCUS, "^(?:focus\\s+on|search\\s+over|explore|only)\\s+"},
};

static cn_status search_words(struct parser *ps, const char *regex, const char *s,
                              struct cn_span m[3], int *out_n)
{
    struct cn_pattern *p = NULL;
    cn_status st = cn_pattern_new(regex, CN_PATTERN_CASELESS, &p, ps->err);

    *out_n = 0;
    if (st != CN_OK)
        return st;
    *out_n = cn_pattern_match(p, s, strlen(s), 0, m, 3);
    cn_pattern_free(p);
    return CN_OK;
}

/* ---- 1. the cell of block numbers ---- */

static bool block_number(const char *s, int64_t *out, const char **end)
{
    char *stop;
    long long x;

    if (*s < '0' || *s > '9')
        return false;
    x = strtoll(s, &stop, 10);
    *end = stop;
    *out = x;
    return x >= 1 && x <= MAX_BLOCK;
}

/* "3", "Block 3", "2-4", "2 to 4", "6+", "6 and later". */
static bool block_range(const char *s, struct cn_protocol_block *b)
{
    if (cn_words_start(s, "blocks "))
        s += 7;
    else if (cn_words_start(s, "block "))
        s += 6;
    if (!block_number(protocol_skip_space(s), &b->first, &s))
        return false;
    b->last = b->first;
    s = protocol_skip_space(s);
    if (*s == '\0')
        return true;
    if (strcmp(s, "+") == 0 || cn_words_same(s, "and later") || cn_words_same(s, "onwards") ||
        cn_words_same(s, "and on")) {
        b->last = INT64_MAX;
        return true;
    }
    if (*s == '-')
        s++;
    else if (cn_words_start(s, "to "))
        s += 3;
    else
        return false;
    return block_number(protocol_skip_space(s), &b->last, &s) && *s == '\0' &&
           b->last >= b->first;
}

/* ---- 2. parameters and their values ---- */

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dot + 1 : path;
}

/* By its whole path, or by a last part that only one parameter has. */
static const struct cn_protocol_param *param_named(const struct cn_protocol *p,
                                                   const char *name)
{
    const struct cn_protocol_param *found = NULL;
    int n = 0;

    for (int32_t i = 0; i < p->n_params; i++) {
        if (strcmp(p->params[i].path, name) == 0)
            return &p->params[i];
        if (strcmp(last_part(p->params[i].path), last_part(name)) == 0 &&
            (!strchr(name, '.') || !strchr(p->params[i].path, '.'))) {
            found = &p->params[i];
            n++;
        }
    }
    return n == 1 ? found : NULL;
}

static cn_status unknown_param(struct parser *ps, int line, const char *name)
{
    const struct cn_protocol *p = ps->p;
    const char **names = cn_arena_alloc(&ps->p->arena, (size_t)p->n_params + 1, sizeof(*names));

    if (!names)
        return protocol_no_memory(ps);
    for (int32_t i = 0; i < p->n_params; i++)
        names[i] = strchr(name, '.') ? p->params[i].path : last_part(p->params[i].path);
    return protocol_refuse(ps, line,
                           "block partition: \"%s\": expected a parameter of this protocol%s",
                           name, protocol_nearest(ps, name, names, (int)p->n_params));
}

/* "line 12", or "base.md:12" when that is another file than the line's. */
static const char *declared(struct parser *ps, int line, const struct cn_protocol_param *q)
{
    const char *s = strcmp(q->file, ps->lines[line].from.file) == 0
                        ? cn_arena_printf(&ps->p->arena, "line %d", q->line)
                        : cn_arena_printf(&ps->p->arena, "%s:%d", q->file, q->line);

    return s ? s : "";
}

static cn_status check_value(struct parser *ps, int line, const struct cn_protocol_param *q,
                             const char *value)
{
    double x;

    for (int32_t i = 0; i < q->n_choices; i++)
        if (protocol_same_value(q->choices[i], value))
            return CN_OK;
    if (q->n_choices > 0)
        return protocol_refuse(ps, line,
                               "block partition: %s: \"%s\": expected one of its %d values "
                               "(%s)",
                               q->path, value, (int)q->n_choices, declared(ps, line, q));
    if (q->type == CN_PROTOCOL_BOOL)
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0
                   ? CN_OK
                   : protocol_refuse(ps, line,
                                     "block partition: %s: \"%s\": expected true or false",
                                     q->path, value);
    if (!q->has_range)
        return protocol_refuse(ps, line,
                               "block partition: %s: has no range and no values (%s): it is "
                               "not explored",
                               q->path, declared(ps, line, q));
    if (!protocol_whole_number(value, &x) || x < q->lo || x > q->hi)
        return protocol_refuse(ps, line,
                               "block partition: %s: \"%s\": expected a number in its range "
                               "%g to %g (%s)",
                               q->path, value, q->lo, q->hi, declared(ps, line, q));
    return CN_OK;
}

/* Behind the list "(a, b)", "[a, b]" or "{a, b}" at s; its inside in s[1..*len). NULL: none. */
static const char *list_at(const char *s, size_t *len)
{
    static const char pairs[] = "()[]{}";
    const char *open = *s ? strchr(pairs, *s) : NULL, *close;

    if (!open || (open - pairs) % 2 != 0)
        return NULL;
    close = strchr(s, open[1]);
    if (!close)
        return NULL;
    *len = (size_t)(close - s);
    return close + 1;
}

static bool says_range(const char *s, size_t n)
{
    for (size_t i = 1; i + 1 < n; i++)
        if ((s[i] == '.' && s[i + 1] == '.') ||
            (cn_words_start(s + i, " to ") && !memchr(s, ',', n)))
            return true;
    return false;
}

/* "(0.2, 0.3)" behind a parameter's name: its values; "(0.1 to 0.5)": the block searches. */
static cn_status axis_values(struct parser *ps, int line, const char *s, size_t n,
                             const struct cn_protocol_param *q, struct cn_partition_axis *a,
                             const char **out_remark)
{
    cn_status st;

    if (says_range(s, n)) {
        *out_remark = "a range stands for a search in the parameter's own range";
        return CN_OK;
    }
    st = protocol_values(ps, s, n, &a->values, &a->n_values);
    for (int32_t i = 0; st == CN_OK && i < a->n_values; i++) {
        st = check_value(ps, line, q, a->values[i]);
        for (int32_t k = 0; st == CN_OK && k < i; k++)
            if (protocol_same_value(a->values[k], a->values[i]))
                st = protocol_refuse(ps, line, "block partition: %s: %s stands there twice",
                                     q->path, a->values[i]);
    }
    if (st == CN_OK && a->n_values == 0)
        st = protocol_refuse(ps, line, "block partition: %s: an empty list of values", q->path);
    return st;
}

static size_t name_length(const char *s)
{
    size_t n = 0;

    while (cn_words_is_name(s[n]) || (s[n] == '.' && cn_words_is_name(s[n + 1])))
        n++;
    return n;
}

/* Behind ", ", " and ", " with ", " x " between two parameters; NULL: none of these. */
static const char *behind_joint(const char *s)
{
    static const char *const joints[] = {", and ", ", ",  " and ", " with ",
                                         " by ",   " x ", " + "};

    for (size_t i = 0; i < sizeof(joints) / sizeof(joints[0]); i++)
        if (cn_words_start(s, joints[i]))
            return protocol_skip_space(s + strlen(joints[i]));
    return NULL;
}

struct axes {
    struct cn_partition_axis a[MAX_AXES];
    int32_t n;
    const char *stranger; /* a word in a parameter's place that is none; the row is prose */
    const char *remark;   /* on what was understood; NULL: none */
    const char *rest;     /* behind the last parameter */
};

/* Is the word meant as a parameter? "lr_W", "training.lr"; "seeds" may be plain English. */
static bool is_identifier(const char *name)
{
    return strchr(name, '_') || strchr(name, '.');
}

static cn_status one_axis(struct parser *ps, int line, const char **s, struct axes *x)
{
    size_t n = name_length(*s), len = 0;
    const char *name = cn_arena_strndup(&ps->p->arena, *s, n), *next, *behind;
    const struct cn_protocol_param *q;
    struct cn_partition_axis *a = &x->a[x->n];

    if (!name)
        return protocol_no_memory(ps);
    next = protocol_skip_space(*s + n);
    behind = list_at(next, &len);
    q = n > 0 ? param_named(ps->p, name) : NULL;
    if (!q && n > 0 && (behind || is_identifier(name)))
        return unknown_param(ps, line, name);
    if (!q) {
        x->stranger = n > 0 ? name : *s;
        return CN_OK;
    }
    for (int32_t i = 0; i < x->n; i++)
        if (strcmp(x->a[i].param, q->path) == 0)
            return protocol_refuse(ps, line, "block partition: %s: named twice", q->path);
    *a = (struct cn_partition_axis){.param = q->path,
                                    .simulation = q->cls == CN_PROTOCOL_SIMULATION};
    x->n++;
    *s += n;
    if (!behind)
        return CN_OK;
    *s = behind;
    return axis_values(ps, line, next + 1, len - 1, q, a, &x->remark);
}

static cn_status read_axes(struct parser *ps, int line, const char *s, struct axes *x)
{
    const char *next;
    cn_status st;

    *x = (struct axes){0};
    for (next = s; next; next = behind_joint(s)) {
        int32_t before = x->n;

        s = next;
        if (cn_words_start(s, "both "))
            s += 5;
        if (cn_words_start(s, "the "))
            s += 4;
        if (x->n == MAX_AXES)
            return protocol_refuse(ps, line, "block partition: more than %d parameters",
                                   MAX_AXES);
        st = one_axis(ps, line, &s, x);
        if (st != CN_OK)
            return st;
        if (x->n == before)
            break;
    }
    x->rest = protocol_skip_space(s);
    return CN_OK;
}

/* ---- 3. the cell of the strategy ---- */

static int64_t number_word(const char *s, size_t n)
{
    static const char *const names[] = {"one",   "two",   "three", "four", "five",   "six",
                                        "seven", "eight", "nine",  "ten",  "eleven", "twelve"};
    int64_t x = 0;

    for (int i = 0; i < 12; i++)
        if (strlen(names[i]) == n && cn_words_start(s, names[i]))
            return i + 1;
    for (size_t i = 0; i < n && i < 7; i++)
        x = 10 * x + (s[i] - '0');
    return x;
}

/* "12 times", "twelve runs", "4+ times", "at least four times". */
static cn_status read_count(struct parser *ps, int line, const char *s,
                            struct cn_protocol_block *b)
{
    struct cn_span m[3];
    int n;
    cn_status st = search_words(ps,
                                "(?<![\\w.])(" NUMBER_WORDS ")(\\s*\\+)?\\s*(?:times|runs|"
                                "trainings|repeats|replicates|x)(?![\\w_])",
                                s, m, &n);

    if (st != CN_OK || n == 0)
        return st;
    b->count = number_word(s + m[1].start, m[1].end - m[1].start);
    b->at_least = (n > 2 && m[2].start != (size_t)-1) || cn_words_find(s, "at least") != NULL;
    if (b->count < 1)
        return protocol_refuse(ps, line,
                               "block partition: \"%s\": expected at least 1 training", s);
    return CN_OK;
}

static cn_status be_prose(struct parser *ps, struct cn_protocol_block *b, const char *why)
{
    b->kind = CN_PARTITION_PROSE;
    b->note = why;
    return why ? CN_OK : protocol_no_memory(ps);
}

/* A simulation is one for a whole block, and block 1 begins with the config as given. */
static cn_status check_simulation(struct parser *ps, int line,
                                  const struct cn_protocol_block *b,
                                  const struct cn_partition_axis *a)
{
    if (a->n_values > 1)
        return protocol_refuse(ps, line,
                               "block partition: %s: %d values of a simulation parameter; a "
                               "block has one simulation: expected one value, or a row for "
                               "each",
                               a->param, (int)a->n_values);
    if (b->first == 1)
        return protocol_refuse(ps, line,
                               "block partition: %s: a simulation parameter in block 1, which "
                               "begins with the config as given; expected block 2 or later",
                               a->param);
    return CN_OK;
}

static cn_status take_axes(struct parser *ps, int line, const struct axes *x,
                           struct cn_protocol_block *b)
{
    int64_t combinations = 1;
    cn_status st = CN_OK;

    b->axes = cn_arena_alloc(&ps->p->arena, (size_t)x->n, sizeof(*b->axes));
    if (!b->axes)
        return protocol_no_memory(ps);
    b->kind = CN_PARTITION_FOCUS;
    for (int32_t i = 0; st == CN_OK && i < x->n; i++) {
        b->axes[b->n_axes++] = x->a[i];
        if (x->a[i].n_values > 0)
            b->kind = CN_PARTITION_VARY;
        if (x->a[i].simulation)
            st = check_simulation(ps, line, b, &x->a[i]);
        else if (x->a[i].n_values > 0)
            combinations *= x->a[i].n_values;
        if (combinations > MAX_COMBINATIONS)
            st = protocol_refuse(ps, line, "block partition: more than %d combinations",
                                 MAX_COMBINATIONS);
    }
    for (int32_t i = 0; st == CN_OK && b->kind == CN_PARTITION_VARY && i < x->n; i++)
        if (x->a[i].n_values == 0)
            st = protocol_refuse(ps, line,
                                 "block partition: %s: no values, while other parameters of "
                                 "this row have some; expected values for all or for none",
                                 x->a[i].param);
    return st;
}

/* Words behind what was understood that are more than a remark: "- how much?", "; why". */
static bool is_remark(const char *rest)
{
    return *rest == '\0' || strchr("-;.,:?(!", *rest) != NULL || cn_words_start(rest, "to ") ||
           cn_words_start(rest, "for ");
}

static cn_status vary(struct parser *ps, int line, const char *words,
                      struct cn_protocol_block *b)
{
    struct cn_arena *a = &ps->p->arena;
    struct axes x;
    cn_status st = read_axes(ps, line, words, &x);

    if (st != CN_OK)
        return st;
    if (x.stranger)
        return be_prose(
            ps, b,
            cn_arena_printf(a, "\"%.60s\" is no parameter of this protocol", x.stranger));
    if (!is_remark(x.rest))
        return be_prose(ps, b, cn_arena_printf(a, "\"%.60s\" is not understood", x.rest));
    st = take_axes(ps, line, &x, b);
    b->note = x.remark ? x.remark : "";
    return st;
}

static cn_status read_strategy(struct parser *ps, int line, struct cn_protocol_block *b)
{
    for (size_t i = 0; i < sizeof(phrases) / sizeof(phrases[0]); i++) {
        struct cn_span m[3];
        int n;
        cn_status st = search_words(ps, phrases[i].regex, b->strategy, m, &n);

        if (st != CN_OK)
            return st;
        if (n == 0)
            continue;
        if (phrases[i].kind == CN_PARTITION_VARY || phrases[i].kind == CN_PARTITION_FOCUS)
            return vary(ps, line, b->strategy + m[0].end, b);
        b->kind = phrases[i].kind;
        return read_count(ps, line, b->strategy, b);
    }
    return be_prose(ps, b,
                    "the host carries out: run defaults, vary PARAMETER (VALUES), vary "
                    "PARAMETER, replicate best");
}

/* ---- 4. rows and tables ---- */

static cn_status check_overlap(struct parser *ps, int line, const struct cn_protocol_block *b)
{
    for (int32_t i = 0; i < ps->p->n_blocks; i++) {
        const struct cn_protocol_block *o = &ps->p->blocks[i];

        if (b->first <= o->last && o->first <= b->last)
            return protocol_refuse(ps, line,
                                   "block partition: block %lld: a second row; the first "
                                   "stands in line %d",
                                   (long long)(b->first > o->first ? b->first : o->first),
                                   o->line);
    }
    return CN_OK;
}

/* Rows are kept by their first block. */
static cn_status add_row(struct parser *ps, int line, const char *block, const char *focus,
                         const char *strategy)
{
    struct cn_protocol *p = ps->p;
    struct cn_protocol_block b = {.focus = focus, .strategy = strategy, .note = ""};
    void *array = p->blocks;
    int32_t at;
    cn_status st;

    b.file = ps->lines[line].from.file;
    b.line = ps->lines[line].from.number;
    if (!block_range(block, &b))
        return protocol_refuse(ps, line, "block partition: block \"%s\": expected 1, 2-4 or 6+",
                               block);
    st = check_overlap(ps, line, &b);
    if (st == CN_OK && p->n_blocks == MAX_ROWS)
        st = protocol_refuse(ps, line, "block partition: more than %d rows", MAX_ROWS);
    if (st == CN_OK)
        st = read_strategy(ps, line, &b);
    if (st == CN_OK)
        st = protocol_grow(ps, &array, p->n_blocks, &ps->blocks_room, sizeof(*p->blocks));
    if (st != CN_OK)
        return st;
    p->blocks = array;
    for (at = p->n_blocks++; at > 0 && p->blocks[at - 1].first > b.first; at--)
        p->blocks[at] = p->blocks[at - 1];
    p->blocks[at] = b;
    protocol_understood(ps, line);
    if (b.kind == CN_PARTITION_PROSE)
        return protocol_note(ps, line, "block %s \"%.80s\" is prose: %s", block,
                             strategy[0] ? strategy : focus, b.note);
    return CN_OK;
}

struct columns {
    int block, focus, strategy; /* -1 = absent */
};

static bool find_columns(struct parser *ps, int line, struct columns *c)
{
    const char *cells[PROTOCOL_CELLS];
    int n = protocol_cells(ps, ps->lines[line].text, cells, PROTOCOL_CELLS);

    *c = (struct columns){-1, -1, -1};
    for (int i = 0; i < n; i++) {
        const char *w = cn_words_plain(&ps->p->arena, cells[i], strlen(cells[i]));

        if (w && (cn_words_same(w, "block") || cn_words_same(w, "blocks")))
            c->block = i;
        else if (w && cn_words_same(w, "focus"))
            c->focus = i;
        else if (w && cn_words_same(w, "strategy"))
            c->strategy = i;
    }
    return c->block >= 0 && c->strategy >= 0 &&
           (c->focus >= 0 || ps->lines[line].section == SECTION_PARTITION);
}

static const char *plain_cell(struct parser *ps, const char *const *cells, int n, int i)
{
    return i >= 0 && i < n ? cn_words_plain(&ps->p->arena, cells[i], strlen(cells[i])) : "";
}

static cn_status read_table(struct parser *ps, int i, const struct columns *c, int *next)
{
    cn_status st = CN_OK;

    for (; st == CN_OK && i < ps->n_lines; i++) {
        const char *cells[PROTOCOL_CELLS], *block, *focus, *strategy;
        int n = protocol_cells(ps, ps->lines[i].text, cells, PROTOCOL_CELLS);

        if (n == 0)
            break;
        if (protocol_is_rule_line(ps->lines[i].text))
            continue;
        if (n <= c->block || n <= c->strategy)
            return protocol_refuse(ps, i, "block partition: %d cells; the header names more",
                                   n);
        block = plain_cell(ps, cells, n, c->block);
        focus = plain_cell(ps, cells, n, c->focus);
        strategy = plain_cell(ps, cells, n, c->strategy);
        if (!block || !focus || !strategy)
            return protocol_no_memory(ps);
        st = add_row(ps, i, block, focus, strategy);
    }
    *next = i;
    return st;
}

/* "2 Joint ratio Vary alternate_joint_ratio (0.2, 0.3)": a row whose bars were lost. The
 * strategy begins at the first word that can begin one. */
static cn_status read_bare_row(struct parser *ps, int line, const char *words, bool *is_row)
{
    struct cn_arena *a = &ps->p->arena;
    struct cn_span m[3];
    const char *block, *focus, *rest;
    int n;
    cn_status st =
        search_words(ps,
                     "^(\\d+(?:\\s*(?:-|to)\\s*\\d+|\\s*\\+)?)\\s+(.*?)(?=(?<!\\w)(?:run|"
                     "vary|replicate|repeat|sweep|explore|focus|train)(?!\\w)|$)",
                     words, m, &n);

    *is_row = n >= 2;
    if (st != CN_OK || !*is_row)
        return st;
    block = cn_words_plain(a, words + m[1].start, m[1].end - m[1].start);
    focus = cn_words_plain(a, words + m[2].start, n > 2 ? m[2].end - m[2].start : 0);
    rest = cn_words_plain(a, words + m[0].end, strlen(words + m[0].end));
    if (!block || !focus || !rest)
        return protocol_no_memory(ps);
    return add_row(ps, line, block, focus, rest);
}

static cn_status read_bare_table(struct parser *ps, int i, int *next)
{
    cn_status st =
        protocol_note(ps, i - 1, "block partition without its marks: read by its words");
    bool is_row = true;

    for (; st == CN_OK && i < ps->n_lines; i++) {
        const char *words =
            cn_words_plain(&ps->p->arena, ps->lines[i].text, strlen(ps->lines[i].text));

        if (!words)
            return protocol_no_memory(ps);
        if (!words[0])
            continue;
        if (ps->lines[i].level < 0)
            st = read_bare_row(ps, i, words, &is_row);
        if (ps->lines[i].level >= 0 || !is_row)
            break;
    }
    *next = i;
    return st;
}

cn_status protocol_partition(struct parser *ps)
{
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < ps->n_lines;) {
        const struct line *l = &ps->lines[i];
        struct columns c;
        const char *words;
        int next = i + 1;

        if (l->fence == FENCE_NONE && l->section != SECTION_RULES) {
            if (find_columns(ps, i, &c)) {
                st = read_table(ps, i + 1, &c, &next);
            } else if (l->section == SECTION_PARTITION && l->text[0] != '|') {
                words = cn_words_plain(&ps->p->arena, l->text, strlen(l->text));
                if (words && cn_words_same(words, "block focus strategy"))
                    st = read_bare_table(ps, i + 1, &next);
            }
        }
        i = next;
    }
    return st;
}
