/* A folder of its own for one test, removed at the end; and the paths of the programs under
 * test. */
#ifndef CN_TESTS_SCRATCH_H
#define CN_TESTS_SCRATCH_H

/* AddressSanitizer reserves terabytes of address space: a program under it cannot live under a
 * memory limit. */
#ifdef __SANITIZE_ADDRESS__
#define SCRATCH_NO_MEMORY_LIMITS true
#else
#define SCRATCH_NO_MEMORY_LIMITS false
#endif

struct scratch {
    char dir[512];
};

void scratch_init(struct scratch *s); /* aborts the test when there is no room */
void scratch_clear(struct scratch *s);
/* "<dir>/<name>"; the text lives until the 16th call after it. */
const char *scratch_path(const struct scratch *s, const char *name);
/* Write a text file there; aborts the test on failure. */
const char *scratch_file(const struct scratch *s, const char *name, const char *text);
/* $CAIRN_BIN/<name>, likewise. */
const char *scratch_program(const char *name);

#endif
