/* See audit.h.
 *
 * 1 findings   2 texts   3 folders   4 the whole run
 */
#include "harness/loop/audit.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "harness/loop/rescore.h"
#include "logs/project.h"
#include "logs/store.h"

const char *cn_audit_kind_name(cn_audit_kind k)
{
    static const char *const names[] = {
#define X(name, text) text,
        CN_AUDIT_MAP(X)
#undef X
    };

    return names[k];
}

struct look {
    const char *dir;
    struct cn_audit *out;
    struct cn_store *store;
    struct cn_history h;
    struct cn_err *err;
};

/* ------------------------------------------------------------------ 1 findings */

static cn_status no_memory(struct look *l)
{
    return cn_err_set(l->err, CN_ENOMEM, "%s: no memory to check it", l->dir);
}

static CN_PRINTF(5, 6) cn_status find(struct look *l, cn_audit_kind kind, bool warning,
                                      int64_t iteration, const char *fmt, ...)
{
    char text[CN_ERR_TEXT];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    const struct cn_finding f = {kind, warning, iteration,
                                 cn_arena_strdup(&l->out->arena, text)};
    cn_buf_add(&l->out->list, &f, sizeof f);
    l->out->n++;
    l->out->n_differences += !warning;
    return f.text && cn_buf_status(&l->out->list) == CN_OK ? CN_OK : no_memory(l);
}

/* ------------------------------------------------------------------ 2 texts */

static cn_status find_lines(struct look *l, const char *report)
{
    cn_status st = CN_OK;

    while (st == CN_OK && *report) {
        const size_t n = strcspn(report, "\n");

        if (n > 0)
            st = find(l, CN_AUDIT_TEXT, false, 0, "%.*s", (int)n, report);
        report += n + (report[n] == '\n');
    }
    return st;
}

/* Without a describe table in the record (a very old store) the scores stay unchecked. */
static cn_status check_projections(struct look *l)
{
    struct cn_project_opts o = CN_PROJECT_OPTS_INIT;
    struct cn_rescore r;
    struct cn_buf report;
    int n = 0;
    cn_status st = cn_rescore_init(&r, l->store, l->err);

    cn_buf_init(&report, CN_CAP_TEXT);
    if (st == CN_OK && l->h.n_blocks > 0) {
        char *scores = cn_file_join(l->dir, "ucb_scores.txt");

        if (scores && cn_file_exists(scores)) /* a run that was read back has none yet */
            st = cn_rescore_block(&r, &l->h, l->h.n_blocks, &o, l->err);
        cn_free(scores);
    } else if (st == CN_ENOTFOUND || st == CN_EINPUT) {
        st = CN_OK;
    }
    if (st == CN_OK)
        st = cn_project_verify(l->store, &l->h, &o, &report, &n, l->err);
    if (st == CN_OK)
        st = find_lines(l, cn_buf_str(&report));
    cn_buf_clear(&report);
    cn_rescore_clear(&r);
    return st;
}

static cn_status check_versions(struct look *l)
{
    struct cn_buf words;
    cn_status st = CN_OK;

    cn_buf_init(&words, CN_CAP_FILE);
    for (int64_t i = 0; st == CN_OK && i < l->h.n_texts; i++) {
        const struct cn_text_version *t = &l->h.texts[i];
        char hash[CN_HASH_TEXT];

        st = cn_store_text(l->store, t->kind, t->version, &words, l->err);
        if (st != CN_OK)
            break;
        cn_hash_hex(cn_buf_str(&words), words.len, hash);
        l->out->texts++;
        if (strcmp(hash, t->hash) != 0)
            st = find(l, CN_AUDIT_VERSION, false, 0,
                      "%s, version %lld: its words have the hash %.12s..., not %.12s...",
                      t->kind, (long long)t->version, hash, t->hash);
    }
    cn_buf_clear(&words);
    return st;
}

/* ------------------------------------------------------------------ 3 folders */

static cn_status check_seed(struct look *l, const struct cn_iteration *it,
                            const struct cn_json *root, const char *path, uint64_t want)
{
    int64_t seed;

    if (!cn_json_int64(cn_json_path(root, path), &seed) || (uint64_t)seed == want)
        return CN_OK;
    return find(l, CN_AUDIT_RESULT, false, it->id,
                "iteration %lld: result.json: %s is %lld, the record says %llu",
                (long long)it->id, path, (long long)seed, (unsigned long long)want);
}

static cn_status check_metrics(struct look *l, const struct cn_iteration *it,
                               const struct cn_json *root)
{
    const struct cn_json *list = cn_json_get(root, "metrics");
    const double sign = l->h.info.reward_lower_is_better ? -1 : 1;
    double x;
    cn_status st = CN_OK;

    if (it->outcome == CN_OUTCOME_OK &&
        !(cn_json_number(cn_json_get(list, l->h.info.reward), &x) && sign * x == it->reward))
        st = find(l, CN_AUDIT_RESULT, false, it->id,
                  "iteration %lld: result.json does not give the reward %s=%.17g of the record",
                  (long long)it->id, l->h.info.reward, sign * it->reward);
    for (int i = 0; st == CN_OK && i < it->n_metrics; i++) {
        const bool there = cn_json_number(cn_json_get(list, it->metrics[i].name), &x);

        if (there ? x == it->metrics[i].value : isnan(it->metrics[i].value))
            continue;
        st = find(l, CN_AUDIT_RESULT, false, it->id,
                  "iteration %lld: result.json: %s is not the %.17g of the record",
                  (long long)it->id, it->metrics[i].name, it->metrics[i].value);
    }
    return st;
}

static cn_status check_result(struct look *l, const struct cn_iteration *it, const char *dir)
{
    struct cn_json_doc *doc = NULL;
    struct cn_err why = CN_ERR_INIT;
    char *path = cn_file_join(dir, "result.json");
    cn_status st = path ? cn_json_read(path, &doc, &why) : CN_ENOMEM;

    if (st == CN_ENOMEM)
        st = no_memory(l);
    else if (st == CN_ENOTFOUND) /* every exit but a crash leaves one */
        st = it->outcome == CN_OUTCOME_OK
                 ? find(l, CN_AUDIT_MISSING, false, it->id,
                        "iteration %lld: there is no result.json, the record says ok",
                        (long long)it->id)
                 : CN_OK;
    else if (st != CN_OK)
        st = it->outcome == CN_OUTCOME_OK
                 ? find(l, CN_AUDIT_RESULT, false, it->id, "iteration %lld: %.800s",
                        (long long)it->id, why.text)
                 : CN_OK;
    else if (it->outcome == CN_OUTCOME_OK) {
        const struct cn_json *root = cn_json_root(doc);

        st = check_seed(l, it, root, "seeds.simulation", it->sim_seed);
        if (st == CN_OK)
            st = check_seed(l, it, root, "seeds.training", it->train_seed);
        if (st == CN_OK)
            st = check_metrics(l, it, root);
    }
    cn_json_free(doc);
    cn_free(path);
    return st;
}

static cn_status check_config(struct look *l, const struct cn_iteration *it, const char *dir)
{
    const struct cn_node *n = cn_history_node(&l->h, it->node);
    struct cn_err why = CN_ERR_INIT;
    struct cn_yaml *y = NULL;
    char hash[CN_HASH_TEXT] = "";
    char *path = cn_file_join(dir, "config.yaml");
    cn_status st = path ? cn_yaml_read(path, &y, &why) : CN_ENOMEM;

    if (st == CN_OK)
        st = cn_config_hash(y, hash, &why);
    if (st == CN_ENOMEM)
        st = no_memory(l);
    else if (st == CN_ENOTFOUND)
        st = find(l, CN_AUDIT_MISSING, true, it->id, "iteration %lld: there is no config.yaml",
                  (long long)it->id);
    else if (st != CN_OK)
        st = find(l, CN_AUDIT_CONFIG, false, it->id, "iteration %lld: %.800s",
                  (long long)it->id, why.text);
    else if (n && n->config_hash[0] && strcmp(hash, n->config_hash) != 0)
        st = find(l, CN_AUDIT_CONFIG, false, it->id,
                  "iteration %lld: config.yaml is not the config of node %lld",
                  (long long)it->id, (long long)n->id);
    cn_yaml_free(y);
    cn_free(path);
    return st;
}

static cn_status check_folder(struct look *l, const struct cn_iteration *it)
{
    char *dir;
    cn_status st;

    if (it->state < CN_ITER_MEASURED || !it->dir[0] || it->outcome == CN_OUTCOME_INVALID)
        return CN_OK;
    dir = cn_file_join(l->dir, it->dir);
    if (!dir)
        return no_memory(l);
    l->out->folders++;
    if (!cn_file_is_dir(dir)) {
        st = find(l, CN_AUDIT_MISSING, true, it->id, "iteration %lld: its folder %s is gone",
                  (long long)it->id, it->dir);
    } else {
        st = check_result(l, it, dir);
        if (st == CN_OK)
            st = check_config(l, it, dir);
    }
    cn_free(dir);
    return st;
}

static cn_status check_orphans(struct look *l)
{
    char **names = NULL;
    int n = 0;
    cn_status st = cn_file_list(l->dir, &names, &n, l->err);

    for (int i = 0; st == CN_OK && i < n; i++) {
        int64_t id;
        char own[32];

        if (!cn_text_starts(names[i], "iter_"))
            continue;
        id = strtoll(names[i] + 5, NULL, 10);
        (void)snprintf(own, sizeof own, "iter_%06lld", (long long)id);
        if (id <= 0 || strcmp(own, names[i]) != 0 || !cn_history_iteration(&l->h, id))
            st = find(l, CN_AUDIT_ORPHAN, true, 0, "%s: no iteration of the record", names[i]);
    }
    cn_file_list_free(names, n);
    return st;
}

/* ------------------------------------------------------------------ 4 the whole run */

static cn_status check_store(struct look *l)
{
    struct cn_err why = CN_ERR_INIT;
    const cn_status st = cn_store_check(l->store, &why);

    if (st == CN_OK)
        return CN_OK;
    if (st != CN_ECORRUPT)
        return cn_err_set(l->err, st, "%s", why.text);
    return find(l, CN_AUDIT_STORE, false, 0, "%.900s", why.text);
}

static cn_status check_all(struct look *l, bool quick)
{
    cn_status st = check_store(l);

    if (st == CN_OK)
        st = cn_store_history(l->store, &l->h, l->err);
    if (st != CN_OK)
        return st;
    l->out->iterations = l->h.n_iterations;
    st = check_projections(l);
    if (quick)
        return st;
    if (st == CN_OK)
        st = check_versions(l);
    for (int64_t i = 0; st == CN_OK && i < l->h.n_iterations; i++)
        st = check_folder(l, &l->h.iterations[i]);
    return st == CN_OK ? check_orphans(l) : st;
}

cn_status cn_audit(const char *dir, bool quick, struct cn_audit *out, struct cn_err *err)
{
    struct look l = {.dir = dir, .out = out, .err = err};
    cn_status st;

    memset(out, 0, sizeof *out);
    cn_arena_init(&out->arena, CN_CAP_ARENA);
    cn_buf_init(&out->list, CN_CAP_FILE);
    st = cn_store_open(dir, CN_STORE_READ, &l.store, err);
    if (st == CN_OK)
        st = check_all(&l, quick);
    out->findings = (const struct cn_finding *)(const void *)out->list.data;
    cn_history_clear(&l.h);
    cn_store_close(l.store);
    return st;
}

void cn_audit_clear(struct cn_audit *a)
{
    cn_arena_clear(&a->arena);
    cn_buf_clear(&a->list);
    memset(a, 0, sizeof *a);
}
