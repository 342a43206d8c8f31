/* Reading a config against the describe table. In this file:
 *   1. the table and memory
 *   2. one value
 *   3. unknown and inert keys
 *   4. what depends on several keys
 *   5. overrides
 *   6. the public calls
 */
#include "trainer/run/config.h"

#include <fnmatch.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"

/* ---- 1. the table and memory ---- */

static const struct cn_trainer_param *rows(void)
{
    return cn_trainer_fly_params;
}

static int n_rows(void)
{
    return cn_trainer_fly_n_params;
}

static int n_spellings(const struct cn_trainer_param *p)
{
    int n = 1;

    while (n <= 3 && p->aliases[n - 1])
        n++;
    return n;
}

static const char *spelling(const struct cn_trainer_param *p, int k)
{
    return k == 0 ? p->path : p->aliases[k - 1];
}

static void store(struct cn_trainer_config *c, const struct cn_trainer_param *p, double x)
{
    char *at = (char *)c + p->at;

    switch (p->type) {
    case CN_TRAINER_F64:
        *(double *)(void *)at = x;
        break;
    case CN_TRAINER_I64:
        *(int64_t *)(void *)at = (int64_t)x;
        break;
    case CN_TRAINER_U64:
        *(uint64_t *)(void *)at = (uint64_t)x;
        break;
    case CN_TRAINER_BOOL:
        *(bool *)(void *)at = x != 0;
        break;
    case CN_TRAINER_I32:
    case CN_TRAINER_CHOICE: /* enums of config.h are int-sized, asserted below */
        *(int32_t *)(void *)at = (int32_t)x;
        break;
    case CN_TRAINER_TEXT:
        CN_BUG("%s is text", p->path);
    }
}

_Static_assert(sizeof(cn_fly_winit) == sizeof(int32_t) &&
                   sizeof(cn_activation) == sizeof(int32_t) &&
                   sizeof(cn_fly_generation) == sizeof(int32_t) &&
                   sizeof(cn_fly_stimulus_kind) == sizeof(int32_t),
               "enums are stored as 32-bit integers");

static double load(const struct cn_trainer_config *c, const struct cn_trainer_param *p)
{
    const char *at = (const char *)c + p->at;

    switch (p->type) {
    case CN_TRAINER_F64:
        return *(const double *)(const void *)at;
    case CN_TRAINER_I64:
        return (double)*(const int64_t *)(const void *)at;
    case CN_TRAINER_U64:
        return (double)*(const uint64_t *)(const void *)at;
    case CN_TRAINER_BOOL:
        return *(const bool *)(const void *)at;
    case CN_TRAINER_I32:
    case CN_TRAINER_CHOICE:
        return *(const int32_t *)(const void *)at;
    case CN_TRAINER_TEXT:
        break;
    }
    CN_BUG("%s is text", p->path);
}

static void set_defaults(struct cn_trainer_config *c)
{
    for (int k = 0; k < n_rows(); k++) {
        const struct cn_trainer_param *p = &rows()[k];

        if (p->type == CN_TRAINER_TEXT)
            cn_text_copy((char *)c + p->at, CN_FLY_NAME, p->preset_text);
        else
            store(c, p, p->preset);
    }
}

/* Row of a dotted path in any spelling, or -1. */
static int row_of(const char *path)
{
    for (int k = 0; k < n_rows(); k++)
        for (int s = 0; s < n_spellings(&rows()[k]); s++)
            if (strcmp(spelling(&rows()[k], s), path) == 0)
                return k;
    return -1;
}

/* ---- 2. one value ---- */

struct reader {
    struct cn_trainer_config *c;
    const char *name; /* of the file */
    struct cn_err *err;
};

/* The value as a person would recognise it, shortened. */
static void show(const struct cn_yaml_node *v, char *out, size_t room)
{
    const char *s = cn_yaml_string(v);

    if (!s) {
        cn_text_format(out, room, "%s", cn_yaml_kind_name(cn_yaml_kind(v)));
        return;
    }
    size_t n = cn_text_utf8_cut(s, strlen(s), 60);
    cn_text_format(out, room, "\"%.*s\"", (int)n, s);
}

static cn_status bad_value(struct reader *r, const char *key, const struct cn_yaml_node *v,
                           const char *expected)
{
    char found[96];

    show(v, found, sizeof found);
    return cn_err_set(r->err, CN_EINPUT, "%s:%d: %s: %s, expected %s", r->name, cn_yaml_line(v),
                      key, found, expected);
}

static cn_status read_number(struct reader *r, const struct cn_trainer_param *p,
                             const char *key, const struct cn_yaml_node *v)
{
    char expected[128], lo[CN_NUM_TEXT], hi[CN_NUM_TEXT];
    bool whole = p->type != CN_TRAINER_F64;
    double x = 0;
    int64_t i;

    cn_text_format(expected, sizeof expected, "%s in %s..%s",
                   whole ? "a whole number" : "a number", cn_text_double(p->min, lo),
                   cn_text_double(p->max, hi));
    if (whole ? !cn_yaml_int64(v, &i) : !cn_yaml_number(v, &x))
        return bad_value(r, key, v, expected);
    if (whole)
        x = (double)i;
    if (!(x >= p->min && x <= p->max))
        return bad_value(r, key, v, expected);
    store(r->c, p, x);
    return CN_OK;
}

/* "old=new": the new name of `s`, or s itself. */
static const char *choice_name(const struct cn_trainer_param *p, const char *s)
{
    size_t n = strlen(s);

    for (const char *const *a = p->choice_aliases; a && *a; a++)
        if (strncmp(*a, s, n) == 0 && (*a)[n] == '=')
            return *a + n + 1;
    return s;
}

static cn_status read_choice(struct reader *r, const struct cn_trainer_param *p,
                             const char *key, const struct cn_yaml_node *v)
{
    const char *s = cn_yaml_string(v);
    char expected[320] = "one of";
    int n = 0;

    for (; p->choices[n]; n++) {
        size_t used = strlen(expected);

        if (s && strcmp(choice_name(p, s), p->choices[n]) == 0) {
            store(r->c, p, n);
            return CN_OK;
        }
        cn_text_format(expected + used, sizeof expected - used, "%s %s", n ? "," : "",
                       p->choices[n]);
    }
    return bad_value(r, key, v, expected);
}

static cn_status read_text(struct reader *r, const struct cn_trainer_param *p, const char *key,
                           const struct cn_yaml_node *v)
{
    const char *s = cn_yaml_string(v);

    if (!s || !s[0] || strlen(s) >= CN_FLY_NAME)
        return bad_value(r, key, v, "a text of 1 to 255 bytes");
    cn_text_copy((char *)r->c + p->at, CN_FLY_NAME, s);
    return CN_OK;
}

static cn_status read_value(struct reader *r, const struct cn_trainer_param *p, const char *key,
                            const struct cn_yaml_node *v)
{
    bool b;

    switch (p->type) {
    case CN_TRAINER_CHOICE:
        return read_choice(r, p, key, v);
    case CN_TRAINER_TEXT:
        return read_text(r, p, key, v);
    case CN_TRAINER_BOOL:
        if (!cn_yaml_bool(v, &b))
            return bad_value(r, key, v, "true or false");
        store(r->c, p, b);
        return CN_OK;
    default:
        return read_number(r, p, key, v);
    }
}

/* The one spelling of row k that the document uses; two are an error, none leaves the
 * default. */
static cn_status read_row(struct reader *r, int k)
{
    const struct cn_trainer_param *p = &rows()[k];
    const struct cn_yaml_node *root = cn_yaml_root(r->c->yaml), *found = NULL;
    const char *key = NULL;

    for (int s = 0; s < n_spellings(p); s++) {
        const struct cn_yaml_node *v = cn_yaml_path(root, spelling(p, s));

        if (v && found)
            return cn_err_set(r->err, CN_EINPUT,
                              "%s:%d: %s: the same setting as %s in line %d; keep one", r->name,
                              cn_yaml_line(v), spelling(p, s), key, cn_yaml_line(found));
        if (v) {
            found = v;
            key = spelling(p, s);
        }
    }
    if (!found)
        return CN_OK;
    r->c->line[k] = cn_yaml_line(found);
    return read_value(r, p, key, found);
}

/* ---- 3. unknown and inert keys ---- */

static const struct cn_trainer_inert *inert_of(const char *path)
{
    for (int k = 0; k < cn_trainer_fly_n_inert; k++)
        if (fnmatch(cn_trainer_fly_inert[k].pattern, path, 0) == 0)
            return &cn_trainer_fly_inert[k];
    return NULL;
}

/* Does the value stand in "a|b|c"? Numbers compare by value, an empty list and null as "". */
static bool value_is_off(const struct cn_yaml_node *v, const char *off)
{
    const char *s = cn_yaml_string(v);
    double x = 0, y = 0;
    bool number = cn_yaml_number(v, &x), b = false;

    if (cn_yaml_bool(v, &b)) /* any case */
        s = b ? "true" : "false";
    if (strcmp(off, "*") == 0)
        return true;
    if (cn_yaml_kind(v) == CN_YAML_SEQ)
        return off[0] == '\0' && cn_yaml_count(v) == 0;
    if (cn_yaml_kind(v) == CN_YAML_NULL)
        s = "";
    for (; s; off++) {
        size_t n = strcspn(off, "|");
        char one[64];

        cn_text_format(one, sizeof one, "%.*s", (int)n, off);
        if (strcmp(one, s) == 0 || (number && cn_text_parse_double(one, &y) && y == x))
            return true;
        off += n;
        if (!*off)
            break;
    }
    return false;
}

enum { MAX_NAMES = 4 * CN_TRAINER_MAX_PARAMS + 160 };

static int all_names(const char **names)
{
    int n = 0;

    for (int k = 0; k < n_rows(); k++)
        for (int s = 0; s < n_spellings(&rows()[k]); s++)
            names[n++] = spelling(&rows()[k], s);
    for (int k = 0; k < cn_trainer_fly_n_inert && n < MAX_NAMES; k++)
        if (!strchr(cn_trainer_fly_inert[k].pattern, '*'))
            names[n++] = cn_trainer_fly_inert[k].pattern;
    return n;
}

static cn_status unknown_key(const char *where, const char *path, struct cn_err *err)
{
    const char *names[MAX_NAMES];
    int n = all_names(names), best = cn_text_nearest(path, names, n);

    if (best >= 0)
        return cn_err_set(err, CN_EINPUT, "%s%s: unknown key, did you mean %s?", where, path,
                          names[best]);
    return cn_err_set(err, CN_EINPUT,
                      "%s%s: unknown key; `cairn-train describe fly` lists the known ones",
                      where, path);
}

static bool belongs_to_harness(const char *path)
{
    return strcmp(path, "explore") == 0 || strcmp(path, "claude") == 0 ||
           cn_text_starts(path, "explore.") || cn_text_starts(path, "claude.") ||
           cn_text_starts(path, "trainer.");
}

static cn_status check_leaf(void *ctx, const char *path, const struct cn_yaml_node *v)
{
    struct reader *r = ctx;
    const struct cn_trainer_inert *inert;
    char where[CN_FLY_NAME + 320];

    if (belongs_to_harness(path) || row_of(path) >= 0)
        return CN_OK;
    inert = inert_of(path);
    if (!inert) {
        cn_text_format(where, sizeof where, "%.500s:%d: ", r->name, cn_yaml_line(v));
        return unknown_key(where, path, r->err);
    }
    if (!value_is_off(v, inert->off)) {
        char expected[160];

        cn_text_format(expected, sizeof expected,
                       "\"%s\": this option of the reference is not supported", inert->off);
        return bad_value(r, path, v, expected);
    }
    return CN_OK;
}

static cn_status check_sections(struct reader *r)
{
    const struct cn_yaml_node *root = cn_yaml_root(r->c->yaml);
    const struct cn_yaml_node *study = cn_yaml_get(root, "study");
    const struct cn_yaml_node *model = cn_yaml_path(root, "graph_model.signal_model_name");

    if (cn_yaml_kind(root) != CN_YAML_MAP)
        return cn_err_set(r->err, CN_EINPUT,
                          "%s: empty, expected sections simulation, graph_model, training",
                          r->name);
    if (study && (!cn_yaml_string(study) || strcmp(cn_yaml_string(study), "fly") != 0))
        return bad_value(r, "study", study, "fly, the one study of this cairn-train");
    if (!study && !model)
        return cn_err_set(r->err, CN_EINPUT,
                          "%s: no `study:` key, expected `study: fly` at the top", r->name);
    if (cn_yaml_get(root, "explore") && cn_yaml_get(root, "claude"))
        return cn_err_set(
            r->err, CN_EINPUT,
            "%s:%d: claude: the old spelling of explore, which line %d has; keep one", r->name,
            cn_yaml_line(cn_yaml_get(root, "claude")),
            cn_yaml_line(cn_yaml_get(root, "explore")));
    return CN_OK;
}

/* ---- 4. what depends on several keys ---- */

static int32_t line_of(const struct cn_trainer_config *c, const char *path)
{
    int k = row_of(path);

    if (k < 0)
        CN_BUG("no setting %s", path);
    return c->line[k];
}

static cn_status conflict(struct reader *r, const char *path, const char *words)
{
    return cn_err_set(r->err, CN_EINPUT, "%s:%d: %s: %s", r->name, line_of(r->c, path), path,
                      words);
}

/* The name carries the learned model and, as a suffix, the simulator. */
static void settle_model(struct cn_trainer_config *c)
{
    static const struct {
        cn_fly_model_kind kind;
        cn_fly_variant variant;
        bool tanh;
    } of[] = {
        {CN_FLY_A, CN_SIM_PLAIN, false},         {CN_FLY_A, CN_SIM_PLAIN, false},
        {CN_FLY_A, CN_SIM_PLAIN, false},         {CN_FLY_A, CN_SIM_TANH, false},
        {CN_FLY_A, CN_SIM_MULTIPLE_RELU, false}, {CN_FLY_A, CN_SIM_NULL, false},
        {CN_FLY_LINEAR, CN_SIM_PLAIN, false},    {CN_FLY_LINEAR, CN_SIM_TANH, true},
    };

    c->fly.model.kind = of[c->model_choice].kind;
    c->fly.sim.variant = of[c->model_choice].variant;
    c->fly.model.linear_tanh = of[c->model_choice].tanh;
}

/* A coeff_*_rate key is v1's way of annealing, regul_annealing_rate v2's; both cannot hold. */
static cn_status settle_generation(struct reader *r)
{
    static const char *const v1_keys[] = {"training.coeff_W_L1_rate",
                                          "training.coeff_g_phi_weight_L1_rate",
                                          "training.coeff_f_theta_weight_L1_rate"};
    struct cn_trainer_config *c = r->c;
    bool stated = line_of(c, "training.generation") > 0;

    for (int k = 0; k < 3; k++) {
        if (line_of(c, v1_keys[k]) == 0)
            continue;
        if (stated && c->fly.train.generation == CN_FLY_V2)
            return conflict(r, v1_keys[k],
                            "a key of generation v1, but training.generation is v2");
        c->fly.train.generation = CN_FLY_V1;
    }
    if (c->fly.train.generation == CN_FLY_V1 && line_of(c, "training.regul_annealing_rate") > 0)
        return conflict(r, "training.regul_annealing_rate",
                        "a key of generation v2, but this config is v1 (coeff_*_rate keys or "
                        "training.generation)");
    return CN_OK;
}

static cn_status check_size(struct reader *r, const char *path, int32_t stated, int32_t plus)
{
    char words[128];

    if (stated == 0 || stated == plus + r->c->fly.model.embedding_dim)
        return CN_OK;
    cn_text_format(words, sizeof words, "%d, expected %d (%d + embedding_dim %d)", stated,
                   plus + r->c->fly.model.embedding_dim, plus, r->c->fly.model.embedding_dim);
    return conflict(r, path, words);
}

static cn_status check_simulation(struct reader *r)
{
    const struct cn_fly_simulation *s = &r->c->fly.sim;

    if (strcmp(s->connectome, "synthetic") == 0 && (s->n_types < 12 || s->n_types > 16))
        return conflict(r, "simulation.n_neuron_types",
                        "out of range, expected 12..16 for a synthetic connectome");
    if (s->derivative_smoothing_window % 2 == 0)
        return conflict(r, "simulation.derivative_smoothing_window",
                        "even, expected an odd number");
    return CN_OK;
}

/* The known-ODE model has no g_phi and no f_theta: a term on them would be dropped in silence. */
static cn_status check_linear(struct reader *r)
{
    const struct cn_trainer_config *c = r->c;
    char words[160];

    if (c->fly.model.kind != CN_FLY_LINEAR)
        return CN_OK;
    for (int k = 0; k < cn_trainer_fly_n_params; k++) {
        const struct cn_trainer_param *p = &cn_trainer_fly_params[k];

        if (!cn_text_starts(p->path, "training.coeff_") || cn_text_ends(p->path, "_rate") ||
            strcmp(p->path, "training.coeff_W_L1") == 0 ||
            strcmp(p->path, "training.coeff_W_L2") == 0 || load(c, p) == 0)
            continue;
        cn_text_format(words, sizeof words,
                       "%g, expected 0: flyvis_linear is regularised by coeff_W_L1 and "
                       "coeff_W_L2 alone",
                       load(c, p));
        return conflict(r, p->path, words);
    }
    return CN_OK;
}

static cn_status settle(struct reader *r)
{
    struct cn_trainer_config *c = r->c;
    cn_status st = settle_generation(r);

    settle_model(c);
    if (st == CN_OK)
        st = check_size(r, "graph_model.input_size", c->input_size, 1);
    if (st == CN_OK)
        st = check_size(r, "graph_model.input_size_update", c->input_size_update, 3);
    if (st == CN_OK)
        st = check_simulation(r);
    return st == CN_OK ? check_linear(r) : st;
}

/* ---- 5. overrides ---- */

/* Which spelling the document already uses for a row; the new one when it has none. */
static const char *spelling_in_use(const struct cn_yaml *y, const struct cn_trainer_param *p)
{
    for (int s = 0; s < n_spellings(p); s++)
        if (cn_yaml_path(cn_yaml_root(y), spelling(p, s)))
            return spelling(p, s);
    return p->path;
}

/* The value as YAML: numbers, booleans and lists as typed (1e-3 gains its dot for PyYAML), the
 * rest quoted. */
static void yaml_value(const struct cn_trainer_param *opt_p, const char *value,
                       struct cn_buf *b)
{
    char text[CN_NUM_TEXT];
    int64_t i;
    double x;

    if (opt_p && (opt_p->type == CN_TRAINER_TEXT || opt_p->type == CN_TRAINER_CHOICE))
        cn_yaml_quote(b, value);
    else if (cn_text_parse_int64(value, &i) || value[0] == '[' || strcmp(value, "true") == 0 ||
             strcmp(value, "false") == 0)
        cn_buf_adds(b, value);
    else if (cn_text_parse_double(value, &x))
        cn_buf_adds(b, strchr(value, '.') ? value : cn_text_yaml_double(x, text));
    else
        cn_yaml_quote(b, value);
}

static cn_status apply_override(struct cn_yaml *y, const struct cn_trainer_override *o,
                                struct cn_err *err)
{
    int k = row_of(o->path);
    const char *path = k >= 0 ? spelling_in_use(y, &rows()[k]) : o->path;
    struct cn_buf b;
    cn_status st;

    if (belongs_to_harness(o->path))
        return cn_err_set(err, CN_EINPUT, "--%s: a setting of the search, not of a training",
                          o->path);
    if (k < 0 && !inert_of(o->path))
        return unknown_key("--", o->path, err);
    cn_buf_init(&b, CN_CAP_CONFIG);
    yaml_value(k >= 0 ? &rows()[k] : NULL, o->value, &b);
    st = cn_buf_status(&b);
    if (st == CN_OK)
        st = cn_yaml_set(y, path, cn_buf_str(&b), err);
    else
        st = cn_err_set(err, st, "--%s: value too long", o->path);
    if (st != CN_OK)
        (void)cn_err_prefix(err, "--%s %.80s", o->path, o->value);
    cn_buf_clear(&b);
    return st;
}

/* ---- 6. the public calls ---- */

static void keep_words(struct cn_trainer_config *c)
{
    const struct cn_yaml_node *root = cn_yaml_root(c->yaml);
    const char *d = cn_yaml_string(cn_yaml_get(root, "dataset"));
    const char *w = cn_yaml_string(cn_yaml_get(root, "description"));

    if (d)
        cn_text_format(c->dataset, sizeof c->dataset, "%.*s",
                       (int)cn_text_utf8_cut(d, strlen(d), sizeof c->dataset - 1), d);
    if (w)
        cn_text_format(c->description, sizeof c->description, "%.*s",
                       (int)cn_text_utf8_cut(w, strlen(w), sizeof c->description - 1), w);
}

/* Takes over `y`. */
static cn_status from_yaml(struct cn_yaml *y, const struct cn_trainer_override *overrides,
                           int n, struct cn_trainer_config *out, struct cn_err *err)
{
    struct reader r = {out, NULL, err};
    cn_status st = CN_OK;

    out->yaml = y;
    for (int k = 0; k < n && st == CN_OK; k++)
        st = apply_override(y, &overrides[k], err);
    r.name = cn_yaml_name(y); /* an edit makes the document anew, its name too */
    set_defaults(out);
    if (st == CN_OK)
        st = check_sections(&r);
    if (st == CN_OK)
        st = cn_yaml_leaves(cn_yaml_root(y), check_leaf, &r);
    for (int k = 0; k < n_rows() && st == CN_OK; k++)
        st = read_row(&r, k);
    if (st == CN_OK)
        st = settle(&r);
    if (st == CN_OK)
        keep_words(out);
    else
        cn_trainer_config_clear(out);
    return st;
}

cn_status cn_trainer_config_parse(const char *name, const char *text, size_t n,
                                  const struct cn_trainer_override *overrides, int n_overrides,
                                  struct cn_trainer_config *out, struct cn_err *err)
{
    struct cn_yaml *y = NULL;
    cn_status st;

    memset(out, 0, sizeof *out);
    st = cn_yaml_parse(name, text, n, &y, err);
    return st == CN_OK ? from_yaml(y, overrides, n_overrides, out, err) : st;
}

cn_status cn_trainer_config_read(const char *path, const struct cn_trainer_override *overrides,
                                 int n_overrides, struct cn_trainer_config *out,
                                 struct cn_err *err)
{
    struct cn_yaml *y = NULL;
    cn_status st;

    memset(out, 0, sizeof *out);
    st = cn_yaml_read(path, &y, err);
    return st == CN_OK ? from_yaml(y, overrides, n_overrides, out, err) : st;
}

void cn_trainer_config_clear(struct cn_trainer_config *c)
{
    cn_yaml_free(c->yaml);
    c->yaml = NULL;
}

static cn_status check_count(const struct cn_trainer_config *c, const char *path,
                             int64_t stated, int64_t actual, struct cn_err *err)
{
    if (stated == 0 || stated == actual)
        return CN_OK;
    return cn_err_set(err, CN_EINPUT, "%s:%d: %s: %lld, but the network has %lld",
                      cn_yaml_name(c->yaml), line_of(c, path), path, (long long)stated,
                      (long long)actual);
}

cn_status cn_trainer_config_check_graph(const struct cn_trainer_config *c,
                                        const struct cn_fly_graph *g, struct cn_err *err)
{
    const char *types = "simulation.n_neuron_types";
    cn_status st = check_count(c, "simulation.n_neurons", c->n_neurons, g->n, err);

    if (st == CN_OK)
        st = check_count(c, "simulation.n_input_neurons", c->n_input_neurons, g->n_input, err);
    if (st == CN_OK)
        st = check_count(c, "simulation.n_edges", c->n_edges, g->e, err);
    if (st == CN_OK && line_of(c, types) > 0)
        st = check_count(c, types, c->fly.sim.n_types, g->n_types, err);
    return st;
}

/* Settings that cannot change a number, or follow from others. */
static bool shapes_numbers(const struct cn_trainer_param *p)
{
    return !p->silent && strcmp(p->path, "training.threads") != 0;
}

cn_status cn_trainer_config_hash(const struct cn_trainer_config *c, char out[CN_HASH_TEXT],
                                 struct cn_err *err)
{
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_CONFIG);
    cn_buf_adds(&b, "study=fly\n");
    for (int k = 0; k < n_rows(); k++) {
        const struct cn_trainer_param *p = &rows()[k];
        char text[CN_NUM_TEXT];

        if (!shapes_numbers(p))
            continue;
        if (p->type == CN_TRAINER_TEXT)
            cn_buf_printf(&b, "%s=%s\n", p->path, (const char *)c + p->at);
        else
            cn_buf_printf(&b, "%s=%s\n", p->path, cn_text_double(load(c, p), text));
    }
    st = cn_buf_status(&b);
    if (st == CN_OK)
        (void)cn_hash_hex(b.data, b.len, out);
    else
        (void)cn_err_set(err, st, "no memory to hash the settings");
    cn_buf_clear(&b);
    return st;
}

static cn_status add_ignored(void *ctx, const char *path, const struct cn_yaml_node *v)
{
    static const char *const plain[] = {"study", "description", "dataset"};
    struct cn_buf *b = ctx;

    (void)v;
    for (int k = 0; k < 3; k++)
        if (strcmp(path, plain[k]) == 0)
            return CN_OK;
    if (!belongs_to_harness(path) && row_of(path) < 0)
        cn_buf_printf(b, "%s%s", b->len ? ", " : "", path);
    return CN_OK;
}

void cn_trainer_config_ignored(const struct cn_trainer_config *c, struct cn_buf *b)
{
    (void)!cn_yaml_leaves(cn_yaml_root(c->yaml), add_ignored, b);
}
