/* YAML configs: strict reading with line numbers, and edits that keep every other byte. The
 * only home of libfyaml (DESIGN section 9: its emitter loses comments, 0.7.12 loops on
 * "%\x80").
 *
 * Accepted: one document, block or flow style, plain and quoted scalars, comments. Refused with
 * file and line: bad UTF-8, directives (%YAML), a second document, duplicate keys,
 * anchors/aliases/tags, tabs as indentation, non-string keys, more than CN_CAP_YAML_DEPTH
 * levels.
 *
 * Scalars are typed as YAML 1.2 core, plus PyYAML's trap: a plain `1e-3` (no dot) IS a number
 * for us.
 *
 *     struct cn_yaml *y;
 *     st = cn_yaml_read("base.yaml", &y, &err);
 *     const struct cn_yaml_node *lr = cn_yaml_path(cn_yaml_root(y), "training.lr_W");
 *     cn_yaml_line(lr)                                      // for messages
 *     st = cn_yaml_set(y, "training.lr_W", "1.0e-3", &err); // a splice: comments survive
 *     cn_yaml_text(y, &n)                                   // the edited document
 */
#ifndef CN_BASE_YAML_H
#define CN_BASE_YAML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

struct cn_yaml;
struct cn_yaml_node; /* borrowed from the document; any cn_yaml_set invalidates all nodes */

typedef enum {
    CN_YAML_NULL,
    CN_YAML_BOOL,
    CN_YAML_INT,
    CN_YAML_FLOAT,
    CN_YAML_STRING,
    CN_YAML_SEQ,
    CN_YAML_MAP
} cn_yaml_type;

CN_MUST_CHECK cn_status cn_yaml_parse(const char *name, const char *text, size_t n,
                                      struct cn_yaml **out, struct cn_err *err);
CN_MUST_CHECK cn_status cn_yaml_read(const char *path, struct cn_yaml **out,
                                     struct cn_err *err);
void cn_yaml_free(struct cn_yaml *y);              /* NULL is fine */
const char *cn_yaml_name(const struct cn_yaml *y); /* for messages */
const char *cn_yaml_text(const struct cn_yaml *y, size_t *opt_out_n);
/* NULL for an empty document. */
const struct cn_yaml_node *cn_yaml_root(const struct cn_yaml *y);

/* Getters accept NULL and the wrong type (NULL / false / 0). */
cn_yaml_type cn_yaml_kind(const struct cn_yaml_node *v);
const char *cn_yaml_kind_name(cn_yaml_type t); /* "a float", "a list", ... for messages */
const struct cn_yaml_node *cn_yaml_get(const struct cn_yaml_node *map, const char *key);
const struct cn_yaml_node *cn_yaml_path(const struct cn_yaml_node *map, const char *dotted);
/* The children of a map or list in file order; NULL at the end. */
const struct cn_yaml_node *cn_yaml_first(const struct cn_yaml_node *v);
const struct cn_yaml_node *cn_yaml_next(const struct cn_yaml_node *v);
int64_t cn_yaml_count(const struct cn_yaml_node *v);
/* Key of a map's member, NULL for list items. */
const char *cn_yaml_key(const struct cn_yaml_node *member);
int cn_yaml_line(const struct cn_yaml_node *v);                 /* 1-based; 0 for NULL */
bool cn_yaml_number(const struct cn_yaml_node *v, double *out); /* INT or FLOAT */
/* INT, or FLOAT with a whole value. */
bool cn_yaml_int64(const struct cn_yaml_node *v, int64_t *out);
bool cn_yaml_bool(const struct cn_yaml_node *v, bool *out); /* true/false (any YAML 1.2 case) */
/* The scalar's text, whatever its type; NULL for SEQ/MAP. */
const char *cn_yaml_string(const struct cn_yaml_node *v);

/* Set the scalar at a dotted path to `value_text` (already YAML, e.g. from cn_text_yaml_double;
 * a string value that would read as something else must come quoted: cn_yaml_quote). Existing
 * key: only the value's bytes change. Missing key: a line is added at the end of its parent map
 * with the map's indentation; missing parent maps are made. The result is parsed again; on any
 * error the document is unchanged. Lists: value_text may be a flow list "[1, 2]". */
CN_MUST_CHECK cn_status cn_yaml_set(struct cn_yaml *y, const char *dotted,
                                    const char *value_text, struct cn_err *err);
/* Append `s` to b as a YAML scalar that reads back as exactly this string (quoted only when
 * needed). */
void cn_yaml_quote(struct cn_buf *b, const char *s);

/* Canonical text for hashing: keys sorted, numbers by value (1e-3 == 0.001, 2 == 2.0), no
 * comments. `skip` lists dotted paths left out (NULL-terminated; may be NULL). */
CN_MUST_CHECK cn_status cn_yaml_canonical(const struct cn_yaml *y, const char *const *skip,
                                          struct cn_buf *out, struct cn_err *err);

/* Flattened leaves in file order: calls fn(ctx, "a.b.c", node). Stops when fn returns non-OK
 * and returns it. Lists are leaves. */
typedef cn_status cn_yaml_leaf_fn(void *ctx, const char *dotted, const struct cn_yaml_node *v);
CN_MUST_CHECK cn_status cn_yaml_leaves(const struct cn_yaml_node *root, cn_yaml_leaf_fn *fn,
                                       void *ctx);

#endif
