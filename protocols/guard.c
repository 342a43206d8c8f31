/* Guardrails: bounds on other metrics that a config must keep to count as best.
 *
 * A line of the section, or one part of the setting explore.guardrails:
 *
 *     METRIC >= NUMBER          METRIC must not fall below NUMBER      METRIC at least NUMBER
 *     METRIC <= NUMBER          METRIC must not exceed NUMBER          METRIC at most NUMBER
 */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "protocols/protocol_int.h"

enum { MAX_GUARDRAILS = 32 };

#define GRAMMAR "expected \"METRIC >= NUMBER\" or \"METRIC <= NUMBER\""

/* The first that the words begin with; the longer stand before the shorter. */
static const struct {
    const char *words;
    bool at_most;
} bounds[] = {
    {">=", false},
    {"<=", true},
    {">", false},
    {"<", true},
    {"not fall below", false},
    {"never fall below", false},
    {"not drop below", false},
    {"never drop below", false},
    {"not go below", false},
    {"not be below", false},
    {"not be under", false},
    {"not below", false},
    {"stay above", false},
    {"stays above", false},
    {"remain above", false},
    {"be above", false},
    {"stay at or above", false},
    {"above", false},
    {"no lower than", false},
    {"no less than", false},
    {"at least", false},
    {"be at least", false},
    {"stay at least", false},
    {"not exceed", true},
    {"never exceed", true},
    {"not rise above", true},
    {"never rise above", true},
    {"not go above", true},
    {"not be above", true},
    {"not above", true},
    {"stay below", true},
    {"stays below", true},
    {"remain below", true},
    {"be below", true},
    {"stay at or below", true},
    {"below", true},
    {"under", true},
    {"no more than", true},
    {"no higher than", true},
    {"at most", true},
    {"be at most", true},
    {"stay at most", true},
};

static const char *behind(const char *s, const char *words)
{
    return cn_words_start(s, words) ? protocol_skip_space(s + strlen(words)) : NULL;
}

static const char *skip_verb(const char *s)
{
    static const char *const verbs[] = {"must ", "should ", "has to ", "is to ", "may ", "is "};

    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
        if (behind(s, verbs[i]))
            return behind(s, verbs[i]);
    return s;
}

/* One bound from plain words; false: they are none. The metric is s[0..*n_name). */
static bool parse_bound(const char *s, size_t *n_name, bool *at_most, double *bound)
{
    const char *rest;

    *n_name = 0;
    while (cn_words_is_name(s[*n_name]) && s[*n_name] != '-')
        (*n_name)++;
    if (*n_name == 0 || (s[0] >= '0' && s[0] <= '9'))
        return false;
    rest = protocol_skip_space(s + *n_name);
    if (*rest == ':')
        rest = protocol_skip_space(rest + 1);
    rest = skip_verb(rest);
    for (size_t i = 0; i < sizeof(bounds) / sizeof(bounds[0]); i++) {
        const char *number = behind(rest, bounds[i].words);

        if (!number)
            continue;
        *at_most = bounds[i].at_most;
        return protocol_number_at(number, bound, &number) && !cn_words_is_name(*number);
    }
    return false;
}

static cn_status add_guardrail(struct parser *ps, int line, const char *words)
{
    struct cn_protocol *p = ps->p;
    struct cn_protocol_guardrail g = {0};
    void *array = p->guardrails;
    size_t n;
    cn_status st;

    if (!parse_bound(words, &n, &g.at_most, &g.bound))
        return protocol_refuse(ps, line, "guardrail: \"%s\": " GRAMMAR, words);
    g.metric = cn_arena_strndup(&p->arena, words, n);
    g.file = ps->lines[line].from.file;
    g.line = ps->lines[line].from.number;
    if (!g.metric)
        return protocol_no_memory(ps);
    for (int32_t i = 0; i < p->n_guardrails; i++)
        if (strcmp(p->guardrails[i].metric, g.metric) == 0 &&
            p->guardrails[i].at_most == g.at_most)
            return protocol_refuse(ps, line,
                                   "guardrail: %s: a second bound on this side; the first "
                                   "stands in line %d",
                                   g.metric, p->guardrails[i].line);
    if (p->n_guardrails == MAX_GUARDRAILS)
        return protocol_refuse(ps, line, "guardrail: more than %d", MAX_GUARDRAILS);
    st = protocol_grow(ps, &array, p->n_guardrails, &ps->guardrails_room,
                       sizeof(*p->guardrails));
    if (st != CN_OK)
        return st;
    p->guardrails = array;
    p->guardrails[p->n_guardrails++] = g;
    protocol_understood(ps, line);
    return CN_OK;
}

/* List items must be understood: a bound that nobody keeps is worse than none. A sentence may
 * stand among them. */
static cn_status read_section(struct parser *ps)
{
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < ps->n_lines; i++) {
        const struct line *l = &ps->lines[i];
        const char *item = protocol_item(l->text), *words;
        size_t n;
        double bound;
        bool at_most;

        if (l->section != SECTION_GUARDRAILS || l->level >= 0 || l->fence == FENCE_EDGE ||
            l->setting)
            continue;
        words = cn_words_plain(&ps->p->arena, item, strlen(item));
        if (!words)
            return protocol_no_memory(ps);
        if (words[0] && (item != l->text || l->fence != FENCE_NONE || words[0] == '|' ||
                         parse_bound(words, &n, &at_most, &bound)))
            st = add_guardrail(ps, i, words);
    }
    return st;
}

/* The parts of "A >= 1, B <= 2", one after the other. */
static size_t next_part(const char **s)
{
    *s += strspn(*s, ",; ");
    return strcspn(*s, ",;");
}

static cn_status read_setting(struct parser *ps, const struct cn_protocol_setting *x)
{
    const char *s = x->value;
    cn_status st = CN_OK;

    if (ps->p->n_guardrails > 0)
        return protocol_refuse(ps, x->at,
                               "explore.guardrails: the section Guardrails has some already "
                               "(line %d): expected one of the two",
                               ps->p->guardrails[0].line);
    for (size_t n = next_part(&s); st == CN_OK && n > 0; n = next_part(&s)) {
        const char *words = cn_words_plain(&ps->p->arena, s, n);

        st = words ? add_guardrail(ps, x->at, words) : protocol_no_memory(ps);
        s += n;
    }
    return st;
}

cn_status protocol_guardrails(struct parser *ps)
{
    cn_status st = read_section(ps);

    for (int32_t i = 0; st == CN_OK && i < ps->p->n_settings; i++)
        if (strcmp(ps->p->settings[i].key, "guardrails") == 0)
            st = read_setting(ps, &ps->p->settings[i]);
    return st;
}

cn_status cn_protocol_guardrails_parse(struct cn_arena *a, const char *text, const char *where,
                                       struct cn_protocol_guardrail **out, int32_t *out_n,
                                       struct cn_err *err)
{
    const char *s = text;

    *out_n = 0;
    *out = cn_arena_alloc(a, MAX_GUARDRAILS, sizeof(**out));
    if (!*out)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory for the guardrails", where);
    for (size_t n = next_part(&s); n > 0; n = next_part(&s)) {
        struct cn_protocol_guardrail *g = &(*out)[*out_n];
        const char *words = cn_words_plain(a, s, n);
        size_t n_name;

        if (!words)
            return cn_err_set(err, CN_ENOMEM, "%s: no memory for the guardrails", where);
        if (*out_n == MAX_GUARDRAILS)
            return cn_err_set(err, CN_EINPUT, "%s: more than %d guardrails", where,
                              MAX_GUARDRAILS);
        if (!parse_bound(words, &n_name, &g->at_most, &g->bound))
            return cn_err_set(err, CN_EINPUT, "%s: guardrail: \"%s\": " GRAMMAR, where, words);
        g->metric = cn_arena_strndup(a, words, n_name);
        g->file = "";
        if (!g->metric)
            return cn_err_set(err, CN_ENOMEM, "%s: no memory for the guardrails", where);
        (*out_n)++;
        s += n;
    }
    return CN_OK;
}
