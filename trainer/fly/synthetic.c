/* A made-up visual system (header). A draw is accepted when its simulation is alive: bounded,
 * moving, few neurons silent. Otherwise the next attempt draws from its own random stream, so
 * the result is a function of the seed.
 *
 * 1 types and wiring   2 the two texts   3 scale and trial   4 entry points
 */
#include "trainer/fly/synthetic.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/json.h"
#include "base/rng.h"
#include "base/text.h"
#include "trainer/fly/connectome.h"
#include "trainer/fly/hexgrid.h"
#include "trainer/fly/simulate.h"
#include "trainer/fly/stimulus.h"

/* ---- 1 types and wiring ---- */

enum {
    N_RECEPTORS = 8,
    OFFSETS_MAX = 7,
    PROJECTIONS_MAX = CN_FLY_SYNTHETIC_MAX * CN_FLY_SYNTHETIC_MAX
};

typedef enum { RECEPTOR, LAMINA, MEDULLA, MOTION } layer;

/* In file order; the sign is Dale's: one for all that a type's cells release. */
static const struct {
    const char *name;
    layer layer;
    int alpha;
} cells[CN_FLY_SYNTHETIC_MAX] = {
    {"R1", RECEPTOR, -1}, {"R2", RECEPTOR, -1}, {"R3", RECEPTOR, -1}, {"R4", RECEPTOR, -1},
    {"R5", RECEPTOR, -1}, {"R6", RECEPTOR, -1}, {"R7", RECEPTOR, -1}, {"R8", RECEPTOR, -1},
    {"L1", LAMINA, -1},   {"L2", LAMINA, 1},    {"Mi1", MEDULLA, 1},  {"Tm1", MEDULLA, 1},
    {"T4a", MOTION, 1},   {"Mi9", MEDULLA, -1}, {"Tm3", MEDULLA, 1},  {"T5a", MOTION, -1}};

struct draw_projection {
    int32_t src, tar, n;
    int32_t du[OFFSETS_MAX], dv[OFFSETS_MAX];
    double n_syn[OFFSETS_MAX];
    double strength;
};

/* Everything one attempt draws. */
struct draw {
    int32_t n_types, n_projections;
    struct draw_projection projection[PROJECTIONS_MAX];
    double bias[CN_FLY_SYNTHETIC_MAX], tau[CN_FLY_SYNTHETIC_MAX];
};

static double between(struct cn_rng *r, double lo, double hi)
{
    return lo + (hi - lo) * cn_rng_uniform(r);
}

/* How likely one type projects to another, and on how many columns: 1, or all seven of a
 * neighbourhood. */
static double likelihood(int32_t src, int32_t tar, int32_t *out_reach)
{
    layer a = cells[src].layer, b = cells[tar].layer;
    *out_reach = 1;
    if (a == RECEPTOR && b == LAMINA)
        return src < 6 ? 1 : 0; /* R1-R6 end in the lamina */
    if (a == RECEPTOR && b == MEDULLA)
        return src >= 6 ? .7 : 0; /* R7, R8 pass on to the medulla */
    if (a == RECEPTOR)
        return 0;
    if (b == RECEPTOR)
        return .15; /* feedback is sparse */
    *out_reach = OFFSETS_MAX;
    if (src == tar)
        return .4;
    return b > a ? .9 : .45;
}

static void place_offsets(struct draw_projection *p, int32_t reach, struct cn_rng *r)
{
    static const int32_t du[OFFSETS_MAX] = {0, 1, 0, -1, -1, 0, 1},
                         dv[OFFSETS_MAX] = {0, 0, 1, 1, 0, -1, -1};
    double centre = cells[p->src].layer == RECEPTOR ? between(r, 25, 45) : between(r, 5, 30);
    /* Motion cells look at one side of their column more than at the other. */
    double lean = cells[p->tar].layer == MOTION ? .8 : .2;
    p->n = 0;
    for (int32_t k = 0; k < reach; k++) {
        double share = k == 0 ? 1 : .3 * between(r, .5, 1.5) * (1 + lean * du[k]);
        if (k > 0 && cn_rng_uniform(r) < .15)
            continue;
        p->du[p->n] = du[k];
        p->dv[p->n] = dv[k];
        p->n_syn[p->n++] = fmax(round(10 * centre * share) / 10, .1);
    }
}

/* Strength per synapse: receptors within a narrow range (about -.1 to -.2 an edge), others
 * log-normal, a few 0. */
static double draw_strength(const struct draw_projection *p, struct cn_rng *r)
{
    double spread = exp(.7 * cn_rng_normal(r)), none = cn_rng_uniform(r);
    if (cells[p->src].layer == RECEPTOR)
        return between(r, .08, .2) / p->n_syn[0];
    return none < .04 ? 0 : .1 * spread / p->n_syn[0];
}

static void draw_wiring(struct draw *d, struct cn_rng *r)
{
    d->n_projections = 0;
    for (int32_t src = 0; src < d->n_types; src++) {
        for (int32_t tar = 0; tar < d->n_types; tar++) {
            int32_t reach;
            if (cn_rng_uniform(r) >= likelihood(src, tar, &reach))
                continue;
            struct draw_projection *p = &d->projection[d->n_projections++];
            p->src = src;
            p->tar = tar;
            place_offsets(p, reach, r);
            p->strength = draw_strength(p, r);
        }
    }
}

/* Most time constants lie close to .02 s; three types, two of them not receptors, are
 * slower. */
static void draw_cells(struct draw *d, struct cn_rng *r)
{
    for (int32_t t = 0; t < d->n_types; t++) {
        d->bias[t] = fmin(fmax(.5 + .15 * cn_rng_normal(r), .1), .95);
        d->tau[t] = .0198 + .00015 * cn_rng_normal(r);
    }
    int32_t others = d->n_types - N_RECEPTORS,
            first = (int32_t)cn_rng_below(r, (uint64_t)others);
    int32_t second = (first + 1 + (int32_t)cn_rng_below(r, (uint64_t)others - 1)) % others;
    int32_t slow[3] = {N_RECEPTORS + first, N_RECEPTORS + second,
                       (int32_t)cn_rng_below(r, N_RECEPTORS)};
    for (int k = 0; k < 3; k++)
        d->tau[slow[k]] = exp(between(r, log(.032), log(.18)));
}

/* ---- 2 the two texts ---- */

static void write_node(struct cn_json_writer *w, const char *name)
{
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "name", name);
    cn_json_open(w, "pattern", '[');
    cn_json_add_string(w, NULL, "stride");
    cn_json_open(w, NULL, '[');
    cn_json_add_int(w, NULL, 1);
    cn_json_add_int(w, NULL, 1);
    cn_json_close(w);
    cn_json_close(w);
    cn_json_add_string(w, "activation", "relu");
    cn_json_add_double(w, "bias", .5);
    cn_json_add_bool(w, "bias_fixed", false);
    cn_json_add_null(w, "time_constant");
    cn_json_add_bool(w, "time_constant_fixed", false);
    cn_json_close(w);
}

static void write_edge(struct cn_json_writer *w, const struct draw_projection *p)
{
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "src", cells[p->src].name);
    cn_json_add_string(w, "tar", cells[p->tar].name);
    cn_json_open(w, "offsets", '[');
    for (int32_t k = 0; k < p->n; k++) {
        cn_json_open(w, NULL, '[');
        cn_json_open(w, NULL, '[');
        cn_json_add_int(w, NULL, p->du[k]);
        cn_json_add_int(w, NULL, p->dv[k]);
        cn_json_close(w);
        cn_json_add_double(w, NULL, p->n_syn[k]);
        cn_json_close(w);
    }
    cn_json_close(w);
    cn_json_add_int(w, "alpha", cells[p->src].alpha);
    cn_json_add_bool(w, "alpha_fixed", true);
    cn_json_open(w, "alpha_references", '[');
    cn_json_close(w);
    cn_json_add_null(w, "time_constant");
    cn_json_add_bool(w, "time_constant_fixed", false);
    cn_json_add_double(w, "lambda_mult", 1);
    cn_json_add_string(w, "edge_type", "chem");
    cn_json_close(w);
}

static void write_connectome(const struct draw *d, struct cn_buf *out)
{
    struct cn_json_writer w;
    cn_buf_reset(out);
    cn_json_begin(&w, out, 0);
    cn_json_open(&w, NULL, '{');
    cn_json_open(&w, "nodes", '[');
    for (int32_t t = 0; t < d->n_types; t++)
        write_node(&w, cells[t].name);
    cn_json_close(&w);
    cn_json_open(&w, "edges", '[');
    for (int32_t k = 0; k < d->n_projections; k++)
        write_edge(&w, &d->projection[k]);
    cn_json_close(&w);
    cn_json_open(&w, "receptors", '[');
    cn_json_close(&w);
    cn_json_open(&w, "input_units", '[');
    for (int32_t t = 0; t < N_RECEPTORS; t++)
        cn_json_add_string(&w, NULL, cells[t].name);
    cn_json_close(&w);
    cn_json_open(&w, "output_units", '[');
    cn_json_close(&w);
    cn_json_close(&w);
    cn_buf_addc(out, '\n');
}

/* Seven digits: what a float32 holds, and short to read. */
static void add_rounded(struct cn_json_writer *w, double x)
{
    char text[CN_NUM_TEXT];
    double y = x;
    (void)snprintf(text, sizeof text, "%.7g", x);
    if (!cn_text_parse_double(text, &y))
        CN_BUG("%s is not a number", text);
    cn_json_add_double(w, NULL, y);
}

/* Groups follow the expanded connectome, hull fill included; the pairs are the projections in
 * order. */
static void write_params(const struct draw *d, const struct cn_fly_connectome *c,
                         struct cn_buf *out)
{
    struct cn_json_writer w;
    cn_buf_reset(out);
    cn_json_begin(&w, out, 0);
    cn_json_open(&w, NULL, '{');
    cn_json_open(&w, "nodes_bias", '[');
    for (int32_t t = 0; t < d->n_types; t++)
        add_rounded(&w, d->bias[t]);
    cn_json_close(&w);
    cn_json_open(&w, "nodes_time_const", '[');
    for (int32_t t = 0; t < d->n_types; t++)
        add_rounded(&w, d->tau[t]);
    cn_json_close(&w);
    cn_json_open(&w, "edges_sign", '[');
    for (int32_t k = 0; k < d->n_projections; k++)
        cn_json_add_int(&w, NULL, cells[d->projection[k].src].alpha);
    cn_json_close(&w);
    cn_json_open(&w, "edges_syn_count", '[');
    for (int32_t k = 0; k < c->n_projections; k++) {
        for (int32_t o = 0; o < c->projection[k].n_offsets; o++)
            add_rounded(&w, log(c->projection[k].n_syn[o]));
    }
    cn_json_close(&w);
    cn_json_open(&w, "edges_syn_strength", '[');
    for (int32_t k = 0; k < d->n_projections; k++)
        add_rounded(&w, d->projection[k].strength);
    cn_json_close(&w);
    cn_json_close(&w);
    cn_buf_addc(out, '\n');
}

/* ---- 3 scale and trial ---- */

/* Both texts through the reader, onto the lattice. */
static cn_status build(const struct draw *d, int32_t extent, struct cn_buf *json,
                       struct cn_buf *params, struct cn_fly_graph *out, struct cn_err *err)
{
    struct cn_fly_connectome c = {0};
    struct cn_fly_params p = {0};
    memset(out, 0, sizeof *out);
    write_connectome(d, json);
    cn_status st =
        cn_fly_connectome_parse("synthetic connectome", cn_buf_str(json), json->len, &c, err);
    if (st == CN_OK) {
        write_params(d, &c, params);
        st = cn_fly_params_parse("synthetic parameters", cn_buf_str(params), params->len, &p,
                                 err);
    }
    if (st == CN_OK)
        st = cn_fly_connectome_expand(&c, &p, extent, out, err);
    cn_fly_params_clear(&p);
    cn_fly_connectome_clear(&c);
    return st;
}

/* Spectral radius by power iteration. The leading eigenvalues may be a complex pair, under
 * which the norm never settles: the mean growth of its logarithm over many steps does. */
static cn_status spectral_radius(const struct cn_fly_graph *g, double *out, struct cn_err *err)
{
    enum { SETTLE = 100, MEASURE = 100 };
    double *x = cn_alloc(2 * (size_t)g->n, sizeof *x), growth = 0;
    *out = 0;
    if (!x)
        return cn_err_set(err, CN_ENOMEM, "no memory for a power iteration");
    double *now = x, *next = x + g->n;
    for (int64_t i = 0; i < g->n; i++)
        now[i] = 1 + .1 * (double)(i % 7);
    for (int step = 0; step < SETTLE + MEASURE; step++) {
        double square = 0;
        memset(next, 0, (size_t)g->n * sizeof *next);
        for (int64_t k = 0; k < g->e; k++)
            next[g->dst[k]] += (double)g->W[k] * now[g->src[k]];
        for (int64_t i = 0; i < g->n; i++)
            square += next[i] * next[i];
        double norm = sqrt(square);
        if (!(norm > 0)) {
            growth = -HUGE_VAL;
            break;
        }
        for (int64_t i = 0; i < g->n; i++)
            now[i] = next[i] / norm;
        growth += step >= SETTLE ? log(norm) / MEASURE : 0;
    }
    *out = exp(growth);
    cn_free(x);
    return CN_OK;
}

/* Loops run through cells that are not receptors (or through feedback to them), so the radius
 * is homogeneous of degree one in those cells' strengths up to the feedback loops: three
 * corrections settle it. */
static cn_status scale_to_radius(struct draw *d, struct cn_buf *json, struct cn_buf *params,
                                 struct cn_err *err)
{
    for (int round = 0; round < 3; round++) {
        struct cn_fly_graph g;
        double radius = 0;
        cn_status st = build(d, CN_FLY_SYNTHETIC_EXTENT, json, params, &g, err);
        if (st == CN_OK)
            st = spectral_radius(&g, &radius, err);
        cn_fly_graph_clear(&g);
        if (st != CN_OK || radius == 0)
            return st;
        for (int32_t k = 0; k < d->n_projections; k++) {
            if (cells[d->projection[k].src].layer != RECEPTOR)
                d->projection[k].strength *= CN_FLY_SYNTHETIC_RADIUS / radius;
        }
    }
    return CN_OK;
}

struct trial {
    double top;    /* largest |v| */
    double active; /* share of neurons with mean + std above 0 */
    double spread; /* mean std over time */
};

static cn_status run_trial(const struct cn_fly_graph *g, double noise, struct trial *out,
                           struct cn_err *err)
{
    enum { FRAMES = 400, TOO_HIGH = 50 };
    struct cn_fly_dynamics dyn = {.graph = g, .delta_t = .02, .noise = noise, .seed = 1};
    struct cn_fly_simulator *sim = NULL;
    struct cn_fly_stimulus light = {0};
    size_t n = (size_t)g->n;
    double *sum = cn_alloc(2 * n, sizeof *sum), *square = sum + n;
    float *row = cn_alloc((size_t)g->n_columns, sizeof *row);
    cn_status st =
        sum && row ? CN_OK : cn_err_set(err, CN_ENOMEM, "no memory for a trial simulation");

    memset(out, 0, sizeof *out);
    if (st == CN_OK)
        st = cn_fly_stimulus_init(&light, CN_STIM_SCENES, g->extent, 1, err);
    if (st == CN_OK)
        st = cn_fly_simulator_new(&dyn, NULL, &sim, err);
    for (int t = 0; t < FRAMES && st == CN_OK && out->top < TOO_HIGH; t++) {
        const float *v = cn_fly_simulator_state(sim);
        for (size_t i = 0; i < n; i++) {
            sum[i] += (double)v[i];
            square[i] += (double)v[i] * (double)v[i];
            out->top = fmax(out->top, isfinite(v[i]) ? fabs((double)v[i]) : HUGE_VAL);
        }
        (void)cn_fly_stimulus_frame(&light, t, row);
        cn_fly_simulator_step(sim, t, row);
    }
    for (size_t i = 0; i < n && st == CN_OK; i++) {
        double mean = sum[i] / FRAMES, std = sqrt(fmax(square[i] / FRAMES - mean * mean, 0));
        out->active += (mean + std > 0) / (double)n;
        out->spread += std / (double)n;
    }
    if (st == CN_EDIVERGED) { /* the steady state already runs away: a verdict, not a failure */
        out->top = HUGE_VAL;
        st = CN_OK;
    }
    cn_fly_simulator_free(sim);
    cn_fly_stimulus_clear(&light);
    cn_free(sum);
    cn_free(row);
    return st;
}

/* Alive at the lowest and bounded at the highest noise level that people use. */
static cn_status is_alive(const struct draw *d, int32_t extent, struct cn_buf *json,
                          struct cn_buf *params, bool *out, struct cn_err *err)
{
    struct cn_fly_graph g;
    struct trial quiet, loud;
    *out = false;
    cn_status st = build(d, extent, json, params, &g, err);
    if (st == CN_OK)
        st = run_trial(&g, .05, &quiet, err);
    if (st == CN_OK)
        *out = quiet.top < 8 && quiet.active > .9 && quiet.spread > .1;
    if (st == CN_OK && *out)
        st = run_trial(&g, .5, &loud, err);
    if (st == CN_OK && *out)
        *out = loud.top < 15;
    cn_fly_graph_clear(&g);
    return st;
}

/* ---- 4 entry points ---- */

static cn_status make(int32_t n_types, uint64_t seed, struct cn_buf *json,
                      struct cn_buf *params, struct cn_err *err)
{
    enum { ATTEMPTS = 400 };
    struct draw *d = cn_alloc(1, sizeof *d);
    bool alive = false;
    cn_status st =
        d ? CN_OK : cn_err_set(err, CN_ENOMEM, "no memory for a synthetic connectome");

    for (uint64_t attempt = 0; attempt < ATTEMPTS && st == CN_OK && !alive; attempt++) {
        struct cn_rng r;
        cn_rng_init(&r, seed, (UINT64_C(0x5379) << 48) | attempt);
        memset(d, 0, sizeof *d);
        d->n_types = n_types;
        draw_cells(d, &r);
        draw_wiring(d, &r);
        st = scale_to_radius(d, json, params, err);
        /* A larger lattice has a slightly larger radius: what lives at 3 may run away at 8. */
        if (st == CN_OK)
            st = is_alive(d, CN_FLY_SYNTHETIC_EXTENT, json, params, &alive, err);
        if (st == CN_OK && alive)
            st = is_alive(d, 8, json, params, &alive, err);
    }
    if (st == CN_OK && !alive)
        st = cn_err_set(err, CN_EUNSUPPORTED,
                        "synthetic connectome: no lively network of %d types in %d attempts "
                        "with connectome_seed %llu; try another seed",
                        n_types, ATTEMPTS, (unsigned long long)seed);
    cn_free(d);
    return st;
}

cn_status cn_fly_synthetic_write(int32_t n_types, uint64_t seed, struct cn_buf *connectome,
                                 struct cn_buf *params, struct cn_err *err)
{
    cn_buf_reset(connectome);
    cn_buf_reset(params);
    if (n_types < CN_FLY_SYNTHETIC_MIN || n_types > CN_FLY_SYNTHETIC_MAX)
        return cn_err_set(err, CN_EINPUT,
                          "simulation.n_types = %d: a synthetic connectome wants %d..%d",
                          n_types, CN_FLY_SYNTHETIC_MIN, CN_FLY_SYNTHETIC_MAX);
    return make(n_types, seed, connectome, params, err);
}

cn_status cn_fly_synthetic_open(int32_t n_types, uint64_t seed, int32_t extent,
                                struct cn_fly_graph *out, struct cn_err *err)
{
    struct cn_fly_connectome c = {0};
    struct cn_fly_params p = {0};
    struct cn_buf json, params;

    memset(out, 0, sizeof *out);
    cn_buf_init(&json, CN_CAP_TEXT);
    cn_buf_init(&params, CN_CAP_TEXT);
    cn_status st = cn_fly_synthetic_write(n_types, seed, &json, &params, err);
    if (st == CN_OK)
        st = cn_fly_connectome_parse("synthetic connectome", cn_buf_str(&json), json.len, &c,
                                     err);
    if (st == CN_OK)
        st = cn_fly_params_parse("synthetic parameters", cn_buf_str(&params), params.len, &p,
                                 err);
    if (st == CN_OK)
        st = cn_fly_connectome_expand(&c, &p, extent, out, err);
    cn_fly_params_clear(&p);
    cn_fly_connectome_clear(&c);
    cn_buf_clear(&json);
    cn_buf_clear(&params);
    return st;
}

cn_status cn_fly_synthetic_export(int32_t n_types, uint64_t seed, const char *out_dir,
                                  struct cn_err *err)
{
    struct cn_buf json, params;
    cn_buf_init(&json, CN_CAP_TEXT);
    cn_buf_init(&params, CN_CAP_TEXT);
    cn_status st = cn_fly_synthetic_write(n_types, seed, &json, &params, err);
    if (st == CN_OK)
        st = cn_fly_connectome_save(out_dir, json.data, json.len, params.data, params.len, err);
    cn_buf_clear(&json);
    cn_buf_clear(&params);
    return st;
}
