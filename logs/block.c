/* The summary of a block in the log, as of the block's end. No line of it starts with "Node:" or
 * "Next:": older readers take this section for a part of the entry before it. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "logs/project_int.h"

static void put_failures(const struct cn_history *h, const struct cn_block *b,
                         struct cn_buf *out)
{
    bool any = false;

    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        if (it->block != b->number || it->confirmation || it->outcome == CN_OUTCOME_OK)
            continue;
        cn_buf_printf(out, "%s%s at iter %lld",
                      any ? ", " : "Failures: ", cn_outcome_name(it->outcome),
                      (long long)it->id);
        any = true;
    }
    if (any)
        cn_buf_addc(out, '\n');
}

static void put_best(const struct cn_history *h, const struct cn_best *best, struct cn_buf *out)
{
    const struct cn_standing *s = &best->first;
    const struct cn_iteration *it = cn_history_iteration(h, s->node->id);
    bool any = false;

    cn_buf_adds(out, "Best R2: ");
    cn_prose_short(out, cn_fact_metric(h, s->mean));
    cn_buf_printf(out, " at iter %lld (", (long long)s->node->id);
    cn_prose_name(out, h->info.reward);
    cn_buf_printf(out, ", %s%lld run%s)\n", s->n > 1 ? "mean of " : "", (long long)s->n,
                  s->n > 1 ? "s" : "");
    cn_buf_adds(out, "Best spread: ");
    cn_standing_words(&h->info, s, best->confidence, out);
    if (!isnan(s->cv))
        cn_buf_printf(out, ", CV %.2g %%", s->cv);
    cn_buf_addc(out, '\n');
    for (int i = 0; it && i < it->n_metrics; i++) {
        if (strcmp(it->metrics[i].name, h->info.reward) == 0)
            continue;
        cn_buf_adds(out, any ? ", " : "Best ");
        cn_prose_name(out, it->metrics[i].name);
        cn_buf_adds(out, ": ");
        cn_prose_short(out, it->metrics[i].value);
        any = true;
    }
    if (any)
        cn_buf_addc(out, '\n');
}

/* ---- guardrails ---- */

/* A result without the metric breaks it: nobody knows that it was kept. */
static bool breaks(const struct cn_guardrail *g, const struct cn_iteration *it)
{
    double x = cn_iteration_metric(it, g->metric);

    return !(g->at_most ? x <= g->bound : x >= g->bound);
}

static void put_guardrail(const struct cn_history *h, const struct cn_guardrail *g,
                          int64_t block, struct cn_buf *out)
{
    enum { IDS_MOST = 8 };
    int64_t n = 0, broken = 0;
    struct cn_buf ids;

    cn_buf_init(&ids, CN_CAP_RECORD);
    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        if (!cn_fact_ok(it) || it->confirmation || (block && it->block != block))
            continue;
        n++;
        if (breaks(g, it) && broken++ < IDS_MOST)
            cn_buf_printf(&ids, "%s%lld", broken > 1 ? ", " : "", (long long)it->id);
    }
    cn_prose_name(out, g->metric);
    cn_buf_printf(out, " %s %g broken by %lld of %lld results",
                  g->at_most ? "<=" : ">=", g->bound, (long long)broken, (long long)n);
    if (broken)
        cn_buf_printf(out, " (iter%s %s%s)", broken > 1 ? "s" : "", cn_buf_str(&ids),
                      broken > IDS_MOST ? ", ..." : "");
    if (cn_buf_status(&ids) != CN_OK)
        out->status = cn_buf_status(&ids);
    cn_buf_clear(&ids);
}

void cn_fact_guardrails(const struct cn_history *h, int64_t block, struct cn_buf *out)
{
    struct cn_guardrails g;

    /* They were checked when the run was made. */
    if (cn_best_guardrails(h->info.guardrails, &g, NULL) != CN_OK)
        return;
    for (int i = 0; i < g.n; i++) {
        cn_buf_adds(out, i ? "; " : "");
        put_guardrail(h, &g.rows[i], block, out);
    }
}

/* ---- doubt ---- */

static bool seen_before(const struct cn_history *h, const struct cn_iteration *it)
{
    const struct cn_iteration *run = NULL;

    while ((run = cn_history_run(h, it->node, run)) != NULL && run->id < it->id)
        if (run->block == it->block && cn_fact_ok(run) && !run->confirmation)
            return true;
    return false;
}

/* Of repeats within the block alone, so that its summary needs no other block's rows. */
static struct cn_noise noise_of(const struct cn_history *h, const struct cn_block *b)
{
    struct cn_noise noise = CN_NOISE_INIT;

    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i], *run = NULL;
        double mean = 0, m2 = 0;
        int64_t n = 0;
        if (it->block != b->number || !cn_fact_ok(it) || it->confirmation || seen_before(h, it))
            continue;
        while ((run = cn_history_run(h, it->node, run)) != NULL) {
            double d = run->reward - mean;
            if (run->block != b->number || !cn_fact_ok(run) || run->confirmation)
                continue;
            mean += d / (double)++n;
            m2 += d * (run->reward - mean);
        }
        cn_noise_add(&noise, n, n > 1 ? sqrt(m2 / (double)(n - 1)) : (double)NAN);
    }
    return noise;
}

static void put_doubt(const struct cn_history *h, const struct cn_block *b,
                      const struct cn_fact_counts *c, struct cn_buf *out)
{
    struct cn_noise noise = noise_of(h, b);
    struct cn_buf g;

    cn_buf_adds(out, "Failure share: ");
    cn_prose_share(out, c->failed, c->all);
    cn_buf_adds(out, "\nNoise: ");
    cn_prose_noise(out, &noise);
    cn_buf_addc(out, '\n');
    cn_buf_init(&g, CN_CAP_RECORD);
    cn_fact_guardrails(h, b->number, &g);
    if (cn_buf_status(&g) != CN_OK)
        out->status = cn_buf_status(&g);
    if (g.len)
        cn_buf_printf(out, "Guardrails: %s\n", cn_buf_str(&g));
    cn_buf_clear(&g);
}

static void put_outcome(const struct cn_history *h, const struct cn_block *b,
                        struct cn_buf *out)
{
    struct cn_fact_counts c = cn_fact_count(h, b->number);
    struct cn_best best;
    cn_status st = cn_fact_leader(h, b->number, &best);

    if (st != CN_OK) {
        out->status = st;
        return;
    }
    if (best.first.node)
        put_best(h, &best, out);
    cn_buf_printf(out, "Converged: %s (%lld of %lld)\n", c.converged ? "Yes" : "No",
                  (long long)c.converged, (long long)c.all);
    cn_buf_printf(out, "Observation: %lld iterations, %lld with a result, %lld without\n",
                  (long long)c.all, (long long)c.ok, (long long)c.failed);
    put_failures(h, b, out);
    put_doubt(h, b, &c, out);
    if (best.first.node) {
        cn_buf_adds(out, "Optimum training: ");
        cn_fact_config(h, best.first.node, out);
        cn_buf_addc(out, '\n');
    }
}

void cn_project_block_summary(const struct cn_history *h, const struct cn_block *b,
                              struct cn_buf *out)
{
    const struct cn_block *next = cn_history_block(h, b->number + 1);
    int64_t last = b->first - 1;

    for (int64_t i = 0; i < h->n_iterations; i++)
        if (h->iterations[i].block == b->number)
            last = h->iterations[i].id;
    cn_buf_printf(out, "## Simulation Block %lld Summary (iters %lld-%lld)\n",
                  (long long)b->number, (long long)b->first, (long long)last);
    if (b->n_regime) {
        cn_buf_adds(out, "Simulation: ");
        cn_prose_pairs(out, b->regime, b->n_regime);
        cn_buf_addc(out, '\n');
    }
    put_outcome(h, b, out);
    cn_prose_line(out, "Protocol edit", b->edit_note);
    if (!next)
        return;
    cn_buf_adds(out, "\n--- NEW SIMULATION BLOCK ---\n");
    if (next->n_regime) {
        cn_buf_adds(out, "Next simulation: ");
        cn_prose_pairs(out, next->regime, next->n_regime);
        cn_buf_addc(out, '\n');
    }
    cn_buf_adds(out, "Next block: parent=root\n");
}
