/* What models said and is not used yet, as the fact "llm.said": one JSON object, written in one
 * transaction when an exchange is over and used piece by piece. A harness that was killed reads it
 * back: nothing that was said is lost, and nothing is used twice, because every piece is named
 * after the iteration, the block or the message that it is for. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/consult_int.h"

enum { FORM = 1, KEPT = 4 * CN_CONSULT_MANY };

/* ------------------------------------------------------------------ finding */

const struct cn_wish *cn_sayings_wish(const struct cn_sayings *s, int64_t iteration)
{
    for (int i = 0; i < s->n_wishes; i++)
        if (s->wishes[i].said.iteration == iteration)
            return &s->wishes[i];
    return NULL;
}

const struct cn_gap *cn_sayings_gap(const struct cn_sayings *s, int64_t iteration)
{
    for (int i = 0; i < s->n_gaps; i++)
        if (s->gaps[i].iteration == iteration)
            return &s->gaps[i];
    return NULL;
}

const struct cn_words *cn_sayings_words(const struct cn_sayings *s, int64_t iteration)
{
    for (int i = 0; i < s->n_words; i++)
        if (s->words[i].said.iteration == iteration)
            return &s->words[i];
    return NULL;
}

/* ------------------------------------------------------------------ writing */

static void put_changes(struct cn_json_writer *w, const char *key, const struct cn_change *c,
                        int n)
{
    cn_json_open(w, key, '[');
    for (int i = 0; i < n; i++) {
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "path", c[i].path);
        cn_json_add_string(w, "value", c[i].value);
        cn_json_close(w);
    }
    cn_json_close(w);
}

static void put_wish(struct cn_json_writer *w, const struct cn_said_proposal *p,
                     const char *author)
{
    cn_json_open(w, NULL, '{');
    cn_json_add_int(w, "iteration", p->iteration);
    cn_json_add_int(w, "parent", p->parent);
    cn_json_add_bool(w, "replicate", p->replicate);
    cn_json_add_string(w, "strategy", p->strategy);
    put_changes(w, "changes", p->changes, p->n_changes);
    cn_json_add_string(w, "hypothesis", p->hypothesis);
    cn_json_add_string(w, "prediction", p->prediction);
    cn_json_add_double(w, "expected", p->expected);
    cn_json_add_double(w, "probability", p->probability);
    cn_json_add_string(w, "author", author);
    cn_json_close(w);
}

static void put_words(struct cn_json_writer *w, const struct cn_said_analysis *a,
                      const char *author, const char *why)
{
    cn_json_open(w, NULL, '{');
    cn_json_add_int(w, "iteration", a->iteration);
    cn_json_add_string(w, "observation", a->observation);
    cn_json_add_string(w, "activity", a->activity);
    cn_json_add_string(w, "embedding", a->embedding);
    cn_json_add_string(w, "verdict", a->verdict);
    cn_json_add_string(w, "author", author);
    cn_json_add_string(w, "why", why);
    cn_json_close(w);
}

static void put_gap(struct cn_json_writer *w, int64_t iteration, const char *why)
{
    cn_json_open(w, NULL, '{');
    cn_json_add_int(w, "iteration", iteration);
    cn_json_add_string(w, "why", why);
    cn_json_close(w);
}

static void put_memory(struct cn_json_writer *w, const struct cn_said_memory *m, int n,
                       const char *author, const char *mark)
{
    cn_json_open(w, "memory", '{');
    cn_json_add_string(w, "author", author);
    cn_json_add_string(w, "mark", mark);
    cn_json_open(w, "sections", '[');
    for (int i = 0; i < n; i++) {
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "section", m[i].section);
        cn_json_add_string(w, "words", m[i].words);
        cn_json_close(w);
    }
    cn_json_close(w);
    cn_json_close(w);
}

struct block_end {
    int64_t number;
    const char *author, *why, *summary;
    const struct cn_said_edit *edits;
    int n_edits;
    const struct cn_change *regime;
    int n_regime;
};

static void put_block(struct cn_json_writer *w, const struct block_end *b)
{
    cn_json_open(w, "block", '{');
    cn_json_add_int(w, "number", b->number);
    cn_json_add_string(w, "author", b->author);
    cn_json_add_string(w, "why", b->why);
    cn_json_add_string(w, "summary", b->summary);
    cn_json_open(w, "edits", '[');
    for (int i = 0; i < b->n_edits; i++) {
        cn_json_open(w, NULL, '{');
        cn_json_add_string(w, "old", b->edits[i].old_text);
        cn_json_add_string(w, "new", b->edits[i].new_text);
        cn_json_add_string(w, "reason", b->edits[i].reason);
        cn_json_close(w);
    }
    cn_json_close(w);
    put_changes(w, "regime", b->regime, b->n_regime);
    cn_json_close(w);
}

/* ------------------------------------------------------------------ joining */

struct joining {
    const struct cn_sayings *old;
    const struct cn_history *h;
    const struct cn_need *need;
    const struct cn_said *said;
    int64_t next;
    struct cn_json_writer w;
};

static bool is_among(int64_t x, const int64_t *ids, int n)
{
    for (int i = 0; i < n; i++)
        if (ids[i] == x)
            return true;
    return false;
}

static void join_wishes(struct joining *j)
{
    const struct cn_need *need = j->need;

    cn_json_open(&j->w, "proposals", '[');
    for (int i = 0; i < j->old->n_wishes; i++) {
        const struct cn_wish *x = &j->old->wishes[i];

        if (x->said.iteration >= j->next &&
            !is_among(x->said.iteration, need->propose, need->n_propose))
            put_wish(&j->w, &x->said, x->author);
    }
    for (int i = 0; i < j->said->n_proposals; i++)
        put_wish(&j->w, &j->said->proposals[i], j->said->author);
    cn_json_close(&j->w);
}

static bool was_proposed(const struct cn_said *s, int64_t iteration)
{
    for (int i = 0; i < s->n_proposals; i++)
        if (s->proposals[i].iteration == iteration)
            return true;
    return false;
}

static void join_gaps(struct joining *j)
{
    const struct cn_need *need = j->need;

    cn_json_open(&j->w, "gaps", '[');
    for (int i = 0; i < j->old->n_gaps; i++)
        if (j->old->gaps[i].iteration >= j->next &&
            !is_among(j->old->gaps[i].iteration, need->propose, need->n_propose))
            put_gap(&j->w, j->old->gaps[i].iteration, j->old->gaps[i].why);
    for (int i = 0; i < need->n_propose; i++)
        if (!was_proposed(j->said, need->propose[i]))
            put_gap(&j->w, need->propose[i],
                    j->said->why[0] ? j->said->why : "it proposed nothing");
    cn_json_close(&j->w);
}

static const struct cn_said_analysis *analysis_of(const struct cn_said *s, int64_t iteration)
{
    for (int i = 0; i < s->n_analyses; i++)
        if (s->analyses[i].iteration == iteration)
            return &s->analyses[i];
    return NULL;
}

static void join_words(struct joining *j)
{
    const struct cn_need *need = j->need;

    cn_json_open(&j->w, "analyses", '[');
    for (int i = 0; i < j->old->n_words; i++) {
        const struct cn_words *x = &j->old->words[i];
        const struct cn_iteration *it = cn_history_iteration(j->h, x->said.iteration);

        if (it && it->state < CN_ITER_ANALYSED &&
            !is_among(x->said.iteration, need->finished, need->n_finished))
            put_words(&j->w, &x->said, x->author, x->why);
    }
    for (int i = 0; i < need->n_finished; i++) {
        const struct cn_said_analysis *a = analysis_of(j->said, need->finished[i]);
        const struct cn_said_analysis none = {need->finished[i], "", "", "", ""};

        put_words(&j->w, a ? a : &none, j->said->author,
                  a                 ? ""
                  : j->said->why[0] ? j->said->why
                                    : "it said nothing about it");
    }
    cn_json_close(&j->w);
}

static void join_block(struct joining *j)
{
    const struct cn_sayings *o = j->old;
    const struct cn_said *s = j->said;
    struct block_end b = {.number = o->block,
                          .author = o->block_author,
                          .why = o->block_why,
                          .summary = o->summary,
                          .edits = o->edits,
                          .n_edits = o->n_edits,
                          .regime = o->regime,
                          .n_regime = o->n_regime};

    if (j->need->phase == CN_CONSULT_BLOCK_END)
        b = (struct block_end){.number = j->need->block,
                               .author = s->author,
                               .why = s->why,
                               .summary = s->summary,
                               .edits = s->edits,
                               .n_edits = s->n_edits,
                               .regime = s->regime,
                               .n_regime = s->n_regime};
    if (b.number > 0)
        put_block(&j->w, &b);
}

/* Names the version of the memory after what it followed, so that it is made once. */
static void join_memory(struct joining *j)
{
    char mark[80];

    if (j->need->phase == CN_CONSULT_BLOCK_END)
        cn_text_format(mark, sizeof mark, "end of block %lld", (long long)j->need->block);
    else
        cn_text_format(mark, sizeof mark, "before iteration %lld", (long long)j->next);
    if (j->said->n_memory > 0)
        put_memory(&j->w, j->said->memory, j->said->n_memory, j->said->author, mark);
    else if (j->old->n_memory > 0)
        put_memory(&j->w, j->old->memory, j->old->n_memory, j->old->memory_author,
                   j->old->memory_mark);
}

void cn_sayings_join(const struct cn_sayings *old, const struct cn_history *h,
                     const struct cn_need *need, const struct cn_said *said, int64_t next,
                     int64_t answered, struct cn_buf *out)
{
    struct joining j = {old, h, need, said, next, {0}};
    bool anew = said->answer_to_person[0] != '\0';

    cn_json_begin(&j.w, out, 0);
    cn_json_open(&j.w, NULL, '{');
    cn_json_add_int(&j.w, "form", FORM);
    join_wishes(&j);
    join_gaps(&j);
    join_words(&j);
    join_block(&j);
    join_memory(&j);
    if (anew || old->answered_upto > 0) {
        cn_json_open(&j.w, "answer", '{');
        cn_json_add_int(&j.w, "upto", anew ? answered : old->answered_upto);
        cn_json_add_int(&j.w, "iteration", anew ? next : old->answered_at);
        cn_json_add_string(&j.w, "text", anew ? said->answer_to_person : old->answer);
        cn_json_close(&j.w);
    }
    cn_json_close(&j.w);
}

/* ------------------------------------------------------------------ reading */

struct reading {
    struct cn_sayings *s;
    bool wrong, no_memory;
};

static const char *text(struct reading *r, const struct cn_json *v, const char *key)
{
    const char *s = cn_json_string(cn_json_get(v, key));
    const char *copy = s ? cn_arena_strdup(&r->s->arena, s) : NULL;

    r->wrong = r->wrong || !s;
    r->no_memory = r->no_memory || (s && !copy);
    return copy ? copy : "";
}

static int64_t whole(struct reading *r, const struct cn_json *v, const char *key)
{
    int64_t x = 0;

    if (!cn_json_int64(cn_json_get(v, key), &x))
        r->wrong = true;
    return x;
}

static double number(const struct cn_json *v, const char *key)
{
    double x;

    return cn_json_number(cn_json_get(v, key), &x) ? x : (double)NAN;
}

static void *list(struct reading *r, const struct cn_json *v, size_t size, int *out_n)
{
    int64_t n = cn_json_count(v);
    void *p = n <= KEPT ? cn_arena_alloc(&r->s->arena, (size_t)n + 1, size) : NULL;

    r->wrong = r->wrong || n > KEPT;
    r->no_memory = r->no_memory || (n <= KEPT && !p);
    *out_n = p ? (int)n : 0;
    return p;
}

#define EACH(item, array)                              \
    const struct cn_json *item = cn_json_first(array); \
    item;                                              \
    item = cn_json_next(item)

static struct cn_change *read_changes(struct reading *r, const struct cn_json *v, int *out_n)
{
    struct cn_change *c = list(r, v, sizeof *c, out_n);
    int i = 0;

    for (EACH(x, v)) {
        if (i < *out_n)
            c[i++] = (struct cn_change){text(r, x, "path"), text(r, x, "value")};
    }
    return c;
}

static void read_wishes(struct reading *r, const struct cn_json *v)
{
    int i = 0;

    r->s->wishes = list(r, v, sizeof *r->s->wishes, &r->s->n_wishes);
    for (EACH(x, v)) {
        struct cn_wish *w = i < r->s->n_wishes ? &r->s->wishes[i++] : NULL;

        if (!w)
            return;
        w->said = (struct cn_said_proposal){.iteration = whole(r, x, "iteration"),
                                            .parent = whole(r, x, "parent"),
                                            .strategy = text(r, x, "strategy"),
                                            .hypothesis = text(r, x, "hypothesis"),
                                            .prediction = text(r, x, "prediction"),
                                            .expected = number(x, "expected"),
                                            .probability = number(x, "probability")};
        if (!cn_json_bool(cn_json_get(x, "replicate"), &w->said.replicate))
            r->wrong = true;
        w->said.changes = read_changes(r, cn_json_get(x, "changes"), &w->said.n_changes);
        w->author = text(r, x, "author");
    }
}

static void read_gaps(struct reading *r, const struct cn_json *v)
{
    int i = 0;

    r->s->gaps = list(r, v, sizeof *r->s->gaps, &r->s->n_gaps);
    for (EACH(x, v)) {
        if (i < r->s->n_gaps)
            r->s->gaps[i++] = (struct cn_gap){whole(r, x, "iteration"), text(r, x, "why")};
    }
}

static void read_words(struct reading *r, const struct cn_json *v)
{
    int i = 0;

    r->s->words = list(r, v, sizeof *r->s->words, &r->s->n_words);
    for (EACH(x, v)) {
        if (i < r->s->n_words)
            r->s->words[i++] = (struct cn_words){
                {whole(r, x, "iteration"), text(r, x, "observation"), text(r, x, "activity"),
                 text(r, x, "embedding"), text(r, x, "verdict")},
                text(r, x, "author"),
                text(r, x, "why")};
    }
}

static void read_block(struct reading *r, const struct cn_json *v)
{
    const struct cn_json *edits = cn_json_get(v, "edits");
    int i = 0;

    r->s->block_author = r->s->block_why = r->s->summary = "";
    if (!v)
        return;
    r->s->block = whole(r, v, "number");
    r->s->block_author = text(r, v, "author");
    r->s->block_why = text(r, v, "why");
    r->s->summary = text(r, v, "summary");
    r->s->edits = list(r, edits, sizeof *r->s->edits, &r->s->n_edits);
    for (EACH(x, edits)) {
        if (i < r->s->n_edits)
            r->s->edits[i++] = (struct cn_said_edit){text(r, x, "old"), text(r, x, "new"),
                                                     text(r, x, "reason")};
    }
    r->s->regime = read_changes(r, cn_json_get(v, "regime"), &r->s->n_regime);
}

static void read_memory(struct reading *r, const struct cn_json *v)
{
    const struct cn_json *sections = cn_json_get(v, "sections");
    int i = 0;

    r->s->memory_author = r->s->memory_mark = "";
    if (!v)
        return;
    r->s->memory_author = text(r, v, "author");
    r->s->memory_mark = text(r, v, "mark");
    r->s->memory = list(r, sections, sizeof *r->s->memory, &r->s->n_memory);
    for (EACH(x, sections)) {
        if (i < r->s->n_memory)
            r->s->memory[i++] =
                (struct cn_said_memory){text(r, x, "section"), text(r, x, "words")};
    }
}

static void read_answer(struct reading *r, const struct cn_json *v)
{
    r->s->answer = "";
    if (!v)
        return;
    r->s->answered_upto = whole(r, v, "upto");
    r->s->answered_at = whole(r, v, "iteration");
    r->s->answer = text(r, v, "text");
}

cn_status cn_sayings_parse(const char *said, size_t n, struct cn_sayings *out,
                           struct cn_err *err)
{
    struct cn_json_doc *doc = NULL;
    const struct cn_json *root;
    struct reading r = {out, false, false};
    cn_status st;

    memset(out, 0, sizeof *out);
    cn_arena_init(&out->arena, CN_CAP_TEXT);
    read_block(&r, NULL);
    read_memory(&r, NULL);
    read_answer(&r, NULL);
    if (n == 0)
        return CN_OK;
    st = cn_json_parse("llm.said", said, n, &doc, err);
    if (st != CN_OK)
        return st;
    root = cn_json_root(doc);
    if (whole(&r, root, "form") != FORM)
        r.wrong = true;
    read_wishes(&r, cn_json_get(root, "proposals"));
    read_gaps(&r, cn_json_get(root, "gaps"));
    read_words(&r, cn_json_get(root, "analyses"));
    read_block(&r, cn_json_get(root, "block"));
    read_memory(&r, cn_json_get(root, "memory"));
    read_answer(&r, cn_json_get(root, "answer"));
    cn_json_free(doc);
    if (r.no_memory)
        return cn_err_set(err, CN_ENOMEM, "llm.said: no memory");
    return r.wrong ? cn_err_set(err, CN_EINPUT, "llm.said: not as cairn writes it") : CN_OK;
}

void cn_sayings_clear(struct cn_sayings *s)
{
    cn_arena_clear(&s->arena);
    memset(s, 0, sizeof *s);
    s->block_author = s->block_why = s->summary = "";
    s->memory_author = s->memory_mark = s->answer = "";
}
