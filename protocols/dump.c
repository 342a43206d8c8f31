/* What was understood of a protocol, for people. */
#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "protocols/protocol.h"

static const char *const type_names[] = {"float", "int", "bool", "string"};

static void dump_head(const struct cn_protocol *p, struct cn_buf *out)
{
    size_t first = strcspn(p->goal, "\n");

    cn_buf_printf(out, "protocol %s\n", p->name);
    cn_buf_printf(out, "title:   %s\n", p->title);
    cn_buf_printf(out, "goal:    %.*s%s\n", (int)first, p->goal, p->goal[first] ? " ..." : "");
    if (!p->has_thresholds)
        cn_buf_adds(out, "reward:  the study's primary metric and the usual thresholds\n");
    else if (p->lower_is_better)
        cn_buf_printf(out, "reward:  %s, lower is better; converged < %g, failed > %g\n",
                      p->reward, p->converged, p->failed);
    else
        cn_buf_printf(out, "reward:  %s, higher is better; converged > %g, failed < %g\n",
                      p->reward, p->converged, p->failed);
}

static void dump_range(const struct cn_protocol_param *p, struct cn_buf *out)
{
    char lo[CN_NUM_TEXT], hi[CN_NUM_TEXT];

    if (p->has_range)
        cn_buf_printf(out, "range %s to %s", cn_text_double(p->lo, lo),
                      cn_text_double(p->hi, hi));
    else if (p->n_choices > 0)
        cn_buf_adds(out, "values ");
    else
        cn_buf_adds(out, p->type == CN_PROTOCOL_BOOL ? "true or false" : "not explored");
    for (int32_t i = 0; i < p->n_choices; i++)
        cn_buf_printf(out, "%s%s", i ? ", " : "", p->choices[i]);
}

static void dump_params(const struct cn_protocol *p, cn_protocol_class cls, const char *name,
                        struct cn_buf *out)
{
    cn_buf_printf(out, "%s parameters:\n", name);
    for (int32_t i = 0; i < p->n_params; i++) {
        const struct cn_protocol_param *q = &p->params[i];

        if (q->cls != cls)
            continue;
        cn_buf_printf(out, "  line %-4d %-40s %-6s default %s, ", q->line, q->path,
                      type_names[q->type], q->default_text[0] ? q->default_text : "(none)");
        dump_range(q, out);
        cn_buf_addc(out, '\n');
    }
}

static void dump_rules(const struct cn_protocol *p, struct cn_buf *out)
{
    cn_buf_printf(out, "rules%s:\n", p->rules_builtin ? " (built in)" : "");
    for (int32_t i = 0; i < p->n_rules; i++) {
        const struct cn_rule *r = &p->rules[i];

        cn_buf_printf(out, "  %d  %s -> %s", (int)i + 1, r->condition, r->strategy_text);
        if (r->cond == CN_COND_PROSE)
            cn_buf_printf(out, "  [prose: %s]\n", r->note);
        else
            cn_buf_printf(out, "  [%s; parent: %s]\n", cn_cond_name(r->cond),
                          cn_parent_rule_name(r->parent_rule));
    }
}

void cn_protocol_dump(const struct cn_protocol *p, struct cn_buf *out)
{
    dump_head(p, out);
    dump_params(p, CN_PROTOCOL_TRAINING, "training", out);
    dump_params(p, CN_PROTOCOL_SIMULATION, "simulation", out);
    dump_rules(p, out);
    if (p->n_settings > 0)
        cn_buf_adds(out, "settings:\n");
    for (int32_t i = 0; i < p->n_settings; i++)
        cn_buf_printf(out, "  line %-4d %s = %s\n", p->settings[i].line, p->settings[i].key,
                      p->settings[i].value);
    cn_buf_adds(out, "prose sections:\n");
    for (int32_t i = 0; i < p->n_sections; i++)
        if (!p->sections[i].understood)
            cn_buf_printf(out, "  line %-4d %s\n", p->sections[i].line, p->sections[i].heading);
    if (p->n_notes > 0)
        cn_buf_adds(out, "notes:\n");
    for (int32_t i = 0; i < p->n_notes; i++)
        if (p->notes[i].line > 0)
            cn_buf_printf(out, "  line %-4d %s\n", p->notes[i].line, p->notes[i].text);
        else
            cn_buf_printf(out, "  %s\n", p->notes[i].text);
}
