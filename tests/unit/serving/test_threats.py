"""Platform events: every rule is reached as documented, limits are what they say, nothing is passed unlooked at."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.served import publish
from tests.support.trained import anomaly_candidate, generated_tickets

from neural_hive_ml.bootstrap_guard_agents import guard_agents
from neural_hive_ml.clock import DAY_MS, HOUR_MS
from neural_hive_ml.conventions import SEVERITIES, THREAT_TYPES
from neural_hive_ml.errors import InvalidEvent, InvalidTicket, UsageError
from neural_hive_ml.serving.guard_agents.app import GuardAgents
from neural_hive_ml.serving.guard_agents.event_desk import EventDesk
from neural_hive_ml.serving.guard_agents.threat_event import MAX_EVENT_BYTES, decode_event
from neural_hive_ml.serving.guard_agents.threat_results import RESULT_KEYS, result_of
from neural_hive_ml.serving.guard_agents.threat_rules import load_rules
from neural_hive_ml.serving.guard_agents.threats import ThreatAnswer
from neural_hive_ml.serving.guard_agents.thresholds import Thresholds
from neural_hive_ml.settings import load_settings
from neural_hive_ml.tickets.encode import encode_ticket
from neural_hive_ml.tickets.ticket import Ticket

# One event a rule, with what is found; the figures lie just beyond the limits.
EVENTS: dict[str, tuple[dict[str, Any], tuple[str, str, float]]] = {
    "failed_logins": (
        {"type": "authentication", "failed_attempts": 5},
        ("unauthorized_access", "high", 1.0),
    ),
    "request_flood": (
        {"type": "request_metrics", "requests_per_minute": 1001},
        ("dos_attack", "critical", 0.85),
    ),
    "malicious_payload": (
        {"type": "security_incident", "payload": {"q": "1' OR '1'='1"}},
        ("malicious_payload", "high", 0.9),
    ),
    "cpu": ({"type": "resource_metrics", "metrics": {"cpu_usage": 0.851}}, ("resource_abuse", "medium", 0.7)),
    "memory": ({"type": "resource_metrics", "metrics": {"memory_usage": 0.901}}, ("resource_abuse", "high", 0.75)),
    "error_rate": (
        {"type": "resource_metrics", "metrics": {"error_rate": 0.06}},
        ("anomalous_behavior", "medium", 0.6),
    ),
    "slow_answers": (
        {"type": "resource_metrics", "metrics": {"latency_p95": 501}},
        ("anomalous_behavior", "low", 0.6),
    ),
    "policy": (
        {"type": "policy_decision", "violations": ["no-privileged"]},
        ("policy_violation", "medium", 0.9),
    ),
    "large_transfer": ({"type": "data_transfer", "bytes_out": 2**30}, ("data_exfiltration", "high", 0.7)),
    "reported": (
        {"type": "security_incident", "threat_type": "dos_attack", "severity": "LOW"},
        ("dos_attack", "low", 0.6),
    ),
    "anomaly_score": ({"type": "heartbeat", "anomaly_score": 0.8}, ("anomalous_behavior", "medium", 0.8)),
}
HONEST = (
    {"type": "authentication", "failed_attempts": 4},
    {"type": "request_metrics", "requests_per_minute": 1000},
    {"type": "resource_metrics", "metrics": {"cpu_usage": 0.85, "memory_usage": 0.9, "error_rate": 0.05}},
    {"type": "policy_decision", "violations": []},
    {"type": "data_transfer", "bytes_out": 2**30 - 1},
    {"type": "heartbeat", "anomaly_score": 0.75},
    {"type": "security_incident", "payload": {"text": "the union selected a new chair; drop in and see"}},
    {"type": "security_incident", "payload": ["O'Brien and Ana's script", "a..b", "50% off", "select one or two"]},
)
ATTACKS = {
    "sql_injection": (
        "1 UNION ALL SELECT password FROM users",
        "' or 1=1",
        "'; DROP TABLE tickets",
        "admin'--",
        "x'; exec xp_cmdshell('dir')",
        "1 and sleep(10)",
        "1%27%20OR%201%3D1",
    ),
    "path_traversal": ("../../etc/passwd", "..\\..\\windows", "%2e%2e%2fetc"),
    "script": ("<script>alert(1)</script>", "< SCRIPT src=x>"),
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> GuardAgents:
    folder: Path = tmp_path_factory.mktemp("threats")
    publish(folder, [anomaly_candidate()])
    service = guard_agents(load_settings({"HIVE_DATA_DIR": str(folder)}))
    assert service.refresh()["outcome"] == "swapped"
    return service


@pytest.fixture(scope="module")
def desk(service: GuardAgents) -> EventDesk:
    assert service.desk is not None
    return service.desk


def judged(desk: EventDesk, event: Mapping[str, Any], default_type: str = "") -> ThreatAnswer:
    return desk.detector.detect(decode_event(json.dumps(event).encode(), default_type))[0]


def test_every_rule_is_reached_by_an_event_of_its_own() -> None:
    assert {rule.id for rule in load_rules()} == {*EVENTS, "model"}
    assert {threat for _, (threat, _, _) in EVENTS.values()} == set(THREAT_TYPES)


@pytest.mark.parametrize("rule", EVENTS)
def test_an_event_beyond_the_limit_is_the_threat_of_its_rule(desk: EventDesk, rule: str) -> None:
    event, (threat, severity, confidence) = EVENTS[rule]
    answer = judged(desk, event)
    assert (answer.is_threat, answer.threat_type, answer.severity) == (True, threat, severity)
    assert answer.confidence == pytest.approx(confidence)
    assert answer.details["rule"] == rule
    assert tuple(result_of(answer)) == RESULT_KEYS
    assert json.loads(bytes(answer.raw_event)) == event
    assert {"anomaly_type", "explanation", "model_type", "features", "inference_latency_ms"} <= set(answer.details)


@pytest.mark.parametrize("event", HONEST)
def test_an_event_on_the_limit_is_none(desk: EventDesk, event: Mapping[str, Any]) -> None:
    answer = judged(desk, event)
    assert (answer.is_threat, answer.threat_type, answer.confidence) == (False, None, None)
    assert answer.checked


@pytest.mark.parametrize(("pattern", "text"), [(p, t) for p, texts in ATTACKS.items() for t in texts])
def test_attacks_are_found_at_any_depth_of_a_payload(desk: EventDesk, pattern: str, text: str) -> None:
    answer = judged(desk, {"type": "anything", "payload": [{"body": ["fine", {"q": f"say {text}"}]}]})
    assert answer.is_threat
    assert answer.details["pattern"] == pattern
    assert len(answer.details["snippet"]) <= 200


@pytest.mark.parametrize(
    ("event", "missing"),
    [
        ({"type": "authentication"}, ("failed_attempts",)),
        ({"type": "resource_metrics", "metrics": {"disk": 1}}, ("cpu_usage", "memory_usage", "error_rate", "latency_p95")),
        ({"type": "never heard of"}, ()),
        ({}, ()),
    ],
)  # fmt: skip
def test_what_could_not_be_looked_at_gets_no_all_clear(
    desk: EventDesk, event: Mapping[str, Any], missing: tuple[str, ...]
) -> None:
    answer = judged(desk, event)
    assert (answer.is_threat, answer.checked, answer.missing) == (None, (), missing)


def test_streams_reach_the_rules_that_their_topics_once_could_not(desk: EventDesk) -> None:
    """Incidents carry the figures of logins and rates in payload or raw_data; metrics name no type at all."""
    incident = {"incident_id": "i-1", "severity": "high", "payload": {"failed_attempts": 9}}
    assert judged(desk, incident, "security_incident").threat_type == "unauthorized_access"
    flood = {"incident_id": "i-2", "raw_data": {"requests_per_minute": 5000}}
    assert judged(desk, flood, "security_incident").threat_type == "dos_attack"
    metrics = {"event_id": "m-1", "resource_name": "pod", "metrics": {"memory_usage": 0.97}}
    answer = judged(desk, metrics, "resource_metrics")
    assert (answer.threat_type, answer.severity, answer.event_id) == ("resource_abuse", "high", "m-1")
    unknown = judged(desk, {"threat_type": "cryptomining"}, "security_incident")
    assert (unknown.threat_type, unknown.confidence) == ("anomalous_behavior", 0.6)


def test_the_model_is_fed_the_ticket_of_the_event(desk: EventDesk, service: GuardAgents) -> None:
    """W26: not a constant vector. The verdict is that of the ticket itself, flagged or not, and stands behind the rules."""
    verdicts = [(t, service.scoring.score(t)) for t in generated_tickets()[-400:]]
    flagged = next((t, v) for t, v in verdicts if v.is_anomaly)
    normal = next((t, v) for t, v in verdicts if not v.is_anomaly)
    answer = judged(desk, about(flagged[0]))
    assert (answer.is_threat, answer.threat_type) == (True, "anomalous_behavior")
    assert (answer.confidence, answer.severity) == (flagged[1].anomaly_score, flagged[1].severity)
    assert answer.details["anomaly_type"] == flagged[1].anomaly_type
    assert answer.details["explanation"] == flagged[1].explanation
    assert answer.details["prediction_id"]
    assert judged(desk, about(normal[0])).is_threat is False
    first = judged(desk, {**about(flagged[0]), "payload": "<script>"})
    assert first.threat_type == "malicious_payload"
    assert len({v.anomaly_score for _, v in verdicts}) > 100


def about(ticket: Ticket) -> dict[str, Any]:
    return {"type": "execution_ticket", "event_id": ticket.ticket_id, "ticket": json.loads(encode_ticket(ticket))}


def test_without_a_model_the_answer_says_so(tmp_path: Path) -> None:
    bare = guard_agents(load_settings({"HIVE_DATA_DIR": str(tmp_path)}))
    assert bare.desk is not None
    ticket = json.loads(encode_ticket(generated_tickets()[0])) | {"retry_count": 9}
    answer = judged(bare.desk, {"type": "execution_ticket", "ticket": ticket})
    assert (answer.is_threat, answer.degraded, answer.confidence) == (True, True, 0.5)
    assert answer.details["detection_method"] == "rules"
    calm = judged(bare.desk, {"type": "execution_ticket", "ticket": ticket | {"retry_count": 0}})
    assert calm.degraded


@pytest.mark.parametrize(
    ("event", "field"),
    [
        ({"type": "resource_metrics", "metrics": {"cpu_usage": 86}}, "metrics.cpu_usage"),
        ({"type": "resource_metrics", "metrics": {"cpu_usage": "high"}}, "metrics.cpu_usage"),
        ({"type": "authentication", "failed_attempts": -1}, "failed_attempts"),
        ({"type": "authentication", "failed_attempts": True}, "failed_attempts"),
        ({"type": 7}, "type"),
        ({"anomaly_score": 1.5}, "anomaly_score"),
        ({"metrics": []}, "metrics"),
    ],
)
def test_figures_of_another_unit_are_refused_with_their_place(
    desk: EventDesk, event: Mapping[str, Any], field: str
) -> None:
    with pytest.raises(InvalidEvent) as refused:
        judged(desk, event)
    assert refused.value.field == field


@pytest.mark.parametrize("raw", [b"", b"[]", b"nul", b"\xff", b"[" * 5_000, b'{"a":1}' + b" " * MAX_EVENT_BYTES])
def test_what_is_no_event_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidEvent):
        decode_event(raw)


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FIELDS = [rule.field for rule in load_rules() if rule.field]
_NAMES = st.sampled_from([*_FIELDS, "type", "metrics", "payload", "raw_data", "ticket", "threat_type", "event_id"])
_KINDS = st.sampled_from(["authentication", "resource_metrics", "security_incident", "data_transfer", "other"])


@settings(max_examples=300, deadline=None)
@given(event=st.dictionaries(_NAMES, _JSON, max_size=6), kind=_KINDS)
def test_any_document_is_answered_or_refused(desk: EventDesk, event: dict[str, Any], kind: str) -> None:
    try:
        answer = judged(desk, event, kind)
    except (InvalidEvent, InvalidTicket):
        return
    if answer.is_threat:
        assert answer.threat_type in THREAT_TYPES
        assert answer.severity in SEVERITIES
        assert answer.confidence is not None
        assert 0 <= answer.confidence <= 1
    else:
        assert (answer.threat_type, answer.severity, answer.confidence) == (None, None, None)


def test_limits_give_way_to_false_findings_for_a_day_and_never_past_reach() -> None:
    rules, thresholds, now = load_rules(), Thresholds(), DAY_MS
    assert not thresholds.recalibrate(0.05, now)
    assert thresholds.recalibrate(0.06, now)
    assert not thresholds.recalibrate(0.06, now)
    assert thresholds.limits(rules)["cpu_usage"] == pytest.approx(0.935)
    for hour in range(1, 30):
        thresholds.recalibrate(0.5, now + hour * HOUR_MS)
    assert thresholds.limits(rules) == {
        "cpu_usage": 0.99, "memory_usage": 0.99, "error_rate": 0.5, "latency_p95": 5000,
    }  # fmt: skip
    thresholds.relax(thresholds.raised_ms + DAY_MS)
    assert thresholds.limits(rules)["cpu_usage"] == 0.85


def test_another_replicas_newer_step_is_taken_over() -> None:
    here = Thresholds()
    here.adopt(1.21, 5)
    here.adopt(1.1, 4)
    here.adopt(0.5, 9)
    assert (here.factor, here.raised_ms) == (1.21, 5)


@pytest.mark.parametrize(
    "change",
    [
        {"model": False},
        {"threat": "no"},
        {"severity": "no"},
        {"field": "x"},
        {"patterns": [{"id": "p", "regex": "(", "source": "s"}]},
        {"unknown": 1},
    ],
)
def test_rules_that_make_no_sense_are_refused(change: dict[str, Any]) -> None:
    rule = {
        "id": "a", "events": ["any"], "model": True, "threat": "dos_attack", "severity": "low", "confidence": 1,
        "source": "s",
    }  # fmt: skip
    assert load_rules(json.dumps({"rules": [rule]}))
    with pytest.raises(UsageError):
        load_rules(json.dumps({"rules": [rule | change]}))
    for text in ("rules: 7", "[", "rules: []", "{}"):
        with pytest.raises(UsageError):
            load_rules(text)
