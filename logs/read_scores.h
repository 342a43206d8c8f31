/* Reading ucb_scores.txt: ours, and every version that the Python systems wrote. Lines are read by
 * field names, so the order of the fields and additions to them do not matter.
 *
 *     struct cn_read_scores s;
 *     st = cn_read_scores(name, text, n, &s, &err);
 *     ... s.tables[0..s.n_tables), each with its rows ...
 *     cn_read_scores_clear(&s);
 *
 * A score file alone is a history too: cn_read_scores_log.
 */
#ifndef CN_LOGS_READ_SCORES_H
#define CN_LOGS_READ_SCORES_H

#include "logs/read.h"

/* One line. Absent numbers are NaN / 0; parent 0 = root. */
struct cn_read_score {
    int64_t node, parent, visits;
    double score, reward;
    int64_t line; /* set by cn_read_scores alone */
};
/* False when the line is no score line. */
bool cn_read_score_line(const char *line, struct cn_read_score *out);

/* What stands below one header. */
struct cn_read_score_table {
    int64_t line;               /* of the header; 0: the file has none */
    int64_t block, first, last; /* as the header says them; 0 = not said. Theirs count blocks
                                   from 0, so `first` is what tells a block */
    int64_t total;              /* N; 0 = not said */
    double c;                   /* NaN = not said */
    struct cn_read_score *rows;
    int64_t n_rows;
};

struct cn_read_scores {
    struct cn_arena arena;
    struct cn_read_score_table *tables;
    int64_t n_tables;
};
/* CN_ECAP, CN_ENOMEM. Lines that are neither header nor score are passed over. */
CN_MUST_CHECK cn_status cn_read_scores(const char *name, const char *text, size_t n,
                                       struct cn_read_scores *out, struct cn_err *err);
void cn_read_scores_clear(struct cn_read_scores *s);

/* Nodes with parents, rewards (o->reward is what the file calls R2) and the metrics that the
 * lines show; ids, parents and blocks are resolved and doubts warned about as in a log. */
CN_MUST_CHECK cn_status cn_read_scores_log(const char *name, const char *text, size_t n,
                                           const struct cn_read_opts *o,
                                           struct cn_read_log *out, struct cn_err *err);

#endif
