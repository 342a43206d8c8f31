/* The learned models (specs flyvis_gnn 3.1, 3.2): parameters, their names, Adam's moments.
 *
 *     flyvis_A       G_j = g_phi([v_j, a_j])    (squared if g_phi_positive)
 *                    m_i = sum_{e: j->i} W_e G_j
 *                    yhat_i = f_theta([v_i, a_i, m_i, I_i])
 *     flyvis_linear  yhat_i = (-v_i + sum W_e relu(v_src) + I_i + V_i [+ s_i tanh(v_i)])
 *                             / softplus(raw_tau_i)
 *
 * One slab of float holds every parameter; the table says which tensor stands where:
 *
 *     flyvis_A       "W" (E) in edge order, "a" (N, d), "g.w0" (h, 1+d), "g.b0" (h), ... ,
 *                    "f.w0" (h, 3+d), ...
 *     flyvis_linear  "W" (E), "raw_tau" (N), "V_rest" (N), "s" (N) with tanh
 *
 * While training, the edge weights and their moments live in CSR order (by destination), where
 * the step is fast. The accessors below bring the slab up to date before they hand it out, so
 * nobody can read a stale W; take them again after every training step.
 *
 *     struct cn_fly_model *mod;
 *     st = cn_fly_model_new(&cfg, &graph, &mod, &err); // zeros
 *     cn_fly_model_init(mod, cfg.train.seed);          // random start, from Philox
 *     const float *W = cn_fly_model_get(mod, "W", &count);
 *     cn_fly_model_free(mod);
 *
 * The graph is borrowed and must outlive the model.
 */
#ifndef CN_FLY_MODEL_H
#define CN_FLY_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"
#include "trainer/fly/config.h"
#include "trainer/fly/graph.h"

/* Groups that share a learning rate. DYN = raw_tau, V_rest, s of the linear model. */
typedef enum {
    CN_FLY_GROUP_W,
    CN_FLY_GROUP_A,
    CN_FLY_GROUP_G,
    CN_FLY_GROUP_F,
    CN_FLY_GROUP_DYN,
    CN_FLY_N_GROUPS
} cn_fly_group;

enum { CN_FLY_MAX_TENSORS = 40 };

struct cn_fly_tensor {
    char name[16];
    int64_t offset, count; /* floats, in the slab */
    int32_t n_dims;
    int64_t shape[2];
    cn_fly_group group;
};

struct cn_fly_model;

CN_MUST_CHECK cn_status cn_fly_model_new(const struct cn_fly_config *cfg,
                                         const struct cn_fly_graph *g,
                                         struct cn_fly_model **out, struct cn_err *err);
void cn_fly_model_free(struct cn_fly_model *mod);
/* Random start of 3.1: first layers U(+-1/sqrt(in)), later weights N(0, .1^2) with bias 0,
 * a = 1, W by w_init_mode; linear: raw_tau = V_rest = 0, s = 1. A function of (config, seed)
 * only; moments and step count return to 0. */
void cn_fly_model_init(struct cn_fly_model *mod, uint64_t seed);

const struct cn_fly_graph_model *cn_fly_model_config(const struct cn_fly_model *mod);
const struct cn_fly_graph *cn_fly_model_graph(const struct cn_fly_model *mod);
int32_t cn_fly_model_n_tensors(const struct cn_fly_model *mod);
const struct cn_fly_tensor *cn_fly_model_tensor(const struct cn_fly_model *mod, int32_t k);
/* NULL: none of that name. */
const struct cn_fly_tensor *cn_fly_model_find(const struct cn_fly_model *mod, const char *name);
int64_t cn_fly_model_n_params(const struct cn_fly_model *mod);

/* The slab (n_params floats), and the tensor of a name inside it (NULL when there is none).
 * Borrowed, valid until the next training step. */
const float *cn_fly_model_params(struct cn_fly_model *mod);
const float *cn_fly_model_get(struct cn_fly_model *mod, const char *name,
                              int64_t *opt_out_count);
/* Replace a tensor; `values` has its count. CN_ENOTFOUND names the tensors there are. */
CN_MUST_CHECK cn_status cn_fly_model_set(struct cn_fly_model *mod, const char *name,
                                         const float *values, struct cn_err *err);

/* Everything a checkpoint needs: three slabs in the same layout and the number of Adam steps
 * taken. */
struct cn_fly_model_state {
    const float *params, *m, *v; /* (n_params) borrowed */
    int64_t adam_steps;
};
void cn_fly_model_state(struct cn_fly_model *mod, struct cn_fly_model_state *out);
/* Copies. */
void cn_fly_model_restore(struct cn_fly_model *mod, const struct cn_fly_model_state *from);

/* ---- Evaluation (metrics, tests, roll-outs). Threads come from `pool`; results do not depend
 * on how many. ---- */

struct cn_fly_eval; /* work space; holds model and pool, borrowed; every call sees the model's
                       current parameters */
CN_MUST_CHECK cn_status cn_fly_eval_new(struct cn_fly_model *mod, struct cn_pool *pool,
                                        struct cn_fly_eval **out, struct cn_err *err);
void cn_fly_eval_free(struct cn_fly_eval *ev);

/* One frame: I[i % i_period] for i < i_count, 0 beyond (i_count = n_input, i_period = n_columns
 * for a data set; both n for a full array). out_m (n) the message sum W G, out_yhat (n),
 * opt_out_dfdm (n) = d yhat_i / d m_i (gm of section 5). opt ones may be NULL, out_m too. */
void cn_fly_eval_frame(struct cn_fly_eval *ev, const float *v, const float *I, int64_t i_count,
                       int64_t i_period, float *opt_out_m, float *out_yhat,
                       float *opt_out_dfdm);

/* flyvis_A only, arbitrary rows r < n_rows: neuron[r] names the embedding (NULL: r itself).
 * g: G(v[r], a) (squared if g_phi_positive). f: f(v[r], a, m[r], I[r]); m or I NULL reads as 0;
 * opt_out_dfdm as above. */
void cn_fly_eval_g(struct cn_fly_eval *ev, int64_t n_rows, const int32_t *opt_neuron,
                   const float *v, float *out);
void cn_fly_eval_f(struct cn_fly_eval *ev, int64_t n_rows, const int32_t *opt_neuron,
                   const float *v, const float *opt_m, const float *opt_I, float *out,
                   float *opt_out_dfdm);

/* flyvis_A only, every neuron i: least-squares line of G(v, a_i) (or f(v, a_i, 0, 0)) over
 * n_points equispaced v in lo[i]..hi[i], sums in double; |n Sxx - Sx^2| <= 1e-12 gives slope 0,
 * intercept 0. opt_out_intercept may be NULL. Nothing of size n * n_points is stored. */
void cn_fly_eval_g_lines(struct cn_fly_eval *ev, const float *lo, const float *hi,
                         int32_t n_points, float *out_slope, float *opt_out_intercept);
void cn_fly_eval_f_lines(struct cn_fly_eval *ev, const float *lo, const float *hi,
                         int32_t n_points, float *out_slope, float *opt_out_intercept);

#endif
