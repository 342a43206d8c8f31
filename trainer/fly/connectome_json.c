/* Readers of the two JSON texts (specs flyvis_gnn 1.1, 1.3): strict, every complaint with file
 * and place. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "trainer/fly/connectome_int.h"
#include "trainer/fly/hexgrid.h"

enum { OFFSET_LIMIT = 2 * CN_FLY_EXTENT_MAX, PLACE_TEXT = 160, KEYS_MAX = 12 };

/* Where in which file a complaint belongs. */
struct place {
    const char *file;
    char text[PLACE_TEXT];
};

struct known_key {
    const char *name;
    bool required;
};

static const struct known_key top_keys[] = {{"nodes", true},
                                            {"edges", true},
                                            {"input_units", true},
                                            {"receptors", false},
                                            {"output_units", false}};
static const struct known_key node_keys[] = {{"name", true},
                                             {"pattern", true},
                                             {"activation", false},
                                             {"bias", false},
                                             {"bias_fixed", false},
                                             {"time_constant", false},
                                             {"time_constant_fixed", false}};
static const struct known_key edge_keys[] = {{"src", true},
                                             {"tar", true},
                                             {"offsets", true},
                                             {"alpha", true},
                                             {"alpha_fixed", false},
                                             {"alpha_references", false},
                                             {"time_constant", false},
                                             {"time_constant_fixed", false},
                                             {"lambda_mult", false},
                                             {"edge_type", false}};
static const struct known_key params_keys[] = {{"nodes_bias", true},
                                               {"nodes_time_const", true},
                                               {"edges_sign", true},
                                               {"edges_syn_count", true},
                                               {"edges_syn_strength", true}};
#define N_KEYS(a) ((int)(sizeof(a) / sizeof((a)[0])))

/* Only known keys, then all that are required: a misspelt key is named as such, not as a
 * missing one. */
static cn_status check_keys(const struct place *at, const struct cn_json *object,
                            const struct known_key *keys, int n_keys, struct cn_err *err)
{
    const char *names[KEYS_MAX];
    if (cn_json_kind(object) != CN_JSON_OBJECT)
        return cn_err_set(err, CN_EINPUT, "%s: %s wants an object", at->file, at->text);
    for (int k = 0; k < n_keys; k++)
        names[k] = keys[k].name;
    for (const struct cn_json *m = cn_json_first(object); m; m = cn_json_next(m)) {
        const char *key = cn_json_name(m);
        int found = -1;
        for (int k = 0; k < n_keys && found < 0; k++)
            found = strcmp(key, names[k]) == 0 ? k : -1;
        if (found >= 0)
            continue;
        int near = cn_text_nearest(key, names, n_keys);
        return cn_err_set(err, CN_EINPUT, "%s: %s has an unknown key \"%.60s\"%s%s%s", at->file,
                          at->text, key, near < 0 ? "" : "; nearest known: \"",
                          near < 0 ? "" : names[near], near < 0 ? "" : "\"");
    }
    for (int k = 0; k < n_keys; k++) {
        if (keys[k].required && !cn_json_get(object, keys[k].name))
            return cn_err_set(err, CN_EINPUT, "%s: %s has no key \"%s\"", at->file, at->text,
                              keys[k].name);
    }
    return CN_OK;
}

static cn_status wants_array(const struct place *at, const char *key, const struct cn_json *v,
                             int64_t *out_n, struct cn_err *err)
{
    if (cn_json_kind(v) != CN_JSON_ARRAY)
        return cn_err_set(err, CN_EINPUT, "%s: %s.%s wants an array", at->file, at->text, key);
    *out_n = cn_json_count(v);
    return CN_OK;
}

static int32_t find_type(const struct cn_fly_connectome *c, const char *name)
{
    for (int32_t k = 0; k < c->n_types; k++) {
        if (strcmp(c->type[k].name, name) == 0)
            return k;
    }
    return -1;
}

/* An unknown type name, with the nearest known one. */
static cn_status unknown_type(const struct cn_fly_connectome *c, const struct place *at,
                              const char *key, const char *name, struct cn_err *err)
{
    const char **names = cn_alloc((size_t)c->n_types, sizeof *names);
    int near = -1;
    if (names) {
        for (int32_t k = 0; k < c->n_types; k++)
            names[k] = c->type[k].name;
        near = cn_text_nearest(name, names, c->n_types);
    }
    cn_free(names);
    return cn_err_set(err, CN_EINPUT, "%s: %s.%s names an unknown type \"%.60s\"%s%s", at->file,
                      at->text, key, name,
                      near < 0 ? "" : "; nearest known: ", near < 0 ? "" : c->type[near].name);
}

static cn_status read_type_name(const struct cn_fly_connectome *c, const struct place *at,
                                const struct cn_json *v, const char *key, int32_t *out,
                                struct cn_err *err)
{
    const char *name = cn_json_string(v);
    if (!name)
        return cn_err_set(err, CN_EINPUT, "%s: %s.%s wants the name of a type", at->file,
                          at->text, key);
    *out = find_type(c, name);
    return *out < 0 ? unknown_type(c, at, key, name, err) : CN_OK;
}

/* ["stride", [us, vs]] */
static cn_status read_stride(const struct place *at, const struct cn_json *pattern,
                             struct cn_fly_cell_type *out, struct cn_err *err)
{
    const struct cn_json *kind = cn_json_at(pattern, 0), *stride = cn_json_at(pattern, 1);
    const char *word = cn_json_string(kind);
    int64_t us = 0, vs = 0;
    if (cn_json_count(pattern) == 2 && word && strcmp(word, "stride") == 0 &&
        cn_json_count(stride) == 2 && cn_json_int64(cn_json_at(stride, 0), &us) &&
        cn_json_int64(cn_json_at(stride, 1), &vs) && us >= 1 && vs >= 1 &&
        us <= CN_FLY_EXTENT_MAX && vs <= CN_FLY_EXTENT_MAX) {
        out->stride_u = (int32_t)us;
        out->stride_v = (int32_t)vs;
        return CN_OK;
    }
    return cn_err_set(err, CN_EINPUT,
                      "%s: %s.pattern wants [\"stride\", [u, v]] with steps 1..%d", at->file,
                      at->text, CN_FLY_EXTENT_MAX);
}

static cn_status read_node(struct cn_fly_connectome *c, struct place *at,
                           const struct cn_json *node, struct cn_err *err)
{
    struct cn_fly_cell_type *t = &c->type[c->n_types];
    const char *name, *activation;
    cn_status st;

    cn_text_format(at->text, sizeof at->text, "nodes[%d]", c->n_types);
    st = check_keys(at, node, node_keys, N_KEYS(node_keys), err);
    if (st != CN_OK)
        return st;
    name = cn_json_string(cn_json_get(node, "name"));
    if (!name || !name[0] || strlen(name) >= sizeof t->name)
        return cn_err_set(err, CN_EINPUT, "%s: %s.name wants 1..%d bytes of text", at->file,
                          at->text, (int)sizeof t->name - 1);
    if (find_type(c, name) >= 0)
        return cn_err_set(err, CN_EINPUT, "%s: %s.name repeats type \"%s\"", at->file, at->text,
                          name);
    activation = cn_json_string(cn_json_get(node, "activation"));
    if (cn_json_get(node, "activation") && (!activation || strcmp(activation, "relu") != 0))
        return cn_err_set(err, CN_EINPUT, "%s: %s.activation wants \"relu\"", at->file,
                          at->text);
    cn_text_copy(t->name, sizeof t->name, name);
    st = read_stride(at, cn_json_get(node, "pattern"), t, err);
    if (st == CN_OK)
        c->n_types++;
    return st;
}

static cn_status read_nodes(struct cn_fly_connectome *c, struct place *at,
                            const struct cn_json *root, struct cn_err *err)
{
    const struct cn_json *nodes = cn_json_get(root, "nodes");
    int64_t n = 0;
    cn_status st = wants_array(at, "nodes", nodes, &n, err);
    if (st == CN_OK && (n < 1 || n > 4096))
        st = cn_err_set(err, CN_EINPUT, "%s: nodes holds %lld types: wants 1..4096", at->file,
                        (long long)n);
    if (st != CN_OK)
        return st;
    c->type = cn_alloc((size_t)n, sizeof *c->type);
    if (!c->type)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory for %lld types", at->file,
                          (long long)n);
    for (const struct cn_json *v = cn_json_first(nodes); v && st == CN_OK; v = cn_json_next(v))
        st = read_node(c, at, v, err);
    return st;
}

/* The input units must be the first types, on every column: the graph's stimulus indexing rests
 * on it. */
static cn_status read_input_units(struct cn_fly_connectome *c, struct place *at,
                                  const struct cn_json *root, struct cn_err *err)
{
    const struct cn_json *units = cn_json_get(root, "input_units");
    int64_t n = 0;
    cn_text_copy(at->text, sizeof at->text, "top level");
    cn_status st = wants_array(at, "input_units", units, &n, err);
    if (st == CN_OK && (n < 1 || n > c->n_types))
        st = cn_err_set(err, CN_EINPUT, "%s: input_units holds %lld names: wants 1..%d",
                        at->file, (long long)n, c->n_types);
    for (int32_t k = 0; k < n && st == CN_OK; k++) {
        int32_t type = -1;
        st = read_type_name(c, at, cn_json_at(units, k), "input_units", &type, err);
        if (st != CN_OK)
            break;
        if (type != k || c->type[k].stride_u != 1 || c->type[k].stride_v != 1)
            st = cn_err_set(err, CN_EINPUT,
                            "%s: input_units[%d] is \"%s\", node %d: wants the first nodes in "
                            "their order, each "
                            "with stride [1, 1]",
                            at->file, k, c->type[type].name, type);
    }
    c->n_input = (int32_t)n;
    return st;
}

static cn_status read_output_units(const struct cn_fly_connectome *c, struct place *at,
                                   const struct cn_json *root, struct cn_err *err)
{
    const struct cn_json *receptors = cn_json_get(root, "receptors");
    const struct cn_json *units = cn_json_get(root, "output_units");
    cn_status st = CN_OK;
    int64_t n = 0;
    int32_t type;
    if (receptors &&
        (cn_json_kind(receptors) != CN_JSON_ARRAY || cn_json_count(receptors) != 0))
        return cn_err_set(err, CN_EINPUT, "%s: receptors wants an empty array", at->file);
    if (units)
        st = wants_array(at, "output_units", units, &n, err);
    for (const struct cn_json *v = cn_json_first(units); v && st == CN_OK; v = cn_json_next(v))
        st = read_type_name(c, at, v, "output_units", &type, err);
    return st;
}

/* [[du, dv], n_syn] */
static cn_status read_offset(struct cn_fly_projection *p, const struct place *at,
                             const struct cn_json *v, struct cn_err *err)
{
    const struct cn_json *d = cn_json_at(v, 0);
    int64_t du = 0, dv = 0;
    double n_syn = 0;
    int32_t k = p->n_listed;
    if (cn_json_count(v) != 2 || cn_json_count(d) != 2 ||
        !cn_json_int64(cn_json_at(d, 0), &du) || !cn_json_int64(cn_json_at(d, 1), &dv) ||
        !cn_json_number(cn_json_at(v, 1), &n_syn))
        return cn_err_set(err, CN_EINPUT, "%s: %s.offsets[%d] wants [[du, dv], n_syn]",
                          at->file, at->text, k);
    if (llabs(du) > OFFSET_LIMIT || llabs(dv) > OFFSET_LIMIT || !(n_syn > 0) ||
        !isfinite(n_syn))
        return cn_err_set(
            err, CN_EINPUT,
            "%s: %s.offsets[%d] = [[%lld, %lld], %g]: wants steps within %d and n_syn > 0",
            at->file, at->text, k, (long long)du, (long long)dv, n_syn, OFFSET_LIMIT);
    for (int32_t j = 0; j < k; j++) {
        if (p->du[j] == du && p->dv[j] == dv)
            return cn_err_set(err, CN_EINPUT, "%s: %s.offsets[%d] repeats offset [%lld, %lld]",
                              at->file, at->text, k, (long long)du, (long long)dv);
    }
    p->du[k] = (int32_t)du;
    p->dv[k] = (int32_t)dv;
    p->n_syn[k] = n_syn;
    p->n_listed++;
    return CN_OK;
}

static cn_status read_offsets(struct cn_fly_projection *p, const struct place *at,
                              const struct cn_json *v, struct cn_err *err)
{
    int64_t n = 0;
    cn_status st = wants_array(at, "offsets", v, &n, err);
    if (st == CN_OK && (n < 1 || n > CN_FLY_HULL_MAX))
        st = cn_err_set(err, CN_EINPUT, "%s: %s.offsets holds %lld entries: wants 1..%d",
                        at->file, at->text, (long long)n, CN_FLY_HULL_MAX);
    if (st != CN_OK)
        return st;
    p->du = cn_alloc((size_t)n, sizeof *p->du);
    p->dv = cn_alloc((size_t)n, sizeof *p->dv);
    p->n_syn = cn_alloc((size_t)n, sizeof *p->n_syn);
    if (!p->du || !p->dv || !p->n_syn)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory for %lld offsets", at->file,
                          (long long)n);
    for (const struct cn_json *o = cn_json_first(v); o && st == CN_OK; o = cn_json_next(o))
        st = read_offset(p, at, o, err);
    p->n_offsets = p->n_listed;
    return st;
}

static cn_status read_edge(struct cn_fly_connectome *c, struct place *at,
                           const struct cn_json *edge, struct cn_err *err)
{
    struct cn_fly_projection *p = &c->projection[c->n_projections];
    const char *kind = cn_json_string(cn_json_get(edge, "edge_type"));
    int64_t alpha = 0;

    cn_text_format(at->text, sizeof at->text, "edges[%d]", c->n_projections++);
    cn_status st = check_keys(at, edge, edge_keys, N_KEYS(edge_keys), err);
    if (st == CN_OK)
        st = read_type_name(c, at, cn_json_get(edge, "src"), "src", &p->src, err);
    if (st == CN_OK)
        st = read_type_name(c, at, cn_json_get(edge, "tar"), "tar", &p->tar, err);
    if (st != CN_OK)
        return st;
    for (int32_t k = 0; k + 1 < c->n_projections; k++) {
        if (c->projection[k].src == p->src && c->projection[k].tar == p->tar)
            return cn_err_set(err, CN_EINPUT, "%s: %s repeats edges[%d] from %s to %s",
                              at->file, at->text, k, c->type[p->src].name,
                              c->type[p->tar].name);
    }
    if (!cn_json_int64(cn_json_get(edge, "alpha"), &alpha) || (alpha != 1 && alpha != -1))
        return cn_err_set(err, CN_EINPUT, "%s: %s.alpha wants 1 or -1", at->file, at->text);
    if (cn_json_get(edge, "edge_type") && (!kind || strcmp(kind, "chem") != 0))
        return cn_err_set(err, CN_EINPUT, "%s: %s.edge_type wants \"chem\"", at->file,
                          at->text);
    p->alpha = (int32_t)alpha;
    return read_offsets(p, at, cn_json_get(edge, "offsets"), err);
}

static cn_status read_edges(struct cn_fly_connectome *c, struct place *at,
                            const struct cn_json *root, struct cn_err *err)
{
    const struct cn_json *edges = cn_json_get(root, "edges");
    int64_t n = 0;
    cn_text_copy(at->text, sizeof at->text, "top level");
    cn_status st = wants_array(at, "edges", edges, &n, err);
    if (st == CN_OK && (n < 1 || n > 1000000))
        st = cn_err_set(err, CN_EINPUT, "%s: edges holds %lld projections: wants 1..1000000",
                        at->file, (long long)n);
    if (st != CN_OK)
        return st;
    c->projection = cn_alloc((size_t)n, sizeof *c->projection);
    if (!c->projection)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory for %lld projections", at->file,
                          (long long)n);
    for (const struct cn_json *v = cn_json_first(edges); v && st == CN_OK; v = cn_json_next(v))
        st = read_edge(c, at, v, err);
    return st;
}

cn_status cn_fly_connectome_from_json(const char *name, const char *text, size_t n,
                                      struct cn_fly_connectome *out, struct cn_err *err)
{
    struct place at = {name, "top level"};
    struct cn_json_doc *doc = NULL;

    cn_status st = cn_json_parse(name, text, n, &doc, err);
    if (st != CN_OK)
        return st;
    const struct cn_json *root = cn_json_root(doc);
    st = check_keys(&at, root, top_keys, N_KEYS(top_keys), err);
    if (st == CN_OK)
        st = read_nodes(out, &at, root, err);
    if (st == CN_OK)
        st = read_input_units(out, &at, root, err);
    if (st == CN_OK)
        st = read_output_units(out, &at, root, err);
    if (st == CN_OK)
        st = read_edges(out, &at, root, err);
    cn_json_free(doc);
    return st;
}

/* ---- parameters ---- */

typedef bool value_test(double x);

static bool is_finite(double x)
{
    return isfinite(x);
}

static bool is_positive(double x)
{
    return isfinite(x) && x > 0;
}

static bool is_sign(double x)
{
    return x == 1 || x == -1;
}

static bool is_not_negative(double x)
{
    return isfinite(x) && x >= 0;
}

static cn_status read_floats(const struct place *at, const struct cn_json *root,
                             const char *key, value_test *good, const char *wants, float **out,
                             int64_t *out_n, struct cn_err *err)
{
    const struct cn_json *array = cn_json_get(root, key);
    int64_t k = 0;
    cn_status st = wants_array(at, key, array, out_n, err);
    if (st == CN_OK && *out_n < 1)
        st = cn_err_set(err, CN_EINPUT, "%s: %s is empty", at->file, key);
    if (st != CN_OK)
        return st;
    *out = cn_alloc((size_t)*out_n, sizeof **out);
    if (!*out)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory for %s", at->file, key);
    for (const struct cn_json *v = cn_json_first(array); v; v = cn_json_next(v), k++) {
        double x = NAN;
        if (!cn_json_number(v, &x) || !good(x) || !isfinite((float)x))
            return cn_err_set(err, CN_EINPUT, "%s: %s[%lld] = %g: wants %s", at->file, key,
                              (long long)k, x, wants);
        (*out)[k] = (float)x;
    }
    return CN_OK;
}

cn_status cn_fly_params_parse(const char *name, const char *text, size_t n,
                              struct cn_fly_params *out, struct cn_err *err)
{
    struct place at = {name, "top level"};
    struct cn_json_doc *doc = NULL;
    int64_t n_tau = 0, n_strength = 0;

    memset(out, 0, sizeof *out);
    cn_status st = cn_json_parse(name, text, n, &doc, err);
    if (st != CN_OK)
        return st;
    const struct cn_json *root = cn_json_root(doc);
    st = check_keys(&at, root, params_keys, N_KEYS(params_keys), err);
    if (st == CN_OK)
        st = read_floats(&at, root, "nodes_bias", is_finite, "a finite number", &out->bias,
                         &out->n_types, err);
    if (st == CN_OK)
        st = read_floats(&at, root, "nodes_time_const", is_positive, "seconds > 0", &out->tau,
                         &n_tau, err);
    if (st == CN_OK)
        st = read_floats(&at, root, "edges_sign", is_sign, "1 or -1", &out->sign, &out->n_pairs,
                         err);
    if (st == CN_OK)
        st = read_floats(&at, root, "edges_syn_count", is_finite, "a finite logarithm",
                         &out->log_n_syn, &out->n_groups, err);
    if (st == CN_OK)
        st = read_floats(&at, root, "edges_syn_strength", is_not_negative, "a number >= 0",
                         &out->strength, &n_strength, err);
    if (st == CN_OK && n_tau != out->n_types)
        st = cn_err_set(
            err, CN_EINPUT,
            "%s: nodes_time_const holds %lld numbers, nodes_bias %lld: wants the same", name,
            (long long)n_tau, (long long)out->n_types);
    if (st == CN_OK && n_strength != out->n_pairs)
        st = cn_err_set(
            err, CN_EINPUT,
            "%s: edges_syn_strength holds %lld numbers, edges_sign %lld: wants the same", name,
            (long long)n_strength, (long long)out->n_pairs);
    cn_json_free(doc);
    if (st != CN_OK)
        cn_fly_params_clear(out);
    return st;
}

cn_status cn_fly_params_read(const char *path, struct cn_fly_params *out, struct cn_err *err)
{
    struct cn_buf text;
    cn_buf_init(&text, CN_CAP_TEXT);
    memset(out, 0, sizeof *out);
    cn_status st = cn_file_read(path, CN_CAP_TEXT, &text, err);
    if (st == CN_OK)
        st = cn_fly_params_parse(path, cn_buf_str(&text), text.len, out, err);
    cn_buf_clear(&text);
    return st;
}

void cn_fly_params_clear(struct cn_fly_params *p)
{
    cn_free(p->bias);
    cn_free(p->tau);
    cn_free(p->sign);
    cn_free(p->strength);
    cn_free(p->log_n_syn);
    memset(p, 0, sizeof *p);
}
