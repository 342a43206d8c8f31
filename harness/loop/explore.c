/* The loop: turn after turn until a stop rule fires. See run.h.
 *
 * A turn looks at the record, does what can be done, and says whether anything changed. Nothing
 * is remembered between turns but what could be lost: a harness that was killed comes back,
 * looks at the record, and goes on. The steps of a turn, in this order:
 *   1. jobs that are over become measured;
 *   2. measured ones are analysed and committed;
 *   3. a full block is closed;
 *   4. the next iteration is planned;
 *   5. planned ones are started;
 *   6. the projections are written.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/loop/consult.h"
#include "harness/loop/edits.h"
#include "harness/loop/figure.h"
#include "harness/loop/llm_books.h"
#include "harness/loop/principles.h"
#include "harness/loop/run_int.h"
#include "logs/project.h"

enum {
    MIN_POLL_MS = 2,
    DEFAULT_POLL_MS = 200,
    DISK_WAIT_MS = 10000,
    DISK_SLICE_MS = 100,
    SHOW_EVERY_US = 500000,
    FIGURE_MS = 60000
};

/* One call of cn_run_explore. */
struct loop {
    struct cn_run *r;
    struct cn_history h; /* as of the last reload */
    bool loaded, changed;
    bool stale; /* the record moved since the projections were written */
    /* The search planned its last iteration; what follows are confirmations. */
    bool search_over;
    bool done;
    cn_run_end end;
    bool warned[CN_GUARDRAILS_MOST]; /* by this process, of an absent metric */
    int64_t void_in_a_row;           /* iterations that could not run, in this process */
    int64_t shown_us;
    struct cn_dot drawing; /* the tree's figure, in the background */
    bool redraw;           /* ... and it is out of date */
    struct cn_log log;     /* the open volume, so that an entry costs an entry */
    struct cn_err *err;
};

static int64_t window_of(const struct loop *l)
{
    return l->r->opts && l->r->opts->window > 0 ? l->r->opts->window : CN_STORE_WINDOW;
}

/* What is new in the record; the first time, and where a refresh failed, its whole window. */
static cn_status reload(struct loop *l)
{
    cn_status st;

    if (l->loaded) {
        st = cn_store_refresh(l->r->store, window_of(l), &l->h, l->err);
    } else {
        cn_history_clear(&l->h);
        st = cn_store_window(l->r->store, window_of(l), &l->h, l->err);
    }
    l->loaded = st == CN_OK;
    return st;
}

static int64_t count_states(const struct cn_history *h, cn_iter_state from, cn_iter_state to)
{
    int64_t n = 0;

    for (int64_t i = 0; i < h->n_iterations; i++)
        n += h->iterations[i].state >= from && h->iterations[i].state <= to;
    return n;
}

/* ------------------------------------------------------------------ books */

/* The mutation of a row of the score file, and the guardrail that its node breaks. */
static const char *score_words(struct cn_arena *a, const struct cn_ranking *r,
                               const struct cn_node *node)
{
    const struct cn_mutation *m = node && node->n_mutations == 1 ? node->mutations : NULL;
    const char *words = "";
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_RECORD);
    if (m)
        cn_buf_printf(&b, "%s: %s -> %s", m->path, m->old_text, m->new_text);
    for (int64_t i = r->n_kept; i < r->n; i++)
        if (r->rows[i].node == node) {
            cn_buf_adds(&b, b.len ? "; " : "none; ");
            cn_standing_breach(&r->guardrails, &r->rows[i], &b);
        }
    if (b.len)
        words = cn_arena_strdup(a, cn_buf_str(&b));
    cn_buf_clear(&b);
    return words ? words : "";
}

static int score_lines(struct loop *l, int64_t block, struct cn_arena *a,
                       struct cn_score_line **out, double *out_c)
{
    struct cn_best_query q = cn_plan_query(block);
    struct cn_ranking r;
    struct cn_score_table t;
    struct cn_score_line *lines = NULL;
    int n = 0;

    *out = NULL;
    q.state = CN_ITER_COMMITTED;
    if (cn_history_rank(&l->h, &q, a, &r, NULL) != CN_OK ||
        cn_plan_scores(&l->r->planner, &l->h, block, &t, NULL) != CN_OK)
        return 0;
    lines = t.n > 0 ? cn_arena_alloc(a, (size_t)t.n, sizeof *lines) : NULL;
    for (int64_t i = 0; lines && i < t.n; i++) {
        const struct cn_node *node = cn_history_node(&l->h, t.rows[i].id);

        lines[n++] = (struct cn_score_line){.node = t.rows[i].id,
                                            .parent = t.rows[i].parent,
                                            .score = t.rows[i].score,
                                            .visits = t.rows[i].visits,
                                            .reward = t.rows[i].reward,
                                            .iteration = t.rows[i].id,
                                            .mutation = score_words(a, &r, node)};
    }
    *out = lines;
    *out_c = t.c;
    cn_score_clear(&t);
    return n;
}

static cn_status write_projections(struct loop *l)
{
    struct cn_project_opts o = CN_PROJECT_OPTS_INIT;
    struct cn_score_line *lines = NULL;
    struct cn_arena a;
    cn_status st;

    cn_arena_init(&a, CN_CAP_TEXT);
    o.write_scores = true;
    o.opt_log = &l->log;
    o.goal = l->r->protocol->goal;
    if (l->h.n_blocks > 0) {
        o.score_block = l->h.n_blocks;
        o.n_scores = score_lines(l, o.score_block, &a, &lines, &o.score_c);
        o.scores = lines;
    }
    st = cn_project_write(l->r->store, &l->h, &o, l->err);
    cn_arena_clear(&a);
    if (st == CN_OK)
        l->stale = false;
    return st;
}

/* A run without Graphviz is a run. */
static cn_status told(struct loop *l, cn_status st, const struct cn_err *why)
{
    if (st == CN_OK || st == CN_ENOSPC)
        return st;
    cn_run_tell(l->r, "no figure of the tree: %s", why->text);
    return CN_OK;
}

/* In the background; while one is being drawn, a newer one waits. */
static cn_status write_figure(struct loop *l)
{
    struct cn_err why = CN_ERR_INIT;

    l->redraw = l->drawing.pid > 0;
    if (l->redraw)
        return CN_OK;
    return told(l, cn_figure_tree_start(&l->drawing, &l->r->planner, &l->h, l->r->dir, &why),
                &why);
}

/* Take in a figure that is done; at the end of the run wait for it. */
static cn_status collect_figure(struct loop *l, bool wait)
{
    struct cn_err why = CN_ERR_INIT;
    cn_status st = cn_dot_end(&l->drawing, wait ? FIGURE_MS : 0, &why);

    if (st == CN_ETIMEOUT && !wait)
        return CN_OK;
    st = told(l, st, &why);
    return st == CN_OK && l->redraw ? write_figure(l) : st;
}

/* snapshots/block_NNN/protocol.md: the version that was in force while the block ran. */
static cn_status snapshot_protocol(struct loop *l, int64_t block, const char *folder)
{
    char *target = cn_file_join(folder, "protocol.md");
    struct cn_buf words;
    cn_status st = target ? CN_OK : cn_err_set(l->err, CN_ENOMEM, "%s: no memory", folder);

    cn_buf_init(&words, CN_CAP_PROTOCOL);
    if (st == CN_OK && !cn_file_exists(target)) {
        st = cn_store_text(l->r->store, CN_EDITS_KIND, cn_edits_of_block(&l->h, block), &words,
                           l->err);
        if (st == CN_OK)
            st = cn_file_replace(target, cn_buf_str(&words), words.len, l->err);
    }
    cn_buf_clear(&words);
    cn_free(target);
    return st;
}

static cn_status snapshot_memory(struct loop *l, const char *folder)
{
    char memory[CN_PROJECT_NAME];
    char *source, *target = cn_file_join(folder, "memory.md");
    cn_status st = CN_OK;

    source = cn_file_join(l->r->dir, cn_project_name(&l->h, CN_PROJECT_MEMORY, memory));
    if (!source || !target)
        st = cn_err_set(l->err, CN_ENOMEM, "%s: no memory for a snapshot", folder);
    else if (cn_file_exists(source) && !cn_file_exists(target))
        st = cn_file_copy(source, target, l->err);
    cn_free(source);
    cn_free(target);
    return st;
}

/* snapshots/block_NNN/{protocol,memory}.md of a closed block; *made false: they were there. */
static cn_status write_snapshot(struct loop *l, int64_t block, bool *made)
{
    char name[64];
    char *folder, *done;
    cn_status st;

    cn_text_format(name, sizeof name, "snapshots/block_%03lld", (long long)block);
    folder = cn_file_join(l->r->dir, name);
    done = folder ? cn_file_join(folder, "memory.md") : NULL; /* the last to be written */
    st = done ? CN_OK : cn_err_set(l->err, CN_ENOMEM, "%s: no memory", name);
    *made = st == CN_OK && !cn_file_exists(done);
    if (*made)
        st = cn_file_mkdirs(folder, l->err);
    if (st == CN_OK && *made)
        st = snapshot_protocol(l, block, folder);
    if (st == CN_OK && *made)
        st = snapshot_memory(l, folder);
    cn_free(done);
    cn_free(folder);
    return st;
}

/* Of the newest closed blocks that lack them: a harness that was killed left out the last one at
 * most, and of a run that was read back nobody knows what its memory was. */
enum { SNAPSHOTS_BACK = 4 };

static cn_status write_snapshots(struct loop *l)
{
    bool made = true;
    cn_status st = CN_OK;

    for (int64_t b = l->h.n_blocks - 1, k = 0;
         st == CN_OK && b >= 0 && made && k < SNAPSHOTS_BACK; b--, k++)
        if (l->h.blocks[b].closed)
            st = write_snapshot(l, l->h.blocks[b].number, &made);
    return st;
}

/* ------------------------------------------------------------------ commit */

static void tell_committed(struct loop *l, const struct cn_iteration *it,
                           const char *observation)
{
    cn_run_tell(l->r, "iteration %lld (node %lld, %s): %s", (long long)it->id,
                (long long)it->node, it->strategy, observation);
    if (it->outcome == CN_OUTCOME_INFRA || it->outcome == CN_OUTCOME_INVALID)
        l->void_in_a_row++;
    else
        l->void_in_a_row = 0;
}

static bool was_warned(const struct cn_history *h, const char *metric)
{
    const size_t n = strlen(metric);

    for (int64_t i = 0; i < h->n_events; i++)
        if (strcmp(h->events[i].kind, "guardrail") == 0 &&
            strncmp(h->events[i].text, metric, n) == 0 && h->events[i].text[n] == ' ')
            return true;
    return false;
}

/* A guardrail on a metric that a training did not give is not kept; said once for each metric. */
static cn_status warn_of_absent(struct loop *l, const struct cn_iteration *it)
{
    struct cn_guardrails g;
    char text[256];
    cn_status st = cn_best_guardrails(l->h.info.guardrails, &g, l->err);

    for (int i = 0; st == CN_OK && it->outcome == CN_OUTCOME_OK && i < g.n; i++) {
        if (!isnan(cn_iteration_metric(it, g.rows[i].metric)) || l->warned[i] ||
            was_warned(&l->h, g.rows[i].metric))
            continue;
        l->warned[i] = true;
        cn_text_format(text, sizeof text,
                       "%s is absent or undefined in iteration %lld: its guardrail counts as "
                       "not kept",
                       g.rows[i].metric, (long long)it->id);
        cn_run_tell(l->r, "guardrail: %s", text);
        st = cn_store_event(l->r->store, it->id, "guardrail", text, l->err);
    }
    return st;
}

static cn_status commit_one(struct loop *l, const struct cn_iteration *it)
{
    struct cn_analysis a = {NULL, NULL, NULL};
    struct cn_buf text;
    cn_status st = CN_OK;

    cn_buf_init(&text, CN_CAP_RECORD);
    if (it->state == CN_ITER_MEASURED) {
        cn_run_observe(l->r, &l->h, it, &text);
        cn_consult_observe(l->r, it->id, &text, &a);
        a.observation = cn_buf_str(&text);
        st = cn_store_analyse(l->r->store, it->id, &a, l->err);
    }
    if (st == CN_OK)
        st = warn_of_absent(l, it);
    if (st == CN_OK)
        st = cn_store_commit(l->r->store, it->id, l->err);
    if (st == CN_OK)
        tell_committed(l, it,
                       it->state == CN_ITER_MEASURED ? cn_buf_str(&text) : it->observation);
    cn_buf_clear(&text);
    return st;
}

static int64_t room_for(const struct loop *l, cn_iter_state in_flight_upto);

static cn_status commit_measured(struct loop *l)
{
    bool any = false;
    cn_status st = cn_consult_finished(l->r, &l->h, room_for(l, CN_ITER_RUNNING), l->err);

    for (int64_t i = 0; st == CN_OK && i < l->h.n_iterations; i++) {
        const struct cn_iteration *it = &l->h.iterations[i];

        if (it->state == CN_ITER_MEASURED || it->state == CN_ITER_ANALYSED) {
            st = commit_one(l, it);
            any = true;
        }
    }
    if (st != CN_OK || !any)
        return st;
    l->changed = l->stale = true;
    return reload(l);
}

/* ------------------------------------------------------------------ blocks */

/* By its count or, where a log that was read back has holes, by its ids. */
static bool block_is_full(const struct loop *l, const struct cn_block *b)
{
    return cn_plan_block_count(&l->h, b->number) >= b->last - b->first + 1 ||
           (l->h.n_iterations > 0 && l->h.iterations[l->h.n_iterations - 1].id >= b->last);
}

/* The block-end checklist, every point of it seen to by the host: the rules are judged by the
 * block's statistics, edited or left alone with a reason, and both stand in the block's note, which
 * the summary shows. */
static cn_status write_note(struct loop *l, const struct cn_block *b, struct cn_buf *note)
{
    struct cn_buf stats;
    cn_status st = cn_edits_block_end(l->r, b->number, block_is_full(l, b), note, l->err);

    if (st != CN_OK)
        return st;
    cn_run_tell(l->r, "block %lld is closed; protocol edit: %s", (long long)b->number,
                cn_buf_str(note));
    cn_consult_summary(l->r, b->number, note);
    cn_buf_init(&stats, CN_CAP_RECORD);
    cn_plan_block_note(&l->r->planner, &l->h, b->number, &stats);
    if (stats.len > 0)
        cn_buf_printf(note, "; %s", cn_buf_str(&stats));
    cn_buf_clear(&stats);
    return cn_buf_status(note) == CN_OK
               ? CN_OK
               : cn_err_set(l->err, cn_buf_status(note), "block %lld: the note is too long",
                            (long long)b->number);
}

static bool target_is_reached(const struct loop *l);

/* By the record alone: what is written into the memory must not depend on timing. */
static bool search_goes_on(const struct loop *l)
{
    return cn_plan_searched(&l->h) < l->r->settings.iterations && !target_is_reached(l);
}

static cn_status close_block(struct loop *l)
{
    const struct cn_block *b = cn_plan_open_block(&l->h);
    struct cn_buf note;
    cn_status st;

    if (!b || count_states(&l->h, CN_ITER_PLANNED, CN_ITER_ANALYSED) > 0 ||
        cn_plan_block_count(&l->h, b->number) == 0 || !(l->search_over || block_is_full(l, b)))
        return CN_OK;
    st = cn_consult_block_end(l->r, &l->h, b->number, search_goes_on(l), l->err);
    if (st != CN_OK)
        return st;
    cn_buf_init(&note, CN_CAP_RECORD);
    st = write_note(l, b, &note);
    if (st == CN_OK)
        st = cn_run_write_principles(l->r, &l->h, b->number, search_goes_on(l), l->err);
    if (st == CN_OK)
        st = cn_store_close_block(l->r->store, b->number, cn_buf_str(&note), l->err);
    if (st == CN_OK)
        st = cn_books_block(l->r, b->number, l->err);
    cn_buf_clear(&note);
    l->changed = true;
    if (st == CN_OK)
        st = reload(l);
    if (st == CN_OK)
        st = write_projections(l);
    if (st == CN_OK)
        st = write_snapshots(l);
    return st == CN_OK ? write_figure(l) : st;
}

/* ------------------------------------------------------------------ stop rules */

static bool time_is_over(const struct loop *l)
{
    double hours = (double)(cn_clock_mono_us() - l->r->started_us) / 3600e6;

    return l->r->settings.max_hours > 0 && hours >= l->r->settings.max_hours;
}

/* By the lower bound of a mean, or by the mean of enough trainings: one lucky run does not end a
 * search. */
static bool target_is_reached(const struct loop *l)
{
    double target = l->r->settings.target;
    struct cn_best_query q = cn_plan_query(0);
    struct cn_arena a;
    struct cn_ranking r;
    bool reached = false;

    if (isnan(target))
        return false;
    target = l->h.info.reward_lower_is_better ? -target : target;
    q.confidence = l->r->settings.confidence;
    cn_arena_init(&a, CN_CAP_ARENA);
    if (cn_history_rank(&l->h, &q, &a, &r, NULL) ==
        CN_OK) /* no memory: asked again next turn */
        for (int64_t i = 0; i < r.n_kept && !reached; i++)
            reached = r.rows[i].lo >= target ||
                      (r.rows[i].n >= l->r->settings.target_count && r.rows[i].mean >= target);
    cn_arena_clear(&a);
    return reached;
}

/* After the search: every block closed, every confirmation done, the last figure drawn. */
static cn_status finish(struct loop *l, cn_run_end end)
{
    cn_status st = write_projections(l);

    if (st == CN_OK)
        st = write_snapshots(l);
    if (st == CN_OK)
        st = collect_figure(l, true);
    if (st == CN_OK)
        st = write_figure(l);
    if (st == CN_OK)
        st = collect_figure(l, true);
    if (st == CN_OK)
        st = cn_store_fact_set(
            l->r->store, "end",
            end == CN_RUN_END_DONE || end == CN_RUN_END_TARGET ? "done" : "stopped", l->err);
    l->done = true;
    l->end = end;
    return st;
}

/* ------------------------------------------------------------------ planning */

static cn_status store_plan(struct loop *l, const struct cn_plan *p)
{
    cn_status st = CN_OK;

    if (p->open_block)
        st = cn_store_open_block(l->r->store, &p->block, l->err);
    if (st == CN_OK)
        st = cn_store_plan(l->r->store, p->new_node ? &p->node : NULL, &p->iteration, l->err);
    l->changed = l->stale = true;
    return st == CN_OK ? reload(l) : st;
}

/* Before anything is planned: a person's words and edits. */
static cn_status read_wishes(struct loop *l)
{
    int64_t next = l->h.n_iterations > 0 ? l->h.iterations[l->h.n_iterations - 1].id + 1 : 1;
    cn_status st = cn_run_adopt_protocol(l->r, l->err);

    if (st == CN_OK)
        st = cn_run_inbox_read(l->r, l->err);
    if (st == CN_OK)
        st = reload(l);
    if (st == CN_OK)
        st = cn_run_inbox_answer(l->r, &l->h, next, l->err);
    if (st == CN_OK)
        st = reload(l);
    if (st == CN_OK)
        st = cn_consult_before_plan(l->r, &l->h, room_for(l, CN_ITER_ANALYSED), l->err);
    if (st == CN_OK)
        st = reload(l);
    return st == CN_OK ? cn_run_inbox_write(l->r, &l->h, l->err) : st;
}

static bool has_room(const struct loop *l)
{
    const struct cn_block *b = cn_plan_open_block(&l->h);
    int64_t in_flight = count_states(&l->h, CN_ITER_PLANNED, CN_ITER_ANALYSED);

    if (l->r->stop > 0 || in_flight >= l->r->settings.n_parallel)
        return false;
    /* A new block waits for the results of the last. */
    return b ? !block_is_full(l, b) : in_flight == 0;
}

/* How many iterations of the open block may be planned once those behind `in_flight_upto` are
 * committed. */
static int64_t room_for(const struct loop *l, cn_iter_state in_flight_upto)
{
    const struct cn_block *b = cn_plan_open_block(&l->h);
    int64_t room =
        l->r->settings.n_parallel - count_states(&l->h, CN_ITER_PLANNED, in_flight_upto);
    int64_t left = l->r->settings.iterations - cn_plan_searched(&l->h);

    if (!b || l->r->stop > 0 || block_is_full(l, b) || target_is_reached(l) || time_is_over(l))
        return 0;
    return room < left ? room : left;
}

static cn_status plan_search(struct loop *l)
{
    struct cn_plan p;
    cn_status st = CN_OK;

    while (st == CN_OK && has_room(l) && cn_plan_searched(&l->h) < l->r->settings.iterations &&
           !target_is_reached(l) && !time_is_over(l)) {
        st = read_wishes(l);
        if (st != CN_OK || !has_room(l))
            break;
        st = cn_plan_next(&l->r->planner, &l->h, &p, l->err);
        if (st != CN_OK)
            break;
        st = store_plan(l, &p);
        cn_plan_clear(&p);
    }
    return st;
}

static cn_status plan_confirmations(struct loop *l)
{
    struct cn_plan p;
    cn_status st = CN_OK;

    while (st == CN_OK && l->r->stop == 0 && !time_is_over(l) &&
           count_states(&l->h, CN_ITER_PLANNED, CN_ITER_ANALYSED) < l->r->settings.n_parallel) {
        st = cn_plan_confirmation(&l->r->planner, &l->h, &p, NULL);
        if (st == CN_ENOTFOUND && count_states(&l->h, CN_ITER_PLANNED, CN_ITER_ANALYSED) == 0)
            return finish(l, target_is_reached(l) ? CN_RUN_END_TARGET : CN_RUN_END_DONE);
        if (st == CN_ENOTFOUND)
            return CN_OK;
        if (st == CN_OK) {
            st = store_plan(l, &p);
            cn_plan_clear(&p);
        } else {
            /* The same again, for its message. */
            st = cn_plan_confirmation(&l->r->planner, &l->h, &p, l->err);
        }
    }
    return st;
}

static cn_status plan(struct loop *l)
{
    l->search_over =
        cn_plan_searched(&l->h) >= l->r->settings.iterations || target_is_reached(l);
    if (!l->search_over)
        return plan_search(l);
    if (cn_plan_open_block(&l->h))
        return CN_OK; /* it is closed first, when its last iteration is in the books */
    return plan_confirmations(l);
}

/* Leave when there is nothing more to wait for. */
static cn_status leave_if_over(struct loop *l)
{
    int64_t under_way = count_states(&l->h, CN_ITER_SUBMITTED, CN_ITER_ANALYSED);

    if (l->done || under_way > 0)
        return CN_OK;
    if (l->r->stop > 0)
        return finish(l, CN_RUN_END_STOPPED);
    if (time_is_over(l) && count_states(&l->h, CN_ITER_PLANNED, CN_ITER_PLANNED) == 0)
        return finish(l, CN_RUN_END_TIME);
    return CN_OK;
}

static cn_status give_up_if_hopeless(struct loop *l)
{
    const struct cn_iteration *last =
        l->h.n_iterations ? &l->h.iterations[l->h.n_iterations - 1] : NULL;

    if (l->void_in_a_row < l->r->settings.give_up_after || !last)
        return CN_OK;
    return cn_err_set(l->err, CN_EIO,
                      "%lld iterations in a row could not run, the last one: %s",
                      (long long)l->void_in_a_row, last->message);
}

/* ------------------------------------------------------------------ turns */

static cn_status turn(struct loop *l)
{
    struct cn_run *r = l->r;
    bool moved = false;
    cn_status st = cn_run_beat(r, l->err);

    l->changed = false;
    cn_run_request_stop(r, cn_run_take_posted_stop(r));
    if (st == CN_OK && l->drawing.pid > 0)
        st = collect_figure(l, false);
    if (st == CN_OK && !l->loaded)
        st = reload(l);
    if (st == CN_OK)
        st = cn_run_poll_jobs(r, &l->h, &moved, l->err);
    if (st == CN_OK && r->stop == 2)
        st = cn_run_cancel_jobs(r, &l->h, l->err);
    if (st == CN_OK && moved)
        st = reload(l);
    if (st == CN_OK)
        st = commit_measured(l);
    if (st == CN_OK)
        st = give_up_if_hopeless(l);
    if (st == CN_OK)
        st = close_block(l);
    if (st == CN_OK)
        st = plan(l);
    if (st == CN_OK && !l->done)
        st = cn_run_submit_jobs(r, &l->h, &l->changed, l->err);
    if (st == CN_OK && l->changed)
        st = reload(l);
    /* After the trainings are on their way: they need not wait for texts. */
    if (st == CN_OK && l->stale)
        st = write_projections(l);
    l->changed = l->changed || moved;
    return st == CN_OK ? leave_if_over(l) : st;
}

static void show(struct loop *l)
{
    const struct cn_run_explore_opts *o = l->r->opts;
    char note[160] = "";
    const struct cn_best_query q = cn_plan_query(0);
    struct cn_best best;
    struct cn_buf words;
    int64_t done = 0;

    if (!o || !o->progress || (!l->changed && cn_clock_mono_us() - l->shown_us < SHOW_EVERY_US))
        return;
    l->shown_us = cn_clock_mono_us();
    done = l->h.older.searched;
    for (int64_t i = 0; i < l->h.n_iterations; i++)
        done += !l->h.iterations[i].confirmation && l->h.iterations[i].id >= l->h.older.first &&
                l->h.iterations[i].state == CN_ITER_COMMITTED;
    cn_buf_init(&words, CN_CAP_RECORD);
    if (cn_history_best(&l->h, &q, &best, NULL) == CN_OK && best.first.node) {
        cn_standing_words(&l->h.info, &best.first, best.confidence, &words);
        cn_text_format(note, sizeof note, "%lld running, best: node %lld, %.100s",
                       (long long)count_states(&l->h, CN_ITER_SUBMITTED, CN_ITER_RUNNING),
                       (long long)best.first.node->id, cn_buf_str(&words));
    }
    cn_buf_clear(&words);
    o->progress(o->ctx, done, l->r->settings.iterations, note);
}

/* A full disk is not the end: say so once, wait, try again. */
static void wait_for_disk(struct loop *l)
{
    const char *why = l->err ? l->err->text : "";

    if (strcmp(l->r->last_pause, why) != 0)
        cn_run_tell(l->r, "paused, no space left: %s; trying again every %d s", why,
                    DISK_WAIT_MS / 1000);
    cn_text_copy(l->r->last_pause, sizeof l->r->last_pause, why);
    for (int ms = 0; ms < DISK_WAIT_MS && l->r->stop == 0; ms += DISK_SLICE_MS)
        cn_clock_sleep_ms(DISK_SLICE_MS);
    cn_history_clear(&l->h);
    l->loaded = false;
}

static cn_status begin(struct loop *l)
{
    struct cn_run *r = l->r;
    struct cn_local_opts lo = CN_LOCAL_OPTS_INIT;
    char total[32];
    cn_status st = CN_OK;

    lo.slots = (int32_t)r->settings.n_parallel;
    lo.cores_per_slot = (int32_t)r->settings.cores;
    r->started_us = cn_clock_mono_us();
    cn_text_format(total, sizeof total, "%lld", (long long)r->settings.iterations);
    /* One from before: whoever starts the run wants it to run. */
    (void)cn_run_take_posted_stop(r);
    if (!r->executor)
        st = cn_local_new(&lo, &r->executor, l->err);
    if (st == CN_OK)
        st = cn_store_fact_set(r->store, "iterations", total, l->err);
    if (st == CN_OK)
        st = cn_store_fact_set(r->store, "end", "", l->err);
    if (st == CN_OK)
        st = reload(l);
    if (st == CN_OK)
        st = cn_consult_open(r, l->err);
    if (st == CN_OK)
        st = cn_consult_apply(r, &l->h, l->err);
    if (st == CN_OK)
        st = reload(l);
    if (st == CN_OK) /* a harness that was killed may have committed without writing them */
        st = write_projections(l);
    return st == CN_OK ? write_snapshots(l) : st;
}

cn_status cn_run_explore(struct cn_run *run, const struct cn_run_explore_opts *o,
                         cn_run_end *out_end, struct cn_err *err)
{
    struct cn_err local = CN_ERR_INIT;
    struct loop l = {.r = run, .end = CN_RUN_END_FAILED, .err = err ? err : &local};
    int64_t max_ms = o->poll_ms > 0 ? o->poll_ms : DEFAULT_POLL_MS, wait_ms = MIN_POLL_MS;
    bool begun = false;
    cn_status st = CN_OK;

    *out_end = CN_RUN_END_FAILED;
    l.log.volume = (size_t)(o->volume > 0 ? o->volume : 0);
    run->opts = o;
    while (!l.done && (st == CN_OK || st == CN_ENOSPC)) {
        st = begun ? turn(&l) : begin(&l);
        if (st == CN_ENOSPC && run->stop > 0)
            break;
        if (st == CN_ENOSPC) {
            wait_for_disk(&l);
            continue;
        }
        begun = true;
        show(&l);
        wait_ms = l.changed ? MIN_POLL_MS : wait_ms * 2 < max_ms ? wait_ms * 2 : max_ms;
        if (st == CN_OK && !l.done && !l.changed)
            cn_clock_sleep_ms(wait_ms);
    }
    cn_consult_close(run);
    cn_history_clear(&l.h);
    cn_log_clear(&l.log);
    cn_dot_stop(&l.drawing);
    run->opts = NULL;
    *out_end = st == CN_OK ? l.end : CN_RUN_END_FAILED;
    return st;
}
