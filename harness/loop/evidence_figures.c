/* Figures of the run folders, small enough for a model. See evidence_int.h. */
#include <inttypes.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "harness/loop/evidence_int.h"
#include "harness/loop/picture.h"

enum {
    SHOWN = 8,             /* pictures of one prompt, whatever the model takes */
    ONE = 2 << 20,         /* bytes of one */
    FILE_BYTES = 16 << 20, /* of a file that is read at all */
    NAMES = 64             /* of one folder */
};

/* The figures of one iteration's folder. */
struct folder {
    const char *dir;
    const char *names[NAMES], *meanings[NAMES];
    int n;
};

/* A name in the folder itself, and a PNG. */
static bool is_figure(const char *name)
{
    return name && name[0] != '.' && !strchr(name, '/') && cn_text_ends(name, ".png");
}

static bool is_there(const char *dir, const char *name)
{
    char *path = cn_file_join(dir, name);
    bool there = path && cn_file_exists(path) && !cn_file_is_dir(path);

    cn_free(path);
    return there;
}

static void add_name(struct folder *f, struct cn_arena *a, const char *name,
                     const char *meaning)
{
    if (f->n == NAMES || !is_figure(name) || !is_there(f->dir, name))
        return;
    f->names[f->n] = cn_arena_strdup(a, name);
    f->meanings[f->n] = cn_arena_strdup(a, meaning ? meaning : "");
    if (f->names[f->n] && f->meanings[f->n])
        f->n++;
}

/* Those that the trainer's table describes, in its order. */
static void add_described(struct folder *f, struct cn_arena *a, const char *describe)
{
    struct cn_json_doc *doc = NULL;
    const struct cn_json *list;

    if (describe &&
        cn_json_parse("describe", describe, strlen(describe), &doc, NULL) == CN_OK) {
        list = cn_json_get(cn_json_root(doc), "figures");
        for (const struct cn_json *v = cn_json_first(list); v; v = cn_json_next(v))
            add_name(f, a, cn_json_string(cn_json_get(v, "file")),
                     cn_json_string(cn_json_get(v, "meaning")));
    }
    cn_json_free(doc);
}

/* An iteration without a folder has no figures: no error. */
static cn_status look(const struct cn_run *r, const struct cn_iteration *it, struct cn_arena *a,
                      struct folder *f, struct cn_err *err)
{
    char **names = NULL;
    int n = 0;

    *f = (struct folder){.dir = cn_arena_printf(a, "%s/%s", r->dir, it->dir)};
    if (!f->dir)
        return cn_err_set(err, CN_ENOMEM, "no memory for the figures of iteration %" PRId64,
                          it->id);
    if (!it->dir[0] || !cn_file_is_dir(f->dir))
        return CN_OK;
    add_described(f, a, r->trainer->describe);
    if (f->n == 0 && cn_file_list(f->dir, &names, &n, NULL) == CN_OK)
        for (int i = 0; i < n; i++)
            add_name(f, a, names[i], "");
    cn_file_list_free(names, n);
    return CN_OK;
}

/* The file as a block; CN_EINPUT, CN_ECAP and so on with the reason. */
static cn_status load(const char *path, struct cn_arena *a, struct cn_llm_block *out,
                      struct cn_err *err)
{
    struct cn_buf file, small;
    unsigned char *bytes = NULL;
    cn_status st;

    cn_buf_init(&file, FILE_BYTES);
    cn_buf_init(&small, ONE);
    st = cn_file_read(path, FILE_BYTES, &file, err);
    if (st == CN_OK)
        st = cn_picture_fit(cn_buf_str(&file), file.len, &small, err);
    if (st == CN_OK) {
        bytes = cn_arena_alloc(a, small.len, 1);
        if (!bytes)
            st = cn_err_set(err, CN_ENOMEM, "no memory for a figure");
    }
    if (st == CN_OK) {
        memcpy(bytes, small.data, small.len);
        *out = (struct cn_llm_block){.kind = CN_LLM_IMAGE,
                                     .text = path,
                                     .id = "",
                                     .name = "",
                                     .arguments = "",
                                     .image = bytes,
                                     .image_size = small.len,
                                     .media_type = "image/png"};
    }
    cn_buf_clear(&file);
    cn_buf_clear(&small);
    return st;
}

/* ------------------------------------------------------------------ of a prompt */

static cn_status add_figure(struct cn_ev *e, const struct folder *f, int k, int64_t iteration)
{
    struct cn_ev_figure *g = &e->figures[e->n_figures];

    *g = (struct cn_ev_figure){.iteration = iteration,
                               .name = f->names[k],
                               .meaning = f->meanings[k],
                               .path = cn_arena_printf(e->a, "%s/%s", f->dir, f->names[k]),
                               .why = ""};
    if (!g->path)
        return cn_err_set(e->err, CN_ENOMEM, "no memory for the figures");
    e->n_figures++;
    return CN_OK;
}

/* The first figure of every iteration, newest first, then the second ... */
static cn_status list_figures(struct cn_ev *e)
{
    int n = e->need->n_finished;
    struct folder *folders = cn_arena_alloc(e->a, (size_t)n + 1, sizeof *folders);
    cn_status st =
        folders ? CN_OK : cn_err_set(e->err, CN_ENOMEM, "no memory for %d folders", n);

    for (int i = 0; st == CN_OK && i < n; i++) {
        const struct cn_iteration *it = cn_history_iteration(e->h, e->need->finished[i]);

        if (it)
            st = look(e->r, it, e->a, &folders[i], e->err);
    }
    for (int k = 0; st == CN_OK && k < NAMES; k++)
        for (int i = n - 1; st == CN_OK && i >= 0 && e->n_figures < CN_EVIDENCE_FIGURES; i--)
            if (k < folders[i].n)
                st = add_figure(e, &folders[i], k, e->need->finished[i]);
    return st;
}

static cn_status show(struct cn_ev *e, struct cn_ev_figure *g, size_t *bytes)
{
    struct cn_err why = {0};
    cn_status st = load(g->path, e->a, &g->block, &why);

    if (st == CN_ENOMEM)
        return cn_err_set(e->err, CN_ENOMEM, "%s", why.text);
    if (st != CN_OK)
        g->why = st == CN_ECAP ? "too large" : "cannot be read";
    else if (*bytes + g->block.image_size > CN_EVIDENCE_IMAGES)
        g->block.image_size = 0, g->why = "the others are large enough";
    else
        *bytes += g->block.image_size;
    return CN_OK;
}

cn_status cn_ev_pick_figures(struct cn_ev *e)
{
    int most = e->caps->max_images < SHOWN ? e->caps->max_images : SHOWN, shown = 0;
    size_t bytes = 0;
    cn_status st;

    if (e->need->phase != CN_CONSULT_ANALYSIS && e->need->phase != CN_CONSULT_BLOCK_END)
        return CN_OK;
    st = list_figures(e);
    for (int i = 0; st == CN_OK && i < e->n_figures; i++) {
        struct cn_ev_figure *g = &e->figures[i];

        if (!e->caps->images) {
            g->why = "you take no images";
        } else if (shown >= most) {
            g->why = "enough of them";
        } else {
            st = show(e, g, &bytes);
            shown += g->block.image_size > 0;
        }
    }
    return st;
}

/* In the order of the images above the text; then those that are not there. */
cn_status cn_ev_figures(struct cn_ev *e, struct cn_buf *out)
{
    int k = 0;

    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < e->n_figures; i++) {
            const struct cn_ev_figure *g = &e->figures[i];

            if ((g->block.image_size > 0) != (pass == 0))
                continue;
            if (pass == 0)
                cn_buf_printf(out, "Image %d: ", ++k);
            else
                cn_buf_adds(out, "Not shown: ");
            cn_buf_printf(out, "iteration %" PRId64 ", ", g->iteration);
            cn_ev_line(out, g->name);
            cn_buf_adds(out, g->meaning[0] ? ": " : "");
            cn_ev_line(out, g->meaning);
            cn_buf_printf(out, pass == 0 ? "\n" : " (%s)\n", g->why);
        }
    return CN_OK;
}

/* ------------------------------------------------------------------ of a read */

static cn_status no_such(const struct folder *f, int64_t iteration, const char *name,
                         struct cn_err *err)
{
    char have[CN_ERR_TEXT / 2];
    struct cn_buf words;

    if (f->n == 0)
        return cn_err_set(err, CN_ENOTFOUND, "iteration %" PRId64 " has no figures", iteration);
    cn_buf_init(&words, sizeof have - 1);
    for (int i = 0; i < f->n; i++) {
        if (words.len + strlen(f->names[i]) + 8 > sizeof have)
            break;
        cn_buf_printf(&words, "%s%s", i ? ", " : "", f->names[i]);
    }
    cn_text_copy(have, sizeof have, cn_buf_str(&words));
    cn_buf_clear(&words);
    return cn_err_set(err, CN_ENOTFOUND,
                      "iteration %" PRId64 " has no figure \"%.80s\"; there are: %s", iteration,
                      name, have);
}

cn_status cn_evidence_figure(struct cn_run *r, const struct cn_history *h, int64_t iteration,
                             const char *name, struct cn_arena *a, struct cn_llm_block *out,
                             struct cn_err *err)
{
    const struct cn_iteration *it = cn_history_iteration(h, iteration);
    struct folder *f = cn_arena_alloc(a, 1, sizeof *f);
    const char *path;
    cn_status st;

    memset(out, 0, sizeof *out);
    if (!f)
        return cn_err_set(err, CN_ENOMEM, "no memory for a figure");
    if (!it)
        return cn_err_set(err, CN_ENOTFOUND, "iteration %" PRId64 " is not in the record",
                          iteration);
    st = look(r, it, a, f, err);
    for (int i = 0; st == CN_OK && i < f->n; i++)
        if (strcmp(f->names[i], name) == 0) {
            path = cn_arena_printf(a, "%s/%s", f->dir, name);
            return path ? load(path, a, out, err)
                        : cn_err_set(err, CN_ENOMEM, "no memory for a figure");
        }
    return st == CN_OK ? no_such(f, iteration, name, err) : st;
}
