/* What was understood of a protocol, for people and for scripts.
 *
 * 1. columns
 * 2. for people
 * 3. JSON */
#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/json.h"
#include "base/text.h"
#include "protocols/protocol.h"
#include "protocols/words.h"

/* ---- 1. columns ---- */

enum { COLUMNS = 5, WIDEST = 56, WRAP = 88, GOAL_LINES = 5 };

/* Rows of cells, printed in columns as wide as their contents. */
struct grid {
    struct cn_arena a;
    const char *(*rows)[COLUMNS];
    int n, room, columns;
    bool failed; /* no memory: said by the reader of `out` */
};

static void grid_init(struct grid *g, int columns)
{
    *g = (struct grid){.columns = columns};
    cn_arena_init(&g->a, CN_CAP_TEXT);
}

/* A new row, its cells empty; NULL: no memory. */
static const char **grid_row(struct grid *g)
{
    if (g->n == g->room) {
        int room = g->room ? 2 * g->room : 32;
        const char *(*more)[COLUMNS] = cn_arena_alloc(&g->a, (size_t)room, sizeof(*more));

        if (!more) {
            g->failed = true;
            return NULL;
        }
        if (g->n > 0)
            memcpy(more, g->rows, (size_t)g->n * sizeof(*more));
        g->rows = more;
        g->room = room;
    }
    for (int i = 0; i < COLUMNS; i++)
        g->rows[g->n][i] = "";
    return g->rows[g->n++];
}

/* The names of the columns, separated by '|'. */
static void grid_head(struct grid *g, const char *names)
{
    const char **row = grid_row(g);

    for (int i = 0; row && i < g->columns && *names; i++) {
        size_t n = strcspn(names, "|");

        row[i] = cn_arena_strndup(&g->a, names, n);
        names += n + (names[n] == '|');
    }
}

/* Characters, not bytes. */
static int width(const char *s)
{
    int n = 0;

    for (; *s; s++)
        n += ((unsigned char)*s & 0xc0) != 0x80;
    return n;
}

static void grid_print(struct grid *g, struct cn_buf *out)
{
    int widest[COLUMNS] = {0};

    for (int r = 0; r < g->n; r++)
        for (int i = 0; i < g->columns; i++) {
            int w = g->rows[r][i] ? width(g->rows[r][i]) : 0;

            if (w > widest[i])
                widest[i] = w < WIDEST ? w : WIDEST;
        }
    for (int r = 0; r < g->n; r++) {
        size_t end;

        cn_buf_adds(out, " ");
        for (int i = 0; i < g->columns; i++) {
            const char *s = g->rows[r][i] ? g->rows[r][i] : "?";
            int w = width(s);

            cn_buf_printf(out, " %s%*s", s,
                          i + 1 < g->columns && w < widest[i] ? widest[i] - w + 1 : 1, "");
        }
        for (end = out->len; end > 0 && out->data[end - 1] == ' '; end--)
            ;
        out->len = end;
        cn_buf_addc(out, '\n');
    }
    if (g->failed)
        cn_buf_adds(out, "  ... (no memory for more)\n");
    cn_arena_clear(&g->a);
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* "61", or "base.md:61" for a line of a protocol that this one extends. */
static const char *place(struct cn_arena *a, const struct cn_protocol *p, const char *file,
                         int line)
{
    if (!file || !file[0] || strcmp(file, p->name) == 0)
        return cn_arena_printf(a, "%d", line);
    return cn_arena_printf(a, "%s:%d", file_name(file), line);
}

/* ---- 2. for people ---- */

static const char *const type_names[] = {"float", "int", "bool", "string"};

/* Words in lines of WRAP characters, `indent` deep from the second on. */
static void wrap(const char *s, int indent, int max_lines, struct cn_buf *out)
{
    int at = indent, lines = 1;

    while (*s) {
        size_t n = strcspn(s, " \n\t\r"), gap;

        if (at + (int)n > WRAP && at > indent) {
            if (lines++ == max_lines) {
                cn_buf_adds(out, " ...");
                break;
            }
            cn_buf_printf(out, "\n%*s", indent, "");
            at = indent;
        }
        cn_buf_printf(out, "%s%.*s", at > indent ? " " : "", (int)n, s);
        at += (int)n + 1;
        gap = strspn(s + n, " \n\t\r");
        s += n + gap;
    }
    cn_buf_addc(out, '\n');
}

static void dump_head(const struct cn_protocol *p, struct cn_buf *out)
{
    struct cn_arena a;
    const char *goal;

    cn_buf_printf(out, "protocol  %s\n", p->name);
    for (int32_t i = 0; i < p->n_extends; i++)
        cn_buf_printf(out, "extends   %s\n", p->extends[i]);
    cn_buf_printf(out, "title     %s\n", p->title[0] ? p->title : "(none)");
    cn_arena_init(&a, CN_CAP_TEXT);
    goal = cn_words_plain(&a, p->goal, strlen(p->goal));
    cn_buf_adds(out, "goal      ");
    wrap(goal ? goal : p->goal, 10, GOAL_LINES, out);
    cn_arena_clear(&a);
    if (!p->has_thresholds)
        cn_buf_adds(out, "reward    the study's primary metric and the usual thresholds\n");
    else
        cn_buf_printf(out, "reward    %s, %s is better: converged %c %g, failed %c %g\n",
                      p->reward, p->lower_is_better ? "lower" : "higher",
                      p->lower_is_better ? '<' : '>', p->converged,
                      p->lower_is_better ? '>' : '<', p->failed);
}

/* "1.0e-4 to 1.0e-2", "1, 2, 4", "true or false", "not explored". */
static const char *range_text(struct cn_arena *a, const struct cn_protocol_param *q)
{
    char lo[CN_NUM_TEXT], hi[CN_NUM_TEXT];
    const char *list = "";

    if (q->has_range)
        return cn_arena_printf(a, "%s to %s", cn_text_double(q->lo, lo),
                               cn_text_double(q->hi, hi));
    for (int32_t i = 0; i < q->n_choices && list; i++)
        list = cn_arena_printf(a, "%s%s%s", list, i ? ", " : "", q->choices[i]);
    if (q->n_choices > 0)
        return list;
    return q->type == CN_PROTOCOL_BOOL ? "true or false" : "not explored";
}

static void dump_params(const struct cn_protocol *p, cn_protocol_class cls, const char *title,
                        struct cn_buf *out)
{
    struct grid g;
    int n = 0;

    grid_init(&g, 5);
    grid_head(&g, "line|parameter|type|default|explored");
    for (int32_t i = 0; i < p->n_params; i++) {
        const struct cn_protocol_param *q = &p->params[i];
        const char **row = q->cls == cls ? grid_row(&g) : NULL;

        if (!row)
            continue;
        row[0] = place(&g.a, p, q->file, q->line);
        row[1] = q->path;
        row[2] = type_names[q->type];
        row[3] = q->default_text[0] ? q->default_text : "-";
        row[4] = range_text(&g.a, q);
        n++;
    }
    cn_buf_printf(out, "\n%s\n", title);
    if (n == 0) {
        g.n = 0;
        cn_buf_adds(out, "  none\n");
    }
    grid_print(&g, out);
}

static void dump_rules(const struct cn_protocol *p, struct cn_buf *out)
{
    struct grid g;

    grid_init(&g, 4);
    grid_head(&g, "row|condition|strategy|what the host makes of it");
    cn_buf_printf(out, "\nrules%s: tried from the top, the first that holds is carried out\n",
                  p->rules_builtin ? ", the built-in ones" : "");
    for (int32_t i = 0; i < p->n_rules; i++) {
        const struct cn_rule *r = &p->rules[i];
        const char **row = grid_row(&g);

        if (!row)
            break;
        row[0] = cn_arena_printf(&g.a, "%d", (int)i + 1);
        row[1] = r->condition;
        row[2] = r->strategy_text;
        if (r->cond == CN_COND_PROSE)
            row[3] = cn_arena_printf(&g.a, "[prose: %s]", r->note);
        else
            row[3] = cn_arena_printf(&g.a, "[%s; parent: %s]", cn_cond_name(r->cond),
                                     cn_parent_rule_name(r->parent_rule));
    }
    grid_print(&g, out);
}

static const char *block_numbers(struct cn_arena *a, const struct cn_protocol_block *b)
{
    if (b->last == b->first)
        return cn_arena_printf(a, "%lld", (long long)b->first);
    if (b->last == INT64_MAX)
        return cn_arena_printf(a, "%lld+", (long long)b->first);
    return cn_arena_printf(a, "%lld-%lld", (long long)b->first, (long long)b->last);
}

/* "simulation.noise = 0.5, " or "a new simulation.noise, " */
static const char *simulation_text(struct cn_arena *a, const struct cn_protocol_block *b)
{
    const char *s = "";

    for (int32_t i = 0; s && i < b->n_axes; i++)
        if (b->axes[i].simulation && b->axes[i].n_values > 0)
            s = cn_arena_printf(a, "%s%s = %s; ", s, b->axes[i].param, b->axes[i].values[0]);
        else if (b->axes[i].simulation)
            s = cn_arena_printf(a, "%sa new %s; ", s, b->axes[i].param);
    return s;
}

/* "vary lr: 1e-3, 1e-2; batch_size: 1, 2", "the rules, over lr, batch_size alone" */
static const char *axes_text(struct cn_arena *a, const struct cn_protocol_block *b)
{
    bool vary = b->kind == CN_PARTITION_VARY;
    const char *s = simulation_text(a, b);
    int n = 0;

    for (int32_t i = 0; s && i < b->n_axes; i++) {
        const struct cn_partition_axis *x = &b->axes[i];

        if (x->simulation)
            continue;
        s = cn_arena_printf(a, "%s%s%s", s,
                            n++ ? (vary ? "; " : ", ") : (vary ? "vary " : "the rules, over "),
                            x->param);
        for (int32_t k = 0; s && k < x->n_values; k++)
            s = cn_arena_printf(a, "%s%s%s", s, k ? ", " : ": ", x->values[k]);
    }
    if (!s)
        return NULL;
    return n == 0 ? cn_arena_printf(a, "%sthe rules", s)
                  : cn_arena_printf(a, "%s%s", s, vary ? "" : " alone");
}

static const char *block_text(struct cn_arena *a, const struct cn_protocol_block *b)
{
    const char *times =
        b->count == 0 ? ", to the end of the block"
        : b->at_least ? cn_arena_printf(a, ", %lld times or more", (long long)b->count)
                      : cn_arena_printf(a, ", %lld times, then the rules", (long long)b->count);

    switch (b->kind) {
    case CN_PARTITION_PROSE:
        return cn_arena_printf(a, "[prose: %s]", b->note);
    case CN_PARTITION_DEFAULT:
        return cn_arena_printf(a, "the config as given%s", times ? times : "?");
    case CN_PARTITION_REPLICATE:
        return cn_arena_printf(a, "the best config again%s", times ? times : "?");
    case CN_PARTITION_VARY:
        return axes_text(a, b);
    case CN_PARTITION_FOCUS:
        times = axes_text(a, b);
        return cn_arena_printf(a, "%s%s%s%s", times ? times : "?", b->note[0] ? " (" : "",
                               b->note, b->note[0] ? ")" : "");
    }
    return "?";
}

static void dump_blocks(const struct cn_protocol *p, struct cn_buf *out)
{
    struct grid g;

    grid_init(&g, 4);
    if (p->n_blocks > 0) {
        grid_head(&g, "line|block|focus|what the host does");
        cn_buf_adds(out, "\nblocks: where a row says what to do, it comes before the rules\n");
    }
    for (int32_t i = 0; i < p->n_blocks; i++) {
        const struct cn_protocol_block *b = &p->blocks[i];
        const char **row = grid_row(&g);

        if (!row)
            break;
        row[0] = place(&g.a, p, b->file, b->line);
        row[1] = block_numbers(&g.a, b);
        row[2] = b->focus[0] ? b->focus : "-";
        row[3] = block_text(&g.a, b);
    }
    grid_print(&g, out);
}

static void dump_guardrails(const struct cn_protocol *p, struct cn_buf *out)
{
    struct grid g;

    grid_init(&g, 2);
    if (p->n_guardrails > 0)
        cn_buf_adds(out, "\nguardrails: a config that breaks one is not announced as best\n");
    for (int32_t i = 0; i < p->n_guardrails; i++) {
        const struct cn_protocol_guardrail *r = &p->guardrails[i];
        const char **row = grid_row(&g);

        if (!row)
            break;
        row[0] = place(&g.a, p, r->file, r->line);
        row[1] =
            cn_arena_printf(&g.a, "%s %s %g", r->metric, r->at_most ? "<=" : ">=", r->bound);
    }
    grid_print(&g, out);
}

static void dump_log_fields(const struct cn_protocol *p, struct cn_buf *out)
{
    if (p->n_log_fields == 0)
        return;
    cn_buf_adds(out, "\nlog entry\n  ");
    for (int32_t i = 0; i < p->n_log_fields; i++)
        cn_buf_printf(out, "%s%s", i ? ", " : "", p->log_fields[i]);
    cn_buf_addc(out, '\n');
}

static void dump_settings(const struct cn_protocol *p, struct cn_buf *out)
{
    struct grid g;

    grid_init(&g, 2);
    if (p->n_settings > 0)
        cn_buf_adds(out, "\nsettings\n");
    for (int32_t i = 0; i < p->n_settings; i++) {
        const char **row = grid_row(&g);

        if (!row)
            break;
        row[0] = place(&g.a, p, p->settings[i].file, p->settings[i].line);
        row[1] = cn_arena_printf(&g.a, "%s = %s", p->settings[i].key, p->settings[i].value);
    }
    grid_print(&g, out);
}

static void dump_prose(const struct cn_protocol *p, struct cn_buf *out)
{
    struct grid g;

    grid_init(&g, 2);
    for (int32_t i = 0; i < p->n_sections; i++) {
        const char **row = p->sections[i].understood ? NULL : grid_row(&g);

        if (!row)
            continue;
        row[0] = place(&g.a, p, p->sections[i].file, p->sections[i].line);
        row[1] = p->sections[i].heading;
    }
    if (g.n > 0)
        cn_buf_adds(out, "\nprose, for readers and models\n");
    grid_print(&g, out);
}

static void dump_notes(const struct cn_protocol *p, struct cn_buf *out)
{
    struct grid g;

    grid_init(&g, 2);
    if (p->n_notes > 0)
        cn_buf_adds(out, "\nnotes\n");
    for (int32_t i = 0; i < p->n_notes; i++) {
        const struct cn_protocol_note *x = &p->notes[i];
        const char **row = grid_row(&g);

        if (!row)
            break;
        row[0] = x->line > 0 ? place(&g.a, p, x->file, x->line) : "-";
        row[1] = x->text;
    }
    grid_print(&g, out);
}

void cn_protocol_dump(const struct cn_protocol *p, struct cn_buf *out)
{
    dump_head(p, out);
    dump_params(p, CN_PROTOCOL_TRAINING, "training parameters: may change inside a block", out);
    dump_params(p, CN_PROTOCOL_SIMULATION, "simulation parameters: change only between blocks",
                out);
    dump_rules(p, out);
    dump_blocks(p, out);
    dump_guardrails(p, out);
    dump_log_fields(p, out);
    dump_settings(p, out);
    dump_prose(p, out);
    dump_notes(p, out);
}

/* ---- 3. JSON ---- */

static void json_place(struct cn_json_writer *w, const char *file, int line)
{
    cn_json_add_string(w, "file", file ? file : "");
    cn_json_add_int(w, "line", line);
}

static void json_list(struct cn_json_writer *w, const char *key, const char *const *list,
                      int32_t n)
{
    cn_json_open(w, key, '[');
    for (int32_t i = 0; i < n; i++)
        cn_json_add_string(w, NULL, list[i]);
    cn_json_close(w);
}

static void json_head(const struct cn_protocol *p, struct cn_json_writer *w)
{
    cn_json_add_string(w, "name", p->name);
    cn_json_add_string(w, "hash", p->hash);
    json_list(w, "extends", p->extends, p->n_extends);
    cn_json_add_string(w, "title", p->title);
    cn_json_add_string(w, "goal", p->goal);
    cn_json_open(w, "reward", '{');
    cn_json_add_string(w, "metric", p->reward);
    if (p->has_thresholds) {
        cn_json_add_bool(w, "lower_is_better", p->lower_is_better);
        cn_json_add_double(w, "converged", p->converged);
        cn_json_add_double(w, "failed", p->failed);
    }
    cn_json_close(w);
}

static void json_params(const struct cn_protocol *p, struct cn_json_writer *w)
{
    cn_json_open(w, "parameters", '[');
    for (int32_t i = 0; i < p->n_params; i++) {
        const struct cn_protocol_param *q = &p->params[i];

        cn_json_open(w, NULL, '{');
        json_place(w, q->file, q->line);
        cn_json_add_string(w, "path", q->path);
        cn_json_add_string(w, "class",
                           q->cls == CN_PROTOCOL_SIMULATION ? "simulation" : "training");
        cn_json_add_string(w, "type", type_names[q->type]);
        cn_json_add_string(w, "default", q->default_text);
        if (q->has_range) {
            cn_json_add_double(w, "low", q->lo);
            cn_json_add_double(w, "high", q->hi);
        }
        json_list(w, "values", q->choices, q->n_choices);
        cn_json_add_string(w, "meaning", q->meaning);
        cn_json_close(w);
    }
    cn_json_close(w);
}

static void json_rules(const struct cn_protocol *p, struct cn_json_writer *w)
{
    cn_json_add_bool(w, "rules_built_in", p->rules_builtin);
    cn_json_open(w, "rules", '[');
    for (int32_t i = 0; i < p->n_rules; i++) {
        const struct cn_rule *r = &p->rules[i];

        cn_json_open(w, NULL, '{');
        json_place(w, p->rules_file, r->line);
        cn_json_add_string(w, "condition", r->condition);
        cn_json_add_string(w, "strategy", r->strategy_text);
        cn_json_add_string(w, "action", r->action);
        cn_json_add_string(w, "kind", cn_cond_name(r->cond));
        cn_json_add_string(w, "note", r->note);
        cn_json_close(w);
    }
    cn_json_close(w);
}

static void json_blocks(const struct cn_protocol *p, struct cn_json_writer *w)
{
    static const char *const kinds[] = {"prose", "default", "vary", "replicate", "focus"};

    cn_json_open(w, "blocks", '[');
    for (int32_t i = 0; i < p->n_blocks; i++) {
        const struct cn_protocol_block *b = &p->blocks[i];

        cn_json_open(w, NULL, '{');
        json_place(w, b->file, b->line);
        cn_json_add_int(w, "first", b->first);
        if (b->last != INT64_MAX)
            cn_json_add_int(w, "last", b->last);
        cn_json_add_string(w, "kind", kinds[b->kind]);
        cn_json_add_int(w, "count", b->count);
        cn_json_add_bool(w, "at_least", b->at_least);
        cn_json_open(w, "parameters", '[');
        for (int32_t k = 0; k < b->n_axes; k++) {
            cn_json_open(w, NULL, '{');
            cn_json_add_string(w, "path", b->axes[k].param);
            json_list(w, "values", b->axes[k].values, b->axes[k].n_values);
            cn_json_close(w);
        }
        cn_json_close(w);
        cn_json_add_string(w, "focus", b->focus);
        cn_json_add_string(w, "strategy", b->strategy);
        cn_json_add_string(w, "note", b->note);
        cn_json_close(w);
    }
    cn_json_close(w);
}

static void json_rest(const struct cn_protocol *p, struct cn_json_writer *w)
{
    cn_json_open(w, "guardrails", '[');
    for (int32_t i = 0; i < p->n_guardrails; i++) {
        cn_json_open(w, NULL, '{');
        json_place(w, p->guardrails[i].file, p->guardrails[i].line);
        cn_json_add_string(w, "metric", p->guardrails[i].metric);
        cn_json_add_string(w, "side", p->guardrails[i].at_most ? "at most" : "at least");
        cn_json_add_double(w, "bound", p->guardrails[i].bound);
        cn_json_close(w);
    }
    cn_json_close(w);
    json_list(w, "log_fields", p->log_fields, p->n_log_fields);
    cn_json_open(w, "settings", '{');
    for (int32_t i = 0; i < p->n_settings; i++)
        cn_json_add_string(w, p->settings[i].key, p->settings[i].value);
    cn_json_close(w);
    cn_json_open(w, "prose", '[');
    for (int32_t i = 0; i < p->n_sections; i++) {
        if (p->sections[i].understood)
            continue;
        cn_json_open(w, NULL, '{');
        json_place(w, p->sections[i].file, p->sections[i].line);
        cn_json_add_string(w, "heading", p->sections[i].heading);
        cn_json_close(w);
    }
    cn_json_close(w);
    cn_json_open(w, "notes", '[');
    for (int32_t i = 0; i < p->n_notes; i++) {
        cn_json_open(w, NULL, '{');
        json_place(w, p->notes[i].file, p->notes[i].line);
        cn_json_add_string(w, "text", p->notes[i].text);
        cn_json_close(w);
    }
    cn_json_close(w);
}

void cn_protocol_json(const struct cn_protocol *p, struct cn_json_writer *w)
{
    json_head(p, w);
    json_params(p, w);
    json_rules(p, w);
    json_blocks(p, w);
    json_rest(p, w);
}
