/* A small made-up visual system in the schema of the published one, for work without downloaded
 * data.
 *
 * R1..R8 and 4 to 8 further types (L1, L2, Mi1, Tm1, T4a, ...), wired by a template with random
 * synapse counts, Dale signs per type, and the published spread of weights, time constants (a
 * few above .03 s) and resting potentials (mean about .5, std about .15). The strengths are
 * scaled so that the growth rate of W (its spectral radius) is CN_FLY_SYNTHETIC_RADIUS at
 * extent CN_FLY_SYNTHETIC_EXTENT. Draws whose simulation is silent or runs away (at extent 3 or
 * 8, noise .05 or .5) are drawn again. The texts are a pure function of (n_types, seed) and
 * pass through the same reader as the published files.
 */
#ifndef CN_FLY_SYNTHETIC_H
#define CN_FLY_SYNTHETIC_H

#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "trainer/fly/graph.h"

#define CN_FLY_SYNTHETIC_RADIUS 1.7
enum {
    CN_FLY_SYNTHETIC_EXTENT = 3,
    CN_FLY_SYNTHETIC_MIN = 12,
    CN_FLY_SYNTHETIC_MAX = 16,
    CN_FLY_SYNTHETIC_VERSION = 1
};

/* Both JSON texts into two buffers of the caller (reset first). n_types outside 12..16 is
 * CN_EINPUT; a seed that gives no lively network in all its attempts is CN_EUNSUPPORTED. */
CN_MUST_CHECK cn_status cn_fly_synthetic_write(int32_t n_types, uint64_t seed,
                                               struct cn_buf *connectome, struct cn_buf *params,
                                               struct cn_err *err);
/* The graph of such a network. */
CN_MUST_CHECK cn_status cn_fly_synthetic_open(int32_t n_types, uint64_t seed, int32_t extent,
                                              struct cn_fly_graph *out, struct cn_err *err);
/* As an imported-connectome folder (connectome.h). */
CN_MUST_CHECK cn_status cn_fly_synthetic_export(int32_t n_types, uint64_t seed,
                                                const char *out_dir, struct cn_err *err);

#endif
