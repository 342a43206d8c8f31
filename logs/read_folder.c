/* See read_folder.h. */
#include "logs/read_folder.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"

typedef enum {
    IS_OTHER,
    IS_LOG,
    IS_MEMORY,
    IS_SCORES,
    IS_SNAPSHOT,
    IS_BLOCK_TEXT, /* protocol/block_NNN.md, memory/block_NNN_memory.md */
} kind;

struct looked {
    kind kind;
    size_t stem;    /* bytes of the name that are its stem */
    int64_t number; /* of a volume (0: the open one), an iteration, a block */
    int32_t slot;
};

struct scan {
    struct cn_read_folder *f;
    struct cn_buf logs; /* of struct volume */
    struct cn_buf snapshots;
    int64_t protocol_block, memory_block;
    bool memory_is_open; /* found as <stem>_memory.md, not as a block's snapshot */
    struct cn_err *err;
};

struct volume {
    int64_t number; /* INT64_MAX: the open one */
    const char *path, *stem;
};

/* Digits at the front of *s, as a number below 10^9; -1: none. */
static int64_t take_number(const char **s)
{
    int64_t x = 0;
    int n = 0;

    for (; **s >= '0' && **s <= '9'; (*s)++, n++)
        x = n < 9 ? x * 10 + (**s - '0') : INT64_MAX / 10;
    return n == 0 || n > 9 ? -1 : x;
}

static bool take_word(const char **s, const char *word)
{
    if (!cn_text_starts(*s, word))
        return false;
    *s += strlen(word);
    return true;
}

/* "<stem>_analysis.md" or "<stem>_analysis.003.md". */
static bool is_log(const char *name, struct looked *out)
{
    static const char mark[] = "_analysis.";
    const char *at = NULL, *p = name;

    while ((p = strstr(p, mark)) != NULL) /* the last one counts */
        at = p++;
    if (!at && strcmp(name, "analysis.md") == 0) {
        out->stem = 0;
        return true;
    }
    if (!at)
        return false;
    p = at + strlen(mark);
    out->stem = (size_t)(at - name);
    if (strcmp(p, "md") == 0)
        return true;
    out->number = take_number(&p);
    return out->number > 0 && strcmp(p, ".md") == 0;
}

static bool is_snapshot(const char *name, struct looked *out)
{
    if (!take_word(&name, "iter_"))
        return false;
    out->number = take_number(&name);
    if (out->number <= 0 || !take_word(&name, "_slot_"))
        return false;
    const int64_t slot = take_number(&name);
    out->slot = (int32_t)(slot >= 0 && slot < CN_CAP_THREADS ? slot : -1);
    return out->slot >= 0 && (strcmp(name, ".yaml") == 0 || strcmp(name, ".yml") == 0);
}

static struct looked look_at(const char *name)
{
    struct looked out = {.slot = -1};
    const char *p = name;

    if (is_log(name, &out))
        out.kind = IS_LOG;
    else if (cn_text_ends(name, "ucb_scores.txt"))
        out.kind = IS_SCORES;
    else if (is_snapshot(name, &out))
        out.kind = IS_SNAPSHOT;
    else if (take_word(&p, "block_") && (out.number = take_number(&p)) >= 0 &&
             (strcmp(p, ".md") == 0 || strcmp(p, "_memory.md") == 0))
        out.kind = IS_BLOCK_TEXT;
    else if (cn_text_ends(name, "_memory.md") || strcmp(name, "memory.md") == 0)
        out.kind = IS_MEMORY;
    if (out.kind == IS_MEMORY || out.kind == IS_SCORES)
        out.stem = strlen(name) - (out.kind == IS_MEMORY ? sizeof("memory.md") - 1
                                                         : sizeof("ucb_scores.txt") - 1);
    if (out.stem && name[out.stem - 1] == '_' && out.kind != IS_LOG)
        out.stem--;
    return out;
}

static cn_status no_memory(const struct scan *s, const char *path)
{
    return cn_err_set(s->err, CN_ENOMEM, "%s: no memory to look at it", path);
}

static const char *keep(struct scan *s, const char *dir, const char *name)
{
    return dir ? cn_arena_printf(&s->f->arena, "%s/%s", dir, name)
               : cn_arena_strdup(&s->f->arena, name);
}

static cn_status only_one(struct scan *s, const char **slot, const char *path, const char *what)
{
    if (*slot && strcmp(*slot, path) != 0)
        return cn_err_set(s->err, CN_EINPUT, "two %s: %s and %s; name the one to read", what,
                          *slot, path);
    *slot = path;
    return CN_OK;
}

static cn_status take_file(struct scan *s, const char *path, const struct looked *l)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    const char *stem = cn_arena_strndup(&s->f->arena, name, l->stem);

    if (!stem)
        return no_memory(s, path);
    if (l->kind == IS_LOG) {
        struct volume v = {l->number ? l->number : INT64_MAX, path, stem};
        cn_buf_add(&s->logs, &v, sizeof v);
    } else if (l->kind == IS_SNAPSHOT) {
        struct cn_read_snapshot n = {l->number, l->slot, path};
        cn_buf_add(&s->snapshots, &n, sizeof n);
    } else if (l->kind == IS_MEMORY) {
        if (!s->memory_is_open)
            s->f->memory = NULL; /* a block's snapshot is older */
        s->memory_is_open = true;
        return only_one(s, &s->f->memory, path, "memories");
    } else if (l->kind == IS_SCORES) {
        return only_one(s, &s->f->scores, path, "score files");
    }
    return CN_OK;
}

/* The newest of protocol/block_NNN.md; of memory/block_NNN_memory.md when there is no memory
 * beside the log. */
static void take_block_text(struct scan *s, const char *path, const struct looked *l,
                            bool protocol)
{
    int64_t *newest = protocol ? &s->protocol_block : &s->memory_block;

    if (l->kind != IS_BLOCK_TEXT || l->number <= *newest || (!protocol && s->memory_is_open))
        return;
    *newest = l->number;
    *(protocol ? &s->f->protocol : &s->f->memory) = path;
}

static cn_status each_in(struct scan *s, const char *dir,
                         cn_status (*fn)(struct scan *s, const char *dir, const char *name))
{
    char **names = NULL;
    int n = 0;
    cn_status st = cn_file_list(dir, &names, &n, s->err);

    for (int i = 0; st == CN_OK && i < n; i++)
        st = fn(s, dir, names[i]);
    cn_file_list_free(names, n);
    return st;
}

static cn_status in_config(struct scan *s, const char *dir, const char *name)
{
    const struct looked l = look_at(name);

    if (l.kind != IS_SNAPSHOT)
        return CN_OK;
    const char *path = keep(s, dir, name);
    return path ? take_file(s, path, &l) : no_memory(s, dir);
}

static cn_status in_protocol(struct scan *s, const char *dir, const char *name)
{
    const struct looked l = look_at(name);
    const char *path = keep(s, dir, name);

    if (path)
        take_block_text(s, path, &l, true);
    return path ? CN_OK : no_memory(s, dir);
}

static cn_status in_memory(struct scan *s, const char *dir, const char *name)
{
    const struct looked l = look_at(name);
    const char *path = keep(s, dir, name);

    if (path)
        take_block_text(s, path, &l, false);
    return path ? CN_OK : no_memory(s, dir);
}

/* iter_000007/config.yaml of a run of ours. */
static cn_status take_run_folder(struct scan *s, const char *dir, const char *name)
{
    struct cn_read_snapshot n = {.slot = -1};
    const char *p = name + strlen("iter_");

    n.iteration = take_number(&p);
    n.path = cn_arena_printf(&s->f->arena, "%s/%s/config.yaml", dir, name);
    if (!n.path)
        return no_memory(s, dir);
    if (n.iteration > 0 && *p == '\0' && cn_file_exists(n.path))
        cn_buf_add(&s->snapshots, &n, sizeof n);
    return CN_OK;
}

static cn_status in_folder(struct scan *s, const char *dir, const char *name)
{
    static const struct {
        const char *name;
        cn_status (*fn)(struct scan *, const char *, const char *);
    } below[] = {{"config", in_config}, {"protocol", in_protocol}, {"memory", in_memory}};
    const char *path = keep(s, dir, name);
    const struct looked l = look_at(name);

    if (!path)
        return no_memory(s, dir);
    if (!cn_file_is_dir(path)) {
        if (strcmp(name, "protocol.md") == 0 && s->protocol_block < 0)
            s->f->protocol = path;
        return l.kind == IS_OTHER || l.kind == IS_BLOCK_TEXT ? CN_OK : take_file(s, path, &l);
    }
    for (size_t i = 0; i < sizeof below / sizeof below[0]; i++)
        if (strcmp(name, below[i].name) == 0)
            return each_in(s, path, below[i].fn);
    return cn_text_starts(name, "iter_") ? take_run_folder(s, dir, name) : CN_OK;
}

static cn_status take_path(struct scan *s, const char *given)
{
    size_t n = strlen(given);
    char *path;
    struct looked l;

    while (n > 1 && given[n - 1] == '/')
        n--;
    path = cn_arena_strndup(&s->f->arena, given, n);
    if (!path)
        return no_memory(s, given);
    if (cn_file_is_dir(path))
        return each_in(s, path, in_folder);
    if (!cn_file_exists(path))
        return cn_err_set(s->err, CN_ENOTFOUND, "%s: no such file or folder", given);
    const char *slash = strrchr(path, '/');
    l = look_at(slash ? slash + 1 : path);
    if (l.kind == IS_OTHER || l.kind == IS_BLOCK_TEXT)
        return cn_err_set(s->err, CN_EINPUT,
                          "%s: the name says nothing; expected *_analysis.md, *_memory.md, "
                          "*ucb_scores.txt, iter_NNN_slot_SS.yaml, or a folder of them",
                          given);
    return take_file(s, path, &l);
}

/* ---- the result ---- */

static int by_number(const void *a, const void *b)
{
    const struct volume *x = a, *y = b;

    return x->number < y->number ? -1 : x->number > y->number;
}

static int by_iteration(const void *a, const void *b)
{
    const struct cn_read_snapshot *x = a, *y = b;

    if (x->iteration != y->iteration)
        return x->iteration < y->iteration ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

static cn_status put_logs(struct scan *s)
{
    struct volume *v = (struct volume *)(void *)s->logs.data;
    const int n = (int)(s->logs.len / sizeof *v);

    if (n == 0)
        return CN_OK;
    qsort(v, (size_t)n, sizeof *v, by_number);
    s->f->logs = cn_arena_alloc(&s->f->arena, (size_t)n, sizeof *s->f->logs);
    if (!s->f->logs)
        return no_memory(s, v->path);
    for (int i = 0; i < n; i++) {
        if (strcmp(v[i].stem, v[0].stem) != 0 || (i && v[i].number == v[i - 1].number))
            return cn_err_set(s->err, CN_EINPUT, "two logs: %s and %s; name the one to read",
                              v[0].path, v[i].path);
        s->f->logs[s->f->n_logs++] = v[i].path;
    }
    s->f->stem = v[0].stem;
    return CN_OK;
}

static cn_status put_snapshots(struct scan *s)
{
    const struct cn_buf *b = &s->snapshots;

    if (b->len == 0)
        return cn_buf_status(b) == CN_OK ? CN_OK : no_memory(s, "the folder");
    s->f->snapshots = cn_arena_alloc(&s->f->arena, b->len, 1);
    if (cn_buf_status(b) != CN_OK || !s->f->snapshots)
        return no_memory(s, "the folder");
    memcpy(s->f->snapshots, b->data, b->len);
    s->f->n_snapshots = (int64_t)(b->len / sizeof *s->f->snapshots);
    qsort(s->f->snapshots, (size_t)s->f->n_snapshots, sizeof *s->f->snapshots, by_iteration);
    return CN_OK;
}

static cn_status finish(struct scan *s)
{
    struct cn_read_folder *f = s->f;
    cn_status st = cn_buf_status(&s->logs) == CN_OK ? put_logs(s) : no_memory(s, "the folder");

    if (st == CN_OK)
        st = put_snapshots(s);
    if (st == CN_OK && f->n_logs == 0 && !f->scores)
        return cn_err_set(s->err, CN_EINPUT,
                          "there is neither a log (*_analysis.md) nor a score file "
                          "(*ucb_scores.txt) to read");
    if (st == CN_OK && f->n_logs == 0 && f->scores) {
        const char *slash = strrchr(f->scores, '/'), *name = slash ? slash + 1 : f->scores;
        f->stem = cn_arena_strndup(&f->arena, name, look_at(name).stem);
        st = f->stem ? CN_OK : no_memory(s, f->scores);
    }
    return st;
}

cn_status cn_read_folder_init(struct cn_read_folder *out, const char *const *paths, int n_paths,
                              struct cn_err *err)
{
    struct scan s = {.f = out, .protocol_block = -1, .memory_block = -1, .err = err};
    cn_status st = CN_OK;

    memset(out, 0, sizeof *out);
    cn_arena_init(&out->arena, CN_CAP_ARENA);
    cn_buf_init(&s.logs, CN_CAP_TEXT);
    cn_buf_init(&s.snapshots, CN_CAP_TEXT);
    for (int i = 0; st == CN_OK && i < n_paths; i++)
        st = take_path(&s, paths[i]);
    if (st == CN_OK)
        st = finish(&s);
    cn_buf_clear(&s.logs);
    cn_buf_clear(&s.snapshots);
    return st;
}

void cn_read_folder_clear(struct cn_read_folder *f)
{
    cn_arena_clear(&f->arena);
    memset(f, 0, sizeof *f);
}
