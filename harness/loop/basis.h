/* What a run stands on, read and checked as one: config, protocol, trainer, search space,
 * settings, reward. Making and opening a run both go through here, so a run that could be made
 * can be opened.
 *
 *     struct cn_basis b = {0};
 *     ... b.config and b.protocol are read ...
 *     st = cn_basis_complete(&b, config_dir, overrides, n, &err);
 *     cn_basis_clear(&b);
 */
#ifndef CN_LOOP_BASIS_H
#define CN_LOOP_BASIS_H

#include "base/buf.h"
#include "base/status.h"
#include "base/yaml.h"
#include "harness/loop/mutation.h"
#include "harness/loop/run.h"
#include "harness/loop/settings.h"
#include "harness/loop/trainer.h"
#include "logs/record.h"
#include "protocols/protocol.h"

struct cn_basis {
    struct cn_yaml *config;       /* owned */
    struct cn_protocol *protocol; /* owned */
    struct cn_trainer *trainer;   /* owned */
    struct cn_search search;
    struct cn_settings settings;
    struct cn_run_info info; /* reward and thresholds */
};

/* The setting that a path names ("explore.ucb.c" -> "ucb.c"); NULL: it is a key of the
 * config. */
const char *cn_setting_key(const char *path);
/* Splice the overrides that are keys of the config into it. */
CN_MUST_CHECK cn_status cn_basis_override(struct cn_yaml *y, const struct cn_run_override *o,
                                          int n, struct cn_err *err);
/* Everything else from config and protocol; overrides that are settings win. */
CN_MUST_CHECK cn_status cn_basis_complete(struct cn_basis *b, const char *config_dir,
                                          const struct cn_run_override *o, int n,
                                          struct cn_err *err);
/* Reward and thresholds into `out`; texts are borrowed from the trainer. */
CN_MUST_CHECK cn_status cn_basis_reward(const struct cn_settings *s,
                                        const struct cn_protocol *p, const struct cn_trainer *t,
                                        struct cn_run_info *out, struct cn_err *err);
/* "explore.a=1\nexplore.b=2\n": how command-line settings are kept. */
void cn_basis_join_overrides(const struct cn_run_override *o, int n, struct cn_buf *out);
/* What the record says of a run, all but its name and when it was made. Texts are borrowed from
 * `b`, log_keys from `keys` (appended to). */
void cn_basis_info(const struct cn_basis *b, struct cn_buf *keys, struct cn_run_info *out);
/* Guardrails and log fields into b->info (texts live as long as b), partition rows and metrics'
 * names checked against the trainer. */
CN_MUST_CHECK cn_status cn_basis_grammar(struct cn_basis *b, struct cn_err *err);
void cn_basis_clear(struct cn_basis *b);

#endif
