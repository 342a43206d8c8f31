/* <run>_analysis.md: one entry per committed iteration, in id order, held back until the gap
 * before it closes; block summaries. The grammar is that of the Python systems (logs/FORMAT.md,
 * section 4); what differs, and why, stands in
 * docs/decisions/old-log-grammar-without-its-traps.md. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "logs/project_int.h"

/* ---- lines of an entry ---- */

static void put_prose_line(struct cn_buf *out, const char *field, const char *words)
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

static const char *status_word(const struct cn_iteration *it)
{
    if (it->outcome != CN_OUTCOME_OK)
        return "failed";
    return it->cls == CN_CLASS_NONE ? "finished" : cn_class_name(it->cls);
}

/* How many trainings of this node there were up to and with this one. */
static int64_t training_number(const struct cn_history *h, const struct cn_iteration *it)
{
    int64_t k = 0;

    for (int64_t i = 0; i < h->n_iterations && h->iterations[i].id <= it->id; i++)
        k += h->iterations[i].node == it->node;
    return k;
}

static void put_identity(const struct cn_history *h, const struct cn_iteration *it,
                         const struct cn_node *n, struct cn_buf *out)
{
    cn_buf_printf(out, "## Iter %lld: %s\nNode: id=%lld, parent=", (long long)it->id,
                  status_word(it), (long long)it->node);
    cn_prose_parent(out, n ? n->parent : 0);
    cn_buf_addc(out, '\n');
    if (it->node != it->id)
        cn_buf_printf(out, "Replicate: of node %lld (training %lld of it)\n",
                      (long long)it->node, (long long)training_number(h, it));
    if (it->confirmation)
        cn_buf_adds(out, "Confirmation: fresh seeds, outside the search\n");
}

static void put_seeds(const struct cn_iteration *it, struct cn_buf *out)
{
    cn_buf_printf(out, "Seeds: sim_seed=%llu, train_seed=%llu",
                  (unsigned long long)it->sim_seed, (unsigned long long)it->train_seed);
    if (it->seed_mode[0]) {
        cn_buf_adds(out, ", rationale=");
        cn_prose_name(out, it->seed_mode);
    }
    cn_buf_addc(out, '\n');
}

static void put_config(const struct cn_history *h, const struct cn_node *n, struct cn_buf *out)
{
    size_t before = out->len;

    cn_buf_adds(out, "Config: ");
    size_t start = out->len;
    cn_fact_config(h, n, out);
    if (cn_buf_status(out) == CN_OK && out->len == start) {
        out->len = before;
        out->data[before] = '\0';
        return;
    }
    cn_buf_addc(out, '\n');
}

static void put_metric(struct cn_buf *out, bool *first, const char *name, double value)
{
    cn_buf_adds(out, *first ? "" : ", ");
    *first = false;
    cn_prose_name(out, name);
    cn_buf_addc(out, '=');
    cn_prose_number(out, value);
}

/* The reward first: older readers take the first "<reward>=" of the line, also as the tail of a
 * longer name. Only an ok iteration has a Metrics line: what a training that failed last
 * reported is not its result. */
static void put_metrics(const struct cn_history *h, const struct cn_iteration *it,
                        struct cn_buf *out)
{
    const char *reward = h->info.reward;
    bool first = true;

    if (it->outcome != CN_OUTCOME_OK) {
        cn_buf_printf(out, "Outcome: %s", cn_outcome_name(it->outcome));
        if (it->message[0]) {
            cn_buf_adds(out, ", message: ");
            cn_prose(out, it->message);
        }
        cn_buf_addc(out, '\n');
        return;
    }
    cn_buf_adds(out, "Metrics: ");
    put_metric(out, &first, reward, cn_fact_metric(h, it->reward));
    for (int i = 0; i < it->n_metrics; i++)
        if (strcmp(it->metrics[i].name, reward) != 0)
            put_metric(out, &first, it->metrics[i].name, it->metrics[i].value);
    cn_buf_addc(out, '\n');
}

/* "conn peak=0.9 ..." is the host's own and keeps its '=', unless a key of it is the reward's
 * name. */
static void put_trajectory(const struct cn_history *h, const char *words, struct cn_buf *out)
{
    const char *at = words[0] && h->info.reward[0] ? strstr(words, h->info.reward) : NULL;

    if (!words[0])
        return;
    if (at || strpbrk(words, "\n\r")) {
        put_prose_line(out, "R2 trajectory", words);
        return;
    }
    cn_buf_printf(out, "R2 trajectory: %s\n", words);
}

static void put_mutation(const struct cn_iteration *it, const struct cn_node *n,
                         struct cn_buf *out)
{
    cn_buf_adds(out, "Mutation: ");
    if (n && it->node == it->id)
        cn_prose_mutations(out, n);
    else
        cn_buf_adds(out, "none");
    cn_buf_addc(out, '\n');
}

static void put_variance(const struct cn_history *h, const struct cn_iteration *it,
                         struct cn_buf *out)
{
    struct cn_spread s = cn_fact_spread(
        h, it->node, it->confirmation ? CN_POOL_CONFIRMATION : CN_POOL_SEARCH, it->id);

    if (s.n < 2 || it->node == it->id || it->outcome != CN_OUTCOME_OK)
        return;
    cn_buf_printf(out, "Variance update: node %lld now has %lld %s, mean ", (long long)it->node,
                  (long long)s.n, it->confirmation ? "confirmations" : "runs");
    cn_prose_short(out, cn_fact_metric(h, s.mean));
    cn_buf_adds(out, ", CV(");
    cn_prose_name(out, h->info.reward);
    cn_buf_printf(out, ")=%.2g%%\n", cn_fact_cv(&s));
}

/* The true parent of the next iteration; nothing while that is not known. */
static void put_next(const struct cn_history *h, const struct cn_iteration *it,
                     struct cn_buf *out)
{
    const struct cn_iteration *next = cn_history_iteration(h, it->id + 1);
    const struct cn_node *n = next ? cn_history_node(h, next->node) : NULL;

    if (!n)
        return;
    cn_buf_adds(out, "Next: parent=");
    cn_prose_parent(out, n->parent);
    cn_buf_addc(out, '\n');
}

/* What a person said to the run, at the iteration before whose planning it was read. */
static void put_instructions(const struct cn_history *h, const struct cn_iteration *it,
                             struct cn_buf *out)
{
    for (int64_t i = 0; i < h->n_messages; i++)
        if (h->messages[i].acked_ms != 0 && h->messages[i].acked_iteration == it->id)
            put_prose_line(out, "User instruction", h->messages[i].text);
}

void cn_project_entry(const struct cn_history *h, const struct cn_iteration *it,
                      struct cn_buf *out)
{
    const struct cn_node *n = cn_history_node(h, it->node);

    put_identity(h, it, n, out);
    put_prose_line(out, "Mode/Strategy", it->strategy);
    put_seeds(it, out);
    if (n)
        put_config(h, n, out);
    put_metrics(h, it, out);
    put_trajectory(h, it->trajectory, out);
    put_prose_line(out, "Activity", it->activity);
    put_prose_line(out, "Embedding", it->embedding);
    put_instructions(h, it, out);
    put_mutation(it, n, out);
    put_prose_line(out, "Parent rule", it->parent_rule);
    put_prose_line(out, "Hypothesis tested", it->hypothesis);
    put_prose_line(out, "Observation", it->observation);
    put_variance(h, it, out);
    put_next(h, it, out);
}

/* ---- block summary ---- */

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

static void put_best(const struct cn_history *h, const struct cn_node *best, struct cn_buf *out)
{
    struct cn_spread s = cn_fact_spread(h, best->id, CN_POOL_SEARCH, INT64_MAX);
    const struct cn_iteration *it = cn_history_iteration(h, best->id);
    bool any = false;

    cn_buf_adds(out, "Best R2: ");
    cn_prose_short(out, cn_fact_metric(h, s.mean));
    cn_buf_printf(out, " at iter %lld (", (long long)best->id);
    cn_prose_name(out, h->info.reward);
    cn_buf_printf(out, ", %s%lld run%s)\n", s.n > 1 ? "mean of " : "", (long long)s.n,
                  s.n > 1 ? "s" : "");
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

static void put_outcome_of_block(const struct cn_history *h, const struct cn_block *b,
                                 struct cn_buf *out)
{
    struct cn_fact_counts c = cn_fact_count(h, b->number);
    const struct cn_node *best = cn_fact_best(h, b->number);

    if (best)
        put_best(h, best, out);
    cn_buf_printf(out, "Converged: %s (%lld of %lld)\n", c.converged ? "Yes" : "No",
                  (long long)c.converged, (long long)c.all);
    cn_buf_printf(out, "Observation: %lld iterations, %lld with a result, %lld without\n",
                  (long long)c.all, (long long)c.ok, (long long)c.failed);
    put_failures(h, b, out);
    if (best) {
        cn_buf_adds(out, "Optimum training: ");
        cn_fact_config(h, best, out);
        cn_buf_addc(out, '\n');
    }
}

/* No line here starts with "Node:" or "Next:": older readers take this section for a part of
 * the entry before it. */
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
    put_outcome_of_block(h, b, out);
    put_prose_line(out, "Protocol edit", b->edit_note);
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

/* ---- the whole log ---- */

static bool is_last_of_block(const struct cn_history *h, int64_t at)
{
    int64_t block = h->iterations[at].block;

    for (int64_t i = at + 1; i < h->n_iterations; i++)
        if (h->iterations[i].block == block)
            return false;
    return true;
}

/* What a rebuild of a lost store needs beyond the entries. */
static void put_settings(const struct cn_run_info *r, struct cn_buf *out)
{
    cn_buf_adds(out, "<!-- settings: study=");
    cn_prose_value(out, r->study);
    cn_buf_printf(out,
                  ", better=%s, converged=", r->reward_lower_is_better ? "lower" : "higher");
    cn_prose_number(out, r->converged);
    cn_buf_adds(out, ", failed=");
    cn_prose_number(out, r->failed);
    cn_buf_printf(out,
                  ", n_iter_block=%lld, n_parallel=%d, proposer=", (long long)r->n_iter_block,
                  (int)r->n_parallel);
    cn_prose_value(out, r->proposer);
    cn_buf_adds(out, ", score_kind=");
    cn_prose_value(out, r->score_kind);
    cn_buf_adds(out, ", ucb_c=");
    cn_prose_number(out, r->ucb_c);
    cn_buf_adds(out, ", c_scale=");
    cn_prose_value(out, r->c_scale);
    cn_buf_adds(out, " -->\n");
}

void cn_project_analysis(const struct cn_history *h, struct cn_buf *out)
{
    cn_buf_adds(out, "# Exploration log: ");
    cn_prose(out, h->info.name);
    cn_buf_adds(out, "\n\n<!-- cairn log, format 1, reward ");
    cn_prose_name(out, h->info.reward);
    cn_buf_adds(out,
                ". Made from run.db; an edit of yours is kept as a file of its own. -->\n");
    put_settings(&h->info, out);
    for (int64_t i = 0; i < h->n_iterations && cn_fact_committed(&h->iterations[i]); i++) {
        const struct cn_block *b = cn_history_block(h, h->iterations[i].block);
        cn_buf_addc(out, '\n');
        cn_project_entry(h, &h->iterations[i], out);
        if (b && b->closed && is_last_of_block(h, i)) {
            cn_buf_addc(out, '\n');
            cn_project_block_summary(h, b, out);
        }
    }
}
