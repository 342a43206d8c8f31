/* logs/read against logs/project on random histories: what the log says of a record is the record
 * again. The seed is printed; CAIRN_TEST_SEED takes another. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/rng.h"
#include "base/text.h"
#include "logs/project.h"
#include "logs/read.h"

enum { HISTORIES = 300 };

static struct cn_err err;
static struct cn_rng rng;
static struct cn_history h;

static int64_t upto(int64_t n) /* 0 .. n - 1 */
{
    return (int64_t)cn_rng_below(&rng, (uint64_t)n);
}

static bool chance(double p)
{
    return cn_rng_uniform(&rng) < p;
}

/* ---- words that would like to be records ---- */

static const char *words(void)
{
    static const char *const parts[] = {"plain",
                                        "connectivity_R2=0.95",
                                        "## Iter 3: converged",
                                        "\nNode: id=7, parent=2\n",
                                        "a, b, c",
                                        "\"quoted\"",
                                        "x: y -> z",
                                        "--- NEW SIMULATION BLOCK ---",
                                        "=",
                                        "\xc2\xa0",
                                        "\xe2\x86\x92",
                                        "\xff\x80",
                                        "\r\n# Title",
                                        "**bold**",
                                        "- item",
                                        "Metrics: a=1",
                                        "Next: parent=root",
                                        "<!-- cairn log, format 9 -->",
                                        "| cell | cell |",
                                        "\t\v",
                                        "Observation: nested",
                                        "nan",
                                        "1e-7",
                                        "[list, of] (things"};
    struct cn_buf b;
    const int64_t n = upto(5);

    cn_buf_init(&b, CN_CAP_TEXT);
    for (int64_t i = 0; i < n; i++)
        cn_buf_printf(&b, "%s%s", i ? " " : "",
                      parts[upto((int64_t)(sizeof parts / sizeof parts[0]))]);
    const char *kept = cn_arena_strdup(&h.arena, cn_buf_str(&b));
    cn_buf_clear(&b);
    return kept;
}

static double number(void)
{
    switch (upto(6)) {
    case 0:
        return cn_rng_uniform(&rng);
    case 1:
        return -cn_rng_uniform(&rng);
    case 2:
        return cn_rng_uniform(&rng) * 1e-12;
    case 3:
        return cn_rng_normal(&rng) * 1e200;
    case 4:
        return (double)upto(1000);
    default:
        return 0.1 * (double)upto(10);
    }
}

/* ---- a history ---- */

static const char *const keys[] = {"training.lr", "training.gain", "simulation.n_frames"};
static const char *const values[] = {"1.0e-3", "0.5", "relu", "\"a; b\"", "[1, 2]", "-3"};

static struct cn_mutation *mutations(int *out_n)
{
    struct cn_mutation *m = cn_arena_alloc(&h.arena, 3, sizeof *m);

    *out_n = (int)upto(3);
    for (int i = 0; i < *out_n; i++)
        m[i] = (struct cn_mutation){keys[upto(3)], values[upto(4)], values[upto(4)]};
    return m;
}

static void metrics(struct cn_iteration *it)
{
    static const char *const names[] = {"tau_R2", "V_rest_R2", "loss", "my_connectivity_R2"};
    struct cn_metric *m = cn_arena_alloc(&h.arena, 5, sizeof *m);

    if (it->outcome != CN_OUTCOME_OK)
        return; /* the log shows those of ok trainings alone */
    m[it->n_metrics++] = (struct cn_metric){
        h.info.reward, h.info.reward_lower_is_better ? -it->reward : it->reward};
    for (int i = 0; i < 4; i++)
        if (chance(.5))
            m[it->n_metrics++] =
                (struct cn_metric){names[i], chance(.1) ? (double)NAN : number()};
    it->metrics = m;
}

static void add_node(int64_t id, int64_t block)
{
    struct cn_node *n = &h.nodes[h.n_nodes++];

    *n = (struct cn_node){.id = id,
                          .block = block,
                          .config = "training:\n  lr: 1\n",
                          .strategy = "exploit",
                          .proposer = "embedded"};
    if (h.n_nodes > 1 && chance(.8))
        n->parent = h.nodes[upto(h.n_nodes - 1)].id;
    n->mutations = mutations(&n->n_mutations);
}

static void add_iteration(int64_t block, bool confirmation)
{
    static const cn_outcome outcomes[] = {CN_OUTCOME_DIVERGED, CN_OUTCOME_OOM,
                                          CN_OUTCOME_TIMEOUT, CN_OUTCOME_CRASHED,
                                          CN_OUTCOME_INVALID};
    struct cn_iteration *it = &h.iterations[h.n_iterations];
    const int64_t id = h.n_iterations + 1;
    const bool again = h.n_nodes > 0 && (confirmation || chance(.2));

    if (!again)
        add_node(id, block);
    *it = (struct cn_iteration){.id = id,
                                .node = again ? h.nodes[upto(h.n_nodes)].id : id,
                                .block = confirmation ? 0 : block,
                                .slot = (int32_t)((id - 1) % h.info.n_parallel),
                                .replicate = again && !confirmation,
                                .confirmation = confirmation,
                                .state = CN_ITER_COMMITTED,
                                .attempt = 1,
                                .sim_seed = cn_rng_u64(&rng),
                                .train_seed = cn_rng_u64(&rng),
                                .seed_mode = "suggested-default",
                                .strategy = words(),
                                .parent_rule = words(),
                                .hypothesis = words(),
                                .observation = words(),
                                .activity = words(),
                                .embedding = words(),
                                .trajectory = "",
                                .message = "",
                                .dir = "",
                                .token = "",
                                .job = "",
                                .scored_value = (double)NAN,
                                .reward = (double)NAN,
                                .seconds = (double)NAN};
    it->outcome = chance(.8) ? CN_OUTCOME_OK : outcomes[upto(5)];
    if (it->outcome == CN_OUTCOME_OK) {
        it->reward = number();
        it->cls = (cn_class)(1 + upto(3));
    } else {
        it->message = cn_arena_printf(&h.arena, "because %s", words());
    }
    metrics(it);
    h.n_iterations++;
}

static void make_history(void)
{
    const int64_t blocks = 1 + upto(4), size = 1 + upto(6);

    memset(&h, 0, sizeof h);
    cn_arena_init(&h.arena, CN_CAP_ARENA);
    h.info = (struct cn_run_info){.name = "run",
                                  .study = "toy",
                                  .created = "",
                                  .reward = "connectivity_R2",
                                  .reward_lower_is_better = chance(.3),
                                  .converged = .9,
                                  .failed = .1,
                                  .n_iter_block = size,
                                  .n_parallel = (int32_t)(1 + upto(4)),
                                  .proposer = "embedded",
                                  .score_kind = "ucb1",
                                  .ucb_c = 1.414,
                                  .c_scale = "none",
                                  .log_keys = "training.lr"};
    h.nodes = cn_arena_alloc(&h.arena, 64, sizeof *h.nodes);
    h.iterations = cn_arena_alloc(&h.arena, 64, sizeof *h.iterations);
    h.blocks = cn_arena_alloc(&h.arena, 8, sizeof *h.blocks);
    for (int64_t b = 1; b <= blocks; b++) {
        struct cn_block *k = &h.blocks[h.n_blocks++];
        const bool last = b == blocks;

        *k = (struct cn_block){.number = b,
                               .first = h.n_iterations + 1,
                               .last = h.n_iterations + size,
                               .closed = !last,
                               .edit_note = ""};
        k->regime = mutations(&k->n_regime);
        for (int i = 0; i < k->n_regime; i++)
            ((struct cn_mutation *)(void *)(uintptr_t)k->regime)[i] =
                (struct cn_mutation){keys[i], "", values[upto(3)]};
        const int64_t n = last ? 1 + upto(size) : size;
        for (int64_t i = 0; i < n; i++)
            add_iteration(b, false);
        if (!last)
            k->edit_note = words();
        if (!last && chance(.2)) /* a run that went on after its confirmations */
            add_iteration(b, true);
    }
}

/* ---- what must be the same ---- */

static void check_iteration(const struct cn_iteration *x, const struct cn_iteration *y)
{
    cr_assert_eq(x->id, y->id);
    cr_assert_eq(x->node, y->node);
    cr_assert_eq(x->block, y->block, "iteration %lld", (long long)x->id);
    cr_assert_eq(x->slot, y->slot);
    cr_assert_eq(x->replicate, y->replicate);
    cr_assert_eq(x->confirmation, y->confirmation);
    cr_assert_eq(x->outcome, y->outcome);
    cr_assert_eq(x->cls, y->cls);
    cr_assert(x->reward == y->reward || (isnan(x->reward) && isnan(y->reward)));
    cr_assert_eq(x->sim_seed, y->sim_seed);
    cr_assert_eq(x->train_seed, y->train_seed);
    cr_assert_str_eq(x->seed_mode, y->seed_mode);
    cr_assert_eq(x->n_metrics, y->n_metrics, "iteration %lld", (long long)x->id);
    for (int i = 0; i < x->n_metrics; i++) {
        cr_assert_str_eq(x->metrics[i].name, y->metrics[i].name);
        cr_assert(x->metrics[i].value == y->metrics[i].value ||
                  (isnan(x->metrics[i].value) && isnan(y->metrics[i].value)));
    }
}

static void check_same(const struct cn_history *a, const struct cn_history *b)
{
    cr_assert_eq(a->n_iterations, b->n_iterations);
    cr_assert_eq(a->n_nodes, b->n_nodes);
    cr_assert_eq(a->n_blocks, b->n_blocks);
    for (int64_t i = 0; i < a->n_iterations; i++)
        check_iteration(&a->iterations[i], &b->iterations[i]);
    for (int64_t i = 0; i < a->n_nodes; i++) {
        cr_assert_eq(a->nodes[i].id, b->nodes[i].id);
        cr_assert_eq(a->nodes[i].parent, b->nodes[i].parent);
        cr_assert_eq(a->nodes[i].n_mutations, b->nodes[i].n_mutations, "node %lld",
                     (long long)a->nodes[i].id);
        for (int k = 0; k < a->nodes[i].n_mutations; k++)
            cr_assert_str_eq(a->nodes[i].mutations[k].path, b->nodes[i].mutations[k].path);
    }
    for (int64_t i = 0; i < a->n_blocks; i++) {
        cr_assert_eq(a->blocks[i].first, b->blocks[i].first);
        cr_assert_eq(a->blocks[i].last, b->blocks[i].last);
        cr_assert_eq(a->blocks[i].closed, b->blocks[i].closed);
        if (a->n_blocks > 1) /* a log names the regime of a first block when that is over */
            cr_assert_eq(a->blocks[i].n_regime, b->blocks[i].n_regime);
    }
}

/* The first line that differs, if any. */
static void check_text(int k, const char *a, const char *b)
{
    while (*a || *b) {
        const size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");

        cr_assert(n == m && memcmp(a, b, n) == 0, "history %d:\n%.*s\n%.*s", k, (int)n, a,
                  (int)m, b);
        a += n + (a[n] == '\n');
        b += m + (b[m] == '\n');
    }
}

static uint64_t seed(void)
{
    const char *given = getenv("CAIRN_TEST_SEED");
    uint64_t x = 1;

    if (given && !cn_text_parse_uint64(given, &x))
        cr_assert_fail("CAIRN_TEST_SEED=%s", given);
    printf("seed %llu\n", (unsigned long long)x);
    return x;
}

Test(logs_read_random, a_log_reads_back_as_the_record_and_writes_itself_again, .timeout = 60)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    const uint64_t s = seed();

    for (int k = 0; k < HISTORIES; k++) {
        struct cn_read_log log;
        struct cn_buf first, second;

        cn_rng_init(&rng, s, (uint64_t)k);
        make_history();
        cn_buf_init(&first, CN_CAP_TEXT);
        cn_buf_init(&second, CN_CAP_TEXT);
        cn_project_analysis(&h, &first);
        cr_assert_eq(cn_read_log("log", cn_buf_str(&first), first.len, &o, &log, &err), CN_OK);
        cr_assert_eq(log.n_warnings, 0, "history %d: line %lld: %s\n%s", k,
                     (long long)log.warnings[0].line, log.warnings[0].text, cn_buf_str(&first));
        check_same(&h, &log.history);
        /* configs are no part of a log: give those of the record, then the texts are equal */
        for (int64_t i = 0; i < log.history.n_nodes; i++)
            log.history.nodes[i].config = h.nodes[i].config;
        log.history.info.log_keys = h.info.log_keys;
        cn_project_analysis(&log.history, &second);
        check_text(k, cn_buf_str(&first), cn_buf_str(&second));
        cn_read_log_clear(&log);
        cn_buf_clear(&first);
        cn_buf_clear(&second);
        cn_history_clear(&h);
    }
}
