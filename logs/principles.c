/* See principles.h.
 *
 * 1. list lines of the three sections   2. citations   3. what a claim says   4. standing
 */
#include "logs/principles.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "logs/best.h"
#include "logs/project_int.h"

static const char *const sections[] = {"Established Principles", "Falsified Hypotheses",
                                       "Open Questions"};
enum { N_SECTIONS = sizeof(sections) / sizeof(sections[0]) };

const char *cn_claim_standing_name(cn_claim_standing s)
{
    static const char *const names[] = {"no evidence", "tentative", "established",
                                        "contradicted"};

    return names[s];
}

struct words {
    const char *p;
    size_t n;
};

static struct words trimmed(struct words w)
{
    while (w.n && strchr(" \t\r\n", *w.p)) {
        w.p++;
        w.n--;
    }
    while (w.n && strchr(" \t\r\n", w.p[w.n - 1]))
        w.n--;
    return w;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* ---- 1. list lines ---- */

/* The words behind "- ", "* ", "+ ", "3. " or "3) "; false for another line. */
static bool list_item(struct words line, struct words *out)
{
    struct words w = trimmed(line);
    size_t k = 0;

    while (k < w.n && is_digit(w.p[k]))
        k++;
    if (k == 0 && w.n && strchr("-*+", w.p[0]))
        k = 1;
    else if (k && k < w.n && (w.p[k] == '.' || w.p[k] == ')'))
        k++;
    else
        return false;
    if (k >= w.n || w.p[k] != ' ')
        return false;
    *out = trimmed((struct words){w.p + k, w.n - k});
    return out->n > 0;
}

/* ---- 2. citations: "(evidence: 4, 9; against: 12)" ---- */

static int by_id(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

static int64_t sort_ids(int64_t *ids, int64_t n)
{
    int64_t kept = 0;

    if (n > 1)
        qsort(ids, (size_t)n, sizeof *ids, by_id);
    for (int64_t i = 0; i < n; i++)
        if (kept == 0 || ids[kept - 1] != ids[i])
            ids[kept++] = ids[i];
    return kept;
}

static size_t find(struct words w, const char *what)
{
    size_t k = strlen(what);

    for (size_t i = 0; i + k <= w.n; i++)
        if (strncasecmp(w.p + i, what, k) == 0)
            return i;
    return w.n;
}

/* "4, 9 and #15", "iterations 4, 9": every number up to the first word that is none. */
static int64_t read_ids(struct words w, int64_t *out)
{
    static const char *const fillers[] = {"iterations", "iteration", "iters", "iter",
                                          "nodes",      "node",      "and"};
    int64_t n = 0;

    while (w.n) {
        size_t skip = strchr(" ,#&", *w.p) ? 1 : 0;
        for (size_t i = 0; !skip && i < sizeof fillers / sizeof fillers[0]; i++)
            if (find(w, fillers[i]) == 0)
                skip = strlen(fillers[i]);
        if (!skip && is_digit(*w.p)) {
            int64_t id = 0;
            for (; skip < w.n && is_digit(w.p[skip]); skip++)
                id = id < INT64_MAX / 100 ? id * 10 + (w.p[skip] - '0') : id;
            out[n++] = id;
        }
        if (!skip)
            break;
        w.p += skip;
        w.n -= skip;
    }
    return n;
}

/* The first bracket that cites; false when there is none. */
static bool find_citation(struct words w, struct words *out_before, struct words *out_inside)
{
    for (size_t i = 0; i < w.n; i++) {
        const char *end = w.p[i] == '(' ? memchr(w.p + i, ')', w.n - i) : NULL;
        struct words in = {w.p + i + 1, end ? (size_t)(end - w.p) - i - 1 : 0};
        if (!end || (find(in, "evidence:") == in.n && find(in, "for:") == in.n &&
                     find(in, "against:") == in.n))
            continue;
        *out_before = trimmed((struct words){w.p, i});
        *out_inside = in;
        return true;
    }
    return false;
}

static int64_t cited(struct words in, const char *key, int64_t *out)
{
    size_t at = find(in, key), k = strlen(key);

    return at < in.n ? read_ids((struct words){in.p + at + k, in.n - at - k}, out) : 0;
}

/* Ids that are no committed iterations go to `unknown`. */
static int64_t keep_known(const struct cn_history *h, int64_t *ids, int64_t n, int64_t *unknown,
                          int64_t *n_unknown)
{
    int64_t kept = 0;

    n = sort_ids(ids, n);
    for (int64_t i = 0; i < n; i++) {
        const struct cn_iteration *it = cn_history_iteration(h, ids[i]);
        if (it && cn_fact_committed(it))
            ids[kept++] = ids[i];
        else
            unknown[(*n_unknown)++] = ids[i];
    }
    return kept;
}

static cn_status read_citation(struct cn_claims *c, const struct cn_history *h,
                               struct words item, struct cn_claim *out)
{
    struct words before = item, in = {"", 0};
    int64_t *ids, n = 0;

    if (!find_citation(item, &before, &in))
        before = item;
    out->words = cn_arena_strndup(&c->arena, before.p, before.n);
    /* No two numbers stand in fewer than two bytes. */
    ids = cn_arena_alloc(&c->arena, 4 * (in.n / 2 + 2), sizeof *ids);
    if (!out->words || !ids)
        return CN_ENOMEM;
    out->verdict.pro = ids;
    out->verdict.contra = ids + 2 * (in.n / 2 + 1);
    n = cited(in, "evidence:", ids);
    n += cited(in, "for:", ids + n);
    out->unknown = cn_arena_alloc(&c->arena, in.n + 2, sizeof *ids);
    if (!out->unknown)
        return CN_ENOMEM;
    out->verdict.n_pro = keep_known(h, ids, n, out->unknown, &out->n_unknown);
    n = cited(in, "against:", out->verdict.contra);
    out->verdict.n_contra =
        keep_known(h, out->verdict.contra, n, out->unknown, &out->n_unknown);
    out->n_unknown = sort_ids(out->unknown, out->n_unknown);
    return CN_OK;
}

/* ---- 3. what a claim says ---- */

static const char *const up_words[] = {"raise",    "raises",    "raised",    "raising",
                                       "increase", "increases", "increased", "increasing",
                                       "higher",   "larger",    "bigger",    NULL};
static const char *const down_words[] = {
    "lower",      "lowers", "lowered", "lowering", "decrease", "decreases", "decreased",
    "decreasing", "reduce", "reduces", "reduced",  "reducing", "smaller",   NULL};
static const char *const help_words[] = {
    "help", "helps", "helped", "improve", "improves", "improved", "improving", "better", NULL};
static const char *const hurt_words[] = {
    "hurt",     "hurts", "harm",    "harms",    "harmed",  "worsen",
    "worsens",  "worse", "degrade", "degrades", "diverge", "diverges",
    "diverged", "fail",  "fails",   "failed",   "breaks",  NULL};
static const char *const not_words[] = {"no", "not", "never", "neither", "nor", "t", NULL};

static bool is_in(struct words w, const char *const *list)
{
    for (; *list; list++)
        if (strlen(*list) == w.n && strncasecmp(*list, w.p, w.n) == 0)
            return true;
    return false;
}

static bool is_name_byte(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c && strchr("_.+-", c));
}

/* The next run of name bytes, without dots and signs at its ends. */
static bool next_token(struct words *w, struct words *out)
{
    size_t k = 0;

    while (w->n && !is_name_byte(*w->p)) {
        w->p++;
        w->n--;
    }
    while (k < w->n && is_name_byte(w->p[k]))
        k++;
    *out = (struct words){w->p, k};
    w->p += k;
    w->n -= k;
    while (out->n && strchr(".-", out->p[out->n - 1]))
        out->n--;
    return k > 0;
}

static bool names_path(struct words token, const char *path)
{
    const char *tail = strrchr(path, '.');

    return (strlen(path) == token.n && memcmp(path, token.p, token.n) == 0) ||
           (tail && strlen(tail + 1) == token.n && memcmp(tail + 1, token.p, token.n) == 0);
}

/* The one key of the evidence that the words name: whole, or by its last part. NULL when they
 * name none or several. */
static const char *named_path(const struct cn_evidence *e, struct words w)
{
    const char *found = NULL;
    struct words t;

    while (next_token(&w, &t))
        for (int64_t i = 0; i < e->n_groups; i++)
            if (names_path(t, e->groups[i].path)) {
                if (found && strcmp(found, e->groups[i].path) != 0)
                    return NULL;
                found = e->groups[i].path;
            }
    return found;
}

/* "a -> b": a direction for numbers, else the value b. */
static const struct cn_group *group_of_arrow(const struct cn_evidence *e, const char *path,
                                             struct words w)
{
    size_t at = find(w, "->");
    struct words left = {w.p, at}, right, t, from = {"", 0}, to;
    double a, b;
    char text[2][64];

    if (at >= w.n)
        return NULL;
    right = (struct words){w.p + at + 2, w.n - at - 2};
    while (next_token(&left, &t))
        from = t;
    if (!next_token(&right, &to) || from.n >= sizeof text[0] || to.n >= sizeof text[0])
        return NULL;
    cn_text_format(text[0], sizeof text[0], "%.*s", (int)from.n, from.p);
    cn_text_format(text[1], sizeof text[1], "%.*s", (int)to.n, to.p);
    if (cn_text_parse_double(text[0], &a) && cn_text_parse_double(text[1], &b))
        return a == b ? NULL : cn_evidence_group(e, path, b > a ? 1 : -1, NULL);
    return cn_evidence_group(e, path, 0, text[1]);
}

static const struct cn_group *group_of(const struct cn_evidence *e, const char *path,
                                       struct words w)
{
    const struct cn_group *g = group_of_arrow(e, path, w);
    int direction = 0;
    struct words t;

    if (g)
        return g;
    while (next_token(&w, &t)) {
        int d = is_in(t, up_words) ? 1 : is_in(t, down_words) ? -1 : 0;
        if (d && direction && d != direction)
            return NULL;
        direction = d ? d : direction;
    }
    return direction ? cn_evidence_group(e, path, direction, NULL) : NULL;
}

/* False: none, or words that contradict each other. A "not" before it makes it unclear, but "no
 * effect" and "not matter" are plain. */
static bool effect_of(struct words w, int *out)
{
    static const char *const none[] = {"effect", "matter", NULL};
    struct words t, before = {"", 0};
    bool any = false;

    while (next_token(&w, &t)) {
        bool negated = before.n && is_in(before, not_words);
        int e = is_in(t, help_words) ? 1 : is_in(t, hurt_words) ? -1 : 0;
        before = t;
        if (e == 0 && !(negated && is_in(t, none)))
            continue;
        if ((e && negated) || (any && e != *out))
            return false;
        *out = e;
        any = true;
    }
    return any;
}

static struct cn_saying read_saying(const struct cn_evidence *e, const char *text)
{
    struct words w = {text, strlen(text)};
    struct cn_saying s = {NULL, 0};
    const char *path = named_path(e, w);

    if (path && effect_of(w, &s.effect))
        s.group = group_of(e, path, w);
    return s;
}

/* ---- 4. standing ---- */

static bool speaks_for(const struct cn_try *t, int effect)
{
    return effect > 0   ? t->gain.better
           : effect < 0 ? t->failed || t->gain.worse
                        : t->gain.known && !t->gain.better && !t->gain.worse;
}

static bool speaks_against(const struct cn_try *t, int effect)
{
    return effect > 0   ? t->failed || t->gain.worse
           : effect < 0 ? t->gain.better
                        : t->failed || t->gain.better || t->gain.worse;
}

/* Two or more nodes or seeds: one lucky config cannot establish anything. */
static bool is_spread(const struct cn_history *h, const int64_t *ids, int64_t n)
{
    const struct cn_iteration *first = n ? cn_history_iteration(h, ids[0]) : NULL;

    for (int64_t i = 1; i < n; i++) {
        const struct cn_iteration *it = cn_history_iteration(h, ids[i]);
        if (it->node != first->node || it->train_seed != first->train_seed)
            return true;
    }
    return false;
}

static cn_claim_standing standing_of(const struct cn_history *h, const struct cn_verdict_of *v)
{
    if (v->n_contra > 0 && 4 * v->n_contra >= v->n_pro)
        return CN_CLAIM_CONTRADICTED;
    if (v->n_pro == 0)
        return CN_CLAIM_NONE;
    return v->n_pro >= 3 && v->n_contra == 0 && is_spread(h, v->pro, v->n_pro)
               ? CN_CLAIM_ESTABLISHED
               : CN_CLAIM_TENTATIVE;
}

static bool varies(const struct cn_history *h, const struct cn_evidence *e,
                   const struct cn_verdict_of *v)
{
    static const double cv_limit = 0.05;

    for (int64_t i = 0; i < v->n_pro; i++) {
        const struct cn_iteration *it = cn_history_iteration(h, v->pro[i]);
        const struct cn_node_runs *r = cn_evidence_runs(e, h, it->node);
        if (r && r->search.sample.n > 1 &&
            !(r->search.sample.std < cv_limit * fabs(r->search.sample.mean)))
            return true;
    }
    return !(e->noise.df > 0);
}

static int confidence_of(const struct cn_history *h, const struct cn_evidence *e,
                         const struct cn_verdict_of *v, int64_t rejected)
{
    int64_t n_blocks = 0, last = -1, first = 0;
    bool one_regime = true;
    double c;

    if (v->n_pro == 0 || v->standing == CN_CLAIM_CONTRADICTED)
        return 0;
    for (int64_t i = 0; i < v->n_pro; i++) { /* ids ascend, and blocks with them */
        int64_t number = cn_history_iteration(h, v->pro[i])->block;
        n_blocks += number != last;
        last = number;
        first = first ? first : number;
        one_regime = one_regime && cn_history_same_regime(h, first, number);
    }
    c = 30 + 5 * log2((double)v->n_pro + 1) + 10 * log2((double)rejected + 1) +
        15 * (double)n_blocks;
    c = fmin(c, varies(h, e, v) ? 85 : 100) - (one_regime ? 15 : 0);
    return (int)lround(fmax(c, 0));
}

static int64_t rejected_by(const struct cn_evidence *e, const struct cn_saying *s)
{
    const struct cn_group *other =
        s->effect > 0 && s->group->direction
            ? cn_evidence_group(e, s->group->path, -s->group->direction, NULL)
            : NULL;

    return other ? other->worse + other->failed : 0;
}

cn_status cn_saying_judge(const struct cn_saying *s, const struct cn_history *h,
                          const struct cn_evidence *e, struct cn_arena *a,
                          struct cn_verdict_of *out)
{
    const struct cn_group *g = s->group;

    memset(out, 0, sizeof *out);
    out->pro = cn_arena_alloc(a, (size_t)g->n, sizeof *out->pro);
    out->contra = cn_arena_alloc(a, (size_t)g->n, sizeof *out->contra);
    if (!out->pro || !out->contra)
        return CN_ENOMEM;
    for (int64_t i = 0; i < g->n; i++) {
        const struct cn_try *t = &e->tries[g->tries[i]];
        if (speaks_for(t, s->effect))
            out->pro[out->n_pro++] = t->node;
        else if (speaks_against(t, s->effect))
            out->contra[out->n_contra++] = t->node;
    }
    out->standing = standing_of(h, out);
    out->confidence = confidence_of(h, e, out, rejected_by(e, s));
    return CN_OK;
}

static cn_status judge(struct cn_claims *c, const struct cn_history *h,
                       const struct cn_evidence *e, struct cn_claim *claim)
{
    claim->says = read_saying(e, claim->words);
    if (claim->says.group)
        return cn_saying_judge(&claim->says, h, e, &c->arena, &claim->verdict);
    claim->verdict.standing = standing_of(h, &claim->verdict);
    claim->verdict.confidence = confidence_of(h, e, &claim->verdict, 0);
    return CN_OK;
}

/* ---- all claims ---- */

static int64_t count_lines(const char *s)
{
    int64_t n = 1;

    for (; *s; s++)
        n += *s == '\n';
    return n;
}

static cn_status read_section(struct cn_claims *c, const struct cn_history *h,
                              const struct cn_evidence *e, const char *section,
                              const char *text)
{
    bool fenced = false;
    cn_status st = CN_OK;

    while (st == CN_OK && *text) {
        struct words line = {text, strcspn(text, "\n")}, item;
        struct cn_claim *claim = &c->all[c->n];
        fenced = fenced != (line.n >= 3 && memcmp(text, "```", 3) == 0);
        if (!fenced && list_item(line, &item)) {
            claim->section = section;
            st = read_citation(c, h, item, claim);
            if (st == CN_OK)
                st = judge(c, h, e, claim);
            c->n++;
        }
        text += line.n + (text[line.n] == '\n');
    }
    return st;
}

cn_status cn_claims_init(struct cn_claims *c, const struct cn_history *h,
                         const struct cn_evidence *e, const char *free_text)
{
    struct cn_buf words;
    cn_status st = CN_OK;

    memset(c, 0, sizeof *c);
    cn_arena_init(&c->arena, CN_CAP_ARENA);
    c->all = cn_arena_alloc(&c->arena, (size_t)count_lines(free_text) + 1, sizeof *c->all);
    if (!c->all)
        return CN_ENOMEM;
    cn_buf_init(&words, CN_CAP_TEXT);
    for (int i = 0; st == CN_OK && i < N_SECTIONS; i++) {
        cn_buf_reset(&words);
        cn_memory_section(free_text, sections[i], &words);
        st = cn_buf_status(&words);
        if (st == CN_OK)
            st = read_section(c, h, e, sections[i], cn_buf_str(&words));
    }
    cn_buf_clear(&words);
    return st;
}

void cn_claims_clear(struct cn_claims *c)
{
    cn_arena_clear(&c->arena);
    memset(c, 0, sizeof *c);
}
