/* report.md: what was asked, what was found and how sure that is, what was learnt, what failed, how
 * to go on. One screen first, details after; a page for a night's run, and still readable for a
 * thousand iterations: long lists show their most relevant rows and say where the rest is.
 *
 * 1. asked   2. found   3. regimes   4. learnt   5. failed   6. the protocol   7. spent
 * 8. how to go on   9. iterations
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "logs/deadends.h"
#include "logs/exchange.h"
#include "logs/failures.h"
#include "logs/gain.h"
#include "logs/inert.h"
#include "logs/predictions.h"
#include "logs/principles.h"
#include "logs/project_int.h"

enum {
    CELL_MAX = 80,
    ROWS_MOST = 12,       /* of a list of details */
    ITERATIONS_WHOLE = 60 /* longer runs show their best configs and their last iterations */
};

struct report {
    const struct cn_history *h;
    const char *words; /* the text "memory" */
    struct cn_arena arena;
    struct cn_evidence e;
    struct cn_dead_ends dead;
    struct cn_claims claims;
    struct cn_inert_list inert;
    struct cn_failures failures;
    struct cn_ranking rank;
    struct cn_gain gain;
};

static void put_metric_spread(const struct cn_history *h, const struct cn_sample *s,
                              struct cn_buf *out)
{
    struct cn_spread m = {s->n, cn_fact_metric(h, s->mean), s->std, (double)NAN, (double)NAN};

    cn_prose_spread(out, &m);
}

static void put_more(struct cn_buf *out, int64_t all, const char *where)
{
    if (all > ROWS_MOST)
        cn_buf_printf(out, "\n%lld more: %s.\n", (long long)(all - ROWS_MOST), where);
}

static void put_regime_of(const struct cn_block *b, struct cn_buf *out)
{
    if (b && b->n_regime)
        cn_prose_pairs(out, b->regime, b->n_regime);
    else
        cn_buf_adds(out, "as configured");
}

/* ---- 1. asked ---- */

static void put_asked(const struct cn_history *h, const char *goal, struct cn_buf *out)
{
    cn_buf_adds(out, "# ");
    cn_prose(out, h->info.name);
    cn_buf_adds(out, "\n\n## What was asked\n\n");
    if (goal && goal[0]) {
        cn_buf_adds(out, "> ");
        cn_prose(out, goal);
        cn_buf_adds(out, "\n\n");
    }
    cn_buf_adds(out, "Study ");
    cn_prose(out, h->info.study);
    cn_buf_adds(out, ", reward ");
    cn_prose_name(out, h->info.reward);
    cn_buf_printf(out, " (%s is better), proposer ",
                  h->info.reward_lower_is_better ? "lower" : "higher");
    cn_prose(out, h->info.proposer);
    cn_buf_adds(out, ".\n\n");
}

/* ---- 2. found ---- */

static void put_best(const struct report *r, struct cn_buf *out)
{
    const struct cn_history *h = r->h;
    const struct cn_standing *s = r->rank.n_kept ? &r->rank.rows[0] : NULL;
    const struct cn_iteration *it = s ? cn_history_iteration(h, s->node->id) : NULL;

    if (!s) {
        cn_buf_adds(out, r->rank.n ? "No config keeps the guardrails.\n"
                                   : "No training has ended with a result yet.\n");
        return;
    }
    cn_buf_printf(out, "Best of the search: node %lld, ", (long long)s->node->id);
    cn_standing_words(&h->info, s, r->rank.confidence, out);
    if (!isnan(s->cv))
        cn_buf_printf(out, ", CV %.2g %%", s->cv);
    if (h->n_blocks > 1) {
        cn_buf_printf(out, ", found in block %lld under ", (long long)s->node->block);
        put_regime_of(cn_history_block(h, s->node->block), out);
    }
    cn_buf_adds(out, ".\n\n- Config: ");
    cn_fact_config(h, s->node, out);
    cn_buf_adds(out, "\n- Change against its parent: ");
    cn_prose_mutations(out, s->node);
    if (it && it->dir[0]) {
        cn_buf_adds(out, "\n- The whole of it: [");
        cn_prose_name(out, it->dir);
        cn_buf_adds(out, "/config.yaml](");
        cn_prose_name(out, it->dir);
        cn_buf_adds(out, "/config.yaml)");
    }
    cn_buf_adds(out, "\n- Noise: ");
    cn_prose_noise(out, &r->rank.noise);
    cn_buf_adds(out, r->rank.borrowed ? ", of other regimes\n" : "\n");
}

static void put_guardrails(const struct report *r, struct cn_buf *out)
{
    const struct cn_history *h = r->h;

    if (r->rank.guardrails.n == 0)
        return;
    cn_buf_adds(out, "- Guardrails: ");
    cn_fact_guardrails(h, 0, out);
    cn_buf_printf(out, ". Of %lld configs under this regime %lld keep all",
                  (long long)r->rank.n, (long long)r->rank.n_kept);
    if (r->rank.n_kept < r->rank.n) {
        const struct cn_standing *s = &r->rank.rows[r->rank.n_kept];
        cn_buf_printf(out, "; left out of the ranking first: node %lld, ",
                      (long long)s->node->id);
        cn_standing_breach(&r->rank.guardrails, s, out);
    }
    cn_buf_adds(out, ".\n");
}

static void put_gain_rows(const struct report *r, struct cn_buf *out)
{
    const struct cn_history *h = r->h;

    cn_buf_adds(out, "\n\n| | Node | ");
    cn_prose_name(out, h->info.reward);
    cn_buf_printf(out, " |\n|---|---|---|\n| default | %lld | ", (long long)r->gain.base->id);
    put_metric_spread(h, &r->gain.base_runs, out);
    cn_buf_printf(out, " |\n| best | %lld | ", (long long)r->gain.best->id);
    put_metric_spread(h, &r->gain.best_runs, out);
    cn_buf_adds(out, " |\n");
}

/* A gain holds for the simulation that the confirmations ran under, not beyond. */
static void put_gain(const struct report *r, struct cn_buf *out)
{
    const struct cn_block *b = cn_history_block(r->h, r->gain.block);

    cn_buf_addc(out, '\n');
    if (!r->gain.base || !r->gain.best) {
        cn_buf_adds(out,
                    r->gain.base
                        ? "Nothing beat the default config, so there is no gain to confirm.\n"
                        : "Not confirmed yet: the search picks the luckiest run, so its best "
                          "value is likely too good.\n");
        return;
    }
    cn_buf_adds(out, "Gain over the default config, from fresh seeds that the search never "
                     "saw: **");
    cn_gain_words(&r->h->info, &r->gain, out);
    cn_buf_adds(out, "**");
    if (b && b->n_regime) {
        cn_buf_adds(out, ", under ");
        put_regime_of(b, out);
    }
    put_gain_rows(r, out);
}

/* ---- 3. the regimes apart ---- */

struct regime {
    const struct cn_block *block; /* the first of it */
    int64_t blocks;
    struct cn_fact_counts c;
    struct cn_best best;
};

static bool leads(const struct cn_standing *a, const struct cn_standing *b)
{
    double x = isnan(a->lo) || isnan(b->lo) ? a->mean : a->lo;
    double y = isnan(a->lo) || isnan(b->lo) ? b->mean : b->lo;

    return a->node && (!b->node || x > y);
}

static cn_status add_block(const struct report *r, struct regime *g, const struct cn_block *b)
{
    struct cn_fact_counts c = cn_fact_count(r->h, b->number);
    struct cn_best best;
    cn_status st = cn_fact_leader(r->h, b->number, &best);

    g->block = g->blocks++ ? g->block : b;
    g->c.all += c.all;
    g->c.ok += c.ok;
    g->c.converged += c.converged;
    g->c.failed += c.failed;
    if (st == CN_OK && leads(&best.first, &g->best.first))
        g->best = best;
    return st;
}

static void put_regime(const struct report *r, const struct regime *g, struct cn_buf *out)
{
    cn_buf_adds(out, "| ");
    put_regime_of(g->block, out);
    cn_buf_printf(out, " | %lld | %lld | ", (long long)g->blocks, (long long)g->c.all);
    if (g->best.first.node) {
        cn_standing_words(&r->h->info, &g->best.first, g->best.confidence, out);
        cn_buf_printf(out, " | %lld | ", (long long)g->best.first.node->id);
        cn_fact_config(r->h, g->best.first.node, out);
    } else {
        cn_buf_adds(out, "- | - | ");
    }
    cn_buf_printf(out, " | %lld | ", (long long)g->c.converged);
    cn_prose_share(out, g->c.failed, g->c.all);
    cn_buf_adds(out, " |\n");
}

static cn_status put_regimes(const struct report *r, struct cn_buf *out)
{
    const struct cn_history *h = r->h;
    struct regime *g = cn_alloc((size_t)h->n_blocks + 1, sizeof *g);
    cn_status st = g ? CN_OK : CN_ENOMEM;
    int64_t n = 0;

    for (int64_t i = 0; st == CN_OK && i < h->n_blocks; i++) {
        int64_t k = 0;
        while (k < n && !cn_history_same_regime(h, g[k].block->number, h->blocks[i].number))
            k++;
        n += k == n;
        st = add_block(r, &g[k], &h->blocks[i]);
    }
    if (st == CN_OK && n > 1) {
        cn_buf_adds(out, "\n## The regimes apart\n\n| Regime | Blocks | Trainings | Best ");
        cn_prose_name(out, h->info.reward);
        cn_buf_adds(out, " | Node | Config | Converged | Without result |\n"
                         "|---|---|---|---|---|---|---|---|\n");
        for (int64_t k = n > ROWS_MOST ? n - ROWS_MOST : 0; k < n; k++)
            put_regime(r, &g[k], out);
        put_more(out, n, "earlier regimes, in the memory and the log");
    }
    cn_free(g);
    return st;
}

/* ---- 4. learnt ---- */

static void put_ids(struct cn_buf *out, const int64_t *ids, int64_t n)
{
    enum { IDS_MOST = 6 };

    for (int64_t i = 0; i < n && i < IDS_MOST; i++)
        cn_buf_printf(out, "%s%lld", i ? ", " : "", (long long)ids[i]);
    if (n > IDS_MOST)
        cn_buf_printf(out, " and %lld more", (long long)(n - IDS_MOST));
}

static void put_claim(const struct cn_claim *c, struct cn_buf *out)
{
    cn_buf_printf(out, "- %s",
                  c->verdict.standing == CN_CLAIM_CONTRADICTED
                      ? "CONTRADICTED"
                      : cn_claim_standing_name(c->verdict.standing));
    cn_buf_adds(out, ": ");
    cn_prose(out, c->words);
    if (c->verdict.n_pro) {
        cn_buf_adds(out, " (for: ");
        put_ids(out, c->verdict.pro, c->verdict.n_pro);
    }
    if (c->verdict.n_contra) {
        cn_buf_adds(out, c->verdict.n_pro ? "; against: " : " (against: ");
        put_ids(out, c->verdict.contra, c->verdict.n_contra);
    }
    cn_buf_adds(out, c->verdict.n_pro || c->verdict.n_contra ? ")" : "");
    if (c->verdict.confidence)
        cn_buf_printf(out, ", confidence %d %%", c->verdict.confidence);
    cn_buf_addc(out, '\n');
}

static int64_t put_claims(const struct report *r, cn_claim_standing s, int64_t shown,
                          struct cn_buf *out)
{
    for (int64_t i = 0; i < r->claims.n; i++)
        if (r->claims.all[i].verdict.standing == s && shown++ < ROWS_MOST)
            put_claim(&r->claims.all[i], out);
    return shown;
}

/* Directions that the noise decided, when nobody has made a principle of them. */
static int64_t put_effects(const struct report *r, struct cn_buf *out)
{
    int64_t shown = 0;

    for (int64_t i = 0; i < r->e.n_groups; i++) {
        const struct cn_group *g = &r->e.groups[i];
        if (g->better + g->worse + g->failed == 0 || shown++ >= ROWS_MOST)
            continue;
        cn_buf_adds(out, "- ");
        cn_evidence_name(g, out);
        cn_buf_adds(out, ": ");
        cn_evidence_words(r->h, &g->effect, out);
        cn_buf_printf(out, " over %lld; %lld better, %lld worse, %lld failed\n",
                      (long long)g->n, (long long)g->better, (long long)g->worse,
                      (long long)g->failed);
    }
    return shown;
}

static void put_dead_ends(const struct report *r, struct cn_buf *out)
{
    if (r->dead.n == 0)
        return;
    cn_buf_adds(out, "\nDead ends (re-open them under another regime, or when what else they "
                     "share changes):\n\n");
    for (int64_t i = 0; i < r->dead.n && i < ROWS_MOST; i++) {
        const struct cn_dead_end *d = &r->dead.all[i];
        cn_buf_adds(out, "- ");
        cn_dead_end_region(d, out);
        cn_buf_adds(out, ": ");
        cn_dead_end_reason(d, out);
        cn_buf_adds(out, " (");
        put_ids(out, d->nodes, d->n);
        cn_buf_adds(out, "), under ");
        put_regime_of(cn_history_block(r->h, d->block), out);
        if (d->context[0]) {
            cn_buf_adds(out, ", with ");
            cn_buf_adds(out, d->context);
        }
        cn_buf_addc(out, '\n');
    }
    put_more(out, r->dead.n, "in the memory");
}

static void put_learnt(const struct report *r, struct cn_buf *out)
{
    int64_t shown;

    cn_buf_adds(out, "\n## What was learnt\n\n");
    shown = put_claims(r, CN_CLAIM_CONTRADICTED, 0, out);
    shown = put_claims(r, CN_CLAIM_ESTABLISHED, shown, out);
    shown = put_claims(r, CN_CLAIM_TENTATIVE, shown, out);
    put_more(out, shown, "in the memory");
    if (r->e.n_groups > 0) {
        size_t before = out->len;
        cn_buf_printf(out, "%sSingle changes, their mean effect on ", shown ? "\n" : "");
        cn_prose_name(out, r->h->info.reward);
        cn_buf_adds(out, " (90 %) and how many were beyond the noise:\n\n");
        int64_t n = put_effects(r, out);
        put_more(out, n, "in the memory");
        if (n == 0 && cn_buf_status(out) == CN_OK) {
            out->len = before;
            out->data[before] = '\0';
        }
        shown += n;
    }
    if (shown == 0)
        cn_buf_adds(out, "Nothing that goes beyond the noise.\n");
    if (r->inert.n > 0)
        cn_buf_addc(out, '\n');
    cn_inert_words(&r->inert, "- ", out);
    put_dead_ends(r, out);
}

static void put_predictions(const struct cn_history *h, struct cn_buf *out)
{
    size_t before = out->len;

    cn_buf_adds(out, "\n## What was predicted\n\n");
    size_t head = out->len;
    cn_predictions_table(h, out);
    if (out->len == head && cn_buf_status(out) == CN_OK) { /* nobody predicts */
        out->len = before;
        out->data[before] = '\0';
    }
}

/* ---- 5. failed ---- */

static void put_failures(const struct report *r, struct cn_buf *out)
{
    struct cn_fact_counts c = cn_fact_count(r->h, 0);

    cn_buf_adds(out, "\n## What failed and why\n\n");
    if (r->failures.n == 0) {
        cn_buf_adds(out, "Nothing.\n");
        return;
    }
    cn_buf_adds(out, "Without a result: ");
    cn_prose_share(out, c.failed, c.all);
    cn_buf_adds(out, ".\n\n");
    for (int64_t i = 0; i < r->failures.n && i < ROWS_MOST; i++) {
        const struct cn_failure *f = &r->failures.all[i];
        const struct cn_node *n = cn_history_node(r->h, f->example->node);
        cn_buf_printf(out, "- %s, %lld time%s (", cn_outcome_name(f->outcome), (long long)f->n,
                      f->n > 1 ? "s" : "");
        if (f->n > 1)
            cn_buf_printf(out, "iterations %lld to %lld), last ", (long long)f->first,
                          (long long)f->last);
        else
            cn_buf_printf(out, "iteration %lld), ", (long long)f->first);
        if (n)
            cn_prose_mutations(out, n);
        if (f->example->message[0]) {
            cn_buf_adds(out, ": ");
            cn_prose_cell(out, f->example->message, (size_t)3 * CELL_MAX);
        }
        cn_buf_addc(out, '\n');
    }
    put_more(out, r->failures.n, "in the memory and the log");
}

/* ---- 6. the protocol ---- */

static void put_protocol(const struct cn_history *h, struct cn_buf *out)
{
    int64_t n = 0, shown = 0;

    for (int64_t i = 0; i < h->n_blocks; i++)
        n += h->blocks[i].edit_note[0] != '\0';
    if (n == 0)
        return;
    cn_buf_adds(out, "\n## The protocol, block by block\n\n");
    for (int64_t i = 0; i < h->n_blocks; i++) {
        if (!h->blocks[i].edit_note[0] || shown++ < n - ROWS_MOST)
            continue;
        cn_buf_printf(out, "- Block %lld: ", (long long)h->blocks[i].number);
        cn_prose(out, h->blocks[i].edit_note);
        cn_buf_addc(out, '\n');
    }
    put_more(out, n, "earlier blocks, in the log");
}

/* ---- 7. spent ---- */

/* A log that was read back knows the trainer's own minutes alone. NaN: unknown. */
static double took_seconds(const struct cn_iteration *it)
{
    double minutes = cn_iteration_metric(it, "training_time_min");

    return isfinite(it->seconds) ? it->seconds : isfinite(minutes) ? 60 * minutes : (double)NAN;
}

/* What the answers cost that the record stands on: the same for a run that was killed (and asked
 * again) and for one that was replayed. */
static void put_model(const struct cn_history *h, struct cn_buf *out)
{
    struct cn_exchange_sums t = h->llm.standing;

    if (t.exchanges == 0)
        return;
    t.replayed = 0;
    cn_buf_adds(out, "Model: ");
    cn_exchange_words(&t, h->llm.prices, out);
    cn_buf_adds(out,
                ". Every request, also those whose answers were not used: `cairn llm log ");
    cn_prose_name(out, h->info.name);
    cn_buf_adds(out, "`.\n");
}

static void put_spent(const struct cn_history *h, struct cn_buf *out)
{
    struct cn_fact_counts c = cn_fact_count(h, 0);
    double seconds = 60 * h->older.minutes;
    int64_t confirmations = 0, unknown = 0;

    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        double took = took_seconds(it);
        if (!cn_fact_committed(it) || it->id < h->older.first)
            continue;
        confirmations += it->confirmation;
        unknown += isnan(took);
        seconds += isnan(took) ? 0 : took;
    }
    cn_buf_printf(out,
                  "\n%lld iterations in %lld block%s: %lld with a result, %lld of them "
                  "converged; %lld without.\n",
                  (long long)c.all, (long long)h->n_blocks, h->n_blocks == 1 ? "" : "s",
                  (long long)c.ok, (long long)c.converged, (long long)c.failed);
    cn_buf_printf(out, "Spent: %lld training%s", (long long)(c.all + confirmations),
                  c.all + confirmations == 1 ? "" : "s");
    if (confirmations)
        cn_buf_printf(out, " (%lld of them confirmations)", (long long)confirmations);
    if (seconds > 0)
        cn_buf_printf(out, ", %.3g hours", seconds / 3600);
    if (unknown)
        cn_buf_printf(out, "; the time of %lld is not known", (long long)unknown);
    cn_buf_adds(out, ".\n");
    put_model(h, out);
}

/* ---- 8. how to go on ---- */

/* The memory's words, as a quotation: none of its lines can be taken for one of ours. */
static void put_section(const struct report *r, const char *section, const char *heading,
                        struct cn_buf *out)
{
    enum { LINES_MOST = 20 };
    struct cn_buf words;
    int64_t n = 0;

    cn_buf_init(&words, CN_CAP_TEXT);
    cn_memory_section(r->words, section, &words);
    if (cn_buf_status(&words) != CN_OK)
        out->status = cn_buf_status(&words);
    if (words.len)
        cn_buf_printf(out, "\n## %s\n\n", heading);
    for (const char *p = cn_buf_str(&words); *p; n++) {
        size_t k = strcspn(p, "\n");
        if (n < LINES_MOST) {
            cn_buf_adds(out, k ? "> " : ">");
            cn_buf_add(out, p, cn_text_utf8_cut(p, k, (size_t)5 * CELL_MAX));
            cn_buf_adds(out, k > (size_t)5 * CELL_MAX ? "...\n" : "\n");
        }
        p += k + (p[k] == '\n');
    }
    if (n > LINES_MOST)
        cn_buf_printf(out, "\n%lld more lines: in the memory.\n", (long long)(n - LINES_MOST));
    cn_buf_clear(&words);
}

static void put_commands(const struct cn_history *h, struct cn_buf *out)
{
    static const char *const verbs[][2] = {
        {"resume", "go on"},
        {"tree", "the search tree"},
        {"log", "the log, entry by entry"},
        {"verify", "compare these files with run.db"},
    };

    cn_buf_adds(out, "\n## How to go on\n\n");
    for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        cn_buf_printf(out, "    cairn %s ", verbs[i][0]);
        cn_prose_name(out, h->info.name);
        cn_buf_printf(out, "   # %s\n", verbs[i][1]);
    }
}

/* ---- 9. iterations ---- */

static void put_row(const struct cn_history *h, const struct cn_iteration *it,
                    struct cn_buf *out)
{
    const struct cn_node *n = cn_history_node(h, it->node);

    cn_buf_printf(out, "| %lld | ", (long long)it->id);
    if (it->block)
        cn_buf_printf(out, "%lld", (long long)it->block);
    else
        cn_buf_addc(out, '-');
    cn_buf_printf(out, " | %lld | ", (long long)it->node);
    cn_prose_parent(out, n ? n->parent : 0);
    cn_buf_adds(out, " | ");
    cn_prose_cell(out, it->strategy, CELL_MAX);
    cn_buf_adds(out, " | ");
    if (n && it->node == it->id)
        cn_prose_mutations(out, n);
    else
        cn_buf_adds(out, it->confirmation ? "none (confirmation)" : "none (replicate)");
    cn_buf_adds(out, " | ");
    if (it->outcome == CN_OUTCOME_OK) {
        cn_prose_short(out, cn_fact_metric(h, it->reward));
        cn_buf_printf(out, " | %s |\n", cn_class_name(it->cls));
    } else {
        cn_buf_printf(out, "- | %s |\n", cn_outcome_name(it->outcome));
    }
}

static void put_ranked(const struct report *r, struct cn_buf *out)
{
    cn_buf_adds(out, "\n## The best configs\n\n| Rank | Node | Block | ");
    cn_prose_name(out, r->h->info.reward);
    cn_buf_adds(out, " | Config |\n|---|---|---|---|---|\n");
    for (int64_t i = 0; i < r->rank.n_kept && i < ROWS_MOST; i++) {
        const struct cn_standing *s = &r->rank.rows[i];
        cn_buf_printf(out, "| %lld | %lld | %lld | ", (long long)i + 1, (long long)s->node->id,
                      (long long)s->node->block);
        cn_standing_words(&r->h->info, s, r->rank.confidence, out);
        cn_buf_adds(out, " | ");
        cn_fact_config(r->h, s->node, out);
        cn_buf_adds(out, " |\n");
    }
}

static void put_iterations(const struct report *r, struct cn_buf *out)
{
    const struct cn_history *h = r->h;
    bool whole = h->n_iterations <= ITERATIONS_WHOLE && h->older.first <= 1;
    int64_t from = whole ? 0 : h->n_iterations - 2 * (int64_t)ROWS_MOST;

    if (!whole)
        put_ranked(r, out);
    cn_buf_printf(out,
                  "\n## %s iterations\n\n| Iter | Block | Node | Parent | Strategy | "
                  "Mutation | ",
                  whole ? "All" : "The last");
    cn_prose_name(out, h->info.reward);
    cn_buf_adds(out, " | Outcome |\n|---|---|---|---|---|---|---|---|\n");
    for (int64_t i = from > 0 ? from : 0; i < h->n_iterations; i++)
        if (cn_fact_committed(&h->iterations[i]))
            put_row(h, &h->iterations[i], out);
    if (!whole) {
        cn_buf_adds(out, "\nAll of them: `cairn log ");
        cn_prose_name(out, h->info.name);
        cn_buf_adds(out, "`.\n");
    }
}

/* ---- the whole ---- */

static cn_status report_init(struct report *r, const struct cn_history *h, const char *words)
{
    struct cn_best_query q = CN_BEST_QUERY_INIT;
    cn_status st;

    memset(r, 0, sizeof *r);
    r->h = h;
    r->words = words;
    cn_arena_init(&r->arena, CN_CAP_ARENA);
    q.state = CN_ITER_COMMITTED;
    st = cn_history_rank(h, &q, &r->arena, &r->rank, NULL);
    if (st == CN_OK)
        st = cn_history_gain(h, &q, &r->gain, NULL);
    if (st == CN_OK)
        st = cn_evidence_init(&r->e, h);
    if (st == CN_OK)
        st = cn_dead_ends_init(&r->dead, h, &r->e);
    if (st == CN_OK)
        st = cn_claims_init(&r->claims, h, &r->e, words);
    if (st == CN_OK)
        st = cn_inert_init(&r->inert, h, &r->e);
    if (st == CN_OK)
        st = cn_failures_init(&r->failures, h);
    return st;
}

static void report_clear(struct report *r)
{
    cn_failures_clear(&r->failures);
    cn_inert_clear(&r->inert);
    cn_claims_clear(&r->claims);
    cn_dead_ends_clear(&r->dead);
    cn_evidence_clear(&r->e);
    cn_arena_clear(&r->arena);
}

static cn_status put_report(const struct report *r, const char *goal, struct cn_buf *out)
{
    cn_status st;

    put_asked(r->h, goal, out);
    cn_buf_adds(out, "## What was found\n\n");
    put_best(r, out);
    put_guardrails(r, out);
    put_gain(r, out);
    put_spent(r->h, out);
    st = put_regimes(r, out);
    put_learnt(r, out);
    put_predictions(r->h, out);
    put_failures(r, out);
    put_protocol(r->h, out);
    put_section(r, "Open Questions", "Open questions", out);
    put_section(r, "Hypothesis", "The last hypothesis", out);
    put_commands(r->h, out);
    cn_buf_adds(out, "\n![The search tree](tree.png)\n");
    put_iterations(r, out);
    return st;
}

void cn_project_report(const struct cn_history *h, const char *goal, const char *free_text,
                       struct cn_buf *out)
{
    struct report r;
    cn_status st = report_init(&r, h, free_text ? free_text : "");

    if (st == CN_OK)
        st = put_report(&r, goal, out);
    if (st != CN_OK && out->status == CN_OK)
        out->status = st;
    report_clear(&r);
}
