/* Near duplicates. See near.h. */
#include "harness/loop/near.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "harness/loop/places.h"

/* Where one config stands. */
struct place {
    int64_t node;
    double *values;          /* double[training.n + simulation.n] */
    char rest[CN_HASH_TEXT]; /* identity of everything else */
};

struct cn_near {
    struct cn_arena arena;
    const struct cn_search *search;
    struct place *places;
    int64_t n;
};

static int32_t width(const struct cn_search *s)
{
    return s->training.space.n + s->simulation.space.n;
}

static cn_status add_node(struct cn_near *n, const struct cn_node *node, struct cn_err *err)
{
    struct place *p = &n->places[n->n];
    cn_status st;

    p->node = node->id;
    p->values = cn_arena_alloc(&n->arena, (size_t)width(n->search) + 1, sizeof *p->values);
    st = p->values ? cn_place_of(n->search, node->config, p->values, p->rest, err)
                   : cn_err_set(err, CN_ENOMEM, "no memory for node %lld", (long long)node->id);
    n->n += st == CN_OK;
    return st;
}

cn_status cn_near_new(const struct cn_search *s, const struct cn_history *h,
                      struct cn_near **out, struct cn_err *err)
{
    struct cn_near *n = cn_alloc(1, sizeof *n);
    cn_status st = CN_OK;

    *out = NULL;
    if (!n)
        return cn_err_set(err, CN_ENOMEM, "no memory to look for near duplicates");
    cn_arena_init(&n->arena, CN_CAP_ARENA);
    n->search = s;
    n->places = cn_arena_alloc(&n->arena, (size_t)h->n_nodes + 1, sizeof *n->places);
    if (!n->places)
        st = cn_err_set(err, CN_ENOMEM, "no memory to look for near duplicates");
    for (int64_t i = h->n_nodes > CN_NEAR_NODES ? h->n_nodes - CN_NEAR_NODES : 0;
         st == CN_OK && i < h->n_nodes; i++)
        st = add_node(n, &h->nodes[i], err);
    if (st == CN_OK)
        *out = n;
    else
        cn_near_free(n);
    return st;
}

void cn_near_free(struct cn_near *n)
{
    if (!n)
        return;
    cn_arena_clear(&n->arena);
    cn_free(n);
}

/* As a share of the range; infinite where the values are not comparable. */
static double distance(const struct cn_param *p, double a, double b)
{
    if (isnan(a) || isnan(b))
        return INFINITY;
    if (p->type == CN_PARAM_BOOL || p->type == CN_PARAM_CHOICE ||
        cn_space_is_off(p, a) != cn_space_is_off(p, b))
        return a == b ? 0 : 1;
    return a == b ? 0 : fabs(cn_space_place(p, a) - cn_space_place(p, b));
}

static double farthest(const struct cn_dims *d, const double *a, const double *b)
{
    double most = 0;

    for (int32_t i = 0; i < d->space.n; i++)
        most = fmax(most, distance(&d->space.params[i], a[i], b[i]));
    return most;
}

cn_status cn_near_find(const struct cn_near *n, const struct cn_yaml *config, double limit,
                       int64_t *out_node, double *out_distance, struct cn_err *err)
{
    const struct cn_search *s = n->search;
    double values[2 * CN_SPACE_PARAMS];
    struct place here = {.values = values};
    int32_t first = s->training.space.n;
    cn_status st = cn_place_of_yaml(s, config, values, here.rest, err);

    *out_node = 0;
    *out_distance = INFINITY;
    for (int64_t i = 0; st == CN_OK && i < n->n; i++) {
        const struct place *p = &n->places[i];
        double far = farthest(&s->training, values, p->values);

        far = fmax(far, farthest(&s->simulation, values + first, p->values + first));
        if (far < limit && far < *out_distance && strcmp(p->rest, here.rest) == 0) {
            *out_node = p->node;
            *out_distance = far;
        }
    }
    return st;
}
