/* See consult_args.h. */
#include "harness/loop/consult_args.h"

#include <math.h>
#include <string.h>

#include "base/banned.h"
#include "base/caps.h"
#include "base/text.h"

void cn_args_refuse(struct cn_args *a, const char *field, const char *fmt, ...)
{
    char text[CN_ERR_TEXT];
    va_list list;

    if (a->bad)
        return;
    va_start(list, fmt);
    (void)vsnprintf(text, sizeof text, fmt, list);
    va_end(list);
    a->bad = true;
    cn_buf_printf(a->reply, "refused: %s%s%s", field, field[0] ? ": " : "", text);
}

const char *cn_args_kept(struct cn_args *a, const char *s)
{
    const char *copy = cn_arena_strdup(&a->t->said->arena, s);

    a->no_memory = a->no_memory || !copy;
    return copy ? copy : "";
}

bool cn_args_absent(const struct cn_json *v)
{
    return !v || cn_json_kind(v) == CN_JSON_NULL;
}

/* The name that the object of models without tools has for a field, when it is there. */
const char *cn_args_either(const struct cn_args *a, const char *key, const char *other)
{
    return cn_args_absent(cn_json_get(a->root, key)) &&
                   !cn_args_absent(cn_json_get(a->root, other))
               ? other
               : key;
}

/* One text of at most `cap` bytes, control bytes blanked; "" when it is absent and may be. */
const char *cn_args_words(struct cn_args *a, const char *key, size_t cap, bool needed)
{
    const struct cn_json *v = cn_json_get(a->root, key);
    const char *s = cn_json_string(v);
    char *copy;

    if (cn_args_absent(v) && !needed)
        return "";
    if (!s)
        cn_args_refuse(a, key,
                       cn_args_absent(v) ? "is missing; expected a text" : "expected a text");
    else if (strlen(s) > cap)
        cn_args_refuse(a, key, "%zu bytes; expected at most %zu: say less", strlen(s), cap);
    else if (needed && strspn(s, " \t\r\n") == strlen(s))
        cn_args_refuse(a, key, "is empty; expected words");
    if (a->bad)
        return "";
    copy = cn_arena_strdup(&a->t->said->arena, s);
    a->no_memory = a->no_memory || !copy;
    for (char *p = copy; p && *p; p++)
        if (((unsigned char)*p < 32 && *p != '\n' && *p != '\t') || *p == 127)
            *p = ' ';
    return copy ? copy : "";
}

int64_t cn_args_whole(struct cn_args *a, const char *key, bool needed, int64_t otherwise)
{
    const struct cn_json *v = cn_json_get(a->root, key);
    int64_t x = otherwise;

    if (cn_args_absent(v) && !needed)
        return otherwise;
    if (!cn_json_int64(v, &x))
        cn_args_refuse(a, key,
                       cn_args_absent(v) ? "is missing; expected a whole number"
                                         : "expected a whole number");
    return x;
}

double cn_args_number(struct cn_args *a, const char *key, double lo, double hi)
{
    const struct cn_json *v = cn_json_get(a->root, key);
    double x = (double)NAN;

    if (cn_args_absent(v))
        return x;
    if (!cn_json_number(v, &x))
        cn_args_refuse(a, key, "expected a number");
    else if (!(x >= lo && x <= hi))
        cn_args_refuse(a, key, "%g: expected a number from %g to %g", x, lo, hi);
    return x;
}

bool cn_args_yes(struct cn_args *a, const char *key)
{
    const struct cn_json *v = cn_json_get(a->root, key);
    bool x = false;

    if (!cn_args_absent(v) && !cn_json_bool(v, &x))
        cn_args_refuse(a, key, "expected true or false");
    return x;
}

/* " a b c " */
void cn_args_only(struct cn_args *a, const char *names)
{
    for (const struct cn_json *m = cn_json_first(a->root); m && !a->bad; m = cn_json_next(m)) {
        char word[80];

        (void)snprintf(word, sizeof word, " %.70s ", cn_json_name(m));
        if (!strstr(names, word))
            cn_args_refuse(a, cn_json_name(m), "no such field; expected%s", names);
    }
}

/* Any scalar as the text that a config would have. */
static const char *scalar(struct cn_args *a, const struct cn_json *v, const char *key)
{
    bool b;

    if (cn_json_string(v))
        return cn_args_kept(a, cn_json_string(v));
    if (cn_json_raw_number(v))
        return cn_args_kept(a, cn_json_raw_number(v));
    if (cn_json_bool(v, &b))
        return b ? "true" : "false";
    cn_args_refuse(a, key, "expected a number, a text, true or false");
    return "";
}

/* [{"path": ..., "value": ...}, ...] */
const struct cn_change *cn_args_changes(struct cn_args *a, const char *key, int most,
                                        int *out_n)
{
    const struct cn_json *v = cn_json_get(a->root, key);
    struct cn_change *c = cn_arena_alloc(&a->t->said->arena, (size_t)most + 1, sizeof *c);

    *out_n = 0;
    a->no_memory = a->no_memory || !c;
    if (cn_args_absent(v) || !c)
        return c;
    if (cn_json_kind(v) != CN_JSON_ARRAY || cn_json_count(v) > most) {
        cn_args_refuse(a, key, "expected a list of at most %d {\"path\", \"value\"}", most);
        return c;
    }
    for (const struct cn_json *x = cn_json_first(v); x && !a->bad; x = cn_json_next(x)) {
        const char *path = cn_json_string(cn_json_get(x, "path"));

        if (!path || cn_args_absent(cn_json_get(x, "value")))
            cn_args_refuse(a, key, "expected {\"path\": ..., \"value\": ...} in every place");
        else
            c[(*out_n)++] = (struct cn_change){cn_args_kept(a, path),
                                               scalar(a, cn_json_get(x, "value"), path)};
    }
    return c;
}

static void put_ids(struct cn_buf *b, const int64_t *ids, int n)
{
    for (int i = 0; i < n; i++)
        cn_buf_printf(b, "%s%lld", i ? ", " : "", (long long)ids[i]);
}

static int place_of(int64_t x, const int64_t *ids, int n)
{
    for (int i = 0; i < n; i++)
        if (ids[i] == x)
            return i;
    return -1;
}

/* Is it one of those that were asked for? */
bool cn_args_asked_for(struct cn_args *a, const char *key, int64_t x, const int64_t *ids, int n)
{
    struct cn_buf list;

    if (a->bad || place_of(x, ids, n) >= 0)
        return !a->bad;
    cn_buf_init(&list, CN_ERR_TEXT);
    put_ids(&list, ids, n);
    cn_args_refuse(a, key, "%lld: is not asked for; expected %s%s", (long long)x,
                   n ? "one of " : "nothing of this kind now", cn_buf_str(&list));
    cn_buf_clear(&list);
    return false;
}
