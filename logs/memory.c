/* <run>_memory.md: what the next proposer should know, on a few pages. The host computes every
 * table from the record (memory_tables.c); the free sections come from the latest version of the
 * text "memory". No clock: equal histories, equal bytes.
 *
 * The file keeps to CN_CAP_MEMORY bytes. Every table has a share of its own; when all of it with
 * the free words is too long, the tables give way in proportion, never the words.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "logs/memory_int.h"
#include "logs/predictions.h"
#include "logs/project_int.h"

static void put_heading(struct cn_buf *out, const char *hashes, const char *name, bool computed)
{
    cn_buf_printf(out, "%s %s%s\n", hashes, name, computed ? " " CN_MEMORY_MARK : "");
}

static void put_free(struct cn_buf *out, const char *free_text, const char *name)
{
    put_heading(out, "###", name, false);
    size_t before = out->len;
    cn_memory_section(free_text, name, out);
    if (cn_buf_status(out) == CN_OK && out->len > before)
        cn_buf_addc(out, '\n');
    cn_buf_addc(out, '\n');
}

/* ---- what is said in words ---- */

static void put_title(const struct cn_history *h, bool crowded, struct cn_buf *out)
{
    cn_buf_adds(out, "# Working Memory: ");
    cn_prose(out, h->info.name);
    cn_buf_adds(out, "\n\n<!-- Sections marked " CN_MEMORY_MARK
                     " are made from run.db; the others are yours and the model's. -->\n");
    if (h->older.first > 1)
        cn_buf_printf(out,
                      "<!-- Tables look at iterations %lld and later, and at the best of the "
                      "older ones. -->\n",
                      (long long)h->older.first);
    if (crowded)
        cn_buf_printf(
            out,
            "<!-- The tables gave way so that this file keeps to %d KiB: summarise the "
            "free sections to see more of them. -->\n",
            (int)(CN_CAP_MEMORY >> 10));
    cn_buf_addc(out, '\n');
}

static const char *noise_words(const struct cn_evidence *e)
{
    return e->noise.df > 0 ? ""
                           : "\nNo config was trained twice: the noise is unknown, so "
                             "nothing counts as better or worse.\n";
}

static void put_previous(const struct cn_history *h, struct cn_buf *out)
{
    const struct cn_block *last = NULL;

    for (int64_t i = 0; i < h->n_blocks; i++)
        if (h->blocks[i].closed)
            last = &h->blocks[i];
    put_heading(out, "##", CN_MEMORY_PREVIOUS, true);
    if (last) {
        struct cn_fact_counts c = cn_fact_count(h, last->number);
        cn_buf_printf(
            out, "Block %lld: %lld iterations, %lld converged, %lld without result. Best: ",
            (long long)last->number, (long long)c.all, (long long)c.converged,
            (long long)c.failed);
        cn_memory_put_leader(h, last->number, out);
        cn_buf_adds(out, ".\nProtocol edit: ");
        cn_prose(out, last->edit_note);
        cn_buf_addc(out, '\n');
    }
    cn_buf_addc(out, '\n');
}

static void put_block(const struct cn_history *h, struct cn_buf *out)
{
    const struct cn_block *b = h->n_blocks ? &h->blocks[h->n_blocks - 1] : NULL;

    put_heading(out, "###", CN_MEMORY_BLOCK, true);
    if (b && !b->closed) {
        struct cn_fact_counts c = cn_fact_count(h, b->number);
        cn_buf_printf(out, "Block %lld, iterations %lld to %lld, %lld done. Regime: ",
                      (long long)b->number, (long long)b->first, (long long)b->last,
                      (long long)c.all);
        if (b->n_regime)
            cn_prose_pairs(out, b->regime, b->n_regime);
        else
            cn_buf_adds(out, "as configured");
        cn_buf_adds(out, ". Best so far: ");
        cn_memory_put_leader(h, b->number, out);
        cn_buf_adds(out, ".\n");
    } else {
        cn_buf_adds(out, "No block is open.\n");
    }
    cn_buf_addc(out, '\n');
}

/* ---- the tables and their room ---- */

static const char *const titles[CN_TABLE_N] = {
    CN_MEMORY_REGIME,   CN_MEMORY_ROBUST,     CN_MEMORY_EFFECTS,   CN_MEMORY_DEAD_ENDS,
    CN_MEMORY_FAILURES, CN_MEMORY_PRINCIPLES, CN_MEMORY_ITERATIONS};

struct page {
    struct cn_memory_facts f;
    struct cn_table t[CN_TABLE_N];
    size_t room[CN_TABLE_N]; /* bytes for the rows of each */
    bool crowded;
};

static cn_status page_init(struct page *p, const struct cn_history *h, const char *words)
{
    cn_status st;

    memset(p, 0, sizeof *p);
    p->f.h = h;
    st = cn_evidence_init(&p->f.e, h);
    if (st == CN_OK)
        st = cn_dead_ends_init(&p->f.dead, h, &p->f.e);
    if (st == CN_OK)
        st = cn_claims_init(&p->f.claims, h, &p->f.e, words);
    if (st == CN_OK)
        st = cn_inert_init(&p->f.inert, h, &p->f.e);
    for (int i = 0; st == CN_OK && i < CN_TABLE_N; i++) {
        st = cn_memory_make_table(&p->f, (cn_memory_table)i, &p->t[i]);
        p->room[i] = p->t[i].cap;
    }
    return st;
}

static void page_clear(struct page *p)
{
    for (int i = 0; i < CN_TABLE_N; i++)
        cn_table_clear(&p->t[i]);
    cn_inert_clear(&p->f.inert);
    cn_claims_clear(&p->f.claims);
    cn_dead_ends_clear(&p->f.dead);
    cn_evidence_clear(&p->f.e);
}

static void put_table(const struct page *p, cn_memory_table which, struct cn_buf *out)
{
    put_heading(out, "###", titles[which], true);
    cn_table_put(&p->t[which], p->room[which], out);
    if (which == CN_TABLE_EFFECTS) {
        cn_buf_adds(out, noise_words(&p->f.e));
        cn_inert_words(&p->f.inert, "\n", out);
    }
    cn_buf_addc(out, '\n');
}

/* What was predicted and what came of it; no section where nobody predicts. */
static void put_predictions(const struct cn_history *h, struct cn_buf *out)
{
    struct cn_buf table;

    cn_buf_init(&table, CN_CAP_TEXT);
    cn_predictions_table(h, &table);
    if (table.len > 0) {
        put_heading(out, "###", CN_MEMORY_PREDICTIONS, true);
        cn_buf_printf(out, "\n%s\n", cn_buf_str(&table));
    }
    cn_buf_clear(&table);
}

static void put_page(const struct page *p, const char *words, struct cn_buf *out)
{
    const struct cn_history *h = p->f.h;

    put_title(h, p->crowded, out);
    put_free(out, words, "Paper Summary");
    put_heading(out, "##", CN_MEMORY_KNOWLEDGE, false);
    cn_buf_addc(out, '\n');
    for (cn_memory_table t = CN_TABLE_REGIMES; t <= CN_TABLE_PRINCIPLES; t++)
        put_table(p, t, out);
    put_predictions(h, out);
    put_free(out, words, "Established Principles");
    put_free(out, words, "Falsified Hypotheses");
    put_free(out, words, "Open Questions");
    cn_memory_put_others(words, out);
    put_previous(h, out);
    put_heading(out, "##", CN_MEMORY_CURRENT, true);
    cn_buf_addc(out, '\n');
    put_block(h, out);
    put_free(out, words, "Hypothesis");
    put_table(p, CN_TABLE_ITERATIONS, out);
    put_free(out, words, "Emerging Observations");
}

/* Share what the words leave to the rows among the tables, in proportion to what each would
 * show. */
static void share_room(struct page *p, size_t whole)
{
    size_t wanted = 0, rest, left;

    for (int i = 0; i < CN_TABLE_N; i++)
        wanted += cn_table_size(&p->t[i], p->room[i]);
    rest = whole - wanted + CN_TABLE_N * CN_TABLE_MORE; /* all that is no row */
    left = rest < CN_CAP_MEMORY ? CN_CAP_MEMORY - rest : 0;
    for (int i = 0; wanted > 0 && i < CN_TABLE_N; i++)
        p->room[i] = left * cn_table_size(&p->t[i], p->room[i]) / wanted;
}

void cn_project_memory(const struct cn_history *h, const char *free_text, struct cn_buf *out)
{
    const char *words = free_text ? free_text : "";
    struct cn_buf text;
    struct page p;
    cn_status st = page_init(&p, h, words);

    cn_buf_init(&text, CN_CAP_TEXT);
    if (st == CN_OK)
        put_page(&p, words, &text);
    if (st == CN_OK && text.len > CN_CAP_MEMORY) {
        p.crowded = true;
        cn_buf_reset(&text);
        put_page(&p, words, &text);
        share_room(&p, text.len);
        cn_buf_reset(&text);
        put_page(&p, words, &text);
    }
    if (st == CN_OK)
        st = cn_buf_status(&text);
    if (st == CN_OK)
        cn_buf_add(out, cn_buf_str(&text), text.len);
    else if (out->status == CN_OK)
        out->status = st;
    cn_buf_clear(&text);
    page_clear(&p);
}
