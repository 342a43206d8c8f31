/* JSON lines; see export.h. Keys in the order in which they are written here. */
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "logs/export_int.h"
#include "logs/store_int.h"

/* ---- members of the object at hand ---- */

static void key(struct cn_buf *b, const char *name)
{
    const char last = b->len ? b->data[b->len - 1] : '\0';

    if (last != '{' && last != '[')
        cn_buf_adds(b, ", ");
    if (!name)
        return;
    cn_json_put_string(b, name);
    cn_buf_adds(b, ": ");
}

static void put_text(struct cn_buf *b, const char *name, const char *s)
{
    key(b, name);
    cn_json_put_string(b, s ? s : "");
}

static void put_int(struct cn_buf *b, const char *name, int64_t x)
{
    key(b, name);
    cn_buf_printf(b, "%lld", (long long)x);
}

static void put_seed(struct cn_buf *b, const char *name, uint64_t x)
{
    key(b, name);
    cn_buf_printf(b, "%llu", (unsigned long long)x);
}

static void put_bool(struct cn_buf *b, const char *name, bool x)
{
    key(b, name);
    cn_buf_adds(b, x ? "true" : "false");
}

static void put_double(struct cn_buf *b, const char *name, double x)
{
    key(b, name);
    cn_json_put_double(b, x);
}

static void put_time(struct cn_buf *b, const char *name, int64_t ms)
{
    char text[CN_TIME_TEXT];

    key(b, name);
    if (ms)
        cn_json_put_string(b, cn_clock_iso(ms, text));
    else
        cn_buf_adds(b, "null");
}

static void open_object(struct cn_buf *b, const char *type)
{
    cn_buf_addc(b, '{');
    put_text(b, "type", type);
}

static cn_status close_object(struct cn_exporter *x)
{
    cn_buf_adds(&x->line, "}\n");
    return cn_export_flush(x);
}

/* ---- the run and what is around its iterations ---- */

static cn_status put_run(struct cn_exporter *x)
{
    const struct cn_run_info *r = &x->around.info;
    struct cn_buf *b = &x->line, fact;

    open_object(b, "run");
    put_int(b, "cairn_export", CN_EXPORT_VERSION);
    put_text(b, "name", r->name);
    put_text(b, "study", r->study);
    put_text(b, "created", r->created);
    put_text(b, "reward", r->reward);
    put_bool(b, "reward_lower_is_better", r->reward_lower_is_better);
    put_double(b, "converged", r->converged);
    put_double(b, "failed", r->failed);
    put_int(b, "n_iter_block", r->n_iter_block);
    put_int(b, "n_parallel", r->n_parallel);
    put_text(b, "proposer", r->proposer);
    put_text(b, "score_kind", r->score_kind);
    put_double(b, "ucb_c", r->ucb_c);
    put_text(b, "c_scale", r->c_scale);
    put_text(b, "log_keys", r->log_keys);
    put_text(b, "guardrails", r->guardrails);
    put_text(b, "log_fields", r->log_fields);
    cn_buf_init(&fact, CN_CAP_TEXT);
    for (int i = 0; i < CN_EXPORT_FACTS; i++)
        if (cn_store_fact(x->s, cn_export_facts[i], &fact, NULL) == CN_OK)
            put_text(b, cn_export_facts[i], cn_buf_str(&fact));
    cn_buf_clear(&fact);
    return close_object(x);
}

static cn_status put_version(struct cn_exporter *x, const struct cn_text_version *t)
{
    struct cn_buf *b = &x->line, words;

    cn_buf_init(&words, CN_CAP_FILE);
    const cn_status st = cn_store_text(x->s, t->kind, t->version, &words, x->err);
    open_object(b, "text");
    put_text(b, "kind", t->kind);
    put_int(b, "version", t->version);
    put_text(b, "author", t->author);
    put_text(b, "reason", t->reason);
    put_int(b, "block", t->block);
    put_time(b, "at", t->at_ms);
    put_text(b, "words", cn_buf_str(&words));
    cn_buf_clear(&words);
    return st == CN_OK ? close_object(x) : st;
}

static void put_mutations(struct cn_buf *b, const char *name, const struct cn_mutation *m,
                          int n, bool old)
{
    key(b, name);
    cn_buf_addc(b, '[');
    for (int i = 0; i < n; i++) {
        key(b, NULL);
        cn_buf_addc(b, '{');
        put_text(b, "path", m[i].path);
        if (old)
            put_text(b, "old", m[i].old_text);
        put_text(b, old ? "new" : "value", m[i].new_text);
        cn_buf_addc(b, '}');
    }
    cn_buf_addc(b, ']');
}

static cn_status put_block(struct cn_exporter *x, const struct cn_block *k)
{
    struct cn_buf *b = &x->line;

    open_object(b, "block");
    put_int(b, "number", k->number);
    put_int(b, "first", k->first);
    put_int(b, "last", k->last);
    put_bool(b, "closed", k->closed);
    put_mutations(b, "regime", k->regime, k->n_regime, false);
    put_text(b, "edit_note", k->edit_note);
    return close_object(x);
}

static cn_status put_message(struct cn_exporter *x, const struct cn_message *m)
{
    struct cn_buf *b = &x->line;

    open_object(b, "message");
    put_int(b, "id", m->id);
    put_time(b, "sent", m->sent_ms);
    put_time(b, "acked", m->acked_ms);
    put_int(b, "acked_iteration", m->acked_iteration);
    put_text(b, "text", m->text);
    if (m->answer && m->answer[0])
        put_text(b, "answer", m->answer);
    return close_object(x);
}

static cn_status put_event(void *ctx, const struct cn_event *e)
{
    struct cn_exporter *x = ctx;
    struct cn_buf *b = &x->line;

    if (strcmp(e->kind, "import") == 0 || strcmp(e->kind, "opened") == 0)
        return CN_OK;
    open_object(b, "event");
    put_time(b, "at", e->at_ms);
    put_int(b, "iteration", e->iteration);
    put_text(b, "kind", e->kind);
    put_text(b, "text", e->text);
    return close_object(x);
}

static cn_status put_around(struct cn_exporter *x)
{
    const struct cn_history *h = &x->around;
    cn_status st = put_run(x);

    for (int64_t i = 0; st == CN_OK && i < h->n_texts; i++)
        st = put_version(x, &h->texts[i]);
    for (int64_t i = 0; st == CN_OK && i < h->n_blocks; i++)
        st = put_block(x, &h->blocks[i]);
    for (int64_t i = 0; st == CN_OK && i < h->n_messages; i++)
        st = put_message(x, &h->messages[i]);
    return st == CN_OK ? cn_store_each_event(x->s, put_event, x, x->err) : st;
}

/* ---- iterations ---- */

static void put_value(struct cn_buf *b, const char *name, const struct cn_yaml_node *v)
{
    double x;
    bool yes;

    if (!v || cn_yaml_kind(v) == CN_YAML_NULL) {
        key(b, name);
        cn_buf_adds(b, "null");
    } else if (cn_yaml_number(v, &x)) {
        put_double(b, name, x);
    } else if (cn_yaml_kind(v) == CN_YAML_BOOL && cn_yaml_bool(v, &yes)) {
        put_bool(b, name, yes);
    } else {
        put_text(b, name, cn_yaml_string(v));
    }
}

static cn_status put_config(struct cn_exporter *x, const struct cn_node *n)
{
    struct cn_buf *b = &x->line;
    struct cn_yaml *y = NULL;
    const cn_status st = cn_export_config(x, n, &y);

    if (st != CN_OK)
        return st;
    key(b, "config");
    cn_buf_addc(b, '{');
    for (int64_t i = 0; i < x->keys.n; i++)
        put_value(b, x->keys.name[i], cn_yaml_path(cn_yaml_root(y), x->keys.name[i]));
    cn_buf_addc(b, '}');
    put_text(b, "config_hash", n->config_hash);
    cn_yaml_free(y);
    return CN_OK;
}

/* What makes the node's YAML again: the lines in which it differs from the base config, or all of
 * it. */
static void put_node(struct cn_exporter *x, const struct cn_node *n)
{
    struct cn_buf *b = &x->line, lines;

    cn_buf_init(&lines, CN_CAP_CONFIG * 2);
    put_text(b, "node_strategy", n->strategy);
    if (cn_config_difference(x->base, n->config, &lines))
        put_text(b, "config_lines", cn_buf_str(&lines));
    else
        put_text(b, "config_text", n->config);
    cn_buf_clear(&lines);
}

static void put_identity(struct cn_buf *b, const struct cn_iteration *it,
                         const struct cn_node *n)
{
    put_int(b, "id", it->id);
    put_int(b, "node", it->node);
    put_int(b, "parent", n->parent);
    put_int(b, "block", it->block);
    put_int(b, "slot", it->slot);
    put_bool(b, "replicate", it->replicate);
    put_bool(b, "confirmation", it->confirmation);
    put_text(b, "state", cn_iter_state_name(it->state));
    put_seed(b, "sim_seed", it->sim_seed);
    put_seed(b, "train_seed", it->train_seed);
    put_text(b, "seed_mode", it->seed_mode);
    put_text(b, "strategy", it->strategy);
    put_text(b, "proposer", n->proposer);
    put_text(b, "parent_rule", it->parent_rule);
    put_double(b, "scored_value", it->scored_value);
    put_text(b, "hypothesis", it->hypothesis);
    if (it->prediction) {
        put_text(b, "prediction", it->prediction->words);
        put_double(b, "expected", it->prediction->expected);
        put_double(b, "probability", it->prediction->probability);
    }
    put_mutations(b, "mutations", n->mutations, it->id == n->id ? n->n_mutations : 0, true);
}

static void put_result(struct cn_buf *b, const struct cn_iteration *it)
{
    put_text(b, "outcome", cn_outcome_name(it->outcome));
    put_text(b, "class", cn_class_name(it->cls));
    put_double(b, "reward", it->reward);
    put_double(b, "seconds", it->seconds);
    key(b, "metrics");
    cn_buf_addc(b, '{');
    for (int i = 0; i < it->n_metrics; i++) {
        bool twice = false; /* an object has no name twice */
        for (int k = 0; k < i && !twice; k++)
            twice = strcmp(it->metrics[k].name, it->metrics[i].name) == 0;
        if (!twice)
            put_double(b, it->metrics[i].name, it->metrics[i].value);
    }
    cn_buf_addc(b, '}');
    put_text(b, "trajectory", it->trajectory);
    put_text(b, "observation", it->observation);
    put_text(b, "message", it->message);
    put_text(b, "activity", it->activity);
    put_text(b, "embedding", it->embedding);
    put_text(b, "dir", it->dir);
    put_int(b, "attempt", it->attempt);
    put_int(b, "infra_retries", it->infra_retries);
    put_text(b, "token", it->token);
    put_text(b, "job", it->job);
    put_time(b, "planned", it->planned_ms);
    put_time(b, "submitted", it->submitted_ms);
    put_time(b, "finished", it->finished_ms);
}

static cn_status put_iteration(struct cn_exporter *x, const struct cn_history *h,
                               const struct cn_iteration *it)
{
    const struct cn_node *n = cn_history_node(h, it->node);
    cn_status st;

    if (!n)
        return cn_err_set(x->err, CN_ECORRUPT, "iteration %lld: there is no node %lld",
                          (long long)it->id, (long long)it->node);
    open_object(&x->line, "iteration");
    put_identity(&x->line, it, n);
    st = put_config(x, n);
    if (st != CN_OK)
        return st;
    if (it->id == n->id)
        put_node(x, n);
    put_result(&x->line, it);
    return close_object(x);
}

cn_status cn_export_jsonl(struct cn_exporter *x)
{
    const cn_status st = put_around(x);

    return st == CN_OK ? cn_export_each(x, put_iteration) : st;
}
