"""From documents to the store: validate, upsert in batches, quarantine what is no ticket, count everything."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

import msgspec

from neural_hive_ml.errors import InvalidTicket
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.files import RawDocument
from neural_hive_ml.tickets.port import TicketStore, UpsertSummary
from neural_hive_ml.tickets.quarantine import Quarantine, QuarantinedDocument, quarantined
from neural_hive_ml.tickets.ticket import Ticket

_BATCH = 5_000


@dataclass(frozen=True, slots=True)
class ImportSummary:
    """`read` = `stored` + `updated` + `unchanged` + `quarantined`, exactly."""

    read: int
    stored: int
    updated: int
    unchanged: int
    quarantined: int


def import_documents(
    documents: Iterable[RawDocument], store: TicketStore, quarantine: Quarantine, now_ms: int
) -> ImportSummary:
    """Import documents in order; the last document of a ticket_id wins. Idempotent, safe to run again after a crash."""
    read, refused = 0, 0
    total = UpsertSummary()
    iterator = iter(documents)
    while batch := list(islice(iterator, _BATCH)):
        tickets: list[Ticket] = []
        bad: list[QuarantinedDocument] = []
        for raw in batch:
            try:
                tickets.append(decode_ticket(raw.content))
            except InvalidTicket as error:
                bad.append(quarantined(_text(raw), reason=str(error), field=error.field, source=raw.source, at_ms=now_ms))
        if bad:
            quarantine.add(bad)
        total += store.upsert(tickets)
        read += len(batch)
        refused += len(bad)
    return ImportSummary(read, total.stored, total.updated, total.unchanged, refused)


def replay(quarantine: Quarantine, store: TicketStore) -> ImportSummary:
    """Try every quarantined document again; what is a ticket now is stored and leaves the quarantine."""
    read, refused = 0, 0
    total = UpsertSummary()
    for held in list(quarantine.list()):
        read += 1
        try:
            ticket = decode_ticket(held.text)
        except InvalidTicket:
            refused += 1
            continue
        total += store.upsert([ticket])
        quarantine.remove([held.key])
    return ImportSummary(read, total.stored, total.updated, total.unchanged, refused)


def _text(raw: RawDocument) -> str:
    if isinstance(raw.content, bytes):
        return raw.content.decode("utf-8", "replace")
    return msgspec.json.encode(raw.content, enc_hook=str).decode()
