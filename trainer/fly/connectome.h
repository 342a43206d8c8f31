/* The connectome: which cell types there are, which project where, and the parameters that make
 * a graph.
 *
 * Two JSON texts describe a network (specs flyvis_gnn 1.1, 1.3): the connectome (types with
 * their lattice stride, projections with offsets, synapse counts and sign) and the parameters
 * of a task-optimised model (bias and time constant per type; sign and strength per type pair;
 * log synapse count per group). Both readers are strict: an unknown, missing, repeated or
 * ill-typed key is CN_EINPUT with file, place and expectation.
 *
 * A group is one (source type, target type, offset), a pair one (source type, target type).
 * They are numbered in order of first appearance in the expanded edge list; groups that no
 * lattice can hold (two strides that never meet) get no number, so the same parameters serve
 * every extent.
 *
 *     struct cn_fly_connectome c;
 *     struct cn_fly_params p;
 *     struct cn_fly_graph g;
 *     st = cn_fly_connectome_read("fib25-fib19_v2.2.json", &c, &err);
 *     st = cn_fly_params_read("flow_0000_000.json", &p, &err);
 *     st = cn_fly_connectome_expand(&c, &p, 8, &g, &err); // 13,741 neurons, 434,112 edges
 *     cn_fly_graph_clear(&g);
 *     cn_fly_params_clear(&p);
 *     cn_fly_connectome_clear(&c);
 */
#ifndef CN_FLY_CONNECTOME_H
#define CN_FLY_CONNECTOME_H

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "base/status.h"
#include "trainer/fly/graph.h"

struct cn_fly_cell_type {
    char name[24];
    int32_t stride_u, stride_v;
};

struct cn_fly_projection {
    int32_t src, tar;  /* types */
    int32_t alpha;     /* +1 or -1 */
    int32_t pair;      /* -1 when no lattice can hold it */
    int32_t n_listed;  /* offsets in the file */
    int32_t n_offsets; /* the same plus hull fill (n_syn 1) */
    int32_t *du, *dv;  /* (n_offsets) owned */
    double *n_syn;     /* (n_offsets) owned */
    int32_t *group;    /* (n_offsets) owned; -1 when no lattice can hold it */
};

struct cn_fly_connectome {
    int32_t n_types, n_input; /* the input types are types 0 .. n_input-1, stride [1,1] */
    int32_t n_projections, n_pairs, n_groups;
    struct cn_fly_cell_type *type;        /* (n_types) owned */
    struct cn_fly_projection *projection; /* (n_projections) owned */
};

struct cn_fly_params {
    int64_t n_types, n_pairs, n_groups;
    float *bias, *tau;      /* (n_types): V_rest a.u., time constant s > 0; owned */
    float *sign, *strength; /* (n_pairs) owned */
    float *log_n_syn;       /* (n_groups) owned */
};

CN_MUST_CHECK cn_status cn_fly_connectome_parse(const char *name, const char *text, size_t n,
                                                struct cn_fly_connectome *out,
                                                struct cn_err *err);
CN_MUST_CHECK cn_status cn_fly_connectome_read(const char *path, struct cn_fly_connectome *out,
                                               struct cn_err *err);
void cn_fly_connectome_clear(struct cn_fly_connectome *c);

CN_MUST_CHECK cn_status cn_fly_params_parse(const char *name, const char *text, size_t n,
                                            struct cn_fly_params *out, struct cn_err *err);
CN_MUST_CHECK cn_status cn_fly_params_read(const char *path, struct cn_fly_params *out,
                                           struct cn_err *err);
void cn_fly_params_clear(struct cn_fly_params *p);
/* CN_EINPUT naming the array and both counts unless the parameters fit this connectome. */
CN_MUST_CHECK cn_status cn_fly_params_check(const struct cn_fly_params *p,
                                            const struct cn_fly_connectome *c,
                                            struct cn_err *err);

/* The graph on a lattice of this extent (1 .. CN_FLY_EXTENT_MAX), indexed. W = sign * exp(log
 * n_syn) * strength as a float32 product. Without parameters (p NULL) only structure is meant:
 * W = alpha * n_syn, tau = V_rest = 0. */
CN_MUST_CHECK cn_status cn_fly_connectome_expand(const struct cn_fly_connectome *c,
                                                 const struct cn_fly_params *p, int32_t extent,
                                                 struct cn_fly_graph *out, struct cn_err *err);

/* An imported connectome is a folder {connectome.json, params.json, MANIFEST}; MANIFEST is
 * written last and holds the SHA-256 of both: without it, or with other hashes, the folder is
 * CN_ECORRUPT. Import reads and checks both files first and leaves out_dir alone when they do
 * not fit. */
CN_MUST_CHECK cn_status cn_fly_connectome_import(const char *json_path, const char *params_path,
                                                 const char *out_dir, struct cn_err *err);
CN_MUST_CHECK cn_status cn_fly_connectome_save(const char *out_dir, const void *json,
                                               size_t n_json, const void *params,
                                               size_t n_params, struct cn_err *err);
CN_MUST_CHECK cn_status cn_fly_connectome_open(const char *dir, int32_t extent,
                                               struct cn_fly_graph *out, struct cn_err *err);
/* The folder's content as one hash (of MANIFEST): part of a data set's identity. */
CN_MUST_CHECK cn_status cn_fly_connectome_identity(const char *dir, char out[CN_HASH_TEXT],
                                                   struct cn_err *err);

#endif
