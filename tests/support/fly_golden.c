#include "tests/support/fly_golden.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "tests/support/cases.h"

static double *array(const struct fly_golden *g, const char *path)
{
    return cn_case_array(cn_json_path(g->root, path), NULL);
}

static int32_t *ints(const struct fly_golden *g, const char *path, int64_t *n)
{
    double *x = cn_case_array(cn_json_path(g->root, path), n);
    int32_t *out = cn_alloc((size_t)*n, sizeof *out);

    for (int64_t k = 0; k < *n; k++)
        out[k] = (int32_t)x[k];
    cn_free(x);
    return out;
}

void fly_golden_open(struct fly_golden *g)
{
    struct cn_err err = CN_ERR_INIT;
    double n, frames;

    memset(g, 0, sizeof *g);
    g->doc = cn_case_json("golden/fly_gnn.json");
    g->root = cn_json_root(g->doc);
    (void)cn_json_number(cn_json_path(g->root, "meta.n_neurons"), &n);
    (void)cn_json_number(cn_json_path(g->root, "meta.batch"), &frames);
    (void)cn_json_number(cn_json_path(g->root, "regulariser_inputs.xnorm"), &g->stats.xnorm);
    g->graph.n = (int64_t)n;
    g->frames = (int32_t)frames;
    g->graph.src = ints(g, "graph.src", &g->graph.e);
    g->graph.dst = ints(g, "graph.dst", &g->graph.e);
    if (cn_fly_graph_index(&g->graph, &err) != CN_OK) {
        fprintf(stderr, "golden graph: %s\n", err.text);
        abort();
    }
    g->v = array(g, "batch.v");
    g->I = array(g, "batch.I");
    g->y = array(g, "batch.y");
    g->mu = array(g, "regulariser_inputs.mu");
    g->sigma = array(g, "regulariser_inputs.sigma");
    g->stats.mu = g->mu;
    g->stats.sigma = g->sigma;
}

void fly_golden_close(struct fly_golden *g)
{
    cn_json_free(g->doc);
    cn_fly_graph_clear(&g->graph);
    cn_free(g->v);
    cn_free(g->I);
    cn_free(g->y);
    cn_free(g->mu);
    cn_free(g->sigma);
}

struct cn_fly_model *fly_golden_model(const struct fly_golden *g, cn_fly_model_kind kind,
                                      cn_activation act, bool positive, bool linear_tanh)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_fly_model *mod;
    struct cn_fly_config cfg = {.model = {.kind = kind,
                                          .linear_tanh = linear_tanh,
                                          .embedding_dim = 2,
                                          .hidden_dim = 6,
                                          .n_layers = 3,
                                          .hidden_dim_update = 6,
                                          .n_layers_update = 3,
                                          .g_phi_positive = positive,
                                          .activation = act}};

    if (cn_fly_model_new(&cfg, &g->graph, &mod, &err) != CN_OK) {
        fprintf(stderr, "golden model: %s\n", err.text);
        abort();
    }
    return mod;
}

double *fly_golden_params(const struct fly_golden *g, const struct cn_fly_model *mod)
{
    double *p = cn_alloc((size_t)cn_fly_model_n_params(mod), sizeof *p);

    for (int32_t k = 0; k < cn_fly_model_n_tensors(mod); k++) {
        const struct cn_fly_tensor *t = cn_fly_model_tensor(mod, k);
        const struct cn_json *from = cn_json_get(cn_json_get(g->root, "params"), t->name);
        char name[32];
        double *x;
        if (!from && t->name[0] == 'g') {
            (void)snprintf(name, sizeof name, "g_A%s", t->name + 1);
            from = cn_json_get(cn_json_get(g->root, "params"), name);
        }
        if (!from)
            from = cn_json_get(cn_json_get(g->root, "linear"), t->name);
        x = cn_case_array(from, NULL);
        memcpy(p + t->offset, x, (size_t)t->count * sizeof *p);
        cn_free(x);
    }
    return p;
}

bool fly_golden_grads_close(const char *what, const struct cn_fly_model *mod,
                            const struct cn_json *grads, const double *grad, double tol)
{
    double scale = 0;
    bool ok = true;

    for (int pass = 0; pass < 2; pass++)
        for (int32_t k = 0; k < cn_fly_model_n_tensors(mod); k++) {
            const struct cn_fly_tensor *t = cn_fly_model_tensor(mod, k);
            const struct cn_json *golden = cn_json_get(grads, t->name);
            char name[128];
            double *x = NULL;
            if (cn_json_kind(golden) == CN_JSON_OBJECT)
                x = cn_case_array(golden, NULL);
            for (int64_t j = 0; x && pass == 0 && j < t->count; j++)
                scale = fmax(scale, fabs(x[j]));
            (void)snprintf(name, sizeof name, "%s d%s", what, t->name);
            if (x && pass == 1)
                ok = cn_case_close(name, grad + t->offset, x, t->count, tol,
                                   scale > 0 ? scale : 1) &&
                     ok;
            for (int64_t j = 0; !x && pass == 1 && j < t->count; j++)
                if (grad[t->offset + j] != 0) {
                    fprintf(stderr, "%s: is detached, found %g at %lld\n", name,
                            grad[t->offset + j], (long long)j);
                    ok = false;
                    break;
                }
            cn_free(x);
        }
    return ok;
}

static bool number_close(const char *what, const struct cn_json *golden, double got, double tol)
{
    double want;

    if (!cn_json_number(golden, &want)) {
        fprintf(stderr, "%s: no golden number\n", what);
        return false;
    }
    return cn_case_close(what, &got, &want, 1, tol, fabs(want) > 0 ? 0 : 1);
}

int fly_golden_cases(const struct fly_golden *g, fly_loss_grad *fn, double tol)
{
    struct cn_fly_reference_batch b = {g->frames, g->v, g->I, g->y};
    int failures = 0, seen = 0;

    for (const struct cn_json *c = cn_json_first(cn_json_get(g->root, "cases")); c;
         c = cn_json_next(c)) {
        bool positive = false,
             tanh_act = strcmp(cn_json_string(cn_json_get(c, "activation")), "tanh") == 0, ok;
        struct cn_fly_coef none = {0};
        struct cn_fly_terms terms;
        struct cn_fly_model *mod;
        char name[64];
        double *p, *grad;
        if (strcmp(cn_json_string(cn_json_get(c, "model")), "flyvis_A") != 0)
            continue;
        (void)cn_json_bool(cn_json_get(c, "g_phi_positive"), &positive);
        (void)snprintf(name, sizeof name, "flyvis_A %s %s", tanh_act ? "tanh" : "relu",
                       positive ? "positive" : "plain");
        mod = fly_golden_model(g, CN_FLY_A, tanh_act ? CN_ACT_TANH : CN_ACT_RELU, positive,
                               false);
        p = fly_golden_params(g, mod);
        grad = cn_alloc((size_t)cn_fly_model_n_params(mod), sizeof *grad);
        fn(mod, p, &b, &none, &g->stats, &terms, grad);
        ok = number_close(name, cn_json_get(c, "loss"), terms.data, tol);
        ok = number_close(name, cn_json_get(c, "loss_logged"), terms.logged, tol) && ok;
        ok = fly_golden_grads_close(name, mod, cn_json_get(c, "grads"), grad, tol) && ok;
        failures += !ok;
        seen++;
        cn_free(p);
        cn_free(grad);
        cn_fly_model_free(mod);
    }
    return seen == 4 ? failures : -1;
}

int fly_golden_linear(const struct fly_golden *g, fly_loss_grad *fn, double tol)
{
    static const char *const names[] = {"flyvis_linear", "flyvis_linear_tanh"};
    struct cn_fly_reference_batch b = {g->frames, g->v, g->I, g->y};
    int failures = 0;

    for (int k = 0; k < 2; k++) {
        const struct cn_json *c = cn_json_get(cn_json_get(g->root, "linear"), names[k]);
        struct cn_fly_model *mod =
            fly_golden_model(g, CN_FLY_LINEAR, CN_ACT_RELU, false, k == 1);
        struct cn_fly_coef none = {0};
        struct cn_fly_terms terms;
        double *p = fly_golden_params(g, mod),
               *grad = cn_alloc((size_t)cn_fly_model_n_params(mod), sizeof *grad);
        bool ok;
        fn(mod, p, &b, &none, &g->stats, &terms, grad);
        ok = number_close(names[k], cn_json_get(c, "loss"), terms.data, tol);
        ok = fly_golden_grads_close(names[k], mod, cn_json_get(c, "grads"), grad, tol) && ok;
        failures += !ok;
        cn_free(p);
        cn_free(grad);
        cn_fly_model_free(mod);
    }
    return failures;
}

/* One row a regulariser: name in the file, where its coefficients go, tolerances. */
#define COEF(field) offsetof(struct cn_fly_coef, field)
enum { NONE = -1, V1_FORM = 1, NOT_POSITIVE = 2, ZERO_W = 4, RAMP = 8, DOUBLE_ONLY = 16 };
static const struct {
    const char *name;
    cn_fly_term term;
    int64_t c1, c2;
    int flags;
    double tol_double, tol_float;
} table[] = {
    {"W_L1", CN_FLY_TERM_W_L1, COEF(W_L1), NONE, 0, 1e-6, 1e-4},
    {"W_L2", CN_FLY_TERM_W_L2, COEF(W_L2), NONE, 0, 1e-6, 1e-4},
    {"W_L1_at_zero", CN_FLY_TERM_W_L1, COEF(W_L1), NONE, ZERO_W, 1e-6, 1e-4},
    {"W_L2_at_zero", CN_FLY_TERM_W_L2, COEF(W_L2), NONE, ZERO_W, 1e-6, 1e-4},
    {"W_sign", CN_FLY_TERM_W_sign, COEF(W_sign), NONE, 0, 1e-6, 1e-4},
    {"g_phi_weight", CN_FLY_TERM_g_phi_weight, COEF(g_phi_weight_L1), COEF(g_phi_weight_L2), 0,
     1e-6, 1e-4},
    {"f_theta_weight", CN_FLY_TERM_f_theta_weight, COEF(f_theta_weight_L1),
     COEF(f_theta_weight_L2), 0, 1e-6, 1e-4},
    {"g_phi_diff", CN_FLY_TERM_g_phi_diff, COEF(g_phi_diff), NONE, 0, 1e-6, 1e-3},
    {"g_phi_diff_not_positive", CN_FLY_TERM_g_phi_diff, COEF(g_phi_diff), NONE, NOT_POSITIVE,
     1e-6, 1e-3},
    {"g_phi_diff_v1", CN_FLY_TERM_g_phi_diff, COEF(g_phi_diff), NONE, V1_FORM, 1e-6, 1e-3},
    {"g_phi_norm", CN_FLY_TERM_g_phi_norm, COEF(g_phi_norm), NONE, 0, 1e-6, 1e-4},
    {"g_phi_norm_not_positive", CN_FLY_TERM_g_phi_norm, COEF(g_phi_norm), NONE, NOT_POSITIVE,
     1e-6, 1e-4},
    {"f_theta_zero", CN_FLY_TERM_f_theta_zero, COEF(f_theta_zero), NONE, 0, 1e-6, 1e-4},
    {"f_theta_diff_v1", CN_FLY_TERM_f_theta_diff, COEF(f_theta_diff), NONE, V1_FORM, 1e-6,
     1e-3},
    {"f_theta_diff_v2", CN_FLY_TERM_f_theta_diff, COEF(f_theta_diff), NONE, 0, 1e-6, 1e-3},
    {"f_theta_msg_diff", CN_FLY_TERM_f_theta_msg_diff, COEF(f_theta_msg_diff), NONE, 0, 1e-6,
     1e-3},
    {"f_theta_msg_diff_v1", CN_FLY_TERM_f_theta_msg_diff, COEF(f_theta_msg_diff), NONE, V1_FORM,
     1e-6, 1e-3},
    {"f_theta_msg_diff_1e-6", CN_FLY_TERM_f_theta_msg_diff, COEF(f_theta_msg_diff), NONE,
     DOUBLE_ONLY, 1e-4, 0},
    {"f_theta_msg_sign", CN_FLY_TERM_f_theta_msg_sign, COEF(f_theta_msg_sign), NONE, 0, 1e-6,
     1e-4},
    {"f_theta_linearity", CN_FLY_TERM_f_theta_linearity, COEF(f_theta_linearity), NONE, RAMP,
     1e-6, 1e-3},
    {"f_theta_centering", CN_FLY_TERM_f_theta_centering, COEF(f_theta_centering), NONE, RAMP,
     1e-6, 1e-4},
};

static void set_coef(struct cn_fly_coef *c, int64_t at, double x)
{
    if (at >= 0)
        memcpy((char *)c + at, &x, sizeof x);
}

static struct cn_fly_coef coefficients(int k, const struct cn_json *one)
{
    struct cn_fly_coef c = {.W_sign_temperature = 10,
                            .generation = table[k].flags & V1_FORM ? CN_FLY_V1 : CN_FLY_V2};
    double x[2] = {0}, ramp = 1;

    if (cn_json_kind(cn_json_get(one, "c")) == CN_JSON_ARRAY)
        (void)cn_json_doubles(cn_json_get(one, "c"), x, 2);
    else
        (void)cn_json_number(cn_json_get(one, "c"), &x[0]);
    if (table[k].flags & RAMP)
        (void)cn_json_number(cn_json_get(one, "ramp"), &ramp);
    set_coef(&c, table[k].c1, ramp * x[0]);
    set_coef(&c, table[k].c2, x[1]);
    if (table[k].flags & DOUBLE_ONLY)
        c.msg_delta = 1e-6;
    return c;
}

int fly_golden_regularisers(const struct fly_golden *g, fly_loss_grad *fn, bool is_float)
{
    struct cn_fly_reference_batch b = {g->frames, g->v, g->I, NULL};
    int failures = 0;

    for (size_t k = 0; k < sizeof table / sizeof table[0]; k++) {
        const struct cn_json *one =
            cn_json_get(cn_json_get(g->root, "regularisers"), table[k].name);
        double tol = is_float ? table[k].tol_float : table[k].tol_double;
        struct cn_fly_coef c = coefficients((int)k, one);
        struct cn_fly_terms terms;
        struct cn_fly_model *mod =
            fly_golden_model(g, CN_FLY_A, CN_ACT_RELU, !(table[k].flags & NOT_POSITIVE), false);
        double *p = fly_golden_params(g, mod),
               *grad = cn_alloc((size_t)cn_fly_model_n_params(mod), sizeof *grad);
        bool ok = true;
        if (table[k].flags & ZERO_W)
            memset(p, 0, (size_t)g->graph.e * sizeof *p);
        if (!(is_float && table[k].flags & DOUBLE_ONLY)) {
            fn(mod, p, &b, &c, &g->stats, &terms, grad);
            ok = number_close(table[k].name, cn_json_get(one, "value"),
                              terms.term[table[k].term], tol);
            ok = fly_golden_grads_close(table[k].name, mod, cn_json_get(one, "grads"), grad,
                                        tol) &&
                 ok;
        }
        failures += !ok;
        cn_free(p);
        cn_free(grad);
        cn_fly_model_free(mod);
    }
    return failures;
}

struct cn_fly_coef fly_golden_adam_coef(void)
{
    /* W_L2 .5 stands in the file but is shadowed: W_L1 is on. */
    return (struct cn_fly_coef){.W_L1 = 0.002,
                                .g_phi_weight_L1 = 0.003,
                                .f_theta_weight_L1 = 0.004,
                                .f_theta_weight_L2 = 0.001,
                                .g_phi_diff = 0.7,
                                .g_phi_norm = 0.9};
}
