/* The edge index against the golden 40-neuron graph. */
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "tests/support/cases.h"
#include "trainer/fly/graph.h"

static struct cn_json_doc *doc;

static void load(void)
{
    doc = cn_case_json("golden/fly_graph.json");
}

static void drop(void)
{
    cn_json_free(doc);
}

static int32_t *ints(const char *path, int64_t *out_n)
{
    double *x = cn_case_array(cn_json_path(cn_json_root(doc), path), out_n);
    int32_t *k = cn_alloc((size_t)*out_n, sizeof *k);

    for (int64_t i = 0; i < *out_n; i++)
        k[i] = (int32_t)x[i];
    cn_free(x);
    return k;
}

static void fill(struct cn_fly_graph *g)
{
    memset(g, 0, sizeof *g);
    g->n = 40;
    g->src = ints("graph.src", &g->e);
    g->dst = ints("graph.dst", &g->e);
}

static void expect_ints(const char *path, const int32_t *got)
{
    int64_t n;
    int32_t *want = ints(path, &n);

    for (int64_t k = 0; k < n; k++)
        cr_assert_eq(got[k], want[k], "%s[%lld] = %d, wants %d", path, (long long)k, got[k],
                     want[k]);
    cn_free(want);
}

static void expect_ptr(const char *path, const int64_t *got)
{
    int64_t n;
    int32_t *want = ints(path, &n);

    cr_assert_eq(n, 41);
    for (int64_t k = 0; k < n; k++)
        cr_assert_eq(got[k], want[k], "%s[%lld]", path, (long long)k);
    cn_free(want);
}

Test(fly_graph, both_indexes_match_the_golden_graph, .init = load, .fini = drop)
{
    struct cn_fly_graph g;
    struct cn_err err = CN_ERR_INIT;

    fill(&g);
    cr_assert_eq(cn_fly_graph_index(&g, &err), CN_OK, "%s", err.text);
    expect_ptr("graph.in_ptr", g.in_ptr);
    expect_ptr("graph.out_ptr", g.out_ptr);
    expect_ints("graph.in_edge", g.in_edge);
    expect_ints("graph.out_edge", g.out_edge);
    cr_assert_eq(g.in_ptr[18] - g.in_ptr[17], 0, "neuron 17 has no in-edge");
    cr_assert_eq(g.out_ptr[24] - g.out_ptr[23], 0, "neuron 23 has no out-edge");
    cn_fly_graph_clear(&g);
}

Test(fly_graph, indexing_twice_gives_the_same_and_leaks_nothing, .init = load, .fini = drop)
{
    struct cn_fly_graph g;
    struct cn_err err = CN_ERR_INIT;

    fill(&g);
    int64_t live = cn_alloc_live();
    cr_assert_eq(cn_fly_graph_index(&g, &err), CN_OK);
    cr_assert_eq(cn_fly_graph_index(&g, &err), CN_OK);
    cr_assert_eq(cn_alloc_live(), live + 4);
    expect_ints("graph.in_edge", g.in_edge);
    cn_fly_graph_clear(&g);
    cr_assert_eq(cn_alloc_live(), live - 2);
}

Test(fly_graph, an_edge_to_nowhere_is_named, .init = load, .fini = drop)
{
    struct cn_fly_graph g;
    struct cn_err err = CN_ERR_INIT;

    fill(&g);
    g.dst[7] = 40;
    cr_assert_eq(cn_fly_graph_index(&g, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "edge 7") && strstr(err.text, "40"), "%s", err.text);
    cn_fly_graph_clear(&g);
}
