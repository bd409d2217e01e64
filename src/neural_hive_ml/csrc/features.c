#include "features.h"
#include <math.h>
#include <string.h>

enum { N_CREATED, N_SUCCESS, N_ENDED, FAST, SLOW, VARIANCE, LAST, LAST_TWO, FAILURES, RETRIES, WAIT, CREATED_AT, GAP,
       RATE_1H, RATE_24H, RUNNING, QUEUED, N_GAPS, N_WAITS, SIZE, SIZE_VARIANCE, RING_AT };
enum { ESTIMATE_MS, HAS_ESTIMATE, SLA_TIMEOUT_MS, PRIORITY, RISK, SECURITY, DELIVERY, CONSISTENCY, DURABILITY, TYPE,
       CAPABILITIES, DEPENDENCIES, PARAMETERS, PARAMETER_BYTES, PARAMETERS_MISSING, PARAMETER_SIZE, HOUR, WEEKDAY,
       DURATION_MS, WAIT_MS, RETRY_COUNT, FAILED, ERROR, STARTED, HAS_DURATION, MAX_RETRIES, CREATED_MS,
       FIRST_PARAMETER };
#define PARAMETER_SLOTS 8
#define HOUR_MS 3600000.0
#define DAY_MS 86400000.0
#define FAST_WEIGHT 0.3
#define SLOW_WEIGHT 0.05
#define PRIOR_SPREAD 1.0
#define SPREAD_FLOOR 0.05
#define SHRINK 4.0
#define MAD_TO_SD 1.4826
#define Z_LIMIT 50.0
#define PI 3.141592653589793

#define COUNTS 4096

static double ln2, prior_location, never_gap, counts[COUNTS], hour_sine[24], hour_cosine[24], day_sine[7], day_cosine[7];

static double clip(double x, double low, double high) { return x < low ? low : x > high ? high : x; }
static double larger(double a, double b) { return a > b ? a : b; }
static double smaller(double a, double b) { return a < b ? a : b; }

/* By counting who is smaller: no branch to mispredict, and 32 values fit the vector units. */
static void sort_small(double *v, int n) {
    double sorted[RING];
    for (int i = 0; i < n; i++) {
        double x = v[i];
        int64_t place = 0;
        for (int j = 0; j < i; j++) place += v[j] <= x;
        for (int j = i + 1; j < n; j++) place += v[j] < x;
        sorted[place] = x;
    }
    memcpy(v, sorted, (size_t)n * sizeof(double));
}

/* log1p of a count, from a table of libm's own answers while it is small. */
static double log1p_count(double n) { return n < COUNTS && n >= 0 && n == (int)n ? counts[(int)n] : log1p(n); }

/* Distances from the middle of sorted values, sorted: those on either side are in order already. */
static void distances(const double *v, int n, double middle, double *out) {
    int right = 0, left;
    while (right < n && v[right] < middle) right++;
    left = right - 1;
    for (int i = 0; i < n; i++) {
        double below = left >= 0 ? fabs(v[left] - middle) : INFINITY, above = right < n ? fabs(v[right] - middle) : INFINITY;
        if (below <= above) { out[i] = below; left--; } else { out[i] = above; right++; }
    }
}

static double median(const double *v, int n) { return n % 2 ? v[n / 2] : 0.5 * (v[n / 2 - 1] + v[n / 2]); }

static void robust(const double *r, double location, double spread, double *middle_out, double *spread_out) {
    int n = (int)smaller(r[N_SUCCESS], RING);
    double v[RING];
    if (n == 0) { *middle_out = location; *spread_out = spread; return; }
    memcpy(v, r + SLIM, (size_t)n * sizeof(double));
    sort_small(v, n);
    double middle = median(v, n);
    double away[RING];
    distances(v, n, middle, away);
    double deviation = MAD_TO_SD * median(away, n);
    *middle_out = middle;
    *spread_out = sqrt((n * deviation * deviation + SHRINK * spread * spread) / (n + SHRINK));
}

static double decayed(double count, double since_ms, double half_life_ms) {
    return count * exp(-ln2 * since_ms / half_life_ms);
}
static double slow_location(const double *r, double otherwise) { return r[N_SUCCESS] > 0 ? r[SLOW] : otherwise; }
static double slow_spread(const double *r, double otherwise) {
    double n = smaller(r[N_SUCCESS], 20.0);
    return sqrt((n * r[VARIANCE] + SHRINK * otherwise * otherwise) / (n + SHRINK));
}
static double failure_rate(const double *r, double otherwise) {
    double n = smaller(r[N_ENDED], 20.0);
    return (n * r[FAILURES] + SHRINK * otherwise) / (n + SHRINK);
}

static double *arrivals(double *out, const double *r, double now) {
    double hour = 0.0, day = 0.0, gap = never_gap;
    if (r[N_CREATED] > 0) {
        double since = larger(now - r[CREATED_AT], 0.0);
        hour = decayed(r[RATE_1H], since, HOUR_MS);
        day = decayed(r[RATE_24H], since, DAY_MS);
        gap = log1p(since / 1000.0);
    }
    *out++ = gap;
    *out++ = r[N_GAPS] > 0 ? r[GAP] : gap;
    *out++ = log1p(hour);
    *out++ = log1p(day);
    *out++ = log((hour + 1.0) / (day / 24.0 + 1.0));
    return out;
}

static double *block(double *out, const double *r, double now, double location, double spread, double failing, int ring) {
    double n = r[N_SUCCESS];
    *out++ = log1p_count(r[N_CREATED]);
    *out++ = log1p_count(n);
    *out++ = n > 0 ? r[FAST] : location;
    *out++ = slow_location(r, location);
    *out++ = slow_spread(r, spread);
    if (ring) {
        robust(r, location, spread, out, out + 1);
        out += 2;
    }
    *out++ = n > 0 ? r[LAST] : location;
    *out++ = n > 0 ? r[LAST_TWO] : location;
    *out++ = failure_rate(r, failing);
    *out++ = log1p(r[RETRIES]);
    *out++ = r[WAIT];
    out = arrivals(out, r, now);
    *out++ = log1p_count(r[RUNNING]);
    *out++ = log1p_count(r[QUEUED]);
    return out;
}

static double familiarity(double pair, double whole) { return log((pair + 0.5) / (whole + 1.0)); }
static double hour_familiarity(const double *h, int hour, double whole) {
    double near = 0.5 * h[hour] + 0.25 * h[(hour + 23) % 24] + 0.25 * h[(hour + 1) % 24];
    return log((near + 0.5) / (whole / 24.0 + 0.5));
}

static double *static_part(double *out, const double *raw) {
    static const int plain[] = {PRIORITY, RISK, SECURITY, DELIVERY, CONSISTENCY, DURABILITY};
    double has = raw[HAS_ESTIMATE], estimate = raw[ESTIMATE_MS], timeout = raw[SLA_TIMEOUT_MS];
    *out++ = has > 0 ? log1p(estimate) : 0.0;
    *out++ = has;
    *out++ = log1p(timeout);
    *out++ = has > 0 ? clip(estimate / larger(timeout, 1.0), 0.0, 10.0) : 0.0;
    for (int i = 0; i < 6; i++) *out++ = raw[plain[i]];
    for (int code = 0; code < 8; code++) *out++ = raw[TYPE] == code ? 1.0 : 0.0;
    *out++ = raw[CAPABILITIES];
    *out++ = raw[DEPENDENCIES];
    *out++ = raw[PARAMETERS];
    *out++ = log1p_count(raw[PARAMETER_BYTES]);
    for (int i = 0; i < PARAMETER_SLOTS; i++) {
        double value = raw[FIRST_PARAMETER + i];
        *out++ = value >= 0 ? log1p_count(value) : -log1p(-value);
    }
    *out++ = raw[PARAMETERS_MISSING];
    double hour = raw[HOUR], weekday = raw[WEEKDAY];
    *out++ = hour_sine[(int)hour];
    *out++ = hour_cosine[(int)hour];
    *out++ = day_sine[(int)weekday];
    *out++ = day_cosine[(int)weekday];
    *out++ = weekday >= 5 ? 1.0 : 0.0;
    *out++ = weekday < 5 && 9 <= hour && hour < 18 ? 1.0 : 0.0;
    return out;
}

static double size_deviation(const double *task, double size) {
    double n = task[N_CREATED];
    if (n < 1) return 0.0;
    double m = smaller(n, 20.0);
    double spread = sqrt((m * task[SIZE_VARIANCE] + SHRINK * 0.25) / (m + SHRINK));
    return clip((size - task[SIZE]) / spread, -Z_LIMIT, Z_LIMIT);
}

static double *observed(double *out, int stage, const double *raw, const double *const scopes[4]) {
    if (stage == 0) {
        for (int i = 0; i < 16; i++) *out++ = 0.0;
        return out;
    }
    const double *task = scopes[0];
    int ended = stage == 2;
    double known = raw[HAS_DURATION], duration = log1p(raw[DURATION_MS]), wait = log1p(raw[WAIT_MS]);
    *out++ = ended ? 0.0 : 1.0;
    *out++ = ended ? 1.0 : 0.0;
    *out++ = known > 0 ? duration : 0.0;
    *out++ = known;
    *out++ = wait;
    *out++ = log1p_count(raw[RETRY_COUNT]);
    *out++ = raw[FAILED];
    *out++ = raw[ERROR];
    for (int i = 0; i < 4; i++) {
        const double *r = scopes[i];
        if (known == 0 || r[N_SUCCESS] < 1) { *out++ = 0.0; continue; }
        double location, spread;
        if (i < 3) robust(r, r[SLOW], PRIOR_SPREAD, &location, &spread);
        else { location = r[SLOW]; spread = slow_spread(r, PRIOR_SPREAD); }
        *out++ = clip((duration - location) / larger(spread, SPREAD_FLOOR), -Z_LIMIT, Z_LIMIT);
    }
    *out++ = known > 0 && raw[HAS_ESTIMATE] > 0 ? clip(duration - log1p(raw[ESTIMATE_MS]), -20.0, 20.0) : 0.0;
    *out++ = known > 0 ? clip(duration - log1p(raw[SLA_TIMEOUT_MS]), -20.0, 20.0) : 0.0;
    *out++ = log1p_count(raw[RETRY_COUNT]) - log1p(task[RETRIES]);
    *out++ = task[N_WAITS] > 0 ? wait - task[WAIT] : 0.0;
    return out;
}

static double *make_row(double *out, int stage, double now, const double *raw, const int64_t *s, const double *full,
                        const double *slim, const double *pairs, const double *hours) {
    const double *task = full + s[0] * FULL, *owner = full + s[1] * FULL, *both = full + s[2] * FULL;
    const double *same = slim + s[3] * SLIM, *kind = slim + s[4] * SLIM, *risk = slim + s[5] * SLIM,
                 *caps = slim + s[6] * SLIM, *everything = slim + s[7] * SLIM;
    const double *const wide[4] = {kind, risk, caps, everything};
    const double *const timed[4] = {task, owner, both, same};
    out = static_part(out, raw);
    double all_location = slow_location(everything, prior_location);
    double all_spread = slow_spread(everything, PRIOR_SPREAD);
    double all_failing = failure_rate(everything, 0.02);
    double type_location = slow_location(kind, all_location), type_spread = slow_spread(kind, all_spread);
    double type_failing = failure_rate(kind, all_failing);
    double task_location = slow_location(task, type_location), task_spread = slow_spread(task, type_spread);
    double task_failing = failure_rate(task, type_failing);
    double both_location = slow_location(both, task_location), both_spread = slow_spread(both, task_spread);
    double both_failing = failure_rate(both, task_failing);
    out = block(out, task, now, type_location, type_spread, type_failing, 1);
    out = block(out, owner, now, type_location, type_spread, type_failing, 1);
    out = block(out, both, now, task_location, task_spread, task_failing, 1);
    out = block(out, same, now, both_location, both_spread, both_failing, 0);
    for (int i = 0; i < 4; i++) {
        const double *r = wide[i];
        *out++ = slow_location(r, all_location);
        *out++ = failure_rate(r, all_failing);
        *out++ = r[WAIT];
        *out++ = log1p(decayed(r[RATE_1H], larger(now - r[CREATED_AT], 0.0), HOUR_MS));
        *out++ = log1p_count(r[RUNNING]);
        *out++ = log1p_count(r[QUEUED]);
    }
    *out++ = familiarity(pairs[s[8]], task[N_CREATED]);
    *out++ = familiarity(pairs[s[9]], task[N_CREATED]);
    *out++ = familiarity(same[N_CREATED], task[N_CREATED]);
    *out++ = familiarity(both[N_CREATED], owner[N_CREATED]);
    int hour = (int)raw[HOUR];
    *out++ = hour_familiarity(hours + s[10] * HOURS, hour, task[N_CREATED]);
    *out++ = hour_familiarity(hours + s[11] * HOURS, hour, owner[N_CREATED]);
    *out++ = size_deviation(task, raw[PARAMETER_SIZE]);
    return observed(out, stage, raw, timed);
}

static void remember_creation(double *r, double now, const double *raw) {
    double n = r[N_CREATED];
    if (n > 0) {
        double since = larger(now - r[CREATED_AT], 0.0);
        r[RATE_1H] = decayed(r[RATE_1H], since, HOUR_MS);
        r[RATE_24H] = decayed(r[RATE_24H], since, DAY_MS);
        double gaps = r[N_GAPS], w = larger(1.0 / (gaps + 1.0), SLOW_WEIGHT);
        r[GAP] += w * (log1p(since / 1000.0) - r[GAP]);
        r[N_GAPS] = gaps + 1.0;
    }
    r[RATE_1H] += 1.0;
    r[RATE_24H] += 1.0;
    r[CREATED_AT] = now;
    double weight = larger(1.0 / (n + 1.0), SLOW_WEIGHT), delta = raw[PARAMETER_SIZE] - r[SIZE];
    r[SIZE] += weight * delta;
    r[SIZE_VARIANCE] = (1.0 - weight) * (r[SIZE_VARIANCE] + weight * delta * delta);
    r[N_CREATED] = n + 1.0;
    r[QUEUED] += 1.0;
}

static void remember_start(double *r, const double *raw) {
    r[QUEUED] = larger(r[QUEUED] - 1.0, 0.0);
    r[RUNNING] += 1.0;
    double n = r[N_WAITS], w = larger(1.0 / (n + 1.0), SLOW_WEIGHT);
    r[WAIT] += w * (log1p(raw[WAIT_MS]) - r[WAIT]);
    r[N_WAITS] = n + 1.0;
}

static void remember_end(double *r, const double *raw, int ring) {
    if (raw[STARTED] > 0) r[RUNNING] = larger(r[RUNNING] - 1.0, 0.0);
    else r[QUEUED] = larger(r[QUEUED] - 1.0, 0.0);
    double n = r[N_ENDED], w = larger(1.0 / (n + 1.0), SLOW_WEIGHT);
    r[FAILURES] += w * (raw[FAILED] - r[FAILURES]);
    r[RETRIES] += w * (raw[RETRY_COUNT] - r[RETRIES]);
    r[N_ENDED] = n + 1.0;
    if (raw[FAILED] > 0 || raw[HAS_DURATION] == 0) return;
    double duration = log1p(raw[DURATION_MS]);
    n = r[N_SUCCESS];
    r[LAST_TWO] = n > 0 ? log1p(0.5 * (expm1(r[LAST]) + raw[DURATION_MS])) : duration;
    r[LAST] = duration;
    double fast = larger(1.0 / (n + 1.0), FAST_WEIGHT), slow = larger(1.0 / (n + 1.0), SLOW_WEIGHT);
    r[FAST] += fast * (duration - r[FAST]);
    double delta = duration - r[SLOW];
    r[SLOW] += slow * delta;
    r[VARIANCE] = (1.0 - slow) * (r[VARIANCE] + slow * delta * delta);
    r[N_SUCCESS] = n + 1.0;
    if (ring) {
        int position = (int)r[RING_AT];
        r[SLIM + position] = duration;
        r[RING_AT] = (double)((position + 1) % RING);
    }
}

void hive_prepare(void) {
    ln2 = log(2.0);
    prior_location = log1p(60000.0);
    never_gap = log1p(DAY_MS * 30.0 / 1000.0);
    for (int i = 0; i < COUNTS; i++) counts[i] = log1p((double)i);
    for (int i = 0; i < 24; i++) { hour_sine[i] = sin(2.0 * PI * i / 24.0); hour_cosine[i] = cos(2.0 * PI * i / 24.0); }
    for (int i = 0; i < 7; i++) { day_sine[i] = sin(2.0 * PI * i / 7.0); day_cosine[i] = cos(2.0 * PI * i / 7.0); }
}

void hive_replay(int64_t n, const int8_t *kind, const int8_t *stage, const int64_t *emit, const uint8_t *apply,
                 const int64_t *at_ms, const int64_t *slots, const double *raw, double *full, double *slim,
                 double *pairs, double *hours, double *out, int64_t columns) {
    for (int64_t i = 0; i < n; i++) {
        const int64_t *s = slots + i * SLOTS;
        const double *x = raw + i * RAW;
        double now = (double)at_ms[i];
        if (emit[i] >= 0) make_row(out + emit[i] * columns, stage[i], now, x, s, full, slim, pairs, hours);
        if (!apply[i] || kind[i] > 2) continue;
        for (int k = 0; k < 8; k++) {
            if (s[k] <= 0) continue;
            double *r = k < 3 ? full + s[k] * FULL : slim + s[k] * SLIM;
            if (kind[i] == 0) remember_creation(r, now, x);
            else if (kind[i] == 1) remember_start(r, x);
            else remember_end(r, x, k < 3);
        }
        if (kind[i] == 0) {
            for (int k = 8; k < 10; k++) if (s[k] > 0) pairs[s[k]] += 1.0;
            for (int k = 10; k < 12; k++) if (s[k] > 0) hours[s[k] * HOURS + (int)x[HOUR]] += 1.0;
        }
    }
}
