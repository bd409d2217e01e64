"""Stands where an OpenTelemetry collector would: takes spans over OTLP/HTTP, decoded by OpenTelemetry's own classes."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from tests.support.http_server import QuietHandler, running_http


@dataclass(frozen=True)
class Arrived:
    """A span as it came: ids in hex, attributes as plain values."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    failed: bool
    server: bool
    nanoseconds: int
    attributes: dict[str, Any]


@dataclass
class Collector:
    """What came so far; `raw` are the bytes of it."""

    url: str = ""
    spans: list[Arrived] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def take(self, body: bytes) -> None:
        self.raw.append(body)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = plain(group.resource.attributes)
            for scope in group.scope_spans:
                self.spans += [arrived(resource["service.name"], span) for span in scope.spans]


def plain(attributes: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in attributes}


def arrived(service: str, span: Any) -> Arrived:
    return Arrived(
        service, span.name, span.trace_id.hex(), span.span_id.hex(), span.parent_span_id.hex(),
        failed=span.status.code == span.status.STATUS_CODE_ERROR,
        server=span.kind == span.SPAN_KIND_SERVER,
        nanoseconds=span.end_time_unix_nano - span.start_time_unix_nano,
        attributes=plain(span.attributes),
    )  # fmt: skip


@contextmanager
def running_collector() -> Iterator[Collector]:
    """Run the collector; its address is what OTEL_EXPORTER_OTLP_ENDPOINT is set to."""
    collector = Collector()

    class Handler(QuietHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            assert self.path == "/v1/traces"
            collector.headers.append({name.lower(): value for name, value in self.headers.items()})
            collector.take(body)
            self.answer(200, "application/x-protobuf", ExportTraceServiceResponse().SerializeToString())

    with running_http(Handler) as collector.url:
        yield collector
