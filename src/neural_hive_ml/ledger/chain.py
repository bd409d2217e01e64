"""Append by compare-and-set, read in order, verify: gaps, edits, swaps and truncation all show."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from neural_hive_ml.conventions import LEDGER, MAIN_CHAIN
from neural_hive_ml.errors import Conflict
from neural_hive_ml.ledger.anchor import Head, HeadFile
from neural_hive_ml.ledger.event import GENESIS, Kind, LedgerEvent, hash_of, seal
from neural_hive_ml.state.port import Record, StateStore

# Another writer took our number at most this often in a row: each round one of them gets ahead.
_TRIES: Final = 200
# How many events about a subject are searched for one that was reported before.
_LOOK_BACK: Final = 50
# Head pointers lie in the same collection and may be among the newest records.
_HEADS: Final = 16


# Told of every appended event: its head, and what speaks against the chain before it ("" when nothing does).
Tell = Callable[[Head, str], None]


def _untold(_head: Head, _fault: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a verification found: `events` read, the hash of the last, the newest event that an anchor knows (None: there
    is no anchor), and `faults`, first fault first."""

    chain: str
    events: int
    head: str
    anchored: int | None
    faults: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """True when no fault was found: nothing was changed or swapped, nor cut off as far as `anchored` can tell."""
        return not self.faults

    @property
    def standing(self) -> Literal["intact", "unanchored", "broken"]:
        """``unanchored``: the chain fits together, but nothing outside the store says that it is the whole one."""
        if self.faults:
            return "broken"
        return "unanchored" if self.anchored is None and self.events else "intact"


@dataclass(frozen=True, slots=True)
class Ledger:
    """The decisions in a state store, their head anchored in `heads` (None: in the store only), `tell` told of each."""

    state: StateStore
    heads: HeadFile | None = None
    tell: Tell = _untold

    def append(
        self,
        kind: Kind,
        subject: str,
        payload: Mapping[str, Any],
        *,
        at_ms: int,
        actor: str,
        chain: str = MAIN_CHAIN,
        once: str = "",
    ) -> LedgerEvent:
        """Append one decision and return it with its hash. Safe with any number of writers.

        `once` names an event that may be reported again after a crash: the same name about the same subject is
        appended one time only (by writers that take turns, as the holders of a lease do).

        Where the store no longer holds the event that the anchor names, the anchor stays where it is, as the proof, and
        `tell` hears of it. The decision is written down all the same: a ledger that somebody cut must stop no rollback.

        Raises
        ------
        Conflict
            When other writers were quicker two hundred times in a row.
        """
        if once:
            payload = {**payload, "once": once}
            for event in reversed(self.about(subject, limit=_LOOK_BACK)):
                if event.chain == chain and event.payload.get("once") == once:
                    return event
        for _ in range(_TRIES):
            last = self.last(chain)
            event = seal(
                chain=chain,
                sequence=last.sequence + 1 if last else 1,
                kind=kind,
                subject=subject,
                actor=actor,
                at_ms=at_ms,
                payload=payload,
                previous=last.hash if last else GENESIS,
            )
            record = Record(key_of(chain, event.sequence), event.at_ms, event.to_document())
            try:
                self.state.replace(LEDGER, record, expected=None)
            except Conflict:
                continue
            self._remember(event)
            return event
        raise Conflict(f"ledger {chain}: other writers were quicker {_TRIES} times", remedy="try again")

    def last(self, chain: str = MAIN_CHAIN) -> LedgerEvent | None:
        """Return the newest event, found from the head kept in the store by walking on from it."""
        pointer = self.state.get(LEDGER, f"{chain}:head")
        sequence = int(pointer.document["sequence"]) if pointer is not None else 0
        found = self._at(chain, sequence) if sequence else None
        while (following := self._at(chain, (found.sequence if found else 0) + 1)) is not None:
            found = following
        return found

    def events(self, chain: str = MAIN_CHAIN) -> Iterator[LedgerEvent]:
        """Yield all events in sequence."""
        sequence = 1
        while (event := self._at(chain, sequence)) is not None:
            yield event
            sequence += 1

    def about(
        self,
        subject: str | None = None,
        *,
        until_ms: int | None = None,
        since_ms: int | None = None,
        limit: int = 200,
    ) -> list[LedgerEvent]:
        """Return the newest events about a subject (None: about anything) up to a moment, oldest first."""
        where: dict[str, str | int | float | bool] = {} if subject is None else {"subject": subject}
        found = self.state.find(
            LEDGER, where=where, until_ms=until_ms, since_ms=since_ms, newest_first=True, limit=limit + _HEADS
        )
        events = [LedgerEvent.from_document(r.document) for r in found if "hash" in r.document]
        return sorted(events[:limit], key=lambda e: (e.at_ms, e.chain, e.sequence))

    def verify(self, chain: str = MAIN_CHAIN, known: Sequence[Head] = ()) -> Verification:
        """Walk a whole chain and hold it against the anchor and other heads that are `known`; O(events)."""
        faults: list[str] = []
        previous, count, newest = GENESIS, 0, 0
        # Before the walk: an event that is appended and anchored meanwhile is none that the walk should have met.
        anchored = self.heads.read(chain) if self.heads is not None else None
        stored = self.state.count(LEDGER, where={"chain": chain})
        hashes: dict[int, str] = {}
        for event in self.events(chain):
            count, newest = count + 1, event.sequence
            if event.previous != previous:
                faults.append(f"event {event.sequence} does not follow on the one before it")
            if hash_of(event) != event.hash:
                faults.append(
                    f"event {event.sequence} ({event.kind} {event.subject}) was changed after it was written"
                )
            previous = hashes[event.sequence] = event.hash
        if stored > count:
            faults.append(f"event {newest + 1} is missing, {stored - count} after it are there")
        anchors = [*known, *([anchored] if anchored is not None else [])]
        faults += [fault for head in anchors if (fault := _against(head, hashes.get(head.sequence), newest))]
        held = max((head.sequence for head in anchors), default=None)
        return Verification(chain, count, previous, held, tuple(faults))

    def accept(self, *, at_ms: int, actor: str, reason: str, chain: str = MAIN_CHAIN) -> LedgerEvent:
        """Anchor the chain as it is now, by a person's decision (a restored backup lacks what came after it).

        What the anchor knew, and that it was given up, becomes a decision itself.
        """
        held = self.heads.read(chain) if self.heads is not None else None
        last = self.last(chain)
        payload = {
            "reason": reason,
            "anchored": held.sequence if held else None,
            "anchored_hash": held.hash if held else None,
            "accepted": last.sequence if last else 0,
        }
        event = self.append("anchor", chain, payload, at_ms=at_ms, actor=actor, chain=chain)
        if self.heads is not None:
            self.heads.set(Head(chain, event.sequence, event.hash))
        return event

    def _at(self, chain: str, sequence: int) -> LedgerEvent | None:
        record = self.state.get(LEDGER, key_of(chain, sequence))
        return None if record is None else LedgerEvent.from_document(record.document)

    def _remember(self, event: LedgerEvent) -> None:
        # Only where to begin looking; a slower writer may set it back, which costs a few reads.
        pointer = {"pointer": event.chain, "sequence": event.sequence}
        self.state.put(LEDGER, Record(f"{event.chain}:head", event.at_ms, pointer))
        head = Head(event.chain, event.sequence, event.hash)
        self.tell(head, self._anchor(head))

    def _anchor(self, head: Head) -> str:
        if self.heads is None:
            return ""
        held = self.heads.read(head.chain)
        if held is not None:
            there = self._at(held.chain, held.sequence)
            # Another writer may be ahead, and its event there.
            newest = max(head.sequence, there.sequence if there else 0)
            fault = _against(held, there.hash if there else None, newest)
            if fault:
                return fault
        self.heads.write(head)
        return ""


def _against(head: Head, found: str | None, newest: int) -> str:
    """Return what an anchored head says against a chain of `newest` events whose hash at its place is `found`."""
    if head.sequence > newest:
        return f"cut off after event {newest}: the head file knows event {head.sequence}"
    if found != head.hash:
        return f"event {head.sequence} is not the one that the head file knows: history was rewritten"
    return ""


def key_of(chain: str, sequence: int) -> str:
    """Return the key of an event's record."""
    return f"{chain}:{sequence:012d}"
