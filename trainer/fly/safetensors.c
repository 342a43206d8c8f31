/* Writing and checking safetensors files. */
#include "trainer/fly/safetensors.h"

#include <stdbool.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "tensors are written as they lie in memory");

static const struct {
    const char *name;
    size_t size;
} types[] = {{"F32", 4}, {"F64", 8}, {"U32", 4}, {"I64", 8}, {"U8", 1}};

enum { N_TYPES = 5 };
#define MAX_FILE   ((size_t)8 << 30)
#define MAX_HEADER ((uint64_t)16 << 20)

/* ---- 1. writing ---- */

static size_t bytes_of(const struct cn_safetensors_entry *e)
{
    size_t n = types[e->type].size;

    for (int32_t k = 0; k < e->n_dims; k++)
        n *= (size_t)e->shape[k];
    return n;
}

static void put_header(struct cn_buf *b, const struct cn_safetensors_meta *meta, int n_meta,
                       const struct cn_safetensors_entry *entries, int n)
{
    struct cn_json_writer w;
    size_t at = 0;

    cn_json_begin(&w, b, 0);
    cn_json_open(&w, NULL, '{');
    cn_json_open(&w, "__metadata__", '{');
    for (int k = 0; k < n_meta; k++)
        cn_json_add_string(&w, meta[k].key, meta[k].value);
    cn_json_close(&w);
    for (int k = 0; k < n; k++) {
        size_t size = bytes_of(&entries[k]);

        cn_json_open(&w, entries[k].name, '{');
        cn_json_add_string(&w, "dtype", types[entries[k].type].name);
        cn_json_open(&w, "shape", '[');
        for (int32_t d = 0; d < entries[k].n_dims; d++)
            cn_json_add_int(&w, NULL, entries[k].shape[d]);
        cn_json_close(&w);
        cn_json_open(&w, "data_offsets", '[');
        cn_json_add_int(&w, NULL, (int64_t)at);
        cn_json_add_int(&w, NULL, (int64_t)(at + size));
        cn_json_close(&w);
        cn_json_close(&w);
        at += size;
    }
    cn_json_close(&w);
}

cn_status cn_safetensors_write(const char *path, const struct cn_safetensors_meta *meta,
                               int n_meta, const struct cn_safetensors_entry *entries, int n,
                               struct cn_err *err)
{
    struct cn_buf header, file;
    uint64_t length;
    cn_status st;

    cn_buf_init(&header, (size_t)MAX_HEADER);
    cn_buf_init(&file, MAX_FILE);
    put_header(&header, meta, n_meta, entries, n);
    while (header.len % 8) /* the format allows trailing spaces: tensors start aligned */
        cn_buf_addc(&header, ' ');
    length = header.len;
    cn_buf_add(&file, &length, sizeof length);
    cn_buf_add(&file, header.data, header.len);
    for (int k = 0; k < n; k++)
        cn_buf_add(&file, entries[k].data, bytes_of(&entries[k]));
    st = cn_buf_status(&header) == CN_OK ? cn_buf_status(&file) : cn_buf_status(&header);
    if (st != CN_OK)
        st = cn_err_set(err, st, "%s: no memory for its %d tensors", path, n);
    else
        st = cn_file_replace(path, file.data, file.len, err);
    cn_buf_clear(&header);
    cn_buf_clear(&file);
    return st;
}

/* ---- 2. reading ---- */

struct cn_safetensors {
    struct cn_map map;        /* owned */
    struct cn_json_doc *head; /* owned */
    const unsigned char *data;
    size_t size; /* of the data part */
};

static int type_of(const struct cn_json *entry)
{
    const char *s = cn_json_string(cn_json_get(entry, "dtype"));

    for (int k = 0; s && k < N_TYPES; k++)
        if (strcmp(types[k].name, s) == 0)
            return k;
    return -1;
}

/* Elements of an entry, or -1 when the shape is not a list of counts. */
static int64_t elements(const struct cn_json *entry)
{
    const struct cn_json *d = cn_json_get(entry, "shape");
    int64_t n = 1, k;

    if (cn_json_kind(d) != CN_JSON_ARRAY)
        return -1;
    for (d = cn_json_first(d); d; d = cn_json_next(d)) {
        if (!cn_json_int64(d, &k) || k < 0 || (k > 0 && n > (int64_t)(MAX_FILE) / k))
            return -1;
        n *= k;
    }
    return n;
}

static bool offsets(const struct cn_json *entry, int64_t *out_from, int64_t *out_to)
{
    const struct cn_json *o = cn_json_get(entry, "data_offsets");

    return cn_json_count(o) == 2 && cn_json_int64(cn_json_at(o, 0), out_from) &&
           cn_json_int64(cn_json_at(o, 1), out_to);
}

/* Every tensor inside the file, of the size its shape says. */
static cn_status check_entries(const struct cn_safetensors *f, const char *path,
                               struct cn_err *err)
{
    const struct cn_json *e = cn_json_first(cn_json_root(f->head));

    for (; e; e = cn_json_next(e)) {
        int64_t from, to, n = elements(e);
        int type = type_of(e);

        if (strcmp(cn_json_name(e), "__metadata__") == 0)
            continue;
        if (type < 0 || n < 0 || !offsets(e, &from, &to) || from < 0 || to < from ||
            (uint64_t)to > f->size || (size_t)(to - from) != (size_t)n * types[type].size)
            return cn_err_set(
                err, CN_ECORRUPT,
                "%s: tensor \"%s\" does not lie inside the file as its shape says", path,
                cn_json_name(e));
    }
    return CN_OK;
}

static cn_status read_header(struct cn_safetensors *f, const char *path, struct cn_err *err)
{
    const unsigned char *bytes = f->map.data;
    uint64_t length;
    cn_status st;

    if (f->map.size < 8)
        return cn_err_set(err, CN_ECORRUPT, "%s: %zu bytes, too short for safetensors", path,
                          f->map.size);
    memcpy(&length, bytes, sizeof length);
    if (length > MAX_HEADER || length > f->map.size - 8)
        return cn_err_set(err, CN_ECORRUPT, "%s: its header says %llu bytes, the file has %zu",
                          path, (unsigned long long)length, f->map.size);
    st = cn_json_parse(path, (const char *)bytes + 8, (size_t)length, &f->head, err);
    if (st != CN_OK)
        return st == CN_EINPUT ? cn_err_set(err, CN_ECORRUPT, "%s: damaged header", path) : st;
    f->data = bytes + 8 + length;
    f->size = f->map.size - 8 - (size_t)length;
    return check_entries(f, path, err);
}

cn_status cn_safetensors_open(const char *path, struct cn_safetensors **out, struct cn_err *err)
{
    struct cn_safetensors *f = cn_alloc(1, sizeof *f);
    cn_status st;

    *out = NULL;
    if (!f)
        return cn_err_set(err, CN_ENOMEM, "no memory to open %s", path);
    st = cn_file_map(path, &f->map, err);
    if (st == CN_OK)
        st = read_header(f, path, err);
    if (st != CN_OK)
        cn_safetensors_close(f);
    else
        *out = f;
    return st;
}

void cn_safetensors_close(struct cn_safetensors *f)
{
    if (!f)
        return;
    cn_json_free(f->head);
    cn_file_unmap(&f->map);
    cn_free(f);
}

const char *cn_safetensors_meta(const struct cn_safetensors *f, const char *key)
{
    return cn_json_string(cn_json_get(cn_json_get(cn_json_root(f->head), "__metadata__"), key));
}

const void *cn_safetensors_get(const struct cn_safetensors *f, const char *name,
                               cn_tensor_type type, int64_t count)
{
    const struct cn_json *e = cn_json_get(cn_json_root(f->head), name);
    int64_t from = 0, to = 0;

    if (!e || type_of(e) != (int)type || elements(e) != count || !offsets(e, &from, &to))
        return NULL;
    return f->data + from;
}

int64_t cn_safetensors_count(const struct cn_safetensors *f, const char *name)
{
    const struct cn_json *e = cn_json_get(cn_json_root(f->head), name);

    return e ? elements(e) : -1;
}
