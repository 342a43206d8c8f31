/* The steps of a run: blocks, plan, submit, running, measure, retry, analyse, commit.
 *
 * How a step can be repeated safely: every applied step leaves a row (what, id, attempt, digest
 * of its content) in the table `step`, in its own transaction. The same step again finds the
 * row: equal digest, nothing to do; another digest, the caller contradicts the record. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/text.h"
#include "logs/store.h"
#include "logs/store_int.h"

struct step {
    const char *what;
    int64_t id;
    int64_t attempt;
    char digest[CN_HASH_TEXT];
};

/* ---- digests: fields separated by a byte that no text of ours holds ---- */

static void put_text(struct cn_buf *b, const char *s)
{
    cn_buf_adds(b, s ? s : "");
    cn_buf_addc(b, '\x1f');
}

static void put_int(struct cn_buf *b, int64_t x)
{
    cn_buf_printf(b, "%lld\x1f", (long long)x);
}

static void put_double(struct cn_buf *b, double x)
{
    char text[CN_NUM_TEXT];

    put_text(b, cn_text_double(x, text));
}

static void put_mutations(struct cn_buf *b, const struct cn_mutation *m, int n)
{
    for (int i = 0; i < n; i++) {
        put_text(b, m[i].path);
        put_text(b, m[i].old_text);
        put_text(b, m[i].new_text);
    }
}

/* Hash what was put and free the buffer. */
static cn_status seal(struct step *step, struct cn_buf *b, struct cn_err *err)
{
    cn_status st = cn_buf_status(b);

    if (st == CN_OK)
        cn_hash_hex(cn_buf_str(b), b->len, step->digest);
    else
        st = cn_err_set(err, st, "%s %lld: no room for its content", step->what,
                        (long long)step->id);
    cn_buf_clear(b);
    return st;
}

/* ---- the table of applied steps ---- */

static cn_status step_seen(struct cn_store *s, const struct step *step, bool *out_seen,
                           struct cn_err *err)
{
    sqlite3_stmt *q;
    int64_t given_back = 0;
    cn_status st = cn_sql_prepare(
        s, "SELECT digest FROM step WHERE what = ? AND id = ? AND attempt = ?",
        SQL_ARGS(SQL_T(step->what), SQL_I(step->id), SQL_I(step->attempt)), &q, err);

    *out_seen = st == CN_OK && cn_sql_row(s, q, &st, err);
    if (*out_seen && strcmp(cn_sql_text(q, 0), step->digest) != 0)
        st = cn_err_set(err, CN_ECORRUPT,
                        "%s %lld (attempt %lld) is recorded already with another content",
                        step->what, (long long)step->id, (long long)step->attempt);
    sqlite3_finalize(q);
    /* Only these two would let a caller believe that a given-back attempt is under way. */
    if (st == CN_OK && *out_seen &&
        (strcmp(step->what, "submit") == 0 || strcmp(step->what, "running") == 0))
        st = cn_sql_int(s, "SELECT 1 FROM step WHERE what = 'retry' AND id = ? AND attempt = ?",
                        SQL_ARGS(SQL_I(step->id), SQL_I(step->attempt)), 0, &given_back, err);
    if (st == CN_OK && given_back)
        st = cn_err_set(err, CN_ECORRUPT,
                        "%s %lld: attempt %lld was given back, the next one is %lld",
                        step->what, (long long)step->id, (long long)step->attempt,
                        (long long)step->attempt + 1);
    return st;
}

static cn_status step_record(struct cn_store *s, const struct step *step, struct cn_err *err)
{
    return cn_sql_run(s, "INSERT INTO step VALUES (?, ?, ?, ?, ?)",
                      SQL_ARGS(SQL_T(step->what), SQL_I(step->id), SQL_I(step->attempt),
                               SQL_T(step->digest), SQL_I(cn_clock_now_ms())),
                      err);
}

typedef cn_status step_fn(struct cn_store *s, const struct step *step, const void *content,
                          struct cn_err *err);

/* One transaction: not seen before, then applied and recorded. */
static cn_status apply(struct cn_store *s, const struct step *step, step_fn *fn,
                       const void *content, struct cn_err *err)
{
    bool seen = false;
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = step_seen(s, step, &seen, err);
    if (st == CN_OK && !seen)
        st = fn(s, step, content, err);
    if (st == CN_OK && !seen)
        st = step_record(s, step, err);
    return cn_store_end(s, st, err);
}

/* ---- where an iteration stands ---- */

struct standing {
    cn_iter_state state;
    int64_t attempt;
};

static cn_status get_standing(struct cn_store *s, int64_t id, struct standing *out,
                              struct cn_err *err)
{
    sqlite3_stmt *q;
    cn_status st = cn_sql_prepare(s, "SELECT state, attempt FROM iteration WHERE id = ?",
                                  SQL_ARGS(SQL_I(id)), &q, err);

    if (st == CN_OK && cn_sql_row(s, q, &st, err)) {
        if (!cn_iter_state_parse(cn_sql_text(q, 0), &out->state))
            st = cn_err_set(err, CN_ECORRUPT, "iteration %lld: unknown state \"%s\"",
                            (long long)id, cn_sql_text(q, 0));
        out->attempt = sqlite3_column_int64(q, 1);
    } else if (st == CN_OK) {
        st = cn_err_set(err, CN_EINPUT, "iteration %lld was never planned", (long long)id);
    }
    sqlite3_finalize(q);
    return st;
}

/* The iteration must be in one of two states and, unless it is 0, at this attempt. */
static cn_status expect(struct cn_store *s, const struct step *step, cn_iter_state a,
                        cn_iter_state b, struct cn_err *err)
{
    struct standing now = {CN_ITER_PLANNED, 0};
    cn_status st = get_standing(s, step->id, &now, err);

    if (st != CN_OK)
        return st;
    if (now.state != a && now.state != b)
        return cn_err_set(err, CN_ECORRUPT, "%s %lld: the iteration is %s, expected %s",
                          step->what, (long long)step->id, cn_iter_state_name(now.state),
                          cn_iter_state_name(b));
    if (step->attempt && now.attempt != step->attempt)
        return cn_err_set(err, CN_ECORRUPT, "%s %lld: attempt %lld, but the record is at %lld",
                          step->what, (long long)step->id, (long long)step->attempt,
                          (long long)now.attempt);
    return CN_OK;
}

static cn_status set_state(struct cn_store *s, int64_t id, cn_iter_state state,
                           struct cn_err *err)
{
    return cn_sql_run(s, "UPDATE iteration SET state = ? WHERE id = ?",
                      SQL_ARGS(SQL_T(cn_iter_state_name(state)), SQL_I(id)), err);
}

/* ---- blocks ---- */

static cn_status do_open_block(struct cn_store *s, const struct step *step, const void *content,
                               struct cn_err *err)
{
    const struct cn_block *b = content;
    struct cn_block row = *b;
    int64_t last = 0, open = 0, next = 0;
    cn_status st =
        cn_sql_int(s, "SELECT coalesce(max(number), 0) FROM block", NULL, 0, &last, err);

    (void)step;
    if (st == CN_OK)
        st = cn_sql_int(s, "SELECT number FROM block WHERE NOT closed", NULL, 0, &open, err);
    if (st == CN_OK)
        st = cn_sql_int(s, "SELECT coalesce(max(id), 0) + 1 FROM iteration", NULL, 1, &next,
                        err);
    if (st != CN_OK)
        return st;
    if (b->number != last + 1 || open)
        return cn_err_set(err, CN_EINPUT,
                          "block %lld cannot be opened: the last block is %lld%s",
                          (long long)b->number, (long long)last, open ? " and still open" : "");
    if (b->first != next || b->last < b->first)
        return cn_err_set(err, CN_EINPUT,
                          "block %lld: iterations %lld to %lld, but the next iteration is %lld",
                          (long long)b->number, (long long)b->first, (long long)b->last,
                          (long long)next);
    row.closed = false;
    row.edit_note = "";
    return cn_store_add_block(s, &row, err);
}

cn_status cn_store_open_block(struct cn_store *s, const struct cn_block *b, struct cn_err *err)
{
    struct step step = {.what = "open-block", .id = b->number};
    struct cn_buf d;

    cn_buf_init(&d, CN_CAP_TEXT);
    put_int(&d, b->first);
    put_int(&d, b->last);
    put_mutations(&d, b->regime, b->n_regime);
    cn_status st = seal(&step, &d, err);
    return st == CN_OK ? apply(s, &step, do_open_block, b, err) : st;
}

static cn_status do_close_block(struct cn_store *s, const struct step *step,
                                const void *content, struct cn_err *err)
{
    const char *edit_note = content;
    int64_t open = 0, unfinished = 0;
    cn_status st =
        cn_sql_int(s, "SELECT number FROM block WHERE NOT closed", NULL, 0, &open, err);

    if (st == CN_OK && open != step->id)
        return cn_err_set(err, CN_EINPUT, "block %lld is not the open one",
                          (long long)step->id);
    if (st == CN_OK)
        st = cn_sql_int(
            s, "SELECT id FROM iteration WHERE block = ? AND state <> 'committed' ORDER BY id",
            SQL_ARGS(SQL_I(step->id)), 0, &unfinished, err);
    if (st == CN_OK && unfinished)
        return cn_err_set(err, CN_EINPUT,
                          "block %lld cannot be closed: iteration %lld is not committed",
                          (long long)step->id, (long long)unfinished);
    if (st == CN_OK)
        st = cn_sql_run(s, "UPDATE block SET closed = 1, edit_note = ? WHERE number = ?",
                        SQL_ARGS(SQL_T(edit_note), SQL_I(step->id)), err);
    return st == CN_OK ? cn_store_roll_block(s, step->id, err) : st;
}

cn_status cn_store_close_block(struct cn_store *s, int64_t number, const char *edit_note,
                               struct cn_err *err)
{
    struct step step = {.what = "close-block", .id = number};
    struct cn_buf d;

    cn_buf_init(&d, CN_CAP_TEXT);
    put_text(&d, edit_note);
    cn_status st = seal(&step, &d, err);
    return st == CN_OK ? apply(s, &step, do_close_block, edit_note, err) : st;
}

/* ---- plan ---- */

struct plan {
    const struct cn_node *node; /* NULL: train an existing one again */
    const struct cn_iteration *it;
};

static cn_status check_plan_node(const struct plan *p, struct cn_err *err)
{
    const struct cn_node *n = p->node;
    const struct cn_iteration *it = p->it;

    if (!n && !it->replicate && !it->confirmation)
        return cn_err_set(err, CN_EINPUT,
                          "iteration %lld: neither a new node nor a replicate of one",
                          (long long)it->id);
    if (n && (n->id != it->id || it->node != it->id))
        return cn_err_set(err, CN_EINPUT,
                          "iteration %lld: its new node must carry its id, not %lld",
                          (long long)it->id, (long long)n->id);
    if (n && (!n->config || !n->config[0]))
        return cn_err_set(err, CN_EINPUT, "node %lld has no config", (long long)n->id);
    if (n && (n->parent < 0 || n->parent >= n->id))
        return cn_err_set(err, CN_EINPUT, "node %lld: parent %lld is not an earlier node",
                          (long long)n->id, (long long)n->parent);
    return CN_OK;
}

static cn_status check_plan_block(struct cn_store *s, const struct cn_iteration *it,
                                  struct cn_err *err)
{
    int64_t fits = 0;

    if (it->confirmation && it->block == 0)
        return CN_OK;
    cn_status st = cn_sql_int(
        s, "SELECT 1 FROM block WHERE number = ? AND NOT closed AND ? BETWEEN first AND last",
        SQL_ARGS(SQL_I(it->block), SQL_I(it->id)), 0, &fits, err);
    if (st == CN_OK && !fits)
        st = cn_err_set(err, CN_EINPUT,
                        "iteration %lld does not belong to block %lld (closed, absent, or of "
                        "other iterations)",
                        (long long)it->id, (long long)it->block);
    return st;
}

static cn_status check_known(struct cn_store *s, const char *what, int64_t id, int64_t node,
                             struct cn_err *err)
{
    int64_t there = 0;
    cn_status st =
        cn_sql_int(s, "SELECT 1 FROM node WHERE id = ?", SQL_ARGS(SQL_I(node)), 0, &there, err);

    if (st == CN_OK && !there)
        st = cn_err_set(err, CN_EINPUT, "iteration %lld: %s %lld does not exist", (long long)id,
                        what, (long long)node);
    return st;
}

static cn_status do_plan(struct cn_store *s, const struct step *step, const void *content,
                         struct cn_err *err)
{
    const struct plan *p = content;
    int64_t next = 0;
    cn_status st =
        cn_sql_int(s, "SELECT coalesce(max(id), 0) + 1 FROM iteration", NULL, 1, &next, err);

    if (st == CN_OK && step->id != next)
        st = cn_err_set(err, CN_EINPUT, "iteration %lld: the next one is %lld",
                        (long long)step->id, (long long)next);
    if (st == CN_OK)
        st = check_plan_node(p, err);
    if (st == CN_OK)
        st = check_plan_block(s, p->it, err);
    if (st == CN_OK && p->node && p->node->parent)
        st = check_known(s, "parent", step->id, p->node->parent, err);
    if (st == CN_OK && !p->node)
        st = check_known(s, "node", step->id, p->it->node, err);
    if (st == CN_OK && p->node)
        st = cn_store_add_node(s, p->node, err);
    if (st == CN_OK)
        st = cn_store_add_iteration(s, p->it, err);
    return st;
}

static void put_node(struct cn_buf *d, const struct cn_node *n)
{
    put_int(d, n->parent);
    put_int(d, n->block);
    put_text(d, n->config);
    put_text(d, n->config_hash);
    put_text(d, n->strategy);
    put_text(d, n->proposer);
    put_mutations(d, n->mutations, n->n_mutations);
}

cn_status cn_store_plan(struct cn_store *s, const struct cn_node *opt_node,
                        const struct cn_iteration *it, struct cn_err *err)
{
    struct step step = {.what = "plan", .id = it->id};
    struct plan plan = {opt_node, it};
    struct cn_buf d;

    cn_buf_init(&d, CN_CAP_TEXT);
    put_int(&d, it->node);
    put_int(&d, it->block);
    put_int(&d, it->slot);
    put_int(&d, it->replicate);
    put_int(&d, it->confirmation);
    put_int(&d, (int64_t)it->sim_seed);
    put_int(&d, (int64_t)it->train_seed);
    put_text(&d, it->seed_mode);
    put_text(&d, it->strategy);
    put_text(&d, it->parent_rule);
    put_double(&d, it->scored_value);
    put_text(&d, it->hypothesis);
    if (it->prediction) {
        put_text(&d, it->prediction->words);
        put_double(&d, it->prediction->expected);
        put_double(&d, it->prediction->probability);
    }
    if (opt_node)
        put_node(&d, opt_node);
    cn_status st = seal(&step, &d, err);
    return st == CN_OK ? apply(s, &step, do_plan, &plan, err) : st;
}

/* ---- submit, job, running, retry ---- */

struct submission {
    const char *token, *dir;
};

static cn_status do_submit(struct cn_store *s, const struct step *step, const void *content,
                           struct cn_err *err)
{
    const struct submission *sub = content;
    struct standing now = {CN_ITER_PLANNED, 0};
    cn_status st = get_standing(s, step->id, &now, err);
    int64_t at = cn_clock_now_ms();

    if (st != CN_OK)
        return st;
    if (now.state != CN_ITER_PLANNED || step->attempt != now.attempt + 1)
        return cn_err_set(err, CN_ECORRUPT,
                          "submit %lld (attempt %lld): the iteration is %s after attempt %lld",
                          (long long)step->id, (long long)step->attempt,
                          cn_iter_state_name(now.state), (long long)now.attempt);
    st = cn_sql_run(
        s,
        "INSERT INTO attempt (iteration, attempt, token, submitted_ms)"
        " VALUES (?, ?, ?, ?)",
        SQL_ARGS(SQL_I(step->id), SQL_I(step->attempt), SQL_T(sub->token), SQL_I(at)), err);
    if (st == CN_OK)
        st = cn_sql_run(
            s,
            "UPDATE iteration SET state = 'submitted', attempt = ?, dir = ?,"
            " submitted_ms = ? WHERE id = ?",
            SQL_ARGS(SQL_I(step->attempt), SQL_T(sub->dir), SQL_I(at), SQL_I(step->id)), err);
    return st;
}

cn_status cn_store_submit(struct cn_store *s, int64_t id, int32_t attempt, const char *token,
                          const char *dir, struct cn_err *err)
{
    struct step step = {.what = "submit", .id = id, .attempt = attempt};
    struct submission sub = {token, dir};
    struct cn_buf d;

    if (attempt < 1 || !token || !token[0])
        return cn_err_set(err, CN_EINPUT,
                          "submit %lld: attempt %d wants a token and to count "
                          "from 1",
                          (long long)id, (int)attempt);
    cn_buf_init(&d, CN_CAP_TEXT);
    put_text(&d, token);
    put_text(&d, dir);
    cn_status st = seal(&step, &d, err);
    return st == CN_OK ? apply(s, &step, do_submit, &sub, err) : st;
}

cn_status cn_store_job(struct cn_store *s, int64_t id, int32_t attempt, const char *job,
                       struct cn_err *err)
{
    struct step step = {.what = "job", .id = id, .attempt = attempt};
    cn_status st = cn_store_begin(s, true, err);

    if (st == CN_OK)
        st = expect(s, &step, CN_ITER_SUBMITTED, CN_ITER_RUNNING, err);
    if (st == CN_OK)
        st = cn_sql_run(
            s,
            "UPDATE attempt SET job = ?1 WHERE iteration = ?2 AND attempt = ?3 AND job <> ?1",
            SQL_ARGS(SQL_T(job), SQL_I(id), SQL_I(attempt)), err);
    return cn_store_end(s, st, err);
}

static cn_status do_running(struct cn_store *s, const struct step *step, const void *content,
                            struct cn_err *err)
{
    cn_status st = expect(s, step, CN_ITER_SUBMITTED, CN_ITER_SUBMITTED, err);

    (void)content;
    if (st == CN_OK)
        st = cn_sql_run(
            s, "UPDATE attempt SET running_ms = ? WHERE iteration = ? AND attempt = ?",
            SQL_ARGS(SQL_I(cn_clock_now_ms()), SQL_I(step->id), SQL_I(step->attempt)), err);
    if (st == CN_OK)
        st = set_state(s, step->id, CN_ITER_RUNNING, err);
    return st;
}

cn_status cn_store_running(struct cn_store *s, int64_t id, int32_t attempt, struct cn_err *err)
{
    struct step step = {.what = "running", .id = id, .attempt = attempt};

    return apply(s, &step, do_running, NULL, err);
}

static cn_status end_attempt(struct cn_store *s, const struct step *step, cn_outcome outcome,
                             const char *reason, struct cn_err *err)
{
    return cn_sql_run(s,
                      "UPDATE attempt SET outcome = ?, reason = ?, finished_ms = ?"
                      " WHERE iteration = ? AND attempt = ?",
                      SQL_ARGS(SQL_T(cn_outcome_name(outcome)), SQL_T(reason),
                               SQL_I(cn_clock_now_ms()), SQL_I(step->id), SQL_I(step->attempt)),
                      err);
}

static cn_status do_retry(struct cn_store *s, const struct step *step, const void *content,
                          struct cn_err *err)
{
    cn_status st = expect(s, step, CN_ITER_SUBMITTED, CN_ITER_RUNNING, err);

    if (st == CN_OK)
        st = end_attempt(s, step, CN_OUTCOME_INFRA, content, err);
    if (st ==
        CN_OK) /* for `cairn log --events`: a retried attempt leaves no trace in the log */
        st = cn_sql_run(s,
                        "INSERT INTO event (at_ms, iteration, kind, text)"
                        " VALUES (?, ?, 'retry', 'attempt ' || ? || ': ' || ?)",
                        SQL_ARGS(SQL_I(cn_clock_now_ms()), SQL_I(step->id),
                                 SQL_I(step->attempt), SQL_T((const char *)content)),
                        err);
    if (st == CN_OK)
        st = set_state(s, step->id, CN_ITER_PLANNED, err);
    return st;
}

cn_status cn_store_retry(struct cn_store *s, int64_t id, int32_t attempt, const char *reason,
                         struct cn_err *err)
{
    struct step step = {.what = "retry", .id = id, .attempt = attempt};
    struct cn_buf d;

    if (attempt < 1)
        return cn_err_set(err, CN_EINPUT, "retry %lld: there is no attempt %d", (long long)id,
                          (int)attempt);
    cn_buf_init(&d, CN_CAP_TEXT);
    put_text(&d, reason);
    cn_status st = seal(&step, &d, err);
    return st == CN_OK ? apply(s, &step, do_retry, reason, err) : st;
}

/* ---- measure, analyse, commit ---- */

static cn_status check_measurement(int64_t id, const struct cn_measurement *m,
                                   struct cn_err *err)
{
    bool ok = m->outcome == CN_OUTCOME_OK;

    if (m->outcome == CN_OUTCOME_NONE)
        return cn_err_set(err, CN_EINPUT, "measure %lld: no outcome", (long long)id);
    if (ok && !isfinite(m->reward))
        return cn_err_set(err, CN_EINPUT, "measure %lld: ok wants a finite reward, found %g",
                          (long long)id, m->reward);
    if (!ok && (!isnan(m->reward) || m->cls != CN_CLASS_NONE))
        return cn_err_set(err, CN_EINPUT, "measure %lld: %s has neither reward nor class",
                          (long long)id, cn_outcome_name(m->outcome));
    return CN_OK;
}

static cn_status do_measure(struct cn_store *s, const struct step *step, const void *content,
                            struct cn_err *err)
{
    const struct cn_measurement *m = content;
    struct standing now = {CN_ITER_PLANNED, 0};
    cn_status st = get_standing(s, step->id, &now, err);

    if (st != CN_OK)
        return st;
    if (now.state == CN_ITER_PLANNED && m->outcome == CN_OUTCOME_INVALID) {
        if (step->attempt != now.attempt)
            return cn_err_set(err, CN_ECORRUPT, "measure %lld: attempt %lld, but it is at %lld",
                              (long long)step->id, (long long)step->attempt,
                              (long long)now.attempt);
    } else {
        st = expect(s, step, CN_ITER_SUBMITTED, CN_ITER_RUNNING, err);
        if (st == CN_OK)
            st = end_attempt(s, step, m->outcome, m->message, err);
    }
    if (st == CN_OK)
        st = cn_sql_run(s,
                        "UPDATE iteration SET state = 'measured', outcome = ?, class = ?,"
                        " reward = ?, seconds = ?, message = ?, trajectory = ?, finished_ms = ?"
                        " WHERE id = ?",
                        SQL_ARGS(SQL_T(cn_outcome_name(m->outcome)),
                                 SQL_T(cn_class_name(m->cls)), SQL_D(m->reward),
                                 SQL_D(m->seconds), SQL_T(m->message), SQL_T(m->trajectory),
                                 SQL_I(cn_clock_now_ms()), SQL_I(step->id)),
                        err);
    if (st == CN_OK)
        st = cn_store_add_metrics(s, step->id, m->metrics, m->n_metrics, err);
    return st;
}

cn_status cn_store_measure(struct cn_store *s, int64_t id, int32_t attempt,
                           const struct cn_measurement *m, struct cn_err *err)
{
    struct step step = {.what = "measure", .id = id, .attempt = attempt};
    struct cn_buf d;
    cn_status st = check_measurement(id, m, err);

    if (st != CN_OK)
        return st;
    cn_buf_init(&d, CN_CAP_TEXT);
    put_text(&d, cn_outcome_name(m->outcome));
    put_text(&d, cn_class_name(m->cls));
    put_double(&d, m->reward);
    put_double(&d, m->seconds);
    put_text(&d, m->message);
    put_text(&d, m->trajectory);
    for (int i = 0; i < m->n_metrics; i++) {
        put_text(&d, m->metrics[i].name);
        put_double(&d, m->metrics[i].value);
    }
    st = seal(&step, &d, err);
    return st == CN_OK ? apply(s, &step, do_measure, m, err) : st;
}

static cn_status do_analyse(struct cn_store *s, const struct step *step, const void *content,
                            struct cn_err *err)
{
    const struct cn_analysis *a = content;
    cn_status st = expect(s, step, CN_ITER_MEASURED, CN_ITER_MEASURED, err);

    if (st == CN_OK)
        st =
            cn_sql_run(s,
                       "UPDATE iteration SET state = 'analysed', observation = ?, activity = ?,"
                       " embedding = ? WHERE id = ?",
                       SQL_ARGS(SQL_T(a->observation), SQL_T(a->activity), SQL_T(a->embedding),
                                SQL_I(step->id)),
                       err);
    return st;
}

cn_status cn_store_analyse(struct cn_store *s, int64_t id, const struct cn_analysis *a,
                           struct cn_err *err)
{
    struct step step = {.what = "analyse", .id = id};
    struct cn_buf d;

    cn_buf_init(&d, CN_CAP_TEXT);
    put_text(&d, a->observation);
    put_text(&d, a->activity);
    put_text(&d, a->embedding);
    cn_status st = seal(&step, &d, err);
    return st == CN_OK ? apply(s, &step, do_analyse, a, err) : st;
}

static cn_status do_commit(struct cn_store *s, const struct step *step, const void *content,
                           struct cn_err *err)
{
    cn_status st = expect(s, step, CN_ITER_ANALYSED, CN_ITER_ANALYSED, err);

    (void)content;
    return st == CN_OK ? set_state(s, step->id, CN_ITER_COMMITTED, err) : st;
}

cn_status cn_store_commit(struct cn_store *s, int64_t id, struct cn_err *err)
{
    struct step step = {.what = "commit", .id = id};

    return apply(s, &step, do_commit, NULL, err);
}

cn_status cn_store_next_iteration(struct cn_store *s, int64_t *out_id, struct cn_err *err)
{
    return cn_sql_int(s, "SELECT coalesce(max(id), 0) + 1 FROM iteration", NULL, 1, out_id,
                      err);
}
