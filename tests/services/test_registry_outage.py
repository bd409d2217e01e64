"""A registry that refuses, or accepts and never answers, is known within five seconds, by every door."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.support.ports import black_hole, closed_port
from tests.support.registry import NAME, evaluation, linear_model, verdict

from neural_hive_ml.errors import RegistryUnavailable
from neural_hive_ml.registry.mlflow_registry import MlflowRegistry
from neural_hive_ml.registry.port import Published
from neural_hive_ml.registry.published import MlflowRestSource

# The requirement, with what a loaded machine may add to it; the time-outs themselves add up to 4.5 s.
LONGEST_SECONDS = 8.0
PUBLISHED = Published(NAME, 1, "0" * 64, "champion", "mlflow-artifacts:/1/models/m-1/artifacts")

CALLS: list[Callable[[MlflowRegistry], object]] = [
    lambda r: r.resolve(NAME, "champion"),
    lambda r: r.version(NAME, 1),
    lambda r: r.versions(NAME),
    lambda r: r.names(),
    lambda r: r.move_alias(NAME, "champion", 1),
    lambda r: r.tag(NAME, 1, {"a": "b"}),
    lambda r: r.register(linear_model(), evaluation(), verdict(), {}),
]


@pytest.fixture(params=["closed", "black hole"])
def silent(request: pytest.FixtureRequest) -> Iterator[str]:
    if request.param == "closed":
        yield closed_port()
        return
    with black_hole() as uri:
        yield uri


@pytest.fixture(scope="module", autouse=True)
def _mlflow_is_imported() -> None:
    import mlflow.pyfunc  # noqa: F401 - imported before the clock runs: takes 3 to 10 s on a loaded machine


@pytest.mark.parametrize("call", CALLS, ids=["resolve", "version", "versions", "names", "move", "tag", "register"])
def test_the_registry_says_so(silent: str, tmp_path: Path, call: Callable[[MlflowRegistry], object]) -> None:
    began = time.monotonic()
    with pytest.raises(RegistryUnavailable, match=r"127\.0\.0\.1"):
        call(MlflowRegistry(silent, tmp_path))
    assert time.monotonic() - began < LONGEST_SECONDS


def test_the_services_source_says_so(silent: str) -> None:
    source = MlflowRestSource(silent)
    for call in (lambda: source.current(NAME), lambda: source.read(PUBLISHED)):
        began = time.monotonic()
        with pytest.raises(RegistryUnavailable, match="last known good models serve meanwhile"):
            call()
        assert time.monotonic() - began < LONGEST_SECONDS


def test_a_sqlite_file_that_cannot_be_opened_says_so(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database at all, but a file of that name" * 100)

    with pytest.raises(RegistryUnavailable, match="not a database"):
        MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path).names()


def test_credentials_are_masked_in_what_is_said(tmp_path: Path) -> None:
    uri = closed_port().replace("http://", "http://ana:secret@")

    for call in (lambda: MlflowRegistry(uri, tmp_path).names(), lambda: MlflowRestSource(uri).current(NAME)):
        with pytest.raises(RegistryUnavailable) as caught:
            call()
        assert "secret" not in str(caught.value)


def test_an_empty_embedded_registry_answers_without_making_a_database(tmp_path: Path) -> None:
    registry = MlflowRegistry(f"sqlite:///{tmp_path}/mlflow.db", tmp_path)

    assert registry.resolve(NAME, "champion") is None
    assert list(registry.names()) == []
    assert not (tmp_path / "mlflow.db").exists()
