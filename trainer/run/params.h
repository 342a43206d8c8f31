/* The describe table: every setting of a study once, with its spellings, range, default and
 * place in memory.
 *
 * One row drives parsing, range checks, `cairn-train describe`, `--a.b value` overrides, the
 * help text and the settings hash. A key that is in no row and in no list below is an unknown
 * key, hence an error.
 */
#ifndef CN_TRAINER_PARAMS_H
#define CN_TRAINER_PARAMS_H

#include <stdbool.h>
#include <stddef.h>

#include "trainer/fly/config.h"

typedef enum {
    CN_TRAINER_F64,
    CN_TRAINER_I32,
    CN_TRAINER_I64,
    CN_TRAINER_U64,
    CN_TRAINER_BOOL,
    CN_TRAINER_CHOICE, /* an enum or index: position in `choices` */
    CN_TRAINER_TEXT    /* char[CN_FLY_NAME] */
} cn_trainer_type;

/* offset + scale * value of the parameter that carries the row. */
struct cn_trainer_derived {
    const char *path;
    int scale, offset;
};

struct cn_trainer_param {
    const char *path;       /* the spelling we write */
    const char *aliases[3]; /* older spellings, read as well */
    cn_trainer_type type;
    size_t at;               /* offset in struct cn_trainer_config */
    double preset;           /* default; for CHOICE the index */
    const char *preset_text; /* default of TEXT */
    double min, max;         /* hard range of numbers */
    bool log;
    const char *const *choices;        /* NULL-terminated, CHOICE only */
    const char *const *choice_aliases; /* "old=new" pairs, NULL-terminated, or NULL */
    bool simulation;                   /* class: simulation, else training */
    bool silent; /* not offered by describe: sizes that follow others, checks of the data */
    const char *unit, *meaning;
    struct cn_trainer_derived derives[2];
};

enum { CN_TRAINER_MAX_PARAMS = 96 };

extern const struct cn_trainer_param cn_trainer_fly_params[];
extern const int cn_trainer_fly_n_params;

/* Keys of the reference that we know. `off` lists the values (separated by '|') that mean "not
 * used"; any other value is refused as not supported. "*" = the reference itself ignores the
 * key for FlyVis, or reads it only together with a key that must be off: any value is fine.
 * `pattern` may end or begin with '*'. */
struct cn_trainer_inert {
    const char *pattern, *off;
};
extern const struct cn_trainer_inert cn_trainer_fly_inert[];
extern const int cn_trainer_fly_n_inert;

#endif
