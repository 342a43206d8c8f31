/* Rows of the store as plain data: a whole history, a window of it, and the news since. What a
 * part takes: struct cn_part (store_int.h); who chooses it: store_window.c. */
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "logs/store.h"
#include "logs/store_int.h"

/* ---- one load ---- */

/* Short texts that come again and again (paths, names of metrics, strategies) are kept once. */
enum { SAME_SLOTS = 1024, SAME_LONGEST = 80 };

struct load {
    struct cn_store *s;
    struct cn_history *h;
    const char **same; /* [SAME_SLOTS], NULL: every text is copied */
    cn_status st;
    struct cn_err *err;
};

static cn_status no_memory(struct load *l)
{
    return cn_err_set(l->err, CN_ENOMEM, "%s/%s: no memory for its content", l->s->dir,
                      CN_STORE_FILE);
}

/* FNV-1a; the last text of a slot wins. */
static const char **slot_of(struct load *l, const char *t, size_t n)
{
    uint32_t x = 2166136261u;

    for (size_t i = 0; i < n; i++)
        x = (x ^ (unsigned char)t[i]) * 16777619u;
    return &l->same[x % SAME_SLOTS];
}

static const char *keep(struct load *l, sqlite3_stmt *q, int column)
{
    const char *t = cn_sql_text(q, column);
    size_t n = strlen(t);
    const char **slot = l->same && n <= SAME_LONGEST ? slot_of(l, t, n) : NULL;

    if (n == 0)
        return "";
    if (slot && *slot && strcmp(*slot, t) == 0)
        return *slot;
    const char *copy = cn_arena_strndup(&l->h->arena, t, n);
    if (!copy && l->st == CN_OK)
        l->st = no_memory(l);
    if (slot)
        *slot = copy;
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

typedef void row_fn(struct load *l, sqlite3_stmt *q, void *item);

/* Room for n items; NULL when n is 0 or on trouble. */
static void *room(struct load *l, int64_t n, size_t size)
{
    if (l->st != CN_OK || n == 0)
        return NULL;
    void *p = cn_arena_alloc(&l->h->arena, (size_t)n, size);
    if (!p)
        l->st = no_memory(l);
    return p;
}

static int64_t count(struct load *l, const char *sql, const struct cn_sql_arg *args)
{
    int64_t n = 0;

    if (l->st == CN_OK)
        l->st = cn_sql_int(l->s, sql, args, 0, &n, l->err);
    return l->st == CN_OK ? n : 0;
}

/* At most n rows into `items`; how many there were. The snapshot of the transaction guarantees
 * that a count made before agrees. */
static int64_t each(struct load *l, const char *sql, const struct cn_sql_arg *args, void *items,
                    int64_t n, size_t size, row_fn *fn)
{
    sqlite3_stmt *q = NULL;
    char *item = items;
    int64_t i = 0;

    if (l->st == CN_OK && n > 0)
        l->st = cn_sql_prepare(l->s, sql, args, &q, l->err);
    for (; i < n && l->st == CN_OK && cn_sql_row(l->s, q, &l->st, l->err); i++)
        fn(l, q, item + (size_t)i * size);
    sqlite3_finalize(q);
    return i;
}

/* ---- parts of a table ---- */

/* What is read of a table: its rows of a list of ids, then those of a range of ids, so in id
 * order. */
struct table {
    const char *columns, *from, *id, *order;
};

enum { SQL_TEXT = 1600 };

static const char *sql_of(const struct table *t, const char *columns, bool listed,
                          char out[SQL_TEXT])
{
    (void)snprintf(out, SQL_TEXT, "SELECT %s FROM %s WHERE %s %s%s", columns, t->from, t->id,
                   listed ? "IN (SELECT value FROM json_each(?1))" : "BETWEEN ?1 AND ?2",
                   columns == t->columns ? t->order : "");
    return out;
}

/* `list`: a JSON array. *out_room gets what the array can hold. */
static void *load_part(struct load *l, const struct table *t, const char *list, int64_t first,
                       int64_t last, int64_t spare, size_t size, row_fn *fn, int64_t *out_n,
                       int64_t *out_room)
{
    const struct cn_sql_arg *listed = SQL_ARGS(SQL_T(list)),
                            *range = SQL_ARGS(SQL_I(first), SQL_I(last));
    char sql[SQL_TEXT];
    int64_t n_listed =
        strcmp(list, "[]") == 0 ? 0 : count(l, sql_of(t, "count(*)", true, sql), listed);
    int64_t n_range = count(l, sql_of(t, "count(*)", false, sql), range);
    char *items = room(l, n_listed + n_range + spare, size);

    *out_n = 0;
    *out_room = items ? n_listed + n_range + spare : 0;
    if (!items)
        return NULL;
    *out_n += each(l, sql_of(t, t->columns, true, sql), listed, items, n_listed, size, fn);
    *out_n += each(l, sql_of(t, t->columns, false, sql), range, items + (size_t)*out_n * size,
                   n_range, size, fn);
    return items;
}

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

static const char *keep_config(struct load *l, sqlite3_stmt *q, int64_t id)
{
    struct cn_buf text;
    const char *copy = NULL;

    cn_buf_init(&text, CN_CAP_CONFIG);
    if (l->st == CN_OK)
        l->st = cn_store_unpack_config(l->s, id, sqlite3_column_int64(q, 7), cn_sql_text(q, 3),
                                       &text, l->err);
    if (l->st == CN_OK)
        copy = cn_arena_strndup(&l->h->arena, cn_buf_str(&text), text.len);
    if (l->st == CN_OK && !copy)
        l->st = no_memory(l);
    cn_buf_clear(&text);
    return copy ? copy : "";
}

static void read_node(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_node *n = item;

    n->id = sqlite3_column_int64(q, 0);
    n->parent = sqlite3_column_int64(q, 1);
    n->block = sqlite3_column_int64(q, 2);
    n->config = keep_config(l, q, n->id);
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

static const struct cn_prediction *read_prediction(struct load *l, sqlite3_stmt *q)
{
    struct cn_prediction *p;

    if (sqlite3_column_type(q, 33) == SQLITE_NULL)
        return NULL;
    p = room(l, 1, sizeof *p);
    if (p)
        *p = (struct cn_prediction){keep(l, q, 33), cn_sql_double(q, 31), cn_sql_double(q, 32)};
    return p;
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
    it->prediction = read_prediction(l, q);
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

/* Five columns from `at` on. */
static struct cn_spread read_spread(sqlite3_stmt *q, int at)
{
    return (struct cn_spread){sqlite3_column_int64(q, at), cn_sql_double(q, at + 1),
                              cn_sql_double(q, at + 2), cn_sql_double(q, at + 3),
                              cn_sql_double(q, at + 4)};
}

static void read_block(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_block *b = item;

    b->number = sqlite3_column_int64(q, 0);
    b->first = sqlite3_column_int64(q, 1);
    b->last = sqlite3_column_int64(q, 2);
    b->closed = sqlite3_column_int(q, 3) != 0;
    b->edit_note = keep(l, q, 4);
    b->roll = (struct cn_rollup){.known = sqlite3_column_type(q, 5) != SQLITE_NULL,
                                 .all = sqlite3_column_int64(q, 5),
                                 .ok = sqlite3_column_int64(q, 6),
                                 .converged = sqlite3_column_int64(q, 7),
                                 .failed = sqlite3_column_int64(q, 8),
                                 .best_node = sqlite3_column_int64(q, 9),
                                 .best = read_spread(q, 10),
                                 .worst = cn_sql_double(q, 15),
                                 .minutes = sqlite3_column_double(q, 16),
                                 .config = read_spread(q, 17),
                                 .lo = cn_sql_double(q, 22),
                                 .hi = cn_sql_double(q, 23),
                                 .stability = sqlite3_column_int(q, 24),
                                 .few = sqlite3_column_int(q, 25) != 0};
}

static void read_volume(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_volume *v = item;

    v->number = sqlite3_column_int64(q, 0);
    v->first = sqlite3_column_int64(q, 1);
    v->last = sqlite3_column_int64(q, 2);
    v->bytes = sqlite3_column_int64(q, 3);
    keep_hash(l, q, 4, v->hash);
}

static void read_message(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_message *m = item;

    m->id = sqlite3_column_int64(q, 0);
    m->sent_ms = sqlite3_column_int64(q, 1);
    m->acked_ms = sqlite3_column_int64(q, 2);
    m->acked_iteration = sqlite3_column_int64(q, 3);
    m->text = keep(l, q, 4);
    m->answer = keep(l, q, 5);
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

static const struct table node_rows = {
    "id, parent, block, config, config_hash, strategy, proposer, base", "node", "id",
    " ORDER BY id"};
static const struct table iteration_rows = {
    "i.id, node, block, slot, replicate, confirmation, state, i.attempt, sim_seed, train_seed,"
    " seed_mode, strategy, parent_rule, scored_value, hypothesis, i.outcome, class, reward,"
    " message, trajectory, observation, activity, embedding, dir, planned_ms, i.submitted_ms,"
    " i.finished_ms, a.token, a.job,"
    " (SELECT count(*) FROM step WHERE what = 'retry' AND step.id = i.id), seconds,"
    " expected, probability, prediction",
    "iteration i LEFT JOIN attempt a ON a.iteration = i.id AND a.attempt = i.attempt", "i.id",
    " ORDER BY i.id"};
static const struct table mutation_rows = {"node, path, old_text, new_text", "mutation", "node",
                                           " ORDER BY node, seq"};
static const struct table mutation_owners = {"node, count(*)", "mutation", "node",
                                             " GROUP BY node ORDER BY node"};
static const struct table metric_rows = {"iteration, name, value", "metric", "iteration",
                                         " ORDER BY iteration, seq"};
static const struct table metric_owners = {"iteration, count(*)", "metric", "iteration",
                                           " GROUP BY iteration ORDER BY iteration"};

/* All children of one table in owner order, and how many each owner has. */
struct family {
    void *items;
    struct child_counts *counts;
    int64_t n_counts;
};

static struct family load_family(struct load *l, const struct table *rows,
                                 const struct table *owners, const char *list, int64_t first,
                                 int64_t last, size_t size, row_fn *fn)
{
    struct family f = {NULL, NULL, 0};
    int64_t n = 0, unused = 0;

    f.items = load_part(l, rows, list, first, last, 0, size, fn, &n, &unused);
    /* As many owners as children is more than enough. */
    f.counts = load_part(l, owners, list, first, last, 0, sizeof(*f.counts), read_count,
                         &f.n_counts, &unused);
    return f;
}

static void hang_mutations(struct load *l, const char *list, int64_t first, int64_t last)
{
    struct family f = load_family(l, &mutation_rows, &mutation_owners, list, first, last,
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

static void hang_metrics(struct load *l, const char *list, int64_t first, int64_t last)
{
    struct family f = load_family(l, &metric_rows, &metric_owners, list, first, last,
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

/* Of blocks from number `from` on. */
static void hang_regimes(struct load *l, int64_t from)
{
    static const struct table rows = {"block, path, '', value", "block_regime", "block",
                                      " ORDER BY block, seq"};
    static const struct table owners = {"block, count(*)", "block_regime", "block",
                                        " GROUP BY block ORDER BY block"};
    struct family f = load_family(l, &rows, &owners, "[]", from, INT64_MAX,
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

/* ---- a part of everything ---- */

static const char message_columns[] =
    "SELECT id, sent_ms, acked_ms, acked_iteration, text, answer FROM message";
static const char block_columns[] =
    "SELECT number, first, last, closed, edit_note, n, ok, converged, failed, best, best_n,"
    " best_mean, best_std, best_min, best_max, worst, minutes, config_n, config_mean, "
    "config_std,"
    " config_min, config_max, lo, hi, stability, few"
    " FROM block LEFT JOIN block_roll ON block = number";

/* All rows of a small table. */
#define LOAD(l, field, table, sql, fn)                                                     \
    do {                                                                                   \
        (l)->h->n_##field = count(l, "SELECT count(*) FROM " table, NULL);                 \
        (l)->h->field = room(l, (l)->h->n_##field, sizeof(*(l)->h->field));                \
        (void)each(l, sql, NULL, (l)->h->field, (l)->h->n_##field, sizeof(*(l)->h->field), \
                   fn);                                                                    \
    } while (0)

/* What happened long ago is for `cairn log --events`, which reads it from the store. */
#define EVENTS_OF_A_WINDOW "1000"

static void load_around(struct load *l)
{
    char sql[256];

    LOAD(l, messages, "message",
         "SELECT id, sent_ms, acked_ms, acked_iteration, text, answer FROM message ORDER BY id",
         read_message);
    LOAD(l, texts, "text",
         "SELECT id, version, at_ms, kind, author, reason, hash, block FROM text ORDER BY id",
         read_text);
    (void)snprintf(sql, sizeof sql, "%s",
                   l->h->older.first ? "event WHERE id > (SELECT max(id)"
                                       " FROM event) - " EVENTS_OF_A_WINDOW
                                     : "event");
    char counting[320], reading[400];
    (void)snprintf(counting, sizeof counting, "SELECT count(*) FROM %s", sql);
    (void)snprintf(reading, sizeof reading,
                   "SELECT id, at_ms, iteration, kind, text FROM %s ORDER BY id", sql);
    l->h->n_events = count(l, counting, NULL);
    l->h->events = room(l, l->h->n_events, sizeof(*l->h->events));
    (void)each(l, reading, NULL, l->h->events, l->h->n_events, sizeof(*l->h->events),
               read_event);
}

static void load_blocks(struct load *l)
{
    char sql[512];

    l->h->n_blocks = count(l, "SELECT count(*) FROM block", NULL);
    l->h->blocks = room(l, l->h->n_blocks, sizeof(*l->h->blocks));
    (void)snprintf(sql, sizeof sql, "%s ORDER BY number", block_columns);
    (void)each(l, sql, NULL, l->h->blocks, l->h->n_blocks, sizeof(*l->h->blocks), read_block);
    LOAD(l, volumes, "volume",
         "SELECT number, first, last, bytes, hash FROM volume ORDER BY number", read_volume);
    hang_regimes(l, 0);
    if (l->st == CN_OK && cn_history_regimes(l->h) != CN_OK)
        l->st = no_memory(l);
}

static const char run_columns[] =
    "SELECT name, study, created, reward, lower_is_better, converged, failed, n_iter_block,"
    " n_parallel, proposer, score_kind, ucb_c, c_scale, log_keys, guardrails, log_fields"
    " FROM run";

static void load_rows(struct load *l, const struct cn_part *p)
{
    struct cn_history *h = l->h;
    /* A part with an end does not grow. */
    int64_t spare = p->last == INT64_MAX ? CN_STORE_SPARE : 0;

    (void)each(l, run_columns, NULL, &h->info, 1, sizeof(h->info), read_run);
    h->nodes = load_part(l, &node_rows, p->nodes, p->first, p->last, spare, sizeof(*h->nodes),
                         read_node, &h->n_nodes, &h->room_nodes);
    h->iterations = load_part(l, &iteration_rows, p->iterations, p->first, p->last, spare,
                              sizeof(*h->iterations), read_iteration, &h->n_iterations,
                              &h->room_iterations);
    hang_mutations(l, p->nodes, p->first, p->last);
    hang_metrics(l, p->iterations, p->first, p->last);
    if (p->around) {
        load_blocks(l);
        load_around(l);
        if (l->st == CN_OK)
            l->st = cn_store_load_llm(l->s, h, l->err);
    }
    if (l->st == CN_OK && cn_history_index(h) != CN_OK)
        l->st = no_memory(l);
    h->loaded_bytes = h->arena.used;
}

cn_status cn_store_load(struct cn_store *s, const struct cn_part *part, struct cn_history *h,
                        struct cn_err *err)
{
    struct load l = {s, h, cn_alloc(SAME_SLOTS, sizeof(const char *)), CN_OK, err};

    if (!l.same)
        return no_memory(&l);
    load_rows(&l, part);
    cn_free(l.same);
    return l.st;
}

/* ---- news ---- */

/* Rows that may have changed: iterations that are not committed, the last block, messages that
 * were not answered. All others never change, or are new: larger ids. A row that says what we
 * know keeps its texts, so that a run that waits does not grow. */
static void read_again(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_iteration *it = item, was = *it;

    if (it->state == CN_ITER_COMMITTED ||
        (strcmp(cn_sql_text(q, 6), cn_iter_state_name(was.state)) == 0 &&
         sqlite3_column_int(q, 7) == was.attempt && strcmp(cn_sql_text(q, 28), was.job) == 0))
        return;
    read_iteration(l, q, it);
    it->metrics = was.metrics;
    it->n_metrics = was.n_metrics;
}

static void refresh_iteration(struct load *l, struct cn_iteration *it)
{
    const struct cn_sql_arg *range = SQL_ARGS(SQL_I(it->id), SQL_I(it->id));
    char sql[SQL_TEXT];
    cn_iter_state was = it->state;

    (void)each(l, sql_of(&iteration_rows, iteration_rows.columns, false, sql), range, it, 1,
               sizeof *it, read_again);
    if (was < CN_ITER_MEASURED && it->state >= CN_ITER_MEASURED) {
        int64_t n = 0, unused = 0;
        it->metrics = load_part(l, &metric_rows, "[]", it->id, it->id, 0, sizeof(*it->metrics),
                                read_metric, &n, &unused);
        it->n_metrics = (int)n;
    }
}

static int64_t last_id(const struct cn_history *h)
{
    return h->n_iterations ? h->iterations[h->n_iterations - 1].id : 0;
}

/* False when there is no room, or a new iteration trains a node that is not there. */
static bool load_new_rows(struct load *l)
{
    struct cn_history *h = l->h;
    int64_t after = last_id(h), node = h->n_nodes ? h->nodes[h->n_nodes - 1].id : 0;
    const struct cn_sql_arg *its = SQL_ARGS(SQL_I(after + 1), SQL_I(INT64_MAX)),
                            *nodes = SQL_ARGS(SQL_I(node + 1), SQL_I(INT64_MAX));
    char sql[SQL_TEXT];
    int64_t n = count(l, sql_of(&iteration_rows, "count(*)", false, sql), its);
    int64_t m = count(l, sql_of(&node_rows, "count(*)", false, sql), nodes),
            was = h->n_iterations;

    if (l->st != CN_OK || n + m == 0)
        return true;
    if (h->n_iterations + n > h->room_iterations || h->n_nodes + m > h->room_nodes)
        return false;
    h->n_nodes += each(l, sql_of(&node_rows, node_rows.columns, false, sql), nodes,
                       h->nodes + h->n_nodes, m, sizeof(*h->nodes), read_node);
    h->n_iterations += each(l, sql_of(&iteration_rows, iteration_rows.columns, false, sql), its,
                            h->iterations + was, n, sizeof(*h->iterations), read_iteration);
    hang_mutations(l, "[]", node + 1, INT64_MAX);
    hang_metrics(l, "[]", after + 1, INT64_MAX);
    for (int64_t i = was; i < h->n_iterations; i++)
        if (!cn_history_node(h, h->iterations[i].node))
            return false;
    return true;
}

static void read_message_again(struct load *l, sqlite3_stmt *q, void *item)
{
    struct cn_message *m = item;

    m->acked_ms = sqlite3_column_int64(q, 2);
    m->acked_iteration = sqlite3_column_int64(q, 3);
    m->answer = keep(l, q, 5);
}

/* True when the rows around the iterations are as they were; few as they are, they are read
 * whole when something was added. */
static bool around_is_current(struct load *l)
{
    struct cn_history *h = l->h;
    char sql[160];

    (void)snprintf(sql, sizeof sql, "%s WHERE id = ?", message_columns);
    for (int64_t i = 0; i < h->n_messages; i++)
        if (h->messages[i].acked_ms == 0)
            (void)each(l, sql, SQL_ARGS(SQL_I(h->messages[i].id)), &h->messages[i], 1,
                       sizeof(*h->messages), read_message_again);
    return count(l, "SELECT coalesce(max(id), 0) FROM message", NULL) ==
               (h->n_messages ? h->messages[h->n_messages - 1].id : 0) &&
           count(l, "SELECT coalesce(max(id), 0) FROM text", NULL) ==
               (h->n_texts ? h->texts[h->n_texts - 1].id : 0) &&
           count(l, "SELECT coalesce(max(id), 0) FROM event", NULL) ==
               (h->n_events ? h->events[h->n_events - 1].id : 0);
}

/* The last block may have been closed; a new one is a new window. */
static bool refresh_blocks(struct load *l)
{
    struct cn_history *h = l->h;
    struct cn_block *b = h->n_blocks ? &h->blocks[h->n_blocks - 1] : NULL;
    char sql[512];

    if (count(l, "SELECT coalesce(max(number), 0) FROM block", NULL) != (b ? b->number : 0))
        return false;
    if (!b || b->closed)
        return true;
    struct cn_block was = *b;
    (void)snprintf(sql, sizeof sql, "%s WHERE number = ?", block_columns);
    (void)each(l, sql, SQL_ARGS(SQL_I(b->number)), b, 1, sizeof *b, read_block);
    b->regime = was.regime;
    b->n_regime = was.n_regime;
    b->regime_of = was.regime_of;
    return true;
}

cn_status cn_store_load_news(struct cn_store *s, struct cn_history *h, bool *out_whole,
                             struct cn_err *err)
{
    struct load l = {s, h, NULL, CN_OK, err};

    *out_whole = !refresh_blocks(&l) ||
                 count(&l, "SELECT count(*) FROM volume", NULL) != h->n_volumes ||
                 h->arena.used > h->loaded_bytes + CN_STORE_GROWTH;
    for (int64_t i = 0; l.st == CN_OK && !*out_whole && i < h->n_iterations; i++)
        if (h->iterations[i].state != CN_ITER_COMMITTED)
            refresh_iteration(&l, &h->iterations[i]);
    if (l.st == CN_OK && !*out_whole)
        *out_whole = !load_new_rows(&l);
    if (l.st == CN_OK && !*out_whole && !around_is_current(&l))
        load_around(&l);
    if (l.st == CN_OK && !*out_whole)
        l.st = cn_store_load_llm(s, h, err);
    if (l.st == CN_OK && !*out_whole && cn_history_index(h) != CN_OK)
        l.st = no_memory(&l);
    return l.st;
}
