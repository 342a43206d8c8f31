/* Markdown tables, and the rule table between the markers. */
#include <string.h>

#include "base/banned.h"
#include "protocols/protocol_int.h"
#include "protocols/words.h"

enum { MAX_RULES = 200 };

bool protocol_is_rule_line(const char *line)
{
    return strchr(line, '-') && strchr(line, '|') && strspn(line, "|-: \t\r") == strlen(line);
}

int protocol_cells(struct parser *ps, const char *line, const char **cells, int room)
{
    const char *s = line, *start;
    int n = 0;

    while (cn_words_is_space(*s))
        s++;
    if (*s != '|' || !strchr(s + 1, '|'))
        return 0;
    for (start = ++s; *s && n < room; s++) {
        if (*s != '|' || s[-1] == '\\')
            continue;
        cells[n] = cn_words_trim(&ps->p->arena, start, (size_t)(s - start));
        if (!cells[n])
            return 0;
        n++;
        start = s + 1;
    }
    if (n < room && strspn(start, " \t\r") != strlen(start)) { /* the last | may be missing */
        cells[n] = cn_words_trim(&ps->p->arena, start, strlen(start));
        n += cells[n] != NULL;
    }
    return n;
}

struct columns {
    int condition, strategy, action; /* -1 = absent */
};

static bool find_columns(struct parser *ps, const char *line, struct columns *c)
{
    const char *cells[PROTOCOL_CELLS];
    int n = protocol_cells(ps, line, cells, PROTOCOL_CELLS);

    *c = (struct columns){-1, -1, -1};
    for (int i = 0; i < n; i++) {
        const char *w = cn_words_plain(&ps->p->arena, cells[i], strlen(cells[i]));

        if (w && cn_words_same(w, "condition"))
            c->condition = i;
        else if (w && cn_words_same(w, "strategy"))
            c->strategy = i;
        else if (w && cn_words_same(w, "action"))
            c->action = i;
    }
    return c->condition >= 0 && c->strategy >= 0;
}

static cn_status add_rule(struct parser *ps, int line, const char *condition,
                          const char *strategy, const char *action)
{
    struct cn_protocol *p = ps->p;
    struct cn_rule *rules, rule;
    /* rules is const for readers; here it is our own array */
    void *array = NULL;
    cn_status st;

    if (p->n_rules >= MAX_RULES)
        return protocol_refuse(ps, line, "rule table: more than %d rows", MAX_RULES);
    st = cn_rule_parse(&p->arena, condition, strategy, action, p->reward,
                       ps->lines[line].from.file, ps->lines[line].from.number, &rule, ps->err);

    if (st != CN_OK)
        return st;
    memcpy(&array, &p->rules, sizeof(array));
    st = protocol_grow(ps, &array, p->n_rules, &ps->rules_room, sizeof(*rules));
    if (st != CN_OK)
        return st;
    rules = array;
    rules[p->n_rules++] = rule;
    p->rules = rules;
    if (rule.cond == CN_COND_PROSE)
        return protocol_note(ps, line, "row %d \"%s\" is prose: %s", (int)p->n_rules,
                             rule.condition, rule.note);
    return CN_OK;
}

/* "Default exploit Use highest UCB node": the first strategy name that stands as a word parts
 * the row. */
static bool split_bare_row(struct parser *ps, const char *words, const char **condition,
                           const char **strategy, const char **action)
{
    for (const char *s = words; *s; s++) {
        size_t n = 0;
        cn_strategy known;
        const char *name;

        if ((s > words && s[-1] != ' ') || !cn_words_is_name(*s))
            continue;
        while (cn_words_is_name(s[n]))
            n++;
        name = cn_arena_strndup(&ps->p->arena, s, n);
        if (s == words || !name || !cn_strategy_parse(name, &known))
            continue;
        *condition = cn_words_trim(&ps->p->arena, words, (size_t)(s - words));
        *strategy = name;
        *action = cn_words_trim(&ps->p->arena, s + n, strlen(s + n));
        return *condition && *action;
    }
    return false;
}

/* Rows below a header line; returns the index of the first line that is no row. */
static cn_status read_table(struct parser *ps, int i, const struct columns *c, int *next)
{
    for (; i < ps->n_lines; i++) {
        const char *cells[PROTOCOL_CELLS];
        int n = protocol_cells(ps, ps->lines[i].text, cells, PROTOCOL_CELLS);
        cn_status st;

        if (n == 0)
            break;
        if (protocol_is_rule_line(ps->lines[i].text))
            continue;
        if (n <= c->condition || n <= c->strategy)
            return protocol_refuse(ps, i, "rule table: %d cells; the header names more", n);
        st = add_rule(ps, i, cells[c->condition], cells[c->strategy],
                      c->action >= 0 && c->action < n ? cells[c->action] : "");
        if (st != CN_OK)
            return st;
    }
    *next = i;
    return CN_OK;
}

static cn_status read_bare_table(struct parser *ps, int i, int *next)
{
    cn_status st = protocol_note(ps, i - 1, "rule table without its marks: read by its words");

    for (; i < ps->n_lines && st == CN_OK; i++) {
        const char *words =
            cn_words_plain(&ps->p->arena, ps->lines[i].text, strlen(ps->lines[i].text));
        const char *condition, *strategy, *action;

        if (!words)
            return protocol_no_memory(ps);
        if (!words[0] || ps->lines[i].level >= 0)
            break;
        if (split_bare_row(ps, words, &condition, &strategy, &action))
            st = add_rule(ps, i, condition, strategy, action);
        else
            st = protocol_note(ps, i, "no strategy found in \"%s\"", words);
    }
    *next = i;
    return st;
}

/* The lines of the markers; -1 = absent. */
static cn_status find_markers(struct parser *ps, int *begin, int *end)
{
    *begin = *end = -1;
    for (int i = 0; i < ps->n_lines; i++) {
        const struct line *l = &ps->lines[i];

        if (l->level < 0)
            continue;
        if (l->section == SECTION_RULES &&
            (i == 0 || ps->lines[i - 1].section != SECTION_RULES)) {
            if (*begin >= 0)
                return protocol_refuse(ps, i,
                                       "Parent Selection Rule: a second marker; the first "
                                       "stands in line %d",
                                       ps->lines[*begin].from.number);
            *begin = i;
        } else if (l->section == SECTION_RULES_END &&
                   (i == 0 || ps->lines[i - 1].section != SECTION_RULES_END)) {
            if (*begin < 0)
                return protocol_refuse(
                    ps, i, "END Parent Selection Rule: no \"Parent Selection Rule\" before it");
            if (*end >= 0)
                return protocol_refuse(ps, i, "END Parent Selection Rule: a second one");
            *end = i;
        }
    }
    if (*begin >= 0 && *end < 0)
        return protocol_refuse(
            ps, *begin,
            "Parent Selection Rule: expected a line \"## END Parent Selection "
            "Rule (CRITICAL)\" after it");
    return CN_OK;
}

static cn_status read_rules(struct parser *ps, int begin, int end)
{
    for (int i = begin + 1; i < end;) {
        const struct line *l = &ps->lines[i];
        struct columns c;
        cn_status st = CN_OK;
        int next = i + 1;

        if (l->fence == FENCE_NONE && find_columns(ps, l->text, &c)) {
            st = read_table(ps, i + 1, &c, &next);
        } else if (l->fence == FENCE_NONE) {
            const char *words = cn_words_plain(&ps->p->arena, l->text, strlen(l->text));

            if (words && cn_words_same(words, "condition strategy action"))
                st = read_bare_table(ps, i + 1, &next);
        }
        if (st != CN_OK)
            return st;
        i = next;
    }
    return CN_OK;
}

static cn_status use_builtin(struct parser *ps, int line, const char *why)
{
    ps->p->rules = cn_rules_default(&ps->p->n_rules);
    ps->p->rules_builtin = true;
    return protocol_note(ps, line, "%s: the built-in rule table holds", why);
}

cn_status protocol_rules(struct parser *ps)
{
    struct cn_protocol *p = ps->p;
    int begin, end, defaults = 0;
    cn_status st = find_markers(ps, &begin, &end);

    if (st != CN_OK)
        return st;
    if (begin < 0)
        return use_builtin(ps, -1, "no Parent Selection Rule markers");
    p->rules_start = ps->lines[begin + 1].start;
    p->rules_end = ps->lines[end].start;
    p->rules_file = ps->lines[begin].from.file;
    p->rules_text =
        cn_arena_strndup(&p->arena, p->text + p->rules_start, p->rules_end - p->rules_start);
    if (!p->rules_text)
        return protocol_no_memory(ps);
    st = read_rules(ps, begin, end);
    if (st != CN_OK)
        return st;
    if (p->n_rules == 0)
        return use_builtin(ps, begin, "no rule table between the markers");
    for (int32_t i = 0; i < p->n_rules; i++)
        defaults += p->rules[i].cond == CN_COND_DEFAULT;
    if (defaults == 0)
        return protocol_note(ps, begin, "no Default row: exploit when no other row holds");
    if (defaults > 1)
        return protocol_note(ps, begin, "%d Default rows: the first one counts", defaults);
    return CN_OK;
}
