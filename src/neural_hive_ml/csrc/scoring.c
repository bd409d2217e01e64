#include "scoring.h"
#include <math.h>

#define LANES 8

/* Sum of path lengths over all trees, tree by tree, so that every route adds in one order. A leaf is its own child and its
 * threshold is +inf, so all trees take `depth` steps and nothing branches; eight trees are in flight to hide the loads. */
void hive_forest(int64_t rows, int64_t columns, const float *x, int64_t trees, int64_t depth, const int32_t *roots,
                 const float *threshold, const int32_t *feature, const int32_t *child, const double *path, double *out) {
    for (int64_t i = 0; i < rows; i++) {
        const float *row = x + i * columns;
        double sum = 0.0;
        int64_t t = 0;
        for (; t + LANES <= trees; t += LANES) {
            int32_t k[LANES];
            for (int j = 0; j < LANES; j++) k[j] = roots[t + j];
            for (int64_t d = 0; d < depth; d++)
                for (int j = 0; j < LANES; j++) k[j] = child[k[j]] + (row[feature[k[j]]] > threshold[k[j]]);
            for (int j = 0; j < LANES; j++) sum += path[k[j]];
        }
        for (; t < trees; t++) {
            int32_t k = roots[t];
            for (int64_t d = 0; d < depth; d++) k = child[k] + (row[feature[k]] > threshold[k]);
            sum += path[k];
        }
        out[i] = sum;
    }
}

/* XGBoost's own order: float32, base first, then tree by tree. A leaf is its own child: its threshold is +inf and a missing
 * value goes left, so x < inf or missing both stay. */
void hive_booster(int64_t rows, int64_t columns, const float *x, int64_t trees, const int32_t *roots,
                  const int32_t *depths, const int32_t *group, int64_t groups, const float *base, const float *threshold,
                  const int32_t *feature, const int32_t *child, const uint8_t *default_left, const float *leaf, float *out) {
    for (int64_t i = 0; i < rows; i++) {
        const float *row = x + i * columns;
        float *answer = out + i * groups;
        for (int64_t g = 0; g < groups; g++) answer[g] = base[g];
        int64_t t = 0;
        for (; t + LANES <= trees; t += LANES) {
            int32_t k[LANES], deepest = 0;
            for (int j = 0; j < LANES; j++) {
                k[j] = roots[t + j];
                if (depths[t + j] > deepest) deepest = depths[t + j];
            }
            for (int32_t d = 0; d < deepest; d++)
                for (int j = 0; j < LANES; j++) {
                    float v = row[feature[k[j]]];
                    int missing = v != v;
                    int left = (v < threshold[k[j]]) | (missing & default_left[k[j]]);
                    k[j] = child[k[j]] + !left;
                }
            for (int j = 0; j < LANES; j++) answer[group[t + j]] += leaf[k[j]];
        }
        for (; t < trees; t++) {
            int32_t k = roots[t];
            for (int32_t d = 0; d < depths[t]; d++) {
                float v = row[feature[k]];
                int left = (v < threshold[k]) | ((v != v) & default_left[k]);
                k = child[k] + !left;
            }
            answer[group[t]] += leaf[k];
        }
    }
}

void hive_rarity(int64_t rows, int64_t m, int64_t levels, const double *x, const double *knots, const double *slope,
                 const double *orders, double most, double *out) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < m; j++) {
            const double *k = knots + j * levels;
            double v = x[i * m + j], rarity = 0.0;
            int64_t reached = 0, last = levels - 1;
            while (reached < levels && k[reached] < v) reached++;
            if (v > k[last]) rarity = orders[last] + (v - k[last]) * slope[j];
            else if (v > k[0]) {
                int64_t low = reached > 0 ? reached - 1 : 0, high = reached < last ? reached : last;
                double span = k[high] - k[low], share = span > 0 ? (v - k[low]) / span : 0.0;
                share = share < 0 ? 0.0 : share > 1 ? 1.0 : share;
                rarity = orders[low] + share * (orders[high] - orders[low]);
            }
            out[i * m + j] = rarity < 0 ? 0.0 : rarity > most ? most : rarity;
        }
}
