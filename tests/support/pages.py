"""Documents read like a person reads them: code blocks by language, links, commands checked without running them."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click

from neural_hive_ml.cli.app import hive_ml

# The guide's scripts are thin: each is a command of ours.
SCRIPTS = {
    "train_predictive_models.py": ("train",),
    "drift_triggered_retraining.py": ("retraining", "run"),
}


class Block(NamedTuple):
    language: str
    text: str


def blocks(page: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page, their indentation removed."""
    for indent, language, text in re.findall(r"^( *)```(\w*)\n(.*?)^\1```", page, re.MULTILINE | re.DOTALL):
        yield Block(language, "\n".join(line.removeprefix(indent) for line in text.splitlines()))


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the commands of a shell block as words; continued lines are joined, pipes cut."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words[: words.index("|")] if "|" in words else words


def accepted(words: list[str]) -> None:
    """Let click read a command of ours without running it. Raises `click.ClickException` when it is wrong."""
    if words[0] == "python":
        words = ["hive-ml", *SCRIPTS[Path(words[1]).name], *words[2:]]
    assert words[0] == "hive-ml", words
    command: click.Command = hive_ml
    arguments, parent = words[1:], None
    while True:
        context = command.make_context(command.name or "", list(arguments), parent=parent)
        if not isinstance(command, click.Group):
            return
        _, found, arguments = command.resolve_command(context, [*context._protected_args, *context.args])
        assert found is not None
        command, parent = found, context


def links(page: str) -> Iterator[str]:
    """Yield the relative links of a page."""
    bare = re.sub(r"^ *```.*?^ *```", "", page, flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)#\s]+)", bare):
        if "://" not in target:
            yield target
