/* The pool under the thread sanitizer, as a plain main (Criterion does not start under it):
 * plain memory is written by chunks and read by the caller and by the chunks of the next run;
 * every missing order shows. */
#include <stdio.h>

#include "base/pool.h"

enum { CHUNKS = 16, RUNS = 4000 };

struct work {
    long cell[CHUNKS]; /* plain on purpose */
    long total;
};

static void step(void *ctx, int64_t chunk)
{
    struct work *w = ctx;

    w->cell[chunk] += w->total + 1;
}

static int check(int n_threads)
{
    struct cn_pool *p = cn_pool_new(n_threads);
    struct work w = {{0}, 0};
    long want = 0;
    int run, c;

    if (!p)
        return 1;
    for (run = 0; run < RUNS; run++) {
        cn_pool_run(p, step, &w, CHUNKS);
        w.total = (w.total + w.cell[run % CHUNKS]) % 1000;
    }
    /* the same by hand, one thread */
    {
        struct work v = {{0}, 0};

        for (run = 0; run < RUNS; run++) {
            for (c = 0; c < CHUNKS; c++)
                step(&v, c);
            v.total = (v.total + v.cell[run % CHUNKS]) % 1000;
        }
        want = v.total;
    }
    cn_pool_free(p);
    (void)printf("%d threads: %ld, expected %ld\n", n_threads, w.total, want);
    return w.total != want;
}

int main(void)
{
    return check(2) + check(3) + check(8) ? 1 : 0;
}
