"""Why anything happened, in plain words: the decisions about a model up to a moment, newest last."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from neural_hive_ml.clock import iso
from neural_hive_ml.ledger.event import LedgerEvent


@dataclass(frozen=True, slots=True)
class Line:
    """One sentence about one event."""

    at_ms: int
    sequence: int
    kind: str
    subject: str
    actor: str
    text: str


def explain(events: Iterable[LedgerEvent]) -> tuple[Line, ...]:
    """Put events into sentences, in their order."""
    return tuple(
        Line(e.at_ms, e.sequence, e.kind, e.subject, e.actor, f"{iso(e.at_ms)}  {_sentence(e)}") for e in events
    )


def _sentence(event: LedgerEvent) -> str:
    p, who, what = event.payload, event.actor, event.subject
    reasons = "; ".join(str(r) for r in p.get("reasons", ())) or str(p.get("reason", ""))
    match event.kind:
        case "data_read":
            text = f"{what}: read {p.get('rows', '?')} tickets, digest {str(p.get('digest', ''))[:12]}"
        case "run":
            text = f"{what}: {_run(p)}"
        case "gate":
            text = f"{what}: the gate said {p.get('outcome', '?')} on version {p.get('version', '?')}"
        case "alias" | "rollback":
            before = f", was {p['previous']}" if p.get("previous") is not None else ""
            text = f"{what}: {who} did {p.get('move', event.kind)} to version {p.get('version')}{before}"
        case "drift":
            found = "drift" if p.get("drift_detected") else str(p.get("status", "checked"))
            text = f"{what}: {found}, score {_number(p.get('drift_score'))} on {p.get('rows', '?')} tickets"
        case "decision":
            text = f"the policy decided: {p.get('action', '?')} ({', '.join(p.get('models', ())) or 'no model'})"
        case "retraining":
            how = "succeeded" if p.get("success") else "failed"
            text = f"{what}: retraining {how} after {_number(p.get('seconds'))} s"
        case "human_verdict":
            text = f"ticket {what}: judged {p.get('verdict', '?')} by {who}"
        case "pause":
            until = p.get("until_ms")
            text = f"{who} paused retraining until {iso(int(until))}" if until else f"{who} let retraining resume"
        case "anchor":
            upto, knew = p.get("accepted", "?"), p.get("anchored")
            text = f"{who} accepted the ledger up to event {upto}, where the head file knew {knew}"
        case "erasure":
            text = f"{what}: {who} had a person's data erased ({p.get('tickets', '?')} tickets)"
        case "reference":
            text = f"{what}: {who} renewed the reference profile from {p.get('rows', '?')} tickets"
    return f"{text}: {reasons}" if reasons else text


def _run(p: Mapping[str, Any]) -> str:
    if p.get("version") is not None:
        return f"trained version {p['version']} (run {p.get('run_id', '?')})"
    words = {"not_enough_data": "there was not enough data to train", "unreachable": "a store was unreachable"}
    return words.get(str(p.get("outcome")), "the training failed")


def _number(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, (int, float)) else "unknown"
