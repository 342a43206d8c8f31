/* How long a proposed training would take, from the trainings of this run, and whether that is
 * hopeless. See ucb/runtime.h for the model.
 *
 *     st = cn_forecast_new(planner, history, &f, &err);      // NULL when there is no limit
 *     vet.forecast = f;                                      // cn_mutation_vet refuses what is
 *                                                            //   hopeless, with the numbers
 *     cn_forecast_free(f);
 *
 * The limit: settings.deadline_min; else twice settings.training_time_target_min; with neither, or
 * with refuse_hopeless false, there is no forecast. Hopeless: even the lower end of the predictive
 * interval (settings.confidence) lies beyond the limit. So a training is never refused for a
 * parameter that nobody has tried to change: its cost is not known, and the interval is wide.
 */
#ifndef CN_LOOP_FORECAST_H
#define CN_LOOP_FORECAST_H

#include "base/status.h"
#include "base/yaml.h"
#include "harness/loop/plan.h"
#include "ucb/runtime.h"

struct cn_forecast; /* opaque */

/* *out NULL: nothing to forecast. Borrows the planner. */
CN_MUST_CHECK cn_status cn_forecast_new(const struct cn_planner *pl, const struct cn_history *h,
                                        struct cn_forecast **out, struct cn_err *err);
void cn_forecast_free(struct cn_forecast *f); /* NULL is fine */

struct cn_runtime_guess cn_forecast_guess(const struct cn_forecast *f,
                                          const struct cn_yaml *config);
/* CN_EINPUT "would take about 95 min (at least 71), the limit is 60 min" when hopeless. */
CN_MUST_CHECK cn_status cn_forecast_check(const struct cn_forecast *f,
                                          const struct cn_yaml *config, struct cn_err *err);

#endif
