/* What yaml.c (reading) and yaml_edit.c (edits, canonical text) share. */
#ifndef CN_BASE_YAML_INT_H
#define CN_BASE_YAML_INT_H

#include "base/arena.h"
#include "base/yaml.h"

struct cn_yaml_node {
    const char *key;  /* NULL for list items and the root */
    const char *text; /* the scalar's content; NULL for collections */
    cn_yaml_type kind;
    bool flow;  /* collection in {} or [] */
    bool empty; /* a null without any byte; start == end is where a value would go */
    bool in_flow;
    int line;
    size_t key_start, key_end; /* bytes of the key, quotes included */
    size_t start, end;         /* bytes of the value, quotes and brackets included */
    /* Start of the next line when blank lines belong to the value ("|+"), else 0. */
    size_t tail;
    double number;
    int64_t integer;
    bool has_integer;
    int64_t count;
    struct cn_yaml_node *first, *last, *next, *parent;
};

struct cn_yaml {
    char *name; /* owned */
    char *text; /* owned */
    size_t n;
    struct cn_arena arena; /* nodes, keys, scalars */
    struct cn_yaml_node *root;
    int64_t n_nodes;
};

int cn_yaml_line_at(const char *text, size_t at);
/* The '\n' at or after `at`, or the end. */
size_t cn_yaml_line_end(const struct cn_yaml *y, size_t at);
/* Fill kind and number of a plain scalar from its text. */
void cn_yaml_resolve(struct cn_yaml_node *v);
/* The whole value of a number, exactly, when it has one in int64. */
bool cn_yaml_whole(const struct cn_yaml_node *v, int64_t *out);
struct cn_yaml_node *cn_yaml_member(const struct cn_yaml_node *map, const char *key,
                                    size_t key_n);
/* Members sorted by key; free with cn_free. NULL when out of memory. The map must not be
 * empty. */
const struct cn_yaml_node **cn_yaml_sorted(const struct cn_yaml_node *map);

#endif
