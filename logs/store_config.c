/* A node's config in the store: whole, or as the lines in which it differs from the newest node
 * before it whose config is whole.
 *
 * A run's configs differ by a few values each; whole copies of 3 KB would make 300 MB of a hundred
 * thousand nodes. Lines, not bytes, so that a difference can be read with any SQLite shell; one
 * step, not a chain over the parents, so that reading a node reads at most two rows.
 *
 * The format: "<line number>\t<line>\n" for every line that differs, in order; line numbers count
 * from 1. Both texts have the same number of lines, and end both or neither with a newline. What
 * does not fit, or would not save seven eighths, is kept whole and is the next base. */
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/banned.h"
#include "base/caps.h"
#include "logs/store_int.h"

/* One line without its newline; moves *p behind it. */
static size_t next_line(const char **p)
{
    size_t n = strcspn(*p, "\n");

    *p += n + ((*p)[n] == '\n');
    return n;
}

bool cn_config_difference(const char *base, const char *config, struct cn_buf *out)
{
    int64_t line = 1;

    cn_buf_reset(out);
    for (; *base && *config; line++) {
        const char *a = base, *b = config;
        size_t n = next_line(&base), m = next_line(&config);

        if ((a[n] == '\n') != (b[m] == '\n'))
            return false;
        if (n == m && memcmp(a, b, n) == 0)
            continue;
        cn_buf_printf(out, "%lld\t", (long long)line);
        cn_buf_add(out, b, m);
        cn_buf_addc(out, '\n');
    }
    return !*base && !*config && cn_buf_status(out) == CN_OK;
}

bool cn_config_patched(const char *base, const char *difference, struct cn_buf *out)
{
    cn_buf_reset(out);
    for (int64_t line = 1; *base; line++) {
        const char *a = base, *b = difference;
        size_t n = next_line(&base), m = strcspn(b, "\n");
        char *end;

        if (*b && strtoll(b, &end, 10) == line) {
            if (*end != '\t')
                return false;
            end++;
            cn_buf_add(out, end, m - (size_t)(end - b));
            difference += m + (b[m] == '\n');
        } else {
            cn_buf_add(out, a, n);
        }
        if (a[n] == '\n')
            cn_buf_addc(out, '\n');
    }
    return !*difference && cn_buf_status(out) == CN_OK;
}

void cn_store_forget_base(struct cn_store *s)
{
    cn_free(s->base_config);
    s->base_config = NULL;
    s->base = 0;
}

static cn_status take_base(struct cn_store *s, int64_t id, const char *config,
                           struct cn_err *err)
{
    char *copy = cn_strdup(config);

    if (!copy)
        return cn_err_set(err, CN_ENOMEM, "node %lld: no memory for its config", (long long)id);
    cn_store_forget_base(s);
    s->base = id;
    s->base_config = copy;
    return CN_OK;
}

/* The config of a node that is kept whole; borrowed from the handle until the next call. */
static cn_status get_base(struct cn_store *s, int64_t id, struct cn_err *err)
{
    sqlite3_stmt *q = NULL;
    cn_status st;

    if (s->base == id && s->base_config)
        return CN_OK;
    st = cn_sql_prepare(s, "SELECT config FROM node WHERE id = ? AND base IS NULL",
                        SQL_ARGS(SQL_I(id)), &q, err);
    if (st == CN_OK && cn_sql_row(s, q, &st, err))
        st = take_base(s, id, cn_sql_text(q, 0), err);
    else if (st == CN_OK)
        st = cn_err_set(err, CN_ECORRUPT, "%s/%s: node %lld has no whole config", s->dir,
                        CN_STORE_FILE, (long long)id);
    sqlite3_finalize(q);
    return st;
}

cn_status cn_store_pack_config(struct cn_store *s, int64_t id, const char *config,
                               struct cn_buf *out, int64_t *out_base, struct cn_err *err)
{
    int64_t base = 0;
    cn_status st = cn_sql_int(s, "SELECT coalesce(max(id), 0) FROM node WHERE base IS NULL",
                              NULL, 0, &base, err);

    *out_base = 0;
    if (st == CN_OK && base > 0)
        st = get_base(s, base, err);
    if (st != CN_OK)
        return st;
    if (base > 0 && cn_config_difference(s->base_config, config, out) &&
        out->len * 8 <= strlen(config)) {
        *out_base = base;
        return CN_OK;
    }
    cn_buf_reset(out);
    cn_buf_adds(out, config);
    st = cn_buf_status(out);
    return st == CN_OK
               ? take_base(s, id, config, err)
               : cn_err_set(err, st, "node %lld: its config is too long", (long long)id);
}

cn_status cn_store_unpack_config(struct cn_store *s, int64_t id, int64_t base, const char *kept,
                                 struct cn_buf *out, struct cn_err *err)
{
    cn_status st = base ? get_base(s, base, err) : CN_OK;

    cn_buf_reset(out);
    if (st == CN_OK && base == 0)
        cn_buf_adds(out, kept);
    if (st == CN_OK && base && !cn_config_patched(s->base_config, kept, out))
        st = cn_err_set(err, CN_ECORRUPT,
                        "%s/%s: node %lld: its config does not fit that of node %lld", s->dir,
                        CN_STORE_FILE, (long long)id, (long long)base);
    if (st == CN_OK && cn_buf_status(out) != CN_OK)
        st = cn_err_set(err, cn_buf_status(out), "node %lld: its config is too long",
                        (long long)id);
    return st;
}
