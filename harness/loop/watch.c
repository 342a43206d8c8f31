/* See watch.h.
 *
 * Contents: 1 curves  2 the median rule  3 standing still  4 looking in
 */
#include "harness/loop/watch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/json.h"
#include "base/text.h"
#include "harness/loop/run_int.h"

enum { LOOK_EVERY_US = 200000, PEERS_MAX = 64, WHY_TEXT = 256 };
static const char pruned[] = "end-pruned", stalled[] = "end-stalled";

/* ------------------------------------------------------------------ 1 curves */

static int64_t count_lines(const char *s)
{
    int64_t n = 0;

    for (; *s; s++)
        n += *s == '\n';
    return n;
}

static void take_line(struct cn_curve *c, const char *line, size_t len, const char *metric,
                      bool lower)
{
    struct cn_json_doc *doc = NULL;
    double step, x;

    if (len == 0 || cn_json_parse("metrics.jsonl", line, len, &doc, NULL) != CN_OK)
        return;
    if (cn_json_number(cn_json_get(cn_json_root(doc), "step"), &step) &&
        cn_json_number(cn_json_get(cn_json_get(cn_json_root(doc), "values"), metric), &x)) {
        c->share[c->n] = step;
        c->value[c->n++] = lower ? -x : x;
    }
    cn_json_free(doc);
}

static cn_status take_lines(struct cn_curve *c, const char *text, const char *metric,
                            bool lower, struct cn_err *err)
{
    size_t room = (size_t)count_lines(text) + 1;

    c->share = cn_alloc(room, sizeof *c->share);
    c->value = cn_alloc(room, sizeof *c->value);
    if (!c->share || !c->value)
        return cn_err_set(err, CN_ENOMEM, "no memory for a curve of %zu reports", room);
    while (*text) {
        size_t len = strcspn(text, "\n");

        if (text[len] == '\n') /* the last line may be half written */
            take_line(c, text, len, metric, lower);
        text += len + (text[len] == '\n');
    }
    return CN_OK;
}

cn_status cn_curve_read(const char *dir, const char *metric, bool lower_is_better, double steps,
                        struct cn_curve *out, struct cn_err *err)
{
    char *path = cn_file_join(dir, "metrics.jsonl");
    struct cn_buf text;
    cn_status st = CN_OK;

    memset(out, 0, sizeof *out);
    cn_buf_init(&text, CN_CAP_FILE);
    if (!path)
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory for a path", dir);
    else if (cn_file_exists(path))
        st = cn_file_read(path, CN_CAP_FILE, &text, err);
    if (st == CN_OK)
        st = take_lines(out, cn_buf_str(&text), metric, lower_is_better, err);
    cn_buf_clear(&text);
    cn_free(path);
    if (st != CN_OK) {
        cn_curve_clear(out);
        return st;
    }
    if (!(steps > 0) && out->n > 0)
        steps = out->share[out->n - 1];
    for (int64_t i = 0; i < out->n; i++)
        out->share[i] = steps > 0 ? out->share[i] / steps : (double)NAN;
    return CN_OK;
}

void cn_curve_clear(struct cn_curve *c)
{
    cn_free(c->share);
    cn_free(c->value);
    memset(c, 0, sizeof *c);
}

double cn_curve_mean(const struct cn_curve *c, double f)
{
    double sum = 0;
    int64_t n = 0;

    for (int64_t i = 0; i < c->n; i++)
        if (c->share[i] <= f && isfinite(c->value[i])) {
            sum += c->value[i];
            n++;
        }
    return n ? sum / (double)n : (double)NAN;
}

double cn_curve_best(const struct cn_curve *c, double f)
{
    double best = (double)NAN;

    for (int64_t i = 0; i < c->n; i++)
        if (c->share[i] <= f && isfinite(c->value[i]) && !(best >= c->value[i]))
            best = c->value[i];
    return best;
}

/* ------------------------------------------------------------------ 2 the median rule */

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *x, int64_t n)
{
    qsort(x, (size_t)n, sizeof *x, by_value);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

bool cn_curve_lags(const struct cn_curve *c, const struct cn_curve *peers, int64_t n_peers,
                   bool lower_is_better, char *why, size_t room)
{
    double means[PEERS_MAX], f, best, middle;
    int64_t n = 0;

    if (c->n < CN_WATCH_REPORTS)
        return false;
    f = c->share[c->n - 1];
    best = cn_curve_best(c, f);
    if (!(f >= CN_WATCH_SHARE) || f >= 1 || isnan(best))
        return false;
    for (int64_t i = 0; i < n_peers && n < PEERS_MAX; i++) {
        double m = cn_curve_mean(&peers[i], f);

        if (!isnan(m))
            means[n++] = m;
    }
    if (n < CN_WATCH_PEERS)
        return false;
    middle = median(means, n);
    if (!(best < middle))
        return false;
    (void)snprintf(why, room,
                   "best %.4g after %.0f %% of its steps, the median of %lld peers was %.4g",
                   lower_is_better ? -best : best, 100 * f, (long long)n,
                   lower_is_better ? -middle : middle);
    return true;
}

bool cn_watch_may_prune(const struct cn_history *h, const struct cn_iteration *it)
{
    const struct cn_node *node = cn_history_node(h, it->node);

    if (!node || it->replicate || it->confirmation || node->n_mutations < 1 ||
        strcmp(node->strategy, "root") == 0)
        return false;
    for (int k = 0; k < node->n_mutations; k++) {
        bool known = false;

        for (int64_t i = 0; i < h->n_nodes && !known; i++) {
            const struct cn_node *other = &h->nodes[i];
            const struct cn_iteration *first = cn_history_iteration(h, other->id);

            if (other->id == node->id || !first || first->outcome != CN_OUTCOME_OK ||
                strcmp(other->strategy, "root") == 0)
                continue;
            for (int m = 0; m < other->n_mutations && !known; m++)
                known = strcmp(other->mutations[m].path, node->mutations[k].path) == 0;
        }
        if (!known)
            return false;
    }
    return true;
}

static bool is_peer(const struct cn_iteration *it, const struct cn_iteration *of)
{
    return it->id != of->id && it->block == of->block && !it->confirmation &&
           it->state >= CN_ITER_MEASURED && it->outcome == CN_OUTCOME_OK && it->dir[0];
}

static cn_status lags(struct cn_run *r, const struct cn_history *h,
                      const struct cn_iteration *it, const char *dir, double steps, bool *out,
                      char *why, size_t room, struct cn_err *err)
{
    struct cn_curve peers[PEERS_MAX], own;
    bool lower = h->info.reward_lower_is_better;
    int64_t n = 0;
    cn_status st = cn_curve_read(dir, h->info.reward, lower, steps, &own, err);

    *out = false;
    for (int64_t i = h->n_iterations - 1; st == CN_OK && i >= 0 && n < PEERS_MAX; i--) {
        char *path;

        if (!is_peer(&h->iterations[i], it))
            continue;
        path = cn_file_join(r->dir, h->iterations[i].dir);
        st = path ? cn_curve_read(path, h->info.reward, lower, 0, &peers[n], err)
                  : cn_err_set(err, CN_ENOMEM, "no memory for a path");
        n += st == CN_OK;
        cn_free(path);
    }
    if (st == CN_OK)
        *out = cn_curve_lags(&own, peers, n, lower, why, room);
    for (int64_t i = 0; i < n; i++)
        cn_curve_clear(&peers[i]);
    cn_curve_clear(&own);
    return st;
}

/* ------------------------------------------------------------------ 3 standing still */

/* What a training says of itself: the words of progress.json without its clock, and how many bytes
 * of metrics and output it has written. Something that changes whenever it gets on. */
static uint64_t sign_of_life(const char *dir, double *out_steps)
{
    static const char *const files[] = {"metrics.jsonl", "stdout.log"};
    char *path = cn_file_join(dir, "progress.json");
    struct cn_json_doc *doc = NULL;
    uint64_t sign = 14695981039346656037U;

    *out_steps = 0;
    if (path && cn_file_exists(path) && cn_json_read(path, &doc, NULL) == CN_OK) {
        const struct cn_json *root = cn_json_root(doc);
        const char *phase = cn_json_string(cn_json_get(root, "phase"));
        double step = 0;

        (void)cn_json_number(cn_json_get(root, "step"), &step);
        (void)cn_json_number(cn_json_get(root, "steps"), out_steps);
        for (; phase && *phase; phase++)
            sign = (sign ^ (unsigned char)*phase) * 1099511628211U;
        sign = (sign ^ (uint64_t)(int64_t)step) * 1099511628211U;
    }
    cn_json_free(doc);
    cn_free(path);
    for (int i = 0; i < 2; i++) {
        path = cn_file_join(dir, files[i]);
        sign = (sign ^ (uint64_t)(path ? cn_file_size(path) : 0)) * 1099511628211U;
        cn_free(path);
    }
    return sign;
}

static bool stands_still(struct cn_run *r, struct cn_run_slot *s, uint64_t sign, char *why,
                         size_t room)
{
    int64_t now = cn_clock_mono_us();

    if (s->sign != sign || s->moved_us == 0) {
        s->sign = sign;
        s->moved_us = now;
    }
    if (!(r->settings.stall_min > 0) ||
        (double)(now - s->moved_us) < 60e6 * r->settings.stall_min)
        return false;
    (void)snprintf(why, room, "no progress for %.3g min", r->settings.stall_min);
    return true;
}

/* ------------------------------------------------------------------ 4 looking in */

static cn_status end(struct cn_run *r, const struct cn_iteration *it, const char *dir,
                     const char *kind, const char *why, struct cn_err *err)
{
    struct cn_job_ref ref = {dir, it->token, it->attempt, it->job};
    char text[WHY_TEXT + 32];
    cn_status st;

    cn_text_format(text, sizeof text, "attempt %d: %s", (int)it->attempt, why);
    st = cn_store_event(r->store, it->id, kind, text, err);
    if (st == CN_OK)
        cn_run_tell(r, "iteration %lld is ended early: %s", (long long)it->id, why);
    return st == CN_OK ? cn_executor_cancel(r->executor, &ref, err) : st;
}

/* An event that says so may be there already: then the job is asked again, for the harness may
 * have been killed before it asked. */
static bool was_told(const struct cn_history *h, const struct cn_iteration *it,
                     const char **kind, const char **why)
{
    char head[32];

    cn_text_format(head, sizeof head, "attempt %d: ", (int)it->attempt);
    for (int64_t i = h->n_events - 1; i >= 0; i--) {
        const struct cn_event *e = &h->events[i];

        if (e->iteration != it->id ||
            (strcmp(e->kind, pruned) != 0 && strcmp(e->kind, stalled) != 0) ||
            !cn_text_starts(e->text, head))
            continue;
        *kind = e->kind;
        *why = e->text + strlen(head);
        return true;
    }
    return false;
}

bool cn_watch_verdict(const struct cn_history *h, const struct cn_iteration *it,
                      cn_outcome *out, const char **why)
{
    const char *kind;

    if (!was_told(h, it, &kind, why))
        return false;
    *out = strcmp(kind, pruned) == 0 ? CN_OUTCOME_PRUNED : CN_OUTCOME_TIMEOUT;
    return true;
}

static struct cn_run_slot *slot_of(struct cn_run *r, int64_t id)
{
    for (int i = 0; i < CN_RUN_SLOTS; i++)
        if (r->slots[i].id == id)
            return &r->slots[i];
    return NULL;
}

cn_status cn_watch_look(struct cn_run *r, const struct cn_history *h,
                        const struct cn_iteration *it, const char *dir, bool *ended,
                        struct cn_err *err)
{
    struct cn_run_slot *s = slot_of(r, it->id);
    bool median_stop = strcmp(r->settings.median_stop, "true") == 0, behind = false;
    const char *kind, *said;
    char why[WHY_TEXT];
    uint64_t before;
    double steps;
    cn_status st = CN_OK;

    if (!s || s->asked_to_end || (!median_stop && !(r->settings.stall_min > 0)) ||
        cn_clock_mono_us() - s->looked_us < LOOK_EVERY_US)
        return CN_OK;
    s->looked_us = cn_clock_mono_us();
    if (was_told(h, it, &kind, &said))
        return end(r, it, dir, kind, said, err);
    before = s->sign;
    if (stands_still(r, s, sign_of_life(dir, &steps), why, sizeof why)) {
        *ended = true;
        return end(r, it, dir, stalled, why, err);
    }
    if (median_stop && s->sign != before && cn_watch_may_prune(h, it))
        st = lags(r, h, it, dir, steps, &behind, why, sizeof why, err);
    if (st == CN_OK && behind) {
        *ended = true;
        st = end(r, it, dir, pruned, why, err);
    }
    return st;
}
