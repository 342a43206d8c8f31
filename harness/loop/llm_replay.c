/* See llm_replay.h. */
#include "harness/loop/llm_replay.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/llm/models.h"
#include "logs/exchange.h"
#include "logs/store.h"

enum { FACT = 4096, AROUND = 60, HEADING = 60 };

struct cn_replay {
    struct cn_llm_replay llm;
    struct cn_store *store; /* owned */
    bool loose, has_caps;
    struct cn_llm_caps caps;
    char *model, *dialect; /* owned */
    char prices[64];
    char *purpose; /* owned; of the ask before, whose turns are counted */
    int32_t turn;
    struct cn_llm_usage usage; /* of the answer found last */
    double usd, seconds;
};

/* ------------------------------------------------------------------ what differs */

/* Where the two part. */
static size_t first_difference(const struct cn_buf *a, const struct cn_buf *b)
{
    const char *x = cn_buf_str(a), *y = cn_buf_str(b);
    size_t i = 0;

    while (i < a->len && i < b->len && x[i] == y[i])
        i++;
    return i;
}

/* The last Markdown heading before `at`, as it stands in JSON text ("\n## Name\n") or in plain text;
 * "its beginning" when there is none. */
static void heading_before(const struct cn_buf *t, size_t at, char out[HEADING + 1])
{
    const char *s = cn_buf_str(t);
    size_t from = 0, n = 0;
    bool found = false;

    for (size_t i = 0; i + 1 < t->len && i <= at; i++) {
        bool line = i == 0 || s[i - 1] == '\n' || s[i - 1] == '"' ||
                    (i >= 2 && s[i - 2] == '\\' && s[i - 1] == 'n');
        if (line && s[i] == '#') {
            from = i;
            found = true;
        }
    }
    while (found && n < HEADING && from + n < t->len && s[from + n] != '\n' &&
           s[from + n] != '\\' && s[from + n] != '"')
        n++;
    cn_text_format(out, HEADING + 1, "%.*s", found ? (int)n : HEADING,
                   found ? s + from : "its beginning");
}

static int piece(const struct cn_buf *t, size_t at, const char **out)
{
    size_t n = at < t->len ? t->len - at : 0;

    *out = cn_buf_str(t) + (at < t->len ? at : t->len);
    return (int)cn_text_utf8_cut(*out, n, AROUND);
}

static cn_status tell_difference(struct cn_replay *r, const struct cn_llm_attempt *a,
                                 int64_t body, struct cn_err *err)
{
    char heading[HEADING + 1];
    const char *was, *is;
    struct cn_buf recorded, now;
    cn_status st;

    cn_buf_init(&recorded, CN_CAP_TEXT);
    cn_buf_init(&now, CN_CAP_TEXT);
    cn_exchange_slim(a->body, a->body_size, &now);
    st = cn_exchange_body(r->store, body, &recorded, err);
    if (st == CN_OK) {
        size_t at = first_difference(&recorded, &now);
        int n = piece(&recorded, at, &was), m = piece(&now, at, &is);

        heading_before(&now, at, heading);
        st = cn_err_set(err, CN_ENOTFOUND,
                        "replay: \"%s\", turn %d: the request differs from the recorded one "
                        "from byte %zu on, in %s: recorded \"%.*s\", now \"%.*s\"",
                        a->purpose, (int)r->turn, at, heading, n, was, m, is);
    }
    cn_buf_clear(&recorded);
    cn_buf_clear(&now);
    return st;
}

/* ------------------------------------------------------------------ finding */

struct found {
    struct cn_replay *r;
    int status;
    int64_t body;
    struct cn_buf *reply; /* NULL: only the body is wanted */
};

static cn_status take(void *ctx, const struct cn_exchange_attempt *a, struct cn_err *err)
{
    struct found *f = ctx;
    const struct cn_exchange_got *g = &a->got;

    f->body = a->body;
    if (!f->reply)
        return CN_OK;
    if (a->reply_bytes > (int64_t)g->reply_size)
        return cn_err_set(err, CN_EUNSUPPORTED,
                          "replay: exchange %lld, request %d: the reply of %lld bytes was not "
                          "kept whole",
                          (long long)a->exchange, (int)a->number, (long long)a->reply_bytes);
    f->status = g->status;
    f->r->usage = (struct cn_llm_usage){.known = g->known,
                                        .input = g->input,
                                        .cache_read = g->cache_read,
                                        .cache_write = g->cache_write,
                                        .output = g->output};
    f->r->usd = g->usd;
    f->r->seconds = g->seconds;
    cn_buf_add(f->reply, g->reply, g->reply_size);
    return cn_buf_status(f->reply);
}

/* A need's asks are its turns, in order. */
static cn_status count_turn(struct cn_replay *r, const struct cn_llm_attempt *a,
                            struct cn_err *err)
{
    if (a->number > 1)
        return CN_OK;
    if (r->purpose && strcmp(r->purpose, a->purpose) == 0) {
        r->turn++;
        return CN_OK;
    }
    cn_free(r->purpose);
    r->purpose = cn_strdup(a->purpose);
    r->turn = 1;
    return r->purpose ? CN_OK : cn_err_set(err, CN_ENOMEM, "no memory for a replay");
}

static cn_status find(void *ctx, const struct cn_llm_attempt *a, int *out_status,
                      struct cn_buf *out_reply, char out_dialect[32], struct cn_err *err)
{
    struct cn_replay *r = ctx;
    struct found f = {.r = r, .reply = out_reply};
    cn_status st = count_turn(r, a, err);

    cn_text_format(out_dialect, 32, "%.31s", r->dialect);
    r->usage = (struct cn_llm_usage){.known = true};
    r->usd = r->seconds = 0;
    if (st == CN_OK)
        st = cn_exchange_find(r->store, a->purpose, a->body_hash, r->turn, a->number, take, &f,
                              err);
    if (st == CN_ENOTFOUND) {
        f.reply = r->loose ? out_reply : NULL;
        st = cn_exchange_find(r->store, a->purpose, "", r->turn, a->number, take, &f, err);
        if (st == CN_OK && !r->loose)
            st = tell_difference(r, a, f.body, err);
    }
    *out_status = f.status;
    return st;
}

/* ------------------------------------------------------------------ opening */

struct seen {
    struct cn_replay *r;
};

static cn_status see_model(void *ctx, const struct cn_exchange *e, struct cn_err *err)
{
    struct seen *s = ctx;

    if (!s->r->model) {
        s->r->model = cn_strdup(e->model);
        s->r->dialect = cn_strdup(e->dialect);
        if (!s->r->model || !s->r->dialect)
            return cn_err_set(err, CN_ENOMEM, "no memory for a replay");
    } else if (strcmp(s->r->model, e->model) != 0 || strcmp(s->r->dialect, e->dialect) != 0) {
        return cn_err_set(err, CN_EUNSUPPORTED,
                          "replay: %s asked two models (%s, then %s); one can be replayed",
                          cn_store_dir(s->r->store), s->r->model, e->model);
    }
    return CN_OK;
}

static cn_status load_facts(struct cn_replay *r, struct cn_err *err)
{
    struct cn_buf fact;
    cn_status st;

    cn_buf_init(&fact, FACT);
    st = cn_store_fact(r->store, "llm.prices", &fact, NULL);
    if (st == CN_OK)
        cn_text_format(r->prices, sizeof r->prices, "%.60s", cn_buf_str(&fact));
    st = cn_store_fact(r->store, "llm.caps", &fact, NULL);
    r->has_caps = st == CN_OK;
    if (st == CN_OK)
        st = cn_llm_caps_set(&r->caps, cn_buf_str(&fact), "llm.caps", err);
    else if (st == CN_ENOTFOUND)
        st = CN_OK;
    else
        st =
            cn_err_set(err, st, "%s: the fact llm.caps cannot be read", cn_store_dir(r->store));
    cn_buf_clear(&fact);
    return st;
}

cn_status cn_replay_open(const char *run_dir, bool loose, struct cn_replay **out,
                         struct cn_err *err)
{
    struct cn_replay *r = cn_alloc(1, sizeof *r);
    struct seen s = {r};
    cn_status st;

    *out = NULL;
    if (!r)
        return cn_err_set(err, CN_ENOMEM, "no memory for a replay");
    r->loose = loose;
    st = cn_store_open(run_dir, CN_STORE_READ, &r->store, err);
    if (st == CN_OK)
        st = cn_exchange_each(r->store, 0, 0, see_model, &s, err);
    if (st == CN_OK && !r->model)
        st = cn_err_set(err, CN_EINPUT, "replay: %s: no model was asked in this run", run_dir);
    if (st == CN_OK)
        st = load_facts(r, err);
    if (st == CN_OK) {
        r->llm = (struct cn_llm_replay){r, r->dialect, r->model, find};
        *out = r;
    } else {
        cn_replay_close(r);
    }
    return st;
}

static bool holds_run(const char *dir)
{
    char *db = dir ? cn_file_join(dir, CN_STORE_FILE) : NULL;
    bool yes = db && cn_file_exists(db);

    cn_free(db);
    return yes;
}

cn_status cn_replay_open_spec(const char *spec, const char *run_dir, bool loose,
                              struct cn_replay **out, struct cn_err *err)
{
    static const char word[] = "replay:";
    const char *name = spec + sizeof word - 1;
    char *beside, *up;
    cn_status st;

    *out = NULL;
    if (!cn_text_starts(spec, word))
        return CN_OK;
    up = cn_file_join(run_dir, "..");
    beside = up ? cn_file_join(up, name) : NULL;
    if (!beside)
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory for a path", spec);
    else if (!holds_run(name) && !holds_run(beside))
        st = cn_err_set(err, CN_EINPUT, "%s: there is no run '%s', as a path or beside %s",
                        spec, name, run_dir);
    else
        st = cn_replay_open(holds_run(name) ? name : beside, loose, out, err);
    cn_free(up);
    cn_free(beside);
    return st;
}

void cn_replay_close(struct cn_replay *r)
{
    if (!r)
        return;
    cn_store_close(r->store);
    cn_free(r->model);
    cn_free(r->dialect);
    cn_free(r->purpose);
    cn_free(r);
}

const struct cn_llm_replay *cn_replay_llm(struct cn_replay *r)
{
    return &r->llm;
}

const struct cn_llm_caps *cn_replay_caps(const struct cn_replay *r)
{
    return r->has_caps ? &r->caps : NULL;
}

const char *cn_replay_prices(const struct cn_replay *r)
{
    return r->prices;
}

void cn_replay_last(const struct cn_replay *r, struct cn_llm_usage *usage, double *usd,
                    double *seconds)
{
    *usage = r->usage;
    *usd = r->usd;
    *seconds = r->seconds;
}
