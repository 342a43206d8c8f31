/* CSV as RFC 4180 has it: a header, CRLF, quotes where a field holds a comma, a quote or an end
 * of line. One row an iteration; NaN and what is absent are empty fields. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/clock.h"
#include "base/text.h"
#include "logs/export_int.h"

/* Every field but the first has its comma before it. */
static void put_text(struct cn_buf *b, const char *s)
{
    cn_buf_adds(b, b->len ? "," : "");
    if (!s || !*s)
        return;
    if (!strpbrk(s, ",\"\r\n")) {
        cn_buf_adds(b, s);
        return;
    }
    cn_buf_addc(b, '"');
    for (; *s; s++) {
        if (*s == '"')
            cn_buf_addc(b, '"');
        cn_buf_addc(b, *s);
    }
    cn_buf_addc(b, '"');
}

static void put_int(struct cn_buf *b, int64_t x)
{
    cn_buf_printf(b, "%s%lld", b->len ? "," : "", (long long)x);
}

static void put_seed(struct cn_buf *b, uint64_t x)
{
    cn_buf_printf(b, "%s%llu", b->len ? "," : "", (unsigned long long)x);
}

static void put_double(struct cn_buf *b, double x)
{
    char text[CN_NUM_TEXT];

    put_text(b, isfinite(x) ? cn_text_double(x, text) : "");
}

static void put_time(struct cn_buf *b, int64_t ms)
{
    char text[CN_TIME_TEXT];

    put_text(b, ms ? cn_clock_iso(ms, text) : "");
}

static cn_status put_header(struct cn_exporter *x)
{
    static const char *const before[] = {
        "id",        "node",         "parent",       "block",       "slot",
        "replicate", "confirmation", "state",        "outcome",     "class",
        "reward",    "seconds",      "sim_seed",     "train_seed",  "seed_mode",
        "strategy",  "proposer",     "scored_value", "expected",    "probability",
        "planned",   "submitted",    "finished",     "config_hash", "mutations"};
    static const char *const behind[] = {"parent_rule", "hypothesis", "observation", "message",
                                         "activity",    "embedding",  "trajectory"};
    char name[300];

    for (size_t i = 0; i < sizeof(before) / sizeof(before[0]); i++)
        put_text(&x->line, before[i]);
    for (int64_t i = 0; i < x->keys.n; i++) {
        cn_text_format(name, sizeof(name), "config.%.250s", x->keys.name[i]);
        put_text(&x->line, name);
    }
    for (int64_t i = 0; i < x->metrics.n; i++) {
        cn_text_format(name, sizeof(name), "metric.%.250s", x->metrics.name[i]);
        put_text(&x->line, name);
    }
    for (size_t i = 0; i < sizeof(behind) / sizeof(behind[0]); i++)
        put_text(&x->line, behind[i]);
    cn_buf_adds(&x->line, "\r\n");
    return cn_export_flush(x);
}

static void put_identity(struct cn_buf *b, const struct cn_iteration *it,
                         const struct cn_node *n)
{
    put_int(b, it->id);
    put_int(b, it->node);
    put_int(b, n->parent);
    put_int(b, it->block);
    put_int(b, it->slot);
    put_int(b, it->replicate);
    put_int(b, it->confirmation);
    put_text(b, cn_iter_state_name(it->state));
    put_text(b, cn_outcome_name(it->outcome));
    put_text(b, cn_class_name(it->cls));
    put_double(b, it->reward);
    put_double(b, it->seconds);
    put_seed(b, it->sim_seed);
    put_seed(b, it->train_seed);
    put_text(b, it->seed_mode);
    put_text(b, it->strategy);
    put_text(b, n->proposer);
    put_double(b, it->scored_value);
    put_double(b, it->prediction ? it->prediction->expected : (double)NAN);
    put_double(b, it->prediction ? it->prediction->probability : (double)NAN);
    put_time(b, it->planned_ms);
    put_time(b, it->submitted_ms);
    put_time(b, it->finished_ms);
    put_text(b, n->config_hash);
}

/* "key: old -> new; ...", of a node's first iteration, as the log has it. */
static void put_mutations(struct cn_buf *b, const struct cn_iteration *it,
                          const struct cn_node *n)
{
    struct cn_buf text;

    cn_buf_init(&text, b->cap);
    for (int i = 0; it->id == n->id && i < n->n_mutations; i++)
        cn_buf_printf(&text, "%s%s: %s -> %s", i ? "; " : "", n->mutations[i].path,
                      n->mutations[i].old_text, n->mutations[i].new_text);
    put_text(b, cn_buf_str(&text));
    if (cn_buf_status(&text) != CN_OK)
        b->status = cn_buf_status(&text);
    cn_buf_clear(&text);
}

static cn_status put_row(struct cn_exporter *x, const struct cn_history *h,
                         const struct cn_iteration *it)
{
    const struct cn_node *n = cn_history_node(h, it->node);
    struct cn_buf *b = &x->line;
    struct cn_yaml *y = NULL;
    cn_status st;

    if (!n)
        return cn_err_set(x->err, CN_ECORRUPT, "iteration %lld: there is no node %lld",
                          (long long)it->id, (long long)it->node);
    st = cn_export_config(x, n, &y);
    if (st != CN_OK)
        return st;
    put_identity(b, it, n);
    put_mutations(b, it, n);
    for (int64_t i = 0; i < x->keys.n; i++)
        put_text(b, cn_yaml_string(cn_yaml_path(cn_yaml_root(y), x->keys.name[i])));
    for (int64_t i = 0; i < x->metrics.n; i++)
        put_double(b, cn_iteration_metric(it, x->metrics.name[i]));
    put_text(b, it->parent_rule);
    put_text(b, it->hypothesis);
    put_text(b, it->observation);
    put_text(b, it->message);
    put_text(b, it->activity);
    put_text(b, it->embedding);
    put_text(b, it->trajectory);
    cn_buf_adds(b, "\r\n");
    cn_yaml_free(y);
    return cn_export_flush(x);
}

cn_status cn_export_csv(struct cn_exporter *x)
{
    const cn_status st = put_header(x);

    return st == CN_OK ? cn_export_each(x, put_row) : st;
}
