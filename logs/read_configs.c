/* Configs of a history that was read back: from the run folders where they are there, else by
 * applying the mutations. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "base/yaml.h"
#include "logs/read.h"

/* What is no part of a config's identity: as the search has it (harness/loop/mutation.h). */
static const char *const beside[] = {"simulation.seed", "training.seed", "explore",
                                     "claude",          "description",   NULL};

struct filler {
    const char *run_dir, *base;
    struct cn_read_log *log;
    struct cn_err *err;
};

static cn_status no_memory(const struct filler *f)
{
    return cn_err_set(f->err, CN_ENOMEM, "%s: no memory for the configs", f->run_dir);
}

static cn_status warn(const struct filler *f, int64_t node, const char *why)
{
    const cn_status st =
        cn_read_log_warn(f->log, CN_READ_CONFIG, "", 0, node,
                         "node %lld: its config is a guess: %s", (long long)node, why);

    return st == CN_OK ? CN_OK : no_memory(f);
}

/* The folder's config, when there is one that can be read. */
static cn_status from_folder(const struct filler *f, const char *dir, struct cn_buf *out)
{
    char name[64];
    struct cn_yaml *y = NULL;

    cn_text_format(name, sizeof(name), "%s/config.yaml", dir);
    char *path = cn_file_join(f->run_dir, name);
    cn_status st = path ? cn_file_read(path, CN_CAP_CONFIG, out, NULL) : CN_ENOMEM;
    if (st == CN_OK)
        st = cn_yaml_parse(path, cn_buf_str(out), out->len, &y, NULL);
    cn_yaml_free(y);
    cn_free(path);
    return st;
}

const struct cn_node *cn_read_origin(const struct cn_history *h, const struct cn_node *n)
{
    static const char start[] = "block start: node ";
    const struct cn_iteration *it = cn_history_iteration(h, n->id);
    const struct cn_node *from;

    if (n->parent || !it || !cn_text_starts(it->parent_rule, start))
        return cn_history_node(h, n->parent);
    from = cn_history_node(h, strtoll(it->parent_rule + sizeof start - 1, NULL, 10));
    return from && from->id < n->id ? from : NULL; /* its config is known already */
}

static cn_status from_parent(const struct filler *f, const struct cn_node *n,
                             struct cn_buf *out)
{
    const struct cn_node *parent = cn_read_origin(&f->log->history, n);
    const char *text = parent ? parent->config : f->base;
    struct cn_yaml *y = NULL;
    struct cn_err err = CN_ERR_INIT;
    cn_status st = cn_yaml_parse("the parent's config", text, strlen(text), &y, &err);

    for (int i = 0; st == CN_OK && i < n->n_mutations; i++)
        st = cn_yaml_set(y, n->mutations[i].path, n->mutations[i].new_text, &err);
    size_t size = strlen(text);
    if (y)
        text = cn_yaml_text(y, &size);
    cn_buf_reset(out);
    cn_buf_add(out, text, size);
    if (st != CN_OK)
        st = st == CN_ENOMEM ? no_memory(f) : warn(f, n->id, err.text);
    cn_yaml_free(y);
    return st;
}

static void hash_config(struct cn_node *n)
{
    struct cn_yaml *y = NULL;
    struct cn_buf canonical;

    cn_buf_init(&canonical, CN_CAP_CONFIG * 4);
    if (cn_yaml_parse("config", n->config, strlen(n->config), &y, NULL) == CN_OK &&
        cn_yaml_canonical(y, beside, &canonical, NULL) == CN_OK)
        cn_hash_hex(cn_buf_str(&canonical), canonical.len, n->config_hash);
    cn_yaml_free(y);
    cn_buf_clear(&canonical);
}

/* Any training of a node has the node's config in its folder; the first that can be read. */
static bool from_any_folder(const struct filler *f, const struct cn_node *n,
                            struct cn_buf *text)
{
    const struct cn_history *h = &f->log->history;
    const struct cn_iteration *it = NULL;

    while ((it = cn_history_run(h, n->id, it)) != NULL)
        if (it->dir[0] && from_folder(f, it->dir, text) == CN_OK)
            return true;
    return false;
}

static cn_status fill(const struct filler *f, struct cn_node *n, struct cn_buf *text)
{
    struct cn_arena *a = &f->log->history.arena;
    cn_status st = CN_OK;

    if (!from_any_folder(f, n, text))
        st = from_parent(f, n, text);
    if (st == CN_OK && cn_buf_status(text) != CN_OK)
        st = no_memory(f);
    if (st != CN_OK)
        return st;
    const char *config = cn_arena_strdup(a, cn_buf_str(text));
    if (!config)
        return no_memory(f);
    n->config = config;
    hash_config(n);
    return CN_OK;
}

/* The run folders that are still there. */
static cn_status find_folders(const struct filler *f)
{
    struct cn_history *h = &f->log->history;

    for (int64_t i = 0; i < h->n_iterations; i++) {
        char dir[32];
        cn_text_format(dir, sizeof(dir), "iter_%06lld", (long long)h->iterations[i].id);
        char *path = cn_file_join(f->run_dir, dir);
        bool there = path && cn_file_is_dir(path);
        cn_free(path);
        if (there)
            h->iterations[i].dir = cn_arena_strdup(&h->arena, dir);
        if (!path || !h->iterations[i].dir) {
            h->iterations[i].dir = "";
            return no_memory(f);
        }
    }
    return CN_OK;
}

cn_status cn_read_configs(const char *run_dir, const char *base_config, struct cn_read_log *log,
                          struct cn_err *err)
{
    struct filler f = {run_dir, base_config, log, err};
    struct cn_buf text;
    cn_status st = CN_OK;

    cn_buf_init(&text, CN_CAP_CONFIG * 2);
    st = find_folders(&f);
    if (st == CN_OK && cn_history_index(&log->history) != CN_OK)
        st = no_memory(&f);
    for (int64_t i = 0; st == CN_OK && i < log->history.n_nodes; i++) {
        cn_buf_reset(&text);
        st = fill(&f, &log->history.nodes[i], &text); /* parents come first: ids ascend */
    }
    cn_buf_clear(&text);
    return st;
}
