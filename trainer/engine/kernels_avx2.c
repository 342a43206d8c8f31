/* AVX2 and FMA: 16 registers, blocks of 4 rows by 3 vectors. */
#define VB            32
#define CMAX          3
#define CN_TABLE      cn_kernels_avx2
#define CN_TABLE_NAME "avx2"
#include "trainer/engine/kernels_impl.h"
