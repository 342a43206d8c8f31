/* Records that were read, as one history: ids, parents, rewards, blocks. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/banned.h"
#include "base/caps.h"
#include "logs/read_int.h"

static struct cn_raw *raws(struct cn_reader *r)
{
    return (struct cn_raw *)(void *)r->raws.data;
}

static int64_t n_raws(const struct cn_reader *r)
{
    return (int64_t)(r->raws.len / sizeof(struct cn_raw));
}

static void *room(struct cn_reader *r, int64_t n, size_t size)
{
    if (n == 0 || r->st != CN_OK)
        return NULL;
    void *p = cn_arena_alloc(&r->log->history.arena, (size_t)n, size);
    if (!p)
        r->st = cn_err_set(r->err, CN_ENOMEM, "no memory to read the log");
    return p;
}

/* ---- ids: in order, each once ---- */

static int by_id(const void *a, const void *b)
{
    const struct cn_raw *x = a, *y = b;

    if (x->id != y->id)
        return x->id < y->id ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

/* Warnings name the file of the record that they are about. */
#define WARN(r, x, kind, ...)                                         \
    do {                                                              \
        (r)->file = (x)->file;                                        \
        cn_reader_warn((r), (kind), (x)->line, (x)->id, __VA_ARGS__); \
    } while (0)

static void check_order(struct cn_reader *r)
{
    int64_t last = 0;

    for (int64_t i = 0; i < n_raws(r); i++) {
        const struct cn_raw *x = &raws(r)[i];
        if (x->id < last && !r->by_score)
            WARN(r, x, CN_READ_OUT_OF_ORDER, "iteration %lld comes after %lld",
                 (long long)x->id, (long long)last);
        last = x->id > last ? x->id : last;
    }
}

/* The kept records are in raws[0..kept); is there one with this id among them? (They are in id
 * order.) */
static struct cn_raw *kept_with(struct cn_reader *r, int64_t kept, int64_t id)
{
    int64_t lo = 0, hi = kept;

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (raws(r)[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < kept && raws(r)[lo].id == id ? &raws(r)[lo] : NULL;
}

/* A heading that was used before, over a Node line with a fresh id: somebody forgot to count
 * up. Only before sorting. */
static void rescue_ids(struct cn_reader *r)
{
    struct cn_raw *all = raws(r);
    int64_t n = n_raws(r);

    for (int64_t i = 1; i < n; i++) {
        struct cn_raw *x = &all[i];
        if (x->id != all[i - 1].id || x->replicate_of || x->node != x->id + 1 ||
            (i + 1 < n && all[i + 1].id == x->node))
            continue;
        r->file = x->file;
        cn_reader_warn(r, CN_READ_ID_MISMATCH, x->line, x->node,
                       "heading %lld again, over node %lld: taken as iteration %lld",
                       (long long)x->id, (long long)x->node, (long long)x->node);
        x->id = x->node;
    }
}

static bool keep(struct cn_reader *r, const struct cn_raw *x, const struct cn_raw *last)
{
    if (x->id > CN_CAP_TREE_NODES) {
        WARN(r, x, CN_READ_DROPPED, "no run has so many iterations");
        return false;
    }
    if (x->pending) {
        WARN(r, x, CN_READ_DROPPED, "a pending entry holds no result");
        return false;
    }
    if (last && last->id == x->id) {
        WARN(r, x, CN_READ_DUPLICATE_ID,
             "iteration %lld stands at line %lld already; this one is dropped",
             (long long)x->id, (long long)last->line);
        return false;
    }
    return true;
}

static int64_t sort_and_drop(struct cn_reader *r)
{
    int64_t kept = 0, n = n_raws(r);
    struct cn_raw *all = raws(r);

    if (n == 0)
        return 0;
    check_order(r);
    rescue_ids(r);
    qsort(all, (size_t)n, sizeof(*all), by_id);
    for (int64_t i = 0; i < n; i++)
        if (keep(r, &all[i], kept ? &all[kept - 1] : NULL))
            all[kept++] = all[i];
    return kept;
}

/* ---- which node an iteration trains ---- */

static void resolve_node(struct cn_reader *r, int64_t kept, struct cn_raw *x)
{
    int64_t of = x->replicate_of ? x->replicate_of : x->id;
    const struct cn_raw *first = of < x->id ? kept_with(r, kept, of) : NULL;

    if (x->replicate_of && (!first || first->node != first->id)) {
        WARN(r, x, CN_READ_ID_MISMATCH,
             "replicate of node %lld, which this log does not hold: a node of its own",
             (long long)of);
        of = x->id;
        x->replicate_of = 0;
    } else if (!x->replicate_of && x->node && x->node != x->id) {
        WARN(r, x, CN_READ_ID_MISMATCH,
             "the heading says %lld, the Node line %lld: the heading counts", (long long)x->id,
             (long long)x->node);
    } else if (x->node == 0 && !x->replicate_of) {
        WARN(r, x, CN_READ_DROPPED, "no Node line");
    }
    x->node = of;
}

/* ---- parents ---- */

static int64_t node_of(struct cn_reader *r, int64_t kept, int64_t id)
{
    const struct cn_raw *x = kept_with(r, kept, id);

    return x ? x->node : 0;
}

/* The Node line counts; what the entry before announced only fills a gap. */
static void resolve_parent(struct cn_reader *r, int64_t kept, struct cn_raw *x)
{
    const struct cn_raw *before = kept_with(r, kept, x->id - 1);
    int64_t announced = before ? before->next : CN_READ_NO_PARENT;
    int64_t parent = x->parent != CN_READ_NO_PARENT ? x->parent : announced;

    if (x->parent != CN_READ_NO_PARENT && announced != CN_READ_NO_PARENT &&
        announced != x->id && announced != x->parent)
        WARN(r, x, CN_READ_PARENT_CONFLICT,
             "its Node line says parent %lld, the entry before said %lld (0 = root)",
             (long long)x->parent, (long long)announced);
    if (parent == CN_READ_NO_PARENT)
        parent = 0;
    int64_t node = parent ? node_of(r, kept, parent) : 0;
    if (parent && (node == 0 || node >= x->id)) {
        WARN(r, x, CN_READ_UNKNOWN_PARENT, "parent %lld is no earlier entry: root",
             (long long)parent);
        node = 0;
    }
    x->parent = node;
}

/* ---- rewards ---- */

static double of_slots(const struct cn_reader *r, const struct cn_raw *x)
{
    switch (r->o->multi) {
    case CN_READ_MIN:
        return x->slot_min;
    case CN_READ_MAX:
        return x->slot_max;
    case CN_READ_FIRST:
        return x->slot_first;
    case CN_READ_LAST:
        return x->slot_last;
    default:
        return x->slot_sum / x->n_slots;
    }
}

static void resolve_reward(struct cn_reader *r, struct cn_raw *x)
{
    if (x->outcome != CN_OUTCOME_NONE && x->outcome != CN_OUTCOME_OK) {
        x->reward = (double)NAN;
        x->cls = CN_CLASS_NONE;
        return;
    }
    if (x->n_rewards == 0 && x->n_slots)
        x->reward = of_slots(r, x);
    if (isfinite(x->reward)) {
        x->outcome = CN_OUTCOME_OK;
        return;
    }
    WARN(r, x, CN_READ_NO_REWARD, "%s %s", r->reward, x->n_rewards ? "is nan" : "is not given");
    x->outcome = CN_OUTCOME_CRASHED;
    x->cls = CN_CLASS_NONE;
    if (!x->message[0])
        x->message = x->n_rewards ? "the log says nan" : "the log gives no reward";
}

/* ---- into the history ---- */

/* What the observation says, and the prose of the entry behind it. */
static const char *observation(struct cn_reader *r, const struct cn_raw *x)
{
    const char *text = x->observation;

    if (x->prose.n && text[0])
        text = cn_arena_printf(&r->log->history.arena, "%s | %.*s", text, (int)x->prose.n,
                               x->prose.p);
    else if (x->prose.n)
        text = cn_reader_keep(r, (struct cn_words){x->prose.p, x->prose.n});
    if (!text && r->st == CN_OK)
        r->st = cn_err_set(r->err, CN_ENOMEM, "no memory to read the log");
    return text ? text : "";
}

static void put_entry(struct cn_reader *r, const struct cn_raw *x)
{
    r->log->entries[r->log->n_entries++] =
        (struct cn_read_entry){x->id, x->line, x->file, x->config, x->n_config};
}

static void put_iteration(struct cn_reader *r, const struct cn_raw *x, struct cn_iteration *it)
{
    double sign = r->log->history.info.reward_lower_is_better ? -1 : 1;

    *it =
        (struct cn_iteration){.id = x->id,
                              .node = x->node,
                              .slot = (int32_t)((x->id - 1) % r->log->history.info.n_parallel),
                              .replicate = x->replicate_of && !x->confirmation,
                              .confirmation = x->confirmation,
                              .state = CN_ITER_COMMITTED,
                              .attempt = 1,
                              .sim_seed = x->sim_seed,
                              .train_seed = x->train_seed,
                              .seed_mode = x->seed_mode,
                              .strategy = x->strategy,
                              .parent_rule = x->parent_rule,
                              .scored_value = (double)NAN,
                              .outcome = x->outcome,
                              .seconds = (double)NAN,
                              .cls = x->cls,
                              .reward = sign * x->reward,
                              .metrics = x->metrics,
                              .n_metrics = x->n_metrics,
                              .observation = observation(r, x),
                              .message = x->message,
                              .trajectory = x->trajectory,
                              .activity = x->activity,
                              .embedding = x->embedding,
                              .hypothesis = x->hypothesis,
                              .dir = "",
                              .token = "",
                              .job = ""};
}

static void put_node(const struct cn_raw *x, struct cn_node *n)
{
    *n = (struct cn_node){.id = x->id,
                          .parent = x->parent,
                          .config = "",
                          .mutations = x->mutations,
                          .n_mutations = x->n_mutations,
                          .strategy = x->strategy,
                          .proposer = "imported"};
}

static void put_all(struct cn_reader *r, int64_t kept)
{
    struct cn_history *h = &r->log->history;
    int64_t n_nodes = 0;

    for (int64_t i = 0; i < kept; i++)
        n_nodes += raws(r)[i].node == raws(r)[i].id;
    h->iterations = room(r, kept, sizeof(*h->iterations));
    h->nodes = room(r, n_nodes, sizeof(*h->nodes));
    r->log->entries = room(r, kept, sizeof(*r->log->entries));
    for (int64_t i = 0; r->st == CN_OK && i < kept; i++) {
        const struct cn_raw *x = &raws(r)[i];
        put_iteration(r, x, &h->iterations[h->n_iterations++]);
        put_entry(r, x);
        if (x->node == x->id)
            put_node(x, &h->nodes[h->n_nodes++]);
    }
}

/* ---- blocks ---- */

static const struct cn_raw_block *summary(const struct cn_reader *r, int64_t i)
{
    return &((const struct cn_raw_block *)(const void *)r->blocks.data)[i];
}

static int64_t n_summaries(const struct cn_reader *r)
{
    return (int64_t)(r->blocks.len / sizeof(struct cn_raw_block));
}

/* The first entry of the search with an id of at least `from`; NULL: none. (The history has its
 * iterations by now.) */
static const struct cn_iteration *searched_from(const struct cn_history *h, int64_t from)
{
    int64_t lo = 0, hi = h->n_iterations;

    while (lo < hi) {
        const int64_t mid = lo + (hi - lo) / 2;
        if (h->iterations[mid].id < from)
            lo = mid + 1;
        else
            hi = mid;
    }
    while (lo < h->n_iterations && h->iterations[lo].confirmation)
        lo++;
    return lo < h->n_iterations ? &h->iterations[lo] : NULL;
}

/* Do the summaries follow each other from the beginning, with nothing of the search between them
 * (confirmations may be)? Else they cannot be trusted with the numbering. */
static bool summaries_agree(struct cn_reader *r)
{
    int64_t next = 1;

    for (int64_t i = 0; i < n_summaries(r); i++) {
        const struct cn_raw_block *b = summary(r, i);
        const struct cn_iteration *it = searched_from(&r->log->history, next);
        if (b->number != i + 1 || b->first < next || b->last < b->first ||
            (it && it->id < b->first) || b->last > CN_CAP_TREE_NODES) {
            r->file = b->file;
            cn_reader_warn(r, CN_READ_BLOCKS, b->line, 0,
                           "the summary of block %lld (iters %lld-%lld) does not follow the "
                           "one before: no summary numbers the blocks",
                           (long long)b->number, (long long)b->first, (long long)b->last);
            return false;
        }
        next = b->last + 1;
    }
    return n_summaries(r) > 0;
}

/* A summary of a range that no block of the history has. */
static void check_ranges(struct cn_reader *r)
{
    const struct cn_history *h = &r->log->history;

    for (int64_t i = 0; i < n_summaries(r); i++) {
        const struct cn_raw_block *s = summary(r, i);
        const struct cn_block *b = cn_history_block(h, s->number);
        if (b && b->first == s->first && b->last >= s->last)
            continue;
        r->file = s->file;
        cn_reader_warn(r, CN_READ_BLOCKS, s->line, 0,
                       "it summarises block %lld as iters %lld-%lld; here block %lld is "
                       "%lld-%lld",
                       (long long)s->number, (long long)s->first, (long long)s->last,
                       (long long)s->number, b ? (long long)b->first : 0LL,
                       b ? (long long)b->last : 0LL);
    }
}

static void put_summaries(struct cn_reader *r)
{
    struct cn_read_log *log = r->log;

    log->summaries = room(r, n_summaries(r), sizeof(*log->summaries));
    for (int64_t i = 0; r->st == CN_OK && i < n_summaries(r); i++) {
        const struct cn_raw_block *b = summary(r, i);
        log->summaries[log->n_summaries++] = (struct cn_read_summary){
            b->number, b->line, b->file,
            cn_reader_keep(r, (struct cn_words){b->prose.p, b->prose.n})};
    }
}

static int64_t last_searched(const struct cn_history *h)
{
    int64_t last = 0;

    for (int64_t i = 0; i < h->n_iterations; i++)
        if (!h->iterations[i].confirmation)
            last = h->iterations[i].id;
    return last;
}

/* Summaries by the number that they give, for blocks 0..n (index + 1; 0 = none). A number given
 * twice: the first counts. */
static int64_t *index_summaries(struct cn_reader *r, int64_t n)
{
    int64_t *of = room(r, n + 1, sizeof(*of));

    for (int64_t i = 0; of && i < n_summaries(r); i++) {
        const int64_t number = summary(r, i)->number;
        if (number <= n && of[number] == 0)
            of[number] = i + 1;
    }
    return of;
}

/* What its summary says of a block besides numbers; the one before may announce the regime. */
static void dress_block(const struct cn_reader *r, const int64_t *of, int64_t last,
                        struct cn_block *b)
{
    const struct cn_raw_block *before =
        of[b->number - 1] ? summary(r, of[b->number - 1] - 1) : NULL;
    const struct cn_raw_block *s = of[b->number] ? summary(r, of[b->number] - 1) : NULL;

    if (before && before->n_next_regime) {
        b->regime = before->next_regime;
        b->n_regime = before->n_next_regime;
    }
    if (!s)
        return;
    /* A block that goes on behind the summary's range is not over. */
    b->closed = b->closed || s->last >= b->last || last >= b->last;
    b->edit_note = s->edit_note;
    if (s->n_regime) {
        b->regime = s->regime;
        b->n_regime = s->n_regime;
    }
}

/* first..last of the i-th block; `size` is 0 when nobody knows it: one block to the end. */
static void set_range(const struct cn_reader *r, struct cn_block *b, int64_t i, int64_t size,
                      int64_t told, int64_t last)
{
    if (i < told) {
        b->first = summary(r, i)->first;
        b->last = summary(r, i)->last;
        if (i + 1 == told && b->last > last)
            b->last = last; /* its end is lost: what comes next begins a new block */
        return;
    }
    const int64_t next = told ? summary(r, told - 1)->last + 1 : 1;
    const struct cn_iteration *it =
        told ? searched_from(&r->log->history, next) : NULL; /* behind confirmations */
    b->first = (it ? it->id : next) + (i - told) * size;
    b->last = size ? b->first + size - 1 : last;
}

static void put_blocks(struct cn_reader *r, int64_t size, bool by_summary)
{
    struct cn_history *h = &r->log->history;
    const int64_t last = last_searched(h);
    int64_t rest = last, told = by_summary ? n_summaries(r) : 0;

    while (told > 0 && summary(r, told - 1)->first > last)
        told--; /* summaries of entries that are not there */
    int64_t n = told;
    if (told) { /* behind the summaries, blocks are as long as the first one */
        size = size ? size : summary(r, 0)->last - summary(r, 0)->first + 1;
        const struct cn_iteration *it =
            searched_from(&r->log->history, summary(r, told - 1)->last + 1);
        rest = it ? last - it->id + 1 : 0;
    }
    if (rest > 0)
        n += size ? (rest + size - 1) / size : 1;
    h->blocks = room(r, n, sizeof(*h->blocks));
    int64_t *of = index_summaries(r, n);
    for (int64_t i = 0; r->st == CN_OK && i < n; i++) {
        struct cn_block *b = &h->blocks[h->n_blocks++];
        *b = (struct cn_block){.number = i + 1, .edit_note = ""};
        set_range(r, b, i, size, told, last);
        dress_block(r, of, last, b);
        b->closed = b->closed || i + 1 < n;
    }
    if (h->info.n_iter_block == 0)
        h->info.n_iter_block = size ? size : n ? h->blocks[0].last - h->blocks[0].first + 1 : 0;
}

static void assign_blocks(struct cn_history *h)
{
    int64_t k = 0;

    for (int64_t i = 0; i < h->n_iterations; i++) {
        struct cn_iteration *it = &h->iterations[i];
        while (k + 1 < h->n_blocks && it->id > h->blocks[k].last)
            k++;
        it->block = h->n_blocks && !it->confirmation ? h->blocks[k].number : 0;
    }
    for (int64_t i = 0; i < h->n_nodes; i++) {
        const struct cn_iteration *it = cn_history_iteration(h, h->nodes[i].id);
        h->nodes[i].block = it ? it->block : 0;
    }
}

static void put_messages(struct cn_reader *r)
{
    struct cn_history *h = &r->log->history;
    const size_t n = r->messages.len / sizeof(struct cn_message);

    if (n == 0)
        return;
    h->messages = cn_arena_alloc(&h->arena, n, sizeof(struct cn_message));
    if (!h->messages) {
        r->st = cn_err_set(r->err, CN_ENOMEM, "no memory for %zu instructions", n);
        return;
    }
    memcpy(h->messages, r->messages.data, n * sizeof(struct cn_message));
    h->n_messages = (int64_t)n;
}

static void check_gaps(struct cn_reader *r, int64_t kept)
{
    int64_t last = 0;

    for (int64_t i = 0; i < kept; i++) {
        const struct cn_raw *x = &raws(r)[i];
        if (x->id > last + 1)
            WARN(r, x, CN_READ_GAP,
                 "no entry of iteration %lld%s%.0lld: nothing is known of it",
                 (long long)last + 1, x->id > last + 2 ? " to " : "",
                 x->id > last + 2 ? (long long)x->id - 1 : 0LL);
        last = x->id;
    }
}

void cn_reader_build(struct cn_reader *r)
{
    int64_t kept = sort_and_drop(r);
    struct cn_raw *all = raws(r);
    struct cn_run_info *info = &r->log->history.info;

    check_gaps(r, kept);
    /* Nodes before parents: a parent may be named by the id of a replicate. */
    for (int64_t i = 0; i < kept; i++)
        resolve_node(r, kept, &all[i]);
    for (int64_t i = 0; i < kept; i++) {
        resolve_parent(r, kept, &all[i]);
        resolve_reward(r, &all[i]);
    }
    put_all(r, kept);
    put_messages(r);
    put_summaries(r);
    if (r->o->n_iter_block)
        info->n_iter_block = r->o->n_iter_block;
    const bool by_summary = r->o->n_iter_block == 0 && r->st == CN_OK && summaries_agree(r);
    if (!by_summary && info->n_iter_block == 0)
        info->n_iter_block = r->o->n_iter_block_default;
    if (r->st == CN_OK)
        put_blocks(r, info->n_iter_block, by_summary);
    if (r->st == CN_OK) {
        assign_blocks(&r->log->history);
        check_ranges(r);
    }
}
