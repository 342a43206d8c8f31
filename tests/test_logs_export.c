/* logs/export: there and back exactly, CSV as RFC 4180 has it, and nothing taken on trust. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "logs/export.h"
#include "logs/project.h"
#include "tests/support/logs_sample.h"

static struct cn_err err;
static char dir[64], again[80];
static struct cn_store *store;

#define OK(call) cr_assert_eq((call), CN_OK, "%s", err.text)

static void set_up(void)
{
    (void)snprintf(dir, sizeof(dir), "%s/cn_export_XXXXXX",
                   access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    cr_assert(mkdtemp(dir));
    (void)snprintf(again, sizeof(again), "%s/again", dir);
    OK(cn_file_mkdirs(again, &err));
    OK(logs_sample_open(dir, &store, &err));
    OK(logs_sample_drive(store, &err));
}

static void tear_down(void)
{
    cn_store_close(store);
    OK(cn_file_remove_tree(dir, &err));
}

TestSuite(logs_export, .init = set_up, .fini = tear_down);

static cn_status to_buf(void *ctx, const char *bytes, size_t n, struct cn_err *e)
{
    (void)e;
    cn_buf_add(ctx, bytes, n);
    return cn_buf_status(ctx);
}

static struct cn_buf export(struct cn_store *s, cn_export_format f)
{
    struct cn_buf b;

    cn_buf_init(&b, CN_CAP_FILE);
    OK(cn_export(s, f, to_buf, &b, &err));
    return b;
}

static cn_status read_back(const struct cn_buf *b, struct cn_exported *e)
{
    return cn_export_read("x.jsonl", cn_buf_str(b), b->len, e, &err);
}

Test(logs_export, json_lines_come_back_byte_for_byte)
{
    struct cn_buf first = export(store, CN_EXPORT_JSONL), second;
    struct cn_exported e;
    struct cn_store *copy;

    OK(read_back(&first, &e));
    OK(cn_store_restore(again, &e, &copy, &err));
    cn_exported_clear(&e);
    second = export(copy, CN_EXPORT_JSONL);
    cr_assert_str_eq(cn_buf_str(&first), cn_buf_str(&second));
    cn_store_close(copy);
    cn_buf_clear(&first);
    cn_buf_clear(&second);
}

/* What the log says of a run is the same before and after. */
Test(logs_export, the_log_of_the_copy_is_the_log)
{
    struct cn_buf lines = export(store, CN_EXPORT_JSONL), first, second;
    struct cn_exported e;
    struct cn_store *copy;

    OK(read_back(&lines, &e));
    OK(cn_store_restore(again, &e, &copy, &err));
    first = export(store, CN_EXPORT_ANALYSIS);
    second = export(copy, CN_EXPORT_ANALYSIS);
    cr_assert_str_eq(cn_buf_str(&first), cn_buf_str(&second));
    cr_assert(strstr(cn_buf_str(&first), "## Iter 1:"));
    cn_exported_clear(&e);
    cn_store_close(copy);
    cn_buf_clear(&lines);
    cn_buf_clear(&first);
    cn_buf_clear(&second);
}

Test(logs_export, every_line_is_json_and_numbers_keep_their_value)
{
    struct cn_buf b = export(store, CN_EXPORT_JSONL);
    struct cn_history h;
    int64_t seen = 0;

    OK(cn_store_history(store, &h, &err));
    for (char *line = b.data, *end; line && *line; line = end + 1) {
        struct cn_json_doc *doc;
        int64_t id;
        double reward;

        end = strchr(line, '\n');
        cr_assert(end, "every line ends");
        OK(cn_json_parse("line", line, (size_t)(end - line), &doc, &err));
        const struct cn_json *v = cn_json_root(doc);
        if (strcmp(cn_json_string(cn_json_get(v, "type")), "iteration") == 0) {
            cr_assert(cn_json_int64(cn_json_get(v, "id"), &id));
            const struct cn_iteration *it = cn_history_iteration(&h, id);
            cr_assert(it);
            if (cn_json_number(cn_json_get(v, "reward"), &reward))
                cr_assert_eq(reward, it->reward);
            else
                cr_assert(isnan(it->reward));
            seen++;
        }
        cn_json_free(doc);
    }
    cr_assert_eq(seen, h.n_iterations);
    cn_history_clear(&h);
    cn_buf_clear(&b);
}

/* A reader of RFC 4180 in a few lines: counts records, fields; false when a quote is out of
 * place. */
static bool read_csv(const char *p, int64_t *out_records, int64_t *out_fields)
{
    int64_t fields = 1;

    *out_records = *out_fields = 0;
    while (*p) {
        if (*p == '"') {
            for (p++; *p && (*p != '"' || p[1] == '"'); p++)
                p += *p == '"';
            if (*p++ != '"')
                return false;
        } else {
            for (; *p && *p != ',' && *p != '\r'; p++)
                if (*p == '"' || *p == '\n')
                    return false;
        }
        if (*p == ',') {
            fields++;
            p++;
        } else if (p[0] == '\r' && p[1] == '\n') {
            if (*out_records && fields != *out_fields)
                return false;
            *out_fields = fields;
            fields = 1;
            (*out_records)++;
            p += 2;
        } else {
            return false;
        }
    }
    return true;
}

Test(logs_export, csv_has_one_record_an_iteration_and_as_many_fields_in_each)
{
    struct cn_buf b = export(store, CN_EXPORT_CSV);
    struct cn_history h;
    int64_t records, fields;

    OK(cn_store_history(store, &h, &err));
    cr_assert(read_csv(cn_buf_str(&b), &records, &fields), "%s", cn_buf_str(&b));
    cr_assert_eq(records, h.n_iterations + 1);
    cr_assert_gt(fields, 30);
    cr_assert(strstr(cn_buf_str(&b), ",config.simulation.n_frames,"));
    cr_assert(strstr(cn_buf_str(&b), ",metric.connectivity_R2,"));
    cr_assert_not(strstr(cn_buf_str(&b), ",nan"));
    cn_history_clear(&h);
    cn_buf_clear(&b);
}

static cn_status full_disk(void *ctx, const char *bytes, size_t n, struct cn_err *e)
{
    int *left = ctx;

    (void)bytes;
    (void)n;
    return --*left < 0 ? cn_err_set(e, CN_ENOSPC, "full") : CN_OK;
}

Test(logs_export, an_error_of_the_writer_ends_the_export)
{
    int left = 5;

    cr_assert_eq(cn_export(store, CN_EXPORT_JSONL, full_disk, &left, &err), CN_ENOSPC);
    cr_assert_eq(left, -1, "no write behind it");
}

/* ---- nothing on trust ---- */

/* The export with the first `from` replaced. */
static struct cn_buf changed(const char *from, const char *to)
{
    struct cn_buf b = export(store, CN_EXPORT_JSONL), out;
    char *at = strstr(b.data, from);

    cr_assert(at, "%s", from);
    cn_buf_init(&out, CN_CAP_FILE);
    cn_buf_add(&out, b.data, (size_t)(at - b.data));
    cn_buf_adds(&out, to);
    cn_buf_adds(&out, at + strlen(from));
    cn_buf_clear(&b);
    return out;
}

static void refuses(const char *from, const char *to, cn_status want, const char *words)
{
    struct cn_buf b = changed(from, to);
    struct cn_exported e;
    struct cn_store *copy = NULL;
    cn_status st = read_back(&b, &e);

    if (st == CN_OK)
        st = cn_store_restore(again, &e, &copy, &err);
    cr_assert_eq(st, want, "%s -> %s: %s", from, to, st == CN_OK ? "taken" : err.text);
    cr_assert(strstr(err.text, words), "%s", err.text);
    cr_assert_null(copy);
    cn_exported_clear(&e);
    cn_buf_clear(&b);
}

Test(logs_export, what_is_no_export_is_refused_with_its_line)
{
    refuses("{\"type\": \"run\"", "{\"type\": \"runs\"", CN_EINPUT, "x.jsonl:1: type");
    refuses("\"cairn_export\": 1", "\"cairn_export\": 2", CN_EUNSUPPORTED, "up to 1");
    refuses("\"id\": 2,", "\"id\": 1,", CN_EINPUT, "id: expected");
    refuses("\"id\": 2,", "\"id\": 2.5,", CN_EINPUT, "id: expected");
    refuses("\"state\": \"committed\"", "\"state\": \"done\"", CN_EINPUT, "state");
    refuses("\"outcome\": \"diverged\"", "\"outcome\": \"ok\"", CN_ECORRUPT, "");
    refuses("\"sim_seed\": ", "\"sim_seed\": -", CN_EINPUT, "sim_seed");
    refuses("\"config_lines\": \"", "\"config_lines\": \"9999\\tx\\n", CN_EINPUT, "config");
    refuses("\"kind\": \"protocol\"", "\"kind\": \"other\"", CN_EINPUT, "protocol");
    refuses("{\"type\": \"block\"", "{\"type\": \"blok\"", CN_EINPUT, "type: expected");
}

/* A folder of ours by its own name, and nothing that leads elsewhere. */
Test(logs_export, a_run_folder_cannot_lead_elsewhere)
{
    refuses("\"dir\": \"iter_000001\"", "\"dir\": \"../../../etc\"", CN_EINPUT, "iter_000001");
    refuses("\"dir\": \"iter_000001\"", "\"dir\": \"iter_000002\"", CN_EINPUT, "iter_000001");
}

Test(logs_export, every_prefix_is_refused_or_read_without_harm, .timeout = 60)
{
    struct cn_buf b = export(store, CN_EXPORT_JSONL);

    for (size_t n = 0; n < b.len; n += 1 + n / 50) {
        struct cn_exported e;
        char *exact = cn_alloc(n ? n : 1, 1);

        memcpy(exact, b.data, n);
        (void)(cn_export_read("p", exact, n, &e, &err) == CN_OK);
        cn_exported_clear(&e);
        cn_free(exact);
    }
    cn_buf_clear(&b);
}

/* A training that was under way belongs to the folder it ran in: here it is to be done again. */
Test(logs_export, what_was_under_way_is_planned_again)
{
    struct cn_buf b;
    struct cn_exported e;
    struct cn_iteration it = {
        .seed_mode = "", .strategy = "", .parent_rule = "", .hypothesis = ""};
    int64_t id;
    struct cn_store *copy;

    OK(cn_store_next_iteration(store, &id, &err));
    it.id = id;
    it.node = 1;
    it.replicate = it.confirmation = true;
    OK(cn_store_plan(store, NULL, &it, &err));
    OK(cn_store_submit(store, id, 1, "tok", "iter_x", &err));
    b = changed("\"dir\": \"iter_x\"", "\"dir\": \"\"");
    OK(read_back(&b, &e));
    cr_assert_eq(e.history.iterations[e.history.n_iterations - 1].state, CN_ITER_PLANNED);
    cr_assert_eq(e.history.iterations[e.history.n_iterations - 1].attempt, 0);
    OK(cn_store_restore(again, &e, &copy, &err));
    cn_store_close(copy);
    cn_exported_clear(&e);
    cn_buf_clear(&b);
}
