"""Every dependency has its reason on the page, every row of the page its dependency, and every extra imports."""

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
# Where the module is not called as the package is.
MODULES = {
    "clickhouse-connect": "clickhouse_connect",
    "opentelemetry-sdk": "opentelemetry.sdk",
    "opentelemetry-exporter-otlp-proto-http": "opentelemetry.exporter.otlp.proto.http",
}


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", one)[0] for one in requirements}


def test_the_page_and_the_project_say_the_same() -> None:
    page = (ROOT / "docs" / "dependencies.md").read_text()
    main, _, rest = page.partition("## Extras")
    extras, _, tools = rest.partition("## Development")

    def column(part: str, number: int) -> set[str]:
        rows = [line.split("|")[number] for line in part.splitlines() if line.startswith("|")][2:]
        return {name.strip() for row in rows for name in row.split(",")}

    assert column(main, 1) == names(PROJECT["project"]["dependencies"])
    assert column(extras, 1) == {f"`{extra}`" for extra in EXTRAS}
    brought = {name for packages in EXTRAS.values() for name in names(packages)}
    assert column(extras, 2) - {"distributed"} == brought  # dask[distributed]
    assert column(tools, 1) == names(PROJECT["dependency-groups"]["dev"])


@pytest.mark.parametrize("extra", [extra for extra in EXTRAS if extra != "all"])
def test_what_an_extra_brings_can_be_imported(extra: str) -> None:
    for name in names(EXTRAS[extra]):
        import_module(MODULES.get(name, name))


def test_all_holds_every_other_extra() -> None:
    named = re.fullmatch(r"neural-hive-ml\[(.*)\]", EXTRAS["all"][0])
    assert named
    assert set(named[1].split(",")) == set(EXTRAS) - {"all"}


def test_every_dependency_is_locked_with_a_digest() -> None:
    for file in ("requirements.lock", "requirements-dev.lock"):
        lock = (ROOT / file).read_text().lower()
        for name in names(PROJECT["project"]["dependencies"]):
            assert re.search(
                rf"^{re.escape(name.lower())}(\[[\w,]+\])?==[^\n]*\\\n    --hash=", lock, re.MULTILINE
            ), name
