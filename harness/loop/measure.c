/* From a job's files to a measurement, and the host's one line about it. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "harness/exec/collect.h"
#include "harness/loop/run_int.h"

/* ------------------------------------------------------------------ outcome */

static cn_outcome outcome_of(cn_verdict v)
{
    switch (v) {
    case CN_VERDICT_OK:
        return CN_OUTCOME_OK;
    case CN_VERDICT_DIVERGED:
        return CN_OUTCOME_DIVERGED;
    case CN_VERDICT_OOM:
        return CN_OUTCOME_OOM;
    case CN_VERDICT_TIMEOUT:
        return CN_OUTCOME_TIMEOUT;
    case CN_VERDICT_CRASHED:
        return CN_OUTCOME_CRASHED;
    case CN_VERDICT_BAD_CONFIG:
        return CN_OUTCOME_INVALID;
    case CN_VERDICT_INFRA:
    case CN_VERDICT_CANCELLED:
        break;
    }
    return CN_OUTCOME_INFRA;
}

static cn_class classify(const struct cn_run_info *i, double metric)
{
    bool converged = i->reward_lower_is_better ? metric < i->converged : metric > i->converged;
    bool failed = i->reward_lower_is_better ? metric > i->failed : metric < i->failed;

    return converged ? CN_CLASS_CONVERGED : failed ? CN_CLASS_FAILED : CN_CLASS_PARTIAL;
}

static cn_status take_metrics(const struct cn_json *list, struct cn_arena *a,
                              struct cn_measurement *out, struct cn_err *err)
{
    struct cn_metric *m = cn_arena_alloc(a, (size_t)cn_json_count(list) + 1, sizeof *m);
    int n = 0;

    for (const struct cn_json *v = cn_json_first(list); m && v; v = cn_json_next(v)) {
        m[n].name = cn_arena_strdup(a, cn_json_name(v));
        if (!cn_json_number(v, &m[n].value))
            m[n].value = (double)NAN;
        if (!m[n++].name)
            m = NULL;
    }
    if (!m)
        return cn_err_set(err, CN_ENOMEM, "no memory for the metrics");
    out->metrics = m;
    out->n_metrics = n;
    return CN_OK;
}

static void judge_reward(const struct cn_run_info *info, struct cn_arena *a,
                         struct cn_measurement *out)
{
    for (int i = 0; i < out->n_metrics; i++) {
        double x = out->metrics[i].value;

        if (strcmp(out->metrics[i].name, info->reward) != 0)
            continue;
        if (isfinite(x)) {
            out->reward = info->reward_lower_is_better ? -x : x;
            out->cls = classify(info, x);
        } else { /* a training without a usable number learnt nothing that can be scored */
            out->outcome = CN_OUTCOME_DIVERGED;
            out->message = cn_arena_printf(a, "the reward %s is undefined", info->reward);
        }
        return;
    }
    out->outcome = CN_OUTCOME_CRASHED;
    out->message =
        cn_arena_printf(a, "result.json has no metric %s, which is the reward", info->reward);
}

/* The seeds are ours: a trainer that used others has measured something else. */
static bool wrong_seeds(const struct cn_json *root, const struct cn_iteration *it)
{
    int64_t sim, train;

    return (cn_json_int64(cn_json_path(root, "seeds.simulation"), &sim) &&
            (uint64_t)sim != it->sim_seed) ||
           (cn_json_int64(cn_json_path(root, "seeds.training"), &train) &&
            (uint64_t)train != it->train_seed);
}

/* ------------------------------------------------------------------ trajectory */

struct track {
    const char *name;
    double peak, last, before; /* before: the value at three quarters of the reports */
    bool lower, any;
};

static void follow(struct track *t, const struct cn_json *values, bool three_quarters)
{
    double x;

    if (!cn_json_number(cn_json_get(values, t->name), &x))
        return;
    if (!t->any || (t->lower ? x < t->peak : x > t->peak))
        t->peak = x;
    if (!t->any || !three_quarters)
        t->before = x;
    t->last = x;
    t->any = true;
}

static int64_t count_lines(const char *s)
{
    int64_t n = 0;

    for (; *s; s++)
        n += *s == '\n';
    return n;
}

static void walk_reports(const char *text, struct track *t, int n)
{
    int64_t lines = count_lines(text), at = 0;

    while (*text) {
        size_t len = strcspn(text, "\n");
        struct cn_json_doc *doc = NULL;

        /* A line that cannot be read was being written when the training ended. */
        if (len > 0 && cn_json_parse("metrics.jsonl", text, len, &doc, NULL) == CN_OK)
            for (int i = 0; i < n; i++)
                follow(&t[i], cn_json_get(cn_json_root(doc), "values"), 4 * at >= 3 * lines);
        cn_json_free(doc);
        text += len + (text[len] == '\n');
        at++;
    }
}

/* "score peak=0.94 final=0.93 trend=[stable], ..." for the reward and the guardrails that the
 * reports hold. */
static const char *trajectory(const struct cn_run *r, const struct cn_history *h,
                              const char *dir, struct cn_arena *a)
{
    struct track t[4];
    char *path = cn_file_join(dir, "metrics.jsonl");
    struct cn_buf text, out;
    const char *said = "";
    int n = 0;

    memset(t, 0, sizeof t);
    for (int32_t i = 0; i < r->trainer->n_metrics && n < 4; i++) {
        const struct cn_trainer_metric *m = &r->trainer->metrics[i];

        if (strcmp(m->name, h->info.reward) == 0 || m->guardrail)
            t[n++] = (struct track){.name = m->name, .lower = m->lower_is_better};
    }
    cn_buf_init(&text, CN_CAP_FILE);
    cn_buf_init(&out, CN_CAP_RECORD);
    if (path && cn_file_exists(path) && cn_file_read(path, CN_CAP_FILE, &text, NULL) == CN_OK)
        walk_reports(cn_buf_str(&text), t, n);
    for (int i = 0; i < n; i++) {
        double step = t[i].last - t[i].before, small = 0.01 * fabs(t[i].peak);

        if (t[i].any)
            cn_buf_printf(&out, "%s%s peak=%.4g final=%.4g trend=[%s]", out.len ? ", " : "",
                          t[i].name, t[i].peak, t[i].last,
                          fabs(step) <= small ? "stable"
                          : step > 0          ? "rising"
                                              : "falling");
    }
    if (out.len > 0)
        said = cn_arena_strdup(a, cn_buf_str(&out));
    cn_buf_clear(&text);
    cn_buf_clear(&out);
    cn_free(path);
    return said ? said : "";
}

cn_status cn_run_measurement(const struct cn_run *r, const struct cn_history *h,
                             const struct cn_iteration *it, const char *dir,
                             const struct cn_job_result *result, struct cn_arena *a,
                             struct cn_measurement *out, struct cn_err *err)
{
    const struct cn_json *root = cn_json_root(result->result);
    cn_status st = CN_OK;

    *out = (struct cn_measurement)CN_MEASUREMENT_INIT;
    out->outcome = outcome_of(result->verdict);
    out->message = cn_arena_strdup(a, result->message);
    out->trajectory = trajectory(r, h, dir, a);
    if (!cn_json_number(cn_json_get(root, "seconds"), &out->seconds))
        out->seconds = result->exit.seconds;
    if (result->result)
        st = take_metrics(cn_json_get(root, "metrics"), a, out, err);
    if (st == CN_OK && out->outcome == CN_OUTCOME_OK && wrong_seeds(root, it)) {
        out->outcome = CN_OUTCOME_CRASHED;
        out->message = "result.json names other seeds than the config gave";
    } else if (st == CN_OK && out->outcome == CN_OUTCOME_OK) {
        judge_reward(&h->info, a, out);
    }
    return st;
}

/* ------------------------------------------------------------------ observation */

static double metric_of(const struct cn_run_info *i, double reward)
{
    return i->reward_lower_is_better ? -reward : reward;
}

/* Against the parent's mean (or, for a replicate, what the node had before). */
static void compare(const struct cn_history *h, const struct cn_iteration *it,
                    struct cn_buf *out)
{
    const struct cn_node *node = cn_history_node(h, it->node);
    const struct cn_node *root = cn_plan_block_root(h, it->block);
    int64_t other = it->replicate          ? it->node
                    : node && node->parent ? node->parent
                    : root                 ? root->id
                                           : 0;
    double sum = 0;
    int n = 0;

    for (const struct cn_iteration *o = cn_history_run(h, other, NULL); o && o->id < it->id;
         o = cn_history_run(h, other, o)) {
        if (o->confirmation || o->outcome != CN_OUTCOME_OK)
            continue;
        sum += o->reward;
        n++;
    }
    if (n > 0)
        cn_buf_printf(out, ", %+.4f against %s %lld (mean %.4g of %d)",
                      metric_of(&h->info, it->reward) - metric_of(&h->info, sum / n),
                      it->replicate ? "the earlier trainings of node" : "node",
                      (long long)other, metric_of(&h->info, sum / n), n);
}

static void tell_best(const struct cn_history *h, const struct cn_iteration *it,
                      struct cn_buf *out)
{
    struct cn_best_query q = cn_plan_query(it->block);
    struct cn_best best;
    char mean[CN_NUM_TEXT];

    q.last = it->id; /* what others that run beside it will say does not enter */
    if (cn_history_best(h, &q, &best, NULL) != CN_OK) {
        out->status = CN_ENOMEM;
        return;
    }
    if (best.first.node && best.first.node->id == it->node)
        cn_buf_printf(out, "; the best of block %lld so far", (long long)it->block);
    else if (best.first.node)
        cn_buf_printf(out, "; best of block %lld so far: node %lld (%s of %lld)",
                      (long long)it->block, (long long)best.first.node->id,
                      cn_text_brief(metric_of(&h->info, best.first.mean), mean),
                      (long long)best.first.n);
}

/* The node's mean metrics with this training break a guardrail. */
static void tell_breach(const struct cn_history *h, const struct cn_iteration *it,
                        struct cn_buf *out)
{
    struct cn_best_query q = cn_plan_query(0);
    struct cn_guardrails g;
    struct cn_standing s;

    q.last = it->id;
    if (cn_best_guardrails(h->info.guardrails, &g, NULL) != CN_OK || g.n == 0 ||
        cn_history_standing(h, &q, it->node, &s, NULL) != CN_OK || !s.node || s.broken < 0)
        return;
    cn_buf_adds(out, "; ");
    cn_standing_breach(&g, &s, out);
}

static void tell_time(const struct cn_run *r, const struct cn_iteration *it, struct cn_buf *out)
{
    double target = r->settings.training_time_target_min,
           took = cn_iteration_metric(it, "training_time_min");

    if (target > 0 && took > target)
        cn_buf_printf(out, "; took %.3g min, over the target of %.3g", took, target);
}

void cn_run_observe(const struct cn_run *r, const struct cn_history *h,
                    const struct cn_iteration *it, struct cn_buf *out)
{
    if (it->outcome != CN_OUTCOME_OK) {
        cn_buf_printf(out, "%s: %s", cn_outcome_name(it->outcome), it->message);
        return;
    }
    cn_buf_printf(out, "%s %.4g", h->info.reward, metric_of(&h->info, it->reward));
    if (!it->confirmation) {
        compare(h, it, out);
        tell_best(h, it, out);
        tell_breach(h, it, out);
    }
    tell_time(r, it, out);
}
