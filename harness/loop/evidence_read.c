/* Answers to the model's reading tools: quoted, capped, and errors that name what there is. See
 * evidence.h. */
#include <inttypes.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/evidence_int.h"
#include "logs/project.h"
#include "prompts/fill.h"

static cn_status no_node(const struct cn_history *h, int64_t node, struct cn_err *err)
{
    const struct cn_iteration *it = cn_history_iteration(h, node);

    if (it)
        return cn_err_set(err, CN_ENOTFOUND,
                          "there is no node %" PRId64 ": iteration %" PRId64
                          " trained node %" PRId64 " again",
                          node, node, it->node);
    if (h->n_nodes == 0)
        return cn_err_set(err, CN_ENOTFOUND, "there is no node yet");
    return cn_err_set(err, CN_ENOTFOUND,
                      "there is no node %" PRId64 "; ids go from %" PRId64 " to %" PRId64, node,
                      h->nodes[0].id, h->nodes[h->n_nodes - 1].id);
}

static void put_trainings(const struct cn_history *h, const struct cn_node *n,
                          struct cn_buf *out)
{
    char number[CN_NUM_TEXT];

    cn_buf_adds(out, "\ntrainings:");
    for (const struct cn_iteration *it = cn_history_run(h, n->id, NULL); it;
         it = cn_history_run(h, n->id, it)) {
        cn_buf_printf(out, " %" PRId64 " ", it->id);
        if (it->state < CN_ITER_MEASURED)
            cn_buf_adds(out, cn_iter_state_name(it->state));
        else if (it->outcome != CN_OUTCOME_OK)
            cn_buf_adds(out, cn_outcome_name(it->outcome));
        else
            cn_buf_adds(out, cn_text_brief(cn_ev_metric(h, it->reward), number));
        cn_buf_adds(out, it->confirmation ? " (confirmation);" : ";");
    }
    cn_buf_adds(out, "\nchildren:");
    for (int64_t i = 0; i < h->n_nodes; i++)
        if (h->nodes[i].parent == n->id)
            cn_buf_printf(out, " %" PRId64, h->nodes[i].id);
    cn_buf_adds(out, "\n\n");
}

cn_status cn_evidence_node(const struct cn_history *h, int64_t node, struct cn_buf *out,
                           struct cn_err *err)
{
    const struct cn_node *n = cn_history_node(h, node);
    const struct cn_iteration *first = cn_history_run(h, node, NULL);
    struct cn_buf text;

    if (!n)
        return no_node(h, node, err);
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_printf(&text, "node %" PRId64 ", block %" PRId64 ", parent ", n->id, n->block);
    if (n->parent)
        cn_buf_printf(&text, "%" PRId64, n->parent);
    else
        cn_buf_adds(&text, "root");
    cn_buf_printf(&text, ", strategy %s, proposed by %s\nchanged: ", n->strategy, n->proposer);
    cn_ev_mutations(&text, n);
    put_trainings(h, n, &text);
    if (first && first->state >= CN_ITER_MEASURED)
        cn_project_entry(h, first, &text);
    cn_prompt_fence(out, "The record of the node", cn_buf_str(&text), text.len,
                    CN_EVIDENCE_READ);
    cn_buf_clear(&text);
    return cn_buf_status(out) == CN_OK
               ? CN_OK
               : cn_err_set(err, cn_buf_status(out), "no room for a node");
}

cn_status cn_evidence_config(const struct cn_history *h, int64_t node, struct cn_buf *out,
                             struct cn_err *err)
{
    const struct cn_node *n = cn_history_node(h, node);

    if (!n)
        return no_node(h, node, err);
    cn_prompt_fence(out, "The config of the node, without seeds", n->config, strlen(n->config),
                    CN_EVIDENCE_READ);
    return cn_buf_status(out) == CN_OK
               ? CN_OK
               : cn_err_set(err, cn_buf_status(out), "no room for a config");
}

/* One entry, or why there is none yet. */
static void put_entry(const struct cn_history *h, const struct cn_iteration *it,
                      struct cn_buf *out)
{
    cn_buf_adds(out, out->len ? "\n" : "");
    if (it->state < CN_ITER_MEASURED)
        cn_buf_printf(out, "iteration %" PRId64 " of node %" PRId64 " is %s\n", it->id,
                      it->node, cn_iter_state_name(it->state));
    else
        cn_project_entry(h, it, out);
}

cn_status cn_evidence_log(const struct cn_history *h, int64_t first, int64_t last,
                          struct cn_buf *out, struct cn_err *err)
{
    struct cn_buf text, one;
    int64_t n = 0, next = 0;

    if (first < 1 || last < first)
        return cn_err_set(err, CN_EINPUT,
                          "a range of the log goes from an iteration to a later one, not from "
                          "%" PRId64 " to %" PRId64,
                          first, last);
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_init(&one, CN_CAP_TEXT);
    for (int64_t i = 0; i < h->n_iterations && !next; i++) {
        const struct cn_iteration *it = &h->iterations[i];

        if (it->id < first || it->id > last)
            continue;
        cn_buf_reset(&one);
        put_entry(h, it, &one);
        if (n > 0 && (n == CN_EVIDENCE_LOG_ENTRIES || text.len + one.len > CN_EVIDENCE_READ)) {
            next = it->id;
            break;
        }
        cn_buf_adds(&text, cn_buf_str(&one));
        n++;
    }
    if (n > 0)
        cn_prompt_fence(out, "Entries of the log", cn_buf_str(&text), text.len,
                        CN_EVIDENCE_READ);
    if (next)
        cn_buf_printf(out, "From iteration %" PRId64 " on it was too much for one answer.\n",
                      next);
    cn_buf_clear(&text);
    cn_buf_clear(&one);
    if (n == 0 && h->n_iterations == 0)
        return cn_err_set(err, CN_ENOTFOUND, "the log is empty");
    if (n == 0)
        return cn_err_set(
            err, CN_ENOTFOUND,
            "no iteration from %" PRId64 " to %" PRId64 " is at hand; the log has "
            "%" PRId64 " to %" PRId64,
            first, last, h->iterations[0].id, h->iterations[h->n_iterations - 1].id);
    return cn_buf_status(out) == CN_OK
               ? CN_OK
               : cn_err_set(err, cn_buf_status(out), "no room for the log");
}
