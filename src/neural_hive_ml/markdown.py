"""One way to write a table of Markdown."""

from collections.abc import Iterable, Sequence


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of cells that are Markdown already; it ends with a line end.

    >>> print(markdown_table(("name", "unit"), [("latency", "ms")]), end="")
    | name | unit |
    | --- | --- |
    | latency | ms |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
