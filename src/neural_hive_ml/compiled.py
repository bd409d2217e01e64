"""The compiled kernels, where a compiler was there at installation; their definitions in Python and NumPy give the same
numbers, slower, and stand beside each call.
"""

from typing import Final

try:
    from neural_hive_ml import _kernels as kernels
except ImportError:  # no C compiler at installation
    kernels = None  # type: ignore[assignment]

COMPILED: Final = kernels is not None

__all__ = ["COMPILED", "kernels"]
