#include "ticket_columns.h"
#include "ticket_bson.h"
#include <string.h>

enum { RULES = 12, CODES = 2 + WORD_COLUMNS };
enum { IDS, TASKS, OWNERS, CAPABILITIES, PARAMETERS, OBJECT_COLUMNS };
static const uint8_t EMPTY[5] = {5, 0, 0, 0, 0};

/* Words of one column are divided by line ends, columns by nulls. */
static int read_words(const Py_buffer *text, struct rules *out) {
    const uint8_t *at = text->buf, *end = at + text->len;
    for (int column = 0; column < WORD_COLUMNS; column++) {
        int n = 0;
        for (int last = 0; !last; n++) {
            const uint8_t *stop = at;
            while (stop < end && *stop && *stop != '\n') stop++;
            if (stop == end || n == MOST_WORDS) return 0;
            out->words[column][n] = (struct bytes){at, (int32_t)(stop - at)};
            last = !*stop;
            at = stop + 1;
        }
        out->words_n[column] = n;
    }
    return at == end;
}

/* Documents of a batch, -1 when one does not lie within it. */
static Py_ssize_t count(const uint8_t *at, const uint8_t *end) {
    Py_ssize_t n = 0;
    for (; at < end; n++) {
        if (end - at < 5) return -1;
        int32_t size = hive_int32(at);
        if (size < 5 || size > end - at) return -1;
        at += size;
    }
    return n;
}

static PyObject *text(struct bytes b) { return PyUnicode_DecodeUTF8((const char *)b.at, b.n, NULL); }

/* One object for equal texts: new reference. */
static PyObject *shared_text(PyObject *texts, struct bytes b) {
    PyObject *made = b.at ? text(b) : PyUnicode_FromStringAndSize(NULL, 0);
    if (!made) return NULL;
    PyObject *held = PyDict_SetDefault(texts, made, made);
    Py_XINCREF(held);
    Py_DECREF(made);
    return held;
}

/* The elements of an array as a tuple, of a document as a dict; all of them are texts: they were looked at. */
static PyObject *nested(struct bytes document, int is_map) {
    const uint8_t *at, *end;
    struct element e;
    PyObject *out = is_map ? PyDict_New() : PyList_New(0);
    if (!out || !hive_bson_open(document, &at, &end)) return out;
    while (hive_bson_next(&at, end, &e) > 0) {
        PyObject *value = text(e.value), *key = is_map ? text(e.key) : NULL;
        int bad = !value || (is_map && !key) || (is_map ? PyDict_SetItem(out, key, value) : PyList_Append(out, value));
        Py_XDECREF(value);
        Py_XDECREF(key);
        if (bad) {
            Py_DECREF(out);
            return NULL;
        }
    }
    if (is_map) return out;
    PyObject *tuple = PyList_AsTuple(out);
    Py_DECREF(out);
    return tuple;
}

/* One object for equal bytes: new reference. */
static PyObject *shared_nested(PyObject *known, struct bytes b, int is_map) {
    if (!b.at) b = (struct bytes){EMPTY, sizeof EMPTY};
    PyObject *key = PyBytes_FromStringAndSize((const char *)b.at, b.n), *made = NULL;
    if (!key) return NULL;
    PyObject *held = PyDict_GetItemWithError(known, key);
    if (held) {
        Py_INCREF(held);
    } else if (!PyErr_Occurred() && (made = nested(b, is_map)) && !PyDict_SetItem(known, key, made)) {
        held = made;
    } else {
        Py_XDECREF(made);
    }
    Py_DECREF(key);
    return held;
}

static int append(PyObject *list, PyObject *item) {
    if (!item) return -1;
    int bad = PyList_Append(list, item);
    Py_DECREF(item);
    return bad;
}

static int keep(const struct ticket_row *row, PyObject **columns, PyObject *texts, PyObject *lists, PyObject *maps) {
    return append(columns[IDS], text(row->id)) || append(columns[TASKS], shared_text(texts, row->task)) ||
           append(columns[OWNERS], shared_text(texts, row->owner)) ||
           append(columns[CAPABILITIES], shared_nested(lists, row->capabilities, 0)) ||
           append(columns[PARAMETERS], shared_nested(maps, row->parameters, 1));
}

/* Go through the documents; numbers and codes are [columns][n], filled as far as there are rows. */
static int fill(const uint8_t *first, const uint8_t *end, Py_ssize_t n, const struct rules *rules, int64_t *numbers,
                int8_t *codes, PyObject **columns, PyObject *odd, PyObject *texts, PyObject *lists, PyObject *maps) {
    struct ticket_row row;
    Py_ssize_t k = 0;
    for (const uint8_t *at = first; at < end;) {
        struct bytes document = {at, hive_int32(at)};
        if (hive_bson_ticket(document, rules, &row)) {
            for (int c = 0; c < NUMBER_COLUMNS; c++) numbers[c * n + k] = row.numbers[c];
            codes[k] = row.error;
            codes[n + k] = row.synthetic;
            for (int c = 0; c < WORD_COLUMNS; c++) codes[(2 + c) * n + k] = row.words[c];
            if (keep(&row, columns, texts, lists, maps)) return -1;
            k++;
        } else if (append(odd, Py_BuildValue("nnn", k, (Py_ssize_t)(at - first), (Py_ssize_t)document.n))) {
            return -1;
        }
        at += document.n;
    }
    return 0;
}

PyObject *hive_ticket_columns(PyObject *self, PyObject *args) {
    Py_buffer batch, numbers_of, words, standard;
    PyObject *texts, *lists, *maps, *columns[OBJECT_COLUMNS] = {NULL}, *odd = NULL, *numbers = NULL, *codes = NULL, *out = NULL;
    struct rules rules;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*y*O!O!O!", &batch, &numbers_of, &words, &standard, &PyDict_Type, &texts,
                          &PyDict_Type, &lists, &PyDict_Type, &maps))
        return NULL;
    const uint8_t *first = batch.buf, *end = first + batch.len;
    Py_ssize_t n = count(first, end);
    int bad = 1;
    memset(&rules, 0, sizeof rules);
    if (n < 0) {
        PyErr_SetString(PyExc_ValueError, "a document does not end within its batch");
    } else if (numbers_of.len != RULES * 8 || standard.len != WORD_COLUMNS || !read_words(&words, &rules)) {
        PyErr_SetString(PyExc_ValueError, "rules, words or standard words are not as tickets/bson_columns.py makes them");
    } else {
        memcpy(&rules, numbers_of.buf, RULES * 8);
        memcpy(rules.standard, standard.buf, WORD_COLUMNS);
        numbers = PyBytes_FromStringAndSize(NULL, n * NUMBER_COLUMNS * 8);
        codes = PyBytes_FromStringAndSize(NULL, n * CODES);
        odd = PyList_New(0);
        bad = !numbers || !codes || !odd;
        for (int c = 0; c < OBJECT_COLUMNS && !bad; c++) bad = !(columns[c] = PyList_New(0));
    }
    if (!bad && !fill(first, end, n, &rules, (int64_t *)PyBytes_AS_STRING(numbers), (int8_t *)PyBytes_AS_STRING(codes),
                      columns, odd, texts, lists, maps))
        out = Py_BuildValue("OO(OOOOO)O", numbers, codes, columns[IDS], columns[TASKS], columns[OWNERS],
                            columns[CAPABILITIES], columns[PARAMETERS], odd);
    for (int c = 0; c < OBJECT_COLUMNS; c++) Py_XDECREF(columns[c]);
    Py_XDECREF(numbers);
    Py_XDECREF(codes);
    Py_XDECREF(odd);
    PyBuffer_Release(&batch);
    PyBuffer_Release(&numbers_of);
    PyBuffer_Release(&words);
    PyBuffer_Release(&standard);
    return out;
}
