/* Checked edits of a protocol: exact-match replacement between the rule markers only.
 *
 *     st = cn_edit_apply(p, old, new, "embedded", &text, &err);     // the whole new protocol text
 *     st = cn_edit_diff(before, after, &buf);                       // unified, for people
 *
 * An edit is refused (CN_EINPUT, in words that can go back to a model) when: the protocol has no
 * markers; `old` is not found exactly once between them, or reaches outside; nothing changes; `old` or
 * `new` holds a marker, a heading or a code fence; the rules would grow beyond CN_CAP_RULES bytes or
 * CN_CAP_RULE_ROWS rows; the new text does not parse, or any part of the protocol but its rules
 * reads differently; a row that the host could evaluate becomes prose.
 */
#ifndef CN_PROTOCOLS_EDIT_H
#define CN_PROTOCOLS_EDIT_H

#include "base/buf.h"
#include "base/status.h"
#include "protocols/protocol.h"

enum { CN_CAP_RULES = 16 << 10, CN_CAP_RULE_ROWS = 48 };

CN_MUST_CHECK cn_status cn_edit_apply(const struct cn_protocol *p, const char *old_text,
                                      const char *new_text, struct cn_buf *out,
                                      struct cn_err *err);
/* The same checks for a whole new text against the protocol in force (a revert, a person's edit
 * of the rules only). */
CN_MUST_CHECK cn_status cn_edit_check(const struct cn_protocol *p, const char *text,
                                      struct cn_err *err);
/* Unified diff with 3 lines of context ("--- name_before" ...); nothing when equal. Myers' O(ND)
 * on lines. */
void cn_edit_diff(const char *name_a, const char *a, const char *name_b, const char *b,
                  struct cn_buf *out);

#endif
