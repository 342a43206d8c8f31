/* A thread pool for fixed work lists: spin briefly, then sleep.
 *
 * cn_pool_run calls fn(ctx, chunk) once for every chunk in [0, n_chunks). Which thread runs a
 * chunk is not defined; results must not depend on it (write to chunk-owned memory, reduce
 * afterwards in chunk order): same seed, same bits for any number of threads. A pool of 1
 * thread runs everything in the caller.
 */
#ifndef CN_BASE_POOL_H
#define CN_BASE_POOL_H

#include <stdint.h>

#include "base/status.h"

struct cn_pool;
typedef void cn_pool_fn(void *ctx, int64_t chunk);

/* n_threads counts the caller; 0 = the processors this process may use. NULL when out of
 * memory. */
struct cn_pool *cn_pool_new(int n_threads);
void cn_pool_free(struct cn_pool *p);
int cn_pool_threads(const struct cn_pool *p);
/* One run at a time, and never from inside fn (CN_BUG). Returns when all chunks are done. */
void cn_pool_run(struct cn_pool *p, cn_pool_fn *fn, void *ctx, int64_t n_chunks);
int cn_pool_available_processors(void); /* from the affinity mask */

#endif
