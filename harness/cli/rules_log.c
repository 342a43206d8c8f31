/* cairn protocol log|diff|revert: how the rules of a run changed, and the way back. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "harness/cli/paths.h"
#include "harness/cli/verbs.h"
#include "harness/loop/edits.h"
#include "logs/store.h"
#include "protocols/edit.h"

struct run {
    char *dir; /* owned */
    struct cn_store *store;
    struct cn_history h; /* texts and events */
};

static cn_status open_run(const struct cn_cli_args *args, struct run *r, struct cn_err *err)
{
    memset(r, 0, sizeof *r);
    cn_status st =
        cn_cli_run_dir(args->positional[1], cn_cli_value(args, "runs"), 1, &r->dir, err);
    if (st == CN_OK)
        st = cn_store_open(r->dir, CN_STORE_READ, &r->store, err);
    if (st == CN_OK)
        st = cn_store_history(r->store, &r->h, err);
    return st;
}

static int close_run(struct run *r, cn_status st, const struct cn_err *err)
{
    cn_history_clear(&r->h);
    cn_store_close(r->store);
    cn_free(r->dir);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn", err);
}

static int64_t count_versions(const struct cn_history *h)
{
    int64_t n = 0;

    for (int64_t i = 0; i < h->n_texts; i++)
        if (strcmp(h->texts[i].kind, CN_EDITS_KIND) == 0 && h->texts[i].version > n)
            n = h->texts[i].version;
    return n;
}

/* A number of a version that there is. */
static cn_status take_version(const char *text, int64_t last, int64_t *out, struct cn_err *err)
{
    if (cn_text_parse_int64(text, out) && *out >= 1 && *out <= last)
        return CN_OK;
    return cn_err_set(err, CN_EINPUT, "'%s': a version of the protocol was expected, 1 to %lld",
                      text, (long long)last);
}

/* -- diff -- */

static cn_status diff_of(struct run *r, int64_t a, int64_t b, struct cn_buf *out,
                         struct cn_err *err)
{
    char name_a[40], name_b[40];
    struct cn_buf x, y;

    cn_buf_init(&x, CN_CAP_PROTOCOL);
    cn_buf_init(&y, CN_CAP_PROTOCOL);
    cn_status st = cn_store_text(r->store, CN_EDITS_KIND, a, &x, err);
    if (st == CN_OK)
        st = cn_store_text(r->store, CN_EDITS_KIND, b, &y, err);
    if (st == CN_OK) {
        cn_text_format(name_a, sizeof name_a, "version %lld", (long long)a);
        cn_text_format(name_b, sizeof name_b, "version %lld", (long long)b);
        cn_edit_diff(name_a, cn_buf_str(&x), name_b, cn_buf_str(&y), out);
        if (cn_buf_status(out) != CN_OK)
            st = cn_err_set(err, cn_buf_status(out), "the difference cannot be shown");
    }
    cn_buf_clear(&x);
    cn_buf_clear(&y);
    return st;
}

int cn_cli_protocol_diff(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct run r;
    struct cn_buf out;
    int64_t a, b;

    cn_buf_init(&out, CN_CAP_TEXT);
    cn_status st = open_run(args, &r, &err);
    b = count_versions(&r.h);
    a = b > 1 ? b - 1 : b;
    if (st == CN_OK && args->n_positional > 2)
        st = take_version(args->positional[2], b, &a, &err);
    if (st == CN_OK && args->n_positional > 3)
        st = take_version(args->positional[3], b, &b, &err);
    if (st == CN_OK)
        st = diff_of(&r, a, b, &out, &err);
    if (st == CN_OK)
        fputs(cn_buf_str(&out), stdout);
    cn_buf_clear(&out);
    return close_run(&r, st, &err);
}

/* -- log -- */

struct row {
    const struct cn_text_version *t;
    int added, removed;  /* lines, against the version before */
    const char *effect;  /* words; NULL: not measured */
    int64_t together;    /* measured together with this later version; 0: alone */
    const char *verdict; /* "" when not measured */
};

static cn_status count_lines(struct run *r, struct row *row, struct cn_err *err)
{
    struct cn_buf out;
    const char *s;
    cn_status st = CN_OK;

    cn_buf_init(&out, CN_CAP_TEXT);
    if (row->t->version > 1)
        st = diff_of(r, row->t->version - 1, row->t->version, &out, err);
    s = strstr(cn_buf_str(&out), "\n@@"); /* past the names */
    for (; s; s = strchr(s + 1, '\n')) {
        row->added += s[1] == '+';
        row->removed += s[1] == '-';
    }
    cn_buf_clear(&out);
    return st;
}

/* "version 3: ..." and "versions 2 to 3: ...", as harness/loop/edits.c words them. */
static void find_effect(const struct cn_history *h, struct row *row)
{
    row->verdict = "";
    for (int64_t i = 0; i < h->n_events; i++) {
        const char *text = h->events[i].text, *colon = strstr(text, ": ");
        long long a = 0, b = 0;

        if (strcmp(h->events[i].kind, CN_EDITS_EVENT_EFFECT) != 0 || !colon)
            continue;
        if (sscanf(text, "version %lld:", &a) == 1)
            b = a;
        else if (sscanf(text, "versions %lld to %lld:", &a, &b) != 2)
            continue;
        if (row->t->version < a || row->t->version > b)
            continue;
        row->effect = colon + 2;
        row->together = row->t->version < b ? b : 0;
        row->verdict = cn_edit_verdict_find(row->effect);
        row->verdict = row->verdict ? row->verdict : "";
    }
}

static void print_row(const struct row *row)
{
    const struct cn_text_version *t = row->t;
    char when[CN_TIME_TEXT];

    printf("version %lld  %s  block %lld  by %s  +%d -%d\n", (long long)t->version,
           cn_clock_iso(t->at_ms, when), (long long)t->block, t->author, row->added,
           row->removed);
    if (t->reason[0])
        printf("    %s\n", t->reason);
    if (row->together)
        printf("    effect: measured together with version %lld\n", (long long)row->together);
    else if (row->effect)
        printf("    effect: %s\n", row->effect);
}

static void add_row_json(struct cn_json_writer *w, const struct row *row)
{
    const struct cn_text_version *t = row->t;
    char when[CN_TIME_TEXT];

    cn_json_open(w, NULL, '{');
    cn_json_add_int(w, "version", t->version);
    cn_json_add_string(w, "at", cn_clock_iso(t->at_ms, when));
    cn_json_add_int(w, "block", t->block);
    cn_json_add_string(w, "author", t->author);
    cn_json_add_string(w, "reason", t->reason);
    cn_json_add_string(w, "hash", t->hash);
    cn_json_add_int(w, "added", row->added);
    cn_json_add_int(w, "removed", row->removed);
    cn_json_add_string(w, "verdict", row->verdict);
    cn_json_add_string(w, "effect", row->effect ? row->effect : "");
    if (row->together)
        cn_json_add_int(w, "measured_with", row->together);
    cn_json_close(w);
}

int cn_cli_protocol_log(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    bool json = cn_cli_flag(args, "json");
    struct cn_json_writer w;
    struct cn_buf b;
    struct run r;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_status st = open_run(args, &r, &err);
    cn_json_begin(&w, &b, 2);
    cn_json_open(&w, NULL, '[');
    for (int64_t i = 0; st == CN_OK && i < r.h.n_texts; i++) {
        struct row row = {.t = &r.h.texts[i]};

        if (strcmp(row.t->kind, CN_EDITS_KIND) != 0)
            continue;
        st = count_lines(&r, &row, &err);
        find_effect(&r.h, &row);
        if (json)
            add_row_json(&w, &row);
        else if (st == CN_OK)
            print_row(&row);
    }
    cn_json_close(&w);
    if (st == CN_OK && json && cn_buf_status(&b) != CN_OK)
        st = cn_err_set(&err, cn_buf_status(&b), "the log is too large to print");
    if (st == CN_OK && json)
        puts(cn_buf_str(&b));
    cn_buf_clear(&b);
    return close_run(&r, st, &err);
}

/* -- revert -- */

int cn_cli_protocol_revert(const struct cn_cli_args *args)
{
    struct cn_err err = CN_ERR_INIT;
    struct run r;
    int64_t version = 0;
    bool left = false;

    cn_status st = open_run(args, &r, &err);
    if (st == CN_OK && args->n_positional < 3)
        st = cn_err_set(&err, CN_EINPUT,
                        "protocol revert: which version? cairn protocol log %s lists them",
                        args->positional[1]);
    if (st == CN_OK && args->n_positional > 3)
        st = cn_err_set(&err, CN_EINPUT, "protocol revert: one version was expected");
    if (st == CN_OK)
        st = take_version(args->positional[2], count_versions(&r.h), &version, &err);
    cn_store_close(r.store);
    r.store = NULL;
    if (st == CN_OK)
        st = cn_edits_revert(r.dir, version, &left, &err);
    if (st == CN_EEXIST) {
        printf("nothing to do: %s\n", err.text);
        st = CN_OK;
    } else if (st == CN_OK && left) {
        printf("a harness is at work: protocol.md holds the words of version %lld now, and the "
               "harness\ntakes them over as a version by \"user\" before it plans the next "
               "iteration\n",
               (long long)version);
    } else if (st == CN_OK) {
        printf("the words of version %lld are in force again, as version %lld by \"user\"\n",
               (long long)version, (long long)count_versions(&r.h) + 1);
    }
    return close_run(&r, st, &err);
}
