"""Spans to a collector, OTLP over HTTP (extra `otel`): in batches, by a background thread, under the ids of the logs.

Whoever imports this needs the extra; `bootstrap_http.open_spans` does so when a collector is configured.
"""

import threading
from dataclasses import dataclass
from typing import Final

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from neural_hive_ml.observability.tracing import Span

# How long a batch may take to arrive, and all that is left at a stop.
SEND_SECONDS: Final = 2.0
CLOSE_SECONDS: Final = 3.0
_SCOPE: Final = InstrumentationScope("neural_hive_ml")
_SAMPLED: Final = TraceFlags(TraceFlags.SAMPLED)
_FAILED: Final = Status(StatusCode.ERROR)
_UNSET: Final = Status(StatusCode.UNSET)


@dataclass(frozen=True, slots=True)
class OtlpSpans:
    """See `tracing.Spans`. Spans end before they come here, so no tracer is needed: their ids are those of the logs."""

    processor: SpanProcessor
    resource: Resource

    @staticmethod
    def to(service: str, endpoint: str) -> "OtlpSpans":
        """Send a service's spans to a collector, ``http://collector:4318``.

        OpenTelemetry's own variables for headers, certificates, compression and batches hold. A collector that is down
        costs spans and a line in the log, never requests.
        """
        exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=SEND_SECONDS)
        return OtlpSpans(BatchSpanProcessor(exporter), Resource.create({"service.name": service}))

    def record(self, span: Span) -> None:
        """Put a span into the queue, unless its trace is not sampled; when the queue is full the oldest is dropped."""
        trace = span.trace
        if not trace.sampled:
            return
        trace_id = int(trace.trace_id, 16)
        above = SpanContext(trace_id, int(trace.parent_id, 16), True, _SAMPLED) if trace.parent_id else None
        self.processor.on_end(
            ReadableSpan(
                span.name,
                SpanContext(trace_id, int(trace.span_id, 16), False, _SAMPLED),
                above,
                self.resource,
                span.attributes,
                kind=SpanKind.SERVER,
                status=_FAILED if span.failed else _UNSET,
                start_time=span.began_ns,
                end_time=span.ended_ns,
                instrumentation_scope=_SCOPE,
            )
        )

    def close(self) -> None:
        """Send what is left. A collector that does not answer is not waited for longer than `CLOSE_SECONDS`."""
        last = threading.Thread(target=self.processor.shutdown, name="last-spans", daemon=True)
        last.start()
        last.join(CLOSE_SECONDS)
