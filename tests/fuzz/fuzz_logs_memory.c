/* Any bytes are a memory file: its free sections are stable once taken, the embedded proposer
 * changes nothing when it is asked twice, claims cite what exists, and the file that is made of
 * it gives the same words back. */
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/text.h"
#include "logs/principles.h"
#include "logs/project.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char config[] = "training:\n  lr_W: 1.0e-3\n";
static const struct cn_mutation changes[] = {{"training.lr_W", "1.0e-3", "2.0e-3"},
                                             {"training.lr_W", "1.0e-3", "3.0e-3"},
                                             {"training.lr_W", "1.0e-3", "4.0e-3"},
                                             {"training.act", "relu", "tanh"}};
enum { N_RUNS = 7, N_NODES = 5 };

/* A root that was trained three times, and four single changes of it, each better than it. */
static void make_history(struct cn_history *h, struct cn_node *nodes, struct cn_iteration *its,
                         struct cn_block *block)
{
    memset(h, 0, sizeof *h);
    h->info = (struct cn_run_info){.name = "fuzz",
                                   .study = "",
                                   .created = "",
                                   .reward = "R2",
                                   .converged = 0.9,
                                   .failed = 0.1,
                                   .proposer = "embedded",
                                   .score_kind = "ucb1",
                                   .c_scale = "none"};
    for (int i = 0; i < N_RUNS; i++) {
        int64_t id = i + 1, node = i < 3 ? 1 : id;
        its[i] = (struct cn_iteration){.id = id,
                                       .node = node,
                                       .block = 1,
                                       .replicate = i == 1 || i == 2,
                                       .state = CN_ITER_COMMITTED,
                                       .train_seed = (uint64_t)id,
                                       .seed_mode = "",
                                       .strategy = "",
                                       .parent_rule = "",
                                       .scored_value = (double)NAN,
                                       .outcome = CN_OUTCOME_OK,
                                       .cls = CN_CLASS_PARTIAL,
                                       .reward = i < 3 ? 0.5 + 0.01 * i : 0.6 + 0.1 * (i - 3),
                                       .seconds = 1,
                                       .observation = "",
                                       .message = "",
                                       .trajectory = "",
                                       .activity = "",
                                       .embedding = "",
                                       .hypothesis = "",
                                       .dir = "",
                                       .token = "",
                                       .job = ""};
    }
    for (int i = 0; i < N_NODES; i++)
        nodes[i] = (struct cn_node){.id = i ? i + 3 : 1,
                                    .parent = i ? 1 : 0,
                                    .block = 1,
                                    .config = config,
                                    .mutations = i ? &changes[i - 1] : NULL,
                                    .n_mutations = i ? 1 : 0,
                                    .strategy = i ? "exploit" : "root",
                                    .proposer = ""};
    for (int i = 0; i < N_NODES; i++)
        cn_text_copy(nodes[i].config_hash, sizeof nodes[i].config_hash,
                     i == 0   ? "a"
                     : i == 1 ? "b"
                     : i == 2 ? "c"
                     : i == 3 ? "d"
                              : "e");
    *block = (struct cn_block){.number = 1, .first = 1, .last = N_RUNS, .edit_note = ""};
    h->nodes = nodes;
    h->n_nodes = N_NODES;
    h->iterations = its;
    h->n_iterations = N_RUNS;
    h->blocks = block;
    h->n_blocks = 1;
}

static void check(bool ok)
{
    if (!ok)
        abort();
}

static void check_claims(const struct cn_history *h, const char *words)
{
    struct cn_evidence e;
    struct cn_claims c;

    check(cn_evidence_init(&e, h) == CN_OK);
    check(cn_claims_init(&c, h, &e, words) == CN_OK);
    for (int64_t i = 0; i < c.n; i++) {
        const struct cn_verdict_of *v = &c.all[i].verdict;
        for (int64_t k = 0; k < v->n_pro; k++)
            check(cn_history_iteration(h, v->pro[k]) && (k == 0 || v->pro[k] > v->pro[k - 1]));
        for (int64_t k = 0; k < v->n_contra; k++)
            check(cn_history_iteration(h, v->contra[k]) != NULL);
        check(v->standing != CN_CLAIM_ESTABLISHED || (v->n_pro >= 3 && v->n_contra == 0));
        check(v->confidence >= 0 && v->confidence <= 100);
    }
    cn_claims_clear(&c);
    cn_evidence_clear(&e);
}

/* What the embedded proposer makes of `words`; `out` is reset first. */
static void write_own(const struct cn_history *h, const char *words, struct cn_buf *out)
{
    static const char *const params[] = {"training.lr_W"};
    const struct cn_hypothesis_opts o = {1, true, params, 1, "a focus"};
    struct cn_buf half;

    cn_buf_init(&half, CN_CAP_TEXT);
    cn_buf_reset(out);
    check(cn_principles_update(h, words, &half, NULL) == CN_OK);
    check(cn_hypothesis_update(h, cn_buf_str(&half), &o, out, NULL) == CN_OK);
    cn_buf_clear(&half);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cn_history h;
    struct cn_node nodes[N_NODES];
    struct cn_iteration its[N_RUNS];
    struct cn_block block;
    struct cn_buf a, b, c;

    make_history(&h, nodes, its, &block);
    cn_buf_init(&a, CN_CAP_TEXT);
    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_init(&c, CN_CAP_TEXT);
    if (memchr(data, 0, size) == NULL && cn_text_utf8_valid((const char *)data, size)) {
        cn_memory_free_text((const char *)data, size, &a);
        cn_memory_free_text(cn_buf_str(&a), a.len, &b);
        check(strcmp(cn_buf_str(&a), cn_buf_str(&b)) == 0);
        check_claims(&h, cn_buf_str(&a));
        write_own(&h, cn_buf_str(&a), &b);
        write_own(&h, cn_buf_str(&b), &c);
        check(strcmp(cn_buf_str(&b), cn_buf_str(&c)) == 0);
        cn_buf_reset(&a);
        cn_project_memory(&h, cn_buf_str(&b), &a);
        cn_buf_reset(&c);
        cn_memory_free_text(cn_buf_str(&a), a.len, &c);
        check(strcmp(cn_buf_str(&b), cn_buf_str(&c)) == 0);
    }
    cn_buf_clear(&a);
    cn_buf_clear(&b);
    cn_buf_clear(&c);
    return 0;
}
