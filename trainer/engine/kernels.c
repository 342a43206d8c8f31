/* The choice of a kernel table: CAIRN_CPU, else the best this CPU runs. */
#include "trainer/engine/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"

static int runs_avx512(void)
{
#if CN_KERNELS_PORTABLE_ONLY
    return 0;
#else
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("fma");
#endif
}

static int runs_avx2(void)
{
#if CN_KERNELS_PORTABLE_ONLY
    return 0;
#else
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
#endif
}

static int always(void)
{
    return 1;
}

static const struct {
    const char *name;
    int (*runs)(void);
    const struct cn_kernels *table;
} choices[] = {
#if !CN_KERNELS_PORTABLE_ONLY
    {"avx512", runs_avx512, &cn_kernels_avx512},
    {"avx2", runs_avx2, &cn_kernels_avx2},
#else
    {"avx512", runs_avx512, NULL},
    {"avx2", runs_avx2, NULL},
#endif
    {"portable", always, &cn_kernels_portable},
};

enum { N_CHOICES = sizeof choices / sizeof choices[0] };

const struct cn_kernels *cn_kernels_get(struct cn_err *err)
{
    const char *want = getenv("CAIRN_CPU"); /* read once per plan, before threads start */

    for (int i = 0; i < N_CHOICES; i++) {
        if (want && *want && strcmp(want, choices[i].name) != 0)
            continue;
        if (choices[i].runs())
            return choices[i].table;
        if (want && *want) {
            (void)cn_err_set(err, CN_EINPUT,
                             "CAIRN_CPU: \"%s\" needs instructions that this CPU does not have",
                             want);
            return NULL;
        }
    }
    (void)cn_err_set(err, CN_EINPUT,
                     "CAIRN_CPU: expected \"portable\", \"avx2\" or \"avx512\", found \"%s\"",
                     want);
    return NULL;
}
