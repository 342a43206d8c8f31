/* Parameters with their ranges, and settings, from YAML blocks and Markdown tables.
 *
 * 1. one parameter, checked and added
 * 2. YAML lines
 * 3. tables
 * 4. settings */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "protocols/protocol_int.h"
#include "protocols/words.h"

enum { MAX_DEPTH = 8, MAX_PARAMS = 1000, MAX_SETTINGS = 200 };

/* ---- 1. one parameter ---- */

static bool looks_int(const char *s)
{
    return s[0] && strspn(s, "+-0123456789") == strlen(s);
}

static cn_protocol_type type_of(const struct cn_protocol_param *p, bool quoted)
{
    double x;
    bool whole = looks_int(p->default_text) || !p->default_text[0];

    if (quoted)
        return CN_PROTOCOL_STRING;
    if (cn_words_same(p->default_text, "true") || cn_words_same(p->default_text, "false"))
        return CN_PROTOCOL_BOOL;
    if (p->default_text[0] && !protocol_whole_number(p->default_text, &x))
        return CN_PROTOCOL_STRING;
    for (int32_t i = 0; i < p->n_choices; i++) {
        if (!protocol_whole_number(p->choices[i], &x))
            return CN_PROTOCOL_STRING;
        whole = whole && looks_int(p->choices[i]);
    }
    if (p->has_range && (p->lo != floor(p->lo) || p->hi != floor(p->hi)))
        whole = false;
    if (!p->default_text[0] && !p->has_range && p->n_choices == 0)
        return CN_PROTOCOL_STRING;
    return whole ? CN_PROTOCOL_INT : CN_PROTOCOL_FLOAT;
}

static bool is_choice(const struct cn_protocol_param *p, const char *value)
{
    for (int32_t i = 0; i < p->n_choices; i++)
        if (protocol_same_value(p->choices[i], value))
            return true;
    return false;
}

static cn_status check_param(struct parser *ps, int line, const struct cn_protocol_param *p)
{
    double x;

    if (p->has_range && p->lo > p->hi)
        return protocol_refuse(ps, line, "%s: range %g to %g: expected the lower bound first",
                               p->path, p->lo, p->hi);
    if (p->has_range && p->default_text[0]) {
        if (!protocol_whole_number(p->default_text, &x))
            return protocol_refuse(ps, line,
                                   "%s: default \"%s\": expected a number, as it has a "
                                   "range",
                                   p->path, p->default_text);
        if (x < p->lo || x > p->hi)
            return protocol_refuse(ps, line,
                                   "%s: default %s: expected a value in its range %g to "
                                   "%g",
                                   p->path, p->default_text, p->lo, p->hi);
    }
    if (p->n_choices > 0 && p->default_text[0] && !is_choice(p, p->default_text))
        return protocol_refuse(ps, line, "%s: default \"%s\": expected one of its %d values",
                               p->path, p->default_text, (int)p->n_choices);
    for (int32_t i = 0; i < ps->p->n_params; i++)
        if (strcmp(ps->p->params[i].path, p->path) == 0)
            return protocol_refuse(ps, line, "%s: a second time; the first stands in line %d",
                                   p->path, ps->p->params[i].line);
    return CN_OK;
}

static cn_status add_param(struct parser *ps, int line, struct cn_protocol_param *p)
{
    struct cn_protocol *pr = ps->p;
    void *array = pr->params;
    cn_status st = check_param(ps, line, p);

    if (st != CN_OK)
        return st;
    if (pr->n_params >= MAX_PARAMS)
        return protocol_refuse(ps, line, "%s: more than %d parameters", p->path, MAX_PARAMS);
    st = protocol_grow(ps, &array, pr->n_params, &ps->params_room, sizeof(*pr->params));
    if (st != CN_OK)
        return st;
    pr->params = array;
    p->file = ps->lines[line].from.file;
    p->line = ps->lines[line].from.number;
    p->at = line;
    pr->params[pr->n_params++] = *p;
    protocol_understood(ps, line);
    if (!p->has_range && p->n_choices == 0 && p->type != CN_PROTOCOL_BOOL)
        return protocol_note(ps, line, "%s: no range and no values: not explored", p->path);
    return CN_OK;
}

/* ---- 2. YAML lines ---- */

/* One "key: value # comment" line, cut into its parts; false for any other line. */
struct entry {
    int indent;
    const char *key, *value, *comment; /* value unquoted; "" when absent */
    bool quoted;
};

static size_t quoted_length(const char *s)
{
    const char *end = strchr(s + 1, s[0]);

    return end ? (size_t)(end - s) + 1 : 0;
}

static bool cut_entry(struct parser *ps, const char *line, struct entry *e)
{
    struct cn_arena *a = &ps->p->arena;
    const char *s = line, *v;
    size_t n = 0, len;

    *e = (struct entry){.value = "", .comment = ""};
    while (s[e->indent] == ' ')
        e->indent++;
    s += e->indent;
    while (cn_words_is_name(s[n]) || s[n] == '.')
        n++;
    if (n == 0 || s[0] == '-' || s[n] != ':' || (s[n + 1] && !cn_words_is_space(s[n + 1])))
        return false;
    e->key = cn_arena_strndup(a, s, n);
    v = protocol_skip_space(s + n + 1);
    e->quoted = *v == '"' || *v == '\'';
    len = e->quoted ? quoted_length(v) : 0;
    if (e->quoted && len == 0)
        return false;
    if (!e->quoted)
        while (v[len] && !(v[len] == '#' && (len == 0 || cn_words_is_space(v[len - 1]))))
            len++;
    e->value = cn_words_value(a, v, len);
    v = protocol_skip_space(v + len);
    if (*v == '#')
        e->comment = cn_words_plain(a, v + 1, strlen(v + 1));
    else if (*v)
        return false;
    return e->key && e->value && e->comment;
}

/* `or "b"`, `or "c"`: the values besides the default (the spelling of seed 002). */
static cn_status read_alternatives(struct parser *ps, const char *comment,
                                   struct cn_protocol_param *p)
{
    for (const char *s = cn_words_find(comment, "or \""); s; s = cn_words_find(s, "or \"")) {
        const char *end = strchr(s + 4, '"');
        const char *word =
            end ? cn_arena_strndup(&ps->p->arena, s + 4, (size_t)(end - s - 4)) : NULL;

        if (!end)
            break;
        if (!p->choices)
            p->choices = cn_arena_alloc(&ps->p->arena, PROTOCOL_VALUES, sizeof(*p->choices));
        if (!word || !p->choices)
            return protocol_no_memory(ps);
        if (p->n_choices == 0)
            p->choices[p->n_choices++] = p->default_text;
        if (p->n_choices < PROTOCOL_VALUES)
            p->choices[p->n_choices++] = word;
        s = end;
    }
    return CN_OK;
}

static cn_status read_comment(struct parser *ps, int line, const struct entry *e,
                              struct cn_protocol_param *p)
{
    const char *range = cn_words_find(e->comment, "range:");
    const char *values = cn_words_find(e->comment, "values:");
    size_t meaning = strlen(e->comment);

    if (range) {
        if (!protocol_range(range + 6, &p->lo, &p->hi))
            return protocol_refuse(ps, line,
                                   "%s: range \"%s\": expected \"range: LOW to HIGH\"", p->path,
                                   protocol_skip_space(range + 6));
        p->has_range = true;
        meaning = (size_t)(range - e->comment);
    } else if (values) {
        cn_status st = protocol_values(ps, values + 7, strcspn(values + 7, "(;"), &p->choices,
                                       &p->n_choices);

        if (st != CN_OK)
            return st;
        if (p->n_choices == 0)
            return protocol_refuse(ps, line, "%s: values \"%s\": expected \"values: A, B, C\"",
                                   p->path, protocol_skip_space(values + 7));
        meaning = (size_t)(values - e->comment);
    } else {
        cn_status st = read_alternatives(ps, e->comment, p);

        if (st != CN_OK)
            return st;
    }
    while (meaning > 0 && strchr(" ,;-", e->comment[meaning - 1]))
        meaning--;
    p->meaning = cn_words_trim(&ps->p->arena, e->comment, meaning);
    return p->meaning ? CN_OK : protocol_no_memory(ps);
}

/* The keys that are open above the current line. */
struct stack {
    int n;
    int indent[MAX_DEPTH];
    const char *key[MAX_DEPTH];
};

static const char *dotted(struct parser *ps, const struct stack *s, const char *key)
{
    const char *path = key;

    for (int i = s->n - 1; i >= 0 && path; i--)
        path = cn_arena_printf(&ps->p->arena, "%s.%s", s->key[i], path);
    return path;
}

static void close_deeper(struct stack *s, int indent)
{
    while (s->n > 0 && s->indent[s->n - 1] >= indent)
        s->n--;
}

static cn_status open_key(struct parser *ps, int line, struct stack *s, const struct entry *e)
{
    if (s->n == MAX_DEPTH)
        return protocol_refuse(ps, line, "%s: more than %d levels", e->key, MAX_DEPTH);
    s->indent[s->n] = e->indent;
    s->key[s->n++] = e->key;
    return CN_OK;
}

static bool has_range_words(const struct entry *e)
{
    return cn_words_find(e->comment, "range:") || cn_words_find(e->comment, "values:");
}

static cn_status yaml_param(struct parser *ps, int line, const struct stack *s,
                            const struct entry *e)
{
    struct cn_protocol_param p = {.default_text = e->value, .meaning = ""};
    cn_status st;

    p.cls = ps->lines[line].section == SECTION_SIMULATION ? CN_PROTOCOL_SIMULATION
                                                          : CN_PROTOCOL_TRAINING;
    p.path = dotted(ps, s, e->key);
    if (!p.path)
        return protocol_no_memory(ps);
    st = read_comment(ps, line, e, &p);
    if (st != CN_OK)
        return st;
    p.type = type_of(&p, e->quoted);
    return add_param(ps, line, &p);
}

/* Does the line's entry open a map? "key:" without a value, with something deeper below. */
static bool opens_map(struct parser *ps, int line, const struct entry *e)
{
    struct entry below;

    if (e->value[0] || e->quoted || has_range_words(e))
        return false;
    for (int i = line + 1; i < ps->n_lines; i++) {
        const char *s = protocol_skip_space(ps->lines[i].text);

        if (*s == '\0' || *s == '#')
            continue;
        return cut_entry(ps, ps->lines[i].text, &below) && below.indent > e->indent;
    }
    return false;
}

/* One line of a parameter section. In a code block everything must be understood; outside of
 * one (marks lost, or an indented block) only what looks like a parameter is taken. */
static cn_status yaml_line(struct parser *ps, int line, struct stack *s)
{
    const struct line *l = &ps->lines[line];
    bool fenced = l->fence == FENCE_YAML;
    const char *text = protocol_skip_space(l->text);
    struct entry e;

    if (*text == '\0' || *text == '#')
        return CN_OK;
    if (strchr(l->text, '\t') && fenced && l->text + strcspn(l->text, "\t") < text)
        return protocol_refuse(ps, line, "\"%s\": a tab; expected spaces before a key", text);
    if (!cut_entry(ps, l->text, &e)) {
        s->n = fenced ? s->n : 0;
        if (fenced)
            return protocol_refuse(ps, line,
                                   "\"%s\": expected \"name: default  # meaning range: LOW to "
                                   "HIGH\"",
                                   text);
        return CN_OK;
    }
    close_deeper(s, e.indent);
    if (opens_map(ps, line, &e))
        return open_key(ps, line, s, &e);
    if (!fenced && s->n == 0 && !has_range_words(&e))
        return CN_OK; /* a sentence with a colon */
    return yaml_param(ps, line, s, &e);
}

static bool in_params(const struct line *l)
{
    return l->section == SECTION_TRAINING || l->section == SECTION_SIMULATION;
}

static cn_status read_yaml(struct parser *ps)
{
    struct stack s = {0};

    for (int i = 0; i < ps->n_lines; i++) {
        const struct line *l = &ps->lines[i];
        cn_status st = CN_OK;

        if (!in_params(l) || l->level >= 0 || l->fence == FENCE_EDGE ||
            l->fence == FENCE_OTHER || l->setting)
            s.n = 0;
        else if (l->text[strspn(l->text, " \t")] != '|')
            st = yaml_line(ps, i, &s);
        if (st != CN_OK)
            return st;
    }
    return CN_OK;
}

/* ---- 3. tables ---- */

struct columns {
    int name, value, range, meaning; /* -1 = absent */
};

static bool find_columns(struct parser *ps, const char *line, struct columns *c)
{
    const char *cells[PROTOCOL_CELLS];
    int n = protocol_cells(ps, line, cells, PROTOCOL_CELLS);

    *c = (struct columns){-1, -1, -1, -1};
    for (int i = 0; i < n; i++) {
        const char *w = cn_words_plain(&ps->p->arena, cells[i], strlen(cells[i]));

        if (!w)
            return false;
        if (cn_words_same(w, "parameter"))
            c->name = i;
        else if (cn_words_same(w, "default"))
            c->value = i;
        else if (cn_words_find(w, "range") || cn_words_same(w, "values"))
            c->range = i;
        else if (cn_words_same(w, "description") || cn_words_same(w, "meaning"))
            c->meaning = i;
    }
    return c->name >= 0 && c->range >= 0;
}

static const char *cell(struct parser *ps, const char *const *cells, int n, int i)
{
    return i >= 0 && i < n ? cn_words_plain(&ps->p->arena, cells[i], strlen(cells[i])) : "";
}

static bool is_fixed(const char *s)
{
    return !s[0] || strcmp(s, "-") == 0 || cn_words_same(s, "fixed") ||
           cn_words_same(s, "none");
}

static cn_status table_range(struct parser *ps, int line, const char *range,
                             struct cn_protocol_param *p)
{
    double x;

    if (is_fixed(range))
        return CN_OK;
    if (protocol_range(range, &p->lo, &p->hi)) {
        p->has_range = true;
        return CN_OK;
    }
    if (!strchr(range, ',') && !protocol_whole_number(range, &x) && strchr(range, ' '))
        return protocol_refuse(ps, line,
                               "%s: range \"%s\": expected LOW-HIGH, LOW to HIGH or a "
                               "list A, B, C",
                               p->path, range);
    return protocol_values(ps, range, strcspn(range, "(;"), &p->choices, &p->n_choices);
}

static cn_status table_row(struct parser *ps, int line, const struct columns *c)
{
    const char *cells[PROTOCOL_CELLS], *range;
    int n = protocol_cells(ps, ps->lines[line].text, cells, PROTOCOL_CELLS);
    struct cn_protocol_param p = {0};
    const struct line *l = &ps->lines[line];
    cn_status st;

    if (n <= c->name || n <= c->range)
        return protocol_refuse(ps, line, "parameter table: %d cells; the header names more", n);
    p.path = cell(ps, cells, n, c->name);
    p.default_text = cell(ps, cells, n, c->value);
    p.meaning = cell(ps, cells, n, c->meaning);
    range = cell(ps, cells, n, c->range);
    if (!p.path || !p.default_text || !p.meaning || !range)
        return protocol_no_memory(ps);
    if (!p.path[0] ||
        strspn(p.path, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") !=
            strlen(p.path))
        return protocol_refuse(ps, line, "parameter table: \"%s\": expected a parameter's name",
                               p.path);
    p.cls = l->section == SECTION_SIMULATION || (!in_params(l) && l->simulation_words)
                ? CN_PROTOCOL_SIMULATION
                : CN_PROTOCOL_TRAINING;
    st = table_range(ps, line, range, &p);
    if (st != CN_OK)
        return st;
    p.type = type_of(&p, false);
    return add_param(ps, line, &p);
}

static cn_status read_tables(struct parser *ps)
{
    for (int i = 0; i < ps->n_lines; i++) {
        struct columns c;

        if (ps->lines[i].fence != FENCE_NONE || ps->lines[i].section == SECTION_RULES ||
            !find_columns(ps, ps->lines[i].text, &c))
            continue;
        for (i++; i < ps->n_lines; i++) {
            const char *cells[PROTOCOL_CELLS];
            cn_status st;

            if (protocol_cells(ps, ps->lines[i].text, cells, PROTOCOL_CELLS) == 0)
                break;
            if (protocol_is_rule_line(ps->lines[i].text))
                continue;
            st = table_row(ps, i, &c);
            if (st != CN_OK)
                return st;
        }
    }
    return CN_OK;
}

/* ---- 4. settings ---- */

static cn_status add_setting(struct parser *ps, int line, const char *key, const char *value)
{
    struct cn_protocol *p = ps->p;
    void *array = p->settings;
    cn_status st;

    if (!key)
        return protocol_no_memory(ps);
    for (int32_t i = 0; i < p->n_settings; i++)
        if (strcmp(p->settings[i].key, key) == 0)
            return protocol_refuse(ps, line,
                                   "explore.%s: a second time; the first stands in line %d",
                                   key, p->settings[i].line);
    if (p->n_settings >= MAX_SETTINGS)
        return protocol_refuse(ps, line, "explore.%s: more than %d settings", key,
                               MAX_SETTINGS);
    st = protocol_grow(ps, &array, p->n_settings, &ps->settings_room, sizeof(*p->settings));
    if (st != CN_OK)
        return st;
    p->settings = array;
    p->settings[p->n_settings++] =
        (struct cn_protocol_setting){.key = key,
                                     .value = value,
                                     .file = ps->lines[line].from.file,
                                     .line = ps->lines[line].from.number,
                                     .at = line};
    protocol_understood(ps, line);
    return CN_OK;
}

static cn_status read_settings(struct parser *ps)
{
    struct stack s = {0};

    for (int i = 0; i < ps->n_lines; i++) {
        const char *text = protocol_skip_space(ps->lines[i].text);
        struct entry e;
        cn_status st;

        if (!ps->lines[i].setting) {
            s.n = 0;
            continue;
        }
        if (*text == '\0' || *text == '#' || text == ps->lines[i].text) /* the root itself */
            continue;
        if (!cut_entry(ps, ps->lines[i].text, &e))
            return protocol_refuse(ps, i,
                                   "\"%s\": expected \"name: value\" below explore:", text);
        close_deeper(&s, e.indent);
        if (opens_map(ps, i, &e))
            st = open_key(ps, i, &s, &e);
        else
            st = add_setting(ps, i, dotted(ps, &s, e.key), e.value);
        if (st != CN_OK)
            return st;
    }
    return CN_OK;
}

cn_status protocol_params(struct parser *ps)
{
    cn_status st = read_yaml(ps);

    if (st == CN_OK)
        st = read_tables(ps);
    if (st == CN_OK)
        st = read_settings(ps);
    if (st == CN_OK && ps->p->n_params == 0 && !ps->part)
        st = protocol_note(ps, -1, "no parameters: nothing can be explored");
    return st;
}
