/* A language model of the tests, behind `command:`. It reads the prompt, finds the line "WANTED {...}"
 * and says what is wanted, sensibly and always the same.
 *
 *     toy_model FOLDER
 *
 * FOLDER/calls counts its calls; a line "3 MODE" in FOLDER/script makes the third call behave:
 *   refused     a slot that nobody asked for, an unknown parameter, a value out of range
 *   badedit     at a block's end: an edit of words that do not stand there
 *   promise     at a block's end: says that it will edit the rules, and does not
 *   prose       no object at all
 *   broken      an object that does not end
 *   silent      nothing
 *   fail        exit code 1
 *   later       exit code 75
 *   slow        five seconds of silence first (to be killed)
 *   all:MODE    as a line "all MODE": every call
 * Prompts are kept as FOLDER/prompt_003. */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

static char folder[1024];

static char *path_of(const char *name)
{
    char *p = cn_file_join(folder, name);

    if (!p)
        CN_BUG("no memory");
    return p;
}

static int64_t count_call(void)
{
    char *path = path_of("calls");
    struct cn_buf b;
    char text[32];
    int64_t n = 0;

    cn_buf_init(&b, CN_CAP_RECORD);
    if (cn_file_exists(path) && cn_file_read(path, CN_CAP_RECORD, &b, NULL) == CN_OK)
        (void)cn_text_parse_int64(cn_buf_str(&b), &n);
    cn_text_format(text, sizeof text, "%lld", (long long)++n);
    if (cn_file_replace(path, text, strlen(text), NULL) != CN_OK)
        CN_BUG("%s: cannot be written", path);
    cn_buf_clear(&b);
    cn_free(path);
    return n;
}

/* The mode of this call; "": sensible. */
static void read_mode(int64_t call, char out[32])
{
    char *path = path_of("script");
    struct cn_buf b;
    char mark[32];

    out[0] = '\0';
    cn_buf_init(&b, CN_CAP_RECORD);
    cn_text_format(mark, sizeof mark, "%lld ", (long long)call);
    if (cn_file_exists(path) && cn_file_read(path, CN_CAP_RECORD, &b, NULL) == CN_OK)
        for (const char *s = cn_buf_str(&b); *s; s += strcspn(s, "\n"), s += *s == '\n') {
            const char *words = cn_text_starts(s, mark)     ? s + strlen(mark)
                                : cn_text_starts(s, "all ") ? s + 4
                                                            : NULL;

            if (words)
                cn_text_format(out, 32, "%.*s", (int)strcspn(words, "\n"), words);
        }
    cn_buf_clear(&b);
    cn_free(path);
}

static void read_prompt(struct cn_buf *out, int64_t call)
{
    char chunk[65536], name[32];
    char *path;
    size_t n;

    while ((n = fread(chunk, 1, sizeof chunk, stdin)) > 0)
        cn_buf_add(out, chunk, n);
    cn_text_format(name, sizeof name, "prompt_%03lld", (long long)call);
    path = path_of(name);
    if (cn_file_replace(path, cn_buf_str(out), out->len, NULL) != CN_OK)
        CN_BUG("%s: cannot be written", path);
    cn_free(path);
}

/* The last line that begins with WANTED. */
static struct cn_json_doc *wanted(const char *prompt)
{
    const char *last = NULL;
    struct cn_json_doc *doc = NULL;
    struct cn_err err = CN_ERR_INIT;

    for (const char *s = prompt; (s = strstr(s, "\nWANTED ")) != NULL; s++)
        last = s + 8;
    if (!last)
        CN_BUG("the prompt has no line WANTED");
    if (cn_json_parse("wanted", last, strcspn(last, "\n"), &doc, &err) != CN_OK)
        CN_BUG("%s", err.text);
    return doc;
}

static bool wants(const struct cn_json *w, const char *key)
{
    bool yes = false;

    return cn_json_bool(cn_json_get(w, key), &yes) && yes;
}

static void put_analyses(struct cn_json_writer *w, const struct cn_json *want)
{
    const struct cn_json *ids = cn_json_get(want, "analyse");
    int64_t id;

    cn_json_open(w, "analyses", '[');
    for (const struct cn_json *x = cn_json_first(ids); x; x = cn_json_next(x)) {
        if (!cn_json_int64(x, &id))
            continue;
        cn_json_open(w, NULL, '{');
        cn_json_add_int(w, "iteration", id);
        cn_json_add_string(w, "observation", "The toy model saw this hill.");
        cn_json_add_string(w, "verdict", "inconclusive");
        cn_json_close(w);
    }
    cn_json_close(w);
}

static void put_proposal(struct cn_json_writer *w, int64_t slot, int64_t id, const char *path,
                         double value)
{
    cn_json_open(w, NULL, '{');
    cn_json_add_int(w, "slot", slot);
    cn_json_add_int(w, "parent", 0);
    cn_json_add_string(w, "strategy", "explore");
    cn_json_open(w, "mutations", '[');
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "path", path);
    cn_json_add_double(w, "value", value);
    cn_json_close(w);
    cn_json_close(w);
    cn_json_add_string(w, "hypothesis", "The hill lies at another gain.");
    cn_json_add_string(w, "prediction", "The score changes.");
    cn_json_add_double(w, "expected", 0.1 * (double)(id % 7));
    cn_json_add_double(w, "probability", 0.75);
    cn_json_close(w);
}

static void put_proposals(struct cn_json_writer *w, const struct cn_json *want, bool wrong)
{
    const struct cn_json *ids = cn_json_get(want, "propose");
    int64_t id;

    cn_json_open(w, "proposals", '[');
    for (const struct cn_json *x = cn_json_first(ids); x; x = cn_json_next(x)) {
        if (!cn_json_int64(x, &id))
            continue;
        if (wrong) {
            put_proposal(w, id + 500, id, "training.gain", 0.7);
            put_proposal(w, id, id, "training.gian", 0.7);
            put_proposal(w, id, id, "training.gain", 77);
        } else {
            put_proposal(w, id, id, "training.gain", 0.6 + 0.05 * (double)(id % 20));
        }
    }
    cn_json_close(w);
}

static void put_edit(struct cn_json_writer *w, const char *mode)
{
    bool bad = strcmp(mode, "badedit") == 0;

    if (strcmp(mode, "promise") == 0)
        return;
    cn_json_open(w, "edits", '[');
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "old",
                       bad ? "words that stand nowhere"
                           : "| Default | **exploit** | Use highest UCB node, try new "
                             "mutation |");
    cn_json_add_string(w, "new",
                       "| Default | **explore** | Use highest UCB node, try new mutation |");
    cn_json_add_string(w, "reason", "the toy model wants more exploration");
    cn_json_close(w);
    cn_json_close(w);
}

static void put_no_edit(struct cn_json_writer *w)
{
    cn_json_open(w, "protocol_edit", '{');
    cn_json_add_string(w, "no_change_reason", "the rules served well");
    cn_json_close(w);
}

static void put_block_end(struct cn_json_writer *w, const struct cn_json *want,
                          const char *mode)
{
    int64_t block = 0;

    (void)cn_json_int64(cn_json_get(want, "block"), &block);
    cn_json_add_string(w, "summary", "The toy model climbed a little.");
    if (block == 1)
        put_edit(w, mode);
    else
        put_no_edit(w);
    cn_json_open(w, "memory", '[');
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "section", "Hypothesis");
    cn_json_add_string(w, "operation", "replace");
    cn_json_add_string(w, "text", "- the toy model expects more of a larger gain");
    cn_json_close(w);
    cn_json_close(w);
    if (!wants(want, "regime"))
        return;
    cn_json_open(w, "regime", '[');
    cn_json_open(w, NULL, '{');
    cn_json_add_string(w, "path", "simulation.n_frames");
    cn_json_add_int(w, "value", 4000);
    cn_json_close(w);
    cn_json_close(w);
}

static void put_answer(const struct cn_json *want, const char *mode, struct cn_buf *out)
{
    struct cn_json_writer w;

    cn_buf_adds(out, strcmp(mode, "promise") == 0
                         ? "I will edit the rule table next.\n```json\n"
                         : "Here it is.\n```json\n");
    cn_json_begin(&w, out, 2);
    cn_json_open(&w, NULL, '{');
    put_analyses(&w, want);
    put_proposals(&w, want, strcmp(mode, "refused") == 0);
    if (wants(want, "summary"))
        put_block_end(&w, want, mode);
    if (wants(want, "acknowledge"))
        cn_json_add_string(&w, "acknowledge", "The toy model will\nlook at it.");
    cn_json_close(&w);
    cn_buf_adds(out, "\n```\n");
}

int main(int argc, char **argv)
{
    struct cn_buf prompt, out;
    struct cn_json_doc *want;
    char mode[32];
    int64_t call;

    if (argc != 2)
        return 2;
    cn_text_format(folder, sizeof folder, "%.1000s", argv[1]);
    cn_buf_init(&prompt, CN_CAP_TEXT);
    cn_buf_init(&out, CN_CAP_TEXT);
    call = count_call();
    read_mode(call, mode);
    read_prompt(&prompt, call);
    if (getenv("ANTHROPIC_API_KEY") || getenv("OPENAI_API_KEY"))
        return 3; /* a key of ours came through */
    if (strcmp(mode, "fail") == 0 || strcmp(mode, "later") == 0)
        return mode[0] == 'f' ? 1 : 75;
    if (strcmp(mode, "slow") == 0)
        (void)sleep(5);
    want = wanted(cn_buf_str(&prompt));
    if (strcmp(mode, "prose") == 0)
        cn_buf_adds(&out, "I would rather talk about the weather.\n");
    else if (strcmp(mode, "silent") != 0)
        put_answer(cn_json_root(want), mode, &out);
    if (strcmp(mode, "broken") == 0)
        out.len /= 2;
    (void)fwrite(cn_buf_str(&out), 1, out.len, stdout);
    cn_json_free(want);
    cn_buf_clear(&out);
    cn_buf_clear(&prompt);
    return 0;
}
