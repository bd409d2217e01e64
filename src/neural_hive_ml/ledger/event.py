"""One decision of the ledger, and its digest."""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, Literal

import msgspec

Kind = Literal[
    "data_read",
    "run",
    "gate",
    "alias",
    "drift",
    "decision",
    "retraining",
    "rollback",
    "human_verdict",
    "pause",
    "reference",
    "erasure",
    "anchor",
]
GENESIS: Final = "0" * 64
_encode = msgspec.json.Encoder(order="sorted").encode


@dataclass(frozen=True, slots=True)
class LedgerEvent:
    """`sequence` counts from 1 in its `chain`; `previous` is the hash before it, `hash` covers everything else.

    `payload` is JSON-plain and holds no personal data: people's identifiers go through `personal`. `subject` is
    what the event is about (a model, a ticket's digest), for looking it up.
    """

    chain: str
    sequence: int
    kind: Kind
    subject: str
    actor: str
    at_ms: int
    payload: Mapping[str, Any]
    previous: str
    hash: str

    def to_document(self) -> dict[str, Any]:
        """Return the stored form."""
        return {**_body(self), "hash": self.hash}

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> "LedgerEvent":
        """Read the stored form. Raises KeyError where a field is gone."""
        names = ("chain", "sequence", "kind", "subject", "actor", "at_ms", "payload", "previous", "hash")
        return LedgerEvent(**{name: document[name] for name in names})


def seal(
    *, chain: str, sequence: int, kind: Kind, subject: str, actor: str, at_ms: int, payload: Mapping[str, Any],
    previous: str,
) -> LedgerEvent:  # fmt: skip
    """Make an event with its hash: SHA-256 over the canonical JSON of all other fields."""
    # What is hashed is what comes back from the store: tuples are lists there.
    plain = msgspec.json.decode(_encode(payload))
    event = LedgerEvent(chain, sequence, kind, subject, actor, at_ms, plain, previous, "")
    return LedgerEvent(chain, sequence, kind, subject, actor, at_ms, plain, previous, hash_of(event))


def hash_of(event: LedgerEvent) -> str:
    """Return what the event's hash must be."""
    return sha256(_encode(_body(event))).hexdigest()


def personal(identifier: str) -> str:
    """Return the digest under which a person or a ticket appears in the ledger.

    >>> personal("ana@example.org")[:12]
    'd:fc57d3c0ba'
    """
    return "d:" + sha256(b"hive-ledger:" + identifier.encode()).hexdigest()[:32]


def _body(event: LedgerEvent) -> dict[str, Any]:
    return {
        "chain": event.chain,
        "sequence": event.sequence,
        "kind": event.kind,
        "subject": event.subject,
        "actor": event.actor,
        "at_ms": event.at_ms,
        "payload": event.payload,
        "previous": event.previous,
    }
