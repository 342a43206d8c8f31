/* AVX-512 F, BW, DQ, VL: 32 registers, blocks of 4 rows by 5 vectors. */
#define VB            64
#define CMAX          5
#define CN_TABLE      cn_kernels_avx512
#define CN_TABLE_NAME "avx512"
#include "trainer/engine/kernels_impl.h"
