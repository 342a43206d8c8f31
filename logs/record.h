/* The record of one run as plain data: what the store keeps and what every projection is made
 * of.
 *
 * Node = a config with a parent. Iteration = one training of a node: own id, own log entry, own
 * run folder. A node's id is the id of the iteration that first trained it, so ids agree with
 * the logs of the Python systems; a replicate (robustness test) is a new iteration of an
 * existing node, whose reward is the mean. Ids start at 1; parent 0 is "root".
 *
 * All strings are borrowed from the history's arena and are never NULL ("" when absent).
 */
#ifndef CN_LOGS_RECORD_H
#define CN_LOGS_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hash.h"

/* planned -> submitted -> running -> measured -> analysed -> committed; every step one
 * transaction. */
#define CN_ITER_STATE_MAP(X)  \
    X(PLANNED, "planned")     \
    X(SUBMITTED, "submitted") \
    X(RUNNING, "running")     \
    X(MEASURED, "measured")   \
    X(ANALYSED, "analysed")   \
    X(COMMITTED, "committed")
typedef enum {
#define X(name, text) CN_ITER_##name,
    CN_ITER_STATE_MAP(X)
#undef X
} cn_iter_state;

/* How a training ended (DESIGN section 3). diverged, oom, timeout count as a visit and score as
 * the block's worst; so does pruned (the host stopped it early: its metric lay below the median of
 * its peers); infra is retried and not counted; invalid was refused before launch. */
#define CN_OUTCOME_MAP(X)   \
    X(NONE, "")             \
    X(OK, "ok")             \
    X(DIVERGED, "diverged") \
    X(OOM, "oom")           \
    X(TIMEOUT, "timeout")   \
    X(CRASHED, "crashed")   \
    X(PRUNED, "pruned")     \
    X(INFRA, "infra")       \
    X(INVALID, "invalid")
typedef enum {
#define X(name, text) CN_OUTCOME_##name,
    CN_OUTCOME_MAP(X)
#undef X
} cn_outcome;

/* An ok outcome, classified by the protocol's thresholds on the reward metric. */
typedef enum { CN_CLASS_NONE, CN_CLASS_CONVERGED, CN_CLASS_PARTIAL, CN_CLASS_FAILED } cn_class;

struct cn_mutation {
    const char *path; /* dotted, as written in the config */
    const char *old_text, *new_text;
};

struct cn_metric {
    const char *name;
    double value; /* NaN: the trainer reported null */
};

/* Rewards of one node over its finished ok iterations. The search pools everything but
 * confirmations; the final report looks at confirmations alone. std is the sample standard
 * deviation (n-1), NaN for n < 2. */
typedef enum { CN_POOL_SEARCH, CN_POOL_CONFIRMATION } cn_pool;
struct cn_spread {
    int64_t n;
    double mean, std, min, max; /* NaN when n = 0 */
};

/* The oldest trainings of a node that was trained so often that not all are there. */
struct cn_before {
    int64_t last;      /* id of the last of them; the node's first training is there as well */
    int64_t trainings; /* of any outcome */
    struct cn_spread search; /* std is the square root of m2 / (n - 1), as of any other */
    double m2;
};

struct cn_node {
    int64_t id, parent; /* parent 0 = root */
    int64_t block;      /* 1-based */
    const char *config; /* the node's YAML, without the seeds of any one iteration */
    char config_hash[CN_HASH_TEXT]; /* canonical, seeds left out */
    /* Against the parent's config; of a root: against the base config. */
    const struct cn_mutation *mutations;
    int n_mutations;
    const char *strategy; /* exploit, failure-probe, explore, robustness-test, force-branch,
                             root, user, ... */
    const char *proposer; /* embedded, sobol, random, user, llm:... */
    const struct cn_before *before; /* NULL nearly always: all its trainings are there */
};

/* What the proposer said would be seen, before the run (logs/predictions.h). */
struct cn_prediction {
    const char *words;  /* "" when only the number was said */
    double expected;    /* the reward metric, as the trainer gives it; NaN: not said */
    double probability; /* that it holds; NaN: not said */
};

struct cn_iteration {
    int64_t id, node, block;
    int32_t slot;   /* (id-1) mod n_parallel: enters the seeds */
    bool replicate; /* of an existing node */
    /* A fresh-seed replicate made for the final report, outside the search. */
    bool confirmation;
    cn_iter_state state;
    int32_t attempt; /* of the training; 1-based, 0 before the first submit */
    uint64_t sim_seed, train_seed;
    /* suggested-default, same-data-robustness, different-data-generalization. */
    const char *seed_mode;
    const char *strategy;    /* of this iteration */
    const char *parent_rule; /* the rule row that fired, and the parent it chose, in words */
    double scored_value;     /* score of the chosen parent when it was chosen; NaN: root */
    cn_outcome outcome;
    cn_class cls;
    double reward; /* NaN unless outcome is ok; after the sign flip: higher is better */
    double
        seconds; /* of the training, as the trainer or its supervisor measured; NaN: unknown */
    const struct cn_metric *metrics;
    int n_metrics;
    const char *observation; /* one line, host-written */
    const char *message;     /* why it failed, in words; "" when ok */
    /* "conn peak=0.94 final=0.93 trend=[stable], ..."; "" when not known. */
    const char *trajectory;
    const char *activity, *embedding; /* what the figures show, when somebody looked; else "" */
    /* What the proposer expected, before the run; "" when it did not say. */
    const char *hypothesis;
    const struct cn_prediction *prediction; /* NULL: nothing was predicted */
    const char *dir;                        /* run folder, relative to the run */
    const char *token; /* of the last attempt: unique, part of the job's name; "" before the
                          first submit */
    /* What the executor calls the last attempt ("slurm:812"); "" when not known. */
    const char *job;
    int32_t infra_retries; /* attempts that ended as infra and were not counted */
    /* Never shown in projections that must not depend on time. */
    int64_t planned_ms, submitted_ms, finished_ms;
};

/* A closed block in numbers, as of its end; later trainings of its nodes do not change them. Kept
 * in the store, so that a block's rows need not be there to be spoken of. */
struct cn_rollup {
    bool known; /* false: the block is open, or the history was not loaded from a store */
    /* Search iterations; failed = outcome not ok. */
    int64_t all, ok, converged, failed;
    int64_t best_node;     /* 0: no iteration had a result */
    struct cn_spread best; /* of that node in the search */
    /* Of its config, in the terms of logs/best.h (struct cn_standing). */
    struct cn_spread config;
    double lo, hi;
    int stability;
    bool few;
    double worst;   /* lowest reward; NaN: none */
    double minutes; /* sum of training_time_min */
};

struct cn_block {
    int64_t number, first, last; /* iteration ids */
    /* Simulation keys and values of this block: path, "", value. */
    const struct cn_mutation *regime;
    int n_regime;
    /* The first block with the same values of the same keys; 0: not looked for
     * (cn_history_regimes). */
    int64_t regime_of;
    bool closed;
    const char *edit_note; /* the protocol edit or why there was none */
    struct cn_rollup roll;
};

/* A sealed part of the log (logs/FORMAT.md, section 4): the entries first..last. */
struct cn_volume {
    int64_t number, first, last; /* number counts from 1 */
    int64_t bytes;
    char hash[CN_HASH_TEXT];
};

/* What came before a window (cn_store_window). Whoever counts adds these and counts over the
 * iterations from `first` on: pinned ones are among the older. */
struct cn_older {
    /* Smaller ids are there only where somebody needs them (pinned); 0: everything is there. */
    int64_t first;
    int64_t searched, ok, converged, failed; /* as in a rollup */
    double minutes;
    double worst; /* lowest reward of the search before `first`; NaN: none */
    /* Keys that mutations before `first` touched, in that order; only when the run has no
     * log_keys. */
    const char **paths;
    int64_t *path_nodes; /* the node that first touched each */
    int64_t n_paths;
};

struct cn_message {
    int64_t id, sent_ms, acked_ms; /* acked_ms 0 = pending */
    int64_t acked_iteration;
    const char *text;
    const char *answer; /* of a model, in its words; "" or NULL: nobody's but the host's */
};

struct cn_event {
    int64_t id, at_ms, iteration; /* iteration 0 = the run */
    const char *kind, *text;
};

/* One version of a text that people or models change: "protocol", "memory", "user_input",
 * "config", or the name of a projection that a person edited. The words themselves:
 * cn_store_text. */
struct cn_text_version {
    int64_t id, version, at_ms; /* version counts from 1 within its kind */
    int64_t block; /* the newest block when it was made: an edit at the end of block b has b */
    const char *kind, *author, *reason; /* author: host, user, embedded, llm:... */
    char hash[CN_HASH_TEXT];
};

struct cn_run_info {
    const char *name, *study, *created;
    const char *reward; /* metric name */
    bool reward_lower_is_better;
    double converged, failed; /* thresholds on the metric */
    int64_t n_iter_block;
    int32_t n_parallel;
    const char *proposer;
    const char *score_kind; /* "ucb1" or "puct" */
    double ucb_c;
    const char *c_scale; /* "none" or "spread" */
    /* Dotted paths, separated by commas, that every Config line of the log shows (the
     * protocol's parameters). "" or NULL: the keys that mutations have touched so far. */
    const char *log_keys;
    /* Bounds on other metrics that a config must keep to count as best, as
     * "V_rest_R2 >= 0.2, tau_R2 >= 0.9" (docs/PROTOCOLS.md, Guardrails). "" or NULL: none. */
    const char *guardrails;
    /* The fields of an entry that the log shows, separated by commas, in order
     * (docs/PROTOCOLS.md, Log format). "" or NULL: all of them. */
    const char *log_fields;
};

/* What exchanges with a language model took (logs/exchange.h). */
struct cn_exchange_sums {
    int64_t exchanges, requests;
    int64_t lost;     /* requests whose end nobody knows: counted at their worst case */
    int64_t unpriced; /* requests whose price is unknown: not in usd */
    int64_t replayed; /* exchanges that were answered from a record */
    int64_t input, cache_read, cache_write, output; /* tokens; input: all that went in */
    double usd, seconds;
};

/* The language model's share of a run. */
struct cn_llm_facts {
    struct cn_exchange_sums all;
    /* The exchanges that the record stands on: of each need the last one that came to an end.
     * Equal for a run that was killed and one that was not. */
    struct cn_exchange_sums standing;
    const char *prices; /* "2026-01, unverified"; "" */
    int64_t seen[3];    /* of the last exchange when these were read: id, requests, end */
};

/* Everything, or a window of it (`older`), in id order. */
struct cn_history {
    struct cn_arena arena;
    struct cn_run_info info;
    struct cn_node *nodes;
    int64_t n_nodes;
    struct cn_iteration *iterations;
    int64_t n_iterations;
    struct cn_block *blocks;
    int64_t n_blocks;
    struct cn_message *messages;
    int64_t n_messages;
    struct cn_event *events;
    int64_t n_events;
    struct cn_text_version *texts;
    int64_t n_texts;
    struct cn_volume *volumes;
    int64_t n_volumes;
    struct cn_older older;
    struct cn_llm_facts llm;
    /* Trainings of a node as a chain (cn_history_index); NULL: not made, lookups scan. Positions
     * in `iterations`, -1 = none. */
    int64_t *first_run; /* [n_nodes] */
    int64_t *next_run;  /* [n_iterations] */
    /* Of a history from a store: what its arrays have room for, and what it held when it was
     * loaded (cn_store_refresh). */
    int64_t room_nodes, room_iterations;
    size_t loaded_bytes;
};

const char *cn_iter_state_name(cn_iter_state s);
const char *cn_outcome_name(cn_outcome o);
const char *cn_class_name(cn_class c); /* converged, partial, failed, "" */
bool cn_iter_state_parse(const char *name, cn_iter_state *out);
bool cn_class_parse(const char *name, cn_class *out);
bool cn_outcome_parse(const char *name, cn_outcome *out);

/* NULL when absent. */
const struct cn_node *cn_history_node(const struct cn_history *h, int64_t id);
/* NULL when absent. */
const struct cn_iteration *cn_history_iteration(const struct cn_history *h, int64_t id);
const struct cn_block *cn_history_block(const struct cn_history *h, int64_t number);
/* NaN when absent. */
double cn_iteration_metric(const struct cn_iteration *it, const char *name);

/* Trainings of a node in id order: the first one (prev NULL), then the one after `prev`; NULL at
 * the end. A step costs O(1) once cn_history_index was called, else a scan.
 *     for (it = cn_history_run(h, id, NULL); it; it = cn_history_run(h, id, it)) */
const struct cn_iteration *cn_history_run(const struct cn_history *h, int64_t node,
                                          const struct cn_iteration *prev);
/* Chains in the history's arena; to be made again when its rows change. CN_ENOMEM leaves none:
 * slower, not wrong. */
CN_MUST_CHECK cn_status cn_history_index(struct cn_history *h);
/* Fill in cn_block.regime_of, in one pass. CN_ENOMEM leaves them 0. */
CN_MUST_CHECK cn_status cn_history_regimes(struct cn_history *h);

struct cn_spread cn_history_spread(const struct cn_history *h, int64_t node, cn_pool pool);
/* The same over iterations that have at least reached `state` and whose id is at most `last`. */
struct cn_spread cn_history_spread_upto(const struct cn_history *h, int64_t node, cn_pool pool,
                                        cn_iter_state state, int64_t last);
void cn_history_clear(struct cn_history *h);

#endif
