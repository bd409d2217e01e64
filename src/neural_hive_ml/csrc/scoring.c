#include "scoring.h"
#include <float.h>
#include <math.h>
#include <string.h>

#define LANES 8

/* Sum of path lengths over all trees, tree by tree, so that every route adds in one order. A leaf is its own child and its
 * threshold is +inf, so all trees take `depth` steps and nothing branches; eight trees are in flight to hide the loads. */
static double isolated(const hive_isolation *f, const float *row) {
    const hive_split *nodes = f->nodes;
    double sum = 0.0;
    int64_t t = 0;
    for (; t + LANES <= f->trees; t += LANES) {
        int32_t k[LANES];
        for (int j = 0; j < LANES; j++) k[j] = f->roots[t + j];
        for (int64_t d = 0; d < f->depth; d++)
            for (int j = 0; j < LANES; j++) {
                const hive_split *n = nodes + k[j];
                k[j] = n->child + (row[n->feature] > n->threshold);
            }
        for (int j = 0; j < LANES; j++) sum += f->path[k[j]];
    }
    for (; t < f->trees; t++) {
        int32_t k = f->roots[t];
        for (int64_t d = 0; d < f->depth; d++) k = nodes[k].child + (row[nodes[k].feature] > nodes[k].threshold);
        sum += f->path[k];
    }
    return sum;
}

void hive_forest(int64_t rows, int64_t columns, const float *x, const hive_isolation *forest, double *out) {
    for (int64_t i = 0; i < rows; i++) out[i] = isolated(forest, x + i * columns);
}

static int32_t step(const hive_boost *nodes, int32_t k, const float *row) {
    const hive_boost *n = nodes + k;
    float v = row[n->place >> 1];
    int left = (v < n->threshold) | ((v != v) & n->place & 1);
    return n->child + !left;
}

/* XGBoost's own order: float32, base first, then tree by tree. A leaf is its own child: its threshold is +inf and a missing
 * value goes left, so x < inf or missing both stay. */
static void boosted(const hive_boosted *b, const float *row, float *answer) {
    for (int64_t g = 0; g < b->groups; g++) answer[g] = b->base[g];
    int64_t t = 0;
    for (; t + LANES <= b->trees; t += LANES) {
        int32_t k[LANES], deepest = 0;
        for (int j = 0; j < LANES; j++) {
            k[j] = b->roots[t + j];
            if (b->depths[t + j] > deepest) deepest = b->depths[t + j];
        }
        for (int32_t d = 0; d < deepest; d++)
            for (int j = 0; j < LANES; j++) k[j] = step(b->nodes, k[j], row);
        for (int j = 0; j < LANES; j++) answer[b->group[t + j]] += b->nodes[k[j]].leaf;
    }
    for (; t < b->trees; t++) {
        int32_t k = b->roots[t];
        for (int32_t d = 0; d < b->depths[t]; d++) k = step(b->nodes, k, row);
        answer[b->group[t]] += b->nodes[k].leaf;
    }
}

void hive_booster(int64_t rows, int64_t columns, const float *x, const hive_boosted *booster, float *out) {
    for (int64_t i = 0; i < rows; i++) boosted(booster, x + i * columns, out + i * booster->groups);
}

/* As NumPy has them: what is no number stays so. */
static double lesser(double a, double b) { return a < b || a != a ? a : b; }
static double greater(double a, double b) { return a > b || a != a ? a : b; }

void hive_quantiles(int64_t rows, int64_t stride, int64_t columns, const double *x, const hive_boosted *direct,
                    const hive_boosted *relative, double weight, int64_t same, const double *bounds, double *out) {
    const float share = (float)(1.0 - weight);
    float row[HIVE_WIDEST], margin[3];
    for (int64_t i = 0; i < rows; i++) {
        const double *wide = x + i * stride;
        double *o = out + i * 3;
        for (int64_t c = 0; c < columns; c++) {
            float v = (float)wide[c];
            row[c] = v > FLT_MAX ? FLT_MAX : v;
        }
        o[0] = o[1] = o[2] = 0.0;
        if (direct->trees > 0) {
            boosted(direct, row, margin);
            for (int g = 0; g < 3; g++) {
                float part = share * margin[g];
                o[g] += (double)part;
            }
        }
        if (relative->trees > 0) {
            boosted(relative, row, margin);
            for (int g = 0; g < 3; g++) o[g] += weight * ((double)margin[g] + wide[same]);
        }
        o[0] -= bounds[0];
        o[2] += bounds[1];
        o[0] = lesser(o[0], o[1]);
        o[2] = greater(o[2], o[1]);
        for (int g = 0; g < 3; g++) o[g] = lesser(greater(o[g], bounds[2]), bounds[3]);
    }
}

enum { KNOWN, ENDED, FAILED, ERROR, LOG_DURATION, TASK_SUCCEEDED, Z_TASK, TO_SLA, SIZE_Z, FIRST_PARAMETER };
enum { SLOW_RUN, FAST_RUN, NEAR_SLA, ERROR_IN_SUCCESS, STRANGE_SIZE, FIRST_HIGH, FIRST_LOW };
enum { LEAST_SPREAD, SIGMAS, TOLD_BY_TASK, SLA_FROM };

void hive_signals(int64_t rows, int64_t stride, const double *x, const double *quantiles, const hive_behaviour *of,
                  int64_t signals, double *out) {
    const int64_t *c = of->columns, *p = of->places;
    const double least = of->numbers[LEAST_SPREAD], sigmas = of->numbers[SIGMAS];
    for (int64_t i = 0; i < rows; i++) {
        const double *row = x + i * stride, *q = quantiles + i * 3;
        double *o = out + i * signals;
        memset(o, 0, (size_t)signals * sizeof(double));
        double known = row[c[KNOWN]], ended = row[c[ENDED]], succeeded = 1.0 - row[c[FAILED]];
        double surprise = row[c[LOG_DURATION]] - q[1];
        double slow = surprise / (greater(q[2] - q[1], least) / sigmas);
        double fast = -surprise / (greater(q[1] - q[0], least) / sigmas);
        if (row[c[TASK_SUCCEEDED]] >= of->numbers[TOLD_BY_TASK]) {
            double z = row[c[Z_TASK]];
            slow = z < slow || slow != slow ? z : slow;
            fast = -z < fast || fast != fast ? -z : fast;
        }
        o[p[SLOW_RUN]] = known * greater(slow, 0.0);
        o[p[FAST_RUN]] = known * ended * succeeded * greater(fast, 0.0);
        o[p[NEAR_SLA]] = known * greater(row[c[TO_SLA]] + of->numbers[SLA_FROM], 0.0);
        o[p[ERROR_IN_SUCCESS]] = ended * succeeded * row[c[ERROR]];
        o[p[STRANGE_SIZE]] = fabs(row[c[SIZE_Z]]);
        for (int64_t s = 0; s < of->one_sided; s++)
            o[of->to_signal[s]] = greater(of->sign[s] * row[of->from_column[s]] - of->start[s], 0.0);
        for (int64_t k = 0; k < of->parameters; k++) {
            double size = row[c[FIRST_PARAMETER] + k];
            o[p[FIRST_HIGH] + k] = size;
            o[p[FIRST_LOW] + k] = -size;
        }
    }
}

static double rarity_of(double v, const double *k, int64_t levels, const double *orders, double slope, double most) {
    double rarity = 0.0;
    int64_t reached = 0, last = levels - 1;
    while (reached < levels && k[reached] < v) reached++;
    if (v > k[last]) rarity = orders[last] + (v - k[last]) * slope;
    else if (v > k[0]) {
        int64_t low = reached > 0 ? reached - 1 : 0, high = reached < last ? reached : last;
        double span = k[high] - k[low], share = span > 0 ? (v - k[low]) / span : 0.0;
        share = share < 0 ? 0.0 : share > 1 ? 1.0 : share;
        rarity = orders[low] + share * (orders[high] - orders[low]);
    }
    return rarity < 0 ? 0.0 : rarity > most ? most : rarity;
}

void hive_rarity(int64_t rows, int64_t m, int64_t levels, const double *x, const double *knots, const double *slope,
                 const double *orders, double most, double *out) {
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < m; j++)
            out[i * m + j] = rarity_of(x[i * m + j], knots + j * levels, levels, orders, slope[j], most);
}

void hive_stage(int64_t rows, int64_t signals, int64_t m, int64_t levels, const double *x, const int64_t *positions,
                const double *knots, const double *slope, const double *orders, double most, const hive_isolation *forest,
                double *out, double *sums) {
    float row[HIVE_WIDEST];
    for (int64_t i = 0; i < rows; i++) {
        double *o = out + i * (m + 1);
        for (int64_t j = 0; j < m; j++) {
            o[j] = rarity_of(x[i * signals + positions[j]], knots + j * levels, levels, orders, slope[j], most);
            row[j] = (float)o[j];
        }
        sums[i] = isolated(forest, row);
    }
}

void hive_last_rarity(int64_t rows, int64_t columns, int64_t levels, const double *x, const double *knots,
                      const double *slope, const double *orders, double most, double *out) {
    for (int64_t i = 0; i < rows; i++)
        out[(i + 1) * columns - 1] = rarity_of(x[i], knots, levels, orders, slope[0], most);
}

void hive_top_two(int64_t rows, int64_t m, const double *x, double share, double *out) {
    for (int64_t i = 0; i < rows; i++) {
        const double *row = x + i * m;
        double first = row[0] > row[1] ? row[0] : row[1], second = row[0] > row[1] ? row[1] : row[0];
        for (int64_t j = 2; j < m; j++) {
            if (row[j] > first) { second = first; first = row[j]; }
            else if (row[j] > second) second = row[j];
        }
        out[i] = first + share * second;
    }
}
