/* One coordinate of a Parzen component: what tpe.c and tpe_kernel.c share. */
#ifndef CN_UCB_TPE_INT_H
#define CN_UCB_TPE_INT_H

#include "base/rng.h"
#include "ucb/space.h"

typedef enum { CN_COORD_VALUE, CN_COORD_OFF, CN_COORD_ABSENT } cn_coord_state;

/* A value as kernels see it. */
struct cn_coord {
    cn_coord_state state;
    double z;      /* place; of an unordered choice or a bool its index */
    double lo, hi; /* the share of a discrete value */
};

/* A parameter as kernels see it. */
struct cn_axis {
    struct cn_param param;
    bool numeric;    /* Gaussian; else own value or uniform */
    bool discrete;   /* its values have shares */
    bool can_off;    /* 0 is a value beside the scale */
    bool may_lack;   /* some observation has no such value */
    double n_values; /* bools and unordered choices */
};

struct cn_axis cn_axis_of(const struct cn_param *p);
struct cn_coord cn_axis_coord(const struct cn_axis *a, double x);

/* Mass of a Gaussian at z inside [0, 1]; a centre beyond an edge has the edge's, so that a far
 * one stays weak inside. */
double cn_kernel_mass(double z, double sigma);
/* log density of coordinate x under the component at c. `log_mass` = log cn_kernel_mass. */
double cn_kernel_log(const struct cn_axis *a, const struct cn_coord *c, double sigma,
                     double log_mass, const struct cn_coord *x);
/* log density under the uniform component. */
double cn_kernel_log_uniform(const struct cn_axis *a, const struct cn_coord *x);
/* A value from the component at c; NULL: from the uniform one. Four words of the generator. */
double cn_kernel_draw(const struct cn_axis *a, const struct cn_coord *opt_c, double sigma,
                      struct cn_rng *r);

#endif
