"""Packed models and the kernels that score them: NumPy and arrays only, used by training, pyfunc and serving."""
