/* Whole runs on the toy trainer, inside a test program. */
#ifndef CN_TESTS_TOY_H
#define CN_TESTS_TOY_H

#include "harness/loop/run.h"
#include "logs/record.h"
#include "tests/support/scratch.h"

struct toy_run {
    struct scratch s;
    char dir[600]; /* of the run */
    struct cn_err err;
    cn_run_end end;
    char told[16384]; /* every line the run said */
    /* Called with every line, before it is stored; may ask the run to stop. */
    void (*listen)(struct toy_run *t, const char *line);
    struct cn_run *run; /* while exploring */
};

/* A scratch folder and PATH set so that cairn-job is found. */
void toy_init(struct toy_run *t);
void toy_clear(struct toy_run *t);
/* Write toy.yaml with these lines below `explore:` (each indented by two spaces) and below
 * `toy:`. */
void toy_config(struct toy_run *t, const char *explore, const char *toy);
const char *toy_protocol(void); /* protocols/toy.md of the checkout */
cn_status toy_create(struct toy_run *t, const char *protocol, const struct cn_run_override *o,
                     int n);
/* Open and explore; asserts nothing. */
cn_status toy_explore(struct toy_run *t, const struct cn_run_override *o, int n);
/* Create with toy.md and explore to the end; aborts the test when either fails. */
void toy_go(struct toy_run *t, const char *explore, const char *toy);
/* The record; clear with cn_history_clear. Aborts the test when it cannot be read or fails its
 * check. */
struct cn_history toy_history(struct toy_run *t);
/* A file of the run, until the next call. */
const char *toy_read(struct toy_run *t, const char *name);

#endif
