"""Documents that are no tickets: kept with the reason, counted, listed, replayed; never dropped."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from neural_hive_ml.conventions import QUARANTINE
from neural_hive_ml.state.port import Record, StateStore

# What is kept of a document that is larger than any ticket may be: enough to find it at its source.
KEPT_CHARACTERS = 2 * 2**20


@dataclass(frozen=True, slots=True)
class QuarantinedDocument:
    """One refused document: its text, why it was refused, where it came from (file:line, topic, request)."""

    key: str
    at_ms: int
    reason: str
    field: str
    source: str
    text: str
    truncated: bool


class Quarantine:
    """Quarantine over the state store. The same document from the same source is kept once."""

    def __init__(self, state: StateStore) -> None:
        self._state = state

    def add(self, documents: Iterable[QuarantinedDocument]) -> int:
        """Keep documents; return how many were not there yet."""
        return self._state.insert(
            QUARANTINE,
            (
                Record(d.key, d.at_ms, {"reason": d.reason, "field": d.field, "source": d.source, "text": d.text,
                                        "truncated": d.truncated})
                for d in documents
            ),
        )

    def count(self) -> int:
        """Return how many documents are held."""
        return self._state.count(QUARANTINE)

    def list(self, limit: int | None = None) -> Iterator[QuarantinedDocument]:
        """Yield held documents, oldest first."""
        for record in self._state.find(QUARANTINE, limit=limit):
            yield QuarantinedDocument(key=record.key, at_ms=record.at_ms, **record.document)

    def remove(self, keys: Sequence[str]) -> int:
        """Forget documents that were replayed; return how many went."""
        return self._state.delete(QUARANTINE, keys)


def quarantined(text: str, *, reason: str, field: str, source: str, at_ms: int) -> QuarantinedDocument:
    """Make the record of a refused document; its key is a digest of source and text."""
    key = sha256(f"{source}\0{text}".encode("utf-8", "replace")).hexdigest()[:32]
    return QuarantinedDocument(
        key, at_ms, reason, field, source, text[:KEPT_CHARACTERS], truncated=len(text) > KEPT_CHARACTERS
    )
