/* The table of an executor, called by name. See executor.h. */
#include "harness/exec/executor.h"

#include "base/banned.h"

const char *cn_job_state_name(cn_job_state s)
{
    static const char *const names[] = {"waiting", "running", "over", "lost", "absent"};

    CN_ASSERT((int)s >= 0 && (size_t)s < sizeof names / sizeof names[0]);
    return names[s];
}

cn_status cn_executor_submit(struct cn_executor *x, const struct cn_job_spec *spec,
                             char out_job[CN_JOB_NAME_TEXT], struct cn_err *err)
{
    return x->ops->submit(x, spec, out_job, err);
}

cn_status cn_executor_poll(struct cn_executor *x, const struct cn_job_ref *ref,
                           cn_job_state *out, struct cn_err *err)
{
    return x->ops->poll(x, ref, out, err);
}

cn_status cn_executor_cancel(struct cn_executor *x, const struct cn_job_ref *ref,
                             struct cn_err *err)
{
    return x->ops->cancel(x, ref, err);
}

cn_status cn_executor_adopt(struct cn_executor *x, const struct cn_job_ref *ref,
                            cn_job_state *out, struct cn_err *err)
{
    return x->ops->adopt(x, ref, out, err);
}

void cn_executor_free(struct cn_executor *x)
{
    if (x)
        x->ops->free(x);
}
