/* logs/read: case files (NAME.md with NAME.expect beside it; CAIRN_WRITE_GOLDEN=1 writes the
 * latter anew), every byte prefix of them, the way there and back, and what an old reader makes
 * of our log. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "logs/project.h"
#include "logs/read.h"
#include "logs/read_scores.h"
#include "logs/store.h"
#include "tests/support/logs_sample.h"

static struct cn_err err;

#define OK(call) cr_assert_eq((call), CN_OK, "%s", err.text)

static void case_path(const char *name, char out[512])
{
    const char *cases = getenv("CAIRN_TEST_CASES");

    (void)snprintf(out, 512, "%s/logs/%s", cases ? cases : "tests/cases", name);
}

static void load(const char *name, struct cn_buf *out)
{
    char path[512];

    case_path(name, path);
    cn_buf_init(out, CN_CAP_FILE);
    OK(cn_file_read(path, CN_CAP_FILE, out, &err));
}

static void dump_iteration(const struct cn_history *h, const struct cn_iteration *it,
                           struct cn_buf *b)
{
    const struct cn_node *n = cn_history_node(h, it->node);

    cr_assert(n);
    cr_assert_lt(n->parent, n->id, "a tree has no cycles");
    cn_buf_printf(b, "iter %lld node %lld parent %lld block %lld %s %s reward %.17g%s\n",
                  (long long)it->id, (long long)it->node, (long long)n->parent,
                  (long long)it->block, cn_outcome_name(it->outcome), cn_class_name(it->cls),
                  it->reward, it->confirmation ? " confirmation" : "");
    for (int i = 0; i < it->n_metrics; i++)
        cn_buf_printf(b, "  %s=%.17g\n", it->metrics[i].name, it->metrics[i].value);
    for (int i = 0; it->id == n->id && i < n->n_mutations; i++)
        cn_buf_printf(b, "  %s: [%s] -> [%s]\n", n->mutations[i].path, n->mutations[i].old_text,
                      n->mutations[i].new_text);
    if (it->sim_seed)
        cn_buf_printf(b, "  seeds %llu %llu %s\n", (unsigned long long)it->sim_seed,
                      (unsigned long long)it->train_seed, it->seed_mode);
}

static char *dump(const struct cn_read_log *log)
{
    const struct cn_history *h = &log->history;
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_printf(&b, "name %s reward %s\n", h->info.name, h->info.reward);
    for (int64_t i = 0; i < h->n_iterations; i++)
        dump_iteration(h, &h->iterations[i], &b);
    for (int64_t i = 0; i < h->n_blocks; i++) {
        cn_buf_printf(&b, "block %lld %lld-%lld %s edit \"%s\"", (long long)h->blocks[i].number,
                      (long long)h->blocks[i].first, (long long)h->blocks[i].last,
                      h->blocks[i].closed ? "closed" : "open", h->blocks[i].edit_note);
        for (int k = 0; k < h->blocks[i].n_regime; k++)
            cn_buf_printf(&b, " %s=%s", h->blocks[i].regime[k].path,
                          h->blocks[i].regime[k].new_text);
        cn_buf_addc(&b, '\n');
    }
    for (int64_t i = 0; i < log->n_warnings; i++)
        cn_buf_printf(&b, "%s line %lld iter %lld: %s\n",
                      cn_read_warning_name(log->warnings[i].kind),
                      (long long)log->warnings[i].line, (long long)log->warnings[i].iteration,
                      log->warnings[i].text);
    return cn_buf_take(&b);
}

static void check_case(const char *name, const struct cn_read_opts *o)
{
    struct cn_read_log log;
    struct cn_buf text, want;
    char file[128], path[512];

    (void)snprintf(file, sizeof(file), "%s.md", name);
    load(file, &text);
    OK(cn_read_log(file, cn_buf_str(&text), text.len, o, &log, &err));
    char *got = dump(&log);
    (void)snprintf(file, sizeof(file), "%s.expect", name);
    case_path(file, path);
    if (getenv("CAIRN_WRITE_GOLDEN"))
        OK(cn_file_replace(path, got, strlen(got), &err));
    load(file, &want);
    cr_assert_str_eq(got, cn_buf_str(&want), "%s", name);
    cn_free(got);
    cn_buf_clear(&text);
    cn_buf_clear(&want);
    cn_read_log_clear(&log);
}

static const char *const cases[] = {"legacy_vector", "legacy_forms", "legacy_blocks",
                                    "sample_analysis"};
enum { N_CASES = sizeof(cases) / sizeof(cases[0]) };

Test(logs_read, case_files_read_as_expected)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;

    for (int i = 0; i < N_CASES; i++)
        check_case(cases[i], &o);
}

/* The vector of the loop's specification, spelt out: what the Python reader gets wrong. */
Test(logs_read, the_five_entry_vector_is_read_correctly)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_log log;
    struct cn_buf text;
    static const double rewards[] = {.95, (.91 + .45) / 2, -.12, .00031, .97};
    static const int64_t parents[] = {0, 1, 2, 3, 0};

    load("legacy_vector.md", &text);
    OK(cn_read_log("v", cn_buf_str(&text), text.len, &o, &log, &err));
    cr_assert_eq(log.history.n_nodes, 5);
    for (int i = 0; i < 5; i++) {
        cr_assert_eq(log.history.iterations[i].reward, rewards[i], "%d", i + 1);
        cr_assert_eq(log.history.nodes[i].parent, parents[i], "%d", i + 1);
    }
    cr_assert_eq(log.n_warnings, 3);
    cr_assert_eq(log.warnings[0].kind, CN_READ_MULTI_VALUE);
    cr_assert_eq(log.warnings[0].iteration, 2);
    cr_assert_eq(log.warnings[1].kind, CN_READ_PROSE_METRIC);
    cr_assert_eq(log.warnings[1].iteration, 4);
    cr_assert_eq(log.warnings[2].kind, CN_READ_PARENT_CONFLICT);
    cr_assert_eq(log.warnings[2].iteration, 5);
    cn_read_log_clear(&log);

    static const struct {
        cn_read_multi multi;
        double reward;
    } policies[] = {
        {CN_READ_MIN, .45}, {CN_READ_MAX, .91}, {CN_READ_FIRST, .91}, {CN_READ_LAST, .45}};
    for (int i = 0; i < 4; i++) {
        o.multi = policies[i].multi;
        OK(cn_read_log("v", cn_buf_str(&text), text.len, &o, &log, &err));
        cr_assert_eq(log.history.iterations[1].reward, policies[i].reward);
        cn_read_log_clear(&log);
    }
    cn_buf_clear(&text);
}

Test(logs_read, another_reward_keeps_every_node)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_log log;
    const char *text = "## Iter 1: partial\nNode: id=1, parent=root\nMetrics: final_loss=0.5\n"
                       "## Iter 2: partial\nNode: id=2, parent=1\nMetrics: final_loss=0.25\n";

    o.reward = "final_loss";
    o.lower_is_better = true;
    OK(cn_read_log("v", text, strlen(text), &o, &log, &err));
    cr_assert_eq(log.history.n_nodes, 2);
    cr_assert_eq(log.history.iterations[0].reward, -.5);
    cr_assert_eq(log.history.iterations[1].reward, -.25);
    cr_assert_eq(log.n_warnings, 0);
    cn_read_log_clear(&log);
}

Test(logs_read, block_size_of_the_caller_wins_over_summaries)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_log log;
    struct cn_buf text;

    load("legacy_vector.md", &text);
    o.n_iter_block = 2;
    OK(cn_read_log("v", cn_buf_str(&text), text.len, &o, &log, &err));
    cr_assert_eq(log.history.n_blocks, 3);
    cr_assert_eq(log.history.iterations[4].block, 3);
    cr_assert(log.history.blocks[1].closed);
    cr_assert_not(log.history.blocks[2].closed);
    cn_read_log_clear(&log);
    cn_buf_clear(&text);
}

Test(logs_read, a_newer_format_is_refused)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_log log;
    const char *text = "# x\n<!-- cairn log, format 2, reward a. -->\n";

    cr_assert_eq(cn_read_log("v", text, strlen(text), &o, &log, &err), CN_EUNSUPPORTED);
    cr_assert(strstr(err.text, "v: line 2"), "%s", err.text);
    cn_read_log_clear(&log);
}

Test(logs_read, our_own_log_knows_which_way_is_better)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_log log;
    const char *text = "# Exploration log: x\n<!-- cairn log, format 1, reward loss. -->\n"
                       "<!-- settings: better=lower, n_iter_block=3, n_parallel=0 -->\n"
                       "## Iter 1: partial\nNode: id=1, parent=root\nMetrics: loss=0.5\n";

    OK(cn_read_log("v", text, strlen(text), &o, &log, &err));
    cr_assert_str_eq(log.history.info.reward, "loss");
    cr_assert_eq(log.history.iterations[0].reward, -.5);
    cr_assert_eq(log.history.blocks[0].last, 3);
    cr_assert_eq(log.history.info.n_parallel, 1, "none is no number of slots");
    cn_read_log_clear(&log);
}

/* ---- every prefix, hostile bytes, no memory ---- */

Test(logs_read, every_byte_prefix_of_good_files_is_read, .timeout = 60)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;

    for (int i = 0; i < N_CASES; i++) {
        struct cn_buf text;
        char file[128];
        int64_t before = 0;
        (void)snprintf(file, sizeof(file), "%s.md", cases[i]);
        load(file, &text);
        for (size_t n = 0; n <= text.len; n++) {
            struct cn_read_log log;
            char *exact = cn_alloc(n ? n : 1, 1); /* so that a read beyond n is seen */
            memcpy(exact, text.data, n);
            OK(cn_read_log(file, exact, n, &o, &log, &err));
            cr_assert_geq(log.history.n_iterations + 1, before, "entries do not vanish");
            before = log.history.n_iterations;
            cn_free(dump(&log));
            cn_read_log_clear(&log);
            cn_free(exact);
        }
        cn_buf_clear(&text);
    }
}

Test(logs_read, hostile_text_is_read_without_harm)
{
    static const char *const texts[] = {
        "## Iter 1: \nNode: id=999999999999999999999, parent=-1\nMetrics: "
        "connectivity_R2=1e999\n",
        "## Iter 999999999: converged\nNode: id=1, parent=1\nMetrics: connectivity_R2=1\n",
        "## Iter 1: converged\nNode: id=1, parent=1\nMetrics: connectivity_R2=,,==,=,\n",
        "## Iter 2: converged\nReplicate: of node 2\nNode: id=2, parent=2\nMetrics: a=1\n",
        "## Iter 2: x\nReplicate: of node 7\nMetrics: connectivity_R2=.\n",
        "## Iter 1: x\nMutation: : -> \n**\n**:**\n- \n> > > \nSlot\nSlot 1\nSlot :\n",
        "## Iter 1: converged\nNode: id=1, parent=2\nMetrics: connectivity_R2=1\n"
        "## Iter 2: converged\nNode: id=2, parent=1\nMetrics: connectivity_R2=1\n",
        "## Simulation Block 1 Summary (iters 9-3)\nSimulation: \"\n## Simulation Block\n",
        "# \n#\n##\n## \n####### x\n",
    };
    struct cn_read_opts o = CN_READ_OPTS_INIT;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct cn_read_log log;
        OK(cn_read_log("t", texts[i], strlen(texts[i]), &o, &log, &err));
        cn_free(dump(&log));
        cn_read_log_clear(&log);
    }
    struct cn_read_log log;
    static const char nul[] =
        "## Iter 1: converged\nNode: id=1, parent=root\nObservation: a\0b\n"
        "Metrics: connectivity_R2=0.5\n";
    OK(cn_read_log("t", nul, sizeof(nul) - 1, &o, &log, &err));
    cr_assert_str_eq(log.history.iterations[0].observation, "a?b");
    cn_read_log_clear(&log);
}

Test(logs_read, no_memory_is_an_error_and_leaks_nothing)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_buf text;
    int failed = 0;

    load("legacy_forms.md", &text);
    int64_t live = cn_alloc_live();
    for (int nth = 1; nth < 60; nth++) {
        struct cn_read_log log;
        cn_alloc_fail_nth(nth);
        cn_status st = cn_read_log("t", cn_buf_str(&text), text.len, &o, &log, &err);
        cn_alloc_fail_nth(0);
        cr_assert(st == CN_OK || st == CN_ENOMEM);
        failed += st == CN_ENOMEM;
        cn_read_log_clear(&log);
        cr_assert_eq(cn_alloc_live(), live);
    }
    cr_assert_gt(failed, 2);
    cn_buf_clear(&text);
}

/* ---- there and back ---- */

static char dir[64];

static void set_up(void)
{
    (void)snprintf(dir, sizeof(dir), "%s/cn_read_XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert(mkdtemp(dir));
}

static void tear_down(void)
{
    cr_assert_eq(cn_file_remove_tree(dir, &err), CN_OK);
}

static struct cn_store *sample(struct cn_history *h)
{
    struct cn_store *s;

    OK(logs_sample_open(dir, &s, &err));
    OK(logs_sample_drive(s, &err));
    OK(cn_store_history(s, h, &err));
    return s;
}

static void check_same(const struct cn_history *a, const struct cn_history *b)
{
    cr_assert_eq(a->n_nodes, b->n_nodes);
    cr_assert_eq(a->n_iterations, b->n_iterations);
    cr_assert_eq(a->n_blocks, b->n_blocks);
    for (int64_t i = 0; i < a->n_nodes; i++) {
        cr_assert_eq(a->nodes[i].id, b->nodes[i].id);
        cr_assert_eq(a->nodes[i].parent, b->nodes[i].parent);
        cr_assert_eq(a->nodes[i].block, b->nodes[i].block);
        cr_assert_eq(a->nodes[i].n_mutations, b->nodes[i].n_mutations);
        for (int k = 0; k < a->nodes[i].n_mutations; k++)
            cr_assert_str_eq(a->nodes[i].mutations[k].new_text,
                             b->nodes[i].mutations[k].new_text);
    }
    for (int64_t i = 0; i < a->n_iterations; i++) {
        const struct cn_iteration *x = &a->iterations[i], *y = &b->iterations[i];
        cr_assert_eq(x->node, y->node);
        cr_assert_eq(x->slot, y->slot);
        cr_assert_eq(x->block, y->block);
        cr_assert_eq(x->replicate, y->replicate);
        cr_assert_eq(x->confirmation, y->confirmation);
        cr_assert_eq(x->outcome, y->outcome);
        cr_assert_eq(x->cls, y->cls);
        cr_assert(x->reward == y->reward || (isnan(x->reward) && isnan(y->reward)));
        cr_assert_eq(x->sim_seed, y->sim_seed);
        cr_assert_eq(x->train_seed, y->train_seed);
        cr_assert_eq(x->n_metrics, y->n_metrics);
        cr_assert_str_eq(x->strategy, y->strategy);
        cr_assert_str_eq(x->message, y->message);
    }
    cr_assert_gt(a->n_messages, 0);
    cr_assert_eq(a->n_messages, b->n_messages);
    for (int64_t i = 0; i < a->n_messages; i++)
        cr_assert_eq(a->messages[i].acked_iteration, b->messages[i].acked_iteration);
    for (int64_t i = 0; i < a->n_blocks; i++) {
        cr_assert_eq(a->blocks[i].first, b->blocks[i].first);
        cr_assert_eq(a->blocks[i].last, b->blocks[i].last);
        cr_assert_eq(a->blocks[i].closed, b->blocks[i].closed);
        cr_assert_eq(a->blocks[i].n_regime, b->blocks[i].n_regime);
        cr_assert_str_eq(a->blocks[i].edit_note, b->blocks[i].edit_note);
    }
}

Test(logs_read, our_log_reads_back_as_the_record, .init = set_up, .fini = tear_down)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_history h;
    struct cn_read_log log;
    struct cn_buf text;
    struct cn_store *s = sample(&h);

    cn_buf_init(&text, CN_CAP_TEXT);
    cn_project_analysis(&h, &text);
    OK(cn_read_log("ours", cn_buf_str(&text), text.len, &o, &log, &err));
    cr_assert_eq(log.n_warnings, 0, "%s", log.n_warnings ? log.warnings[0].text : "");
    check_same(&h, &log.history);
    cn_read_log_clear(&log);
    cn_buf_clear(&text);
    cn_history_clear(&h);
    cn_store_close(s);
}

/* run.db lost: Markdown and base config give a store whose log is the same, byte for byte where
 * the record is. */
Test(logs_read, a_lost_store_is_rebuilt_from_its_markdown, .init = set_up, .fini = tear_down)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_history h, again;
    struct cn_read_log log;
    struct cn_buf text, second;
    struct cn_store *s = sample(&h), *t;
    char *db = cn_file_join(dir, "run.db");

    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_init(&second, CN_CAP_TEXT);
    cn_project_analysis(&h, &text);
    cn_store_close(s);
    cr_assert_eq(unlink(db), 0);

    OK(cn_read_log("ours", cn_buf_str(&text), text.len, &o, &log, &err));
    OK(cn_read_configs(dir, LOGS_SAMPLE_CONFIG, &log, &err));
    cr_assert_eq(log.n_warnings, 0, "%s", log.n_warnings ? log.warnings[0].text : "");
    /* node 5 is a new root with the previous best's lr_W in its config, but its line only names
     * n_frames */
    cr_assert_str_eq(log.history.nodes[1].config, h.nodes[1].config);
    cr_assert_eq(strlen(log.history.nodes[1].config_hash), 64);
    cr_assert_str_eq(log.history.info.log_keys, "training.lr_W,training.lr");
    cr_assert_eq(log.history.info.converged, 0.9);
    cr_assert_eq(log.history.info.n_parallel, 2);
    cr_assert_eq(log.history.info.n_iter_block, 4);
    cr_assert_str_eq(log.history.info.score_kind, "ucb1");
    OK(cn_store_import(dir, &log.history, LOGS_SAMPLE_PROTOCOL, LOGS_SAMPLE_CONFIG, &t, &err));
    OK(cn_store_history(t, &again, &err));
    check_same(&h, &again);
    cn_project_analysis(&again, &second);
    cr_assert_eq(text.len, second.len);
    cn_store_close(t);
    cn_free(db);
    cn_history_clear(&h);
    cn_history_clear(&again);
    cn_read_log_clear(&log);
    cn_buf_clear(&text);
    cn_buf_clear(&second);
}

Test(logs_read, configs_come_from_the_run_folders_where_they_are, .init = set_up,
     .fini = tear_down)
{
    struct cn_read_opts o = CN_READ_OPTS_INIT;
    struct cn_read_log log;
    const char *text =
        "## Iter 1: partial\nNode: id=1, parent=root\nMetrics: connectivity_R2=.5\n"
        "## Iter 2: partial\nNode: id=2, parent=1\nMetrics: connectivity_R2=.6\n"
        "Mutation: training.lr: 5.0e-4 -> 1.0e-3\n"
        "## Iter 3: partial\nNode: id=3, parent=1\nMetrics: connectivity_R2=.6\n"
        "Mutation: training.lr: 5.0e-4 -> [oops\n";
    char path[128];

    (void)snprintf(path, sizeof(path), "%s/iter_000001", dir);
    OK(cn_file_mkdirs(path, &err));
    (void)snprintf(path, sizeof(path), "%s/iter_000001/config.yaml", dir);
    OK(cn_file_replace(path, "training:\n  lr: 5.0e-4 # mine\n", 30, &err));
    OK(cn_read_log("t", text, strlen(text), &o, &log, &err));
    OK(cn_read_configs(dir, "a: 1\n", &log, &err));
    cr_assert_str_eq(log.history.nodes[0].config, "training:\n  lr: 5.0e-4 # mine\n");
    cr_assert_str_eq(log.history.nodes[1].config, "training:\n  lr: 1.0e-3 # mine\n");
    cr_assert_str_eq(log.history.nodes[2].config, "training:\n  lr: 5.0e-4 # mine\n");
    cr_assert_str_eq(log.history.iterations[0].dir, "iter_000001");
    cr_assert_str_eq(log.history.iterations[1].dir, "");
    cr_assert_eq(log.n_warnings, 1);
    cr_assert_eq(log.warnings[0].iteration, 3);
    cn_read_log_clear(&log);
}

/* ---- an old reader on our log (its rules as published: first match per line wins) ---- */

struct old_node {
    int64_t parent;
    double reward;
    bool is_there;
};

static bool old_metric(const char *line, double *out)
{
    const char *p = strstr(line, "connectivity_R2=");

    for (; p; p = strstr(p + 1, "connectivity_R2=")) {
        const char *v = p + strlen("connectivity_R2=");
        if (strspn(v, "0123456789.")) {
            char text[64];
            size_t n = strspn(v, "0123456789.");
            memcpy(text, v, n < 63 ? n : 63);
            text[n < 63 ? n : 63] = '\0';
            *out = strtod(text, NULL);
            return true;
        }
    }
    return false;
}

static void old_flush(struct old_node *nodes, int64_t id, struct old_node *record)
{
    if (id && record->is_there)
        nodes[id] = *record;
    memset(record, 0, sizeof(*record));
}

/* One record at a time, kept under the last id that it named: so a Node line in a block summary
 * renames it. */
static void old_read(char *text, struct old_node *nodes, int n_max)
{
    long long id = 0, x;
    struct old_node record = {0, 0, false};
    char word[16];

    for (char *line = strtok_r(text, "\n", &text); line; line = strtok_r(NULL, "\n", &text)) {
        const char *h = line + strspn(line, "#");
        if (h - line >= 2 && sscanf(h, " Iter %lld:", &x) == 1) {
            old_flush(nodes, id, &record);
            id = x;
        } else if (sscanf(line, "Node: id=%lld, parent=%15s", &x, word) == 2) {
            id = x;
            cr_assert_lt(id, n_max);
            record.parent = strcmp(word, "root") == 0 ? 0 : atoll(word);
        } else if (strncmp(line, "Mutation: ", 10) != 0 && old_metric(line, &record.reward)) {
            record.is_there = true;
        }
    }
    old_flush(nodes, id, &record);
}

Test(logs_read, an_old_reader_finds_our_nodes_under_their_own_ids, .init = set_up,
     .fini = tear_down)
{
    struct cn_history h;
    struct cn_buf text;
    struct old_node nodes[64];
    struct cn_store *s = sample(&h);

    memset(nodes, 0, sizeof(nodes));
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_project_analysis(&h, &text);
    old_read(text.data, nodes, 64);
    cr_assert_eq(nodes[1].reward, .72, "its last training");
    cr_assert_eq(nodes[2].reward, .92);
    cr_assert_eq(nodes[2].parent, 1);
    cr_assert_not(nodes[3].is_there, "a failure has no metrics");
    cr_assert_not(nodes[4].is_there, "a replicate is no node");
    cr_assert_not(nodes[5].is_there, "it cannot read a sign; nor may node 2 be renamed to it");
    cr_assert_eq(nodes[6].parent, 5);
    cr_assert_eq(nodes[6].reward, .00031);
    cr_assert_not(nodes[9].is_there, "the record forged in an observation");
    cn_buf_clear(&text);
    cn_history_clear(&h);
    cn_store_close(s);
}

/* ---- score lines ---- */

Test(logs_read, score_lines_are_read_by_name_in_any_order)
{
    static const struct {
        const char *line;
        int64_t node, parent, visits;
        double score, reward;
    } lines[] = {
        {"Node 2: UCB=2.175, parent=1, visits=1, R2=0.997 [CURRENT]", 2, 1, 1, 2.175, .997},
        {"Node 1: UCB=2.110, parent=root, visits=2, R2=0.934", 1, 0, 2, 2.110, .934},
        {"Node 7: UCB=-0.5, parent=3, visits=1, conn_R2=0.400, R2=-0.120, tau_R2=0.9, "
         "Mutation=lr: 1 -> 2",
         7, 3, 1, -.5, -.12},
    };
    struct cn_read_score x;

    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        cr_assert(cn_read_score_line(lines[i].line, &x));
        cr_assert_eq(x.node, lines[i].node);
        cr_assert_eq(x.parent, lines[i].parent);
        cr_assert_eq(x.visits, lines[i].visits);
        cr_assert_eq(x.score, lines[i].score);
        cr_assert_eq(x.reward, lines[i].reward, "%s", lines[i].line);
    }
    cr_assert_not(cn_read_score_line("=== UCB Scores (N_total=3, c=1) ===", &x));
    cr_assert_not(cn_read_score_line("Node x: UCB=1", &x));
    cr_assert_not(cn_read_score_line("", &x));
}
