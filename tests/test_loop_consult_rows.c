/* Every refusal of the tools, in the words that a model gets; and what the object of models without
 * tools may look like. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/consult_int.h"
#include "logs/store.h"
#include "tests/support/toy.h"

static struct toy_run t;
static struct cn_run *run;
static struct cn_history h;
static struct cn_need need;
static struct cn_said said;
static struct cn_talk talk;

/* Two committed nodes of an open block: 1 is its root. */
static void setup(void)
{
    toy_init(&t);
    toy_config(&t, "  iterations: 2\n  n_iter_block: 6\n  confirm: 0\n  noise_defaults: 1\n",
               "");
    cr_assert_eq(toy_create(&t, toy_protocol(), NULL, 0), CN_OK, "%s", t.err.text);
    cr_assert_eq(toy_explore(&t, NULL, 0), CN_OK, "%s", t.err.text);
    cr_assert_eq(cn_run_open(t.dir, NULL, 0, &run, &t.err), CN_OK, "%s", t.err.text);
    cr_assert_eq(cn_store_history(run->store, &h, &t.err), CN_OK, "%s", t.err.text);
    h.blocks[0].closed = false; /* as it was while the two were trained */
    h.blocks[0].last = 6;
}

static void teardown(void)
{
    cn_history_clear(&h);
    cn_run_close(run);
    toy_clear(&t);
}

TestSuite(loop_consult_rows, .init = setup, .fini = teardown, .timeout = 60);

static void begin(cn_consult_phase phase)
{
    need = (struct cn_need){.phase = phase,
                            .finished = {2},
                            .n_finished = 1,
                            .propose = {3, 4},
                            .n_propose = 2,
                            .block = 1,
                            .next_regime = true};
    memset(&said, 0, sizeof said);
    cn_said_clear(&said);
    cn_arena_init(&said.arena, CN_CAP_TEXT);
    cr_assert_eq(cn_talk_init(&talk, run, &h, &need, &said, &t.err), CN_OK, "%s", t.err.text);
}

static void end(void)
{
    cn_talk_clear(&talk);
    cn_said_clear(&said);
}

/* The reply; *out_error. */
static const char *call(const char *tool, const char *arguments, bool *out_error)
{
    static struct cn_buf reply;
    struct cn_llm_block figure = {.kind = CN_LLM_TEXT};

    cn_buf_clear(&reply);
    cn_buf_init(&reply, CN_CAP_TEXT);
    cr_assert_eq(cn_talk_call(&talk, tool, arguments, &reply, out_error, &figure, &t.err),
                 CN_OK, "%s %s: %s", tool, arguments, t.err.text);
    return cn_buf_str(&reply);
}

struct row {
    const char *tool, *arguments, *words; /* words NULL: it passes */
};

static void check(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool error;
        const char *reply = call(rows[i].tool, rows[i].arguments, &error);

        cr_expect_eq(error, rows[i].words != NULL, "%s %s: %s", rows[i].tool, rows[i].arguments,
                     reply);
        cr_expect(!rows[i].words || strstr(reply, rows[i].words), "%s %s: \"%s\" lacks \"%s\"",
                  rows[i].tool, rows[i].arguments, reply, rows[i].words);
    }
}
#define CHECK(rows) check(rows, sizeof(rows) / sizeof *(rows))

#define P(slot, rest) \
    "{\"slot\":" slot ",\"strategy\":\"exploit\",\"hypothesis\":\"h\"," rest "}"
#define SET(path, value) "\"mutations\":[{\"path\":\"" path "\",\"value\":" value "}]"

Test(loop_consult_rows, proposals)
{
    static const struct row rows[] = {
        {"propose", P("3", "\"parent\":0," SET("training.gain", "0.9")), NULL},
        {"propose", P("4", "\"parent\":1," SET("gain", "\"0.95\"")), NULL},
        {"propose", P("3", "\"parent\":\"root\"," SET("gain", "0.97")), NULL},
        {"propose", P("4", "\"parent\":1," SET("gain", "0.97")),
         "the same config as your proposal for slot 3"},
        {"propose", P("9", "\"parent\":0," SET("gain", "0.9")),
         "slot: 9: is not asked for; expected one of 3, 4"},
        {"propose", P("\"x\"", "\"parent\":0"), "slot: expected a whole number"},
        {"propose", "{\"strategy\":\"exploit\",\"hypothesis\":\"h\"}", "slot: is missing"},
        {"propose", P("3", "\"parent\":77," SET("gain", "0.9")),
         "parent: 77: there is no such node; expected 0 (the block's root config), 1, 2"},
        {"propose", P("3", "\"parent\":1," SET("training.gian", "0.9")),
         "did you mean \"training.gain\"?"},
        {"propose", P("3", "\"parent\":1," SET("training.enabled", "false")),
         "the protocol does not explore it"},
        {"propose", P("3", "\"parent\":1," SET("gain", "7")),
         "training.gain: 7: expected 0 to 2 (the protocol's range)"},
        {"propose", P("3", "\"parent\":1," SET("gain", "\"much\"")),
         "training.gain: much: expected a number"},
        {"propose", P("3", "\"parent\":1," SET("batch_size", "3")),
         "expected one of 1, 2, 4, 8"},
        {"propose", P("3", "\"parent\":1," SET("simulation.n_frames", "2000")),
         "changes the simulation"},
        {"propose", P("3", "\"parent\":1," SET("gain", "0.5")), "no change"},
        {"propose", P("3", "\"parent\":1," SET("gain", "0.5005")), "nearly node 1"},
        {"propose", P("3", "\"parent\":1"), "mutations: none; expected one change"},
        {"propose", P("3", "\"parent\":1,\"replicate\":true"), NULL},
        {"propose", P("3", "\"parent\":1,\"replicate\":true," SET("gain", "0.9")),
         "a replicate trains node 1 again, unchanged"},
        {"propose", P("3", "\"parent\":1,\"replicate\":\"yes\""), "replicate: expected true"},
        {"propose",
         P("3", "\"parent\":1,\"probability\":1.4,\"expected\":1," SET("gain", "0.9")),
         "probability: 1.4: expected a number from 0 to 1"},
        {"propose", P("3", "\"parent\":1,\"probability\":0.4," SET("gain", "0.9")),
         "probability: of what?"},
        {"propose", P("3", "\"parent\":1,\"hope\":2," SET("gain", "0.9")),
         "hope: no such field"},
        {"propose", "{\"slot\":3,\"parent\":1,\"strategy\":\"exploit\"}",
         "hypothesis: is missing"},
        {"propose",
         "{\"slot\":3,\"parent\":1,\"strategy\":\"expliot\",\"hypothesis\":\"h\"," SET(
             "gain", "0.9") "}",
         "did you mean \"exploit\"?"},
        {"propose",
         P("3", "\"parent\":1,\"mutations\":[{\"path\":\"gain\",\"value\":1.1},{"
                "\"path\":\"gain\",\"value\":1.2}]"),
         "2 changes; expected one for exploit"},
        {"propose",
         "{\"slot\":3,\"parent\":1,\"strategy\":\"explore\",\"hypothesis\":\"h\","
         "\"mutations\":[{\"path\":\"gain\",\"value\":1.1},{\"path\":\"gain\",\"value\":1.2}]}",
         "training.gain: is changed twice"},
        {"propose", P("3", "\"parent\":1,\"mutations\":[{\"path\":\"gain\"}]"),
         "mutations: expected {\"path\": ..., \"value\": ...}"},
        {"propose", "[1]", "arguments: expected one object"},
        {"propose", "{\"slot\":", "arguments: "},
        {"propse", "{}", "did you mean \"propose\"?"},
    };

    begin(CN_CONSULT_ANALYSIS);
    CHECK(rows);
    end();
}

Test(loop_consult_rows, a_probe_may_leave_the_protocols_range)
{
    static const struct row rows[] = {
        {"propose",
         "{\"slot\":3,\"parent\":1,\"strategy\":\"failure-probe\",\"hypothesis\":\"h\"," SET(
             "gain", "3") "}",
         NULL},
        {"propose",
         "{\"slot\":3,\"parent\":1,\"strategy\":\"failure-probe\",\"hypothesis\":\"h\"," SET(
             "gain", "5") "}",
         "expected 0 to 4 (the trainer's limits)"},
    };

    begin(CN_CONSULT_ANALYSIS);
    CHECK(rows);
    end();
}

Test(loop_consult_rows, analyses_and_reading)
{
    static const struct row rows[] = {
        {"record_analysis", "{\"iteration\":2,\"observation\":\"o\",\"verdict\":\"supported\"}",
         NULL},
        {"record_analysis", "{\"iteration\":1,\"observation\":\"o\"}",
         "iteration: 1: is not asked for; expected one of 2"},
        {"record_analysis", "{\"iteration\":2,\"observation\":\"  \"}",
         "observation: is empty"},
        {"record_analysis", "{\"iteration\":2,\"observation\":4}",
         "observation: expected a text"},
        {"record_analysis", "{\"iteration\":2,\"observation\":\"o\",\"verdict\":\"true\"}",
         "verdict: \"true\": expected supported"},
        {"read_node", "{\"node\":1}", NULL},
        {"read_node", "{\"node\":41}", "41"},
        {"read_config", "{\"node\":2}", NULL},
        {"read_log", "{\"first\":1,\"last\":2}", NULL},
        {"read_log", "{\"first\":1,\"last\":40}", "expected up to 20 iterations"},
        {"read_log", "{\"first\":2,\"last\":1}", "the first one first"},
        {"read_figure", "{\"iteration\":1,\"name\":\"../../run.db\"}", "refused"},
        {"acknowledge", "{\"text\":\"hello\"}", "nobody waits"},
        {"edit_protocol", "{\"old\":\"a\",\"new\":\"b\",\"reason\":\"c\"}",
         "only at the end of a block"},
        {"summarise_block", "{\"text\":\"s\"}", "only at the end of a block"},
        {"propose_regime", "{\"changes\":[]}", "only at the end of a block"},
        {"finish", "{}", "still missing:\n- propose for slots 3, 4"},
    };

    begin(CN_CONSULT_ANALYSIS);
    CHECK(rows);
    end();
}

Test(loop_consult_rows, the_end_of_a_block)
{
    static const struct row rows[] = {
        {"edit_protocol", "{\"old\":\"nowhere to be found\",\"new\":\"b\",\"reason\":\"c\"}",
         "refused"},
        {"edit_protocol", "{\"old\":\"| Default |\",\"new\":\"# Heading\",\"reason\":\"c\"}",
         "refused"},
        {"edit_protocol", "{\"old\":\"| Default |\",\"new\":\"| Default |\",\"reason\":\"c\"}",
         "refused"},
        {"edit_protocol", "{\"old\":\"| Default |\",\"new\":\"x\"}", "reason: is missing"},
        {"edit_protocol", "{\"no_change_reason\":\"they serve\"}", NULL},
        {"edit_memory",
         "{\"section\":\"Open Qestions\",\"operation\":\"append\",\"text\":\"- q\"}",
         "Open Questions"},
        {"edit_memory",
         "{\"section\":\"Open Questions\",\"operation\":\"add\",\"text\":\"- q\"}",
         "expected replace, append or remove_line"},
        {"edit_memory",
         "{\"section\":\"Open Questions\",\"operation\":\"append\",\"text\":\"- "
         "q\",\"evidence\":["
         "1,55]}",
         "there is no such node"},
        {"edit_memory",
         "{\"section\":\"Open Questions\",\"operation\":\"append\",\"text\":\"- "
         "q\",\"evidence\":["
         "1,2]}",
         NULL},
        {"edit_memory",
         "{\"section\":\"Open Questions\",\"operation\":\"remove_line\",\"text\":\"- r\"}",
         "no such line"},
        {"edit_memory",
         "{\"section\":\"Open Questions\",\"operation\":\"remove_line\",\"text\":\"- q "
         "(evidence: "
         "1, 2)\"}",
         NULL},
        {"edit_memory",
         "{\"section\":\"Hypothesis\",\"operation\":\"replace\",\"text\":\"## Run\"}",
         "heading"},
        {"propose_regime", "{\"changes\":[{\"path\":\"gain\",\"value\":1}]}",
         "the protocol does not explore it"},
        {"propose_regime", "{\"changes\":[{\"path\":\"simulation.n_frames\",\"value\":1000}]}",
         "this is the regime of the block that ended"},
        {"propose_regime", "{\"changes\":[{\"path\":\"simulation.n_frames\",\"value\":99999}]}",
         "expected 100 to 10000"},
        {"propose_regime", "{\"changes\":[{\"path\":\"simulation.n_frames\",\"value\":2000}]}",
         NULL},
        {"summarise_block", "{\"text\":\"s\"}", NULL},
    };

    begin(CN_CONSULT_BLOCK_END);
    CHECK(rows);
    cr_expect_eq(said.n_edits, 1);
    cr_expect_eq(said.n_memory, 1);
    cr_expect_eq(said.n_regime, 1);
    end();
}

static int wrong_in(const char *text, const char **reply)
{
    static struct cn_buf b;
    int wrong = 0;

    cn_buf_clear(&b);
    cn_buf_init(&b, CN_CAP_TEXT);
    cr_assert_eq(cn_talk_object(&talk, text, &b, &wrong, &t.err), CN_OK, "%s", t.err.text);
    *reply = cn_buf_str(&b);
    return wrong;
}

Test(loop_consult_rows, one_object_is_found_and_read_strictly)
{
    const char *reply;

    begin(CN_CONSULT_ANALYSIS);
    cr_expect_eq(wrong_in("words alone", &reply), 1);
    cr_expect(strstr(reply, "no whole JSON object"), "%s", reply);
    cr_expect_eq(wrong_in("```json\n{\"analyses\": [", &reply), 1);
    cr_expect_eq(wrong_in("I think {so}.\n```json\n{\"analyses\":[{\"iteration\":2,"
                          "\"observation\":\"a } brace and a \\\" quote\"}]}\n```\nDone.",
                          &reply),
                 0, "%s", reply);
    cr_expect_eq(said.n_analyses, 1);
    cr_expect_eq(wrong_in("{\"proposals\":[{\"iteration\":3,\"parent\":0,\"strategy\":"
                          "\"exploit\",\"changes\":[{\"path\":\"gain\",\"value\":\"0.9\"}],"
                          "\"hypothesis\":\"h\"}],\"summary\":\"\",\"edits\":[]}",
                          &reply),
                 0, "%s", reply);
    cr_expect_eq(said.n_proposals, 1);
    cr_expect_eq(wrong_in("{\"proposal\":[],\"analyses\":{}}", &reply), 1);
    cr_expect(strstr(reply, "did you mean \"proposals\"?"), "%s", reply);
    end();
}

Test(loop_consult_rows, what_is_kept_reads_back)
{
    struct cn_sayings old, kept;
    struct cn_buf text;
    bool error;

    begin(CN_CONSULT_ANALYSIS);
    (void)call("propose",
               P("3", "\"parent\":0,\"expected\":0.5,\"probability\":0.25," SET("gain", "0.9")),
               &error);
    said.why = "the model did not answer (rate limit)";
    said.author = "llm:toy";
    cr_assert_eq(cn_sayings_parse("", 0, &old, &t.err), CN_OK);
    cn_buf_init(&text, CN_CAP_TEXT);
    cn_sayings_join(&old, &h, &need, &said, 3, 0, &text);
    cr_assert_eq(cn_sayings_parse(cn_buf_str(&text), text.len, &kept, &t.err), CN_OK, "%s",
                 t.err.text);
    cr_expect_not_null(cn_sayings_wish(&kept, 3));
    cr_expect_eq(cn_sayings_wish(&kept, 3)->said.probability, 0.25);
    cr_expect_null(cn_sayings_wish(&kept, 4));
    cr_expect_str_eq(cn_sayings_gap(&kept, 4)->why, "the model did not answer (rate limit)");
    cn_sayings_clear(&kept);
    for (size_t n = 1; n < text.len; n++) { /* every prefix is refused, none crashes */
        struct cn_sayings cut;

        cr_expect_neq(cn_sayings_parse(cn_buf_str(&text), n, &cut, NULL), CN_OK);
        cn_sayings_clear(&cut);
    }
    cn_buf_clear(&text);
    cn_sayings_clear(&old);
    end();
}
