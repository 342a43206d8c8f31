/* Scrambled Sobol points (Joe & Kuo, SIAM J. Sci. Comput. 30, 2008: the "new-joe-kuo-6"
 * direction numbers), with nested uniform (Owen) scrambling keyed by the seed.
 * Index-addressable: point i is a pure function of (seed, i), so a draw can be keyed by
 * iteration and a resumed run repeats nothing.
 *
 *     double u[8];
 *     st = cn_sobol_point(seed, iteration - 1, 8, u, &err);      // u in [0, 1)
 *
 * The first 2^m points (m <= 32) of every coordinate fall one into each of 2^m equal intervals,
 * scrambled or not.
 */
#ifndef CN_UCB_SOBOL_H
#define CN_UCB_SOBOL_H

#include <stdint.h>

#include "base/status.h"

enum { CN_SOBOL_DIMS = 37 };

/* index < 2^32 and 1 <= dims <= CN_SOBOL_DIMS, otherwise CN_EINPUT. */
CN_MUST_CHECK cn_status cn_sobol_point(uint64_t seed, uint64_t index, int32_t dims, double *out,
                                       struct cn_err *err);
/* The same without scrambling: the textbook sequence (point 0 is the origin). For checks
 * against published values. */
CN_MUST_CHECK cn_status cn_sobol_plain(uint64_t index, int32_t dims, double *out,
                                       struct cn_err *err);

#endif
