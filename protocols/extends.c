/* `extends: other.md`: a protocol joined with the ones it builds on, as one text.
 *
 *     sections          of the child replace the parent's of the same title, where those stood
 *     parameters        the child's replace the parent's one by one; the sections of both stay
 *     settings          the same, key by key
 *     title, preamble   the child's, when it has a title
 *
 * A section without a counterpart stands behind the one it follows in the child. The joined
 * text is read like any other and needs no other file; the origin of every line is kept for
 * messages.
 *
 * 1. one file
 * 2. what the child replaces
 * 3. the order of the joined text
 * 4. chains */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "protocols/protocol_int.h"

enum { MAX_CHAIN = 8 };

/* A text as lines that know where they come from. In the arena of the protocol that is made. */
struct source {
    const char **text;
    struct origin *from;
    int n;
};

/* ---- 1. one file ---- */

static const char *extends_value(struct parser *ps, const char *line)
{
    const char *s;

    if (!cn_words_start(line, "extends:"))
        return NULL;
    s = cn_words_value(&ps->p->arena, line + 8, strlen(line + 8));
    return s;
}

cn_status protocol_extends_line(struct parser *ps, const char **out_value, int *out_line)
{
    *out_value = NULL;
    *out_line = -1;
    for (int i = 0; i < ps->n_lines; i++) {
        const struct line *l = &ps->lines[i];
        const char *s = l->setting ? protocol_skip_space(l->text) : l->text;

        if ((l->fence != FENCE_NONE && !l->setting) || !cn_words_start(s, "extends:"))
            continue;
        if (*out_value)
            return protocol_refuse(ps, i, "extends: a second time; the first stands in line %d",
                                   ps->lines[*out_line].from.number);
        s = extends_value(ps, s);
        if (!s)
            return protocol_no_memory(ps);
        if (!s[0] || strchr(s, '#'))
            return protocol_refuse(ps, i, "extends: \"%s\": expected the path of a protocol",
                                   s);
        *out_value = s;
        *out_line = i;
    }
    return CN_OK;
}

/* Lines, sections, parameters and settings of a source: what joining needs to know. */
static cn_status look(struct parser *ps, const char *name, const struct source *s,
                      struct cn_err *err)
{
    cn_status st;

    *ps = (struct parser){.part = true, .err = err};
    ps->p = cn_alloc(1, sizeof(*ps->p));
    if (!ps->p)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory to read the protocol", name);
    cn_arena_init(&ps->p->arena, CN_CAP_ARENA);
    ps->p->reward = ps->p->rules_text = "";
    ps->p->name = name;
    ps->lines = cn_arena_alloc(&ps->p->arena, (size_t)s->n + 1, sizeof(*ps->lines));
    if (!ps->lines)
        return protocol_no_memory(ps);
    for (ps->n_lines = 0; ps->n_lines < s->n; ps->n_lines++)
        ps->lines[ps->n_lines] = (struct line){
            .text = s->text[ps->n_lines], .from = s->from[ps->n_lines], .level = -1};
    st = protocol_fences(ps);
    if (st == CN_OK)
        st = protocol_sections(ps);
    if (st == CN_OK)
        st = protocol_title(ps);
    if (st == CN_OK)
        st = protocol_params(ps);
    return st;
}

static cn_status split(struct cn_protocol *p, const char *name, const char *text, size_t n,
                       struct source *out, struct cn_err *err)
{
    struct parser ps = {.p = p, .err = err};
    struct origin *from;
    const char *own = p->name;
    cn_status st;

    p->name = name; /* in messages */
    p->text = text; /* of this file; the joined one is put there later */
    p->n = n;
    st = protocol_check_text(&ps, text, n);
    if (st == CN_OK)
        st = protocol_lines(&ps);
    p->name = own;
    p->text = NULL;
    if (st != CN_OK)
        return st;
    out->n = ps.n_lines;
    out->text = cn_arena_alloc(&p->arena, (size_t)ps.n_lines + 1, sizeof(*out->text));
    out->from = from = cn_arena_alloc(&p->arena, (size_t)ps.n_lines + 1, sizeof(*from));
    if (!out->text || !from)
        return protocol_no_memory(&ps);
    for (int i = 0; i < ps.n_lines; i++) {
        out->text[i] = ps.lines[i].text;
        from[i] = (struct origin){name, i + 1};
    }
    if (out->n > 0 && !out->text[out->n - 1][0])
        out->n--; /* behind the last line break */
    return CN_OK;
}

/* ---- 2. what the child replaces ---- */

struct chunk {
    int start, end; /* lines */
    section_kind kind;
    const char *title; /* of a prose section; NULL of the preamble */
    bool params;       /* holds parameters or settings */
};

struct cut {
    struct chunk *chunks;
    int n;
};

static bool holds_params(const struct parser *ps, int start, int end)
{
    for (int32_t i = 0; i < ps->p->n_settings; i++)
        if (ps->p->settings[i].at >= start && ps->p->settings[i].at < end)
            return true;
    for (int32_t i = 0; i < ps->p->n_params; i++)
        if (ps->p->params[i].at >= start && ps->p->params[i].at < end)
            return true;
    return false;
}

/* The title's own section belongs to the preamble. */
static bool begins_chunk(const struct parser *ps, int i)
{
    const struct line *l = &ps->lines[i];

    return l->opens && !(l->level == 1 && l->section == SECTION_PROSE && l->in_section == 1);
}

/* "Log Format (CRITICAL)" and "log format:" are the same title. */
static const char *bare_title(struct parser *ps, int i)
{
    const char *heading = ps->p->sections[ps->lines[i].in_section - 1].heading;
    size_t n = strcspn(heading, "(");

    while (n > 0 && strchr(" :", heading[n - 1]))
        n--;
    return cn_arena_strndup(&ps->p->arena, heading, n ? n : strlen(heading));
}

static cn_status cut_chunks(struct parser *ps, struct cut *out)
{
    out->chunks = cn_arena_alloc(&ps->p->arena, (size_t)ps->n_lines + 1, sizeof(*out->chunks));
    if (!out->chunks)
        return protocol_no_memory(ps);
    out->n = 1;
    for (int i = 0; i < ps->n_lines; i++)
        if (begins_chunk(ps, i)) {
            out->chunks[out->n - 1].end = i;
            out->chunks[out->n++] = (struct chunk){
                .start = i, .kind = ps->lines[i].section, .title = bare_title(ps, i)};
            if (!out->chunks[out->n - 1].title)
                return protocol_no_memory(ps);
        }
    out->chunks[out->n - 1].end = ps->n_lines;
    for (int i = 0; i < out->n; i++)
        out->chunks[i].params = holds_params(ps, out->chunks[i].start, out->chunks[i].end);
    return CN_OK;
}

static const char *last_part(const char *path)
{
    const char *dot = strrchr(path, '.');

    return dot ? dot + 1 : path;
}

/* A bare name of one means the dotted name of the other. */
static bool same_param(const char *a, const char *b)
{
    if (strchr(a, '.') && strchr(b, '.'))
        return strcmp(a, b) == 0;
    return strcmp(last_part(a), last_part(b)) == 0;
}

static void drop_replaced(const struct parser *child, const struct parser *parent, bool *drop)
{
    for (int32_t i = 0; i < parent->p->n_params; i++)
        for (int32_t k = 0; k < child->p->n_params; k++)
            if (same_param(parent->p->params[i].path, child->p->params[k].path))
                drop[parent->p->params[i].at] = true;
    for (int32_t i = 0; i < parent->p->n_settings; i++)
        for (int32_t k = 0; k < child->p->n_settings; k++)
            if (strcmp(parent->p->settings[i].key, child->p->settings[k].key) == 0)
                drop[parent->p->settings[i].at] = true;
}

static int indent_of(const char *s)
{
    return (int)strspn(s, " ");
}

/* "training:" below which every line was dropped would be read as a parameter: it goes too. */
static void drop_empty_maps(const struct parser *ps, bool *drop)
{
    for (int i = ps->n_lines - 1; i >= 0; i--) {
        const char *s = ps->lines[i].text;
        size_t n = strlen(s);
        bool lost = false, kept = false;

        while (n > 0 && cn_words_is_space(s[n - 1]))
            n--;
        if (drop[i] || n == 0 || s[n - 1] != ':' || s[0] == '|')
            continue;
        for (int k = i + 1; k < ps->n_lines && ps->lines[k].fence == ps->lines[i].fence; k++) {
            const char *t = ps->lines[k].text;

            if (*protocol_skip_space(t) && indent_of(t) <= indent_of(s))
                break;
            lost |= drop[k];
            kept |= !drop[k] && *protocol_skip_space(t) && *protocol_skip_space(t) != '#';
        }
        drop[i] = lost && !kept;
    }
}

/* A code block that lost all its lines goes too. */
static void drop_empty_blocks(const struct parser *ps, bool *drop)
{
    for (int i = 0, open = -1; i < ps->n_lines; i++) {
        bool lost = false, kept = false;

        if (ps->lines[i].fence != FENCE_EDGE)
            continue;
        if (open < 0) {
            open = i;
            continue;
        }
        for (int k = open + 1; k < i; k++) {
            lost |= drop[k];
            kept |= !drop[k] && *protocol_skip_space(ps->lines[k].text);
        }
        for (int k = open; lost && !kept && k <= i; k++)
            drop[k] = true;
        open = -1;
    }
}

/* ---- 3. the order of the joined text ---- */

struct join {
    struct parser child, parent;
    struct cut child_cut, parent_cut;
    bool *drop; /* lines of the parent */
    struct piece {
        const struct parser *of;
        const struct chunk *chunk;
    } * pieces;
    int n;
};

static struct chunk *counterpart(struct join *j, const struct chunk *c, int *at)
{
    for (int i = 0; i < j->n; i++) {
        const struct chunk *q = j->pieces[i].chunk;
        bool same = c->kind != SECTION_PROSE ? q->kind == c->kind
                                             : q->kind == SECTION_PROSE && q->title &&
                                                   cn_words_same(q->title, c->title);

        if (same && j->pieces[i].of == &j->parent) {
            *at = i;
            return &j->parent_cut.chunks[q - j->parent_cut.chunks];
        }
    }
    return NULL;
}

static void insert_piece(struct join *j, int at, const struct chunk *c)
{
    memmove(&j->pieces[at + 1], &j->pieces[at], (size_t)(j->n - at) * sizeof(*j->pieces));
    j->pieces[at] = (struct piece){&j->child, c};
    j->n++;
}

/* Where every section goes. A section with parameters joins its counterpart, any other
 * replaces it. */
static void arrange(struct join *j)
{
    bool titled = j->child.p->title && j->child.p->title[0] && !j->child.marks_lost;
    int cursor = 0;

    if (!titled)
        j->pieces[j->n++] = (struct piece){&j->parent, &j->parent_cut.chunks[0]};
    j->pieces[j->n++] = (struct piece){&j->child, &j->child_cut.chunks[0]};
    cursor = j->n - 1;
    for (int i = 1; i < j->parent_cut.n; i++)
        j->pieces[j->n++] = (struct piece){&j->parent, &j->parent_cut.chunks[i]};
    for (int i = 1; i < j->child_cut.n; i++) {
        const struct chunk *c = &j->child_cut.chunks[i];
        int at = cursor;
        const struct chunk *twin = counterpart(j, c, &at);

        if (twin && !twin->params && !c->params) {
            j->pieces[at] = (struct piece){&j->child, c};
            cursor = at;
            continue;
        }
        cursor = (twin ? at : cursor) + 1;
        insert_piece(j, cursor, c);
    }
}

static bool is_left_out(const struct join *j, const struct piece *q, int line, int front)
{
    const struct line *l = &q->of->lines[line];

    if (line < front)
        return true;
    if (q->of == &j->parent)
        return j->drop[line];
    return cn_words_start(protocol_skip_space(l->text), "extends:") &&
           (l->fence == FENCE_NONE || l->setting);
}

/* A heading whose marks were lost gets them back: they stand among others now. */
static const char *joined_text(struct cn_protocol *p, const struct line *l)
{
    if (l->level != 0)
        return cn_arena_strdup(&p->arena, l->text);
    return cn_arena_printf(&p->arena, "## %s", protocol_skip_space(l->text));
}

static cn_status write_out(struct cn_protocol *p, const struct join *j, struct source *out,
                           struct cn_err *err)
{
    size_t room = (size_t)(j->child.n_lines + j->parent.n_lines) * 2 + 2;

    out->n = 0;
    out->text = cn_arena_alloc(&p->arena, room, sizeof(*out->text));
    out->from = cn_arena_alloc(&p->arena, room, sizeof(*out->from));
    if (!out->text || !out->from)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory to join protocols", p->name);
    for (int i = 0; i < j->n; i++) {
        const struct piece *q = &j->pieces[i];
        int front =
            q->chunk->start == 0 ? protocol_front_matter(q->of->lines, q->of->n_lines) : 0;

        if (out->n > 0 && out->text[out->n - 1][0]) { /* a blank line between sections */
            out->from[out->n] = out->from[out->n - 1];
            out->text[out->n++] = "";
        }
        for (int k = q->chunk->start; k < q->chunk->end; k++) {
            bool blank = !*protocol_skip_space(q->of->lines[k].text) &&
                         q->of->lines[k].fence == FENCE_NONE;

            if (is_left_out(j, q, k, front) ||
                (blank && (out->n == 0 || !out->text[out->n - 1][0])))
                continue;
            out->text[out->n] = joined_text(p, &q->of->lines[k]);
            if (!out->text[out->n])
                return cn_err_set(err, CN_ENOMEM, "%s: no memory to join protocols", p->name);
            out->from[out->n++] = q->of->lines[k].from;
        }
    }
    return CN_OK;
}

static cn_status join_two(struct cn_protocol *p, struct join *j, struct source *out,
                          struct cn_err *err)
{
    cn_status st = cut_chunks(&j->child, &j->child_cut);

    if (st == CN_OK)
        st = cut_chunks(&j->parent, &j->parent_cut);
    if (st != CN_OK)
        return st;
    j->drop =
        cn_arena_alloc(&j->parent.p->arena, (size_t)j->parent.n_lines + 1, sizeof(*j->drop));
    j->pieces =
        cn_arena_alloc(&j->parent.p->arena, (size_t)(j->child_cut.n + j->parent_cut.n) + 1,
                       sizeof(*j->pieces));
    if (!j->drop || !j->pieces)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory to join protocols", p->name);
    drop_replaced(&j->child, &j->parent, j->drop);
    drop_empty_maps(&j->parent, j->drop);
    drop_empty_blocks(&j->parent, j->drop);
    arrange(j);
    return write_out(p, j, out, err);
}

/* ---- 4. chains ---- */

struct chain {
    const char *path[MAX_CHAIN]; /* as messages name them */
    const char *full[MAX_CHAIN]; /* absolute */
    int n;
};

/* `other` as seen from the file `path`. */
static const char *beside(struct cn_arena *a, const char *path, const char *other)
{
    const char *slash = strrchr(path, '/');

    if (other[0] == '/' || !slash)
        return cn_arena_strdup(a, other);
    return cn_arena_printf(a, "%.*s/%s", (int)(slash - path), path, other);
}

/* Without links and "..", so that a file is one file however it is named. */
static const char *absolute(struct cn_arena *a, const char *path)
{
    char *full = realpath(path, NULL);
    const char *copy = cn_arena_strdup(a, full ? full : path);

    free(full);
    return copy;
}

static cn_status refuse_cycle(struct parser *ps, int line, const struct chain *c, int from,
                              const char *value)
{
    struct cn_buf b;
    cn_status st;

    cn_buf_init(&b, CN_CAP_RECORD);
    for (int i = from; i < c->n; i++)
        cn_buf_printf(&b, "%s -> ", c->path[i]);
    cn_buf_adds(&b, c->path[from]);
    st = protocol_refuse(ps, line, "extends: \"%s\": a cycle: %s", value, cn_buf_str(&b));
    cn_buf_clear(&b);
    return st;
}

/* The parent's path, checked against the chain; its bytes in *text. */
static cn_status open_parent(struct cn_protocol *p, struct parser *ps, struct chain *c,
                             int line, const char *value, struct cn_buf *text)
{
    const char *path = beside(&p->arena, c->path[c->n - 1], value);
    const char *full = path ? absolute(&p->arena, path) : NULL;
    struct cn_err why = CN_ERR_INIT;
    cn_status st;

    if (!full)
        return protocol_no_memory(ps);
    for (int i = 0; i < c->n; i++)
        if (strcmp(c->full[i], full) == 0)
            return refuse_cycle(ps, line, c, i, value);
    if (c->n == MAX_CHAIN)
        return protocol_refuse(ps, line, "extends: \"%s\": more than %d protocols in a chain",
                               value, MAX_CHAIN);
    st = cn_file_read(path, CN_CAP_PROTOCOL, text, &why);
    if (st == CN_ENOMEM)
        return protocol_no_memory(ps);
    if (st != CN_OK)
        return protocol_refuse(ps, line, "extends: \"%s\": %s", value, why.text);
    c->path[c->n] = path;
    c->full[c->n++] = full;
    return CN_OK;
}

static cn_status resolve(struct cn_protocol *p, struct chain *c, const char *text, size_t n,
                         struct source *out, struct cn_err *err);

/* The text of the chain's last file, joined with the rest of the chain that begins at
 * `value`. */
static cn_status join_parent(struct cn_protocol *p, struct join *j, struct chain *c, int line,
                             const char *value, struct source *out, struct cn_err *err)
{
    struct source above = {0};
    struct cn_buf text;
    cn_status st;

    cn_buf_init(&text, CN_CAP_PROTOCOL);
    st = open_parent(p, &j->child, c, line, value, &text);
    if (st == CN_OK) {
        const char *name = c->path[c->n - 1];

        st = resolve(p, c, cn_buf_str(&text), text.len, &above, err);
        if (st == CN_OK)
            st = look(&j->parent, name, &above, err);
    }
    cn_buf_clear(&text);
    return st == CN_OK ? join_two(p, j, out, err) : st;
}

/* The file at the end of the chain, with all that it extends. */
static cn_status resolve(struct cn_protocol *p, struct chain *c, const char *text, size_t n,
                         struct source *out, struct cn_err *err)
{
    struct source own = {0};
    struct join j = {0};
    const char *value = NULL, *name = c->path[c->n - 1];
    int line;
    cn_status st = split(p, name, text, n, &own, err);

    if (st == CN_OK)
        st = look(&j.child, name, &own, err);
    if (st == CN_OK)
        st = protocol_extends_line(&j.child, &value, &line);
    *out = own;
    if (st == CN_OK && value)
        st = join_parent(p, &j, c, line, value, out, err);
    cn_protocol_free(j.child.p);
    cn_protocol_free(j.parent.p);
    return st;
}

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* The joined lines as one text, with a first line that says where they come from. */
static cn_status put_text(struct cn_protocol *p, const struct chain *c, const struct source *s,
                          struct cn_buf *out, const struct origin **out_origins,
                          struct cn_err *err)
{
    struct origin *from = cn_arena_alloc(&p->arena, (size_t)s->n + 3, sizeof(*from));
    int n = 0;

    if (!from)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory to join protocols", p->name);
    cn_buf_printf(out, "<!-- joined by cairn from %s", file_name(c->path[0]));
    for (int i = 1; i < c->n; i++)
        cn_buf_printf(out, " and %s", file_name(c->path[i]));
    cn_buf_adds(out, " -->\n");
    from[n++] = (struct origin){c->path[0], 1};
    for (int i = 0; i < s->n; i++) {
        cn_buf_printf(out, "%s\n", s->text[i]);
        from[n++] = s->from[i];
    }
    from[n++] = (struct origin){c->path[0], 1}; /* behind the last line break */
    *out_origins = from;
    if (cn_buf_status(out) != CN_OK)
        return cn_err_set(err, cn_buf_status(out), "%s: too much text when joined", p->name);
    return CN_OK;
}

cn_status protocol_join(struct cn_protocol *p, const char *path, const char *text, size_t n,
                        struct cn_buf *out, const struct origin **out_origins,
                        struct cn_err *err)
{
    struct chain c = {.n = 1};
    struct source s = {0};
    cn_status st;

    *out_origins = NULL;
    if (!strstr(text, "xtends:") && !strstr(text, "XTENDS:"))
        return CN_OK;
    c.path[0] = p->name;
    c.full[0] = absolute(&p->arena, path);
    if (!c.full[0])
        return cn_err_set(err, CN_ENOMEM, "%s: no memory to read the protocol", p->name);
    st = resolve(p, &c, text, n, &s, err);
    if (st != CN_OK || c.n == 1)
        return st;
    p->n_extends = c.n - 1;
    p->extends = cn_arena_alloc(&p->arena, (size_t)c.n, sizeof(*p->extends));
    if (!p->extends)
        return cn_err_set(err, CN_ENOMEM, "%s: no memory to read the protocol", p->name);
    for (int i = 1; i < c.n; i++)
        p->extends[i - 1] = c.path[i];
    return put_text(p, &c, &s, out, out_origins, err);
}
