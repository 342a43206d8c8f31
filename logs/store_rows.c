/* Rows as plain inserts, for the steps and for the import of a whole history. Inside a
 * transaction. */
#include <stddef.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "logs/store_int.h"

cn_status cn_store_add_block(struct cn_store *s, const struct cn_block *b, struct cn_err *err)
{
    cn_status st = cn_sql_run(s, "INSERT INTO block VALUES (?, ?, ?, ?, ?)",
                              SQL_ARGS(SQL_I(b->number), SQL_I(b->first), SQL_I(b->last),
                                       SQL_I(b->closed), SQL_T(b->edit_note)),
                              err);

    for (int i = 0; st == CN_OK && i < b->n_regime; i++)
        st = cn_sql_run(s, "INSERT INTO block_regime VALUES (?, ?, ?, ?)",
                        SQL_ARGS(SQL_I(b->number), SQL_I(i), SQL_T(b->regime[i].path),
                                 SQL_T(b->regime[i].new_text)),
                        err);
    return st;
}

cn_status cn_store_add_node(struct cn_store *s, const struct cn_node *n, struct cn_err *err)
{
    struct cn_buf kept;
    int64_t base = 0;

    cn_buf_init(&kept, CN_CAP_CONFIG);
    cn_status st =
        cn_store_pack_config(s, n->id, n->config ? n->config : "", &kept, &base, err);
    if (st == CN_OK)
        st = cn_sql_run(s,
                        "INSERT INTO node (id, parent, block, config, config_hash, strategy, "
                        "proposer, base)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        SQL_ARGS(SQL_I(n->id), SQL_ID(n->parent), SQL_ID(n->block),
                                 SQL_T(cn_buf_str(&kept)), SQL_T(n->config_hash),
                                 SQL_T(n->strategy), SQL_T(n->proposer), SQL_ID(base)),
                        err);
    cn_buf_clear(&kept);
    for (int i = 0; st == CN_OK && i < n->n_mutations; i++)
        st = cn_sql_run(s, "INSERT INTO mutation VALUES (?, ?, ?, ?, ?)",
                        SQL_ARGS(SQL_I(n->id), SQL_I(i), SQL_T(n->mutations[i].path),
                                 SQL_T(n->mutations[i].old_text),
                                 SQL_T(n->mutations[i].new_text)),
                        err);
    return st;
}

/* As planned: everything that comes later is left at its default. */
cn_status cn_store_add_iteration(struct cn_store *s, const struct cn_iteration *it,
                                 struct cn_err *err)
{
    const struct cn_prediction *p = it->prediction;
    const struct cn_sql_arg none = {.kind = 'n'}, words = SQL_T(p ? p->words : ""),
                            expected = SQL_D(p ? p->expected : 0),
                            probability = SQL_D(p ? p->probability : 0);

    return cn_sql_run(
        s,
        "INSERT INTO iteration (id, node, block, slot, replicate, confirmation, sim_seed,"
        " train_seed, seed_mode, strategy, parent_rule, scored_value, hypothesis, planned_ms,"
        " expected, probability, prediction)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        SQL_ARGS(SQL_I(it->id), SQL_I(it->node), SQL_ID(it->block), SQL_I(it->slot),
                 SQL_I(it->replicate), SQL_I(it->confirmation), SQL_I((int64_t)it->sim_seed),
                 SQL_I((int64_t)it->train_seed), SQL_T(it->seed_mode), SQL_T(it->strategy),
                 SQL_T(it->parent_rule), SQL_D(it->scored_value), SQL_T(it->hypothesis),
                 SQL_I(it->planned_ms ? it->planned_ms : cn_clock_now_ms()),
                 p ? expected : none, p ? probability : none, p ? words : none),
        err);
}

cn_status cn_store_add_metrics(struct cn_store *s, int64_t iteration, const struct cn_metric *m,
                               int n, struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < n; i++)
        st = cn_sql_run(
            s, "INSERT INTO metric VALUES (?, ?, ?, ?)",
            SQL_ARGS(SQL_I(iteration), SQL_I(i), SQL_T(m[i].name), SQL_D(m[i].value)), err);
    return st;
}
