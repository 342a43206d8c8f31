/* user_input.md: a person writes below "Pending Instructions" at any time; before the next
 * iteration is planned the words become messages of the store, and once acknowledged they move
 * below "Acknowledged" with the iteration's id. The store has every word before the file is
 * touched, and a file that changed while we worked is left for the next round, so no edit is
 * lost. */
#include <ctype.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/text.h"
#include "harness/loop/consult.h"
#include "harness/loop/run_int.h"

static const char pending_heading[] = "## Pending Instructions",
                  acknowledged_heading[] = "## Acknowledged";

const char cn_run_inbox_template[] =
    "# Instructions for this run\n"
    "\n"
    "Write below \"Pending Instructions\", one paragraph or list item each. They are read "
    "before the next\n"
    "iteration is planned. The word stop alone ends the run after what is running.\n"
    "\n"
    "## Pending Instructions\n"
    "\n"
    "## Acknowledged\n";

/* One pending item: text[start, end) of the file, trimmed words inside. */
struct item {
    size_t start, end;
    char *words; /* owned */
    char key[CN_HASH_TEXT];
};

enum { MAX_ITEMS = 256 };

struct inbox {
    char *path;         /* owned */
    struct cn_buf text; /* the file as it was read */
    size_t first, last; /* bytes between the two headings */
    struct item items[MAX_ITEMS];
    int n;
};

/* Start of the line that begins with `heading` (any case), or n when there is none. */
static size_t find_heading(const char *s, size_t n, const char *heading, size_t from)
{
    for (size_t at = from; at < n;) {
        const char *end = memchr(s + at, '\n', n - at);

        if (strncasecmp(s + at, heading, strlen(heading)) == 0)
            return at;
        at = end ? (size_t)(end - s) + 1 : n;
    }
    return n;
}

static size_t line_end(const char *s, size_t n, size_t at)
{
    const char *end = memchr(s + at, '\n', n - at);

    return end ? (size_t)(end - s) + 1 : n;
}

static bool is_blank(const char *s, size_t start, size_t end)
{
    for (size_t i = start; i < end; i++)
        if (!isspace((unsigned char)s[i]))
            return false;
    return true;
}

/* Words of an item: trimmed, without its list mark. */
static char *words_of(const char *s, size_t start, size_t end)
{
    while (start < end && isspace((unsigned char)s[start]))
        start++;
    if (start + 1 < end && strchr("-*+", s[start]) && s[start + 1] == ' ')
        start += 2;
    while (start < end && isspace((unsigned char)s[start]))
        start++;
    while (end > start && isspace((unsigned char)s[end - 1]))
        end--;
    return end > start ? cn_strndup(s + start, end - start) : NULL;
}

static int times_acknowledged(const struct inbox *b, const char *words)
{
    int n = 0;
    size_t len = strlen(words);
    const char *s = cn_buf_str(&b->text) + b->last, *hit;

    /* as compose() writes it: "- iteration 3: WORDS (answer)" */
    for (; (hit = strstr(s, words)) != NULL; s = hit + len)
        n += hit - s >= 2 && hit[-2] == ':' && hit[-1] == ' ' &&
             strncmp(hit + len, " (", 2) == 0;
    return n;
}

/* The same words may be said again later: the key counts how often they were answered
 * already. */
static void key_of(const struct inbox *b, int i, char out[CN_HASH_TEXT])
{
    int earlier = times_acknowledged(b, b->items[i].words);
    struct cn_buf k;

    for (int j = 0; j < i; j++)
        earlier += strcmp(b->items[j].words, b->items[i].words) == 0;
    cn_buf_init(&k, CN_CAP_TEXT);
    cn_buf_printf(&k, "%d:%s", earlier, b->items[i].words);
    cn_hash_hex(cn_buf_str(&k), k.len, out);
    cn_buf_clear(&k);
}

static bool is_list_mark(const char *s, size_t at, size_t end)
{
    return at + 1 < end && strchr("-*+", s[at]) && s[at + 1] == ' ';
}

static void add_item(struct inbox *b, size_t start, size_t end)
{
    struct item *it = &b->items[b->n];

    if (b->n == MAX_ITEMS || start >= end)
        return;
    *it = (struct item){
        .start = start, .end = end, .words = words_of(cn_buf_str(&b->text), start, end)};
    if (!it->words)
        return;
    key_of(b, b->n++, it->key);
}

static void split_items(struct inbox *b)
{
    const char *s = cn_buf_str(&b->text);
    size_t start = b->first;

    for (size_t at = b->first; at < b->last;) {
        size_t end = line_end(s, b->last, at);

        if (is_blank(s, at, end)) {
            add_item(b, start, at);
            start = end;
        } else if (is_list_mark(s, at, b->last)) {
            add_item(b, start, at);
            start = at;
        }
        at = end;
    }
    add_item(b, start, b->last);
}

static void inbox_clear(struct inbox *b)
{
    for (int i = 0; i < b->n; i++)
        cn_free(b->items[i].words);
    cn_buf_clear(&b->text);
    cn_free(b->path);
}

/* CN_ENOTFOUND when there is no file or no section to read. */
static cn_status inbox_init(struct inbox *b, const struct cn_run *r, struct cn_err *err)
{
    const char *s;
    cn_status st;

    memset(b, 0, sizeof *b);
    cn_buf_init(&b->text, CN_CAP_PROTOCOL);
    b->path = cn_file_join(r->dir, "user_input.md");
    if (!b->path)
        return cn_err_set(err, CN_ENOMEM, "user_input.md: no memory for its path");
    if (!cn_file_exists(b->path))
        return CN_ENOTFOUND;
    st = cn_file_read(b->path, CN_CAP_PROTOCOL, &b->text, err);
    if (st != CN_OK)
        return st;
    s = cn_buf_str(&b->text);
    if (strlen(s) != b->text.len || !cn_text_utf8_valid(s, b->text.len))
        return CN_ENOTFOUND; /* being written, or no text: nothing that could be acknowledged */
    b->first = find_heading(s, b->text.len, pending_heading, 0);
    if (b->first == b->text.len)
        return CN_ENOTFOUND;
    b->first = line_end(s, b->text.len, b->first);
    b->last = find_heading(s, b->text.len, "## ", b->first);
    split_items(b);
    return CN_OK;
}

cn_status cn_run_inbox_read(struct cn_run *r, struct cn_err *err)
{
    struct inbox b;
    cn_status st = inbox_init(&b, r, err);
    int64_t id;

    for (int i = 0; st == CN_OK && i < b.n; i++)
        st = cn_store_message_add(r->store, b.items[i].key, b.items[i].words, &id, err);
    inbox_clear(&b);
    return st == CN_ENOTFOUND ? CN_OK : st;
}

/* ------------------------------------------------------------------ answering */

static bool is_stop(const char *words)
{
    return strcasecmp(words, "stop") == 0 || strcasecmp(words, "stop.") == 0;
}

static const char *answer_to(const char *words)
{
    return is_stop(words) ? "stopping: nothing new is submitted"
                          : "read; this proposer cannot act on prose, it stays in the log for "
                            "people and models";
}

cn_status cn_run_inbox_answer(struct cn_run *r, const struct cn_history *h, int64_t iteration,
                              struct cn_err *err)
{
    cn_status st = CN_OK;

    for (int64_t i = 0; st == CN_OK && i < h->n_messages; i++) {
        const struct cn_message *m = &h->messages[i];

        if (m->acked_ms != 0)
            continue;
        /* A model answers in its own words; but it has no say about a stop. */
        if (cn_consult_is_on(r) && !is_stop(m->text) && !cn_consult_off(r)[0])
            continue;
        if (is_stop(m->text) && r->stop == 0)
            r->stop = 1;
        cn_run_tell(r, "message %lld: %s", (long long)m->id, answer_to(m->text));
        st = cn_store_message_ack(r->store, m->id, iteration, err);
    }
    return st;
}

/* ------------------------------------------------------------------ moving */

static const struct cn_message *acknowledged(const struct cn_history *h, const char *words,
                                             int nth)
{
    for (int64_t i = 0; i < h->n_messages; i++)
        if (h->messages[i].acked_ms != 0 && strcmp(h->messages[i].text, words) == 0 &&
            nth-- == 0)
            return &h->messages[i];
    return NULL;
}

/* The k-th of equal words in the file answers to the k-th of equal messages. */
static const struct cn_message *message_of(const struct inbox *b, const struct cn_history *h,
                                           int i)
{
    int nth = times_acknowledged(b, b->items[i].words);

    for (int j = 0; j < i; j++)
        nth += strcmp(b->items[j].words, b->items[i].words) == 0;
    return acknowledged(h, b->items[i].words, nth);
}

/* "- iteration 3: WORDS (ANSWER)"; times_acknowledged looks for it. */
static void put_acknowledged(const struct cn_message *m, const char *words, struct cn_buf *out)
{
    bool models = m->answer && m->answer[0];
    char at[CN_TIME_TEXT];

    cn_buf_printf(out, "- iteration %lld: %s (", (long long)m->acked_iteration, words);
    for (const char *s = models ? m->answer : answer_to(m->text); *s; s++) /* on one line */
        cn_buf_addc(out, *s == '\n' || *s == '\r' ? ' ' : *s);
    if (models)
        cn_buf_printf(out, "; %s", cn_clock_iso(m->acked_ms, at));
    cn_buf_adds(out, ")\n");
}

/* Words that came another way (`cairn say`) and are not below "Acknowledged" yet. */
static int add_said(const struct inbox *b, const struct cn_history *h, struct cn_buf *moved)
{
    int n = 0;

    for (int64_t i = 0; i < h->n_messages; i++) {
        const struct cn_message *m = &h->messages[i];
        int listed = m->acked_ms ? times_acknowledged(b, m->text) : 0, earlier = 0;

        if (m->acked_ms == 0)
            continue;
        for (int j = 0; j < b->n; j++)
            listed += strcmp(b->items[j].words, m->text) == 0 && message_of(b, h, j) != NULL;
        for (int64_t j = 0; j < i; j++)
            earlier +=
                h->messages[j].acked_ms != 0 && strcmp(h->messages[j].text, m->text) == 0;
        if (earlier < listed)
            continue;
        put_acknowledged(m, m->text, moved);
        n++;
    }
    return n;
}

static int compose(const struct inbox *b, const struct cn_history *h, struct cn_buf *out)
{
    const char *s = cn_buf_str(&b->text);
    struct cn_buf moved;
    size_t at = 0, section = find_heading(s, b->text.len, acknowledged_heading, b->last);
    int n = 0;

    cn_buf_init(&moved, CN_CAP_TEXT);
    for (int i = 0; i < b->n; i++) {
        const struct cn_message *m = message_of(b, h, i);

        if (!m)
            continue;
        cn_buf_add(out, s + at, b->items[i].start - at);
        at = b->items[i].end;
        put_acknowledged(m, b->items[i].words, &moved);
        n++;
    }
    n += add_said(b, h, &moved);
    cn_buf_adds(out, s + at);
    if (n > 0 && out->len > 0 && out->data[out->len - 1] != '\n')
        cn_buf_addc(out, '\n');
    if (n > 0 && section == b->text.len)
        cn_buf_printf(out, "\n%s\n", acknowledged_heading);
    cn_buf_adds(out, cn_buf_str(&moved));
    cn_buf_clear(&moved);
    return n;
}

/* Did somebody save the file since we read it? Then leave it; the next round sees all of it. */
static bool still_the_same(const struct inbox *b)
{
    struct cn_buf now;
    bool same;

    cn_buf_init(&now, CN_CAP_PROTOCOL);
    same = cn_file_read(b->path, CN_CAP_PROTOCOL, &now, NULL) == CN_OK &&
           now.len == b->text.len &&
           memcmp(cn_buf_str(&now), cn_buf_str(&b->text), now.len) == 0;
    cn_buf_clear(&now);
    return same;
}

cn_status cn_run_inbox_write(struct cn_run *r, const struct cn_history *h, struct cn_err *err)
{
    struct inbox b;
    struct cn_buf out;
    cn_status st = inbox_init(&b, r, err);

    cn_buf_init(&out, CN_CAP_TEXT);
    if (st == CN_OK && compose(&b, h, &out) > 0 && still_the_same(&b)) {
        st = cn_buf_status(&out);
        st = st == CN_OK ? cn_file_replace(b.path, out.data, out.len, err)
                         : cn_err_set(err, st, "user_input.md: too long");
    }
    cn_buf_clear(&out);
    inbox_clear(&b);
    return st == CN_ENOTFOUND ? CN_OK : st;
}
