#include "trainer/run/import.h"

#include <stdio.h>
#include <string.h>

#include "base/banned.h"
#include "base/status.h"
#include "trainer/fly/connectome.h"
#include "trainer/fly/graph.h"

/* What was imported, counted at the published extent, so that a person can compare it with the
 * paper. */
static cn_status report(const char *dir, struct cn_err *err)
{
    struct cn_fly_graph g;
    const int32_t extent = 8;

    memset(&g, 0, sizeof g);
    cn_status st = cn_fly_connectome_open(dir, extent, &g, err);
    if (st == CN_OK)
        printf("%s: %d cell types; at extent %d: %lld neurons, %lld edges\n", dir, g.n_types,
               extent, (long long)g.n, (long long)g.e);
    cn_fly_graph_clear(&g);
    return st;
}

int cn_trainer_import(int argc, char **argv)
{
    struct cn_err err = CN_ERR_INIT;
    const char *params = NULL, *out = NULL;

    if (argc < 4 || strcmp(argv[2], "flyvis") != 0) {
        fprintf(stderr, "cairn-train: expected: import flyvis FILE --params FILE --out DIR\n");
        return 2;
    }
    for (int k = 4; k < argc; k += 2) {
        if (k + 1 == argc) {
            fprintf(stderr, "cairn-train: import: expected a value after %s\n", argv[k]);
            return 2;
        }
        if (strcmp(argv[k], "--params") == 0) {
            params = argv[k + 1];
        } else if (strcmp(argv[k], "--out") == 0) {
            out = argv[k + 1];
        } else {
            fprintf(stderr, "cairn-train: import: unknown option %s; known: --params, --out\n",
                    argv[k]);
            return 2;
        }
    }
    if (!params || !out) {
        fprintf(stderr, "cairn-train: import: %s is missing\n",
                params ? "--out DIR" : "--params FILE");
        return 2;
    }
    cn_status st = cn_fly_connectome_import(argv[3], params, out, &err);
    if (st == CN_OK)
        st = report(out, &err);
    return st == CN_OK ? 0 : cn_err_print(stderr, "cairn-train", &err);
}
