/* The score file of a run that is taken over, against what its history gives. See adopt.h.
 *
 * Nothing of the file enters the record: it tells whether the log was read as its writer meant
 * it. The kind of score is not written down in such files; both are tried, and the one that more
 * rows agree with is named. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "harness/loop/adopt_int.h"
#include "logs/read_scores.h"
#include "ucb/score.h"
#include "ucb/tree.h"

/* Files have three decimals. */
static bool near(double a, double b)
{
    return fabs(a - b) <= 0.0015;
}

struct check {
    struct cn_adopt *a;
    const struct cn_read_score_table *t;
    struct cn_tree tree;
    double c;
};

/* An entry whose metric is nan, which their loop scores as 0. */
static bool says_nan(const struct cn_history *h, int64_t id)
{
    const struct cn_iteration *it = cn_history_iteration(h, id);

    for (int i = 0; it && i < it->n_metrics; i++)
        if (strcmp(it->metrics[i].name, h->info.reward) == 0)
            return isnan(it->metrics[i].value);
    return false;
}

/* The nodes of the table: of its iterations when the header names them, else of its rows. */
static cn_status make_tree(struct check *k)
{
    const struct cn_history *h = &k->a->out->log.history;
    const int64_t first = k->t->first ? k->t->first : 1;
    const int64_t last = k->t->last ? k->t->last : INT64_MAX;
    struct cn_tree_input *in = cn_alloc((size_t)h->n_nodes + 1, sizeof *in);
    double *means = cn_alloc((size_t)h->n_nodes + 1, sizeof *means);
    int64_t n = 0;
    cn_status st;

    if (!in || !means) {
        cn_free(in);
        cn_free(means);
        return cn_err_set(k->a->err, CN_ENOMEM, "no memory for the scores");
    }
    for (int64_t i = 0; i < h->n_nodes; i++) {
        const struct cn_node *node = &h->nodes[i];
        const struct cn_spread s = cn_history_spread(h, node->id, CN_POOL_SEARCH);
        const bool counts = s.n > 0 || says_nan(h, node->id);

        if (node->id < first || node->id > last)
            continue;
        means[n] = s.mean; /* NaN is worth 0 there */
        in[n] = (struct cn_tree_input){.id = node->id,
                                       .parent = node->parent,
                                       .rewards = &means[n],
                                       .n_rewards = counts,
                                       .failed = !counts};
        n++;
    }
    st = cn_tree_init(&k->tree, in, n, CN_TREE_NAN_ZERO, (double)NAN, k->a->err);
    cn_free(in);
    cn_free(means);
    return st;
}

/* What a row should say; false when the node is not there. */
static bool score_of(const struct check *k, int64_t id, cn_score_kind kind, double *out)
{
    const struct cn_tree_node *n = cn_tree_get(&k->tree, id);
    const int64_t total = k->t->total ? k->t->total : k->tree.total;

    if (!n)
        return false;
    *out = cn_score_value(kind, n->reward, total, n->visits, k->c);
    return true;
}

static cn_score_kind kind_of(const struct check *k)
{
    int64_t hits[2] = {0, 0};
    double x;

    for (int64_t i = 0; i < k->t->n_rows; i++)
        for (int kind = 0; kind < 2; kind++)
            hits[kind] += score_of(k, k->t->rows[i].node, (cn_score_kind)kind, &x) &&
                          near(x, k->t->rows[i].score);
    k->a->out->score_kind = hits[0] + hits[1] == 0 ? ""
                            : hits[CN_SCORE_PUCT] > hits[CN_SCORE_UCB1]
                                ? cn_score_kind_name(CN_SCORE_PUCT)
                                : cn_score_kind_name(CN_SCORE_UCB1);
    return hits[CN_SCORE_PUCT] > hits[CN_SCORE_UCB1] ? CN_SCORE_PUCT : CN_SCORE_UCB1;
}

static cn_status check_row(struct check *k, const struct cn_read_score *row, cn_score_kind kind)
{
    const struct cn_tree_node *n = cn_tree_get(&k->tree, row->node);
    const int64_t parent = n ? n->parent : 0;
    double score = (double)NAN;

    k->a->out->n_scores++;
    (void)score_of(k, row->node, kind, &score);
    if (n && near(score, row->score) && row->visits == n->visits && row->parent == parent &&
        (isnan(row->reward) || near(n->reward, row->reward)))
        return CN_OK;
    k->a->out->n_scores_differ++;
    if (!n)
        return cn_adopt_warn(k->a, CN_READ_SCORE, k->a->folder.scores, row->line, row->node,
                             "node %lld is in no entry of these iterations",
                             (long long)row->node);
    return cn_adopt_warn(
        k->a, CN_READ_SCORE, k->a->folder.scores, row->line, row->node,
        "node %lld: it says score %.3f, parent %lld, visits %lld, reward %.3f; "
        "the log gives %.3f (%s), %lld, %lld, %.3f",
        (long long)row->node, row->score, (long long)row->parent, (long long)row->visits,
        row->reward, score, cn_score_kind_name(kind), (long long)parent, (long long)n->visits,
        n->reward);
}

static cn_status check_table(struct cn_adopt *a, const struct cn_read_score_table *t)
{
    struct check k = {.a = a, .t = t, .c = isnan(t->c) ? 1.414 : t->c};
    cn_status st = make_tree(&k);

    if (st == CN_OK) {
        const cn_score_kind kind = kind_of(&k);
        for (int64_t i = 0; st == CN_OK && i < t->n_rows; i++)
            st = check_row(&k, &t->rows[i], kind);
    }
    cn_tree_clear(&k.tree);
    return st;
}

cn_status cn_adopt_scores(struct cn_adopt *a)
{
    const char *path = a->folder.scores;
    struct cn_read_scores s;
    struct cn_buf text;
    cn_status st;

    memset(&s, 0, sizeof s);
    cn_buf_init(&text, CN_CAP_FILE);
    st = cn_file_read(path, CN_CAP_FILE, &text, a->err);
    if (st == CN_OK)
        st = cn_read_scores(path, cn_buf_str(&text), text.len, &s, a->err);
    for (int64_t i = 0; st == CN_OK && i < s.n_tables; i++)
        st = check_table(a, &s.tables[i]);
    if (st == CN_OK && a->out->score_kind[0] &&
        strcmp(a->out->score_kind, a->basis.settings.ucb_kind) != 0)
        st = cn_adopt_warn(a, CN_READ_SCORE, path, 1, 0,
                           "the scores are %s; this run goes on with %s (explore.ucb.kind)",
                           a->out->score_kind, a->basis.settings.ucb_kind);
    cn_read_scores_clear(&s);
    cn_buf_clear(&text);
    return st;
}
