/* logs/read_folder: which file is what. */
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/file.h"
#include "logs/read_folder.h"
#include "tests/support/scratch.h"

static struct scratch s;
static struct cn_err err;
static struct cn_read_folder f;

static void set_up(void)
{
    scratch_init(&s);
}

static void tear_down(void)
{
    cn_read_folder_clear(&f);
    scratch_clear(&s);
}

TestSuite(logs_read_folder, .init = set_up, .fini = tear_down);

static void put(const char *name)
{
    char dir[1200];

    (void)snprintf(dir, sizeof dir, "%s/%s", s.dir, name);
    *strrchr(dir, '/') = '\0';
    cr_assert_eq(cn_file_mkdirs(dir, &err), CN_OK, "%s", err.text);
    (void)scratch_file(&s, name, "x\n");
}

static cn_status look(void)
{
    const char *paths[] = {s.dir};

    return cn_read_folder_init(&f, paths, 1, &err);
}

static const char *tail(const char *path)
{
    return path ? path + strlen(s.dir) + 1 : "(none)";
}

Test(logs_read_folder, a_python_run_is_found_whole)
{
    static const char *const names[] = {"fly_analysis.md",
                                        "fly_memory.md",
                                        "fly_ucb_scores.txt",
                                        "fly_reasoning.log",
                                        "user_input.md",
                                        "config/iter_010_slot_01.yaml",
                                        "config/iter_002_slot_01.yaml",
                                        "config/iter_001_slot_00.yaml",
                                        "config/notes.yaml",
                                        "protocol/block_001.md",
                                        "protocol/block_010.md",
                                        "protocol/block_009.md",
                                        "memory/block_001_memory.md",
                                        "exploration_tree/ucb_tree_iter_001.png"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        put(names[i]);
    cr_assert_eq(look(), CN_OK, "%s", err.text);
    cr_assert_eq(f.n_logs, 1);
    cr_assert_str_eq(tail(f.logs[0]), "fly_analysis.md");
    cr_assert_str_eq(tail(f.memory), "fly_memory.md");
    cr_assert_str_eq(tail(f.scores), "fly_ucb_scores.txt");
    cr_assert_str_eq(tail(f.protocol), "protocol/block_010.md", "the last block's");
    cr_assert_str_eq(f.stem, "fly");
    cr_assert_eq(f.n_snapshots, 3);
    cr_assert_eq(f.snapshots[0].iteration, 1);
    cr_assert_eq(f.snapshots[1].iteration, 2);
    cr_assert_eq(f.snapshots[1].slot, 1);
    cr_assert_eq(f.snapshots[2].iteration, 10);
}

Test(logs_read_folder, volumes_come_in_order_and_kept_edits_are_no_volumes)
{
    put("x_analysis.010.md");
    put("x_analysis.md");
    put("x_analysis.002.md");
    put("x_analysis.user-1.md");
    put("iter_000003/config.yaml");
    cr_assert_eq(look(), CN_OK, "%s", err.text);
    cr_assert_eq(f.n_logs, 3);
    cr_assert_str_eq(tail(f.logs[0]), "x_analysis.002.md");
    cr_assert_str_eq(tail(f.logs[1]), "x_analysis.010.md");
    cr_assert_str_eq(tail(f.logs[2]), "x_analysis.md");
    cr_assert_eq(f.n_snapshots, 1);
    cr_assert_eq(f.snapshots[0].slot, -1);
}

Test(logs_read_folder, the_last_memory_snapshot_stands_in_for_a_memory)
{
    put("x_analysis.md");
    put("memory/block_002_memory.md");
    put("memory/block_001_memory.md");
    cr_assert_eq(look(), CN_OK, "%s", err.text);
    cr_assert_str_eq(tail(f.memory), "memory/block_002_memory.md");
}

Test(logs_read_folder, two_logs_are_refused_by_name)
{
    put("a_analysis.md");
    put("b_analysis.md");
    cr_assert_eq(look(), CN_EINPUT);
    cr_assert(strstr(err.text, "a_analysis.md") && strstr(err.text, "b_analysis.md"));
}

Test(logs_read_folder, nothing_to_read_and_odd_names_are_refused)
{
    char path[1200];
    const char *paths[] = {path};

    put("notes.md");
    cr_assert_eq(look(), CN_EINPUT);
    cr_assert(strstr(err.text, "_analysis.md"), "%s", err.text);
    cn_read_folder_clear(&f);
    (void)snprintf(path, sizeof path, "%s/notes.md", s.dir);
    cr_assert_eq(cn_read_folder_init(&f, paths, 1, &err), CN_EINPUT);
    cr_assert(strstr(err.text, "the name says nothing"), "%s", err.text);
    cn_read_folder_clear(&f);
    (void)snprintf(path, sizeof path, "%s/absent_analysis.md", s.dir);
    cr_assert_eq(cn_read_folder_init(&f, paths, 1, &err), CN_ENOTFOUND);
}
