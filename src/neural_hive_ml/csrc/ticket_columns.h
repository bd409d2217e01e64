/* Columns of tickets out of a batch of BSON documents: the Python side of ticket_bson.h. */
#ifndef HIVE_TICKET_COLUMNS_H
#define HIVE_TICKET_COLUMNS_H
#define PY_SSIZE_T_CLEAN
#include <Python.h>

/* ticket_columns(batch, rules, words, standard, texts, lists, maps); see tickets/bson_columns.py. */
PyObject *hive_ticket_columns(PyObject *self, PyObject *args);
#endif
