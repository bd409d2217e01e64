"""Tickets in this process: for tests, the embedded adapter on an in-memory database."""

from pathlib import Path

from neural_hive_ml.tickets.embedded import EmbeddedTicketStore


class MemoryTicketStore(EmbeddedTicketStore):
    """A ticket store that is gone with its process."""

    def __init__(self) -> None:
        super().__init__(Path(":memory:"))

    def describe(self) -> str:
        return "tickets in memory"
