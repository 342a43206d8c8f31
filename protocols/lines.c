/* A protocol's lines, and which of them are code blocks. */
#include <string.h>

#include "base/banned.h"
#include "protocols/protocol_int.h"
#include "protocols/words.h"

cn_status protocol_lines(struct parser *ps)
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
                          .from = ps->origins ? ps->origins[ps->n_lines]
                                              : (struct origin){p->name, ps->n_lines + 1},
                          .level = -1};
        if (!ps->lines[ps->n_lines++].text)
            return protocol_no_memory(ps);
        start = i + 1;
    }
    return CN_OK;
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
    const char *s = protocol_skip_space(line);

    while (*s == '`' || *s == '~')
        s++;
    s = protocol_skip_space(s);
    if (*s == '\0' || cn_words_start(s, "yaml") || cn_words_start(s, "yml"))
        return FENCE_YAML;
    return FENCE_OTHER;
}

/* "explore:" alone on its line, at the left edge of a code block. */
static bool is_settings_root(const char *s)
{
    size_t n = strncmp(s, "explore:", 8) == 0 ? 8 : strncmp(s, "claude:", 7) == 0 ? 7 : 0;

    s = n > 0 ? protocol_skip_space(s + n) : "?";
    return *s == '\0' || *s == '#';
}

/* A settings block goes to the next key at the left edge, or to the end of its code block. */
static void mark_settings(struct parser *ps)
{
    bool inside = false;

    for (int i = 0; i < ps->n_lines; i++) {
        struct line *l = &ps->lines[i];

        if (l->fence != FENCE_YAML)
            inside = false;
        else if (l->text[0] && l->text[0] != '#' && !cn_words_is_space(l->text[0]))
            inside = is_settings_root(l->text);
        l->setting = inside;
    }
}

cn_status protocol_fences(struct parser *ps)
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
                   *protocol_skip_space(l->text + strcspn(l->text, "`~") + (size_t)len) ==
                       '\0') {
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
    mark_settings(ps);
    return CN_OK;
}

const char *protocol_item(const char *line)
{
    static const char bullet[] = "\xe2\x80\xa2";
    const char *s = protocol_skip_space(line);
    size_t digits = strspn(s, "0123456789");

    if (strncmp(s, bullet, strlen(bullet)) == 0)
        return protocol_skip_space(s + strlen(bullet));
    if (strchr("-*+", s[0]) && s[0] && cn_words_is_space(s[1]))
        return protocol_skip_space(s + 1);
    if (digits > 0 && s[digits] == '.' && cn_words_is_space(s[digits + 1]))
        return protocol_skip_space(s + digits + 1);
    return line;
}

bool protocol_is_entry_head(const char *line)
{
    const char *s = protocol_skip_space(line);

    while (*s == '#')
        s++;
    s = protocol_skip_space(s);
    if (!cn_words_start(s, "iter ") && !cn_words_start(s, "iteration "))
        return false;
    s = protocol_skip_space(strchr(s, ' '));
    while (*s && strchr("{[<", *s))
        s++;
    if (!cn_words_is_name(*s))
        return false;
    while (cn_words_is_name(*s) || (*s && strchr("}]>", *s)))
        s++;
    return *s == ':';
}

int protocol_front_matter(const struct line *lines, int n)
{
    if (n < 2 || strcmp(lines[0].text, "---") != 0)
        return 0;
    for (int i = 1; i < n; i++)
        if (strcmp(lines[i].text, "---") == 0)
            return i + 1;
    return 0;
}
