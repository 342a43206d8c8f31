/* See places.h. */
#include "harness/loop/places.h"

#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/caps.h"

enum { MAX_SKIP = 8 * CN_SPACE_PARAMS, SLOTS = 1 << 14, MOST = 3 * (SLOTS / 4) };

struct place {
    uint64_t key[2]; /* of the config's words; both 0: empty */
    double *values;
    char rest[CN_HASH_TEXT];
};

struct cn_places {
    struct cn_arena arena;
    int32_t width;
    struct place *slots; /* owned; open addressing */
    int32_t n;
};

cn_status cn_places_new(int32_t width, struct cn_places **out, struct cn_err *err)
{
    struct cn_places *p = cn_alloc(1, sizeof *p);

    *out = NULL;
    if (p)
        p->slots = cn_alloc(SLOTS, sizeof *p->slots);
    if (!p || !p->slots) {
        cn_free(p);
        return cn_err_set(err, CN_ENOMEM, "no memory to remember configs");
    }
    cn_arena_init(&p->arena, CN_CAP_ARENA);
    p->width = width;
    *out = p;
    return CN_OK;
}

void cn_places_free(struct cn_places *p)
{
    if (!p)
        return;
    cn_arena_clear(&p->arena);
    cn_free(p->slots);
    cn_free(p);
}

/* Two multiplicative hashes of the words, eight bytes a step: 128 bits that no two configs of a
 * run share but by intent, and here intent gains nothing. */
static void key_of(const char *words, uint64_t key[2])
{
    size_t n = strlen(words);
    uint64_t a = 0x9e3779b97f4a7c15u ^ n, b = 0xc2b2ae3d27d4eb4fu;

    for (size_t i = 0; i < n; i += 8) {
        uint64_t w = 0;
        memcpy(&w, words + i, n - i < 8 ? n - i : 8);
        a = (a ^ w) * 0xff51afd7ed558ccdu;
        a ^= a >> 32;
        b = (b + w) * 0xc4ceb9fe1a85ec53u;
        b ^= b >> 29;
    }
    key[0] = a | 1; /* never empty */
    key[1] = b;
}

/* The slot of the key, or the empty one where it belongs. */
static struct place *slot_of(const struct cn_places *p, const uint64_t key[2])
{
    uint64_t i = (key[0] ^ key[1]) >> 7;

    for (;; i++) {
        struct place *at = &p->slots[i & (SLOTS - 1)];
        if (at->key[0] == 0 || memcmp(at->key, key, sizeof at->key) == 0)
            return at;
    }
}

/* Spellings of the searched parameters and of what follows from them. */
static void skip_dims(const struct cn_dims *d, const struct cn_yaml *config, const char **skip,
                      int *n)
{
    for (int32_t i = 0; i < d->space.n; i++) {
        if (*n < MAX_SKIP)
            skip[(*n)++] = cn_trainer_spelling(d->of[i], config);
        for (int32_t k = 0; k < d->of[i]->n_derives && *n < MAX_SKIP; k++)
            skip[(*n)++] = d->of[i]->derives[k].path;
    }
}

cn_status cn_place_of_yaml(const struct cn_search *s, const struct cn_yaml *config,
                           double *values, char rest[CN_HASH_TEXT], struct cn_err *err)
{
    const char *skip[MAX_SKIP + 8] = {"simulation.seed", "training.seed", "explore", "claude",
                                      "description"};
    struct cn_buf b;
    int n = 5;
    cn_status st;

    skip_dims(&s->training, config, skip, &n);
    skip_dims(&s->simulation, config, skip, &n);
    cn_search_values(&s->training, config, values);
    cn_search_values(&s->simulation, config, values + s->training.space.n);
    cn_buf_init(&b, CN_CAP_TEXT);
    st = cn_yaml_canonical(config, skip, &b, err);
    if (st == CN_OK)
        cn_hash_hex(cn_buf_str(&b), b.len, rest);
    cn_buf_clear(&b);
    return st;
}

/* A memory that cannot hold it just asks again the next time. */
static void remember(struct cn_places *p, const uint64_t key[2], const double *values,
                     const char rest[CN_HASH_TEXT])
{
    struct place *at;

    if (p->n >= MOST) {
        cn_arena_clear(&p->arena);
        memset(p->slots, 0, SLOTS * sizeof *p->slots);
        p->n = 0;
    }
    at = slot_of(p, key);
    at->values = cn_arena_alloc(&p->arena, (size_t)p->width + 1, sizeof *values);
    if (!at->values)
        return;
    memcpy(at->key, key, sizeof at->key);
    memcpy(at->values, values, (size_t)p->width * sizeof *values);
    memcpy(at->rest, rest, CN_HASH_TEXT);
    p->n++;
}

cn_status cn_place_of(const struct cn_search *s, const char *config, double *values,
                      char rest[CN_HASH_TEXT], struct cn_err *err)
{
    struct cn_yaml *y = NULL;
    uint64_t key[2];
    cn_status st;

    key_of(config, key);
    if (s->places) {
        const struct place *at = slot_of(s->places, key);
        if (at->key[0] != 0) {
            memcpy(values, at->values, (size_t)s->places->width * sizeof *values);
            memcpy(rest, at->rest, CN_HASH_TEXT);
            return CN_OK;
        }
    }
    st = cn_yaml_parse("config", config, strlen(config), &y, err);
    if (st == CN_OK)
        st = cn_place_of_yaml(s, y, values, rest, err);
    cn_yaml_free(y);
    if (st == CN_OK && s->places)
        remember(s->places, key, values, rest);
    return st;
}
