/* New stores: cn_store_create, and cn_store_import from a whole history. */
#include <string.h>

#include "base/banned.h"
#include "base/clock.h"
#include "logs/store.h"
#include "logs/store_int.h"

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
cn_status cn_store_import_iteration(struct cn_store *s, const struct cn_iteration *it,
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

cn_status cn_store_import_message(struct cn_store *s, const struct cn_message *m,
                                  struct cn_err *err)
{
    return cn_sql_run(s,
                      "INSERT INTO message (text, sent_ms, acked_ms, acked_iteration, answer)"
                      " VALUES (?, ?, ?, ?, ?)",
                      SQL_ARGS(SQL_T(m->text), SQL_I(m->sent_ms), SQL_I(m->acked_ms),
                               SQL_I(m->acked_iteration), SQL_T(m->answer ? m->answer : "")),
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
        st = cn_store_import_iteration(s, &h->iterations[i], err);
    for (int64_t i = 0; st == CN_OK && i < h->n_messages; i++)
        st = cn_store_import_message(s, &h->messages[i], err);
    if (st == CN_OK)
        st = cn_store_roll_all(s, err);
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
