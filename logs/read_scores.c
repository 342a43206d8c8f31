/* See read_scores.h. */
#include "logs/read_scores.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "logs/read_int.h"

static bool number_of(struct cn_words line, const char *key, double *out)
{
    struct cn_words v;
    bool loose = false;

    *out = (double)NAN;
    return cn_read_words_value(line, key, &v, &loose) && cn_read_words_number(v, out) > 0;
}

/* What stands before ", Mutation=": words of others may hold anything. */
static struct cn_words before_mutation(struct cn_words w, struct cn_words *out_mutation)
{
    static const char key[] = ", Mutation=";
    const size_t k = sizeof(key) - 1;

    *out_mutation = (struct cn_words){w.p + w.n, 0};
    for (size_t i = 0; i + k <= w.n; i++)
        if (memcmp(w.p + i, key, k) == 0) {
            *out_mutation = cn_read_words_after(w, i + k);
            return (struct cn_words){w.p, i};
        }
    return w;
}

static bool read_row(struct cn_words w, struct cn_read_score *out)
{
    struct cn_words v;
    double visits;
    bool loose = false;

    memset(out, 0, sizeof(*out));
    out->score = out->reward = (double)NAN;
    if (!cn_read_words_start(w, "Node "))
        return false;
    w = cn_read_words_after(w, 5);
    out->node = cn_read_words_id(&w);
    if (out->node == 0 || !cn_read_words_start(w, ":"))
        return false;
    w = before_mutation(w, &v);
    if (cn_read_words_value(w, "parent", &v, &loose))
        out->parent = cn_read_words_id(&v);
    if (number_of(w, "visits", &visits) && visits >= 0 && visits < 1e9)
        out->visits = (int64_t)visits;
    (void)number_of(w, "UCB", &out->score);
    (void)number_of(w, "R2", &out->reward);
    return !isnan(out->score);
}

bool cn_read_score_line(const char *line, struct cn_read_score *out)
{
    return read_row((struct cn_words){line, strcspn(line, "\r\n")}, out);
}

/* "=== UCB Scores (Simulation block k, iters a-b, N=n, c=c) ===", "... (N_total=n, c=c) ===" */
static bool read_header(struct cn_words w, struct cn_read_score_table *t)
{
    static const char start[] = "=== UCB Scores (", block[] = "Simulation block ";
    double total;

    if (!cn_read_words_start(w, start))
        return false;
    w = cn_read_words_after(w, sizeof(start) - 1);
    if (cn_read_words_start(w, block)) {
        w = cn_read_words_after(w, sizeof(block) - 1);
        t->block = cn_read_words_id(&w);
        if (t->block == 0 && cn_read_words_start(w, "0"))
            w = cn_read_words_after(w, 1);
        if (cn_read_words_start(w, ", iters ")) {
            w = cn_read_words_after(w, 8);
            t->first = cn_read_words_id(&w);
            if (cn_read_words_start(w, "-")) {
                w = cn_read_words_after(w, 1);
                t->last = cn_read_words_id(&w);
            }
        }
    }
    (void)number_of(w, "c", &t->c);
    if ((number_of(w, "N", &total) || number_of(w, "N_total", &total)) && total > 0 &&
        total < 1e9)
        t->total = (int64_t)total;
    return true;
}

/* ---- the lines, for both readers ---- */

typedef void row_fn(void *ctx, const struct cn_read_score_table *opt_header,
                    const struct cn_read_score *opt_row, struct cn_words line, int64_t at);

static void each_line(const char *text, size_t n, row_fn *fn, void *ctx)
{
    int64_t at = 0;

    while (n) {
        const char *nl = memchr(text, '\n', n);
        size_t k = nl ? (size_t)(nl - text) : n;
        struct cn_words w = cn_read_words_trim((struct cn_words){text, k});
        struct cn_read_score_table t = {.c = (double)NAN};
        struct cn_read_score row;

        at++;
        if (read_header(w, &t))
            fn(ctx, &t, NULL, w, at);
        else if (read_row(w, &row))
            fn(ctx, NULL, &row, w, at);
        k += nl != NULL;
        text += k;
        n -= k;
    }
}

struct collect {
    struct cn_buf tables, rows; /* of struct cn_read_score_table, cn_read_score */
};

static void collect_row(void *ctx, const struct cn_read_score_table *header,
                        const struct cn_read_score *row, struct cn_words line, int64_t at)
{
    struct collect *c = ctx;
    struct cn_read_score_table t = {.c = (double)NAN};

    (void)line;
    if (header || c->tables.len == 0) {
        t = header ? *header : t;
        t.line = header ? at : 0;
        cn_buf_add(&c->tables, &t, sizeof(t));
    }
    if (!row || cn_buf_status(&c->tables) != CN_OK)
        return;
    struct cn_read_score r = *row;
    r.line = at;
    cn_buf_add(&c->rows, &r, sizeof(r));
    ((struct cn_read_score_table *)(void *)(c->tables.data + c->tables.len))[-1].n_rows++;
}

cn_status cn_read_scores(const char *name, const char *text, size_t n,
                         struct cn_read_scores *out, struct cn_err *err)
{
    struct collect c;
    cn_status st = CN_OK;

    memset(out, 0, sizeof(*out));
    cn_arena_init(&out->arena, CN_CAP_ARENA);
    if (n > CN_CAP_FILE)
        return cn_err_set(err, CN_ECAP, "%s: %zu bytes, at most %zu can be read", name, n,
                          CN_CAP_FILE);
    cn_buf_init(&c.tables, CN_CAP_FILE * 4);
    cn_buf_init(&c.rows, CN_CAP_FILE * 4);
    each_line(text, n, collect_row, &c);
    if (cn_buf_status(&c.tables) != CN_OK || cn_buf_status(&c.rows) != CN_OK)
        st = CN_ENOMEM;
    if (st == CN_OK && c.tables.len) {
        out->tables = cn_arena_alloc(&out->arena, c.tables.len, 1);
        struct cn_read_score *rows =
            c.rows.len ? cn_arena_alloc(&out->arena, c.rows.len, 1) : NULL;
        if (!out->tables || (c.rows.len && !rows)) {
            st = CN_ENOMEM;
        } else {
            out->n_tables = (int64_t)(c.tables.len / sizeof(*out->tables));
            memcpy(out->tables, c.tables.data, c.tables.len);
            if (rows)
                memcpy(rows, c.rows.data, c.rows.len);
            for (int64_t i = 0; i < out->n_tables; i++) {
                out->tables[i].rows = rows;
                rows = rows ? rows + out->tables[i].n_rows : NULL;
            }
        }
    }
    cn_buf_clear(&c.tables);
    cn_buf_clear(&c.rows);
    return st == CN_OK ? st : cn_err_set(err, st, "%s: no memory to read it", name);
}

void cn_read_scores_clear(struct cn_read_scores *s)
{
    cn_arena_clear(&s->arena);
    memset(s, 0, sizeof(*s));
}

/* ---- a history ---- */

/* Their short names in a score line, and the metrics that they mean. */
static const struct {
    const char *label, *metric;
} shown[] = {
    {"stimuli_R2", "stimuli_R2"},    {"tau_R2", "tau_R2"},
    {"V_rest_R2", "V_rest_R2"},      {"Pearson", "test_pearson"},
    {"Cluster", "cluster_accuracy"}, {"Time", "training_time_min"},
    {"final_R2", "final_r2"},        {"best_R2", "best_r2"},
    {"R2drop", "r2_drop"},           {"Loss", "final_loss"},
};

struct rows_log {
    struct cn_reader *r;
    int64_t tables;
};

static void put_table(struct cn_reader *r, const struct cn_read_score_table *t, int64_t number)
{
    struct cn_raw_block b = {.number = number,
                             .first = t->first,
                             .last = t->last,
                             .line = r->line,
                             .file = r->file,
                             .edit_note = ""};

    if (t->first && t->last)
        cn_buf_add(&r->blocks, &b, sizeof(b));
}

static void put_row(void *ctx, const struct cn_read_score_table *header,
                    const struct cn_read_score *row, struct cn_words line, int64_t at)
{
    struct rows_log *l = ctx;
    struct cn_reader *r = l->r;
    struct cn_words mutation;
    struct cn_raw raw;
    double x;

    r->line = at;
    if (header)
        put_table(r, header, ++l->tables);
    if (!row || r->st != CN_OK)
        return;
    cn_reader_raw_init(r, &raw, row->node);
    raw.node = row->node;
    raw.parent = row->parent;
    raw.reward = row->reward;
    raw.n_rewards = !isnan(row->reward);
    if (raw.n_rewards)
        cn_reader_metric(r, &raw, r->reward, row->reward);
    line = before_mutation(line, &mutation);
    for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++)
        if (number_of(line, shown[i].label, &x))
            cn_reader_metric(r, &raw, shown[i].metric, x);
    cn_reader_mutations(r, &raw, mutation);
    cn_buf_add(&r->raws, &raw, sizeof(raw));
}

static void fill_from_rows(struct cn_reader *r, void *ctx)
{
    const struct cn_read_part *p = ctx;
    struct rows_log l = {r, 0};

    cn_reader_part(r, p->name);
    each_line(p->text, p->n, put_row, &l);
    /* Rows stand by score, not by id: that is no disorder. */
    r->by_score = true;
    if (r->raws.len)
        cn_reader_warn(r, CN_READ_SCORE, 1, 0,
                       "a history from scores alone: rewards have three decimals, and there "
                       "are no seeds, strategies or configs");
}

cn_status cn_read_scores_log(const char *name, const char *text, size_t n,
                             const struct cn_read_opts *o, struct cn_read_log *out,
                             struct cn_err *err)
{
    struct cn_read_part part = {name, text, n};

    memset(out, 0, sizeof(*out));
    if (n > CN_CAP_FILE)
        return cn_err_set(err, CN_ECAP, "%s: %zu bytes, at most %zu can be read", name, n,
                          CN_CAP_FILE);
    return cn_reader_run(o, fill_from_rows, &part, out, err);
}
