/* What counts as success: the reward metric and its two thresholds. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/pattern.h"
#include "base/text.h"
#include "protocols/protocol_int.h"
#include "protocols/words.h"

struct limit {
    int line; /* -1 = not seen */
    bool below;
    double value;
};

#define CLASS_RULE                                                                            \
    "^(?:[-+]\\s+)?\\|?\\s*(converged|failed)\\s*[:|]?\\s*([A-Za-z_]\\w*)\\s*(>=|<=|>|<)\\s*" \
    "([+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:[eE][+-]?\\d+)?)(?![\\w.])"

static cn_status take_limit(struct parser *ps, int i, const char *s, const struct cn_span m[5],
                            struct limit limits[2])
{
    struct cn_protocol *p = ps->p;
    struct limit *limit = &limits[cn_words_start(s + m[1].start, "failed") ? 1 : 0];
    const char *metric = cn_arena_strndup(&p->arena, s + m[2].start, m[2].end - m[2].start);
    const char *number = cn_arena_strndup(&p->arena, s + m[4].start, m[4].end - m[4].start);

    if (!metric || !number)
        return protocol_no_memory(ps);
    if (limit->line >= 0)
        return protocol_refuse(ps, i,
                               "Classification: \"%s\": a second one; the first stands "
                               "in line %d",
                               s, ps->lines[limit->line].from.number);
    if (p->reward[0] && strcmp(p->reward, metric) != 0)
        return protocol_refuse(ps, i,
                               "Classification: \"%s\": expected the metric \"%s\" as above",
                               metric, p->reward);
    if (!cn_text_parse_double(number[0] == '+' ? number + 1 : number, &limit->value) ||
        !isfinite(limit->value))
        return protocol_refuse(ps, i, "Classification: \"%s\": expected a finite number",
                               number);
    p->reward = metric;
    limit->below = s[m[3].start] == '<';
    limit->line = i;
    return CN_OK;
}

static cn_status read_limits(struct parser *ps, const struct cn_pattern *rule,
                             struct limit limits[2])
{
    for (int i = 0; i < ps->n_lines; i++) {
        const struct line *l = &ps->lines[i];
        struct cn_span m[5];
        const char *s, *word;
        cn_status st;

        if (l->section != SECTION_CLASSIFICATION || l->level >= 0 || l->fence == FENCE_EDGE)
            continue;
        s = cn_words_plain(&ps->p->arena, l->text, strlen(l->text));
        if (!s)
            return protocol_no_memory(ps);
        if (cn_pattern_match(rule, s, strlen(s), 0, m, 5) >= 5) {
            st = take_limit(ps, i, s, m, limits);
            if (st != CN_OK)
                return st;
            continue;
        }
        for (word = s; *word == '-' || *word == '+' || *word == '|' || *word == ' ';)
            word++;
        if (cn_words_start(word, "converged") || cn_words_start(word, "failed"))
            return protocol_refuse(
                ps, i, "Classification: \"%s\": expected \"Converged: METRIC > NUMBER\"", s);
    }
    return CN_OK;
}

static cn_status check_limits(struct parser *ps, const struct limit limits[2])
{
    struct cn_protocol *p = ps->p;
    const struct limit *good = &limits[0], *bad = &limits[1];

    if (good->line < 0 && bad->line < 0)
        return protocol_note(ps, -1,
                             "no Classification section with thresholds: the study's "
                             "primary metric and the usual thresholds hold");
    if (good->line < 0 || bad->line < 0)
        return protocol_refuse(ps, good->line < 0 ? bad->line : good->line,
                               "Classification: expected both \"Converged\" and \"Failed\"");
    if (good->below == bad->below)
        return protocol_refuse(
            ps, bad->line,
            "Classification: expected \"Converged\" and \"Failed\" to lie on "
            "opposite sides");
    if (good->below ? good->value > bad->value : good->value < bad->value)
        return protocol_refuse(ps, bad->line,
                               "Classification: %g and %g overlap: a value would be converged "
                               "and failed",
                               good->value, bad->value);
    p->has_thresholds = true;
    p->lower_is_better = good->below;
    p->converged = good->value;
    p->failed = bad->value;
    return CN_OK;
}

cn_status protocol_thresholds(struct parser *ps)
{
    struct limit limits[2] = {{.line = -1}, {.line = -1}};
    struct cn_pattern *rule = NULL;
    cn_status st = cn_pattern_new(CLASS_RULE, CN_PATTERN_CASELESS, &rule, ps->err);

    if (st != CN_OK)
        return st;
    st = read_limits(ps, rule, limits);
    cn_pattern_free(rule);
    return st == CN_OK ? check_limits(ps, limits) : st;
}
