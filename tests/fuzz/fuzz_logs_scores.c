/* Any bytes are a score file. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "logs/read_scores.h"
#include "tests/support/fuzz.h"

static void check_tables(const struct cn_read_scores *s)
{
    for (int64_t i = 0; i < s->n_tables; i++)
        for (int64_t k = 0; k < s->tables[i].n_rows; k++) {
            const struct cn_read_score *r = &s->tables[i].rows[k];
            if (r->node <= 0 || r->parent < 0 || r->visits < 0 || isnan(r->score) ||
                r->line <= s->tables[i].line)
                abort();
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_scores s;
    struct cn_read_log log;
    int64_t rows = 0;

    if (cn_read_scores("fuzz", (const char *)data, size, &s, NULL) != CN_OK ||
        cn_read_scores_log("fuzz", (const char *)data, size, &o, &log, NULL) != CN_OK)
        abort();
    check_tables(&s);
    for (int64_t i = 0; i < s.n_tables; i++)
        rows += s.tables[i].n_rows;
    if (log.history.n_nodes > rows || log.n_entries != log.history.n_iterations)
        abort();
    for (int64_t i = 0; i < log.history.n_nodes; i++) {
        const struct cn_node *n = &log.history.nodes[i];
        if (n->parent >= n->id || (n->parent && !cn_history_node(&log.history, n->parent)))
            abort();
    }
    cn_read_log_clear(&log);
    cn_read_scores_clear(&s);
    return 0;
}
