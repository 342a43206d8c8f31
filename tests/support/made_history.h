/* Made-up histories for tests of what is concluded from them: nodes and trainings as one writes
 * them down, everything else as a finished run would have it.
 *
 *     static struct made_history m;
 *     made_init(&m);
 *     made_block(&m, "0.1");                  // regime simulation.noise = 0.1; NULL: none
 *     made_node(&m, 0, "a", 0.9);             // block 1, config "a", first training: reward .9
 *     made_again(&m, 1, 0.8);                 // node 1 once more
 */
#ifndef CN_TESTS_MADE_HISTORY_H
#define CN_TESTS_MADE_HISTORY_H

#include <math.h>
#include <string.h>

#include "base/text.h"
#include "logs/record.h"

enum { MADE_MOST = 1024, MADE_BLOCKS = 16 };

struct made_history {
    struct cn_history h;
    struct cn_node nodes[MADE_MOST];
    struct cn_iteration its[MADE_MOST];
    struct cn_block blocks[MADE_BLOCKS];
    struct cn_mutation regimes[MADE_BLOCKS];
    struct cn_metric metrics[MADE_MOST];
};

static inline void made_init(struct made_history *m)
{
    memset(m, 0, sizeof *m);
    m->h.info = (struct cn_run_info){.name = "made",
                                     .study = "toy",
                                     .created = "",
                                     .reward = "score",
                                     .converged = 0.9,
                                     .failed = 0.1,
                                     .n_iter_block = 12,
                                     .n_parallel = 1,
                                     .proposer = "embedded",
                                     .score_kind = "ucb1",
                                     .ucb_c = 1.414,
                                     .c_scale = "none",
                                     .log_keys = "",
                                     .guardrails = "",
                                     .log_fields = ""};
    m->h.nodes = m->nodes;
    m->h.iterations = m->its;
    m->h.blocks = m->blocks;
}

/* The block that the next iterations are of; the one before it is closed. */
static inline void made_block(struct made_history *m, const char *regime)
{
    struct cn_block *b = &m->blocks[m->h.n_blocks];

    if (m->h.n_blocks > 0)
        b[-1].closed = true;
    m->regimes[m->h.n_blocks] =
        (struct cn_mutation){"simulation.noise", "", regime ? regime : ""};
    *b = (struct cn_block){.number = m->h.n_blocks + 1,
                           .first = m->h.n_iterations + 1,
                           .last = m->h.n_iterations + 12,
                           .regime = &m->regimes[m->h.n_blocks],
                           .n_regime = regime != NULL,
                           .edit_note = ""};
    m->h.n_blocks++;
}

/* Node `node` once more; NaN: it diverged. */
static inline struct cn_iteration *made_again(struct made_history *m, int64_t node,
                                              double reward)
{
    struct cn_iteration *it = &m->its[m->h.n_iterations];
    const int64_t id = ++m->h.n_iterations;

    *it = (struct cn_iteration){.id = id,
                                .node = node,
                                .block = m->h.n_blocks,
                                .replicate = node != id,
                                .state = CN_ITER_COMMITTED,
                                .attempt = 1,
                                .sim_seed = (uint64_t)(id * 1000),
                                .train_seed = (uint64_t)(id * 1000 + 500),
                                .seed_mode = "suggested-default",
                                .strategy = node != id ? "robustness-test" : "exploit",
                                .parent_rule = "",
                                .scored_value = (double)NAN,
                                .outcome = isnan(reward) ? CN_OUTCOME_DIVERGED : CN_OUTCOME_OK,
                                .cls = reward > m->h.info.converged ? CN_CLASS_CONVERGED
                                                                    : CN_CLASS_PARTIAL,
                                .reward = reward,
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
    return it;
}

/* A new node and its first training. */
static inline struct cn_iteration *made_node(struct made_history *m, int64_t parent,
                                             const char *config, double reward)
{
    struct cn_node *n = &m->nodes[m->h.n_nodes++];

    *n = (struct cn_node){.id = m->h.n_iterations + 1,
                          .parent = parent,
                          .block = m->h.n_blocks,
                          .config = config,
                          .strategy = parent ? "exploit" : "root",
                          .proposer = "embedded"};
    cn_text_copy(n->config_hash, sizeof n->config_hash, config);
    return made_again(m, n->id, reward);
}

/* A confirmation of `node` in the r-th round: all of a round share their seeds. */
static inline struct cn_iteration *made_confirmation(struct made_history *m, int64_t node,
                                                     const char *strategy, int round,
                                                     double reward)
{
    struct cn_iteration *it = made_again(m, node, reward);

    it->confirmation = it->replicate = true;
    it->strategy = strategy;
    it->sim_seed = (uint64_t)(900000 + 1000 * round);
    it->train_seed = it->sim_seed + 500;
    it->seed_mode = "different-data-generalization";
    return it;
}

static inline void made_metric(struct made_history *m, struct cn_iteration *it,
                               const char *name, double value)
{
    struct cn_metric *x = &m->metrics[it - m->its];

    *x = (struct cn_metric){name, value};
    it->metrics = x;
    it->n_metrics = 1;
}

#endif
