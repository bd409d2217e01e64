"""A shell command of a document: is it one that can work? Ours are read by click, others looked up in this checkout."""

import re
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

from neural_hive_ml.conventions import PORTS
from tests.guide import kubectl
from tests.guide.blocks import ROOT
from tests.support.pages import SCRIPTS, accepted

TRAINING = ROOT / "ml_pipelines" / "training"
# Programs of the machine and the shell, whose arguments say nothing about this project.
PLAIN = {
    *(
        "cd",
        "export",
        "eval",
        "echo",
        "cat",
        "cp",
        "mv",
        "rm",
        "mkdir",
        "git",
        "grep",
        "jq",
        "tail",
        "head",
        "wc",
        "sort",
    ),
    *(
        "sleep",
        "timedatectl",
        "chronyc",
        "redis-cli",
        "mongosh",
        "clickhouse-client",
        "openssl",
        "source",
        "pip",
        "uv",
    ),
    *(
        "tar",
        "gunzip",
        "ls",
        "unset",
        "true",
        "kill",
        "wait",
        "flock",
        "nice",
        "apt-get",
        "psql",
        "tee",
        "time",
        "xargs",
    ),
    *("awk", "sed", "for", "do", "done", "while"),
}
LOOPBACK = {"localhost", "127.0.0.1"}
# Where the compose file publishes what is not a part of `hive-ml up`.
PUBLISHED = {3000, 8123, 27017, 6379}


class NoSuch(Exception):
    """A command that cannot work, and why."""


def commands_of(text: str) -> Iterator[list[str]]:
    """Yield the simple commands of a shell block as words, without comments, redirections and assignments before them."""
    words: list[str] = []
    word, quote, at, cut = "", "", 0, False
    text = text.replace("\\\n", " ") + "\n"
    while at < len(text):
        letter, before = text[at], text[at - 1] if at else "\n"
        at += 1
        if quote:
            if letter == quote:
                quote = ""
            else:
                word += letter
        elif letter in "'\"":
            quote = letter
            word += "\0"  # an empty word in quotes is a word
        elif letter == "#" and before in " \t\n":
            at = text.index("\n", at)
        elif letter in "<>":
            cut = True
        elif letter in " \t" or (letter in "\n;|&" and not (letter == "&" and before == ">")):
            if word and not cut:
                words.append(word.replace("\0", ""))
            word = ""
            if letter not in " \t":
                yield from [bare] if (bare := _bare(words)) else []
                words, cut = [], False
        else:
            word += letter


def _bare(words: list[str]) -> list[str]:
    while words and (
        re.fullmatch(r"[A-Z_][A-Z0-9_]*=.*", words[0], re.DOTALL) or words[0] in {"sudo", "nohup", "time"}
    ):
        words = words[1:]
    return words


def check_block(text: str) -> None:
    """Raise `NoSuch` when a command of a block cannot work. A file that a block copies is looked up where it came from."""
    read = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    if read.returncode:
        raise NoSuch(read.stderr)
    copied: dict[str, str] = {}
    for words in commands_of(text):
        if words[0] == "cp":
            copied[words[-1]] = str(ROOT / words[-2])
        check([copied.get(word, word) for word in words])


def check(words: list[str]) -> None:
    """Raise `NoSuch` when one command cannot work."""
    if not words or words[0] in PLAIN:
        return
    checker = _CHECKS.get(words[0].removeprefix(".venv/bin/"))
    if checker is not None:
        checker(words)
    elif not (ROOT / words[0]).exists() and not (TRAINING / words[0]).exists():
        raise NoSuch(f"nobody checks {words[0]!r}: {' '.join(words)}")


def _ours(words: list[str]) -> None:
    accepted(["hive-ml", *words[1:]])


def _python(words: list[str]) -> None:
    rest = [w for w in words[1:] if w not in {"-W", "ignore"}]
    if rest[0] == "-m":
        if find_spec(rest[1]) is None:
            raise NoSuch(f"module {rest[1]}")
        if rest[1] == "neural_hive_ml":
            accepted(["hive-ml", *rest[2:]])
    elif rest[0] == "-c":
        compile(rest[1], "document", "exec")
    elif Path(rest[0]).name in SCRIPTS:
        accepted(["python", *rest])
    elif not (ROOT / rest[0]).exists():
        raise NoSuch(f"script {rest[0]}")


def _curl(words: list[str]) -> None:
    url = urlsplit(
        next(w for w in words[1:] if "/" in w and not w.startswith("-") and ":" in w.partition("/")[0] + w)
    )
    if not url.scheme:
        url = urlsplit("http://" + next(w for w in words[1:] if re.match(r"[\w.-]+:\d+", w)))
    host, port = url.hostname or "", url.port
    known = {*PORTS.values(), *PUBLISHED} if host in LOOPBACK else {PORTS.get(host.split(".")[0])}
    if port not in known:
        raise NoSuch(f"{host}:{port}: the port table says {known}")


def _make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    asked = {w for w in words[1:] if not w.startswith("-") and "=" not in w}
    if not asked <= targets:
        raise NoSuch(f"make {asked - targets}")


def _files(words: list[str]) -> None:
    """docker, buildah, promtool...: each file they are given is there."""
    for before, word in pairwise(words):
        if before in {"-f", "--file"} and not (ROOT / word).exists():
            raise NoSuch(f"file {word}")


def _pytest(words: list[str]) -> None:
    for word in words[1:]:
        path = word.split("::")[0]
        if path.startswith("tests/") and not (ROOT / path).exists():
            raise NoSuch(f"test {path}")


def _kubectl(words: list[str]) -> None:
    try:
        kubectl.check(words[1:])
    except kubectl.Unknown as fault:
        raise NoSuch(f"kubectl: {fault}") from fault


def _mlflow(words: list[str]) -> None:
    from mlflow.cli import cli

    command = cli.commands.get(words[1])
    if command is None or (words[1] == "models" and len(words) > 2 and words[2] not in command.commands):  # type: ignore[attr-defined]
        raise NoSuch(f"mlflow has no {' '.join(words[1:3])}")


def _initial(words: list[str]) -> None:
    if not set(words[1:]) <= {"--dry-run", "--skip-validation", "--help"}:
        raise NoSuch(" ".join(words))


_CHECKS = {
    "hive-ml": _ours, "python": _python, "python3": _python, "curl": _curl, "make": _make, "pytest": _pytest,
    "kubectl": _kubectl, "mlflow": _mlflow, "./train_initial_models.sh": _initial,
    **dict.fromkeys(("docker", "buildah", "promtool", "amtool", "hadolint", "mkdocs", "ruff", "mypy"), _files),
}  # fmt: skip
