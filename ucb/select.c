/* The parent that a rule asks for; see select.h. */
#include "ucb/select.h"

#include <stdbool.h>

#include "base/banned.h"
#include "base/rng.h"

/* Keeps these draws apart from those of mutate.c and space.c. */
enum { STREAM_SELECT = 0x5e1ec7 };

static bool listed(const int64_t *ids, int64_t n, int64_t id)
{
    for (int64_t i = 0; i < n; i++)
        if (ids[i] == id)
            return true;
    return false;
}

static int64_t top_not_recent(const struct cn_score_table *s, const struct cn_select_query *q)
{
    for (int64_t i = 0; i < s->n; i++)
        if (!listed(q->recent, q->n_recent, s->rows[i].id))
            return s->rows[i].id;
    return s->rows[0].id;
}

static int64_t random_top(const struct cn_score_table *s, const struct cn_select_query *q,
                          int64_t k)
{
    int64_t pool = 0, pick;
    struct cn_rng r;

    if (k < 1)
        k = 1;
    if (k > s->n)
        k = s->n;
    for (int64_t i = 0; i < k; i++)
        pool += s->rows[i].id != q->avoid;
    if (pool == 0) /* only `avoid` itself is there */
        return s->rows[0].id;
    cn_rng_init(&r, q->seed, ((uint64_t)STREAM_SELECT << 32) ^ (uint64_t)q->iteration);
    pick = (int64_t)cn_rng_below(&r, (uint64_t)pool);
    for (int64_t i = 0; i < k; i++)
        if (s->rows[i].id != q->avoid && pick-- == 0)
            return s->rows[i].id;
    return s->rows[0].id;
}

static int64_t best_reward(const struct cn_score_table *s)
{
    int64_t best = 0;

    for (int64_t i = 1; i < s->n; i++) {
        const struct cn_score_row *a = &s->rows[i], *b = &s->rows[best];

        if (a->reward > b->reward || (a->reward == b->reward && a->id < b->id))
            best = i;
    }
    return s->rows[best].id;
}

static int64_t fewest_visits(const struct cn_score_table *s)
{
    int64_t fewest = 0;

    for (int64_t i = 1; i < s->n; i++) /* rows are in order of score */
        if (s->rows[i].visits < s->rows[fewest].visits)
            fewest = i;
    return s->rows[fewest].id;
}

int64_t cn_select_parent(const struct cn_score_table *s, const struct cn_select_query *q)
{
    if (s->n == 0)
        return 0;
    switch (q->rule) {
    case CN_SELECT_TOP:
        break;
    case CN_SELECT_TOP_NOT_RECENT:
        return top_not_recent(s, q);
    case CN_SELECT_RANDOM_TOP:
        return random_top(s, q, q->k);
    case CN_SELECT_BEST_REWARD:
        return best_reward(s);
    case CN_SELECT_SECOND:
        return s->rows[s->n > 1 ? 1 : 0].id;
    case CN_SELECT_RANDOM:
        return random_top(s, q, s->n);
    case CN_SELECT_FEWEST_VISITS:
        return fewest_visits(s);
    }
    return s->rows[0].id;
}
