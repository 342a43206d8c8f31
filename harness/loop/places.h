/* Where configs stand in the search space, remembered: a plan asks this of every node of the window,
 * and reading a config again and again would cost more than the planning.
 *
 *     double values[n];     // n = training.space.n + simulation.space.n
 *     char rest[CN_HASH_TEXT];
 *     st = cn_place_of(search, node->config, values, rest, &err);
 *
 * What is remembered is found by the config's words alone, so it is never out of date; the memory
 * belongs to the search and is bounded.
 */
#ifndef CN_LOOP_PLACES_H
#define CN_LOOP_PLACES_H

#include "harness/loop/mutation.h"

/* Coordinates: the training parameters, then those of the simulation. `rest`: identity of
 * everything else in the config (seeds, search settings and description left out). */
CN_MUST_CHECK cn_status cn_place_of(const struct cn_search *s, const char *config,
                                    double *values, char rest[CN_HASH_TEXT],
                                    struct cn_err *err);
/* The same of a parsed config; nothing is remembered. */
CN_MUST_CHECK cn_status cn_place_of_yaml(const struct cn_search *s,
                                         const struct cn_yaml *config, double *values,
                                         char rest[CN_HASH_TEXT], struct cn_err *err);

/* For mutation.c. */
CN_MUST_CHECK cn_status cn_places_new(int32_t width, struct cn_places **out,
                                      struct cn_err *err);
void cn_places_free(struct cn_places *p); /* NULL is fine */

#endif
