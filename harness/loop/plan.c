/* What to train next. See plan.h.
 *
 * blocks.c: a block's first iteration; embedded.c, points.c: the proposers; confirm.c: after the
 * search.
 */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/forecast.h"
#include "harness/loop/plan_int.h"

/* ------------------------------------------------------------------ pieces */

/* A text of the plan's own; "" (and a sticky complaint by the caller's check) when out of
 * memory. */
const char *cn_work_words(const struct cn_work *w, const char *s)
{
    const char *copy = cn_arena_strdup(&w->out->arena, s);

    return copy ? copy : "";
}

/* The vetted config becomes the plan's new node. */
cn_status cn_work_take_node(const struct cn_work *w, const struct cn_mutated *m, int64_t parent,
                            const char *strategy, const char *proposer)
{
    struct cn_node *n = &w->out->node;
    struct cn_mutation *copies =
        cn_arena_alloc(&w->out->arena, (size_t)m->n + 1, sizeof *copies);

    if (!copies)
        return cn_work_no_memory(w);
    for (int i = 0; i < m->n; i++)
        copies[i] = (struct cn_mutation){cn_work_words(w, m->mutations[i].path),
                                         cn_work_words(w, m->mutations[i].old_text),
                                         cn_work_words(w, m->mutations[i].new_text)};
    *n = (struct cn_node){.id = w->id,
                          .parent = parent,
                          .block = w->out->iteration.block,
                          .config = cn_work_words(w, m->config),
                          .mutations = copies,
                          .n_mutations = m->n,
                          .strategy = cn_work_words(w, strategy),
                          .proposer = cn_work_words(w, proposer)};
    cn_text_copy(n->config_hash, sizeof n->config_hash, m->hash);
    w->out->new_node = true;
    w->out->iteration.node = w->id;
    w->out->iteration.strategy = n->strategy;
    return n->config[0] ? CN_OK : cn_work_no_memory(w);
}

struct cn_vet cn_work_vet(const struct cn_work *w)
{
    return (struct cn_vet){.trainer = w->pl->trainer,
                           .search = w->pl->search,
                           .history = w->h,
                           .opt_elsewhere = w->pl->opt_elsewhere,
                           .forecast = w->out->forecast,
                           .near_duplicate = w->pl->settings->near_duplicate};
}

/* ------------------------------------------------------------------ seeds */

uint64_t cn_work_seed(const struct cn_work *w, int64_t iteration)
{
    int64_t slot = (iteration - 1) % w->pl->settings->n_parallel;

    return (uint64_t)(iteration * CN_SEEDS_PER_ITERATION + slot);
}

/* simulation.seed = iteration*1000 + slot, training.seed = that + 500. Same data: the block's
 * first simulation seed. A repeat that is paired with another node has its seeds already. */
static void set_seeds(const struct cn_work *w, int64_t block_first)
{
    struct cn_iteration *it = &w->out->iteration;
    const struct cn_iteration *first = cn_history_iteration(w->h, block_first);
    bool same_data = strcmp(w->pl->settings->seed_mode, "same-data-robustness") == 0;

    it->slot = (int32_t)((w->id - 1) % w->pl->settings->n_parallel);
    it->seed_mode = cn_work_words(w, w->pl->settings->seed_mode);
    if (!it->train_seed) {
        it->sim_seed = cn_work_seed(w, w->id);
        it->train_seed = it->sim_seed + CN_TRAIN_SEED_OFFSET;
    }
    if (same_data)
        it->sim_seed = first ? first->sim_seed : cn_work_seed(w, block_first);
}

/* ------------------------------------------------------------------ the next iteration */

void cn_work_begin(struct cn_work *w, const struct cn_planner *pl, const struct cn_history *h,
                   struct cn_plan *out, struct cn_err *err)
{
    memset(out, 0, sizeof *out);
    cn_arena_init(&out->arena, CN_CAP_ARENA);
    *w = (struct cn_work){
        .pl = pl, .h = h, .out = out, .id = 1, .n_blocks = h->n_blocks, .err = err};
    if (h->n_iterations > 0)
        w->id = h->iterations[h->n_iterations - 1].id + 1;
    out->iteration = (struct cn_iteration){.id = w->id,
                                           .seed_mode = "",
                                           .strategy = "",
                                           .parent_rule = "",
                                           .scored_value = (double)NAN,
                                           .reward = (double)NAN,
                                           .seconds = (double)NAN,
                                           .observation = "",
                                           .message = "",
                                           .trajectory = "",
                                           .activity = "",
                                           .embedding = "",
                                           .hypothesis = "",
                                           .dir = "",
                                           .token = "",
                                           .job = ""};
}

/* A repeat for the noise, else the proposer's turn. A repeat is compared with the block's root:
 * control and treatment under the same seeds. */
static cn_status plan_by_search(const struct cn_work *w, struct cn_view *v)
{
    struct cn_iteration *it = &w->out->iteration;
    bool planned = false;
    cn_status st = cn_plan_noise(w, v, &planned);

    if (st == CN_OK && !planned)
        st = cn_settings_want_model(w->pl->settings)              ? cn_plan_said(w, v)
             : strcmp(w->pl->settings->proposer, "embedded") == 0 ? cn_plan_embedded(w, v)
                                                                  : cn_plan_point(w, v);
    if (st == CN_OK && it->replicate && !it->train_seed && v->root)
        cn_plan_pair_seeds(w, it->node, v->root->id);
    return st;
}

static cn_status plan_inside(const struct cn_work *w, const struct cn_block *b)
{
    struct cn_work inside = *w;
    struct cn_view v;
    bool planned = false;
    cn_status st = cn_view_init(&v, w->h, b->number, w->err);

    if (st != CN_OK)
        return st;
    w->out->iteration.block = b->number;
    st = cn_plan_partition(w, &v, &inside.opt_focus, &planned);
    if (st == CN_OK && !planned)
        st = plan_by_search(&inside, &v);
    cn_view_clear(&v);
    return st;
}

cn_status cn_plan_next(const struct cn_planner *pl, const struct cn_history *h,
                       struct cn_plan *out, struct cn_err *err)
{
    const struct cn_block *b = cn_plan_open_block(h);
    struct cn_work w;
    cn_status st;

    cn_work_begin(&w, pl, h, out, err);
    if (b && !cn_plan_block_root(h, b->number)) {
        w.begun = b;
        w.n_blocks--;
    }
    st = cn_forecast_new(pl, h, &out->forecast, err);
    if (st == CN_OK)
        st = b && !w.begun ? plan_inside(&w, b) : cn_plan_root(&w);
    if (st == CN_OK)
        set_seeds(&w, b ? b->first : w.id);
    else
        cn_plan_clear(out);
    return st;
}

void cn_plan_clear(struct cn_plan *p)
{
    cn_forecast_free(p->forecast);
    cn_arena_clear(&p->arena);
    memset(p, 0, sizeof *p);
}
