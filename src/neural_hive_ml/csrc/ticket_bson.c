#include "ticket_bson.h"
#include <string.h>

enum { DOUBLE = 1, TEXT = 2, DOCUMENT = 3, ARRAY = 4, BINARY = 5, UNDEFINED = 6, OBJECT_ID = 7, BOOLEAN = 8, DATE = 9,
       NIL = 10, REGEX = 11, INT32 = 16, TIMESTAMP = 17, INT64 = 18, DECIMAL = 19 };
enum { ID, LONG_TEXT, WORD, COUNT, DURATION, TIME, SLA, QOS, LIST, MAP, OLD };
enum { F_ID, F_TASK, F_DEPENDENCIES, F_PARAMETERS, F_CAPABILITIES, F_METADATA, F_ERROR, F_OTHER };

struct field {
    const char *name;
    uint8_t n, kind, place, required, nullable;
};
#define NAME(text) text, sizeof text - 1
/* In the order in which we write them: the next field is usually the next line. */
static const struct field FIELDS[] = {
    {NAME("ticket_id"), ID, F_ID, 1, 0},
    {NAME("plan_id"), ID, F_OTHER, 1, 0},
    {NAME("intent_id"), ID, F_OTHER, 1, 0},
    {NAME("decision_id"), ID, F_OTHER, 1, 0},
    {NAME("task_id"), ID, F_TASK, 1, 0},
    {NAME("task_type"), WORD, TASK_TYPE, 1, 0},
    {NAME("status"), WORD, STATUS, 1, 0},
    {NAME("priority"), WORD, PRIORITY, 1, 0},
    {NAME("risk_band"), WORD, RISK_BAND, 1, 0},
    {NAME("sla"), SLA, 0, 1, 0},
    {NAME("created_at"), TIME, CREATED_AT, 1, 0},
    {NAME("qos"), QOS, 0, 0, 0},
    {NAME("description"), LONG_TEXT, F_OTHER, 0, 0},
    {NAME("dependencies"), LIST, F_DEPENDENCIES, 0, 0},
    {NAME("parameters"), MAP, F_PARAMETERS, 0, 0},
    {NAME("required_capabilities"), LIST, F_CAPABILITIES, 0, 0},
    {NAME("security_level"), WORD, SECURITY_LEVEL, 0, 0},
    {NAME("started_at"), TIME, STARTED_AT, 0, 1},
    {NAME("completed_at"), TIME, COMPLETED_AT, 0, 1},
    {NAME("estimated_duration_ms"), DURATION, ESTIMATED_MS, 0, 1},
    {NAME("actual_duration_ms"), DURATION, ACTUAL_MS, 0, 1},
    {NAME("retry_count"), COUNT, RETRY_COUNT, 0, 0},
    {NAME("error_message"), LONG_TEXT, F_ERROR, 0, 1},
    {NAME("compensation_ticket_id"), ID, F_OTHER, 0, 1},
    {NAME("correlation_id"), ID, F_OTHER, 0, 1},
    {NAME("trace_id"), ID, F_OTHER, 0, 1},
    {NAME("span_id"), ID, F_OTHER, 0, 1},
    {NAME("metadata"), MAP, F_METADATA, 0, 0},
    {NAME("schema_version"), COUNT, NUMBER_COLUMNS, 0, 0},
    {NAME("type"), OLD, 0, 0, 0},
    {NAME("capabilities"), OLD, 0, 0, 0},
    {NAME("timestamp"), OLD, 0, 0, 0},
    {NAME("risk_weight"), OLD, 0, 0, 0},
    {NAME("sla_timeout_ms"), OLD, 0, 0, 0},
};
enum { FIELD_COUNT = sizeof FIELDS / sizeof *FIELDS };
static const char *const QOS_NAMES[] = {"delivery_mode", "consistency", "durability"};

int32_t hive_int32(const uint8_t *at) {
    return (int32_t)((uint32_t)at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24);
}

static int64_t int64_at(const uint8_t *at) {
    return (int64_t)((uint64_t)(uint32_t)hive_int32(at) | (uint64_t)(uint32_t)hive_int32(at + 4) << 32);
}

static int same(struct bytes text, const char *name, size_t n) { return (size_t)text.n == n && !memcmp(text.at, name, n); }

int hive_bson_open(struct bytes document, const uint8_t **at, const uint8_t **end) {
    if (document.n < 5 || hive_int32(document.at) != document.n || document.at[document.n - 1]) return 0;
    *at = document.at + 4;
    *end = document.at + document.n - 1;
    return 1;
}

/* Bytes of a value, its length prefix with it; -1 when it does not fit in what is left. */
static int64_t size_of(uint8_t type, const uint8_t *at, int64_t left) {
    int64_t n;
    switch (type) {
    case DOUBLE: case DATE: case TIMESTAMP: case INT64: n = 8; break;
    case INT32: n = 4; break;
    case OBJECT_ID: n = 12; break;
    case BOOLEAN: n = 1; break;
    case DECIMAL: n = 16; break;
    case UNDEFINED: case NIL: n = 0; break;
    case TEXT: case DOCUMENT: case ARRAY: case BINARY:
        if (left < 4) return -1;
        n = hive_int32(at);
        if (n < (type == TEXT ? 1 : type == BINARY ? 0 : 5)) return -1;
        n += type == TEXT ? 4 : type == BINARY ? 5 : 0;
        if (n > left || (type != BINARY && at[n - 1])) return -1;
        break;
    case REGEX: {
        const uint8_t *first = memchr(at, 0, (size_t)left);
        const uint8_t *second = first ? memchr(first + 1, 0, (size_t)(left - (first + 1 - at))) : NULL;
        if (!second) return -1;
        n = second + 1 - at;
        break;
    }
    default: return -1; /* code, pointers, the keys' ends: no ticket's business */
    }
    return n > left ? -1 : n;
}

int hive_bson_next(const uint8_t **at, const uint8_t *end, struct element *out) {
    const uint8_t *p = *at;
    if (p == end) return 0;
    out->type = *p++;
    const uint8_t *stop = p < end ? memchr(p, 0, (size_t)(end - p)) : NULL;
    if (!stop || stop - p > INT32_MAX) return -1;
    out->key = (struct bytes){p, (int32_t)(stop - p)};
    p = stop + 1;
    int64_t n = size_of(out->type, p, end - p);
    if (n < 0) return -1;
    out->value = out->type == TEXT ? (struct bytes){p + 4, (int32_t)n - 5} : (struct bytes){p, (int32_t)n};
    *at = p + n;
    return 1;
}

/* What Python's strict decoder takes: no overlong forms, no halves of characters, nothing beyond U+10FFFF. */
static int is_utf8(struct bytes text) {
    const uint8_t *p = text.at, *end = p + text.n;
    while (p < end) {
        uint64_t eight;
        while (end - p >= 8 && (memcpy(&eight, p, 8), !(eight & 0x8080808080808080u))) p += 8;
        if (p == end) break;
        uint8_t c = *p++;
        if (c < 0x80) continue;
        int more = c >= 0xC2 && c <= 0xDF ? 1 : (c & 0xF0) == 0xE0 ? 2 : c >= 0xF0 && c <= 0xF4 ? 3 : 0;
        if (!more || end - p < more) return 0;
        uint8_t low = c == 0xE0 ? 0xA0 : c == 0xF0 ? 0x90 : 0x80, high = c == 0xED ? 0x9F : c == 0xF4 ? 0x8F : 0xBF;
        if (p[0] < low || p[0] > high) return 0;
        for (int i = 1; i < more; i++)
            if ((p[i] & 0xC0) != 0x80) return 0;
        p += more;
    }
    return 1;
}

/* Fewer bytes than characters are allowed is fewer characters too; the rest is for the definition to count. */
static int is_text(const struct element *e, int64_t most) { return e->type == TEXT && e->value.n <= most && is_utf8(e->value); }

static int whole(const struct element *e, int64_t *out) {
    if (e->type == INT32) *out = hive_int32(e->value.at);
    else if (e->type == INT64) *out = int64_at(e->value.at);
    else return 0;
    return 1;
}

static int between(int64_t value, int64_t low, int64_t high) { return value >= low && value <= high; }

static int bounded(const struct element *e, int64_t most, int64_t *out) { return whole(e, out) && between(*out, 0, most); }

static int instant(const struct element *e, int64_t *out) {
    if (e->type != DATE) return whole(e, out);
    *out = int64_at(e->value.at);
    return 1;
}

static int word(const struct element *e, const struct rules *r, int column, struct ticket_row *out) {
    if (e->type != TEXT) return 0;
    for (int i = 0; i < r->words_n[column]; i++)
        if (same(e->value, (const char *)r->words[column][i].at, (size_t)r->words[column][i].n)) {
            out->words[column] = (int8_t)i;
            return 1;
        }
    return 0;
}

static int sla(struct bytes document, const struct rules *r, struct ticket_row *out) {
    const uint8_t *at, *end;
    struct element e;
    int more, seen = 0;
    if (!hive_bson_open(document, &at, &end)) return 0;
    while ((more = hive_bson_next(&at, end, &e)) > 0) {
        int bit, good;
        int64_t *numbers = out->numbers;
        if (same(e.key, NAME("deadline"))) bit = 1, good = instant(&e, &numbers[DEADLINE]) && between(numbers[DEADLINE], 0, r->latest_ms);
        else if (same(e.key, NAME("timeout_ms"))) bit = 2, good = bounded(&e, r->most_duration_ms, &numbers[TIMEOUT_MS]);
        else if (same(e.key, NAME("max_retries"))) bit = 4, good = bounded(&e, r->most_retries, &numbers[MAX_RETRIES]);
        else return 0;
        if (!good || seen & bit) return 0;
        seen |= bit;
    }
    return !more && (seen & 3) == 3;
}

static int qos(struct bytes document, const struct rules *r, struct ticket_row *out) {
    const uint8_t *at, *end;
    struct element e;
    int more, seen = 0;
    if (!hive_bson_open(document, &at, &end)) return 0;
    while ((more = hive_bson_next(&at, end, &e)) > 0) {
        int which = 0;
        while (which < 3 && !same(e.key, QOS_NAMES[which], strlen(QOS_NAMES[which]))) which++;
        if (which == 3 || seen & 1 << which || !word(&e, r, DELIVERY_MODE + which, out)) return 0;
        seen |= 1 << which;
    }
    return !more;
}

/* Entries of an array of ids, -1 when it is none; an entry that is `without` makes it none. */
static int64_t list(struct bytes array, const struct rules *r, const struct bytes *without) {
    const uint8_t *at, *end;
    struct element e;
    int more;
    int64_t n = 0;
    if (!hive_bson_open(array, &at, &end)) return -1;
    while ((more = hive_bson_next(&at, end, &e)) > 0) {
        if (!is_text(&e, r->most_id) || ++n > r->most_list) return -1;
        if (without && same(e.value, (const char *)without->at, (size_t)without->n)) return -1;
    }
    return more ? -1 : n;
}

static int map(struct bytes document, const struct rules *r, struct ticket_row *metadata_of) {
    const uint8_t *at, *end;
    struct element e;
    int more;
    int64_t n = 0, characters = 0;
    if (!hive_bson_open(document, &at, &end)) return 0;
    while ((more = hive_bson_next(&at, end, &e)) > 0) {
        characters += (int64_t)e.key.n + e.value.n;
        /* `$ref` and its like make a driver read something else than a mapping. */
        if (!is_text(&e, r->most_characters) || !is_utf8(e.key) || *e.key.at == '$' || ++n > r->most_entries) return 0;
        if (metadata_of && same(e.key, NAME("owner"))) metadata_of->owner = e.value;
        if (metadata_of && same(e.key, NAME("synthetic"))) metadata_of->synthetic = (int8_t)same(e.value, NAME("true"));
    }
    return !more && characters <= r->most_characters;
}

static int find(struct bytes key, int next) {
    for (int i = 0; i < FIELD_COUNT; i++) {
        int at = next + i < FIELD_COUNT ? next + i : next + i - FIELD_COUNT;
        if (FIELDS[at].n == key.n && !memcmp(FIELDS[at].name, key.at, (size_t)key.n)) return at;
    }
    return -1;
}

static int take(const struct element *e, const struct field *f, const struct rules *r, struct ticket_row *out,
                struct bytes *dependencies) {
    int64_t unused, *number = f->kind >= COUNT && f->kind <= TIME && f->place < NUMBER_COLUMNS ? &out->numbers[f->place] : &unused;
    if (e->type == NIL) return f->nullable;
    switch (f->kind) {
    case ID:
        if (!is_text(e, r->most_id)) return 0;
        if (f->place == F_ID) out->id = e->value;
        if (f->place == F_TASK) out->task = e->value;
        return 1;
    case LONG_TEXT:
        if (f->place == F_ERROR) out->error = 1;
        return is_text(e, r->most_text);
    case WORD: return word(e, r, f->place, out);
    case COUNT: return bounded(e, r->most_retries, number);
    case DURATION: return bounded(e, r->most_duration_ms, number);
    case TIME: return instant(e, number) && between(*number, r->earliest_ms, r->latest_ms);
    case SLA: return e->type == DOCUMENT && sla(e->value, r, out);
    case QOS: return e->type == DOCUMENT && qos(e->value, r, out);
    case LIST:
        if (e->type != ARRAY) return 0;
        if (f->place == F_DEPENDENCIES) return *dependencies = e->value, 1;
        out->capabilities = e->value;
        return list(e->value, r, NULL) >= 0;
    case MAP:
        if (e->type != DOCUMENT) return 0;
        if (f->place == F_PARAMETERS) out->parameters = e->value;
        return map(e->value, r, f->place == F_METADATA ? out : NULL);
    default: return 0; /* an older spelling */
    }
}

static int in_order(const struct ticket_row *t, const struct rules *r) {
    const int64_t created = t->numbers[CREATED_AT], started = t->numbers[STARTED_AT], completed = t->numbers[COMPLETED_AT];
    if (started != r->missing_ms && started < created) return 0;
    if (completed == r->missing_ms) return !(r->needs_completion >> t->words[STATUS] & 1);
    return completed >= (started != r->missing_ms ? started : created);
}

int hive_bson_ticket(struct bytes document, const struct rules *r, struct ticket_row *out) {
    const uint8_t *at, *end;
    struct element e;
    struct bytes dependencies = {NULL, 0};
    uint64_t seen = 0;
    int more, next = 0;
    if (!hive_bson_open(document, &at, &end)) return 0;
    memset(out, 0, sizeof *out);
    memcpy(out->words, r->standard, sizeof out->words);
    out->numbers[MAX_RETRIES] = r->usual_retries;
    for (int i = STARTED_AT; i <= ACTUAL_MS; i++) out->numbers[i] = r->missing_ms;
    while ((more = hive_bson_next(&at, end, &e)) > 0) {
        int which = find(e.key, next);
        if (which < 0) continue;
        if (seen >> which & 1 || !take(&e, &FIELDS[which], r, out, &dependencies)) return 0;
        seen |= (uint64_t)1 << which;
        next = which + 1 < FIELD_COUNT ? which + 1 : 0;
    }
    if (more) return 0;
    for (int i = 0; i < FIELD_COUNT; i++)
        if (FIELDS[i].required && !(seen >> i & 1)) return 0;
    if (!out->id.n || !in_order(out, r)) return 0;
    if (dependencies.at && (out->numbers[DEPENDENCIES] = list(dependencies, r, &out->id)) < 0) return 0;
    return 1;
}
