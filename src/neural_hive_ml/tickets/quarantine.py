"""Documents that are no tickets: kept with the reason, counted, listed, replayed; never dropped."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from neural_hive_ml.conventions import QUARANTINE
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.tickets.limits import MAX_DOCUMENT_BYTES

# What is kept of a document larger than any ticket may be: enough to find it at its source.
KEPT_CHARACTERS = MAX_DOCUMENT_BYTES
_PAGE = 1_000


@dataclass(frozen=True, slots=True)
class QuarantinedDocument:
    """One refused document: its text, why it was refused, where it came from (file:line, topic, request).

    `truncated` documents were larger than `KEPT_CHARACTERS`; only their beginning is here, so they are replayed
    from their source.
    """

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
                Record(
                    d.key,
                    d.at_ms,
                    {
                        "reason": d.reason,
                        "field": d.field,
                        "source": d.source,
                        "text": d.text,
                        "truncated": d.truncated,
                    },
                )
                for d in documents
            ),
        )

    def count(self) -> int:
        """Return how many documents are held."""
        return self._state.count(QUARANTINE)

    def held(self, limit: int | None = None) -> Iterator[QuarantinedDocument]:
        """Yield held documents, oldest first, page by page."""
        for page in self.pages(limit):
            yield from page

    def pages(self, limit: int | None = None) -> Iterator[Sequence[QuarantinedDocument]]:
        """Yield held documents in pages, oldest first; documents of a page may be removed before the next."""
        after: tuple[int, str] | None = None
        left = limit
        while left is None or left > 0:
            records = self._state.find(QUARANTINE, after=after, limit=_PAGE if left is None else min(_PAGE, left))
            if not records:
                return
            after = (records[-1].at_ms, records[-1].key)
            left = None if left is None else left - len(records)
            yield [QuarantinedDocument(key=r.key, at_ms=r.at_ms, **r.document) for r in records]

    def close(self) -> None:
        """Close the state store, for an owner that opened it for the quarantine alone."""
        self._state.close()

    def remove(self, keys: Sequence[str]) -> int:
        """Forget documents that were replayed; return how many went."""
        return self._state.delete(QUARANTINE, keys)


def quarantined(
    content: bytes | str, *, reason: str, field: str, source: str, at_ms: int, truncated: bool = False
) -> QuarantinedDocument:
    """Make the record of a refused document; its key is a digest of source and content."""
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    # Bytes that are no UTF-8 are shown escaped: the text must survive any store.
    text = raw.decode("utf-8", "backslashreplace")
    return QuarantinedDocument(
        key=sha256(source.encode("utf-8", "surrogatepass") + b"\0" + raw).hexdigest()[:32],
        at_ms=at_ms,
        reason=reason,
        field=field,
        source=source,
        text=text[:KEPT_CHARACTERS],
        truncated=truncated or len(text) > KEPT_CHARACTERS,
    )
