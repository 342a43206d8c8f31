/* What of a run may be moved to an archive, and why the rest stays (`cairn gc`). Looks, never
 * changes; what is chosen is moved by archive.h.
 *
 * Never chosen: the store, every text, configs, result.json, exit.json and all other small files
 * of a training. Chosen, of trainings that are over: models and checkpoints (*.safetensors, *.pt,
 * *.pth, *.ckpt, checkpoint folders) and any other file of at least CN_KEEP_LARGE bytes that is no
 * log. Not of: the `best` best configs and the config as given (all their trainings), configs that
 * were confirmed and the confirmations, and trainings that ended less than `days` ago.
 *
 *     st = cn_keep_plan(dir, &o, now_ms, &p, &err);
 *     ... p.kept[0..p.n) ...
 *     cn_keep_clear(&p);
 */
#ifndef CN_LOOP_KEEP_H
#define CN_LOOP_KEEP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "harness/loop/archive.h"

enum { CN_KEEP_LARGE = 1 << 20 };

struct cn_keep_opts {
    int64_t best;  /* configs whose models stay */
    double days;   /* younger ones stay */
    double budget; /* bytes that may stay in the run folder: no more than needed is chosen, the
                       oldest first; NaN: all that may go */
};
#define CN_KEEP_OPTS_INIT                      \
    {                                          \
        .best = 3, .budget = __builtin_nan("") \
    }

/* One training with a folder. */
struct cn_kept {
    int64_t iteration;
    const char *reason;            /* why it stays; "" : it may go */
    struct cn_archive_item *items; /* its large files, below the run folder */
    int64_t n_items, bytes;
};

struct cn_keep_plan {
    struct cn_arena arena;
    struct cn_kept *kept; /* by iteration */
    int64_t n;
    int64_t bytes;     /* of what may go */
    int64_t run_bytes; /* of the whole folder now */
};

CN_MUST_CHECK cn_status cn_keep_plan(const char *dir, const struct cn_keep_opts *o,
                                     int64_t now_ms, struct cn_keep_plan *out,
                                     struct cn_err *err);
void cn_keep_clear(struct cn_keep_plan *p);

/* Data sets of the cache (<64 hexadecimal digits>/header.json) that nobody has opened for `days`
 * and nobody has open. They are made again when a training wants them. Items are relative to
 * `cache`; `iteration` is 0 and `reason` "". */
struct cn_keep_set {
    const char *key;
    struct cn_archive_item *items;
    int64_t n_items, bytes;
    double days; /* since it was opened */
};
CN_MUST_CHECK cn_status cn_keep_sets(const char *cache, double days, int64_t now_ms,
                                     struct cn_arena *arena, struct cn_keep_set **out,
                                     int64_t *out_n, struct cn_err *err);

#endif
