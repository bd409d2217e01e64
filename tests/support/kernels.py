"""Run a test with the compiled kernel and without: both must give the same numbers."""

import pytest

from neural_hive_ml.compiled import COMPILED

NEEDS_KERNEL = pytest.mark.skipif(not COMPILED, reason="no C compiler at installation")
BOTH = pytest.mark.parametrize("compiled", [pytest.param(True, marks=NEEDS_KERNEL), False])
