/* Any bytes may be handed to `cairn import store`: refused, or a history whose parts fit. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "logs/export.h"
#include "tests/support/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cn_exported e;
    struct cn_err err = CN_ERR_INIT;
    const cn_status st = cn_export_read("fuzz", (const char *)data, size, &e, &err);

    if (st != CN_OK && (st != CN_EINPUT && st != CN_EUNSUPPORTED && st != CN_ECAP))
        abort();
    if (st != CN_OK && !err.text[0])
        abort();
    for (int64_t i = 0; st == CN_OK && i < e.history.n_iterations; i++)
        if (!cn_history_node(&e.history, e.history.iterations[i].node))
            abort();
    for (int64_t i = 0; st == CN_OK && i < e.history.n_texts; i++)
        if (!e.words[i])
            abort();
    cn_exported_clear(&e);
    return 0;
}
