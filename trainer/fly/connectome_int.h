/* The strict JSON readers of connectome_json.c, for connectome.c alone. */
#ifndef CN_FLY_CONNECTOME_INT_H
#define CN_FLY_CONNECTOME_INT_H

#include "trainer/fly/connectome.h"

/* Types, listed offsets and input units as the file says; no hull fill, no numbering yet. */
cn_status cn_fly_connectome_from_json(const char *name, const char *text, size_t n,
                                      struct cn_fly_connectome *out, struct cn_err *err);

#endif
