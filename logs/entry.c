/* <run>_analysis.md: one entry per committed iteration, in id order, held back until the gap
 * before it closes; block summaries. The grammar is that of the Python systems (logs/FORMAT.md,
 * section 4); what differs, and why, stands in
 * docs/decisions/old-log-grammar-without-its-traps.md. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/banned.h"
#include "base/text.h"
#include "logs/evidence.h"
#include "logs/project_int.h"

/* ---- lines of an entry ---- */

static const char *status_word(const struct cn_iteration *it)
{
    if (it->outcome != CN_OUTCOME_OK)
        return "failed";
    return it->cls == CN_CLASS_NONE ? "finished" : cn_class_name(it->cls);
}

/* How many trainings of this node there were up to and with this one. */
static int64_t training_number(const struct cn_history *h, const struct cn_iteration *it)
{
    const struct cn_node *n = cn_history_node(h, it->node);
    int64_t k = n && n->before ? n->before->trainings : 0;

    for (const struct cn_iteration *r = cn_history_run(h, it->node, NULL); r && r->id <= it->id;
         r = cn_history_run(h, it->node, r))
        k += !(n && n->before && r->id <= n->before->last && !r->confirmation);
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
        cn_prose_line(out, "R2 trajectory", words);
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
            cn_prose_line(out, "User instruction", h->messages[i].text);
}

/* ---- the fields of an entry ---- */

/* Numbers of the node's runs up to this one. A name whose tail is the reward's would be read as
 * the reward by an unanchored reader: its '=' stands apart. */
static void put_stat(const struct cn_history *h, const char *name, double x, bool first,
                     struct cn_buf *out)
{
    bool apart = h->info.reward[0] && cn_text_ends(name, h->info.reward);

    cn_buf_printf(out, "%s%s%s", first ? "" : ", ", name, apart ? " = " : "=");
    cn_prose_short(out, x);
}

static cn_pool pool_of(const struct cn_iteration *it)
{
    return it->confirmation ? CN_POOL_CONFIRMATION : CN_POOL_SEARCH;
}

static void put_seed_stats(const struct cn_history *h, const struct cn_iteration *it,
                           const struct cn_node *n, struct cn_buf *out)
{
    struct cn_spread s =
        cn_fact_metric_spread(h, cn_fact_spread(h, it->node, pool_of(it), it->id));

    (void)n;
    if (s.n < 2 || it->outcome != CN_OUTCOME_OK)
        return;
    cn_buf_adds(out, "Seed stats: ");
    put_stat(h, "mean", s.mean, true, out);
    put_stat(h, "std", s.std, false, out);
    put_stat(h, "CV", cn_fact_cv(&s), false, out);
    put_stat(h, "min", s.min, false, out);
    put_stat(h, "max", s.max, false, out);
    cn_buf_printf(out, " (n = %lld, CV in %%)\n", (long long)s.n);
}

static void put_stability(const struct cn_history *h, const struct cn_iteration *it,
                          const struct cn_node *n, struct cn_buf *out)
{
    bool few;
    cn_stability s;
    cn_status st = cn_evidence_stability(h, it->node, pool_of(it), it->id, &s, &few);

    (void)n;
    if (st != CN_OK)
        out->status = st;
    if (s == CN_STABILITY_UNKNOWN || it->outcome != CN_OUTCOME_OK)
        return;
    cn_buf_printf(out, "Stability: %s%s\n", cn_stability_name(s),
                  few ? " (fewer than 4 runs: a first impression)" : "");
}

/* The reference systems distrust the dynamics when a model predicts well with wrong weights. */
static void put_degeneracy(const struct cn_history *h, const struct cn_iteration *it,
                           const struct cn_node *n, struct cn_buf *out)
{
    static const double distrust = 0.3;
    double gap =
        cn_iteration_metric(it, "test_pearson") - cn_iteration_metric(it, "connectivity_R2");

    (void)n;
    if (isnan(gap) || it->outcome != CN_OUTCOME_OK)
        return;
    cn_buf_adds(out, "Degeneracy: ");
    put_stat(h, "gap", gap, true, out);
    if (gap > distrust)
        cn_buf_printf(out, " (above %g: good predictions from wrong weights)", distrust);
    cn_buf_addc(out, '\n');
}

static void put_field_seeds(const struct cn_history *h, const struct cn_iteration *it,
                            const struct cn_node *n, struct cn_buf *out)
{
    (void)h;
    (void)n;
    put_seeds(it, out);
}

static void put_field_config(const struct cn_history *h, const struct cn_iteration *it,
                             const struct cn_node *n, struct cn_buf *out)
{
    (void)it;
    if (n)
        put_config(h, n, out);
}

static void put_field_trajectory(const struct cn_history *h, const struct cn_iteration *it,
                                 const struct cn_node *n, struct cn_buf *out)
{
    (void)n;
    put_trajectory(h, it->trajectory, out);
}

static void put_field_mutation(const struct cn_history *h, const struct cn_iteration *it,
                               const struct cn_node *n, struct cn_buf *out)
{
    (void)h;
    put_mutation(it, n, out);
}

static void put_field_variance(const struct cn_history *h, const struct cn_iteration *it,
                               const struct cn_node *n, struct cn_buf *out)
{
    (void)n;
    put_variance(h, it, out);
}

#define WORDS_FIELD(member)                                                                   \
    static void put_field_##member(const struct cn_history *h, const struct cn_iteration *it, \
                                   const struct cn_node *n, struct cn_buf *out)               \
    {                                                                                         \
        (void)h;                                                                              \
        (void)n;                                                                              \
        cn_prose_line(out, field_##member, it->member);                                       \
    }
static const char field_strategy[] = "Mode/Strategy";
static const char field_activity[] = "Activity";
static const char field_embedding[] = "Embedding";
static const char field_parent_rule[] = "Parent rule";
static const char field_hypothesis[] = "Hypothesis tested";
static const char field_observation[] = "Observation";
WORDS_FIELD(strategy)
WORDS_FIELD(activity)
WORDS_FIELD(embedding)
WORDS_FIELD(parent_rule)
WORDS_FIELD(hypothesis)
WORDS_FIELD(observation)

/* In the order of a log whose protocol names no fields; it shows those with `usual`. The ones
 * with `early` stand before the result whatever order is asked for. */
#define FIELDS(X)                                            \
    X(field_strategy, put_field_strategy, true, true)        \
    X("Seeds", put_field_seeds, true, true)                  \
    X("Config", put_field_config, true, true)                \
    X("R2 trajectory", put_field_trajectory, false, true)    \
    X(field_activity, put_field_activity, false, true)       \
    X(field_embedding, put_field_embedding, false, true)     \
    X("Mutation", put_field_mutation, false, true)           \
    X(field_parent_rule, put_field_parent_rule, false, true) \
    X(field_hypothesis, put_field_hypothesis, false, true)   \
    X(field_observation, put_field_observation, false, true) \
    X("Variance update", put_field_variance, false, true)    \
    X("Seed stats", put_seed_stats, false, false)            \
    X("Stability", put_stability, false, false)              \
    X("Degeneracy", put_degeneracy, false, false)

static const struct field {
    const char *name;
    void (*put)(const struct cn_history *, const struct cn_iteration *, const struct cn_node *,
                struct cn_buf *);
    bool early, usual;
} fields[] = {
#define X(name, put, early, usual) {name, put, early, usual},
    FIELDS(X)
#undef X
};
enum { N_FIELDS = sizeof(fields) / sizeof(fields[0]) };

const char *const *cn_project_log_fields(void)
{
    static const char *const names[] = {
#define X(name, put, early, usual) name,
        FIELDS(X)
#undef X
            NULL};

    return names;
}

/* The next name of a comma list; false at its end. */
static bool next_name(const char **list, const char **out, size_t *out_n)
{
    const char *p = *list + strspn(*list, ", \t");
    size_t n = strcspn(p, ",");

    *list = p + n;
    while (n && (p[n - 1] == ' ' || p[n - 1] == '\t'))
        n--;
    *out = p;
    *out_n = n;
    return n > 0;
}

static const struct field *field_named(const char *name, size_t n)
{
    for (int i = 0; i < N_FIELDS; i++)
        if (strlen(fields[i].name) == n && strncasecmp(fields[i].name, name, n) == 0)
            return &fields[i];
    return NULL;
}

/* A person's words stand after what the figures show. */
static void put_usual(const struct cn_history *h, const struct cn_iteration *it,
                      const struct cn_node *n, bool early, struct cn_buf *out)
{
    for (int i = 0; i < N_FIELDS; i++) {
        if (fields[i].usual && fields[i].early == early)
            fields[i].put(h, it, n, out);
        if (!early && fields[i].name == field_embedding)
            put_instructions(h, it, out);
    }
}

static void put_chosen(const struct cn_history *h, const struct cn_iteration *it,
                       const struct cn_node *n, bool early, struct cn_buf *out)
{
    const char *list = h->info.log_fields, *name;
    size_t len;

    if (!early)
        put_instructions(h, it, out);
    while (next_name(&list, &name, &len)) {
        const struct field *f = field_named(name, len);
        if (f && f->early == early)
            f->put(h, it, n, out);
    }
}

void cn_project_entry(const struct cn_history *h, const struct cn_iteration *it,
                      struct cn_buf *out)
{
    const struct cn_node *n = cn_history_node(h, it->node);
    bool chosen = h->info.log_fields && h->info.log_fields[0];

    put_identity(h, it, n, out);
    (chosen ? put_chosen : put_usual)(h, it, n, true, out);
    put_metrics(h, it, out);
    (chosen ? put_chosen : put_usual)(h, it, n, false, out);
    put_next(h, it, out);
}

/* ---- the whole log ---- */

static bool is_last_of_block(const struct cn_history *h, int64_t at)
{
    int64_t block = h->iterations[at].block;

    /* Only confirmations, which have no block, may stand between iterations of one. */
    for (int64_t i = at + 1; i < h->n_iterations; i++) {
        if (h->iterations[i].block == block)
            return false;
        if (h->iterations[i].block > block)
            return true;
    }
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

/* Where the entries before this file's stand. */
static void put_volumes(const struct cn_history *h, int64_t n, int64_t last, struct cn_buf *out)
{
    char first_name[CN_PROJECT_NAME], last_name[CN_PROJECT_NAME];

    if (n == 0)
        return;
    cn_buf_printf(out, "<!-- volumes: %lld; entries up to iteration %lld stand in ",
                  (long long)n, (long long)last);
    cn_prose_name(out, cn_project_volume_name(h, 1, first_name));
    if (n > 1) {
        cn_buf_adds(out, " to ");
        cn_prose_name(out, cn_project_volume_name(h, n, last_name));
    }
    cn_buf_adds(out, " -->\n");
}

void cn_log_head(const struct cn_history *h, int64_t n_volumes, int64_t last,
                 struct cn_buf *out)
{
    cn_buf_adds(out, "# Exploration log: ");
    cn_prose(out, h->info.name);
    cn_buf_adds(out, "\n\n<!-- cairn log, format 1, reward ");
    cn_prose_name(out, h->info.reward);
    cn_buf_adds(out,
                ". Made from run.db; an edit of yours is kept as a file of its own. -->\n");
    put_settings(&h->info, out);
    put_volumes(h, n_volumes, last, out);
}

void cn_log_entry(const struct cn_history *h, int64_t at, struct cn_buf *out)
{
    const struct cn_block *b = cn_history_block(h, h->iterations[at].block);

    cn_buf_addc(out, '\n');
    cn_project_entry(h, &h->iterations[at], out);
    if (b && b->closed && is_last_of_block(h, at)) {
        cn_buf_addc(out, '\n');
        cn_project_block_summary(h, b, out);
    }
}

bool cn_log_is_settled(const struct cn_history *h, int64_t at, bool *out_block_end)
{
    const struct cn_iteration *it = &h->iterations[at];
    const struct cn_block *b = cn_history_block(h, it->block);
    bool last = b && is_last_of_block(h, at);

    *out_block_end = last && b->closed && cn_history_block(h, b->number + 1);
    return at + 1 < h->n_iterations && (!last || *out_block_end);
}

void cn_project_analysis(const struct cn_history *h, struct cn_buf *out)
{
    int64_t last = h->n_volumes ? h->volumes[h->n_volumes - 1].last : 0;

    cn_log_head(h, h->n_volumes, last, out);
    for (int64_t i = 0; i < h->n_iterations && cn_fact_committed(&h->iterations[i]); i++)
        if (h->iterations[i].id > last)
            cn_log_entry(h, i, out);
}
