/* See principles.h. */
#include "harness/loop/principles.h"

#include <string.h>

#include "base/arena.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "base/yaml.h"
#include "harness/loop/consult.h"
#include "harness/loop/run_int.h"
#include "logs/principles.h"
#include "logs/project.h"

/* The row of the protocol's partition that a block belongs to; NULL: the rules search it. */
static const struct cn_protocol_block *row_of(const struct cn_protocol *p, int64_t block)
{
    for (int32_t i = 0; i < p->n_blocks; i++)
        if (p->blocks[i].first <= block && block <= p->blocks[i].last)
            return &p->blocks[i];
    return NULL;
}

/* A whole block of defaults or replicates changes nothing, a focus changes its own. */
static bool may_change(const struct cn_run *r, const struct cn_protocol_block *row,
                       const struct cn_trainer_param *p)
{
    if (!row || row->kind == CN_PARTITION_PROSE)
        return true;
    if (row->kind == CN_PARTITION_DEFAULT || row->kind == CN_PARTITION_REPLICATE)
        return row->count > 0 && !row->at_least;
    for (int32_t i = 0; i < row->n_axes; i++)
        if (!row->axes[i].simulation &&
            cn_trainer_param(r->trainer, row->axes[i].param, NULL) == p)
            return true;
    return false;
}

/* Keys that the next block may change, as the record spells them. */
static cn_status fill_params(const struct cn_run *r, const struct cn_protocol_block *row,
                             struct cn_arena *a, struct cn_hypothesis_opts *o,
                             struct cn_err *err)
{
    const struct cn_dims *d = &r->search.training;
    const char **names = cn_arena_alloc(a, (size_t)d->space.n + 1, sizeof *names);
    struct cn_yaml *y = NULL;
    cn_status st =
        names ? cn_yaml_parse("base.yaml", r->base_config, strlen(r->base_config), &y, err)
              : cn_err_set(err, CN_ENOMEM, "no memory for the parameters");

    for (int32_t i = 0; st == CN_OK && i < d->space.n; i++) {
        if (!may_change(r, row, d->of[i]))
            continue;
        names[o->n_params] = cn_arena_strdup(a, cn_trainer_spelling(d->of[i], y));
        if (!names[o->n_params++])
            st = cn_err_set(err, CN_ENOMEM, "no memory for the parameters");
    }
    o->params = names;
    cn_yaml_free(y);
    return st;
}

/* `words` in, the new memory out. */
static cn_status rewrite(const struct cn_run *r, const struct cn_history *h, int64_t block,
                         bool goes_on, struct cn_buf *words, struct cn_err *err)
{
    const struct cn_protocol_block *row = row_of(r->protocol, block + 1);
    struct cn_hypothesis_opts o = {
        .closed = block, .goes_on = goes_on, .focus = row ? row->focus : NULL};
    struct cn_arena a;
    struct cn_buf next;
    cn_status st;

    cn_arena_init(&a, CN_CAP_ARENA);
    cn_buf_init(&next, CN_CAP_TEXT);
    st = fill_params(r, row, &a, &o, err);
    if (st == CN_OK)
        st = cn_principles_update(h, cn_buf_str(words), &next, err);
    if (st == CN_OK) {
        cn_buf_reset(words);
        st = cn_hypothesis_update(h, cn_buf_str(&next), &o, words, err);
    }
    cn_buf_clear(&next);
    cn_arena_clear(&a);
    return st;
}

cn_status cn_run_write_principles(struct cn_run *r, const struct cn_history *h, int64_t block,
                                  bool goes_on, struct cn_err *err)
{
    struct cn_buf words;
    char reason[64];
    cn_status st;

    if (cn_consult_wrote_memory(r, block))
        return CN_OK; /* the model's words stand */
    cn_buf_init(&words, CN_CAP_TEXT);
    st = cn_project_adopt_edits(r->store, h, err);
    if (st == CN_OK) {
        st = cn_store_text(r->store, "memory", 0, &words, err);
        if (st == CN_ENOTFOUND) {
            cn_buf_reset(&words);
            st = CN_OK;
        }
    }
    if (st == CN_OK)
        st = rewrite(r, h, block, goes_on, &words, err);
    cn_text_format(reason, sizeof reason, "end of block %lld", (long long)block);
    if (st == CN_OK && words.len > 0)
        st = cn_store_text_put(r->store, "memory", "embedded", reason, cn_buf_str(&words), NULL,
                               err);
    cn_buf_clear(&words);
    return st;
}
