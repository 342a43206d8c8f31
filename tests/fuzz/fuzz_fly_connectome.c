/* Any bytes as a connectome and as parameters: refused or read, never a crash or a leak. What
 * reads as a connectome must also expand. */
#include <stddef.h>
#include <stdint.h>

#include "base/alloc.h"
#include "trainer/fly/connectome.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cn_fly_connectome c;
    struct cn_fly_params p;
    struct cn_fly_graph g;
    struct cn_err err = CN_ERR_INIT;
    int64_t live = cn_alloc_live();

    if (cn_fly_params_parse("fuzz", (const char *)data, size, &p, &err) == CN_OK)
        cn_fly_params_clear(&p);
    if (cn_fly_connectome_parse("fuzz", (const char *)data, size, &c, &err) == CN_OK) {
        if (cn_fly_connectome_expand(&c, NULL, 2, &g, &err) == CN_OK)
            cn_fly_graph_clear(&g);
        cn_fly_connectome_clear(&c);
    }
    CN_ASSERT(cn_alloc_live() == live);
    return 0;
}
