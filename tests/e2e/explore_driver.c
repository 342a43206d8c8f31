/* The smallest harness, for tests: make the run when it is not there, then explore it to its
 * end.
 *
 *     explore_driver DIR PROTOCOL CONFIG [crash_after=N] [window=N] [volume=N] [path=value ...]
 *     explore_driver --dump DIR    the record without times and attempts, to compare two runs
 *
 * Exit codes as cn_status_exit_code; 137 when the crash seam of base/file.h fired
 * (crash_after=N: after the Nth durable operation of this process; the environment variable
 * would reach the trainings too).
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/status.h"
#include "base/text.h"
#include "harness/loop/run.h"
#include "logs/record.h"
#include "logs/store.h"

enum { MAX_OVERRIDES = 32 };

static struct cn_run *running;

static void on_interrupt(int sig)
{
    static volatile sig_atomic_t level;

    (void)sig;
    if (level < 2)
        level++;
    if (running)
        cn_run_request_stop(running, level);
}

static void say(void *ctx, const char *line)
{
    (void)ctx;
    printf("%s\n", line);
    (void)fflush(stdout);
}

static int take_overrides(int argc, char **argv, struct cn_run_override *o,
                          struct cn_run_explore_opts *eo)
{
    int n = 0;

    for (int i = 4; i < argc && n < MAX_OVERRIDES; i++) {
        char *eq = strchr(argv[i], '=');

        if (!eq)
            continue;
        *eq = '\0';
        if (strcmp(argv[i], "crash_after") == 0) {
            int64_t nth;

            if (cn_text_parse_int64(eq + 1, &nth))
                cn_file_crash_after(nth);
            continue;
        }
        if (strcmp(argv[i], "window") == 0 || strcmp(argv[i], "volume") == 0) {
            if (!cn_text_parse_int64(eq + 1, argv[i][0] == 'w' ? &eo->window : &eo->volume))
                return -1;
            continue;
        }
        o[n++] = (struct cn_run_override){argv[i], eq + 1};
    }
    return n;
}

static void dump_iteration(const struct cn_iteration *it)
{
    printf("iteration %lld node %lld block %lld slot %d %d%d %s seeds %llu %llu %s %s\n  %s\n  "
           "%s\n",
           (long long)it->id, (long long)it->node, (long long)it->block, (int)it->slot,
           it->replicate, it->confirmation, cn_iter_state_name(it->state),
           (unsigned long long)it->sim_seed, (unsigned long long)it->train_seed, it->seed_mode,
           it->strategy, it->parent_rule, it->hypothesis);
    printf("  scored %.17g outcome %s %s reward %.17g\n  %s\n  %s %s\n", it->scored_value,
           cn_outcome_name(it->outcome), cn_class_name(it->cls), it->reward, it->observation,
           it->message, it->dir);
    for (int i = 0; i < it->n_metrics; i++)
        printf("  %s %.17g\n", it->metrics[i].name, it->metrics[i].value);
}

static void dump_node(const struct cn_node *n)
{
    printf("node %lld parent %lld block %lld %s %s %s\n%s\n", (long long)n->id,
           (long long)n->parent, (long long)n->block, n->config_hash, n->strategy, n->proposer,
           n->config);
    for (int i = 0; i < n->n_mutations; i++)
        printf("  %s: %s -> %s\n", n->mutations[i].path, n->mutations[i].old_text,
               n->mutations[i].new_text);
}

static void dump_block(const struct cn_block *b)
{
    printf("block %lld %lld-%lld %d %s\n", (long long)b->number, (long long)b->first,
           (long long)b->last, b->closed, b->edit_note);
    for (int i = 0; i < b->n_regime; i++)
        printf("  %s %s\n", b->regime[i].path, b->regime[i].new_text);
}

static int dump(const char *dir)
{
    struct cn_err err = CN_ERR_INIT;
    struct cn_store *s = NULL;
    struct cn_history h = {0};
    cn_status st = cn_store_open(dir, CN_STORE_READ, &s, &err);

    if (st == CN_OK)
        st = cn_store_check(s, &err);
    if (st == CN_OK)
        st = cn_store_history(s, &h, &err);
    for (int64_t i = 0; st == CN_OK && i < h.n_nodes; i++)
        dump_node(&h.nodes[i]);
    for (int64_t i = 0; st == CN_OK && i < h.n_iterations; i++)
        dump_iteration(&h.iterations[i]);
    for (int64_t i = 0; st == CN_OK && i < h.n_blocks; i++)
        dump_block(&h.blocks[i]);
    for (int64_t i = 0; st == CN_OK && i < h.n_texts; i++)
        printf("text %s %lld %s %s\n", h.texts[i].kind, (long long)h.texts[i].version,
               h.texts[i].author, h.texts[i].hash);
    cn_history_clear(&h);
    cn_store_close(s);
    return st == CN_OK ? 0 : cn_err_print(stderr, "explore_driver", &err);
}

int main(int argc, char **argv)
{
    struct cn_run_override overrides[MAX_OVERRIDES];
    struct cn_run_create_opts co = CN_RUN_CREATE_OPTS_INIT;
    struct cn_run_explore_opts eo = CN_RUN_EXPLORE_OPTS_INIT;
    struct cn_err err = CN_ERR_INIT;
    cn_run_end end = CN_RUN_END_FAILED;
    cn_status st;

    if (argc == 3 && strcmp(argv[1], "--dump") == 0)
        return dump(argv[2]);
    if (argc < 4) {
        fprintf(stderr, "usage: explore_driver DIR PROTOCOL CONFIG [path=value ...]\n");
        return 2;
    }
    (void)signal(SIGINT, on_interrupt);
    co.dir = argv[1];
    co.protocol = argv[2];
    co.config = argv[3];
    co.overrides = overrides;
    co.n_overrides = take_overrides(argc, argv, overrides, &eo);
    if (co.n_overrides < 0)
        return 2;
    eo.say = say;
    eo.poll_ms = 20;
    st = cn_run_create(&co, &err);
    if (st == CN_OK || st == CN_EEXIST)
        st = cn_run_open(argv[1], NULL, 0, &running, &err);
    if (st == CN_OK)
        st = cn_run_explore(running, &eo, &end, &err);
    if (st == CN_OK)
        printf("end: %s\n", cn_run_end_text(end));
    cn_run_close(running);
    return st == CN_OK ? 0 : cn_err_print(stderr, "explore_driver", &err);
}
