/* Scenes, flashes, darkness: ranges, statistics, and independence of the order of calls. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "trainer/fly/stimulus.h"

enum { EXTENT = 4, COLUMNS = 61 };

static void start(struct cn_fly_stimulus *s, cn_fly_stimulus_kind kind, uint64_t seed)
{
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_fly_stimulus_init(s, kind, EXTENT, seed, &err), CN_OK, "%s", err.text);
    cr_assert_eq(s->n_columns, COLUMNS);
}

Test(fly_stimulus, frames_do_not_depend_on_the_order_of_calls)
{
    struct cn_fly_stimulus a, b;
    float x[COLUMNS], y[COLUMNS];
    const int64_t order[] = {500, 3, 499, 0, 501, 77, 500};

    start(&a, CN_STIM_SCENES, 9);
    for (size_t k = 0; k < sizeof order / sizeof order[0]; k++) {
        start(&b, CN_STIM_SCENES, 9);
        for (int64_t t = 0; t < order[k]; t++)
            (void)cn_fly_stimulus_frame(&b, t, y);
        bool first_b = cn_fly_stimulus_frame(&b, order[k], y);
        cr_assert_eq(cn_fly_stimulus_frame(&a, order[k], x), first_b);
        cr_assert_arr_eq(x, y, sizeof x);
        cn_fly_stimulus_clear(&b);
    }
    cn_fly_stimulus_clear(&a);
}

Test(fly_stimulus, scenes_last_50_to_80_frames_and_differ)
{
    struct cn_fly_stimulus s;
    float x[COLUMNS], before[COLUMNS] = {0};
    int64_t last = 0;

    start(&s, CN_STIM_SCENES, 1);
    cr_assert(cn_fly_stimulus_frame(&s, 0, before));
    for (int64_t t = 1; t < 5000; t++) {
        if (!cn_fly_stimulus_frame(&s, t, x))
            continue;
        cr_assert(t - last >= 50 && t - last <= 80, "a scene of %lld frames",
                  (long long)(t - last));
        cr_assert_arr_neq(x, before, sizeof x);
        memcpy(before, x, sizeof x);
        last = t;
    }
    cr_assert_gt(last, 4900);
    cn_fly_stimulus_clear(&s);
}

/* clip(.5 + .2 texture) with a texture of mean square 1: the mean is .5 and the std a little
 * under .2. */
Test(fly_stimulus, scenes_have_the_promised_contrast_and_move)
{
    struct cn_fly_stimulus s;
    float x[COLUMNS], before[COLUMNS];
    double sum = 0, square = 0, change = 0;
    const int frames = 40000;

    start(&s, CN_STIM_SCENES, 2);
    for (int t = 0; t < frames; t++) {
        bool first = cn_fly_stimulus_frame(&s, t, x);
        for (int k = 0; k < COLUMNS; k++) {
            cr_assert(x[k] >= 0 && x[k] <= 1);
            sum += (double)x[k];
            square += (double)x[k] * (double)x[k];
            change += first ? 0 : fabs((double)x[k] - (double)before[k]);
        }
        memcpy(before, x, sizeof x);
    }
    double n = (double)frames * COLUMNS, mean = sum / n;
    cr_assert_float_eq(mean, .5, .02, "mean %g", mean);
    cr_assert_float_eq(sqrt(square / n - mean * mean), .197, .012, "std %g",
                       sqrt(square / n - mean * mean));
    cr_assert_gt(change / n, .01, "the scenes stand still");
    cn_fly_stimulus_clear(&s);
}

Test(fly_stimulus, seeds_give_different_scenes)
{
    struct cn_fly_stimulus a, b;
    float x[COLUMNS], y[COLUMNS];

    start(&a, CN_STIM_SCENES, 1);
    start(&b, CN_STIM_SCENES, 2);
    (void)cn_fly_stimulus_frame(&a, 10, x);
    (void)cn_fly_stimulus_frame(&b, 10, y);
    cr_assert_arr_neq(x, y, sizeof x);
    cn_fly_stimulus_clear(&a);
    cn_fly_stimulus_clear(&b);
}

/* Full field, on first, half periods of 1, 2 or 5 frames, one intensity a block of 60. */
Test(fly_stimulus, flashes_switch_the_whole_field)
{
    struct cn_fly_stimulus s;
    float x[COLUMNS];
    int seen[6] = {0};

    start(&s, CN_STIM_FLASH, 5);
    for (int64_t block = 0; block < 50; block++) {
        int run = 0;
        float on = 0;
        for (int64_t t = 0; t < 60; t++) {
            cr_assert_eq(cn_fly_stimulus_frame(&s, 60 * block + t, x), t == 0);
            for (int k = 1; k < COLUMNS; k++)
                cr_assert_eq(x[k], x[0]);
            if (t == 0)
                on = x[0];
            cr_assert(x[0] == 0 || x[0] == on);
            if (run == t && x[0] > 0)
                run++;
        }
        cr_assert(on >= .5F && on <= 1, "intensity %g", (double)on);
        cr_assert(run == 1 || run == 2 || run == 5, "half period %d", run);
        seen[run]++;
    }
    cr_assert(seen[1] && seen[2] && seen[5]);
    cn_fly_stimulus_clear(&s);
}

Test(fly_stimulus, blank_is_one_endless_darkness)
{
    struct cn_fly_stimulus s;
    float x[COLUMNS];

    start(&s, CN_STIM_BLANK, 5);
    cr_assert(cn_fly_stimulus_frame(&s, 0, x));
    cr_assert_not(cn_fly_stimulus_frame(&s, 1000000, x));
    for (int k = 0; k < COLUMNS; k++)
        cr_assert_eq(x[k], 0);
    cn_fly_stimulus_clear(&s);
}

Test(fly_stimulus, a_bad_extent_is_refused_and_frames_allocate_nothing)
{
    struct cn_fly_stimulus s;
    struct cn_err err = CN_ERR_INIT;
    float x[COLUMNS];

    cr_assert_eq(cn_fly_stimulus_init(&s, CN_STIM_SCENES, 0, 1, &err), CN_EINPUT);
    start(&s, CN_STIM_SCENES, 5);
    int64_t count = cn_alloc_count();
    for (int64_t t = 0; t < 300; t++)
        (void)cn_fly_stimulus_frame(&s, t, x);
    cr_assert_eq(cn_alloc_count(), count);
    cn_fly_stimulus_clear(&s);
}
