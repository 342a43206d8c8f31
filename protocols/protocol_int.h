/* Inside this folder only: the parser's state and its parts.
 *
 *   protocol.c    messages and memory, the order of things, the public functions
 *   lines.c       lines, code blocks
 *   sections.c    headings, title, goal
 *   thresholds.c  the Classification section
 *   values.c      numbers, ranges, lists
 *   params.c      parameters and settings from YAML blocks and tables
 *   table.c       cells of Markdown tables, rows of the rule table
 *   partition.c   the block partition table
 *   guard.c       guardrails
 *   logformat.c   the fields of the example entry
 *   remarks.c     notes on words that look like more than they are
 *   extends.c     a protocol joined with those that it extends
 */
#ifndef CN_PROTOCOLS_PROTOCOL_INT_H
#define CN_PROTOCOLS_PROTOCOL_INT_H

#include "protocols/protocol.h"
#include "protocols/words.h"

enum { PROTOCOL_VALUES = 256, PROTOCOL_CELLS = 16 };

typedef enum { FENCE_NONE, FENCE_EDGE, FENCE_YAML, FENCE_OTHER } fence_kind;
typedef enum {
    SECTION_PROSE,
    SECTION_GOAL,
    SECTION_CLASSIFICATION,
    SECTION_TRAINING,
    SECTION_SIMULATION,
    SECTION_RULES,
    SECTION_RULES_END,
    SECTION_PARTITION,
    SECTION_GUARDRAILS
} section_kind;

/* Where a line was written. */
struct origin {
    const char *file;
    int number; /* from 1 */
};

struct line {
    const char *text; /* arena copy, without the line break */
    size_t start;     /* byte offset in the protocol */
    struct origin from;
    fence_kind fence;      /* inside a code block of which kind; EDGE: the ``` line itself */
    section_kind section;  /* that the line belongs to; for a heading: the one it opens */
    bool simulation_words; /* the nearest heading speaks of simulation */
    bool setting;          /* below "explore:" in a code block, or that line itself */
    bool opens;            /* a heading that begins a section; deeper ones stay in it */
    int in_section;        /* 1 + index into p->sections; 0: before the first */
    int level;             /* of a heading: 1..6, 0 = marks lost; -1: no heading */
};

struct parser {
    struct cn_protocol *p;
    struct line *lines;
    int n_lines;
    bool marks_lost; /* no Markdown heading names the goal: titles stand bare */
    /* A part of a protocol is being looked at: sections that are missing are no matter. */
    bool part;
    /* Of every line, when the text was joined from several files; else NULL. */
    const struct origin *origins;
    struct cn_err *err;
    int params_room, rules_room, settings_room, sections_room, notes_room, guardrails_room,
        blocks_room;
};

/* "name:line: ..." into the error; `line` is an index into lines, -1 = the whole file. */
cn_status protocol_refuse(struct parser *ps, int line, const char *fmt, ...) CN_PRINTF(3, 4);
cn_status protocol_note(struct parser *ps, int line, const char *fmt, ...) CN_PRINTF(3, 4);
cn_status protocol_no_memory(struct parser *ps);
/* The section around a line holds something that was read: it is no prose. */
void protocol_understood(struct parser *ps, int line);
/* Room for one more element of an arena array: doubles it when full. */
cn_status protocol_grow(struct parser *ps, void **array, int32_t n, int *room, size_t size);
/* ", did you mean ..." or what else helps, for an unknown name: in the arena, never NULL. */
const char *protocol_nearest(struct parser *ps, const char *word, const char *const *names,
                             int n);

/* The steps, in this order. */
cn_status protocol_lines(struct parser *ps);
cn_status protocol_fences(struct parser *ps);
cn_status protocol_sections(struct parser *ps);
cn_status protocol_title(struct parser *ps);
cn_status protocol_goal(struct parser *ps);
cn_status protocol_thresholds(struct parser *ps);
cn_status protocol_params(struct parser *ps); /* p->params, p->settings */
cn_status protocol_rules(struct parser *ps);  /* p->rules, markers */
cn_status protocol_partition(struct parser *ps);
cn_status protocol_guardrails(struct parser *ps);
cn_status protocol_log_format(struct parser *ps);
cn_status protocol_remarks(struct parser *ps);

/* -- lines and words -- */

static inline const char *protocol_skip_space(const char *s)
{
    while (cn_words_is_space(*s))
        s++;
    return s;
}
/* Behind the mark of a list item ("- ", "* ", "+ ", bullet, "3. "); the line itself when it is
 * none. */
const char *protocol_item(const char *line);
/* "## Iter N: ...", with or without its marks: the first line of an example entry. */
bool protocol_is_entry_head(const char *line);
/* Length of a leading "---" block; 0: none. */
int protocol_front_matter(const struct line *lines, int n);

/* -- tables -- */

/* Cells of a "| a | b |" line, trimmed, marks kept; 0 when the line is no table row. */
int protocol_cells(struct parser *ps, const char *line, const char **cells, int room);
/* True for "|---|:--:|". */
bool protocol_is_rule_line(const char *line);

/* -- values -- */

/* A number at s, the first byte behind it in *end. */
bool protocol_number_at(const char *s, double *out, const char **end);
bool protocol_whole_number(const char *s, double *out);
/* "LO to HI", "LO - HI", "LO..HI", "[LO, HI]"; what follows must be nothing or a remark. */
bool protocol_range(const char *s, double *lo, double *hi);
/* As texts, or as numbers: "0.10" is "0.1". */
bool protocol_same_value(const char *a, const char *b);
/* "1, 2, 4" in s[0..n): appended to an arena list of at most PROTOCOL_VALUES, made when
 * NULL. */
cn_status protocol_values(struct parser *ps, const char *s, size_t n, const char ***out,
                          int32_t *out_n);

/* -- joining -- */

/* The value of `extends:` and its line; NULL and -1: none. */
cn_status protocol_extends_line(struct parser *ps, const char **out_value, int *out_line);
/* The protocol of file `path`, whose bytes are `text`, joined with what it extends: the whole
 * text in *out, the origin of its every line in *out_origins; nothing (out->len 0) when it
 * extends nothing. All memory from p->arena; p->extends is filled. */
cn_status protocol_join(struct cn_protocol *p, const char *path, const char *text, size_t n,
                        struct cn_buf *out, const struct origin **out_origins,
                        struct cn_err *err);
/* The bytes may be a protocol at all. */
cn_status protocol_check_text(struct parser *ps, const char *text, size_t n);

#endif
