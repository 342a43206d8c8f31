/* Pieces of what a model is shown, for evidence*.c:
 *
 *     evidence.c          the parts, their ranks, the budget
 *     evidence_words.c    what is due, the rule that fires, entries, failures, a person's words
 *     evidence_tables.c   the tree, results, metrics, parameters, effects
 *     evidence_figures.c  figures of the run folders
 *     evidence_read.c     answers to the model's reading tools
 */
#ifndef CN_LOOP_EVIDENCE_INT_H
#define CN_LOOP_EVIDENCE_INT_H

#include "harness/loop/evidence.h"
#include "harness/loop/plan_int.h"
#include "harness/loop/run_int.h"
#include "logs/best.h"

enum {
    CN_EVIDENCE_FIGURES = 64,     /* looked at for one prompt */
    CN_EVIDENCE_FAILURES = 3,     /* whose output is shown */
    CN_EVIDENCE_TAIL = 2 << 10,   /* bytes of it */
    CN_EVIDENCE_IMAGES = 4 << 20, /* bytes of all figures of a prompt */
    CN_EVIDENCE_METRICS = 12,     /* columns */
    CN_EVIDENCE_LOG_ENTRIES = 20, /* of one read */
    CN_EVIDENCE_READ = 16 << 10   /* bytes of one read */
};

/* A figure that there is. */
struct cn_ev_figure {
    int64_t iteration;
    const char *name, *meaning, *path;
    struct cn_llm_block block; /* image_size 0: not shown, `why` says why */
    const char *why;
};

/* Everything one prompt is made of. */
struct cn_ev {
    struct cn_run *r;
    const struct cn_history *h;
    const struct cn_need *need;
    const struct cn_llm_caps *caps;
    struct cn_arena *a; /* what is shown lives here */
    struct cn_err *err;
    const struct cn_block *block; /* NULL: none is open yet */
    const struct cn_node *root;   /* of the block; NULL: not planned yet */
    struct cn_view view;          /* when there is a root; else empty */
    struct cn_score_table scores;
    struct cn_ranking rank; /* of the block's nodes */
    struct cn_plan plan;    /* scratch of the planner */
    const bool *opt_focus;  /* what the partition row lets change; NULL: all */
    struct cn_ev_figure figures[CN_EVIDENCE_FIGURES];
    int n_figures;
};

typedef cn_status cn_ev_put(struct cn_ev *e, struct cn_buf *out);

/* evidence_words.c */
cn_ev_put cn_ev_now, cn_ev_row, cn_ev_entries, cn_ev_failure_1, cn_ev_failure_2,
    cn_ev_failure_3, cn_ev_messages, cn_ev_budget, cn_ev_classical, cn_ev_predictions,
    cn_ev_statistics, cn_ev_rules;
/* Words as part of one line: cleaned, white space and '|' folded to blanks. */
void cn_ev_line(struct cn_buf *out, const char *s);
/* "1, 2 and 3" */
void cn_ev_ids(struct cn_buf *out, const int64_t *ids, int n);
double cn_ev_metric(const struct cn_history *h, double reward); /* the sign flip undone */

/* evidence_tables.c */
cn_ev_put cn_ev_tree, cn_ev_results, cn_ev_metrics, cn_ev_params, cn_ev_effects;
/* "path: old -> new; ..." */
void cn_ev_mutations(struct cn_buf *out, const struct cn_node *n);

/* evidence_figures.c */
/* The figures of the finished iterations: e->figures, with the bytes of those that are shown. */
CN_MUST_CHECK cn_status cn_ev_pick_figures(struct cn_ev *e);
cn_ev_put cn_ev_figures;

#endif
