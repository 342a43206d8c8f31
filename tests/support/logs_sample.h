/* A small run with everything in it, driven through the store step by step: two blocks, a
 * failure-probe that diverges, a replicate, an attempt lost to its surroundings, confirmations,
 * prose that looks like a record. Every step may be repeated, so a run that was killed can be
 * driven again from the start. */
#ifndef CN_TESTS_LOGS_SAMPLE_H
#define CN_TESTS_LOGS_SAMPLE_H

#include "logs/record.h"
#include "logs/store.h"

extern const struct cn_run_info logs_sample_info;
#define LOGS_SAMPLE_PROTOCOL "# Protocol\n\n## Goal\n\nRecover W.\n"
#define LOGS_SAMPLE_CONFIG                                                                   \
    "simulation:\n  n_frames: 64000\n  seed: 1\ntraining:\n  lr_W: 1.0e-3\n  lr: 5.0e-4\n  " \
    "seed: 2\n"

/* Open run.db in `dir`, or make it; take the lease. */
cn_status logs_sample_open(const char *dir, struct cn_store **out, struct cn_err *err);
/* All steps from the first; stops at the first that fails. */
cn_status logs_sample_drive(struct cn_store *s, struct cn_err *err);
/* Number of steps; only the first `n` of them. */
int logs_sample_steps(void);
cn_status logs_sample_drive_to(struct cn_store *s, int n, struct cn_err *err);
/* Everything of a history but times and ids of events, as text, to compare two of them. */
char *logs_sample_dump(const struct cn_history *h);

#endif
