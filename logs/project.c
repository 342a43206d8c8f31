/* Projections as files. How a person's edit is told from a crash of ours: the store keeps two
 * hashes per file, of the bytes that were there and of the bytes that were about to be written,
 * and records them before the file is replaced. A file whose hash is neither was written by
 * somebody else. */
#include "logs/project.h"

#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "logs/project_int.h"

/* ---- names ---- */

const char *cn_project_name(const struct cn_history *h, cn_project_kind k,
                            char out[CN_PROJECT_NAME])
{
    const char *run = h->info.name && h->info.name[0] ? h->info.name : "run";
    int n = (int)(strlen(run) < 255 ? strlen(run) : 255);

    switch (k) {
    case CN_PROJECT_ANALYSIS:
        cn_text_format(out, CN_PROJECT_NAME, "%.*s_analysis.md", n, run);
        break;
    case CN_PROJECT_MEMORY:
        cn_text_format(out, CN_PROJECT_NAME, "%.*s_memory.md", n, run);
        break;
    case CN_PROJECT_SCORES:
        cn_text_copy(out, CN_PROJECT_NAME, "ucb_scores.txt");
        break;
    default:
        cn_text_copy(out, CN_PROJECT_NAME, "report.md");
    }
    return out;
}

const char *cn_project_volume_name(const struct cn_history *h, int64_t number,
                                   char out[CN_PROJECT_NAME])
{
    char open[CN_PROJECT_NAME];

    cn_project_name(h, CN_PROJECT_ANALYSIS, open);
    cn_text_format(out, CN_PROJECT_NAME, "%.*s.%03lld.md", (int)(strlen(open) - 3), open,
                   (long long)number);
    return out;
}

/* ---- what a file holds and whether we wrote it ---- */

struct place {
    char name[CN_PROJECT_NAME];
    char *path;         /* owned */
    struct cn_buf disk; /* its bytes; empty when absent */
    bool exists;
    char hash[CN_HASH_TEXT];                    /* of the bytes on disk */
    char old[CN_HASH_TEXT], next[CN_HASH_TEXT]; /* as the store knows it; "" never written */
    struct cn_projection_mark mark;
};

static cn_status place_open(struct place *p, struct cn_store *s, const struct cn_history *h,
                            cn_project_kind k, struct cn_err *err)
{
    memset(p, 0, sizeof(*p));
    cn_buf_init(&p->disk, CN_CAP_FILE);
    cn_project_name(h, k, p->name);
    p->path = cn_file_join(cn_store_dir(s), p->name);
    if (!p->path)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", p->name);
    cn_status st = cn_file_read(p->path, CN_CAP_FILE, &p->disk, err);
    p->exists = st == CN_OK;
    if (st == CN_ENOTFOUND)
        st = CN_OK;
    if (p->exists)
        cn_hash_hex(cn_buf_str(&p->disk), p->disk.len, p->hash);
    if (st == CN_OK) {
        st = cn_store_projection(s, p->name, p->old, p->next, err);
        if (st == CN_ENOTFOUND)
            st = CN_OK;
    }
    return st == CN_OK ? cn_store_projection_marked(s, p->name, &p->mark, err) : st;
}

static void place_close(struct place *p)
{
    cn_buf_clear(&p->disk);
    cn_free(p->path);
}

static bool is_ours(const struct place *p)
{
    return !p->exists || strcmp(p->hash, p->old) == 0 || strcmp(p->hash, p->next) == 0;
}

/* ---- a person's edit ---- */

/* "<stem>.user-<n><.ext>" */
static char *aside_path(const char *path, int n)
{
    const char *dot = strrchr(path, '.');
    size_t stem = dot ? (size_t)(dot - path) : strlen(path);
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_RECORD);
    cn_buf_add(&b, path, stem);
    cn_buf_printf(&b, ".user-%d%s", n, dot ? dot : "");
    return cn_buf_take(&b);
}

/* Copy to the first free name, unless these very bytes were kept already (a crash came after
 * the copy). */
static cn_status keep_aside(const struct place *p, struct cn_err *err)
{
    struct cn_buf there;
    cn_status st = CN_OK;
    bool done = false;

    cn_buf_init(&there, CN_CAP_FILE);
    for (int n = 1; st == CN_OK && !done; n++) {
        char *path = aside_path(p->path, n);
        if (!path) {
            st = cn_err_set(err, CN_ENOMEM, "%s: no memory for a path", p->name);
        } else if (!cn_file_exists(path)) {
            st = cn_file_replace(path, cn_buf_str(&p->disk), p->disk.len, err);
            done = true;
        } else {
            st = cn_file_read(path, CN_CAP_FILE, &there, err);
            done = st == CN_OK && there.len == p->disk.len &&
                   memcmp(cn_buf_str(&there), cn_buf_str(&p->disk), there.len) == 0;
        }
        cn_free(path);
    }
    cn_buf_clear(&there);
    return st;
}

cn_status cn_project_set_aside(const char *path, const struct cn_buf *text, struct cn_err *err)
{
    struct place p;
    cn_status st;

    memset(&p, 0, sizeof p);
    cn_buf_init(&p.disk, CN_CAP_FILE);
    p.path = cn_strdup(path);
    cn_text_format(p.name, sizeof p.name, "%.300s", path);
    st = p.path ? cn_file_read(path, CN_CAP_FILE, &p.disk, err)
                : cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", path);
    if (st == CN_OK && (p.disk.len != text->len ||
                        memcmp(cn_buf_str(&p.disk), cn_buf_str(text), text->len) != 0))
        st = keep_aside(&p, err);
    place_close(&p);
    return st == CN_ENOTFOUND ? CN_OK : st;
}

/* A text version holds no NUL and is UTF-8; what is not stays in the file kept aside alone. */
static bool is_text(const struct cn_buf *b)
{
    return cn_text_utf8_valid(cn_buf_str(b), b->len) && !memchr(cn_buf_str(b), 0, b->len);
}

static cn_status adopt(struct cn_store *s, struct place *p, bool memory, struct cn_err *err)
{
    struct cn_buf words;
    cn_status st = keep_aside(p, err);

    cn_buf_init(&words, CN_CAP_TEXT);
    if (st == CN_OK && p->disk.len && is_text(&p->disk)) {
        if (memory)
            cn_memory_free_text(cn_buf_str(&p->disk), p->disk.len, &words);
        st = cn_buf_status(&words);
        if (st == CN_OK)
            st = cn_store_user_edit(s, p->name, cn_buf_str(&p->disk),
                                    memory ? cn_buf_str(&words) : NULL, err);
        else
            st = cn_err_set(err, st, "%s: too long to take over", p->name);
    }
    /* From here on these bytes are known, so that a repeat does not take them for a new
     * edit. */
    if (st == CN_OK)
        st = cn_store_projection_set(s, p->name, p->hash, p->next, err);
    if (st == CN_OK)
        cn_text_copy(p->old, sizeof(p->old), p->hash);
    cn_buf_clear(&words);
    return st;
}

cn_status cn_project_adopt_edits(struct cn_store *s, const struct cn_history *h,
                                 struct cn_err *err)
{
    struct place p;
    cn_status st = place_open(&p, s, h, CN_PROJECT_MEMORY, err);

    if (st == CN_OK && !is_ours(&p))
        st = adopt(s, &p, true, err);
    place_close(&p);
    return st;
}

/* ---- making the texts ---- */

/* The first section "Goal" of the protocol, without its heading. */
static void goal_of(const char *protocol, struct cn_buf *out)
{
    const char *p = protocol;
    bool inside = false;

    while (*p) {
        size_t n = strcspn(p, "\n");
        if (*p == '#') {
            if (inside)
                return;
            size_t k = strspn(p, "# ");
            inside = n >= k + 4 && memcmp(p + k, "Goal", 4) == 0;
        } else if (inside) {
            cn_buf_add(out, p, n);
            cn_buf_addc(out, ' ');
        }
        p += n + (p[n] == '\n');
    }
}

static cn_status text_or_empty(struct cn_store *s, const char *kind, struct cn_buf *out,
                               struct cn_err *err)
{
    cn_status st = cn_store_text(s, kind, 0, out, err);

    return st == CN_ENOTFOUND ? CN_OK : st;
}

/* The goal that the report names: as the writer gave it last (a protocol may extend another,
 * whose goal we cannot see here), else from the protocol's own words. */
static cn_status find_goal(struct cn_store *s, struct cn_buf *out, struct cn_err *err)
{
    struct cn_buf protocol;
    cn_status st = cn_store_fact(s, "goal", out, err);

    if (st != CN_ENOTFOUND)
        return st;
    cn_buf_init(&protocol, CN_CAP_TEXT);
    cn_buf_reset(out);
    st = text_or_empty(s, "protocol", &protocol, err);
    goal_of(cn_buf_str(&protocol), out);
    cn_buf_clear(&protocol);
    return st;
}

static cn_status make_report(struct cn_store *s, const struct cn_history *h,
                             const struct cn_project_opts *o, struct cn_buf *out,
                             struct cn_err *err)
{
    struct cn_buf goal, words;
    cn_status st;

    cn_buf_init(&goal, CN_CAP_TEXT);
    cn_buf_init(&words, CN_CAP_TEXT);
    st = text_or_empty(s, "memory", &words, err);
    if (st == CN_OK && !o->goal)
        st = find_goal(s, &goal, err);
    if (st == CN_OK)
        cn_project_report(h, o->goal ? o->goal : cn_buf_str(&goal), cn_buf_str(&words), out);
    cn_buf_clear(&words);
    cn_buf_clear(&goal);
    return st;
}

static cn_status make_memory(struct cn_store *s, const struct cn_history *h, struct cn_buf *out,
                             struct cn_err *err)
{
    struct cn_buf words;

    cn_buf_init(&words, CN_CAP_TEXT);
    cn_status st = text_or_empty(s, "memory", &words, err);
    if (st == CN_OK)
        cn_project_memory(h, cn_buf_str(&words), out);
    cn_buf_clear(&words);
    return st;
}

static cn_status make(struct cn_store *s, const struct cn_history *h,
                      const struct cn_project_opts *o, cn_project_kind k, struct cn_buf *out,
                      struct cn_err *err)
{
    cn_status st = CN_OK;

    switch (k) {
    case CN_PROJECT_MEMORY:
        st = make_memory(s, h, out, err);
        break;
    case CN_PROJECT_SCORES:
        cn_project_scores(h, o, out);
        break;
    default:
        st = make_report(s, h, o, out, err);
    }
    if (st == CN_OK && cn_buf_status(out) != CN_OK)
        st = cn_err_set(err, cn_buf_status(out), "a projection of %s does not fit in memory",
                        cn_store_dir(s));
    return st;
}

/* ---- writing ---- */

/* The log grows by its end: what is there stays, what is new is appended. */
static bool begins(const struct cn_buf *text, const struct cn_buf *disk)
{
    return disk->len < text->len && memcmp(cn_buf_str(disk), cn_buf_str(text), disk->len) == 0;
}

static cn_status put_bytes(const struct place *p, const struct cn_buf *text, bool grows,
                           struct cn_err *err)
{
    if (grows && p->exists && begins(text, &p->disk))
        return cn_file_append(p->path, text->data + p->disk.len, text->len - p->disk.len, err);
    return cn_file_replace(p->path, cn_buf_str(text), text->len, err);
}

/* `opt_mark`: of the log. */
static cn_status replace(struct cn_store *s, const struct place *p, const struct cn_buf *text,
                         const struct cn_projection_mark *opt_mark, struct cn_err *err)
{
    static const struct cn_projection_mark none = {0, 0, 0};
    char hash[CN_HASH_TEXT];
    cn_status st = CN_OK;

    cn_hash_hex(cn_buf_str(text), text->len, hash);
    if (p->exists && strcmp(p->hash, hash) == 0 && strcmp(p->next, hash) == 0)
        return CN_OK;
    st = cn_store_projection_mark(s, p->name, p->exists ? p->hash : hash, hash,
                                  opt_mark ? opt_mark : &none, err);
    if (st == CN_OK && !(p->exists && strcmp(p->hash, hash) == 0))
        st = put_bytes(p, text, opt_mark != NULL, err);
    return st;
}

/* A memory that is what we would write from its own free sections was not edited: the store has
 * lost it (a run that is read back). Its words are taken over without a copy aside. */
static cn_status take_back(struct cn_store *s, const struct cn_history *h, struct place *p,
                           bool *out_done, struct cn_err *err)
{
    struct cn_buf words, text;
    cn_status st = CN_OK;

    cn_buf_init(&words, CN_CAP_TEXT);
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_memory_free_text(cn_buf_str(&p->disk), p->disk.len, &words);
    cn_project_memory(h, cn_buf_str(&words), &text);
    *out_done = cn_buf_status(&words) == CN_OK && cn_buf_status(&text) == CN_OK && words.len &&
                is_text(&p->disk) && text.len == p->disk.len &&
                memcmp(cn_buf_str(&text), cn_buf_str(&p->disk), text.len) == 0;
    if (*out_done)
        st = cn_store_text_put(s, "memory", "user", "read back", cn_buf_str(&words), NULL, err);
    cn_buf_clear(&words);
    cn_buf_clear(&text);
    return st;
}

static cn_status write_one(struct cn_store *s, const struct cn_history *h,
                           const struct cn_project_opts *o, cn_project_kind k,
                           struct cn_err *err)
{
    struct place p;
    struct cn_buf text;
    char hash[CN_HASH_TEXT] = "";

    cn_buf_init(&text, CN_CAP_TEXT);
    cn_status st = place_open(&p, s, h, k, err);
    if (st == CN_OK)
        st = make(s, h, o, k, &text, err);
    if (st == CN_OK)
        cn_hash_hex(cn_buf_str(&text), text.len, hash);
    /* The very text that we would write is no edit (a run read back from its own files). */
    bool edited = st == CN_OK && !is_ours(&p) && strcmp(p.hash, hash) != 0, done = false;
    if (edited && k == CN_PROJECT_MEMORY && !p.next[0])
        st = take_back(s, h, &p, &done, err);
    if (st == CN_OK && edited && !done)
        st = adopt(s, &p, k == CN_PROJECT_MEMORY, err);
    if (st == CN_OK && edited) { /* the free sections may be other ones now */
        cn_buf_reset(&text);
        st = make(s, h, o, k, &text, err);
    }
    if (st == CN_OK)
        st = replace(s, &p, &text, NULL, err);
    cn_buf_clear(&text);
    place_close(&p);
    return st;
}

/* The open volume of the log. What is on disk and is ours, made by this wording, need not be made
 * again. A part of what we would write is no edit either: an append that a power cut tore. */
static cn_status write_log(struct cn_store *s, const struct cn_history *h, struct cn_log *log,
                           struct cn_err *err)
{
    struct place p;
    char hash[CN_HASH_TEXT] = "";
    cn_status st = place_open(&p, s, h, CN_PROJECT_ANALYSIS, err);

    if (st == CN_OK && p.exists && strcmp(p.hash, p.next) == 0 && p.mark.form == CN_LOG_FORM)
        (void)cn_log_take(log, h, &p.disk, p.mark.settled, p.mark.next);
    if (st == CN_OK)
        st = cn_log_make(log, s, h, false, err);
    if (st == CN_OK)
        cn_hash_hex(cn_buf_str(&log->text), log->text.len, hash);
    if (st == CN_OK && !is_ours(&p) && strcmp(p.hash, hash) != 0 &&
        !begins(&log->text, &p.disk))
        st = adopt(s, &p, false, err);
    const struct cn_projection_mark mark = {CN_LOG_FORM, (int64_t)log->settled, log->next};
    if (st == CN_OK)
        st = replace(s, &p, &log->text, &mark, err);
    place_close(&p);
    return st;
}

static cn_status write_kind(struct cn_store *s, const struct cn_history *h,
                            const struct cn_project_opts *o, cn_project_kind k,
                            struct cn_err *err)
{
    struct cn_log fresh = CN_LOG_INIT;

    if (k != CN_PROJECT_ANALYSIS)
        return write_one(s, h, o, k, err);
    cn_status st = write_log(s, h, o->opt_log ? o->opt_log : &fresh, err);
    cn_log_clear(&fresh);
    return st;
}

cn_status cn_project_write(struct cn_store *s, const struct cn_history *h,
                           const struct cn_project_opts *o, struct cn_err *err)
{
    cn_status st = o->goal ? cn_store_fact_set(s, "goal", o->goal, err) : CN_OK;

    for (int k = 0; st == CN_OK && k < CN_PROJECT_N; k++)
        if (k != CN_PROJECT_SCORES || o->write_scores)
            st = write_kind(s, h, o, (cn_project_kind)k, err);
    return st;
}

/* ---- verify ---- */

static int first_difference(const char *a, const char *b, int *out_n_a, int *out_n_b)
{
    int line = 1;

    while (*a && *b) {
        size_t n = strcspn(a, "\n"), m = strcspn(b, "\n");
        if (n != m || memcmp(a, b, n) != 0)
            break;
        a += n + (a[n] == '\n');
        b += m + (b[m] == '\n');
        line++;
    }
    *out_n_a = (int)(strcspn(a, "\n") < 100 ? strcspn(a, "\n") : 100);
    *out_n_b = (int)(strcspn(b, "\n") < 100 ? strcspn(b, "\n") : 100);
    return line;
}

/* The start of line `line` of a text. */
static const char *line_at(const char *s, int line)
{
    for (int i = 1; i < line && *s; i++) {
        s += strcspn(s, "\n");
        s += *s == '\n';
    }
    return s;
}

static void report_difference(const struct place *p, const struct cn_buf *text,
                              struct cn_buf *out)
{
    int n_disk = 0, n_made = 0;
    const char *disk = cn_buf_str(&p->disk), *made = cn_buf_str(text);

    if (!p->exists) {
        cn_buf_printf(out, "%s: missing\n", p->name);
        return;
    }
    int line = first_difference(disk, made, &n_disk, &n_made);
    cn_buf_printf(out, "%s:%d: %s: has \"%.*s\", the record says \"%.*s\"\n", p->name, line,
                  is_ours(p) ? "out of date" : "edited by a person", n_disk,
                  line_at(disk, line), n_made, line_at(made, line));
}

static cn_status verify_one(struct cn_store *s, const struct cn_history *h,
                            const struct cn_project_opts *o, cn_project_kind k,
                            struct cn_buf *out, int *n, struct cn_err *err)
{
    struct place p;
    struct cn_log log = CN_LOG_INIT;
    struct cn_buf text;
    const struct cn_buf *made = k == CN_PROJECT_ANALYSIS ? &log.text : &text;

    cn_buf_init(&text, CN_CAP_TEXT);
    cn_status st = place_open(&p, s, h, k, err);
    if (st == CN_OK)
        st = k == CN_PROJECT_ANALYSIS ? cn_log_make(&log, s, h, true, err)
                                      : make(s, h, o, k, &text, err);
    if (st == CN_OK && (!p.exists || p.disk.len != made->len ||
                        memcmp(cn_buf_str(&p.disk), cn_buf_str(made), made->len) != 0)) {
        report_difference(&p, made, out);
        (*n)++;
    }
    cn_log_clear(&log);
    cn_buf_clear(&text);
    place_close(&p);
    return st;
}

/* The bytes of a sealed volume; *whole: they are what was sealed. */
static cn_status read_volume(struct cn_store *s, const struct cn_history *h,
                             const struct cn_volume *v, struct place *p, bool *whole,
                             struct cn_err *err)
{
    memset(p, 0, sizeof *p);
    cn_buf_init(&p->disk, CN_CAP_FILE);
    p->path = cn_file_join(cn_store_dir(s), cn_project_volume_name(h, v->number, p->name));
    cn_status st = p->path ? cn_file_read(p->path, CN_CAP_FILE, &p->disk, err)
                           : cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", p->name);
    p->exists = st == CN_OK;
    if (p->exists)
        cn_hash_hex(cn_buf_str(&p->disk), p->disk.len, p->hash);
    *whole = p->exists && strcmp(p->hash, v->hash) == 0;
    return st == CN_ENOTFOUND ? CN_OK : st;
}

static cn_status verify_volume(struct cn_store *s, const struct cn_history *h,
                               const struct cn_volume *v, struct cn_buf *out, int *n,
                               struct cn_err *err)
{
    struct place p;
    bool whole;
    cn_status st = read_volume(s, h, v, &p, &whole, err);

    if (st == CN_OK && !whole) {
        cn_buf_printf(out, "%s: %s\n", p.name, p.exists ? "not what was sealed" : "missing");
        (*n)++;
    }
    place_close(&p);
    return st;
}

cn_status cn_project_volumes(struct cn_store *s, const struct cn_history *h, struct cn_err *err)
{
    struct cn_buf text;
    cn_status st = CN_OK;

    cn_buf_init(&text, CN_CAP_FILE);
    for (int64_t i = 0; st == CN_OK && i < h->n_volumes; i++) {
        struct cn_volume v = h->volumes[i];
        struct place p;
        bool whole;
        st = read_volume(s, h, &v, &p, &whole, err);
        if (st == CN_OK && !whole)
            st = cn_log_volume(s, h, &v, &text, err);
        if (st == CN_OK && !whole && p.exists)
            st = adopt(s, &p, false, err);
        if (st == CN_OK && !whole)
            st = cn_file_replace(p.path, cn_buf_str(&text), text.len, err);
        if (st == CN_OK && !whole) {
            v.bytes = (int64_t)text.len;
            cn_hash_hex(cn_buf_str(&text), text.len, v.hash);
            st = cn_store_volume_renew(s, &v, err);
        }
        place_close(&p);
    }
    cn_buf_clear(&text);
    return st;
}

cn_status cn_project_verify(struct cn_store *s, const struct cn_history *h,
                            const struct cn_project_opts *o, struct cn_buf *out_report,
                            int *out_n, struct cn_err *err)
{
    cn_status st = CN_OK;

    *out_n = 0;
    for (int k = 0; st == CN_OK && k < CN_PROJECT_N; k++)
        if (k != CN_PROJECT_SCORES || o->write_scores)
            st = verify_one(s, h, o, (cn_project_kind)k, out_report, out_n, err);
    for (int64_t i = 0; st == CN_OK && i < h->n_volumes; i++)
        st = verify_volume(s, h, &h->volumes[i], out_report, out_n, err);
    return st;
}
