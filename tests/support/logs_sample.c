#include "tests/support/logs_sample.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/text.h"

const struct cn_run_info logs_sample_info = {
    .name = "sample",
    .study = "fly",
    .created = "2026-01-01T00:00:00.000Z",
    .reward = "connectivity_R2",
    .converged = 0.9,
    .failed = 0.1,
    .n_iter_block = 4,
    .n_parallel = 2,
    .proposer = "embedded",
    .score_kind = "ucb1",
    .ucb_c = 1.414,
    .c_scale = "none",
    .log_keys = "training.lr_W,training.lr",
};

cn_status logs_sample_open(const char *dir, struct cn_store **out, struct cn_err *err)
{
    cn_status st = cn_store_open(dir, CN_STORE_WRITE, out, err);

    if (st == CN_ENOTFOUND)
        st = cn_store_create(dir, &logs_sample_info, LOGS_SAMPLE_PROTOCOL, LOGS_SAMPLE_CONFIG,
                             out, err);
    if (st == CN_OK)
        st = cn_store_lease_steal(*out, "sample", cn_clock_now_ms(), 60000, err);
    return st;
}

/* ---- the iterations as a table ---- */

struct row {
    int64_t node, parent, block;
    const char *strategy, *lr_w, *frames; /* this node's values */
    struct cn_mutation mutation;          /* path NULL: none */
    cn_outcome outcome;
    double reward;
    const char *rule, *observation, *message;
};

static const struct row rows[] = {
    {1,
     0,
     1,
     "root",
     "1.0e-3",
     "64000",
     {NULL, NULL, NULL},
     CN_OUTCOME_OK,
     0.71,
     "the first iteration is the base config",
     "baseline",
     ""},
    {2,
     1,
     1,
     "exploit",
     "2.0e-3",
     "64000",
     {"training.lr_W", "1.0e-3", "2.0e-3"},
     CN_OUTCOME_OK,
     0.934,
     "Default: highest UCB = node 1",
     "better\n## Iter 9: converged\nNode: id=9, parent=1\n"
     "Metrics: connectivity_R2=0.999",
     ""},
    {3,
     2,
     1,
     "failure-probe",
     "2.0e-2",
     "64000",
     {"training.lr_W", "2.0e-3", "2.0e-2"},
     CN_OUTCOME_DIVERGED,
     NAN,
     "3 consecutive successes",
     "too large a step",
     "loss is nan at step 40"},
    {2,
     1,
     1,
     "robustness-test",
     "2.0e-3",
     "64000",
     {NULL, NULL, NULL},
     CN_OUTCOME_OK,
     0.926,
     "Found good config",
     "holds",
     ""},
    {5,
     0,
     2,
     "root",
     "2.0e-3",
     "32000",
     {"simulation.n_frames", "64000", "32000"},
     CN_OUTCOME_OK,
     -0.12,
     "best of the last block under the new regime",
     "breaks",
     ""},
    {6,
     5,
     2,
     "exploit",
     "1.5e-3",
     "32000",
     {"training.lr_W", "2.0e-3", "1.5e-3"},
     CN_OUTCOME_OK,
     3.1e-4,
     "Default",
     "# Not a heading",
     ""},
    {1,
     0,
     0,
     "confirm",
     "1.0e-3",
     "64000",
     {NULL, NULL, NULL},
     CN_OUTCOME_OK,
     0.70,
     "",
     "",
     ""},
    {1,
     0,
     0,
     "confirm",
     "1.0e-3",
     "64000",
     {NULL, NULL, NULL},
     CN_OUTCOME_OK,
     0.72,
     "",
     "",
     ""},
    {2,
     1,
     0,
     "confirm",
     "2.0e-3",
     "64000",
     {NULL, NULL, NULL},
     CN_OUTCOME_OK,
     0.930,
     "",
     "",
     ""},
    {2,
     1,
     0,
     "confirm",
     "2.0e-3",
     "64000",
     {NULL, NULL, NULL},
     CN_OUTCOME_OK,
     0.920,
     "",
     "",
     ""},
};
enum { N_ROWS = sizeof(rows) / sizeof(rows[0]), BLOCK_1 = 4, BLOCK_2 = 6 };

static void make_config(const struct row *r, char *out, size_t room)
{
    cn_text_format(out, room,
                   "simulation:\n  n_frames: %s\n  seed: 1\ntraining:\n  lr_W: %s\n"
                   "  lr: 5.0e-4\n  seed: 2\n",
                   r->frames, r->lr_w);
}

static cn_status plan(struct cn_store *s, int64_t id, struct cn_err *err)
{
    const struct row *r = &rows[id - 1];
    char config[512];
    bool fresh = r->node == id;

    make_config(r, config, sizeof(config));
    struct cn_node node = {.id = id,
                           .parent = r->parent,
                           .block = r->block,
                           .config = config,
                           .mutations = &r->mutation,
                           .n_mutations = r->mutation.path != NULL,
                           .strategy = r->strategy,
                           .proposer = "embedded"};
    cn_text_format(node.config_hash, sizeof(node.config_hash), "h%d", (int)id);
    struct cn_iteration it = {.id = id,
                              .node = r->node,
                              .block = r->block,
                              .slot = (int32_t)((id - 1) % 2),
                              .replicate = !fresh && r->block != 0,
                              .confirmation = r->block == 0,
                              .sim_seed = (uint64_t)(id * 1000 + (id - 1) % 2),
                              .train_seed = (uint64_t)(id * 1000 + (id - 1) % 2 + 500),
                              .seed_mode = "suggested-default",
                              .strategy = r->strategy,
                              .parent_rule = r->rule,
                              .scored_value = r->parent ? 1.5 : (double)NAN,
                              .hypothesis = ""};
    return cn_store_plan(s, fresh ? &node : NULL, &it, err);
}

static cn_status submit(struct cn_store *s, int64_t id, int32_t attempt, struct cn_err *err)
{
    char token[64], dir[64];

    cn_text_format(token, sizeof(token), "sample-%d-%d", (int)id, (int)attempt);
    cn_text_format(dir, sizeof(dir), "iter_%06d", (int)id);
    return cn_store_submit(s, id, attempt, token, dir, err);
}

static cn_status measure(struct cn_store *s, int64_t id, int32_t attempt, struct cn_err *err)
{
    const struct row *r = &rows[id - 1];
    struct cn_metric metrics[] = {
        {"connectivity_R2", r->reward}, {"tau_R2", 0.5}, {"training_time_min", 0.25}};
    struct cn_measurement m = CN_MEASUREMENT_INIT;
    bool ok = r->outcome == CN_OUTCOME_OK;

    m.outcome = r->outcome;
    m.message = r->message;
    if (ok) {
        m.reward = r->reward;
        m.cls = r->reward > 0.9   ? CN_CLASS_CONVERGED
                : r->reward < 0.1 ? CN_CLASS_FAILED
                                  : CN_CLASS_PARTIAL;
        m.metrics = metrics;
        m.n_metrics = 3;
        m.trajectory = id == 2 ? "conn peak=0.95 final=0.934 trend=[stable]" : "";
    }
    return cn_store_measure(s, id, attempt, &m, err);
}

static cn_status analyse(struct cn_store *s, int64_t id, struct cn_err *err)
{
    struct cn_analysis a = {.observation = rows[id - 1].observation,
                            .activity = id == 1 ? "smooth" : ""};
    return cn_store_analyse(s, id, &a, err);
}

/* ---- the script ---- */

typedef enum {
    OPEN,
    PLAN,
    SUBMIT,
    JOB,
    RUNNING,
    RETRY,
    MEASURE,
    ANALYSE,
    COMMIT,
    CLOSE,
    TEXT,
    EVENT,
    MESSAGE
} op;
struct line {
    op op;
    int64_t id;
    int32_t attempt;
};

#define WHOLE(id)                                                                         \
    {PLAN, id, 0}, {SUBMIT, id, 1}, {RUNNING, id, 1}, {MEASURE, id, 1}, {ANALYSE, id, 0}, \
    {                                                                                     \
        COMMIT, id, 0                                                                     \
    }

/* 1 and 2 run side by side and 2 is done first; 3 loses an attempt. */
static const struct line script[] = {
    {OPEN, 1, 0},    {PLAN, 1, 0},    {PLAN, 2, 0},    {SUBMIT, 1, 1},  {SUBMIT, 2, 1},
    {JOB, 1, 1},     {RUNNING, 2, 1}, {RUNNING, 1, 1}, {MEASURE, 2, 1}, {ANALYSE, 2, 0},
    {COMMIT, 2, 0},  {PLAN, 3, 0},    {SUBMIT, 3, 1},  {MEASURE, 1, 1}, {MESSAGE, 1, 0},
    {ANALYSE, 1, 0}, {COMMIT, 1, 0},  {RETRY, 3, 1},   {SUBMIT, 3, 2},  {RUNNING, 3, 2},
    {EVENT, 3, 0},   {MEASURE, 3, 2}, {ANALYSE, 3, 0}, {COMMIT, 3, 0},  WHOLE(4),
    {TEXT, 1, 0},    {CLOSE, 1, 0},   {OPEN, 2, 0},    WHOLE(5),        WHOLE(6),
    {CLOSE, 2, 0},   WHOLE(7),        WHOLE(8),        WHOLE(9),        WHOLE(10),
};

int logs_sample_steps(void)
{
    return (int)(sizeof(script) / sizeof(script[0]));
}

static cn_status open_block(struct cn_store *s, int64_t number, struct cn_err *err)
{
    static const struct cn_mutation regime[2] = {{"simulation.n_frames", "", "64000"},
                                                 {"simulation.n_frames", "", "32000"}};
    struct cn_block b = {.number = number,
                         .first = number == 1 ? 1 : BLOCK_1 + 1,
                         .last = number == 1 ? BLOCK_1 : BLOCK_2,
                         .regime = &regime[number - 1],
                         .n_regime = 1};
    return cn_store_open_block(s, &b, err);
}

static cn_status play(struct cn_store *s, const struct line *l, struct cn_err *err)
{
    int64_t id = 0;
    cn_status st;

    switch (l->op) {
    case OPEN:
        return open_block(s, l->id, err);
    case PLAN:
        return plan(s, l->id, err);
    case SUBMIT:
        return submit(s, l->id, l->attempt, err);
    case JOB:
        return cn_store_job(s, l->id, l->attempt, "local:7", err);
    case RUNNING:
        return cn_store_running(s, l->id, l->attempt, err);
    case RETRY:
        return cn_store_retry(s, l->id, l->attempt, "the node was drained", err);
    case MEASURE:
        return measure(s, l->id, l->attempt, err);
    case ANALYSE:
        return analyse(s, l->id, err);
    case COMMIT:
        return cn_store_commit(s, l->id, err);
    case CLOSE:
        return cn_store_close_block(s, l->id, "no changes needed: branching rate 25 %", err);
    case TEXT:
        return cn_store_text_put(s, "memory", "embedded", "block end",
                                 "### Established Principles\n- lr_W of 2e-3 works\n", NULL,
                                 err);
    case EVENT:
        return cn_store_event(s, l->id, "note", "watched", err);
    case MESSAGE:
        st = cn_store_message_add(s, "key", "try a smaller step, lr=3e-4", &id, err);
        return st == CN_OK ? cn_store_message_ack(s, id, l->id, err) : st;
    }
    return CN_OK;
}

/* A killed run repeats only what may be unfinished, as a harness does: it skips the steps of
 * attempts that are over and asks for nothing that the record has behind it. */
static bool is_over(const struct cn_history *h, const struct line *l)
{
    const struct cn_iteration *it = cn_history_iteration(h, l->id);

    switch (l->op) {
    case SUBMIT:
    case RUNNING:
        return it && (it->attempt > l->attempt || it->infra_retries >= l->attempt);
    case JOB:
        return it && it->state >= CN_ITER_MEASURED;
    default:
        return false;
    }
}

cn_status logs_sample_drive_to(struct cn_store *s, int n, struct cn_err *err)
{
    struct cn_history h;
    cn_status st = cn_store_history(s, &h, err);

    for (int i = 0; st == CN_OK && i < n; i++)
        if (!is_over(&h, &script[i]))
            st = play(s, &script[i], err);
    cn_history_clear(&h);
    return st;
}

cn_status logs_sample_drive(struct cn_store *s, struct cn_err *err)
{
    return logs_sample_drive_to(s, logs_sample_steps(), err);
}

/* ---- dump ---- */

static void dump_iteration(const struct cn_iteration *it, struct cn_buf *b)
{
    cn_buf_printf(b,
                  "it %d node %d block %d slot %d rep %d conf %d %s attempt %d seeds %d %d\n",
                  (int)it->id, (int)it->node, (int)it->block, (int)it->slot, it->replicate,
                  it->confirmation, cn_iter_state_name(it->state), (int)it->attempt,
                  (int)it->sim_seed, (int)it->train_seed);
    cn_buf_printf(b, " %s|%s|%s|%.17g|%s|%s|%.17g|%s|%s|%s|%s|%s|%s|%s|%s|%d\n", it->seed_mode,
                  it->strategy, it->parent_rule, it->scored_value, cn_outcome_name(it->outcome),
                  cn_class_name(it->cls), it->reward, it->observation, it->message,
                  it->trajectory, it->activity, it->embedding, it->dir, it->token, it->job,
                  (int)it->infra_retries);
    for (int k = 0; k < it->n_metrics; k++)
        cn_buf_printf(b, " %s=%.17g", it->metrics[k].name, it->metrics[k].value);
    cn_buf_addc(b, '\n');
}

static void dump_node(const struct cn_node *n, struct cn_buf *b)
{
    cn_buf_printf(b, "node %d parent %d block %d %s %s %s\n%s", (int)n->id, (int)n->parent,
                  (int)n->block, n->config_hash, n->strategy, n->proposer, n->config);
    for (int k = 0; k < n->n_mutations; k++)
        cn_buf_printf(b, " %s: %s -> %s\n", n->mutations[k].path, n->mutations[k].old_text,
                      n->mutations[k].new_text);
}

char *logs_sample_dump(const struct cn_history *h)
{
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_printf(&b, "run %s %s %s %.17g\n", h->info.name, h->info.reward, h->info.log_keys,
                  h->info.ucb_c);
    for (int64_t i = 0; i < h->n_nodes; i++)
        dump_node(&h->nodes[i], &b);
    for (int64_t i = 0; i < h->n_iterations; i++)
        dump_iteration(&h->iterations[i], &b);
    for (int64_t i = 0; i < h->n_blocks; i++) {
        cn_buf_printf(&b, "block %d %d-%d closed %d %s", (int)h->blocks[i].number,
                      (int)h->blocks[i].first, (int)h->blocks[i].last, h->blocks[i].closed,
                      h->blocks[i].edit_note);
        for (int k = 0; k < h->blocks[i].n_regime; k++)
            cn_buf_printf(&b, " %s=%s", h->blocks[i].regime[k].path,
                          h->blocks[i].regime[k].new_text);
        cn_buf_addc(&b, '\n');
    }
    for (int64_t i = 0; i < h->n_messages; i++)
        cn_buf_printf(&b, "message %s\n", h->messages[i].text);
    for (int64_t i = 0; i < h->n_events; i++)
        cn_buf_printf(&b, "event %d %s %s\n", (int)h->events[i].iteration, h->events[i].kind,
                      h->events[i].text);
    for (int64_t i = 0; i < h->n_texts; i++)
        cn_buf_printf(&b, "text %s %d %s %s\n", h->texts[i].kind, (int)h->texts[i].version,
                      h->texts[i].author, h->texts[i].hash);
    return cn_buf_take(&b);
}
