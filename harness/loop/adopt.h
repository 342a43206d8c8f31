/* A run from a history that others wrote: the logs of a Python run (or of ours without their
 * store), its config snapshots, memory, protocol and score file become a new run folder that
 * `cairn resume` goes on with.
 *
 *     struct cn_adopt_opts o = CN_ADOPT_OPTS_INIT;
 *     o.paths = paths; // a folder, or files
 *     o.n_paths = 1;
 *     o.config = "configs/fly/v2.yaml";
 *     o.dir = "runs/landscape";
 *     st = cn_adopt_logs(&o, &a, &err);
 *     ... a.log.warnings[0..a.log.n_warnings), each with file and line ...
 *     cn_adopted_clear(&a);
 *
 * What is read is data. It can become nodes, numbers and prose of the record, free sections of the
 * memory, and version 1 of the protocol; it cannot change settings, the trainer's command, names
 * of files, or anything outside the new folder. Every doubt is a warning: in `log.warnings`, as
 * events of the run (at most 500, then one that counts the rest), and in import_warnings.txt.
 *
 * The config of a node: `config` (the base) with the values of its snapshot, else its parent's
 * with the mutations, else (and in any case for a root) what its Config line says. Keys are those
 * of the trainer: by path, alias, last part, or the short names that such logs use; other keys
 * keep their spelling in the record and change no config.
 */
#ifndef CN_LOOP_ADOPT_H
#define CN_LOOP_ADOPT_H

#include "harness/loop/run.h"
#include "logs/read.h"

struct cn_adopt_opts {
    const char *const *paths;
    int n_paths;
    const char *config;   /* YAML: the base config, and which trainer goes on */
    const char *protocol; /* Markdown; NULL: theirs, which then must be one */
    const char *dir;      /* run folder to make; must not exist */
    const char *reward;   /* NULL: the protocol's, else the trainer's primary metric */
    int64_t n_iter_block; /* 0: as the log says, else the settings */
    cn_read_multi multi;
    const struct cn_run_override *overrides; /* as in cn_run_create_opts */
    int n_overrides;
    bool dry; /* read and check everything, make nothing */
};
#define CN_ADOPT_OPTS_INIT                                               \
    {                                                                    \
        NULL, 0, NULL, NULL, NULL, NULL, 0, CN_READ_MEAN, NULL, 0, false \
    }

struct cn_adopted {
    struct cn_read_log log; /* the history as it was (or would be) recorded, the warnings */
    int64_t next;           /* id of the iteration that comes next */
    int64_t n_snapshots;    /* that a node's config comes from */
    bool their_protocol;    /* version 1 is theirs */
    bool memory;            /* free sections were taken over */
    int64_t n_scores, n_scores_differ; /* rows of the score file */
    const char *score_kind; /* what it was computed with: "ucb1", "puct", "" not known */
};

/* CN_EEXIST: `dir` is there. CN_EINPUT: nothing to read, no entry with the reward, or a config or
 * protocol that a run could not be made with. On an error no folder is left behind. Clear `out`
 * also after an error. */
CN_MUST_CHECK cn_status cn_adopt_logs(const struct cn_adopt_opts *o, struct cn_adopted *out,
                                      struct cn_err *err);
void cn_adopted_clear(struct cn_adopted *a);

struct cn_adopted_store {
    int64_t iterations, nodes, blocks;
};
/* The same from JSON lines that `cairn export` wrote: exactly that record under a new name.
 * Trainings that were under way are planned again. `config_dir`: what relative paths in its config
 * are relative to. CN_EEXIST, CN_EINPUT ("file:line: ..."); no folder is left behind. */
CN_MUST_CHECK cn_status cn_adopt_store(const char *path, const char *dir,
                                       const char *config_dir, struct cn_adopted_store *out,
                                       struct cn_err *err);

#endif
