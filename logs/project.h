/* Projections: the texts that people read, made from the record alone and so able to be made
 * again.
 *
 *     <run>_analysis.md   the log: one entry per committed iteration in id order, block
 *                         summaries                                        (logs/entry.c)
 *     <run>_memory.md     tables by the host, free sections by whoever writes them
 *                                                                          (logs/memory.c)
 *     ucb_scores.txt      scores of the current block; empty at its start  (logs/scores.c)
 *     report.md           what was asked, what was found                   (logs/report.c)
 *
 * The makers are pure: struct cn_history in, text appended to a buffer; no clock, no file, no
 * random number. Equal histories give equal bytes, so a run that was killed and resumed ends
 * with the files of an unbroken one. Prose is folded to one line and its '=' are set apart, so
 * no reader, ours or older, can take it for a record.
 *
 *     struct cn_project_opts o = CN_PROJECT_OPTS_INIT;
 *     o.scores = rows; // from ucb, for the block that is open
 *     o.n_scores = n;
 *     st = cn_project_write(store, &history, &o, &err); // writes what changed; keeps what a
 *                                                       // person edited
 */
#ifndef CN_LOGS_PROJECT_H
#define CN_LOGS_PROJECT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"
#include "logs/log.h"
#include "logs/record.h"
#include "logs/store.h"

/* One line of ucb_scores.txt. */
struct cn_score_line {
    int64_t node, parent; /* parent 0 or outside the block: root */
    double score;
    int64_t visits;
    double reward;        /* the node's mean (or its stand-in for a failed node) */
    int64_t iteration;    /* whose metrics to show; 0 = none */
    const char *mutation; /* "key: old -> new" or "" */
};

struct cn_project_opts {
    bool write_scores;                  /* false: leave ucb_scores.txt alone */
    const struct cn_score_line *scores; /* any order */
    int n_scores;                       /* 0: an empty file, "parent = root" */
    int64_t score_block;                /* the block they belong to */
    double score_c;                     /* the c that was used */
    /* The protocol's goal, for the report; kept in the store. NULL: as kept there, or the
     * section "Goal" of its protocol. */
    const char *goal;
    /* The open volume of the log, kept from call to call (logs/log.h); NULL: made from nothing. */
    struct cn_log *opt_log;
};
#define CN_PROJECT_OPTS_INIT \
    {                        \
        .goal = NULL         \
    }

/* -- pure makers; append to `out`, whose sticky status tells of memory and ceilings -- */

void cn_project_analysis(const struct cn_history *h, struct cn_buf *out);
/* One entry alone, as the log will show it (for prompts: "log range"). */
void cn_project_entry(const struct cn_history *h, const struct cn_iteration *it,
                      struct cn_buf *out);
/* The fields of an entry that info.log_fields may choose and order, NULL-terminated, in the order
 * of a log without such a list (which shows all but "Seed stats", "Stability", "Degeneracy").
 * What a protocol cannot take out: heading, Node, Replicate, Confirmation, the result, a
 * person's words, Next. "Mode/Strategy", "Seeds" and "Config" stand before the result. */
const char *const *cn_project_log_fields(void);
/* `free_text`: the latest version of the text "memory": its sections (## or ### headings)
 * replace the empty ones. The file keeps to CN_CAP_MEMORY bytes: tables show their most relevant
 * rows and say how many more there are; only free words that leave no room for the empty tables
 * make it longer. */
enum { CN_CAP_MEMORY = 48 << 10 };
void cn_project_memory(const struct cn_history *h, const char *free_text, struct cn_buf *out);
void cn_project_scores(const struct cn_history *h, const struct cn_project_opts *o,
                       struct cn_buf *out);
/* `free_text`: as for the memory; its claims, open questions and hypothesis are told. */
void cn_project_report(const struct cn_history *h, const char *goal, const char *free_text,
                       struct cn_buf *out);

/* -- the free sections of the memory -- */

/* Names of the sections that the host never writes, NULL-terminated: "Paper Summary",
 * "Established Principles", "Falsified Hypotheses", "Open Questions", "Hypothesis", "Emerging
 * Observations". */
const char *const *cn_memory_sections(void);
/* The free sections of a whole memory file (or of a text "memory") in our order, as a text
 * "memory": "### Name\n" and the words. Sections with unknown names are kept after the known
 * ones; the host's own are dropped. */
void cn_memory_free_text(const char *memory, size_t n, struct cn_buf *out);
/* The words of one section of a text "memory", trimmed; "" when absent. */
void cn_memory_section(const char *free_text, const char *name, struct cn_buf *out);
/* `free_text` with the words of one section replaced. CN_EINPUT (naming the nearest) for a name
 * that is not free, and for words that are not UTF-8, hold a heading of level 1 to 3 or an
 * unclosed ```, or are longer than CN_CAP_MEMORY_SECTION; also when they make the whole text both
 * longer than it was and than CN_CAP_MEMORY_FREE. Nothing is appended then. */
enum { CN_CAP_MEMORY_SECTION = 16 << 10, CN_CAP_MEMORY_FREE = 32 << 10 };
CN_MUST_CHECK cn_status cn_memory_replace(const char *free_text, const char *name,
                                          const char *words, struct cn_buf *out,
                                          struct cn_err *err);

/* -- files -- */

enum { CN_PROJECT_NAME = 320 };
typedef enum {
    CN_PROJECT_ANALYSIS,
    CN_PROJECT_MEMORY,
    CN_PROJECT_SCORES,
    CN_PROJECT_REPORT,
    CN_PROJECT_N
} cn_project_kind;
/* File name within the run folder. */
const char *cn_project_name(const struct cn_history *h, cn_project_kind k,
                            char out[CN_PROJECT_NAME]);

/* Name of a sealed volume of the log, "<run>_analysis.001.md" for number 1. */
const char *cn_project_volume_name(const struct cn_history *h, int64_t number,
                                   char out[CN_PROJECT_NAME]);

/* Write every projection whose bytes changed. A file that a person edited since we wrote it is
 * never lost: it is kept as <name>.user-<n>.md and as a text version by "user", an event is
 * recorded, and a memory's free sections are taken over into the text "memory" (and so into the
 * file) first. Needs the lease. `h` is as the store gave it, window or whole. */
CN_MUST_CHECK cn_status cn_project_write(struct cn_store *s, const struct cn_history *h,
                                         const struct cn_project_opts *o, struct cn_err *err);

/* The same look at the memory file alone, before a proposer reads the text "memory": takes over
 * a person's edit. */
CN_MUST_CHECK cn_status cn_project_adopt_edits(struct cn_store *s, const struct cn_history *h,
                                               struct cn_err *err);

/* Sealed volumes of the log that are missing or are not what was sealed are made again; a person's
 * edit of one is kept aside first. Needs the lease. */
CN_MUST_CHECK cn_status cn_project_volumes(struct cn_store *s, const struct cn_history *h,
                                           struct cn_err *err);

/* Make each projection again and compare with the files (of the log: its open volume; sealed ones
 * by their hash): one line per file that differs, with
 * its first differing line, appended to `out_report`; *out_n = how many differ. Reads only. */
CN_MUST_CHECK cn_status cn_project_verify(struct cn_store *s, const struct cn_history *h,
                                          const struct cn_project_opts *o,
                                          struct cn_buf *out_report, int *out_n,
                                          struct cn_err *err);

#endif
