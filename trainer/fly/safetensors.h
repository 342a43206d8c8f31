/* The safetensors file format (huggingface.co/docs/safetensors): eight bytes with the length of
 * a JSON header, the header (name -> dtype, shape, data_offsets; "__metadata__" -> strings),
 * then the raw little-endian tensors without gaps.
 *
 *     struct cn_safetensors_entry e = {"W", CN_TENSOR_F32, 1, {n}, w};
 *     st = cn_safetensors_write("model.safetensors", meta, n_meta, &e, 1, &err); // durable
 *     struct cn_safetensors *f;
 *     st = cn_safetensors_open("model.safetensors", &f, &err); // maps, checks every offset
 *     const float *w = cn_safetensors_get(f, "W", CN_TENSOR_F32, n); // NULL: not in this form
 *     cn_safetensors_close(f);
 */
#ifndef CN_FLY_SAFETENSORS_H
#define CN_FLY_SAFETENSORS_H

#include <stdint.h>

#include "base/status.h"

typedef enum {
    CN_TENSOR_F32,
    CN_TENSOR_F64,
    CN_TENSOR_U32,
    CN_TENSOR_I64,
    CN_TENSOR_U8
} cn_tensor_type;

struct cn_safetensors_entry {
    const char *name;
    cn_tensor_type type;
    int32_t n_dims;
    int64_t shape[2];
    const void *data; /* borrowed */
};

struct cn_safetensors_meta {
    const char *key, *value;
};

CN_MUST_CHECK cn_status cn_safetensors_write(const char *path,
                                             const struct cn_safetensors_meta *meta, int n_meta,
                                             const struct cn_safetensors_entry *entries, int n,
                                             struct cn_err *err);

struct cn_safetensors;
/* CN_ENOTFOUND, or CN_ECORRUPT with what does not hold. */
CN_MUST_CHECK cn_status cn_safetensors_open(const char *path, struct cn_safetensors **out,
                                            struct cn_err *err);
void cn_safetensors_close(struct cn_safetensors *f); /* NULL is fine */
/* NULL: none. */
const char *cn_safetensors_meta(const struct cn_safetensors *f, const char *key);
/* Data of a tensor with exactly `count` elements of this type, 8-byte aligned or not: copy it
 * out. */
const void *cn_safetensors_get(const struct cn_safetensors *f, const char *name,
                               cn_tensor_type type, int64_t count);
/* Elements; -1: none. */
int64_t cn_safetensors_count(const struct cn_safetensors *f, const char *name);

#endif
