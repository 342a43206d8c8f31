/* UCB1 and PUCT over a tree; see score.h for the formulas. */
#include "ucb/score.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"

double cn_score_value(cn_score_kind kind, double reward, int64_t total, int64_t visits,
                      double c)
{
    double n = (double)total, v = (double)visits;

    if (kind == CN_SCORE_PUCT)
        return reward + c * sqrt(n) / (1.0 + v);
    return reward + c * sqrt(log(n) / v);
}

/* Mean rank of rows[i] among all, from 0 (worst) to 1 (best). */
static double rank_of(const struct cn_score_row *rows, int64_t n, double reward)
{
    int64_t below = 0, equal = 0;

    for (int64_t i = 0; i < n; i++) {
        below += rows[i].reward < reward;
        equal += rows[i].reward == reward; /* counts itself */
    }
    if (n < 2)
        return 0.5;
    return ((double)below + (double)(equal - 1) / 2.0) / (double)(n - 1);
}

static void range_of(const struct cn_score_row *rows, int64_t n, double *lo, double *hi)
{
    *lo = *hi = n > 0 ? rows[0].reward : 0.0;
    for (int64_t i = 1; i < n; i++) {
        *lo = fmin(*lo, rows[i].reward);
        *hi = fmax(*hi, rows[i].reward);
    }
}

static double scaled(const struct cn_score_row *rows, int64_t n, double reward,
                     cn_reward_scale how, double lo, double hi)
{
    switch (how) {
    case CN_REWARD_SCALE_MINMAX:
        return hi > lo ? (reward - lo) / (hi - lo) : 0.5;
    case CN_REWARD_SCALE_RANK:
        return rank_of(rows, n, reward);
    case CN_REWARD_SCALE_NONE:
        break;
    }
    return reward;
}

/* Fills scores and the c that was used. Scaled rewards go through `score` first, because rank
 * and spread need all rows before any score is final. */
static void fill_scores(struct cn_score_table *s, const struct cn_score_opts *o)
{
    double lo, hi, slo = INFINITY, shi = -INFINITY;

    range_of(s->rows, s->n, &lo, &hi);
    for (int64_t i = 0; i < s->n; i++) {
        s->rows[i].score = scaled(s->rows, s->n, s->rows[i].reward, o->reward_scale, lo, hi);
        slo = fmin(slo, s->rows[i].score);
        shi = fmax(shi, s->rows[i].score);
    }
    s->c = o->c;
    if (o->c_scale == CN_C_SCALE_SPREAD)
        s->c = s->n > 0 ? o->c * (shi - slo) : 0.0;
    for (int64_t i = 0; i < s->n; i++)
        s->rows[i].score =
            cn_score_value(o->kind, s->rows[i].score, s->total, s->rows[i].visits, s->c);
}

static int best_first(const void *a, const void *b)
{
    const struct cn_score_row *x = a, *y = b;

    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return (x->id > y->id) - (x->id < y->id);
}

cn_status cn_score_init(struct cn_score_table *s, const struct cn_tree *t,
                        const struct cn_score_opts *o, struct cn_err *err)
{
    *s = (struct cn_score_table){.total = t->total, .c = o->c};
    if (!isfinite(o->c) || o->c < 0)
        return cn_err_set(err, CN_EINPUT, "ucb_c: %g: a finite number >= 0 is expected", o->c);
    if (t->n == 0)
        return CN_OK;
    s->rows = cn_alloc((size_t)t->n, sizeof(*s->rows));
    if (!s->rows)
        return cn_err_set(err, CN_ENOMEM, "scores: no memory for the table");
    for (int64_t i = 0; i < t->n; i++) {
        const struct cn_tree_node *nd = &t->nodes[i];

        if (nd->scored)
            s->rows[s->n++] =
                (struct cn_score_row){nd->id, nd->parent, nd->visits, nd->reward, 0.0};
    }
    fill_scores(s, o);
    qsort(s->rows, (size_t)s->n, sizeof(*s->rows), best_first);
    return CN_OK;
}

void cn_score_clear(struct cn_score_table *s)
{
    cn_free(s->rows);
    *s = (struct cn_score_table){0};
}

const struct cn_score_row *cn_score_get(const struct cn_score_table *s, int64_t id)
{
    for (int64_t i = 0; i < s->n; i++)
        if (s->rows[i].id == id)
            return &s->rows[i];
    return NULL;
}

static const char *const kind_names[] = {"ucb1", "puct"};
static const char *const c_names[] = {"none", "spread"};
static const char *const reward_names[] = {"none", "minmax", "rank"};

static int index_of(const char *s, const char *const *names, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(s, names[i]) == 0)
            return i;
    return -1;
}

bool cn_score_kind_parse(const char *s, cn_score_kind *out)
{
    int i = index_of(s, kind_names, 2);

    *out = i < 0 ? CN_SCORE_UCB1 : (cn_score_kind)i;
    return i >= 0;
}

bool cn_score_c_scale_parse(const char *s, cn_c_scale *out)
{
    int i = index_of(s, c_names, 2);

    *out = i < 0 ? CN_C_SCALE_NONE : (cn_c_scale)i;
    return i >= 0;
}

bool cn_score_reward_scale_parse(const char *s, cn_reward_scale *out)
{
    int i = index_of(s, reward_names, 3);

    *out = i < 0 ? CN_REWARD_SCALE_NONE : (cn_reward_scale)i;
    return i >= 0;
}

const char *cn_score_kind_name(cn_score_kind k)
{
    return kind_names[k];
}

const char *cn_score_c_scale_name(cn_c_scale k)
{
    return c_names[k];
}

const char *cn_score_reward_scale_name(cn_reward_scale k)
{
    return reward_names[k];
}
