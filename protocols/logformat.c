/* The fields that the example entry of a protocol shows: "## Iter N: ..." and the lines below
 * it, in a code block, indented, or with its marks lost. */
#include <string.h>

#include "base/banned.h"
#include "protocols/protocol_int.h"

/* As logs/entry.c writes them (tests/test_protocols_grammar.c compares the two lists). */
static const char *const field_names[] = {
    "Mode/Strategy",   "Seeds",      "Config",      "R2 trajectory",     "Activity",
    "Embedding",       "Mutation",   "Parent rule", "Hypothesis tested", "Observation",
    "Variance update", "Seed stats", "Stability",   "Degeneracy",        NULL};

static const struct {
    const char *written, *name;
} other_spellings[] = {{"mode", "Mode/Strategy"},
                       {"strategy", "Mode/Strategy"},
                       {"seed", "Seeds"},
                       {"trajectory", "R2 trajectory"},
                       {"parameters", "Config"},
                       {"mutations", "Mutation"},
                       {"hypothesis", "Hypothesis tested"},
                       {"variance", "Variance update"}};

/* Always written. */
static const char *const fixed_names[] = {"Node", "Metrics",   "Outcome",
                                          "Next", "Replicate", "Confirmation"};

const char *const *cn_protocol_log_fields(void)
{
    return field_names;
}

static bool is_fixed(const char *name)
{
    for (size_t i = 0; i < sizeof(fixed_names) / sizeof(fixed_names[0]); i++)
        if (cn_words_same(name, fixed_names[i]))
            return true;
    return false;
}

/* The host's spelling; NULL: it has no such field. */
static const char *host_name(const char *name)
{
    for (int i = 0; field_names[i]; i++)
        if (cn_words_same(name, field_names[i]))
            return field_names[i];
    for (size_t i = 0; i < sizeof(other_spellings) / sizeof(other_spellings[0]); i++)
        if (cn_words_same(name, other_spellings[i].written))
            return other_spellings[i].name;
    return NULL;
}

static bool is_listed(const struct cn_protocol *p, const char *name)
{
    for (int32_t i = 0; i < p->n_log_fields; i++)
        if (p->log_fields[i] == name)
            return true;
    return false;
}

/* "Name: words" at the line's start; "" when it is no field. */
static const char *field_of(struct parser *ps, const char *text)
{
    const char *words, *colon;
    const char *item = protocol_item(text);

    words = cn_words_plain(&ps->p->arena, item, strlen(item));
    colon = words ? strchr(words, ':') : NULL;
    if (!words)
        return NULL;
    if (!colon || colon == words || colon - words > 40)
        return "";
    return cn_arena_strndup(&ps->p->arena, words, (size_t)(colon - words));
}

static cn_status take_field(struct parser *ps, int line, const char *written)
{
    struct cn_protocol *p = ps->p;
    const char *name = host_name(written);

    if (!written[0] || is_fixed(written))
        return CN_OK;
    if (!name)
        return protocol_note(ps, line, "log entry: \"%s\": the host writes no such field",
                             written);
    if (!is_listed(p, name) &&
        p->n_log_fields < (int32_t)(sizeof(field_names) / sizeof(field_names[0])))
        p->log_fields[p->n_log_fields++] = name;
    return CN_OK;
}

/* Lines of the example below its head: to the end of the code block, or where no field is. */
static cn_status read_entry(struct parser *ps, int head)
{
    const struct line *first = &ps->lines[head];
    cn_status st = CN_OK;

    for (int i = head + 1; st == CN_OK && i < ps->n_lines; i++) {
        const struct line *l = &ps->lines[i];
        const char *name;

        if (l->fence != first->fence || l->level >= 0 || protocol_is_entry_head(l->text))
            break;
        name = field_of(ps, l->text);
        if (!name)
            return protocol_no_memory(ps);
        if (!name[0] && first->fence == FENCE_NONE)
            break;
        st = take_field(ps, i, name);
    }
    return st;
}

cn_status protocol_log_format(struct parser *ps)
{
    struct cn_protocol *p = ps->p;
    cn_status st;

    p->log_fields = cn_arena_alloc(&p->arena, sizeof(field_names) / sizeof(field_names[0]),
                                   sizeof(*p->log_fields));
    if (!p->log_fields)
        return protocol_no_memory(ps);
    for (int i = 0; i < ps->n_lines; i++) {
        if (ps->lines[i].section == SECTION_RULES || !protocol_is_entry_head(ps->lines[i].text))
            continue;
        st = read_entry(ps, i);
        if (p->n_log_fields > 0)
            protocol_understood(ps, i);
        return st;
    }
    return CN_OK;
}
