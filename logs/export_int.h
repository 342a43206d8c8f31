/* What the exporters share: the keys and metrics of a run, found in a first pass. */
#ifndef CN_LOGS_EXPORT_INT_H
#define CN_LOGS_EXPORT_INT_H

#include "base/buf.h"
#include "base/yaml.h"
#include "logs/export.h"

/* Names in the order in which they were met. */
struct cn_export_names {
    const char **name; /* arena */
    int64_t n, room;
};

struct cn_exporter {
    struct cn_store *s;
    struct cn_arena arena;
    struct cn_history around;             /* everything but nodes and iterations */
    int64_t last;                         /* id of the last iteration that is written */
    const char *base;                     /* the base config: version 1 of the text "config" */
    struct cn_yaml *base_yaml;            /* owned */
    struct cn_export_names keys, metrics; /* sorted once they are complete */
    struct cn_buf line;
    cn_export_write *write;
    void *ctx;
    struct cn_err *err;
};

typedef cn_status cn_export_range_fn(struct cn_exporter *x, const struct cn_history *h,
                                     const struct cn_iteration *it);
/* Calls fn for every iteration up to x->last, in ranges. */
CN_MUST_CHECK cn_status cn_export_each(struct cn_exporter *x, cn_export_range_fn *fn);
/* Fills keys and metrics. */
CN_MUST_CHECK cn_status cn_export_names(struct cn_exporter *x);
/* x->line to the writer, and empty again. */
CN_MUST_CHECK cn_status cn_export_flush(struct cn_exporter *x);
/* One value of a config, as its text; NULL for absent and for lists. */
CN_MUST_CHECK cn_status cn_export_config(struct cn_exporter *x, const struct cn_node *n,
                                         struct cn_yaml **out);

CN_MUST_CHECK cn_status cn_export_csv(struct cn_exporter *x);
CN_MUST_CHECK cn_status cn_export_jsonl(struct cn_exporter *x);

/* Keys that are no part of what a config says of a training. */
bool cn_export_beside(const char *path);

#endif
