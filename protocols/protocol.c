/* A protocol from its text. The grammar stands in docs/PROTOCOLS.md.
 *
 * 1. messages and memory
 * 2. lines: line breaks, code blocks
 * 3. sections: headings, also those whose marks were lost
 * 4. title, goal, thresholds
 * 5. the public functions */
#include "protocols/protocol.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/pattern.h"
#include "base/text.h"
#include "protocols/protocol_int.h"
#include "protocols/words.h"

/* ---- 1. messages and memory ---- */

cn_status protocol_refuse(struct parser *ps, int line, const char *fmt, ...)
{
    char words[CN_ERR_TEXT];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(words, sizeof(words), fmt, ap);
    va_end(ap);
    if (line < 0)
        return cn_err_set(ps->err, CN_EINPUT, "%s: %s", ps->p->name, words);
    return cn_err_set(ps->err, CN_EINPUT, "%s:%d: %s", ps->p->name, line + 1, words);
}

cn_status protocol_no_memory(struct parser *ps)
{
    return cn_err_set(ps->err, CN_ENOMEM, "%s: no memory to read the protocol", ps->p->name);
}

cn_status protocol_grow(struct parser *ps, void **array, int32_t n, int *room, size_t size)
{
    void *more;

    if (n < *room)
        return CN_OK;
    *room = *room ? 2 * *room : 16;
    more = cn_arena_alloc(&ps->p->arena, (size_t)*room, size);
    if (!more)
        return protocol_no_memory(ps);
    if (n > 0)
        memcpy(more, *array, (size_t)n * size);
    *array = more;
    return CN_OK;
}

cn_status protocol_note(struct parser *ps, int line, const char *fmt, ...)
{
    struct cn_protocol *p = ps->p;
    void *array = p->notes;
    char words[CN_ERR_TEXT];
    va_list ap;
    cn_status st = protocol_grow(ps, &array, p->n_notes, &ps->notes_room, sizeof(*p->notes));

    if (st != CN_OK)
        return st;
    p->notes = array;
    va_start(ap, fmt);
    (void)vsnprintf(words, sizeof(words), fmt, ap);
    va_end(ap);
    p->notes[p->n_notes].line = line + 1;
    p->notes[p->n_notes].text = cn_arena_strdup(&p->arena, words);
    if (!p->notes[p->n_notes].text)
        return protocol_no_memory(ps);
    p->n_notes++;
    return CN_OK;
}

/* ---- 2. lines ---- */

static cn_status split_lines(struct parser *ps)
{
    struct cn_protocol *p = ps->p;
    size_t start = 0;
    int n = 1;

    for (size_t i = 0; i < p->n; i++)
        n += p->text[i] == '\n';
    ps->lines = cn_arena_alloc(&p->arena, (size_t)n, sizeof(*ps->lines));
    if (!ps->lines)
        return protocol_no_memory(ps);
    for (size_t i = 0; i <= p->n; i++) {
        size_t end = i;

        if (i < p->n && p->text[i] != '\n')
            continue;
        if (end > start && p->text[end - 1] == '\r')
            end--;
        ps->lines[ps->n_lines] =
            (struct line){.text = cn_arena_strndup(&p->arena, p->text + start, end - start),
                          .start = start,
                          .level = -1};
        if (!ps->lines[ps->n_lines++].text)
            return protocol_no_memory(ps);
        start = i + 1;
    }
    return CN_OK;
}

static const char *skip_space(const char *s)
{
    while (cn_words_is_space(*s))
        s++;
    return s;
}

/* Length of a run of the fence character at the line's start, 0 when it is no fence. */
static int fence_length(const char *line, char *mark)
{
    const char *s = line;
    int n = 0;

    while (*s == ' ')
        s++;
    if (s - line > 3 || (*s != '`' && *s != '~'))
        return 0;
    *mark = *s;
    while (s[n] == *mark)
        n++;
    return n >= 3 ? n : 0;
}

/* Is the code block's content YAML that we read? The info string says so, or is empty. */
static fence_kind fence_of(const char *line)
{
    const char *s = skip_space(line);

    while (*s == '`' || *s == '~')
        s++;
    s = skip_space(s);
    if (*s == '\0' || cn_words_start(s, "yaml") || cn_words_start(s, "yml"))
        return FENCE_YAML;
    return FENCE_OTHER;
}

static cn_status mark_fences(struct parser *ps)
{
    int open_line = -1, open_len = 0;
    char open_mark = 0;
    fence_kind kind = FENCE_NONE;

    for (int i = 0; i < ps->n_lines; i++) {
        struct line *l = &ps->lines[i];
        char mark = 0;
        int len = fence_length(l->text, &mark);

        if (open_line < 0 && len > 0) {
            open_line = i;
            open_len = len;
            open_mark = mark;
            kind = fence_of(l->text);
            l->fence = FENCE_EDGE;
        } else if (open_line >= 0 && len >= open_len && mark == open_mark &&
                   *skip_space(l->text + strcspn(l->text, "`~") + (size_t)len) == '\0') {
            open_line = -1;
            l->fence = FENCE_EDGE;
        } else if (open_line >= 0) {
            l->fence = kind;
        }
    }
    if (open_line >= 0)
        return protocol_refuse(ps, open_line,
                               "code block: opened here, expected a closing %.*s", open_len,
                               "````````");
    return CN_OK;
}

/* ---- 3. sections ---- */

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
    {"simulation blocks", SECTION_PROSE, true},
    {"block partition", SECTION_PROSE, false},
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
    rest = skip_space(text + n);
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
    if (l->fence != FENCE_NONE)
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

static void find_lost_marks(struct parser *ps)
{
    ps->marks_lost = true;
    for (int i = 0; i < ps->n_lines && ps->marks_lost; i++) {
        int level, title = -1;
        const char *words = ps->lines[i].fence == FENCE_NONE
                                ? heading_words(ps, ps->lines[i].text, &level)
                                : NULL;

        if (words)
            title = known_title(words);
        if (title >= 0 && titles[title].kind == SECTION_GOAL)
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
        (struct cn_protocol_section){words, level, i + 1, kind != SECTION_PROSE};
    return CN_OK;
}

void protocol_understood(struct parser *ps, int line)
{
    struct cn_protocol *p = ps->p;

    for (int32_t k = p->n_sections - 1; k >= 0; k--)
        if (p->sections[k].line <= line + 1) {
            p->sections[k].understood = true;
            return;
        }
}

/* Gives every line its section. A deeper heading without a kind of its own stays in the
 * section around it. */
static cn_status find_sections(struct parser *ps)
{
    section_kind now = SECTION_PROSE;
    int now_level = 0;
    bool simulation = false;

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
            simulation = cn_words_find(words, "simulation") != NULL;
            if (!nested) {
                now = kind;
                now_level = level;
            }
            st = add_section(ps, i, words, level, now);
            if (st != CN_OK)
                return st;
        }
        l->section = now;
        l->simulation_words = simulation;
    }
    if (ps->marks_lost)
        return protocol_note(ps, -1, "no Markdown heading names the goal: read by bare titles");
    return CN_OK;
}

/* ---- 4. title, goal, thresholds ---- */

static cn_status find_title(struct parser *ps)
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
        if (ps->marks_lost && *skip_space(l->text))
            last = cn_words_plain(&p->arena, l->text, strlen(l->text));
    }
    p->title = last ? last : "";
    return last ? CN_OK : protocol_note(ps, -1, "no title: a level 1 heading was expected");
}

static cn_status find_goal(struct parser *ps)
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
                                   at + 1);
        if (at < 0) {
            at = i;
            start = i + 1 < ps->n_lines ? ps->lines[i + 1].start : p->n;
        }
        end = i + 1 < ps->n_lines ? ps->lines[i + 1].start : p->n;
    }
    if (at < 0)
        return protocol_refuse(ps, -1, "Goal: missing; a section \"## Goal\" was expected");
    p->goal = cn_words_trim(&p->arena, p->text + start, end > start ? end - start : 0);
    if (!p->goal)
        return protocol_no_memory(ps);
    if (!p->goal[0])
        return protocol_refuse(ps, at, "Goal: empty; the aim in words was expected");
    return CN_OK;
}

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
                               s, limit->line + 1);
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

static cn_status find_thresholds(struct parser *ps)
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

/* One protocol inheriting another is agreed on but not built: silently ignoring it would run
 * the wrong protocol. */
static cn_status refuse_extends(struct parser *ps)
{
    for (int i = 0; i < ps->n_lines; i++)
        if (ps->lines[i].fence == FENCE_NONE && cn_words_start(ps->lines[i].text, "extends:"))
            return cn_err_set(ps->err, CN_EUNSUPPORTED,
                              "%s:%d: extends: \"%s\": not supported yet; copy the sections",
                              ps->p->name, i + 1, skip_space(ps->lines[i].text + 8));
    return CN_OK;
}

/* ---- 5. public ---- */

static cn_status check_text(struct parser *ps, const char *text, size_t n)
{
    if (n > CN_CAP_PROTOCOL)
        return cn_err_set(ps->err, CN_ECAP, "%s: %zu bytes, a protocol may have %zu",
                          ps->p->name, n, (size_t)CN_CAP_PROTOCOL);
    if (memchr(text, '\0', n))
        return protocol_refuse(ps, -1, "a zero byte; text was expected");
    if (!cn_text_utf8_valid(text, n))
        return protocol_refuse(ps, -1, "bytes that are not UTF-8; text was expected");
    return CN_OK;
}

static cn_status fill(struct parser *ps, const char *text, size_t n)
{
    struct cn_protocol *p = ps->p;
    cn_status st = check_text(ps, text, n);

    if (st != CN_OK)
        return st;
    p->text = cn_arena_strndup(&p->arena, text, n);
    p->n = n;
    if (!p->text)
        return protocol_no_memory(ps);
    (void)cn_hash_hex(text, n, p->hash);
    st = split_lines(ps);
    if (st == CN_OK)
        st = mark_fences(ps);
    if (st == CN_OK)
        st = refuse_extends(ps);
    if (st == CN_OK)
        st = find_sections(ps);
    if (st == CN_OK)
        st = find_title(ps);
    if (st == CN_OK)
        st = find_goal(ps);
    if (st == CN_OK)
        st = find_thresholds(ps);
    if (st == CN_OK)
        st = protocol_params(ps);
    if (st == CN_OK)
        st = protocol_rules(ps);
    return st;
}

cn_status cn_protocol_parse(const char *name, const char *text, size_t n,
                            struct cn_protocol **out, struct cn_err *err)
{
    struct parser ps = {.err = err};
    cn_status st;

    *out = NULL;
    ps.p = cn_alloc(1, sizeof(*ps.p));
    if (!ps.p)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory to read the protocol", name);
    cn_arena_init(&ps.p->arena, CN_CAP_ARENA);
    ps.p->reward = "";
    ps.p->name = cn_arena_strdup(&ps.p->arena, name);
    if (!ps.p->name)
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory to read the protocol", name);
    else
        st = fill(&ps, text, n);
    if (st == CN_OK)
        *out = ps.p;
    else
        cn_protocol_free(ps.p);
    return st;
}

cn_status cn_protocol_read(const char *path, struct cn_protocol **out, struct cn_err *err)
{
    struct cn_buf b;
    cn_status st;

    *out = NULL;
    cn_buf_init(&b, CN_CAP_PROTOCOL);
    st = cn_file_read(path, CN_CAP_PROTOCOL, &b, err);
    if (st == CN_OK)
        st = cn_protocol_parse(path, cn_buf_str(&b), b.len, out, err);
    cn_buf_clear(&b);
    return st;
}

void cn_protocol_free(struct cn_protocol *p)
{
    if (!p)
        return;
    cn_arena_clear(&p->arena); /* everything but the struct itself */
    cn_free(p);
}

const char *cn_protocol_setting(const struct cn_protocol *p, const char *key)
{
    for (int32_t i = 0; i < p->n_settings; i++)
        if (strcmp(p->settings[i].key, key) == 0)
            return p->settings[i].value;
    return NULL;
}
