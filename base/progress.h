/* Progress: a bar on a terminal, plain lines otherwise (at most one every few seconds).
 * NO_COLOR respected. Thread-compatible: call from one thread. Writes to stderr.
 *
 *     struct cn_progress *p = cn_progress_new("training", total);
 *     cn_progress_step(p, done, "loss 0.12");
 *     cn_progress_free(p);          // ends the line
 */
#ifndef CN_BASE_PROGRESS_H
#define CN_BASE_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct cn_progress;

/* NULL (no memory, or switched off) is a valid, silent progress. */
struct cn_progress *cn_progress_new(const char *what, int64_t total);
void cn_progress_step(struct cn_progress *p, int64_t done, const char *note);
/* A line of its own above the bar. */
void cn_progress_say(struct cn_progress *p, const char *line);
void cn_progress_free(struct cn_progress *p);
/* Tests and quiet modes. */
void cn_progress_set_enabled(bool on);

/* True when `fd` is a terminal and colours are welcome (NO_COLOR unset, TERM not dumb). */
bool cn_progress_colour(int fd);

#endif
