/* From a feature row to how rare it is. Trees: layout and proof of equality in scoring/forest.py and scoring/booster.py. The
 * definition of every other number here is the NumPy of the module that calls it, and a law test holds both equal to the last bit. */
#ifndef HIVE_SCORING_H
#define HIVE_SCORING_H
#include <stdint.h>

/* Rows of at most this many columns, where a kernel keeps one beside it. */
#define HIVE_WIDEST 512

/* One node is one memory access; children lie side by side, `child` is the left one, or the node itself at a leaf. */
typedef struct { float threshold; int32_t feature, child; } hive_split;
typedef struct { float threshold; int32_t place, child; float leaf; } hive_boost; /* place: 2 * feature + default_left */
typedef struct {
    int64_t trees, depth;
    const int32_t *roots;
    const hive_split *nodes;
    const double *path;
} hive_isolation;
typedef struct {
    int64_t trees, groups;
    const int32_t *roots, *depths, *group;
    const float *base;
    const hive_boost *nodes;
} hive_boosted;
/* Which columns, signals and numbers `behaviour.signals` is made of. */
typedef struct {
    const int64_t *columns, *places;
    const double *numbers;
    int64_t one_sided;
    const int64_t *from_column, *to_signal;
    const double *sign, *start;
    int64_t parameters;
} hive_behaviour;

void hive_forest(int64_t rows, int64_t columns, const float *x, const hive_isolation *forest, double *out);
void hive_booster(int64_t rows, int64_t columns, const float *x, const hive_boosted *booster, float *out);
/* DurationQuantiles.log_quantiles of rows [rows, stride], of which the first `columns` are read; a mix without a part has no trees. */
void hive_quantiles(int64_t rows, int64_t stride, int64_t columns, const double *x, const hive_boosted *direct,
                    const hive_boosted *relative, double weight, int64_t same, const double *bounds, double *out);
void hive_signals(int64_t rows, int64_t stride, const double *x, const double *quantiles, const hive_behaviour *of,
                  int64_t signals, double *out);
/* Rarities of `m` signals a row in decimal orders, [0, most]; the definition is scoring/tails.py. */
void hive_rarity(int64_t rows, int64_t m, int64_t levels, const double *x, const double *knots, const double *slope,
                 const double *orders, double most, double *out);
/* The rarities of the `m` signals at `positions`, into the first m of m + 1 columns, and the forest's sums over them. */
void hive_stage(int64_t rows, int64_t signals, int64_t m, int64_t levels, const double *x, const int64_t *positions,
                const double *knots, const double *slope, const double *orders, double most, const hive_isolation *forest,
                double *out, double *sums);
/* The rarity of one more signal, into the last of `columns` columns. */
void hive_last_rarity(int64_t rows, int64_t columns, int64_t levels, const double *x, const double *knots,
                      const double *slope, const double *orders, double most, double *out);
/* The greatest of each row and `share` of the second greatest; at least two columns. */
void hive_top_two(int64_t rows, int64_t m, const double *x, double share, double *out);
#endif
