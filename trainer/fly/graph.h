/* The neuron graph: what the connectome expands to, what the simulator runs, what the model
 * learns.
 *
 * Edges keep their order of creation (specs flyvis_gnn 1.2: by type pair, offset, source id);
 * CSR (by dst) and CSC (by src) are permutations into it, ascending edge id inside a group.
 * Photoreceptors are neurons 0 .. n_input-1: 8 blocks of n_columns in the same column order, so
 * neuron i < n_input sees stimulus column i % n_columns.
 */
#ifndef CN_FLY_GRAPH_H
#define CN_FLY_GRAPH_H

#include <stdint.h>

#include "base/status.h"

struct cn_fly_graph {
    int64_t n, e;      /* neurons, edges */
    int64_t n_input;   /* 8 * n_columns */
    int64_t n_columns; /* hexagonal columns: 1 + 3R(R+1) */
    int32_t n_types;
    int32_t extent;
    int32_t *src, *dst;    /* (e) */
    float *W;              /* (e) true weights */
    float *tau, *V_rest;   /* (n) s, a.u. */
    int32_t *type;         /* (n) index into type_name (connectome order) */
    int32_t *u, *v;        /* (n) hexagonal coordinates */
    char (*type_name)[24]; /* (n_types) */
    int64_t *in_ptr;       /* (n+1) CSR by dst */
    int32_t *in_edge;      /* (e) */
    int64_t *out_ptr;      /* (n+1) CSC by src */
    int32_t *out_edge;     /* (e) */
};

/* Build in_ptr .. out_edge from src and dst. Every array is owned by the graph (cn_alloc). */
CN_MUST_CHECK cn_status cn_fly_graph_index(struct cn_fly_graph *g, struct cn_err *err);
void cn_fly_graph_clear(struct cn_fly_graph *g);

#endif
