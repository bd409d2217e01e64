/* Branch-free scoring of flattened trees. Layout and proof of equality: scoring/forest.py and scoring/booster.py. */
#ifndef HIVE_SCORING_H
#define HIVE_SCORING_H
#include <stdint.h>

void hive_forest(int64_t rows, int64_t columns, const float *x, int64_t trees, int64_t depth, const int32_t *roots,
                 const float *threshold, const int32_t *feature, const int32_t *child, const double *path, double *out);
void hive_booster(int64_t rows, int64_t columns, const float *x, int64_t trees, const int32_t *roots,
                  const int32_t *depths, const int32_t *group, int64_t groups, const float *base, const float *threshold,
                  const int32_t *feature, const int32_t *child, const uint8_t *default_left, const float *leaf, float *out);
/* Rarities of `m` signals a row in decimal orders, [0, most]; the definition is scoring/tails.py. */
void hive_rarity(int64_t rows, int64_t m, int64_t levels, const double *x, const double *knots, const double *slope,
                 const double *orders, double most, double *out);
#endif
