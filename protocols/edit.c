/* Checked edits of the rules. See edit.h.
 *
 * 1. what an edit may be made of
 * 2. where it goes
 * 3. what the new text must still say
 * 4. the public functions */
#include "protocols/edit.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "protocols/words.h"

/* ---- 1. what an edit may be made of ---- */

static cn_status refuse(struct cn_err *err, const char *fmt, ...) CN_PRINTF(2, 3);
static cn_status refuse(struct cn_err *err, const char *fmt, ...)
{
    char words[CN_ERR_TEXT];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(words, sizeof words, fmt, ap);
    va_end(ap);
    return cn_err_set(err, CN_EINPUT, "%s", words);
}

static cn_status no_memory(const struct cn_protocol *p, struct cn_err *err)
{
    return cn_err_set(err, CN_ENOMEM, "%s: no memory to edit the protocol", p->name);
}

/* Why a line may not stand in an edit; NULL: it may. */
static const char *forbidden_line(const char *s, size_t n)
{
    size_t i = 0, marks = 0;

    while (i < n && (s[i] == ' ' || s[i] == '\t'))
        i++;
    if (n - i >= 3 && (s[i] == '`' || s[i] == '~') && s[i + 1] == s[i] && s[i + 2] == s[i])
        return "a code fence";
    while (i + marks < n && s[i + marks] == '#')
        marks++;
    if (marks >= 1 && marks <= 6 &&
        (i + marks == n || cn_words_is_space(s[i + marks]) || s[i + marks] == '\r'))
        return "a heading";
    i += marks;
    while (i < n && cn_words_is_space(s[i]))
        i++;
    if (n - i >= 3 && cn_words_start(s + i, "end"))
        i += 3;
    while (i < n && cn_words_is_space(s[i]))
        i++;
    return n - i >= 21 && cn_words_start(s + i, "parent selection rule") ? "a marker" : NULL;
}

static cn_status check_words(const char *what, const char *s, struct cn_err *err)
{
    size_t n = strlen(s), from = 0;

    if (!cn_text_utf8_valid(s, n))
        return refuse(err, "the %s text is not UTF-8", what);
    for (size_t i = 0; i <= n; i++) {
        const char *why;

        if (i < n && s[i] != '\n') {
            if ((unsigned char)s[i] < 0x20 && s[i] != '\t' && s[i] != '\r')
                return refuse(err, "the %s text holds a control character (code %d)", what,
                              s[i]);
            continue;
        }
        why = forbidden_line(s + from, i - from);
        if (why)
            return refuse(err,
                          "the %s text holds %s (\"%.*s\"): only rows and words between the "
                          "markers can be edited",
                          what, why, (int)cn_text_utf8_cut(s + from, i - from, 60), s + from);
        from = i + 1;
    }
    return CN_OK;
}

/* ---- 2. where it goes ---- */

static bool has_markers(const struct cn_protocol *p)
{
    return p->rules_end > 0;
}

static int line_at(const char *text, size_t at)
{
    int line = 1;

    for (size_t i = 0; i < at; i++)
        line += text[i] == '\n';
    return line;
}

/* Line breaks as the rules have them, whatever a model or an editor sent. */
static cn_status like_the_rules(const struct cn_protocol *p, const char *s, struct cn_buf *out,
                                struct cn_err *err)
{
    const char *first = memchr(p->text + p->rules_start, '\n', p->rules_end - p->rules_start);
    bool crlf = first && first > p->text && first[-1] == '\r';

    cn_buf_init(out, CN_CAP_PROTOCOL);
    for (; *s; s++) {
        if (s[0] == '\r' && s[1] == '\n')
            continue;
        if (*s == '\n' && crlf)
            cn_buf_addc(out, '\r');
        cn_buf_addc(out, *s);
    }
    if (cn_buf_status(out) == CN_ENOMEM)
        return no_memory(p, err);
    return cn_buf_status(out) == CN_OK ? CN_OK : refuse(err, "the edit is too long");
}

static const char *find(const char *from, const char *end, const char *s, size_t n)
{
    for (; from + n <= end; from++)
        if (*from == *s && memcmp(from, s, n) == 0)
            return from;
    return NULL;
}

/* The line of the rules that reads like the first line of `old` but for its white space, letter
 * case or marks; 0: none. */
static int similar_line(const struct cn_protocol *p, const char *old, const char **out_words,
                        struct cn_arena *a)
{
    const char *want = cn_words_plain(a, old, strcspn(old, "\r\n"));
    const char *end = p->text + p->rules_end;

    for (const char *s = p->text + p->rules_start; want && want[0] && s < end;) {
        const char *stop = memchr(s, '\n', (size_t)(end - s));
        const char *line = cn_words_trim(a, s, (size_t)((stop ? stop : end) - s));
        const char *words = line ? cn_words_plain(a, line, strlen(line)) : NULL;

        if (words && cn_words_same(words, want)) {
            *out_words = line;
            return line_at(p->text, (size_t)(s - p->text));
        }
        s = stop ? stop + 1 : end;
    }
    return 0;
}

static cn_status explain_absence(const struct cn_protocol *p, const char *old,
                                 struct cn_err *err)
{
    const char *elsewhere = find(p->text, p->text + p->n, old, strlen(old)), *words = "";
    int first = line_at(p->text, p->rules_start), last = line_at(p->text, p->rules_end) - 1;
    struct cn_arena a;
    int line;

    if (elsewhere)
        return refuse(err,
                      "old text stands in line %d, outside of the markers: only lines %d to %d "
                      "can be edited",
                      line_at(p->text, (size_t)(elsewhere - p->text)), first, last);
    cn_arena_init(&a, CN_CAP_ARENA);
    line = similar_line(p, old, &words, &a);
    if (line > 0)
        (void)refuse(err,
                     "old text was not found between the markers; line %d differs in white "
                     "space, letter case or marks, quote it as it stands: %.300s",
                     line, words);
    else
        (void)refuse(err,
                     "old text was not found between the markers (lines %d to %d); quote the "
                     "row exactly as it stands",
                     first, last);
    cn_arena_clear(&a);
    return CN_EINPUT;
}

static cn_status find_once(const struct cn_protocol *p, const char *old, size_t *out_at,
                           struct cn_err *err)
{
    const char *from = p->text + p->rules_start, *end = p->text + p->rules_end, *at;
    size_t n = strlen(old);
    int count = 0;

    *out_at = 0;
    for (at = find(from, end, old, n); at; at = find(at + 1, end, old, n))
        if (count++ == 0)
            *out_at = (size_t)(at - p->text);
    if (count == 0)
        return explain_absence(p, old, err);
    if (count > 1)
        return refuse(err,
                      "old text was found %d times between the markers; give more of the row",
                      count);
    return CN_OK;
}

/* A row that is removed takes its line break along: an empty line would end the table. */
static size_t with_line_break(const struct cn_protocol *p, size_t at, size_t n, const char *new)
{
    const char *s = p->text;

    if (new[0] || (at > 0 && s[at - 1] != '\n') || s[at + n - 1] == '\n')
        return n;
    if (s[at + n] == '\r' && s[at + n + 1] == '\n')
        return n + 2;
    return s[at + n] == '\n' ? n + 1 : n;
}

/* ---- 3. what the new text must still say ---- */

static bool same_texts(const char *const *a, int32_t n, const char *const *b, int32_t m)
{
    for (int32_t i = 0; n == m && i < n; i++)
        if (strcmp(a[i], b[i]) != 0)
            return false;
    return n == m;
}

static bool same_param(const struct cn_protocol_param *a, const struct cn_protocol_param *b)
{
    return strcmp(a->path, b->path) == 0 && a->cls == b->cls && a->type == b->type &&
           strcmp(a->default_text, b->default_text) == 0 && a->has_range == b->has_range &&
           a->lo == b->lo && a->hi == b->hi &&
           same_texts(a->choices, a->n_choices, b->choices, b->n_choices);
}

static bool same_params(const struct cn_protocol *a, const struct cn_protocol *b)
{
    for (int32_t i = 0; a->n_params == b->n_params && i < a->n_params; i++)
        if (!same_param(&a->params[i], &b->params[i]))
            return false;
    return a->n_params == b->n_params;
}

static bool same_settings(const struct cn_protocol *a, const struct cn_protocol *b)
{
    for (int32_t i = 0; a->n_settings == b->n_settings && i < a->n_settings; i++)
        if (strcmp(a->settings[i].key, b->settings[i].key) != 0 ||
            strcmp(a->settings[i].value, b->settings[i].value) != 0)
            return false;
    return a->n_settings == b->n_settings;
}

static bool same_guardrails(const struct cn_protocol *a, const struct cn_protocol *b)
{
    for (int32_t i = 0; a->n_guardrails == b->n_guardrails && i < a->n_guardrails; i++)
        if (strcmp(a->guardrails[i].metric, b->guardrails[i].metric) != 0 ||
            a->guardrails[i].at_most != b->guardrails[i].at_most ||
            a->guardrails[i].bound != b->guardrails[i].bound)
            return false;
    return a->n_guardrails == b->n_guardrails;
}

static bool same_blocks(const struct cn_protocol *a, const struct cn_protocol *b)
{
    for (int32_t i = 0; a->n_blocks == b->n_blocks && i < a->n_blocks; i++) {
        const struct cn_protocol_block *x = &a->blocks[i], *y = &b->blocks[i];

        if (x->first != y->first || x->last != y->last || x->kind != y->kind ||
            x->count != y->count || x->n_axes != y->n_axes || strcmp(x->focus, y->focus) != 0 ||
            strcmp(x->strategy, y->strategy) != 0)
            return false;
    }
    return a->n_blocks == b->n_blocks;
}

static bool same_sections(const struct cn_protocol *a, const struct cn_protocol *b)
{
    for (int32_t i = 0; a->n_sections == b->n_sections && i < a->n_sections; i++)
        if (strcmp(a->sections[i].heading, b->sections[i].heading) != 0 ||
            a->sections[i].level != b->sections[i].level)
            return false;
    return a->n_sections == b->n_sections;
}

/* The first part, other than the rules, that reads differently; NULL: none. */
static const char *other_difference(const struct cn_protocol *a, const struct cn_protocol *b)
{
    if (!same_sections(a, b))
        return "the sections";
    if (strcmp(a->title, b->title) != 0 || strcmp(a->goal, b->goal) != 0)
        return "title or goal";
    if (a->has_thresholds != b->has_thresholds || strcmp(a->reward, b->reward) != 0 ||
        a->lower_is_better != b->lower_is_better || a->converged != b->converged ||
        a->failed != b->failed)
        return "the classification";
    if (!same_params(a, b))
        return "the parameters";
    if (!same_settings(a, b))
        return "the settings";
    if (!same_guardrails(a, b))
        return "the guardrails";
    if (!same_blocks(a, b))
        return "the block partition";
    if (!same_texts(a->log_fields, a->n_log_fields, b->log_fields, b->n_log_fields))
        return "the log format";
    return same_texts(a->extends, a->n_extends, b->extends, b->n_extends)
               ? NULL
               : "what the protocol extends";
}

static bool same_row(const struct cn_rule *a, const struct cn_rule *b)
{
    return a->cond == b->cond && strcmp(a->condition, b->condition) == 0 &&
           strcmp(a->strategy_text, b->strategy_text) == 0 && strcmp(a->action, b->action) == 0;
}

/* The rows of both tables; those that the edit did not touch stand at head and tail. */
struct tables {
    const struct cn_protocol *p, *q;
    int32_t head, tail;
};

/* Lines that both texts have in common at the beginning, and the first line (of a) of those at
 * the end. */
static void common_lines(const struct cn_protocol *a, const struct cn_protocol *b,
                         int *out_head, int *out_tail)
{
    size_t n = a->n < b->n ? a->n : b->n, head = 0, tail = 0, at;

    while (head < n && a->text[head] == b->text[head])
        head++;
    while (tail < n - head && a->text[a->n - 1 - tail] == b->text[b->n - 1 - tail])
        tail++;
    *out_head = line_at(a->text, head) - 1;
    at = a->n - tail;
    while (at < a->n && at > 0 && a->text[at - 1] != '\n')
        at++;
    *out_tail = line_at(a->text, at);
    /* A line that begins here may have been the end of a longer one there. */
    at = b->n - (a->n - at);
    if (at > 0 && b->text[at - 1] != '\n')
        ++*out_tail;
}

static bool stands_in(const struct cn_rule *row, const struct cn_rule *rows, int32_t from,
                      int32_t to)
{
    for (int32_t i = from; i < to; i++)
        if (same_row(row, &rows[i]))
            return true;
    return false;
}

/* The first row that the edit did not touch and that is gone; 0: none of them. */
static int32_t lost_row(const struct tables *t)
{
    for (int32_t i = 0; i < t->p->n_rules; i++)
        if ((i < t->head || i >= t->p->n_rules - t->tail) &&
            !stands_in(&t->p->rules[i], t->q->rules, 0, t->q->n_rules))
            return i;
    return 0;
}

static bool all_untouched_stand(const struct tables *t)
{
    const struct cn_protocol *p = t->p, *q = t->q;

    if (q->n_rules < t->head + t->tail)
        return false;
    for (int32_t i = 0; i < t->head; i++)
        if (!same_row(&p->rules[i], &q->rules[i]))
            return false;
    for (int32_t i = 1; i <= t->tail; i++)
        if (!same_row(&p->rules[p->n_rules - i], &q->rules[q->n_rules - i]))
            return false;
    return true;
}

static cn_status check_untouched(struct tables *t, struct cn_err *err)
{
    const struct cn_protocol *p = t->p;
    int head, tail;
    int32_t row;

    common_lines(p, t->q, &head, &tail);
    while (t->head < p->n_rules && p->rules[t->head].line <= head)
        t->head++;
    while (t->tail < p->n_rules - t->head && p->rules[p->n_rules - 1 - t->tail].line >= tail)
        t->tail++;
    if (all_untouched_stand(t))
        return CN_OK;
    row = lost_row(t);
    return refuse(err,
                  "row %d \"%s\", which the edit does not name, would be lost or read "
                  "differently: rows stand one under the other below the header, without an "
                  "empty line",
                  (int)row + 1, p->rules[row].condition);
}

static bool is_heir(const struct cn_rule *old, const struct cn_rule *new)
{
    return cn_words_same(old->condition, new->condition) ||
           (cn_words_same(old->strategy_text, new->strategy_text) && old->action[0] &&
            strcmp(old->action, new->action) == 0);
}

/* A row that the host could evaluate may be changed or removed; it may not become prose. */
static cn_status check_prose(const struct tables *t, struct cn_err *err)
{
    const struct cn_rule *old = t->p->rules, *new = t->q->rules, *lost = NULL, *prose = NULL;
    int32_t from = t->head, old_to = t->p->n_rules - t->tail, new_to = t->q->n_rules - t->tail;
    int gone = 0, come = 0;

    for (int32_t i = from; i < old_to; i++)
        if (old[i].cond != CN_COND_PROSE && !stands_in(&old[i], new, from, new_to)) {
            lost = &old[i];
            gone++;
        }
    for (int32_t k = from; k < new_to; k++) {
        if (stands_in(&new[k], old, from, old_to))
            continue;
        if (new[k].cond != CN_COND_PROSE) {
            come++;
            continue;
        }
        prose = &new[k];
        for (int32_t i = from; i < old_to; i++)
            if (old[i].cond != CN_COND_PROSE && is_heir(&old[i], prose) &&
                !stands_in(&old[i], new, from, new_to)) {
                lost = &old[i];
                gone = INT32_MAX;
            }
    }
    if (!prose || !lost || gone <= come)
        return CN_OK;
    return refuse(err,
                  "row \"%s\" is carried out by the host; as \"%s\" it would be prose (%s). "
                  "Remove it, or use a condition and a strategy that the host knows",
                  lost->condition, prose->condition, prose->note);
}

static cn_status check_rules(const struct cn_protocol *p, const struct cn_protocol *q,
                             struct cn_err *err)
{
    struct tables t = {p, q, 0, 0};
    cn_status st;

    if (p->rules_builtin)
        return CN_OK;
    if (q->rules_builtin)
        return refuse(err, "no rule table would be left between the markers: keep its header "
                           "line and at least one row");
    if (q->n_rules > CN_CAP_RULE_ROWS && q->n_rules > p->n_rules)
        return refuse(err,
                      "the table would have %d rows; at most %d are allowed: remove one "
                      "first",
                      (int)q->n_rules, CN_CAP_RULE_ROWS);
    st = check_untouched(&t, err);
    return st == CN_OK ? check_prose(&t, err) : st;
}

/* The bytes between the markers alone may differ. */
static cn_status check_bytes(const struct cn_protocol *p, const char *text, size_t n,
                             struct cn_err *err)
{
    size_t after = p->n - p->rules_end, rules = 0;

    if (n == p->n && memcmp(text, p->text, n) == 0)
        return refuse(err, "the edit changes nothing");
    if (n < p->rules_start + after || memcmp(text, p->text, p->rules_start) != 0 ||
        memcmp(text + n - after, p->text + p->rules_end, after) != 0)
        return refuse(err, "only lines %d to %d, between the markers, can be edited",
                      line_at(p->text, p->rules_start), line_at(p->text, p->rules_end) - 1);
    rules = n - p->rules_start - after;
    if (rules > CN_CAP_RULES && rules > p->rules_end - p->rules_start)
        return refuse(
            err,
            "the rules would take %zu bytes; at most %d are allowed: what was learned "
            "belongs in the memory, not in the rules",
            rules, CN_CAP_RULES);
    if (rules > 0 && text[p->rules_start + rules - 1] != '\n')
        return refuse(err, "the last row would run into the END marker: end it with a line "
                           "break");
    return CN_OK;
}

/* ---- 4. public ---- */

cn_status cn_edit_check(const struct cn_protocol *p, const char *text, struct cn_err *err)
{
    struct cn_protocol *q = NULL;
    struct cn_err why = CN_ERR_INIT;
    const char *other;
    cn_status st;

    if (!has_markers(p))
        return refuse(err,
                      "%s has no Parent Selection Rule markers: its built-in rules cannot be "
                      "edited",
                      p->name);
    st = check_bytes(p, text, strlen(text), err);
    if (st != CN_OK)
        return st;
    st = cn_protocol_parse(p->name, text, strlen(text), &q, &why);
    if (st == CN_ENOMEM)
        return no_memory(p, err);
    if (st != CN_OK)
        return refuse(err, "the protocol could not be read any more: %s", why.text);
    other = other_difference(p, q);
    if (other)
        st = refuse(err, "%s would read differently; an edit may change the rules only", other);
    if (st == CN_OK)
        st = check_rules(p, q, err);
    cn_protocol_free(q);
    return st;
}

cn_status cn_edit_apply(const struct cn_protocol *p, const char *old_text, const char *new_text,
                        struct cn_buf *out, struct cn_err *err)
{
    struct cn_buf old, new;
    size_t at = 0, n;
    cn_status st;

    cn_buf_reset(out);
    if (!has_markers(p))
        return cn_edit_check(p, "", err);
    if (!old_text[0])
        return refuse(err,
                      "old text is empty: quote the row to change, or the one to add after");
    st = check_words("old", old_text, err);
    if (st == CN_OK)
        st = check_words("new", new_text, err);
    if (st != CN_OK)
        return st;
    st = like_the_rules(p, old_text, &old, err);
    cn_buf_init(&new, CN_CAP_PROTOCOL);
    if (st == CN_OK)
        st = like_the_rules(p, new_text, &new, err);
    if (st == CN_OK)
        st = find_once(p, cn_buf_str(&old), &at, err);
    if (st == CN_OK) {
        n = with_line_break(p, at, old.len, cn_buf_str(&new));
        cn_buf_add(out, p->text, at);
        cn_buf_add(out, cn_buf_str(&new), new.len);
        cn_buf_add(out, p->text + at + n, p->n - at - n);
        st = cn_buf_status(out) == CN_OK ? cn_edit_check(p, cn_buf_str(out), err)
                                         : no_memory(p, err);
    }
    cn_buf_clear(&old);
    cn_buf_clear(&new);
    if (st != CN_OK)
        cn_buf_reset(out);
    return st;
}
