/* One execution ticket out of a BSON document, without Python and without memory of its own.
 *
 * Only a document of the present schema is taken, and only where tickets/decode.py would take it to the same values;
 * whatever else it may be (an older spelling, a fault, broken bytes) is `odd`, and the caller asks tickets/decode.py.
 * Every read is checked against the end of the document: tests/laws hold both equal over odd and broken ones.
 */
#ifndef HIVE_TICKET_BSON_H
#define HIVE_TICKET_BSON_H
#include <stddef.h>
#include <stdint.h>

enum { TASK_TYPE, STATUS, PRIORITY, RISK_BAND, DELIVERY_MODE, CONSISTENCY, DURABILITY, SECURITY_LEVEL, WORD_COLUMNS };
enum { DEPENDENCIES, RETRY_COUNT, MAX_RETRIES, CREATED_AT, STARTED_AT, COMPLETED_AT, ESTIMATED_MS, ACTUAL_MS, TIMEOUT_MS,
       DEADLINE, NUMBER_COLUMNS };
#define MOST_WORDS 16

struct bytes {
    const uint8_t *at;
    int32_t n;
};

/* What tickets/limits.py and tickets/ticket.py say, in the order of tickets/bson_columns.py. */
struct rules {
    int64_t earliest_ms, latest_ms, most_duration_ms, most_retries, most_id, most_text, most_entries, most_characters,
        most_list, missing_ms, usual_retries;
    int64_t needs_completion; /* bit s: status s is an end that has a time */
    int8_t standard[WORD_COLUMNS]; /* code of an absent word, -1: it must be there */
    int words_n[WORD_COLUMNS];
    struct bytes words[WORD_COLUMNS][MOST_WORDS];
};

struct ticket_row {
    struct bytes id, task, owner;                  /* valid UTF-8 */
    struct bytes capabilities, parameters;         /* whole BSON arrays and documents of texts; at == NULL: absent */
    int64_t numbers[NUMBER_COLUMNS];
    int8_t words[WORD_COLUMNS];
    int8_t error, synthetic;
};

struct element {
    uint8_t type;
    struct bytes key, value; /* value of a text: its characters; of anything else: its bytes */
};

/* The number at the start of a document: its length. */
int32_t hive_int32(const uint8_t *at);
/* Step to the next element of a document. 1: there is one, 0: it ended as it should, -1: it is broken. */
int hive_bson_next(const uint8_t **at, const uint8_t *end, struct element *out);
/* Point `at` and `end` at the elements of a whole document. 0 when it is none. */
int hive_bson_open(struct bytes document, const uint8_t **at, const uint8_t **end);
/* 1: the document is a ticket, now in `out`; 0: it is odd. */
int hive_bson_ticket(struct bytes document, const struct rules *rules, struct ticket_row *out);
#endif
