/* How an attempt ended, from the files it left: exit.json (the supervisor's word), result.json
 * (the trainer's) and the tail of stdout.log (evidence). The same for every executor. */
#ifndef CN_EXEC_COLLECT_H
#define CN_EXEC_COLLECT_H

#include <stdint.h>

#include "base/json.h"
#include "base/status.h"
#include "harness/exec/job.h"

/* OK: exit 0 and a valid result.json with status ok. INFRA: not the training's fault.
 * BAD_CONFIG: the trainer refused its config. CANCELLED: somebody asked the supervisor to
 * stop. */
typedef enum {
    CN_VERDICT_OK,
    CN_VERDICT_DIVERGED,
    CN_VERDICT_OOM,
    CN_VERDICT_TIMEOUT,
    CN_VERDICT_CRASHED,
    CN_VERDICT_INFRA,
    CN_VERDICT_BAD_CONFIG,
    CN_VERDICT_CANCELLED,
} cn_verdict;
const char *cn_verdict_name(cn_verdict v);

struct cn_job_result {
    cn_verdict verdict;
    char message[CN_ERR_TEXT]; /* why, in words; "" when ok */
    /* Owned; result.json when it is valid, whatever the verdict; else NULL. */
    struct cn_json_doc *result;
    struct cn_job_exit exit;
};

/* CN_ENOTFOUND when exit.json of this attempt is not there. Clear `out` after CN_OK. */
CN_MUST_CHECK cn_status cn_collect(const char *dir, const char *token, int64_t attempt,
                                   struct cn_job_result *out, struct cn_err *err);
void cn_job_result_clear(struct cn_job_result *r);

#endif
