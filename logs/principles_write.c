/* What the embedded proposer writes into the memory at a block's end: its own lines of the
 * principles, and a hypothesis for the block that comes. See principles.h.
 *
 * A line is its own when it has the very form that is written here; a person who changes its words
 * makes it theirs. Everything follows from the record and the text, so a harness that was killed
 * and does it again writes the same.
 */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "logs/best.h"
#include "logs/principles.h"
#include "logs/project_int.h"

enum { IDS_MOST = 12 };
static const char own_mark[] = " (embedded; evidence: ";

/* ---- own lines of the principles ---- */

/* "- raising training.lr_W helps" */
static void put_saying(const struct cn_saying *s, struct cn_buf *out)
{
    cn_evidence_name(s->group, out);
    cn_buf_adds(out, s->effect > 0 ? " helps" : " hurts");
}

static void put_ids(struct cn_buf *out, const int64_t *ids, int64_t n)
{
    for (int64_t i = 0; i < n && i < IDS_MOST; i++)
        cn_buf_printf(out, "%s%lld", i ? ", " : "", (long long)ids[i]);
}

static void put_own_line(const struct cn_saying *s, const struct cn_verdict_of *v,
                         struct cn_buf *out)
{
    cn_buf_adds(out, "- ");
    put_saying(s, out);
    cn_buf_adds(out, own_mark);
    put_ids(out, v->pro, v->n_pro);
    if (v->n_contra) {
        cn_buf_adds(out, "; against: ");
        put_ids(out, v->contra, v->n_contra);
    }
    cn_buf_adds(out, ")\n");
}

/* Is this line the one that put_own_line writes for the saying, whatever its ids? */
static bool is_own_line(const char *line, size_t n, const char *head, size_t head_n)
{
    size_t at = 2 + head_n + sizeof own_mark - 1;

    if (n < at + 1 || memcmp(line, "- ", 2) != 0 || memcmp(line + 2, head, head_n) != 0 ||
        memcmp(line + 2 + head_n, own_mark, sizeof own_mark - 1) != 0 || line[n - 1] != ')')
        return false;
    for (; at + 1 < n; at++)
        if (!strchr("0123456789, ;agints:", line[at]))
            return false;
    return true;
}

/* Where the own line of one saying stands and where it belongs. */
struct own {
    struct cn_saying says;
    struct cn_verdict_of verdict;
    const char *head; /* its words */
    size_t head_n;
    int had;     /* the section that it stands in; -1: none */
    int section; /* that it belongs to; -1: none */
};

enum { ESTABLISHED, FALSIFIED, OPEN, N_PLACES };
static const char *const places[N_PLACES] = {"Established Principles", "Falsified Hypotheses",
                                             "Open Questions"};

struct writer {
    struct cn_arena arena;
    struct cn_evidence e;
    struct own *own;
    int64_t n_own;
};

static struct own *owner_of(struct writer *w, const char *line, size_t n)
{
    for (int64_t i = 0; i < w->n_own; i++)
        if (is_own_line(line, n, w->own[i].head, w->own[i].head_n))
            return &w->own[i];
    return NULL;
}

/* The words of others in a section, as they are; own lines are left out and noted. */
static void take_others(struct writer *w, int section, const char *words, struct cn_buf *out)
{
    bool fenced = false;

    while (*words) {
        size_t n = strcspn(words, "\n"), whole = n + (words[n] == '\n');
        struct own *own;
        fenced = fenced != (n >= 3 && memcmp(words, "```", 3) == 0);
        own = fenced ? NULL : owner_of(w, words, n);
        if (own)
            own->had = section;
        else
            cn_buf_add(out, words, whole);
        words += whole;
    }
    if (out->len && cn_buf_str(out)[out->len - 1] != '\n')
        cn_buf_addc(out, '\n');
}

static cn_status add_own(struct writer *w, const struct cn_history *h, const struct cn_group *g,
                         int effect)
{
    struct own *o = &w->own[w->n_own++];
    struct cn_buf head;
    cn_status st;

    o->says = (struct cn_saying){g, effect};
    o->had = -1;
    st = cn_saying_judge(&o->says, h, &w->e, &w->arena, &o->verdict);
    cn_buf_init(&head, CN_CAP_RECORD);
    put_saying(&o->says, &head);
    if (st == CN_OK)
        st = cn_buf_status(&head);
    o->head_n = head.len;
    o->head = st == CN_OK ? cn_arena_strdup(&w->arena, cn_buf_str(&head)) : NULL;
    cn_buf_clear(&head);
    return st == CN_OK && !o->head ? CN_ENOMEM : st;
}

static cn_status writer_init(struct writer *w, const struct cn_history *h)
{
    cn_status st;

    memset(w, 0, sizeof *w);
    cn_arena_init(&w->arena, CN_CAP_ARENA);
    st = cn_evidence_init(&w->e, h);
    w->own = cn_arena_alloc(&w->arena, 2 * (size_t)w->e.n_groups + 1, sizeof *w->own);
    if (st == CN_OK && !w->own)
        st = CN_ENOMEM;
    for (int64_t i = 0; st == CN_OK && i < 2 * w->e.n_groups; i++)
        st = add_own(w, h, &w->e.groups[i / 2], i % 2 ? -1 : 1);
    return st;
}

static void writer_clear(struct writer *w)
{
    cn_evidence_clear(&w->e);
    cn_arena_clear(&w->arena);
}

/* In a window of a long run less may be seen than was established: only what contradicts it
 * moves a line then. */
static void find_places(struct writer *w, const struct cn_history *h)
{
    for (int64_t i = 0; i < w->n_own; i++) {
        struct own *o = &w->own[i];
        o->section = o->verdict.standing == CN_CLAIM_ESTABLISHED    ? ESTABLISHED
                     : o->had < 0                                   ? -1
                     : o->verdict.standing == CN_CLAIM_CONTRADICTED ? FALSIFIED
                     : h->older.first > 1                           ? o->had
                                                                    : OPEN;
    }
}

/* Others first, then the own lines, as many as fit. */
static void put_own_lines(const struct writer *w, int section, struct cn_buf *out)
{
    for (int64_t i = 0; i < w->n_own; i++) {
        size_t before = out->len;
        if (w->own[i].section != section)
            continue;
        put_own_line(&w->own[i].says, &w->own[i].verdict, out);
        if (out->len > CN_CAP_MEMORY_SECTION && cn_buf_status(out) == CN_OK) {
            out->len = before;
            out->data[before] = '\0';
            return;
        }
    }
}

/* One section replaced in `text`; words of others that the form does not allow leave it all as it
 * was (*out_refused). */
static cn_status replace(struct cn_buf *text, const char *name, const char *words,
                         bool *out_refused)
{
    struct cn_buf next;
    cn_status st;

    cn_buf_init(&next, CN_CAP_TEXT);
    st = cn_memory_replace(cn_buf_str(text), name, words, &next, NULL);
    *out_refused = st == CN_EINPUT;
    if (st == CN_OK) {
        struct cn_buf old = *text;
        *text = next;
        next = old;
    }
    cn_buf_clear(&next);
    return *out_refused ? CN_OK : st;
}

static cn_status rewrite(struct writer *w, const struct cn_history *h, const char *free_text,
                         struct cn_buf *text)
{
    struct cn_buf words[N_PLACES], section;
    bool refused = false;
    cn_status st = CN_OK;

    cn_buf_init(&section, CN_CAP_TEXT);
    for (int k = 0; k < N_PLACES; k++) {
        cn_buf_init(&words[k], CN_CAP_TEXT);
        cn_buf_reset(&section);
        cn_memory_section(free_text, places[k], &section);
        take_others(w, k, cn_buf_str(&section), &words[k]);
    }
    find_places(w, h);
    for (int k = 0; st == CN_OK && !refused && k < N_PLACES; k++) {
        put_own_lines(w, k, &words[k]);
        st = cn_buf_status(&words[k]);
        if (st == CN_OK)
            st = replace(text, places[k], cn_buf_str(&words[k]), &refused);
    }
    if (refused) {
        cn_buf_reset(text);
        cn_buf_adds(text, free_text);
    }
    for (int k = 0; k < N_PLACES; k++)
        cn_buf_clear(&words[k]);
    cn_buf_clear(&section);
    return st;
}

cn_status cn_principles_update(const struct cn_history *h, const char *free_text,
                               struct cn_buf *out, struct cn_err *err)
{
    struct writer w;
    struct cn_buf text;
    cn_status st = writer_init(&w, h);

    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_adds(&text, free_text);
    if (st == CN_OK)
        st = rewrite(&w, h, free_text, &text);
    if (st == CN_OK)
        cn_buf_add(out, cn_buf_str(&text), text.len);
    if (st == CN_OK)
        st = cn_buf_status(out);
    cn_buf_clear(&text);
    writer_clear(&w);
    return st == CN_OK ? st : cn_err_set(err, st, "memory: no room for the principles");
}

/* ---- the hypothesis ---- */

static const char own_block[] = "- Block ", own_author[] = " (embedded): ";

/* The block of an own item's first line; 0 for any other line. */
static int64_t own_item(const char *line, size_t n)
{
    size_t at = sizeof own_block - 1;
    int64_t block = 0;

    if (n < at || memcmp(line, own_block, at) != 0)
        return 0;
    for (; at < n && line[at] >= '0' && line[at] <= '9' && block < INT64_MAX / 100; at++)
        block = block * 10 + (line[at] - '0');
    return n >= at + sizeof own_author - 1 &&
                   memcmp(line + at, own_author, sizeof own_author - 1) == 0
               ? block
               : 0;
}

/* The direction that an own item names: its words are those of a group, with " helps". */
static const struct cn_group *item_group(const struct cn_evidence *e, const char *line,
                                         size_t n)
{
    const char *says = memchr(line, ':', n);
    struct cn_buf name;
    const struct cn_group *found = NULL;

    cn_buf_init(&name, CN_CAP_RECORD);
    for (int64_t i = 0; says && !found && i < e->n_groups; i++) {
        cn_buf_reset(&name);
        put_saying(&(struct cn_saying){&e->groups[i], 1}, &name);
        if (cn_buf_status(&name) == CN_OK && n == (size_t)(says - line) + 2 + name.len &&
            memcmp(says + 2, cn_buf_str(&name), name.len) == 0)
            found = &e->groups[i];
    }
    cn_buf_clear(&name);
    return found;
}

/* "0.697 (n = 4)": the block's leader in the metric; false: nobody. */
static bool put_leader(const struct cn_history *h, int64_t block, struct cn_buf *out)
{
    struct cn_best b;
    cn_status st = cn_fact_leader(h, block, &b);

    if (st != CN_OK)
        out->status = st;
    if (st != CN_OK || b.first.n == 0)
        return false;
    cn_prose_short(out, cn_fact_metric(h, b.first.mean));
    cn_buf_printf(out, " (n = %lld)", (long long)b.first.n);
    return true;
}

struct tally {
    int64_t n, better, worse;
};

static void tally_try(struct tally *c, const struct cn_try *t)
{
    c->n++;
    c->better += t->gain.better;
    c->worse += t->failed || t->gain.worse;
}

/* Tries of the item's direction in its block; an item that names a key alone: of the key. */
static struct tally tally_of(const struct cn_evidence *e, int64_t block, const char *line,
                             size_t n)
{
    const struct cn_group *g = item_group(e, line, n);
    struct tally c = {0, 0, 0};

    for (int64_t i = 0; i < e->n_tries; i++) {
        const struct cn_try *t = &e->tries[i];
        const char *key = strstr(line, t->path);
        size_t k = strlen(t->path);
        bool same = g ? strcmp(g->path, t->path) == 0 && g->direction == t->direction &&
                            (g->direction || strcmp(g->value, t->new_text) == 0)
                      : key && key + k <= line + n && key[-1] == ' ' && key[k] == ' ';
        if (t->block == block && same)
            tally_try(&c, t);
    }
    return c;
}

static void put_status(const struct cn_history *h, const struct cn_evidence *e, int64_t block,
                       const char *line, size_t n, struct cn_buf *out)
{
    struct tally c = tally_of(e, block, line, n);
    const char *word = c.n == 0               ? "not tested"
                       : c.better && !c.worse ? "supported"
                       : c.worse && !c.better ? "falsified"
                                              : "inconclusive";

    cn_buf_printf(out, "  Status: %s", word);
    if (c.n)
        cn_buf_printf(out, ": of %lld tries %lld better and %lld worse beyond the noise",
                      (long long)c.n, (long long)c.better, (long long)c.worse);
    cn_buf_printf(out, "; the best of block %lld is ", (long long)block);
    if (!put_leader(h, block, out))
        cn_buf_adds(out, "none");
    cn_buf_addc(out, '\n');
}

/* Words of others as they are; of the own items only that of the block that ends, with its
 * status. */
static void keep_items(const struct cn_history *h, const struct cn_evidence *e,
                       const char *words, int64_t closed, struct cn_buf *out)
{
    const char *item = NULL; /* the first line of the own item that is being walked */
    bool kept = false;

    while (*words) {
        size_t n = strcspn(words, "\n"), whole = n + (words[n] == '\n');
        int64_t block = own_item(words, n);
        item = block > 0 ? words : item && n > 2 && memcmp(words, "  ", 2) == 0 ? item : NULL;
        kept = block > 0 ? block == closed : kept;
        if (!item || (kept && !(n > 9 && memcmp(words, "  Status:", 9) == 0))) {
            cn_buf_add(out, words, n);
            cn_buf_addc(out, '\n');
        } else if (kept) {
            put_status(h, e, closed, item, strcspn(item, "\n"), out);
        }
        words += whole;
    }
}

static bool allowed(const struct cn_hypothesis_opts *o, const char *path)
{
    for (int i = 0; i < o->n_params; i++)
        if (strcmp(o->params[i], path) == 0)
            return true;
    return false;
}

/* What it is worth at least; where that is not known, its mean. */
static bool promises_more(const struct cn_group *a, const struct cn_group *b)
{
    if (a->effect.known != b->effect.known)
        return a->effect.known;
    return a->effect.known ? a->effect.lo > b->effect.lo : a->effect.mean > b->effect.mean;
}

static const struct cn_group *most_promising(const struct cn_evidence *e,
                                             const struct cn_hypothesis_opts *o)
{
    const struct cn_group *best = NULL;

    for (int64_t i = 0; i < e->n_groups; i++) {
        const struct cn_group *g = &e->groups[i];
        if (!(g->effect.mean > 0) || g->worse + g->failed > g->better || !allowed(o, g->path))
            continue;
        if (!best || promises_more(g, best))
            best = g;
    }
    return best;
}

static const char *least_tried(const struct cn_evidence *e, const struct cn_hypothesis_opts *o)
{
    const char *least = NULL;
    int64_t fewest = INT64_MAX;

    for (int i = 0; i < o->n_params; i++) {
        int64_t n = 0;
        for (int64_t k = 0; k < e->n_groups; k++)
            n += strcmp(e->groups[k].path, o->params[i]) == 0 ? e->groups[k].n : 0;
        if (n < fewest) {
            fewest = n;
            least = o->params[i];
        }
    }
    return least;
}

static void put_rationale(const struct cn_history *h, const struct cn_group *g,
                          struct cn_buf *out)
{
    cn_buf_adds(out, "\n  Rationale: ");
    cn_evidence_words(h, &g->effect, out);
    cn_buf_adds(out, " on ");
    cn_prose_name(out, h->info.reward);
    cn_buf_printf(out, " over %lld tries, %lld better and %lld worse beyond the noise",
                  (long long)g->n, (long long)g->better, (long long)(g->worse + g->failed));
}

static void put_next(const struct cn_history *h, const struct cn_evidence *e,
                     const struct cn_hypothesis_opts *o, struct cn_buf *out)
{
    const struct cn_group *g = most_promising(e, o);
    const char *key = g ? g->path : least_tried(e, o);
    size_t before;
    long long next = (long long)o->closed + 1;

    if (!key)
        return;
    cn_buf_printf(out, "%s%lld%s", own_block, next, own_author);
    if (g) {
        put_saying(&(struct cn_saying){g, 1}, out);
        put_rationale(h, g, out);
    } else {
        cn_buf_adds(out, "a change of ");
        cn_prose_name(out, key);
        cn_buf_adds(out,
                    " helps\n  Rationale: no direction is known to help; it was tried least");
    }
    if (o->focus && o->focus[0]) {
        cn_buf_adds(out, "; the protocol's focus is ");
        cn_prose(out, o->focus);
    }
    cn_buf_printf(out, "\n  Test: single changes of it in block %lld\n  Expected: ", next);
    before = out->len;
    cn_buf_adds(out, h->info.reward_lower_is_better ? "below " : "above ");
    if (put_leader(h, o->closed, out)) {
        cn_buf_printf(out, ", the best of block %lld", (long long)o->closed);
    } else if (cn_buf_status(out) == CN_OK) {
        out->len = before;
        cn_buf_adds(out, "a result");
    }
    cn_buf_adds(out, "\n  Status: open\n");
}

cn_status cn_hypothesis_update(const struct cn_history *h, const char *free_text,
                               const struct cn_hypothesis_opts *o, struct cn_buf *out,
                               struct cn_err *err)
{
    struct cn_evidence e;
    struct cn_buf text, section, words;
    bool refused = false;
    cn_status st = cn_evidence_init(&e, h);

    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_init(&section, CN_CAP_TEXT);
    cn_buf_init(&words, CN_CAP_TEXT);
    cn_buf_adds(&text, free_text);
    cn_memory_section(free_text, "Hypothesis", &section);
    if (st == CN_OK) {
        keep_items(h, &e, cn_buf_str(&section), o->closed, &words);
        if (o->goes_on)
            put_next(h, &e, o, &words);
        st = cn_buf_status(&words);
    }
    if (st == CN_OK)
        st = replace(&text, "Hypothesis", cn_buf_str(&words), &refused);
    if (st == CN_OK)
        cn_buf_add(out, cn_buf_str(&text), text.len);
    if (st == CN_OK)
        st = cn_buf_status(out);
    cn_buf_clear(&words);
    cn_buf_clear(&section);
    cn_buf_clear(&text);
    cn_evidence_clear(&e);
    return st == CN_OK ? st : cn_err_set(err, st, "memory: no room for the hypothesis");
}
