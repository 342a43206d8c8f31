/* Any bytes are a log: the reader must come back with a history that a store would take in. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "logs/read.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_log log;
    struct cn_err err;

    o.n_iter_block = size % 3 == 0 ? 4 : 0;
    cn_status st = cn_read_log("fuzz", (const char *)data, size, &o, &log, &err);
    if (st == CN_OK) {
        const struct cn_history *h = &log.history;
        for (int64_t i = 0; i < h->n_iterations; i++) {
            const struct cn_iteration *it = &h->iterations[i];
            const struct cn_node *n = cn_history_node(h, it->node);
            if (!n || n->parent >= n->id || (n->parent && !cn_history_node(h, n->parent)) ||
                (i && it->id <= h->iterations[i - 1].id) ||
                (it->block && !cn_history_block(h, it->block)))
                abort();
        }
    } else if (st != CN_EUNSUPPORTED) {
        abort();
    }
    cn_read_log_clear(&log);
    return 0;
}
