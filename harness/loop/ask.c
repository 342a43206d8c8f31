/* What other processes may ask of a run, and tell it. See the end of run.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "harness/loop/run_int.h"

void cn_run_request_stop(struct cn_run *run, int level)
{
    if (level > run->stop)
        run->stop = level;
}

cn_status cn_run_post_stop(const char *dir, int level, struct cn_err *err)
{
    char text[8];

    if (level < 1 || level > 2)
        return cn_err_set(err, CN_EINPUT, "stop level %d: expected 1 or 2", level);
    if (!cn_file_is_dir(dir))
        return cn_err_set(err, CN_ENOTFOUND, "%s: no such run", dir);
    cn_text_format(text, sizeof text, "%d\n", level);
    return cn_run_put(dir, "stop.request", text, strlen(text), err);
}

int cn_run_take_posted_stop(struct cn_run *r)
{
    char *path = cn_file_join(r->dir, "stop.request");
    struct cn_buf b;
    int level = 0;

    cn_buf_init(&b, CN_CAP_RECORD);
    if (path && cn_file_exists(path) && cn_file_read(path, CN_CAP_RECORD, &b, NULL) == CN_OK) {
        level = cn_buf_str(&b)[0] == '2' ? 2 : 1;
        (void)unlink(path);
    }
    cn_buf_clear(&b);
    cn_free(path);
    return level;
}

cn_status cn_run_say(const char *dir, const char *text, struct cn_err *err)
{
    struct cn_store *s = NULL;
    int64_t id;
    cn_status st = cn_store_open(dir, CN_STORE_WRITE, &s, err);

    if (st == CN_OK)
        st = cn_store_message_add(s, NULL, text, &id, err);
    cn_store_close(s);
    return st;
}

static int64_t wanted_iterations(struct cn_store *s)
{
    static const char key[] = "explore.iterations=";
    struct cn_buf b;
    struct cn_settings d;
    int64_t n = 0, v;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_settings_init(&d);
    if (cn_store_fact(s, "iterations", &b, NULL) == CN_OK &&
        cn_text_parse_int64(cn_buf_str(&b), &v))
        n = v; /* what the last harness settled on */
    else if (cn_store_fact(s, "overrides", &b, NULL) == CN_OK)
        for (const char *p = cn_buf_str(&b); (p = strstr(p, key)) != NULL; p += strlen(key))
            n = strtoll(p + strlen(key), NULL, 10);
    cn_buf_clear(&b);
    return n > 0 ? n : d.iterations;
}

/* The newest blocks say what runs and which regime holds, rollups the rest: a question that is asked
 * often costs the same for a run of any length. */
enum { STATUS_WINDOW = 500 };

static void fill_status(const struct cn_history *h, struct cn_run_status *out)
{
    int64_t count = 0;
    const struct cn_node *best = cn_plan_best(h, 0, INT64_MAX, &out->best_reward, &count);
    struct cn_spread first = cn_history_spread(h, 1, CN_POOL_SEARCH);

    out->best_node = best ? best->id : 0;
    out->best_count = (int32_t)count;
    out->default_reward = first.mean;
    if (h->info.reward_lower_is_better) { /* people think in the metric */
        out->best_reward = -out->best_reward;
        out->default_reward = -out->default_reward;
    }
    out->n_blocks = h->n_blocks;
    out->block = h->n_blocks;
    out->committed = h->older.searched;
    for (int64_t i = 0; i < h->n_iterations; i++) {
        out->committed +=
            !h->iterations[i].confirmation && h->iterations[i].state == CN_ITER_COMMITTED;
        out->in_flight += h->iterations[i].state == CN_ITER_SUBMITTED ||
                          h->iterations[i].state == CN_ITER_RUNNING;
    }
    for (int64_t i = 0; i < h->n_messages; i++)
        out->pending_messages += h->messages[i].acked_ms == 0;
    (void)snprintf(out->name, sizeof out->name, "%s", h->info.name);
}

cn_status cn_run_status(const char *dir, struct cn_run_status *out, struct cn_err *err)
{
    struct cn_store *s = NULL;
    struct cn_history h;
    struct cn_lease lease;
    struct cn_buf b;
    char *lock = cn_file_join(dir, "run.lock");
    cn_status st = lock ? cn_store_open(dir, CN_STORE_READ, &s, err)
                        : cn_err_set(err, CN_ENOMEM, "no memory");

    memset(out, 0, sizeof *out);
    memset(&h, 0, sizeof h);
    cn_buf_init(&b, CN_CAP_TEXT);
    if (st == CN_OK)
        st = cn_store_window(s, STATUS_WINDOW, &h, err);
    if (st == CN_OK)
        st = cn_store_lease_get(s, &lease, err);
    if (st == CN_OK) {
        fill_status(&h, out);
        out->total = wanted_iterations(s);
        out->harness_alive = cn_file_is_locked(lock);
        out->heartbeat_ms = lease.heartbeat_ms;
        (void)snprintf(out->holder, sizeof out->holder, "%s", lease.holder);
        cn_text_copy(out->state, sizeof out->state,
                     out->harness_alive                                        ? "running"
                     : cn_store_fact(s, "end", &b, NULL) == CN_OK && b.len > 0 ? cn_buf_str(&b)
                                                                               : "waiting");
    }
    cn_buf_clear(&b);
    cn_history_clear(&h);
    cn_store_close(s);
    cn_free(lock);
    return st;
}
