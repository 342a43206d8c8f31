/* From the connectome to the graph (specs flyvis_gnn 1.2, 1.3), and the imported-connectome
 * folder.
 *
 * 1 hull fill and numbering   2 reading   3 expansion   4 the folder
 */
#include "trainer/fly/connectome.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "trainer/fly/connectome_int.h"
#include "trainer/fly/hexgrid.h"

/* ---- 1 hull fill and numbering ---- */

static cn_status fill_hull(struct cn_fly_projection *p, struct cn_err *err)
{
    int32_t du[CN_FLY_HULL_MAX], dv[CN_FLY_HULL_MAX], extra = 0;
    cn_status st = cn_fly_hexgrid_hull_fill(p->du, p->dv, p->n_listed, CN_FLY_HULL_MAX, du, dv,
                                            &extra, err);
    if (st != CN_OK)
        return st;
    p->n_offsets = p->n_listed + extra;
    size_t n = (size_t)p->n_offsets;
    int32_t *new_du = cn_realloc(p->du, n, sizeof *p->du);
    p->du = new_du ? new_du : p->du;
    int32_t *new_dv = cn_realloc(p->dv, n, sizeof *p->dv);
    p->dv = new_dv ? new_dv : p->dv;
    double *new_syn = cn_realloc(p->n_syn, n, sizeof *p->n_syn);
    p->n_syn = new_syn ? new_syn : p->n_syn;
    p->group = cn_alloc(n, sizeof *p->group);
    if (!new_du || !new_dv || !new_syn || !p->group)
        return cn_err_set(err, CN_ENOMEM, "no memory for %d offsets", p->n_offsets);
    for (int32_t k = 0; k < extra; k++) {
        p->du[p->n_listed + k] = du[k];
        p->dv[p->n_listed + k] = dv[k];
        p->n_syn[p->n_listed + k] = 1;
    }
    return CN_OK;
}

static int32_t gcd(int32_t a, int32_t b)
{
    while (b) {
        int32_t r = a % b;
        a = b;
        b = r;
    }
    return a;
}

/* Whether some lattice holds a source whose target at this offset exists: positions that are
 * multiples of a and, shifted by d, multiples of b exist exactly when gcd(a,b) divides d. */
static bool can_land(const struct cn_fly_cell_type *s, const struct cn_fly_cell_type *t,
                     int32_t du, int32_t dv)
{
    return du % gcd(s->stride_u, t->stride_u) == 0 && dv % gcd(s->stride_v, t->stride_v) == 0;
}

static void number_groups(struct cn_fly_connectome *c, struct cn_fly_projection *p)
{
    p->pair = -1;
    for (int32_t k = 0; k < p->n_offsets; k++) {
        p->group[k] = -1;
        if (!can_land(&c->type[p->src], &c->type[p->tar], p->du[k], p->dv[k]))
            continue;
        p->group[k] = c->n_groups++;
        if (p->pair < 0)
            p->pair = c->n_pairs++;
    }
}

/* ---- 2 reading ---- */

cn_status cn_fly_connectome_parse(const char *name, const char *text, size_t n,
                                  struct cn_fly_connectome *out, struct cn_err *err)
{
    memset(out, 0, sizeof *out);
    cn_status st = cn_fly_connectome_from_json(name, text, n, out, err);
    for (int32_t k = 0; k < out->n_projections && st == CN_OK; k++) {
        st = fill_hull(&out->projection[k], err);
        if (st != CN_OK)
            cn_err_prefix(err, "%s: edges[%d]", name, k);
        else
            number_groups(out, &out->projection[k]);
    }
    if (st != CN_OK)
        cn_fly_connectome_clear(out);
    return st;
}

cn_status cn_fly_connectome_read(const char *path, struct cn_fly_connectome *out,
                                 struct cn_err *err)
{
    struct cn_buf text;
    cn_buf_init(&text, CN_CAP_TEXT);
    memset(out, 0, sizeof *out);
    cn_status st = cn_file_read(path, CN_CAP_TEXT, &text, err);
    if (st == CN_OK)
        st = cn_fly_connectome_parse(path, cn_buf_str(&text), text.len, out, err);
    cn_buf_clear(&text);
    return st;
}

void cn_fly_connectome_clear(struct cn_fly_connectome *c)
{
    for (int32_t k = 0; k < c->n_projections; k++) {
        cn_free(c->projection[k].du);
        cn_free(c->projection[k].dv);
        cn_free(c->projection[k].n_syn);
        cn_free(c->projection[k].group);
    }
    cn_free(c->projection);
    cn_free(c->type);
    memset(c, 0, sizeof *c);
}

cn_status cn_fly_params_check(const struct cn_fly_params *p, const struct cn_fly_connectome *c,
                              struct cn_err *err)
{
    const struct {
        const char *key, *what;
        int64_t got, wants;
    } rows[] = {{"nodes_bias", "types", p->n_types, c->n_types},
                {"edges_sign", "type pairs", p->n_pairs, c->n_pairs},
                {"edges_syn_count", "groups", p->n_groups, c->n_groups}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        if (rows[k].got != rows[k].wants)
            return cn_err_set(err, CN_EINPUT,
                              "parameters do not fit the connectome: %s holds %lld numbers, "
                              "the connectome has %lld %s",
                              rows[k].key, (long long)rows[k].got, (long long)rows[k].wants,
                              rows[k].what);
    }
    return CN_OK;
}

/* ---- 3 expansion ---- */

struct lattice {
    int32_t extent;
    int64_t n_columns;
    int32_t *u, *v; /* (n_columns) hexal order, owned */
    int32_t *id;    /* (n_types, n_columns) neuron or -1, owned */
    int64_t n;      /* neurons */
};

static void lattice_clear(struct lattice *l)
{
    cn_free(l->u);
    cn_free(l->v);
    cn_free(l->id);
}

static cn_status lattice_init(struct lattice *l, const struct cn_fly_connectome *c,
                              int32_t extent, struct cn_err *err)
{
    l->extent = extent;
    l->n_columns = cn_fly_hexgrid_count(extent);
    size_t m = (size_t)l->n_columns;
    l->u = cn_alloc(m, sizeof *l->u);
    l->v = cn_alloc(m, sizeof *l->v);
    l->id = cn_alloc(m * (size_t)c->n_types, sizeof *l->id);
    if (!l->u || !l->v || !l->id)
        return cn_err_set(err, CN_ENOMEM, "no memory for a lattice of extent %d", extent);
    cn_fly_hexgrid_columns(extent, l->u, l->v);
    for (int32_t t = 0; t < c->n_types; t++) {
        for (int64_t k = 0; k < l->n_columns; k++) {
            bool kept =
                l->u[k] % c->type[t].stride_u == 0 && l->v[k] % c->type[t].stride_v == 0;
            l->id[t * l->n_columns + k] = kept ? (int32_t)l->n++ : -1;
        }
    }
    return CN_OK;
}

/* Visit the edges of one projection and offset in order; counts them, and stores them when g
 * has arrays. */
static int64_t land_offset(const struct lattice *l, const struct cn_fly_projection *p,
                           int32_t k, float w, int64_t at, struct cn_fly_graph *g)
{
    const int32_t *src = l->id + p->src * l->n_columns, *tar = l->id + p->tar * l->n_columns;
    for (int64_t s = 0; s < l->n_columns; s++) {
        if (src[s] < 0)
            continue;
        int64_t t = cn_fly_hexgrid_index(l->extent, l->u[s] + p->du[k], l->v[s] + p->dv[k]);
        if (t < 0 || tar[t] < 0)
            continue;
        if (g->src) {
            g->src[at] = src[s];
            g->dst[at] = tar[t];
            g->W[at] = w;
        }
        at++;
    }
    return at;
}

/* exp in double and rounded once, so that the weight does not depend on the C library; then a
 * float32 product. */
static float weight(const struct cn_fly_projection *p, int32_t k,
                    const struct cn_fly_params *params)
{
    if (!params)
        return (float)(p->alpha * p->n_syn[k]);
    if (p->group[k] < 0)
        return 0;
    float count = (float)exp((double)params->log_n_syn[p->group[k]]);
    return params->sign[p->pair] * count * params->strength[p->pair];
}

static int64_t land_all(const struct lattice *l, const struct cn_fly_connectome *c,
                        const struct cn_fly_params *params, struct cn_fly_graph *g)
{
    int64_t e = 0;
    for (int32_t k = 0; k < c->n_projections; k++) {
        for (int32_t o = 0; o < c->projection[k].n_offsets; o++)
            e = land_offset(l, &c->projection[k], o, weight(&c->projection[k], o, params), e,
                            g);
    }
    return e;
}

static cn_status allocate(struct cn_fly_graph *g, struct cn_err *err)
{
    size_t n = (size_t)g->n, e = (size_t)g->e;
    g->src = cn_alloc(e, sizeof *g->src);
    g->dst = cn_alloc(e, sizeof *g->dst);
    g->W = cn_alloc(e, sizeof *g->W);
    g->tau = cn_alloc(n, sizeof *g->tau);
    g->V_rest = cn_alloc(n, sizeof *g->V_rest);
    g->type = cn_alloc(n, sizeof *g->type);
    g->u = cn_alloc(n, sizeof *g->u);
    g->v = cn_alloc(n, sizeof *g->v);
    g->type_name = cn_alloc((size_t)g->n_types, sizeof *g->type_name);
    if (!g->src || !g->dst || !g->W || !g->tau || !g->V_rest || !g->type || !g->u || !g->v ||
        !g->type_name)
        return cn_err_set(err, CN_ENOMEM,
                          "no memory for a graph of %lld neurons and %lld edges",
                          (long long)g->n, (long long)g->e);
    return CN_OK;
}

static void fill_neurons(struct cn_fly_graph *g, const struct lattice *l,
                         const struct cn_fly_connectome *c, const struct cn_fly_params *p)
{
    for (int32_t t = 0; t < c->n_types; t++) {
        memcpy(g->type_name[t], c->type[t].name, sizeof g->type_name[t]);
        for (int64_t k = 0; k < l->n_columns; k++) {
            int32_t i = l->id[t * l->n_columns + k];
            if (i < 0)
                continue;
            g->type[i] = t;
            g->u[i] = l->u[k];
            g->v[i] = l->v[k];
            g->tau[i] = p ? p->tau[t] : 0;
            g->V_rest[i] = p ? p->bias[t] : 0;
        }
    }
}

cn_status cn_fly_connectome_expand(const struct cn_fly_connectome *c,
                                   const struct cn_fly_params *p, int32_t extent,
                                   struct cn_fly_graph *out, struct cn_err *err)
{
    struct lattice l = {0};
    cn_status st = CN_OK;

    memset(out, 0, sizeof *out);
    if (extent < 1 || extent > CN_FLY_EXTENT_MAX)
        return cn_err_set(err, CN_EINPUT, "extent %d: wants 1..%d", extent, CN_FLY_EXTENT_MAX);
    if (p)
        st = cn_fly_params_check(p, c, err);
    if (st == CN_OK)
        st = lattice_init(&l, c, extent, err);
    if (st != CN_OK)
        goto out;
    out->n = l.n;
    out->n_columns = l.n_columns;
    out->n_input = c->n_input * l.n_columns;
    out->n_types = c->n_types;
    out->extent = extent;
    out->e = land_all(&l, c, p, out);
    if (out->e < 1 || out->e > INT32_MAX) {
        st = cn_err_set(err, CN_EINPUT, "extent %d gives %lld edges: wants 1..%d", extent,
                        (long long)out->e, INT32_MAX);
        goto out;
    }
    st = allocate(out, err);
    if (st != CN_OK)
        goto out;
    (void)land_all(&l, c, p, out);
    fill_neurons(out, &l, c, p);
    st = cn_fly_graph_index(out, err);
out:
    lattice_clear(&l);
    if (st != CN_OK)
        cn_fly_graph_clear(out);
    return st;
}

/* ---- 4 the folder ---- */

#define CONNECTOME_FILE "connectome.json"
#define PARAMS_FILE     "params.json"
#define MANIFEST_FILE   "MANIFEST"

struct folder {
    struct cn_buf json, params, manifest;
};

static void folder_init(struct folder *f)
{
    cn_buf_init(&f->json, CN_CAP_TEXT);
    cn_buf_init(&f->params, CN_CAP_TEXT);
    cn_buf_init(&f->manifest, CN_CAP_TEXT);
}

static void folder_clear(struct folder *f)
{
    cn_buf_clear(&f->json);
    cn_buf_clear(&f->params);
    cn_buf_clear(&f->manifest);
}

/* Both texts are well-formed and belong together. */
static cn_status check_texts(const char *json_name, const void *json, size_t n_json,
                             const char *params_name, const void *params, size_t n_params,
                             struct cn_err *err)
{
    struct cn_fly_connectome c = {0};
    struct cn_fly_params p = {0};
    cn_status st = cn_fly_connectome_parse(json_name, json, n_json, &c, err);
    if (st == CN_OK)
        st = cn_fly_params_parse(params_name, params, n_params, &p, err);
    if (st == CN_OK) {
        st = cn_fly_params_check(&p, &c, err);
        if (st != CN_OK)
            cn_err_prefix(err, "%s with %s", params_name, json_name);
    }
    cn_fly_params_clear(&p);
    cn_fly_connectome_clear(&c);
    return st;
}

static void write_manifest(struct cn_buf *b, const struct cn_buf *json,
                           const struct cn_buf *params)
{
    char hash[CN_HASH_TEXT];
    cn_buf_reset(b);
    cn_buf_printf(b, "cairn connectome 1\n");
    cn_buf_printf(b, "%s  %s\n", cn_hash_hex(cn_buf_str(json), json->len, hash),
                  CONNECTOME_FILE);
    cn_buf_printf(b, "%s  %s\n", cn_hash_hex(cn_buf_str(params), params->len, hash),
                  PARAMS_FILE);
}

static cn_status put_file(const char *dir, const char *name, const struct cn_buf *b,
                          struct cn_err *err)
{
    char *path = cn_file_join(dir, name);
    cn_status st = path ? cn_buf_status(b) : CN_ENOMEM;
    if (st != CN_OK)
        cn_err_set(err, st, "%s/%s: no memory", dir, name);
    else
        st = cn_file_replace(path, b->data, b->len, err);
    cn_free(path);
    return st;
}

static cn_status get_file(const char *dir, const char *name, struct cn_buf *b,
                          struct cn_err *err)
{
    char *path = cn_file_join(dir, name);
    cn_status st = path ? cn_file_read(path, CN_CAP_TEXT, b, err)
                        : cn_err_set(err, CN_ENOMEM, "%s/%s: no memory", dir, name);
    cn_free(path);
    return st;
}

cn_status cn_fly_connectome_save(const char *out_dir, const void *json, size_t n_json,
                                 const void *params, size_t n_params, struct cn_err *err)
{
    struct folder f;
    folder_init(&f);
    cn_buf_add(&f.json, json, n_json);
    cn_buf_add(&f.params, params, n_params);
    write_manifest(&f.manifest, &f.json, &f.params);
    cn_status st =
        check_texts(CONNECTOME_FILE, json, n_json, PARAMS_FILE, params, n_params, err);
    if (st == CN_OK)
        st = cn_file_mkdirs(out_dir, err);
    if (st == CN_OK)
        st = put_file(out_dir, CONNECTOME_FILE, &f.json, err);
    if (st == CN_OK)
        st = put_file(out_dir, PARAMS_FILE, &f.params, err);
    if (st == CN_OK)
        st = put_file(out_dir, MANIFEST_FILE, &f.manifest, err);
    folder_clear(&f);
    return st;
}

cn_status cn_fly_connectome_import(const char *json_path, const char *params_path,
                                   const char *out_dir, struct cn_err *err)
{
    struct folder f;
    folder_init(&f);
    cn_status st = cn_file_read(json_path, CN_CAP_TEXT, &f.json, err);
    if (st == CN_OK)
        st = cn_file_read(params_path, CN_CAP_TEXT, &f.params, err);
    if (st == CN_OK)
        st = check_texts(json_path, cn_buf_str(&f.json), f.json.len, params_path,
                         cn_buf_str(&f.params), f.params.len, err);
    if (st == CN_OK)
        st = cn_fly_connectome_save(out_dir, f.json.data, f.json.len, f.params.data,
                                    f.params.len, err);
    folder_clear(&f);
    return st;
}

/* The three files, with hashes that agree. A folder without MANIFEST was never finished. */
static cn_status load_folder(const char *dir, struct folder *f, struct cn_err *err)
{
    struct cn_buf expect;
    cn_buf_init(&expect, CN_CAP_TEXT);
    cn_status st = CN_OK;
    if (!cn_file_is_dir(dir))
        st = cn_err_set(err, CN_ENOTFOUND,
                        "connectome folder %s: not found (make one with: cairn import flyvis "
                        "FILE --params FILE)",
                        dir);
    if (st == CN_OK)
        st = get_file(dir, MANIFEST_FILE, &f->manifest, err);
    if (st == CN_OK)
        st = get_file(dir, CONNECTOME_FILE, &f->json, err);
    if (st == CN_OK)
        st = get_file(dir, PARAMS_FILE, &f->params, err);
    if (st == CN_ENOTFOUND && cn_file_is_dir(dir)) {
        st = CN_ECORRUPT;
        cn_err_prefix(err, "connectome folder %s is incomplete", dir);
        if (err)
            err->status = st;
    }
    if (st == CN_OK) {
        write_manifest(&expect, &f->json, &f->params);
        if (cn_buf_status(&expect) != CN_OK)
            st = cn_err_set(err, CN_ENOMEM, "connectome folder %s: no memory", dir);
        else if (expect.len != f->manifest.len ||
                 memcmp(expect.data, f->manifest.data, expect.len) != 0)
            st = cn_err_set(err, CN_ECORRUPT,
                            "connectome folder %s: %s does not match the files beside it", dir,
                            MANIFEST_FILE);
    }
    cn_buf_clear(&expect);
    return st;
}

cn_status cn_fly_connectome_open(const char *dir, int32_t extent, struct cn_fly_graph *out,
                                 struct cn_err *err)
{
    struct folder f;
    struct cn_fly_connectome c = {0};
    struct cn_fly_params p = {0};

    folder_init(&f);
    memset(out, 0, sizeof *out);
    cn_status st = load_folder(dir, &f, err);
    if (st == CN_OK)
        st = cn_fly_connectome_parse(CONNECTOME_FILE, cn_buf_str(&f.json), f.json.len, &c, err);
    if (st == CN_OK)
        st = cn_fly_params_parse(PARAMS_FILE, cn_buf_str(&f.params), f.params.len, &p, err);
    if (st == CN_OK)
        st = cn_fly_connectome_expand(&c, &p, extent, out, err);
    cn_fly_params_clear(&p);
    cn_fly_connectome_clear(&c);
    folder_clear(&f);
    return st;
}

cn_status cn_fly_connectome_identity(const char *dir, char out[CN_HASH_TEXT],
                                     struct cn_err *err)
{
    struct folder f;
    folder_init(&f);
    out[0] = 0;
    cn_status st = load_folder(dir, &f, err);
    if (st == CN_OK)
        cn_hash_hex(f.manifest.data, f.manifest.len, out);
    folder_clear(&f);
    return st;
}
