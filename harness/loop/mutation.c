/* The search space and vetted mutations. See mutation.h.
 *
 * Contents: 1 one dimension  2 the space  3 coordinates and texts  4 vetting
 */
#include "harness/loop/mutation.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/forecast.h"
#include "harness/loop/near.h"
#include "harness/loop/places.h"

/* ------------------------------------------------------------------ 1 one dimension */

struct builder {
    struct cn_search *s;
    const struct cn_protocol *protocol;
    const struct cn_trainer *trainer;
    struct cn_err *err;
};

static cn_status wrong(const struct builder *b, const struct cn_protocol_param *q,
                       const char *what)
{
    return cn_err_set(b->err, CN_EINPUT, "%s:%d: %s: %s", q->file, q->line, q->path, what);
}

static bool same_value(const char *a, const char *b)
{
    double x, y;

    if (cn_text_parse_double(a, &x) && cn_text_parse_double(b, &y))
        return x == y;
    return strcmp(a, b) == 0;
}

static bool is_allowed(const struct cn_trainer_param *p, const char *text)
{
    for (int32_t i = 0; i < p->n_choices; i++)
        if (same_value(p->choices[i], text))
            return true;
    return p->n_choices == 0;
}

static bool all_numbers(const char *const *texts, int32_t n)
{
    double x;

    for (int32_t i = 0; i < n; i++)
        if (!cn_text_parse_double(texts[i], &x))
            return false;
    return n > 0;
}

/* Ascending by value, so that neighbours mean something. */
static void sort_numbers(const char **texts, int32_t n)
{
    for (int32_t i = 1; i < n; i++)
        for (int32_t k = i; k > 0; k--) {
            double a = 0, b = 0;
            const char *t = texts[k];

            if (!cn_text_parse_double(texts[k - 1], &a) || !cn_text_parse_double(t, &b) ||
                a <= b)
                break;
            texts[k] = texts[k - 1];
            texts[k - 1] = t;
        }
}

/* A list of values: the protocol's, or the trainer's inside the protocol's range when it only
 * gives a range. */
static cn_status make_choice(const struct builder *b, const struct cn_protocol_param *q,
                             const struct cn_trainer_param *p, struct cn_param *out,
                             const char ***out_texts)
{
    int32_t room = q->n_choices > p->n_choices ? q->n_choices : p->n_choices, n = 0;
    const char **texts = cn_arena_alloc(&b->s->arena, (size_t)room, sizeof *texts);
    double x;

    if (!texts)
        return cn_err_set(b->err, CN_ENOMEM, "%s: no memory for its values", q->path);
    for (int32_t i = 0; i < q->n_choices; i++) {
        if (!is_allowed(p, q->choices[i]))
            return cn_err_set(b->err, CN_EINPUT,
                              "%s:%d: %s: %s: the trainer does not allow this value", q->file,
                              q->line, q->path, q->choices[i]);
        texts[n++] = cn_arena_strdup(&b->s->arena, q->choices[i]);
    }
    for (int32_t i = 0; q->n_choices == 0 && i < p->n_choices; i++)
        if (!cn_text_parse_double(p->choices[i], &x) || (x >= q->lo && x <= q->hi))
            texts[n++] = cn_arena_strdup(&b->s->arena, p->choices[i]);
    for (int32_t i = 0; i < n; i++)
        if (!texts[i])
            return cn_err_set(b->err, CN_ENOMEM, "%s: no memory for its values", q->path);
    if (n == 0)
        return wrong(b, q, "none of the trainer's values lies in this range");
    out->type = CN_PARAM_CHOICE;
    out->n_choices = n;
    out->ordered = all_numbers(texts, n);
    if (out->ordered)
        sort_numbers(texts, n);
    *out_texts = texts;
    return CN_OK;
}

static cn_status make_range(const struct builder *b, const struct cn_protocol_param *q,
                            const struct cn_trainer_param *p, struct cn_param *out)
{
    if (p->type == CN_TRAINER_STRING)
        return wrong(b, q, "is a text: expected a list of values, found a range");
    if (q->lo < p->min || q->hi > p->max)
        return cn_err_set(b->err, CN_EINPUT,
                          "%s:%d: %s: range %g to %g: the trainer allows %g to %g only",
                          q->file, q->line, q->path, q->lo, q->hi, p->min, p->max);
    out->type = p->type == CN_TRAINER_INT ? CN_PARAM_INT : CN_PARAM_FLOAT;
    out->lo = q->lo;
    out->hi = q->hi;
    out->hard_lo = p->min;
    out->hard_hi = p->max;
    out->log = p->log && q->lo >= 0 && q->hi > 0;
    return CN_OK;
}

static cn_status make_dim(const struct builder *b, const struct cn_protocol_param *q,
                          const struct cn_trainer_param *p, struct cn_param *out,
                          const char ***out_texts)
{
    *out_texts = NULL;
    out->path = p->path;
    if (p->type == CN_TRAINER_BOOL) {
        out->type = CN_PARAM_BOOL;
        return CN_OK;
    }
    if (q->n_choices > 0 || p->n_choices > 0)
        return make_choice(b, q, p, out, out_texts);
    return make_range(b, q, p, out);
}

/* ------------------------------------------------------------------ 2 the space */

static cn_status find_param(const struct builder *b, const struct cn_protocol_param *q,
                            const struct cn_trainer_param **out)
{
    bool in_simulation = q->cls == CN_PROTOCOL_SIMULATION;

    *out = cn_trainer_param(b->trainer, q->path, b->err);
    if (!*out)
        return cn_err_prefix(b->err, "%s:%d", q->file, q->line);
    if ((*out)->simulation != in_simulation)
        return wrong(b, q,
                     (*out)->simulation
                         ? "changes the simulation; expected under the simulation parameters"
                         : "is a training parameter; expected under the training parameters");
    return CN_OK;
}

/* A parameter that the protocol wants explored: it gives values, or (a bool) names it with
 * choices. */
static bool is_explored(const struct cn_protocol_param *q)
{
    return q->has_range || q->n_choices > 0;
}

static bool is_listed(const struct cn_dims *d, const struct cn_trainer_param *p)
{
    for (int32_t i = 0; i < d->space.n; i++)
        if (d->of[i] == p)
            return true;
    return false;
}

static cn_status add_dim(const struct builder *b, struct cn_dims *d, struct cn_param *params,
                         const struct cn_protocol_param *q)
{
    const struct cn_trainer_param *p;
    cn_status st = find_param(b, q, &p);

    if (st != CN_OK || !is_explored(q))
        return st;
    if (is_listed(d, p))
        return wrong(b, q, "is listed twice");
    st = make_dim(b, q, p, &params[d->space.n], &d->choices[d->space.n]);
    if (st == CN_OK)
        d->of[d->space.n++] = p;
    return st;
}

static cn_status init_dims(const struct builder *b, struct cn_dims *d, cn_protocol_class cls)
{
    size_t n = (size_t)b->protocol->n_params + 1;
    struct cn_param *params = cn_arena_alloc(&b->s->arena, n, sizeof *params);
    cn_status st = CN_OK;

    d->of = cn_arena_alloc(&b->s->arena, n, sizeof *d->of);
    d->choices = cn_arena_alloc(&b->s->arena, n, sizeof *d->choices);
    if (!params || !d->of || !d->choices)
        return cn_err_set(b->err, CN_ENOMEM, "no memory for the search space");
    d->space.params = params;
    for (int32_t i = 0; st == CN_OK && i < b->protocol->n_params; i++)
        if (b->protocol->params[i].cls == cls)
            st = add_dim(b, d, params, &b->protocol->params[i]);
    if (st == CN_OK && d->space.n > 0)
        st = cn_space_check(&d->space, b->err);
    return st;
}

cn_status cn_search_init(struct cn_search *s, const struct cn_protocol *p,
                         const struct cn_trainer *t, struct cn_err *err)
{
    struct builder b = {s, p, t, err};
    cn_status st;

    memset(s, 0, sizeof *s);
    cn_arena_init(&s->arena, CN_CAP_FILE);
    st = init_dims(&b, &s->training, CN_PROTOCOL_TRAINING);
    if (st == CN_OK)
        st = init_dims(&b, &s->simulation, CN_PROTOCOL_SIMULATION);
    if (st == CN_OK && s->training.space.n == 0)
        st = cn_err_set(
            err, CN_EINPUT,
            "%s: no training parameter with a range or a list of values; expected at least one",
            p->name);
    if (st == CN_OK)
        st = cn_places_new(s->training.space.n + s->simulation.space.n, &s->places, err);
    if (st != CN_OK)
        cn_search_clear(s);
    return st;
}

void cn_search_clear(struct cn_search *s)
{
    cn_places_free(s->places);
    cn_arena_clear(&s->arena);
    memset(s, 0, sizeof *s);
}

/* ------------------------------------------------------------------ 3 coordinates and texts */

double cn_search_value(const struct cn_dims *d, int32_t i, const char *text)
{
    const struct cn_param *p = &d->space.params[i];
    double x;

    if (p->type == CN_PARAM_BOOL)
        return strcmp(text, "true") == 0 ? 1 : strcmp(text, "false") == 0 ? 0 : (double)NAN;
    for (int32_t k = 0; p->type == CN_PARAM_CHOICE && k < p->n_choices; k++)
        if (same_value(d->choices[i][k], text))
            return k;
    if (p->type == CN_PARAM_CHOICE || !cn_text_parse_double(text, &x) || !isfinite(x))
        return (double)NAN;
    return x;
}

static const char *text_of(const struct cn_trainer_param *p, const struct cn_yaml *config)
{
    const struct cn_yaml_node *v =
        cn_yaml_path(cn_yaml_root(config), cn_trainer_spelling(p, config));
    const char *s = cn_yaml_string(v);
    bool yes;

    if (p->type == CN_TRAINER_BOOL && cn_yaml_bool(v, &yes))
        return yes ? "true" : "false";
    return v ? (s ? s : "") : p->default_text;
}

void cn_search_values(const struct cn_dims *d, const struct cn_yaml *config, double *out)
{
    for (int32_t i = 0; i < d->space.n; i++)
        out[i] = cn_search_value(d, i, text_of(d->of[i], config));
}

/* Three significant digits are enough for a person to read and for a search to differ; never
 * out of the range. */
static double round_in(const struct cn_param *p, double x)
{
    char text[CN_NUM_TEXT];
    double y;

    (void)snprintf(text, sizeof text, "%.3g", x);
    if (!cn_text_parse_double(text, &y) ||
        (x >= p->lo && x <= p->hi && !(y >= p->lo && y <= p->hi)) ||
        !(y >= p->hard_lo && y <= p->hard_hi))
        return x;
    return y;
}

void cn_search_text(const struct cn_dims *d, int32_t i, double x, char out[CN_VALUE_TEXT])
{
    const struct cn_param *p = &d->space.params[i];
    char number[CN_NUM_TEXT];

    switch (p->type) {
    case CN_PARAM_FLOAT:
        cn_text_copy(out, CN_VALUE_TEXT, cn_text_yaml_double(round_in(p, x), number));
        return;
    case CN_PARAM_INT:
        cn_text_format(out, CN_VALUE_TEXT, "%lld", (long long)llrint(x));
        return;
    case CN_PARAM_BOOL:
        cn_text_copy(out, CN_VALUE_TEXT, x != 0 ? "true" : "false");
        return;
    case CN_PARAM_CHOICE:
        cn_text_copy(out, CN_VALUE_TEXT, d->choices[i][(int32_t)x]);
        return;
    }
}

/* ------------------------------------------------------------------ 4 vetting */

cn_status cn_config_hash(const struct cn_yaml *config, char out[CN_HASH_TEXT],
                         struct cn_err *err)
{
    static const char *const skip[] = {"simulation.seed", "training.seed", "explore",
                                       "claude",          "description",   NULL};
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_TEXT);
    st = cn_yaml_canonical(config, skip, &b, err);
    if (st == CN_OK)
        cn_hash_hex(cn_buf_str(&b), b.len, out);
    cn_buf_clear(&b);
    return st;
}

static cn_status check_number(const struct cn_vet *v, const struct cn_trainer_param *p,
                              const char *value, struct cn_err *err)
{
    const struct cn_dims *d = p->simulation ? &v->search->simulation : &v->search->training;
    double x, lo = p->min, hi = p->max;

    if (!cn_text_parse_double(value, &x) || !isfinite(x) ||
        (p->type == CN_TRAINER_INT && x != floor(x)))
        return cn_err_set(err, CN_EINPUT, "%s: %s: expected %s", p->path, value,
                          p->type == CN_TRAINER_INT ? "a whole number" : "a number");
    for (int32_t i = 0; !v->probe && i < d->space.n; i++)
        if (d->of[i] == p && d->space.params[i].type != CN_PARAM_CHOICE) {
            lo = d->space.params[i].lo;
            hi = d->space.params[i].hi;
        }
    if (!(x >= lo && x <= hi))
        return cn_err_set(err, CN_EINPUT, "%s: %s: expected %g to %g%s", p->path, value, lo, hi,
                          v->probe ? " (the trainer's limits)" : " (the protocol's range)");
    return CN_OK;
}

static cn_status check_change(const struct cn_vet *v, const struct cn_trainer_param *p,
                              const char *value, struct cn_err *err)
{
    if (p->simulation && !v->simulation)
        return cn_err_set(err, CN_EINPUT,
                          "%s: changes the simulation; that is for the start of a block",
                          p->path);
    if (p->n_choices > 0)
        return is_allowed(p, value)
                   ? CN_OK
                   : cn_err_set(err, CN_EINPUT,
                                "%s: %s: is none of the values that the trainer allows",
                                p->path, value);
    if (p->type == CN_TRAINER_BOOL)
        return strcmp(value, "true") == 0 || strcmp(value, "false") == 0
                   ? CN_OK
                   : cn_err_set(err, CN_EINPUT, "%s: %s: expected true or false", p->path,
                                value);
    return p->type == CN_TRAINER_STRING ? CN_OK : check_number(v, p, value, err);
}

static cn_status set_derived(const struct cn_trainer_param *p, struct cn_yaml *y,
                             const char *value, struct cn_err *err)
{
    cn_status st = CN_OK;
    double x;

    for (int32_t k = 0; st == CN_OK && k < p->n_derives && cn_text_parse_double(value, &x);
         k++) {
        const struct cn_trainer_derive *d = &p->derives[k];
        double z = d->offset + d->scale * x;
        char text[CN_NUM_TEXT];

        if (p->type == CN_TRAINER_INT && z == floor(z) && fabs(z) < 1e15)
            cn_text_format(text, sizeof text, "%lld", (long long)z);
        else
            cn_text_yaml_double(z, text);
        st = cn_yaml_set(y, d->path, text, err);
    }
    return st;
}

static cn_status keep_mutation(struct cn_mutated *m, const char *path, const char *from,
                               const char *to, struct cn_err *err)
{
    struct cn_mutation *x = &m->mutations[m->n];

    x->path = cn_arena_strdup(&m->arena, path);
    x->old_text = cn_arena_strdup(&m->arena, from);
    x->new_text = cn_arena_strdup(&m->arena, to);
    if (!x->path || !x->old_text || !x->new_text)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory for the mutation", path);
    m->n++;
    return CN_OK;
}

/* Texts are quoted where YAML would read them as something else. */
static cn_status write_value(const struct cn_trainer_param *p, struct cn_yaml *y,
                             const char *path, const char *value, struct cn_err *err)
{
    struct cn_buf b;
    cn_status st;

    if (p->type != CN_TRAINER_STRING)
        return cn_yaml_set(y, path, value, err);
    cn_buf_init(&b, CN_CAP_CONFIG);
    cn_yaml_quote(&b, value);
    st = cn_yaml_set(y, path, cn_buf_str(&b), err);
    cn_buf_clear(&b);
    return st;
}

static cn_status apply_change(const struct cn_vet *v, const struct cn_change *c,
                              struct cn_yaml *y, struct cn_mutated *m, struct cn_err *err)
{
    const struct cn_trainer_param *p = cn_trainer_param(v->trainer, c->path, err);
    const char *spelling, *old;
    cn_status st;

    if (!p)
        return CN_EINPUT;
    st = check_change(v, p, c->value, err);
    if (st != CN_OK)
        return st;
    spelling = cn_trainer_spelling(p, y);
    old = text_of(p, y);
    if (same_value(old, c->value)) {
        if (v->same_is_fine)
            return CN_OK;
        return cn_err_set(err, CN_EINPUT, "%s: is %s already: no change", p->path, c->value);
    }
    /* Before the edit: `old` is borrowed from y. */
    st = keep_mutation(m, spelling, old, c->value, err);
    if (st == CN_OK)
        st = write_value(p, y, spelling, c->value, err);
    return st == CN_OK ? set_derived(p, y, c->value, err) : st;
}

static cn_status refuse_duplicate(const struct cn_vet *v, const struct cn_mutated *m,
                                  struct cn_err *err)
{
    int64_t twin = 0;
    cn_status st = CN_OK;

    if (!v->history || v->same_is_fine)
        return CN_OK;
    for (int64_t i = 0; twin == 0 && i < v->history->n_nodes; i++)
        if (strcmp(v->history->nodes[i].config_hash, m->hash) == 0)
            twin = v->history->nodes[i].id;
    if (twin == 0 && v->opt_elsewhere && v->history->older.first > 0)
        st = v->opt_elsewhere->node_with(v->opt_elsewhere->ctx, m->hash, &twin, err);
    if (st == CN_OK && twin > 0)
        st = cn_err_set(err, CN_EEXIST, "this config was tried before: node %lld",
                        (long long)twin);
    return st;
}

static cn_status refuse_near(const struct cn_vet *v, const struct cn_yaml *y,
                             struct cn_err *err)
{
    struct cn_near *made = NULL;
    const struct cn_near *near = v->opt_near;
    int64_t twin = 0;
    double distance;
    cn_status st = CN_OK;

    if (!v->history || v->same_is_fine || !(v->near_duplicate > 0))
        return CN_OK;
    if (!near) {
        st = cn_near_new(v->search, v->history, &made, err);
        near = made;
    }
    if (st == CN_OK)
        st = cn_near_find(near, y, v->near_duplicate, &twin, &distance, err);
    if (st == CN_OK && twin > 0)
        st = cn_err_set(
            err, CN_EEXIST,
            "this config is nearly node %lld: no parameter differs by more than %.2g "
            "of its range (near_duplicate %g)",
            (long long)twin, distance, v->near_duplicate);
    cn_near_free(made);
    return st;
}

static cn_status finish(struct cn_mutated *m, const struct cn_yaml *y, struct cn_err *err)
{
    cn_status st = cn_config_hash(y, m->hash, err);

    if (st != CN_OK)
        return st;
    m->config = cn_arena_strdup(&m->arena, cn_yaml_text(y, NULL));
    return m->config ? CN_OK : cn_err_set(err, CN_ENOMEM, "no memory for the mutated config");
}

cn_status cn_mutation_vet(const struct cn_vet *v, const char *parent_config,
                          const struct cn_change *changes, int n, struct cn_mutated *out,
                          struct cn_err *err)
{
    struct cn_yaml *y = NULL;
    cn_status st = cn_yaml_parse("config", parent_config, strlen(parent_config), &y, err);

    memset(out, 0, sizeof *out);
    cn_arena_init(&out->arena, CN_CAP_FILE);
    if (st == CN_OK) {
        out->mutations = cn_arena_alloc(&out->arena, (size_t)n + 1, sizeof *out->mutations);
        if (!out->mutations)
            st = cn_err_set(err, CN_ENOMEM, "no memory for %d mutations", n);
    }
    for (int i = 0; st == CN_OK && i < n; i++)
        st = apply_change(v, &changes[i], y, out, err);
    if (st == CN_OK && v->forecast && !v->same_is_fine)
        st = cn_forecast_check(v->forecast, y, err);
    if (st == CN_OK)
        st = finish(out, y, err);
    if (st == CN_OK)
        st = refuse_duplicate(v, out, err);
    if (st == CN_OK)
        st = refuse_near(v, y, err);
    cn_yaml_free(y);
    if (st != CN_OK)
        cn_mutated_clear(out);
    return st;
}

void cn_mutated_clear(struct cn_mutated *m)
{
    cn_arena_clear(&m->arena);
    memset(m, 0, sizeof *m);
}
