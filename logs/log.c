/* See log.h. */
#include "logs/log.h"

#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/hash.h"
#include "logs/project_int.h"

/* Iterations that are loaded at once where the window does not reach. */
enum { PIECE = 500 };

/* ---- walking over entries ---- */

/* One committed iteration; `settled` and `block_end` as cn_log_is_settled says. */
typedef cn_status entry_fn(void *ctx, const struct cn_history *h, int64_t at, bool settled,
                           bool block_end, struct cn_err *err);

static bool is_over(const struct cn_history *h, int64_t at, int64_t upto)
{
    return at >= h->n_iterations || h->iterations[at].id > upto ||
           !cn_fact_committed(&h->iterations[at]);
}

static int64_t position_of(const struct cn_history *h, int64_t id)
{
    int64_t lo = 0, hi = h->n_iterations;

    while (lo < hi) {
        int64_t mid = lo + (hi - lo) / 2;
        if (h->iterations[mid].id < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static cn_status walk_here(const struct cn_history *h, int64_t from, int64_t upto, entry_fn *fn,
                           void *ctx, struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int64_t i = position_of(h, from); st == CN_OK && !is_over(h, i, upto); i++) {
        bool block_end, settled = cn_log_is_settled(h, i, &block_end);
        st = fn(ctx, h, i, settled, block_end, err);
    }
    return st;
}

/* A piece ends with a block, so that a summary finds all of its block in it. `first`: where what
 * is in memory begins. */
static int64_t piece_end(const struct cn_history *h, int64_t from, int64_t first)
{
    int64_t end = from + PIECE - 1, lo = 0, hi = h->n_blocks;

    while (lo < hi) { /* the first block that begins behind `end` */
        int64_t mid = lo + (hi - lo) / 2;
        if (h->blocks[mid].first <= end)
            lo = mid + 1;
        else
            hi = mid;
    }
    end = lo < h->n_blocks ? h->blocks[lo].first - 1 : INT64_MAX;
    return end < first - 1 ? end : first - 1;
}

/* Committed entries from..upto in order, from memory where they are there, else from the store.
 * The entry behind a piece is loaded with it: its parent stands in the last line. */
static cn_status walk(struct cn_store *s, const struct cn_history *h, int64_t from,
                      int64_t upto, entry_fn *fn, void *ctx, struct cn_err *err)
{
    cn_status st = CN_OK;

    while (st == CN_OK && from < h->older.first && from <= upto) {
        int64_t end = piece_end(h, from, h->older.first);
        struct cn_history piece;

        st = cn_store_range(s, from, end + 1, &piece, err);
        if (st == CN_OK)
            st = walk_here(&piece, from, end < upto ? end : upto, fn, ctx, err);
        cn_history_clear(&piece);
        from = end + 1;
    }
    return st == CN_OK ? walk_here(h, from, upto, fn, ctx, err) : st;
}

static cn_status text_status(const struct cn_buf *b, struct cn_err *err)
{
    cn_status st = cn_buf_status(b);

    return st == CN_OK ? st : cn_err_set(err, st, "the log does not fit in memory");
}

/* ---- the open volume ---- */

struct making {
    struct cn_log *l;
    struct cn_store *s;
    const struct cn_history *whole; /* for names */
    bool seal;
    bool moving; /* an entry was not settled: nothing behind it is */
};

static void begin_volume(struct cn_log *l, const struct cn_history *h)
{
    cn_buf_reset(&l->text);
    cn_log_head(h, l->n_volumes, l->last, &l->text);
    l->settled = l->text.len;
    l->first = l->next = l->last + 1;
}

/* The file first, then the row that says it is there: in between a crash leaves a file that the
 * next harness writes again with the same bytes. */
static cn_status seal(struct making *m, int64_t last, struct cn_err *err)
{
    struct cn_log *l = m->l;
    struct cn_volume v = {.number = l->n_volumes + 1,
                          .first = l->first,
                          .last = last,
                          .bytes = (int64_t)l->text.len};
    char name[CN_PROJECT_NAME];
    char *path =
        cn_file_join(cn_store_dir(m->s), cn_project_volume_name(m->whole, v.number, name));
    cn_status st = path ? cn_project_set_aside(path, &l->text, err)
                        : cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", name);

    if (st == CN_OK)
        st = cn_file_replace(path, cn_buf_str(&l->text), l->text.len, err);
    cn_free(path);
    cn_hash_hex(cn_buf_str(&l->text), l->text.len, v.hash);
    if (st == CN_OK)
        st = cn_store_volume_add(m->s, &v, err);
    if (st != CN_OK)
        return st;
    l->n_volumes++;
    l->last = last;
    begin_volume(l, m->whole);
    return CN_OK;
}

static cn_status add_entry(void *ctx, const struct cn_history *h, int64_t at, bool settled,
                           bool block_end, struct cn_err *err)
{
    struct making *m = ctx;
    struct cn_log *l = m->l;
    size_t most = l->volume ? l->volume : CN_LOG_VOLUME;

    cn_log_entry(h, at, &l->text);
    cn_status st = text_status(&l->text, err);
    m->moving = m->moving || !settled;
    if (st != CN_OK || m->moving)
        return st;
    l->settled = l->text.len;
    l->next = h->iterations[at].id + 1;
    return block_end && m->seal && l->text.len > most ? seal(m, h->iterations[at].id, err) : st;
}

static bool fits(const struct cn_log *l, const struct cn_history *h)
{
    return l->begun && l->n_volumes >= h->n_volumes;
}

cn_status cn_log_make(struct cn_log *l, struct cn_store *s, const struct cn_history *h,
                      bool read_only, struct cn_err *err)
{
    struct making m = {l, s, h, !read_only, false};

    if (!fits(l, h)) {
        if (!l->text.cap)
            cn_buf_init(&l->text, CN_CAP_FILE);
        l->n_volumes = h->n_volumes;
        l->last = h->n_volumes ? h->volumes[h->n_volumes - 1].last : 0;
        begin_volume(l, h);
        l->begun = true;
    }
    if (l->text.len > l->settled) {
        l->text.len = l->settled;
        l->text.data[l->settled] = '\0';
    }
    return walk(s, h, l->next, INT64_MAX, add_entry, &m, err);
}

bool cn_log_take(struct cn_log *l, const struct cn_history *h, const struct cn_buf *disk,
                 int64_t settled, int64_t next)
{
    int64_t last = h->n_volumes ? h->volumes[h->n_volumes - 1].last : 0;

    if (l->begun || settled <= 0 || (size_t)settled > disk->len || next <= last)
        return false;
    if (!l->text.cap)
        cn_buf_init(&l->text, CN_CAP_FILE);
    cn_buf_reset(&l->text);
    cn_buf_add(&l->text, cn_buf_str(disk), (size_t)settled);
    if (cn_buf_status(&l->text) != CN_OK)
        return false;
    l->settled = l->text.len;
    l->next = next;
    l->n_volumes = h->n_volumes;
    l->last = last;
    l->first = last + 1;
    l->begun = true;
    return true;
}

void cn_log_clear(struct cn_log *l)
{
    cn_buf_clear(&l->text);
    l->begun = false;
}

/* ---- sealed volumes, and all of it ---- */

static cn_status add_text(void *ctx, const struct cn_history *h, int64_t at, bool settled,
                          bool block_end, struct cn_err *err)
{
    struct cn_buf *out = ctx;

    (void)settled;
    (void)block_end;
    cn_log_entry(h, at, out);
    return text_status(out, err);
}

cn_status cn_log_volume(struct cn_store *s, const struct cn_history *h,
                        const struct cn_volume *v, struct cn_buf *out, struct cn_err *err)
{
    cn_buf_reset(out);
    cn_log_head(h, v->number - 1, v->first - 1, out);
    return walk(s, h, v->first, v->last, add_text, out, err);
}

struct printing {
    struct cn_buf text;
    cn_log_put_fn *put;
    void *ctx;
};

static cn_status print_entry(void *ctx, const struct cn_history *h, int64_t at, bool settled,
                             bool block_end, struct cn_err *err)
{
    struct printing *p = ctx;

    cn_buf_reset(&p->text);
    cn_status st = add_text(&p->text, h, at, settled, block_end, err);
    return st == CN_OK ? p->put(p->ctx, cn_buf_str(&p->text), p->text.len, err) : st;
}

cn_status cn_log_print(struct cn_store *s, const struct cn_history *h, cn_log_put_fn *put,
                       void *ctx, struct cn_err *err)
{
    struct printing p = {.put = put, .ctx = ctx};

    cn_buf_init(&p.text, CN_CAP_FILE);
    cn_log_head(h, 0, 0, &p.text);
    cn_status st = text_status(&p.text, err);
    if (st == CN_OK)
        st = put(ctx, cn_buf_str(&p.text), p.text.len, err);
    if (st == CN_OK)
        st = walk(s, h, 1, INT64_MAX, print_entry, &p, err);
    cn_buf_clear(&p.text);
    return st;
}
