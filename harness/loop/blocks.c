/* The first iteration of a block: the root's config and the simulation regime. See plan.h. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "harness/loop/plan_int.h"
#include "ucb/mutate.h"

/* Has an earlier block had exactly this regime? `values` are coordinates of the simulation
 * space. */
static bool regime_was_tried(const struct cn_work *w, const double *values)
{
    const struct cn_dims *d = &w->pl->search->simulation;

    for (int64_t b = 0; b < w->n_blocks; b++) {
        const struct cn_block *block = &w->h->blocks[b];
        bool same = block->n_regime == d->space.n;

        for (int i = 0; same && i < block->n_regime; i++)
            same = cn_search_value(d, i, block->regime[i].new_text) == values[i];
        if (same)
            return true;
    }
    return false;
}

struct regime_query {
    const struct cn_work *w;
    const double *from;
    double *to;           /* scratch */
    const bool *opt_free; /* the parameters that may change; NULL: all */
};

static bool change_was_tried(void *ctx, const struct cn_mutate_change *c)
{
    struct regime_query *q = ctx;
    const struct cn_dims *d = &q->w->pl->search->simulation;
    char text[CN_VALUE_TEXT];

    if (q->opt_free && !q->opt_free[c->param])
        return true;
    for (int32_t i = 0; i < d->space.n; i++)
        q->to[i] = q->from[i];
    cn_search_text(d, c->param, c->to, text); /* as it will be written: rounded */
    q->to[c->param] = cn_search_value(d, c->param, text);
    return regime_was_tried(q->w, q->to);
}

/* Parameters that earlier block starts have changed, as effects without a gain. */
static int64_t regime_effects(const struct cn_work *w, struct cn_effect *e)
{
    const struct cn_dims *d = &w->pl->search->simulation;
    int64_t n = 0;

    for (int64_t b = 1; b < w->n_blocks; b++)
        for (int i = 0;
             i < w->h->blocks[b].n_regime && i < w->h->blocks[b - 1].n_regime && i < d->space.n;
             i++) {
            double from = cn_search_value(d, i, w->h->blocks[b - 1].regime[i].new_text);
            double to = cn_search_value(d, i, w->h->blocks[b].regime[i].new_text);

            if (from != to && n < w->n_blocks)
                e[n++] =
                    (struct cn_effect){.param = i, .from = from, .to = to, .gain = (double)NAN};
        }
    return n;
}

/* One simulation parameter of the last regime changed, keyed by the block's number. Nothing to
 * change, or nothing new left: the same regime again. */
static cn_status draw_regime(const struct cn_work *w, const bool *opt_free, const double *from,
                             double *to)
{
    const struct cn_dims *d = &w->pl->search->simulation;
    struct cn_effect *effects =
        cn_arena_alloc(&w->out->arena, (size_t)w->n_blocks + 1, sizeof *effects);
    struct regime_query q = {w, from, to, opt_free};
    struct cn_mutate_change c;
    struct cn_mutate_query m;
    char text[CN_VALUE_TEXT];
    cn_status st;

    if (!effects)
        return cn_work_no_memory(w);
    m = (struct cn_mutate_query){.space = &d->space,
                                 .parent = from,
                                 .effects = effects,
                                 .n_effects = regime_effects(w, effects),
                                 .kind = CN_MUTATE_EXPLORE,
                                 .seed = (uint64_t)w->pl->settings->seed,
                                 .iteration = w->out->block.number};
    st = d->space.n > 0 ? cn_mutate_propose(&m, change_was_tried, &q, &c, NULL) : CN_ENOTFOUND;
    for (int32_t i = 0; i < d->space.n; i++)
        to[i] = from[i];
    if (st == CN_ENOTFOUND)
        return CN_OK;
    if (st != CN_OK)
        return cn_err_set(w->err, st, "block %lld: no new regime could be drawn",
                          (long long)w->out->block.number);
    cn_search_text(d, c.param, c.to, text);
    to[c.param] = cn_search_value(d, c.param, text);
    return CN_OK;
}

/* The regime of a new block: as recorded when it was begun, as its partition row says, or by a
 * draw. A row that names no simulation parameter keeps the last regime. `from` in, `to` out:
 * double[n]. */
static cn_status next_regime(const struct cn_work *w, const double *from, double *to)
{
    const struct cn_dims *d = &w->pl->search->simulation;
    bool *may = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *may);
    double *asked = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *asked);
    bool draw;

    if (!may || !asked)
        return cn_work_no_memory(w);
    for (int32_t i = 0; w->begun && i < d->space.n && i < w->begun->n_regime; i++)
        to[i] = cn_search_value(d, i, w->begun->regime[i].new_text);
    if (w->begun)
        return CN_OK;
    for (int32_t i = 0; i < d->space.n; i++)
        asked[i] = to[i] = from[i];
    if (!cn_partition_regime(w, w->out->block.number, asked, may, &draw))
        return cn_plan_said_regime(w, w->out->block.number, from, to)
                   ? CN_OK
                   : draw_regime(w, NULL, from, to);
    if (draw)
        return draw_regime(w, may, asked, to);
    for (int32_t i = 0; i < d->space.n; i++)
        to[i] = asked[i];
    return CN_OK;
}

static void name_block(const struct cn_work *w)
{
    struct cn_block *b = &w->out->block;
    int64_t left = w->pl->settings->iterations - cn_plan_searched(w->h);
    int64_t n = left < w->pl->settings->n_iter_block ? left : w->pl->settings->n_iter_block;

    w->out->iteration.block = w->n_blocks + 1;
    if (w->begun) {
        *b = *w->begun;
        return;
    }
    w->out->open_block = true;
    *b = (struct cn_block){
        .number = w->n_blocks + 1, .first = w->id, .last = w->id + (n > 1 ? n : 1) - 1};
    b->edit_note = "";
}

/* The block's regime as its record shows it. */
static cn_status put_regime(const struct cn_work *w, const struct cn_yaml *config)
{
    const struct cn_dims *d = &w->pl->search->simulation;
    struct cn_mutation *m = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *m);
    double *values = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *values);

    if (!m || !values)
        return cn_work_no_memory(w);
    cn_search_values(d, config, values);
    for (int32_t i = 0; i < d->space.n; i++) {
        char text[CN_VALUE_TEXT] = "";

        if (!isnan(values[i]))
            cn_search_text(d, i, values[i], text);
        m[i] = (struct cn_mutation){cn_work_words(w, cn_trainer_spelling(d->of[i], config)), "",
                                    cn_work_words(w, text)};
    }
    w->out->block.regime = m;
    w->out->block.n_regime = d->space.n;
    return CN_OK;
}

/* The config of the block's first iteration: the user's own, or the last block's best under the
 * next regime. */
static cn_status root_config(const struct cn_work *w, const struct cn_node *from,
                             struct cn_mutated *m)
{
    const struct cn_dims *d = &w->pl->search->simulation;
    double *old = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *old);
    double *now = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *now);
    struct cn_change *c = cn_arena_alloc(&w->out->arena, (size_t)d->space.n + 1, sizeof *c);
    const char *config = from ? from->config : w->pl->base_config;
    struct cn_vet vet = cn_work_vet(w);
    struct cn_yaml *y = NULL;
    int n = 0;
    cn_status st;

    if (!old || !now || !c)
        return cn_work_no_memory(w);
    st = cn_yaml_parse("config", config, strlen(config), &y, w->err);
    if (st == CN_OK) {
        cn_search_values(d, y, old);
        st = from ? next_regime(w, old, now) : CN_OK;
    }
    for (int32_t i = 0; st == CN_OK && from && i < d->space.n; i++) {
        char text[CN_VALUE_TEXT];

        if (isnan(now[i]) || now[i] == old[i])
            continue;
        cn_search_text(d, i, now[i], text);
        c[n++] = (struct cn_change){d->of[i]->path, cn_work_words(w, text)};
    }
    cn_yaml_free(y);
    vet.simulation = vet.same_is_fine = true;
    return st == CN_OK ? cn_mutation_vet(&vet, config, c, n, m, w->err) : st;
}

static void tell_root(const struct cn_work *w, const struct cn_node *from, bool of_run,
                      const struct cn_best *best)
{
    char text[256], mean[CN_NUM_TEXT], lo[CN_NUM_TEXT];
    const struct cn_standing m = cn_standing_metric(&w->h->info, &best->first);
    const bool lower = w->h->info.reward_lower_is_better;

    if (!from)
        cn_text_copy(text, sizeof text, "first iteration: the config as given");
    else if (best->first.node)
        cn_text_format(text, sizeof text,
                       "block start: node %lld, the best of %s %lld (mean %s of %lld, at %s "
                       "%s), re-run %s",
                       (long long)from->id, of_run ? "blocks 1 to" : "block",
                       (long long)w->n_blocks, cn_text_brief(m.mean, mean), (long long)m.n,
                       lower ? "most" : "least", cn_text_brief(lower ? m.hi : m.lo, lo),
                       w->out->node.n_mutations ? "under the new regime" : "unchanged");
    else
        cn_text_format(text, sizeof text,
                       "block start: node %lld, the root of block %lld, which has no result",
                       (long long)from->id, (long long)w->n_blocks);
    w->out->iteration.parent_rule = cn_work_words(w, text);
}

/* A block's start is the host's, also where a model proposes. */
static const char *planned_by(const struct cn_work *w)
{
    return cn_settings_want_model(w->pl->settings) ? "embedded" : w->pl->settings->proposer;
}

cn_status cn_plan_root(const struct cn_work *w)
{
    struct cn_mutated m = {0};
    const struct cn_node *from = NULL;
    struct cn_yaml *y = NULL;
    struct cn_best best = {0};
    bool of_run = false;
    cn_status st = CN_OK;

    name_block(w);
    if (w->n_blocks > 0) {
        struct cn_best_query q = cn_plan_query(w->n_blocks);

        of_run = cn_partition_replicates(w, w->n_blocks + 1);
        q.block = of_run ? 0 : w->n_blocks;
        st = cn_history_best(w->h, &q, &best, w->err);
        from = best.first.node ? best.first.node : cn_plan_block_root(w->h, w->n_blocks);
    }
    if (st == CN_OK)
        st = root_config(w, from, &m);
    if (st == CN_OK)
        st = cn_yaml_parse("config", m.config, strlen(m.config), &y, w->err);
    if (st == CN_OK && !w->begun)
        st = put_regime(w, y);
    if (st == CN_OK)
        st = cn_work_take_node(w, &m, 0, "root", from ? planned_by(w) : "user");
    if (st == CN_OK)
        tell_root(w, from, of_run, &best);
    cn_yaml_free(y);
    cn_mutated_clear(&m);
    return st;
}
