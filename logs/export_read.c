/* The way back from JSON lines; see export.h. Nothing is taken on trust: types, ranges, order and
 * identities are checked here, the rules of a store when it is made. */
#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "base/yaml.h"
#include "logs/export.h"
#include "logs/store_int.h"

struct back {
    const char *name;
    int64_t line;
    struct cn_exported *out;
    struct cn_arena *arena;
    /* Of struct cn_text_version, const char *, cn_block, cn_message, cn_event, cn_node,
     * cn_iteration. */
    struct cn_buf texts, words, blocks, messages, events, nodes, iterations;
    const char *base; /* version 1 of the text "config"; NULL before it came */
    const struct cn_json *at;
    cn_status st;
    struct cn_err *err;
};

/* ---- members, checked ---- */

static void complain(struct back *b, const char *key, const char *expected)
{
    if (b->st == CN_OK)
        b->st = cn_err_set(b->err, CN_EINPUT, "%s:%lld: %s: expected %s", b->name,
                           (long long)b->line, key, expected);
}

static void no_memory(struct back *b)
{
    if (b->st == CN_OK)
        b->st = cn_err_set(b->err, CN_ENOMEM, "%s: no memory to read it", b->name);
}

static const char *keep(struct back *b, const char *s)
{
    const char *copy = cn_arena_strdup(b->arena, s);

    if (!copy)
        no_memory(b);
    return copy ? copy : "";
}

static const char *text(struct back *b, const char *key)
{
    const char *s = cn_json_string(cn_json_get(b->at, key));

    if (!s)
        complain(b, key, "a text");
    return s ? keep(b, s) : "";
}

static int64_t whole(struct back *b, const char *key, int64_t lo, int64_t hi)
{
    int64_t x = 0;

    if (!cn_json_int64(cn_json_get(b->at, key), &x) || x < lo || x > hi) {
        complain(b, key, "a whole number in its range");
        x = lo;
    }
    return x;
}

static bool yes(struct back *b, const char *key)
{
    bool x = false;

    if (!cn_json_bool(cn_json_get(b->at, key), &x))
        complain(b, key, "true or false");
    return x;
}

static uint64_t seed(struct back *b, const char *key)
{
    const char *raw = cn_json_raw_number(cn_json_get(b->at, key));
    uint64_t x = 0;

    if (!raw || !cn_text_parse_uint64(raw, &x))
        complain(b, key, "a seed, 0 to 2^64 - 1");
    return x;
}

/* null is NaN. */
static double number(struct back *b, const char *key)
{
    const struct cn_json *v = cn_json_get(b->at, key);
    double x = (double)NAN;

    if (!v || (cn_json_kind(v) != CN_JSON_NULL && !cn_json_number(v, &x)))
        complain(b, key, "a number or null");
    return x;
}

static int64_t time_of(struct back *b, const char *key)
{
    const struct cn_json *v = cn_json_get(b->at, key);
    int64_t ms = 0;

    if (!v || (cn_json_kind(v) != CN_JSON_NULL &&
               (!cn_json_string(v) || !cn_clock_parse_iso(cn_json_string(v), &ms) || ms < 0)))
        complain(b, key, "a time (ISO 8601) or null");
    return ms;
}

enum { MOST = CN_CAP_TREE_NODES };

/* ---- lines ---- */

static void read_run(struct back *b)
{
    struct cn_run_info *r = &b->out->history.info;
    const int64_t version = whole(b, "cairn_export", 1, INT64_MAX);

    if (b->st == CN_OK && version > CN_EXPORT_VERSION)
        b->st = cn_err_set(b->err, CN_EUNSUPPORTED,
                           "%s: export version %lld, this cairn reads up to %d", b->name,
                           (long long)version, CN_EXPORT_VERSION);
    r->name = text(b, "name");
    r->study = text(b, "study");
    r->created = text(b, "created");
    r->reward = text(b, "reward");
    r->reward_lower_is_better = yes(b, "reward_lower_is_better");
    r->converged = number(b, "converged");
    r->failed = number(b, "failed");
    r->n_iter_block = whole(b, "n_iter_block", 0, MOST);
    r->n_parallel = (int32_t)whole(b, "n_parallel", 1, CN_CAP_THREADS);
    r->proposer = text(b, "proposer");
    r->score_kind = text(b, "score_kind");
    r->ucb_c = number(b, "ucb_c");
    r->c_scale = text(b, "c_scale");
    r->log_keys = text(b, "log_keys");
    r->guardrails = text(b, "guardrails");
    r->log_fields = text(b, "log_fields");
    for (int i = 0; i < CN_EXPORT_FACTS; i++)
        if (cn_json_get(b->at, cn_export_facts[i]))
            b->out->facts[i] = text(b, cn_export_facts[i]);
}

static void read_text(struct back *b)
{
    struct cn_text_version t = {.kind = text(b, "kind"),
                                .version = whole(b, "version", 1, MOST),
                                .author = text(b, "author"),
                                .reason = text(b, "reason"),
                                .block = whole(b, "block", 0, MOST),
                                .at_ms = time_of(b, "at")};
    const char *words = text(b, "words");

    t.id = (int64_t)(b->texts.len / sizeof(t)) + 1;
    cn_hash_hex(words, strlen(words), t.hash);
    if (strcmp(t.kind, "config") == 0 && t.version == 1)
        b->base = words;
    cn_buf_add(&b->texts, &t, sizeof(t));
    cn_buf_add(&b->words, &words, sizeof(words));
}

static struct cn_mutation *read_mutations(struct back *b, const char *key, bool old, int *out_n)
{
    const struct cn_json *list = cn_json_get(b->at, key), *line = b->at;
    struct cn_mutation *m;

    *out_n = 0;
    if (cn_json_kind(list) != CN_JSON_ARRAY) {
        complain(b, key, "a list");
        return NULL;
    }
    m = cn_arena_alloc(b->arena, (size_t)cn_json_count(list) + 1, sizeof(*m));
    if (!m)
        no_memory(b);
    for (const struct cn_json *v = m ? cn_json_first(list) : NULL; v; v = cn_json_next(v)) {
        b->at = v;
        m[(*out_n)++] = (struct cn_mutation){text(b, "path"), old ? text(b, "old") : "",
                                             text(b, old ? "new" : "value")};
    }
    b->at = line;
    return m;
}

static void read_block(struct back *b)
{
    struct cn_block k = {.number = whole(b, "number", 1, MOST),
                         .first = whole(b, "first", 1, MOST),
                         .last = whole(b, "last", 0, MOST),
                         .closed = yes(b, "closed"),
                         .edit_note = text(b, "edit_note")};

    k.regime = read_mutations(b, "regime", false, &k.n_regime);
    if (k.number != (int64_t)(b->blocks.len / sizeof(k)) + 1)
        complain(b, "number", "blocks in order, from 1");
    cn_buf_add(&b->blocks, &k, sizeof(k));
}

static void read_message(struct back *b)
{
    const struct cn_message m = {.id = whole(b, "id", 1, INT64_MAX),
                                 .sent_ms = time_of(b, "sent"),
                                 .acked_ms = time_of(b, "acked"),
                                 .acked_iteration = whole(b, "acked_iteration", 0, MOST),
                                 .text = text(b, "text"),
                                 .answer =
                                     cn_json_get(b->at, "answer") ? text(b, "answer") : ""};

    cn_buf_add(&b->messages, &m, sizeof(m));
}

static void read_event(struct back *b)
{
    const struct cn_event e = {.at_ms = time_of(b, "at"),
                               .iteration = whole(b, "iteration", 0, MOST),
                               .kind = text(b, "kind"),
                               .text = text(b, "text")};

    cn_buf_add(&b->events, &e, sizeof(e));
}

/* The node's YAML, which must be one. */
static const char *config_of(struct back *b)
{
    const char *whole_text = cn_json_string(cn_json_get(b->at, "config_text"));
    const char *lines = cn_json_string(cn_json_get(b->at, "config_lines"));
    struct cn_err why = CN_ERR_INIT;
    struct cn_yaml *y = NULL;
    struct cn_buf made;
    const char *out = "";

    cn_buf_init(&made, CN_CAP_CONFIG * 2);
    if (whole_text)
        cn_buf_adds(&made, whole_text);
    else if (!lines)
        complain(b, "config_lines", "the lines of the node's config (or config_text)");
    else if (!b->base)
        complain(b, "config_lines", "a text \"config\", version 1, before it");
    else if (!cn_config_patched(b->base, lines, &made))
        complain(b, "config_lines", "lines of the base config");
    if (b->st == CN_OK && cn_buf_status(&made) != CN_OK)
        no_memory(b);
    if (b->st == CN_OK &&
        cn_yaml_parse("config", cn_buf_str(&made), made.len, &y, &why) != CN_OK)
        b->st = cn_err_set(b->err, CN_EINPUT, "%s:%lld: config: %s", b->name,
                           (long long)b->line, why.text);
    if (b->st == CN_OK)
        out = keep(b, cn_buf_str(&made));
    cn_yaml_free(y);
    cn_buf_clear(&made);
    return out;
}

static void read_node(struct back *b, const struct cn_iteration *it)
{
    struct cn_node n = {.id = it->id,
                        .parent = whole(b, "parent", 0, it->id - 1),
                        .block = it->block,
                        .strategy = text(b, "node_strategy"),
                        .proposer = text(b, "proposer"),
                        .config = config_of(b)};
    const char *hash = text(b, "config_hash");

    n.mutations = read_mutations(b, "mutations", true, &n.n_mutations);
    if (strlen(hash) >= sizeof(n.config_hash))
        complain(b, "config_hash", "64 hexadecimal digits");
    else
        cn_text_copy(n.config_hash, sizeof(n.config_hash), hash);
    cn_buf_add(&b->nodes, &n, sizeof(n));
}

static void read_metrics(struct back *b, struct cn_iteration *it)
{
    const struct cn_json *list = cn_json_get(b->at, "metrics");
    struct cn_metric *m;

    if (cn_json_kind(list) != CN_JSON_OBJECT) {
        complain(b, "metrics", "an object");
        return;
    }
    m = cn_arena_alloc(b->arena, (size_t)cn_json_count(list) + 1, sizeof(*m));
    if (!m)
        no_memory(b);
    it->metrics = m;
    for (const struct cn_json *v = m ? cn_json_first(list) : NULL; v; v = cn_json_next(v)) {
        struct cn_metric *x = &m[it->n_metrics++];
        x->name = keep(b, cn_json_name(v));
        x->value = (double)NAN;
        if (cn_json_kind(v) != CN_JSON_NULL && !cn_json_number(v, &x->value))
            complain(b, x->name, "a number or null");
    }
}

static void read_result(struct back *b, struct cn_iteration *it)
{
    if (!cn_iter_state_parse(text(b, "state"), &it->state))
        complain(b, "state", "planned ... committed");
    if (!cn_outcome_parse(text(b, "outcome"), &it->outcome))
        complain(b, "outcome", "ok, diverged, ...");
    if (!cn_class_parse(text(b, "class"), &it->cls))
        complain(b, "class", "converged, partial, failed or \"\"");
    it->reward = number(b, "reward");
    it->seconds = number(b, "seconds");
    read_metrics(b, it);
    it->attempt = (int32_t)whole(b, "attempt", 0, MOST);
    it->infra_retries = (int32_t)whole(b, "infra_retries", 0, 10000);
    it->token = text(b, "token");
    it->job = text(b, "job");
    it->planned_ms = time_of(b, "planned");
    it->submitted_ms = time_of(b, "submitted");
    it->finished_ms = time_of(b, "finished");
    if (it->state != CN_ITER_SUBMITTED && it->state != CN_ITER_RUNNING)
        return;
    /* Its job belongs to another folder: train it again here. */
    it->state = CN_ITER_PLANNED;
    it->attempt = 0;
    it->token = it->job = it->dir = "";
    it->submitted_ms = 0;
}

/* A folder of the run, by our own name and no other: it is joined to paths. */
static void check_dir(struct back *b, const struct cn_iteration *it)
{
    char own[32];

    cn_text_format(own, sizeof(own), "iter_%06lld", (long long)it->id);
    if (it->dir[0] && strcmp(it->dir, own) != 0)
        complain(b, "dir", own);
}

/* Only there when something was predicted. */
static const struct cn_prediction *read_prediction(struct back *b)
{
    struct cn_prediction *p;

    if (!cn_json_get(b->at, "prediction"))
        return NULL;
    p = cn_arena_alloc(b->arena, 1, sizeof *p);
    if (!p) {
        no_memory(b);
        return NULL;
    }
    *p = (struct cn_prediction){text(b, "prediction"), number(b, "expected"),
                                number(b, "probability")};
    return p;
}

static void read_iteration(struct back *b)
{
    const struct cn_iteration *all = (const void *)b->iterations.data;
    const int64_t n = (int64_t)(b->iterations.len / sizeof(*all));
    struct cn_iteration it = {.id = whole(b, "id", n ? all[n - 1].id + 1 : 1, MOST),
                              .node = whole(b, "node", 1, MOST),
                              .block = whole(b, "block", 0, MOST),
                              .slot = (int32_t)whole(b, "slot", 0, CN_CAP_THREADS),
                              .replicate = yes(b, "replicate"),
                              .confirmation = yes(b, "confirmation"),
                              .sim_seed = seed(b, "sim_seed"),
                              .train_seed = seed(b, "train_seed"),
                              .seed_mode = text(b, "seed_mode"),
                              .strategy = text(b, "strategy"),
                              .parent_rule = text(b, "parent_rule"),
                              .scored_value = number(b, "scored_value"),
                              .hypothesis = text(b, "hypothesis"),
                              .prediction = read_prediction(b),
                              .trajectory = text(b, "trajectory"),
                              .observation = text(b, "observation"),
                              .message = text(b, "message"),
                              .activity = text(b, "activity"),
                              .embedding = text(b, "embedding"),
                              .dir = text(b, "dir")};

    check_dir(b, &it);
    read_result(b, &it);
    if (it.id == it.node)
        read_node(b, &it);
    cn_buf_add(&b->iterations, &it, sizeof(it));
}

static void read_line(struct back *b, const char *line, size_t n)
{
    static const struct {
        const char *type;
        void (*read)(struct back *);
    } types[] = {{"run", read_run},     {"text", read_text},
                 {"block", read_block}, {"message", read_message},
                 {"event", read_event}, {"iteration", read_iteration}};
    struct cn_json_doc *doc = NULL;
    struct cn_err why = CN_ERR_INIT;
    bool known = false;

    b->st = cn_json_parse("", line, n, &doc, &why);
    if (b->st != CN_OK)
        b->st = cn_err_set(b->err, b->st, "%s:%lld: no JSON: %.600s", b->name,
                           (long long)b->line, why.text);
    b->at = cn_json_root(doc);
    const char *type = b->st == CN_OK ? cn_json_string(cn_json_get(b->at, "type")) : NULL;
    for (size_t i = 0; type && i < sizeof(types) / sizeof(types[0]); i++)
        if (strcmp(type, types[i].type) == 0 && (i == 0) == (b->line == 1)) {
            types[i].read(b);
            known = true;
        }
    if (!known)
        complain(b, "type",
                 b->line == 1 ? "\"run\" (an export of cairn begins so)"
                              : "text, block, message, event or iteration");
    cn_json_free(doc);
}

/* ---- all lines ---- */

static void *take(struct back *b, const struct cn_buf *from, size_t size, int64_t *out_n)
{
    void *copy = from->len ? cn_arena_alloc(b->arena, from->len, 1) : NULL;

    *out_n = 0;
    if (cn_buf_status(from) != CN_OK || (from->len && !copy)) {
        no_memory(b);
        return NULL;
    }
    if (from->len)
        memcpy(copy, from->data, from->len);
    *out_n = (int64_t)(from->len / size);
    return copy;
}

static void take_all(struct back *b)
{
    struct cn_history *h = &b->out->history;
    int64_t n;

    h->texts = take(b, &b->texts, sizeof(*h->texts), &h->n_texts);
    b->out->words = take(b, &b->words, sizeof(*b->out->words), &n);
    h->blocks = take(b, &b->blocks, sizeof(*h->blocks), &h->n_blocks);
    h->messages = take(b, &b->messages, sizeof(*h->messages), &h->n_messages);
    h->events = take(b, &b->events, sizeof(*h->events), &h->n_events);
    h->nodes = take(b, &b->nodes, sizeof(*h->nodes), &h->n_nodes);
    h->iterations = take(b, &b->iterations, sizeof(*h->iterations), &h->n_iterations);
}

static bool has_text(const struct cn_history *h, const char *kind)
{
    for (int64_t i = 0; i < h->n_texts; i++)
        if (strcmp(h->texts[i].kind, kind) == 0)
            return true;
    return false;
}

static void check_whole(struct back *b)
{
    const struct cn_history *h = &b->out->history;

    if (b->line == 0)
        complain(b, "run", "a first line {\"type\": \"run\", ...}");
    if (!has_text(h, "protocol") || !has_text(h, "config"))
        complain(b, "text", "a protocol and a config");
    for (int64_t i = 0; b->st == CN_OK && i < h->n_iterations; i++)
        if (!cn_history_node(h, h->iterations[i].node) ||
            (h->iterations[i].block && !cn_history_block(h, h->iterations[i].block)))
            b->st = cn_err_set(b->err, CN_EINPUT,
                               "%s: iteration %lld: its node or its block is not there",
                               b->name, (long long)h->iterations[i].id);
}

cn_status cn_export_read(const char *name, const char *words, size_t n, struct cn_exported *out,
                         struct cn_err *err)
{
    struct back b = {.name = name, .out = out, .st = CN_OK, .err = err};
    struct cn_buf *const all[] = {&b.texts,  &b.words, &b.blocks,    &b.messages,
                                  &b.events, &b.nodes, &b.iterations};

    memset(out, 0, sizeof(*out));
    cn_arena_init(&out->history.arena, CN_CAP_ARENA);
    b.arena = &out->history.arena;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        cn_buf_init(all[i], CN_CAP_FILE * 4);
    while (n > 0 && b.st == CN_OK) {
        const char *end = memchr(words, '\n', n);
        const size_t k = end ? (size_t)(end - words) : n;

        b.line++;
        read_line(&b, words, k);
        words += k + (end != NULL);
        n -= k + (end != NULL);
    }
    if (b.st == CN_OK)
        take_all(&b);
    if (b.st == CN_OK)
        check_whole(&b);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        cn_buf_clear(all[i]);
    return b.st;
}

void cn_exported_clear(struct cn_exported *e)
{
    cn_history_clear(&e->history);
    memset(e, 0, sizeof(*e));
}
