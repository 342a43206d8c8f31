/* The free sections of <run>_memory.md, which models and people write. As a text "memory" they
 * stand one after the other: "### Name", a newline, the words. */
#include <string.h>
#include <strings.h>

#include "base/banned.h"
#include "base/text.h"
#include "logs/memory_int.h"
#include "logs/project_int.h"

static const char *const free_names[] = {"Paper Summary",
                                         "Established Principles",
                                         "Falsified Hypotheses",
                                         "Open Questions",
                                         "Hypothesis",
                                         "Emerging Observations",
                                         NULL};
static const char *const host_names[] = {CN_MEMORY_KNOWLEDGE,
                                         CN_MEMORY_REGIME,
                                         CN_MEMORY_ROBUST,
                                         CN_MEMORY_EFFECTS,
                                         CN_MEMORY_DEAD_ENDS,
                                         CN_MEMORY_FAILURES,
                                         CN_MEMORY_PRINCIPLES,
                                         CN_MEMORY_PREDICTIONS,
                                         CN_MEMORY_PREVIOUS,
                                         CN_MEMORY_CURRENT,
                                         CN_MEMORY_BLOCK,
                                         CN_MEMORY_ITERATIONS,
                                         NULL};
enum { N_FREE = sizeof(free_names) / sizeof(free_names[0]) - 1 };

const char *const *cn_memory_sections(void)
{
    return free_names;
}

/* ---- walking a text by headings ---- */

struct section {
    const char *name, *words; /* into the text */
    size_t name_n, words_n;   /* words without the blank lines around them */
};

static size_t line_length(const char *p, const char *end)
{
    const char *nl = memchr(p, '\n', (size_t)(end - p));

    return nl ? (size_t)(nl - p) + 1 : (size_t)(end - p);
}

/* Level of a heading line, 0 for another line. */
static int heading(const char *p, size_t n)
{
    size_t k = 0;

    while (k < n && p[k] == '#')
        k++;
    return k >= 1 && k <= 6 && k < n && (p[k] == ' ' || p[k] == '\t') ? (int)k : 0;
}

static void trim(const char **p, size_t *n)
{
    while (*n && strchr(" \t\r\n", **p)) {
        (*p)++;
        (*n)--;
    }
    while (*n && strchr(" \t\r\n", (*p)[*n - 1]))
        (*n)--;
}

/* Words lose the blank lines before them and all white space behind; the indentation of their first
 * line stays, for without it a line may become a heading. */
static void trim_words(const char **p, size_t *n)
{
    const char *start = *p;

    trim(p, n);
    while (*n && *p > start && (*p)[-1] != '\n') {
        (*p)--;
        (*n)++;
    }
}

/* The name without "#", and without the mark of the host's own sections. */
static void name_of(const char *p, size_t n, struct section *out)
{
    static const char mark[] = CN_MEMORY_MARK;

    while (n && (*p == '#')) {
        p++;
        n--;
    }
    trim(&p, &n);
    while (n >= sizeof(mark) - 1 &&
           memcmp(p + n - (sizeof(mark) - 1), mark, sizeof(mark) - 1) == 0) {
        n -= sizeof(mark) - 1;
        trim(&p, &n);
    }
    out->name = p;
    out->name_n = n;
}

static bool is_fence(const char *p, size_t n)
{
    return n >= 3 && memcmp(p, "```", 3) == 0;
}

/* Does a fence that was opened before `p` end, and before the host's next section? One that a
 * person forgot to close must not swallow the rest of the file. */
static bool fence_ends(const char *p, const char *end)
{
    static const char mark[] = CN_MEMORY_MARK;

    while (p < end) {
        size_t k = line_length(p, end), n = k;
        int level = heading(p, k);
        if (is_fence(p, k))
            return true;
        while (n && strchr(" \t\r\n", p[n - 1]))
            n--;
        if (level >= 1 && level <= 3 && n >= sizeof(mark) - 1 &&
            memcmp(p + n - (sizeof(mark) - 1), mark, sizeof(mark) - 1) == 0)
            return false;
        p += k;
    }
    return false;
}

/* The next section at or after *at. A heading of level 4 or deeper belongs to the words; so
 * does everything in a fenced block. False at the end. Text before the first heading is passed
 * over, as is the title (level 1). */
static bool next_section(const char *text, size_t n, size_t *at, struct section *out)
{
    const char *end = text + n, *p = text + *at;
    bool found = false, fenced = false;

    while (p < end) {
        size_t k = line_length(p, end);
        int level = fenced ? 0 : heading(p, k);
        if (is_fence(p, k))
            fenced = !fenced && fence_ends(p + k, end);
        if (level >= 1 && level <= 3) {
            if (found)
                break;
            if (level >= 2) {
                name_of(p, k, out);
                out->words = p + k;
                found = true;
            }
        }
        p += k;
    }
    *at = (size_t)(p - text);
    if (found) {
        out->words_n = (size_t)(p - out->words);
        trim_words(&out->words, &out->words_n);
    }
    return found;
}

static bool is_named(const struct section *s, const char *name)
{
    return strlen(name) == s->name_n && strncasecmp(name, s->name, s->name_n) == 0;
}

static bool is_one_of(const struct section *s, const char *const *names)
{
    for (; *names; names++)
        if (is_named(s, *names))
            return true;
    return false;
}

/* ---- the functions ---- */

/* Words, a newline, and the end of a fence that they leave open. */
static void put_words(struct cn_buf *out, const char *words, size_t n)
{
    const char *end = words + n;
    bool fenced = false;

    cn_buf_add(out, words, n);
    cn_buf_addc(out, '\n');
    for (size_t k; words < end; words += k) {
        k = line_length(words, end);
        fenced = fenced != is_fence(words, k);
    }
    if (fenced)
        cn_buf_adds(out, "```\n");
}

static void put_section(struct cn_buf *out, const char *name, size_t name_n, const char *words,
                        size_t n)
{
    cn_buf_adds(out, "### ");
    cn_buf_add(out, name, name_n);
    cn_buf_addc(out, '\n');
    if (n)
        put_words(out, words, n);
}

static void put_known(const char *memory, size_t n, const char *name, struct cn_buf *out)
{
    struct section s;
    bool first = true;

    for (size_t at = 0; next_section(memory, n, &at, &s);)
        if (is_named(&s, name) && s.words_n) {
            /* The same name twice: both texts, one section. */
            if (first)
                put_section(out, name, strlen(name), s.words, s.words_n);
            else
                put_words(out, s.words, s.words_n);
            first = false;
        }
}

void cn_memory_free_text(const char *memory, size_t n, struct cn_buf *out)
{
    struct section s;

    for (int i = 0; i < N_FREE; i++)
        put_known(memory, n, free_names[i], out);
    for (size_t at = 0; next_section(memory, n, &at, &s);)
        if (!is_one_of(&s, free_names) && !is_one_of(&s, host_names) && s.words_n)
            put_section(out, s.name, s.name_n, s.words, s.words_n);
}

void cn_memory_section(const char *free_text, const char *name, struct cn_buf *out)
{
    struct section s;
    size_t n = strlen(free_text);
    bool first = true;

    for (size_t at = 0; next_section(free_text, n, &at, &s);)
        if (is_named(&s, name)) {
            if (!first)
                cn_buf_addc(out, '\n');
            cn_buf_add(out, s.words, s.words_n);
            first = false;
        }
}

void cn_memory_put_others(const char *free_text, struct cn_buf *out)
{
    struct section s;
    size_t n = strlen(free_text);

    for (size_t at = 0; next_section(free_text, n, &at, &s);)
        if (!is_one_of(&s, free_names) && s.words_n) {
            put_section(out, s.name, s.name_n, s.words, s.words_n);
            cn_buf_addc(out, '\n');
        }
}

static cn_status check_words(const char *name, const char *words, struct cn_err *err)
{
    size_t n = strlen(words);
    bool fenced = false;
    int line = 1;

    if (n > CN_CAP_MEMORY_SECTION)
        return cn_err_set(err, CN_EINPUT,
                          "memory section \"%s\": %zu bytes, at most %d fit: "
                          "summarise",
                          name, n, (int)CN_CAP_MEMORY_SECTION);
    if (!cn_text_utf8_valid(words, n))
        return cn_err_set(err, CN_EINPUT, "memory section \"%s\": not UTF-8", name);
    for (const char *p = words; *p; line++) {
        size_t k = line_length(p, words + n);
        if (is_fence(p, k))
            fenced = !fenced;
        int level = fenced ? 0 : heading(p, k);
        if (level && level <= 3)
            return cn_err_set(err, CN_EINPUT,
                              "memory section \"%s\", line %d: \"%.*s\" would begin another "
                              "section; headings inside one have four # or more",
                              name, line, (int)(k < 60 ? k - 1 : 60), p);
        p += k;
    }
    if (fenced)
        return cn_err_set(err, CN_EINPUT, "memory section \"%s\": a ``` is not closed", name);
    return CN_OK;
}

/* The tables need room too: together the free sections are bounded, but a text that is too long
 * already may always be shortened. */
static cn_status check_whole(const char *name, struct cn_buf *out, size_t start, size_t old_n,
                             struct cn_err *err)
{
    size_t n = out->len - start;

    if (n <= CN_CAP_MEMORY_FREE || n <= old_n)
        return CN_OK;
    out->len = start;
    out->data[start] = '\0';
    return cn_err_set(
        err, CN_EINPUT,
        "memory section \"%s\": with it the free sections hold %zu bytes, at most "
        "%d fit: summarise",
        name, n, (int)CN_CAP_MEMORY_FREE);
}

cn_status cn_memory_replace(const char *free_text, const char *name, const char *words,
                            struct cn_buf *out, struct cn_err *err)
{
    struct section wanted = {.name = name, .name_n = strlen(name)}, s;
    size_t n = strlen(free_text), words_n = strlen(words), start = out->len;
    cn_status st;

    if (!is_one_of(&wanted, free_names)) {
        int near = cn_text_nearest(name, free_names, N_FREE);
        return cn_err_set(err, CN_EINPUT, "memory has no free section \"%s\"%s%s%s", name,
                          near >= 0 ? "; did you mean \"" : "",
                          near >= 0 ? free_names[near] : "", near >= 0 ? "\"?" : "");
    }
    st = check_words(name, words, err);
    if (st != CN_OK)
        return st;
    trim_words(&words, &words_n);
    for (int i = 0; i < N_FREE; i++)
        if (!is_named(&wanted, free_names[i]))
            put_known(free_text, n, free_names[i], out);
        else if (words_n)
            put_section(out, free_names[i], strlen(free_names[i]), words, words_n);
    for (size_t at = 0; next_section(free_text, n, &at, &s);)
        if (!is_one_of(&s, free_names) && s.words_n)
            put_section(out, s.name, s.name_n, s.words, s.words_n);
    st = cn_buf_status(out);
    if (st != CN_OK)
        return cn_err_set(err, st, "memory: no room for its text");
    return check_whole(name, out, start, n, err);
}
