"""The documentation as a site: built strictly, every page in the navigation, every picture listed."""

import re
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"


def test_the_site_builds_strictly(tmp_path: Path) -> None:
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stderr[-3000:]
    assert (tmp_path / "guide" / "index.html").is_file()


def test_every_page_is_in_the_navigation() -> None:
    """Runbooks are reached from their index and from alerts, decisions from the repository."""

    def pages(nav: object) -> set[str]:
        if isinstance(nav, str):
            return {nav}
        parts = nav.values() if isinstance(nav, dict) else nav
        return set().union(*map(pages, parts))

    written = {page.relative_to(DOCS).as_posix() for page in DOCS.rglob("*.md")}
    written = {p for p in written if not p.startswith("adr/") and not re.match(r"runbooks/(?!index)", p)}
    assert pages(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]) == written


def test_every_picture_is_on_a_page() -> None:
    shown = "".join(page.read_text() for page in DOCS.rglob("*.md"))
    assert [p.name for p in (DOCS / "images").rglob("*.png") if p.name not in shown] == []
