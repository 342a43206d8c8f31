/* Keys and configs of a history that others wrote. See adopt.h.
 *
 * 1 names   2 values   3 snapshots   4 mutations and Config lines   5 all nodes
 */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/text.h"
#include "harness/loop/adopt_int.h"

/* ------------------------------------------------------------------ 1 names */

/* Short names that the Python systems' logs use, and a name that the trainer's table may know by
 * its last part (in their new or old spelling). Compared without regard to case. */
static const struct {
    const char *said;
    const char *means[3];
} short_names[] = {
    {"lr_emb", {"lr_embedding", "learning_rate_embedding_start"}},
    {"lr_embed", {"lr_embedding", "learning_rate_embedding_start"}},
    {"lr_w_start", {"lr_W", "learning_rate_W_start"}},
    {"learning_rate_w", {"lr_W", "learning_rate_W_start"}},
    {"learning_rate", {"lr", "learning_rate_start"}},
    {"learning_rate_embedding", {"lr_embedding", "learning_rate_embedding_start"}},
    {"learning_rate_start", {"lr", "learning_rate_start"}},
    {"aug_loop", {"data_augmentation_loop"}},
    {"data_aug_loop", {"data_augmentation_loop"}},
    {"data_aug", {"data_augmentation_loop"}},
    {"augmentation_loop", {"data_augmentation_loop"}},
    {"batch", {"batch_size"}},
    {"bs", {"batch_size"}},
    {"epochs", {"n_epochs"}},
    {"noise", {"noise_model_level"}},
    {"noise_level", {"noise_model_level"}},
    {"joint_ratio", {"alternate_joint_ratio"}},
    {"lr_ratio", {"alternate_lr_ratio"}},
    {"w_l1", {"coeff_W_L1"}},
    {"coeff_l1", {"coeff_l1", "coeff_W_L1"}},
    {"w_l2", {"coeff_W_L2"}},
    {"edge_diff", {"coeff_edge_diff", "coeff_g_phi_diff"}},
    {"edge_norm", {"coeff_edge_norm", "coeff_g_phi_norm"}},
    {"edge_l1", {"coeff_edge_weight_L1", "coeff_g_phi_weight_L1"}},
    {"edge_weight_l1", {"coeff_edge_weight_L1", "coeff_g_phi_weight_L1"}},
    {"edge_weight_l2", {"coeff_edge_weight_L2", "coeff_g_phi_weight_L2"}},
    {"phi_l1", {"coeff_phi_weight_L1", "coeff_f_theta_weight_L1"}},
    {"phi_l2", {"coeff_phi_weight_L2", "coeff_f_theta_weight_L2"}},
    {"phi_weight_l1", {"coeff_phi_weight_L1", "coeff_f_theta_weight_L1"}},
    {"phi_weight_l2", {"coeff_phi_weight_L2", "coeff_f_theta_weight_L2"}},
    {"annealing", {"regul_annealing_rate"}},
    {"annealing_rate", {"regul_annealing_rate"}},
    {"emb_dim", {"embedding_dim"}},
    {"hidden", {"hidden_dim"}},
    {"layers", {"n_layers"}},
    {"frames", {"n_frames"}},
    {"dt", {"delta_t"}},
    {"visual_input", {"visual_input_type"}},
    {"stimulus", {"visual_input_type"}},
    {"n_types", {"n_neuron_types"}},
    {"w_init", {"w_init_mode"}},
};

static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        const char x = *a >= 'A' && *a <= 'Z' ? (char)(*a + 32) : *a;
        const char y = *b >= 'A' && *b <= 'Z' ? (char)(*b + 32) : *b;
        if (x != y)
            return false;
    }
    return *a == *b;
}

const struct cn_trainer_param *cn_adopt_param(const struct cn_trainer *t, const char *name,
                                              struct cn_err *opt_err)
{
    const struct cn_trainer_param *p = cn_trainer_param(t, name, opt_err);

    for (size_t i = 0; !p && i < sizeof short_names / sizeof short_names[0]; i++)
        for (int k = 0; !p && k < 3 && same_name(name, short_names[i].said); k++)
            if (short_names[i].means[k])
                p = cn_trainer_param(t, short_names[i].means[k], NULL);
    return p;
}

/* ------------------------------------------------------------------ 2 values */

/* `text` as YAML for a parameter, in `out`; false when it is no value of its type. Nothing but a
 * single scalar comes out. */
static bool value_text(const struct cn_trainer_param *p, const char *text, struct cn_buf *out)
{
    char number[CN_NUM_TEXT];
    double x;

    cn_buf_reset(out);
    switch (p->type) {
    case CN_TRAINER_FLOAT:
    case CN_TRAINER_INT:
        if (!cn_text_parse_double(text, &x) || !isfinite(x) ||
            (p->type == CN_TRAINER_INT && (x != floor(x) || fabs(x) > 9e15)))
            return false;
        if (p->type == CN_TRAINER_INT)
            cn_buf_printf(out, "%lld", (long long)x);
        else /* as written where PyYAML would read a number */
            cn_buf_adds(out, strpbrk(text, "eE") && !strchr(text, '.')
                                 ? cn_text_yaml_double(x, number)
                                 : text);
        return true;
    case CN_TRAINER_BOOL:
        if (!same_name(text, "true") && !same_name(text, "false"))
            return false;
        cn_buf_adds(out, same_name(text, "true") ? "true" : "false");
        return true;
    case CN_TRAINER_STRING:
        break;
    }
    for (int32_t i = 0; i < p->n_choices; i++)
        if (strcmp(p->choices[i], text) == 0) {
            cn_yaml_quote(out, text);
            return true;
        }
    if (p->n_choices || !text[0] || strlen(text) > 200)
        return false;
    cn_yaml_quote(out, text);
    return true;
}

static bool out_of_range(const struct cn_trainer_param *p, const char *value)
{
    double x;

    return (p->type == CN_TRAINER_FLOAT || p->type == CN_TRAINER_INT) && p->n_choices == 0 &&
           cn_text_parse_double(value, &x) && !(x >= p->min && x <= p->max);
}

/* Equal as values, whatever their spelling. */
static bool same_value(const char *a, const char *b)
{
    double x, y;

    return strcmp(a, b) == 0 ||
           (cn_text_parse_double(a, &x) && cn_text_parse_double(b, &y) && x == y);
}

/* One config on its way. */
struct making {
    struct cn_adopt *a;
    const struct cn_read_entry *entry;
    struct cn_yaml *y;
    struct cn_buf *value; /* scratch */
};

static const char *value_now(const struct making *m, const struct cn_trainer_param *p)
{
    const struct cn_yaml_node *v =
        cn_yaml_path(cn_yaml_root(m->y), cn_trainer_spelling(p, m->y));
    const char *text = cn_yaml_string(v);

    return text ? text : p->default_text;
}

/* "key: what value", about the entry at hand. */
static cn_status warn(struct making *m, cn_read_warning_kind kind, const char *key,
                      const char *what, const char *value)
{
    return cn_adopt_warn(m->a, kind, m->entry->file, m->entry->line, m->entry->iteration,
                         "%.120s: %s%.120s", key, what, value);
}

/* Was this key told of before, in these words? */
static bool told_before(const struct cn_read_log *log, const char *start)
{
    for (int64_t i = 0; i < log->n_warnings; i++)
        if (log->warnings[i].kind == CN_READ_UNKNOWN_KEY &&
            cn_text_starts(log->warnings[i].text, start))
            return true;
    return false;
}

/* The parameter, and the keys that must follow it. */
static cn_status set_param(struct making *m, const struct cn_trainer_param *p, const char *text)
{
    double x;
    cn_status st;

    if (out_of_range(p, text) && (st = warn(m, CN_READ_CONFIG, p->path,
                                            "beyond what this trainer takes: ", text)) != CN_OK)
        return st;
    st = cn_yaml_set(m->y, cn_trainer_spelling(p, m->y), text, m->a->err);
    for (int32_t i = 0; st == CN_OK && i < p->n_derives && cn_text_parse_double(text, &x);
         i++) {
        char number[CN_NUM_TEXT];

        st = cn_yaml_set(
            m->y, p->derives[i].path,
            cn_text_yaml_double(p->derives[i].offset + p->derives[i].scale * x, number),
            m->a->err);
    }
    return st;
}

/* ------------------------------------------------------------------ 3 snapshots */

struct leaves {
    struct making *m;
    const char *path; /* of the snapshot */
    uint64_t sim_seed, train_seed;
};

/* Sections and keys that are the old loop's own affair. */
static bool is_beside(const char *path)
{
    static const char *const names[] = {"claude.",          "explore.", "plotting.",
                                        "description",      "dataset",  "config_file",
                                        "data_folder_name", "trainer.", "study"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (cn_text_starts(path, names[i]))
            return true;
    return false;
}

/* A key that this trainer does not know: nothing to say when the base has it with the same value
 * (then it stands in the config as it is). One warning a key: the first snapshot that has it. */
static cn_status unknown_leaf(struct leaves *l, const char *path, const struct cn_yaml_node *v)
{
    struct cn_read_log *log = &l->m->a->out->log;
    const char *text = cn_yaml_string(v);
    const char *base = cn_yaml_string(cn_yaml_path(cn_yaml_root(l->m->a->basis.config), path));
    char start[300];

    if (is_beside(path) || (text && base && same_value(text, base)))
        return CN_OK;
    cn_text_format(start, sizeof start, "%.250s: ", path);
    if (told_before(log, start))
        return CN_OK;
    return cn_adopt_warn(l->m->a, CN_READ_UNKNOWN_KEY, l->path, cn_yaml_line(v),
                         l->m->entry->iteration,
                         "%sstudy %s does not know it; not taken, here and in what follows",
                         start, l->m->a->basis.trainer->study);
}

static cn_status take_leaf(void *ctx, const char *path, const struct cn_yaml_node *v)
{
    struct leaves *l = ctx;
    struct making *m = l->m;
    const struct cn_trainer_param *p = cn_trainer_param_exact(m->a->basis.trainer, path);
    const char *text = cn_yaml_string(v);
    int64_t seed;

    if (strcmp(path, "simulation.seed") == 0 || strcmp(path, "training.seed") == 0) {
        if (cn_yaml_int64(v, &seed) && seed > 0)
            *(path[0] == 's' ? &l->sim_seed : &l->train_seed) = (uint64_t)seed;
        return CN_OK;
    }
    if (!p)
        return unknown_leaf(l, path, v);
    if (!text || !value_text(p, text, m->value))
        return cn_adopt_warn(m->a, CN_READ_CONFIG, l->path, cn_yaml_line(v),
                             m->entry->iteration, "%.200s: no value of this trainer's: %.80s",
                             path, text ? text : "(a list)");
    if (same_value(cn_buf_str(m->value), value_now(m, p)))
        return CN_OK;
    return set_param(m, p, cn_buf_str(m->value));
}

static void take_seeds(const struct leaves *l)
{
    struct cn_history *h = &l->m->a->out->log.history;
    const struct cn_iteration *known = cn_history_iteration(h, l->m->entry->iteration);
    struct cn_iteration *it = known ? &h->iterations[known - h->iterations] : NULL;

    if (it && it->sim_seed == 0 && it->train_seed == 0) {
        it->sim_seed = l->sim_seed;
        it->train_seed = l->train_seed;
    }
}

/* The snapshot's values over the base; *taken is false when it cannot be read. */
static cn_status from_snapshot(struct making *m, const struct cn_read_snapshot *s, bool *taken)
{
    struct leaves l = {.m = m, .path = s->path};
    struct cn_err why = CN_ERR_INIT;
    struct cn_yaml *y = NULL;
    cn_status st = cn_yaml_read(s->path, &y, &why);

    *taken = st == CN_OK;
    if (st == CN_ENOMEM)
        return cn_err_set(m->a->err, st, "%s", why.text);
    if (st != CN_OK)
        return cn_adopt_warn(m->a, CN_READ_SNAPSHOT, s->path, 0, m->entry->iteration,
                             "not taken: %s", why.text);
    st = cn_yaml_leaves(cn_yaml_root(y), take_leaf, &l);
    if (st == CN_OK)
        take_seeds(&l);
    cn_yaml_free(y);
    m->a->out->n_snapshots += st == CN_OK;
    return st;
}

/* ------------------------------------------------------------------ 4 mutations, Config lines */

/* Keys in the spelling of the base config; what the trainer does not know stays as it is. */
static cn_status rename_keys(struct cn_adopt *a, const struct cn_read_entry *e,
                             struct cn_mutation *m, int n)
{
    struct cn_err why = CN_ERR_INIT;
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < n; i++) {
        const struct cn_trainer_param *p = cn_adopt_param(a->basis.trainer, m[i].path, &why);

        if (!p)
            st = cn_adopt_warn(a, CN_READ_UNKNOWN_KEY, e->file, e->line, e->iteration,
                               "%.400s; it keeps its spelling and changes no config", why.text);
        else if (!(m[i].path = cn_arena_strdup(&a->out->log.history.arena,
                                               cn_trainer_spelling(p, a->basis.config))))
            st = cn_err_set(a->err, CN_ENOMEM, "no memory for the keys");
    }
    return st;
}

/* How far a value that was said is believed. */
typedef enum {
    IS_TAKEN,    /* nothing else is known */
    IS_TOLD,     /* taken, and told that it differs from what parent and mutations give */
    IS_COMPARED, /* a snapshot counts */
} trust;

static cn_status say_value(struct making *m, const struct cn_mutation *said, trust how)
{
    const struct cn_trainer_param *p = cn_trainer_param_exact(m->a->basis.trainer, said->path);
    const char *now;
    cn_status st = CN_OK;

    if (!p) /* told when its key was renamed */
        return CN_OK;
    now = value_now(m, p);
    if (!value_text(p, said->new_text, m->value))
        return warn(m, CN_READ_CONFIG, p->path,
                    "what it says is no value of this trainer's; the config keeps ", now);
    if (same_value(cn_buf_str(m->value), now))
        return CN_OK;
    if (how == IS_COMPARED)
        return warn(m, CN_READ_CONFIG, p->path,
                    "the snapshot counts; the entry says otherwise: ", said->new_text);
    if (how == IS_TOLD)
        st = warn(m, CN_READ_CONFIG, p->path,
                  "the Config line counts; parent and mutations give ", now);
    return st == CN_OK ? set_param(m, p, cn_buf_str(m->value)) : st;
}

/* A mutation starts from its parent's value; one that says otherwise tells that something was
 * changed that the log does not name. */
static cn_status say_mutation(struct making *m, const struct cn_mutation *said, bool taken)
{
    const struct cn_trainer_param *p = cn_trainer_param_exact(m->a->basis.trainer, said->path);
    cn_status st = CN_OK;

    if (p && !taken && said->old_text[0] && !same_value(said->old_text, value_now(m, p)) &&
        !same_value(said->new_text, value_now(m, p)))
        st = warn(m, CN_READ_CONFIG, p->path,
                  "the parent's config does not have the value that it was changed from: ",
                  said->old_text);
    return st == CN_OK ? say_value(m, said, taken ? IS_COMPARED : IS_TAKEN) : st;
}

/* Config lines name keys as they please and are no part of the record, so nothing is renamed in
 * place; a key that the trainer does not know warns once. */
static cn_status say_config_line(struct making *m, trust how)
{
    cn_status st = CN_OK;
    char start[200];

    for (int i = 0; st == CN_OK && i < m->entry->n_config; i++) {
        struct cn_mutation said = m->entry->config[i];
        const struct cn_trainer_param *p = cn_adopt_param(m->a->basis.trainer, said.path, NULL);

        if (p) {
            said.path = p->path;
            st = say_value(m, &said, how);
            continue;
        }
        cn_text_format(start, sizeof start, "%.120s: of a Config line", said.path);
        if (!told_before(&m->a->out->log, start))
            st = warn(m, CN_READ_UNKNOWN_KEY, said.path,
                      "of a Config line, not known to the trainer; not taken, here and in what "
                      "follows: ",
                      said.new_text);
    }
    return st;
}

/* ------------------------------------------------------------------ 5 all nodes */

static cn_status start_from(struct making *m, const char *name, const char *text)
{
    return cn_yaml_parse(name, text, strlen(text), &m->y, m->a->err);
}

static cn_status keep_config(struct making *m, struct cn_node *n)
{
    cn_status st = cn_config_hash(m->y, n->config_hash, m->a->err);

    if (st != CN_OK)
        return st;
    n->config = cn_arena_strdup(&m->a->out->log.history.arena, cn_yaml_text(m->y, NULL));
    return n->config ? CN_OK : cn_err_set(m->a->err, CN_ENOMEM, "no memory for the configs");
}

static const struct cn_read_snapshot *snapshot_of(const struct cn_adopt *a, int64_t id)
{
    int64_t lo = 0, hi = a->folder.n_snapshots;

    while (lo < hi) {
        const int64_t mid = lo + (hi - lo) / 2;
        if (a->folder.snapshots[mid].iteration < id)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < a->folder.n_snapshots && a->folder.snapshots[lo].iteration == id
               ? &a->folder.snapshots[lo]
               : NULL;
}

/* A node that begins a branch of its block stands under the block's regime. */
static cn_status say_regime(struct making *m, const struct cn_node *n)
{
    const struct cn_block *b = cn_history_block(&m->a->out->log.history, n->block);
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && b && i < b->n_regime; i++)
        st = say_value(m, &b->regime[i], IS_TAKEN);
    return st;
}

static cn_status make_config(struct making *m, struct cn_node *n)
{
    struct cn_adopt *a = m->a;
    const struct cn_read_snapshot *s = snapshot_of(a, n->id);
    const struct cn_node *parent = cn_read_origin(&a->out->log.history, n);
    const char *base = cn_yaml_text(a->basis.config, NULL);
    bool taken = false;
    cn_status st = CN_OK;

    if (s) {
        st = start_from(m, "the base config", base);
        if (st == CN_OK)
            st = from_snapshot(m, s, &taken);
    }
    if (st == CN_OK && !taken) {
        cn_yaml_free(m->y);
        m->y = NULL;
        st = start_from(m, "the parent's config", parent ? parent->config : base);
    }
    if (st == CN_OK && !taken && (!parent || parent->block != n->block))
        st = say_regime(m, n);
    for (int i = 0; st == CN_OK && i < n->n_mutations; i++)
        st = say_mutation(m, &n->mutations[i], taken);
    if (st == CN_OK)
        st = say_config_line(m, taken ? IS_COMPARED : parent ? IS_TOLD : IS_TAKEN);
    if (st == CN_OK)
        st = keep_config(m, n);
    cn_yaml_free(m->y);
    m->y = NULL;
    return st;
}

/* Snapshots of iterations that no entry tells of: trained, never analysed. They are trained
 * again. */
static cn_status orphans(struct cn_adopt *a)
{
    cn_status st = CN_OK;

    for (int64_t i = 0; st == CN_OK && i < a->folder.n_snapshots; i++) {
        const struct cn_read_snapshot *s = &a->folder.snapshots[i];

        if (!cn_history_iteration(&a->out->log.history, s->iteration))
            st = cn_adopt_warn(a, CN_READ_SNAPSHOT, s->path, 0, s->iteration,
                               "no entry tells of iteration %lld: it does not count",
                               (long long)s->iteration);
        else if (i && a->folder.snapshots[i - 1].iteration == s->iteration)
            st = cn_adopt_warn(a, CN_READ_SNAPSHOT, s->path, 0, s->iteration,
                               "a second snapshot of iteration %lld; the first counts",
                               (long long)s->iteration);
    }
    return st;
}

static cn_status rename_regimes(struct cn_adopt *a)
{
    struct cn_history *h = &a->out->log.history;
    cn_status st = CN_OK;

    for (int64_t i = 0; st == CN_OK && i < h->n_blocks; i++) {
        const struct cn_block *b = &h->blocks[i];
        struct cn_mutation *m = cn_arena_alloc(&h->arena, (size_t)b->n_regime + 1, sizeof *m);
        struct cn_read_entry e = {.iteration = b->first, .file = ""};

        if (!m)
            return cn_err_set(a->err, CN_ENOMEM, "no memory for the blocks");
        if (a->out->log.n_entries)
            e.file = a->out->log.entries[0].file;
        if (b->n_regime)
            memcpy(m, b->regime, (size_t)b->n_regime * sizeof *m);
        st = rename_keys(a, &e, m, b->n_regime);
        h->blocks[i].regime = m;
    }
    return st;
}

static const struct cn_node *first_node(const struct cn_history *h, const struct cn_block *b)
{
    for (int64_t id = b->first; id <= b->last; id++) {
        const struct cn_iteration *it = cn_history_iteration(h, id);
        if (it)
            return cn_history_node(h, it->node);
    }
    return NULL;
}

static const char *said_of(const struct cn_block *b, const char *path)
{
    for (int i = 0; i < b->n_regime; i++)
        if (strcmp(b->regime[i].path, path) == 0)
            return b->regime[i].new_text;
    return NULL;
}

/* The regime as the search has it: every simulation parameter of the protocol, in its order, with
 * the value that the block's first config has. */
static cn_status fill_regime(struct cn_adopt *a, struct cn_block *b, const struct cn_node *n)
{
    struct cn_arena *arena = &a->out->log.history.arena;
    const struct cn_dims *d = &a->basis.search.simulation;
    struct cn_mutation *m = cn_arena_alloc(arena, (size_t)d->space.n + 1, sizeof *m);
    double *values = cn_arena_alloc(arena, (size_t)d->space.n + 1, sizeof *values);
    struct cn_yaml *y = NULL;
    cn_status st = cn_yaml_parse("config", n->config, strlen(n->config), &y, a->err);

    if (!m || !values) {
        cn_yaml_free(y);
        return cn_err_set(a->err, CN_ENOMEM, "no memory for the blocks");
    }
    if (st == CN_OK)
        cn_search_values(d, y, values);
    for (int32_t i = 0; st == CN_OK && i < d->space.n; i++) {
        char text[CN_VALUE_TEXT] = "";
        const char *path = cn_trainer_spelling(d->of[i], y), *said = said_of(b, path);

        if (!isnan(values[i]))
            cn_search_text(d, i, values[i], text);
        m[i] = (struct cn_mutation){cn_arena_strdup(arena, path), "",
                                    cn_arena_strdup(arena, text)};
        if (!m[i].path || !m[i].new_text)
            st = cn_err_set(a->err, CN_ENOMEM, "no memory for the blocks");
        else if (said && !(cn_search_value(d, i, said) == values[i]))
            st = cn_adopt_warn(a, CN_READ_CONFIG, a->out->log.entries[0].file, 0, b->first,
                               "block %lld: its summary says %s=%.80s, its first config %s",
                               (long long)b->number, path, said, text);
    }
    cn_yaml_free(y);
    b->regime = m;
    b->n_regime = st == CN_OK ? d->space.n : 0;
    return st;
}

static cn_status fill_regimes(struct cn_adopt *a)
{
    struct cn_history *h = &a->out->log.history;
    cn_status st = CN_OK;

    for (int64_t i = 0; st == CN_OK && i < h->n_blocks; i++) {
        const struct cn_node *n = first_node(h, &h->blocks[i]);
        if (n)
            st = fill_regime(a, &h->blocks[i], n);
    }
    return st;
}

cn_status cn_adopt_configs(struct cn_adopt *a)
{
    struct cn_history *h = &a->out->log.history;
    struct cn_buf value;
    struct making m = {.a = a, .value = &value};
    int64_t next = 0;
    cn_status st = rename_regimes(a);

    cn_buf_init(&value, CN_CAP_RECORD);
    for (int64_t i = 0; st == CN_OK && i < h->n_nodes; i++) { /* parents first: ids ascend */
        struct cn_node *n = &h->nodes[i];
        struct cn_mutation *own =
            cn_arena_alloc(&h->arena, (size_t)n->n_mutations + 1, sizeof *own);

        while (next < a->out->log.n_entries && a->out->log.entries[next].iteration < n->id)
            next++;
        m.entry = &a->out->log.entries[next];
        if (!own) {
            st = cn_err_set(a->err, CN_ENOMEM, "no memory for the mutations");
            break;
        }
        if (n->n_mutations)
            memcpy(own, n->mutations, (size_t)n->n_mutations * sizeof *own);
        n->mutations = own;
        st = rename_keys(a, m.entry, own, n->n_mutations);
        if (st == CN_OK)
            st = make_config(&m, n);
    }
    if (st == CN_OK)
        st = fill_regimes(a);
    if (st == CN_OK)
        st = orphans(a);
    cn_buf_clear(&value);
    return st;
}
