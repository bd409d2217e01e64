"""Promotions and rollbacks told to people: written to an outbox with the move, sent when nothing else waits.

A webhook that does not answer costs an announcement, which is counted, and never a move.
"""

from collections.abc import Callable
from typing import Any, Final

from neural_hive_ml.clock import DAY_MS, iso
from neural_hive_ml.conventions import ANNOUNCEMENTS
from neural_hive_ml.ledger.chain import Ledger
from neural_hive_ml.ledger.event import Kind
from neural_hive_ml.registry.alias_desk import AliasMove
from neural_hive_ml.state.port import Record, StateStore

# Sends a message, or returns why it could not.
Send = Callable[[dict[str, Any]], str]
_TOLD: Final = {
    "promote": ":rocket: {name}: version {version} is the champion{was}",
    "rollback": ":rewind: {name}: rolled back to version {version}{was}",
    "rollback_failed": ":rotating_light: {name}: version {version} could not be rolled back and goes on serving",
    "abort_failed": ":rotating_light: {name}: the shadow run of version {version} should end and could not be ended",
    "promote_failed": ":rotating_light: {name}: version {version} is ready and could not be promoted",
    "adopt": ":warning: {name}: the champion was moved outside of this system, to version {version}{was}",
    "abort": ":octagonal_sign: {name}: the shadow run of the challenger was aborted, {previous} goes on serving",
}
_TRIES: Final = 3
# What could not be told within this time is no news any more.
_NEWS_MS: Final = DAY_MS
_LONGEST: Final = 1_500


def noting(ledger: Ledger) -> Callable[[AliasMove], None]:
    """Return what writes alias moves into the ledger, each once, and the ones that people should hear of in the outbox."""

    def note(move: AliasMove) -> None:
        payload = {"move": move.kind, "version": move.version, "previous": move.previous, "reason": move.reason}
        kind: Kind = "rollback" if move.kind == "rollback" else "alias"
        once = f"{move.kind}:{move.name}:{move.token}:{move.version}"
        ledger.append(kind, move.name, payload, at_ms=move.at_ms, actor=move.actor, once=once)
        if move.kind in _TOLD:
            announce(ledger.state, move, once)

    return note


def announce(state: StateStore, move: AliasMove, once: str) -> None:
    """Put what people should hear of into the outbox, once by that name."""
    document = {"status": "pending", "tries": 0, "error": "", "message": message_of(move)}
    state.insert(ANNOUNCEMENTS, [Record(once, move.at_ms, document)])


def message_of(move: AliasMove) -> dict[str, Any]:
    """Return the webhook's body: Slack's `text`, and the same as fields for other readers."""
    was = f", was {move.previous}" if move.previous is not None else ""
    said = _TOLD[move.kind].format(name=move.name, version=move.version, was=was, previous=move.previous)
    text = f"{said}\nby {move.actor} at {iso(move.at_ms)}: {move.reason}"[:_LONGEST]
    for sign, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(sign, escaped)
    fields = {
        "event": move.kind, "model": move.name, "version": move.version, "previous": move.previous,
        "actor": move.actor, "reason": move.reason, "at": iso(move.at_ms),
    }  # fmt: skip
    return {"text": text, **fields}


def send_waiting(state: StateStore, send: Send | None, *, now_ms: int) -> int:
    """Send what waits in the outbox, oldest first; return how many were sent.

    Without a webhook, or after a day, they are marked ``unsent``; after three failures ``failed``. The first failure of a
    round ends it: the rest waits for the next one.
    """
    sent = 0
    for record in state.find(ANNOUNCEMENTS, where={"status": "pending"}):
        document = dict(record.document)
        if send is None or record.at_ms < now_ms - _NEWS_MS:
            document["status"] = "unsent"
        else:
            error = send(document["message"])
            document["error"], document["tries"] = error, int(document["tries"]) + 1
            document["status"] = "sent" if not error else "failed" if document["tries"] >= _TRIES else "pending"
            sent += not error
        state.put(ANNOUNCEMENTS, Record(record.key, record.at_ms, document))
        if document["error"]:
            break
    return sent
