"""Every fenced block of a page, with the id that its test has."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.pages import blocks

ROOT = Path(__file__).resolve().parents[2]
ORIGINAL = ROOT / "tests" / "guide" / "original.md"
GUIDES = (ORIGINAL, ROOT / "docs" / "guia-de-operacoes-ml.md", ROOT / "docs" / "guide.md")
# Those languages that a runner exists for; a block without a language is a picture or what a command prints.
LANGUAGES = ("bash", "python", "promql", "yaml", "json", "")


@dataclass(frozen=True, slots=True)
class PageBlock:
    """One block: `number` counts the page's blocks from 1."""

    page: Path
    number: int
    language: str
    text: str

    @property
    def id(self) -> str:
        """As pytest shows it: path, number, language."""
        path = self.page.relative_to(ROOT).as_posix()
        return f"{path}:{self.number}:{self.language or 'text'}"

    @property
    def commands(self) -> str:
        """The text without comments and empty lines: blocks that say the same run once."""
        lines = (re.sub(r"(^|\s)#(?![^\"']*[\"']\)?$).*$", "", line).rstrip() for line in self.text.splitlines())
        return "\n".join(line for line in lines if line)


def blocks_of(page: Path) -> Iterator[PageBlock]:
    """Yield the blocks of a page in their order."""
    for number, block in enumerate(blocks(page.read_text(encoding="utf-8")), 1):
        yield PageBlock(page, number, block.language, block.text)


def fences_of(page: Path) -> int:
    """Count the opening fences of a page, by a rule of its own: no block may escape the reading above."""
    lines = [line.strip() for line in page.read_text(encoding="utf-8").splitlines()]
    return sum(line.startswith("```") for line in lines) // 2
