/* See rescore.h. */
#include "harness/loop/rescore.h"

#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "harness/loop/basis.h"

static cn_status from_config(struct cn_rescore *r, struct cn_store *s, struct cn_buf *text,
                             struct cn_err *err)
{
    struct cn_yaml *y = NULL;
    cn_status st = cn_store_text(s, "config", 0, text, err);

    if (st == CN_OK)
        st = cn_yaml_parse("base.yaml", cn_buf_str(text), text->len, &y, err);
    if (st == CN_OK)
        st = cn_settings_read_yaml(&r->settings, y, err);
    cn_yaml_free(y);
    return st;
}

static cn_status from_protocol(struct cn_rescore *r, struct cn_store *s, struct cn_buf *text,
                               struct cn_err *err)
{
    struct cn_protocol *p = NULL;
    cn_status st = cn_store_text(s, "protocol", 0, text, err);

    if (st == CN_OK)
        st = cn_protocol_parse("protocol.md", cn_buf_str(text), text->len, &p, err);
    for (int32_t i = 0; st == CN_OK && i < p->n_settings; i++)
        st = cn_settings_set(&r->settings, p->settings[i].key, p->settings[i].value,
                             "protocol.md", err);
    cn_protocol_free(p);
    return st;
}

/* "explore.a=1\n" lines, as the command line gave them. */
static cn_status from_overrides(struct cn_rescore *r, struct cn_store *s, struct cn_buf *text,
                                struct cn_err *err)
{
    cn_status st = CN_OK;

    if (cn_store_fact(s, "overrides", text, NULL) != CN_OK)
        return CN_OK;
    for (char *p = text->data; st == CN_OK && p && *p;) {
        char *end = strchr(p, '\n'), *eq = strchr(p, '=');

        if (!end || !eq || eq > end)
            break;
        *end = *eq = '\0';
        if (cn_setting_key(p))
            st = cn_settings_set(&r->settings, cn_setting_key(p), eq + 1, "command line", err);
        p = end + 1;
    }
    return st;
}

cn_status cn_rescore_init(struct cn_rescore *r, struct cn_store *s, struct cn_err *err)
{
    struct cn_buf text;
    cn_status st;

    memset(r, 0, sizeof *r);
    cn_arena_init(&r->arena, CN_CAP_ARENA);
    cn_settings_init(&r->settings);
    cn_buf_init(&text, CN_CAP_TEXT);
    st = from_config(r, s, &text, err);
    if (st == CN_OK)
        st = from_protocol(r, s, &text, err);
    if (st == CN_OK)
        st = from_overrides(r, s, &text, err);
    if (st == CN_OK)
        st = cn_store_text(s, "describe", 0, &text, err);
    if (st == CN_OK)
        st = cn_trainer_parse("describe", cn_buf_str(&text), text.len, &r->trainer, err);
    cn_buf_clear(&text);
    return st;
}

void cn_rescore_clear(struct cn_rescore *r)
{
    cn_trainer_free(r->trainer);
    cn_arena_clear(&r->arena);
    memset(r, 0, sizeof *r);
}

static const char *mutation_text(struct cn_rescore *r, const struct cn_node *n)
{
    const struct cn_mutation *m = n && n->n_mutations == 1 ? n->mutations : NULL;

    return m ? cn_arena_printf(&r->arena, "%s: %s -> %s", m->path, m->old_text, m->new_text)
             : "";
}

cn_status cn_rescore_block(struct cn_rescore *r, const struct cn_history *h, int64_t block,
                           struct cn_project_opts *out, struct cn_err *err)
{
    const struct cn_planner pl = {.settings = &r->settings, .trainer = r->trainer};
    struct cn_score_line *lines = NULL;
    struct cn_score_table t;
    cn_status st = cn_plan_scores(&pl, h, block, &t, err);

    if (st == CN_OK && t.n > 0) {
        lines = cn_arena_alloc(&r->arena, (size_t)t.n, sizeof *lines);
        if (!lines)
            st = cn_err_set(err, CN_ENOMEM, "no memory for the scores");
    }
    for (int64_t i = 0; lines && i < t.n; i++) {
        lines[i] = (struct cn_score_line){.node = t.rows[i].id,
                                          .parent = t.rows[i].parent,
                                          .score = t.rows[i].score,
                                          .visits = t.rows[i].visits,
                                          .reward = t.rows[i].reward,
                                          .iteration = t.rows[i].id};
        lines[i].mutation = mutation_text(r, cn_history_node(h, t.rows[i].id));
        if (!lines[i].mutation)
            st = cn_err_set(err, CN_ENOMEM, "no memory for the scores");
    }
    out->write_scores = true;
    out->scores = lines;
    out->n_scores = (int)t.n;
    out->score_block = block;
    out->score_c = t.c;
    cn_score_clear(&t);
    return st;
}
