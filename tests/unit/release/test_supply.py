"""Bills of materials name every locked package with its digests; a release changes version and changelog only."""

import importlib.util
import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from types import ModuleType

import pytest

from neural_hive_ml import __version__

ROOT = Path(__file__).resolve().parents[3]
EXTRAS = {
    "lightgbm": ("lightgbm",),
    "statsforecast": ("statsforecast",),
    "evidently": ("evidently",),
    "dask": ("dask", "distributed"),
    "kafka": ("aiokafka",),
    "clickhouse": ("clickhouse_connect",),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
}


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / "scripts" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-serving.lock"])
def test_every_pin_is_in_the_bill_and_somebody_asks_for_it(lock: str) -> None:
    sbom = script("sbom")
    text = (ROOT / lock).read_text()
    found = sbom.bill(sbom.read_lock(text), __version__)
    pinned = [line for line in text.splitlines() if "==" in line and not line.startswith((" ", "#"))]
    assert len(found["components"]) == len(pinned) > 10
    assert all(
        any(p["name"] == "sha256" and len(p["value"]) == 64 for p in c["properties"]) for c in found["components"]
    )
    refs = {c["bom-ref"] for c in found["components"]} | {found["metadata"]["component"]["bom-ref"]}
    asked = {ref for one in found["dependencies"] for ref in one["dependsOn"]}
    assert {one["ref"] for one in found["dependencies"]} == refs
    assert asked == {c["bom-ref"] for c in found["components"]}, "every package hangs on something"
    assert json.dumps(found) == json.dumps(sbom.bill(sbom.read_lock(text), __version__))


def test_a_release_moves_the_changelog_and_the_version() -> None:
    release = script("release")
    text = "# Changelog\n\n## [Unreleased]\n\n### Added\n\n- One.\n\n## [0.1.0] - 2026-01-01\n\n- Older.\n"
    done = release.released_changelog(text, "0.2.0", "2026-06-01")
    assert done == (
        "# Changelog\n\n## [Unreleased]\n\n## [0.2.0] - 2026-06-01\n\n### Added\n\n- One.\n\n"
        "## [0.1.0] - 2026-01-01\n\n- Older.\n"
    )
    assert release.notes_of(done, "0.2.0") == "### Added\n\n- One."
    with pytest.raises(ValueError, match="nothing under"):
        release.released_changelog(done, "0.3.0", "2026-06-02")
    for path in (ROOT / "pyproject.toml", ROOT / "src" / "neural_hive_ml" / "__init__.py"):
        before = path.read_text()
        after = release.with_version(before, "9.8.7")
        assert after.replace("9.8.7", __version__) == before
        assert after != before


@pytest.mark.parametrize("extra", EXTRAS)
def test_extras_are_importable_and_complete(extra: str) -> None:
    import tomllib

    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert set(declared) - {"all"} == set(EXTRAS), "name the modules of a new extra here"
    assert all(extra in declared["all"][0] for extra in EXTRAS)
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code, *EXTRAS[extra]], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()[-500:]


@pytest.mark.slow
def test_the_wheel_brings_all_it_needs(tmp_path: Path) -> None:
    """Installed from a wheel into an environment without the checkout; the libraries are lent, the package is its own."""
    source = tmp_path / "source"
    source.mkdir()
    for name in ("src", "pyproject.toml", "README.md", "LICENSE"):
        subprocess.run(["cp", "-r", str(ROOT / name), str(source / name)], check=True)
    subprocess.run(
        [sys.executable, "-m", "build", "-q", "--wheel", "--no-isolation", "-x", "-o", str(tmp_path), str(source)],
        check=True, capture_output=True,
    )  # fmt: skip
    [wheel] = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--disable-pip-version-check"]
    subprocess.run([*pip, str(wheel)], check=True)
    [site] = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    lent = next(p for p in map(Path, sys.path) if p.name == "site-packages")
    (site / "lent.pth").write_text(f"{lent}\n")
    environment = {"PATH": os.environ["PATH"], "HIVE_DATA_DIR": str(tmp_path / "data"), "HOME": str(tmp_path)}

    def hive(*arguments: str) -> str:
        command = [str(tmp_path / "venv" / "bin" / "hive-ml"), *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stderr[-800:]
        return done.stdout

    assert "purge" in hive("data", "--help")
    code = "import neural_hive_ml._kernels, neural_hive_ml; print(neural_hive_ml.__file__)"
    where = subprocess.run(
        [str(python), "-c", code], env=environment, cwd=tmp_path, capture_output=True, check=True, text=True
    )
    assert where.stdout.startswith(str(tmp_path / "venv")), "the wheel's own package runs, with its kernels"
    assert __version__ in hive("--version")
    assert "tickets" in hive("tickets", "generate", "--help")
    hive("slo", "--help")
    hive("tickets", "count")
    code = "from neural_hive_ml.tickets.sample import sample_tickets; print(next(sample_tickets()).ticket_id)"
    sample = subprocess.run(
        [str(python), "-c", code], env=environment, cwd=tmp_path, capture_output=True, check=True
    )
    assert sample.stdout.strip(), "the sample is in the wheel"
