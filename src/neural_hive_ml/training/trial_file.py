"""Finished trials in a file a model, so that a search that was interrupted goes on where it stopped."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from neural_hive_ml.training.search import Search, State, Trial, Value


class _Head(msgspec.Struct, frozen=True):
    key: str


class _Line(msgspec.Struct, frozen=True):
    number: int
    values: dict[str, Value]
    state: State
    loss: float | None
    steps: tuple[tuple[int, float], ...]
    seconds: float
    error: str


@dataclass(frozen=True, slots=True)
class TrialFile:
    """`TrialLog` in `<folder>/<model>.jsonl`: the search's key, then a line a trial. Another key begins the file anew."""

    folder: Path

    def read(self, search: Search) -> Sequence[Trial]:
        file = self._file(search)
        if not file.is_file():
            return ()
        lines = file.read_bytes().split(b"\n")
        if lines[0] != _head(search):
            return ()
        trials: list[Trial] = []
        for line in lines[1:]:
            try:
                row = msgspec.json.decode(line, type=_Line)
            except msgspec.DecodeError:
                break  # the last line of a process that died while it wrote
            if row.number != len(trials):
                break
            trials.append(Trial(row.number, row.values, row.state, row.loss, row.steps, row.seconds, row.error))
        return tuple(trials)

    def append(self, search: Search, trials: Sequence[Trial]) -> None:
        """Write whole: what is kept and what is new, into a file beside it, then in its place."""
        file = self._file(search)
        kept = [*self.read(search), *trials]
        lines = [
            msgspec.json.encode(_Line(t.number, dict(t.values), t.state, t.loss, t.steps, t.seconds, t.error))
            for t in kept
        ]
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = file.with_suffix(".new")
        beside.write_bytes(b"\n".join([_head(search), *lines, b""]))
        beside.replace(file)

    def _file(self, search: Search) -> Path:
        return self.folder / f"{search.name}.jsonl"


def _head(search: Search) -> bytes:
    space = hashlib.sha256(repr((search.space, sorted(search.defaults.items()))).encode()).hexdigest()
    return msgspec.json.encode(_Head(f"{search.key}-{space[:16]}"))
