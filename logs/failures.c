/* See failures.h. */
#include "logs/failures.h"

#include <stdlib.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "logs/project_int.h"

enum { SIGNATURE_MOST = 400 };

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Bytes of a word that is a path (it holds a '/' between other bytes); else 0. */
static size_t path_length(const char *s)
{
    size_t n = strcspn(s, " \t\r\n,;\"'()");
    const char *slash = memchr(s, '/', n);

    return slash && n > 1 ? n : 0;
}

/* Bytes of a number: digits with point, sign of the exponent, hexadecimal digits behind "0x". */
static size_t number_length(const char *s)
{
    size_t n = 0;

    if (!is_digit(*s))
        return 0;
    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
        return 2 + strspn(s + 2, "0123456789abcdefABCDEF");
    while (
        is_digit(s[n]) || (s[n] == '.' && is_digit(s[n + 1])) ||
        ((s[n] == 'e' || s[n] == 'E') &&
         (is_digit(s[n + 1]) || (s[n + 1] && strchr("+-", s[n + 1]) && is_digit(s[n + 2])))) ||
        (strchr("+-", s[n]) && s[n] && n && (s[n - 1] == 'e' || s[n - 1] == 'E')))
        n++;
    return n;
}

void cn_failure_signature(const char *message, struct cn_buf *out)
{
    size_t start = out->len;
    bool fresh = true; /* at the start of a word */

    while (*message && out->len - start < SIGNATURE_MOST) {
        size_t n = fresh ? path_length(message) : 0, k = n ? 0 : number_length(message);
        if (n) {
            cn_buf_adds(out, "PATH");
        } else if (k) {
            cn_buf_addc(out, '#');
        } else {
            cn_buf_addc(out, *message);
        }
        fresh = n == 0 && k == 0 && strchr(" \t\r\n,;\"'()", *message) != NULL;
        message += n ? n : k ? k : 1;
    }
}

static int by_kind(const void *a, const void *b)
{
    const struct cn_failure *x = a, *y = b;
    int c = (int)x->outcome - (int)y->outcome;

    if (c == 0)
        c = strcmp(x->signature, y->signature);
    return c ? c : (x->first > y->first) - (x->first < y->first);
}

static int by_count(const void *a, const void *b)
{
    const struct cn_failure *x = a, *y = b;

    if (x->n != y->n)
        return x->n < y->n ? 1 : -1;
    return (x->last < y->last) - (x->last > y->last);
}

static cn_status add(struct cn_failures *f, const struct cn_iteration *it, struct cn_buf *text)
{
    struct cn_failure *e = &f->all[f->n++];

    cn_buf_reset(text);
    cn_failure_signature(it->message, text);
    *e = (struct cn_failure){
        cn_arena_strdup(&f->arena, cn_buf_str(text)), it->outcome, 1, it->id, it->id, it};
    return e->signature ? cn_buf_status(text) : CN_ENOMEM;
}

/* Rows of one kind stand together, in id order: they become one. */
static void merge(struct cn_failures *f)
{
    int64_t n = 0;

    for (int64_t i = 0; i < f->n; i++) {
        struct cn_failure *last = n ? &f->all[n - 1] : NULL;
        if (last && last->outcome == f->all[i].outcome &&
            strcmp(last->signature, f->all[i].signature) == 0) {
            last->n++;
            last->last = f->all[i].last;
            last->example = f->all[i].example;
        } else {
            f->all[n++] = f->all[i];
        }
    }
    f->n = n;
}

cn_status cn_failures_init(struct cn_failures *f, const struct cn_history *h)
{
    struct cn_buf text;
    cn_status st;

    memset(f, 0, sizeof *f);
    cn_arena_init(&f->arena, CN_CAP_ARENA);
    f->all = cn_arena_alloc(&f->arena, (size_t)h->n_iterations + 1, sizeof *f->all);
    st = f->all ? CN_OK : CN_ENOMEM;
    cn_buf_init(&text, CN_CAP_RECORD);
    for (int64_t i = 0; st == CN_OK && i < h->n_iterations; i++)
        if (cn_fact_committed(&h->iterations[i]) && !cn_fact_ok(&h->iterations[i]))
            st = add(f, &h->iterations[i], &text);
    cn_buf_clear(&text);
    if (st == CN_OK && f->n > 1) {
        qsort(f->all, (size_t)f->n, sizeof *f->all, by_kind);
        merge(f);
        qsort(f->all, (size_t)f->n, sizeof *f->all, by_count);
    }
    return st;
}

void cn_failures_clear(struct cn_failures *f)
{
    cn_arena_clear(&f->arena);
    memset(f, 0, sizeof *f);
}
