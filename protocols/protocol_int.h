/* Inside this folder only: the parser's state and its parts.
 *
 *   protocol.c   lines, sections, thresholds, the order of things
 *   params.c     parameters and settings from YAML blocks and tables
 *   table.c      cells of Markdown tables, rows of the rule table
 */
#ifndef CN_PROTOCOLS_PROTOCOL_INT_H
#define CN_PROTOCOLS_PROTOCOL_INT_H

#include "protocols/protocol.h"

typedef enum { FENCE_NONE, FENCE_EDGE, FENCE_YAML, FENCE_OTHER } fence_kind;
typedef enum {
    SECTION_PROSE,
    SECTION_GOAL,
    SECTION_CLASSIFICATION,
    SECTION_TRAINING,
    SECTION_SIMULATION,
    SECTION_RULES,
    SECTION_RULES_END
} section_kind;

struct line {
    const char *text;      /* arena copy, without the line break */
    size_t start;          /* byte offset in the protocol */
    fence_kind fence;      /* inside a code block of which kind; EDGE: the ``` line itself */
    section_kind section;  /* that the line belongs to; for a heading: the one it opens */
    bool simulation_words; /* the nearest heading speaks of simulation */
    int level;             /* of a heading: 1..6, 0 = marks lost; -1: no heading */
};

struct parser {
    struct cn_protocol *p;
    struct line *lines;
    int n_lines;
    bool marks_lost; /* no Markdown heading names the goal: titles stand bare */
    struct cn_err *err;
    int params_room, rules_room, settings_room, sections_room, notes_room;
};

/* "name:line: ..." into the error; `line` is an index into lines, -1 = the whole file. */
cn_status protocol_refuse(struct parser *ps, int line, const char *fmt, ...) CN_PRINTF(3, 4);
cn_status protocol_note(struct parser *ps, int line, const char *fmt, ...) CN_PRINTF(3, 4);
cn_status protocol_no_memory(struct parser *ps);
/* The section around a line holds something that was read: it is no prose. */
void protocol_understood(struct parser *ps, int line);
/* Room for one more element of an arena array: doubles it when full. */
cn_status protocol_grow(struct parser *ps, void **array, int32_t n, int *room, size_t size);

/* Cells of a "| a | b |" line, trimmed, marks kept; 0 when the line is no table row. */
int protocol_cells(struct parser *ps, const char *line, const char **cells, int room);
/* True for "|---|:--:|". */
bool protocol_is_rule_line(const char *line);

cn_status protocol_params(struct parser *ps); /* p->params, p->settings */
cn_status protocol_rules(struct parser *ps);  /* p->rules, markers */

#endif
