/* One row per setting. See settings.h. */
#include "harness/loop/settings.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

#include "base/banned.h"
#include "base/text.h"

typedef enum { INT, NUMBER, WORD, LINE, TEXT } kind;

struct row {
    const char *key, *old; /* old: another spelling, or NULL */
    kind kind;
    size_t at;         /* offset in struct cn_settings */
    double lo, hi;     /* INT, NUMBER */
    const char *words; /* WORD: " a b c " allowed; NULL: any */
    bool fixed;
};

#define AT(field) offsetof(struct cn_settings, field)
static const struct row rows[] = {
    {"iterations", NULL, INT, AT(iterations), 1, 1e6, NULL, false},
    {"n_iter_block", NULL, INT, AT(n_iter_block), 2, 1e5, NULL, true},
    {"n_parallel", "slots", INT, AT(n_parallel), 1, 256, NULL, false},
    {"cores", "n_cpus", INT, AT(cores), 0, 1024, NULL, false},
    {"memory_mib", NULL, INT, AT(memory_mib), 0, 1e9, NULL, false},
    {"seed", NULL, INT, AT(seed), 0, 1e15, NULL, true},
    {"infra_retries", NULL, INT, AT(infra_retries), 0, 1e6, NULL, false},
    {"give_up_after", NULL, INT, AT(give_up_after), 1, 1e6, NULL, false},
    {"confirm", NULL, INT, AT(confirm), 0, 100, NULL, false},
    {"confirm_top", NULL, INT, AT(confirm_top), 1, 8, NULL, false},
    {"target_count", NULL, INT, AT(target_count), 1, 1e6, NULL, false},
    {"target", NULL, NUMBER, AT(target), -1e300, 1e300, NULL, false},
    {"max_hours", NULL, NUMBER, AT(max_hours), 0, 1e6, NULL, false},
    {"deadline_min", "hard_runtime_limit_min", NUMBER, AT(deadline_min), 0, 1e7, NULL, false},
    {"grace_s", NULL, NUMBER, AT(grace_s), 0, 1e6, NULL, false},
    {"retry_wait_s", NULL, NUMBER, AT(retry_wait_s), 0, 1e6, NULL, false},
    {"training_time_target_min", NULL, NUMBER, AT(training_time_target_min), 0, 1e7, NULL,
     false},
    {"ucb.c", "ucb_c", NUMBER, AT(ucb_c), 0, 1e6, NULL, true},
    {"noise_defaults", NULL, INT, AT(noise_defaults), 1, 1000, NULL, false},
    {"confidence", NULL, NUMBER, AT(confidence), 0.5, 0.999, NULL, false},
    {"near_duplicate", NULL, NUMBER, AT(near_duplicate), 0, 0.5, NULL, false},
    {"stall_min", NULL, NUMBER, AT(stall_min), 0, 1e6, NULL, false},
    {"llm.usd", NULL, NUMBER, AT(llm_usd), 0, 1e9, NULL, false},
    {"llm.tokens", NULL, INT, AT(llm_tokens), 0, 1e15, NULL, false},
    {"llm.requests", NULL, INT, AT(llm_requests), 0, 1e12, NULL, false},
    {"llm.exchange_usd", NULL, NUMBER, AT(llm_exchange_usd), 0, 1e9, NULL, false},
    {"llm.replay", NULL, WORD, AT(llm_replay), 0, 0, " strict loose ", false},
    {"model", NULL, WORD, AT(model), 0, 0, " tpe slope ", false},
    {"guardrails", NULL, LINE, AT(guardrails), 0, 0, NULL, true},
    {"rerun_incumbent", NULL, WORD, AT(rerun_incumbent), 0, 0, " true false ", false},
    {"edit_rules", NULL, WORD, AT(edit_rules), 0, 0, " true false ", false},
    {"revert_worse_edits", NULL, WORD, AT(revert_worse_edits), 0, 0, " true false ", false},
    {"median_stop", NULL, WORD, AT(median_stop), 0, 0, " true false ", false},
    {"refuse_hopeless", NULL, WORD, AT(refuse_hopeless), 0, 0, " true false ", false},
    {"proposer", NULL, WORD, AT(proposer), 0, 0, " embedded tpe sobol random llm hybrid ",
     false},
    {"llm", "llm.spec", TEXT, AT(llm), 0, 0, NULL, false},
    {"llm.key_file", NULL, TEXT, AT(llm_key_file), 0, 0, NULL, false},
    {"llm.key_command", NULL, TEXT, AT(llm_key_command), 0, 0, NULL, false},
    {"llm.prices", NULL, TEXT, AT(llm_prices), 0, 0, NULL, false},
    {"llm.capabilities", NULL, TEXT, AT(llm_capabilities), 0, 0, NULL, false},
    {"llm.effort", NULL, WORD, AT(llm_effort), 0, 0, NULL, false},
    {"llm.max_tokens", NULL, INT, AT(llm_max_tokens), 0, 1e7, NULL, false},
    {"llm.temperature", NULL, NUMBER, AT(llm_temperature), 0, 2, NULL, false},
    {"llm.turns", NULL, INT, AT(llm_turns), 1, 100, NULL, false},
    {"llm.repairs", NULL, INT, AT(llm_repairs), 0, 20, NULL, false},
    {"llm.hybrid_share", NULL, NUMBER, AT(llm_hybrid_share), 0.1, 0.9, NULL, false},
    {"llm.stall_s", NULL, NUMBER, AT(llm_stall_s), 1, 86400, NULL, false},
    {"llm.total_s", NULL, NUMBER, AT(llm_total_s), 1, 864000, NULL, false},
    {"reward", NULL, WORD, AT(reward), 0, 0, NULL, true},
    {"seed_mode", NULL, WORD, AT(seed_mode), 0, 0,
     " suggested-default same-data-robustness different-data-generalization ", false},
    {"ucb.kind", NULL, WORD, AT(ucb_kind), 0, 0, " ucb1 puct ", true},
    {"ucb.c_scale", NULL, WORD, AT(c_scale), 0, 0, " none spread ", true},
    {"ucb.reward_scale", NULL, WORD, AT(reward_scale), 0, 0, " none minmax rank ", true},
};
enum { N_ROWS = sizeof rows / sizeof rows[0] };

/* Keys of the Python systems' `claude:` section that have no meaning here: read, named in the
 * notes. */
static const char *const old_keys[] = {"n_epochs",
                                       "data_augmentation_loop",
                                       "generate_data",
                                       "node_name",
                                       "conda_env",
                                       "case_study",
                                       "claude_call_timeout_min",
                                       "test_robustness_seed",
                                       "interaction_code",
                                       "case_study_brief"};

void cn_settings_init(struct cn_settings *s)
{
    *s = (struct cn_settings){
        .iterations = 24,
        .n_iter_block = 12,
        .n_parallel = 1,
        .seed = 1,
        .infra_retries = 5,
        .give_up_after = 5,
        .confirm = 3,
        .confirm_top = 2,
        .target_count = 2,
        .target = (double)NAN,
        .grace_s = 30,
        .retry_wait_s = 5,
        .ucb_c = 1.414,
        .noise_defaults = 2,
        .confidence = 0.9,
        .near_duplicate = 0.005,
        .llm_replay = "strict",
        .model = "tpe",
        .rerun_incumbent = "true",
        .edit_rules = "true",
        .revert_worse_edits = "false",
        .median_stop = "false",
        .refuse_hopeless = "true",
        .proposer = "embedded",
        .llm_temperature = (double)NAN,
        .llm_turns = 12,
        .llm_repairs = 3,
        .llm_hybrid_share = 0.3,
        .llm_stall_s = 300,
        .llm_total_s = 3600,
        .seed_mode = "suggested-default",
        .ucb_kind = "ucb1",
        .c_scale = "none",
        .reward_scale = "none",
    };
}

static const struct row *find_row(const char *key)
{
    for (int i = 0; i < N_ROWS; i++)
        if (strcmp(key, rows[i].key) == 0 || (rows[i].old && strcmp(key, rows[i].old) == 0))
            return &rows[i];
    return NULL;
}

bool cn_settings_is_fixed(const char *key)
{
    const struct row *r = find_row(key);

    return r && r->fixed;
}

static cn_status unknown_key(const char *key, const char *where, struct cn_err *err)
{
    const char *names[N_ROWS];
    int near;

    for (int i = 0; i < N_ROWS; i++)
        names[i] = rows[i].key;
    near = cn_text_nearest(key, names, N_ROWS);
    if (near >= 0)
        return cn_err_set(err, CN_EINPUT,
                          "%s: explore.%s: no such setting; did you mean \"%s\"?", where, key,
                          names[near]);
    return cn_err_set(
        err, CN_EINPUT,
        "%s: explore.%s: no such setting (docs list them: iterations, n_iter_block, ...)",
        where, key);
}

static cn_status set_number(struct cn_settings *s, const struct row *r, const char *value,
                            const char *where, struct cn_err *err)
{
    double v;
    int64_t i;
    bool whole = r->kind == INT;

    if (!cn_text_parse_double(value, &v) || !(v >= r->lo && v <= r->hi) ||
        (whole && v != floor(v)))
        return cn_err_set(err, CN_EINPUT,
                          "%s: explore.%s: %s: expected a %snumber from %g to %g", where,
                          r->key, value, whole ? "whole " : "", r->lo, r->hi);
    i = (int64_t)v;
    if (whole)
        memcpy((char *)s + r->at, &i, sizeof i);
    else
        memcpy((char *)s + r->at, &v, sizeof v);
    return CN_OK;
}

static cn_status set_word(struct cn_settings *s, const struct row *r, const char *value,
                          const char *where, struct cn_err *err)
{
    char wanted[CN_SETTING_TEXT + 2];

    if (r->kind == LINE && (strlen(value) >= CN_SETTING_TEXT || strpbrk(value, "\r\n")))
        return cn_err_set(err, CN_EINPUT,
                          "%s: explore.%s: \"%s\": expected one line of at most %d bytes",
                          where, r->key, value, CN_SETTING_TEXT - 1);
    if (r->kind == WORD &&
        (!value[0] || strlen(value) >= CN_SETTING_TEXT || strchr(value, ' ')))
        return cn_err_set(err, CN_EINPUT, "%s: explore.%s: \"%s\": expected one word", where,
                          r->key, value);
    cn_text_format(wanted, sizeof wanted, " %s ", value);
    if (r->words && !strstr(r->words, wanted))
        return cn_err_set(err, CN_EINPUT, "%s: explore.%s: %s: expected one of%s", where,
                          r->key, value, r->words);
    cn_text_copy((char *)s + r->at, CN_SETTING_TEXT, value);
    return CN_OK;
}

static cn_status set_text(struct cn_settings *s, const struct row *r, const char *value,
                          const char *where, struct cn_err *err)
{
    if (strlen(value) >= CN_SETTING_LONG || strpbrk(value, "\r\n"))
        return cn_err_set(err, CN_EINPUT,
                          "%s: explore.%s: expected one line of fewer than %d bytes", where,
                          r->key, CN_SETTING_LONG);
    cn_text_copy((char *)s + r->at, CN_SETTING_LONG, value);
    return CN_OK;
}

/* Who names a model and no proposer wants the model to propose. */
static void settle_proposer(struct cn_settings *s, const struct row *r)
{
    if (r->at == AT(proposer))
        s->proposer_given = true;
    else if (r->at == AT(llm) && s->llm[0] && !s->proposer_given)
        cn_text_copy(s->proposer, sizeof s->proposer, "llm");
}

cn_status cn_settings_set(struct cn_settings *s, const char *key, const char *value,
                          const char *where, struct cn_err *err)
{
    const struct row *r = find_row(key);
    cn_status st;

    if (!r)
        return unknown_key(key, where, err);
    st = r->kind == WORD || r->kind == LINE ? set_word(s, r, value, where, err)
         : r->kind == TEXT                  ? set_text(s, r, value, where, err)
                                            : set_number(s, r, value, where, err);
    if (st == CN_OK)
        settle_proposer(s, r);
    return st;
}

bool cn_settings_want_model(const struct cn_settings *s)
{
    return strcmp(s->proposer, "llm") == 0 || strcmp(s->proposer, "hybrid") == 0;
}

/* ------------------------------------------------------------------ the config's section */

struct section {
    struct cn_settings *s;
    const struct cn_yaml *config;
    bool old; /* claude: */
    struct cn_err *err;
};

static bool skip_old_key(struct section *x, const char *key)
{
    size_t used = strlen(x->s->notes);

    for (size_t i = 0; x->old && i < sizeof old_keys / sizeof old_keys[0]; i++)
        if (strcmp(key, old_keys[i]) == 0) {
            if (used + strlen(key) + 3 < sizeof x->s->notes)
                cn_text_format(x->s->notes + used, sizeof x->s->notes - used, "%s%s",
                               used ? ", " : "", key);
            return true;
        }
    return false;
}

static cn_status take_leaf(void *ctx, const char *dotted, const struct cn_yaml_node *v)
{
    struct section *x = ctx;
    char where[600];

    if (skip_old_key(x, dotted))
        return CN_OK;
    cn_text_format(where, sizeof where, "%.500s:%d", cn_yaml_name(x->config), cn_yaml_line(v));
    if (!cn_yaml_string(v))
        return cn_err_set(x->err, CN_EINPUT,
                          "%s: explore.%s: expected a single value, found %s", where, dotted,
                          cn_yaml_kind_name(cn_yaml_kind(v)));
    return cn_settings_set(x->s, dotted, cn_yaml_string(v), where, x->err);
}

cn_status cn_settings_read_yaml(struct cn_settings *s, const struct cn_yaml *config,
                                struct cn_err *err)
{
    static const char *const names[] = {
        "claude", "explore"}; /* the newer spelling is read last and wins */

    for (int i = 0; i < 2; i++) {
        const struct cn_yaml_node *v = cn_yaml_get(cn_yaml_root(config), names[i]);
        struct section x = {s, config, i == 0, err};
        cn_status st;

        if (!v)
            continue;
        if (cn_yaml_kind(v) != CN_YAML_MAP)
            return cn_err_set(err, CN_EINPUT, "%s:%d: %s: expected settings below it, found %s",
                              cn_yaml_name(config), cn_yaml_line(v), names[i],
                              cn_yaml_kind_name(cn_yaml_kind(v)));
        st = cn_yaml_leaves(v, take_leaf, &x);
        if (st != CN_OK)
            return st;
    }
    return CN_OK;
}

cn_status cn_settings_check(const struct cn_settings *s, struct cn_err *err)
{
    if (s->n_parallel > s->n_iter_block)
        return cn_err_set(
            err, CN_EINPUT,
            "explore.n_parallel: %lld: more slots than a block has iterations (%lld)",
            (long long)s->n_parallel, (long long)s->n_iter_block);
    if (cn_settings_want_model(s) && !s->llm[0])
        return cn_err_set(
            err, CN_EINPUT,
            "explore.proposer: %s: which model? Expected explore.llm (or --llm) as "
            "anthropic:MODEL, openai:MODEL, openai-responses:MODEL, "
            "http://host:port#MODEL or command:'prog args'",
            s->proposer);
    return CN_OK;
}

struct cn_score_opts cn_settings_score(const struct cn_settings *s)
{
    struct cn_score_opts o = CN_SCORE_OPTS_INIT;

    o.c = s->ucb_c;
    if (!cn_score_kind_parse(s->ucb_kind, &o.kind) ||
        !cn_score_c_scale_parse(s->c_scale, &o.c_scale) ||
        !cn_score_reward_scale_parse(s->reward_scale, &o.reward_scale))
        CN_BUG("settings hold a score word that ucb does not know");
    return o;
}
