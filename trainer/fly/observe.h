/* What an experiment does to the data before a model sees them, in double, as specs flyvis_gnn 2.1, 2.3 and 2.4 (with
 * the errata) state it: the calcium indicator, how many edges are made up or hidden, how videos are split.
 */
#ifndef CN_FLY_OBSERVE_H
#define CN_FLY_OBSERVE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum {
    CN_CALCIUM_SOFTPLUS,
    CN_CALCIUM_RELU,
    CN_CALCIUM_TANH,
    CN_CALCIUM_IDENTITY
} cn_calcium;

/* c <- c + dt/tau (-c + s(v_next)), out_y = (c_new - c_old) / dt; s = softplus, relu, 1 + tanh, v. v_next is the
 * voltage after the step (erratum to 2.1). Fluorescence is alpha c + beta. Arrays (n); tau, dt in s. */
void cn_fly_calcium_step(int64_t n, cn_calcium kind, double dt, double tau,
                         const double *v_next, double *c, double *out_y);

/* False edges that a source neuron gets: ratio x its out-degree, rounded half to even, at least 1, at most the free
 * targets (not itself, not an existing one); none without out-edges. */
int64_t cn_fly_null_edges(int64_t n_neurons, int64_t out_degree, bool has_self_edge,
                          double ratio);
/* Edges of a source that are hidden: at least 1, never all. */
int64_t cn_fly_removed_edges(int64_t out_degree, double ratio);
/* Over all E edges: how many a random removal keeps (truncated), how many an ablation zeroes (rounded). */
int64_t cn_fly_kept_edges(int64_t e, double ratio);
int64_t cn_fly_ablated_edges(int64_t e, double ratio);

/* Training videos of n: 80 per cent, truncated; the rest tests. */
int64_t cn_fly_training_videos(int64_t n);

#endif
