/* See stats.h. */
#include "base/stats.h"
