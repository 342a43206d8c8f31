/* A protocol: a person's Markdown that says what is explored and how (docs/PROTOCOLS.md).
 *
 *     struct cn_protocol *p;
 *     st = cn_protocol_read("protocols/fly_demo.md", &p, &err);
 *     for (i = 0; i < p->n_params; i++) ... p->params[i].path, .lo, .hi ...
 *     cn_protocol_dump(p, &buf);              // everything understood, and what is prose
 *     cn_protocol_free(p);
 *
 * Understood: title, Goal, Training / Simulation parameters (YAML blocks with range comments,
 * Markdown tables), Classification (reward metric and thresholds), the rule table between the
 * markers, Block Partition, Guardrails, the fields of the example entry, settings (a YAML block
 * `explore:`). All else is prose and is listed. Text whose Markdown marks were lost in copying
 * is read by its section titles, with a note. Parameter names are kept as written; whoever
 * holds a describe table resolves old spellings and bare names.
 *
 * A file may say `extends: other.md` (a path relative to it). cn_protocol_read joins the two:
 * `text` then is one whole protocol that needs no other file, and lines in messages are those
 * of the files as they were written.
 *
 * Errors are CN_EINPUT "file:line: key: value: what was expected".
 */
#ifndef CN_PROTOCOLS_PROTOCOL_H
#define CN_PROTOCOLS_PROTOCOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/hash.h"
#include "base/status.h"
#include "protocols/rules.h"

typedef enum { CN_PROTOCOL_TRAINING, CN_PROTOCOL_SIMULATION } cn_protocol_class;
/* As the values are written; a describe table's type wins. */
typedef enum {
    CN_PROTOCOL_FLOAT,
    CN_PROTOCOL_INT,
    CN_PROTOCOL_BOOL,
    CN_PROTOCOL_STRING
} cn_protocol_type;

struct cn_protocol_param {
    const char *path;      /* "training.lr_W" from a YAML block; the bare name from a table */
    cn_protocol_class cls; /* by section */
    cn_protocol_type type;
    const char *default_text; /* unquoted; "" when none is given */
    bool has_range;           /* lo..hi */
    double lo, hi;
    const char **choices; /* allowed values, unquoted, as written */
    int32_t n_choices;    /* 0 = none; a parameter with neither is not explored (and noted) */
    const char *meaning;  /* "" when none */
    const char *file;     /* that the line is in: the protocol's name, or one that it extends */
    int line;
    int at; /* index of the line in the text */
};

struct cn_protocol_setting { /* from a YAML block under `explore:` (old spelling `claude:`) */
    const char *key, *value; /* value unquoted, as written */
    const char *file;
    int line, at;
};

/* "V_rest_R2 >= 0.2": a config that breaks it is not announced as best and is no parent by choice. */
struct cn_protocol_guardrail {
    const char *metric;
    bool at_most; /* metric <= bound; else metric >= bound */
    double bound;
    const char *file; /* "" for one of a setting */
    int line;
};

/* A row of the block partition table: what a block is for, and the part of it that the host carries
 * out. Blocks without a row, and PROSE rows, are searched by the rule table. */
typedef enum {
    CN_PARTITION_PROSE,   /* told to the proposer, nothing more */
    CN_PARTITION_DEFAULT, /* "Run defaults 12 times": the config as given, `count` trainings */
    CN_PARTITION_VARY,    /* "Vary X (0.2, 0.3)": these values of these parameters, in turn */
    CN_PARTITION_REPLICATE, /* "Replicate best config 4+ times": `count` trainings of the best */
    CN_PARTITION_FOCUS /* "Vary X" without values: the rules search, over these parameters only */
} cn_partition_kind;

struct cn_partition_axis {
    const char *param;   /* as written; the name of a parameter of this protocol */
    const char **values; /* as written, unquoted; FOCUS: none */
    int32_t n_values;
    /* Of class simulation: its one value holds from the block's start; without a value the
     * block's start may change it. */
    bool simulation;
};

struct cn_protocol_block {
    int64_t first, last; /* block numbers; last INT64_MAX: "6+" */
    cn_partition_kind kind;
    int64_t count;                  /* DEFAULT, REPLICATE: trainings; 0 = the whole block */
    bool at_least;                  /* "4+ times": count, then on to the end of the block */
    struct cn_partition_axis *axes; /* VARY, FOCUS */
    int32_t n_axes;
    const char *focus, *strategy; /* the cells, marks removed */
    const char *note;             /* why it is prose, or what was understood in part; "" */
    const char *file;
    int line;
};

struct cn_protocol_note {
    const char *file;
    int line; /* 0 = the whole file */
    const char *text;
};

struct cn_protocol_section {
    const char *heading;
    int level; /* 1..6; 0 = a heading whose marks were lost */
    const char *file;
    int line;
    bool understood; /* false: prose, kept for readers and prompts */
};

struct cn_protocol {
    struct cn_arena arena;
    const char *name; /* file name for messages */
    const char *text; /* the whole protocol: as in the file, or joined with those it extends */
    size_t n;
    char hash[CN_HASH_TEXT]; /* of the text */

    const char *title;
    const char *goal; /* text of the Goal section, trimmed */

    bool has_thresholds;  /* from the Classification section; false: the caller's own hold */
    const char *reward;   /* metric named there; "" when none */
    bool lower_is_better; /* "Converged: loss < 0.1" */
    double converged, failed; /* on the metric */

    struct cn_protocol_param *params;
    int32_t n_params;
    const struct cn_rule *rules; /* never empty: the built-in table when there is none */
    int32_t n_rules;
    bool rules_builtin;
    size_t rules_start, rules_end; /* bytes between the marker lines; 0, 0 = no markers */
    const char *rules_file;        /* that the markers stand in; NULL without markers */
    const char *rules_text; /* the words between the markers, as written; "" without markers */
    struct cn_protocol_guardrail *guardrails;
    int32_t n_guardrails;
    struct cn_protocol_block *blocks; /* the partition table, by first block */
    int32_t n_blocks;
    /* The entry fields that the Log Format section names, in its order, in the host's spelling
     * (cn_protocol_log_fields); none: all. */
    const char **log_fields;
    int32_t n_log_fields;
    const char *
        *extends; /* paths of the protocols this one extends, nearest first, as resolved */
    int32_t n_extends;
    struct cn_protocol_setting *settings;
    int32_t n_settings;
    struct cn_protocol_section *sections;
    int32_t n_sections;
    struct cn_protocol_note *notes; /* read, with a warning */
    int32_t n_notes;
};

/* From a text alone `extends:` is CN_EUNSUPPORTED. */
CN_MUST_CHECK cn_status cn_protocol_parse(const char *name, const char *text, size_t n,
                                          struct cn_protocol **out, struct cn_err *err);
CN_MUST_CHECK cn_status cn_protocol_read(const char *path, struct cn_protocol **out,
                                         struct cn_err *err);
void cn_protocol_free(struct cn_protocol *p); /* NULL is fine */

/* For people: what was understood, row by row, then the prose sections and the notes. Ends in a
 * newline. */
void cn_protocol_dump(const struct cn_protocol *p, struct cn_buf *out);

/* The same for scripts: members of the object that is open in the writer (base/json.h). */
struct cn_json_writer;
void cn_protocol_json(const struct cn_protocol *p, struct cn_json_writer *w);

/* Names of the entry fields that a Log Format section may choose, NULL-terminated: "Mode/Strategy",
 * "Seeds", "Config", ... (logs/FORMAT.md). Heading, Node, Metrics or Outcome, and Next are always
 * written: readers live on them. */
const char *const *cn_protocol_log_fields(void);

/* The partition row of a block; NULL: none. */
const struct cn_protocol_block *cn_protocol_block(const struct cn_protocol *p, int64_t number);

/* "V_rest_R2 >= 0.2, training_time_min at most 30" (explore.guardrails): the list in the arena.
 * `where` begins the message. CN_EINPUT for words that are no bound. */
CN_MUST_CHECK cn_status cn_protocol_guardrails_parse(struct cn_arena *a, const char *text,
                                                     const char *where,
                                                     struct cn_protocol_guardrail **out,
                                                     int32_t *out_n, struct cn_err *err);

/* The setting's value or NULL. */
const char *cn_protocol_setting(const struct cn_protocol *p, const char *key);

#endif
