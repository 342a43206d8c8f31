/* Saving and restoring a trainer through a safetensors file. */
#include "trainer/fly/checkpoint.h"

#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/text.h"
#include "trainer/fly/safetensors.h"

enum {
    MAX_ENTRIES = CN_FLY_MAX_TENSORS + 8,
    MT_WORDS = sizeof(struct cn_mt19937) / sizeof(uint32_t),
    N_SUMS = 3 + CN_FLY_N_TERMS,
    N_META = 10,
    NUMBER_TEXT = 48
};
_Static_assert(sizeof(struct cn_mt19937) == 625 * sizeof(uint32_t), "624 words and the index");

static const char *kind_name(cn_fly_file kind)
{
    return kind == CN_FLY_FILE_CHECKPOINT ? "cairn-fly-checkpoint" : "cairn-fly-model";
}

/* ---- 1. saving ---- */

/* What goes into the file, gathered before it is written. */
struct bundle {
    struct cn_safetensors_entry entry[MAX_ENTRIES];
    int n;
    struct cn_safetensors_meta meta[N_META];
    char number[N_META][NUMBER_TEXT];
    int n_meta;
    struct cn_fly_position at;
    double sums[N_SUMS];
    double *timeless; /* owned: the tables without their seconds, for a model file */
};

static void add(struct bundle *b, const char *name, cn_tensor_type type, int64_t rows,
                int64_t cols, const void *data)
{
    CN_ASSERT(b->n < MAX_ENTRIES);
    b->entry[b->n++] =
        (struct cn_safetensors_entry){name, type, cols ? 2 : 1, {rows, cols}, data};
}

static void say(struct bundle *b, const char *key, const char *value)
{
    CN_ASSERT(b->n_meta < N_META);
    b->meta[b->n_meta++] = (struct cn_safetensors_meta){key, value};
}

static void say_int(struct bundle *b, const char *key, int64_t x)
{
    char *text = b->number[b->n_meta];

    cn_text_format(text, NUMBER_TEXT, "%lld", (long long)x);
    say(b, key, text);
}

/* A model file says nothing about the clock: the same training gives the same bytes. */
static double *without_seconds(const struct cn_fly_table *t, double *to)
{
    memcpy(to, t->cell, (size_t)(t->rows * t->columns) * sizeof *to);
    for (int64_t k = 0; k < t->rows; k++)
        to[k * t->columns + CN_FLY_H_SECONDS] = 0;
    return to;
}

static cn_status gather_tables(struct bundle *b, const struct cn_fly_history *h,
                               cn_fly_file kind, struct cn_err *err)
{
    const double *report = h->report.cell, *r2 = h->r2.cell;
    int64_t n = h->report.rows * h->report.columns;

    if (kind == CN_FLY_FILE_MODEL) {
        b->timeless = cn_alloc((size_t)(n + h->r2.rows * h->r2.columns) + 1, sizeof(double));
        if (!b->timeless)
            return cn_err_set(err, CN_ENOMEM, "no memory for the history");
        report = without_seconds(&h->report, b->timeless);
        r2 = without_seconds(&h->r2, b->timeless + n);
    }
    add(b, "history.report", CN_TENSOR_F64, h->report.rows, h->report.columns, report);
    add(b, "history.r2", CN_TENSOR_F64, h->r2.rows, h->r2.columns, r2);
    return CN_OK;
}

static void gather_params(struct bundle *b, struct cn_fly_model *m, cn_fly_file kind)
{
    struct cn_fly_model_state s;
    int64_t n = cn_fly_model_n_params(m);

    cn_fly_model_state(m, &s);
    for (int32_t k = 0; k < cn_fly_model_n_tensors(m); k++) {
        const struct cn_fly_tensor *t = cn_fly_model_tensor(m, k);

        add(b, t->name, CN_TENSOR_F32, t->shape[0], t->n_dims == 2 ? t->shape[1] : 0,
            s.params + t->offset);
    }
    if (kind == CN_FLY_FILE_CHECKPOINT) {
        add(b, "adam.m", CN_TENSOR_F32, n, 0, s.m);
        add(b, "adam.v", CN_TENSOR_F32, n, 0, s.v);
    }
    say_int(b, "adam_steps", s.adam_steps);
}

static void gather_position(struct bundle *b, cn_fly_file kind)
{
    const struct cn_fly_position *p = &b->at;
    char *seconds;

    b->sums[0] = p->sum_loss;
    b->sums[1] = p->sum_total;
    b->sums[2] = p->last_loss;
    memcpy(b->sums + 3, p->sum_term, sizeof p->sum_term);
    add(b, "history.sums", CN_TENSOR_F64, N_SUMS, 0, b->sums);
    if (kind == CN_FLY_FILE_CHECKPOINT)
        add(b, "sampler.mt19937", CN_TENSOR_U32, MT_WORDS, 0, &p->sampler.mt);
    say_int(b, "epoch", p->epoch);
    say_int(b, "iteration", p->iteration);
    say_int(b, "step", p->step);
    say_int(b, "n_sums", p->n_sums);
    seconds = b->number[b->n_meta];
    (void)cn_text_double(kind == CN_FLY_FILE_CHECKPOINT ? p->seconds : 0, seconds);
    say(b, "seconds", seconds);
}

cn_status cn_fly_checkpoint_save(struct cn_fly_trainer *t, cn_fly_file kind, const char *path,
                                 const char *config_hash, struct cn_err *err)
{
    struct bundle *b = cn_alloc(1, sizeof *b);
    const struct cn_fly_history *h = cn_fly_trainer_history(t);
    cn_status st;

    if (!b)
        return cn_err_set(err, CN_ENOMEM, "no memory to save %s", path);
    say(b, "format", kind_name(kind));
    say_int(b, "version", CN_FLY_CHECKPOINT_FORMAT);
    say(b, "config_hash", config_hash);
    say(b, "data_key", cn_fly_trainer_data(t)->key);
    cn_fly_trainer_position(t, &b->at);
    gather_params(b, cn_fly_trainer_model(t), kind);
    gather_position(b, kind);
    st = gather_tables(b, h, kind, err);
    if (st == CN_OK)
        st = cn_safetensors_write(path, b->meta, b->n_meta, b->entry, b->n, err);
    cn_free(b->timeless);
    cn_free(b);
    return st;
}

/* ---- 2. loading: first everything is read and checked, then the trainer changes ---- */

struct loading {
    const char *path;
    struct cn_safetensors *f; /* owned */
    float *slab;              /* owned, (3, n_params): parameters and both moments */
    struct cn_fly_position at;
    int64_t adam_steps;
    struct cn_err *err;
};

static cn_status expect_text(struct loading *l, const char *key, const char *want,
                             const char *words)
{
    const char *have = cn_safetensors_meta(l->f, key);

    if (have && strcmp(have, want) == 0)
        return CN_OK;
    return cn_err_set(l->err, CN_EINPUT, "%s: %s (its %s is %.16s, expected %.16s)", l->path,
                      words, key, have ? have : "absent", want);
}

static cn_status corrupt(struct loading *l, const char *what)
{
    return cn_err_set(l->err, CN_ECORRUPT, "%s: %s is missing or of the wrong size", l->path,
                      what);
}

static cn_status read_int(struct loading *l, const char *key, int64_t *out)
{
    const char *s = cn_safetensors_meta(l->f, key);

    return s && cn_text_parse_int64(s, out) && *out >= 0 ? CN_OK : corrupt(l, key);
}

static cn_status copy(struct loading *l, const char *name, cn_tensor_type type, int64_t count,
                      size_t size, void *to)
{
    const void *from = cn_safetensors_get(l->f, name, type, count);

    if (!from)
        return corrupt(l, name);
    memcpy(to, from, (size_t)count * size);
    return CN_OK;
}

static cn_status check_identity(struct loading *l, cn_fly_file kind, const char *config_hash,
                                const char *data_key)
{
    char version[NUMBER_TEXT];
    cn_status st;

    cn_text_format(version, sizeof version, "%d", CN_FLY_CHECKPOINT_FORMAT);
    st = expect_text(l, "format", kind_name(kind), "another kind of file");
    if (st == CN_OK)
        st = expect_text(l, "version", version, "written by another version of cairn");
    if (st == CN_OK)
        st = expect_text(
            l, "config_hash", config_hash,
            "made with other settings; give the same config, or start anew without --resume");
    if (st == CN_OK)
        st = expect_text(l, "data_key", data_key, "made from another data set");
    return st;
}

static cn_status read_params(struct loading *l, cn_fly_file kind, struct cn_fly_model *m)
{
    int64_t n = cn_fly_model_n_params(m);
    cn_status st = CN_OK;

    l->slab = cn_alloc((size_t)n, 3 * sizeof(float));
    if (!l->slab)
        return cn_err_set(l->err, CN_ENOMEM, "no memory to load %s", l->path);
    for (int32_t k = 0; k < cn_fly_model_n_tensors(m) && st == CN_OK; k++) {
        const struct cn_fly_tensor *t = cn_fly_model_tensor(m, k);

        st = copy(l, t->name, CN_TENSOR_F32, t->count, sizeof(float), l->slab + t->offset);
    }
    if (st == CN_OK && kind == CN_FLY_FILE_CHECKPOINT)
        st = copy(l, "adam.m", CN_TENSOR_F32, n, sizeof(float), l->slab + n);
    if (st == CN_OK && kind == CN_FLY_FILE_CHECKPOINT)
        st = copy(l, "adam.v", CN_TENSOR_F32, n, sizeof(float), l->slab + 2 * n);
    return st == CN_OK ? read_int(l, "adam_steps", &l->adam_steps) : st;
}

static cn_status read_position(struct loading *l, cn_fly_file kind)
{
    struct cn_fly_position *p = &l->at;
    const char *seconds = cn_safetensors_meta(l->f, "seconds");
    double sums[N_SUMS];
    int64_t epoch = 0;
    cn_status st = read_int(l, "epoch", &epoch);

    p->epoch = (int32_t)epoch;
    if (st == CN_OK)
        st = read_int(l, "iteration", &p->iteration);
    if (st == CN_OK)
        st = read_int(l, "step", &p->step);
    if (st == CN_OK)
        st = read_int(l, "n_sums", &p->n_sums);
    if (st == CN_OK && (!seconds || !cn_text_parse_double(seconds, &p->seconds)))
        st = corrupt(l, "seconds");
    if (st == CN_OK)
        st = copy(l, "history.sums", CN_TENSOR_F64, N_SUMS, sizeof(double), sums);
    if (st == CN_OK && kind == CN_FLY_FILE_CHECKPOINT)
        st = copy(l, "sampler.mt19937", CN_TENSOR_U32, MT_WORDS, sizeof(uint32_t),
                  &p->sampler.mt);
    if (st != CN_OK)
        return st;
    p->sum_loss = sums[0];
    p->sum_total = sums[1];
    p->last_loss = sums[2];
    memcpy(p->sum_term, sums + 3, sizeof p->sum_term);
    return p->sampler.mt.index >= 0 && p->sampler.mt.index <= 624 ? CN_OK
                                                                  : corrupt(l, "sampler state");
}

static cn_status check_table(struct loading *l, const char *name, const struct cn_fly_table *t)
{
    int64_t count = cn_safetensors_count(l->f, name);

    if (count < 0 || count % t->columns || count / t->columns > t->room ||
        !cn_safetensors_get(l->f, name, CN_TENSOR_F64, count))
        return corrupt(l, name);
    return CN_OK;
}

static void load_table(struct loading *l, const char *name, struct cn_fly_table *t)
{
    int64_t count = cn_safetensors_count(l->f, name);

    t->rows = count / t->columns;
    if (count > 0)
        memcpy(t->cell, cn_safetensors_get(l->f, name, CN_TENSOR_F64, count),
               (size_t)count * sizeof(double));
}

static cn_status read_all(struct loading *l, struct cn_fly_trainer *t, cn_fly_file kind,
                          const char *config_hash)
{
    struct cn_fly_history *h = cn_fly_trainer_history(t);
    cn_status st = cn_safetensors_open(l->path, &l->f, l->err);

    if (st == CN_OK)
        st = check_identity(l, kind, config_hash, cn_fly_trainer_data(t)->key);
    if (st == CN_OK)
        st = read_params(l, kind, cn_fly_trainer_model(t));
    if (st == CN_OK) { /* range and window of the sampler are the config's */
        cn_fly_trainer_position(t, &l->at);
        st = read_position(l, kind);
    }
    if (st == CN_OK)
        st = check_table(l, "history.report", &h->report);
    if (st == CN_OK)
        st = check_table(l, "history.r2", &h->r2);
    return st;
}

cn_status cn_fly_checkpoint_load(struct cn_fly_trainer *t, cn_fly_file kind, const char *path,
                                 const char *config_hash, struct cn_err *err)
{
    struct loading l = {.path = path, .err = err};
    struct cn_fly_model *m = cn_fly_trainer_model(t);
    struct cn_fly_history *h = cn_fly_trainer_history(t);
    int64_t n = cn_fly_model_n_params(m);
    cn_status st = read_all(&l, t, kind, config_hash);

    if (st == CN_OK) {
        struct cn_fly_model_state s = {l.slab, l.slab + n, l.slab + 2 * n, l.adam_steps};

        cn_fly_model_restore(m, &s);
        cn_fly_trainer_set_position(t, &l.at);
        load_table(&l, "history.report", &h->report);
        load_table(&l, "history.r2", &h->r2);
    }
    cn_free(l.slab);
    cn_safetensors_close(l.f);
    return st;
}
