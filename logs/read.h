/* Reading Markdown logs back: ours and those of the Python systems. Used when run.db was lost
 * (`cairn rebuild`) and by `cairn import logs`.
 *
 *     struct cn_read_opts o = CN_READ_OPTS_INIT;      // reward "connectivity_R2"
 *     struct cn_read_log log;
 *     st = cn_read_log(name, text, n, &o, &log, &err);
 *     ... log.history (nodes, iterations, blocks), log.warnings[0..log.n_warnings)
 *     cn_read_log_clear(&log);
 *
 * A log in several files (sealed volumes, then the open one): cn_read_logs, in that order. What
 * else a folder of a Python run holds: logs/read_folder.h, logs/read_scores.h.
 *
 * Lenient by intent: a line that means something is read, and every doubt is a warning with its
 * line, never silence. Errors are only more than CN_CAP_FILE bytes, running out of memory, and
 * a log of ours in a newer format (CN_EUNSUPPORTED).
 *
 * Rules (what counts as what):
 *   - a record starts at "## Iter N:" and ends at the next heading of level 2 or higher, or at
 *     the line "--- NEW SIMULATION BLOCK ---"; so a "Node:" line of a block summary renames
 *     nobody;
 *   - the reward is the reward metric of the record's Metrics line (signed, scientific); in
 *     prose it only warns;
 *   - several "Slot k:" lines: opts.multi decides, with a warning;
 *   - "Node: id=, parent=" beats the previous entry's "Next: parent="; a difference warns;
 *   - an id seen twice: the first record stays, the second is dropped with a warning, unless it
 *     says "Replicate: of node";
 *   - "- Node:", "**Mutation:**", "connectivity_R2: 0.8" are read, with a warning;
 *   - lines that are no field are prose and go into the observation; a "Name: text" whose name
 *     no log of theirs or ours has ever used warns; an entry keeps at most 64 KiB of prose;
 *   - summaries number the blocks only when they follow each other without a gap; else, or
 *     where they contradict the block size that was asked for, they warn;
 *   - what is read is data: no line of a log can change a protocol, a config or a file.
 */
#ifndef CN_LOGS_READ_H
#define CN_LOGS_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "logs/record.h"

#define CN_READ_WARNING_MAP(X)                                                                 \
    X(MULTI_VALUE, "multi-value")         /* several rewards in one entry */                   \
    X(PROSE_METRIC, "prose-metric")       /* the reward metric quoted outside Metrics */       \
    X(PARENT_CONFLICT, "parent-conflict") /* Node says one parent, the entry before another */ \
    X(DUPLICATE_ID, "duplicate-id")                                                            \
    X(DROPPED, "dropped")         /* an entry or line without usable content */                \
    X(LOOSE_FORM, "loose-form")   /* bullet, bold, colon instead of '=' */                     \
    X(ID_MISMATCH, "id-mismatch") /* heading and Node line name different ids */               \
    X(OUT_OF_ORDER, "out-of-order")                                                            \
    X(NO_REWARD, "no-reward")                                                                  \
    X(UNKNOWN_PARENT, "unknown-parent") /* becomes root */                                     \
    X(BAD_NUMBER, "bad-number")                                                                \
    X(UNKNOWN_FIELD, "unknown-field") /* "Name: text" that no format has: kept as prose */     \
    X(CUT, "cut")                     /* more prose than an entry may have */                  \
    X(GAP, "gap")                     /* ids that no entry has */                              \
    X(BLOCKS, "blocks")               /* a block summary that does not fit */                  \
    X(UNKNOWN_KEY, "unknown-key")     /* of a config, unknown to the trainer */                \
    X(CONFIG, "config")     /* what is said of a config does not agree, or a guess */          \
    X(SNAPSHOT, "snapshot") /* a config file without an entry, or unreadable */                \
    X(SCORE, "score")       /* the score file says something else */                           \
    X(CLASS, "class")       /* converged, partial, failed: not by the thresholds */            \
    X(PROTOCOL, "protocol") /* their protocol cannot be read as one */
typedef enum {
#define X(name, text) CN_READ_##name,
    CN_READ_WARNING_MAP(X)
#undef X
        CN_READ_KINDS /* how many there are */
} cn_read_warning_kind;
const char *cn_read_warning_name(cn_read_warning_kind k);

struct cn_read_warning {
    cn_read_warning_kind kind;
    int64_t line;      /* 1-based */
    int64_t iteration; /* 0 = none */
    const char *text;  /* borrowed from the history's arena, as is the next */
    const char *file;  /* as given to the reader */
};

typedef enum {
    CN_READ_MEAN,
    CN_READ_MIN,
    CN_READ_MAX,
    CN_READ_FIRST,
    CN_READ_LAST
} cn_read_multi;

struct cn_read_opts {
    const char *reward;   /* metric name */
    bool lower_is_better; /* sign of the reward in the history */
    int64_t n_iter_block; /* 0: from the log's settings, its block summaries, else below */
    int64_t n_iter_block_default; /* 0: one block */
    cn_read_multi multi;
};
#define CN_READ_OPTS_INIT           \
    {                               \
        .reward = "connectivity_R2" \
    }

/* Where a record stood, and what its Config line said (theirs only; keys as they spell them). */
struct cn_read_entry {
    int64_t iteration, line;
    const char *file;
    const struct cn_mutation *config; /* path, "", value */
    int n_config;
};

/* The words of a block summary beyond numbers. */
struct cn_read_summary {
    int64_t block, line;
    const char *file, *text;
};

struct cn_read_log {
    /* Iterations are committed; configs are "" (cn_read_configs fills them). */
    struct cn_history history;
    struct cn_read_warning
        *warnings; /* this and all below: borrowed from the history's arena */
    int64_t n_warnings;
    struct cn_read_entry *entries; /* as many as iterations, in their order */
    int64_t n_entries;
    struct cn_read_summary *summaries;
    int64_t n_summaries;
};

struct cn_read_part {
    const char *name, *text;
    size_t n;
};
/* The parts as one log. */
CN_MUST_CHECK cn_status cn_read_logs(const struct cn_read_part *parts, int n_parts,
                                     const struct cn_read_opts *o, struct cn_read_log *out,
                                     struct cn_err *err);
CN_MUST_CHECK cn_status cn_read_log(const char *name, const char *text, size_t n,
                                    const struct cn_read_opts *o, struct cn_read_log *out,
                                    struct cn_err *err);
void cn_read_log_clear(struct cn_read_log *log);

/* One more warning, by whoever works with what was read. `file` and the text are copied.
 * CN_ENOMEM. */
CN_MUST_CHECK cn_status cn_read_log_warn(struct cn_read_log *log, cn_read_warning_kind kind,
                                         const char *file, int64_t line, int64_t iteration,
                                         const char *fmt, ...) CN_PRINTF(6, 7);

/* "mean", "min", "max", "first", "last". */
bool cn_read_multi_parse(const char *name, cn_read_multi *out);

/* Whose config a node's mutations change: its parent's; of a block's root the node that its parent
 * rule names ("block start: node 8, the best of block 1 ..."). NULL: the base config. */
const struct cn_node *cn_read_origin(const struct cn_history *h, const struct cn_node *n);

/* Fill the configs of a history that was read back: the run folder's iter_NNNNNN/config.yaml of
 * the node's first training that has one, else the parent's config (for roots:
 * `base_config`) with the mutations spliced in. A config that cannot be had so is the parent's,
 * with a warning. */
CN_MUST_CHECK cn_status cn_read_configs(const char *run_dir, const char *base_config,
                                        struct cn_read_log *log, struct cn_err *err);

#endif
