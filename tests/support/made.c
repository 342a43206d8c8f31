#include "tests/support/made.h"

#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/hash.h"
#include "base/yaml.h"

static const char first_config[] = "simulation:\n  n_frames: 64000\ntraining:\n  lr_W: 1.0e-3\n"
                                   "  lr: 5.0e-4\n  act: relu\n";

void made_init(struct made *m, int64_t room)
{
    struct cn_history *h = &m->h;

    memset(m, 0, sizeof *m);
    m->room = room;
    cn_arena_init(&h->arena, CN_CAP_ARENA);
    h->info = (struct cn_run_info){.name = "made",
                                   .study = "fly",
                                   .created = "",
                                   .reward = "connectivity_R2",
                                   .converged = 0.9,
                                   .failed = 0.1,
                                   .n_iter_block = 12,
                                   .n_parallel = 1,
                                   .proposer = "embedded",
                                   .score_kind = "ucb1",
                                   .ucb_c = 1.414,
                                   .c_scale = "none",
                                   .log_keys = "training.lr_W,training.lr"};
    h->nodes = cn_arena_alloc(&h->arena, (size_t)room, sizeof *h->nodes);
    h->iterations = cn_arena_alloc(&h->arena, (size_t)room, sizeof *h->iterations);
    h->blocks = cn_arena_alloc(&h->arena, (size_t)room, sizeof *h->blocks);
    cr_assert(h->nodes && h->iterations && h->blocks);
}

void made_clear(struct made *m)
{
    cn_history_clear(&m->h);
}

static char *keep(struct made *m, const char *s)
{
    char *copy = cn_arena_strdup(&m->h.arena, s);

    cr_assert(copy);
    return copy;
}

void made_block(struct made *m, const char *key, const char *value)
{
    struct cn_history *h = &m->h;
    struct cn_block *b = &h->blocks[h->n_blocks];
    struct cn_mutation *r = cn_arena_alloc(&h->arena, 1, sizeof *r);

    cr_assert(r);
    if (h->n_blocks > 0) {
        b[-1].closed = true;
        b[-1].last = h->n_iterations;
    }
    *r = (struct cn_mutation){keep(m, key), "", keep(m, value)};
    *b = (struct cn_block){.number = ++h->n_blocks,
                           .first = h->n_iterations + 1,
                           .last = h->n_iterations + h->info.n_iter_block,
                           .regime = r,
                           .n_regime = 1,
                           .edit_note = ""};
}

static int64_t add_iteration(struct made *m, int64_t node, double reward)
{
    struct cn_history *h = &m->h;
    struct cn_iteration *it = &h->iterations[h->n_iterations];
    struct cn_metric *k = cn_arena_alloc(&h->arena, 4, sizeof *k);
    bool ok = isfinite(reward);

    cr_assert(k && h->n_iterations < m->room);
    k[0] = (struct cn_metric){"connectivity_R2", reward};
    *it = (struct cn_iteration){.id = ++h->n_iterations,
                                .node = node ? node : h->n_iterations,
                                .block = h->n_blocks,
                                .replicate = node != 0,
                                .state = CN_ITER_COMMITTED,
                                .attempt = 1,
                                .seed_mode = "suggested-default",
                                .strategy = node ? "robustness-test" : "exploit",
                                .parent_rule = "",
                                .scored_value = (double)NAN,
                                .outcome = ok ? CN_OUTCOME_OK : CN_OUTCOME_DIVERGED,
                                .cls = !ok            ? CN_CLASS_NONE
                                       : reward > 0.9 ? CN_CLASS_CONVERGED
                                       : reward < 0.1 ? CN_CLASS_FAILED
                                                      : CN_CLASS_PARTIAL,
                                .reward = reward,
                                .seconds = 60,
                                .metrics = k,
                                .n_metrics = ok ? 1 : 0,
                                .observation = "",
                                .message = ok ? "" : "loss is nan",
                                .trajectory = "",
                                .activity = "",
                                .embedding = "",
                                .hypothesis = "",
                                .dir = "",
                                .token = "",
                                .job = ""};
    it->sim_seed = (uint64_t)it->id * 1000;
    it->train_seed = it->sim_seed + 500;
    return it->id;
}

static void add_node(struct made *m, int64_t id, int64_t parent, const char *config,
                     struct cn_mutation *mutation)
{
    struct cn_history *h = &m->h;
    struct cn_node *n = &h->nodes[h->n_nodes++];

    *n = (struct cn_node){.id = id,
                          .parent = parent,
                          .block = h->n_blocks,
                          .config = config,
                          .mutations = mutation,
                          .n_mutations = mutation != NULL,
                          .strategy = mutation ? "exploit" : "root",
                          .proposer = "embedded"};
    cn_hash_hex(config, strlen(config), n->config_hash);
}

static const char *value_in(struct made *m, const char *config, const char *path)
{
    struct cn_yaml *y = NULL;
    const char *v;

    cr_assert_eq(cn_yaml_parse("made", config, strlen(config), &y, NULL), CN_OK);
    v = cn_yaml_string(cn_yaml_path(cn_yaml_root(y), path));
    v = keep(m, v ? v : "");
    cn_yaml_free(y);
    return v;
}

static const char *changed(struct made *m, const char *config, const char *path,
                           const char *value)
{
    struct cn_yaml *y = NULL;
    const char *text;
    size_t n;

    cr_assert_eq(cn_yaml_parse("made", config, strlen(config), &y, NULL), CN_OK);
    cr_assert_eq(cn_yaml_set(y, path, value, NULL), CN_OK);
    text = cn_yaml_text(y, &n);
    text = cn_arena_strndup(&m->h.arena, text, n);
    cn_yaml_free(y);
    cr_assert(text);
    return text;
}

/* The block's regime stands in its configs. */
int64_t made_root(struct made *m, double reward)
{
    const struct cn_mutation *r = m->h.blocks[m->h.n_blocks - 1].regime;
    int64_t id = add_iteration(m, 0, reward);

    m->h.iterations[id - 1].strategy = "root";
    add_node(m, id, 0, changed(m, first_config, r->path, r->new_text), NULL);
    return id;
}

int64_t made_try(struct made *m, int64_t parent, const char *path, const char *value,
                 double reward)
{
    const struct cn_node *p = cn_history_node(&m->h, parent);
    struct cn_mutation *c = cn_arena_alloc(&m->h.arena, 1, sizeof *c);
    int64_t id = add_iteration(m, 0, reward);

    cr_assert(p && c);
    *c = (struct cn_mutation){keep(m, path), value_in(m, p->config, path), keep(m, value)};
    add_node(m, id, parent, changed(m, p->config, path, value), c);
    return id;
}

int64_t made_fail(struct made *m, int64_t parent, const char *path, const char *value,
                  cn_outcome how, const char *message)
{
    int64_t id = made_try(m, parent, path, value, (double)NAN);

    m->h.iterations[id - 1].outcome = how;
    m->h.iterations[id - 1].message = keep(m, message);
    return id;
}

int64_t made_again(struct made *m, int64_t node, double reward)
{
    return add_iteration(m, node, reward);
}

int64_t made_confirm(struct made *m, int64_t node, double reward, uint64_t seed)
{
    int64_t id = add_iteration(m, node, reward);
    struct cn_iteration *it = &m->h.iterations[id - 1];

    it->confirmation = true;
    it->replicate = false;
    it->block = 0;
    it->strategy = cn_history_node(&m->h, node)->parent ? "confirm" : "confirm-default";
    it->sim_seed = seed * 1000;
    it->train_seed = seed * 1000 + 500;
    return id;
}

void made_metric(struct made *m, int64_t id, const char *name, double value)
{
    struct cn_iteration *it = &m->h.iterations[id - 1];
    struct cn_metric *k = cn_arena_alloc(&m->h.arena, (size_t)it->n_metrics + 1, sizeof *k);

    cr_assert(k);
    memcpy(k, it->metrics, (size_t)it->n_metrics * sizeof *k);
    k[it->n_metrics] = (struct cn_metric){keep(m, name), value};
    it->metrics = k;
    it->n_metrics++;
}
