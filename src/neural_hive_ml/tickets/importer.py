"""From documents to the store: validate, upsert in batches, quarantine what is no ticket, count everything."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

import msgspec

from neural_hive_ml.errors import InvalidTicket
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.files import RawDocument
from neural_hive_ml.tickets.port import TicketStore, UpsertSummary
from neural_hive_ml.tickets.quarantine import Quarantine, QuarantinedDocument, quarantined
from neural_hive_ml.tickets.ticket import Ticket

BATCH = 20_000


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """`read` = `stored` + `updated` + `unchanged` + `quarantined`, exactly."""

    read: int = 0
    stored: int = 0
    updated: int = 0
    unchanged: int = 0
    quarantined: int = 0

    def __add__(self, other: "ImportSummary") -> "ImportSummary":
        return ImportSummary(
            self.read + other.read,
            self.stored + other.stored,
            self.updated + other.updated,
            self.unchanged + other.unchanged,
            self.quarantined + other.quarantined,
        )


def import_documents(
    documents: Iterable[RawDocument],
    store: TicketStore,
    quarantine: Quarantine,
    now_ms: int,
    progress: Callable[[ImportSummary], None] = lambda _: None,
) -> ImportSummary:
    """Import documents in order; the last document of a ticket_id wins.

    Idempotent, and safe to run again after a crash: a batch is in the store, or it is not.
    """
    total = ImportSummary()
    iterator = iter(documents)
    while batch := list(islice(iterator, BATCH)):
        tickets: list[Ticket] = []
        refused: list[QuarantinedDocument] = []
        for raw in batch:
            try:
                tickets.append(decode_ticket(raw.content))
            except InvalidTicket as error:
                refused.append(refusal(raw, error, now_ms))
        if refused:
            quarantine.add(refused)
        total += _summary(store.upsert(tickets), len(refused))
        progress(total)
    return total


def import_tickets(
    tickets: Iterable[Ticket], store: TicketStore, progress: Callable[[ImportSummary], None] = lambda _: None
) -> ImportSummary:
    """Store tickets that are valid by construction (the sample, the generator) in the same batches."""
    total = ImportSummary()
    iterator = iter(tickets)
    while batch := list(islice(iterator, BATCH)):
        total += _summary(store.upsert(batch), 0)
        progress(total)
    return total


def replay(quarantine: Quarantine, store: TicketStore) -> ImportSummary:
    """Try every quarantined document again; what is a ticket now is stored and leaves the quarantine.

    Documents held in part (`truncated`) stay: they are imported again from their source.
    """
    total = ImportSummary()
    for page in quarantine.pages():
        tickets: list[Ticket] = []
        mended: list[str] = []
        for held in page:
            try:
                ticket = None if held.truncated else decode_ticket(held.text)
            except InvalidTicket:
                continue
            if ticket is not None:
                tickets.append(ticket)
                mended.append(held.key)
        total += _summary(store.upsert(tickets), len(page) - len(mended))
        # Only once they are stored: a crash in between costs a second replay, never a ticket.
        quarantine.remove(mended)
    return total


def refusal(raw: RawDocument, error: InvalidTicket, at_ms: int) -> QuarantinedDocument:
    """Make the quarantine record of a document that `decode_ticket` refused."""
    content = raw.content if isinstance(raw.content, bytes) else msgspec.json.encode(raw.content, enc_hook=str)
    return quarantined(
        content, reason=str(error), field=error.field, source=raw.source, at_ms=at_ms, truncated=raw.truncated
    )


def _summary(upserted: UpsertSummary, refused: int) -> ImportSummary:
    written = upserted.stored + upserted.updated + upserted.unchanged
    return ImportSummary(written + refused, upserted.stored, upserted.updated, upserted.unchanged, refused)
