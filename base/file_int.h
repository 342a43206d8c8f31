/* What base/file.c and base/file_dir.c share. */
#ifndef CN_BASE_FILE_INT_H
#define CN_BASE_FILE_INT_H

#include "base/status.h"

/* Sync the folder that holds `path`. */
CN_MUST_CHECK cn_status cn_file_sync_parent_(const char *path, struct cn_err *err);
cn_status cn_file_no_memory_(const char *path, struct cn_err *err);

#endif
