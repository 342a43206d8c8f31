/* What the files of adopting share: adopt.c (the way through), adopt_config.c (keys and configs),
 * adopt_score.c (the score file). */
#ifndef CN_LOOP_ADOPT_INT_H
#define CN_LOOP_ADOPT_INT_H

#include "harness/loop/adopt.h"
#include "harness/loop/basis.h"
#include "logs/read_folder.h"

struct cn_adopt {
    const struct cn_adopt_opts *o;
    struct cn_adopted *out;
    struct cn_read_folder folder;
    struct cn_basis basis;
    char *config_dir; /* owned */
    struct cn_err *err;
};

/* A warning; CN_ENOMEM with its message. */
CN_MUST_CHECK cn_status cn_adopt_warn(struct cn_adopt *a, cn_read_warning_kind kind,
                                      const char *file, int64_t line, int64_t iteration,
                                      const char *fmt, ...) CN_PRINTF(6, 7);

/* Keys of mutations, regimes and configs; the config of every node. */
CN_MUST_CHECK cn_status cn_adopt_configs(struct cn_adopt *a);

/* The parameter that such logs mean by a short name ("lr_emb"); NULL with the nearest in `err`. */
const struct cn_trainer_param *cn_adopt_param(const struct cn_trainer *t, const char *name,
                                              struct cn_err *opt_err);

/* Compare the score file with what the history gives. */
CN_MUST_CHECK cn_status cn_adopt_scores(struct cn_adopt *a);

#endif
