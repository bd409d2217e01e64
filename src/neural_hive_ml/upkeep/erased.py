"""What is remembered of erased tickets: digests, so that a record which comes in late is known for whose it is."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from neural_hive_ml.conventions import ERASED_TICKETS
from neural_hive_ml.ledger.event import personal
from neural_hive_ml.state.port import Record, StateStore
from neural_hive_ml.upkeep.person import Person

# Well below what a document may hold.
_A_RECORD: Final = 50_000


def erased_before(state: StateStore, owner: str) -> frozenset[str]:
    """Return the digests of an owner's tickets that earlier erasures took. Raises `StoreUnavailable`."""
    found = state.find(ERASED_TICKETS, where={"person": personal(owner)})
    return frozenset(digest for record in found for digest in record.document["digests"])


def remember(state: StateStore, person: Person, at_ms: int) -> None:
    """Keep the digests of a person's tickets, before they go. Raises `StoreUnavailable`."""
    new = iter(sorted({person.digest(name) for name in person.ticket_ids} - person.erased))
    for number, some in enumerate(_parts(new)):
        subject = personal(person.owner)
        record = Record(f"{subject}:{at_ms}:{number}", at_ms, {"person": subject, "digests": some})
        state.put(ERASED_TICKETS, record)


def _parts(digests: Iterator[str]) -> Iterator[list[str]]:
    while some := list(islice(digests, _A_RECORD)):
        yield some
