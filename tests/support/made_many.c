#include "tests/support/made_many.h"

#include <math.h>
#include <stdio.h>

#include "base/rng.h"

enum { BLOCK = 12 };

static double draw(int64_t id, uint32_t what)
{
    struct cn_rng r;

    cn_rng_init(&r, 7, (uint64_t)id);
    cn_rng_seek(&r, 2 * (uint64_t)what);
    return cn_rng_uniform(&r);
}

/* The reward of a change grows with lr_W up to 4e-3 and falls with lr; noise of about 0.01. */
static void one_change(struct made *m, int64_t parent, double above)
{
    static const char *const rates[] = {"5.0e-4", "2.0e-3", "4.0e-3", "8.0e-3", "2.0e-2"};
    static const double worth[] = {-0.10, 0.10, 0.20, 0.05, NAN};
    int64_t id = m->h.n_iterations + 1;
    double noise = 0.02 * (draw(id, 0) - 0.5);
    int k = (int)(5 * draw(id, 1));
    char message[64], value[32];

    if (draw(id, 2) < 0.3) {
        (void)snprintf(value, sizeof value, "%.2fe-3", 0.6 + 3 * draw(id, 3));
        made_try(m, parent, "training.lr", value, above - 0.2 + noise);
    } else if (isnan(worth[k])) {
        (void)snprintf(message, sizeof message, "loss is nan at step %d", (int)(id % 97));
        made_fail(m, parent, "training.lr_W", rates[k], CN_OUTCOME_DIVERGED, message);
    } else {
        made_try(m, parent, "training.lr_W", rates[k], above + worth[k] + noise);
    }
}

void made_many(struct made *m, int64_t n)
{
    static const char *const frames[] = {"64000", "32000", "16000"};
    int64_t root = 0;

    made_init(m, n + 16);
    for (int64_t i = 0; i < n; i++) {
        if (i % BLOCK == 0) {
            made_block(m, "simulation.n_frames", frames[i / BLOCK % 3]);
            root = made_root(m, 0.5 + 0.02 * (draw(i + 1, 0) - 0.5));
        } else if (i % BLOCK < 3) {
            made_again(m, root, 0.5 + 0.02 * (draw(i + 1, 0) - 0.5));
        } else {
            one_change(m, root, 0.5);
        }
    }
}
