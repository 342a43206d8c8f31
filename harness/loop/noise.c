/* Trainings spent on knowing the noise: the config as given more than once, and whoever leads by
 * luck once more. See plan_int.h, docs/decisions/best-is-a-lower-bound.md.
 *
 * All of it is a function of the record: a repeat that is planned or runs counts as spent, so
 * several slots do not plan the same one, and a run that was killed plans as an unbroken one.
 */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/plan_int.h"

/* At most one training in so many of a block goes into the noise. */
enum { SHARE = 3 };

static const char floor_strategy[] = "noise-floor", check_strategy[] = "noise-check";

/* ------------------------------------------------------------------ seeds */

static bool same_config(const struct cn_history *h, int64_t a, int64_t b)
{
    const struct cn_node *x = cn_history_node(h, a), *y = cn_history_node(h, b);

    return a == b ||
           (x && y && x->config_hash[0] && strcmp(x->config_hash, y->config_hash) == 0);
}

/* The config was trained, or is being trained, under these seeds. */
static bool was_trained_under(const struct cn_history *h, int64_t node,
                              const struct cn_iteration *seeds)
{
    for (int64_t i = 0; i < h->n_iterations; i++)
        if (h->iterations[i].train_seed == seeds->train_seed &&
            h->iterations[i].sim_seed == seeds->sim_seed &&
            same_config(h, h->iterations[i].node, node))
            return true;
    return false;
}

void cn_plan_pair_seeds(const struct cn_work *w, int64_t node, int64_t other)
{
    const struct cn_history *h = w->h;
    struct cn_iteration *it = &w->out->iteration;
    char *words;

    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *o = &h->iterations[i];
        bool lost = o->state >= CN_ITER_MEASURED && o->outcome != CN_OUTCOME_OK;

        if (o->node != other || o->block != it->block || o->confirmation || lost ||
            was_trained_under(h, node, o))
            continue;
        it->sim_seed = o->sim_seed;
        it->train_seed = o->train_seed;
        words = cn_arena_printf(&w->out->arena,
                                "%s; seeds of iteration %lld (node %lld), to compare",
                                it->parent_rule, (long long)o->id, (long long)other);
        it->parent_rule = words ? words : it->parent_rule;
        return;
    }
}

/* ------------------------------------------------------------------ the noise floor */

struct spent {
    int64_t planned, repeats; /* search iterations of the block; those spent on the noise */
    int64_t of_root;          /* trainings of the block's root, for whatever reason */
    const struct cn_iteration *last;
};

static struct spent spent_in(const struct cn_history *h, int64_t block, int64_t root)
{
    struct spent s = {0, 0, 0, NULL};

    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];

        if (it->block != block || it->confirmation)
            continue;
        s.planned++;
        s.of_root += it->node == root;
        s.repeats += strcmp(it->strategy, floor_strategy) == 0 ||
                     strcmp(it->strategy, check_strategy) == 0;
        s.last = it;
    }
    return s;
}

/* How many repeats of the config as given are due after `planned` of the block's `n` iterations:
 * they are spread over its first half, not all at once. */
static int64_t floor_due(int64_t repeats, int64_t planned, int64_t n)
{
    int64_t due = 0;

    for (int64_t j = 1; j <= repeats; j++)
        due += planned >= j * n / (2 * (repeats + 1)) && planned >= j;
    return due;
}

static bool plan_floor(const struct cn_work *w, const struct cn_view *v, const struct spent *s,
                       int64_t n)
{
    int64_t repeats = w->pl->settings->noise_defaults - 1;
    const struct cn_iteration *first = v->root ? cn_history_iteration(w->h, v->root->id) : NULL;
    char text[160];

    if (repeats > n / SHARE)
        repeats = n / SHARE;
    if (v->block->number != 1 || !first || s->of_root > floor_due(repeats, s->planned, n) ||
        (first->state >= CN_ITER_MEASURED && first->outcome != CN_OUTCOME_OK))
        return false;
    cn_text_format(text, sizeof text,
                   "noise floor: the config as given (node %lld) once more, %lld of %lld",
                   (long long)v->root->id, (long long)s->of_root + 1, (long long)repeats + 1);
    cn_plan_rerun(w, v->root->id, floor_strategy, text);
    return true;
}

/* ------------------------------------------------------------------ who leads by luck */

static double in_metric(const struct cn_work *w, double reward)
{
    return w->h->info.reward_lower_is_better ? -reward : reward;
}

static int64_t trainings(const struct cn_standing *s)
{
    return s->n + s->failed + s->open;
}

/* The row with the best mean; ties: the higher rank. */
static const struct cn_standing *best_mean(const struct cn_ranking *r)
{
    const struct cn_standing *best = &r->rows[0];

    for (int64_t i = 1; i < r->n_kept; i++)
        if (r->rows[i].mean > best->mean)
            best = &r->rows[i];
    return best;
}

static void put_number(const struct cn_work *w, double reward, struct cn_buf *out)
{
    char number[CN_NUM_TEXT];

    cn_buf_adds(out, cn_text_brief(in_metric(w, reward), number));
}

/* "node 8 .953 of 1 overlaps node 3 .941 of 3 (noise .02): re-run node 8". */
static void rerun_one(const struct cn_work *w, const struct cn_standing *a,
                      const struct cn_standing *b, const struct cn_ranking *r,
                      const struct cn_standing *which)
{
    char number[CN_NUM_TEXT];
    struct cn_buf t;

    cn_buf_init(&t, CN_CAP_RECORD);
    cn_buf_printf(&t, "node %lld ", (long long)a->node->id);
    put_number(w, a->mean, &t);
    cn_buf_printf(&t, " of %lld overlaps node %lld ", (long long)a->n, (long long)b->node->id);
    put_number(w, b->mean, &t);
    cn_buf_printf(&t, " of %lld (noise %s%s): re-run node %lld", (long long)b->n,
                  cn_text_brief(r->noise.std, number), r->borrowed ? ", of another regime" : "",
                  (long long)which->node->id);
    cn_plan_rerun(w, which->node->id, check_strategy, cn_buf_str(&t));
    cn_buf_clear(&t);
    cn_plan_pair_seeds(w, which->node->id, which == a ? b->node->id : a->node->id);
}

/* The last iteration was a check of the same node and taught nothing: not again. */
static bool in_vain(const struct spent *s, const struct cn_standing *which)
{
    return s->last && s->last->node == which->node->id &&
           strcmp(s->last->strategy, check_strategy) == 0 &&
           !(s->last->state >= CN_ITER_MEASURED && s->last->outcome == CN_OUTCOME_OK);
}

/* A single training with the best mean, not told apart from the incumbent: the one of the two
 * whose mean is less known is trained once more. */
static bool check_incumbent(const struct cn_work *w, const struct cn_ranking *r,
                            const struct spent *s)
{
    const struct cn_standing *a = best_mean(r), *which, *b;

    if (r->by_mean || r->n_kept < 2 || trainings(a) != 1)
        return false;
    b = a == &r->rows[0] ? &r->rows[1] : &r->rows[0];
    if (a->lo > b->hi)
        return false;
    which = a->hi - a->lo >= b->hi - b->lo ? a : b;
    if (which->open > 0 || in_vain(s, which))
        return false;
    rerun_one(w, a, b, r, which);
    return true;
}

/* A mean that reaches the target counts only when enough trainings are behind it. */
static bool check_target(const struct cn_work *w, const struct cn_ranking *r,
                         const struct spent *s)
{
    const struct cn_settings *o = w->pl->settings;
    const struct cn_standing *a;
    struct cn_buf t;

    if (isnan(o->target) || r->n_kept < 1)
        return false;
    a = best_mean(r);
    if (a->mean < in_metric(w, o->target) || trainings(a) >= o->target_count || a->open > 0 ||
        in_vain(s, a))
        return false;
    cn_buf_init(&t, CN_CAP_RECORD);
    cn_buf_printf(&t, "node %lld ", (long long)a->node->id);
    put_number(w, a->mean, &t);
    cn_buf_printf(&t, " of %lld reaches the target %g: re-run node %lld before it counts",
                  (long long)a->n, o->target, (long long)a->node->id);
    cn_plan_rerun(w, a->node->id, check_strategy, cn_buf_str(&t));
    cn_buf_clear(&t);
    return true;
}

cn_status cn_plan_noise(const struct cn_work *w, const struct cn_view *v, bool *out_planned)
{
    struct cn_best_query q = cn_plan_query(v->block->number);
    const int64_t n = v->block->last - v->block->first + 1;
    const struct spent s = spent_in(w->h, v->block->number, v->root ? v->root->id : 0);
    struct cn_ranking r;
    cn_status st;

    q.confidence = w->pl->settings->confidence;
    *out_planned = plan_floor(w, v, &s, n);
    if (*out_planned)
        return CN_OK;
    st = cn_history_rank(w->h, &q, &w->out->arena, &r, w->err);
    if (st != CN_OK || r.n_kept == 0)
        return st;
    *out_planned = check_target(w, &r, &s);
    if (!*out_planned && strcmp(w->pl->settings->rerun_incumbent, "true") == 0 &&
        s.repeats < n / SHARE)
        *out_planned = check_incumbent(w, &r, &s);
    return CN_OK;
}

/* ------------------------------------------------------------------ guardrails */

cn_status cn_plan_allowed(const struct cn_work *w, int64_t block,
                          const struct cn_score_table *scores, struct cn_score_table *out)
{
    const struct cn_best_query q = cn_plan_query(block);
    struct cn_score_row *rows;
    struct cn_ranking r;
    int64_t n = 0;
    cn_status st;

    *out = *scores;
    if (!w->h->info.guardrails || !w->h->info.guardrails[0])
        return CN_OK;
    st = cn_history_rank(w->h, &q, &w->out->arena, &r, w->err);
    if (st != CN_OK)
        return st;
    rows = cn_arena_alloc(&w->out->arena, (size_t)scores->n + 1, sizeof *rows);
    if (!rows)
        return cn_work_no_memory(w);
    for (int64_t i = 0; i < scores->n; i++) {
        bool broken = false;

        for (int64_t k = r.n_kept; k < r.n && !broken; k++)
            broken = r.rows[k].node->id == scores->rows[i].id;
        if (!broken)
            rows[n++] = scores->rows[i];
    }
    if (n == 0)
        return CN_OK;
    out->rows = rows;
    out->n = n;
    return CN_OK;
}
