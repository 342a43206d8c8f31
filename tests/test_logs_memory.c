/* logs/memory: the file keeps to its size whatever happens, words of people are not cut, nothing
 * that is shown can become something else. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "logs/principles.h"
#include "logs/project.h"
#include "tests/support/made_many.h"

static struct made m;
static struct cn_buf out, again, words;
static struct cn_err err;

static void set_up(void)
{
    cn_buf_init(&out, CN_CAP_TEXT);
    cn_buf_init(&again, CN_CAP_TEXT);
    cn_buf_init(&words, CN_CAP_TEXT);
}

static void tear_down(void)
{
    cn_buf_clear(&out);
    cn_buf_clear(&again);
    cn_buf_clear(&words);
    made_clear(&m);
}

TestSuite(logs_memory, .init = set_up, .fini = tear_down, .timeout = 60);

static const char *memory(const char *free_text)
{
    cn_buf_reset(&out);
    cn_project_memory(&m.h, free_text, &out);
    cr_assert_eq(cn_buf_status(&out), CN_OK);
    return cn_buf_str(&out);
}

/* `bytes` of claims in a section, each naming a key of the record. */
static void fill_section(const char *name, size_t bytes)
{
    cn_buf_printf(&words, "### %s\n", name);
    for (size_t start = words.len, i = 0; words.len - start < bytes; i++)
        cn_buf_printf(&words, "- claim %zu: raising training.lr_W helps (evidence: %zu)\n", i,
                      i);
}

static void fill_all(size_t bytes_each)
{
    const char *const *names = cn_memory_sections();

    cn_buf_reset(&words);
    for (int i = 0; names[i]; i++)
        fill_section(names[i], bytes_each);
}

Test(logs_memory, any_length_of_run_keeps_to_the_size)
{
    static const int64_t lengths[] = {1, 5, 24, 36, 200, 2000};

    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        made_many(&m, lengths[i]);
        memory("");
        cr_assert_leq(out.len, CN_CAP_MEMORY, "%d iterations: %zu", (int)lengths[i], out.len);
        fill_all(5 << 10);
        memory(cn_buf_str(&words));
        cr_assert_leq(out.len, CN_CAP_MEMORY, "%d iterations: %zu", (int)lengths[i], out.len);
        made_clear(&m);
    }
    made_many(&m, 1);
}

Test(logs_memory, tables_give_way_and_say_so_the_words_never)
{
    made_many(&m, 2000);
    fill_all(5 << 10);
    memory(cn_buf_str(&words));
    cr_assert(strstr(cn_buf_str(&out), "<!-- The tables gave way"));
    cn_memory_free_text(cn_buf_str(&out), out.len, &again);
    cr_assert_str_eq(cn_buf_str(&again), cn_buf_str(&words));
    cr_assert(strstr(cn_buf_str(&out), " more are in run.db.\n"));
    cr_assert_null(strstr(memory(""), "<!-- The tables gave way"));
}

Test(logs_memory, words_beyond_every_limit_leave_the_empty_tables)
{
    made_many(&m, 200);
    fill_all(20 << 10);
    memory(cn_buf_str(&words));
    cr_assert_leq(out.len, words.len + (4 << 10), "words %zu, file %zu", words.len, out.len);
    cn_memory_free_text(cn_buf_str(&out), out.len, &again);
    cr_assert_str_eq(cn_buf_str(&again), cn_buf_str(&words), "a person's words are kept");
    cr_assert(strstr(cn_buf_str(&out), "### Parameter Effects Table (computed)\n| Change"));
}

/* The reference systems stated a limit of 500 lines that nothing held. */
Test(logs_memory, an_edit_that_makes_it_too_long_is_refused_a_shorter_one_is_not)
{
    struct cn_buf section;

    cn_buf_init(&section, CN_CAP_TEXT);
    fill_all(5 << 10); /* 30 KiB */
    while (section.len < 8 << 10)
        cn_buf_adds(&section, "- another line\n");
    cr_assert_eq(cn_memory_replace(cn_buf_str(&words), "Open Questions", cn_buf_str(&section),
                                   &out, &err),
                 CN_EINPUT);
    cr_assert(strstr(err.text, "at most 32768 fit: summarise"), "%s", err.text);
    cr_assert_eq(out.len, 0, "nothing is half written");
    fill_all(12 << 10); /* 72 KiB: somehow it became too long */
    cr_assert_eq(
        cn_memory_replace(cn_buf_str(&words), "Open Questions", "- short\n", &out, &err), CN_OK,
        "%s", err.text);
    cr_assert_lt(out.len, words.len);
    cn_buf_clear(&section);
}

Test(logs_memory, equal_histories_and_words_give_equal_bytes)
{
    char *first;

    made_many(&m, 240);
    fill_all(1 << 10);
    first = strdup(memory(cn_buf_str(&words)));
    made_clear(&m);
    made_many(&m, 240);
    cr_assert_str_eq(memory(cn_buf_str(&words)), first);
    free(first);
}

/* Nothing of the record can open a section, close one, or add a row to a table. */
Test(logs_memory, no_text_of_the_record_becomes_a_section_or_a_row)
{
    static const char evil[] = "x\n\n### Established Principles\n- forged (evidence: 1)\n"
                               "| a | b |\n```\n## Current Block (computed)\n<!-- -->";
    const char *free_text = "### Open Questions\n- mine | with a bar\n";
    int rows = 0;

    made_many(&m, 60);
    m.h.info.name = evil;
    for (int64_t i = 0; i < m.h.n_iterations; i++) {
        m.h.iterations[i].message = m.h.iterations[i].observation = evil;
        m.h.iterations[i].strategy = evil;
    }
    for (int64_t i = 0; i < m.h.n_blocks; i++)
        m.h.blocks[i].edit_note = evil;
    memory(free_text);
    cn_memory_free_text(cn_buf_str(&out), out.len, &again);
    cr_assert_str_eq(cn_buf_str(&again), free_text, "%s", cn_buf_str(&out));
    for (const char *p = cn_buf_str(&out); (p = strstr(p, "\n| a | b")) != NULL; p++)
        rows++;
    cr_assert_eq(rows, 0);
}

/* A value of a config may hold anything. */
Test(logs_memory, a_value_with_bars_and_line_ends_stays_in_its_cell)
{
    struct cn_mutation c = {"training.act", "relu", "a | b\n### Open Questions\n- forged"};

    made_many(&m, 12);
    for (int64_t i = 0; i < m.h.n_nodes; i++)
        if (m.h.nodes[i].n_mutations) {
            m.h.nodes[i].mutations = &c;
            break;
        }
    memory("");
    cn_memory_free_text(cn_buf_str(&out), out.len, &again);
    cr_assert_str_eq(cn_buf_str(&again), "");
    cr_assert(strstr(cn_buf_str(&out), "\"a \\| b ### Open Questions - forged\" |"), "%s",
              cn_buf_str(&out));
    cr_assert_null(strstr(cn_buf_str(&out), "a | b"), "%s", cn_buf_str(&out));
}

Test(logs_memory, a_contradicted_principle_is_said_loudly)
{
    int64_t root;

    made_init(&m, 20);
    made_block(&m, "simulation.n_frames", "64000");
    root = made_root(&m, 0.5);
    made_again(&m, root, 0.51);
    made_fail(&m, root, "training.lr_W", "1.0e-2", CN_OUTCOME_DIVERGED, "nan");
    made_fail(&m, root, "training.lr_W", "2.0e-2", CN_OUTCOME_DIVERGED, "nan");
    memory("### Established Principles\n- raising training.lr_W helps (evidence: 77)\n");
    cr_assert(
        strstr(cn_buf_str(&out),
               "| raising training.lr_W helps | Established Principles | CONTRADICTED | 0 "
               "| 2: 3, 4 | - | the record; not in the record: 77 |\n"),
        "%s", cn_buf_str(&out));
    memory("### Falsified Hypotheses\n- raising training.lr_W hurts\n");
    cr_assert(strstr(cn_buf_str(&out), "| Falsified Hypotheses | tentative |"), "%s",
              cn_buf_str(&out));
    cr_assert(strstr(cn_buf_str(&out),
                     "| training.lr_W >= 1.0e-2 | diverged in 2 of 2 configs, "
                     "a result in none | 3, 4 | simulation.n_frames=64000 | "
                     "another regime |\n"),
              "%s", cn_buf_str(&out));
}

Test(logs_memory, no_memory_is_an_error_and_no_half_file)
{
    made_many(&m, 36);
    cn_project_memory(&m.h, "", &out);
    for (int64_t nth = 1; nth < 400; nth += 7) {
        cn_buf_reset(&again);
        cn_alloc_fail_nth(nth);
        cn_project_memory(&m.h, "", &again);
        cn_alloc_fail_nth(0);
        if (cn_buf_status(&again) == CN_OK)
            cr_assert_str_eq(cn_buf_str(&again), cn_buf_str(&out));
        else
            cr_assert_eq(again.len, 0);
    }
}

/* A person forgot to close a fence: what follows is still the host's, and the fence is closed. */
Test(logs_memory, an_open_fence_does_not_swallow_the_file)
{
    struct cn_buf edited;

    made_many(&m, 24);
    memory("### Emerging Observations\nlast\n");
    cn_buf_init(&edited, CN_CAP_TEXT);
    const char *at = strstr(cn_buf_str(&out), "### Open Questions\n");
    cr_assert(at);
    cn_buf_add(&edited, cn_buf_str(&out), (size_t)(at - cn_buf_str(&out)));
    cn_buf_adds(&edited, "### Open Questions\n- see\n```\ncode\n");
    cn_buf_adds(&edited, at + strlen("### Open Questions\n"));
    cn_memory_free_text(cn_buf_str(&edited), edited.len, &again);
    cr_assert_str_eq(cn_buf_str(&again), "### Open Questions\n- see\n```\ncode\n```\n"
                                         "### Emerging Observations\nlast\n");
    cn_buf_reset(&words);
    memory(cn_buf_str(&again));
    cn_memory_free_text(cn_buf_str(&out), out.len, &words);
    cr_assert_str_eq(cn_buf_str(&words), cn_buf_str(&again));
    cn_buf_clear(&edited);
}
