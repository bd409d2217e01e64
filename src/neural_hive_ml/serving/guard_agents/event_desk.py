"""Platform events over HTTP: judged at once; and the limits of the rules, seen and raised."""

from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from neural_hive_ml.observability.metrics import GuardAgentsMetrics
from neural_hive_ml.serving.guard_agents.counting import count_answer, count_threat
from neural_hive_ml.serving.guard_agents.threat_event import MAX_EVENT_BYTES, PlatformEvent, decode_event
from neural_hive_ml.serving.guard_agents.threat_results import ThreatResults
from neural_hive_ml.serving.guard_agents.threats import ThreatAnswer, ThreatDetector
from neural_hive_ml.serving.http.answers import json_answer
from neural_hive_ml.serving.http.body import read_body
from neural_hive_ml.serving.http.endpoint import Endpoint, Example
from neural_hive_ml.serving.http.problem import Problem

EXAMPLE_EVENT: Final[dict[str, Any]] = {
    "type": "authentication",
    "event_id": "evt-1",
    "user_id": "ana",
    "source_ip": "203.0.113.7",
    "failed_attempts": 7,
}
EXAMPLE_THREAT: Final[dict[str, Any]] = {
    "is_threat": True,
    "threat_type": "unauthorized_access",
    "severity": "high",
    "confidence": 1.0,
    "details": {
        "anomaly_type": "failed_logins",
        "explanation": "failed_attempts is 7, at least 5",
        "model_type": "rules",
        "features": {"failed_attempts": 7.0},
        "rule": "failed_logins",
        "detection_method": "heuristic",
        "inference_latency_ms": 0.02,
    },
    "detected_at": "2026-11-25T12:00:00.000Z",
    "raw_event": EXAMPLE_EVENT,
    "event_id": "evt-1",
    "event_type": "authentication",
    "checked": ["failed_logins"],
    "missing": [],
    "degraded": False,
}


class FalsePositives(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What people found: the share of findings that were none."""

    false_positive_rate: Annotated[float, msgspec.Meta(ge=0, le=1)]


class Limits(msgspec.Struct, frozen=True):
    """The adaptive limits as they stand; `raised` says whether this request raised them."""

    limits: dict[str, float]
    factor: float
    raised: bool
    raised_ms: int
    published: bool


@dataclass(frozen=True, slots=True)
class EventDesk:
    """The handlers of events and limits."""

    detector: ThreatDetector
    results: ThreatResults
    metrics: GuardAgentsMetrics

    def endpoints(self) -> tuple[Endpoint, ...]:
        """Return the routes."""
        example = {
            "limits": {"cpu_usage": 0.935},
            "factor": 1.1,
            "raised": True,
            "raised_ms": 1,
            "published": True,
        }
        return (
            Endpoint(
                "/api/v1/events", self.judge, ThreatAnswer, "POST", "score", "events", PlatformEvent,
                example=Example(EXAMPLE_EVENT, EXAMPLE_THREAT),
            ),
            Endpoint("/api/v1/thresholds", self.limits, Limits, role="any", counted_as="other"),
            Endpoint(
                "/api/v1/thresholds/recalibrate", self.recalibrate, Limits, "POST", "operate", "other", FalsePositives,
                example=Example({"false_positive_rate": 0.08}, example),
            ),
        )  # fmt: skip

    async def judge(self, request: Request) -> Response:
        """Is this platform event a threat, of which kind, how bad, and why.

        Rules first, and the anomaly model on the ticket that the event carries; the first that matches answers. The same
        `event_id` is kept once, however often it is sent.
        """
        answer, verdict = self.detector.detect(decode_event(await read_body(request, MAX_EVENT_BYTES)))
        if verdict is not None:
            count_answer(self.metrics, verdict)
        count_threat(self.metrics, answer)
        if answer.is_threat:
            self.results.keep(answer)
        return json_answer(answer, degraded=answer.degraded)

    async def limits(self, _: Request) -> Response:
        """The adaptive limits of the rules as they stand now."""
        return json_answer(self._limits(raised=False, published=False))

    async def recalibrate(self, request: Request) -> Response:
        """Raise the adaptive limits by a tenth when more than 5 % of the findings are false.

        At most once an hour, so that the same report sent again changes nothing; a day after the last step they are back.
        """
        try:
            told = msgspec.json.decode(await read_body(request, 1_024), type=FalsePositives)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `$.")
            raise Problem(
                422, "Not a rate", what, field=where.rstrip("`"), remedy="send false_positive_rate, 0 to 1"
            ) from None
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Problem(400, "Not JSON", str(error), remedy="send one JSON document") from None
        thresholds = self.detector.thresholds
        raised = thresholds.recalibrate(told.false_positive_rate, self.detector.clock.now_ms())
        published = raised and await run_in_threadpool(self.results.publish_thresholds)
        return json_answer(self._limits(raised=raised, published=published))

    def _limits(self, *, raised: bool, published: bool) -> Limits:
        thresholds = self.detector.thresholds
        limits = thresholds.limits(self.detector.rules)
        return Limits(limits, thresholds.factor, raised, thresholds.raised_ms, published)
