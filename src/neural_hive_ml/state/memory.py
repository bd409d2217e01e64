"""Operational state in this process: for tests, the embedded adapter on an in-memory database."""

from pathlib import Path

from neural_hive_ml.state.embedded import EmbeddedStateStore


class MemoryStateStore(EmbeddedStateStore):
    """A state store that is gone with its process."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"))

    def describe(self) -> str:
        return "state in memory"
