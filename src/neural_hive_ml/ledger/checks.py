"""What verifications found, on record: metrics, alerts and the doctor read it, since walking the chain takes long."""

from dataclasses import dataclass
from typing import Final

from neural_hive_ml.conventions import LEDGER_CHECKS, MAIN_CHAIN
from neural_hive_ml.ledger.anchor import Head
from neural_hive_ml.ledger.chain import Ledger, Verification
from neural_hive_ml.state.port import Record, StateStore

# A chain that was written anew has a fault an event; the first ones say where it begins.
_FAULTS: Final = 20


@dataclass(frozen=True, slots=True)
class Checked:
    """The verification of a chain at `at_ms`: its `standing` (``intact``, ``unanchored`` or ``broken``), its events, and the
    first faults."""

    at_ms: int
    standing: str
    events: int
    faults: tuple[str, ...]


def keep(ledger: Ledger, found: Verification, *, at_ms: int) -> None:
    """Put a verification on record, and move the anchor on to the last event of a chain in which nothing is wrong.

    So events of writers that do not reach the anchor's folder are anchored too. The anchor of a chain that is broken stays
    where it is, as the proof. Raises `StoreUnavailable`.
    """
    document = {
        "chain": found.chain, "standing": found.standing, "events": found.events, "head": found.head,
        "anchored": found.anchored, "faults": list(found.faults[:_FAULTS]), "faults_found": len(found.faults),
    }  # fmt: skip
    ledger.state.put(LEDGER_CHECKS, Record(f"{found.chain}:{at_ms}", at_ms, document))
    if found.intact and found.events and ledger.heads is not None:
        ledger.heads.write(Head(found.chain, found.events, found.head))


def last_checked(state: StateStore, chain: str = MAIN_CHAIN) -> Checked | None:
    """Return the newest verification on record; None where there is none."""
    found = state.find(LEDGER_CHECKS, where={"chain": chain}, newest_first=True, limit=1)
    if not found:
        return None
    held = found[0].document
    return Checked(found[0].at_ms, str(held["standing"]), int(held["events"]), tuple(held["faults"]))
