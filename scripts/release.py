"""Make a release: version, changelog, generated files, wheel, bills of materials, commit and tag; says what to push.

    python scripts/release.py 0.2.0 [--dry-run]

Nothing leaves the machine: pushing the tag and the images is said, not done.
"""

import argparse
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
IMAGES = {"ml-serving": "docker/serving.Dockerfile", "ml-training": "docker/training.Dockerfile"}
REGISTRY = "ghcr.io/neural-hive"
_VERSION = re.compile(r"\d+\.\d+\.\d+(?:(?:a|b|rc)\d+)?")


def with_version(text: str, version: str) -> str:
    """Set the one version assignment of pyproject.toml or __init__.py. Raises ValueError where there is not exactly one."""
    changed, count = re.subn(
        r'^((?:__)?version(?:__)?\s*=\s*)"[^"]*"', rf'\g<1>"{version}"', text, flags=re.MULTILINE
    )
    if count != 1:
        raise ValueError(f"{count} assignments of a version, one was expected")
    return changed


def released_changelog(text: str, version: str, day: str) -> str:
    """Give what is unreleased a version and a day, and begin a new list. Raises ValueError when nothing is unreleased."""
    head, mark, rest = text.partition("## [Unreleased]\n")
    body, following, older = rest.partition("\n## [")
    if not mark or not re.search(r"^- ", body, re.MULTILINE):
        raise ValueError("CHANGELOG.md has nothing under [Unreleased]: there is nothing to release")
    if f"## [{version}]" in text:
        raise ValueError(f"CHANGELOG.md has {version} already")
    return f"{head}{mark}\n## [{version}] - {day}\n{body}{following}{older}"


def notes_of(text: str, version: str) -> str:
    """Return a version's part of the changelog: the message of its tag."""
    _, _, rest = text.partition(f"## [{version}]")
    return rest.partition("\n## [")[0].partition("\n")[2].strip()


def main(arguments: list[str] | None = None) -> int:
    """Release, or with --dry-run only say what would change."""
    parser = argparse.ArgumentParser(prog="release")
    parser.add_argument("version")
    parser.add_argument("--dry-run", action="store_true")
    options = parser.parse_args(arguments)
    version = options.version
    if not _VERSION.fullmatch(version):
        parser.error(f"{version} is no version: 1.2.3 or 1.2.3rc1")
    if _git("status", "--porcelain"):
        parser.error("there are uncommitted changes: commit or stash them first")
    if _git("tag", "--list", f"v{version}"):
        parser.error(f"tag v{version} is there already")
    files = {
        path: with_version(path.read_text(), version)
        for path in (ROOT / "pyproject.toml", ROOT / "src/neural_hive_ml/__init__.py")
    }
    changelog = ROOT / "CHANGELOG.md"
    files[changelog] = released_changelog(changelog.read_text(), version, datetime.now(UTC).date().isoformat())
    if options.dry_run:
        print("\n".join(f"would change {path.relative_to(ROOT)}" for path in files))
        print(notes_of(files[changelog], version))
        return 0
    for path, content in files.items():
        path.write_text(content)
    # Manifests name the images by version.
    _run("hive-ml", "generate")
    _run(sys.executable, "-m", "build", "--outdir", "dist")
    for lock, name in (("requirements.lock", "sbom"), ("requirements-serving.lock", "sbom-serving")):
        bill = subprocess.run(
            [sys.executable, "scripts/sbom.py", lock], cwd=ROOT, check=True, capture_output=True
        ).stdout
        (ROOT / "dist" / f"{name}-{version}.cdx.json").write_bytes(bill)
    _run("git", "commit", "-am", f"Release {version}")
    _run("git", "tag", "-a", f"v{version}", "-m", notes_of(files[changelog], version))
    print(f"released {version} here. Next, to publish it:")
    print(f"  git push --follow-tags && twine upload dist/neural_hive_ml-{version}*")
    for image, dockerfile in IMAGES.items():
        tag = f"{REGISTRY}/{image}:{version}"
        print(f"  docker build -f {dockerfile} -t {tag} . && docker push {tag}")
    print(f"  python scripts/make_release_fixture.py /tmp/fixture   # for tests/fixtures/release-{version}.tar.gz")
    return 0


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def _run(*command: str) -> None:
    subprocess.run(command, cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
