/* Python's view of the kernels: buffers in, buffers out, no NumPy headers. Lengths are checked here, once. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "features.h"
#include "scoring.h"
#include <string.h>
#include "ticket_columns.h"

static int wrong(Py_buffer *b, Py_ssize_t bytes, const char *name) {
    if (b->len >= bytes) return 0;
    PyErr_Format(PyExc_ValueError, "%s: %zd bytes, %zd needed", name, b->len, bytes);
    return 1;
}

static PyObject *replay(PyObject *self, PyObject *args) {
    Py_buffer kind, stage, emit, apply, at, slots, raw, full, slim, pairs, hours, out;
    Py_ssize_t columns;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*w*w*w*w*w*n", &kind, &stage, &emit, &apply, &at, &slots, &raw, &full,
                          &slim, &pairs, &hours, &out, &columns))
        return NULL;
    Py_ssize_t n = kind.len;
    int bad = wrong(&stage, n, "stage") || wrong(&emit, n * 8, "emit") || wrong(&apply, n, "apply") ||
              wrong(&at, n * 8, "at_ms") || wrong(&slots, n * 8 * SLOTS, "slots") || wrong(&raw, n * 8 * RAW, "raw");
    if (!bad) {
        const int64_t *s = (const int64_t *)slots.buf, *e = (const int64_t *)emit.buf;
        const int64_t limits[4] = {full.len / (8 * FULL), slim.len / (8 * SLIM), pairs.len / 8, hours.len / (8 * HOURS)};
        const int64_t rows = columns > 0 ? out.len / (8 * columns) : 0;
        for (Py_ssize_t i = 0; i < n && !bad; i++) {
            bad = e[i] >= rows;
            for (int k = 0; k < SLOTS && !bad; k++) {
                int64_t limit = limits[k < 3 ? 0 : k < 8 ? 1 : k < 10 ? 2 : 3], slot = s[i * SLOTS + k];
                bad = slot < 0 || slot >= limit;
            }
        }
        if (bad) PyErr_SetString(PyExc_IndexError, "a slot or an output row lies outside its table");
    }
    if (!bad) {
        Py_BEGIN_ALLOW_THREADS
        hive_replay(n, kind.buf, stage.buf, emit.buf, apply.buf, at.buf, slots.buf, raw.buf, full.buf, slim.buf,
                    pairs.buf, hours.buf, out.buf, columns);
        Py_END_ALLOW_THREADS
    }
    Py_buffer *all[] = {&kind, &stage, &emit, &apply, &at, &slots, &raw, &full, &slim, &pairs, &hours, &out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) PyBuffer_Release(all[i]);
    if (bad) return NULL;
    Py_RETURN_NONE;
}

static void release(Py_buffer *buffers, int n) {
    for (int i = 0; i < n; i++) PyBuffer_Release(&buffers[i]);
}

/* Buffers of a tuple, in order; 0, or -1 with an error set and nothing held. */
static int take(PyObject *given, int n, Py_buffer *b) {
    if (!PyTuple_Check(given) || PyTuple_GET_SIZE(given) != n) {
        PyErr_Format(PyExc_TypeError, "a tuple of %d arrays is needed", n);
        return -1;
    }
    for (int i = 0; i < n; i++)
        if (PyObject_GetBuffer(PyTuple_GET_ITEM(given, i), &b[i], PyBUF_SIMPLE)) {
            release(b, i);
            return -1;
        }
    return 0;
}

/* Tree arrays are checked once when they are packed or loaded (scoring/trees.py); here only lengths are. */
enum { FOREST = 3, BOOSTER = 5 };
static int forest_of(PyObject *given, Py_ssize_t depth, Py_buffer *b, hive_isolation *out) { /* roots, nodes, path */
    if (take(given, FOREST, b)) return -1;
    hive_isolation f = {b[0].len / 4, depth, b[0].buf, b[1].buf, b[2].buf};
    *out = f;
    return 0;
}

static int booster_of(PyObject *given, Py_buffer *b, hive_boosted *out) { /* roots, depths, group, base, nodes; None: no trees */
    memset(out, 0, sizeof *out);
    memset(b, 0, BOOSTER * sizeof *b);
    if (given == Py_None) return 0;
    if (take(given, BOOSTER, b)) return -1;
    hive_boosted t = {b[0].len / 4, b[3].len / 4, b[0].buf, b[1].buf, b[2].buf, b[3].buf, b[4].buf};
    *out = t;
    return 0;
}

static int too_wide(Py_ssize_t columns) {
    if (columns >= 0 && columns <= HIVE_WIDEST) return 0;
    PyErr_Format(PyExc_ValueError, "rows of %zd columns, at most %d are taken", columns, HIVE_WIDEST);
    return 1;
}

static PyObject *forest(PyObject *self, PyObject *args) {
    Py_buffer b[2], f[FOREST]; /* x, out */
    PyObject *given;
    Py_ssize_t columns, depth;
    hive_isolation trees;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*Onw*n", &b[0], &given, &depth, &b[1], &columns)) return NULL;
    int bad = forest_of(given, depth, f, &trees);
    if (!bad) {
        Py_ssize_t rows = columns > 0 ? b[0].len / (4 * columns) : 0;
        bad = wrong(&b[1], rows * 8, "out");
        if (!bad) hive_forest(rows, columns, b[0].buf, &trees, b[1].buf);
        release(f, FOREST);
    }
    release(b, 2);
    if (bad) return NULL;
    Py_RETURN_NONE;
}

static PyObject *booster(PyObject *self, PyObject *args) {
    Py_buffer b[2], t[BOOSTER]; /* x, out */
    PyObject *given;
    Py_ssize_t columns;
    hive_boosted trees;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*Ow*n", &b[0], &given, &b[1], &columns)) return NULL;
    int bad = booster_of(given, t, &trees);
    if (!bad) {
        Py_ssize_t rows = columns > 0 ? b[0].len / (4 * columns) : 0;
        bad = wrong(&b[1], rows * trees.groups * 4, "out");
        if (!bad) hive_booster(rows, columns, b[0].buf, &trees, b[1].buf);
        release(t, BOOSTER);
    }
    release(b, 2);
    if (bad) return NULL;
    Py_RETURN_NONE;
}

static PyObject *quantiles(PyObject *self, PyObject *args) {
    Py_buffer b[3], one[BOOSTER], two[BOOSTER]; /* rows, bounds, out */
    PyObject *direct, *relative;
    Py_ssize_t stride, columns, same;
    double weight;
    hive_boosted first, second;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*nnOOdny*w*", &b[0], &stride, &columns, &direct, &relative, &weight, &same, &b[1], &b[2]))
        return NULL;
    int bad = too_wide(columns) || wrong(&b[1], 4 * 8, "bounds");
    if (!bad && (columns > stride || same < 0 || same >= stride)) {
        PyErr_SetString(PyExc_IndexError, "a column lies outside the rows");
        bad = 1;
    }
    if (!bad && !(bad = booster_of(direct, one, &first))) {
        if (!(bad = booster_of(relative, two, &second))) {
            Py_ssize_t rows = stride > 0 ? b[0].len / (8 * stride) : 0;
            bad = wrong(&b[2], rows * 3 * 8, "out");
            if (!bad && ((first.trees > 0 && first.groups != 3) || (second.trees > 0 && second.groups != 3))) {
                PyErr_SetString(PyExc_ValueError, "three quantiles are needed");
                bad = 1;
            }
            if (!bad) hive_quantiles(rows, stride, columns, b[0].buf, &first, &second, weight, same, b[1].buf, b[2].buf);
            release(two, BOOSTER);
        }
        release(one, BOOSTER);
    }
    release(b, 3);
    if (bad) return NULL;
    Py_RETURN_NONE;
}

/* From place `first` on, each number must lie in [0, limit). */
static int outside(const Py_buffer *numbers, Py_ssize_t first, Py_ssize_t limit, const char *name) {
    const int64_t *n = numbers->buf;
    for (Py_ssize_t i = first; i < numbers->len / 8; i++)
        if (n[i] < 0 || n[i] >= limit) {
            PyErr_Format(PyExc_IndexError, "%s: %lld lies outside %zd", name, (long long)n[i], limit);
            return 1;
        }
    return 0;
}

static PyObject *signals(PyObject *self, PyObject *args) {
    Py_buffer b[3], t[7]; /* rows, quantiles, out; columns, places, numbers, from_column, to_signal, sign, start */
    PyObject *table;
    Py_ssize_t stride, parameters, count;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*ny*Onw*n", &b[0], &stride, &b[1], &table, &parameters, &b[2], &count)) return NULL;
    int bad = take(table, 7, t);
    if (!bad) {
        Py_ssize_t rows = stride > 0 ? b[0].len / (8 * stride) : 0, sides = t[3].len / 8;
        bad = wrong(&b[1], rows * 3 * 8, "quantiles") || wrong(&b[2], rows * count * 8, "out") || wrong(&t[0], 10 * 8, "columns") ||
              wrong(&t[1], 7 * 8, "places") || wrong(&t[2], 4 * 8, "numbers") || wrong(&t[4], sides * 8, "to_signal") ||
              wrong(&t[5], sides * 8, "sign") || wrong(&t[6], sides * 8, "start") ||
              outside(&t[0], 0, stride, "columns") || outside(&t[1], 0, count, "places") ||
              /* The last ones are the first of as many as there are parameters. */
              outside(&t[0], 9, stride - parameters + 1, "columns") || outside(&t[1], 5, count - parameters + 1, "places") ||
              outside(&t[3], 0, stride, "from_column") || outside(&t[4], 0, count, "to_signal");
        if (!bad) {
            hive_behaviour of = {t[0].buf, t[1].buf, t[2].buf, sides, t[3].buf, t[4].buf, t[5].buf, t[6].buf, parameters};
            hive_signals(rows, stride, b[0].buf, b[1].buf, &of, count, b[2].buf);
        }
        release(t, 7);
    }
    release(b, 3);
    if (bad) return NULL;
    Py_RETURN_NONE;
}

static PyObject *stage(PyObject *self, PyObject *args) {
    Py_buffer b[7], f[FOREST]; /* signals, positions, knots, slope, orders, out, sums */
    PyObject *given;
    Py_ssize_t count, depth;
    double most;
    hive_isolation trees;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*ny*y*y*y*dOnw*w*", &b[0], &count, &b[1], &b[2], &b[3], &b[4], &most, &given, &depth, &b[5],
                          &b[6]))
        return NULL;
    int bad = forest_of(given, depth, f, &trees);
    if (!bad) {
        Py_ssize_t m = b[1].len / 8, levels = b[4].len / 8, rows = count > 0 ? b[0].len / (8 * count) : 0;
        bad = too_wide(m) || outside(&b[1], 0, count, "positions") || wrong(&b[2], m * levels * 8, "knots") ||
              wrong(&b[3], m * 8, "slope") || wrong(&b[4], 8, "orders") || wrong(&b[5], rows * (m + 1) * 8, "out") ||
              wrong(&b[6], rows * 8, "sums");
        if (!bad)
            hive_stage(rows, count, m, levels, b[0].buf, b[1].buf, b[2].buf, b[3].buf, b[4].buf, most, &trees, b[5].buf, b[6].buf);
        release(f, FOREST);
    }
    release(b, 7);
    if (bad) return NULL;
    Py_RETURN_NONE;
}

static PyObject *last_rarity(PyObject *self, PyObject *args) {
    Py_buffer b[5]; /* x, knots, slope, orders, out */
    Py_ssize_t columns;
    double most;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*y*dw*n", &b[0], &b[1], &b[2], &b[3], &most, &b[4], &columns)) return NULL;
    Py_ssize_t rows = b[0].len / 8, levels = b[3].len / 8;
    int bad = too_wide(columns) || wrong(&b[1], levels * 8, "knots") || wrong(&b[2], 8, "slope") || wrong(&b[3], 8, "orders") ||
              wrong(&b[4], rows * columns * 8, "out");
    if (!bad && columns < 1) {
        PyErr_SetString(PyExc_ValueError, "there is no last column");
        bad = 1;
    }
    if (!bad) hive_last_rarity(rows, columns, levels, b[0].buf, b[1].buf, b[2].buf, b[3].buf, most, b[4].buf);
    release(b, 5);
    if (bad) return NULL;
    Py_RETURN_NONE;
}

static PyObject *top_two(PyObject *self, PyObject *args) {
    Py_buffer b[2]; /* x, out */
    Py_ssize_t columns;
    double share;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*ndw*", &b[0], &columns, &share, &b[1])) return NULL;
    int bad = columns < 2;
    if (bad) PyErr_SetString(PyExc_ValueError, "at least two columns are needed");
    if (!bad) {
        Py_ssize_t rows = b[0].len / (8 * columns);
        bad = wrong(&b[1], rows * 8, "out");
        if (!bad) hive_top_two(rows, columns, b[0].buf, share, b[1].buf);
    }
    release(b, 2);
    if (bad) return NULL;
    Py_RETURN_NONE;
}

static PyObject *rarity(PyObject *self, PyObject *args) {
    Py_buffer b[5]; /* x, knots, slope, orders, out */
    double most;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*y*w*d", &b[0], &b[1], &b[2], &b[3], &b[4], &most)) return NULL;
    Py_ssize_t m = b[2].len / 8, levels = b[3].len / 8, rows = m > 0 ? b[0].len / (8 * m) : 0;
    int bad = wrong(&b[1], m * levels * 8, "knots") || wrong(&b[4], rows * m * 8, "out") || wrong(&b[3], 8, "orders");
    if (!bad) hive_rarity(rows, m, levels, b[0].buf, b[1].buf, b[2].buf, b[3].buf, most, b[4].buf);
    release(b, 5);
    if (bad) return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"rarity", rarity, METH_VARARGS, "rarity(x, knots, slope, orders, out, most)"},
    {"forest", forest, METH_VARARGS, "forest(x, trees, depth, out, columns)"},
    {"booster", booster, METH_VARARGS, "booster(x, trees, out, columns)"},
    {"quantiles", quantiles, METH_VARARGS, "quantiles(rows, stride, columns, direct, relative, weight, same, bounds, out)"},
    {"signals", signals, METH_VARARGS, "signals(rows, stride, quantiles, table, parameters, out, signals)"},
    {"stage", stage, METH_VARARGS, "stage(signals, count, positions, knots, slope, orders, most, trees, depth, out, sums)"},
    {"last_rarity", last_rarity, METH_VARARGS, "last_rarity(x, knots, slope, orders, most, out, columns)"},
    {"top_two", top_two, METH_VARARGS, "top_two(x, columns, share, out)"},
    {"replay", replay, METH_VARARGS, "replay(kind, stage, emit, apply, at_ms, slots, raw, full, slim, pairs, hours, out, columns)"},
    {"ticket_columns", hive_ticket_columns, METH_VARARGS, "ticket_columns(batch, rules, words, standard, texts, lists, maps)"},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernels", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit__kernels(void) {
    hive_prepare();
    return PyModule_Create(&module);
}
