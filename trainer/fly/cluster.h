/* How well neurons fall into their cell types (specs flyvis_gnn 5): the features that are clustered, and the scores
 * of a clustering against the true types. The Gaussian mixture itself is not here yet.
 */
#ifndef CN_FLY_CLUSTER_H
#define CN_FLY_CLUSTER_H

#include <stdint.h>

#include "base/status.h"

/* out (n, d+6): embedding a (n, d), tau, V_rest, mean and population std of the incoming corrected weights, of the
 * outgoing ones; 0, 0 for a neuron without such edges. All edges count, null edges too. */
CN_MUST_CHECK cn_status cn_fly_cluster_features(int64_t n, int64_t d, const double *a,
                                                const double *tau, const double *V_rest,
                                                int64_t e, const int32_t *src,
                                                const int32_t *dst, const double *W_star,
                                                double *out, struct cn_err *err);

struct cn_fly_match {
    int64_t
        matched; /* best one-to-one matching of clusters to types (Kuhn 1955, Munkres 1957) */
    double accuracy; /* matched / n: members of unmatched clusters count as wrong */
    double ari;      /* adjusted Rand index (Hubert & Arabie 1985) */
    double
        nmi; /* mutual information over the arithmetic mean of the entropies; 1 when both are 0 */
};

/* Labels are any integers in 0..n-1. CN_EINPUT for n < 1 or a label outside. */
CN_MUST_CHECK cn_status cn_fly_cluster_match(const int32_t *type, const int32_t *found,
                                             int64_t n, struct cn_fly_match *out,
                                             struct cn_err *err);

#endif
