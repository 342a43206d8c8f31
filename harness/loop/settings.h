/* The settings of an exploration: section `explore:` of the config (old spelling `claude:`),
 * the protocol's `explore:` block, and `--explore.KEY value` on the command line. Command
 * line > protocol > config.
 *
 *     struct cn_settings s;
 *     cn_settings_init(&s);
 *     st = cn_settings_read_yaml(&s, yaml, &err);
 *     st = cn_settings_set(&s, "ucb.c", "0.7", "demo.md:31", &err);
 *     st = cn_settings_check(&s, &err);
 *
 * Unknown keys and values out of range are CN_EINPUT naming where, key, value, what was
 * expected, nearest name.
 */
#ifndef CN_LOOP_SETTINGS_H
#define CN_LOOP_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"
#include "base/yaml.h"
#include "ucb/score.h"

enum { CN_SETTING_TEXT = 128, CN_SETTING_LONG = 512 };

struct cn_settings {
    int64_t iterations;   /* trainings in the search; confirmations come on top */
    int64_t n_iter_block; /* iterations of one block */
    int64_t n_parallel;   /* slots */
    int64_t cores;        /* processors of a slot; 0: shared out evenly */
    int64_t memory_mib;   /* per process of a training; 0: no limit */
    int64_t seed;         /* of the search's own draws */
    /* Per iteration; iterations in a row that could not run. */
    int64_t infra_retries, give_up_after;
    int64_t confirm;      /* fresh-seed replicates of best and default at the end, each */
    int64_t confirm_top;  /* configs confirmed: the best and those that overlap it, at most */
    int64_t target_count; /* trainings behind a mean that reaches the target */
    double target;        /* on the metric; NaN: none */
    double max_hours;     /* 0: none */
    double deadline_min, grace_s, retry_wait_s; /* deadline 0: none */
    double training_time_target_min;            /* told in observations; 0: none */
    double ucb_c;
    int64_t
        noise_defaults; /* trainings of the config as given in block 1, the first included */
    double confidence;  /* of what decides on repeats, the target, refusals (0.9) */
    double
        near_duplicate; /* unit-scale distance under which a proposal counts as tried; 0: off */
    /* What a language model may cost in this run (llm_books.h); 0: no limit. */
    double llm_usd;
    int64_t llm_tokens, llm_requests;
    double llm_exchange_usd; /* of one exchange */
    char llm_replay
        [CN_SETTING_TEXT]; /* strict, loose: what a replay does about other requests */
    double stall_min; /* a training whose progress stands still this long is ended; 0: never */
    char model[CN_SETTING_TEXT]; /* what ranks the embedded proposer's mutations: tpe, slope */
    char guardrails[CN_SETTING_TEXT];      /* "V_rest_R2 >= 0.2, ..."; "": the protocol's */
    char rerun_incumbent[CN_SETTING_TEXT]; /* true, false; here and below */
    char edit_rules[CN_SETTING_TEXT];      /* the embedded proposer edits the rule table */
    char revert_worse_edits
        [CN_SETTING_TEXT];                 /* undo an edit whose block was worse beyond noise */
    char median_stop[CN_SETTING_TEXT];     /* end trainings that lag behind the median */
    char refuse_hopeless[CN_SETTING_TEXT]; /* refuse what cannot end within the time limit */
    char proposer[CN_SETTING_TEXT];        /* embedded, tpe, sobol, random, llm, hybrid */
    bool proposer_given; /* somebody named it; else naming a model means llm */
    /* The model (harness/llm/client.h). Paths and a command, never a key. */
    char llm[CN_SETTING_LONG]; /* "anthropic:MODEL", "command:'prog args'", ...; "": none */
    char llm_key_file[CN_SETTING_LONG], llm_key_command[CN_SETTING_LONG];
    char llm_prices[CN_SETTING_LONG], llm_capabilities[CN_SETTING_LONG];
    char llm_effort[CN_SETTING_TEXT];
    int64_t llm_max_tokens;          /* of one answer; 0: the model's own limit */
    double llm_temperature;          /* NaN: the provider's */
    int64_t llm_turns, llm_repairs;  /* of one exchange */
    double llm_hybrid_share;         /* of the model's proposals, at the start */
    double llm_stall_s, llm_total_s; /* of one request */
    char reward[CN_SETTING_TEXT]; /* metric; "": the protocol's, else the trainer's primary */
    /* suggested-default, same-data-robustness, different-data-generalization. */
    char seed_mode[CN_SETTING_TEXT];
    char ucb_kind[CN_SETTING_TEXT];     /* ucb1, puct */
    char c_scale[CN_SETTING_TEXT];      /* none, spread */
    char reward_scale[CN_SETTING_TEXT]; /* none, minmax, rank */
    char notes[512]; /* keys of an old `claude:` section that mean nothing here, in words; "" */
};

void cn_settings_init(struct cn_settings *s); /* the defaults */

/* Dotted key without "explore."; value as a person writes it. `where` begins the message
 * ("base.yaml:12"). */
CN_MUST_CHECK cn_status cn_settings_set(struct cn_settings *s, const char *key,
                                        const char *value, const char *where,
                                        struct cn_err *err);
CN_MUST_CHECK cn_status cn_settings_read_yaml(struct cn_settings *s,
                                              const struct cn_yaml *config, struct cn_err *err);
/* What no single key can tell. */
CN_MUST_CHECK cn_status cn_settings_check(const struct cn_settings *s, struct cn_err *err);

/* True for keys that shape the record and stay as they were when the run was made
 * (n_iter_block, reward, ...). */
bool cn_settings_is_fixed(const char *key);

/* The proposer is llm or hybrid. */
bool cn_settings_want_model(const struct cn_settings *s);

/* The score options that the settings name. */
struct cn_score_opts cn_settings_score(const struct cn_settings *s);

#endif
