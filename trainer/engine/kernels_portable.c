/* Plain C on 16-byte GCC vectors: what every CPU runs. */
#define VB            16
#define CMAX          2
#define CN_TABLE      cn_kernels_portable
#define CN_TABLE_NAME "portable"
#include "trainer/engine/kernels_impl.h"
