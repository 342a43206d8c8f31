/* The trainer that a config names, and what it says about itself (docs/TRAINER_CONTRACT.md,
 * sections 1 and 5).
 *
 *     st = cn_trainer_find(config, "configs", &t, &err); // runs `describe` or reads its file
 *     const struct cn_trainer_param *p = cn_trainer_param(t, "lr_W", &err);
 *     ... t->command, then run --config C --out DIR
 *     cn_trainer_free(t);
 */
#ifndef CN_LOOP_TRAINER_H
#define CN_LOOP_TRAINER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "base/yaml.h"
#include "ucb/space.h"

/* A key that must follow a parameter: offset + scale * value. */
struct cn_trainer_derive {
    const char *path;
    double scale, offset;
};

typedef enum {
    CN_TRAINER_FLOAT,
    CN_TRAINER_INT,
    CN_TRAINER_BOOL,
    CN_TRAINER_STRING
} cn_trainer_type;

struct cn_trainer_param {
    const char *path;
    const char **aliases;
    int32_t n_aliases;
    cn_trainer_type type;
    const char *default_text; /* as YAML would say it; "" when the table gives none */
    double min, max;          /* hard range; infinite when open */
    bool log;
    bool simulation;      /* class: block boundaries only */
    const char **choices; /* allowed values as text; n_choices 0: the range counts */
    int32_t n_choices;
    const struct cn_trainer_derive *derives;
    int32_t n_derives;
    const char *meaning, *unit;
};

struct cn_trainer_metric {
    const char *name;
    double min, max; /* infinite when open */
    bool lower_is_better;
    bool primary, guardrail;
};

struct cn_trainer {
    struct cn_arena arena;
    const char *study; /* "fly", or the describe table's own name */
    /* Absolute where it was relative to the config; NULL-terminated. */
    const char *const *command;
    bool checks;          /* has the verb `check --config C` */
    const char *describe; /* the table as it came */
    const struct cn_trainer_param *params;
    int32_t n_params;
    const struct cn_trainer_metric *metrics;
    int32_t n_metrics;
};

/* `config_dir`: what relative paths in `trainer:` are relative to. */
CN_MUST_CHECK cn_status cn_trainer_find(const struct cn_yaml *config, const char *config_dir,
                                        struct cn_trainer **out, struct cn_err *err);
/* A table from its text (`name` for messages); command stays NULL. */
CN_MUST_CHECK cn_status cn_trainer_parse(const char *name, const char *text, size_t n,
                                         struct cn_trainer **out, struct cn_err *err);
void cn_trainer_free(struct cn_trainer *t); /* NULL is fine */

/* The config as the person gave it, before a run is made of it: described parameters by the
 * table (type, hard range, choices), then the program's own `check` where it has one. `path`:
 * the file; `config`: the same with overrides; changes: the overrides as "--a.b", "value"
 * pairs, NULL-terminated. CN_EINPUT "file:line: key: value, expected ...". */
CN_MUST_CHECK cn_status cn_trainer_check(const struct cn_trainer *t, const char *path,
                                         const struct cn_yaml *config,
                                         const char *const *changes, struct cn_err *err);

/* By path, alias, or a last part that only one parameter has. NULL with the nearest name in
 * `err`. */
const struct cn_trainer_param *cn_trainer_param(const struct cn_trainer *t, const char *name,
                                                struct cn_err *err);
/* The same from a spelling in a config, without message: NULL when it is no parameter. Bare
 * names do not count. */
const struct cn_trainer_param *cn_trainer_param_exact(const struct cn_trainer *t,
                                                      const char *path);
/* The spelling of `p` that the config uses: its path, else an alias that stands there, else its
 * path. */
const char *cn_trainer_spelling(const struct cn_trainer_param *p, const struct cn_yaml *config);

/* NULL when absent. */
const struct cn_trainer_metric *cn_trainer_metric(const struct cn_trainer *t, const char *name);
/* The metric with role primary; NULL when none. */
const struct cn_trainer_metric *cn_trainer_primary(const struct cn_trainer *t);

#endif
