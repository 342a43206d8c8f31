/* What other processes may ask of a run, and tell it. See the end of run.h. */
#include <math.h>
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
enum { STATUS_WINDOW = 200 };

/* What the ranking's regime is, when the run has known others. */
static void tell_regime(const struct cn_history *h, int64_t block, char *out, size_t room)
{
    const struct cn_block *b = cn_history_block(h, block);
    struct cn_buf text;
    bool others = false;

    for (int64_t i = 0; i < h->n_blocks; i++)
        others = others || !cn_history_same_regime(h, h->blocks[i].number, block);
    if (!b || !others)
        return;
    cn_buf_init(&text, CN_CAP_RECORD);
    for (int i = 0; i < b->n_regime; i++)
        cn_buf_printf(&text, "%s%s=%s", i ? ", " : "", b->regime[i].path,
                      b->regime[i].new_text);
    cn_text_copy(out, room, cn_buf_str(&text));
    cn_buf_clear(&text);
}

static cn_status fill_best(const struct cn_history *h, struct cn_run_status *out,
                           struct cn_err *err)
{
    const struct cn_best_query q = cn_plan_query(0);
    struct cn_standing first = {0}, m;
    struct cn_best best;
    struct cn_buf words;
    cn_status st;

    cn_text_copy(out->reward, sizeof out->reward, h->info.reward);
    out->best_reward = out->default_reward = out->best_std = out->best_bound = (double)NAN;
    st = cn_history_best(h, &q, &best, err);
    if (st == CN_OK)
        st = cn_history_standing(h, &q, 1, &first, err);
    if (st != CN_OK || !best.first.node)
        return st;
    m = cn_standing_metric(&h->info, &best.first);
    out->best_node = best.first.node->id;
    out->best_count = (int32_t)m.n;
    out->best_reward = m.mean;
    out->best_std = m.std;
    out->best_bound = h->info.reward_lower_is_better ? m.hi : m.lo;
    out->confidence = best.confidence;
    out->best_block = best.block;
    cn_buf_init(&words, CN_CAP_RECORD);
    cn_standing_words(&h->info, &best.first, best.confidence, &words);
    cn_text_copy(out->best_words, sizeof out->best_words, cn_buf_str(&words));
    cn_buf_clear(&words);
    tell_regime(h, best.block, out->best_regime, sizeof out->best_regime);
    if (first.node && cn_history_same_regime(h, first.node->block, best.block)) {
        out->default_reward = cn_standing_metric(&h->info, &first).mean;
        out->default_count = (int32_t)first.n;
    }
    return CN_OK;
}

static void fill_status(const struct cn_history *h, struct cn_run_status *out)
{
    out->n_blocks = h->n_blocks;
    out->block = h->n_blocks;
    out->committed = h->older.searched;
    for (int64_t i = 0; i < h->n_iterations; i++) {
        out->committed += !h->iterations[i].confirmation &&
                          h->iterations[i].id >= h->older.first &&
                          h->iterations[i].state == CN_ITER_COMMITTED;
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
    if (st == CN_OK)
        st = fill_best(&h, out, err);
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
