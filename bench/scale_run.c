#include "bench/scale_run.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/rng.h"
#include "base/text.h"
#include "harness/loop/run.h"
#include "logs/store.h"

static const char describe[] =
    "{\"contract\": 1, \"study\": \"toy\", \"title\": \"A landscape with one hill\",\n"
    " \"parameters\": [\n"
    "  {\"path\": \"training.lr\", \"aliases\": [], \"type\": \"float\", \"unit\": \"\","
    " \"default\": 1e-3, \"min\": 1e-7, \"max\": 1, \"scale\": \"log\", \"choices\": [],"
    " \"class\": \"training\", \"meaning\": \"learning rate\", \"derives\": []},\n"
    "  {\"path\": \"training.gain\", \"aliases\": [], \"type\": \"float\", \"unit\": \"\","
    " \"default\": 0.5, \"min\": 0, \"max\": 4, \"scale\": \"linear\", \"choices\": [],"
    " \"class\": \"training\", \"meaning\": \"gain\", \"derives\": []},\n"
    "  {\"path\": \"simulation.n_frames\", \"aliases\": [], \"type\": \"int\","
    " \"unit\": \"frames\", \"default\": 1000, \"min\": 10, \"max\": 1000000,"
    " \"scale\": \"log\", \"choices\": [], \"class\": \"simulation\", \"meaning\": \"length\","
    " \"derives\": []}],\n"
    " \"metrics\": [{\"name\": \"score\", \"min\": null, \"max\": 1, \"better\": \"higher\","
    " \"role\": \"primary\", \"meaning\": \"height\"},\n"
    "  {\"name\": \"training_time_min\", \"min\": 0, \"max\": null, \"better\": \"lower\","
    " \"role\": \"info\", \"meaning\": \"minutes\"}],\n"
    " \"figures\": []}\n";

static const char protocol[] =
    "# A long run\n\n## Goal\n\nFind the settings with the highest score.\n\n"
    "## Classification\n\n- **Converged**: score > 0.9\n- **Partial**: score 0.1-0.9\n"
    "- **Failed**: score < 0.1\n\n## Training Parameters to explore\n\n```yaml\ntraining:\n"
    "  lr: 1.0e-3   # learning rate range: 1.0e-5 to 1.0e-1\n"
    "  gain: 0.5    # gain range: 0 to 2\n```\n\n## Simulation Parameters to explore\n\n"
    "```yaml\nsimulation:\n  n_frames: 1000   # length range: 100 to 10000\n```\n";

/* Keys that no mutation touches, so that the config is as long as a real one. */
static void put_padding(struct cn_buf *out)
{
    cn_buf_adds(out, "padding:\n");
    for (int i = 0; out->len < SCALE_CONFIG_BYTES; i++)
        cn_buf_printf(out, "  key_%03d: %d.5   # a key as a real config has many\n", i, i);
}

static void put_config(struct cn_buf *out, const char *dir, const char *bin, double lr,
                       int frames)
{
    cn_buf_printf(out,
                  "trainer: {command: [%s/toy_trainer], describe: %s/describe.json}\n"
                  "simulation:\n  n_frames: %d\ntraining:\n  lr: %.6g\n  gain: 0.5\n"
                  "explore: {n_iter_block: %d, n_parallel: 2, confirm: 0, retry_wait_s: 0}\n"
                  "toy:\n  ledger: %s/ledger\n",
                  bin, dir, frames, lr, SCALE_BLOCK, dir);
    put_padding(out);
}

static cn_status put_file(const char *dir, const char *name, const char *text,
                          struct cn_err *err)
{
    char *path = cn_file_join(dir, name);
    cn_status st = path ? cn_file_replace(path, text, strlen(text), err)
                        : cn_err_set(err, CN_ENOMEM, "%s: no memory", name);

    cn_free(path);
    return st;
}

/* ---- the rows ---- */

struct maker {
    struct cn_history h;
    const char *dir, *bin;
};

static struct cn_metric *make_metrics(struct maker *m, double score)
{
    static const char *const names[SCALE_METRICS] = {
        "score",   "loss",      "training_time_min",
        "tau_R2",  "V_rest_R2", "test_pearson",
        "m_06",    "m_07",      "m_08",
        "m_09",    "m_10",      "m_11",
        "m_12",    "final_r2",  "best_r2",
        "r2_drop",
    };
    struct cn_metric *x = cn_arena_alloc(&m->h.arena, SCALE_METRICS, sizeof *x);

    for (int i = 0; x && i < SCALE_METRICS; i++)
        x[i] = (struct cn_metric){names[i], i == 0 ? score : score * (i + 1) / 7};
    return x;
}

/* The id-th of a row of random words. */
static uint64_t word(uint64_t stream, int64_t id)
{
    struct cn_rng r;

    cn_rng_init(&r, 7, stream);
    cn_rng_seek(&r, (uint64_t)(2 * id));
    return cn_rng_u64(&r);
}

/* Every sixth iteration trains the node before it again, every eleventh diverges. */
static cn_status make_row(struct maker *m, int64_t id)
{
    struct cn_history *h = &m->h;
    int64_t block = (id - 1) / SCALE_BLOCK + 1, first = (block - 1) * SCALE_BLOCK + 1;
    struct cn_iteration *it = &h->iterations[h->n_iterations++];
    bool again = id % 6 == 0, failed = id % 11 == 0;
    double score = 0.2 + 0.75 * (double)(word(1, id) >> 11) * 0x1p-53;

    *it = (struct cn_iteration){
        .id = id,
        .node = again ? h->nodes[h->n_nodes - 1].id : id,
        .block = block,
        .slot = (int32_t)((id - 1) % 2),
        .replicate = again,
        .state = CN_ITER_COMMITTED,
        .attempt = 1,
        .sim_seed = (uint64_t)(id * 1000),
        .train_seed = (uint64_t)(id * 1000 + 500),
        .seed_mode = "suggested-default",
        .strategy = again         ? "robustness-test"
                    : id == first ? "root"
                                  : "exploit",
        .parent_rule = "row 1: Default; highest UCB: node 12 (score 1.234, visits 3)",
        .scored_value = 1.234,
        .outcome = failed ? CN_OUTCOME_DIVERGED : CN_OUTCOME_OK,
        .cls = failed        ? CN_CLASS_NONE
               : score > 0.9 ? CN_CLASS_CONVERGED
                             : CN_CLASS_PARTIAL,
        .reward = failed ? (double)NAN : score,
        .seconds = 61.5,
        .metrics = failed ? NULL : make_metrics(m, score),
        .n_metrics = failed ? 0 : SCALE_METRICS,
        .observation = "score 0.61, +0.0123 against node 12 (mean 0.598 of 1); best of the "
                       "block so far: node 12 (0.598)",
        .message = failed ? "the loss was not finite at step 40" : "",
        .trajectory = failed ? "" : "conn peak=0.61 final=0.60 trend=[stable]",
        .activity = "",
        .embedding = "",
        .hypothesis = "training.lr: the neighbours of 0.002 gained 0.01 on average",
        .dir = cn_arena_printf(&h->arena, "iter_%06lld", (long long)id),
        .token = cn_arena_printf(&h->arena, "cn-0123456789ab-%lld-1", (long long)id),
        .job = "local:4242",
        .planned_ms = 1700000000000 + id * 1000,
        .submitted_ms = 1700000000100 + id * 1000,
        .finished_ms = 1700000000900 + id * 1000};
    if (!it->dir || !it->token || (!failed && !it->metrics))
        return CN_ENOMEM;
    return CN_OK;
}

static cn_status make_node(struct maker *m, int64_t id)
{
    struct cn_history *h = &m->h;
    int64_t block = (id - 1) / SCALE_BLOCK + 1, first = (block - 1) * SCALE_BLOCK + 1;
    struct cn_node *n = &h->nodes[h->n_nodes++];
    struct cn_mutation *x = cn_arena_alloc(&h->arena, 1, sizeof *x);
    double lr = 1e-3 * (1 + (double)id * 1e-5);
    struct cn_buf text;

    cn_buf_init(&text, CN_CAP_CONFIG);
    put_config(&text, m->dir, m->bin, lr, 1000 + (int)(block % 50));
    *n = (struct cn_node){
        .id = id,
        .parent = id == first ? 0 : first + (int64_t)(word(2, id) % (uint64_t)(id - first)),
        .block = block,
        .config = cn_arena_strdup(&h->arena, cn_buf_str(&text)),
        .mutations = x,
        .n_mutations = 1,
        .strategy = id == first ? "root" : "exploit",
        .proposer = "embedded"};
    while (n->parent > 0 && (n->parent % 6 == 0)) /* that id is no node */
        n->parent--;
    if (x)
        *x = (struct cn_mutation){"training.lr", "0.001",
                                  cn_arena_printf(&h->arena, "%.6g", lr)};
    cn_hash_hex(cn_buf_str(&text), text.len, n->config_hash);
    cn_buf_clear(&text);
    return n->config && x && x->new_text ? CN_OK : CN_ENOMEM;
}

static cn_status make_block(struct maker *m, int64_t number)
{
    struct cn_history *h = &m->h;
    struct cn_mutation *x = cn_arena_alloc(&h->arena, 1, sizeof *x);

    if (!x)
        return CN_ENOMEM;
    *x = (struct cn_mutation){
        "simulation.n_frames", "",
        cn_arena_printf(&h->arena, "%lld", (long long)(1000 + number % 50))};
    h->blocks[h->n_blocks++] =
        (struct cn_block){.number = number,
                          .first = (number - 1) * SCALE_BLOCK + 1,
                          .last = number * SCALE_BLOCK,
                          .regime = x,
                          .n_regime = 1,
                          .closed = true,
                          .edit_note = "No protocol edit: branching rate 60 % of 3"};
    return x->new_text ? CN_OK : CN_ENOMEM;
}

static cn_status make_history(struct maker *m, int64_t n, struct cn_err *err)
{
    struct cn_history *h = &m->h;
    cn_status st = CN_OK;

    cn_arena_init(&h->arena, CN_CAP_ARENA);
    h->nodes = cn_arena_alloc(&h->arena, (size_t)n, sizeof *h->nodes);
    h->iterations = cn_arena_alloc(&h->arena, (size_t)n, sizeof *h->iterations);
    h->blocks = cn_arena_alloc(&h->arena, (size_t)(n / SCALE_BLOCK + 1), sizeof *h->blocks);
    if (!h->nodes || !h->iterations || !h->blocks)
        st = CN_ENOMEM;
    for (int64_t id = 1; st == CN_OK && id <= n; id++) {
        if ((id - 1) % SCALE_BLOCK == 0)
            st = make_block(m, (id - 1) / SCALE_BLOCK + 1);
        if (st == CN_OK && id % 6 != 0)
            st = make_node(m, id);
        if (st == CN_OK)
            st = make_row(m, id);
    }
    return st == CN_OK ? st
                       : cn_err_set(err, st, "no memory for %lld iterations", (long long)n);
}

/* ---- the folder ---- */

static cn_status make_run(const char *dir, struct cn_err *err)
{
    struct cn_run_create_opts co = CN_RUN_CREATE_OPTS_INIT;
    char *run = cn_file_join(dir, "run"), *md = cn_file_join(dir, "toy.md");
    char *yaml = cn_file_join(dir, "toy.yaml");
    cn_status st = run && md && yaml ? CN_OK : cn_err_set(err, CN_ENOMEM, "%s: no memory", dir);

    co.protocol = md;
    co.config = yaml;
    co.dir = run;
    if (st == CN_OK)
        st = cn_run_create(&co, err);
    cn_free(run);
    cn_free(md);
    cn_free(yaml);
    return st;
}

/* The run as it was made gives the settings; then its store is replaced by a long one, as when a
 * lost store was read back. */
static cn_status fill_store(struct maker *m, const char *run, struct cn_err *err)
{
    struct cn_store *s = NULL;
    struct cn_history made;
    struct cn_buf config;
    char *db = cn_file_join(run, "run.db");
    cn_status st = db ? CN_OK : cn_err_set(err, CN_ENOMEM, "%s: no memory", run);

    memset(&made, 0, sizeof made);
    cn_buf_init(&config, CN_CAP_CONFIG);
    if (st == CN_OK)
        st = cn_store_open(run, CN_STORE_READ, &s, err);
    if (st == CN_OK)
        st = cn_store_history(s, &made, err);
    if (st == CN_OK)
        st = cn_store_text(s, "config", 0, &config, err);
    cn_store_close(s);
    s = NULL;
    m->h.info = made.info;
    if (st == CN_OK && unlink(db) != 0)
        st = cn_err_errno(err, "%s: cannot be removed", db);
    if (st == CN_OK)
        st = cn_store_import(run, &m->h, protocol, cn_buf_str(&config), &s, err);
    cn_store_close(s);
    cn_history_clear(&made);
    cn_buf_clear(&config);
    cn_free(db);
    return st;
}

cn_status scale_make(const char *dir, const char *bin, int64_t n, struct cn_err *err)
{
    struct maker m;
    struct cn_buf config;
    char *run = cn_file_join(dir, "run");
    cn_status st = run ? cn_file_mkdirs(dir, err) : cn_err_set(err, CN_ENOMEM, "no memory");

    memset(&m, 0, sizeof m);
    m.dir = dir;
    m.bin = bin;
    n -= n % SCALE_BLOCK;
    cn_buf_init(&config, CN_CAP_CONFIG);
    put_config(&config, dir, bin, 1e-3, 1000);
    if (st == CN_OK)
        st = put_file(dir, "toy.yaml", cn_buf_str(&config), err);
    if (st == CN_OK)
        st = put_file(dir, "toy.md", protocol, err);
    if (st == CN_OK)
        st = put_file(dir, "describe.json", describe, err);
    if (st == CN_OK)
        st = make_run(dir, err);
    if (st == CN_OK)
        st = make_history(&m, n, err);
    if (st == CN_OK)
        st = fill_store(&m, run, err);
    if (st == CN_OK)
        st = cn_run_restore(run, dir, NULL, 0, err);
    cn_history_clear(&m.h);
    cn_buf_clear(&config);
    cn_free(run);
    return st;
}
