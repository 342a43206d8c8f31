/* Does everything that a run folder holds agree with its record? Reads only; a harness may be at
 * work, but then what it writes meanwhile may show as a difference.
 *
 *     st = cn_audit(dir, false, &a, &err);
 *     ... a.findings[0..a.n), a.n_differences ...
 *     cn_audit_clear(&a);
 *
 * Looked at: the store's own rules; the texts made from it (the log's sealed volumes by their
 * hashes, the scores of the last block too); and, unless `quick`, the hash of every version of
 * every text, and the folder of every training that was measured: its result.json must give the
 * reward, metrics and seeds that the record has, its config.yaml the config of its node.
 */
#ifndef CN_LOOP_AUDIT_H
#define CN_LOOP_AUDIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/status.h"

#define CN_AUDIT_MAP(X)                                         \
    X(STORE, "store")     /* a rule of logs/FORMAT.md */        \
    X(TEXT, "text")       /* a projection differs */            \
    X(VERSION, "version") /* words that are not those stored */ \
    X(RESULT, "result")   /* result.json says otherwise */      \
    X(CONFIG, "config")   /* config.yaml is another config */   \
    X(MISSING, "missing") /* a folder or file is not there */   \
    X(ORPHAN, "orphan")   /* a folder that no record names */
typedef enum {
#define X(name, text) CN_AUDIT_##name,
    CN_AUDIT_MAP(X)
#undef X
} cn_audit_kind;
const char *cn_audit_kind_name(cn_audit_kind k);

struct cn_finding {
    cn_audit_kind kind;
    bool warning;      /* nothing contradicts the record, something is just not there */
    int64_t iteration; /* 0: the run */
    const char *text;  /* borrowed from the audit */
};

struct cn_audit {
    struct cn_arena arena;
    struct cn_buf list; /* of struct cn_finding */
    const struct cn_finding *findings;
    int64_t n, n_differences;           /* all; those that are no warning */
    int64_t iterations, folders, texts; /* looked at */
};

/* An error only when the run cannot be looked at at all (no store, no memory). Clear `out` in any
 * case. */
CN_MUST_CHECK cn_status cn_audit(const char *dir, bool quick, struct cn_audit *out,
                                 struct cn_err *err);
void cn_audit_clear(struct cn_audit *a);

#endif
