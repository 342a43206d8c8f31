/* JSON, strict in and exact out. The only home of cJSON.
 *
 * Reading (RFC 8259, stricter than the library): the whole input must be one value; UTF-8 is
 * checked; duplicate keys, NaN/Infinity, lone surrogates, control characters, leading zeros,
 * trailing bytes and more than CN_CAP_JSON_DEPTH levels are CN_EINPUT with
 * "<name>:<line>:<column>: ..." . Integers up to 2^63 keep every digit (cn_json_int64).
 *
 * A document owns its values; a `const struct cn_json *` is borrowed from it.
 *
 *     struct cn_json_doc *doc;
 *     st = cn_json_parse("reply.json", text, len, &doc, &err);
 *     const struct cn_json *m = cn_json_get(cn_json_root(doc), "metrics");
 *     double r2;
 *     if (!cn_json_number(cn_json_get(m, "connectivity_R2"), &r2)) ...
 *     cn_json_free(doc);
 */
#ifndef CN_BASE_JSON_H
#define CN_BASE_JSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/status.h"

struct cn_json_doc;
struct cn_json; /* opaque */

typedef enum {
    CN_JSON_NULL,
    CN_JSON_BOOL,
    CN_JSON_NUMBER,
    CN_JSON_STRING,
    CN_JSON_ARRAY,
    CN_JSON_OBJECT
} cn_json_type;

CN_MUST_CHECK cn_status cn_json_parse(const char *name, const char *text, size_t n,
                                      struct cn_json_doc **out, struct cn_err *err);
CN_MUST_CHECK cn_status cn_json_read(const char *path, struct cn_json_doc **out,
                                     struct cn_err *err); /* whole file */
void cn_json_free(struct cn_json_doc *doc);               /* NULL is fine */
const struct cn_json *cn_json_root(const struct cn_json_doc *doc);

/* All getters accept NULL and the wrong type: they return NULL / false / 0 then. */
cn_json_type cn_json_kind(const struct cn_json *v); /* NULL reads as CN_JSON_NULL */
const struct cn_json *cn_json_get(const struct cn_json *object, const char *key);
/* "a.b.c" through objects. */
const struct cn_json *cn_json_path(const struct cn_json *object, const char *dotted);
int64_t cn_json_count(const struct cn_json *v); /* members or elements */
/* Element i, found by walking: O(i). Loops use cn_json_first and cn_json_next. */
const struct cn_json *cn_json_at(const struct cn_json *array, int64_t i);
/* The elements or members of an array or object in order, O(1) a step; NULL at the end. */
const struct cn_json *cn_json_first(const struct cn_json *v);
const struct cn_json *cn_json_next(const struct cn_json *v);
const char *cn_json_name(const struct cn_json *member); /* key of an object's member */
bool cn_json_number(const struct cn_json *v, double *out);
/* False when not a whole number in range. */
bool cn_json_int64(const struct cn_json *v, int64_t *out);
bool cn_json_bool(const struct cn_json *v, bool *out);
const char *cn_json_string(const struct cn_json *v); /* borrowed; NULL when not a string */
/* Digits as written; NULL when not a number. */
const char *cn_json_raw_number(const struct cn_json *v);
/* Numbers of a (possibly nested) array flattened row-major into out[0..n); false unless exactly
 * n numbers. null reads as NaN. */
bool cn_json_doubles(const struct cn_json *array, double *out, int64_t n);

/* Writing: append to a buffer. Numbers by shortest round trip; NaN and infinities become
 * null. */
void cn_json_put_string(struct cn_buf *b, const char *s);
void cn_json_put_double(struct cn_buf *b, double x);
/* Re-prints with raw numbers kept. */
void cn_json_put_value(struct cn_buf *b, const struct cn_json *v);

/* A small writer that sets commas and quotes. Keys and values in calling order.
 *
 *     struct cn_json_writer w;
 *     cn_json_begin(&w, &buf, 2);              // indent 0 = one line
 *     cn_json_open(&w, NULL, '{');
 *     cn_json_add_int(&w, "step", 3);
 *     cn_json_open(&w, "values", '[');  cn_json_add_double(&w, NULL, .5);  cn_json_close(&w);
 *     cn_json_close(&w);
 */
struct cn_json_writer {
    struct cn_buf *out;
    int indent, depth;
    char closer[CN_ERR_TEXT / 16];
    bool first;
};
void cn_json_begin(struct cn_json_writer *w, struct cn_buf *out, int indent);
void cn_json_open(struct cn_json_writer *w, const char *key, char bracket);
void cn_json_close(struct cn_json_writer *w);
/* NULL becomes null. */
void cn_json_add_string(struct cn_json_writer *w, const char *key, const char *s);
void cn_json_add_double(struct cn_json_writer *w, const char *key, double x);
void cn_json_add_int(struct cn_json_writer *w, const char *key, int64_t x);
void cn_json_add_bool(struct cn_json_writer *w, const char *key, bool x);
void cn_json_add_null(struct cn_json_writer *w, const char *key);
void cn_json_add_value(struct cn_json_writer *w, const char *key, const struct cn_json *v);

#endif
