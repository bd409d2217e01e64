"""The examples of docstrings run and print what they say."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import neural_hive_ml

SOURCE = Path(neural_hive_ml.__file__).parent
MODULES = sorted(
    ".".join(("neural_hive_ml", *path.relative_to(SOURCE).with_suffix("").parts))
    for path in SOURCE.rglob("*.py")
    if ">>>" in path.read_text()
)


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_hold(name: str) -> None:
    found = doctest.testmod(import_module(name), verbose=False, optionflags=doctest.ELLIPSIS)
    assert found.attempted > 0
    assert found.failed == 0
