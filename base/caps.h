/* Every ceiling of the project in one place. Reaching one is CN_ECAP with the name of what was
 * too big, never a truncated result. Sizes in bytes unless said. */
#ifndef CN_BASE_CAPS_H
#define CN_BASE_CAPS_H

#include <stddef.h>

#define CN_CAP_FILE       ((size_t)256 << 20) /* any text file read whole */
#define CN_CAP_CONFIG     ((size_t)1 << 20)   /* a YAML config */
#define CN_CAP_PROTOCOL   ((size_t)512 << 10) /* a protocol */
#define CN_CAP_JSON_DEPTH 64                  /* nesting levels */
#define CN_CAP_YAML_DEPTH 64
#define CN_CAP_YAML_NODES 100000
#define CN_CAP_RECORD     ((size_t)1 << 20)  /* one metrics.jsonl line, one log entry */
#define CN_CAP_TEXT       ((size_t)64 << 20) /* any text being built */
#define CN_CAP_CAPTURE    ((size_t)16 << 20) /* captured output of a helper program */
#define CN_CAP_STDOUT_LOG ((size_t)64 << 20) /* one training's output; the middle is dropped */
#define CN_CAP_TREE_NODES 1000000            /* nodes in one run */
#define CN_CAP_ARENA      ((size_t)4 << 30)  /* one arena */
#define CN_CAP_THREADS    256

#endif
