/* One exploration run: making it, opening it again, driving it to its end.
 *
 * A run is a folder (DESIGN section 11) whose `run.db` is the truth. There is no clean-shutdown
 * path that matters: cn_run_open is the same after a Ctrl-C, a kill -9 or a power cut, and
 * cn_run_explore goes on with whatever is half done (running jobs are adopted, finished ones
 * collected, the rest tried again).
 *
 *     struct cn_run_create_opts co = CN_RUN_CREATE_OPTS_INIT;
 *     co.protocol = "protocols/fly.md";
 *     co.config = "configs/fly.yaml";
 *     co.dir = "runs/fly_1";
 *     st = cn_run_create(&co, &err); // the folder, checked and complete, or nothing
 *     if (st == CN_OK)
 *         st = cn_run_open(co.dir, NULL, 0, &run, &err); // takes the run's lock
 *     if (st == CN_OK)
 *         st = cn_run_explore(run, &eo, &end, &err);
 *     cn_run_close(run);
 *
 * One harness per run: cn_run_open returns CN_ELOCKED, naming the holder, while another one
 * lives.
 */
#ifndef CN_LOOP_RUN_H
#define CN_LOOP_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

struct cn_run; /* opaque */

/* "--a.b value" of the command line. A path that begins with "explore." is a setting of the
 * search and wins over protocol and YAML ("explore.iterations", "explore.n_parallel",
 * "explore.proposer", ...; settings.h has the list); any other path is a key of the config.
 * `value` is YAML text. */
struct cn_run_override {
    const char *path, *value;
};

struct cn_run_create_opts {
    const char *protocol; /* Markdown file */
    const char *config;   /* YAML file */
    const char *dir;      /* run folder to make; its last part is the run's name */
    const struct cn_run_override *overrides; /* later ones win */
    int n_overrides;
    bool dry; /* check everything, make nothing */
};
#define CN_RUN_CREATE_OPTS_INIT          \
    {                                    \
        NULL, NULL, NULL, NULL, 0, false \
    }

/* Make the run folder: protocol.md, base.yaml (overrides spliced in), run.db, user_input.md.
 * Everything is checked first: protocol grammar, settings, the trainer is found and describes
 * itself, every parameter the protocol names is known. CN_EEXIST when `dir` holds a run
 * already. On any error no folder is left behind. */
CN_MUST_CHECK cn_status cn_run_create(const struct cn_run_create_opts *o, struct cn_err *err);

/* After a lost store was read back from the log (cn_store_import): make what the harness keeps
 * beside the record again from base.yaml and protocol.md, so that the run can be resumed.
 * `config_dir`: the folder of the config as it was given, which its relative paths are relative
 * to. `settings`: "explore.*" overrides, as of the command line, that the run goes on with; what
 * is not among them is gone with the store, and cn_run_open takes it again. */
CN_MUST_CHECK cn_status cn_run_restore(const char *dir, const char *config_dir,
                                       const struct cn_run_override *settings, int n,
                                       struct cn_err *err);

/* Open for exploring: lock, lease, settings, protocol (a person's edit of protocol.md becomes a
 * version by "user"). Overrides as above, only "explore.*" ones (raise the iterations, more
 * slots); they are recorded in the store. */
CN_MUST_CHECK cn_status cn_run_open(const char *dir, const struct cn_run_override *overrides,
                                    int n_overrides, struct cn_run **out, struct cn_err *err);
/* NULL is fine; jobs that still run go on under their cairn-job. */
void cn_run_close(struct cn_run *run);

/* Why cn_run_explore came back. */
#define CN_RUN_END_MAP(X)                 \
    X(DONE, "all iterations are done")    \
    X(TARGET, "the target was reached")   \
    X(TIME, "the time limit was reached") \
    X(STOPPED, "stopped on request")      \
    X(FAILED, "an error ended the loop")
typedef enum {
#define X(name, text) CN_RUN_END_##name,
    CN_RUN_END_MAP(X)
#undef X
} cn_run_end;
const char *cn_run_end_text(cn_run_end e);

struct cn_run_explore_opts {
    /* One line for people: an iteration committed, a block closed, a pause. May be NULL. */
    void (*say)(void *ctx, const char *line);
    /* Called after every change and at least once a second while waiting. May be NULL. */
    void (*progress)(void *ctx, int64_t done, int64_t total, const char *note);
    void *ctx;
    int64_t poll_ms; /* how often running jobs are looked at; 0: 200 */
    /* Iterations of the record that are kept in memory (logs/store.h), and bytes beyond which the
     * log is sealed (logs/log.h); 0: CN_STORE_WINDOW, CN_LOG_VOLUME. Smaller ones are for tests. */
    int64_t window, volume;
};
#define CN_RUN_EXPLORE_OPTS_INIT  \
    {                             \
        NULL, NULL, NULL, 0, 0, 0 \
    }

/* Explore until a stop rule fires. On CN_RUN_END_DONE and _TARGET the confirmation replicates
 * have run and the report is written. An error comes back as a status and leaves the store as
 * after a kill -9. */
CN_MUST_CHECK cn_status cn_run_explore(struct cn_run *run, const struct cn_run_explore_opts *o,
                                       cn_run_end *out_end, struct cn_err *err);

/* Async-signal-safe, from SIGINT's handler: level 1 = submit nothing new, finish what runs and
 * the books; level 2 = cancel the jobs now (they are not counted and are tried again on
 * resume). */
void cn_run_request_stop(struct cn_run *run, int level);

/* For other processes, while a harness explores or not (no lock is taken). */
CN_MUST_CHECK cn_status cn_run_post_stop(const char *dir, int level, struct cn_err *err);
CN_MUST_CHECK cn_status cn_run_say(const char *dir, const char *text, struct cn_err *err);

struct cn_run_status {
    char name[256], state[32]; /* state: "running", "waiting" (no harness), "done", "stopped" */
    int64_t committed, in_flight, total, block, n_blocks;
    /* Who leads by its lower bound (logs/best.h), and the config as given under the same regime:
     * the metric as the trainer gave it, NaN when absent. */
    char reward[64];                    /* name of the metric */
    int64_t best_node;                  /* 0: none yet */
    int32_t best_count, default_count;  /* trainings behind the means */
    double best_reward, default_reward; /* means */
    double best_std;                    /* NaN for one training */
    double best_bound;  /* the mean is at least (lower is better: at most) this; NaN: unknown */
    double confidence;  /* of best_bound */
    int64_t best_block; /* of the regime that both are of */
    char best_words[160];  /* "0.941 +- 0.012 of 4 (at least 0.923 at 90 %), robust" */
    char best_regime[160]; /* "simulation.noise=0.05"; "" when blocks do not differ */
    bool harness_alive;    /* the run's lock is held */
    char holder[256];      /* host and pid of the lease's last holder */
    int64_t heartbeat_ms, pending_messages;
};
CN_MUST_CHECK cn_status cn_run_status(const char *dir, struct cn_run_status *out,
                                      struct cn_err *err);

#endif
