/* Python's view of the kernels: buffers in, buffers out, no NumPy headers. Lengths are checked here, once. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include "features.h"
#include "scoring.h"

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

/* Tree arrays are checked once when they are packed or loaded (scoring/trees.py); here only lengths are. */
static PyObject *forest(PyObject *self, PyObject *args) {
    Py_buffer b[7]; /* x, roots, threshold, feature, child, path, out */
    Py_ssize_t columns, depth;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*w*nn", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &b[6], &columns, &depth))
        return NULL;
    Py_ssize_t rows = columns > 0 ? b[0].len / (4 * columns) : 0;
    int bad = wrong(&b[6], rows * 8, "out");
    if (!bad) hive_forest(rows, columns, b[0].buf, b[1].len / 4, depth, b[1].buf, b[2].buf, b[3].buf, b[4].buf, b[5].buf, b[6].buf);
    release(b, 7);
    if (bad) return NULL;
    Py_RETURN_NONE;
}

static PyObject *booster(PyObject *self, PyObject *args) {
    Py_buffer b[11]; /* x, roots, depths, group, base, threshold, feature, child, default_left, leaf, out */
    Py_ssize_t columns;
    (void)self;
    if (!PyArg_ParseTuple(args, "y*y*y*y*y*y*y*y*y*y*w*n", &b[0], &b[1], &b[2], &b[3], &b[4], &b[5], &b[6], &b[7], &b[8],
                          &b[9], &b[10], &columns))
        return NULL;
    Py_ssize_t rows = columns > 0 ? b[0].len / (4 * columns) : 0, groups = b[4].len / 4;
    int bad = wrong(&b[10], rows * groups * 4, "out");
    if (!bad)
        hive_booster(rows, columns, b[0].buf, b[1].len / 4, b[1].buf, b[2].buf, b[3].buf, groups, b[4].buf, b[5].buf,
                     b[6].buf, b[7].buf, b[8].buf, b[9].buf, b[10].buf);
    release(b, 11);
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
    {"forest", forest, METH_VARARGS, "forest(x, roots, threshold, feature, child, path, out, columns, depth)"},
    {"booster", booster, METH_VARARGS, "booster(x, roots, depths, group, base, threshold, feature, child, default_left, leaf, out, columns)"},
    {"replay", replay, METH_VARARGS, "replay(kind, stage, emit, apply, at_ms, slots, raw, full, slim, pairs, hours, out, columns)"},
    {NULL, NULL, 0, NULL},
};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "_kernels", NULL, -1, methods, NULL, NULL, NULL, NULL};
PyMODINIT_FUNC PyInit__kernels(void) {
    hive_prepare();
    return PyModule_Create(&module);
}
