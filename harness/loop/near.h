/* Near duplicates: configs that differ from an earlier one by less than anybody would notice.
 *
 *     struct cn_near *near;
 *     st = cn_near_new(&search, &history, &near, &err);   // once, for many vettings
 *     if (cn_near_find(near, config, 0.005, &node, &distance)) ...
 *     cn_near_free(near);
 *
 * Distance: the largest difference of any searched parameter as a share of its range, on its
 * scale. Choices, bools and "off" are either the same or a whole range apart; keys outside the
 * search space must be the same.
 */
#ifndef CN_LOOP_NEAR_H
#define CN_LOOP_NEAR_H

#include "harness/loop/mutation.h"

struct cn_near;

/* Reads the configs of the newest CN_NEAR_NODES nodes: a search that comes back to where it was so
 * long ago does it on purpose, and the very same config is refused by its hash. Borrows both.
 * CN_ENOMEM. */
enum { CN_NEAR_NODES = 1024 };
CN_MUST_CHECK cn_status cn_near_new(const struct cn_search *s, const struct cn_history *h,
                                    struct cn_near **out, struct cn_err *err);
void cn_near_free(struct cn_near *n); /* NULL is fine */

/* The nearest node within `limit`; *out_node 0: none. */
CN_MUST_CHECK cn_status cn_near_find(const struct cn_near *n, const struct cn_yaml *config,
                                     double limit, int64_t *out_node, double *out_distance,
                                     struct cn_err *err);

#endif
