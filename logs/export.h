/* A record as files for other programs, and back (docs/RECORDS.md).
 *
 *     jsonl      everything the store knows, one JSON object a line; the way back is exact
 *     csv        one row an iteration (RFC 4180)
 *     analysis   the log as one text, all volumes of it
 *
 *     st = cn_export(store, CN_EXPORT_JSONL, write, file, &err);
 *     ...
 *     st = cn_export_read(name, text, n, &back, &err);
 *     st = cn_store_restore(dir, &back, &store, &err);
 *     cn_exported_clear(&back);
 *
 * jsonl and csv read the store in ranges of iterations, so their memory does not grow with the
 * run; each range is as of one moment. Iterations that are planned while we write are left out.
 *
 * JSON lines, in this order, keys in a fixed order, NaN and infinities as null:
 *     {"type": "run", "cairn_export": 1, ...}          the settings; always the first line
 *     {"type": "text", ...}                            every version of protocol, config, memory,
 *                                                      ... with its words
 *     {"type": "block", ...}
 *     {"type": "message", ...} {"type": "event", ...}  but events of kinds "import" and "opened",
 *                                                      which tell of a harness or a file
 *     {"type": "iteration", ...}                       by id; "config" has the keys in which any
 *                                                      node differs from the base config; a
 *                                                      node's first iteration also has what makes
 *                                                      its YAML again, byte for byte
 */
#ifndef CN_LOGS_EXPORT_H
#define CN_LOGS_EXPORT_H

#include "base/status.h"
#include "logs/record.h"
#include "logs/store.h"

enum { CN_EXPORT_VERSION = 1 };

typedef enum { CN_EXPORT_JSONL, CN_EXPORT_CSV, CN_EXPORT_ANALYSIS } cn_export_format;

/* Takes the bytes, in order. An error ends the export and comes back. */
typedef cn_status cn_export_write(void *ctx, const char *bytes, size_t n, struct cn_err *err);

CN_MUST_CHECK cn_status cn_export(struct cn_store *s, cn_export_format format,
                                  cn_export_write *write, void *ctx, struct cn_err *err);

/* Facts of the harness that belong to the run (not to the place where it was). */
enum { CN_EXPORT_FACTS = 4 };
extern const char *const cn_export_facts[CN_EXPORT_FACTS];

/* What JSON lines hold. Everything is borrowed from the history's arena. */
struct cn_exported {
    struct cn_history history;          /* texts, events and messages included */
    const char **words;                 /* of history.texts[i] */
    const char *facts[CN_EXPORT_FACTS]; /* NULL: absent */
};

/* CN_EINPUT "name:line: ..." for what is no export of ours, or contradicts itself;
 * CN_EUNSUPPORTED for a newer version. Iterations that were under way (submitted, running) come
 * back as planned. Clear `out` also after an error. */
CN_MUST_CHECK cn_status cn_export_read(const char *name, const char *text, size_t n,
                                       struct cn_exported *out, struct cn_err *err);
void cn_exported_clear(struct cn_exported *e);

/* A new store in the existing folder with exactly this content, in one transaction; CN_EEXIST,
 * CN_EINPUT and CN_ECORRUPT (rules of logs/FORMAT.md) leave none. The run's name is that of
 * e->history.info. */
CN_MUST_CHECK cn_status cn_store_restore(const char *run_dir, const struct cn_exported *e,
                                         struct cn_store **out, struct cn_err *err);
/* Every event in order, however many; `e` lives during the call. What fn returns other than CN_OK
 * ends it and comes back. */
typedef cn_status cn_store_event_fn(void *ctx, const struct cn_event *e);
CN_MUST_CHECK cn_status cn_store_each_event(struct cn_store *s, cn_store_event_fn *fn,
                                            void *ctx, struct cn_err *err);

#endif
