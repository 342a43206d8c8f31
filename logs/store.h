/* The store of one run: run.db in the run's folder, the truth that every text a person reads is
 * made of. The only home of SQLite. Tables, states and validity rules: logs/FORMAT.md.
 *
 *     struct cn_store *s;
 *     st = cn_store_create(dir, &info, protocol, config, &s, &err); // or cn_store_open(dir,
 *                                                                   //   CN_STORE_WRITE, ...)
 *     st = cn_store_lease_take(s, "host:pid:start", now, 60000, &err); // then renew it often
 *     st = cn_store_open_block(s, &block, &err);
 *     st = cn_store_plan(s, &node, &iteration, &err); // node NULL: train an existing one again
 *     st = cn_store_submit(s, id, attempt, token, folder, &err); // before the job is started
 *     st = cn_store_job(s, id, attempt, "slurm:812", &err);      // the executor has named it
 *     st = cn_store_running(s, id, attempt, &err);
 *     st = cn_store_measure(s, id, attempt, &measurement, &err); // or cn_store_retry for infra
 *     st = cn_store_analyse(s, id, &analysis, &err);
 *     st = cn_store_commit(s, id, &err);
 *     cn_store_close(s);
 *
 * Every mutation is one durable transaction that checks the fence: CN_ELOCKED when this handle
 * holds no lease or another holder has taken it. A step that is applied again with the same
 * content is CN_OK and changes nothing, so a harness that came back may repeat its last step; a
 * step that contradicts what is stored, or that the state does not allow, is CN_ECORRUPT (the
 * harness and its record disagree: a bug of ours or two harnesses). Arguments that can never be
 * right (unknown iteration, a node without config) are CN_EINPUT. A full disk is CN_ENOSPC and
 * leaves the store as it was: wait and repeat. CN_ETIMEOUT: another process kept the file busy
 * for too long; the same. Damage is CN_ECORRUPT with SQLite's reason.
 *
 * One handle belongs to one thread. Other processes may read at any time (CN_STORE_READ).
 * Crash seam: every committed mutation (not the lease) counts as one durable operation of
 * base/file.h.
 */
#ifndef CN_LOGS_STORE_H
#define CN_LOGS_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "logs/record.h"

struct cn_store;

typedef enum { CN_STORE_READ, CN_STORE_WRITE } cn_store_mode;

#define CN_STORE_FILE "run.db"

/* Make run.db in the existing folder `run_dir` with the run's settings and version 1 of
 * "protocol" and "config", in one transaction. CN_EEXIST when a complete store is there; one
 * whose making was interrupted is made anew. CN_ENOTFOUND without the folder. */
CN_MUST_CHECK cn_status cn_store_create(const char *run_dir, const struct cn_run_info *info,
                                        const char *protocol, const char *base_config,
                                        struct cn_store **out, struct cn_err *err);

/* CN_ENOTFOUND without run.db; CN_EUNSUPPORTED for a store that a newer cairn wrote and, with
 * CN_STORE_READ, for one that an older cairn wrote; CN_ECORRUPT with the reason for damage.
 * CN_STORE_WRITE applies missing migrations and, on a store of up to 32 MiB, runs SQLite's quick
 * check. CN_STORE_READ never
 * changes the content, except that SQLite may roll back what a killed writer left half done. */
CN_MUST_CHECK cn_status cn_store_open(const char *run_dir, cn_store_mode mode,
                                      struct cn_store **out, struct cn_err *err);
void cn_store_close(struct cn_store *s); /* NULL is fine; does not release the lease */

const char *cn_store_dir(const struct cn_store *s);

/* -- the lease: one harness per run, also over several login nodes -- */

/* Take the lease for `ttl_ms` from `now_ms`. CN_ELOCKED, naming the holder and the age of its
 * heartbeat, while another holder's lease lasts. The same holder text, a released or an expired
 * lease: taken with a new fencing number. */
CN_MUST_CHECK cn_status cn_store_lease_take(struct cn_store *s, const char *holder,
                                            int64_t now_ms, int64_t ttl_ms, struct cn_err *err);
/* The same without waiting for the old lease to run out: only when its holder is known to be
 * dead (the run's lock file was free, or its process is gone on this very machine). */
CN_MUST_CHECK cn_status cn_store_lease_steal(struct cn_store *s, const char *holder,
                                             int64_t now_ms, int64_t ttl_ms,
                                             struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_lease_renew(struct cn_store *s, int64_t now_ms,
                                             struct cn_err *err); /* the heartbeat */
CN_MUST_CHECK cn_status cn_store_lease_release(struct cn_store *s, struct cn_err *err);

struct cn_lease {
    char holder[256]; /* "" = nobody */
    int64_t fence, heartbeat_ms, ttl_ms;
};
CN_MUST_CHECK cn_status cn_store_lease_get(struct cn_store *s, struct cn_lease *out,
                                           struct cn_err *err);

/* -- steps of a run -- */

/* Block b->number = the last one + 1, b->first = the id its first iteration will have. Fields
 * used: number, first, last, regime. The block before must be closed. */
CN_MUST_CHECK cn_status cn_store_open_block(struct cn_store *s, const struct cn_block *b,
                                            struct cn_err *err);
/* Every iteration of the block must be committed. */
CN_MUST_CHECK cn_status cn_store_close_block(struct cn_store *s, int64_t number,
                                             const char *edit_note, struct cn_err *err);

/* -> planned. it->id = cn_store_next_iteration. With `opt_node` (id == it->id == it->node) a
 * new node is recorded in the same transaction; without, it->node must exist and it->replicate
 * or it->confirmation be set. Fields of `it` used: id, node, block, slot, replicate,
 * confirmation, sim_seed, train_seed, seed_mode, strategy, parent_rule, scored_value,
 * hypothesis, prediction. A confirmation may name block 0 (outside every block). */
CN_MUST_CHECK cn_status cn_store_plan(struct cn_store *s, const struct cn_node *opt_node,
                                      const struct cn_iteration *it, struct cn_err *err);

/* planned -> submitted: the intent, before anything is started. attempt = the iteration's
 * attempt + 1. `dir` relative to the run. */
CN_MUST_CHECK cn_status cn_store_submit(struct cn_store *s, int64_t id, int32_t attempt,
                                        const char *token, const char *dir, struct cn_err *err);
/* Note what the executor calls the job. No change of state; may be corrected until the
 * iteration is measured. */
CN_MUST_CHECK cn_status cn_store_job(struct cn_store *s, int64_t id, int32_t attempt,
                                     const char *job, struct cn_err *err);
/* submitted -> running. */
CN_MUST_CHECK cn_status cn_store_running(struct cn_store *s, int64_t id, int32_t attempt,
                                         struct cn_err *err);

struct cn_measurement {
    cn_outcome outcome;
    cn_class cls;   /* CN_CLASS_NONE unless outcome is ok */
    double reward;  /* finite for ok, NaN otherwise */
    double seconds; /* NaN: unknown */
    const struct cn_metric *metrics;
    int n_metrics;
    const char *message;    /* why it failed; NULL or "" when ok */
    const char *trajectory; /* NULL or "" when not known */
};
#define CN_MEASUREMENT_INIT                                       \
    {                                                             \
        .reward = __builtin_nan(""), .seconds = __builtin_nan("") \
    }

/* submitted or running -> measured (submitted: it ended before anybody saw it run); planned ->
 * measured, attempt 0, for outcome invalid only. */
CN_MUST_CHECK cn_status cn_store_measure(struct cn_store *s, int64_t id, int32_t attempt,
                                         const struct cn_measurement *m, struct cn_err *err);
/* submitted or running -> planned: the attempt died of its surroundings and is not counted; the
 * next submit carries attempt + 1. */
CN_MUST_CHECK cn_status cn_store_retry(struct cn_store *s, int64_t id, int32_t attempt,
                                       const char *reason, struct cn_err *err);

struct cn_analysis {
    const char *observation; /* prose of host or model; NULL = "" here and below */
    const char *activity, *embedding;
};
/* measured -> analysed -> committed. */
CN_MUST_CHECK cn_status cn_store_analyse(struct cn_store *s, int64_t id,
                                         const struct cn_analysis *a, struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_commit(struct cn_store *s, int64_t id, struct cn_err *err);

/* The id that the next cn_store_plan must carry (1 for an empty run). */
CN_MUST_CHECK cn_status cn_store_next_iteration(struct cn_store *s, int64_t *out_id,
                                                struct cn_err *err);

/* -- around the steps -- */

/* An event of iteration > 0 with the same kind and text is recorded once; events of the run
 * (iteration 0) always. */
CN_MUST_CHECK cn_status cn_store_event(struct cn_store *s, int64_t iteration, const char *kind,
                                       const char *text, struct cn_err *err);

/* A person's words to the run. The only mutation that needs no lease (`cairn say` is another
 * process). A non-empty key (say, the hash of an item of user_input.md) is recorded once: the
 * second add returns the first one's id. */
CN_MUST_CHECK cn_status cn_store_message_add(struct cn_store *s, const char *opt_key,
                                             const char *text, int64_t *out_id,
                                             struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_message_ack(struct cn_store *s, int64_t id, int64_t iteration,
                                             struct cn_err *err);
/* The same with somebody's words to the person. */
CN_MUST_CHECK cn_status cn_store_message_answer(struct cn_store *s, int64_t id,
                                                int64_t iteration, const char *answer,
                                                struct cn_err *err);

/* A new version of a text (kind: see struct cn_text_version). The same words as the latest
 * version: no new one. */
CN_MUST_CHECK cn_status cn_store_text_put(struct cn_store *s, const char *kind,
                                          const char *author, const char *reason,
                                          const char *text, int64_t *opt_out_version,
                                          struct cn_err *err);
/* Words of a version (0 = the latest) into `out` (reset first). CN_ENOTFOUND when there is
 * none. */
CN_MUST_CHECK cn_status cn_store_text(struct cn_store *s, const char *kind, int64_t version,
                                      struct cn_buf *out, struct cn_err *err);

/* Small facts of the harness that must outlive it (a budget spent, a counter): text by key. */
CN_MUST_CHECK cn_status cn_store_fact_set(struct cn_store *s, const char *key, const char *text,
                                          struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_fact(struct cn_store *s, const char *key, struct cn_buf *out,
                                      struct cn_err *err);

/* For logs/project.c: the two hashes that a projection may have on disk unless a person edited
 * it: `old` as it was, `next` as it was about to be written (one transaction before the file: a
 * crash in between leaves either). CN_ENOTFOUND when it was never written. */
CN_MUST_CHECK cn_status cn_store_projection_set(struct cn_store *s, const char *name,
                                                const char *old, const char *next,
                                                struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_projection(struct cn_store *s, const char *name,
                                            char out_old[CN_HASH_TEXT],
                                            char out_next[CN_HASH_TEXT], struct cn_err *err);
/* For the log, which grows by its end: also which of our wordings made it (logs/log.h), how many of
 * its first bytes nothing changes any more, and the first iteration behind them. */
struct cn_projection_mark {
    int64_t form, settled, next;
};
CN_MUST_CHECK cn_status cn_store_projection_mark(struct cn_store *s, const char *name,
                                                 const char *old, const char *next,
                                                 const struct cn_projection_mark *mark,
                                                 struct cn_err *err);
CN_MUST_CHECK cn_status cn_store_projection_marked(struct cn_store *s, const char *name,
                                                   struct cn_projection_mark *out,
                                                   struct cn_err *err);
/* A sealed volume of the log: its number is the last one's plus 1, it begins behind the last one's
 * end. The same again: nothing. */
CN_MUST_CHECK cn_status cn_store_volume_add(struct cn_store *s, const struct cn_volume *v,
                                            struct cn_err *err);
/* Its words were made again by a cairn that words entries anew. */
CN_MUST_CHECK cn_status cn_store_volume_renew(struct cn_store *s, const struct cn_volume *v,
                                              struct cn_err *err);

/* A person's edit of a projection, in one transaction: the file's words as a version of the
 * text `name` by "user", an event "user-edit", and (not NULL) the free sections as a version of
 * "memory". Known words: nothing. */
CN_MUST_CHECK cn_status cn_store_user_edit(struct cn_store *s, const char *name,
                                           const char *words, const char *opt_memory,
                                           struct cn_err *err);

/* -- reading -- */

/* Everything, as of one moment. `h` is overwritten; free it with cn_history_clear (also after
 * an error). Memory grows with the run: for what is made once (an export, a test). */
CN_MUST_CHECK cn_status cn_store_history(struct cn_store *s, struct cn_history *h,
                                         struct cn_err *err);

/* The same for a run of any length, in bounded memory: the blocks of about the last `iterations`
 * iterations (at least the newest two) with all their rows, every block's own row, and of older
 * rows only the pinned ones: the first node, confirmed nodes, the CN_STORE_BEST best of older
 * blocks, what the window's rows refer to (also by an equal config), and the parents of these;
 * each with its first training and its newest CN_STORE_RUNS (cn_node.before has the others).
 * h->older counts what is left out. Of a run that fits, it is cn_store_history. */
enum { CN_STORE_WINDOW = 4000 }; /* what the harness works with */
CN_MUST_CHECK cn_status cn_store_window(struct cn_store *s, int64_t iterations,
                                        struct cn_history *h, struct cn_err *err);
/* Bring a window up to date: reads what is new or may have changed, or loads it again when it has
 * to move on (a new block). `iterations` as given to cn_store_window. Pointers into `h` end. */
CN_MUST_CHECK cn_status cn_store_refresh(struct cn_store *s, int64_t iterations,
                                         struct cn_history *h, struct cn_err *err);
/* Iterations first..last with what their log entries name. */
CN_MUST_CHECK cn_status cn_store_range(struct cn_store *s, int64_t first, int64_t last,
                                       struct cn_history *h, struct cn_err *err);

/* The first node with this config; 0: none. */
CN_MUST_CHECK cn_status cn_store_node_with(struct cn_store *s, const char *config_hash,
                                           int64_t *out_node, struct cn_err *err);
/* Nodes with all their trainings, and nothing else of the run but its settings: those below node
 * `root` (itself included), at most `depth` levels down and `most` of them, nearest first;
 * *out_left: whether there are more. CN_ENOTFOUND for a node that does not exist. */
CN_MUST_CHECK cn_status cn_store_subtree(struct cn_store *s, int64_t root, int64_t depth,
                                         int64_t most, struct cn_history *h, bool *out_left,
                                         struct cn_err *err);
/* The same for the nodes of a block. */
CN_MUST_CHECK cn_status cn_store_block_nodes(struct cn_store *s, int64_t block,
                                             struct cn_history *h, struct cn_err *err);

/* SQLite's integrity check, the foreign keys, and the validity rules of logs/FORMAT.md. */
CN_MUST_CHECK cn_status cn_store_check(struct cn_store *s, struct cn_err *err);

/* A new store from a whole history (read back from Markdown: logs/read.h), in one transaction.
 * Iterations keep their states. */
CN_MUST_CHECK cn_status cn_store_import(const char *run_dir, const struct cn_history *h,
                                        const char *protocol, const char *base_config,
                                        struct cn_store **out, struct cn_err *err);

#endif
