/* A run from its exported record (`cairn export RUN --format jsonl`). See adopt.h. */
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/loop/adopt.h"
#include "harness/loop/run_int.h"
#include "logs/export.h"
#include "logs/project.h"

/* The latest version of a text as the run folder's file. */
static cn_status put_latest(const char *dir, const char *name, const struct cn_exported *e,
                            const char *kind, struct cn_err *err)
{
    const char *words = "";
    int64_t version = 0;

    for (int64_t i = 0; i < e->history.n_texts; i++)
        if (strcmp(e->history.texts[i].kind, kind) == 0 &&
            e->history.texts[i].version > version) {
            version = e->history.texts[i].version;
            words = e->words[i];
        }
    return cn_run_put(dir, name, words, strlen(words), err);
}

/* What belongs to this place, not to the run; "complete" is the last word. */
static cn_status put_facts(struct cn_store *s, const char *dir, const char *config_dir,
                           const char *from, struct cn_err *err)
{
    char nonce[CN_RUN_NONCE];
    struct cn_buf text;
    cn_status st;

    cn_run_make_nonce(dir, nonce);
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_printf(&text, "from %s", from);
    st = cn_store_event(s, 0, "import", cn_buf_str(&text), err);
    if (st == CN_OK)
        st = cn_store_fact_set(s, "config_dir", config_dir, err);
    if (st == CN_OK)
        st = cn_store_fact_set(s, "nonce", nonce, err);
    if (st == CN_OK && cn_store_fact(s, "overrides", &text, NULL) != CN_OK)
        st = cn_store_fact_set(s, "overrides", "", err);
    if (st == CN_OK)
        st = cn_store_fact_set(s, "complete", "1", err);
    cn_buf_clear(&text);
    return st;
}

static cn_status fill(const char *dir, const char *config_dir, const char *from,
                      struct cn_store *s, struct cn_err *err)
{
    struct cn_project_opts o = CN_PROJECT_OPTS_INIT;
    struct cn_history h;
    char holder[64];
    cn_status st;

    memset(&h, 0, sizeof h);
    cn_text_format(holder, sizeof holder, "import:%ld", (long)getpid());
    st = cn_store_lease_steal(s, holder, cn_clock_now_ms(), CN_RUN_LEASE_MS, err);
    if (st == CN_OK)
        st = put_facts(s, dir, config_dir, from, err);
    if (st == CN_OK)
        st = cn_store_history(s, &h, err);
    if (st == CN_OK)
        st = cn_project_write(s, &h, &o, err);
    if (st == CN_OK)
        st = cn_store_lease_release(s, err);
    cn_history_clear(&h);
    return st;
}

static cn_status make_folder(const char *dir, const char *config_dir, const char *from,
                             struct cn_exported *e, struct cn_err *err)
{
    struct cn_store *s = NULL;
    cn_status st = cn_file_mkdirs(dir, err);

    e->history.info.name = cn_run_base_name(dir);
    if (st == CN_OK)
        st = put_latest(dir, "protocol.md", e, "protocol", err);
    if (st == CN_OK)
        st = put_latest(dir, "base.yaml", e, "config", err);
    if (st == CN_OK)
        st = cn_run_put(dir, "user_input.md", cn_run_inbox_template,
                        strlen(cn_run_inbox_template), err);
    if (st == CN_OK)
        st = cn_store_restore(dir, e, &s, err);
    if (st == CN_OK)
        st = fill(dir, config_dir, from, s, err);
    cn_store_close(s);
    if (st != CN_OK && cn_file_remove_tree(dir, NULL) != CN_OK)
        (void)cn_err_prefix(err, "%s could not be removed", dir);
    return st;
}

cn_status cn_adopt_store(const char *path, const char *dir, const char *config_dir,
                         struct cn_adopted_store *out, struct cn_err *err)
{
    char *clean = cn_run_clean_dir(dir), *absolute = cn_file_absolute(config_dir);
    struct cn_exported e;
    struct cn_buf text;
    cn_status st = CN_OK;

    memset(out, 0, sizeof *out);
    memset(&e, 0, sizeof e);
    cn_buf_init(&text, CN_CAP_FILE);
    if (!clean || !absolute)
        st = cn_err_set(err, CN_ENOMEM, "%s: no memory for its path", dir);
    else if (cn_file_exists(clean))
        st = cn_err_set(err, CN_EEXIST, "%s: is there already; choose another --name", dir);
    if (st == CN_OK)
        st = cn_file_read(path, CN_CAP_FILE, &text, err);
    if (st == CN_OK)
        st = cn_export_read(path, cn_buf_str(&text), text.len, &e, err);
    if (st == CN_OK)
        st = make_folder(clean, absolute, path, &e, err);
    if (st == CN_OK) {
        out->iterations = e.history.n_iterations;
        out->nodes = e.history.n_nodes;
        out->blocks = e.history.n_blocks;
    }
    cn_exported_clear(&e);
    cn_buf_clear(&text);
    cn_free(clean);
    cn_free(absolute);
    return st;
}
