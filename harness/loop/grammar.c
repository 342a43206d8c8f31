/* What a protocol says beyond its parameters, checked against the trainer and put into the
 * words of the record: guardrails, log fields, partition rows. See cn_basis_grammar in
 * basis.h. */
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/basis.h"
#include "harness/loop/plan_int.h"

enum { MAX_NAMES = 256 };

static cn_status check_metric(const struct cn_trainer *t, const struct cn_protocol_guardrail *g,
                              const char *where, struct cn_err *err)
{
    const char *names[MAX_NAMES];
    int n = 0, near;

    if (cn_trainer_metric(t, g->metric))
        return CN_OK;
    for (; n < t->n_metrics && n < MAX_NAMES; n++)
        names[n] = t->metrics[n].name;
    near = cn_text_nearest(g->metric, names, n);
    return cn_err_set(err, CN_EINPUT, "%s: guardrail: %s: study %s has no such metric%s%s%s",
                      where, g->metric, t->study, near >= 0 ? "; did you mean \"" : "",
                      near >= 0 ? names[near] : "", near >= 0 ? "\"?" : "");
}

/* The setting, else the protocol's own, as "V_rest_R2 >= 0.2, tau_R2 >= 0.9". */
static cn_status put_guardrails(struct cn_basis *b, struct cn_err *err)
{
    struct cn_arena *a = &b->search.arena;
    struct cn_protocol_guardrail *list = b->protocol->guardrails;
    int32_t n = b->protocol->n_guardrails;
    const char *words = "";
    cn_status st = CN_OK;

    if (b->settings.guardrails[0])
        st = cn_protocol_guardrails_parse(a, b->settings.guardrails, "explore.guardrails",
                                          &list, &n, err);
    for (int32_t i = 0; st == CN_OK && i < n; i++) {
        char where[600], bound[CN_NUM_TEXT];

        if (list[i].file[0])
            cn_text_format(where, sizeof where, "%.500s:%d", list[i].file, list[i].line);
        else
            cn_text_copy(where, sizeof where, "explore.guardrails");
        st = check_metric(b->trainer, &list[i], where, err);
        if (st == CN_OK)
            words = cn_arena_printf(
                a, "%s%s%s %s %s", words, i ? ", " : "", list[i].metric,
                list[i].at_most ? "<=" : ">=", cn_text_double(list[i].bound, bound));
        if (!words)
            return cn_err_set(err, CN_ENOMEM, "no memory for the guardrails");
    }
    b->info.guardrails = words;
    return st;
}

static cn_status put_log_fields(struct cn_basis *b, struct cn_err *err)
{
    const char *words = "";

    for (int32_t i = 0; words && i < b->protocol->n_log_fields; i++)
        words = cn_arena_printf(&b->search.arena, "%s%s%s", words, i ? ", " : "",
                                b->protocol->log_fields[i]);
    b->info.log_fields = words;
    return words ? CN_OK : cn_err_set(err, CN_ENOMEM, "no memory for the log's fields");
}

cn_status cn_basis_grammar(struct cn_basis *b, struct cn_err *err)
{
    cn_status st = cn_partition_check(&b->search, b->protocol, b->trainer, err);

    if (st == CN_OK)
        st = put_guardrails(b, err);
    return st == CN_OK ? put_log_fields(b, err) : st;
}
