/* The log reader's walk over the lines: where records begin and end. What a line means:
 * read_fields.c; what the records mean together: read_build.c. */
#include "logs/read.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "logs/read_int.h"

static const char *const warning_names[] = {
#define X(name, text) [CN_READ_##name] = text,
    CN_READ_WARNING_MAP(X)
#undef X
};

const char *cn_read_warning_name(cn_read_warning_kind k)
{
    return warning_names[k];
}

const char *cn_reader_keep(struct cn_reader *r, struct cn_words w)
{
    char *copy = cn_arena_alloc(&r->log->history.arena, w.n + 1, 1);

    if (!copy) {
        if (r->st == CN_OK)
            r->st = cn_err_set(r->err, CN_ENOMEM, "no memory to read the log");
        return "";
    }
    /* What is kept is UTF-8 without NUL, whatever the file was. */
    const bool valid = cn_text_utf8_valid(w.p, w.n);
    for (size_t i = 0; i < w.n; i++)
        copy[i] = w.p[i] && (valid || (unsigned char)w.p[i] < 0x80) ? w.p[i] : '?';
    return copy;
}

void cn_reader_warn(struct cn_reader *r, cn_read_warning_kind kind, int64_t line,
                    int64_t iteration, const char *fmt, ...)
{
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    struct cn_read_warning w = {kind, line, iteration,
                                cn_reader_keep(r, (struct cn_words){text, strlen(text)}),
                                r->file};
    cn_buf_add(&r->warnings, &w, sizeof(w));
}

/* Room doubles whenever the count is a power of two. */
cn_status cn_read_log_warn(struct cn_read_log *log, cn_read_warning_kind kind, const char *file,
                           int64_t line, int64_t iteration, const char *fmt, ...)
{
    struct cn_arena *a = &log->history.arena;
    const size_t n = (size_t)log->n_warnings;
    char text[512];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    struct cn_read_warning w = {kind, line, iteration, cn_arena_strdup(a, text),
                                cn_arena_strdup(a, file)};
    if (!w.text || !w.file)
        return CN_ENOMEM;
    if ((n & (n - 1)) == 0) {
        struct cn_read_warning *more = cn_arena_alloc(a, n ? 2 * n : 1, sizeof(w));
        if (!more)
            return CN_ENOMEM;
        if (n)
            memcpy(more, log->warnings, n * sizeof(w));
        log->warnings = more;
    }
    log->warnings[log->n_warnings++] = w;
    return CN_OK;
}

bool cn_read_multi_parse(const char *name, cn_read_multi *out)
{
    static const char *const names[] = {"mean", "min", "max", "first", "last"};

    for (int i = 0; i < 5; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (cn_read_multi)i;
            return true;
        }
    return false;
}

/* ---- headings ---- */

static cn_class class_of(struct cn_words status)
{
    static const struct {
        const char *word;
        cn_class cls;
    } map[] = {{"converged", CN_CLASS_CONVERGED},
               {"partial", CN_CLASS_PARTIAL},
               {"failed", CN_CLASS_FAILED}};

    for (size_t i = 0; i < sizeof(map) / sizeof(map[0]); i++)
        if (cn_read_words_start(status, map[i].word) || cn_read_words_start(status, "["))
            if (cn_read_words_start(
                    status.p[0] == '[' ? cn_read_words_after(status, 1) : status, map[i].word))
                return map[i].cls;
    return CN_CLASS_NONE;
}

/* "Iter 7: converged" */
static bool is_iter(struct cn_words text, int64_t *out_id, struct cn_words *out_status)
{
    *out_id = 0;
    if (!cn_read_words_start(text, "Iter"))
        return false;
    text = cn_read_words_trim(
        cn_read_words_after(text, cn_read_words_start(text, "Iteration ") ? 9 : 4));
    *out_id = cn_read_words_id(&text);
    text = cn_read_words_trim(text);
    if (*out_id == 0 || !cn_read_words_start(text, ":"))
        return false;
    *out_status = cn_read_words_trim(cn_read_words_after(text, 1));
    return true;
}

/* "Simulation Block 3 Summary (iters 25-36)" */
static bool is_summary(struct cn_words text, struct cn_raw_block *out)
{
    memset(out, 0, sizeof(*out));
    out->edit_note = "";
    if (!cn_read_words_start(text, "Simulation Block "))
        return false;
    text = cn_read_words_after(text, 17);
    out->number = cn_read_words_id(&text);
    const char *paren = text.n ? memchr(text.p, '(', text.n) : NULL;
    if (out->number == 0 || !paren)
        return out->number > 0;
    text = cn_read_words_after(text, (size_t)(paren - text.p) + 1);
    if (cn_read_words_start(text, "iters "))
        text = cn_read_words_after(text, 6);
    out->first = cn_read_words_id(&text);
    if (cn_read_words_start(text, "-")) {
        text = cn_read_words_after(text, 1);
        out->last = cn_read_words_id(&text);
    }
    return true;
}

/* ---- the walk ---- */

typedef enum { IN_NOTHING, IN_RECORD, IN_SUMMARY } place;

struct walk {
    struct cn_reader *r;
    place where;
    struct cn_raw raw;
    struct cn_raw_block block;
    bool between; /* behind "--- NEW SIMULATION BLOCK ---" */
};

static void finish(struct walk *w)
{
    if (w->where == IN_RECORD)
        cn_buf_add(&w->r->raws, &w->raw, sizeof(w->raw));
    if (w->where == IN_SUMMARY)
        cn_buf_add(&w->r->blocks, &w->block, sizeof(w->block));
    w->where = IN_NOTHING;
}

void cn_reader_raw_init(struct cn_reader *r, struct cn_raw *raw, int64_t id)
{
    memset(raw, 0, sizeof(*raw));
    raw->id = id;
    raw->line = r->line;
    raw->order = r->order++;
    raw->file = r->file;
    raw->parent = raw->next = CN_READ_NO_PARENT;
    raw->reward = (double)NAN;
    raw->seed_mode = raw->strategy = raw->parent_rule = raw->observation = raw->hypothesis =
        raw->activity = raw->embedding = raw->trajectory = raw->message = "";
}

static void begin_record(struct walk *w, int64_t id, struct cn_words status)
{
    finish(w);
    cn_reader_raw_init(w->r, &w->raw, id);
    w->raw.cls = class_of(status);
    w->raw.pending = cn_read_words_start(status, "pending");
    w->where = IN_RECORD;
    w->between = false;
}

static void read_title(struct cn_reader *r, struct cn_words text)
{
    const char *colon = text.n ? memchr(text.p, ':', text.n) : NULL;

    if (r->log->history.info.name[0])
        return;
    if (colon)
        text = cn_read_words_trim(cn_read_words_after(text, (size_t)(colon - text.p) + 1));
    r->log->history.info.name = cn_reader_keep(r, text);
}

/* A heading always ends what was open: an old summary's "Node:" line would else rename the
 * block's last record. */
static void heading(struct walk *w, int level, struct cn_words text, struct cn_words line)
{
    struct cn_raw_block block;
    struct cn_words status;
    int64_t id;

    if (level >= 2 && is_iter(text, &id, &status)) {
        begin_record(w, id, status);
    } else if (is_summary(text, &block)) {
        finish(w);
        w->block = block;
        w->block.line = w->r->line;
        w->block.file = w->r->file;
        w->where = IN_SUMMARY;
    } else if (level <= 2) {
        finish(w);
        w->between = false;
        if (level == 1)
            read_title(w->r, text);
        if (level == 2 && cn_read_words_start(text, "Iter"))
            cn_reader_warn(w->r, CN_READ_DROPPED, w->r->line, 0,
                           "not \"## Iter N: status\": %.*s", (int)(line.n < 80 ? line.n : 80),
                           line.p);
    } else if (w->where == IN_RECORD) {
        cn_reader_prose(w->r, &w->raw.prose, w->raw.id, text);
    } else if (w->where == IN_SUMMARY) {
        cn_reader_prose(w->r, &w->block.prose, 0, text);
    }
}

/* "<!-- cairn log, format 1, reward connectivity_R2. ..." */
static bool is_tag(struct cn_reader *r, struct cn_words line)
{
    static const char start[] = "<!-- cairn log, format ";

    if (!cn_read_words_start(line, start))
        return false;
    r->ours = true;
    struct cn_words w = cn_read_words_after(line, sizeof(start) - 1);
    int64_t format = cn_read_words_id(&w);
    if (format > 1)
        r->st = cn_err_set(r->err, CN_EUNSUPPORTED,
                           "line %lld: log format %lld, this cairn reads up to 1",
                           (long long)r->line, (long long)format);
    if (cn_read_words_start(w, ", reward ")) {
        w = cn_read_words_after(w, 9);
        size_t n = 0;
        while (n < w.n && w.p[n] != ' ' && !(w.p[n] == '.' && n + 1 < w.n && w.p[n + 1] == ' '))
            n++;
        if (n)
            r->reward = cn_reader_keep(r, (struct cn_words){w.p, n});
    }
    return true;
}

static void set_number(struct cn_words v, double *out)
{
    double x;

    if (cn_read_words_number(v, &x))
        *out = x;
}

static void set_count(struct cn_words v, int64_t *out)
{
    int64_t x = cn_read_words_id(&v);

    if (x)
        *out = x;
}

static bool is(struct cn_words w, const char *name)
{
    return w.n == strlen(name) && memcmp(w.p, name, w.n) == 0;
}

static void read_setting(struct cn_reader *r, struct cn_words k, struct cn_words v)
{
    struct cn_run_info *info = &r->log->history.info;
    int64_t n = info->n_parallel;

    if (is(k, "study"))
        info->study = cn_reader_keep(r, v);
    else if (is(k, "better"))
        info->reward_lower_is_better = is(v, "lower");
    else if (is(k, "converged"))
        set_number(v, &info->converged);
    else if (is(k, "failed"))
        set_number(v, &info->failed);
    else if (is(k, "n_iter_block"))
        set_count(v, &info->n_iter_block);
    else if (is(k, "n_parallel"))
        set_count(v, &n);
    else if (is(k, "proposer"))
        info->proposer = cn_reader_keep(r, v);
    else if (is(k, "score_kind"))
        info->score_kind = cn_reader_keep(r, v);
    else if (is(k, "ucb_c"))
        set_number(v, &info->ucb_c);
    else if (is(k, "c_scale"))
        info->c_scale = cn_reader_keep(r, v);
    info->n_parallel = n <= CN_CAP_THREADS ? (int32_t)n : info->n_parallel;
}

/* "<!-- settings: study=fly, better=higher, ... -->" */
static void read_settings(struct cn_reader *r, struct cn_words line)
{
    static const char start[] = "<!-- settings: ", end[] = "-->";
    struct cn_words k, v;
    bool loose;

    if (!r->ours || !cn_read_words_start(line, start))
        return;
    line = cn_read_words_after(line, sizeof(start) - 1);
    if (line.n > 3 && memcmp(line.p + line.n - 3, end, 3) == 0)
        line.n -= 3;
    while (cn_read_words_pair(&line, &k, &v, &loose))
        read_setting(r, k, v);
}

/* Outside records and summaries: a title's prose, our tag and settings. A field here belongs to
 * nothing, except for the lines that announce the next block. */
static void stray_line(struct walk *w, struct cn_words line)
{
    if (is_tag(w->r, line))
        return;
    read_settings(w->r, line);
    if (!w->between && cn_reader_is_field(line))
        cn_reader_warn(w->r, CN_READ_DROPPED, w->r->line, 0, "stands in no entry: %.*s",
                       (int)(line.n < 80 ? line.n : 80), line.p);
}

static void read_line(struct walk *w, struct cn_words line)
{
    struct cn_words text;
    int level = cn_read_words_heading(line, &text);

    if (level)
        heading(w, level, text, line);
    else if (cn_read_words_start(line, "--- NEW SIMULATION BLOCK ---")) {
        if (w->where == IN_RECORD)
            finish(w);
        w->between = true;
    } else if (w->where == IN_RECORD)
        cn_reader_field(w->r, &w->raw, line);
    else if (w->where == IN_SUMMARY)
        cn_reader_block_field(w->r, &w->block, line);
    else
        stray_line(w, line);
}

static void walk_lines(struct cn_reader *r, const char *text, size_t n)
{
    struct walk w = {.r = r, .where = IN_NOTHING};

    r->line = 0;
    while (n && r->st == CN_OK) {
        const char *nl = memchr(text, '\n', n);
        size_t k = nl ? (size_t)(nl - text) : n;
        struct cn_words line = {text, k};
        if (k && text[k - 1] == '\r')
            line.n--;
        r->line++;
        read_line(&w, line);
        k += nl != NULL;
        text += k;
        n -= k;
    }
    finish(&w);
}

/* ---- entry ---- */

static void take_warnings(struct cn_reader *r)
{
    const struct cn_read_warning *all = (const void *)r->warnings.data;
    const int64_t n = (int64_t)(r->warnings.len / sizeof(*all));

    for (int64_t i = 0; r->st == CN_OK && i < n; i++)
        if (cn_read_log_warn(r->log, all[i].kind, all[i].file, all[i].line, all[i].iteration,
                             "%s", all[i].text) != CN_OK)
            r->st = cn_err_set(r->err, CN_ENOMEM, "no memory to read the log");
}

static void no_room(struct cn_reader *r, const struct cn_buf *b)
{
    if (r->st == CN_OK && cn_buf_status(b) != CN_OK)
        r->st = cn_err_set(r->err, cn_buf_status(b), "no memory to read the log");
}

void cn_reader_part(struct cn_reader *r, const char *name)
{
    r->file = cn_reader_keep(r, (struct cn_words){name, strlen(name)});
    r->line = 0;
}

static const struct cn_run_info no_info = {.name = "",
                                           .study = "",
                                           .created = "",
                                           .reward = "",
                                           .proposer = "",
                                           .score_kind = "",
                                           .c_scale = "",
                                           .log_keys = "",
                                           .converged = (double)NAN,
                                           .failed = (double)NAN,
                                           .n_parallel = 1,
                                           .ucb_c = (double)NAN};

cn_status cn_reader_run(const struct cn_read_opts *o, cn_reader_fill_fn *fill, void *ctx,
                        struct cn_read_log *out, struct cn_err *err)
{
    struct cn_reader r = {.o = o, .log = out, .st = CN_OK, .err = err, .file = ""};

    memset(out, 0, sizeof(*out));
    cn_arena_init(&out->history.arena, CN_CAP_ARENA);
    out->history.info = no_info;
    out->history.info.reward_lower_is_better = o->lower_is_better;
    r.reward = cn_reader_keep(&r, (struct cn_words){o->reward, strlen(o->reward)});
    cn_buf_init(&r.raws, CN_CAP_FILE * 4);
    cn_buf_init(&r.blocks, CN_CAP_FILE * 4);
    cn_buf_init(&r.warnings, CN_CAP_FILE * 4);
    cn_buf_init(&r.messages, CN_CAP_FILE * 4);
    fill(&r, ctx);
    no_room(&r, &r.raws);
    no_room(&r, &r.blocks);
    no_room(&r, &r.messages);
    if (r.st == CN_OK)
        cn_reader_build(&r);
    out->history.info.reward = r.reward;
    no_room(&r, &r.warnings);
    take_warnings(&r);
    cn_buf_clear(&r.raws);
    cn_buf_clear(&r.blocks);
    cn_buf_clear(&r.warnings);
    cn_buf_clear(&r.messages);
    return r.st;
}

struct parts {
    const struct cn_read_part *part;
    int n;
};

static void fill_from_parts(struct cn_reader *r, void *ctx)
{
    const struct parts *p = ctx;

    for (int i = 0; i < p->n && r->st == CN_OK; i++) {
        cn_reader_part(r, p->part[i].name);
        walk_lines(r, p->part[i].text, p->part[i].n);
        if (r->st != CN_OK)
            (void)cn_err_prefix(r->err, "%s", p->part[i].name);
    }
}

cn_status cn_read_logs(const struct cn_read_part *parts, int n_parts,
                       const struct cn_read_opts *o, struct cn_read_log *out,
                       struct cn_err *err)
{
    struct parts p = {parts, n_parts};

    memset(out, 0, sizeof(*out));
    for (int i = 0; i < n_parts; i++)
        if (parts[i].n > CN_CAP_FILE)
            return cn_err_set(err, CN_ECAP, "%s: %zu bytes, at most %zu can be read",
                              parts[i].name, parts[i].n, CN_CAP_FILE);
    return cn_reader_run(o, fill_from_parts, &p, out, err);
}

cn_status cn_read_log(const char *name, const char *text, size_t n,
                      const struct cn_read_opts *o, struct cn_read_log *out, struct cn_err *err)
{
    return cn_read_logs(&(struct cn_read_part){name, text, n}, 1, o, out, err);
}

void cn_read_log_clear(struct cn_read_log *log)
{
    cn_history_clear(&log->history);
    memset(log, 0, sizeof(*log));
}
