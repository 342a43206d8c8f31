/* The tables of <run>_memory.md, each with its rows in order of relevance; how many of them are
 * shown is decided in memory.c. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "logs/best.h"
#include "logs/failures.h"
#include "logs/memory_int.h"
#include "logs/project_int.h"

enum { CELL_MAX = 60, LONG_CELL_MAX = 120, IDS_MOST = 6 };

/* "4, 9, 15 and 3 more" */
static void put_ids(struct cn_buf *out, const int64_t *ids, int64_t n)
{
    for (int64_t i = 0; i < n && i < IDS_MOST; i++)
        cn_buf_printf(out, "%s%lld", i ? ", " : "", (long long)ids[i]);
    if (n > IDS_MOST)
        cn_buf_printf(out, " and %lld more", (long long)(n - IDS_MOST));
}

/* Cells that hold values of configs are made apart: a '|' in them is escaped, and they are cut at
 * `max` bytes. Clears `cell`. */
static void put_cell(struct cn_buf *out, struct cn_buf *cell, size_t max)
{
    const char *s = cn_buf_str(cell);
    size_t n = cn_text_utf8_cut(s, cell->len, max);

    if (cn_buf_status(cell) != CN_OK)
        out->status = cn_buf_status(cell);
    for (size_t i = 0; i < n; i++) {
        if (s[i] == '|')
            cn_buf_addc(out, '\\');
        cn_buf_addc(out, s[i]);
    }
    cn_buf_adds(out, n < cell->len ? "... | " : " | ");
    cn_buf_clear(cell);
}

/* The space behind the last '|' goes. */
static void end_row(struct cn_buf *out)
{
    if (cn_buf_status(out) == CN_OK && out->len && out->data[out->len - 1] == ' ')
        out->data[--out->len] = '\0';
}

static void put_mutations(const struct cn_node *n, struct cn_buf *out)
{
    struct cn_buf cell;

    cn_buf_init(&cell, CN_CAP_TEXT);
    cn_prose_mutations(&cell, n);
    put_cell(out, &cell, LONG_CELL_MAX);
}

static void put_pairs(const struct cn_block *b, struct cn_buf *out)
{
    struct cn_buf cell;

    cn_buf_init(&cell, CN_CAP_TEXT);
    if (b && b->n_regime)
        cn_prose_pairs(&cell, b->regime, b->n_regime);
    else
        cn_buf_adds(&cell, "as configured");
    put_cell(out, &cell, LONG_CELL_MAX);
}

static void begin(struct cn_table *t, size_t cap, const struct cn_history *h,
                  const char *before, const char *after, int columns)
{
    cn_table_init(t, cap, before);
    cn_prose_name(&t->head, h->info.reward);
    cn_buf_adds(&t->head, after);
    cn_buf_adds(&t->head, "\n|");
    for (int i = 0; i < columns; i++)
        cn_buf_adds(&t->head, "---|");
    cn_buf_addc(&t->head, '\n');
}

/* ---- regimes ---- */

void cn_memory_put_leader(const struct cn_history *h, int64_t block, struct cn_buf *out)
{
    struct cn_best b;
    cn_status st = cn_fact_leader(h, block, &b);

    if (st != CN_OK)
        out->status = st;
    else if (!b.first.node)
        cn_buf_adds(out, "none");
    else {
        cn_buf_printf(out, "node %lld, ", (long long)b.first.node->id);
        cn_standing_words(&h->info, &b.first, b.confidence, out);
        cn_buf_adds(out, ", ");
        cn_fact_config(h, b.first.node, out);
    }
}

static void put_regime(const struct cn_history *h, const struct cn_block *b, struct cn_buf *out)
{
    struct cn_fact_counts c = cn_fact_count(h, b->number);
    struct cn_best best;
    cn_status st = cn_fact_leader(h, b->number, &best);

    if (st != CN_OK)
        out->status = st;
    cn_buf_printf(out, "| %lld | %lld | ", (long long)b->number, (long long)c.all);
    put_pairs(b, out);
    if (st == CN_OK && best.first.node) {
        cn_standing_words(&h->info, &best.first, best.confidence, out);
        cn_buf_printf(out, " | %lld", (long long)best.first.node->id);
    } else {
        cn_buf_adds(out, "- | -");
    }
    cn_buf_printf(out, " | %lld of %lld | %lld |", (long long)c.converged, (long long)c.all,
                  (long long)c.failed);
}

static void make_regimes(const struct cn_memory_facts *f, struct cn_table *t)
{
    begin(t, (size_t)6 << 10, f->h, "| Block | Iterations | Regime | Best ",
          " | at node | Converged | Without result |", 7);
    t->newest_last = true;
    for (int64_t i = f->h->n_blocks - 1; i >= 0; i--)
        if (cn_table_wants(t)) {
            put_regime(f->h, &f->h->blocks[i], &t->rows);
            cn_table_end_row(t);
        }
}

/* ---- replicates ---- */

struct repeated {
    const struct cn_node *node;
    const struct cn_runs *runs;
    cn_pool pool;
};

/* The best mean first. */
static int by_mean(const void *a, const void *b)
{
    const struct repeated *x = a, *y = b;

    if (x->runs->sample.mean != y->runs->sample.mean)
        return x->runs->sample.mean < y->runs->sample.mean ? 1 : -1;
    if (x->node->id != y->node->id)
        return x->node->id < y->node->id ? -1 : 1;
    return (int)x->pool - (int)y->pool;
}

static void put_repeated(const struct cn_history *h, const struct repeated *r,
                         struct cn_buf *out)
{
    struct cn_spread s = cn_fact_metric_spread(
        h, (struct cn_spread){r->runs->sample.n, r->runs->sample.mean, r->runs->sample.std,
                              r->runs->min, r->runs->max});
    bool few;
    cn_stability class;
    cn_status st = cn_evidence_stability(h, r->node->id, r->pool, INT64_MAX, &class, &few);

    if (st != CN_OK)
        out->status = st;

    cn_buf_printf(out, "| %lld | %s | ", (long long)r->node->id,
                  r->pool == CN_POOL_SEARCH ? "search" : "confirmation");
    put_mutations(r->node, out);
    cn_buf_printf(out, "%lld | ", (long long)s.n);
    cn_prose_short(out, s.mean);
    cn_buf_adds(out, " | ");
    cn_prose_short(out, s.std);
    cn_buf_adds(out, " | ");
    cn_prose_short(out, cn_fact_cv(&s));
    cn_buf_adds(out, " | ");
    cn_prose_short(out, s.min);
    cn_buf_adds(out, " | ");
    cn_prose_short(out, s.max);
    cn_buf_printf(out, " | %s%s |",
                  class == CN_STABILITY_UNKNOWN ? "-" : cn_stability_name(class),
                  few && class != CN_STABILITY_UNKNOWN ? " (few)" : "");
}

static cn_status make_robust(const struct cn_memory_facts *f, struct cn_table *t)
{
    struct repeated *r = cn_alloc(2 * (size_t)f->h->n_nodes + 1, sizeof *r);
    int64_t n = 0;

    begin(t, (size_t)4 << 10, f->h, "| Node | Runs of | Mutation | n | ",
          " mean | std | CV % | min | max | Robust? |", 10);
    if (!r)
        return CN_ENOMEM;
    for (int64_t i = 0; i < f->h->n_nodes; i++) {
        if (f->e.runs[i].search.sample.n > 1)
            r[n++] = (struct repeated){&f->h->nodes[i], &f->e.runs[i].search, CN_POOL_SEARCH};
        if (f->e.runs[i].confirmation.sample.n > 1)
            r[n++] = (struct repeated){&f->h->nodes[i], &f->e.runs[i].confirmation,
                                       CN_POOL_CONFIRMATION};
    }
    if (n > 1)
        qsort(r, (size_t)n, sizeof *r, by_mean);
    for (int64_t i = 0; i < n; i++)
        if (cn_table_wants(t)) {
            put_repeated(f->h, &r[i], &t->rows);
            cn_table_end_row(t);
        }
    cn_free(r);
    return CN_OK;
}

/* ---- effects ---- */

/* What was decided most often first, then what was tried most often. */
static int by_weight(const void *a, const void *b)
{
    const struct cn_group *x = *(const struct cn_group *const *)a,
                          *y = *(const struct cn_group *const *)b;
    int64_t p = x->better + x->worse + x->failed, q = y->better + y->worse + y->failed;

    if (p != q)
        return p < q ? 1 : -1;
    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return (x > y) - (x < y);
}

static void put_single(const struct cn_memory_facts *f, const struct cn_try *t,
                       struct cn_buf *out)
{
    if (!t) {
        cn_buf_adds(out, "- | ");
        return;
    }
    cn_buf_printf(out, "%+.3g (", cn_fact_metric(f->h, t->gain.mean));
    cn_prose_cell(out, t->old_text, CELL_MAX);
    cn_buf_adds(out, " -> ");
    cn_prose_cell(out, t->new_text, CELL_MAX);
    cn_buf_adds(out, ") | ");
}

static void put_effect(const struct cn_memory_facts *f, const struct cn_group *g,
                       struct cn_buf *out)
{
    const struct cn_try *best = NULL, *worst = NULL;
    struct cn_buf name;

    for (int64_t i = 0; i < g->n; i++) {
        const struct cn_try *t = &f->e.tries[g->tries[i]];
        if (!t->compared)
            continue;
        best = !best || t->gain.mean > best->gain.mean ? t : best;
        worst = !worst || t->gain.mean < worst->gain.mean ? t : worst;
    }
    cn_buf_adds(out, "| ");
    cn_buf_init(&name, CN_CAP_TEXT);
    cn_evidence_name(g, &name);
    put_cell(out, &name, LONG_CELL_MAX);
    cn_buf_printf(out, "%lld | %lld | %lld | %lld | ", (long long)g->n, (long long)g->better,
                  (long long)g->worse, (long long)g->failed);
    cn_evidence_words(f->h, &g->effect, out);
    cn_buf_adds(out, " | ");
    put_single(f, best, out);
    put_single(f, worst, out);
    end_row(out);
}

static cn_status make_effects(const struct cn_memory_facts *f, struct cn_table *t)
{
    const struct cn_group **g = cn_alloc((size_t)f->e.n_groups + 1, sizeof *g);

    begin(t, (size_t)6 << 10, f->h, "| Change | Tried | Better | Worse | Failed | Effect on ",
          " (90 %) | Best | Worst |", 8);
    if (!g)
        return CN_ENOMEM;
    for (int64_t i = 0; i < f->e.n_groups; i++)
        g[i] = &f->e.groups[i];
    if (f->e.n_groups > 1)
        qsort(g, (size_t)f->e.n_groups, sizeof(const struct cn_group *), by_weight);
    for (int64_t i = 0; i < f->e.n_groups; i++)
        if (cn_table_wants(t)) {
            put_effect(f, g[i], &t->rows);
            cn_table_end_row(t);
        }
    cn_free(g);
    return CN_OK;
}

/* ---- dead ends, failures ---- */

static void put_dead_end(const struct cn_history *h, const struct cn_dead_end *d,
                         struct cn_buf *out)
{
    struct cn_buf cell;

    cn_buf_adds(out, "| ");
    cn_buf_init(&cell, CN_CAP_TEXT);
    cn_dead_end_region(d, &cell);
    put_cell(out, &cell, LONG_CELL_MAX);
    cn_dead_end_reason(d, out);
    cn_buf_adds(out, " | ");
    put_ids(out, d->nodes, d->n);
    cn_buf_adds(out, " | ");
    put_pairs(cn_history_block(h, d->block), out);
    cn_buf_init(&cell, CN_CAP_TEXT);
    cn_buf_adds(&cell, "another regime");
    if (d->context[0])
        cn_buf_printf(&cell, ", or other than %s", d->context);
    put_cell(out, &cell, 2 * (size_t)LONG_CELL_MAX);
    end_row(out);
}

static void make_dead_ends(const struct cn_memory_facts *f, struct cn_table *t)
{
    cn_table_init(
        t, (size_t)4 << 10,
        "| Region | Why | Iterations | Regime | Re-open if |\n|---|---|---|---|---|\n");
    for (int64_t i = 0; i < f->dead.n; i++)
        if (cn_table_wants(t)) {
            put_dead_end(f->h, &f->dead.all[i], &t->rows);
            cn_table_end_row(t);
        }
}

static void put_failure(const struct cn_history *h, const struct cn_failure *x,
                        struct cn_buf *out)
{
    const struct cn_node *n = cn_history_node(h, x->example->node);

    cn_buf_printf(out, "| %s | %lld | %lld | %lld | ", cn_outcome_name(x->outcome),
                  (long long)x->n, (long long)x->first, (long long)x->last);
    if (n)
        put_mutations(n, out);
    else
        cn_buf_adds(out, " | ");
    cn_prose_cell(out, x->example->message, LONG_CELL_MAX);
    cn_buf_adds(out, " |");
}

static cn_status make_failures(const struct cn_memory_facts *f, struct cn_table *t)
{
    struct cn_failures all;
    cn_status st = cn_failures_init(&all, f->h);

    cn_table_init(t, (size_t)4 << 10,
                  "| Outcome | Times | First | Last | Mutation of the last | Its message |\n"
                  "|---|---|---|---|---|---|\n");
    for (int64_t i = 0; st == CN_OK && i < all.n; i++)
        if (cn_table_wants(t)) {
            put_failure(f->h, &all.all[i], &t->rows);
            cn_table_end_row(t);
        }
    cn_failures_clear(&all);
    return st;
}

/* ---- principles ---- */

/* A place that the record does not bear out is said loudly. */
static void put_standing(const struct cn_claim *c, struct cn_buf *out)
{
    cn_claim_standing s = c->verdict.standing;
    bool falsified = strcmp(c->section, "Falsified Hypotheses") == 0;

    if (s == CN_CLAIM_CONTRADICTED && !falsified)
        cn_buf_adds(out, "CONTRADICTED");
    else if (s == CN_CLAIM_ESTABLISHED && falsified)
        cn_buf_adds(out, "ESTABLISHED, not falsified");
    else
        cn_buf_adds(out, cn_claim_standing_name(s));
}

static void put_count(struct cn_buf *out, const int64_t *ids, int64_t n)
{
    cn_buf_printf(out, "%lld", (long long)n);
    if (n) {
        cn_buf_adds(out, ": ");
        put_ids(out, ids, n);
    }
    cn_buf_adds(out, " | ");
}

static void put_claim(const struct cn_claim *c, struct cn_buf *out)
{
    cn_buf_adds(out, "| ");
    cn_prose_cell(out, c->words, LONG_CELL_MAX);
    cn_buf_printf(out, " | %s | ", c->section);
    put_standing(c, out);
    cn_buf_adds(out, " | ");
    put_count(out, c->verdict.pro, c->verdict.n_pro);
    put_count(out, c->verdict.contra, c->verdict.n_contra);
    if (c->verdict.confidence)
        cn_buf_printf(out, "%d", c->verdict.confidence);
    else
        cn_buf_addc(out, '-');
    cn_buf_printf(out, " | %s", c->says.group ? "the record" : "as cited");
    if (c->n_unknown) {
        cn_buf_adds(out, "; not in the record: ");
        put_ids(out, c->unknown, c->n_unknown);
    }
    cn_buf_adds(out, " |");
}

static void make_principles(const struct cn_memory_facts *f, struct cn_table *t)
{
    cn_table_init(t, (size_t)8 << 10,
                  "| Claim | Written under | Standing | For | Against | Confidence % | By |\n"
                  "|---|---|---|---|---|---|---|\n");
    for (int64_t i = 0; i < f->claims.n; i++)
        if (cn_table_wants(t)) {
            put_claim(&f->claims.all[i], &t->rows);
            cn_table_end_row(t);
        }
}

/* ---- iterations of the open block ---- */

static void put_iteration(const struct cn_history *h, const struct cn_iteration *it,
                          struct cn_buf *out)
{
    const struct cn_node *n = cn_history_node(h, it->node);

    cn_buf_printf(out, "| %lld | %lld | ", (long long)it->id, (long long)it->node);
    cn_prose_parent(out, n ? n->parent : 0);
    cn_buf_adds(out, " | ");
    cn_prose_cell(out, it->strategy, CELL_MAX);
    cn_buf_adds(out, " | ");
    if (n && it->node == it->id)
        put_mutations(n, out);
    else
        cn_buf_adds(out, "none | ");
    if (it->outcome == CN_OUTCOME_OK)
        cn_prose_short(out, cn_fact_metric(h, it->reward));
    else
        cn_buf_adds(out, cn_outcome_name(it->outcome));
    cn_buf_adds(out, " | ");
    cn_prose_cell(out, it->observation, LONG_CELL_MAX);
    cn_buf_adds(out, " |");
}

static void make_iterations(const struct cn_memory_facts *f, struct cn_table *t)
{
    const struct cn_history *h = f->h;
    const struct cn_block *b = h->n_blocks ? &h->blocks[h->n_blocks - 1] : NULL;

    begin(t, (size_t)8 << 10, h, "| Iter | Node | Parent | Strategy | Mutation | ",
          " | Observation |", 7);
    t->newest_last = true;
    for (int64_t i = h->n_iterations - 1; b && !b->closed && i >= 0; i--)
        if (h->iterations[i].block == b->number && cn_fact_committed(&h->iterations[i]) &&
            cn_table_wants(t)) {
            put_iteration(h, &h->iterations[i], &t->rows);
            cn_table_end_row(t);
        }
}

cn_status cn_memory_make_table(const struct cn_memory_facts *f, cn_memory_table which,
                               struct cn_table *t)
{
    cn_status st = CN_OK;

    memset(t, 0, sizeof *t);
    switch (which) {
    case CN_TABLE_REGIMES:
        make_regimes(f, t);
        break;
    case CN_TABLE_ROBUST:
        st = make_robust(f, t);
        break;
    case CN_TABLE_EFFECTS:
        st = make_effects(f, t);
        break;
    case CN_TABLE_DEAD_ENDS:
        make_dead_ends(f, t);
        break;
    case CN_TABLE_FAILURES:
        st = make_failures(f, t);
        break;
    case CN_TABLE_PRINCIPLES:
        make_principles(f, t);
        break;
    default:
        make_iterations(f, t);
    }
    return st == CN_OK ? cn_table_status(t) : st;
}
