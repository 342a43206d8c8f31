/* Where things are: run folders, the files shipped with cairn, the sibling programs. */
#ifndef CN_CLI_PATHS_H
#define CN_CLI_PATHS_H

#include "base/status.h"

/* The folder of run `name`: a path when it has a slash or is a folder that holds run.db, else
 * <runs>/<name>. `runs` NULL means "runs". CN_ENOTFOUND (naming the nearest run) unless it
 * holds a run.db or `must_exist` is 0. Allocated (cn_free). */
CN_MUST_CHECK cn_status cn_cli_run_dir(const char *name, const char *runs, int must_exist,
                                       char **out, struct cn_err *err);

/* A folder that does not exist yet: <runs>/<stem>, <runs>/<stem>_2, ... Allocated (cn_free);
 * NULL: no memory. */
char *cn_cli_fresh_dir(const char *runs, const char *stem);

/* The file's name without folders and without its last extension. Allocated (cn_free). */
char *cn_cli_stem(const char *path);

/* A shipped file ("protocols/fly_demo.md"): $CAIRN_SHARE, then <bin>/../share/cairn, then the
 * checkout the binary was built in. Allocated (cn_free). */
CN_MUST_CHECK cn_status cn_cli_asset(const char *name, char **out, struct cn_err *err);

/* A sibling program ("cairn-train") beside our own binary, or on PATH. Allocated (cn_free). */
CN_MUST_CHECK cn_status cn_cli_program(const char *name, char **out, struct cn_err *err);

#endif
