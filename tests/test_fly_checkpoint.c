/* Safetensors files and checkpoints: what is written comes back, what does not fit is refused
 * in words. */
#include <string.h>

#include "base/buf.h"
#include "base/caps.h"
#include "tests/support/fly_small.h"
#include "trainer/fly/checkpoint.h"
#include "trainer/fly/safetensors.h"

static struct fly_small s;
static struct cn_err err;
static char path[128];

static void open_small(void)
{
    err = (struct cn_err)CN_ERR_INIT;
    fly_small_config(&s.cfg);
    fly_small_open(&s, 1);
    cn_text_format(path, sizeof path, "%s/c.safetensors", s.dir);
}

static void close_small(void)
{
    fly_small_close(&s);
}

static struct cn_fly_trainer *trainer(void)
{
    struct cn_fly_trainer *t = NULL;

    cr_assert_eq(cn_fly_trainer_new(&s.cfg, &s.data, s.pool, &t, &err), CN_OK, "%s", err.text);
    return t;
}

Test(fly_checkpoint, tensors_and_words_come_back, .init = open_small, .fini = close_small)
{
    float a[3] = {1, -2.5f, 3e-20f};
    double b[4] = {1, 2, 3, 0.1};
    struct cn_safetensors_entry e[] = {{"a", CN_TENSOR_F32, 1, {3, 0}, a},
                                       {"b", CN_TENSOR_F64, 2, {2, 2}, b}};
    struct cn_safetensors_meta m = {"who", "we \"quote\""};
    struct cn_safetensors *f = NULL;
    double back[4];

    cr_assert_eq(cn_safetensors_write(path, &m, 1, e, 2, &err), CN_OK, "%s", err.text);
    cr_assert_eq(cn_safetensors_open(path, &f, &err), CN_OK, "%s", err.text);
    cr_assert_str_eq(cn_safetensors_meta(f, "who"), "we \"quote\"");
    cr_assert_eq(memcmp(cn_safetensors_get(f, "a", CN_TENSOR_F32, 3), a, sizeof a), 0);
    memcpy(back, cn_safetensors_get(f, "b", CN_TENSOR_F64, 4), sizeof back);
    cr_assert_eq(memcmp(back, b, sizeof b), 0);
    cr_assert_null(cn_safetensors_get(f, "a", CN_TENSOR_F64, 3), "another type");
    cr_assert_null(cn_safetensors_get(f, "a", CN_TENSOR_F32, 4), "another size");
    cr_assert_null(cn_safetensors_get(f, "c", CN_TENSOR_F32, 1), "another name");
    cr_assert_eq(cn_safetensors_count(f, "b"), 4);
    cn_safetensors_close(f);
}

/* Every shorter file is refused, none is read beyond its end. */
Test(fly_checkpoint, every_cut_of_a_file_is_refused, .init = open_small, .fini = close_small)
{
    float a[5] = {1, 2, 3, 4, 5};
    struct cn_safetensors_entry e = {"a", CN_TENSOR_F32, 1, {5, 0}, a};
    struct cn_safetensors *f = NULL;
    struct cn_buf whole;

    cn_buf_init(&whole, CN_CAP_TEXT);
    cr_assert_eq(cn_safetensors_write(path, NULL, 0, &e, 1, &err), CN_OK);
    cr_assert_eq(cn_file_read(path, CN_CAP_FILE, &whole, &err), CN_OK);
    for (size_t n = 0; n < whole.len; n++) {
        cr_assert_eq(cn_file_replace(path, whole.data, n, &err), CN_OK);
        cr_assert_eq(cn_safetensors_open(path, &f, &err), CN_ECORRUPT, "%zu of %zu bytes", n,
                     whole.len);
        cr_assert_null(f);
    }
    cn_buf_clear(&whole);
}

static void overwrite(const char *header)
{
    struct cn_buf b;
    uint64_t n = strlen(header);

    cn_buf_init(&b, CN_CAP_TEXT);
    cn_buf_add(&b, &n, sizeof n);
    cn_buf_adds(&b, header);
    cn_buf_adds(&b, "0123456789abcdef");
    cr_assert_eq(cn_file_replace(path, b.data, b.len, &err), CN_OK);
    cn_buf_clear(&b);
}

Test(fly_checkpoint, headers_that_lie_are_refused, .init = open_small, .fini = close_small)
{
    static const char *const lies[] = {
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,20]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[5],\"data_offsets\":[0,16]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-4],\"data_offsets\":[0,16]}}",
        "{\"a\":{\"dtype\":\"F16\",\"shape\":[8],\"data_offsets\":[0,16]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[4,20]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,0]}}",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":4,\"data_offsets\":[0,16]}}",
        "{\"a\":7}",
        "[]x",
    };
    struct cn_safetensors *f = NULL;

    for (size_t k = 0; k < sizeof lies / sizeof lies[0]; k++) {
        overwrite(lies[k]);
        cr_assert_eq(cn_safetensors_open(path, &f, &err), CN_ECORRUPT, "%s", lies[k]);
    }
}

Test(fly_checkpoint, saving_does_not_disturb_the_training, .init = open_small,
     .fini = close_small)
{
    struct cn_fly_trainer *a = trainer(), *b = trainer();
    const struct cn_fly_table *ra = &cn_fly_trainer_history(a)->r2;
    const struct cn_fly_table *rb = &cn_fly_trainer_history(b)->r2;

    for (int64_t k = 1; k <= 30; k++) {
        fly_small_train(a, k);
        cr_assert_eq(cn_fly_checkpoint_save(a, CN_FLY_FILE_CHECKPOINT, path, "h", &err), CN_OK);
    }
    fly_small_train(b, 30);
    cr_assert_eq(ra->rows, rb->rows);
    cr_assert_gt(ra->rows, 0);
    for (int64_t k = 0; k < ra->rows; k++)
        cr_assert_eq(cn_fly_table_row(ra, k)[CN_FLY_R2_CONNECTIVITY],
                     cn_fly_table_row(rb, k)[CN_FLY_R2_CONNECTIVITY]);
    cn_fly_trainer_free(a);
    cn_fly_trainer_free(b);
}

Test(fly_checkpoint, a_checkpoint_of_other_settings_or_data_is_refused, .init = open_small,
     .fini = close_small)
{
    struct cn_fly_trainer *t = trainer();

    cr_assert_eq(cn_fly_checkpoint_save(t, CN_FLY_FILE_CHECKPOINT, path, "abc", &err), CN_OK);
    cr_assert_eq(cn_fly_checkpoint_load(t, CN_FLY_FILE_CHECKPOINT, path, "abd", &err),
                 CN_EINPUT);
    cr_assert_not_null(strstr(err.text, "other settings"), "%s", err.text);
    cr_assert_eq(cn_fly_checkpoint_load(t, CN_FLY_FILE_MODEL, path, "abc", &err), CN_EINPUT);
    cr_assert_not_null(strstr(err.text, "another kind"), "%s", err.text);
    s.data.key[0] = s.data.key[0] == '0' ? '1' : '0';
    cr_assert_eq(cn_fly_checkpoint_load(t, CN_FLY_FILE_CHECKPOINT, path, "abc", &err),
                 CN_EINPUT);
    cr_assert_not_null(strstr(err.text, "data set"), "%s", err.text);
    cn_fly_trainer_free(t);
}

Test(fly_checkpoint, a_model_file_carries_no_clock, .init = open_small, .fini = close_small)
{
    struct cn_fly_trainer *t = trainer();
    struct cn_buf a, b;

    fly_small_train(t, 10);
    cn_buf_init(&a, CN_CAP_FILE);
    cn_buf_init(&b, CN_CAP_FILE);
    cr_assert_eq(cn_fly_checkpoint_save(t, CN_FLY_FILE_MODEL, path, "h", &err), CN_OK);
    cr_assert_eq(cn_file_read(path, CN_CAP_FILE, &a, &err), CN_OK);
    /* A later time. */
    cn_fly_table_add(&cn_fly_trainer_history(t)->report)[CN_FLY_H_SECONDS] = 7;
    cn_fly_trainer_history(t)->report.rows--;
    cr_assert_eq(cn_fly_checkpoint_save(t, CN_FLY_FILE_MODEL, path, "h", &err), CN_OK);
    cr_assert_eq(cn_file_read(path, CN_CAP_FILE, &b, &err), CN_OK);
    cr_assert(a.len == b.len && memcmp(a.data, b.data, a.len) == 0);
    cr_assert_eq(cn_fly_checkpoint_load(t, CN_FLY_FILE_MODEL, path, "h", &err), CN_OK, "%s",
                 err.text);
    cn_buf_clear(&a);
    cn_buf_clear(&b);
    cn_fly_trainer_free(t);
}
