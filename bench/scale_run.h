/* A synthetic run of any length for bench/scale.c, complete enough that `cairn resume` goes on
 * with it. */
#ifndef CN_BENCH_SCALE_RUN_H
#define CN_BENCH_SCALE_RUN_H

#include <stdint.h>

#include "base/status.h"

enum { SCALE_BLOCK = 12, SCALE_METRICS = 16, SCALE_CONFIG_BYTES = 3000 };

/* `dir` holds afterwards: toy.yaml, toy.md, ledger (of the toy trainer), and run/ with n
 * iterations in full blocks of SCALE_BLOCK, all committed. The rows go through cn_store_import in
 * one transaction: the content of a real run but for the table of applied steps, and no log yet
 * (`cairn rebuild` writes it). */
CN_MUST_CHECK cn_status scale_make(const char *dir, const char *bin, int64_t n,
                                   struct cn_err *err);

#endif
