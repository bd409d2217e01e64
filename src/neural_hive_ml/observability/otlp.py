"""Spans over OTLP/HTTP with OpenTelemetry (extra `otel`), carrying the same ids as the logs."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from neural_hive_ml.errors import UsageError
from neural_hive_ml.observability.tracing import Span, Trace

_current: ContextVar[Trace | None] = ContextVar("current_trace", default=None)


def otlp_recorder(service: str, endpoint: str) -> Span:
    """Return a context manager that records one span: ``with record("serving.score", trace): ...``.

    Spans are sent in batches by a background thread; an endpoint that is down costs spans, never requests.

    Raises
    ------
    UsageError
        When the `otel` extra is not installed.
    """
    try:
        from opentelemetry import trace as api
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
        from opentelemetry.sdk.trace.id_generator import IdGenerator
    except ImportError as error:
        raise UsageError(
            f"OTEL_EXPORTER_OTLP_ENDPOINT is set, but OpenTelemetry is not installed: {error}",
            remedy="pip install 'neural-hive-ml[otel]' or unset the variable",
        ) from error

    class OurIds(IdGenerator):
        def generate_trace_id(self) -> int:
            trace = _current.get()
            return int(trace.trace_id, 16) if trace else api.INVALID_TRACE_ID

        def generate_span_id(self) -> int:
            trace = _current.get()
            return int(trace.span_id, 16) if trace else api.INVALID_SPAN_ID

    provider = TracerProvider(resource=Resource.create({"service.name": service}), id_generator=OurIds())
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=2)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    tracer = provider.get_tracer(service)

    @contextmanager
    def record(name: str, trace: Trace) -> Iterator[None]:
        if not trace.sampled:
            yield
            return
        parent = None
        if trace.parent_id:
            flags = api.TraceFlags(api.TraceFlags.SAMPLED)
            above = api.SpanContext(int(trace.trace_id, 16), int(trace.parent_id, 16), True, flags)
            parent = api.set_span_in_context(api.NonRecordingSpan(above))
        token = _current.set(trace)
        try:
            with tracer.start_as_current_span(name, context=parent):
                yield
        finally:
            _current.reset(token)

    return record
