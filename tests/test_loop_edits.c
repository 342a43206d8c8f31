/* Edits of a run's rules: the embedded proposer's choice, what an edit did, versions and the file. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "harness/loop/edits.h"
#include "harness/loop/run_int.h"
#include "logs/store.h"
#include "protocols/edit.h"
#include "tests/support/toy.h"

#define HEAD                                                                                   \
    "# T\n\n## Goal\n\nx\n\n## Classification\n\n- **Converged**: score > 0.9\n- **Failed**: " \
    "score < 0.1\n\n## Training Parameters\n\n```yaml\ntraining:\n"                            \
    "  lr: 1.0e-3 # rate range: 1.0e-5 to 1.0e-1\n"                                            \
    "  gain: 0.5 # gain range: 0 to 2\n"                                                       \
    "  coeff_l1: 1.0e-4 # L1 range: 0 to 1.0e-2\n```\n\n"                                      \
    "## Parent Selection Rule (CRITICAL)\n\n| Condition | Strategy | Action "                  \
    "|\n|---|---|---|\n"
#define TAIL    "\n## END Parent Selection Rule (CRITICAL)\n"
#define DEFAULT "| Default | **exploit** | Use highest UCB node, try new mutation |\n"
#define PROBE   "| 2+ consecutive successes (score >= 0.9) | **failure-probe** | Push |\n"
#define BRANCH                                                                                 \
    "| Branching rate < 20% in last block | **force-branch** | Select random node from top 3 " \
    "UCB, not the sequential parent |\n"
#define FAST    "| Improvement rate > 80% | **explore** | Look elsewhere |\n"
#define PLATEAU "| Same score plateau (+/-0.05) for 3+ iters | **force-branch** | Elsewhere |\n"

/* ------------------------------------------------------------------ a made-up record */

enum { N = 64 };
static struct cn_node nodes[N];
static struct cn_iteration its[N];
static struct cn_block blocks[8];
static struct cn_mutation changes[N];
static char rows[N][80];
static struct cn_history h;

static void begin_history(void)
{
    memset(&h, 0, sizeof h);
    h.info = (struct cn_run_info){.name = "t",
                                  .reward = "score",
                                  .converged = .9,
                                  .failed = .1,
                                  .n_iter_block = 8,
                                  .n_parallel = 1,
                                  .score_kind = "ucb1",
                                  .c_scale = "none"};
    h.nodes = nodes;
    h.iterations = its;
    h.blocks = blocks;
}

/* One finished iteration of a new node; parent 0 = root. */
static struct cn_iteration *add(int64_t parent, double reward, const char *path)
{
    int64_t id = h.n_iterations + 1, k = h.n_nodes++;

    changes[k] = (struct cn_mutation){path, "1", "2"};
    nodes[k] = (struct cn_node){.id = id,
                                .parent = parent,
                                .block = h.n_blocks,
                                .config = "",
                                .mutations = &changes[k],
                                .n_mutations = path[0] != '\0',
                                .strategy = "exploit",
                                .proposer = "embedded"};
    cn_text_format(nodes[k].config_hash, CN_HASH_TEXT, "%lld", (long long)id);
    its[h.n_iterations] = (struct cn_iteration){.id = id,
                                                .node = id,
                                                .block = h.n_blocks,
                                                .state = CN_ITER_COMMITTED,
                                                .outcome = CN_OUTCOME_OK,
                                                .reward = reward,
                                                .strategy = "exploit",
                                                .parent_rule = "",
                                                .observation = "",
                                                .message = ""};
    return &its[h.n_iterations++];
}

static void repeat(int64_t node, double reward)
{
    its[h.n_iterations] = its[node - 1];
    its[h.n_iterations].id = h.n_iterations + 1;
    its[h.n_iterations].replicate = true;
    its[h.n_iterations++].reward = reward;
}

/* A block whose root gives `root` and `root` + 0.01, and below it a chain, or one whose every second
 * iteration goes back to the root. */
static void add_block(double root, const double *rewards, int n, bool branching)
{
    static const char *const paths[] = {"training.lr", "training.gain", "training.coeff_l1"};
    int64_t first = h.n_iterations + 1, last = first;

    blocks[h.n_blocks] = (struct cn_block){
        .number = h.n_blocks + 1, .first = first, .last = first + n + 1, .edit_note = ""};
    h.n_blocks++;
    (void)add(0, root, "");
    repeat(first, root + .01);
    for (int i = 0; i < n; i++)
        last = add(branching && i % 2 ? first : last, rewards[i], paths[i % 3])->id;
}

/* Row `row` (from 1) of the protocol is said to have fired for iteration `id`. */
static void fired(const struct cn_protocol *p, int64_t id, int row)
{
    cn_text_format(rows[id - 1], sizeof rows[0], "row %d: %s: because", row,
                   p->rules[row - 1].condition);
    its[id - 1].parent_rule = rows[id - 1];
    its[id - 1].strategy = cn_strategy_name(p->rules[row - 1].strategy);
}

/* ------------------------------------------------------------------ the choice */

static struct cn_protocol *parse(const char *text)
{
    struct cn_protocol *p = NULL;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_protocol_parse("p.md", text, strlen(text), &p, &err), CN_OK, "%s",
                 err.text);
    return p;
}

/* What the end of the last block would do; the last version is in force. The new text into `out`,
 * the reason back. */
static const char *choose(const char *const *texts, int n, struct cn_buf *out)
{
    static char reason[1024];
    struct cn_protocol *versions[16];
    struct cn_settings settings;
    struct cn_planner pl = {.settings = &settings};
    struct cn_edit_choice choice;
    struct cn_arena a;
    struct cn_err err = CN_ERR_INIT;

    cn_settings_init(&settings);
    settings.n_iter_block = h.info.n_iter_block;
    cn_arena_init(&a, CN_CAP_ARENA);
    for (int i = 0; i < n; i++)
        versions[i] = parse(texts[i]);
    pl.protocol = versions[n - 1];
    cr_assert_eq(cn_edit_choose(&pl, &h, h.n_blocks,
                                (const struct cn_protocol *const *)versions, n, &a, &choice,
                                &err),
                 CN_OK, "%s", err.text);
    cn_buf_reset(out);
    if (choice.old_text)
        cr_assert_eq(cn_edit_apply(pl.protocol, choice.old_text, choice.new_text, out, &err),
                     CN_OK, "%s", err.text);
    cn_text_copy(reason, sizeof reason, choice.reason);
    for (int i = 0; i < n; i++)
        cn_protocol_free(versions[i]);
    cn_arena_clear(&a);
    return reason;
}

/* text NULL: no edit. `words`: a part of the reason. */
static void chooses_of(const char *const *texts, int n, const char *text, const char *words)
{
    struct cn_buf out;
    const char *reason;

    cn_buf_init(&out, CN_CAP_PROTOCOL);
    reason = choose(texts, n, &out);
    cr_expect(strstr(reason, words), "\"%s\" lacks \"%s\"", reason, words);
    cr_expect_str_eq(cn_buf_str(&out), text ? text : "", "%s:\n%s", reason, cn_buf_str(&out));
    cr_expect_eq(text == NULL, cn_text_starts(reason, "none: "), "%s", reason);
    cn_buf_clear(&out);
}

static void chooses(const char *before, const char *text, const char *words)
{
    chooses_of(&before, 1, text, words);
}

static const double mixed[] = {.3, .5, .2, .6, .1, .55}, rising[] = {.2, .3, .4, .5, .6, .7},
                    falling[] = {.95, .94, .7, .96, .5, .3},
                    flat[] = {.3, .6, .2, .51, .5, .52};

Test(loop_edits, a_chain_gets_a_row_that_branches)
{
    begin_history();
    add_block(.3, mixed, 6, false);
    chooses(
        HEAD DEFAULT PROBE TAIL, HEAD DEFAULT BRANCH PROBE TAIL,
        "added row \"Branching rate < 20% in last block\" (force-branch): branching rate 0 % "
        "of 2");
    chooses(HEAD PROBE DEFAULT TAIL, HEAD BRANCH PROBE DEFAULT TAIL, "added row");
}

Test(loop_edits, a_row_that_stands_or_was_taken_out_is_not_added)
{
    const char *const back[] = {HEAD DEFAULT BRANCH TAIL, HEAD DEFAULT TAIL};

    begin_history();
    add_block(.3, mixed, 6, false);
    chooses(HEAD DEFAULT BRANCH TAIL, NULL,
            "branching rate 0 % of 2: a row for it stands already");
    chooses(HEAD DEFAULT "| Stuck and branching rate < 20% | explore | |\n" TAIL, NULL,
            "stands already");
    chooses_of(back, 2, NULL, "taken out after version 1, it is not added again");
}

Test(loop_edits, nothing_wrong_nothing_changed)
{
    begin_history();
    add_block(.3, mixed, 6, true);
    chooses(HEAD DEFAULT TAIL, NULL,
            "none: branching rate 50 % of 2, improvement rate 50 % of 6, "
            "not stuck");
}

Test(loop_edits, a_stuck_block_gets_a_row_for_plateaus)
{
    begin_history();
    add_block(.3, flat, 6, true);
    chooses(HEAD DEFAULT TAIL,
            HEAD DEFAULT
            "| Same score plateau (+/-0.05) for 3+ iters | **force-branch** | Select "
            "random node from top 3 UCB, not the sequential parent |\n" TAIL,
            "stuck within 0.05 for 3 iterations");
    chooses(HEAD DEFAULT PLATEAU TAIL, NULL, "a row for it stands already");
}

Test(loop_edits, one_parameter_over_and_over_gets_a_row)
{
    begin_history();
    add_block(.3, mixed, 6, true);
    for (int i = 1; i < 6; i++)
        changes[h.n_nodes - i].path = "training.lr";
    chooses(HEAD DEFAULT TAIL,
            HEAD DEFAULT "| > 4 mutations of the same parameter | **switch-dimension** | Use "
                         "highest UCB node, change a parameter tried less often |\n" TAIL,
            "training.lr was changed 6 times");
}

/* Improvement 0 of 6: the row about successes that fired asks for half way to the best. */
Test(loop_edits, few_improvements_raise_the_threshold_that_fired)
{
    const char *text = HEAD DEFAULT BRANCH PROBE TAIL;
    struct cn_protocol *p = parse(text);

    begin_history();
    add_block(.99, falling, 6, true);
    chooses(text, NULL, "no row about successes fired");
    fired(p, h.n_iterations - 2, 3);
    chooses(text,
            HEAD DEFAULT BRANCH
            "| 2+ consecutive successes (score >= 0.95) | **failure-probe** | Push |\n" TAIL,
            "moved the threshold of row 3 (failure-probe) from 0.9 to 0.95");
    cn_protocol_free(p);
}

Test(loop_edits, for_a_loss_the_threshold_moves_down)
{
    const char *head =
        "# T\n## Goal\nx\n## Classification\n- Converged: loss < 0.5\n- Failed: loss "
        "> 2\n## Parent Selection Rule\n| Condition | Strategy | Action |\n|--|--|--|\n"
        "| Default | exploit | |\n| Branching rate < 20% | force-branch | |\n";
    char before[1024], after[1024];
    struct cn_protocol *p;

    cn_text_format(before, sizeof before, "%s%s%s", head,
                   "| 2+ consecutive successes (loss <= 0.4) | explore | |\n",
                   "## END Parent Selection Rule\n");
    cn_text_format(after, sizeof after, "%s%s%s", head,
                   "| 2+ consecutive successes (loss <= 0.2) | explore | |\n",
                   "## END Parent Selection Rule\n");
    p = parse(before);
    begin_history();
    h.info.reward_lower_is_better = true;
    add_block(-.01, (const double[]){-.3, -.4, -.9, -.2, -.5, -.8}, 6, true);
    its[0].reward = its[1].reward = (double)NAN; /* the best is 0.2 then */
    its[0].outcome = its[1].outcome = CN_OUTCOME_OK;
    its[0].reward = -0.0;
    its[1].reward = -0.0;
    fired(p, h.n_iterations - 1, 3);
    chooses(before, after, "from 0.4 to 0.2");
    cn_protocol_free(p);
}

Test(loop_edits, when_everything_improves_the_search_looks_around)
{
    begin_history();
    add_block(.1, rising, 6, true);
    for (int64_t i = h.n_nodes - 6; i < h.n_nodes; i++)
        nodes[i].parent = i % 2 ? 1 : nodes[i].parent;
    chooses(HEAD DEFAULT BRANCH PROBE TAIL,
            HEAD DEFAULT
            "| Improvement rate > 80% | **explore** | Use highest UCB node not in last "
            "n_iter_block/4 nodes, try new mutation |\n" BRANCH PROBE TAIL,
            "improvement rate 100 % of 6");
    chooses(HEAD DEFAULT FAST BRANCH PROBE TAIL,
            HEAD DEFAULT FAST BRANCH
            "| 2+ consecutive successes (score >= 0.8) | **failure-probe** | Push |\n" TAIL,
            "from 0.9 to 0.8, half way to the block's best: improvement rate 100 %");
}

Test(loop_edits, thresholds_turn_back_once_at_most)
{
#define AT(x)                                                          \
    HEAD DEFAULT FAST BRANCH "| 2+ consecutive successes (score >= " x \
                             ") | **failure-probe** | Push |\n" TAIL
    const char *const once[] = {AT("0.85"), AT("0.9")};
    const char *const twice[] = {AT("0.9"), AT("0.85"), AT("0.9")};

    begin_history();
    add_block(.1, rising, 6, true);
    for (int64_t i = h.n_nodes - 6; i < h.n_nodes; i++)
        nodes[i].parent = i % 2 ? 1 : nodes[i].parent;
    chooses_of(once, 2, AT("0.8"), "from 0.9 to 0.8");
    chooses_of(twice, 3, NULL, "moved up and down before");
#undef AT
}

Test(loop_edits, a_long_table_gets_no_more_rows)
{
    struct cn_buf b;
    const char *text;

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_adds(&b, HEAD DEFAULT);
    for (int i = 0; i < 23; i++)
        cn_buf_printf(&b, "| %d+ consecutive successes (score >= 0.99) | explore | |\n", i + 9);
    cn_buf_adds(&b, TAIL);
    begin_history();
    add_block(.3, mixed, 6, false);
    text = cn_buf_str(&b);
    chooses(text, NULL, "the table is long enough");
    cn_buf_clear(&b);
}

Test(loop_edits, a_table_of_another_form_is_left_alone)
{
    const char *other = "# T\n## Goal\nx\n## Parent Selection Rule\n| Strategy | Condition |\n"
                        "|--|--|\n| exploit | Default |\n## END Parent Selection Rule\n";

    begin_history();
    add_block(.3, mixed, 6, false);
    chooses(other, NULL, "the table's form takes no such row");
    chooses("# T\n## Goal\nx\n", NULL, "no rule markers");
}

/* ------------------------------------------------------------------ what an edit did */

static struct cn_edit_effect effect(int64_t before, int64_t after)
{
    struct cn_edit_effect e;
    struct cn_err err = CN_ERR_INIT;

    cr_assert_eq(cn_edit_effect_measure(&h, before, after, .9, &e, &err), CN_OK, "%s",
                 err.text);
    return e;
}

static const double low[] = {.40, .42, .38, .41, .39, .40},
                    high[] = {.70, .72, .68, .71, .69, .70};

Test(loop_edits, a_block_is_judged_by_its_gains_over_its_own_root)
{
    struct cn_edit_effect e;
    struct cn_buf text;

    begin_history();
    add_block(.5, low, 6, true);
    add_block(.5, low, 6, true);
    add_block(.5, high, 6, true);
    add_block(.8, high, 6, true); /* the same rewards over a better root */
    e = effect(2, 3);
    cr_assert_eq(e.verdict, CN_EDIT_BETTER);
    cr_assert_float_eq(e.after.gain.mean, .7 - .505, 1e-12);
    cr_assert_float_eq(e.gain.mean, .3, 1e-12);
    cr_assert(e.gain.lo < .3 && e.gain.hi > .3);
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_edit_effect_text(&e, &text);
    cr_assert(
        strstr(cn_buf_str(&text),
               "better: block 3 against block 2, each over its own root: mean gain 0.195 of "
               "6 against -0.105 of 6"),
        "%s", cn_buf_str(&text));
    cr_assert_str_eq(cn_edit_verdict_find(cn_buf_str(&text)), "better");
    cn_buf_clear(&text);
    cr_assert_eq(effect(3, 4).verdict, CN_EDIT_WORSE);
    cr_assert_eq(effect(1, 2).verdict, CN_EDIT_SAME);
}

/* Six gains of one block share its root: an unlucky root lifts all of them. */
Test(loop_edits, the_doubt_of_a_root_counts)
{
    begin_history();
    add_block(.5, low, 6, true);
    add_block(.5, low, 6, true);
    add_block(.46, low, 6, true);
    cr_assert_eq(effect(2, 3).verdict, CN_EDIT_BETTER, "roots repeat within 0.01");
    for (int64_t i = 0; i < h.n_iterations; i++)
        if (its[i].replicate)
            its[i].reward += .2; /* now they do not */
    cr_assert_eq(effect(2, 3).verdict, CN_EDIT_SAME);
}

Test(loop_edits, too_little_is_no_verdict)
{
    struct cn_edit_effect e;

    begin_history();
    add_block(.5, low, 6, true);
    add_block(.5, high, 2, true);
    e = effect(1, 2);
    cr_assert_eq(e.verdict, CN_EDIT_INSUFFICIENT);
    cr_assert(strstr(e.why, "too few"), "%s", e.why);
    its[8].outcome = its[9].outcome = CN_OUTCOME_DIVERGED;
    e = effect(1, 2);
    cr_assert(strstr(e.why, "root"), "%s", e.why);
}

Test(loop_edits, unknown_noise_is_no_verdict)
{
    struct cn_edit_effect e;

    begin_history();
    add_block(.5, low, 6, true);
    add_block(.5, high, 6, true);
    for (int64_t i = 0; i < h.n_iterations; i++)
        if (its[i].replicate)
            its[i].outcome = CN_OUTCOME_INFRA;
    e = effect(1, 2);
    cr_assert_eq(e.verdict, CN_EDIT_INSUFFICIENT);
    cr_assert(strstr(e.why, "noise"), "%s", e.why);
}

Test(loop_edits, block_1_is_easier_and_higher_rewards_excuse)
{
    struct cn_edit_effect e;

    begin_history();
    add_block(.2, low, 6, true);
    add_block(.8, high, 6, true);
    e = effect(1, 2);
    cr_assert(e.gain.worse);
    cr_assert_eq(e.verdict, CN_EDIT_INSUFFICIENT);
    cr_assert(strstr(e.why, "config as given"), "%s", e.why);
    begin_history();
    add_block(.2, low, 6, true);
    add_block(.2, low, 6, true);
    add_block(.8, high, 6, true);
    e = effect(2, 3);
    cr_assert_eq(e.verdict, CN_EDIT_INSUFFICIENT);
    cr_assert(strstr(e.why, "rewards themselves are higher"), "%s", e.why);
    blocks[2].regime = changes;
    blocks[2].n_regime = 1;
    cr_assert_eq(effect(2, 3).verdict, CN_EDIT_WORSE, "another regime: rewards say nothing");
}

/* ------------------------------------------------------------------ whole runs */

static struct toy_run t;

static void setup(void)
{
    toy_init(&t);
}

static void teardown(void)
{
    toy_clear(&t);
}

TestSuite(loop_edits_run, .init = setup, .fini = teardown, .timeout = 100);

/* toy.md with these rows for its own, in the scratch folder; NULL: without markers. */
static const char *protocol(const char *table)
{
    static struct cn_buf b;
    const char *rules, *end;

    cn_buf_clear(&b);
    cn_buf_init(&b, CN_CAP_PROTOCOL);
    cr_assert_eq(cn_file_read(toy_protocol(), CN_CAP_PROTOCOL, &b, &t.err), CN_OK);
    rules = strstr(cn_buf_str(&b), "## Parent Selection Rule");
    end = strstr(rules, "| Default ");
    if (!table)
        return scratch_file(&t.s, "plain.md", (b.data[rules - b.data] = '\0', cn_buf_str(&b)));
    b.data[end - b.data] = '\0';
    b.len = strlen(b.data);
    cn_buf_adds(&b, table);
    cn_buf_adds(&b, TAIL);
    return scratch_file(&t.s, "plain.md", cn_buf_str(&b));
}

static void explore(void)
{
    cr_assert_eq(toy_explore(&t, NULL, 0), CN_OK, "%s", t.err.text);
}

static void go(const char *table, const char *settings)
{
    toy_config(&t, settings, "");
    cr_assert_eq(toy_create(&t, protocol(table), NULL, 0), CN_OK, "%s", t.err.text);
    explore();
}

#define TWO_BLOCKS "  iterations: 16\n  n_iter_block: 8\n  confirm: 0\n"

/* Block 1 is the same with and without; after the edit block 2 does what it would not have done. */
Test(loop_edits_run, an_edit_changes_what_is_tried_next)
{
    struct cn_history with, without;
    int branches = 0;

    go(DEFAULT, TWO_BLOCKS "  edit_rules: true\n");
    with = toy_history(&t);
    cr_assert(strstr(toy_read(&t, "protocol.md"), BRANCH));
    cr_assert(!strstr(toy_read(&t, "snapshots/block_001/protocol.md"), BRANCH));
    cr_assert(strstr(toy_read(&t, "snapshots/block_002/protocol.md"), BRANCH));
    cr_assert(
        strstr(toy_read(&t, "run_analysis.md"),
               "Protocol edit: version 2: added row \"Branching rate < 20% in last block\" "
               "(force-branch): branching rate 0 %"),
        "%s", toy_read(&t, "run_analysis.md"));
    cr_assert(strstr(with.blocks[1].edit_note, "what the last edit did: version 2: "));
    teardown();
    setup();
    go(DEFAULT, TWO_BLOCKS "  edit_rules: false\n");
    without = toy_history(&t);
    cr_assert(!strstr(toy_read(&t, "protocol.md"), BRANCH));
    cr_assert(cn_text_starts(without.blocks[0].edit_note, "none: explore.edit_rules is off"),
              "%s", without.blocks[0].edit_note);
    for (int i = 0; i < 16; i++) {
        cr_assert(i >= 8 ||
                  strcmp(with.iterations[i].strategy, without.iterations[i].strategy) == 0);
        cr_assert(i >= 8 || with.iterations[i].reward == without.iterations[i].reward);
        branches += strcmp(with.iterations[i].strategy, "force-branch") == 0;
        cr_assert(strcmp(without.iterations[i].strategy, "force-branch") != 0);
    }
    cr_assert_geq(branches, 1);
    cn_history_clear(&with);
    cn_history_clear(&without);
}

static int count_versions(const struct cn_history *x, const char *author)
{
    int n = 0;

    for (int64_t i = 0; i < x->n_texts; i++)
        n += strcmp(x->texts[i].kind, "protocol") == 0 &&
             (!author || strcmp(x->texts[i].author, author) == 0);
    return n;
}

static int count_events(const struct cn_history *x, const char *kind)
{
    int n = 0;

    for (int64_t i = 0; i < x->n_events; i++)
        n += strcmp(x->events[i].kind, kind) == 0;
    return n;
}

Test(loop_edits_run, every_version_is_an_event_with_author_and_reason)
{
    struct cn_history x;

    go(DEFAULT, TWO_BLOCKS "  edit_rules: true\n");
    x = toy_history(&t);
    cr_assert_geq(count_versions(&x, "embedded"), 1);
    cr_assert_eq(count_events(&x, CN_EDITS_EVENT), count_versions(&x, "embedded"));
    cr_assert_eq(count_events(&x, CN_EDITS_EVENT_EFFECT), 1);
    cr_assert_eq(cn_edits_of_block(&x, 1), 1);
    cr_assert_eq(cn_edits_of_block(&x, 2), 2);
    cr_assert_eq(cn_edits_at_end(&x, 1)->block, 1);
    cn_history_clear(&x);
}

Test(loop_edits_run, a_protocol_without_markers_stays_as_it_is)
{
    struct cn_history x;

    go(NULL, TWO_BLOCKS "  edit_rules: true\n");
    x = toy_history(&t);
    cr_assert_eq(count_versions(&x, NULL), 1);
    cr_assert(cn_text_starts(x.blocks[0].edit_note, "none: the protocol has no rule markers"),
              "%s", x.blocks[0].edit_note);
    cn_history_clear(&x);
}

Test(loop_edits_run, other_proposers_do_not_follow_rules)
{
    struct cn_history x;

    go(DEFAULT, "  iterations: 4\n  n_iter_block: 4\n  confirm: 0\n  edit_rules: true\n"
                "  proposer: random\n");
    x = toy_history(&t);
    cr_assert(cn_text_starts(x.blocks[0].edit_note,
                             "none: the random proposer does not follow rules"),
              "%s", x.blocks[0].edit_note);
    cn_history_clear(&x);
}

Test(loop_edits_run, a_block_that_ends_early_is_not_judged)
{
    struct cn_history x;

    go(DEFAULT, TWO_BLOCKS "  edit_rules: true\n  target: 0.4\n  target_count: 1\n");
    x = toy_history(&t);
    cr_assert(cn_text_starts(x.blocks[0].edit_note, "none: the block ended before its time"),
              "%s", x.blocks[0].edit_note);
    cn_history_clear(&x);
}

/* ---- the file and the versions ---- */

static struct cn_store *open_store(void)
{
    struct cn_store *s = NULL;

    cr_assert_eq(cn_store_open(t.dir, CN_STORE_WRITE, &s, &t.err), CN_OK, "%s", t.err.text);
    cr_assert_eq(cn_store_lease_steal(s, "test", cn_clock_now_ms(), 60000, &t.err), CN_OK);
    return s;
}

static void put_file(const char *text)
{
    char path[700];

    cn_text_format(path, sizeof path, "%s/protocol.md", t.dir);
    cr_assert_eq(cn_file_replace(path, text, strlen(text), &t.err), CN_OK);
}

/* A version by cairn as a harness left it that was killed: the pair is recorded, the version made,
 * the file not yet written. The words before and after the edit. */
static void leave_half_done(struct cn_buf *old, struct cn_buf *new)
{
    char was[CN_HASH_TEXT], will[CN_HASH_TEXT];
    struct cn_protocol *p;
    struct cn_store *s = open_store();

    cn_buf_init(old, CN_CAP_PROTOCOL);
    cn_buf_init(new, CN_CAP_PROTOCOL);
    cn_buf_adds(old, toy_read(&t, "protocol.md"));
    p = parse(cn_buf_str(old));
    cr_assert_eq(cn_edit_apply(p, DEFAULT, DEFAULT BRANCH, new, &t.err), CN_OK, "%s",
                 t.err.text);
    cn_protocol_free(p);
    (void)cn_hash_hex(cn_buf_str(old), old->len, was);
    (void)cn_hash_hex(cn_buf_str(new), new->len, will);
    cr_assert_eq(cn_store_projection_set(s, "protocol.md", was, will, &t.err), CN_OK);
    cr_assert_eq(
        cn_store_text_put(s, "protocol", "embedded", "test", cn_buf_str(new), NULL, &t.err),
        CN_OK);
    cr_assert_eq(cn_store_lease_release(s, &t.err), CN_OK);
    cn_store_close(s);
}

#define ONE_BLOCK "  iterations: 4\n  n_iter_block: 8\n  confirm: 0\n  edit_rules: false\n"

Test(loop_edits_run, a_file_that_a_kill_left_behind_is_brought_in_line)
{
    struct cn_buf old, new;
    struct cn_history x;

    go(DEFAULT, ONE_BLOCK);
    leave_half_done(&old, &new);
    explore();
    cr_assert_str_eq(toy_read(&t, "protocol.md"), cn_buf_str(&new));
    x = toy_history(&t);
    cr_assert_eq(count_versions(&x, NULL), 2, "nobody's revert");
    cn_history_clear(&x);

    put_file(cn_buf_str(&old)); /* now it is somebody's */
    explore();
    cr_assert_str_eq(toy_read(&t, "protocol.md"), cn_buf_str(&old));
    x = toy_history(&t);
    cr_assert_eq(count_versions(&x, NULL), 3);
    cr_assert_str_eq(x.texts[x.n_texts - 1].author, "user");
    cr_assert_str_eq(x.texts[x.n_texts - 1].reason, "edited in place: the words of version 1");
    cn_history_clear(&x);
    cn_buf_clear(&old);
    cn_buf_clear(&new);
}

Test(loop_edits_run, a_person_who_was_faster_is_not_overwritten)
{
    struct cn_buf old, new;
    struct cn_history x;

    go(DEFAULT, ONE_BLOCK);
    leave_half_done(&old, &new);
    cn_buf_adds(&old, "\nMy own words.\n");
    put_file(cn_buf_str(&old));
    explore();
    cr_assert_str_eq(toy_read(&t, "protocol.md"), cn_buf_str(&old));
    x = toy_history(&t);
    cr_assert_eq(count_versions(&x, NULL), 3);
    cr_assert_str_eq(x.texts[x.n_texts - 1].author, "user");
    cn_history_clear(&x);
    cn_buf_clear(&old);
    cn_buf_clear(&new);
}

static void spoil(struct toy_run *r, const char *line)
{
    (void)r;
    if (cn_text_starts(line, "iteration 7 "))
        put_file("# x\n\n## Goal\n\nx\n\n## Parent Selection Rule\n");
}

Test(loop_edits_run, words_that_cannot_be_read_are_not_overwritten)
{
    struct cn_history x;

    toy_config(&t, "  iterations: 8\n  n_iter_block: 8\n  confirm: 0\n  edit_rules: true\n",
               "");
    cr_assert_eq(toy_create(&t, protocol(DEFAULT), NULL, 0), CN_OK, "%s", t.err.text);
    t.listen = spoil;
    explore();
    cr_assert(strstr(toy_read(&t, "protocol.md"), "## Parent Selection Rule\n"));
    x = toy_history(&t);
    cr_assert_eq(count_versions(&x, NULL), 1);
    cr_assert(strstr(x.blocks[0].edit_note, "none: protocol.md holds words of a person"), "%s",
              x.blocks[0].edit_note);
    cn_history_clear(&x);
}

/* ---- an edit that made things worse ---- */

static void play_iteration(struct cn_store *s, int64_t block, int64_t id, int64_t node,
                           int64_t parent, double reward, const char *config)
{
    struct cn_measurement m = CN_MEASUREMENT_INIT;
    struct cn_metric metric = {"score", reward};
    struct cn_analysis a = {"made up", NULL, NULL};
    struct cn_node n = {.id = id,
                        .parent = parent,
                        .block = block,
                        .config = config,
                        .strategy = parent ? "exploit" : "root",
                        .proposer = "embedded"};
    struct cn_iteration it = {.id = id,
                              .node = node,
                              .block = block,
                              .replicate = node != id,
                              .strategy = n.strategy,
                              .parent_rule = "made up",
                              .seed_mode = "suggested-default",
                              .scored_value = (double)NAN,
                              .hypothesis = ""};
    char dir[32];

    cn_text_format(n.config_hash, CN_HASH_TEXT, "made-up-%lld", (long long)id);
    cn_text_format(dir, sizeof dir, "iter_%06lld", (long long)id);
    m.outcome = CN_OUTCOME_OK;
    m.cls = CN_CLASS_PARTIAL;
    m.reward = reward;
    m.metrics = &metric;
    m.n_metrics = 1;
    cr_assert_eq(cn_store_plan(s, node == id ? &n : NULL, &it, &t.err), CN_OK, "%s",
                 t.err.text);
    cr_assert_eq(cn_store_submit(s, id, 1, dir, dir, &t.err), CN_OK, "%s", t.err.text);
    cr_assert_eq(cn_store_measure(s, id, 1, &m, &t.err), CN_OK, "%s", t.err.text);
    cr_assert_eq(cn_store_analyse(s, id, &a, &t.err), CN_OK, "%s", t.err.text);
    cr_assert_eq(cn_store_commit(s, id, &t.err), CN_OK, "%s", t.err.text);
}

/* Eight iterations: the root twice, then the rewards; the last block stays open. */
static void play_block(struct cn_store *s, int64_t number, const double rewards[6], bool close)
{
    struct cn_block b = {
        .number = number, .first = 8 * number - 7, .last = 8 * number, .edit_note = ""};
    char config[2048];

    cn_text_copy(config, sizeof config, toy_read(&t, "base.yaml"));
    cr_assert_eq(cn_store_open_block(s, &b, &t.err), CN_OK, "%s", t.err.text);
    play_iteration(s, number, b.first, b.first, 0, .5, config);
    play_iteration(s, number, b.first + 1, b.first, 0, .51, config);
    for (int i = 0; i < 6; i++)
        play_iteration(s, number, b.first + 2 + i, b.first + 2 + i, b.first, rewards[i],
                       config);
    if (close)
        cr_assert_eq(cn_store_close_block(s, number, "made up", &t.err), CN_OK, "%s",
                     t.err.text);
}

/* Three blocks; the third comes after an edit and is worse. `author` NULL: no third version. */
static struct cn_history worse_run(const char *settings, const char *author)
{
    struct cn_buf old, new;
    struct cn_store *s;

    toy_config(&t, settings, "");
    cr_assert_eq(toy_create(&t, protocol(DEFAULT PROBE), NULL, 0), CN_OK, "%s", t.err.text);
    s = open_store();
    play_block(s, 1, mixed, true);
    play_block(s, 2, high, true);
    cr_assert_eq(cn_store_lease_release(s, &t.err), CN_OK);
    cn_store_close(s);
    leave_half_done(&old, &new);
    s = open_store();
    if (author) {
        cn_buf_adds(&new, "\nMore.\n");
        cr_assert_eq(
            cn_store_text_put(s, "protocol", author, "test", cn_buf_str(&new), NULL, &t.err),
            CN_OK);
        put_file(cn_buf_str(&new));
    }
    play_block(s, 3, low, false);
    cr_assert_eq(cn_store_lease_release(s, &t.err), CN_OK);
    cn_store_close(s);
    cn_buf_clear(&old);
    cn_buf_clear(&new);
    explore();
    return toy_history(&t);
}

#define THREE_BLOCKS "  iterations: 24\n  n_iter_block: 8\n  confirm: 0\n  edit_rules: false\n"

Test(loop_edits_run, an_edit_that_made_a_block_worse_is_taken_back)
{
    struct cn_history x = worse_run(THREE_BLOCKS "  revert_worse_edits: true\n", NULL);
    const struct cn_text_version *last = &x.texts[x.n_texts - 1];

    cr_assert_eq(count_versions(&x, NULL), 3);
    cr_assert_str_eq(last->author, "host");
    cr_assert(cn_text_starts(last->reason,
                             "back to the rules of version 1: worse: block 3 "
                             "against block 2, each over its own root: mean gain "),
              "%s", last->reason);
    cr_assert(cn_text_starts(x.blocks[2].edit_note, "version 3: back to the rules"), "%s",
              x.blocks[2].edit_note);
    cr_assert(!strstr(toy_read(&t, "protocol.md"), BRANCH));
    cr_assert(strstr(toy_read(&t, "snapshots/block_003/protocol.md"), BRANCH));
    cr_assert_str_eq(last->hash, x.texts[0].hash);
    cn_history_clear(&x);
}

Test(loop_edits_run, without_the_setting_it_is_only_told)
{
    struct cn_history x = worse_run(THREE_BLOCKS, NULL);

    cr_assert_eq(count_versions(&x, NULL), 2);
    cr_assert(strstr(x.blocks[2].edit_note, "what the last edit did: version 2: worse: "), "%s",
              x.blocks[2].edit_note);
    cr_assert(strstr(toy_read(&t, "protocol.md"), BRANCH));
    cn_history_clear(&x);
}

Test(loop_edits_run, a_persons_words_are_not_taken_back)
{
    struct cn_history x = worse_run(THREE_BLOCKS "  revert_worse_edits: true\n", "user");

    cr_assert_eq(count_versions(&x, NULL), 3);
    cr_assert(strstr(x.blocks[2].edit_note, "none: the last block was worse, but a person"),
              "%s", x.blocks[2].edit_note);
    cr_assert(strstr(toy_read(&t, "protocol.md"), BRANCH));
    cn_history_clear(&x);
}
