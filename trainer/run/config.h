/* A study's config: YAML in, checked settings out (specs flyvis_gnn 8, errata;
 * docs/TRAINER_CONTRACT.md).
 *
 * Strict: an unknown key, a wrong type, a value out of range, both spellings of one setting, or
 * a key of the reference that asks for something not built here is CN_EINPUT with file:line,
 * key, value and what was expected. Old and new spellings of the reference are both read; v1's
 * coeff_*_rate keys select generation v1. Sections `explore` and `claude` belong to the harness
 * and are skipped.
 *
 *     struct cn_trainer_config c;
 *     st = cn_trainer_config_read("configs/fly/demo.yaml", overrides, n, &c, &err);
 *     c.fly.train.lr_W ...
 *     cn_trainer_config_clear(&c);
 */
#ifndef CN_TRAINER_CONFIG_H
#define CN_TRAINER_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "base/yaml.h"
#include "trainer/fly/graph.h"
#include "trainer/run/params.h"

struct cn_trainer_config {
    struct cn_fly_config fly;
    char dataset[CN_FLY_NAME], description[4 * CN_FLY_NAME];
    int32_t model_choice;                  /* graph_model.signal_model_name as an index */
    int32_t input_size, input_size_update; /* 0 = not stated; checked against embedding_dim */
    int64_t n_neurons, n_input_neurons, n_edges; /* 0 = not stated; checked against the graph */
    int32_t line[CN_TRAINER_MAX_PARAMS]; /* where row k of the table was set; 0 = default */
    struct cn_yaml *yaml;                /* owned: the document as run, overrides spliced in */
};

/* "--a.b value": a dotted path in any spelling, and its value as typed. */
struct cn_trainer_override {
    const char *path, *value;
};

CN_MUST_CHECK cn_status cn_trainer_config_read(const char *path,
                                               const struct cn_trainer_override *overrides,
                                               int n_overrides, struct cn_trainer_config *out,
                                               struct cn_err *err);
/* The same from text; `name` stands in messages. */
CN_MUST_CHECK cn_status cn_trainer_config_parse(const char *name, const char *text, size_t n,
                                                const struct cn_trainer_override *overrides,
                                                int n_overrides, struct cn_trainer_config *out,
                                                struct cn_err *err);
void cn_trainer_config_clear(struct cn_trainer_config *c);

/* CN_EINPUT unless what the config states about the network (n_neurons, n_edges, ...) is what
 * the graph has. */
CN_MUST_CHECK cn_status cn_trainer_config_check_graph(const struct cn_trainer_config *c,
                                                      const struct cn_fly_graph *g,
                                                      struct cn_err *err);

/* Hash of every setting that shapes the numbers (not of spelling, comments, threads or
 * plotting). */
CN_MUST_CHECK cn_status cn_trainer_config_hash(const struct cn_trainer_config *c,
                                               char out[CN_HASH_TEXT], struct cn_err *err);

/* Reference keys that were read and have no effect here, comma-separated, appended to b
 * (nothing when none). */
void cn_trainer_config_ignored(const struct cn_trainer_config *c, struct cn_buf *b);

/* `cairn-train describe STUDY`: the JSON of the contract's section 5. CN_EINPUT for an unknown
 * study. */
CN_MUST_CHECK cn_status cn_trainer_describe(const char *study, struct cn_buf *out,
                                            struct cn_err *err);

#endif
