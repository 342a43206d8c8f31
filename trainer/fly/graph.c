/* Index an edge list both ways by counting sort: stable, so edge ids ascend inside every group.
 */
#include "trainer/fly/graph.h"

#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"

/* ptr (n+1) and list (e) must be allocated; key is src or dst. */
static void group_by(const int32_t *key, int64_t n, int64_t e, int64_t *ptr, int32_t *list)
{
    memset(ptr, 0, ((size_t)n + 1) * sizeof *ptr);
    for (int64_t k = 0; k < e; k++)
        ptr[key[k] + 1]++;
    for (int64_t i = 0; i < n; i++)
        ptr[i + 1] += ptr[i];
    for (int64_t k = 0; k < e; k++)
        list[ptr[key[k]]++] = (int32_t)k;
    /* Filling moved every start to its end, which is the next one's start. */
    for (int64_t i = n; i > 0; i--)
        ptr[i] = ptr[i - 1];
    ptr[0] = 0;
}

static cn_status check_ends(const struct cn_fly_graph *g, struct cn_err *err)
{
    if (g->n < 1 || g->e < 1 || g->e > INT32_MAX)
        return cn_err_set(err, CN_EINPUT,
                          "graph of %lld neurons and %lld edges: wants at least one of each",
                          (long long)g->n, (long long)g->e);
    for (int64_t k = 0; k < g->e; k++) {
        if (g->src[k] < 0 || g->src[k] >= g->n || g->dst[k] < 0 || g->dst[k] >= g->n)
            return cn_err_set(err, CN_EINPUT,
                              "edge %lld goes from %d to %d: wants neurons 0..%lld",
                              (long long)k, g->src[k], g->dst[k], (long long)g->n - 1);
    }
    return CN_OK;
}

cn_status cn_fly_graph_index(struct cn_fly_graph *g, struct cn_err *err)
{
    cn_status st = check_ends(g, err);
    if (st != CN_OK)
        return st;
    cn_free(g->in_ptr);
    cn_free(g->in_edge);
    cn_free(g->out_ptr);
    cn_free(g->out_edge);
    g->in_ptr = cn_alloc((size_t)g->n + 1, sizeof *g->in_ptr);
    g->out_ptr = cn_alloc((size_t)g->n + 1, sizeof *g->out_ptr);
    g->in_edge = cn_alloc((size_t)g->e, sizeof *g->in_edge);
    g->out_edge = cn_alloc((size_t)g->e, sizeof *g->out_edge);
    if (!g->in_ptr || !g->out_ptr || !g->in_edge || !g->out_edge)
        return cn_err_set(err, CN_ENOMEM, "no memory to index a graph of %lld edges",
                          (long long)g->e);
    group_by(g->dst, g->n, g->e, g->in_ptr, g->in_edge);
    group_by(g->src, g->n, g->e, g->out_ptr, g->out_edge);
    return CN_OK;
}

void cn_fly_graph_clear(struct cn_fly_graph *g)
{
    void *owned[] = {g->src, g->dst,       g->W,      g->tau,     g->V_rest,  g->type,    g->u,
                     g->v,   g->type_name, g->in_ptr, g->in_edge, g->out_ptr, g->out_edge};
    for (size_t k = 0; k < sizeof owned / sizeof owned[0]; k++)
        cn_free(owned[k]);
    memset(g, 0, sizeof *g);
}
