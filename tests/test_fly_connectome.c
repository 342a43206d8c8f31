/* The strict readers, the expansion of the golden toy connectome, and the imported-connectome
 * folder. */
#include <math.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "tests/support/cases.h"
#include "tests/support/scratch.h"
#include "trainer/fly/connectome.h"

static struct cn_json_doc *doc;
static struct cn_buf text; /* the toy connectome in the full schema */
static struct scratch scratch;

static const struct cn_json *toy(const char *path)
{
    const struct cn_json *v =
        cn_json_path(cn_json_get(cn_json_root(doc), "toy_connectome"), path);

    cr_assert_not_null(v, "no toy_connectome.%s", path);
    return v;
}

/* The golden toy has only the keys that count; the file has them under the same names. */
static void write_toy(void)
{
    struct cn_json_writer w;

    cn_json_begin(&w, &text, 1);
    cn_json_open(&w, NULL, '{');
    cn_json_open(&w, "nodes", '[');
    for (const struct cn_json *t = cn_json_first(toy("types")); t; t = cn_json_next(t)) {
        cn_json_open(&w, NULL, '{');
        cn_json_add_string(&w, "name", cn_json_string(cn_json_get(t, "name")));
        cn_json_open(&w, "pattern", '[');
        cn_json_add_string(&w, NULL, "stride");
        cn_json_add_value(&w, NULL, cn_json_get(t, "stride"));
        cn_json_close(&w);
        cn_json_close(&w);
    }
    cn_json_close(&w);
    cn_json_add_value(&w, "edges", toy("edges"));
    cn_json_open(&w, "input_units", '[');
    cn_json_add_string(&w, NULL, "R");
    cn_json_close(&w);
    cn_json_close(&w);
}

static void load(void)
{
    doc = cn_case_json("golden/fly_stimulus.json");
    cn_buf_init(&text, CN_CAP_TEXT);
    write_toy();
    scratch_init(&scratch);
}

static void drop(void)
{
    scratch_clear(&scratch);
    cn_buf_clear(&text);
    cn_json_free(doc);
}

TestSuite(fly_connectome, .init = load, .fini = drop);

static void parse_toy(struct cn_fly_connectome *c)
{
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_connectome_parse("toy", cn_buf_str(&text), text.len, c, &err), CN_OK,
                 "%s", err.text);
}

/* The toy text with the first `from` replaced by `to`. */
static char *edited(const char *from, const char *to)
{
    struct cn_buf b;
    const char *at = strstr(cn_buf_str(&text), from);

    cr_assert_not_null(at, "the toy has no %s", from);
    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_add(&b, text.data, (size_t)(at - text.data));
    cn_buf_adds(&b, to);
    cn_buf_adds(&b, at + strlen(from));
    return cn_buf_take(&b);
}

static void expect_error(const char *from, const char *to, const char *words)
{
    struct cn_fly_connectome c;
    struct cn_err err = CN_ERR_INIT;
    char *t = edited(from, to);
    int64_t live = cn_alloc_live();

    cr_assert_eq(cn_fly_connectome_parse("toy.json", t, strlen(t), &c, &err), CN_EINPUT,
                 "accepted %s", to);
    cr_assert(strstr(err.text, "toy.json"), "no file in: %s", err.text);
    cr_assert(strstr(err.text, words), "no \"%s\" in: %s", words, err.text);
    cr_assert_eq(cn_alloc_live(), live, "%s leaks", to);
    cn_free(t);
}

/* ---- expansion ---- */

Test(fly_connectome, toy_offsets_are_filled_as_golden)
{
    struct cn_fly_connectome c;
    int32_t k = 0;

    parse_toy(&c);
    for (const struct cn_json *o = cn_json_first(toy("offsets_after_fill")); o;
         o = cn_json_next(o), k++) {
        const struct cn_fly_projection *p = &c.projection[k];
        cr_assert_eq(p->n_offsets, cn_json_count(o), "projection %d", k);
        for (int32_t j = 0; j < p->n_offsets; j++) {
            double d[2];
            cr_assert(cn_json_doubles(cn_json_at(o, j), d, 2));
            cr_assert(p->du[j] == d[0] && p->dv[j] == d[1], "projection %d offset %d", k, j);
            cr_assert_eq(p->n_syn[j] == 1, j >= p->n_listed || p->n_syn[j] == 1);
        }
    }
    cr_assert_eq(k, c.n_projections);
    cn_fly_connectome_clear(&c);
}

Test(fly_connectome, toy_graph_is_golden)
{
    struct cn_fly_connectome c;
    struct cn_fly_graph g;
    struct cn_err err = CN_ERR_INIT;
    int64_t n, first = 0;

    parse_toy(&c);
    cr_assert_eq(cn_fly_connectome_expand(&c, NULL, 2, &g, &err), CN_OK, "%s", err.text);
    cr_assert(cn_json_int64(toy("n_nodes"), &n) && g.n == n);
    cr_assert(cn_json_int64(toy("n_edges"), &n) && g.e == n);
    cr_assert(g.n_input == 19 && g.n_columns == 19 && g.n_types == 4 && g.extent == 2);
    double *src = cn_case_array(toy("src"), &n), *dst = cn_case_array(toy("dst"), &n);
    for (int64_t k = 0; k < n; k++)
        cr_assert(g.src[k] == src[k] && g.dst[k] == dst[k], "edge %lld: %d to %d", (long long)k,
                  g.src[k], g.dst[k]);
    for (int64_t i = 0; i < g.n; i++) {
        if (i > 0 && g.type[i] == g.type[i - 1])
            continue;
        cr_assert(cn_json_int64(cn_json_get(toy("first_id"), g.type_name[g.type[i]]), &first) &&
                  first == i);
    }
    cr_assert_float_eq(g.W[0], -40, 1e-6, "without parameters W is the signed synapse count");
    cn_free(src);
    cn_free(dst);
    cn_fly_graph_clear(&g);
    cn_fly_connectome_clear(&c);
}

Test(fly_connectome, offsets_that_no_lattice_can_hold_get_no_group)
{
    struct cn_fly_connectome c;
    struct cn_err err = CN_ERR_INIT;
    /* W to W with stride [3,2]: [3,2] lands, [1,0] never does. */
    char *t =
        edited("\"edges\": [", "\"edges\": [{\"src\": \"W\", \"tar\": \"W\", \"offsets\": "
                               "[[[1, 0], 2], [[3, 2], 2]], \"alpha\": 1}, {\"src\": \"W\", "
                               "\"tar\": \"T\", \"offsets\": [[[1, 0], 2]], \"alpha\": 1}, ");

    cr_assert_eq(cn_fly_connectome_parse("toy", t, strlen(t), &c, &err), CN_OK, "%s", err.text);
    cr_assert_eq(c.projection[0].group[0], -1);
    cr_assert_eq(c.projection[0].group[1], 0);
    cr_assert_eq(c.projection[1].group[0], 1);
    cr_assert_eq(c.n_pairs, c.n_projections);
    cn_fly_connectome_clear(&c);
    cn_free(t);
}

/* ---- strictness ---- */

Test(fly_connectome, bad_connectomes_are_refused_with_file_and_place)
{
    expect_error("\"alpha\"", "\"alhpa\"", "nearest known: \"alpha\"");
    expect_error("\"alpha\": -1", "\"alpha\": 0", "edges[0].alpha wants 1 or -1");
    expect_error("\"alpha\": -1", "\"alpha\": -1, \"alpha\": 1", "toy.json:");
    expect_error("\"src\": \"R\"", "\"src\": \"r\"", "unknown type \"r\"");
    expect_error("\"name\": \"L\"", "\"name\": \"R\"", "nodes[1].name repeats");
    expect_error("\"name\": \"L\"", "\"nme\": \"L\"", "nodes[1] has an unknown key \"nme\"");
    expect_error("\"input_units\"", "\"input_unit\"", "nearest known: \"input_units\"");
    expect_error("\"input_units\": [", "\"input_units\": [\"L\", ",
                 "first nodes in their order");
    expect_error("\"name\": \"L\",", "", "nodes[1] has no key \"name\"");
    expect_error("\"stride\"", "\"strid\"", "nodes[0].pattern wants");
    expect_error("\"edges\": [",
                 "\"edges\": [{\"src\": \"R\", \"tar\": \"L\", \"offsets\": [[[0, 0], 1]], "
                 "\"alpha\": 1}, ",
                 "repeats edges[0] from R to L");
    expect_error("\"edges\": [",
                 "\"edges\": [{\"src\": \"T\", \"tar\": \"L\", \"offsets\": [[[0, 0], 0]], "
                 "\"alpha\": 1}, ",
                 "n_syn > 0");
    expect_error("\"edges\": [",
                 "\"edges\": [{\"src\": \"T\", \"tar\": \"L\", \"offsets\": [[[0.5, 0], 1]], "
                 "\"alpha\": 1}, ",
                 "offsets[0] wants");
    expect_error("\"edges\": [",
                 "\"edges\": [{\"src\": \"T\", \"tar\": \"L\", \"offsets\": [[[9999, 0], 1]], "
                 "\"alpha\": 1}, ",
                 "9999");
    expect_error("\"edges\": [",
                 "\"edges\": [{\"src\": \"T\", \"tar\": \"L\", \"offsets\": [[[1, 0], 1], [[1, "
                 "0], 1]], \"alpha\": 1}, ",
                 "repeats offset [1, 0]");
    expect_error("\"edges\": [", "\"receptors\": [1], \"edges\": [",
                 "receptors wants an empty array");
    expect_error("\"edges\": [", "\"output_units\": [\"TT\"], \"edges\": [",
                 "unknown type \"TT\"");
}

Test(fly_connectome, no_prefix_of_a_good_file_is_accepted_or_leaks)
{
    struct cn_fly_connectome c;
    struct cn_err err = CN_ERR_INIT;
    size_t whole = text.len;

    while (whole > 0 && text.data[whole - 1] != '}')
        whole--;
    for (size_t n = 0; n < whole; n++) {
        int64_t live = cn_alloc_live();
        cr_assert_neq(cn_fly_connectome_parse("toy", text.data, n, &c, &err), CN_OK,
                      "%zu of %zu bytes", n, whole);
        cr_assert_eq(cn_alloc_live(), live);
    }
}

Test(fly_connectome, every_failed_allocation_comes_back_as_no_memory)
{
    struct cn_fly_connectome c = {0};
    struct cn_fly_graph g = {0};
    struct cn_err err = CN_ERR_INIT;
    cn_status st = CN_ENOMEM;

    for (int64_t nth = 1; st != CN_OK; nth++) {
        int64_t live = cn_alloc_live();
        cn_alloc_fail_nth(nth);
        st = cn_fly_connectome_parse("toy", cn_buf_str(&text), text.len, &c, &err);
        if (st == CN_OK)
            st = cn_fly_connectome_expand(&c, NULL, 2, &g, &err);
        cn_alloc_fail_nth(0);
        cr_assert(st == CN_OK || st == CN_ENOMEM, "%s", err.text);
        cn_fly_graph_clear(&g);
        cn_fly_connectome_clear(&c);
        cr_assert_eq(cn_alloc_live(), live, "allocation %lld", (long long)nth);
        cr_assert_lt(nth, 10000);
    }
}

/* ---- parameters ---- */

/* Parameters that fit the toy: 4 types, 5 pairs, 18 groups. */
static char *toy_params(const struct cn_fly_connectome *c, int32_t extra_groups)
{
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_adds(&b, "{\"nodes_bias\": [0.1, 0.2, 0.3, 0.4], \"nodes_time_const\": [0.02, 0.03, "
                    "0.04, 0.05], ");
    cn_buf_adds(&b, "\"edges_sign\": [-1, 1, 1, -1, 1], \"edges_syn_strength\": [0.5, 0.25, 2, "
                    "1, 0], \"edges_syn_count\": [");
    for (int32_t k = 0; k < c->n_groups + extra_groups; k++)
        cn_buf_printf(&b, "%s%.2f", k ? ", " : "", .01 * k);
    cn_buf_adds(&b, "]}\n");
    return cn_buf_take(&b);
}

Test(fly_connectome, weights_are_sign_times_count_times_strength)
{
    struct cn_fly_connectome c;
    struct cn_fly_params p;
    struct cn_fly_graph g;
    struct cn_err err = CN_ERR_INIT;

    parse_toy(&c);
    char *t = toy_params(&c, 0);
    cr_assert_eq(cn_fly_params_parse("params", t, strlen(t), &p, &err), CN_OK, "%s", err.text);
    cr_assert_eq(cn_fly_connectome_expand(&c, &p, 2, &g, &err), CN_OK, "%s", err.text);
    cr_assert_float_eq(g.W[0], -.5, 1e-7);
    cr_assert_float_eq(g.W[19], .25 * exp(.01), 1e-7, "first edge of the second pair: group 1");
    cr_assert_float_eq(g.W[g.e - 1], 0, 0, "strength 0");
    cr_assert_float_eq(g.tau[59], .05, 1e-7);
    cr_assert_float_eq(g.V_rest[19], .2, 1e-7);
    cn_free(t);
    cn_fly_graph_clear(&g);
    cn_fly_params_clear(&p);
    cn_fly_connectome_clear(&c);
}

Test(fly_connectome, the_same_parameters_serve_every_extent)
{
    struct cn_fly_connectome c;
    struct cn_fly_params p;
    struct cn_err err = CN_ERR_INIT;

    parse_toy(&c);
    char *t = toy_params(&c, 0);
    cr_assert_eq(cn_fly_params_parse("params", t, strlen(t), &p, &err), CN_OK, "%s", err.text);
    for (int32_t extent = 1; extent <= 6; extent++) {
        struct cn_fly_graph g;
        cr_assert_eq(cn_fly_connectome_expand(&c, &p, extent, &g, &err), CN_OK, "%s", err.text);
        cr_assert_float_eq(g.W[0], -.5, 1e-7);
        cn_fly_graph_clear(&g);
    }
    cn_free(t);
    cn_fly_params_clear(&p);
    cn_fly_connectome_clear(&c);
}

Test(fly_connectome, parameters_that_do_not_fit_are_refused_with_both_counts)
{
    struct cn_fly_connectome c;
    struct cn_fly_params p;
    struct cn_fly_graph g;
    struct cn_err err = CN_ERR_INIT;

    parse_toy(&c);
    char *t = toy_params(&c, 1);
    cr_assert_eq(cn_fly_params_parse("params", t, strlen(t), &p, &err), CN_OK);
    cr_assert_eq(cn_fly_connectome_expand(&c, &p, 2, &g, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "edges_syn_count") && strstr(err.text, "groups"), "%s",
              err.text);
    cn_free(t);
    cn_fly_params_clear(&p);
    cn_fly_connectome_clear(&c);
}

Test(fly_connectome, bad_parameters_name_the_array_and_the_place)
{
    static const struct {
        const char *text, *words;
    } rows[] = {
        {"{}", "no key \"nodes_bias\""},
        {"[]", "wants an object"},
        {"{\"nodes_bias\": [1], \"nodes_time_const\": [0], \"edges_sign\": [1], "
         "\"edges_syn_count\": [1], \"edges_syn_strength\": [1]}",
         "nodes_time_const[0] = 0: wants seconds > 0"},
        {"{\"nodes_bias\": [1, 2], \"nodes_time_const\": [1], \"edges_sign\": [1], "
         "\"edges_syn_count\": [1], \"edges_syn_strength\": [1]}",
         "nodes_time_const holds 1"},
        {"{\"nodes_bias\": [1], \"nodes_time_const\": [1], \"edges_sign\": [0.5], "
         "\"edges_syn_count\": [1], \"edges_syn_strength\": [1]}",
         "edges_sign[0]"},
        {"{\"nodes_bias\": [1], \"nodes_time_const\": [1], \"edges_sign\": [1], "
         "\"edges_syn_count\": [], \"edges_syn_strength\": [1]}",
         "edges_syn_count is empty"},
        {"{\"nodes_bias\": [1e39], \"nodes_time_const\": [1], \"edges_sign\": [1], "
         "\"edges_syn_count\": [1], \"edges_syn_strength\": [1]}",
         "nodes_bias[0]"},
        {"{\"nodes_bias\": [1], \"nodes_time_const\": [1], \"edges_sign\": [1], "
         "\"edges_syn_count\": [1], \"edges_syn_strength\": [1, 2]}",
         "edges_syn_strength holds 2"},
    };
    struct cn_fly_params p;
    struct cn_err err = CN_ERR_INIT;

    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        int64_t live = cn_alloc_live();
        cr_assert_eq(
            cn_fly_params_parse("p.json", rows[k].text, strlen(rows[k].text), &p, &err),
            CN_EINPUT);
        cr_assert(strstr(err.text, rows[k].words) && strstr(err.text, "p.json"), "%s",
                  err.text);
        cr_assert_eq(cn_alloc_live(), live);
    }
}

/* ---- the folder ---- */

static char *import_toy(const char *dir)
{
    struct cn_fly_connectome c;
    struct cn_err err = CN_ERR_INIT;

    parse_toy(&c);
    char *params = toy_params(&c, 0);
    scratch_file(&scratch, "c.json", cn_buf_str(&text));
    scratch_file(&scratch, "p.json", params);
    cr_assert_eq(cn_fly_connectome_import(scratch_path(&scratch, "c.json"),
                                          scratch_path(&scratch, "p.json"), dir, &err),
                 CN_OK, "%s", err.text);
    cn_fly_connectome_clear(&c);
    return params;
}

Test(fly_connectome, an_imported_folder_opens_as_the_same_graph)
{
    struct cn_fly_graph g;
    struct cn_err err = CN_ERR_INIT;
    const char *dir = scratch_path(&scratch, "net");
    char a[CN_HASH_TEXT], b[CN_HASH_TEXT];

    cn_free(import_toy(dir));
    cr_assert_eq(cn_fly_connectome_open(dir, 2, &g, &err), CN_OK, "%s", err.text);
    cr_assert(g.n == 60 && g.e == 168);
    cn_fly_graph_clear(&g);
    cr_assert_eq(cn_fly_connectome_identity(dir, a, &err), CN_OK);
    cn_free(import_toy(scratch_path(&scratch, "again")));
    cr_assert_eq(cn_fly_connectome_identity(scratch_path(&scratch, "again"), b, &err), CN_OK);
    cr_assert_str_eq(a, b, "identity is content, not place");
}

Test(fly_connectome, files_that_do_not_fit_leave_no_folder)
{
    struct cn_err err = CN_ERR_INIT;
    const char *dir = scratch_path(&scratch, "net");

    scratch_file(&scratch, "c.json", cn_buf_str(&text));
    scratch_file(&scratch, "p.json",
                 "{\"nodes_bias\": [1], \"nodes_time_const\": [1], \"edges_sign\": [1], "
                 "\"edges_syn_count\": [1], \"edges_syn_strength\": [1]}");
    cr_assert_eq(cn_fly_connectome_import(scratch_path(&scratch, "c.json"),
                                          scratch_path(&scratch, "p.json"), dir, &err),
                 CN_EINPUT);
    cr_assert(strstr(err.text, "c.json") && strstr(err.text, "p.json") &&
                  strstr(err.text, "types"),
              "%s", err.text);
    cr_assert_not(cn_file_exists(dir));
    cr_assert_eq(cn_fly_connectome_import(scratch_path(&scratch, "none.json"),
                                          scratch_path(&scratch, "p.json"), dir, &err),
                 CN_ENOTFOUND);
}

Test(fly_connectome, a_damaged_or_missing_folder_is_said_so)
{
    struct cn_fly_graph g;
    struct cn_err err = CN_ERR_INIT;
    const char *dir = scratch_path(&scratch, "net");

    cr_assert_eq(cn_fly_connectome_open(dir, 2, &g, &err), CN_ENOTFOUND);
    cr_assert(strstr(err.text, "cairn import flyvis"), "%s", err.text);
    cn_free(import_toy(dir));
    scratch_file(&scratch, "net/params.json", "{}");
    cr_assert_eq(cn_fly_connectome_open(dir, 2, &g, &err), CN_ECORRUPT);
    cr_assert(strstr(err.text, dir), "%s", err.text);
    cr_assert_eq(unlink(scratch_path(&scratch, "net/params.json")), 0);
    cr_assert_eq(cn_fly_connectome_open(dir, 2, &g, &err), CN_ECORRUPT);
    cr_assert_eq(err.status, CN_ECORRUPT);
}

/* Killed after its kth durable operation, an import leaves a folder that is either whole or
 * refused. */
Test(fly_connectome, an_import_killed_anywhere_is_never_half_believed)
{
    const char *dir = scratch_path(&scratch, "net");
    bool finished = false;

    for (int k = 1; k < 20 && !finished; k++) {
        struct cn_fly_graph g;
        int status = 0;
        pid_t pid = fork();
        cr_assert_geq(pid, 0);
        if (pid == 0) {
            cn_file_crash_after(k);
            cn_free(import_toy(dir));
            _exit(0);
        }
        cr_assert_eq(waitpid(pid, &status, 0), pid);
        finished = WIFEXITED(status) && WEXITSTATUS(status) == 0;
        cn_status st = cn_fly_connectome_open(dir, 2, &g, NULL);
        if (finished)
            cr_assert_eq(st, CN_OK);
        else if (st == CN_OK)
            cr_assert_eq(g.e, 168);
        else
            cr_assert(st == CN_ECORRUPT || st == CN_ENOTFOUND, "%s", cn_status_name(st));
        cn_fly_graph_clear(&g);
        cr_assert_eq(cn_file_remove_tree(dir, NULL), CN_OK);
    }
    cr_assert(finished);
}
