/* YAML values: the types of YAML 1.2 core, and the getters. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"
#include "base/text.h"
#include "base/yaml.h"
#include "base/yaml_int.h"

/* ---- types ---- */

static bool is_word(const char *s, const char *lower)
{
    size_t n = strlen(lower);
    bool rest_lower = true, rest_upper = true;

    if (strlen(s) != n || strcasecmp(s, lower) != 0)
        return false;
    for (size_t i = 1; i < n; i++) {
        rest_lower = rest_lower && s[i] == lower[i];
        rest_upper = rest_upper && s[i] != lower[i];
    }
    return rest_lower || (rest_upper && s[0] != lower[0]);
}

static size_t digits(const char *s)
{
    return strspn(s, "0123456789");
}

/* [-+]? ( . d+ | d+ ( . d* )? ) ( [eE] [-+]? d+ )?  ;  *out_integer: digits alone */
static bool is_decimal(const char *s, bool *out_integer)
{
    size_t whole, fraction = 0;

    s += *s == '-' || *s == '+';
    whole = digits(s);
    s += whole;
    *out_integer = whole > 0 && *s == '\0';
    if (*s == '.') {
        fraction = digits(s + 1);
        s += 1 + fraction;
    }
    if (whole + fraction == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        if (digits(s) == 0)
            return false;
        s += digits(s);
    }
    return *s == '\0';
}

static bool is_infinity(const char *s)
{
    return strcmp(s, ".inf") == 0 || strcmp(s, ".Inf") == 0 || strcmp(s, ".INF") == 0;
}

/* 0o17 and 0x1f, without sign. */
static bool based_integer(const char *s, uint64_t *out)
{
    bool octal = s[0] == '0' && s[1] == 'o', hex = s[0] == '0' && s[1] == 'x';
    size_t n = octal || hex ? strlen(s + 2) : 0;

    if (n == 0 || n > 15 || strspn(s + 2, octal ? "01234567" : "0123456789abcdefABCDEF") != n)
        return false;
    *out = strtoull(s + 2, NULL, octal ? 8 : 16);
    return true;
}

void cn_yaml_resolve(struct cn_yaml_node *v)
{
    const char *s = v->text;
    bool integer;
    uint64_t based;

    v->kind = CN_YAML_STRING;
    if (*s == '\0' || strcmp(s, "~") == 0 || is_word(s, "null")) {
        v->kind = CN_YAML_NULL;
    } else if (is_word(s, "true") || is_word(s, "false")) {
        v->kind = CN_YAML_BOOL;
    } else if (is_decimal(s, &integer)) {
        v->kind = integer ? CN_YAML_INT : CN_YAML_FLOAT;
        v->number = strtod(s, NULL);
        v->has_integer = integer && cn_text_parse_int64(s + (*s == '+'), &v->integer);
    } else if (based_integer(s, &based)) {
        v->kind = CN_YAML_INT;
        v->number = (double)based;
        v->integer = (int64_t)based;
        v->has_integer = true;
    } else if (is_infinity(s + (*s == '-' || *s == '+'))) {
        v->kind = CN_YAML_FLOAT;
        v->number = *s == '-' ? -(double)INFINITY : (double)INFINITY;
    } else if (strcmp(s, ".nan") == 0 || strcmp(s, ".NaN") == 0 || strcmp(s, ".NAN") == 0) {
        v->kind = CN_YAML_FLOAT;
        v->number = (double)NAN;
    }
}

/* ---- getters ---- */

const char *cn_yaml_name(const struct cn_yaml *y)
{
    return y ? y->name : "";
}

const char *cn_yaml_text(const struct cn_yaml *y, size_t *opt_out_n)
{
    if (opt_out_n)
        *opt_out_n = y ? y->n : 0;
    return y ? y->text : "";
}

const struct cn_yaml_node *cn_yaml_root(const struct cn_yaml *y)
{
    return y ? y->root : NULL;
}

cn_yaml_type cn_yaml_kind(const struct cn_yaml_node *v)
{
    return v ? v->kind : CN_YAML_NULL;
}

const char *cn_yaml_kind_name(cn_yaml_type t)
{
    static const char *const names[] = {"nothing (null)", "true or false", "an integer",
                                        "a float",        "a string",      "a list",
                                        "a map"};

    return names[t];
}

struct cn_yaml_node *cn_yaml_member(const struct cn_yaml_node *map, const char *key, size_t n)
{
    if (cn_yaml_kind(map) != CN_YAML_MAP)
        return NULL;
    for (struct cn_yaml_node *m = map->first; m; m = m->next)
        if (strncmp(m->key, key, n) == 0 && m->key[n] == '\0')
            return m;
    return NULL;
}

const struct cn_yaml_node *cn_yaml_get(const struct cn_yaml_node *map, const char *key)
{
    return key ? cn_yaml_member(map, key, strlen(key)) : NULL;
}

const struct cn_yaml_node *cn_yaml_path(const struct cn_yaml_node *map, const char *dotted)
{
    while (map && dotted) {
        size_t n = strcspn(dotted, ".");

        map = cn_yaml_member(map, dotted, n);
        dotted = dotted[n] ? dotted + n + 1 : NULL;
    }
    return map;
}

const struct cn_yaml_node *cn_yaml_first(const struct cn_yaml_node *v)
{
    return v ? v->first : NULL;
}

const struct cn_yaml_node *cn_yaml_next(const struct cn_yaml_node *v)
{
    return v ? v->next : NULL;
}

int64_t cn_yaml_count(const struct cn_yaml_node *v)
{
    return v ? v->count : 0;
}

const char *cn_yaml_key(const struct cn_yaml_node *member)
{
    return member ? member->key : NULL;
}

int cn_yaml_line(const struct cn_yaml_node *v)
{
    return v ? v->line : 0;
}

bool cn_yaml_number(const struct cn_yaml_node *v, double *out)
{
    bool good = cn_yaml_kind(v) == CN_YAML_INT || cn_yaml_kind(v) == CN_YAML_FLOAT;

    *out = good ? v->number : 0;
    return good;
}

bool cn_yaml_whole(const struct cn_yaml_node *v, int64_t *out)
{
    *out = v->integer;
    if (v->has_integer)
        return true;
    if (!(fabs(v->number) < 9223372036854775808.0) || v->number != floor(v->number))
        return false;
    *out = (int64_t)v->number;
    return v->kind == CN_YAML_FLOAT;
}

bool cn_yaml_int64(const struct cn_yaml_node *v, int64_t *out)
{
    double ignored;

    *out = 0;
    return cn_yaml_number(v, &ignored) && cn_yaml_whole(v, out);
}

bool cn_yaml_bool(const struct cn_yaml_node *v, bool *out)
{
    *out = cn_yaml_kind(v) == CN_YAML_BOOL && strcasecmp(v->text, "true") == 0;
    return cn_yaml_kind(v) == CN_YAML_BOOL;
}

const char *cn_yaml_string(const struct cn_yaml_node *v)
{
    return v ? v->text : NULL;
}

#include "base/banned.h"
