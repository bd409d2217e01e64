"""ThreatDetector: is a platform event a threat, of which kind, how bad, how sure, and why.

The rules of `threat_rules.yaml` in their order, the anomaly model in its place among them; the first that matches answers.
An event about which nothing could be looked at gets no all-clear: `is_threat` is null then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import Any

import msgspec

from neural_hive_ml.clock import Clock, iso
from neural_hive_ml.conventions import SEVERITIES, THREAT_TYPES
from neural_hive_ml.serving.guard_agents.records import VerdictLog
from neural_hive_ml.serving.guard_agents.scoring import TicketAnswer, TicketScoring
from neural_hive_ml.serving.guard_agents.threat_event import Received
from neural_hive_ml.serving.guard_agents.threat_rules import Rule
from neural_hive_ml.serving.guard_agents.thresholds import Thresholds
from neural_hive_ml.tickets.decode import decode_ticket
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.ticket import Ticket

Details = Mapping[str, Any]
_SHOWN = 60


class ThreatAnswer(msgspec.Struct, frozen=True):
    """The answer about one event.

    `is_threat` is null when nothing about the event could be looked at: `missing` names the figures that rules for its
    type ask for. `checked` are the rules that were tried. `severity` is the rule's own (fixed by the platform), or the
    model's: how far the score lies beyond its threshold. `confidence` is the rule's fixed figure, or the model's score;
    below 0.7 the platform asks a person. `degraded`: the event has a ticket, and no model judged it.
    """

    is_threat: bool | None
    threat_type: str | None
    severity: str | None
    confidence: float | None
    details: dict[str, Any]
    detected_at: str
    raw_event: msgspec.Raw
    event_id: str
    event_type: str
    checked: tuple[str, ...]
    missing: tuple[str, ...]
    degraded: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """What a rule found: the severity, the confidence and the details of it."""

    threat: str
    severity: str
    confidence: float
    details: Details


@dataclass(slots=True)
class _Look:
    """What was looked at so far."""

    checked: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    degraded: bool = False
    answer: TicketAnswer | None = None


@dataclass(frozen=True, slots=True)
class ThreatDetector:
    """Judges events; tickets in them are judged by the model in the slot, and their verdicts kept for feedback."""

    rules: Sequence[Rule]
    thresholds: Thresholds
    scoring: TicketScoring
    clock: Clock
    log: VerdictLog | None = None

    def detect(self, received: Received) -> tuple[ThreatAnswer, TicketAnswer | None]:
        """Judge an event; also return the verdict about its ticket, where it has one.

        Raises
        ------
        InvalidEvent
            When a figure is no number, or a share outside [0, 1].
        InvalidTicket
            When its ticket is none.
        """
        began, look = perf_counter_ns(), _Look()
        finding = None
        for rule in self.rules:
            if rule.about(received.kind):
                finding = self._apply(rule, received, look)
                if finding is not None:
                    break
        details = dict(finding.details) if finding is not None else {}
        details["inference_latency_ms"] = (perf_counter_ns() - began) / 1e6
        answer = ThreatAnswer(
            is_threat=True if finding is not None else False if look.checked else None,
            threat_type=finding.threat if finding is not None else None,
            severity=finding.severity if finding is not None else None,
            confidence=finding.confidence if finding is not None else None,
            details=details,
            detected_at=iso(self.clock.now_ms()),
            raw_event=msgspec.Raw(received.raw),
            event_id=received.event_id,
            event_type=received.kind,
            checked=tuple(look.checked),
            missing=tuple(look.missing),
            degraded=look.degraded,
        )
        return answer, look.answer

    def _apply(self, rule: Rule, received: Received, look: _Look) -> Finding | None:
        if rule.model:
            return self._model(rule, received, look)
        if rule.reported:
            return _reported(rule, received, look)
        if rule.patterns:
            return _payload(rule, received, look)
        value = received.figure(rule.field, share=rule.share)
        if value is None:
            if rule.events[0] == received.kind:
                look.missing.append(rule.field)
            return None
        look.checked.append(rule.id)
        factor = self.thresholds.factor
        if not rule.exceeded(value, factor):
            return None
        sign = "at least" if rule.at_least is not None else "above"
        words = f"{rule.field} is {value:g}, {sign} {rule.limit(factor):g}"
        return Finding(
            rule.threat,
            rule.severity,
            rule.sureness(value),
            _details(rule, words, {rule.field: value}, "heuristic"),
        )

    def _model(self, rule: Rule, received: Received, look: _Look) -> Finding | None:
        document = received.event.ticket
        if document is None:
            return None
        answer = self.scoring.score(decode_ticket(document))
        if self.log is not None:
            answer = self.log.keep(answer)
        look.answer, look.degraded = answer, answer.degraded
        look.checked.append(rule.id)
        return finding_of(answer, rule) if answer.is_anomaly else None


def threat_of(ticket: Ticket, verdict: TicketAnswer, rule: Rule, now_ms: int) -> ThreatAnswer:
    """Return a flagged ticket of the ticket stream as a threat."""
    finding = finding_of(verdict, rule)
    return ThreatAnswer(
        is_threat=True,
        threat_type=finding.threat,
        severity=finding.severity,
        confidence=finding.confidence,
        details={**finding.details, "inference_latency_ms": verdict.latency_ms},
        detected_at=iso(now_ms),
        raw_event=msgspec.Raw(encode_ticket(ticket)),
        event_id=f"{verdict.stage}:{verdict.ticket_id}",
        event_type="execution_ticket",
        checked=(rule.id,),
        missing=(),
        degraded=verdict.degraded,
    )


def finding_of(answer: TicketAnswer, rule: Rule) -> Finding:
    """Return a flagged ticket as a threat; without a model the rule's own confidence stands in."""
    details = {
        "anomaly_type": answer.anomaly_type,
        "explanation": answer.explanation,
        "model_type": answer.model_type,
        # What spoke for it, and how rare that is: decimal orders of magnitude.
        "features": {reason.signal: reason.rarity for reason in answer.contributions},
        "rule": rule.id,
        "detection_method": "rules" if answer.degraded else "model",
        "model_version": answer.model_version,
        "ticket_id": answer.ticket_id,
        "prediction_id": answer.prediction_id,
    }
    confidence = answer.confidence if answer.confidence is not None else rule.confidence
    return Finding(rule.threat, answer.severity, confidence, details)


def _payload(rule: Rule, received: Received, look: _Look) -> Finding | None:
    if received.event.payload is None:
        return None
    look.checked.append(rule.id)
    found = rule.found(received)
    if found is None:
        return None
    pattern, snippet = found
    details = _details(rule, f"the payload holds {pattern.id.replace('_', ' ')}", {}, "heuristic")
    return Finding(
        rule.threat, rule.severity, rule.confidence, {**details, "pattern": pattern.id, "snippet": snippet}
    )


def _reported(rule: Rule, received: Received, look: _Look) -> Finding | None:
    claimed = received.event.threat_type
    if claimed is None:
        return None
    look.checked.append(rule.id)
    severity = (received.event.severity or "").lower()
    details = _details(rule, f"another detector reported {claimed[:_SHOWN]}", {}, "reported")
    threat = claimed if claimed in THREAT_TYPES else rule.threat
    return Finding(threat, severity if severity in SEVERITIES else rule.severity, rule.confidence, details)


def _details(rule: Rule, words: str, figures: Mapping[str, float], method: str) -> Details:
    return {
        "anomaly_type": rule.id,
        "explanation": words,
        "model_type": "rules",
        "features": dict(figures),
        "rule": rule.id,
        "detection_method": method,
    }
