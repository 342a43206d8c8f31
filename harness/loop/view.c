/* Views of the record. See view.h and the lower half of plan.h. */
#include "harness/loop/view.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"

/* ------------------------------------------------------------------ small questions */

static bool is_over(const struct cn_iteration *it)
{
    return it->state >= CN_ITER_MEASURED;
}

/* Left out of every count: the training never said anything about the config. */
static bool is_void(const struct cn_iteration *it)
{
    return is_over(it) &&
           (it->outcome == CN_OUTCOME_INFRA || it->outcome == CN_OUTCOME_INVALID);
}

static bool is_failure(const struct cn_iteration *it)
{
    return is_over(it) && !is_void(it) && it->outcome != CN_OUTCOME_OK;
}

int64_t cn_plan_searched(const struct cn_history *h)
{
    int64_t n = h->older.searched;

    for (int64_t i = 0; i < h->n_iterations; i++)
        n += !h->iterations[i].confirmation && h->iterations[i].id >= h->older.first;
    return n;
}

int64_t cn_plan_block_count(const struct cn_history *h, int64_t block)
{
    int64_t n = 0;

    for (int64_t i = 0; i < h->n_iterations; i++)
        n += !h->iterations[i].confirmation && h->iterations[i].block == block;
    return n;
}

const struct cn_block *cn_plan_open_block(const struct cn_history *h)
{
    return h->n_blocks > 0 && !h->blocks[h->n_blocks - 1].closed ? &h->blocks[h->n_blocks - 1]
                                                                 : NULL;
}

const struct cn_node *cn_plan_block_root(const struct cn_history *h, int64_t block)
{
    const struct cn_block *b = cn_history_block(h, block);

    return b ? cn_history_node(h, b->first) : NULL;
}

/* Mean of a node's ok rewards in the search over iterations up to `last`; NaN and 0 when
 * none. */
static double node_mean(const struct cn_history *h, int64_t node, int64_t last, int64_t *out_n)
{
    double sum = 0;
    int64_t n = 0;

    for (const struct cn_iteration *it = cn_history_run(h, node, NULL); it && it->id <= last;
         it = cn_history_run(h, node, it)) {
        if (it->confirmation || !is_over(it) || it->outcome != CN_OUTCOME_OK ||
            isnan(it->reward))
            continue;
        sum += it->reward;
        n++;
    }
    *out_n = n;
    return n > 0 ? sum / (double)n : (double)NAN;
}

struct cn_best_query cn_plan_query(int64_t block)
{
    struct cn_best_query q = CN_BEST_QUERY_INIT;

    q.block = block;
    return q;
}

/* ------------------------------------------------------------------ one block */

static void put_fact(struct cn_view *v, const struct cn_history *h,
                     const struct cn_iteration *it)
{
    const struct cn_node *node = cn_history_node(h, it->node);
    bool ok = is_over(it) && it->outcome == CN_OUTCOME_OK;
    struct cn_block_fact *f = &v->facts[v->n_facts];

    *f = (struct cn_block_fact){.iteration = it->id,
                                .node = it->node,
                                .parent = node ? node->parent : 0,
                                .replicate = it->replicate,
                                .finished = is_over(it),
                                .failed = is_failure(it),
                                .reward = ok ? it->reward : (double)NAN,
                                .converged = ok && it->cls == CN_CLASS_CONVERGED};
    v->n_facts++;
}

/* By bisection: nodes are in id order. */
static struct cn_tree_input *input_of(struct cn_view *v, int64_t id)
{
    int64_t lo = 0, hi = v->n_nodes;

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;

        if (v->nodes[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < v->n_nodes && v->nodes[lo].id == id ? &v->nodes[lo] : NULL;
}

/* Rewards of all nodes lie in one slab; node i gets the room of its iterations. */
static void fill_nodes(struct cn_view *v, const struct cn_history *h, double *slab)
{
    for (int64_t i = 0; i < h->n_nodes; i++) {
        const struct cn_node *node = &h->nodes[i];
        struct cn_tree_input *in;

        if (node->block != v->block->number)
            continue;
        in = &v->nodes[v->n_nodes];
        *in = (struct cn_tree_input){.id = node->id, .parent = node->parent, .rewards = slab};
        for (const struct cn_iteration *it = cn_history_run(h, node->id, NULL); it;
             it = cn_history_run(h, node->id, it))
            if (it->block == v->block->number && !it->confirmation && is_over(it) &&
                it->outcome == CN_OUTCOME_OK)
                slab[in->n_rewards++] = it->reward;
        slab += in->n_rewards;
        if (input_of(v, node->id) == NULL)
            v->n_nodes++;
    }
    for (int64_t k = 0; k < v->n_facts; k++) {
        struct cn_tree_input *in = input_of(v, v->facts[k].node);

        if (in) {
            in->in_flight += !v->facts[k].finished;
            in->failed += v->facts[k].failed;
        }
    }
}

/* A confirmation's control node belongs to a block without an iteration of its search: no such
 * nodes in the tree. */
static void drop_idle_nodes(struct cn_view *v)
{
    int64_t n = 0;

    for (int64_t i = 0; i < v->n_nodes; i++)
        if (v->nodes[i].n_rewards + v->nodes[i].in_flight + v->nodes[i].failed > 0)
            v->nodes[n++] = v->nodes[i];
    v->n_nodes = n;
}

cn_status cn_view_init(struct cn_view *v, const struct cn_history *h, int64_t block,
                       struct cn_err *err)
{
    size_t n = (size_t)h->n_iterations + 1, m = (size_t)h->n_nodes + 1;
    double *slab;

    memset(v, 0, sizeof *v);
    cn_arena_init(&v->arena, CN_CAP_ARENA);
    v->block = cn_history_block(h, block);
    CN_ASSERT(v->block);
    v->root = cn_plan_block_root(h, block);
    v->facts = cn_arena_alloc(&v->arena, n, sizeof *v->facts);
    v->nodes = cn_arena_alloc(&v->arena, m, sizeof *v->nodes);
    slab = cn_arena_alloc(&v->arena, n, sizeof *slab);
    if (!v->facts || !v->nodes || !slab) {
        cn_view_clear(v);
        return cn_err_set(err, CN_ENOMEM, "no memory to look at block %lld", (long long)block);
    }
    for (int64_t i = 0; i < h->n_iterations; i++)
        if (h->iterations[i].block == block && !h->iterations[i].confirmation &&
            !is_void(&h->iterations[i]))
            put_fact(v, h, &h->iterations[i]);
    fill_nodes(v, h, slab);
    drop_idle_nodes(v);
    return CN_OK;
}

void cn_view_clear(struct cn_view *v)
{
    cn_arena_clear(&v->arena);
}

/* ------------------------------------------------------------------ effects */

int32_t cn_view_param(const struct cn_planner *pl, const struct cn_node *node)
{
    const struct cn_trainer_param *p;

    if (node->n_mutations != 1)
        return -1;
    p = cn_trainer_param_exact(pl->trainer, node->mutations[0].path);
    for (int32_t i = 0; p && i < pl->search->training.space.n; i++)
        if (pl->search->training.of[i] == p)
            return i;
    return -1;
}

struct node_state {
    bool any_over, any_failed;
};

static struct node_state state_of(const struct cn_history *h, int64_t node)
{
    struct node_state s = {false, false};

    for (const struct cn_iteration *it = cn_history_run(h, node, NULL); it;
         it = cn_history_run(h, node, it)) {
        if (it->confirmation || !is_over(it))
            continue;
        s.any_over = true;
        s.any_failed = s.any_failed || is_failure(it);
    }
    return s;
}

static bool put_effect(const struct cn_history *h, const struct cn_planner *pl,
                       const struct cn_node *node, struct cn_effect *e)
{
    const struct cn_node *root = cn_plan_block_root(h, node->block);
    int64_t parent = node->parent ? node->parent : root ? root->id : 0, n_child, n_parent;
    struct node_state s = state_of(h, node->id);
    int32_t param = cn_view_param(pl, node);
    double child, above;

    if (param < 0 || parent == node->id)
        return false;
    child = node_mean(h, node->id, INT64_MAX, &n_child);
    above = node_mean(h, parent, INT64_MAX, &n_parent);
    *e = (struct cn_effect){
        .param = param,
        .from = cn_search_value(&pl->search->training, param, node->mutations[0].old_text),
        .to = cn_search_value(&pl->search->training, param, node->mutations[0].new_text),
        .gain = child - above,
        .failed = n_child == 0 && s.any_failed,
        .in_flight = !s.any_over,
        .probe = strcmp(node->strategy, "failure-probe") == 0};
    return !isnan(e->from) && !isnan(e->to);
}

cn_status cn_view_effects(const struct cn_history *h, const struct cn_planner *pl,
                          struct cn_arena *arena, struct cn_effect **out, int64_t *out_n,
                          struct cn_err *err)
{
    struct cn_effect *e = cn_arena_alloc(arena, (size_t)h->n_nodes + 1, sizeof *e);

    *out = e;
    *out_n = 0;
    if (!e)
        return cn_err_set(err, CN_ENOMEM, "no memory for the effects of %lld nodes",
                          (long long)h->n_nodes);
    for (int64_t i = 0; i < h->n_nodes; i++)
        if (put_effect(h, pl, &h->nodes[i], &e[*out_n]))
            ++*out_n;
    return CN_OK;
}

/* ------------------------------------------------------------------ scores */

static double worst_of_run(const struct cn_history *h)
{
    double worst = h->older.first ? h->older.worst : (double)NAN;

    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];

        if (!it->confirmation && is_over(it) && it->outcome == CN_OUTCOME_OK &&
            !isnan(it->reward) && !(worst <= it->reward))
            worst = it->reward;
    }
    return worst;
}

/* Zero is the published worth of an undefined metric; it is no floor for one that may be
 * negative. */
static cn_tree_nan_rule nan_rule(const struct cn_planner *pl, const struct cn_history *h)
{
    const struct cn_trainer_metric *m = cn_trainer_metric(pl->trainer, h->info.reward);

    return m && !m->lower_is_better && m->min >= 0 ? CN_TREE_NAN_ZERO : CN_TREE_NAN_WORST;
}

cn_status cn_plan_scores(const struct cn_planner *pl, const struct cn_history *h, int64_t block,
                         struct cn_score_table *out, struct cn_err *err)
{
    const struct cn_score_opts o = cn_settings_score(pl->settings);
    struct cn_tree tree = {0};
    struct cn_view v;
    cn_status st = cn_view_init(&v, h, block, err);

    memset(out, 0, sizeof *out);
    if (st != CN_OK)
        return st;
    st = cn_tree_init(&tree, v.nodes, v.n_nodes, nan_rule(pl, h), worst_of_run(h), err);
    if (st == CN_OK)
        st = cn_score_init(out, &tree, &o, err);
    cn_tree_clear(&tree);
    cn_view_clear(&v);
    return st;
}
