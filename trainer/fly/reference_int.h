/* Shared by reference.c and reference_reg.c only: the networks row by row. */
#ifndef CN_FLY_REFERENCE_INT_H
#define CN_FLY_REFERENCE_INT_H

#include "trainer/engine/mlp.h"
#include "trainer/fly/reference.h"

struct ref {
    const struct cn_fly_graph *graph;
    const struct cn_fly_graph_model *cfg;
    struct cn_mlp_shape gs, fs;
    int64_t n, e;
    int32_t d;
    int64_t oW, oa, og, of, otau, oV, os; /* offsets of tensors, -1: absent */
    const double *p;                      /* parameters */
    double *grad;                         /* +=, may be NULL for forward only */
    double *h, *delta, *below;            /* scratch of one row: hidden outputs and adjoints */
    double *G, *m;                        /* (frames, n) of the batch */
};

/* G at (v, a_i), squared if the config says so; adjoint: += into g, and into a_i when to_a. */
double ref_g(const struct ref *r, int64_t i, double v);
void ref_g_back(const struct ref *r, int64_t i, double v, double seed, int to_a);
/* f at (v, a_i, m, I); adjoint returns seed * df/dm. */
double ref_f(const struct ref *r, int64_t i, double v, double m, double I);
double ref_f_back(const struct ref *r, int64_t i, double v, double m, double I, double seed,
                  int to_a);

/* All regularisers with a coefficient in force: values into out->term, gradients into
 * r->grad. */
cn_status ref_regularise(const struct ref *r, const struct cn_fly_reference_batch *b,
                         const struct cn_fly_coef *c, const struct cn_fly_stats *stats,
                         struct cn_fly_terms *out, struct cn_err *err);

#endif
