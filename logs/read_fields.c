/* One line of a record or of a block summary. */
#include <math.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/banned.h"
#include "base/text.h"
#include "logs/read_int.h"

/* ---- values ---- */

static int64_t parent_of(struct cn_words v)
{
    if (cn_read_words_start(v, "root") || cn_read_words_start(v, "None") ||
        cn_read_words_start(v, "0"))
        return 0;
    int64_t id = cn_read_words_id(&v);
    return id ? id : CN_READ_NO_PARENT;
}

static bool is_key(struct cn_words k, const char *name)
{
    return k.n == strlen(name) && memcmp(k.p, name, k.n) == 0;
}

static uint64_t seed_of(struct cn_words line, const char *key)
{
    struct cn_words v;
    bool loose = false;
    char text[32];
    uint64_t x = 0;

    if (!cn_read_words_value(line, key, &v, &loose) || v.n >= sizeof(text))
        return 0;
    memcpy(text, v.p, v.n);
    text[v.n] = '\0';
    return cn_text_parse_uint64(text, &x) ? x : 0;
}

/* Room for one more behind `n` items: doubles whenever n is a power of two. */
static void *grow(struct cn_reader *r, void *old, int n, size_t size)
{
    if (n & (n - 1))
        return old;
    void *p = cn_arena_alloc(&r->log->history.arena, n ? 2 * (size_t)n : 1, size);
    if (!p) {
        r->st = cn_err_set(r->err, CN_ENOMEM, "no memory to read the log");
        return NULL;
    }
    if (n)
        memcpy(p, old, (size_t)n * size);
    return p;
}

/* ---- lists ---- */

static struct cn_mutation *read_pairs(struct cn_reader *r, struct cn_words list, int *out_n)
{
    struct cn_mutation *m = NULL;
    struct cn_words k, v;
    bool loose;

    *out_n = 0;
    while (r->st == CN_OK && cn_read_words_pair(&list, &k, &v, &loose)) {
        struct cn_mutation *more = grow(r, m, *out_n, sizeof(*m));
        if (!more)
            break;
        m = more;
        m[*out_n] = (struct cn_mutation){cn_reader_keep(r, k), "", cn_reader_keep(r, v)};
        (*out_n)++;
    }
    return m;
}

static void add_metric(struct cn_reader *r, struct cn_raw *raw, struct cn_words key, double x)
{
    /* One value a name: what a store and a table can hold. */
    for (int i = 0; i < raw->n_metrics; i++)
        if (is_key(key, raw->metrics[i].name)) {
            if (!is_key(key, r->reward) && raw->metrics[i].value != x)
                cn_reader_warn(r, CN_READ_MULTI_VALUE, r->line, raw->id,
                               "a second value of %s; the first is kept", raw->metrics[i].name);
            return;
        }

    if (raw->n_metrics == CN_READ_METRICS_MAX) {
        if (!raw->metrics_cut)
            cn_reader_warn(r, CN_READ_CUT, r->line, raw->id,
                           "more than %d metrics: %.*s and what follows is dropped",
                           CN_READ_METRICS_MAX, (int)(key.n < 40 ? key.n : 40), key.p);
        raw->metrics_cut = true;
        return;
    }
    struct cn_metric *more = grow(r, raw->metrics, raw->n_metrics, sizeof(*more));

    if (!more)
        return;
    raw->metrics = more;
    raw->metrics[raw->n_metrics].name = cn_reader_keep(r, key);
    raw->metrics[raw->n_metrics++].value = x;
}

static void found_reward(struct cn_reader *r, struct cn_raw *raw, double x)
{
    if (raw->n_rewards++ && !(raw->reward == x))
        cn_reader_warn(r, CN_READ_MULTI_VALUE, r->line, raw->id,
                       "a second value of %s; the first is kept", r->reward);
    if (raw->n_rewards == 1)
        raw->reward = x;
}

/* "a=1, b: 2": every pair a metric; the reward among them is the reward. */
static void read_metrics(struct cn_reader *r, struct cn_raw *raw, struct cn_words list)
{
    struct cn_words k, v;
    bool loose;
    double x;

    while (r->st == CN_OK && cn_read_words_pair(&list, &k, &v, &loose)) {
        bool number = cn_read_words_number(v, &x) > 0;
        if (!number) {
            cn_reader_warn(r, CN_READ_BAD_NUMBER, r->line, raw->id, "%.*s is no number: %.*s",
                           (int)(k.n < 40 ? k.n : 40), k.p, (int)(v.n < 40 ? v.n : 40), v.p);
            continue;
        }
        if (loose)
            cn_reader_warn(r, CN_READ_LOOSE_FORM, r->line, raw->id, "%.*s with a colon",
                           (int)(k.n < 40 ? k.n : 40), k.p);
        if (is_key(k, r->reward))
            found_reward(r, raw, x);
        add_metric(r, raw, k, x);
    }
}

/* "Slot 2: connectivity_R2=0.45, ..." */
static void read_slot(struct cn_reader *r, struct cn_raw *raw, struct cn_words line)
{
    struct cn_words v;
    bool loose = false;
    double x;

    if (!cn_read_words_value(line, r->reward, &v, &loose) || !cn_read_words_number(v, &x) ||
        isnan(x))
        return;
    raw->slot_sum += x;
    raw->slot_min = raw->n_slots ? fmin(raw->slot_min, x) : x;
    raw->slot_max = raw->n_slots ? fmax(raw->slot_max, x) : x;
    raw->slot_first = raw->n_slots ? raw->slot_first : x;
    raw->slot_last = x;
    if (raw->n_slots++ == 1)
        cn_reader_warn(r, CN_READ_MULTI_VALUE, r->line, raw->id, "several slots give %s",
                       r->reward);
}

/* ---- prose ---- */

void cn_reader_prose(struct cn_reader *r, struct cn_read_prose *p, int64_t id,
                     struct cn_words words)
{
    static const char between[] = " | ";
    const size_t gap = p->n ? sizeof(between) - 1 : 0;

    words = cn_read_words_trim(words);
    if (words.n == 0 || r->st != CN_OK || p->cut)
        return;
    if (p->n + gap + words.n > CN_READ_PROSE_MAX) {
        p->cut = true;
        cn_reader_warn(r, CN_READ_CUT, r->line, id,
                       "more than %d bytes of prose: nothing is kept from here on",
                       CN_READ_PROSE_MAX);
        return;
    }
    if (p->n + gap + words.n > p->room) {
        size_t room = p->room ? p->room : 128;
        while (room < p->n + gap + words.n)
            room *= 2;
        char *more = cn_arena_alloc(&r->log->history.arena, room, 1);
        if (!more) {
            r->st = cn_err_set(r->err, CN_ENOMEM, "no memory to read the log");
            return;
        }
        if (p->n)
            memcpy(more, p->p, p->n);
        p->p = more;
        p->room = room;
    }
    memcpy(p->p + p->n, between, gap);
    memcpy(p->p + p->n + gap, words.p, words.n);
    p->n += gap + words.n;
}

/* Lines of theirs that are prose to us, and (ours) what the host makes of the record itself. */
static const struct {
    const char *name;
    bool derived; /* in a log of ours: not kept, it is made anew */
} known[] = {
    {"Variance update", true}, {"Degeneracy", true},   {"CODE MODIFICATION", false},
    {"File", false},           {"Function", false},    {"Change", false},
    {"Hypothesis", false},     {"Seed stats", true},   {"Stability", true},
    {"Verdict", false},        {"Slot", false},        {"Prediction", false},
    {"Rationale", false},      {"Best so far", false}, {"Branch type", false},
    {"Note", false},           {"Notes", false},       {"Result", false},
    {"Regime", false},         {"Time", false},
};

/* "Name: text" with a name of at most five words that begins with a capital; its length. */
static size_t name_length(struct cn_words w)
{
    size_t n = 0;
    int words = 1;

    if (w.n == 0 || w.p[0] < 'A' || w.p[0] > 'Z')
        return 0;
    while (n < w.n && n < 40 && w.p[n] != ':') {
        if (strchr(".,;=()[]\"", w.p[n]))
            return 0;
        words += w.p[n] == ' ';
        n++;
    }
    return n < w.n && w.p[n] == ':' && words <= 5 ? n : 0;
}

/* A line that is no field of ours: prose, unless we would write it again ourselves. */
static void keep_prose(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    const size_t n = name_length(w);
    bool is_known = n == 0;

    for (size_t i = 0; !is_known && i < sizeof(known) / sizeof(known[0]); i++) {
        if (strlen(known[i].name) != n || memcmp(known[i].name, w.p, n) != 0)
            continue;
        if (known[i].derived && r->ours)
            return;
        is_known = true;
    }
    if (!is_known)
        cn_reader_warn(r, CN_READ_UNKNOWN_FIELD, r->line, raw->id,
                       "\"%.*s\" is no field of a log: kept as prose", (int)n, w.p);
    cn_reader_prose(r, &raw->prose, raw->id, w);
}

/* ---- mutations: "key: old -> new; key: old -> new" ---- */

static size_t find(struct cn_words w, const char *what)
{
    size_t n = strlen(what);

    for (size_t i = 0; i + n <= w.n; i++)
        if (memcmp(w.p + i, what, n) == 0)
            return i;
    return (size_t)-1;
}

/* Where the next mutation starts: behind "; ", or behind ", " when "name: x -> y" follows. */
static size_t mutation_end(struct cn_words w, size_t *out_skip)
{
    bool quoted = false;

    *out_skip = 2;
    for (size_t i = 0; i + 1 < w.n; i++) {
        if (w.p[i] == '"')
            quoted = !quoted;
        if (quoted || (w.p[i] != ';' && w.p[i] != ',') || w.p[i + 1] != ' ')
            continue;
        struct cn_words rest = cn_read_words_after(w, i + 2);
        size_t colon = find(rest, ": "), arrow = find(rest, "->"), blank = find(rest, " ");
        if (w.p[i] == ';' ||
            (colon != (size_t)-1 && arrow != (size_t)-1 && colon < arrow && colon < blank))
            return i;
    }
    *out_skip = 0;
    return w.n;
}

static struct cn_words bare(struct cn_words w)
{
    w = cn_read_words_trim(w);
    if (w.n >= 2 && (w.p[0] == '"' || w.p[0] == '`') && w.p[w.n - 1] == w.p[0])
        return (struct cn_words){w.p + 1, w.n - 2};
    return w;
}

static bool read_mutation(struct cn_reader *r, struct cn_raw *raw, struct cn_words part)
{
    static const char *const arrows[] = {" -> ", "->", "\xe2\x86\x92"};
    size_t colon = find(part, ": "), arrow = (size_t)-1, width = 0;

    for (int i = 0; i < 3 && arrow == (size_t)-1; i++) {
        arrow = find(part, arrows[i]);
        width = strlen(arrows[i]);
    }
    if (colon == (size_t)-1 || arrow == (size_t)-1 || arrow < colon)
        return false;
    struct cn_mutation *more = grow(r, raw->mutations, raw->n_mutations, sizeof(*more));
    if (!more)
        return true;
    struct cn_words old = {part.p + colon + 2, arrow - colon - (arrow > colon + 1 ? 2 : 1)};
    struct cn_words new = bare(cn_read_words_after(part, arrow + width));
    size_t note = find(new, " (");
    if (note != (size_t)-1)
        new.n = note;
    raw->mutations = more;
    raw->mutations[raw->n_mutations++] =
        (struct cn_mutation){cn_reader_keep(r, bare((struct cn_words){part.p, colon})),
                             cn_reader_keep(r, bare(old)), cn_reader_keep(r, bare(new))};
    return true;
}

static void read_mutations(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    if (w.n == 0 || (w.n >= 4 && strncasecmp(w.p, "none", 4) == 0))
        return;
    for (size_t skip = 0; w.n && r->st == CN_OK;) {
        size_t n = mutation_end(w, &skip);
        if (!read_mutation(r, raw, (struct cn_words){w.p, n}))
            cn_reader_warn(r, CN_READ_DROPPED, r->line, raw->id,
                           "not \"key: old -> new\": %.*s", (int)(n < 80 ? n : 80), w.p);
        w = cn_read_words_after(w, n + skip);
    }
}

/* ---- the fields of a record ---- */

static void read_node(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    struct cn_words v;
    bool loose = false;

    if (cn_read_words_value(w, "id", &v, &loose))
        raw->node = cn_read_words_id(&v);
    if (cn_read_words_value(w, "parent", &v, &loose))
        raw->parent = parent_of(v);
    if (raw->node == 0)
        cn_reader_warn(r, CN_READ_DROPPED, r->line, raw->id, "a Node line without an id");
    if (raw->parent == CN_READ_NO_PARENT)
        cn_reader_warn(r, CN_READ_UNKNOWN_PARENT, r->line, raw->id,
                       "the Node line names no parent: what the entry before announced, "
                       "or root");
    if (loose)
        cn_reader_warn(r, CN_READ_LOOSE_FORM, r->line, raw->id, "Node line");
}

static void read_next(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    struct cn_words v;
    bool loose = false;

    if (!cn_read_words_value(w, "parent", &v, &loose))
        return;
    raw->next = parent_of(v);
    if (loose)
        cn_reader_warn(r, CN_READ_LOOSE_FORM, r->line, raw->id, "Next line");
}

static void read_outcome(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    char name[32];
    size_t n = 0, at = find(w, "message: ");

    while (n < w.n && n + 1 < sizeof(name) && w.p[n] >= 'a' && w.p[n] <= 'z') {
        name[n] = w.p[n];
        n++;
    }
    name[n] = '\0';
    if (n == 0 || !cn_outcome_parse(name, &raw->outcome))
        cn_reader_warn(r, CN_READ_DROPPED, r->line, raw->id, "unknown outcome: %s", name);
    if (at != (size_t)-1)
        raw->message = cn_reader_keep(r, cn_read_words_after(w, at + 9));
}

static void read_seeds(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    struct cn_words v;
    bool loose = false;

    raw->sim_seed = seed_of(w, "sim_seed");
    raw->train_seed = seed_of(w, "train_seed");
    if (cn_read_words_value(w, "rationale", &v, &loose))
        raw->seed_mode = cn_reader_keep(r, v);
}

static void read_replicate(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    (void)r;
    if (cn_read_words_start(w, "of node "))
        w = cn_read_words_after(w, 8);
    raw->replicate_of = cn_read_words_id(&w);
}

static void read_confirmation(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    (void)r;
    (void)w;
    raw->confirmation = true;
}

/* The first entry of a log of ours names the keys that its Config lines show; a log without
 * such a list has no Config line there. Theirs name keys as they please. */
static void read_config(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    struct cn_words k, v;
    struct cn_buf keys;
    bool loose;

    if (!r->ours)
        raw->config = read_pairs(r, w, &raw->n_config);
    if (!r->ours || raw->id != 1)
        return;
    cn_buf_init(&keys, w.n + 1);
    while (cn_read_words_pair(&w, &k, &v, &loose)) {
        cn_buf_adds(&keys, keys.len ? "," : "");
        cn_buf_add(&keys, k.p, k.n);
    }
    r->log->history.info.log_keys =
        cn_reader_keep(r, (struct cn_words){cn_buf_str(&keys), keys.len});
    cn_buf_clear(&keys);
}

/* When it was said is lost with the store; that it was said and read is not. In a log of others
 * such a line is nobody's wish to a run of ours. */
static void read_instruction(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    if (!r->ours) {
        cn_reader_prose(r, &raw->prose, raw->id, w);
        return;
    }
    const struct cn_message m = {.id = (int64_t)(r->messages.len / sizeof(m)) + 1,
                                 .sent_ms = 1,
                                 .acked_ms = 1,
                                 .acked_iteration = raw->id,
                                 .text = cn_reader_keep(r, w)};

    if (m.text[0])
        cn_buf_add(&r->messages, &m, sizeof(m));
}

#define TEXT_FIELD(member)                                                                \
    static void read_##member(struct cn_reader *r, struct cn_raw *raw, struct cn_words w) \
    {                                                                                     \
        raw->member = cn_reader_keep(r, w);                                               \
    }
TEXT_FIELD(strategy)
TEXT_FIELD(parent_rule)
TEXT_FIELD(observation)
TEXT_FIELD(hypothesis)
TEXT_FIELD(activity)
TEXT_FIELD(embedding)
TEXT_FIELD(trajectory)

/* prose: may a quoted reward in this line mislead? (Config, Seeds and the like hold none.) */
static const struct field {
    const char *name;
    void (*read)(struct cn_reader *, struct cn_raw *, struct cn_words);
    bool prose;
} fields[] = {
    {"Node", read_node, false},
    {"Mode/Strategy", read_strategy, true},
    {"Seeds", read_seeds, true},
    {"Config", read_config, true},
    {"Metrics", read_metrics, false},
    {"R2 trajectory", read_trajectory, true},
    {"Activity", read_activity, true},
    {"Embedding", read_embedding, true},
    {"Mutation", read_mutations, true},
    {"Parent rule", read_parent_rule, true},
    {"User instruction", read_instruction, true},
    {"Observation", read_observation, true},
    {"Hypothesis tested", read_hypothesis, true},
    {"Next", read_next, false},
    {"Outcome", read_outcome, true},
    {"Replicate", read_replicate, false},
    {"Confirmation", read_confirmation, false},
};

/* The field that a line begins with; *out_value what stands behind its colon. */
static const struct field *field_of(struct cn_words w, bool caseless,
                                    struct cn_words *out_value)
{
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        size_t n = strlen(fields[i].name);
        if (w.n <= n || w.p[n] != ':')
            continue;
        if ((caseless ? strncasecmp(w.p, fields[i].name, n) : memcmp(w.p, fields[i].name, n)) !=
            0)
            continue;
        *out_value = cn_read_words_trim(cn_read_words_after(w, n + 1));
        return &fields[i];
    }
    return NULL;
}

static bool is_slot(struct cn_words w)
{
    struct cn_words rest = cn_read_words_after(w, 5);

    if (!cn_read_words_start(w, "Slot ") || rest.n == 0)
        return false;
    while (rest.n && rest.p[0] >= '0' && rest.p[0] <= '9')
        rest = cn_read_words_after(rest, 1);
    return rest.n && (rest.p[0] == ':' || rest.p[0] == ' ');
}

/* A line that begins with the reward itself: "connectivity_R2: 0.8". */
static bool is_bare_reward(const struct cn_reader *r, struct cn_words w)
{
    struct cn_words v;
    bool loose;
    double x;

    return cn_read_words_start(w, r->reward) && cn_read_words_value(w, r->reward, &v, &loose) &&
           v.p < w.p + strlen(r->reward) + 4 && cn_read_words_number(v, &x);
}

static bool is_blank_line(struct cn_words w)
{
    w = cn_read_words_trim(w);
    return w.n == 0 || cn_read_words_start(w, "---") || cn_read_words_start(w, "```") ||
           cn_read_words_start(w, "<!--");
}

static void other_line(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    if (is_blank_line(w))
        return;
    if (is_slot(w)) {
        read_slot(r, raw, w);
        cn_reader_prose(r, &raw->prose, raw->id, w);
    } else if (is_bare_reward(r, w)) {
        cn_reader_warn(r, CN_READ_LOOSE_FORM, r->line, raw->id, "%s on a line of its own",
                       r->reward);
        read_metrics(r, raw, w);
    } else if (cn_read_words_quotes_metric(w, r->reward)) {
        cn_reader_warn(r, CN_READ_PROSE_METRIC, r->line, raw->id,
                       "%s is quoted outside the Metrics line; not taken", r->reward);
        cn_reader_prose(r, &raw->prose, raw->id, w);
    } else {
        keep_prose(r, raw, w);
    }
}

bool cn_reader_is_field(struct cn_words line)
{
    struct cn_words value;

    return field_of(line, false, &value) != NULL;
}

void cn_reader_metric(struct cn_reader *r, struct cn_raw *raw, const char *key, double x)
{
    add_metric(r, raw, (struct cn_words){key, strlen(key)}, x);
}

void cn_reader_mutations(struct cn_reader *r, struct cn_raw *raw, struct cn_words w)
{
    read_mutations(r, raw, w);
}

void cn_reader_field(struct cn_reader *r, struct cn_raw *raw, struct cn_words line)
{
    struct cn_buf scratch;
    struct cn_words w = line, value = {line.p, 0};
    const struct field *f = field_of(w, false, &value);

    cn_buf_init(&scratch, line.n + 1);
    if (!f) {
        bool stripped = cn_read_words_plain(&w, &scratch);
        f = field_of(w, true, &value);
        if (f)
            cn_reader_warn(r, CN_READ_LOOSE_FORM, r->line, raw->id, "%s line%s", f->name,
                           stripped ? " with decoration" : "");
    }
    if (f) {
        f->read(r, raw, value);
        if (f->prose && cn_read_words_quotes_metric(value, r->reward))
            cn_reader_warn(r, CN_READ_PROSE_METRIC, r->line, raw->id,
                           "%s is quoted in %s; not taken", r->reward, f->name);
    } else {
        other_line(r, raw, w);
    }
    cn_buf_clear(&scratch);
}

/* ---- block summaries ---- */

void cn_reader_block_field(struct cn_reader *r, struct cn_raw_block *b, struct cn_words line)
{
    struct cn_words w = cn_read_words_trim(line);

    if (cn_read_words_start(w, "Simulation: "))
        b->regime = read_pairs(r, cn_read_words_after(w, 12), &b->n_regime);
    else if (cn_read_words_start(w, "Next simulation: "))
        b->next_regime = read_pairs(r, cn_read_words_after(w, 17), &b->n_next_regime);
    else if (cn_read_words_start(w, "Protocol edit: "))
        b->edit_note = cn_reader_keep(r, cn_read_words_after(w, 15));
    else if (cn_read_words_start(w, "INSTRUCTIONS EDITED: "))
        b->edit_note = cn_reader_keep(r, cn_read_words_after(w, 21));
    else if (!cn_read_words_start(w, "Node: ") && !is_blank_line(w))
        cn_reader_prose(r, &b->prose, 0, w);
}
