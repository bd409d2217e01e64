"""docs/guide-blocks.md: every block of the guide, its test, its working form. `python -m tests.guide.page` writes it."""

from collections.abc import Iterator

from tests.guide.blocks import GUIDES, ORIGINAL, ROOT, PageBlock, blocks_of
from tests.guide.corrections import PYTHON_BEGINS, corrected

PAGE = ROOT / "docs" / "guide-blocks.md"
TEST = "tests/e2e/test_guide.py::test_block"
HOW = {
    "bash": "run by bash, as typed, the first failing command ends it",
    "python": "run by Python in a process of its own",
    "promql": "each expression asked of the live Prometheus: it must return series",
    "yaml": "compared with the manifest it names, validated strictly when whole",
    "": "a drawing: nothing to run",
}
HEAD = """\
<!-- Written by `python -m tests.guide.page`: edit tests/guide. -->
# Every block of the guide, and its test

`tests/e2e/test_guide.py` reads the blocks out of the pages themselves and runs them against a live platform: MongoDB
(or its stand-in), MLflow's server, ClickHouse's engine, guard-agents, orchestrator-dynamic and approval-service,
Prometheus with all our rules, six weeks of flights as tickets. A block that no runner handles fails the test.

What is not as on an operator's machine: host names are mapped to the test's ports; `kubectl` is
`tests/guide/kubectl.py`, which looks up namespace, label, kind and name in `k8s/` and answers `logs` with the log of the
process that stands for the pod; `pytest` inside a block collects (the suite runs that file itself); a search
of hyperparameters gets one trial, and `--min-samples 5000` asks for 1250, the history being six weeks of one carrier. Five
small models are in Production before the first block runs, for the same reason: so few anomalies are no evidence.

Run one: `pytest 'tests/e2e/test_guide.py::test_block[ID]'`. All other pages are held by `tests/e2e/test_documents.py` in the
same way.
"""


def _row(block: PageBlock) -> str:
    first = next((line for line in block.commands.splitlines() if line and "─" not in line), "a drawing")
    shown = first.replace("|", "\\|").strip()
    return f"| `{block.id}` | `{shown[:70]}` | {HOW[block.language]} |"


def _originals() -> Iterator[str]:
    for block in blocks_of(ORIGINAL):
        if not block.language:
            continue
        yield f"\n### `{block.id}`\n"
        yield f"```{block.language}\n{block.text}\n```"
        written = corrected(block.text)
        if PYTHON_BEGINS in written:
            shell, _, python = written.partition(PYTHON_BEGINS)
            yield f"\nWorks as two blocks:\n\n```bash\n{shell.strip()}\n```\n\n```python\n{python.strip()}\n```"
        elif written != block.text:
            yield f"\nWorks as:\n\n```{block.language}\n{written}\n```"


def guide_page() -> str:
    """Return the page as Markdown."""
    lines = [HEAD]
    for page in GUIDES:
        lines.append(f"## `{page.relative_to(ROOT).as_posix()}`\n")
        lines += ["| test id | begins with | how |", "| --- | --- | --- |", *map(_row, blocks_of(page)), ""]
    lines.append("## The original's blocks, word for word")
    lines.append("\nA fresh clone has no other copy of them; the tests read them from `tests/guide/original.md`.")
    return "\n".join([*lines, *_originals(), ""])


if __name__ == "__main__":
    PAGE.write_text(guide_page(), encoding="utf-8")
