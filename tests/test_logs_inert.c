/* Parameters that did nothing, and parameters that did. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "logs/inert.h"
#include "logs/project.h"
#include "tests/support/made.h"

static struct made m;

static void setup(void)
{
    made_init(&m, 32);
    made_block(&m, "simulation.n_frames", "64000");
}

static void teardown(void)
{
    made_clear(&m);
}

TestSuite(logs_inert, .init = setup, .fini = teardown);

/* Another training of `node` under the seeds of iteration `of`. */
static int64_t twin(int64_t node, int64_t of, double reward)
{
    int64_t id = made_again(&m, node, reward);

    m.h.iterations[id - 1].sim_seed = m.h.iterations[of - 1].sim_seed;
    m.h.iterations[id - 1].train_seed = m.h.iterations[of - 1].train_seed;
    return id;
}

static int64_t inert(const char **out_path, int64_t *out_twins)
{
    struct cn_evidence e;
    struct cn_inert_list l;
    int64_t n;

    cr_assert_eq(cn_evidence_init(&e, &m.h), CN_OK);
    cr_assert_eq(cn_inert_init(&l, &m.h, &e), CN_OK);
    n = l.n;
    *out_path = n ? l.all[0].path : "";
    *out_twins = n ? l.all[0].twins : 0;
    cn_inert_clear(&l);
    cn_evidence_clear(&e);
    return n;
}

Test(logs_inert, equal_to_the_last_digit_under_the_same_seeds)
{
    int64_t root = made_root(&m, 0.9123456789), twins;
    int64_t node = made_try(&m, root, "training.lr", "2.0e-3", 0.95);
    const char *path;

    cr_assert_eq(inert(&path, &twins), 0, "other seeds: nothing can be told");
    (void)twin(node, root, 0.9123456789);
    cr_assert_eq(inert(&path, &twins), 1);
    cr_assert_str_eq(path, "training.lr");
    cr_assert_eq(twins, 1);
}

Test(logs_inert, one_different_pair_takes_it_off)
{
    int64_t root = made_root(&m, 0.9), twins;
    int64_t node = made_try(&m, root, "training.lr", "2.0e-3", 0.95);
    const char *path;

    (void)twin(node, root, 0.9);
    int64_t other = made_try(&m, root, "training.lr", "3.0e-3", 0.8);
    (void)twin(other, root, 0.9000000001);
    cr_assert_eq(inert(&path, &twins), 0);
}

Test(logs_inert, another_metric_or_another_time)
{
    int64_t root = made_root(&m, 0.9), twins, again;
    int64_t node = made_try(&m, root, "training.lr", "2.0e-3", 0.95);
    const char *path;

    made_metric(&m, root, "training_time_min", 1.5);
    again = twin(node, root, 0.9);
    made_metric(&m, again, "training_time_min", 2.5);
    cr_assert_eq(inert(&path, &twins), 1, "time alone is no effect");
    made_metric(&m, root, "tau_R2", 0.5);
    made_metric(&m, again, "tau_R2", 0.6);
    cr_assert_eq(inert(&path, &twins), 0, "another number moved");
}

Test(logs_inert, the_report_and_the_memory_say_so)
{
    int64_t root = made_root(&m, 0.9);
    int64_t node = made_try(&m, root, "training.lr", "2.0e-3", 0.95);
    struct cn_buf b;

    (void)twin(node, root, 0.9);
    cn_buf_init(&b, 1 << 20);
    cn_project_report(&m.h, "x", "", &b);
    cr_assert(strstr(cn_buf_str(&b),
                     "Without any effect: training.lr. Node 2 differs from node 1 "
                     "by nothing else"),
              "%s", cn_buf_str(&b));
    cn_buf_reset(&b);
    cn_project_memory(&m.h, "", &b);
    cr_assert(strstr(cn_buf_str(&b), "Without any effect: training.lr."));
    cn_buf_clear(&b);
}
