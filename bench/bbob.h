/* Test functions of black-box optimisation, written from their definitions: Hansen, Finck, Ros,
 * Auger, "Real-Parameter Black-Box Optimization Benchmarking 2009: Noiseless Functions
 * Definitions", INRIA RR-6829. Optima, rotations and peaks are drawn by Philox, so instances are
 * ours and not those of the COCO program.
 *
 *     struct cn_bbob b;
 *     cn_bbob_init(&b, CN_BBOB_RASTRIGIN, 5, instance);
 *     double f = cn_bbob_value(&b, x); // double[5], in [-5, 5]; 0 at b.x_opt, above elsewhere
 */
#ifndef CN_BENCH_BBOB_H
#define CN_BENCH_BBOB_H

#include <stdbool.h>
#include <stdint.h>

/* name, number in the report, has one valley */
#define CN_BBOB_MAP(X)                        \
    X(SPHERE, "sphere", 1, true)              \
    X(ELLIPSOID, "ellipsoid", 2, true)        \
    X(RASTRIGIN, "Rastrigin", 3, false)       \
    X(SECTOR, "attractive sector", 6, true)   \
    X(STEPS, "step ellipsoid", 7, true)       \
    X(ROSENBROCK, "Rosenbrock", 8, true)      \
    X(ROTATED, "rotated ellipsoid", 10, true) \
    X(POWERS, "different powers", 14, true)   \
    X(WEIERSTRASS, "Weierstrass", 16, false)  \
    X(SCHAFFERS, "Schaffers F7", 17, false)   \
    X(SCHWEFEL, "Schwefel", 20, false)        \
    X(GALLAGHER, "Gallagher 101 peaks", 21, false)

typedef enum {
#define X(name, text, number, one_valley) CN_BBOB_##name,
    CN_BBOB_MAP(X)
#undef X
        CN_BBOB_COUNT
} cn_bbob_kind;

enum { CN_BBOB_DIMS = 10, CN_BBOB_PEAKS = 101 };

struct cn_bbob {
    cn_bbob_kind kind;
    int dim;
    double x_opt[CN_BBOB_DIMS];
    double r[CN_BBOB_DIMS][CN_BBOB_DIMS], q[CN_BBOB_DIMS][CN_BBOB_DIMS]; /* rotations */
    double peak[CN_BBOB_PEAKS][CN_BBOB_DIMS];                            /* Gallagher: y_i */
    double bend[CN_BBOB_PEAKS][CN_BBOB_DIMS];                            /* diagonal of C_i */
    double height[CN_BBOB_PEAKS];                                        /* w_i */
};

/* 2 <= dim <= CN_BBOB_DIMS. */
void cn_bbob_init(struct cn_bbob *b, cn_bbob_kind kind, int dim, uint64_t instance);
/* Move the optimum to x (double[dim]), so that it lies on a grid of a discrete space. false:
 * the definition fixes it (Schwefel). */
bool cn_bbob_move(struct cn_bbob *b, const double *x);
double cn_bbob_value(const struct cn_bbob *b, const double *x);
const char *cn_bbob_name(cn_bbob_kind k);
bool cn_bbob_has_one_valley(cn_bbob_kind k);

/* Oscillation of the report, T_osz of one number. */
double cn_bbob_osz(double x);

#endif
