/* Notes on words that look like more than they are: lines of a web page that were copied along,
 * and "the same as other.md", which joins nothing. */
#include <stddef.h>
#include <string.h>

#include "base/banned.h"
#include "protocols/protocol_int.h"

/* ---- what a page around the text leaves behind ---- */

static bool is_residue(const char *s)
{
    static const char *const whole[] = {
        "skip to content", "latest commit", "history", "file metadata and controls", "raw",
        "blame",           "copy raw file", "footer"};

    for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
        if (cn_words_same(s, whole[i]))
            return true;
    return s[0] >= '0' && s[0] <= '9' && cn_words_find(s, " lines (") &&
           cn_words_find(s, " loc)");
}

static cn_status note_residue(struct parser *ps)
{
    int first = -1, n = 0;

    for (int i = 0; i < ps->n_lines; i++) {
        const char *s =
            cn_words_trim(&ps->p->arena, ps->lines[i].text, strlen(ps->lines[i].text));

        if (!s)
            return protocol_no_memory(ps);
        if (ps->lines[i].fence != FENCE_NONE || !is_residue(s))
            continue;
        first = first < 0 ? i : first;
        n++;
    }
    if (n < 2) /* one word alone may be anybody's */
        return CN_OK;
    return protocol_note(ps, first,
                         "%d lines of the web page that the text was copied from: "
                         "passed over",
                         n);
}

/* ---- references in prose ---- */

enum { MAX_FILES = 16 };

struct mention {
    const char *file;
    int first, n;
};

/* A name "x.md" in the line, from *from on; NULL: none. */
static const char *file_in(struct parser *ps, const char *s, size_t *from)
{
    const char *end = strstr(s + *from, ".md");
    size_t n = 0;

    if (!end)
        return NULL;
    *from = (size_t)(end - s) + 3;
    while (end - n > s &&
           (cn_words_is_name(end[-(ptrdiff_t)n - 1]) || strchr("./{}", end[-(ptrdiff_t)n - 1])))
        n++;
    if (n == 0 || cn_words_is_name(end[3]) || memchr(end - n, '{', n))
        return "";
    return cn_arena_strndup(&ps->p->arena, end - n, n + 3);
}

/* "Same as `x.md`", "all principles from `x.md` apply". */
static bool says_it_holds(const char *s)
{
    return cn_words_find(s, "same ") || cn_words_find(s, "apply") ||
           cn_words_find(s, "applies") || cn_words_find(s, "as in ") ||
           cn_words_find(s, "inherit");
}

static cn_status count_mention(struct parser *ps, int line, const char *file, struct mention *m,
                               int *n)
{
    if (!file)
        return protocol_no_memory(ps);
    for (int i = 0; i < *n; i++)
        if (strcmp(m[i].file, file) == 0) {
            m[i].n++;
            return CN_OK;
        }
    if (file[0] && *n < MAX_FILES)
        m[(*n)++] = (struct mention){file, line, 1};
    return CN_OK;
}

static cn_status note_references(struct parser *ps)
{
    struct mention m[MAX_FILES];
    int n = 0;
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < ps->n_lines; i++) {
        const char *s = ps->lines[i].text;
        size_t from = 0;

        if (ps->lines[i].fence != FENCE_NONE || !says_it_holds(s))
            continue;
        while (st == CN_OK && strstr(s + from, ".md"))
            st = count_mention(ps, i, file_in(ps, s, &from), m, &n);
    }
    for (int i = 0; st == CN_OK && i < n; i++)
        st = protocol_note(ps, m[i].first,
                           "%s: %d line%s that its text holds here; that is prose (a line "
                           "\"extends: FILE\" joins two protocols)",
                           m[i].file, m[i].n, m[i].n == 1 ? " says" : "s say");
    return st;
}

cn_status protocol_remarks(struct parser *ps)
{
    cn_status st = note_residue(ps);

    return st == CN_OK ? note_references(ps) : st;
}
