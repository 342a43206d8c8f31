/* Text of others and numbers of ours, as parts of one line of Markdown. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "logs/project_int.h"

/* Bytes of the UTF-8 character at s (at most 4, at least 1); 0 when it is broken. */
static size_t character(const char *s)
{
    unsigned char c = (unsigned char)*s;
    size_t n = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;

    for (size_t i = 1; i < n; i++)
        if (s[i] == '\0')
            return 0;
    return n > 1 && !cn_text_utf8_valid(s, n) ? 0 : n;
}

/* White space in the widest sense: what any reader might take for the end of a line is a space
 * for us. NEL, LS and PS end lines for Python's splitlines. */
static bool is_space(const char *s, size_t n)
{
    unsigned char c = (unsigned char)*s;

    if (n == 1)
        return c <= ' ' || c == 0x7f;
    if (n == 2)
        return c == 0xc2 && (unsigned char)s[1] <= 0xa0; /* C1 controls, NEL, no-break space */
    return n == 3 && memcmp(s, "\xe2\x80", 2) == 0 &&
           ((unsigned char)s[2] == 0xa8 || (unsigned char)s[2] == 0xa9);
}

/* Fold; `cell`: escape '|' and stop after max bytes of input characters. */
static void fold(struct cn_buf *out, const char *s, bool cell, size_t max)
{
    bool gap = false, any = false;
    size_t start = out->len;

    while (*s) {
        size_t n = character(s);
        if (cell && out->len - start >= max) {
            cn_buf_adds(out, "...");
            return;
        }
        if (n && is_space(s, n)) {
            gap = any;
            s += n;
            continue;
        }
        if (gap || (*s == '=' && any))
            cn_buf_addc(out, ' ');
        gap = *s == '=';
        any = true;
        if (n == 0)
            cn_buf_addc(out, '?');
        else if (cell && *s == '|')
            cn_buf_adds(out, "\\|");
        else
            cn_buf_add(out, s, n);
        s += n ? n : 1;
    }
}

void cn_prose(struct cn_buf *out, const char *s)
{
    fold(out, s, false, 0);
}

void cn_prose_cell(struct cn_buf *out, const char *s, size_t max)
{
    fold(out, s, true, max);
}

void cn_prose_name(struct cn_buf *out, const char *s)
{
    static const char safe[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./+-";

    for (; *s; s++)
        cn_buf_addc(out, strchr(safe, *s) ? *s : '_');
}

void cn_prose_value(struct cn_buf *out, const char *s)
{
    bool bare = *s != '\0';

    for (const char *p = s; *p; p++)
        bare = bare && (unsigned char)*p > ' ' && !strchr(",\"=", *p);
    if (bare) {
        cn_buf_adds(out, s);
        return;
    }
    cn_buf_addc(out, '"');
    for (; *s; s++)
        if (*s == '"' || (unsigned char)*s < ' ')
            cn_buf_addc(out, *s == '"' ? '\'' : ' ');
        else
            cn_buf_addc(out, *s);
    cn_buf_addc(out, '"');
}

void cn_prose_number(struct cn_buf *out, double x)
{
    char text[CN_NUM_TEXT];

    cn_buf_adds(out, cn_text_double(x, text));
}

void cn_prose_short(struct cn_buf *out, double x)
{
    if (isnan(x))
        cn_buf_addc(out, '-');
    else
        cn_buf_printf(out, "%.4g", x);
}

void cn_prose_spread(struct cn_buf *out, const struct cn_spread *s)
{
    cn_prose_short(out, s->mean);
    if (s->n > 1) {
        cn_buf_adds(out, " +- ");
        cn_buf_printf(out, "%.2g", s->std);
    }
    cn_buf_printf(out, " (n = %lld)", (long long)s->n);
}

/* A mutation's old and new text may be any YAML value: one line, quoted when it could be read
 * as more. */
void cn_prose_mutations(struct cn_buf *out, const struct cn_node *n)
{
    for (int i = 0; i < n->n_mutations; i++) {
        const struct cn_mutation *m = &n->mutations[i];
        cn_buf_adds(out, i ? "; " : "");
        cn_prose_name(out, m->path);
        cn_buf_adds(out, ": ");
        cn_prose_value(out, m->old_text);
        cn_buf_adds(out, " -> ");
        cn_prose_value(out, m->new_text);
    }
    if (n->n_mutations == 0)
        cn_buf_adds(out, "none");
}

void cn_prose_pairs(struct cn_buf *out, const struct cn_mutation *m, int n)
{
    for (int i = 0; i < n; i++) {
        cn_buf_adds(out, i ? ", " : "");
        cn_prose_name(out, m[i].path);
        cn_buf_addc(out, '=');
        cn_prose_value(out, m[i].new_text);
    }
}

void cn_prose_parent(struct cn_buf *out, int64_t parent)
{
    if (parent)
        cn_buf_printf(out, "%lld", (long long)parent);
    else
        cn_buf_adds(out, "root");
}

void cn_prose_line(struct cn_buf *out, const char *field, const char *words)
{
    if (!words || !words[0])
        return;
    size_t before = out->len;
    cn_buf_printf(out, "%s: ", field);
    size_t start = out->len;
    cn_prose(out, words);
    /* Words of nothing but white space: no line. */
    if (cn_buf_status(out) == CN_OK && out->len == start) {
        out->len = before;
        out->data[before] = '\0';
        return;
    }
    cn_buf_addc(out, '\n');
}

void cn_prose_share(struct cn_buf *out, int64_t k, int64_t n)
{
    struct cn_interval i = cn_stats_wilson(k, n, CN_BEST_CONFIDENCE);

    cn_buf_printf(out, "%lld of %lld", (long long)k, (long long)n);
    if (n > 0)
        cn_buf_printf(out, " (%.0f %%, %.0f to %.0f %% at %.0f %%)",
                      100 * (double)k / (double)n, 100 * i.lo, 100 * i.hi,
                      100 * CN_BEST_CONFIDENCE);
}

void cn_prose_noise(struct cn_buf *out, const struct cn_noise *noise)
{
    if (!(noise->df > 0)) {
        cn_buf_adds(out, "unknown: no config was trained twice");
        return;
    }
    cn_buf_printf(out, "%.2g within a config (%.0f degree%s of freedom)", noise->std, noise->df,
                  noise->df > 1 ? "s" : "");
}
