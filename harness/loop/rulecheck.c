/* Rows of the rule table that speak of metrics nobody reports. See plan.h. */
#include <inttypes.h>

#include "base/banned.h"
#include "base/text.h"
#include "harness/loop/plan.h"

enum { MAX_METRICS = 256 };

bool cn_plan_tell_metrics(const struct cn_protocol *p, const struct cn_trainer *t,
                          struct cn_buf *out)
{
    const char *names[MAX_METRICS];
    int n = 0;
    size_t before = out->len;

    for (; n < t->n_metrics && n < MAX_METRICS; n++)
        names[n] = t->metrics[n].name;
    for (int32_t i = 0; i < p->n_rules; i++) {
        const char *unknown = cn_rule_unknown_metric(&p->rules[i], names, n);
        int near = unknown ? cn_text_nearest(unknown, names, n) : -1;

        if (!unknown)
            continue;
        cn_buf_printf(out,
                      "%srow %" PRId32 " of the rule table: study %s reports no metric \"%s\"",
                      out->len > before ? "; " : "", i + 1, t->study, unknown);
        if (near >= 0)
            cn_buf_printf(out, " (did you mean \"%s\"?)", names[near]);
        cn_buf_adds(out, ", so that part never holds");
    }
    return out->len > before;
}
