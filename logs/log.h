/* The log as volumes. <run>_analysis.md grows by its end; at the first block end beyond
 * CN_LOG_VOLUME bytes it is sealed as <run>_analysis.001.md, which nothing changes any more, and
 * goes on with a head that names the volumes. Where it is sealed depends on the record alone.
 *
 * Made in pieces from the store, so that neither a log nor a run has to fit in memory; and kept
 * between calls, so that a new entry costs an entry:
 *
 *     struct cn_log log = CN_LOG_INIT;       // once
 *     st = cn_log_make(&log, store, &history, &err);  // cn_buf_str(&log.text) is the open volume
 *     cn_log_clear(&log);
 *
 * The result is that of making it from nothing (a test compares). `history`: as current as the
 * store, window or whole.
 */
#ifndef CN_LOGS_LOG_H
#define CN_LOGS_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "logs/record.h"
#include "logs/store.h"

enum { CN_LOG_VOLUME = 4 << 20 };
/* To be raised when entries are worded anew: what an older cairn wrote is then made again. */
enum { CN_LOG_FORM = 1 };

struct cn_log {
    struct cn_buf text; /* owned; the open volume */
    bool begun;
    size_t settled;          /* bytes of it that nothing changes any more */
    int64_t next;            /* the first iteration behind them */
    int64_t first;           /* the first iteration of this volume */
    int64_t n_volumes, last; /* sealed ones, and the last iteration in them */
    size_t volume;           /* seal beyond so many bytes; 0: CN_LOG_VOLUME (tests) */
};
/* clang-format off */
#define CN_LOG_INIT {.settled = 0}
/* clang-format on */

/* Bring the open volume up to date. Seals what is due (needs the lease; with `read_only` nothing
 * is sealed and the text just goes on). */
CN_MUST_CHECK cn_status cn_log_make(struct cn_log *l, struct cn_store *s,
                                    const struct cn_history *h, bool read_only,
                                    struct cn_err *err);
/* Take the settled part from a file that is known to be ours. False when it cannot be. */
bool cn_log_take(struct cn_log *l, const struct cn_history *h, const struct cn_buf *disk,
                 int64_t settled, int64_t next);
void cn_log_clear(struct cn_log *l);

/* A sealed volume made again. */
CN_MUST_CHECK cn_status cn_log_volume(struct cn_store *s, const struct cn_history *h,
                                      const struct cn_volume *v, struct cn_buf *out,
                                      struct cn_err *err);
/* The whole log, volumes and all, piece by piece to `put`. */
typedef cn_status cn_log_put_fn(void *ctx, const char *text, size_t n, struct cn_err *err);
CN_MUST_CHECK cn_status cn_log_print(struct cn_store *s, const struct cn_history *h,
                                     cn_log_put_fn *put, void *ctx, struct cn_err *err);

#endif
