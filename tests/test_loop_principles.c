/* What a whole run leaves in its working memory: the embedded proposer's words at the ends of
 * blocks, a person's words between them, snapshots as of each block's end. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "logs/project.h"
#include "logs/store.h"
#include "tests/support/toy.h"

static struct toy_run t;
static struct cn_buf text, want;

static void setup(void)
{
    toy_init(&t);
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_buf_init(&want, CN_CAP_TEXT);
}

static void teardown(void)
{
    cn_buf_clear(&text);
    cn_buf_clear(&want);
    toy_clear(&t);
}

TestSuite(loop_principles, .init = setup, .fini = teardown, .timeout = 100);

#define OK(call) cr_assert_eq((call), CN_OK, "%s", t.err.text)

/* The newest words that were written while `block` was the newest. */
static void words_at(const struct cn_history *h, int64_t block)
{
    struct cn_store *s;
    int64_t version = 0;

    for (int64_t i = 0; i < h->n_texts; i++)
        if (strcmp(h->texts[i].kind, "memory") == 0 && h->texts[i].block <= block)
            version = h->texts[i].version;
    cr_assert_gt(version, 0, "block %d left no words", (int)block);
    OK(cn_store_open(t.dir, CN_STORE_READ, &s, &t.err));
    OK(cn_store_text(s, "memory", version, &text, &t.err));
    cn_store_close(s);
}

/* The record as it was when `block` had just been closed. */
static struct cn_history as_of(const struct cn_history *h, int64_t block)
{
    struct cn_history cut = *h;

    cut.n_blocks = block;
    cut.first_run = cut.next_run = NULL;
    while (cut.n_iterations > 0 &&
           cut.iterations[cut.n_iterations - 1].id > h->blocks[block - 1].last)
        cut.n_iterations--;
    while (cut.n_nodes > 0 && cut.nodes[cut.n_nodes - 1].id > h->blocks[block - 1].last)
        cut.n_nodes--;
    return cut;
}

Test(loop_principles, a_snapshot_is_the_memory_as_of_its_blocks_end)
{
    struct cn_history h;

    toy_go(&t, "  iterations: 12\n  n_iter_block: 4\n  confirm: 1\n", "");
    h = toy_history(&t);
    cr_assert_eq(h.n_blocks, 3);
    for (int64_t b = 1; b <= 3; b++) {
        struct cn_history cut = as_of(&h, b);
        char name[64];

        words_at(&h, b);
        cn_buf_reset(&want);
        cn_project_memory(&cut, cn_buf_str(&text), &want);
        (void)snprintf(name, sizeof name, "snapshots/block_%03d/memory.md", (int)b);
        cr_assert_str_eq(toy_read(&t, name), cn_buf_str(&want), "%s", name);
    }
    cn_history_clear(&h);
}

Test(loop_principles, every_block_but_the_first_has_a_hypothesis_before_it_and_a_status_after)
{
    struct cn_history h;
    const char *now;

    toy_go(&t, "  iterations: 12\n  n_iter_block: 4\n  confirm: 1\n", "");
    h = toy_history(&t);
    words_at(&h, 1);
    cr_assert(strstr(cn_buf_str(&text), "### Hypothesis\n- Block 2 (embedded): "), "%s",
              cn_buf_str(&text));
    cr_assert(strstr(cn_buf_str(&text), "  Status: open\n"));
    words_at(&h, 2);
    cr_assert(strstr(cn_buf_str(&text), "- Block 2 (embedded): "));
    cr_assert(strstr(cn_buf_str(&text), "- Block 3 (embedded): "));
    now = toy_read(&t, "run_memory.md");
    cr_assert(strstr(now, "- Block 3 (embedded): "), "%s", now);
    cr_assert_null(strstr(now, "  Status: open\n"), "the run is over: %s", now);
    cr_assert_null(strstr(now, "- Block 4 (embedded): "), "%s", now);
    for (int64_t i = 0; i < h.n_texts; i++)
        if (strcmp(h.texts[i].kind, "memory") == 0)
            cr_assert_str_eq(h.texts[i].author, "embedded");
    cn_history_clear(&h);
}

Test(loop_principles, a_persons_words_between_two_blocks_stay)
{
    static const char mine[] =
        "### Open Questions\n- does gain matter? (evidence: 2)\n\nsecond line\n"
        "### Hypothesis\nmine: the last one was wrong\n### To do\nbuy milk\n";
    const struct cn_run_override more = {"explore.iterations", "8"};
    char path[700];
    const char *now;

    toy_config(&t, "  iterations: 4\n  n_iter_block: 4\n  confirm: 0\n", "");
    OK(toy_create(&t, toy_protocol(), NULL, 0));
    OK(toy_explore(&t, NULL, 0));
    (void)snprintf(path, sizeof path, "%s/run_memory.md", t.dir);
    OK(cn_file_replace(path, mine, strlen(mine), &t.err));
    OK(toy_explore(&t, &more, 1));
    now = toy_read(&t, "run_memory.md");
    cr_assert(
        strstr(now, "### Open Questions\n- does gain matter? (evidence: 2)\n\nsecond line\n"),
        "%s", now);
    cr_assert(strstr(now, "### Hypothesis\nmine: the last one was wrong\n"), "%s", now);
    cr_assert(strstr(now, "### To do\nbuy milk\n"), "%s", now);
    cr_assert(strstr(now, "| does gain matter? | Open Questions | tentative | 1: 2 |"), "%s",
              now);
}
