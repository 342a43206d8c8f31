/* What a model may do: propose, analyse, edit the rules and the memory, ask for what it was not
 * shown. See consult_int.h and docs/LLM.md.
 *
 * 1. analyses and proposals  2. rules, memory, block  3. reading  4. the table
 *
 * A call changes the exchange alone, never the record. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"
#include "harness/loop/consult_args.h"
#include "harness/loop/evidence.h"
#include "logs/project.h"
#include "protocols/edit.h"

/* ------------------------------------------------------------------ 1. analyses and proposals */

static cn_status record_analysis(struct cn_args *a)
{
    struct cn_talk *t = a->t;
    struct cn_said_analysis x = {.iteration = cn_args_whole(a, "iteration", true, 0)};
    const char *rule;
    int k = 0;

    cn_args_only(a, " iteration observation activity embedding parent_rule verdict ");
    x.observation = cn_args_words(a, "observation", CN_CONSULT_WORDS, true);
    x.activity = cn_args_words(a, "activity", CN_CONSULT_PHRASE, false);
    x.embedding = cn_args_words(a, "embedding", CN_CONSULT_PHRASE, false);
    rule = cn_args_words(a, "parent_rule", CN_CONSULT_PHRASE, false);
    x.verdict = cn_args_words(a, "verdict", 20, false);
    if (!a->bad && x.verdict[0] && strcmp(x.verdict, "supported") != 0 &&
        strcmp(x.verdict, "falsified") != 0 && strcmp(x.verdict, "inconclusive") != 0)
        cn_args_refuse(a, "verdict", "\"%s\": expected supported, falsified or inconclusive",
                       x.verdict);
    if (!cn_args_asked_for(a, "iteration", x.iteration, t->need->finished, t->need->n_finished))
        return CN_OK;
    if (rule[0]) {
        x.observation =
            cn_arena_printf(&t->said->arena, "%s On the rule: %s", x.observation, rule);
        a->no_memory = a->no_memory || !x.observation;
    }
    while (k < t->said->n_analyses && t->analyses[k].iteration != x.iteration)
        k++;
    t->analyses[k] = x;
    if (k == t->said->n_analyses)
        t->said->n_analyses++;
    cn_buf_printf(a->reply, "recorded for iteration %lld", (long long)x.iteration);
    return CN_OK;
}

/* "root" and 0 are the same. */
static int64_t parent_of(struct cn_args *a)
{
    const struct cn_json *v = cn_json_get(a->root, "parent");

    if (cn_json_string(v) && strcmp(cn_json_string(v), "root") == 0)
        return 0;
    return cn_args_whole(a, "parent", false, 0);
}

static void read_proposal(struct cn_args *a, struct cn_said_proposal *p)
{
    *p = (struct cn_said_proposal){
        .iteration = cn_args_whole(a, cn_args_either(a, "slot", "iteration"), true, 0),
        .parent = parent_of(a),
        .replicate = cn_args_yes(a, "replicate"),
        .strategy = cn_args_words(a, "strategy", 60, true),
        .hypothesis = cn_args_words(a, "hypothesis", CN_CONSULT_PHRASE, true),
        .prediction = cn_args_words(a, "prediction", CN_CONSULT_PHRASE, false),
        .expected = cn_args_number(a, "expected", -1e300, 1e300),
        .probability = cn_args_number(a, "probability", 0, 1)};
    p->changes = cn_args_changes(a, cn_args_either(a, "mutations", "changes"),
                                 CN_CONSULT_CHANGES, &p->n_changes);
    cn_args_only(
        a, " slot iteration parent strategy mutations changes replicate hypothesis prediction "
           "expected "
           "probability ");
    if (!isnan(p->probability) && isnan(p->expected) && !p->prediction[0])
        cn_args_refuse(a, "probability",
                       "of what? Expected a prediction in words, or expected");
}

/* Two slots of one exchange must not train the same config. */
static bool is_twin(struct cn_args *a, const struct cn_said_proposal *p, const char *hash)
{
    struct cn_talk *t = a->t;

    for (int i = 0; hash[0] && i < t->said->n_proposals; i++)
        if (t->proposals[i].iteration != p->iteration && strcmp(t->hashes[i], hash) == 0) {
            cn_args_refuse(a, "mutations", "the same config as your proposal for slot %lld",
                           (long long)t->proposals[i].iteration);
            return true;
        }
    return false;
}

static void keep_proposal(struct cn_args *a, const struct cn_said_proposal *p, const char *hash)
{
    struct cn_talk *t = a->t;
    int k = 0;

    while (k < t->said->n_proposals && t->proposals[k].iteration != p->iteration)
        k++;
    cn_buf_printf(a->reply, "%s for slot %lld", k < t->said->n_proposals ? "replaced" : "kept",
                  (long long)p->iteration);
    t->proposals[k] = *p;
    cn_text_copy(t->hashes[k], CN_HASH_TEXT, hash);
    if (k == t->said->n_proposals)
        t->said->n_proposals++;
}

static cn_status propose(struct cn_args *a)
{
    struct cn_talk *t = a->t;
    struct cn_err why = CN_ERR_INIT;
    struct cn_said_proposal p;
    struct cn_mutated m;
    int64_t rerun = 0;
    cn_status st;

    read_proposal(a, &p);
    if (!cn_args_asked_for(a, "slot", p.iteration, t->need->propose, t->need->n_propose))
        return CN_OK;
    if (!t->view.block) {
        cn_args_refuse(a, "slot", "no block is open; the host plans its first iteration");
        return CN_OK;
    }
    st = cn_consult_vet(&t->work, &t->view, &p, &m, &rerun, &why);
    if (st == CN_EINPUT || st == CN_EEXIST)
        cn_args_refuse(a, "", "%s", why.text);
    else if (st != CN_OK)
        return st;
    else if (!is_twin(a, &p, m.hash))
        keep_proposal(a, &p, m.hash);
    cn_mutated_clear(&m);
    return CN_OK;
}

/* ------------------------------------------------------------------ 2. rules, memory, block */

static bool at_block_end(struct cn_args *a)
{
    if (a->t->need->phase != CN_CONSULT_BLOCK_END)
        cn_args_refuse(a, "", "only at the end of a block");
    return !a->bad;
}

/* The rules with the edits of this exchange. */
static const struct cn_protocol *rules_now(const struct cn_talk *t)
{
    return t->rules ? t->rules : t->r->protocol;
}

static cn_status apply_edit(struct cn_args *a, const char *old_text, const char *new_text)
{
    struct cn_talk *t = a->t;
    const struct cn_protocol *p = rules_now(t);
    struct cn_err why = CN_ERR_INIT;
    struct cn_protocol *next = NULL;
    struct cn_buf text;
    cn_status st;

    cn_buf_init(&text, CN_CAP_PROTOCOL);
    st = cn_edit_apply(p, old_text, new_text, &text, &why);
    if (st == CN_OK)
        st = cn_protocol_parse(p->name, cn_buf_str(&text), text.len, &next, &why);
    cn_buf_clear(&text);
    if (st == CN_OK) {
        cn_protocol_free(t->rules);
        t->rules = next;
        return CN_OK;
    }
    if (st == CN_ENOMEM)
        return st;
    cn_args_refuse(a, "", "%s", why.text);
    return CN_OK;
}

static cn_status edit_protocol(struct cn_args *a)
{
    struct cn_talk *t = a->t;
    struct cn_said_edit e = {cn_args_words(a, "old", CN_CAP_RULES, false),
                             cn_args_words(a, "new", CN_CAP_RULES, false),
                             cn_args_words(a, "reason", CN_CONSULT_PHRASE, false)};
    const char *none = cn_args_words(a, "no_change_reason", CN_CONSULT_PHRASE, false);
    cn_status st;

    cn_args_only(a, " old new reason no_change_reason ");
    if (!none[0] && !e.old_text[0] && !e.new_text[0]) /* as the object says it */
        none = e.reason;
    if (a->bad || !at_block_end(a))
        return CN_OK;
    if (none[0] && !e.old_text[0] && !e.new_text[0]) {
        t->no_change = true;
        e.reason = none;
    } else if (!e.old_text[0] || !e.reason[0]) {
        cn_args_refuse(a, e.old_text[0] ? "reason" : "old",
                       "is missing; expected old, new and reason, or no_change_reason alone");
        return CN_OK;
    } else {
        st = apply_edit(a, e.old_text, e.new_text);
        if (st != CN_OK || a->bad)
            return st;
    }
    if (t->said->n_edits == CN_CONSULT_MANY) {
        cn_args_refuse(a, "", "too many edits in one exchange");
        return CN_OK;
    }
    t->edits[t->said->n_edits++] = e;
    cn_buf_adds(a->reply,
                none[0] ? "noted: no change" : "checked; it holds from the next block");
    return CN_OK;
}

static cn_status know_memory(struct cn_talk *t, struct cn_err *err)
{
    cn_status st;

    if (t->memory_known)
        return CN_OK;
    st = cn_store_text(t->r->store, "memory", 0, &t->memory_text, err);
    if (st == CN_ENOTFOUND) {
        cn_buf_reset(&t->memory_text);
        st = CN_OK;
    }
    t->memory_known = st == CN_OK;
    return st;
}

/* The section without the one line that reads like `line`. */
static bool without_line(struct cn_args *a, const char *section, const char *line,
                         struct cn_buf *out)
{
    int found = 0;

    for (const char *s = section; *s;) {
        size_t n = strcspn(s, "\n"), from = strspn(s, " \t");
        size_t want = strlen(line);

        if (n >= from && n - from == want && memcmp(s + from, line, want) == 0) {
            found++;
        } else {
            cn_buf_add(out, s, n);
            cn_buf_addc(out, '\n');
        }
        s += n + (s[n] == '\n');
    }
    if (found != 1)
        cn_args_refuse(a, "text", "%s; expected one whole line of the section",
                       found ? "stands there more than once" : "no such line");
    return found == 1;
}

/* " (evidence: 3, 5)" of nodes that exist. */
static void put_evidence(struct cn_args *a, struct cn_buf *out)
{
    const struct cn_json *v = cn_json_get(a->root, "evidence");
    int64_t id;
    int n = 0;

    if (cn_args_absent(v) || a->bad)
        return;
    if (cn_json_kind(v) != CN_JSON_ARRAY) {
        cn_args_refuse(a, "evidence", "expected a list of node ids");
        return;
    }
    for (const struct cn_json *x = cn_json_first(v); x && !a->bad; x = cn_json_next(x)) {
        if (!cn_json_int64(x, &id) || !cn_history_node(a->t->h, id))
            cn_args_refuse(a, "evidence", "there is no such node; expected ids of nodes");
        else
            cn_buf_printf(out, "%s%lld", n++ ? ", " : " (evidence: ", (long long)id);
    }
    if (n > 0)
        cn_buf_addc(out, ')');
}

/* What the section shall read like. */
static void compose_section(struct cn_args *a, const char *old, struct cn_buf *out)
{
    const char *operation = cn_args_words(a, "operation", 20, false);
    const char *said =
        cn_args_words(a, cn_args_either(a, "text", "words"), CN_CAP_MEMORY_SECTION, false);
    bool appends = strcmp(operation, "append") == 0;

    if (a->bad)
        return;
    if (strcmp(operation, "remove_line") == 0) {
        (void)without_line(a, old, said, out);
        return;
    }
    if (!appends && operation[0] && strcmp(operation, "replace") != 0) {
        cn_args_refuse(a, "operation", "\"%s\": expected replace, append or remove_line",
                       operation);
        return;
    }
    if (appends && !said[0])
        cn_args_refuse(a, "text", "is missing; expected the line to append");
    if (appends && old[0])
        cn_buf_printf(out, "%s\n", old);
    cn_buf_adds(out, said);
    put_evidence(a, out);
}

static void keep_section(struct cn_args *a, const char *section, const char *text)
{
    struct cn_talk *t = a->t;
    int k = 0;

    while (k < t->said->n_memory && strcmp(t->memory[k].section, section) != 0)
        k++;
    t->memory[k] = (struct cn_said_memory){section, cn_args_kept(a, text)};
    if (k == t->said->n_memory)
        t->said->n_memory++;
    cn_buf_printf(a->reply, "section \"%s\" will read so", section);
}

static cn_status edit_memory(struct cn_args *a)
{
    struct cn_talk *t = a->t;
    const char *section = cn_args_words(a, "section", 60, true);
    struct cn_err why = CN_ERR_INIT;
    struct cn_buf old, next, whole_text;
    cn_status st = know_memory(t, &why);

    if (st != CN_OK)
        return st;
    cn_args_only(a, " section operation text words evidence ");
    cn_buf_init(&old, CN_CAP_TEXT);
    cn_buf_init(&next, CN_CAP_TEXT);
    cn_buf_init(&whole_text, CN_CAP_TEXT);
    cn_memory_section(cn_buf_str(&t->memory_text), section, &old);
    compose_section(a, cn_buf_str(&old), &next);
    if (!a->bad)
        st = cn_memory_replace(cn_buf_str(&t->memory_text), section, cn_buf_str(&next),
                               &whole_text, &why);
    if (st == CN_EINPUT) {
        cn_args_refuse(a, "", "%s%s", why.text,
                       next.len > CN_CAP_MEMORY_SECTION / 2 ? "; condense the section" : "");
        st = CN_OK;
    } else if (st == CN_OK && !a->bad) {
        keep_section(a, section, cn_buf_str(&next));
        cn_buf_reset(&t->memory_text);
        cn_buf_adds(&t->memory_text, cn_buf_str(&whole_text));
    }
    cn_buf_clear(&old);
    cn_buf_clear(&next);
    cn_buf_clear(&whole_text);
    return st;
}

static cn_status summarise_block(struct cn_args *a)
{
    const char *text = cn_args_words(a, "text", CN_CONSULT_WORDS, true);

    cn_args_only(a, " text ");
    if (a->bad || !at_block_end(a))
        return CN_OK;
    a->t->said->summary = text;
    cn_buf_adds(a->reply, "kept");
    return CN_OK;
}

static cn_status propose_regime(struct cn_args *a)
{
    struct cn_talk *t = a->t;
    struct cn_err why = CN_ERR_INIT;
    int n = 0;
    const struct cn_change *c = cn_args_changes(a, "changes", CN_CONSULT_CHANGES, &n);
    cn_status st;

    cn_args_only(a, " changes reason ");
    (void)cn_args_words(a, "reason", CN_CONSULT_PHRASE, false);
    if (a->bad || !at_block_end(a))
        return CN_OK;
    if (!t->need->next_regime)
        cn_args_refuse(a, "",
                       "the protocol's partition or the end of the search leaves no choice");
    else if (n == 0)
        cn_args_refuse(a, "changes", "none; to keep the regime, do not call this");
    if (a->bad)
        return CN_OK;
    st = cn_consult_vet_regime(&t->work, c, n, &why);
    if (st != CN_OK && st != CN_EINPUT && st != CN_EEXIST)
        return st;
    if (st != CN_OK) {
        cn_args_refuse(a, "", "%s", why.text);
        return CN_OK;
    }
    t->said->regime = c;
    t->said->n_regime = n;
    cn_buf_adds(a->reply, "kept for the next block");
    return CN_OK;
}

static cn_status acknowledge(struct cn_args *a)
{
    const char *text = cn_args_words(a, "text", CN_CONSULT_WORDS, true);

    cn_args_only(a, " text ");
    if (!a->bad && a->t->n_pending == 0)
        cn_args_refuse(a, "", "nobody waits for an answer");
    if (a->bad)
        return CN_OK;
    a->t->said->answer_to_person = text;
    cn_buf_adds(a->reply, "kept");
    return CN_OK;
}

static cn_status finish(struct cn_args *a)
{
    cn_args_only(a, " ");
    if (a->bad)
        return CN_OK;
    a->t->finished = true;
    cn_buf_adds(a->reply, "still missing:\n");
    if (cn_talk_missing(a->t, a->reply)) {
        cn_buf_reset(a->reply);
        cn_buf_adds(a->reply, "thank you");
    } else {
        a->bad = true;
    }
    return CN_OK;
}

/* ------------------------------------------------------------------ 3. reading */

/* What a reading tool found, or why not; all of it counts against the exchange's share. */
static cn_status give(struct cn_args *a, cn_status st, const struct cn_err *why)
{
    struct cn_talk *t = a->t;

    if (st == CN_ENOTFOUND || st == CN_EINPUT || st == CN_ECAP) {
        cn_buf_reset(a->reply);
        cn_args_refuse(a, "", "%s", why->text);
        return CN_OK;
    }
    if (st != CN_OK)
        return st;
    if (t->read + a->reply->len > CN_CONSULT_READS) {
        cn_buf_reset(a->reply);
        cn_args_refuse(a, "",
                       "%d bytes were read in this exchange already; that is all there is",
                       (int)t->read);
        return CN_OK;
    }
    t->read += a->reply->len;
    return CN_OK;
}

static cn_status read_node(struct cn_args *a)
{
    struct cn_err why = CN_ERR_INIT;
    int64_t node = cn_args_whole(a, "node", true, 0);

    cn_args_only(a, " node ");
    return a->bad ? CN_OK : give(a, cn_evidence_node(a->t->h, node, a->reply, &why), &why);
}

static cn_status read_config(struct cn_args *a)
{
    struct cn_err why = CN_ERR_INIT;
    int64_t node = cn_args_whole(a, "node", true, 0);

    cn_args_only(a, " node ");
    return a->bad ? CN_OK : give(a, cn_evidence_config(a->t->h, node, a->reply, &why), &why);
}

static cn_status read_log(struct cn_args *a)
{
    struct cn_err why = CN_ERR_INIT;
    int64_t first = cn_args_whole(a, "first", true, 0),
            last = cn_args_whole(a, "last", true, 0);

    cn_args_only(a, " first last ");
    if (!a->bad && (first < 1 || last < first || last - first >= CN_CONSULT_ENTRIES))
        cn_args_refuse(a, "last",
                       "%lld to %lld: expected up to %d iterations, the first one first",
                       (long long)first, (long long)last, CN_CONSULT_ENTRIES);
    return a->bad ? CN_OK
                  : give(a, cn_evidence_log(a->t->h, first, last, a->reply, &why), &why);
}

static cn_status read_figure(struct cn_args *a)
{
    struct cn_talk *t = a->t;
    struct cn_err why = CN_ERR_INIT;
    int64_t iteration = cn_args_whole(a, "iteration", true, 0);
    const char *name = cn_args_words(a, "name", 200, true);
    cn_status st;

    cn_args_only(a, " iteration name ");
    if (a->bad)
        return CN_OK;
    st = cn_evidence_figure(t->r, t->h, iteration, name, &t->said->arena, a->figure, &why);
    if (st == CN_OK)
        cn_buf_printf(a->reply, "%s of iteration %lld, below", name, (long long)iteration);
    return give(a, st, &why);
}

/* ------------------------------------------------------------------ 4. the table */

#define TEXT(name, words)  "\"" name "\":{\"type\":\"string\",\"description\":\"" words "\"}"
#define WHOLE(name, words) "\"" name "\":{\"type\":\"integer\",\"description\":\"" words "\"}"
#define REAL(name, words)  "\"" name "\":{\"type\":\"number\",\"description\":\"" words "\"}"
#define YES(name, words)   "\"" name "\":{\"type\":\"boolean\",\"description\":\"" words "\"}"
#define CHANGES(name, words)                                                            \
    "\"" name "\":{\"type\":\"array\",\"description\":\"" words                         \
    "\",\"items\":{\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\"}," \
    "\"value\":{\"type\":[\"number\",\"string\",\"boolean\"]}},\"required\":[\"path\"," \
    "\"value\"]}}"
#define OBJECT(fields, required) \
    "{\"type\":\"object\",\"properties\":{" fields "},\"required\":[" required "]}"

struct tool {
    struct cn_llm_tool shown;
    cn_status (*call)(struct cn_args *a);
};

/* clang-format off */
static const struct tool tools[] = {
    {{"record_analysis",
      "What a finished training means, one call for each that is listed as wanted. One or two "
      "sentences a field.",
      OBJECT(WHOLE("iteration", "one of those wanted") ","
             TEXT("observation", "what it shows, against its parent and the noise") ","
             TEXT("activity", "what the figures of activity show; leave out when not shown") ","
             TEXT("embedding", "what the figures of the embedding show; leave out when not shown") ","
             TEXT("parent_rule", "whether the rule that chose the parent served well; may be left out") ","
             TEXT("verdict", "on its hypothesis: supported, falsified or inconclusive"),
             "\"iteration\",\"observation\"")}, record_analysis},
    {{"propose",
      "The next training for one slot, one call for each slot that is wanted. One change, unless "
      "the strategy is recombine, explore or random-restart. A second call for a slot replaces the first.",
      OBJECT(WHOLE("slot", "one of those wanted") ","
             WHOLE("parent", "a node of the open block; 0: the block's root config") ","
             TEXT("strategy", "of the rule that fires, or your own choice among the strategies") ","
             CHANGES("mutations", "keys of the parent's config and their new values; none for a replicate") ","
             YES("replicate", "train the parent again, unchanged, with a fresh seed") ","
             TEXT("hypothesis", "a claim that this training can falsify") ","
             TEXT("prediction", "what will be seen if it holds") ","
             REAL("expected", "the reward metric that you expect") ","
             REAL("probability", "0 to 1: that the prediction, or expected within the noise, holds"),
             "\"slot\",\"parent\",\"strategy\",\"hypothesis\"")}, propose},
    {{"edit_protocol",
      "At the end of a block: replace `old`, which stands exactly once between the rule markers, by "
      "`new`; or say why no rule changes. General rules only, knowledge goes to the memory.",
      OBJECT(TEXT("old", "words as they stand there") "," TEXT("new", "words to put in their place") ","
             TEXT("reason", "which statistic of the block asks for it") ","
             TEXT("no_change_reason", "alone: why the rules stay as they are"), "")}, edit_protocol},
    {{"edit_memory",
      "Change one free section of the memory. Tables are the host's.",
      OBJECT(TEXT("section", "Paper Summary, Established Principles, Falsified Hypotheses, Open Questions, "
                             "Hypothesis or Emerging Observations") ","
             TEXT("operation", "replace, append or remove_line") "," TEXT("text", "the words, or the whole line to remove") ","
             "\"evidence\":{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"description\":"
             "\"ids of the nodes that speak for it\"}",
             "\"section\",\"operation\",\"text\"")}, edit_memory},
    {{"summarise_block", "At the end of a block: what it taught, in a few sentences.",
      OBJECT(TEXT("text", "prose"), "\"text\"")}, summarise_block},
    {{"propose_regime",
      "At the end of a block: the simulation parameters of the next one. Leave it out to keep the regime "
      "or to let the host draw one.",
      OBJECT(CHANGES("changes", "simulation keys and values") "," TEXT("reason", "why"), "\"changes\"")}, propose_regime},
    {{"acknowledge", "Answer the person whose words are pending: what you will do about them.",
      OBJECT(TEXT("text", "to the person"), "\"text\"")}, acknowledge},
    {{"read_node", "What the record holds of one node.", OBJECT(WHOLE("node", "its id"), "\"node\"")}, read_node},
    {{"read_config", "The whole config of one node.", OBJECT(WHOLE("node", "its id"), "\"node\"")}, read_config},
    {{"read_log", "Entries of the log, at most twenty at a time.",
      OBJECT(WHOLE("first", "iteration") "," WHOLE("last", "iteration"), "\"first\",\"last\"")}, read_log},
    {{"read_figure", "One figure of a training.",
      OBJECT(WHOLE("iteration", "its id") "," TEXT("name", "of the file"), "\"iteration\",\"name\"")}, read_figure},
    {{"finish", "You have said all that was wanted.", OBJECT("", "")}, finish},
};
/* clang-format on */
enum { N_TOOLS = sizeof tools / sizeof *tools };

const struct cn_llm_tool *cn_talk_tools(int *out_n)
{
    static struct cn_llm_tool shown[N_TOOLS];

    for (int i = 0; i < N_TOOLS; i++)
        shown[i] = tools[i].shown;
    *out_n = N_TOOLS;
    return shown;
}

static cn_status unknown_tool(const char *name, struct cn_buf *reply)
{
    const char *names[N_TOOLS];
    int near;

    for (int i = 0; i < N_TOOLS; i++)
        names[i] = tools[i].shown.name;
    near = cn_text_nearest(name, names, N_TOOLS);
    cn_buf_printf(reply, "refused: there is no tool \"%.60s\"", name);
    if (near >= 0)
        cn_buf_printf(reply, "; did you mean \"%s\"?", names[near]);
    return CN_OK;
}

cn_status cn_talk_call(struct cn_talk *t, const char *name, const char *arguments,
                       struct cn_buf *reply, bool *out_error, struct cn_llm_block *out_figure,
                       struct cn_err *err)
{
    struct cn_args a = {.t = t, .reply = reply, .figure = out_figure};
    const struct tool *tool = NULL;
    struct cn_err why = CN_ERR_INIT;
    struct cn_json_doc *doc = NULL;
    cn_status st;

    cn_buf_reset(reply);
    *out_error = true;
    for (int i = 0; i < N_TOOLS; i++)
        if (strcmp(tools[i].shown.name, name) == 0)
            tool = &tools[i];
    if (!tool)
        return unknown_tool(name, reply);
    st = cn_json_parse("arguments", arguments, strlen(arguments), &doc, &why);
    if (st == CN_ENOMEM)
        return cn_err_set(err, st, "%s", why.text);
    a.root = doc ? cn_json_root(doc) : NULL;
    if (st != CN_OK)
        cn_args_refuse(&a, "arguments", "%s", why.text);
    else if (cn_json_kind(a.root) != CN_JSON_OBJECT)
        cn_args_refuse(&a, "arguments", "expected one object");
    else
        st = tool->call(&a);
    cn_json_free(doc);
    *out_error = a.bad;
    if (a.no_memory || (st != CN_OK && !a.bad))
        return cn_err_set(err, a.no_memory ? CN_ENOMEM : st, "%s: could not be carried out",
                          name);
    return CN_OK;
}
