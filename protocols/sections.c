/* Sections: headings, also those whose marks were lost; title and goal. */
#include <string.h>

#include "base/banned.h"
#include "protocols/protocol_int.h"
#include "protocols/words.h"

/* Titles that stand bare when Markdown marks were lost. Also what a heading opens. */
static const struct {
    const char *title;
    section_kind kind;
    bool whole; /* the title is exactly this, or this and "(CRITICAL)" */
} titles[] = {
    {"goal", SECTION_GOAL, true},
    {"goals", SECTION_GOAL, true},
    {"objective", SECTION_GOAL, true},
    {"classification", SECTION_CLASSIFICATION, true},
    {"training parameters", SECTION_TRAINING, false},
    {"simulation parameters", SECTION_SIMULATION, false},
    {"parent selection rule", SECTION_RULES, true},
    {"end parent selection rule", SECTION_RULES_END, true},
    {"context", SECTION_PROSE, true},
    {"analysis of files", SECTION_PROSE, true},
    {"log format", SECTION_PROSE, true},
    {"guardrails", SECTION_GUARDRAILS, true},
    {"guardrail", SECTION_GUARDRAILS, true},
    {"simulation blocks", SECTION_PROSE, true},
    {"block partition", SECTION_PARTITION, false},
    {"seed strategy", SECTION_PROSE, true},
    {"established principles", SECTION_PROSE, false},
    {"file structure", SECTION_PROSE, true},
    {"iteration loop structure", SECTION_PROSE, true},
    {"mandatory: block end actions", SECTION_PROSE, false},
    {"known results", SECTION_PROSE, false},
};
enum { N_TITLES = sizeof(titles) / sizeof(titles[0]), TITLE_MAX = 80 };

static bool title_is(const char *text, int i)
{
    size_t n = strlen(titles[i].title);
    const char *rest;

    if (!cn_words_start(text, titles[i].title))
        return false;
    rest = protocol_skip_space(text + n);
    if (titles[i].whole)
        return *rest == '\0' || *rest == '(' || (*rest == ':' && rest[1] == '\0');
    return *rest == '\0' || cn_words_is_space(text[n]) || *rest == '(' || *rest == ':';
}

/* Index of the known title that `text` is, or -1. */
static int known_title(const char *text)
{
    size_t n = strlen(text);

    if (n == 0 || n > TITLE_MAX || text[n - 1] == '.')
        return -1;
    for (int i = 0; i < N_TITLES; i++)
        if (title_is(text, i))
            return i;
    return -1;
}

/* The words of a Markdown heading, its level in *level; NULL when the line is none. */
static const char *heading_words(struct parser *ps, const char *line, int *level)
{
    size_t n, k = 0;
    const char *s = line;

    while (*s == ' ' && s - line < 3)
        s++;
    while (s[k] == '#')
        k++;
    if (k < 1 || k > 6 || (s[k] != ' ' && s[k] != '\t'))
        return NULL;
    *level = (int)k;
    n = strlen(s);
    while (n > k && (s[n - 1] == '#' || cn_words_is_space(s[n - 1])))
        n--;
    return cn_words_plain(&ps->p->arena, s + k, n - k);
}

/* A heading of any kind: Markdown, or bare where marks were lost (the two markers: always). */
static const char *any_heading(struct parser *ps, int i, int *level, int *title)
{
    struct line *l = &ps->lines[i];
    const char *words;

    *title = -1;
    if (l->fence != FENCE_NONE || protocol_is_entry_head(l->text))
        return NULL;
    words = heading_words(ps, l->text, level);
    if (words) {
        *title = known_title(words);
        return words;
    }
    if (cn_words_is_space(l->text[0]) || l->text[0] == '\0' || l->text[0] == '|')
        return NULL;
    words = cn_words_plain(&ps->p->arena, l->text, strlen(l->text));
    *title = words ? known_title(words) : -1;
    *level = 0;
    if (*title < 0)
        return NULL;
    if (!ps->marks_lost && titles[*title].kind != SECTION_RULES &&
        titles[*title].kind != SECTION_RULES_END)
        return NULL;
    return words;
}

/* No heading names the goal: the marks were lost. A part of a protocol may have no goal of its
 * own; there any heading will do. */
static void find_lost_marks(struct parser *ps)
{
    ps->marks_lost = true;
    for (int i = 0; i < ps->n_lines && ps->marks_lost; i++) {
        int level, title = -1;
        bool may =
            ps->lines[i].fence == FENCE_NONE && !protocol_is_entry_head(ps->lines[i].text);
        const char *words = may ? heading_words(ps, ps->lines[i].text, &level) : NULL;

        if (words)
            title = known_title(words);
        if ((title >= 0 && titles[title].kind == SECTION_GOAL) || (words && ps->part))
            ps->marks_lost = false;
    }
}

static cn_status add_section(struct parser *ps, int i, const char *words, int level,
                             section_kind kind)
{
    struct cn_protocol *p = ps->p;
    void *array = p->sections;
    cn_status st =
        protocol_grow(ps, &array, p->n_sections, &ps->sections_room, sizeof(*p->sections));

    if (st != CN_OK)
        return st;
    p->sections = array;
    p->sections[p->n_sections++] =
        (struct cn_protocol_section){.heading = words,
                                     .level = level,
                                     .file = ps->lines[i].from.file,
                                     .line = ps->lines[i].from.number,
                                     .understood = kind != SECTION_PROSE};
    return CN_OK;
}

void protocol_understood(struct parser *ps, int line)
{
    struct cn_protocol *p = ps->p;

    if (line >= 0 && ps->lines[line].in_section > 0)
        p->sections[ps->lines[line].in_section - 1].understood = true;
}

/* Gives every line its section. A deeper heading without a kind of its own stays in the
 * section around it; the title's section ends at the next heading whatever its level. Between
 * the markers of the rules no section begins. */
cn_status protocol_sections(struct parser *ps)
{
    section_kind now = SECTION_PROSE;
    int now_level = 0;
    bool simulation = false, titled = false, in_rules = false;

    find_lost_marks(ps);
    for (int i = 0; i < ps->n_lines; i++) {
        struct line *l = &ps->lines[i];
        int level = 0, title = -1;
        const char *words = any_heading(ps, i, &level, &title);
        cn_status st;

        if (words) {
            section_kind kind = title >= 0 ? titles[title].kind : SECTION_PROSE;
            bool nested = kind == SECTION_PROSE && level > now_level && now_level > 0;

            l->level = level;
            l->opens = !nested && !in_rules;
            simulation = cn_words_find(words, "simulation") != NULL;
            if (!nested) {
                now = kind;
                now_level = titled || kind != SECTION_PROSE ? level : 0;
                titled = true;
            }
            in_rules = kind == SECTION_RULES || (in_rules && kind != SECTION_RULES_END);
            st = add_section(ps, i, words, level, now);
            if (st != CN_OK)
                return st;
        }
        l->in_section = ps->p->n_sections;
        l->section = now;
        l->simulation_words = simulation;
    }
    if (ps->marks_lost && !ps->part)
        return protocol_note(ps, -1, "no Markdown heading names the goal: read by bare titles");
    return CN_OK;
}

cn_status protocol_title(struct parser *ps)
{
    struct cn_protocol *p = ps->p;
    const char *last = NULL;

    for (int i = 0; i < ps->n_lines; i++) {
        const struct line *l = &ps->lines[i];
        int level = 0;
        const char *words = NULL;

        if (l->fence != FENCE_NONE)
            continue;
        if (!ps->marks_lost && l->level == 1)
            words = heading_words(ps, l->text, &level);
        if (words && words[0] && l->section != SECTION_GOAL) {
            p->title = words;
            protocol_understood(ps, i);
            return CN_OK;
        }
        if (ps->marks_lost && l->section == SECTION_GOAL)
            break;
        if (ps->marks_lost && *protocol_skip_space(l->text))
            last = cn_words_plain(&p->arena, l->text, strlen(l->text));
    }
    p->title = last ? last : "";
    return last || ps->part ? CN_OK
                            : protocol_note(ps, -1, "no title: a level 1 heading was expected");
}

cn_status protocol_goal(struct parser *ps)
{
    struct cn_protocol *p = ps->p;
    size_t start = 0, end = 0;
    int at = -1;

    for (int i = 0; i < ps->n_lines; i++) {
        const struct line *l = &ps->lines[i];

        if (l->section != SECTION_GOAL)
            continue;
        if (at >= 0 && l->start != end)
            return protocol_refuse(ps, i, "Goal: a second one; the first stands in line %d",
                                   ps->lines[at].from.number);
        if (at < 0) {
            at = i;
            start = i + 1 < ps->n_lines ? ps->lines[i + 1].start : p->n;
        }
        end = i + 1 < ps->n_lines ? ps->lines[i + 1].start : p->n;
    }
    if (at < 0 && ps->part)
        return CN_OK;
    if (at < 0)
        return protocol_refuse(
            ps, -1,
            "Goal: missing; a section \"## Goal\" was expected: a text without an aim, "
            "parameters or rules is no protocol");
    p->goal = cn_words_trim(&p->arena, p->text + start, end > start ? end - start : 0);
    if (!p->goal)
        return protocol_no_memory(ps);
    if (!p->goal[0])
        return protocol_refuse(ps, at, "Goal: empty; the aim in words was expected");
    return CN_OK;
}
