/* golden/fly_gnn.json as a table of cases, run against any implementation of loss and gradient.
 *
 * The file's twelve-neuron network is built as a graph and a model; its parameters are doubles
 * in the model's layout. One function pointer computes the loss terms and the gradient, in
 * double (the reference) or in float (the step).
 */
#ifndef CN_TESTS_FLY_GOLDEN_H
#define CN_TESTS_FLY_GOLDEN_H

#include <stdbool.h>

#include "base/json.h"
#include "trainer/fly/model.h"
#include "trainer/fly/reference.h"

struct fly_golden {
    struct cn_json_doc *doc;
    const struct cn_json *root;
    struct cn_fly_graph graph;
    int32_t frames;
    double *v, *I, *y; /* (frames, n) */
    struct cn_fly_stats stats;
    double *mu, *sigma;
};

/* Terms and gradient (n_params, zeroed here) at params; y NULL = regularisers only. */
typedef void fly_loss_grad(struct cn_fly_model *mod, const double *params,
                           const struct cn_fly_reference_batch *b, const struct cn_fly_coef *c,
                           const struct cn_fly_stats *stats, struct cn_fly_terms *out,
                           double *grad);

void fly_golden_open(struct fly_golden *g);
void fly_golden_close(struct fly_golden *g);

/* A flyvis_A (or linear) model with the file's sizes, and its parameters as doubles. */
struct cn_fly_model *fly_golden_model(const struct fly_golden *g, cn_fly_model_kind kind,
                                      cn_activation act, bool positive, bool linear_tanh);
double *fly_golden_params(const struct fly_golden *g, const struct cn_fly_model *mod);
/* Gradient tensors of a case against `grads`; missing or null ones must be exactly 0.
 * Scale = the largest of all tensors. */
bool fly_golden_grads_close(const char *what, const struct cn_fly_model *mod,
                            const struct cn_json *grads, const double *grad, double tol);

/* All cases of a section; each returns the number of failures and prints them. */
int fly_golden_cases(const struct fly_golden *g, fly_loss_grad *fn, double tol);
int fly_golden_linear(const struct fly_golden *g, fly_loss_grad *fn, double tol);
int fly_golden_regularisers(const struct fly_golden *g, fly_loss_grad *fn, bool is_float);
/* Coefficients of the section "adam". */
struct cn_fly_coef fly_golden_adam_coef(void);

#endif
