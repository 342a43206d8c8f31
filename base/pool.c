/* Worker threads around one "gate".
 *
 * The gate is one 64-bit word: number of the run, OPEN and STOP flags, and how many workers are
 * inside. cn_pool_run writes the job, opens the gate under a new number, works on chunks
 * itself, and when no chunk is left closes the gate and waits until nobody is inside. A worker
 * goes in with one compare-and-swap (only through an open gate, once per run) and comes out
 * with one subtraction.
 *
 * The race that this shape removes: a worker that wakes late, after the run is over, must not
 * read the job of the next run half written, nor take a chunk of it under the old function. It
 * finds the gate closed (the swap fails) and never looks at the job. And the caller never waits
 * for a worker that did not get a processor: it waits only for those inside.
 *
 * Waiting is spinning for SPIN_NS and then sleeping on a condition variable. Sleeper and waker
 * meet by the usual pair: the sleeper says "I sleep" and then looks at the gate, the waker
 * changes the gate and then looks for sleepers; both in sequentially consistent order, so one
 * of them sees the other.
 */
#include "base/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <time.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"

enum { SPIN_NS = 30000, SPINS_PER_LOOK = 32 };

#define GATE_INSIDE UINT64_C(0xffff) /* workers inside */
#define GATE_OPEN   (UINT64_C(1) << 16)
#define GATE_STOP   (UINT64_C(1) << 17)
#define GATE_RUN    (UINT64_C(1) << 32) /* one run; the upper half counts them and may wrap */

struct cn_pool {
    alignas(64) _Atomic uint64_t gate;
    alignas(64) _Atomic int64_t next; /* chunk to take */
    alignas(64) cn_pool_fn *fn;       /* the job: written while the gate is closed and empty */
    void *ctx;
    int64_t n_chunks;
    _Atomic bool running; /* to find nested and concurrent runs */
    int n_threads;
    int n_started; /* workers to join */
    int64_t spin_ns;
    pthread_t *workers; /* owned, n_threads - 1 */
    alignas(64) _Atomic int sleepers;
    _Atomic int caller_sleeps;
    pthread_mutex_t lock;
    pthread_cond_t wake_workers;
    pthread_cond_t wake_caller;
};

static void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#else
    atomic_signal_fence(memory_order_seq_cst);
#endif
}

/* Not base/clock.h: a frozen test clock would spin for ever. */
static int64_t now_ns(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t); /* cannot fail on Linux */
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool has_work(uint64_t gate, uint64_t last_run)
{
    return (gate & GATE_STOP) || ((gate & GATE_OPEN) && gate / GATE_RUN != last_run);
}

static bool is_empty(uint64_t gate)
{
    return (gate & GATE_INSIDE) == 0;
}

/* Looks at the gate for at most spin_ns; true as soon as it is as wanted. */
static bool spin(struct cn_pool *p, bool for_work, uint64_t last_run)
{
    int64_t end = 0;
    int i;

    for (;;) {
        for (i = 0; i < SPINS_PER_LOOK; i++) {
            uint64_t gate = atomic_load_explicit(&p->gate, memory_order_acquire);

            if (for_work ? has_work(gate, last_run) : is_empty(gate))
                return true;
            relax();
        }
        if (end == 0)
            end = now_ns() + p->spin_ns;
        else if (now_ns() >= end)
            return false;
    }
}

static void wait_for_work(struct cn_pool *p, uint64_t last_run)
{
    if (spin(p, true, last_run))
        return;
    (void)pthread_mutex_lock(&p->lock); /* a default mutex that we do not hold: cannot fail */
    atomic_fetch_add(&p->sleepers, 1);
    while (!has_work(atomic_load(&p->gate), last_run))
        (void)pthread_cond_wait(&p->wake_workers, &p->lock);
    atomic_fetch_sub(&p->sleepers, 1);
    (void)pthread_mutex_unlock(&p->lock);
}

static void wait_until_empty(struct cn_pool *p)
{
    if (spin(p, false, 0))
        return;
    (void)pthread_mutex_lock(&p->lock);
    atomic_store(&p->caller_sleeps, 1);
    while (!is_empty(atomic_load(&p->gate)))
        (void)pthread_cond_wait(&p->wake_caller, &p->lock);
    atomic_store(&p->caller_sleeps, 0);
    (void)pthread_mutex_unlock(&p->lock);
}

/* Taking the lock, even for nothing inside, is what makes the sleeper either asleep or still to
 * look. */
static void wake(struct cn_pool *p, _Atomic int *whether, pthread_cond_t *whom)
{
    if (atomic_load(whether) == 0)
        return;
    (void)pthread_mutex_lock(&p->lock);
    (void)pthread_cond_broadcast(whom);
    (void)pthread_mutex_unlock(&p->lock);
}

static void work(struct cn_pool *p)
{
    cn_pool_fn *fn = p->fn;
    void *ctx = p->ctx;
    int64_t n = p->n_chunks, i;

    while ((i = atomic_fetch_add_explicit(&p->next, 1, memory_order_relaxed)) < n)
        fn(ctx, i);
}

/* In, if the gate is open for a run that this worker has not served. Sets *last_run. */
static bool enter(struct cn_pool *p, uint64_t *last_run)
{
    uint64_t gate = atomic_load(&p->gate);

    while ((gate & GATE_OPEN) && gate / GATE_RUN != *last_run)
        if (atomic_compare_exchange_weak(&p->gate, &gate, gate + 1)) {
            *last_run = gate / GATE_RUN;
            return true;
        }
    return false;
}

static void leave(struct cn_pool *p)
{
    uint64_t before = atomic_fetch_sub(&p->gate, 1);

    if ((before & GATE_INSIDE) == 1 && !(before & GATE_OPEN))
        wake(p, &p->caller_sleeps, &p->wake_caller);
}

static void *worker_main(void *arg)
{
    struct cn_pool *p = arg;
    uint64_t last_run = 0;

    while (!(atomic_load(&p->gate) & GATE_STOP)) {
        wait_for_work(p, last_run);
        if (enter(p, &last_run)) {
            work(p);
            leave(p);
        }
    }
    return NULL;
}

/* Signals are for the thread that runs main; only those that mean "this very instruction" stay
 * open. */
static int start_workers(struct cn_pool *p)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP};
    sigset_t all, old;
    int rc = 0;
    size_t i;

    (void)sigfillset(&all);
    for (i = 0; i < sizeof own / sizeof *own; i++)
        (void)sigdelset(&all, own[i]);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    while (rc == 0 && p->n_started < p->n_threads - 1) {
        rc = pthread_create(&p->workers[p->n_started], NULL, worker_main, p);
        p->n_started += rc == 0;
    }
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return rc;
}

int cn_pool_available_processors(void)
{
    cpu_set_t set;
    int n;

    if (sched_getaffinity(0, sizeof set, &set) < 0)
        /* More than 1024 processors: count one rather than guess; n_threads can say more. */
        return 1;
    n = CPU_COUNT(&set);
    return n > 0 ? n : 1;
}

struct cn_pool *cn_pool_new(int n_threads)
{
    int available = cn_pool_available_processors();
    struct cn_pool *p;

    if (n_threads < 0 || n_threads > CN_CAP_THREADS)
        CN_BUG("a pool of %d threads, expected 0 to %d", n_threads, CN_CAP_THREADS);
    if (n_threads == 0)
        n_threads = available < CN_CAP_THREADS ? available : CN_CAP_THREADS;
    p = cn_alloc_aligned(1, sizeof *p);
    if (!p)
        return NULL;
    p->n_threads = n_threads;
    /* Too few processors: spinning blocks others. */
    p->spin_ns = n_threads <= available ? SPIN_NS : 0;
    /* These three cannot fail with default attributes. */
    (void)pthread_mutex_init(&p->lock, NULL);
    (void)pthread_cond_init(&p->wake_workers, NULL);
    (void)pthread_cond_init(&p->wake_caller, NULL);
    if (n_threads > 1)
        p->workers = cn_alloc((size_t)n_threads - 1, sizeof *p->workers);
    if (n_threads > 1 && (!p->workers || start_workers(p) != 0)) {
        cn_pool_free(p);
        return NULL;
    }
    return p;
}

void cn_pool_free(struct cn_pool *p)
{
    int i;

    if (!p)
        return;
    atomic_fetch_or(&p->gate, GATE_STOP);
    wake(p, &p->sleepers, &p->wake_workers);
    for (i = 0; i < p->n_started; i++)
        (void)pthread_join(p->workers[i], NULL);
    (void)pthread_mutex_destroy(&p->lock);
    (void)pthread_cond_destroy(&p->wake_workers);
    (void)pthread_cond_destroy(&p->wake_caller);
    cn_free(p->workers);
    cn_free(p);
}

int cn_pool_threads(const struct cn_pool *p)
{
    return p->n_threads;
}

void cn_pool_run(struct cn_pool *p, cn_pool_fn *fn, void *ctx, int64_t n_chunks)
{
    int64_t i;

    if (atomic_exchange(&p->running, true))
        CN_BUG("cn_pool_run inside or beside another run of the same pool");
    if (p->n_threads == 1 || n_chunks <= 1) {
        for (i = 0; i < n_chunks; i++)
            fn(ctx, i);
    } else {
        p->fn = fn;
        p->ctx = ctx;
        p->n_chunks = n_chunks;
        atomic_store(&p->next, 0);
        atomic_fetch_add(&p->gate, GATE_RUN + GATE_OPEN);
        wake(p, &p->sleepers, &p->wake_workers);
        work(p);
        atomic_fetch_and(&p->gate, ~GATE_OPEN);
        wait_until_empty(p);
    }
    atomic_store(&p->running, false);
}
