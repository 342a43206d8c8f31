/* The store's content as plain data, and back: cn_store_history, cn_store_create,
 * cn_store_import. */
#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "logs/store.h"
#include "logs/store_int.h"

/* ---- rows into an array of the arena ---- */

/* One load: an array of structs from the rows of a query, whose first column is not looked at
 * here. */
struct load {
    struct cn_store *s;
    struct cn_history *h;
    cn_status st;
    struct cn_err *err;
};

static const char *keep(struct load *l, sqlite3_stmt *q, int column)
{
    const char *copy = cn_arena_strdup(&l->h->arena, cn_sql_text(q, column));

    if (!copy && l->st == CN_OK)
        l->st = cn_err_set(l->err, CN_ENOMEM, "%s/%s: no memory for its content", l->s->dir,
                           CN_STORE_FILE);
    return copy ? copy : "";
}

static void keep_hash(struct load *l, sqlite3_stmt *q, int column, char out[CN_HASH_TEXT])
{
    const char *t = cn_sql_text(q, column);
    size_t n = strlen(t);

    (void)l;
    memcpy(out, t, n < CN_HASH_TEXT ? n + 1 : CN_HASH_TEXT - 1);
    out[CN_HASH_TEXT - 1] = '\0';
}

/* Room for the rows of `table`; NULL when there are none or on trouble. */
static void *room(struct load *l, const char *count_sql, size_t size, int64_t *out_n)
{
    *out_n = 0;
    if (l->st == CN_OK)
        l->st = cn_sql_int(l->s, count_sql, NULL, 0, out_n, l->err);
    if (l->st != CN_OK || *out_n == 0)
        return NULL;
    void *p = cn_arena_alloc(&l->h->arena, (size_t)*out_n, size);
    if (!p) {
        l->st = cn_err_set(l->err, CN_ENOMEM, "%s/%s: no memory for its content", l->s->dir,
                           CN_STORE_FILE);
        *out_n = 0;
    }
    return p;
}

typedef void row_fn(struct load *l, sqlite3_stmt *q, void *item);

/* Fill n items; the snapshot of the transaction guarantees that count and rows agree. */
static void each(struct load *l, const char *sql, void *items, int64_t n, size_t size,
                 row_fn *fn)
{
    sqlite3_stmt *q = NULL;
    char *item = items;

    if (l->st == CN_OK)
        l->st = cn_sql_prepare(l->s, sql, NULL, &q, l->err);
    for (int64_t i = 0; i < n && l->st == CN_OK && cn_sql_row(l->s, q, &l->st, l->err); i++)
        fn(l, q, item + (size_t)i * size);
    sqlite3_finalize(q);
}

#define LOAD(l, field, table, sql, fn)                                                 \
    do {                                                                               \
        (l)->h->field = room(l, "SELECT count(*) FROM " table, sizeof(*(l)->h->field), \
                             &(l)->h->n_##field);                                      \
        each(l, sql, (l)->h->field, (l)->h->n_##field, sizeof(*(l)->h->field), fn);    \
    } while (0)

/* ---- children: (owner id, path, old, new) in owner order, hung onto their owners ---- */

struct child_mutation {
    int64_t owner;
    struct cn_mutation m;
};

static void read_mutation(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_mutation *m = item;

    m->path = keep(l, q, 1);
    m->old_text = keep(l, q, 2);
    m->new_text = keep(l, q, 3);
}

struct child_counts {
    int64_t owner, n;
};

static void read_count(struct load *l, sqlite3_stmt *q, void *item)
{
    struct child_counts *c = item;

    (void)l;
    c->owner = sqlite3_column_int64(q, 0);
    c->n = sqlite3_column_int64(q, 1);
}

/* ---- the rows ---- */

static void read_run(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_run_info *r = item;

    r->name = keep(l, q, 0);
    r->study = keep(l, q, 1);
    r->created = keep(l, q, 2);
    r->reward = keep(l, q, 3);
    r->reward_lower_is_better = sqlite3_column_int(q, 4) != 0;
    r->converged = cn_sql_double(q, 5);
    r->failed = cn_sql_double(q, 6);
    r->n_iter_block = sqlite3_column_int64(q, 7);
    r->n_parallel = sqlite3_column_int(q, 8);
    r->proposer = keep(l, q, 9);
    r->score_kind = keep(l, q, 10);
    r->ucb_c = cn_sql_double(q, 11);
    r->c_scale = keep(l, q, 12);
    r->log_keys = keep(l, q, 13);
    r->guardrails = keep(l, q, 14);
    r->log_fields = keep(l, q, 15);
}

static void read_node(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_node *n = item;

    n->id = sqlite3_column_int64(q, 0);
    n->parent = sqlite3_column_int64(q, 1);
    n->block = sqlite3_column_int64(q, 2);
    n->config = keep(l, q, 3);
    keep_hash(l, q, 4, n->config_hash);
    n->strategy = keep(l, q, 5);
    n->proposer = keep(l, q, 6);
}

static void read_words(struct load *l, sqlite3_stmt *q, struct cn_iteration *it)
{
    it->seed_mode = keep(l, q, 10);
    it->strategy = keep(l, q, 11);
    it->parent_rule = keep(l, q, 12);
    it->hypothesis = keep(l, q, 14);
    it->message = keep(l, q, 18);
    it->trajectory = keep(l, q, 19);
    it->observation = keep(l, q, 20);
    it->activity = keep(l, q, 21);
    it->embedding = keep(l, q, 22);
    it->dir = keep(l, q, 23);
    it->token = keep(l, q, 27);
    it->job = keep(l, q, 28);
}

static void read_iteration(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_iteration *it = item;

    it->id = sqlite3_column_int64(q, 0);
    it->node = sqlite3_column_int64(q, 1);
    it->block = sqlite3_column_int64(q, 2);
    it->slot = sqlite3_column_int(q, 3);
    it->replicate = sqlite3_column_int(q, 4) != 0;
    it->confirmation = sqlite3_column_int(q, 5) != 0;
    it->attempt = sqlite3_column_int(q, 7);
    it->sim_seed = (uint64_t)sqlite3_column_int64(q, 8);
    it->train_seed = (uint64_t)sqlite3_column_int64(q, 9);
    it->scored_value = cn_sql_double(q, 13);
    it->reward = cn_sql_double(q, 17);
    it->planned_ms = sqlite3_column_int64(q, 24);
    it->submitted_ms = sqlite3_column_int64(q, 25);
    it->finished_ms = sqlite3_column_int64(q, 26);
    it->infra_retries = sqlite3_column_int(q, 29);
    it->seconds = cn_sql_double(q, 30);
    read_words(l, q, it);
    if (l->st == CN_OK && (!cn_iter_state_parse(cn_sql_text(q, 6), &it->state) ||
                           !cn_outcome_parse(cn_sql_text(q, 15), &it->outcome) ||
                           !cn_class_parse(cn_sql_text(q, 16), &it->cls)))
        l->st =
            cn_err_set(l->err, CN_ECORRUPT,
                       "%s/%s: iteration %lld: unknown state \"%s\", outcome \"%s\" or class "
                       "\"%s\"",
                       l->s->dir, CN_STORE_FILE, (long long)it->id, cn_sql_text(q, 6),
                       cn_sql_text(q, 15), cn_sql_text(q, 16));
}

static void read_metric(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_metric *m = item;

    m->name = keep(l, q, 1);
    m->value = cn_sql_double(q, 2);
}

static void read_block(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_block *b = item;

    b->number = sqlite3_column_int64(q, 0);
    b->first = sqlite3_column_int64(q, 1);
    b->last = sqlite3_column_int64(q, 2);
    b->closed = sqlite3_column_int(q, 3) != 0;
    b->edit_note = keep(l, q, 4);
}

static void read_message(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_message *m = item;

    m->id = sqlite3_column_int64(q, 0);
    m->sent_ms = sqlite3_column_int64(q, 1);
    m->acked_ms = sqlite3_column_int64(q, 2);
    m->acked_iteration = sqlite3_column_int64(q, 3);
    m->text = keep(l, q, 4);
}

static void read_event(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_event *e = item;

    e->id = sqlite3_column_int64(q, 0);
    e->at_ms = sqlite3_column_int64(q, 1);
    e->iteration = sqlite3_column_int64(q, 2);
    e->kind = keep(l, q, 3);
    e->text = keep(l, q, 4);
}

static void read_text(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_text_version *t = item;

    t->id = sqlite3_column_int64(q, 0);
    t->version = sqlite3_column_int64(q, 1);
    t->at_ms = sqlite3_column_int64(q, 2);
    t->kind = keep(l, q, 3);
    t->author = keep(l, q, 4);
    t->reason = keep(l, q, 5);
    keep_hash(l, q, 6, t->hash);
    t->block = sqlite3_column_int64(q, 7);
}

/* ---- hanging children onto owners ---- */

/* All children of one table in owner order, and how many each owner has. */
struct family {
    void *items;
    struct child_counts *counts;
    int64_t n_counts;
};

static struct family load_family(struct load *l, const char *count_sql, const char *sql,
                                 const char *owners_count_sql, const char *owners_sql,
                                 size_t size, row_fn *fn)
{
    struct family f = {NULL, NULL, 0};
    int64_t n = 0;

    f.items = room(l, count_sql, size, &n);
    each(l, sql, f.items, n, size, fn);
    f.counts = room(l, owners_count_sql, sizeof(*f.counts), &f.n_counts);
    each(l, owners_sql, f.counts, f.n_counts, sizeof(*f.counts), read_count);
    return f;
}

static void hang_mutations(struct load *l)
{
    struct family f =
        load_family(l, "SELECT count(*) FROM mutation",
                    "SELECT node, path, old_text, new_text FROM mutation ORDER BY node, seq",
                    "SELECT count(DISTINCT node) FROM mutation",
                    "SELECT node, count(*) FROM mutation GROUP BY node ORDER BY node",
                    sizeof(struct cn_mutation), read_mutation);
    struct cn_mutation *next = f.items;

    for (int64_t i = 0, k = 0; i < f.n_counts && k < l->h->n_nodes; k++) {
        if (l->h->nodes[k].id != f.counts[i].owner)
            continue;
        l->h->nodes[k].mutations = next;
        l->h->nodes[k].n_mutations = (int)f.counts[i].n;
        next += f.counts[i++].n;
    }
}

static void hang_metrics(struct load *l)
{
    struct family f =
        load_family(l, "SELECT count(*) FROM metric",
                    "SELECT iteration, name, value FROM metric ORDER BY iteration, seq",
                    "SELECT count(DISTINCT iteration) FROM metric",
                    "SELECT iteration, count(*) FROM metric GROUP BY iteration"
                    " ORDER BY iteration",
                    sizeof(struct cn_metric), read_metric);
    struct cn_metric *next = f.items;

    for (int64_t i = 0, k = 0; i < f.n_counts && k < l->h->n_iterations; k++) {
        if (l->h->iterations[k].id != f.counts[i].owner)
            continue;
        l->h->iterations[k].metrics = next;
        l->h->iterations[k].n_metrics = (int)f.counts[i].n;
        next += f.counts[i++].n;
    }
}

static void hang_regimes(struct load *l)
{
    struct family f =
        load_family(l, "SELECT count(*) FROM block_regime",
                    "SELECT block, path, '', value FROM block_regime ORDER BY block, seq",
                    "SELECT count(DISTINCT block) FROM block_regime",
                    "SELECT block, count(*) FROM block_regime GROUP BY block ORDER BY block",
                    sizeof(struct cn_mutation), read_mutation);
    struct cn_mutation *next = f.items;

    for (int64_t i = 0, k = 0; i < f.n_counts && k < l->h->n_blocks; k++) {
        if (l->h->blocks[k].number != f.counts[i].owner)
            continue;
        l->h->blocks[k].regime = next;
        l->h->blocks[k].n_regime = (int)f.counts[i].n;
        next += f.counts[i++].n;
    }
}

static void load_all(struct load *l)
{
    each(
        l,
        "SELECT name, study, created, reward, lower_is_better, converged, failed, n_iter_block,"
        " n_parallel, proposer, score_kind, ucb_c, c_scale, log_keys, guardrails, log_fields"
        " FROM run",
        &l->h->info, 1, sizeof(l->h->info), read_run);
    LOAD(l, nodes, "node",
         "SELECT id, parent, block, config, config_hash, strategy, proposer FROM node"
         " ORDER BY id",
         read_node);
    LOAD(l, iterations, "iteration",
         "SELECT i.id, node, block, slot, replicate, confirmation, state, i.attempt, sim_seed,"
         " train_seed, seed_mode, strategy, parent_rule, scored_value, hypothesis, i.outcome,"
         " class, reward, message, trajectory, observation, activity, embedding, dir,"
         " planned_ms, i.submitted_ms, i.finished_ms, a.token, a.job,"
         " (SELECT count(*) FROM step WHERE what = 'retry' AND step.id = i.id), seconds"
         " FROM iteration i LEFT JOIN attempt a ON a.iteration = i.id AND a.attempt = i.attempt"
         " ORDER BY i.id",
         read_iteration);
    LOAD(l, blocks, "block",
         "SELECT number, first, last, closed, edit_note FROM block ORDER BY number",
         read_block);
    LOAD(l, messages, "message",
         "SELECT id, sent_ms, acked_ms, acked_iteration, text FROM message ORDER BY id",
         read_message);
    LOAD(l, events, "event", "SELECT id, at_ms, iteration, kind, text FROM event ORDER BY id",
         read_event);
    LOAD(l, texts, "text",
         "SELECT id, version, at_ms, kind, author, reason, hash, block FROM text ORDER BY id",
         read_text);
    if (l->st == CN_OK)
        hang_mutations(l);
    if (l->st == CN_OK)
        hang_metrics(l);
    if (l->st == CN_OK)
        hang_regimes(l);
}

cn_status cn_store_history(struct cn_store *s, struct cn_history *h, struct cn_err *err)
{
    struct load l = {s, h, CN_OK, err};

    memset(h, 0, sizeof(*h));
    cn_arena_init(&h->arena, CN_CAP_ARENA);
    /* One moment: no writer comes between the queries. */
    l.st = cn_sql_run(s, "BEGIN", NULL, err);
    if (l.st == CN_OK) {
        load_all(&l);
        cn_status end = cn_sql_run(s, "COMMIT", NULL, l.st == CN_OK ? err : NULL);
        if (!sqlite3_get_autocommit(s->db))
            (void)sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL);
        if (l.st == CN_OK)
            l.st = end;
    }
    return l.st;
}

/* ---- making ---- */

cn_status cn_store_add_run(struct cn_store *s, const struct cn_run_info *r, struct cn_err *err)
{
    return cn_sql_run(s,
                      "INSERT INTO run VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                      " ?)",
                      SQL_ARGS(SQL_T(r->name), SQL_T(r->study), SQL_T(r->created),
                               SQL_T(r->reward), SQL_I(r->reward_lower_is_better),
                               SQL_D(r->converged), SQL_D(r->failed), SQL_I(r->n_iter_block),
                               SQL_I(r->n_parallel), SQL_T(r->proposer), SQL_T(r->score_kind),
                               SQL_D(r->ucb_c), SQL_T(r->c_scale), SQL_T(r->log_keys),
                               SQL_T(r->guardrails), SQL_T(r->log_fields)),
                      err);
}

struct making {
    const struct cn_run_info *info;
    const struct cn_history *h; /* NULL for a new run */
    const char *protocol, *config, *reason;
};

static cn_status fill_new(struct cn_store *s, const void *ctx, struct cn_err *err)
{
    const struct making *m = ctx;
    cn_status st = cn_store_add_run(s, m->info, err);

    if (st == CN_OK)
        st = cn_store_add_text(s, "protocol", "user", m->reason, m->protocol, NULL, err);
    if (st == CN_OK)
        st = cn_store_add_text(s, "config", "user", m->reason, m->config, NULL, err);
    return st;
}

cn_status cn_store_create(const char *run_dir, const struct cn_run_info *info,
                          const char *protocol, const char *base_config, struct cn_store **out,
                          struct cn_err *err)
{
    struct making m = {info, NULL, protocol, base_config, "the run's start"};

    return cn_store_make(run_dir, fill_new, &m, out, err);
}

/* The columns that cn_store_add_iteration leaves at their defaults. */
static cn_status import_iteration(struct cn_store *s, const struct cn_iteration *it,
                                  struct cn_err *err)
{
    cn_status st = cn_store_add_iteration(s, it, err);

    if (st == CN_OK)
        st = cn_sql_run(
            s,
            "UPDATE iteration SET state = ?, attempt = ?, outcome = ?, class = ?, reward = ?,"
            " seconds = ?, message = ?, trajectory = ?, observation = ?, activity = ?, "
            "embedding = ?,"
            " dir = ?, submitted_ms = ?, finished_ms = ? WHERE id = ?",
            SQL_ARGS(SQL_T(cn_iter_state_name(it->state)), SQL_I(it->attempt),
                     SQL_T(cn_outcome_name(it->outcome)), SQL_T(cn_class_name(it->cls)),
                     SQL_D(it->reward), SQL_D(it->seconds), SQL_T(it->message),
                     SQL_T(it->trajectory), SQL_T(it->observation), SQL_T(it->activity),
                     SQL_T(it->embedding), SQL_T(it->dir), SQL_I(it->submitted_ms),
                     SQL_I(it->finished_ms), SQL_I(it->id)),
            err);
    if (st == CN_OK && it->attempt > 0 && it->token && it->token[0])
        st = cn_sql_run(s,
                        "INSERT INTO attempt (iteration, attempt, token, job, submitted_ms)"
                        " VALUES (?, ?, ?, ?, ?)",
                        SQL_ARGS(SQL_I(it->id), SQL_I(it->attempt), SQL_T(it->token),
                                 SQL_T(it->job), SQL_I(it->submitted_ms)),
                        err);
    if (st == CN_OK)
        st = cn_store_add_metrics(s, it->id, it->metrics, it->n_metrics, err);
    return st;
}

static cn_status import_message(struct cn_store *s, const struct cn_message *m,
                                struct cn_err *err)
{
    return cn_sql_run(s,
                      "INSERT INTO message (text, sent_ms, acked_ms, acked_iteration)"
                      " VALUES (?, ?, ?, ?)",
                      SQL_ARGS(SQL_T(m->text), SQL_I(m->sent_ms), SQL_I(m->acked_ms),
                               SQL_I(m->acked_iteration)),
                      err);
}

static cn_status fill_import(struct cn_store *s, const void *ctx, struct cn_err *err)
{
    const struct making *m = ctx;
    const struct cn_history *h = m->h;
    cn_status st = fill_new(s, ctx, err);

    for (int64_t i = 0; st == CN_OK && i < h->n_blocks; i++)
        st = cn_store_add_block(s, &h->blocks[i], err);
    for (int64_t i = 0; st == CN_OK && i < h->n_nodes; i++)
        st = cn_store_add_node(s, &h->nodes[i], err);
    for (int64_t i = 0; st == CN_OK && i < h->n_iterations; i++)
        st = import_iteration(s, &h->iterations[i], err);
    for (int64_t i = 0; st == CN_OK && i < h->n_messages; i++)
        st = import_message(s, &h->messages[i], err);
    if (st == CN_OK)
        st = cn_sql_run(s,
                        "INSERT INTO event (at_ms, iteration, kind, text) VALUES (?, 0, ?, ?)",
                        SQL_ARGS(SQL_I(cn_clock_now_ms()), SQL_T("import"),
                                 SQL_T("this store was read back from Markdown")),
                        err);
    /* Still inside the transaction: a history that breaks the rules leaves no store. */
    if (st == CN_OK)
        st = cn_store_check(s, err);
    return st;
}

cn_status cn_store_import(const char *run_dir, const struct cn_history *h, const char *protocol,
                          const char *base_config, struct cn_store **out, struct cn_err *err)
{
    struct making m = {&h->info, h, protocol, base_config, "read back"};

    return cn_store_make(run_dir, fill_import, &m, out, err);
}
