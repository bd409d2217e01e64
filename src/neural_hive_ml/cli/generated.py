"""Files that are written by this program: write them, or say which differ from what would be written."""

from collections.abc import Mapping
from pathlib import Path

import click

from neural_hive_ml.conventions import EXIT_FAILURE, EXIT_OK


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


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None
