#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/pool.h"

enum { CHUNKS = 37 };

struct tally {
    _Atomic int hits[CHUNKS];
};

static void hit(void *ctx, int64_t chunk)
{
    struct tally *t = ctx;

    atomic_fetch_add(&t->hits[chunk], 1);
}

/* Every chunk of every run exactly once, for pools smaller and larger than the machine. */
Test(base_pool, each_chunk_runs_once_a_run)
{
    static const int sizes[] = {1, 2, 3, 8, 32};
    size_t s;

    for (s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct cn_pool *p = cn_pool_new(sizes[s]);
        struct tally t = {{0}};
        int run, c;

        cr_assert_not_null(p);
        cr_assert_eq(cn_pool_threads(p), sizes[s]);
        for (run = 0; run < 3000; run++) {
            int64_t n = run % (CHUNKS + 1);

            cn_pool_run(p, hit, &t, n);
        }
        for (c = 0; c < CHUNKS; c++) { /* chunk c runs when n > c */
            int want = 0;

            for (run = 0; run < 3000; run++)
                want += run % (CHUNKS + 1) > c;
            cr_assert_eq(atomic_load(&t.hits[c]), want, "chunk %d, %d threads", c, sizes[s]);
        }
        cn_pool_free(p);
    }
}

struct sums {
    double part[CHUNKS];
};

static void sum_part(void *ctx, int64_t chunk)
{
    struct sums *s = ctx;
    double x = 0;
    int i;

    for (i = 1; i < 2000; i++)
        x += 1.0 / (double)(chunk * 2000 + i);
    s->part[chunk] = x;
}

Test(base_pool, same_bits_for_any_number_of_threads)
{
    struct sums first = {{0}}, s;
    int n;

    for (n = 1; n <= 9; n++) {
        struct cn_pool *p = cn_pool_new(n);

        memset(&s, 0, sizeof s);
        cn_pool_run(p, sum_part, n == 1 ? &first : &s, CHUNKS);
        if (n > 1)
            cr_assert_eq(memcmp(&first, &s, sizeof s), 0);
        cn_pool_free(p);
    }
}

static void meet(void *ctx, int64_t chunk)
{
    _Atomic int *here = ctx;

    (void)chunk;
    atomic_fetch_add(here, 1);
    /* Two chunks wait for each other: only two threads can end this. */
    while (atomic_load(here) < 2)
        (void)usleep(100);
}

Test(base_pool, chunks_run_at_the_same_time)
{
    struct cn_pool *p = cn_pool_new(2);
    _Atomic int here = 0;

    cn_pool_run(p, meet, &here, 2);
    cr_assert_eq(atomic_load(&here), 2);
    cn_pool_free(p);
}

static void nothing(void *ctx, int64_t chunk)
{
    (void)ctx;
    (void)chunk;
}

static void doze(void)
{
    const struct timespec t = {0, 2000000};

    (void)nanosleep(&t, NULL);
}

/* Long after the spin the workers sleep; they must still come when called. */
Test(base_pool, sleeping_workers_wake)
{
    struct cn_pool *p = cn_pool_new(2);
    int i;

    for (i = 0; i < 50; i++) {
        _Atomic int here = 0;

        doze();
        cn_pool_run(p, meet, &here, 2);
    }
    cn_pool_free(p);
}

static double cpu_seconds(void)
{
    struct timespec t;

    cr_assert_eq(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* Processor time, not wall time: a machine under load cannot make this fail. */
Test(base_pool, waiting_workers_burn_no_processor)
{
    struct cn_pool *p = cn_pool_new(8);
    double start = cpu_seconds();
    int i;

    for (i = 0; i < 100; i++) {
        cn_pool_run(p, nothing, NULL, 16);
        doze();
    }
    cr_assert_lt(cpu_seconds() - start, 0.2, "%.3f s of processor time", cpu_seconds() - start);
    cn_pool_free(p);
}

Test(base_pool, a_run_allocates_nothing_and_a_freed_pool_leaves_nothing)
{
    int64_t live = cn_alloc_live(), count;
    struct cn_pool *p = cn_pool_new(3);
    int i;

    count = cn_alloc_count();
    for (i = 0; i < 100; i++)
        cn_pool_run(p, nothing, NULL, 10);
    cr_assert_eq(cn_alloc_count(), count);
    cn_pool_free(p);
    cn_pool_free(NULL);
    cr_assert_eq(cn_alloc_live(), live);
}

Test(base_pool, no_memory_gives_null)
{
    int nth;

    for (nth = 1; nth <= 2; nth++) {
        cn_alloc_fail_nth(nth);
        cr_assert_null(cn_pool_new(4));
    }
    cr_assert_eq(cn_alloc_live(), 0);
}

Test(base_pool, zero_threads_mean_the_processors)
{
    struct cn_pool *p = cn_pool_new(0);

    cr_assert_geq(cn_pool_available_processors(), 1);
    cr_assert_geq(cn_pool_threads(p), 1);
    cr_assert_leq(cn_pool_threads(p), cn_pool_available_processors());
    cn_pool_free(p);
}

static void nest(void *ctx, int64_t chunk)
{
    (void)chunk;
    cn_pool_run(ctx, nothing, NULL, 1);
}

Test(base_pool, a_run_inside_a_run_is_a_bug, .signal = SIGABRT)
{
    struct cn_pool *p = cn_pool_new(1);

    cn_pool_run(p, nest, p, 1);
}
