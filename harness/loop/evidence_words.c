/* What is due, in words. See evidence_int.h. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/loop/evidence_int.h"
#include "logs/project.h"
#include "prompts/fill.h"

/* ------------------------------------------------------------------ pieces */

void cn_ev_line(struct cn_buf *out, const char *s)
{
    struct cn_buf clean;
    bool gap = false, any = false;

    cn_buf_init(&clean, strlen(s) + 1);
    cn_prompt_clean(&clean, s, strlen(s));
    for (const char *p = cn_buf_str(&clean); *p; p++) {
        if (*p == ' ' || *p == '\n' || *p == '\t' || *p == '|') {
            gap = any;
            continue;
        }
        if (gap)
            cn_buf_addc(out, ' ');
        cn_buf_addc(out, *p);
        gap = false;
        any = true;
    }
    cn_buf_clear(&clean);
}

void cn_ev_ids(struct cn_buf *out, const int64_t *ids, int n)
{
    for (int i = 0; i < n; i++)
        cn_buf_printf(out, "%s%" PRId64, i == 0 ? "" : i == n - 1 ? " and " : ", ", ids[i]);
}

double cn_ev_metric(const struct cn_history *h, double reward)
{
    return h->info.reward_lower_is_better ? -reward : reward;
}

static const char *or_empty(const char *s)
{
    return s ? s : "";
}

/* ------------------------------------------------------------------ what is due */

static void put_place(struct cn_ev *e, struct cn_buf *out)
{
    const struct cn_settings *o = &e->r->settings;
    const struct cn_block *b = e->block;

    if (b)
        cn_buf_printf(out,
                      "Block %" PRId64 " (iterations %" PRId64 " to %" PRId64 "): %" PRId64
                      " of %" PRId64 " are planned. ",
                      b->number, b->first, b->last, cn_plan_block_count(e->h, b->number),
                      o->n_iter_block);
    cn_buf_printf(out, "Whole run: %" PRId64 " of %" PRId64 " trainings are planned.\n",
                  cn_plan_searched(e->h), o->iterations);
    cn_buf_printf(
        out,
        "Reward: %s, %s is better. Converged: %s %g; failed: %s %g. Trainings side by "
        "side: %" PRId64 ".\n",
        e->h->info.reward, e->h->info.reward_lower_is_better ? "lower" : "higher",
        e->h->info.reward_lower_is_better ? "below" : "above", e->h->info.converged,
        e->h->info.reward_lower_is_better ? "above" : "below", e->h->info.failed,
        o->n_parallel);
}

static void put_regime(struct cn_ev *e, struct cn_buf *out)
{
    const struct cn_block *b = e->block;

    cn_buf_adds(out, "Simulation of this block: ");
    for (int i = 0; b && i < b->n_regime; i++) {
        cn_buf_adds(out, i ? ", " : "");
        cn_ev_line(out, b->regime[i].path);
        cn_buf_adds(out, " = ");
        cn_ev_line(out, b->regime[i].new_text);
    }
    cn_buf_adds(out, b && b->n_regime > 0 ? ".\n" : "as in the config.\n");
}

static void put_partition(const struct cn_ev *e, int64_t number, const char *which,
                          struct cn_buf *out)
{
    const struct cn_protocol_block *row = cn_protocol_block(e->r->protocol, number);

    if (!row)
        return;
    cn_buf_printf(out, "The protocol's plan for %s block: ", which);
    cn_ev_line(out, row->focus);
    cn_buf_adds(out, ". ");
    cn_ev_line(out, row->strategy);
    cn_buf_adds(out, row->kind == CN_PARTITION_PROSE ? " (for you to judge)\n"
                     : row->kind == CN_PARTITION_FOCUS
                         ? " (the host lets no other parameter change)\n"
                         : " (the host carries this out first)\n");
}

static void put_seeds(struct cn_ev *e, struct cn_buf *out)
{
    const char *mode = e->r->settings.seed_mode;

    cn_buf_printf(out, "Seeds are set by the host, mode %s: %s.\n", mode,
                  strcmp(mode, "same-data-robustness") == 0
                      ? "the data of a block stay the same, every training has its own seed"
                      : "every training has data and a seed of its own");
}

static void put_wanted(struct cn_ev *e, struct cn_buf *out)
{
    const struct cn_need *n = e->need;
    bool over = n->phase == CN_CONSULT_BLOCK_END;

    cn_buf_adds(out, "\nWanted now:");
    if (n->n_finished > 0) {
        cn_buf_printf(out, "%s",
                      n->n_finished > 1 ? " an analysis of each of the iterations "
                                        : " an analysis of iteration ");
        cn_ev_ids(out, n->finished, n->n_finished);
        cn_buf_adds(out, ";");
    }
    if (n->n_propose > 0) {
        cn_buf_printf(out, "%s",
                      n->n_propose > 1 ? " a proposal for each of the iterations "
                                       : " a proposal for iteration ");
        cn_ev_ids(out, n->propose, n->n_propose);
        cn_buf_adds(out, ";");
    }
    if (over)
        cn_buf_printf(out, " the books of block %" PRId64 "%s;", n->block,
                      n->next_regime ? ", and the simulation of the next block" : "");
    if (n->phase == CN_CONSULT_MESSAGE)
        cn_buf_adds(out, " an answer to the person;");
    out->data[out->len - 1] = '.';
    cn_buf_adds(out, over ? " The block is over.\n" : "\n");
}

cn_status cn_ev_now(struct cn_ev *e, struct cn_buf *out)
{
    struct cn_buf note;

    put_place(e, out);
    put_regime(e, out);
    if (e->block)
        put_partition(e, e->block->number, "this", out);
    if (e->need->phase == CN_CONSULT_BLOCK_END && e->block)
        put_partition(e, e->block->number + 1, "the next", out);
    put_seeds(e, out);
    cn_buf_init(&note, CN_CAP_RECORD);
    if (e->root && e->need->phase != CN_CONSULT_BLOCK_END)
        cn_plan_block_note(&e->r->planner, e->h, e->block->number, &note);
    if (note.len > 0)
        cn_buf_printf(out, "The block so far: %s.\n", cn_buf_str(&note));
    cn_buf_clear(&note);
    if (cn_buf_status(out) == CN_OK)
        put_wanted(e, out);
    return CN_OK;
}

/* ------------------------------------------------------------------ the rule that fires */

/* Which parent the row asks for, from the same functions that plan by it. */
static cn_status put_parent(struct cn_ev *e, const struct cn_work *w,
                            const struct cn_rule_choice *c, struct cn_buf *out)
{
    struct cn_offer offer = {0};
    struct cn_buf words;
    cn_status st;

    if (c->rerun_node > 0) {
        cn_buf_printf(out, "Parent: node %" PRId64 ", trained again unchanged (a replicate).\n",
                      c->rerun_node);
        return CN_OK;
    }
    if (c->parent_rule == CN_PARENT_STRATEGY) {
        st = cn_plan_strategy(w, &e->view, c, &offer);
        cn_buf_printf(out, "Parent: the strategy chooses its own%s%s.\n",
                      offer.how[0] ? ": " : "", offer.how);
        cn_mutated_clear(&offer.found);
        return st == CN_ENOTFOUND ? CN_OK : st;
    }
    cn_buf_init(&words, CN_CAP_RECORD);
    st = cn_plan_row_parent(w, &e->view, c, &words);
    if (st == CN_OK)
        cn_buf_printf(out, "Parent: %s.\n", cn_buf_str(&words));
    cn_buf_clear(&words);
    return st;
}

static cn_status put_choice(struct cn_ev *e, int64_t id, struct cn_buf *out)
{
    const struct cn_protocol *p = e->r->protocol;
    struct cn_plan plan;
    struct cn_work w;
    struct cn_rule_choice c;
    cn_status st;

    cn_work_begin(&w, &e->r->planner, e->h, &plan, e->err);
    w.id = id;
    w.opt_focus = e->opt_focus;
    st = cn_plan_choose_row(&w, &e->view, &c);
    if (st == CN_OK) {
        cn_buf_adds(out, c.text);
        cn_buf_printf(out, "\nStrategy: %s.", c.strategy_name);
        if (c.row < p->n_rules) {
            cn_buf_adds(out, " ");
            cn_ev_line(out, p->rules[c.row].action);
            cn_buf_adds(out, ".");
        }
        cn_buf_adds(out, "\n");
        st = put_parent(e, &w, &c, out);
    }
    cn_plan_clear(&plan);
    return st;
}

/* Rows that the host cannot evaluate. */
static void put_prose_rows(struct cn_ev *e, struct cn_buf *out)
{
    const struct cn_protocol *p = e->r->protocol;

    for (int32_t i = 0; i < p->n_rules; i++) {
        if (p->rules[i].cond != CN_COND_PROSE)
            continue;
        cn_buf_printf(
            out,
            "Row %" PRId32 " is for you to judge; where it holds, it comes first: ", i + 1);
        cn_ev_line(out, p->rules[i].condition);
        cn_buf_adds(out, ": ");
        cn_ev_line(out, p->rules[i].strategy_text);
        cn_buf_adds(out, ". ");
        cn_ev_line(out, p->rules[i].action);
        cn_buf_adds(out, "\n");
    }
}

/* The choice for every iteration that is to be planned; rows may depend on its slot. Equal ones
 * are said once. */
cn_status cn_ev_row(struct cn_ev *e, struct cn_buf *out)
{
    const struct cn_need *n = e->need;
    struct cn_buf one, before;
    cn_status st = CN_OK;

    if (!e->root) {
        cn_buf_adds(out, "The block has no result yet: parent = root.\n");
        return CN_OK;
    }
    cn_buf_init(&one, CN_CAP_RECORD);
    cn_buf_init(&before, CN_CAP_RECORD);
    for (int i = 0; st == CN_OK && i < (n->n_propose > 0 ? n->n_propose : 1); i++) {
        int64_t id =
            n->n_propose > 0 ? n->propose[i] : e->h->iterations[e->h->n_iterations - 1].id + 1;

        cn_buf_reset(&one);
        st = put_choice(e, id, &one);
        if (strcmp(cn_buf_str(&one), cn_buf_str(&before)) != 0)
            cn_buf_printf(out, "For iteration %" PRId64 "%s: %s", id,
                          i + 1 < n->n_propose ? " on" : "", cn_buf_str(&one));
        cn_buf_reset(&before);
        cn_buf_adds(&before, cn_buf_str(&one));
    }
    if (st == CN_OK)
        put_prose_rows(e, out);
    cn_buf_clear(&one);
    cn_buf_clear(&before);
    return st;
}

/* ------------------------------------------------------------------ trainings that ended */

cn_status cn_ev_entries(struct cn_ev *e, struct cn_buf *out)
{
    for (int i = 0; i < e->need->n_finished; i++) {
        const struct cn_iteration *it = cn_history_iteration(e->h, e->need->finished[i]);

        if (!it)
            return cn_err_set(e->err, CN_EINPUT, "iteration %" PRId64 " is not in the record",
                              e->need->finished[i]);
        cn_buf_adds(out, i ? "\n" : "");
        cn_project_entry(e->h, it, out);
    }
    return cn_buf_status(out);
}

/* The `nth` newest finished iteration without a result, from 0; NULL: there are not so many. */
static const struct cn_iteration *failure(const struct cn_ev *e, int nth)
{
    for (int i = e->need->n_finished - 1; i >= 0; i--) {
        const struct cn_iteration *it = cn_history_iteration(e->h, e->need->finished[i]);

        if (it && it->outcome != CN_OUTCOME_OK && nth-- == 0)
            return it;
    }
    return NULL;
}

static cn_status put_failure(struct cn_ev *e, int nth, struct cn_buf *out)
{
    const struct cn_iteration *it = failure(e, nth);
    char *dir = it && it->dir[0] ? cn_file_join(e->r->dir, it->dir) : NULL;
    char *path = dir ? cn_file_join(dir, "stdout.log") : NULL;
    struct cn_buf tail;

    if (!it)
        return CN_OK;
    cn_buf_printf(out, "iteration %" PRId64 " ended %s: ", it->id,
                  cn_outcome_name(it->outcome));
    cn_ev_line(out, it->message);
    cn_buf_init(&tail, CN_EVIDENCE_TAIL);
    if (path && cn_file_exists(path) &&
        cn_file_read_tail(path, CN_EVIDENCE_TAIL, &tail, NULL) == CN_OK && tail.len > 0) {
        cn_buf_adds(out, "\nthe end of its output:\n");
        for (size_t i = 0; i < tail.len; i++) /* parts are texts */
            cn_buf_addc(out, tail.data[i] ? tail.data[i] : ' ');
    } else {
        cn_buf_adds(out, "\nits output was not kept");
    }
    cn_buf_clear(&tail);
    cn_free(path);
    cn_free(dir);
    return CN_OK;
}

cn_status cn_ev_failure_1(struct cn_ev *e, struct cn_buf *out)
{
    return put_failure(e, 0, out);
}

cn_status cn_ev_failure_2(struct cn_ev *e, struct cn_buf *out)
{
    return put_failure(e, 1, out);
}

cn_status cn_ev_failure_3(struct cn_ev *e, struct cn_buf *out)
{
    return put_failure(e, 2, out);
}

/* ------------------------------------------------------------------ people, books, blocks */

/* Quoted line by line: the one text of others that may give instructions. */
cn_status cn_ev_messages(struct cn_ev *e, struct cn_buf *out)
{
    struct cn_buf clean;

    for (int64_t i = 0; i < e->h->n_messages; i++) {
        const struct cn_message *m = &e->h->messages[i];

        if (m->acked_ms != 0)
            continue;
        cn_buf_init(&clean, strlen(m->text) + 1);
        cn_prompt_clean(&clean, m->text, strlen(m->text));
        cn_buf_printf(out, "%sMessage %" PRId64 ":\n> ", out->len ? "\n" : "", m->id);
        for (const char *p = cn_buf_str(&clean); *p; p++) {
            cn_buf_addc(out, *p);
            if (*p == '\n' && p[1])
                cn_buf_adds(out, "> ");
        }
        cn_buf_adds(out, clean.len && clean.data[clean.len - 1] == '\n' ? "" : "\n");
        cn_buf_clear(&clean);
    }
    return CN_OK;
}

cn_status cn_ev_budget(struct cn_ev *e, struct cn_buf *out)
{
    const struct cn_settings *o = &e->r->settings;
    int64_t left = o->iterations - cn_plan_searched(e->h), n = 0;
    double sum = 0;

    cn_buf_printf(out, "%" PRId64 " trainings of the search", left > 0 ? left : 0);
    for (int64_t i = 0; i < e->h->n_iterations; i++)
        if (e->h->iterations[i].outcome == CN_OUTCOME_OK && e->h->iterations[i].seconds > 0) {
            sum += e->h->iterations[i].seconds;
            n++;
        }
    if (o->confirm > 0)
        cn_buf_printf(out, ", then %" PRId64 " confirmations each of best and default",
                      o->confirm);
    cn_buf_adds(out, ".\n");
    if (o->training_time_target_min > 0 && n > 0)
        cn_buf_printf(out, "A training took %.3g min so far; the target is %.3g.\n",
                      sum / (double)n / 60, o->training_time_target_min);
    if (o->deadline_min > 0)
        cn_buf_printf(out, "A training is ended after %g min.\n", o->deadline_min);
    if (o->max_hours > 0)
        cn_buf_printf(out, "The whole run may take %g h.\n", o->max_hours);
    cn_buf_adds(out, or_empty(e->need->budget));
    return CN_OK;
}

cn_status cn_ev_classical(struct cn_ev *e, struct cn_buf *out)
{
    cn_buf_adds(out, or_empty(e->need->classical));
    return CN_OK;
}

cn_status cn_ev_predictions(struct cn_ev *e, struct cn_buf *out)
{
    cn_buf_adds(out, or_empty(e->need->predictions));
    return CN_OK;
}

cn_status cn_ev_statistics(struct cn_ev *e, struct cn_buf *out)
{
    if (e->root)
        cn_plan_block_note(&e->r->planner, e->h, e->block->number, out);
    return CN_OK;
}

/* Byte for byte, so that `old` of an edit can be copied from it. */
cn_status cn_ev_rules(struct cn_ev *e, struct cn_buf *out)
{
    const char *rules = e->r->protocol->rules_text;
    size_t run = 0, most = 2;

    if (e->r->protocol->rules_end == 0) {
        cn_buf_adds(out,
                    "The protocol has no markers around its rules: they cannot be edited.\n");
        return CN_OK;
    }
    for (const char *p = rules; *p; p++) {
        run = *p == '`' ? run + 1 : 0;
        most = run > most ? run : most;
    }
    for (size_t i = 0; i <= most; i++)
        cn_buf_addc(out, '`');
    cn_buf_printf(out, "\n%s%s", rules, cn_text_ends(rules, "\n") ? "" : "\n");
    for (size_t i = 0; i <= most; i++)
        cn_buf_addc(out, '`');
    cn_buf_adds(out, "\n");
    return CN_OK;
}
