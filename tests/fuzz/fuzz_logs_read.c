/* Any bytes are a log: the reader must come back with a history that a store would take in, and
 * the log that we write of it must read back as the same. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/text.h"
#include "logs/project.h"
#include "logs/read.h"
#include "tests/support/fuzz.h"

static void check_rules(const struct cn_history *h)
{
    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        const struct cn_node *n = cn_history_node(h, it->node);
        const struct cn_block *b = cn_history_block(h, it->block);
        if (!n || n->parent >= n->id || (n->parent && !cn_history_node(h, n->parent)) ||
            (i && it->id <= h->iterations[i - 1].id) || (it->block && !b) ||
            (b && !it->confirmation && (it->id < b->first || it->id > b->last)) ||
            (it->outcome == CN_OUTCOME_OK) != isfinite(it->reward))
            abort();
        for (int k = 0; k < it->n_metrics; k++)
            for (const char *s = it->metrics[k].name; *s; s++)
                if (*s == '\n')
                    abort();
    }
    for (int64_t i = 0; i + 1 < h->n_blocks; i++)
        if (!h->blocks[i].closed || h->blocks[i].last >= h->blocks[i + 1].first)
            abort();
}

/* Only small ones: a log of a hundred blocks is no better a test and a slower one. */
static void there_and_back(struct cn_history *h)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_log again;
    struct cn_buf text;

    if (h->n_iterations > 64 || h->n_blocks > 64)
        return;
    for (int64_t i = 0; i < h->n_nodes; i++)
        h->nodes[i].config = "a: 1\n";
    cn_buf_init(&text, CN_CAP_FILE);
    cn_project_analysis(h, &text);
    if (cn_buf_status(&text) != CN_OK || !cn_text_utf8_valid(cn_buf_str(&text), text.len) ||
        cn_read_log("again", cn_buf_str(&text), text.len, &o, &again, NULL) != CN_OK)
        abort();
    if (again.history.n_iterations != h->n_iterations || again.history.n_nodes != h->n_nodes)
        abort();
    for (int64_t i = 0; i < h->n_iterations; i++) {
        const struct cn_iteration *x = &h->iterations[i], *y = &again.history.iterations[i];
        if (x->id != y->id || x->node != y->node || x->outcome != y->outcome ||
            !(x->reward == y->reward || isnan(x->reward)))
            abort();
    }
    for (int64_t i = 0; i < h->n_nodes; i++)
        if (h->nodes[i].parent != again.history.nodes[i].parent)
            abort();
    cn_read_log_clear(&again);
    cn_buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_log log;
    const size_t half = size / 2;
    const struct cn_read_part parts[] = {{"a", (const char *)data, half},
                                         {"b", (const char *)data + half, size - half}};
    struct cn_err err;

    o.n_iter_block = size % 3 == 0 ? 4 : 0;
    o.multi = (cn_read_multi)(size % 5);
    const cn_status st = size % 7 == 0
                             ? cn_read_logs(parts, 2, &o, &log, &err)
                             : cn_read_log("fuzz", (const char *)data, size, &o, &log, &err);
    if (st == CN_OK) {
        check_rules(&log.history);
        there_and_back(&log.history);
    } else if (st != CN_EUNSUPPORTED) {
        abort();
    }
    cn_read_log_clear(&log);
    return 0;
}
