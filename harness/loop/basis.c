/* Reading and checking what a run stands on. See basis.h. */
#include "harness/loop/basis.h"

#include <string.h>

#include "base/banned.h"
#include "base/text.h"
#include "ucb/sobol.h"

const char *cn_setting_key(const char *path)
{
    return cn_text_starts(path, "explore.")  ? path + 8
           : cn_text_starts(path, "claude.") ? path + 7
                                             : NULL;
}

/* Settings from their three sources, the weakest first. */
static cn_status read_settings(struct cn_settings *s, const struct cn_yaml *config,
                               const struct cn_protocol *p, struct cn_err *err)
{
    cn_status st;

    cn_settings_init(s);
    st = cn_settings_read_yaml(s, config, err);
    for (int32_t i = 0; st == CN_OK && i < p->n_settings; i++) {
        char where[600];

        cn_text_format(where, sizeof where, "%.500s:%d", p->settings[i].file,
                       p->settings[i].line);
        st = cn_settings_set(s, p->settings[i].key, p->settings[i].value, where, err);
    }
    return st;
}

static cn_status override_settings(struct cn_settings *s, const struct cn_run_override *o,
                                   int n, struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < n; i++)
        if (cn_setting_key(o[i].path))
            st = cn_settings_set(s, cn_setting_key(o[i].path), o[i].value, "command line", err);
    return st;
}

/* Keys of the config itself, spliced in before anything looks at it. */
cn_status cn_basis_override(struct cn_yaml *y, const struct cn_run_override *o, int n,
                            struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int i = 0; st == CN_OK && i < n; i++)
        if (!cn_setting_key(o[i].path)) {
            st = cn_yaml_set(y, o[i].path, o[i].value, err);
            if (st != CN_OK)
                (void)cn_err_prefix(err, "--%s %s", o[i].path, o[i].value);
        }
    return st;
}

static cn_status nearest_metric(const struct cn_trainer *t, const char *name,
                                struct cn_err *err)
{
    const char *names[256];
    int n = 0, near;

    for (int32_t i = 0; i < t->n_metrics && n < 256; i++)
        names[n++] = t->metrics[i].name;
    near = cn_text_nearest(name, names, n);
    return cn_err_set(err, CN_EINPUT, "reward: %s: study %s has no such metric%s%s%s", name,
                      t->study, near >= 0 ? "; did you mean \"" : "",
                      near >= 0 ? names[near] : "", near >= 0 ? "\"?" : "");
}

/* The reward: the setting, else the protocol's, else the trainer's primary metric. Texts are
 * borrowed. */
cn_status cn_basis_reward(const struct cn_settings *s, const struct cn_protocol *p,
                          const struct cn_trainer *t, struct cn_run_info *out,
                          struct cn_err *err)
{
    const struct cn_trainer_metric *m = cn_trainer_primary(t);
    const char *name = s->reward[0] ? s->reward : p->reward;

    if (name[0]) {
        m = cn_trainer_metric(t, name);
        if (!m)
            return nearest_metric(t, name, err);
    }
    if (!m)
        return cn_err_set(err, CN_EINPUT,
                          "reward: neither settings nor protocol name a metric, and study %s "
                          "has no primary one",
                          t->study);
    if (p->has_thresholds && strcmp(p->reward, m->name) == 0 &&
        p->lower_is_better != m->lower_is_better)
        return cn_err_set(
            err, CN_EINPUT,
            "%s: %s: the protocol's thresholds say %s is better, the trainer says %s", p->name,
            m->name, p->lower_is_better ? "lower" : "higher",
            m->lower_is_better ? "lower" : "higher");
    out->reward = m->name;
    out->reward_lower_is_better = m->lower_is_better;
    out->converged = p->has_thresholds ? p->converged : m->lower_is_better ? 0.1 : 0.9;
    out->failed = p->has_thresholds ? p->failed : m->lower_is_better ? 0.9 : 0.1;
    return CN_OK;
}

static cn_status check_proposer(const struct cn_settings *s, const struct cn_search *search,
                                struct cn_err *err)
{
    bool sobol = strcmp(s->proposer, "sobol") == 0 || strcmp(s->proposer, "tpe") == 0;

    if (sobol && search->training.space.n > CN_SOBOL_DIMS)
        return cn_err_set(err, CN_EINPUT,
                          "explore.proposer: %s: %d parameters; it can do at most %d",
                          s->proposer, (int)search->training.space.n, CN_SOBOL_DIMS);
    return CN_OK;
}

void cn_basis_clear(struct cn_basis *b)
{
    cn_yaml_free(b->config);
    cn_protocol_free(b->protocol);
    cn_trainer_free(b->trainer);
    cn_search_clear(&b->search);
}

/* b->config and b->protocol are there; the rest follows. */
cn_status cn_basis_complete(struct cn_basis *b, const char *config_dir,
                            const struct cn_run_override *o, int n, struct cn_err *err)
{
    cn_status st = read_settings(&b->settings, b->config, b->protocol, err);

    if (st == CN_OK)
        st = override_settings(&b->settings, o, n, err);
    if (st == CN_OK)
        st = cn_settings_check(&b->settings, err);
    if (st == CN_OK)
        st = cn_trainer_find(b->config, config_dir, &b->trainer, err);
    if (st == CN_OK)
        st = cn_search_init(&b->search, b->protocol, b->trainer, err);
    if (st == CN_OK)
        st = cn_basis_reward(&b->settings, b->protocol, b->trainer, &b->info, err);
    if (st == CN_OK)
        st = cn_basis_grammar(b, err);
    return st == CN_OK ? check_proposer(&b->settings, &b->search, err) : st;
}

/* "explore.a=1\nexplore.b=2\n": how command-line settings are kept. */
void cn_basis_join_overrides(const struct cn_run_override *o, int n, struct cn_buf *out)
{
    for (int i = 0; i < n; i++)
        if (cn_setting_key(o[i].path))
            cn_buf_printf(out, "%s=%s\n", o[i].path, o[i].value);
}

void cn_basis_info(const struct cn_basis *b, struct cn_buf *keys, struct cn_run_info *out)
{
    for (int32_t i = 0; i < b->search.training.space.n; i++)
        cn_buf_printf(keys, "%s%s", i ? "," : "",
                      cn_trainer_spelling(b->search.training.of[i], b->config));
    *out = b->info;
    out->name = out->created = "";
    out->study = b->trainer->study;
    out->n_iter_block = b->settings.n_iter_block;
    out->n_parallel = (int32_t)b->settings.n_parallel;
    out->proposer = b->settings.proposer;
    out->score_kind = b->settings.ucb_kind;
    out->ucb_c = b->settings.ucb_c;
    out->c_scale = b->settings.c_scale;
    out->log_keys = cn_buf_str(keys);
}
