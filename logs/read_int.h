/* What the log reader's files share: a record as it stands in the Markdown, and the small
 * parsers of lines. */
#ifndef CN_LOGS_READ_INT_H
#define CN_LOGS_READ_INT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "logs/read.h"

/* A part of the input; not terminated. */
struct cn_words {
    const char *p;
    size_t n;
};

enum { CN_READ_NO_PARENT = -1, CN_READ_PROSE_MAX = 64 << 10, CN_READ_METRICS_MAX = 512 };

/* Lines that are no field, " | " between them; grows in the arena. */
struct cn_read_prose {
    char *p;
    size_t n, room;
    bool cut;
};

/* One "## Iter" record. Strings are borrowed from the arena. */
struct cn_raw {
    int64_t id, line;
    int64_t order; /* among the records as they stand, over all parts */
    const char *file;
    int64_t node;         /* of the Node line; 0 = none */
    int64_t parent, next; /* 0 = root, CN_READ_NO_PARENT = not said */
    int64_t replicate_of; /* 0 = no */
    bool confirmation, pending;
    cn_outcome outcome; /* NONE: not said */
    cn_class cls;
    double reward; /* as the metric; NaN = none */
    int n_rewards; /* from the Metrics line or a line of its own */
    double slot_sum, slot_min, slot_max, slot_first, slot_last;
    int n_slots;
    uint64_t sim_seed, train_seed;
    const char *seed_mode, *strategy, *parent_rule, *observation, *hypothesis, *activity,
        *embedding, *trajectory, *message;
    struct cn_metric *metrics; /* arena */
    int n_metrics;
    bool metrics_cut;
    struct cn_mutation *mutations; /* arena */
    int n_mutations;
    struct cn_mutation *config; /* of a Config line that is not ours; arena */
    int n_config;
    struct cn_read_prose prose;
};

/* One "## Simulation Block" summary. */
struct cn_raw_block {
    int64_t number, first, last, line;
    const char *file, *edit_note;
    struct cn_read_prose prose;
    struct cn_mutation *regime, *next_regime;
    int n_regime, n_next_regime;
};

struct cn_reader {
    const struct cn_read_opts *o;
    bool ours;          /* the file has our tag */
    bool by_score;      /* records stand by score: no warning about their order */
    const char *reward; /* o->reward, or what the file's own tag says */
    struct cn_read_log *log;
    /* Arrays of struct cn_raw, cn_raw_block, cn_read_warning, cn_message. */
    struct cn_buf raws, blocks, warnings, messages;
    int64_t line, order;
    const char *file; /* of the part that is read; arena */
    cn_status st;
    struct cn_err *err;
};

/* ---- read_words.c: lines and values ---- */

struct cn_words cn_read_words_trim(struct cn_words w);
bool cn_read_words_start(struct cn_words w, const char *prefix); /* exact */
struct cn_words cn_read_words_after(struct cn_words w, size_t n);
/* Heading level 1..6, 0 for none; *out_text is what follows. */
int cn_read_words_heading(struct cn_words w, struct cn_words *out_text);
/* Take digits from the front: an id in 1..999999999, or 0 (and *w unchanged) when there is
 * none. */
int64_t cn_read_words_id(struct cn_words *w);
/* The number at the front (signed, scientific, nan); its length, 0 when there is none. */
size_t cn_read_words_number(struct cn_words w, double *out);
/* The value of "key=" inside a line, up to the next comma; loose: also "key = " and "key: ".
 * False when absent. */
bool cn_read_words_value(struct cn_words line, const char *key, struct cn_words *out,
                         bool *out_loose);
/* The next "k=v" of a list; v without quotes. False at the end. Parts without '=' (or, loose,
 * ':') are passed over. */
bool cn_read_words_pair(struct cn_words *list, struct cn_words *out_key,
                        struct cn_words *out_value, bool *out_loose);
/* Does `line` quote "<name>=<number>" directly? */
bool cn_read_words_quotes_metric(struct cn_words line, const char *name);
/* Strip bullets, quotes and bold; true when there was something to strip. */
bool cn_read_words_plain(struct cn_words *line, struct cn_buf *scratch);

/* ---- read.c ---- */
/* Into the arena; "" on trouble (in r->st). */
const char *cn_reader_keep(struct cn_reader *r, struct cn_words w);
void cn_reader_warn(struct cn_reader *r, cn_read_warning_kind kind, int64_t line,
                    int64_t iteration, const char *fmt, ...) CN_PRINTF(5, 6);

/* Everything but the walk: `fill` makes the raws. */
typedef void cn_reader_fill_fn(struct cn_reader *r, void *ctx);
CN_MUST_CHECK cn_status cn_reader_run(const struct cn_read_opts *o, cn_reader_fill_fn *fill,
                                      void *ctx, struct cn_read_log *out, struct cn_err *err);
/* The file that the following warnings name. */
void cn_reader_part(struct cn_reader *r, const char *name);
void cn_reader_raw_init(struct cn_reader *r, struct cn_raw *raw, int64_t id);

/* ---- read_fields.c: one line of a record, of a summary ---- */
/* Does the line begin with a field that only a record has? */
bool cn_reader_is_field(struct cn_words line);
void cn_reader_prose(struct cn_reader *r, struct cn_read_prose *p, int64_t id,
                     struct cn_words words);
void cn_reader_metric(struct cn_reader *r, struct cn_raw *raw, const char *key, double x);
void cn_reader_mutations(struct cn_reader *r, struct cn_raw *raw, struct cn_words w);
void cn_reader_field(struct cn_reader *r, struct cn_raw *raw, struct cn_words line);
void cn_reader_block_field(struct cn_reader *r, struct cn_raw_block *b, struct cn_words line);

/* ---- read_build.c: records to nodes, iterations, blocks ---- */
void cn_reader_build(struct cn_reader *r);

#endif
