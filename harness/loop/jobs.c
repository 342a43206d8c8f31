/* From planned to measured: submitting, watching and collecting trainings. Everything here may
 * be repeated: the store refuses nothing that says the same again, and submitting a job that
 * exists is a no-op for cairn-job. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/exec/collect.h"
#include "harness/loop/run_int.h"
#include "harness/loop/watch.h"

/* ------------------------------------------------------------------ slots */

static struct cn_run_slot *slot_of(struct cn_run *r, int64_t id)
{
    for (int64_t i = 0; i < r->settings.n_parallel; i++)
        if (r->slots[i].id == id)
            return &r->slots[i];
    return NULL;
}

/* The slot that the iteration has, else the one its number asks for when free, else the first
 * free one. NULL: all are taken (a resumed run may have fewer slots than jobs). */
static struct cn_run_slot *claim_slot(struct cn_run *r, const struct cn_iteration *it)
{
    struct cn_run_slot *s = slot_of(r, it->id);

    if (!s && it->slot < r->settings.n_parallel && r->slots[it->slot].id == 0)
        s = &r->slots[it->slot];
    if (!s)
        s = slot_of(r, 0);
    if (s)
        s->id = it->id;
    return s;
}

static void free_slot(struct cn_run *r, int64_t id)
{
    struct cn_run_slot *s = slot_of(r, id);

    if (s)
        memset(s, 0, sizeof *s);
}

/* ------------------------------------------------------------------ folders and words */

static void folder_name(int64_t id, char out[64])
{
    cn_text_format(out, 64, "iter_%06lld", (long long)id);
}

/* Absolute path of the iteration's folder; owned by the caller. */
static char *folder_path(const struct cn_run *r, int64_t id)
{
    char name[64];

    folder_name(id, name);
    return cn_file_join(r->dir, name);
}

/* The node's config with this iteration's seeds, as the trainer reads it. */
static cn_status write_config(const struct cn_run *r, const struct cn_node *node,
                              const struct cn_iteration *it, const char *dir,
                              struct cn_err *err)
{
    struct cn_yaml *y = NULL;
    char *path = cn_file_join(dir, "config.yaml");
    char sim[32], train[32];
    cn_status st = path ? cn_yaml_parse("config", node->config, strlen(node->config), &y, err)
                        : cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", dir);
    size_t n;

    (void)r;
    cn_text_format(sim, sizeof sim, "%llu", (unsigned long long)it->sim_seed);
    cn_text_format(train, sizeof train, "%llu", (unsigned long long)it->train_seed);
    if (st == CN_OK)
        st = cn_yaml_set(y, "simulation.seed", sim, err);
    if (st == CN_OK)
        st = cn_yaml_set(y, "training.seed", train, err);
    if (st == CN_OK) {
        const char *text = cn_yaml_text(y, &n);

        st = cn_file_replace(path, text, n, err);
    }
    cn_yaml_free(y);
    cn_free(path);
    return st;
}

static const char **build_argv(const struct cn_run *r, const char *config, const char *dir,
                               bool again)
{
    int n = 0, k;
    const char **argv;

    while (r->trainer->command[n])
        n++;
    argv = cn_alloc((size_t)n + 8, sizeof *argv);
    if (!argv)
        return NULL;
    for (k = 0; k < n; k++)
        argv[k] = r->trainer->command[k];
    argv[k++] = "run";
    argv[k++] = "--config";
    argv[k++] = config;
    argv[k++] = "--out";
    argv[k++] = dir;
    if (again)
        argv[k++] = "--resume";
    return argv;
}

/* ------------------------------------------------------------------ starting */

/* <runs>/data, beside the run's folder, absolute; allocated. */
static char *cache_folder(const struct cn_run *r)
{
    char *dir = cn_file_absolute(r->dir), *cache = NULL;
    char *slash = dir ? strrchr(dir, '/') : NULL;

    if (slash) {
        *slash = '\0';
        cache = cn_file_join(dir, "data");
    }
    cn_free(dir);
    return cache;
}

static cn_status start_job(struct cn_run *r, const struct cn_iteration *it, const char *token,
                           int32_t attempt, int32_t slot, const char *dir, struct cn_err *err)
{
    char *config = cn_file_join(dir, "config.yaml"), *cache_abs = cache_folder(r);
    const char **argv = config ? build_argv(r, config, dir, attempt > 1) : NULL;
    char cache_env[4200] = "", dir_env[4200] = "", job[CN_JOB_NAME_TEXT];
    const char *env[3] = {cache_env, dir_env, NULL};
    struct cn_job_spec s = {.dir = dir,
                            .token = token,
                            .attempt = attempt,
                            .argv = argv,
                            .env = env,
                            .deadline_s = r->settings.deadline_min * 60,
                            .grace_s = r->settings.grace_s,
                            .memory_mib = r->settings.memory_mib,
                            .slot = slot};
    cn_status st = CN_OK;

    if (!argv || !cache_abs) {
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory to start it", dir);
    } else {
        (void)snprintf(cache_env, sizeof cache_env, "CAIRN_CACHE=%s",
                       getenv("CAIRN_CACHE") ? getenv("CAIRN_CACHE") : cache_abs);
        (void)snprintf(dir_env, sizeof dir_env, "CAIRN_CONFIG_DIR=%s", r->config_dir);
        st = cn_executor_submit(r->executor, &s, job, err);
        if (st == CN_OK)
            st = cn_store_job(r->store, it->id, attempt, job, err);
    }
    cn_free(cache_abs);
    cn_free(argv);
    cn_free(config);
    return st;
}

/* The intent is recorded before anything is started; the folder and its config may be made
 * twice. */
static cn_status submit(struct cn_run *r, const struct cn_history *h,
                        const struct cn_iteration *it, struct cn_run_slot *slot,
                        struct cn_err *err)
{
    const struct cn_node *node = cn_history_node(h, it->node);
    char *dir = folder_path(r, it->id);
    char name[64], token[128];
    int32_t attempt = it->attempt + 1;
    cn_status st;

    folder_name(it->id, name);
    cn_text_format(token, sizeof token, "cn-%s-%lld-%d", r->nonce, (long long)it->id,
                   (int)attempt);
    st = dir ? cn_file_mkdirs(dir, err)
             : cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", name);
    if (st == CN_OK)
        st = write_config(r, node, it, dir, err);
    if (st == CN_OK)
        st = cn_store_submit(r->store, it->id, attempt, token, name, err);
    if (st == CN_OK)
        st = start_job(r, it, token, attempt, (int32_t)(slot - r->slots), dir, err);
    cn_free(dir);
    return st;
}

cn_status cn_run_submit_jobs(struct cn_run *r, const struct cn_history *h, bool *changed,
                             struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int64_t i = 0; st == CN_OK && r->stop == 0 && i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        struct cn_run_slot *s;

        if (it->state != CN_ITER_PLANNED)
            continue;
        s = claim_slot(r, it);
        if (!s || cn_clock_mono_us() < s->not_before_us)
            continue;
        st = submit(r, h, it, s, err);
        *changed = true;
    }
    return st;
}

/* ------------------------------------------------------------------ ending */

/* 1, 2, 4, ... times the setting, at most 64 times it. */
static void back_off(struct cn_run *r, struct cn_run_slot *s)
{
    int doubling = s->failures < 6 ? s->failures : 6;

    s->failures++;
    s->not_before_us = cn_clock_mono_us() +
                       (int64_t)(r->settings.retry_wait_s * 1e6 * (double)(1 << doubling));
}

static cn_status retry(struct cn_run *r, const struct cn_iteration *it, const char *reason,
                       struct cn_err *err)
{
    struct cn_run_slot *s = slot_of(r, it->id);
    bool ours = s && s->asked_to_end;
    cn_status st = cn_store_retry(r->store, it->id, it->attempt, reason, err);

    if (st == CN_OK && !ours)
        cn_run_tell(r, "iteration %lld: attempt %d did not count (%s); trying again",
                    (long long)it->id, (int)it->attempt, reason);
    if (st == CN_OK && s) {
        s->asked_to_end = false;
        back_off(r, s);
    }
    return st;
}

static cn_status measure_infra(struct cn_run *r, const struct cn_iteration *it,
                               const char *reason, struct cn_err *err)
{
    struct cn_measurement m = CN_MEASUREMENT_INIT;
    cn_status st;

    m.outcome = CN_OUTCOME_INFRA;
    m.message = reason;
    st = cn_store_measure(r->store, it->id, it->attempt, &m, err);
    if (st == CN_OK)
        free_slot(r, it->id);
    return st;
}

/* The attempt says nothing about the config: again, or after infra_retries of them recorded as
 * infra. */
static cn_status not_counted(struct cn_run *r, const struct cn_iteration *it,
                             const char *reason, struct cn_err *err)
{
    const struct cn_run_slot *s = slot_of(r, it->id);
    bool ours = s && s->asked_to_end;

    if (!ours && it->infra_retries >= r->settings.infra_retries)
        return measure_infra(r, it, reason, err);
    return retry(r, it, reason, err);
}

/* We ended it ourselves: that is a result. */
static cn_status measure_ended(struct cn_run *r, const struct cn_iteration *it,
                               cn_outcome outcome, const char *why, double seconds,
                               struct cn_err *err)
{
    struct cn_measurement m = CN_MEASUREMENT_INIT;
    cn_status st;

    m.outcome = outcome;
    m.message = why;
    m.seconds = seconds;
    st = cn_store_measure(r->store, it->id, it->attempt, &m, err);
    if (st == CN_OK)
        free_slot(r, it->id);
    return st;
}

static cn_status collect(struct cn_run *r, const struct cn_history *h,
                         const struct cn_iteration *it, const char *dir, struct cn_err *err)
{
    struct cn_job_result result;
    struct cn_measurement m;
    struct cn_arena a;
    cn_outcome outcome;
    const char *why;
    cn_status st = cn_collect(dir, it->token, it->attempt, &result, err);

    if (st != CN_OK)
        return st;
    cn_arena_init(&a, CN_CAP_FILE);
    if (result.verdict == CN_VERDICT_CANCELLED && cn_watch_verdict(h, it, &outcome, &why)) {
        st = measure_ended(r, it, outcome, why, result.exit.seconds, err);
    } else if (result.verdict == CN_VERDICT_INFRA || result.verdict == CN_VERDICT_CANCELLED) {
        st = not_counted(r, it, result.message, err);
    } else {
        st = cn_run_measurement(r, h, it, dir, &result, &a, &m, err);
        if (st == CN_OK)
            st = cn_store_measure(r->store, it->id, it->attempt, &m, err);
        if (st == CN_OK)
            free_slot(r, it->id);
    }
    cn_arena_clear(&a);
    cn_job_result_clear(&result);
    return st;
}

/* ------------------------------------------------------------------ watching */

/* Why a supervisor left no exit.json: its own words in job.err, when it had any. */
static void last_words(const char *dir, char *out, size_t room)
{
    char *path = cn_file_join(dir, "job.err");
    struct cn_buf b;

    cn_text_copy(out, room, "its supervisor died without a word");
    cn_buf_init(&b, CN_CAP_RECORD);
    if (path && cn_file_exists(path) && cn_file_read_tail(path, 400, &b, NULL) == CN_OK &&
        b.len > 0)
        (void)snprintf(out, room, "its supervisor ended: %.*s",
                       (int)strcspn(cn_buf_str(&b), "\n"), cn_buf_str(&b));
    cn_buf_clear(&b);
    cn_free(path);
}

/* The record says submitted, the executor knows nothing: we were killed between the two. The
 * same attempt again. */
static cn_status start_again(struct cn_run *r, const struct cn_history *h,
                             const struct cn_iteration *it, const char *dir, struct cn_err *err)
{
    struct cn_run_slot *s = claim_slot(r, it);
    cn_status st;

    if (!s)
        return CN_OK; /* when a slot is free */
    st = cn_file_mkdirs(dir, err);
    if (st == CN_OK)
        st = write_config(r, cn_history_node(h, it->node), it, dir, err);
    return st == CN_OK
               ? start_job(r, it, it->token, it->attempt, (int32_t)(s - r->slots), dir, err)
               : st;
}

static cn_status watch(struct cn_run *r, const struct cn_history *h,
                       const struct cn_iteration *it, bool *changed, struct cn_err *err)
{
    char *dir = folder_path(r, it->id);
    struct cn_job_ref ref = {dir, it->token, it->attempt, it->job};
    cn_job_state state;
    cn_status st;

    if (!dir)
        return cn_err_set(err, CN_ENOMEM, "iteration %lld: no memory for its path",
                          (long long)it->id);
    if (slot_of(r, it->id)) {
        st = cn_executor_poll(r->executor, &ref, &state, err);
    } else {
        (void)claim_slot(r, it);
        st = cn_executor_adopt(r->executor, &ref, &state, err);
    }
    if (st == CN_OK && state == CN_JOB_OVER) {
        st = collect(r, h, it, dir, err);
        *changed = true;
    } else if (st == CN_OK && state == CN_JOB_LOST) {
        char why[512];

        last_words(dir, why, sizeof why);
        st = not_counted(r, it, why, err);
        *changed = true;
    } else if (st == CN_OK && state == CN_JOB_ABSENT && r->stop == 0) {
        st = start_again(r, h, it, dir, err);
    } else if (st == CN_OK && state == CN_JOB_ABSENT) { /* leaving: it was never started */
        st = retry(r, it, "the run was stopped before it started", err);
        *changed = true;
    } else if (st == CN_OK && state == CN_JOB_RUNNING && it->state == CN_ITER_SUBMITTED) {
        st = cn_store_running(r->store, it->id, it->attempt, err);
        *changed = true;
    } else if (st == CN_OK && state == CN_JOB_RUNNING && r->stop < 2) {
        st = cn_watch_look(r, h, it, dir, changed, err);
    }
    cn_free(dir);
    return st;
}

static bool is_under_way(const struct cn_iteration *it)
{
    return it->state == CN_ITER_SUBMITTED || it->state == CN_ITER_RUNNING;
}

cn_status cn_run_poll_jobs(struct cn_run *r, const struct cn_history *h, bool *changed,
                           struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int64_t i = 0; st == CN_OK && i < h->n_iterations; i++)
        if (is_under_way(&h->iterations[i]))
            st = watch(r, h, &h->iterations[i], changed, err);
    return st;
}

cn_status cn_run_cancel_jobs(struct cn_run *r, const struct cn_history *h, struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int64_t i = 0; st == CN_OK && i < h->n_iterations; i++) {
        const struct cn_iteration *it = &h->iterations[i];
        struct cn_run_slot *s = slot_of(r, it->id);
        char *dir;

        if (!is_under_way(it) || !s || s->asked_to_end)
            continue;
        dir = folder_path(r, it->id);
        if (!dir)
            return cn_err_set(err, CN_ENOMEM, "iteration %lld: no memory for its path",
                              (long long)it->id);
        struct cn_job_ref ref = {dir, it->token, it->attempt, it->job};
        st = cn_executor_cancel(r->executor, &ref, err);
        s->asked_to_end = true;
        cn_free(dir);
    }
    return st;
}
