/* What an edit of the rules did: the block after it against the block before. See edits.h and
 * docs/decisions/what-an-edit-did.md. */
#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/edits.h"
#include "harness/loop/view.h"
#include "ucb/block.h"

/* Fewer gains in a block say nothing about its rules. */
enum { MIN_GAINS = 3 };

static const char *const verdicts[] = {
#define X(name, text) text,
    CN_EDIT_VERDICT_MAP(X)
#undef X
};
enum { N_VERDICTS = sizeof verdicts / sizeof verdicts[0] };

const char *cn_edit_verdict_text(cn_edit_verdict v)
{
    CN_ASSERT((int)v >= 0 && (int)v < N_VERDICTS);
    return verdicts[v];
}

const char *cn_edit_verdict_find(const char *text)
{
    for (int i = 0; i < N_VERDICTS; i++)
        if (cn_text_starts(text, verdicts[i]))
            return verdicts[i];
    return NULL;
}

/* ------------------------------------------------------------------ one block */

static bool has_reward(const struct cn_block_fact *f)
{
    return f->finished && !f->failed && !isnan(f->reward);
}

static void take_samples(const struct cn_view *v, double *x, struct cn_edit_side *out)
{
    int64_t n = 0;

    for (int64_t i = 0; i < v->n_facts; i++)
        if (v->facts[i].node == v->root->id && has_reward(&v->facts[i]))
            x[n++] = v->facts[i].reward;
    out->root = cn_stats_sample(x, n);
    n = 0;
    for (int64_t i = 0; i < v->n_facts; i++)
        if (v->facts[i].node != v->root->id && !v->facts[i].replicate &&
            has_reward(&v->facts[i]))
            x[n++] = v->facts[i].reward;
    out->reward = cn_stats_sample(x, n);
    for (int64_t i = 0; i < n && out->root.n > 0; i++) {
        x[i] -= out->root.mean;
        if (!(out->best_gain >= x[i]))
            out->best_gain = x[i];
    }
    out->gain = cn_stats_sample(x, out->root.n > 0 ? n : 0);
}

static cn_status measure_side(const struct cn_history *h, int64_t block,
                              struct cn_edit_side *out, struct cn_err *err)
{
    struct cn_block_stats s;
    struct cn_view v;
    double *x;
    cn_status st = cn_view_init(&v, h, block, err);

    *out = (struct cn_edit_side){.block = block, .best_gain = (double)NAN};
    if (st != CN_OK)
        return st;
    x = cn_arena_alloc(&v.arena, (size_t)v.n_facts + 1, sizeof *x);
    if (!x)
        st = cn_err_set(err, CN_ENOMEM, "no memory to measure block %lld", (long long)block);
    if (x && v.root)
        take_samples(&v, x, out);
    cn_block_measure(v.facts, v.n_facts, h->info.n_iter_block, CN_PLATEAU_TOLERANCE,
                     CN_PLATEAU_K, &s);
    out->improvement_rate = s.improvement_rate;
    out->branching_rate = s.branching_rate;
    out->failure_share = s.failure_share;
    cn_view_clear(&v);
    return st;
}

/* ------------------------------------------------------------------ two blocks */

static bool same_regime(const struct cn_history *h, int64_t a, int64_t b)
{
    const struct cn_block *x = cn_history_block(h, a), *y = cn_history_block(h, b);

    for (int i = 0; x->n_regime == y->n_regime && i < x->n_regime; i++)
        if (strcmp(x->regime[i].path, y->regime[i].path) != 0 ||
            strcmp(x->regime[i].new_text, y->regime[i].new_text) != 0)
            return false;
    return x->n_regime == y->n_regime;
}

static bool same_root(const struct cn_history *h, int64_t a, int64_t b)
{
    const struct cn_node *x = cn_plan_block_root(h, a), *y = cn_plan_block_root(h, b);

    return x && y && strcmp(x->config_hash, y->config_hash) == 0;
}

/* Spread of repeated trainings of one config, pooled over the search. */
static struct cn_noise noise_of(const struct cn_history *h)
{
    struct cn_noise noise = CN_NOISE_INIT;

    for (int64_t i = 0; i < h->n_nodes; i++) {
        const struct cn_spread s = cn_history_spread(h, h->nodes[i].id, CN_POOL_SEARCH);

        cn_noise_add(&noise, s.n, s.std);
    }
    return noise;
}

/* Gains after minus gains before. The configs of a block differ, so their gains doubt each other by
 * their own spread; every gain of a block shares the error of its root, whose doubt comes on
 * top. */
static struct cn_difference compare(const struct cn_edit_effect *e,
                                    const struct cn_noise *noise, double confidence)
{
    const struct cn_noise none = CN_NOISE_INIT;
    struct cn_difference gain =
        cn_stats_difference(&e->after.gain, &e->before.gain, &none, confidence);
    struct cn_difference root =
        cn_stats_difference(&e->after.root, &e->before.root, noise, confidence);
    double half = hypot((gain.hi - gain.lo) / 2, (root.hi - root.lo) / 2);
    struct cn_difference d = {gain.mean, gain.mean - half, gain.mean + half, false, false,
                              false};

    d.known = gain.known && root.known;
    d.better = d.known && d.lo > 0;
    d.worse = d.known && d.hi < 0;
    return d;
}

/* Why a "worse" would be unjust; "" when it would not. */
static const char *excuse(const struct cn_history *h, const struct cn_edit_effect *e,
                          double confidence)
{
    const struct cn_noise none = CN_NOISE_INIT;

    if (e->before.block == 1 && !same_root(h, e->before.block, e->after.block))
        return "block 1 began with the config as given, which is easier to beat than a best "
               "one";
    if (same_regime(h, e->before.block, e->after.block) &&
        cn_stats_difference(&e->after.reward, &e->before.reward, &none, confidence).better)
        return "under the same regime the rewards themselves are higher: the root was better";
    return "";
}

cn_status cn_edit_effect_measure(const struct cn_history *h, int64_t before, int64_t after,
                                 double confidence, struct cn_edit_effect *out,
                                 struct cn_err *err)
{
    const struct cn_noise noise = noise_of(h);
    cn_status st;

    *out = (struct cn_edit_effect){.verdict = CN_EDIT_INSUFFICIENT, .why = ""};
    st = measure_side(h, before, &out->before, err);
    if (st == CN_OK)
        st = measure_side(h, after, &out->after, err);
    if (st != CN_OK)
        return st;
    out->gain = compare(out, &noise, confidence);
    if (out->before.root.n == 0 || out->after.root.n == 0)
        out->why = "the root of a block has no result";
    else if (out->before.gain.n < MIN_GAINS || out->after.gain.n < MIN_GAINS)
        out->why = "too few trainings of new configs";
    else if (!out->gain.known)
        out->why = "no config was trained twice, so the noise is not known";
    else if (out->gain.worse)
        out->why = excuse(h, out, confidence);
    if (out->why[0])
        return CN_OK;
    out->verdict = out->gain.better  ? CN_EDIT_BETTER
                   : out->gain.worse ? CN_EDIT_WORSE
                                     : CN_EDIT_SAME;
    return CN_OK;
}

/* ------------------------------------------------------------------ words */

static void put_number(struct cn_buf *out, double x)
{
    char text[CN_NUM_TEXT];

    cn_buf_adds(out, isnan(x) ? "unknown" : cn_text_brief(x, text));
}

static void put_pair(struct cn_buf *out, const char *name, double after, double before)
{
    if (isnan(after) && isnan(before))
        return;
    cn_buf_printf(out, "; %s ", name);
    put_number(out, after);
    cn_buf_adds(out, " against ");
    put_number(out, before);
}

static void put_shares(struct cn_buf *out, const char *name, double after, double before)
{
    if (!isnan(after) && !isnan(before))
        cn_buf_printf(out, "; %s %.0f %% against %.0f %%", name, 100 * after, 100 * before);
}

void cn_edit_effect_text(const struct cn_edit_effect *e, struct cn_buf *out)
{
    cn_buf_printf(out, "%s: ", cn_edit_verdict_text(e->verdict));
    if (e->why[0])
        cn_buf_printf(out, "%s; ", e->why);
    cn_buf_printf(out, "block %lld against block %lld, each over its own root: mean gain ",
                  (long long)e->after.block, (long long)e->before.block);
    put_number(out, e->after.gain.mean);
    cn_buf_printf(out, " of %lld against ", (long long)e->after.gain.n);
    put_number(out, e->before.gain.mean);
    cn_buf_printf(out, " of %lld", (long long)e->before.gain.n);
    if (e->gain.known) {
        cn_buf_adds(out, " (difference between ");
        put_number(out, e->gain.lo);
        cn_buf_adds(out, " and ");
        put_number(out, e->gain.hi);
        cn_buf_adds(out, ")");
    }
    put_pair(out, "best gain", e->after.best_gain, e->before.best_gain);
    put_shares(out, "improving", e->after.improvement_rate, e->before.improvement_rate);
    put_shares(out, "branching", e->after.branching_rate, e->before.branching_rate);
    put_shares(out, "failed", e->after.failure_share, e->before.failure_share);
}
