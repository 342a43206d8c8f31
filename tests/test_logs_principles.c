/* logs/evidence, principles, deadends, failures: what the record bears out, and what the embedded
 * proposer writes of it. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/buf.h"
#include "base/caps.h"
#include "logs/deadends.h"
#include "logs/evidence.h"
#include "logs/failures.h"
#include "logs/principles.h"
#include "logs/project.h"
#include "tests/support/made.h"

static struct made m;
static struct cn_evidence e;
static struct cn_claims claims;
static struct cn_buf out;
static int64_t root;

#define LR_W "training.lr_W"
#define LR   "training.lr"

/* A block with a root that was trained three times: the noise is about 0.01. */
static void begin_block(const char *frames)
{
    made_block(&m, "simulation.n_frames", frames);
    root = made_root(&m, 0.50);
    made_again(&m, root, 0.51);
    made_again(&m, root, 0.49);
}

static void set_up(void)
{
    made_init(&m, 400);
    cn_buf_init(&out, CN_CAP_TEXT);
    begin_block("64000");
}

static void tear_down(void)
{
    cn_claims_clear(&claims);
    cn_evidence_clear(&e);
    cn_buf_clear(&out);
    made_clear(&m);
}

TestSuite(logs_principles, .init = set_up, .fini = tear_down);

static void look(void)
{
    cn_evidence_clear(&e);
    cr_assert_eq(cn_evidence_init(&e, &m.h), CN_OK);
}

static const struct cn_claim *claim(const char *text)
{
    look();
    cn_claims_clear(&claims);
    cr_assert_eq(cn_claims_init(&claims, &m.h, &e, text), CN_OK);
    cr_assert_eq(claims.n, 1, "%d claims", (int)claims.n);
    return &claims.all[0];
}

/* ---- evidence ---- */

Test(logs_principles, a_change_counts_only_beyond_the_noise)
{
    const struct cn_group *g;

    made_try(&m, root, LR_W, "2.0e-3", 0.80);
    made_try(&m, root, LR_W, "4.0e-3", 0.505);
    made_try(&m, root, LR_W, "8.0e-3", 0.20);
    made_fail(&m, root, LR_W, "2.0e-2", CN_OUTCOME_DIVERGED, "nan");
    made_try(&m, root, LR_W, "5.0e-4", 0.70);
    look();
    cr_assert_float_eq(e.noise.std, 0.01, 1e-12);
    g = cn_evidence_group(&e, LR_W, 1, NULL);
    cr_assert_eq(g->n, 4);
    cr_assert_eq(g->better, 1);
    cr_assert_eq(g->worse, 1);
    cr_assert_eq(g->failed, 1);
    cr_assert_eq(g->compared, 3);
    g = cn_evidence_group(&e, LR_W, -1, NULL);
    cr_assert_eq(g->better, 1);
    cr_assert_float_eq(g->effect.mean, 0.20, 1e-12);
    cr_assert(g->effect.known && g->effect.lo > 0.15 && g->effect.hi < 0.25);
    cr_assert_null(cn_evidence_group(&e, LR, 1, NULL));
}

Test(logs_principles, without_a_repeat_nothing_is_better)
{
    const struct cn_group *g;

    made_clear(&m);
    made_init(&m, 10);
    made_block(&m, "simulation.n_frames", "64000");
    root = made_root(&m, 0.5);
    made_try(&m, root, LR_W, "2.0e-3", 0.9);
    look();
    g = cn_evidence_group(&e, LR_W, 1, NULL);
    cr_assert_eq(g->better, 0);
    cr_assert_not(g->effect.known);
    cr_assert_float_eq(g->effect.mean, 0.4, 1e-12);
}

Test(logs_principles, values_without_order_are_groups_of_their_own)
{
    made_try(&m, root, "training.act", "tanh", 0.9);
    made_try(&m, root, "training.act", "gelu", 0.1);
    look();
    cr_assert_eq(cn_evidence_group(&e, "training.act", 0, "tanh")->better, 1);
    cr_assert_eq(cn_evidence_group(&e, "training.act", 0, "gelu")->worse, 1);
    cn_evidence_name(cn_evidence_group(&e, "training.act", 0, "tanh"), &out);
    cr_assert_str_eq(cn_buf_str(&out), "training.act: any -> tanh");
}

Test(logs_principles, deaths_of_the_surroundings_say_nothing)
{
    made_fail(&m, root, LR_W, "2.0e-2", CN_OUTCOME_INFRA, "node drained");
    made_fail(&m, root, LR_W, "3.0e-2", CN_OUTCOME_INVALID, "out of range");
    look();
    cr_assert_eq(e.n_tries, 0);
}

/* ---- claims ---- */

static void three_raises_help(void)
{
    int64_t a = made_try(&m, root, LR_W, "2.0e-3", 0.60), b;

    b = made_try(&m, a, LR_W, "3.0e-3", 0.70);
    made_try(&m, b, LR_W, "4.0e-3", 0.80);
}

Test(logs_principles, a_claim_about_a_key_is_computed_whatever_it_cites)
{
    const struct cn_claim *c;

    three_raises_help();
    c = claim("### Established Principles\n- raising `lr_W` helps (evidence: 1, 2)\n");
    cr_assert(c->says.group && c->says.effect == 1 && c->says.group->direction == 1);
    cr_assert_eq(c->verdict.standing, CN_CLAIM_ESTABLISHED);
    cr_assert_eq(c->verdict.n_pro, 3);
    cr_assert_eq(c->verdict.pro[0], 4);
    cr_assert_str_eq(c->words, "raising `lr_W` helps");
}

Test(logs_principles, one_lucky_pair_is_tentative_and_a_counterexample_contradicts)
{
    int64_t a = made_try(&m, root, LR_W, "2.0e-3", 0.60);

    made_try(&m, a, LR_W, "3.0e-3", 0.70);
    cr_assert_eq(
        claim("### Open Questions\n- higher training.lr_W is better\n")->verdict.standing,
        CN_CLAIM_TENTATIVE);
    made_fail(&m, a, LR_W, "9.0e-3", CN_OUTCOME_DIVERGED, "nan");
    cr_assert_eq(
        claim("### Open Questions\n- higher training.lr_W is better\n")->verdict.standing,
        CN_CLAIM_CONTRADICTED);
    cr_assert_eq(claims.all[0].verdict.confidence, 0, "none in what is contradicted");
    cr_assert_eq(
        claim("### Open Questions\n- lowering training.lr_W helps\n")->verdict.standing,
        CN_CLAIM_NONE, "never tried: it stands on what it cites, which is nothing");
}

Test(logs_principles, forms_of_a_claim)
{
    static const struct {
        const char *text;
        int direction, effect; /* direction 9: not computed */
    } cases[] = {
        {"raising training.lr_W helps", 1, 1},
        {"Increasing lr_W hurts", 1, -1},
        {"training.lr_W: 1.0e-3 -> 4.0e-3 improves the reward", 1, 1},
        {"training.lr_W: 4.0e-3 -> 1.0e-3 is worse", -1, -1},
        {"smaller lr_W has no effect", -1, 0},
        {"a larger lr_W does not matter", 1, 0},
        {"raising lr_W does not help", 9, 0},
        {"raising lr_W helps, lowering it hurts", 9, 0},
        {"raising lr_W and lr helps", 9, 0},
        {"lr_W is important", 9, 0},
        {"raising lr_X helps", 9, 0},
        {"training.act: relu -> tanh helps", 0, 1},
        {"lr_W", 9, 0},
        {"-> -> ->", 9, 0},
        {"(for: )", 9, 0},
    };

    three_raises_help();
    made_try(&m, root, LR_W, "5.0e-4", 0.4);
    made_try(&m, root, LR, "1.0e-3", 0.4);
    made_try(&m, root, "training.act", "tanh", 0.9);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char text[200];
        const struct cn_claim *c;
        (void)snprintf(text, sizeof text, "### Open Questions\n- %s\n", cases[i].text);
        c = claim(text);
        cr_assert_eq(c->says.group != NULL, cases[i].direction != 9, "%s", cases[i].text);
        if (!c->says.group)
            continue;
        cr_assert_eq(c->says.group->direction, cases[i].direction, "%s", cases[i].text);
        cr_assert_eq(c->says.effect, cases[i].effect, "%s", cases[i].text);
    }
}

Test(logs_principles, other_claims_stand_on_the_iterations_that_exist)
{
    const struct cn_claim *c;

    three_raises_help();
    c = claim("### Established Principles\n* the two rates compensate (for: 4, 5 and 6, 6; "
              "against: 99)\n");
    cr_assert_null(c->says.group);
    cr_assert_eq(c->verdict.n_pro, 3);
    cr_assert_eq(c->verdict.n_contra, 0);
    cr_assert_eq(c->n_unknown, 1);
    cr_assert_eq(c->unknown[0], 99);
    cr_assert_eq(c->verdict.standing, CN_CLAIM_ESTABLISHED);
    c = claim("### Established Principles\n1. seeds matter (evidence: 1)\n");
    cr_assert_eq(c->verdict.standing, CN_CLAIM_TENTATIVE);
    c = claim("### Established Principles\n- one node is not enough (evidence: 1, 1, 1)\n");
    cr_assert_eq(c->verdict.n_pro, 1);
    c = claim("### Established Principles\n- both ways (for: 4; against: 5)\n");
    cr_assert_eq(c->verdict.standing, CN_CLAIM_CONTRADICTED);
    c = claim("### Established Principles\n- nothing at all\n");
    cr_assert_eq(c->verdict.standing, CN_CLAIM_NONE);
    cr_assert_eq(c->verdict.confidence, 0);
}

Test(logs_principles, confidence_is_the_published_formula)
{
    const struct cn_claim *c;

    three_raises_help();
    c = claim("### Established Principles\n- raising lr_W helps\n");
    /* 30 + 5 log2(4) + 0 + 15 = 55, one regime: 40 */
    cr_assert_eq(c->verdict.confidence, 40);
    made_try(&m, root, LR_W, "5.0e-4", 0.20);
    begin_block("32000");
    made_try(&m, root, LR_W, "2.0e-3", 0.60);
    c = claim("### Established Principles\n- raising lr_W helps\n");
    /* 30 + 5 log2(5) + 10 log2(2) + 30 = 81.6; two regimes */
    cr_assert_eq(c->verdict.n_pro, 4);
    cr_assert_eq(c->verdict.confidence, 82);
    made_again(&m, c->verdict.pro[3], 0.645); /* now that node varies: at most 85 */
    begin_block("16000");
    made_try(&m, root, LR_W, "2.0e-3", 0.90);
    c = claim("### Established Principles\n- raising lr_W helps\n");
    cr_assert_eq(c->verdict.confidence, 85);
}

/* ---- the embedded proposer's lines ---- */

static char *update(const char *text)
{
    cn_buf_reset(&out);
    cr_assert_eq(cn_principles_update(&m.h, text, &out, NULL), CN_OK);
    return strdup(cn_buf_str(&out));
}

Test(logs_principles, what_is_established_is_written_once_and_only_once)
{
    char *first, *second;

    three_raises_help();
    first = update("");
    cr_assert_str_eq(first, "### Established Principles\n- raising training.lr_W helps "
                            "(embedded; evidence: 4, 5, 6)\n");
    second = update(first);
    cr_assert_str_eq(second, first);
    free(first);
    free(second);
}

Test(logs_principles, a_principle_that_falls_goes_to_the_falsified)
{
    char *text, *again;

    three_raises_help();
    text = update("### Falsified Hypotheses\n- mine\n");
    made_try(&m, 6, LR_W, "8.0e-3", 0.10);
    again = update(text);
    cr_assert_str_eq(again, "### Falsified Hypotheses\n- mine\n- raising training.lr_W helps "
                            "(embedded; evidence: 4, 5, 6; against: 7)\n");
    free(text);
    text = update(again);
    cr_assert_str_eq(text, again);
    free(text);
    free(again);
}

Test(logs_principles, a_persons_lines_keep_their_words_and_their_order)
{
    static const char mine[] =
        "### Established Principles\n"
        "zeroth, no list\n\n"
        "- z comes first (evidence: 1)\n"
        "- raising training.lr_W helps (embedded; evidence: as I say)\n"
        "- raising training.lr_W helps a lot (embedded; evidence: 4)\n"
        "```\n- raising training.lr_W helps (embedded; evidence: 4)\n```\n"
        "- a comes last\n"
        "### Mine\nstays\n";
    char *text;

    three_raises_help();
    text = update(mine);
    cr_assert(strstr(text, "- a comes last\n- raising training.lr_W helps (embedded; evidence: "
                           "4, 5, 6)\n### Mine\nstays\n"),
              "%s", text);
    cr_assert_eq(strncmp(text, mine, strlen(mine) - strlen("### Mine\nstays\n")), 0, "%s",
                 text);
    free(text);
}

Test(logs_principles, words_that_leave_no_room_are_left_alone)
{
    struct cn_buf big;
    char *text;

    three_raises_help();
    cn_buf_init(&big, CN_CAP_TEXT);
    cn_buf_adds(&big, "### Established Principles\n");
    while (big.len < CN_CAP_MEMORY_SECTION + 100)
        cn_buf_adds(&big, "- a person's long section\n");
    text = update(cn_buf_str(&big));
    cr_assert_str_eq(text, cn_buf_str(&big));
    free(text);
    cn_buf_clear(&big);
}

/* ---- the hypothesis ---- */

static char *hypothesis(const char *text, int64_t closed, bool goes_on)
{
    static const char *const params[] = {LR, LR_W};
    struct cn_hypothesis_opts o = {closed, goes_on, params, 2, NULL};

    cn_buf_reset(&out);
    cr_assert_eq(cn_hypothesis_update(&m.h, text, &o, &out, NULL), CN_OK);
    return strdup(cn_buf_str(&out));
}

Test(logs_principles, a_hypothesis_is_written_before_its_block_and_judged_after)
{
    char *first, *again, *after;

    three_raises_help();
    first = hypothesis("### Hypothesis\n- mine\n", 1, true);
    cr_assert_str_eq(first,
                     "### Hypothesis\n- mine\n"
                     "- Block 2 (embedded): raising training.lr_W helps\n"
                     "  Rationale: +0.1 (+0.1 to +0.1) on connectivity_R2 over 3 tries, 3 "
                     "better and 0 worse beyond the noise\n"
                     "  Test: single changes of it in block 2\n"
                     "  Expected: above 0.8 (n = 1), the best of block 1\n"
                     "  Status: open\n");
    again = hypothesis(first, 1, true);
    cr_assert_str_eq(again, first, "the same again after a kill");
    begin_block("32000");
    made_fail(&m, root, LR_W, "9.0e-3", CN_OUTCOME_DIVERGED, "nan");
    after = hypothesis(first, 2, false);
    cr_assert(strstr(after, "### Hypothesis\n- mine\n- Block 2 (embedded): raising "
                            "training.lr_W helps\n"),
              "%s", after);
    cr_assert(strstr(after, "  Status: falsified: of 1 tries 0 better and 1 worse beyond the "
                            "noise; the best of block 2 is 0.5 (n = 3)\n"),
              "%s", after);
    cr_assert_null(strstr(after, "Block 3"));
    free(first);
    free(again);
    free(after);
}

Test(logs_principles, without_a_promise_the_least_tried_key_is_next)
{
    char *text, *after;

    made_try(&m, root, LR_W, "2.0e-3", 0.2);
    text = hypothesis("", 1, true);
    cr_assert(strstr(text, "- Block 2 (embedded): a change of training.lr helps\n"), "%s",
              text);
    begin_block("32000");
    made_try(&m, root, LR, "1.0e-3", 0.9);
    made_try(&m, root, LR_W, "2.0e-3", 0.1);
    after = hypothesis(text, 2, true);
    cr_assert(strstr(after, "  Status: supported: of 1 tries 1 better"), "%s", after);
    cr_assert(strstr(after, "- Block 3 (embedded): raising training.lr helps\n"), "%s", after);
    free(text);
    text = hypothesis(after, 3, true);
    cr_assert_null(strstr(text, "Block 2 (embedded)"), "one old one is enough: %s", text);
    free(text);
    free(after);
}

/* ---- dead ends ---- */

static const char *dead(int64_t want)
{
    struct cn_dead_ends d;

    look();
    cr_assert_eq(cn_dead_ends_init(&d, &m.h, &e), CN_OK);
    cr_assert_eq(d.n, want, "%d dead ends", (int)d.n);
    cn_buf_reset(&out);
    for (int64_t i = 0; i < d.n; i++) {
        cn_dead_end_region(&d.all[i], &out);
        cn_buf_adds(&out, ": ");
        cn_dead_end_reason(&d.all[i], &out);
        cn_buf_adds(&out, " [");
        for (int64_t k = 0; k < d.all[i].n; k++)
            cn_buf_printf(&out, "%s%d", k ? " " : "", (int)d.all[i].nodes[k]);
        cn_buf_printf(&out, "] %s\n", d.all[i].context);
    }
    cn_dead_ends_clear(&d);
    return cn_buf_str(&out);
}

Test(logs_principles, a_side_where_everything_diverged_is_a_dead_end)
{
    made_fail(&m, root, LR_W, "8.0e-3", CN_OUTCOME_DIVERGED, "nan");
    cr_assert_str_eq(dead(0), "", "one failure is none");
    made_fail(&m, root, LR_W, "2.0e-2", CN_OUTCOME_DIVERGED, "nan");
    made_fail(&m, root, LR_W, "1.0e-2", CN_OUTCOME_OOM, "out of memory");
    made_try(&m, root, LR, "1.0e-3", 0.52);
    cr_assert_str_eq(dead(1),
                     "training.lr_W >= 8.0e-3: diverged in 2 of 3 configs, a result in "
                     "none [4 5] training.lr=5.0e-4\n");
}

Test(logs_principles, a_result_beyond_the_bound_opens_it)
{
    int64_t a = made_try(&m, root, LR_W, "4.0e-3", 0.6);

    made_fail(&m, root, LR_W, "8.0e-3", CN_OUTCOME_DIVERGED, "nan");
    made_fail(&m, a, LR_W, "2.0e-2", CN_OUTCOME_DIVERGED, "nan");
    cr_assert(strstr(dead(1), ">= 8.0e-3"));
    made_try(&m, a, LR_W, "1.0e-2", 0.3);
    cr_assert_str_eq(dead(0), "", "8e-3 failed, 1e-2 did not: no side is dead");
    made_fail(&m, a, LR_W, "3.0e-2", CN_OUTCOME_DIVERGED, "nan");
    cr_assert(strstr(dead(1), ">= 2.0e-2: diverged in 2 of 2"));
}

Test(logs_principles, a_dead_end_belongs_to_its_regime)
{
    made_fail(&m, root, LR_W, "8.0e-3", CN_OUTCOME_DIVERGED, "nan");
    begin_block("32000");
    made_fail(&m, root, LR_W, "9.0e-3", CN_OUTCOME_DIVERGED, "nan");
    cr_assert_str_eq(dead(0), "", "one each");
    begin_block("64000");
    made_fail(&m, root, LR_W, "7.0e-3", CN_OUTCOME_DIVERGED, "nan");
    cr_assert(strstr(dead(1), ">= 7.0e-3"), "blocks of one regime count together");
}

Test(logs_principles, twice_worse_and_never_better_is_a_dead_end)
{
    made_try(&m, root, LR, "1.0e-3", 0.40);
    made_try(&m, root, LR, "2.0e-3", 0.30);
    made_try(&m, root, LR, "7.0e-4", 0.50);
    cr_assert_str_eq(dead(1),
                     "training.lr >= 1.0e-3: worse than before in 2 of 2 tries, better "
                     "in none [4 5] \n",
                     "%s", cn_buf_str(&out));
    made_try(&m, root, LR, "3.0e-3", 0.90);
    cr_assert_str_eq(dead(0), "", "beyond it something was better");
}

Test(logs_principles, a_value_without_order_can_be_dead)
{
    int64_t a = made_try(&m, root, LR_W, "2.0e-3", 0.6);

    made_fail(&m, root, "training.act", "gelu", CN_OUTCOME_CRASHED, "no such thing");
    made_fail(&m, a, "training.act", "gelu", CN_OUTCOME_CRASHED, "no such thing");
    cr_assert_str_eq(dead(1),
                     "training.act is gelu: crashed in 2 of 2 configs, a result in none "
                     "[5 6] \n");
}

/* ---- failures ---- */

Test(logs_principles, failures_of_one_kind_are_one)
{
    struct cn_failures f;
    static const char *const messages[][2] = {
        {"loss is nan at step 40", "loss is nan at step #"},
        {"loss is nan at step 41", "loss is nan at step #"},
        {"cannot open /data/run_1/x.bin", "cannot open PATH"},
        {"at 0x7fff12ab: 1.5e-3 > 2", "at #: # > #"},
        {"", ""},
        {"a/b", "PATH"},
        {"3 of 4 / 5", "# of # / #"},
    };

    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        cn_buf_reset(&out);
        cn_failure_signature(messages[i][0], &out);
        cr_assert_str_eq(cn_buf_str(&out), messages[i][1]);
        made_fail(&m, root, LR_W, "2.0e-2", CN_OUTCOME_DIVERGED, messages[i][0]);
    }
    made_fail(&m, root, LR_W, "2.0e-2", CN_OUTCOME_OOM, "loss is nan at step 1");
    cr_assert_eq(cn_failures_init(&f, &m.h), CN_OK);
    cr_assert_eq(f.n, 7);
    cr_assert_eq(f.all[0].n, 2);
    cr_assert_eq(f.all[0].first, 4);
    cr_assert_eq(f.all[0].last, 5);
    cr_assert_eq(f.all[0].example->id, 5);
    cn_failures_clear(&f);
}
