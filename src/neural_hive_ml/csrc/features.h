/* Point-in-time statistics and feature rows: the shared kernel of training and serving.
 *
 * The readable definition of every number is neural_hive_ml/features/definition.py; this file computes the same
 * doubles with the same libm calls in the same order (compiled with -ffp-contract=off), and a property test holds both
 * equal to the last bit. Change both together.
 */
#ifndef HIVE_FEATURES_H
#define HIVE_FEATURES_H
#include <stdint.h>

#define RING 32
#define SLIM 22
#define FULL (SLIM + RING)
#define HOURS 24
#define SLOTS 12
#define RAW 37

/* Once, before anything else. */
void hive_prepare(void);
void hive_replay(int64_t n, const int8_t *kind, const int8_t *stage, const int64_t *emit, const uint8_t *apply,
                 const int64_t *at_ms, const int64_t *slots, const double *raw, double *full, double *slim,
                 double *pairs, double *hours, double *out, int64_t columns);
#endif
