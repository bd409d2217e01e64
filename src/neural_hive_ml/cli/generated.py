"""Files that are written by this program: write them, or say which differ from what would be written.

Pages that people write may hold parts that are generated, between ``<!-- generated: NAME -->`` and
``<!-- end of generated -->``.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK
from neural_hive_ml.errors import UsageError

_END: Final = "<!-- end of generated -->"


def write_or_check(files: Mapping[str, str], root: Path, *, check: bool) -> int:
    """Write files (path under `root` -> text), or with `check` only name those that differ.

    Returns the exit code: 0, or 1 when a check found a difference.
    """
    differing = [path for path, text in files.items() if _read(root / path) != text]
    for path in differing:
        if not check:
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(files[path], encoding="utf-8", newline="\n")
        click.echo(f"{'differs' if check else 'wrote'} {path}")
    if check and differing:
        click.echo(f"{len(differing)} of {len(files)} generated files differ (next: make generate)", err=True)
        return EXIT_FAILURE
    click.echo(f"{len(files)} generated files, {len(files) - len(differing)} unchanged")
    return EXIT_OK


def filled(parts: Mapping[tuple[str, str], str], root: Path) -> dict[str, str]:
    """Return the pages under `root` with their generated parts filled: path -> text.

    `parts` is (path, name of the part) -> Markdown. Raises `UsageError` for a page or a place that is missing.
    """
    pages: dict[str, str] = {}
    for (path, name), part in parts.items():
        page = pages.get(path) or _read(root / path)
        if page is None:
            raise UsageError(f"{path} is missing", remedy=f"write it, with a line <!-- generated: {name} -->")
        start = f"<!-- generated: {name} -->"
        place = re.compile(re.escape(start) + r"\n.*?" + re.escape(_END), re.DOTALL)
        if len(place.findall(page)) != 1:
            raise UsageError(f"{path} has not one place for {name!r}", remedy=f"write {start} and {_END} once")
        pages[path] = place.sub(lambda _, start=start, part=part: f"{start}\n{part.strip()}\n{_END}", page)  # type: ignore[misc] # bound at once
    return pages


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
