/* What a folder of a Python run holds (log/Claude_exploration/LLM_<name>/), or one of ours whose
 * store is lost, or files that a person names one by one. Looks at names only, never below
 * config/, protocol/, memory/ and iter_NNNNNN/; follows nothing that a file says.
 *
 *     struct cn_read_folder f;
 *     st = cn_read_folder_init(&f, paths, n, &err);
 *     ... f.logs[0..f.n_logs) in order, f.memory, f.scores, f.protocol, f.snapshots ...
 *     cn_read_folder_clear(&f);
 */
#ifndef CN_LOGS_READ_FOLDER_H
#define CN_LOGS_READ_FOLDER_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

/* config/iter_NNN_slot_SS.yaml, or iter_NNNNNN/config.yaml of ours (slot -1). */
struct cn_read_snapshot {
    int64_t iteration;
    int32_t slot;
    const char *path;
};

struct cn_read_folder {
    struct cn_arena arena;
    const char **logs; /* sealed volumes in order, then the open one */
    int n_logs;
    const char *memory, *scores, *protocol; /* NULL: none. protocol: of the last block */
    const char *stem;                       /* of the log's (or the score file's) name */
    struct cn_read_snapshot *snapshots;     /* by iteration, then slot */
    int64_t n_snapshots;
};

/* CN_ENOTFOUND: a path that is not there. CN_EINPUT: two logs, memories or score files that are
 * no volumes of one (the message names both), a file whose name says nothing, or neither log nor
 * scores. Clear `out` also after an error. */
CN_MUST_CHECK cn_status cn_read_folder_init(struct cn_read_folder *out,
                                            const char *const *paths, int n_paths,
                                            struct cn_err *err);
void cn_read_folder_clear(struct cn_read_folder *f);

#endif
