/* What may be changed and how a change becomes a config: the search space (protocol's
 * parameters as the describe table knows them) and the vetting of every mutation before it
 * costs anything.
 *
 *     struct cn_search s;
 *     st = cn_search_init(&s, protocol, trainer, &err); // unknown names, wrong class or range
 *     cn_search_values(&s.training, config, values);    // where a config stands
 *     struct cn_vet v = {.trainer = t, .search = &s, .history = h};
 *     struct cn_change c = {"training.lr_W", "1.0e-3"};
 *     st = cn_mutation_vet(&v, parent_config, &c, 1, &m, &err); // known, typed, in range, new
 *     ... m.config, m.hash, m.mutations[0..m.n) ...
 *     cn_mutated_clear(&m);
 *
 * Edits go through cn_yaml_set: every byte of the config but the values survives.
 */
#ifndef CN_LOOP_MUTATION_H
#define CN_LOOP_MUTATION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/yaml.h"
#include "harness/loop/trainer.h"
#include "logs/record.h"
#include "protocols/protocol.h"
#include "ucb/space.h"

/* Parameters of one class; params[i] (of the space) and of[i] (of the trainer) belong
 * together. */
struct cn_dims {
    struct cn_space space;
    const struct cn_trainer_param **of;
    const char ***choices; /* texts of a choice; NULL otherwise */
};

struct cn_places; /* harness/loop/places.h */
struct cn_search {
    struct cn_arena arena;
    struct cn_dims training, simulation;
    struct cn_places *places; /* owned; NULL: every question reads the config again */
};

/* Only parameters with a range or a list of values are in the space.
 * CN_EINPUT "protocol.md:12: ..." . */
CN_MUST_CHECK cn_status cn_search_init(struct cn_search *s, const struct cn_protocol *p,
                                       const struct cn_trainer *t, struct cn_err *err);
void cn_search_clear(struct cn_search *s);

/* Coordinates of a config: double[d->space.n]; a missing key has the trainer's default; NaN
 * where the value is no point of the space (a number outside a list of choices, text where a
 * number belongs). */
void cn_search_values(const struct cn_dims *d, const struct cn_yaml *config, double *out);
/* The coordinate of a value's text; NaN when it has none. */
double cn_search_value(const struct cn_dims *d, int32_t i, const char *text);
/* Plain text of a coordinate, floats rounded to three significant digits inside the range. */
enum { CN_VALUE_TEXT = 256 };
void cn_search_text(const struct cn_dims *d, int32_t i, double x, char out[CN_VALUE_TEXT]);

struct cn_change {
    const char *path;  /* path, alias or bare name */
    const char *value; /* plain text; quoted for YAML where needed */
};

struct cn_forecast;
/* The first node with this config in the whole record, also where a window leaves it out; 0: none.
 * A question whose answer does not change once it is not 0. */
struct cn_elsewhere {
    cn_status (*node_with)(void *ctx, const char *config_hash, int64_t *out_node,
                           struct cn_err *err);
    void *ctx;
};

struct cn_near;
struct cn_vet {
    const struct cn_trainer *trainer;
    const struct cn_search *search;
    const struct cn_history *history; /* duplicates are looked for here; NULL: nowhere */
    const struct cn_elsewhere *opt_elsewhere; /* ... and here, when the history is a window */
    const struct cn_forecast *forecast; /* refuses what cannot end in time; NULL: nothing */
    /* Largest difference of any parameter, as a share of its range, below which a config counts as
     * one of the history's (near.h); 0: only equal ones do. */
    double near_duplicate;
    const struct cn_near *opt_near; /* for many vettings; NULL: made for this one */
    bool simulation;   /* a block boundary: parameters of class simulation may change */
    bool probe;        /* a failure-probe may go up to the hard range */
    bool same_is_fine; /* a block's root: no-ops and duplicates pass */
};

struct cn_mutated {
    struct cn_arena arena;
    const char *config;
    char hash[CN_HASH_TEXT];
    struct cn_mutation *mutations;
    int n;
};

/* CN_EINPUT: unknown, of the wrong type, out of range, of a class not allowed now, or no change
 * at all. CN_EEXIST: the config, or one within near_duplicate, was tried before (the message names the node). On failure `out`
 * is empty. */
CN_MUST_CHECK cn_status cn_mutation_vet(const struct cn_vet *v, const char *parent_config,
                                        const struct cn_change *changes, int n,
                                        struct cn_mutated *out, struct cn_err *err);
void cn_mutated_clear(struct cn_mutated *m);

/* Identity of a config: canonical text without seeds, search settings and description,
 * hashed. */
CN_MUST_CHECK cn_status cn_config_hash(const struct cn_yaml *config, char out[CN_HASH_TEXT],
                                       struct cn_err *err);

#endif
