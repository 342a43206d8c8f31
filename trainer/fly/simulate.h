/* The generator's dynamics (specs flyvis_gnn 2.1):
 *
 *     tau_i dv_i/dt = -v_i + V_i + sum_{e: j->i} W_e relu(v_j) [+ s tanh(v_i)] + I_i
 *
 * by explicit Euler, v <- v + dt dv + sigma xi, xi ~ N(0,1) per neuron and frame (not scaled by
 * sqrt(dt)). Raw tau is used. Two implementations: a plain double-precision reference
 * (cn_fly_dynamics_dvdt, cn_fly_dynamics_steady) and a threaded float32 simulator whose bits do
 * not depend on the number of threads. Noise is Philox: neuron i at frame t takes normal number
 * t*P + i of (seed, stream), P = n rounded up to a multiple of 128.
 *
 *     struct cn_fly_dynamics d = {.graph = &g, .delta_t = .02, .noise = .05, .seed = 7};
 *     struct cn_fly_simulator *sim;
 *     st = cn_fly_simulator_new(&d, pool, &sim, &err);          // starts at the steady state
 *     for (t = 0; t < T; t++) {
 *         memcpy(row, cn_fly_simulator_state(sim), n * sizeof *row);
 *         cn_fly_simulator_step(sim, t, stimulus_row);          // v_t -> v_{t+1}
 *     }
 *     cn_fly_simulator_free(sim);
 */
#ifndef CN_FLY_SIMULATE_H
#define CN_FLY_SIMULATE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"
#include "trainer/fly/config.h"
#include "trainer/fly/graph.h"

/* W by destination rows: row i holds edges ptr[i] .. ptr[i+1]-1 in ascending edge id. */
struct cn_fly_csr {
    int64_t n, e;
    int64_t *ptr; /* (n+1) owned */
    int32_t *col; /* (e) source neuron, owned */
    float *w;     /* (e) weight (times the source type's gain), owned */
};
CN_MUST_CHECK cn_status cn_fly_csr_build(const struct cn_fly_graph *g, const float *opt_gain,
                                         struct cn_fly_csr *out, struct cn_err *err);
void cn_fly_csr_clear(struct cn_fly_csr *m);

struct cn_fly_dynamics {
    const struct cn_fly_graph *graph; /* borrowed */
    cn_fly_variant variant;
    /* (n_types) message gain of the source type, CN_SIM_MULTIPLE_RELU only. */
    const float *gain;
    const float *s;  /* (n_types) tanh coefficient, CN_SIM_TANH only */
    double delta_t;  /* s */
    double noise;    /* sigma */
    uint64_t seed;   /* of the process noise */
    uint64_t stream; /* tells train and test apart */
};

/* Double reference. stimulus is (n_columns) and drives neurons 0..n_input-1; v, y are (n). */
void cn_fly_dynamics_dvdt(const struct cn_fly_dynamics *d, const double *v,
                          const double *stimulus, double *out_y);
/* The starting state: 100 Euler steps from V_rest with input .5 on every photoreceptor and
 * max(tau, dt) for tau (2.1), without the variant's terms: every variant starts where the plain
 * network rests. Needs a scratch array of n. */
void cn_fly_dynamics_steady(const struct cn_fly_dynamics *d, double *out_v, double *scratch);
/* Gains |1 + .5 N(0,1)| and tanh coefficients U(-.5,.5) per type for the variants, from a
 * seed. */
void cn_fly_dynamics_draw_gain(uint64_t seed, int32_t n_types, float *out_gain);
void cn_fly_dynamics_draw_s(uint64_t seed, int32_t n_types, float *out_s);

struct cn_fly_simulator;
/* Borrows d->graph and the pool for its life; pool NULL = the calling thread. */
CN_MUST_CHECK cn_status cn_fly_simulator_new(const struct cn_fly_dynamics *d,
                                             struct cn_pool *pool,
                                             struct cn_fly_simulator **out, struct cn_err *err);
void cn_fly_simulator_free(struct cn_fly_simulator *sim);
/* v_t (n), until the next call. */
const float *cn_fly_simulator_state(const struct cn_fly_simulator *sim);
void cn_fly_simulator_set_state(struct cn_fly_simulator *sim, const float *v);
void cn_fly_simulator_reset(struct cn_fly_simulator *sim); /* to the steady state */
/* One frame: v_t -> v_{t+1} under stimulus (n_columns), noise drawn for frame t. */
void cn_fly_simulator_step(struct cn_fly_simulator *sim, int64_t t, const float *stimulus);

#endif
