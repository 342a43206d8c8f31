#include "tests/support/long_run.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"

static const struct cn_run_info info = {
    .name = "long",
    .study = "fly",
    .created = "2026-01-01T00:00:00.000Z",
    .reward = "connectivity_R2",
    .converged = 0.9,
    .failed = 0.1,
    .n_iter_block = LONG_BLOCK,
    .n_parallel = 1,
    .proposer = "embedded",
    .score_kind = "ucb1",
    .ucb_c = 1.414,
    .c_scale = "none",
    .log_keys = "",
};

cn_status long_open(const char *dir, struct cn_store **out, struct cn_err *err)
{
    cn_status st = cn_store_open(dir, CN_STORE_WRITE, out, err);

    if (st == CN_ENOTFOUND)
        st = cn_store_create(dir, &info, "# Protocol\n", "training:\n  lr_W: 1.0e-3\n", out,
                             err);
    if (st == CN_OK)
        st = cn_store_lease_steal(*out, "long", cn_clock_now_ms(), 60000, err);
    return st;
}

/* Iterations 101, 102, 201, 202, ... confirm nodes between two blocks; the others are searched. */
static bool is_confirmation(int64_t id)
{
    return id % 100 == 1 && id > 1 ? true : id % 100 == 2 && id > 2;
}

static int64_t searched_before(int64_t id)
{
    int64_t n = 0;

    for (int64_t i = 1; i < id; i++)
        n += !is_confirmation(i);
    return n;
}

/* Within its block, from 0. */
static int64_t place(int64_t id)
{
    return searched_before(id) % LONG_BLOCK;
}

static int64_t block_of(int64_t id)
{
    return is_confirmation(id) ? 0 : searched_before(id) / LONG_BLOCK + 1;
}

/* Which node an iteration trains: mostly its own; the sixth of a block the one before, the eighth
 * the first node of all, every other confirmation a node of three blocks ago. */
static int64_t node_of(int64_t id)
{
    int64_t k = place(id), node;

    if (is_confirmation(id))
        return id % 2 ? 1 : node_of(id - 31 > 0 ? id - 31 : 1);
    if (k == 7 && id > LONG_BLOCK)
        return 1;
    if (k != 5)
        return id;
    for (node = id - 1; is_confirmation(node); node--)
        continue;
    return node_of(node);
}

static void put_config(int64_t node, char *out, size_t room)
{
    /* A block's root has the config of an older node. */
    int64_t like = place(node) == 0 && node > LONG_BLOCK ? node - node % 7 - LONG_BLOCK : node;

    cn_text_format(out, room,
                   "simulation:\n  n_frames: 64000\n  kind: noise\ntraining:\n  lr_W: %lld\n"
                   "  lr: 5.0e-4\n  a: 1\n  b: 2\n  c: 3\n  coeff_W_L1: 1.0e-5\n"
                   "  coeff_g_phi_diff: 750\n  coeff_g_phi_norm: 0.9\n  coeff_f_theta_W_L2: 0\n"
                   "  n_epochs: 1\n  batch_size: 2\n  recurrent: false\n  noise: %d\n",
                   (long long)like, node > 60 ? 2 : 1);
}

static double reward_of(int64_t id)
{
    return 0.5 + 0.45 * sin(0.37 * (double)id) + 1e-4 * (double)id;
}

static cn_status plan(struct cn_store *s, int64_t id, struct cn_err *err)
{
    char config[1024], old[32], new[32];
    int64_t node = node_of(id), k = place(id);
    struct cn_mutation m = {id % 3 ? "training.lr_W" : "training.a", old, new};
    struct cn_node n = {.id = id,
                        .parent = k == 0 || is_confirmation(id - 1) ? 0 : node_of(id - 1),
                        .block = block_of(id),
                        .config = config,
                        .mutations = &m,
                        .n_mutations = 1,
                        .strategy = k == 0 ? "root" : "exploit",
                        .proposer = "embedded"};
    struct cn_iteration it = {.id = id,
                              .node = node,
                              .block = block_of(id),
                              .replicate = node != id && !is_confirmation(id),
                              .confirmation = is_confirmation(id),
                              .sim_seed = (uint64_t)(id * 1000),
                              .train_seed = (uint64_t)(id * 1000 + 500),
                              .seed_mode = "suggested-default",
                              .strategy = node != id ? "robustness-test" : n.strategy,
                              .parent_rule = "row 1: Default",
                              .scored_value = (double)NAN,
                              .hypothesis = ""};

    put_config(id, config, sizeof config);
    cn_hash_hex(config, strlen(config), n.config_hash);
    cn_text_format(old, sizeof old, "%lld", (long long)n.parent);
    cn_text_format(new, sizeof new, "%lld", (long long)id);
    return cn_store_plan(s, node == id ? &n : NULL, &it, err);
}

static cn_status measure(struct cn_store *s, int64_t id, struct cn_err *err)
{
    double x = reward_of(id);
    struct cn_metric metrics[] = {{"connectivity_R2", x},
                                  {"tau_R2", 0.5 * x},
                                  {"training_time_min", 0.25 * (double)(id % 5)}};
    struct cn_measurement m = CN_MEASUREMENT_INIT;

    if (id % 13 == 0) {
        m.outcome = CN_OUTCOME_DIVERGED;
        m.message = "loss is nan";
        return cn_store_measure(s, id, 1, &m, err);
    }
    m.outcome = CN_OUTCOME_OK;
    m.reward = x;
    m.cls = x > 0.9 ? CN_CLASS_CONVERGED : x < 0.1 ? CN_CLASS_FAILED : CN_CLASS_PARTIAL;
    m.metrics = metrics;
    m.n_metrics = 3;
    m.seconds = 12;
    return cn_store_measure(s, id, 1, &m, err);
}

static cn_status open_block(struct cn_store *s, int64_t id, struct cn_err *err)
{
    static struct cn_mutation regimes[3] = {{"simulation.n_frames", "", "64000"},
                                            {"simulation.n_frames", "", "32000"},
                                            {"simulation.n_frames", "", "16000"}};
    int64_t n = block_of(id), last = id;
    struct cn_block b = {.number = n, .first = id, .regime = &regimes[n % 3], .n_regime = 1};

    while (block_of(last + 1) == n || (is_confirmation(last + 1) && block_of(last + 3) == n))
        last++;
    b.last = last;
    return cn_store_open_block(s, &b, err);
}

enum { OPEN, PLAN, SUBMIT, RUNNING, MEASURE, ANALYSE, COMMIT, CLOSE, STEPS };

static cn_status step(struct cn_store *s, int64_t id, int what, struct cn_err *err)
{
    struct cn_analysis a = {.observation = "as expected"};
    char token[32];

    cn_text_format(token, sizeof token, "long-%lld", (long long)id);
    switch (what) {
    case OPEN:
        return !is_confirmation(id) && place(id) == 0 ? open_block(s, id, err) : CN_OK;
    case PLAN:
        return plan(s, id, err);
    case SUBMIT:
        return cn_store_submit(s, id, 1, token, token, err);
    case RUNNING:
        return cn_store_running(s, id, 1, err);
    case MEASURE:
        return measure(s, id, err);
    case ANALYSE:
        return cn_store_analyse(s, id, &a, err);
    case COMMIT:
        return cn_store_commit(s, id, err);
    default:
        return !is_confirmation(id) && place(id) == LONG_BLOCK - 1
                   ? cn_store_close_block(s, block_of(id), "none", err)
                   : CN_OK;
    }
}

cn_status long_drive(struct cn_store *s, int64_t first, int64_t last, long_step_fn *between,
                     void *ctx, struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int64_t id = first; st == CN_OK && id <= last; id++)
        for (int what = 0; st == CN_OK && what < STEPS; what++) {
            st = step(s, id, what, err);
            if (st == CN_OK && between)
                st = between(ctx, err);
        }
    return st;
}
