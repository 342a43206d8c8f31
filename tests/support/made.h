/* Histories made in memory, for what is pure over them: no store, no clock.
 *
 *     struct made m;
 *     made_init(&m, 100);
 *     made_block(&m, "simulation.n_frames", "64000");
 *     int64_t root = made_root(&m, 0.5);
 *     int64_t n = made_try(&m, root, "training.lr_W", "2.0e-3", 0.7);  // NAN: diverged
 *     made_again(&m, n, 0.71);
 *     ... &m.h ...
 *     made_clear(&m);
 */
#ifndef CN_TESTS_SUPPORT_MADE_H
#define CN_TESTS_SUPPORT_MADE_H

#include <stdint.h>

#include "logs/record.h"

struct made {
    struct cn_history h;
    int64_t room;
};

/* Reward connectivity_R2, converged 0.9, failed 0.1; keys training.lr_W, training.lr, training.act
 * of the configs. */
void made_init(struct made *m, int64_t room);
void made_clear(struct made *m);
/* Closes the block before. */
void made_block(struct made *m, const char *key, const char *value);
/* The rest returns the iteration's id; a node has the id of its first iteration. */
int64_t made_root(struct made *m, double reward);
int64_t made_try(struct made *m, int64_t parent, const char *path, const char *value,
                 double reward);
int64_t made_fail(struct made *m, int64_t parent, const char *path, const char *value,
                  cn_outcome how, const char *message);
int64_t made_again(struct made *m, int64_t node, double reward);
int64_t made_confirm(struct made *m, int64_t node, double reward, uint64_t seed);
/* Another metric of an iteration. */
void made_metric(struct made *m, int64_t id, const char *name, double value);

#endif
