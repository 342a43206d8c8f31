/* What cairn-train does: generate, run, evaluate, plot, check. `run` makes the data, trains,
 * evaluates and plots.
 *
 *     struct cn_trainer_call c = {.verb = CN_TRAINER_RUN, .config = "c.yaml", .out = "runs/a"};
 *     st = cn_trainer_call_run(&c, &err); // files written; st says how it ended
 *
 * The exit code of a status: cn_status_exit_code.
 */
#ifndef CN_TRAINER_VERBS_H
#define CN_TRAINER_VERBS_H

#include <signal.h>
#include <stdbool.h>

#include "base/status.h"
#include "trainer/run/config.h"

typedef enum {
    CN_TRAINER_GENERATE,
    CN_TRAINER_RUN,
    CN_TRAINER_EVALUATE,
    CN_TRAINER_PLOT,
    CN_TRAINER_CHECK /* read the config and nothing else */
} cn_trainer_verb;

struct cn_trainer_call {
    cn_trainer_verb verb;
    const char *config; /* NULL: config.yaml in `out` */
    const char *out;    /* run folder; NULL only for generate */
    bool resume;
    const struct cn_trainer_override *overrides;
    int n_overrides;
};

/* CN_OK; CN_EINPUT and its kin (exit 2); CN_EDIVERGED (3); CN_ENOMEM, CN_ENOSPC (4);
 * CN_ESTOPPED (5) once *cn_trainer_stop is set. run and evaluate leave a result.json in every
 * case where the folder can be written. */
CN_MUST_CHECK cn_status cn_trainer_call_run(const struct cn_trainer_call *c,
                                            struct cn_err *err);

/* Set by the signal handler of main. */
extern volatile sig_atomic_t cn_trainer_stop;

#endif
