/* The describe table is sound, and its JSON is what the contract says. */
#include <math.h>
#include <string.h>

#include <criterion/criterion.h>

#include "base/caps.h"
#include "base/json.h"
#include "trainer/fly/evaluate.h"
#include "trainer/run/config.h"

static struct cn_json_doc *describe(void)
{
    struct cn_buf b;
    struct cn_json_doc *doc = NULL;
    struct cn_err err = CN_ERR_INIT;

    cn_buf_init(&b, CN_CAP_TEXT);
    cr_assert_eq(cn_trainer_describe("fly", &b, &err), CN_OK, "%s", err.text);
    cr_assert_eq(cn_json_parse("describe", b.data, b.len, &doc, &err), CN_OK, "%s", err.text);
    cn_buf_clear(&b);
    return doc;
}

Test(run_describe, every_default_lies_in_its_range_and_every_path_is_unique)
{
    for (int k = 0; k < cn_trainer_fly_n_params; k++) {
        const struct cn_trainer_param *p = &cn_trainer_fly_params[k];

        cr_assert(p->meaning && p->meaning[0] && p->unit, "%s has no meaning", p->path);
        if (p->type != CN_TRAINER_TEXT && p->type != CN_TRAINER_CHOICE)
            cr_assert(p->preset >= p->min && p->preset <= p->max, "%s: default %g", p->path,
                      p->preset);
        for (int j = 0; j < k; j++)
            cr_assert_str_neq(p->path, cn_trainer_fly_params[j].path);
    }
}

Test(run_describe, the_json_carries_every_field_of_the_contract)
{
    static const char *const fields[] = {"path",    "aliases", "type",    "unit",
                                         "default", "min",     "max",     "scale",
                                         "choices", "class",   "meaning", "derives"};
    struct cn_json_doc *doc = describe();
    const struct cn_json *p = cn_json_first(cn_json_get(cn_json_root(doc), "parameters"));
    int n = 0;

    for (; p; p = cn_json_next(p), n++)
        for (int k = 0; k < 12; k++)
            cr_assert_not_null(cn_json_get(p, fields[k]), "%s has no %s",
                               cn_json_string(cn_json_get(p, "path")), fields[k]);
    cr_assert_gt(n, 40);
    cr_assert_eq(cn_json_count(cn_json_get(cn_json_root(doc), "metrics")), CN_FLY_N_METRICS);
    cr_assert_gt(cn_json_count(cn_json_get(cn_json_root(doc), "figures")), 4);
    cn_json_free(doc);
}

Test(run_describe, the_embedding_carries_its_derived_sizes)
{
    struct cn_json_doc *doc = describe();
    const struct cn_json *p = cn_json_first(cn_json_get(cn_json_root(doc), "parameters"));

    while (p &&
           strcmp(cn_json_string(cn_json_get(p, "path")), "graph_model.embedding_dim") != 0)
        p = cn_json_next(p);
    cr_assert_not_null(p);
    const struct cn_json *d = cn_json_first(cn_json_get(p, "derives"));
    int64_t offset = 0;
    cr_assert_str_eq(cn_json_string(cn_json_get(d, "path")), "graph_model.input_size");
    cr_assert(cn_json_int64(cn_json_get(d, "offset"), &offset));
    cr_assert_eq(offset, 1);
    cn_json_free(doc);
}

Test(run_describe, there_is_one_primary_metric)
{
    int primary = 0;

    for (int k = 0; k < CN_FLY_N_METRICS; k++) {
        primary += strcmp(cn_fly_metric_table[k].role, "primary") == 0;
        cr_assert(strcmp(cn_fly_metric_table[k].better, "higher") == 0 ||
                  strcmp(cn_fly_metric_table[k].better, "lower") == 0);
    }
    cr_assert_eq(primary, 1);
}

Test(run_describe, an_unknown_study_is_refused)
{
    struct cn_buf b;
    struct cn_err err = CN_ERR_INIT;

    cn_buf_init(&b, CN_CAP_TEXT);
    cr_assert_eq(cn_trainer_describe("flies", &b, &err), CN_EINPUT);
    cr_assert_not_null(strstr(err.text, "flies"));
    cn_buf_clear(&b);
}
