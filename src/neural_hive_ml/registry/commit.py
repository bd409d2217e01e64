"""Which commit this code is, read from .git without starting git."""

import re
from pathlib import Path

_HASH = re.compile(r"[0-9a-f]{40,64}")


def git_commit(root: Path | None) -> str:
    """Return the checked-out commit of a checkout, ``""`` where there is none or it cannot be told."""
    if root is None:
        return ""
    git = root / ".git"
    head = _text(git / "HEAD")
    if not head.startswith("ref: "):
        return head if _HASH.fullmatch(head) else ""
    name = head.removeprefix("ref: ")
    loose = _text(git / name)
    if _HASH.fullmatch(loose):
        return loose
    for line in _text(git / "packed-refs").splitlines():
        digest, _, ref = line.partition(" ")
        if ref == name and _HASH.fullmatch(digest):
            return digest
    return ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""  # an installed package has no .git: the commit is then simply not known
